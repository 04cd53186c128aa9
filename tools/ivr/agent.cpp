// ivr agent: robot agents, SIP endpoints of their own that register, ring, answer and talk.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ivr/engine.hpp"
#include "narrator.hpp"

namespace {

using namespace std::chrono_literals;
using json = nlohmann::ordered_json;

std::atomic<bool> interrupted{false};

struct Manner {
  std::string reply = "answer";
  ivr::Millis ring{2000}, talk{5000};
  std::string press, say, language;
  bool stay = false;
};

// One call to an agent: it rings, then is taken, pressed for, talked on, and hung up; or refused.
class AgentRobot final : public ivr::Script {
 public:
  explicit AgentRobot(const Manner& manner) {
    if (manner.reply == "ignore") {
      todo_.push_back(ivr::intent::Wait{10min});  // the caller's patience ends first
      return;
    }
    if (manner.ring > 0ms) todo_.push_back(ivr::intent::Wait{manner.ring});
    if (manner.reply != "answer") {
      todo_.push_back(ivr::intent::Hangup{manner.reply, manner.reply == "busy" ? 486 : 603});
      return;
    }
    todo_.push_back(ivr::intent::Answer{});
    if (!manner.press.empty()) todo_.push_back(ivr::intent::SendDigits{manner.press});
    if (!manner.say.empty()) {
      ivr::Prompt words;
      words.value = manner.say;
      words.language = manner.language;
      todo_.push_back(ivr::intent::Play{{words}, 1, ivr::BargeIn::none});
    }
    todo_.push_back(ivr::intent::Wait{manner.stay ? ivr::Millis(24h) : manner.talk});
  }

  void step(const ivr::Outcome& outcome, ivr::Time, ivr::ScriptOutput& out) override {
    if (std::holds_alternative<ivr::outcome::Ended>(outcome)) return;
    if (next_ == todo_.size()) {
      out.intent.push_back(ivr::intent::Hangup{"done"});
    } else {
      out.intent.push_back(todo_[next_++]);
    }
  }

 private:
  std::vector<ivr::Intent> todo_;
  std::size_t next_ = 0;
};

void tell(bool as_json, ivr::Time begun, const ivr::EngineEvent& event, const std::string& text, json j) {
  if (as_json) {
    j["at_ms"] = std::chrono::duration_cast<ivr::Millis>(event.at.time_since_epoch()).count();
    std::printf("%s\n", j.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  } else {
    std::printf("%8.2f s  %s\n", static_cast<double>((event.at - begun).count()) / 1e6, text.c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int agent_main(int argc, char** argv) {
  Manner manner;
  manner.say = "Hello, how can I help you?";
  manner.language = "en";
  std::vector<std::string> users;
  std::string server = "sip:127.0.0.1:5060", listen = "127.0.0.1", record;
  double ring_s = 2, talk_s = 5;
  int calls = 0, misses = 0, expires_s = 300;
  bool as_json = false;
  CLI::App app{
      "Robot agents: register with a server (digest; the password is read from IVR_PASSWORD), ring, answer\n"
      "after a while, talk, hang up. Runs until Ctrl-C, or until it has had --calls calls.",
      "ivr agent"};
  app.add_option("users", users, "whom to register as, one or more")->required();
  app.add_option("--server", server, "the registrar, e.g. sip:127.0.0.1:5062")->capture_default_str();
  app.add_option("--answer-after", ring_s, "seconds it rings")
      ->check(CLI::Range(0.0, 600.0))
      ->capture_default_str();
  app.add_option("--talk", talk_s, "seconds it talks; 0: until the caller hangs up")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  app.add_option("--reply", manner.reply, "what it does with a call")
      ->check(CLI::IsMember({"answer", "busy", "reject", "ignore"}))
      ->capture_default_str();
  app.add_option("--misses", misses, "lets so many calls ring out first");
  app.add_option("--press", manner.press, "keys it presses when it has answered, to accept a call");
  app.add_option("--say", manner.say, "what it says first; empty: nothing")->capture_default_str();
  app.add_option("--language", manner.language, "of --say")->capture_default_str();
  app.add_option("--calls", calls, "ends after so many calls; 0: never")->capture_default_str();
  app.add_option("--expires", expires_s, "seconds of a registration")
      ->check(CLI::Range(10, 86400))
      ->capture_default_str();
  app.add_option("--record", record, "folder for stereo recordings");
  app.add_option("--listen", listen, "own address")->capture_default_str();
  app.add_flag("--json", as_json, "one JSON object a line for each event");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  manner.ring = ivr::Millis(static_cast<std::int64_t>(ring_s * 1000));
  manner.talk = ivr::Millis(static_cast<std::int64_t>(talk_s * 1000));
  manner.stay = talk_s == 0;

  ivr::EngineOptions options;
  options.sip.listen = listen;
  options.sip.port = 0;
  options.sip.tcp = server.find("transport=tcp") != std::string::npos;
  options.sip.user_agent = "ivr agent";
  options.media.bind_ip = listen;
  options.media.port_min = 20000;
  options.media.port_max = 29999;
  options.media.threads = 1;
  options.stream.measure_voice = true;
  options.recordings = record.empty() ? "." : record;
  const char* password = std::getenv("IVR_PASSWORD");
  for (const std::string& user : users)
    options.enrolments.push_back(
        {server, user, password == nullptr ? "" : password, ivr::Millis(expires_s * 1000)});
  ivr::Route route;
  route.extension = "*";
  route.answer_later = true;
  route.record = !record.empty();
  auto left_to_miss = std::make_shared<int>(misses);  // the control thread's alone
  route.script = [manner, left_to_miss](const ivr::CallInfo&) {
    Manner this_time = manner;
    if (*left_to_miss > 0) {
      --*left_to_miss;
      this_time.reply = "ignore";
    }
    return std::make_unique<AgentRobot>(this_time);
  };
  if (!manner.say.empty()) {
    ivr::Prompt words;
    words.value = manner.say;
    words.language = manner.language;
    route.preload = {{words}};
  }
  options.routes.push_back(std::move(route));

  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr agent: %s\n", std::string(why.message()).c_str());
    return 1;
  };
  auto engine = ivr::Engine::create(std::move(options));
  if (!engine.ok()) return fail(engine.status());
  if (auto started = (*engine)->start(); !started.ok()) return fail(started);
  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });

  std::optional<ivr::Time> begun;
  std::map<std::string, std::string> callers;
  int had = 0;
  bool refused = false;
  while (!interrupted && !refused && (calls == 0 || had < calls)) {
    const auto event = (*engine)->next_event(200ms);
    if (!event) continue;
    if (!begun) begun = event->at;
    if (const auto* e = std::get_if<ivr::EngineEvent::Enrolled>(&event->what)) {
      tell(as_json, *begun, *event,
           e->user + (e->registered ? " registered"
                                    : " not registered: " + std::to_string(e->status) + " " + e->reason),
           {{"event", e->registered ? "registered" : "not_registered"},
            {"user", e->user},
            {"status", e->status},
            {"reason", e->reason}});
      refused = !e->registered && (e->status == 403 || e->status == 401 || e->status == 404);
    } else if (const auto* started = std::get_if<ivr::EngineEvent::CallStarted>(&event->what)) {
      callers[event->call] = started->call.caller;
      tell(as_json, *begun, *event, started->call.called + " rings: " + started->call.caller,
           {{"event", "ringing"}, {"user", started->call.called}, {"caller", started->call.caller}});
    } else if (std::holds_alternative<ivr::EngineEvent::CallAnswered>(event->what)) {
      tell(as_json, *begun, *event, "talks with " + callers[event->call],
           {{"event", "talking"}, {"caller", callers[event->call]}});
    } else if (const auto* ended = std::get_if<ivr::EngineEvent::CallEnded>(&event->what)) {
      ++had;
      const auto& r = ended->record;
      const bool talked = r.answered != ivr::Time{};
      tell(as_json, *begun, *event,
           callers[event->call] +
               (talked ? " is gone after " + seconds(r.ended - r.answered) : " was not answered"),
           {{"event", "ended"},
            {"user", r.called},
            {"caller", r.caller},
            {"answered", talked},
            {"talk_ms", talked ? std::chrono::duration_cast<ivr::Millis>(r.ended - r.answered).count() : 0},
            {"audio_heard_ms", ended->media.voice_samples / 8}});
      callers.erase(event->call);
    }
  }
  (*engine)->stop(ivr::Millis(0));
  return refused ? 1 : 0;
}

// ivr call: a robot caller, a SIP and RTP peer of its own.
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ivr/codec.hpp"
#include "ivr/engine.hpp"
#include "narrator.hpp"
#include "robot.hpp"

namespace {

std::atomic<bool> interrupted{false};

using json = nlohmann::ordered_json;

std::vector<std::string> codec_names() {
  std::vector<std::string> names;
  for (const ivr::CodecFormat& format : ivr::kCodecFormats) names.emplace_back(format.name);
  return names;
}

// One call as the robot lived it.
struct Caller {
  std::shared_ptr<RobotReport> report = std::make_shared<RobotReport>();
  ivr::EngineEvent::CallEnded end;
  ivr::Time begun{}, answered{};
  std::string file;

  bool hear(const ivr::EngineEvent& event) {  // true: it is over
    if (std::holds_alternative<ivr::EngineEvent::CallStarted>(event.what)) begun = event.at;
    if (std::holds_alternative<ivr::EngineEvent::CallAnswered>(event.what)) answered = event.at;
    if (const auto* recorded = std::get_if<ivr::EngineEvent::Recorded>(&event.what)) file = recorded->file;
    const auto* ended = std::get_if<ivr::EngineEvent::CallEnded>(&event.what);
    if (ended != nullptr) end = *ended;
    return ended != nullptr;
  }

  bool print(const std::string& id, const std::string& uri, bool as_json) const {
    bool ok = report->answered;
    const auto ms = [](ivr::Micros d) { return std::chrono::duration_cast<ivr::Millis>(d).count(); };
    json result{{"call", id}, {"uri", uri}, {"from", end.record.caller}, {"answered", report->answered}};
    if (report->answered) {
      result["setup_ms"] = ms(answered - begun);
      result["talk_ms"] = ms(report->over - report->up);
    }
    result["steps"] = json::array();
    for (const auto& step : report->steps) {
      ok = ok && step.ok;
      json j{{"do", step.text}, {"at_ms", step.at.count()}, {"ok", step.ok}};
      if (!step.detail.empty()) j["detail"] = step.detail;
      result["steps"].push_back(std::move(j));
      if (!as_json) {
        std::printf("  %s %-24s at %6.2f s  %s\n", step.ok ? "ok  " : "FAIL", step.text.c_str(),
                    static_cast<double>(step.at.count()) / 1000, step.detail.c_str());
      }
    }
    result["digits_sent"] = report->digits_sent;
    result["audio_heard_ms"] = end.media.voice_samples / 8;
    result["rtp"] = json::parse(stats_json(end.media));
    result["ended_by"] = report->ended_by.empty() ? "peer" : report->ended_by;
    result["reason"] = report->reason.empty() ? end.record.cause : report->reason;
    if (!file.empty()) result["recording"] = file;
    if (as_json) {
      std::printf("%s\n", result.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    } else {
      std::printf("%s: heard %.1f s of audio, sent '%s', %s\n",
                  ok                 ? "done"
                  : report->answered ? "failed"
                                     : "not answered",
                  static_cast<double>(end.media.voice_samples) / 8000, report->digits_sent.c_str(),
                  result["reason"].get<std::string>().c_str());
      if (!file.empty()) std::printf("recorded %s\n", file.c_str());
    }
    return ok;
  }
};

}  // namespace

int call_main(int argc, char** argv) {
  std::string uri, todo = "expect-audio; listen", record, codec = "pcmu", language = "en", user, from,
                   listen = "127.0.0.1";
  double timeout_s = 120, rate = 10;
  int calls = 1;
  bool as_json = false, inband = false;
  CLI::App app{
      "Calls a SIP URI, does what it is told, records what it hears, and says how it went.\n\n"
      "What --do knows, separated by semicolons:\n"
      "  wait 2s             does nothing for so long (ms, s or m)\n"
      "  press 12345#        sends keys, RFC 4733 or in-band as agreed; w pauses half a second\n"
      "  expect-audio [10s]  waits until the other side speaks; fails when it does not\n"
      "  expect-hangup [10s] waits until the other side ends the call; fails when it does not\n"
      "  listen [30s]        waits until the other side has spoken and fallen silent\n"
      "  say FILE.wav        plays a file; say \"text\" speaks it\n"
      "  hangup              ends the call; so does the end of the list",
      "ivr call"};
  app.add_option("uri", uri, "whom to call, e.g. sip:2001@127.0.0.1:5060")->required();
  app.add_option("--do", todo, "what to do")->capture_default_str();
  app.add_option("--record", record,
                 "folder for the stereo recording (left what we hear, right what we send)");
  app.add_option("--codec", codec, "the only codec to offer")
      ->check(CLI::IsMember(codec_names()))
      ->capture_default_str();
  app.add_option("--language", language, "of say \"text\"")->capture_default_str();
  app.add_option("--from", from, "From URI");
  app.add_option("--user", user, "digest user; the password is read from IVR_PASSWORD");
  app.add_option("--listen", listen, "own address")->capture_default_str();
  app.add_option("--timeout", timeout_s, "seconds after which the call is ended")->capture_default_str();
  app.add_option("--calls", calls,
                 "so many callers, each does the same; {n} in --from is the caller's number")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--rate", rate, "calls a second that begin")
      ->check(CLI::Range(0.01, 1000.0))
      ->capture_default_str();
  app.add_flag("--inband", inband, "do not offer telephone-event: keys go as tones in the audio");
  app.add_flag("--json", as_json, "print the result as one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  auto steps = parse_robot(todo, language);
  if (!steps.ok())
    return std::fprintf(stderr, "ivr call: %s\n", std::string(steps.status().message()).c_str()), 2;

  ivr::EngineOptions options;
  options.sip.listen = listen;
  options.sip.port = 0;
  options.sip.tcp = uri.find("transport=tcp") != std::string::npos;
  options.sip.user_agent = "ivr call";
  options.media.bind_ip = listen;
  options.media.port_min = 30000;
  options.media.port_max = 39999;
  options.media.threads = 1;
  options.codecs = {*ivr::codec_named(codec)};
  options.telephone_event = !inband;
  options.stream.measure_voice = true;
  options.prompts = "/";
  options.recordings = record.empty() ? "." : record;
  options.auth_user = user;
  if (const char* password = std::getenv("IVR_PASSWORD")) options.auth_password = password;
  options.narrate = !as_json;
  auto engine = ivr::Engine::create(std::move(options));
  absl::Status started = engine.ok() ? (*engine)->start() : engine.status();
  if (!started.ok()) return std::fprintf(stderr, "ivr call: %s\n", std::string(started.message()).c_str()), 1;

  std::signal(SIGINT, [](int) { interrupted = true; });
  std::signal(SIGTERM, [](int) { interrupted = true; });
  std::map<std::string, Caller> open;
  Narrator narrator(false);
  const auto begin = std::chrono::steady_clock::now();
  const auto give_up = begin + std::chrono::duration<double>(timeout_s + calls / rate);
  bool ok = true, hung_up = false;
  for (int begun = 0, over = 0; over < calls;) {
    const auto now = std::chrono::steady_clock::now();
    const bool stop = interrupted || now > give_up;
    if (begun < calls && !stop && now >= begin + std::chrono::duration<double>(begun / rate)) {
      Caller caller;
      const std::string number = std::to_string(++begun);
      std::string own = from;
      if (const auto at = own.find("{n}"); at != std::string::npos) own.replace(at, 3, number);
      auto id =
          (*engine)->originate({.uri = uri,
                                .from_uri = own,
                                .script = [steps = *steps, report = caller.report](
                                              const ivr::CallInfo&) { return make_robot(steps, report); },
                                .session = {.record = !record.empty()}});
      if (!id.ok())
        return std::fprintf(stderr, "ivr call: %s\n", std::string(id.status().message()).c_str()), 1;
      open.emplace(*id, std::move(caller));
      continue;
    }
    if (stop && !std::exchange(hung_up, true)) {
      for (const auto& [id, caller] : open)
        (void)(*engine)->hang_up(id, interrupted ? "interrupted" : "time is up");
      if (begun < calls) ok = false;
      calls = begun;
      continue;
    }
    const auto event = (*engine)->next_event(begun < calls ? ivr::Millis(2) : ivr::Millis(200));
    const auto caller = event ? open.find(event->call) : open.end();
    if (caller == open.end()) continue;
    if (!as_json) narrator.tell(*event);
    if (caller->second.hear(*event)) {
      ok = caller->second.print(caller->first, uri, as_json) && ok;
      open.erase(caller);
      ++over;
    }
  }
  (*engine)->stop(ivr::Millis(0));
  return ok ? 0 : 1;
}

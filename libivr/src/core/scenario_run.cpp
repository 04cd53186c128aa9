#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/simulator_world.hpp"
#include "ivr/scenario.hpp"

// One scenario: the caller goes through his steps as the call allows it, and what came of it is compared.

namespace ivr {
namespace {

using simulation::Call;
using simulation::World;

constexpr Micros kThinks = 500ms;
constexpr Micros kBetweenKeys = 200ms;

bool contains_text(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& each : list) text += (text.empty() ? "" : " -> ") + each;
  return text.empty() ? "nowhere" : text;
}

std::string seconds_text(Millis t) {
  return std::to_string(t.count() / 1000) + "." + std::to_string(t.count() % 1000 / 100) + " s";
}

class Director final : public simulation::Observer {
 public:
  Director(const Scenario& scenario, ScenarioResult& result) : scenario_(scenario), result_(result) {}
  void drive(World& world) { world_ = &world; }
  bool drives() const override { return true; }

  void stepped(Call& call, const Event& event, const Commands& commands, Time now) override {
    if (call.part != Call::Part::caller) return;
    if (!begun_) begun_ = now;
    if (const auto* bridged = std::get_if<event::Bridged>(&event)) {
      agent_ = bridged->agent;
      moment(now, "talks with " + bridged->agent);
    }
    if (const auto* digit = std::get_if<event::DigitHeard>(&event))
      moment(now, std::string("presses ") + digit->digit);
    if (const auto* ended = std::get_if<event::LegEnded>(&event);
        ended != nullptr && ended->leg == 0 && ended->by_peer)
      moment(now, "hangs up");
    if (std::holds_alternative<event::RecordEnded>(event)) recording_ = false;
    for (const Command& command : commands) {
      if (const auto* play = std::get_if<command::Play>(&command)) hear(play->prompts, now);
      if (const auto* start = std::get_if<command::StartRecord>(&command);
          start != nullptr && !start->both_sides)
        recording_ = true;
      if (const auto* join = std::get_if<command::JoinQueue>(&command)) {
        queue_ = join->want.queue;
        moment(now, "waits in queue " + queue_);
      }
      if (const auto* dial = std::get_if<command::Dial>(&command)) {
        dials_ = dial->uri;
        moment(now, "is connected with " + dial->uri);
      }
      if (const auto* report = std::get_if<command::Report>(&command)) note(report->note, now);
    }
    if (call.asked.what != Call::Asked::What::nothing) ask(call);
    advance(call, now);
  }

  void ended(Call& call, Time now) override {
    if (call.part != Call::Part::caller || over_) return;
    over_ = true;
    variables_ = call.session->script().variables();
    const auto& summary = call.session->summary();
    reason_ = summary.reason;
    language_ = language_.empty() ? summary.language : language_;
    switch (summary.ended_by) {
      case outcome::EndedBy::caller: ended_by_ = "caller"; break;
      case outcome::EndedBy::script: ended_by_ = "script"; break;
      case outcome::EndedBy::system: ended_by_ = "system"; break;
    }
    result_.length = std::chrono::duration_cast<Millis>(now - begun_.value_or(now));
    moment(now, "ended by " + ended_by_ + (reason_.empty() ? "" : ": " + reason_));
  }

  void compare() {
    const ScenarioExpectation& expect = scenario_.expect;
    if (at_ < scenario_.caller.size()) {
      const ScenarioStep& step = scenario_.caller[at_];
      std::string what = "step " + std::to_string(at_ + 1) + " of the caller was never done";
      if (step.kind == ScenarioStep::Kind::hears) what += ": \"" + step.text + "\" was not heard";
      if (step.kind == ScenarioStep::Kind::press) what += ": nothing asked for the keys " + step.text;
      if (step.kind == ScenarioStep::Kind::silent) what += ": nothing more was asked";
      differs(what);
    }
    if (expect.path && *expect.path != result_.path)
      differs("the path must be " + joined(*expect.path) + ", and was " + joined(result_.path));
    auto from = result_.path.begin();
    for (const std::string& node : expect.passes) {
      const auto found = std::find(from, result_.path.end(), node);
      if (found == result_.path.end()) {
        differs("must pass " + node + ", and went " + joined(result_.path));
        break;
      }
      from = found + 1;
    }
    for (const std::string& node : expect.avoids) {
      if (std::find(result_.path.begin(), result_.path.end(), node) != result_.path.end())
        differs("must not pass " + node + ", and went " + joined(result_.path));
    }
    for (const auto& [node, exit] : expect.exits) {
      const auto found =
          std::find_if(exits_.rbegin(), exits_.rend(), [&, n = node](const auto& e) { return e.first == n; });
      if (found == exits_.rend()) {
        differs(node + " must be left by " + exit + ", and never was");
      } else if (found->second != exit) {
        differs(node + " must be left by " + exit + ", and was by " + found->second);
      }
    }
    std::string all;
    for (const std::string& text : heard_) all += text + "\n";
    for (const std::string& text : expect.hears) {
      if (!contains_text(all, text)) differs("must hear \"" + text + "\", and did not");
    }
    for (const std::string& text : expect.never_hears) {
      if (contains_text(all, text)) differs("must not hear \"" + text + "\", and did");
    }
    const auto variables = nlohmann::json::parse(variables_.empty() ? "{}" : variables_, nullptr, false);
    for (const auto& [name, value] : expect.variables) {
      const nlohmann::json* found = &variables;
      for (std::size_t begin = 0; found != nullptr && begin <= name.size();) {
        const std::size_t end = std::min(name.find('.', begin), name.size());
        const auto member = found->is_object() ? found->find(name.substr(begin, end - begin)) : found->end();
        found = found->is_object() && member != found->end() ? &*member : nullptr;
        begin = end + 1;
      }
      if (found == nullptr) {
        differs(name + " must be " + value + ", and is not set");
      } else if (*found != nlohmann::json::parse(value, nullptr, false)) {
        differs(name + " must be " + value + ", and is " +
                found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      }
    }
    const auto same = [&](const char* what, const std::optional<std::string>& must, const std::string& is) {
      if (must && *must != is)
        differs(std::string(what) + " must be '" + *must + "', and " +
                (is.empty() ? "there was none" : "was '" + is + "'"));
    };
    same("queue", expect.queue, queue_);
    same("agent", expect.agent, agent_);
    same("what is dialled", expect.dials, dials_);
    same("language", expect.language, language_);
    same("who ended it", expect.ended_by, ended_by_);
    same("reason", expect.reason, reason_);
    if (expect.within && result_.length > *expect.within)
      differs("must be over within " + seconds_text(*expect.within) + ", and took " +
              seconds_text(result_.length));
  }

 private:
  void differs(std::string what) { result_.differences.push_back(std::move(what)); }
  void moment(Time now, std::string what) {
    constexpr std::size_t kMost = 10'000;
    if (result_.moments.size() < kMost)
      result_.moments.push_back(
          {std::chrono::duration_cast<Millis>(now - begun_.value_or(now)), std::move(what)});
  }

  void hear(const Prompts& prompts, Time now) {
    std::string text;
    for (const Prompt& prompt : prompts) {
      if (prompt.kind == Prompt::Kind::silence || prompt.kind == Prompt::Kind::music) continue;
      text += (text.empty() ? "" : " ") + prompt.value;
    }
    if (text.empty()) return;
    moment(now, "hears: " + text);
    heard_.push_back(std::move(text));
  }

  void note(const Note& note, Time now) {
    if (const auto* entered = std::get_if<note::NodeEntered>(&note)) {
      if (!asked_again_) {
        result_.path.push_back(entered->node);
        moment(now, "node " + entered->node);
      }
      asked_again_ = false;
    } else if (const auto* left = std::get_if<note::NodeLeft>(&note)) {
      asked_again_ = left->exit == "retry";
      if (!asked_again_) exits_.emplace_back(left->node, left->exit);
    } else if (const auto* chosen = std::get_if<note::LanguageChosen>(&note)) {
      language_ = chosen->language;
    }
  }

  void ask(const Call& call) {
    if (call.asked.what == Call::Asked::What::far_side) return;
    asked_ = call.asked;
    answered_ = false;
  }

  // Goes on with the caller's steps as far as he can now.
  void advance(Call& call, Time now) {
    using Kind = ScenarioStep::Kind;
    while (at_ < scenario_.caller.size() && !call.over) {
      if (now < ready_) return;
      const ScenarioStep& step = scenario_.caller[at_];
      Micros busy{0};
      switch (step.kind) {
        case Kind::hears: {
          std::size_t i = heard_from_;
          while (i < heard_.size() && !contains_text(heard_[i], step.text)) ++i;
          if (i == heard_.size()) return;
          heard_from_ = i + 1;
          break;
        }
        case Kind::press: {
          if (answered_ || asked_.what == Call::Asked::What::nothing) return;
          if (asked_.what == Call::Asked::What::recording && !recording_) return;
          Micros wait = kThinks;
          const bool prompted =
              call.plays != 0 && call.play_length > Micros{0} && asked_.what == Call::Asked::What::keys;
          if (prompted && !asked_.may_barge) wait += call.play_began + call.play_length - now;
          if (prompted && asked_.may_barge) wait = std::max<Micros>(wait, asked_.grace);
          world_->press(call, step.text, wait, kBetweenKeys);
          busy = wait + kBetweenKeys * static_cast<std::int64_t>(step.text.size());
          answered_ = true;
          break;
        }
        case Kind::silent:
          if (answered_ || asked_.what == Call::Asked::What::nothing) return;
          answered_ = true;
          moment(now, "says nothing");
          break;
        case Kind::wait: busy = step.time; break;
        case Kind::speak:
          world_->speak(call, kThinks, step.time);
          busy = kThinks + Micros(step.time);
          break;
        case Kind::hang_up: world_->hang_up(call, Micros{0}); break;
      }
      ++at_;
      if (busy > Micros{0}) {
        ready_ = now + busy;
        world_->look_again(call, busy);
      }
    }
  }

  const Scenario& scenario_;
  ScenarioResult& result_;
  World* world_ = nullptr;
  std::size_t at_ = 0, heard_from_ = 0;
  std::optional<Time> begun_;
  Time ready_{};
  Call::Asked asked_;
  bool answered_ = false, recording_ = false, asked_again_ = false, over_ = false;
  std::vector<std::string> heard_;
  std::vector<std::pair<std::string, std::string>> exits_;
  std::string queue_, agent_, dials_, language_, ended_by_, reason_, variables_;
};

}  // namespace

ScenarioResult run_scenario(const Scenario& scenario) {
  ScenarioResult result;
  const auto simulator = Simulator::create(scenario.world);
  if (!simulator.ok()) {
    result.differences.emplace_back(simulator.status().message());
    return result;
  }
  SimulationResult counts = simulator->empty();
  Director director(scenario, result);
  World world(simulator->options(), 0, 1, counts, &director);
  director.drive(world);
  world.run();
  director.compare();
  return result;
}

}  // namespace ivr

#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ivr/simulator.hpp"

// A flow author's tests: what one caller does, what agents and services do about it, and what must come of
// it. They run on a clock that is made up, by the classes that answer real calls. docs/simulation.md has the
// words.

namespace ivr {

// One thing that the caller does; each waits until those before are done.
struct ScenarioStep {
  enum class Kind {
    hears,    // waits for a prompt with `text` in it, since the last one that was waited for
    press,    // the keys in `text`, when he is asked or may press them; queues and recordings count, too
    silent,   // does not answer the next question
    wait,     // does nothing for `time`
    speak,    // for `time`
    hang_up,  //
  };
  Kind kind = Kind::wait;
  std::string text;
  Millis time{0};
};

struct ScenarioExpectation {
  std::optional<std::vector<std::string>> path;            // all nodes, in order; one asked again counts once
  std::vector<std::string> passes, avoids;                 // passes: in this order, with others between
  std::vector<std::pair<std::string, std::string>> exits;  // node, and the exit it is left by in the end
  std::vector<std::string> hears, never_hears;             // parts of prompts
  std::vector<std::pair<std::string, std::string>> variables;  // at the end: name or dotted path, JSON text
  std::optional<std::string> queue, agent, dials, language, ended_by, reason;
  std::optional<Millis> within;  // it is over by then
};

struct Scenario {
  std::string name;
  SimulatorOptions world;  // with one caller, and agents who do what the scenario says
  std::vector<ScenarioStep> caller;
  ScenarioExpectation expect;
};

struct ScenarioMoment {
  Millis at{0};      // since the call began
  std::string what;  // "hears: Welcome.", "node menu", "presses 1"
};

struct ScenarioResult {
  std::vector<std::string> differences;  // none: all went as it must
  std::vector<ScenarioMoment> moments;   // the call, for a person
  std::vector<std::string> path;
  Millis length{0};
  bool ok() const { return differences.empty(); }
};

// {"scenarios": [{"name": "...", "caller": [{"press": "1"}, ...], "expect": {...}}, ...]}. Everything that a
// scenario does not say is as in `world`, except that agents answer after 3 s, dialled numbers after 5 s, and
// each talk lasts a minute and is ended by the other side. Times without a zone are those of `local`.
// InvalidArgument lists every error, one a line, each beginning with its JSON pointer.
absl::StatusOr<std::vector<Scenario>> parse_scenarios(std::string_view json, const SimulatorOptions& world,
                                                      absl::TimeZone local);

// Thread: any.
ScenarioResult run_scenario(const Scenario& scenario);

}  // namespace ivr

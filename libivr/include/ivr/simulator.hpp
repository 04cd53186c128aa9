#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ivr/base.hpp"
#include "ivr/flow.hpp"
#include "ivr/flow_run.hpp"
#include "ivr/router.hpp"

// Calls that nobody has made: a flow with random callers, agents and services on a clock that is made up. The
// CallSession, the FlowRun, the Router and the calendars are those that answer real calls.

namespace ivr {

// Of how long something takes. The same draws come out on every machine and with every compiler.
struct Spread {
  enum class Kind {
    fixed,        // `a`
    uniform,      // from `a` to `b`
    exponential,  // of the mean `a`
    lognormal,    // of the median `a`; its logarithm's deviation is `sigma`
    values,       // any of them, equally likely
  };
  Kind kind = Kind::fixed;
  Millis a{0}, b{0};
  double sigma = 0;  // 0 to 4
  std::vector<Millis> values;

  friend bool operator==(const Spread&, const Spread&) = default;
};
constexpr Spread exactly(Millis length) { return {Spread::Kind::fixed, length, {}, 0, {}}; }
constexpr Spread around(Millis median, double sigma) {
  return {Spread::Kind::lognormal, median, {}, sigma, {}};
}

// What a caller may do when a node asks: keys with how often they are pressed, beside the others.
struct SimulatedAnswer {
  enum class Kind { keys, silence, hang_up } kind = Kind::keys;
  std::string keys;
  double weight = 1;
};

// Chances are from 0 to 1.
struct SimulatedCallers {
  // By node, what is pressed there; "menu/confirm" is the question whether a menu's key was meant. At a node
  // that is not here all its keys are equally likely, and an input is one that the node takes.
  std::map<std::string, std::vector<SimulatedAnswer>, std::less<>> answers;
  double wrong = 0.03, silent = 0.04, hang_up = 0.01;  // of each question at a node that is not in `answers`
  double barge_in = 0.25;                              // answers before the prompt is over, where it may
  double talk_over = 0;                                // speaks into a prompt that listens for it
  Spread think = around(1500ms, 0.6);
  Spread between_keys = around(350ms, 0.4);
  Spread patience{Spread::Kind::exponential, 180s, {}, 0, {}};  // of who waits for somebody to answer
  Spread message = around(20s, 0.6);                            // left on a recording
  double ends_talk = 0.5;  // that the caller hangs up first when a talk is over
  double takes_callback = 0.8;
  std::vector<std::string> numbers;  // who calls, equally likely; empty: numbers that are made up
};

struct SimulatedAgent {
  double miss = 0.04, reject = 0.01, busy = 0.01;  // of each ring
  Spread answer = around(6s, 0.4);                 // rings so long
  std::optional<Spread> talk;                      // in place of the queue's
  // At work, in minutes of the simulated day; the end may be after its end. Empty: always.
  std::vector<std::pair<int, int>> hours;
  bool works = true;  // false: never logs in
};

struct SimulatedReply {
  std::string url = "*";  // '*' stands for anything
  std::string method;     // empty: any
  double weight = 1;      // beside the others of the same url
  int times = 0;          // so often at most; 0: always
  HttpReply reply{200, "{}", {}};
  Spread after = around(150ms, 0.5);
};

// Of a number or URI that a flow dials.
struct SimulatedNumber {
  std::string to = "*";
  double answers = 0.7, busy = 0.1, rejects = 0.05;  // what is left does not answer
  Spread ring = around(8s, 0.4);
  Spread talk = around(120s, 0.8);
};

// A call that came, for runs of what has been.
struct RecordedArrival {
  Time at{};
  std::string caller, called;
  std::optional<Millis> talk, patience;                      // none: drawn
  std::vector<std::pair<std::string, std::string>> answers;  // node and what was pressed there, in order
};

struct SimulatorOptions {
  std::shared_ptr<const Flow> flow;
  std::vector<AgentOptions> agents;  // of the site
  std::vector<QueueOptions> queues;
  CalendarLookup calendars;  // from flow_calendars()
  CallerListLookup lists;
  absl::TimeZone zone;  // of Flow::time_zone()
  std::vector<std::pair<std::string, std::string>> variables;
  std::string called = "2001";
  bool record = false;  // the whole call, as its extension may have it

  std::uint64_t seed = 1;
  std::int64_t calls = 10'000;  // days follow each other until there were so many
  // A day is a run of its own: no caller and no agent takes anything into the next. On each the router begins
  // anew, calls come for `day`, and the last ones are heard to their end.
  Time start{};  // the beginning of the first one
  Millis day = 24h;
  std::vector<double> per_hour = {60};    // arrivals (Poisson), of the day's hours in turn
  std::vector<RecordedArrival> arrivals;  // in place of all that: `calls` and `per_hour` do not count
  SimulatedCallers callers;
  SimulatedAgent agent;  // of those who are not here:
  std::map<std::string, SimulatedAgent, std::less<>> agents_by_id;
  Spread talk = around(180s, 0.7);
  std::map<std::string, Spread, std::less<>> talk_by_queue;
  std::vector<SimulatedReply> replies;     // the first url that fits decides; none fits: no reply
  std::vector<SimulatedNumber> transfers;  // the first that fits
  std::vector<std::string> goals;          // nodes
  Millis letter = 65ms, file = 4s;         // how long a letter of a prompt takes, and a file
};

// {"arrivals": {"per_hour": 60}, "callers": {"answers": {"menu": {"1": 5, "2": 3, "hang_up": 1}}}, ...}: puts
// what the document says over what is there. docs/simulation.md has the words. InvalidArgument lists every
// error, one a line, each beginning with the JSON pointer of what is wrong.
absl::Status read_callers(std::string_view json, SimulatorOptions& options);

// How long something took, in a size that does not grow: exact sums, percentiles to 3 %.
class SimulatedTimes {
 public:
  void add(Micros time);
  void add(const SimulatedTimes& other);
  std::uint64_t count() const noexcept { return count_; }
  Millis mean() const noexcept;
  double mean_seconds() const noexcept;
  Millis most() const noexcept { return std::chrono::duration_cast<Millis>(most_); }
  Millis percentile(double percent) const;

 private:
  std::uint64_t count_ = 0;
  std::int64_t sum_ = 0;
  Micros most_{0};
  std::vector<std::uint64_t> buckets_;
};

struct SimulatedWay {  // from one node to another, or to the end of the call
  std::string exit, to;
  std::uint64_t calls = 0;
  bool implied = false;  // not written in the document: a fallback
};

struct SimulatedNode {
  std::string name, type;
  std::uint64_t visits = 0;
  std::uint64_t lost = 0;            // callers who hung up here, without having talked with anybody
  std::vector<SimulatedWay> ways{};  // those of the document first, then others that were taken
};

struct SimulatedQueue {
  std::uint64_t joined = 0, served = 0, abandoned = 0, timed_out = 0, full = 0, unavailable = 0,
                left_by_key = 0, callbacks = 0;
  std::uint64_t in_time = 0;       // served within the queue's service level
  SimulatedTimes wait, talk;       // wait: of those served
  SimulatedTimes abandoned_after;  //
  // Who was served among all who wanted to be, and within the service level. 1 when nobody did.
  double answer_rate() const;
  double service_level() const;
};

struct SimulatedWork {  // of an agent
  std::uint64_t offered = 0, served = 0, missed = 0, refused = 0;
  std::int64_t busy_ms = 0, logged_in_ms = 0;  // busy: a call rings, is talked or wrapped up
  double utilisation() const;
};

struct SimulationResult {
  std::uint64_t days = 0, calls = 0, steps = 0;  // steps: lines of the calls' event logs, agents' legs too
  std::uint64_t hash = 0;                        // of all those lines
  SimulatedTimes length;
  std::map<std::string, SimulatedTimes, std::less<>> outcomes;  // by how it ended; the time until then
  std::vector<SimulatedNode> nodes;                             // in the order of the document
  std::map<std::string, SimulatedQueue, std::less<>> queues;
  std::map<std::string, SimulatedWork, std::less<>> agents;
  std::uint64_t goals = 0;  // calls that came to one of SimulatorOptions::goals
  std::map<std::string, std::uint64_t>
      unanswered;             // requests that no SimulatedReply fits, by url; 16 at most
  std::uint64_t cut_off = 0;  // calls that would not end

  std::size_t nodes_visited() const;
  // Of the exits in the document: how many were taken, and how many there are.
  std::pair<std::size_t, std::size_t> exits_taken() const;
};

// {"arrivals": [{"at": "2026-03-16T09:12:30+03:00", "caller": "1001", "talk": "95s", "patience": "40s",
//                "answers": [["menu", "2"]]}]}. InvalidArgument as above.
absl::StatusOr<std::vector<RecordedArrival>> parse_arrivals(std::string_view json);

// Runs days. Every call is a CallSession with a FlowRun in it, every agent's leg one with the script that
// agents' legs have; a Router chooses who is rung. A caller does the same whatever else is changed: he draws
// from a seed of his own, so that two desks can be compared with the same callers.
//
// What is made up: prompts last by their letters, a dialled telephone and a request end as the options say,
// agents do not transfer, and nobody's line is bad.
//
// Thread: any. run_day() of different days may run at the same time; add() wants them in order. run() of
//         ivr/simulate.hpp does that.
class Simulator {
 public:
  // InvalidArgument: no flow, a queue or an agent that the router refuses, chances and rates out of range,
  // more than 10^9 calls.
  static absl::StatusOr<Simulator> create(SimulatorOptions options);
  ~Simulator();
  Simulator(Simulator&&) noexcept;
  Simulator& operator=(Simulator&&) noexcept;

  int days() const noexcept;
  std::int64_t calls() const noexcept;  // of all days
  std::int64_t calls_of(int day) const noexcept;
  SimulationResult run_day(int day) const;

  SimulationResult empty() const;  // of no day: what add() begins with
  static void add(SimulationResult& sum, const SimulationResult& day);

  const SimulatorOptions& options() const noexcept;

 private:
  struct Plan;
  explicit Simulator(std::unique_ptr<const Plan> plan);
  std::unique_ptr<const Plan> plan_;
};

// For programs, people and browsers. The page is whole in itself: it asks no network and runs no script.
std::string simulation_json(const SimulationResult& result, const SimulatorOptions& options);
std::string simulation_text(const SimulationResult& result, const SimulatorOptions& options);
// Two runs of the same callers, what differs side by side.
std::string comparison_text(const SimulationResult& before, const SimulationResult& after);
std::string simulation_html(const SimulationResult& result, const SimulatorOptions& options);

}  // namespace ivr

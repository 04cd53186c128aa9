#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"
#include "ivr/router.hpp"
#include "ivr/router_log.hpp"

namespace ivr {

// What queues, agents and calls did in a stretch of time, a day as a rule: a fold over the router's steps and
// the call records. It is the same whoever computes it and when.
//
// Thread: one at a time.
class DayReport {
 public:
  // since <= t < until, in stretches of `slot` for the service level.
  DayReport(Time since, Time until, Millis slot = 1h) : since_(since), until_(until), slot_(slot) {}

  // What counts in which queue: how long is in time, how short is no wait. QueueSet in the log says the same.
  void queue(const QueueOptions& queue);
  // How a router stood before the first step.
  void seed(const std::vector<Router::AgentView>& agents, const std::vector<Router::EntryView>& entries,
            Time at);
  // In the router's order. Steps before `since` only say how things stood. What a restart cut off ends with
  // the step before it: while nothing ran, no agent was in any state.
  void step(const acd::Event& event, const acd::Commands& commands, Time at);
  // Once, after the steps: calls that started within the time, in any order.
  void call(const CallRecord& record);
  // Once, at the end. Agents' times run to `until`, or to `now` when that is earlier.
  void finish(Time now);

  // A stay counts when and where it is served, or else when it ends. Waits are of whole stays, ringing
  // included.
  struct Service {
    int served = 0, in_time = 0;
    int abandoned = 0;          // gave up; without those who did at once:
    int short_abandoned = 0;    // within QueueOptions::short_abandon
    int abandoned_in_time = 0;  // of `abandoned`: within QueueOptions::service_level
    int timed_out = 0, full = 0, unavailable = 0;

    int counted() const { return served + abandoned + timed_out + full + unavailable; }
    double service_level() const { return served ? static_cast<double>(in_time) / served : 1; }  // SL
    double service_level_2() const {                                                             // SL2
      return counted() ? static_cast<double>(in_time) / counted() : 1;
    }
    // Of those who were served or gave up: dealt with in time, whichever it was.
    double service_level_2_abandons() const {
      const int all = served + abandoned;
      return all ? static_cast<double>(in_time + abandoned_in_time) / all : 1;
    }
  };
  struct Queue : Service {
    int joined = 0;
    int key = 0, moved = 0, callback = 0, system = 0;  // other ends, of those who waited
    Millis wait_served{0}, wait_abandoned{0};          // sums
    Millis longest_wait{0};                            // of all ends
    Millis talked{0};                                  // sum
    int estimates = 0;                                 // waits announced to callers who were then served
    Millis estimate_error{0};                          // sum of how far off they were
    std::map<std::int64_t, Service> slots;             // by number of the slot since `since`
  };
  struct Agent {
    int offered = 0, served = 0, missed = 0, busy = 0, rejected = 0, unreachable = 0;
    Millis talked{0};
    std::array<Micros, 5> in{};  // by AgentState
    AgentState state = AgentState::offline;

    Micros logged_in() const;
    // Time on calls and after them, of the time an agent was there for calls; none of it: 0.
    double occupancy() const;
  };
  struct Call {
    CallRecord record;
    CallStory story;
    bool queued = false;  // the story says something
  };
  struct Totals {
    int calls = 0, answered = 0, completed = 0, failed = 0, abandoned = 0, open = 0;
    int timed = 0;                               // answered, and ended:
    Millis duration{0};                          // their sum
    int busiest_slot = -1, in_busiest_slot = 0;  // calls that began
    double success() const {
      const int all = completed + failed + abandoned;
      return all ? static_cast<double>(completed) / all : 1;
    }
  };

  Time since() const noexcept { return since_; }
  Time until() const noexcept { return until_; }
  Millis slot() const noexcept { return slot_; }
  const std::map<std::string, Queue>& queues() const noexcept { return queues_; }
  const std::map<std::string, Agent>& agents() const noexcept { return agents_; }
  const std::vector<Call>& calls() const noexcept { return calls_; }  // by start and id, after finish()
  const Totals& totals() const noexcept { return totals_; }

  // CSV (see CsvWriter) with a head line, and one JSON object of all. Instants are local times of `zone`,
  // durations seconds.
  std::string calls_csv(absl::TimeZone zone) const;
  std::string queues_csv() const;
  std::string agents_csv() const;
  std::string service_level_csv(absl::TimeZone zone) const;
  std::string to_json(absl::TimeZone zone) const;

 private:
  struct Standing {
    AgentState state = AgentState::offline;
    Time since{};
  };
  struct Announced {
    Time at{};
    Millis wait{0};
  };
  struct Step;

  bool within(Time at) const noexcept { return since_ <= at && at < until_; }
  void stand(const std::string& agent, AgentState state, Time at);
  void pass(const std::string& agent, const Standing& standing, Time until);
  std::pair<Millis, Millis> level(const std::string& queue) const;  // in time, short
  template <class Count>
  void count(const std::string& queue, Time at, Count count);
  void served(const acd::Connect& connect, Time at);
  void left(const acd::Left& left, Time at);

  Time since_, until_;
  Time last_{};  // step
  bool over_ = false;
  Millis slot_;
  std::map<std::string, Queue> queues_;
  std::map<std::string, Agent> agents_;
  std::vector<Call> calls_;
  Totals totals_;
  CallStories stories_;
  std::map<std::string, Standing> standings_;
  absl::flat_hash_map<std::string, std::pair<Millis, Millis>> levels_;  // of queues: in time, short
  absl::flat_hash_map<OfferId, std::string> offers_;                    // agent
  absl::flat_hash_map<EntryId, std::vector<Announced>> announced_;
};

}  // namespace ivr

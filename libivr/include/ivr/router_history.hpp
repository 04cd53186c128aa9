#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/day_report.hpp"
#include "ivr/ports.hpp"
#include "ivr/queue_log.hpp"
#include "ivr/router.hpp"

// The router's past out of a store: to run it again, to explain it, to sum it up.

namespace ivr {

struct RouterThen {
  Router router;
  std::int64_t next = 0;  // the first step that it has not seen
  Time at{};
};

// As late as can be but with nothing of step `next` in it. NotFound: no snapshot is old enough, and the log
// does not begin at its beginning.
absl::StatusOr<RouterThen> router_before(StorePort& store, std::int64_t next);

// The router as the log leaves it: the newest snapshot and the steps since. What a start goes on with.
absl::StatusOr<RouterThen> router_now(StorePort& store);

// Calls `each` with the steps `from`... and before `until`, in order, as long as it returns true. NotFound: a
// step is missing in between.
absl::Status for_each_step(StorePort& store, std::int64_t from, Time until,
                           const std::function<absl::StatusOr<bool>(const RouterStep&)>& each);

// One choice that was made for a call.
struct RouterDecision {
  std::int64_t sequence = 0;  // of the step
  Time at{};
  acd::Decided decided;
  std::vector<std::string> offered;  // agents, in order
};

struct CallExplanation {
  std::vector<RouterDecision> decisions;
  std::optional<acd::Decided>
      then;  // the choice as it stood at the time that was asked for; none: no waiting
  std::int64_t from = 0, steps = 0;  // run again: so many from this one on
  std::int64_t differs_at = -1;      // the first step of the call that came out otherwise; -1: none
  std::string logged, again;         // its commands
};

// Why this agent, and not that one: takes all choices for a call again, or with `at` those up to then, and
// the one that would have been taken at that instant. NotFound: the call was in no queue, or the log no
// longer goes back so far.
absl::StatusOr<CallExplanation> explain_call(StorePort& store, std::string_view call,
                                             std::optional<Time> at = {});

// Feeds a report that knows its queues from the store: how things stood at its beginning, the steps, and the
// calls. Only those count that `shown` lets through (none: all), in queues and with agents too; an agent's
// times in its states are the agent's, whoever was served. Not finish().
absl::Status read_day(StorePort& store, DayReport& report,
                      const std::function<bool(const CallRecord&)>& shown = {});

// The queue log of since <= t < until, in order; `queues` as they are known to have been. Stays that were
// there before are closed as they end.
absl::Status read_queue_log(StorePort& store, const std::vector<QueueOptions>& queues, Time since, Time until,
                            const QueueLog::Sink& sink);

}  // namespace ivr

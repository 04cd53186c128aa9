#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ivr/event_log.hpp"
#include "ivr/flow_run.hpp"

// Yesterday's calls on tomorrow's flow: what recorded callers, services and agents did is given to another
// version, as answers to its questions. A question is the same when it is asked at a node of the same name,
// or in the same words. What nobody was asked then cannot be told, and is not guessed.
//
// Not run again: the time that things take. Keys count where they counted then.

namespace ivr {

// A flow with what it needs to run, see FlowRunOptions.
struct ShadowFlow {
  std::shared_ptr<const Flow> flow;
  CalendarLookup calendars;
  CallerListLookup lists;
  absl::TimeZone zone;
};

struct ShadowNode {
  std::string node, type;
  std::string exit;  // empty: it did not come to leave it
  std::vector<std::string>
      wants;  // what it did to the caller and asked of others: 'play "Hello."', "GET http://h/"

  friend bool operator==(const ShadowNode&, const ShadowNode&) = default;
};

// How a call went, or would have gone.
struct ShadowPath {
  std::vector<ShadowNode> nodes;
  // What came of it: "queue tech: served, then hung up at bye (normal)", "the caller hung up at menu"
  std::string outcome;
  std::string
      lacks;  // what the log does not hold: no further can be told than the last node. Empty: all is known
};

enum class ShadowKind {
  same,     // the same nodes, exits and words
  words,    // the same nodes and exits; something else is said or asked
  way,      // the same outcome by other nodes
  outcome,  // another outcome
  unknown,  // cannot be told
};
std::string_view to_string(ShadowKind kind) noexcept;

struct ShadowResult {
  ShadowKind kind = ShadowKind::same;
  ShadowPath before, after;
  int differs_at = -1;  // the first of the nodes whose name, exit or words differ; -1: none
  int parts_at = -1;    // the first whose name or exit differ
};

// InvalidArgument: no log of a call. FailedPrecondition: it does not replay on `before`, so nothing can be
// said.
absl::StatusOr<ShadowResult> shadow(std::span<const LogEntry> entries, const ShadowFlow& before,
                                    const ShadowFlow& after);

// The sessions' options that a log was written with.
CallSessionOptions recorded_options(std::span<const LogEntry> entries, const Flow& flow);
// Percentages of a flow fall out by the call's id, so that its log alone says which way it went.
std::uint64_t flow_seed(std::string_view call_id);

// Many calls, grouped by what became different and where.
struct ShadowGroup {
  ShadowKind kind = ShadowKind::same;
  std::string at;             // "menu: 1 -> billing, now: 1 -> invoices"
  std::string before, after;  // outcomes; after is what is lacking when it cannot be told
  int calls = 0;
  std::vector<std::string> examples;  // the first three calls
};

struct DeadExit {
  std::string node, exit;
  int calls = 0;  // that took it then
};

class ShadowReport {
 public:
  void add(std::string_view call, const ShadowResult& result);
  void fail(std::string_view call, std::string why);  // it could not be run

  int calls() const noexcept { return calls_; }  // those that could
  int count(ShadowKind kind) const noexcept;
  int longer() const noexcept { return longer_; }  // come to an end in more nodes than before
  int shorter() const noexcept { return shorter_; }
  const std::vector<std::pair<std::string, std::string>>& failed() const noexcept { return failed_; }
  // Of 1: other outcomes and those that cannot be told, which prove nothing.
  double changed() const noexcept;
  std::vector<ShadowGroup> groups() const;  // without `same`; the largest first
  // Exits of `flow` that calls took before, and none of those that can be told to their end does now.
  std::vector<DeadExit> dead_exits(const Flow& flow) const;

 private:
  struct Taken {
    int before = 0, after = 0;
  };
  int calls_ = 0, longer_ = 0, shorter_ = 0;
  int kinds_[5] = {};
  std::map<std::pair<std::string, std::string>, Taken> exits_;  // by node and exit
  std::map<std::string, ShadowGroup> groups_;
  std::vector<std::pair<std::string, std::string>> failed_;
};

}  // namespace ivr

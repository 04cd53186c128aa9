#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/call_session.hpp"
#include "ivr/flow.hpp"

// The log of a call: what came in, when, and what was done about it, one JSON line a step. It is complete:
// feeding the inputs back gives the same commands, byte for byte. Secrets are not in it: a secret digit is
// logged as '?', a secret prompt or request as "***". Where keys pressed ahead may be secret, a line says by
// "ahead" what those were that answered a question which is not.
//
//   {"seq":3,"at":1763724000123456,"in":{"digit_heard":{"digit":"1","source":"rtp-event"}},"out":[{"stop_play":{"play":2}}]}

namespace ivr {

// `sequence` counts 0, 1, 2... without a gap. `event` is what came, or what the session gave for_log() in its
// place, and `ahead` what it says by revealed() after the step.
std::string log_line(std::int64_t sequence, Time at, const Event& event, std::span<const Command> commands,
                     std::string_view ahead = {});

// The reply with "***" in place of what these JSON pointers name. A body that is no JSON is hidden whole.
HttpReply hide(HttpReply reply, std::span<const std::string> pointers);

struct LogEntry {
  std::int64_t sequence = 0;
  Time at{};
  std::string ahead;  // keys that the log shows only here, see CallSession::reveal()
  Event event;
  std::string out;  // the commands, exactly as they stand in the line: a JSON array
};

absl::StatusOr<LogEntry> parse_log_line(std::string_view line);

struct ReplayResult {
  int steps = 0;
  int differs_at = -1;   // sequence of the first step whose commands differ, or -1
  std::string logged;    // what the log says
  std::string replayed;  // what came now
};

// Runs the inputs of a log through a new session with `script` and compares every command. Refused: a gap in
// the sequence, a line that does not parse, a log that does not begin with an Invited.
absl::StatusOr<ReplayResult> replay(std::span<const LogEntry> entries, std::unique_ptr<Script> script,
                                    const CallSessionOptions& options);

// Its nodes in the order they were left, and by which exits: what FlowRun needs where a decision hung on a
// secret.
std::vector<FlowStep> recorded_way(std::span<const LogEntry> entries);

// "queue_left timeout after 3.0 s, tried ann"
std::string describe(const Event& event);

// One step as a person reads it, without the last newline: "+2.340 s  bridged with ann (c9) after 4.0 s",
// then a line for each command. `start` is the log's first instant.
std::string describe(const LogEntry& entry, Time start);

std::string_view to_string(DigitSource source) noexcept;
std::string_view to_string(outcome::RecordEnd end) noexcept;

}  // namespace ivr

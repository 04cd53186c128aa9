#pragma once
#include <string_view>

#include "ivr/ports.hpp"
#include "ivr/router.hpp"

// The names that other systems have for the states of calls and agents.

namespace ivr {

// Where a call is. Not every call passes them all; see may_follow().
enum class CallPhase {
  initiated,    // we know of it, nobody has answered
  ringing,      // it rings: at us, or where we call
  ivr,          // answered, a flow runs
  queued,       // waits for an agent
  talking,      // with an agent or a party it was connected to
  transferred,  // the peer has been sent elsewhere (REFER); ours no more
  completed,
  abandoned,  // the caller gave up while waiting
  failed,
  busy,
  no_answer,
  cancelled,  // the caller gave up before the answer
};
inline constexpr int kCallPhases = 12;

// Can a call that is in `from` come to `to`? Nothing follows an end, and nothing follows itself.
bool may_follow(CallPhase from, CallPhase to) noexcept;
bool ended(CallPhase phase) noexcept;

// The phase of a call as it is told by events that may come late or twice: what cannot follow is ignored.
//
// Thread: one at a time.
class CallProgress {
 public:
  bool advance(CallPhase to) noexcept {  // false: ignored
    if (!may_follow(phase_, to)) return false;
    phase_ = to;
    return true;
  }
  CallPhase phase() const noexcept { return phase_; }

 private:
  CallPhase phase_ = CallPhase::initiated;
};

// What a record says its call came to, or is in.
CallPhase phase_of(const CallRecord& record) noexcept;

std::string_view to_string(CallPhase phase) noexcept;

// QUEUED, RINGING, IN_PROGRESS, COMPLETED, FAILED, BUSY, NO_ANSWER, CANCELLED: as telephony APIs on the web
// name them. QUEUED is a call that was not placed yet.
std::string_view api_status(CallPhase phase) noexcept;
std::string_view api_direction(Direction direction) noexcept;  // INBOUND, OUTBOUND
std::string_view api_status(AgentState state) noexcept;        // AVAILABLE, ON_CALL, BREAK, OFFLINE

// Initiated, IVR Processing, In Queue, In Progress, Transferred, Completed, Abandoned, Failed: as a desk's
// screen names them.
std::string_view desk_status(CallPhase phase) noexcept;
std::string_view desk_status(AgentState state) noexcept;  // Available, Busy, On Break, Offline

}  // namespace ivr

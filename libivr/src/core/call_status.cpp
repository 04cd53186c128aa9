#include "ivr/call_status.hpp"

#include <cstddef>
#include <iterator>

namespace ivr {
namespace {

using P = CallPhase;

constexpr unsigned bit(P phase) { return 1u << static_cast<unsigned>(phase); }
template <class... Phases>
constexpr unsigned any(Phases... phases) {
  return (0u | ... | bit(phases));
}

struct Row {
  P phase;
  std::string_view name, api, desk;
  unsigned next;  // what may follow
};

// A queue's exit leads back to the flow; a talk that ended may go on in the flow or in another queue; a
// transfer that failed gives the call back.
constexpr Row kRows[] = {
    {P::initiated, "initiated", "QUEUED", "Initiated",
     any(P::ringing, P::ivr, P::failed, P::busy, P::no_answer, P::cancelled)},
    {P::ringing, "ringing", "RINGING", "Initiated",
     any(P::ivr, P::failed, P::busy, P::no_answer, P::cancelled)},
    {P::ivr, "ivr", "IN_PROGRESS", "IVR Processing",
     any(P::queued, P::talking, P::transferred, P::completed, P::failed)},
    {P::queued, "queued", "IN_PROGRESS", "In Queue", any(P::ivr, P::talking, P::abandoned, P::failed)},
    {P::talking, "talking", "IN_PROGRESS", "In Progress",
     any(P::ivr, P::queued, P::transferred, P::completed, P::failed)},
    {P::transferred, "transferred", "IN_PROGRESS", "Transferred", any(P::ivr, P::completed, P::failed)},
    {P::completed, "completed", "COMPLETED", "Completed", 0},
    {P::abandoned, "abandoned", "COMPLETED", "Abandoned", 0},
    {P::failed, "failed", "FAILED", "Failed", 0},
    {P::busy, "busy", "BUSY", "Failed", 0},
    {P::no_answer, "no_answer", "NO_ANSWER", "Failed", 0},
    {P::cancelled, "cancelled", "CANCELLED", "Abandoned", 0},
};
static_assert(std::size(kRows) == kCallPhases);

const Row& row(P phase) noexcept { return kRows[static_cast<std::size_t>(phase)]; }

}  // namespace

bool may_follow(CallPhase from, CallPhase to) noexcept { return (row(from).next & bit(to)) != 0; }
bool ended(CallPhase phase) noexcept { return row(phase).next == 0; }
std::string_view to_string(CallPhase phase) noexcept { return row(phase).name; }
std::string_view api_status(CallPhase phase) noexcept { return row(phase).api; }
std::string_view desk_status(CallPhase phase) noexcept { return row(phase).desk; }

CallPhase phase_of(const CallRecord& record) noexcept {
  const bool answered = record.answered != Time{};
  if (record.status == "completed") return P::completed;
  if (record.status == "abandoned") return answered ? P::abandoned : P::cancelled;
  if (record.status == "failed") {
    if (!answered && record.cause == "busy") return P::busy;
    if (!answered && (record.cause == "no_answer" || record.cause == "no answer")) return P::no_answer;
    return P::failed;
  }
  return answered ? P::ivr : P::initiated;
}

std::string_view api_direction(Direction direction) noexcept {
  switch (direction) {
    case Direction::inbound: return "INBOUND";
    case Direction::outbound: return "OUTBOUND";
  }
  return "";
}

std::string_view api_status(AgentState state) noexcept {
  switch (state) {
    case AgentState::available: return "AVAILABLE";
    case AgentState::on_call:
    case AgentState::wrap_up: return "ON_CALL";
    case AgentState::on_break: return "BREAK";
    case AgentState::offline: return "OFFLINE";
  }
  return "";
}

std::string_view desk_status(AgentState state) noexcept {
  switch (state) {
    case AgentState::available: return "Available";
    case AgentState::on_call:
    case AgentState::wrap_up: return "Busy";
    case AgentState::on_break: return "On Break";
    case AgentState::offline: return "Offline";
  }
  return "";
}

}  // namespace ivr

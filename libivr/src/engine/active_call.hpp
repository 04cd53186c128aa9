#pragma once
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "edge/call_journal.hpp"
#include "ivr/call_session.hpp"
#include "ivr/digits.hpp"
#include "ivr/ports.hpp"
#include "ivr/sdp.hpp"

namespace ivr {

// How long after the last leg a call waits for its recordings to be on disk.
inline constexpr Millis kRecordingGrace = 5s;

struct PendingPlay {  // prompts being rendered
  PlayId play = 0;
  int loops = 1;
  Millis from{0};
  bool continuous = false;  // from where the clock says, instead
};

// What the switchboard keeps of one call beside its session: the legs, what is under way, and the record.
struct ActiveCall {
  struct Leg {
    LegId sip = 0;
    StreamId stream = 0;
    std::optional<MediaNegotiator> sdp;
    std::string answer;    // ours, until the session says Answer
    std::string peer_ip;   // where the peer itself signals from; empty: unknown
    bool offered = false;  // our offer is out and unanswered
    bool up = false;
    bool early = false;                    // it has told where its sound comes from, before the answer
    bool held = false;                     // the peer wants to hear nothing
    bool closing = false, closed = false;  // the stream
    Codec codec = Codec::pcmu;
  };
  ActiveCall(std::uint64_t k, std::unique_ptr<Script> script, const CallSessionOptions& options)
      : key(k), session(std::move(script), options) {}

  std::uint64_t key;
  CallSession session;
  std::vector<Leg> legs{1};  // by LegNumber
  DigitCollector digits = *DigitCollector::create();
  CallRecord record;
  std::string user;     // of the registrar, see CallInfo::user
  std::string address;  // where the caller's packets come from, for Admission
  bool admitted = false;
  bool hushed = false;  // muted by us until the far side has answered
  int priority = 0;     // the caller's own, in queues
  JournalSlot journal = 0;
  std::optional<PendingPlay> rendering;
  absl::flat_hash_map<RecordId, std::string> files;
  std::optional<NodeVisit> visit;
  int visits = 0;
  std::vector<std::string> path;   // of nodes
  std::int64_t sequence = 0;       // of the next log line
  std::optional<Time> due;         // as it stands in the switchboard's timers
  std::optional<Time> limit;       // the call's longest life, then how long its recordings may take to end
  StreamStats media;               // of leg 0, once it is closed
  int sip_status = 0;              // leg 0 ended with; 0: after it was up
  std::optional<Codec> prefers;    // of the call it is to talk with
  std::string takes_over;          // the call whose place it takes (RFC 3891)
  std::string adopts;              // the call whose other leg its next Dial takes over
  std::string replaces;            // header of its next Dial
  LegId referrer = 0;              // a leg that has sent it on, and hears how that goes
  bool may_refer = false;          // leg 0 may send on whom it talks with, a leg of this call
  bool dialled_may_refer = false;  // and who talks with it may send on leg 0, flow or no flow
  bool masked = false;             // the parties are strangers: neither may
  bool holds = false;              // leg 1 was handed over, and waits for the answer of leg 0
  std::string sends_on;            // the call to whom it does so, which adopts that leg when it is answered
  bool handed_on = false;          // we end it because its talk goes on elsewhere
  bool hides_digits = false;       // from the recordings of leg 0
  std::optional<Supervision> watches;  // a supervisor's call: how
  std::string watched;                 // ... and which
};

}  // namespace ivr

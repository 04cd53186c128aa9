#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/address_list.hpp"
#include "ivr/base.hpp"
#include "ivr/refusals.hpp"
#include "ivr/script.hpp"

// The outside world in our words. The edge implements these with real libraries, tests with memory; the
// engine knows nothing else. Requests never fail in place unless they return a status: what goes wrong comes
// back as an event.

namespace ivr {

using LegId = std::uint64_t;  // one SIP dialog, never used again while the program runs; 0 is none

struct Address {
  std::string ip;
  std::uint16_t port = 0;
  friend bool operator==(const Address&, const Address&) = default;
};

// --------------------------------------------------------------------------------------------- SIP

// Before a call is answered: which way sound may pass, as the side that is called sees it (RFC 5009).
enum class EarlyMedia { sendrecv, sendonly, recvonly, inactive };

namespace sip {

struct Invited {  // a new call for us; answer with ring/answer/reject
  LegId leg = 0;
  std::string call_id;  // of the SIP header
  std::string from_tag;
  std::string from_uri, from_user, from_display;
  std::string to_uri, request_uri, request_user;
  std::optional<std::string> offer;  // none: the peer wants our offer in the 200 and answers in the ACK
  Address source;                    // where the packet came from
  bool relayed = false;              // a proxy sent it: the caller is somewhere behind `source`
  LegId replaces = 0;                // of ours, up or dialled: this call is to take its place (RFC 3891)
  std::string user;                  // who has proved to be this one of SipOptions::users; empty: nobody
};
struct Ringing {
  LegId leg = 0;
  int status = 180;
  std::optional<std::string> sdp;
  std::optional<EarlyMedia> early;  // none: it does not say
};                                  // 18x on a leg we dialled
struct Answered {
  LegId leg = 0;
  std::string sdp;
};  // 200 on a leg we dialled; ACK is sent
struct Established {
  LegId leg = 0;
  std::optional<std::string> answer;
};  // ACK for our 200 came
struct Offered {
  LegId leg = 0;
  std::optional<std::string> offer;
  bool update = false;
};  // re-INVITE or UPDATE: accept_offer/refuse_offer
struct OfferAnswered {
  LegId leg = 0;
  std::string sdp;
};  // to our own offer()
struct OfferRefused {
  LegId leg = 0;
  int status = 0;
};  // the session stays as it was
struct Digit {
  LegId leg = 0;
  char digit = 0;
  Millis duration{0};
};              // INFO application/dtmf-relay or application/dtmf
struct Ended {  // exactly once a leg, whoever ended it; the leg is gone
  LegId leg = 0;
  int status = 0;  // final status of a leg that never was up; 0 after BYE
  std::string reason;
  bool by_peer = true;
  std::optional<Millis> retry_after;
};

// The peer asks us to call somebody in its place (RFC 3515): accept_refer() or refuse_refer(), then
// notify_refer() until the final status.
struct Referred {
  LegId leg = 0;
  std::string target;           // the URI of Refer-To, without headers
  std::string referred_by;      // a URI; empty: it does not say
  LegId replaces = 0;           // of ours: the other call of an attended transfer
  std::string replaces_header;  // of a dialog that is not ours: for Invite::headers, as "Replaces"
};
// What the far side tells of our refer(): 100, 180... and one final, unless the leg ends before.
struct ReferProgress {
  LegId leg = 0;
  int status = 0;
};

struct Contact {
  std::string uri;  // what to dial: behind NAT the address it came from
  Address source;
  Time expires{};
  double q = 1;
  // What the registrar goes by when the telephone comes again: as registered, which device, and its last
  // word.
  std::string registered, instance, call_id;
  std::uint32_t cseq = 0;
};
// The contacts of a user of our registrar have changed (RFC 3261, 10.3), by a REGISTER or by time.
struct Registered {
  std::string user;
  std::vector<Contact> contacts;  // those that live, best first; none: unreachable
};
// Somebody has brought credentials that are not right: for whoever counts, and bars the address.
struct Unauthorized {
  std::string user;  // whom it claims to be
  Address source;
};
// A request that was refused before it became a call, or a registration: for logs.
struct Refused {
  RefusedRequest request;
};
// How our own registration elsewhere goes, see SipPort::enrol(): told when it changes, and when it fails.
struct Enrolled {
  std::uint64_t enrolment = 0;
  bool registered = false;  // the registrar knows us, even if it has just refused to go on
  int status = 0;
  std::string reason;
};

using Event =
    std::variant<Invited, Ringing, Answered, Established, Offered, OfferAnswered, OfferRefused, Digit,
                 Referred, ReferProgress, Registered, Unauthorized, Refused, Enrolled, Ended>;

struct Invite {
  std::string uri;       // sip:user@host:port;transport=tcp|udp
  std::string from_uri;  // empty: sip:ivr@our-address
  std::string from_display;
  std::string sdp;
  std::string auth_user, auth_password;  // digest, used when challenged
  std::vector<std::pair<std::string, std::string>> headers;
};

struct Enrol {
  std::string registrar;  // sip:host:port;transport=tcp|udp
  std::string user, password;
  Millis expires = 300s;
};

}  // namespace sip

struct SipUser {
  std::string user, password;
};

struct SipOptions {
  std::string listen = "127.0.0.1";
  std::uint16_t port = 5060;  // 0: any free one
  bool udp = true, tcp = true;
  std::string external_ip;  // put into Contact for far peers (NAT); empty: listen. See EngineOptions
  std::string user_agent = "libivr";
  int receive_buffer = 4 << 20;    // bytes; small ones collapse under load
  Millis t1 = 500ms, t1x64 = 32s;  // RFC 3261 section 17 timers
  Millis session_expires = 1800s;  // RFC 4028; 0: off
  Millis min_se = 90s;
  AddressList allow;  // INVITE and REGISTER are taken from these networks only, else 403; empty: from all
  // The registrar: REGISTER is taken from these users, with digest SHA-256 or MD5 (RFC 8760, RFC 7616), and a
  // call From one of them at our own address has to prove it likewise. Empty: REGISTER is refused.
  std::vector<SipUser> users;
  std::string realm = "libivr";
  // What Registered told of an earlier run: taken up by start() where it was, and told again. Contacts that
  // have expired meanwhile are not, nor are those of who is no user any more.
  std::vector<sip::Registered> registered;
  Millis min_expires = 60s, default_expires = 3600s, max_expires = 7200s;
};

// Thread: the one that calls run(); wake() any.
class SipPort {
 public:
  using Sink = std::function<void(const sip::Event&)>;  // called from run() only

  virtual ~SipPort() = default;
  virtual absl::Status start(const SipOptions& options, Sink sink) = 0;
  virtual Address local_address() const = 0;  // with the real port

  // Waits at most `wait` for SIP traffic, a timer of the stack, or wake(); handles all that is there.
  virtual void run(Micros wait) = 0;
  virtual void wake() noexcept = 0;
  // From the next leg on; legs that are there keep what they have told. Registrations are told at once.
  virtual void set_external_ip(const std::string& ip) { (void)ip; }

  virtual LegId invite(const sip::Invite& request) = 0;  // Ringing*, Answered or Ended follow
  // 180, or 183 with early media: reliable when the peer supports 100rel, with P-Early-Media when it knows
  // that.
  virtual void ring(LegId leg, int status, std::optional<std::string> sdp) = 0;
  virtual void answer(LegId leg, std::string sdp) = 0;  // 200; Established follows
  virtual void reject(LegId leg, int status, std::string reason, std::optional<Millis> retry_after = {}) = 0;
  virtual void offer(LegId leg, std::string sdp) = 0;  // re-INVITE
  virtual void accept_offer(LegId leg, std::string sdp) = 0;
  virtual void refuse_offer(LegId leg, int status) = 0;
  // Asks the peer to call `target`, and to take the place of our leg `replaces` there. ReferProgress follows.
  virtual void refer(LegId leg, std::string target, LegId replaces = 0) = 0;
  virtual void accept_refer(LegId leg) = 0;  // 202, and that it is being tried
  virtual void refuse_refer(LegId leg, int status) = 0;
  // As that, with words of ours in place of the usual ones.
  virtual void refuse_refer(LegId leg, int status, const std::string& /*reason*/) {
    refuse_refer(leg, status);
  }
  virtual void notify_refer(LegId leg, int status) = 0;  // 200 and more is the last
  // Registers us elsewhere and keeps it so, until withdraw() or stop(). Enrolled follows.
  virtual std::uint64_t enrol(const sip::Enrol& enrolment) = 0;
  virtual void withdraw(std::uint64_t enrolment) = 0;
  virtual void hang_up(LegId leg,
                       std::string reason) = 0;  // CANCEL, 4xx or BYE as the state demands; Ended follows
  virtual void stop() = 0;  // ends all legs, waits for the stack at most 2 s; no event afterwards
};

// ------------------------------------------------------------------------------------------- media

// How audio is coded on the wire; ivr/codec.hpp says of each what it is.
enum class Codec { pcmu, pcma, l16, g722, opus, l16_wide };

using StreamId = std::uint64_t;  // one RTP stream with its RTCP, never used again
using PlayId = std::uint64_t;
using RecordId = std::uint64_t;

// Audio to play: whole frames in the bytes of one codec whose samples stand by themselves (clip_codec() in
// ivr/codec.hpp): G.711 is sent as it is here, and what has a memory is coded when it is sent. Shared by all
// who play it, never changed.
struct Clip {
  Codec codec = Codec::pcmu;
  std::vector<std::uint8_t> bytes;  // 160 a frame for G.711, 320 for l16; the last one padded with silence
  std::int64_t samples = 0;         // without the padding, at the codec's own rate
  bool secret = false;              // recordings have silence in its place
};
using ClipPtr = std::shared_ptr<const Clip>;

struct StreamOptions {
  bool inband_dtmf = true;  // run the detector while no telephone-event is negotiated, or always
  bool inband_always = false;
  bool measure_voice = false;  // count voice for the whole stream, not only while detect_voice() is on
  bool symmetric = true;       // NAT: send to where the first valid packet came from
  bool dtx = false;  // where there is nothing to say say so (RFC 3389, if agreed; Opus) and send no more
  Millis rtp_timeout = 60s;  // TimedOut after so long without a packet while not on hold; 0: never
};

// What a peer wants of our encoder (a=fmtp); only Opus can be asked (RFC 7587, 6.1).
struct CodecWishes {
  bool fec = false;                // copies of what went before, for a peer that lost it
  bool constant_bit_rate = false;  // for who encrypts, and would tell words by the size of packets
  int max_bit_rate = 0;            // a second; 0: ours to choose
  int max_playback_hz = 0;         // more cannot be heard there; 0: it can hear all
  friend bool operator==(const CodecWishes&, const CodecWishes&) = default;
};

struct RemoteMedia {  // what offer/answer settled
  Address address;    // port 0 or "0.0.0.0": nowhere to send
  Codec codec = Codec::pcmu;
  int payload_type = 0;
  int telephone_event_type = -1;     // -1: none
  bool send = true, receive = true;  // direction, from our side
  Millis packet_time = 20ms;         // what the peer asked for with a=ptime; we send 20 ms
  Address rtcp;                      // a=rtcp (RFC 3605); port 0: the port after `address`
  // What the peer sends when its answer numbered things otherwise than our offer (RFC 3264, 6.1); -1: the
  // same.
  int receive_payload_type = -1;
  int receive_telephone_event_type = -1;
  int telephone_event_clock_hz = 8000;  // of the durations in it
  int comfort_noise_type = -1;          // RFC 3389; -1: none
  CodecWishes wishes;
  std::string signalling_ip;  // where its SIP comes from: tells NAT from a direct path; empty: unknown
};

enum class DigitSource { inband, rtp_event, sip_info };

struct RecordSpec {
  std::string path;         // .wav
  bool both_sides = false;  // stereo: left what we heard, right what we sent; else mono, what we heard
  Millis max{0};            // 0: no limit
  Millis silence{0};        // RecordEnd::silence after so much of it at the end; 0: never
  bool digits = true;       // false: the tones of keys are cut out of it, of both sides
};

struct BridgeOptions {
  bool pass_digits = true;  // false: keys, as events and as tones, are cut out of what the other side hears,
                            // which then hears everything 40 ms later
};

// What a supervisor may do beyond hearing both sides: be heard by nobody, by its party alone, or by both.
enum class Supervision { off, listen, whisper, barge };

// Of a closed or living stream. What comes from elsewhere counts as foreign while few calls are on a media
// thread; with many the system drops it before anybody counts.
struct StreamStats {
  std::uint64_t sent = 0, received = 0, lost = 0, late = 0, foreign = 0, malformed = 0;
  std::int64_t voice_samples = 0;                    // heard above the voice threshold
  double jitter_ms = 0, round_trip_ms = 0, mos = 0;  // mos: ITU-T G.107 estimate, 1 to 4.5
};

namespace media {

struct DigitBegan {
  StreamId stream = 0;
  DigitSource source{};
  char digit = 0;
  std::uint32_t key = 0;
};  // key: RTP timestamp of the press (RFC 4733), else 0
struct DigitEnded {
  StreamId stream = 0;
  DigitSource source{};
  char digit = 0;
  std::uint32_t key = 0;
  Millis duration{0};
};
struct PlayEnded {
  StreamId stream = 0;
  PlayId play = 0;
  std::int64_t samples = 0;
  bool completed = true;
};  // samples that left us
struct RecordEnded {
  StreamId stream = 0;
  RecordId record = 0;
  std::int64_t samples = 0;
  outcome::RecordEnd end{};
  std::string error;
};
struct DigitsSent {
  StreamId stream = 0;
};
struct VoiceBegan {
  StreamId stream = 0;
};
struct VoiceEnded {
  StreamId stream = 0;
  Millis length{0};
};
struct TimedOut {
  StreamId stream = 0;
};  // no RTP for rtp_timeout

struct Closed {
  StreamId stream = 0;
  StreamStats stats;
};  // close() is done, the ports are free; only the RecordEnded of its recordings may still come

using Event = std::variant<DigitBegan, DigitEnded, PlayEnded, RecordEnded, DigitsSent, VoiceBegan, VoiceEnded,
                           TimedOut, Closed>;

}  // namespace media

struct MediaOptions {
  std::string bind_ip = "127.0.0.1";
  std::string external_ip;                           // put into SDP; empty: bind_ip. See EngineOptions
  std::uint16_t port_min = 10000, port_max = 20000;  // RTP on even ports, RTCP on the next
  int threads = 0;                                   // 0: one a core
  // One port pair for each media thread in place of one for each stream, read and sent in batches. For peers
  // whose media comes from where their SDP says, each call from a port of its own: a proxy, rtpengine, an
  // SBC. What may be of another call is dropped; media_sorter.hpp has the rule.
  bool shared_ports = false;
};

// Of MediaOptions::shared_ports; all zero without.
struct SharedPorts {
  int pairs = 0;
  int receive_buffer = 0, receive_buffer_asked = 0;  // bytes of each; less: net.core.rmem_max is lower
  std::uint64_t received = 0;                        // packets
  std::uint64_t strangers = 0;                       // that were of no stream, or not certainly of one,
  std::uint64_t late = 0;                            // or of one that is over
  std::uint64_t unread = 0;                          // that found no room when they came
  std::uint64_t unsent = 0;                          // that the system did not take
};

// How one media thread keeps up.
struct MediaLoad {
  int streams = 0;
  int late_per_mille = 0;  // of the milliseconds of the last seconds: begun more than 5 ms after their time
};

// Thread: control only; the events come by next_event() on the control thread, `notify` is called from media
// threads.
class MediaPort {
 public:
  virtual ~MediaPort() = default;
  virtual absl::Status start(const MediaOptions& options, std::function<void()> notify) = 0;

  virtual void set_external_ip(const std::string& ip) { (void)ip; }  // from the next open() on

  // Binds a port pair; ResourceExhausted when none is free. Not yet sending: set_remote() does that.
  virtual absl::StatusOr<Address> open(StreamId stream, const StreamOptions& options) = 0;
  virtual void set_remote(StreamId stream, const RemoteMedia& remote) = 0;  // again after each offer/answer
  // loops 0: for ever; replaces what plays. Begins at `from` of the clips: of them all, round after round.
  virtual void play(StreamId stream, PlayId play, std::vector<ClipPtr> clips, int loops,
                    Millis from = Millis{0}) = 0;
  virtual void stop_play(StreamId stream, PlayId play) = 0;  // PlayEnded follows, unless it had ended
  virtual void send_digits(StreamId stream, std::string digits, Millis tone, Millis gap) = 0;
  virtual void start_record(StreamId stream, RecordId record, const RecordSpec& spec) = 0;
  virtual void stop_record(StreamId stream, RecordId record) = 0;
  virtual void detect_voice(StreamId stream, bool on) = 0;
  // Relays each to the other, until unbridge or close, or until one of them is bridged with a third. What
  // plays to one of them is heard in place of the other. The same pair again: other options.
  virtual void bridge(StreamId a, StreamId b, const BridgeOptions& options = {}) = 0;
  virtual void unbridge(StreamId a, StreamId b) = 0;
  // The tones of keys are cut out of its recordings from now on until off, as RecordSpec::digits has it for
  // all of one; of what is recorded those of the last 160 ms too.
  virtual void hide_digits(StreamId stream, bool on) { (void)stream, (void)on; }
  // What comes from it reaches no other stream and no recording; its keys are still events.
  virtual void mute(StreamId stream, bool on) = 0;
  // `stream` hears `party` and whoever it is bridged with, now or later, until off or until one of the two is
  // closed. One party at a time; a party may have several supervisors.
  virtual void supervise(StreamId stream, StreamId party, Supervision mode) = 0;
  virtual void close(StreamId stream) = 0;  // open recordings end (RecordEnded), the ports are free again
  virtual bool next_event(media::Event& event) = 0;  // false: nothing there
  virtual StreamStats stats(StreamId stream) = 0;    // of an open stream, or of one of the last 1,024 closed
  virtual int open_streams() const = 0;
  virtual SharedPorts shared_ports() const { return {}; }      // a second old at most
  virtual std::vector<MediaLoad> loads() const { return {}; }  // of each media thread
  // Why one more call would make all calls ragged, with the value and the limit; nothing: it would not.
  virtual std::optional<std::string> overload() const { return std::nullopt; }
  virtual void stop() = 0;
};

// ------------------------------------------------------------------------------------ speech, HTTP

struct Pcm {  // linear 16-bit mono
  int sample_rate_hz = kSampleRateHz;
  std::vector<std::int16_t> samples;
};

// Thread: one at a time (the speech worker). May take long.
class SpeechPort {
 public:
  virtual ~SpeechPort() = default;
  virtual absl::StatusOr<Pcm> speak(std::string_view text, std::string_view language,
                                    std::string_view voice) = 0;
};

using RequestId = std::uint64_t;

// Thread: any for fetch() and cancel(); `done` is called from the port's own thread, once for every fetch
// that was not cancelled first. One slow server never holds up another request.
class HttpPort {
 public:
  virtual ~HttpPort() = default;
  virtual void fetch(RequestId id, HttpRequest request, std::function<void(RequestId, HttpReply)> done) = 0;
  virtual void cancel(RequestId id) = 0;
};

// ------------------------------------------------------------------------------------------- store

struct CallRecord {
  std::string id;                         // CallInfo::id
  std::string sip_call_id, sip_from_tag;  // the same call met again after a crash is the same record
  Direction direction = Direction::inbound;
  std::string caller, called;
  std::string flow;                     // flow id, empty when no flow ran
  std::string flow_digest;              // of the version it ran on
  Time started{}, answered{}, ended{};  // zero: did not happen
  std::string status;                   // "in_progress", "completed", "failed", "abandoned"
  std::string cause;                    // "caller", "script", "system", "rejected", or what went wrong
  std::string language;
  std::string variables;  // JSON object, secrets masked
  std::string recording;  // path, or empty
  // Of a call that was queued: the queue and the agent who took it in the end, all agents it was offered to
  // in order, and where its time went.
  std::string queue, agent;
  std::string tried = "[]";  // JSON array of agents
  std::string path = "[]";   // JSON array: the nodes it went through, in order
  Millis waited{0}, rang{0},
      talked{0};  // in queues until answered or given up; of it the ringing; then the talk
};

struct CallEvent {            // one entry of a call's log
  std::string call;           // CallInfo::id
  std::int64_t sequence = 0;  // 0, 1, 2... without a gap
  Time at{};
  std::string json;  // one line, see event_log.hpp
};

struct NodeVisit {  // the audit trail: one row a node visit
  std::string call;
  int sequence = 0;
  std::string node, type;
  Time entered{}, left{};
  std::string status;  // "active", "ok", "error"
  std::string exit, input, output, error;
};

struct FlowVersion {
  std::string id, digest, document;
  Time published{};
};

// A piece of what an engine is set up with: an agent, a queue, a calendar... by kind and id.
struct StoredDocument {
  std::string kind, id;
  std::string json;
};
enum class Stored { unchanged, added, changed };

// One step of the router (router.hpp): what happened, and what it made of it.
struct RouterStep {
  std::int64_t sequence = 0;  // 0, 1, 2... without a gap, also across restarts
  Time at{};
  std::string event;               // JSON object
  std::string commands = "[]";     // JSON array
  std::vector<std::string> calls;  // CallInfo::id of those it concerns: what RouterLogQuery::call finds
};

struct RouterSnapshot {
  std::int64_t next = 0;  // of the first step that is not in it
  Time at{};
  std::string json;  // Router::save()
};

// What is kept of the router's past. A step goes when it is older than `age` or beyond the last `steps`, and
// never one that a start would need: those after the newest snapshot stay.
struct RouterRetention {
  int snapshots = 4;      // the newest so many
  Millis thinned = 1h;    // of older ones, one in so long, for explanations of what was long ago
  Millis age = 24h * 35;  // of steps and snapshots
  std::int64_t steps = 20'000'000;
  std::int64_t at_once = 20'000;  // steps deleted by one put_router_snapshot() at most
};

struct RouterLogQuery {               // steps that fit all of it, in order
  std::int64_t from = 0;              // sequence
  Time since{}, until = Time::max();  // since <= at < until
  std::string call;                   // empty: of all calls
  int limit = 10'000;
};

// Thread: one at a time (the store thread, or a tool). Every write inside begin/commit; commit makes them
// last.
class StorePort {
 public:
  virtual ~StorePort() = default;
  virtual absl::Status begin() = 0;
  virtual absl::Status commit() = 0;
  virtual void rollback() = 0;
  virtual absl::Status put_call(const CallRecord& record) = 0;  // insert, or replace the one with the same id
  virtual absl::Status append(const CallEvent& event) = 0;
  virtual absl::Status put_visit(const NodeVisit& visit) = 0;     // by (call, sequence)
  virtual absl::Status put_flow(const FlowVersion& version) = 0;  // a no-op when the digest is known
  virtual absl::StatusOr<CallRecord> call(std::string_view id) = 0;
  virtual absl::StatusOr<std::vector<CallRecord>> calls(int limit, int offset) = 0;  // newest first
  virtual absl::StatusOr<std::vector<CallEvent>> events(std::string_view call) = 0;
  virtual absl::StatusOr<std::vector<NodeVisit>> visits(std::string_view call) = 0;
  virtual absl::StatusOr<FlowVersion> flow(std::string_view digest) = 0;
  // Calls that started in since <= started < until, oldest first.
  virtual absl::StatusOr<std::vector<CallRecord>> calls_between(Time since, Time until, int limit,
                                                                int offset) = 0;

  virtual absl::StatusOr<Stored> put_document(const StoredDocument& document) = 0;
  virtual absl::StatusOr<std::vector<StoredDocument>> documents(std::string_view kind) = 0;  // by id
  virtual absl::Status remove_document(std::string_view kind, std::string_view id) = 0;      // none: also OK

  virtual absl::Status append_router(const RouterStep& step) = 0;
  // Deletes what `keep` no longer wants, too.
  virtual absl::Status put_router_snapshot(const RouterSnapshot& snapshot, const RouterRetention& keep) = 0;
  virtual absl::StatusOr<std::vector<RouterStep>> router_log(const RouterLogQuery& query) = 0;
  // The newest that has nothing of `next` and later steps in it; NotFound: none.
  virtual absl::StatusOr<RouterSnapshot> router_snapshot(std::int64_t next) = 0;
  virtual absl::StatusOr<std::int64_t> router_next() = 0;  // sequence of the step that comes next

  virtual absl::StatusOr<int> close_open_calls(Time now) = 0;  // status "failed", cause "system"; how many
};

}  // namespace ivr

#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "edge/call_journal.hpp"
#include "engine/acd.hpp"
#include "engine/mailbox.hpp"
#include "engine/prompt_library.hpp"
#include "engine/store_thread.hpp"
#include "ivr/admission.hpp"
#include "ivr/caller_gate.hpp"
#include "ivr/engine.hpp"
#include "ivr/number_masking.hpp"
#include "ivr/ports.hpp"

namespace ivr {

struct ActiveCall;
struct PendingPlay;

// All calls of an engine: turns what SIP, media, prompts and HTTP say into session events, and the sessions'
// commands into requests to them. It decides nothing about a call.
//
// Thread: control only.
class Switchboard : private CallControl {
 public:
  struct World {
    SipPort& sip;
    MediaPort& media;
    HttpPort& http;
    PromptSource& prompts;
    StoreWriter* store;          // null: nothing is kept
    CallJournal* journal;        // null with the store
    std::function<Time()> time;  // which never goes back
    std::function<void(EngineEvent)> tell;
    std::function<std::string(Time)> name_call = &Switchboard::new_id;
  };

  Switchboard(const EngineOptions& options, World world);
  ~Switchboard();

  // The router as an earlier run left it, the number of its next step, and the masked pairs that were kept.
  absl::Status start(std::optional<Router> kept, std::int64_t next_step,
                     const std::vector<StoredDocument>& masked = {});
  void save_router();

  void on_sip(const sip::Event& event);
  void work();                           // everything that waits: media, prompts, HTTP, records, timers
  std::optional<Time> deadline() const;  // of work(), if nothing comes first
  Micros until_next() const;             // how long SIP may wait for traffic

  // `like`: the codec of whom it is to talk with.
  // `replaces`: the header of its INVITE.
  void originate(std::string id, Originate request, std::optional<Codec> like = {},
                 std::string replaces = {});
  void hang_up(std::string_view id, std::string reason);
  void drain();
  void end_all(std::string reason);
  void close_rest();  // after SIP and media have stopped: finishes what is left
  int calls() const { return static_cast<int>(calls_.size()); }

  // Internal: what does not fit together between two rounds. `with`: the stream with which one is bridged, or
  // 0. For tests.
  absl::Status check(const std::function<StreamId(StreamId)>& with) const;

  Acd& acd() { return acd_; }
  const Acd& acd() const { return acd_; }
  // `then` is told the number when the pair is on disk.
  void mask(std::string_view one, std::string_view other, Millis lifetime,
            std::function<void(absl::StatusOr<std::string>)> then);
  absl::Status transfer(std::string_view call, const std::string& uri);
  absl::Status warm_transfer(std::string_view call, const std::string& uri, Prompts brief,
                             const std::string& accept_keys);
  absl::Status join_partners(std::string_view call, std::string_view other);
  absl::Status hold(std::string_view call, bool on);
  absl::Status mute(std::string_view call, bool on);
  absl::Status supervise(const std::string& id, std::string_view call, const std::string& uri,
                         Supervision mode);

  static std::string new_id(Time now);  // of a call; any thread
  static std::unique_ptr<Script> connect_script(intent::Transfer to);

  // Read from any thread.
  struct Counters {
    std::atomic<int> calls{0}, peak{0};
    std::atomic<std::uint64_t> started{0}, answered{0}, ended{0}, refused{0};
  };
  const Counters& counters() const { return counters_; }

 private:
  using Key = std::uint64_t;
  struct LegRef {
    Key call = 0;
    LegNumber leg = 0;
  };

  void on(const sip::Invited& invited);
  void on(const sip::Ringing& ringing);
  void on(const sip::Answered& answered);
  void on(const sip::Established& established);
  void on(const sip::Offered& offered);
  void on(const sip::OfferAnswered& answered);
  void on(const sip::OfferRefused&) {}  // the session stays as it was
  void on(const sip::Digit& digit);
  void on(const sip::Referred& referred);
  void on(const sip::ReferProgress& progress);
  void on(const sip::Registered& registered);
  void on(const sip::Enrolled& enrolled);
  void on(const sip::Unauthorized&) {}
  void on(const sip::Refused& refused);
  void on(const sip::Ended& ended);
  void on(const media::DigitBegan& digit);
  void on(const media::DigitEnded& digit);
  void on(const media::PlayEnded& ended);
  void on(const media::RecordEnded& ended);
  void on(const media::DigitsSent& sent);
  void on(const media::VoiceBegan& began);
  void on(const media::VoiceEnded& ended);
  void on(const media::TimedOut& timed_out);
  void on(const media::Closed& closed);
  void hear_media();

  void step(ActiveCall& call, const Event& event);
  void carry_out(ActiveCall& call, const Command& command);
  void carry_out(ActiveCall& call, const command::Ring&);
  void carry_out(ActiveCall& call, const command::Answer&);
  void carry_out(ActiveCall& call, const command::Reject& reject);
  void carry_out(ActiveCall& call, const command::Dial& dial);
  void carry_out(ActiveCall& call, const command::Play& play);
  void carry_out(ActiveCall& call, const command::StopPlay& stop);
  void carry_out(ActiveCall& call, const command::StartRecord& start);
  void carry_out(ActiveCall& call, const command::StopRecord& stop);
  void carry_out(ActiveCall& call, const command::Fetch& fetch);
  void carry_out(ActiveCall& call, const command::CancelFetch& cancel);
  void carry_out(ActiveCall& call, const command::SendDigits& send);
  void carry_out(ActiveCall& call, const command::DetectVoice& detect);
  void carry_out(ActiveCall& call, const command::Connect& connect);
  void carry_out(ActiveCall& call, const command::EarlyMedia& early);
  void hush(ActiveCall& call, bool on);
  void referred_by(ActiveCall& call, LegNumber number, const sip::Referred& referred);
  void sent_on(ActiveCall& call, const sip::Referred& referred);
  void hand_over(ActiveCall& call);
  void tell_referrer(ActiveCall& call, int status);
  void hide_secrets(ActiveCall& call);
  void carry_out(ActiveCall& call, const command::Drop& drop);
  void carry_out(ActiveCall& call, const command::JoinQueue& join);
  void carry_out(ActiveCall& call, const command::LeaveQueue& leave);
  void carry_out(ActiveCall& call, const command::RequestCallback& request);
  void carry_out(ActiveCall& call, const command::Part&);
  void carry_out(ActiveCall& call, const command::Serve&);
  void carry_out(ActiveCall& call, const command::Decline&);
  void carry_out(ActiveCall& call, const command::Refer& refer);
  void carry_out(ActiveCall& call, const command::AgentStatus& set);
  void carry_out(ActiveCall& call, const command::Report& report);

  // CallControl: what the router's hands want.
  Time now() const override { return world_.time(); }
  std::string name_call() override { return world_.name_call(now()); }
  void dial(const std::string& id, Originate request, const std::string& like) override;
  void tell_session(const std::string& call, Event event) override;
  void end(const std::string& call, std::string reason) override;
  void bridge(const std::string& a, const std::string& b, const BridgeOptions& options) override;
  void unbridge(const std::string& a, const std::string& b) override;
  void notify_refer(const std::string& call, int status) override;
  void log(const acd::Event& event, const acd::Commands& commands, Time at) override;
  void when_kept(std::function<void()> then) override;
  CallRecord* record(const std::string& call) override;
  void keep_promises();
  // In place of a journal slot, of documents that somebody waits for.
  static constexpr std::uint64_t kDocumentTicket = ~std::uint64_t{0};
  void forget_masks();  // whose time is over

  static std::string utc(Time at, const char* format);
  void watch(ActiveCall& call);
  std::string identity(const std::string& number) const;
  std::string destination(const std::string& number) const;
  void refuse(const sip::Invited& invited, RefusedFor why, int status, const std::string& reason,
              bool retry = false);
  const Route* route(std::string_view extension, std::string_view caller) const;
  ActiveCall& add(std::string id, CallSessionOptions session, std::unique_ptr<Script> script);
  absl::Status open_stream(ActiveCall& call, LegNumber leg);
  bool adopt(ActiveCall& call, LegNumber number);
  void set_remote(ActiveCall& call, LegNumber leg, RemoteMedia remote);
  MusicClass music(const ActiveCall& call, std::string name) const;
  void prompt_ready(ActiveCall& call, const PendingPlay& play, absl::StatusOr<std::vector<ClipPtr>> clips);
  void later(ActiveCall& call, Event event);  // after what is being done now
  void press(ActiveCall& call, std::optional<char> digit, DigitSource source);
  void heard(StreamId stream, const Event& event);
  void schedule(ActiveCall& call);
  void visit(ActiveCall& call, const Note& note);
  void close_stream(ActiveCall& call, LegNumber number);
  void settle(ActiveCall& call);  // the session is done: finish once the media is
  void finish(ActiveCall& call);
  void begin_record(ActiveCall& call);
  void save(ActiveCall& call);
  void tell(const ActiveCall& call, decltype(EngineEvent::what) what);
  ActiveCall* find(Key key);
  ActiveCall* find_call(std::string_view id);
  ActiveCall* find_leg(LegId leg, LegNumber& number);
  ActiveCall* find_stream(StreamId stream, LegNumber& number);

  const EngineOptions& options_;
  World world_;
  Admission admission_;
  CallerGate gate_;
  std::optional<NumberMasking> masking_;
  Counters counters_;
  bool draining_ = false;
  std::map<Key, std::unique_ptr<ActiveCall>> calls_;
  absl::flat_hash_map<std::string, Key> by_id_;
  absl::flat_hash_map<LegId, LegRef> legs_;
  absl::flat_hash_map<StreamId, LegRef> streams_;
  absl::flat_hash_map<RequestId, std::pair<Key, RequestId>>
      requests_;                                         // the port's number -> call and its own
  std::multimap<std::string, std::string> supervisors_;  // by the call they listen to
  std::set<std::pair<Time, Key>> due_;
  std::deque<std::pair<Key, Event>> later_;
  Key next_key_ = 1;
  StreamId next_stream_ = 1;
  RequestId next_request_ = 1;
  Commands commands_;
  std::vector<CallEvent> log_;  // of this round
  struct Promise {
    std::int64_t step = 0;
    std::function<void()> then;
  };
  std::deque<Promise> promises_;                          // wait for the router's log to be on disk
  std::deque<std::function<void(absl::Status)>> unkept_;  // wait for their documents to be on disk, in order
  std::int64_t router_step_ = 0;                          // the next one
  std::int64_t router_saved_ = 0;                         // the first that is in no snapshot
  Acd acd_;

  struct HttpAnswer {
    RequestId request = 0;
    HttpReply reply;
  };
  std::shared_ptr<Mailbox<HttpAnswer>> http_answers_;
};

}  // namespace ivr

#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ivr/base.hpp"
#include "ivr/ports.hpp"
#include "ivr/script.hpp"

namespace ivr {

// Leg 0 is the caller (or whom we called); 1, 2... are the legs this call dialled.
using LegNumber = int;

// What happened to a call. `now` of the step says when.
namespace event {

struct Invited {
  CallInfo call;
};                      // the first one: somebody calls us, or (outbound) somebody is to be called
struct Established {};  // leg 0 is up both ways
struct DigitHeard {
  char digit = 0;
  DigitSource source{};
};  // once a key press, at key-down
struct PlayEnded {
  PlayId play = 0;
  Millis heard{0};
  bool completed = true;
  std::string error;
};
struct RecordEnded {
  RecordId record = 0;
  std::string file;
  Millis length{0};
  outcome::RecordEnd end{};
  std::string error;
};
struct HttpReplied {
  RequestId request = 0;
  HttpReply reply;
};
struct DigitsSent {};
struct VoiceBegan {};
struct VoiceEnded {};
struct LegRinging {
  LegNumber leg = 0;
  std::optional<EarlyMedia> early{};  // what it says of sound before the answer, when there is some
};
struct LegAnswered {
  LegNumber leg = 0;
};
struct LegEnded {
  LegNumber leg = 0;
  int status = 0;
  std::string reason;
  bool by_peer = true;
};
struct QueueAnnounced {
  outcome::QueueNews news;
};
struct QueueLeft {  // without having talked: served is not among the ends
  outcome::QueueEnd end = outcome::QueueEnd::unavailable;
  Millis waited{0};
  std::vector<std::string> tried;
};
struct CallbackTaken {
  bool taken = false;
};
struct AgentStatusSet {
  bool ok = false;
  std::string agent;
  AgentState state = AgentState::offline;
};
// Another call talks with leg 0 from now on.
struct Bridged {
  std::string call;   // the other one
  std::string agent;  // of the caller: who serves; of an agent's call: empty
  Millis waited{0};
  std::vector<std::string> tried;
};
struct Unbridged {
  std::string target;     // where the agent sent the caller; empty: the talk is over
  bool by_other = false;  // the other side ended it
};
struct PeerHeld {
  bool held = false;
  std::string music{};  // class of the one who holds; empty: what is heard in the queue
};                      // the other side of the bridge has put leg 0 on hold, or is back
struct Offered {        // to an agent on an open leg: who is connected when it serves
  Prompts whisper;
  std::string accept_keys;
};
struct ReferProgress {
  int status = 0;
};  // what the other side tells of our Refer
struct LegReferred {
  LegNumber leg = 0;
  std::string target;
};                    // who is on a leg that we dialled sends leg 0 on to somebody else
struct MediaLost {};  // no RTP from leg 0 for the stream's time-out
struct Stop {
  std::string reason;
};               // the program wants the call to end
struct Tick {};  // the deadline has come

}  // namespace event

using Event =
    std::variant<event::Invited, event::Established, event::DigitHeard, event::PlayEnded, event::RecordEnded,
                 event::HttpReplied, event::DigitsSent, event::VoiceBegan, event::VoiceEnded,
                 event::LegRinging, event::LegAnswered, event::LegEnded, event::QueueAnnounced,
                 event::QueueLeft, event::CallbackTaken, event::AgentStatusSet, event::Bridged,
                 event::Unbridged, event::PeerHeld, event::Offered, event::ReferProgress, event::LegReferred,
                 event::MediaLost, event::Stop, event::Tick>;

// What to do about it, in this order.
namespace command {

struct Ring {};    // leg 0: early media (183); the call is not answered yet
struct Answer {};  // leg 0
struct Reject {    // leg 0, which was not answered
  int status = 480;
  std::string reason;  // empty: the standard phrase of the status

  friend bool operator==(const Reject&, const Reject&) = default;
};
struct Dial {
  LegNumber leg = 0;
  std::string uri;
  std::string caller_id;
};
struct Play {
  PlayId play = 0;
  Prompts prompts;
  int loops = 1;
  Millis from{0};  // of the prompts: so much of them has been heard before
  Prompts then{};  // most likely to play after it: to be made ready meanwhile; no log shows it
};                 // to leg 0; replaces what plays
struct StopPlay {
  PlayId play = 0;
};
struct StartRecord {
  RecordId record = 0;
  std::string name;
  bool both_sides = false;
  Millis max{0};
  Millis silence{0};
  bool digits = true;  // false: the tones of keys are not to be in it
};
struct StopRecord {
  RecordId record = 0;
};
struct Fetch {
  RequestId request = 0;
  HttpRequest http;
};
struct CancelFetch {
  RequestId request = 0;
};
struct SendDigits {
  std::string digits;
  Millis tone{0};
  Millis gap{0};
  bool secret = false;  // logs show "***"
};
struct DetectVoice {
  bool on = false;
};
struct Connect {
  LegNumber leg = 0;
};  // bridge it with leg 0
struct EarlyMedia {
  LegNumber leg = 0;
  ivr::EarlyMedia direction = ivr::EarlyMedia::inactive;  // as that leg sees it; leg 0 is the other side
};  // bridge it with leg 0 as far as it allows, before it is up
struct Drop {
  LegNumber leg = 0;
  std::string reason;
};  // CANCEL or BYE; leg 0 too: then the call is over
struct JoinQueue {
  intent::Queue want;
};
struct LeaveQueue {
  bool key = false;      // by an exit key: the place is kept
  bool timeout = false;  // the script's own limit, intent::Queue::max_wait
  char digit = 0;        // the key; no log shows it
};
struct RequestCallback {
  std::string number;
};
struct Part {};     // ends the talk with the other call; Unbridged follows, leg 0 stays
struct Serve {};    // an agent's leg is ready: connect it; not said of one that has been bridged before
struct Decline {};  // an agent on an open leg does not take who was offered
struct Refer {
  std::string uri;
};  // asks the other side to call there; ReferProgress follows
struct AgentStatus {
  intent::AgentStatus want;
};
struct Report {
  Note note;
};

}  // namespace command

using Command = std::variant<command::Ring, command::Answer, command::Reject, command::Dial, command::Play,
                             command::StopPlay, command::StartRecord, command::StopRecord, command::Fetch,
                             command::CancelFetch, command::SendDigits, command::DetectVoice,
                             command::Connect, command::Drop, command::JoinQueue, command::LeaveQueue,
                             command::RequestCallback, command::Part, command::Serve, command::Decline,
                             command::Refer, command::AgentStatus, command::EarlyMedia, command::Report>;
using Commands = std::vector<Command>;

struct CallSessionOptions {
  bool answer_later = false;    // the script starts on early media (183) and answers by intent::Answer
  bool record = false;          // the whole call, both sides, besides what the script records
  int max_queued_digits = 128;  // pressed ahead; more are dropped and counted
  bool secret_type_ahead =
      false;  // the script asks for secrets somewhere: digits nobody has asked for yet are secret
  bool record_digits = true;  // false: `record` is without the tones of keys
};

// The mechanics of one call: prompts and barge-in, digits with their timers, recording, the HTTP wait,
// dialling and connecting a second leg. It carries out what its script wants, one intent at a time, and tells
// it how that went. It does not know SIP, RTP or clocks.
//
// Thread: one at a time.
class CallSession {
 public:
  CallSession(std::unique_ptr<Script> script, const CallSessionOptions& options);

  // Appends to `out`. After done() nothing more comes.
  void step(const Event& event, Time now, Commands& out);

  // When to call step(Tick) if nothing comes first.
  std::optional<Time> deadline() const { return deadline_; }

  // Leg 0 is gone, all recordings have ended, and the script wants nothing more.
  bool done() const { return state_ == State::over; }
  // Leg 0 is gone or told to go, and the script goes on without it, for 30 s at most.
  bool lingers() const { return lingers_until_.has_value(); }
  bool sensitive(
      char digit) const;  // this digit, pressed now, is secret: the log shows '?', see event_log.hpp
  // Some digit, pressed now, answers a question for a secret or may come to, or secret ones are being sent:
  // no recording may have its tone. What people who talk tell each other by keys is theirs, and for
  // record_digits to say.
  bool asks_for_secrets() const;

  // What a log may show in place of the event, asked for before the step that takes it: a secret digit is
  // '?', what a reply tells in secret is "***". Nothing: the event hides nothing and may be shown as it is.
  std::optional<Event> for_log(const Event& event) const;

  // Keys pressed ahead are logged as '?' where options.secret_type_ahead. Those that the last step took for a
  // question, in order: as they were, or '?' where the question asks for a secret. reveal() gives them to the
  // next step of a replay, which has only '?'.
  const std::string& revealed() const { return revealed_; }
  void reveal(std::string_view digits) { revealing_ = digits; }

  struct Summary {
    outcome::EndedBy ended_by = outcome::EndedBy::caller;
    std::string reason;
    std::string recording;  // the last file of this call
    int dropped_digits = 0;
    std::string language;
  };
  const Summary& summary() const { return summary_; }
  bool talks_with(LegNumber leg) const;  // leg 0 does, with one that this call has dialled
  const Script& script() const { return *script_; }

 private:
  enum class State { fresh, dialing, ringing, up, ending, over };
  struct Barge {  // what may stop the prompt that plays
    BargeIn by = BargeIn::none;
    BargeAt at = BargeAt::once;
    Time from{};  // the grace is over
    Millis min_speech{0};
    bool listening = false, speaking = false;
  };
  struct Said {  // a prompt that something may stop
    Barge barge;
    PlayId play = 0;
    std::vector<Prompts> parts;  // those between marks, each a play of its own; none without BargeAt::mark
    std::size_t part = 0;
    int rounds = 1;         // of the parts, the one that plays included; 0: for ever
    bool stopping = false;  // told to stop
    bool at_mark = false;   // to be stopped when this part is over
    Millis heard{0};        // of the parts that are over
  };
  struct Playing {
    Said said;
  };
  struct Collecting {
    intent::Collect want;
    Said said;
    std::string digits;
    bool redacted = false;
  };
  struct Recording {
    intent::Record want;
    enum class Phase { prompt, beep, recording, stopping } phase = Phase::prompt;
    PlayId play = 0;
    RecordId record = 0;
    char key = 0;
  };
  struct Fetching {
    RequestId request = 0;
    std::vector<std::string> secrets;  // of the reply
    Prompts filler;
    PlayId play = 0;
    Time give_up{};
  };
  struct Waiting {};
  struct SendingDigits {
    bool secret = false;
  };
  struct Answering {};
  struct Transferring {
    intent::Transfer want;
    LegNumber leg;
    LegNumber referrer = 0;  // who has sent leg 0 on, until it is known how that went
    enum class Phase { dialing, talking, stopping, referring } phase = Phase::dialing;
    PlayId play = 0;
    RecordId record = 0;
    EarlyMedia early = EarlyMedia::inactive;  // what is carried out
    Time answered{};
    outcome::Transferred result;
  };
  struct Queueing {
    intent::Queue want;
    enum class Phase { waiting, talking, stopping } phase = Phase::waiting;
    PlayId play = 0;      // `say`, or the hold music
    bool saying = false;  // `say`: the music comes after it
    RecordId record = 0;
    Time from{};  // of this phase
    outcome::Queued result;
  };
  struct CallingBack {
    bool waits = false;  // the caller still stands in the queue
  };
  struct SettingStatus {};
  struct Serving {
    bool talking = false;
    PlayId play = 0;  // hold music
    Time from{};
  };
  struct Listening {
    bool until_silence;
    Time since{};
    bool heard = false;
    Millis after{0};
  };

  using Operation =
      std::variant<std::monostate, Playing, Collecting, Recording, Fetching, Transferring, Waiting,
                   SendingDigits, Listening, Answering, Queueing, CallingBack, Serving, SettingStatus>;

  void handle(const Event& event);
  void on_digit(char digit);
  void on_play_ended(const event::PlayEnded& ended);
  void on_record_ended(const event::RecordEnded& ended);
  void on_leg_ringing(const event::LegRinging& ringing);
  void on_leg_answered(const event::LegAnswered& answered);
  void on_leg_ended(const event::LegEnded& ended);
  void on_leg_referred(const event::LegReferred& referred);
  void let_go(LegNumber& referrer);
  void on_tick();
  void begin(const Intent& intent);
  void finish(Outcome outcome);
  void run_script();
  template <class Intent>
  Said say(const Intent& want, int loops);
  bool goes_on(Said& said, const event::PlayEnded& ended);
  void interrupt(Said& said);
  PlayId play_part(const Said& said);
  Said* prompting();  // the prompt that plays now and may be stopped, or null
  bool stops(const Barge& barge, BargeIn by) const;
  bool queue_digit(char digit);
  void stop_listening(Barge& barge);
  void on_voice(bool began);
  void take_digit(Collecting& collect, char digit);
  void feed_queue();
  void settle_collect(Collecting& collect, outcome::CollectEnd end, char terminator);
  void start_recording(Recording& recording);
  void begin_transfer(const intent::Transfer& want);
  void ring_back(Transferring& transfer);
  void end_transfer(Transferring& transfer, outcome::TransferEnd end, int status);
  void join_queue(const intent::Queue& want);
  bool stays_in_queue(const Intent& next);
  void leave_queue_by(Queueing& queueing, char key);
  void on_queue_tick(Queueing& queueing);
  void entertain(Queueing& queueing);
  void request_callback(const intent::Callback& want);
  void serve();
  void decline();
  void tell_offered();
  void on_offered(const event::Offered& offered);
  void on_refer_progress(int status);
  void on_queue_announced(const event::QueueAnnounced& announced);
  void on_queue_left(const event::QueueLeft& left);
  void on_callback_taken(const event::CallbackTaken& callback);
  void on_bridged(const event::Bridged& bridged);
  void on_unbridged(const event::Unbridged& unbridged);
  void on_peer_held(const event::PeerHeld& peer);
  void end_call(outcome::EndedBy by, std::string reason);
  void leave();
  void linger();
  void come_up();
  void dismiss(std::string reason, int status);
  void start_call_record();
  PlayId play(Prompts prompts, int loops);
  PlayId play_music(Prompts music);
  void stop_play(PlayId& play);
  Millis since(Time then) const { return std::chrono::duration_cast<Millis>(now_ - then); }
  void arm(Micros after) { deadline_ = now_ + after; }
  void disarm() { deadline_.reset(); }

  std::unique_ptr<Script> script_;
  CallSessionOptions options_;
  State state_ = State::fresh;
  Operation operation_;
  std::optional<Outcome> outcome_;  // to be told to the script
  std::optional<Time> deadline_;
  std::optional<Time> lingers_until_;
  std::deque<char> queued_;  // digits nobody has asked for yet
  std::string revealed_, revealing_;
  Summary summary_;
  CallInfo call_;
  struct Music {  // goes on where it was when something else has been heard between
    Prompts prompts;
    PlayId play = 0;
    Millis heard{0};
  };
  Music music_;
  PlayId next_play_ = 1;
  RecordId next_record_ = 1;
  RequestId next_request_ = 1;
  LegNumber next_leg_ = 1;
  RecordId call_record_ = 0;  // of options_.record, while it runs
  int open_records_ = 0;
  bool answered_ = false;                  // leg 0, by us or by whom we called
  bool leg_up_ = true;                     // leg 0 has not ended
  std::optional<Time> bridged_early_;      // before the script of an agent's call served
  std::optional<event::Offered> offered_;  // the same
  ScriptOutput output_;
  Time now_{};
  Commands* out_ = nullptr;  // only within step()
};

}  // namespace ivr

#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ivr/base.hpp"
#include "ivr/skills.hpp"

// What decides a call: a Script says what it wants next, one intent at a time, and is told how that went.
// A flow document is one kind of script (FlowRun), the robot caller another, a Python function a third.

namespace ivr {

class DigitMap;

// One piece of what the other side is to hear; variables are already filled in, numbers already words.
struct Prompt {
  enum class Kind {
    text,     // value is spoken in `language` by `voice`
    file,     // value is the path of an audio file, relative to the prompt folder
    tone,     // value names a generated tone: "beep", "ringback", "busy", "hold"; see tones.hpp
    silence,  // `length` of nothing
    music,    // value names a class of hold music; empty: the one of the queue, or the engine's
  };
  Kind kind = Kind::text;
  std::string value;
  std::string language;  // BCP 47, "en" or "ar"; empty for what is not spoken
  std::string voice;     // empty: the language's default voice
  Millis length{0};      // silence and tones only
  bool secret = false;   // logs and events show "***" in place of value
  std::string mark{};    // its name: here, before this one, BargeAt::mark may stop what plays

  friend bool operator==(const Prompt&, const Prompt&) = default;
};
using Prompts = std::vector<Prompt>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Millis timeout = 5s;  // for the whole exchange
  bool secret = false;  // logs and events show "***" in place of query, headers and body
  // Of the reply, JSON pointers (RFC 6901): logs show "***" in place of what is there. "" is all of it.
  std::vector<std::string> secret_reply;

  friend bool operator==(const HttpRequest&, const HttpRequest&) = default;
};

struct HttpReply {
  int status = 0;     // 0: no reply, `error` says why
  std::string body;   // at most 1 MiB, more is an error
  std::string error;  // empty when a reply came, whatever its status

  friend bool operator==(const HttpReply&, const HttpReply&) = default;
};

enum class Direction { inbound, outbound };

struct CallInfo {
  std::string id;  // ours, unique for ever
  Direction direction = Direction::inbound;
  std::string caller;      // user part of From, or the whole URI when it has none
  std::string called;      // user part of the Request-URI: the extension
  std::string caller_uri;  // as received
  std::string called_uri;
  std::string language;                                        // chosen beforehand, or empty
  std::vector<std::pair<std::string, std::string>> variables;  // given to the script: name and JSON text
  std::string user{};  // of the registrar: who the caller has proved to be; empty: nobody

  friend bool operator==(const CallInfo&, const CallInfo&) = default;
};

// What stops a prompt before its end. Keys pressed while none may are dropped.
enum class BargeIn { none, digits, speech, both };

// When it stops the prompt: at once; at the next mark in it, or at the end of this round where none comes; or
// never: the prompt is heard in full. In the latter two a key pressed meanwhile is kept and counts then.
enum class BargeAt { once, mark, end };

// What a script wants. It has at most one intent open; the session answers each with exactly one outcome.
namespace intent {

// Plays prompts to their end. A digit stops them within a frame when barge_in allows it, and is kept for the
// next Collect.
struct Play {
  Prompts prompts;
  int loops = 1;  // 0: until a digit or the end of the call
  BargeIn barge_in = BargeIn::digits;
  Millis grace{0};            // of the prompt's beginning, in which nothing stops it
  Millis min_speech = 200ms;  // voice stops it when it has held for so long
  BargeAt barge_at = BargeAt::once;
};

// Plays prompts, if any, then waits for keys. The first-digit timer starts when the prompts end, and each
// digit restarts the inter-digit timer.
struct Collect {
  Prompts prompts;
  BargeIn barge_in = BargeIn::digits;
  Millis grace{0};            // of the prompt's beginning, in which nothing stops it
  Millis min_speech = 200ms;  // voice stops it when it has held for so long
  int min = 1;
  int max = 1;                    // at most 128
  std::string terminators = "#";  // end the input, not part of it
  Millis first_timeout = 5s;
  Millis digit_timeout = 3s;
  bool carry = true;       // digits pressed before this intent count; false: they are dropped
  bool sensitive = false;  // logs, events and records show the digits as "*", recordings lack their tones
  BargeAt barge_at = BargeAt::once;
  // Ends the input as soon as no further key could make another choice of it, well before `max`.
  std::shared_ptr<const DigitMap> map;
};

// Records the other side.
struct Record {
  Prompts prompts;  // said before the recording starts
  bool beep = true;
  Millis max = 180s;
  Millis silence = 5s;  // so much silence at the end stops it; 0: never
  std::string finish_keys = "#";
  std::string name;           // base name without extension; empty: made from call and node
  bool record_digits = true;  // false: the tones of keys are cut out of it
};

// An HTTP exchange; `filler` is looped to the caller until it is over.
struct Fetch {
  HttpRequest request;
  Prompts filler;
  Millis filler_after = 1500ms;  // no filler for what answers sooner
};

// Dials a SIP URI and connects both legs. Or, with `refer`, asks the other side's own telephone to call there
// (RFC 3515): Transferred comes with its word of how that went, and what follows a success is as good as said
// to nobody.
struct Transfer {
  std::string uri;
  std::string caller_id;  // empty: the caller's
  Millis ring_limit = 30s;
  Prompts ringback;           // looped to the caller while it rings; empty: the ringback tone
  bool record = false;        // both sides, stereo
  Millis max_talk{0};         // 0: no limit
  bool refer = false;         // nothing else of this but uri and ring_limit is used then
  bool record_digits = true;  // false: the tones of keys are cut out of the recording
  // Whom it dialled may send the other on (LegReferred). When that comes to nothing: true, they talk on with
  // each other, as before; false, it ends with its cause.
  bool talk_on = false;
};

struct Wait {
  Millis duration{0};
};

// 0-9 * # A-D by RFC 4733 (in-band when the peer has none); 'w' waits 500 ms, 'W' 1 s.
struct SendDigits {
  std::string digits;
  Millis tone = 100ms;
  Millis gap = 100ms;
  bool secret = false;  // logs show "***" in place of the digits, recordings lack their tones
};

// Waits until the other side is heard to speak, and if `until_silence` until it has stopped again.
struct Listen {
  Millis timeout = 10s;
  bool until_silence = false;
};

// Waits in a queue until an agent talks to the caller, and talks. The caller hears `say`, then `hold` over
// and over. When the router wants something announced the script hears QueueNews, and answers with a Queue of
// the same name: the caller stays where he is and hears the new `say` first. Any other intent leaves the
// queue.
struct Queue {
  std::string queue;
  int priority = 0;
  SkillExpression required;      // besides the queue's own
  std::vector<Skill> preferred;  // besides the queue's own
  std::string agent;             // preferred above all others while it can be offered
  bool direct = false;           // `agent` and nobody else
  Prompts say;
  Prompts hold;               // empty: the engine's hold music
  std::string exit_keys;      // leave the queue; the place is kept for a while
  Prompts whisper;            // to the agent, before they talk
  std::string accept_keys;    // the agent presses one of them to take the call; empty: answering takes it
  std::string caller_id;      // shown to the agent; empty: the caller's number
  bool record = false;        // both sides, stereo
  bool pass_digits = true;    // keys reach the other side; false: they are cut out of what it hears
  Millis max_talk{0};         // 0: no limit
  Millis max_wait{0};         // besides the queue's own limit, the smaller counts: QueueEnd::timeout; 0: none
  bool record_digits = true;  // false: the tones of keys are cut out of the recording
};

// Asks the router to call back: the place of the caller, who waits or has just left by an exit key, is kept.
struct Callback {
  std::string number;  // or URI
};

// The other side is an agent who is offered a caller, or waits on an open leg: connects when it is time. On
// an open leg each caller is announced by Offered first, in place of the outcome, and Serve again takes him.
struct Serve {};

// On an open leg, after Offered: this caller is not taken. Waits for the next one, as Serve does.
struct Decline {};

// Logs an agent in or out, or pauses it, as a feature code does.
struct AgentStatus {
  std::string agent;  // empty: the one whose telephone this is, see CallInfo::user
  // available, on_break or offline; none: on break, or back from it.
  std::optional<AgentState> state = AgentState::available;
  std::string reason;
};

// Takes the call, when the session was made to answer later: until then audio is early media (183).
struct Answer {};

struct Hangup {
  std::string reason = "normal";
  int status = 480;  // of a call that was not answered (RFC 3261, 21.4): 486 busy, 603 decline...
};

}  // namespace intent

using Intent =
    std::variant<intent::Play, intent::Collect, intent::Record, intent::Fetch, intent::Transfer, intent::Wait,
                 intent::SendDigits, intent::Listen, intent::Answer, intent::Queue, intent::Callback,
                 intent::Serve, intent::Decline, intent::AgentStatus, intent::Hangup>;

namespace outcome {

struct Started {
  CallInfo call;
};  // the call is up, audio flows; the first thing a script hears

enum class PlayEnd { completed, interrupted, failed };
struct Played {
  PlayEnd end = PlayEnd::completed;
  Millis heard{0};
  std::string error;
};

enum class CollectEnd {
  full,
  terminator,
  timeout,
  no_input
};  // timeout: some digits, but fewer than max came
struct Collected {
  std::string digits;
  CollectEnd end = CollectEnd::no_input;
  char terminator = 0;  // which key ended it, or 0
  bool redacted =
      false;  // replay of a sensitive input: the digits are not in the log, only how many there were
};

enum class RecordEnd {
  finish_key,
  silence,
  max_length,
  hangup,
  failed
};  // hangup: Ended follows whatever the script answers
struct Recorded {
  std::string file;
  Millis length{0};
  RecordEnd end = RecordEnd::failed;
  char key = 0;
  std::string error;
};

struct Fetched {
  HttpReply reply;
};

enum class TransferEnd {
  completed,
  busy,
  no_answer,
  rejected,
  failed
};  // completed: they talked and the far side ended it
struct Transferred {
  TransferEnd end = TransferEnd::failed;
  int sip_status = 0;
  Millis talk{0};
  std::string recording;
};

// The caller still waits: to be announced, see intent::Queue.
struct QueueNews {
  int position = 0;            // 1 is next; 0: not told
  bool more_than = false;      // the position is "more than" that many
  std::optional<Millis> wait;  // an estimate, rounded
  int message = -1;            // which periodic message, or -1
};

enum class QueueEnd {
  served,       // they talked, and one of them ended it
  timeout,      // nobody in time
  full,         // no room
  unavailable,  // nobody can serve, or none who could did
  key,          // an exit key
  transferred,  // the agent sent the caller on, to `target`
};
struct Queued {
  QueueEnd end = QueueEnd::unavailable;
  std::string agent;               // who served
  std::vector<std::string> tried;  // who was offered the caller before, in order
  Millis waited{0}, talked{0};
  std::string recording;
  char key = 0;
  std::string target;
  bool by_agent = false;  // served: who ended it
};

struct CallbackTaken {
  bool taken = false;  // false: there is no place to keep
};

struct Served {
  Millis talked{0};
};

struct Offered {  // to an agent who waits on an open leg, see intent::Serve
  Prompts whisper;
  std::string accept_keys;  // empty: nothing is asked for
};

struct AgentStatusSet {
  bool ok = false;    // false: nobody's telephone, no such agent, or a break of somebody who is logged out
  std::string agent;  // whose; empty: nobody's
  AgentState state = AgentState::offline;  // as it is now
};

struct Waited {};
struct Answered {};
struct DigitsSent {};
struct Listened {
  bool voice = false;
  Millis after{0};
};

enum class EndedBy { caller, script, system };
// The call is over: heard in place of the outcome of an intent that was open. What needs nobody at the other
// end may follow for 30 s (Fetch, Wait, AgentStatus); when that time is up, Ended comes once more. With the
// first step that wants nothing, or anything else, the script has heard its last.
struct Ended {
  EndedBy by = EndedBy::caller;
  std::string reason;
};

}  // namespace outcome

using Outcome =
    std::variant<outcome::Started, outcome::Played, outcome::Collected, outcome::Recorded, outcome::Fetched,
                 outcome::Transferred, outcome::Waited, outcome::DigitsSent, outcome::Listened,
                 outcome::Answered, outcome::QueueNews, outcome::Queued, outcome::CallbackTaken,
                 outcome::Served, outcome::Offered, outcome::AgentStatusSet, outcome::Ended>;

// What a script wants known about its way: goes to the event log, the store and the application, in order.
namespace note {

struct NodeEntered {
  std::string node;
  std::string type;
  int visit = 1;
};
struct NodeLeft {
  std::string node;
  std::string type;
  std::string exit;    // the exit taken: "next", "1", "timeout", "error", ...
  std::string input;   // digits, HTTP status...; masked when sensitive
  std::string output;  // what it stored or where it led, JSON
  std::string error;   // empty when it went well
};
struct VariableSet {
  std::string name;
  std::string value;
};  // JSON text; "***" when secret
struct LanguageChosen {
  std::string language;
};

}  // namespace note

using Note = std::variant<note::NodeEntered, note::NodeLeft, note::VariableSet, note::LanguageChosen>;

// What one step of a script gives back.
struct ScriptOutput {
  std::vector<Note> notes;
  std::vector<Intent> intent;  // exactly one; after Ended perhaps none

  void clear() {
    notes.clear();
    intent.clear();
  }
};

// Thread: one at a time. Must not block, read clocks or draw randomness of its own: then every run replays.
class Script {
 public:
  virtual ~Script() = default;
  virtual void step(const Outcome& outcome, Time now, ScriptOutput& out) = 0;

  // What the call record keeps of it: a JSON object, secrets masked.
  virtual std::string variables() const { return "{}"; }
};

}  // namespace ivr

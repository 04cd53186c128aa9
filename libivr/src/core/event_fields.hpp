#pragma once
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ivr/call_session.hpp"

// The words of the event log: of every event, command and note its name, the names of its fields and those of
// its enums. Written once, used to write and to read.

namespace ivr {

template <class E>
struct Words;
template <>
struct Words<DigitSource> {
  static constexpr std::array<std::string_view, 3> kAll{"inband", "rtp-event", "sip-info"};
};
template <>
struct Words<Direction> {
  static constexpr std::array<std::string_view, 2> kAll{"inbound", "outbound"};
};
template <>
struct Words<outcome::RecordEnd> {
  static constexpr std::array<std::string_view, 5> kAll{"finish_key", "silence", "max_length", "hangup",
                                                        "failed"};
};
template <>
struct Words<outcome::QueueEnd> {
  static constexpr std::array<std::string_view, 6> kAll{"served",      "timeout", "full",
                                                        "unavailable", "key",     "transferred"};
};
template <>
struct Words<EarlyMedia> {
  static constexpr std::array<std::string_view, 4> kAll{"sendrecv", "sendonly", "recvonly", "inactive"};
};
template <>
struct Words<Prompt::Kind> {
  static constexpr std::array<std::string_view, 5> kAll{"text", "file", "tone", "silence", "music"};
};

template <>
struct Words<AgentState> {
  static constexpr std::array<std::string_view, 5> kAll{"available", "on_call", "wrap_up", "on_break",
                                                        "offline"};
};

// fields(x, f) calls f(name, member) for each member.
template <class F>
void fields(CallInfo& x, F&& f) {
  f("id", x.id), f("direction", x.direction), f("caller", x.caller), f("called", x.called);
  f("caller_uri", x.caller_uri), f("called_uri", x.called_uri), f("language", x.language),
      f("variables", x.variables), f("user", x.user);
}
template <class F>
void fields(HttpReply& x, F&& f) {
  f("status", x.status), f("body", x.body), f("error", x.error);
}
template <class F>
void fields(Prompt& x, F&& f) {
  f("kind", x.kind), f("value", x.value), f("language", x.language), f("voice", x.voice),
      f("length_ms", x.length), f("mark", x.mark);
}
template <class F>
void fields(std::pair<std::string, std::string>& x, F&& f) {
  f("name", x.first), f("value", x.second);
}
template <class F>
void fields(HttpRequest& x, F&& f) {
  f("method", x.method), f("url", x.url), f("headers", x.headers), f("body", x.body),
      f("timeout_ms", x.timeout);
}

template <class F>
void fields(event::Invited& x, F&& f) {
  fields(x.call, f);
}
template <class F>
void fields(event::Established&, F&&) {}
template <class F>
void fields(event::DigitHeard& x, F&& f) {
  f("digit", x.digit), f("source", x.source);
}
template <class F>
void fields(event::PlayEnded& x, F&& f) {
  f("play", x.play), f("heard_ms", x.heard), f("completed", x.completed), f("error", x.error);
}
template <class F>
void fields(event::RecordEnded& x, F&& f) {
  f("record", x.record), f("file", x.file), f("length_ms", x.length), f("end", x.end), f("error", x.error);
}
template <class F>
void fields(event::HttpReplied& x, F&& f) {
  f("request", x.request), fields(x.reply, f);
}
template <class F>
void fields(event::DigitsSent&, F&&) {}
template <class F>
void fields(event::VoiceBegan&, F&&) {}
template <class F>
void fields(event::VoiceEnded&, F&&) {}
template <class F>
void fields(event::LegRinging& x, F&& f) {
  f("leg", x.leg), f("early", x.early);
}
template <class F>
void fields(event::LegAnswered& x, F&& f) {
  f("leg", x.leg);
}
template <class F>
void fields(event::LegEnded& x, F&& f) {
  f("leg", x.leg), f("status", x.status), f("reason", x.reason), f("by_peer", x.by_peer);
}
template <class F>
void fields(event::QueueAnnounced& x, F&& f) {
  f("position", x.news.position), f("more_than", x.news.more_than), f("wait_ms", x.news.wait),
      f("message", x.news.message);
}
template <class F>
void fields(event::QueueLeft& x, F&& f) {
  f("end", x.end), f("waited_ms", x.waited), f("tried", x.tried);
}
template <class F>
void fields(event::CallbackTaken& x, F&& f) {
  f("taken", x.taken);
}
template <class F>
void fields(event::AgentStatusSet& x, F&& f) {
  f("ok", x.ok), f("agent", x.agent), f("state", x.state);
}
template <class F>
void fields(event::Bridged& x, F&& f) {
  f("call", x.call), f("agent", x.agent), f("waited_ms", x.waited), f("tried", x.tried);
}
template <class F>
void fields(event::Unbridged& x, F&& f) {
  f("target", x.target), f("by_other", x.by_other);
}
template <class F>
void fields(event::PeerHeld& x, F&& f) {
  f("held", x.held), f("music", x.music);
}
template <class F>
void fields(event::Offered& x, F&& f) {
  f("whisper", x.whisper), f("accept_keys", x.accept_keys);
}
template <class F>
void fields(event::ReferProgress& x, F&& f) {
  f("status", x.status);
}
template <class F>
void fields(event::LegReferred& x, F&& f) {
  f("leg", x.leg), f("target", x.target);
}
template <class F>
void fields(event::MediaLost&, F&&) {}
template <class F>
void fields(event::Stop& x, F&& f) {
  f("reason", x.reason);
}
template <class F>
void fields(event::Tick&, F&&) {}

inline constexpr std::array<std::string_view, std::variant_size_v<Event>> kEventNames{
    "invited",          "established",  "digit_heard",     "play_ended",  "record_ended",
    "http_replied",     "digits_sent",  "voice_began",     "voice_ended", "leg_ringing",
    "leg_answered",     "leg_ended",    "queue_announced", "queue_left",  "callback_taken",
    "agent_status_set", "bridged",      "unbridged",       "peer_held",   "offered",
    "refer_progress",   "leg_referred", "media_lost",      "stop",        "tick"};

template <class F>
void fields(command::Ring&, F&&) {}
template <class F>
void fields(command::Reject& x, F&& f) {
  f("status", x.status), f("reason", x.reason);
}
template <class F>
void fields(command::Answer&, F&&) {}
template <class F>
void fields(command::Dial& x, F&& f) {
  f("leg", x.leg), f("uri", x.uri), f("caller_id", x.caller_id);
}
template <class F>
void fields(command::Play& x, F&& f) {
  f("play", x.play), f("prompts", x.prompts), f("loops", x.loops), f("from_ms", x.from);
}
template <class F>
void fields(command::StopPlay& x, F&& f) {
  f("play", x.play);
}
template <class F>
void fields(command::StartRecord& x, F&& f) {
  f("record", x.record), f("name", x.name), f("both_sides", x.both_sides), f("max_ms", x.max),
      f("silence_ms", x.silence);
  bool without =
      !x.digits;  // the other way round: what is false is not written, and logs have not had it always
  f("without_digits", without);
  x.digits = !without;
}
template <class F>
void fields(command::StopRecord& x, F&& f) {
  f("record", x.record);
}
template <class F>
void fields(command::Fetch& x, F&& f) {
  f("request", x.request), f("http", x.http);
}
template <class F>
void fields(command::CancelFetch& x, F&& f) {
  f("request", x.request);
}
template <class F>
void fields(command::SendDigits& x, F&& f) {
  f("digits", x.digits), f("tone_ms", x.tone), f("gap_ms", x.gap);
}
template <class F>
void fields(command::DetectVoice& x, F&& f) {
  f("on", x.on);
}
template <class F>
void fields(command::Connect& x, F&& f) {
  f("leg", x.leg);
}
template <class F>
void fields(command::EarlyMedia& x, F&& f) {
  f("leg", x.leg), f("direction", x.direction);
}
template <class F>
void fields(command::Drop& x, F&& f) {
  f("leg", x.leg), f("reason", x.reason);
}

template <class F>
void fields(Skill& x, F&& f) {
  f("name", x.name), f("level", x.level);
}
// What the caller hears is not here: the session plays it.
template <class F>
void fields(command::JoinQueue& x, F&& f) {
  f("queue", x.want.queue), f("priority", x.want.priority), f("required", x.want.required),
      f("preferred", x.want.preferred), f("agent", x.want.agent), f("direct", x.want.direct),
      f("exit_keys", x.want.exit_keys), f("whisper", x.want.whisper), f("accept_keys", x.want.accept_keys),
      f("caller_id", x.want.caller_id), f("record", x.want.record), f("pass_digits", x.want.pass_digits),
      f("max_talk_ms", x.want.max_talk), f("max_wait_ms", x.want.max_wait);
}
template <class F>
void fields(command::LeaveQueue& x, F&& f) {
  f("key", x.key), f("timeout", x.timeout);
}
template <class F>
void fields(command::RequestCallback& x, F&& f) {
  f("number", x.number);
}
template <class F>
void fields(command::Part&, F&&) {}
template <class F>
void fields(command::Serve&, F&&) {}
template <class F>
void fields(command::Decline&, F&&) {}
template <class F>
void fields(command::Refer& x, F&& f) {
  f("uri", x.uri);
}
template <class F>
void fields(command::AgentStatus& x, F&& f) {
  f("agent", x.want.agent), f("state", x.want.state), f("reason", x.want.reason);
}

template <class F>
void fields(note::NodeEntered& x, F&& f) {
  f("node", x.node), f("type", x.type), f("visit", x.visit);
}
template <class F>
void fields(note::NodeLeft& x, F&& f) {
  f("node", x.node), f("type", x.type), f("exit", x.exit), f("input", x.input), f("output", x.output),
      f("error", x.error);
}
template <class F>
void fields(note::VariableSet& x, F&& f) {
  f("name", x.name), f("value", x.value);
}
template <class F>
void fields(note::LanguageChosen& x, F&& f) {
  f("language", x.language);
}

inline constexpr std::array<std::string_view, std::variant_size_v<Command> - 1> kCommandNames{
    "ring",        "answer",           "reject",      "dial",  "play",
    "stop_play",   "start_record",     "stop_record", "fetch", "cancel_fetch",
    "send_digits", "detect_voice",     "connect",     "drop",  "join_queue",
    "leave_queue", "request_callback", "part",        "serve", "decline",
    "refer",       "agent_status",     "early_media"};
inline constexpr std::array<std::string_view, std::variant_size_v<Note>> kNoteNames{
    "node_entered", "node_left", "variable_set", "language_chosen"};

}  // namespace ivr

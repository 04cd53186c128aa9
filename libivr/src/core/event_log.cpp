#include "ivr/event_log.hpp"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/json_writer.hpp"

namespace ivr {
namespace {

using nlohmann::json;

// ------------------------------------------------------------- the words: enums, then every struct

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
struct Words<Prompt::Kind> {
  static constexpr std::array<std::string_view, 4> kAll{"text", "file", "tone", "silence"};
};

// fields(x, f) calls f(name, member) for each member: written once, used to write and to read.
template <class F>
void fields(CallInfo& x, F&& f) {
  f("id", x.id), f("direction", x.direction), f("caller", x.caller), f("called", x.called);
  f("caller_uri", x.caller_uri), f("called_uri", x.called_uri), f("language", x.language),
      f("variables", x.variables);
}
template <class F>
void fields(HttpReply& x, F&& f) {
  f("status", x.status), f("body", x.body), f("error", x.error);
}
template <class F>
void fields(Prompt& x, F&& f) {
  f("kind", x.kind), f("value", x.value), f("language", x.language), f("voice", x.voice),
      f("length_ms", x.length);
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
  f("leg", x.leg);
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
void fields(event::Bridged& x, F&& f) {
  f("call", x.call), f("agent", x.agent), f("waited_ms", x.waited), f("tried", x.tried);
}
template <class F>
void fields(event::Unbridged& x, F&& f) {
  f("target", x.target), f("by_other", x.by_other);
}
template <class F>
void fields(event::PeerHeld& x, F&& f) {
  f("held", x.held);
}
template <class F>
void fields(event::MediaLost&, F&&) {}
template <class F>
void fields(event::Stop& x, F&& f) {
  f("reason", x.reason);
}
template <class F>
void fields(event::Tick&, F&&) {}

constexpr std::array<std::string_view, std::variant_size_v<Event>> kEventNames{
    "invited",      "established", "digit_heard",     "play_ended",  "record_ended",
    "http_replied", "digits_sent", "voice_began",     "voice_ended", "leg_ringing",
    "leg_answered", "leg_ended",   "queue_announced", "queue_left",  "callback_taken",
    "bridged",      "unbridged",   "peer_held",       "media_lost",  "stop",
    "tick"};

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
  f("play", x.play), f("prompts", x.prompts), f("loops", x.loops);
}
template <class F>
void fields(command::StopPlay& x, F&& f) {
  f("play", x.play);
}
template <class F>
void fields(command::StartRecord& x, F&& f) {
  f("record", x.record), f("name", x.name), f("both_sides", x.both_sides), f("max_ms", x.max),
      f("silence_ms", x.silence);
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
  f("key", x.key);
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

constexpr std::array<std::string_view, std::variant_size_v<Command> - 1> kCommandNames{
    "ring",        "answer",           "reject",      "dial",  "play",
    "stop_play",   "start_record",     "stop_record", "fetch", "cancel_fetch",
    "send_digits", "detect_voice",     "connect",     "drop",  "join_queue",
    "leave_queue", "request_callback", "part",        "serve"};
constexpr std::array<std::string_view, std::variant_size_v<Note>> kNoteNames{
    "node_entered", "node_left", "variable_set", "language_chosen"};

// ----------------------------------------------------------------------------------------- writing

// Writes the fields that differ from nothing: no empty text, no zero, no false.
class FieldWriter {
 public:
  explicit FieldWriter(JsonWriter& out) : json_(out) {}

  void operator()(std::string_view name, const std::string& x) {
    if (!x.empty()) json_.field(name, std::string_view(x));
  }
  void operator()(std::string_view name, char x) {
    if (x != 0) json_.field(name, std::string_view(&x, 1));
  }
  void operator()(std::string_view name, bool x) {
    if (x) json_.field(name, x);
  }
  void operator()(std::string_view name, Millis x) {
    if (x.count() != 0) json_.field(name, x.count());
  }
  void operator()(std::string_view name, std::optional<Millis> x) {
    if (x) json_.field(name, x->count());
  }
  template <std::integral I>
  void operator()(std::string_view name, I x) {
    if (x != 0) json_.field(name, x);
  }
  template <class E>
  requires std::is_enum_v<E>
  void operator()(std::string_view name, E x) {
    json_.field(name, Words<E>::kAll[static_cast<std::size_t>(x)]);
  }
  template <class T>
  void operator()(std::string_view name, const std::vector<T>& list) {
    if (list.empty()) return;
    json_.key(name).open('[');
    for (const T& x : list) object(x);
    json_.close(']');
  }
  void operator()(std::string_view name, const std::vector<std::string>& list) {
    if (list.empty()) return;
    json_.key(name).open('[');
    for (const std::string& x : list) json_.value(std::string_view(x));
    json_.close(']');
  }
  // Secret prompts in a row are one: how many keys a PIN has is nobody's business.
  void operator()(std::string_view name, const Prompts& list) {
    json_.key(name).open('[');
    bool hidden = false;
    for (const Prompt& x : list) {
      if (!(x.secret && hidden)) object(x);
      hidden = x.secret;
    }
    json_.close(']');
  }
  void operator()(std::string_view name, const HttpRequest& x) {
    json_.key(name);
    object(x);
  }

  template <class T>
  void object(const T& x) {
    json_.open('{');
    fields(const_cast<T&>(x), *this);  // the description serves reading too; writing only looks
    json_.close('}');
  }
  void object(const Prompt& x) {
    Prompt shown = x;
    if (x.secret) shown.value = "***";
    json_.open('{');
    fields(shown, *this);
    json_.close('}');
  }
  void object(const HttpRequest& x) {
    HttpRequest shown = x;
    if (x.secret) {
      shown.url = "***";
      for (auto& header : shown.headers) header.second = "***";
      if (!shown.body.empty()) shown.body = "***";
    }
    json_.open('{');
    fields(shown, *this);
    json_.close('}');
  }

 private:
  JsonWriter& json_;
};

void write_command(JsonWriter& out, const Command& command) {
  FieldWriter write(out);
  out.open('{');
  if (const auto* report = std::get_if<command::Report>(&command)) {
    out.key(kNoteNames[report->note.index()]);
    std::visit([&](const auto& note) { write.object(note); }, report->note);
  } else {
    out.key(kCommandNames[command.index()]);
    std::visit(
        [&](const auto& x) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(x)>, command::Report>) write.object(x);
        },
        command);
  }
  out.close('}');
}

std::string commands_json(std::span<const Command> commands) {
  std::string text;
  JsonWriter out(text);
  out.open('[');
  for (const Command& command : commands) write_command(out, command);
  out.close(']');
  return text;
}

// ----------------------------------------------------------------------------------------- reading

// Reads the fields that are there; remembers the first of a wrong type.
class FieldReader {
 public:
  explicit FieldReader(const json& object) : object_(object) {}

  void operator()(const char* name, std::string& x) {
    if (const json* v = find(name, &json::is_string)) x = v->get_ref<const std::string&>();
  }
  void operator()(const char* name, char& x) {
    const json* v = find(name, &json::is_string);
    if (v == nullptr) return;
    const auto& text = v->get_ref<const std::string&>();
    if (text.size() == 1) {
      x = text[0];
    } else {
      bad_ = name;
    }
  }
  void operator()(const char* name, bool& x) {
    x = false;  // absent means false, whatever the struct's default
    if (const json* v = find(name, &json::is_boolean)) x = v->get<bool>();
  }
  void operator()(const char* name, Millis& x) {
    if (const json* v = find(name, &json::is_number_integer)) x = Millis(v->get<std::int64_t>());
  }
  void operator()(const char* name, std::optional<Millis>& x) {
    if (const json* v = find(name, &json::is_number_integer)) x = Millis(v->get<std::int64_t>());
  }
  template <std::integral I>
  void operator()(const char* name, I& x) {
    x = 0;  // as above
    if (const json* v = find(name, &json::is_number_integer)) x = v->get<I>();
  }
  template <class E>
  requires std::is_enum_v<E>
  void operator()(const char* name, E& x) {
    const json* v = find(name, &json::is_string);
    if (v == nullptr) return;
    for (std::size_t i = 0; i < Words<E>::kAll.size(); ++i) {
      if (Words<E>::kAll[i] == v->get_ref<const std::string&>()) {
        x = static_cast<E>(i);
        return;
      }
    }
    bad_ = name;
  }

  void operator()(const char* name, std::vector<std::string>& x) {
    const json* v = find(name, &json::is_array);
    if (v == nullptr) return;
    for (const json& element : *v) {
      if (!element.is_string()) {
        bad_ = name;
        return;
      }
      x.push_back(element.get_ref<const std::string&>());
    }
  }
  void operator()(const char* name, std::vector<std::pair<std::string, std::string>>& x) {
    const json* v = find(name, &json::is_array);
    if (v == nullptr) return;
    for (const json& element : *v) {
      if (!element.is_object()) {
        bad_ = name;
        return;
      }
      FieldReader read(element);
      fields(x.emplace_back(), read);
      if (!read.bad().empty()) bad_ = name;
    }
  }

  const std::string& bad() const { return bad_; }

 private:
  const json* find(const char* name, bool (json::*is)() const noexcept) {
    const auto it = object_.find(name);
    if (it == object_.end()) return nullptr;
    if (((*it).*is)()) return &*it;
    bad_ = name;
    return nullptr;
  }

  const json& object_;
  std::string bad_;
};

template <std::size_t I = 0>
absl::StatusOr<Event> read_event(std::string_view name, const json& object) {
  if constexpr (I == std::variant_size_v<Event>) {
    return absl::InvalidArgumentError("event log: no event is called '" + std::string(name) + "'");
  } else {
    if (kEventNames[I] != name) return read_event<I + 1>(name, object);
    std::variant_alternative_t<I, Event> x{};
    FieldReader read(object);
    fields(x, read);
    if (!read.bad().empty()) {
      return absl::InvalidArgumentError("event log: /in/" + std::string(name) + "/" + read.bad() +
                                        " has the wrong type");
    }
    return x;
  }
}

std::string seconds(Micros d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", static_cast<double>(d.count()) / 1e6);
  return text;
}

}  // namespace

std::string_view to_string(DigitSource source) noexcept {
  return Words<DigitSource>::kAll[static_cast<int>(source)];
}
std::string_view to_string(outcome::RecordEnd end) noexcept {
  return Words<outcome::RecordEnd>::kAll[static_cast<int>(end)];
}

std::string log_line(std::int64_t sequence, Time at, const Event& event, std::span<const Command> commands,
                     std::string_view ahead) {
  std::string line;
  line.reserve(192);
  JsonWriter out(line);
  FieldWriter write(out);
  out.open('{').field("seq", sequence).field("at", at.time_since_epoch().count());
  if (ahead.find_first_not_of('?') != std::string_view::npos) out.field("ahead", ahead);
  out.key("in").open('{').key(kEventNames[event.index()]);
  std::visit([&](const auto& x) { write.object(x); }, event);
  out.close('}').key("out").open('[');
  for (const Command& command : commands) write_command(out, command);
  out.close(']').close('}');
  return line;
}

HttpReply hide(HttpReply reply, std::span<const std::string> pointers) {
  nlohmann::ordered_json body = nlohmann::ordered_json::parse(reply.body, nullptr, false);
  if (body.is_discarded()) {
    if (!pointers.empty() && !reply.body.empty()) reply.body = "***";
    return reply;
  }
  for (const std::string& text : pointers) {
    try {
      const nlohmann::ordered_json::json_pointer pointer(text);
      if (body.contains(pointer)) body[pointer] = "***";
    } catch (
        const nlohmann::ordered_json::exception&) {  // no pointer at all: rather too little than too much
      body = "***";
    }
  }
  reply.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return reply;
}

absl::StatusOr<LogEntry> parse_log_line(std::string_view line) {
  const json document = json::parse(line, nullptr, false);
  if (document.is_discarded() || !document.is_object()) {
    return absl::InvalidArgumentError("event log: a line is not a JSON object: '" +
                                      std::string(line.substr(0, 60)) + "'");
  }
  const auto in = document.find("in");
  const auto seq = document.find("seq");
  const auto at = document.find("at");
  const auto out = line.find("},\"out\":[");
  if (in == document.end() || !in->is_object() || in->size() != 1 || seq == document.end() ||
      !seq->is_number_integer() || at == document.end() || !at->is_number_integer() ||
      out == std::string_view::npos) {
    return absl::InvalidArgumentError("event log: a line needs seq, at, in with one event, and out: '" +
                                      std::string(line.substr(0, 60)) + "'");
  }
  auto event = read_event(in->begin().key(), in->begin().value());
  if (!event.ok()) return event.status();
  // The writer puts "out" last and keeps quotes inside texts escaped, so `},"out":[` cannot stand in one.
  const auto ahead = document.find("ahead");
  return LogEntry{seq->get<std::int64_t>(), Time(Micros(at->get<std::int64_t>())),
                  ahead != document.end() && ahead->is_string() ? ahead->get<std::string>() : "",
                  *std::move(event), std::string(line.substr(out + 8, line.rfind('}') - out - 8))};
}

absl::StatusOr<ReplayResult> replay(std::span<const LogEntry> entries, std::unique_ptr<Script> script,
                                    const CallSessionOptions& options) {
  if (entries.empty() || !std::holds_alternative<event::Invited>(entries.front().event)) {
    return absl::InvalidArgumentError("event log: it does not begin with the call's invitation");
  }
  CallSession session(std::move(script), options);
  ReplayResult result;
  Commands commands;
  for (const LogEntry& entry : entries) {
    if (entry.sequence != result.steps) {
      return absl::DataLossError("event log: step " + std::to_string(result.steps) +
                                 " is missing, the next one there is " + std::to_string(entry.sequence));
    }
    commands.clear();
    session.reveal(entry.ahead);
    session.step(entry.event, entry.at, commands);
    ++result.steps;
    std::string replayed = commands_json(commands);
    if (replayed != entry.out) {
      result.differs_at = static_cast<int>(entry.sequence);
      result.logged = entry.out;
      result.replayed = std::move(replayed);
      return result;
    }
  }
  return result;
}

std::vector<std::string> recorded_exits(std::span<const LogEntry> entries) {
  std::vector<std::string> exits;
  for (const LogEntry& entry : entries) {
    const json out = json::parse(entry.out, nullptr, false);
    if (!out.is_array()) continue;
    for (const json& command : out) {
      if (const auto left = command.find("node_left"); left != command.end())
        exits.push_back(left->value("exit", ""));
    }
  }
  return exits;
}

std::string describe(const LogEntry& entry, Time start) {
  std::string text = "+" + seconds(entry.at - start) + " s";
  text.insert(0, text.size() < 12 ? 12 - text.size() : 0, ' ');
  text += "  ";
  text += kEventNames[entry.event.index()];
  std::string detail;
  JsonWriter out(detail);
  FieldWriter write(out);
  std::visit([&](const auto& x) { write.object(x); }, entry.event);
  if (detail != "{}") text += " " + detail;
  const json commands = json::parse(entry.out, nullptr, false);
  if (commands.is_array()) {
    for (const json& command : commands) {
      if (command.empty()) continue;
      text += "\n                -> " + command.begin().key();
      if (!command.begin().value().empty()) text += " " + command.begin().value().dump();
    }
  }
  return text;
}

}  // namespace ivr

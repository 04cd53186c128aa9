#include "ivr/event_log.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/event_fields.hpp"
#include "core/json_writer.hpp"

namespace ivr {
namespace {

using nlohmann::json;

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
  template <class E>
  requires std::is_enum_v<E>
  void operator()(std::string_view name, std::optional<E> x) {
    if (x) (*this)(name, *x);
  }
  void operator()(std::string_view name, const SkillExpression& x) {
    if (x.is_list()) return (*this)(name, x.all());
    json_.field(name, x.text());
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
  void object(const command::SendDigits& x) {
    command::SendDigits shown = x;
    if (x.secret) shown.digits = "***";
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

  template <class E>
  requires std::is_enum_v<E>
  void operator()(const char* name, std::optional<E>& x) {
    if (object_.contains(name)) (*this)(name, x.emplace());
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
  void operator()(const char* name, SkillExpression& x) {
    const auto at = object_.find(name);
    if (at == object_.end() || !at->is_string()) {
      std::vector<Skill> list;
      (*this)(name, list);
      x = std::move(list);
      return;
    }
    auto parsed = SkillExpression::parse(at->get_ref<const std::string&>());
    if (!parsed.ok()) {
      bad_ = name;
      return;
    }
    x = *std::move(parsed);
  }
  template <class T>
  void operator()(const char* name, std::vector<T>& x) {
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

std::string seconds(std::chrono::duration<double> d, int digits = 3) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f s", digits, d.count());
  return text;
}

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

std::string after(Millis waited, const std::vector<std::string>& tried) {
  std::string text = " after " + seconds(waited, 1);
  for (std::size_t i = 0; i < tried.size(); ++i) text += (i == 0 ? ", tried " : ", ") + tried[i];
  return text;
}

// What an event says, as a person would; most say it well enough by their fields.
std::string in_words(const Event& event) {
  return std::visit(
      Overload{
          [](const event::QueueAnnounced& e) {
            const outcome::QueueNews& news = e.news;
            std::string text;
            if (news.message >= 0) text = "message " + std::to_string(news.message + 1);
            if (news.position > 0)
              text = (news.more_than ? "more than " : "position ") + std::to_string(news.position);
            if (news.wait) text += (text.empty() ? "about " : ", about ") + seconds(*news.wait, 0);
            return text;
          },
          [](const event::QueueLeft& e) {
            return std::string(Words<outcome::QueueEnd>::kAll[static_cast<std::size_t>(e.end)]) +
                   after(e.waited, e.tried);
          },
          [](const event::CallbackTaken& e) {
            return std::string(e.taken ? "the place is kept" : "there is no place to keep");
          },
          [](const event::AgentStatusSet& e) {
            const std::string state(Words<AgentState>::kAll[static_cast<std::size_t>(e.state)]);
            if (e.ok) return e.agent + " is " + state;
            return "refused" + (e.agent.empty() ? std::string() : ": " + e.agent + " is " + state);
          },
          [](const event::Bridged& e) {
            std::string text = "with " + (e.agent.empty() ? e.call : e.agent + " (" + e.call + ")");
            if (!e.agent.empty()) text += after(e.waited, e.tried);
            return text;
          },
          [](const event::Unbridged& e) {
            std::string text = e.by_other ? "the other side ended it" : "ended on this side";
            if (!e.target.empty()) text += ", on to " + e.target;
            return text;
          },
          [](const event::PeerHeld& e) { return std::string(e.held ? "on hold" : "back"); },
          [](const auto& e) {
            std::string detail;
            JsonWriter out(detail);
            FieldWriter(out).object(e);
            return detail == "{}" ? std::string() : detail;
          },
      },
      event);
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

std::vector<FlowStep> recorded_way(std::span<const LogEntry> entries) {
  std::vector<FlowStep> way;
  for (const LogEntry& entry : entries) {
    const json out = json::parse(entry.out, nullptr, false);
    if (!out.is_array()) continue;
    for (const json& command : out) {
      const auto left = command.find("node_left");
      if (left == command.end()) continue;
      FlowStep& step = way.emplace_back();
      for (auto [name, to] : {std::pair{"node", &step.node}, std::pair{"exit", &step.exit}}) {
        const auto text = left->find(name);
        if (text != left->end() && text->is_string()) *to = text->get<std::string>();
      }
    }
  }
  return way;
}

std::string describe(const Event& event) {
  std::string text(kEventNames[event.index()]);
  if (const std::string said = in_words(event); !said.empty()) text += " " + said;
  return text;
}

std::string describe(const LogEntry& entry, Time start) {
  std::string text = "+" + seconds(entry.at - start);
  text.insert(0, text.size() < 12 ? 12 - text.size() : 0, ' ');
  text += "  " + describe(entry.event);
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

#include "core/flow_fields.hpp"

#include <algorithm>
#include <charconv>

namespace ivr::flow {

namespace {

std::string_view kind_name(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "a list";
    case Json::value_t::string: return "a text";
    case Json::value_t::boolean: return "true or false";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float: return "a number";
    case Json::value_t::binary:
    case Json::value_t::discarded: break;
  }
  return "nothing";
}

std::string shown(const Json& json) {
  std::string s = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (s.size() > 60) s = s.substr(0, 57) + "...";
  return s;
}

}  // namespace

absl::StatusOr<std::regex> compile_pattern(const std::string& pattern) {
  if (pattern.size() > 200)
    return absl::InvalidArgumentError("a pattern of " + std::to_string(pattern.size()) +
                                      " characters, at most 200");
  struct Group {
    bool repeats = false, chooses = false;
  };
  std::vector<Group> groups(1);
  Group closed;
  bool after_group = false, in_class = false;
  int unbounded = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      if (i + 1 < pattern.size() && is_digit(pattern[i + 1]))
        return absl::InvalidArgumentError("back references are not in the pattern language");
      ++i;
      after_group = false;
      continue;
    }
    if (in_class) {
      in_class = c != ']';
      continue;
    }
    switch (c) {
      case '[':
        in_class = true;
        after_group = false;
        break;
      case '(':
        if (pattern.compare(i, 3, "(?:") == 0) {
          i += 2;
        } else if (i + 1 < pattern.size() && pattern[i + 1] == '?') {
          return absl::InvalidArgumentError("look-ahead is not in the pattern language");
        }
        groups.push_back({});
        after_group = false;
        break;
      case ')':
        if (groups.size() < 2) return absl::InvalidArgumentError("')' without '('");
        closed = groups.back();
        groups.pop_back();
        groups.back().repeats |= closed.repeats;
        groups.back().chooses |= closed.chooses;
        after_group = true;
        break;
      case '|':
        groups.back().chooses = true;
        after_group = false;
        break;
      case '*':
      case '+':
      case '?':
      case '{': {
        if (after_group && c != '?' && (closed.repeats || closed.chooses)) {
          return absl::InvalidArgumentError(
              "a repeated group may not repeat or choose inside: matching it could take for ever");
        }
        if (c == '{') {
          const std::size_t end = pattern.find('}', i);
          int n = 0;
          for (std::size_t k = i + 1; k < std::min(end, pattern.size()); ++k) {
            if (is_digit(pattern[k])) {
              n = n * 10 + (pattern[k] - '0');
            } else {
              n = 0;
            }
            if (n > 128) return absl::InvalidArgumentError("a repetition of more than 128");
          }
        }
        if (c != '?') groups.back().repeats = true;
        if (c == '*' || c == '+') ++unbounded;
        if (unbounded > 3) return absl::InvalidArgumentError("more than three '*' or '+' in one pattern");
        after_group = false;
        break;
      }
      default: after_group = false;
    }
  }
  try {
    return std::regex(pattern, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& e) {
    return absl::InvalidArgumentError("'" + pattern + "' is no pattern: " + e.what());
  }
}

// ----------------------------------------------------------------------------------------- FieldContext

void FieldContext::error(std::string rule, std::string pointer, std::string message, std::string mend) {
  // Texts are read once for each language: what is wrong with them is said once.
  defective_.insert(pointer);
  if (!said_.insert(rule + " " + pointer).second) return;
  findings_.push_back(
      {std::move(rule), Severity::error, std::move(pointer), std::move(message), std::move(mend)});
}

void FieldContext::warning(std::string rule, std::string pointer, std::string message, std::string mend) {
  findings_.push_back(
      {std::move(rule), Severity::warning, std::move(pointer), std::move(message), std::move(mend)});
}

void FieldContext::index_nodes() {
  for (std::size_t i = 0; i < node_names_.size(); ++i) nodes_.emplace(node_names_[i], static_cast<int>(i));
}

int FieldContext::target(const Json& json, const std::string& pointer) {
  if (!json.is_string()) {
    error("wrong-type", pointer, "a target is the name of a node, not " + std::string(kind_name(json)), "");
    return kNowhere;
  }
  const std::string& name = json.get_ref<const std::string&>();
  if (const auto it = nodes_.find(name); it != nodes_.end()) return it->second;
  const std::string hint = suggestion(name, node_names_);
  error("unknown-target", pointer, "no node '" + name + "'" + hint,
        "name a node of this flow, or add '" + name + "'");
  // The likely meaning keeps one slip of the pen from being reported as unreachable nodes too. Such a flow
  // never runs.
  if (const std::size_t q = hint.find("mean '"); q != std::string::npos) {
    const auto it = nodes_.find(hint.substr(q + 6, hint.rfind('\'') - q - 6));
    if (it != nodes_.end()) return it->second;
  }
  return kNowhere;
}

int FieldContext::language(std::string_view name, const std::string& pointer) {
  const int index = model.language(name);
  if (index < 0) {
    error("unknown-language", pointer,
          "language '" + std::string(name) + "' is not one of the flow's" + suggestion(name, model.languages),
          "add it to 'languages', or use one that is there");
  }
  return index;
}

int FieldContext::key(std::string_view key, const std::string& pointer) {
  const int index = key.size() == 1 ? key_index(key[0]) : -1;
  if (index < 0) {
    error("dead-key", pointer,
          "key '" + std::string(key) + "' can never match: a menu reads one key of 0-9, * and #",
          key.size() > 1 ? "use a 'gather' for more than one digit" : "use 0-9, * or #");
  }
  return index;
}

int FieldContext::variable_name(const std::string& name, const std::string& pointer) {
  if (name == "call" || name == "now" || name == "calendar" || name == "language" || name == "hangup" ||
      name == kQueueResult || name == kTransferResult || name == kAgentStatusResult) {
    error("reserved-name", pointer, "'" + name + "' is built in and cannot be set", "choose another name");
    return -1;
  }
  if (!is_name(name)) {
    error("bad-name", pointer, "'" + name + "' is no name for a variable",
          "use letters, digits and _, beginning with a letter");
    return -1;
  }
  return model.names.slot(name);
}

Variable& FieldContext::variable(int slot) {
  if (static_cast<std::size_t>(slot) >= model.variables.size())
    model.variables.resize(static_cast<std::size_t>(slot) + 1);
  return model.variables[static_cast<std::size_t>(slot)];
}

void FieldContext::calendar(const std::string& name, const std::string& pointer) {
  if (std::find(calendars.begin(), calendars.end(), name) == calendars.end()) {
    error("unknown-calendar", pointer, "no calendar '" + name + "'" + suggestion(name, calendars),
          "add it to the flow's 'calendars'");
  }
}

void FieldContext::queue(const std::string& name, const std::string& pointer) {
  if (!queues || std::find(queues->begin(), queues->end(), name) != queues->end()) return;
  error("unknown-queue", pointer, "no queue '" + name + "'" + suggestion(name, *queues),
        "add it to the site, or name one that is there");
}

void FieldContext::agent(const std::string& name, const std::string& pointer) {
  if (!agents || std::find(agents->begin(), agents->end(), name) != agents->end()) return;
  error("unknown-agent", pointer, "no agent '" + name + "'" + suggestion(name, *agents),
        "add it to the site, or name one that is there");
}

void FieldContext::skill(const std::string& name, const std::string& pointer) {
  if (!skills || std::find(skills->begin(), skills->end(), name) != skills->end()) return;
  error("unknown-skill", pointer, "no skill '" + name + "'" + suggestion(name, *skills),
        "give it to an agent of the site, or name one that somebody has");
}

std::pair<int, int> FieldContext::status(const std::string& text, const std::string& pointer) {
  if (text.size() == 3 && text[0] >= '1' && text[0] <= '5') {
    const int hundred = (text[0] - '0') * 100;
    if (text.substr(1) == "xx") return {hundred, hundred + 99};
    if (is_digit(text[1]) && is_digit(text[2])) {
      const int code = hundred + (text[1] - '0') * 10 + (text[2] - '0');
      return {code, code};
    }
  }
  error("out-of-range", pointer, "'" + text + "' is no HTTP status", "write 404 or \"4xx\"");
  return {0, 0};
}

std::vector<std::string> FieldContext::callers(const Json& json, const std::string& pointer) {
  std::vector<std::string> out;
  if (!json.is_array() ||
      std::any_of(json.begin(), json.end(), [](const Json& j) { return !j.is_string(); })) {
    error("wrong-type", pointer,
          "callers are a list of numbers as texts, a '*' at the end for all that begin so", "");
    return out;
  }
  for (const Json& one : json) out.push_back(one.get<std::string>());
  return out;
}

std::vector<std::string> FieldContext::list(const std::string& name, const std::string& pointer) {
  std::vector<std::string> known;
  for (const auto& [list_name, callers] : lists) {
    if (list_name == name) return callers;
    known.push_back(list_name);
  }
  if (std::find(site_lists.begin(), site_lists.end(), name) != site_lists.end()) return {};
  known.insert(known.end(), site_lists.begin(), site_lists.end());
  error("unknown-list", pointer, "no list '" + name + "'" + suggestion(name, known),
        "add it to the flow's 'lists'");
  return {};
}

Template FieldContext::templ(const Json& json, const std::string& pointer) {
  if (!json.is_string()) {
    error("wrong-type", pointer, "expected a text, found " + std::string(kind_name(json)), "");
    return {};
  }
  auto t = Template::parse(json.get_ref<const std::string&>(), model.names);
  if (!t.ok()) {
    error("bad-template", pointer, std::string(t.status().message()), "a variable is written {{name}}");
    return {};
  }
  std::vector<std::string> used;
  t->calendars(used);
  for (const std::string& name : used) calendar(name, pointer);
  return *std::move(t);
}

Expression FieldContext::condition(const Json& json, const std::string& pointer) {
  std::string where;
  auto e = Expression::parse(json, model.names, where);
  if (!e.ok()) {
    error("bad-expression", pointer + where, std::string(e.status().message()),
          "an example: \"amount > 100 and language == 'ar'\"");
    return Expression::constant(false);
  }
  std::vector<std::string> used;
  e->calendars(used);
  for (const std::string& name : used) calendar(name, pointer + where);
  return *std::move(e);
}

Millis FieldContext::duration(const Json& json, const std::string& pointer, Millis least, Millis most) {
  const auto spell = [](Millis d) {
    return d % 1s == 0ms ? std::to_string(d / 1s) + "s" : std::to_string(d.count()) + "ms";
  };
  if (!json.is_string()) {
    error("wrong-type", pointer, "a duration is a text with a unit, not " + shown(json),
          "write \"5s\", \"500ms\", \"3m\" or \"1h\"");
    return least;
  }
  const std::string& s = json.get_ref<const std::string&>();
  Millis sum{0};
  std::size_t i = 0;
  bool good = !s.empty() && s.size() < 20;
  while (good && i < s.size()) {
    std::int64_t n = 0;
    const auto r = std::from_chars(s.data() + i, s.data() + s.size(), n);
    good = r.ec == std::errc{} && is_digit(s[i]) && n < 1'000'000'000;
    i = static_cast<std::size_t>(r.ptr - s.data());
    if (!good) break;
    if (s.compare(i, 2, "ms") == 0) {
      sum += Millis(n), i += 2;
    } else if (i < s.size() && (s[i] == 's' || s[i] == 'm' || s[i] == 'h')) {
      sum += s[i] == 's' ? Millis(n * 1'000) : s[i] == 'm' ? Millis(n * 60'000) : Millis(n * 3'600'000);
      ++i;
    } else {
      good = false;
    }
  }
  if (!good) {
    error("wrong-type", pointer, "'" + s.substr(0, 40) + "' is no duration",
          "write \"5s\", \"500ms\", \"3m\" or \"1h\"");
    return least;
  }
  if (sum < least || sum > most) {
    error("out-of-range", pointer, s + " is not between " + spell(least) + " and " + spell(most), "");
    return std::clamp(sum, least, most);
  }
  return sum;
}

// ----------------------------------------------------------------------------------------------- Fields

const Json* Fields::get(std::string_view key, bool required) {
  known_.emplace_back(key);
  const auto it = json_.find(std::string(key));
  if (it != json_.end()) return &*it;
  if (required) context_.error("missing-field", pointer_, "no field '" + std::string(key) + "'", "add it");
  return nullptr;
}

const Json* Fields::typed(std::string_view key, bool required, Kind kind) {
  const Json* json = get(key, required);
  if (!json) return nullptr;
  const auto check = [&](bool good, std::string_view name) {
    if (!good)
      context_.error("wrong-type", at(key),
                     "expected " + std::string(name) + ", found " + std::string(kind_name(*json)), "");
    return good ? json : nullptr;
  };
  switch (kind) {
    case Kind::object: return check(json->is_object(), "an object");
    case Kind::array: return check(json->is_array(), "a list");
    case Kind::string: return check(json->is_string(), "a text");
    case Kind::number: return check(json->is_number(), "a number");
    case Kind::boolean: return check(json->is_boolean(), "true or false");
  }
  return nullptr;
}

const Json* Fields::object(std::string_view key, bool required) { return typed(key, required, Kind::object); }
const Json* Fields::array(std::string_view key, bool required) { return typed(key, required, Kind::array); }

std::string Fields::text(std::string_view key, bool required) {
  const Json* json = typed(key, required, Kind::string);
  return json ? json->get<std::string>() : "";
}

std::string Fields::name(std::string_view key, bool required) {
  const Json* json = typed(key, required, Kind::string);
  if (!json) return "";
  std::string s = json->get<std::string>();
  if (!is_node_name(s))
    context_.error("bad-name", at(key), "'" + s + "' is no name", "use 1 to 64 letters, digits, _ and -");
  return s;
}

std::string Fields::keys(std::string_view key, std::string_view initial) {
  const Json* json = typed(key, false, Kind::string);
  if (!json) return std::string(initial);
  std::string s = json->get<std::string>();
  for (const char c : s) {
    if (key_index(c) < 0) {
      context_.error("dead-key", at(key), "'" + std::string(1, c) + "' is no key", "use 0-9, * and #");
      return std::string(initial);
    }
  }
  return s;
}

bool Fields::boolean(std::string_view key, bool initial) {
  const Json* json = typed(key, false, Kind::boolean);
  return json ? json->get<bool>() : initial;
}

int Fields::integer(std::string_view key, int initial, int least, int most) {
  const Json* json = typed(key, false, Kind::number);
  if (!json) return initial;
  const double d = json->get<double>();
  if (!json->is_number_integer() || d < least || d > most) {
    context_.error("out-of-range", at(key),
                   shown(*json) + " is not a whole number between " + std::to_string(least) + " and " +
                       std::to_string(most),
                   "");
    return initial;
  }
  return json->get<int>();
}

double Fields::number(std::string_view key, double initial, double least, double most, bool required) {
  const Json* json = typed(key, required, Kind::number);
  if (!json) return initial;
  const double d = json->get<double>();
  if (!(d >= least && d <= most)) {
    context_.error("out-of-range", at(key),
                   shown(*json) + " is not between " + shown(Json(least)) + " and " + shown(Json(most)), "");
    return initial;
  }
  return d;
}

Millis Fields::duration(std::string_view key, Millis initial, Millis least, Millis most, bool required) {
  const Json* json = get(key, required);
  return json ? context_.duration(*json, at(key), least, most) : initial;
}

int Fields::target(std::string_view key, bool required) {
  known_.emplace_back(key);
  const auto it = json_.find(std::string(key));
  if (it != json_.end()) return context_.target(*it, at(key));
  if (required) {
    if (key == "start") {
      context_.error("missing-field", pointer_, "no field 'start', the node a call begins at", "add it");
    } else {
      context_.error("open-exit", pointer_, "exit '" + std::string(key) + "' leads nowhere",
                     "connect it: \"" + std::string(key) + "\": \"NODE\"");
    }
  }
  return kNowhere;
}

int Fields::variable(std::string_view key, bool required) {
  const Json* json = typed(key, required, Kind::string);
  return json ? context_.variable_name(json->get_ref<const std::string&>(), at(key)) : -1;
}

Template Fields::templ(std::string_view key, bool required) {
  const Json* json = get(key, required);
  return json ? context_.templ(*json, at(key)) : Template{};
}

Expression Fields::condition(std::string_view key) {
  const Json* json = get(key, true);
  return json ? context_.condition(*json, at(key)) : Expression::constant(false);
}

Expression Fields::comparison(const std::string& variable, const std::string& op,
                              std::string_view value_key) {
  const Json* value = get(value_key);
  auto path = Path::parse(variable, context_.model.names);
  if (!path.ok()) {
    if (!variable.empty())
      context_.error("bad-expression", pointer_, std::string(path.status().message()), "");
    return Expression::constant(false);
  }
  auto e = Expression::comparison(*std::move(path), op, value);
  if (e.ok()) return *std::move(e);
  context_.error("bad-expression", pointer_, std::string(e.status().message()), "");
  return Expression::constant(false);
}

void Fields::done() {
  if (ignore_) return;
  for (const auto& [key, value] : json_.items()) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      context_.error("unknown-field", at(key), "no field '" + key + "' here" + suggestion(key, known_),
                     "rename or remove it");
    }
  }
}

// ---------------------------------------------------------------------------------------------- prompts

namespace {

constexpr std::pair<std::string_view, Piece::Kind> kPieces[] = {
    {"text", Piece::Kind::text},     {"file", Piece::Kind::file},       {"digits", Piece::Kind::digits},
    {"number", Piece::Kind::number}, {"money", Piece::Kind::money},     {"date", Piece::Kind::date},
    {"time", Piece::Kind::time},     {"silence", Piece::Kind::silence}, {"tone", Piece::Kind::tone},
};

bool is_piece(const Json& json) {
  return std::any_of(std::begin(kPieces), std::end(kPieces),
                     [&](const auto& p) { return json.contains(std::string(p.first)); });
}

class SayReader {
 public:
  SayReader(FieldContext& context, std::string pointer) : context_(context), pointer_(std::move(pointer)) {}

  Say read(const Json& json) {
    Say say;
    say.in.resize(context_.model.languages.size());
    if (json.is_object() && !is_piece(json)) {
      by_language(json, say);
    } else {
      for (std::size_t l = 0; l < say.in.size(); ++l) list(json, pointer_, static_cast<int>(l), say.in[l]);
      if (plain_ && say.in.size() > 1) {
        context_.warning("one-language", pointer_, "the same text is spoken in every language of the flow",
                         "give a text for each language: {\"" + context_.model.languages[0] +
                             "\": \"...\", \"" + context_.model.languages[1] + "\": \"...\"}");
      }
    }
    return say;
  }

 private:
  void by_language(const Json& json, Say& say) {
    if (json.empty()) {
      context_.error("wrong-type", pointer_, "a prompt that says nothing",
                     "write a text, a piece, or a list of pieces");
      return;
    }
    std::vector<bool> there(say.in.size());
    for (const auto& [name, inner] : json.items()) {
      const std::string at = pointer_to(pointer_, name);
      const int l = context_.language(name, at);
      std::vector<Piece> unused;
      if (l >= 0) there[static_cast<std::size_t>(l)] = true;
      list(inner, at, std::max(l, 0), l >= 0 ? say.in[static_cast<std::size_t>(l)] : unused, true);
    }
    missing(there, pointer_);
  }

  void missing(const std::vector<bool>& there, const std::string& at) {
    for (std::size_t l = 0; l < there.size(); ++l) {
      if (!there[l]) {
        context_.error("missing-language", at, "nothing to say in '" + context_.model.languages[l] + "'",
                       "add \"" + context_.model.languages[l] + "\": \"...\"");
      }
    }
  }

  void list(const Json& json, const std::string& at, int language, std::vector<Piece>& out,
            bool own = false) {
    own_ = own;
    if (json.is_array()) {
      for (std::size_t i = 0; i < json.size(); ++i)
        piece(json[i], at + "/" + std::to_string(i), language, out);
      if (json.empty())
        context_.error("wrong-type", at, "a prompt that says nothing",
                       "write a text, a piece, or a list of pieces");
    } else {
      piece(json, at, language, out);
    }
  }

  void piece(const Json& json, const std::string& at, int language, std::vector<Piece>& out) {
    Piece p;
    if (json.is_string()) {
      p.value = context_.templ(json, at);
      plain_ = plain_ || (!own_ && p.value.speaks());
      out.push_back(std::move(p));
      return;
    }
    if (!json.is_object() || !is_piece(json)) {
      std::vector<std::string> known;
      for (const auto& [name, kind] : kPieces) known.emplace_back(name);
      std::string hint;
      if (json.is_object() && !json.empty()) hint = suggestion(json.begin().key(), known);
      context_.error("wrong-type", at,
                     "a piece of a prompt is a text or an object with one of text, file, digits, number, "
                     "money, date, time, silence, tone" +
                         hint,
                     "");
      return;
    }
    static const std::vector<std::string> kMore = {"currency", "language", "voice", "length"};
    for (const auto& field : json.items()) {
      const std::string& key = field.key();
      const Json& value = field.value();
      const std::string inside = pointer_to(at, key);
      const auto known =
          std::find_if(std::begin(kPieces), std::end(kPieces), [&](const auto& k) { return k.first == key; });
      if (known != std::end(kPieces)) {
        if (known->first != "text" && p.kind != Piece::Kind::text) {
          context_.error("conflict", inside, "one piece is one thing", "make two pieces of it");
        }
        p.kind = known->second;
        content(p, value, inside, language);
      } else if (key == "currency") {
        p.currency = context_.templ(value, inside);
      } else if (key == "voice" && value.is_string()) {
        p.voice = value.get<std::string>();
      } else if (key == "length") {
        p.length = context_.duration(value, inside, 1ms, 10min);
      } else if (key == "language" && value.is_string()) {
        p.language = context_.language(value.get_ref<const std::string&>(), inside);
      } else {
        context_.error(
            std::find(kMore.begin(), kMore.end(), key) != kMore.end() ? "wrong-type" : "unknown-field",
            inside, "no field '" + key + "' here" + suggestion(key, kMore), "rename or remove it");
      }
    }
    if (p.kind == Piece::Kind::text && p.language < 0 && !own_ && !translated_)
      plain_ = plain_ || p.value.speaks();
    translated_ = false;
    if (p.kind == Piece::Kind::money && p.currency.empty()) {
      context_.error("missing-field", at, "money without 'currency'", "add \"currency\": \"USD\"");
    }
    out.push_back(std::move(p));
  }

  void content(Piece& p, const Json& value, const std::string& at, int language) {
    if (p.kind == Piece::Kind::silence) {
      p.length = context_.duration(value, at, 1ms, 10min);
      return;
    }
    if (p.kind == Piece::Kind::tone) {
      static const std::vector<std::string> kTones = {"beep", "ringback", "busy", "hold"};
      if (!value.is_string() ||
          std::find(kTones.begin(), kTones.end(), value.get_ref<const std::string&>()) == kTones.end()) {
        context_.error("unknown-tone", at, "no tone " + shown(value) + "; known: beep, ringback, busy, hold",
                       "");
      }
      p.value = context_.templ(value, at);
      return;
    }
    if ((p.kind == Piece::Kind::text || p.kind == Piece::Kind::file) && value.is_object()) {
      translated_ = true;
      std::vector<bool> there(context_.model.languages.size());
      for (const auto& [name, inner] : value.items()) {
        const int l = context_.language(name, pointer_to(at, name));
        if (l >= 0) there[static_cast<std::size_t>(l)] = true;
        Template t = context_.templ(inner, pointer_to(at, name));
        if (l == language) p.value = std::move(t);
      }
      missing(there, at);
      return;
    }
    if (value.is_number() && p.kind != Piece::Kind::text && p.kind != Piece::Kind::file) {
      p.value = context_.templ(Json(value.dump()), at);
      return;
    }
    p.value = context_.templ(value, at);
  }

  FieldContext& context_;
  std::string pointer_;
  bool plain_ = false;  // speaks words without saying in which language
  bool own_ = false;    // inside a text of one language
  bool translated_ = false;
};

}  // namespace

Say Fields::say(std::string_view key, bool required) {
  const Json* json = get(key, required);
  if (!json) return {};
  return SayReader(context_, at(key)).read(*json);
}

Say Fields::announcement(std::string_view key) {
  context_.model.names.announcing = true;
  Say read = say(key);
  context_.model.names.announcing = false;
  return read;
}

std::vector<Say> Fields::says(std::string_view key) {
  std::vector<Say> all;
  const Json* list = array(key);
  for (std::size_t i = 0; list && i < list->size(); ++i)
    all.push_back(SayReader(context_, at(key) + "/" + std::to_string(i)).read((*list)[i]));
  return all;
}

std::vector<Need> Fields::needs(std::string_view key) {
  std::vector<Need> all;
  const auto need = [&](const Json& name, int level, const std::string& pointer) {
    Need one{context_.templ(name, pointer), level};
    if (one.name.is_literal() && name.is_string() && !is_node_name(one.name.literal()))
      context_.error("bad-name", pointer, "'" + one.name.literal() + "' is no name for a skill",
                     "use 1 to 64 letters, digits, _ and -");
    else if (one.name.is_literal() && name.is_string())
      context_.skill(one.name.literal(), pointer);
    all.push_back(std::move(one));
  };
  const Json* json = get(key);
  if (json && json->is_array()) {
    for (std::size_t i = 0; i < json->size(); ++i) need((*json)[i], 1, at(key) + "/" + std::to_string(i));
  } else if (json && json->is_object()) {
    for (const auto& [name, level] : json->items()) {
      const std::string inside = pointer_to(at(key), name);
      const bool good =
          level.is_number_integer() && level.get<std::int64_t>() >= 0 && level.get<std::int64_t>() <= 5;
      if (!good)
        context_.error("out-of-range", inside, shown(level) + " is no level of a skill between 0 and 5", "");
      need(Json(name), good ? level.get<int>() : 1, inside);
    }
  } else if (json) {
    context_.error("wrong-type", at(key), "expected skills, found " + std::string(kind_name(*json)),
                   "write {\"technical\": 3} or [\"technical\"]");
  }
  return all;
}

}  // namespace ivr::flow

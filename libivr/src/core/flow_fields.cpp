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

}  // namespace

std::string shown(const Json& json) {
  std::string s = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (s.size() > 60) s = s.substr(0, 57) + "...";
  return s;
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
  // Each looks at all of the names: enough for whoever mends them one by one.
  const std::string hint = ++unknown_targets_ > 20 ? "" : suggestion(name, node_names_);
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

int FieldContext::menu_target(const Json& json, const std::string& pointer) {
  static const std::vector<std::string> kWays = {"@back", "@top"};
  if (!json.is_string() || json.get_ref<const std::string&>().rfind('@', 0) != 0)
    return target(json, pointer);
  const std::string& name = json.get_ref<const std::string&>();
  if (name == kWays[0]) return kBack;
  if (name == kWays[1]) return kTop;
  error("unknown-target", pointer, "no way '" + name + "' out of a menu" + suggestion(name, kWays),
        "write \"@back\", \"@top\" or the name of a node");
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
          key.size() > 1 ? "write it in 'patterns', or use a 'gather' for more than one digit"
                         : "use 0-9, * or #");
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

void FieldContext::skill(const std::string& name, const std::string& pointer, bool reached) {
  if (!skills || std::find(skills->begin(), skills->end(), name) != skills->end()) return;
  const std::string message = "no skill '" + name + "'" + suggestion(name, *skills);
  if (!reached) return warning("unknown-skill", pointer, message, "name one that somebody has, or remove it");
  error("unknown-skill", pointer, message, "give it to an agent of the site, or name one that somebody has");
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

Requirement Fields::requirement(std::string_view key) {
  Requirement out;
  const Json* json = get(key);
  if (!json || !json->is_string()) {
    std::vector<Skill> list;
    for (Need& need : needs(key)) {
      if (need.name.is_literal()) {
        list.push_back({need.name.literal(), need.level});
      } else {  // whatever it is called here, it is called by what it becomes
        list.push_back({std::to_string(list.size()) + "{{}}", need.level});
        out.names.emplace_back(list.back().name, std::move(need.name));
      }
    }
    out.skills = std::move(list);
    return out;
  }
  auto parsed =
      SkillExpression::parse(json->get_ref<const std::string&>(), SkillExpression::Names::with_variables);
  if (!parsed.ok()) {
    context_.error("bad-expression", at(key), std::string(parsed.status().message()),
                   "write it like \"french >= 2 and (billing or sales) and not trainee\"");
    return out;
  }
  out.skills = *std::move(parsed);
  out.skills.for_each([&](const Skill& skill, bool reached) {
    if (skill.name.find("{{") == skill.name.npos) return context_.skill(skill.name, at(key), reached);
    const auto known = [&](const auto& one) { return one.first == skill.name; };
    if (std::none_of(out.names.begin(), out.names.end(), known))
      out.names.emplace_back(skill.name, context_.templ(Json(skill.name), at(key)));
  });
  return out;
}

}  // namespace ivr::flow

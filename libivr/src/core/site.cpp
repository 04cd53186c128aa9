#include "ivr/site.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "core/flow_fields.hpp"
#include "core/flow_json.hpp"
#include "ivr/flow_run.hpp"

namespace ivr {
namespace {

using flow::FieldContext;
using flow::Fields;
using flow::Json;
using flow::pointer_to;

constexpr std::size_t kMaxOfAKind = 65'536;
constexpr std::size_t kMaxMembers = 1u << 20;
constexpr Millis kLongest = 24h * 365;

template <class Value>
struct Word {
  std::string_view name;
  Value value;
};

constexpr Word<int> kLevels[] = {{kSkillLevels[0], 0}, {kSkillLevels[1], 1}, {kSkillLevels[2], 2},
                                 {kSkillLevels[3], 3}, {kSkillLevels[4], 4}, {kSkillLevels[5], 5}};

constexpr Word<AgentState> kMissStates[] = {
    {"on_break", AgentState::on_break}, {"offline", AgentState::offline}, {"wrap_up", AgentState::wrap_up}};

constexpr Word<Unavailable> kReasons[] = {
    {"paused", Unavailable::paused},       {"penalty", Unavailable::penalty},
    {"in_use", Unavailable::in_use},       {"ringing", Unavailable::ringing},
    {"offline", Unavailable::offline},     {"unreachable", Unavailable::unreachable},
    {"wrap_up", Unavailable::wrap_up},     {"delayed", Unavailable::delayed},
    {"unskilled", Unavailable::unskilled}, {"tried", Unavailable::tried},
    {"unknown", Unavailable::unknown}};

std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text.replace(57, std::string::npos, "...");
  return text;
}

// Of agents, queues and users: what may stand in a URI and on a command line.
bool is_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return flow::is_letter(c) || flow::is_digit(c) || c == '-' || c == '.' || c == '+';
  });
}

// "2001", "+9665*", "*", "*45": what an extension, a list or an access right is written as. A '*' at the
// beginning of more is the key of a feature code.
bool is_pattern(std::string_view number) {
  const std::size_t star = number.find('*', 1);
  return !number.empty() && number.size() <= 64 && (star == number.npos || star + 1 == number.size()) &&
         std::none_of(number.begin(), number.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte <= ' ' || byte == 0x7F;
         });
}

class SiteReader {
 public:
  explicit SiteReader(std::vector<Finding>& findings)
      : findings_(findings), context_(model_, findings, no_nodes_) {}

  Site read(const Json& json) {
    Fields root(context_, json, "");
    root.text("label"), root.text("comment");
    if (const Json* version = root.get("site", true); version && *version != 1) {
      error("out-of-range", "/site", shown(*version) + " is no version of the site format; this is 1");
    }
    calendars(root.object("calendars"));
    each(root.object("music"), "/music",
         [&](const std::string& name, const Json& value, const std::string& at) { music(name, value, at); });
    each(root.object("agents"), "/agents",
         [&](const std::string& id, const Json& value, const std::string& at) { agent(id, value, at); });
    each(root.object("queues"), "/queues",
         [&](const std::string& id, const Json& value, const std::string& at) { queue(id, value, at); });
    each(root.object("departments"), "/departments",
         [&](const std::string& id, const Json& value, const std::string& at) { department(id, value, at); });
    each(root.object("extensions"), "/extensions",
         [&](const std::string& number, const Json& value, const std::string& at) {
           extension(number, value, at);
         });
    each(root.object("lists"), "/lists",
         [&](const std::string& name, const Json& value, const std::string& at) { list(name, value, at); });
    each(root.object("demo_users"), "/demo_users",
         [&](const std::string& user, const Json& value, const std::string& at) {
           demo_user(user, value, at);
         });
    each(root.object("access"), "/access",
         [&](const std::string& user, const Json& value, const std::string& at) {
           identifier(user, at);
           site_.access.push_back({user, numbers(value, at)});
         });
    if (const Json* rules = root.object("callers")) callers(*rules);
    root.done();
    join();
    return std::move(site_);
  }

 private:
  void error(std::string rule, const std::string& pointer, std::string message) {
    context_.error(std::move(rule), pointer, std::move(message), "");
  }

  template <class Each>
  void each(const Json* object, const std::string& pointer, Each read_one) {
    if (!object) return;
    if (object->size() > kMaxOfAKind) {
      error("too-many", pointer, std::to_string(object->size()) + " of them; at most 65536");
      return;
    }
    for (const auto& [key, value] : object->items()) read_one(key, value, pointer_to(pointer, key));
  }

  void identifier(const std::string& id, const std::string& at) {
    if (!is_id(id)) error("bad-name", at, "'" + id + "' is no name; 1 to 64 letters, digits, _ - . and +");
  }

  bool object(const Json& value, const std::string& at, std::string_view expected) {
    if (!value.is_object()) {
      error("wrong-type", at, std::string(expected) + " expected, found " + shown(value));
    }
    return value.is_object();
  }

  template <class Value, std::size_t kCount>
  std::optional<Value> word(const Word<Value> (&words)[kCount], const Json& json, const std::string& at) {
    for (const Word<Value>& each : words) {
      if (json.is_string() && json.get_ref<const std::string&>() == each.name) return each.value;
    }
    std::string known;
    for (const Word<Value>& each : words) known.append(known.empty() ? "" : ", ").append(each.name);
    error("out-of-range", at, shown(json) + " is none of " + known);
    return std::nullopt;
  }

  std::vector<std::string> texts(const Json& json, const std::string& at, std::string_view what) {
    std::vector<std::string> out;
    if (!json.is_array() || json.size() > kMaxOfAKind) {
      error("wrong-type", at,
            "a list of at most 65536 " + std::string(what) + " expected, found " + shown(json));
      return out;
    }
    for (std::size_t i = 0; i < json.size(); ++i) {
      if (json[i].is_string() && !json[i].get_ref<const std::string&>().empty()) {
        out.push_back(json[i].get<std::string>());
      } else {
        error("wrong-type", at + "/" + std::to_string(i), shown(json[i]) + " is no text");
      }
    }
    return out;
  }

  std::vector<std::string> numbers(const Json& json, const std::string& at) {
    std::vector<std::string> out = texts(json, at, "numbers");
    for (const std::string& number : out) {
      if (!is_pattern(number)) {
        error("bad-number", at, "'" + number + "' is no number; 1 to 64 characters, a '*' only at the end");
      }
    }
    return out;
  }

  // ["technical"], {"technical": 4} or {"technical": "advanced"}
  std::vector<Skill> skills(
      const Json* json, const std::string& at,
      std::string_view expected = "a list of skills, or an object like {\"technical\": 3}") {
    std::vector<Skill> out;
    if (!json) return out;
    if (json->is_array()) {
      for (std::string& name : texts(*json, at, "skills")) out.push_back({std::move(name), 1});
    } else if (object(*json, at, expected)) {
      for (const auto& [name, level] : json->items()) {
        const std::string here = pointer_to(at, name);
        if (name.empty()) error("bad-name", here, "a skill needs a name");
        if (level.is_string()) {
          out.push_back({name, word(kLevels, level, here).value_or(1)});
        } else if (level.is_number_integer() && level >= 0 && level <= 5) {
          out.push_back({name, level.get<int>()});
        } else {
          error("out-of-range", here, shown(level) + " is no level; 0 to 5, or basic to master");
        }
      }
    }
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (out[i].name == out[j].name) error("duplicate", at, "skill '" + out[i].name + "' is here twice");
      }
    }
    return out;
  }

  // A list of skills, or "french >= 2 and (billing or sales)".
  SkillExpression required(const Json* json, const std::string& at) {
    if (!json || !json->is_string())
      return skills(json, at,
                    "a text like \"french >= 2 and (billing or sales)\", a list or an object of skills");
    auto parsed = SkillExpression::parse(json->get_ref<const std::string&>());
    if (parsed.ok()) return *std::move(parsed);
    error("bad-expression", at, std::string(parsed.status().message()));
    return {};
  }

  void calendars(const Json* json) {
    each(json, "/calendars", [&](const std::string& name, const Json& value, const std::string& at) {
      if (!flow::is_name(name)) {
        error("bad-name", at, "'" + name + "' is no name for a calendar; letters, digits and _");
      }
      if (!object(value, at, "a calendar")) return;
      auto calendar = parse_calendar(value.dump(-1, ' ', false, Json::error_handler_t::replace));
      if (calendar.ok()) {
        site_.calendars.emplace_back(name, *std::move(calendar));
        return;
      }
      const std::string words(calendar.status().message());  // begins with a pointer of its own
      const std::size_t colon = words.find(": ");
      const bool placed = words.starts_with('/') && colon != words.npos;
      error("bad-calendar", placed ? at + words.substr(0, colon) : at,
            placed ? words.substr(colon + 2) : words);
    });
  }

  void agent(const std::string& id, const Json& value, const std::string& at) {
    identifier(id, at);
    if (!object(value, at, "an agent like {\"name\": \"Huda\", \"skills\": [\"billing\"]}")) return;
    Fields f(context_, value, at);
    AgentOptions& a = site_.agents.emplace_back();
    a.id = id;
    a.name = f.text("name");
    a.department = f.text("department");
    a.uri = f.text("uri");
    a.user = f.text("user");
    a.skills = skills(f.get("skills"), at + "/skills");
    if (const Json* capacity = f.get("capacity")) read_capacity(*capacity, at + "/capacity", a.capacity);
    a.score = f.integer("score", a.score, 0, 1'000'000);
    const Millis wrap_up = f.duration("wrap_up", 0ms, 0ms, 24h);
    if (f.has("wrap_up")) a.wrap_up = wrap_up;
    a.no_answer_delay = f.duration("no_answer_delay", a.no_answer_delay, 0ms, 24h);
    a.busy_delay = f.duration("busy_delay", a.busy_delay, 0ms, 24h);
    a.reject_delay = f.duration("reject_delay", a.reject_delay, 0ms, 24h);
    a.max_misses = f.integer("max_misses", a.max_misses, 0, 1000);
    if (const Json* state = f.get("after_misses")) {
      a.after_misses = word(kMissStates, *state, at + "/after_misses").value_or(a.after_misses);
    }
    a.standby = f.boolean("standby", a.standby);
    a.music = class_of_music(f, at);
    f.text("comment");
    f.done();
    if (!a.uri.empty() && !a.uri.starts_with("sip:") && !a.uri.starts_with("sips:")) {
      error("bad-uri", at + "/uri", "'" + a.uri + "' is no SIP URI like sip:huda@192.0.2.7");
    }
    if (!a.user.empty()) identifier(a.user, at + "/user");
  }

  void read_capacity(const Json& json, const std::string& at, std::map<std::string, int>& out) {
    const auto one = [&](const std::string& channel, const Json& most, const std::string& here) {
      if (!most.is_number_integer() || most < 0 || most > 1000) {
        error("out-of-range", here, shown(most) + " is no number of contacts at once; 0 to 1000");
      } else {
        out[channel] = most.get<int>();
      }
    };
    if (json.is_number()) return one("voice", json, at);
    if (!object(json, at, "a number, or an object like {\"voice\": 1, \"chat\": 3}")) return;
    out.clear();
    for (const auto& [channel, most] : json.items()) {
      if (channel.empty() || channel.size() > 64) {
        error("bad-name", pointer_to(at, channel), "a channel has 1 to 64 characters");
      }
      one(channel, most, pointer_to(at, channel));
    }
  }

  void music(const std::string& name, const Json& value, const std::string& at) {
    identifier(name, at);
    MusicClass& music = site_.music.emplace_back(name, MusicClass{}).second;
    const auto add = [&](const Json& file, const std::string& here) {
      if (!file.is_string() || file.get_ref<const std::string&>().empty())
        return error("wrong-type", here, shown(file) + " is no file of music");
      Prompt& prompt = music.prompts.emplace_back();
      prompt.kind = Prompt::Kind::file;
      prompt.value = file.get<std::string>();
    };
    if (value.is_string()) return add(value, at);
    if (!object(value, at, "a file, or an object like {\"files\": [\"waltz.wav\"]}")) return;
    Fields f(context_, value, at);
    if (const Json* files = f.array("files", true)) {
      for (std::size_t i = 0; i < files->size(); ++i) add((*files)[i], at + "/files/" + std::to_string(i));
      if (files->empty()) error("out-of-range", at + "/files", "no music at all");
    }
    music.continuous = f.boolean("continuous", false);
    f.text("comment");
    f.done();
  }

  std::string class_of_music(Fields& f, const std::string& at) {
    std::string name = f.text("music");
    std::vector<std::string> known;
    for (const auto& [each, unused] : site_.music) known.push_back(each);
    if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end())
      error("unknown-music", at + "/music", "no music '" + name + "'" + flow::suggestion(name, known));
    return name;
  }

  void queue(const std::string& id, const Json& value, const std::string& at) {
    identifier(id, at);
    if (!object(value, at, "a queue like {\"strategy\": \"longest_idle\"}")) return;
    Fields f(context_, value, at);
    QueueOptions& q = site_.queues.emplace_back();
    q.id = id;
    if (std::string strategy = f.text("strategy"); f.has("strategy")) q.strategy = std::move(strategy);
    if (const Json* members = f.array("members")) read_members(*members, at + "/members", q);
    q.department = f.text("department");
    q.required = required(f.get("required"), at + "/required");
    q.preferred = skills(f.get("preferred"), at + "/preferred");
    if (const Json* steps = f.array("steps")) read_steps(*steps, at + "/steps", q);
    if (const Json* tiers = f.object("tiers")) {
      Fields t(context_, *tiers, at + "/tiers");
      q.tiers.apply = t.boolean("apply", q.tiers.apply);
      q.tiers.wait = t.duration("wait", q.tiers.wait, 0ms, 24h);
      q.tiers.multiply_by_level = t.boolean("multiply_by_level", q.tiers.multiply_by_level);
      q.tiers.skip_empty = t.boolean("skip_empty", q.tiers.skip_empty);
      t.done();
    }
    q.max_size = f.integer("max_size", q.max_size, 0, 1'000'000);
    q.max_wait = f.duration("max_wait", q.max_wait, 0ms, 24h);
    q.ring_limit = f.duration("ring_limit", q.ring_limit, 1s, 1h);
    q.retry = f.duration("retry", q.retry, 0ms, 1h);
    q.ring_progressively = f.duration("ring_progressively", q.ring_progressively, 100ms, 1h);
    q.wrap_up = f.duration("wrap_up", q.wrap_up, 0ms, 24h);
    q.weight = f.integer("weight", q.weight, 0, 1'000'000);
    q.age_score = f.number("age_score", q.age_score, 0, 1e6);
    q.age_from_system = f.boolean("age_from_system", q.age_from_system);
    q.autofill = f.boolean("autofill", q.autofill);
    q.shared_last_call = f.boolean("shared_last_call", q.shared_last_call);
    q.oldest_first = f.boolean("oldest_first", q.oldest_first);
    q.once = f.boolean("once", q.once);
    reasons(f.get("join_empty"), at + "/join_empty", q.join_empty);
    reasons(f.get("leave_empty"), at + "/leave_empty", q.leave_empty);
    q.sticky = f.duration("sticky", q.sticky, 0ms, 24h);
    q.resume = f.duration("resume", q.resume, 0ms, 24h);
    if (const Json* announce = f.object("announce")) read_announce(*announce, at + "/announce", q.announce);
    q.service_level = f.duration("service_level", q.service_level, 0ms, 24h);
    q.short_abandon = f.duration("short_abandon", q.short_abandon, 0ms, 1h);
    q.callback_tries = f.integer("callback_tries", q.callback_tries, 1, 100);
    q.callback_retry = f.duration("callback_retry", q.callback_retry, 1s, 24h);
    q.music = class_of_music(f, at);
    f.text("label"), f.text("comment");
    f.done();
  }

  void read_members(const Json& json, const std::string& at, QueueOptions& q) {
    members_ += json.size();
    if (members_ > kMaxMembers) return error("too-many", at, "more than 1048576 members of all queues");
    for (std::size_t i = 0; i < json.size(); ++i) {
      const std::string here = at + "/" + std::to_string(i);
      QueueMember member;
      if (json[i].is_string()) {
        member.agent = json[i].get<std::string>();
      } else if (object(json[i], here,
                        "an agent's name, or an object like {\"agent\": "
                        "\"huda\", \"penalty\": 1}")) {
        Fields f(context_, json[i], here);
        member.agent = f.text("agent", true);
        member.penalty = f.integer("penalty", 0, 0, 1'000'000);
        member.position = f.integer("position", 0, 0, 1'000'000);
        f.done();
      }
      q.members.push_back(std::move(member));
    }
  }

  void read_steps(const Json& json, const std::string& at, QueueOptions& q) {
    for (std::size_t i = 0; i < json.size(); ++i) {
      const std::string here = at + "/" + std::to_string(i);
      if (!object(json[i], here, "a step like {\"after\": \"30s\", \"max_penalty\": 2}")) continue;
      Fields f(context_, json[i], here);
      QueueStep& step = q.steps.emplace_back();
      step.after = f.duration("after", 0ms, 0ms, 24h, true);
      const auto penalty = [&](const char* name, std::optional<int>& to) {
        const int value = f.integer(name, 0, 0, 1'000'000);
        if (f.has(name)) to = value;
      };
      penalty("min_penalty", step.min_penalty);
      penalty("max_penalty", step.max_penalty);
      penalty("raise_penalty", step.raise_penalty);
      step.drop_preferred = f.boolean("drop_preferred", false);
      if (const Json* skills = f.get("required")) step.required = required(skills, here + "/required");
      reasons(f.get("skip_if"), here + "/skip_if", step.skip_if);
      f.done();
    }
  }

  void read_announce(const Json& json, const std::string& at, QueueAnnouncements& a) {
    Fields f(context_, json, at);
    a.first = f.duration("first", a.first, 0ms, 24h);
    a.every = f.duration("every", a.every, 0ms, 24h);
    a.at_least = f.duration("at_least", a.at_least, 0ms, 24h);
    a.only_when_improved = f.boolean("only_when_improved", a.only_when_improved);
    a.more_than = f.integer("more_than", a.more_than, 0, 1'000'000);
    a.wait_time = f.boolean("wait_time", a.wait_time);
    a.rounding = f.duration("rounding", a.rounding, 1s, 1h);
    a.periodic = f.duration("periodic", a.periodic, 0ms, 24h);
    a.periodic_messages = f.integer("periodic_messages", a.periodic_messages, 0, 1000);
    a.periodic_random = f.boolean("periodic_random", a.periodic_random);
    f.done();
  }

  void reasons(const Json* json, const std::string& at, std::vector<Unavailable>& out) {
    if (!json) return;
    if (!json->is_array())
      return error("wrong-type", at, "a list of reasons expected, found " + shown(*json));
    for (std::size_t i = 0; i < json->size(); ++i) {
      if (const auto why = word(kReasons, (*json)[i], at + "/" + std::to_string(i))) out.push_back(*why);
    }
  }

  void department(const std::string& id, const Json& value, const std::string& at) {
    identifier(id, at);
    if (!object(value, at, "a department like {\"queue\": \"sales\"}")) return;
    Fields f(context_, value, at);
    SiteDepartment& d = site_.departments.emplace_back();
    d.id = id;
    d.name = f.text("name");
    d.queue = f.text("queue");
    if (const Json* keywords = f.array("keywords")) d.keywords = texts(*keywords, at + "/keywords", "words");
    d.otherwise = f.boolean("otherwise", false);
    f.done();
  }

  void extension(const std::string& number, const Json& value, const std::string& at) {
    if (!is_pattern(number)) {
      error("bad-number", at,
            "'" + number +
                "' is no extension; 1 to 64 characters, a '*' only at the end, or before a feature code");
    }
    SiteExtension& e = site_.extensions.emplace_back();
    e.number = number;
    if (value.is_string()) {
      e.flow = value.get<std::string>();
    } else if (object(value, at,
                      "a flow's file, or an object like {\"flow\": "
                      "\"support.json\"}")) {
      Fields f(context_, value, at);
      e.standby = f.boolean("standby", false);
      e.flow = f.text("flow", !f.has("standby") || value["standby"] == false);
      if (e.standby && f.has("flow"))
        error("conflict", at + "/flow", "who calls to be on standby is in no flow: either this or 'standby'");
      e.record = f.boolean("record", false);
      e.record_digits = f.boolean("record_digits", true);
      if (const Json* variables = f.object("variables")) {
        for (const auto& [name, initial] : variables->items()) {
          if (!flow::is_name(name)) {
            error("bad-name", pointer_to(at + "/variables", name),
                  "'" + name + "' is no name for a variable; letters, digits and _");
          }
          e.variables.emplace_back(name, initial.dump(-1, ' ', false, Json::error_handler_t::replace));
        }
      }
      f.done();
    }
  }

  // ["+1900*"] or {"callers": ["+966500000001"], "priority": 5}
  void list(const std::string& name, const Json& value, const std::string& at) {
    identifier(name, at);
    CallerList& l = site_.lists.emplace_back();
    l.name = name;
    if (value.is_array()) {
      l.callers = numbers(value, at);
    } else if (object(value, at,
                      "a list of numbers, or an object like {\"callers\": "
                      "[\"+1900*\"]}")) {
      Fields f(context_, value, at);
      if (const Json* callers = f.array("callers", true)) l.callers = numbers(*callers, at + "/callers");
      l.priority = f.integer("priority", 0, -1000, 1000);
      f.text("comment");
      f.done();
    }
  }

  void callers(const Json& json) {
    Fields f(context_, json, "/callers");
    CallerRules& c = site_.callers;
    if (const Json* rate = f.object("rate")) {
      Fields r(context_, *rate, "/callers/rate");
      c.rate_calls = r.integer("calls", 1, 1, 100'000);
      c.rate_per = r.duration("per", c.rate_per, 1s, 24h);
      c.ban_after = r.integer("ban_after", c.ban_after, 0, 100'000);
      c.ban_for = r.duration("ban_for", c.ban_for, 1s, 24h * 31);
      r.done();
    }
    if (const Json* returning = f.object("returning")) {
      Fields r(context_, *returning, "/callers/returning");
      c.returning = r.duration("within", 24h, 1s, kLongest);
      c.returning_priority = r.integer("priority", 1, -1000, 1000);
      r.done();
    }
    f.done();
  }

  void demo_user(const std::string& user, const Json& value, const std::string& at) {
    identifier(user, at);
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
      site_.demo_users.push_back({user, value.get<std::string>()});
    } else {
      error("wrong-type", at,
            "a password expected, found something else");  // not shown: it may
                                                           // be one
    }
  }

  // What one part says of another.
  void join() {
    std::vector<std::string> agents, queues, departments;
    for (const auto& a : site_.agents) agents.push_back(a.id);
    for (const auto& q : site_.queues) queues.push_back(q.id);
    for (const auto& d : site_.departments) departments.push_back(d.id);
    const absl::flat_hash_set<std::string> agent_set(agents.begin(), agents.end());
    const auto known = [&](std::string_view kind, const std::string& name,
                           const std::vector<std::string>& all, const std::string& at) {
      if (name.empty() || std::find(all.begin(), all.end(), name) != all.end()) return;
      error("unknown-" + std::string(kind), at,
            "no " + std::string(kind) + " '" + name + "'" + flow::suggestion(name, all));
    };
    for (const auto& q : site_.queues) {
      const std::string at = pointer_to("/queues", q.id);
      for (std::size_t i = 0; i < q.members.size(); ++i) {
        const std::string& name = q.members[i].agent;
        if (!agent_set.contains(name)) known("agent", name, agents, at + "/members/" + std::to_string(i));
      }
      if (!departments.empty()) known("department", q.department, departments, at + "/department");
    }
    for (const auto& a : site_.agents) {
      const std::string at = pointer_to("/agents", a.id);
      if (!departments.empty()) known("department", a.department, departments, at + "/department");
    }
    const SiteDepartment* otherwise = nullptr;
    for (const auto& d : site_.departments) {
      const std::string at = pointer_to("/departments", d.id);
      known("queue", d.queue, queues, at + "/queue");
      if (d.otherwise && otherwise)
        error("conflict", at + "/otherwise", "'" + otherwise->id + "' is it already");
      if (d.otherwise) otherwise = &d;
    }
    // What only the router knows, of what is good so far: one defect is told once.
    for (std::size_t i = 0; findings_.empty() && i < site_.queues.size(); ++i) {
      if (const auto status = Router::check(site_.queues[i]); !status.ok()) {
        error("bad-queue", pointer_to("/queues", queues[i]), std::string(status.message()));
      }
    }
    for (std::size_t i = 0; findings_.empty() && i < site_.agents.size(); ++i) {
      if (const auto status = Router::check(site_.agents[i]); !status.ok()) {
        error("bad-agent", pointer_to("/agents", agents[i]), std::string(status.message()));
      }
    }
    absl::flat_hash_set<std::string> files;
    for (const auto& e : site_.extensions) {
      if (!e.flow.empty() && files.insert(e.flow).second) site_.flows.push_back({e.flow, "", "", ""});
    }
  }

  std::vector<Finding>& findings_;
  flow::Model model_;
  const std::vector<std::string> no_nodes_;
  FieldContext context_;
  Site site_;
  std::size_t members_ = 0;
};

}  // namespace

absl::StatusOr<Site> parse_site(std::string_view text) {
  std::vector<Finding> findings;
  Json json = flow::parse_document(text, findings);
  Site site;
  if (findings.empty() && !json.is_object()) {
    findings.push_back({"wrong-type", Severity::error, "", "an object expected, found " + shown(json), ""});
  }
  if (findings.empty()) site = SiteReader(findings).read(json);
  if (findings.empty()) return site;
  std::string words;
  for (const Finding& finding : findings) words.append(words.empty() ? "" : "\n").append(to_string(finding));
  return absl::InvalidArgumentError(words);
}

FlowCheckOptions flow_checks(const Site& site) {
  FlowCheckOptions options;
  for (const auto& [name, calendar] : site.calendars) options.calendars.push_back(name);
  for (const CallerList& list : site.lists) options.lists.push_back(list.name);
  options.queues.emplace();
  for (const QueueOptions& queue : site.queues) options.queues->push_back(queue.id);
  options.agents.emplace();
  options.skills.emplace();
  for (const AgentOptions& agent : site.agents) {
    options.agents->push_back(agent.id);
    for (const Skill& skill : agent.skills) {
      if (std::find(options.skills->begin(), options.skills->end(), skill.name) == options.skills->end())
        options.skills->push_back(skill.name);
    }
  }
  return options;
}

absl::Status add_flow(Site& site, std::string_view file, std::string_view document) {
  auto flow = Flow::load(document, flow_checks(site));
  if (!flow.ok()) return flow.status();
  for (SiteFlow& each : site.flows) {
    if (each.file != file) continue;
    each.id = (*flow)->id();
    each.digest = (*flow)->digest();
    each.document = std::string(document);
    return absl::OkStatus();
  }
  return absl::NotFoundError("no extension of the site leads to a flow '" + std::string(file) + "'");
}

bool may_see(const Site& site, std::string_view user, const CallRecord& call) {
  return std::any_of(site.access.begin(), site.access.end(), [&](const SiteAccess& right) {
    return right.user == user &&
           (matches_caller(right.numbers, call.called) || matches_caller(right.numbers, call.caller));
  });
}

}  // namespace ivr

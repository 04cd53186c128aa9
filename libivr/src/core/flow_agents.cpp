#include "core/flow_agents.hpp"

#include <algorithm>
#include <cmath>

#include "core/flow_prompts.hpp"

namespace ivr::flow {

namespace {

constexpr int kMaxPriority = 1000;

// -------------------------------------------------------------------------------------- in the document

Terms read_terms(Fields& f) {
  Terms t;
  t.required = f.requirement("skills");
  t.whisper = f.say("whisper");
  t.accept_keys = f.keys("accept_keys", "");
  t.caller_id = f.templ("caller_id");
  t.max_talk = f.duration("max_talk", 0s, 0s, 24h);
  t.record = f.boolean("record", false);
  t.record_digits = f.boolean("record_digits", true);
  t.pass_digits = f.boolean("pass_digits", true);
  return t;
}

// A name, or a text with variables that become one.
Template read_name(Fields& f, std::string_view field, const std::string& pointer, FieldContext& context,
                   bool required, void (FieldContext::*known)(const std::string&, const std::string&)) {
  Template t = f.templ(field, required);
  if (!f.has(field) || !t.is_literal()) return t;
  const std::string at = pointer_to(pointer, field);
  if (!is_node_name(t.literal())) {
    if (!context.had(at))
      context.error("bad-name", at, "'" + t.literal() + "' is no name",
                    "use 1 to 64 letters, digits, _ and -");
  } else {
    (context.*known)(t.literal(), at);
  }
  return t;
}

std::vector<Skill> skills_of(const std::vector<Need>& needs, Reader& reader) {
  std::vector<Skill> skills;
  for (const Need& need : needs) {
    Skill skill{{}, need.level};
    need.name.render(reader, Escape::none, skill.name);
    if (!skill.name.empty()) skills.push_back(std::move(skill));
  }
  return skills;
}

SkillExpression required_of(const Requirement& required, Reader& reader) {
  if (required.names.empty()) return required.skills;
  return required.skills.renamed([&](const std::string& name) {
    const auto at = std::find_if(required.names.begin(), required.names.end(),
                                 [&](const auto& one) { return one.first == name; });
    if (at == required.names.end()) return name;
    std::string text;
    at->second.render(reader, Escape::none, text);
    return text;
  });
}

absl::Status give_terms(const Model& model, const Terms& terms, int language, Reader& reader,
                        intent::Queue& out) {
  out.required = required_of(terms.required, reader);
  out.preferred = skills_of(terms.preferred, reader);
  out.accept_keys = terms.accept_keys;
  terms.caller_id.render(reader, Escape::uri, out.caller_id);
  out.max_talk = terms.max_talk;
  out.record = terms.record;
  out.record_digits = terms.record_digits;
  out.pass_digits = terms.pass_digits;
  return render(model, terms.whisper, language, reader, out.whisper);
}

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

}  // namespace

void read_queue(QueueNode& q, const std::string& pointer, Fields& f, FieldContext& context) {
  q.queue = read_name(f, "queue", pointer, context, true, &FieldContext::queue);
  q.agent = read_name(f, "agent", pointer, context, false, &FieldContext::agent);
  q.direct = f.boolean("direct", false);
  if (q.direct && !f.has("agent")) {
    context.error("conflict", pointer + "/direct", "'direct' without an 'agent'", "name the agent");
  }
  const Json* priority = f.get("priority");
  if (priority && priority->is_string()) {
    q.priority = f.templ("priority");
  } else if (priority) {
    f.integer("priority", 0, -kMaxPriority, kMaxPriority);
    q.priority = context.templ(Json(priority->dump()), pointer + "/priority");
  }
  q.terms = read_terms(f);
  q.terms.preferred = f.needs("preferred");
  q.say = f.say("say");
  q.hold = f.say("hold");
  q.position_say = f.announcement("position_say");
  q.more_than_say = f.announcement("more_than_say");
  q.wait_say = f.announcement("wait_say");
  q.messages = f.says("messages");
  q.max_wait = f.duration("max_wait", 0s, 0s, 24h);
}

void read_transfer(TransferNode& t, const Node& of, Fields& f, FieldContext& context) {
  const std::string& pointer = of.pointer;
  const bool to_agents = f.has("agents") || f.has("skills") || f.has("department");
  t.to = f.templ("to");
  if (t.to.is_literal() && !t.to.empty() && t.to.literal().rfind("sip:", 0) != 0 &&
      t.to.literal().rfind("sips:", 0) != 0) {
    context.error("bad-uri", pointer + "/to", "'" + t.to.literal() + "' is no SIP address",
                  "write it as sip:desk@host:5060");
  }
  t.say = f.say("say");
  t.ringback = f.say("ringback");
  t.ring_limit = f.duration("ring_limit", 30s, 1s, 10min);
  if (const std::string mode = f.text("mode"); f.has("mode")) {
    t.refer = mode == "refer";
    if (!t.refer && mode != "bridge") {
      context.error("unknown-kind", pointer + "/mode",
                    "a transfer has no mode '" + mode + "'" + suggestion(mode, {"bridge", "refer"}), "");
    }
    for (const std::string_view field : {"ringback", "record", "max_talk", "caller_id"}) {
      if (t.refer && f.has(field))
        context.error("conflict", pointer_to(pointer, field),
                      "'" + std::string(field) + "' is for calls that stay with us",
                      "remove it, or the mode");
    }
  }
  t.terms = read_terms(f);
  QueueOptions q;
  const std::string strategy = f.text("strategy");
  if (!strategy.empty()) {
    q.strategy = strategy;
    if (!known_strategy(strategy)) {
      const std::vector<std::string> known(strategy_names().begin(), strategy_names().end());
      std::string all;
      for (const std::string& name : known) all += (all.empty() ? "" : ", ") + name;
      context.error("unknown-strategy", pointer + "/strategy",
                    "no strategy '" + strategy + "'" + suggestion(strategy, known), "choose one of " + all);
    }
  }
  if (const Json* agents = f.array("agents")) {
    for (std::size_t i = 0; i < agents->size(); ++i) {
      const std::string at = pointer + "/agents/" + std::to_string(i);
      const std::string name = (*agents)[i].is_string() ? (*agents)[i].get<std::string>() : "";
      if (!is_node_name(name)) {
        context.error("bad-name", at, (*agents)[i].dump() + " is no agent", "name it as the site does");
      } else if (std::any_of(q.members.begin(), q.members.end(),
                             [&](const QueueMember& m) { return m.agent == name; })) {
        context.error("duplicate-key", at, "agent '" + name + "' is here twice", "remove one");
      } else {
        context.agent(name, at);
      }
      q.members.push_back({name, 0, static_cast<int>(i)});
    }
    if (agents->empty())
      context.error("out-of-range", pointer + "/agents", "nobody to transfer to", "name at least one agent");
  }
  q.department = f.name("department");
  if (!to_agents) {
    if (!f.has("to")) {
      context.error("missing-field", pointer, "no field 'to'",
                    "add it, or 'agents', 'skills' or 'department' for a transfer to agents");
    }
    for (const std::string_view field : {"strategy", "whisper", "accept_keys", "pass_digits"}) {
      if (f.has(field))
        context.error("conflict", pointer_to(pointer, field),
                      "'" + std::string(field) + "' is for transfers to agents",
                      "add 'agents', or remove it");
    }
    return;
  }
  if (f.has("to"))
    context.error("conflict", pointer + "/to", "a transfer goes to an address or to agents, not to both",
                  "remove 'to', or 'agents', 'skills' and 'department'");
  if (t.refer)
    context.error("conflict", pointer + "/mode", "agents are not reached by REFER",
                  "remove 'mode', or name an address in 'to'");
  t.queue = q.id = "/" + context.model.id + "/" + of.name;
  // The queue asks for what is known, the caller for the rest.
  SkillExpression rest;
  for (const SkillExpression& part : t.terms.required.skills.parts()) {
    bool known = true;
    part.for_each([&](const Skill& skill, bool) {
      for (const auto& [name, text] : t.terms.required.names) known = known && name != skill.name;
    });
    SkillExpression& to = known ? q.required : rest;
    to = SkillExpression::both(to, part);
  }
  t.terms.required.skills = std::move(rest);
  q.ring_limit = t.ring_limit;
  q.retry = 0ms;
  q.once = true;
  // Nobody waits here: who cannot be offered to anybody now goes on. An agent who is rung may be this
  // caller's own, so that alone is no reason to leave.
  q.join_empty = q.leave_empty = {Unavailable::paused,      Unavailable::penalty, Unavailable::in_use,
                                  Unavailable::unreachable, Unavailable::offline, Unavailable::wrap_up,
                                  Unavailable::delayed,     Unavailable::tried,   Unavailable::unskilled,
                                  Unavailable::unknown};
  context.model.queues.push_back(std::move(q));
}

void read_callback(CallbackNode& c, Fields& f) { c.number = f.templ("number"); }

void read_agent_status(AgentStatusNode& a, const std::string& pointer, Fields& f, FieldContext& context) {
  constexpr std::pair<std::string_view, std::optional<AgentState>> kStates[] = {
      {"available", AgentState::available},
      {"on_break", AgentState::on_break},
      {"offline", AgentState::offline},
      {"toggle", std::nullopt}};
  a.own = !f.has("agent");
  a.agent = read_name(f, "agent", pointer, context, false, &FieldContext::agent);
  a.reason = f.templ("reason");
  const std::string state = f.text("state", true);
  std::vector<std::string> known;
  for (const auto& [name, means] : kStates) {
    known.emplace_back(name);
    if (name != state) continue;
    a.state = means;
    return;
  }
  if (!state.empty()) {
    context.error("unknown-kind", pointer + "/state",
                  "nobody sets an agent's state to '" + state + "'" + suggestion(state, known), "");
  }
}

void read_keywords(KeywordsNode& k, const std::string& pointer, Fields& f, FieldContext& context) {
  k.text = f.templ("text", true);
  k.into = f.variable("into", true);
  std::vector<KeywordDepartment> departments;
  const Json* all = f.object("departments", true);
  const auto words = [&](const Json& list, const std::string& at, KeywordDepartment& department) {
    if (!list.is_array() ||
        std::any_of(list.begin(), list.end(), [](const Json& j) { return !j.is_string(); })) {
      context.error("wrong-type", at, "keywords are a list of texts", "");
      return;
    }
    for (const Json& one : list) department.keywords.push_back(one.get<std::string>());
  };
  if (all) {
    for (const auto& [name, keywords] : all->items()) {
      const std::string at = pointer_to(pointer + "/departments", name);
      KeywordDepartment& department = departments.emplace_back(KeywordDepartment{name, {}});
      if (!keywords.is_object()) {
        words(keywords, at, department);
        continue;
      }
      for (const auto& [language, list] : keywords.items()) {
        words(list, pointer_to(at, language), department);
      }
    }
  }
  const std::string otherwise = f.name("default", true);
  if (!all || otherwise.empty()) return;
  auto router = KeywordRouter::create(std::move(departments), otherwise);
  if (router.ok()) {
    k.router = *std::move(router);
  } else {
    context.error("out-of-range", pointer + "/departments", std::string(router.status().message()), "");
  }
}

// ------------------------------------------------------------------------------------------ in the call

absl::Status queue_intent(const Model& model, const QueueNode& q, int language, Reader& reader,
                          intent::Queue& out) {
  reader.clear();
  q.queue.render(reader, Escape::none, out.queue);
  if (!is_node_name(out.queue))
    return absl::InvalidArgumentError("'" + (reader.secret ? "***" : out.queue) + "' is no name of a queue");
  q.agent.render(reader, Escape::none, out.agent);
  out.direct = q.direct && !out.agent.empty();
  if (const auto priority = number(q.priority.value(reader))) {
    out.priority =
        static_cast<int>(std::clamp(std::round(priority->d), -1.0 * kMaxPriority, 1.0 * kMaxPriority));
  }
  out.exit_keys = q.exit_keys;
  out.max_wait = q.max_wait;
  if (absl::Status s = render(model, q.say, language, reader, out.say); !s.ok()) return s;
  if (absl::Status s = render(model, q.hold, language, reader, out.hold); !s.ok()) return s;
  return give_terms(model, q.terms, language, reader, out);
}

absl::Status agents_intent(const Model& model, const TransferNode& t, int language, Reader& reader,
                           intent::Queue& out) {
  reader.clear();
  out.queue = t.queue;
  if (absl::Status s = render(model, t.ringback, language, reader, out.hold); !s.ok()) return s;
  return give_terms(model, t.terms, language, reader, out);
}

absl::StatusOr<intent::Transfer> dial_intent(const Model& model, const TransferNode& t, int language,
                                             Reader& reader) {
  reader.clear();
  intent::Transfer i;
  t.to.render(reader, Escape::uri, i.uri);
  t.terms.caller_id.render(reader, Escape::uri, i.caller_id);
  if (i.uri.rfind("sip:", 0) != 0 && i.uri.rfind("sips:", 0) != 0)
    return absl::InvalidArgumentError("'" + (reader.secret ? "***" : i.uri) + "' is no SIP address");
  if (absl::Status s = render(model, t.ringback, language, reader, i.ringback); !s.ok()) return s;
  i.ring_limit = t.ring_limit;
  i.refer = t.refer;
  i.record = t.terms.record;
  i.record_digits = t.terms.record_digits;
  i.max_talk = t.terms.max_talk;
  return i;
}

absl::StatusOr<intent::Callback> callback_intent(const CallbackNode& c, Reader& reader,
                                                 const std::string& caller) {
  reader.clear();
  intent::Callback i;
  c.number.render(reader, Escape::uri, i.number);
  if (c.number.empty()) append_escaped(caller, Escape::uri, i.number);
  std::string lower = i.number;
  for (char& ch : lower) ch = ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch + 0x20) : ch;
  // Who withholds his number is called so (RFC 3261, 8.1.1.3).
  if (lower.empty() || lower == "anonymous") return absl::InvalidArgumentError("no number to call back");
  return i;
}

absl::StatusOr<intent::AgentStatus> agent_status_intent(const AgentStatusNode& a, Reader& reader) {
  reader.clear();
  intent::AgentStatus i;
  i.state = a.state;
  a.agent.render(reader, Escape::none, i.agent);
  if (!a.own && !is_node_name(i.agent))  // an empty one would be the caller's own
    return absl::InvalidArgumentError("'" + (reader.secret ? "***" : i.agent) + "' is no name of an agent");
  a.reason.render(reader, Escape::none, i.reason);
  if (reader.secret) i.reason.clear();
  return i;
}

Prompts announcement(const Model& model, const QueueNode& q, int language, Reader& reader,
                     const outcome::QueueNews& news) {
  Prompts out;
  const auto add = [&](const Say& say) {
    Prompts more;
    reader.clear();
    if (render(model, say, language, reader, more).ok())
      out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  if (news.message >= 0) {
    if (!q.messages.empty()) add(q.messages[static_cast<std::size_t>(news.message) % q.messages.size()]);
    return out;
  }
  if (news.position > 0) add(news.more_than && !q.more_than_say.empty() ? q.more_than_say : q.position_say);
  if (news.wait) add(q.wait_say);
  return out;
}

Json result_of(const outcome::Queued& queued) {
  return {{"agent", or_null(queued.agent)},
          {"waited", queued.waited.count() / 1000},
          {"tried", queued.tried},
          {"recording", or_null(queued.recording)}};
}

Json result_of(const outcome::Transferred& t) {
  return {{"cause", cause_of(t.end)},
          {"status", t.sip_status ? Json(t.sip_status) : Json()},
          {"recording", or_null(t.recording)}};
}

Json result_of(const outcome::AgentStatusSet& set) {
  return {{"agent", or_null(set.agent)}, {"state", set.agent.empty() ? Json() : Json(to_string(set.state))}};
}

Json result_of(const KeywordRoute& route) {
  Json alternatives = Json::array();
  for (const KeywordRoute::Candidate& c : route.alternatives)
    alternatives.push_back({{"department", c.department}, {"confidence", c.confidence}});
  return {{"department", route.department},
          {"confidence", route.confidence},
          {"alternatives", std::move(alternatives)},
          {"matches", route.matches}};
}

std::string_view cause_of(outcome::TransferEnd end) noexcept {
  switch (end) {
    case outcome::TransferEnd::completed: return "completed";
    case outcome::TransferEnd::busy: return "busy";
    case outcome::TransferEnd::no_answer: return "no_answer";
    case outcome::TransferEnd::rejected: return "rejected";
    case outcome::TransferEnd::failed: return "failed";
  }
  return "";
}

}  // namespace ivr::flow

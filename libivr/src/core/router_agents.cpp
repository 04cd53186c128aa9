#include <algorithm>

#include "core/router_machine.hpp"

// Agents: what state they are in, and which of the lines they stand in have to hear of it.

namespace ivr {

using namespace routing;

namespace {

std::uint32_t number(absl::flat_hash_map<std::string, std::uint32_t>& numbers,
                     std::vector<std::string>& names, const std::string& name) {
  const auto [at, added] = numbers.try_emplace(name, static_cast<std::uint32_t>(names.size()));
  if (added) names.push_back(name);
  return at->second;
}

}  // namespace

std::uint32_t Router::Machine::agent_number(const std::string& id) {
  const auto [at, added] = agent_of_.try_emplace(id, static_cast<std::uint32_t>(agents_.size()));
  if (added) {
    agents_.emplace_back().options.id = id;
    agent_ids_.push_back(id);
  }
  return at->second;
}

std::uint32_t Router::Machine::find_agent(const std::string& id) const {
  const auto at = agent_of_.find(id);
  return at == agent_of_.end() ? kNone : at->second;
}

std::uint32_t Router::Machine::channel_number(const std::string& name) {
  return number(channel_of_, channels_, name);
}

Needs Router::Machine::needs_of(const std::vector<Skill>& skills) {
  Needs needs;
  if (skills.empty()) return needs;
  for (const Skill& skill : skills) needs.push_back({number(skill_of_, skills_, skill.name), skill.level});
  std::sort(needs.begin(), needs.end());
  // Asked for twice: the higher level, which sorted last.
  Needs once;
  for (const Need& need : needs) {
    if (!once.empty() && once.back().skill == need.skill) once.pop_back();
    once.push_back(need);
  }
  return once;
}

Required Router::Machine::required_of(const SkillExpression& skills) {
  Required required{needs_of(skills.all()), {}};
  for (const SkillExpression& part : skills.parts()) {
    if (part.is_list()) continue;
    Condition& condition = required.conditions.emplace_back();
    add_steps(part.terms().front(), condition.steps);
    condition.what = part;
  }
  return required;
}

void Router::Machine::set_needs(Entry& entry, const SkillExpression& required,
                                const std::vector<Skill>& preferred) {
  Required all = required_of(required);
  entry.required = std::move(all.needs);
  entry.conditions = std::move(all.conditions);
  entry.preferred = needs_of(preferred);
}

SkillExpression Router::Machine::names_of(const Required& required) const {
  std::vector<Skill> list;
  for (const Need& need : required.needs) list.push_back({skills_[need.skill], need.level});
  SkillExpression all(std::move(list));
  for (const Condition& condition : required.conditions) all = SkillExpression::both(all, condition.what);
  return all;
}

void Router::Machine::add_steps(const SkillExpression::Term& term, std::vector<Condition::Step>& steps) {
  const std::size_t at = steps.size();
  steps.emplace_back().kind = term.kind;
  if (term.parts.empty()) steps[at].need = {number(skill_of_, skills_, term.skill.name), term.skill.level};
  for (const SkillExpression::Term& part : term.parts) add_steps(part, steps);
  steps[at].end = static_cast<std::uint32_t>(steps.size());
}

AgentState Router::Machine::state_of(const Agent& agent, Time now) const {
  if (agent.active() > 0) return AgentState::on_call;
  if (agent.asked == AgentState::available && now < agent.wrap_until) return AgentState::wrap_up;
  return agent.asked;
}

int Router::Machine::capacity_at_work(const Agent& agent) const {
  if (!agent.known || !agent.reachable || agent.asked != AgentState::available) return 0;
  int all = 0;
  for (const Contacts& c : agent.contacts) all += c.capacity;
  return all;
}

Reasons Router::Machine::reasons_of(const Agent& agent, std::uint32_t queue, Time now) const {
  if (!agent.known) return bit(Unavailable::unknown);
  Reasons why = 0;
  switch (agent.asked) {
    case AgentState::available:
    case AgentState::on_call: break;
    case AgentState::wrap_up: why |= bit(Unavailable::wrap_up); break;
    case AgentState::on_break: why |= bit(Unavailable::paused); break;
    case AgentState::offline: why |= bit(Unavailable::offline); break;
  }
  if (!agent.reachable) why |= bit(Unavailable::unreachable);
  if (agent.ringing != kNone) why |= bit(Unavailable::ringing);
  if (now < agent.delay_until) why |= bit(Unavailable::delayed);
  if (now < agent.wrap_until) {
    const bool any = queue == kNone || queues_[queue].options.shared_last_call;
    if (any || std::any_of(agent.wrap_ups.begin(), agent.wrap_ups.end(),
                           [&](const WrapUp& one) { return one.queue == queue && now < one.until; })) {
      why |= bit(Unavailable::wrap_up);
    }
  }
  bool room = false;
  for (const Contacts& c : agent.contacts) room = room || c.active() < c.capacity;
  if (!room) why |= bit(Unavailable::in_use);
  return why;
}

bool Router::Machine::ready(const Agent& agent, std::uint32_t queue, std::uint32_t channel, Time now) const {
  return reasons_of(agent, queue, now) == 0 && agent.free_on(channel);
}

void Router::Machine::changed(std::uint32_t number, Time now, acd::Commands& out) {
  Agent& agent = agents_[number];
  std::optional<Time> due;
  for (const WrapUp& one : agent.wrap_ups) {
    if (now < one.until && (!due || one.until < *due)) due = one.until;
  }
  if (now < agent.delay_until && (!due || agent.delay_until < *due)) due = agent.delay_until;
  agent_timers_.set(number, number, due);
  reindex(number, now);

  const AgentState state = state_of(agent, now);
  const int contacts = agent.active();
  if (state == agent.told && contacts == agent.told_contacts && agent.reason == agent.told_reason) return;
  if (state != agent.told) agent.since = now;
  agent.told = state;
  agent.told_contacts = contacts;
  agent.told_reason = agent.reason;
  out.emplace_back(acd::AgentChanged{agent.options.id, state, contacts, agent.reason});
}

void Router::Machine::reindex(std::uint32_t number, Time now) {
  const Agent& agent = agents_[number];
  // What holds for all queues, those left out whose own calls alone count.
  const Reasons all = reasons_of(agent, kNone, now);
  const bool logged_in = agent.known && agent.asked != AgentState::offline;
  const int capacity = capacity_at_work(agent);
  for (const Membership& at : agent.memberships) {
    Queue& queue = queues_[at.queue];
    if (queue.stale) continue;
    Member& member = queue.members[at.member];
    const Reasons why = queue.options.shared_last_call ? all : reasons_of(agent, at.queue, now);
    if (logged_in != member.logged_in) {
      member.logged_in = logged_in;
      queue.logged_in += logged_in ? 1 : -1;
      if (queue.options.tiers.apply) {
        auto level = std::upper_bound(queue.levels.begin(), queue.levels.end(), member.penalty,
                                      [](int penalty, const Level& l) { return penalty < l.penalty; });
        (--level)->logged_in += logged_in ? 1 : -1;
        mark_all(queue);
        restage_later(at.queue);
      }
    }
    if (capacity != member.capacity) {
      queue.capacity += capacity - member.capacity;
      member.capacity = capacity;
    }
    if (const bool free = why == 0; free != member.free) {
      member.free = free;
      queue.free += free ? 1 : -1;
      if (free && queue.called_back > 0) mark_all(queue);  // one more may be called back
    }
    if (const bool blocks = (why & queue.join_empty) != 0; blocks != member.blocks_join) {
      member.blocks_join = blocks;
      queue.blocking_join += blocks ? 1 : -1;
    }
    if (const bool blocks = (why & queue.leave_empty) != 0; blocks != member.blocks_leave) {
      member.blocks_leave = blocks;
      queue.blocking_leave += blocks ? 1 : -1;
    }
    if (queue.blocking_leave == static_cast<int>(queue.members.size()) ||
        (queue.leave_empty & kReasonsOfTheCaller) != 0) {
      look_at(at.queue);
    }
    if (!queue.skips.empty()) note_who_is_there(at.queue, at.member, why);
    for (Pool& pool : queue.pools) {
      const std::uint32_t slot = pool.slot(at.member);
      if (slot == kNone) continue;
      const std::int64_t key = why == 0 ? key_of(queue, pool, agent) : MinTree::kNone;
      const std::int64_t before = pool.tree.key(slot);
      if (key == before) continue;
      pool.tree.set(slot, key);
      if (before == MinTree::kNone) {
        for (const std::uint32_t lane : pool.lanes) mark(lane);
      }
    }
  }
  for (const std::uint32_t lane : agent.lanes) {
    mark(lane);
    look_at(lanes_[lane].queue);
  }
}

// As reindex() would have it: who rings is not to be found, and was before. Many telephones of a ring do so
// at once.
void Router::Machine::begin_ringing(std::uint32_t number, std::uint32_t offer, Time now) {
  Agent& agent = agents_[number];
  agent.ringing = offer;
  bool all = !agent.lanes.empty();
  for (const Membership& at : agent.memberships) {
    Queue& queue = queues_[at.queue];
    if (queue.stale) continue;
    // Where somebody gives up or goes on for it, more is to be looked at.
    all = all || queue.heeds_ringing;
    Member& member = queue.members[at.member];
    if (!member.free) continue;
    member.free = false;
    --queue.free;
    for (Pool& pool : queue.pools) {
      if (const std::uint32_t slot = pool.slot(at.member); slot != kNone) pool.tree.set(slot, MinTree::kNone);
    }
  }
  if (all) reindex(number, now);
}

// The agent has gone or is busy otherwise: whoever rang there is offered to somebody else at once.
void Router::Machine::withdraw_from(std::uint32_t number, Time now, acd::Commands& out) {
  Agent& agent = agents_[number];
  if (agent.ringing == kNone) return;
  const std::uint32_t offer = agent.ringing;
  const std::uint32_t entry = offers_[offer].entry;
  out.push_back(acd::Withdraw{offers_[offer].id, "agent away"});
  end_offer(offer, now);
  failed(entry, number, true, now, out);
}

// What rings there would be one too many.
void Router::Machine::withdraw_if_full(std::uint32_t number, Time now, acd::Commands& out) {
  const Agent& agent = agents_[number];
  if (agent.ringing != kNone && !agent.free_on(offers_[agent.ringing].channel))
    withdraw_from(number, now, out);
}

void Router::Machine::handle(const acd::AgentSet& event, Time now, acd::Commands& out) {
  if (!Router::check(event.agent).ok()) return;
  const std::uint32_t number = agent_number(event.agent.id);
  Agent& agent = agents_[number];
  const bool added = !agent.known;
  const bool same_place = !added && agent.options.skills == event.agent.skills &&
                          agent.options.department == event.agent.department;
  if (added || (agent.options.uri != event.agent.uri && !event.agent.uri.empty())) {
    agent.reachable = !event.agent.uri.empty();
  }
  if (added) agent.since = now;
  agent.known = true;
  agent.options = event.agent;
  agent.skills = needs_of(event.agent.skills);
  for (Contacts& c : agent.contacts) c.capacity = 0;
  for (const auto& [channel, capacity] : event.agent.capacity) {
    const std::uint32_t c = channel_number(channel);
    auto at = std::find_if(agent.contacts.begin(), agent.contacts.end(),
                           [c](const Contacts& one) { return one.channel == c; });
    if (at == agent.contacts.end()) at = agent.contacts.insert(at, Contacts{c});
    at->capacity = capacity;
  }
  withdraw_if_full(number, now, out);
  if (!same_place) {
    for (std::uint32_t q = 0; q < queues_.size(); ++q) {
      if (queues_[q].known && queues_[q].options.members.empty()) make_stale(q);
    }
    for (const Membership& at : agent.memberships) make_stale(at.queue);
  }
  changed(number, now, out);
}

void Router::Machine::handle(const acd::AgentRemoved& event, Time now, acd::Commands& out) {
  const std::uint32_t number = find_agent(event.agent);
  if (number == kNone || !agents_[number].known) return;
  Agent& agent = agents_[number];
  agent.known = false;
  agent.asked = AgentState::offline;
  agent.reason.clear();
  agent.reachable = false;
  agent.wrap_until = agent.delay_until = agent.last_end = Time{};
  agent.wrap_ups.clear();
  agent.misses = agent.calls = 0;
  agent.talk = Micros{0};
  agent.served.clear();
  for (const Membership& at : agent.memberships) {
    if (queues_[at.queue].options.members.empty()) make_stale(at.queue);
  }
  withdraw_from(number, now, out);
  agent_away(number, now);
  changed(number, now, out);
}

void Router::Machine::handle(const acd::AgentStatus& event, Time now, acd::Commands& out) {
  const std::uint32_t number = find_agent(event.agent);
  if (number == kNone || !agents_[number].known || event.state == AgentState::on_call) return;
  Agent& agent = agents_[number];
  agent.asked = event.state;
  agent.reason = event.reason;
  if (event.state == AgentState::available) {  // the agent is there: what was assumed of it is over
    agent.wrap_until = agent.delay_until = now;
    agent.wrap_ups.clear();
    agent.misses = 0;
  } else {
    withdraw_from(number, now, out);
    agent_away(number, now);
  }
  changed(number, now, out);
}

void Router::Machine::handle(const acd::AgentReachable& event, Time now, acd::Commands& out) {
  const std::uint32_t number = find_agent(event.agent);
  if (number == kNone || !agents_[number].known) return;
  agents_[number].reachable = event.reachable;
  if (!event.reachable) {
    withdraw_from(number, now, out);
    agent_away(number, now);
  }
  changed(number, now, out);
}

void Router::Machine::handle(const acd::AgentBusy& event, Time now, acd::Commands& out) {
  const std::uint32_t number = find_agent(event.agent);
  if (number == kNone || !agents_[number].known) return;
  const std::uint32_t channel = channel_number(event.channel);
  Agent& agent = agents_[number];
  auto at = std::find_if(agent.contacts.begin(), agent.contacts.end(),
                         [channel](const Contacts& one) { return one.channel == channel; });
  if (at == agent.contacts.end()) at = agent.contacts.insert(at, Contacts{channel});
  at->outside =
      std::clamp(at->outside + std::clamp(event.contacts, -kMaxContacts, kMaxContacts), 0, kMaxContacts);
  withdraw_if_full(number, now, out);
  changed(number, now, out);
}

void Router::Machine::wake_agents(Time now, acd::Commands& out) {
  while (const auto number = agent_timers_.pop(now)) changed(*number, now, out);
}

}  // namespace ivr

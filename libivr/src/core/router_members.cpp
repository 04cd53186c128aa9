#include <algorithm>

#include "core/router_machine.hpp"

// Who may serve a queue: its members, and those of them who have what some callers need, in the order of the
// strategy.

namespace ivr {

using namespace routing;

namespace {

constexpr std::size_t kMaxMissing = 250;

bool has(const Needs& skills, const Need& need) {
  const auto at = std::lower_bound(skills.begin(), skills.end(), Need{need.skill, need.level});
  return at != skills.end() && at->skill == need.skill;  // of one skill there is one, so its level is enough
}

// The level in a skill, or below all levels.
int level_of(const Needs& skills, std::uint32_t skill) {
  const auto at =
      std::lower_bound(skills.begin(), skills.end(), Need{skill, std::numeric_limits<int>::min()});
  return at != skills.end() && at->skill == skill ? at->level : std::numeric_limits<int>::min();
}

// Whether an agent with these skills meets the condition from its step `at` on, and with which sum of levels:
// of `any` of the best part. `below` counts nothing.
std::optional<std::int64_t> levels_of(const Needs& skills, const Condition& condition, std::uint32_t at = 0) {
  using Kind = SkillExpression::Term::Kind;
  const Condition::Step& step = condition.steps[at];
  std::optional<std::int64_t> best;
  std::int64_t sum = 0;
  switch (step.kind) {
    case Kind::least:
      if (const int level = level_of(skills, step.need.skill); level >= step.need.level) return level;
      return std::nullopt;
    case Kind::below:
      if (level_of(skills, step.need.skill) < step.need.level) return 0;
      return std::nullopt;
    case Kind::all:
    case Kind::any: break;
  }
  for (std::uint32_t part = at + 1; part < step.end; part = condition.steps[part].end) {
    const auto levels = levels_of(skills, condition, part);
    if (step.kind == Kind::all && !levels) return std::nullopt;
    if (levels) {
      sum += *levels;
      best = std::max(best.value_or(*levels), *levels);
    }
  }
  return step.kind == Kind::all ? sum : best;
}

bool has_all(const Needs& skills, const Required& required) {
  return std::all_of(required.needs.begin(), required.needs.end(),
                     [&](const Need& need) { return has(skills, need); }) &&
         std::all_of(required.conditions.begin(), required.conditions.end(),
                     [&](const Condition& condition) { return levels_of(skills, condition).has_value(); });
}

Needs both(const Needs& a, const Needs& b) {
  if (b.empty()) return a;
  if (a.empty()) return b;
  Needs all = a;
  for (const Need& need : b) {
    auto at = std::find_if(all.begin(), all.end(), [&](const Need& n) { return n.skill == need.skill; });
    if (at == all.end()) {
      all.push_back(need);
    } else {
      at->level = std::max(at->level, need.level);
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

Required both(const Required& a, const Needs& needs, const std::vector<Condition>& conditions) {
  Required all{both(a.needs, needs), a.conditions};
  if (conditions.empty()) return all;
  all.conditions.insert(all.conditions.end(), conditions.begin(), conditions.end());
  std::sort(all.conditions.begin(), all.conditions.end(),
            [](const Condition& one, const Condition& other) { return one.steps < other.steps; });
  all.conditions.erase(std::unique(all.conditions.begin(), all.conditions.end()), all.conditions.end());
  return all;
}

Reasons set_of(const std::vector<Unavailable>& list) {
  Reasons all = 0;
  for (const Unavailable why : list) all |= bit(why);
  return all;
}

// Members of one penalty side by side, as they are offered.
template <class T>
bool in_order(const T& a, const T& b) {
  if (a.penalty != b.penalty) return a.penalty < b.penalty;
  return a.position != b.position ? a.position < b.position : a.order < b.order;
}

}  // namespace

void Router::Machine::set_up(Queue& queue) {
  const QueueOptions& options = queue.options;
  queue.strategy = *strategy_of(options.strategy);
  queue.required = required_of(options.required);
  queue.preferred = needs_of(options.preferred);
  queue.step_required.clear();
  for (const QueueStep& step : options.steps) {
    queue.step_required.push_back(step.required ? required_of(*step.required) : queue.required);
  }
  queue.skips.clear();
  queue.step_skips.clear();
  for (const QueueStep& step : options.steps) {
    const Reasons skip = set_of(step.skip_if);
    const auto at = std::find(queue.skips.begin(), queue.skips.end(), skip);
    queue.step_skips.push_back(skip == 0 ? -1 : static_cast<int>(at - queue.skips.begin()));
    if (skip != 0 && at == queue.skips.end()) queue.skips.push_back(skip);
  }
  queue.join_empty = set_of(options.join_empty);
  queue.leave_empty = set_of(options.leave_empty);
  queue.heeds_ringing = queue.join_empty != 0 || queue.leave_empty != 0 || !queue.skips.empty();
  // Members have their numbers from now on, known as agents or not: what is saved does not depend on when
  // they are looked at first.
  for (const QueueMember& member : options.members) agent_number(member.agent);
}

void Router::Machine::build_members(std::uint32_t number) {
  Queue& queue = queues_[number];
  const QueueOptions& options = queue.options;
  for (const Member& member : queue.members) {
    std::erase_if(agents_[member.agent].memberships,
                  [number](const Membership& at) { return at.queue == number; });
  }
  queue.members.clear();
  if (options.members.empty()) {
    std::vector<std::uint32_t> all;
    for (std::uint32_t a = 0; a < agents_.size(); ++a) {
      const Agent& agent = agents_[a];
      if (!agent.known || (!options.department.empty() && agent.options.department != options.department)) {
        continue;
      }
      // Whoever one of the rings would take is a member from the start.
      bool takes = has_all(agent.skills, queue.required);
      for (const Required& one : queue.step_required) takes = takes || has_all(agent.skills, one);
      if (takes) all.push_back(a);
    }
    std::sort(all.begin(), all.end(), [this](std::uint32_t a, std::uint32_t b) {
      return agents_[a].options.id < agents_[b].options.id;
    });
    for (const std::uint32_t a : all) {
      queue.members.push_back({.agent = a, .order = static_cast<std::uint32_t>(queue.members.size())});
    }
  } else {
    for (const QueueMember& m : options.members) {
      queue.members.push_back({.agent = agent_number(m.agent),
                               .penalty = m.penalty,
                               .position = m.position,
                               .order = static_cast<std::uint32_t>(queue.members.size())});
    }
    std::sort(queue.members.begin(), queue.members.end(), in_order<Member>);
  }

  queue.levels.clear();
  queue.logged_in = queue.blocking_join = queue.blocking_leave = queue.capacity = queue.free = 0;
  for (std::uint32_t i = 0; i < queue.members.size(); ++i) {
    const Member& member = queue.members[i];
    agents_[member.agent].memberships.push_back({number, i});
    if (queue.levels.empty() || queue.levels.back().penalty != member.penalty) {
      queue.levels.push_back({member.penalty, i, i});
    }
    ++queue.levels.back().end;
  }
}

// A round goes on where it was although the list is another: after the nearest one before who is still on it.
void Router::Machine::keep_round(Queue& queue, const QueueOptions& next) {
  if (queue.last_offered.empty() || queue.options.members.empty() || next.members.empty()) return;
  struct Place {
    std::uint32_t agent = 0;
    int penalty = 0, position = 0;
    std::uint32_t order = 0;
  };
  std::vector<Place> before;
  for (const QueueMember& m : queue.options.members) {
    before.push_back(
        {agent_number(m.agent), m.penalty, m.position, static_cast<std::uint32_t>(before.size())});
  }
  std::sort(before.begin(), before.end(), in_order<Place>);
  absl::flat_hash_map<std::uint32_t, bool> stays;
  for (const QueueMember& m : next.members) stays[agent_number(m.agent)] = true;
  for (auto& [level, agent] : queue.last_offered) {
    const std::uint32_t last = agent;
    auto at = std::find_if(before.begin(), before.end(), [last](const Place& p) { return p.agent == last; });
    if (at == before.end()) continue;
    while (at != before.begin() && !stays.contains(at->agent)) --at;
    agent = at->agent;
  }
}

void Router::Machine::build(std::uint32_t number, Time now) {
  Queue& queue = queues_[number];
  queue.stale = false;
  for (const Line::Place& place : queue.waiting) out_of_lane(place.slot);
  for (const auto& [key, lane] : queue.lanes) {
    if (key.only != kNone) std::erase(agents_[key.only].lanes, lane);
    if (lanes_[lane].dirty) std::erase(dirty_, lane);
    lanes_.remove(lane);
  }
  queue.lanes.clear();
  queue.pools.clear();
  queue.pool_of.clear();
  queue.plain_pools.clear();
  if (queue.known) {
    build_members(number);
  } else {
    for (const Member& member : queue.members) {
      std::erase_if(agents_[member.agent].memberships,
                    [number](const Membership& at) { return at.queue == number; });
    }
    queue.members.clear();
    queue.levels.clear();
    queue.logged_in = queue.blocking_join = queue.blocking_leave = queue.capacity = queue.free = 0;
  }
  for (std::uint32_t i = 0; i < queue.members.size(); ++i) {
    Member& member = queue.members[i];
    const Agent& agent = agents_[member.agent];
    const Reasons why = reasons_of(agent, number, now);
    member.logged_in = agent.known && agent.asked != AgentState::offline;
    member.blocks_join = (why & queue.join_empty) != 0;
    member.blocks_leave = (why & queue.leave_empty) != 0;
    member.capacity = capacity_at_work(agent);
    queue.logged_in += member.logged_in;
    queue.capacity += member.capacity;
    member.free = why == 0;
    queue.free += member.free;
    queue.blocking_join += member.blocks_join;
    queue.blocking_leave += member.blocks_leave;
  }
  for (Level& level : queue.levels) {
    level.logged_in = 0;
    for (std::uint32_t i = level.begin; i < level.end; ++i) level.logged_in += queue.members[i].logged_in;
  }
  for (const Line::Place& place : queue.waiting) into_lane(place.slot, now);
  look_at(number);
}

// What the strategy compares: the lower is offered first.
std::int64_t Router::Machine::measure_of(const Queue& queue, const Pool& pool, const Agent& agent) const {
  const auto work = [&] {
    return queue.options.shared_last_call ? Served{0, agent.last_end, agent.calls, agent.talk}
                                          : agent.of_queue(pool.queue);
  };
  const Contacts* contacts = agent.on(pool.key.channel);
  switch (queue.strategy) {
    case Strategy::ring_all:
    case Strategy::ring_progressively:
    case Strategy::round_robin:
    case Strategy::sequential:
    case Strategy::random:
    case Strategy::weighted_random: return 0;
    case Strategy::longest_idle: return work().last_end.time_since_epoch().count();
    case Strategy::fewest_calls: return work().calls;
    case Strategy::least_talk_time: return work().talk.count();
    case Strategy::skills_based: {
      std::int64_t level = 0;
      for (const Need& need : pool.key.required.needs) {
        const auto at = std::lower_bound(agent.skills.begin(), agent.skills.end(), Need{need.skill, 0});
        if (at != agent.skills.end() && at->skill == need.skill) level += at->level;
      }
      for (const Condition& condition : pool.key.required.conditions) {
        level += levels_of(agent.skills, condition).value_or(0);
      }
      return kMostLevels - level;
    }
    // Shares of small numbers that differ at all differ by more than 2^-40 of this.
    case Strategy::load_balanced:
      if (!contacts || contacts->capacity == 0) return 0;
      return (static_cast<std::int64_t>(contacts->active()) << 40) / contacts->capacity;
    case Strategy::least_busy: return contacts ? contacts->active() : 0;
    case Strategy::priority: return std::numeric_limits<int>::max() - std::int64_t{agent.options.score};
  }
  return 0;
}

std::int64_t Router::Machine::key_of(const Queue& queue, const Pool& pool, const Agent& agent) const {
  if (!agent.free_on(pool.key.channel)) return MinTree::kNone;
  const std::int64_t measure = std::clamp<std::int64_t>(measure_of(queue, pool, agent), 0, kMeasureMask);
  std::size_t missing = 0;
  for (const Need& need : pool.key.preferred) missing += !has(agent.skills, need);
  return (static_cast<std::int64_t>(std::min(missing, kMaxMissing)) * (kMeasureMask + 1)) + measure;
}

void Router::Machine::build_pool(std::uint32_t number, Pool& pool, Time now) {
  Queue& queue = queues_[number];
  pool.whole = pool.key.required.empty();
  if (!pool.key.required.conditions.empty()) pool.asked = names_of(pool.key.required).text();
  pool.members.clear();
  pool.slots.assign(pool.whole ? 0 : queue.members.size(), kNone);
  pool.levels.clear();
  std::vector<std::int64_t> keys;
  std::vector<std::vector<std::int64_t>> there(queue.skips.size());
  for (std::uint32_t i = 0; i < queue.members.size(); ++i) {
    const Member& member = queue.members[i];
    const Agent& agent = agents_[member.agent];
    if (!pool.whole) {
      if (!has_all(agent.skills, pool.key.required)) continue;
      pool.slots[i] = static_cast<std::uint32_t>(keys.size());
      pool.members.push_back(i);
    }
    const std::uint32_t slot = static_cast<std::uint32_t>(keys.size());
    if (pool.levels.empty() || pool.levels.back().penalty != member.penalty) {
      pool.levels.push_back({member.penalty, slot, slot});
    }
    ++pool.levels.back().end;
    const Reasons why = reasons_of(agent, number, now);
    keys.push_back(why == 0 ? key_of(queue, pool, agent) : MinTree::kNone);
    for (std::size_t skip = 0; skip < there.size(); ++skip) {
      there[skip].push_back(is_there(pool, agent, why, queue.skips[skip]) ? 0 : MinTree::kNone);
    }
  }
  pool.tree.assign(keys);
  pool.there.resize(there.size());
  for (std::size_t skip = 0; skip < there.size(); ++skip) pool.there[skip].assign(there[skip]);
}

// Whether a step that is skipped for some reasons counts the agent, who has those of `why`.
bool Router::Machine::is_there(const Pool& pool, const Agent& agent, Reasons why, Reasons skip) const {
  const Contacts* contacts = agent.on(pool.key.channel);
  if (!agent.known || !contacts || contacts->capacity == 0) return false;
  why &= ~bit(Unavailable::in_use);  // that is of all channels
  if (contacts->active() >= contacts->capacity) why |= bit(Unavailable::in_use);
  return (why & skip) == 0;
}

std::uint32_t Router::Machine::pool_for(std::uint32_t number, const Entry& entry, int step, Time now) {
  Queue& queue = queues_[number];
  const bool plain = entry.required.empty() && entry.preferred.empty() && entry.conditions.empty();
  if (plain) {
    for (const Queue::Plain& known : queue.plain_pools) {
      if (known.step == step && known.channel == entry.channel) return known.pool;
    }
  }
  const Required* required = &queue.required;
  bool preferred = true;
  for (int i = 0; i < step; ++i) {
    const QueueStep& one = queue.options.steps[static_cast<std::size_t>(i)];
    if (one.required) required = &queue.step_required[static_cast<std::size_t>(i)];
    if (one.drop_preferred) preferred = false;
  }
  PoolKey key{entry.channel, both(*required, entry.required, entry.conditions),
              preferred ? both(queue.preferred, entry.preferred) : Needs{}};
  const auto [at, added] = queue.pool_of.try_emplace(key, static_cast<std::uint32_t>(queue.pools.size()));
  if (added) {
    queue.pools.emplace_back().key = std::move(key);
    queue.pools.back().queue = number;
    build_pool(number, queue.pools.back(), now);
  }
  if (plain) queue.plain_pools.push_back({entry.channel, at->second, step});
  return at->second;
}

}  // namespace ivr

#include <algorithm>
#include <cmath>

#include "core/router_machine.hpp"

// Queues: who may serve them, who waits in which order, and how a caller comes and goes.

namespace ivr {

using namespace routing;

namespace {

constexpr std::int64_t kMetricBits = 55;  // of a key; above it, how many preferred skills are missing
constexpr std::size_t kMaxMissing = 250;
constexpr std::size_t kManyPools = 64;

bool has(const Needs& skills, const Need& need) {
  const auto at = std::lower_bound(skills.begin(), skills.end(), Need{need.skill, need.level});
  return at != skills.end() && at->skill == need.skill;  // of one skill there is one, so its level is enough
}

bool has_all(const Needs& skills, const Needs& needs) {
  return std::all_of(needs.begin(), needs.end(), [&](const Need& need) { return has(skills, need); });
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

// A caller who is there in body: neither waiting for a callback nor being called.
bool on_the_line(const Entry& entry) { return !entry.absent; }

}  // namespace

Queue* Router::Machine::find_queue(const std::string& id) {
  const auto at = queue_of_.find(id);
  return at == queue_of_.end() || !queues_[at->second].known ? nullptr : &queues_[at->second];
}

void Router::Machine::make_stale(std::uint32_t number) { queues_[number].stale = any_stale_ = true; }

// Whether somebody should give up waiting there is looked at when the step has ended.
void Router::Machine::look_at(std::uint32_t number) {
  Queue& queue = queues_[number];
  if (queue.look || queue.waiting.empty()) return;
  queue.look = true;
  looks_.push_back(number);
}

void Router::Machine::set_up(Queue& queue) {
  const QueueOptions& options = queue.options;
  queue.strategy = *strategy_of(options.strategy);
  queue.required = needs_of(options.required);
  queue.preferred = needs_of(options.preferred);
  queue.step_required.clear();
  for (const QueueStep& step : options.steps) {
    queue.step_required.push_back(step.required ? needs_of(*step.required) : queue.required);
  }
  queue.join_empty = set_of(options.join_empty);
  queue.leave_empty = set_of(options.leave_empty);
  // Members have their numbers from now on, known as agents or not: what is saved does not depend on when
  // they are looked at first.
  for (const QueueMember& member : options.members) agent_number(member.agent);
}

void Router::Machine::mark(std::uint32_t number) {
  Lane& lane = lanes_[number];
  if (lane.dirty || lane.open.empty()) return;
  lane.dirty = true;
  dirty_.push_back(number);
}

void Router::Machine::mark_all(Queue& queue) {
  for (const auto& [key, lane] : queue.lanes) mark(lane);  // the order of dirty lanes decides nothing
}

// ------------------------------------------------------------------------------------------ members

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
      for (const Needs& needs : queue.step_required) takes = takes || has_all(agent.skills, needs);
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

std::int64_t Router::Machine::key_of(const Queue& queue, const Pool& pool, const Agent& agent) const {
  const Contacts* contacts = agent.on(pool.key.channel);
  if (!contacts || contacts->active() >= contacts->capacity) return MinTree::kNone;
  Served work{0, agent.last_end, agent.calls, agent.talk};
  if (!queue.options.shared_last_call) work = agent.of_queue(pool.queue);
  std::int64_t metric = 0;
  switch (queue.strategy) {
    case Strategy::ring_all:
    case Strategy::ring_progressively:
    case Strategy::round_robin:
    case Strategy::sequential:
    case Strategy::random:
    case Strategy::weighted_random: break;
    case Strategy::longest_idle: metric = work.last_end.time_since_epoch().count(); break;
    case Strategy::fewest_calls: metric = work.calls; break;
    case Strategy::least_talk_time: metric = work.talk.count(); break;
    case Strategy::skills_based:
      metric = std::int64_t{1} << 40;
      for (const Need& need : pool.key.required) {
        const auto at = std::lower_bound(agent.skills.begin(), agent.skills.end(), Need{need.skill, 0});
        metric -= at->level;
      }
      break;
    // Shares of small numbers that differ at all differ by more than 2^-40 of this.
    case Strategy::load_balanced:
      metric = (static_cast<std::int64_t>(contacts->active()) << 40) / contacts->capacity;
      break;
    case Strategy::least_busy: metric = contacts->active(); break;
    case Strategy::priority:
      metric = std::numeric_limits<int>::max() - std::int64_t{agent.options.score};
      break;
  }
  metric = std::clamp<std::int64_t>(metric, 0, (std::int64_t{1} << kMetricBits) - 1);
  std::size_t missing = 0;
  for (const Need& need : pool.key.preferred) missing += !has(agent.skills, need);
  return (static_cast<std::int64_t>(std::min(missing, kMaxMissing)) << kMetricBits) + metric;
}

void Router::Machine::build_pool(std::uint32_t number, Pool& pool, Time now) {
  Queue& queue = queues_[number];
  pool.whole = pool.key.required.empty();
  pool.members.clear();
  pool.levels.clear();
  std::vector<std::int64_t> keys;
  for (std::uint32_t i = 0; i < queue.members.size(); ++i) {
    const Member& member = queue.members[i];
    const Agent& agent = agents_[member.agent];
    if (!pool.whole) {
      if (!has_all(agent.skills, pool.key.required)) continue;
      pool.members.push_back(i);
    }
    const std::uint32_t slot = static_cast<std::uint32_t>(keys.size());
    if (pool.levels.empty() || pool.levels.back().penalty != member.penalty) {
      pool.levels.push_back({member.penalty, slot, slot});
    }
    ++pool.levels.back().end;
    keys.push_back(reasons_of(agent, number, now) == 0 ? key_of(queue, pool, agent) : MinTree::kNone);
  }
  pool.tree.assign(keys);
}

std::uint32_t Router::Machine::pool_for(std::uint32_t number, const Entry& entry, int step, Time now) {
  Queue& queue = queues_[number];
  const bool plain = entry.required.empty() && entry.preferred.empty();
  if (plain) {
    for (const Queue::Plain& known : queue.plain_pools) {
      if (known.step == step && known.channel == entry.channel) return known.pool;
    }
  }
  const Needs* required = &queue.required;
  bool preferred = true;
  for (int i = 0; i < step; ++i) {
    const QueueStep& one = queue.options.steps[static_cast<std::size_t>(i)];
    if (one.required) required = &queue.step_required[static_cast<std::size_t>(i)];
    if (one.drop_preferred) preferred = false;
  }
  PoolKey key{entry.channel, both(*required, entry.required),
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

// ---------------------------------------------------------------------------------- the waiting line

void Router::Machine::move_order(Entry& entry) const {
  if (entry.first_place) {
    entry.order = std::numeric_limits<std::int64_t>::min();
    return;
  }
  // All grow older at the same speed, so their order does not change with time: the score in millionths of a
  // point, without the part that all have.
  const double age = queues_[entry.queue].options.age_score;
  const auto since = static_cast<double>(entry.age_from.time_since_epoch().count());
  entry.order = std::llround(age * since) - std::int64_t{entry.priority} * 1'000'000'000;
}

void Router::Machine::stage(const Entry& entry, Time now, int& step, int& tier) const {
  const QueueOptions& options = queues_[entry.queue].options;
  const Micros waited = now - entry.in_queue;
  step = 0;
  while (step < static_cast<int>(options.steps.size()) &&
         options.steps[static_cast<std::size_t>(step)].after <= waited) {
    ++step;
  }
  tier = 0;
  if (!options.tiers.apply) return;
  const auto last = static_cast<std::int64_t>(queues_[entry.queue].levels.size());
  if (options.tiers.wait <= 0ms) {
    tier = static_cast<int>(last);
  } else {
    tier = static_cast<int>(std::min<std::int64_t>(waited / options.tiers.wait, last));
    if (!options.tiers.multiply_by_level && tier > 0) tier = static_cast<int>(last);
  }
}

void Router::Machine::into_lane(std::uint32_t number, Time now) {
  Entry& entry = entries_[number];
  const std::uint32_t q = entry.queue;
  stage(entry, now, entry.step, entry.tier);
  LaneKey key{.step = entry.step, .tier = entry.tier, .channel = entry.channel};
  key.only = entry.direct ? entry.wanted : entry.sticky;
  if (key.only == kNone) {
    key.pool = pool_for(q, entry, entry.step, now);
  } else {
    key.step = key.tier = 0;
  }
  Queue& queue = queues_[q];
  const auto [at, added] = queue.lanes.try_emplace(key, kNone);
  if (added) {
    at->second = lanes_.add();
    Lane& lane = lanes_[at->second];
    lane.key = key;
    lane.queue = q;
    (key.only == kNone ? queue.pools[key.pool].lanes : agents_[key.only].lanes).push_back(at->second);
  }
  entry.lane = at->second;
  ++lanes_[entry.lane].callers;
  if (entry.state == EntryState::open) open(number);
}

void Router::Machine::out_of_lane(std::uint32_t number) {
  Entry& entry = entries_[number];
  if (entry.lane == kNone) return;
  Lane& lane = lanes_[entry.lane];
  lane.open.erase(entry.place(number));
  const std::uint32_t left = std::exchange(entry.lane, kNone);
  if (--lane.callers > 0 || lane.key.only == kNone) return;
  std::erase(agents_[lane.key.only].lanes, left);
  queues_[lane.queue].lanes.erase(lane.key);
  if (lane.dirty) std::erase(dirty_, left);
  lanes_.remove(left);
}

void Router::Machine::open(std::uint32_t number) {
  Entry& entry = entries_[number];
  entry.state = EntryState::open;
  lanes_[entry.lane].open.insert(entry.place(number));
  mark(entry.lane);
}

void Router::Machine::close(std::uint32_t number) {
  Entry& entry = entries_[number];
  lanes_[entry.lane].open.erase(entry.place(number));
}

void Router::Machine::enter(std::uint32_t number, std::uint32_t queue, Time now) {
  Entry& entry = entries_[number];
  entry.queue = queue;
  entry.in_queue = now;
  move_order(entry);
  queues_[queue].waiting.insert(entry.place(number));
  // Pools of needs that nobody has any more are let go, now and then.
  if (queues_[queue].pools.size() > kManyPools + 2 * queues_[queue].waiting.size()) make_stale(queue);
  if (queues_[queue].stale) {
    build(queue, now);
  } else {
    into_lane(number, now);
    // Who comes may have nobody to wait for: all were tried before the move, or are away.
    const QueueOptions& options = queues_[queue].options;
    if ((options.once && !entry.tried.empty()) || !options.leave_empty.empty() || entry.direct)
      look_at(queue);
  }
}

void Router::Machine::set_timer(std::uint32_t number) {
  const Entry& entry = entries_[number];
  std::optional<Time> due;
  const auto at = [&due](Time t) { due = due ? std::min(*due, t) : t; };
  if (entry.state != EntryState::talking && entry.queue != kNone) {
    const Queue& queue = queues_[entry.queue];
    const QueueOptions& options = queue.options;
    if (entry.state == EntryState::retry || entry.state == EntryState::call_later) at(entry.retry_at);
    if (on_the_line(entry)) {
      if (options.max_wait > 0ms) at(entry.in_queue + options.max_wait);
      if (entry.announce_at != Time{}) at(entry.announce_at);
      if (entry.periodic_at != Time{}) at(entry.periodic_at);
    }
    if (entry.sticky != kNone) at(entry.sticky_until);
    if (entry.state == EntryState::offered && queue.strategy == Strategy::ring_progressively) {
      at(entry.ring_next);
    }
    if (entry.step < static_cast<int>(options.steps.size())) {
      at(entry.in_queue + options.steps[static_cast<std::size_t>(entry.step)].after);
    }
    if (options.tiers.apply && entry.tier < static_cast<int>(queue.levels.size())) {
      at(entry.in_queue + options.tiers.wait * (entry.tier + 1));
    }
  }
  entry_timers_.set(number, entry.id, due);
}

void Router::Machine::entry_due(std::uint32_t number, Time now, acd::Commands& out) {
  Entry& entry = entries_[number];
  Queue& queue = queues_[entry.queue];
  if (on_the_line(entry) && queue.options.max_wait > 0ms && now >= entry.in_queue + queue.options.max_wait) {
    leave(number, acd::Exit::timeout, now, out);
    return;
  }
  if ((entry.state == EntryState::retry || entry.state == EntryState::call_later) && now >= entry.retry_at) {
    open(number);
  }
  int step = 0, tier = 0;
  stage(entry, now, step, tier);
  const bool waited_enough = entry.sticky != kNone && now >= entry.sticky_until;
  if (waited_enough || step != entry.step || tier != entry.tier) {
    out_of_lane(number);
    if (waited_enough) entry.sticky = kNone;
    into_lane(number, now);
    if ((queue.leave_empty & kReasonsOfTheCaller) != 0) look_at(entry.queue);
  }
  if (entry.state == EntryState::offered && queue.strategy == Strategy::ring_progressively &&
      now >= entry.ring_next) {
    entry.ring_next = now + queue.options.ring_progressively;
    rings_more_.push_back(entry.id);
  }
  if (on_the_line(entry)) announce(number, now, out);
  set_timer(number);
}

void Router::Machine::agent_away(std::uint32_t number, Time now) {
  const std::vector<std::uint32_t> lanes = agents_[number].lanes;
  for (const std::uint32_t lane : lanes) {
    std::vector<std::uint32_t> waiting;
    for (const Line::Place& place : lanes_[lane].open) waiting.push_back(place.slot);
    for (const std::uint32_t entry : waiting) {
      if (entries_[entry].direct) continue;
      out_of_lane(entry);
      entries_[entry].sticky = kNone;
      into_lane(entry, now);
      set_timer(entry);
    }
  }
  for (const Membership& at : agents_[number].memberships) {
    if (queues_[at.queue].options.once) look_at(at.queue);
  }
}

// ---------------------------------------------------------------------------------- coming and going

// Whether every agent who could ever take this caller is in one of the `reasons`.
bool Router::Machine::all_in(std::uint32_t number, const Entry& entry, Reasons reasons, Time now) {
  const Queue& queue = queues_[number];
  if (reasons == 0) return false;
  if (entry.direct) return (reasons_of(agents_[entry.wanted], number, now) & reasons) != 0;
  const auto blocking = reasons == queue.join_empty ? queue.blocking_join : queue.blocking_leave;
  if (blocking == static_cast<int>(queue.members.size())) return true;
  if ((reasons & kReasonsOfTheCaller) == 0 || entry.sticky != kNone) return false;
  const Lane& lane = lanes_[entry.lane];
  return std::all_of(queue.members.begin(), queue.members.end(), [&](const Member& member) {
    return (reasons_for(entry, lane, member, now) & reasons) != 0;
  });
}

void Router::Machine::look_for_empty(std::uint32_t number, Time now, acd::Commands& out) {
  Queue& queue = queues_[number];
  queue.look = false;
  if (queue.waiting.empty()) return;
  if (queue.stale) build(number, now);
  queue.look = false;
  constexpr Reasons kAway = bit(Unavailable::unknown) | bit(Unavailable::offline) | bit(Unavailable::paused) |
                            bit(Unavailable::unreachable) | bit(Unavailable::unskilled) |
                            bit(Unavailable::tried);
  std::vector<std::uint32_t> waiting;
  for (const Line::Place& place : queue.waiting) waiting.push_back(place.slot);
  for (const std::uint32_t slot : waiting) {
    const Entry& entry = entries_[slot];
    if (!entry.offers.empty() || !on_the_line(entry)) continue;
    bool gone = all_in(number, entry, queue.leave_empty, now);
    if (!gone && queue.options.once && !entry.tried.empty() && entry.sticky == kNone) {
      const Lane& lane = lanes_[entry.lane];
      gone =
          entry.direct || std::all_of(queue.members.begin(), queue.members.end(), [&](const Member& member) {
            return (reasons_for(entry, lane, member, now) & kAway) != 0;
          });
    }
    if (!gone && entry.direct) gone = !agents_[entry.wanted].known;
    if (gone) leave(slot, acd::Exit::unavailable, now, out);
  }
}

void Router::Machine::count_exit(Queue& queue, acd::Exit exit, Micros waited) {
  switch (exit) {
    case acd::Exit::served: {
      ++queue.served;
      queue.waited += waited;
      queue.in_time += waited <= queue.options.service_level;
      break;
    }
    case acd::Exit::timeout: ++queue.timed_out; break;
    case acd::Exit::full:
    case acd::Exit::unavailable: ++queue.overflowed; break;
    case acd::Exit::abandoned:
      ++(waited < queue.options.short_abandon ? queue.short_abandoned : queue.abandoned);
      break;
    case acd::Exit::key:
    case acd::Exit::moved:
    case acd::Exit::callback:
    case acd::Exit::system: break;
  }
}

// Of a caller who waits. One who talks ends in end_talk().
void Router::Machine::leave(std::uint32_t number, acd::Exit exit, Time now, acd::Commands& out) {
  Entry& entry = entries_[number];
  Queue& queue = queues_[entry.queue];
  withdraw_all(number, "caller left", now, out);
  count_exit(queue, exit, now - entry.in_queue);
  const bool dropped = exit == acd::Exit::abandoned || exit == acd::Exit::system;
  if (dropped && queue.options.resume > 0ms && !entry.caller.empty() && !entry.callback) {
    keep_place(entry, false, now + queue.options.resume);
  }
  const bool call_goes_on = exit == acd::Exit::key || exit == acd::Exit::timeout ||
                            exit == acd::Exit::moved || exit == acd::Exit::unavailable;
  if (call_goes_on && !entry.callback) keep_place(entry, true, now + kPlaceOfCall);
  std::vector<std::string> tried;
  for (const std::uint32_t agent : entry.tried) tried.push_back(agents_[agent].options.id);
  out.push_back(acd::Left{entry.id, entry.call, queue.options.id, exit, "",
                          std::chrono::duration_cast<Millis>(now - entry.since), Millis{0},
                          std::move(tried)});
  erase(number);
}

void Router::Machine::erase(std::uint32_t number) {
  Entry& entry = entries_[number];
  if (entry.state != EntryState::talking) {
    Queue& queue = queues_[entry.queue];
    set_under_way(number, false);
    out_of_lane(number);
    queue.waiting.erase(entry.place(number));
    if (const auto at = call_of_.find(entry.call); at != call_of_.end() && at->second == number) {
      call_of_.erase(at);
    }
    if (!queue.options.autofill) mark_all(queue);
  }
  entry_of_.erase(entry.id);
  entry_timers_.set(number, entry.id, std::nullopt);
  entries_.remove(number);
}

void Router::Machine::handle(const acd::Join& event, Time now, acd::Commands& out) {
  if (call_of_.contains(event.call)) return;
  const EntryId id = next_entry_++;
  Queue* queue = find_queue(event.queue);
  const auto refuse = [&](acd::Exit exit) {
    if (queue) count_exit(*queue, exit, Micros{0});
    out.push_back(acd::Left{id, event.call, event.queue, exit, "", Millis{0}, Millis{0}, {}});
  };
  const std::uint32_t wanted = event.agent.empty() ? kNone : find_agent(event.agent);
  if (!queue || (event.direct && (wanted == kNone || !agents_[wanted].known))) {
    refuse(acd::Exit::unavailable);
    return;
  }
  if (queue->options.max_size > 0 &&
      queue->waiting.size() >= static_cast<std::size_t>(queue->options.max_size)) {
    refuse(acd::Exit::full);
    return;
  }
  const auto q = queue_of_.find(event.queue)->second;
  const std::uint32_t number = entries_.add();
  Entry& entry = entries_[number];
  entry.id = id;
  entry.call = event.call;
  entry.caller = event.caller;
  entry.channel = channel_number(event.channel);
  entry.priority = event.priority;
  entry.required = needs_of(event.required);
  entry.preferred = needs_of(event.preferred);
  entry.wanted = wanted;
  entry.direct = event.direct;
  entry.since = entry.first = entry.age_from = now;
  if (const auto left = take_place_of_call(event.call, now)) {
    entry.first = left->first;
    if (queue->options.age_from_system) entry.age_from = entry.first;
  }
  const std::optional<KeptPlace> kept = take_place(event.queue, event.caller, now);
  if (kept) {
    entry.age_from = kept->age_from;
    entry.priority = std::max(entry.priority, kept->priority);
  }
  if (queue->options.sticky > 0ms && wanted == kNone && !event.caller.empty()) {
    if (queue->stale) build(q, now);
    choose_sticky(entry, q, now);
  }
  entry_of_.emplace(id, number);
  call_of_.emplace(event.call, number);
  enter(number, q, now);
  if (queue->join_empty != 0 && all_in(q, entry, queue->join_empty, now)) {
    erase(number);
    refuse(acd::Exit::unavailable);
    return;
  }
  ++queue->joined;
  out.push_back(acd::Joined{id, event.call, event.queue,
                            static_cast<int>(queue->waiting.rank(entry.place(number))) + 1,
                            kept.has_value()});
  begin_announcements(entry, now);
  set_timer(number);
}

void Router::Machine::handle(const acd::Leave& event, Time now, acd::Commands& out) {
  const auto at = call_of_.find(event.call);
  if (at == call_of_.end()) return;
  switch (event.why) {
    case acd::Leave::Why::hung_up: return leave(at->second, acd::Exit::abandoned, now, out);
    case acd::Leave::Why::key: return leave(at->second, acd::Exit::key, now, out);
    case acd::Leave::Why::moved: return leave(at->second, acd::Exit::moved, now, out);
  }
}

void Router::Machine::handle(const acd::Move& event, Time now, acd::Commands& out) {
  const auto at = call_of_.find(event.call);
  if (at == call_of_.end()) return;
  const std::uint32_t number = at->second;
  Entry& entry = entries_[number];
  Queue* queue = find_queue(event.queue);
  if (!queue) return leave(number, acd::Exit::unavailable, now, out);
  if (&queues_[entry.queue] == queue) return;
  if (queue->options.max_size > 0 &&
      queue->waiting.size() >= static_cast<std::size_t>(queue->options.max_size)) {
    return leave(number, acd::Exit::full, now, out);
  }
  withdraw_all(number, "caller left", now, out);
  set_under_way(number, false);
  Queue& from = queues_[entry.queue];
  out_of_lane(number);
  from.waiting.erase(entry.place(number));
  if (!from.options.autofill) mark_all(from);
  entry.state = EntryState::open;
  entry.sticky = kNone;
  entry.round.clear();
  const auto q = queue_of_.find(event.queue)->second;
  enter(number, q, now);
  if (queue->join_empty != 0 && all_in(q, entry, queue->join_empty, now)) {
    return leave(number, acd::Exit::unavailable, now, out);
  }
  ++queue->joined;
  out.push_back(acd::Joined{entry.id, entry.call, event.queue,
                            static_cast<int>(queue->waiting.rank(entry.place(number))) + 1, false});
  begin_announcements(entry, now);
  set_timer(number);
}

void Router::Machine::handle(const acd::QueueSet& event, Time now, acd::Commands&) {
  if (!Router::check(event.queue).ok()) return;
  const auto [at, added] = queue_of_.try_emplace(event.queue.id, static_cast<std::uint32_t>(queues_.size()));
  if (added) queues_.emplace_back();
  Queue& queue = queues_[at->second];
  queue.known = true;
  keep_round(queue, event.queue);
  queue.options = event.queue;
  set_up(queue);
  make_stale(at->second);
  // The order may count otherwise from now on, and so may every timer.
  Line before;
  std::swap(before, queue.waiting);
  for (const Line::Place& place : before) out_of_lane(place.slot);
  for (const Line::Place& place : before) {
    move_order(entries_[place.slot]);
    queue.waiting.insert(entries_[place.slot].place(place.slot));
  }
  if (queue.waiting.empty()) return;
  build(at->second, now);
  for (const Line::Place& place : queue.waiting) set_timer(place.slot);
}

void Router::Machine::handle(const acd::QueueRemoved& event, Time now, acd::Commands& out) {
  Queue* queue = find_queue(event.queue);
  if (!queue) return;
  while (!queue->waiting.empty()) leave(queue->waiting.front().slot, acd::Exit::unavailable, now, out);
  queue->known = false;
  build(queue_of_.find(event.queue)->second, now);
  queue->last_offered.clear();
  queue->joined = queue->served = queue->abandoned = queue->short_abandoned = queue->timed_out = 0;
  queue->overflowed = queue->in_time = queue->handled = 0;
  queue->waited = queue->handle = Micros{0};
}

}  // namespace ivr

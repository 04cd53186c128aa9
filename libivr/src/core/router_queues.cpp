#include <algorithm>
#include <cmath>

#include "core/router_machine.hpp"

// Queues: who waits in which order, and how a caller comes and goes.

namespace ivr {

using namespace routing;

namespace {

constexpr std::size_t kManyPools = 64;

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

void Router::Machine::restage_later(std::uint32_t number) {
  Queue& queue = queues_[number];
  if (queue.restage || queue.skips.empty() || queue.waiting.empty()) return;
  queue.restage = true;
  restages_.push_back(number);
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

void Router::Machine::stage(const Entry& entry, Time now, int& due, int& tier) const {
  const QueueOptions& options = queues_[entry.queue].options;
  const Micros waited = now - entry.in_queue;
  due = 0;
  while (due < static_cast<int>(options.steps.size()) &&
         options.steps[static_cast<std::size_t>(due)].after <= waited) {
    ++due;
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

void Router::Machine::note_who_is_there(std::uint32_t number, std::uint32_t member, Reasons why) {
  Queue& queue = queues_[number];
  const Agent& agent = agents_[queue.members[member].agent];
  for (Pool& pool : queue.pools) {
    const std::uint32_t slot = pool.slot(member);
    if (slot == kNone) continue;
    for (std::size_t skip = 0; skip < queue.skips.size(); ++skip) {
      const std::int64_t there = is_there(pool, agent, why, queue.skips[skip]) ? 0 : MinTree::kNone;
      if (pool.there[skip].key(slot) == there) continue;
      pool.there[skip].set(slot, there);
      restage_later(number);
    }
  }
}

// From the step that is due, the first in which somebody could serve the caller, where it says that it is
// skipped otherwise. Past the last one its rules hold until the caller has left.
void Router::Machine::skip_steps(std::uint32_t number, Time now, int& step, bool& past) {
  const Entry& entry = entries_[number];
  step = entry.due;
  past = false;
  if (entry.direct || entry.sticky != kNone) return;
  const int steps = static_cast<int>(queues_[entry.queue].step_skips.size());
  for (; step > 0 && step <= steps; ++step) {
    const int skip = queues_[entry.queue].step_skips[static_cast<std::size_t>(step - 1)];
    if (skip < 0) return;
    const std::uint32_t pool = pool_for(entry.queue, entry, step, now);
    const Queue& queue = queues_[entry.queue];
    const Window window = window_of(queue, step, entry.tier);
    if (anybody_there(queue.pools[pool], static_cast<std::size_t>(skip), window)) return;
  }
  if (step > steps) {
    step = steps;
    past = true;
  }
}

void Router::Machine::restage(std::uint32_t number, Time now) {
  Queue& queue = queues_[number];
  queue.restage = false;
  std::vector<std::uint32_t> waiting;
  for (const Line::Place& place : queue.waiting) waiting.push_back(place.slot);
  for (const std::uint32_t slot : waiting) {
    Entry& entry = entries_[slot];
    int step = 0;
    bool past = false;
    skip_steps(slot, now, step, past);
    if (step == entry.step && past == entry.past) continue;
    out_of_lane(slot);
    into_lane(slot, now);
    if ((queue.leave_empty & kReasonsOfTheCaller) != 0) look_at(number);
  }
}

void Router::Machine::into_lane(std::uint32_t number, Time now) {
  Entry& entry = entries_[number];
  const std::uint32_t q = entry.queue;
  stage(entry, now, entry.due, entry.tier);
  entry.step = entry.due;
  entry.past = false;
  if (!queues_[q].skips.empty()) skip_steps(number, now, entry.step, entry.past);
  if (entry.past) look_at(q);
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
    if (entry.due < static_cast<int>(options.steps.size())) {
      at(entry.in_queue + options.steps[static_cast<std::size_t>(entry.due)].after);
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
  int due = 0, tier = 0;
  stage(entry, now, due, tier);
  const bool waited_enough = entry.sticky != kNone && now >= entry.sticky_until;
  if (waited_enough || due != entry.due || tier != entry.tier) {
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
    if (entry.past) {
      explain_nobody(entry, now, out);
      leave(slot, acd::Exit::unavailable, now, out);
      continue;
    }
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
  if (entry.absent) {
    if (const auto at = callback_of_.find(entry.call); at != callback_of_.end() && at->second == number) {
      callback_of_.erase(at);
    }
  }
  entry_of_.erase(entry.id);
  entry_timers_.set(number, entry.id, std::nullopt);
  entries_.remove(number);
}

void Router::Machine::handle(const acd::Join& event, Time now, acd::Commands& out) {
  if (call_of_.contains(event.call)) return;
  const EntryId id = next_entry_++;
  const auto found = queue_of_.find(event.queue);
  const std::uint32_t q = found == queue_of_.end() ? kNone : found->second;
  Queue* queue = q == kNone || !queues_[q].known ? nullptr : &queues_[q];
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
  const std::uint32_t number = entries_.add();
  Entry& entry = entries_[number];
  entry.id = id;
  entry.call = event.call;
  entry.caller = event.caller;
  entry.channel = channel_number(event.channel);
  entry.priority = event.priority;
  set_needs(entry, event.required, event.preferred);
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
  out.emplace_back(acd::Joined{id, event.call, event.queue,
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
    case acd::Leave::Why::timeout: return leave(at->second, acd::Exit::timeout, now, out);
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

#include <algorithm>

#include "core/router_machine.hpp"

// Places of callers who are not on the line: dropped ones who come back, those who are called back, and the
// agents whom callers know.

namespace ivr {

using namespace routing;

namespace {

constexpr std::size_t kMostRemembered = 65536;  // callers and places; beyond it the oldest is forgotten

}  // namespace

// ---------------------------------------------------------------------------------------------- places

void Router::Machine::add_place(KeptPlace place) {
  if (places_.size() >= kMostRemembered) take_place(places_.begin()->first);
  if (place.of_call) {
    const auto at = place_of_call_.find(place.call);
    if (at != place_of_call_.end()) take_place(at->second);
    place_of_call_[place.call] = place.number;
  } else {
    const auto at = place_of_caller_.find({place.queue, place.caller});
    if (at != place_of_caller_.end()) take_place(at->second);
    place_of_caller_[{place.queue, place.caller}] = place.number;
  }
  place_ends_.emplace(place.until, place.number);
  places_.emplace(place.number, std::move(place));
}

void Router::Machine::keep_place(const Entry& entry, bool of_call, Time until) {
  add_place({.number = next_place_++,
             .queue = queues_[entry.queue].options.id,
             .call = entry.call,
             .caller = entry.caller,
             .channel = channels_[entry.channel],
             .priority = entry.priority,
             .required = names_of({entry.required, entry.conditions}),
             .preferred = names_of({entry.preferred, {}}).all(),
             .first = entry.first,
             .age_from = entry.age_from,
             .until = until,
             .of_call = of_call});
}

std::optional<KeptPlace> Router::Machine::take_place(std::uint64_t number) {
  const auto at = places_.find(number);
  if (at == places_.end()) return std::nullopt;
  KeptPlace place = std::move(at->second);
  places_.erase(at);
  place_ends_.erase({place.until, number});
  if (place.of_call) {
    place_of_call_.erase(place.call);
  } else {
    place_of_caller_.erase({place.queue, place.caller});
  }
  return place;
}

std::optional<KeptPlace> Router::Machine::take_place(const std::string& queue, const std::string& caller,
                                                     Time now) {
  if (place_of_caller_.empty()) return std::nullopt;
  const auto at = place_of_caller_.find({queue, caller});
  if (at == place_of_caller_.end()) return std::nullopt;
  std::optional<KeptPlace> place = take_place(at->second);
  return place && place->until > now ? place : std::nullopt;
}

std::optional<KeptPlace> Router::Machine::take_place_of_call(const std::string& call, Time now) {
  if (place_of_call_.empty()) return std::nullopt;
  const auto at = place_of_call_.find(call);
  if (at == place_of_call_.end()) return std::nullopt;
  std::optional<KeptPlace> place = take_place(at->second);
  return place && place->until > now ? place : std::nullopt;
}

void Router::Machine::expire_places(Time now) {
  while (!place_ends_.empty() && place_ends_.begin()->first <= now) take_place(place_ends_.begin()->second);
}

// ------------------------------------------------------------------------------------------- callbacks

void Router::Machine::set_under_way(std::uint32_t number, bool under_way) {
  Entry& entry = entries_[number];
  if (entry.under_way == under_way) return;
  entry.under_way = under_way;
  Queue& queue = queues_[entry.queue];
  queue.called_back += under_way ? 1 : -1;
  if (!under_way) mark_all(queue);  // the next one may be called
}

void Router::Machine::dial(std::uint32_t number, acd::Commands& out) {
  Entry& entry = entries_[number];
  close(number);
  entry.state = EntryState::dialling;
  set_under_way(number, true);
  ++entry.attempt;
  out.push_back(acd::DialCallback{entry.id, entry.number, queues_[entry.queue].options.id, entry.attempt});
  if (!queues_[entry.queue].options.autofill) mark_all(queues_[entry.queue]);
}

void Router::Machine::handle(const acd::CallbackRequested& event, Time now, acd::Commands& out) {
  std::uint32_t number = kNone;
  if (const auto at = call_of_.find(event.call); at != call_of_.end()) {
    number = at->second;
    call_of_.erase(at);
    withdraw_all(number, "caller left", now, out);
    set_under_way(number, false);
    Entry& entry = entries_[number];
    if (entry.state != EntryState::open) open(number);
    if (entry.sticky != kNone) {
      out_of_lane(number);
      entry.sticky = kNone;
      into_lane(number, now);
    }
  } else {
    const std::optional<KeptPlace> place = take_place_of_call(event.call, now);
    if (!place) return;
    Queue* queue = find_queue(place->queue);
    const bool full = queue && queue->options.max_size > 0 &&
                      queue->waiting.size() >= static_cast<std::size_t>(queue->options.max_size);
    const EntryId id = next_entry_++;
    if (!queue || full) {
      const acd::Exit exit = full ? acd::Exit::full : acd::Exit::unavailable;
      if (queue) count_exit(*queue, exit, Micros{0});
      out.push_back(acd::Left{id, event.call, place->queue, exit, "", Millis{0}, Millis{0}, {}});
      return;
    }
    number = entries_.add();
    Entry& entry = entries_[number];
    entry.id = id;
    entry.call = event.call;
    entry.caller = place->caller;
    entry.channel = channel_number(place->channel);
    entry.priority = place->priority;
    set_needs(entry, place->required, place->preferred);
    entry.since = now;
    entry.first = place->first;
    entry.age_from = place->age_from;
    entry_of_.emplace(id, number);
    entry.absent = true;
    enter(number, queue_of_.find(place->queue)->second, now);
    ++queue->joined;
    out.push_back(acd::Joined{id, event.call, place->queue,
                              static_cast<int>(queue->waiting.rank(entry.place(number))) + 1, true});
  }
  Entry& entry = entries_[number];
  entry.absent = entry.callback = true;
  callback_of_[entry.call] = number;
  entry.number = event.number;
  entry.announce_at = entry.periodic_at = Time{};
  set_timer(number);
}

void Router::Machine::handle(const acd::CallbackDialled& event, Time now, acd::Commands& out) {
  const auto at = entry_of_.find(event.entry);
  if (at == entry_of_.end()) return;
  const std::uint32_t number = at->second;
  Entry& entry = entries_[number];
  if (entry.state != EntryState::dialling) return;
  Queue& queue = queues_[entry.queue];
  if (!event.answered) {
    if (entry.attempt >= queue.options.callback_tries) return leave(number, acd::Exit::callback, now, out);
    entry.state = EntryState::call_later;
    set_under_way(number, false);
    entry.retry_at = now + queue.options.callback_retry;
    set_timer(number);
    return;
  }
  // Back on the line, and before all others: it has waited its time.
  queue.waiting.erase(entry.place(number));
  out_of_lane(number);
  callback_of_.erase(entry.call);
  entry.absent = false;
  entry.first_place = true;
  entry.call = event.call;
  entry.in_queue = now;
  entry.state = EntryState::open;
  call_of_[entry.call] = number;
  move_order(entry);
  queue.waiting.insert(entry.place(number));
  into_lane(number, now);
  if (!queue.options.autofill) mark_all(queue);
  begin_announcements(entry, now);
  set_timer(number);
}

// ---------------------------------------------------------------------------------------------- sticky

void Router::Machine::remember_server(const Entry& entry, std::uint32_t agent) {
  if (entry.caller.empty() || queues_[entry.queue].options.sticky <= 0ms) return;
  const std::uint64_t order = next_served_++;
  const auto [at, added] = served_by_.try_emplace(entry.caller, agent, order);
  if (!added) {
    served_order_.erase(at->second.second);
    at->second = {agent, order};
  }
  served_order_.emplace(order, entry.caller);
  if (served_order_.size() > kMostRemembered) {
    served_by_.erase(served_order_.begin()->second);
    served_order_.erase(served_order_.begin());
  }
}

// The agent who last served this caller: waited for while busy, not while away.
void Router::Machine::choose_sticky(Entry& entry, std::uint32_t queue, Time now) {
  const auto at = served_by_.find(entry.caller);
  if (at == served_by_.end()) return;
  const std::uint32_t number = at->second.first;
  const Agent& agent = agents_[number];
  constexpr Reasons kAway = bit(Unavailable::unknown) | bit(Unavailable::offline) | bit(Unavailable::paused) |
                            bit(Unavailable::unreachable);
  if ((reasons_of(agent, queue, now) & kAway) != 0) return;
  const bool member = std::any_of(agent.memberships.begin(), agent.memberships.end(),
                                  [queue](const Membership& m) { return m.queue == queue; });
  if (!member) return;
  entry.queue = queue;
  const Pool& pool = queues_[queue].pools[pool_for(queue, entry, 0, now)];
  const auto place = std::find_if(agent.memberships.begin(), agent.memberships.end(),
                                  [queue](const Membership& m) { return m.queue == queue; });
  if (pool.slot(place->member) == kNone) return;
  entry.wanted = entry.sticky = number;
  entry.sticky_until = now + queues_[queue].options.sticky;
}

}  // namespace ivr

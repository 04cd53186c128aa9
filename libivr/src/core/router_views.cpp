#include <algorithm>

#include "core/router_machine.hpp"

// What others see of the router: agents, queues, callers, and why.

namespace ivr {

using namespace routing;

namespace {

std::int64_t day_of(Time now) {
  return std::chrono::floor<std::chrono::days>(now).time_since_epoch().count();
}

Millis millis(Micros t) { return std::chrono::duration_cast<Millis>(std::max(t, Micros{0})); }

template <class T>
std::vector<std::uint32_t> by_id(const Pieces<T>& all) {
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    if (all[i].known) numbers.push_back(i);
  }
  std::sort(numbers.begin(), numbers.end(),
            [&](std::uint32_t a, std::uint32_t b) { return all[a].options.id < all[b].options.id; });
  return numbers;
}

}  // namespace

std::vector<Router::AgentView> Router::Machine::agents(Time now) {
  std::vector<AgentView> views;
  const bool today = day_of(now) == day_;
  for (const std::uint32_t number : by_id(agents_)) {
    const Agent& agent = agents_[number];
    AgentView& view = views.emplace_back();
    view.id = agent.options.id;
    view.name = agent.options.name;
    view.department = agent.options.department;
    view.state = state_of(agent, now);
    view.reason = agent.reason;
    view.unavailable = first_of(reasons_of(agent, kNone, now));
    view.contacts = agent.active();
    for (const Contacts& c : agent.contacts) view.capacity += c.capacity;
    view.calls_taken = today ? agent.calls : 0;
    view.misses = agent.misses;
    view.talk_time = today ? millis(agent.talk) : Millis{0};
    view.since = agent.since;
    view.last_call_ended = agent.last_end;
  }
  return views;
}

std::vector<Router::QueueView> Router::Machine::queues(Time now) {
  std::vector<QueueView> views;
  const bool today = day_of(now) == day_;
  for (const std::uint32_t number : by_id(queues_)) {
    if (queues_[number].stale) build(number, now);
    const Queue& queue = queues_[number];
    QueueView& view = views.emplace_back();
    view.id = queue.options.id;
    view.waiting = static_cast<int>(queue.waiting.size());
    view.talking = queue.talking;
    view.agents_logged_in = queue.logged_in;
    for (const Member& member : queue.members) {
      view.agents_available += reasons_of(agents_[member.agent], number, now) == 0;
    }
    for (const Line::Place& place : queue.waiting) {
      view.longest_wait = std::max(view.longest_wait, millis(now - entries_[place.slot].in_queue));
    }
    if (!today) continue;
    view.joined = queue.joined;
    view.served = queue.served;
    view.abandoned = queue.abandoned;
    view.short_abandoned = queue.short_abandoned;
    view.timed_out = queue.timed_out;
    view.overflowed = queue.overflowed;
    if (queue.served > 0) {
      view.average_wait = millis(queue.waited / queue.served);
      view.service_level = static_cast<double>(queue.in_time) / queue.served;
    }
    const int all = queue.served + queue.abandoned + queue.timed_out + queue.overflowed;
    if (all > 0) view.service_level_2 = static_cast<double>(queue.in_time) / all;
  }
  return views;
}

Router::EntryView Router::Machine::view_of(const Entry& entry, int position) const {
  EntryView view;
  view.id = entry.id;
  view.call = entry.call;
  view.queue = queues_[entry.queue].options.id;
  view.caller = entry.caller;
  const std::uint32_t offer = entry.offers.empty() ? entry.talk : entry.offers.front();
  if (offer != kNone) view.agent = agent_ids_[offers_[offer].agent];
  view.position = position;
  view.joined = entry.since;
  view.priority = entry.priority;
  view.callback = entry.callback;
  view.attempt = entry.attempt;
  return view;
}

std::optional<Router::EntryView> Router::Machine::entry(EntryId id) const {
  const auto at = entry_of_.find(id);
  if (at == entry_of_.end()) return std::nullopt;
  const Entry& entry = entries_[at->second];
  if (entry.state == EntryState::talking) return view_of(entry, 0);
  return view_of(entry, static_cast<int>(queues_[entry.queue].waiting.rank(entry.place(at->second))) + 1);
}

std::vector<Router::EntryView> Router::Machine::entries() const {
  std::vector<EntryView> views;
  absl::flat_hash_map<std::uint32_t, std::vector<std::pair<OfferId, std::uint32_t>>> talks;  // by queue
  offer_of_.each([&](OfferId id, std::uint32_t slot) {
    if (offers_[slot].talking) talks[offers_[slot].queue].emplace_back(id, slot);
  });
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t q = 0; q < queues_.size(); ++q) numbers.push_back(q);
  std::sort(numbers.begin(), numbers.end(),
            [&](std::uint32_t a, std::uint32_t b) { return queues_[a].options.id < queues_[b].options.id; });
  for (const std::uint32_t number : numbers) {
    int position = 0;
    for (const Line::Place& place : queues_[number].waiting) {
      views.push_back(view_of(entries_[place.slot], ++position));
    }
    auto& talking = talks[number];
    std::sort(talking.begin(), talking.end());
    for (const auto& [id, slot] : talking) views.push_back(view_of(entries_[offers_[slot].entry], 0));
  }
  return views;
}

std::optional<acd::Decided> Router::Machine::explain(std::string_view call, Time now) {
  const auto at = call_of_.find(std::string(call));
  if (at == call_of_.end()) return std::nullopt;
  const std::uint32_t number = at->second;
  if (queues_[entries_[number].queue].stale) build(entries_[number].queue, now);
  const Entry& entry = entries_[number];
  const Lane& lane = lanes_[entry.lane];
  const std::size_t limit = std::max<std::size_t>(1, queues_[entry.queue].members.size());
  Random dice = random_;  // the throw that comes next, not taken
  Ranking ranking;
  rank(entry, lane, limit, dice.next(), now, ranking);
  acd::Decided why;
  why.decision = next_decision_;
  explain(entry, lane, ranking, limit, now, why);
  return why;
}

}  // namespace ivr

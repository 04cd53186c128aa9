#include <algorithm>
#include <cmath>

#include "core/router_machine.hpp"

// From a caller and an agent who is free to the end of their talk.

namespace ivr {

using namespace routing;

namespace {

constexpr int kHandleWindow = 32;  // callers over which an agent's time for one is averaged

}  // namespace

// Of two callers whom the same agent could take, whether `a` is first: the heavier queue, the older of two
// queues that want the oldest first, the higher score, who came first.
bool Router::Machine::comes_before(const Entry& a, const Entry& b, Time now) const {
  const QueueOptions& qa = queues_[a.queue].options;
  const QueueOptions& qb = queues_[b.queue].options;
  if (a.queue != b.queue) {
    if (qa.weight != qb.weight) return qa.weight > qb.weight;
    if (a.first_place != b.first_place) return a.first_place;
    if (qa.oldest_first && qb.oldest_first) {
      return a.age_from != b.age_from ? a.age_from < b.age_from : a.id < b.id;
    }
    const auto score = [now](const Entry& e, const QueueOptions& options) {
      return std::int64_t{e.priority} * 1'000'000'000 +
             std::llround(options.age_score * static_cast<double>((now - e.age_from).count()));
    };
    const std::int64_t sa = score(a, qa), sb = score(b, qb);
    return sa != sb ? sa > sb : a.id < b.id;
  }
  return a.order != b.order ? a.order < b.order : a.id < b.id;
}

// The first of the lane who can be offered to somebody now; kNone: nobody.
std::uint32_t Router::Machine::head(Lane& lane, Time now) {
  if (lane.open.empty()) return kNone;
  const Queue& queue = queues_[lane.queue];
  // No more people are called back than agents are free, so nobody is called only to wait.
  const bool enough_called = queue.called_back >= std::max(1, queue.free);
  if (!queue.options.autofill) {
    // One at a time: whoever is first of the whole queue, callbacks that have to wait left out.
    for (const Line::Place& place : queue.waiting) {
      const Entry& entry = entries_[place.slot];
      if (entry.absent && (entry.state != EntryState::open || enough_called)) continue;
      return &lanes_[entry.lane] == &lane && entry.state == EntryState::open && feasible(lane, entry, now)
                 ? place.slot
                 : kNone;
    }
    return kNone;
  }
  for (const Line::Place& place : lane.open) {
    const Entry& entry = entries_[place.slot];
    if (entry.absent && enough_called) continue;
    if (feasible(lane, entry, now)) return place.slot;
    if (!queue.options.once) return kNone;  // what holds for one holds for all
  }
  return kNone;
}

void Router::Machine::dispatch(Time now, acd::Commands& out) {
  while (!dirty_.empty()) {
    // Two contests: among the queues that want the oldest first it is age, among the winner and the others
    // score. Together they would not be an order.
    std::uint32_t oldest = kNone, best = kNone;
    for (std::size_t i = 0; i < dirty_.size();) {
      Lane& lane = lanes_[dirty_[i]];
      const std::uint32_t entry = head(lane, now);
      if (entry == kNone) {
        lane.dirty = false;
        dirty_[i] = dirty_.back();
        dirty_.pop_back();
        continue;
      }
      std::uint32_t& champion = queues_[lane.queue].options.oldest_first ? oldest : best;
      if (champion == kNone || comes_before(entries_[entry], entries_[champion], now)) champion = entry;
      ++i;
    }
    if (best == kNone || (oldest != kNone && comes_before(entries_[oldest], entries_[best], now)))
      best = oldest;
    if (best != kNone) decide(best, now, out);
  }
}

void Router::Machine::decide(std::uint32_t number, Time now, acd::Commands& out) {
  Entry& entry = entries_[number];
  if (entry.absent) {
    dial(number, out);
    return;
  }
  const std::uint32_t lane = entry.lane;
  Queue& queue = queues_[entry.queue];
  const bool dice = queue.strategy == Strategy::random || queue.strategy == Strategy::weighted_random;
  const auto limit = static_cast<std::size_t>(std::max(1, options_.explain_limit));
  rank(entry, lanes_[lane], limit, dice ? random_.next() : 0, now, ranking_);
  explain_next(entry, limit, now, out);
  close(number);
  entry.state = EntryState::offered;
  entry.ring_next = now + queue.options.ring_progressively;
  const Pick first = ranking_.picks.front();
  if (std::find(entry.round.begin(), entry.round.end(), first.agent) != entry.round.end())
    entry.round.clear();
  if (queue.strategy == Strategy::round_robin && first.agent != entry.wanted &&
      lanes_[lane].key.only == kNone) {
    queue.last_offered[first.level] = first.agent;
  }
  entry.offers.reserve(ranking_.at_once);
  for (std::size_t i = 0; i < ranking_.at_once; ++i) offer(number, ranking_.picks[i], now, out);
  if (queue.strategy == Strategy::ring_progressively) set_timer(number);
}

// As one that chose somebody does: of whom it looked at, in which order, and why the others were not.
void Router::Machine::explain_next(const Entry& entry, std::size_t limit, Time now, acd::Commands& out) {
  const std::uint64_t decision = next_decision_++;
  if (options_.explain_limit <= 0) return;
  auto& why = std::get<acd::Decided>(out.emplace_back(std::in_place_type<acd::Decided>));
  why.decision = decision;
  explain(entry, lanes_[entry.lane], ranking_, limit, now, why);
}

void Router::Machine::explain_nobody(const Entry& entry, Time now, acd::Commands& out) {
  ranking_.picks.clear();
  explain_next(entry, static_cast<std::size_t>(std::max(1, options_.explain_limit)), now, out);
}

void Router::Machine::offer(std::uint32_t number, const Pick& pick, Time now, acd::Commands& out) {
  Entry& entry = entries_[number];
  const QueueOptions& options = queues_[entry.queue].options;
  const std::uint32_t slot = offers_.add();
  OfferRecord& offer = offers_[slot];
  offer.id = next_offer_++;
  offer.entry = number;
  offer.agent = pick.agent;
  offer.queue = entry.queue;
  offer.channel = entry.channel;
  offer.made = now;
  offer.due = now + options.ring_limit;
  offer_of_.insert(offer.id, slot);
  offer_timers_.add(slot, offer.id, offer.due);
  entry.offers.push_back(slot);
  begin_ringing(pick.agent, slot, now);
  // Made where it stays: there may be hundreds of them.
  auto& command = *std::get_if<acd::Offer>(&out.emplace_back(std::in_place_type<acd::Offer>));
  command.offer = offer.id;
  command.entry = entry.id;
  command.call = entry.call;
  command.agent = agent_ids_[pick.agent];
  command.queue = options.id;
  command.ring_limit = options.ring_limit;
}

// The agent rings no more; whether it may be offered at once is for the caller to have decided before.
void Router::Machine::end_offer(std::uint32_t slot, Time now) {
  const OfferRecord& offer = offers_[slot];
  std::erase(entries_[offer.entry].offers, slot);
  const std::uint32_t agent = offer.agent;
  agents_[agent].ringing = kNone;
  offer_timers_.set(slot, offer.id, std::nullopt);
  offer_of_.erase(offer.id);
  offers_.remove(slot);
  reindex(agent, now);
}

void Router::Machine::withdraw_all(std::uint32_t number, std::string_view why, Time now, acd::Commands& out) {
  std::vector<std::uint32_t> offers;
  std::swap(offers, entries_[number].offers);
  for (const std::uint32_t slot : offers) {
    out.push_back(acd::Withdraw{offers_[slot].id, std::string(why)});
    end_offer(slot, now);
  }
}

// An offer to `agent` has come to nothing.
void Router::Machine::failed(std::uint32_t number, std::uint32_t agent, bool at_once, Time now,
                             acd::Commands&) {
  Entry& entry = entries_[number];
  const auto remember = [agent](std::vector<std::uint32_t>& list) {
    if (std::find(list.begin(), list.end(), agent) == list.end()) list.push_back(agent);
  };
  remember(entry.tried);
  remember(entry.round);
  if (!entry.offers.empty()) return;  // others still ring
  Queue& queue = queues_[entry.queue];
  if (queue.strategy == Strategy::ring_all) entry.round.clear();
  if (entry.sticky != kNone) {  // it had its turn
    out_of_lane(number);
    entry.sticky = kNone;
    entry.state = EntryState::retry;
    into_lane(number, now);
  }
  if (at_once || queue.options.retry <= 0ms) {
    open(number);
  } else {
    entry.state = EntryState::retry;
    entry.retry_at = now + queue.options.retry;
  }
  if (queue.options.once || queue.leave_empty != 0 || entry.direct || entry.past) look_at(entry.queue);
  set_timer(number);
}

void Router::Machine::missed(std::uint32_t slot, acd::Refused::Why why, Time now, acd::Commands& out) {
  const std::uint32_t entry = offers_[slot].entry;
  const std::uint32_t number = offers_[slot].agent;
  Agent& agent = agents_[number];
  Millis delay{0};
  switch (why) {
    case acd::Refused::Why::no_answer:
    case acd::Refused::Why::unreachable:
      delay = agent.options.no_answer_delay;
      if (++agent.misses == agent.options.max_misses) {
        agent.asked = agent.options.after_misses;
        agent.reason = "missed " + std::to_string(agent.misses) + " calls";
        agent_away(number, now);
      }
      break;
    case acd::Refused::Why::busy: delay = agent.options.busy_delay; break;
    case acd::Refused::Why::rejected: delay = agent.options.reject_delay; break;
  }
  agent.delay_until = std::max(agent.delay_until, now + delay);
  end_offer(slot, now);
  changed(number, now, out);
  failed(entry, number, false, now, out);
}

void Router::Machine::accept(std::uint32_t slot, Time now, acd::Commands& out) {
  OfferRecord& offer = offers_[slot];
  const std::uint32_t entry_number = offer.entry;
  Entry& entry = entries_[entry_number];
  Queue& queue = queues_[entry.queue];
  Agent& agent = agents_[offer.agent];

  std::erase(entry.offers, slot);
  withdraw_all(entry_number, "answered elsewhere", now, out);
  offer.talking = true;
  offer.accepted = now;
  offer_timers_.set(slot, offer.id, std::nullopt);
  set_under_way(entry_number, false);
  out_of_lane(entry_number);
  queue.waiting.erase(entry.place(entry_number));
  if (const auto at = call_of_.find(entry.call); at != call_of_.end() && at->second == entry_number) {
    call_of_.erase(at);
  }
  entry.state = EntryState::talking;
  entry.talk = slot;
  entry.connected = now;
  entry_timers_.set(entry_number, entry.id, std::nullopt);
  ++queue.talking;
  count_exit(queue, acd::Exit::served, now - entry.in_queue);
  remember_server(entry, offer.agent);

  agent.ringing = kNone;
  agent.misses = 0;
  ++agent.calls;
  for (Contacts& c : agent.contacts) c.talks += c.channel == offer.channel;
  ++agent.served_in(offer.queue).calls;
  std::vector<std::string> tried;
  for (const std::uint32_t a : entry.tried) tried.push_back(agents_[a].options.id);
  out.push_back(acd::Connect{offer.id, entry.id, entry.call, agent.options.id,
                             std::chrono::duration_cast<Millis>(now - entry.since), std::move(tried)});
  changed(offer.agent, now, out);
  if (!queue.options.autofill) mark_all(queue);
}

void Router::Machine::ring_one_more(EntryId id, Time now, acd::Commands& out) {
  const auto at = entry_of_.find(id);
  if (at == entry_of_.end() || entries_[at->second].state != EntryState::offered) return;
  const std::uint32_t number = at->second;
  const Entry& entry = entries_[number];
  rank(entry, lanes_[entry.lane], 1, 0, now, ranking_);
  if (ranking_.picks.empty()) return;
  const Pick pick = ranking_.picks.front();
  if (std::find(entry.round.begin(), entry.round.end(), pick.agent) != entry.round.end()) return;
  offer(number, pick, now, out);
}

void Router::Machine::end_talk(std::uint32_t slot, acd::Exit exit, bool wrap_up, Time now,
                               acd::Commands& out) {
  const OfferRecord offer = offers_[slot];
  Entry& entry = entries_[offer.entry];
  Queue& queue = queues_[offer.queue];
  Agent& agent = agents_[offer.agent];
  const Micros talked = now - offer.accepted;

  for (Contacts& c : agent.contacts) c.talks -= c.channel == offer.channel;
  agent.talk += talked;
  agent.last_end = now;
  Millis wrap{0};
  if (wrap_up) {
    wrap = agent.options.wrap_up.value_or(queue.options.wrap_up);
    agent.wrap_until = std::max(agent.wrap_until, now + wrap);
    std::erase_if(agent.wrap_ups, [now](const WrapUp& one) { return one.until <= now; });
    if (wrap > 0ms) agent.wrap_ups.push_back({offer.queue, now + wrap});
  }
  Served& served = agent.served_in(offer.queue);
  served.last_end = now;
  served.talk += talked;
  --queue.talking;
  queue.handled = std::min(queue.handled + 1, kHandleWindow);
  queue.handle += (now - offer.made + wrap - queue.handle) / queue.handled;

  std::vector<std::string> tried;
  for (const std::uint32_t a : entry.tried) tried.push_back(agents_[a].options.id);
  out.emplace_back(acd::Left{entry.id, entry.call, queue.options.id, exit, agent.options.id,
                             std::chrono::duration_cast<Millis>(entry.connected - entry.since),
                             std::chrono::duration_cast<Millis>(talked), std::move(tried)});
  erase(offer.entry);
  offer_of_.erase(offer.id);
  offers_.remove(slot);
  changed(offer.agent, now, out);
}

void Router::Machine::handle(const acd::Ringing&, Time, acd::Commands&) {
}  // for the log: nothing depends on it

void Router::Machine::handle(const acd::Accepted& event, Time now, acd::Commands& out) {
  const std::uint32_t slot = offer_of_.find(event.offer);
  if (slot != kNone && !offers_[slot].talking) accept(slot, now, out);
}

void Router::Machine::handle(const acd::Refused& event, Time now, acd::Commands& out) {
  const std::uint32_t slot = offer_of_.find(event.offer);
  if (slot != kNone && !offers_[slot].talking) missed(slot, event.why, now, out);
}

void Router::Machine::handle(const acd::TalkEnded& event, Time now, acd::Commands& out) {
  const std::uint32_t slot = offer_of_.find(event.offer);
  if (slot != kNone && offers_[slot].talking) end_talk(slot, acd::Exit::served, true, now, out);
}

}  // namespace ivr

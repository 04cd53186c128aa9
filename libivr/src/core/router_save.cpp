#include <algorithm>

#include "core/router_json.hpp"
#include "core/router_machine.hpp"

// Everything the router knows, as JSON. What can be worked out from the rest (pools, lanes, order, timers) is
// not written; it is built again as of the last step.

namespace ivr {

using namespace routing;

namespace routing {

template <>
struct Names<EntryState> {
  static constexpr std::string_view all[] = {"open", "offered", "retry", "dialling", "call_later", "talking"};
};

// Not in a nameless namespace: the visitors find these by the types they are of.
struct SavedOffer {
  OfferRecord offer;
  EntryId entry = 0;
};
struct SavedEntry {
  Entry entry;
  std::optional<SkillExpression> conditions;  // of the entry; a snapshot from before there were any has none
};
struct SavedServer {
  std::string caller;
  std::uint32_t agent = kNone;
};

IVR_FIELDS(Need, skill, level);
IVR_FIELDS(Contacts, channel, talks, outside, capacity);
IVR_FIELDS(WrapUp, queue, until);
IVR_FIELDS(Agent, options, known, asked, reason, reachable, wrap_until, delay_until, wrap_ups, misses, calls,
           talk, last_end, since, told, told_contacts, told_reason, contacts, served);
IVR_FIELDS(Served, queue, last_end, calls, talk);
IVR_FIELDS(Queue, options, known, last_offered, joined, served, abandoned, short_abandoned, timed_out,
           overflowed, in_time, waited, handle, handled);
IVR_FIELDS(Entry, id, state, call, caller, number, queue, channel, priority, required, preferred, wanted,
           direct, sticky, absent, callback, attempt, since, in_queue, first, age_from, first_place,
           sticky_until, retry_at, ring_next, tried, round, connected, announce_at, periodic_at, announced,
           told_position, told_more_than, message);
template <class Io>
void fields(Io& io, SavedEntry& x) {
  fields(io, x.entry);
  io("conditions", x.conditions);
}
template <class Io>
void fields(Io& io, SavedOffer& x) {
  io("id", x.offer.id);
  io("entry", x.entry);
  io("agent", x.offer.agent);
  io("queue", x.offer.queue);
  io("channel", x.offer.channel);
  io("made", x.offer.made);
  io("due", x.offer.due);
  io("accepted", x.offer.accepted);
  io("talking", x.offer.talking);
}
IVR_FIELDS(KeptPlace, number, queue, call, caller, channel, priority, required, preferred, first, age_from,
           until, of_call);
IVR_FIELDS(SavedServer, caller, agent);

}  // namespace routing

struct Router::Machine::State {
  int router = 1;  // of this format
  std::uint64_t seed = 0, random = 0;
  int explain_limit = 0;
  EntryId next_entry = 1;
  OfferId next_offer = 1;
  std::uint64_t next_decision = 1, next_place = 1;
  std::int64_t day = 0;
  Time last_step{};
  std::vector<std::string> channels, skills;
  std::vector<Agent> agents;
  std::vector<Queue> queues;
  std::vector<SavedEntry> entries;
  std::vector<SavedOffer> offers;
  std::vector<KeptPlace> places;
  std::vector<SavedServer> served;

  template <class Io>
  friend void fields(Io& io, State& x) {
    io("router", x.router);
    io("seed", x.seed);
    io("random", x.random);
    io("explain_limit", x.explain_limit);
    io("next_entry", x.next_entry);
    io("next_offer", x.next_offer);
    io("next_decision", x.next_decision);
    io("next_place", x.next_place);
    io("day", x.day);
    io("last_step", x.last_step);
    io("channels", x.channels);
    io("skills", x.skills);
    io("agents", x.agents);
    io("queues", x.queues);
    io("entries", x.entries);
    io("offers", x.offers);
    io("places", x.places);
    io("served", x.served);
  }
};

std::string Router::Machine::save() const {
  State state;
  state.seed = options_.seed;
  state.random = random_.state();
  state.explain_limit = options_.explain_limit;
  state.next_entry = next_entry_;
  state.next_offer = next_offer_;
  state.next_decision = next_decision_;
  state.next_place = next_place_;
  state.day = day_;
  state.last_step = last_step_;
  state.channels = channels_;
  state.skills = skills_;
  for (std::uint32_t a = 0; a < agents_.size(); ++a) state.agents.push_back(agents_[a]);
  for (std::uint32_t q = 0; q < queues_.size(); ++q) {
    const Queue& queue = queues_[q];
    Queue& saved = state.queues.emplace_back();
    saved.options = queue.options;
    saved.known = queue.known;
    saved.last_offered = queue.last_offered;
    saved.joined = queue.joined;
    saved.served = queue.served;
    saved.abandoned = queue.abandoned;
    saved.short_abandoned = queue.short_abandoned;
    saved.timed_out = queue.timed_out;
    saved.overflowed = queue.overflowed;
    saved.in_time = queue.in_time;
    saved.waited = queue.waited;
    saved.handle = queue.handle;
    saved.handled = queue.handled;
  }
  for (std::uint32_t e = 0; e < entries_.size(); ++e) {
    if (!entries_.used(e)) continue;
    SavedEntry& saved = state.entries.emplace_back(SavedEntry{entries_[e], {}});
    if (!saved.entry.conditions.empty()) saved.conditions = names_of({{}, saved.entry.conditions});
  }
  std::sort(state.entries.begin(), state.entries.end(),
            [](const SavedEntry& a, const SavedEntry& b) { return a.entry.id < b.entry.id; });
  for (std::uint32_t o = 0; o < offers_.size(); ++o) {
    if (offers_.used(o)) state.offers.push_back({offers_[o], entries_[offers_[o].entry].id});
  }
  std::sort(state.offers.begin(), state.offers.end(),
            [](const SavedOffer& a, const SavedOffer& b) { return a.offer.id < b.offer.id; });
  for (const auto& [number, place] : places_) state.places.push_back(place);
  for (const auto& [order, caller] : served_order_) {
    state.served.push_back({caller, served_by_.find(caller)->second.first});
  }
  std::string text;
  JsonWriter json(text);
  FieldWriter::write(json, state);
  return text;
}

// Lanes and looks that building marked: at the end of a step there was nothing to do, so there is nothing
// now.
void Router::Machine::settle_marks() {
  for (const std::uint32_t lane : dirty_) lanes_[lane].dirty = false;
  dirty_.clear();
  for (const std::uint32_t queue : looks_) queues_[queue].look = false;
  looks_.clear();
  for (const std::uint32_t queue : restages_) queues_[queue].restage = false;
  restages_.clear();
  any_stale_ = false;
}

absl::StatusOr<std::unique_ptr<Router::Machine>> Router::Machine::restore(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return absl::InvalidArgumentError("the router's state is not JSON");
  State state;
  std::string error;
  FieldReader::read(json, state, "", error);
  if (error.empty() && state.router != 1)
    error = "/router: format " + std::to_string(state.router) + ", not 1";

  auto machine = std::make_unique<Machine>(RouterOptions{state.seed, state.explain_limit});
  Machine& m = *machine;
  // Numbers refer to what is saved beside them.
  const auto refers = [&error](std::string_view where, std::uint32_t number, std::size_t size,
                               bool none = false) {
    if (error.empty() && number >= size && !(none && number == kNone)) {
      error = "/" + std::string(where) + ": there is no number " + std::to_string(number);
    }
  };
  const auto needs = [&](const Needs& all) {
    for (const Need& need : all) refers("skills", need.skill, state.skills.size());
  };
  m.random_ = Random(state.random);
  m.next_entry_ = state.next_entry;
  m.next_offer_ = state.next_offer;
  m.next_decision_ = state.next_decision;
  m.next_place_ = state.next_place;
  m.day_ = state.day;
  m.last_step_ = state.last_step;
  for (const std::string& name : state.channels) m.channel_number(name);
  for (const std::string& name : state.skills) m.needs_of({{name, 0}});
  for (Agent& agent : state.agents) {
    const std::uint32_t number = m.agent_number(agent.options.id);
    if (error.empty() && number + 1 != m.agents_.size())
      error = "/agents: '" + agent.options.id + "' is there twice";
    for (const Contacts& c : agent.contacts) refers("channels", c.channel, state.channels.size());
    if (agent.known && error.empty()) {
      if (auto s = Router::check(agent.options); !s.ok()) error = std::string(s.message());
    }
    for (const Served& served : agent.served) refers("queues", served.queue, state.queues.size());
    for (const WrapUp& one : agent.wrap_ups) refers("queues", one.queue, state.queues.size());
    m.agents_[number] = std::move(agent);
    m.agents_[number].skills = m.needs_of(m.agents_[number].options.skills);
  }
  for (Queue& saved : state.queues) {
    if (auto s = Router::check(saved.options); error.empty() && !s.ok()) error = std::string(s.message());
    for (const auto& [level, agent] : saved.last_offered) refers("agents", agent, state.agents.size());
    if (!error.empty()) break;
    const auto number = static_cast<std::uint32_t>(m.queues_.size());
    if (!m.queue_of_.emplace(saved.options.id, number).second) {
      error = "/queues: '" + saved.options.id + "' is there twice";
    }
    Queue& queue = m.queues_.emplace_back() = std::move(saved);
    m.set_up(queue);
  }
  for (SavedEntry& saved_entry : state.entries) {
    Entry& saved = saved_entry.entry;
    if (saved_entry.conditions) saved.conditions = m.required_of(*saved_entry.conditions).conditions;
    refers("queues", saved.queue, m.queues_.size());
    refers("channels", saved.channel, m.channels_.size());
    refers("agents", saved.wanted, m.agents_.size(), true);
    refers("agents", saved.sticky, m.agents_.size(), true);
    for (const std::uint32_t agent : saved.tried) refers("agents", agent, m.agents_.size());
    for (const std::uint32_t agent : saved.round) refers("agents", agent, m.agents_.size());
    needs(saved.required);
    needs(saved.preferred);
    if (error.empty() && saved.direct && saved.wanted == kNone) error = "/entries: direct, and to nobody";
    if (!error.empty()) break;
    const std::uint32_t number = m.entries_.add();
    Entry& entry = m.entries_[number] = std::move(saved);
    if (!m.entry_of_.emplace(entry.id, number).second) error = "/entries: one is there twice";
    m.move_order(entry);
    if (entry.state == EntryState::talking) continue;
    m.queues_[entry.queue].waiting.insert(entry.place(number));
    entry.under_way = entry.state == EntryState::dialling || (entry.first_place && !entry.absent);
    m.queues_[entry.queue].called_back += entry.under_way;
    (entry.absent ? m.callback_of_ : m.call_of_)[entry.call] = number;
  }
  for (SavedOffer& saved : state.offers) {
    const auto entry = m.entry_of_.find(saved.entry);
    refers("queues", saved.offer.queue, m.queues_.size());
    refers("channels", saved.offer.channel, m.channels_.size());
    refers("agents", saved.offer.agent, m.agents_.size());
    if (error.empty() && entry == m.entry_of_.end()) error = "/offers: of an entry that is not there";
    if (error.empty() && saved.offer.talking != (m.entries_[entry->second].state == EntryState::talking)) {
      error = "/offers: the entry is in another state";
    }
    if (error.empty() && (saved.offer.id >= m.next_offer_ || m.offer_of_.find(saved.offer.id) != kNone)) {
      error = "/offers: number " + std::to_string(saved.offer.id) + " is there twice, or still to be given";
    }
    if (!error.empty()) break;
    const std::uint32_t slot = m.offers_.add();
    OfferRecord& offer = m.offers_[slot] = saved.offer;
    offer.entry = entry->second;
    m.offer_of_.insert(offer.id, slot);
    if (offer.talking) {
      m.entries_[offer.entry].talk = slot;
      ++m.queues_[offer.queue].talking;
      continue;
    }
    m.agents_[offer.agent].ringing = slot;
    m.entries_[offer.entry].offers.push_back(slot);
    m.offer_timers_.set(slot, offer.id, offer.due);
  }
  if (!error.empty()) return absl::InvalidArgumentError("the router's state: " + error);

  for (std::uint32_t q = 0; q < m.queues_.size(); ++q) {
    m.build(q, m.last_step_);
    for (const Line::Place& place : m.queues_[q].waiting) m.set_timer(place.slot);
  }
  for (std::uint32_t a = 0; a < m.agents_.size(); ++a) {
    acd::Commands none;
    m.changed(a, m.last_step_, none);
  }
  for (KeptPlace& place : state.places) m.add_place(std::move(place));
  for (SavedServer& server : state.served) {
    if (server.agent >= m.agents_.size()) continue;
    const std::uint64_t order = m.next_served_++;
    m.served_by_[server.caller] = {server.agent, order};
    m.served_order_.emplace(order, server.caller);
  }
  m.settle_marks();
  return machine;
}

}  // namespace ivr

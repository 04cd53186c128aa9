#include "ivr/router.hpp"

#include <algorithm>
#include <cmath>

#include "core/router_machine.hpp"

namespace ivr {

using namespace routing;

namespace {

constexpr Millis kLongest = std::chrono::hours(24 * 365);  // of any duration in the options

absl::Status refuse(const std::string& what) { return absl::InvalidArgumentError(what); }

absl::Status check_durations(std::string_view owner,
                             std::initializer_list<std::pair<std::string_view, Millis>> all) {
  for (const auto& [name, value] : all) {
    if (value >= 0ms && value <= kLongest) continue;
    return refuse(std::string(owner) + ": " + std::string(name) + " is " + std::to_string(value.count()) +
                  " ms; allowed are 0 to " + std::to_string(kLongest.count()) + " ms");
  }
  return absl::OkStatus();
}

absl::Status check_skills(std::string_view owner, std::string_view what, const SkillExpression& skills) {
  absl::Status wrong;
  skills.for_each([&](const Skill& skill, bool) {
    if (!wrong.ok()) return;
    const std::string name = std::string(owner) + ": " + std::string(what) + " skill '" + skill.name + "'";
    if (skill.name.empty()) {
      wrong = refuse(name + " has no name");
    } else if (skill.level < 0 || skill.level > 5) {
      wrong = refuse(name + " has level " + std::to_string(skill.level) + "; allowed are 0 to 5");
    }
  });
  return wrong;
}

// Of the queues that wait for it, and of those that come to do so meanwhile. In the order of their numbers,
// and not in that in which they were noted: that one is another after a restore.
template <class F>
void take_in_turn(std::vector<std::uint32_t>& queues, F&& f) {
  while (!queues.empty()) {
    std::vector<std::uint32_t> now;
    std::swap(now, queues);
    std::sort(now.begin(), now.end());
    for (const std::uint32_t queue : now) f(queue);
  }
}

}  // namespace

std::string_view to_string(Unavailable why) {
  switch (why) {
    case Unavailable::none: return "none";
    case Unavailable::paused: return "paused";
    case Unavailable::penalty: return "penalty";
    case Unavailable::in_use: return "in_use";
    case Unavailable::ringing: return "ringing";
    case Unavailable::unreachable: return "unreachable";
    case Unavailable::offline: return "offline";
    case Unavailable::wrap_up: return "wrap_up";
    case Unavailable::delayed: return "delayed";
    case Unavailable::unskilled: return "unskilled";
    case Unavailable::tried: return "tried";
    case Unavailable::unknown: return "unknown";
  }
  return "";
}

std::string_view to_string(AgentState state) {
  switch (state) {
    case AgentState::available: return "available";
    case AgentState::on_call: return "on_call";
    case AgentState::wrap_up: return "wrap_up";
    case AgentState::on_break: return "on_break";
    case AgentState::offline: return "offline";
  }
  return "";
}

// -------------------------------------------------------------------------------------------- options

absl::Status Router::check(const AgentOptions& agent) {
  const std::string owner = "agent '" + agent.id + "'";
  if (agent.id.empty()) return refuse("an agent needs an id");
  if (auto s = check_skills(owner, "its", agent.skills); !s.ok()) return s;
  for (const auto& [channel, capacity] : agent.capacity) {
    if (channel.empty()) return refuse(owner + ": a channel of capacity has no name");
    if (capacity < 0 || capacity > 1000) {
      return refuse(owner + ": capacity of channel '" + channel + "' is " + std::to_string(capacity) +
                    "; allowed are 0 to 1000");
    }
  }
  if (agent.max_misses < 0) {
    return refuse(owner + ": max_misses is " + std::to_string(agent.max_misses) + "; allowed are 0 and more");
  }
  switch (agent.after_misses) {
    case AgentState::wrap_up:
    case AgentState::on_break:
    case AgentState::offline: break;
    case AgentState::available:
    case AgentState::on_call:
      return refuse(owner + ": after_misses is '" + std::string(to_string(agent.after_misses)) +
                    "'; allowed are 'wrap_up', 'on_break' and 'offline'");
  }
  return check_durations(owner, {{"wrap_up", agent.wrap_up.value_or(0ms)},
                                 {"no_answer_delay", agent.no_answer_delay},
                                 {"busy_delay", agent.busy_delay},
                                 {"reject_delay", agent.reject_delay}});
}

absl::Status Router::check(const QueueOptions& queue) {
  const std::string owner = "queue '" + queue.id + "'";
  if (queue.id.empty()) return refuse("a queue needs an id");
  if (!known_strategy(queue.strategy)) {
    std::string names;
    for (const std::string_view name : strategy_names()) {
      names += (names.empty() ? "'" : ", '") + std::string(name) + "'";
    }
    return refuse(owner + ": strategy '" + queue.strategy + "' is unknown; there are " + names);
  }
  absl::flat_hash_map<std::string, bool> seen;
  for (const QueueMember& member : queue.members) {
    if (member.agent.empty()) return refuse(owner + ": a member has no agent");
    if (!seen.emplace(member.agent, true).second) {
      return refuse(owner + ": agent '" + member.agent + "' is a member twice");
    }
    if (member.penalty < 0) {
      return refuse(owner + ": penalty of member '" + member.agent + "' is " +
                    std::to_string(member.penalty) + "; allowed are 0 and more");
    }
  }
  if (auto s = check_skills(owner, "required", queue.required); !s.ok()) return s;
  if (auto s = check_skills(owner, "preferred", queue.preferred); !s.ok()) return s;
  Millis last{0};
  for (const QueueStep& step : queue.steps) {
    const std::string name = owner + ": step after " + std::to_string(step.after.count()) + " ms";
    if (step.after < last || step.after > kLongest) {
      return refuse(name + " is out of order: it is to be later than " + std::to_string(last.count()) +
                    " ms, which comes before it, and at most " + std::to_string(kLongest.count()) + " ms");
    }
    last = step.after + 1ms;
    if (step.min_penalty && step.max_penalty && *step.min_penalty > *step.max_penalty) {
      return refuse(name + ": min_penalty " + std::to_string(*step.min_penalty) + " is above max_penalty " +
                    std::to_string(*step.max_penalty));
    }
    if (step.required) {
      if (auto s = check_skills(owner, "a step's", *step.required); !s.ok()) return s;
    }
    for (const Unavailable why : step.skip_if) {
      if (why != Unavailable::none && (bit(why) & kReasonsOfTheCaller) == 0) continue;
      return refuse(name + ": skip_if has '" + std::string(to_string(why)) +
                    "', which is no state of an agent; allowed are 'paused', 'in_use', 'ringing', "
                    "'unreachable', 'offline', 'wrap_up', 'delayed' and 'unknown'");
    }
  }
  if (!std::isfinite(queue.age_score) || queue.age_score < 0 || queue.age_score > 1000) {
    return refuse(owner + ": age_score is " + std::to_string(queue.age_score) + "; allowed are 0 to 1000");
  }
  if (queue.max_size < 0) {
    return refuse(owner + ": max_size is " + std::to_string(queue.max_size) + "; allowed are 0 and more");
  }
  if (queue.callback_tries < 1) {
    return refuse(owner + ": callback_tries is " + std::to_string(queue.callback_tries) +
                  "; allowed are 1 and more");
  }
  const QueueAnnouncements& announce = queue.announce;
  if (announce.more_than < 0 || announce.periodic_messages < 0) {
    return refuse(owner + ": announce.more_than and announce.periodic_messages are to be 0 or more");
  }
  if (auto s = check_durations(owner, {{"ring_limit", queue.ring_limit},
                                       {"ring_progressively", queue.ring_progressively},
                                       {"max_wait", queue.max_wait},
                                       {"retry", queue.retry},
                                       {"wrap_up", queue.wrap_up},
                                       {"tiers.wait", queue.tiers.wait},
                                       {"sticky", queue.sticky},
                                       {"resume", queue.resume},
                                       {"service_level", queue.service_level},
                                       {"short_abandon", queue.short_abandon},
                                       {"callback_retry", queue.callback_retry},
                                       {"announce.first", announce.first},
                                       {"announce.every", announce.every},
                                       {"announce.at_least", announce.at_least},
                                       {"announce.rounding", announce.rounding},
                                       {"announce.periodic", announce.periodic}});
      !s.ok()) {
    return s;
  }
  // What repeats is not to repeat without end in no time.
  const std::pair<std::string_view, Millis> positive[] = {{"ring_limit", queue.ring_limit},
                                                          {"ring_progressively", queue.ring_progressively}};
  for (const auto& [name, value] : positive) {
    if (value <= 0ms) return refuse(owner + ": " + std::string(name) + " is 0 ms; it is to be longer");
  }
  return absl::OkStatus();
}

// --------------------------------------------------------------------------------------------- a step

void Router::Machine::step(const acd::Event& event, Time now, acd::Commands& out) {
  last_step_ = now;
  begin_day(now);
  wake_agents(now, out);
  std::visit([&](const auto& e) { handle(e, now, out); }, event);
  expire(now, out);
  settle(now, out);
}

void Router::Machine::begin_day(Time now) {
  const std::int64_t day = std::chrono::floor<std::chrono::days>(now).time_since_epoch().count();
  if (day == day_) return;
  day_ = day;
  for (std::uint32_t a = 0; a < agents_.size(); ++a) {
    Agent& agent = agents_[a];
    agent.calls = 0;
    agent.talk = Micros{0};
    for (Served& served : agent.served) {
      served.calls = 0;
      served.talk = Micros{0};
    }
  }
  for (std::uint32_t q = 0; q < queues_.size(); ++q) {
    Queue& queue = queues_[q];
    queue.joined = queue.served = queue.abandoned = queue.short_abandoned = queue.timed_out = 0;
    queue.overflowed = queue.in_time = 0;
    queue.waited = Micros{0};
    const bool counts =
        queue.strategy == Strategy::fewest_calls || queue.strategy == Strategy::least_talk_time;
    if (queue.known && counts) make_stale(q);
  }
}

void Router::Machine::expire(Time now, acd::Commands& out) {
  for (;;) {
    const std::optional<Time> offer = offer_timers_.next(), entry = entry_timers_.next();
    if (offer && *offer <= now && (!entry || *offer <= *entry)) {
      const std::uint32_t slot = *offer_timers_.pop(now);
      out.push_back(acd::Withdraw{offers_[slot].id, "time-out"});
      missed(slot, acd::Refused::Why::no_answer, now, out);
    } else if (entry && *entry <= now) {
      entry_due(*entry_timers_.pop(now), now, out);
    } else {
      break;
    }
  }
  expire_places(now);
}

void Router::Machine::settle(Time now, acd::Commands& out) {
  if (std::exchange(any_stale_, false)) {
    for (std::uint32_t q = 0; q < queues_.size(); ++q) {
      if (queues_[q].stale && !queues_[q].waiting.empty()) build(q, now);
    }
  }
  for (;;) {
    if (!restages_.empty()) take_in_turn(restages_, [&](std::uint32_t queue) { restage(queue, now); });
    if (!looks_.empty()) take_in_turn(looks_, [&](std::uint32_t queue) { look_for_empty(queue, now, out); });
    dispatch(now, out);
    if (!restages_.empty()) continue;  // who rings now may have been the last who was there
    // Who is left over may ring for callers who are rung for already.
    for (const EntryId entry : rings_more_) ring_one_more(entry, now, out);
    rings_more_.clear();
    if (restages_.empty()) return;
  }
}

std::optional<Time> Router::Machine::deadline() const {
  std::optional<Time> due;
  const auto at = [&due](std::optional<Time> t) {
    if (t && (!due || *t < *due)) due = t;
  };
  at(agent_timers_.next());
  at(offer_timers_.next());
  at(entry_timers_.next());
  return due;
}

void Router::Machine::handle(const acd::Tick&, Time, acd::Commands&) {}

// Every leg is gone. Callers who waited keep their place for as long as a dropped one does.
void Router::Machine::handle(const acd::Restarted&, Time now, acd::Commands& out) {
  std::vector<std::pair<OfferId, std::uint32_t>> offers;
  offer_of_.each([&](OfferId id, std::uint32_t slot) { offers.emplace_back(id, slot); });
  std::sort(offers.begin(), offers.end());
  for (const auto& [id, slot] : offers) {
    if (offers_[slot].talking) {
      end_talk(slot, acd::Exit::system, false, now, out);
      continue;
    }
    const std::uint32_t entry = offers_[slot].entry;
    end_offer(slot, now);
    if (entries_[entry].offers.empty()) open(entry);
  }
  std::vector<std::pair<EntryId, std::uint32_t>> entries;
  for (const auto& [id, slot] : entry_of_) entries.emplace_back(id, slot);
  std::sort(entries.begin(), entries.end());
  for (const auto& [id, slot] : entries) {
    Entry& entry = entries_[slot];
    if (!entry.absent) {
      leave(slot, acd::Exit::system, now, out);
    } else if (entry.state == EntryState::dialling) {  // how it went nobody knows: it is owed still
      --entry.attempt;
      set_under_way(slot, false);
      open(slot);
      set_timer(slot);
    }
  }
  for (std::uint32_t a = 0; a < agents_.size(); ++a) {
    Agent& agent = agents_[a];
    for (Contacts& c : agent.contacts) c.outside = 0;
    if (agent.options.standby) agent.reachable = false;
    changed(a, now, out);
  }
}

// ----------------------------------------------------------------------------------- what others call

Router::Router(RouterOptions options) : machine_(std::make_unique<Machine>(options)) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::step(const acd::Event& event, Time now, acd::Commands& out) { machine_->step(event, now, out); }
std::optional<Time> Router::deadline() const { return machine_->deadline(); }
std::string Router::save() const { return machine_->save(); }
absl::StatusOr<Router> Router::restore(std::string_view json) {
  auto machine = Machine::restore(json);
  if (!machine.ok()) return machine.status();
  Router router;
  router.machine_ = *std::move(machine);
  return router;
}
std::vector<Router::AgentView> Router::agents(Time now) const { return machine_->agents(now); }
std::vector<Router::QueueView> Router::queues(Time now) const { return machine_->queues(now); }
std::vector<Router::EntryView> Router::entries(Time) const { return machine_->entries(); }
std::optional<Router::EntryView> Router::entry(EntryId id) const { return machine_->entry(id); }
bool Router::owes_callback(std::string_view call) const { return machine_->owes_callback(call); }
int Router::position(std::string_view call) const { return machine_->position(call); }
Millis Router::estimate(std::string_view call, Time now) const { return machine_->estimate(call, now); }
std::optional<acd::Decided> Router::explain(std::string_view call, Time now) const {
  return machine_->explain(call, now);
}

}  // namespace ivr

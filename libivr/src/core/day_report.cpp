#include "ivr/day_report.hpp"

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

namespace ivr {
namespace {

Millis millis(Micros d) { return std::chrono::duration_cast<Millis>(d); }
std::size_t index(AgentState state) { return static_cast<std::size_t>(state); }

}  // namespace

Micros DayReport::Agent::logged_in() const {
  Micros sum{0};
  for (std::size_t i = 0; i < in.size(); ++i) sum += i == index(AgentState::offline) ? Micros{0} : in[i];
  return sum;
}

double DayReport::Agent::occupancy() const {
  const Micros worked = in[index(AgentState::on_call)] + in[index(AgentState::wrap_up)];
  const Micros there = worked + in[index(AgentState::available)];
  return there == Micros{0} ? 0 : static_cast<double>(worked.count()) / static_cast<double>(there.count());
}

void DayReport::queue(const QueueOptions& queue) {
  queues_[queue.id];
  levels_[queue.id] = {queue.service_level, queue.short_abandon};
}

void DayReport::seed(const std::vector<Router::AgentView>& agents,
                     const std::vector<Router::EntryView>& entries, Time at) {
  for (const Router::AgentView& agent : agents) {
    agents_[agent.id];
    standings_[agent.id] = {agent.state, at};
  }
  last_ = at;
  stories_.seed(entries);
}

// Counts the part of a state that lies within the report's time.
void DayReport::pass(const std::string& agent, const Standing& standing, Time until) {
  const Time from = std::max(standing.since, since_), to = std::min(until, until_);
  if (to > from) agents_[agent].in[index(standing.state)] += to - from;
}

void DayReport::stand(const std::string& agent, AgentState state, Time at) {
  agents_[agent];
  const auto [it, fresh] = standings_.try_emplace(agent, Standing{AgentState::offline, at});
  if (!fresh) pass(agent, it->second, at);
  it->second = {state, at};
}

// In the whole day, and in its slot.
template <class Count>
void DayReport::count(const std::string& queue, Time at, Count count) {
  Queue& counted = queues_[queue];
  count(static_cast<Service&>(counted));
  count(counted.slots[(at - since_) / Micros{slot_}]);
}

void DayReport::served(const acd::Connect& connect, Time at) {
  const auto announced = announced_.find(connect.entry);
  const CallStory* story = stories_.find(connect.call);
  if (within(at) && story) {
    const bool in_time = connect.waited <= level(story->queue).first;
    count(story->queue, at, [&](Service& s) {
      ++s.served;
      s.in_time += in_time;
    });
    Queue& queue = queues_[story->queue];
    queue.wait_served += connect.waited;
    queue.longest_wait = std::max(queue.longest_wait, connect.waited);
    ++agents_[connect.agent].served;
    if (announced != announced_.end()) {
      for (const Announced& estimate : announced->second) {
        ++queue.estimates;
        const Millis real = millis(at - estimate.at);
        queue.estimate_error += std::max(real - estimate.wait, estimate.wait - real);
      }
    }
  }
  if (announced != announced_.end()) announced_.erase(announced);
}

void DayReport::left(const acd::Left& left, Time at) {
  announced_.erase(left.entry);
  if (!within(at)) return;
  Queue& queue = queues_[left.queue];
  if (!left.agent.empty()) {  // it was served, and has talked
    queue.talked += left.talked;
    agents_[left.agent].talked += left.talked;
    return;
  }
  const auto [long_wait, short_wait] = level(left.queue);
  count(left.queue, at,
        [&, in_time = left.waited <= long_wait, at_once = left.waited < short_wait](Service& s) {
          switch (left.exit) {
            case acd::Exit::abandoned:
              ++(at_once ? s.short_abandoned : s.abandoned);
              s.abandoned_in_time += in_time && !at_once;
              break;
            case acd::Exit::timeout: ++s.timed_out; break;
            case acd::Exit::full: ++s.full; break;
            case acd::Exit::unavailable: ++s.unavailable; break;
            case acd::Exit::served:
            case acd::Exit::key:
            case acd::Exit::moved:
            case acd::Exit::callback:
            case acd::Exit::system: break;
          }
        });
  queue.key += left.exit == acd::Exit::key;
  queue.moved += left.exit == acd::Exit::moved;
  queue.callback += left.exit == acd::Exit::callback;
  queue.system += left.exit == acd::Exit::system;
  if (left.exit == acd::Exit::abandoned) queue.wait_abandoned += left.waited;
  queue.longest_wait = std::max(queue.longest_wait, left.waited);
}

std::pair<Millis, Millis> DayReport::level(const std::string& queue) const {
  const auto known = levels_.find(queue);
  const QueueOptions usual;
  return known == levels_.end() ? std::pair{usual.service_level, usual.short_abandon} : known->second;
}

struct DayReport::Step {
  DayReport& report;
  Time at;
  bool counts;

  Agent* offered(OfferId offer) {
    const auto known = report.offers_.find(offer);
    return known == report.offers_.end() || !counts ? nullptr : &report.agents_[known->second];
  }

  void operator()(const acd::QueueSet& e) { report.queue(e.queue); }
  void operator()(const acd::AgentSet& e) { report.agents_[e.agent.id]; }
  void operator()(const acd::Restarted&) {
    if (report.last_ == Time{}) return;
    for (auto& [agent, standing] : report.standings_) {
      report.pass(agent, standing, report.last_);
      standing.since = at;
    }
  }
  void operator()(const acd::AgentRemoved& e) { report.stand(e.agent, AgentState::offline, at); }
  void operator()(const acd::Refused& e) {
    if (Agent* agent = offered(e.offer)) {
      switch (e.why) {
        case acd::Refused::Why::no_answer: ++agent->missed; break;
        case acd::Refused::Why::busy: ++agent->busy; break;
        case acd::Refused::Why::rejected: ++agent->rejected; break;
        case acd::Refused::Why::unreachable: ++agent->unreachable; break;
      }
    }
    report.offers_.erase(e.offer);
  }

  void operator()(const acd::Offer& c) {
    report.offers_[c.offer] = c.agent;
    report.agents_[c.agent].offered += counts;
  }
  void operator()(const acd::Withdraw& c) {
    // The router's own clock may be the one that says that nobody answered.
    if (Agent* agent = offered(c.offer)) agent->missed += c.why == "time-out";
    report.offers_.erase(c.offer);
  }
  void operator()(const acd::Connect& c) {
    report.offers_.erase(c.offer);
    report.served(c, at);
  }
  void operator()(const acd::Joined& c) { report.queues_[c.queue].joined += counts; }
  void operator()(const acd::Left& c) { report.left(c, at); }
  void operator()(const acd::Announce& c) {
    if (c.wait) report.announced_[c.entry].push_back({at, *c.wait});
  }
  void operator()(const acd::AgentChanged& c) { report.stand(c.agent, c.state, at); }

  template <class Other>
  void operator()(const Other&) {}
};

void DayReport::step(const acd::Event& event, const acd::Commands& commands, Time at) {
  // The first step after the end may still say that nothing ran before it.
  if (at >= until_ && (std::exchange(over_, true) || !std::holds_alternative<acd::Restarted>(event))) return;
  stories_.step(event, commands, at);
  Step step{*this, at, within(at)};
  std::visit(step, event);
  for (const acd::Command& command : commands) std::visit(step, command);
  last_ = at;
}

void DayReport::call(const CallRecord& record) {
  if (!within(record.started)) return;
  Call& call = calls_.emplace_back();
  call.record = record;
  if (const CallStory* story = stories_.find(record.id)) {
    call.story = *story;
    call.queued = true;
  }
  ++totals_.calls;
  totals_.answered += record.answered != Time{};
  totals_.completed += record.status == "completed";
  totals_.failed += record.status == "failed";
  totals_.abandoned += record.status == "abandoned";
  totals_.open += record.ended == Time{};
  if (record.answered != Time{} && record.ended != Time{}) {
    ++totals_.timed;
    totals_.duration += millis(record.ended - record.answered);
  }
}

void DayReport::finish(Time now) {
  for (const auto& [agent, standing] : standings_) {
    pass(agent, standing, now);
    agents_[agent].state = standing.state;
  }
  const auto order = [](const Call& call) { return std::tie(call.record.started, call.record.id); };
  std::sort(calls_.begin(), calls_.end(), [&](const Call& a, const Call& b) { return order(a) < order(b); });
  std::map<std::int64_t, int> begun;
  for (const Call& call : calls_) {
    const std::int64_t slot = (call.record.started - since_) / Micros{slot_};
    if (++begun[slot] > totals_.in_busiest_slot) {
      totals_.in_busiest_slot = begun[slot];
      totals_.busiest_slot = static_cast<int>(slot);
    }
  }
}

}  // namespace ivr

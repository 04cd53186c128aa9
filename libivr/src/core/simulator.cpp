#include "ivr/simulator.hpp"

#include <algorithm>
#include <bit>

#include "core/flow_model.hpp"
#include "core/simulator_world.hpp"

namespace ivr {
namespace {

constexpr std::int64_t kMostCalls = 1'000'000'000;
constexpr int kMostDays = 1'000'000;
constexpr std::size_t kSteps = 32;  // of a doubling

std::size_t bucket_of(std::uint64_t ms) {
  if (ms < 2 * kSteps) return static_cast<std::size_t>(ms);
  const auto doublings = static_cast<std::size_t>(std::bit_width(ms)) - 6;
  return doublings * kSteps + static_cast<std::size_t>(ms >> doublings);
}

std::uint64_t middle_of(std::size_t bucket) {
  if (bucket < 2 * kSteps) return bucket;
  const std::size_t doublings = bucket / kSteps - 1;
  const std::uint64_t low = (bucket - doublings * kSteps) << doublings;
  return low + (std::uint64_t{1} << doublings) / 2;
}

}  // namespace

// -------------------------------------------------------------------------------------------- times

void SimulatedTimes::add(Micros time) {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(time / 1ms, 0));
  const std::size_t bucket = bucket_of(ms);
  if (buckets_.size() <= bucket) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  ++count_;
  sum_ += time.count();
  most_ = std::max(most_, time);
}

void SimulatedTimes::add(const SimulatedTimes& other) {
  if (buckets_.size() < other.buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  most_ = std::max(most_, other.most_);
}

double SimulatedTimes::mean_seconds() const noexcept {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_) * 1e-6;
}
Millis SimulatedTimes::mean() const noexcept {
  return count_ == 0 ? Millis{0} : Millis(sum_ / static_cast<std::int64_t>(count_) / 1000);
}

Millis SimulatedTimes::percentile(double percent) const {
  if (count_ == 0) return Millis{0};
  const auto wanted = static_cast<std::uint64_t>(percent / 100 * static_cast<double>(count_));
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    below += buckets_[i];
    if (below > wanted) return std::min(Millis(middle_of(i)), most());
  }
  return most();
}

double SimulatedQueue::answer_rate() const {
  const std::uint64_t wanted = served + abandoned + timed_out + full + unavailable;
  return wanted == 0 ? 1 : static_cast<double>(served) / static_cast<double>(wanted);
}
double SimulatedQueue::service_level() const {
  const std::uint64_t wanted = served + abandoned + timed_out + full + unavailable;
  return wanted == 0 ? 1 : static_cast<double>(in_time) / static_cast<double>(wanted);
}
double SimulatedWork::utilisation() const {
  return logged_in_ms == 0 ? 0 : static_cast<double>(busy_ms) / static_cast<double>(logged_in_ms);
}

std::size_t SimulationResult::nodes_visited() const {
  return static_cast<std::size_t>(
      std::count_if(nodes.begin(), nodes.end(), [](const SimulatedNode& n) { return n.visits > 0; }));
}
std::pair<std::size_t, std::size_t> SimulationResult::exits_taken() const {
  std::pair<std::size_t, std::size_t> counts;
  for (const SimulatedNode& node : nodes) {
    for (const SimulatedWay& way : node.ways) {
      if (way.implied) continue;
      ++counts.second;
      // Of a way back it is not known beforehand where it leads.
      const bool back = way.to.empty();
      counts.first += way.calls > 0 ||
                      (back && std::any_of(node.ways.begin(), node.ways.end(),
                                           [&](const auto& w) { return w.exit == way.exit && w.calls > 0; }));
    }
  }
  return counts;
}

// -------------------------------------------------------------------------------------------- plan

struct Simulator::Plan {
  SimulatorOptions options;
  std::vector<std::int64_t> days;  // calls of each
  std::int64_t calls = 0;
};

Simulator::Simulator(std::unique_ptr<const Plan> plan) : plan_(std::move(plan)) {}
Simulator::~Simulator() = default;
Simulator::Simulator(Simulator&&) noexcept = default;
Simulator& Simulator::operator=(Simulator&&) noexcept = default;

absl::StatusOr<Simulator> Simulator::create(SimulatorOptions options) {
  const auto bad = [](std::string message) { return absl::InvalidArgumentError(std::move(message)); };
  if (!options.flow) return bad("a simulation needs a flow");
  for (const AgentOptions& agent : options.agents) {
    if (auto checked = Router::check(agent); !checked.ok()) return checked;
  }
  for (const QueueOptions& queue : options.queues) {
    if (auto checked = Router::check(queue); !checked.ok()) return checked;
  }
  if (options.day < 1min || options.day > 24h * 366)
    return bad("a day of " + std::to_string(options.day / 1s) + " s; it lasts from 60 s to 366 days");
  if (options.arrivals.empty()) {
    if (options.calls < 1 || options.calls > kMostCalls)
      return bad(std::to_string(options.calls) + " calls; from 1 to " + std::to_string(kMostCalls));
    double sum = 0;
    for (const double rate : options.per_hour) {
      if (!(rate >= 0 && rate <= 1e6))
        return bad("a rate of " + std::to_string(rate) + " calls an hour; from 0 to 10^6");
      sum += rate;
    }
    if (!(sum >= 0.001)) return bad("no calls would come: all rates are 0");
  }
  const std::vector<std::string> nodes = options.flow->node_names();
  const auto known = [&](std::string name) {
    if (name.ends_with("/confirm")) name.resize(name.size() - 8);
    return std::find(nodes.begin(), nodes.end(), name) != nodes.end();
  };
  for (const std::string& goal : options.goals) {
    if (!known(goal)) return bad("the goal '" + goal + "' is no node of the flow");
  }
  for (const auto& [node, answers] : options.callers.answers) {
    if (!known(node)) return bad("answers of '" + node + "', which is no node of the flow");
    (void)answers;
  }
  for (const auto& [id, acts] : options.agents_by_id) {
    (void)acts;
    if (std::none_of(options.agents.begin(), options.agents.end(),
                     [&](const AgentOptions& a) { return a.id == id; }))
      return bad("there is no agent '" + id + "' in the site");
  }
  auto plan = std::make_unique<Plan>();
  if (!options.arrivals.empty()) {
    std::stable_sort(options.arrivals.begin(), options.arrivals.end(),
                     [](const RecordedArrival& a, const RecordedArrival& b) { return a.at < b.at; });
    options.calls = static_cast<std::int64_t>(options.arrivals.size());
    const Micros since = options.arrivals.front().at - options.start;
    if (since < Micros{0}) return bad("a recorded call came before the first day");
    for (const RecordedArrival& arrival : options.arrivals) {
      const auto day = static_cast<std::size_t>((arrival.at - options.start) / Micros(options.day));
      if (day >= static_cast<std::size_t>(kMostDays)) return bad("recorded calls of more than 10^6 days");
      if (plan->days.size() <= day) plan->days.resize(day + 1);
      ++plan->days[day];
    }
  } else {
    std::int64_t left = options.calls;
    while (left > 0) {
      if (plan->days.size() >= static_cast<std::size_t>(kMostDays))
        return bad("so many calls would take more than 10^6 days at this rate");
      simulation::Arrivals arrivals(options, static_cast<int>(plan->days.size()));
      std::int64_t count = 0;
      while (count < left && arrivals.next()) ++count;
      plan->days.push_back(count);
      left -= count;
    }
  }
  plan->calls = options.calls;
  plan->options = std::move(options);
  return Simulator(std::move(plan));
}

int Simulator::days() const noexcept { return static_cast<int>(plan_->days.size()); }
std::int64_t Simulator::calls() const noexcept { return plan_->calls; }
std::int64_t Simulator::calls_of(int day) const noexcept {
  return plan_->days[static_cast<std::size_t>(day)];
}
const SimulatorOptions& Simulator::options() const noexcept { return plan_->options; }

SimulationResult Simulator::empty() const {
  SimulationResult result;
  const flow::Model& model = plan_->options.flow->model();
  for (std::size_t i = 0; i < model.nodes.size(); ++i) {
    SimulatedNode& node = result.nodes.emplace_back();
    node.name = model.nodes[i].name;
    node.type = std::string(model.nodes[i].type_name);
    for (const flow::Edge& edge : flow::edges_of(model, static_cast<int>(i))) {
      node.ways.push_back({std::string(edge.exit),
                           edge.to < 0 ? std::string() : model.nodes[static_cast<std::size_t>(edge.to)].name,
                           0, edge.implied});
    }
  }
  return result;
}

SimulationResult Simulator::run_day(int day) const {
  SimulationResult result = empty();
  simulation::World(plan_->options, day, calls_of(day), result).run();
  return result;
}

void Simulator::add(SimulationResult& sum, const SimulationResult& day) {
  sum.days += day.days;
  sum.calls += day.calls;
  sum.steps += day.steps;
  sum.goals += day.goals;
  sum.cut_off += day.cut_off;
  sum.length.add(day.length);
  sum.hash = simulation::seed_of(sum.hash, day.hash, 0);
  for (const auto& [name, times] : day.outcomes) sum.outcomes[name].add(times);
  for (std::size_t i = 0; i < day.nodes.size(); ++i) {
    SimulatedNode& node = sum.nodes[i];
    node.visits += day.nodes[i].visits;
    node.lost += day.nodes[i].lost;
    for (const SimulatedWay& way : day.nodes[i].ways) {
      const auto found = std::find_if(node.ways.begin(), node.ways.end(), [&](const SimulatedWay& w) {
        return w.exit == way.exit && w.to == way.to;
      });
      if (found == node.ways.end()) {
        node.ways.push_back(way);
      } else {
        found->calls += way.calls;
      }
    }
  }
  for (const auto& [id, from] : day.queues) {
    SimulatedQueue& to = sum.queues[id];
    to.joined += from.joined, to.served += from.served, to.abandoned += from.abandoned;
    to.timed_out += from.timed_out, to.full += from.full, to.unavailable += from.unavailable;
    to.left_by_key += from.left_by_key, to.callbacks += from.callbacks, to.in_time += from.in_time;
    to.wait.add(from.wait), to.talk.add(from.talk), to.abandoned_after.add(from.abandoned_after);
  }
  for (const auto& [id, from] : day.agents) {
    SimulatedWork& to = sum.agents[id];
    to.offered += from.offered, to.served += from.served, to.missed += from.missed;
    to.refused += from.refused, to.busy_ms += from.busy_ms, to.logged_in_ms += from.logged_in_ms;
  }
  for (const auto& [url, count] : day.unanswered) {
    if (sum.unanswered.size() < 16 || sum.unanswered.contains(url)) sum.unanswered[url] += count;
  }
}

}  // namespace ivr

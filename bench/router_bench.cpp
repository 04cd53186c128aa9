#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "ivr/router.hpp"

// What a decision of the Router costs, by strategy and number of agents.
//
// One queue, its agents in ten penalties of which the lowest is a hundredth of them (ten at least), skills of
// ten kinds at five levels, every second one busy (in `free`: all). A decision is one of
//   arrives: a caller joins, and somebody is free           step(Join)      -> Offer
//   free:    an agent's talk ends, and callers wait         step(TalkEnded) -> Offer
// Each is timed alone, two readings of the clock included, and the median is told; the other steps of a call
// (Accepted, and in `arrives` TalkEnded too) are not in it, but they are in calls/s, which is whole calls by
// the wall clock. Explanations are made as by default, sixteen candidates each. Ringing all is an offer to
// every free agent of the first penalty, 5 to 500 here, so it is told by telephone as well.
//
// Beside it, in the same run: what finding one agent by looking at each costs, for the same metric over an
// array, with no call, no state and no explanation around it.

namespace {

using namespace ivr;
using Clock = std::chrono::steady_clock;

constexpr int kSizes[] = {10, 1'000, 10'000, 100'000};

std::string name_of(int agent) { return "agent" + std::to_string(agent); }

struct Median {
  std::vector<double> ns;
  void add(Clock::time_point begin, Clock::time_point end) {
    ns.push_back(std::chrono::duration<double, std::nano>(end - begin).count());
  }
  double at(double part) {
    std::sort(ns.begin(), ns.end());
    return ns.empty() ? 0 : ns[static_cast<std::size_t>(part * static_cast<double>(ns.size() - 1))];
  }
};

class Desk {
 public:
  Desk(std::string strategy, int agents, int explain_limit)
      : router_({.seed = 7, .explain_limit = explain_limit}) {
    std::mt19937_64 random(5);
    QueueOptions queue{.id = "q", .strategy = std::move(strategy)};
    const int first = std::max(10, agents / 100);
    acd::Commands out;
    for (int i = 0; i < agents; ++i) {
      AgentOptions agent{.id = name_of(i), .uri = "sip:" + name_of(i) + "@127.0.0.1"};
      agent.skills = {{"skill" + std::to_string(random() % 10), 1 + static_cast<int>(random() % 5)},
                      {"everyone", 1 + static_cast<int>(random() % 5)}};
      agent.score = static_cast<int>(random() % 1000);
      router_.step(acd::AgentSet{agent}, now_, out);
      router_.step(acd::AgentStatus{agent.id, AgentState::available}, now_, out);
      queue.members.push_back({agent.id, i < first ? 0 : 1 + i % 9, i});
      out.clear();
    }
    queue.required = {{"everyone", 2}};
    router_.step(acd::QueueSet{queue}, now_, out);
  }

  // Agents who are busy with contacts of their own.
  void occupy(int agent) {
    acd::Commands out;
    router_.step(acd::AgentBusy{name_of(agent), "voice", 1}, now_, out);
  }
  // One caller more: whom it is offered to answers.
  void call() {
    join();
    answer();
  }
  // The joining alone is timed.
  void arrives(Median& median) {
    pass();
    make_join();
    const auto begin = Clock::now();
    router_.step(join_, now_, out_);
    median.add(begin, Clock::now());
    for (const acd::Command& command : out_) rung_ += std::holds_alternative<acd::Offer>(command);
    answer();
  }
  void free_oldest() {
    pass();
    out_.clear();
    if (talks_.empty()) return;
    const acd::Event end = acd::TalkEnded{talks_.front()};
    talks_.pop_front();
    router_.step(end, now_, out_);
    answer();
  }
  void frees(Median& median) {
    pass();
    out_.clear();
    const acd::Event end = acd::TalkEnded{talks_.front()};
    talks_.pop_front();
    const auto begin = Clock::now();
    router_.step(end, now_, out_);
    median.add(begin, Clock::now());
    answer();
  }
  void join() {
    pass();
    make_join();
    router_.step(join_, now_, out_);
  }
  std::size_t talks() const { return talks_.size(); }
  int rung() const { return rung_; }  // telephones, in the arrivals that were timed

 private:
  void pass() {
    now_ += 100ms;
    while (const auto due = router_.deadline()) {
      if (*due > now_) break;
      out_.clear();
      router_.step(acd::Tick{}, now_, out_);
      answer();
    }
    out_.clear();
  }
  void make_join() {
    const std::string number = std::to_string(++calls_);
    join_ = acd::Join{.call = number, .queue = "q", .caller = number};
    out_.clear();
  }
  void answer() {
    for (std::size_t i = 0; i < out_.size(); ++i) {
      if (const auto* offer = std::get_if<acd::Offer>(&out_[i])) {
        router_.step(acd::Accepted{offer->offer}, now_, out_);
      } else if (const auto* connect = std::get_if<acd::Connect>(&out_[i])) {
        talks_.push_back(connect->offer);
      }
    }
  }

  Router router_;
  Time now_{};
  acd::Commands out_;
  acd::Event join_;
  std::deque<OfferId> talks_;
  std::uint64_t calls_ = 0;
  int rung_ = 0;
};

struct Row {
  std::array<double, 4> arrives{}, free{}, calls{}, scan{};
};
std::map<std::string, Row> rows;  // by strategy

int samples(int agents) { return agents > 10'000 ? 2'000 : 5'000; }

void arrives(benchmark::State& state, const std::string& strategy, std::size_t size, int explain_limit,
             const std::string& row) {
  const int agents = kSizes[size];
  Desk desk(strategy, agents, explain_limit);
  for (int i = 0; i < agents; i += 2) desk.occupy(i);
  desk.call();
  Median median;
  const auto begin = Clock::now();
  for (auto _ : state) {
    desk.arrives(median);
    desk.free_oldest();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  state.counters["median_ns"] = rows[row].arrives[size] = median.at(0.5);
  const double ring = static_cast<double>(desk.rung()) / static_cast<double>(median.ns.size());
  if (ring > 1.5) rows[row + ", one telephone"].arrives[size] = median.at(0.5) / ring;
  state.counters["p99_ns"] = median.at(0.99);
  state.counters["calls/s"] = rows[row].calls[size] = static_cast<double>(median.ns.size()) / seconds;
}

void frees(benchmark::State& state, const std::string& strategy, std::size_t size, int explain_limit,
           const std::string& row) {
  const int agents = kSizes[size];
  Desk desk(strategy, agents, explain_limit);
  // All but some of each penalty are busy, those talk, and others wait.
  const int step = std::max(1, agents / 200);
  for (int i = 0; i < agents; ++i)
    if (i % step != 0) desk.occupy(i);
  for (std::size_t talks = 0, before = 1; talks != before; talks = desk.talks()) {
    before = desk.talks();
    for (int i = 0; i < 10; ++i) desk.call();
  }
  for (int i = 0; i < 200; ++i) desk.join();
  Median median;
  for (auto _ : state) {
    desk.frees(median);
    desk.join();
  }
  state.counters["median_ns"] = rows[row].free[size] = median.at(0.5);
  state.counters["p99_ns"] = median.at(0.99);
}

// The linear scan: the lowest (penalty, metric, position) of those who are free and have the skill.
void scan(benchmark::State& state, std::size_t size) {
  struct Member {
    int penalty, position, active, capacity, level;
    std::int64_t metric;
  };
  std::mt19937_64 random(5);
  const int agents = kSizes[size];
  std::vector<Member> members;
  for (int i = 0; i < agents; ++i)
    members.push_back({i < std::max(10, agents / 100) ? 0 : 1 + i % 9, i, static_cast<int>(random() % 2), 1,
                       1 + static_cast<int>(random() % 5), static_cast<std::int64_t>(random() % 1'000'000)});
  Median median;
  std::int64_t clock = 1'000'000;
  for (auto _ : state) {
    const auto begin = Clock::now();
    Member* best = nullptr;
    for (Member& m : members) {
      if (m.active >= m.capacity || m.level < 2) continue;
      if (!best ||
          std::tie(m.penalty, m.metric, m.position) < std::tie(best->penalty, best->metric, best->position))
        best = &m;
    }
    if (best) best->metric = ++clock;
    benchmark::DoNotOptimize(best);
    median.add(begin, Clock::now());
  }
  const double ns = median.at(0.5);
  state.counters["median_ns"] = ns;
  for (auto& [strategy, row] : rows) row.scan[size] = ns;
}

// The slope of log(cost) over log(agents), least squares.
double exponent(const std::array<double, 4>& cost) {
  double x = 0, y = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double lx = std::log(kSizes[i]), ly = std::log(cost[i]);
    x += lx / 4, y += ly / 4, xx += lx * lx / 4, xy += lx * ly / 4;
  }
  return (xy - x * y) / (xx - x * x);
}

void table(const char* title, std::array<double, 4> Row::*cost) {
  std::printf("\n%s, median us\n%-28s", title, "strategy");
  for (const int size : kSizes) std::printf("%10d", size);
  std::printf("  exponent\n");
  for (const auto& [strategy, row] : rows) {
    const auto& values = row.*cost;
    if (std::any_of(values.begin(), values.end(), [](double v) { return v <= 0; })) continue;
    std::printf("%-28s", strategy.c_str());
    for (const double ns : values) std::printf("%10.2f", ns / 1000);
    std::printf("%10.2f\n", exponent(values));
  }
}

}  // namespace

int main(int argc, char** argv) {
  // For programs, such as tools/bench_compare, the numbers alone.
  const bool as_json = std::any_of(
      argv, argv + argc, [](const char* arg) { return std::string_view(arg) == "--benchmark_format=json"; });
  benchmark::Initialize(&argc, argv);
  const auto add = [](const std::string& strategy, int explain_limit, const std::string& row) {
    for (std::size_t size = 0; size < 4; ++size) {
      const std::string at = row + "/" + std::to_string(kSizes[size]);
      rows[row];
      benchmark::RegisterBenchmark(("arrives/" + at).c_str(), [=](benchmark::State& state) {
        arrives(state, strategy, size, explain_limit, row);
      })->Iterations(samples(kSizes[size]));
      benchmark::RegisterBenchmark(("free/" + at).c_str(), [=](benchmark::State& state) {
        frees(state, strategy, size, explain_limit, row);
      })->Iterations(samples(kSizes[size]));
    }
  };
  // The names of our own; those of other engines mean the same.
  for (const char* strategy :
       {"ringall", "ring_progressively", "longest_idle", "fewest_calls", "least_talk_time", "rrmemory",
        "rrordered", "round_robin", "linear", "top_down", "random", "wrandom", "sequential", "skills_based",
        "load_balanced", "least_busy", "priority"})
    add(strategy, RouterOptions{}.explain_limit, strategy);
  add("longest_idle", 0, "longest_idle, unexplained");
  for (std::size_t size = 0; size < 4; ++size)
    benchmark::RegisterBenchmark(("scan/" + std::to_string(kSizes[size])).c_str(),
                                 [=](benchmark::State& state) { scan(state, size); })
        ->Iterations(samples(kSizes[size]));
  benchmark::RunSpecifiedBenchmarks();
  if (as_json) return 0;

  table("A caller arrives and somebody is free", &Row::arrives);
  table("An agent becomes free and callers wait", &Row::free);
  std::array<double, 4> scanned{};
  if (!rows.empty()) scanned = rows.begin()->second.scan;
  if (scanned[0] > 0) {
    std::printf("\n%-28s", "linear scan, finding alone");
    for (const double ns : scanned) std::printf("%10.2f", ns / 1000);
    std::printf("%10.2f\n", exponent(scanned));
  }
  std::printf("\nWhole calls a second (joined, offered, answered, ended)\n");
  for (const auto& [strategy, row] : rows) {
    if (row.calls[0] <= 0) continue;
    std::printf("%-28s", strategy.c_str());
    for (const double calls : row.calls) std::printf("%10.0f", calls);
    std::printf("\n");
  }
}

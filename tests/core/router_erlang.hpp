#pragma once
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "ivr/router.hpp"

// A queue of the Router under Poisson arrivals and exponential service, on a clock that is made up, beside
// what is known of such a queue: Erlang's formula for the mean, and the recursion of Kiefer and Wolfowitz for
// every single wait.

namespace ivr::erlang {

struct Load {
  int agents = 1;
  double rho = 0.5;        // offered load / agents
  double service_s = 180;  // mean talk
  double offered() const { return agents * rho; }
  double between_s() const { return service_s / offered(); }
};

// The chance to wait at all (Erlang C), by way of the recursion for Erlang B.
inline double chance_to_wait(const Load& load) {
  double b = 1;
  for (int k = 1; k <= load.agents; ++k) b = load.offered() * b / (k + load.offered() * b);
  return b / (1 - load.rho * (1 - b));
}
inline double mean_wait_s(const Load& load) {
  return chance_to_wait(load) * load.service_s / (load.agents * (1 - load.rho));
}

struct Caller {
  Micros between{0};  // since the arrival before
  Micros service{0};
};

// The same seed gives the same callers everywhere: no distribution of the standard library is asked.
class Callers {
 public:
  Callers(const Load& load, std::uint64_t seed) : load_(load), state_(seed) {}
  Caller next() { return {exponential(load_.between_s()), exponential(load_.service_s)}; }

 private:
  std::uint64_t bits() {  // SplitMix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  Micros exponential(double mean_s) {
    const double u = (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53;
    return Micros(std::llround(-std::log(u) * mean_s * 1e6));
  }
  Load load_;
  std::uint64_t state_;
};

// Who comes first is served first by whoever is free first: each wait follows from the ones before.
class Recursion {
 public:
  explicit Recursion(int agents) {
    for (int i = 0; i < agents; ++i) free_.push(Micros{0});
  }
  Micros wait(const Caller& caller) {
    arrived_ += caller.between;
    const Micros begins = std::max(arrived_, free_.top());
    free_.pop();
    free_.push(begins + caller.service);
    return begins - arrived_;
  }

 private:
  std::priority_queue<Micros, std::vector<Micros>, std::greater<>> free_;
  Micros arrived_{0};
};

// What a caller who could not be served at once was told on arrival.
struct Told {
  std::size_t caller = 0;
  int position = 0;
  Micros wait{0};
};

// Every caller's wait when the Router decides, in the order of arrival.
inline std::vector<Micros> router_waits(const Load& load, const std::string& strategy, int arrivals,
                                        std::uint64_t seed, std::vector<Told>* told = nullptr) {
  Router router({.seed = seed, .explain_limit = 0});
  Time now{};
  acd::Commands out;
  QueueOptions queue{.id = "q", .strategy = strategy};
  for (int i = 0; i < load.agents; ++i) {
    const std::string id = "agent" + std::to_string(i);
    router.step(acd::AgentSet{{.id = id, .uri = "sip:" + id + "@127.0.0.1"}}, now, out);
    router.step(acd::AgentStatus{id, AgentState::available}, now, out);
    queue.members.push_back({.agent = id});
  }
  router.step(acd::QueueSet{queue}, now, out);
  out.clear();

  std::vector<Micros> waits(static_cast<std::size_t>(arrivals), Micros{-1}), service(waits.size());
  std::vector<Time> arrived(waits.size());
  using Ends = std::pair<Time, OfferId>;
  std::priority_queue<Ends, std::vector<Ends>, std::greater<>> talks;
  Callers callers(load, seed);
  const auto answer = [&] {  // agents answer at once; what that leads to is answered too
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (const auto* offer = std::get_if<acd::Offer>(&out[i])) {
        router.step(acd::Accepted{offer->offer}, now, out);
      } else if (const auto* connect = std::get_if<acd::Connect>(&out[i])) {
        const auto who = static_cast<std::size_t>(std::stoul(connect->call));
        assert(waits[who] < Micros{0});
        waits[who] = now - arrived[who];
        talks.push({now + service[who], connect->offer});
      }
    }
    out.clear();
  };

  Time next = Time{};
  int joined = 0;
  const auto draw = [&] {
    if (joined == arrivals) return;
    const Caller caller = callers.next();
    next += caller.between;
    arrived[static_cast<std::size_t>(joined)] = next;
    service[static_cast<std::size_t>(joined)] = caller.service;
  };
  draw();
  while (joined < arrivals || !talks.empty()) {
    const auto due = router.deadline();
    const Time end = talks.empty() ? Time::max() : talks.top().first;
    const Time begin = joined < arrivals ? next : Time::max();
    if (due && *due <= std::min(begin, end)) {
      now = std::max(now, *due);
      router.step(acd::Tick{}, now, out);
    } else if (end <= begin) {
      now = end;
      const OfferId offer = talks.top().second;
      talks.pop();
      router.step(acd::TalkEnded{offer}, now, out);
    } else {
      now = begin;
      const std::string call = std::to_string(joined);
      router.step(acd::Join{.call = call, .queue = "q"}, now, out);
      if (const int position = told ? router.position(call) : 0; position > 0 && out.size() == 1)
        told->push_back({static_cast<std::size_t>(joined), position, router.estimate(call, now)});
      ++joined;
      draw();
    }
    answer();
  }
  return waits;
}

inline std::vector<Micros> recursion_waits(const Load& load, int arrivals, std::uint64_t seed) {
  std::vector<Micros> waits;
  waits.reserve(static_cast<std::size_t>(arrivals));
  Callers callers(load, seed);
  Recursion recursion(load.agents);
  for (int i = 0; i < arrivals; ++i) waits.push_back(recursion.wait(callers.next()));
  return waits;
}

struct Mean {
  double seconds = 0;
  double half_width = 0;  // of the 95 % confidence interval
};
struct Estimate {
  Mean plain, controlled;
};

// The mean of waits, which depend on each other: so its error is taken from the means of batches.
//
// Control variates take most of it away: sums that are nothing on average whatever the queue does with its
// callers. As long as nobody knows beforehand when a call comes or a talk ends, calls come at a known rate,
// and of so many who talk the next one ends at a known rate; so each event, weighed with any function of what
// the queue was like just before, less that rate times the same function, integrated over time, comes to
// nothing. So does, in the long run, how much any such function has changed from the beginning of a batch to
// its end. Regression over the batches finds how much of each sum is in the waits. The functions are of how
// many talk and how many wait.
class Estimator {
 public:
  Estimator(const Load& load, std::uint64_t arrivals)
      : load_(load), batch_size_(std::max<std::uint64_t>(arrivals / kBatches, 1)), batches_(kBatches) {}

  void add(const Caller& caller, Micros wait) {  // in the order of arrival
    arrived_ += caller.between;
    pass(arrived_);
    batch_ = &batches_[std::min<std::uint64_t>(count_++ / batch_size_, kBatches - 1)];
    ++batch_->callers;
    batch_->wait += seconds(wait);
    for (std::size_t i = 0; i < kFunctions; ++i) batch_->controls[i] += functions_[i];
    become(talk_, wait_ + 1);
    events_.push({arrived_ + wait, Kind::begins});
    events_.push({arrived_ + wait + caller.service, Kind::ends});
  }

  Estimate result() const {
    using Column = std::array<double, kBatches>;  // one number a batch, less their mean
    const auto column = [&](auto sum_of, double& mean) {
      Column all{};
      mean = 0;
      for (std::size_t b = 0; b < kBatches; ++b) {
        all[b] = sum_of(batches_[b]) / static_cast<double>(batches_[b].callers);
        mean += all[b] / kBatches;
      }
      for (double& x : all) x -= mean;
      return all;
    };
    const auto product = [](const Column& a, const Column& b) {
      double sum = 0;
      for (std::size_t i = 0; i < kBatches; ++i) sum += a[i] * b[i];
      return sum;
    };
    const auto half = [&](const Column& left, std::size_t used) {
      constexpr double kStudent = 1.99;  // 97.5 %, 78 degrees of freedom and more
      return kStudent * std::sqrt(product(left, left) / static_cast<double>(kBatches - 1 - used) / kBatches);
    };
    Estimate estimate;
    double mean = 0;
    Column waits = column([](const Batch& b) { return b.wait; }, mean);
    estimate.plain = {mean, half(waits, 0)};
    // One after the other, each made to have nothing in common with those before it (Gram and Schmidt).
    std::vector<std::pair<Column, double>> used;  // and its mean
    for (std::size_t c = 0; c < kControls; ++c) {
      double known = 0;
      Column one = column([c](const Batch& b) { return b.controls[c]; }, known);
      const double before = product(one, one);
      for (const auto& [other, its_mean] : used) {
        const double part = product(one, other) / product(other, other);
        for (std::size_t b = 0; b < kBatches; ++b) one[b] -= part * other[b];
        known -= part * its_mean;
      }
      if (product(one, one) < 1e-9 * before) continue;  // says nothing that the others do not
      const double part = product(waits, one) / product(one, one);
      for (std::size_t b = 0; b < kBatches; ++b) waits[b] -= part * one[b];
      mean -= part * known;
      used.emplace_back(one, known);
    }
    estimate.controlled = {mean, half(waits, used.size())};
    return estimate;
  }

 private:
  static constexpr std::size_t kBatches = 100, kFunctions = 8, kStates = 5;
  static constexpr std::size_t kControls = 2 * kFunctions + kStates;
  struct Batch {
    std::uint64_t callers = 0;
    double wait = 0;
    std::array<double, kControls> controls{};  // calls that come, talks that end, and what has changed
  };
  enum class Kind { ends, begins };  // at one instant in this order
  using Happening = std::pair<Micros, Kind>;

  static double seconds(Micros t) { return static_cast<double>(t.count()) * 1e-6; }
  void become(int talk, int wait) {
    talk_ = talk, wait_ = wait;
    const double b = static_cast<double>(talk) / load_.agents, b2 = b * b, b4 = b2 * b2, b8 = b4 * b4;
    const double line = wait * (1 - load_.rho);
    functions_ = {1, b, b2, b4, b8, b8 * b8, wait > 0 ? 1.0 : 0.0, line};
    const std::array<double, kStates> states = {b, b2, b8, line, line * line};
    for (std::size_t i = 0; i < kStates && batch_; ++i) {
      batch_->controls[2 * kFunctions + i] += states[i] - states_[i];
    }
    states_ = states;
  }
  void pass(Micros until) {
    for (; !events_.empty() && events_.top().first <= until; events_.pop()) {
      const auto [at, kind] = events_.top();
      integrate(at);
      if (kind == Kind::begins) {
        become(talk_ + 1, wait_ - 1);
        continue;
      }
      for (std::size_t i = 0; i < kFunctions; ++i) batch_->controls[kFunctions + i] += functions_[i];
      become(talk_ - 1, wait_);
    }
    integrate(until);
  }
  void integrate(Micros until) {
    const double t = seconds(until - now_);
    now_ = until;
    if (!batch_) return;
    const double calls = t / load_.between_s(), ends = t * talk_ / load_.service_s;
    for (std::size_t i = 0; i < kFunctions; ++i) {
      batch_->controls[i] -= calls * functions_[i];
      batch_->controls[kFunctions + i] -= ends * functions_[i];
    }
  }

  Load load_;
  std::uint64_t batch_size_, count_ = 0;
  std::vector<Batch> batches_;
  Batch* batch_ = nullptr;
  std::array<double, kFunctions> functions_{1};
  std::array<double, kStates> states_{};
  int talk_ = 0, wait_ = 0;
  Micros arrived_{0}, now_{0};
  std::priority_queue<Happening, std::vector<Happening>, std::greater<>> events_;
};

// How far off waits were that were told on arrival: how many, their mean and that of what came (s), the mean
// of how far off each was, and what that would be for somebody who knows the mean talk exactly: the time to
// the p-th of n agents' exponential talks to end is spread (Erlang's distribution), and that much nobody
// knows.
struct ToldError {
  std::size_t count = 0, negative = 0;
  double told = 0, came = 0, off = 0, floor = 0;
};
inline ToldError told_error(const std::vector<Told>& told, const std::vector<Micros>& waits,
                            const Load& load) {
  ToldError sum;
  for (const Told& one : told) {
    const double said = static_cast<double>(one.wait.count()) * 1e-6, p = one.position;
    const double came = static_cast<double>(waits[one.caller].count()) * 1e-6;
    ++sum.count;
    sum.negative += one.wait < Micros{0};
    sum.told += said;
    sum.came += came;
    sum.off += std::abs(said - came);
    sum.floor += 2 * std::exp(p * std::log(p) - p - std::lgamma(p)) * load.service_s / load.agents;
  }
  const double n = static_cast<double>(std::max<std::size_t>(sum.count, 1));
  sum.told /= n, sum.came /= n, sum.off /= n, sum.floor /= n;
  return sum;
}

inline Estimate estimate(const std::vector<Micros>& waits, const Load& load, std::uint64_t seed) {
  Estimator estimator(load, waits.size());
  Callers callers(load, seed);
  for (const Micros wait : waits) estimator.add(callers.next(), wait);
  return estimator.result();
}

// The recursion alone, as far as one likes.
inline Estimate recursion_estimate(const Load& load, std::uint64_t arrivals, std::uint64_t seed) {
  Estimator estimator(load, arrivals);
  Callers callers(load, seed);
  Recursion recursion(load.agents);
  for (std::uint64_t i = 0; i < arrivals; ++i) {
    const Caller caller = callers.next();
    estimator.add(caller, recursion.wait(caller));
  }
  return estimator.result();
}

}  // namespace ivr::erlang

#pragma once
#include <algorithm>
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

// Every caller's wait when the Router decides, in the order of arrival.
inline std::vector<Micros> router_waits(const Load& load, const std::string& strategy, int arrivals,
                                        std::uint64_t seed) {
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
      router.step(acd::Join{.call = std::to_string(joined), .queue = "q"}, now, out);
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

// Waits depend on each other, so their mean's error is taken from the means of 50 batches. Where they came
// from is known (`load` and `seed` of Callers), and so is how far their gaps and services strayed from what
// they should have been: regression on that takes part of the error away (control variates).
struct Estimate {
  Mean plain, controlled;
};
inline Estimate estimate(const std::vector<Micros>& waits, const Load& load, std::uint64_t seed) {
  constexpr int kBatches = 50;
  constexpr double kStudent = 2.01;  // 97.5 %, 47 to 49 degrees of freedom
  struct Batch {
    double wait = 0, between = 0, service = 0;
  };
  std::vector<Batch> batches(kBatches);
  Callers callers(load, seed);
  const std::size_t size = waits.size() / kBatches;
  for (std::size_t i = 0; i < size * kBatches; ++i) {
    const Caller caller = callers.next();
    Batch& batch = batches[i / size];
    const double share = 1e-6 / static_cast<double>(size);
    batch.wait += static_cast<double>(waits[i].count()) * share;
    batch.between += static_cast<double>(caller.between.count()) * share;
    batch.service += static_cast<double>(caller.service.count()) * share;
  }
  Batch mean;
  for (const Batch& b : batches) {
    mean.wait += b.wait / kBatches;
    mean.between += b.between / kBatches;
    mean.service += b.service / kBatches;
  }
  double ww = 0, bb = 0, ss = 0, bs = 0, wb = 0, ws = 0;
  for (const Batch& b : batches) {
    const double dw = b.wait - mean.wait, db = b.between - mean.between, ds = b.service - mean.service;
    ww += dw * dw, bb += db * db, ss += ds * ds, bs += db * ds, wb += dw * db, ws += dw * ds;
  }
  const double det = bb * ss - bs * bs;
  const double on_between = (wb * ss - ws * bs) / det, on_service = (ws * bb - wb * bs) / det;
  const double left = ww - on_between * wb - on_service * ws;
  const auto half = [&](double squares, int freedom) {
    return kStudent * std::sqrt(squares / freedom / kBatches);
  };
  return {{mean.wait, half(ww, kBatches - 1)},
          {mean.wait - on_between * (mean.between - load.between_s()) -
               on_service * (mean.service - load.service_s),
           half(left, kBatches - 3)}};
}

}  // namespace ivr::erlang

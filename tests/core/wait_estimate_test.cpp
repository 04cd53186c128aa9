#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>

#include "ivr/day_report.hpp"

namespace ivr {
namespace {

// S0-20: callers come at random (Poisson) to five agents, nine tenths of what these can take, and talk for
// three minutes on average (exponential). Every half minute a caller is told how long it will still be; the
// report says how far off that was. Of a wait that is itself exponential nobody can know more than the mean:
// its own mean deviation is 2/e, 0.74, of it.
TEST(WaitEstimate, ItsErrorIsMeasuredAndItIsNeverNegative) {
  constexpr int kAgents = 5, kCallers = 20'000;
  constexpr double kTalk = 180, kLoad = 0.9;
  std::mt19937_64 random(20);
  const auto drawn = [&](double mean) {
    return Millis{static_cast<std::int64_t>(std::exponential_distribution<double>(1 / mean)(random) * 1000)};
  };
  const Time start = Time{std::chrono::hours{24 * 365 * 50}};
  Router router({.explain_limit = 0});
  DayReport report(start, Time::max());
  std::multimap<Time, OfferId> talks;
  double waited = 0;
  int told = 0;
  const auto step = [&](const acd::Event& event, Time now, auto& self) -> void {
    acd::Commands mine;
    router.step(event, now, mine);
    report.step(event, mine, now);
    for (const acd::Command& command : mine) {
      if (const auto* offer = std::get_if<acd::Offer>(&command)) {
        talks.emplace(now + drawn(kTalk), offer->offer);
        self(acd::Accepted{offer->offer}, now, self);
      } else if (const auto* announce = std::get_if<acd::Announce>(&command); announce && announce->wait) {
        ++told;
        EXPECT_GE(*announce->wait, 0ms);
      } else if (const auto* connect = std::get_if<acd::Connect>(&command)) {
        waited += static_cast<double>(connect->waited.count()) / 1000;
      }
    }
  };
  step(acd::QueueSet{{.id = "q", .announce = {.first = 1s, .every = 30s, .wait_time = true, .rounding = 1s}}},
       start, step);
  for (int i = 0; i < kAgents; ++i) {
    const std::string id = "a" + std::to_string(i);
    step(acd::AgentSet{{.id = id, .uri = "sip:a@127.0.0.1"}}, start, step);
    step(acd::AgentStatus{id}, start, step);
  }
  Time next_call = start;
  for (int calls = 0; calls < kCallers || !talks.empty();) {
    const Time talk_ends = talks.empty() ? Time::max() : talks.begin()->first;
    const Time call_comes = calls < kCallers ? next_call : Time::max();
    const Time ticks = router.deadline().value_or(Time::max());
    if (ticks <= std::min(talk_ends, call_comes)) {
      step(acd::Tick{}, ticks, step);
    } else if (talk_ends <= call_comes) {
      const OfferId offer = talks.begin()->second;
      talks.erase(talks.begin());
      step(acd::TalkEnded{offer}, talk_ends, step);
    } else {
      step(acd::Join{.call = "c" + std::to_string(calls++), .queue = "q"}, call_comes, step);
      next_call += drawn(kTalk / kAgents / kLoad);
    }
  }
  report.finish(start + std::chrono::hours{24 * 365});
  const DayReport::Queue& queue = report.queues().at("q");
  ASSERT_EQ(queue.served, kCallers);
  ASSERT_EQ(queue.estimates, told);
  ASSERT_GT(told, 10'000);
  const double error = static_cast<double>(queue.estimate_error.count()) / 1000 / queue.estimates;
  std::printf("mean wait %.1f s of all callers; %d estimates, mean error %.1f s\n", waited / kCallers, told,
              error);
  EXPECT_LT(error, 0.74 * kTalk) << "worse than the mean of what is left of one talk";
}

}  // namespace
}  // namespace ivr

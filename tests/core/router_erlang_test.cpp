#include "core/router_erlang.hpp"

#include <gtest/gtest.h>

// Waits of callers who come at random and talk at random. Each is exact; their mean has an error of its own,
// which is reckoned and not guessed.

namespace ivr::erlang {
namespace {

constexpr std::uint64_t kSeed = 3;

class RouterErlang : public testing::TestWithParam<Load> {};

TEST_P(RouterErlang, EveryCallerWaitsAsLongAsTheRecursionSays) {
  const auto expected = recursion_waits(GetParam(), 3000, kSeed);
  for (const char* strategy : {"longest_idle", "round_robin", "random", "least_busy", "ringall"}) {
    const auto waits = router_waits(GetParam(), strategy, 3000, kSeed);
    int wrong = 0;
    for (std::size_t i = 0; i < waits.size() && wrong < 3; ++i)
      if (waits[i] != expected[i]) {
        ++wrong;
        ADD_FAILURE() << strategy << ": caller " << i << " waited " << waits[i].count() << " us, not "
                      << expected[i].count();
      }
  }
}

// Of waits that the Router has just been seen to give one by one. Four standard errors: one seed in 15,000
// fails by chance, and this one does not.
TEST_P(RouterErlang, TheMeanIsErlangsWithinItsOwnError) {
  const double expected = mean_wait_s(GetParam());
  const Estimate mean = recursion_estimate(GetParam(), 200'000, kSeed);
  EXPECT_LT(mean.controlled.half_width, 0.02 * expected) << "wide enough to hold anything";
  EXPECT_NEAR(mean.controlled.seconds, expected, 2 * mean.controlled.half_width);
  EXPECT_NEAR(mean.plain.seconds, expected, 2 * mean.plain.half_width);
}

// The control variates know how callers come and talk, and nothing of how they are served: agents who rest
// for some seconds after each talk make the waits longer, and the estimate says so.
TEST(RouterErlang, TheEstimateSeesAQueueThatIsNotErlangs) {
  const Load load{5, 0.8};
  constexpr int kArrivals = 200'000;
  Estimator estimator(load, kArrivals);
  Callers callers(load, kSeed);
  Recursion recursion(load.agents);
  double waited = 0;
  for (int i = 0; i < kArrivals; ++i) {
    const Caller caller = callers.next();
    const Micros wait = recursion.wait({caller.between, caller.service + 5s});
    waited += static_cast<double>(wait.count()) * 1e-6 / kArrivals;
    estimator.add(caller, wait);
  }
  const Mean mean = estimator.result().controlled;
  EXPECT_GT(mean.seconds - mean.half_width, 1.05 * mean_wait_s(load));
  EXPECT_NEAR(mean.seconds, waited, 0.1 * waited);
}

INSTANTIATE_TEST_SUITE_P(Loads, RouterErlang,
                         testing::Values(Load{1, 0.5}, Load{1, 0.8}, Load{2, 0.7}, Load{5, 0.8},
                                         Load{10, 0.9}, Load{50, 0.9}),
                         [](const auto& load) {
                           return std::to_string(load.param.agents) + "AgentsAt" +
                                  std::to_string(std::lround(load.param.rho * 100)) + "Percent";
                         });

TEST(RouterErlang, TheFormulaGivesWhatTheBooksGive) {
  EXPECT_NEAR(chance_to_wait({1, 0.7}), 0.7, 1e-12);        // M/M/1
  EXPECT_NEAR(chance_to_wait({2, 0.75}), 9.0 / 14, 1e-12);  // 2 rho^2 / (1 + rho)
  EXPECT_NEAR(mean_wait_s({1, 0.5, 100}), 100, 1e-9);       // rho / (1 - rho) services
}

}  // namespace
}  // namespace ivr::erlang

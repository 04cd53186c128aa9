#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "../tests/core/router_erlang.hpp"

// A queue of the Router beside Erlang C: 10^6 Poisson arrivals, exponential talks, a clock that is made up.
//   wrong     callers whose wait is not to the microsecond what the recursion of Kiefer and Wolfowitz says
//   mean      of the waits, with its 95 % interval; so many waits that depend on each other have a wide one
//   contr.    the same waits with control variates, see Estimator: the interval that counts
//   within 1 %  the whole of that interval lies within 1 % of Erlang C
// Since the recursion gives the Router's waits one by one, `--recursion` goes on with it alone to where the
// error is as small as one likes.
//
// Below: what callers who had to wait were told when they came (Router::estimate), and what came of it.
//
//   erlang_bench [--arrivals 1000000] [--recursion 0] [--strategy longest_idle] [--seed 1]

namespace {

using namespace ivr;
using namespace ivr::erlang;

double percent(double mean, double of) { return (mean / of - 1) * 100; }

}  // namespace

int main(int argc, char** argv) {
  int arrivals = 1'000'000;
  std::uint64_t recursion = 0;
  std::uint64_t seed = 1;
  std::string strategy = "longest_idle";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--arrivals")) arrivals = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--recursion")) recursion = std::strtoull(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--strategy")) strategy = argv[i + 1];
    if (!std::strcmp(argv[i], "--seed")) seed = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (arrivals < 1000 || !known_strategy(strategy)) {
    std::fprintf(stderr, "erlang_bench: %d arrivals (at least 1000), strategy '%s'\n", arrivals,
                 strategy.c_str());
    return 2;
  }
  std::printf("%d arrivals, strategy %s, seed %llu, mean talk 180 s\n", arrivals, strategy.c_str(),
              static_cast<unsigned long long>(seed));
  std::printf("%6s %5s | %10s | %10s %8s %7s | %8s %7s %10s | %6s | %8s\n", "agents", "rho", "Erlang C s",
              "mean s", "off %", "+- %", "contr. %", "+- %", "within 1 %", "wrong", "us/call");
  bool good = true;
  std::vector<std::pair<Load, ToldError>> estimates;
  for (const Load& load : {Load{1, 0.5}, Load{1, 0.7}, Load{2, 0.7}, Load{5, 0.7}, Load{5, 0.8},
                           Load{10, 0.8}, Load{10, 0.9}, Load{50, 0.9}}) {
    const double expected = mean_wait_s(load);
    const auto begin = std::chrono::steady_clock::now();
    std::vector<Told> told;
    const auto waits = router_waits(load, strategy, arrivals, seed, &told);
    const double took_us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
    const auto exact = recursion_waits(load, arrivals, seed);
    int wrong = 0;
    for (std::size_t i = 0; i < waits.size(); ++i) wrong += waits[i] != exact[i];
    const auto shown = [&](const Mean& mean) {
      return std::pair{percent(mean.seconds, expected), mean.half_width / expected * 100};
    };
    const Estimate mean = estimate(waits, load, seed);
    const auto [off, half] = shown(mean.plain);
    const auto [controlled, narrow] = shown(mean.controlled);
    std::printf("%6d %5.2f | %10.3f | %10.3f %+8.2f %7.2f | %+8.2f %7.2f %10s | %6d | %8.2f\n", load.agents,
                load.rho, expected, mean.plain.seconds, off, half, controlled, narrow,
                std::abs(controlled) + narrow <= 1 ? "yes" : "no", wrong, took_us / arrivals);
    std::fflush(stdout);
    good = good && wrong == 0;
    estimates.emplace_back(load, told_error(told, waits, load));
    if (recursion > 0) {
      const Estimate longer = recursion_estimate(load, recursion, seed);
      const auto [far_off, far_half] = shown(longer.plain);
      const auto [far_controlled, far_narrow] = shown(longer.controlled);
      std::printf("   the recursion alone, %llu arrivals: %+.2f %% +- %.2f, controlled %+.2f %% +- %.2f\n",
                  static_cast<unsigned long long>(recursion), far_off, far_half, far_controlled, far_narrow);
      std::fflush(stdout);
    }
  }
  std::printf("\n%6s %5s | %9s %9s | %10s %10s | %10s %12s\n", "agents", "rho", "estimates", "negative",
              "told s", "came s", "off by s", "at least s");
  for (const auto& [load, error] : estimates) {
    std::printf("%6d %5.2f | %9zu %9zu | %10.1f %10.1f | %10.1f %12.1f\n", load.agents, load.rho, error.count,
                error.negative, error.told, error.came, error.off, error.floor);
  }
  return good ? 0 : 1;
}

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../tests/core/router_erlang.hpp"

// A queue of the Router beside Erlang C: 10^6 Poisson arrivals, exponential talks, a clock that is made up.
// "wrong" counts the callers whose wait is not to the microsecond what the recursion of Kiefer and Wolfowitz
// says. The mean of so many waits still has an error, shown as its 95 % interval; control variates make it
// smaller. Since the recursion gives the Router's waits one by one, `--recursion` goes on with it alone to
// where the error is small.
//
//   erlang_bench [--arrivals 1000000] [--recursion 0] [--strategy longest_idle] [--seed 1]

namespace {

using namespace ivr;
using namespace ivr::erlang;

double percent(double mean, double of) { return (mean / of - 1) * 100; }

}  // namespace

int main(int argc, char** argv) {
  int arrivals = 1'000'000, recursion = 0;
  std::uint64_t seed = 1;
  std::string strategy = "longest_idle";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--arrivals")) arrivals = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--recursion")) recursion = std::atoi(argv[i + 1]);
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
  std::printf("%6s %5s | %10s | %10s %8s %7s | %8s %7s | %6s | %8s\n", "agents", "rho", "Erlang C s",
              "mean s", "off %", "+- %", "contr. %", "+- %", "wrong", "us/call");
  bool good = true;
  for (const Load& load : {Load{1, 0.5}, Load{1, 0.7}, Load{2, 0.7}, Load{5, 0.7}, Load{5, 0.8},
                           Load{10, 0.8}, Load{10, 0.9}, Load{50, 0.9}}) {
    const double expected = mean_wait_s(load);
    const auto begin = std::chrono::steady_clock::now();
    const auto waits = router_waits(load, strategy, arrivals, seed);
    const double took_us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
    const auto exact = recursion_waits(load, arrivals, seed);
    int wrong = 0;
    for (std::size_t i = 0; i < waits.size(); ++i) wrong += waits[i] != exact[i];
    const Estimate mean = estimate(waits, load, seed);
    std::printf("%6d %5.2f | %10.3f | %10.3f %+8.2f %7.2f | %+8.2f %7.2f | %6d | %8.2f\n", load.agents,
                load.rho, expected, mean.plain.seconds, percent(mean.plain.seconds, expected),
                mean.plain.half_width / expected * 100, percent(mean.controlled.seconds, expected),
                mean.controlled.half_width / expected * 100, wrong, took_us / arrivals);
    std::fflush(stdout);
    good = good && wrong == 0;
    if (recursion > 0) {
      const Estimate longer = estimate(recursion_waits(load, recursion, seed), load, seed);
      std::printf("   the recursion alone, %d arrivals: %+.2f %% +- %.2f, controlled %+.2f %% +- %.2f\n",
                  recursion, percent(longer.plain.seconds, expected),
                  longer.plain.half_width / expected * 100, percent(longer.controlled.seconds, expected),
                  longer.controlled.half_width / expected * 100);
      std::fflush(stdout);
    }
  }
  return good ? 0 : 1;
}

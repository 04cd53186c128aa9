#include "core/router_strategy.hpp"

#include <utility>
#include <vector>

#include "ivr/router.hpp"

namespace ivr {
namespace routing {
namespace {

constexpr std::pair<std::string_view, Strategy> kNames[] = {
    {"ringall", Strategy::ring_all},
    {"ring_progressively", Strategy::ring_progressively},
    {"longest_idle", Strategy::longest_idle},
    {"fewest_calls", Strategy::fewest_calls},
    {"least_talk_time", Strategy::least_talk_time},
    {"rrmemory", Strategy::round_robin},
    {"rrordered", Strategy::round_robin},
    {"round_robin", Strategy::round_robin},
    {"linear", Strategy::sequential},
    {"top_down", Strategy::sequential},
    {"random", Strategy::random},
    {"wrandom", Strategy::weighted_random},
    {"sequential", Strategy::sequential},
    {"skills_based", Strategy::skills_based},
    {"load_balanced", Strategy::load_balanced},
    {"least_busy", Strategy::least_busy},
    {"priority", Strategy::priority},
    // The names of Asterisk's and FreeSWITCH's queues, and dashes for underscores.
    {"ring_all", Strategy::ring_all},
    {"ring-all", Strategy::ring_all},
    {"ring-progressively", Strategy::ring_progressively},
    {"longest-idle", Strategy::longest_idle},
    {"longest-idle-agent", Strategy::longest_idle},
    {"leastrecent", Strategy::longest_idle},
    {"fewestcalls", Strategy::fewest_calls},
    {"fewest-calls", Strategy::fewest_calls},
    {"agent-with-fewest-calls", Strategy::fewest_calls},
    {"agent-with-least-talk-time", Strategy::least_talk_time},
    {"least-talk-time", Strategy::least_talk_time},
    {"round-robin", Strategy::round_robin},
    {"top-down", Strategy::sequential},
    {"sequentially-by-agent-order", Strategy::sequential},
    {"weighted_random", Strategy::weighted_random},
    {"skills-based", Strategy::skills_based},
    {"load-balanced", Strategy::load_balanced},
    {"least-busy", Strategy::least_busy},
};

}  // namespace

std::optional<Strategy> strategy_of(std::string_view name) {
  for (const auto& [known, strategy] : kNames) {
    if (known == name) return strategy;
  }
  return std::nullopt;
}

}  // namespace routing

const std::vector<std::string_view>& strategy_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const auto& entry : routing::kNames) all.push_back(entry.first);
    return all;
  }();
  return names;
}

bool known_strategy(std::string_view name) { return routing::strategy_of(name).has_value(); }

}  // namespace ivr

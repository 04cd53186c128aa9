#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace ivr::routing {

// What the names come down to.
enum class Strategy {
  ring_all,
  ring_progressively,
  longest_idle,
  fewest_calls,
  least_talk_time,
  round_robin,
  sequential,
  random,
  weighted_random,
  skills_based,
  load_balanced,
  least_busy,
  priority,
};
std::optional<Strategy> strategy_of(std::string_view name);

// A sequence that the seed decides. The state is one number, so it is kept with everything else.
class Random {
 public:
  explicit Random(std::uint64_t state) : state_(state) {}
  std::uint64_t state() const { return state_; }

  std::uint64_t next() {  // SplitMix64 (Steele, Lea, Flood 2014)
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Below `limit`, all equally likely: what would make the low ones likelier is drawn again.
  std::uint32_t below(std::uint32_t limit) {
    const std::uint64_t whole = (std::uint64_t{1} << 32) / limit * limit;
    std::uint64_t draw = next() >> 32;
    while (draw >= whole) draw = next() >> 32;
    return static_cast<std::uint32_t>(draw % limit);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // [0, 1)

 private:
  std::uint64_t state_;
};

}  // namespace ivr::routing

#include "edge/clock.hpp"

namespace ivr {

SteadyClock::SteadyClock()
    : wall_(std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now())),
      steady_(std::chrono::steady_clock::now()) {}

Time SteadyClock::now() const noexcept {
  return wall_ + std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now() - steady_);
}

std::chrono::steady_clock::time_point SteadyClock::steady(Time at) const noexcept {
  return steady_ + (at - wall_);
}

}  // namespace ivr

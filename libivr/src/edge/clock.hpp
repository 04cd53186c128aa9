#pragma once
#include <chrono>

#include "ivr/base.hpp"

namespace ivr {

// Wall-clock instants that never jump: the wall time at construction plus what the monotonic clock says
// since.
//
// Thread:   any.
// Realtime: now() is one vDSO call.
class SteadyClock {
 public:
  SteadyClock();
  Time now() const noexcept;
  std::chrono::steady_clock::time_point steady(
      Time at) const noexcept;  // the same instant for condition variables

 private:
  Time wall_;
  std::chrono::steady_clock::time_point steady_;
};

}  // namespace ivr

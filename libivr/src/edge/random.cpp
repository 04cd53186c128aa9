#include "edge/random.hpp"

#include <sys/random.h>

#include <array>
#include <cstddef>
#include <random>
#include <utility>

namespace ivr {

std::uint32_t random_bits() {
  thread_local std::array<std::uint32_t, 64> ahead;
  thread_local std::size_t left = 0;
  if (left == 0) {
    if (getrandom(ahead.data(), sizeof ahead, 0) != static_cast<ssize_t>(sizeof ahead))
      return std::random_device{}();
    left = ahead.size();
  }
  return std::exchange(ahead[--left], 0);
}

}  // namespace ivr

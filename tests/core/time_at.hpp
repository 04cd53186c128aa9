#pragma once
#include <cstdint>

#include "ivr/base.hpp"

namespace ivr {

// A time of a test, by how far it is from the test's beginning: some day in 2025.
inline Time at(Millis since_start) { return Time(Micros(1'763'724'000'000'000)) + since_start; }

// By a clock that begins with the test.
inline Time at_ms(double ms) { return Time(Micros(static_cast<std::int64_t>(ms * 1000))); }

}  // namespace ivr

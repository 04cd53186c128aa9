#pragma once
#include <cstdint>

#include "ivr/base.hpp"

namespace ivr {

// How many samples of telephone speech, at kSampleRateHz, that is.
constexpr std::int64_t samples_of(Millis length) noexcept { return length.count() * kSampleRateHz / 1000; }

}  // namespace ivr

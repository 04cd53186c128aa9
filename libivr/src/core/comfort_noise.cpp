#include "ivr/comfort_noise.hpp"

#include <algorithm>
#include <cmath>

namespace ivr {

void ComfortNoise::update(std::span<const std::uint8_t> payload) noexcept {
  if (payload.empty()) return;
  level_dbov_ = -(payload[0] & 127);
  order_ = std::min(payload.size() - 1, kMaxOrder);
  // RFC 3389, 3.2: 258 / 32768 of a step each, the middle at 127; 255 is none of them.
  float power = 1;  // of what the filter makes of white noise of power 1, inverted
  for (std::size_t i = 0; i < order_; ++i) {
    const int step = std::min<int>(payload[i + 1], 254) - 127;
    reflection_[i] = static_cast<float>(258 * step) / 32768.0F;
    power *= 1 - reflection_[i] * reflection_[i];
  }
  // 0 dBov is a square wave at full scale (RFC 3389, 3.1); even noise of peak 1 has a power of 1/3.
  gain_ = 32768.0F * std::sqrt(3.0F * power) * std::pow(10.0F, static_cast<float>(level_dbov_) / 20.0F);
}

void ComfortNoise::read(std::span<std::int16_t> pcm) noexcept {
  for (std::int16_t& sample : pcm) {
    random_ = random_ * 1664525U + 1013904223U;
    float forward = gain_ * static_cast<float>(static_cast<std::int32_t>(random_)) / 2147483648.0F;
    // The all-pole lattice: each stage takes out what the one behind it put in.
    for (std::size_t i = order_; i-- > 0;) {
      forward -= reflection_[i] * state_[i];
      state_[i + 1] = state_[i] + reflection_[i] * forward;
    }
    state_[0] = forward;
    sample = static_cast<std::int16_t>(std::lrint(std::clamp(forward, -32768.0F, 32767.0F)));
  }
}

std::array<std::uint8_t, 1> write_comfort_noise(int level_dbov) noexcept {
  return {static_cast<std::uint8_t>(std::clamp(-level_dbov, 0, 127))};
}

}  // namespace ivr

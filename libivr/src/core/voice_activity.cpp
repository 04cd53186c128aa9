#include "ivr/voice_activity.hpp"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/samples.hpp"

namespace ivr {
namespace {

constexpr double kOverload = 3.14;        // dBm0 of a full-scale sine (ITU-T G.711)
constexpr double kLoudestNoise = -32.0;   // dBm0
constexpr double kQuietestNoise = -75.0;  // dBm0
constexpr std::int64_t kBlock = kSampleRateHz / 2;

double dbm0(std::span<const std::int16_t> frame) noexcept {
  std::int64_t sum = 0, energy = 0;
  for (const std::int16_t x : frame) {
    sum += x;
    energy += std::int32_t{x} * x;
  }
  const auto n = static_cast<double>(frame.size());
  const double mean = static_cast<double>(sum) / n;  // a codec's offset is no sound
  const double power = static_cast<double>(energy) / n - mean * mean;
  constexpr double full_sine = 32768.0 * 32768.0 / 2;
  return 10 * std::log10(std::max(power, 1e-3) / full_sine) + kOverload;
}

}  // namespace

absl::StatusOr<VoiceActivity> VoiceActivity::create(const VoiceOptions& options) {
  if (!(options.floor_dbm0 >= -70 && options.floor_dbm0 <= 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("voice floor ", options.floor_dbm0, " dBm0: must be -70 to 0"));
  }
  if (!(options.margin_db >= 0 && options.margin_db <= 40)) {
    return absl::InvalidArgumentError(
        absl::StrCat("voice margin ", options.margin_db, " dB: must be 0 to 40"));
  }
  if (options.attack < 0ms || options.attack > 2s) {
    return absl::InvalidArgumentError(
        absl::StrCat("voice attack ", options.attack.count(), " ms: must be 0 to 2000"));
  }
  if (options.hangover < 0ms || options.hangover > 10s) {
    return absl::InvalidArgumentError(
        absl::StrCat("voice hangover ", options.hangover.count(), " ms: must be 0 to 10000"));
  }
  return VoiceActivity(options);
}

VoiceChange VoiceActivity::process(std::span<const std::int16_t> frame) noexcept {
  if (frame.empty()) return VoiceChange::none;
  level_dbm0_ = dbm0(frame);
  const bool voiced = level_dbm0_ > std::max(options_.floor_dbm0, noise_dbm0_ + options_.margin_db);
  const auto length = static_cast<std::int64_t>(frame.size());
  follow_noise(length);
  return advance(voiced, length);
}

VoiceChange VoiceActivity::lost(int samples) noexcept { return advance(false, std::max(samples, 0)); }

// Down at once, up by what two seconds never fell below: talkers pause, lines do not.
void VoiceActivity::follow_noise(std::int64_t samples) noexcept {
  block_quietest_ = block_samples_ == 0 ? level_dbm0_ : std::min(block_quietest_, level_dbm0_);
  block_samples_ += samples;
  if (level_dbm0_ < noise_dbm0_) noise_dbm0_ += 0.2 * (level_dbm0_ - noise_dbm0_);
  if (block_samples_ >= kBlock) {
    quietest_[static_cast<std::size_t>(blocks_ % 4)] = block_quietest_;
    block_samples_ = 0;
    if (++blocks_ >= 4)
      noise_dbm0_ = std::max(noise_dbm0_, *std::min_element(quietest_.begin(), quietest_.end()));
  }
  noise_dbm0_ = std::clamp(noise_dbm0_, kQuietestNoise, kLoudestNoise);
}

VoiceChange VoiceActivity::advance(bool voiced, std::int64_t count) noexcept {
  if (voice_) {
    if (voiced) {
      length_ += silence_ + count;
      voice_samples_ += silence_ + count;
      silence_ = 0;
      return VoiceChange::none;
    }
    silence_ += count;
    if (silence_ < samples_of(options_.hangover)) return VoiceChange::none;
    voice_ = false;
    run_ = 0;
    return VoiceChange::ended;
  }
  if (!voiced) {
    silence_ += run_ + count;  // a click was silence after all
    run_ = 0;
    return VoiceChange::none;
  }
  run_ += count;
  if (run_ < samples_of(options_.attack)) return VoiceChange::none;
  voice_ = true;
  length_ = run_;
  voice_samples_ += run_;
  silence_ = 0;
  run_ = 0;
  return VoiceChange::began;
}

Millis VoiceActivity::voice_for() const noexcept { return Millis(length_ * 1000 / kSampleRateHz); }

Millis VoiceActivity::silence_for() const noexcept {
  return Millis((silence_ + (voice_ ? 0 : run_)) * 1000 / kSampleRateHz);
}

}  // namespace ivr

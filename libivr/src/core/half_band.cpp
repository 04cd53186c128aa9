#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/kaiser.hpp"
#include "ivr/audio.hpp"

namespace ivr {
namespace {

// A half-band filter: every second tap is 0 but the middle one, which is a half, and the rest are alike to
// both sides. At 16 kHz it is flat to 3.4 kHz and more than 60 dB down from 4.6 kHz.
constexpr int kPairs = 14;
constexpr double kBeta = 6.0;  // of the Kaiser window

// The tap 2k+1 away from the middle.
const std::array<float, kPairs> kTaps = [] {
  std::array<double, kPairs> taps{};
  double sum = 0;
  const Kaiser kaiser(kBeta);
  for (int k = 0; k < kPairs; ++k) {
    const double at = 2 * k + 1, edge = at / (2 * kPairs);
    taps[static_cast<std::size_t>(k)] = (k % 2 == 0 ? 1 : -1) / (std::numbers::pi * at) * kaiser(edge);
    sum += taps[static_cast<std::size_t>(k)];
  }
  std::array<float, kPairs> result{};
  for (std::size_t k = 0; k < kPairs; ++k) result[k] = static_cast<float>(taps[k] / sum / 4);  // 1 at 0 Hz
  return result;
}();

std::int16_t rounded(float x) noexcept {
  return static_cast<std::int16_t>(std::lrint(std::clamp(x, -32768.0F, 32767.0F)));
}

}  // namespace

static_assert(HalfRate::kReach == 2 * kPairs && DoubleRate::kReach == kPairs);

std::size_t HalfRate::process(std::span<const std::int16_t> in, std::span<std::int16_t> out) noexcept {
  std::size_t made = 0;
  while (!in.empty()) {
    const std::size_t n = std::min(in.size(), kPiece);
    std::copy_n(in.begin(), n, line_.begin() + 2 * kReach);
    // The middle of the filter stands on every second sample, `phase_` says on which.
    for (std::size_t at = phase_; at < n && made < out.size(); at += 2) {
      const float* const middle = line_.data() + kReach + at;
      float sum = 0.5F * *middle;
      for (int k = 0; k < kPairs; ++k) {
        const int off = 2 * k + 1;
        sum += kTaps[static_cast<std::size_t>(k)] * (middle[off] + middle[-off]);
      }
      out[made++] = rounded(sum);
    }
    phase_ = (phase_ + n) % 2;
    std::copy_n(line_.begin() + static_cast<std::ptrdiff_t>(n), 2 * kReach, line_.begin());
    in = in.subspan(n);
  }
  return made;
}

std::size_t DoubleRate::process(std::span<const std::int16_t> in, std::span<std::int16_t> out) noexcept {
  in = in.first(std::min(in.size(), out.size() / 2));
  std::size_t made = 0;
  while (!in.empty()) {
    const std::size_t n = std::min(in.size(), kPiece);
    std::copy_n(in.begin(), n, line_.begin() + 2 * kReach);
    for (std::size_t at = 0; at < n; ++at) {
      // What was there stays, half the filter late, and between every two of them comes one.
      const float* const left = line_.data() + kReach + at;
      float sum = 0;
      for (int k = 0; k < kPairs; ++k) sum += kTaps[static_cast<std::size_t>(k)] * (left[-k] + left[k + 1]);
      out[made++] = rounded(*left);
      out[made++] = rounded(2 * sum);
    }
    std::copy_n(line_.begin() + static_cast<std::ptrdiff_t>(n), 2 * kReach, line_.begin());
    in = in.subspan(n);
  }
  return made;
}

}  // namespace ivr

#include "core/g722.hpp"

#include <algorithm>

namespace ivr {
namespace g722 {
namespace {

constexpr int saturate(int x) noexcept { return std::clamp(x, -32768, 32767); }
constexpr int scale(int a, int b) noexcept { return a * b >> 15; }  // b is a fraction of 32,768

// ---------------------------------------------------------------------------------------- tables

// Table 11: the taps of the quadrature mirror filter, one half of them; the other half is its mirror.
constexpr int kMirror[12] = {3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11};

// Table 14: where the 30 intervals of the lower quantiser end, in steps of 1/4096.
constexpr int kLowEnds[29] = {35,   72,   110,  150,  190,  233,  276,  323,  370,  422,
                              473,  530,  587,  650,  714,  786,  858,  940,  1023, 1121,
                              1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919};

// Table 15 and 17: the inverse quantisers of 6 and 4 bits for the lower band, and of 2 bits for the upper.
constexpr int kLow6[64] = {
    -136,  -136,  -136,  -136,  -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576,  -6000,  -5456,  -4944,  -4464,  -4008,  -3576,  -3168,  -2776,
    -2400, -2032, -1688, -1360, -1040,  -728,   24808,  21904,  19008,  16704,  14984,  13512,  12280,
    11192, 10232, 9360,  8576,  7856,   7192,   6576,   6000,   5456,   4944,   4464,   4008,   3576,
    3168,  2776,  2400,  2032,  1688,   1360,   1040,   728,    432,    136,    -432,   -136};
constexpr int kLow4[16] = {0,     -20456, -12896, -8968, -6288, -4240, -2584, -1200,
                           20456, 12896,  8968,   6288,  4240,  2584,  1200,  0};
constexpr int kHigh2[4] = {-7408, -1616, 7408, 1616};

// Table 16 and 18: how the step grows with each code.
constexpr int kLowGrowth[16] = {-60,  3042, 1198, 538, 334, 172, 58,  -30,
                                3042, 1198, 538,  334, 172, 58,  -30, -60};
constexpr int kHighGrowth[4] = {798, -214, 798, -214};

// 2048 * 2^(n/32): the logarithm of the step is kept in steps of 1/2048, of which the upper bits count.
constexpr int kPowers[32] = {2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543,
                             2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228,
                             3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008};

// ----------------------------------------------------------------------------------------- bands

// 3.5.2: the step leaks slowly towards its smallest, and grows with the code.
void adapt(Band& band, int growth, int most, int shift) noexcept {
  band.log_step = std::clamp((band.log_step * 127 >> 7) + growth, 0, most);
  const int power = kPowers[band.log_step >> 6 & 31];
  const int right = shift - (band.log_step >> 11);
  band.step = (right < 0 ? power << -right : power >> right) << 2;
}
void adapt_low(Band& band, int code4) noexcept { adapt(band, kLowGrowth[code4], 18432, 8); }
void adapt_high(Band& band, int code) noexcept { adapt(band, kHighGrowth[code], 22528, 10); }

// 3.2.1: 30 intervals, and of the smallest two have no code for the sake of enough ones on the line.
int quantise_low(int difference, int step) noexcept {
  const int magnitude = difference >= 0 ? difference : -1 - difference;
  // The ends rise: half of them each time.
  const int* const end = std::partition_point(std::begin(kLowEnds), std::end(kLowEnds),
                                              [&](int limit) { return magnitude >= (limit * step >> 12); });
  const int interval = static_cast<int>(end - std::begin(kLowEnds));  // 0 is the smallest
  if (difference >= 0) return 61 - interval;
  return interval < 2 ? 63 - interval : 33 - interval;
}

int quantise_high(int difference, int step) noexcept {
  const int magnitude = difference >= 0 ? difference : -1 - difference;
  const bool large = magnitude >= (564 * step >> 12);
  return difference >= 0 ? (large ? 2 : 3) : (large ? 0 : 1);
}

// What both sides do with a code once it is known.
void take_low(Band& band, int code) noexcept {
  const int difference = scale(band.step, kLow4[code >> 2]);
  adapt_low(band, code >> 2);
  band.predictor.update(difference);
}
void take_high(Band& band, int code, int difference) noexcept {
  adapt_high(band, code);
  band.predictor.update(difference);
}

}  // namespace

void Predictor::update(int difference) noexcept {
  const int reconstructed = saturate(estimate_ + difference);
  const int partial = saturate(from_zeros_ + difference);
  const auto alike = [](int a, int b) { return (a < 0) == (b < 0); };

  // 3.6.4: the poles, kept where the filter is stable.
  const bool like_last = alike(partial, partial_[0]);
  const int turned = saturate(like_last ? -saturate(4 * poles_[0]) : saturate(4 * poles_[0]));
  const int second = std::clamp(
      (turned >> 7) + (alike(partial, partial_[1]) ? 128 : -128) + scale(poles_[1], 32512), -12288, 12288);
  const int most = 15360 - second;
  poles_[0] = std::clamp(saturate((like_last ? 192 : -192) + scale(poles_[0], 32640)), -most, most);
  poles_[1] = second;

  // 3.6.5: the zeros.
  const int gain = difference == 0 ? 0 : 128;
  for (std::size_t i = 0; i < kZeros; ++i) {
    zeros_[i] = saturate((alike(differences_[i], difference) ? gain : -gain) + scale(zeros_[i], 32640));
  }

  reconstructed_ = {reconstructed, reconstructed_[0]};
  partial_ = {partial, partial_[0]};
  std::copy_backward(differences_.begin(), differences_.end() - 1, differences_.end());
  differences_[0] = difference;

  int sum = 0;
  for (std::size_t i = 0; i < kZeros; ++i) sum += scale(saturate(2 * differences_[i]), zeros_[i]);
  from_zeros_ = saturate(sum);
  const int from_poles = saturate(scale(saturate(2 * reconstructed_[0]), poles_[0]) +
                                  scale(saturate(2 * reconstructed_[1]), poles_[1]));
  estimate_ = saturate(from_poles + from_zeros_);
}

void Delay::push(int first, int second) noexcept {
  samples_[at_] = samples_[at_ + kTaps] = first;
  samples_[at_ + 1] = samples_[at_ + 1 + kTaps] = second;
  at_ = (at_ + 2) % kTaps;
}

}  // namespace g722

using namespace g722;

std::size_t G722Encoder::encode(std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept {
  auto& [delay, low_band, high_band] = state_;
  const std::size_t n = std::min(pcm.size() / 2, bytes.size());
  for (std::size_t i = 0; i < n; ++i) {
    delay.push(pcm[2 * i], pcm[2 * i + 1]);
    const int* const x = delay.taps();
    int even = 0, odd = 0;
    for (std::size_t k = 0; k < 12; ++k) {
      even += x[2 * k] * kMirror[k];
      odd += x[2 * k + 1] * kMirror[11 - k];
    }
    const int low =
        quantise_low(saturate(((odd + even) >> 14) - low_band.predictor.estimate()), low_band.step);
    take_low(low_band, low);
    const int high =
        quantise_high(saturate(((odd - even) >> 14) - high_band.predictor.estimate()), high_band.step);
    take_high(high_band, high, scale(high_band.step, kHigh2[high]));
    bytes[i] = static_cast<std::uint8_t>(high << 6 | low);
  }
  return n;
}

std::size_t G722Decoder::decode(std::span<const std::uint8_t> bytes, std::span<std::int16_t> pcm) noexcept {
  auto& [delay, low_band, high_band] = state_;
  const std::size_t n = std::min(bytes.size(), pcm.size() / 2);
  const auto within_band = [](int x) { return std::clamp(x, -16384, 16383); };
  for (std::size_t i = 0; i < n; ++i) {
    const int low_code = bytes[i] & 63, high_code = bytes[i] >> 6;
    const int low = within_band(low_band.predictor.estimate() + scale(low_band.step, kLow6[low_code]));
    take_low(low_band, low_code);
    const int difference = scale(high_band.step, kHigh2[high_code]);
    const int high = within_band(high_band.predictor.estimate() + difference);
    take_high(high_band, high_code, difference);

    delay.push(low + high, low - high);
    const int* const x = delay.taps();
    int first = 0, second = 0;
    for (std::size_t k = 0; k < 12; ++k) {
      first += x[2 * k + 1] * kMirror[11 - k];
      second += x[2 * k] * kMirror[k];
    }
    pcm[2 * i] = static_cast<std::int16_t>(saturate(first >> 11));
    pcm[2 * i + 1] = static_cast<std::int16_t>(saturate(second >> 11));
  }
  return 2 * n;
}

}  // namespace ivr

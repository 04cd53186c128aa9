#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "ivr/base.hpp"

namespace ivr {

// Makes up for lost frames of telephone speech at 8 kHz: goes on with the last pitch periods of what was
// heard, through the same vocal tract, and fades. Give it every frame in its turn, received or lost. It adds
// no delay, and does not know codecs: it works on linear samples. Long gaps end in silence, after some 200
// ms.
//
// Thread:   one at a time.
// Realtime: received() and conceal() are bounded and never allocate. A lost frame costs about 3 us, a
//           received one the copy.
class Concealer {
 public:
  // A frame that came. After a loss its first samples are blended with what was made up, so `frame` may
  // change.
  void received(std::span<std::int16_t> frame) noexcept;

  // A frame that did not: writes all of `out`.
  void conceal(std::span<std::int16_t> out) noexcept;

  int lost_in_a_row() const noexcept { return lost_; }
  void reset() noexcept { *this = {}; }

 private:
  static constexpr int kHistory = 480;                  // samples
  static constexpr int kOrder = 12;                     // of the predictor
  static constexpr int kShortest = 64, kLongest = 200;  // of the piece that is repeated, samples

  void remember(std::span<const std::int16_t> frame) noexcept;
  void analyse() noexcept;
  void find_predictor() noexcept;
  int find_period() const noexcept;
  void synthesise(std::span<float> out, float slope) noexcept;

  std::array<float, kHistory> history_{};  // what left us: received or made up
  int lost_ = 0;
  std::array<float, kOrder> predictor_{};  // x[n] is about -(sum of predictor_[k] * x[n - 1 - k])
  std::array<float, kOrder + 1> state_{};  // of the filter that undoes the prediction
  std::array<float, kLongest> excitation_{};
  int period_ = 0, position_ = 0;
  float gain_ = 1, trend_ = 1;
};

}  // namespace ivr

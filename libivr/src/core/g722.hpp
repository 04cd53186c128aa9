#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

// ITU-T G.722, 7 kHz audio at 64 kbit/s (mode 1): 16,000 samples a second become a byte for every two. Two
// sub-bands are coded by themselves: the lower one with 6 bits a sample, the upper one with 2.

namespace ivr {

namespace g722 {

// What both sides of the line think the next sample of one sub-band will be (G.722, 3.6.4 and 3.6.5): two
// poles and six zeros, that follow the signal by the signs of what was sent.
class Predictor {
 public:
  int estimate() const noexcept { return estimate_; }
  void update(int difference) noexcept;  // the quantised difference from the estimate

 private:
  static constexpr int kZeros = 6;

  std::array<int, 2> poles_{}, reconstructed_{}, partial_{};  // newest first, as all of these
  std::array<int, kZeros> zeros_{}, differences_{};
  int from_zeros_ = 0, estimate_ = 0;
};

struct Band {
  explicit Band(int first_step) noexcept : step(first_step) {}
  Predictor predictor;
  int step;          // of the quantiser (DET)
  int log_step = 0;  // (NB)
};

// The 24 taps that part the bands, and put them together again (G.722, 3.1 and 4.4). The samples lie twice in
// the ring, so that the last 24 are always in one piece.
class Delay {
 public:
  static constexpr std::size_t kTaps = 24;
  void push(int first, int second) noexcept;
  const int* taps() const noexcept { return samples_.data() + at_; }  // oldest first

 private:
  std::array<int, 2 * kTaps> samples_{};
  std::size_t at_ = 0;
};

// What either end of the line keeps.
struct State {
  Delay delay;
  Band low{32}, high{8};
};

}  // namespace g722

// Thread:   one at a time.
// Realtime: bounded, never allocates.
class G722Encoder {
 public:
  // Two samples a byte; an odd one at the end is left out. Returns the bytes written.
  std::size_t encode(std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept;

 private:
  g722::State state_;
};

// Thread:   one at a time.
// Realtime: bounded, never allocates.
class G722Decoder {
 public:
  // Two samples a byte. Returns the samples written.
  std::size_t decode(std::span<const std::uint8_t> bytes, std::span<std::int16_t> pcm) noexcept;

 private:
  g722::State state_;
};

}  // namespace ivr

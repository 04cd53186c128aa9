#pragma once
#include <array>
#include <cstdint>
#include <span>

namespace ivr {

inline constexpr int kComfortNoiseType = 13;  // RFC 3551, table 4: CN at a clock of 8 kHz

// What a silent line sounds like where its far end sends no audio but says how loud its noise is and of what
// colour (RFC 3389). Telephone audio at 8 kHz. Until the first update() it is silence.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class ComfortNoise {
 public:
  static constexpr std::size_t kMaxOrder =
      12;  // of the coefficients taken; the rest is left out (RFC 3389, 3.3)

  // A payload: the level in -dBov, then reflection coefficients. Any bytes will do; none: nothing changes.
  void update(std::span<const std::uint8_t> payload) noexcept;

  void read(std::span<std::int16_t> pcm) noexcept;  // the next piece of it

  int level_dbov() const noexcept { return level_dbov_; }  // 0 to -127
  void reset() noexcept { *this = {}; }

 private:
  int level_dbov_ = -127;
  float gain_ = 0;  // of the excitation, so that what comes out of the filter has the level
  std::size_t order_ = 0;
  std::array<float, kMaxOrder> reflection_{};
  std::array<float, kMaxOrder + 1> state_{};  // of the lattice
  std::uint32_t random_ = 0x9E3779B9;
};

// The payload that says so, without colour. Louder than 0 is 0, fainter than -127 is -127.
std::array<std::uint8_t, 1> write_comfort_noise(int level_dbov) noexcept;

}  // namespace ivr

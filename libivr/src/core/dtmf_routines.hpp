#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "ivr/dtmf.hpp"

// The part of the detector that is the same for every sample, whatever it means: sound is cut into hops of 5
// ms, and of each is told how much energy it has, what each of the eight tones makes of it, and whether two
// of them make enough of the newest 20 ms to deserve a look. It is all done in whole numbers, so that the
// scalar one (dtmf_routines.cpp: the one to read) and those for vectors agree to the last bit.

namespace ivr {

inline constexpr int kDtmfTonesHz[] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};  // Q.23

// Sines and cosines. A hop is folded about its middle: a cosine is even there and sees only the sum of two
// samples as far from it, a sine is odd and sees the difference. That is half of the products.
struct DtmfBasis {
  static constexpr int kHalf = DtmfSpectra::kHop / 2;
  static constexpr int kAmplitude = 3200;  // 20 full-scale samples times it stay within 32 bits
  // The tones are whole numbers of hertz and a hop is 1/200 s, so after 200 hops every tone is where it
  // began.
  static constexpr int kPeriod = kSampleRateHz / DtmfSpectra::kHop;
  static constexpr int kTones = DtmfSpectra::kTones;

  DtmfBasis();

  // Of the tone at a half sample more than so far from the middle.
  std::int16_t cosine[kHalf][kTones], sine[kHalf][kTones];
  // The same for two samples at once, as the machines like it that multiply pairs and add: 32-bit places of
  // cosine and sine in turn, for the tones 0, 1, 4, 5 and then 2, 3, 6, 7.
  alignas(64) std::int16_t pairs[kHalf / 2][2][kTones][2];
  // What turns a hop back to the common clock, in 1/32768: for the real part and for the imaginary one.
  alignas(64) std::int16_t turn[kPeriod][2][kTones][2];
};

struct DtmfGlance {
  unsigned look = 0;  // bit k: hop k deserves a look
  std::array<std::uint8_t, 4>
      strongest{};  // of hop k, if so: bits of the strongest row and of the strongest column
};

// A tone of amplitude a, filling a hop, is a number of this times a; and a hop of energy e in which tones
// make all of the sound has numbers whose squares sum to kDtmfFull e.
inline constexpr float kDtmfUnit = DtmfBasis::kAmplitude * 10 / 65536.0f;
inline constexpr float kDtmfFull = 1.6f * kDtmfUnit * kDtmfUnit;
inline constexpr int kDtmfEnergyUnit = 32;  // an energy is the sum of the squared samples by that

inline constexpr int kDtmfGlance = 4;  // hops of the first look...
inline constexpr float kDtmfGlanceShare =
    0.2f;  // ...and what the best two tones make there, 1.8 % off and doubtful
// The same for what is compared: the square of the mean of four numbers, and a quarter of four energies.
inline constexpr float kDtmfGlanceGate = kDtmfGlanceShare * kDtmfFull * 4 / kDtmfGlance;

// A tone is more than a trace in a hop if the square of its number is more than the energy by that power of
// two: 1 % of the sound.
inline constexpr int kDtmfTrace = 8;

struct DtmfRoutines {
  static constexpr int kHops = 4;  // at most in one go

  DtmfKernel kernel;
  const DtmfBasis* basis;

  // Hears `hops` hops; `newest` is the place of the one before in `spectra`, `phase` the number of the first.
  DtmfGlance (*analyse)(const DtmfBasis& basis, const std::int16_t* pcm, int hops, int newest, int phase,
                        std::int32_t quiet, DtmfSpectra& spectra) noexcept;
  // G.711 into samples, at most DtmfRoutines::kHops hops of it.
  void (*from_ulaw)(std::span<const std::uint8_t> bytes, std::int16_t* pcm) noexcept;
  void (*from_alaw)(std::span<const std::uint8_t> bytes, std::int16_t* pcm) noexcept;

  static const DtmfRoutines& best();
  static const DtmfRoutines* find(DtmfKernel kernel);  // null where it cannot be had
};

// In files of their own; null where the build is for another machine or the machine lacks what they need.
const DtmfRoutines* dtmf_avx2();
const DtmfRoutines* dtmf_avx512();
const DtmfRoutines* dtmf_neon();
const DtmfBasis& dtmf_basis();

}  // namespace ivr

#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/codec.hpp"
#include "ivr/ports.hpp"

// Samples and their plain codings (G.711, L16), other sample rates, levels. Pure arithmetic; no file, no
// packet. Codecs with a memory are in ivr/codec.hpp.

namespace ivr {

// ------------------------------------------------------------------------------------------ codecs

// Thread: any. Realtime: table look-ups, never allocate.
std::uint8_t encode_ulaw(std::int16_t sample) noexcept;  // ITU-T G.711, u-law
std::uint8_t encode_alaw(std::int16_t sample) noexcept;  // ITU-T G.711, A-law, even bits inverted
std::int16_t decode_ulaw(std::uint8_t code) noexcept;
std::int16_t decode_alaw(std::uint8_t code) noexcept;

// Bytes that one sample of a plain codec takes, and the byte that is silence.
constexpr int bytes_per_sample(Codec codec) noexcept {
  return codec == Codec::l16 || codec == Codec::l16_wide ? 2 : 1;
}
constexpr std::uint8_t silence_byte(Codec codec) noexcept {
  return codec == Codec::pcmu ? 0xff : codec == Codec::pcma ? 0xd5 : 0;
}

constexpr std::size_t frame_bytes(Codec codec) noexcept {  // of 20 ms
  return frame_samples(codec) * static_cast<std::size_t>(bytes_per_sample(codec));
}

// As many samples as both sides hold; returns how many that was. `bytes` holds bytes_per_sample() for each.
// Of plain codecs only: for the others 0.
std::size_t encode(Codec codec, std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept;
std::size_t decode(Codec codec, std::span<const std::uint8_t> bytes, std::span<std::int16_t> pcm) noexcept;

// A clip to play where that codec is spoken: in the bytes of clip_codec(codec), the last frame padded with
// silence. `pcm` is at the codec's own sample rate.
ClipPtr make_clip(Codec codec, std::span<const std::int16_t> pcm, bool secret = false);

// ------------------------------------------------------------------------------------ sample rates

// From any rate to any rate, in a stream. A polyphase windowed sinc: flat within 0.5 dB to 0.42 of the lower
// rate, and at least 60 dB down from 0.55 of it, so nothing folds back into speech.
//
// Thread: one at a time.
class Resampler {
 public:
  // Refuses rates outside 4,000 to 192,000 Hz.
  static absl::StatusOr<Resampler> create(int from_hz, int to_hz);

  // Appends what `in` makes audible. The output lags by half the filter until finish().
  void process(std::span<const std::int16_t> in, std::vector<std::int16_t>& out);

  // Appends the rest, so that the whole output is input * to / from samples long, rounded up; then starts
  // afresh.
  void finish(std::vector<std::int16_t>& out);

 private:
  Resampler() = default;
  void emit(std::int64_t limit, std::vector<std::int16_t>& out);

  int up_ = 1, down_ = 1, taps_ = 0;                  // rates over their common divisor; taps a phase
  std::shared_ptr<const std::vector<float>> filter_;  // `phases_` rows of `taps_`
  std::vector<float> history_;                        // input from sample `first_` on
  std::int64_t first_ = 0, received_ = 0, made_ = 0;
};

// All at once.
absl::StatusOr<std::vector<std::int16_t>> resample(std::span<const std::int16_t> pcm, int from_hz, int to_hz);

// From 16 kHz to 8 kHz in a stream, and back: flat within 0.5 dB to 3.4 kHz, more than 60 dB down from 4.6
// kHz, and 1.75 ms late.
//
// Thread:   one at a time.
// Realtime: never allocates.
class HalfRate {
 public:
  // Returns the samples written: half of `in`, as far as `out` goes. What is odd at the end comes next time.
  std::size_t process(std::span<const std::int16_t> in, std::span<std::int16_t> out) noexcept;
  void reset() noexcept { *this = {}; }
  static constexpr std::size_t kReach = 28;  // samples before and after the one that is made

 private:
  static constexpr std::size_t kPiece = 320;
  std::array<float, 2 * kReach + kPiece> line_{};
  std::size_t phase_ = 0;
};

class DoubleRate {
 public:
  // Returns the samples written: twice those of `in`.
  std::size_t process(std::span<const std::int16_t> in, std::span<std::int16_t> out) noexcept;
  void reset() noexcept { *this = {}; }
  static constexpr std::size_t kReach = 14;

 private:
  static constexpr std::size_t kPiece = 160;
  std::array<float, 2 * kReach + kPiece> line_{};
};

// ------------------------------------------------------------------------------------------ levels

// Mean power; a full-scale sine is +3.14 dBm0 (G.711). Silence, and nothing at all, is -100.
double level_dbm0(std::span<const std::int16_t> pcm) noexcept;

// The same over the 20 ms frames louder than `floor_dbm0` only: how loud the speech is, whatever the pauses.
double active_level_dbm0(std::span<const std::int16_t> pcm, double floor_dbm0 = -45.0) noexcept;

// Brings the active level to `target_dbm0`. Peaks that would clip are held down smoothly by a limiter that
// looks 5 ms ahead. Silence stays silence; gain is at most 30 dB, so noise is not blown up.
void normalise(std::span<std::int16_t> pcm, double target_dbm0 = -18.0);

}  // namespace ivr

#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"

namespace ivr {

struct VoiceOptions {
  double floor_dbm0 = -42.0;  // never voice below this
  double margin_db = 9.0;     // voice is so much above the line's own noise
  Millis attack = 40ms;       // so much voice in a row begins it
  Millis hangover = 200ms;    // so much silence ends it: longer than the gaps within words
};

enum class VoiceChange { none, began, ended };

// Tells when the other side makes itself heard: speech, tones and music are voice, line noise is not. It
// follows the noise of the line up to -32 dBm0, so that a louder steady tone stays voice for ever. It does
// not know words, and does not tell a person from a machine.
//
// Thread:   one at a time.
// Realtime: process() and lost() are bounded and never allocate.
class VoiceActivity {
 public:
  static absl::StatusOr<VoiceActivity> create(const VoiceOptions& options = {});

  // The next piece of audio at 8 kHz, a 20 ms frame as a rule. Time is what the samples say.
  VoiceChange process(std::span<const std::int16_t> frame) noexcept;

  // Audio that never came: it is neither voice nor evidence of silence, but time goes on.
  VoiceChange lost(int samples) noexcept;

  bool voice() const noexcept { return voice_; }
  bool ever() const noexcept { return voice_samples_ > 0; }
  Millis voice_for() const noexcept;  // of the present voice, or of the last one
  Millis silence_for()
      const noexcept;  // since the last voiced frame, or since the start; 0 while one is heard
  std::int64_t voice_samples() const noexcept {
    return voice_samples_;
  }                                                           // all so far, gaps within voice included
  double level_dbm0() const noexcept { return level_dbm0_; }  // of the last frame
  double noise_dbm0() const noexcept { return noise_dbm0_; }  // of the line, as thought

 private:
  explicit VoiceActivity(const VoiceOptions& options) noexcept : options_(options) {}
  void follow_noise(std::int64_t samples) noexcept;
  VoiceChange advance(bool voiced, std::int64_t samples) noexcept;

  VoiceOptions options_;
  double level_dbm0_ = -96, noise_dbm0_ = -65;
  bool voice_ = false;
  std::int64_t run_ = 0;      // voiced samples in a row, before voice began
  std::int64_t silence_ = 0;  // samples since the last voiced frame
  std::int64_t length_ = 0;   // of this voice up to its last voiced frame
  std::int64_t voice_samples_ = 0;
  // The quietest frame of each of the last four half seconds: their minimum is the line without the talker.
  std::array<double, 4> quietest_{};
  int blocks_ = 0;
  std::int64_t block_samples_ = 0;
  double block_quietest_ = 0;
};

}  // namespace ivr

#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "ivr/base.hpp"
#include "ivr/concealment.hpp"
#include "ivr/dtmf.hpp"

// What becomes of keys on their way from one caller to another: cut out of the audio, or made audible for
// one who knows no events (RFC 4733). No packets here.

namespace ivr {

// Cuts keys out of telephone speech at 8 kHz, as far as DtmfDetector hears them. A tone is known some 30 ms
// after it began, so what comes out is 40 ms old; then all of the tone is still at hand. Where speech or
// noise lies over a tone it may take longer, and what was longer than 40 ms is heard: too short for a key.
//
// Thread:   one at a time.
// Realtime: all but the constructor are bounded and never allocate.
class KeyCutter {
 public:
  static constexpr int kDelay = 320;  // samples: 40 ms

  KeyCutter();

  void process(std::span<std::int16_t> pcm) noexcept;  // what came, in place: what is to be heard
  void lost(std::span<std::int16_t> pcm) noexcept;     // the same for what never came: it is made up
  void reset() noexcept;                               // another sender, or the same after a pause

 private:
  static constexpr int kRing = 512;  // samples: the delay, and the piece on its way
  static constexpr int kPiece = 160;
  static constexpr int kCuts = 4;  // keys within the delay
  struct Cut {
    std::int64_t from = 0, to = 0;
  };

  void hear() noexcept;
  void pass(std::span<std::int16_t> pcm) noexcept;

  DtmfDetector detector_;
  DtmfEvents events_;
  Concealer concealer_;
  std::array<std::int16_t, kRing> ring_{};
  std::int64_t in_ = 0;  // samples so far
  std::array<Cut, kCuts> cuts_{};
  int cut_count_ = 0;
  bool sounding_ = false;  // the last cut has no end yet
};

// Makes keys audible while they are held down: the tones of Q.23, at least 50 ms long and 50 ms apart. Keys
// that come faster wait; more than kWaiting are forgotten.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class KeySounder {
 public:
  static constexpr int kWaiting = 16;

  void press(char key) noexcept;           // what is no key is ignored
  void release(Millis duration) noexcept;  // of the last pressed, as its sender says
  bool busy() const noexcept { return count_ > 0; }
  void read(std::span<std::int16_t> out) noexcept;  // the next piece: tone, pause, or silence
  void clear() noexcept { *this = {}; }

 private:
  struct Key {
    char key = 0;
    int length = 0;  // samples; 0: still held
  };
  std::array<Key, kWaiting> keys_{};  // a ring
  int first_ = 0, count_ = 0;
  int at_ = 0;  // samples into the first
};

}  // namespace ivr

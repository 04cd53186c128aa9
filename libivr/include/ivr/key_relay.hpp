#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ivr/base.hpp"
#include "ivr/concealment.hpp"
#include "ivr/dtmf.hpp"

// What becomes of keys on their way from one caller to another: cut out of the audio, or made audible for
// one who knows no events (RFC 4733). No packets here.

namespace ivr {

// Cuts keys out of telephone speech at 8 kHz, as far as DtmfDetector hears them. A tone is known some 30 ms
// after it began, so what comes out is 40 ms old; then all of the tone is still at hand. Where speech or
// noise lies over a tone it may take longer, and what was longer than 40 ms is heard: too short for a key.
// For who need not hurry there is kWholeDelay, at which nothing of such a tone is heard either.
//
// Thread:   one at a time.
// Realtime: all but the constructor are bounded and never allocate.
class KeyCutter {
 public:
  static constexpr int kDelay = 320;        // samples: 40 ms
  static constexpr int kWholeDelay = 1280;  // 160 ms: the longest that the detector looks at, and a half more

  explicit KeyCutter(int delay = kDelay);  // samples, at least kDelay

  void process(std::span<std::int16_t> pcm) noexcept;  // what came, in place: what is to be heard
  void lost(std::span<std::int16_t> pcm) noexcept;     // the same for what never came: it is made up
  void hole(std::span<std::int16_t> pcm) noexcept;     // or it is silence
  void reset() noexcept;                               // another sender, or the same after a pause
  // Off: keys that begin from now on stay. On, as it is at first: they are cut, and so is what has not come
  // out yet of those before.
  void cut(bool on) noexcept;

 private:
  static constexpr int kPiece = 160;
  static constexpr int kCuts = 8;  // keys within the delay
  struct Cut {
    std::int64_t from = 0, to = 0;
    bool wanted = true;
  };

  template <class Heard>
  void by_pieces(std::span<std::int16_t> pcm, Heard&& heard) noexcept;
  void hear() noexcept;
  void pass(std::span<std::int16_t> pcm) noexcept;

  DtmfDetector detector_;
  DtmfEvents events_;
  Concealer concealer_;
  int delay_;
  std::vector<std::int16_t> ring_;  // the delay, and the piece on its way: a power of two
  std::int64_t in_ = 0;             // samples so far
  std::array<Cut, kCuts> cuts_{};
  int cut_count_ = 0;
  bool sounding_ = false;  // the last cut has no end yet
  bool on_ = true;
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

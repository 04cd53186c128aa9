#include "ivr/concealment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <vector>

namespace ivr {
namespace {

using Audio = std::vector<std::int16_t>;

// A voice: a pulse train of 110 Hz that glides a little, through two resonances.
Audio vowel(int samples, double amplitude = 6000) {
  Audio audio;
  double phase = 0, a1 = 0, a2 = 0, b1 = 0, b2 = 0;
  for (int i = 0; i < samples; ++i) {
    phase += (110 + 5 * std::sin(i * 0.0005)) / 8000;
    double x = 0;
    if (phase >= 1) phase -= 1, x = 1;
    const double a = x + 1.7 * std::cos(2 * std::numbers::pi * 600 / 8000) * a1 - 0.85 * 0.85 * a2;
    a2 = a1, a1 = a;
    const double b = a + 1.6 * std::cos(2 * std::numbers::pi * 1400 / 8000) * b1 - 0.64 * b2;
    b2 = b1, b1 = b;
    audio.push_back(static_cast<std::int16_t>(amplitude * 0.3 * b));
  }
  return audio;
}

double mean_square(std::span<const std::int16_t> audio) {
  double sum = 0;
  for (const auto x : audio) sum += static_cast<double>(x) * x;
  return sum / static_cast<double>(audio.size());
}

// Runs `audio` through a concealer that does not get the frames in `lost`.
Audio listen(const Audio& audio, const std::vector<int>& lost) {
  Concealer concealer;
  Audio out = audio;
  for (std::size_t i = 0; (i + 1) * 160 <= out.size(); ++i) {
    const auto frame = std::span(out).subspan(i * 160, 160);
    if (std::find(lost.begin(), lost.end(), static_cast<int>(i)) != lost.end()) {
      concealer.conceal(frame);
    } else {
      concealer.received(frame);
    }
  }
  return out;
}

TEST(Concealer, WithoutLossNothingIsChanged) {
  const Audio audio = vowel(8000);
  EXPECT_EQ(listen(audio, {}), audio);
}

TEST(Concealer, OfNothingItMakesSilence) {
  Concealer concealer;
  Audio out(160, 1234);
  concealer.conceal(out);
  EXPECT_EQ(out, Audio(160, 0));
  std::fill(out.begin(), out.end(), std::int16_t{0});
  for (int i = 0; i < 5; ++i) concealer.received(out);
  concealer.conceal(out);
  EXPECT_EQ(out, Audio(160, 0));
}

TEST(Concealer, ALostFrameOfAVowelSoundsLikeIt) {
  const Audio audio = vowel(8000);
  double all = 0;
  for (int lost = 20; lost < 45; ++lost) {
    const Audio out = listen(audio, {lost});
    const auto at = static_cast<std::size_t>(lost) * 160;
    const auto is = std::span(out).subspan(at, 160), was = std::span(audio).subspan(at, 160);
    EXPECT_GT(mean_square(is), 0.25 * mean_square(was)) << lost;
    EXPECT_LT(mean_square(is), 1.5 * mean_square(was)) << lost;
    double error = 0;
    for (std::size_t i = 0; i < 160; ++i) error += std::pow(is[i] - was[i], 2) / 160;
    EXPECT_LT(error, mean_square(was)) << lost;  // silence would be as much, a packet repeated about twice
    all += error / mean_square(was) / 25;
    for (std::size_t i = at + 160 + 10; i < audio.size(); ++i) ASSERT_EQ(out[i], audio[i]) << lost;
  }
  EXPECT_LT(all, 0.5);
}

TEST(Concealer, ItsSeamsAreNoClicks) {
  const Audio audio = vowel(8000);
  int steepest = 0;
  for (std::size_t i = 1; i < audio.size(); ++i)
    steepest = std::max(steepest, std::abs(audio[i] - audio[i - 1]));
  for (int lost = 20; lost < 45; ++lost) {
    const Audio out = listen(audio, {lost, lost + 1});
    for (std::size_t i = 1; i < out.size(); ++i)
      ASSERT_LE(std::abs(out[i] - out[i - 1]), 1.3 * steepest) << lost;
  }
}

TEST(Concealer, ALongGapFadesToSilence) {
  Audio audio = vowel(16'000);
  std::vector<int> lost;
  for (int i = 30; i < 60; ++i) lost.push_back(i);
  const Audio out = listen(audio, lost);
  const auto frame_power = [&](int i) {
    return mean_square(std::span(out).subspan(static_cast<std::size_t>(i) * 160, 160));
  };
  EXPECT_GT(frame_power(30), 0.2 * frame_power(29));
  EXPECT_LT(frame_power(40), 0.01 * frame_power(29));
  EXPECT_EQ(frame_power(59), 0);
}

TEST(Concealer, AnyAudioAndAnyFrameLengthIsBounded) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    std::mt19937 random(seed);
    Concealer concealer;
    const int kind = static_cast<int>(random() % 4);
    for (int i = 0; i < 200; ++i) {
      Audio frame(random() % 700);
      for (std::size_t k = 0; k < frame.size(); ++k) {
        switch (kind) {
          case 0: frame[k] = static_cast<std::int16_t>(random()); break;
          case 1: frame[k] = k % 2 != 0 ? 32767 : -32768; break;
          case 2: frame[k] = 32767; break;
          case 3:
            frame[k] = static_cast<std::int16_t>(32767 * std::sin(static_cast<double>(k) * 0.37));
            break;
        }
      }
      random() % 3 == 0 ? concealer.conceal(frame) : concealer.received(frame);
    }
    Audio rest(160);
    for (int i = 0; i < 60; ++i) concealer.conceal(rest);
    EXPECT_EQ(rest, Audio(160, 0)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ivr

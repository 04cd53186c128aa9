#include "core/g722.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "ivr/codec.hpp"

namespace ivr {
namespace {

constexpr double kRateHz = 16000;

std::vector<std::int16_t> wide_sine(double hz, double amplitude, std::size_t samples) {
  std::vector<std::int16_t> pcm(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    pcm[i] = static_cast<std::int16_t>(
        std::lrint(amplitude * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / kRateHz)));
  }
  return pcm;
}

std::vector<std::int16_t> there_and_back(const std::vector<std::int16_t>& pcm) {
  G722Encoder encoder;
  G722Decoder decoder;
  std::vector<std::uint8_t> bytes(pcm.size() / 2);
  EXPECT_EQ(encoder.encode(pcm, bytes), bytes.size());
  std::vector<std::int16_t> back(pcm.size());
  EXPECT_EQ(decoder.decode(bytes, back), back.size());
  return back;
}

// The sine of that frequency that fits best, and what is left beside it.
struct Fit {
  double amplitude, snr_db;
};
Fit fit(std::span<const std::int16_t> pcm, double hz) {
  double re = 0, im = 0, total = 0;
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    const double angle = 2 * std::numbers::pi * hz * static_cast<double>(i) / kRateHz;
    re += pcm[i] * std::cos(angle);
    im += pcm[i] * std::sin(angle);
    total += static_cast<double>(pcm[i]) * pcm[i];
  }
  const auto n = static_cast<double>(pcm.size());
  const double amplitude = 2 * std::hypot(re, im) / n;
  const double tone = amplitude * amplitude / 2 * n;
  return {amplitude, 10 * std::log10(tone / std::max(total - tone, 1e-9))};
}

std::uint32_t digest(std::span<const std::uint8_t> bytes) {  // FNV-1a
  std::uint32_t hash = 2166136261U;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 16777619U;
  return hash;
}

// Sound of every loudness and pitch, without a table: a sweep that swells, and noise.
std::vector<std::int16_t> everything() {
  std::vector<std::int16_t> pcm;
  std::uint32_t random = 1;
  for (int i = 0; i < 64000; ++i) {
    random = random * 1664525U + 1013904223U;
    const int noise = static_cast<int>(random >> 16) - 32768;
    const int loudness = i / 4000;  // 0 to 15
    pcm.push_back(static_cast<std::int16_t>(noise >> (15 - loudness)));
  }
  return pcm;
}

TEST(G722, TonesComeBackUpTo7kHz) {
  // What 6 bits can do below 4 kHz and 2 bits above.
  const struct {
    double hz, amplitude, least_snr_db;
  } kCases[] = {
      {100, 8000, 30},  {300, 8000, 30},  {440, 300, 20},   {1000, 16000, 30},
      {1000, 1000, 28}, {2000, 8000, 28}, {3000, 8000, 25}, {3600, 8000, 20},
      {4500, 8000, 10}, {5000, 8000, 10}, {6000, 8000, 10}, {7000, 8000, 8},
  };
  for (const auto& c : kCases) {
    const auto back = there_and_back(wide_sine(c.hz, c.amplitude, 16000));
    const Fit found = fit(std::span(back).subspan(1600), c.hz);
    EXPECT_NEAR(20 * std::log10(found.amplitude / c.amplitude), 0, 1.0) << c.hz << " Hz";
    EXPECT_GE(found.snr_db, c.least_snr_db) << c.hz << " Hz at " << c.amplitude;
  }
}

TEST(G722, SilenceStaysSilence) {
  for (const std::int16_t sample : there_and_back(std::vector<std::int16_t>(32000)))
    EXPECT_LE(std::abs(sample), 4);
}

TEST(G722, SilenceAfterALoudToneIsSoonSilence) {
  auto pcm = wide_sine(1000, 20000, 8000);
  pcm.resize(16000);
  const auto back = there_and_back(pcm);
  for (std::size_t i = 8000 + 1600; i < back.size(); ++i) ASSERT_LE(std::abs(back[i]), 16) << i;
}

TEST(G722, CodesAsAnotherImplementationDoes) {
  // The digests are those of libspandsp 0.0.6 for the same samples (bench/codec_bench compares them anew).
  const auto pcm = everything();
  G722Encoder encoder;
  std::vector<std::uint8_t> bytes(pcm.size() / 2);
  encoder.encode(pcm, bytes);
  EXPECT_EQ(digest(bytes), 906625164U);
  G722Decoder decoder;
  std::vector<std::int16_t> back(
      56000);  // the last second is loud enough to be cut off, where it lets numbers wrap
  decoder.decode(bytes, back);
  std::vector<std::uint8_t> words;
  for (const std::int16_t sample : back) {
    words.push_back(static_cast<std::uint8_t>(sample & 0xff));
    words.push_back(static_cast<std::uint8_t>(sample >> 8 & 0xff));
  }
  EXPECT_EQ(digest(words), 2494837310U);
}

TEST(G722, EachStreamHasItsOwnMemory) {
  const auto one = wide_sine(700, 9000, 3200), other = wide_sine(5200, 3000, 3200);
  const auto alone = there_and_back(one);
  G722Encoder encoders[2];
  G722Decoder decoders[2];
  std::vector<std::int16_t> together;
  for (std::size_t at = 0; at < one.size(); at += 320) {
    for (int which = 0; which < 2; ++which) {
      std::uint8_t bytes[160];
      std::int16_t back[320];
      encoders[which].encode(std::span(which == 0 ? one : other).subspan(at, 320), bytes);
      decoders[which].decode(bytes, back);
      if (which == 0) together.insert(together.end(), back, back + 320);
    }
  }
  EXPECT_EQ(together, alone);
}

TEST(G722, PiecesOfAnySizeMakeTheSameBytes) {
  const auto pcm = everything();
  G722Encoder whole, pieces;
  std::vector<std::uint8_t> expected(pcm.size() / 2), made;
  whole.encode(pcm, expected);
  std::mt19937 random(7);
  for (std::size_t at = 0; at < pcm.size();) {
    const std::size_t n = std::min<std::size_t>(2 * (random() % 200), pcm.size() - at);
    std::vector<std::uint8_t> bytes(n / 2);
    pieces.encode(std::span(pcm).subspan(at, n), bytes);
    made.insert(made.end(), bytes.begin(), bytes.end());
    at += n;
  }
  EXPECT_EQ(made, expected);
}

TEST(G722, ARoundTripSurvivesALostFrame) {
  const auto pcm = wide_sine(900, 9000, 16000);
  G722Encoder encoder;
  G722Decoder decoder;
  std::vector<std::int16_t> back;
  for (std::size_t at = 0; at < pcm.size(); at += 320) {
    std::uint8_t bytes[160];
    std::int16_t frame[320] = {};
    encoder.encode(std::span(pcm).subspan(at, 320), bytes);
    if (at != 320 * 20) decoder.decode(bytes, frame);
    back.insert(back.end(), frame, frame + 320);
  }
  // Both sides forget: 200 ms later nothing is heard of it.
  EXPECT_GE(fit(std::span(back).subspan(320 * 31), 900).snr_db, 25);
}

}  // namespace
}  // namespace ivr

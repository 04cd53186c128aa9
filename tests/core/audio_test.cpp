#include "ivr/audio.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <numbers>

namespace ivr {
namespace {

std::vector<std::int16_t> sine(double hz, int rate_hz, double dbm0, double seconds) {
  std::vector<std::int16_t> pcm(static_cast<std::size_t>(rate_hz * seconds));
  const double a = 32767 * std::pow(10.0, (dbm0 - 3.14) / 20);
  for (std::size_t i = 0; i < pcm.size(); ++i)
    pcm[i] = static_cast<std::int16_t>(
        std::lround(a * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate_hz)));
  return pcm;
}

TEST(G711, ExpandsAsTheTablesSay) {
  // Values of ITU-T G.711 tables 1a, 1b, 2a, 2b, shifted up to 16 bits.
  EXPECT_EQ(decode_ulaw(0xff), 0);
  EXPECT_EQ(decode_ulaw(0x7f), 0);
  EXPECT_EQ(decode_ulaw(0x80), 8031 * 4);
  EXPECT_EQ(decode_ulaw(0x00), -8031 * 4);
  EXPECT_EQ(decode_ulaw(0xfe), 2 * 4);
  EXPECT_EQ(decode_ulaw(0xef), 33 * 4);
  EXPECT_EQ(decode_alaw(0xd5), 1 * 8);
  EXPECT_EQ(decode_alaw(0x55), -1 * 8);
  EXPECT_EQ(decode_alaw(0xaa), 4032 * 8);
  EXPECT_EQ(decode_alaw(0x2a), -4032 * 8);
  EXPECT_EQ(decode_alaw(0xd4), 3 * 8);
}

TEST(G711, EveryCodeSurvivesARoundTrip) {
  for (int code = 0; code < 256; ++code) {
    const auto byte = static_cast<std::uint8_t>(code);
    EXPECT_EQ(encode_alaw(decode_alaw(byte)), byte) << code;
    // u-law has two zeros; the negative one comes back as the positive.
    EXPECT_EQ(encode_ulaw(decode_ulaw(byte)), code == 0x7f ? 0xff : byte) << code;
  }
}

TEST(G711, MissesASampleByHalfAStepAtMost) {
  for (int sample = -32768; sample <= 32767; ++sample) {
    const auto x = static_cast<std::int16_t>(sample);
    const std::uint8_t u = encode_ulaw(x), a = encode_alaw(x);
    // The lowest two (three) bits are cut before the decision, and u-law clips at 8,159 of 8,192.
    const int u_chord = ~u >> 4 & 7, a_chord = (a ^ 0x55) >> 4 & 7;
    if (std::abs(sample) < 32636) {
      EXPECT_LE(std::abs(sample - decode_ulaw(u)), (4 << u_chord) + 4) << sample;
    }
    EXPECT_LE(std::abs(sample - decode_alaw(a)), 8 << std::max(0, a_chord - 1)) << sample;
  }
}

TEST(G711, IsMonotonous) {
  for (int sample = -32768; sample < 32767; ++sample) {
    const auto a = static_cast<std::int16_t>(sample), b = static_cast<std::int16_t>(sample + 1);
    EXPECT_LE(decode_ulaw(encode_ulaw(a)), decode_ulaw(encode_ulaw(b))) << sample;
    EXPECT_LE(decode_alaw(encode_alaw(a)), decode_alaw(encode_alaw(b))) << sample;
  }
}

TEST(Codec, L16IsInNetworkOrder) {
  const std::int16_t pcm[] = {0x1234, -2};
  std::uint8_t bytes[4];
  EXPECT_EQ(encode(Codec::l16, pcm, bytes), 2u);
  EXPECT_EQ(bytes[0], 0x12);
  EXPECT_EQ(bytes[1], 0x34);
  EXPECT_EQ(bytes[2], 0xff);
  EXPECT_EQ(bytes[3], 0xfe);
  std::int16_t back[2];
  EXPECT_EQ(decode(Codec::l16, bytes, back), 2u);
  EXPECT_EQ(back[1], -2);
}

TEST(Codec, StopsAtTheShorterSide) {
  std::vector<std::int16_t> pcm(10, 1000);
  std::uint8_t bytes[7];
  EXPECT_EQ(encode(Codec::pcmu, pcm, bytes), 7u);
  EXPECT_EQ(encode(Codec::l16, pcm, bytes), 3u);
  EXPECT_EQ(decode(Codec::pcmu, bytes, std::span(pcm).first(4)), 4u);
}

TEST(Codec, ClipIsPaddedWithSilenceToWholeFrames) {
  for (const Codec codec : {Codec::pcmu, Codec::pcma, Codec::l16}) {
    const auto clip = make_clip(codec, std::vector<std::int16_t>(161, 5000));
    EXPECT_EQ(clip->bytes.size(), 320u * static_cast<std::size_t>(bytes_per_sample(codec)));
    EXPECT_EQ(clip->samples, 161);
    EXPECT_EQ(clip->bytes.back(), silence_byte(codec));
    EXPECT_EQ(clip->codec, codec);
  }
}

TEST(Resampler, KeepsToneAndLevelAndLength) {
  for (const int from : {8000, 11025, 16000, 22050, 24000, 44100, 48000})
    for (const int to : {8000, 16000, 22050, 44100, 48000})
      for (const double hz : {300.0, 1000.0, 3300.0}) {
        const auto in = sine(hz, from, -10, 0.5);
        const auto out = resample(in, from, to);
        ASSERT_TRUE(out.ok());
        ASSERT_EQ(out->size(),
                  (in.size() * static_cast<std::size_t>(to) + static_cast<std::size_t>(from) - 1) /
                      static_cast<std::size_t>(from))
            << from << " to " << to;
        // Away from the ends it is the very same sine, sample by sample.
        const auto wanted = sine(hz, to, -10, 0.5);
        double error = 0, power = 0;
        for (std::size_t i = out->size() / 8; i < out->size() * 7 / 8 && i < wanted.size(); ++i) {
          error += std::pow((*out)[i] - wanted[i], 2);
          power += std::pow(wanted[i], 2);
        }
        EXPECT_LT(10 * std::log10(error / power), -50) << from << " to " << to << " at " << hz << " Hz";
      }
}

TEST(Resampler, LetsNothingFoldBack) {
  for (const int from : {16000, 22050, 44100, 48000})
    for (const double hz : {4450.0, 5000.0, 6100.0, 7200.0}) {
      const auto out = resample(sine(hz, from, 0, 0.4), from, 8000);
      ASSERT_TRUE(out.ok());
      const auto middle = std::span(*out).subspan(out->size() / 8, out->size() * 3 / 4);
      EXPECT_LT(level_dbm0(middle), -60) << from << " Hz, tone of " << hz << " Hz";
    }
}

TEST(Resampler, StreamIsTheSameAsAllAtOnce) {
  const auto in = sine(770, 22050, -6, 0.7);
  const auto whole = *resample(in, 22050, 8000);
  auto resampler = *Resampler::create(22050, 8000);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::int16_t> out;
    for (std::size_t at = 0, chunk = 1; at < in.size(); at += chunk, chunk = chunk * 7 % 997 + 1)
      resampler.process(std::span(in).subspan(at, std::min(chunk, in.size() - at)), out);
    resampler.finish(out);
    EXPECT_EQ(out, whole);
  }
}

TEST(Resampler, RefusesRatesThatAreNone) {
  EXPECT_EQ(Resampler::create(0, 8000).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Resampler::create(8000, 1000000).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(resample({}, 44100, 8000)->empty());
}

TEST(Level, FullScaleSineIs3Point14Dbm0) {
  EXPECT_NEAR(level_dbm0(sine(1004, 8000, 3.14, 1)), 3.14, 0.01);
  EXPECT_NEAR(level_dbm0(sine(1004, 8000, -20, 1)), -20, 0.01);
  EXPECT_EQ(level_dbm0({}), -100);
  EXPECT_EQ(level_dbm0(std::vector<std::int16_t>(100)), -100);
}

TEST(Normalise, ReachesTheTargetWhateverThePauses) {
  for (const double level : {-35.0, -20.0, -3.0}) {
    auto pcm = sine(500, 8000, level, 1);
    pcm.resize(pcm.size() + 16000);
    normalise(pcm, -18);
    EXPECT_NEAR(active_level_dbm0(pcm), -18, 0.3) << level;
    EXPECT_EQ(pcm.back(), 0);
  }
}

TEST(Normalise, HoldsPeaksDownWithoutClipping) {
  auto pcm = sine(500, 8000, -30, 1);
  for (int i = 0; i < 80; ++i)
    pcm[static_cast<std::size_t>(4000 + i)] = static_cast<std::int16_t>(i % 16 < 8 ? 20000 : -20000);
  normalise(pcm, -12);
  for (const std::int16_t x : pcm) EXPECT_LE(std::abs(x), 31500);
  std::vector<std::int16_t> quiet(8000), empty;
  normalise(quiet);
  normalise(empty);
  EXPECT_EQ(level_dbm0(quiet), -100);
}

}  // namespace
}  // namespace ivr

#include "ivr/codec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <set>
#include <vector>

#include "ivr/audio.hpp"

namespace ivr {
namespace {

TEST(Codecs, EachHasANameAndANumberOfItsOwn) {
  std::set<std::string_view> names;
  std::set<int> types;
  for (const CodecFormat& format : kCodecFormats) {
    EXPECT_TRUE(names.insert(format.name).second) << format.name;
    EXPECT_TRUE(types.insert(format.preferred_type).second) << format.name;
    EXPECT_EQ(codec_named(format.name), format.codec);
    EXPECT_EQ(&format_of(format.codec), &format);
    EXPECT_TRUE(format_of(clip_codec(format.codec)).plain) << format.name;
    EXPECT_EQ(format_of(clip_codec(format.codec)).sample_rate_hz, format.sample_rate_hz) << format.name;
    EXPECT_EQ(format.clock_hz % 8000, 0) << format.name;
  }
  EXPECT_EQ(codec_named("gsm"), std::nullopt);
  EXPECT_EQ(codec_named(""), std::nullopt);
}

TEST(Codecs, ClocksAndNumbersAreThoseOfTheStandards) {
  const struct {
    Codec codec;
    std::string_view encoding;
    int clock_hz, channels, static_type;
  } kCases[] = {
      {Codec::pcmu, "PCMU", 8000, 1, 0},   {Codec::pcma, "PCMA", 8000, 1, 8},  // RFC 3551, table 4
      {Codec::g722, "G722", 8000, 1, 9},                                       // RFC 3551, 4.5.2
      {Codec::opus, "opus", 48000, 2, -1},                                     // RFC 7587, 7
      {Codec::l16, "L16", 8000, 1, -1},    {Codec::l16_wide, "L16", 16000, 1, -1},
  };
  for (const auto& c : kCases) {
    const CodecFormat& format = format_of(c.codec);
    EXPECT_EQ(format.encoding, c.encoding);
    EXPECT_EQ(format.clock_hz, c.clock_hz) << c.encoding;
    EXPECT_EQ(format.channels, c.channels) << c.encoding;
    EXPECT_EQ(format.static_type, c.static_type) << c.encoding;
  }
}

TEST(Codecs, TheCoresCodersMakeOfAFrameWhatTheySayItHolds) {
  for (const CodecFormat& format : kCodecFormats) {
    if (format.codec == Codec::opus) {
      EXPECT_EQ(make_core_decoder(Codec::opus), nullptr);
      EXPECT_EQ(make_core_encoder(Codec::opus), nullptr);
      continue;
    }
    auto encoder = make_core_encoder(format.codec);
    auto decoder = make_core_decoder(format.codec);
    std::vector<std::int16_t> pcm(frame_samples(format.codec)), back(pcm.size());
    for (std::size_t i = 0; i < pcm.size(); ++i)
      pcm[i] = static_cast<std::int16_t>(1000 * std::sin(0.2 * static_cast<double>(i)));
    std::vector<std::uint8_t> bytes(kMaxEncodedFrame);
    for (int frame = 0; frame < 5; ++frame) {
      const std::size_t size = encoder->encode(pcm, bytes);
      ASSERT_GT(size, 0u) << format.name;
      const auto payload = std::span(bytes).first(size);
      EXPECT_EQ(decoder->length(payload), pcm.size()) << format.name;
      EXPECT_EQ(decoder->decode(payload, back), pcm.size()) << format.name;
      EXPECT_FALSE(decoder->conceal(payload, back)) << format.name;
    }
    EXPECT_EQ(decoder->length({}), 0u);
    EXPECT_EQ(decoder->decode({}, back), 0u);
    EXPECT_EQ(encoder->encode({}, bytes), 0u);
    EXPECT_EQ(encoder->encode(pcm, {}), 0u);
  }
}

TEST(Codecs, AClipIsMadeOfWhatCanBeSentOrCodedWhenSent) {
  const std::vector<std::int16_t> pcm(500, 1000);
  const struct {
    Codec codec, clip;
    std::size_t bytes;
  } kCases[] = {
      {Codec::pcmu, Codec::pcmu, 640},          {Codec::l16, Codec::l16, 1280},
      {Codec::g722, Codec::l16_wide, 1280},     {Codec::opus, Codec::l16_wide, 1280},
      {Codec::l16_wide, Codec::l16_wide, 1280},
  };
  for (const auto& c : kCases) {
    const ClipPtr clip = make_clip(c.codec, pcm);
    EXPECT_EQ(clip->codec, c.clip);
    EXPECT_EQ(clip->samples, 500);
    EXPECT_EQ(clip->bytes.size(), c.bytes);
  }
}

// ---------------------------------------------------------------------------------- half and double

double level_of(std::span<const std::int16_t> pcm, double hz, double rate_hz) {
  double re = 0, im = 0;
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    const double angle = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate_hz;
    re += pcm[i] * std::cos(angle);
    im += pcm[i] * std::sin(angle);
  }
  return 20 * std::log10(2 * std::hypot(re, im) / static_cast<double>(pcm.size()) + 1e-3);
}

std::vector<std::int16_t> sine(double hz, double rate_hz, std::size_t samples) {
  std::vector<std::int16_t> pcm(samples);
  for (std::size_t i = 0; i < samples; ++i)
    pcm[i] = static_cast<std::int16_t>(
        std::lrint(10000 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate_hz)));
  return pcm;
}

TEST(HalfRate, KeepsTelephoneSpeechAndFoldsNothingBack) {
  for (int hz = 100; hz <= 7900; hz += 100) {
    const auto wide = sine(hz, 16000, 16000);
    std::vector<std::int16_t> narrow(8000);
    HalfRate half;
    ASSERT_EQ(half.process(wide, narrow), 8000u);
    const auto settled = std::span(narrow).subspan(800);
    const double in = 80;  // 20 log10(10000)
    if (hz <= 3400) {
      EXPECT_NEAR(level_of(settled, hz, 8000), in, 0.5) << hz;
    }
    if (hz >= 4600) {
      EXPECT_LT(level_of(settled, 8000 - hz, 8000), in - 60) << hz;
    }
  }
}

TEST(DoubleRate, KeepsTelephoneSpeechAndAddsNothing) {
  for (int hz = 100; hz <= 3400; hz += 100) {
    const auto narrow = sine(hz, 8000, 8000);
    std::vector<std::int16_t> wide(16000);
    DoubleRate twice;
    ASSERT_EQ(twice.process(narrow, wide), 16000u);
    const auto settled = std::span(wide).subspan(1600);
    EXPECT_NEAR(level_of(settled, hz, 16000), 80, 0.5) << hz;
    EXPECT_LT(level_of(settled, 8000 - hz, 16000), 20) << hz;
  }
}

// Two seconds of sound at once, and in pieces of up to `longest` samples.
template <class Converter>
void expect_pieces_make_the_same(int from_hz, int to_hz, unsigned longest) {
  const auto in = sine(1234, from_hz, 2 * static_cast<std::size_t>(from_hz));
  std::vector<std::int16_t> expected(2 * static_cast<std::size_t>(to_hz)), made;
  Converter whole, pieces;
  ASSERT_EQ(whole.process(in, expected), expected.size());
  std::mt19937 random(3);
  for (std::size_t at = 0; at < in.size();) {
    const std::size_t n = std::min<std::size_t>(random() % longest, in.size() - at);
    std::vector<std::int16_t> out(2 * n + 1);
    const std::size_t some = pieces.process(std::span(in).subspan(at, n), out);
    if (to_hz > from_hz) {
      EXPECT_EQ(some, 2 * n);
    }
    made.insert(made.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(some));
    at += n;
  }
  EXPECT_EQ(made, expected);
}
TEST(HalfRate, PiecesOfAnySizeMakeTheSameSamples) { expect_pieces_make_the_same<HalfRate>(16000, 8000, 700); }
TEST(DoubleRate, PiecesOfAnySizeMakeTheSameSamples) {
  expect_pieces_make_the_same<DoubleRate>(8000, 16000, 400);
}

}  // namespace
}  // namespace ivr

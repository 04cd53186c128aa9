#include "ivr/wav.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Bytes = std::vector<std::uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Bytes text(const std::string& s) { return {s.begin(), s.end()}; }

Bytes le(std::uint32_t value, int bytes) {
  Bytes out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  return out;
}

Bytes chunk(const std::string& id, const Bytes& body) {
  Bytes out = text(id) + le(static_cast<std::uint32_t>(body.size()), 4) + body;
  if (body.size() % 2) out.push_back(0);
  return out;
}

Bytes fmt(int tag, int channels, int rate, int bits) {
  const int block = channels * ((bits + 7) / 8);
  return le(static_cast<std::uint32_t>(tag), 2) + le(static_cast<std::uint32_t>(channels), 2) +
         le(static_cast<std::uint32_t>(rate), 4) + le(static_cast<std::uint32_t>(rate * block), 4) +
         le(static_cast<std::uint32_t>(block), 2) + le(static_cast<std::uint32_t>(bits), 2);
}

Bytes extensible(int tag, int channels, int rate, int bits) {
  return fmt(0xFFFE, channels, rate, bits) + le(22, 2) + le(static_cast<std::uint32_t>(bits), 2) + le(0, 4) +
         le(static_cast<std::uint32_t>(tag), 2) +
         Bytes{0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71};
}

Bytes riff(const Bytes& chunks) {
  return text("RIFF") + le(static_cast<std::uint32_t>(chunks.size() + 4), 4) + text("WAVE") + chunks;
}
Bytes wav(const Bytes& format, const Bytes& data) {
  return riff(chunk("fmt ", format) + chunk("data", data));
}

std::vector<std::int16_t> samples(const Bytes& file) {
  const auto pcm = parse_wav(file);
  EXPECT_TRUE(pcm.ok()) << pcm.status();
  return pcm.ok() ? pcm->samples : std::vector<std::int16_t>{};
}

std::string error(const Bytes& file) { return std::string(parse_wav(file).status().message()); }

TEST(Wav, ReadsEverySampleFormat) {
  EXPECT_THAT(samples(wav(fmt(1, 1, 8000, 8), {0, 128, 255})), ElementsAre(-32768, 0, 127 * 256));
  EXPECT_THAT(samples(wav(fmt(1, 1, 8000, 16), {0x00, 0x80, 0xFF, 0x7F, 0xFF, 0xFF})),
              ElementsAre(-32768, 32767, -1));
  EXPECT_THAT(samples(wav(fmt(1, 1, 8000, 24), {9, 0x34, 0x12, 9, 0x00, 0x80})), ElementsAre(0x1234, -32768));
  EXPECT_THAT(samples(wav(fmt(1, 1, 8000, 32), {9, 9, 0x34, 0x12})), ElementsAre(0x1234));
  EXPECT_THAT(samples(wav(fmt(1, 1, 8000, 12), {0xF0, 0x7F})),
              ElementsAre(0x7FF0));  // left-justified in two bytes
  EXPECT_THAT(samples(wav(fmt(6, 1, 8000, 8), {0xD5, 0x55, 0xAA, 0x2A})), ElementsAre(8, -8, 32256, -32256));
  EXPECT_THAT(samples(wav(fmt(7, 1, 8000, 8), {0xFF, 0x7F, 0x80, 0x00})), ElementsAre(0, 0, 32124, -32124));
}

TEST(Wav, ReadsFloatAndClipsIt) {
  Bytes data;
  for (const float value : {0.0f, 0.5f, -0.5f, 1.0f, -1.0f, 7.0f, -7.0f, std::bit_cast<float>(0x7FC00000u),
                            std::bit_cast<float>(0x7F800000u)}) {
    data = data + le(std::bit_cast<std::uint32_t>(value), 4);
  }
  EXPECT_THAT(samples(wav(fmt(3, 1, 8000, 32), data)),
              ElementsAre(0, 16384, -16384, 32767, -32768, 32767, -32768, 0, 32767));
}

TEST(Wav, AveragesTwoChannels) {
  EXPECT_THAT(samples(wav(fmt(1, 2, 8000, 16), le(100, 2) + le(200, 2) + Bytes{0x00, 0x80, 0x00, 0x80})),
              ElementsAre(150, -32768));
  EXPECT_THAT(samples(wav(fmt(1, 2, 8000, 8), {128, 130})), ElementsAre(256));
}

TEST(Wav, ReadsExtensible) {
  EXPECT_THAT(samples(wav(extensible(1, 1, 44100, 16), le(5, 2))), ElementsAre(5));
  EXPECT_THAT(samples(wav(extensible(7, 1, 8000, 8), {0x80})), ElementsAre(32124));
  EXPECT_EQ(parse_wav(wav(extensible(1, 1, 44100, 16), le(5, 2)))->sample_rate_hz, 44100);
  auto odd = extensible(1, 1, 44100, 16);
  odd.back() ^= 1;
  EXPECT_THAT(error(wav(odd, {})), HasSubstr("extensible format of unknown kind"));
  EXPECT_THAT(error(wav(fmt(0xFFFE, 1, 8000, 16), {})), HasSubstr("extensible fmt chunk of 16 bytes"));
}

TEST(Wav, SkipsChunksThatItDoesNotKnow) {
  const auto f = chunk("fmt ", fmt(1, 1, 8000, 16)), d = chunk("data", le(7, 2));
  EXPECT_THAT(samples(riff(chunk("LIST", {1, 2, 3}) + f + chunk("odd ", {1}) + d + chunk("id3 ", {9}))),
              ElementsAre(7));
  EXPECT_THAT(samples(riff(d + f)), ElementsAre(7));  // in the other order
}

TEST(Wav, ReadsToTheEndWhatAWriterLeftUnfinished) {
  const auto head =
      text("RIFF") + le(36, 4) + text("WAVE") + chunk("fmt ", fmt(1, 1, 8000, 16)) + text("data");
  const auto audio = le(1, 2) + le(2, 2) + le(3, 2);
  for (const std::uint32_t size : {0u, 0xFFFFFFFFu, 7u, 1000u})
    EXPECT_THAT(samples(head + le(size, 4) + audio), ElementsAre(1, 2, 3)) << size;
  EXPECT_THAT(samples(head + le(6, 4) + le(1, 2) + Bytes{2}), ElementsAre(1));  // half a sample at the cut
  EXPECT_THAT(samples(head + le(0, 4)), IsEmpty());
  EXPECT_THAT(samples(wav(fmt(1, 1, 8000, 16), {}) + Bytes{}), IsEmpty());
  const auto empty =
      riff(chunk("fmt ", fmt(1, 1, 8000, 16)) + chunk("data", {}) + chunk("LIST", {1, 2, 3, 4}));
  EXPECT_THAT(samples(empty), IsEmpty()) << "a finished file may be empty";
}

TEST(Wav, SaysWhatIsWrong) {
  const auto f = chunk("fmt ", fmt(1, 1, 8000, 16));
  const struct {
    Bytes file;
    const char* message;
  } kCases[] = {
      {{}, "no RIFF/WAVE header in 0 bytes"},
      {text("RIFF"), "no RIFF/WAVE"},
      {text("RIFF") + le(0, 4) + text("AVI "), "no RIFF/WAVE"},
      {text("RIFX") + le(0, 4) + text("WAVE"), "RIFX"},
      {text("RF64") + le(0, 4) + text("WAVE"), "RF64"},
      {riff({}), "no fmt chunk"},
      {riff(f), "no data chunk"},
      {riff(chunk("data", {1, 2})), "no fmt chunk"},
      {riff(chunk("fmt ", {1, 2, 3})), "fmt chunk of 3 bytes"},
      {riff(text("fmt ") + le(16, 4) + le(1, 2)), "fmt chunk is cut off"},
      {wav(fmt(1, 0, 8000, 16), {}), "0 channels"},
      {wav(fmt(1, 3, 8000, 16), {}), "3 channels"},
      {wav(fmt(1, 1, 3999, 16), {}), "sample rate 3999"},
      {wav(fmt(1, 1, 192001, 16), {}), "sample rate 192001"},
      {wav(fmt(1, 1, 8000, 0), {}), "format 1 with 0 bits"},
      {wav(fmt(1, 1, 8000, 64), {}), "format 1 with 64 bits"},
      {wav(fmt(3, 1, 8000, 64), {}), "format 3 with 64 bits"},
      {wav(fmt(7, 1, 8000, 16), {}), "format 7 with 16 bits"},
      {wav(fmt(85, 1, 8000, 16), {}), "format 85"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(parse_wav(c.file).status().code(), absl::StatusCode::kInvalidArgument) << c.message;
    EXPECT_THAT(error(c.file), HasSubstr(c.message));
  }
  auto block = fmt(1, 1, 8000, 16);
  block[12] = 4;
  EXPECT_THAT(error(wav(block, {})), HasSubstr("block of 4 bytes; 2 expected"));
}

TEST(Wav, RefusesMoreThan64MiSamples) {
  Bytes file = wav(fmt(7, 1, 8000, 8), {});
  file.resize(file.size() + (std::size_t{1} << 26) + 1);
  EXPECT_THAT(error(file), HasSubstr("at most 67108864"));
}

TEST(Wav, ReadsWhatItWrites) {
  const Pcm pcm{22050, {0, 1, -1, 32767, -32768}};
  const auto file = write_wav(pcm);
  EXPECT_EQ(file.size(), 44u + 10u);
  const auto again = parse_wav(file);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->sample_rate_hz, 22050);
  EXPECT_EQ(again->samples, pcm.samples);
}

TEST(Wav, AGrowingFileIsPlayableAtAnyMoment) {
  for (const auto encoding : {WavEncoding::pcm16, WavEncoding::pcmu, WavEncoding::pcma}) {
    for (const int channels : {1, 2}) {
      const WavFormat format{encoding, 8000, channels};
      const auto frame = static_cast<std::size_t>(format.bytes_per_frame());
      auto file = wav_header(format, 0);
      const auto header = file.size();
      EXPECT_EQ(parse_wav(file)->samples.size(), 0u);
      for (std::size_t frames = 160; frames <= 480; frames += 160) {
        file.resize(header + frames * frame);
        EXPECT_EQ(parse_wav(file)->samples.size(), frames == 160 ? 160 : frames - 160)
            << "up to the last patch";
        for (const auto& field : wav_size_fields(format, frames * frame)) {
          for (std::size_t i = 0; i < 4; ++i)
            file[field.offset + i] = static_cast<std::uint8_t>(field.value >> (8 * i));
        }
        const auto whole = wav_header(format, frames * frame);
        EXPECT_TRUE(std::equal(whole.begin(), whole.end(), file.begin()));
        EXPECT_EQ(parse_wav(file + Bytes{1, 2, 3, 4})->samples.size(), frames) << "the patched size holds";
      }
    }
  }
}

TEST(Wav, SizesStayAtTheirMostFrom4GiBOn) {
  for (const auto& field : wav_size_fields({}, std::uint64_t{1} << 33)) EXPECT_EQ(field.value, 0xFFFFFFFFu);
}

}  // namespace
}  // namespace ivr

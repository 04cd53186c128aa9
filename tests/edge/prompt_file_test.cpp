#include "edge/prompt_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ivr/audio.hpp"
#include "ivr/wav.hpp"

namespace ivr {
namespace {

class PromptFile : public testing::Test {
 protected:
  PromptFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivr-prompt-XXXXXX").string();
    top_ = mkdtemp(pattern.data());
    folder_ = top_ + "/prompts";
    std::filesystem::create_directories(folder_ + "/en");
  }
  ~PromptFile() override { std::filesystem::remove_all(top_); }
  void write(const std::string& name, const std::vector<std::uint8_t>& bytes) {
    std::ofstream(folder_ + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  absl::StatusOr<ClipPtr> read(std::string_view name, Codec codec = Codec::pcmu) {
    return read_prompt_file(folder_, name, codec, stamp_);
  }

  std::string top_, folder_;
  FileStamp stamp_;
};

std::vector<std::uint8_t> all_codes() {
  std::vector<std::uint8_t> bytes(320);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return bytes;
}

TEST_F(PromptFile, RawFilesOfTheSameLawComeBackBitForBit) {
  auto bytes = all_codes();
  for (const char* name : {"en/a.ulaw", "a.PCMU"}) {
    write(name, bytes);
    const auto clip = read(name, Codec::pcmu);
    ASSERT_TRUE(clip.ok()) << clip.status();
    EXPECT_EQ((*clip)->samples, 320);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_EQ(decode_ulaw((*clip)->bytes[i]), decode_ulaw(bytes[i])) << i;  // +0 and -0 are two codes
    }
  }
  for (const char* name : {"a.alaw", "b.PcmA"}) {
    write(name, bytes);
    const auto clip = read(name, Codec::pcma);
    ASSERT_TRUE(clip.ok()) << clip.status();
    EXPECT_EQ((*clip)->bytes, bytes);
  }
  const auto linear = read("a.alaw", Codec::l16);
  ASSERT_TRUE(linear.ok());
  EXPECT_EQ((*linear)->bytes.size(), 640u);
}

TEST_F(PromptFile, WavOfAnyRateBecomes8kHz) {
  for (int rate : {8000, 16000, 44100}) {
    Pcm pcm{rate, std::vector<std::int16_t>(static_cast<std::size_t>(rate), 1000)};
    write("a.wav", write_wav(pcm));
    const auto clip = read("a.wav", Codec::l16);
    ASSERT_TRUE(clip.ok()) << clip.status();
    EXPECT_EQ((*clip)->samples, 8000) << rate;
    std::vector<std::int16_t> samples(8000);
    decode(Codec::l16, (*clip)->bytes, samples);
    EXPECT_NEAR(samples[4000], 1000, 30) << "the level stays";
  }
}

TEST_F(PromptFile, RefusesWhatIsNoPrompt) {
  std::ofstream(top_ + "/outside.wav") << "x";
  std::ofstream(folder_ + "/bad.wav") << "RIFFxxxx";
  std::ofstream(folder_ + "/a.mp3") << "x";
  ASSERT_EQ(mkfifo((folder_ + "/pipe.wav").c_str(), 0600), 0);
  const struct {
    std::string name;
    absl::StatusCode code;
    std::string words;
  } rows[] = {
      {"no/such.wav", absl::StatusCode::kNotFound, folder_ + "/no/such.wav"},
      {"../outside.wav", absl::StatusCode::kInvalidArgument, "leaves"},
      {"en/../../outside.wav", absl::StatusCode::kInvalidArgument, "leaves"},
      {"en/..", absl::StatusCode::kInvalidArgument, "leaves"},
      {"/etc/passwd", absl::StatusCode::kInvalidArgument, "absolute"},
      {std::string("a.wav\0.mp3", 10), absl::StatusCode::kInvalidArgument, "zero byte"},
      {"", absl::StatusCode::kInvalidArgument, "empty"},
      {std::string(2000, 'a') + ".wav", absl::StatusCode::kInvalidArgument, "1024"},
      {"a.mp3", absl::StatusCode::kInvalidArgument, ".mp3"},
      {"en", absl::StatusCode::kInvalidArgument, "type"},
      {"bad.wav", absl::StatusCode::kInvalidArgument, folder_ + "/bad.wav"},
      {"pipe.wav", absl::StatusCode::kInvalidArgument, "regular"},
  };
  for (const auto& row : rows) {
    const auto clip = read(row.name);
    EXPECT_EQ(clip.status().code(), row.code) << row.name << ": " << clip.status();
    EXPECT_THAT(std::string(clip.status().message()), testing::HasSubstr(row.words));
  }
}

TEST_F(PromptFile, TheStampTellsAChange) {
  EXPECT_EQ(stamp_of(folder_, "a.ulaw").size, -1);
  write("a.ulaw", all_codes());
  ASSERT_TRUE(read("a.ulaw").ok());
  EXPECT_EQ(stamp_, stamp_of(folder_, "a.ulaw"));
  write("b.ulaw", all_codes());
  std::filesystem::rename(folder_ + "/b.ulaw", folder_ + "/a.ulaw");
  EXPECT_NE(stamp_, stamp_of(folder_, "a.ulaw"));
}

}  // namespace
}  // namespace ivr

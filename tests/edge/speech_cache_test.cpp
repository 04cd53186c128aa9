#include "edge/speech_cache.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace ivr {
namespace {

namespace fs = std::filesystem;

class SpeechCacheTest : public testing::Test {
 protected:
  SpeechCacheTest() {
    std::string pattern = (fs::temp_directory_path() / "ivr-speech-XXXXXX").string();
    folder_ = std::string(mkdtemp(pattern.data())) + "/made/when/needed";
  }
  ~SpeechCacheTest() override { fs::remove_all(fs::path(folder_).parent_path().parent_path().parent_path()); }
  std::vector<fs::path> files() const { return {fs::directory_iterator(folder_), fs::directory_iterator()}; }

  std::string folder_;
};

TEST_F(SpeechCacheTest, SurvivesARestart) {
  const std::vector<std::int16_t> samples = {1, -2, 32767, -32768};
  {
    SpeechCache cache(folder_);
    EXPECT_FALSE(cache.find("hello"));
    ASSERT_TRUE(cache.put("hello", samples).ok());
    ASSERT_TRUE(cache.put("nothing", {}).ok());
  }
  SpeechCache cache(folder_);
  EXPECT_EQ(cache.find("hello"), samples);
  EXPECT_EQ(cache.find("nothing"), std::vector<std::int16_t>{});
  EXPECT_FALSE(cache.find("hell"));
  EXPECT_EQ(files().size(), 2u) << "nothing is left aside";
}

TEST_F(SpeechCacheTest, ADamagedFileIsAsGoodAsNone) {
  SpeechCache cache(folder_);
  const std::vector<std::int16_t> samples = {1, 2, 3, 4, 5};
  ASSERT_TRUE(cache.put("key", samples).ok());
  const fs::path path = files().at(0);
  std::string good;
  {
    std::ifstream file(path, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto write = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    write(bad);
    EXPECT_FALSE(cache.find("key")) << "byte " << i;
    write(good.substr(0, i));
    EXPECT_FALSE(cache.find("key")) << "cut at " << i;
  }
  write(good + "x");
  EXPECT_FALSE(cache.find("key"));
  ASSERT_TRUE(cache.put("key", samples).ok());
  EXPECT_EQ(cache.find("key"), samples);
}

TEST_F(SpeechCacheTest, RemovesTheLongestUnused) {
  SpeechCache cache(folder_, 100'000);
  const std::vector<std::int16_t> samples(5000);
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(cache.put("key" + std::to_string(i), samples).ok());
  }
  // Files of the same tick have no order: make the first ones old, then use one of them.
  for (const auto& path : files())
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
  ASSERT_TRUE(cache.find("key0"));
  for (int i = 9; i < 12; ++i) ASSERT_TRUE(cache.put("key" + std::to_string(i), samples).ok());
  EXPECT_TRUE(cache.find("key0"));
  for (int i = 9; i < 12; ++i) EXPECT_TRUE(cache.find("key" + std::to_string(i)));
  std::uintmax_t total = 0;
  for (const auto& path : files()) total += fs::file_size(path);
  EXPECT_LE(total, 100'000u);
}

TEST_F(SpeechCacheTest, SaysWhenItCannotWrite) {
  SpeechCache cache("/proc/no/such/place");
  EXPECT_FALSE(cache.put("key", {}).ok());
  EXPECT_FALSE(cache.find("key"));
}

}  // namespace
}  // namespace ivr

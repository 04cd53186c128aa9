#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ivr/engine.hpp"

namespace ivr {

// Says everything in a tenth of a second, for calls of which it does not matter what they hear.
class BriefSpeech final : public SpeechPort {
 public:
  absl::StatusOr<Pcm> speak(std::string_view, std::string_view, std::string_view) override {
    return Pcm{8'000, std::vector<std::int16_t>(800, 100)};
  }
};

// Tests of several engines on 127.0.0.1: each starts in a folder of the test's own and ends with it.
class EnginesTest : public testing::Test {
 protected:
  explicit EnginesTest(int first_port) : first_port_(first_port) {}  // 2,000 RTP ports an engine from here on

  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::temp_directory_path() / ("ivr-" + std::string(test->test_suite_name()) + "-" +
                                                       test->name() + "-" + std::to_string(getpid()));
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override {
    for (const auto& engine : engines) engine->stop(Millis{0});
    std::filesystem::remove_all(folder);
  }
  Engine& start(EngineOptions options) {
    options.sip.port = 0;
    options.media.port_min =
        static_cast<std::uint16_t>(first_port_ + 2'000 * static_cast<int>(engines.size()));
    options.media.port_max = static_cast<std::uint16_t>(options.media.port_min + 1'999);
    options.media.threads = 1;
    options.stream.measure_voice = true;
    options.recordings = (folder / "recordings").string();
    EnginePorts ports;
    ports.speech = std::make_unique<BriefSpeech>();
    auto made = Engine::create(std::move(options), std::move(ports));
    EXPECT_TRUE(made.ok()) << made.status();
    engines.push_back(*std::move(made));
    const auto started = engines.back()->start();
    EXPECT_TRUE(started.ok()) << started;
    return *engines.back();
  }
  static std::string at(Engine& engine) { return "127.0.0.1:" + std::to_string(engine.sip_address().port); }

  std::filesystem::path folder;
  std::vector<std::unique_ptr<Engine>> engines;

 private:
  int first_port_;
};

}  // namespace ivr

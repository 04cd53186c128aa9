#ifdef IVR_WITH_ESPEAK
#include "edge/espeak.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

namespace ivr {
namespace {

using testing::HasSubstr;

std::unique_ptr<EspeakSpeech> speech(const EspeakOptions& options = {}) {
  auto result = EspeakSpeech::create(options);
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

double seconds(const Pcm& pcm) { return static_cast<double>(pcm.samples.size()) / pcm.sample_rate_hz; }

double level(const Pcm& pcm) {
  double sum = 0;
  for (const double sample : pcm.samples) sum += sample * sample;
  return pcm.samples.empty() ? 0 : std::sqrt(sum / static_cast<double>(pcm.samples.size()));
}

TEST(Espeak, SpeaksEnglishAndArabic) {
  const auto espeak = speech();
  const struct {
    const char* language;
    const char* text;
  } kCases[] = {{"en", "Welcome. Please enter your account number."},
                {"ar", "مرحبا بكم. من فضلك أدخل رقم الحساب."},
                {"en-US", "Your balance is twelve dollars."},
                {"en-GB", "Your balance is twelve pounds."},
                {"ar-SA", "رصيدك اثنا عشر ريالا"},
                {"de", "Guten Tag, wie geht es Ihnen?"}};
  for (const auto& c : kCases) {
    const auto pcm = espeak->speak(c.text, c.language, "");
    ASSERT_TRUE(pcm.ok()) << c.language << ": " << pcm.status();
    EXPECT_EQ(pcm->sample_rate_hz, 22050) << c.language;
    EXPECT_GT(seconds(*pcm), 1.0) << c.language;
    EXPECT_LT(seconds(*pcm), 8.0) << c.language;
    EXPECT_GT(level(*pcm), 500) << c.language;
  }
}

// The engine's pitch wanders a little from sentence to sentence, and with it the length.
void expect_as_long(const Pcm& a, const Pcm& b) { EXPECT_NEAR(seconds(a), seconds(b), 0.03 * seconds(b)); }

TEST(Espeak, SaysTheSameTwice) {
  const auto espeak = speech();
  const auto first = espeak->speak("one two three", "en", "");
  const auto between = espeak->speak("واحد", "ar", "f2");
  const auto second = espeak->speak("one two three", "en", "");
  ASSERT_TRUE(first.ok() && between.ok() && second.ok());
  expect_as_long(*first, *second);
}

TEST(Espeak, TakesVoicesAndVariants) {
  const auto espeak = speech();
  for (const char* voice : {"f3", "+f3", "en-gb", "en-gb+f3", "EN-GB"}) {
    const auto pcm = espeak->speak("hello", "en", voice);
    ASSERT_TRUE(pcm.ok()) << voice << ": " << pcm.status();
    EXPECT_GT(level(*pcm), 300) << voice;
  }
  EXPECT_NE(espeak->speak("hello", "en", "f3")->samples, espeak->speak("hello", "en", "")->samples);
}

TEST(Espeak, NamesTheLanguageOrVoiceThatIsNotThere) {
  const auto espeak = speech();
  const struct {
    const char* language;
    const char* voice;
    const char* message;
  } kCases[] = {{"tlh", "", "no language 'tlh'"},          {"", "", "no language ''"},
                {"en", "nobody", "no voice 'nobody'"},     {"en", "en-xx", "no voice 'en-xx'"},
                {"en", "+f99", "no voice variant 'f99'"},  {"en", "+", "no voice variant ''"},
                {"en", "../../../etc/passwd", "no voice"}, {"../en", "", "no language"}};
  for (const auto& c : kCases) {
    const auto pcm = espeak->speak("hello", c.language, c.voice);
    EXPECT_EQ(pcm.status().code(), absl::StatusCode::kNotFound) << c.language << ' ' << c.voice;
    EXPECT_THAT(std::string(pcm.status().message()), HasSubstr(c.message));
  }
}

TEST(Espeak, ReadsMarkupAndControlCharactersAsText) {
  const auto espeak = speech();
  const auto plain = espeak->speak("hello you", "en", "");
  expect_as_long(*espeak->speak("hello\x01 you", "en", ""), *plain);
  // As a command of the engine this would be the lowest speed.
  expect_as_long(*espeak->speak("hello\x01"
                                "1S you",
                                "en", ""),
                 *espeak->speak("hello 1S you", "en", ""));
  EXPECT_GT(seconds(*espeak->speak("<break time=\"10s\"/>hello you", "en", "")), seconds(*plain) + 0.3)
      << "tags are read out, not obeyed";
  EXPECT_TRUE(espeak->speak("broken \xFF\xC3 bytes \xE2\x82", "en", "").ok());
  for (const char* nothing : {"", "   ", "\x01\x02\n\t"}) {
    const auto pcm = espeak->speak(nothing, "en", "");
    ASSERT_TRUE(pcm.ok()) << pcm.status();
    EXPECT_LT(seconds(*pcm), 0.5);
  }
}

TEST(Espeak, HasLimits) {
  const auto espeak = speech();
  EXPECT_EQ(espeak->speak(std::string(8193, ' '), "en", "").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(espeak->speak(std::string(8192, ' '), "en", "").ok());
  EXPECT_FALSE(EspeakSpeech::create({.words_per_minute = 79}).ok());
  EXPECT_FALSE(EspeakSpeech::create({.words_per_minute = 451}).ok());
}

TEST(Espeak, SpeaksAtTheRateItIsTold) {
  const char* text = "this sentence has seven words in it";
  EXPECT_GT(seconds(*speech({.words_per_minute = 100})->speak(text, "en", "")),
            1.3 * seconds(*speech({.words_per_minute = 200})->speak(text, "en", "")));
}

TEST(Espeak, TakesTurnsBetweenThreads) {
  const auto alone = *speech()->speak("one two three four", "en", "");
  std::vector<std::thread> threads;
  std::vector<Pcm> results(4);
  for (auto& result : results) {
    threads.emplace_back([&result] {
      const auto espeak = EspeakSpeech::create();
      for (int i = 0; i < 5; ++i) {
        (void)(*espeak)->speak("واحد اثنان", "ar", "f1");
        result = *(*espeak)->speak("one two three four", "en", "");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& result : results) expect_as_long(result, alone);
}

}  // namespace
}  // namespace ivr
#endif

#include "ivr/voice_activity.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

namespace ivr {
namespace {

using Audio = std::vector<std::int16_t>;

// Levels as a tone's: 0 dBm0 is 3.14 dB below a full-scale sine.
double rms(double dbm0) { return 32768 / std::sqrt(2.0) * std::pow(10, (dbm0 - 3.14) / 20); }

Audio noise(Millis length, double dbm0, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, rms(dbm0));
  Audio audio(static_cast<std::size_t>(length.count() * 8));
  for (auto& x : audio)
    x = static_cast<std::int16_t>(std::clamp(std::lround(normal(random)), -32768L, 32767L));
  return audio;
}

Audio tone(Millis length, double dbm0, double hz = 440) {
  Audio audio(static_cast<std::size_t>(length.count() * 8));
  for (std::size_t i = 0; i < audio.size(); ++i) {
    audio[i] = static_cast<std::int16_t>(std::numbers::sqrt2 * rms(dbm0) *
                                         std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / 8000));
  }
  return audio;
}

// Syllables of 120 to 250 ms with gaps of 30 to 120 ms, from a buzz through a moving filter.
Audio babble(Millis length, double dbm0, unsigned seed = 1) {
  std::mt19937 random(seed);
  const auto between = [&](int low, int high) { return std::uniform_int_distribution<>(low, high)(random); };
  Audio audio;
  double low = 0, phase = 0;
  while (audio.size() < static_cast<std::size_t>(length.count() * 8)) {
    const int voiced = between(120, 250) * 8, gap = between(30, 120) * 8;
    const double pitch = between(90, 220);
    for (int i = 0; i < voiced; ++i) {
      phase += pitch / 8000;
      const double buzz = 2 * (phase - std::floor(phase)) - 1;
      low += 0.3 * (buzz - low);
      audio.push_back(
          static_cast<std::int16_t>(2 * rms(dbm0) * low * std::sin(std::numbers::pi * i / voiced)));
    }
    audio.insert(audio.end(), static_cast<std::size_t>(gap), 0);
  }
  audio.resize(static_cast<std::size_t>(length.count() * 8));
  return audio;
}

void add(Audio& to, const Audio& more) {
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<std::int16_t>(to[i] + more[i % more.size()]);
}

struct Heard {
  int began = 0, ended = 0;
  Millis first_began{-1}, last_ended{-1};
};

Heard listen(VoiceActivity& activity, const Audio& audio) {
  Heard heard;
  for (std::size_t i = 0; i + 160 <= audio.size(); i += 160) {
    const auto change = activity.process(std::span(audio).subspan(i, 160));
    const Millis now(static_cast<std::int64_t>((i + 160) / 8));
    if (change == VoiceChange::began && heard.began++ == 0) heard.first_began = now;
    if (change == VoiceChange::ended) {
      ++heard.ended;
      heard.last_ended = now;
    }
  }
  return heard;
}

TEST(VoiceActivity, SilenceAndLineNoiseAreNotVoice) {
  struct Case {
    const char* what;
    Audio audio;
  } const cases[] = {
      {"digital silence", Audio(8000 * 20, 0)},
      {"an offset", Audio(8000 * 20, 200)},
      {"noise of -65 dBm0", noise(20s, -65)},
      {"noise of -50 dBm0", noise(20s, -50)},
  };
  for (const Case& c : cases) {
    auto activity = *VoiceActivity::create();
    EXPECT_EQ(listen(activity, c.audio).began, 0) << c.what;
    EXPECT_EQ(activity.silence_for(), 20s) << c.what;
    EXPECT_EQ(activity.voice_samples(), 0) << c.what;
  }
}

TEST(VoiceActivity, ALoudLineIsVoiceAtFirstAndNoiseSoonAfter) {
  auto activity = *VoiceActivity::create();
  const Heard heard = listen(activity, noise(20s, -38));
  EXPECT_LE(heard.began, 1);
  EXPECT_FALSE(activity.voice());
  EXPECT_GT(activity.silence_for(), 16s);
}

TEST(VoiceActivity, TonesAreVoiceForEver) {
  for (double level : {-3.0, -10.0, -20.0}) {
    auto activity = *VoiceActivity::create();
    const Heard heard = listen(activity, tone(60s, level));
    EXPECT_EQ(heard.began, 1) << level;
    EXPECT_EQ(heard.ended, 0) << level;
    EXPECT_EQ(heard.first_began, 40ms) << level;
    EXPECT_EQ(activity.voice_samples(), 60 * 8000) << level;
    EXPECT_EQ(activity.silence_for(), 0ms) << level;
  }
}

TEST(VoiceActivity, SpeechBeginsAndEndsOnceEach) {
  for (double line : {-90.0, -60.0, -50.0}) {
    for (double level : {-15.0, -25.0, -30.0}) {
      if (level - line < 22) continue;
      for (unsigned seed = 1; seed <= 5; ++seed) {
        Audio audio(8000 * 2, 0);
        const Audio speech = babble(4s, level, seed);
        audio.insert(audio.end(), speech.begin(), speech.end());
        audio.insert(audio.end(), 8000 * 3, 0);
        add(audio, noise(9s, line, seed));
        auto activity = *VoiceActivity::create();
        const Heard heard = listen(activity, audio);
        EXPECT_EQ(heard.began, 1) << level << " over " << line << " seed " << seed;
        EXPECT_EQ(heard.ended, 1) << level << " over " << line << " seed " << seed;
        EXPECT_GE(heard.first_began, 2000ms);
        EXPECT_LE(heard.first_began, 2140ms);
        EXPECT_GE(heard.last_ended, 6000ms);
        EXPECT_LE(heard.last_ended, 6240ms);
        EXPECT_NEAR(static_cast<double>(activity.silence_for().count()), 3000, 220);
        EXPECT_NEAR(static_cast<double>(activity.voice_samples()) / 8, 4000, 220);
      }
    }
  }
}

TEST(VoiceActivity, AClickIsSilence) {
  auto activity = *VoiceActivity::create();
  Audio audio(8000, 0);
  for (int i = 4000; i < 4040; ++i) audio[static_cast<std::size_t>(i)] = 12'000;
  EXPECT_EQ(listen(activity, audio).began, 0);
  EXPECT_EQ(activity.silence_for(), 1s);
}

TEST(VoiceActivity, LostAudioIsTimeWithoutVoice) {
  auto activity = *VoiceActivity::create();
  listen(activity, tone(1s, -10));
  ASSERT_TRUE(activity.voice());
  int frames = 0;
  while (activity.lost(160) != VoiceChange::ended) ASSERT_LT(++frames, 100);
  EXPECT_EQ(activity.silence_for(), 200ms);
  EXPECT_EQ(activity.voice_for(), 1s);
}

TEST(VoiceActivity, RefusesOptionsThatMakeNoSense) {
  EXPECT_FALSE(VoiceActivity::create({.floor_dbm0 = 10}).ok());
  EXPECT_FALSE(VoiceActivity::create({.margin_db = -1}).ok());
  EXPECT_FALSE(VoiceActivity::create({.attack = -1ms}).ok());
  EXPECT_FALSE(VoiceActivity::create({.hangover = 1min}).ok());
}

}  // namespace
}  // namespace ivr

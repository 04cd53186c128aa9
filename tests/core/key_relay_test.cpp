#include "ivr/key_relay.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "ivr/audio.hpp"

namespace ivr {
namespace {

using Samples = std::vector<std::int16_t>;

Samples dial(const std::string& keys, Millis tone, Millis pause, double level = -9) {
  auto generator = DtmfGenerator::create({.tone = tone, .pause = pause, .level_dbm0 = level});
  EXPECT_TRUE(generator->dial(keys).ok());
  Samples pcm;
  while (!generator->done()) {
    pcm.resize(pcm.size() + 160);
    generator->read(std::span(pcm).last(160));
  }
  return pcm;
}

Samples noise(std::size_t samples, double level_dbm0, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, 32768 / std::sqrt(2.0) * std::pow(10, (level_dbm0 - 3.14) / 20));
  Samples pcm(samples);
  for (auto& s : pcm) s = static_cast<std::int16_t>(std::clamp(normal(random), -32000.0, 32000.0));
  return pcm;
}

std::string keys_in(std::span<const std::int16_t> pcm) {
  auto detector = DtmfDetector::create();
  DtmfEvents events;
  detector->process(pcm, events);
  detector->finish(events);
  std::string keys;
  for (const DtmfEvent& event : events) {
    if (event.kind == DtmfEvent::Kind::began) keys += event.digit;
  }
  return keys;
}

// What comes out, in packets of `samples`.
Samples cut(KeyCutter& cutter, Samples pcm, std::size_t samples = 160) {
  for (std::size_t at = 0; at < pcm.size(); at += samples) {
    cutter.process(std::span(pcm).subspan(at, std::min(samples, pcm.size() - at)));
  }
  return pcm;
}

TEST(KeyCutter, LeavesSpeechAsItIsFortyMillisecondsLater) {
  KeyCutter cutter;
  const Samples in = noise(8000, -20, 1);
  for (const std::size_t packet : {80u, 160u, 240u, 480u}) {
    cutter.reset();
    const Samples out = cut(cutter, in, packet);
    EXPECT_EQ(std::count(out.begin(), out.begin() + KeyCutter::kDelay, 0), KeyCutter::kDelay);
    EXPECT_TRUE(std::equal(out.begin() + KeyCutter::kDelay, out.end(), in.begin())) << packet;
  }
}

TEST(KeyCutter, NobodyHearsAKeyInWhatIsLeft) {
  for (const Millis tone : {40ms, 65ms, 100ms, 500ms}) {
    for (const double level : {-25.0, -9.0, -4.0}) {
      for (const std::size_t packet : {80u, 160u, 240u}) {
        const Samples in = dial("w123A456B789C*0#D11", tone, 60ms, level);
        ASSERT_EQ(keys_in(in), "123A456B789C*0#D11");
        KeyCutter cutter;
        const Samples out = cut(cutter, in, packet);
        EXPECT_EQ(keys_in(out), "") << tone.count() << " ms, " << level << " dBm0";
        // Nothing at all is left of a clean one.
        EXPECT_LT(level_dbm0(out), -60) << tone.count() << " ms, " << level << " dBm0, " << packet;
      }
    }
  }
}

TEST(KeyCutter, NobodyHearsAKeyThatLiesUnderNoise) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    Samples in = dial("w123A456B789C*0#Dw", 100ms, 100ms, -12);
    const Samples other = noise(in.size(), -12 - 15, seed);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::int16_t>(in[i] + other[i]);
    ASSERT_EQ(keys_in(in), "123A456B789C*0#D") << seed;
    KeyCutter cutter;
    EXPECT_EQ(keys_in(cut(cutter, in)), "") << seed;
  }
}

TEST(KeyCutter, CutsNoMoreThanTheKey) {
  Samples in = noise(8000, -30, 3);
  const Samples tone = dial("5", 100ms, 0ms);
  for (std::size_t i = 0; i < tone.size(); ++i)
    in[3000 + i] = static_cast<std::int16_t>(in[3000 + i] + tone[i]);
  KeyCutter cutter;
  const Samples out = cut(cutter, in);
  int changed = 0;
  for (std::size_t i = KeyCutter::kDelay; i < out.size(); ++i) changed += out[i] != in[i - KeyCutter::kDelay];
  EXPECT_GE(changed, 780);
  EXPECT_LE(changed, 800 + 2 * (40 + 40 + 16));  // its own margin and what the detector is unsure of
}

// Harmonics of a pitch that glides, syllable by syllable: no tone of it holds.
Samples voice(std::size_t samples, double level_dbm0, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto uniform = [&](double a, double b) {
    return std::uniform_real_distribution<double>(a, b)(random);
  };
  const double amplitude = 32768 * std::pow(10, (level_dbm0 - 3.14) / 20);
  Samples pcm;
  while (pcm.size() < samples) {
    const auto length = static_cast<int>(uniform(600, 2400));
    double pitch = uniform(0.08, 0.2), angle = 0;  // radians a sample
    const double glide = uniform(-4e-5, 4e-5);
    for (int i = 0; i < length; ++i) {
      angle += pitch += glide;
      double x = 0;
      for (int k = 1; k <= 12; ++k) x += std::sin(k * angle + k * k) / k;
      pcm.push_back(static_cast<std::int16_t>(amplitude * x * std::sin(3.14159 * i / length)));
    }
    pcm.resize(pcm.size() + static_cast<std::size_t>(uniform(0, 800)));
  }
  pcm.resize(samples);
  return pcm;
}

// Somebody talks and presses keys meanwhile, of any length and level. A detector that hears what is left
// finds none of them, and what was said beside them is as it was, sample by sample.
TEST(KeyCutter, LeavesTheVoiceBesideKeysAsItIs) {
  int pressed = 0;
  std::size_t checked = 0;
  for (std::uint32_t seed = 1; seed <= 12; ++seed) {
    std::mt19937 random(seed);
    const auto uniform = [&](double a, double b) {
      return std::uniform_real_distribution<double>(a, b)(random);
    };
    Samples in = voice(80000, -24, seed);
    ASSERT_EQ(keys_in(in), "") << seed;
    std::vector<bool> beside(in.size(), true);
    std::string keys;
    for (std::size_t at = 1000; at + 6000 < in.size(); at += 2400 + random() % 3200) {
      keys += kDtmfKeys[random() % 16];
      const Samples tone =
          dial(keys.substr(keys.size() - 1), Millis(40 + random() % 160), 0ms, uniform(-12, -4));
      for (std::size_t i = 0; i < tone.size(); ++i)
        in[at + i] = static_cast<std::int16_t>(std::clamp(in[at + i] + tone[i], -32768, 32767));
      // 5 ms of the detector's own step and as much of margin at each side, and a ramp of 2 ms.
      for (std::size_t i = at - 96; i < at + tone.size() + 96; ++i) beside[i] = false;
    }
    ASSERT_EQ(keys_in(in), keys) << seed;
    KeyCutter cutter;
    const Samples out = cut(cutter, in);
    EXPECT_EQ(keys_in(out), "") << seed;
    std::size_t changed = 0;
    for (std::size_t i = 0; i + KeyCutter::kDelay < in.size(); ++i)
      if (beside[i]) ++checked, changed += out[i + KeyCutter::kDelay] != in[i];
    EXPECT_EQ(changed, 0u) << seed;
    pressed += static_cast<int>(keys.size());
  }
  EXPECT_GT(pressed, 150);
  EXPECT_GT(checked, 500000u);
}

// For who need not hurry: nothing of a tone is left, however late the detector is sure of it.
TEST(KeyCutter, AtItsWholeDelayItLeavesNothingOfAToneUnderNoise) {
  constexpr std::size_t delay = KeyCutter::kWholeDelay;
  int heard = 0;
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    Samples in = noise(8000 + delay, -26 + static_cast<int>(seed % 5), seed);
    const Samples tone = dial(std::string(1, kDtmfKeys[seed % 16]), 120ms, 0ms, -16);
    for (std::size_t i = 0; i < tone.size(); ++i)
      in[3000 + i] = static_cast<std::int16_t>(std::clamp(in[3000 + i] + tone[i], -32768, 32767));
    if (keys_in(in).size() != 1) continue;  // too much of it to be a key at all
    ++heard;
    KeyCutter cutter(delay);
    const Samples out = cut(cutter, in);
    for (std::size_t i = 3000; i < 3960; ++i) ASSERT_EQ(out[i + delay], 0) << seed << ", sample " << i;
  }
  EXPECT_GT(heard, 20);
}

TEST(KeyCutter, OffItLetsKeysPassAndOnItTakesBackThoseThatHaveNotComeOut) {
  const Samples in = dial("w12w34w56w", 80ms, 80ms);
  const std::size_t third = in.size() / 3 / 160 * 160;
  KeyCutter cutter(KeyCutter::kWholeDelay);
  cutter.cut(false);
  Samples out = cut(cutter, Samples(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(2 * third)));
  for (std::size_t i = KeyCutter::kWholeDelay; i < out.size(); ++i)
    ASSERT_EQ(out[i], in[i - KeyCutter::kWholeDelay]) << i;
  const std::string passed = keys_in(out);
  EXPECT_EQ(passed.substr(0, 2), "12");
  cutter.cut(true);
  Samples rest(in.begin() + static_cast<std::ptrdiff_t>(2 * third), in.end());
  rest.resize(rest.size() + KeyCutter::kWholeDelay);
  EXPECT_EQ(keys_in(cut(cutter, rest)), "");
}

TEST(KeyCutter, AHoleStaysSilenceAndTheKeyAroundItIsCut) {
  Samples in = dial("5", 200ms, 0ms);
  in.insert(in.begin(), 800, 0);
  in.resize(4000);
  KeyCutter cutter;
  Samples out = in;
  for (std::size_t at = 0; at < in.size(); at += 160) {
    const auto piece = std::span(out).subspan(at, 160);
    at == 1120 ? cutter.hole(piece) : cutter.process(piece);
  }
  EXPECT_EQ(std::count(out.begin(), out.end(), 0), static_cast<std::ptrdiff_t>(out.size()));
}

TEST(KeyCutter, KeysAreFoundOverHolesToo) {
  Samples pcm = dial("w1234567890w", 100ms, 100ms);
  KeyCutter cutter;
  int n = 0;
  for (std::size_t at = 0; at + 160 <= pcm.size(); at += 160) {
    const auto piece = std::span(pcm).subspan(at, 160);
    ++n % 9 == 0 ? cutter.lost(piece) : cutter.process(piece);
  }
  EXPECT_EQ(keys_in(pcm), "");
}

TEST(KeySounder, AReceiverHearsEachKeyOnce) {
  KeySounder sounder;
  Samples heard;
  std::string pressed;
  const auto listen = [&](int frames) {
    for (int i = 0; i < frames; ++i) {
      heard.resize(heard.size() + 160);
      sounder.read(std::span(heard).last(160));
    }
  };
  for (const char key : kDtmfKeys) {
    pressed += key;
    sounder.press(key);
    listen(5);
    sounder.release(100ms);
    listen(5);
  }
  EXPECT_FALSE(sounder.busy());
  EXPECT_EQ(keys_in(heard), pressed);
  EXPECT_EQ(level_dbm0(std::span(heard).last(160)), -100);
}

TEST(KeySounder, ShortKeysAreLongEnoughAndFastOnesStayApart) {
  KeySounder sounder;
  for (const char key : {'1', '1', '2', '2'}) {
    sounder.press(key);
    sounder.release(10ms);
  }
  Samples heard(8000);
  for (std::size_t at = 0; at < heard.size(); at += 160) sounder.read(std::span(heard).subspan(at, 160));
  EXPECT_EQ(keys_in(heard), "1122");
}

TEST(KeySounder, SoundsAsLongAsTheKeyIsHeld) {
  KeySounder sounder;
  sounder.press('7');
  sounder.press('x');  // no key
  Samples heard(160 * 100);
  for (std::size_t i = 0; i < 100; ++i) {
    if (i == 60) sounder.release(1200ms);
    sounder.read(std::span(heard).subspan(i * 160, 160));
  }
  auto detector = DtmfDetector::create();
  DtmfEvents events;
  detector->process(heard, events);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_NEAR(static_cast<double>(events[1].length), 1200 * 8, 80);
}

TEST(KeySounder, ForgetsAKeyWhoseEndNeverComes) {
  KeySounder sounder;
  sounder.press('7');
  Samples frame(160);
  int frames = 0;
  while (sounder.busy() && frames < 1000) sounder.read(frame), ++frames;
  EXPECT_LT(frames, 11 * 50);
  for (int i = 0; i < 2 * KeySounder::kWaiting; ++i) sounder.press('1'), sounder.release(50ms);
  for (frames = 0; sounder.busy() && frames < 1000; ++frames) sounder.read(frame);
  EXPECT_EQ(frames, KeySounder::kWaiting * 5);
}

}  // namespace
}  // namespace ivr

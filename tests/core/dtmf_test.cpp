#include "ivr/dtmf.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <random>
#include <string>

#include "ivr/audio.hpp"

namespace ivr {
namespace {

constexpr double kRow[] = {697, 770, 852, 941}, kColumn[] = {1209, 1336, 1477, 1633};
using Signal = std::vector<double>;

double amplitude(double dbm0) { return 32767 * std::pow(10.0, (dbm0 - 3.14) / 20); }

// A line to press keys on: seeded, so a failure can be run again.
struct Line {
  explicit Line(std::uint64_t seed) : random(seed) {}
  std::mt19937_64 random;
  Signal signal;

  double uniform(double from, double to) { return std::uniform_real_distribution<double>(from, to)(random); }
  int key() { return static_cast<int>(random() % 16); }
  void silence(double ms) {
    signal.resize(signal.size() + static_cast<std::size_t>(std::lround(ms * 8)), 0.0);
  }
  void press(int key, double ms, double low_dbm0 = -10, double high_dbm0 = -10, double low_off = 0,
             double high_off = 0) {
    const double p = uniform(0, 6.28), q = uniform(0, 6.28);
    const double l = 2 * std::numbers::pi * kRow[key / 4] * (1 + low_off) / 8000;
    const double h = 2 * std::numbers::pi * kColumn[key % 4] * (1 + high_off) / 8000;
    const auto n = static_cast<int>(std::lround(ms * 8));
    for (int i = 0; i < n; ++i)
      signal.push_back(amplitude(low_dbm0) * std::sin(p + l * i) +
                       amplitude(high_dbm0) * std::sin(q + h * i));
  }
  void noise(double power) {
    std::normal_distribution<double> d(0, std::sqrt(power));
    for (double& x : signal) x += d(random);
  }
};

std::vector<std::int16_t> through(Codec codec, const Signal& signal) {
  std::vector<std::int16_t> pcm(signal.size());
  for (std::size_t i = 0; i < signal.size(); ++i)
    pcm[i] = static_cast<std::int16_t>(std::lround(std::clamp(signal[i], -32768.0, 32767.0)));
  std::vector<std::uint8_t> bytes(pcm.size() * 2);
  encode(codec, pcm, bytes);
  decode(codec, bytes, pcm);
  return pcm;
}

DtmfEvents events(std::span<const std::int16_t> pcm, std::size_t chunk = 160) {
  auto detector = DtmfDetector::create();
  EXPECT_TRUE(detector.ok()) << detector.status();
  DtmfEvents out;
  for (; !pcm.empty(); pcm = pcm.subspan(std::min(chunk, pcm.size())))
    detector->process(pcm.first(std::min(chunk, pcm.size())), out);
  detector->finish(out);
  return out;
}

std::string keys(const DtmfEvents& events) {
  std::string result;
  for (const DtmfEvent& e : events)
    if (e.kind == DtmfEvent::Kind::began) result += e.digit;
  return result;
}

// Runs `press` on fresh lines, through every codec in turn; returns how often the answer was not `wanted`.
int failures(int trials, const std::function<std::string(Line&)>& press) {
  int failed = 0;
  for (int i = 0; i < trials; ++i) {
    Line line(static_cast<std::uint64_t>(i) + 1);
    line.silence(line.uniform(60, 100));
    const std::string wanted = press(line);
    line.silence(120);
    const Codec codec = std::array{Codec::l16, Codec::pcma, Codec::pcmu}[static_cast<std::size_t>(i % 3)];
    failed += keys(events(through(codec, line.signal))) != wanted;
  }
  return failed;
}

std::string name(int key) { return std::string(1, kDtmfKeys[static_cast<std::size_t>(key)]); }

struct Case {
  const char* clause;
  int trials;
  std::function<std::string(Line&)> press;
};

class DtmfDetectorClause : public testing::TestWithParam<Case> {};

TEST_P(DtmfDetectorClause, Holds) { EXPECT_EQ(failures(GetParam().trials, GetParam().press), 0); }

const Case kClauses[] = {
    {"Q24_AcceptsTonesUpTo1Point8PercentOff", 900,
     [](Line& l) {
       const int k = l.key();
       l.press(k, 40, -10, -10, l.uniform(-.018, .018), l.uniform(-.018, .018));
       return name(k);
     }},
    {"Q24_RefusesToneMoreThan3Point5PercentOff", 600,
     [](Line& l) {
       const int k = l.key();
       const double off = l.uniform(.035, .06) * (l.uniform(0, 1) < .5 ? -1 : 1),
                    other = l.uniform(-.015, .015);
       const bool high = l.uniform(0, 1) < .5;
       l.press(k, 100, -10, -10, high ? other : off, high ? off : other);
       return std::string();
     }},
    {"ES201235_RefusesToneMoreThan3PercentOff", 600,
     [](Line& l) {
       const int k = l.key();
       const double off = l.uniform(.03, .035) * (l.uniform(0, 1) < .5 ? -1 : 1);
       const bool high = l.uniform(0, 1) < .5;
       l.press(k, 100, -10, -10, high ? 0 : off, high ? off : 0);
       return std::string();
     }},
    {"Q24_AcceptsHighToneUpTo8DbWeaker", 600,
     [](Line& l) {
       const int k = l.key();
       l.press(k, 40, -8, -8 - l.uniform(0, 8));
       return name(k);
     }},
    {"Q24_AcceptsHighToneUpTo5DbStronger", 600,
     [](Line& l) {
       const int k = l.key();
       l.press(k, 40, -8 - l.uniform(0, 5), -8);
       return name(k);
     }},
    {"Q24_AcceptsEachToneFromMinus25Dbm0To0", 600,
     [](Line& l) {
       const int k = l.key();
       const double level = l.uniform(-25, 0);
       l.press(k, 40, level, level);
       return name(k);
     }},
    {"Q24_AcceptsKeyOf40Ms", 600,
     [](Line& l) {
       const int k = l.key();
       l.press(k, 40);
       return name(k);
     }},
    {"Q24_RefusesBurstUpTo23Ms", 900,
     [](Line& l) {
       l.press(l.key(), l.uniform(5, 23), l.uniform(-20, -4), l.uniform(-7, -4));
       return std::string();
     }},
    {"Q24_BridgesDropOutOf10Ms", 600,
     [](Line& l) {
       const int k = l.key();
       l.press(k, l.uniform(40, 80));
       l.silence(l.uniform(1, 10));
       l.press(k, l.uniform(40, 80));
       return name(k);
     }},
    {"BridgesDropOutOf20Ms", 300,
     [](Line& l) {
       const int k = l.key();
       l.press(k, l.uniform(40, 80));
       l.silence(l.uniform(10, 20));
       l.press(k, l.uniform(40, 80));
       return name(k);
     }},
    {"IgnoresTheEchoOfAKeyThatEnded", 300,
     [](Line& l) {
       const int k = l.key();
       const std::size_t from = l.signal.size();
       l.press(k, 70);
       const std::size_t to = l.signal.size();
       l.silence(100);
       const double gain = std::pow(10.0, -l.uniform(10, 20) / 20);
       const auto delay = static_cast<std::size_t>(l.uniform(20, 60) * 8);
       for (std::size_t i = from; i < to; ++i) l.signal[i + delay] += gain * l.signal[i];
       return name(k);
     }},
    {"Q24_SplitsAtPauseOf30Ms", 600,
     [](Line& l) {
       const int k = l.key();
       l.press(k, 40);
       l.silence(30);
       l.press(k, 40);
       return name(k) + name(k);
     }},
    {"Q24_HearsEverySecondOf40MsOnAnd40MsOff", 40,
     [](Line& l) {
       std::string wanted;
       for (int i = 0; i < 20; ++i) {
         const int k = l.key();
         l.press(k, 40);
         l.silence(40);
         wanted += name(k);
       }
       return wanted;
     }},
};

INSTANTIATE_TEST_SUITE_P(Dtmf, DtmfDetectorClause, testing::ValuesIn(kClauses),
                         [](const auto& test) { return std::string(test.param.clause); });

TEST(DtmfDetector, HearsKeysInNoiseOnly8DbBelow) {
  EXPECT_EQ(failures(30,
                     [](Line& l) {
                       std::string wanted;
                       for (int i = 0; i < 20; ++i) {
                         const int k = l.key();
                         l.press(k, 50);
                         l.silence(50);
                         wanted += name(k);
                       }
                       l.noise(amplitude(-10) * amplitude(-10) / std::pow(10.0, 0.8));
                       return wanted;
                     }),
            0);
}

TEST(DtmfDetector, HearsNothingInNoise) {
  EXPECT_EQ(failures(60,
                     [](Line& l) {
                       l.silence(1000);
                       l.noise(std::pow(amplitude(l.uniform(-40, 0)), 2) / 2);
                       return std::string();
                     }),
            0);
}

TEST(DtmfDetector, ReportsWithin36MsOfTheOnset) {
  std::vector<double> latency;
  for (int i = 0; i < 200; ++i) {
    Line line(static_cast<std::uint64_t>(i) + 1);
    line.silence(line.uniform(60, 100));
    const auto onset = static_cast<std::int64_t>(line.signal.size());
    line.press(line.key(), 100);
    const auto pcm = through(Codec::pcmu, line.signal);
    auto detector = *DtmfDetector::create();
    DtmfEvents out;
    std::size_t at = 0;
    for (; at + 8 <= pcm.size() && out.empty(); at += 8) detector.process(std::span(pcm).subspan(at, 8), out);
    ASSERT_EQ(out.size(), 1u) << "seed " << i + 1;
    latency.push_back(static_cast<double>(static_cast<std::int64_t>(at) - onset) / 8);
    EXPECT_NEAR(static_cast<double>(out[0].onset), static_cast<double>(onset), 16) << "seed " << i + 1;
    EXPECT_NEAR(out[0].low_dbm0, -10, 1);
    EXPECT_NEAR(out[0].high_dbm0, -10, 1);
  }
  double sum = 0;
  for (const double ms : latency) {
    sum += ms;
    EXPECT_LE(ms, 36);
  }
  EXPECT_LE(sum / static_cast<double>(latency.size()), 30.5);
}

TEST(DtmfDetector, GivesTheSameForAnyChunkLength) {
  Line line(7);
  for (int i = 0; i < 30; ++i) {
    line.press(line.key(), line.uniform(20, 120));
    line.silence(line.uniform(10, 90));
  }
  line.noise(100 * 100);
  const auto pcm = through(Codec::pcma, line.signal);
  const DtmfEvents whole = events(pcm, pcm.size());
  ASSERT_FALSE(whole.empty());
  for (const std::size_t chunk : {1u, 7u, 8u, 40u, 80u, 160u, 333u}) {
    const DtmfEvents parts = events(pcm, chunk);
    ASSERT_EQ(parts.size(), whole.size()) << chunk;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(parts[i].digit, whole[i].digit);
      EXPECT_EQ(parts[i].onset, whole[i].onset);
      EXPECT_EQ(parts[i].length, whole[i].length);
    }
  }
}

TEST(DtmfDetector, SaysWhereAKeyBeganAndHowLongItWas) {
  for (int k = 0; k < 16; ++k) {
    Line line(static_cast<std::uint64_t>(k) + 1);
    line.silence(73);
    line.press(k, 150, -12, -9);
    line.silence(100);
    const DtmfEvents out = events(through(Codec::l16, line.signal));
    ASSERT_EQ(out.size(), 2u) << k;
    EXPECT_EQ(out[0].kind, DtmfEvent::Kind::began);
    EXPECT_EQ(out[1].kind, DtmfEvent::Kind::ended);
    EXPECT_NEAR(static_cast<double>(out[1].onset), 73 * 8, 16);
    EXPECT_NEAR(static_cast<double>(out[1].length), 150 * 8, 40);
    EXPECT_NEAR(out[1].low_dbm0, -12, 0.7);
    EXPECT_NEAR(out[1].high_dbm0, -9, 0.7);
  }
}

// A pause of digital silence looks like packets that somebody replaced by it: what lies beyond is still
// another key.
TEST(DtmfDetector, SaysWhereAKeyBeganAfterAnotherOne) {
  for (const double pause : {30.0, 45.0, 100.0})
    for (int i = 0; i < 200; ++i) {
      Line line(static_cast<std::uint64_t>(i) + 1);
      line.silence(line.uniform(60, 70));
      std::vector<double> onsets;
      for (int k = 0; k < 3; ++k) {
        onsets.push_back(static_cast<double>(line.signal.size()));
        line.press(line.key(), 70);
        line.silence(pause);
      }
      const DtmfEvents out = events(through(Codec::l16, line.signal));
      ASSERT_EQ(out.size(), 6u) << "seed " << i + 1 << ", pause " << pause;
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_NEAR(static_cast<double>(out[2 * k].onset), onsets[k], 16)
            << "seed " << i + 1 << ", pause " << pause << ", key " << k;
    }
}

TEST(DtmfDetector, KeepsAKeyThroughLostPackets) {
  for (int packets = 1; packets <= 5; ++packets) {
    Line line(static_cast<std::uint64_t>(packets));
    line.silence(100);
    line.press(5, 300);
    line.silence(100);
    const auto pcm = through(Codec::pcmu, line.signal);
    auto detector = *DtmfDetector::create();
    DtmfEvents out;
    for (int i = 0; i * 160 + 160 <= static_cast<int>(pcm.size()); ++i) {
      if (i >= 8 && i < 8 + packets)
        detector.lost(160, out);
      else
        detector.process(std::span(pcm).subspan(static_cast<std::size_t>(i) * 160, 160), out);
    }
    detector.finish(out);
    EXPECT_EQ(keys(out), "5") << packets;
    ASSERT_EQ(out.size(), 2u) << packets;
    EXPECT_NEAR(static_cast<double>(out[1].length), 300 * 8, 48) << packets;
  }
}

TEST(DtmfDetector, HearsAKeyFromTheTwoEndsOfAHole) {
  Line line(3);
  line.silence(100);
  line.press(9, 100);  // 'A'..: key 9 is '8'
  line.silence(100);
  const auto pcm = through(Codec::l16, line.signal);
  auto detector = *DtmfDetector::create();
  DtmfEvents out;
  for (int i = 0; i * 160 + 160 <= static_cast<int>(pcm.size()); ++i) {
    if (i == 6 || i == 7)
      detector.lost(160, out);
    else
      detector.process(std::span(pcm).subspan(static_cast<std::size_t>(i) * 160, 160), out);
  }
  EXPECT_EQ(keys(out), "8");
}

// Somebody before us played the packet before again, at half its level, for every second one: the phase jumps
// at every edge, and no more than 20 ms of the key are in one piece.
std::string keys_of_packets_played_twice(int key, double start_ms, int first_lost, double off, Codec codec) {
  Line line(static_cast<std::uint64_t>(key * 10 + first_lost));
  line.silence(100 + start_ms);
  line.press(key, 100, -10, -10, off, 0);
  line.silence(100);
  auto pcm = through(codec, line.signal);
  for (std::size_t packet = 5 + static_cast<std::size_t>(first_lost); packet * 160 + 160 <= pcm.size();
       packet += 2)
    for (std::size_t i = packet * 160; i < packet * 160 + 160; ++i)
      pcm[i] = static_cast<std::int16_t>(pcm[i - 160] / 2);
  return keys(events(pcm));
}

TEST(DtmfDetector, HearsAKeyAcrossPacketsPlayedTwice) {
  for (int key = 0; key < 16; ++key)
    for (const Codec codec : {Codec::l16, Codec::pcma, Codec::pcmu})
      for (const double start_ms : {0.0, 3.0, 8.0, 13.0, 18.0})
        for (const int first_lost : {0, 1})
          EXPECT_EQ(keys_of_packets_played_twice(key, start_ms, first_lost, 0, codec), name(key))
              << name(key) << " from " << start_ms << " ms into a packet, lost from packet " << first_lost;
}

TEST(DtmfDetector, RefusesAToneThatIsOffAcrossPacketsPlayedTwice) {
  for (int key = 0; key < 16; ++key)
    for (const double start_ms : {0.0, 8.0})
      for (const int first_lost : {0, 1})
        for (const double off : {-.045, -.035, -.03, .03, .035, .045})
          EXPECT_EQ(keys_of_packets_played_twice(key, start_ms, first_lost, off, Codec::l16), "")
              << name(key) << " from " << start_ms << " ms into a packet, lost from packet " << first_lost;
}

TEST(DtmfDetector, EndsAKeyThatTheLineTookAway) {
  Line line(4);
  line.press(0, 100);
  const auto pcm = through(Codec::l16, line.signal);
  auto detector = *DtmfDetector::create();
  DtmfEvents out;
  detector.process(pcm, out);
  detector.lost(8000, out);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].kind, DtmfEvent::Kind::ended);
  EXPECT_NEAR(static_cast<double>(out[1].length), 800, 40);
}

TEST(DtmfDetector, EveryBeginHasItsEnd) {
  std::mt19937_64 random(11);
  Line line(12);
  for (int i = 0; i < 200; ++i) {
    line.press(line.key(), line.uniform(5, 90), line.uniform(-40, -3), line.uniform(-40, -3));
    if (line.uniform(0, 1) < .5) line.silence(line.uniform(0, 60));
  }
  line.noise(300 * 300);
  const DtmfEvents out = events(through(Codec::l16, line.signal), 57);
  char sounding = 0;
  std::int64_t last = 0;
  for (const DtmfEvent& e : out) {
    EXPECT_GE(e.onset + 40, last);
    EXPECT_GE(e.length, 0);
    if (e.kind == DtmfEvent::Kind::began) {
      EXPECT_EQ(sounding, 0);
      sounding = e.digit;
    } else {
      EXPECT_EQ(sounding, e.digit);
      sounding = 0;
      last = e.onset;
    }
  }
  EXPECT_EQ(sounding, 0);
}

TEST(DtmfDetector, IsSmallEnoughForThousandsInACache) { EXPECT_LE(sizeof(DtmfDetector), 2048u); }

TEST(DtmfDetector, RefusesOptionsThatCannotBe) {
  EXPECT_EQ(DtmfDetector::create({.floor_dbm0 = 0}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DtmfDetector::create({.max_low_over_high_db = -1}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DtmfDetector::create({.max_high_over_low_db = 60}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(DtmfGenerator, IsHeardByTheDetector) {
  for (const Codec codec : {Codec::l16, Codec::pcma, Codec::pcmu})
    for (const DtmfTone& tone :
         {DtmfTone{}, DtmfTone{.tone = 40ms, .pause = 40ms}, DtmfTone{.level_dbm0 = -25, .twist_db = 0},
          DtmfTone{.level_dbm0 = -8, .twist_db = -7}, DtmfTone{.tone = 65ms, .pause = 45ms, .fade = 5ms}}) {
      auto generator = DtmfGenerator::create(tone);
      ASSERT_TRUE(generator.ok()) << generator.status();
      ASSERT_TRUE(generator->dial("0123456789*#abcdD").ok());
      Signal signal(400, 0.0);
      std::vector<std::int16_t> frame(160);
      while (generator->read(frame) > 0) signal.insert(signal.end(), frame.begin(), frame.end());
      signal.resize(signal.size() + 800, 0.0);
      EXPECT_EQ(keys(events(through(codec, signal))), "0123456789*#ABCDD");
    }
}

TEST(DtmfGenerator, KeepsItsTimesToTheSample) {
  auto generator = *DtmfGenerator::create({.tone = 70ms, .pause = 30ms});
  ASSERT_TRUE(generator.dial("1w2W").ok());
  std::vector<std::int16_t> pcm(40000);
  EXPECT_EQ(generator.read(pcm), 800u + 4000u + 800u + 8000u);
  EXPECT_TRUE(generator.done());
  EXPECT_EQ(generator.read(pcm), 0u);
}

TEST(DtmfGenerator, MakesNoClick) {
  auto generator = *DtmfGenerator::create({.level_dbm0 = -6, .twist_db = 0});
  ASSERT_TRUE(generator.dial("5").ok());
  std::vector<std::int16_t> pcm(1600);
  generator.read(pcm);
  // A sample differs from the one before by no more at the edges than in the middle.
  const auto steepest = [&](int from, int to) {
    int most = 0;
    for (int i = from; i < to; ++i)
      most = std::max(
          most, std::abs(pcm[static_cast<std::size_t>(i)] - (i ? pcm[static_cast<std::size_t>(i - 1)] : 0)));
    return most;
  };
  EXPECT_LE(steepest(0, 16), steepest(100, 700));
  EXPECT_LE(steepest(784, 1600), steepest(100, 700));
}

TEST(DtmfGenerator, RefusesWhatIsNoKeyAndSaysWhich) {
  auto generator = *DtmfGenerator::create({});
  const absl::Status status = generator.dial("12x4");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(status.message()).find("'x'"), std::string::npos);
  EXPECT_TRUE(generator.done());
  EXPECT_FALSE(DtmfGenerator::create({.tone = 5ms}).ok());
  EXPECT_FALSE(DtmfGenerator::create({.level_dbm0 = 0}).ok());
  EXPECT_FALSE(DtmfGenerator::create({.tone = 20ms, .fade = 11ms}).ok());
}

}  // namespace
}  // namespace ivr

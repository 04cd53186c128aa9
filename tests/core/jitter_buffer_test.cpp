#include "ivr/jitter_buffer.hpp"
#include "core/time_at.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace ivr {
namespace {

// Frame numbers go in, and come out again.
class FrameLine {
 public:
  explicit FrameLine(const JitterOptions& options = {.min_delay = 0ms})
      : buffer(*JitterBuffer::create(options)) {}

  void push(int number, double now, std::uint32_t ssrc = 1, std::uint32_t first_timestamp = 0xFFFFF000u) {
    const std::uint8_t payload[] = {static_cast<std::uint8_t>(number >> 8),
                                    static_cast<std::uint8_t>(number)};
    buffer.push({.header = {.sequence = static_cast<std::uint16_t>(number),
                            .timestamp = first_timestamp + static_cast<std::uint32_t>(number * 160),
                            .ssrc = ssrc},
                 .payload = payload},
                at_ms(now));
  }
  // The frame's number, or -1 lost, -2 buffering, -3 empty.
  int pop(double now) {
    std::uint8_t out[160];
    switch (buffer.pop(out, at_ms(now))) {
      case Playout::frame: EXPECT_EQ(buffer.frame_bytes(), 2u); return out[0] << 8 | out[1];
      case Playout::lost: return -1;
      case Playout::buffering: return -2;
      case Playout::empty: return -3;
    }
    return -4;
  }
  JitterBuffer buffer;
};

TEST(JitterBuffer, AnEvenStreamIsPlayedInOrderWithoutDelay) {
  FrameLine line;
  EXPECT_EQ(line.pop(0), -3);
  for (int i = 0; i < 1000; ++i) {
    line.push(i, 20 * i);
    EXPECT_EQ(line.pop(20 * i + 5), i);
  }
  EXPECT_EQ(line.buffer.stats().lost, 0u);
  EXPECT_LE(line.buffer.stats().delay, 6ms);
}

TEST(JitterBuffer, WaitsTheSmallestDelayBeforeTheFirstFrame) {
  FrameLine line({.min_delay = 40ms});
  std::vector<int> heard;
  for (int i = 0; i < 6; ++i) {
    line.push(i, 20 * i);
    heard.push_back(line.pop(20 * i + 1));
  }
  EXPECT_EQ(heard, (std::vector<int>{-2, -2, 0, 1, 2, 3}));
}

TEST(JitterBuffer, PutsReorderedPacketsInOrderAndForgetsDuplicates) {
  FrameLine line({.min_delay = 60ms});
  std::vector<int> heard;
  for (int i = 0; i < 100; ++i) {
    line.push(i ^ 1, 20 * i);  // each pair the wrong way round
    if (i % 10 == 3) line.push(i ^ 1, 20 * i + 1);
    if (const int number = line.pop(20 * i + 2); number >= 0) heard.push_back(number);
  }
  ASSERT_GE(heard.size(), 95u);
  for (std::size_t i = 0; i < heard.size(); ++i) EXPECT_EQ(heard[i], static_cast<int>(i));
  EXPECT_EQ(line.buffer.stats().duplicates, 10u);
}

TEST(JitterBuffer, ALostFrameIsLostOnce) {
  FrameLine line;
  for (int i = 0; i < 100; ++i) {
    if (i != 50) line.push(i, 20 * i);
    EXPECT_EQ(line.pop(20 * i + 5), i == 50 ? -1 : i);
  }
  EXPECT_EQ(line.buffer.stats().lost, 1u);
}

TEST(JitterBuffer, AFrameAfterItsTurnIsOnlyCounted) {
  FrameLine line;
  for (int i = 0; i < 400; ++i) {
    line.push(i, 20 * i);
    if (i != 200) line.pop(20 * i + 5);
    if (i == 200) {
      line.pop(20 * i + 5);
      line.push(190, 20 * i + 6);
    }
  }
  EXPECT_EQ(line.buffer.stats().late, 1u);
  EXPECT_EQ(line.buffer.stats().played, 400u);
}

TEST(JitterBuffer, AnotherSourceOrAJumpOfTheTimestampsStartsAfresh) {
  FrameLine line;
  double now = 0;
  for (int i = 0; i < 50; ++i, now += 20) {
    line.push(i, now);
    line.pop(now + 5);
  }
  for (int i = 0; i < 50; ++i, now += 20) {
    line.push(i, now, 2, 777);
    EXPECT_EQ(line.pop(now + 5), i);
  }
  int heard = 0;
  for (int i = 0; i < 50; ++i, now += 20) {  // the same source, its clock set anew
    line.push(i, now, 2, 0x40000000u);
    heard += line.pop(now + 5) == i;
  }
  EXPECT_GE(heard, 45);
  EXPECT_EQ(line.buffer.stats().restarts, 2u);
  EXPECT_EQ(line.buffer.stats().refused, 3u);  // believed at the fourth
}

TEST(JitterBuffer, AfterASecondOfNothingItIsEmptyAndGoesOnWhenThereIsSound) {
  FrameLine line;
  for (int i = 0; i < 50; ++i) {
    line.push(i, 20 * i);
    line.pop(20 * i + 5);
  }
  for (int i = 50; i < 200; ++i) EXPECT_EQ(line.pop(20 * i + 5), i >= 100 ? -3 : -1) << i;
  for (int i = 200; i < 300; ++i) {
    line.push(i, 20 * i);
    EXPECT_EQ(line.pop(20 * i + 5), i);
  }
}

TEST(JitterBuffer, RefusesOptionsThatMakeNoSense) {
  EXPECT_FALSE(JitterBuffer::create({.frame = 0ms}).ok());
  EXPECT_FALSE(JitterBuffer::create({.min_delay = 200ms, .max_delay = 100ms}).ok());
  EXPECT_FALSE(JitterBuffer::create({.max_payload = 0}).ok());
  const auto status = JitterBuffer::create({.max_delay = 9s}).status();
  EXPECT_NE(status.ToString().find("9000"), std::string::npos);
}

TEST(JitterBuffer, TooLongPacketsAreRefused) {
  FrameLine line;
  const std::vector<std::uint8_t> payload(321);
  line.buffer.push({.payload = payload}, at_ms(0));
  EXPECT_EQ(line.buffer.stats().refused, 1u);
  EXPECT_EQ(line.pop(10), -3);
}

// ------------------------------------------------------------------------ networks in virtual time

struct Result {
  double delay_ms = 0, late = 0;  // of all packets that arrived
  double best_fixed_ms = 0;       // the smallest fixed delay with 1 % late, chosen afterwards
  int back = 0;                   // frames played after a later one
  double recovered_ms = -1;       // from 60 s until a second begins in which 9 of 10 turns are played
};

// `delay(i, random)`: of packet i beyond the least, in ms, negative when lost.
Result run(const std::function<double(int, std::mt19937&)>& delay, double clock_ppm, unsigned seed) {
  std::mt19937 random(seed);
  constexpr int kPackets = 6000;  // two minutes
  struct Arrival {
    double at;
    int number;
  };
  std::vector<Arrival> arrivals;
  std::vector<double> sent(kPackets), delays;
  for (int i = 0; i < kPackets; ++i) {
    sent[static_cast<std::size_t>(i)] = i * 20 * (1 - clock_ppm * 1e-6);
    const double d = delay(i, random);
    if (d < 0) continue;
    arrivals.push_back({sent[static_cast<std::size_t>(i)] + 20 + d, i});
    delays.push_back(d);
  }
  std::stable_sort(arrivals.begin(), arrivals.end(), [](auto& a, auto& b) { return a.at < b.at; });
  std::sort(delays.begin(), delays.end());
  FrameLine line({.min_delay = 0ms, .max_delay = 500ms});
  Result result;
  result.best_fixed_ms = delays[delays.size() * 99 / 100];
  std::size_t next = 0;
  int last = -1, played = 0;
  std::vector<char> turns;  // after 60 s: played or not
  for (double now = 7.3; now < kPackets * 20 + 1000; now += 20) {
    for (; next < arrivals.size() && arrivals[next].at <= now; ++next)
      line.push(arrivals[next].number, arrivals[next].at);
    const int number = line.pop(now);
    if (now >= 60'000) turns.push_back(number >= 0);
    if (number < 0) continue;
    result.back += number <= last;
    last = number;
    ++played;
    result.delay_ms += now - sent[static_cast<std::size_t>(number)] - 20;
  }
  for (std::size_t i = 0; i + 50 < turns.size() && result.recovered_ms < 0; ++i) {
    const auto from = turns.begin() + static_cast<std::ptrdiff_t>(i);
    if (turns[i] && std::count(from, from + 50, 1) >= 45) result.recovered_ms = static_cast<double>(20 * i);
  }
  result.delay_ms /= played;
  result.late = 1 - static_cast<double>(played) / static_cast<double>(arrivals.size());
  return result;
}

double uniform(std::mt19937& random, double high) {
  return std::uniform_real_distribution<>(0, high)(random);
}
double exponential(std::mt19937& random, double mean) {
  return std::exponential_distribution<>(1 / mean)(random);
}

TEST(JitterBuffer, KeepsCloseToTheBestFixedDelayWithOnePercentLate) {
  struct Case {
    const char* name;
    std::function<double(int, std::mt19937&)> delay;
    double clock_ppm;
  } const cases[] = {
      {"none", [](int, std::mt19937&) { return 0.0; }, 0},
      {"uniform 0-30", [](int, std::mt19937& r) { return uniform(r, 30); }, 0},
      {"normal 50+-15",
       [](int, std::mt19937& r) { return std::max(0.0, std::normal_distribution<>(50, 15)(r)); }, 0},
      {"5 % lost", [](int, std::mt19937& r) { return uniform(r, 1) < 0.05 ? -1.0 : uniform(r, 12); }, 0},
      {"reordered",
       [](int, std::mt19937& r) { return uniform(r, 15) + (uniform(r, 1) < 0.02 ? 30 + uniform(r, 20) : 0); },
       0},
      {"step", [](int i, std::mt19937& r) { return exponential(r, 5) + (i >= 3000 ? 100 : 0); }, 0},
      {"sender fast", [](int, std::mt19937& r) { return uniform(r, 10); }, 200},
      {"sender slow", [](int, std::mt19937& r) { return uniform(r, 10); }, -200},
  };
  for (const Case& c : cases) {
    double delay = 0, late = 0, best = 0;
    constexpr unsigned kSeeds = 4;
    for (unsigned seed = 1; seed <= kSeeds; ++seed) {
      const Result r = run(c.delay, c.clock_ppm, seed);
      EXPECT_EQ(r.back, 0) << c.name << " seed " << seed;
      delay += r.delay_ms / kSeeds, late += r.late / kSeeds, best += r.best_fixed_ms / kSeeds;
      if (std::string(c.name) == "step") {
        EXPECT_LE(r.recovered_ms, 1000) << "seed " << seed;
        EXPECT_GE(r.recovered_ms, 0) << "seed " << seed;
      }
    }
    EXPECT_LE(late, 0.0105) << c.name;
    EXPECT_LE(delay, best + 20) << c.name;  // turns come every 20 ms: a fixed delay rounds up, too
  }
}

TEST(JitterBuffer, TellsTheDriftOfTheClocks) {
  for (int ppm : {200, -150}) {
    std::mt19937 random(3);
    FrameLine line;
    for (int i = 0; i < 5000; ++i) {
      const double tick = 20 * i;
      line.push(i, tick * (1 - ppm * 1e-6) + uniform(random, 8));
      line.pop(tick + 12);
    }
    EXPECT_NEAR(line.buffer.stats().drift_ppm, ppm, 40);
  }
}

TEST(JitterBuffer, AnythingAtAllIsBounded) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    auto buffer = *JitterBuffer::create({.min_delay = 20ms});
    std::int64_t now = 0;
    std::uint32_t timestamp = 0;
    std::vector<std::uint8_t> payload(400);
    std::uint8_t out[160];
    for (int i = 0; i < 20'000; ++i) {
      now += static_cast<std::int64_t>(random() % 40'000);
      switch (random() % 20) {
        case 0: timestamp = static_cast<std::uint32_t>(random()); break;
        case 1: timestamp -= 160 * (random() % 50); break;
        case 2: timestamp += 160 * (random() % 50); break;
        case 3: now += 10'000'000; break;
        default: timestamp += 160;
      }
      buffer.push({.header = {.timestamp = timestamp, .ssrc = random() % 100 == 0 ? 2u : 1u},
                   .payload = std::span(payload).first(random() % 400)},
                  Time(Micros(now)));
      for (unsigned n = random() % 3; n > 0; --n) buffer.pop(out, Time(Micros(now)));
      ASSERT_LE(buffer.frame_bytes(), sizeof out);
    }
    const JitterStats& s = buffer.stats();
    EXPECT_LE(s.played + s.late + s.dropped + s.duplicates + s.refused, s.received);
  }
}

}  // namespace
}  // namespace ivr

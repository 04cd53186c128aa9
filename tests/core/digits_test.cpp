#include "ivr/digits.hpp"
#include "core/time_at.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

namespace ivr {
namespace {

constexpr DigitSource kInband = DigitSource::inband, kEvent = DigitSource::rtp_event,
                      kInfo = DigitSource::sip_info;

class Collected {
 public:
  void began(DigitSource source, char digit, int ms, std::uint32_t key = 0) {
    if (auto d = collector.began(source, digit, key, at_ms(ms))) digits += *d;
  }
  void ended(DigitSource source, char digit, int ms, int duration, std::uint32_t key = 0) {
    if (auto d = collector.ended(source, digit, key, Millis(duration), at_ms(ms))) digits += *d;
  }
  DigitCollector collector = *DigitCollector::create();
  std::string digits;
};

TEST(DigitCollector, ActsWhenTheKeyGoesDown) {
  Collected c;
  c.began(kEvent, '5', 0, 8000);
  EXPECT_EQ(c.digits, "5");
  c.ended(kEvent, '5', 100, 100, 8000);
  EXPECT_EQ(c.digits, "5");
}

TEST(DigitCollector, AnInfoIsAPressOfItsOwn) {
  Collected c;
  c.ended(kInfo, '1', 0, 250);
  c.ended(kInfo, '1', 200, 250);
  EXPECT_EQ(c.digits, "11");
}

TEST(DigitCollector, OnePressOnThreeTransportsIsOne) {
  Collected c;
  c.began(kEvent, '7', 1000, 1);
  c.began(kInband, '7', 1045);
  c.ended(kEvent, '7', 1200, 200, 1);
  c.ended(kInband, '7', 1230, 190);
  c.ended(kInfo, '7', 1500, 160);
  EXPECT_EQ(c.digits, "7");
  EXPECT_EQ(c.collector.stats().presses, 1u);
  EXPECT_EQ(c.collector.stats().repeated, 2u);
}

TEST(DigitCollector, TwoQuickPressesAreTwoOnEveryTransport) {
  Collected c;
  for (int press = 0; press < 2; ++press)
    c.began(kEvent, '4', 100 * press, 10u + static_cast<unsigned>(press));
  for (int press = 0; press < 2; ++press) c.began(kInband, '4', 120 + 100 * press);
  for (int press = 0; press < 2; ++press) c.ended(kInfo, '4', 400 + 100 * press, 50);
  EXPECT_EQ(c.digits, "44");
}

TEST(DigitCollector, InterleavedReportsOfQuickPressesAreTwo) {
  Collected c;
  c.began(kEvent, '4', 0, 1);
  c.began(kInband, '4', 40);
  c.began(kEvent, '4', 120, 2);
  c.began(kInband, '4', 160);
  EXPECT_EQ(c.digits, "44");
}

TEST(DigitCollector, WhatOneTransportLosesTheOtherGives) {
  Collected c;
  c.began(kEvent, '1', 0, 1);
  c.began(kInband, '2', 2000);  // its packets are lost
  c.began(kEvent, '3', 4000, 3);
  c.began(kInband, '3', 4040);
  EXPECT_EQ(c.digits, "123");
}

TEST(DigitCollector, AHeldKeyIsStillThatPressWhenItsInfoComes) {
  Collected c;
  c.began(kEvent, '*', 0, 9);
  c.ended(kEvent, '*', 7000, 7000, 9);
  c.ended(kInfo, '*', 7100, 160);  // the phone says 160 whatever it was
  EXPECT_EQ(c.digits, "*");
  c.ended(kInfo, '*', 12'000, 160);
  EXPECT_EQ(c.digits, "**");
}

TEST(DigitCollector, ReportsFurtherApartThanTheWindowAreTwo) {
  Collected c;
  c.began(kEvent, '1', 0, 1);
  c.ended(kEvent, '1', 100, 100, 1);
  c.began(kInband, '1', 1101);
  EXPECT_EQ(c.digits, "11");
}

TEST(DigitCollector, RefusesAWindowThatMakesNoSense) {
  EXPECT_FALSE(DigitCollector::create({.window = -1ms}).ok());
  EXPECT_FALSE(DigitCollector::create({.window = 60s}).ok());
}

// Callers press random keys, as quickly as 90 ms apart; one transport tells all of them, the others lose
// some, and each is late in its own way but in order.
TEST(DigitCollector, EveryPressOnceOverRandomTransports) {
  for (unsigned seed = 1; seed <= 2000; ++seed) {
    std::mt19937 random(seed);
    const auto between = [&](int low, int high) {
      return std::uniform_int_distribution<>(low, high)(random);
    };
    struct Report {
      int at;
      DigitSource source;
      char digit;
      std::uint32_t key;
      int duration;
      bool down;
    };
    std::vector<Report> reports;
    std::array<DigitSource, 3> transports = {kInband, kEvent, kInfo};
    std::shuffle(transports.begin(), transports.end(), random);
    const int count = between(1, 3);
    const int keys = between(1, 3);  // few keys, so that they meet
    std::array<int, 3> lag{}, jitter{}, loss{}, last{};
    for (std::size_t t = 0; t < 3; ++t) {
      lag[t] = between(0, transports[t] == kInfo ? 400 : 80);
      jitter[t] = between(0, 60);
      loss[t] = t == 0 ? 0 : between(0, 30);
    }
    std::string pressed;
    int now = 0;
    for (int i = 0; i < 40; ++i) {
      const char digit = static_cast<char>('1' + between(0, keys - 1));
      const int duration = between(45, 150);
      pressed += digit;
      for (std::size_t t = 0; t < static_cast<std::size_t>(count); ++t) {
        if (between(1, 100) <= loss[t]) continue;
        const auto key = static_cast<std::uint32_t>(transports[t] == kEvent ? now * 8 + 1 : 0);
        const auto arrival = [&](int sent) {
          return last[t] = std::max(last[t] + 1, sent + lag[t] + between(0, jitter[t]));
        };
        if (transports[t] != kInfo) reports.push_back({arrival(now), transports[t], digit, key, 0, true});
        reports.push_back({arrival(now + duration), transports[t], digit, key, duration, false});
      }
      now += duration + (between(0, 3) == 0 ? between(400, 4000) : between(45, 200));
    }
    std::stable_sort(reports.begin(), reports.end(), [](auto& a, auto& b) { return a.at < b.at; });
    Collected c;
    for (const Report& r : reports) {
      r.down ? c.began(r.source, r.digit, r.at, r.key) : c.ended(r.source, r.digit, r.at, r.duration, r.key);
    }
    // Order may differ where transports overtake each other; how often each key was pressed may not.
    for (char digit = '1'; digit <= '3'; ++digit) {
      ASSERT_EQ(std::count(c.digits.begin(), c.digits.end(), digit),
                std::count(pressed.begin(), pressed.end(), digit))
          << "seed " << seed << ": pressed " << pressed << ", collected " << c.digits;
    }
    if (count == 1) {
      ASSERT_EQ(c.digits, pressed) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace ivr

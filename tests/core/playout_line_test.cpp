#include "ivr/playout_line.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "ivr/audio.hpp"

namespace ivr {
namespace {

constexpr Time kStart{1h};

std::vector<std::int16_t> ramp(std::size_t samples) {
  std::vector<std::int16_t> pcm(samples);
  for (std::size_t i = 0; i < samples; ++i) pcm[i] = static_cast<std::int16_t>(i + 1);
  return pcm;
}

TEST(PlayoutLine, GivesPacketsOfAnyLengthAsFramesInOrder) {
  for (const std::size_t packet : {80u, 160u, 240u, 320u, 400u}) {
    auto line = PlayoutLine::create();
    ASSERT_TRUE(line.ok());
    const auto pcm = ramp(24000);
    std::vector<std::int16_t> out;
    std::size_t sent = 0;
    for (int tick = 0; tick < 150; ++tick) {
      const Time now = kStart + tick * kFrame;
      while (sent + packet <= static_cast<std::size_t>(tick + 1) * 160) {
        RtpHeader header;
        header.timestamp = 0xFFFFF000 + static_cast<std::uint32_t>(sent);
        line->push(header, std::span(pcm).subspan(sent, packet), now);
        sent += packet;
      }
      line->tick(now);
      if (!line->silent()) out.insert(out.end(), line->frame().begin(), line->frame().end());
    }
    ASSERT_GT(out.size(), 22000u) << packet;
    for (std::size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(out[i], static_cast<std::int16_t>(i + 1)) << packet;
    // Waited for: the delay asked for, a tick, and what is missing of a packet.
    EXPECT_LE(24000 - out.size(), 320 + 160 + packet) << packet;
    EXPECT_EQ(line->stats().lost, 0u) << packet;
  }
}

TEST(PlayoutLine, MakesUpForWhatIsLostAndFallsSilentAtTheEnd) {
  auto line = PlayoutLine::create();
  std::vector<std::int16_t> tone(160 * 100);
  for (std::size_t i = 0; i < tone.size(); ++i)
    tone[i] = static_cast<std::int16_t>(8000 * std::sin(0.3 * static_cast<double>(i)));
  int quiet = 0;
  for (int tick = 0; tick < 100; ++tick) {
    const Time now = kStart + tick * kFrame;
    if (tick % 10 != 5) {
      RtpHeader header;
      header.timestamp = static_cast<std::uint32_t>(160 * tick);
      line->push(header, std::span(tone).subspan(static_cast<std::size_t>(160 * tick), 160), now);
    }
    line->tick(now);
    quiet += tick > 5 && level_dbm0(line->frame()) < -20 ? 1 : 0;
  }
  EXPECT_EQ(quiet, 0);
  EXPECT_NEAR(static_cast<double>(line->stats().lost), 10, 3);
  for (int tick = 100; tick < 200; ++tick) line->tick(kStart + tick * kFrame);
  EXPECT_TRUE(line->silent());
  EXPECT_EQ(level_dbm0(line->frame()), -100);
}

TEST(PlayoutLine, RefusesFramesThatAreNotOurs) {
  EXPECT_FALSE(PlayoutLine::create({.frame = 10ms}).ok());
  EXPECT_FALSE(PlayoutLine::create({.clock_rate_hz = 16000}).ok());
  EXPECT_FALSE(PlayoutLine::create({.max_payload = 160}).ok());
}

TEST(AddSaturated, StaysAtTheEnds) {
  std::vector<std::int16_t> to = {0, 30000, -30000, 100, 7};
  const std::vector<std::int16_t> add = {5, 30000, -30000, -300};
  add_saturated(to, add);
  EXPECT_EQ(to, (std::vector<std::int16_t>{5, 32767, -32768, -200, 7}));
}

}  // namespace
}  // namespace ivr

#include "ivr/tones.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <span>

#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"

namespace ivr {
namespace {

TEST(MakeTone, BeepIsFadedAnd400MsLong) {
  const auto beep = make_tone("beep");
  ASSERT_TRUE(beep.ok());
  ASSERT_EQ(beep->size(), 3200u);
  EXPECT_LT(std::abs(beep->front()), 50);
  EXPECT_LT(std::abs(beep->back()), 50);
  EXPECT_NEAR(level_dbm0(std::span(*beep).subspan(400, 2400)), -12, 0.2);
}

TEST(MakeTone, KeepsTheCadence) {
  struct Row {
    const char* name;
    int on_ms, off_ms;
    double level;
  };
  for (const Row& row : {Row{"ringback", 1000, 4000, -15}, Row{"busy", 500, 500, -15},
                         Row{"congestion", 200, 200, -15}, Row{"ringback_us", 2000, 4000, -16},
                         Row{"busy_us", 500, 500, -18}, Row{"congestion_us", 250, 250, -18}}) {
    const auto pcm = make_tone(row.name);
    ASSERT_TRUE(pcm.ok()) << row.name;
    ASSERT_EQ(static_cast<int>(pcm->size()), 8 * (row.on_ms + row.off_ms)) << row.name;
    const auto on = static_cast<std::size_t>(8 * row.on_ms);
    EXPECT_NEAR(level_dbm0(std::span(*pcm).first(on)), row.level, 0.5) << row.name;
    EXPECT_EQ(level_dbm0(std::span(*pcm).subspan(on)), -100) << row.name;
  }
}

TEST(MakeTone, LengthRepeatsOrCutsWithoutAClick) {
  const auto pcm = make_tone("busy", 1250ms);
  ASSERT_TRUE(pcm.ok());
  ASSERT_EQ(pcm->size(), 10000u);
  EXPECT_LT(std::abs(pcm->back()), 50);
  EXPECT_GT(level_dbm0(std::span(*pcm).subspan(8100, 1800)), -16);
}

TEST(MakeTone, TheHoldTuneLoopsWithoutASeamAndIsNoKeyAndNoSilence) {
  const auto tune = make_tone("hold");
  ASSERT_TRUE(tune.ok());
  ASSERT_GE(tune->size(), 16u * 8000);
  EXPECT_EQ(tune->size() % 160, 0u);  // whole frames: a loop of packets is as seamless
  EXPECT_NEAR(level_dbm0(*tune), -20, 0.2);
  int peak = 0, steepest = 0;
  for (std::size_t i = 0; i < tune->size(); ++i) {
    peak = std::max(peak, std::abs((*tune)[i]));
    if (i > 0) steepest = std::max(steepest, std::abs((*tune)[i] - (*tune)[i - 1]));
  }
  EXPECT_LT(peak, 20000);
  EXPECT_LE(std::abs(tune->front() - tune->back()), steepest / 2);
  // It never stops: no half second is 15 dB below the whole.
  for (std::size_t at = 0; at + 4000 <= tune->size(); at += 4000)
    EXPECT_GT(level_dbm0(std::span(*tune).subspan(at, 4000)), -35) << at;
  auto detector = DtmfDetector::create();
  DtmfEvents keys;
  for (int turn = 0; turn < 2; ++turn) detector->process(*tune, keys);
  EXPECT_TRUE(keys.empty());
  // Longer is the same again, and ends softly.
  const auto longer = make_tone("hold", 30s);
  ASSERT_EQ(longer->size(), 240'000u);
  EXPECT_EQ((*longer)[tune->size() + 12345], (*tune)[12345]);
  EXPECT_LT(std::abs(longer->back()), 50);
}

TEST(MakeTone, RefusesAnUnknownNameAndListsTheOthers) {
  const auto pcm = make_tone("ring");
  ASSERT_EQ(pcm.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(pcm.status().message()).find("ringback"), std::string::npos);
  EXPECT_EQ(make_tone("beep", -1ms).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ivr

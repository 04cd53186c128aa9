#include "ivr/tones.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <span>

#include "ivr/audio.hpp"

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

TEST(MakeTone, RefusesAnUnknownNameAndListsTheOthers) {
  const auto pcm = make_tone("ring");
  ASSERT_EQ(pcm.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(pcm.status().message()).find("ringback"), std::string::npos);
  EXPECT_EQ(make_tone("beep", -1ms).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ivr

#include "ivr/admission.hpp"
#include "core/time_at.hpp"

#include <gtest/gtest.h>

namespace ivr {
namespace {

TEST(Admission, RefusesTheCallBeyondTheLimitAndTakesItOnceAnotherHasLeft) {
  Admission admission({.calls = 2});
  EXPECT_FALSE(admission.enter("a", at(0ms)));
  EXPECT_FALSE(admission.enter("b", at(0ms)));
  const auto refused = admission.enter("c", at(0ms));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->reason, "all 2 lines are in use");
  admission.left("a");
  EXPECT_FALSE(admission.enter("c", at(0ms)));
}

TEST(Admission, OneAddressCannotTakeAllLines) {
  Admission admission({.calls = 10, .calls_per_address = 1});
  EXPECT_FALSE(admission.enter("a", at(0ms)));
  EXPECT_EQ(admission.enter("a", at(0ms))->status, 486);
  EXPECT_FALSE(admission.enter("b", at(0ms)));
  admission.left("a");
  EXPECT_FALSE(admission.enter("a", at(1ms)));
}

TEST(Admission, RatesAreKeptOverASecondAndRefill) {
  Admission admission({.calls = 0, .calls_per_second = 5});
  int taken = 0;
  for (int ms = 0; ms < 10'000; ms += 10) taken += !admission.enter("a", at(Millis(ms)));
  EXPECT_NEAR(taken, 5 + 50, 1);
}

TEST(Admission, AFloodFromOneAddressLeavesOthersAlone) {
  Admission admission({.calls = 0, .calls_per_second_per_address = 1});
  int flood = 0, other = 0;
  for (int ms = 0; ms < 5'000; ++ms) {
    flood += !admission.enter("f", at(Millis(ms)));
    if (ms % 1000 == 0) other += !admission.enter("o", at(Millis(ms)));
  }
  EXPECT_LE(flood, 6);
  EXPECT_EQ(other, 5);
}

TEST(Admission, ManyAddressesDoNotGrowMemoryWithoutBound) {
  Admission admission({.calls = 0, .calls_per_second_per_address = 0.001});
  int taken = 0;
  for (int i = 0; i < 200'000; ++i) taken += !admission.enter(std::to_string(i), at(0ms));
  EXPECT_LE(taken, 65'536 + 1);  // the rest shared one bucket
}

}  // namespace
}  // namespace ivr

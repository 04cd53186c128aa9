#include "ivr/version.hpp"
#include <algorithm>

#include <gtest/gtest.h>

TEST(Version, IsThreeNumbers) { EXPECT_EQ(std::count(ivr::version().begin(), ivr::version().end(), '.'), 2); }

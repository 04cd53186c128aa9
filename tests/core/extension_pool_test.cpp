#include "ivr/extension_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace ivr {
namespace {

ExtensionPool pool_of(std::string_view pattern) {
  auto pool = ExtensionPool::create(pattern);
  EXPECT_TRUE(pool.ok()) << pool.status();
  return *std::move(pool);
}

TEST(ExtensionPool, GivesEachNumberOnceAndThenNone) {
  for (const auto& [pattern, size] : {std::pair{"2XXX", 1000u}, {"7X", 10u}, {"XX", 100u}}) {
    ExtensionPool pool = pool_of(pattern);
    EXPECT_EQ(pool.size(), size);
    std::set<std::string> given;
    for (std::size_t i = 0; i < size; ++i) {
      EXPECT_EQ(pool.free(), size - i);
      const auto number = pool.allocate();
      ASSERT_TRUE(number.has_value()) << i;
      EXPECT_EQ(number->size(), std::string(pattern).size());
      EXPECT_TRUE(given.insert(*number).second) << *number << " twice";
      EXPECT_TRUE(pool.taken(*number));
    }
    EXPECT_FALSE(pool.allocate().has_value());
    EXPECT_EQ(pool.free(), 0u);
    ASSERT_TRUE(pool.release(*given.begin()).ok());
    EXPECT_EQ(pool.allocate(), *given.begin());
  }
  EXPECT_EQ(*pool_of("2XXX").allocate(), "2000");
}

TEST(ExtensionPool, ANumberThatCameBackRestsAsLongAsOthersAreFree) {
  ExtensionPool pool = pool_of("2XX");
  const std::string first = *pool.allocate();
  ASSERT_TRUE(pool.release(first).ok());
  for (int i = 0; i < 99; ++i) EXPECT_NE(*pool.allocate(), first);
  EXPECT_EQ(*pool.allocate(), first);
}

TEST(ExtensionPool, ReservesThisVeryNumberAndSaysWhatIsWrong) {
  ExtensionPool pool = pool_of("2XXX");
  EXPECT_TRUE(pool.reserve("2000").ok());
  EXPECT_EQ(pool.reserve("2000").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(*pool.allocate(), "2001");
  for (const char* foreign : {"3000", "200", "20000", "2x00", "", "2 00"}) {
    EXPECT_EQ(pool.reserve(foreign).code(), absl::StatusCode::kNotFound) << foreign;
    EXPECT_EQ(pool.release(foreign).code(), absl::StatusCode::kNotFound) << foreign;
    EXPECT_FALSE(pool.taken(foreign));
  }
  EXPECT_TRUE(pool.release("2000").ok());
  EXPECT_EQ(pool.release("2000").code(), absl::StatusCode::kFailedPrecondition) << "twice";
  EXPECT_EQ(pool.release("2999").code(), absl::StatusCode::kFailedPrecondition) << "never given";
}

TEST(ExtensionPool, RefusesAPatternThatIsNone) {
  for (const char* pattern : {"", "2000", "XXXXXXX", "2XX0", "2xxx", "-X", "2X*"}) {
    const auto pool = ExtensionPool::create(pattern);
    EXPECT_EQ(pool.status().code(), absl::StatusCode::kInvalidArgument) << pattern;
    EXPECT_NE(std::string(pool.status().message()).find(pattern), std::string::npos);
  }
}

// S3-18: none given twice under 64 threads, which take more than there are.
TEST(ExtensionPool, SixtyFourThreadsNeverHoldTheSameNumber) {
  ExtensionPool pool = pool_of("2XX");
  std::vector<std::atomic<int>> holders(100);
  std::atomic<int> twice{0}, given{0}, empty{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 64; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<std::string> mine;
      const auto hold = [&](const std::string& number) {
        if (holders[std::stoul(number.substr(1))].fetch_add(1) != 0) ++twice;
        mine.push_back(number);
        ++given;
      };
      for (int i = 0; i < 2000; ++i) {
        if (mine.size() < 4 && random() % 2 == 0) {
          if (const auto number = pool.allocate()) {
            hold(*number);
          } else {
            ++empty;
          }
        } else if (mine.size() < 4 && random() % 8 == 0) {
          const std::string wanted = std::to_string(200 + random() % 100);
          if (pool.reserve(wanted).ok()) hold(wanted);
        } else if (!mine.empty()) {
          holders[std::stoul(mine.back().substr(1))].fetch_sub(1);
          if (!pool.release(mine.back()).ok()) ++twice;
          mine.pop_back();
        }
      }
      for (const std::string& number : mine) {
        holders[std::stoul(number.substr(1))].fetch_sub(1);
        if (!pool.release(number).ok()) ++twice;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(twice, 0);
  EXPECT_GT(given, 64);
  EXPECT_EQ(pool.free(), 100u);
}

}  // namespace
}  // namespace ivr

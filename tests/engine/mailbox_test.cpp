#include "engine/mailbox.hpp"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace ivr {
namespace {

TEST(Mailbox, GivesBackInOrderAndRefusesWhenFull) {
  Mailbox<int> box(4);
  EXPECT_EQ(box.capacity(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(box.push(int{i}));
  EXPECT_FALSE(box.push(9));
  EXPECT_EQ(box.size(), 4u);
  int value = -1;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(box.pop(value));
    EXPECT_EQ(value, i);
  }
  EXPECT_FALSE(box.pop(value));
}

TEST(Mailbox, LeavesARefusedMessageAndLetsGoOfATakenOne) {
  Mailbox<std::shared_ptr<int>> box(2);
  const auto held = std::make_shared<int>(1);
  for (int lap = 0; lap < 5; ++lap) {
    ASSERT_TRUE(box.push(std::shared_ptr<int>(held)));
    ASSERT_TRUE(box.push(std::shared_ptr<int>(held)));
    auto refused = held;
    EXPECT_FALSE(box.push(std::move(refused)));
    EXPECT_EQ(refused, held);
    refused.reset();
    std::shared_ptr<int> out;
    ASSERT_TRUE(box.pop(out));
    ASSERT_TRUE(box.pop(out));
    out.reset();
    EXPECT_EQ(held.use_count(), 1) << "lap " << lap;
  }
}

TEST(Mailbox, LosesNothingBetweenThreads) {
  constexpr int kWriters = 3, kEach = 20'000;
  Mailbox<int> box(64);
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&box, w] {
      for (int i = 0; i < kEach; ++i) {
        int value = w * kEach + i;
        while (!box.push(std::move(value))) std::this_thread::yield();
      }
    });
  }
  std::vector<int> next(kWriters);
  for (int taken = 0; taken < kWriters * kEach;) {
    int value;
    if (!box.pop(value)) {
      std::this_thread::yield();
      continue;
    }
    ++taken;
    EXPECT_EQ(value % kEach, next[static_cast<std::size_t>(value / kEach)]++);  // each writer's in its order
  }
  for (auto& writer : writers) writer.join();
}

}  // namespace
}  // namespace ivr

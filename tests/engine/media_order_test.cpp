#include "engine/media_order.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

namespace ivr {
namespace {

constexpr Time kStart{1h};

struct Out {
  std::uint16_t sequence;
  int lost;
  friend bool operator==(const Out&, const Out&) = default;
};

class Line {
 public:
  explicit Line(std::size_t room = 1) : pool(room) { order.hold_in(pool); }
  void push(std::uint16_t sequence, Time now = kStart, std::size_t size = 160, std::uint32_t ssrc = 1) {
    const std::vector<std::uint8_t> payload(size, static_cast<std::uint8_t>(sequence));
    order.push({{0, false, sequence, 0, ssrc}, payload}, now, take());
  }
  void tick(Time now) { order.tick(now, take()); }

  HeldPool pool;
  InOrder order;
  std::vector<Out> out;

 private:
  std::function<void(const RtpFrame&, int)> take() {
    return [this](const RtpFrame& frame, int lost) {
      EXPECT_TRUE(frame.payload.empty() ||
                  frame.payload[0] == static_cast<std::uint8_t>(frame.header.sequence));
      out.push_back({frame.header.sequence, lost});
    };
  }
};

TEST(InOrder, AddsNothingToAnOrderedStream) {
  Line line;
  for (int i = 0; i < 300; ++i) {
    line.push(static_cast<std::uint16_t>(65400 + i));
    ASSERT_EQ(line.out.size(), static_cast<std::size_t>(i + 1));
  }
  EXPECT_EQ(line.order.lost(), 0u);
}

TEST(InOrder, HandlesWhatNetworksDo) {
  struct Case {
    const char* what;
    std::vector<std::uint16_t> in;
    std::vector<Out> out;
    std::uint64_t lost, late;
  };
  const Case cases[] = {
      {"swapped", {1, 3, 2, 4}, {{1, 0}, {2, 0}, {3, 0}, {4, 0}}, 0, 0},
      {"two late", {1, 3, 4, 2, 5}, {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}}, 0, 0},
      {"one lost", {1, 3, 4, 5, 6}, {{1, 0}, {3, 1}, {4, 0}, {5, 0}, {6, 0}}, 1, 0},
      {"too late", {1, 3, 4, 5, 2, 6}, {{1, 0}, {3, 1}, {4, 0}, {5, 0}, {6, 0}}, 1, 1},
      {"twice", {1, 1, 2, 4, 4, 3}, {{1, 0}, {2, 0}, {3, 0}, {4, 0}}, 0, 2},
      {"many lost", {1, 9, 10, 11}, {{1, 0}, {9, 7}, {10, 0}, {11, 0}}, 7, 0},
      {"a new beginning", {1, 2, 30000, 30001}, {{1, 0}, {2, 0}, {30000, 0}, {30001, 0}}, 0, 0},
      {"back to the beginning", {500, 501, 503, 3, 4}, {{500, 0}, {501, 0}, {503, 1}, {3, 0}, {4, 0}}, 1, 0},
  };
  for (const Case& c : cases) {
    Line line;
    for (const auto sequence : c.in) line.push(sequence);
    line.tick(kStart + 1s);
    line.tick(kStart + 2s);
    EXPECT_TRUE(line.out == c.out) << c.what;
    EXPECT_EQ(line.order.lost(), c.lost) << c.what;
    EXPECT_EQ(line.order.late(), c.late) << c.what;
  }
}

TEST(InOrder, WaitsFiftyMillisecondsAndNoLonger) {
  Line line;
  line.push(1);
  line.push(3);
  line.tick(kStart + 49ms);
  EXPECT_EQ(line.out.size(), 1u);
  line.tick(kStart + 50ms);
  EXPECT_TRUE((line.out == std::vector<Out>{{1, 0}, {3, 1}}));
}

TEST(InOrder, DoesNotHoldALongPayload) {
  Line line;
  line.push(1);
  line.push(3, kStart, InOrder::kMaxPayload + 1);
  EXPECT_TRUE((line.out == std::vector<Out>{{1, 0}, {3, 1}}));
}

TEST(InOrder, HoldsNothingWithoutRoomAndGivesItBackAsSoonAsNothingWaits) {
  Line none(0);
  for (const std::uint16_t sequence : {1, 3, 4, 2, 5, 8}) none.push(sequence);
  EXPECT_TRUE((none.out == std::vector<Out>{{1, 0}, {3, 1}, {4, 0}, {5, 0}, {8, 2}}));
  EXPECT_EQ(none.order.lost(), 3u);
  EXPECT_EQ(none.order.late(), 1u);

  Line line;  // room for one stream, itself or another
  const auto taken = [&] {
    HeldPackets* const room = line.pool.take();
    if (room != nullptr) HeldPool::give_back(room);
    return room == nullptr;
  };
  for (std::uint16_t round = 0; round < 100; round = static_cast<std::uint16_t>(round + 10)) {
    const auto push = [&](int sequence, bool waits) {
      line.push(static_cast<std::uint16_t>(round + sequence));
      EXPECT_EQ(taken(), waits) << round << " " << sequence;
    };
    push(0, false);
    push(2, true);
    push(1, false);
    push(5, true);
    push(5, true);
    push(4, true);
    push(6, false);  // 3 is given up
    push(8, true);
    line.tick(kStart + 1s);
    EXPECT_FALSE(taken());
    push(9, false);
  }
  EXPECT_EQ(line.order.lost(), 20u);
  {
    InOrder gone;
    gone.hold_in(line.pool);
    gone.push({{0, false, 1, 0, 1}, {}}, kStart, [](const RtpFrame&, int) {});
    gone.push({{0, false, 3, 0, 1}, {}}, kStart, [](const RtpFrame&, int) {});
    EXPECT_TRUE(taken());
    line.push(102);
    line.push(104);  // no room left
    EXPECT_EQ(line.out.back(), (Out{104, 1}));
  }
  EXPECT_FALSE(taken());
}

TEST(InOrder, StartsAfreshWithANewSource) {
  Line line;
  line.push(1);
  line.push(3);
  line.push(7, kStart, 160, 2);
  EXPECT_TRUE((line.out == std::vector<Out>{{1, 0}, {3, 1}, {7, 0}}));
}

TEST(InOrder, NeverGoesBackWhateverComes) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    Line line;
    std::vector<std::pair<std::uint32_t, std::uint16_t>> arrivals;
    for (std::uint32_t i = 0; i < 500; ++i) {
      if (random() % 100 < 5) continue;
      const std::uint32_t at = i * 20 + (random() % 100 < 10 ? random() % 70 : random() % 10);
      arrivals.emplace_back(at, static_cast<std::uint16_t>(65300 + i));
      if (random() % 100 < 5)
        arrivals.emplace_back(at + random() % 60, static_cast<std::uint16_t>(65300 + i));
    }
    std::stable_sort(arrivals.begin(), arrivals.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [at, sequence] : arrivals) {
      line.tick(kStart + Millis(at));
      line.push(sequence, kStart + Millis(at));
    }
    line.tick(kStart + 1h);
    int lost = 0;
    for (std::size_t i = 1; i < line.out.size(); ++i) {
      lost += line.out[i].lost;
      ASSERT_EQ(newer_by(line.out[i].sequence, line.out[i - 1].sequence), line.out[i].lost + 1)
          << "seed " << seed;
    }
    ASSERT_EQ(static_cast<std::uint64_t>(lost), line.order.lost()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ivr

#include "ivr/caller_gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "core/time_at.hpp"
#include "ivr/router.hpp"

namespace ivr {
namespace {

using Answer = CallerGate::Answer;

TEST(CallerLists, FindsNumbersAndPrefixes) {
  const CallerLists lists(
      {{"block", {"0500", "+1900*", "+1*"}, 0}, {"vip", {"*"}, 3}, {"gold", {"0500"}, 7}});
  EXPECT_TRUE(lists.contains("block", "0500"));
  EXPECT_FALSE(lists.contains("block", "05001"));
  EXPECT_FALSE(lists.contains("block", "050"));
  EXPECT_TRUE(lists.contains("block", "+19005551234"));
  EXPECT_TRUE(lists.contains("block", "+1"));
  EXPECT_FALSE(lists.contains("block", "+4420"));
  EXPECT_FALSE(lists.contains("nothing", "0500"));
  EXPECT_TRUE(lists.known("vip"));
  EXPECT_FALSE(lists.known("nothing"));
  EXPECT_EQ(lists.priority("0500"), 7) << "the highest of its lists";
  EXPECT_EQ(lists.priority("0600"), 3);
  EXPECT_EQ(CallerLists({{"slow", {"1"}, -5}}).priority("1"), -5);
  EXPECT_EQ(CallerLists({{"slow", {"1"}, -5}}).priority("2"), 0);
}

TEST(CallerGate, RefusesTheBlockedAndRanksTheRest) {
  CallerGate gate({}, {{"block", {"0500"}, 0}, {"vip", {"0600"}, 5}});
  EXPECT_EQ(gate.enter("0500", at(0s)).answer, Answer::blocked);
  const auto vip = gate.enter("0600", at(0s));
  EXPECT_EQ(vip.answer, Answer::taken);
  EXPECT_EQ(vip.priority, 5);
  EXPECT_EQ(gate.enter("0700", at(0s)).priority, 0);
  EXPECT_EQ(gate.remembered(), 0u) << "no rule needs the past";
}

TEST(CallerGate, NoCallerGetsMoreThanTheRateInAnyWindow) {
  const CallerRules rules{.rate_calls = 3, .rate_per = 10s};
  CallerGate gate(rules, {});
  std::mt19937 random(3);
  std::vector<Time> taken;
  Time now = at(0s);
  for (int i = 0; i < 5000; ++i) {
    now += Millis{random() % 4000};
    const auto verdict = gate.enter("0500", now);
    const auto recent = std::count_if(taken.begin(), taken.end(), [&](Time t) { return t > now - 10s; });
    EXPECT_EQ(verdict.answer, recent < 3 ? Answer::taken : Answer::too_many) << i;
    if (verdict.answer == Answer::taken) {
      taken.push_back(now);
    } else {
      EXPECT_EQ(now + verdict.retry_after, *(taken.end() - 3) + 10s)
          << "when the oldest of the three has aged";
    }
    EXPECT_EQ(gate.enter("", now).answer, Answer::taken) << "callers without a number are not one caller";
  }
}

TEST(CallerGate, WhoIsRefusedAgainAndAgainIsLeftOutForAWhile) {
  CallerGate gate({.rate_calls = 1, .rate_per = 10s, .ban_after = 3, .ban_for = 60s}, {});
  EXPECT_EQ(gate.enter("a", at(0s)).answer, Answer::taken);
  EXPECT_EQ(gate.enter("a", at(1s)).answer, Answer::too_many);
  EXPECT_EQ(gate.enter("a", at(2s)).answer, Answer::too_many);
  EXPECT_EQ(gate.enter("a", at(3s)).answer, Answer::too_many);
  const auto banned = gate.enter("a", at(20s));
  EXPECT_EQ(banned.answer, Answer::banned) << "although the rate would allow it";
  EXPECT_EQ(banned.retry_after, 43s);
  EXPECT_EQ(gate.enter("b", at(20s)).answer, Answer::taken) << "others are not meant";
  EXPECT_EQ(gate.enter("a", at(63s)).answer, Answer::taken);
  EXPECT_EQ(gate.enter("a", at(64s)).answer, Answer::too_many) << "counted anew";
}

TEST(CallerGate, KnowsWhoCalledBefore) {
  CallerGate gate({.returning = 1h, .returning_priority = 2}, {{"vip", {"v"}, 5}});
  EXPECT_FALSE(gate.enter("a", at(0s)).returning);
  const auto again = gate.enter("a", at(59min));
  EXPECT_TRUE(again.returning);
  EXPECT_EQ(again.priority, 2);
  const auto late = gate.enter("a", at(59min + 1h + 1s));
  EXPECT_FALSE(late.returning);
  EXPECT_EQ(late.priority, 0);
  gate.enter("v", at(0s));
  EXPECT_EQ(gate.enter("v", at(1s)).priority, 5) << "the higher of the two";
}

TEST(CallerGate, ForgetsWhoHasNotCalledForLongest) {
  CallerGate gate({.rate_calls = 1, .rate_per = 24h}, {});
  gate.enter("first", at(0s));
  gate.enter("second", at(0s));
  for (int i = 0; i < 65'534; ++i) gate.enter(std::to_string(i), at(1s));
  EXPECT_EQ(gate.enter("first", at(2s)).answer, Answer::too_many);
  gate.enter("one more", at(3s));
  EXPECT_EQ(gate.remembered(), 65'536u);
  EXPECT_EQ(gate.enter("first", at(4s)).answer, Answer::too_many) << "called meanwhile";
  EXPECT_EQ(gate.enter("second", at(4s)).answer, Answer::taken) << "forgotten";
}

// S2-58: the higher class is served first, and who has waited for the age bound is served before whoever came
// that much later, of whatever class.
TEST(CallerGate, ImportantCallersComeFirstAndNobodyStarves) {
  CallerGate gate({}, {{"vip", {"v*"}, 1}});
  Router router;
  acd::Commands out;
  const auto step = [&](const acd::Event& event, Time now) {
    out.clear();
    router.step(event, now, out);
  };
  step(acd::AgentSet{{.id = "a", .uri = "sip:a@127.0.0.1"}}, at(0s));
  step(acd::AgentStatus{"a"}, at(0s));
  step(acd::QueueSet{{.id = "q", .members = {{"a"}}, .ring_limit = 60s}}, at(0s));
  const auto join = [&](const std::string& caller, Time now) {
    step(
        acd::Join{
            .call = caller, .queue = "q", .caller = caller, .priority = gate.enter(caller, now).priority},
        now);
  };
  std::vector<std::string> order;
  OfferId talking = 0;
  const auto serve = [&](Time now) {  // the talk ends, the next caller is taken
    if (talking != 0) step(acd::TalkEnded{talking}, now);
    talking = 0;
    for (const acd::Command& command : acd::Commands(out)) {
      const auto* offer = std::get_if<acd::Offer>(&command);
      if (offer == nullptr) continue;
      talking = offer->offer;
      order.push_back(offer->call);
      step(acd::Accepted{offer->offer}, now);
    }
  };
  join("busy", at(0s));
  serve(at(0s));
  join("plain", at(1s));
  // One important caller every ten seconds, and the agent serves one in ten: only the age helps.
  for (int i = 1; i <= 150; ++i) {
    join("v" + std::to_string(i), at(i * 10s));
    serve(at(i * 10s + 5s));
  }
  const auto plain = std::find(order.begin(), order.end(), "plain");
  ASSERT_NE(plain, order.end()) << "never served";
  EXPECT_EQ(order[1], "v1") << "the higher class comes first";
  // 1000 points of priority are 1000 s of age: v101 came 1009 s later.
  EXPECT_GE(plain - order.begin(), 99);
  EXPECT_LE(plain - order.begin(), 102);
}

}  // namespace
}  // namespace ivr

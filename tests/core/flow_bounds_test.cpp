#include "ivr/flow_bounds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/flow_caller.hpp"

// How long a flow can keep a caller.

namespace ivr {
namespace {

FlowBounds bounds_of(const std::string& nodes, const std::string& more = "",
                     const FlowBoundsOptions& options = {}) {
  const auto flow = Flow::load(flow_of(nodes, more));
  EXPECT_TRUE(flow.ok()) << flow.status().message();
  return flow.ok() ? flow_bounds(**flow, options) : FlowBounds{};
}

std::string spelled(const std::vector<FlowStep>& way) {
  std::string text;
  for (const FlowStep& step : way)
    text += (text.empty() ? "" : " ") + step.node + (step.exit.empty() ? "" : ":") + step.exit;
  return text;
}

constexpr const char* kEnd = R"("end": {"type": "hangup"})";

TEST(FlowBounds, EachNodeTakesWhatItCanAtMost) {
  const Millis sorry = 75ms * 6;  // "Sorry.", of whatever fails
  const struct {
    const char* node;
    Millis time;
    int visits;
  } kNodes[] = {
      {R"({"type": "wait", "duration": "7s", "next": "end"})", 7s, 2},
      {R"({"type": "play", "say": "0123456789", "loops": 3, "next": "end"})", 3 * 750ms + sorry, 2},
      {R"({"type": "play", "say": {"file": "x.wav"}, "next": "end"})", 10s + sorry, 2},
      {R"({"type": "play", "say": ["{{call.id}}", {"number": "{{call.id}}"}, {"silence": "1s"}], "next": "end"})",
       11s + sorry, 2},
      {R"({"type": "play", "say": {"digits": "1234"}, "next": "end"})", 2s + sorry, 2},
      {R"({"type": "menu", "say": {"silence": "1s"}, "keys": {"1": "end"}, "invalid": "end", "no_input": "end", "tries": 4, "timeout": "6s"})",
       28s + sorry, 5},
      {R"({"type": "menu", "say": {"silence": "1s"}, "keys": {"1": "end"}, "invalid": "end", "no_input": "end", "max_invalid": 2, "max_no_input": 5, "timeout": "1s"})",
       12s + sorry, 7},
      {R"({"type": "gather", "into": "x", "length": 4, "next": "end", "invalid": "end", "no_input": "end", "tries": 2, "timeout": "5s", "digit_timeout": "2s"})",
       22s + sorry, 3},
      {R"({"type": "welcome", "say": {"silence": "2s"}, "ask": {"silence": "1s"}, "choose": {"1": "en"}, "tries": 3, "timeout": "4s", "next": "end"})",
       17s + sorry, 4},
      {R"({"type": "api", "url": "http://h/", "timeout": "4s", "retries": 2, "backoff": "1s", "next": "end"})",
       15s + sorry, 2},
      {R"({"type": "record", "max": "60s", "next": "end"})", 60s + 500ms + sorry, 2},
      {R"({"type": "transfer", "to": "sip:a@h", "ring_limit": "20s", "next": "end"})", 20s + sorry, 2},
      {R"({"type": "transfer", "agents": ["a", "b", "c"], "ring_limit": "20s", "next": "end"})", 60s + sorry,
       2},
      {R"({"type": "queue", "queue": "q", "max_wait": "10m", "next": "end"})", 10min + sorry, 2},
      {R"({"type": "send_digits", "digits": "1w2W", "tone": "100ms", "gap": "100ms", "next": "end"})",
       1900ms + sorry, 2},
  };
  for (const auto& c : kNodes) {
    const FlowBounds bounds = bounds_of(R"("a": )" + std::string(c.node) + ", " + kEnd, "",
                                        {.file_length = [](std::string_view) { return std::nullopt; }});
    EXPECT_EQ(bounds.time, c.time) << c.node;
    EXPECT_EQ(bounds.steps, c.visits) << c.node;
    EXPECT_TRUE(bounds.limited()) << c.node;
  }
}

TEST(FlowBounds, TheLongestWayCountsAndIsShown) {
  const FlowBounds bounds = bounds_of(
      R"("a": {"type": "decision", "cases": [{"if": "call.id == '1'", "next": "b"}], "else": "c"},
         "b": {"type": "wait", "duration": "5s", "next": "d"}, "c": {"type": "wait", "duration": "6s", "next": "d"},
         "d": {"type": "wait", "duration": "1s", "next": "sorry"})");
  EXPECT_EQ(bounds.time, 7s + 450ms);
  EXPECT_EQ(spelled(bounds.way), "a:else c:next d:next sorry");
}

// Three that real flows have: a service that is asked again, a line that is tried again, hours that are
// waited for.
TEST(FlowBounds, ALoopThatCountsIsGoneRoundAsOftenAsItCounts) {
  const struct {
    const char *nodes, *variables, *twin;  // the twin counts from what nobody knows
    Millis most;
  } kLoops[] = {
      {R"("a": {"type": "api", "url": "http://h/", "timeout": "3s", "next": "end", "error": "count"},
          "count": {"type": "set", "set": {"n": {"expression": "n + 1"}}, "next": "enough"},
          "enough": {"type": "decision", "cases": [{"if": "n >= 3", "next": "end"}], "else": "pause"},
          "pause": {"type": "wait", "duration": "2s", "next": "a"})",
       R"("variables": {"n": 0})", R"("variables": {"n": null})", 4 * 5s},
      {R"("a": {"type": "transfer", "to": "sip:a@h", "ring_limit": "20s", "next": "end", "busy": "left", "failed": "end"},
          "left": {"type": "set", "set": {"left": {"expression": "left - 1"}}, "next": "more"},
          "more": {"type": "decision", "cases": [{"if": "left > 0", "next": "pause"}], "else": "end"},
          "pause": {"type": "wait", "duration": "10s", "next": "a"})",
       R"("variables": {"left": 2})", R"("variables": {"left": "many"})", 3 * 30s},
      {R"("a": {"type": "set", "set": {"turn": 0}, "next": "open"},
          "open": {"type": "decision", "cases": [{"if": "now.hour >= 9", "next": "end"}], "else": "music"},
          "music": {"type": "wait", "duration": "60s", "next": "next_round"},
          "next_round": {"type": "set", "set": {"turn": {"expression": "turn + 2"}}, "next": "patience"},
          "patience": {"type": "decision", "cases": [{"if": "turn <= 10", "next": "open"}], "else": "end"})",
       "", R"("variables": {"turn": {}})", 7 * 60s},
  };
  for (const auto& loop : kLoops) {
    const std::string nodes = loop.nodes + std::string(", ") + kEnd;
    const FlowBounds bounds = bounds_of(nodes, loop.variables);
    EXPECT_TRUE(bounds.limited()) << loop.nodes;
    EXPECT_GE(bounds.time, loop.most - 60s) << loop.nodes;
    EXPECT_LE(bounds.time, loop.most + 1s) << loop.nodes;
    const FlowBounds twin = bounds_of(nodes, loop.twin);
    ASSERT_EQ(twin.rounds.size(), 1u) << loop.nodes;
    EXPECT_TRUE(twin.rounds[0].counts);
  }
}

TEST(FlowBounds, ALoopOfTheCallersHasNoLimitAndIsNamed) {
  const FlowBounds bounds = bounds_of(
      R"("a": {"type": "menu", "say": {"silence": "1s"}, "keys": {"1": "b", "*": "a"}, "invalid": "end", "no_input": "end",
              "tries": 1, "timeout": "1s"},
         "b": {"type": "menu", "say": {"silence": "2s"}, "keys": {"1": "end", "9": "a"}, "invalid": "end", "no_input": "end",
              "tries": 1, "timeout": "1s"}, )" +
      std::string(kEnd));
  EXPECT_FALSE(bounds.limited());
  ASSERT_EQ(bounds.rounds.size(), 1u);
  EXPECT_EQ(spelled(bounds.rounds[0].way), "a:* a");
  EXPECT_FALSE(bounds.rounds[0].counts);
  EXPECT_EQ(bounds.time, 5s + 450ms) << "each once";
}

TEST(FlowBounds, WhatHasNoLimitOfItsOwnIsNamed) {
  EXPECT_THAT(bounds_of(R"("a": {"type": "queue", "queue": "q", "next": "sorry"})").waits,
              testing::ElementsAre(testing::Pair("a", "no 'max_wait'")));
  EXPECT_THAT(bounds_of(R"("a": {"type": "play", "say": "x", "loops": 0, "next": "sorry"})").waits,
              testing::ElementsAre(testing::Pair("a", "its prompt is said for ever")));
}

TEST(FlowBounds, WhatRunsAfterTheCallKeepsNobody) {
  const FlowBounds bounds =
      bounds_of(R"("a": {"type": "wait", "duration": "1s", "next": "end"}, "end": {"type": "hangup"},
                   "after": {"type": "api", "url": "http://h/", "timeout": "5m", "next": "end", "error": "end"})",
                R"("on_hangup": "after")");
  EXPECT_EQ(bounds.time, 1s);
}

// Loops within loops: no more than all of them together, and found within the time of a test.
TEST(FlowBounds, LoopsWithinLoopsMultiply) {
  const FlowBounds bounds = bounds_of(
      R"("a": {"type": "set", "set": {"m": 0}, "next": "inner"},
         "inner": {"type": "wait", "duration": "1s", "next": "count"},
         "count": {"type": "set", "set": {"m": {"expression": "m + 1"}}, "next": "again"},
         "again": {"type": "decision", "cases": [{"if": "m < 4", "next": "inner"}], "else": "outer"},
         "outer": {"type": "set", "set": {"n": {"expression": "n + 1"}}, "next": "more"},
         "more": {"type": "decision", "cases": [{"if": "n < 3", "next": "a"}], "else": "sorry"})",
      R"("variables": {"n": 0})");
  EXPECT_TRUE(bounds.limited());
  EXPECT_GE(bounds.time, 12s);
  EXPECT_LE(bounds.time, 4 * 5 * 1s + 1s);
}

TEST(FlowBounds, EveryFlowThatShipsHasThem) {
  for (const auto& entry : std::filesystem::directory_iterator(IVR_SOURCE_DIR "/examples/flows")) {
    const auto flow = Flow::load(read_text(entry.path()));
    ASSERT_TRUE(flow.ok()) << entry.path();
    const FlowBounds bounds = flow_bounds(**flow);
    EXPECT_GT(bounds.time, 0ms) << entry.path();
    EXPECT_GT(bounds.steps, 1) << entry.path();
    EXPECT_LT(bounds.time, 24h) << entry.path();
    ASSERT_FALSE(bounds.way.empty());
    EXPECT_EQ(bounds.way.back().exit, "") << "ends where the call does";
  }
}

}  // namespace
}  // namespace ivr

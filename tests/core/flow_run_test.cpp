#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

std::string flow(const std::string& nodes, const std::string& more = "") {
  return R"({"ivr": 1, "id": "t", "start": "a", "on_error": "sorry")" + (more.empty() ? "" : ", " + more) +
         R"(, "nodes": {)" + nodes +
         R"(, "sorry": {"type": "hangup", "say": "Sorry.", "reason": "trouble"}}})";
}

constexpr const char* kMenu = R"(
  "a": {"type": "menu", "say": "Press 1 or 2.", "invalid_say": "No such key.", "no_input_say": "Nothing heard.",
        "keys": {"1": "one", "2": "two", "#": "one", "*": "two", "0": "two"}, "invalid": "bad", "no_input": "quiet"},
  "one": {"type": "hangup", "reason": "one"}, "two": {"type": "hangup", "reason": "two"},
  "bad": {"type": "hangup", "reason": "bad"}, "quiet": {"type": "hangup", "reason": "quiet"})";

TEST(FlowRun, S0_02_PlaysAPromptAndGoesOnWhenItEnded) {
  FlowCaller c(
      flow(R"("a": {"type": "play", "say": "Hello.", "loops": 2, "next": "b"}, "b": {"type": "hangup"})"));
  c.start();
  EXPECT_EQ(c.hears(), "Hello.");
  EXPECT_EQ(c.wants<intent::Play>().loops, 2);
  EXPECT_EQ(c.wants<intent::Play>().prompts[0].language, "en");
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "normal");
  EXPECT_EQ(c.way(), "a:next b:hangup");
  c.tell(outcome::Ended{outcome::EndedBy::script, ""});
  EXPECT_TRUE(c.run().ended());
}

TEST(FlowRun, S0_03_EveryKeyOfAMenuHasItsOwnExit) {
  for (const auto& [key, reason] :
       {std::pair{"1", "one"}, {"2", "two"}, {"#", "one"}, {"*", "two"}, {"0", "two"}}) {
    FlowCaller c(flow(kMenu));
    c.start();
    c.press(key);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << key;
  }
}

TEST(FlowRun, S0_03_WrongKeysAreAskedAgainAndThenTakeTheInvalidExit) {
  FlowCaller c(flow(kMenu));
  c.start();
  EXPECT_EQ(c.hears(), "Press 1 or 2.");
  c.press("7");
  EXPECT_EQ(c.hears(), "No such key.|Press 1 or 2.");
  c.silent();
  EXPECT_EQ(c.hears(), "Nothing heard.|Press 1 or 2.");
  c.press("8");
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "bad");
  EXPECT_EQ(c.way(), "a:retry a:retry a:invalid bad:hangup");
}

TEST(FlowRun, S0_08_TakesTheFirstCaseThatHolds) {
  const std::string json = flow(R"(
    "a": {"type": "decision", "cases": [{"if": "n > 10", "next": "big"}, {"if": "n > 5", "next": "middle"}], "else": "small"},
    "big": {"type": "hangup", "reason": "big"}, "middle": {"type": "hangup", "reason": "middle"}, "small": {"type": "hangup", "reason": "small"})",
                                R"("variables": {"n": 0})");
  for (const auto& [n, reason] :
       {std::pair{"11", "big"}, {"6", "middle"}, {"5", "small"}, {"\"12\"", "big"}, {"null", "small"}}) {
    FlowCaller c(json, {.variables = {{"n", n}}});
    c.start();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << n;
  }
}

TEST(FlowRun, S0_09_StoresDigitsOnlyWhenTheyAreValid) {
  FlowCaller c(flow(R"(
    "a": {"type": "gather", "say": "Rate us.", "into": "rating", "max": 1, "range": [1, 5], "tries": 2, "next": "ok", "invalid": "bad", "no_input": "bad"},
    "ok": {"type": "hangup", "say": "{{rating}}"}, "bad": {"type": "hangup", "reason": "bad"})"));
  c.start();
  c.press("9");
  EXPECT_EQ(c.run().variables_json(), "{}");
  c.press("4");
  EXPECT_EQ(c.hears(), "4");
  EXPECT_EQ(c.run().variables_json(), R"({"rating":"4"})");
  EXPECT_EQ(c.way(), "a:retry a:next");
}

}  // namespace
}  // namespace ivr

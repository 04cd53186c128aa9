#include "ivr/scenario.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"
#include "ivr/site.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SimulatorOptions world_of(const std::string& document) {
  SimulatorOptions world;
  const auto flow = Flow::load(document);
  EXPECT_TRUE(flow.ok()) << flow.status();
  world.flow = *flow;
  world.calendars = *flow_calendars(
      **flow, [](std::string_view) -> absl::StatusOr<absl::TimeZone> { return absl::UTCTimeZone(); });
  return world;
}

ScenarioResult play(const std::string& document, const std::string& scenario) {
  const auto read =
      parse_scenarios(R"({"scenarios": [)" + scenario + "]}", world_of(document), absl::UTCTimeZone());
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? run_scenario(read->front()) : ScenarioResult{};
}

std::string refusal(const std::string& json) {
  return std::string(parse_scenarios(json, world_of(flow_of(kMenu)), absl::UTCTimeZone()).status().message());
}

TEST(Scenario, ACallerWhoDoesWhatHeMustPasses) {
  const ScenarioResult result = play(flow_of(kMenu), R"({
    "name": "to two", "caller": ["silent", {"hears": "Nothing heard"}, {"press": "2"}],
    "expect": {"path": ["a", "two"], "exits": {"a": "2"}, "hears": "Press 1 or 2.", "never_hears": ["No such key"],
               "ended_by": "script", "reason": "two", "within": "30s"}})");
  EXPECT_THAT(result.differences, IsEmpty());
  EXPECT_THAT(result.path, ElementsAre("a", "two")) << "asked again is the same node";
}

TEST(Scenario, WhatWentDifferentlyIsSaid) {
  struct Row {
    const char* caller;
    const char* expect;
    const char* says;
  };
  for (const Row& row : {
           Row{R"(["1"])", R"({"path": ["a", "two"]})", "must be a -> two, and was a -> one"},
           Row{R"(["1"])", R"({"passes": ["two"]})", "must pass two"},
           Row{R"(["1"])", R"({"avoids": ["one"]})", "must not pass one"},
           Row{R"(["1"])", R"({"exits": {"a": "2"}})", "must be left by 2, and was by 1"},
           Row{R"(["1"])", R"({"hears": ["Goodbye"]})", "must hear \"Goodbye\""},
           Row{R"(["1"])", R"({"never_hears": ["Press 1"]})", "must not hear"},
           Row{R"(["1"])", R"({"reason": "two"})", "reason must be 'two', and was 'one'"},
           Row{R"(["1"])", R"({"ended_by": "caller"})", "who ended it must be 'caller'"},
           Row{R"(["1"])", R"({"queue": "tech"})", "there was none"},
           Row{R"(["1"])", R"({"within": "10ms"})", "must be over within"},
           Row{R"(["1"])", R"({"variables": {"x": 1}})", "is not set"},
           Row{R"([{"hears": "Welcome"}, "1"])", R"({"path": ["a", "quiet"]})", "\"Welcome\" was not heard"},
           Row{R"(["1", "2"])", R"({"reason": "one"})", "nothing asked for the keys 2"},
       }) {
    const auto result = play(flow_of(kMenu), std::string(R"({"name": "n", "caller": )") + row.caller +
                                                 R"(, "expect": )" + row.expect + "}");
    ASSERT_THAT(result.differences, ElementsAre(HasSubstr(row.says))) << row.expect;
  }
}

TEST(Scenario, VariablesServicesAndDialledNumbersDoWhatTheScenarioSays) {
  const std::string flow = flow_of(R"(
    "a": {"type": "gather", "say": "Your number?", "into": "account", "min": 4, "max": 4, "next": "look", "invalid": "bad", "no_input": "bad"},
    "look": {"type": "api", "url": "http://bank/{{account}}", "into": "reply", "next": "call", "error": "bad"},
    "call": {"type": "transfer", "to": "sip:{{account}}@pbx", "next": "done", "busy": "engaged", "failed": "bad"},
    "done": {"type": "hangup", "reason": "talked"}, "engaged": {"type": "hangup", "reason": "busy"},
    "bad": {"type": "hangup", "reason": "bad"})");
  const ScenarioResult talked = play(flow, R"({
    "name": "n", "caller": ["4711"], "api": [{"url": "http://bank/4711", "body": {"owner": "ann"}}],
    "expect": {"reason": "talked", "dials": "sip:4711@pbx", "variables": {"account": "4711", "reply.owner": "ann"}}})");
  EXPECT_THAT(talked.differences, IsEmpty());
  EXPECT_GT(talked.length, 60s);
  const ScenarioResult busy = play(flow, R"({
    "name": "n", "caller": ["4711"], "api": [{"url": "*"}], "dialled": {"sip:4711@*": "busy"},
    "expect": {"reason": "busy", "exits": {"call": "busy"}}})");
  EXPECT_THAT(busy.differences, IsEmpty());
  const ScenarioResult down = play(flow, R"({
    "name": "n", "caller": ["4711"], "api": [{"url": "*", "error": "no route"}], "expect": {"reason": "bad"}})");
  EXPECT_THAT(down.differences, IsEmpty());
}

TEST(Scenario, TheExamplesOfThePageAreAsTheyShouldBe) {
  const auto snippets = json_snippets("/docs/simulation.md");
  ASSERT_EQ(snippets.size(), 2u);
  SimulatorOptions world = world_of(read_text(IVR_SOURCE_DIR "/examples/flows/balance_inquiry.json"));
  SimulatorOptions callers = world;
  EXPECT_EQ(read_callers(snippets[0], callers), absl::OkStatus());
  const auto scenarios = parse_scenarios(snippets[1], world, absl::UTCTimeZone());
  ASSERT_TRUE(scenarios.ok()) << scenarios.status();
  EXPECT_THAT(run_scenario(scenarios->front()).differences, IsEmpty());
}

TEST(Scenario, AMistakeIsNamedWithItsPlace) {
  EXPECT_THAT(refusal(R"({"scenarios": []})"), HasSubstr("no scenario"));
  EXPECT_THAT(refusal(R"({"scenarios": [{"name": "n", "caller": [], "expect": {}}]})"),
              HasSubstr("/scenarios/0/expect"));
  EXPECT_THAT(refusal(R"({"scenarios": [{"name": "n", "caller": ["x"], "expect": {"reason": "one"}}]})"),
              HasSubstr("/scenarios/0/caller/0: 'x' is no key"));
  EXPECT_THAT(refusal(R"({"scenarios": [{"name": "n", "caller": [], "expect": {"passes": ["tow"]}}]})"),
              HasSubstr("did you mean 'two'"));
  EXPECT_THAT(
      refusal(R"({"scenarios": [{"name": "n", "at": "noon", "caller": [], "expect": {"reason": "one"}}]})"),
      HasSubstr("'noon' is no time"));
  EXPECT_THAT(
      refusal(
          R"({"scenarios": [{"name": "n", "agents": {"tech": "busy"}, "caller": [], "expect": {"reason": "one"}}]})"),
      HasSubstr("there is no agent 'tech'"));
}

}  // namespace
}  // namespace ivr

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"

// What a flow does beside talking with its caller: it sets agents' states, and goes on after the call.

namespace ivr {
namespace {

using testing::HasSubstr;

std::string node(const std::string& fields) {
  return flow_of(R"("a": {"type": "agent_status", )" + fields +
                     R"(, "next": "say", "refused": "no"},
                 "say": {"type": "play", "say": "{{agent_status.agent}} {{agent_status.state}}", "next": "sorry"},
                 "no": {"type": "play", "say": "no {{agent_status.agent | default: 'agent'}}", "next": "sorry"})",
                 R"("variables": {"who": "bob", "none": "", "pin": "4711"}, "secrets": ["pin"])");
}

std::vector<std::string> rules(const std::string& json, const FlowCheckOptions& options = {}) {
  std::vector<std::string> out;
  for (const Finding& f : Flow::check(json, options)) out.push_back(f.rule + " " + f.pointer);
  return out;
}

TEST(FlowAgentStatus, WantsTheStateOfTheNodeAndKnowsItsResult) {
  const std::pair<const char*, std::optional<AgentState>> states[] = {{"available", AgentState::available},
                                                                      {"on_break", AgentState::on_break},
                                                                      {"offline", AgentState::offline},
                                                                      {"toggle", std::nullopt}};
  for (const auto& [word, state] : states) {
    FlowCaller c(node(R"("state": ")" + std::string(word) + R"(", "reason": "tea for {{who}}")"));
    c.start();
    EXPECT_EQ(c.wants<intent::AgentStatus>().state, state);
    EXPECT_EQ(c.wants<intent::AgentStatus>().agent, "");
    EXPECT_EQ(c.wants<intent::AgentStatus>().reason, "tea for bob");
    c.tell(outcome::AgentStatusSet{true, "ann", AgentState::on_break});
    EXPECT_EQ(c.hears(), "ann on_break");
    EXPECT_EQ(c.way(), "a:next");
  }
}

TEST(FlowAgentStatus, AnAgentMayBeNamedAndAnEmptyNameIsNotTheCallersOwn) {
  FlowCaller c(node(R"("state": "offline", "agent": "{{who}}")"));
  c.start();
  EXPECT_EQ(c.wants<intent::AgentStatus>().agent, "bob");
  FlowCaller empty(node(R"("state": "offline", "agent": "{{none}}")"));
  empty.start();
  EXPECT_EQ(empty.hears(), "Sorry.");
}

TEST(FlowAgentStatus, WhatIsRefusedHasItsExit) {
  FlowCaller c(node(R"("state": "toggle")"));
  c.start();
  c.tell(outcome::AgentStatusSet{false, "ann", AgentState::offline});
  EXPECT_EQ(c.hears(), "no ann");
  FlowCaller nobody(node(R"("state": "toggle")"));
  nobody.start();
  nobody.tell(outcome::AgentStatusSet{});
  EXPECT_EQ(nobody.hears(), "no agent");
  FlowCaller open(flow_of(R"("a": {"type": "agent_status", "state": "toggle", "next": "sorry"})"));
  open.start();
  open.tell(outcome::AgentStatusSet{});
  EXPECT_EQ(open.hears(), "Sorry.") << "an open exit leads where errors lead";
}

TEST(FlowAgentStatus, ASecretIsNoReason) {
  FlowCaller c(node(R"("state": "offline", "reason": "pin {{pin}}")"));
  c.start();
  EXPECT_EQ(c.wants<intent::AgentStatus>().reason, "");
}

TEST(FlowAgentStatus, TheCheckerKnowsItsWords) {
  EXPECT_THAT(rules(node(R"("state": "paused")")), testing::ElementsAre("unknown-kind /nodes/a/state"));
  EXPECT_THAT(rules(node(R"("reason": "x")")), testing::ElementsAre("missing-field /nodes/a"));
  EXPECT_THAT(rules(node(R"("state": "toggle", "agent": "zoe")"), {.agents = {{"ann"}}}),
              testing::ElementsAre("unknown-agent /nodes/a/agent"));
  EXPECT_THAT(rules(flow_of(R"("a": {"type": "play", "say": "{{agent_status.state}}", "next": "sorry"})")),
              testing::ElementsAre("unset-variable /nodes/a/say"));
  EXPECT_THAT(
      rules(flow_of(R"("a": {"type": "play", "say": "{{call.user}} {{hangup.by}}", "next": "sorry"})")),
      testing::IsEmpty());
}

// ---------------------------------------------------------------------------------------- after the call

const std::string kReported = flow_of(
    R"("a": {"type": "menu", "say": "Rate us.", "keys": {"1": "bye", "2": "bye"}, "into": "rating", "invalid": "bye", "no_input": "bye"},
       "bye": {"type": "hangup", "say": "Bye.", "reason": "rated"},
       "post": {"type": "api", "method": "POST", "url": "http://crm/", "retries": 1, "filler": "Wait.",
                "body": {"by": "{{hangup.by}}", "why": "{{hangup.reason}}", "rating": "{{rating}}"},
                "map": {"seen": "/seen"}, "next": "mark", "error": "over"},
       "mark": {"type": "set", "set": {"reported": true}, "next": "over"},
       "over": {"type": "hangup", "say": "Nobody hears this."})",
    R"("on_hangup": "post", "variables": {"rating": null, "seen": 0, "reported": false})");

TEST(FlowAfterTheCall, GoesOnAtOnHangupWhoeverEndsIt) {
  const std::pair<outcome::Ended, const char*> rows[] = {
      {{outcome::EndedBy::caller, "BYE"}, R"({"by":"caller","why":"BYE","rating":null})"},
      {{outcome::EndedBy::system, "call limit"}, R"({"by":"system","why":"call limit","rating":null})"},
  };
  for (const auto& [ended, body] : rows) {
    FlowCaller c(kReported);
    c.start();
    c.tell(ended);
    EXPECT_EQ(c.wants<intent::Fetch>().request.body, body);
    EXPECT_TRUE(c.wants<intent::Fetch>().filler.empty());
    c.reply(200, R"({"seen": 3})");
    EXPECT_TRUE(c.run().ended());
    EXPECT_EQ(c.run().variables_json(), R"({"seen":3,"reported":true})");
    EXPECT_EQ(c.way(), "a:hangup post:next mark:next over:hangup");
  }
  FlowCaller c(kReported);
  c.start();
  c.press("2");
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "rated");
  c.tell(outcome::Ended{outcome::EndedBy::script, "rated"});
  EXPECT_EQ(c.wants<intent::Fetch>().request.body, R"({"by":"script","why":"rated","rating":"2"})");
}

TEST(FlowAfterTheCall, TriesAgainAndTakesItsErrorExit) {
  FlowCaller c(kReported);
  c.start();
  c.hangs_up();
  c.reply(503, "");
  EXPECT_TRUE(c.is<intent::Wait>());
  c.tell(outcome::Waited{});
  c.reply(503, "");
  EXPECT_TRUE(c.run().ended());
  EXPECT_EQ(c.way(), "a:hangup post:error over:hangup");
}

TEST(FlowAfterTheCall, EndsWhenTheTimeIsUp) {
  FlowCaller c(kReported);
  c.start();
  c.hangs_up();
  c.tell(outcome::Ended{outcome::EndedBy::system, "the time after the call is up"});
  EXPECT_TRUE(c.run().ended());
  EXPECT_THAT(c.log(), HasSubstr("left post hangup   the time after the call is up"));
}

TEST(FlowAfterTheCall, ACallThatNeverBeganHasNoAfterwards) {
  FlowCaller c(kReported);
  c.hangs_up();
  EXPECT_TRUE(c.run().ended());
  EXPECT_TRUE(c.notes.empty());
}

TEST(FlowAfterTheCall, OnlyWhatNeedsNobodyMayFollow) {
  const auto flow = [](const std::string& after) {
    return flow_of(R"("a": {"type": "hangup"}, "b": {"type": )" + after + "}",
                   R"("on_hangup": "b", "variables": {"v": 0})");
  };
  EXPECT_THAT(rules(flow(R"("agent_status", "state": "on_break", "next": "sorry")")), testing::IsEmpty());
  EXPECT_THAT(
      rules(flow(R"("decision", "cases": [{"if": "hangup.by == 'caller'", "next": "sorry"}], "else": "a")")),
      testing::IsEmpty());
  for (const char* node : {R"("play", "say": "x", "next": "a")", R"("wait", "duration": "1s", "next": "a")",
                           R"("transfer", "to": "sip:a@b", "next": "a")", R"("answer", "next": "a")"}) {
    EXPECT_THAT(rules(flow(node)), testing::Contains("needs-caller /nodes/b")) << node;
  }
  // on_error of the flow counts, when an exit falls back on it.
  EXPECT_THAT(rules(R"({"ivr": 1, "id": "t", "start": "a", "on_error": "sorry", "on_hangup": "b", "nodes": {
                        "a": {"type": "hangup"},
                        "b": {"type": "api", "url": "http://x/", "next": "a"},
                        "sorry": {"type": "play", "say": "x", "next": "a", "error": "a"}}})"),
              testing::ElementsAre("needs-caller /nodes/sorry"));
  EXPECT_THAT(rules(flow_of(R"("a": {"type": "hangup"})", R"("on_hangup": "nowhere")")),
              testing::Contains("unknown-target /on_hangup"));
}

TEST(FlowAfterTheCall, WhatTheWayThereHasSetMayBeMissing) {
  EXPECT_THAT(rules(flow_of(
                  R"("a": {"type": "menu", "say": "x", "keys": {"1": "s"}, "invalid": "s", "no_input": "s"},
             "s": {"type": "set", "set": {"rating": 1}, "next": "sorry"},
             "b": {"type": "set", "set": {"copy": "{{rating}}"}, "next": "c"},
             "c": {"type": "hangup"})",
                  R"("on_hangup": "b")")),
              testing::ElementsAre("unset-variable /nodes/b/set"));
}

}  // namespace
}  // namespace ivr

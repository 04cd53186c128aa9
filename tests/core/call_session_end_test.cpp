#include <gtest/gtest.h>

#include "scripted_call.hpp"

// What a script does beside the caller: an agent's state, and what it still wants after the call.

namespace ivr {
namespace {

// Wants one list of things during the call, another after it.
struct GoesOn : Wants {
  GoesOn(std::vector<Intent> during, std::vector<Intent> then)
      : Wants(std::move(during)), after(std::move(then)) {}
  void step(const Outcome& outcome, Time now, ScriptOutput& out) override {
    over |= std::holds_alternative<outcome::Ended>(outcome);
    if (!over) return Wants::step(outcome, now, out);
    told.push_back(outcome);
    if (done < after.size()) out.intent.push_back(after[done++]);
  }
  std::vector<Intent> after;
  std::size_t done = 0;
  bool over = false;
};

class EndTest : public ScriptedCall {
 protected:
  void goes_on(std::vector<Intent> during, std::vector<Intent> after) {
    auto owned = std::make_unique<GoesOn>(std::move(during), std::move(after));
    script = owned.get();
    session = std::make_unique<CallSession>(std::move(owned), CallSessionOptions{});
    step(event::Invited{CallInfo{"c1", Direction::inbound, "alice", "2001", "", "", "", {}}}, 0ms);
    step(event::Established{}, 100ms);
  }
  void hang_up(Millis t) { step(event::LegEnded{0, 0, "BYE", true}, t); }
  static intent::Fetch fetch() {
    return {.request = {.url = "http://crm/", .timeout = 5s}, .filler = say("wait")};
  }
  static event::HttpReplied reply(RequestId request) { return {request, {200, "{}", {}}}; }
};

TEST_F(EndTest, AnAgentsStateIsAskedForAndTold) {
  start(
      {intent::AgentStatus{"ann", AgentState::on_break, "lunch"}, intent::AgentStatus{"", std::nullopt, ""}});
  ASSERT_NE(sent<command::AgentStatus>(), nullptr);
  EXPECT_EQ(sent<command::AgentStatus>()->want.agent, "ann");
  EXPECT_EQ(sent<command::AgentStatus>()->want.reason, "lunch");
  step(event::AgentStatusSet{true, "ann", AgentState::on_break}, 1s);
  const auto& set = std::get<outcome::AgentStatusSet>(script->told[1]);
  EXPECT_TRUE(set.ok);
  EXPECT_EQ(set.agent, "ann");
  EXPECT_EQ(set.state, AgentState::on_break);
  EXPECT_EQ(sent<command::AgentStatus>()->want.state, std::nullopt);
  hang_up(2s);
  EXPECT_TRUE(session->done());
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::caller);
}

TEST_F(EndTest, ATellingThatNobodyWaitsForChangesNothing) {
  start({intent::Wait{5s}});
  step(event::AgentStatusSet{true, "ann"}, 1s);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(script->told.size(), 1u);
}

TEST_F(EndTest, AfterTheCallAScriptMayFetchAndWaitAndSetAState) {
  goes_on({intent::Wait{60s}}, {fetch(), intent::Wait{500ms}, intent::AgentStatus{"ann"}});
  hang_up(1s);
  ASSERT_NE(sent<command::Fetch>(), nullptr);
  EXPECT_FALSE(session->done());
  EXPECT_TRUE(session->lingers());
  step(reply(1), 2s);
  EXPECT_EQ(due(), 2500ms);
  tick();
  ASSERT_NE(sent<command::AgentStatus>(), nullptr);
  step(event::AgentStatusSet{true, "ann"}, 3s);
  EXPECT_TRUE(session->done());
  EXPECT_FALSE(session->deadline());
  EXPECT_EQ(session->summary().ended_by, outcome::EndedBy::caller);
  EXPECT_EQ(script->told.size(), 5u);
}

TEST_F(EndTest, WhenTheScriptHangsUpItGoesOnWhileTheLegGoes) {
  goes_on({intent::Hangup{"rated"}}, {fetch()});
  EXPECT_NE(sent<command::Drop>(), nullptr);
  EXPECT_NE(sent<command::Fetch>(), nullptr);
  step(reply(1), 200ms);
  EXPECT_FALSE(session->done()) << "the leg is still there";
  hang_up(300ms);
  EXPECT_TRUE(session->done());
  EXPECT_EQ(session->summary().reason, "rated");
}

TEST_F(EndTest, TheCallerHearsNoFillerAndTheTimeIsLimited) {
  goes_on({intent::Wait{60s}}, {fetch(), fetch(), fetch(), fetch(), fetch(), fetch(), fetch(), fetch()});
  hang_up(1s);
  int ticks = 0;
  while (session->deadline() && ticks < 100) {
    tick();
    ++ticks;
    EXPECT_EQ(sent<command::Play>(), nullptr);
  }
  EXPECT_EQ(ticks, 5);  // four that time out after six seconds, then the end at thirty-one
  EXPECT_TRUE(session->done());
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::system);
}

TEST_F(EndTest, AnExchangeThatIsUnderWayWhenTheTimeIsUpIsCancelled) {
  auto slow = fetch();
  slow.request.timeout = 60s;
  goes_on({intent::Wait{60s}}, {slow});
  hang_up(1s);
  EXPECT_EQ(due(), 31s);
  tick();
  EXPECT_NE(sent<command::CancelFetch>(), nullptr);
  EXPECT_TRUE(session->done());
}

TEST_F(EndTest, WhatNeedsTheCallerIsNotDoneAndEndsTheScript) {
  for (const Intent& want : {Intent(intent::Play{say("bye")}), Intent(intent::Collect{}),
                             Intent(intent::Hangup{}), Intent(intent::Queue{.queue = "support"})}) {
    goes_on({intent::Wait{60s}}, {want, fetch()});
    hang_up(1s);
    EXPECT_TRUE(out.empty()) << want.index();
    EXPECT_TRUE(session->done()) << want.index();
  }
}

TEST_F(EndTest, AScriptThatNeverStopsWantingIsStopped) {
  goes_on({intent::Wait{60s}}, std::vector<Intent>(5000, intent::Wait{0ms}));
  hang_up(1s);
  EXPECT_TRUE(session->done());
  EXPECT_LE(script->told.size(), 1002u);
}

TEST_F(EndTest, ItHearsOfTheRecordingFirst) {
  goes_on({intent::Record{.beep = false}}, {fetch()});
  hang_up(5s);
  EXPECT_NE(sent<command::StopRecord>(), nullptr);
  EXPECT_EQ(sent<command::Fetch>(), nullptr);
  step(event::RecordEnded{1, "m.wav", 4s, outcome::RecordEnd::failed, {}}, 5100ms);
  EXPECT_NE(sent<command::Fetch>(), nullptr);
  ASSERT_EQ(script->told.size(), 3u);
  EXPECT_EQ(std::get<outcome::Recorded>(script->told[1]).end, outcome::RecordEnd::hangup);
  EXPECT_FALSE(session->done());
  step(reply(1), 6s);
  EXPECT_TRUE(session->done());
}

TEST_F(EndTest, AStopDoesNotCutItShort) {
  goes_on({intent::Wait{60s}}, {fetch()});
  hang_up(1s);
  step(event::Stop{"shutting down"}, 2s);
  EXPECT_TRUE(out.empty());
  EXPECT_FALSE(session->done());
  step(reply(1), 3s);
  EXPECT_TRUE(session->done());
}

TEST_F(EndTest, ACallThatNeverCameUpHasNoAfterwards) {
  auto owned = std::make_unique<GoesOn>(std::vector<Intent>{}, std::vector<Intent>{fetch()});
  script = owned.get();
  session = std::make_unique<CallSession>(std::move(owned), CallSessionOptions{});
  step(event::Invited{CallInfo{"c2", Direction::outbound, "ivr", "bob", "", "sip:bob@b", "", {}}}, 0ms);
  step(event::LegEnded{0, 486, "Busy", true}, 1s);
  EXPECT_EQ(sent<command::Fetch>(), nullptr);
  EXPECT_TRUE(session->done());
}

}  // namespace
}  // namespace ivr

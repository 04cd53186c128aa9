#include "core/router_desk.hpp"

// P-29: steps of a queue that are skipped while nobody could serve in them.

namespace ivr {
namespace {

const std::vector<Unavailable> kAway = {Unavailable::offline, Unavailable::paused, Unavailable::unreachable};

// ann is of the first ring, bob of the second, cid of the third.
QueueOptions three_rings(std::vector<Unavailable> skip_last = {}) {
  return {.id = "q",
          .members = {{"ann", 0}, {"bob", 1}, {"cid", 2}},
          .steps = {{.after = 0ms, .max_penalty = 0, .skip_if = kAway},
                    {.after = 30s, .max_penalty = 1, .skip_if = kAway},
                    {.after = 60s, .max_penalty = 2, .skip_if = std::move(skip_last)}},
          .retry = 0ms};
}

std::vector<acd::Exit> exits(const RouterDesk& desk) {
  std::vector<acd::Exit> all;
  for (const acd::Left& left : desk.got<acd::Left>()) all.push_back(left.exit);
  return all;
}

class RouterSkip : public testing::Test {
 protected:
  RouterSkip() { desk.agents({"ann", "bob", "cid"}); }
  // The first caller talks with the only one who may; the second waits so long for the next.
  void expect_the_second_waits(Millis how_long, const char* offered) {
    desk.join("c1");
    desk.accept(desk.offer());
    desk.join("c2");
    desk.wait(how_long - 1s);
    EXPECT_THAT(desk.offered(), IsEmpty());
    desk.wait(1s);
    EXPECT_THAT(desk.offered(), ElementsAre(offered));
  }
  RouterDesk desk{{.seed = 1, .explain_limit = 16}};
};

TEST_F(RouterSkip, AStepWithoutAnybodyCostsNoWait) {
  desk.queue(three_rings());
  desk.status("ann", AgentState::on_break);
  desk.join("c1");
  EXPECT_THAT(desk.offered(), ElementsAre("c1>bob"));
  const auto decided = desk.got<acd::Decided>();
  ASSERT_THAT(decided, SizeIs(1));
  EXPECT_EQ(decided[0].step, 2);  // before its time
  desk.accept(desk.offer());
  desk.status("bob", AgentState::offline);  // talks on, and takes nobody else
  desk.join("c2");
  EXPECT_THAT(desk.offered(), ElementsAre("c2>cid"));
}

TEST_F(RouterSkip, AStepWithSomebodyBusyIsWaitedIn) {
  desk.queue(three_rings());
  expect_the_second_waits(30s, "c2>bob");  // ann is busy
  const auto decided = desk.got<acd::Decided>();
  ASSERT_THAT(decided, SizeIs(1));
  EXPECT_FALSE(decided[0].step.has_value());  // it was due
}

TEST_F(RouterSkip, WhoWaitsGoesOnWhenTheLastOfTheStepLeaves) {
  desk.queue(three_rings());
  desk.join("c1");
  desk.accept(desk.offer());
  desk.join("c2");
  desk.wait(10s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.status("ann", AgentState::offline);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>bob"));
}

// As it is with Twilio's TaskRouter, where time-outs count from the beginning of the task: a step that was
// skipped does not make the ones after it come sooner.
TEST_F(RouterSkip, TheStepsAfterwardsKeepTheirTimes) {
  desk.queue(three_rings());
  desk.status("ann", AgentState::on_break);
  expect_the_second_waits(60s, "c2>cid");
}

TEST_F(RouterSkip, AStepCountsAgainWhenSomebodyComesBack) {
  desk.queue({.id = "q",
              .members = {{"ann", 0}, {"bob", 1}},
              .steps = {{.after = 0ms, .max_penalty = 0, .skip_if = kAway},
                        {.after = 30s, .min_penalty = 1, .max_penalty = 1}}});
  desk.status("ann", AgentState::on_break);
  desk.status("bob", AgentState::on_break);
  desk.join("c1");
  desk.wait(10s);
  desk.status("ann", AgentState::available);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann"));
}

TEST_F(RouterSkip, PastTheLastStepTheCallerLeavesAndIsToldWhy) {
  desk.queue(three_rings(kAway));
  for (const char* agent : {"ann", "bob", "cid"}) desk.status(agent, AgentState::offline);
  desk.join("c1");
  EXPECT_THAT(exits(desk), ElementsAre(acd::Exit::unavailable));
  const auto decided = desk.got<acd::Decided>();
  ASSERT_THAT(decided, SizeIs(1));
  EXPECT_EQ(decided[0].step, 0);
  Strings reasons;
  for (const auto& c : decided[0].candidates)
    reasons.push_back(c.agent + " " + std::string(to_string(c.why)));
  EXPECT_THAT(reasons, ElementsAre("ann offline", "bob offline", "cid offline"));
}

TEST_F(RouterSkip, ALastStepThatIsNotSkippedIsWaitedIn) {
  desk.queue(three_rings());
  for (const char* agent : {"ann", "bob", "cid"}) desk.status(agent, AgentState::offline);
  desk.join("c1");
  desk.wait(600s);
  EXPECT_THAT(exits(desk), IsEmpty());
  desk.status("cid", AgentState::available);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>cid"));
}

TEST_F(RouterSkip, BeforeTheFirstStepNothingIsSkipped) {
  desk.queue({.id = "q",
              .members = {{"ann", 0}, {"bob", 1}},
              .steps = {{.after = 30s, .min_penalty = 1, .skip_if = kAway}}});
  desk.status("ann", AgentState::offline);
  desk.status("bob", AgentState::offline);
  desk.join("c1");
  desk.wait(29s);
  EXPECT_THAT(exits(desk), IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(exits(desk), ElementsAre(acd::Exit::unavailable));
}

TEST_F(RouterSkip, NobodyIsSentAwayWhileSomebodyRings) {
  std::vector<Unavailable> busy = kAway;
  busy.push_back(Unavailable::ringing);
  busy.push_back(Unavailable::delayed);
  desk.agent({.id = "ann", .reject_delay = 10s});
  desk.queue({.id = "q", .members = {{"ann"}}, .steps = {{.after = 0ms, .skip_if = busy}}, .retry = 0ms});
  desk.join("c1");
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann"));
  EXPECT_THAT(exits(desk), IsEmpty());
  const auto offer = desk.offer();
  desk.join("c2");  // there is nobody for this one
  EXPECT_THAT(exits(desk), ElementsAre(acd::Exit::unavailable));
  desk.refuse(offer);
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Left>()[0].call, "c1");
}

TEST_F(RouterSkip, AnOfferThatTakesTheLastOfARingSendsTheNextCallerToTheNextRing) {
  std::vector<Unavailable> busy = kAway;
  busy.push_back(Unavailable::ringing);
  busy.push_back(Unavailable::in_use);
  desk.queue(
      {.id = "q",
       .members = {{"ann", 0}, {"bob", 1}},
       .steps = {{.after = 0ms, .max_penalty = 0, .skip_if = busy}, {.after = 60s, .max_penalty = 1}}});
  desk.join("c1");
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann"));
  desk.join("c2");
  EXPECT_THAT(desk.offered(), ElementsAre("c2>bob"));
}

TEST_F(RouterSkip, ACallbackIsStillOwed) {
  desk.queue(three_rings(kAway));
  desk.status("bob", AgentState::offline);
  desk.status("cid", AgentState::offline);
  desk.join("c1");
  desk.accept(desk.offer());
  desk.join("c2");
  desk.happen(acd::CallbackRequested{"c2", "+491"});
  desk.status("ann", AgentState::offline);
  desk.wait(3600s);
  EXPECT_THAT(exits(desk), IsEmpty());
  EXPECT_TRUE(desk.router.owes_callback("c2"));
  desk.status("cid", AgentState::available);
  EXPECT_THAT(desk.got<acd::DialCallback>(), SizeIs(1));
}

TEST_F(RouterSkip, WhoCannotServeDoesNotCount) {
  desk.agent({.id = "dot", .skills = {{"fr", 3}}, .capacity = {{"chat", 3}}});
  desk.agent({.id = "eve", .skills = {{"fr", 3}}});
  desk.queue({.id = "q",
              .members = {{"ann", 0}, {"dot", 0}, {"zoe", 0}, {"eve", 1}},  // zoe is no agent
              .steps = {{.after = 0ms, .max_penalty = 0, .required = {{{"fr", 1}}}, .skip_if = kAway},
                        {.after = 60s, .max_penalty = 1}}});
  desk.join("c1");  // ann speaks no French, dot takes no voice
  EXPECT_THAT(desk.offered(), ElementsAre("c1>eve"));
  desk.join({.call = "c2", .queue = "q", .channel = "chat"});
  EXPECT_THAT(desk.offered(), ElementsAre("c2>dot"));
}

TEST_F(RouterSkip, WhoAskedForOneAgentWaitsForThatOne) {
  desk.queue(three_rings(kAway));
  for (const char* agent : {"ann", "bob", "cid"}) desk.status(agent, AgentState::on_break);
  desk.join({.call = "c1", .queue = "q", .agent = "bob", .direct = true});
  desk.wait(100s);
  EXPECT_THAT(exits(desk), IsEmpty());
  desk.status("bob", AgentState::available);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>bob"));
}

TEST_F(RouterSkip, IsTheSameAfterARestore) {
  desk.queue(three_rings(kAway));
  desk.status("ann", AgentState::on_break);
  desk.join("c1");
  desk.accept(desk.offer());  // bob
  desk.join("c2");
  auto restored = Router::restore(desk.router.save());
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->save(), desk.router.save());
  desk.router = *std::move(restored);
  const auto explained = desk.router.explain("c2", desk.now);
  ASSERT_TRUE(explained.has_value());
  EXPECT_EQ(explained->step, 2);
  desk.status("bob", AgentState::offline);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>cid"));
}

TEST_F(RouterSkip, OfWhatIsNoStateOfAnAgentIsAnError) {
  for (const Unavailable why : {Unavailable::penalty, Unavailable::unskilled, Unavailable::tried}) {
    const auto status = Router::check(QueueOptions{.id = "q", .steps = {{.after = 5s, .skip_if = {why}}}});
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()),
                testing::AllOf(testing::HasSubstr("queue 'q': step after 5000 ms"),
                               testing::HasSubstr("'" + std::string(to_string(why)) + "'")));
  }
}

}  // namespace
}  // namespace ivr

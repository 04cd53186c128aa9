#include "core/router_desk.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

TEST(Router, OffersAFreeAgentAndConnectsThePair) {
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q", .members = {{"ann"}}, .wrap_up = 10s});
  desk.join("c1");
  ASSERT_THAT(desk.offered(), ElementsAre("c1>ann"));
  const acd::Offer offer = desk.offer();
  EXPECT_EQ(offer.ring_limit, 30s);
  desk.wait(4s);
  desk.accept(offer);
  const auto connect = desk.got<acd::Connect>();
  ASSERT_THAT(connect, SizeIs(1));
  EXPECT_EQ(connect[0].agent, "ann");
  EXPECT_EQ(connect[0].waited, 4s);
  EXPECT_EQ(desk.got<acd::AgentChanged>().at(0).state, AgentState::on_call);
  desk.wait(60s);
  desk.end(offer);
  const auto left = desk.got<acd::Left>();
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left[0].exit, acd::Exit::served);
  EXPECT_EQ(left[0].talked, 60s);
  EXPECT_EQ(left[0].waited, 4s);
  EXPECT_EQ(desk.view_agent("ann").state, AgentState::wrap_up);
  desk.wait(10s);
  EXPECT_EQ(desk.view_agent("ann").state, AgentState::available);
}

TEST(Router, AFreedAgentGetsTheHeadOfTheQueueInTheSameStep) {  // S2-09
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q", .members = {{"ann"}}});
  desk.join("c1");
  const acd::Offer first = desk.offer();
  desk.accept(first);
  desk.join("c2");
  desk.join("c3");
  EXPECT_EQ(desk.router.position("c2"), 1);
  EXPECT_EQ(desk.router.position("c3"), 2);
  desk.end(first);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>ann"));
}

TEST(Router, WrapUpEndsWithTimeOrWhenTheAgentSaysSo) {  // P-21
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q", .members = {{"ann"}}, .wrap_up = 20s});
  desk.join("c1");
  desk.talk(desk.offer());
  desk.join("c2");
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(19s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(1s);
  ASSERT_THAT(desk.offered(), ElementsAre("c2>ann"));
  desk.talk(desk.offer());
  desk.join("c3");
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.status("ann", AgentState::available);
  EXPECT_THAT(desk.offered(), ElementsAre("c3>ann"));
}

TEST(Router, AnAgentsOwnWrapUpStandsInPlaceOfTheQueues) {
  RouterDesk desk;
  desk.agent({.id = "ann", .wrap_up = 0ms});
  desk.queue({.id = "q", .members = {{"ann"}}, .wrap_up = 20s});
  desk.join("c1");
  desk.talk(desk.offer());
  EXPECT_EQ(desk.view_agent("ann").state, AgentState::available);
}

TEST(Router, SequentialTriesInListOrderAndGoesOnAfterNoAnswerAndBusy) {  // S0-12
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue(
      {.id = "q", .strategy = "sequential", .members = {{"cid"}, {"ann"}, {"bob"}}, .ring_limit = 15s});
  desk.join("c1");
  ASSERT_THAT(desk.offered(), ElementsAre("c1>cid"));
  desk.wait(15s);
  EXPECT_EQ(desk.got<acd::Withdraw>().at(0).why, "time-out");
  EXPECT_THAT(desk.offered(), IsEmpty());  // `retry` first
  desk.wait(1s);
  ASSERT_THAT(desk.offered(), ElementsAre("c1>ann"));
  desk.refuse(desk.offer(), acd::Refused::Why::busy);
  desk.wait(1s);
  ASSERT_THAT(desk.offered(), ElementsAre("c1>bob"));
  desk.refuse(desk.offer());
  desk.wait(1s);
  ASSERT_THAT(desk.offered(), ElementsAre("c1>cid"));  // all were tried: a new round
  desk.accept(desk.offer());
  EXPECT_EQ(desk.got<acd::Connect>().at(0).tried, (Strings{"cid", "ann", "bob"}));
}

TEST(Router, RoundRobinGivesEachTheSameAndGoesOnAfterARestart) {  // S0-13
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q", .strategy = "round_robin", .members = {{"ann"}, {"bob"}, {"cid"}}});
  Strings served;
  for (int i = 0; i < 7; ++i) {
    desk.join("c" + std::to_string(i));
    served.push_back(desk.offer().agent);
    desk.talk(desk.offer(), 1s);
    if (i == 3) {
      auto again = Router::restore(desk.router.save());
      ASSERT_TRUE(again.ok()) << again.status();
      desk.router = *std::move(again);
    }
  }
  EXPECT_THAT(served, ElementsAre("ann", "bob", "cid", "ann", "bob", "cid", "ann"));
}

TEST(Router, LongestIdleTakesWhoEndedFirstAndTiesGoByTheList) {  // S0-14
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q", .strategy = "longest_idle", .members = {{"bob"}, {"ann"}, {"cid"}}});
  for (const char* expected : {"bob", "ann", "cid", "bob", "ann"}) {
    desk.join("c");
    EXPECT_EQ(desk.offer().agent, expected);
    desk.talk(desk.offer(), 5s);
  }
}

TEST(Router, ACallerWhoHangsUpIsNotRungForAnyMore) {
  RouterDesk desk;
  desk.agents({"ann"});
  desk.queue({.id = "q", .members = {{"ann"}}});
  desk.join("c1");
  const acd::Offer offer = desk.offer();
  desk.wait(7s);
  desk.hang_up("c1");
  EXPECT_EQ(desk.got<acd::Withdraw>().at(0).why, "caller left");
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::abandoned);
  desk.accept(offer);  // it crossed
  EXPECT_THAT(desk.out, IsEmpty());
  desk.join("c2");
  EXPECT_THAT(desk.offered(), ElementsAre("c2>ann"));
}

TEST(Router, LimitsOfSizeAndWaitEndOnTime) {  // S4-43, S2-08
  RouterDesk desk;
  desk.queue({.id = "q", .members = {{"nobody"}}, .max_size = 2, .max_wait = 600s});
  desk.join("c1");
  desk.wait(1s);
  desk.join("c2");
  desk.join("c3");
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Left>()[0].exit, acd::Exit::full);
  desk.wait(598s);
  EXPECT_THAT(desk.got<acd::Left>(), IsEmpty());
  desk.wait(1s);
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Left>()[0].exit, acd::Exit::timeout);
  EXPECT_EQ(desk.got<acd::Left>()[0].call, "c1");
  EXPECT_EQ(desk.got<acd::Left>()[0].waited, 600s);
  EXPECT_EQ(desk.view().overflowed, 1);
  EXPECT_EQ(desk.view().timed_out, 1);
}

TEST(Router, AnUnknownQueueIsLeftAsUnavailable) {
  RouterDesk desk;
  desk.join("c1", "nowhere");
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Left>()[0].exit, acd::Exit::unavailable);
}

TEST(Router, StatusCountsForTheVeryNextDecision) {  // S0-22, S4-18
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "sequential", .members = {{"ann"}, {"bob"}}});
  desk.status("ann", AgentState::on_break);
  EXPECT_EQ(desk.got<acd::AgentChanged>().at(0).state, AgentState::on_break);
  desk.join("c1");
  EXPECT_THAT(desk.offered(), ElementsAre("c1>bob"));
  desk.status("bob", AgentState::offline);  // while it rings there
  EXPECT_EQ(desk.got<acd::Withdraw>().at(0).why, "agent away");
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.status("ann", AgentState::available);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann"));
}

TEST(Router, CapacityIsCountedByChannel) {  // P-23
  RouterDesk desk;
  desk.agent({.id = "ann", .capacity = {{"voice", 1}, {"chat", 2}}});
  desk.queue({.id = "q", .members = {{"ann"}}});
  desk.join("v1");
  desk.accept(desk.offer());
  desk.join("v2");
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.join({.call = "t1", .queue = "q", .channel = "chat"});
  ASSERT_THAT(desk.offered(), ElementsAre("t1>ann"));
  desk.accept(desk.offer());
  desk.join({.call = "t2", .queue = "q", .channel = "chat"});
  ASSERT_THAT(desk.offered(), ElementsAre("t2>ann"));
  desk.accept(desk.offer());
  desk.join({.call = "t3", .queue = "q", .channel = "chat"});
  EXPECT_THAT(desk.offered(), IsEmpty());
  EXPECT_EQ(desk.view_agent("ann").contacts, 3);
}

TEST(Router, AStrategyThatNobodyKnowsIsRefused) {
  EXPECT_TRUE(Router::check(QueueOptions{.id = "q", .strategy = "round-robin"}).ok());
  const absl::Status status = Router::check(QueueOptions{.id = "q", .strategy = "robin"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("queue 'q': strategy 'robin' is unknown"));
}

TEST(Router, EventsAreReadBackAsTheyWereWritten) {
  const acd::Event events[] = {
      acd::AgentSet{{.id = "ann", .skills = {{"fr", 3}}, .wrap_up = 5s, .after_misses = AgentState::offline}},
      acd::QueueSet{{.id = "q",
                     .members = {{"ann", 1, 2}},
                     .steps = {{.after = 30s, .max_penalty = 3, .required = {{{"fr", 1}}}}},
                     .join_empty = {Unavailable::offline}}},
      acd::QueueSet{
          {.id = "q", .steps = {{.after = 30s, .required = *SkillExpression::parse("fr or not 'x y'")}}}},
      acd::Join{.call = "c1", .queue = "q", .required = {{"fr", 2}}, .direct = true},
      acd::Join{.call = "c1", .queue = "q", .required = *SkillExpression::parse("fr > 2 and it < 4")},
      acd::Refused{7, acd::Refused::Why::busy},
      acd::Tick{}};
  for (const acd::Event& event : events) {
    const std::string json = to_json(event);
    const auto again = acd::event_from_json(json);
    ASSERT_TRUE(again.ok()) << json << ": " << again.status();
    EXPECT_EQ(to_json(*again), json);
  }
  EXPECT_EQ(to_json(acd::Event(acd::Refused{7, acd::Refused::Why::busy})),
            R"({"type":"refused","offer":7,"why":"busy"})");
  EXPECT_THAT(to_json(events[4]), HasSubstr(R"("required":"fr >= 3 and it < 4","preferred":[])"));
  EXPECT_THAT(to_json(events[3]), HasSubstr(R"("required":[{"name":"fr","level":2}],"preferred":[])"))
      << "a list is written as ever";
  const auto join = acd::event_from_json(R"({"type":"join","call":"c1","queue":"q","required":"fr and"})");
  EXPECT_EQ(join.status().message(), "/required: at character 7: expected a skill, found the end");
  for (const char* bad : {"", "[]", "{}", R"({"type":"jion"})", R"({"type":"join","call":7})",
                          R"({"type":"join","cal":"c1"})", R"({"type":"refused","offer":-1})"}) {
    EXPECT_FALSE(acd::event_from_json(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace ivr

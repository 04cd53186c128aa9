#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "core/router_desk.hpp"

// Who waits, in which order, and how long: the rules of a queue.

namespace ivr {
namespace {

// The order in which one agent gets those who wait.
Strings served(RouterDesk& desk, const std::string& agent = "ann") {
  Strings calls;
  desk.status(agent, AgentState::available);
  for (acd::Offer offer = desk.offer(); offer.offer != 0; offer = desk.offer()) {
    calls.push_back(offer.call);
    desk.accept(offer);
    desk.end(offer);
  }
  return calls;
}

TEST(RouterQueue, PriorityGoesFirstAndAgeCatchesUp) {  // P-17, S2-58
  RouterDesk desk;
  desk.agent({.id = "ann"}, false);
  desk.queue({.id = "q", .members = {{"ann"}}, .age_score = 2});
  desk.join("old");
  desk.wait(400s);
  desk.join({.call = "vip", .queue = "q", .priority = 1});
  desk.join("new");
  desk.wait(101s);
  desk.join({.call = "late vip", .queue = "q", .priority = 1});  // 501 s x 2 points are more than 1000
  EXPECT_EQ(desk.router.position("vip"), 1);
  EXPECT_EQ(desk.router.position("old"), 2);
  EXPECT_EQ(desk.router.position("late vip"), 3);
  EXPECT_THAT(served(desk), ElementsAre("vip", "old", "late vip", "new"));
}

// S2-58: however many come with a higher priority, nobody is overtaken by one who came later than the age
// bound after him, and who was there before that bound is served first only if his priority is higher.
TEST(RouterQueue, NobodyStarvesPastTheAgeBound) {
  constexpr Millis kBound = 500s;  // 1000 points of a priority / age_score
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q", .members = {{"ann"}}, .age_score = 2});
  desk.join("first");
  acd::Offer talk = desk.offer();
  desk.accept(talk);
  struct Caller {
    Time came{};
    int priority = 0;
  };
  std::map<std::string, Caller> waiting;
  int overtaken = 0;
  for (int i = 0; i == 0 || !waiting.empty(); ++i) {
    for (int n = 2 * i; n < 2 * i + 2 && i < 400; ++n) {  // twice as many as are served, most of a priority
      const std::string call = std::to_string(n);
      waiting[call] = {desk.now, n % 20 == 0 ? 0 : 1 + i % 2};
      desk.join({.call = call, .queue = "q", .priority = waiting[call].priority});
    }
    desk.wait(9s);
    desk.end(talk);
    talk = desk.offer();
    ASSERT_TRUE(waiting.contains(talk.call)) << i;
    const Caller served = waiting[talk.call];
    waiting.erase(talk.call);
    for (const auto& [call, other] : waiting) {
      EXPECT_LE(served.came - other.came, kBound * (served.priority - other.priority))
          << talk.call << " before " << call;
      overtaken += served.came > other.came;
    }
    desk.accept(talk);
  }
  EXPECT_GT(overtaken, 100);
}

TEST(RouterQueue, PositionsAreTheTrueRanks) {  // S0-19
  RouterDesk desk;
  desk.queue({.id = "q", .members = {{"nobody"}}});
  for (const char* call : {"a", "b", "c", "d"}) desk.join(call);
  EXPECT_EQ(desk.got<acd::Joined>().at(0).position, 4);
  desk.hang_up("b");
  EXPECT_EQ(desk.router.position("a"), 1);
  EXPECT_EQ(desk.router.position("b"), 0);
  EXPECT_EQ(desk.router.position("c"), 2);
  EXPECT_EQ(desk.router.position("d"), 3);
}

TEST(RouterQueue, WithAutofillSeveralAreServedAtOnceAndWithoutOnlyTheFirst) {  // P-19
  for (const bool autofill : {true, false}) {
    RouterDesk desk;
    desk.agents({"ann", "bob"});
    desk.queue({.id = "q", .strategy = "sequential", .members = {{"ann"}, {"bob"}}, .autofill = autofill});
    desk.join("c1");
    const acd::Offer first = desk.offer();
    desk.join("c2");
    EXPECT_THAT(desk.offered(), autofill ? Strings{"c2>bob"} : Strings{});
    desk.accept(first);
    EXPECT_THAT(desk.offered(), autofill ? Strings{} : Strings{"c2>bob"});
  }
}

TEST(RouterQueue, TheHeavierQueueGetsTheAgent) {  // P-18
  RouterDesk desk;
  desk.agent({.id = "ann"}, false);
  desk.queue({.id = "light", .members = {{"ann"}}});
  desk.queue({.id = "heavy", .members = {{"ann"}}, .weight = 1});
  desk.join("l1", "light");
  desk.wait(60s);
  desk.join("h1", "heavy");
  desk.join("h2", "heavy");
  EXPECT_THAT(served(desk), ElementsAre("h1", "h2", "l1"));
}

TEST(RouterQueue, OfEqualQueuesTheHigherScoreAndWithTheFlagTheOlder) {  // P-18
  for (const bool flag : {false, true}) {
    RouterDesk desk;
    desk.agent({.id = "ann"}, false);
    desk.queue({.id = "a", .members = {{"ann"}}, .oldest_first = flag});
    desk.queue({.id = "b", .members = {{"ann"}}, .oldest_first = flag});
    desk.join("old", "a");
    desk.wait(60s);
    desk.join({.call = "vip", .queue = "b", .priority = 1});
    EXPECT_THAT(served(desk), flag ? ElementsAre("old", "vip") : ElementsAre("vip", "old"));
  }
}

TEST(RouterQueue, TheHeadIsPassedOverWhileNobodyFreeCanTakeIt) {
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q", .members = {{"ann"}}});
  desk.join({.call = "french", .queue = "q", .required = {{"fr", 1}}});
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.join("c2");
  EXPECT_THAT(desk.offered(), ElementsAre("c2>ann"));
  EXPECT_EQ(desk.router.position("french"), 1);
}

TEST(RouterQueue, DelaysAfterNoAnswerBusyAndReject) {  // P-22
  RouterDesk desk;
  desk.agent({.id = "ann", .no_answer_delay = 10s, .busy_delay = 20s, .reject_delay = 30s});
  desk.queue({.id = "q", .members = {{"ann"}}, .ring_limit = 5s});
  desk.join("c1");
  desk.wait(5s);
  EXPECT_EQ(desk.view_agent("ann").unavailable, Unavailable::delayed);
  desk.wait(9s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(1s);
  ASSERT_THAT(desk.offered(), SizeIs(1));
  desk.refuse(desk.offer(), acd::Refused::Why::busy);
  desk.wait(19s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(1s);
  ASSERT_THAT(desk.offered(), SizeIs(1));
  desk.refuse(desk.offer(), acd::Refused::Why::rejected);
  desk.wait(29s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(desk.offered(), SizeIs(1));
}

TEST(RouterQueue, AnAgentWhoMissesTooManyInARowIsPaused) {  // P-22
  RouterDesk desk;
  desk.agent({.id = "ann", .max_misses = 2});
  desk.queue({.id = "q", .members = {{"ann"}}, .ring_limit = 5s, .retry = 0ms});
  desk.join("c1");
  desk.wait(5s);
  ASSERT_THAT(desk.offered(), SizeIs(1));  // one is no row
  desk.accept(desk.offer());
  const acd::Offer talk =
      std::get<acd::Offer>(*std::find_if(desk.all.rbegin(), desk.all.rend(), [](const auto& c) {
        return std::holds_alternative<acd::Offer>(c);
      }));
  desk.end(talk);
  EXPECT_EQ(desk.view_agent("ann").misses, 0);
  desk.join("c2");
  desk.wait(10s);
  EXPECT_EQ(desk.view_agent("ann").state, AgentState::on_break);
  EXPECT_EQ(desk.view_agent("ann").reason, "missed 2 calls");
  desk.status("ann", AgentState::available);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>ann"));
}

TEST(RouterQueue, ACallOfItsOwnTakesTheAgentFromTheOneThatRings) {
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q", .members = {{"ann"}}});
  desk.join("c1");
  desk.happen(acd::AgentBusy{"ann", "voice", 1});
  EXPECT_EQ(desk.got<acd::Withdraw>().at(0).why, "agent away");
  EXPECT_EQ(desk.view_agent("ann").state, AgentState::on_call);
  desk.happen(acd::AgentBusy{"ann", "voice", -1});
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann"));
}

TEST(RouterQueue, LessCapacityTakesTheRingingCallAwayButNotTheTalk) {
  RouterDesk desk;
  desk.agent({.id = "ann", .capacity = {{"voice", 2}}});
  desk.queue({.id = "q", .members = {{"ann"}}});
  desk.join("c1");
  const acd::Offer talk = desk.offer();
  desk.accept(talk);
  desk.join("c2");
  desk.agent({.id = "ann"});  // one at a time from now on
  EXPECT_THAT(desk.offered(), IsEmpty());
  EXPECT_EQ(desk.view_agent("ann").contacts, 1);
  desk.end(talk);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>ann"));
}

TEST(RouterQueue, AnAgentWithoutAContactIsNotRung) {
  RouterDesk desk;
  desk.happen(acd::AgentSet{{.id = "ann"}});
  desk.status("ann", AgentState::available);
  desk.queue({.id = "q"});
  desk.join("c1");
  EXPECT_THAT(desk.offered(), IsEmpty());
  EXPECT_EQ(desk.view_agent("ann").unavailable, Unavailable::unreachable);
  desk.happen(acd::AgentReachable{"ann", true});
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann"));
}

TEST(RouterQueue, NobodyJoinsAQueueThatIsEmptyByItsRule) {  // P-20
  struct {
    AgentState state;
    std::vector<Unavailable> rule;
    bool refused;
  } const rows[] = {{AgentState::offline, {Unavailable::offline, Unavailable::unknown}, true},
                    {AgentState::offline, {Unavailable::unknown}, false},
                    {AgentState::on_break, {Unavailable::offline, Unavailable::unknown}, false},
                    {AgentState::on_break, {Unavailable::paused, Unavailable::unknown}, true},
                    {AgentState::available, {Unavailable::offline, Unavailable::unknown}, false},
                    {AgentState::available, {Unavailable::unskilled, Unavailable::unknown}, true},
                    {AgentState::offline, {}, false}};
  for (const auto& row : rows) {
    RouterDesk desk;
    desk.agent({.id = "ann"});
    desk.status("ann", row.state);
    desk.queue({.id = "q", .members = {{"ann"}, {"nobody"}}, .join_empty = row.rule});
    desk.join({.call = "c1", .queue = "q", .required = {{"fr", 1}}});
    EXPECT_EQ(desk.got<acd::Left>().size(), row.refused ? 1u : 0u);
    EXPECT_EQ(desk.got<acd::Joined>().size(), row.refused ? 0u : 1u);
  }
}

// P-20: each reason by itself keeps callers out, and lets those go who wait; all others together do neither.
TEST(RouterQueue, EveryReasonWhyNobodyCanBeOfferedMayBeNamed) {
  using Way = std::function<void(RouterDesk&)>;
  const auto join_other = [](RouterDesk& desk) { desk.join("first", "other"); };
  const std::pair<Unavailable, Way> rows[] = {
      {Unavailable::paused, [](RouterDesk& d) { d.status("ann", AgentState::on_break); }},
      {Unavailable::penalty, [](RouterDesk&) {}},
      {Unavailable::in_use,
       [](RouterDesk& d) {
         d.happen(acd::AgentBusy{"ann", "voice", 1});
       }},
      {Unavailable::ringing, join_other},
      {Unavailable::unreachable,
       [](RouterDesk& d) {
         d.happen(acd::AgentReachable{"ann", false});
       }},
      {Unavailable::offline, [](RouterDesk& d) { d.status("ann", AgentState::offline); }},
      {Unavailable::wrap_up,
       [&](RouterDesk& d) {
         join_other(d);
         d.talk(d.offer());
       }},
      {Unavailable::delayed,
       [&](RouterDesk& d) {
         join_other(d);
         d.refuse(d.offer());
         d.hang_up("first");
       }},
      {Unavailable::unskilled, [](RouterDesk&) {}},
      {Unavailable::unknown, [](RouterDesk& d) { d.happen(acd::AgentRemoved{"ann"}); }},
  };
  for (const auto& [why, makes] : rows) {
    std::vector<Unavailable> others;
    for (const auto& [other, unused] : rows) {
      if (other != why) others.push_back(other);
    }
    for (const bool named : {true, false}) {
      SCOPED_TRACE(std::string(to_string(why)) + (named ? " named" : " alone not named"));
      const auto rule = named ? std::vector{why} : others;
      QueueOptions queue{.id = "q", .members = {{"ann"}}};
      if (why == Unavailable::penalty) queue.steps = {{.after = 0ms, .min_penalty = 1}};
      if (why == Unavailable::unskilled) queue.required = {{"fr", 1}};
      RouterDesk desk;
      desk.agent({.id = "ann", .reject_delay = 600s});
      desk.queue({.id = "other", .members = {{"ann"}}, .ring_limit = 600s, .wrap_up = 600s});
      desk.queue(queue);
      makes(desk);
      desk.join("waits");
      ASSERT_THAT(desk.offered(), IsEmpty());
      queue.join_empty = queue.leave_empty = rule;
      desk.queue(queue);
      EXPECT_EQ(desk.got<acd::Left>().size(), named ? 1u : 0u);
      desk.join("comes");
      EXPECT_EQ(desk.got<acd::Left>().size(), named ? 1u : 0u);
      EXPECT_EQ(desk.got<acd::Joined>().size(), named ? 0u : 1u);
    }
  }
}

TEST(RouterQueue, CallersLeaveWhenTheLastAgentDoes) {  // P-20
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .members = {{"ann"}, {"bob"}}, .leave_empty = {Unavailable::offline}});
  desk.join("c1");
  desk.accept(desk.offer());
  desk.status("bob", AgentState::on_break);
  desk.join("c2");
  desk.join("c3");
  desk.status("ann", AgentState::offline);  // still talks to c1
  EXPECT_THAT(desk.got<acd::Left>(), IsEmpty());
  desk.status("bob", AgentState::offline);
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(2));
  EXPECT_EQ(desk.got<acd::Left>()[0].call, "c2");
  EXPECT_EQ(desk.got<acd::Left>()[0].exit, acd::Exit::unavailable);
}

TEST(RouterQueue, OnceMeansThatEachAgentIsTriedOnce) {
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q",
              .strategy = "sequential",
              .members = {{"ann"}, {"bob"}, {"cid"}},
              .retry = 0ms,
              .once = true});
  desk.status("cid", AgentState::on_break);
  desk.join("c1");
  ASSERT_THAT(desk.offered(), ElementsAre("c1>ann"));
  desk.refuse(desk.offer());
  ASSERT_THAT(desk.offered(), ElementsAre("c1>bob"));
  desk.refuse(desk.offer());
  EXPECT_THAT(desk.offered(), IsEmpty());
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Left>()[0].exit, acd::Exit::unavailable);
  EXPECT_EQ(desk.got<acd::Left>()[0].tried, (Strings{"ann", "bob"}));
}

TEST(RouterQueue, OnceWaitsForThoseWhoAreBusy) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue(
      {.id = "q", .strategy = "sequential", .members = {{"ann"}, {"bob"}}, .retry = 0ms, .once = true});
  desk.join("c1");
  const acd::Offer ann = desk.offer();
  desk.accept(ann);
  desk.join("c2");
  desk.refuse(desk.offer());  // bob
  EXPECT_THAT(desk.got<acd::Left>(), IsEmpty());
  desk.join("c3");
  EXPECT_THAT(desk.offered(), ElementsAre("c3>bob"));  // c2 has tried bob, and is passed over
  desk.end(ann);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>ann"));
}

TEST(RouterQueue, AStickyAgentIsWaitedForWhileBusyButNotWhileAway) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "sequential", .members = {{"ann"}, {"bob"}}, .sticky = 30s});
  desk.status("ann", AgentState::on_break);
  desk.join({.call = "c1", .queue = "q", .caller = "100"});
  desk.talk(desk.offer());  // bob
  desk.status("ann", AgentState::available);
  desk.join({.call = "c2", .queue = "q", .caller = "100"});
  ASSERT_THAT(desk.offered(), ElementsAre("c2>bob"));
  const acd::Offer bob = desk.offer();
  desk.accept(bob);
  desk.join({.call = "c3", .queue = "q", .caller = "100"});
  desk.wait(29s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(1s);
  ASSERT_THAT(desk.offered(), ElementsAre("c3>ann"));
  desk.refuse(desk.offer());
  desk.hang_up("c3");
  desk.join({.call = "c4", .queue = "q", .caller = "100"});
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.status("bob", AgentState::offline);
  EXPECT_THAT(desk.offered(), ElementsAre("c4>ann"));
}

TEST(RouterQueue, ADroppedCallerHasTheOldPlaceBackForAWhile) {  // P-24
  for (const Millis away : {59s, 60s}) {
    RouterDesk desk;
    desk.queue({.id = "q", .members = {{"nobody"}}, .resume = 60s});
    desk.join({.call = "a", .queue = "q", .caller = "100"});
    desk.wait(10s);
    desk.join("b");
    desk.hang_up("a");
    desk.wait(away);
    desk.join({.call = "a2", .queue = "q", .caller = "100"});
    const bool resumed = away < 60s;
    EXPECT_EQ(desk.got<acd::Joined>().at(0).resumed, resumed);
    EXPECT_EQ(desk.router.position("a2"), resumed ? 1 : 2);
  }
}

TEST(RouterQueue, MovingKeepsTheAge) {  // P-27
  RouterDesk desk;
  desk.agent({.id = "ann"}, false);
  desk.queue({.id = "q", .members = {{"nobody"}}, .max_wait = 100s});
  desk.queue({.id = "p", .members = {{"ann"}}, .max_wait = 100s});
  desk.join("a", "q");
  const EntryId entry = desk.got<acd::Joined>().at(0).entry;
  desk.wait(90s);
  desk.join("b", "p");
  desk.happen(acd::Move{"a", "p"});
  ASSERT_THAT(desk.got<acd::Joined>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Joined>()[0].entry, entry);
  EXPECT_EQ(desk.got<acd::Joined>()[0].position, 1);
  desk.wait(50s);
  EXPECT_THAT(desk.got<acd::Left>(), IsEmpty());  // max_wait is this queue's
  EXPECT_THAT(served(desk), ElementsAre("a", "b"));
}

TEST(RouterQueue, AgeMayCountFromTheFirstQueueOfTheCall) {
  for (const bool system : {false, true}) {
    RouterDesk desk;
    desk.queue({.id = "q", .members = {{"nobody"}}, .max_wait = 60s});
    desk.queue({.id = "p", .members = {{"nobody"}}, .age_from_system = system});
    desk.join("a", "q");
    desk.wait(30s);
    desk.join("b", "p");
    desk.wait(30s);
    EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::timeout);
    desk.join("a", "p");
    EXPECT_EQ(desk.router.position("a"), system ? 1 : 2);
  }
}

TEST(RouterQueue, KeysAndMovesEndTheWaitInTheirOwnWay) {
  RouterDesk desk;
  desk.queue({.id = "q", .members = {{"nobody"}}});
  desk.join("a");
  desk.happen(acd::Leave{"a", acd::Leave::Why::key});
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::key);
  desk.happen(acd::Leave{"a", acd::Leave::Why::hung_up});
  EXPECT_THAT(desk.out, IsEmpty());
  desk.join("b");
  desk.happen(acd::Leave{"b", acd::Leave::Why::moved});
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::moved);
  EXPECT_EQ(desk.view().abandoned + desk.view().short_abandoned, 0);
}

TEST(RouterQueue, ACallersOwnLimitIsATimeOutAsTheQueuesIs) {  // S4-42, S4-43
  RouterDesk desk;
  desk.queue({.id = "q", .members = {{"nobody"}}, .max_wait = 60s});
  desk.join("a");
  desk.join("b");
  desk.wait(30s);
  desk.happen(acd::Leave{"b", acd::Leave::Why::timeout});
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::timeout);
  EXPECT_EQ(desk.view().timed_out, 1);
  desk.wait(30s);
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::timeout);
  EXPECT_EQ(desk.view().timed_out, 2);
  desk.happen(
      acd::CallbackRequested{"b", "sip:b@127.0.0.1"});  // its place is kept as by a time-out of the queue
  EXPECT_THAT(desk.got<acd::Joined>(), SizeIs(1));
}

TEST(RouterQueue, ARemovedQueueLetsItsCallersGoAndItsTalksGoOn) {
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q", .members = {{"ann"}}});
  desk.join("a");
  const acd::Offer talk = desk.offer();
  desk.accept(talk);
  desk.join("b");
  desk.happen(acd::QueueRemoved{"q"});
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Left>()[0].call, "b");
  EXPECT_EQ(desk.got<acd::Left>()[0].exit, acd::Exit::unavailable);
  desk.end(talk);
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::served);
  EXPECT_THAT(desk.router.queues(desk.now), IsEmpty());
}

TEST(RouterQueue, ARemovedAgentFinishesTheTalkAndIsOfferedNoMore) {
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q"});
  desk.join("a");
  const acd::Offer talk = desk.offer();
  desk.accept(talk);
  desk.happen(acd::AgentRemoved{"ann"});
  desk.join("b");
  desk.end(talk);
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::served);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.agent({.id = "ann"});
  EXPECT_THAT(desk.offered(), ElementsAre("b>ann"));
}

TEST(RouterQueue, AChangedQueueCountsForThoseWhoWaitAlready) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .members = {{"nobody"}}});
  desk.join("a");
  desk.wait(30s);
  desk.queue({.id = "q", .members = {{"bob"}}, .max_wait = 60s});
  EXPECT_THAT(desk.offered(), ElementsAre("a>bob"));
  desk.wait(29s);
  desk.refuse(desk.offer());
  desk.wait(1s);
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::timeout);
}

TEST(RouterQueue, OptionsOutsideTheirLimitsAreRefusedByName) {
  const std::pair<QueueOptions, const char*> rows[] = {
      {{.id = ""}, "a queue needs an id"},
      {{.id = "q", .members = {{"ann"}, {"ann"}}}, "queue 'q': agent 'ann' is a member twice"},
      {{.id = "q", .members = {{"ann", -1}}},
       "queue 'q': penalty of member 'ann' is -1; allowed are 0 and more"},
      {{.id = "q", .required = {{"fr", 6}}},
       "queue 'q': required skill 'fr' has level 6; allowed are 0 to 5"},
      {{.id = "q", .steps = {{.after = 20s}, {.after = 10s}}},
       "queue 'q': step after 10000 ms is out of order"},
      {{.id = "q", .ring_limit = 0ms}, "queue 'q': ring_limit is 0 ms; it is to be longer"},
      {{.id = "q", .max_wait = -1ms}, "queue 'q': max_wait is -1 ms; allowed are 0 to"},
      {{.id = "q", .age_score = -1}, "queue 'q': age_score is -1"},
  };
  for (const auto& [options, message] : rows) {
    EXPECT_THAT(std::string(Router::check(options).message()), ::testing::StartsWith(message));
  }
  EXPECT_THAT(std::string(Router::check(AgentOptions{.id = "ann", .capacity = {{"voice", -1}}}).message()),
              ::testing::StartsWith("agent 'ann': capacity of channel 'voice' is -1; allowed are 0 to 1000"));
}

}  // namespace
}  // namespace ivr

#include "core/router_desk.hpp"

// What callers hear, who is called back, what a restart leaves, and the figures of the day.

namespace ivr {
namespace {

Strings announced(const RouterDesk& desk) {
  Strings lines;
  for (const auto& a : desk.got<acd::Announce>()) {
    std::string line = a.call + ":";
    if (a.message >= 0) line += " message " + std::to_string(a.message);
    if (a.message < 0) line += (a.more_than ? " more than " : " ") + std::to_string(a.position);
    if (a.wait) line += " " + std::to_string(a.wait->count() / 1000) + " s";
    lines.push_back(line);
  }
  return lines;
}

RouterDesk closed_queue(QueueAnnouncements announce) {
  RouterDesk desk;
  desk.queue({.id = "q", .members = {{"nobody"}}, .announce = announce});
  return desk;
}

// --------------------------------------------------------------------------------- announcements: P-25

TEST(RouterAnnounce, PositionFirstAndThenEveryNowAndThen) {
  RouterDesk desk = closed_queue({.first = 5s, .every = 30s});
  desk.join("a");
  desk.wait(4s);
  EXPECT_THAT(announced(desk), IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(announced(desk), ElementsAre("a: 1"));
  desk.wait(29s);
  EXPECT_THAT(announced(desk), IsEmpty());
  desk.wait(31s);
  EXPECT_THAT(announced(desk), ElementsAre("a: 1", "a: 1"));
}

TEST(RouterAnnounce, WithoutAFirstOneItComesAfterTheInterval) {
  RouterDesk desk = closed_queue({.every = 30s});
  desk.join("a");
  desk.wait(29s);
  EXPECT_THAT(announced(desk), IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(announced(desk), ElementsAre("a: 1"));
}

TEST(RouterAnnounce, OnlyWhenThePlaceIsBetter) {
  RouterDesk desk = closed_queue({.every = 30s, .only_when_improved = true});
  desk.join("a");
  desk.join("b");
  desk.hang_up("a");
  desk.join("c");
  desk.wait(30s);
  EXPECT_THAT(announced(desk), ElementsAre("b: 1", "c: 2"));
  desk.wait(30s);
  EXPECT_THAT(announced(desk), IsEmpty());
  desk.hang_up("b");
  desk.wait(30s);
  EXPECT_THAT(announced(desk), ElementsAre("c: 1"));
}

TEST(RouterAnnounce, FarPlacesAreMoreThanSoMany) {
  RouterDesk desk = closed_queue({.every = 30s, .only_when_improved = true, .more_than = 2});
  for (const char* call : {"a", "b", "c", "d"}) desk.join(call);
  desk.wait(30s);
  EXPECT_THAT(announced(desk), ElementsAre("a: 1", "b: 2", "c: more than 2", "d: more than 2"));
  desk.hang_up("a");
  desk.wait(30s);
  EXPECT_THAT(announced(desk), ElementsAre("b: 1", "c: 2"));  // d would hear the same again
}

TEST(RouterAnnounce, NoTwoCloserThanTheMinimum) {
  RouterDesk desk = closed_queue({.every = 30s, .at_least = 20s, .periodic = 30s, .periodic_messages = 2});
  desk.join("a");
  desk.wait(30s);
  EXPECT_THAT(announced(desk), ElementsAre("a: 1"));
  desk.wait(19s);
  EXPECT_THAT(announced(desk), IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(announced(desk), ElementsAre("a: message 0"));
}

TEST(RouterAnnounce, PeriodicMessagesInOrderOrByLot) {
  RouterDesk desk = closed_queue({.periodic = 20s, .periodic_messages = 2});
  desk.join("a");
  desk.wait(60s);
  EXPECT_THAT(announced(desk), ElementsAre("a: message 0", "a: message 1", "a: message 0"));
  RouterDesk lots = closed_queue({.periodic = 20s, .periodic_messages = 2, .periodic_random = true});
  lots.join("a");
  lots.wait(20s * 100);
  int ones = 0;
  for (const auto& a : lots.got<acd::Announce>()) ones += a.message;
  EXPECT_EQ(lots.got<acd::Announce>().size(), 100u);
  EXPECT_NEAR(ones, 50, 20);
}

TEST(RouterAnnounce, TheEstimateIsRoundedUpAndNeverNegative) {  // S0-20
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q",
              .members = {{"ann"}, {"bob"}},
              .wrap_up = 20s,
              .announce = {.every = 15s, .wait_time = true}});
  desk.join("a");
  EXPECT_EQ(desk.router.estimate("a", desk.now), 0ms);
  desk.talk(desk.offer(), 180s);
  desk.wait(20s);
  for (const char* call : {"b", "c"}) {
    desk.join(call);
    desk.accept(desk.offer());
  }
  desk.join("d");
  desk.join("e");
  EXPECT_EQ(desk.router.estimate("d", desk.now), 100s);  // 200 s a caller, two agents
  EXPECT_EQ(desk.router.estimate("e", desk.now), 200s);
  EXPECT_EQ(desk.router.estimate("nobody", desk.now), 0ms);
  desk.wait(15s);
  EXPECT_THAT(announced(desk), ElementsAre("d: 1 120 s", "e: 2 240 s"));
}

// --------------------------------------------------------------------------------- callbacks: S0-21, P-26

struct Callbacks : ::testing::Test {
  Callbacks() {
    desk.agent({.id = "ann"}, false);
    desk.queue(
        {.id = "q", .members = {{"ann"}}, .max_wait = 600s, .callback_tries = 2, .callback_retry = 100s});
    desk.join("a");
    entry = desk.got<acd::Joined>().at(0).entry;
    desk.join("b");
    desk.join("c");
    desk.happen(acd::CallbackRequested{"b", "sip:b@127.0.0.1"});
    desk.hang_up("b");  // the caller's leg
  }
  // ann serves whoever is offered, until a callback is to be dialled.
  acd::DialCallback serve_until_dialled() {
    desk.status("ann", AgentState::available);
    while (desk.got<acd::DialCallback>().empty() && desk.offer().offer != 0) {
      const acd::Offer offer = desk.offer();
      served.push_back(offer.call);
      desk.accept(offer);
      desk.end(offer);
    }
    const auto dials = desk.got<acd::DialCallback>();
    return dials.empty() ? acd::DialCallback{} : dials.front();
  }
  RouterDesk desk;
  EntryId entry = 0;
  Strings served;
};

TEST_F(Callbacks, ThePlaceIsKeptAndTheCallIsMadeWhenItsTurnHasCome) {
  EXPECT_EQ(desk.router.position("c"), 3);  // an honest place
  EXPECT_TRUE(desk.router.owes_callback("b"));
  EXPECT_FALSE(desk.router.owes_callback("c"));
  EXPECT_THAT(desk.got<acd::Left>(), IsEmpty());
  const acd::DialCallback dial = serve_until_dialled();
  EXPECT_EQ(dial.number, "sip:b@127.0.0.1");
  EXPECT_EQ(dial.attempt, 1);
  EXPECT_EQ(desk.router.entry(dial.entry)->attempt, 1);
  EXPECT_THAT(served, ElementsAre("a"));
  ASSERT_THAT(desk.offered(), ElementsAre("c>ann"));  // ann is not kept idle meanwhile
  const acd::Offer c = desk.offer();
  desk.accept(c);
  desk.join("d");
  desk.happen(acd::CallbackDialled{dial.entry, "b2", true});
  EXPECT_EQ(desk.router.position("b2"), 1);
  EXPECT_FALSE(desk.router.owes_callback("b")) << "it has been called";
  desk.end(c);
  ASSERT_THAT(desk.offered(), ElementsAre("b2>ann"));
  desk.talk(desk.offer());
  EXPECT_EQ(desk.got<acd::Left>().at(0).entry, dial.entry);
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::served);
}

TEST_F(Callbacks, NoMoreAreDialledAtOnceThanAgentsAreFree) {  // P-26
  desk.happen(acd::CallbackRequested{"c", "sip:c@127.0.0.1"});
  desk.join("d");
  const acd::DialCallback b = serve_until_dialled();
  ASSERT_THAT(desk.got<acd::DialCallback>(), SizeIs(1));
  ASSERT_THAT(desk.offered(), ElementsAre("d>ann"));  // who is on the line goes on
  const acd::Offer d = desk.offer();
  desk.accept(d);
  desk.happen(acd::CallbackDialled{b.entry, "b2", true});
  EXPECT_THAT(desk.got<acd::DialCallback>(), IsEmpty());
  EXPECT_EQ(desk.router.position("b2"), 1);
  desk.end(d);
  ASSERT_THAT(desk.offered(), ElementsAre("b2>ann"));
  EXPECT_THAT(desk.got<acd::DialCallback>(), IsEmpty());
  desk.talk(desk.offer());
  ASSERT_THAT(desk.got<acd::DialCallback>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::DialCallback>()[0].number, "sip:c@127.0.0.1");
}

TEST_F(Callbacks, ItIsTriedAgainAndThenGivenUp) {
  const acd::DialCallback dial = serve_until_dialled();
  desk.happen(acd::Leave{"c", acd::Leave::Why::hung_up});
  desk.happen(acd::CallbackDialled{dial.entry, "b2", false});
  desk.wait(99s);
  EXPECT_THAT(desk.got<acd::DialCallback>(), IsEmpty());
  desk.wait(1s);
  ASSERT_THAT(desk.got<acd::DialCallback>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::DialCallback>()[0].attempt, 2);
  desk.happen(acd::CallbackDialled{dial.entry, "b3", false});
  ASSERT_THAT(desk.got<acd::Left>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Left>()[0].exit, acd::Exit::callback);
  EXPECT_FALSE(desk.router.owes_callback("b")) << "given up";
  desk.happen(acd::CallbackDialled{dial.entry, "b4", true});
  EXPECT_THAT(desk.out, IsEmpty());
}

TEST_F(Callbacks, ItOutlivesAWaitOfTheQueueAndACrash) {
  desk.wait(700s);
  EXPECT_THAT(desk.got<acd::Left>(), SizeIs(2));  // a and c
  auto again = Router::restore(desk.router.save());
  ASSERT_TRUE(again.ok()) << again.status();
  desk.router = *std::move(again);
  EXPECT_TRUE(desk.router.owes_callback("b"));
  desk.happen(acd::Restarted{});
  EXPECT_THAT(desk.got<acd::Left>(), IsEmpty());
  const acd::DialCallback dial = serve_until_dialled();
  EXPECT_EQ(dial.attempt, 1);
  // The crash while it is dialled: how that went nobody knows, so it is owed still.
  desk.happen(acd::Restarted{});
  ASSERT_THAT(desk.got<acd::DialCallback>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::DialCallback>()[0].attempt, 1);
  desk.happen(acd::CallbackDialled{dial.entry, "b2", true});
  desk.happen(acd::Restarted{});  // answered: owed no more
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::system);
  desk.wait(24h);
  EXPECT_THAT(desk.got<acd::DialCallback>(), IsEmpty());
}

TEST_F(Callbacks, WhoLeftByKeyCanStillAskForOneInTheOldPlace) {
  desk.happen(acd::Leave{"c", acd::Leave::Why::key});
  desk.wait(20s);
  desk.join("d");
  desk.happen(acd::CallbackRequested{"c", "sip:c@127.0.0.1"});
  ASSERT_THAT(desk.got<acd::Joined>(), SizeIs(1));
  EXPECT_TRUE(desk.got<acd::Joined>()[0].resumed);
  EXPECT_EQ(desk.got<acd::Joined>()[0].position, 3);
  EXPECT_EQ(desk.router.position("d"), 4);
  desk.happen(acd::CallbackRequested{"c", "sip:c@127.0.0.1"});  // pressed twice
  EXPECT_THAT(desk.out, IsEmpty());
}

// ------------------------------------------------------------------------------------------- restarts

TEST(RouterRestart, ClosesWhoWaitedAndWhoTalkedAndFreesTheAgents) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "sequential", .members = {{"ann"}, {"bob"}}, .wrap_up = 60s});
  desk.join("talks");
  desk.accept(desk.offer());
  desk.join("rings");
  const acd::Offer ringing = desk.offer();
  desk.join("waits");
  desk.happen(acd::Restarted{});
  Strings left;
  for (const auto& l : desk.got<acd::Left>()) {
    left.push_back(l.call);
    EXPECT_EQ(l.exit, acd::Exit::system);
  }
  EXPECT_THAT(left, ElementsAre("talks", "rings", "waits"));
  desk.accept(ringing);
  EXPECT_THAT(desk.out, IsEmpty());
  EXPECT_EQ(desk.view_agent("ann").state, AgentState::available);
  EXPECT_EQ(desk.view_agent("ann").contacts, 0);
  desk.join("new");
  EXPECT_THAT(desk.offered(), ElementsAre("new>ann"));
}

TEST(RouterRestart, WhatIsRestoredIsWhatWasSaved) {
  RouterDesk desk({.seed = 5, .explain_limit = 4});
  desk.agent({.id = "ann", .skills = {{"fr", 3}}, .capacity = {{"voice", 2}, {"chat", 1}}});
  desk.agents({"bob", "cid"});
  desk.queue({.id = "q",
              .strategy = "random",
              .preferred = {{"fr", 1}},
              .wrap_up = 10s,
              .sticky = 10s,
              .resume = 30s,
              .announce = {.every = 20s, .periodic = 25s, .periodic_messages = 3, .periodic_random = true}});
  for (int i = 0; i < 8; ++i) desk.join({.call = "c" + std::to_string(i), .queue = "q", .caller = "1"});
  desk.join({.call = "c8",
             .queue = "q",
             .caller = "2",
             .required = *SkillExpression::parse("(fr >= 4 or it) and not (x and y)")});
  desk.join(
      {.call = "c9", .queue = "q", .caller = "3", .required = *SkillExpression::parse("not fr and it")});
  desk.wait(21s);
  desk.hang_up("c5");
  desk.hang_up("c9");  // a place with what was asked for
  desk.happen(acd::CallbackRequested{"c6", "sip:c6@127.0.0.1"});
  const std::string saved = desk.router.save();
  auto again = Router::restore(saved);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->save(), saved);
  RouterDesk other;
  other.router = *std::move(again);
  other.now = desk.now;
  for (RouterDesk* each : {&desk, &other}) each->agent({.id = "dot", .skills = {{"it", 2}}});
  for (int i = 0; i < 20; ++i) {
    desk.wait(7s);
    other.wait(7s);
    Strings a, b;
    for (const auto& c : desk.out) a.push_back(to_json(c));
    for (const auto& c : other.out) b.push_back(to_json(c));
    ASSERT_EQ(a, b);
  }
}

TEST(RouterRestart, ASnapshotFromBeforeSkillExpressionsReads) {
  RouterDesk desk;
  desk.agent({.id = "ann", .skills = {{"fr", 3}, {"it", 1}}}, false);
  desk.queue({.id = "q", .required = {{"it", 1}}});
  desk.join({.call = "c", .queue = "q", .required = {{"fr", 2}}});
  const std::string saved = desk.router.save();
  // Then as now: lists by name of a queue, by number of a caller, and nothing else.
  EXPECT_NE(saved.find(R"("required":[{"name":"it","level":1}])"), std::string::npos) << saved;
  EXPECT_NE(saved.find(R"("required":[{"skill":0,"level":2}])"), std::string::npos) << saved;
  EXPECT_EQ(saved.find("conditions"), std::string::npos) << saved;
  auto again = Router::restore(saved);
  ASSERT_TRUE(again.ok()) << again.status();
  desk.router = *std::move(again);
  desk.status("ann", AgentState::available);
  EXPECT_EQ(desk.offer().agent, "ann");
}

TEST(RouterRestart, StateThatContradictsItselfIsRefused) {
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.queue({.id = "q"});
  desk.join("c");
  const std::string saved = desk.router.save();
  const std::pair<const char*, const char*> edits[] = {
      {"\"router\":1", "\"router\":2"},
      {"\"strategy\":\"longest_idle\"", "\"strategy\":\"none\""},
      {"\"queue\":0", "\"queue\":7"},
      {"\"state\":\"offered\"", "\"state\":\"talking\""},
      {"\"channels\":[\"voice\"]", "\"channels\":[]"}};
  for (const auto& [from, to] : edits) {
    std::string bad = saved;
    const std::size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bad.replace(at, std::string(from).size(), to);
    EXPECT_FALSE(Router::restore(bad).ok()) << from;
  }
  EXPECT_FALSE(Router::restore("").ok());
  EXPECT_FALSE(Router::restore("{\"router\":1,\"agents\":{}}").ok());
}

// -------------------------------------------------------------------------------------------- figures

TEST(RouterFigures, ServiceLevelsCountWhatTheyShould) {  // P-28, S4-42
  RouterDesk desk;
  desk.agent({.id = "ann"}, false);
  desk.queue({.id = "q", .members = {{"ann"}}, .max_wait = 100s, .service_level = 20s, .short_abandon = 5s});
  for (const char* call : {"a", "b", "short", "gives up", "times out"}) desk.join(call);
  desk.wait(4s);
  desk.hang_up("short");
  desk.wait(6s);
  desk.hang_up("gives up");
  desk.status("ann", AgentState::available);
  desk.accept(desk.offer());  // a, after 10 s
  const acd::Offer a = {.offer = 1};
  desk.wait(40s);
  EXPECT_EQ(desk.view().waiting, 2);
  EXPECT_EQ(desk.view().talking, 1);
  EXPECT_EQ(desk.view().longest_wait, 50s);
  EXPECT_EQ(desk.view().agents_logged_in, 1);
  EXPECT_EQ(desk.view().agents_available, 0);
  desk.end(a);
  desk.accept(desk.offer());  // b, after 50 s
  desk.wait(50s);             // and the last one has had enough
  const auto view = desk.view();
  EXPECT_EQ(view.joined, 5);
  EXPECT_EQ(view.served, 2);
  EXPECT_EQ(view.abandoned, 1);
  EXPECT_EQ(view.short_abandoned, 1);
  EXPECT_EQ(view.timed_out, 1);
  EXPECT_EQ(view.average_wait, 30s);
  EXPECT_DOUBLE_EQ(view.service_level, 0.5);
  EXPECT_DOUBLE_EQ(view.service_level_2, 0.25);
  desk.wait(24h);
  EXPECT_EQ(desk.view().joined, 0);
  EXPECT_EQ(desk.view().talking, 1);
  EXPECT_DOUBLE_EQ(desk.view().service_level, 1);
}

TEST(RouterFigures, EntriesAreShownInTheOrderInWhichTheyAreServed) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "sequential", .members = {{"ann"}, {"bob"}}});
  desk.join("talks");
  desk.accept(desk.offer());
  desk.join("rings");
  desk.join("waits");
  desk.join({.call = "vip", .queue = "q", .priority = 1});
  Strings lines;
  for (const auto& e : desk.router.entries(desk.now)) {
    lines.push_back(e.call + " " + std::to_string(e.position) + " " + e.agent);
  }
  EXPECT_THAT(lines, ElementsAre("vip 1 ", "rings 2 bob", "waits 3 ", "talks 0 ann"));
  auto again = Router::restore(desk.router.save());
  ASSERT_TRUE(again.ok()) << again.status();
  for (const Router* router : {&desk.router, &*again}) {  // and each is found by its number
    for (const auto& e : router->entries(desk.now)) {
      const auto one = router->entry(e.id);
      ASSERT_TRUE(one.has_value()) << e.call;
      EXPECT_EQ(one->call, e.call);
      EXPECT_EQ(one->agent, e.agent);
      EXPECT_EQ(one->position, e.position);
      EXPECT_EQ(one->queue, "q");
    }
    EXPECT_FALSE(router->entry(99).has_value());
  }
}

}  // namespace
}  // namespace ivr

#include "engine/acd.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

// The router's hands, with telephones of paper: what they dial, join and tell, on a virtual clock.

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Desk : public CallControl {
 public:
  explicit Desk(EngineOptions o = {}, std::optional<Router> kept = {}, bool at_work = true)
      : options(std::move(o)), acd(options, *this) {
    EXPECT_TRUE(acd.start(std::move(kept)).ok());
    if (!at_work) return;
    for (const AgentOptions& agent : options.agents)
      EXPECT_TRUE(acd.set_status(agent.id, AgentState::available, "").ok());
  }

  Time now() const override { return clock; }
  std::string name_call() override { return "leg" + std::to_string(++named); }
  void dial(const std::string& id, Originate request, const std::string& like) override {
    dialled.push_back({id, request.uri, request.from_uri, like});
  }
  void tell_session(const std::string& call, Event event) override { told[call].push_back(std::move(event)); }
  void end(const std::string& call, std::string reason) override { ends.emplace_back(call, reason); }
  void bridge(const std::string& a, const std::string& b, const BridgeOptions&) override {
    bridges.emplace_back(a, b);
  }
  void unbridge(const std::string& a, const std::string& b) override { unbridges.emplace_back(a, b); }
  void notify_refer(const std::string& call, int status) override { notified.emplace_back(call, status); }
  void log(const acd::Event&, const acd::Commands& commands, Time) override {
    all.insert(all.end(), commands.begin(), commands.end());
  }

  void when_kept(std::function<void()> then) override {
    if (slow_disk) return unkept.push_back(std::move(then));
    then();
  }
  CallRecord* record(const std::string& call) override { return &records[call]; }

  void later(Millis by) {
    const Time until = clock + by;
    while (acd.deadline() && *acd.deadline() <= until) {
      clock = std::max(clock, *acd.deadline());
      acd.tick();
    }
    clock = until;
  }
  template <class E>
  const E* last(const std::string& call) const {
    const auto it = told.find(call);
    if (it == told.end()) return nullptr;
    for (auto each = it->second.rbegin(); each != it->second.rend(); ++each) {
      if (const auto* event = std::get_if<E>(&*each)) return event;
    }
    return nullptr;
  }
  Router::AgentView agent(const std::string& id) const {
    const auto views = acd.router().agents(clock);
    const auto it = std::ranges::find(views, id, &Router::AgentView::id);
    return it == views.end() ? Router::AgentView{} : *it;
  }
  // A caller who was offered to somebody that took it; the agent's call.
  std::string talk(const std::string& caller, const std::string& queue = "desk") {
    acd.join(caller, "100", {.queue = queue});
    EXPECT_FALSE(dialled.empty());
    const std::string leg = dialled.back().id;
    acd.serve(leg, "");
    EXPECT_EQ(acd.partner(caller), leg);
    return leg;
  }

  struct Dialled {
    std::string id, uri, from, like;
  };
  EngineOptions options;
  int named = 0;
  Time clock{1'000'000s};
  bool slow_disk = false;
  std::vector<std::function<void()>> unkept;
  std::vector<Dialled> dialled;
  std::map<std::string, std::vector<Event>> told;
  std::vector<std::pair<std::string, std::string>> ends, bridges, unbridges;
  std::vector<std::pair<std::string, int>> notified;
  acd::Commands all;
  std::map<std::string, CallRecord> records;
  Acd acd;
};

AgentOptions fixed(std::string id) { return {.id = id, .uri = "sip:" + id + "@127.0.0.1:7000"}; }

EngineOptions desk(std::vector<AgentOptions> agents, QueueOptions queue = {}) {
  EngineOptions options;
  options.agents = std::move(agents);
  queue.id = "desk";
  options.queues = {std::move(queue)};
  return options;
}

TEST(Acd, DialsTheAgentAsTheCallerAndJoinsThemWhenItTakesTheCall) {
  Desk d(desk({fixed("ann")}));
  d.acd.join("c1", "+4912", {.queue = "desk"});
  ASSERT_THAT(d.dialled, SizeIs(1));
  EXPECT_EQ(d.dialled[0].uri, "sip:ann@127.0.0.1:7000");
  EXPECT_EQ(d.dialled[0].from, "+4912");
  EXPECT_EQ(d.dialled[0].like, "c1");
  EXPECT_THAT(d.bridges, IsEmpty());
  d.acd.ringing(d.dialled[0].id);
  d.clock += 3s;
  d.acd.serve(d.dialled[0].id, "");
  EXPECT_THAT(d.bridges, ElementsAre(std::pair{std::string("c1"), d.dialled[0].id}));
  ASSERT_NE(d.last<event::Bridged>("c1"), nullptr);
  EXPECT_EQ(d.last<event::Bridged>("c1")->agent, "ann");
  EXPECT_EQ(d.last<event::Bridged>("c1")->waited, 3s);
  EXPECT_EQ(d.last<event::Bridged>(d.dialled[0].id)->call, "c1");
  EXPECT_EQ(d.agent("ann").state, AgentState::on_call);
}

TEST(Acd, ShowsTheAgentAnotherNumberWhenTheScriptWantsIt) {
  Desk d(desk({fixed("ann")}));
  d.acd.join("c1", "+4912", {.queue = "desk", .caller_id = "2001"});
  ASSERT_THAT(d.dialled, SizeIs(1));
  EXPECT_EQ(d.dialled[0].from, "2001");
}

TEST(Acd, ABusyAgentIsFollowedByTheNextOne) {
  Desk d(desk({fixed("ann"), fixed("bob")},
              {.strategy = "sequential", .members = {{"ann"}, {"bob"}}, .once = true}));
  d.acd.join("c1", "1", {.queue = "desk"});
  d.acd.ended(d.dialled.at(0).id, 486);
  d.later(2s);
  ASSERT_THAT(d.dialled, SizeIs(2));
  EXPECT_EQ(d.dialled[1].uri, "sip:bob@127.0.0.1:7000");
  d.acd.ended(d.dialled[1].id, 603);
  d.later(2s);
  ASSERT_NE(d.last<event::QueueLeft>("c1"), nullptr);
  EXPECT_EQ(d.last<event::QueueLeft>("c1")->end, outcome::QueueEnd::unavailable);
  EXPECT_THAT(d.last<event::QueueLeft>("c1")->tried, ElementsAre("ann", "bob"));
}

TEST(Acd, OfAllWhoRingTheFirstWinsAndTheOthersAreCancelledEvenInTheSameInstant) {
  Desk d(desk({fixed("ann"), fixed("bob"), fixed("cat")}, {.strategy = "ringall"}));
  d.acd.join("c1", "1", {.queue = "desk"});
  ASSERT_THAT(d.dialled, SizeIs(3));
  d.acd.serve(d.dialled[1].id, "");
  d.acd.serve(d.dialled[0].id, "");  // before its CANCEL is out
  EXPECT_THAT(d.bridges, SizeIs(1));
  EXPECT_EQ(d.acd.partner("c1"), d.dialled[1].id);
  for (const std::size_t loser : {0u, 2u}) {
    EXPECT_TRUE(std::ranges::any_of(d.ends, [&](const auto& e) { return e.first == d.dialled[loser].id; }));
    d.acd.ended(d.dialled[loser].id, 487);
  }
  EXPECT_EQ(d.agent("ann").state, AgentState::available);
  EXPECT_EQ(d.agent("bob").state, AgentState::on_call);
  EXPECT_EQ(d.agent("ann").misses, 0);
}

TEST(Acd, ACallerWhoHangsUpStopsTheRinging) {
  Desk d(desk({fixed("ann")}));
  d.acd.join("c1", "1", {.queue = "desk"});
  d.acd.ended("c1", 0);
  ASSERT_THAT(d.ends, SizeIs(1));
  EXPECT_EQ(d.ends[0].first, d.dialled[0].id);
  d.acd.serve(d.dialled[0].id, "");  // answered in that very moment
  EXPECT_THAT(d.bridges, IsEmpty());
  EXPECT_THAT(d.ends, SizeIs(2));
  EXPECT_EQ(d.agent("ann").state, AgentState::available);
}

TEST(Acd, WhoeverHangsUpTheOtherHearsOfItAndTheAgentWrapsUp) {
  Desk d(desk({fixed("ann")}, {.wrap_up = 10s}));
  std::string leg = d.talk("c1");
  d.clock += 60s;
  d.acd.ended(leg, 0);
  ASSERT_NE(d.last<event::Unbridged>("c1"), nullptr);
  EXPECT_TRUE(d.last<event::Unbridged>("c1")->by_other);
  EXPECT_EQ(d.agent("ann").state, AgentState::wrap_up);
  d.later(10s);
  EXPECT_EQ(d.agent("ann").state, AgentState::available);

  leg = d.talk("c2");
  d.acd.ended("c2", 0);
  EXPECT_TRUE(d.last<event::Unbridged>(leg)->by_other);
  EXPECT_EQ(d.agent("ann").state, AgentState::on_call);  // until its own leg is down
  d.acd.ended(leg, 0);
  EXPECT_EQ(d.agent("ann").state, AgentState::wrap_up);
  EXPECT_EQ(std::ranges::count_if(d.all, [](const auto& c) { return std::holds_alternative<acd::Left>(c); }),
            2);
}

TEST(Acd, AnAgentWithTwoTelephonesIsRungOnBothAndTakesTheCallOnOne) {
  EngineOptions options = desk({{.id = "ann", .user = "1001"}});
  Desk d(options);
  d.acd.join("c1", "1", {.queue = "desk"});
  EXPECT_THAT(d.dialled, IsEmpty());  // nowhere to be reached
  d.acd.registered({"1001", {{.uri = "sip:1001@127.0.0.1:7001"}, {.uri = "sip:1001@127.0.0.1:7002"}}});
  ASSERT_THAT(d.dialled, SizeIs(2));
  d.acd.ended(d.dialled[0].id, 486);  // one is busy: the other still rings
  d.acd.serve(d.dialled[1].id, "");
  EXPECT_EQ(d.acd.partner("c1"), d.dialled[1].id);
  d.acd.registered({"1001", {}});
  d.acd.ended(d.dialled[1].id, 0);
  EXPECT_EQ(d.agent("ann").unavailable, Unavailable::unreachable);
}

TEST(Acd, ABlindTransferSendsTheCallerOnAndTellsTheAgentHowItWent) {
  Desk d(desk({fixed("ann")}));
  const std::string leg = d.talk("c1");
  EXPECT_TRUE(d.acd.referred(leg, "sip:3000@127.0.0.1"));
  EXPECT_EQ(d.last<event::Unbridged>("c1")->target, "sip:3000@127.0.0.1");
  EXPECT_EQ(d.last<event::Unbridged>(leg), nullptr);  // it stays to hear
  d.acd.transferring("c1", 180);
  d.acd.transferring("c1", 486);
  EXPECT_THAT(d.notified, ElementsAre(std::pair{leg, 180}, std::pair{leg, 486}));
  EXPECT_NE(d.last<event::Unbridged>(leg), nullptr);
  d.acd.ended(leg, 0);
  EXPECT_EQ(d.agent("ann").state, AgentState::available);
  EXPECT_FALSE(d.acd.referred("nobody", "sip:x@y"));
}

TEST(Acd, NobodyIsJoinedWithHimself) {
  Desk d(desk({fixed("ann")}));
  const std::string ann = d.talk("c1");
  const auto bridges = d.bridges.size();
  for (const std::string& other : {ann, std::string("c1")}) {
    EXPECT_FALSE(d.acd.join_partners(ann, other)) << other;
    EXPECT_FALSE(d.acd.join_partners("c1", other)) << other;
  }
  EXPECT_EQ(d.acd.partner("c1"), ann);
  EXPECT_EQ(d.bridges.size(), bridges);
  EXPECT_EQ(d.last<event::Unbridged>("c1"), nullptr);
}

TEST(Acd, AnAttendedTransferJoinsTheTwoWhoAreLeft) {
  Desk d(desk({fixed("ann"), fixed("bob")}, {.strategy = "sequential", .members = {{"ann"}, {"bob"}}}));
  const std::string ann = d.talk("c1");
  const std::string bob = d.talk("ann-asks-bob");  // ann's telephone calls in and reaches bob
  EXPECT_TRUE(d.acd.join_partners(ann, "ann-asks-bob"));
  EXPECT_EQ(d.acd.partner("c1"), bob);
  EXPECT_EQ(d.bridges.back(), (std::pair{std::string("c1"), bob}));
  EXPECT_EQ(d.last<event::Bridged>("c1")->agent, "bob");
  EXPECT_NE(d.last<event::Unbridged>(ann), nullptr);
  EXPECT_NE(d.last<event::Unbridged>("ann-asks-bob"), nullptr);
  d.acd.ended(ann, 0);
  EXPECT_EQ(d.agent("ann").state, AgentState::available);
  EXPECT_EQ(d.agent("bob").state, AgentState::on_call);
  d.acd.ended("c1", 0);
  d.acd.ended(bob, 0);
  EXPECT_EQ(d.agent("bob").state, AgentState::available);
}

TEST(Acd, AWarmTransferGoesThroughWhenTheOtherTakesItAndLeavesAllAsItWasWhenNot) {
  Desk d(desk({fixed("ann")}));
  const std::string ann = d.talk("c1");
  EXPECT_FALSE(d.acd.consult("nobody", "sip:3000@127.0.0.1", {}, "1"));
  ASSERT_TRUE(d.acd.consult("c1", "sip:3000@127.0.0.1", {}, "1"));
  EXPECT_TRUE(d.last<event::PeerHeld>("c1")->held);
  d.acd.ended(d.dialled.back().id, 0);  // declines
  EXPECT_FALSE(d.last<event::PeerHeld>("c1")->held);
  EXPECT_EQ(d.acd.partner("c1"), ann);
  EXPECT_EQ(d.last<event::Unbridged>("c1"), nullptr);

  ASSERT_TRUE(d.acd.consult("c1", "sip:3000@127.0.0.1", {}, "1"));
  const std::string other = d.dialled.back().id;
  d.acd.serve(other, "");
  EXPECT_EQ(d.acd.partner("c1"), other);
  EXPECT_NE(d.last<event::Unbridged>(ann), nullptr);
  EXPECT_EQ(d.last<event::Bridged>(other)->call, "c1");
  d.acd.ended(ann, 0);
  EXPECT_EQ(d.agent("ann").state, AgentState::available);
  d.acd.ended(other, 0);
  EXPECT_TRUE(d.last<event::Unbridged>("c1")->by_other);
}

TEST(Acd, ACallerWhoseAgentLeavesEarlyWaitsForTheOneWhoIsAsked) {
  Desk d(desk({fixed("ann")}));
  for (const bool takes : {true, false}) {
    const std::string caller = takes ? "c1" : "c2";
    const std::string ann = d.talk(caller);
    ASSERT_TRUE(d.acd.consult(caller, "sip:3000@127.0.0.1", {}, "1"));
    const std::string other = d.dialled.back().id;
    d.acd.ended(ann, 0);
    EXPECT_EQ(d.agent("ann").state, AgentState::available);
    EXPECT_EQ(d.last<event::Unbridged>(caller), nullptr);
    if (takes) {
      d.acd.serve(other, "");
      EXPECT_EQ(d.acd.partner(caller), other);
    } else {
      d.acd.ended(other, 603);
      EXPECT_NE(d.last<event::Unbridged>(caller), nullptr);  // back to the flow
    }
  }
  ASSERT_TRUE(d.acd.consult("c1", "sip:3000@127.0.0.1", {}, "1"));
  d.acd.ended("c1", 0);
  EXPECT_EQ(d.ends.back().first, d.dialled.back().id);
}

TEST(Acd, AnAgentOnAnOpenLineIsJoinedWithoutRingingAndStays) {
  Desk d(desk({{.id = "ann", .user = "1001", .standby = true}}));
  d.acd.serve("line", "1001");
  EXPECT_EQ(d.agent("ann").state, AgentState::available);
  for (const std::string caller : {"c1", "c2"}) {
    d.acd.join(caller, "1", {.queue = "desk", .accept_keys = caller});
    EXPECT_THAT(d.dialled, IsEmpty());
    EXPECT_EQ(d.acd.partner(caller), "");  // the line may still have to hear something
    ASSERT_NE(d.last<event::Offered>("line"), nullptr);
    EXPECT_EQ(d.last<event::Offered>("line")->accept_keys, caller);
    d.acd.serve("line", "1001");
    EXPECT_EQ(d.acd.partner(caller), "line");
    d.acd.ended(caller, 0);
    EXPECT_EQ(d.acd.partner("line"), "");
    EXPECT_EQ(d.agent("ann").state, AgentState::available);
    d.acd.serve("line", "1001");  // its script waits again
  }
  d.acd.join("c3", "1", {.queue = "desk"});
  d.acd.decline("line");
  EXPECT_EQ(d.acd.partner("c3"), "");
  EXPECT_EQ(d.agent("ann").state, AgentState::available);
  d.later(1s);
  d.acd.serve("line", "1001");  // offered once more, and now it does
  EXPECT_EQ(d.acd.partner("c3"), "line");
  d.acd.ended("c3", 0);
  d.acd.ended("line", 0);
  EXPECT_EQ(d.agent("ann").unavailable, Unavailable::unreachable);
}

TEST(Acd, CallsBackAtTheHeadOfTheQueueAndPutsTheCallerWhereHeStood) {
  Desk d(desk({fixed("ann")}));
  const std::string busy = d.talk("c0");
  d.acd.join("c1", "+4912", {.queue = "desk"});
  d.acd.request_callback("c1", "sip:+4912@127.0.0.1:7009");
  ASSERT_NE(d.last<event::CallbackTaken>("c1"), nullptr);
  EXPECT_TRUE(d.last<event::CallbackTaken>("c1")->taken);
  d.acd.ended("c1", 0);
  d.acd.ended("c0", 0);
  d.acd.ended(busy, 0);
  d.later(1s);
  ASSERT_EQ(d.dialled.back().uri, "sip:+4912@127.0.0.1:7009");
  const std::string back = d.dialled.back().id;
  d.acd.join(back, "+4912", {.queue = "desk"});  // answered: its script waits in the queue
  d.later(1s);
  ASSERT_EQ(d.dialled.back().uri, "sip:ann@127.0.0.1:7000");
  d.acd.serve(d.dialled.back().id, "");
  EXPECT_EQ(d.acd.partner(back), d.dialled.back().id);
}

// A caller who wants to be called back has hung up, and the agent's call that he waited for is about to end.
std::string owe_a_call_back(Desk& d) {
  std::string busy = d.talk("c0");
  d.acd.join("c1", "+4912", {.queue = "desk"});
  d.acd.request_callback("c1", "+4912");
  d.acd.ended("c1", 0);
  d.acd.ended("c0", 0);
  return busy;
}

// A start that does not know of the attempt could not tell that it was answered, and would call again.
TEST(Acd, CallsNobodyBackBeforeTheAttemptIsKept) {
  Desk d(desk({fixed("ann")}));
  const std::string busy = owe_a_call_back(d);
  d.slow_disk = true;
  d.acd.ended(busy, 0);
  d.later(1s);
  EXPECT_EQ(std::ranges::count(d.dialled, "+4912", &Desk::Dialled::uri), 0);
  ASSERT_THAT(d.unkept, SizeIs(1));
  d.unkept[0]();
  EXPECT_EQ(d.dialled.back().uri, "+4912");
}

TEST(Acd, WhoeverIsOwedACallBackIsOwedItStillWhenTheEngineStopsDuringIt) {
  Desk d(desk({fixed("ann")}));
  const std::string busy = owe_a_call_back(d);
  d.acd.ended(busy, 0);
  d.later(1s);
  ASSERT_EQ(d.dialled.back().uri, "+4912");
  const std::size_t dialled = d.dialled.size();
  d.acd.drain();
  d.acd.ended(d.dialled.back().id, 487);
  d.later(1h);
  EXPECT_THAT(d.dialled, SizeIs(dialled));
  auto kept = Router::restore(d.acd.router().save());
  ASSERT_TRUE(kept.ok()) << kept.status();
  Desk next(d.options, *std::move(kept));
  EXPECT_EQ(next.dialled.back().uri, "+4912");
  EXPECT_EQ(next.dialled.back().id, d.dialled.back().id);  // the same attempt
}

TEST(Acd, ATelephoneThatComesBackDoesNotEndABreak) {
  Desk d(desk({{.id = "ann", .user = "1001"}}));
  const sip::Registered there{"1001", {{.uri = "sip:1001@127.0.0.1:7001"}}};
  ASSERT_TRUE(d.acd.set_status("ann", AgentState::on_break, "lunch").ok());
  d.acd.registered(there);
  EXPECT_EQ(d.agent("ann").state, AgentState::on_break);
  ASSERT_TRUE(d.acd.set_status("ann", AgentState::offline, "").ok());
  d.acd.registered({"1001", {}});
  d.acd.registered(there);
  EXPECT_EQ(d.agent("ann").state, AgentState::offline);
  Desk fresh(desk({{.id = "ann", .user = "1001"}}), std::nullopt, false);
  fresh.acd.registered(there);
  EXPECT_EQ(fresh.agent("ann").state, AgentState::available);
}

TEST(Acd, SaysThatNobodyCanBeCalledBackWhoHasNoPlace) {
  Desk d(desk({fixed("ann")}));
  d.acd.request_callback("c1", "+4912");
  ASSERT_NE(d.last<event::CallbackTaken>("c1"), nullptr);
  EXPECT_FALSE(d.last<event::CallbackTaken>("c1")->taken);
}

TEST(Acd, RefusesAQueueThatCannotWork) {
  EngineOptions options = desk({fixed("ann")}, {.strategy = "luck"});
  Desk d(desk({fixed("ann")}));
  Acd acd(options, d);
  const absl::Status started = acd.start(std::nullopt);
  EXPECT_TRUE(absl::IsInvalidArgument(started));
  EXPECT_THAT(std::string(started.message()), testing::HasSubstr("luck"));
}

}  // namespace
}  // namespace ivr

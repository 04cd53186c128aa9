#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/flow_caller.hpp"
#include "ivr/router.hpp"

// The support desk's flow before a real router: callers join, agents are offered to, and each intent gets the
// outcome that an engine would make of the router's commands.

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

AgentOptions agent(const char* id, const char* skill, int level, int capacity) {
  AgentOptions a;
  a.id = id;
  a.uri = std::string("sip:") + id + "@desk";
  a.skills = {{skill, level}};
  a.capacity = {{"voice", capacity}};
  return a;
}

class FlowDesk {
 public:
  FlowDesk() {
    const auto flow = Flow::load(read_text(IVR_SOURCE_DIR "/examples/flows/support_desk.json"));
    EXPECT_TRUE(flow.ok()) << flow.status();
    calendars_ = *flow_calendars(**flow, [](std::string_view) { return absl::FixedTimeZone(3 * 3600); });
    QueueOptions tech;
    tech.id = "tech";
    tech.strategy = "skills_based";
    tech.members = {{"tech1"}, {"tech2"}};
    tech.required = {{"technical", 1}};
    tech.max_size = 2;
    tech.max_wait = 600s;
    tech.announce.every = 30s;
    QueueOptions general;
    general.id = "general";
    general.strategy = "round_robin";
    general.members = {{"general"}};
    general.max_wait = 300s;
    std::vector<QueueOptions> queues = (*flow)->queues();
    queues.push_back(tech);
    queues.push_back(general);
    for (const QueueOptions& q : queues) {
      EXPECT_TRUE(Router::check(q).ok()) << Router::check(q);
      step(acd::QueueSet{q});
    }
    for (const AgentOptions& a : {agent("billing", "billing", 5, 2), agent("tech1", "technical", 4, 3),
                                  agent("tech2", "technical", 1, 2), agent("general", "general", 3, 2)}) {
      step(acd::AgentSet{a});
      step(acd::AgentStatus{a.id, AgentState::available, ""});
    }
  }

  // A caller who takes the keys' way to somebody. The prompts are over at once.
  FlowCaller& call(const std::string& id, const char* keys) {
    auto& c = callers_[id] =
        std::make_unique<FlowCaller>(read_text(IVR_SOURCE_DIR "/examples/flows/support_desk.json"),
                                     FlowRunOptions{.calendars = calendars_});
    c->now = now_;
    c->start({.id = id, .caller = id});
    for (const char* key = keys; *key; ++key) c->press(std::string(1, *key));
    settle(id);
    return *c;
  }

  void until(Time then) {
    while (const auto due = router_.deadline()) {
      if (*due > then) break;
      now_ = *due;
      step(acd::Tick{});
    }
    now_ = then;
    step(acd::Tick{});
  }
  void pass(Millis time) { until(now_ + time); }

  void answer(const std::string& agent) {
    ASSERT_TRUE(ringing.count(agent)) << agent;
    step(acd::Accepted{ringing[agent].offer});
  }
  void refuse(const std::string& agent) {
    ASSERT_TRUE(ringing.count(agent)) << agent;
    const OfferId offer = ringing[agent].offer;
    ringing.erase(agent);
    step(acd::Refused{offer, acd::Refused::Why::rejected});
  }
  void hang_up(const std::string& agent) {
    ASSERT_TRUE(talking.count(agent)) << agent;
    const OfferId offer = talking[agent];
    talking.erase(agent);
    step(acd::TalkEnded{offer});
  }
  void away(const std::string& agent) { step(acd::AgentStatus{agent, AgentState::offline, ""}); }

  FlowCaller& operator[](const std::string& id) { return *callers_[id]; }
  std::vector<std::string> rung() const {
    std::vector<std::string> names;
    for (const auto& [name, offer] : ringing) names.push_back(name);
    return names;
  }

  std::map<std::string, acd::Offer> ringing;  // by agent
  std::map<std::string, OfferId> talking;

 private:
  // Answers what the flow wants until it waits for somebody, or is over.
  void settle(const std::string& id) {
    FlowCaller& c = *callers_[id];
    for (int i = 0; i < 20 && !c.is<intent::Hangup>(); ++i) {
      c.now = now_;
      if (c.is<intent::Play>()) {
        c.played();
      } else if (c.is<intent::Record>()) {
        c.tell(outcome::Recorded{"m.wav", 5s, outcome::RecordEnd::finish_key, '#', ""});
      } else if (c.is<intent::Queue>() && !waiting_.count(id)) {
        const auto& want = c.wants<intent::Queue>();
        waiting_.insert(id);
        step(acd::Join{.call = id,
                       .queue = want.queue,
                       .caller = id,
                       .priority = want.priority,
                       .required = want.required,
                       .preferred = want.preferred,
                       .agent = want.agent,
                       .direct = want.direct});
      } else {
        return;
      }
    }
  }

  void step(const acd::Event& event) {
    acd::Commands out;
    router_.step(event, now_, out);
    for (const acd::Command& command : out) {
      if (const auto* offer = std::get_if<acd::Offer>(&command)) ringing[offer->agent] = *offer;
      if (const auto* withdrawn = std::get_if<acd::Withdraw>(&command))
        std::erase_if(ringing, [&](const auto& r) { return r.second.offer == withdrawn->offer; });
      if (const auto* connect = std::get_if<acd::Connect>(&command))
        ringing.erase(connect->agent), talking[connect->agent] = connect->offer;
      if (const auto* news = std::get_if<acd::Announce>(&command)) {
        callers_[news->call]->now = now_;
        callers_[news->call]->tell(
            outcome::QueueNews{news->position, news->more_than, news->wait, news->message});
      }
      if (const auto* left = std::get_if<acd::Left>(&command)) tell(*left);
    }
  }

  void tell(const acd::Left& left) {
    static const std::map<acd::Exit, outcome::QueueEnd> kEnds = {
        {acd::Exit::served, outcome::QueueEnd::served},
        {acd::Exit::timeout, outcome::QueueEnd::timeout},
        {acd::Exit::full, outcome::QueueEnd::full},
        {acd::Exit::unavailable, outcome::QueueEnd::unavailable}};
    waiting_.erase(left.call);
    callers_[left.call]->now = now_;
    callers_[left.call]->tell(outcome::Queued{.end = kEnds.at(left.exit),
                                              .agent = left.agent,
                                              .tried = left.tried,
                                              .waited = left.waited,
                                              .talked = left.talked});
    settle(left.call);
  }

  Router router_;
  CalendarLookup calendars_;
  Time now_{std::chrono::sys_days{std::chrono::year{2026} / 3 / 16} + std::chrono::hours(8)};
  std::map<std::string, std::unique_ptr<FlowCaller>> callers_;
  std::set<std::string> waiting_;
};

TEST(FlowRouter, S0_36_TheBillingAgentRingsForThirtySeconds) {
  FlowDesk desk;
  desk.call("a", "11");
  EXPECT_THAT(desk.rung(), ElementsAre("billing"));
  EXPECT_EQ(desk.ringing["billing"].ring_limit, 30s);
  desk.answer("billing");
  desk.pass(60s);
  desk.hang_up("billing");
  EXPECT_EQ(desk["a"].way(), "welcome:next hours:open menu:1 billing:next goodbye:hangup");

  desk.call("b", "11");
  desk.pass(29s);
  EXPECT_THAT(desk.rung(), ElementsAre("billing"));
  desk.pass(1s);
  EXPECT_THAT(desk.rung(), IsEmpty());
  EXPECT_EQ(
      desk["b"].way(),
      "welcome:next hours:open menu:1 billing:no_answer nobody:next overflow:next overflow_left:hangup");
}

TEST(FlowRouter, ATransferDoesNotWaitForAnAgentWhoIsBusyOrAway) {
  FlowDesk desk;
  for (const char* id : {"a", "b"}) {
    desk.call(id, "11");
    desk.answer("billing");
  }
  desk.call("c", "11");
  EXPECT_EQ(desk["c"].way(),
            "welcome:next hours:open menu:1 billing:busy nobody:next overflow:next overflow_left:hangup")
      << "two calls at once are all that billing takes";
  FlowDesk empty;
  empty.away("billing");
  empty.call("a", "11");
  EXPECT_THAT(empty["a"].way(), testing::HasSubstr("billing:busy"));
}

TEST(FlowRouter, S0_37_ATechnicianTakesTheTechnicalQueue) {
  FlowDesk desk;
  desk.call("a", "12");
  EXPECT_THAT(desk.rung(), ElementsAre("tech1")) << "the better level first";
  desk.refuse("tech1");
  desk.pass(2s);
  ASSERT_EQ(desk.rung().size(), 1u);
  desk.answer(desk.rung()[0]);
  desk.pass(30s);
  desk.hang_up(desk.talking.begin()->first);
  EXPECT_EQ(desk["a"].way(), "welcome:next hours:open menu:2 tech:next goodbye:hangup");
}

TEST(FlowRouter, S0_42_AFullQueueAndALongWaitGoToTheOverflowVoicemail) {
  FlowDesk desk;
  desk.away("tech1");
  desk.away("tech2");
  desk.call("a", "12");
  desk.call("b", "12");
  desk.call("c", "12");
  EXPECT_EQ(desk["c"].way(), "welcome:next hours:open menu:2 tech:full overflow:next overflow_left:hangup");
  desk.pass(31s);
  EXPECT_THAT(desk["b"].hears(), testing::HasSubstr("You are number|two"));
  desk.pass(600s);
  EXPECT_EQ(desk["a"].way(),
            "welcome:next hours:open menu:2 tech:timeout overflow:next overflow_left:hangup");
}

TEST(FlowRouter, S0_38_TheGeneralAgentTakesTheGeneralQueue) {
  FlowDesk desk;
  desk.call("a", "13");
  EXPECT_THAT(desk.rung(), ElementsAre("general"));
  desk.answer("general");
  desk.hang_up("general");
  EXPECT_EQ(desk["a"].way(), "welcome:next hours:open menu:3 general:next goodbye:hangup");
}

TEST(FlowRouter, S0_39_TheLongestIdleOfAllFourRings) {
  FlowDesk desk;
  // Each serves once, in an order of the test's; then they ring in just that order.
  const std::pair<const char*, const char*> calls[] = {{"tech1", "12"}, {"general", "13"}, {"billing", "11"}};
  for (const auto& [name, keys] : calls) {
    desk.call(std::string("to ") + name, keys);
    desk.answer(name);
    desk.pass(10s);
    desk.hang_up(name);
    desk.pass(10s);
  }
  for (const std::string expected : {"tech2", "tech1", "general", "billing"}) {
    desk.call("for " + expected, "19");
    ASSERT_THAT(desk.rung(), ElementsAre(expected));
    desk.answer(expected);
    desk.pass(10s);
    desk.hang_up(expected);
    EXPECT_EQ(desk["for " + expected].way(), "welcome:next hours:open menu:9 direct:next goodbye:hangup");
    desk.pass(1s);
  }
}

TEST(FlowRouter, S0_12_WhoDoesNotAnswerIsFollowedByTheNextAndNobodyIsRungTwice) {
  FlowDesk desk;
  desk.call("a", "19");
  std::vector<std::string> order;
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(desk.rung().size(), 1u);
    order.push_back(desk.rung()[0]);
    desk.refuse(order.back());
  }
  EXPECT_THAT(order, testing::UnorderedElementsAre("billing", "tech1", "tech2", "general"));
  EXPECT_THAT(desk.rung(), IsEmpty());
  EXPECT_EQ(desk["a"].way(),
            "welcome:next hours:open menu:9 direct:no_answer nobody:next overflow:next overflow_left:hangup");
}

}  // namespace
}  // namespace ivr

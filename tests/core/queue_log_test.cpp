#include "ivr/queue_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router_desk.hpp"

// P-69: the lines that a queue's life becomes, verb by verb. router_property_test counts them again over
// thousands of random lives.

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A desk whose every step goes into the log too.
class LoggedDesk {
 public:
  explicit LoggedDesk(QueueOptions queue = {.id = "q", .members = {{"amal"}, {"bob"}}, .ring_limit = 10s}) {
    happen(acd::QueueSet{std::move(queue)});
    for (const char* id : {"amal", "bob"}) happen(acd::AgentSet{{.id = id, .uri = "sip:x@h"}});
    lines.clear();
  }

  void happen(const acd::Event& event) {
    acd::Commands out;
    router.step(event, now, out);
    take(out);
    log.step(event, out, now,
             [this](const QueueLog::Line& line) { lines.push_back(line.text().substr(11)); });
  }
  void wait(Millis t) {
    const Time end = now + t;
    for (auto due = router.deadline(); due && *due <= end; due = router.deadline()) {
      now = std::max(now, *due);
      happen(acd::Tick{});
    }
    now = end;
  }
  void join(const std::string& call) { happen(acd::Join{.call = call, .queue = "q", .caller = "+1" + call}); }
  void available(const std::string& agent) { happen(acd::AgentStatus{agent, AgentState::available, ""}); }
  std::vector<std::string> said() { return std::exchange(lines, {}); }

  Router router{{.seed = 1, .explain_limit = 0}};
  QueueLog log;
  Time now = Time(1'763'719'200s);
  OfferId offer = 0;
  EntryId dialled = 0;
  std::vector<std::string> lines;  // without the instant

 private:
  void take(const acd::Commands& out) {
    for (const acd::Command& command : out) {
      if (const auto* c = std::get_if<acd::Offer>(&command)) offer = c->offer;
      if (const auto* c = std::get_if<acd::DialCallback>(&command)) dialled = c->entry;
    }
  }
};

TEST(QueueLog, P_69_AServedCallerEntersIsConnectedAndCompletes) {
  using By = acd::TalkEnded::By;
  struct Row {
    By by;
    const char* target;
    const char* last;
  };
  for (const Row& row : {Row{By::caller, "", "c1|q|amal|COMPLETECALLER|7|90|1"},
                         Row{By::unknown, "", "c1|q|amal|COMPLETECALLER|7|90|1"},
                         Row{By::agent, "", "c1|q|amal|COMPLETEAGENT|7|90|1"},
                         Row{By::transfer, "sip:4711@pbx", "c1|q|amal|BLINDTRANSFER|sip:4711@pbx||7|90|1"},
                         Row{By::attended, "", "c1|q|amal|ATTENDEDTRANSFER|BRIDGE||7|90|1"}}) {
    LoggedDesk desk;
    desk.join("c1");
    desk.wait(5s);
    desk.available("amal");
    desk.wait(2s);
    desk.happen(acd::Accepted{desk.offer});
    desk.wait(90s);
    desk.happen(acd::TalkEnded{desk.offer, row.by, row.target});
    EXPECT_THAT(desk.said(), ElementsAre("c1|q|NONE|ENTERQUEUE||+1c1|1", "NONE|NONE|amal|AGENTLOGIN|",
                                         "c1|q|amal|CONNECT|7||2", row.last));
    EXPECT_EQ(desk.log.open(), 0u);
  }
}

TEST(QueueLog, P_69_EveryWayOutHasItsVerbWithWhereTheCallerStood) {
  struct Row {
    acd::Event event;
    const char* line;
  };
  for (const Row& row : {Row{acd::Leave{"c2", acd::Leave::Why::hung_up}, "c2|q|NONE|ABANDON|2|2|3"},
                         Row{acd::Leave{"c2", acd::Leave::Why::key, "9"}, "c2|q|NONE|EXITWITHKEY|9|2|2|3"},
                         Row{acd::Leave{"c2", acd::Leave::Why::moved}, "c2|q|NONE|MOVED||2|2|3"}}) {
    LoggedDesk desk;
    desk.join("c1");
    desk.join("c2");
    desk.wait(3s);
    desk.said();
    desk.happen(row.event);
    EXPECT_THAT(desk.said(), ElementsAre(row.line));
  }
  LoggedDesk limit({.id = "q", .max_size = 1, .max_wait = 20s});
  limit.join("c1");
  limit.join("c2");
  limit.wait(20s);
  EXPECT_THAT(limit.said(), ElementsAre("c1|q|NONE|ENTERQUEUE||+1c1|1", "c2|q|NONE|FULL",
                                        "c1|q|NONE|EXITWITHTIMEOUT|1|1|20"));
  LoggedDesk empty({.id = "q",
                    .members = {{"amal"}},
                    .join_empty = {Unavailable::offline},
                    .leave_empty = {Unavailable::offline}});
  empty.join("c1");
  empty.available("amal");
  empty.happen(acd::AgentBusy{"amal", "voice", 1});
  empty.join("c2");
  empty.wait(4s);
  empty.happen(acd::AgentStatus{"amal", AgentState::offline, ""});
  EXPECT_THAT(empty.said(), ElementsAre("c1|q|NONE|JOINEMPTY", "NONE|NONE|amal|AGENTLOGIN|",
                                        "c2|q|NONE|ENTERQUEUE||+1c2|1", "c2|q|NONE|EXITEMPTY|1|1|4"));
}

TEST(QueueLog, P_69_ACallerWhoStoodBehindOthersHasComeForward) {
  LoggedDesk desk;
  for (const char* call : {"c1", "c2", "c3"}) desk.join(call);
  desk.happen(acd::Leave{"c1", acd::Leave::Why::hung_up});
  desk.happen(acd::Join{.call = "c4", .queue = "q", .caller = "vip", .priority = 5});
  desk.said();
  desk.happen(acd::Leave{"c3", acd::Leave::Why::hung_up});
  EXPECT_THAT(desk.said(), ElementsAre("c3|q|NONE|ABANDON|3|3|0")) << "the important one stands before both";
}

TEST(QueueLog, P_69_AnAgentWhoDoesNotAnswerRingsInVain) {
  LoggedDesk desk;
  desk.available("amal");
  desk.join("c1");
  desk.said();
  desk.wait(1500ms);
  desk.happen(acd::Refused{desk.offer, acd::Refused::Why::busy});
  EXPECT_THAT(desk.said(), ElementsAre("c1|q|amal|RINGNOANSWER|1500"));
  desk.wait(12s);  // offered again after a second, for ten
  EXPECT_THAT(desk.said(), ElementsAre("c1|q|amal|RINGNOANSWER|10000"));
  desk.happen(acd::Leave{"c1", acd::Leave::Why::hung_up});
  EXPECT_THAT(desk.said(), testing::Contains(testing::HasSubstr("c1|q|amal|RINGCANCELED|")));
}

TEST(QueueLog, P_69_AMoveEndsOneStayAndBeginsAnother) {
  LoggedDesk desk;
  desk.happen(acd::QueueSet{{.id = "vip"}});
  desk.join("c1");
  desk.wait(6s);
  desk.said();
  desk.happen(acd::Move{"c1", "vip"});
  desk.happen(acd::Leave{"c1", acd::Leave::Why::hung_up});
  EXPECT_THAT(desk.said(), ElementsAre("c1|q|NONE|MOVED|vip|1|1|6", "c1|vip|NONE|ENTERQUEUE|||1",
                                       testing::StartsWith("c1|vip|NONE|ABANDON|1|1|")));
}

TEST(QueueLog, P_69_MembersAndBreaks) {
  LoggedDesk desk;
  desk.available("amal");
  desk.happen(acd::AgentStatus{"amal", AgentState::on_break, "lunch"});
  desk.happen(acd::QueueSet{{.id = "q", .members = {{"bob"}, {"carol"}}}});
  desk.happen(acd::QueueSet{{.id = "r", .members = {{"amal"}}}});
  desk.available("amal");
  EXPECT_THAT(desk.said(), ElementsAre("NONE|NONE|amal|AGENTLOGIN|", "NONE|q|amal|PAUSE|lunch",
                                       "NONE|NONE|amal|PAUSEALL|lunch", "NONE|q|amal|REMOVEMEMBER|",
                                       "NONE|q|carol|ADDMEMBER|", "NONE|r|amal|ADDMEMBER|PAUSED",
                                       "NONE|r|amal|UNPAUSE|", "NONE|NONE|amal|UNPAUSEALL|"));
}

TEST(QueueLog, P_69_ACallbackIsServedUnderTheCallThatReachedItsCaller) {
  LoggedDesk desk;
  desk.join("c1");
  desk.happen(acd::CallbackRequested{"c1", "+15550100"});
  desk.available("amal");
  ASSERT_NE(desk.dialled, 0u);
  desk.happen(acd::CallbackDialled{desk.dialled, "back1", true});
  desk.happen(acd::Accepted{desk.offer});
  desk.wait(30s);
  desk.happen(acd::TalkEnded{desk.offer, acd::TalkEnded::By::agent});
  EXPECT_THAT(desk.said(), ElementsAre("c1|q|NONE|ENTERQUEUE||+1c1|1", "NONE|NONE|amal|AGENTLOGIN|",
                                       "back1|q|amal|CONNECT|0||0", "back1|q|amal|COMPLETEAGENT|0|30|1"));
}

TEST(QueueLog, P_69_ACrashClosesWhatWasOpen) {
  LoggedDesk desk;
  desk.available("amal");
  desk.join("c1");
  desk.happen(acd::Accepted{desk.offer});
  desk.join("c2");
  desk.said();
  desk.wait(2s);
  desk.happen(acd::Restarted{});
  EXPECT_THAT(desk.said(), testing::UnorderedElementsAre(testing::HasSubstr("c1|q|amal|SYSTEM|"),
                                                         testing::HasSubstr("c2|q|NONE|SYSTEM|")));
  EXPECT_EQ(desk.log.open(), 0u);
}

TEST(QueueLog, P_69_StaysThatWereThereBeforeAreClosedToo) {
  LoggedDesk desk;
  desk.available("amal");
  desk.join("c1");
  desk.happen(acd::Accepted{desk.offer});
  desk.join("c2");
  QueueLog later;
  later.seed({{.id = "q", .members = {{"amal"}, {"bob"}}}}, desk.router.agents(desk.now),
             desk.router.entries(desk.now), desk.now);
  EXPECT_EQ(later.open(), 2u);
  std::swap(desk.log, later);
  desk.said();
  desk.happen(acd::Leave{"c2", acd::Leave::Why::hung_up});
  desk.happen(acd::TalkEnded{desk.offer, acd::TalkEnded::By::agent});
  EXPECT_THAT(desk.said(), ElementsAre("c2|q|NONE|ABANDON|1|1|0", "c1|q|amal|COMPLETEAGENT|0|0|0"));
}

TEST(QueueLog, WhatACallerSendsBreaksNoLine) {
  const QueueLog::Line line{.at = Time(1'763'719'200s),
                            .call = "c\n1",
                            .queue = "",
                            .agent = "a|b",
                            .verb = "ENTERQUEUE",
                            .data = {"", "x|1\r\n1763719200|c|q|NONE|ABANDON", "2"}};
  EXPECT_EQ(line.text(), "1763719200|c 1|NONE|a b|ENTERQUEUE||x 1  1763719200 c q NONE ABANDON|2");
}

}  // namespace
}  // namespace ivr

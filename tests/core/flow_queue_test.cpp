#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"

// Queues, transfers to agents, callbacks and keyword routing as a flow sees them: what it wants of the
// router, what it makes of the answer.

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using End = outcome::QueueEnd;

// A goodbye for each name, with the name as its reason.
std::string ends(std::initializer_list<const char*> names) {
  std::string out;
  for (const std::string name : names)
    out += (out.empty() ? "\"" : ", \"") + name + R"(": {"type": "hangup", "reason": ")" + name + "\"}";
  return out;
}

std::string texts(const Prompts& prompts) {
  std::string out;
  for (const Prompt& p : prompts) out += (out.empty() ? "" : "|") + p.value;
  return out;
}

const std::string kQueue = flow_of(
    R"("a": {"type": "queue", "queue": "tech",
             "say": {"en": "Please hold.", "ar": "لحظة."},
             "hold": {"file": "music.wav"},
             "position_say": {"en": ["You are number", {"number": "{{queue.position}}"}], "ar": ["رقمك", {"number": "{{queue.position}}"}]},
             "more_than_say": {"en": ["More than", {"number": "{{queue.position}}"}], "ar": ["أكثر من", {"number": "{{queue.position}}"}]},
             "wait_say": {"en": ["About", {"number": "{{queue.wait_minutes}}"}, "minutes"], "ar": ["حوالي", {"number": "{{queue.wait_minutes}}"}]},
             "messages": [{"en": "First.", "ar": "أولا."}, {"en": "Second.", "ar": "ثانيا."}],
             "priority": "{{tier * 10}}", "skills": {"technical": 3}, "preferred": ["lang_{{language}}"],
             "agent": "{{manager}}", "max_talk": "1h", "max_wait": "10m", "record": true, "pass_digits": false,
             "whisper": {"en": "Caller {{call.caller}}", "ar": "{{call.caller}}"}, "accept_keys": "1#", "caller_id": "2001",
             "keys": {"1": "one", "#": "hash"},
             "next": "served", "timeout": "late", "full": "full", "unavailable": "nobody", "transfer_failed": "back"},)" +
        ends({"one", "hash", "served", "late", "full", "nobody", "back"}),
    R"("languages": ["en", "ar"], "variables": {"tier": 2, "manager": "amal"})");

TEST(FlowQueue, S0_05_AsksTheRouterForWhatTheNodeSays) {
  FlowCaller c(kQueue);
  c.start();
  const auto& q = c.wants<intent::Queue>();
  EXPECT_EQ(q.queue, "tech");
  EXPECT_EQ(q.priority, 20);
  EXPECT_EQ(q.required, (SkillExpression{Skill{"technical", 3}}));
  EXPECT_THAT(q.preferred, ElementsAre(Skill{"lang_en", 1}));
  EXPECT_EQ(q.agent, "amal");
  EXPECT_FALSE(q.direct);
  EXPECT_EQ(texts(q.say), "Please hold.");
  ASSERT_EQ(q.hold.size(), 1u);
  EXPECT_EQ(q.hold[0].kind, Prompt::Kind::file);
  EXPECT_EQ(q.hold[0].value, "music.wav");
  EXPECT_EQ(q.exit_keys, "1#");
  EXPECT_EQ(texts(q.whisper), "Caller 1001");
  EXPECT_EQ(q.accept_keys, "1#");
  EXPECT_EQ(q.caller_id, "2001");
  EXPECT_TRUE(q.record);
  EXPECT_FALSE(q.pass_digits);
  EXPECT_EQ(q.max_talk, 1h);
  EXPECT_EQ(q.max_wait, 10min);
}

TEST(FlowQueue, P_25_AnnouncesInTheLanguageOfTheCallerAndKeepsHimWhereHeIs) {
  struct Row {
    outcome::QueueNews news;
    const char* en;
    const char* ar;
  };
  const Row rows[] = {
      {{.position = 3}, "You are number|three", "رقمك|ثلاثة"},
      {{.position = 10, .more_than = true}, "More than|ten", "أكثر من|عشرة"},
      {{.position = 1, .wait = 90s}, "You are number|one|About|two|minutes", "رقمك|واحد|حوالي|اثنان"},
      {{.wait = 60s}, "About|one|minutes", "حوالي|واحد"},
      {{.message = 0}, "First.", "أولا."},
      {{.message = 1}, "Second.", "ثانيا."},
      {{.message = 2}, "First.", "أولا."},  // the site has more than the flow
  };
  for (const std::string language : {"en", "ar"}) {
    FlowCaller c(kQueue);
    c.start({.id = "1", .caller = "1001", .language = language});
    for (const Row& row : rows) {
      c.tell(row.news);
      EXPECT_EQ(c.hears(), language == "en" ? row.en : row.ar);
      const auto& q = c.wants<intent::Queue>();
      EXPECT_EQ(q.queue, "tech");
      EXPECT_EQ(texts(q.hold), "music.wav");
      for (const Prompt& p : q.say) EXPECT_EQ(p.language, language);
    }
    EXPECT_EQ(c.run().node(), "a");
    EXPECT_THAT(c.way(), IsEmpty());
  }
}

TEST(FlowQueue, AnAnnouncementThatCannotBeSpokenIsLeftOutAndThePlaceIsKept) {
  FlowCaller c(flow_of(
      R"("a": {"type": "queue", "queue": "q", "position_say": {"number": "{{x}}"}, "wait_say": "Soon.", "next": "sorry"})",
      R"("variables": {"x": "many"})"));
  c.start();
  c.tell(outcome::QueueNews{.position = 2, .wait = 30s});
  EXPECT_EQ(c.hears(), "Soon.");
  c.tell(outcome::QueueNews{.position = 2});
  EXPECT_EQ(c.hears(), "");
  EXPECT_TRUE(c.is<intent::Queue>());
  c.tell(outcome::QueueNews{.message = 4});
  EXPECT_TRUE(c.is<intent::Queue>()) << "no messages in the flow";
}

TEST(FlowQueue, S2_08_EveryWayOutOfAQueueHasItsExitAndItsVariables) {
  struct Row {
    outcome::Queued queued;
    const char* reason;
    const char* result;
  };
  const Row rows[] = {
      {{.end = End::served,
        .agent = "bob",
        .tried = {"amal"},
        .waited = 12'600ms,
        .talked = 60s,
        .recording = "r.wav"},
       "served",
       R"({"agent":"bob","waited":12,"tried":["amal"],"recording":"r.wav"})"},
      {{.end = End::timeout, .tried = {"amal", "bob"}, .waited = 600s},
       "late",
       R"({"agent":null,"waited":600,"tried":["amal","bob"],"recording":null})"},
      {{.end = End::full}, "full", R"({"agent":null,"waited":0,"tried":[],"recording":null})"},
      {{.end = End::unavailable}, "nobody", R"({"agent":null,"waited":0,"tried":[],"recording":null})"},
      {{.end = End::key, .waited = 5s, .key = '1'},
       "one",
       R"({"agent":null,"waited":5,"tried":[],"recording":null})"},
      {{.end = End::key, .waited = 5s, .key = '#'},
       "hash",
       R"({"agent":null,"waited":5,"tried":[],"recording":null})"},
      {{.end = End::key, .key = '7'}, "trouble", R"({"agent":null,"waited":0,"tried":[],"recording":null})"},
  };
  for (const Row& row : rows) {
    FlowCaller c(kQueue);
    c.start();
    c.tell(row.queued);
    if (row.reason == std::string("trouble")) c.played();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, row.reason);
    EXPECT_THAT(c.log(), HasSubstr(std::string("queue=") + row.result));
  }
}

TEST(FlowQueue, S2_08_AFullQueueAndALongWaitMayLeadToVoicemailACallbackATransferOrTheEnd) {
  const std::string json = flow_of(
      R"("a": {"type": "menu", "keys": {"1": "q1", "2": "q2", "3": "q3", "4": "q4"}, "invalid": "sorry", "no_input": "sorry"},
         "q1": {"type": "queue", "queue": "q", "next": "sorry", "full": "mail", "timeout": "mail"},
         "q2": {"type": "queue", "queue": "q", "next": "sorry", "full": "back", "timeout": "back"},
         "q3": {"type": "queue", "queue": "q", "next": "sorry", "full": "on", "timeout": "on"},
         "q4": {"type": "queue", "queue": "q", "next": "sorry", "full": "bye", "timeout": "bye"},
         "mail": {"type": "record", "next": "sorry"}, "back": {"type": "callback", "next": "sorry"},
         "on": {"type": "transfer", "to": "sip:desk@h", "next": "sorry"}, "bye": {"type": "hangup", "reason": "bye"})");
  for (const End end : {End::full, End::timeout}) {
    for (const char* key : {"1", "2", "3", "4"}) {
      FlowCaller c(json);
      c.start();
      c.press(key);
      c.tell(outcome::Queued{.end = end});
      EXPECT_TRUE(*key == '1'   ? c.is<intent::Record>()
                  : *key == '2' ? c.is<intent::Callback>()
                  : *key == '3' ? c.is<intent::Transfer>()
                                : c.is<intent::Hangup>())
          << key;
    }
  }
}

TEST(FlowQueue, P_37_ACallerWhomTheAgentSendsOnComesBackWhenThatFails) {
  using TransferEnd = outcome::TransferEnd;
  struct Row {
    TransferEnd end;
    int status;
    const char* reason;
    const char* result;
  };
  const Row rows[] = {
      {TransferEnd::completed, 200, "served", R"({"cause":"completed","status":200,"recording":null})"},
      {TransferEnd::busy, 486, "back", R"({"cause":"busy","status":486,"recording":null})"},
      {TransferEnd::no_answer, 0, "back", R"({"cause":"no_answer","status":null,"recording":null})"},
      {TransferEnd::rejected, 603, "back", R"({"cause":"rejected","status":603,"recording":null})"},
      {TransferEnd::failed, 503, "back", R"({"cause":"failed","status":503,"recording":null})"},
  };
  for (const Row& row : rows) {
    FlowCaller c(kQueue);
    c.start();
    c.tell(outcome::Queued{.end = End::transferred, .agent = "bob", .target = "sip:3003@desk"});
    const auto& t = c.wants<intent::Transfer>();
    EXPECT_EQ(t.uri, "sip:3003@desk");
    EXPECT_TRUE(t.record) << "recorded as the node says";
    EXPECT_EQ(t.max_talk, 1h);
    c.tell(outcome::Transferred{row.end, row.status, 5s, ""});
    EXPECT_EQ(c.wants<intent::Hangup>().reason, row.reason);
    EXPECT_THAT(c.log(), HasSubstr(std::string("transfer=") + row.result));
    EXPECT_THAT(c.log(), HasSubstr(R"("agent":"bob")"));
  }
}

TEST(FlowQueue, TheVariablesOfAQueueCanBeSaidAndCompared) {
  FlowCaller c(flow_of(
      R"("a": {"type": "queue", "queue": "q", "next": "b"},
         "b": {"type": "decision", "cases": [{"if": "queue.agent == 'bob' and queue.waited > 10", "next": "c"}], "else": "sorry"},
         "c": {"type": "hangup", "say": "{{queue.agent}} after {{length(queue.tried)}} others", "reason": "ok"})"));
  c.start();
  c.tell(outcome::Queued{.end = End::served, .agent = "bob", .tried = {"x", "y"}, .waited = 11s});
  EXPECT_EQ(c.hears(), "bob after 2 others");
}

TEST(FlowQueue, TheQueueMayComeFromAVariableAndAWrongNameIsAnError) {
  const std::string json = flow_of(R"("a": {"type": "queue", "queue": "{{d}}_desk", "next": "sorry"})",
                                   R"("variables": {"d": "sales"})");
  FlowCaller c(json);
  c.start();
  EXPECT_EQ(c.wants<intent::Queue>().queue, "sales_desk");
  FlowCaller bad(json, {.variables = {{"d", "\"a b\""}}});
  bad.start();
  EXPECT_EQ(bad.hears(), "Sorry.");
  EXPECT_THAT(bad.log(), HasSubstr("'a b_desk' is no name of a queue"));
}

TEST(FlowQueue, APriorityThatIsNoNumberCountsAsNoneAndAHugeOneAsTheMost) {
  const std::string json =
      flow_of(R"("a": {"type": "queue", "queue": "q", "priority": "{{p}}", "next": "sorry"})",
              R"("variables": {"p": 5})");
  for (const auto& [p, priority] : {std::pair{"7", 7},
                                    {"\"8\"", 8},
                                    {"2.6", 3},
                                    {"\"high\"", 0},
                                    {"null", 0},
                                    {"99999", 1000},
                                    {"-1e9", -1000}}) {
    FlowCaller c(json, {.variables = {{"p", p}}});
    c.start();
    EXPECT_EQ(c.wants<intent::Queue>().priority, priority) << p;
  }
}

TEST(FlowQueue, P_26_AnExitKeyLeadsToACallback) {
  const std::string json = flow_of(
      R"("a": {"type": "queue", "queue": "q", "keys": {"1": "c"}, "next": "sorry"},
         "c": {"type": "callback", "number": "{{number}}", "next": "kept", "error": "refused"},)" +
          ends({"kept", "refused"}),
      R"("variables": {"number": "+1 (555) 0100"})");
  for (const bool taken : {true, false}) {
    FlowCaller c(json);
    c.start();
    c.tell(outcome::Queued{.end = End::key, .key = '1'});
    EXPECT_EQ(c.wants<intent::Callback>().number, "+1(555)0100");
    c.tell(outcome::CallbackTaken{taken});
    EXPECT_EQ(c.wants<intent::Hangup>().reason, taken ? "kept" : "refused");
  }
}

TEST(FlowQueue, P_26_TheCallersOwnNumberIsCalledUnlessHeWithholdsIt) {
  const std::string json = flow_of(R"("a": {"type": "callback", "next": "kept", "error": "refused"},)" +
                                   ends({"kept", "refused"}));
  FlowCaller c(json);
  c.start();
  EXPECT_EQ(c.wants<intent::Callback>().number, "1001");
  for (const std::string caller : {"", "anonymous", "Anonymous"}) {
    FlowCaller hidden(json);
    hidden.start({.id = "1", .caller = caller});
    EXPECT_EQ(hidden.wants<intent::Hangup>().reason, "refused") << caller;
  }
}

// ------------------------------------------------------------------------------- transfers to agents

const std::string kAgents = flow_of(
    R"("a": {"type": "transfer", "say": "One moment.", "agents": ["billing", "tech1"], "skills": {"billing": 2}, "department": "accounts",
             "strategy": "sequential", "ring_limit": "20s", "whisper": "Billing.", "accept_keys": "1", "record": true, "max_talk": "30m",
             "next": "done", "busy": "busy", "no_answer": "silent", "failed": "failed"},)" +
    ends({"done", "busy", "silent", "failed"}));

TEST(FlowTransfer, S0_06_ATransferToAgentsIsAQueueOfItsOwnInWhichNobodyWaits) {
  const auto flow = Flow::load(kAgents);
  ASSERT_TRUE(flow.ok()) << flow.status();
  ASSERT_EQ((*flow)->queues().size(), 1u);
  const QueueOptions& q = (*flow)->queues()[0];
  EXPECT_EQ(q.id, "/t/a");
  EXPECT_EQ(q.strategy, "sequential");
  ASSERT_EQ(q.members.size(), 2u);
  EXPECT_EQ(q.members[0].agent, "billing");
  EXPECT_EQ(q.members[1].agent, "tech1");
  EXPECT_EQ(q.members[1].position, 1);
  EXPECT_EQ(q.required, (SkillExpression{Skill{"billing", 2}}));
  EXPECT_EQ(q.department, "accounts");
  EXPECT_EQ(q.ring_limit, 20s);
  EXPECT_TRUE(q.once);

  FlowCaller c(kAgents);
  c.start();
  EXPECT_EQ(c.hears(), "One moment.");
  c.played();
  const auto& i = c.wants<intent::Queue>();
  EXPECT_EQ(i.queue, "/t/a");
  EXPECT_THAT(i.hold, IsEmpty()) << "music, also while the agent holds the talk";
  EXPECT_EQ(texts(i.whisper), "Billing.");
  EXPECT_EQ(i.accept_keys, "1");
  EXPECT_TRUE(i.record);
  EXPECT_EQ(i.max_talk, 30min);
  EXPECT_TRUE(i.required.empty()) << "the queue asks for them already";
}

TEST(FlowTransfer, P_37_TellsItsWaysToFailApartWithTheCause) {
  struct Row {
    outcome::Queued queued;
    const char* reason;
    const char* cause;
  };
  const Row rows[] = {
      {{.end = End::served, .agent = "billing", .talked = 30s}, "done", "completed"},
      {{.end = End::unavailable, .tried = {"billing", "tech1"}}, "silent", "no_answer"},
      {{.end = End::unavailable}, "busy", "busy"},
      {{.end = End::timeout, .tried = {"billing"}}, "silent", "no_answer"},
      {{.end = End::full}, "busy", "busy"},
  };
  for (const Row& row : rows) {
    FlowCaller c(kAgents);
    c.start();
    c.played();
    c.tell(row.queued);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, row.reason);
    EXPECT_THAT(c.log(), HasSubstr("transfer={\"cause\":\"" + std::string(row.cause) + "\""));
    EXPECT_THAT(c.log(), HasSubstr("queue={\"agent\":"));
  }
  FlowCaller c(kAgents);
  c.start();
  c.played();
  c.tell(outcome::Queued{.end = End::transferred, .agent = "billing", .target = "sip:x@y"});
  EXPECT_EQ(c.wants<intent::Transfer>().uri, "sip:x@y");
  c.tell(outcome::Transferred{outcome::TransferEnd::rejected, 603, 0ms, ""});
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "failed");
}

TEST(FlowQueue, P_29_SkillsMayBeAnExpressionWithVariablesInItsNames) {
  const auto queue = [](const char* skills, const char* node = R"("type": "queue", "queue": "q")") {
    return flow_of(std::string(R"("a": {)") + node + R"(, "skills": ")" + skills + R"(", "next": "sorry"})",
                   R"("variables": {"tier": "gold) or (x", "none": ""})");
  };
  const auto asked = [&](const char* skills) {
    FlowCaller c(queue(skills));
    c.start();
    return c.wants<intent::Queue>().required.text();
  };
  EXPECT_EQ(asked("french >= 2 and (billing or sales) and not trainee"),
            "french >= 2 and not trainee and (billing or sales)");
  EXPECT_EQ(asked("lang_{{language}} >= 2 and not {{ none | default: 'or' }}"), "lang_en >= 2 and not 'or'");
  EXPECT_EQ(asked("'vip {{tier}}' or {{none}}"), "'vip gold) or (x'") << "a name, and nothing but a name";
  EXPECT_EQ(asked("not {{none}}"), "");

  // A transfer's queue asks for what is known, its caller for the rest.
  const char* kTransfer = R"("type": "transfer", "strategy": "skills_based")";
  const std::string json = queue("billing and (x or {{tier}}) and not y and (y or z)", kTransfer);
  EXPECT_EQ((*Flow::load(json))->queues()[0].required.text(), "billing and not y and (y or z)");
  FlowCaller c(json);
  c.start();
  EXPECT_EQ(c.wants<intent::Queue>().required.text(), "'gold) or (x' or x");
}

TEST(FlowQueueCheck, P_29_ASkillThatNobodyHasIsAnErrorAndAWarningWhenItIsNotToBeHad) {
  FlowCheckOptions host;
  host.skills = {"blue", "after sales"};
  const auto found = Flow::check(
      flow_of(
          R"x("a": {"type": "queue", "queue": "q", "skills": "'after sales' and blue and not trainee and (bleu or {{x}})", "next": "sorry"})x",
          R"("variables": {"x": "y"})"),
      host);
  ASSERT_EQ(found.size(), 2u);
  for (const Finding& f : found) {
    EXPECT_EQ(f.rule, "unknown-skill");
    EXPECT_EQ(f.pointer, "/nodes/a/skills");
    EXPECT_THAT(f.message, HasSubstr(f.severity == Severity::error ? "no skill 'bleu'; did you mean 'blue'?"
                                                                   : "no skill 'trainee'"));
  }
  EXPECT_NE(found[0].severity, found[1].severity);
}

TEST(FlowTransfer, SkillsMayNameTheLanguageOfTheCaller) {
  const std::string json = flow_of(
      R"("a": {"type": "transfer", "skills": ["billing", "speaks_{{language}}"], "strategy": "skills_based", "next": "sorry"})");
  EXPECT_EQ((*Flow::load(json))->queues()[0].required, (SkillExpression{Skill{"billing", 1}}));
  FlowCaller c(json);
  c.start();
  EXPECT_EQ(c.wants<intent::Queue>().required, (SkillExpression{Skill{"speaks_en", 1}}));
}

TEST(FlowTransfer, S0_06_EveryStrategyLoadsAndAnUnknownOneNamesThemAll) {
  const auto with = [](const std::string& strategy) {
    return flow_of(R"("a": {"type": "transfer", "agents": ["x"], "strategy": ")" + strategy +
                   R"(", "next": "sorry"})");
  };
  for (const char* strategy : {"sequential", "round_robin", "longest_idle", "skills_based", "load_balanced",
                               "ringall", "least_busy"})
    EXPECT_TRUE(Flow::load(with(strategy)).ok()) << strategy;
  const auto found = Flow::check(with("fastest"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rule, "unknown-strategy");
  EXPECT_EQ(found[0].pointer, "/nodes/a/strategy");
  EXPECT_TRUE(Flow::load(with("leastrecent")).ok()) << "Asterisk's name";
  EXPECT_THAT(Flow::check(with("longest_idel"))[0].message, HasSubstr("did you mean 'longest_idle'?"));
  EXPECT_THAT(found[0].mend, HasSubstr("longest_idle"));
  EXPECT_THAT(found[0].mend, HasSubstr("wrandom"));
}

// ------------------------------------------------------------------------------------ keyword routing

TEST(FlowKeywords, S4_02_ChoosesADepartmentForADecisionAndAQueue) {
  const std::string json = flow_of(
      R"("a": {"type": "keywords", "text": "{{message}}", "default": "reception", "into": "route", "next": "b",
               "departments": {"sales": {"en": ["buy", "price"], "ar": ["شراء"]}, "complaints": ["complaint", "شكوى"]}},
         "b": {"type": "decision", "cases": [{"if": "route.confidence > 0.7", "next": "c"}], "else": "d"},
         "c": {"type": "queue", "queue": "{{route.department}}", "next": "sorry"}, "d": {"type": "hangup", "reason": "unsure"})",
      R"("variables": {"message": ""})");
  struct Row {
    const char* message;
    const char* queue;
    const char* route;
  };
  const Row rows[] = {
      {"\"What price to buy?\"", "sales",
       R"({"department":"sales","confidence":0.9,"alternatives":[{"department":"reception","confidence":0.5}],"matches":["buy","price"]})"},
      {"\"عندي شكوى\"", "complaints",
       R"({"department":"complaints","confidence":0.75,"alternatives":[{"department":"reception","confidence":0.5}],"matches":["شكوى"]})"},
      {"\"hello\"", nullptr, R"({"department":"reception","confidence":0.5,"alternatives":[],"matches":[]})"},
  };
  for (const Row& row : rows) {
    FlowCaller c(json, {.variables = {{"message", row.message}}});
    c.start();
    if (row.queue) {
      EXPECT_EQ(c.wants<intent::Queue>().queue, row.queue);
    } else {
      EXPECT_EQ(c.wants<intent::Hangup>().reason, "unsure");
    }
    EXPECT_THAT(c.log(), HasSubstr(std::string("route=") + row.route));
  }
}

TEST(FlowKeywords, WhatIsMadeOfASecretIsSecret) {
  FlowCaller c(flow_of(
      R"("a": {"type": "keywords", "text": "{{m}}", "default": "x", "into": "route", "next": "sorry", "departments": {"sales": ["hunter2"]}})",
      R"("variables": {"m": "hunter2"}, "secrets": ["m"])"));
  c.start();
  EXPECT_THAT(c.log(), HasSubstr("route=***"));
  EXPECT_EQ(c.log().find("hunter2"), std::string::npos);
}

// ------------------------------------------------------------------------------------------- the checks

TEST(FlowQueueCheck, FindsEachDefectAndSaysWhereAndWhy) {
  struct Row {
    const char* node;
    const char* rule;
    const char* pointer;
    const char* message;
  };
  const Row rows[] = {
      {R"("type": "queue", "next": "sorry")", "missing-field", "/nodes/a", "'queue'"},
      {R"("type": "queue", "queue": "no such", "next": "sorry")", "bad-name", "/nodes/a/queue", "no such"},
      {R"("type": "queue", "queue": 5, "next": "sorry")", "wrong-type", "/nodes/a/queue", "a text"},
      {R"("type": "queue", "queue": "teck", "next": "sorry")", "unknown-queue", "/nodes/a/queue",
       "did you mean 'tech'?"},
      {R"("type": "queue", "queue": "tech", "agent": "bop", "next": "sorry")", "unknown-agent",
       "/nodes/a/agent", "did you mean 'bob'?"},
      {R"("type": "queue", "queue": "tech", "direct": true, "next": "sorry")", "conflict", "/nodes/a/direct",
       "'agent'"},
      {R"("type": "queue", "queue": "tech", "priority": 2000, "next": "sorry")", "out-of-range",
       "/nodes/a/priority", "between -1000 and 1000"},
      {R"("type": "queue", "queue": "tech", "skills": {"x": 9}, "next": "sorry")", "out-of-range",
       "/nodes/a/skills/x", "between 0 and 5"},
      {R"("type": "queue", "queue": "tech", "skills": 3, "next": "sorry")", "wrong-type", "/nodes/a/skills",
       "skills"},
      {R"("type": "queue", "queue": "tech", "skills": "blue sales", "next": "sorry")", "bad-expression",
       "/nodes/a/skills", "at character 6: expected 'and', 'or' or the end, found 'sales'"},
      {R"("type": "queue", "queue": "tech", "skills": "blue and {{1 +}}", "next": "sorry")", "bad-template",
       "/nodes/a/skills", "expected"},
      {R"("type": "queue", "queue": "tech", "skills": "blue or {{ghost}}", "next": "sorry")",
       "unset-variable", "/nodes/a/skills", "ghost"},
      {R"("type": "queue", "queue": "tech", "preferred": ["a b"], "next": "sorry")", "bad-name",
       "/nodes/a/preferred/0", "no name for a skill"},
      {R"("type": "queue", "queue": "tech", "skills": ["blle"], "next": "sorry")", "unknown-skill",
       "/nodes/a/skills/0", "did you mean 'blue'?"},
      {R"("type": "queue", "queue": "tech", "preferred": {"gren": 2}, "next": "sorry")", "unknown-skill",
       "/nodes/a/preferred/gren", "no skill 'gren'"},
      {R"("type": "queue", "queue": "tech", "keys": {"12": "sorry"}, "next": "sorry")", "dead-key",
       "/nodes/a/keys/12", "12"},
      {R"("type": "queue", "queue": "tech", "keys": {"1": "sory"}, "next": "sorry")", "unknown-target",
       "/nodes/a/keys/1", "did you mean 'sorry'?"},
      {R"("type": "queue", "queue": "tech", "say": "{{queue.position}}", "next": "sorry")", "bad-template",
       "/nodes/a/say", "only in 'position_say'"},
      {R"("type": "queue", "queue": "tech", "position_say": "{{queue.positon}}", "next": "sorry")",
       "bad-template", "/nodes/a/position_say", "did you mean 'queue.position'?"},
      {R"("type": "queue", "queue": "tech", "say": "{{queue.agent}}", "next": "sorry")", "unset-variable",
       "/nodes/a/say", "'queue' may be read before"},
      {R"("type": "queue", "queue": "tech", "messages": "x", "next": "sorry")", "wrong-type",
       "/nodes/a/messages", "a list"},
      {R"("type": "set", "set": {"queue": 1}, "next": "sorry")", "reserved-name", "/nodes/a/set/queue",
       "built in"},
      {R"("type": "transfer", "next": "sorry")", "missing-field", "/nodes/a", "'to'"},
      {R"("type": "transfer", "to": "sip:x@y", "agents": ["bob"], "next": "sorry")", "conflict",
       "/nodes/a/to", "not to both"},
      {R"("type": "transfer", "to": "sip:x@y", "mode": "reffer", "next": "sorry")", "unknown-kind",
       "/nodes/a/mode", "no mode 'reffer'; did you mean 'refer'?"},
      {R"("type": "transfer", "to": "sip:x@y", "mode": "refer", "record": true, "next": "sorry")", "conflict",
       "/nodes/a/record", "for calls that stay with us"},
      {R"("type": "transfer", "agents": ["bob"], "mode": "refer", "next": "sorry")", "conflict",
       "/nodes/a/mode", "not reached by REFER"},
      {R"("type": "transfer", "to": "sip:x@y", "strategy": "random", "next": "sorry")", "conflict",
       "/nodes/a/strategy", "transfers to agents"},
      {R"("type": "transfer", "agents": [], "next": "sorry")", "out-of-range", "/nodes/a/agents", "nobody"},
      {R"("type": "transfer", "agents": ["bob", "bob"], "next": "sorry")", "duplicate-key",
       "/nodes/a/agents/1", "twice"},
      {R"("type": "transfer", "agents": ["bop"], "next": "sorry")", "unknown-agent", "/nodes/a/agents/0",
       "did you mean 'bob'?"},
      {R"("type": "transfer", "agents": [5], "next": "sorry")", "bad-name", "/nodes/a/agents/0",
       "5 is no agent"},
      {R"("type": "hangup", "say": "{{transfer.cause}}")", "unset-variable", "/nodes/a/say", "'transfer'"},
      {R"("type": "keywords", "text": "x", "departments": {"sales": []}, "default": "sales", "next": "sorry")",
       "missing-field", "/nodes/a", "'into'"},
      {R"("type": "keywords", "text": "x", "departments": {"sales": ["?"]}, "default": "sales", "into": "x", "next": "sorry")",
       "out-of-range", "/nodes/a/departments", "no word"},
      {R"("type": "keywords", "text": "x", "departments": {"sales": "buy"}, "default": "sales", "into": "x", "next": "sorry")",
       "wrong-type", "/nodes/a/departments/sales", "a list of texts"},
      {R"("type": "keywords", "text": "x", "departments": {"sales": {"en": [1]}}, "default": "sales", "into": "x", "next": "sorry")",
       "wrong-type", "/nodes/a/departments/sales/en", "a list of texts"},
  };
  FlowCheckOptions host;
  host.queues = {"tech", "general"};
  host.agents = {"amal", "bob"};
  host.skills = {"blue"};
  for (const Row& row : rows) {
    bool found = false;
    std::string all;
    for (const Finding& f : Flow::check(flow_of(std::string(R"("a": {)") + row.node + "}"), host)) {
      all += to_string(f) + "\n";
      found = found || (f.rule == row.rule && f.pointer == row.pointer &&
                        f.message.find(row.message) != std::string::npos);
    }
    EXPECT_TRUE(found) << row.node << ": expected " << row.rule << " at " << row.pointer << " with \""
                       << row.message << "\", got\n"
                       << all;
  }
}

TEST(FlowQueueCheck, WhatTransferVariablesHoldIsKnownWhereATransferFailed) {
  const auto flow = [](const char* exit) {
    return flow_of(
        std::string(R"("a": {"type": "queue", "queue": "q", "next": "b", ")") + exit +
        R"(": "c"}, "b": {"type": "hangup"}, "c": {"type": "hangup", "say": "{{transfer.cause}}"})");
  };
  EXPECT_THAT(Flow::check(flow("transfer_failed")), IsEmpty());
  const auto found = Flow::check(flow("timeout"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rule, "unset-variable");
}

TEST(FlowQueueCheck, AFullQueueSendsTheCallerOnAtOnceAndAKeyIsAKey) {
  const auto loop = [](const char* exits) {
    return flow_of(std::string(R"("a": {"type": "queue", "queue": "q", "next": "sorry", )") + exits + "}");
  };
  EXPECT_THAT(Flow::check(loop(R"("keys": {"1": "a"}, "timeout": "a", "transfer_failed": "a")")), IsEmpty());
  for (const char* spin : {R"("full": "a")", R"("unavailable": "a")"}) {
    const auto found = Flow::check(loop(spin));
    ASSERT_EQ(found.size(), 1u) << spin;
    EXPECT_EQ(found[0].rule, "endless-loop");
  }
}

}  // namespace
}  // namespace ivr

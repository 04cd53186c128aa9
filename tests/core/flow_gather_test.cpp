#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"

// What a caller types: which answers are taken, and that secret ones stay secret.

namespace ivr {
namespace {

using testing::HasSubstr;

TEST(FlowGather, S0_88_KindsOfGatherBringTheirLengthsAndMasking) {
  struct Row {
    const char* kind;
    int min, max;
    bool sensitive;
  };
  for (const Row& row : {Row{"numeric", 1, 20, false}, Row{"pin", 4, 6, true}, Row{"account", 8, 16, false},
                         Row{"phone", 10, 10, false}, Row{"custom", 1, 20, false}}) {
    FlowCaller c(flow_of("\"a\": {\"type\": \"gather\", \"kind\": \"" + std::string(row.kind) +
                         R"(", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})"));
    c.start();
    const auto& collect = c.wants<intent::Collect>();
    EXPECT_EQ(collect.min, row.min) << row.kind;
    EXPECT_EQ(collect.max, row.max) << row.kind;
    EXPECT_EQ(collect.sensitive, row.sensitive) << row.kind;
  }
}

TEST(FlowGather, S0_88_ChecksLengthRangeAndPattern) {
  struct Row {
    const char* rules;
    const char* digits;
    bool valid;
  };
  const Row rows[] = {
      {R"("length": 4)", "1234", true},
      {R"("length": 4)", "123", false},
      {R"("min": 2, "max": 3)", "12", true},
      {R"("min": 2, "max": 3)", "1", false},
      {R"("range": [1, 5])", "5", true},
      {R"("range": [1, 5])", "6", false},
      {R"("range": [1, 5])", "0", false},
      {R"("range": [1, 5])", "1*", false},
      {R"("pattern": "07[0-9]{3}")", "07123", true},
      {R"("pattern": "07[0-9]{3}")", "08123", false},
      {R"("pattern": "07[0-9]{3}")", "071234", false},
      {R"("kind": "pin")", "1234567", false},
      {R"("kind": "custom", "terminators": "")", "12*#", true},
  };
  for (const Row& row : rows) {
    FlowCaller c(flow_of("\"a\": {\"type\": \"gather\", " + std::string(row.rules) +
                         R"(, "into": "v", "tries": 1, "next": "ok", "invalid": "bad", "no_input": "sorry"},
      "ok": {"type": "hangup", "reason": "ok"}, "bad": {"type": "hangup", "reason": "bad"})"));
    c.start();
    c.enter(row.digits);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, row.valid ? "ok" : "bad") << row.rules << " " << row.digits;
  }
}

TEST(FlowGather, ATerminatorAloneIsAWrongAnswerAndSilenceIsNone) {
  const std::string json = flow_of(
      R"("a": {"type": "gather", "into": "v", "tries": 1, "next": "sorry", "invalid": "bad", "no_input": "quiet"},
      "bad": {"type": "hangup", "reason": "bad"}, "quiet": {"type": "hangup", "reason": "quiet"})");
  FlowCaller c(json);
  c.start();
  c.enter("");
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "bad");
  FlowCaller d(json);
  d.start();
  d.silent();
  EXPECT_EQ(d.wants<intent::Hangup>().reason, "quiet");
}

// ---------------------------------------------------------------------------------------------- secrets

constexpr const char* kPin = R"(
  "a": {"type": "gather", "kind": "pin", "say": "PIN?", "into": "pin", "tries": 3, "pattern": "[1-9]+", "next": "b", "invalid": "bad", "no_input": "bad"},
  "b": {"type": "set", "set": {"copy": "x{{pin}}y", "long": {"expression": "length(pin) > 4"}}, "next": "c"},
  "c": {"type": "decision", "cases": [{"if": "pin == '4711'", "next": "d"}], "else": "bad"},
  "d": {"type": "api", "url": "http://h/{{copy}}", "next": "e"},
  "e": {"type": "play", "say": ["Your PIN is", {"digits": "{{pin}}"}], "next": "f"},
  "f": {"type": "hangup", "say": "Bye"}, "bad": {"type": "hangup", "reason": "bad"})";

TEST(FlowGather, P_10_SecretDigitsAppearInNoNoteAndTaintWhatIsMadeOfThem) {
  FlowCaller c(flow_of(kPin));
  c.start();
  EXPECT_TRUE(c.wants<intent::Collect>().sensitive);
  c.press("9057");  // not the pattern
  c.press("4711");
  EXPECT_TRUE(c.wants<intent::Fetch>().request.secret);
  EXPECT_EQ(c.wants<intent::Fetch>().request.url, "http://h/x4711y");
  c.reply(200, "{}");
  const auto prompts = c.wants<intent::Play>().prompts;
  EXPECT_FALSE(prompts[0].secret);
  EXPECT_TRUE(prompts[1].secret);
  c.played();
  EXPECT_FALSE(c.wants<intent::Play>().prompts[0].secret);
  for (const char* secret : {"4711", "9057"}) {
    EXPECT_EQ(c.log().find(secret), std::string::npos) << c.log();
    EXPECT_EQ(c.run().variables_json().find(secret), std::string::npos);
  }
  EXPECT_EQ(c.run().variables_json(), R"({"pin":"***","copy":"***","long":"***"})");
  EXPECT_THAT(c.log(), HasSubstr("pin=***"));
  EXPECT_THAT(c.log(), HasSubstr("left a next ****"));
}

TEST(FlowGather, P_10_SecretDigitsThatAreSentOnAreMarkedSo) {
  FlowCaller c(flow_of(R"(
    "a": {"type": "gather", "kind": "pin", "say": "PIN?", "into": "pin", "next": "b", "invalid": "bye", "no_input": "bye"},
    "b": {"type": "send_digits", "digits": "w{{pin}}#", "next": "c"}, "c": {"type": "send_digits", "digits": "1", "next": "bye"},
    "bye": {"type": "hangup"})"));
  c.start();
  c.press("4711");
  EXPECT_EQ(c.wants<intent::SendDigits>().digits, "w4711#");
  EXPECT_TRUE(c.wants<intent::SendDigits>().secret);
  c.tell(outcome::DigitsSent{});
  EXPECT_FALSE(c.wants<intent::SendDigits>().secret);
}

TEST(FlowRecord, M11_SaysWhetherDigitsAreRecorded) {
  for (const bool digits : {true, false}) {
    const std::string more = digits ? "" : R"(, "record_digits": false)";
    FlowCaller c(flow_of(
        R"("a": {"type": "record", "next": "b")" + more +
        R"(}, "b": {"type": "transfer", "to": "sip:a@b", "record": true, "next": "c", "failed": "c")" + more +
        R"(}, "c": {"type": "queue", "queue": "q", "record": true, "next": "d")" + more +
        R"(}, "d": {"type": "hangup"})"));
    c.start();
    EXPECT_EQ(c.wants<intent::Record>().record_digits, digits);
    c.tell(outcome::Recorded{.end = outcome::RecordEnd::silence});
    EXPECT_EQ(c.wants<intent::Transfer>().record_digits, digits);
    c.tell(outcome::Transferred{});
    EXPECT_EQ(c.wants<intent::Queue>().record_digits, digits);
    c.tell(outcome::Queued{.end = outcome::QueueEnd::transferred, .target = "sip:c@d"});
    EXPECT_EQ(c.wants<intent::Transfer>().record_digits, digits) << "sent on by the agent";
  }
}

TEST(FlowGather, AReplayWithoutTheSecretDigitsGoesTheRecordedWay) {
  FlowCaller original(flow_of(kPin));
  original.start();
  original.press("9057");
  original.press("4711");
  original.reply(200, "{}");
  original.played();
  original.played();
  FlowCaller replay(flow_of(kPin), {.recorded_way = original.steps()});
  replay.start();
  const auto redacted = [](const char* stars) {
    return outcome::Collected{stars, outcome::CollectEnd::full, 0, true};
  };
  replay.tell(redacted("****"));
  replay.tell(redacted("****"));
  EXPECT_TRUE(replay.wants<intent::Fetch>().request.secret);
  replay.reply(200, "{}");
  replay.played();
  replay.played();
  EXPECT_EQ(replay.way(), original.way());
  EXPECT_EQ(replay.log(), original.log());
}

constexpr const char* kToken = R"(
  "a": {"type": "api", "url": "http://h/", "map": {"token": {"from": "user.token", "secret": true, "transform": "trim"},
        "name": "/user/name"}, "next": "b"},
  "b": {"type": "decision", "cases": [{"if": "token == '4711'", "next": "c"}], "else": "bad"},
  "c": {"type": "play", "say": ["Hello {{name}}", {"digits": "{{token}}"}], "next": "f"},
  "f": {"type": "hangup"}, "bad": {"type": "hangup", "reason": "bad"})";

TEST(FlowGather, P_10_ASecretOfAReplyIsKeptFromTheLogAndTheReplayGoesTheRecordedWay) {
  FlowCaller original(flow_of(kToken));
  original.start();
  EXPECT_THAT(original.wants<intent::Fetch>().request.secret_reply, testing::ElementsAre("/user/token"));
  original.reply(200, R"({"user": {"token": " 4711", "name": "Ada"}})");
  EXPECT_EQ(original.hears(), "Hello Ada|four|seven|one|one");
  EXPECT_TRUE(original.wants<intent::Play>().prompts[1].secret);
  original.played();
  EXPECT_EQ(original.log().find("4711"), std::string::npos) << original.log();
  FlowCaller replay(flow_of(kToken), {.recorded_way = original.steps()});
  replay.start();
  replay.reply(200, R"({"user": {"token": "***", "name": "Ada"}})");
  EXPECT_EQ(replay.hears().substr(0, 13), "Hello Ada|***");
  replay.played();
  EXPECT_EQ(replay.log(), original.log());
}

TEST(FlowGather, P_10_WhatAReplyHidesIsWhatTheFlowKeepsSecret) {
  using testing::ElementsAre;
  using testing::IsEmpty;
  const auto secrets = [](const std::string& node, const std::string& more, const std::string& variables) {
    FlowCaller c(flow_of(
        "\"a\": {\"type\": \"api\", \"url\": \"http://h/\", " + node + ", \"next\": \"sorry\"}", more));
    c.start();
    auto pointers = c.wants<intent::Fetch>().request.secret_reply;
    c.reply(200, R"({"pin": "4711"})");
    EXPECT_EQ(c.run().variables_json(), variables) << node;
    return pointers;
  };
  const std::string clear = R"({"pin":"4711"})";
  EXPECT_THAT(secrets(R"("into": "all")", "", "{\"all\":" + clear + "}"), IsEmpty());
  EXPECT_THAT(secrets(R"("map": {"p": "pin"})", R"("secrets": ["p"])", R"({"p":"***"})"),
              ElementsAre("/pin"));
  // Whatever is kept whole beside a secret is secret; a secret whole makes its parts so.
  EXPECT_THAT(secrets(R"("into": "all", "map": {"p": {"from": "pin", "secret": true}})", "",
                      R"({"p":"***","all":"***"})"),
              ElementsAre("/pin"));
  EXPECT_THAT(
      secrets(R"("into": "all", "map": {"p": "pin"})", R"("secrets": ["all"])", R"({"all":"***","p":"***"})"),
      ElementsAre(""));
}

TEST(FlowGather, AReplyThatIsNoJsonIsHiddenWholeAndItsReplayTakesTheErrorExitToo) {
  FlowCaller original(flow_of(kToken));
  original.start();
  original.reply(200, "your token is 4711");
  EXPECT_EQ(original.way(), "a:error");
  FlowCaller replay(flow_of(kToken), {.recorded_way = original.steps()});
  replay.start();
  replay.reply(200, "***");
  EXPECT_EQ(replay.log(), original.log());
}

}  // namespace
}  // namespace ivr

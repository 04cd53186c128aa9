#include "ivr/shadow.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logged_flow.hpp"

namespace ivr {
namespace {

const std::string kDesk = R"({"ivr": 1, "id": "desk", "start": "menu", "on_error": "sorry", "nodes": {
  "menu": {"type": "menu", "say": "1 for news, 2 for your balance.", "keys": {"1": "news", "2": "pin"},
           "invalid": "bye", "no_input": "bye"},
  "news": {"type": "play", "say": "Nothing new.", "next": "more"},
  "pin": {"type": "gather", "say": "Your PIN.", "into": "pin", "min": 4, "max": 4, "sensitive": true,
          "next": "lookup", "invalid": "bye", "no_input": "bye"},
  "lookup": {"type": "api", "url": "http://h/balance", "map": {"balance": "/b"}, "next": "balance",
             "error": "sorry"},
  "balance": {"type": "play", "say": "You have {{balance}}.", "next": "more"},
  "more": {"type": "menu", "say": "1 for more.", "keys": {"1": "menu", "2": "bye"}, "invalid": "bye",
           "no_input": "bye"},
  "bye": {"type": "hangup", "say": "Goodbye."},
  "sorry": {"type": "hangup", "say": "Sorry.", "reason": "trouble"}}})";

std::string with(std::string json, const std::string& from, const std::string& to) {
  const auto at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return json.replace(at, from.size(), to);
}

// 2, the PIN, the balance, nothing more.
LoggedFlow balance_call(const std::string& json = kDesk, const std::string& id = "c1") {
  LoggedFlow call(json, id);
  call.press("2");
  call.press("4711");
  call.reply(200, R"({"b": 12})");
  call.played();
  call.press("2");
  call.played();
  return call;
}

// 1, and hangs up at the question whether there is more.
LoggedFlow news_call(const std::string& json = kDesk, const std::string& id = "c2") {
  LoggedFlow call(json, id);
  call.press("1");
  call.played();
  call.hangs_up();
  return call;
}

ShadowResult on(const LoggedFlow& call, const std::string& json) {
  auto result = shadow(call.entries, {call.flow, {}, {}, {}}, {loaded(json), {}, {}, {}});
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : ShadowResult{};
}

std::string way(const ShadowPath& path) {
  std::string text;
  for (const ShadowNode& node : path.nodes) text += (text.empty() ? "" : " ") + node.node + ":" + node.exit;
  return text;
}

TEST(Shadow, ACallOnItsOwnVersionIsTheSame) {
  for (const LoggedFlow& call : {balance_call(), news_call()}) {
    const ShadowResult result = on(call, kDesk);
    EXPECT_EQ(to_string(result.kind), "same") << way(result.after) << result.after.lacks;
    EXPECT_EQ(result.differs_at, -1);
  }
  EXPECT_EQ(way(on(balance_call(), kDesk).after),
            "menu:2 pin:next lookup:next balance:next more:2 bye:hangup");
  EXPECT_EQ(on(balance_call(), kDesk).after.outcome, "hung up at bye (normal)");
  EXPECT_EQ(on(news_call(), kDesk).after.outcome, "the caller hung up at more");
}

struct Change {
  const char *from, *to, *kind, *lacks;
  int differs_at;
};

TEST(Shadow, SaysWhatBecomesOfACallOnAnotherVersion) {
  const Change kChanges[] = {
      // Other words; a longer way; a shorter one; elsewhere by the same key.
      {"You have {{balance}}.", "It is {{balance}}.", "words", "", 3},
      {R"("next": "lookup", "invalid")", R"("next": "wait", "invalid")", "way", "", 2},
      {R"("balance": {"type": "play", "say": "You have {{balance}}.", "next": "more"})",
       R"("balance": {"type": "play", "say": "You have {{balance}}.", "next": "bye"})", "way", "", 4},
      {R"("2": "bye"}, "invalid": "bye")", R"("2": "sorry"}, "invalid": "bye")", "outcome", "", 5},
      // A key that is none any more: nobody knows what the caller does when asked again.
      {R"({"1": "news", "2": "pin"})", R"({"1": "news", "3": "pin"})", "unknown",
       "another answer of the caller", 0},
      // What nobody was asked.
      {R"("start": "menu")", R"("start": "first")", "unknown",
       "an answer of the caller, who was never asked this", 0},
      {"http://h/balance", "http://h/v2/balance", "unknown", "what comes of: GET http://h/v2/balance", 2},
      {R"("min": 4, "max": 4)", R"("min": 4, "max": 6)", "unknown",
       "more keys than the caller was asked for: 4 of up to 6", 1},
      // Keys too many are pressed ahead of the next question, and nobody knows a secret one.
      {R"("min": 4, "max": 4)", R"("min": 3, "max": 3)", "unknown", "keys that the log does not show", 4},
  };
  for (const Change& change : kChanges) {
    SCOPED_TRACE(change.to);
    std::string changed = with(kDesk, change.from, change.to);
    if (changed.find("\"wait\"") != std::string::npos) {
      changed = with(changed, R"("bye": {)",
                     R"("wait": {"type": "play", "say": "One moment.", "next": "lookup"}, "bye": {)");
    }
    if (changed.find("\"first\"") != std::string::npos) {
      changed = with(changed, R"("bye": {)",
                     R"("first": {"type": "menu", "say": "1 for English.", "keys": {"1": "menu"},
        "invalid": "bye", "no_input": "bye"}, "bye": {)");
    }
    const ShadowResult result = on(balance_call(), changed);
    EXPECT_EQ(to_string(result.kind), change.kind) << way(result.after) << ", " << result.after.outcome;
    EXPECT_EQ(result.after.lacks, change.lacks);
    EXPECT_EQ(result.differs_at, change.differs_at) << way(result.after);
  }
}

TEST(Shadow, KeysTooManyArePressedAheadOfTheNextQuestion) {
  const std::string open_pin = with(kDesk, R"("sensitive": true,)", "");
  const ShadowResult result =
      on(balance_call(open_pin), with(open_pin, R"("min": 4, "max": 4)", R"("min": 3, "max": 3)"));
  EXPECT_EQ(to_string(result.kind), "unknown");
  EXPECT_EQ(way(result.after), "menu:2 pin:next lookup:next balance:next more:1 menu:")
      << "of 4711 the last key answers 'more'";
}

TEST(Shadow, ANodeWithAnotherNameAsksTheSameWhenItAsksInTheSameWords) {
  std::string renamed = kDesk;
  for (std::size_t at; (at = renamed.find("\"more\"")) != std::string::npos;)
    renamed.replace(at, 6, "\"again\"");
  const ShadowResult result = on(balance_call(), renamed);
  EXPECT_EQ(to_string(result.kind), "way") << result.after.lacks;
  EXPECT_EQ(way(result.after), "menu:2 pin:next lookup:next balance:next again:2 bye:hangup");
}

TEST(Shadow, WhatHangsOnASecretGoesAsItWentAndIsNotGuessedElsewhere) {
  const std::string checked = with(kDesk, R"("next": "lookup", "invalid")", R"("next": "known", "invalid")");
  const std::string by_pin =
      with(checked, R"("bye": {)",
           R"("known": {"type": "decision", "cases": [{"if": "pin == '4711'", "next": "lookup"}],
                                     "else": "sorry"}, "bye": {)");
  const LoggedFlow call = balance_call(by_pin);
  EXPECT_EQ(to_string(on(call, by_pin).kind), "same") << "the log tells the way, not the PIN";
  EXPECT_EQ(to_string(on(call, with(by_pin, "Your PIN.", "PIN, please.")).kind), "words");
  const ShadowResult result = on(balance_call(), by_pin);
  EXPECT_EQ(to_string(result.kind), "unknown");
  EXPECT_EQ(way(result.after), "menu:2 pin:next known:");
  EXPECT_EQ(result.after.lacks, "what decides this, a secret or something of the site");
}

TEST(Shadow, WhoHangsUpIsTakenToHangUpWhereItWas) {
  const ShadowResult longer = on(news_call(), with(kDesk, R"("say": "Nothing new.", "next": "more")",
                                                   R"("say": "Nothing new.", "next": "ad"},
    "ad": {"type": "play", "say": "Buy now.", "next": "more")"));
  EXPECT_EQ(to_string(longer.kind), "way");
  EXPECT_EQ(way(longer.after), "menu:1 news:next ad:next more:hangup");
  const ShadowResult gone = on(news_call(), with(kDesk, R"("say": "Nothing new.", "next": "more")",
                                                 R"("say": "Nothing new.", "next": "bye")"));
  EXPECT_EQ(gone.after.outcome, "hung up at bye (normal)");
  EXPECT_EQ(to_string(gone.kind), "outcome");
}

TEST(Shadow, SilenceIsAnAnswerToo) {
  LoggedFlow call(kDesk);
  call.played();
  call.silence();
  call.played();
  call.silence();
  call.played();
  call.silence();
  call.played();
  const ShadowResult result = on(call, with(kDesk, R"("invalid": "bye", "no_input": "bye"},
  "news")",
                                            R"("invalid": "bye", "no_input": "sorry"},
  "news")"));
  EXPECT_EQ(result.before.outcome, "hung up at bye (normal)") << way(result.before);
  EXPECT_EQ(result.after.outcome, "hung up at sorry (trouble)") << way(result.after);
}

TEST(Shadow, ALogThatDoesNotReplayOnItsOwnVersionIsRefused) {
  const LoggedFlow call = balance_call();
  const auto other = loaded(with(kDesk, "1 for news", "1 for facts"));
  EXPECT_EQ(shadow(call.entries, {other, {}, {}, {}}, {call.flow, {}, {}, {}}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(shadow({}, {other, {}, {}, {}}, {other, {}, {}, {}}).ok());
  const std::vector<LogEntry> cut(call.entries.begin(), call.entries.begin() + 4);
  EXPECT_FALSE(shadow(cut, {call.flow, {}, {}, {}}, {other, {}, {}, {}}).ok()) << "it has no end";
}

TEST(Shadow, ManyCallsAreGroupedByWhatBecameDifferentWhere) {
  const std::string changed =
      with(kDesk, R"({"1": "news", "2": "pin"})", R"({"1": "sorry", "3": "news", "2": "pin"})");
  ShadowReport report;
  for (int i = 0; i < 3; ++i) {
    const std::string id = "news" + std::to_string(i);
    report.add(id, on(news_call(kDesk, id), changed));
  }
  report.add("balance", on(balance_call(), changed));
  report.fail("broken", "no log");
  EXPECT_EQ(report.calls(), 4);
  EXPECT_EQ(report.count(ShadowKind::same), 1);
  EXPECT_EQ(report.count(ShadowKind::outcome), 3);
  EXPECT_EQ(report.shorter(), 3);
  EXPECT_DOUBLE_EQ(report.changed(), 0.75);
  ASSERT_EQ(report.groups().size(), 1u);
  const ShadowGroup group = report.groups()[0];
  EXPECT_EQ(group.at, "after menu (1): news, now sorry");
  EXPECT_EQ(group.before, "the caller hung up at more");
  EXPECT_EQ(group.after, "hung up at sorry (trouble)");
  EXPECT_EQ(group.calls, 3);
  EXPECT_THAT(group.examples, testing::ElementsAre("news0", "news1", "news2"));
  ASSERT_EQ(report.failed().size(), 1u);
  // The exit is still in the flow, and nobody comes to it any more.
  const auto dead = report.dead_exits(*loaded(changed));
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].node + ":" + dead[0].exit, "news:next");
  EXPECT_EQ(dead[0].calls, 3);
}

}  // namespace
}  // namespace ivr

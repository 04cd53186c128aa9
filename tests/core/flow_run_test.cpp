#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "core/flow_caller.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

TEST(FlowRun, S0_02_PlaysAPromptAndGoesOnWhenItEnded) {
  FlowCaller c(
      flow_of(R"("a": {"type": "play", "say": "Hello.", "loops": 2, "next": "b"}, "b": {"type": "hangup"})"));
  c.start();
  EXPECT_EQ(c.hears(), "Hello.");
  EXPECT_EQ(c.wants<intent::Play>().loops, 2);
  EXPECT_EQ(c.wants<intent::Play>().prompts[0].language, "en");
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "normal");
  EXPECT_EQ(c.way(), "a:next b:hangup");
  c.tell(outcome::Ended{outcome::EndedBy::script, ""});
  EXPECT_TRUE(c.run().ended());
}

TEST(FlowRun, S0_03_EveryKeyOfAMenuHasItsOwnExit) {
  for (const auto& [key, reason] :
       {std::pair{"1", "one"}, {"2", "two"}, {"#", "one"}, {"*", "two"}, {"0", "two"}}) {
    FlowCaller c(flow_of(kMenu));
    c.start();
    c.press(key);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << key;
  }
}

TEST(FlowRun, S0_03_WrongKeysAreAskedAgainAndThenTakeTheInvalidExit) {
  FlowCaller c(flow_of(kMenu));
  c.start();
  EXPECT_EQ(c.hears(), "Press 1 or 2.");
  c.press("7");
  EXPECT_EQ(c.hears(), "No such key.|Press 1 or 2.");
  c.silent();
  EXPECT_EQ(c.hears(), "Nothing heard.|Press 1 or 2.");
  c.press("8");
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "bad");
  EXPECT_EQ(c.way(), "a:retry a:retry a:invalid bad:hangup");
}

TEST(FlowRun, S0_08_TakesTheFirstCaseThatHolds) {
  const std::string json = flow_of(R"(
    "a": {"type": "decision", "cases": [{"if": "n > 10", "next": "big"}, {"if": "n > 5", "next": "middle"}], "else": "small"},
    "big": {"type": "hangup", "reason": "big"}, "middle": {"type": "hangup", "reason": "middle"}, "small": {"type": "hangup", "reason": "small"})",
                                   R"("variables": {"n": 0})");
  for (const auto& [n, reason] :
       {std::pair{"11", "big"}, {"6", "middle"}, {"5", "small"}, {"\"12\"", "big"}, {"null", "small"}}) {
    FlowCaller c(json, {.variables = {{"n", n}}});
    c.start();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << n;
  }
}

TEST(FlowRun, S0_09_StoresDigitsOnlyWhenTheyAreValid) {
  FlowCaller c(flow_of(R"(
    "a": {"type": "gather", "say": "Rate us.", "into": "rating", "max": 1, "range": [1, 5], "tries": 2, "next": "ok", "invalid": "bad", "no_input": "bad"},
    "ok": {"type": "hangup", "say": "{{rating}}"}, "bad": {"type": "hangup", "reason": "bad"})"));
  c.start();
  c.press("9");
  EXPECT_EQ(c.run().variables_json(), "{}");
  c.press("4");
  EXPECT_EQ(c.hears(), "4");
  EXPECT_EQ(c.run().variables_json(), R"({"rating":"4"})");
  EXPECT_EQ(c.way(), "a:retry a:next");
}

// ------------------------------------------------------------------------------------------------ nodes

constexpr const char* kTwoLanguages = R"("languages": ["en", "ar"], "voices": {"ar": "ar-f"})";

TEST(FlowRun, S0_01_TheChosenLanguageSpeaksAllLaterPrompts) {
  const std::string json = flow_of(R"(
    "a": {"type": "welcome", "say": [{"text": "Welcome.", "language": "en"}], "ask": [{"text": "1 or 2?", "language": "en"}],
          "choose": {"1": "en", "2": "ar"}, "language": "en", "next": "b"},
    "b": {"type": "hangup", "say": {"en": "Bye {{language}}", "ar": "ma salama"}})",
                                   kTwoLanguages)
                               .replace(0, 0, "");
  const auto fixed = [&](std::string text) {
    const std::string from = R"("say": "Sorry.")";
    return text.replace(text.find(from), from.size(), R"("say": {"en": "Sorry.", "ar": "asif"})");
  };
  FlowCaller c(fixed(json));
  c.start();
  EXPECT_EQ(c.hears(), "Welcome.|1 or 2?");
  c.press("2");
  EXPECT_EQ(c.hears(), "ma salama");
  EXPECT_EQ(c.wants<intent::Play>().prompts[0].language, "ar");
  EXPECT_EQ(c.wants<intent::Play>().prompts[0].voice, "ar-f");
  EXPECT_EQ(c.run().language(), "ar");
  EXPECT_THAT(c.log(), HasSubstr("language ar"));

  FlowCaller silent(fixed(json));
  silent.start();
  silent.silent();
  EXPECT_EQ(silent.hears(), "1 or 2?") << "the greeting is not said twice";
  silent.press("5");
  EXPECT_EQ(silent.hears(), "Bye en") << "nobody chose: the fallback";
}

TEST(FlowRun, ACallThatBringsItsLanguageStartsInIt) {
  FlowCaller c(
      R"({"ivr": 1, "id": "t", "start": "a", "languages": ["en", "ar"], "nodes": {"a": {"type": "hangup", "say": {"en": "Bye", "ar": "salam"}}}})");
  c.start({.id = "1", .language = "ar"});
  EXPECT_EQ(c.hears(), "salam");
}

TEST(FlowRun, S0_04_TheGoodbyePlaysInFullBeforeTheCallEnds) {
  FlowCaller c(flow_of(R"("a": {"type": "hangup", "say": "Goodbye.", "reason": "done"})"));
  c.start();
  EXPECT_EQ(c.wants<intent::Play>().barge_in, BargeIn::none);
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "done");
}

TEST(FlowRun, S0_07_RecordsWithTheLimitsAsWrittenAndKeepsTheFile) {
  FlowCaller c(flow_of(R"(
    "a": {"type": "record", "say": "Speak.", "max": "180s", "silence": "4s", "finish_keys": "#*", "name": "vm", "into": "f", "next": "b"},
    "b": {"type": "hangup", "say": "{{f}}"})"));
  c.start();
  const auto& r = c.wants<intent::Record>();
  EXPECT_EQ(r.max, 180s);
  EXPECT_EQ(r.silence, 4s);
  EXPECT_EQ(r.finish_keys, "#*");
  EXPECT_EQ(r.name, "vm");
  EXPECT_TRUE(r.beep);
  c.tell(outcome::Recorded{"vm-1.wav", 2500ms, outcome::RecordEnd::finish_key, '#', ""});
  EXPECT_EQ(c.hears(), "vm-1.wav");
  EXPECT_THAT(c.log(), HasSubstr(R"(left a next # {"file":"vm-1.wav","ms":2500})"));
}

TEST(FlowRun, S0_25_EveryFailureTakesTheErrorExitAndSaysWhy) {
  struct Row {
    const char* node;
    Outcome outcome;
    const char* error;
  };
  const Row rows[] = {
      {R"({"type": "play", "say": {"file": "x.wav"}, "next": "sorry"})",
       outcome::Played{outcome::PlayEnd::failed, 0ms, "x.wav: no such file"}, "no such file"},
      {R"({"type": "record", "next": "sorry"})",
       outcome::Recorded{"", 0ms, outcome::RecordEnd::failed, 0, "disk full"}, "disk full"},
      {R"({"type": "api", "url": "http://h/", "next": "sorry"})",
       outcome::Fetched{{0, "", "connection refused"}}, "connection refused"},
      {R"({"type": "api", "url": "http://h/", "next": "sorry"})", outcome::Fetched{{500, "", ""}},
       "status 500"},
      {R"({"type": "api", "url": "http://h/", "map": {"x": "/x"}, "next": "sorry"})",
       outcome::Fetched{{200, "{\"y\":1}", ""}}, "no '/x'"},
      {R"({"type": "api", "url": "http://h/", "map": {"x": "/x"}, "next": "sorry"})",
       outcome::Fetched{{200, "<html>", ""}}, "no JSON"},
      {R"({"type": "transfer", "to": "sip:x@h", "next": "sorry"})",
       outcome::Transferred{outcome::TransferEnd::failed, 503, 0ms, ""}, "failed"},
      {R"({"type": "menu", "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry"})",
       outcome::Played{outcome::PlayEnd::failed, 0ms, "no voice"}, "no voice"},
      {R"({"type": "menu", "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry"})",
       outcome::Waited{}, "does not answer"},
  };
  for (const Row& row : rows) {
    FlowCaller c(flow_of("\"a\": " + std::string(row.node)));
    c.start();
    c.tell(row.outcome);
    EXPECT_EQ(c.hears(), "Sorry.") << row.node;
    EXPECT_THAT(c.log(), HasSubstr(row.error)) << row.node;
    c.played();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, "trouble");
  }
}

TEST(FlowRun, AGoodbyeThatCannotBeSpokenStillHangsUp) {
  FlowCaller c(flow_of(R"("a": {"type": "hangup", "say": {"file": "x.wav"}})"));
  c.start();
  c.tell(outcome::Played{outcome::PlayEnd::failed, 0ms, "gone"});
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "normal");
}

TEST(FlowRun, TransfersAndTellsItsFourWaysToFailApart) {
  const std::string json = flow_of(R"(
    "a": {"type": "set", "set": {"user": "de sk<>"}, "next": "t"},
    "t": {"type": "transfer", "say": "One moment.", "to": "sip:{{user}}@h", "caller_id": "2001", "ring_limit": "20s", "max_talk": "1h", "record": true,
          "next": "done", "busy": "busy", "no_answer": "silent", "failed": "failed"},
    "done": {"type": "hangup", "reason": "done"}, "busy": {"type": "hangup", "reason": "busy"}, "silent": {"type": "hangup", "reason": "silent"},
    "failed": {"type": "hangup", "reason": "failed"})");
  using outcome::TransferEnd;
  for (const auto& [end, reason] : {std::pair{TransferEnd::completed, "done"},
                                    {TransferEnd::busy, "busy"},
                                    {TransferEnd::no_answer, "silent"},
                                    {TransferEnd::rejected, "failed"},
                                    {TransferEnd::failed, "failed"}}) {
    FlowCaller c(json);
    c.start();
    EXPECT_EQ(c.hears(), "One moment.");
    c.played();
    const auto& t = c.wants<intent::Transfer>();
    EXPECT_EQ(t.uri, "sip:desk@h");
    EXPECT_EQ(t.caller_id, "2001");
    EXPECT_EQ(t.ring_limit, 20s);
    EXPECT_EQ(t.max_talk, 1h);
    EXPECT_TRUE(t.record);
    c.tell(outcome::Transferred{end, 0, 0ms, ""});
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason);
  }
}

TEST(FlowRun, P_04_InvalidAndMissingKeysAreCountedApart) {
  const std::string json = flow_of(R"(
    "a": {"type": "menu", "keys": {"1": "one"}, "max_invalid": 3, "max_no_input": 2, "invalid": "bad", "no_input": "quiet"},
    "one": {"type": "hangup"}, "bad": {"type": "hangup", "reason": "bad"}, "quiet": {"type": "hangup", "reason": "quiet"})");
  FlowCaller c(json);
  c.start();
  c.press("7");
  c.silent();
  c.press("7");
  c.silent();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "quiet");
  FlowCaller d(json);
  d.start();
  d.press("7");
  d.silent();
  d.press("8");
  d.press("9");
  EXPECT_EQ(d.wants<intent::Hangup>().reason, "bad");
}

// ---------------------------------------------------------------------------------------------- prompts

TEST(FlowRun, S3_32_DigitsAndSequencesAreSaidPieceByPiece) {
  FlowCaller c(flow_of(R"(
    "a": {"type": "play_digits", "prefix": "You entered", "digits": "12-0", "suffix": "Thank you.", "next": "b"},
    "b": {"type": "play_sequence", "sequence": ["You are number", {"number": 21}, {"silence": "500ms"}, {"digits": "{{call.called}}"}, {"tone": "beep"}, {"file": "{{call.called}}.wav"}], "next": "sorry"})"));
  c.start({.id = "1", .called = "42"});
  EXPECT_EQ(c.hears(), "You entered|one|two|zero|Thank you.")
      << "a prompt a digit, so that each is synthesised once";
  c.played();
  EXPECT_EQ(c.hears(), "You are number|twenty one||four|two|beep|42.wav");
  const auto& p = c.wants<intent::Play>().prompts;
  EXPECT_EQ(p[2].kind, Prompt::Kind::silence);
  EXPECT_EQ(p[2].length, 500ms);
  EXPECT_EQ(p[5].kind, Prompt::Kind::tone);
  EXPECT_EQ(p[6].kind, Prompt::Kind::file);
}

TEST(FlowRun, MoneyDatesAndTimesAreSaidInTheLanguageOfTheCaller) {
  FlowCaller c(flow_of(
      R"("a": {"type": "play", "say": [{"money": "{{m}}", "currency": "USD"}, {"date": "2026-03-15"}, {"time": "14:05"}], "next": "sorry"})",
      R"("variables": {"m": 12.5})"));
  c.start();
  EXPECT_EQ(
      c.hears(),
      "twelve dollars and fifty cents|the fifteenth of March, two thousand twenty six|two oh five p.m.");
}

TEST(FlowRun, AValueThatCannotBeSpokenTakesTheErrorExit) {
  for (const char* piece : {R"({"number": "{{m}}"})", R"({"money": "{{m}}", "currency": "USD"})",
                            R"({"date": "{{m}}"})", R"({"money": "5", "currency": "{{m}}"})"}) {
    FlowCaller c(
        flow_of("\"a\": {\"type\": \"play\", \"say\": [" + std::string(piece) + "], \"next\": \"sorry\"}",
                R"("variables": {"m": "abc"})"));
    c.start();
    EXPECT_EQ(c.hears(), "Sorry.") << piece;
  }
}

TEST(FlowRun, AFileNameFromAVariableCannotLeaveThePromptFolder) {
  for (const char* name : {"../secret", "/etc/passwd", ""}) {
    FlowCaller c(flow_of(R"("a": {"type": "play", "say": {"file": "{{m}}"}, "next": "sorry"})",
                         "\"variables\": {\"m\": \"" + std::string(name) + "\"}"));
    c.start();
    EXPECT_EQ(c.hears(), "Sorry.") << name;
  }
}

// -------------------------------------------------------------------------------------------- variables

TEST(FlowRun, S3_05_SetsTextsNumbersAndCalculations) {
  FlowCaller c(flow_of(R"(
    "a": {"type": "set", "set": {"n": {"expression": "n + 1"}, "text": "call {{n}} from {{call.caller}}", "copy": "{{who}}", "flag": true, "none": null}, "next": "b"},
    "b": {"type": "hangup", "say": "{{copy.name.first}} {{text}}"})",
                       R"("variables": {"n": 1, "who": {"name": {"first": "Ada"}}})"));
  c.start();
  EXPECT_EQ(c.hears(), "Ada call 2 from 1001");
  EXPECT_EQ(
      c.run().variables_json(),
      R"({"n":2,"who":{"name":{"first":"Ada"}},"text":"call 2 from 1001","copy":{"name":{"first":"Ada"}},"flag":true})");
}

TEST(FlowRun, BuiltInVariablesKnowTheCallAndTheClock) {
  FlowCaller c(
      flow_of(
          R"("a": {"type": "hangup", "say": "{{call.id}} {{call.caller}} {{call.called}} {{call.direction}} {{call.node}} {{now.date}} {{now.time}} {{now.weekday}} {{now.hour}} {{now.minute}} {{language}}"})"),
      {.zone = absl::FixedTimeZone(3 * 3600)});
  c.now += std::chrono::minutes(5);
  c.start();
  EXPECT_EQ(c.hears(), "c1 1001 2001 inbound a 2026-03-16 13:05 monday 13 5 en");
}

TEST(FlowRun, VariablesGivenAtTheStartOverrideTheDocument) {
  FlowCaller c(flow_of(R"("a": {"type": "hangup", "say": "{{base}}"})", R"("variables": {"base": "x"})"),
               {.variables = {{"base", "\"y\""}, {"unknown", "1"}}});
  c.start();
  EXPECT_EQ(c.hears(), "y");
}

// -------------------------------------------------------------------------------------------- decisions

TEST(FlowRun, S0_87_DecidesByVariableTimeCallerAndPercentage) {
  const std::string by_variable = flow_of(R"(
    "a": {"type": "decision", "kind": "variable", "variable": "tier", "cases": [{"value": "gold", "next": "g"}, {"operator": "exists", "next": "o"}], "else": "n"},
    "g": {"type": "hangup", "reason": "gold"}, "o": {"type": "hangup", "reason": "other"}, "n": {"type": "hangup", "reason": "none"})",
                                          R"("variables": {"tier": null})");
  for (const auto& [tier, reason] : {std::pair{"\"gold\"", "gold"}, {"\"tin\"", "other"}, {"null", "none"}}) {
    FlowCaller c(by_variable, {.variables = {{"tier", tier}}});
    c.start();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason);
  }
  const std::string by_time =
      flow_of(R"(
    "a": {"type": "decision", "kind": "time", "calendar": "shop", "open": "o", "closed": "c"}, "o": {"type": "hangup", "reason": "open"}, "c": {"type": "hangup", "reason": "closed"})",
              R"("calendars": {"shop": {"time_zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}})");
  auto loaded = Flow::load(by_time);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto calendars = flow_calendars(**loaded, [](std::string_view) { return absl::UTCTimeZone(); });
  ASSERT_TRUE(calendars.ok()) << calendars.status();
  for (const auto& [hours, reason] : {std::pair{10, "open"}, {20, "closed"}, {5 * 24 + 10, "closed"}}) {
    FlowCaller c(by_time, {.calendars = *calendars});
    c.now += std::chrono::hours(hours - 10);
    c.start();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << hours;
  }
  const std::string by_caller = flow_of(R"(
    "a": {"type": "decision", "kind": "caller", "cases": [{"callers": ["666", "+1900*"], "next": "no"}, {"callers": "vip", "next": "vip"}], "else": "all"},
    "no": {"type": "hangup", "reason": "blocked"}, "vip": {"type": "hangup", "reason": "vip"}, "all": {"type": "hangup", "reason": "all"})",
                                        R"("lists": {"vip": ["1001", "10*"]})");
  for (const auto& [caller, reason] : {std::pair{"666", "blocked"},
                                       {"+19001234", "blocked"},
                                       {"+190", "all"},
                                       {"1001", "vip"},
                                       {"1099", "vip"},
                                       {"6666", "all"}}) {
    FlowCaller c(by_caller);
    c.start({.id = "1", .caller = caller});
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << caller;
  }
}

TEST(FlowRun, P_79_DistributesByPercentageAndTheSeedDecides) {
  const std::string json = flow_of(R"(
    "a": {"type": "decision", "kind": "percent", "cases": [{"percent": 30, "next": "x"}, {"percent": 20, "next": "y"}], "else": "z"},
    "x": {"type": "hangup", "reason": "x"}, "y": {"type": "hangup", "reason": "y"}, "z": {"type": "hangup", "reason": "z"})");
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    FlowCaller c(json, {.seed = seed}), again(json, {.seed = seed});
    c.start();
    again.start();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, again.wants<intent::Hangup>().reason);
    ++counts[c.wants<intent::Hangup>().reason];
  }
  EXPECT_NEAR(counts["x"], 600, 90);
  EXPECT_NEAR(counts["y"], 400, 80);
}

// --------------------------------------------------------------------------------------------- the ends

TEST(FlowRun, ACallerWhoHangsUpLeavesTheNodeAndHearsNothingMore) {
  FlowCaller c(flow_of(kMenu));
  c.start();
  c.hangs_up();
  EXPECT_EQ(c.way(), "a:hangup");
  EXPECT_TRUE(c.run().ended());
  EXPECT_EQ(c.run().node(), "");
  c.hangs_up();  // and once more: nothing
  EXPECT_EQ(c.way(), "a:hangup");
}

TEST(FlowRun, S0_31_EveryNodeEnteredIsLeftAndVisitsAreNumbered) {
  FlowCaller c(flow_of(kMenu));
  c.start();
  c.press("7");
  c.press("1");
  c.tell(outcome::Ended{outcome::EndedBy::script, ""});
  int entered = 0, left = 0, visit = 0;
  for (const Note& n : c.notes) {
    if (const auto* e = std::get_if<note::NodeEntered>(&n)) {
      EXPECT_EQ(entered++, left);
      if (e->node == "a") {
        EXPECT_EQ(e->visit, ++visit);
      }
    }
    if (std::holds_alternative<note::NodeLeft>(n)) {
      EXPECT_EQ(++left, entered);
    }
  }
  EXPECT_EQ(entered, left);
  EXPECT_EQ(visit, 2);
}

TEST(FlowRun, FuelEndsALoopThatNoCallerDrives) {
  FlowCaller c(
      flow_of(R"("a": {"type": "menu", "keys": {"1": "a"}, "tries": 1, "invalid": "a", "no_input": "a"})"),
      {.fuel = 100});
  c.start();
  int steps = 0;
  while (c.hears() != "Sorry." && ++steps < 200) c.silent();
  EXPECT_EQ(steps, 100);
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "trouble");
  EXPECT_THAT(c.log(), HasSubstr("more than 100 nodes without a key"));
}

constexpr const char* kSpinning =
    R"({"ivr": 1, "id": "t", "start": "more", "on_error": "e", "variables": {"n": 0}, "nodes": {
    "more": {"type": "set", "set": {"n": {"expression": "n + 1"}}, "next": "enough"},
    "enough": {"type": "decision", "cases": [{"if": "n >= 1000", "next": "e"}], "else": "more"}, "e": {"type": "hangup", "reason": "done"}}})";

TEST(FlowRun, AFlowThatComputesForLongGivesOthersATurnInBetween) {
  FlowCaller c(kSpinning);
  c.start();
  int turns = 0;
  for (; c.is<intent::Wait>() && turns < 100; ++turns) {
    EXPECT_GT(c.wants<intent::Wait>().duration, 0ms);
    EXPECT_LE(c.wants<intent::Wait>().duration, 5ms);
    c.tell(outcome::Waited{});
  }
  EXPECT_EQ(turns, 9);
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "done");
  std::string expected;
  for (int i = 0; i < 1000; ++i) expected += i < 999 ? "more:next enough:else " : "more:next enough:1 ";
  const std::string way = c.way();
  EXPECT_EQ(std::count(way.begin(), way.end(), ':'), 2001) << way.substr(0, 100);
  EXPECT_EQ(way.substr(0, 42), expected.substr(0, 42));
  // The same flow with less fuel than that ends as ever.
  FlowCaller dry(kSpinning, {.fuel = 500});
  dry.start();
  while (dry.is<intent::Wait>()) dry.tell(outcome::Waited{});
  EXPECT_THAT(dry.log(), HasSubstr("more than 500 nodes without a key"));
}

TEST(FlowRun, ACallerWhoHangsUpWhileTheFlowComputesHasLeftEachNodeOnce) {
  for (const std::string after : {"", R"("on_hangup": "h", )"}) {
    std::string json = kSpinning;
    json.insert(json.find("\"variables\""), after);
    if (!after.empty())
      json.insert(json.find("\"e\": {\"type\""),
                  R"("h": {"type": "set", "set": {"n": -1}, "next": "e2"}, "e2": {"type": "hangup"}, )");
    FlowCaller c(json);
    c.start();
    ASSERT_TRUE(c.is<intent::Wait>());
    const std::size_t before = c.steps().size();
    EXPECT_EQ(before, 201u);
    c.hangs_up();
    EXPECT_TRUE(c.run().ended());
    EXPECT_EQ(c.steps().size(), before + (after.empty() ? 0 : 2)) << c.way().substr(c.way().size() - 60);
    EXPECT_EQ(std::count_if(c.notes.begin(), c.notes.end(),
                            [](const Note& n) { return std::holds_alternative<note::NodeEntered>(n); }),
              static_cast<std::ptrdiff_t>(c.steps().size()));
  }
}

TEST(FlowRun, ACallerWhoKeepsPressingKeysIsNotCutOff) {
  FlowCaller c(
      flow_of(R"("a": {"type": "menu", "keys": {"1": "a"}, "tries": 1, "invalid": "a", "no_input": "a"})"),
      {.fuel = 100});
  c.start();
  for (int i = 0; i < 1000; ++i) c.press("1");
  EXPECT_EQ(c.run().node(), "a");
}

TEST(FlowRun, FuelThatRunsOutInTheErrorNodeEndsTheCall) {
  FlowCaller c(R"({"ivr": 1, "id": "t", "start": "a", "on_error": "e", "nodes": {
    "a": {"type": "menu", "keys": {"1": "a"}, "tries": 1, "invalid": "a", "no_input": "a"}, "e": {"type": "play", "say": "Oh.", "next": "a"}}})",
               {.fuel = 10});
  c.start();
  int steps = 0;
  for (; steps < 200 && c.run().node() != ""; ++steps) c.hears() == "Oh." ? c.played() : c.silent();
  EXPECT_LT(steps, 100);
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "fuel");
}

TEST(FlowRun, AWorldInWhichEverythingFailsEndsTheCall) {
  FlowCaller c(R"({"ivr": 1, "id": "t", "start": "a", "on_error": "e", "nodes": {
    "a": {"type": "menu", "say": "x", "keys": {"1": "a"}, "invalid": "a", "no_input": "a"}, "e": {"type": "play", "say": "Oh.", "next": "a"}}})");
  c.start();
  for (int i = 0; i < 1000 && c.run().node() != ""; ++i)
    c.tell(outcome::Played{outcome::PlayEnd::failed, 0ms, "no voice"});
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "error") << "the error node fails too: nowhere left to go";
}

}  // namespace
}  // namespace ivr

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/flow_caller.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

std::string flow(const std::string& nodes, const std::string& more = "") {
  return R"({"ivr": 1, "id": "t", "start": "a", "on_error": "sorry")" + (more.empty() ? "" : ", " + more) +
         R"(, "nodes": {)" + nodes +
         R"(, "sorry": {"type": "hangup", "say": "Sorry.", "reason": "trouble"}}})";
}

constexpr const char* kMenu = R"(
  "a": {"type": "menu", "say": "Press 1 or 2.", "invalid_say": "No such key.", "no_input_say": "Nothing heard.",
        "keys": {"1": "one", "2": "two", "#": "one", "*": "two", "0": "two"}, "invalid": "bad", "no_input": "quiet"},
  "one": {"type": "hangup", "reason": "one"}, "two": {"type": "hangup", "reason": "two"},
  "bad": {"type": "hangup", "reason": "bad"}, "quiet": {"type": "hangup", "reason": "quiet"})";

TEST(FlowRun, S0_02_PlaysAPromptAndGoesOnWhenItEnded) {
  FlowCaller c(
      flow(R"("a": {"type": "play", "say": "Hello.", "loops": 2, "next": "b"}, "b": {"type": "hangup"})"));
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
    FlowCaller c(flow(kMenu));
    c.start();
    c.press(key);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << key;
  }
}

TEST(FlowRun, S0_03_WrongKeysAreAskedAgainAndThenTakeTheInvalidExit) {
  FlowCaller c(flow(kMenu));
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
  const std::string json = flow(R"(
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
  FlowCaller c(flow(R"(
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

// ----------------------------------------------------------------------------------------------------------
// nodes

constexpr const char* kTwoLanguages = R"("languages": ["en", "ar"], "voices": {"ar": "ar-f"})";

TEST(FlowRun, S0_01_TheChosenLanguageSpeaksAllLaterPrompts) {
  const std::string json = flow(R"(
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
  FlowCaller c(flow(R"("a": {"type": "hangup", "say": "Goodbye.", "reason": "done"})"));
  c.start();
  EXPECT_EQ(c.wants<intent::Play>().barge_in, BargeIn::none);
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "done");
}

TEST(FlowRun, S0_07_RecordsWithTheLimitsAsWrittenAndKeepsTheFile) {
  FlowCaller c(flow(R"(
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
    FlowCaller c(flow("\"a\": " + std::string(row.node)));
    c.start();
    c.tell(row.outcome);
    EXPECT_EQ(c.hears(), "Sorry.") << row.node;
    EXPECT_THAT(c.log(), HasSubstr(row.error)) << row.node;
    c.played();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, "trouble");
  }
}

TEST(FlowRun, S3_58_AQueueWithoutARouterSaysSoAndTakesItsExit) {
  FlowCaller c(flow(
      R"("a": {"type": "queue", "queue": "tech", "next": "sorry", "unavailable": "b"}, "b": {"type": "hangup", "reason": "later"})"));
  c.start();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "later");
  EXPECT_THAT(c.log(), HasSubstr("left a unavailable tech \"b\" queue 'tech': this engine has no router"));
}

TEST(FlowRun, AGoodbyeThatCannotBeSpokenStillHangsUp) {
  FlowCaller c(flow(R"("a": {"type": "hangup", "say": {"file": "x.wav"}})"));
  c.start();
  c.tell(outcome::Played{outcome::PlayEnd::failed, 0ms, "gone"});
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "normal");
}

TEST(FlowRun, TransfersAndTellsItsFourWaysToFailApart) {
  const std::string json = flow(R"(
    "a": {"type": "set", "set": {"user": "de sk<>"}, "next": "t"},
    "t": {"type": "transfer", "say": "One moment.", "to": "sip:{{user}}@h", "caller_id": "2001", "ring_limit": "20s", "max_talk": "1h", "record": true,
          "next": "done", "busy": "busy", "no_answer": "silent", "failed": "failed"},
    "done": {"type": "hangup", "reason": "done"}, "busy": {"type": "hangup", "reason": "busy"}, "silent": {"type": "hangup", "reason": "silent"},
    "failed": {"type": "hangup", "reason": "failed"})");
  using End = outcome::TransferEnd;
  for (const auto& [end, reason] : {std::pair{End::completed, "done"},
                                    {End::busy, "busy"},
                                    {End::no_answer, "silent"},
                                    {End::rejected, "failed"},
                                    {End::failed, "failed"}}) {
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
  const std::string json = flow(R"(
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

// ------------------------------------------------------------------------------------------ keys typed
// ahead, barge-in

TEST(FlowRun, S3_29_KeysTypedAheadCountForBranchesAndForPromptlessCollects) {
  struct Row {
    const char* node;
    bool carry;
  };
  const Row rows[] = {
      {R"({"type": "menu", "say": "x", "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry"})",
       true},
      {R"({"type": "menu", "say": "x", "carry": false, "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry"})",
       false},
      {R"({"type": "gather", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})", true},
      {R"({"type": "gather", "say": "x", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})",
       false},
      {R"({"type": "gather", "say": "x", "carry": true, "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})",
       true},
  };
  for (const Row& row : rows) {
    FlowCaller c(flow("\"a\": " + std::string(row.node)));
    c.start();
    EXPECT_EQ(c.wants<intent::Collect>().carry, row.carry) << row.node;
  }
}

TEST(FlowRun, S3_28_BargeInIsOnUnlessAFlagTurnsItOff) {
  const std::pair<const char*, const char*> kinds[] = {
      {"play", R"("type": "play", "say": "x", "next": "sorry")"},
      {"sequence", R"("type": "play_sequence", "sequence": ["x"], "next": "sorry")"},
      {"digits", R"("type": "play_digits", "digits": "12", "next": "sorry")"},
      {"collect",
       R"("type": "gather", "say": "x", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry")"},
  };
  for (const auto& [name, node] : kinds) {
    for (const bool off : {false, true}) {
      FlowCaller c(flow("\"a\": {" + std::string(node) + (off ? ", \"barge_in\": false}" : "}")));
      c.start();
      const BargeIn mode = name == std::string("collect") ? c.wants<intent::Collect>().barge_in
                                                          : c.wants<intent::Play>().barge_in;
      EXPECT_EQ(mode, off ? BargeIn::none : BargeIn::digits) << name;
    }
  }
}

TEST(FlowRun, S3_30_ThreeTriesOfTenSecondsByDefault) {
  FlowCaller c(flow(
      R"("a": {"type": "gather", "say": "x", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "quiet"}, "quiet": {"type": "hangup", "reason": "quiet"})"));
  c.start();
  Millis waited{0};
  for (int i = 0; i < 3; ++i) {
    waited += c.wants<intent::Collect>().first_timeout;
    c.silent();
  }
  EXPECT_EQ(waited, 30s);
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "quiet");
}

// -------------------------------------------------------------------------------------------------------
// prompts

TEST(FlowRun, S3_32_DigitsAndSequencesAreSaidPieceByPiece) {
  FlowCaller c(flow(R"(
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
  FlowCaller c(flow(
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
        flow("\"a\": {\"type\": \"play\", \"say\": [" + std::string(piece) + "], \"next\": \"sorry\"}",
             R"("variables": {"m": "abc"})"));
    c.start();
    EXPECT_EQ(c.hears(), "Sorry.") << piece;
  }
}

TEST(FlowRun, AFileNameFromAVariableCannotLeaveThePromptFolder) {
  for (const char* name : {"../secret", "/etc/passwd", ""}) {
    FlowCaller c(flow(R"("a": {"type": "play", "say": {"file": "{{m}}"}, "next": "sorry"})",
                      "\"variables\": {\"m\": \"" + std::string(name) + "\"}"));
    c.start();
    EXPECT_EQ(c.hears(), "Sorry.") << name;
  }
}

// ------------------------------------------------------------------------------------------------------
// variables

TEST(FlowRun, S3_05_SetsTextsNumbersAndCalculations) {
  FlowCaller c(flow(R"(
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
      flow(
          R"("a": {"type": "hangup", "say": "{{call.id}} {{call.caller}} {{call.called}} {{call.direction}} {{call.node}} {{now.date}} {{now.time}} {{now.weekday}} {{now.hour}} {{now.minute}} {{language}}"})"),
      {.zone = absl::FixedTimeZone(3 * 3600)});
  c.now += std::chrono::minutes(5);
  c.start();
  EXPECT_EQ(c.hears(), "c1 1001 2001 inbound a 2026-03-16 13:05 monday 13 5 en");
}

TEST(FlowRun, VariablesGivenAtTheStartOverrideTheDocument) {
  FlowCaller c(flow(R"("a": {"type": "hangup", "say": "{{base}}"})", R"("variables": {"base": "x"})"),
               {.variables = {{"base", "\"y\""}, {"unknown", "1"}}});
  c.start();
  EXPECT_EQ(c.hears(), "y");
}

// -------------------------------------------------------------------------------------------------------
// decisions

TEST(FlowRun, S0_87_DecidesByVariableTimeCallerAndPercentage) {
  const std::string by_variable = flow(R"(
    "a": {"type": "decision", "kind": "variable", "variable": "tier", "cases": [{"value": "gold", "next": "g"}, {"operator": "exists", "next": "o"}], "else": "n"},
    "g": {"type": "hangup", "reason": "gold"}, "o": {"type": "hangup", "reason": "other"}, "n": {"type": "hangup", "reason": "none"})",
                                       R"("variables": {"tier": null})");
  for (const auto& [tier, reason] : {std::pair{"\"gold\"", "gold"}, {"\"tin\"", "other"}, {"null", "none"}}) {
    FlowCaller c(by_variable, {.variables = {{"tier", tier}}});
    c.start();
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason);
  }
  const std::string by_time =
      flow(R"(
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
  const std::string by_caller = flow(R"(
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
  const std::string json = flow(R"(
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

// -----------------------------------------------------------------------------------------------------------
// gather

TEST(FlowRun, S0_88_KindsOfGatherBringTheirLengthsAndMasking) {
  struct Row {
    const char* kind;
    int min, max;
    bool sensitive;
  };
  for (const Row& row : {Row{"numeric", 1, 20, false}, Row{"pin", 4, 6, true}, Row{"account", 8, 16, false},
                         Row{"phone", 10, 10, false}, Row{"custom", 1, 20, false}}) {
    FlowCaller c(flow("\"a\": {\"type\": \"gather\", \"kind\": \"" + std::string(row.kind) +
                      R"(", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})"));
    c.start();
    const auto& collect = c.wants<intent::Collect>();
    EXPECT_EQ(collect.min, row.min) << row.kind;
    EXPECT_EQ(collect.max, row.max) << row.kind;
    EXPECT_EQ(collect.sensitive, row.sensitive) << row.kind;
  }
}

TEST(FlowRun, S0_88_ChecksLengthRangeAndPattern) {
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
    FlowCaller c(flow("\"a\": {\"type\": \"gather\", " + std::string(row.rules) +
                      R"(, "into": "v", "tries": 1, "next": "ok", "invalid": "bad", "no_input": "sorry"},
      "ok": {"type": "hangup", "reason": "ok"}, "bad": {"type": "hangup", "reason": "bad"})"));
    c.start();
    c.enter(row.digits);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, row.valid ? "ok" : "bad") << row.rules << " " << row.digits;
  }
}

TEST(FlowRun, ATerminatorAloneIsAWrongAnswerAndSilenceIsNone) {
  const std::string json = flow(
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

// -----------------------------------------------------------------------------------------------------------
// secrets

constexpr const char* kPin = R"(
  "a": {"type": "gather", "kind": "pin", "say": "PIN?", "into": "pin", "tries": 3, "pattern": "[1-9]+", "next": "b", "invalid": "bad", "no_input": "bad"},
  "b": {"type": "set", "set": {"copy": "x{{pin}}y", "long": {"expression": "length(pin) > 4"}}, "next": "c"},
  "c": {"type": "decision", "cases": [{"if": "pin == '4711'", "next": "d"}], "else": "bad"},
  "d": {"type": "api", "url": "http://h/{{copy}}", "next": "e"},
  "e": {"type": "play", "say": ["Your PIN is", {"digits": "{{pin}}"}], "next": "f"},
  "f": {"type": "hangup", "say": "Bye"}, "bad": {"type": "hangup", "reason": "bad"})";

TEST(FlowRun, P_10_SecretDigitsAppearInNoNoteAndTaintWhatIsMadeOfThem) {
  FlowCaller c(flow(kPin));
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

TEST(FlowRun, AReplayWithoutTheSecretDigitsGoesTheRecordedWay) {
  FlowCaller original(flow(kPin));
  original.start();
  original.press("9057");
  original.press("4711");
  original.reply(200, "{}");
  original.played();
  original.played();
  FlowCaller replay(flow(kPin), {.recorded_exits = original.exits()});
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

// --------------------------------------------------------------------------------------------------------------
// api

TEST(FlowRun, S0_89_BuildsTheRequestAsWritten) {
  struct Row {
    const char* node;
    const char* request;  // method url | headers | body
  };
  const Row rows[] = {
      {R"("url": "{{base}}/balance/{{id}}")", "GET http://h:3000/balance/a%20b|"},
      {R"("url": "{{base}}/balance?account={{id}}")", "GET http://h:3000/balance?account=a%20b|"},
      {R"("url": "{{base}}/balance", "query": {"account": "{{id}}", "x": "1"})",
       "GET http://h:3000/balance?account=a%20b&x=1|"},
      {R"("url": "{{base}}/b?y=2", "query": {"x": "1"})", "GET http://h:3000/b?y=2&x=1|"},
      {R"("method": "DELETE", "url": "{{base}}/b", "headers": {"X-Id": "{{evil}}"})",
       "DELETE http://h:3000/b|X-Id: aX-Bad: 1|"},
      {R"("url": "{{base}}/", "auth": {"type": "bearer", "token": "{{id}}"})",
       "GET http://h:3000/|Authorization: Bearer a b|"},
      {R"("url": "{{base}}/", "auth": {"type": "basic", "user": "Aladdin", "password": "open sesame"})",
       "GET http://h:3000/|Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==|"},
      {R"("url": "{{base}}/", "auth": {"type": "key", "key": "k1"})", "GET http://h:3000/|X-API-Key: k1|"},
      {R"("url": "{{base}}/", "auth": {"type": "key", "key": "k1", "query": "key"})",
       "GET http://h:3000/?key=k1|"},
      {R"("url": "{{base}}/", "auth": {"type": "none"})", "GET http://h:3000/|"},
      {R"("method": "POST", "url": "{{base}}/", "body": {"id": "{{id}}", "n": "{{n}}", "q": "{{quote}}", "list": [1, "{{n}} x"]})",
       R"(POST http://h:3000/|Content-Type: application/json|{"id":"a b","n":7,"q":"say \"hi\"","list":[1,"7 x"]})"},
      {R"("method": "PUT", "url": "{{base}}/", "body": "id={{id}}", "content_type": "application/x-www-form-urlencoded")",
       "PUT http://h:3000/|Content-Type: application/x-www-form-urlencoded|id=a%20b"},
      {R"("method": "PATCH", "url": "{{base}}/", "body": "{\"q\": \"{{quote}}\"}", "content_type": "application/json")",
       R"(PATCH http://h:3000/|Content-Type: application/json|{"q": "say \"hi\""})"},
      {R"("method": "POST", "url": "{{base}}/", "headers": {"content-type": "text/csv"}, "body": "a,{{id}}")",
       "POST http://h:3000/|content-type: text/csv|a,a b"},
  };
  for (const Row& row : rows) {
    FlowCaller c(flow(
        "\"a\": {\"type\": \"api\", " + std::string(row.node) + ", \"next\": \"sorry\"}",
        R"("variables": {"base": "http://h:3000", "id": "a b", "n": 7, "quote": "say \"hi\"", "evil": "a\r\nX-Bad: 1"})"));
    c.start();
    const HttpRequest& r = c.wants<intent::Fetch>().request;
    std::string text = r.method + " " + r.url + "|";
    for (const auto& [key, value] : r.headers) text += key + ": " + value + "|";
    EXPECT_EQ(text + r.body, row.request) << row.node;
    EXPECT_EQ(r.secret, std::string(row.node).find("auth") != std::string::npos &&
                            std::string(row.node).find("none") == std::string::npos)
        << row.node;
  }
}

TEST(FlowRun, S0_10_MapsTheReplyToVariables) {
  FlowCaller c(flow(R"(
    "a": {"type": "api", "url": "http://h/", "into": "all", "map": {
      "amount": "/data/0/balance", "name": "data.0.owner.name", "rounded": {"from": "/data/0/balance", "transform": ["number", "round: 1"]},
      "upper": {"from": "data.0.owner.name", "transform": "upper"}, "count": {"from": "/data", "transform": "length"},
      "tier": {"from": "/tier", "default": "none"}, "key": {"from": "/key", "secret": true}}, "next": "b"},
    "b": {"type": "hangup", "say": "{{all.data.0.owner.name}}"})"));
  c.start();
  c.reply(200, R"({"data": [{"balance": 1042.55, "owner": {"name": "Ada"}}], "key": "k-123"})");
  EXPECT_EQ(c.hears(), "Ada");
  EXPECT_THAT(
      c.run().variables_json(),
      HasSubstr(
          R"("amount":1042.55,"name":"Ada","rounded":1042.6,"upper":"ADA","count":1,"tier":"none","key":"***")"));
}

TEST(FlowRun, ApiExitsFollowTheStatus) {
  const std::string json = flow(R"(
    "a": {"type": "api", "url": "http://h/", "expect": [200, "201", "3xx"], "next": "ok", "on_status": {"404": "gone"}, "on_timeout": "slow", "error": "bad"},
    "ok": {"type": "hangup", "reason": "ok"}, "gone": {"type": "hangup", "reason": "gone"}, "slow": {"type": "hangup", "reason": "slow"}, "bad": {"type": "hangup", "reason": "bad"})",
                                "");
  for (const auto& [status, reason] :
       {std::pair{200, "ok"}, {201, "ok"}, {302, "ok"}, {202, "bad"}, {404, "gone"}, {500, "bad"}}) {
    FlowCaller c(json);
    c.start();
    c.reply(status, "{}");
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << status;
  }
  for (const auto& [error, reason] : {std::pair{"Timeout was reached", "slow"},
                                      {"operation timed out", "slow"},
                                      {"connection refused", "bad"}}) {
    FlowCaller c(json);
    c.start();
    c.no_reply(error);
    EXPECT_EQ(c.wants<intent::Hangup>().reason, reason) << error;
  }
}

TEST(FlowRun, AnApiIsAskedAgainWithLongerAndLongerPauses) {
  FlowCaller c(flow(
      R"("a": {"type": "api", "url": "http://h/", "retries": 3, "backoff": "200ms", "timeout": "2s", "next": "ok"}, "ok": {"type": "hangup", "reason": "ok"})"));
  c.start();
  for (const Millis pause : {200ms, 400ms, 800ms}) {
    EXPECT_EQ(c.wants<intent::Fetch>().request.timeout, 2s);
    c.reply(503, "");
    EXPECT_EQ(c.wants<intent::Wait>().duration, pause);
    c.tell(outcome::Waited{});
  }
  c.reply(200, "");
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "ok");
  FlowCaller d(flow(R"("a": {"type": "api", "url": "http://h/", "retries": 3, "next": "sorry"})"));
  d.start();
  d.reply(400, "");
  EXPECT_EQ(d.hears(), "Sorry.") << "the request is wrong: asking again helps nobody";
}

TEST(FlowRun, S3_15_AFillerIsHandedToTheCallWhileItWaits) {
  FlowCaller c(flow(
      R"("a": {"type": "api", "url": "http://h/", "filler": "One moment.", "filler_after": "1s", "next": "sorry"})"));
  c.start();
  EXPECT_EQ(c.wants<intent::Fetch>().filler[0].value, "One moment.");
  EXPECT_EQ(c.wants<intent::Fetch>().filler_after, 1s);
}

TEST(FlowRun, AnAddressThatIsNoHttpTakesTheErrorExit) {
  FlowCaller c(flow(R"("a": {"type": "api", "url": "{{base}}/x", "next": "sorry"})",
                    R"("variables": {"base": "file:///etc"})"));
  c.start();
  EXPECT_EQ(c.hears(), "Sorry.");
}

// --------------------------------------------------------------------------------------------------------
// the ends

TEST(FlowRun, ACallerWhoHangsUpLeavesTheNodeAndHearsNothingMore) {
  FlowCaller c(flow(kMenu));
  c.start();
  c.hangs_up();
  EXPECT_EQ(c.way(), "a:hangup");
  EXPECT_TRUE(c.run().ended());
  EXPECT_EQ(c.run().node(), "");
  c.hangs_up();  // and once more: nothing
  EXPECT_EQ(c.way(), "a:hangup");
}

TEST(FlowRun, S0_31_EveryNodeEnteredIsLeftAndVisitsAreNumbered) {
  FlowCaller c(flow(kMenu));
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
      flow(R"("a": {"type": "menu", "keys": {"1": "a"}, "tries": 1, "invalid": "a", "no_input": "a"})"),
      {.fuel = 100});
  c.start();
  int steps = 0;
  while (c.hears() != "Sorry." && ++steps < 200) c.silent();
  EXPECT_EQ(steps, 100);
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "trouble");
  EXPECT_THAT(c.log(), HasSubstr("more than 100 nodes without a key"));
}

TEST(FlowRun, ACallerWhoKeepsPressingKeysIsNotCutOff) {
  FlowCaller c(
      flow(R"("a": {"type": "menu", "keys": {"1": "a"}, "tries": 1, "invalid": "a", "no_input": "a"})"),
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

// ---------------------------------------------------------------------------------------------------------
// documents

TEST(Flow, S3_03_AnExportedFlowIsTheSameFlow) {
  const auto first = Flow::load(flow(kMenu));
  ASSERT_TRUE(first.ok());
  const auto second = Flow::load((*first)->to_json());
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*first)->digest(), (*second)->digest());
  EXPECT_EQ((*first)->to_json(), (*second)->to_json());
  EXPECT_EQ((*first)->digest().size(), 64u);
}

TEST(Flow, TheDigestMindsWhatIsSaidAndNotHowItIsWritten) {
  const auto digest = [](const std::string& json) { return (*Flow::load(json))->digest(); };
  const std::string a =
      R"({"ivr": 1, "id": "t", "start": "a", "nodes": {"a": {"type": "hangup", "reason": "x"}}})";
  const std::string b =
      R"({ "nodes": {"a": {"reason": "x", "type": "hangup"}}, "start": "a", "id": "t", "ivr": 1 })";
  const std::string c =
      R"({"ivr": 1, "id": "t", "start": "a", "nodes": {"a": {"type": "hangup", "reason": "y"}}})";
  EXPECT_EQ(digest(a), digest(b));
  EXPECT_NE(digest(a), digest(c));
}

TEST(Flow, CountsNodesAndConnections) {
  const auto f = Flow::load(flow(kMenu));
  EXPECT_EQ((*f)->nodes(), 6u);
  EXPECT_EQ((*f)->connections(), 7u) << "five keys, invalid, no_input; on_error is no exit of a node";
  EXPECT_EQ((*f)->id(), "t");
}

TEST(Flow, S0_11_TheSupportDeskProfileHasExactlyTenNodeTypes) {
  std::vector<std::string> names;
  for (const FlowNodeType& t : flow_node_types()) {
    if (t.profile == "S0") names.emplace_back(t.name);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("welcome", "play", "menu", "queue", "transfer", "record",
                                                   "decision", "gather", "api", "hangup"));
}

TEST(Flow, DrawsItself) {
  const auto f = Flow::load(flow(kMenu));
  EXPECT_THAT((*f)->to_dot(), HasSubstr("digraph \"t\""));
  EXPECT_THAT((*f)->to_dot(), HasSubstr("n0 -> n1 [label=\"1\"]"));
  EXPECT_THAT((*f)->to_dot(), HasSubstr("n0 -> n5 [label=\"error\", style=dashed"));
  EXPECT_THAT((*f)->to_mermaid(), HasSubstr("n0 -->|\"#\"| n1"));
}

}  // namespace
}  // namespace ivr

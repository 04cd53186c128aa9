#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/flow_caller.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

struct Defect {
  const char* name;
  std::string json;
  const char* rule;
  const char* pointer;
  const char* message;
};

// A flow of one node 'a' and what it needs; `a` is the node's text.
std::string with(const std::string& a, const std::string& more = "", const std::string& head = "") {
  return R"({"ivr": 1, "id": "t", "start": "a", "on_error": "end")" + (head.empty() ? "" : ", " + head) +
         R"(, "nodes": {"a": )" + a + (more.empty() ? "" : ", " + more) + R"(, "end": {"type": "hangup"}}})";
}

std::string condition(const std::string& text) {
  return with(R"({"type": "decision", "cases": [{"if": )" + text + R"(, "next": "end"}], "else": "end"})", "",
              R"("variables": {"n": 0, "customer": {}})");
}

std::string gather(const std::string& fields) {
  return with(R"({"type": "gather", "into": "x", "next": "end", "invalid": "end", "no_input": "end", )" +
              fields + "}");
}

std::vector<Defect> defects() {
  return {
      {"text that is no JSON", "{\n  \"ivr\": 1,\n  \"id\" \"x\"\n}", "parse", "", "line 3, column 8"},
      {"the end of the text missing", R"({"ivr": 1)", "parse", "", "line 1"},
      {"no JSON at all", "", "parse", "", "line 1, column 1"},
      {"a list instead of an object", "[]", "wrong-type", "", "JSON object"},
      {"bytes that are no UTF-8", "{\"ivr\": 1, \"id\": \"\xff\"}", "parse", "", "UTF-8"},
      {"nesting beyond the limit", std::string(100, '['), "too-deep", "/0/0/0", "64"},
      {"a key twice",
       R"({"ivr": 1, "id": "t", "start": "a", "start": "b", "nodes": {"a": {"type": "hangup"}}})",
       "duplicate-key", "/start", "twice"},
      {"a node twice", with(R"({"type": "play", "say": "x", "next": "end"})", R"("a": {"type": "hangup"})"),
       "duplicate-key", "/nodes/a", "twice"},
      {"another version", R"({"ivr": 2, "id": "t", "start": "a", "nodes": {"a": {"type": "hangup"}}})",
       "version", "/ivr", "2"},
      {"no version", R"({"id": "t", "start": "a", "nodes": {"a": {"type": "hangup"}}})", "missing-field", "",
       "ivr"},
      {"no id", R"({"ivr": 1, "start": "a", "nodes": {"a": {"type": "hangup"}}})", "missing-field", "",
       "'id'"},
      {"no start", R"({"ivr": 1, "id": "t", "nodes": {"a": {"type": "hangup"}}})", "missing-field", "",
       "'start'"},
      {"no nodes", R"({"ivr": 1, "id": "t", "start": "a"})", "missing-field", "", "'nodes'"},
      {"a field nobody knows", with(R"({"type": "play", "say": "x", "nxet": "end", "next": "end"})"),
       "unknown-field", "/nodes/a/nxet", "did you mean 'next'?"},
      {"a node type nobody knows", with(R"({"type": "meun", "next": "end"})"), "unknown-type",
       "/nodes/a/type", "did you mean 'menu'?"},
      {"a node without type", with(R"({"say": "x"})"), "missing-field", "/nodes/a", "'type'"},
      {"a target that is not there", with(R"({"type": "play", "say": "x", "next": "ned"})"), "unknown-target",
       "/nodes/a/next", "no node 'ned'; did you mean 'end'?"},
      {"a start that is not there",
       R"({"ivr": 1, "id": "t", "start": "b", "nodes": {"a": {"type": "hangup"}}})", "unknown-target",
       "/start", "'b'"},
      {"a node no path leads to",
       with(R"({"type": "play", "say": "x", "next": "end"})", R"("lost": {"type": "hangup"})"), "unreachable",
       "/nodes/lost", "no path leads from 'a'"},
      {"an exit left open", with(R"({"type": "play", "say": "x"})"), "open-exit", "/nodes/a", "'next'"},
      {"a menu without no_input", with(R"({"type": "menu", "keys": {"1": "end"}, "invalid": "end"})"),
       "open-exit", "/nodes/a", "'no_input'"},
      {"a decision without else",
       with(R"({"type": "decision", "cases": [{"if": "call.caller == '1'", "next": "end"}]})"), "open-exit",
       "/nodes/a", "'else'"},
      {"an error exit left open",
       R"({"ivr": 1, "id": "t", "start": "a", "nodes": {"a": {"type": "play", "say": "x", "next": "b"}, "b": {"type": "hangup"}}})",
       "open-exit", "/nodes/a", "can fail"},
      {"a variable nothing sets",
       with(R"({"type": "play", "say": "Dear {{nmae}}", "next": "end"})", "",
            R"("variables": {"name": "x"})"),
       "unset-variable", "/nodes/a/say", "did you mean 'name'?"},
      {"a variable one path does not set",
       with(R"({"type": "gather", "into": "x", "next": "b", "invalid": "b", "no_input": "end"})",
            R"("b": {"type": "play", "say": "{{x}}", "next": "end"})"),
       "unset-variable", "/nodes/b/say", "a -> b"},
      {"a variable read by a condition",
       with(R"({"type": "decision", "cases": [{"if": "x > 1", "next": "end"}], "else": "b"})",
            R"("b": {"type": "set", "set": {"x": 1}, "next": "end"})"),
       "unset-variable", "/nodes/a/cases/0", "'x'"},
      {"a variable read in an address", with(R"({"type": "api", "url": "http://h/{{id}}", "next": "end"})"),
       "unset-variable", "/nodes/a/url", "'id'"},
      {"a loop that only plays",
       with(
           R"({"type": "play", "say": "x", "next": "b"})",
           R"("b": {"type": "decision", "cases": [{"if": "call.caller == '1'", "next": "end"}], "else": "a"})"),
       "endless-loop", "/nodes/a", "a -> b -> a"},
      {"a service asked again on its own error",
       with(R"({"type": "api", "url": "http://h/", "next": "end", "error": "a"})"), "endless-loop",
       "/nodes/a", "a -> a"},
      {"a redial without the caller",
       with(R"({"type": "transfer", "to": "sip:x@h", "next": "end", "busy": "a", "failed": "end"})"),
       "endless-loop", "/nodes/a", "a -> a"},
      {"a number where a duration belongs", with(R"({"type": "wait", "duration": 5, "next": "end"})"),
       "wrong-type", "/nodes/a/duration", "not 5"},
      {"a duration without unit", with(R"({"type": "wait", "duration": "5", "next": "end"})"), "wrong-type",
       "/nodes/a/duration", "'5' is no duration"},
      {"a duration too long", with(R"({"type": "wait", "duration": "25h", "next": "end"})"), "out-of-range",
       "/nodes/a/duration", "86400s"},
      {"a text where a number belongs", with(R"({"type": "play", "say": "x", "loops": "2", "next": "end"})"),
       "wrong-type", "/nodes/a/loops", "expected a number, found a text"},
      {"a number out of range", with(R"({"type": "play", "say": "x", "loops": 1001, "next": "end"})"),
       "out-of-range", "/nodes/a/loops", "between 0 and 1000"},
      {"a fraction where a whole number belongs", gather(R"("tries": 1.5)"), "out-of-range", "/nodes/a/tries",
       "1.5"},
      {"a language without prompt",
       with(R"({"type": "play", "say": {"en": "x"}, "next": "end"})", "", R"("languages": ["en", "ar"])"),
       "missing-language", "/nodes/a/say", "'ar'"},
      {"a language without file",
       with(R"({"type": "play", "say": [{"file": {"ar": "x.wav"}}], "next": "end"})", "",
            R"("languages": ["en", "ar"])"),
       "missing-language", "/nodes/a/say/0/file", "'en'"},
      {"a language the flow has not",
       with(R"({"type": "play", "say": {"en": "x", "fr": "x"}, "next": "end"})"), "unknown-language",
       "/nodes/a/say/fr", "'fr'"},
      {"a set to a language the flow has not",
       with(R"({"type": "set", "set": {"language": "fr"}, "next": "end"})"), "unknown-language",
       "/nodes/a/set/language", "'fr'"},
      {"a menu key of two digits",
       with(R"({"type": "menu", "keys": {"12": "end"}, "invalid": "end", "no_input": "end"})"), "dead-key",
       "/nodes/a/keys/12", "can never match"},
      {"a menu key that is no key",
       with(R"({"type": "menu", "keys": {"x": "end"}, "invalid": "end", "no_input": "end"})"), "dead-key",
       "/nodes/a/keys/x", "can never match"},
      {"a menu without keys", with(R"({"type": "menu", "keys": {}, "invalid": "end", "no_input": "end"})"),
       "out-of-range", "/nodes/a/keys", "one key"},
      {"a calendar nobody knows",
       with(R"({"type": "decision", "kind": "time", "calendar": "shop", "open": "end", "closed": "end"})"),
       "unknown-calendar", "/nodes/a/calendar", "'shop'"},
      {"a calendar nobody knows, in a condition", condition(R"("calendar.shop.open")"), "unknown-calendar",
       "/nodes/a/cases/0/if", "'shop'"},
      {"a condition that ends too early", condition(R"("n >")"), "bad-expression", "/nodes/a/cases/0/if",
       "expected a value, found the end"},
      {"a condition with one equals sign", condition(R"("n = 1")"), "bad-expression", "/nodes/a/cases/0/if",
       "'=='"},
      {"a condition with an unknown function", condition(R"("lenght(n) > 1")"), "bad-expression",
       "/nodes/a/cases/0/if", "did you mean 'length'?"},
      {"a condition with an open bracket", condition(R"("(n > 1")"), "bad-expression", "/nodes/a/cases/0/if",
       "')'"},
      {"a condition with more behind it", condition(R"("n > 1 2")"), "bad-expression", "/nodes/a/cases/0/if",
       "nothing more"},
      {"an operator nobody knows", condition(R"({"variable": "n", "operator": "equal", "value": 1})"),
       "bad-expression", "/nodes/a/cases/0/if", "did you mean 'equals'?"},
      {"a comparison without value", condition(R"({"variable": "n", "operator": "less"})"), "bad-expression",
       "/nodes/a/cases/0/if", "needs a value"},
      {"an unknown field deep in a condition", condition(R"({"all": [{"not": {"variabel": "n"}}]})"),
       "bad-expression", "/nodes/a/cases/0/if/all/0/not/variabel", "variable"},
      {"a built-in that is not there", condition(R"("call.callr == '1'")"), "bad-expression",
       "/nodes/a/cases/0/if", "did you mean 'call.caller'?"},
      {"a case that always holds", condition(R"("1 < 2")"), "constant-case", "/nodes/a/cases/0/if",
       "always holds"},
      {"a variable never closed", with(R"({"type": "play", "say": "Dear {{name", "next": "end"})"),
       "bad-template", "/nodes/a/say", "never closed"},
      {"a filter nobody knows",
       with(R"({"type": "play", "say": "{{name | uper}}", "next": "end"})", "",
            R"("variables": {"name": "x"})"),
       "bad-template", "/nodes/a/say", "did you mean 'upper'?"},
      {"an empty variable", with(R"({"type": "play", "say": "{{ }}", "next": "end"})"), "bad-template",
       "/nodes/a/say", "names no variable"},
      {"a kind of gather nobody knows", gather(R"("kind": "pni")"), "unknown-kind", "/nodes/a/kind",
       "did you mean 'pin'?"},
      {"a smallest length above the largest", gather(R"("min": 5, "max": 4)"), "out-of-range", "/nodes/a/max",
       "less than min 5"},
      {"a range upside down", gather(R"("range": [5, 1])"), "out-of-range", "/nodes/a/range", "nothing lies"},
      {"a pattern that is none", gather(R"("pattern": "[0-9")"), "bad-pattern", "/nodes/a/pattern", "[0-9"},
      {"a pattern that looks ahead", gather(R"("pattern": "(?=1)[0-9]+")"), "bad-pattern", "/nodes/a/pattern",
       "look-ahead"},
      {"a gather that keeps its digits nowhere",
       with(R"({"type": "gather", "next": "end", "invalid": "end", "no_input": "end"})"), "missing-field",
       "/nodes/a", "'into'"},
      {"a name no variable can have",
       gather(R"("min": 1)").replace(gather(R"("min": 1)").find("\"x\""), 3, "\"9x\""), "bad-name",
       "/nodes/a/into", "9x"},
      {"a built-in name for a variable", with(R"({"type": "set", "set": {"call": 1}, "next": "end"})"),
       "reserved-name", "/nodes/a/set/call", "built in"},
      {"a method nobody knows",
       with(R"({"type": "api", "method": "FETCH", "url": "http://h/", "next": "end"})"), "unknown-method",
       "/nodes/a/method", "FETCH"},
      {"an address that is none", with(R"({"type": "api", "url": "example.com", "next": "end"})"), "bad-url",
       "/nodes/a/url", "no address"},
      {"an authentication nobody knows",
       with(R"({"type": "api", "url": "http://h/", "auth": {"type": "digest"}, "next": "end"})"),
       "unknown-kind", "/nodes/a/auth/type", "digest"},
      {"a bearer without token",
       with(R"({"type": "api", "url": "http://h/", "auth": {"type": "bearer"}, "next": "end"})"),
       "missing-field", "/nodes/a/auth", "'token'"},
      {"a status that is none",
       with(R"({"type": "api", "url": "http://h/", "on_status": {"4o4": "end"}, "next": "end"})"),
       "out-of-range", "/nodes/a/on_status/4o4", "4o4"},
      {"a transform nobody knows",
       with(
           R"({"type": "api", "url": "http://h/", "map": {"x": {"from": "/x", "transform": "rond"}}, "next": "end"})"),
       "bad-transform", "/nodes/a/map/x/transform", "did you mean 'round'?"},
      {"a SIP address that is none", with(R"({"type": "transfer", "to": "tel:123", "next": "end"})"),
       "bad-uri", "/nodes/a/to", "tel:123"},
      {"a piece nobody knows", with(R"({"type": "play", "say": [{"txet": "x"}], "next": "end"})"),
       "wrong-type", "/nodes/a/say/0", "did you mean 'text'?"},
      {"money without currency", with(R"({"type": "play", "say": {"money": "5"}, "next": "end"})"),
       "missing-field", "/nodes/a/say", "'currency'"},
      {"a tone nobody knows", with(R"({"type": "play", "say": {"tone": "bip"}, "next": "end"})"),
       "unknown-tone", "/nodes/a/say/tone", "beep"},
      {"a prompt that says nothing", with(R"({"type": "play", "say": [], "next": "end"})"), "wrong-type",
       "/nodes/a/say", "says nothing"},
      {"percentages beyond a hundred",
       with(
           R"({"type": "decision", "kind": "percent", "cases": [{"percent": 60, "next": "end"}, {"percent": 60, "next": "end"}], "else": "end"})"),
       "out-of-range", "/nodes/a/cases", "at most 100"},
      {"a list of callers nobody knows",
       with(
           R"({"type": "decision", "kind": "caller", "cases": [{"callers": "vpi", "next": "end"}], "else": "end"})",
           "", R"("lists": {"vip": ["1"]})"),
       "unknown-list", "/nodes/a/cases/0/callers", "did you mean 'vip'?"},
      {"a node name with a space",
       with(R"({"type": "play", "say": "x", "next": "b b"})", R"("b b": {"type": "hangup"})"), "bad-name",
       "/nodes/b b", "no name"},
      {"one text for two languages",
       with(R"({"type": "play", "say": "Hello", "next": "end"})", "", R"("languages": ["en", "ar"])"),
       "one-language", "/nodes/a/say", "every language"},
      {"a language chosen without a question",
       with(R"({"type": "welcome", "choose": {"1": "en"}, "next": "end"})"), "missing-field", "/nodes/a",
       "no question"},
      {"an on_error nothing leads to",
       with(R"({"type": "set", "set": {"x": 1}, "next": "b"})", R"("b": {"type": "hangup"})"), "unused",
       "/on_error", "no node can fail"},
  };
}

TEST(FlowCheck, FindsEachDefectAndSaysWhereAndWhy) {
  for (const Defect& d : defects()) {
    bool found = false;
    std::string all;
    for (const Finding& f : Flow::check(d.json)) {
      all += to_string(f) + "\n";
      const bool here =
          d.rule == std::string("too-deep") ? f.pointer.rfind(d.pointer, 0) == 0 : f.pointer == d.pointer;
      found = found || (f.rule == d.rule && here && f.message.find(d.message) != std::string::npos);
    }
    EXPECT_TRUE(found) << d.name << ": expected " << d.rule << " at " << d.pointer << " with \"" << d.message
                       << "\", got\n"
                       << all;
  }
}

TEST(FlowCheck, ReportsEachDefectOnceAndNothingElse) {
  // Defects that are two at once by nature.
  const std::vector<std::string> compound = {"a list instead of an object", "nesting beyond the limit",
                                             "no start"};
  for (const Defect& d : defects()) {
    if (std::find(compound.begin(), compound.end(), d.name) != compound.end()) continue;
    const auto findings = Flow::check(d.json);
    std::string all;
    for (const Finding& f : findings) all += to_string(f) + "\n";
    EXPECT_LE(findings.size(), 2u) << d.name << "\n" << all;
    std::set<std::pair<std::string, std::string>> distinct;
    for (const Finding& f : findings)
      EXPECT_TRUE(distinct.emplace(f.rule, f.pointer).second) << d.name << "\n" << all;
  }
}

TEST(FlowCheck, S3_58_LoadRefusesWhatHasAnErrorAndListsAllOfThem) {
  const auto flow = Flow::load(
      with(R"({"type": "play", "say": "x", "next": "nowhere_at_all"})", R"("b": {"type": "meun"})"));
  ASSERT_FALSE(flow.ok());
  const std::string message(flow.status().message());
  EXPECT_THAT(message, HasSubstr("/nodes/a/next: no node 'nowhere_at_all'"));
  EXPECT_THAT(message, HasSubstr("/nodes/b/type: no node type 'meun'; did you mean 'menu'?"));
}

TEST(FlowCheck, AWarningDoesNotKeepAFlowFromLoading) {
  EXPECT_TRUE(Flow::load(with(R"({"type": "play", "say": "Hello", "next": "end"})", "",
                              R"("languages": ["en", "ar"])"))
                  .ok());
}

TEST(FlowCheck, ACalendarOfTheHostCounts) {
  const std::string json = condition(R"("calendar.shop.open")");
  EXPECT_FALSE(Flow::load(json).ok());
  EXPECT_TRUE(Flow::load(json, {.calendars = {"shop"}}).ok());
}

TEST(FlowCheck, S0_87_AListOfTheHostCounts) {
  const std::string json = with(
      R"({"type": "decision", "kind": "caller", "cases": [{"callers": "blocked", "next": "end"}], "else": "end"})");
  const auto found = Flow::check(json);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rule, "unknown-list");
  EXPECT_TRUE(Flow::load(json, {.lists = {"blocked"}}).ok());
  EXPECT_THAT(Flow::check(json, {.lists = {"blocket"}})[0].message, HasSubstr("did you mean 'blocket'?"));
}

TEST(FlowCheck, SetVariablesAreKnownOnEveryPathThatSetsThem) {
  for (const char* a : {
           R"({"type": "gather", "into": "x", "next": "b", "invalid": "end", "no_input": "end"})",
           R"({"type": "api", "url": "http://h/", "map": {"x": "/x"}, "next": "b"})",
           R"({"type": "set", "set": {"x": 1}, "next": "b"})",
           R"({"type": "set", "set": {"y": 1, "x": "{{y}}"}, "next": "b"})",
           R"({"type": "record", "into": "x", "next": "b"})",
       }) {
    for (const Finding& f : Flow::check(with(a, R"("b": {"type": "play", "say": "{{x}}", "next": "end"})"))) {
      if (f.rule != "unused") ADD_FAILURE() << a << "\n" << to_string(f);
    }
  }
}

TEST(FlowCheck, AReadThatMindsAnUnsetVariableIsFine) {
  for (
      const char* text :
      {R"({"type": "play", "say": "{{x | default: 'you'}}", "next": "c"})",
       R"({"type": "decision", "cases": [{"if": "x exists", "next": "end"}], "else": "c"})",
       R"({"type": "decision", "cases": [{"if": "exists(x) and x > 3", "next": "end"}], "else": "c"})",
       R"({"type": "decision", "cases": [{"if": {"variable": "x", "operator": "not_exists"}, "next": "end"}], "else": "c"})"}) {
    const auto findings =
        Flow::check(with(R"({"type": "gather", "into": "x", "next": "b", "invalid": "b", "no_input": "b"})",
                         R"("b": )" + std::string(text) + R"(, "c": {"type": "hangup"})"));
    EXPECT_TRUE(findings.empty()) << text << "\n" << to_string(findings[0]);
  }
}

// Loops that real flows have, and the same without what ends them.
TEST(FlowCheck, ALoopThatCountsDownPassesAndItsUnboundedTwinDoesNot) {
  struct Loop {
    const char* decision;
    const char* step;
    bool bounded;
  };
  const Loop loops[] = {
      {R"("if": "n < 3", "next": "again"}], "else": "end")", "n + 1", true},
      {R"("if": "n <= 3", "next": "again"}], "else": "end")", "n + 1", true},
      {R"("if": "n >= 3", "next": "end"}], "else": "again")", "n + 1", true},
      {R"("if": "3 <= n", "next": "end"}], "else": "again")", "n + 1", true},
      {R"("if": "n > 0", "next": "again"}], "else": "end")", "n - 1", true},
      {R"("if": {"variable": "n", "operator": "less", "value": 3}, "next": "again"}], "else": "end")",
       "n + 1", true},
      {R"("if": "n < 3", "next": "again"}], "else": "end")", "n - 1", false},
      {R"("if": "n < 3", "next": "again"}], "else": "end")", "n + 0", false},
      {R"("if": "n < 3", "next": "again"}], "else": "end")", "n * 2", false},
      {R"("if": "n < 3", "next": "again"}], "else": "end")", "m + 1", false},
      {R"("if": "n != 3", "next": "again"}], "else": "end")", "n + 1", false},
      {R"("if": "m < 3", "next": "again"}], "else": "end")", "n + 1", false},
      {R"("if": "n >= 3", "next": "again"}], "else": "end")", "n + 1", false},
      {R"("if": "n < 3", "next": "again"}, {"if": "m > 1", "next": "again"}], "else": "end")", "n + 1",
       false},
      {R"("if": "m > 1", "next": "again"}, {"if": "n >= 3", "next": "end"}], "else": "again")", "n + 1",
       false},
  };
  for (const Loop& loop : loops) {
    const std::string json =
        with(R"({"type": "play", "say": "Please wait.", "next": "count"})",
             R"("count": {"type": "set", "set": {"n": {"expression": ")" + std::string(loop.step) +
                 R"("}}, "next": "enough"}, "enough": {"type": "decision", "cases": [{)" + loop.decision +
                 R"(}, "again": {"type": "play", "say": "Still waiting.", "next": "a"})",
             R"("variables": {"n": 0, "m": 0})");
    const auto findings = Flow::check(json);
    EXPECT_EQ(findings.empty(), loop.bounded)
        << loop.decision << " " << loop.step << (findings.empty() ? "" : "\n" + to_string(findings[0]));
    if (!loop.bounded && !findings.empty()) {
      EXPECT_EQ(findings[0].rule, "endless-loop");
    }
  }
}

TEST(FlowCheck, ACountThatOneWayAroundTheLoopAvoidsIsNoBound) {
  const std::string json = with(
      R"({"type": "decision", "cases": [{"if": "n >= 3", "next": "end"}, {"if": "call.caller == '1'", "next": "a2"}], "else": "count"})",
      R"("a2": {"type": "play", "say": "x", "next": "a"}, "count": {"type": "set", "set": {"n": {"expression": "n + 1"}}, "next": "a"})",
      R"("variables": {"n": 0})");
  const auto findings = Flow::check(json);
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].rule, "endless-loop");
}

TEST(FlowCheck, ALoopThroughTheCallerIsNoSpin) {
  for (const char* a :
       {R"({"type": "menu", "keys": {"1": "a", "2": "end"}, "invalid": "a", "no_input": "a"})",
        R"({"type": "gather", "into": "x", "next": "a", "invalid": "end", "no_input": "a"})",
        R"({"type": "record", "next": "a", "error": "end"})"}) {
    for (const Finding& f : Flow::check(with(a))) {
      EXPECT_NE(f.rule, "endless-loop") << to_string(f);
    }
  }
}

std::string spoken(const std::vector<FlowStep>& call) {
  std::string text;
  for (const FlowStep& step : call) text += step.node + (step.exit.empty() ? "" : " (" + step.exit + ") ");
  return text;
}

TEST(FlowCheck, AFindingShowsTheShortestCallThatComesToIt) {
  const auto call_of = [](const std::string& json, const std::string& rule) -> std::string {
    for (const Finding& f : Flow::check(json))
      if (f.rule == rule) return spoken(f.call);
    return "not found";
  };
  const std::string menu =
      R"({"type": "menu", "keys": {"1": "b", "2": "c"}, "say": "x", "invalid": "end", "no_input": "b"})";
  const std::string gather =
      R"({"type": "gather", "into": "x", "next": "b", "invalid": "b", "no_input": "end"})";
  const struct {
    std::string json;
    const char *rule, *call;
  } kCases[] = {
      {with(
           menu,
           R"("b": {"type": "play", "say": "x", "next": "c"}, "c": {"type": "play", "say": "x", "nxt": "end", "next": "end"})"),
       "unknown-field", "a (2) c"},
      {with(gather, R"("b": {"type": "play", "say": "{{x}}", "next": "end"})"), "unset-variable",
       "a (invalid) b"},
      {with(
           R"({"type": "wait", "duration": "1s", "next": "b"})",
           R"("b": {"type": "set", "set": {"x": 1}, "next": "c"}, "c": {"type": "decision", "cases": [{"if": "x > 1", "next": "end"}], "else": "b"})"),
       "endless-loop", "a (next) b (next) c (else) b"},
      {with(menu, R"("b": {"type": "hangup"}, "c": {"type": "hangup"}, "d": {"type": "hangup"})"),
       "unreachable", ""},  // no call comes there
  };
  for (const auto& c : kCases) EXPECT_EQ(call_of(c.json, c.rule), c.call) << c.rule;
}

TEST(FlowCheck, ASecretThatOthersWouldSeeOrHearIsNamed) {
  const auto leaks = [](const std::string& then, const std::string& more = "") {
    std::string found;
    const std::string asks =
        R"({"type": "gather", "kind": "pin", "into": "pin", "next": "b", "invalid": "end", "no_input": "end", "say": "x"})";
    for (const Finding& f : Flow::check(with(asks, R"("b": )" + then + more))) {
      EXPECT_EQ(f.severity, Severity::warning) << to_string(f);
      if (f.rule == "secret-leak") found += f.pointer + " ";
    }
    return found;
  };
  EXPECT_EQ(leaks(R"({"type": "api", "url": "http://h/{{pin}}", "next": "end"})"), "/nodes/b/url ");
  EXPECT_EQ(leaks(R"({"type": "api", "url": "http://h/", "query": {"p": "{{pin}}"}, "next": "end"})"),
            "/nodes/b/query ");
  EXPECT_EQ(leaks(R"({"type": "play", "say": "You said {{pin}}", "next": "end"})"), "/nodes/b/say ");
  EXPECT_EQ(leaks(R"({"type": "transfer", "to": "sip:{{pin}}@h", "next": "end"})"), "/nodes/b/to ");
  EXPECT_EQ(leaks(R"({"type": "set", "set": {"copy": "<{{pin}}>"}, "next": "c"})",
                  R"(, "c": {"type": "play", "say": "{{copy}}", "next": "end"})"),
            "/nodes/c/say ")
      << "what is made of it is secret too";
  for (const char* fine :
       {R"({"type": "api", "method": "POST", "url": "http://h/", "body": {"pin": "{{pin}}"}, "next": "end"})",
        R"({"type": "api", "url": "http://h/", "headers": {"X-Pin": "{{pin}}"}, "next": "end"})",
        R"({"type": "play", "say": "It ends in {{pin | last: 2}}", "next": "end"})",
        R"({"type": "decision", "cases": [{"if": "pin == '1234'", "next": "end"}], "else": "end"})",
        R"({"type": "send_digits", "digits": "{{pin}}", "next": "end"})"})
    EXPECT_EQ(leaks(fine), "") << fine;
}

TEST(FlowCheck, DeepAndWideDocumentsAreCheckedWithoutTrouble) {
  std::string nodes;
  for (int i = 0; i < 5000; ++i) {
    nodes += R"("n)" + std::to_string(i) + R"(": {"type": "play", "say": "x", "next": ")" +
             (i < 4999 ? "n" + std::to_string(i + 1) : "end") + "\"},";
  }
  const auto flow = Flow::load(R"({"ivr": 1, "id": "t", "start": "n0", "on_error": "end", "nodes": {)" +
                               nodes + R"("end": {"type": "hangup"}}})");
  ASSERT_TRUE(flow.ok()) << flow.status().message().substr(0, 500);
  EXPECT_EQ((*flow)->nodes(), 5001u);
  EXPECT_EQ((*flow)->connections(), 5000u);
}

}  // namespace
}  // namespace ivr

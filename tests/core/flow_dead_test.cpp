#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/flow_caller.hpp"

// Cases that no call takes, questions that no input answers, and what a language has no words for.

namespace ivr {
namespace {

using testing::HasSubstr;

// "2: why" of each case that is never taken, with all of the cases given.
std::string dead_cases(const std::string& cases, const std::string& kind = "custom") {
  const std::string json = R"({"ivr": 1, "id": "t", "start": "a", "languages": ["en", "ar"],
    "variables": {"x": null, "y": null, "list": []}, "nodes": {
    "a": {"type": "decision", "kind": ")" +
                           kind + R"(", "cases": [)" + cases + R"(], "else": "end"},
    "end": {"type": "hangup"}}})";
  std::string all;
  for (const Finding& f : Flow::check(json)) {
    EXPECT_EQ(f.severity, Severity::warning) << to_string(f);
    EXPECT_EQ(f.rule, "dead-case") << to_string(f);
    all += f.pointer.substr(f.pointer.rfind('/') + 1) + ": " + f.message + "\n";
  }
  return all;
}

std::string conditions(std::initializer_list<const char*> all) {
  std::string cases;
  for (const char* one : all)
    cases += (cases.empty() ? "" : ", ") + std::string(R"({"if": ")") + one + R"(", "next": "end"})";
  return cases;
}

TEST(DeadCase, WhatContradictsItselfOrDoesNotExistIsNeverTaken) {
  for (const char* one :
       {"x > 3 and x < 3", "x == 'a' and x == 'b'", "x == 1 and not (x exists)", "now.hour > 23",
        "language == 'fr'", "call.direction == 'in'", "now.weekday == 'mon'", "x >= 5 and x <= 4.5",
        "x contains 'ab' and not (x contains 'b') and "
        "x == 'cab'"}) {
    EXPECT_THAT(dead_cases(conditions({one})), HasSubstr("0: 'case1' is never taken: nothing fits it"))
        << one;
  }
}

TEST(DeadCase, WhatThoseBeforeItTakeIsNeverTaken) {
  const struct {
    std::initializer_list<const char*> cases;
    const char* why;
  } kDead[] = {
      {{"x > 100", "x > 1000"}, "1: 'case2' is never taken: 'case1' before it takes all that fits it\n"},
      {{"x == 'a' or x == 'b'", "x == 'b'"}, "'case1' before it takes"},
      {{"x < 5", "x >= 5", "x == 7"}, "'case2' before it takes"},
      {{"x < 5", "x > 4", "x == 4.5 or x == 9"}, "those before it take all"},
      {{"x exists", "not (x exists)", "y == 1"}, "2: 'case3' is never taken: those before it"},
      {{"x == 5", "x == '5' and x >= 5"}, "'case1' before it takes"},
      {{"x != 3", "x == 4"}, "'case1' before it takes"},
      {{"x", "x == true"}, "'case1' before it takes"},
      {{"now.hour < 12", "now.hour >= 12", "x == 1"}, "those before it"},
      {{"x == 1", "x == y", "x == 1"}, "2: 'case3' is never taken: 'case1' before it"},
  };
  for (const auto& c : kDead)
    EXPECT_THAT(dead_cases(conditions(c.cases)), HasSubstr(c.why)) << conditions(c.cases);
}

TEST(DeadCase, WhatSomeCallTakesIsNotNamed) {
  for (const auto& cases : std::initializer_list<std::initializer_list<const char*>>{
           {"x > 1000", "x > 100"},
           {"x < 5", "x > 5", "x == 5"},
           {"x < 5", "x >= 5", "x == 'a'"},  // a text is neither
           {"x > 1", "x < 1.5"},             // between two of them
           {"x == '5'", "x == 5"},           // "05"
           {"x == y", "x == y"},             // not looked into
           {"x + 1 > 2", "x + 1 > 2"},
           {"x contains 'a'", "x contains 'b'"},
           {"list contains 'a'", "list contains 'a' and list contains 'b' or y exists"},
           {"x > 'b'", "x < 'b'", "x == 'b'"},
           {"x > 'b'", "x > 3"},
           {"x == true", "x == 'yes'", "x"},
           {"length(x) > 3", "x == 'abcd'"},
           {"language == 'ar'", "language == 'en'"},
           {"now.time < '08:00'", "now.time < '12:00'", "now.weekday == 'friday'"},
           {"x >= 5 and y < 3", "x >= 5", "y < 3"}})
    EXPECT_EQ(dead_cases(conditions(cases)), "") << conditions(cases);
}

TEST(DeadCase, CallersThatAPrefixBeforeThemTakes) {
  EXPECT_THAT(
      dead_cases(R"({"callers": ["+44*"], "next": "end"}, {"callers": ["+4420*", "+44"], "next": "end"})",
                 "caller"),
      HasSubstr("1: 'case2' is never taken: 'case1' before it"));
  EXPECT_THAT(dead_cases(R"({"callers": [], "next": "end"})", "caller"), HasSubstr("0: 'case1'"));
  EXPECT_EQ(
      dead_cases(R"({"callers": ["+4420*"], "next": "end"}, {"callers": ["+44*"], "next": "end"})", "caller"),
      "");
  EXPECT_EQ(dead_cases(R"({"percent": 10, "next": "end"}, {"percent": 10, "next": "end"})", "percent"), "");
}

std::string dead_input(const std::string& fields, const std::string& type = "gather") {
  const std::string asks = type == "gather" ? R"("into": "x", "next": "sorry", )" : "";
  std::string all;
  for (const Finding& f : Flow::check(flow_of(R"("a": {"type": ")" + type + R"(", )" + asks + fields +
                                              R"(, "say": "x", "invalid": "sorry", "no_input": "sorry"})")))
    all += f.rule + " " + f.pointer + "\n";
  return all;
}

TEST(DeadInput, LengthPatternAndRangeThatContradictEachOther) {
  EXPECT_EQ(dead_input(R"("length": 4, "pattern": "0[0-9]{4}")"), "dead-input /nodes/a/pattern\n");
  EXPECT_EQ(dead_input(R"("pattern": "[0-9]+#", "terminators": "#")"), "dead-input /nodes/a/pattern\n");
  EXPECT_EQ(dead_input(R"("max": 2, "range": [100, 200])"), "dead-input /nodes/a/range\n");
  EXPECT_EQ(dead_input(R"("patterns": [{"pattern": "[0-9]{33}", "next": "sorry"}])", "menu"),
            "dead-input /nodes/a/patterns/0/pattern\n");
  EXPECT_EQ(dead_input(R"("length": 5, "pattern": "0[0-9]{4}")"), "");
  EXPECT_EQ(dead_input(R"("pattern": "[0-9]+#", "terminators": "*")"), "");
  EXPECT_EQ(dead_input(R"("min": 4, "max": 4, "range": [1, 5])"), "") << "0003";
  EXPECT_EQ(dead_input(R"("patterns": [{"pattern": "[0-9]{32}", "next": "sorry"}])", "menu"), "");
}

std::string speech(const std::string& languages, const std::string& say) {
  std::string all;
  for (const Finding& f : Flow::check(flow_of(R"("a": {"type": "play", "next": "sorry", "say": )" + say + "}",
                                              R"("languages": [)" + languages + "]")))
    if (f.rule != "one-language") all += f.rule + " " + f.pointer + "\n";
  return all;
}

TEST(SpokenNumbers, ALanguageWithoutRulesAndAValueWithoutWordsAreNamed) {
  EXPECT_EQ(speech(R"("en", "fr")", R"({"number": "{{call.id}}"})"), "no-spoken-numbers /languages/1\n");
  EXPECT_EQ(speech(R"("en", "fr")", R"({"en": {"number": "1"}, "fr": "un"})"), "");
  EXPECT_EQ(speech(R"("en", "fr")", R"({"digits": "12"})"), "");
  EXPECT_EQ(speech(R"("ar-SA", "en-GB")", R"({"time": "18:30"})"), "");
  EXPECT_EQ(speech(R"("en")", R"({"date": "2026-02-30"})"), "unspeakable /nodes/a\n");
  EXPECT_EQ(speech(R"("en")", R"({"time": "25:00"})"), "unspeakable /nodes/a\n");
  EXPECT_EQ(speech(R"("en")", R"({"money": "{{call.id}}", "currency": "XXQ"})"), "unspeakable /nodes/a\n");
  EXPECT_EQ(speech(R"("en")", R"({"money": "{{call.id}}", "currency": "USD"})"), "");
}

std::string parts(const std::string& read, const std::string& variables, const std::string& before = "") {
  std::string all;
  for (const Finding& f : Flow::check(
           flow_of(R"("a": {"type": "set", "set": {"z": 1)" + before +
                       R"(}, "next": "b"}, "b": {"type": "play", "next": "sorry", "say": ")" + read + "\"}",
                   R"("variables": {)" + variables + "}")))
    all += f.rule + " " + f.pointer + ": " + f.message + "\n";
  return all;
}

TEST(UnsetPart, APartThatNothingItHoldsHas) {
  const std::string shop = R"("shop": {"name": "Oak", "at": {"city": "York"}, "tags": ["a", "b"]})";
  EXPECT_THAT(parts("{{shop.nmae}}", shop),
              HasSubstr("unset-part /nodes/b/say: nothing that 'shop' holds has a 'shop.nmae'; "
                        "did you mean 'name'?"));
  EXPECT_THAT(parts("{{shop.at.town}}", shop), HasSubstr("unset-part"));
  EXPECT_THAT(parts("{{shop.tags.2}}", shop), HasSubstr("unset-part"));
  EXPECT_THAT(parts("{{shop.name.first}}", shop), HasSubstr("unset-part"));
  EXPECT_THAT(parts("{{x.y}}", R"("x": "text")"), HasSubstr("it is a text or a number"));
  for (const char* fine :
       {"{{shop.name}}", "{{shop.at.city}}", "{{shop.tags.1}}", "{{shop.phone | default: ''}}"})
    EXPECT_EQ(parts(fine, shop), "") << fine;
  EXPECT_EQ(parts("{{x.y}}", R"("x": null)"), "") << "the host, or a service, fills it";
  EXPECT_EQ(parts("{{x.y}}", R"("x": "text")", R"(, "x": {"y": 1})"), "");
  EXPECT_EQ(parts("{{x.y}}", R"("x": "text", "o": null)", R"(, "x": "{{o}}")"), "");
}

}  // namespace
}  // namespace ivr

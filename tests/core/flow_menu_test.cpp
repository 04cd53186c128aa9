#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"
#include "ivr/call_session.hpp"
#include "ivr/digit_map.hpp"
#include "scripted_call.hpp"

// P-04: what a menu can do beyond one key an exit. Patterns with captures, confirmation, what is said on the
// way in, again and out, and the ways back.

namespace ivr {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string menu(const std::string& fields) {
  return R"("type": "menu", "say": "full", "invalid": "bad", "no_input": "quiet", )" + fields;
}
std::string menu_flow(const std::string& fields) {
  const std::string extension =
      R"("ext": {"type": "hangup", "say": "{{extension | default: 'none'}}", "reason": "ext"},)";
  return flow_of(
      "\"a\": {" + menu(fields) + R"(}, "one": {"type": "hangup", "reason": "one"},)" +
      (fields.find("\"ext\"") != std::string::npos ? extension : "") +
      R"("bad": {"type": "hangup", "reason": "bad"}, "quiet": {"type": "hangup", "reason": "quiet"})");
}

const std::string kDial =
    R"j("keys": {"1": "one", "*": "a"}, "into": "choice",
       "patterns": [{"pattern": "(?<extension>1\\d{3})", "next": "ext", "name": "extension"},
                    {"pattern": "8(?<extension>[0-9]{2})#", "next": "ext"}])j";

TEST(FlowMenu, P_04_APatternIsAnExitAndItsGroupsAreVariables) {
  struct Row {
    const char* digits;
    const char* way;
    const char* said;  // at the extension
    const char* variables;
  };
  for (const Row& row : {Row{"1234", "a:extension", "1234", R"({"choice":"1234","extension":"1234"})"},
                         Row{"877#", "a:pattern2", "77", R"({"choice":"877#","extension":"77"})"},
                         Row{"1", "a:1", nullptr, R"({"choice":"1"})"}}) {
    FlowCaller c(menu_flow(kDial));
    c.start();
    ASSERT_NE(c.wants<intent::Collect>().map, nullptr);
    EXPECT_EQ(c.wants<intent::Collect>().terminators, "") << "# is a part of a pattern";
    c.press(row.digits);
    EXPECT_THAT(c.way(), StartsWith(row.way));
    if (row.said != nullptr) {
      EXPECT_EQ(c.hears(), row.said);
    }
    EXPECT_EQ(c.run().variables_json(), row.variables);
  }
}

TEST(FlowMenu, P_04_WhatFitsNoPatternIsAWrongKey) {
  FlowCaller c(menu_flow(kDial + R"(, "tries": 2)"));
  c.start();
  for (const char* wrong : {"12", "9"}) c.press(wrong);
  EXPECT_THAT(c.way(), StartsWith("a:retry a:invalid"));
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "bad");
}

TEST(FlowMenu, P_04_TheHashEndsTheInputWhereNoPatternUsesIt) {
  const std::string fields =
      R"("keys": {"1": "one"}, "patterns": [{"pattern": "1\\d+", "next": "one"}], "digit_timeout": "2s")";
  FlowCaller c(menu_flow(fields));
  c.start();
  EXPECT_EQ(c.wants<intent::Collect>().terminators, "#");
  EXPECT_EQ(c.wants<intent::Collect>().digit_timeout, 2s);
  EXPECT_EQ(c.wants<intent::Collect>().max, 32);
  c.enter("");  // the hash alone is a wrong key, not a missing one
  c.enter("15");
  EXPECT_THAT(c.way(), StartsWith("a:retry a:pattern1"));

  FlowCaller plain(menu_flow(R"("keys": {"1": "one"})"));
  plain.start();
  EXPECT_EQ(plain.wants<intent::Collect>().terminators, "");
  EXPECT_EQ(plain.wants<intent::Collect>().map, nullptr) << "one key needs no map";
}

TEST(FlowMenu, P_04_AConfirmedChoiceIsTakenAndARefusedOneIsAskedAgain) {
  const std::string json = menu_flow(
      R"j("keys": {"1": "one"}, "into": "choice", "invalid_say": "wrong", "short_say": "short",
         "patterns": [{"pattern": "(?<extension>2\\d)", "next": "ext"}],
         "confirm": {"say": ["You chose", {"digits": "{{choice}}"}], "key": "5", "attempts": 2, "timeout": "4s"})j");
  FlowCaller c(json);
  c.start();
  c.press("23");
  EXPECT_EQ(c.hears(), "You chose|two|three");
  EXPECT_EQ(c.wants<intent::Collect>().max, 1);
  EXPECT_EQ(c.wants<intent::Collect>().first_timeout, 4s);
  EXPECT_FALSE(c.wants<intent::Collect>().carry) << "keys typed ahead do not confirm";
  c.press("9");  // no
  EXPECT_EQ(c.hears(), "short") << "what the caller takes back was not wrong";
  c.press("1");
  EXPECT_EQ(c.hears(), "You chose|one");
  c.silent();
  EXPECT_EQ(c.hears(), "You chose|one") << "asked twice";
  c.press("5");
  EXPECT_THAT(c.way(), StartsWith("a:retry a:1"));
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "one");

  FlowCaller silent(json);
  silent.start();
  for (int i = 0; i < 3; ++i) {
    silent.press("1");
    silent.silent();
    silent.silent();
  }
  EXPECT_THAT(silent.way(), StartsWith("a:retry a:retry a:no_input"));
  FlowCaller never(json);
  never.start();
  for (int i = 0; i < 3; ++i) {
    never.press("1");
    never.press("2");
  }
  EXPECT_THAT(never.way(), StartsWith("a:retry a:retry a:invalid"));
}

TEST(FlowMenu, P_04_TheExitSoundIsHeardInFullBeforeTheMenuGivesUp) {
  for (const bool failed : {false, true}) {
    FlowCaller c(
        menu_flow(R"("keys": {"1": "one"}, "tries": 2, "max_no_input": 1, "exit_say": "giving up")"));
    c.start();
    c.press("9");
    EXPECT_EQ(c.hears(), "full");
    c.press("9");
    EXPECT_EQ(c.hears(), "giving up");
    EXPECT_EQ(c.wants<intent::Play>().barge_in, BargeIn::none);
    c.tell(outcome::Played{failed ? outcome::PlayEnd::failed : outcome::PlayEnd::completed});
    EXPECT_THAT(c.way(), StartsWith(failed ? "a:retry a:error" : "a:retry a:invalid"));
  }
  FlowCaller silent(menu_flow(R"("keys": {"1": "one"}, "max_no_input": 1, "exit_say": "giving up")"));
  silent.start();
  silent.silent();
  silent.played();
  EXPECT_EQ(silent.wants<intent::Hangup>().reason, "quiet");
}

TEST(FlowMenu, P_04_FailuresAndTimeoutsAreCountedApartAlsoAcrossPatterns) {
  FlowCaller c(menu_flow(kDial + R"(, "max_invalid": 3, "max_no_input": 2)"));
  c.start();
  c.press("9");
  c.silent();
  c.press("12");
  c.silent();
  EXPECT_THAT(c.way(), StartsWith("a:retry a:retry a:retry a:no_input"));
}

// ---------------------------------------------------------------------------------------- ways back

const std::string kTree = flow_of(
    R"("a": {"type": "menu", "say": "top", "short_say": "top again", "short_on_return": true,
             "keys": {"1": "sales", "2": "info", "*": "a"}, "invalid": "bye", "no_input": "bye"},
       "sales": {"type": "menu", "say": "sales", "keys": {"1": "shoes", "*": "@back"}, "invalid": "@back", "no_input": "bye"},
       "shoes": {"type": "menu", "say": "shoes", "keys": {"8": "@back", "9": "@top"}, "patterns": [{"pattern": "0{2}", "next": "@top"}],
                 "invalid": "bye", "no_input": "bye"},
       "info": {"type": "play", "say": "we are open", "next": "a"},
       "bye": {"type": "hangup"})");

TEST(FlowMenu, P_04_BackIsTheMenuBeforeAndTopTheFirstOne) {
  FlowCaller c(kTree);
  c.start();
  struct Step {
    const char* key;
    const char* hears;
  };
  for (const Step& step :
       {Step{"1", "sales"}, Step{"1", "shoes"}, Step{"8", "sales"}, Step{"1", "shoes"},
        Step{"9", "top again"}, Step{"1", "sales"}, Step{"*", "top again"}, Step{"1", "sales"},
        Step{"1", "shoes"}, Step{"00", "top again"}, Step{"*", "top"}}) {  // its own key: all of it
    c.press(step.key);
    EXPECT_EQ(c.hears(), step.hears) << "after " << step.key;
  }
  c.press("1");
  for (int i = 0; i < 3; ++i) c.press("5");
  EXPECT_EQ(c.hears(), "top again") << "a sub-menu that gives up goes back";
  c.press("2");
  c.played();
  EXPECT_EQ(c.hears(), "top again");
  EXPECT_THAT(c.log(), HasSubstr("left shoes 8 8 \"sales\""));
}

TEST(FlowMenu, P_04_AWayBackIsDrawnAndCounted) {
  const auto flow = Flow::load(kTree);
  ASSERT_TRUE(flow.ok()) << flow.status().message();
  EXPECT_THAT((*flow)->to_dot(), HasSubstr("label=\"top\""));
  EXPECT_THAT((*flow)->to_mermaid(), HasSubstr("([\"back\"])"));
}

// ------------------------------------------------------------------------------------------- checks

TEST(FlowMenu, P_04_TheCheckerFindsWhatAMenuCannotDo) {
  struct Row {
    std::string fields;
    const char* rule;
    const char* pointer;
    const char* says;
  };
  const Row rows[] = {
      {R"("keys": {"1": "one"}, "patterns": [{"pattern": "[0-5]", "next": "one"}])", "ambiguous-keys",
       "/nodes/a/patterns/0/pattern", "the keys 1 are '[0-5]' and '1' too"},
      {R"("patterns": [{"pattern": "1\\d", "next": "one"}, {"pattern": "\\d5", "next": "one"}])",
       "ambiguous-keys", "/nodes/a/patterns/1/pattern", "the keys 15 are"},
      {R"("patterns": [{"pattern": "1(", "next": "one"}])", "bad-pattern", "/nodes/a/patterns/0/pattern",
       "')'"},
      {R"j("patterns": [{"pattern": "(?<call>1)", "next": "one"}])j", "reserved-name",
       "/nodes/a/patterns/0/pattern", "'call'"},
      {R"("patterns": [{"next": "one"}])", "missing-field", "/nodes/a/patterns/0", "'pattern'"},
      {R"("patterns": [7])", "wrong-type", "/nodes/a/patterns/0", "an object"},
      {R"("patterns": [])", "out-of-range", "/nodes/a/patterns", "at least one key"},
      {R"("patterns": [{"pattern": "1", "next": "one", "name": "x"}, {"pattern": "2", "next": "one", "name": "x"}])",
       "conflict", "/nodes/a/patterns/1", "called 'x'"},
      {R"("keys": {"1": "one"}, "patterns": [{"pattern": "2#", "next": "one"}], "terminators": "#")",
       "conflict", "/nodes/a/terminators", "ends the input"},
      {R"("keys": {"1": "one"}, "terminators": "#")", "conflict", "/nodes/a/terminators", "first key"},
      {R"("keys": {"1": "one"}, "digit_timeout": "1s")", "conflict", "/nodes/a/digit_timeout", "first key"},
      {R"("keys": {"1": "one"}, "short_on_return": true)", "conflict", "/nodes/a/short_on_return",
       "short_say"},
      {R"("keys": {"1": "@back"})", "no-way-back", "/nodes/a/keys/1", "no menu comes before 'a'"},
      {R"("keys": {"1": "@bakc"})", "unknown-target", "/nodes/a/keys/1", "did you mean '@back'"},
      {R"("keys": {"1": "one"}, "confirm": {"key": "1"})", "missing-field", "/nodes/a/confirm", "'say'"},
      {R"("keys": {"1": "one"}, "confirm": {"say": "x", "key": "12"})", "dead-key", "/nodes/a/confirm/key",
       "12"},
      {R"("keys": {"1": "one"}, "confirm": {"say": "{{choice}}"})", "unset-variable", "/nodes/a/confirm/say",
       "choice"},
  };
  for (const Row& row : rows) {
    std::vector<Finding> found;
    for (const Finding& f : Flow::check(menu_flow(row.fields))) {
      if (f.rule != "unreachable") found.push_back(f);
    }
    ASSERT_EQ(found.size(), 1u) << row.fields << (found.empty() ? "" : "\n" + to_string(found.back()));
    EXPECT_EQ(found[0].rule, row.rule) << row.fields;
    EXPECT_EQ(found[0].pointer, row.pointer) << row.fields;
    EXPECT_THAT(found[0].message, HasSubstr(row.says));
  }
}

TEST(FlowMenu, WhatAMenuSetsIsKnownBehindItsKeysAndNotBehindItsFailures) {
  const auto check = [](const std::string& one, const std::string& bad) {
    std::string all;
    for (
        const Finding& f : Flow::check(flow_of(
            R"j("a": {"type": "menu", "keys": {"1": "one"}, "into": "choice", "invalid": "bad", "no_input": "bad",
                "patterns": [{"pattern": "2(?<number>\\d)", "next": "two"}]},
             "one": {"type": "hangup", "say": ")j" +
            one + R"j("}, "two": {"type": "hangup", "say": "{{number}}"},
             "bad": {"type": "hangup", "say": ")j" +
            bad + "\"}")))
      all += to_string(f) + "\n";
    return all;
  };
  EXPECT_EQ(check("{{choice}}", "x"), "");
  EXPECT_THAT(check("{{number}}", "x"), HasSubstr("'number' may be read before it is set: a -> one"));
  EXPECT_THAT(check("x", "{{choice}}"), HasSubstr("'choice' may be read before it is set: a -> bad"));
}

// -------------------------------------------------------------------------- when the input is decided

// A real session under a real flow: keys at instants, and when the menu has taken them.
TEST(FlowMenu, P_04_AChoiceIsDecidedAsSoonAsNothingLongerIsPossible) {
  struct Key {
    char key;
    Millis at;
  };
  struct Row {
    std::vector<Key> keys;
    Millis decided;  // 0: by the last key
    const char* exit;
  };
  const Row rows[] = {
      {{{'1', 1s}}, 4s, "1"},                                           // 1xxx may follow: three seconds
      {{{'1', 1s}, {'2', 2s}}, 5s, "retry"},                            // neither the one nor the other
      {{{'1', 1s}, {'2', 2s}, {'3', 3s}, {'4', 4s}}, 0s, "extension"},  // complete
      {{{'*', 1s}}, 0s, "*"},                                           // nothing longer begins so
      {{{'5', 1s}}, 0s, "retry"},                                       // nothing begins so
      {{{'8', 1s}, {'1', 2s}, {'*', 3s}}, 0s, "retry"},                 // goes nowhere from here
      {{{'8', 1s}, {'1', 2s}, {'7', 3s}, {'#', 4s}}, 0s, "pattern2"},
  };
  auto flow = Flow::load(menu_flow(kDial));
  ASSERT_TRUE(flow.ok()) << flow.status().message();
  for (const Row& row : rows) {
    CallSession session(std::make_unique<FlowRun>(*flow, FlowRunOptions{}), {});
    Commands out;
    session.step(event::Invited{{.id = "c"}}, at(0ms), out);
    session.step(event::Established{}, at(0ms), out);
    session.step(event::PlayEnded{1, 500ms, true, {}}, at(500ms), out);
    const auto exit = [&]() -> std::string {
      for (const Command& c : out) {
        const auto* report = std::get_if<command::Report>(&c);
        if (report == nullptr) continue;
        if (const auto* left = std::get_if<note::NodeLeft>(&report->note)) return left->exit;
      }
      return "";
    };
    std::string shown;
    for (const Key& key : row.keys) {
      shown += key.key;
      EXPECT_EQ(exit(), "") << shown;
      session.step(event::DigitHeard{key.key, DigitSource::rtp_event}, at(key.at), out);
    }
    if (row.decided > 0s) {
      EXPECT_EQ(exit(), "") << shown;
      EXPECT_EQ(session.deadline(), at(row.decided)) << shown;
      session.step(event::Tick{}, at(row.decided), out);
    }
    EXPECT_EQ(exit(), row.exit) << shown;
  }
}

}  // namespace
}  // namespace ivr

#include <gtest/gtest.h>

#include "core/flow_caller.hpp"
#include "ivr/event_log.hpp"
#include "scripted_call.hpp"

// P-01: a prompt that is stopped at its next mark, or not before its end, and what becomes of the keys
// pressed meanwhile.

namespace ivr {
namespace {

// Three parts of a second each.
Prompts marked() {
  Prompts prompts = {Prompt{Prompt::Kind::text, "law", "en"}, Prompt{Prompt::Kind::text, "news", "en"},
                     Prompt{Prompt::Kind::text, "more news", "en"}, Prompt{Prompt::Kind::text, "bye", "en"}};
  prompts[1].mark = "news";
  prompts[3].mark = "bye";
  return prompts;
}

class BargeAtTest : public ScriptedCall {
 protected:
  // What the last step began to play, pieces joined by '|'.
  std::string plays() const {
    const auto* play = sent<command::Play>();
    if (play == nullptr) return "";
    std::string text;
    for (const Prompt& p : play->prompts) text += (text.empty() ? "" : "|") + p.value;
    return text;
  }
  void part_ends(PlayId play, Millis t) { step(event::PlayEnded{play, 1s, true, {}}, t); }
};

TEST_F(BargeAtTest, P_01_AKeyTakesEffectAtTheNextMarkAndIsNotLost) {
  start({intent::Play{.prompts = marked(), .barge_at = BargeAt::mark},
         intent::Collect{.prompts = say("menu")}});
  EXPECT_EQ(plays(), "law");
  ASSERT_EQ(sent<command::Play>()->then.size(), 2u) << "what comes next is made ready meanwhile";
  part_ends(1, 1100ms);
  EXPECT_EQ(plays(), "news|more news");
  press('7', 1500ms);
  EXPECT_EQ(sent<command::StopPlay>(), nullptr) << "not before the mark";
  part_ends(2, 2100ms);
  EXPECT_EQ(plays(), "") << "the rest is not heard";
  EXPECT_EQ(std::get<outcome::Played>(script->told[1]).end, outcome::PlayEnd::interrupted);
  EXPECT_EQ(std::get<outcome::Played>(script->told[1]).heard, 2s);
  EXPECT_EQ(std::get<outcome::Collected>(script->told[2]).digits, "7");
}

TEST_F(BargeAtTest, P_01_WithoutAKeyEveryPartIsHeard) {
  start({intent::Play{.prompts = marked(), .loops = 2, .barge_at = BargeAt::mark}});
  const char* const parts[] = {"law", "news|more news", "bye", "law", "news|more news", "bye"};
  for (PlayId play = 1; play <= 6; ++play) {
    EXPECT_EQ(plays(), parts[play - 1]);
    part_ends(play, Millis(100 + 1000 * static_cast<int>(play)));
  }
  EXPECT_EQ(std::get<outcome::Played>(script->told[1]).end, outcome::PlayEnd::completed);
  EXPECT_EQ(std::get<outcome::Played>(script->told[1]).heard, 6s);
}

TEST_F(BargeAtTest, P_01_APromptThatLoopsForEverEndsAtTheNextMark) {
  start({intent::Play{.prompts = marked(), .loops = 0, .barge_at = BargeAt::mark}, intent::Collect{}});
  for (PlayId play = 1; play <= 20; ++play) part_ends(play, Millis(100 + 1000 * static_cast<int>(play)));
  press('1', 21200ms);
  part_ends(21, 22100ms);
  EXPECT_EQ(std::get<outcome::Collected>(script->told[2]).digits, "1");
}

TEST_F(BargeAtTest, P_01_AQuestionTakesAllKeysOfThePromptAtItsMark) {
  start({intent::Collect{.prompts = marked(), .max = 3, .barge_at = BargeAt::mark}});
  press('1', 200ms);
  press('2', 300ms);
  EXPECT_FALSE(session->deadline()) << "no timer runs while the prompt has to be heard";
  part_ends(1, 1100ms);
  EXPECT_EQ(plays(), "");
  EXPECT_EQ(due(), 4100ms) << "three seconds for another digit, from the mark";
  press('3', 1200ms);
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).digits, "123");
}

TEST_F(BargeAtTest, P_01_TheWholePromptIsHeardAndTheKeysCountThen) {
  start({intent::Collect{.prompts = marked(), .max = 2, .barge_at = BargeAt::end}, intent::Collect{}});
  EXPECT_EQ(plays(), "law|news|more news|bye");
  for (const char key : std::string("123")) press(key, 500ms);
  EXPECT_EQ(sent<command::StopPlay>(), nullptr);
  EXPECT_EQ(script->told.size(), 1u);
  part_ends(1, 4100ms);
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).digits, "12");
  EXPECT_EQ(std::get<outcome::Collected>(script->told[2]).digits, "3") << "and what is over is for the next";
}

TEST_F(BargeAtTest, P_01_KeysTypedAheadShortenThePromptToItsFirstMarkOrNotAtAll) {
  for (const BargeAt when : {BargeAt::once, BargeAt::mark, BargeAt::end}) {
    for (const bool collect : {false, true}) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(when) << " collect " << collect);
      const Intent asked = collect ? Intent(intent::Collect{.prompts = marked(), .barge_at = when})
                                   : Intent(intent::Play{.prompts = marked(), .barge_at = when});
      start({intent::Play{say("welcome")}, asked, intent::Collect{}});
      press('5', 300ms);
      step(event::PlayEnded{1, 200ms, false, {}}, 310ms);
      EXPECT_EQ(plays(), when == BargeAt::once   ? ""
                         : when == BargeAt::mark ? "law"
                                                 : "law|news|more news|bye");
      if (when != BargeAt::once) part_ends(2, 1400ms);
      EXPECT_EQ(plays(), "");
      EXPECT_EQ(std::get<outcome::Collected>(script->told[collect ? 2 : 3]).digits, "5");
    }
  }
}

TEST_F(BargeAtTest, P_01_AVoiceThatHoldsStopsAtTheMarkAndAShortOneDoesNot) {
  for (const Millis held : {100ms, 400ms}) {
    start({intent::Play{
        .prompts = marked(), .barge_in = BargeIn::both, .min_speech = 300ms, .barge_at = BargeAt::mark}});
    step(event::VoiceBegan{}, 500ms);
    if (held >= 300ms) tick();
    step(event::VoiceEnded{}, 500ms + held);
    part_ends(1, 1100ms);
    EXPECT_EQ(plays(), held >= 300ms ? "" : "news|more news") << held.count();
  }
}

TEST_F(BargeAtTest, P_01_WithinTheGraceAKeyIsNotHeardAtAnyMark) {
  start({intent::Play{.prompts = marked(), .grace = 1500ms, .barge_at = BargeAt::mark}});
  press('1', 1000ms);
  part_ends(1, 1200ms);
  EXPECT_EQ(plays(), "news|more news");
  press('1', 1700ms);
  part_ends(2, 2300ms);
  EXPECT_EQ(plays(), "");
}

TEST_F(BargeAtTest, P_01_APartThatCannotBePlayedEndsThePrompt) {
  start({intent::Play{.prompts = marked(), .barge_at = BargeAt::mark}});
  part_ends(1, 1100ms);
  step(event::PlayEnded{2, 0ms, false, "no voice"}, 1200ms);
  EXPECT_EQ(std::get<outcome::Played>(script->told[1]).end, outcome::PlayEnd::failed);
}

// A key that waits for the prompt may answer a later question, which asks for a secret.
TEST_F(BargeAtTest, AKeyThatWaitsIsSecretWhereAnyQuestionIs) {
  start({intent::Collect{.prompts = marked(), .max = 1, .barge_at = BargeAt::end},
         intent::Collect{.max = 2, .sensitive = true}},
        {.secret_type_ahead = true});
  EXPECT_TRUE(session->sensitive('1'));
  for (const char key : std::string("147")) press(key, 500ms);
  part_ends(1, 4100ms);
  EXPECT_EQ(session->revealed(), "1??") << "the first answered the open question";
}

TEST(FlowMarks, P_01_AMarkInAPromptReachesTheSessionAndTheLog) {
  const std::string json = flow_of(
      R"("a": {"type": "menu", "say": [{"mark": "ignored"}, "law", {"mark": "news"}, {"digits": "12"}, "x", {"mark": "end"}],
               "barge_at": "mark", "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry"})");
  FlowCaller c(json);
  c.start();
  const auto& collect = c.wants<intent::Collect>();
  EXPECT_EQ(collect.barge_at, BargeAt::mark);
  ASSERT_EQ(collect.prompts.size(), 4u);
  EXPECT_EQ(collect.prompts[0].mark, "ignored");
  EXPECT_EQ(collect.prompts[1].mark, "news");
  EXPECT_EQ(collect.prompts[2].mark, "") << "the second digit goes on from the first";
  EXPECT_EQ(collect.prompts[3].mark, "");
  const std::vector<Command> commands = {command::Play{1, collect.prompts, 1}};
  EXPECT_NE(log_line(0, Time{}, event::Tick{}, commands).find(R"("mark":"news")"), std::string::npos);
}

TEST(FlowMarks, P_01_TheCheckerFindsATimeThatStopsNothing) {
  struct Row {
    const char* fields;
    const char* rule;
    const char* pointer;
  };
  for (const Row& row :
       {Row{R"("say": "x", "barge_at": "later")", "unknown-kind", "/nodes/a/barge_at"},
        Row{R"("say": "x", "barge_in": false, "barge_at": "mark")", "conflict", "/nodes/a/barge_at"},
        Row{R"("say": "x", "barge_in": "speech", "barge_at": "end")", "conflict", "/nodes/a/barge_at"},
        Row{R"("say": "x", "loops": 0, "barge_at": "end")", "conflict", "/nodes/a/barge_at"},
        Row{R"("say": ["x", {"mark": "a b"}], "barge_at": "mark")", "bad-name", "/nodes/a/say/1/mark"},
        Row{R"("say": ["x", {"mark": "m"}, "y"])", "no-mark", "/nodes/a/say"},
        Row{R"("say": "x", "barge_at": "mark")", "no-mark", "/nodes/a/barge_at"}}) {
    const auto found =
        Flow::check(flow_of(R"("a": {"type": "play", "next": "sorry", )" + std::string(row.fields) + "}"));
    ASSERT_EQ(found.size(), 1u) << row.fields << (found.empty() ? "" : "\n" + to_string(found.back()));
    EXPECT_EQ(found[0].rule, row.rule) << row.fields;
    EXPECT_EQ(found[0].pointer, row.pointer) << row.fields;
  }
}

}  // namespace
}  // namespace ivr

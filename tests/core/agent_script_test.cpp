#include "core/agent_script.hpp"

#include <gtest/gtest.h>

#include "scripted_call.hpp"

namespace ivr {
namespace {

class AgentScriptTest : public testing::Test {
 protected:
  void ring(AgentScriptOptions options) {
    session = std::make_unique<CallSession>(std::make_unique<AgentScript>(std::move(options)),
                                            CallSessionOptions{});
    step(event::Invited{CallInfo{"a1", Direction::outbound, "ivr", "ann", "sip:ivr@a", "sip:ann@b", "", {}}},
         0ms);
    step(event::Established{}, 1s);
  }
  void step(const Event& event, Millis t) {
    out.clear();
    session->step(event, at(t), out);
  }
  void tick() { step(event::Tick{}, std::chrono::duration_cast<Millis>(*session->deadline() - at(0ms))); }
  void press(char digit, Millis t) { step(event::DigitHeard{digit, DigitSource::rtp_event}, t); }
  template <class T>
  const T* sent() const {
    for (const Command& c : out) {
      if (const T* x = std::get_if<T>(&c)) return x;
    }
    return nullptr;
  }
  bool serves() const { return sent<command::Serve>() != nullptr; }

  std::unique_ptr<CallSession> session;
  Commands out;
};

TEST_F(AgentScriptTest, AnsweringTakesTheCallerWhereNothingIsAsked) {
  ring({});
  EXPECT_TRUE(serves());
  step(event::Bridged{"c1", "", 0ms, {}}, 2s);
  step(event::Unbridged{"", true}, 62s);
  ASSERT_NE(sent<command::Drop>(), nullptr);
  EXPECT_EQ(sent<command::Drop>()->reason, "normal");
}

TEST_F(AgentScriptTest, P_31_TheWhisperIsHeardBeforeTheyTalk) {
  ring({.whisper = say("a call for sales")});
  EXPECT_FALSE(serves());
  ASSERT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::Play>()->prompts, say("a call for sales"));
  step(event::PlayEnded{1, 1s, true, {}}, 2s);
  EXPECT_TRUE(serves());
}

TEST_F(AgentScriptTest, P_31_AWhisperThatCannotBeSaidCostsNobodyTheCall) {
  ring({.whisper = say("a call for sales")});
  step(event::PlayEnded{1, 0ms, false, "no voice"}, 1s);
  EXPECT_TRUE(serves());
}

TEST_F(AgentScriptTest, P_31_AnyKeyCutsAWhisperShortThatAsksForNone) {
  ring({.whisper = say("a call for sales")});
  press('5', 1500ms);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  step(event::PlayEnded{1, 400ms, false, {}}, 1500ms);
  EXPECT_TRUE(serves());
}

TEST_F(AgentScriptTest, P_31_OnlyAnAcceptKeyTakesTheCaller) {
  for (const char key : {'1', '#'}) {
    ring({.whisper = say("press 1"), .accept_keys = "1#"});
    press(key, 1500ms);  // while it is said
    EXPECT_TRUE(serves()) << key;
  }
  ring({.accept_keys = "1"});
  press('1', 3s);
  EXPECT_TRUE(serves());
}

TEST_F(AgentScriptTest, P_31_AWrongKeyOrNoneIsAskedAgainThenDeclines) {
  for (const char wrong : {'2', '\0'}) {
    ring({.whisper = say("press 1"), .accept_keys = "1", .tries = 3, .key_timeout = 4s});
    const auto fail = [&] {
      if (wrong != '\0') return press(wrong, 2s);
      step(event::PlayEnded{sent<command::Play>()->play, 1s, true, {}}, 2s);
      tick();
    };
    fail();
    ASSERT_NE(sent<command::Play>(), nullptr);
    fail();
    ASSERT_NE(sent<command::Play>(), nullptr);
    EXPECT_FALSE(serves());
    fail();
    ASSERT_NE(sent<command::Drop>(), nullptr);
    EXPECT_EQ(sent<command::Drop>()->reason, "declined");
  }
}

TEST_F(AgentScriptTest, P_31_TheSecondTryMayStillTakeTheCaller) {
  ring({.whisper = say("press 1"), .accept_keys = "1"});
  press('3', 2s);
  press('1', 3s);
  EXPECT_TRUE(serves());
}

TEST_F(AgentScriptTest, P_30_AStandbyLegBeepsAndServesTheNext) {
  ring({.standby = true});
  EXPECT_TRUE(serves());
  for (int caller = 0; caller < 3; ++caller) {
    step(event::Bridged{"c1", "", 0ms, {}}, 2s);
    step(event::Unbridged{"", true}, 62s);
    EXPECT_EQ(sent<command::Drop>(), nullptr);
    const auto* beep = sent<command::Play>();
    ASSERT_NE(beep, nullptr);
    EXPECT_EQ(beep->prompts.front().value, "beep");
    EXPECT_EQ(beep->prompts.front().length, 200ms);
    step(event::PlayEnded{beep->play, 200ms, true, {}}, 63s);
    EXPECT_TRUE(serves());
  }
}

TEST_F(AgentScriptTest, AnAgentWhoHangsUpInTheWhisperServesNobody) {
  ring({.whisper = say("press 1"), .accept_keys = "1"});
  step(event::LegEnded{0, 0, "BYE", true}, 2s);
  EXPECT_TRUE(session->done());
  EXPECT_FALSE(serves());
}

}  // namespace
}  // namespace ivr

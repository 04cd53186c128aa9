#include <gtest/gtest.h>

#include <utility>

#include "ivr/event_log.hpp"
#include "scripted_call.hpp"

namespace ivr {
namespace {

Prompts music(std::string name = {}) { return {Prompt{Prompt::Kind::music, std::move(name)}}; }

class QueueTest : public ScriptedCall {
 protected:
  static intent::Queue support() {
    return {.queue = "support", .say = say("please hold"), .exit_keys = "9*"};
  }
  void wait(intent::Queue want, std::vector<Intent> then = {}, CallSessionOptions options = {}) {
    then.insert(then.begin(), std::move(want));
    start(std::move(then), options);
  }
  void bridge(Millis t) { step(event::Bridged{"c9", "ann", 4s, {"bob"}}, t); }
  const command::Play* played() const { return sent<command::Play>(); }
  const outcome::Queued& queued() const { return std::get<outcome::Queued>(script->told[1]); }
};

// ---------------------------------------------------------------------------------------- the wait

TEST_F(QueueTest, TheCallerJoinsHearsWhatIsSaidThenMusicOverAndOver) {
  wait(support());
  ASSERT_NE(sent<command::JoinQueue>(), nullptr);
  EXPECT_EQ(sent<command::JoinQueue>()->want.queue, "support");
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->prompts, say("please hold"));
  EXPECT_EQ(played()->loops, 1);
  step(event::PlayEnded{1, 2s, true, {}}, 2s);
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->prompts, music());
  EXPECT_EQ(played()->loops, 0);
}

TEST_F(QueueTest, WithNothingToSayTheMusicBeginsAtOnceAndIsTheScripts) {
  wait({.queue = "support", .hold = say("la la")});
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->prompts, say("la la"));
  EXPECT_EQ(played()->loops, 0);
}

TEST_F(QueueTest, WhatCannotBePlayedLeavesTheCallerWaiting) {
  wait(support());
  step(event::PlayEnded{1, 0ms, false, "no voice"}, 1s);
  ASSERT_NE(played(), nullptr);  // the music all the same
  step(event::PlayEnded{2, 0ms, false, "no tone"}, 1s);
  EXPECT_TRUE(out.empty());  // once: it would fail for ever
  bridge(2s);
  EXPECT_EQ(sent<command::StopPlay>(), nullptr);
}

TEST_F(QueueTest, P_25_NewsAreSaidInPlaceOfTheMusicAndTheCallerStays) {
  intent::Queue news = support();
  news.say = say("you are next");
  wait(support(), {news});
  step(event::PlayEnded{1, 2s, true, {}}, 2s);
  step(event::QueueAnnounced{{.position = 1, .wait = 60s}}, 30s);
  const auto& told = std::get<outcome::QueueNews>(script->told[1]);
  EXPECT_EQ(told.position, 1);
  EXPECT_EQ(told.wait, 60s);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(std::get<command::StopPlay>(out[0]).play, 2u);
  EXPECT_EQ(std::get<command::Play>(out[1]).prompts, say("you are next"));
  step(event::PlayEnded{2, 28s, false, {}}, 30s);  // the music that was stopped
  EXPECT_TRUE(out.empty());
  step(event::PlayEnded{3, 1s, true, {}}, 31s);
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->prompts, music());
}

TEST_F(QueueTest, P_82_TheMusicGoesOnWhereItWas) {
  intent::Queue news = support();
  news.say = say("you are next");
  wait(support(), {news, news});
  step(event::PlayEnded{1, 2s, true, {}}, 2s);
  EXPECT_EQ(played()->from, 0ms);
  step(event::QueueAnnounced{{.position = 1}}, 30s);
  step(event::PlayEnded{2, 28s, false, {}}, 30s);
  step(event::PlayEnded{3, 1s, true, {}}, 31s);
  EXPECT_EQ(played()->from, 28s);
  bridge(41s);
  step(event::PlayEnded{4, 10s, false, {}}, 41s);
  step(event::PeerHeld{true}, 60s);
  EXPECT_EQ(played()->prompts, music());
  EXPECT_EQ(played()->from, 38s);
  step(event::PeerHeld{false}, 62s);
  step(event::PlayEnded{5, 2s, false, {}}, 62s);
  step(event::PeerHeld{true, "anns"}, 70s);  // another tune, from its beginning
  EXPECT_EQ(played()->prompts, music("anns"));
  EXPECT_EQ(played()->from, 0ms);
}

TEST_F(QueueTest, P_25_NewsWithNothingToSayDoNotDisturbTheMusic) {
  wait({.queue = "support"}, {intent::Queue{.queue = "support"}, intent::Queue{.queue = "support"}});
  step(event::QueueAnnounced{{.position = 2}}, 30s);
  EXPECT_TRUE(out.empty());
  step(event::QueueAnnounced{{.position = 1}}, 60s);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(script->told.size(), 3u);
}

TEST_F(QueueTest, NewsMayChangeTheMusicAndTheExitKeys) {
  wait({.queue = "support"}, {intent::Queue{.queue = "support", .hold = say("jazz"), .exit_keys = "0"}});
  step(event::QueueAnnounced{{.position = 2}}, 30s);
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->prompts, say("jazz"));
  press('0', 31s);
  EXPECT_NE(sent<command::LeaveQueue>(), nullptr);
}

TEST_F(QueueTest, NewsThatComeWhileSomethingIsSaidReplaceIt) {
  intent::Queue news = support();
  news.say = say("you are next");
  wait(support(), {news});
  step(event::QueueAnnounced{{.position = 1}}, 1s);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->prompts, say("you are next"));
  step(event::PlayEnded{2, 1s, true, {}}, 2s);
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->loops, 0);
}

TEST_F(QueueTest, P_27_AnythingElseAfterNewsLeavesTheQueueFirst) {
  const Intent others[] = {intent::Play{say("sorry")}, intent::Collect{}, intent::Hangup{},
                           intent::Queue{.queue = "sales"}};
  for (const Intent& other : others) {
    wait({.queue = "support"}, {other});
    step(event::QueueAnnounced{{.position = 7}}, 30s);
    ASSERT_GE(out.size(), 2u) << other.index();
    EXPECT_TRUE(std::holds_alternative<command::StopPlay>(out[0])) << other.index();
    ASSERT_TRUE(std::holds_alternative<command::LeaveQueue>(out[1])) << other.index();
    EXPECT_FALSE(std::get<command::LeaveQueue>(out[1]).key);
    EXPECT_EQ(std::count_if(out.begin(), out.end(),
                            [](const Command& c) { return std::holds_alternative<command::LeaveQueue>(c); }),
              1);
  }
  ASSERT_TRUE(std::holds_alternative<command::JoinQueue>(out[2]));
  EXPECT_EQ(std::get<command::JoinQueue>(out[2]).want.queue, "sales");
}

TEST_F(QueueTest, P_27_AnExitKeyLeavesAndKeepsThePlace) {
  wait(support());
  press('9', 5100ms);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  ASSERT_NE(sent<command::LeaveQueue>(), nullptr);
  EXPECT_TRUE(sent<command::LeaveQueue>()->key);
  EXPECT_EQ(queued().end, outcome::QueueEnd::key);
  EXPECT_EQ(queued().key, '9');
  EXPECT_EQ(queued().waited, 5s);
}

TEST_F(QueueTest, OtherKeysAreDroppedWhileTheCallerWaits) {
  wait(support(), {intent::Collect{}});
  press('1', 1s);
  EXPECT_TRUE(out.empty());
  press('*', 2s);
  EXPECT_TRUE(std::holds_alternative<outcome::Queued>(script->told.back()));  // Collect waits: no '1'
}

TEST_F(QueueTest, AKeyPressedBeforeTheQueueIsNoExitKey) {
  start({intent::Wait{1s}, support()});
  press('9', 500ms);
  tick();
  EXPECT_NE(sent<command::JoinQueue>(), nullptr);
  EXPECT_EQ(sent<command::LeaveQueue>(), nullptr);
}

TEST_F(QueueTest, S2_08_WhoIsNotServedHearsWhy) {
  for (const auto end :
       {outcome::QueueEnd::timeout, outcome::QueueEnd::full, outcome::QueueEnd::unavailable}) {
    wait(support());
    step(event::QueueLeft{end, 90s, {"ann", "bob"}}, 91s);
    EXPECT_NE(sent<command::StopPlay>(), nullptr);
    EXPECT_EQ(sent<command::LeaveQueue>(), nullptr);
    EXPECT_EQ(queued().end, end);
    EXPECT_EQ(queued().waited, 90s);
    EXPECT_EQ(queued().tried, (std::vector<std::string>{"ann", "bob"}));
  }
}

TEST_F(QueueTest, TheScriptsOwnLimitCountsFromTheJoiningWhateverIsAnnounced) {
  wait({.queue = "support", .max_wait = 60s}, {intent::Queue{.queue = "support", .max_wait = 60s}});
  EXPECT_EQ(due(), 60100ms);
  step(event::QueueAnnounced{{.position = 1}}, 30s);
  EXPECT_EQ(due(), 60100ms);
  tick();
  ASSERT_NE(sent<command::LeaveQueue>(), nullptr);
  EXPECT_TRUE(sent<command::LeaveQueue>()->timeout);
  const auto& got = std::get<outcome::Queued>(script->told[2]);
  EXPECT_EQ(got.end, outcome::QueueEnd::timeout);
  EXPECT_EQ(got.waited, 60s);
}

TEST_F(QueueTest, WhoHangsUpWhileWaitingLeavesTheQueue) {
  wait(support());
  step(event::LegEnded{0, 0, "BYE", true}, 5s);
  ASSERT_NE(sent<command::LeaveQueue>(), nullptr);
  EXPECT_FALSE(sent<command::LeaveQueue>()->key);
  EXPECT_FALSE(sent<command::LeaveQueue>()->timeout);
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::caller);
  EXPECT_TRUE(session->done());
}

TEST_F(QueueTest, ACallThatTheProgramEndsLeavesTheQueue) {
  wait(support());
  step(event::Stop{"shutting down"}, 5s);
  EXPECT_NE(sent<command::LeaveQueue>(), nullptr);
  EXPECT_NE(sent<command::Drop>(), nullptr);
}

TEST_F(QueueTest, WhatComesTooLateChangesNothing) {
  wait(support(), {intent::Wait{60s}});
  press('9', 5s);
  const auto told = script->told.size();
  for (const Event& late :
       {Event(event::QueueAnnounced{{.position = 1}}), Event(event::QueueLeft{}),
        Event(event::Bridged{"c9", "ann", 5s, {}}), Event(event::PeerHeld{true}), Event(event::Unbridged{}),
        Event(event::CallbackTaken{true}), Event(event::PlayEnded{1, 4s, false, {}})}) {
    step(late, 6s);
    EXPECT_TRUE(out.empty()) << late.index();
  }
  EXPECT_EQ(script->told.size(), told);
}

// ---------------------------------------------------------------------------------------- callback

TEST_F(QueueTest, P_26_ACallbackIsAskedForAfterTheExitKey) {
  for (const bool taken : {true, false}) {
    wait(support(), {intent::Callback{"+15550100"}});
    press('9', 5s);
    ASSERT_NE(sent<command::RequestCallback>(), nullptr);
    EXPECT_EQ(sent<command::RequestCallback>()->number, "+15550100");
    step(event::CallbackTaken{taken}, 5s);
    EXPECT_EQ(std::get<outcome::CallbackTaken>(script->told[2]).taken, taken);
    EXPECT_EQ(sent<command::LeaveQueue>(), nullptr);
  }
}

TEST_F(QueueTest, P_26_WhoStillWaitsKeepsThePlaceForTheCallback) {
  for (const bool taken : {true, false}) {
    wait(support(), {intent::Callback{"+15550100"}});
    step(event::QueueAnnounced{{.position = 5}}, 30s);
    EXPECT_NE(sent<command::StopPlay>(), nullptr);
    EXPECT_NE(sent<command::RequestCallback>(), nullptr);
    EXPECT_EQ(sent<command::LeaveQueue>(), nullptr);
    step(event::CallbackTaken{taken}, 30s);
    EXPECT_EQ(sent<command::LeaveQueue>() != nullptr, !taken);
  }
}

// ---------------------------------------------------------------------------------------- the talk

TEST_F(QueueTest, TheCallerTalksUntilTheAgentEndsIt) {
  wait(support());
  bridge(5s);
  EXPECT_EQ(sent<command::StopPlay>()->play, 1u);
  EXPECT_EQ(sent<command::StartRecord>(), nullptr);
  EXPECT_FALSE(session->deadline());
  step(event::Unbridged{"", true}, 65s);
  EXPECT_EQ(queued().end, outcome::QueueEnd::served);
  EXPECT_EQ(queued().agent, "ann");
  EXPECT_EQ(queued().tried, std::vector<std::string>{"bob"});
  EXPECT_EQ(queued().waited, 4s);
  EXPECT_EQ(queued().talked, 60s);
  EXPECT_TRUE(queued().by_agent);
  EXPECT_EQ(queued().recording, "");
}

TEST_F(QueueTest, ATalkIsRecordedOnBothSidesAndTheScriptHearsOfTheFile) {
  auto want = support();
  want.record = true;
  wait(want);
  bridge(5s);
  ASSERT_NE(sent<command::StartRecord>(), nullptr);
  EXPECT_TRUE(sent<command::StartRecord>()->both_sides);
  step(event::Unbridged{"", true}, 65s);
  ASSERT_NE(sent<command::StopRecord>(), nullptr);
  EXPECT_EQ(script->told.size(), 1u);  // not before the file is there
  step(event::RecordEnded{1, "/r/talk.wav", 60s, outcome::RecordEnd::failed, {}}, 66s);
  EXPECT_EQ(queued().recording, "/r/talk.wav");
  EXPECT_EQ(queued().talked, 60s);
}

TEST_F(QueueTest, ARecordingThatEndsEarlyDoesNotEndTheTalk) {
  auto want = support();
  want.record = true;
  wait(want);
  bridge(5s);
  step(event::RecordEnded{1, "/r/talk.wav", 10s, outcome::RecordEnd::failed, "disk full"}, 15s);
  EXPECT_EQ(script->told.size(), 1u);
  step(event::Unbridged{"", true}, 65s);
  EXPECT_EQ(sent<command::StopRecord>(), nullptr);
  EXPECT_EQ(queued().recording, "/r/talk.wav");
}

TEST_F(QueueTest, ATalkIsPartedWhenItHasBeenLongEnough) {
  wait({.queue = "support", .max_talk = 10min, .max_wait = 60s});
  bridge(5s);
  EXPECT_EQ(due(), 10min + 5s);
  tick();
  EXPECT_NE(sent<command::Part>(), nullptr);
  EXPECT_FALSE(session->deadline());
  step(event::Unbridged{"", false}, 10min + 5s);
  EXPECT_EQ(queued().end, outcome::QueueEnd::served);
  EXPECT_EQ(queued().talked, 10min);
  EXPECT_FALSE(queued().by_agent);
}

TEST_F(QueueTest, P_35_AnAgentSendsTheCallerOn) {
  wait(support());
  bridge(5s);
  step(event::Unbridged{"sip:desk@c", true}, 65s);
  EXPECT_EQ(queued().end, outcome::QueueEnd::transferred);
  EXPECT_EQ(queued().target, "sip:desk@c");
  EXPECT_EQ(queued().agent, "ann");
}

TEST_F(QueueTest, P_36_AnotherAgentTakesTheTalkOver) {
  auto want = support();
  want.record = true;
  want.max_talk = 10min;
  wait(want);
  bridge(5s);
  step(event::PeerHeld{true}, 20s);
  step(event::Bridged{"c10", "carl", 0s, {}}, 30s);
  ASSERT_EQ(out.size(), 1u);  // the recording goes on; nobody is on hold any more
  EXPECT_TRUE(std::holds_alternative<command::StopPlay>(out[0]));
  EXPECT_EQ(due(), 10min + 5s);
  step(event::Unbridged{"", true}, 65s);
  step(event::RecordEnded{1, "/r/talk.wav", 60s, outcome::RecordEnd::failed, {}}, 65s);
  EXPECT_EQ(queued().agent, "carl");
  EXPECT_EQ(queued().talked, 60s);
  EXPECT_EQ(queued().waited, 4s);
}

TEST_F(QueueTest, MusicPlaysWhileTheAgentHoldsTheCaller) {
  wait({.queue = "support", .hold = say("jazz")});
  step(event::PeerHeld{true}, 1s);  // nobody is there who could
  EXPECT_TRUE(out.empty());
  bridge(5s);
  step(event::PeerHeld{false}, 6s);
  EXPECT_TRUE(out.empty());
  step(event::PeerHeld{true}, 10s);
  ASSERT_NE(played(), nullptr);
  EXPECT_EQ(played()->prompts, say("jazz"));
  EXPECT_EQ(played()->loops, 0);
  step(event::PeerHeld{true}, 11s);
  EXPECT_TRUE(out.empty());
  step(event::PeerHeld{false}, 20s);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  step(event::PeerHeld{true}, 30s);
  step(event::Unbridged{"", true}, 31s);  // he hung up while he held
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  EXPECT_EQ(queued().end, outcome::QueueEnd::served);
}

TEST_F(QueueTest, KeysOfATalkBelongToIt) {
  wait(support(), {intent::Collect{}});
  bridge(5s);
  press('9', 6s);
  press('1', 7s);
  EXPECT_TRUE(out.empty());
  step(event::Unbridged{"", true}, 8s);
  EXPECT_TRUE(std::holds_alternative<outcome::Queued>(script->told.back()));  // Collect waits: nothing queued
}

TEST_F(QueueTest, WhoHangsUpDuringTheTalkLeavesItsRecording) {
  auto want = support();
  want.record = true;
  wait(want);
  bridge(5s);
  step(event::LegEnded{0, 0, "BYE", true}, 65s);
  EXPECT_EQ(sent<command::LeaveQueue>(), nullptr);
  EXPECT_NE(sent<command::StopRecord>(), nullptr);
  EXPECT_FALSE(session->done());
  step(event::RecordEnded{1, "/r/talk.wav", 60s, outcome::RecordEnd::failed, {}}, 65s);
  EXPECT_TRUE(session->done());
  EXPECT_EQ(session->summary().recording, "/r/talk.wav");
}

TEST_F(QueueTest, AnUnbridgedCallerWhoHangsUpWhileTheFileIsWrittenEndsOnce) {
  auto want = support();
  want.record = true;
  wait(want);
  bridge(5s);
  step(event::Unbridged{"", true}, 65s);
  step(event::LegEnded{0, 0, "BYE", true}, 65s);
  EXPECT_TRUE(out.empty());
  step(event::RecordEnded{1, "/r/talk.wav", 60s, outcome::RecordEnd::failed, {}}, 66s);
  EXPECT_TRUE(session->done());
  EXPECT_TRUE(std::holds_alternative<outcome::Ended>(script->told.back()));
  EXPECT_EQ(script->told.size(), 2u);
}

TEST_F(QueueTest, WhoWaitsOnEarlyMediaIsAnsweredWhenAnAgentIsThere) {
  start({support()}, {.answer_later = true, .record = true}, false);
  EXPECT_NE(sent<command::JoinQueue>(), nullptr);
  EXPECT_EQ(sent<command::Answer>(), nullptr);
  bridge(5s);
  EXPECT_NE(sent<command::Answer>(), nullptr);
  step(event::Established{}, 5100ms);
  EXPECT_NE(sent<command::StartRecord>(), nullptr);  // of the whole call
  step(event::Unbridged{"", true}, 65s);
  EXPECT_EQ(queued().end, outcome::QueueEnd::served);
  EXPECT_NE(sent<command::Drop>(), nullptr);
}

// ----------------------------------------------------------------------------------- an agent's call

class ServeTest : public ScriptedCall {};

TEST_F(ServeTest, AnAgentIsConnectedTalksAndHearsHowLong) {
  start({intent::Serve{}});
  EXPECT_NE(sent<command::Serve>(), nullptr);
  EXPECT_EQ(sent<command::Play>(), nullptr);
  step(event::Bridged{"c1", "", 0ms, {}}, 2s);
  EXPECT_TRUE(out.empty());
  step(event::PeerHeld{true}, 10s);
  ASSERT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::Play>()->prompts, music());
  step(event::PeerHeld{false}, 20s);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  step(event::Unbridged{"", true}, 62s);
  EXPECT_EQ(std::get<outcome::Served>(script->told[1]).talked, 60s);
}

TEST_F(ServeTest, ACallerWhoHasGoneBeforeTheTalkIsATalkOfNoLength) {
  start({intent::Serve{}});
  step(event::PeerHeld{true}, 1s);
  EXPECT_TRUE(out.empty());
  step(event::Unbridged{}, 2s);
  EXPECT_EQ(std::get<outcome::Served>(script->told[1]).talked, 0ms);
}

TEST_F(ServeTest, AnAgentIsGivenToAnotherCallWithoutAPause) {
  start({intent::Serve{}});
  step(event::Bridged{"c1", "", 0ms, {}}, 2s);
  step(event::Bridged{"c2", "", 0ms, {}}, 30s);
  EXPECT_TRUE(out.empty());
  step(event::Unbridged{}, 62s);
  EXPECT_EQ(std::get<outcome::Served>(script->told[1]).talked, 60s);
}

TEST_F(ServeTest, P_30_OnAnOpenLineEachCallerIsAnnouncedFirst) {
  start({intent::Serve{}, intent::Play{.prompts = say("from sales")}, intent::Serve{}, intent::Decline{}});
  step(event::Offered{say("from sales"), "1"}, 5s);
  const auto& offered = std::get<outcome::Offered>(script->told[1]);
  EXPECT_EQ(offered.whisper, say("from sales"));
  EXPECT_EQ(offered.accept_keys, "1");
  EXPECT_EQ(sent<command::Serve>(), nullptr);  // not before the whisper is over
  step(event::PlayEnded{1, 1s, true, {}}, 6s);
  EXPECT_NE(sent<command::Serve>(), nullptr);
  step(event::Bridged{"c1", "", 0ms, {}}, 6s);
  step(event::Unbridged{}, 16s);  // here the script declines whom it has not been offered
  EXPECT_NE(sent<command::Decline>(), nullptr);
}

TEST_F(ServeTest, P_30_AnOfferThatComesWhileTheScriptDoesSomethingElseWaitsForIt) {
  start({intent::Serve{}, intent::Wait{1s}, intent::Serve{}, intent::Decline{}, intent::Serve{}});
  step(event::Bridged{"c1", "", 0ms, {}}, 2s);
  step(event::Unbridged{}, 10s);
  step(event::Offered{}, 10s);
  EXPECT_EQ(script->told.size(), 2u);
  tick();
  ASSERT_EQ(script->told.size(), 4u);  // it declines
  EXPECT_TRUE(std::holds_alternative<outcome::Offered>(script->told[3]));
  EXPECT_EQ(sent<command::Serve>(), nullptr);
  EXPECT_NE(sent<command::Decline>(), nullptr);
  step(event::Offered{}, 20s);  // and is offered the next
  EXPECT_NE(sent<command::Serve>(), nullptr);
}

TEST_F(ServeTest, P_30_TheNextCallerOfAnOpenLineMayComeWhileItsScriptDoesSomethingElse) {
  start({intent::Serve{}, intent::Wait{1s}, intent::Serve{}, intent::Wait{1s}, intent::Serve{}});
  step(event::Bridged{"c1", "", 0ms, {}}, 2s);
  step(event::Unbridged{}, 10s);
  step(event::Bridged{"c2", "", 0ms, {}}, 10s);
  EXPECT_TRUE(out.empty());
  tick();
  EXPECT_EQ(sent<command::Serve>(), nullptr);  // it is connected
  step(event::PeerHeld{true}, 20s);
  EXPECT_NE(sent<command::Play>(), nullptr);
  step(event::Unbridged{}, 70s);
  EXPECT_EQ(std::get<outcome::Served>(script->told[3]).talked, 60s);
  step(event::Bridged{"c3", "", 0ms, {}}, 70s);
  step(event::Unbridged{}, 70s);  // and has gone again
  tick();
  EXPECT_NE(sent<command::Serve>(), nullptr);
}

TEST_F(ServeTest, AnAgentsKeysAreDropped) {
  start({intent::Serve{}, intent::Collect{}});
  press('1', 1s);
  step(event::Bridged{"c1", "", 0ms, {}}, 2s);
  press('2', 3s);
  step(event::Unbridged{}, 62s);
  EXPECT_TRUE(std::holds_alternative<outcome::Served>(script->told.back()));
}

TEST_F(ServeTest, AnAgentWhoHangsUpEndsTheCall) {
  start({intent::Serve{}});
  step(event::Bridged{"c1", "", 0ms, {}}, 2s);
  step(event::LegEnded{0, 0, "BYE", true}, 3s);
  EXPECT_TRUE(session->done());
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::caller);
}

// ----------------------------------------------------------------------------------------- the log

TEST_F(QueueTest, S0_88_WhatTheyTellEachOtherByKeysIsNotInTheLog) {
  wait(support(), {intent::Serve{}});
  EXPECT_FALSE(session->sensitive('9'));
  EXPECT_FALSE(session->sensitive('1'));
  bridge(5s);
  EXPECT_TRUE(session->sensitive('9'));
  EXPECT_TRUE(session->sensitive('1'));
  step(event::Unbridged{"", true}, 8s);
  EXPECT_FALSE(session->sensitive('1'));
  step(event::Bridged{"c1", "", 0ms, {}}, 9s);
  EXPECT_TRUE(session->sensitive('1'));
}

TEST_F(QueueTest, S0_88_OnlyExitKeysAreShownWhereKeysPressedAheadMayBeSecret) {
  wait(support(), {}, {.secret_type_ahead = true});
  EXPECT_FALSE(session->sensitive('9'));
  EXPECT_TRUE(session->sensitive('1'));
}

}  // namespace
}  // namespace ivr

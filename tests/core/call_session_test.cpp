#include "ivr/call_session.hpp"

#include <gtest/gtest.h>

#include "scripted_call.hpp"

namespace ivr {
namespace {

using CallSessionTest = ScriptedCall;

TEST_F(CallSessionTest, AnswersThenPlaysOnceTheCallIsUp) {
  start({intent::Play{say("hello")}});
  EXPECT_TRUE(std::holds_alternative<command::Answer>(all.front()));
  ASSERT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::Play>()->prompts, say("hello"));
  step(event::PlayEnded{1, 900ms, true, {}}, 1s);
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::script);  // the list was over: it hung up
}

TEST_F(CallSessionTest, S3_27_TheFirstDigitStopsThePromptAtOnceAndIsNotLost) {
  start({intent::Collect{.prompts = say("account"), .max = 3}});
  press('4', 300ms);
  ASSERT_NE(sent<command::StopPlay>(), nullptr);
  EXPECT_EQ(sent<command::StopPlay>()->play, 1u);
  press('2', 400ms);
  press('7', 500ms);
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).digits, "427");
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).end, outcome::CollectEnd::full);
}

TEST_F(CallSessionTest, S3_28_BargeInIsByFlagForPlayAndCollect) {
  for (const bool collect : {false, true}) {
    for (const BargeIn barge : {BargeIn::digits, BargeIn::none}) {
      if (collect) {
        start({intent::Collect{.prompts = say("x"), .barge_in = barge}});
      } else {
        start({intent::Play{.prompts = say("x"), .barge_in = barge}});
      }
      press('1', 300ms);
      EXPECT_EQ(sent<command::StopPlay>() != nullptr, barge == BargeIn::digits) << "collect " << collect;
    }
  }
}

TEST_F(CallSessionTest, S3_29_ADigitThatStoppedAPromptIsCarriedIntoTheNextCollect) {
  start({intent::Play{say("welcome")}, intent::Collect{.prompts = say("menu")}});
  press('2', 300ms);
  step(event::PlayEnded{1, 200ms, false, {}}, 310ms);
  EXPECT_EQ(std::get<outcome::Played>(script->told[1]).end, outcome::PlayEnd::interrupted);
  EXPECT_EQ(std::get<outcome::Played>(script->told[1]).heard, 200ms);
  EXPECT_EQ(std::get<outcome::Collected>(script->told[2]).digits, "2");
}

TEST_F(CallSessionTest, S3_29_WithoutCarryTheDigitIsDroppedAndThePromptPlays) {
  start({intent::Play{say("welcome")}, intent::Collect{.prompts = say("pin"), .carry = false}});
  press('2', 300ms);
  step(event::PlayEnded{1, 200ms, false, {}}, 310ms);
  ASSERT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::Play>()->prompts, say("pin"));
}

TEST_F(CallSessionTest, S3_31_TheTimerStartsWhenThePromptEndsAndEachDigitRestartsIt) {
  start({intent::Collect{.prompts = say("x"), .max = 5, .first_timeout = 10s, .digit_timeout = 3s}});
  EXPECT_FALSE(session->deadline());
  step(event::PlayEnded{1, 2s, true, {}}, 2s);
  EXPECT_EQ(due(), 12s);
  press('1', 5s);
  EXPECT_EQ(due(), 8s);
  press('2', 7s);
  EXPECT_EQ(due(), 10s);
  tick();
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).digits, "12");
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).end, outcome::CollectEnd::timeout);
}

TEST_F(CallSessionTest, P_05_TheTerminatorIsReportedAndIsNotADigit) {
  start({intent::Collect{.max = 20, .terminators = "#*"}});
  press('1', 1s);
  press('*', 2s);
  const auto& got = std::get<outcome::Collected>(script->told[1]);
  EXPECT_EQ(got.digits, "1");
  EXPECT_EQ(got.end, outcome::CollectEnd::terminator);
  EXPECT_EQ(got.terminator, '*');
}

TEST_F(CallSessionTest, NoDigitAtAllIsNoInput) {
  start({intent::Collect{.first_timeout = 4s}});
  EXPECT_EQ(due(), 4100ms);
  tick();
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).end, outcome::CollectEnd::no_input);
}

TEST_F(CallSessionTest, DigitsPressedAheadAreBounded) {
  start({intent::Wait{10s}}, {.max_queued_digits = 4});
  for (int i = 0; i < 10; ++i) press('1', 1s);
  EXPECT_EQ(session->summary().dropped_digits, 6);
}

TEST_F(CallSessionTest, M11_WhileASecretIsAskedForNoRecordingMayHaveItsTones) {
  for (const bool elsewhere : {false, true}) {  // another question of the script asks for secrets
    const auto secret_in = [&](Intent intent) {
      start({std::move(intent)}, {.secret_type_ahead = elsewhere});
      return session->asks_for_secrets();
    };
    EXPECT_TRUE(secret_in(intent::Collect{.sensitive = true}));
    EXPECT_TRUE(secret_in(intent::Collect{.terminators = "0", .sensitive = true}));
    EXPECT_FALSE(secret_in(intent::Collect{}));
    EXPECT_EQ(secret_in(intent::Collect{.prompts = say("x"), .barge_at = BargeAt::end}), elsewhere);
    EXPECT_EQ(secret_in(intent::Play{say("welcome")}), elsewhere);
    EXPECT_EQ(secret_in(intent::Record{.prompts = say("speak")}), elsewhere);
    EXPECT_EQ(secret_in(intent::SendDigits{"12"}), elsewhere);
    EXPECT_TRUE(secret_in(intent::SendDigits{.digits = "12", .secret = true}));
    EXPECT_EQ(secret_in(intent::Transfer{.uri = "sip:a@b"}), elsewhere);
    step(event::LegAnswered{1}, 1s);
    EXPECT_FALSE(session->asks_for_secrets()) << "what they tell each other is theirs";
  }
}

TEST_F(CallSessionTest, M11_RecordingsAreAskedForWithoutDigitsWhereTheScriptSaysSo) {
  for (const bool digits : {true, false}) {
    start({intent::Wait{1s}, intent::Record{.beep = false, .record_digits = digits}},
          {.record = true, .record_digits = !digits});
    ASSERT_NE(sent<command::StartRecord>(), nullptr);
    EXPECT_EQ(sent<command::StartRecord>()->digits, !digits) << "of the whole call";
    tick();
    ASSERT_NE(sent<command::StartRecord>(), nullptr);
    EXPECT_EQ(sent<command::StartRecord>()->digits, digits);
    start({intent::Transfer{.uri = "sip:a@b", .record = true, .record_digits = digits}});
    step(event::LegAnswered{1}, 1s);
    EXPECT_EQ(sent<command::StartRecord>()->digits, digits);
    start({intent::Queue{.queue = "q", .record = true, .record_digits = digits}});
    step(event::Bridged{"a1", "ann", 0ms, {}}, 1s);
    ASSERT_NE(sent<command::StartRecord>(), nullptr);
    EXPECT_EQ(sent<command::StartRecord>()->digits, digits);
  }
}

TEST_F(CallSessionTest, ARecordingStartsAfterTheBeepAndEndsByItsKey) {
  start({intent::Record{.prompts = say("speak"), .max = 60s}});
  step(event::PlayEnded{1, 1s, true, {}}, 1s);
  ASSERT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::Play>()->prompts.front().value, "beep");
  step(event::PlayEnded{2, 400ms, true, {}}, 2s);
  ASSERT_NE(sent<command::StartRecord>(), nullptr);
  EXPECT_EQ(sent<command::StartRecord>()->max, 60s);
  press('5', 3s);
  EXPECT_EQ(sent<command::StopRecord>(), nullptr);
  press('#', 4s);
  ASSERT_NE(sent<command::StopRecord>(), nullptr);
  step(event::RecordEnded{1, "/r/a.wav", 2s, outcome::RecordEnd::failed, {}}, 4s);
  const auto& got = std::get<outcome::Recorded>(script->told[1]);
  EXPECT_EQ(got.end, outcome::RecordEnd::finish_key);
  EXPECT_EQ(got.key, '#');
  EXPECT_EQ(got.file, "/r/a.wav");
}

TEST_F(CallSessionTest, AHangUpWhileRecordingStillDeliversTheRecording) {
  start({intent::Record{.beep = false}});
  step(event::LegEnded{0, 0, "BYE", true}, 3s);
  ASSERT_NE(sent<command::StopRecord>(), nullptr);
  EXPECT_FALSE(session->done());
  step(event::RecordEnded{1, "/r/a.wav", 2900ms, outcome::RecordEnd::failed, {}}, 3s);
  EXPECT_TRUE(session->done());
  EXPECT_EQ(std::get<outcome::Recorded>(script->told[1]).end, outcome::RecordEnd::hangup);
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::caller);
  EXPECT_EQ(session->summary().recording, "/r/a.wav");
}

TEST_F(CallSessionTest, S3_15_AFillerPlaysOnlyWhenTheAnswerIsSlow) {
  start({intent::Fetch{
      .request = {.url = "http://x/", .timeout = 5s}, .filler = say("one moment"), .filler_after = 1s}});
  ASSERT_NE(sent<command::Fetch>(), nullptr);
  tick();
  ASSERT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::Play>()->loops, 0);
  step(event::HttpReplied{1, HttpReply{200, "{}", {}}}, 2s);
  ASSERT_NE(sent<command::StopPlay>(), nullptr);
  EXPECT_EQ(std::get<outcome::Fetched>(script->told[1]).reply.status, 200);
}

TEST_F(CallSessionTest, ADeadHttpPortIsGivenUpOn) {
  start({intent::Fetch{.request = {.url = "http://x/", .timeout = 2s}}});
  EXPECT_EQ(due(), 3100ms);
  tick();
  EXPECT_NE(sent<command::CancelFetch>(), nullptr);
  EXPECT_NE(std::get<outcome::Fetched>(script->told[1]).reply.error, "");
}

TEST_F(CallSessionTest, ATransferHearsRingbackThenIsConnectedAndRecorded) {
  start({intent::Transfer{.uri = "sip:desk@c", .ring_limit = 20s, .record = true}});
  ASSERT_NE(sent<command::Dial>(), nullptr);
  EXPECT_EQ(sent<command::Dial>()->leg, 1);
  EXPECT_EQ(sent<command::Play>()->prompts.front().value, "ringback");
  step(event::LegRinging{1}, 1s);
  step(event::LegAnswered{1}, 5s);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  ASSERT_NE(sent<command::Connect>(), nullptr);
  ASSERT_NE(sent<command::StartRecord>(), nullptr);
  EXPECT_TRUE(sent<command::StartRecord>()->both_sides);
  EXPECT_FALSE(session->deadline());
  step(event::LegEnded{1, 0, "BYE", true}, 65s);
  step(event::RecordEnded{1, "/r/t.wav", 60s, outcome::RecordEnd::failed, {}}, 65s);
  const auto& got = std::get<outcome::Transferred>(script->told[1]);
  EXPECT_EQ(got.end, outcome::TransferEnd::completed);
  EXPECT_EQ(got.talk, 60s);
  EXPECT_EQ(got.recording, "/r/t.wav");
}

TEST_F(CallSessionTest, P_35_TheOtherSidesTelephoneMayBeAskedToCallElsewhere) {
  const std::pair<int, outcome::TransferEnd> cases[] = {{200, outcome::TransferEnd::completed},
                                                        {486, outcome::TransferEnd::busy},
                                                        {603, outcome::TransferEnd::rejected},
                                                        {405, outcome::TransferEnd::failed}};
  for (const auto& [status, end] : cases) {
    start({intent::Transfer{.uri = "sip:desk@c", .ring_limit = 20s, .refer = true}});
    ASSERT_NE(sent<command::Refer>(), nullptr) << status;
    EXPECT_EQ(sent<command::Refer>()->uri, "sip:desk@c");
    EXPECT_EQ(sent<command::Dial>(), nullptr);
    step(event::ReferProgress{180}, 2s);
    EXPECT_EQ(script->told.size(), 1u);
    step(event::ReferProgress{status}, 3s);
    const auto& got = std::get<outcome::Transferred>(script->told[1]);
    EXPECT_EQ(got.end, end);
    EXPECT_EQ(got.sip_status, status);
  }
  start({intent::Transfer{.uri = "sip:desk@c", .ring_limit = 20s, .refer = true}});
  tick();
  EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).end, outcome::TransferEnd::no_answer);
  const std::size_t told = script->told.size();
  step(event::ReferProgress{200}, 30s);  // too late
  EXPECT_EQ(script->told.size(), told);
}

TEST_F(CallSessionTest, P_35_WhomTheCallHasDialledMaySendTheCallerOn) {
  start({intent::Transfer{.uri = "sip:desk@c", .caller_id = "4711", .ring_limit = 20s, .record = true}});
  EXPECT_FALSE(session->talks_with(1));
  step(event::LegReferred{1, "sip:boss@c"}, 1s);  // it does not talk yet
  EXPECT_TRUE(out.empty());
  step(event::LegAnswered{1}, 5s);
  EXPECT_TRUE(session->talks_with(1));
  step(event::LegReferred{1, "sip:boss@c"}, 15s);
  ASSERT_NE(sent<command::EarlyMedia>(), nullptr);
  EXPECT_EQ(sent<command::EarlyMedia>()->leg, 1);
  ASSERT_NE(sent<command::Dial>(), nullptr);
  EXPECT_EQ(sent<command::Dial>()->leg, 2);
  EXPECT_EQ(sent<command::Dial>()->uri, "sip:boss@c");
  EXPECT_EQ(sent<command::Dial>()->caller_id, "4711");
  EXPECT_EQ(sent<command::Play>()->prompts.front().value, "ringback");
  EXPECT_EQ(sent<command::Drop>(), nullptr) << "who refers waits to hear how it goes";
  EXPECT_EQ(due(), 35s);
  step(event::LegAnswered{2}, 20s);
  EXPECT_EQ(sent<command::Connect>()->leg, 2);
  ASSERT_NE(sent<command::Drop>(), nullptr);
  EXPECT_EQ(sent<command::Drop>()->leg, 1);
  EXPECT_EQ(sent<command::StartRecord>(), nullptr) << "one recording of it all";
  step(event::LegEnded{1, 0, "BYE", false}, 20s);
  EXPECT_EQ(script->told.size(), 1u);
  step(event::LegEnded{2, 0, "BYE", true}, 50s);
  step(event::RecordEnded{1, "/r/t.wav", 45s, outcome::RecordEnd::failed, {}}, 50s);
  const auto& got = std::get<outcome::Transferred>(script->told[1]);
  EXPECT_EQ(got.end, outcome::TransferEnd::completed);
  EXPECT_EQ(got.talk, 40s) << "with both";
  EXPECT_EQ(got.recording, "/r/t.wav");
}

TEST_F(CallSessionTest, P_37_SentOnInVainTheyTalkOnWhereThatIsWanted) {
  start({intent::Transfer{.uri = "sip:desk@c", .ring_limit = 20s, .talk_on = true}});
  step(event::LegAnswered{1}, 5s);
  step(event::LegReferred{1, "sip:boss@c"}, 15s);
  step(event::LegEnded{2, 486, "busy", true}, 16s);
  ASSERT_NE(sent<command::Connect>(), nullptr);
  EXPECT_EQ(sent<command::Connect>()->leg, 1);
  EXPECT_EQ(sent<command::Drop>(), nullptr);
  EXPECT_EQ(script->told.size(), 1u);
  EXPECT_TRUE(session->talks_with(1));
  step(event::LegReferred{1, "sip:other@c"}, 20s);  // once more, and nobody answers
  EXPECT_EQ(sent<command::Dial>()->leg, 3);
  tick();
  EXPECT_EQ(sent<command::Drop>()->leg, 3);
  EXPECT_EQ(sent<command::Connect>()->leg, 1);
  step(event::LegEnded{3, 487, "cancelled", true}, 41s);
  EXPECT_TRUE(out.empty());
  step(event::LegReferred{1, "sip:other@c"}, 45s);
  step(event::LegEnded{1, 0, "BYE", true},
       46s);  // does not wait for the end of it: nobody is left to talk with
  step(event::LegEnded{4, 480, "away", true}, 47s);
  ASSERT_EQ(script->told.size(), 3u);
  EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).end, outcome::TransferEnd::no_answer);
  EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).talk, 10s + 4s + 5s);
}

TEST_F(CallSessionTest, P_37_SentOnInVainTheCallerComesBackToTheScriptAndNobodyIsLeftOnTheLine) {
  const auto sent_on = [this] {
    start({intent::Transfer{.uri = "sip:desk@c", .ring_limit = 20s}});
    step(event::LegAnswered{1}, 5s);
    step(event::LegReferred{1, "sip:boss@c"}, 15s);
  };
  sent_on();
  step(event::LegEnded{2, 486, "busy", true}, 16s);
  EXPECT_EQ(sent<command::Drop>()->leg, 1);
  EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).end, outcome::TransferEnd::busy);
  EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).talk, 10s);

  sent_on();
  tick();
  EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).end, outcome::TransferEnd::no_answer);
  std::vector<LegNumber> dropped;
  for (const Command& command : out)
    if (const auto* drop = std::get_if<command::Drop>(&command)) dropped.push_back(drop->leg);
  EXPECT_EQ(dropped, (std::vector<LegNumber>{2, 1, 0}));  // then the script hangs up

  sent_on();
  step(event::LegEnded{1, 0, "BYE", true}, 16s);  // a telephone that does not wait for the end of it
  EXPECT_TRUE(out.empty());
  step(event::LegAnswered{2}, 17s);
  EXPECT_EQ(sent<command::Connect>()->leg, 2);
  EXPECT_EQ(sent<command::Drop>(), nullptr);

  sent_on();
  step(event::LegEnded{0, 0, "BYE", true}, 16s);
  dropped.clear();
  for (const Command& command : out)
    if (const auto* drop = std::get_if<command::Drop>(&command)) dropped.push_back(drop->leg);
  EXPECT_EQ(dropped, (std::vector<LegNumber>{2, 1}));
}

TEST_F(CallSessionTest, P_37_AFailedTransferComesBackToTheScriptWithItsCause) {
  const std::pair<int, outcome::TransferEnd> cases[] = {{486, outcome::TransferEnd::busy},
                                                        {600, outcome::TransferEnd::busy},
                                                        {480, outcome::TransferEnd::no_answer},
                                                        {603, outcome::TransferEnd::rejected},
                                                        {503, outcome::TransferEnd::failed}};
  for (const auto& [status, end] : cases) {
    start({intent::Transfer{.uri = "sip:desk@c"}});
    step(event::LegEnded{1, status, "no", true}, 2s);
    EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).end, end) << status;
    EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).sip_status, status);
  }
}

TEST_F(CallSessionTest, NobodyAnswersWithinTheRingLimit) {
  start({intent::Transfer{.uri = "sip:desk@c", .ring_limit = 20s}});
  EXPECT_EQ(due(), 20100ms);
  tick();
  ASSERT_NE(sent<command::Drop>(), nullptr);
  EXPECT_EQ(sent<command::Drop>()->leg, 1);
  EXPECT_EQ(std::get<outcome::Transferred>(script->told[1]).end, outcome::TransferEnd::no_answer);
}

TEST_F(CallSessionTest, TheCallerWhoHangsUpTakesTheSecondLegAlong) {
  start({intent::Transfer{.uri = "sip:desk@c"}});
  step(event::LegEnded{0, 0, "BYE", true}, 2s);
  ASSERT_NE(sent<command::Drop>(), nullptr);
  EXPECT_EQ(sent<command::Drop>()->leg, 1);
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::caller);
  EXPECT_TRUE(session->done());
}

TEST_F(CallSessionTest, ADigitOfABridgedCallerIsForTheFarSide) {
  start({intent::Transfer{.uri = "sip:desk@c"}, intent::Collect{}});
  step(event::LegAnswered{1}, 1s);
  press('5', 2s);
  step(event::LegEnded{1, 0, "BYE", true}, 3s);
  EXPECT_TRUE(std::holds_alternative<outcome::Transferred>(
      script->told.back()));  // Collect waits: nothing was queued
}

TEST_F(CallSessionTest, VoiceIsWaitedFor) {
  start({intent::Listen{.timeout = 5s}});
  step(event::VoiceBegan{}, 1100ms);
  EXPECT_TRUE(std::get<outcome::Listened>(script->told[1]).voice);
  EXPECT_EQ(std::get<outcome::Listened>(script->told[1]).after, 1s);
}

TEST_F(CallSessionTest, P_01_VoiceStopsAPromptWhenItHasHeldLongEnough) {
  for (const bool collect : {false, true}) {
    for (const BargeIn barge : {BargeIn::none, BargeIn::digits, BargeIn::speech, BargeIn::both}) {
      SCOPED_TRACE(testing::Message() << "collect " << collect << ", barge-in " << static_cast<int>(barge));
      const bool by_voice = barge == BargeIn::speech || barge == BargeIn::both;
      if (collect) {
        start({intent::Collect{.prompts = say("x"), .barge_in = barge, .min_speech = 250ms}});
      } else {
        start({intent::Play{.prompts = say("x"), .barge_in = barge, .min_speech = 250ms}});
      }
      ASSERT_EQ(sent<command::DetectVoice>() != nullptr, by_voice);
      step(event::VoiceBegan{}, 300ms);
      EXPECT_EQ(session->deadline().has_value(), by_voice);
      if (!by_voice) continue;
      step(event::VoiceEnded{}, 400ms);  // a cough
      EXPECT_FALSE(session->deadline());
      EXPECT_EQ(sent<command::StopPlay>(), nullptr);
      step(event::VoiceBegan{}, 500ms);
      EXPECT_EQ(due(), 750ms);
      tick();
      ASSERT_NE(sent<command::StopPlay>(), nullptr);
      ASSERT_NE(sent<command::DetectVoice>(), nullptr);
      EXPECT_FALSE(sent<command::DetectVoice>()->on);
      if (collect) {
        EXPECT_EQ(due(), 750ms + 5s);  // the caller has the time of the first key from here
      } else {
        step(event::PlayEnded{1, 740ms, false, {}}, 760ms);
        EXPECT_EQ(std::get<outcome::Played>(script->told[1]).end, outcome::PlayEnd::interrupted);
        EXPECT_EQ(std::get<outcome::Played>(script->told[1]).heard, 740ms);
      }
    }
  }
}

TEST_F(CallSessionTest, P_01_SpeechOnlyLetsNoKeyStopThePrompt) {
  start({intent::Play{.prompts = say("x"), .barge_in = BargeIn::speech}});
  press('1', 300ms);
  EXPECT_EQ(sent<command::StopPlay>(), nullptr);
  start({intent::Play{.prompts = say("x"), .barge_in = BargeIn::both}});
  press('1', 300ms);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
}

TEST_F(CallSessionTest, P_01_NothingStopsAPromptInItsGrace) {
  start({intent::Collect{.prompts = say("x"), .barge_in = BargeIn::both, .grace = 1s, .min_speech = 100ms}});
  press('1', 900ms);  // the prompt began at 100 ms
  EXPECT_EQ(sent<command::StopPlay>(), nullptr);
  step(event::VoiceBegan{}, 950ms);
  EXPECT_EQ(due(), 1100ms);
  step(event::VoiceEnded{}, 1050ms);
  press('2', 1100ms);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
  EXPECT_EQ(std::get<outcome::Collected>(script->told[1]).digits, "2");
}

TEST_F(CallSessionTest, S4_43_ACallFromWhichNoAudioComesIsEnded) {
  start({intent::Wait{60s}});
  step(event::MediaLost{}, 5s);
  ASSERT_NE(sent<command::Drop>(), nullptr);
  EXPECT_EQ(sent<command::Drop>()->leg, 0);
  EXPECT_EQ(session->summary().ended_by, outcome::EndedBy::system);
  EXPECT_EQ(session->summary().reason, "media lost");
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::system);
}

TEST_F(CallSessionTest, P_38_TheScriptRunsOnEarlyMediaUntilItAnswers) {
  start({intent::Play{say("rates")}, intent::Answer{}, intent::Answer{}, intent::Play{say("hello")}},
        {.answer_later = true, .record = true}, false);
  EXPECT_NE(sent<command::Ring>(), nullptr);
  EXPECT_EQ(sent<command::Answer>(), nullptr);
  EXPECT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::StartRecord>(), nullptr);
  step(event::MediaLost{}, 1s);  // a caller who hears need not send
  EXPECT_TRUE(out.empty());
  step(event::PlayEnded{1, 900ms, true, {}}, 2s);
  EXPECT_NE(sent<command::Answer>(), nullptr);
  EXPECT_EQ(script->told.size(), 2u);
  step(event::Established{}, 2100ms);
  EXPECT_NE(sent<command::StartRecord>(), nullptr);
  ASSERT_EQ(script->told.size(), 4u);  // who has answered answers no more
  EXPECT_TRUE(std::holds_alternative<outcome::Answered>(script->told[2]));
  EXPECT_TRUE(std::holds_alternative<outcome::Answered>(script->told[3]));
  EXPECT_NE(sent<command::Play>(), nullptr);
  step(event::PlayEnded{2, 900ms, true, {}}, 4s);
  EXPECT_NE(sent<command::Drop>(), nullptr);
}

TEST_F(CallSessionTest, P_38_ACallThatWasNotAnsweredIsRejectedWithAStatus) {
  start({intent::Hangup{"do not disturb", 603}}, {.answer_later = true}, false);
  ASSERT_NE(sent<command::Reject>(), nullptr);
  EXPECT_EQ(*sent<command::Reject>(), (command::Reject{603, "do not disturb"}));
  EXPECT_EQ(sent<command::Drop>(), nullptr);
  step(event::LegEnded{0, 603, "do not disturb", false}, 1s);
  EXPECT_TRUE(session->done());

  start({intent::Play{say("x")}}, {.answer_later = true}, false);
  step(event::Stop{"shutting down"}, 1s);
  ASSERT_NE(sent<command::Reject>(), nullptr);
  EXPECT_EQ(sent<command::Reject>()->status, 503);

  start({intent::Play{say("x")}}, {.answer_later = true}, false);
  step(event::LegEnded{0, 487, "Request Terminated", true}, 1s);  // CANCEL
  EXPECT_EQ(last<outcome::Ended>().by, outcome::EndedBy::caller);
  EXPECT_TRUE(session->done());
}

TEST_F(CallSessionTest, AScriptThatSpinsIsEndedAsASystemError) {
  start(std::vector<Intent>(5000, intent::Wait{}));
  EXPECT_EQ(session->summary().ended_by, outcome::EndedBy::system);
  ASSERT_NE(sent<command::Drop>(), nullptr);
}

TEST_F(CallSessionTest, TheProgramCanEndACall) {
  start({intent::Wait{60s}});
  step(event::Stop{"shutting down"}, 5s);
  EXPECT_NE(sent<command::Drop>(), nullptr);
  EXPECT_EQ(last<outcome::Ended>().reason, "shutting down");
  step(event::LegEnded{0, 0, "", false}, 6s);
  EXPECT_TRUE(session->done());
}

TEST_F(CallSessionTest, AnOutboundCallDialsAndTellsTheScriptWhenNobodyAnswers) {
  auto owned = std::make_unique<Wants>(std::vector<Intent>{});
  script = owned.get();
  session = std::make_unique<CallSession>(std::move(owned), CallSessionOptions{});
  step(event::Invited{CallInfo{"c2", Direction::outbound, "ivr", "bob", "sip:ivr@a", "sip:bob@b", "", {}}},
       0ms);
  ASSERT_NE(sent<command::Dial>(), nullptr);
  EXPECT_EQ(sent<command::Dial>()->uri, "sip:bob@b");
  step(event::LegEnded{0, 486, "Busy Here", true}, 1s);
  EXPECT_EQ(last<outcome::Ended>().reason, "Busy Here");
  EXPECT_TRUE(session->done());
}

}  // namespace
}  // namespace ivr

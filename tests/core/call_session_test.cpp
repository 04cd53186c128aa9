#include "ivr/call_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "ivr/event_log.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;

Time at(Millis t) { return Time(Micros(1'763'724'000'000'000)) + t; }

// A script that wants a fixed list of things, one after the other, and keeps what it was told.
struct Wants : Script {
  explicit Wants(std::vector<Intent> list) : intents(std::move(list)) {}
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    told.push_back(outcome);
    if (std::holds_alternative<outcome::Ended>(outcome)) return;
    out.intent.push_back(next < intents.size() ? intents[next++] : Intent(intent::Hangup{}));
  }
  std::vector<Intent> intents;
  std::size_t next = 0;
  std::vector<Outcome> told;
};

Prompts say(std::string text) { return {Prompt{Prompt::Kind::text, std::move(text), "en"}}; }

class CallSessionTest : public testing::Test {
 protected:
  void start(std::vector<Intent> intents, CallSessionOptions options = {}, bool established = true) {
    auto owned = std::make_unique<Wants>(std::move(intents));
    script = owned.get();
    session = std::make_unique<CallSession>(std::move(owned), options);
    step(event::Invited{CallInfo{
             "c1", Direction::inbound, "alice", "2001", "sip:alice@a", "sip:2001@b", "", {}}},
         0ms);
    if (established) step(event::Established{}, 100ms);
  }
  void step(const Event& event, Millis t) {
    out.clear();
    session->step(event, at(t), out);
    all.insert(all.end(), out.begin(), out.end());
  }
  void tick() {
    ASSERT_TRUE(session->deadline());
    const Time due = *session->deadline();
    out.clear();
    session->step(event::Tick{}, due, out);
    all.insert(all.end(), out.begin(), out.end());
  }
  void press(char digit, Millis t) { step(event::DigitHeard{digit, DigitSource::rtp_event}, t); }
  template <class T>
  const T* sent() const {
    for (const Command& c : out) {
      if (const T* x = std::get_if<T>(&c)) return x;
    }
    return nullptr;
  }
  template <class T>
  const T& last() const {
    return std::get<T>(script->told.back());
  }
  Millis due() const { return std::chrono::duration_cast<Millis>(*session->deadline() - at(0ms)); }

  Wants* script = nullptr;
  std::unique_ptr<CallSession> session;
  Commands out, all;
};

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

// --------------------------------------------------------------------------------------- event log

TEST(EventLog, EveryEventSurvivesWritingAndReading) {
  const std::vector<Event> events = {
      event::Invited{CallInfo{"c1",
                              Direction::outbound,
                              "a\"b\\",
                              "2001",
                              "sip:a@\xff",
                              "",
                              "ar",
                              {{"url", "\"x\""}, {"n", "1"}}}},
      event::Established{},
      event::DigitHeard{'#', DigitSource::sip_info},
      event::PlayEnded{7, 120ms, true, "no file 'x'"},
      event::PlayEnded{8, 0ms, false, {}},
      event::RecordEnded{1, "/tmp/r.wav", 12345ms, outcome::RecordEnd::silence, {}},
      event::HttpReplied{3, HttpReply{404, "{\"out\":[1]},\"out\":[", "boom"}},
      event::DigitsSent{},
      event::VoiceBegan{},
      event::VoiceEnded{},
      event::LegRinging{1},
      event::LegAnswered{2},
      event::LegEnded{0, 486, "Busy", true},
      event::LegEnded{1, 0, "", false},
      event::QueueAnnounced{{.position = 3, .more_than = true, .wait = 0ms, .message = 0}},
      event::QueueAnnounced{{.position = 1}},
      event::QueueLeft{outcome::QueueEnd::full, 3s, {"ann", "bob\""}},
      event::CallbackTaken{true},
      event::Bridged{"c2", "ann", 12s, {"bob"}},
      event::Unbridged{"sip:x@y", true},
      event::PeerHeld{true},
      event::MediaLost{},
      event::Stop{"line\nbreak"},
      event::Tick{}};
  ASSERT_EQ(events.size(), std::variant_size_v<Event> + 3);
  std::int64_t sequence = 0;
  for (const Event& event : events) {
    const Commands commands = {command::Play{1, {Prompt{Prompt::Kind::text, "},\"out\":[", "en"}}, 2},
                               command::Answer{}};
    const std::string line = log_line(sequence, at(5ms), event, commands);
    const auto entry = parse_log_line(line);
    ASSERT_TRUE(entry.ok()) << entry.status() << line;
    EXPECT_EQ(log_line(entry->sequence, entry->at, entry->event, commands), line);
    EXPECT_EQ(entry->event.index(), event.index());
    EXPECT_EQ(entry->out.front(), '[');
    EXPECT_NE(line.find(entry->out), std::string::npos);
    ++sequence;
  }
}

TEST(EventLog, S0_88_ASecretDigitPromptOrRequestIsNotInTheLine) {
  HttpRequest request{.method = "POST",
                      .url = "http://x/?pin=4711",
                      .headers = {{"A", "4711"}},
                      .body = "4711",
                      .secret = true};
  Prompt prompt{Prompt::Kind::text, "4711", "en"};
  prompt.secret = true;
  const Commands commands = {command::Fetch{1, request}, command::Play{1, {prompt}, 1}};
  const std::string line = log_line(0, at(0ms), event::Tick{}, commands);
  EXPECT_EQ(line.find("4711"), std::string::npos) << line;
  const Commands digits = {commands[0], command::Play{1, {prompt, prompt, prompt}, 1}};
  EXPECT_EQ(log_line(0, at(0ms), event::Tick{}, digits), line) << "nor how long it is";
}

TEST_F(CallSessionTest, S0_88_ASecretDigitIsLoggedAsAQuestionMark) {
  start({intent::Collect{.max = 2, .sensitive = true}});
  const auto logged = session->for_log(event::DigitHeard{'4', DigitSource::inband});
  ASSERT_TRUE(logged);
  EXPECT_EQ(std::get<event::DigitHeard>(*logged).digit, '?');
}

TEST_F(CallSessionTest, WhatHidesNothingIsNotCopiedForTheLog) {
  start({intent::Fetch{.request = {.url = "http://x/"}}});
  EXPECT_FALSE(session->for_log(event::HttpReplied{1, HttpReply{200, "{}", {}}}));
  EXPECT_FALSE(session->for_log(event::DigitHeard{'4', DigitSource::inband}));
  EXPECT_FALSE(session->for_log(event::Tick{}));
}

TEST_F(CallSessionTest, S0_88_WhatAReplyTellsInSecretIsNotLogged) {
  const std::pair<std::vector<std::string>, const char*> rows[] = {
      {{}, R"({"a": {"b": ["x", "4711"]}, "c": 1})"},
      {{"/a/b/1"}, R"({"a":{"b":["x","***"]},"c":1})"},
      {{"/nowhere", "/c"}, R"({"a":{"b":["x","4711"]},"c":"***"})"},
      {{""}, R"("***")"},
      {{"no pointer"}, R"("***")"}};
  for (const auto& [pointers, body] : rows) {
    start({intent::Fetch{.request = {.url = "http://x/", .secret_reply = pointers}}});
    const Event replied = event::HttpReplied{1, {200, R"({"a": {"b": ["x", "4711"]}, "c": 1})", {}}};
    const Event logged = session->for_log(replied).value_or(replied);
    EXPECT_EQ(std::get<event::HttpReplied>(logged).reply.body, body);
  }
  start({intent::Fetch{.request = {.url = "http://x/", .secret_reply = {"/pin"}}}});
  const auto text = session->for_log(event::HttpReplied{1, HttpReply{200, "your PIN is 4711", {}}});
  ASSERT_TRUE(text);
  EXPECT_EQ(std::get<event::HttpReplied>(*text).reply.body, "***");
}

class Replay : public testing::Test {
 protected:
  static std::vector<Intent> wants() {
    return {intent::Play{say("hi")}, intent::Collect{.max = 3}, intent::Record{.max = 5s},
            intent::Fetch{.request = {.url = "http://x/"}, .filler = say("wait")}};
  }
  void SetUp() override {
    CallSession session(std::make_unique<Wants>(wants()), {});
    const std::vector<std::pair<Event, Millis>> inputs = {
        {event::Invited{CallInfo{"c1", Direction::inbound, "a", "2001", "", "", "", {}}}, 0ms},
        {event::Established{}, 10ms},
        {event::DigitHeard{'1', DigitSource::inband}, 700ms},
        {event::PlayEnded{1, 600ms, false, {}}, 720ms},
        {event::DigitHeard{'#', DigitSource::inband}, 900ms},
        {event::PlayEnded{2, 400ms, true, {}}, 1400ms},
        {event::RecordEnded{1, "r.wav", 5s, outcome::RecordEnd::max_length, {}}, 6400ms},
        {event::Tick{}, 7900ms},
        {event::HttpReplied{1, HttpReply{200, "{}", {}}}, 8000ms},
        {event::LegEnded{0, 0, "BYE", false}, 8100ms}};
    Commands out;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      out.clear();
      session.step(inputs[i].first, at(inputs[i].second), out);
      auto entry =
          parse_log_line(log_line(static_cast<std::int64_t>(i), at(inputs[i].second), inputs[i].first, out));
      ASSERT_TRUE(entry.ok());
      log.push_back(*std::move(entry));
    }
    ASSERT_TRUE(session.done());
  }
  std::vector<LogEntry> log;
};

TEST_F(Replay, TheSameInputsGiveTheSameCommandsByteForByte) {
  const auto result = replay(log, std::make_unique<Wants>(wants()), {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->differs_at, -1) << result->logged << "\n" << result->replayed;
  EXPECT_EQ(result->steps, static_cast<int>(log.size()));
}

TEST_F(Replay, AnotherScriptIsFoundOutAtItsFirstOtherCommand) {
  auto other = wants();
  other[2] = intent::Record{.max = 6s};
  const auto result = replay(log, std::make_unique<Wants>(other), {});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->differs_at, 5);
  EXPECT_NE(result->logged, result->replayed);
}

TEST_F(Replay, KeysPressedAheadOfASecretAreKnownAgainWhereTheyAnsweredSomethingElse) {
  const CallSessionOptions options{.secret_type_ahead = true};
  const std::vector<Intent> script = {intent::Wait{1s}, intent::Collect{.max = 4}, intent::Wait{1s},
                                      intent::Collect{.max = 8, .sensitive = true},
                                      intent::Record{.beep = false, .finish_keys = "#"}};
  auto owned = std::make_unique<Wants>(script);
  const Wants* told = owned.get();
  CallSession session(std::move(owned), options);
  std::vector<LogEntry> entries;
  std::string text;
  Commands out;
  const auto step = [&](const Event& event, Time now) {
    out.clear();
    const Event logged = session.for_log(event).value_or(event);
    session.step(event, now, out);
    const auto line =
        log_line(static_cast<std::int64_t>(entries.size()), now, logged, out, session.revealed());
    text += line;
    entries.push_back(*parse_log_line(line));
  };
  step(event::Invited{CallInfo{"c1", Direction::inbound, "a", "2001", "", "", "", {}}}, at(0ms));
  step(event::Established{}, at(10ms));
  for (const char digit : std::string("1001739146#"))
    step(event::DigitHeard{digit, DigitSource::inband}, at(20ms));
  step(event::Tick{}, *session.deadline());
  EXPECT_EQ(session.revealed(), "1001");
  step(event::Tick{}, *session.deadline());
  EXPECT_EQ(session.revealed(), "??????#");
  EXPECT_EQ(std::get<outcome::Collected>(told->told[4]).digits, "739146");
  step(event::DigitHeard{'#', DigitSource::inband}, at(3s));
  step(event::RecordEnded{1, "r.wav", 1s, outcome::RecordEnd::finish_key, {}}, at(3s));
  step(event::LegEnded{0, 0, "BYE", false}, at(4s));
  EXPECT_TRUE(session.done());
  EXPECT_EQ(text.find("739146"), std::string::npos);
  EXPECT_EQ(text.find("\"digit\":\"7\""), std::string::npos);
  const auto result = replay(entries, std::make_unique<Wants>(script), options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->differs_at, -1) << result->logged << "\n" << result->replayed;
}

TEST_F(Replay, AGapInTheLogIsRefused) {
  log.erase(log.begin() + 3);
  EXPECT_EQ(replay(log, std::make_unique<Wants>(wants()), {}).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ivr

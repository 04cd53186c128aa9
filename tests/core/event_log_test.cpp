#include "ivr/event_log.hpp"

#include <gtest/gtest.h>

#include "scripted_call.hpp"

namespace ivr {
namespace {

using LoggedCall = ScriptedCall;

TEST(EventLog, EveryEventSurvivesWritingAndReading) {
  const std::vector<Event> events = {
      event::Invited{CallInfo{"c1",
                              Direction::outbound,
                              "a\"b\\",
                              "2001",
                              "sip:a@\xff",
                              "",
                              "ar",
                              {{"url", "\"x\""}, {"n", "1"}},
                              "2101"}},
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
      event::AgentStatusSet{true, "ann", AgentState::on_break},
      event::Bridged{"c2", "ann", 12s, {"bob"}},
      event::Unbridged{"sip:x@y", true},
      event::PeerHeld{true, "jazz"},
      event::Offered{{Prompt{Prompt::Kind::text, "for sales", "en"}}, "1"},
      event::ReferProgress{486},
      event::LegReferred{1, "sip:x@y"},
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

TEST(EventLog, APersonCanReadWhatHappenedInAQueue) {
  const std::pair<Event, const char*> rows[] = {
      {event::DigitHeard{'1', DigitSource::inband}, R"(digit_heard {"digit":"1","source":"inband"})"},
      {event::Tick{}, "tick"},
      {event::QueueAnnounced{{.position = 3, .wait = 120s}}, "queue_announced position 3, about 120 s"},
      {event::QueueAnnounced{{.position = 9, .more_than = true}}, "queue_announced more than 9"},
      {event::QueueAnnounced{{.message = 0}}, "queue_announced message 1"},
      {event::QueueLeft{outcome::QueueEnd::timeout, 90s, {"ann", "bob"}},
       "queue_left timeout after 90.0 s, tried ann, bob"},
      {event::CallbackTaken{false}, "callback_taken there is no place to keep"},
      {event::AgentStatusSet{true, "ann", AgentState::on_break}, "agent_status_set ann is on_break"},
      {event::AgentStatusSet{false, "ann", AgentState::offline}, "agent_status_set refused: ann is offline"},
      {event::AgentStatusSet{}, "agent_status_set refused"},
      {event::Bridged{"c9", "ann", 4s, {}}, "bridged with ann (c9) after 4.0 s"},
      {event::Bridged{"c1", "", 0s, {}}, "bridged with c1"},
      {event::Unbridged{"sip:desk@c", true}, "unbridged the other side ended it, on to sip:desk@c"},
      {event::PeerHeld{true}, "peer_held on hold"}};
  for (const auto& [event, text] : rows) {
    LogEntry entry{.at = at(2340ms), .event = event, .out = R"([{"part":{}},{"drop":{"reason":"normal"}}])"};
    EXPECT_EQ(describe(entry, at(0ms)), "    +2.340 s  " + std::string(text) + "\n                -> part" +
                                            "\n                -> drop {\"reason\":\"normal\"}");
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

TEST_F(LoggedCall, S0_88_ASecretDigitIsLoggedAsAQuestionMark) {
  start({intent::Collect{.max = 2, .sensitive = true}});
  const auto logged = session->for_log(event::DigitHeard{'4', DigitSource::inband});
  ASSERT_TRUE(logged);
  EXPECT_EQ(std::get<event::DigitHeard>(*logged).digit, '?');
}

TEST_F(LoggedCall, WhatHidesNothingIsNotCopiedForTheLog) {
  start({intent::Fetch{.request = {.url = "http://x/"}}});
  EXPECT_FALSE(session->for_log(event::HttpReplied{1, HttpReply{200, "{}", {}}}));
  EXPECT_FALSE(session->for_log(event::DigitHeard{'4', DigitSource::inband}));
  EXPECT_FALSE(session->for_log(event::Tick{}));
}

TEST_F(LoggedCall, S0_88_WhatAReplyTellsInSecretIsNotLogged) {
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

TEST(QueueLog, TheSameInputsGiveTheSameCommandsByteForByte) {
  Prompt secret{Prompt::Kind::text, "account 4711", "en"};
  secret.secret = true;
  const std::vector<Intent> wants = {
      intent::Queue{.queue = "support",
                    .priority = 2,
                    .required = {{"ar", 3}},
                    .preferred = {{"billing", 1}},
                    .agent = "ann",
                    .direct = true,
                    .say = say("hold"),
                    .exit_keys = "9",
                    .whisper = {secret},
                    .accept_keys = "1",
                    .caller_id = "+1555",
                    .record = true,
                    .pass_digits = false,
                    .max_talk = 60s,
                    .max_wait = 90s},
      intent::Queue{.queue = "support", .say = say("next"), .record = true},
      intent::Queue{
          .queue = "vip", .required = *SkillExpression::parse("ar or not it >= 2"), .exit_keys = "9"},
      intent::Callback{"+15550100"}, intent::Serve{}};
  const std::pair<Event, Millis> inputs[] = {
      {event::Invited{CallInfo{"c1", Direction::inbound, "a", "2001", "", "", "", {}}}, 0ms},
      {event::Established{}, 10ms},
      {event::PlayEnded{1, 600ms, true, {}}, 720ms},
      {event::QueueAnnounced{{.position = 3, .more_than = true, .wait = 60s}}, 900ms},
      {event::QueueAnnounced{{.message = 0}}, 950ms},  // the next intent leaves for another queue
      {event::DigitHeard{'9', DigitSource::rtp_event}, 1s},
      {event::CallbackTaken{true}, 1s},
      {event::Bridged{"c2", "", 1s, {"bob"}}, 2s},
      {event::DigitHeard{'5', DigitSource::rtp_event}, 3s},
      {event::PeerHeld{true}, 4s},
      {event::PeerHeld{false}, 5s},
      {event::Unbridged{"sip:x@y", true}, 6s},
      {event::LegEnded{0, 0, "BYE", false}, 7s}};
  CallSession session(std::make_unique<Wants>(wants), {});
  std::vector<LogEntry> log;
  std::string text;
  Commands out;
  for (const auto& [event, t] : inputs) {
    out.clear();
    const Event logged = session.for_log(event).value_or(event);
    session.step(event, at(t), out);
    const std::string line = log_line(static_cast<std::int64_t>(log.size()), at(t), logged, out);
    text += line + "\n";
    auto entry = parse_log_line(line);
    ASSERT_TRUE(entry.ok()) << entry.status();
    log.push_back(*std::move(entry));
  }
  ASSERT_TRUE(session.done());
  EXPECT_EQ(text.find("4711"), std::string::npos);
  EXPECT_EQ(text.find(R"("digit":"5")"), std::string::npos) << "keys of a talk belong to it";
  const auto again = replay(log, std::make_unique<Wants>(wants), {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->differs_at, -1) << again->logged << "\n" << again->replayed;
  EXPECT_EQ(again->steps, static_cast<int>(log.size()));

  auto other = wants;
  std::get<intent::Queue>(other[0]).required = *SkillExpression::parse("fr or not it");
  EXPECT_EQ(replay(log, std::make_unique<Wants>(other), {})->differs_at, 1);
}

}  // namespace
}  // namespace ivr

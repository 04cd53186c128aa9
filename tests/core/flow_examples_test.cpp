#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/flow_caller.hpp"

// The flows that ship, each driven the ways a caller can go.

namespace ivr {
namespace {

using testing::HasSubstr;

std::string example(const std::string& name) {
  return read_text(IVR_SOURCE_DIR "/examples/flows/" + name + ".json");
}

TEST(ExampleFlows, AllLoadWithoutAnyFinding) {
  int flows = 0;
  for (const auto& entry : std::filesystem::directory_iterator(IVR_SOURCE_DIR "/examples/flows")) {
    if (entry.path().extension() != ".json") continue;
    ++flows;
    for (const Finding& f : Flow::check(read_text(entry.path())))
      ADD_FAILURE() << entry.path() << " " << to_string(f);
  }
  EXPECT_GE(flows, 5);
}

TEST(ExampleFlows, S3_21_BalanceInquiryLooksUpTheAccountAndSaysTheAmount) {
  FlowCaller c(example("balance_inquiry"));
  c.start();
  EXPECT_THAT(c.hears(), HasSubstr("For English, press 1."));
  c.press("1");
  EXPECT_THAT(c.hears(), HasSubstr("account number"));
  c.enter("1001");
  EXPECT_EQ(c.wants<intent::Fetch>().request.url, "http://127.0.0.1:3000/balance/1001");
  c.reply(200, R"({"account": "1001", "balance": 1234.5, "currency": "USD"})");
  EXPECT_EQ(c.hears(), "Your balance is|one thousand two hundred thirty four dollars and fifty cents");
  c.played();
  EXPECT_THAT(c.hears(), HasSubstr("To leave a message, press 2."));
  c.press("9");
  EXPECT_EQ(c.hears(), "Thank you for calling. Goodbye.");
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "normal");
}

TEST(ExampleFlows, S3_42_BalanceInquiryAsksByQueryWhereThePathIsUnknown) {
  FlowCaller c(example("balance_inquiry"), {.variables = {{"balance_url", "\"http://bank:81\""}}});
  c.start();
  c.press("1");
  c.enter("4321");
  c.reply(404, "{}");
  EXPECT_EQ(c.wants<intent::Fetch>().request.url, "http://bank:81/balance?account=4321");
  c.reply(404, "{}");
  EXPECT_EQ(c.hears(), "There is no account|four|three|two|one");
  c.played();
  EXPECT_THAT(c.hears(), HasSubstr("account number")) << "and asks again";
}

TEST(ExampleFlows, S4_05_FrontDeskLeadsToEachDepartmentByKeyAndByWords) {
  struct Row {
    const char* message;
    const char* key;
    const char* queue;
    const char* says;
  };
  for (const Row& row :
       {Row{"\"\"", "1", "sales", "sales"}, Row{"\"\"", "2", "complaints", "sorry"},
        Row{"\"\"", "0", "reception", "reception"},
        Row{"\"I want to buy, what is the price?\"", "", "sales", "sales"},
        Row{"\"it is broken, and the offer was bad; I am angry\"", "", "complaints", "sorry"},
        Row{"\"عندي شكوى\"", "", "complaints", "sorry"},
        Row{"\"good morning\"", "", "reception", "reception"}}) {
    FlowCaller c(example("front_desk"), {.variables = {{"message", row.message}}});
    c.start();
    c.played();
    if (*row.key) c.press(row.key);
    EXPECT_EQ(c.wants<intent::Queue>().queue, row.queue) << row.message;
    EXPECT_THAT(c.hears(), HasSubstr(row.says));
    c.tell(outcome::Queued{.end = outcome::QueueEnd::full});
    EXPECT_TRUE(c.is<intent::Record>());
  }
}

TEST(ExampleFlows, BalanceInquirySpeaksArabicWhenChosen) {
  FlowCaller c(example("balance_inquiry"));
  c.start();
  c.press("2");
  c.enter("2001");
  c.reply(200, R"({"balance": 0, "currency": "USD"})");
  for (const Prompt& p : c.wants<intent::Play>().prompts) EXPECT_EQ(p.language, "ar");
  EXPECT_EQ(c.hears().find("dollar"), std::string::npos);
}

TEST(ExampleFlows, BalanceInquiryTakesAMessageWhenTheBankIsDown) {
  FlowCaller c(example("balance_inquiry"));
  c.start();
  c.press("1");
  c.enter("1001");
  c.no_reply("connection refused");
  c.tell(outcome::Waited{});
  c.no_reply("connection refused");
  EXPECT_THAT(c.hears(), HasSubstr("cannot be looked up"));
  c.played();
  c.press("2");
  EXPECT_EQ(c.wants<intent::Record>().max, 120s);
  c.tell(outcome::Recorded{"m.wav", 3s, outcome::RecordEnd::finish_key, '#', ""});
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "message left");
}

FlowRunOptions in_london() {
  const auto flow = Flow::load(example("voicemail"));
  EXPECT_TRUE(flow.ok());
  return {.calendars = *flow_calendars(
              **flow, [](std::string_view) { return absl::UTCTimeZone(); })};  // London in winter
}

TEST(ExampleFlows, S0_40_VoicemailRecordsAfterHours) {
  FlowCaller c(example("voicemail"), in_london());
  c.now += std::chrono::hours(10);  // 20:00
  c.start();
  EXPECT_THAT(c.hears(), HasSubstr("closed"));
  c.played();
  const auto& r = c.wants<intent::Record>();
  EXPECT_EQ(r.max, 180s);
  EXPECT_EQ(r.finish_keys, "#");
  EXPECT_TRUE(r.beep);
  c.tell(outcome::Recorded{"m.wav", 180s, outcome::RecordEnd::max_length, 0, ""});
  EXPECT_THAT(c.hears(), HasSubstr("Your message is kept"));
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "message left");
}

TEST(ExampleFlows, VoicemailConnectsTheDeskByDayAndRecordsWhenNobodyAnswers) {
  for (const auto end : {outcome::TransferEnd::busy, outcome::TransferEnd::no_answer,
                         outcome::TransferEnd::rejected, outcome::TransferEnd::failed}) {
    FlowCaller c(example("voicemail"), in_london());
    c.start();
    EXPECT_THAT(c.hears(), HasSubstr("connecting"));
    c.played();
    EXPECT_EQ(c.wants<intent::Transfer>().uri, "sip:desk@127.0.0.1:5070");
    c.tell(outcome::Transferred{end, 0, 0ms, ""});
    EXPECT_THAT(c.hears(), HasSubstr("Nobody can take your call"));
    c.played();
    EXPECT_EQ(c.wants<intent::Record>().max, 180s);
  }
}

TEST(ExampleFlows, S3_23_SurveyStoresFiveRatingsAndAsksAgainForOthers) {
  FlowCaller c(example("survey"));
  c.start();
  c.played();
  const char* ratings[] = {"5", "1", "3", "4", "2"};
  for (const char* rating : ratings) {
    c.press("7");
    EXPECT_THAT(c.hears(), HasSubstr("from 1 to 5"));
    c.press(rating);
  }
  EXPECT_EQ(c.run().variables_json(),
            R"({"rating_1":"5","rating_2":"1","rating_3":"3","rating_4":"4","rating_5":"2","average":3})");
  EXPECT_EQ(c.hears(), "Thank you. On average you gave us|three|out of five. Goodbye.");
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "survey complete");
}

TEST(ExampleFlows, ToneToggleSwitchesTheFileAtOnceAndForEver) {
  FlowCaller c(example("tone_toggle"));
  c.start();
  std::string expected = "promptA.wav";
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(c.hears(), expected);
    ASSERT_EQ(c.wants<intent::Play>().loops, 0);
    c.tell(outcome::Played{outcome::PlayEnd::interrupted, 100ms, ""});
    ASSERT_TRUE(c.wants<intent::Collect>().carry);
    ASSERT_TRUE(c.wants<intent::Collect>().prompts.empty());
    const char key = "12#3"[i % 4];
    c.press(std::string(1, key));
    if (key == '1') expected = "promptB.wav";
    if (key == '2') expected = "promptA.wav";
  }
}

TEST(ExampleFlows, FeatureCodesDoAndSayInBothLanguagesWhatTheirNumberMeans) {
  struct Row {
    const char* called;
    std::optional<AgentState> wanted;
    outcome::AgentStatusSet set;
    const char* en;
    const char* reason;
  };
  using S = AgentState;
  const Row rows[] = {
      {"*45", S::available, {true, "ann", S::available}, "You are logged in.", "logged in"},
      {"*46", std::nullopt, {true, "ann", S::on_break}, "You are on a break.", "paused"},
      {"*46", std::nullopt, {true, "ann", S::available}, "Welcome back. Calls reach you again.", "back"},
      {"*47", S::offline, {true, "ann", S::offline}, "You are logged out.", "logged out"},
      {"*46",
       std::nullopt,
       {false, "ann", S::offline},
       "That cannot be done from this telephone.",
       "refused"},
      {"*45", S::available, {}, "That cannot be done from this telephone.", "refused"},
  };
  for (const Row& row : rows) {
    for (const std::string language : {"en", "ar"}) {
      FlowCaller c(example("feature_codes"));
      c.start({.id = "c1", .called = row.called, .language = language});
      EXPECT_EQ(c.wants<intent::AgentStatus>().state, row.wanted);
      EXPECT_EQ(c.wants<intent::AgentStatus>().agent, "") << "the caller's own";
      c.tell(row.set);
      EXPECT_EQ(c.hears() == row.en, language == "en");
      for (const Prompt& p : c.wants<intent::Play>().prompts) EXPECT_EQ(p.language, language);
      c.played();
      EXPECT_EQ(c.wants<intent::Hangup>().reason, row.reason);
    }
  }
  for (const auto& [key, wanted] :
       {std::pair{"1", std::optional(S::available)}, {"2", std::nullopt}, {"3", std::optional(S::offline)}}) {
    FlowCaller c(example("feature_codes"));
    c.start({.id = "c1", .called = "2450"});
    c.press(key);
    EXPECT_EQ(c.wants<intent::AgentStatus>().state, wanted);
  }
}

TEST(ExampleFlows, GreetingGreets) {
  FlowCaller c(example("greeting"));
  c.start();
  EXPECT_THAT(c.hears(), HasSubstr("Hello."));
  c.played();
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "normal");
}

}  // namespace
}  // namespace ivr

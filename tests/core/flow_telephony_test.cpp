#include "core/flow_caller.hpp"

// What a flow asks of the line itself: what stops a prompt, keys typed ahead, when the call is answered, keys
// for the far side.

namespace ivr {
namespace {

TEST(FlowTelephony, S3_28_BargeInIsOnUnlessAFlagTurnsItOff) {
  const std::pair<const char*, const char*> kinds[] = {
      {"play", R"("type": "play", "say": "x", "next": "sorry")"},
      {"sequence", R"("type": "play_sequence", "sequence": ["x"], "next": "sorry")"},
      {"digits", R"("type": "play_digits", "digits": "12", "next": "sorry")"},
      {"collect",
       R"("type": "gather", "say": "x", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry")"},
  };
  for (const auto& [name, node] : kinds) {
    for (const bool off : {false, true}) {
      FlowCaller c(flow_of("\"a\": {" + std::string(node) + (off ? ", \"barge_in\": false}" : "}")));
      c.start();
      const BargeIn mode = name == std::string("collect") ? c.wants<intent::Collect>().barge_in
                                                          : c.wants<intent::Play>().barge_in;
      EXPECT_EQ(mode, off ? BargeIn::none : BargeIn::digits) << name;
    }
  }
}

TEST(FlowTelephony, P_01_EveryBargeInIsOfferedByEveryPromptThatCanBeStopped) {
  const char* const nodes[] = {
      R"("type": "play", "say": "x", "next": "sorry")",
      R"("type": "play_sequence", "sequence": ["x"], "next": "sorry")",
      R"("type": "play_digits", "digits": "12", "next": "sorry")",
      R"("type": "welcome", "say": "x", "next": "sorry")",
      R"("type": "welcome", "ask": "x", "choose": {"1": "en"}, "next": "sorry")",
      R"("type": "menu", "say": "x", "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry")",
      R"("type": "gather", "say": "x", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry")",
  };
  const std::pair<const char*, BargeIn> modes[] = {
      {"true", BargeIn::digits},       {"false", BargeIn::none},        {"\"none\"", BargeIn::none},
      {"\"digits\"", BargeIn::digits}, {"\"speech\"", BargeIn::speech}, {"\"both\"", BargeIn::both}};
  for (const std::string node : nodes) {
    for (const auto& [word, mode] : modes) {
      SCOPED_TRACE(node + " " + word);
      const bool speech = mode == BargeIn::speech || mode == BargeIn::both;
      FlowCaller c(flow_of(R"("a": {)" + node + R"(, "grace": "700ms", "barge_in": )" + word +
                           (speech ? R"(, "min_speech": "300ms"})" : "}")));
      c.start();
      c.visit([&](const auto& intent) {
        if constexpr (requires { intent.barge_in; }) {
          EXPECT_EQ(intent.barge_in, mode);
          EXPECT_EQ(intent.grace, 700ms);
          EXPECT_EQ(intent.min_speech, speech ? 300ms : 200ms);
        } else {
          ADD_FAILURE() << "no prompt";
        }
      });
    }
  }
}

TEST(FlowTelephony, P_01_AnUnknownBargeInIsRefusedWithTheNearestWord) {
  const auto found =
      Flow::check(flow_of(R"("a": {"type": "play", "say": "x", "barge_in": "speach", "next": "sorry"})"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].pointer, "/nodes/a/barge_in");
  EXPECT_NE(found[0].message.find("did you mean 'speech'"), std::string::npos) << found[0].message;
  const auto useless =
      Flow::check(flow_of(R"("a": {"type": "play", "say": "x", "min_speech": "1s", "next": "sorry"})"));
  ASSERT_EQ(useless.size(), 1u);
  EXPECT_EQ(useless[0].rule, "conflict");
}

TEST(FlowTelephony, S3_29_KeysTypedAheadCountForBranchesAndForPromptlessCollects) {
  struct Row {
    const char* node;
    bool carry;
  };
  const Row rows[] = {
      {R"({"type": "menu", "say": "x", "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry"})",
       true},
      {R"({"type": "menu", "say": "x", "carry": false, "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry"})",
       false},
      {R"({"type": "gather", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})", true},
      {R"({"type": "gather", "say": "x", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})",
       false},
      {R"({"type": "gather", "say": "x", "carry": true, "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry"})",
       true},
  };
  for (const Row& row : rows) {
    FlowCaller c(flow_of("\"a\": " + std::string(row.node)));
    c.start();
    EXPECT_EQ(c.wants<intent::Collect>().carry, row.carry) << row.node;
  }
}

TEST(FlowTelephony, S3_30_ThreeTriesOfTenSecondsByDefault) {
  FlowCaller c(flow_of(
      R"("a": {"type": "gather", "say": "x", "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "quiet"}, "quiet": {"type": "hangup", "reason": "quiet"})"));
  c.start();
  Millis waited{0};
  for (int i = 0; i < 3; ++i) {
    waited += c.wants<intent::Collect>().first_timeout;
    c.silent();
  }
  EXPECT_EQ(waited, 30s);
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "quiet");
}

TEST(FlowTelephony, P_04_AnotherTrySaysTheShortQuestion) {
  const char* const nodes[] = {
      R"("type": "menu", "keys": {"1": "sorry"}, "invalid": "sorry", "no_input": "sorry")",
      R"("type": "gather", "length": 2, "into": "v", "next": "sorry", "invalid": "sorry", "no_input": "sorry")",
  };
  for (const std::string node : nodes) {
    FlowCaller c(
        flow_of(R"("a": {)" + node + R"(, "say": "long", "short_say": "short", "invalid_say": "wrong"})"));
    c.start();
    ASSERT_EQ(c.wants<intent::Collect>().prompts.size(), 1u);
    EXPECT_EQ(c.wants<intent::Collect>().prompts[0].value, "long");
    c.press("9");
    ASSERT_EQ(c.wants<intent::Collect>().prompts.size(), 2u);
    EXPECT_EQ(c.wants<intent::Collect>().prompts[0].value, "wrong");
    EXPECT_EQ(c.wants<intent::Collect>().prompts[1].value, "short");
    c.silent();
    ASSERT_EQ(c.wants<intent::Collect>().prompts.size(), 1u);
    EXPECT_EQ(c.wants<intent::Collect>().prompts[0].value, "short");
  }
}

TEST(FlowTelephony, P_09_KeysAreSentToTheFarSide) {
  const std::string json = flow_of(
      R"("a": {"type": "send_digits", "digits": "w{{pin}}#", "tone": "80ms", "gap": "50ms", "next": "done"},
         "done": {"type": "hangup", "reason": "done"})",
      R"("variables": {"pin": "47"})");
  FlowCaller c(json);
  c.start();
  EXPECT_EQ(c.wants<intent::SendDigits>().digits, "w47#");
  EXPECT_EQ(c.wants<intent::SendDigits>().tone, 80ms);
  EXPECT_EQ(c.wants<intent::SendDigits>().gap, 50ms);
  c.tell(outcome::DigitsSent{});
  EXPECT_EQ(c.wants<intent::Hangup>().reason, "done");

  FlowCaller bad(json, {.variables = {{"pin", "\"4 7\""}}});
  bad.start();
  EXPECT_EQ(bad.hears(), "Sorry.");
  const auto found =
      Flow::check(flow_of(R"("a": {"type": "send_digits", "digits": "12x", "next": "sorry"})"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rule, "bad-name");
  EXPECT_EQ(found[0].pointer, "/nodes/a/digits");
}

TEST(FlowTelephony, P_38_ACallIsTakenByItsAnswerNodeOrRefusedWithAStatus) {
  const std::string json = flow_of(
      R"("a": {"type": "decision", "cases": [{"if": "vip", "next": "take"}], "else": "busy"},
         "take": {"type": "answer", "next": "hello"},
         "hello": {"type": "hangup", "reason": "hello"},
         "busy": {"type": "hangup", "status": 486, "reason": "busy"})",
      R"("answer": "later", "variables": {"vip": true})");
  EXPECT_TRUE((*Flow::load(json))->answers_later());
  FlowCaller c(json);
  c.start();
  EXPECT_TRUE(c.is<intent::Answer>());
  c.tell(outcome::Answered{});
  EXPECT_EQ(c.wants<intent::Hangup>().status, 480);
  FlowCaller refused(json, {.variables = {{"vip", "false"}}});
  refused.start();
  EXPECT_EQ(refused.wants<intent::Hangup>().status, 486);
  EXPECT_EQ(refused.wants<intent::Hangup>().reason, "busy");

  const auto found =
      Flow::check(flow_of(R"("a": {"type": "answer", "next": "sorry"})", R"("answer": "soon")"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].pointer, "/answer");
}

}  // namespace
}  // namespace ivr

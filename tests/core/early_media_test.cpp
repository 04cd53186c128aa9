#include "core/early_media.hpp"

#include <gtest/gtest.h>

#include "ivr/event_log.hpp"
#include "scripted_call.hpp"

namespace ivr {
namespace {

TEST(EarlyMediaHeader, RFC5009_8_ReadsWhatItKnowsAndSkipsTheRest) {
  struct Row {
    const char* value;
    bool supported, gated;
    std::optional<EarlyMedia> direction;
  };
  for (const Row& row :
       {Row{"supported", true, false, {}}, Row{"", false, false, {}},
        Row{" Supported , GATED", true, true, {}}, Row{"sendrecv", false, false, EarlyMedia::sendrecv},
        Row{"sendonly", false, false, EarlyMedia::sendonly},
        Row{"recvonly", false, false, EarlyMedia::recvonly},
        Row{"inactive", false, false, EarlyMedia::inactive},
        Row{"inactive, sendrecv", false, false, EarlyMedia::inactive},
        Row{"tomorrow, SendOnly,gated", false, true, EarlyMedia::sendonly},
        Row{"supported;x=1,,,", false, false, {}}, Row{"sendrecvx", false, false, {}}}) {
    const EarlyMediaHeader header = parse_early_media(row.value);
    EXPECT_EQ(header.supported, row.supported) << row.value;
    EXPECT_EQ(header.gated, row.gated) << row.value;
    EXPECT_EQ(header.direction, row.direction) << row.value;
  }
  EXPECT_EQ(to_string(EarlyMedia::recvonly), "recvonly");
}

// ------------------------------------------------------------------------- what a call makes of it

class EarlyMediaTest : public ScriptedCall {
 protected:
  void dial() { start({intent::Transfer{.uri = "sip:desk@b"}, intent::Wait{1s}}); }
  void ringing(std::optional<EarlyMedia> early, Millis t) { step(event::LegRinging{1, early}, t); }
  const command::EarlyMedia* early() const { return sent<command::EarlyMedia>(); }
};

TEST_F(EarlyMediaTest, P_38_TheCallerHearsTheFarSideWhereItAsksForThatAndOurRingbackElse) {
  for (const EarlyMedia direction : {EarlyMedia::sendrecv, EarlyMedia::sendonly}) {
    dial();
    ringing({}, 200ms);
    EXPECT_TRUE(out.empty()) << "180 says nothing: our ringback goes on";
    ringing(direction, 300ms);
    ASSERT_NE(sent<command::StopPlay>(), nullptr);
    ASSERT_NE(early(), nullptr);
    EXPECT_EQ(early()->leg, 1);
    EXPECT_EQ(early()->direction, direction);
    ringing(direction, 400ms);
    EXPECT_TRUE(out.empty()) << "the same again changes nothing";
    step(event::LegAnswered{1}, 2s);
    EXPECT_NE(sent<command::Connect>(), nullptr);
    step(event::LegEnded{1}, 9s);
    EXPECT_EQ(last<outcome::Transferred>().end, outcome::TransferEnd::completed);
  }
  for (const EarlyMedia direction : {EarlyMedia::inactive, EarlyMedia::recvonly}) {
    dial();
    ringing(direction, 200ms);
    EXPECT_TRUE(out.empty()) << "nothing to be heard: our ringback goes on";
  }
}

TEST_F(EarlyMediaTest, P_38_WhatWasAllowedMayBeTakenBack) {
  dial();
  ringing(EarlyMedia::sendrecv, 200ms);
  ringing(EarlyMedia::sendonly, 300ms);
  ASSERT_NE(early(), nullptr);
  EXPECT_EQ(early()->direction, EarlyMedia::sendonly);
  EXPECT_EQ(sent<command::Play>(), nullptr);
  ringing(EarlyMedia::inactive, 400ms);
  ASSERT_NE(early(), nullptr);
  EXPECT_EQ(early()->direction, EarlyMedia::inactive);
  ASSERT_NE(sent<command::Play>(), nullptr);
  EXPECT_EQ(sent<command::Play>()->prompts[0].value, "ringback");
  ringing(EarlyMedia::sendrecv, 500ms);
  EXPECT_NE(sent<command::StopPlay>(), nullptr);
}

TEST_F(EarlyMediaTest, P_38_AFarSideThatDoesNotAnswerIsNoLongerHeard) {
  dial();
  ringing(EarlyMedia::sendonly, 200ms);
  step(event::LegEnded{1, 486, "Busy Here", true}, 3s);
  ASSERT_NE(early(), nullptr) << "the caller may be heard elsewhere again";
  EXPECT_EQ(early()->direction, EarlyMedia::inactive);
  EXPECT_EQ(last<outcome::Transferred>().end, outcome::TransferEnd::busy);

  dial();
  ringing(EarlyMedia::sendonly, 200ms);
  tick();  // rang too long
  EXPECT_EQ(early()->direction, EarlyMedia::inactive);
  EXPECT_EQ(last<outcome::Transferred>().end, outcome::TransferEnd::no_answer);
}

TEST(EarlyMediaLog, WhatWasSaidOfItReadsBack) {
  const std::vector<Command> commands = {command::EarlyMedia{1, EarlyMedia::sendonly}};
  for (const std::optional<EarlyMedia> early :
       {std::optional<EarlyMedia>(), std::optional(EarlyMedia::inactive)}) {
    const std::string line = log_line(3, at(0ms), event::LegRinging{1, early}, commands);
    EXPECT_NE(line.find(R"("early_media":{"leg":1,"direction":"sendonly"})"), std::string::npos) << line;
    const auto entry = parse_log_line(line);
    ASSERT_TRUE(entry.ok()) << entry.status();
    EXPECT_EQ(std::get<event::LegRinging>(entry->event).early, early);
  }
  // A log of before says nothing of it.
  const auto before = parse_log_line(R"({"seq":1,"at":5,"in":{"leg_ringing":{"leg":1}},"out":[]})");
  ASSERT_TRUE(before.ok());
  EXPECT_FALSE(std::get<event::LegRinging>(before->event).early);
}

}  // namespace
}  // namespace ivr

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/flow_caller.hpp"
#include "nlohmann/json.hpp"

// examples/flows/support_desk.json: what it consists of, and every way through it.

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using End = outcome::QueueEnd;
using RecordEnd = outcome::RecordEnd;

std::string desk() { return read_text(IVR_SOURCE_DIR "/examples/flows/support_desk.json"); }

TEST(SupportDesk, S0_33_And_34_HasSeventeenNodesAndTwentyThreeConnections) {
  const auto flow = Flow::load(desk());
  ASSERT_TRUE(flow.ok()) << flow.status();
  EXPECT_EQ((*flow)->nodes(), 17u);
  EXPECT_EQ((*flow)->connections(), 23u);
  EXPECT_THAT((*flow)->languages(), ElementsAre("en", "ar"));
  for (const Finding& f : Flow::check(desk())) ADD_FAILURE() << to_string(f);  // such as an unreachable node
}

TEST(SupportDesk, ItsQueuesAndAgentsAreThoseOfTheSite) {
  FlowCheckOptions site;
  site.calendars = {"support"};
  site.queues = {"tech", "general"};
  site.agents = {"billing", "tech1", "tech2", "general"};
  EXPECT_THAT(Flow::check(desk(), site), testing::IsEmpty());
}

TEST(SupportDesk, S0_36_And_39_RingsBillingForThirtySecondsAndTheLongestIdleOfFour) {
  const auto flow = Flow::load(desk());
  ASSERT_TRUE(flow.ok());
  ASSERT_EQ((*flow)->queues().size(), 2u);
  const QueueOptions& billing = (*flow)->queues()[0];
  EXPECT_EQ(billing.id, "/support_desk/billing");
  EXPECT_EQ(billing.ring_limit, 30s);
  ASSERT_EQ(billing.members.size(), 1u);
  EXPECT_EQ(billing.members[0].agent, "billing");
  const QueueOptions& direct = (*flow)->queues()[1];
  EXPECT_EQ(direct.id, "/support_desk/direct");
  EXPECT_EQ(direct.strategy, "longest_idle");
  ASSERT_EQ(direct.members.size(), 4u);
  EXPECT_EQ(direct.members[3].agent, "general");
}

// ---------------------------------------------------------------------------------------------- the ways

Outcome key(const char* digits) { return outcome::Collected{digits, outcome::CollectEnd::full}; }
const Outcome kSilence = outcome::Collected{"", outcome::CollectEnd::no_input};
const Outcome kPlayed = outcome::Played{};
const Outcome kFinished = outcome::Recorded{"m.wav", 20s, RecordEnd::finish_key, '#', ""};
const Outcome kTooLong = outcome::Recorded{"m.wav", 180s, RecordEnd::max_length, 0, ""};
const Outcome kNoDisk = outcome::Recorded{"", 0ms, RecordEnd::failed, 0, "no space left"};
Outcome queued(End end, std::string agent = "", std::vector<std::string> tried = {}) {
  return outcome::Queued{
      .end = end, .agent = std::move(agent), .tried = std::move(tried), .target = "sip:x@y"};
}
Outcome sent_on(outcome::TransferEnd end) { return outcome::Transferred{end, 486, 0ms, ""}; }

struct Walk {
  bool open;
  std::vector<Outcome> heard;  // after the language
  const char* way;
  const char* reason;
};

const std::vector<Walk>& walks() {
  using TransferEnd = outcome::TransferEnd;
  static const std::vector<Walk> kWalks = {
      // S0-36: press 1, the billing agent
      {true,
       {key("1"), kPlayed, queued(End::served, "billing"), kPlayed},
       "hours:open menu:1 billing:next goodbye:hangup",
       "served"},
      {true,
       {key("1"), kPlayed, queued(End::unavailable, "", {"billing"}), kPlayed, kFinished, kPlayed},
       "hours:open menu:1 billing:no_answer nobody:next overflow:next overflow_left:hangup",
       "message left"},
      {true,
       {key("1"), kPlayed, queued(End::unavailable), kPlayed, kFinished, kPlayed},
       "hours:open menu:1 billing:busy nobody:next overflow:next overflow_left:hangup",
       "message left"},
      {true,
       {key("1"), kPlayed, queued(End::transferred, "billing"), sent_on(TransferEnd::failed), kPlayed,
        kTooLong, kPlayed},
       "hours:open menu:1 billing:failed nobody:next overflow:next overflow_left:hangup",
       "message left"},
      // S0-37: press 2, the technical queue
      {true,
       {key("2"), outcome::QueueNews{.position = 2, .wait = 90s}, outcome::QueueNews{.position = 1},
        queued(End::served, "tech2", {"tech1"}), kPlayed},
       "hours:open menu:2 tech:next goodbye:hangup",
       "served"},
      {true,
       {key("2"), queued(End::timeout), kFinished, kPlayed},
       "hours:open menu:2 tech:timeout overflow:next overflow_left:hangup",
       "message left"},
      {true,
       {key("2"), queued(End::full), kFinished, kPlayed},
       "hours:open menu:2 tech:full overflow:next overflow_left:hangup",
       "message left"},
      {true,
       {key("2"), queued(End::unavailable), kPlayed, kFinished, kPlayed},
       "hours:open menu:2 tech:unavailable nobody:next overflow:next overflow_left:hangup",
       "message left"},
      {true,
       {key("2"), queued(End::transferred, "tech1"), sent_on(TransferEnd::busy), kPlayed, kFinished, kPlayed},
       "hours:open menu:2 tech:transfer_failed nobody:next overflow:next overflow_left:hangup",
       "message left"},
      {true,
       {key("2"), queued(End::transferred, "tech1"), sent_on(TransferEnd::completed), kPlayed},
       "hours:open menu:2 tech:next goodbye:hangup",
       "served"},
      // S0-38: press 3, the general queue
      {true,
       {key("3"), queued(End::served, "general"), kPlayed},
       "hours:open menu:3 general:next goodbye:hangup",
       "served"},
      {true,
       {key("3"), queued(End::timeout), kFinished, kPlayed},
       "hours:open menu:3 general:timeout overflow:next overflow_left:hangup",
       "message left"},
      {true,
       {key("3"), queued(End::full), kPlayed, kFinished, kPlayed},
       "hours:open menu:3 general:full nobody:next overflow:next overflow_left:hangup",
       "message left"},
      // S0-39: press 9, whoever is idle longest
      {true,
       {key("9"), kPlayed, queued(End::served, "tech2"), kPlayed},
       "hours:open menu:9 direct:next goodbye:hangup",
       "served"},
      {true,
       {key("9"), kPlayed, queued(End::transferred, "tech2"), sent_on(TransferEnd::failed), kPlayed,
        kFinished, kPlayed},
       "hours:open menu:9 direct:failed nobody:next overflow:next overflow_left:hangup",
       "message left"},
      // no choice
      {true,
       {key("7"), key("8"), key("*"), kPlayed},
       "hours:open menu:retry menu:retry menu:invalid wrong_key:hangup",
       "wrong keys"},
      {true,
       {kSilence, kSilence, kSilence, kPlayed},
       "hours:open menu:retry menu:retry menu:no_input no_key:hangup",
       "no keys"},
      // S0-40: after hours
      {false,
       {kPlayed, kFinished, kPlayed},
       "hours:closed after_hours:next voicemail:next message_left:hangup",
       "message left after hours"},
      {false,
       {kPlayed, kTooLong, kPlayed},
       "hours:closed after_hours:next voicemail:next message_left:hangup",
       "message left after hours"},
      // nothing is kept
      {false,
       {kPlayed, kNoDisk, kPlayed, kNoDisk, kPlayed},
       "hours:closed after_hours:next voicemail:error nobody:next overflow:error trouble:hangup",
       "error"},
  };
  return kWalks;
}

// A desk in Riyadh: Monday 13:00 there, or 20:00.
std::unique_ptr<FlowCaller> caller_at(bool open) {
  const auto flow = Flow::load(desk());
  EXPECT_TRUE(flow.ok()) << flow.status();
  const auto zone = [](std::string_view name) -> absl::StatusOr<absl::TimeZone> {
    EXPECT_EQ(name, "Asia/Riyadh");
    return absl::FixedTimeZone(3 * 3600);
  };
  auto c = std::make_unique<FlowCaller>(desk(), FlowRunOptions{.calendars = *flow_calendars(**flow, zone)});
  if (!open) c->now += std::chrono::hours(7);
  return c;
}

TEST(SupportDesk, EveryWayThroughItEndsAsItShouldInBothLanguages) {
  std::set<std::string> connections, nodes;
  for (const auto& [language, digit] : {std::pair{"en", "1"}, {"ar", "2"}}) {
    for (const Walk& walk : walks()) {
      SCOPED_TRACE(std::string(language) + " " + walk.way);
      const auto c = caller_at(walk.open);
      c->start();
      c->press(digit);
      for (const Outcome& outcome : walk.heard) {
        c->visit([&](const auto& intent) {
          // What the caller hears is in his language; a whisper is for the agent.
          const Prompts* prompts = nullptr;
          if constexpr (requires { intent.prompts; }) prompts = &intent.prompts;
          if constexpr (requires { intent.say; }) prompts = &intent.say;
          for (std::size_t i = 0; prompts && i < prompts->size(); ++i)
            EXPECT_EQ((*prompts)[i].language, language) << (*prompts)[i].value;
        });
        c->tell(outcome);
      }
      EXPECT_EQ(c->way(), std::string("welcome:next ") + walk.way);
      EXPECT_EQ(c->wants<intent::Hangup>().reason, walk.reason);
      for (const Note& n : c->notes) {
        if (const auto* left = std::get_if<note::NodeLeft>(&n))
          connections.insert(left->node + ":" + left->exit), nodes.insert(left->node);
      }
    }
  }
  EXPECT_EQ(nodes.size(), 17u);
  // Each of the 23 was taken.
  const auto document = nlohmann::ordered_json::parse(desk());
  int seen = 0;
  for (const auto& [name, node] : document["nodes"].items()) {
    for (const char* exit :
         {"next", "open", "closed", "invalid", "no_input", "timeout", "full", "failed", "error"}) {
      if (!node.contains(exit)) continue;
      EXPECT_TRUE(connections.count(name + ":" + exit)) << name << ":" << exit;
      ++seen;
    }
    if (!node.contains("keys")) continue;
    for (const auto& [digit, target] : node["keys"].items()) {
      EXPECT_TRUE(connections.count(name + ":" + digit)) << name << ":" << digit;
      ++seen;
    }
  }
  EXPECT_EQ(seen, 23);
}

TEST(SupportDesk, S0_35_TheMenuPlaysAtTenOnAWeekday) {
  const auto c = caller_at(true);
  c->now -= std::chrono::hours(3);  // 10:00 in Riyadh
  c->start();
  c->press("1");
  EXPECT_THAT(c->hears(), HasSubstr("For billing, press 1."));
}

TEST(SupportDesk, S0_36_BillingIsTakenByTheAgentWhoHeardTheWhisper) {
  const auto c = caller_at(true);
  c->start();
  c->press("2");
  c->press("1");
  c->played();
  const auto& q = c->wants<intent::Queue>();
  EXPECT_EQ(q.queue, "/support_desk/billing");
  ASSERT_EQ(q.whisper.size(), 1u);
  EXPECT_EQ(q.whisper[0].value, "A call for billing.");
  EXPECT_EQ(q.whisper[0].language, "en") << "the agents' language, whatever the caller's";
  EXPECT_TRUE(q.record);
}

TEST(SupportDesk, S0_37_TheTechnicalQueueAsksForTheSkillAndTellsTheWait) {
  const auto c = caller_at(true);
  c->start();
  c->press("1");
  c->press("2");
  EXPECT_EQ(c->wants<intent::Queue>().queue, "tech");
  EXPECT_EQ(c->wants<intent::Queue>().required.text(), "technical");
  c->tell(outcome::QueueNews{.position = 4, .wait = 200s});
  EXPECT_EQ(c->hears(), "You are number|four|in the queue.|The wait in minutes is about|four");
}

TEST(SupportDesk, S0_40_AfterHoursTheCallerIsRecordedForThreeMinutesAtMost) {
  const auto c = caller_at(false);
  c->start();
  c->press("1");
  EXPECT_THAT(c->hears(), HasSubstr("closed"));
  c->played();
  const auto& r = c->wants<intent::Record>();
  EXPECT_EQ(r.max, 180s);
  EXPECT_EQ(r.finish_keys, "#");
  EXPECT_TRUE(r.beep);
}

TEST(SupportDesk, S0_18_AHolidayIsClosedWhateverTheHour) {
  const auto c = caller_at(true);
  c->now =
      Time{std::chrono::sys_days{std::chrono::year{2026} / 9 / 23} + std::chrono::hours(8)};  // a Wednesday
  c->start();
  c->press("1");
  EXPECT_THAT(c->hears(), HasSubstr("closed"));
}

TEST(SupportDesk, ACallerMayTypeAheadAndWhoChoosesNoLanguageHearsEnglish) {
  const auto c = caller_at(true);
  c->start();
  c->silent();
  EXPECT_THAT(c->hears(), HasSubstr("For billing"));
  EXPECT_TRUE(c->wants<intent::Collect>().carry);
}

}  // namespace
}  // namespace ivr

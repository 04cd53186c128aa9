#include "ivr/router_history.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "edge/sqlite_store.hpp"
#include "ivr/router_log.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Time kTen = Time{std::chrono::hours{24 * 365 * 50 + 10}};  // ten o'clock

// A router that logs what it does into a database, as an engine does.
class RouterHistory : public testing::Test {
 protected:
  RouterHistory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivr-history-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    auto store = SqliteStore::open((folder_ / "history.db").string());
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    snapshot(kTen);
  }
  ~RouterHistory() override { std::filesystem::remove_all(folder_); }

  void snapshot(Time now) {
    ASSERT_TRUE(store_->begin().ok());
    ASSERT_TRUE(store_->put_router_snapshot({next_, now, router_.save()}, {}).ok());
    ASSERT_TRUE(store_->commit().ok());
  }
  acd::Commands step(const acd::Event& event, Time now) {
    acd::Commands commands;
    router_.step(event, now, commands);
    ASSERT_TRUE_(store_->begin());
    auto calls = stories_.step(event, commands, now);
    ASSERT_TRUE_(store_->append_router(router_step(next_++, now, event, commands, std::move(calls))));
    ASSERT_TRUE_(store_->commit());
    return commands;
  }
  static void ASSERT_TRUE_(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

  void agent(const char* id, std::vector<Skill> skills, Time now) {
    step(acd::AgentSet{{.id = id, .uri = "sip:x@127.0.0.1", .skills = std::move(skills)}}, now);
    step(acd::AgentStatus{id, AgentState::available, ""}, now);
  }
  static OfferId offer_in(const acd::Commands& commands) {
    for (const auto& command : commands) {
      if (const auto* offer = std::get_if<acd::Offer>(&command)) return offer->offer;
    }
    return 0;
  }

  std::filesystem::path folder_;
  std::unique_ptr<SqliteStore> store_;
  Router router_;
  CallStories stories_;
  std::int64_t next_ = 0;
};

TEST_F(RouterHistory, SaysWhyThisAgentAndNotThatOne) {
  agent("omar", {{"technical", 4}}, kTen);
  agent("sara", {{"technical", 2}}, kTen);
  agent("huda", {{"billing", 4}}, kTen);
  step(acd::QueueSet{{.id = "tech",
                      .strategy = "skills_based",
                      .members = {{"omar"}, {"sara"}, {"huda"}},
                      .required = {{"technical", 1}}}},
       kTen);
  snapshot(kTen + 1min);
  const OfferId first = offer_in(step(acd::Join{.call = "c1", .queue = "tech"}, kTen + 2min));
  step(acd::Accepted{first}, kTen + 2min + 3s);
  step(acd::AgentStatus{"sara", AgentState::on_break, "lunch"}, kTen + 3min);
  step(acd::Join{.call = "c2", .queue = "tech"}, kTen + 4min);

  const auto explained = explain_call(*store_, "c1");
  ASSERT_TRUE(explained.ok()) << explained.status();
  EXPECT_EQ(explained->differs_at, -1) << explained->logged << explained->again;
  ASSERT_EQ(explained->decisions.size(), 1u);
  const RouterDecision& decision = explained->decisions[0];
  EXPECT_THAT(decision.offered, ElementsAre("omar"));
  EXPECT_EQ(decision.at, kTen + 2min);
  const auto why = [](const acd::Decided& decided, std::string_view agent) {
    for (const auto& candidate : decided.candidates) {
      if (candidate.agent == agent) return candidate.why;
    }
    return Unavailable::unknown;
  };
  EXPECT_EQ(why(decision.decided, "sara"), Unavailable::none) << "second, by her level";
  EXPECT_EQ(why(decision.decided, "huda"), Unavailable::unskilled);

  // "Why not Sara at five past ten?"
  const auto waiting = explain_call(*store_, "c2", kTen + 5min);
  ASSERT_TRUE(waiting.ok()) << waiting.status();
  ASSERT_TRUE(waiting->then.has_value());
  EXPECT_EQ(why(*waiting->then, "sara"), Unavailable::paused);
  EXPECT_EQ(why(*waiting->then, "omar"), Unavailable::in_use);
  EXPECT_FALSE(explain_call(*store_, "c1", kTen + 5min)->then.has_value()) << "it talks by then";

  EXPECT_EQ(explain_call(*store_, "nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(explain_call(*store_, "c2", kTen).status().message()), HasSubstr("no queue yet"));
}

// Whatever snapshots there are, the choices come out as they were made.
TEST_F(RouterHistory, TakesEveryChoiceAgainAsItWasTaken) {
  std::mt19937 random(4);
  for (const char* id : {"a", "b", "c", "d"}) agent(id, {{"s", static_cast<int>(random() % 5)}}, kTen);
  for (const char* strategy : {"longest_idle", "random", "round_robin", "ringall"}) {
    step(
        acd::QueueSet{
            {.id = strategy, .strategy = strategy, .members = {{"a"}, {"b"}, {"c"}, {"d"}}, .wrap_up = 3s}},
        kTen);
  }
  std::vector<OfferId> open, talks;
  std::vector<std::string> calls;
  Time now = kTen;
  for (int i = 0; i < 300; ++i) {
    now += Millis{random() % 2000};
    while (router_.deadline() && *router_.deadline() <= now) step(acd::Tick{}, *router_.deadline());
    if (i % 40 == 17) snapshot(now);
    acd::Commands commands;
    if (random() % 2 == 0) {
      constexpr const char* kQueues[] = {"longest_idle", "random", "round_robin", "ringall"};
      calls.push_back("c" + std::to_string(i));
      commands = step(acd::Join{.call = calls.back(), .queue = kQueues[random() % 4]}, now);
    } else if (!talks.empty() && random() % 2 == 0) {
      commands = step(acd::TalkEnded{talks.back()}, now);
      talks.pop_back();
    } else if (!open.empty()) {
      const OfferId offer = open[random() % open.size()];
      std::erase(open, offer);
      commands = random() % 4 ? step(acd::Accepted{offer}, now) : step(acd::Refused{offer}, now);
    }
    for (const auto& command : commands) {
      if (const auto* made = std::get_if<acd::Offer>(&command)) open.push_back(made->offer);
      if (const auto* gone = std::get_if<acd::Withdraw>(&command)) std::erase(open, gone->offer);
      if (const auto* talk = std::get_if<acd::Connect>(&command)) {
        std::erase(open, talk->offer);
        talks.push_back(talk->offer);
      }
    }
  }
  std::size_t decisions = 0;
  for (const std::string& call : calls) {
    const auto explained = explain_call(*store_, call);
    ASSERT_TRUE(explained.ok()) << explained.status();
    EXPECT_EQ(explained->differs_at, -1) << call << "\n" << explained->logged << "\n" << explained->again;
    decisions += explained->decisions.size();
  }
  EXPECT_GT(decisions, 30u);

  const auto again = router_now(*store_);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->router.save(), router_.save()) << "a start goes on where the log ends";
  EXPECT_EQ(again->next, next_);

  DayReport report(kTen, kTen + 24h);
  ASSERT_TRUE(read_day(*store_, report).ok());
  report.finish(now);
  for (const Router::QueueView& view : router_.queues(now)) {
    EXPECT_EQ(report.queues().at(view.id).served, view.served);
    EXPECT_EQ(report.queues().at(view.id).joined, view.joined);
  }
}

TEST_F(RouterHistory, ALogThatWasTamperedWithIsFoundOut) {
  agent("a", {}, kTen);
  agent("b", {}, kTen);
  step(acd::QueueSet{{.id = "q", .strategy = "linear", .members = {{"a"}, {"b"}}}}, kTen);
  step(acd::Join{.call = "c", .queue = "q"}, kTen + 1s);
  auto steps = store_->router_log({.call = "c"});
  ASSERT_EQ(steps->size(), 1u);
  RouterStep forged = steps->front();
  const std::size_t at = forged.commands.find(R"("type":"offer")");
  ASSERT_NE(at, std::string::npos);
  const std::size_t agent_at = forged.commands.find(R"("agent":"a")", at);
  ASSERT_NE(agent_at, std::string::npos);
  forged.commands[agent_at + 9] = 'b';
  ASSERT_TRUE(store_->begin().ok());
  ASSERT_TRUE(store_->append_router(forged).ok());
  ASSERT_TRUE(store_->commit().ok());
  const auto explained = explain_call(*store_, "c");
  ASSERT_TRUE(explained.ok());
  EXPECT_EQ(explained->differs_at, forged.sequence);
  EXPECT_THAT(explained->logged, HasSubstr(R"("agent":"b")"));
}

TEST_F(RouterHistory, SaysWhereTheLogHasAGap) {
  agent("a", {}, kTen);
  step(acd::QueueSet{{.id = "q", .members = {{"a"}}}}, kTen);
  next_ += 3;
  step(acd::Join{.call = "c", .queue = "q"}, kTen + 1s);
  const auto explained = explain_call(*store_, "c");
  EXPECT_THAT(std::string(explained.status().message()), HasSubstr("no step 3; the next is 6"));
}

}  // namespace
}  // namespace ivr

#include "ivr/simulator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/flow_caller.hpp"
#include "core/router_erlang.hpp"
#include "core/simulator_draw.hpp"
#include "ivr/site.hpp"

namespace ivr {
namespace {

using simulation::Draw;
using testing::HasSubstr;

std::string shipped(const std::string& file) { return read_text(IVR_SOURCE_DIR "/examples/" + file); }

// A Monday in Riyadh, when the desk is open.
constexpr Time kMonday{std::chrono::sys_days{std::chrono::year{2026} / 3 / 16} - std::chrono::hours(3)};

absl::StatusOr<absl::TimeZone> zone_named(std::string_view name) {
  if (name == "UTC") return absl::UTCTimeZone();
  return absl::FixedTimeZone(3 * 3600);
}

SimulatorOptions options_for(const std::string& document, const std::string& site_document = "") {
  SimulatorOptions options;
  FlowCheckOptions check;
  if (!site_document.empty()) {
    const auto site = parse_site(site_document);
    EXPECT_TRUE(site.ok()) << site.status();
    check = flow_checks(*site);
    options.agents = site->agents;
    options.queues = site->queues;
  }
  const auto flow = Flow::load(document, check);
  EXPECT_TRUE(flow.ok()) << flow.status();
  options.flow = *flow;
  options.calendars = *flow_calendars(**flow, zone_named);
  options.zone = *zone_named("UTC");
  options.start = kMonday;
  options.calls = 400;
  return options;
}
SimulatorOptions desk() {
  return options_for(shipped("flows/support_desk.json"), shipped("support_desk/site.json"));
}

SimulationResult run_all(const SimulatorOptions& options, bool backwards = false) {
  const auto simulator = Simulator::create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  std::vector<SimulationResult> days(static_cast<std::size_t>(simulator->days()));
  for (int i = 0; i < simulator->days(); ++i) {
    const int day = backwards ? simulator->days() - 1 - i : i;
    days[static_cast<std::size_t>(day)] = simulator->run_day(day);
  }
  SimulationResult sum = simulator->empty();
  for (const SimulationResult& day : days) Simulator::add(sum, day);
  return sum;
}

const SimulatedNode& node_of(const SimulationResult& result, std::string_view name) {
  return *std::find_if(result.nodes.begin(), result.nodes.end(),
                       [&](const auto& n) { return n.name == name; });
}

// ------------------------------------------------------------------------------------------ chance

TEST(SimulatorDraw, SpreadsHaveTheirMeansAndMedians) {
  Draw draw(7);
  double exponential = 0, squares = 0;
  std::vector<double> skew;
  constexpr int kDraws = 40'000;
  for (int i = 0; i < kDraws; ++i) {
    const double x =
        static_cast<double>(draw.take({Spread::Kind::exponential, 10s, {}, 0, {}}).count()) * 1e-6;
    exponential += x / kDraws;
    squares += x * x / kDraws;
    skew.push_back(static_cast<double>(draw.take(around(10s, 0.5)).count()) * 1e-6);
    const auto within = draw.take({Spread::Kind::uniform, 2s, 3s, 0, {}});
    ASSERT_TRUE(within >= 2s && within < 3s);
  }
  EXPECT_NEAR(exponential, 10, 0.2);
  EXPECT_NEAR(squares, 200, 10);
  std::sort(skew.begin(), skew.end());
  EXPECT_NEAR(skew[kDraws / 2], 10, 0.15);
  EXPECT_NEAR(skew[static_cast<std::size_t>(kDraws * 0.8413)], 10 * std::exp(0.5), 0.4) << "one deviation up";
}

TEST(SimulatorDraw, TheSameSeedDrawsTheSameEverywhere) {
  Draw draw(1);
  std::uint64_t all = 0;
  for (int i = 0; i < 1000; ++i) {
    all = all * 31 +
          static_cast<std::uint64_t>(draw.take({Spread::Kind::exponential, 100s, {}, 0, {}}).count());
    all = all * 31 + static_cast<std::uint64_t>(draw.take(around(20s, 1.3)).count());
    all = all * 31 + (draw.chance(0.3) ? 1 : 0);
  }
  EXPECT_EQ(all, 15141483002099961951ull) << "reckoned with whole numbers of any size, in another language";
}

TEST(SimulatedTimes, PercentilesAreWithinThreePercent) {
  SimulatedTimes times, other;
  for (int ms = 1; ms <= 100'000; ++ms) (ms % 2 == 0 ? times : other).add(Millis(ms));
  times.add(other);
  EXPECT_EQ(times.count(), 100'000u);
  EXPECT_EQ(times.mean(), 50'000ms);
  EXPECT_EQ(times.most(), 100'000ms);
  for (const double p : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9})
    EXPECT_NEAR(static_cast<double>(times.percentile(p).count()), p * 1000, p * 30 + 1) << p;
  EXPECT_EQ(SimulatedTimes().percentile(50), 0ms);
}

// --------------------------------------------------------------------------------------- whole desks

TEST(Simulator, CallersOfTheSupportDeskComeByEveryNodeAndEachEndsOnce) {
  SimulatorOptions options = desk();
  options.calls = 1500;
  options.per_hour = {30};
  const SimulationResult result = run_all(options);
  EXPECT_EQ(result.calls, 1500u);
  EXPECT_EQ(result.length.count(), 1500u);
  std::uint64_t ended = 0;
  for (const auto& [name, times] : result.outcomes) ended += times.count();
  EXPECT_EQ(ended, 1500u) << "each in exactly one way";
  EXPECT_EQ(result.cut_off, 0u);
  for (const char* node :
       {"welcome", "hours", "menu", "billing", "tech", "general", "direct", "after_hours", "voicemail"})
    EXPECT_GT(node_of(result, node).visits, 0u) << node;
  EXPECT_EQ(node_of(result, "welcome").visits, 1500u);
  const SimulatedQueue& tech = result.queues.at("tech");
  EXPECT_GT(tech.served, 0u);
  EXPECT_EQ(tech.joined, tech.served + tech.abandoned + tech.timed_out + tech.unavailable + tech.left_by_key);
  std::uint64_t served = 0, by_agents = 0;
  for (const auto& [id, queue] : result.queues) served += queue.served;
  for (const auto& [id, agent] : result.agents) {
    by_agents += agent.served;
    EXPECT_GE(agent.offered, agent.served + agent.missed + agent.refused) << id;
    EXPECT_GT(agent.utilisation(), 0) << id;
    EXPECT_LE(agent.utilisation(), 1) << id;
  }
  EXPECT_EQ(served, by_agents);
}

TEST(Simulator, TheSameSeedGivesTheSameCallsAndAnotherSeedOthers) {
  SimulatorOptions options = desk();
  options.per_hour = {20};
  options.calls = 900;
  const SimulationResult one = run_all(options), again = run_all(options, true);
  EXPECT_GT(one.days, 1u);
  EXPECT_EQ(one.hash, again.hash) << "in whatever order the days are run";
  EXPECT_EQ(simulation_json(one, options), simulation_json(again, options));
  options.seed = 2;
  EXPECT_NE(one.hash, run_all(options).hash);
}

TEST(Simulator, AClosedDeskTakesMessages) {
  SimulatorOptions options = desk();
  options.start = kMonday + std::chrono::hours(24 * 4);  // a Friday
  options.per_hour = {10};
  options.calls = 100;
  const SimulationResult result = run_all(options);
  EXPECT_EQ(node_of(result, "menu").visits, 0u);
  EXPECT_GT(result.outcomes.at("message left after hours").count(), 20u);
}

TEST(Simulator, WhatTheCallersFileSaysIsWhatCallersDo) {
  SimulatorOptions options = options_for(flow_of(kMenu));
  ASSERT_EQ(
      read_callers(R"({"callers": {"answers": {"a": {"2": 3, "silence": 1}}}, "goals": ["two"]})", options),
      absl::OkStatus());
  options.calls = 2000;
  const SimulationResult result = run_all(options);
  EXPECT_FALSE(result.outcomes.contains("one"));
  EXPECT_NEAR(static_cast<double>(result.outcomes.at("two").count()), 2000 * (1 - std::pow(0.25, 3)), 40);
  EXPECT_EQ(result.outcomes.at("quiet").count(), 2000 - result.outcomes.at("two").count());
  EXPECT_EQ(result.goals, result.outcomes.at("two").count());
  const auto [taken, all] = result.exits_taken();
  EXPECT_LT(taken, all);
}

TEST(Simulator, ServicesAnswerAsTheFileSaysAndWhatItDoesNotNameFails) {
  SimulatorOptions options = options_for(flow_of(R"(
    "a": {"type": "api", "url": "http://bank/balance", "next": "good", "error": "bad"},
    "good": {"type": "hangup", "reason": "good"}, "bad": {"type": "hangup", "reason": "bad"})"));
  const SimulationResult none = run_all(options);
  EXPECT_EQ(none.outcomes.at("bad").count(), 400u);
  EXPECT_EQ(none.unanswered.at("http://bank/balance"), 400u);
  ASSERT_EQ(read_callers(R"({"api": [{"url": "http://bank/*", "weight": 3, "body": {"balance": 1}},
                                     {"url": "http://bank/*", "status": 503},
                                     {"url": "*", "error": "no route"}]})",
                         options),
            absl::OkStatus());
  const SimulationResult result = run_all(options);
  EXPECT_TRUE(result.unanswered.empty());
  EXPECT_NEAR(static_cast<double>(result.outcomes.at("good").count()), 300, 40);
}

TEST(Simulator, AMistakeInTheCallersFileIsNamedWithItsPlace) {
  SimulatorOptions options = options_for(flow_of(kMenu));
  const auto wrong = [&](const char* json, const char* what) {
    const absl::Status status = read_callers(json, options);
    EXPECT_THAT(std::string(status.message()), HasSubstr(what)) << json;
  };
  wrong(R"({"callers": {"wrong": 2}})", "/callers/wrong");
  wrong(R"({"callers": {"answers": {"a": {"x": 1}}}})", "'x' is no key");
  wrong(R"({"callers": {"think": 5}})", "/callers/think");
  wrong(R"({"agents": {"*": {"hours": ["9-17"]}}})", "no stretch of a day");
  wrong(R"({"arrivals": {"per_hour": -1}})", "/arrivals/per_hour");
  wrong(R"({"nonsense": 1})", "nonsense");
  options.goals = {"nowhere"};
  EXPECT_THAT(std::string(Simulator::create(options).status().message()), HasSubstr("'nowhere' is no node"));
}

TEST(Simulator, RecordedCallersComeWhenTheyCameAndPressWhatTheyPressed) {
  SimulatorOptions options = options_for(flow_of(kMenu));
  for (int i = 0; i < 30; ++i)
    options.arrivals.push_back({.at = kMonday + std::chrono::hours(2 * i),
                                .caller = "1001",
                                .answers = {{"a", i % 3 == 0 ? "1" : "2"}}});
  const SimulationResult result = run_all(options);
  EXPECT_EQ(result.days, 3u);
  EXPECT_EQ(result.calls, 30u);
  EXPECT_EQ(result.outcomes.at("one").count(), 10u);
  EXPECT_EQ(result.outcomes.at("two").count(), 20u);
}

TEST(Simulator, AnotherDeskIsAskedBySameCallers) {
  SimulatorOptions options = desk();
  options.per_hour = {40};
  options.calls = 600;
  const SimulationResult before = run_all(options);
  for (AgentOptions& agent : options.agents) agent.capacity = {{"voice", 10}};
  const SimulationResult after = run_all(options);
  EXPECT_EQ(node_of(before, "tech").visits, node_of(after, "tech").visits) << "they want the same";
  EXPECT_LT(after.queues.at("tech").wait.mean(), before.queues.at("tech").wait.mean());
}

TEST(Simulator, AgentsWorkTheirHours) {
  SimulatorOptions options = desk();
  ASSERT_EQ(read_callers(
                R"({"agents": {"*": {"works": false}, "tech1": {"works": true, "hours": ["10:00-12:00"]}}})",
                options),
            absl::OkStatus());
  options.calls = 200;
  options.per_hour = {10};
  const SimulationResult result = run_all(options);
  EXPECT_EQ(result.agents.at("tech2").offered, 0u);
  EXPECT_EQ(result.agents.at("tech1").logged_in_ms, static_cast<std::int64_t>(result.days) * 2 * 3'600'000);
}

// Every wait of such a queue follows from the calls before it (Kiefer and Wolfowitz). That these waits are
// Erlang C's in the long run is said by router_erlang_test.cpp.
TEST(Simulator, WaitsOfARecordedDayAreThoseOfTheRecursion) {
  SimulatorOptions options = options_for(flow_of(
      R"("a": {"type": "queue", "queue": "line", "say": "Wait.", "next": "bye", "unavailable": "bye"},
         "bye": {"type": "hangup", "reason": "bye"})"));
  QueueOptions queue;
  queue.id = "line";
  options.queues = {queue};
  const erlang::Load load{.agents = 4, .rho = 0.8, .service_s = 100};
  for (int i = 0; i < load.agents; ++i) {
    AgentOptions agent;
    agent.id = "agent" + std::to_string(i);
    options.agents.push_back(agent);
  }
  options.agent = {.miss = 0, .reject = 0, .busy = 0, .answer = exactly(0ms)};
  options.callers.patience = exactly(24h);
  options.callers.ends_talk = 1;
  options.day = 24h * 30;
  constexpr Micros kSetUp = 120ms, kDown = 20ms;  // of the agent's leg
  erlang::Callers callers(load, 1);
  erlang::Recursion recursion(load.agents);
  Time at = kMonday;
  double expected = 0;
  constexpr int kCalls = 3000;
  for (int i = 0; i < kCalls; ++i) {
    erlang::Caller caller = callers.next();
    const auto talk = std::chrono::duration_cast<Millis>(caller.service);
    at += caller.between;
    options.arrivals.push_back({.at = at, .talk = talk});
    caller.service = talk + kSetUp + kDown;
    expected += static_cast<double>((recursion.wait(caller) + kSetUp).count()) * 1e-6 / kCalls;
  }
  const SimulatedQueue line = run_all(options).queues.at("line");
  EXPECT_EQ(line.served, static_cast<std::uint64_t>(kCalls));
  EXPECT_NEAR(line.wait.mean_seconds(), expected, expected * 0.001);
  EXPECT_GT(expected, 20);
}

TEST(SimulationPage, ShowsEveryNodeAndItsTrafficAndNeedsNobody) {
  SimulatorOptions options = desk();
  options.calls = 300;
  const SimulationResult result = run_all(options);
  const std::string page = simulation_html(result, options);
  for (const SimulatedNode& node : result.nodes) EXPECT_THAT(page, HasSubstr(">" + node.name + "<"));
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_EQ(page.find("<script"), page.npos);
  EXPECT_EQ(page.find("https://"), page.npos);
  EXPECT_EQ(page.find("src="), page.npos);
  EXPECT_THAT(simulation_text(result, options), HasSubstr("How calls ended"));
}

}  // namespace
}  // namespace ivr

#include "ivr/day_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "ivr/router_log.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;

const Time kMorning = Time{std::chrono::hours{24 * 365 * 50}};
Time on_that_day(Millis since) { return kMorning + since; }

// A desk with a log, and callers and agents who do something at random.
class ReportedDesk {
 public:
  struct Step {
    Time at;
    acd::Event event;
    acd::Commands commands;
  };

  explicit ReportedDesk(unsigned seed) : random_(seed) {
    for (const char* id : {"a", "b", "c"}) {
      do_(acd::AgentSet{{.id = id, .uri = "sip:x@127.0.0.1", .wrap_up = 5s}}, on_that_day(0s));
      do_(acd::AgentStatus{id, AgentState::available, ""}, on_that_day(0s));
    }
    do_(acd::QueueSet{{.id = "q",
                       .members = {{"a"}, {"b"}},
                       .max_size = 4,
                       .max_wait = 90s,
                       .ring_limit = 10s,
                       .announce = {.first = 5s, .every = 20s, .wait_time = true},
                       .service_level = 15s}},
        on_that_day(0s));
    do_(acd::QueueSet{{.id = "r",
                       .strategy = "ringall",
                       .members = {{"b"}, {"c"}},
                       .max_wait = 60s,
                       .ring_limit = 10s}},
        on_that_day(0s));
  }

  void run(Millis length, Time start) {
    for (Time now = start; now < start + length; now += Millis{100 + random_() % 3000}) {
      tick(now);
      switch (random_() % 8) {
        case 0:
        case 1:
        case 2: {
          const std::string call = "c" + std::to_string(++calls_);
          do_(acd::Join{.call = call, .queue = random_() % 2 ? "q" : "r", .caller = call}, now);
          break;
        }
        case 3: {
          const auto entries = router.entries(now);
          if (entries.empty()) break;
          const auto& entry = entries[random_() % entries.size()];
          if (entry.position == 0) break;
          using Why = acd::Leave::Why;
          constexpr Why kWhys[] = {Why::hung_up, Why::hung_up, Why::key, Why::timeout};
          const Why why = kWhys[random_() % 4];
          do_(acd::Leave{entry.call, why}, now);
          break;
        }
        case 4: {
          const char* id = random_() % 2 ? "a" : "c";
          do_(acd::AgentStatus{id, random_() % 3 ? AgentState::available : AgentState::on_break, ""}, now);
          break;
        }
        default: {
          if (open_.empty()) break;
          auto it = open_.begin();
          std::advance(it, static_cast<std::ptrdiff_t>(random_() % open_.size()));
          const OfferId offer = it->first;
          if (it->second) {
            do_(acd::TalkEnded{offer}, now);
          } else if (random_() % 4 == 0) {
            do_(acd::Refused{offer, random_() % 2 ? acd::Refused::Why::busy : acd::Refused::Why::no_answer},
                now);
          } else {
            do_(acd::Accepted{offer}, now);
          }
        }
      }
    }
    tick(start + length);
  }

  Router router;
  std::vector<Step> log;

 private:
  void tick(Time now) {
    while (router.deadline() && *router.deadline() <= now) do_(acd::Tick{}, *router.deadline());
  }
  void do_(const acd::Event& event, Time now) {
    Step step{now, event, {}};
    router.step(event, now, step.commands);
    for (const acd::Command& command : step.commands) {
      if (const auto* offer = std::get_if<acd::Offer>(&command)) open_[offer->offer] = false;
      if (const auto* withdraw = std::get_if<acd::Withdraw>(&command)) open_.erase(withdraw->offer);
      if (const auto* connect = std::get_if<acd::Connect>(&command)) open_[connect->offer] = true;
    }
    if (const auto* ended = std::get_if<acd::TalkEnded>(&event)) open_.erase(ended->offer);
    if (const auto* refused = std::get_if<acd::Refused>(&event)) open_.erase(refused->offer);
    log.push_back(std::move(step));
  }

  std::mt19937 random_;
  std::map<OfferId, bool> open_;  // talks
  int calls_ = 0;
};

DayReport report_of(const ReportedDesk& desk, Time since, Time until) {
  DayReport report(since, until);
  for (const ReportedDesk::Step& step : desk.log) report.step(step.event, step.commands, step.at);
  report.finish(until);
  return report;
}

// S4-42: what the router shows live, what the report says of its log, and a recount are the same.
TEST(DayReport, SaysWhatTheRouterShowsAndWhatARecountFinds) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    ReportedDesk desk(seed);
    desk.run(1h, on_that_day(0s));
    const Time end = on_that_day(2h);
    const DayReport report = report_of(desk, on_that_day(0s), end);
    int all_served = 0;
    for (const Router::QueueView& view : desk.router.queues(on_that_day(1h))) {
      const DayReport::Queue& queue = report.queues().at(view.id);
      EXPECT_EQ(queue.joined, view.joined);
      EXPECT_EQ(queue.served, view.served);
      EXPECT_EQ(queue.abandoned, view.abandoned);
      EXPECT_EQ(queue.short_abandoned, view.short_abandoned);
      EXPECT_EQ(queue.timed_out, view.timed_out);
      EXPECT_EQ(queue.full + queue.unavailable, view.overflowed);
      EXPECT_NEAR(queue.service_level(), view.service_level, 1e-9);
      EXPECT_NEAR(queue.service_level_2(), view.service_level_2, 1e-9);

      int served = 0, in_time = 0, left = 0;
      Millis longest{0}, waits{0}, talked{0};
      std::map<OfferId, std::string> queue_of;
      for (const ReportedDesk::Step& step : desk.log) {
        for (const acd::Command& command : step.commands) {
          if (const auto* offer = std::get_if<acd::Offer>(&command)) queue_of[offer->offer] = offer->queue;
          const auto* connect = std::get_if<acd::Connect>(&command);
          if (connect && queue_of[connect->offer] == view.id) {
            ++served;
            waits += connect->waited;
            longest = std::max(longest, connect->waited);
            in_time += connect->waited <= (view.id == "q" ? 15s : 20s);
          }
          const auto* gone = std::get_if<acd::Left>(&command);
          if (!gone || gone->queue != view.id) continue;
          longest = std::max(longest, gone->waited);
          talked += gone->talked;
          left += gone->agent.empty();
        }
      }
      EXPECT_EQ(queue.served, served);
      EXPECT_EQ(queue.in_time, in_time);
      EXPECT_EQ(queue.wait_served, waits);
      EXPECT_EQ(queue.longest_wait, longest);
      EXPECT_EQ(queue.talked, talked);
      EXPECT_EQ(
          queue.counted() + queue.short_abandoned + queue.key + queue.moved + queue.callback + queue.system,
          left + served);
      DayReport::Service sum;
      for (const auto& [slot, service] : queue.slots)
        sum.served += service.served, sum.in_time += service.in_time;
      EXPECT_EQ(sum.served, queue.served);
      EXPECT_EQ(sum.in_time, queue.in_time);
      all_served += served;
    }
    EXPECT_GT(all_served, 50);
    Millis talked{0};
    for (const Router::AgentView& view : desk.router.agents(on_that_day(1h))) {
      const DayReport::Agent& agent = report.agents().at(view.id);
      talked += agent.talked;
      Micros sum{0};
      for (const Micros in : agent.in) sum += in;
      EXPECT_EQ(sum, Micros{2h}) << "each moment in one state";
      EXPECT_GE(agent.occupancy(), 0);
      EXPECT_LE(agent.occupancy(), 1);
      EXPECT_EQ(agent.state, view.state);
    }
    Millis queues_talked{0};
    for (const auto& [id, queue] : report.queues()) queues_talked += queue.talked;
    EXPECT_EQ(talked, queues_talked);
  }
}

TEST(DayReport, TwoHalvesMakeAWhole) {
  ReportedDesk desk(7);
  desk.run(2h, on_that_day(0s));
  const DayReport whole = report_of(desk, on_that_day(0s), on_that_day(3h));
  const DayReport first = report_of(desk, on_that_day(0s), on_that_day(1h)),
                  second = report_of(desk, on_that_day(1h), on_that_day(3h));
  for (const auto& [id, queue] : whole.queues()) {
    const auto& a = first.queues().at(id);
    const auto& b = second.queues().at(id);
    EXPECT_EQ(a.joined + b.joined, queue.joined);
    EXPECT_EQ(a.served + b.served, queue.served);
    EXPECT_EQ(a.abandoned + b.abandoned, queue.abandoned);
    EXPECT_EQ(a.wait_served + b.wait_served, queue.wait_served);
    EXPECT_EQ(std::max(a.longest_wait, b.longest_wait), queue.longest_wait);
    EXPECT_EQ(a.estimate_error + b.estimate_error, queue.estimate_error);
  }
  for (const auto& [id, agent] : whole.agents()) {
    const auto& a = first.agents().at(id);
    const auto& b = second.agents().at(id);
    EXPECT_EQ(a.offered + b.offered, agent.offered);
    EXPECT_EQ(a.missed + b.missed, agent.missed);
    EXPECT_EQ(a.logged_in() + b.logged_in(), agent.logged_in());
    for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(a.in[i] + b.in[i], agent.in[i]);
  }
}

// From a snapshot in the middle it comes to the same as from the beginning.
TEST(DayReport, GoesOnFromASnapshot) {
  ReportedDesk desk(9);
  desk.run(1h, on_that_day(0s));
  const std::size_t half = desk.log.size();
  const std::string snapshot = desk.router.save();
  desk.run(1h, on_that_day(1h));
  const DayReport direct = report_of(desk, on_that_day(90min), on_that_day(3h));
  auto router = Router::restore(snapshot);
  ASSERT_TRUE(router.ok());
  DayReport seeded(on_that_day(90min), on_that_day(3h));
  seeded.seed(router->agents(on_that_day(1h)), router->entries(on_that_day(1h)), on_that_day(1h));
  for (const char* id : {"q", "r"}) seeded.queue({.id = id, .service_level = *id == 'q' ? 15s : 20s});
  for (std::size_t i = half; i < desk.log.size(); ++i) {
    seeded.step(desk.log[i].event, desk.log[i].commands, desk.log[i].at);
  }
  seeded.finish(on_that_day(3h));
  EXPECT_EQ(seeded.queues_csv(), direct.queues_csv());
  EXPECT_EQ(seeded.agents_csv(), direct.agents_csv());
}

TEST(DayReport, OfMadeUpStepsByHand) {
  DayReport report(on_that_day(0s), on_that_day(24h));
  report.queue({.id = "q", .service_level = 20s, .short_abandon = 5s});
  const auto left = [&](EntryId entry, acd::Exit exit, Millis waited, Millis talked, Time when) {
    report.step(
        acd::Tick{},
        {acd::Left{
            entry, "c" + std::to_string(entry), "q", exit, talked > 0ms ? "a" : "", waited, talked, {}}},
        when);
  };
  const auto serve = [&](EntryId entry, Millis waited, Millis talked, Time when) {
    const std::string call = "c" + std::to_string(entry);
    report.step(acd::Tick{},
                {acd::Joined{entry, call, "q", 1, false}, acd::Connect{entry, entry, call, "a", waited, {}}},
                when);
    left(entry, acd::Exit::served, waited, talked, when + talked);
  };
  report.step(acd::Tick{}, {acd::AgentChanged{"a", AgentState::available, 0, ""}}, on_that_day(1h));
  serve(1, 20s, 60s, on_that_day(1h));
  serve(2, 20s + 1ms, 30s, on_that_day(2h) - 30s);
  left(3, acd::Exit::abandoned, 5s - 1ms, 0ms, on_that_day(2h));
  left(4, acd::Exit::abandoned, 5s, 0ms, on_that_day(2h));
  left(5, acd::Exit::abandoned, 50s, 0ms, on_that_day(2h));
  left(6, acd::Exit::timeout, 600s, 0ms, on_that_day(2h));
  left(7, acd::Exit::full, 0s, 0ms, on_that_day(2h));
  left(8, acd::Exit::callback, 10s, 0ms, on_that_day(2h));
  serve(9, 1s, 1s, on_that_day(25h));
  report.step(acd::Tick{}, {acd::AgentChanged{"a", AgentState::on_call, 1, ""}}, on_that_day(2h));
  report.step(acd::Tick{}, {acd::AgentChanged{"a", AgentState::wrap_up, 0, ""}}, on_that_day(3h));
  report.step(acd::Tick{}, {acd::AgentChanged{"a", AgentState::on_break, 0, ""}}, on_that_day(4h));
  report.finish(on_that_day(10h));
  const DayReport::Queue& q = report.queues().at("q");
  EXPECT_EQ(q.served, 2);
  EXPECT_EQ(q.in_time, 1) << "at the level is in time, a millisecond more is not";
  EXPECT_EQ(q.short_abandoned, 1);
  EXPECT_EQ(q.abandoned, 2);
  EXPECT_EQ(q.abandoned_in_time, 1);
  EXPECT_EQ(q.counted(), 6);
  EXPECT_EQ(q.service_level(), 0.5);
  EXPECT_EQ(q.service_level_2(), 1.0 / 6);
  EXPECT_EQ(q.service_level_2_abandons(), 0.5);
  EXPECT_EQ(q.longest_wait, 600s);
  const DayReport::Agent& a = report.agents().at("a");
  EXPECT_EQ(a.talked, 90s);
  EXPECT_EQ(a.logged_in(), Micros{9h}) << "until now, which is before the day's end";
  EXPECT_NEAR(a.occupancy(), 2.0 / 3, 1e-9) << "two hours busy of three without the break";
}

// P-28: what nobody ran is nobody's time, also when it went down before the day's end and came back after it.
TEST(DayReport, CountsNoTimeInWhichNothingRan) {
  const auto told = [](Time until) {
    DayReport report(on_that_day(0s), until);
    const auto changed = [](AgentState state) { return acd::AgentChanged{"a", state, 0, ""}; };
    report.step(acd::Tick{}, {changed(AgentState::available)}, on_that_day(1h));
    report.step(acd::Tick{}, {changed(AgentState::on_call)}, on_that_day(2h));
    report.step(acd::Tick{}, {}, on_that_day(3h));  // the last that was heard
    report.step(acd::Restarted{}, {changed(AgentState::available)}, on_that_day(7h));
    if (until > on_that_day(8h)) report.step(acd::Tick{}, {changed(AgentState::offline)}, on_that_day(8h));
    report.finish(until);
    return report.agents().at("a");
  };
  const DayReport::Agent a = told(on_that_day(24h));
  EXPECT_EQ(a.in[0], Micros{2h}) << "available";
  EXPECT_EQ(a.in[1], Micros{1h}) << "on call";
  EXPECT_EQ(a.occupancy(), 1.0 / 3);
  EXPECT_EQ(told(on_that_day(5h)).in[1], Micros{1h}) << "the day ended while it was down";
}

CallRecord call_of(std::string id, std::string caller, Time started) {
  CallRecord record;
  record.id = std::move(id);
  record.caller = std::move(caller);
  record.started = started;
  record.answered = started + 1s;
  record.ended = started + 61s + 500ms;
  record.status = "completed";
  record.path = R"(["menu","queue"])";
  return record;
}

TEST(DayReport, AHostileCallerNameIsNoFormulaAndBreaksNoLine) {
  DayReport report(on_that_day(0s), on_that_day(24h));
  report.call(call_of("c1", "=cmd|' /C calc'!A0", on_that_day(1h)));
  report.call(call_of("c2", "a\",\r\n\"b", on_that_day(1h + 1s)));
  report.call(call_of("c3", "\xff\xfe<script>", on_that_day(2h)));
  report.call(call_of("late", "x", on_that_day(24h)));
  report.finish(on_that_day(24h));
  const std::string csv = report.calls_csv(absl::UTCTimeZone());
  EXPECT_THAT(csv, testing::HasSubstr(",'=cmd|' /C calc'!A0,"));
  EXPECT_THAT(csv, testing::HasSubstr(",\"a\"\",\r\n\"\"b\","));
  EXPECT_THAT(csv, testing::HasSubstr(",60.500,"));
  EXPECT_THAT(csv, testing::HasSubstr("menu queue"));
  EXPECT_EQ(csv.find("late"), std::string::npos) << "of the next day";
  const auto json = nlohmann::json::parse(report.to_json(absl::UTCTimeZone()), nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json["calls"][0]["caller"], "=cmd|' /C calc'!A0") << "JSON has no formulas";
  EXPECT_EQ(json["totals"]["calls"], 3);
  EXPECT_EQ(json["totals"]["average_duration_s"], 60.5);
  EXPECT_EQ(json["totals"]["calls_in_busiest"], 2);
}

// ---------------------------------------------------------------------------------------- router log

TEST(RouterLog, AStepReadsBackAsItWasWritten) {
  ReportedDesk desk(3);
  desk.run(30min, on_that_day(0s));
  std::set<std::size_t> kinds;
  for (std::size_t i = 0; i < desk.log.size(); ++i) {
    const auto& [when, event, commands] = desk.log[i];
    const RouterStep step = router_step(static_cast<std::int64_t>(i), when, event, commands, {"x"});
    const auto again = parse_router_step(step);
    ASSERT_TRUE(again.ok()) << again.status();
    const RouterStep twice = router_step(again->sequence, again->at, again->event, again->commands, {"x"});
    EXPECT_EQ(twice.event, step.event);
    EXPECT_EQ(twice.commands, step.commands);
    EXPECT_EQ(twice.at, when);
    for (const acd::Command& command : commands) kinds.insert(command.index());
  }
  EXPECT_GE(kinds.size(), 8u);
  EXPECT_FALSE(parse_router_step({1, on_that_day(0s), "{}", "[]", {}}).ok());
  EXPECT_FALSE(parse_router_step({1, on_that_day(0s), R"({"type":"tick"})", "{}", {}}).ok());
  const auto bad =
      parse_router_step({5, on_that_day(0s), R"({"type":"tick"})", R"([{"type":"nothing"}])", {}});
  EXPECT_THAT(std::string(bad.status().message()),
              testing::HasSubstr("router step 5: /type: no command 'nothing'"));
}

TEST(CallStories, TellWhoWasTriedAndWhereTheTimeWent) {
  CallStories stories;
  const auto step = [&](const acd::Event& event, acd::Commands commands, Millis when) {
    return stories.step(event, commands, on_that_day(when));
  };
  EXPECT_THAT(step(acd::Join{.call = "c", .queue = "q"}, {acd::Joined{1, "c", "q", 1, false}}, 0s),
              ElementsAre("c"));
  step(acd::Tick{}, {acd::Offer{10, 1, "c", "a", "q", 10s}}, 5s);
  EXPECT_THAT(step(acd::Ringing{10}, {}, 6s), ElementsAre("c"));
  EXPECT_THAT(step(acd::Refused{10}, {}, 9s), ElementsAre("c")) << "an offer's call is known";
  step(acd::Tick{}, {acd::Offer{11, 1, "c", "b", "q", 10s}, acd::Offer{12, 1, "c", "d", "q", 10s}}, 20s);
  EXPECT_THAT(step(acd::Accepted{12},
                   {acd::Withdraw{11, "answered elsewhere"}, acd::Connect{12, 1, "c", "d", 23s, {}}}, 23s),
              ElementsAre("c"));
  EXPECT_THAT(step(acd::TalkEnded{12}, {acd::Left{1, "c", "q", acd::Exit::served, "d", 23s, 60s, {}}}, 83s),
              ElementsAre("c"));
  EXPECT_THAT(step(acd::AgentStatus{"a", AgentState::on_break, ""}, {}, 90s), ElementsAre());
  const CallStory* story = stories.find("c");
  ASSERT_NE(story, nullptr);
  EXPECT_EQ(story->queue, "q");
  EXPECT_EQ(story->agent, "d");
  EXPECT_THAT(story->tried, ElementsAre("a", "b", "d"));
  EXPECT_EQ(story->waited, 23s);
  EXPECT_EQ(story->rang, 4s + 3s) << "two at once count once";
  EXPECT_EQ(story->talked, 60s);
  EXPECT_TRUE(story->left);
  CallRecord record;
  fill(record, *story);
  EXPECT_EQ(record.tried, R"(["a","b","d"])");
  EXPECT_EQ(record.rang, 7s);
  stories.forget("c");
  EXPECT_EQ(stories.size(), 0u);
}

TEST(CallStories, ACallThatGoesOnInAnotherQueueAddsUp) {
  CallStories stories;
  stories.step(acd::Join{.call = "c", .queue = "q"}, {acd::Joined{1, "c", "q", 1, false}}, on_that_day(0s));
  stories.step(acd::Tick{}, {acd::Offer{10, 1, "c", "a", "q", 10s}}, on_that_day(1s));
  stories.step(acd::Tick{}, {acd::Left{1, "c", "q", acd::Exit::timeout, "", 30s, 0s, {}}}, on_that_day(30s));
  EXPECT_EQ(stories.find("c")->rang, 29s) << "an offer ends with its entry";
  stories.step(acd::Join{.call = "c", .queue = "r"}, {acd::Joined{2, "c", "r", 1, false}}, on_that_day(40s));
  EXPECT_FALSE(stories.find("c")->left);
  stories.step(acd::Leave{"c"}, {acd::Left{2, "c", "r", acd::Exit::abandoned, "", 12s, 0s, {}}},
               on_that_day(52s));
  EXPECT_EQ(stories.find("c")->waited, 42s);
  EXPECT_EQ(stories.find("c")->queue, "r");
  EXPECT_EQ(stories.find("c")->exit, acd::Exit::abandoned);
}

// Every step in which a call can be found concerns it.
TEST(CallStories, MissNoStepOfACall) {
  ReportedDesk desk(5);
  desk.run(1h, on_that_day(0s));
  CallStories stories;
  std::map<OfferId, std::string> call_of_offer;
  for (const ReportedDesk::Step& step : desk.log) {
    const auto calls = stories.step(step.event, step.commands, step.at);
    std::set<std::string> expected;
    for (const acd::Command& command : step.commands) {
      const auto json = nlohmann::json::parse(acd::to_json(command));
      if (json.contains("call")) expected.insert(json["call"]);
      if (json["type"] == "offer") call_of_offer[json["offer"]] = json["call"];
    }
    const auto event = nlohmann::json::parse(acd::to_json(step.event));
    if (event.contains("call")) expected.insert(event["call"]);
    if (event.contains("offer") && call_of_offer.contains(event["offer"])) {
      // An offer that was withdrawn before is nobody's any more.
      if (!step.commands.empty()) expected.insert(call_of_offer[event["offer"]]);
    }
    for (const std::string& call : expected) EXPECT_THAT(calls, testing::Contains(call));
  }
}

}  // namespace
}  // namespace ivr

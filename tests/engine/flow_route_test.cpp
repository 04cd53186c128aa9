#include "ivr/flow_route.hpp"

#include <gtest/gtest.h>

#include "ivr/publishing.hpp"
#include "ivr/store.hpp"
#include "temp_folder.hpp"

namespace ivr {
namespace {

std::shared_ptr<const Flow> flow(const std::string& decision, const std::string& more) {
  auto loaded = Flow::load(
      R"({"ivr": 1, "id": "t", "start": "a", )" + more + R"(, "nodes": {"a": )" + decision +
          R"(, "yes": {"type": "hangup", "reason": "yes"}, "no": {"type": "hangup", "reason": "no"}}})",
      {.calendars = {"desk"}, .lists = {"blocked"}});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return *loaded;
}

std::string reason(const Route& route, const std::string& caller, Time now) {
  ScriptOutput out;
  route.script({.id = "1", .caller = caller})
      ->step(outcome::Started{{.id = "1", .caller = caller}}, now, out);
  const auto* hangup = out.intent.empty() ? nullptr : std::get_if<intent::Hangup>(&out.intent[0]);
  return hangup ? hangup->reason : "no end";
}

const Time kNine{std::chrono::sys_days{std::chrono::year{2026} / 1 / 12} +
                 std::chrono::hours(9)};  // UTC, a Monday

TEST(FlowRoute, TheClockOfTheFlowIsThatOfItsTimeZone) {
  const char* decision =
      R"({"type": "decision", "cases": [{"if": "now.hour == 12", "next": "yes"}], "else": "no"})";
  const auto riyadh = flow_route("1", flow(decision, R"("time_zone": "Asia/Riyadh")"));
  ASSERT_TRUE(riyadh.ok()) << riyadh.status();
  EXPECT_EQ(reason(*riyadh, "1001", kNine), "yes");
  const auto london = flow_route("1", flow(decision, R"("time_zone": "Europe/London")"));
  ASSERT_TRUE(london.ok()) << london.status();
  EXPECT_EQ(reason(*london, "1001", kNine), "no");
  EXPECT_FALSE(flow_route("1", flow(decision, R"("time_zone": "Mars/Olympus")")).ok());
}

TEST(FlowRoute, TheSitesCalendarsAndListsDecide) {
  const char* by_hours =
      R"({"type": "decision", "kind": "time", "calendar": "desk", "open": "yes", "closed": "no"})";
  const char* by_caller =
      R"({"type": "decision", "kind": "caller", "cases": [{"callers": "blocked", "next": "no"}], "else": "yes"})";
  const char* more = R"("label": "x")";
  FlowSite site;
  site.calendars = [](std::string_view, Time) { return CalendarState::open; };
  site.lists = [](std::string_view list, std::string_view caller) {
    return list == "blocked" && caller == "666";
  };
  EXPECT_EQ(reason(*flow_route("1", flow(by_hours, more), {}, site), "1001", kNine), "yes");
  EXPECT_EQ(reason(*flow_route("1", flow(by_hours, more)), "1001", kNine), "no");
  EXPECT_EQ(reason(*flow_route("1", flow(by_caller, more), {}, site), "666", kNine), "no");
  EXPECT_EQ(reason(*flow_route("1", flow(by_caller, more), {}, site), "1001", kNine), "yes");
}

std::shared_ptr<const Flow> says(const std::string& reason) {
  return *Flow::load(R"({"ivr": 1, "id": "t", "start": "a", "nodes": {"a": {"type": "hangup", "reason": ")" +
                     reason + R"("}}})");
}

TEST(FlowRoute, P_74_WhatIsPublishedTakesThePlaceOfTheDocumentForItsShareOfTheCallers) {
  const test::TempFolder folder;
  auto store = *open_store(folder.file("ivr.db"), StoreAccess::write);
  Route mine = *flow_route("1", says("file"), {{"x", "1"}});
  mine.record = true;
  const std::vector<Route> own = {mine, *flow_route("2", says("other file"))};
  ASSERT_TRUE(published_routes(own, *store).ok());
  EXPECT_EQ(reason((*published_routes(own, *store))[0], "1001", kNine), "file");

  ASSERT_TRUE(publish(*store, *says("one"), nullptr, kAllCallers, {}).ok());
  ASSERT_TRUE(publish(*store, *says("two"), nullptr, 3'000, {}).ok());
  const auto routes = published_routes(own, *store);
  ASSERT_TRUE(routes.ok()) << routes.status();
  ASSERT_EQ(routes->size(), 4u) << "of either extension two: they run the same flow";
  for (const Route& route : *routes) {
    EXPECT_EQ(route.flow_digest, says(reason(route, "1001", kNine))->digest());
    for (const std::string caller : {"1001", "1002", "1003", "1004", "1005"}) {
      const bool new_one = caller_place("t", caller) < 3'000;
      EXPECT_EQ(route.takes(caller), reason(route, caller, kNine) == (new_one ? "two" : "one")) << caller;
    }
  }
  EXPECT_EQ((*routes)[0].extension, "1");
  EXPECT_TRUE((*routes)[0].record);
  EXPECT_EQ((*routes)[0].variables.size(), 1u);
}

}  // namespace
}  // namespace ivr

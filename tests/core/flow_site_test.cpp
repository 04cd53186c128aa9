#include <gmock/gmock.h>

#include "core/flow_caller.hpp"

// What a site brings to a flow: calendars with a switch for emergencies, lists of callers.

namespace ivr {
namespace {

const std::string kByHours = flow_of(
    R"("a": {"type": "decision", "kind": "time", "calendar": "desk", "open": "o", "closed": "c", "emergency": "e"},
       "o": {"type": "hangup", "reason": "open"}, "c": {"type": "hangup", "reason": "closed"},
       "e": {"type": "hangup", "reason": "emergency"})",
    R"("calendars": {"desk": {"time_zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}})");

CalendarLookup calendars(const std::string& json, CalendarLookup site) {
  return *flow_calendars(
      **Flow::load(json), [](std::string_view) { return absl::UTCTimeZone(); }, std::move(site));
}

CalendarLookup says(CalendarState state) {
  return [state](std::string_view name, Time) -> std::optional<CalendarState> {
    return name == "desk" ? std::optional(state) : std::nullopt;
  };
}

std::string reason(const std::string& json, FlowRunOptions options, std::string caller = "1001",
                   const FlowCheckOptions& host = {}) {
  FlowCaller c(json, std::move(options), host);
  c.start({.id = "1", .caller = std::move(caller)});
  return c.wants<intent::Hangup>().reason;
}

TEST(FlowSite, S0_87_TheSitesCalendarGoesBeforeTheDocuments) {
  EXPECT_EQ(reason(kByHours, {.calendars = calendars(kByHours, {})}), "open") << "a Monday at ten";
  EXPECT_EQ(reason(kByHours, {.calendars = calendars(kByHours, says(CalendarState::closed))}), "closed");
  EXPECT_EQ(reason(kByHours, {.calendars = calendars(kByHours, says(CalendarState::emergency))}),
            "emergency");
  EXPECT_EQ(reason(kByHours, {}), "closed") << "no calendar at all";
}

TEST(FlowSite, AnEmergencyIsClosedWhereNobodyAsksForIt) {
  const std::string json = flow_of(
      R"("a": {"type": "decision", "kind": "time", "calendar": "desk", "open": "o", "closed": "c"},
         "o": {"type": "hangup", "reason": "open"}, "c": {"type": "hangup", "reason": "closed"})");
  FlowCaller c(json, {.calendars = says(CalendarState::emergency)}, {.calendars = {"desk"}});
  c.start();
  EXPECT_EQ(c.way(), "a:closed c:hangup");
}

TEST(FlowSite, ConditionsReadTheStateOfACalendar) {
  const std::string json = flow_of(
      R"("a": {"type": "decision", "cases": [{"if": "calendar.desk.state == 'emergency'", "next": "e"},
                                            {"if": "calendar.desk.open", "next": "o"}], "else": "c"},
         "o": {"type": "hangup", "reason": "open"}, "c": {"type": "hangup", "reason": "closed"},
         "e": {"type": "hangup", "reason": "emergency"})");
  const FlowCheckOptions host{.calendars = {"desk"}};
  EXPECT_EQ(reason(json, {.calendars = says(CalendarState::emergency)}, "1", host), "emergency");
  EXPECT_EQ(reason(json, {.calendars = says(CalendarState::open)}, "1", host), "open");
  EXPECT_EQ(reason(json, {.calendars = says(CalendarState::closed)}, "1", host), "closed");
  const auto found = Flow::check(flow_of(
      R"("a": {"type": "decision", "cases": [{"if": "calendar.desk.hours", "next": "sorry"}], "else": "sorry"})"));
  ASSERT_FALSE(found.empty());
  EXPECT_THAT(found[0].message, testing::HasSubstr("calendar.NAME.open or calendar.NAME.state"));
}

const std::string kByCaller = flow_of(
    R"("a": {"type": "decision", "kind": "caller",
             "cases": [{"callers": "blocked", "next": "no"}, {"callers": "vip", "next": "vip"}], "else": "all"},
       "no": {"type": "hangup", "reason": "blocked"}, "vip": {"type": "hangup", "reason": "vip"},
       "all": {"type": "hangup", "reason": "all"})",
    R"("lists": {"vip": ["1001"]})");
const FlowCheckOptions kLists{.lists = {"blocked", "vip"}};

CallerListLookup lists(std::vector<std::pair<std::string, std::vector<std::string>>> all) {
  return [all = std::move(all)](std::string_view name, std::string_view caller) -> std::optional<bool> {
    for (const auto& [known, callers] : all) {
      if (known == name) return matches_caller(callers, caller);
    }
    return std::nullopt;
  };
}

TEST(FlowSite, S0_87_BlockAndVipListsOfTheSiteDecide) {
  const FlowRunOptions site{.lists = lists({{"blocked", {"666", "+1900*"}}})};
  EXPECT_EQ(reason(kByCaller, site, "666", kLists), "blocked");
  EXPECT_EQ(reason(kByCaller, site, "+19005551234", kLists), "blocked");
  EXPECT_EQ(reason(kByCaller, site, "1001", kLists), "vip") << "the document's own list";
  EXPECT_EQ(reason(kByCaller, site, "2002", kLists), "all");
  const FlowRunOptions other{.lists = lists({{"vip", {"2002"}}})};
  EXPECT_EQ(reason(kByCaller, other, "2002", kLists), "vip");
  EXPECT_EQ(reason(kByCaller, other, "1001", kLists), "all") << "the site's list goes before the document's";
  EXPECT_EQ(reason(kByCaller, other, "666", kLists), "all") << "a list that nobody brings is empty";
}

// The site has changed since the call, or is not there: what the log says counts.
TEST(FlowSite, AReplayGoesTheWayOfTheCall) {
  EXPECT_EQ(reason(kByCaller, {.lists = lists({}), .recorded_way = {{"a", "case1"}}}, "2002", kLists),
            "blocked");
  EXPECT_EQ(reason(kByCaller, {.recorded_way = {{"a", "else"}}}, "1001", kLists), "all");
  for (const std::string exit : {"open", "closed", "emergency"}) {
    EXPECT_EQ(reason(kByHours, {.calendars = calendars(kByHours, {}), .recorded_way = {{"a", exit}}}), exit);
  }
}

}  // namespace
}  // namespace ivr

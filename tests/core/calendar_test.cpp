#include "ivr/calendar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ivr {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

absl::TimeZone zone(const char* name) {
  absl::TimeZone result;
  EXPECT_TRUE(absl::LoadTimeZone(name, &result)) << name;
  return result;
}

Calendar calendar(const std::string& json, absl::TimeZone in = absl::UTCTimeZone()) {
  const auto options = parse_calendar(json);
  EXPECT_TRUE(options.ok()) << options.status();
  auto result = Calendar::create(*options, in);
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

// "2026-03-15 09:30" in UTC.
Time moment(const std::string& text) {
  absl::Time result;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", text, &result, &error)) << text << ' ' << error;
  return Time{Micros{absl::ToUnixMicros(result)}};
}

const char* const kWeek =
    R"({"time_zone": "UTC", "hours": {"mon-fri": ["09:00-17:30"], "sat": ["10:00-14:00"]}})";

// ------------------------------------------------------------------------------- a year of minutes

// The same rules twice: as a document, and below as plain comparisons over local time made by hand.
const char* const kYear = R"({
  "time_zone": "to be chosen",
  "hours": {"mon-thu": ["09:00-12:30", "13:15-17:30"], "fri": ["09:00-17:30", "22:00-02:00"], "sat": ["10:00-14:00"],
            "sun": ["01:15-01:45", "02:15-02:45", "23:30-00:30"]},
  "holidays": ["2026-12-25", "*-01-01", "2026-03-14"],
  "exceptions": [{"from": "2026-07-01", "to": "2026-07-14", "hours": []},
                 {"date": "2026-07-10", "hours": ["08:00-09:00"]},
                 {"date": "2026-12-24", "hours": ["09:00-12:00", "20:00-01:00"]},
                 {"date": "2026-12-26", "hours": ["00:00-24:00"]}]})";

struct Offset {
  std::int64_t from;  // Unix seconds
  int minutes;        // east of Greenwich from then on
};

struct Local {
  int month, day, weekday, minute;  // Sunday is 0
};

Local local_of(std::int64_t unix_minute, int offset) {
  const std::int64_t minute = unix_minute + offset, days = minute / 1440;
  // 2026-01-01 is day 20,454 and a Thursday; two days of 2025 and 2027 come into view.
  static constexpr int kLengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int day = static_cast<int>(days - 20454), month = 0;
  const int weekday = (((day + 4) % 7) + 7) % 7;
  if (day < 0) return {12, 32 + day, weekday, static_cast<int>(minute % 1440)};
  while (month < 12 && day >= kLengths[month]) day -= kLengths[month++];
  return {month % 12 + 1, day + 1, weekday, static_cast<int>(minute % 1440)};
}

bool is(const Local& t, int month, int day) { return t.month == month && t.day == day; }

bool reference_open(const Local& t) {
  const auto between = [&](int hour, int minute, int end_hour, int end_minute) {
    return t.minute >= hour * 60 + minute && t.minute < end_hour * 60 + end_minute;
  };
  if (is(t, 7, 10)) return between(8, 0, 9, 0);
  if (t.month == 7 && t.day <= 14) return false;
  if (is(t, 12, 24)) return between(9, 0, 12, 0) || between(20, 0, 24, 0);
  if (is(t, 12, 26)) return true;
  if (is(t, 12, 25) || is(t, 1, 1) || is(t, 3, 14)) return false;
  switch (t.weekday) {
    case 0: return between(1, 15, 1, 45) || between(2, 15, 2, 45) || between(23, 30, 24, 0);
    case 1:
      return between(0, 0, 0, 30) || between(9, 0, 12, 30) ||
             between(13, 15, 17, 30);  // the first half hour is Sunday's
    case 5: return between(9, 0, 17, 30) || between(22, 0, 24, 0);
    case 6: return between(0, 0, 2, 0) || between(10, 0, 14, 0);
    default: return between(9, 0, 12, 30) || between(13, 15, 17, 30);
  }
}

void check_year(const char* name, std::vector<Offset> offsets) {
  const auto business = calendar(kYear, zone(name));
  constexpr std::int64_t kFirst = 1767225600 / 60;  // 2026-01-01T00:00Z
  constexpr std::int64_t kMinutes = 365 * 1440;
  std::optional<std::int64_t> last_change;
  bool was_open = false;
  int changes = 0;
  for (std::int64_t minute = kFirst; minute < kFirst + kMinutes; ++minute) {
    while (offsets.size() > 1 && offsets[1].from <= minute * 60) offsets.erase(offsets.begin());
    const Time now{std::chrono::seconds{minute * 60}};
    const bool expected = reference_open(local_of(minute, offsets[0].minutes));
    ASSERT_EQ(business.open(now), expected) << name << ", minute " << minute << " since 1970";
    ASSERT_EQ(business.open(now + 59s + 999ms), expected) << name << ", minute " << minute << " since 1970";
    if (minute > kFirst && expected != was_open) {
      const Time from{std::chrono::seconds{(last_change ? *last_change : kFirst) * 60}};
      ASSERT_EQ(business.next_change(from), now) << name << ", minute " << minute << " since 1970";
      ASSERT_EQ(business.next_change(now - Micros{1}), now) << name << ", minute " << minute << " since 1970";
      last_change = minute;
      ++changes;
    }
    was_open = expected;
  }
  EXPECT_GT(changes, 1000);
}

// Daylight saving: the second Sunday of March to the first of November, at 02:00 local time.
TEST(Calendar, S0_17_EveryMinuteOfAYearInNewYork) {
  check_year("America/New_York", {{0, -300}, {1772953200, -240}, {1793512800, -300}});
}

// The last Sundays of March and October, at 01:00 UTC.
TEST(Calendar, S0_17_EveryMinuteOfAYearInBerlin) {
  check_year("Europe/Berlin", {{0, 60}, {1774746000, 120}, {1792890000, 60}});
}

// Half an hour of daylight saving, south of the equator: back on 5 April, on again on 4 October.
TEST(Calendar, S0_17_EveryMinuteOfAYearOnLordHowe) {
  check_year("Australia/Lord_Howe", {{0, 660}, {1775314800, 630}, {1791041400, 660}});
}

// ------------------------------------------------------------------------------------------- rules

TEST(Calendar, S0_18_AListedDateIsClosedWhateverTheWeekSays) {
  const auto business = calendar(R"({"time_zone": "UTC", "hours": {"mon-sun": ["00:00-24:00"]},
                                     "holidays": ["2026-12-25", "*-01-01", "*-02-29"]})");
  for (int minute = 0; minute < 1440; ++minute) {
    for (const char* day : {"2026-12-25 00:00", "2026-01-01 00:00", "2027-01-01 00:00", "2028-02-29 00:00"}) {
      const auto now = moment(day) + std::chrono::minutes{minute};
      ASSERT_FALSE(business.open(now)) << day << " + " << minute;
      ASSERT_TRUE(business.holiday(now)) << day << " + " << minute;
    }
  }
  for (const char* day : {"2026-12-24 23:59", "2026-12-26 00:00", "2027-12-25 12:00", "2026-02-28 23:59",
                          "2026-03-01 00:00", "2026-01-02 00:00"}) {
    EXPECT_TRUE(business.open(moment(day))) << day;
    EXPECT_FALSE(business.holiday(moment(day))) << day;
  }
}

TEST(Calendar, AnExceptionWinsOverAHolidayAndTheLastOneOverTheOthers) {
  const auto business =
      calendar(R"({"time_zone": "UTC", "hours": {"mon-sun": ["09:00-17:00"]}, "holidays": ["*-12-25"],
      "exceptions": [{"from": "2026-12-20", "to": "2026-12-31", "hours": []}, {"date": "2026-12-25", "hours": ["10:00-11:00"]}]})");
  EXPECT_TRUE(business.open(moment("2026-12-19 10:30")));
  EXPECT_FALSE(business.open(moment("2026-12-20 10:30")));
  EXPECT_TRUE(business.open(moment("2026-12-25 10:30")));
  EXPECT_FALSE(business.holiday(moment("2026-12-25 10:30")));
  EXPECT_FALSE(business.open(moment("2026-12-25 11:00")));
  EXPECT_FALSE(business.open(moment("2026-12-31 10:30")));
  EXPECT_TRUE(business.open(moment("2027-01-01 10:30")));
  EXPECT_FALSE(business.open(moment("2027-12-25 10:30")));
}

TEST(Calendar, ANightShiftEndsWhereAListedDateBegins) {
  const auto business =
      calendar(R"({"time_zone": "UTC", "hours": {"mon-sun": ["22:00-06:00"]}, "holidays": ["2026-05-01"],
                                     "exceptions": [{"date": "2026-06-01", "hours": ["23:00-01:00"]}]})");
  EXPECT_TRUE(business.open(moment("2026-04-30 23:59")));
  EXPECT_FALSE(business.open(moment("2026-05-01 00:00")));
  EXPECT_FALSE(business.open(moment("2026-05-02 05:59")));  // the holiday has no night either
  EXPECT_TRUE(business.open(moment("2026-05-02 22:00")));
  EXPECT_FALSE(business.open(moment("2026-06-01 00:30")));
  EXPECT_TRUE(
      business.open(moment("2026-06-02 00:59")));  // an exception's own night reaches into the next day
  EXPECT_FALSE(business.open(moment("2026-06-02 01:00")));
}

TEST(Calendar, TheOverrideIsAllThatCounts) {
  const auto with = [](const char* value) {
    return calendar(
        R"({"time_zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}, "holidays": ["2026-12-25"], "override": ")" +
        std::string(value) + "\"}");
  };
  EXPECT_TRUE(with("open").open(moment("2026-12-25 03:00")));
  EXPECT_FALSE(with("closed").open(moment("2026-12-23 12:00")));
  EXPECT_FALSE(with("emergency").open(moment("2026-12-23 12:00")));
  EXPECT_EQ(with("emergency").state(moment("2026-12-23 12:00")), CalendarState::emergency);
  EXPECT_EQ(with("open").next_change(moment("2026-12-23 12:00")), std::nullopt);
}

TEST(Calendar, TellsTheNextChange) {
  const auto business = calendar(kWeek);
  EXPECT_EQ(business.next_change(moment("2026-11-20 12:00")), moment("2026-11-20 17:30"));  // a Friday
  EXPECT_EQ(business.next_change(moment("2026-11-20 17:30")), moment("2026-11-21 10:00"));
  EXPECT_EQ(business.next_change(moment("2026-11-21 14:00")), moment("2026-11-23 09:00"));
  EXPECT_EQ(calendar(R"({"time_zone": "UTC", "hours": {}})").next_change(moment("2026-11-21 14:00")),
            std::nullopt);
  EXPECT_EQ(calendar(R"({"time_zone": "UTC", "hours": {"mon-sun": ["00:00-24:00"]}})")
                .next_change(moment("2026-11-21 14:00")),
            std::nullopt);
  // Stretches that touch or overlap are one.
  const auto touching = calendar(
      R"({"time_zone": "UTC", "hours": {"mon-sun": ["09:00-12:00", "11:00-13:00", "13:00-14:00"]}})");
  EXPECT_EQ(touching.next_change(moment("2026-11-21 10:00")), moment("2026-11-21 14:00"));
  // Far away, but within the year.
  const auto once = calendar(
      R"({"time_zone": "UTC", "hours": {}, "exceptions": [{"date": "2027-11-20", "hours": ["10:00-11:00"]}]})");
  EXPECT_EQ(once.next_change(moment("2026-11-21 14:00")), moment("2027-11-20 10:00"));
}

TEST(Calendar, ChangingTheClocksMayOpenOrClose) {
  // At 02:00 the clocks of Berlin jump to 03:00 on 29 March, and at 03:00 back to 02:00 on 25 October.
  const auto in_spring =
      calendar(R"({"time_zone": "Europe/Berlin", "hours": {"sun": ["02:30-06:00"]}})", zone("Europe/Berlin"));
  EXPECT_EQ(in_spring.next_change(moment("2026-03-28 12:00")), moment("2026-03-29 01:00"));
  const auto in_autumn =
      calendar(R"({"time_zone": "Europe/Berlin", "hours": {"sun": ["02:15-02:45"]}})", zone("Europe/Berlin"));
  EXPECT_EQ(in_autumn.next_change(moment("2026-10-25 00:00")), moment("2026-10-25 00:15"));
  EXPECT_EQ(in_autumn.next_change(moment("2026-10-25 00:15")), moment("2026-10-25 00:45"));
  EXPECT_EQ(in_autumn.next_change(moment("2026-10-25 00:45")), moment("2026-10-25 01:15"));  // again
  const auto cut =
      calendar(R"({"time_zone": "Europe/Berlin", "hours": {"sun": ["02:15-03:00"]}})", zone("Europe/Berlin"));
  EXPECT_EQ(cut.next_change(moment("2026-10-25 00:15")),
            moment("2026-10-25 01:00"));  // closed by the clock going back
}

// ---------------------------------------------------------------------------------------- document

TEST(Calendar, ReadsTheDocument) {
  const auto options = parse_calendar(
      R"({"time_zone": "Asia/Riyadh", "hours": {"fri-sun": ["09:00-17:30"], "sun": ["20:00-21:00"], "tue": []},
                                          "holidays": ["2026-09-23", "*-01-01"], "override": null})");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->time_zone, "Asia/Riyadh");
  EXPECT_EQ(options->week[4].size(), 1u);
  EXPECT_EQ(options->week[5].size(), 1u);
  EXPECT_EQ(options->week[6].size(), 2u);
  EXPECT_EQ(options->week[0].size(), 0u);
  EXPECT_EQ(options->holidays.size(), 2u);
  EXPECT_EQ(options->holidays[1].year, 0);
  EXPECT_FALSE(options->override_state);
}

TEST(Calendar, SaysWhereTheDocumentIsWrong) {
  const auto with = [](const std::string& fields) {
    return R"({"time_zone": "UTC", "hours": {"mon": ["09:00-17:00"]}, )" + fields + "}";
  };
  const struct {
    std::string json, message;
  } kCases[] = {
      {"", "calendar: not JSON"},
      {"{\"time_zone\": ", "calendar: not JSON at byte 15"},
      {"[]", "calendar: an object expected, found []"},
      {"{}", "/time_zone: missing"},
      {R"({"time_zone": 3, "hours": {}})", "/time_zone: 3 is not"},
      {R"({"time_zone": "UTC"})", "/hours: missing"},
      {R"({"time_zone": "UTC", "hours": []})", "/hours: an object like"},
      {R"({"time_zone": "UTC", "hours": {"monday": []}})", "/hours/monday: not a day"},
      {R"({"time_zone": "UTC", "hours": {"mon-": []}})", "/hours/mon-: not a day"},
      {R"({"time_zone": "UTC", "hours": {"mon": "09:00-17:00"}})", "/hours/mon: a list like"},
      {R"({"time_zone": "UTC", "hours": {"mon": ["09:00-12:00", "9-17"]}})",
       "/hours/mon/1: \"9-17\" is not a stretch"},
      {R"({"time_zone": "UTC", "hours": {"mon": ["09:00-24:01"]}})", "/hours/mon/0: \"09:00-24:01\""},
      {R"({"time_zone": "UTC", "hours": {"mon": ["09:60-10:00"]}})", "/hours/mon/0: \"09:60-10:00\""},
      {R"({"time_zone": "UTC", "hours": {"mon": ["09:00-09:00"]}})",
       "/hours/mon/0: \"09:00-09:00\" begins and ends at once"},
      {R"({"time_zone": "UTC", "hours": {"mon": ["24:00-09:00"]}})", "/hours/mon/0: \"24:00-09:00\""},
      {R"({"time_zone": "UTC", "hours": {"mon": [900]}})", "/hours/mon/0: 900 is not"},
      {with(R"("holiday": [])"),
       "/holiday: unknown field; there are time_zone, hours, holidays, exceptions, override"},
      {with(R"("holidays": "2026-12-25")"), "/holidays: a list of days"},
      {with(R"("holidays": ["2026-12-25", "2026-02-29"])"), "/holidays/1: \"2026-02-29\" is not a day"},
      {with(R"("holidays": ["*-02-30"])"), "/holidays/0: \"*-02-30\""},
      {with(R"("holidays": ["25.12.2026"])"), "/holidays/0"},
      {with(R"("exceptions": {})"), "/exceptions: a list"},
      {with(R"("exceptions": ["2026-12-24"])"), "/exceptions/0: an object"},
      {with(R"("exceptions": [{"date": "2026-12-24"}])"), "/exceptions/0: hours is missing"},
      {with(R"("exceptions": [{"hours": []}])"), "/exceptions/0: either date, or from and to"},
      {with(R"("exceptions": [{"date": "2026-12-24", "to": "2026-12-25", "hours": []}])"),
       "/exceptions/0: either"},
      {with(R"("exceptions": [{"date": "*-12-24", "hours": []}])"), "/exceptions/0/date: \"*-12-24\""},
      {with(R"("exceptions": [{"from": "2026-12-24", "to": "2026-12-23", "hours": []}])"),
       "/exceptions/0/to: \"2026-12-23\" is before from"},
      {with(R"("exceptions": [{"date": "2026-12-24", "hours": ["x"]}])"), "/exceptions/0/hours/0: \"x\""},
      {with(R"("exceptions": [{"date": "2026-12-24", "hours": [], "why": ""}])"),
       "/exceptions/0/why: unknown field"},
      {with(R"("override": "maybe")"), "/override: \"maybe\" is none of open, closed, emergency"},
  };
  for (const auto& c : kCases) {
    const auto options = parse_calendar(c.json);
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument) << c.json;
    EXPECT_THAT(std::string(options.status().message()), StartsWith(c.message)) << c.json;
  }
}

TEST(Calendar, RefusesOptionsThatCannotBe) {
  const auto status = [](const CalendarOptions& options) {
    return std::string(Calendar::create(options, absl::UTCTimeZone()).status().message());
  };
  CalendarOptions hours;
  hours.week[2].push_back({std::chrono::minutes{-1}, std::chrono::minutes{60}});
  EXPECT_THAT(status(hours), HasSubstr("/hours/wed: hours from minute -1 to 60"));
  CalendarOptions holiday;
  holiday.holidays.push_back({2026, 13, 1});
  EXPECT_THAT(status(holiday), HasSubstr("/holidays/0"));
  CalendarOptions many;
  many.holidays.resize(4097);
  EXPECT_THAT(status(many), HasSubstr("at most 4096"));
  CalendarOptions long_day;
  long_day.week[0].resize(25);
  EXPECT_THAT(status(long_day), HasSubstr("at most 24"));
}

}  // namespace
}  // namespace ivr

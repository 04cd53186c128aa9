#pragma once
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ivr/base.hpp"

namespace ivr {

// A stretch of wall-clock time, from `begin` up to but not including `end`. An end at or before the begin
// lies on the next day: 22:00-02:00.
struct OpenHours {
  std::chrono::minutes begin{0};  // 00:00 to 23:59
  std::chrono::minutes end{0};    // 00:01 to 24:00, or 00:00, which is 24:00
};

struct CalendarDate {
  int year = 0;  // 0: every year
  unsigned month = 1, day = 1;
};

struct CalendarException {
  std::chrono::year_month_day first, last;  // both included
  std::vector<OpenHours> hours;             // none: closed
};

enum class CalendarState { open, closed, emergency };

struct CalendarOptions {
  std::string time_zone;                        // IANA name
  std::array<std::vector<OpenHours>, 7> week;   // Monday first
  std::vector<CalendarDate> holidays;           // closed
  std::vector<CalendarException> exceptions;    // the last one that has the date wins, also over a holiday
  std::optional<CalendarState> override_state;  // a switch that somebody turned: nothing else counts
};

// {"time_zone": "Asia/Riyadh", "hours": {"sun-wed": ["09:00-12:30", "13:00-17:30"], "thu": ["09:00-14:00"]},
//  "holidays": ["2026-09-23", "*-01-01"],
//  "exceptions": [{"date": "2026-12-24", "hours": ["09:00-12:00"]}, {"from": "2026-07-01", "to":
//  "2026-07-14", "hours": []}], "override": "open" | "closed" | "emergency"}        time_zone and hours must
//  be there
//
// Errors: InvalidArgument, beginning with the JSON pointer of what is wrong.
absl::StatusOr<CalendarOptions> parse_calendar(std::string_view json);

// Business hours. They follow the wall clock of their zone, so an hour that the clocks skip is not worked,
// and one that they repeat is worked twice. What is listed for a date, as holiday or exception, says
// everything about its 24 hours: a night shift of the day before ends at its midnight.
//
// It loads no time zone: see edge/time_zones.hpp.
// Limits: 24 stretches a day, 4,096 holidays, 4,096 exceptions.
// Thread: any, it never changes.
class Calendar {
 public:
  static absl::StatusOr<Calendar> create(const CalendarOptions& options, absl::TimeZone zone);

  bool open(Time now) const { return state(now) == CalendarState::open; }
  CalendarState state(Time now) const;
  bool holiday(Time now) const;  // today is one, and no exception says otherwise

  // When state() changes next; none within 366 days.
  std::optional<Time> next_change(Time now) const;

 private:
  struct Stretch {
    int begin, end;
  };  // minutes; end may reach into the next day
  using Stretches = std::vector<Stretch>;
  struct Listed {
    std::chrono::sys_days first, last;
    Stretches hours;
  };

  const Stretches* listed(std::chrono::sys_days date) const;  // nullptr: an ordinary day
  const Stretches& hours(std::chrono::sys_days date) const;
  bool is_holiday(std::chrono::sys_days date) const;
  bool open_at(std::chrono::sys_days date, int minute) const;
  void add_changes(std::chrono::sys_days date, std::vector<absl::Time>& out) const;

  absl::TimeZone zone_;
  std::array<Stretches, 7> week_;
  Stretches closed_;                                   // stays empty
  std::vector<std::chrono::sys_days> holidays_;        // sorted
  std::vector<std::pair<unsigned, unsigned>> yearly_;  // month and day, sorted
  std::vector<Listed> exceptions_;
  std::optional<CalendarState> override_;
};

}  // namespace ivr

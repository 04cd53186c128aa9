#include "ivr/calendar.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"

namespace ivr {
namespace {

using nlohmann::json;
using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr int kDay = 24 * 60;
constexpr std::size_t kMaxStretches = 24;
constexpr std::size_t kMaxDates = 4096;
constexpr int kHorizonDays = 366;

constexpr std::string_view kWeekdays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

struct StateName {
  CalendarState state;
  std::string_view name;
};
constexpr StateName kStates[] = {{CalendarState::open, "open"},
                                 {CalendarState::closed, "closed"},
                                 {CalendarState::emergency, "emergency"}};

absl::Time instant(Time at) { return absl::FromUnixMicros(at.time_since_epoch().count()); }
Time time_of(absl::Time at) { return Time{Micros{absl::ToUnixMicros(at)}}; }

sys_days date_of(const absl::CivilSecond& civil) {
  return sys_days{days{absl::CivilDay(civil) - absl::CivilDay(1970, 1, 1)}};
}

absl::CivilSecond civil_at(sys_days date, int minute) {
  return absl::CivilSecond(absl::CivilDay(1970, 1, 1) + date.time_since_epoch().count()) +
         std::int64_t{60} * minute;
}

// Monday is 0.
std::size_t weekday_of(sys_days date) { return std::chrono::weekday(date).iso_encoding() - 1; }

// -------------------------------------------------------------------------------------------- JSON

absl::Status bad(const std::string& pointer, const std::string& what) {
  return absl::InvalidArgumentError(pointer + ": " + what);
}

std::string shown(const json& value) {
  auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > 64) text.replace(61, std::string::npos, "...");
  return text;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// "09:00" to minutes; 24:00 is one, 24:01 not.
std::optional<std::chrono::minutes> parse_clock(std::string_view text) {
  const auto hour = digits(text, 0, 2), minute = digits(text, 3, 2);
  if (text.size() != 5 || text[2] != ':' || !hour || !minute || *minute > 59 || *hour * 60 + *minute > kDay)
    return std::nullopt;
  return std::chrono::minutes{*hour * 60 + *minute};
}

bool valid(const OpenHours& hours) {
  const auto begin = hours.begin.count(), end = hours.end.count();
  return begin >= 0 && begin < kDay && end >= 0 && end <= kDay && begin != end;
}

absl::StatusOr<std::vector<OpenHours>> parse_hours(const json& value, const std::string& pointer) {
  if (!value.is_array()) return bad(pointer, "a list like [\"09:00-17:30\"] expected, found " + shown(value));
  if (value.size() > kMaxStretches)
    return bad(pointer, std::to_string(value.size()) + " stretches; at most 24 a day");
  std::vector<OpenHours> result;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto text = value[i].is_string() ? value[i].get<std::string>() : std::string();
    const auto begin = parse_clock(std::string_view(text).substr(0, 5));
    const auto end =
        text.size() == 11 && text[5] == '-' ? parse_clock(std::string_view(text).substr(6)) : std::nullopt;
    const auto here = pointer + "/" + std::to_string(i);
    if (!begin || !end) return bad(here, shown(value[i]) + " is not a stretch of time like \"09:00-17:30\"");
    result.push_back({*begin, *end});
    if (!valid(result.back()))
      return bad(here, shown(value[i]) +
                           " begins and ends at once or begins at 24:00; the whole day is \"00:00-24:00\"");
  }
  return result;
}

// "2026-12-25", and "*-12-25" when `any_year`.
std::optional<CalendarDate> parse_date(const json& value, bool any_year) {
  if (!value.is_string()) return std::nullopt;
  const auto& text = value.get_ref<const std::string&>();
  std::string_view rest = text;
  CalendarDate date;
  if (any_year && rest.starts_with('*')) {
    rest.remove_prefix(1);
  } else {
    const auto year = digits(rest, 0, 4);
    if (!year || *year == 0) return std::nullopt;
    date.year = *year;
    rest.remove_prefix(4);
  }
  const auto month = digits(rest, 1, 2), day = digits(rest, 4, 2);
  if (rest.size() != 6 || rest[0] != '-' || rest[3] != '-' || !month || !day) return std::nullopt;
  date.month = static_cast<unsigned>(*month);
  date.day = static_cast<unsigned>(*day);
  return date;
}

// As a real day; for every year it needs to exist in a leap year.
std::optional<year_month_day> real_day(const CalendarDate& date) {
  const year_month_day day{std::chrono::year(date.year == 0 ? 2000 : date.year),
                           std::chrono::month(date.month), std::chrono::day(date.day)};
  return day.ok() ? std::optional(day) : std::nullopt;
}

absl::Status only_fields(const json& object, const std::string& pointer,
                         std::initializer_list<std::string_view> known) {
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string list;
    for (const auto each : known) list.append(list.empty() ? "" : ", ").append(each);
    return bad(std::string(pointer).append("/").append(name), "unknown field; there are " + list);
  }
  return absl::OkStatus();
}

// "mon" or "mon-fri"; "fri-mon" goes over the weekend.
absl::Status add_weekdays(const std::string& name, const std::vector<OpenHours>& hours,
                          CalendarOptions& options) {
  const auto index = [](std::string_view day) {
    return static_cast<std::size_t>(std::find(std::begin(kWeekdays), std::end(kWeekdays), day) -
                                    std::begin(kWeekdays));
  };
  const auto dash = name.find('-');
  const auto first = index(std::string_view(name).substr(0, dash));
  const auto last = dash == std::string::npos ? first : index(std::string_view(name).substr(dash + 1));
  if (first == 7 || last == 7)
    return bad("/hours/" + name, "not a day; days are mon, tue, wed, thu, fri, sat, sun, and mon-fri");
  for (std::size_t day = first;; day = (day + 1) % 7) {
    options.week[day].insert(options.week[day].end(), hours.begin(), hours.end());
    if (day == last) return absl::OkStatus();
  }
}

absl::StatusOr<CalendarException> parse_exception(const json& value, const std::string& pointer) {
  if (!value.is_object())
    return bad(pointer, "an object with date and hours expected, found " + shown(value));
  if (const auto status = only_fields(value, pointer, {"date", "from", "to", "hours"}); !status.ok())
    return status;
  const auto day = [&](const char* field) -> absl::StatusOr<year_month_day> {
    const auto date = parse_date(value.at(field), false);
    const auto real = date ? real_day(*date) : std::nullopt;
    if (!real)
      return bad(pointer + "/" + field, shown(value.at(field)) + " is not a day like \"2026-12-24\"");
    return *real;
  };
  const bool one = value.contains("date"), range = value.contains("from") && value.contains("to");
  if (one == range || (one && (value.contains("from") || value.contains("to"))))
    return bad(pointer, "either date, or from and to, must be there");
  if (!value.contains("hours")) return bad(pointer, "hours is missing; closed is \"hours\": []");
  const auto first = day(one ? "date" : "from"), last = day(one ? "date" : "to");
  if (!first.ok()) return first.status();
  if (!last.ok()) return last.status();
  if (*last < *first)
    return bad(pointer + "/to", shown(value["to"]) + " is before from, " + shown(value["from"]));
  auto hours = parse_hours(value["hours"], pointer + "/hours");
  if (!hours.ok()) return hours.status();
  return CalendarException{*first, *last, *std::move(hours)};
}

}  // namespace

absl::StatusOr<CalendarOptions> parse_calendar(std::string_view text) {
  json document;
  try {
    document = json::parse(text);
  } catch (const json::parse_error& error) {
    return absl::InvalidArgumentError("calendar: not JSON at byte " + std::to_string(error.byte));
  }
  if (!document.is_object()) return bad("calendar", "an object expected, found " + shown(document));
  if (const auto status =
          only_fields(document, "", {"time_zone", "hours", "holidays", "exceptions", "override"});
      !status.ok())
    return status;

  CalendarOptions options;
  if (!document.contains("time_zone")) return bad("/time_zone", "missing; an IANA name like \"Asia/Riyadh\"");
  if (!document["time_zone"].is_string())
    return bad("/time_zone", shown(document["time_zone"]) + " is not an IANA name like \"Asia/Riyadh\"");
  options.time_zone = document["time_zone"].get<std::string>();

  if (!document.contains("hours")) return bad("/hours", "missing; never open is \"hours\": {}");
  if (!document["hours"].is_object())
    return bad("/hours",
               "an object like {\"mon-fri\": [\"09:00-17:30\"]} expected, found " + shown(document["hours"]));
  for (const auto& [name, value] : document["hours"].items()) {
    const auto hours = parse_hours(value, "/hours/" + name);
    if (!hours.ok()) return hours.status();
    if (const auto status = add_weekdays(name, *hours, options); !status.ok()) return status;
  }

  const json none = json::array();
  const auto& holidays = document.contains("holidays") ? document["holidays"] : none;
  if (!holidays.is_array()) return bad("/holidays", "a list of days expected, found " + shown(holidays));
  for (std::size_t i = 0; i < holidays.size(); ++i) {
    const auto date = parse_date(holidays[i], true);
    if (!date || !real_day(*date)) {
      return bad("/holidays/" + std::to_string(i),
                 shown(holidays[i]) + " is not a day like \"2026-12-25\", or \"*-01-01\" for every year");
    }
    options.holidays.push_back(*date);
  }

  const auto& exceptions = document.contains("exceptions") ? document["exceptions"] : none;
  if (!exceptions.is_array()) return bad("/exceptions", "a list expected, found " + shown(exceptions));
  for (std::size_t i = 0; i < exceptions.size(); ++i) {
    auto exception = parse_exception(exceptions[i], "/exceptions/" + std::to_string(i));
    if (!exception.ok()) return exception.status();
    options.exceptions.push_back(*std::move(exception));
  }

  if (document.contains("override") && !document["override"].is_null()) {
    for (const auto& each : kStates) {
      if (document["override"] == std::string(each.name)) options.override_state = each.state;
    }
    if (!options.override_state)
      return bad("/override", shown(document["override"]) + " is none of open, closed, emergency");
  }
  return options;
}

// ---------------------------------------------------------------------------------------- calendar

absl::StatusOr<Calendar> Calendar::create(const CalendarOptions& options, absl::TimeZone zone) {
  const auto stretches = [](const std::vector<OpenHours>& hours, const std::string& where, Stretches& out) {
    if (hours.size() > kMaxStretches)
      return bad(where, std::to_string(hours.size()) + " stretches; at most 24 a day");
    for (const auto& each : hours) {
      const auto begin = static_cast<int>(each.begin.count()), end = static_cast<int>(each.end.count());
      if (!valid(each))
        return bad(where,
                   "hours from minute " + std::to_string(begin) + " to " + std::to_string(end) + " of a day");
      out.push_back({begin, end > begin ? end : end + kDay});
    }
    return absl::OkStatus();
  };

  Calendar calendar;
  calendar.zone_ = zone;
  calendar.override_ = options.override_state;
  for (std::size_t day = 0; day < 7; ++day) {
    const auto status =
        stretches(options.week[day], "/hours/" + std::string(kWeekdays[day]), calendar.week_[day]);
    if (!status.ok()) return status;
  }
  if (options.holidays.size() > kMaxDates)
    return bad("/holidays", std::to_string(options.holidays.size()) + " days; at most 4096");
  for (std::size_t i = 0; i < options.holidays.size(); ++i) {
    const auto& date = options.holidays[i];
    const auto day = real_day(date);
    if (!day) return bad("/holidays/" + std::to_string(i), "no such day");
    if (date.year == 0) {
      calendar.yearly_.emplace_back(date.month, date.day);
    } else {
      calendar.holidays_.push_back(sys_days{*day});
    }
  }
  std::sort(calendar.holidays_.begin(), calendar.holidays_.end());
  std::sort(calendar.yearly_.begin(), calendar.yearly_.end());
  if (options.exceptions.size() > kMaxDates)
    return bad("/exceptions", std::to_string(options.exceptions.size()) + " of them; at most 4096");
  for (std::size_t i = 0; i < options.exceptions.size(); ++i) {
    const auto& exception = options.exceptions[i];
    const auto where = "/exceptions/" + std::to_string(i);
    if (!exception.first.ok() || !exception.last.ok() || exception.last < exception.first)
      return bad(where, "no such days");
    Listed listed{sys_days{exception.first}, sys_days{exception.last}, {}};
    if (const auto status = stretches(exception.hours, where + "/hours", listed.hours); !status.ok())
      return status;
    calendar.exceptions_.push_back(std::move(listed));
  }
  return calendar;
}

bool Calendar::is_holiday(sys_days date) const {
  const year_month_day day{date};
  return std::binary_search(holidays_.begin(), holidays_.end(), date) ||
         std::binary_search(yearly_.begin(), yearly_.end(),
                            std::pair{static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day())});
}

const Calendar::Stretches* Calendar::listed(sys_days date) const {
  const auto exception = std::find_if(exceptions_.rbegin(), exceptions_.rend(),
                                      [&](const Listed& e) { return e.first <= date && date <= e.last; });
  if (exception != exceptions_.rend()) return &exception->hours;
  return is_holiday(date) ? &closed_ : nullptr;
}

const Calendar::Stretches& Calendar::hours(sys_days date) const {
  const auto* own = listed(date);
  return own ? *own : week_[weekday_of(date)];
}

bool Calendar::open_at(sys_days date, int minute) const {
  const auto within = [](const Stretches& stretches, int at) {
    return std::any_of(stretches.begin(), stretches.end(),
                       [at](const Stretch& s) { return s.begin <= at && at < s.end; });
  };
  if (within(hours(date), minute)) return true;
  return !listed(date) && within(hours(date - days{1}), minute + kDay);  // last night's
}

CalendarState Calendar::state(Time now) const {
  if (override_) return *override_;
  const auto civil = zone_.At(instant(now)).cs;
  return open_at(date_of(civil), civil.hour() * 60 + civil.minute()) ? CalendarState::open
                                                                     : CalendarState::closed;
}

bool Calendar::holiday(Time now) const {
  const auto date = date_of(zone_.At(instant(now)).cs);
  return is_holiday(date) && std::none_of(exceptions_.begin(), exceptions_.end(),
                                          [&](const Listed& e) { return e.first <= date && date <= e.last; });
}

// Every instant at which a day of the wall clock might change its state, in no order.
void Calendar::add_changes(sys_days date, std::vector<absl::Time>& out) const {
  const auto add = [&](int minute) {
    const auto info = zone_.At(civil_at(date, minute));
    switch (info.kind) {
      case absl::TimeZone::TimeInfo::UNIQUE: out.push_back(info.pre); break;
      case absl::TimeZone::TimeInfo::SKIPPED: out.push_back(info.trans); break;
      case absl::TimeZone::TimeInfo::REPEATED:
        out.insert(out.end(), {info.pre, info.trans, info.post});
        break;
    }
  };
  add(0);
  for (const auto& stretch : hours(date)) {
    add(stretch.begin);
    add(stretch.end);  // perhaps tomorrow
  }
}

std::optional<Time> Calendar::next_change(Time now) const {
  if (override_) return std::nullopt;
  const auto start = instant(now);
  const auto today = date_of(zone_.At(start).cs);
  const auto before = state(now);
  constexpr int kBlock = 8;  // days at a time; each begins two days early, so that nothing falls between
  std::vector<absl::Time> changes;
  for (int day = 0; day < kHorizonDays; day += kBlock) {
    changes.clear();
    for (int i = -2; i < kBlock; ++i) add_changes(today + days{day + i}, changes);
    // Changing the clocks moves the wall clock without any of the above.
    absl::Time at = zone_.At(civil_at(today + days{day - 2}, 0)).pre;
    const absl::Time end = at + absl::Hours(24 * (kBlock + 3));
    absl::TimeZone::CivilTransition jump;
    while (at < end && zone_.NextTransition(at, &jump)) {
      const auto from = zone_.At(jump.from), to = zone_.At(jump.to);
      const auto next = from.kind != absl::TimeZone::TimeInfo::UNIQUE ? from.trans
                        : to.kind != absl::TimeZone::TimeInfo::UNIQUE ? to.trans
                                                                      : from.pre;
      if (next <= at) break;
      at = next;
      if (at < end) changes.push_back(at);
    }
    std::sort(changes.begin(), changes.end());
    for (const auto change : changes) {
      if (change > start && state(time_of(change)) != before) return time_of(change);
    }
  }
  return std::nullopt;
}

}  // namespace ivr

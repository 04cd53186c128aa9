#include "core/flow_scope.hpp"

#include <algorithm>

#include "absl/time/civil_time.h"

namespace ivr {

namespace flow {

namespace {

constexpr std::size_t kMaxKept = 64 << 10;

std::string_view to_string(CalendarState state) {
  switch (state) {
    case CalendarState::open: return "open";
    case CalendarState::closed: return "closed";
    case CalendarState::emergency: return "emergency";
  }
  return "";
}

std::string_view by_whom(outcome::EndedBy by) {
  switch (by) {
    case outcome::EndedBy::caller: return "caller";
    case outcome::EndedBy::script: return "script";
    case outcome::EndedBy::system: return "system";
  }
  return "";
}

void append_two_digits(std::string& s, int n) {
  s += {static_cast<char>('0' + n / 10 % 10), static_cast<char>('0' + n % 10)};
}

}  // namespace

Scope::Scope(const Model& model, const FlowRunOptions& options) : model_(model), options_(options) {
  slots_.resize(static_cast<std::size_t>(model_.names.size()));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].value = model_.variables[i].initial;
    slots_[i].secret = model_.variables[i].secret;
  }
  for (const auto& [name, json] : options_.variables) {
    const int slot = model_.names.find(name);
    if (slot < 0) continue;
    const Json parsed = Json::parse(json, nullptr, false);
    if (!parsed.is_discarded()) slots_[static_cast<std::size_t>(slot)].value = value_of(parsed);
  }
}

View Scope::read(const Path& path) {
  switch (path.root) {
    case Path::Root::variable: {
      const Slot& slot = slots_[static_cast<std::size_t>(path.slot)];
      secret = secret || slot.secret;
      redacted = redacted || slot.redacted;
      unknown = unknown || slot.redacted;
      return step_into(view(slot.value), path.rest);
    }
    case Path::Root::language: return std::string_view(language_name());
    case Path::Root::call_id: return std::string_view(call.id);
    case Path::Root::call_caller: return std::string_view(call.caller);
    case Path::Root::call_called: return std::string_view(call.called);
    case Path::Root::call_direction:
      return std::string_view(call.direction == Direction::inbound ? "inbound" : "outbound");
    case Path::Root::call_caller_uri: return std::string_view(call.caller_uri);
    case Path::Root::call_called_uri: return std::string_view(call.called_uri);
    case Path::Root::call_user: return std::string_view(call.user);
    case Path::Root::hangup_by: return over ? View{by_whom(over->by)} : View{};
    case Path::Root::hangup_reason: return over ? View{std::string_view(over->reason)} : View{};
    case Path::Root::call_node: return node.empty() ? View{} : View{node};
    case Path::Root::now_epoch:
      return std::int64_t{std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count()};
    case Path::Root::now_hour:
    case Path::Root::now_minute:
    case Path::Root::now_weekday:
    case Path::Root::now_date:
    case Path::Root::now_time: return local(path.root);
    case Path::Root::calendar_open: return calendar(path.rest[0]) == CalendarState::open;
    case Path::Root::queue_position: return std::int64_t{news.position};
    case Path::Root::queue_wait_minutes:
      if (!news.wait) return {};
      return std::int64_t{std::chrono::ceil<std::chrono::minutes>(*news.wait).count()};
    case Path::Root::queue_more_than: return news.more_than;
    case Path::Root::calendar_state: return to_string(calendar(path.rest[0]));
  }
  return {};
}

// The caller's clock.
View Scope::local(Path::Root what) {
  const absl::CivilMinute minute = absl::ToCivilMinute(absl::FromChrono(now), options_.zone);
  switch (what) {
    case Path::Root::now_hour: return std::int64_t{minute.hour()};
    case Path::Root::now_minute: return std::int64_t{minute.minute()};
    case Path::Root::now_weekday: {
      static constexpr std::string_view kDays[] = {"monday", "tuesday",  "wednesday", "thursday",
                                                   "friday", "saturday", "sunday"};
      return kDays[static_cast<std::size_t>(absl::GetWeekday(minute))];
    }
    case Path::Root::now_date: {
      std::string& s = scratch();
      s = std::to_string(minute.year());
      s += '-';
      append_two_digits(s, minute.month());
      s += '-';
      append_two_digits(s, minute.day());
      return std::string_view(s);
    }
    default: {
      std::string& s = scratch();
      append_two_digits(s, minute.hour());
      s += ':';
      append_two_digits(s, minute.minute());
      return std::string_view(s);
    }
  }
}

std::string Scope::set(int slot, Value value, bool is_secret, bool is_redacted) {
  if (auto* s = std::get_if<std::string>(&value); s && s->size() > kMaxKept) s->resize(kMaxKept);
  Slot& target = slots_[static_cast<std::size_t>(slot)];
  target.secret = is_secret || model_.variables[static_cast<std::size_t>(slot)].secret;
  target.redacted = is_redacted;
  target.value = std::move(value);
  if (target.secret) return "***";
  std::string shown;
  append_json(view(target.value), shown);
  return shown;
}

CalendarState Scope::calendar(const std::string& name) {
  const bool replays = !options_.recorded_way.empty();
  const auto state = options_.calendars ? options_.calendars(name, now) : std::nullopt;
  redacted = redacted || replays;
  unknown = unknown || (replays && !state);
  return state.value_or(CalendarState::closed);
}

bool Scope::on_list(const std::string& name, const std::vector<std::string>& of_document) {
  const bool replays = !options_.recorded_way.empty();
  const auto listed = options_.lists ? options_.lists(name, call.caller) : std::nullopt;
  redacted = redacted || replays;
  unknown = unknown || (replays && !listed && of_document.empty());
  return listed.value_or(matches_caller(of_document, call.caller));
}

std::string Scope::variables_json() const {
  Json out = Json::object();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.value.index() == 0) continue;
    Json& shown = out[model_.names.name(static_cast<int>(i))];
    if (slot.secret) {
      shown = "***";
    } else {
      std::string text;
      append_json(view(slot.value), text);
      shown = Json::parse(text, nullptr, false);
    }
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const std::string& Scope::language_name() const noexcept {
  return model_.languages[static_cast<std::size_t>(language)];
}

}  // namespace flow

bool matches_caller(const std::vector<std::string>& callers, std::string_view caller) {
  return std::any_of(callers.begin(), callers.end(), [&](const std::string& one) {
    if (!one.empty() && one.back() == '*')
      return caller.substr(0, one.size() - 1) == std::string_view(one).substr(0, one.size() - 1);
    return caller == one;
  });
}

absl::StatusOr<CalendarLookup> flow_calendars(const Flow& flow, const ZoneLoader& load_zone,
                                              CalendarLookup site) {
  auto calendars = std::make_shared<std::vector<std::pair<std::string, Calendar>>>();
  for (const auto& [name, options] : flow.calendars()) {
    const auto zone = load_zone(options.time_zone);
    if (!zone.ok()) return zone.status();
    auto calendar = Calendar::create(options, *zone);
    if (!calendar.ok()) return calendar.status();
    calendars->emplace_back(name, *std::move(calendar));
  }
  return [calendars, site = std::move(site)](std::string_view name, Time at) -> std::optional<CalendarState> {
    if (site) {
      if (const auto state = site(name, at)) return state;
    }
    for (const auto& [known, calendar] : *calendars) {
      if (known == name) return calendar.state(at);
    }
    return std::nullopt;
  };
}

}  // namespace ivr

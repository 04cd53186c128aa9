#include "core/flow_names.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace ivr::flow {

namespace {

struct Builtin {
  std::string_view name;
  Path::Root root;
};
constexpr Builtin kBuiltins[] = {
    {"language", Path::Root::language},
    {"call.id", Path::Root::call_id},
    {"call.caller", Path::Root::call_caller},
    {"call.called", Path::Root::call_called},
    {"call.direction", Path::Root::call_direction},
    {"call.caller_uri", Path::Root::call_caller_uri},
    {"call.called_uri", Path::Root::call_called_uri},
    {"call.node", Path::Root::call_node},
    {"call.user", Path::Root::call_user},
    {"hangup.by", Path::Root::hangup_by},
    {"hangup.reason", Path::Root::hangup_reason},
    {"now.hour", Path::Root::now_hour},
    {"now.minute", Path::Root::now_minute},
    {"now.weekday", Path::Root::now_weekday},
    {"now.date", Path::Root::now_date},
    {"now.time", Path::Root::now_time},
    {"now.epoch", Path::Root::now_epoch},
};

// Only in announcements.
constexpr Builtin kNews[] = {
    {"queue.position", Path::Root::queue_position},
    {"queue.wait_minutes", Path::Root::queue_wait_minutes},
    {"queue.more_than", Path::Root::queue_more_than},
};

struct Named {
  std::string_view name;
};
constexpr Named kResults[] = {{"queue.agent"},        {"queue.waited"},       {"queue.tried"},
                              {"queue.recording"},    {"transfer.cause"},     {"transfer.status"},
                              {"transfer.recording"}, {"agent_status.agent"}, {"agent_status.state"}};

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t up = row[j];
      row[j] = std::min({up + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = up;
    }
  }
  return row[b.size()];
}

}  // namespace

bool is_name(std::string_view s) {
  return !s.empty() && s.size() <= 64 && is_letter(s[0]) &&
         std::all_of(s.begin(), s.end(), [](char c) { return is_letter(c) || is_digit(c); });
}

bool is_node_name(std::string_view s) {
  return !s.empty() && s.size() <= 64 &&
         std::all_of(s.begin(), s.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

bool is_token(std::string_view s) {
  constexpr std::string_view kAlso = "!#$%&'*+-.^_`|~";
  return !s.empty() && s.size() <= 100 && std::all_of(s.begin(), s.end(), [&](char c) {
    return is_letter(c) || is_digit(c) || kAlso.find(c) != kAlso.npos;
  });
}

std::string suggestion(std::string_view wrong, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  std::size_t least = std::max<std::size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& name : known) {
    if (wrong.size() > 100 || name.size() > 100) continue;
    if (wrong.size() >= 3 && name.compare(0, wrong.size(), wrong) == 0)
      return "; did you mean '" + name + "'?";
    if (const std::size_t d = distance(wrong, name); d < least && d < std::max(name.size(), wrong.size()))
      least = d, best = &name;
  }
  if (best) return "; did you mean '" + *best + "'?";
  if (known.empty() || known.size() > 40) return "";
  std::string list = "; known: ";
  for (std::size_t i = 0; i < known.size(); ++i) list += (i ? ", " : "") + known[i];
  return list;
}

std::string in_quotes(std::string_view s) { return "'" + std::string(s) + "'"; }

int Names::slot(std::string_view name) {
  const auto [it, fresh] = slots_.try_emplace(std::string(name), size());
  if (fresh) names_.emplace_back(name);
  return it->second;
}

int Names::find(std::string_view name) const {
  const auto it = slots_.find(std::string(name));
  return it == slots_.end() ? -1 : it->second;
}

absl::StatusOr<Path> Path::parse(std::string_view text, Names& names) {
  const auto bad = [&](const std::string& why) { return absl::InvalidArgumentError(in_quotes(text) + why); };
  Path path;
  std::vector<std::string> parts;
  std::string part;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || text[i] == '.') {
      if (part.empty()) return bad(" is not a variable: a name is missing");
      parts.push_back(std::move(part));
      part.clear();
    } else if (is_letter(text[i]) || is_digit(text[i])) {
      part += text[i];
    } else {
      return bad(" is not a variable: names are letters, digits and _, joined by '.'");
    }
  }
  if (is_digit(parts[0][0])) return bad(" is not a variable: a name does not start with a digit");
  if (parts.size() > 16) return bad(" goes " + std::to_string(parts.size()) + " levels deep, at most 16");
  if (parts[0] == "calendar") {
    if (parts.size() != 3 || (parts[2] != "open" && parts[2] != "state"))
      return bad(": a calendar is read as calendar.NAME.open or calendar.NAME.state");
    path.root = parts[2] == "open" ? Root::calendar_open : Root::calendar_state;
    path.rest = {parts[1]};
    return path;
  }
  if (parts[0] == "call" || parts[0] == "now" || parts[0] == "hangup" || parts[0] == "language") {
    for (const Builtin& b : kBuiltins) {
      if (b.name == text) {
        path.root = b.root;
        return path;
      }
    }
    return absl::InvalidArgumentError("no built-in variable " + in_quotes(text) +
                                      suggestion(text, names_of(kBuiltins)));
  }
  if (parts[0] == kQueueResult || parts[0] == kTransferResult || parts[0] == kAgentStatusResult) {
    for (const Builtin& b : kNews) {
      if (b.name != text) continue;
      if (!names.announcing)
        return bad(" is known only in 'position_say', 'more_than_say' and 'wait_say' of a queue");
      path.root = b.root;
      return path;
    }
    const auto known = [&](const Named& r) {
      return parts.size() > 1 && r.name == parts[0] + "." + parts[1];
    };
    if (std::none_of(std::begin(kResults), std::end(kResults), known)) {
      std::vector<std::string> names_there = names_of(kResults);
      if (names.announcing)
        for (const Builtin& b : kNews) names_there.emplace_back(b.name);
      return absl::InvalidArgumentError("no built-in variable " + in_quotes(text) +
                                        suggestion(text, names_there));
    }
  }
  path.slot = names.slot(parts[0]);
  path.rest.assign(std::make_move_iterator(parts.begin() + 1), std::make_move_iterator(parts.end()));
  return path;
}

View step_into(View value, const std::vector<std::string>& rest, std::size_t from) {
  for (std::size_t i = from; i < rest.size(); ++i) {
    const auto* j = std::get_if<const Json*>(&value);
    if (!j) return {};
    if ((*j)->is_object()) {
      const auto it = (*j)->find(rest[i]);
      if (it == (*j)->end()) return {};
      value = view(*it);
    } else {
      std::size_t index = 0;
      const auto r = std::from_chars(rest[i].data(), rest[i].data() + rest[i].size(), index);
      if (r.ec != std::errc{} || r.ptr != rest[i].data() + rest[i].size() || index >= (*j)->size()) return {};
      value = view((**j)[index]);
    }
  }
  return value;
}

}  // namespace ivr::flow

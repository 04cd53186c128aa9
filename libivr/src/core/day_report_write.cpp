#include <array>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ivr/csv.hpp"
#include "ivr/day_report.hpp"

// The report as files: what a spreadsheet reads, and what a program reads.

namespace ivr {
namespace {

using Json = nlohmann::ordered_json;

std::string local(Time at, absl::TimeZone zone) {
  if (at == Time{}) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", absl::FromUnixMicros(at.time_since_epoch().count()), zone);
}

// "12.345", exactly: no floating point in between.
std::string seconds(Millis d) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%lld.%03lld", static_cast<long long>(d.count() / 1000),
                static_cast<long long>(d.count() % 1000));
  return text.data();
}
std::string seconds(Micros d) { return seconds(std::chrono::duration_cast<Millis>(d)); }
Millis average(Millis sum, int count) { return count ? sum / count : Millis{0}; }

std::string ratio(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4f", value);
  return text.data();
}

std::string_view to_string(acd::Exit exit) {
  switch (exit) {
    case acd::Exit::served: return "served";
    case acd::Exit::timeout: return "timeout";
    case acd::Exit::full: return "full";
    case acd::Exit::unavailable: return "unavailable";
    case acd::Exit::abandoned: return "abandoned";
    case acd::Exit::key: return "key";
    case acd::Exit::moved: return "moved";
    case acd::Exit::callback: return "callback";
    case acd::Exit::system: return "system";
  }
  return "";
}

template <class Row>
struct Column {
  std::string_view name;
  bool text;  // else a number, or nothing
  std::string (*cell)(const Row&);
};

template <class Row, std::size_t kColumns>
std::string csv_of(const Column<Row> (&columns)[kColumns], const std::vector<Row>& rows) {
  std::string out;
  CsvWriter csv(out);
  for (const auto& column : columns) csv.text(column.name);
  csv.end();
  for (const Row& row : rows) {
    for (const auto& column : columns) {
      column.text ? csv.text(column.cell(row)) : csv.number(column.cell(row));
    }
    csv.end();
  }
  return out;
}

template <class Row, std::size_t kColumns>
Json json_of(const Column<Row> (&columns)[kColumns], const std::vector<Row>& rows) {
  Json all = Json::array();
  for (const Row& row : rows) {
    Json object = Json::object();
    for (const auto& column : columns) {
      const std::string cell = column.cell(row);
      Json& value = object[std::string(column.name)];
      if (column.text) value = cell;
      if (!column.text && !cell.empty()) value = Json::parse(cell, nullptr, false);
    }
    all.push_back(std::move(object));
  }
  return all;
}

// ---------------------------------------------------------------------------------------------- tables

struct CallRow {
  const CallRecord& r;
  const CallStory& s;
  bool queued;
  absl::TimeZone zone;
};
std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : " ").append(name);
  return out;
}
std::string path_of(const CallRecord& record) {
  const Json nodes = Json::parse(record.path, nullptr, false);
  std::vector<std::string> names;
  if (nodes.is_array()) {
    for (const Json& node : nodes) names.push_back(node.is_string() ? node.get<std::string>() : "");
  }
  return joined(names);
}
constexpr Column<CallRow> kCallColumns[] = {
    {"call", true, [](const CallRow& c) { return c.r.id; }},
    {"direction", true,
     [](const CallRow& c) -> std::string {
       return c.r.direction == Direction::inbound ? "inbound" : "outbound";
     }},
    {"started", true, [](const CallRow& c) { return local(c.r.started, c.zone); }},
    {"answered", true, [](const CallRow& c) { return local(c.r.answered, c.zone); }},
    {"ended", true, [](const CallRow& c) { return local(c.r.ended, c.zone); }},
    {"caller", true, [](const CallRow& c) { return c.r.caller; }},
    {"called", true, [](const CallRow& c) { return c.r.called; }},
    {"flow", true, [](const CallRow& c) { return c.r.flow; }},
    {"status", true, [](const CallRow& c) { return c.r.status; }},
    {"cause", true, [](const CallRow& c) { return c.r.cause; }},
    {"language", true, [](const CallRow& c) { return c.r.language; }},
    {"duration_s", false,
     [](const CallRow& c) -> std::string {
       const bool both = c.r.answered != Time{} && c.r.ended != Time{};
       return both ? seconds(c.r.ended - c.r.answered) : "";
     }},
    {"queue", true, [](const CallRow& c) { return c.s.queue; }},
    {"exit", true,
     [](const CallRow& c) { return c.s.left ? std::string(to_string(c.s.exit)) : std::string(); }},
    {"agent", true, [](const CallRow& c) { return c.s.agent; }},
    {"tried", true, [](const CallRow& c) { return joined(c.s.tried); }},
    {"waited_s", false, [](const CallRow& c) { return c.queued ? seconds(c.s.waited) : std::string(); }},
    {"rang_s", false, [](const CallRow& c) { return c.queued ? seconds(c.s.rang) : std::string(); }},
    {"talked_s", false, [](const CallRow& c) { return c.queued ? seconds(c.s.talked) : std::string(); }},
    {"path", true, [](const CallRow& c) { return path_of(c.r); }},
    {"recording", true, [](const CallRow& c) { return c.r.recording; }},
};

struct QueueRow {
  const std::string& id;
  const DayReport::Queue& q;
};
constexpr Column<QueueRow> kQueueColumns[] = {
    {"queue", true, [](const QueueRow& r) { return r.id; }},
    {"joined", false, [](const QueueRow& r) { return std::to_string(r.q.joined); }},
    {"served", false, [](const QueueRow& r) { return std::to_string(r.q.served); }},
    {"served_in_time", false, [](const QueueRow& r) { return std::to_string(r.q.in_time); }},
    {"abandoned", false, [](const QueueRow& r) { return std::to_string(r.q.abandoned); }},
    {"abandoned_in_time", false, [](const QueueRow& r) { return std::to_string(r.q.abandoned_in_time); }},
    {"short_abandoned", false, [](const QueueRow& r) { return std::to_string(r.q.short_abandoned); }},
    {"timed_out", false, [](const QueueRow& r) { return std::to_string(r.q.timed_out); }},
    {"full", false, [](const QueueRow& r) { return std::to_string(r.q.full); }},
    {"unavailable", false, [](const QueueRow& r) { return std::to_string(r.q.unavailable); }},
    {"key", false, [](const QueueRow& r) { return std::to_string(r.q.key); }},
    {"moved", false, [](const QueueRow& r) { return std::to_string(r.q.moved); }},
    {"callback", false, [](const QueueRow& r) { return std::to_string(r.q.callback); }},
    {"system", false, [](const QueueRow& r) { return std::to_string(r.q.system); }},
    {"average_wait_s", false,
     [](const QueueRow& r) { return seconds(average(r.q.wait_served, r.q.served)); }},
    {"average_wait_abandoned_s", false,
     [](const QueueRow& r) {
       return seconds(average(r.q.wait_abandoned, r.q.abandoned + r.q.short_abandoned));
     }},
    {"longest_wait_s", false, [](const QueueRow& r) { return seconds(r.q.longest_wait); }},
    {"talked_s", false, [](const QueueRow& r) { return seconds(r.q.talked); }},
    {"average_talk_s", false, [](const QueueRow& r) { return seconds(average(r.q.talked, r.q.served)); }},
    {"service_level", false, [](const QueueRow& r) { return ratio(r.q.service_level()); }},
    {"service_level_2", false, [](const QueueRow& r) { return ratio(r.q.service_level_2()); }},
    {"service_level_2_abandons", false,
     [](const QueueRow& r) { return ratio(r.q.service_level_2_abandons()); }},
    {"estimates", false, [](const QueueRow& r) { return std::to_string(r.q.estimates); }},
    {"average_estimate_error_s", false,
     [](const QueueRow& r) { return seconds(average(r.q.estimate_error, r.q.estimates)); }},
};

struct AgentRow {
  const std::string& id;
  const DayReport::Agent& a;
  std::string in(AgentState state) const { return seconds(a.in[static_cast<std::size_t>(state)]); }
};
constexpr Column<AgentRow> kAgentColumns[] = {
    {"agent", true, [](const AgentRow& r) { return r.id; }},
    {"state", true, [](const AgentRow& r) { return std::string(ivr::to_string(r.a.state)); }},
    {"offered", false, [](const AgentRow& r) { return std::to_string(r.a.offered); }},
    {"served", false, [](const AgentRow& r) { return std::to_string(r.a.served); }},
    {"missed", false, [](const AgentRow& r) { return std::to_string(r.a.missed); }},
    {"busy", false, [](const AgentRow& r) { return std::to_string(r.a.busy); }},
    {"rejected", false, [](const AgentRow& r) { return std::to_string(r.a.rejected); }},
    {"unreachable", false, [](const AgentRow& r) { return std::to_string(r.a.unreachable); }},
    {"talked_s", false, [](const AgentRow& r) { return seconds(r.a.talked); }},
    {"average_talk_s", false, [](const AgentRow& r) { return seconds(average(r.a.talked, r.a.served)); }},
    {"logged_in_s", false, [](const AgentRow& r) { return seconds(r.a.logged_in()); }},
    {"available_s", false, [](const AgentRow& r) { return r.in(AgentState::available); }},
    {"on_call_s", false, [](const AgentRow& r) { return r.in(AgentState::on_call); }},
    {"wrap_up_s", false, [](const AgentRow& r) { return r.in(AgentState::wrap_up); }},
    {"on_break_s", false, [](const AgentRow& r) { return r.in(AgentState::on_break); }},
    {"occupancy", false, [](const AgentRow& r) { return ratio(r.a.occupancy()); }},
};

struct ServiceRow {
  const std::string& queue;
  std::string from, to;
  const DayReport::Service& s;
};
constexpr Column<ServiceRow> kServiceColumns[] = {
    {"queue", true, [](const ServiceRow& r) { return r.queue; }},
    {"from", true, [](const ServiceRow& r) { return r.from; }},
    {"to", true, [](const ServiceRow& r) { return r.to; }},
    {"counted", false, [](const ServiceRow& r) { return std::to_string(r.s.counted()); }},
    {"served", false, [](const ServiceRow& r) { return std::to_string(r.s.served); }},
    {"served_in_time", false, [](const ServiceRow& r) { return std::to_string(r.s.in_time); }},
    {"abandoned", false, [](const ServiceRow& r) { return std::to_string(r.s.abandoned); }},
    {"short_abandoned", false, [](const ServiceRow& r) { return std::to_string(r.s.short_abandoned); }},
    {"service_level", false, [](const ServiceRow& r) { return ratio(r.s.service_level()); }},
    {"service_level_2", false, [](const ServiceRow& r) { return ratio(r.s.service_level_2()); }},
};

std::vector<CallRow> rows_of(const std::vector<DayReport::Call>& calls, absl::TimeZone zone) {
  std::vector<CallRow> rows;
  for (const auto& call : calls) rows.push_back({call.record, call.story, call.queued, zone});
  return rows;
}
std::vector<QueueRow> rows_of(const std::map<std::string, DayReport::Queue>& queues) {
  std::vector<QueueRow> rows;
  for (const auto& [id, queue] : queues) rows.push_back({id, queue});
  return rows;
}
std::vector<AgentRow> rows_of(const std::map<std::string, DayReport::Agent>& agents) {
  std::vector<AgentRow> rows;
  for (const auto& [id, agent] : agents) rows.push_back({id, agent});
  return rows;
}
std::vector<ServiceRow> rows_of(const DayReport& report, absl::TimeZone zone) {
  std::vector<ServiceRow> rows;
  for (const auto& [id, queue] : report.queues()) {
    for (const auto& [slot, service] : queue.slots) {
      const Time from = report.since() + slot * Micros{report.slot()};
      rows.push_back({id, local(from, zone), local(from + report.slot(), zone), service});
    }
  }
  return rows;
}

}  // namespace

std::string DayReport::calls_csv(absl::TimeZone zone) const {
  return csv_of(kCallColumns, rows_of(calls_, zone));
}
std::string DayReport::queues_csv() const { return csv_of(kQueueColumns, rows_of(queues_)); }
std::string DayReport::agents_csv() const { return csv_of(kAgentColumns, rows_of(agents_)); }
std::string DayReport::service_level_csv(absl::TimeZone zone) const {
  return csv_of(kServiceColumns, rows_of(*this, zone));
}

std::string DayReport::to_json(absl::TimeZone zone) const {
  Json all = Json::object();
  all["since"] = local(since_, zone);
  all["until"] = local(until_, zone);
  Json& totals = all["totals"];
  totals["calls"] = totals_.calls;
  totals["answered"] = totals_.answered;
  totals["completed"] = totals_.completed;
  totals["failed"] = totals_.failed;
  totals["abandoned"] = totals_.abandoned;
  totals["open"] = totals_.open;
  totals["success"] = Json::parse(ratio(totals_.success()));
  totals["average_duration_s"] = Json::parse(seconds(average(totals_.duration, totals_.timed)));
  totals["busiest_from"] =
      totals_.busiest_slot < 0 ? Json() : Json(local(since_ + totals_.busiest_slot * Micros{slot_}, zone));
  totals["calls_in_busiest"] = totals_.in_busiest_slot;
  all["queues"] = json_of(kQueueColumns, rows_of(queues_));
  all["agents"] = json_of(kAgentColumns, rows_of(agents_));
  all["service_level"] = json_of(kServiceColumns, rows_of(*this, zone));
  all["calls"] = json_of(kCallColumns, rows_of(calls_, zone));
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ivr

#include "simulation.hpp"

#include <fstream>
#include <iterator>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "ivr/flow_run.hpp"
#include "ivr/site_setup.hpp"
#include "ivr/store.hpp"

namespace {

absl::StatusOr<absl::TimeZone> zone_of(std::string_view name) {
  absl::TimeZone zone = absl::UTCTimeZone();
  if (name != "UTC" && !absl::LoadTimeZone(std::string(name), &zone))
    return absl::NotFoundError("no time zone '" + std::string(name) + "' on this machine");
  return zone;
}

}  // namespace

absl::StatusOr<std::string> text_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.is_open() || stream.bad()) return absl::NotFoundError(file + ": cannot be read");
  return text;
}

absl::StatusOr<ivr::SimulatorOptions> simulation_of(const FlowFiles& files, const std::string& flow_file,
                                                    const std::string& site_file,
                                                    const std::string& callers_file, const std::string& start,
                                                    absl::TimeZone* local_zone) {
  const auto named = [](const std::string& file, const absl::Status& why) {
    return absl::Status(why.code(), file + ":\n" + std::string(why.message()));
  };
  ivr::SimulatorOptions options;
  ivr::FlowCheckOptions check;
  ivr::FlowSite lookups;
  ivr::Site site;
  if (!site_file.empty()) {
    auto text = text_of(site_file);
    if (!text.ok()) return text.status();
    auto parsed = ivr::parse_site(*text);
    if (!parsed.ok()) return named(site_file, parsed.status());
    site = *std::move(parsed);
    check = ivr::flow_checks(site);
    auto made = ivr::flow_site(site);
    if (!made.ok()) return named(site_file, made.status());
    lookups = *std::move(made);
    options.agents = site.agents;
    options.queues = site.queues;
    options.lists = lookups.lists;
  }
  const auto document = files.document(flow_file);
  if (!document.ok()) return document.status();
  auto flow = ivr::Flow::load(*document, check);
  if (!flow.ok()) return named(flow_file, flow.status());
  options.flow = *flow;
  auto calendars = ivr::flow_calendars(**flow, zone_of, lookups.calendars);
  if (!calendars.ok()) return calendars.status();
  options.calendars = *calendars;
  auto zone = zone_of((*flow)->time_zone());
  if (!zone.ok()) return zone.status();
  options.zone = *zone;
  for (const ivr::SiteExtension& extension : site.extensions) {  // the one that leads to this flow
    const std::string file = extension.flow.substr(extension.flow.find_last_of('/') + 1);
    if (extension.flow.empty() || file != flow_file.substr(flow_file.find_last_of('/') + 1)) continue;
    options.called = extension.number;
    options.record = extension.record;
    options.variables = extension.variables;
    break;
  }
  // Its hours are those of its first calendar's zone, where it has one.
  absl::TimeZone local = *zone;
  const auto& first = !site.calendars.empty() ? site.calendars : (*flow)->calendars();
  if ((*flow)->time_zone() == "UTC" && !first.empty()) {
    auto of_calendar = zone_of(first.front().second.time_zone);
    if (!of_calendar.ok()) return of_calendar.status();
    local = *of_calendar;
  }
  if (local_zone != nullptr) *local_zone = local;
  absl::CivilDay day(2026, 3, 15);
  if (!start.empty() && !absl::ParseCivilTime(start, &day))
    return absl::InvalidArgumentError("'" + start + "' is no date; write 2026-03-15");
  options.start = ivr::Time(ivr::Micros(absl::ToUnixMicros(absl::FromCivil(day, local))));
  if (!callers_file.empty()) {
    auto callers = text_of(callers_file);
    if (!callers.ok()) return callers.status();
    if (auto read = ivr::read_callers(*callers, options); !read.ok()) return named(callers_file, read);
  }
  return options;
}

absl::StatusOr<std::vector<ivr::RecordedArrival>> arrivals_of(const std::string& file,
                                                              const ivr::Flow& flow) {
  if (file.ends_with(".json")) {
    auto text = text_of(file);
    if (!text.ok()) return text.status();
    auto arrivals = ivr::parse_arrivals(*text);
    if (!arrivals.ok())
      return absl::InvalidArgumentError(file + ":\n" + std::string(arrivals.status().message()));
    if (arrivals->empty()) return absl::InvalidArgumentError(file + ": no arrivals");
    return arrivals;
  }
  auto store = ivr::open_store(file, ivr::StoreAccess::read);
  if (!store.ok()) return store.status();
  std::vector<ivr::RecordedArrival> arrivals;
  constexpr int kAtOnce = 1000;
  for (int offset = 0;; offset += kAtOnce) {
    const auto calls = (*store)->calls_between(ivr::Time{}, ivr::Time::max(), kAtOnce, offset);
    if (!calls.ok()) return calls.status();
    for (const ivr::CallRecord& call : *calls) {
      if (call.direction != ivr::Direction::inbound || call.flow != flow.id()) continue;
      ivr::RecordedArrival& arrival = arrivals.emplace_back();
      arrival.at = call.started;
      arrival.caller = call.caller;
      arrival.called = call.called;
      if (call.talked > ivr::Millis{0}) arrival.talk = call.talked;
      if (call.talked == ivr::Millis{0} && call.waited > ivr::Millis{0} && call.cause == "caller")
        arrival.patience = call.waited;
      const auto visits = (*store)->visits(call.id);
      if (!visits.ok()) return visits.status();
      for (const ivr::NodeVisit& visit : *visits) {
        const bool asks = visit.type == "menu" || visit.type == "gather" || visit.type == "welcome";
        if (asks && visit.input.find_first_not_of("0123456789#ABCD") == std::string::npos &&
            !visit.exit.empty())
          arrival.answers.emplace_back(visit.node, visit.input);
      }
    }
    if (calls->size() < kAtOnce) break;
  }
  if (arrivals.empty()) return absl::InvalidArgumentError(file + ": no calls of the flow " + flow.id());
  return arrivals;
}

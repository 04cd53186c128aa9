#include "ivr/flow_route.hpp"

#include "edge/time_zones.hpp"
#include "ivr/flow_run.hpp"

namespace ivr {
namespace {

// Percentages in a flow fall out by the call's id, so that its log alone says which way it went (FNV-1a, 64
// bits).
std::uint64_t seed_of(std::string_view id) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

// All that a run of the flow needs but the call itself.
struct Runs {
  std::shared_ptr<const Flow> flow;
  CalendarLookup calendars;
  CallerListLookup lists;
  absl::TimeZone zone;

  std::unique_ptr<Script> start(const CallInfo& call, std::vector<std::string> exits = {}) const {
    return std::make_unique<FlowRun>(flow, FlowRunOptions{.seed = seed_of(call.id),
                                                          .variables = call.variables,
                                                          .calendars = calendars,
                                                          .lists = lists,
                                                          .zone = zone,
                                                          .recorded_exits = std::move(exits)});
  }
};

absl::StatusOr<Runs> runs_of(std::shared_ptr<const Flow> flow, FlowSite site) {
  auto calendars = flow_calendars(*flow, load_time_zone, std::move(site.calendars));
  if (!calendars.ok()) return calendars.status();
  auto zone = load_time_zone(flow->time_zone());
  if (!zone.ok()) return zone.status();
  return Runs{std::move(flow), *std::move(calendars), std::move(site.lists), *zone};
}

}  // namespace

absl::StatusOr<Route> flow_route(std::string extension, std::shared_ptr<const Flow> flow,
                                 std::vector<std::pair<std::string, std::string>> variables, FlowSite site) {
  auto runs = runs_of(flow, std::move(site));
  if (!runs.ok()) return runs.status();
  Route route;
  route.extension = std::move(extension);
  route.flow = flow->id();
  route.flow_digest = flow->digest();
  route.flow_document = flow->to_json();
  route.variables = std::move(variables);
  route.answer_later = flow->answers_later();
  route.secret_type_ahead = flow->asks_for_secrets();
  route.preload = flow->static_prompts();
  route.queues = flow->queues();
  route.script = [runs = *std::move(runs)](const CallInfo& call) { return runs.start(call); };
  return route;
}

absl::StatusOr<ReplayResult> replay(std::span<const LogEntry> entries, std::shared_ptr<const Flow> flow) {
  if (entries.empty()) return absl::InvalidArgumentError("event log: it is empty");
  const auto* invited = std::get_if<event::Invited>(&entries.front().event);
  if (invited == nullptr)
    return absl::InvalidArgumentError("event log: it does not begin with the call's invitation");
  CallSessionOptions options;
  options.record =
      entries.size() > 1 &&
      entries[1].out.find("{\"start_record\":{\"record\":1,\"name\":\"call\"") != std::string::npos;
  options.answer_later = entries.front().out.find("{\"ring\":") != std::string::npos;
  options.secret_type_ahead = flow->asks_for_secrets();
  options.record_digits =
      !options.record || entries[1].out.find("\"without_digits\":true") == std::string::npos;
  const auto runs = runs_of(std::move(flow), {});
  if (!runs.ok()) return runs.status();
  return replay(entries, runs->start(invited->call, recorded_exits(entries)), options);
}

}  // namespace ivr

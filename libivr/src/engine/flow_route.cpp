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

std::unique_ptr<Script> run_flow(std::shared_ptr<const Flow> flow, const CallInfo& call,
                                 CalendarLookup calendars, std::vector<std::string> exits) {
  return std::make_unique<FlowRun>(std::move(flow), FlowRunOptions{.seed = seed_of(call.id),
                                                                   .variables = call.variables,
                                                                   .calendars = std::move(calendars),
                                                                   .recorded_exits = std::move(exits)});
}

}  // namespace

absl::StatusOr<Route> flow_route(std::string extension, std::shared_ptr<const Flow> flow,
                                 std::vector<std::pair<std::string, std::string>> variables) {
  auto calendars = flow_calendars(*flow, load_time_zone);
  if (!calendars.ok()) return calendars.status();
  Route route;
  route.extension = std::move(extension);
  route.flow = flow->id();
  route.flow_digest = flow->digest();
  route.flow_document = flow->to_json();
  route.variables = std::move(variables);
  route.answer_later = flow->answers_later();
  route.secret_type_ahead = flow->asks_for_secrets();
  route.preload = flow->static_prompts();
  route.script = [flow = std::move(flow), calendars = *std::move(calendars)](const CallInfo& call) {
    return run_flow(flow, call, calendars, {});
  };
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
  auto calendars = flow_calendars(*flow, load_time_zone);
  if (!calendars.ok()) return calendars.status();
  auto script = run_flow(std::move(flow), invited->call, *std::move(calendars), recorded_exits(entries));
  return replay(entries, std::move(script), options);
}

}  // namespace ivr

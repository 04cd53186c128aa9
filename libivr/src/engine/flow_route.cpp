#include "ivr/flow_route.hpp"

#include "edge/time_zones.hpp"
#include "ivr/flow_run.hpp"

namespace ivr {
namespace {

// Calls run on the very flow that shadow_flow() makes ready to run again.
std::unique_ptr<Script> start(const ShadowFlow& ready, const CallInfo& call, std::vector<FlowStep> way = {}) {
  return std::make_unique<FlowRun>(ready.flow, FlowRunOptions{.seed = flow_seed(call.id),
                                                              .variables = call.variables,
                                                              .calendars = ready.calendars,
                                                              .lists = ready.lists,
                                                              .zone = ready.zone,
                                                              .recorded_way = std::move(way)});
}

}  // namespace

absl::StatusOr<ShadowFlow> shadow_flow(std::shared_ptr<const Flow> flow, FlowSite site) {
  auto calendars = flow_calendars(*flow, load_time_zone, std::move(site.calendars));
  if (!calendars.ok()) return calendars.status();
  auto zone = load_time_zone(flow->time_zone());
  if (!zone.ok()) return zone.status();
  return ShadowFlow{std::move(flow), *std::move(calendars), std::move(site.lists), *zone};
}

absl::StatusOr<Route> flow_route(std::string extension, std::shared_ptr<const Flow> flow,
                                 std::vector<std::pair<std::string, std::string>> variables, FlowSite site) {
  auto ready = shadow_flow(flow, std::move(site));
  if (!ready.ok()) return ready.status();
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
  route.script = [ready = *std::move(ready)](const CallInfo& call) { return start(ready, call); };
  return route;
}

absl::StatusOr<ReplayResult> replay(std::span<const LogEntry> entries, std::shared_ptr<const Flow> flow) {
  if (entries.empty()) return absl::InvalidArgumentError("event log: it is empty");
  const auto* invited = std::get_if<event::Invited>(&entries.front().event);
  if (invited == nullptr)
    return absl::InvalidArgumentError("event log: it does not begin with the call's invitation");
  const CallSessionOptions options = recorded_options(entries, *flow);
  const auto ready = shadow_flow(std::move(flow));
  if (!ready.ok()) return ready.status();
  return replay(entries, start(*ready, invited->call, recorded_way(entries)), options);
}

}  // namespace ivr

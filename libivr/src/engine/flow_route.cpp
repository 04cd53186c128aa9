#include "ivr/flow_route.hpp"

#include <algorithm>

#include "edge/time_zones.hpp"
#include "ivr/flow_run.hpp"
#include "ivr/publishing.hpp"

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

absl::StatusOr<std::vector<Route>> published_routes(const std::vector<Route>& routes, StorePort& store,
                                                    const FlowSite& site, const FlowCheckOptions& host) {
  const auto flows = published_flows(store);
  if (!flows.ok()) return flows.status();
  std::vector<Route> out;
  for (const Route& route : routes) {
    const auto flow = std::ranges::find(*flows, route.flow, &PublishedFlow::id);
    if (route.flow.empty() || flow == flows->end()) {
      out.push_back(route);
      continue;
    }
    const auto live = std::make_shared<const std::vector<LiveVersion>>(flow->live());
    for (const LiveVersion& one : *live) {
      const auto fail = [&](const absl::Status& why) {
        return absl::Status(why.code(), "flow " + flow->id + ", version " + std::to_string(one.number) +
                                            ": " + std::string(why.message()));
      };
      const auto kept = store.flow(one.digest);
      if (!kept.ok()) return fail(kept.status());
      auto version = Flow::load(kept->document, host);
      if (!version.ok()) return fail(version.status());
      auto made = flow_route(route.extension, *std::move(version), route.variables, site);
      if (!made.ok()) return fail(made.status());
      made->record = route.record;
      made->record_digits = route.record_digits;
      made->takes = route.takes;
      if (live->size() > 1) {
        made->takes = [live, number = one.number, id = flow->id, all = route.takes](std::string_view caller) {
          return (!all || all(caller)) && version_for(*live, id, caller).number == number;
        };
      }
      out.push_back(*std::move(made));
    }
  }
  return out;
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

#pragma once
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/engine.hpp"
#include "ivr/event_log.hpp"
#include "ivr/flow.hpp"
#include "ivr/flow_run.hpp"
#include "ivr/shadow.hpp"

namespace ivr {

// What a site brings to its flows, see FlowRunOptions. Asked on the engine's control thread.
struct FlowSite {
  CalendarLookup calendars;
  CallerListLookup lists;
};

// A route that runs `flow` for each call of `extension`. The variables (name and JSON text) are set before
// the first node, over the document's defaults. The router must know flow->queues() by then.
// InvalidArgument or NotFound: the document, or a calendar of it, names a time zone that this machine does
// not have.
absl::StatusOr<Route> flow_route(std::string extension, std::shared_ptr<const Flow> flow,
                                 std::vector<std::pair<std::string, std::string>> variables = {},
                                 FlowSite site = {});

// Routes, each with the versions that are live in place of the document it came with, when its flow has been
// published (publishing.hpp); then callers share them. Everything else of a route stays. `host`: what a flow
// may name of the site. Errors name the flow and the version.
absl::StatusOr<std::vector<Route>> published_routes(const std::vector<Route>& routes, StorePort& store,
                                                    const FlowSite& site = {},
                                                    const FlowCheckOptions& host = {});

// A flow made ready for shadow(): with its time zones, and what the site says now. Errors as of flow_route().
absl::StatusOr<ShadowFlow> shadow_flow(std::shared_ptr<const Flow> flow, FlowSite site = {});

// Runs a recorded call through its flow again, on the very classes that ran it (docs/architecture.md, section
// 2).
absl::StatusOr<ReplayResult> replay(std::span<const LogEntry> entries, std::shared_ptr<const Flow> flow);

}  // namespace ivr

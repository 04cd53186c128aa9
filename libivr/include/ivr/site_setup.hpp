#pragma once
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/engine.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/site.hpp"

namespace ivr {

// What a site's calendars and caller lists answer to its flows. NotFound: a calendar names a time zone that
// this machine does not have.
absl::StatusOr<FlowSite> flow_site(const Site& site);

// Puts a site into the options of an engine: agents, queues, who may call how often, and a route for each
// extension, whose flows must be in `site.flows`. Not its demo users: whoever wants passwords in clear copies
// them himself.
absl::Status set_up(const Site& site, EngineOptions& options);

}  // namespace ivr

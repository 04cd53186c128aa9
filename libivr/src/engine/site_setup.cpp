#include "ivr/site_setup.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "core/agent_script.hpp"
#include "edge/time_zones.hpp"
#include "ivr/caller_gate.hpp"

namespace ivr {

absl::StatusOr<FlowSite> flow_site(const Site& site) {
  auto calendars = std::make_shared<std::map<std::string, Calendar, std::less<>>>();
  for (const auto& [name, options] : site.calendars) {
    auto zone = load_time_zone(options.time_zone);
    if (!zone.ok()) return zone.status();
    auto calendar = Calendar::create(options, *zone);
    if (!calendar.ok()) return calendar.status();
    calendars->emplace(name, *std::move(calendar));
  }
  auto lists = std::make_shared<const CallerLists>(site.lists);
  return FlowSite{.calendars = [calendars](std::string_view name, Time at) -> std::optional<CalendarState> {
                    const auto it = calendars->find(name);
                    if (it == calendars->end()) return std::nullopt;
                    return it->second.state(at);
                  },
                  .lists = [lists](std::string_view list, std::string_view caller) -> std::optional<bool> {
                    if (!lists->known(list)) return std::nullopt;
                    return lists->contains(list, caller);
                  }};
}

absl::Status set_up(const Site& site, EngineOptions& options) {
  options.agents = site.agents;
  options.queues = site.queues;
  options.callers = site.callers;
  options.caller_lists = site.lists;
  options.music = {site.music.begin(), site.music.end()};
  auto lookups = flow_site(site);
  if (!lookups.ok()) return lookups.status();
  FlowCheckOptions check;
  for (const auto& [name, calendar] : site.calendars) check.calendars.push_back(name);
  for (const CallerList& list : site.lists) check.lists.push_back(list.name);
  for (const SiteExtension& extension : site.extensions) {
    if (extension.standby) {
      options.routes.push_back({.extension = extension.number,
                                .record = extension.record,
                                .record_digits = extension.record_digits});
      options.routes.back().script = [](const CallInfo&) {
        return std::make_unique<AgentScript>(AgentScriptOptions{.standby = true});
      };
      continue;
    }
    const auto kept = std::ranges::find(site.flows, extension.flow, &SiteFlow::file);
    if (kept == site.flows.end() || kept->document.empty()) {
      return absl::NotFoundError("extension " + extension.number + ": the flow " + extension.flow +
                                 " is not among the site's flows");
    }
    auto flow = Flow::load(kept->document, check);
    if (!flow.ok()) return flow.status();
    auto route = flow_route(extension.number, *std::move(flow), extension.variables, *lookups);
    if (!route.ok()) return route.status();
    route->record = extension.record;
    route->record_digits = extension.record_digits;
    options.routes.push_back(*std::move(route));
  }
  return absl::OkStatus();
}

}  // namespace ivr

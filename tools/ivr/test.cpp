// ivr test: the unit tests of a flow.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.hpp"
#include "ivr/scenario.hpp"
#include "simulation.hpp"

int test_main(int argc, char** argv) {
  std::string flow_file, site_file, only;
  std::vector<std::string> files;
  FlowFiles documents;
  bool as_json = false, verbose = false;
  CLI::App app{
      "Runs the scenarios of a flow: what a caller does, and what must come of it. No time passes and nobody "
      "is\n"
      "called. Prints TAP: 'ok' or 'not ok' for each, and where it went differently.\n"
      "docs/simulation.md describes scenario files.\n"
      "Exit status: 0 all went as they must, 1 one did not, or a document has errors, 2 wrong usage or a "
      "file that\n"
      "cannot be read.",
      "ivr test"};
  app.add_option("flow", flow_file, "flow document")->required();
  app.add_option("scenarios", files, "scenario files (JSON)")->required();
  app.add_option("--site", site_file, "the site: agents, queues, calendars, caller lists");
  documents.add_option(app);
  app.add_option("--only", only, "those with this in their name");
  app.add_flag("--verbose,-v", verbose, "show each call, step by step; those that fail are shown anyway");
  app.add_flag("--json", as_json, "print one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr test: %s\n", std::string(why.message()).c_str());
    return absl::IsNotFound(why) ? 2 : 1;
  };
  absl::TimeZone local;
  const auto world = simulation_of(documents, flow_file, site_file, "", "", &local);
  if (!world.ok()) return fail(world.status());
  std::vector<ivr::Scenario> scenarios;
  for (const std::string& file : files) {
    const auto text = text_of(file);
    if (!text.ok()) return fail(text.status());
    auto read = ivr::parse_scenarios(*text, *world, local);
    if (!read.ok())
      return fail(absl::InvalidArgumentError(file + ":\n" + std::string(read.status().message())));
    for (ivr::Scenario& scenario : *read) {
      if (scenario.name.find(only) != std::string::npos) scenarios.push_back(std::move(scenario));
    }
  }
  if (scenarios.empty())
    return fail(absl::InvalidArgumentError("no scenario has '" + only + "' in its name"));
  nlohmann::ordered_json report{{"flow", world->flow->id()}, {"scenarios", nlohmann::ordered_json::array()}};
  if (!as_json) std::printf("TAP version 14\n1..%zu\n", scenarios.size());
  int failed = 0, number = 0;
  for (const ivr::Scenario& scenario : scenarios) {
    const ivr::ScenarioResult result = ivr::run_scenario(scenario);
    failed += !result.ok();
    ++number;
    if (as_json) {
      nlohmann::ordered_json moments = nlohmann::ordered_json::array();
      for (const ivr::ScenarioMoment& moment : result.moments)
        moments.push_back({{"at_ms", moment.at.count()}, {"what", moment.what}});
      report["scenarios"].push_back({{"name", scenario.name},
                                     {"ok", result.ok()},
                                     {"differences", result.differences},
                                     {"path", result.path},
                                     {"length_ms", result.length.count()},
                                     {"moments", std::move(moments)}});
      continue;
    }
    std::printf("%s %d - %s\n", result.ok() ? "ok" : "not ok", number, scenario.name.c_str());
    for (const std::string& difference : result.differences) std::printf("  # %s\n", difference.c_str());
    if (!verbose && result.ok()) continue;
    for (const ivr::ScenarioMoment& moment : result.moments)
      std::printf("  # %8.1f s  %s\n", static_cast<double>(moment.at.count()) / 1000, moment.what.c_str());
  }
  if (as_json) {
    report["passed"] = number - failed;
    report["failed"] = failed;
    std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (failed > 0) {
    std::printf("# %d of %d went differently\n", failed, number);
  }
  return failed > 0 ? 1 : 0;
}

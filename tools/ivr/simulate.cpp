// ivr simulate: calls that nobody has made.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

#include "commands.hpp"
#include "ivr/simulate.hpp"
#include "simulation.hpp"

namespace {

class Progress {
 public:
  explicit Progress(std::int64_t all) : all_(all), shown_(isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (drawn_) std::fprintf(stderr, "\r\033[K");
  }
  bool operator()(std::int64_t done) {
    if (!shown_ || all_ <= 0) return true;
    constexpr int kWidth = 40;
    const int full = static_cast<int>(done * kWidth / all_);
    std::fprintf(stderr, "\r[%s%s] %lld of %lld calls",
                 std::string(static_cast<std::size_t>(full), '#').c_str(),
                 std::string(static_cast<std::size_t>(kWidth - full), '.').c_str(),
                 static_cast<long long>(done), static_cast<long long>(all_));
    std::fflush(stderr);
    drawn_ = true;
    return true;
  }

 private:
  std::int64_t all_;
  bool shown_, drawn_ = false;
};

struct Run {
  ivr::SimulatorOptions options;
  ivr::SimulationResult result;
};

}  // namespace

int simulate_main(int argc, char** argv) {
  FlowFiles files;
  std::string flow_file, site_file, callers_file, html_file, start, arrivals_file, other_site;
  std::int64_t calls = 10'000;
  std::uint64_t seed = 1;
  int threads = 0;
  double rate = 0;
  bool as_json = false;
  std::vector<std::string> goals;
  CLI::App app{
      "Runs a flow with callers that are made up, on a clock that is made up, and says what became of them:\n"
      "which nodes and exits they came by, where they were lost, how long they waited for whom.\n"
      "docs/simulation.md describes the callers' file.",
      "ivr simulate"};
  app.add_option("flow", flow_file, "flow document")->required();
  app.add_option("--site", site_file, "the site: agents, queues, calendars, caller lists");
  files.add_option(app);
  app.add_option("--callers", callers_file, "what callers, agents and services do (JSON)");
  app.add_option("--calls", calls, "how many")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rate", rate, "calls an hour, in place of the callers' file's")
      ->check(CLI::PositiveNumber);
  app.add_option("--start", start, "the first day, as 2026-03-15, in the flow's time zone");
  app.add_option("--seed", seed, "the same seed gives the same calls")->capture_default_str();
  app.add_option("--threads", threads, "0: one a core; the result is the same for any number")
      ->capture_default_str();
  app.add_option("--goal", goals, "a node: how many calls come there");
  app.add_option(
      "--arrivals", arrivals_file,
      "calls that have come: a server's database, or a file (*.json). In place of --calls and --rate");
  app.add_option("--against", other_site, "another site: the same callers again, and what differs beside it");
  app.add_flag("--json", as_json, "print one JSON object");
  app.add_option("--html", html_file, "write a page, too, with the flow drawn and the calls on its edges");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr simulate: %s\n", std::string(why.message()).c_str());
    return absl::IsNotFound(why) ? 2 : 1;
  };
  absl::TimeZone local;
  const auto run = [&](const std::string& site) -> absl::StatusOr<Run> {
    auto options = simulation_of(files, flow_file, site, callers_file, start, &local);
    if (!options.ok()) return options.status();
    options->seed = seed;
    options->calls = calls;
    if (rate > 0) options->per_hour = {rate};
    if (!goals.empty()) options->goals = goals;
    if (!arrivals_file.empty()) {
      auto arrivals = arrivals_of(arrivals_file, *options->flow);
      if (!arrivals.ok()) return arrivals.status();
      options->arrivals = *std::move(arrivals);
      const auto first = std::min_element(options->arrivals.begin(), options->arrivals.end(),
                                          [](const auto& a, const auto& b) { return a.at < b.at; });
      const absl::CivilDay day =
          absl::ToCivilDay(absl::FromUnixMicros(first->at.time_since_epoch().count()), local);
      options->start = ivr::Time(ivr::Micros(absl::ToUnixMicros(absl::FromCivil(day, local))));
    }
    auto simulator = ivr::Simulator::create(*std::move(options));
    if (!simulator.ok()) return simulator.status();
    Progress progress(simulator->calls());
    Run done{simulator->options(), {}};
    done.result = ivr::simulate(*simulator, threads, [&](std::int64_t n) { return progress(n); });
    return done;
  };
  const auto first = run(site_file);
  if (!first.ok()) return fail(first.status());
  std::string text = as_json ? ivr::simulation_json(first->result, first->options) + "\n"
                             : ivr::simulation_text(first->result, first->options);
  if (!other_site.empty()) {
    const auto second = run(other_site);
    if (!second.ok()) return fail(second.status());
    text = as_json ? "{\"before\": " + text +
                         ", \"after\": " + ivr::simulation_json(second->result, second->options) + "}\n"
                   : ivr::comparison_text(first->result, second->result);
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!html_file.empty()) {
    std::ofstream page(html_file, std::ios::binary);
    page << ivr::simulation_html(first->result, first->options);
    page.close();
    if (!page) return fail(absl::NotFoundError(html_file + ": cannot be written"));
  }
  return 0;
}

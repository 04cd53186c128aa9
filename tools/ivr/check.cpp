#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "flow_files.hpp"
#include "ivr/flow.hpp"
#include "ivr/flow_bounds.hpp"
#include "ivr/sarif.hpp"
#include "ivr/site.hpp"
#include "nlohmann/json.hpp"

// ivr check: reads flow documents and says everything that is wrong with them.

int check_main(int argc, char** argv);

namespace {

constexpr char kHelp[] =
    R"(Usage: ivr check FLOW... [--format text|json|sarif] [--site SITE.json] [--calendar NAME]... [--env NAME]...
                        [--warnings-as-errors]

Reads flow documents and says everything that is wrong with them: where (JSON pointer), what, by which rule, how to
mend it, and a shortest call that comes there. A flow that passes cannot come to a dead end while it runs.
Of a flow without errors it also says how long it can keep a caller at most, talks not counted (prompts are estimated
at 13 characters a second), and which loops and queues have no limit.

  FLOW                   a flow document; - is the standard input
  --format FORMAT        text; json: one object for programs; sarif: SARIF 2.1.0, for code hosts and editors
  --json                 the same as --format json
  --site SITE.json       the site whose calls the flow will take: a queue, an agent, a skill, a calendar or a list
                         of callers that it does not have is an error. A skill or a level that its own queues
                         require and nobody has is a warning
  --calendar NAME        a calendar that the server brings, beside those of the document; may be repeated
  --env NAME[=VALUE]     what ${ENV:NAME} in a flow stands for: VALUE, or what NAME is set to here; may be repeated
  --warnings-as-errors   a warning fails the check too

Exit status: 0 no error, 1 errors, 2 wrong usage or a file that cannot be read.

Examples
  ivr check examples/flows/voicemail.json
  ivr check examples/flows/*.json && echo ready
  ivr check my.json --site site.json
  ivr check my.json --json | jq '.files[].findings[].rule'
  ivr check flows/*.json --format sarif > flows.sarif

The flow language is described in docs/flow-format.md; editors find its schema in docs/flow.schema.json.
)";

// Time zones live in the system's database, which only a program can look into.
void check_zones(const ivr::Flow& flow, std::vector<ivr::Finding>& findings) {
  const auto zone = [&](const std::string& name, const std::string& pointer) {
    absl::TimeZone unused;
    if (name == "UTC" || absl::LoadTimeZone(name, &unused)) return;
    findings.push_back({"unknown-zone", ivr::Severity::error, pointer,
                        "no time zone '" + name + "' on this machine",
                        "use an IANA name such as Europe/London, and install tzdata"});
  };
  zone(flow.time_zone(), "/time_zone");
  for (const auto& [name, calendar] : flow.calendars()) {
    zone(calendar.time_zone, "/calendars/" + name + "/time_zone");
  }
}

const char* name_of(ivr::Severity severity) {
  switch (severity) {
    case ivr::Severity::error: return "error";
    case ivr::Severity::warning: return "warning";
  }
  return "";
}

std::optional<std::string> read_all(const std::string& file) {  // none: it has said why
  std::ifstream stream;
  if (file != "-") stream.open(file, std::ios::binary);
  std::istream& in = file == "-" ? std::cin : stream;
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (file == "-" || (stream.is_open() && !stream.bad())) return text;
  std::fprintf(stderr, "ivr check: %s: cannot be read\n", file.c_str());
  return std::nullopt;
}

enum class Format { text, json, sarif };

std::optional<Format> format_of(std::string_view name) {
  if (name == "text") return Format::text;
  if (name == "json") return Format::json;
  if (name == "sarif") return Format::sarif;
  return std::nullopt;
}

std::string spelled(ivr::Millis time) {
  const std::int64_t seconds = (time.count() + 999) / 1000;
  std::string text;
  if (seconds >= 3600) text += std::to_string(seconds / 3600) + "h ";
  if (seconds >= 60) text += std::to_string(seconds / 60 % 60) + "m ";
  return text + std::to_string(seconds % 60) + "s";
}

std::string spelled(const std::vector<ivr::FlowStep>& way) {
  std::string text;
  for (std::size_t i = 0; i < way.size(); ++i) {
    if (i == 8 && way.size() > 12) i = way.size() - 3, text += " -> ...";
    text += (text.empty() ? "" : " -> ") + way[i].node;
    if (!way[i].exit.empty() && way[i].exit != "next") text += " (" + way[i].exit + ")";
  }
  return text;
}

nlohmann::ordered_json json_of(const std::vector<ivr::FlowStep>& way) {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (const ivr::FlowStep& step : way) steps.push_back({{"node", step.node}, {"exit", step.exit}});
  return steps;
}

void print(const ivr::Finding& f) {
  std::printf("  %s [%s] at %s\n    %s\n", name_of(f.severity), f.rule.c_str(),
              f.pointer.empty() ? "(the document)" : f.pointer.c_str(), f.message.c_str());
  if (!f.mend.empty()) std::printf("    mend: %s\n", f.mend.c_str());
  if (!f.call.empty()) std::printf("    call: %s\n", spelled(f.call).c_str());
}

nlohmann::ordered_json json_of(const ivr::Finding& f) {
  return {{"rule", f.rule}, {"severity", name_of(f.severity)}, {"pointer", f.pointer}, {"message", f.message},
          {"mend", f.mend}, {"call", json_of(f.call)}};
}

nlohmann::ordered_json json_of(const std::vector<ivr::Finding>& findings) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ivr::Finding& f : findings) list.push_back(json_of(f));
  return list;
}

void print(const ivr::FlowBounds& bounds) {
  std::printf("  at most %s and %lld visits%s\n", spelled(bounds.time).c_str(),
              static_cast<long long>(bounds.steps),
              bounds.limited() ? ", talks not counted" : ", talks not counted, with each of these once:");
  for (const ivr::FlowRound& round : bounds.rounds)
    std::printf("    %s %s\n",
                round.counts ? "a loop that counts from what the host sets:" : "again and again:",
                spelled(round.way).c_str());
  for (const auto& [node, why] : bounds.waits) std::printf("    in '%s': %s\n", node.c_str(), why.c_str());
}

nlohmann::ordered_json json_of(const ivr::FlowBounds& bounds) {
  nlohmann::ordered_json rounds = nlohmann::ordered_json::array(), waits = nlohmann::ordered_json::array();
  for (const ivr::FlowRound& round : bounds.rounds)
    rounds.push_back({{"way", json_of(round.way)}, {"counts", round.counts}});
  for (const auto& [node, why] : bounds.waits) waits.push_back({{"node", node}, {"why", why}});
  return {{"limited", bounds.limited()}, {"seconds", static_cast<double>(bounds.time.count()) / 1000},
          {"visits", bounds.steps},      {"way", json_of(bounds.way)},
          {"rounds", std::move(rounds)}, {"waits", std::move(waits)}};
}

int usage(const std::string& problem) {
  std::fprintf(stderr, "ivr check: %s\nTry: ivr check --help\n", problem.c_str());
  return 2;
}

}  // namespace

int check_main(int argc, char** argv) {
  std::vector<std::string> files;
  std::string site_file;
  ivr::FlowCheckOptions options;
  FlowFiles flows;
  Format format = Format::text;
  bool strict = false, only_files = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (only_files || arg.empty() || arg[0] != '-' || arg == "-") {
      files.emplace_back(arg);
    } else if (arg == "--") {
      only_files = true;
    } else if (arg == "--help" || arg == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    } else if (arg == "--json") {
      format = Format::json;
    } else if (arg == "--format") {
      if (++i == argc) return usage("--format needs a name");
      const auto named = format_of(argv[i]);
      if (!named) return usage("no format '" + std::string(argv[i]) + "': text, json or sarif");
      format = *named;
    } else if (arg == "--env") {
      if (++i == argc) return usage("--env needs a name");
      if (const auto allowed = flows.allow(argv[i]); !allowed.ok())
        return usage(std::string(allowed.message()));
    } else if (arg == "--warnings-as-errors") {
      strict = true;
    } else if (arg == "--calendar") {
      if (++i == argc) return usage("--calendar needs a name");
      options.calendars.emplace_back(argv[i]);
    } else if (arg == "--site") {
      if (++i == argc) return usage("--site needs a file");
      site_file = argv[i];
    } else {
      return usage("no option '" + std::string(arg) + "'");
    }
  }
  if (files.empty()) return usage("no flow given");
  nlohmann::ordered_json report = {{"files", nlohmann::ordered_json::array()}};
  SarifLog sarif;
  int errors = 0, warnings = 0;
  if (!site_file.empty()) {
    const auto text = read_all(site_file);
    if (!text) return 2;
    const auto site = ivr::parse_site(*text);
    if (!site.ok()) {
      std::fprintf(stderr, "ivr check: %s is refused:\n%s\n", site_file.c_str(),
                   std::string(site.status().message()).c_str());
      return 2;
    }
    const auto calendars = std::exchange(options, ivr::flow_checks(*site)).calendars;
    options.calendars.insert(options.calendars.end(), calendars.begin(), calendars.end());
    const std::vector<ivr::Finding> findings = ivr::check_site(*site);  // warnings, all of them
    warnings += static_cast<int>(findings.size());
    if (format == Format::sarif) {
      sarif.add(site_file, *text, findings);
    } else if (format == Format::json) {
      report["site"] = {{"file", site_file},
                        {"agents", site->agents.size()},
                        {"queues", site->queues.size()},
                        {"findings", json_of(findings)}};
    } else if (!findings.empty()) {
      std::printf("%s: %zu agents, %zu queues\n", site_file.c_str(), site->agents.size(),
                  site->queues.size());
      for (const ivr::Finding& f : findings) print(f);
    }
  }

  bool unreadable = false;
  for (const std::string& file : files) {
    const auto text = read_all(file);
    if (!text) {
      unreadable = true;
      continue;
    }
    ivr::ComposedFlow document = flows.compose(*text, file);
    std::vector<ivr::Finding> findings = std::move(document.findings);
    // With a part missing most of what else is found would be its absence.
    const bool whole = findings.empty();
    if (whole) findings = ivr::Flow::check(document.json, options);
    const auto flow = ivr::Flow::load(document.json, options);
    std::optional<ivr::FlowBounds> bounds;
    if (flow.ok() && whole) {
      check_zones(**flow, findings);
      bounds = ivr::flow_bounds(**flow);
    }
    const ivr::FlowCount count = ivr::flow_count(document.json);
    int file_errors = 0;
    for (const ivr::Finding& f : findings) ++(f.severity == ivr::Severity::error ? file_errors : warnings);
    errors += file_errors;
    if (format == Format::sarif) {
      sarif.add(file, *text, findings);
      continue;
    }
    if (format == Format::json) {
      report["files"].push_back({{"file", file},
                                 {"ok", file_errors == 0},
                                 {"nodes", count.nodes},
                                 {"connections", count.connections},
                                 {"bounds", bounds ? json_of(*bounds) : nlohmann::ordered_json(nullptr)},
                                 {"findings", json_of(findings)}});
      continue;
    }
    std::printf("%s: %zu nodes, %zu connections%s\n", file.c_str(), count.nodes, count.connections,
                findings.empty() ? ", no defect" : "");
    if (bounds) print(*bounds);
    for (const ivr::Finding& f : findings) print(f);
  }
  if (format == Format::sarif) {
    std::printf("%s\n", sarif.text().c_str());
  } else if (format == Format::json) {
    report["errors"] = errors;
    report["warnings"] = warnings;
    std::printf("%s\n", report.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (errors + warnings > 0) {
    std::printf("%d error%s, %d warning%s\n", errors, errors == 1 ? "" : "s", warnings,
                warnings == 1 ? "" : "s");
  }
  if (unreadable) return 2;
  return errors > 0 || (strict && warnings > 0) ? 1 : 0;
}

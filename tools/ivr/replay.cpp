// ivr replay: a recorded call, through its flow again.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ivr/event_log.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/store.hpp"

namespace {

absl::StatusOr<std::vector<ivr::LogEntry>> read_log(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError("cannot read " + path);
  std::vector<ivr::LogEntry> entries;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    auto entry = ivr::parse_log_line(line);
    if (!entry.ok()) return absl::InvalidArgumentError(path + ": " + std::string(entry.status().message()));
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace

int replay_main(int argc, char** argv) {
  std::string log, database, flow_file;
  bool as_json = false;
  CLI::App app{
      "Runs the recorded inputs of a call through its flow and compares every command with what the log "
      "says.\n"
      "Exit 1 at the first difference, showing both.",
      "ivr replay"};
  app.add_option("log", log, "event log (a file from 'ivr log CALL --json'), or with --db a call's id")
      ->required();
  app.add_option("--db", database, "take the log, and the flow version it ran on, from a server's database");
  app.add_option("--flow", flow_file, "flow document to run instead")->check(CLI::ExistingFile);
  app.add_flag("--json", as_json, "print the result as one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr replay: %s\n", std::string(why.message()).c_str());
    return 1;
  };
  std::vector<ivr::LogEntry> entries;
  std::string document;
  if (database.empty()) {
    auto read = read_log(log);
    if (!read.ok()) return fail(read.status());
    entries = *std::move(read);
    if (flow_file.empty()) {
      std::fprintf(stderr, "ivr replay: which flow? give --flow FILE, or --db with the call's id\n");
      return 2;
    }
  } else {
    auto store = ivr::open_store(database, ivr::StoreAccess::read);
    if (!store.ok()) return fail(store.status());
    if (log == "last") {
      if (auto calls = (*store)->calls(1, 0); calls.ok() && !calls->empty()) log = calls->front().id;
    }
    auto record = (*store)->call(log);
    if (!record.ok()) return fail(record.status());
    auto events = (*store)->events(log);
    if (!events.ok()) return fail(events.status());
    for (const ivr::CallEvent& e : *events) {
      auto entry = ivr::parse_log_line(e.json);
      if (!entry.ok()) return fail(entry.status());
      entries.push_back(*std::move(entry));
    }
    if (flow_file.empty()) {
      auto version = (*store)->flow(record->flow_digest);
      if (!version.ok()) return fail(version.status());
      document = std::move(version->document);
    }
  }
  if (!flow_file.empty()) {
    std::ifstream file(flow_file, std::ios::binary);
    document.assign((std::istreambuf_iterator<char>(file)), {});
  }
  auto flow = ivr::Flow::load(document);
  if (!flow.ok()) return fail(flow.status());
  auto result = ivr::replay(entries, *flow);
  if (!result.ok()) return fail(result.status());
  const bool same = result->differs_at < 0;
  if (as_json) {
    nlohmann::ordered_json j{{"steps", result->steps}, {"same", same}, {"flow_digest", (*flow)->digest()}};
    if (!same) {
      j["differs_at"] = result->differs_at;
      j["logged"] = nlohmann::ordered_json::parse(result->logged, nullptr, false);
      j["replayed"] = nlohmann::ordered_json::parse(result->replayed, nullptr, false);
    }
    std::printf("%s\n", j.dump().c_str());
  } else if (same) {
    std::printf("%d steps replayed, every command the same\n", result->steps);
  } else {
    std::printf("step %d differs\n  logged   %s\n  replayed %s\n", result->differs_at, result->logged.c_str(),
                result->replayed.c_str());
  }
  return same ? 0 : 1;
}

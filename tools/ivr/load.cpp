// ivr load: a site and its flows, into the database that a server works with.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "commands.hpp"
#include "flow_files.hpp"
#include "ivr/site.hpp"
#include "ivr/store.hpp"

namespace {

absl::StatusOr<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(path.string() + ": cannot be read");
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

// Time zones live in the system's database, which only a program can look into.
absl::Status check_zones(const ivr::Site& site) {
  for (const auto& [name, calendar] : site.calendars) {
    absl::TimeZone unused;
    if (calendar.time_zone == "UTC" || absl::LoadTimeZone(calendar.time_zone, &unused)) continue;
    return absl::NotFoundError(
        "/calendars/" + name + "/time_zone: no time zone '" + calendar.time_zone +
        "' on this machine; use an IANA name such as Europe/London, and install tzdata");
  }
  return absl::OkStatus();
}

absl::StatusOr<ivr::Site> read_site(const std::string& path, const std::string& json,
                                    const FlowFiles& documents) {
  const auto named = [](const std::string& file, const absl::Status& why) {
    return absl::Status(why.code(), file + " is refused:\n" + std::string(why.message()));
  };
  auto site = ivr::parse_site(json);
  if (!site.ok()) return named(path, site.status());
  if (auto zones = check_zones(*site); !zones.ok()) return named(path, zones);
  const std::filesystem::path base = std::filesystem::path(path).parent_path();
  std::vector<std::string> files;
  for (const ivr::SiteFlow& flow : site->flows) files.push_back(flow.file);
  for (const std::string& file : files) {
    auto document = documents.document((base / file).string());
    if (!document.ok()) return document.status();
    if (auto added = add_flow(*site, file, *document); !added.ok())
      return named((base / file).string(), added);
  }
  return site;
}

void print(const char* what, const std::vector<std::string>& names) {
  for (const std::string& name : names) std::printf("%-8s %s\n", what, name.c_str());
}

void print(const ivr::Site& site, const ivr::SiteChanges& changes, const std::string& database) {
  print("new", changes.added);
  print("changed", changes.changed);
  print("removed", changes.removed);
  std::printf("%s: %zu agents, %zu queues, %zu calendars, %zu extensions, %zu flows: ", database.c_str(),
              site.agents.size(), site.queues.size(), site.calendars.size(), site.extensions.size(),
              site.flows.size());
  if (!changes.any()) {
    std::printf("nothing changed\n");
  } else {
    std::printf("%zu new, %zu changed, %zu removed, %d unchanged\n", changes.added.size(),
                changes.changed.size(), changes.removed.size(), changes.unchanged);
  }
}

}  // namespace

int load_main(int argc, char** argv) {
  std::string path, database = "ivr.db";
  FlowFiles documents;
  bool as_json = false, check = false;
  CLI::App app{
      "Checks a site (docs/site-format.md) and the flows of its extensions, and stores them, all or nothing. "
      "What was stored\n"
      "before and is not in the file goes. Loading the same once more changes nothing.\n\n"
      "Exit status: 0 stored, 1 refused or not stored, 2 wrong usage.",
      "ivr load"};
  app.add_option("site", path, "the site's JSON document")->required();
  app.add_option("--db", database, "the server's database; created when it is not there")
      ->capture_default_str();
  documents.add_option(app);
  app.add_flag("--check", check, "only check, store nothing");
  app.add_flag("--json", as_json, "print the result as one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr load: %s\n", std::string(why.message()).c_str());
    return 1;
  };
  const auto json = read_file(path);
  if (!json.ok()) return fail(json.status());
  const auto site = read_site(path, *json, documents);
  if (!site.ok()) return fail(site.status());
  ivr::SiteChanges changes;
  if (!check) {
    auto store = ivr::open_store(database, ivr::StoreAccess::write);
    if (!store.ok()) return fail(store.status());
    const ivr::Time now = std::chrono::floor<ivr::Micros>(std::chrono::system_clock::now());
    auto stored = store_site(*json, *site, now, **store);
    if (!stored.ok()) return fail(stored.status());
    changes = *std::move(stored);
  }
  if (as_json) {
    const nlohmann::ordered_json result = {
        {"agents", site->agents.size()},       {"queues", site->queues.size()},
        {"calendars", site->calendars.size()}, {"extensions", site->extensions.size()},
        {"flows", site->flows.size()},         {"new", changes.added},
        {"changed", changes.changed},          {"removed", changes.removed},
        {"unchanged", changes.unchanged}};
    std::printf("%s\n",
                result.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (check) {
    std::printf("%s: %zu agents, %zu queues, %zu extensions, no defect\n", path.c_str(), site->agents.size(),
                site->queues.size(), site->extensions.size());
  } else {
    print(*site, changes, database);
  }
  return 0;
}

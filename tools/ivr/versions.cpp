// ivr versions, rollout and rollback: what of a flow was published, and who has which version.
#include "versions.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ivr/store.hpp"

namespace {

using json = nlohmann::ordered_json;

std::string utc_text(ivr::Time at) {
  const std::time_t t = std::chrono::system_clock::to_time_t(at);
  std::tm parts{};
  gmtime_r(&t, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// Calls in progress by version: on which of them the old ones still talk.
std::map<std::string, int> in_progress(ivr::StorePort& store) {
  constexpr int kPage = 1000, kNewest = 20'000;
  std::map<std::string, int> calls;
  for (int offset = 0; offset < kNewest; offset += kPage) {
    const auto page = store.calls(kPage, offset);
    if (!page.ok()) break;
    for (const ivr::CallRecord& record : *page) {
      if (record.status == "in_progress") ++calls[record.flow_digest];
    }
    if (page->size() < kPage) break;
  }
  return calls;
}

int share_of(const ivr::PublishedFlow& flow, int number) {
  for (const ivr::LiveVersion& one : flow.live()) {
    if (one.number == number) return one.share;
  }
  return 0;
}

void print_flow(const ivr::PublishedFlow& flow, std::map<std::string, int>& calls) {
  std::printf("flow %s: %s\n", flow.id.c_str(), live_words(flow.live()).c_str());
  for (auto version = flow.versions.rbegin(); version != flow.versions.rend(); ++version) {
    const int share = share_of(flow, version->number), talking = calls[version->digest];
    char live[24] = "";
    if (share > 0) std::snprintf(live, sizeof live, "%g %%", share / 100.0);
    std::printf("  %4d  %-7s %s  %.12s  %s%s%s", version->number, live, utc_text(version->at).c_str(),
                version->digest.c_str(), version->by.c_str(), version->comment.empty() ? "" : ": ",
                version->comment.c_str());
    if (talking > 0) std::printf("  (%d call%s in progress)", talking, talking == 1 ? "" : "s");
    std::printf("\n");
  }
}

json flow_json(const ivr::PublishedFlow& flow, std::map<std::string, int>& calls) {
  json j{{"flow", flow.id},
         {"live", live_json(flow.live())},
         {"versions", json::array()},
         {"changes", json::array()}};
  for (const ivr::PublishedVersion& version : flow.versions)
    j["versions"].push_back({{"version", version.number},
                             {"digest", version.digest},
                             {"at", utc_text(version.at)},
                             {"by", version.by},
                             {"comment", version.comment},
                             {"calls_in_progress", calls[version.digest]}});
  for (const ivr::LiveChange& change : flow.changes)
    j["changes"].push_back({{"at", utc_text(change.at)},
                            {"by", change.by},
                            {"comment", change.comment},
                            {"live", live_json(change.live)}});
  return j;
}

int failed(const char* program, const absl::Status& why, int code = 1) {
  std::fprintf(stderr, "%s: %s\n", program, std::string(why.message()).c_str());
  return code;
}

}  // namespace

absl::StatusOr<double> parse_percent(const std::string& option, const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const std::string unit(rest, end);
  if (error != std::errc() || (!unit.empty() && unit != "%" && unit != " %") || !(value >= 0 && value <= 100))
    return absl::InvalidArgumentError(option + " '" + text +
                                      "': must be a percentage from 0 to 100, such as 5%");
  return value;
}

absl::StatusOr<int> parse_share(const std::string& text) {
  const auto percent = parse_percent("the share", text);
  if (!percent.ok()) return percent.status();
  const int share = static_cast<int>(std::lround(*percent * 100));
  if (share < 1) return absl::InvalidArgumentError("the share '" + text + "': must be 0.01% or more");
  return share;
}

std::string live_words(const std::vector<ivr::LiveVersion>& live) {
  std::string text;
  for (const ivr::LiveVersion& one : live) {
    text += (text.empty() ? "version " : ", version ") + std::to_string(one.number);
    char share[48];
    std::snprintf(share, sizeof share, " for %g %% of the callers", one.share / 100.0);
    if (one.share != ivr::kAllCallers) text += share;
  }
  return text;
}

json live_json(const std::vector<ivr::LiveVersion>& live) {
  json list = json::array();
  for (const ivr::LiveVersion& one : live)
    list.push_back({{"version", one.number}, {"share_percent", one.share / 100.0}, {"digest", one.digest}});
  return list;
}

std::string user_name() {
  const char* user = std::getenv("USER");
  return user == nullptr ? "" : user;
}

ivr::Time now() { return std::chrono::time_point_cast<ivr::Micros>(std::chrono::system_clock::now()); }

int versions_main(int argc, char** argv) {
  std::string flow, database;
  bool as_json = false;
  CLI::App app{
      "Lists the published versions of flows: number, share of the callers, when, digest, who and why. "
      "--json has "
      "every\nchange too.",
      "ivr versions"};
  app.add_option("flow", flow, "the flow's id; all when it is left out");
  app.add_option("--db", database, "the server's database")->required()->check(CLI::ExistingFile);
  app.add_flag("--json", as_json, "one JSON object a line for each flow");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  auto store = ivr::open_store(database, ivr::StoreAccess::read);
  if (!store.ok()) return failed("ivr versions", store.status());
  std::vector<ivr::PublishedFlow> flows;
  if (flow.empty()) {
    auto all = ivr::published_flows(**store);
    if (!all.ok()) return failed("ivr versions", all.status());
    flows = *std::move(all);
  } else {
    auto one = ivr::published_flow(**store, flow);
    if (!one.ok()) return failed("ivr versions", one.status());
    flows.push_back(*std::move(one));
  }
  auto calls = in_progress(**store);
  for (const ivr::PublishedFlow& each : flows) {
    if (as_json) {
      std::printf("%s\n",
                  flow_json(each, calls).dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    } else {
      print_flow(each, calls);
    }
  }
  if (flows.empty() && !as_json) std::printf("nothing has been published in %s\n", database.c_str());
  return 0;
}

int rollout_main(int argc, char** argv) {
  std::string flow, database, share, by = user_name(), comment;
  CLI::App app{
      "Gives the newest version of a flow, which some of the callers have, to another share of them. The "
      "same\n"
      "caller always has the same version, and who has the new one keeps it while its share grows.",
      "ivr rollout"};
  app.add_option("flow", flow, "the flow's id")->required();
  app.add_option("share", share, "of the callers, such as 25%; 100% ends the roll-out")->required();
  app.add_option("--db", database, "the server's database")->required()->check(CLI::ExistingFile);
  app.add_option("--by", by, "who does it")->capture_default_str();
  app.add_option("--comment", comment, "why");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto places = parse_share(share);
  if (!places.ok()) return failed("ivr rollout", places.status(), 2);
  auto store = ivr::open_store(database, ivr::StoreAccess::write);
  if (!store.ok()) return failed("ivr rollout", store.status());
  const auto done = ivr::roll_out(**store, flow, *places, {now(), by, comment});
  if (!done.ok()) return failed("ivr rollout", done.status());
  std::printf("flow %s: %s\n", flow.c_str(), live_words(done->live()).c_str());
  return 0;
}

int rollback_main(int argc, char** argv) {
  std::string flow, database, by = user_name(), comment;
  int to = 0;
  CLI::App app{
      "Gives new callers of a flow the version that was live before, or --to another. Calls in progress stay "
      "on\n"
      "the version that they have.",
      "ivr rollback"};
  app.add_option("flow", flow, "the flow's id")->required();
  app.add_option("--to", to, "number of a version")->check(CLI::PositiveNumber);
  app.add_option("--db", database, "the server's database")->required()->check(CLI::ExistingFile);
  app.add_option("--by", by, "who does it")->capture_default_str();
  app.add_option("--comment", comment, "why");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  auto store = ivr::open_store(database, ivr::StoreAccess::write);
  if (!store.ok()) return failed("ivr rollback", store.status());
  const auto done = ivr::roll_back(**store, flow, to, {now(), by, comment});
  if (!done.ok()) return failed("ivr rollback", done.status());
  std::printf("flow %s: %s\n", flow.c_str(), live_words(done->live()).c_str());
  return 0;
}

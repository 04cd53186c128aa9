// ivr publish: a version of a flow for the callers of a running server, after recorded calls have been
// through it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ivr/publishing.hpp"
#include "ivr/store.hpp"
#include "recorded.hpp"
#include "versions.hpp"

namespace {

using json = nlohmann::ordered_json;

constexpr std::pair<ivr::ShadowKind, const char*> kKinds[] = {
    {ivr::ShadowKind::same, "the same"},
    {ivr::ShadowKind::words, "other words"},
    {ivr::ShadowKind::way, "another way to the same"},
    {ivr::ShadowKind::outcome, "another outcome"},
    {ivr::ShadowKind::unknown, "cannot be told"}};

const char* name_of(ivr::ShadowKind kind) {
  return std::ranges::find(kKinds, kind, &std::pair<ivr::ShadowKind, const char*>::first)->second;
}

// What the calls are that the new version is compared by.
struct Selection {
  std::vector<std::string> files;  // instead of the database
  std::string from;                // document that those of the files ran on
  int last = 1000;
  double hours = 0;  // 0: however long ago
};

absl::Status run_files(const Selection& selection, const ivr::ShadowFlow& before,
                       const ivr::ShadowFlow& after, ivr::ShadowReport& report) {
  for (const std::string& path : selection.files) {
    const auto call = read_log_file(path);
    if (!call.ok()) return call.status();
    const auto result = ivr::shadow(call->entries, before, after);
    result.ok() ? report.add(path, *result) : report.fail(path, std::string(result.status().message()));
  }
  return absl::OkStatus();
}

// The newest calls that are over and went through any version of this flow, each against the one that it had.
absl::Status run_kept(const Selection& selection, ivr::StorePort& store, FlowShelf& shelf,
                      const ivr::ShadowFlow& after, ivr::ShadowReport& report) {
  constexpr int kPage = 1000;
  const auto since = selection.hours == 0
                         ? ivr::Time{}
                         : now() - ivr::Micros(static_cast<std::int64_t>(selection.hours * 3600e6));
  Progress progress("calls");
  int looked_at = 0;
  for (int offset = 0;; offset += kPage) {
    const auto calls = store.calls(kPage, offset);
    if (!calls.ok()) return calls.status();
    for (const ivr::CallRecord& record : *calls) {
      if (record.started < since) return absl::OkStatus();
      if (record.flow != after.flow->id() || record.ended == ivr::Time{} || record.flow_digest.empty())
        continue;
      if (++looked_at > selection.last) return absl::OkStatus();
      const auto result = [&]() -> absl::StatusOr<ivr::ShadowResult> {
        const auto call = read_recorded(store, record);
        if (!call.ok()) return call.status();
        const auto before = shelf.kept(record.flow_digest);
        if (!before.ok()) return before.status();
        return ivr::shadow(call->entries, *before, after);
      }();
      result.ok() ? report.add(record.id, *result)
                  : report.fail(record.id, std::string(result.status().message()));
      progress.tell(static_cast<std::size_t>(looked_at), static_cast<std::size_t>(selection.last));
    }
    if (calls->size() < kPage) return absl::OkStatus();
  }
}

json report_json(const ivr::ShadowReport& report, const ivr::Flow& flow) {
  json j{{"calls", report.calls()}, {"changed_percent", 100 * report.changed()}};
  for (const auto& [kind, name] : kKinds) j[std::string(ivr::to_string(kind))] = report.count(kind);
  j["longer"] = report.longer();
  j["shorter"] = report.shorter();
  j["groups"] = json::array();
  for (const ivr::ShadowGroup& group : report.groups())
    j["groups"].push_back({{"result", ivr::to_string(group.kind)},
                           {"calls", group.calls},
                           {"at", group.at},
                           {"before", group.before},
                           {"after", group.after},
                           {"examples", group.examples}});
  j["dead_exits"] = json::array();
  for (const ivr::DeadExit& exit : report.dead_exits(flow))
    j["dead_exits"].push_back({{"node", exit.node}, {"exit", exit.exit}, {"calls", exit.calls}});
  j["could_not_run"] = json::array();
  for (const auto& [call, why] : report.failed())
    j["could_not_run"].push_back({{"call", call}, {"why", why}});
  return j;
}

void print(const ivr::ShadowReport& report, const ivr::Flow& flow) {
  constexpr std::size_t kShown = 20;
  std::printf("%d recorded calls on the new version of flow %s:\n", report.calls(), flow.id().c_str());
  for (const auto& [kind, name] : kKinds) {
    const int n = report.count(kind);
    if (n == 0 && kind != ivr::ShadowKind::same) continue;
    std::printf("  %-24s %6d  %5.1f %%", name, n, report.calls() == 0 ? 0.0 : 100.0 * n / report.calls());
    if (kind == ivr::ShadowKind::way)
      std::printf("  (of all %d are longer, %d shorter)", report.longer(), report.shorter());
    std::printf("\n");
  }
  const auto groups = report.groups();
  for (std::size_t i = 0; i < std::min(groups.size(), kShown); ++i) {
    const ivr::ShadowGroup& g = groups[i];
    std::printf("\n%d calls: %s\n  %s%s\n", g.calls, name_of(g.kind),
                g.kind == ivr::ShadowKind::unknown ? "beyond " : "", g.at.c_str());
    if (g.kind == ivr::ShadowKind::unknown) {
      std::printf("  the log does not hold %s\n", g.after.c_str());
    } else if (g.before != g.after) {
      std::printf("  then %s\n  now  %s\n", g.before.c_str(), g.after.c_str());
    } else {
      std::printf("  %s\n", g.after.c_str());
    }
    std::printf("  such as %s\n", g.examples.front().c_str());
  }
  if (groups.size() > kShown)
    std::printf("\nand %zu groups of fewer calls, see --json\n", groups.size() - kShown);
  const auto dead = report.dead_exits(flow);
  if (!dead.empty()) std::printf("\nExits that calls took then, and none takes now:\n");
  for (const ivr::DeadExit& exit : dead)
    std::printf("  %s: %s (%d calls)\n", exit.node.c_str(), exit.exit.c_str(), exit.calls);
  if (!report.failed().empty()) {
    std::printf("\n%zu calls could not be run, such as %s: %s\n", report.failed().size(),
                report.failed().front().first.c_str(), report.failed().front().second.c_str());
  }
}

// What the newest call of this flow ran on.
std::optional<ivr::FlowVersion> ran_last(ivr::StorePort& store, const std::string& flow) {
  constexpr int kPage = 1000;
  for (int offset = 0; offset < 100 * kPage; offset += kPage) {
    const auto calls = store.calls(kPage, offset);
    if (!calls.ok()) return std::nullopt;
    for (const ivr::CallRecord& record : *calls) {
      if (record.flow != flow || record.flow_digest.empty()) continue;
      auto version = store.flow(record.flow_digest);
      if (version.ok()) return *std::move(version);
    }
    if (calls->size() < kPage) break;
  }
  return std::nullopt;
}

}  // namespace

int publish_main(int argc, char** argv) {
  std::string file, database, share = "100%", most = "5%", by = user_name(), comment;
  Selection selection;
  FlowFiles files;
  bool as_json = false, dry = false, no_calls = false;
  CLI::App app{
      "Publishes a flow: runs the calls that a server has recorded through the new version, says what would "
      "have\n"
      "become of them, and unless too much would be different, freezes the version and makes it live. A "
      "running\n"
      "server has it for its next call; calls in progress stay on theirs (docs/publishing.md).\n\n"
      "Exit status: 0 published, 1 refused, 2 wrong usage.",
      "ivr publish"};
  app.add_option("flow", file, "flow document")->required()->check(CLI::ExistingFile);
  app.add_option("--db", database, "the server's database; made when there is none")->required();
  files.add_option(app);
  app.add_option("--last", selection.last, "compare so many of the newest calls of this flow")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000'000));
  app.add_option("--hours", selection.hours, "of them those of the last so many hours")
      ->check(CLI::PositiveNumber);
  auto* const against = app.add_option("--against", selection.files,
                                       "compare the calls of these files of 'ivr log "
                                       "CALL --json' instead; all ran on --from")
                            ->check(CLI::ExistingFile);
  app.add_option("--from", selection.from, "flow document that the calls of --against ran on")
      ->check(CLI::ExistingFile)
      ->needs(against);
  app.add_option("--max-changed", most,
                 "refuse when more of the calls would have another outcome or cannot be told")
      ->capture_default_str();
  app.add_flag("--unseen", no_calls, "publish without comparing any call");
  app.add_option("--share", share, "of the callers who get it; the rest stays on what most of them have")
      ->capture_default_str();
  app.add_option("--by", by, "who publishes")->capture_default_str();
  app.add_option("--comment", comment, "why");
  app.add_flag("--dry-run", dry, "compare and judge, and change nothing");
  app.add_flag("--json", as_json, "print one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why, int code = 1) {
    std::fprintf(stderr, "ivr publish: %s\n", std::string(why.message()).c_str());
    return code;
  };
  const auto limit = parse_percent("--max-changed", most);
  if (!limit.ok()) return fail(limit.status(), 2);
  const auto places = parse_share(share);
  if (!places.ok()) return fail(places.status(), 2);
  if (!selection.files.empty() && selection.from.empty())
    return fail(
        absl::InvalidArgumentError("--against needs --from: the flow document that those calls ran on"), 2);

  auto opened = ivr::open_store(database, dry ? ivr::StoreAccess::read : ivr::StoreAccess::write);
  if (!opened.ok()) return fail(opened.status());
  ivr::StorePort& store = **opened;
  FlowShelf shelf(&store, files);
  const auto after = shelf.checked_file(file);
  if (!after.ok()) return fail(after.status());
  const ivr::Flow& flow = *after->flow;
  ivr::ShadowReport report;
  if (!no_calls) {
    absl::Status run = absl::OkStatus();
    if (selection.files.empty()) {
      run = run_kept(selection, store, shelf, *after, report);
    } else {
      const auto before = shelf.file(selection.from);
      run = before.ok() ? run_files(selection, *before, *after, report) : before.status();
    }
    if (!run.ok()) return fail(run);
  }
  json result = report_json(report, flow);
  result["max_changed_percent"] = *limit;
  if (!as_json && !no_calls) print(report, flow);

  // A call that could not even be run on its own version proves nothing either.
  const auto failed = static_cast<double>(report.failed().size());
  const double all = report.calls() + failed;
  const double changed = all == 0 ? 0 : 100 * (report.changed() * report.calls() + failed) / all;
  const bool refused = changed > *limit;
  std::string verdict;
  int code = 0;
  if (refused) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "refused: %.1f %% of the calls are changed or cannot be told, at most %g %% may be",
                  changed, *limit);
    verdict = text;
    code = 1;
  } else if (dry) {
    verdict = "not published: a dry run";
  } else {
    std::optional<ivr::FlowVersion> before;
    if (!ivr::published_flow(store, flow.id()).ok()) before = ran_last(store, flow.id());
    const auto published =
        ivr::publish(store, flow, before ? &*before : nullptr, *places, {now(), by, comment});
    if (!published.ok()) return fail(published.status());
    verdict = "published: flow " + flow.id() + ", " + live_words(published->live());
    result["live"] = live_json(published->live());
  }
  if (as_json) {
    result["changed_percent"] = changed;
    result["published"] = code == 0 && !dry;
    result["verdict"] = verdict;
    std::printf("%s\n", result.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  } else {
    if (!no_calls && report.calls() + report.failed().size() == 0)
      std::printf("no call of this flow is recorded: nothing was proven\n");
    std::printf("%s%s\n", no_calls ? "" : "\n", verdict.c_str());
  }
  return code;
}

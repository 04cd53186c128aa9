// ivr replay: recorded calls, through their flow again, or through another one.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "ivr/call_walk.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/store.hpp"
#include "recorded.hpp"

namespace {

using json = nlohmann::ordered_json;

int failed(const absl::Status& why) {
  std::fprintf(stderr, "ivr replay: %s\n", std::string(why.message()).c_str());
  return 1;
}

std::int64_t micros(ivr::Time at) { return at.time_since_epoch().count(); }

// What a log holds as JSON text, or what is none any more ("***"), as it is.
json value_of(const std::string& text) {
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(text) : value;
}

int step_through(const RecordedCall& call, bool as_json) {
  const auto nodes = ivr::walk(call.entries);
  if (nodes.empty()) return failed(absl::NotFoundError("call " + call.id + " went through no flow"));
  const ivr::Time start = call.entries.front().at;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const ivr::WalkNode& node = nodes[i];
    if (!as_json) {
      std::printf("%s\n", ivr::describe(node, start).c_str());
      continue;
    }
    json j{{"node", node.node},
           {"type", node.type},
           {"visit", node.visit},
           {"entered_us", micros(node.entered)}};
    if (node.left != ivr::Time{}) {
      j["left_us"] = micros(node.left);
      j["exit"] = node.exit;
      j["input"] = node.input;
      j["error"] = node.error;
    }
    for (const ivr::WalkLine& line : node.lines)
      j["lines"].push_back(
          {{"at_us", micros(line.at)}, {"kind", ivr::to_string(line.kind)}, {"text", line.text}});
    j["variables"] = json::object();
    for (const auto& [name, value] : ivr::variables_after({nodes.data(), i + 1}))
      j["variables"][name] = value_of(value);
    std::printf("%s\n", j.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  }
  return 0;
}

json path_json(const ivr::ShadowPath& path) {
  json j{{"nodes", json::array()}};
  for (const ivr::ShadowNode& node : path.nodes)
    j["nodes"].push_back(
        {{"node", node.node}, {"type", node.type}, {"exit", node.exit}, {"wants", node.wants}});
  j["outcome"] = path.outcome;
  if (!path.lacks.empty()) j["lacks"] = path.lacks;
  return j;
}

void print_nodes(char mark, const ivr::ShadowPath& path, std::size_t from) {
  for (std::size_t i = from; i < path.nodes.size(); ++i) {
    const ivr::ShadowNode& node = path.nodes[i];
    std::printf("%c %s (%s)%s%s\n", mark, node.node.c_str(), node.type.c_str(),
                node.exit.empty() ? "" : " -> ", node.exit.c_str());
    for (const std::string& want : node.wants) std::printf("%c     %s\n", mark, want.c_str());
  }
}

int compare(const RecordedCall& call, const ivr::ShadowFlow& before, const ivr::ShadowFlow& after,
            bool as_json) {
  const auto result = ivr::shadow(call.entries, before, after);
  if (!result.ok()) return failed(result.status());
  const bool same = result->kind == ivr::ShadowKind::same;
  if (as_json) {
    json j{{"call", call.id}, {"result", ivr::to_string(result->kind)}};
    if (result->differs_at >= 0) j["differs_at"] = result->differs_at;
    j["before"] = path_json(result->before);
    j["after"] = path_json(result->after);
    std::printf("%s\n", j.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    return same ? 0 : 1;
  }
  if (same) {
    std::printf("the same: %zu nodes, %s\n", result->before.nodes.size(), result->before.outcome.c_str());
    return 0;
  }
  const std::size_t at =
      result->differs_at < 0 ? result->before.nodes.size() : static_cast<std::size_t>(result->differs_at);
  for (std::size_t i = 0; i < at && i < result->before.nodes.size(); ++i)
    std::printf("  %s -> %s\n", result->before.nodes[i].node.c_str(), result->before.nodes[i].exit.c_str());
  print_nodes('-', result->before, at);
  std::printf("- %s\n", result->before.outcome.c_str());
  print_nodes('+', result->after, at);
  if (result->after.lacks.empty()) {
    std::printf("+ %s\n", result->after.outcome.c_str());
  } else {
    std::printf("+ cannot be told beyond %s: the log does not hold %s\n",
                result->after.nodes.empty() ? "the start" : result->after.nodes.back().node.c_str(),
                result->after.lacks.c_str());
  }
  return 1;
}

int replay_one(const RecordedCall& call, const ivr::ShadowFlow& flow, bool as_json) {
  const auto result = ivr::replay(call.entries, flow.flow);
  if (!result.ok()) return failed(result.status());
  const bool same = result->differs_at < 0;
  if (as_json) {
    json j{{"steps", result->steps}, {"same", same}, {"flow_digest", flow.flow->digest()}};
    if (!same) {
      j["differs_at"] = result->differs_at;
      j["logged"] = json::parse(result->logged, nullptr, false);
      j["replayed"] = json::parse(result->replayed, nullptr, false);
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

// Every call of the database that went through a flow and is over.
int replay_all(ivr::StorePort& store, FlowShelf& shelf, bool as_json) {
  constexpr int kPage = 1000, kShown = 10;
  std::size_t same = 0, different = 0, failures = 0, other = 0;
  std::int64_t steps = 0;
  Progress progress("calls");
  for (int offset = 0;; offset += kPage) {
    const auto calls = store.calls(kPage, offset);
    if (!calls.ok()) return failed(calls.status());
    for (const ivr::CallRecord& record : *calls) {
      if (record.flow_digest.empty() || record.ended == ivr::Time{}) {
        ++other;
        continue;
      }
      const auto replayed = [&]() -> absl::StatusOr<ivr::ReplayResult> {
        const auto call = read_recorded(store, record);
        if (!call.ok()) return call.status();
        const auto flow = shelf.kept(call->flow_digest);
        if (!flow.ok()) return flow.status();
        return ivr::replay(call->entries, flow->flow);
      }();
      if (!replayed.ok()) {
        if (++failures <= kShown)
          std::fprintf(stderr, "ivr replay: %s: %s\n", record.id.c_str(),
                       std::string(replayed.status().message()).c_str());
        continue;
      }
      steps += replayed->steps;
      if (replayed->differs_at < 0) {
        ++same;
      } else if (++different <= kShown) {
        std::fprintf(stderr, "ivr replay: %s: step %d differs\n", record.id.c_str(), replayed->differs_at);
      }
      progress.tell(same + different + failures, static_cast<std::size_t>(offset) + calls->size());
    }
    if (calls->size() < kPage) break;
  }
  if (as_json) {
    std::printf("%s\n", json{{"calls", same + different + failures},
                             {"same", same},
                             {"different", different},
                             {"failed", failures},
                             {"steps", steps},
                             {"without_flow_or_end", other}}
                            .dump()
                            .c_str());
  } else {
    std::printf(
        "%zu calls replayed, %lld steps: %zu with every command the same, %zu different, %zu that could not "
        "be run\n",
        same + different + failures, static_cast<long long>(steps), same, different, failures);
    if (other > 0) std::printf("%zu others went through no flow, or are not over\n", other);
  }
  return different + failures == 0 ? 0 : 1;
}

}  // namespace

int replay_main(int argc, char** argv) {
  std::string log, database, flow_file, new_flow;
  FlowFiles files;
  bool as_json = false, step = false, all = false;
  CLI::App app{
      "Runs the recorded inputs of a call through its flow and compares every command with what the log "
      "says.\n"
      "Exit 1 at the first difference, showing both. --step shows the call node by node instead, --diff how "
      "it\n"
      "would have gone with another flow (docs/replay.md).",
      "ivr replay"};
  auto* const call_option = app.add_option(
      "log", log,
      "event log (a file from 'ivr log CALL --json'), or with --db a call's id, its beginning, or 'last'");
  app.add_option("--db", database, "take the log, and the flow version it ran on, from a server's database");
  app.add_option("--flow", flow_file, "flow document that it ran on; with --db, to run instead")
      ->check(CLI::ExistingFile);
  auto* const step_option = app.add_flag(
      "--step", step, "node by node: what was said, pressed, asked and set, and when; needs no flow");
  auto* const diff_option =
      app.add_option("--diff", new_flow,
                     "flow document: where would the call have gone? Exit 1 when it is not the same")
          ->check(CLI::ExistingFile)
          ->excludes(step_option);
  files.add_option(app);
  app.add_flag("--all", all, "every call of --db: how many replay with every command the same")
      ->excludes(call_option, step_option, diff_option);
  app.add_flag("--json", as_json, "print the result as one JSON object; with --step one a node");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto misused = [](const char* what) {
    std::fprintf(stderr, "ivr replay: %s\n", what);
    return 2;
  };
  if (log.empty() && !all)
    return misused("which call? give a log, or --db with a call's id, or --db with --all");
  if (all && database.empty()) return misused("--all needs --db");
  if (database.empty() && flow_file.empty() && !step)
    return misused("which flow? give --flow FILE, or --db with the call's id");
  std::unique_ptr<ivr::StorePort> store;
  if (!database.empty()) {
    auto opened = ivr::open_store(database, ivr::StoreAccess::read);
    if (!opened.ok()) return failed(opened.status());
    store = *std::move(opened);
  }
  FlowShelf shelf(store.get(), files);
  if (all) return replay_all(*store, shelf, as_json);
  const auto call = store ? read_recorded(*store, log) : read_log_file(log);
  if (!call.ok()) return failed(call.status());
  if (step) return step_through(*call, as_json);
  const auto flow = flow_file.empty() ? shelf.kept(call->flow_digest) : shelf.file(flow_file);
  if (!flow.ok()) return failed(flow.status());
  if (new_flow.empty()) return replay_one(*call, *flow, as_json);
  const auto after = shelf.file(new_flow);
  if (!after.ok()) return failed(after.status());
  return compare(*call, *flow, *after, as_json);
}

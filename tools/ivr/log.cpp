// ivr log: calls and their timelines out of a server's database.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "access.hpp"
#include "commands.hpp"
#include "ivr/event_log.hpp"
#include "ivr/store.hpp"
#include "narrator.hpp"

int log_main(int argc, char** argv) {
  std::string call, user, database = "ivr.db";
  int limit = 20;
  bool as_json = false;
  CLI::App app{
      "Shows a call as a timeline; without a call, the newest calls. --json prints the event log itself, one "
      "line a step,\n"
      "which 'ivr replay' takes.",
      "ivr log"};
  app.add_option("call", call, "the call's id, its beginning, or 'last'");
  app.add_option("--db", database, "the server's database")->capture_default_str();
  app.add_option("--user", user, "only calls that this user of the site's 'access' may see");
  app.add_option("--limit", limit, "calls to list")->capture_default_str();
  app.add_flag("--json", as_json, "one JSON object a line");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr log: %s\n", std::string(why.message()).c_str());
    return 1;
  };
  auto store = ivr::open_store(database, ivr::StoreAccess::read);
  if (!store.ok()) return fail(store.status());
  const auto access = Access::of(**store, user);
  if (!access.ok()) return fail(access.status());
  // Newest first, those who may be seen, until `each` has had enough.
  const auto for_each_call = [&](auto each) -> absl::Status {
    constexpr int kPage = 1000;
    for (int offset = 0;; offset += kPage) {
      auto calls = (*store)->calls(kPage, offset);
      if (!calls.ok()) return calls.status();
      for (const ivr::CallRecord& r : *calls) {
        if (access->sees(r) && !each(r)) return absl::OkStatus();
      }
      if (calls->size() < kPage) return absl::OkStatus();
    }
  };
  if (call.empty()) {
    const auto listed = for_each_call([&, left = limit](const ivr::CallRecord& r) mutable {
      if (left-- <= 0) return false;
      if (as_json) {
        std::printf("%s\n", record_json(r).c_str());
      } else {
        const auto talked = r.ended == ivr::Time{} ? ivr::Micros{0} : r.ended - r.answered;
        std::printf("%-34s %-12s -> %-8s %-12s %-10s %8s  %s\n", r.id.c_str(), r.caller.c_str(),
                    r.called.c_str(), r.flow.c_str(), r.status.c_str(), seconds(talked).c_str(),
                    r.cause.c_str());
      }
      return true;
    });
    return listed.ok() ? 0 : fail(listed);
  }
  auto record = (*store)->call(call);
  if (record.ok() && !access->sees(*record)) record = absl::NotFoundError("");
  if (!record.ok()) {  // by its beginning, or the newest
    const auto looked = for_each_call([&](const ivr::CallRecord& r) {
      if (call != "last" && !r.id.starts_with(call)) return true;
      record = r;
      return false;
    });
    if (!looked.ok()) return fail(looked);
  }
  if (!record.ok()) return fail(absl::NotFoundError("no call '" + call + "' in " + database));
  auto events = (*store)->events(record->id);
  if (!events.ok()) return fail(events.status());
  if (as_json) {
    for (const ivr::CallEvent& e : *events) std::printf("%s\n", e.json.c_str());
    return 0;
  }
  std::printf("%s\n", record_text(*record).c_str());
  for (const ivr::CallEvent& e : *events) {
    auto entry = ivr::parse_log_line(e.json);
    if (!entry.ok()) return fail(entry.status());
    std::printf("%s\n", ivr::describe(*entry, record->started).c_str());
  }
  auto visits = (*store)->visits(record->id);
  if (!visits.ok()) return fail(visits.status());
  if (!visits->empty()) std::printf("\nnodes\n");
  for (const ivr::NodeVisit& v : *visits) {
    const auto stayed = v.left == ivr::Time{} ? ivr::Micros{0} : v.left - v.entered;
    std::printf("  %2d %-16s %-10s %-8s %8s  -> %s %s\n", v.sequence + 1, v.node.c_str(), v.type.c_str(),
                v.status.c_str(), seconds(stayed).c_str(), v.exit.c_str(), v.error.c_str());
  }
  return 0;
}

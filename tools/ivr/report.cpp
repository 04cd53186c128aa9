// ivr report: what calls, queues and agents did in a day.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "access.hpp"
#include "commands.hpp"
#include "ivr/day_report.hpp"
#include "ivr/router_history.hpp"
#include "ivr/site.hpp"
#include "ivr/store.hpp"

namespace {

ivr::Time time_of(absl::Time at) { return ivr::Time{ivr::Micros{absl::ToUnixMicros(at)}}; }

struct Day {
  absl::TimeZone zone;
  ivr::Time since, until;
};

absl::StatusOr<Day> day_of(const std::string& text, const std::string& zone_name, ivr::Time now) {
  Day day;
  if (zone_name != "UTC" && !absl::LoadTimeZone(zone_name, &day.zone)) {
    return absl::InvalidArgumentError("no time zone '" + zone_name + "' on this machine");
  }
  absl::CivilDay civil = absl::ToCivilDay(absl::FromUnixMicros(now.time_since_epoch().count()), day.zone);
  if (!text.empty() && !absl::ParseCivilTime(text, &civil)) {
    return absl::InvalidArgumentError("'" + text + "' is no day like 2026-11-21");
  }
  day.since = time_of(absl::FromCivil(civil, day.zone));
  day.until = time_of(absl::FromCivil(civil + 1, day.zone));  // 23 or 25 hours, where clocks change
  return day;
}

absl::Status write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError(path.string() + ": cannot be written");
}

absl::Status write_csv(const std::filesystem::path& folder, const ivr::DayReport& report,
                       absl::TimeZone zone) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::UnavailableError(folder.string() + ": " + error.message());
  for (const auto& [name, text] : {std::pair{"calls.csv", report.calls_csv(zone)},
                                   {"queues.csv", report.queues_csv()},
                                   {"agents.csv", report.agents_csv()},
                                   {"service_level.csv", report.service_level_csv(zone)}}) {
    if (auto status = write_file(folder / name, text); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// The lines of the day; with a user those of calls that the user may see.
absl::Status write_queue_log(const std::string& path, ivr::StorePort& store, const ivr::Site& site,
                             const Day& day, const Access& access) {
  std::string text;
  const auto read =
      ivr::read_queue_log(store, site.queues, day.since, day.until, [&](const ivr::QueueLog::Line& line) {
        if (!access.all()) {
          const auto call = store.call(line.call);
          if (!call.ok() || !access.sees(*call)) return;
        }
        text += line.text() + "\n";
      });
  if (!read.ok()) return read;
  if (path != "-") return write_file(path, text);
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

double seconds(ivr::Millis sum, int count) {
  return count ? static_cast<double>(sum.count()) / 1000 / count : 0;
}

void print(const ivr::DayReport& report) {
  const auto& t = report.totals();
  std::printf("%d calls, %d answered, %d completed, %d failed, %d abandoned; %.1f %% good\n", t.calls,
              t.answered, t.completed, t.failed, t.abandoned, t.success() * 100);
  for (const auto& [id, q] : report.queues()) {
    std::printf(
        "queue %-12s %5d joined %5d served %5d gave up %5d timed out  wait %6.1f s, longest %6.1f s  SL "
        "%5.1f %%\n",
        id.c_str(), q.joined, q.served, q.abandoned + q.short_abandoned, q.timed_out,
        seconds(q.wait_served, q.served), seconds(q.longest_wait, 1), q.service_level() * 100);
  }
  for (const auto& [id, a] : report.agents()) {
    std::printf("agent %-12s %5d offered %4d served %5d missed  talked %7.1f s  occupied %5.1f %%\n",
                id.c_str(), a.offered, a.served, a.missed, seconds(a.talked, 1), a.occupancy() * 100);
  }
}

}  // namespace

int report_main(int argc, char** argv) {
  std::string database = "ivr.db", day_text, zone, folder, queue_log, user;
  bool as_json = false;
  CLI::App app{
      "Says what calls, queues and agents did in a day, out of the call records and the router's log. With "
      "--csv it writes\n"
      "calls.csv, queues.csv, agents.csv and service_level.csv, with --queue-log the lines of Asterisk's "
      "queue_log (docs/reports.md).",
      "ivr report"};
  app.add_option("--db", database, "the server's database")->capture_default_str();
  app.add_option("--day", day_text, "YYYY-MM-DD; today when left out");
  app.add_option("--time-zone", zone, "of the day; the site's first calendar's, or UTC, when left out");
  app.add_option("--user", user, "only of calls that this user of the site's 'access' may see");
  app.add_option("--csv", folder, "write CSV files into this folder");
  app.add_option("--queue-log", queue_log,
                 "write the day's queue log into this file; -: print it, and nothing else");
  app.add_flag("--json", as_json, "print one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why) {
    std::fprintf(stderr, "ivr report: %s\n", std::string(why.message()).c_str());
    return 1;
  };
  auto store = ivr::open_store(database, ivr::StoreAccess::read);
  if (!store.ok()) return fail(store.status());
  auto site = ivr::load_site_from(**store);
  if (!site.ok() && site.status().code() != absl::StatusCode::kNotFound) return fail(site.status());
  if (!site.ok()) site = ivr::Site{};
  if (zone.empty()) zone = site->calendars.empty() ? "UTC" : site->calendars.front().second.time_zone;
  const ivr::Time now = std::chrono::floor<ivr::Micros>(std::chrono::system_clock::now());
  const auto day = day_of(day_text, zone, now);
  if (!day.ok()) {
    std::fprintf(stderr, "ivr report: %s\n", std::string(day.status().message()).c_str());
    return 2;
  }
  const auto access = Access::of(**store, user);
  if (!access.ok()) return fail(access.status());
  if (!queue_log.empty()) {
    if (auto written = write_queue_log(queue_log, **store, *site, *day, *access); !written.ok())
      return fail(written);
    if (queue_log == "-") return 0;
  }
  ivr::DayReport report(day->since, day->until);
  for (const ivr::QueueOptions& queue : site->queues) report.queue(queue);
  std::function<bool(const ivr::CallRecord&)> shown;
  if (!access->all()) shown = [&](const ivr::CallRecord& call) { return access->sees(call); };
  const auto read = read_day(**store, report, shown);
  if (!read.ok()) return fail(read);
  report.finish(now);
  if (!folder.empty()) {
    if (auto written = write_csv(folder, report, day->zone); !written.ok()) return fail(written);
  }
  if (as_json) {
    std::printf("%s\n", report.to_json(day->zone).c_str());
  } else {
    print(report);
  }
  return 0;
}

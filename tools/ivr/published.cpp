#include "published.hpp"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "ivr/publishing.hpp"
#include "ivr/store.hpp"

PublishedRoutes::PublishedRoutes(std::string database, std::vector<ivr::Route> routes, ivr::FlowSite site,
                                 ivr::FlowCheckOptions host, bool as_json)
    : database_(std::move(database)),
      own_(std::move(routes)),
      site_(std::move(site)),
      host_(std::move(host)),
      as_json_(as_json) {}

absl::Status PublishedRoutes::read(std::vector<ivr::Route>& routes) {
  auto made = ivr::published_routes(own_, *store_, site_, host_);
  if (!made.ok()) return made.status();
  for (const ivr::Route& route : *made) {
    if (!route.script) {
      return absl::FailedPreconditionError("extension " + route.extension + ": flow '" + route.flow +
                                           "' was never published in " + database_);
    }
  }
  routes = *std::move(made);
  return absl::OkStatus();
}

absl::Status PublishedRoutes::begin(std::vector<ivr::Route>& routes) {
  const bool there = !database_.empty() && std::filesystem::exists(database_);
  if (there) {
    auto opened = ivr::open_store(database_, ivr::StoreAccess::read);
    // What an older program has left is brought up to date by the engine; nothing is published in it.
    if (opened.ok()) {
      store_ = *std::move(opened);
      auto mark = ivr::publication_mark(*store_);
      if (!mark.ok()) return mark.status();
      mark_ = *std::move(mark);
      return read(routes);
    }
  }
  for (const ivr::Route& route : own_) {
    if (!route.script) {
      return absl::FailedPreconditionError("extension " + route.extension + ": flow '" + route.flow +
                                           "' was never published" +
                                           (database_.empty() ? "; there is no --db" : " in " + database_));
    }
  }
  return absl::OkStatus();
}

void PublishedRoutes::look(ivr::Engine& engine) {
  if (database_.empty()) return;
  const auto trouble = [this](const absl::Status& why) {
    if (std::exchange(trouble_, std::string(why.message())) != why.message())
      std::fprintf(stderr, "ivr serve: what is published does not run, all stays as it is: %s\n",
                   trouble_.c_str());
  };
  if (!store_) {
    auto opened = ivr::open_store(database_, ivr::StoreAccess::read);
    if (!opened.ok()) return trouble(opened.status());
    store_ = *std::move(opened);
  }
  auto mark = ivr::publication_mark(*store_);
  if (!mark.ok()) return trouble(mark.status());
  if (*mark == mark_) return;
  std::vector<ivr::Route> routes;
  absl::Status done = read(routes);
  if (done.ok()) done = engine.set_routes(std::move(routes));
  // A busy moment passes; a version that does not run here stays what it is.
  if (!absl::IsUnavailable(done) && !absl::IsDeadlineExceeded(done) && !absl::IsResourceExhausted(done))
    mark_ = *std::move(mark);
  if (!done.ok()) return trouble(done);
  trouble_.clear();
  tell();
}

void PublishedRoutes::tell() const {
  if (!store_) return;
  const auto flows = ivr::published_flows(*store_);
  if (!flows.ok()) return;
  for (const ivr::PublishedFlow& flow : *flows) {
    bool runs = false;
    for (const ivr::Route& route : own_) runs |= route.flow == flow.id;
    if (!runs) continue;
    nlohmann::ordered_json live = nlohmann::ordered_json::array();
    std::string words;
    for (const ivr::LiveVersion& one : flow.live()) {
      live.push_back({{"version", one.number}, {"share", one.share}, {"digest", one.digest}});
      char share[48];
      std::snprintf(share, sizeof share, " for %g %% of the callers", one.share / 100.0);
      words += (words.empty() ? "version " : ", version ") + std::to_string(one.number);
      if (one.share != ivr::kAllCallers) words += share;
    }
    if (as_json_) {
      std::printf(
          "%s\n",
          nlohmann::ordered_json{{"event", "published"}, {"flow", flow.id}, {"live", live}}.dump().c_str());
    } else {
      std::printf("  flow %s: %s, as published\n", flow.id.c_str(), words.c_str());
    }
  }
  std::fflush(stdout);
}

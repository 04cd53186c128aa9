#include "ivr/publishing.hpp"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/sha256.hpp"

namespace ivr {
namespace {

using nlohmann::json;

// What is live, by the flow's id; what was done, and the versions, by the flow's id and a number.
constexpr std::string_view kLiveKind = "flow_live", kChangeKind = "flow_change",
                           kVersionKind = "flow_version";

std::string numbered(std::string_view flow, std::int64_t number) {
  char digits[24];
  std::snprintf(digits, sizeof digits, " %08lld", static_cast<long long>(number));
  return std::string(flow) + digits;
}

json live_json(const std::vector<LiveVersion>& live) {
  json list = json::array();
  for (const LiveVersion& one : live)
    list.push_back({{"version", one.number}, {"digest", one.digest}, {"share", one.share}});
  return list;
}

std::string text_at(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::int64_t number_at(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

Time time_at(const json& object) { return Time(Micros(number_at(object, "at"))); }

// The flow and the number of a piece; none: it is none of ours.
std::pair<std::string, std::int64_t> split(const std::string& id) {
  const auto space = id.rfind(' ');
  if (space == std::string::npos) return {};
  return {id.substr(0, space), std::strtoll(id.c_str() + space + 1, nullptr, 10)};
}

absl::Status damaged(const StoredDocument& document) {
  return absl::DataLossError("the store's " + document.kind + " '" + document.id + "' cannot be read");
}

absl::StatusOr<std::map<std::string, PublishedFlow>> read_all(StorePort& store) {
  std::map<std::string, PublishedFlow> flows;
  const auto versions = store.documents(kVersionKind);
  if (!versions.ok()) return versions.status();
  for (const StoredDocument& each : *versions) {
    const auto [flow, number] = split(each.id);
    const json kept = json::parse(each.json, nullptr, false);
    if (number <= 0 || !kept.is_object()) return damaged(each);
    flows[flow].id = flow;
    flows[flow].versions.push_back({static_cast<int>(number), text_at(kept, "digest"), time_at(kept),
                                    text_at(kept, "by"), text_at(kept, "comment")});
  }
  const auto changes = store.documents(kChangeKind);
  if (!changes.ok()) return changes.status();
  for (const StoredDocument& each : *changes) {
    const auto [flow, number] = split(each.id);
    const json kept = json::parse(each.json, nullptr, false);
    if (number <= 0 || !kept.is_object() || !kept.contains("live") || !kept["live"].is_array())
      return damaged(each);
    LiveChange change{number, time_at(kept), text_at(kept, "by"), text_at(kept, "comment"), {}};
    int shares = 0;
    for (const json& one : kept["live"]) {
      if (!one.is_object()) return damaged(each);
      change.live.push_back({static_cast<int>(number_at(one, "version")), text_at(one, "digest"),
                             static_cast<int>(number_at(one, "share"))});
      shares += change.live.back().share;
    }
    if (shares != kAllCallers) return damaged(each);
    flows[flow].changes.push_back(std::move(change));
  }
  // What somebody else has left half there is nothing that a server could run.
  std::erase_if(flows,
                [](const auto& flow) { return flow.second.changes.empty() || flow.second.versions.empty(); });
  return flows;
}

const PublishedVersion* find_version(const PublishedFlow& flow, const std::string& digest) {
  const auto it = std::ranges::find(flow.versions, digest, &PublishedVersion::digest);
  return it == flow.versions.end() ? nullptr : &*it;
}

LiveVersion most_callers(const std::vector<LiveVersion>& live) {
  return *std::ranges::max_element(live, {}, &LiveVersion::share);
}

absl::Status put(StorePort& store, std::string_view kind, std::string id, const json& what) {
  return store
      .put_document(
          {std::string(kind), std::move(id), what.dump(-1, ' ', false, json::error_handler_t::replace)})
      .status();
}

absl::Status add_version(StorePort& store, PublishedFlow& flow, const FlowVersion& version,
                         const Publication& what) {
  if (auto kept = store.put_flow(version); !kept.ok()) return kept;
  const int number = flow.versions.empty() ? 1 : flow.versions.back().number + 1;
  flow.versions.push_back({number, version.digest, what.at, what.by, what.comment});
  return put(store, kVersionKind, numbered(flow.id, number),
             {{"digest", version.digest},
              {"at", what.at.time_since_epoch().count()},
              {"by", what.by},
              {"comment", what.comment}});
}

absl::Status go_live(StorePort& store, PublishedFlow& flow, std::vector<LiveVersion> live,
                     const Publication& what) {
  const std::int64_t sequence = flow.changes.empty() ? 1 : flow.changes.back().sequence + 1;
  flow.changes.push_back({sequence, what.at, what.by, what.comment, std::move(live)});
  const json list = live_json(flow.live());
  if (auto kept = put(store, kChangeKind, numbered(flow.id, sequence),
                      {{"at", what.at.time_since_epoch().count()},
                       {"by", what.by},
                       {"comment", what.comment},
                       {"live", list}});
      !kept.ok())
    return kept;
  return put(store, kLiveKind, flow.id, {{"change", sequence}, {"live", list}});
}

absl::Status check_share(int share) {
  if (share >= 1 && share <= kAllCallers) return absl::OkStatus();
  return absl::InvalidArgumentError("a share of " + std::to_string(share) +
                                    " in 10,000 callers: there are 1 to 10,000");
}

// The new version for its share, the rest as it was for most.
absl::StatusOr<std::vector<LiveVersion>> shared(const PublishedFlow& flow, LiveVersion first) {
  if (first.share == kAllCallers) return std::vector{std::move(first)};
  std::optional<LiveVersion> rest;
  if (!flow.changes.empty()) {
    for (const LiveVersion& one : flow.live()) {
      if (one.number != first.number && (!rest || one.share > rest->share)) rest = one;
    }
  }
  if (!rest) {
    return absl::FailedPreconditionError(
        "flow " + flow.id + ": no other version is live that the rest of the callers could have");
  }
  rest->share = kAllCallers - first.share;
  return std::vector{std::move(first), *std::move(rest)};
}

// All or nothing, and nobody else in between.
absl::StatusOr<PublishedFlow> change(StorePort& store, std::string_view flow,
                                     const std::function<absl::Status(PublishedFlow&)>& how) {
  if (auto begun = store.begin(); !begun.ok()) return begun;
  auto all = read_all(store);
  absl::Status status = all.status();
  PublishedFlow changed{.id = std::string(flow)};
  if (status.ok()) {
    if (const auto it = all->find(changed.id); it != all->end()) changed = std::move(it->second);
    status = how(changed);
  }
  if (status.ok()) status = store.commit();
  if (status.ok()) return changed;
  store.rollback();
  return status;
}

absl::Status never_published(std::string_view flow) {
  return absl::NotFoundError("flow '" + std::string(flow) + "' was never published");
}

}  // namespace

int caller_place(std::string_view flow, std::string_view caller) {
  const std::string hash = sha256_hex(std::string(flow) + '\n' + std::string(caller));
  return static_cast<int>(std::strtoull(hash.substr(0, 16).c_str(), nullptr, 16) % kAllCallers);
}

const LiveVersion& version_for(const std::vector<LiveVersion>& live, std::string_view flow,
                               std::string_view caller) {
  assert(!live.empty());
  if (live.size() == 1) return live.front();
  int place = caller_place(flow, caller);
  for (const LiveVersion& one : live) {
    if (place < one.share) return one;
    place -= one.share;
  }
  return live.back();
}

absl::StatusOr<std::vector<PublishedFlow>> published_flows(StorePort& store) {
  auto all = read_all(store);
  if (!all.ok()) return all.status();
  std::vector<PublishedFlow> list;
  for (auto& [id, flow] : *all) list.push_back(std::move(flow));
  return list;
}

absl::StatusOr<PublishedFlow> published_flow(StorePort& store, std::string_view flow) {
  auto all = read_all(store);
  if (!all.ok()) return all.status();
  const auto it = all->find(std::string(flow));
  if (it == all->end()) return never_published(flow);
  return std::move(it->second);
}

absl::StatusOr<std::string> publication_mark(StorePort& store) {
  const auto live = store.documents(kLiveKind);
  if (!live.ok()) return live.status();
  std::string mark;
  for (const StoredDocument& each : *live) mark += each.id + ' ' + each.json + '\n';
  return mark;
}

absl::StatusOr<PublishedFlow> publish(StorePort& store, const Flow& flow, const FlowVersion* before,
                                      int share, const Publication& what) {
  if (auto checked = check_share(share); !checked.ok()) return checked;
  return change(store, flow.id(), [&](PublishedFlow& to) -> absl::Status {
    if (to.versions.empty() && before != nullptr && before->digest != flow.digest()) {
      const Publication ran{what.at, what.by, "what ran before the first publication"};
      if (auto added = add_version(store, to, *before, ran); !added.ok()) return added;
      if (auto live = go_live(store, to, {{1, before->digest, kAllCallers}}, ran); !live.ok()) return live;
    }
    if (find_version(to, flow.digest()) == nullptr) {
      if (auto added = add_version(store, to, {flow.id(), flow.digest(), flow.to_json(), what.at}, what);
          !added.ok())
        return added;
    }
    const PublishedVersion& version = *find_version(to, flow.digest());
    auto live = shared(to, {version.number, version.digest, share});
    if (!live.ok()) return live.status();
    if (!to.changes.empty() && to.live() == *live) {
      return absl::FailedPreconditionError("flow " + to.id + ": this is version " +
                                           std::to_string(version.number) + ", and it is live already");
    }
    return go_live(store, to, *std::move(live), what);
  });
}

absl::StatusOr<PublishedFlow> roll_out(StorePort& store, std::string_view flow, int share,
                                       const Publication& what) {
  if (auto checked = check_share(share); !checked.ok()) return checked;
  return change(store, flow, [&](PublishedFlow& to) -> absl::Status {
    if (to.changes.empty()) return never_published(flow);
    LiveVersion first = to.live().front();
    if (to.live().size() == 1) {
      return absl::FailedPreconditionError("flow " + to.id + ": all callers have version " +
                                           std::to_string(first.number) +
                                           "; publish one for some of them first");
    }
    first.share = share;
    auto live = shared(to, std::move(first));
    if (!live.ok()) return live.status();
    return go_live(store, to, *std::move(live), what);
  });
}

absl::StatusOr<PublishedFlow> roll_back(StorePort& store, std::string_view flow, int number,
                                        const Publication& what) {
  return change(store, flow, [&](PublishedFlow& to) -> absl::Status {
    if (to.changes.empty()) return never_published(flow);
    int target = number;
    const std::vector<LiveVersion>& live = to.live();
    if (target == 0 && live.size() > 1) target = live.back().number;
    // What most callers had before they had this one; going back twice goes back further.
    for (auto then = to.changes.rbegin(); target == 0 && then != to.changes.rend(); ++then) {
      const int most = most_callers(then->live).number;
      if (most < live.front().number) target = most;
    }
    if (target == 0) {
      return absl::FailedPreconditionError("flow " + to.id + ": nothing was live before version " +
                                           std::to_string(live.front().number) + "; --to names another");
    }
    const auto version = std::ranges::find(to.versions, target, &PublishedVersion::number);
    if (version == to.versions.end()) {
      return absl::NotFoundError("flow " + to.id + ": no version " + std::to_string(target) +
                                 "; there are 1 to " + std::to_string(to.versions.back().number));
    }
    std::vector<LiveVersion> all = {{version->number, version->digest, kAllCallers}};
    if (all == live) {
      return absl::FailedPreconditionError("flow " + to.id + ": version " + std::to_string(target) +
                                           " is live for all callers already");
    }
    return go_live(store, to, std::move(all), what);
  });
}

}  // namespace ivr

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/flow_json.hpp"
#include "ivr/site.hpp"

namespace ivr {
namespace {

using flow::Json;

struct Kind {
  std::string_view section, kind;
};
constexpr Kind kKinds[] = {
    {"agents", "agent"},         {"queues", "queue"},         {"calendars", "calendar"},
    {"lists", "list"},           {"extensions", "extension"}, {"departments", "department"},
    {"demo_users", "demo_user"}, {"access", "access"},        {"music", "music"}};
constexpr std::string_view kRules = "callers";  // one document, with this as kind and id
constexpr std::string_view kOrder = "order";    // of a kind: the ids as the file has them
constexpr std::string_view kFlow = "flow";      // by file: id and digest of its version
constexpr std::string_view kSite = "site";      // there when a site is

std::vector<std::string> all_kinds() {
  std::vector<std::string> kinds;
  for (const Kind& each : kKinds) kinds.emplace_back(each.kind);
  for (const std::string_view each : {kRules, kOrder, kFlow, kSite}) kinds.emplace_back(each);
  return kinds;
}

std::string named(const StoredDocument& document) {
  return document.kind == document.id ? document.kind : document.kind + " " + document.id;
}

// An added or removed agent changes the order of agents; that is not worth a word.
void forget_orders(SiteChanges& changes) {
  const auto touched = [&](const std::string& kind) {
    const auto of_kind = [&](const std::string& name) { return name.starts_with(kind + " "); };
    return std::any_of(changes.added.begin(), changes.added.end(), of_kind) ||
           std::any_of(changes.removed.begin(), changes.removed.end(), of_kind);
  };
  const auto silent = [&](const std::string& name) {
    return name.starts_with("order ") && touched(name.substr(6));
  };
  for (auto* list : {&changes.added, &changes.changed, &changes.removed}) {
    std::vector<std::string> kept;
    std::copy_if(list->begin(), list->end(), std::back_inserter(kept),
                 [&](const std::string& name) { return !silent(name) && name != kSite; });
    *list = std::move(kept);
  }
}

absl::StatusOr<SiteChanges> put_all(const std::vector<StoredDocument>& documents, const Site& site, Time now,
                                    StorePort& store) {
  SiteChanges changes;
  for (const SiteFlow& flow : site.flows) {
    if (auto status = store.put_flow({flow.id, flow.digest, flow.document, now}); !status.ok()) return status;
  }
  absl::flat_hash_map<std::string, bool> wanted;
  for (const StoredDocument& document : documents) {
    wanted[document.kind + "\n" + document.id] = true;
    auto stored = store.put_document(document);
    if (!stored.ok()) return stored.status();
    switch (*stored) {
      case Stored::unchanged: changes.unchanged += document.kind != kOrder && document.kind != kSite; break;
      case Stored::added: changes.added.push_back(named(document)); break;
      case Stored::changed: changes.changed.push_back(named(document)); break;
    }
  }
  for (const std::string& kind : all_kinds()) {
    auto there = store.documents(kind);
    if (!there.ok()) return there.status();
    for (const StoredDocument& document : *there) {
      if (wanted.contains(document.kind + "\n" + document.id)) continue;
      if (auto status = store.remove_document(document.kind, document.id); !status.ok()) return status;
      changes.removed.push_back(named(document));
    }
  }
  forget_orders(changes);
  return changes;
}

}  // namespace

absl::StatusOr<std::vector<StoredDocument>> site_documents(std::string_view text, const Site& site) {
  std::vector<Finding> findings;
  const Json json = flow::parse_document(text, findings);
  if (!json.is_object() || !findings.empty()) {
    return absl::InvalidArgumentError("the site does not parse; parse_site() says why");
  }
  std::vector<StoredDocument> documents = {{std::string(kSite), std::string(kSite), "1"}};
  for (const Kind& kind : kKinds) {
    const auto section = json.find(std::string(kind.section));
    if (section == json.end()) continue;
    Json order = Json::array();
    for (const auto& [id, value] : section->items()) {
      documents.push_back({std::string(kind.kind), id, flow::canonical(value)});
      order.push_back(id);
    }
    if (!order.empty()) {
      documents.push_back({std::string(kOrder), std::string(kind.kind), flow::canonical(order)});
    }
  }
  if (const auto rules = json.find(std::string(kRules)); rules != json.end()) {
    documents.push_back({std::string(kRules), std::string(kRules), flow::canonical(*rules)});
  }
  for (const SiteFlow& flow : site.flows) {
    if (flow.digest.empty()) return absl::FailedPreconditionError("flow " + flow.file + " was not added");
    const Json version = {{"digest", flow.digest}, {"id", flow.id}};
    documents.push_back({std::string(kFlow), flow.file, flow::canonical(version)});
  }
  return documents;
}

absl::StatusOr<SiteChanges> store_site(std::string_view json, const Site& site, Time now, StorePort& store) {
  const auto documents = site_documents(json, site);
  if (!documents.ok()) return documents.status();
  if (auto status = store.begin(); !status.ok()) return status;
  auto changes = put_all(*documents, site, now, store);
  absl::Status status = changes.ok() ? store.commit() : changes.status();
  if (status.ok()) return changes;
  store.rollback();
  return status;
}

absl::StatusOr<Site> load_site_from(StorePort& store) {
  const auto marks = store.documents(kSite);
  if (!marks.ok()) return marks.status();
  if (marks->empty()) return absl::NotFoundError("no site is stored; 'ivr load' stores one");
  Json json = {{"site", 1}};
  for (const Kind& kind : kKinds) {
    const auto documents = store.documents(kind.kind);
    if (!documents.ok()) return documents.status();
    if (documents->empty()) continue;
    absl::flat_hash_map<std::string, const StoredDocument*> by_id;
    for (const StoredDocument& each : *documents) by_id[each.id] = &each;
    Json& section = json[std::string(kind.section)] = Json::object();
    const auto put = [&](const std::string& id) {
      const auto it = by_id.find(id);
      if (it == by_id.end()) return;
      // Appended without the search of an ordered object for its key: that it is new is known.
      section.get_ref<Json::object_t&>().Container::emplace_back(
          id, Json::parse(it->second->json, nullptr, false));
      by_id.erase(it);
    };
    const auto orders = store.documents(kOrder);
    if (!orders.ok()) return orders.status();
    for (const StoredDocument& order : *orders) {
      const Json ids = Json::parse(order.json, nullptr, false);
      if (order.id != kind.kind || !ids.is_array()) continue;
      for (const Json& id : ids) put(id.is_string() ? id.get<std::string>() : "");
    }
    for (const StoredDocument& each : *documents) put(each.id);
  }
  const auto rules = store.documents(kRules);
  if (!rules.ok()) return rules.status();
  for (const StoredDocument& each : *rules) json[each.id] = Json::parse(each.json, nullptr, false);

  auto site = parse_site(json.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!site.ok()) return site.status();
  const auto flows = store.documents(kFlow);
  if (!flows.ok()) return flows.status();
  for (SiteFlow& flow : site->flows) {
    const auto known = std::find_if(flows->begin(), flows->end(),
                                    [&](const StoredDocument& each) { return each.id == flow.file; });
    const Json version = known == flows->end() ? Json() : Json::parse(known->json, nullptr, false);
    if (!version.is_object() || !version.contains("digest") || !version["digest"].is_string()) {
      return absl::NotFoundError("the stored site has no version of flow " + flow.file);
    }
    auto stored = store.flow(version["digest"].get<std::string>());
    if (!stored.ok()) return stored.status();
    flow.id = stored->id;
    flow.digest = stored->digest;
    flow.document = std::move(stored->document);
  }
  return site;
}

}  // namespace ivr

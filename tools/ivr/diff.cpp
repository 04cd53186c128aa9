// ivr diff: what is different between two flows, in what they mean.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands.hpp"
#include "flow_files.hpp"
#include "ivr/flow.hpp"

namespace {

using json = nlohmann::json;  // keys in order: their order in the document means nothing...
using ordered_json = nlohmann::ordered_json;

// ...but here: what is set is set in the order written, and of departments with as many keywords the first
// counts.
constexpr const char* kOrdered[] = {"set", "departments"};

// Renames the targets of a node's exits.
void retarget(json& node, const std::map<std::string, std::string>& names) {
  const auto one = [&](json& target) {
    if (!target.is_string()) return;
    if (const auto found = names.find(target.get<std::string>()); found != names.end())
      target = found->second;
  };
  for (const ivr::FlowNodeType& type : ivr::flow_node_types()) {
    for (const std::string_view exit : type.exits)
      if (const auto it = node.find(std::string(exit)); it != node.end()) one(*it);
  }
  for (const char* field : {"next", "on_timeout", "start", "on_error", "on_hangup"})
    if (node.contains(field)) one(node[field]);
  for (const char* field : {"keys", "on_status"})
    if (node.contains(field) && node[field].is_object())
      for (auto& target : node[field]) one(target);
  for (const char* field : {"cases", "patterns"})
    if (node.contains(field) && node[field].is_array())
      for (auto& item : node[field])
        if (item.is_object() && item.contains("next")) one(item["next"]);
}

// Nodes that are the same but for their name, and the names of others that were renamed: old to new. Of
// several that are alike none: which of them became which nobody knows.
std::map<std::string, std::string> renamed(const json& before, const json& after) {
  std::map<std::string, std::string> names;
  const auto& was = before["nodes"];
  const auto& is = after["nodes"];
  for (bool more = true; more;) {
    more = false;
    std::map<std::string, std::vector<std::string>> gone, come;  // by what they are
    for (const auto& [name, node] : is.items())
      if (!was.contains(name)) {
        json nameless = node;
        retarget(nameless, {{name, "@itself"}});
        come[nameless.dump()].push_back(name);
      }
    for (const auto& [name, node] : was.items())
      if (!is.contains(name)) {
        json nameless = node;
        retarget(nameless, {{name, "@itself"}});
        retarget(nameless, names);
        gone[nameless.dump()].push_back(name);
      }
    for (const auto& [what, old] : gone) {
      const auto now = come.find(what);
      if (now == come.end() || old.size() != 1 || now->second.size() != 1) continue;
      more = names.emplace(old[0], now->second[0]).second || more;
    }
  }
  return names;
}

// Every value that is no object, and every empty one, by its JSON pointer. Lists count as a whole: their
// order matters.
void flatten(const json& value, const std::string& at, std::map<std::string, json>& out) {
  if (!value.is_object() || value.empty()) {
    out[at] = value;
    return;
  }
  for (const auto& [key, inner] : value.items()) {
    std::string escaped;
    for (const char c : key) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    flatten(inner, at + "/" + escaped, out);
  }
}

bool read(const FlowFiles& files, const std::string& path, ordered_json& out) {
  const auto text = files.document(path);
  if (absl::IsNotFound(text.status()))
    return std::fprintf(stderr, "ivr diff: cannot read '%s'\n", path.c_str()), false;
  const auto flow =
      text.ok() ? ivr::Flow::load(*text) : absl::StatusOr<std::shared_ptr<const ivr::Flow>>(text.status());
  if (!flow.ok()) {
    std::fprintf(stderr, "ivr diff: %s is no flow that runs:\n%s\n", path.c_str(),
                 std::string(flow.status().message()).c_str());
    return false;
  }
  out = ordered_json::parse((*flow)->to_json());
  return true;
}

}  // namespace

int diff_main(int argc, char** argv) {
  std::string before_path, after_path;
  FlowFiles files;
  bool as_json = false;
  CLI::App app{
      "Says what is different between two flows, by JSON pointer. Order of keys and layout mean nothing: "
      "flows that run alike print nothing. A node that has only got another name is said to be renamed, and "
      "lists, "
      "assignments and departments count in their order.\n\nExit status: 0 no difference, 1 differences, 2 "
      "wrong usage or no flow.",
      "ivr diff"};
  app.add_option("BEFORE", before_path, "flow document")->required()->check(CLI::ExistingFile);
  app.add_option("AFTER", after_path, "flow document")->required()->check(CLI::ExistingFile);
  files.add_option(app);
  app.add_flag("--json", as_json, "one JSON object: pointer, before, after of each difference");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  ordered_json as_written[2];
  if (!read(files, before_path, as_written[0]) || !read(files, after_path, as_written[1])) return 2;
  json documents[2] = {json(as_written[0]), json(as_written[1])};
  std::map<std::string, json> before, after;
  const std::map<std::string, std::string> names = renamed(documents[0], documents[1]);
  if (!names.empty()) {
    retarget(documents[0], names);
    json nodes = json::object();
    for (auto& [name, node] : documents[0]["nodes"].items()) {
      retarget(node, names);
      nodes[names.contains(name) ? names.at(name) : name] = std::move(node);
    }
    documents[0]["nodes"] = std::move(nodes);
  }
  flatten(documents[0], "", before);
  flatten(documents[1], "", after);

  json differences = json::array(), renames = json::object();
  for (const auto& [old, now] : names) {
    renames[old] = now;
    if (!as_json) std::printf("~ /nodes/%s: renamed to %s\n", old.c_str(), now.c_str());
  }
  const auto tell = [&](const std::string& pointer, const json* was, const json* is) {
    json one = {{"pointer", pointer}};
    if (was != nullptr) one["before"] = *was;
    if (is != nullptr) one["after"] = *is;
    differences.push_back(std::move(one));
    if (as_json) return;
    if (was != nullptr) std::printf("- %s: %s\n", pointer.c_str(), was->dump().c_str());
    if (is != nullptr) std::printf("+ %s: %s\n", pointer.c_str(), is->dump().c_str());
  };
  auto b = before.begin();
  for (auto a = after.begin(); b != before.end() || a != after.end();) {
    if (a == after.end() || (b != before.end() && b->first < a->first)) {
      tell(b->first, &b->second, nullptr), ++b;
    } else if (b == before.end() || a->first < b->first) {
      tell(a->first, nullptr, &a->second), ++a;
    } else {
      if (a->second != b->second) tell(a->first, &b->second, &a->second);
      ++a, ++b;
    }
  }
  json orders = json::array();
  for (const auto& [name, node] : as_written[0]["nodes"].items()) {
    const auto same = as_written[1]["nodes"].find(names.contains(name) ? names.at(name) : name);
    if (same == as_written[1]["nodes"].end()) continue;
    for (const char* field : kOrdered) {
      if (!node.contains(field) || !same->contains(field)) continue;
      json was = json::array(), is = json::array();
      for (const auto& [key, value] : node[field].items()) was.push_back(key);
      for (const auto& [key, value] : (*same)[field].items()) is.push_back(key);
      if (was == is || !std::is_permutation(was.begin(), was.end(), is.begin(), is.end())) continue;
      const std::string pointer = "/nodes/" + same.key() + "/" + field;
      orders.push_back({{"pointer", pointer}, {"before", was}, {"after", is}});
      if (!as_json)
        std::printf("~ %s: in another order, %s is now %s\n", pointer.c_str(), was.dump().c_str(),
                    is.dump().c_str());
    }
  }
  const bool equal = differences.empty() && names.empty() && orders.empty();
  if (as_json)
    std::printf(
        "%s\n",
        json{{"equal", equal}, {"differences", differences}, {"renamed", renames}, {"reordered", orders}}
            .dump(2)
            .c_str());
  return equal ? 0 : 1;
}

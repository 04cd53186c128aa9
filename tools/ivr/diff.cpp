// ivr diff: what is different between two flows, in what they mean.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "ivr/flow.hpp"

namespace {

using json = nlohmann::json;  // keys in order: their order in the document means nothing

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

bool read(const std::string& path, json& out) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.good() && !file.eof())
    return std::fprintf(stderr, "ivr diff: cannot read '%s'\n", path.c_str()), false;
  const auto flow = ivr::Flow::load(text);
  if (!flow.ok()) {
    std::fprintf(stderr, "ivr diff: %s is no flow that runs:\n%s\n", path.c_str(),
                 std::string(flow.status().message()).c_str());
    return false;
  }
  out = json::parse((*flow)->to_json());
  return true;
}

}  // namespace

int diff_main(int argc, char** argv) {
  std::string before_path, after_path;
  bool as_json = false;
  CLI::App app{
      "Says what is different between two flows, by JSON pointer. Order of keys and layout mean nothing: "
      "flows that "
      "run alike print nothing.\n\nExit status: 0 no difference, 1 differences, 2 wrong usage or no flow.",
      "ivr diff"};
  app.add_option("BEFORE", before_path, "flow document")->required()->check(CLI::ExistingFile);
  app.add_option("AFTER", after_path, "flow document")->required()->check(CLI::ExistingFile);
  app.add_flag("--json", as_json, "one JSON object: pointer, before, after of each difference");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  json documents[2];
  if (!read(before_path, documents[0]) || !read(after_path, documents[1])) return 2;
  std::map<std::string, json> before, after;
  flatten(documents[0], "", before);
  flatten(documents[1], "", after);

  json differences = json::array();
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
  if (as_json)
    std::printf("%s\n", json{{"equal", differences.empty()}, {"differences", differences}}.dump(2).c_str());
  return differences.empty() ? 0 : 1;
}

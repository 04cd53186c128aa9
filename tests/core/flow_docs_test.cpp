#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "core/flow_caller.hpp"
#include "nlohmann/json.hpp"

// What docs/flow-format.md shows must be true, and the schema beside it must know the same words.

namespace ivr {
namespace {

using Json = nlohmann::ordered_json;

bool whole(const std::string& snippet) { return snippet.find("\"ivr\": 1") != std::string::npos; }

std::string between(const std::string& text, char quote) {
  const std::size_t a = text.find(quote), b = text.find(quote, a + 1);
  return text.substr(a + 1, b - a - 1);
}

// A snippet of nodes in a flow that has what the snippet only mentions: other nodes, variables, a calendar.
std::string completed(const std::string& snippet) {
  Json flow = {{"ivr", 1},
               {"id", "docs"},
               {"start", "first"},
               {"on_error", "end"},
               {"variables", Json::object()},
               {"calendars", Json::object()},
               {"nodes", Json::parse("{" + snippet + "}")}};
  flow["start"] = flow["nodes"].begin().key();
  flow["nodes"]["end"] = {{"type", "hangup"}};
  for (int round = 0; round < 10; ++round) {
    bool changed = false;
    for (const Finding& f : Flow::check(flow.dump())) {
      const std::string name = between(f.message, '\'');
      if (f.rule == "unknown-target") {
        flow["nodes"][name] = {{"type", "hangup"}};
      } else if (f.rule == "unset-variable") {
        flow["variables"][name] = 1;
      } else if (f.rule == "unknown-calendar") {
        flow["calendars"][name] = {{"time_zone", "UTC"}, {"hours", {{"mon-fri", {"09:00-17:00"}}}}};
      } else {
        continue;
      }
      changed = true;
    }
    if (!changed) break;
  }
  return flow.dump(2);
}

TEST(FlowFormatPage, EveryExampleIsAFlowThatLoads) {
  int flows = 0, parts = 0;
  for (const std::string& snippet : json_snippets("/docs/flow-format.md")) {
    const std::string json = whole(snippet) ? snippet : completed(snippet);
    ++(whole(snippet) ? flows : parts);
    for (const Finding& f : Flow::check(json)) {
      // A few nodes shown side by side need not lead to each other.
      if (!whole(snippet) && (f.rule == "unreachable" || f.rule == "unused" || f.rule == "dead-case"))
        continue;
      ADD_FAILURE() << to_string(f) << "\nin\n" << snippet;
    }
  }
  EXPECT_GE(flows, 3);
  EXPECT_GE(parts, 10);
}

TEST(FlowFormatPage, ShowsEveryNodeTypeAndEveryExit) {
  const std::string page = read_text(IVR_SOURCE_DIR "/docs/flow-format.md");
  for (const FlowNodeType& type : flow_node_types()) {
    EXPECT_NE(page.find("\"type\": \"" + std::string(type.name) + "\""), std::string::npos) << type.name;
    for (const std::string_view exit : type.exits)
      EXPECT_NE(page.find("`" + std::string(exit)), std::string::npos) << type.name << " " << exit;
  }
}

TEST(FlowFormatPage, ListsEveryRuleThatTheCheckerKnows) {
  const std::string page = read_text(IVR_SOURCE_DIR "/docs/flow-format.md");
  int found = 0;
  for (const auto& file : std::filesystem::directory_iterator(IVR_SOURCE_DIR "/libivr/src/core")) {
    if (file.path().filename().string().rfind("flow_", 0) != 0) continue;
    const std::string source = read_text(file.path().string());
    for (const std::string_view call : {"error(", "warning(", "push_back({"}) {
      for (std::size_t at = source.find(call); at != std::string::npos; at = source.find(call, at + 1)) {
        const std::size_t quote = source.find_first_not_of(" \n", at + call.size());
        if (quote == std::string::npos || source[quote] != '"') continue;
        const std::string rule = between(source.substr(quote, 100), '"');
        EXPECT_NE(page.find("`" + rule + "`"), std::string::npos) << rule << " of " << file.path();
        ++found;
      }
    }
  }
  EXPECT_GE(found, 50);
}

// A section a rule, and an example that has the defect and no other.
TEST(FlowRulesPage, EachRuleHasASectionWhoseExampleShowsIt) {
  const std::string table = read_text(IVR_SOURCE_DIR "/docs/flow-format.md");
  const std::string page = read_text(IVR_SOURCE_DIR "/docs/flow-rules.md");
  const FlowCheckOptions site{.queues = {{"desk"}}, .agents = {{"ann"}}, .skills = {{"french"}}};
  int sections = 0, examples = 0;
  for (std::size_t at = page.find("\n### "); at != page.npos; at = page.find("\n### ", at + 1), ++sections) {
    const std::size_t name = at + 5, end = page.find('\n', name);
    const std::string rule = page.substr(name, end - name);
    EXPECT_NE(page.find("(#" + rule + ")"), page.npos) << rule << " is not in the list above";
    const std::string text = page.substr(end, page.find("\n#", end) - end);
    EXPECT_NE(text.find("**Mend:**"), text.npos) << rule;
    const std::size_t begin = text.find("```json\n");
    if (begin == text.npos) continue;
    ++examples;
    const std::string example = text.substr(begin + 8, text.find("```", begin + 8) - begin - 8);
    const auto findings = Flow::check(example, site);
    ASSERT_FALSE(findings.empty()) << rule;
    for (const Finding& f : findings) {
      if (f.rule == "unused") continue;  // an example that fails nowhere
      EXPECT_EQ(f.rule, rule) << to_string(f);
      EXPECT_EQ(f.severity == Severity::warning, text.find("A warning.") != text.npos) << rule;
    }
  }
  EXPECT_GE(sections, 48);
  EXPECT_GE(examples, 43);
  const std::size_t from = table.find("| rule | |"), to = table.find("\n\n", from);
  for (std::size_t at = table.find('`', from); at < to; at = table.find('`', at + 1)) {
    const std::string word = between(table.substr(at, 100), '`');
    at += word.size() + 1;
    if (word.find('-') == word.npos || word.find(' ') != word.npos) continue;
    EXPECT_NE(page.find("\n### " + word + "\n"), page.npos) << "no section on " << word;
  }
}

// The fields that the schema allows for a node type are those that the language knows.
TEST(FlowSchema, KnowsTheSameNodeTypesAndFields) {
  const Json schema = Json::parse(read_text(IVR_SOURCE_DIR "/docs/flow.schema.json"), nullptr, false);
  ASSERT_FALSE(schema.is_discarded());
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  for (const FlowNodeType& type : flow_node_types()) {
    const std::string name(type.name);
    ASSERT_TRUE(schema["$defs"].contains(name)) << name;
    const Json& fields = schema["$defs"][name]["properties"];
    Json node = {{"type", name}, {"surely_unknown", 1}};
    for (const auto& [field, unused] : fields.items()) {
      if (field != "type") node[field] = nullptr;
    }
    const Json flow = {{"ivr", 1}, {"id", "s"}, {"start", "a"}, {"nodes", {{"a", node}}}};
    std::vector<std::string> unknown;
    for (const Finding& f : Flow::check(flow.dump())) {
      if (f.rule == "unknown-field") unknown.push_back(f.pointer);
    }
    // Decisions know different fields by their kind; here it is null, so 'custom' is assumed.
    std::vector<std::string> expected = {"/nodes/a/surely_unknown"};
    if (name == "decision") {
      for (const char* f : {"open", "closed", "emergency", "calendar", "variable"}) {
        unknown.erase(std::remove(unknown.begin(), unknown.end(), "/nodes/a/" + std::string(f)),
                      unknown.end());
      }
    }
    EXPECT_EQ(unknown, expected) << name;
    for (const std::string_view exit : type.exits) {
      const std::string field = name == "api" && exit == "timeout" ? "on_timeout" : std::string(exit);
      EXPECT_TRUE(fields.contains(field)) << name << " " << field;
    }
  }
}

}  // namespace
}  // namespace ivr

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/flow_caller.hpp"
#include "nlohmann/json.hpp"

// Every defect that a slip of the hand makes of a flow that ships, at every place where it can be made, is
// found.

namespace ivr {
namespace {

using FlowJson = nlohmann::ordered_json;
using FlowMutants = std::vector<std::pair<std::string, FlowJson>>;  // by where the slip is

struct FlowSlip {
  const char* name;
  std::set<std::string> rules;  // one of which finds it
  std::function<void(const FlowJson& flow, FlowMutants& out)> make;
};

// A slip of one node, if it has it.
using NodeSlip = std::function<bool(FlowJson& node)>;

auto in_each_node(NodeSlip slip) {
  return [slip = std::move(slip)](const FlowJson& flow, FlowMutants& out) {
    for (const auto& [name, node] : flow["nodes"].items()) {
      FlowJson mutant = flow;
      if (slip(mutant["nodes"][name])) out.emplace_back(name, std::move(mutant));
    }
  };
}

auto in_each(const char* type, NodeSlip slip) {
  return in_each_node(
      [type, slip = std::move(slip)](FlowJson& node) { return node["type"] == type && slip(node); });
}

auto of_the_document(std::function<bool(FlowJson& flow)> slip) {
  return [slip = std::move(slip)](const FlowJson& flow, FlowMutants& out) {
    FlowJson mutant = flow;
    if (slip(mutant)) out.emplace_back("the document", std::move(mutant));
  };
}

NodeSlip without(const char* field) {
  return [field](FlowJson& node) { return node.erase(field) > 0; };
}

NodeSlip with_field(const char* field, const FlowJson& value) {
  return [field, value](FlowJson& node) {
    node[field] = value;
    return true;
  };
}

NodeSlip in_place_of(const char* field, const FlowJson& value) {
  return [field, value](FlowJson& node) {
    if (!node.contains(field)) return false;
    node[field] = value;
    return true;
  };
}

// The one exit that is written is led to the node itself.
bool goes_round(FlowJson& flow, const std::string& name) {
  FlowJson& node = flow["nodes"][name];
  if ((node["type"] != "play" && node["type"] != "set") || node.value("loops", 1) == 0) return false;
  node["next"] = name;
  return true;
}

std::vector<FlowSlip> slips() {
  const auto texts_of = [](const char* from, const char* to) {
    return [from = std::string(from), to = std::string(to)](const FlowJson& flow, FlowMutants& out) {
      const std::string text = flow.dump();
      for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + 1))
        out.emplace_back("byte " + std::to_string(at),
                         FlowJson::parse(std::string(text).replace(at, from.size(), to)));
    };
  };
  return {
      {"an exit to a node that is not there",
       {"unknown-target"},
       in_each_node(in_place_of("next", "nowhere_at_all"))},
      {"a start that is not there", {"unknown-target"}, of_the_document(in_place_of("start", "nowhere"))},
      {"no start", {"missing-field"}, of_the_document(without("start"))},
      {"no id", {"missing-field"}, of_the_document(without("id"))},
      {"another version", {"version"}, of_the_document(in_place_of("ivr", 2))},
      {"no nodes", {"missing-field"}, of_the_document(without("nodes"))},
      {"no on_error", {"open-exit"}, of_the_document(without("on_error"))},
      {"on_error to a node that is not there",
       {"unknown-target"},
       of_the_document(in_place_of("on_error", "x"))},
      {"a node removed",
       {"unknown-target"},
       [](const FlowJson& flow, FlowMutants& out) {
         for (const auto& [name, node] : flow["nodes"].items()) {
           FlowJson mutant = flow;
           mutant["nodes"].erase(name);
           out.emplace_back(name, std::move(mutant));
         }
       }},
      {"a node that nothing leads to", {"unreachable"}, of_the_document([](FlowJson& flow) {
         flow["nodes"]["island"] = {{"type", "hangup"}};
         return true;
       })},
      {"an exit not connected", {"open-exit"}, in_each_node(without("next"))},
      {"a menu without what happens to wrong keys", {"open-exit"}, in_each("menu", without("invalid"))},
      {"a menu without what happens in silence", {"open-exit"}, in_each("menu", without("no_input"))},
      {"a question without what happens in silence", {"open-exit"}, in_each("gather", without("no_input"))},
      {"a decision without else", {"open-exit"}, in_each_node(without("else"))},
      {"hours without closed", {"open-exit"}, in_each_node(without("closed"))},
      {"a type misspelt", {"unknown-type"}, in_each_node(with_field("type", "paly"))},
      {"a type left out", {"missing-field"}, in_each_node(without("type"))},
      {"a field misspelt", {"unknown-field"}, in_each_node(with_field("tiemout", "5s"))},
      {"a prompt that is a number", {"wrong-type"}, in_each_node(in_place_of("say", 7))},
      {"a duration without a unit", {"wrong-type"}, in_each_node(in_place_of("max", "60"))},
      {"a duration that is too long", {"out-of-range"}, in_each("record", in_place_of("max", "900h"))},
      {"no tries at all", {"out-of-range"}, in_each("menu", with_field("tries", 0))},
      {"more digits at least than at most",
       {"conflict", "out-of-range"},
       in_each("gather",
               [](FlowJson& node) {
                 if (node.contains("length")) return false;
                 node["min"] = 9, node["max"] = 3;
                 return true;
               })},
      {"a question without a place for the answer", {"missing-field"}, in_each("gather", without("into"))},
      {"a menu without keys", {"missing-field"}, in_each("menu", without("keys"))},
      {"a key that no telephone has",
       {"dead-key"},
       in_each("menu", [](FlowJson& node) { return node["keys"]["Q"] = node["invalid"], true; })},
      {"two keys where a menu reads one",
       {"dead-key"},
       in_each("menu", [](FlowJson& node) { return node["keys"]["12"] = node["invalid"], true; })},
      {"a pattern over a key",
       {"ambiguous-keys"},
       in_each("menu",
               [](FlowJson& node) {
                 node["patterns"] = FlowJson::array({{{"pattern", "[0-9]"}, {"next", node["invalid"]}}});
                 return true;
               })},
      {"a pattern that is none",
       {"bad-pattern"},
       in_each("gather", [](FlowJson& node) { return node["pattern"] = "1(", true; })},
      {"a variable misspelt in what is said",
       {"unset-variable"},
       [](const FlowJson& flow, FlowMutants& out) {
         for (const auto& [name, node] : flow["nodes"].items()) {
           if (!node.contains("say")) continue;
           FlowJson mutant = flow;
           mutant["nodes"][name]["say"] = "It is {{no_such_variable}}";
           out.emplace_back(name, std::move(mutant));
         }
       }},
      {"a variable read before it is set", {"unset-variable"}, of_the_document([](FlowJson& flow) {
         const std::string start = flow["start"];
         flow["nodes"]["early"] = {{"type", "play"}, {"say", "{{late}}"}, {"next", "sets"}};
         flow["nodes"]["sets"] = {{"type", "set"}, {"set", {{"late", 1}}}, {"next", start}};
         flow["start"] = "early";
         return true;
       })},
      {"a template without an end",
       {"bad-template"},
       in_each_node(in_place_of("say", "Your number is {{call.caller"))},
      {"a filter that is not there",
       {"bad-template"},
       in_each_node(in_place_of("say", "{{call.caller | shout}}"))},
      {"a condition that is none", {"bad-expression"}, in_each_node([](FlowJson& node) {
         if (!node.contains("cases") || !node["cases"][0].contains("if")) return false;
         node["cases"][0]["if"] = "call.caller ==";
         return true;
       })},
      {"a condition that always holds", {"constant-case"}, in_each_node([](FlowJson& node) {
         if (!node.contains("cases") || !node["cases"][0].contains("if")) return false;
         node["cases"][0]["if"] = "1 == 1";
         return true;
       })},
      {"a loop without the caller",
       {"endless-loop", "unreachable"},
       [](const FlowJson& flow, FlowMutants& out) {
         for (const auto& [name, node] : flow["nodes"].items()) {
           FlowJson mutant = flow;
           if (goes_round(mutant, name)) out.emplace_back(name, std::move(mutant));
         }
       }},
      {"a prompt that lacks a language",
       {"missing-language", "one-language"},
       in_each_node([](FlowJson& node) {
         return node.contains("say") && node["say"].is_object() && node["say"].contains("ar") &&
                node["say"].erase("ar") > 0;
       })},
      {"a prompt in a language that the flow has not", {"unknown-language"}, in_each_node([](FlowJson& node) {
         if (!node.contains("say") || !node["say"].is_object() || !node["say"].contains("ar")) return false;
         node["say"]["xx"] = "x";
         return true;
       })},
      {"an address that is none", {"bad-url"}, in_each("api", in_place_of("url", "htp:/x"))},
      {"a transfer to what is no address",
       {"bad-uri"},
       in_each("transfer", in_place_of("to", "desk at work"))},
      {"a status that is none",
       {"bad-number", "out-of-range", "bad-name", "wrong-type"},
       in_each("api",
               [](FlowJson& node) {
                 return node["on_status"] = {{"999", node["error"]}}, true;
               })},
      {"a calendar that is not there", {"unknown-calendar"}, in_each_node(in_place_of("calendar", "moon"))},
      {"a strategy that is not there",
       {"unknown-strategy"},
       in_each_node(in_place_of("strategy", "fastest_first"))},
      {"back to no menu", {"no-way-back"}, of_the_document([](FlowJson& flow) {
         for (auto& [name, node] : flow["nodes"].items())
           if (node["type"] == "menu" || node["type"] == "welcome") return false;
         flow["nodes"]["first"] = {{"type", "menu"},
                                   {"say", "x"},
                                   {"keys", {{"1", flow["start"]}, {"2", "@back"}}},
                                   {"invalid", flow["start"]},
                                   {"no_input", flow["start"]}};
         flow["start"] = "first";
         return true;
       })},
      {"a question after the caller has gone", {"needs-caller"}, of_the_document([](FlowJson& flow) {
         return flow["on_hangup"] = flow["start"], true;
       })},
      {"a secret in an address",
       {"secret-leak"},
       [](const FlowJson& flow, FlowMutants& out) {
         for (const auto& [name, node] : flow["nodes"].items()) {
           if (node["type"] != "api") continue;
           FlowJson mutant = flow;
           mutant["secrets"] = {"account"};
           out.emplace_back(name, std::move(mutant));
         }
       }},
      {"a case twice",
       {"dead-case", "constant-case"},
       in_each("decision",
               [](FlowJson& node) {
                 if (!node.contains("cases") || node["cases"].empty()) return false;
                 FlowJson again = node["cases"][0];
                 again["name"] = "again";
                 node["cases"].push_back(again);
                 // A percentage may well be there twice.
                 return node.value("kind", "custom") != "percent";
               })},
      {"a case that contradicts itself",
       {"dead-case"},
       in_each("decision",
               [](FlowJson& node) {
                 if (node.value("kind", "custom") != "custom") return false;
                 node["cases"][0]["if"] = "language == 'en' and now.hour > 23";
                 return true;
               })},
      {"a question that no input answers",
       {"dead-input"},
       in_each("gather", [](FlowJson& node) { return node["pattern"] = "[0-9]{30,40}", true; })},
      {"a number in a language without spoken numbers",
       {"no-spoken-numbers"},
       [](const FlowJson& flow, FlowMutants& out) {
         for (const auto& [name, node] : flow["nodes"].items()) {
           if (!node.contains("say")) continue;
           FlowJson mutant = FlowJson::parse(flow.dump());
           mutant["languages"] = {"fr"};
           mutant["nodes"][name]["say"] = {{"number", "7"}};
           out.emplace_back(name, std::move(mutant));
         }
       }},
      {"a day that is not in the calendar", {"unspeakable"}, in_each_node([](FlowJson& node) {
         if (!node.contains("say")) return false;
         node["say"] = {{"date", "2026-02-30"}};
         return true;
       })},
      {"a part of a text",
       {"unset-part"},
       in_each("gather",
               [](FlowJson& node) {
                 node["no_input_say"] = "{{account.number}}";
                 return node["into"] == "account";
               })},
      {"an unknown name read",
       {"unset-variable", "bad-template", "bad-expression"},
       texts_of("{{queue.", "{{qeue.")},
  };
}

TEST(FlowMutation, EveryDefectMadeOfAFlowThatShipsIsFound) {
  std::vector<std::pair<std::string, FlowJson>> flows;
  for (const auto& entry : std::filesystem::directory_iterator(IVR_SOURCE_DIR "/examples/flows"))
    if (entry.path().extension() == ".json")
      flows.emplace_back(entry.path().filename().string(), FlowJson::parse(read_text(entry.path())));
  const auto kinds = slips();
  EXPECT_GE(kinds.size(), 30u);
  for (const FlowSlip& slip : kinds) {
    int made = 0;
    for (const auto& [file, flow] : flows) {
      FlowMutants mutants;
      slip.make(flow, mutants);
      for (const auto& [where, mutant] : mutants) {
        ++made;
        std::string all;
        bool found = false;
        for (const Finding& finding : Flow::check(mutant.dump())) {
          found = found || slip.rules.contains(finding.rule);
          all += to_string(finding) + "\n";
        }
        EXPECT_TRUE(found) << slip.name << " in " << file << " at " << where << ":\n" << all;
      }
    }
    EXPECT_GT(made, 0) << slip.name << ": no flow that ships can have it";
  }
}

}  // namespace
}  // namespace ivr

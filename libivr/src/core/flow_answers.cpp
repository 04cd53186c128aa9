#include <algorithm>
#include <cmath>
#include <string>

#include "core/flow_graph.hpp"

// Questions that no caller can answer: what a gather asks for contradicts itself, a pattern of a menu is
// longer than what a menu reads.

namespace ivr::flow {

namespace {

// All inputs of so many keys, without those that end it.
std::string any_keys(const std::string& terminators, int least, int most) {
  std::string keys = "[";
  for (const char key : std::string_view("0123456789*#ABCD")) {
    if (terminators.find(key) == std::string::npos) keys += key;
  }
  return keys + "]{" + std::to_string(least) + "," + std::to_string(most) + "}";
}

bool fits(const std::string& pattern, const std::string& inputs) {
  const auto both = DigitMap::create({{pattern}, {inputs}});
  return !both.ok() || both->overlap().has_value();  // what is too large to tell is not told
}

}  // namespace

void check_answers(const Graph& graph, std::vector<Finding>& findings) {
  for (const Node& node : graph.model.nodes) {
    if (const auto* gather = std::get_if<GatherNode>(&node.body)) {
      const std::string sizes = std::to_string(gather->min) + " to " + std::to_string(gather->max) + " keys";
      if (!gather->pattern_text.empty() &&
          !fits(gather->pattern_text, any_keys(gather->terminators, gather->min, gather->max))) {
        findings.push_back(
            {"dead-input", Severity::warning, node.pointer + "/pattern",
             "no input of " + sizes + " fits '" + gather->pattern_text + "': 'next' is never taken",
             "change 'min' and 'max' (or 'length'), the pattern, or what 'terminators' end it"});
      }
      // Leading zeros make any number longer, none makes it shorter.
      if (gather->low && (*gather->high < 0 || *gather->low > std::pow(10.0, gather->max) - 1)) {
        findings.push_back({"dead-input", Severity::warning, node.pointer + "/range",
                            "no number of " + sizes + " lies in the range: 'next' is never taken",
                            "change 'range', or 'max'"});
      }
    }
    if (const auto* menu = std::get_if<MenuNode>(&node.body); menu != nullptr && menu->many) {
      for (const auto& [pattern, pointer] : menu->patterns) {
        if (fits(pattern, any_keys("", 1, kMaxMenuKeys))) continue;
        findings.push_back(
            {"dead-input", Severity::warning, pointer,
             "no input of 1 to " + std::to_string(kMaxMenuKeys) + " keys fits '" + pattern + "'",
             "shorten the pattern, or use a 'gather'"});
      }
    }
  }
}

}  // namespace ivr::flow

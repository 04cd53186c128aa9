#include <algorithm>
#include <set>

#include "core/flow_graph.hpp"

// "customer.nmae": a part that no value of the variable has.

namespace ivr::flow {

namespace {

// What a variable can hold, as far as the document tells.
struct Holds {
  std::vector<Value> values;
  bool anything = false, ever = false;
};

// Is there such a part? `known` are the names that would have led on, where the way ends.
bool has_part(const Value& value, const std::vector<std::string>& rest, std::set<std::string>& known) {
  View at = view(value);
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (at.index() == 0) return true;  // null: a place for what comes later
    if (at.index() != 5) return false;
    const Json& json = *std::get<const Json*>(at);
    at = step_into(at, {rest[i]});
    const bool there = json.is_object() ? json.contains(rest[i]) : at.index() != 0;
    if (there) continue;
    if (json.is_object())
      for (const auto& [key, unused] : json.items()) known.insert(key);
    return false;
  }
  return true;
}

}  // namespace

void check_parts(const Graph& graph, std::vector<Finding>& findings) {
  const Model& model = graph.model;
  std::vector<Holds> holds(static_cast<std::size_t>(model.names.size()));
  const auto of = [&](int slot) -> Holds& { return holds[static_cast<std::size_t>(slot)]; };
  for (int slot = 0; slot < model.names.size(); ++slot) {
    const Variable& variable = model.variables[static_cast<std::size_t>(slot)];
    if (!variable.declared) continue;
    of(slot).ever = true;
    of(slot).values.push_back(variable.initial);
  }
  const Value text = std::string();
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    for (const int slot : graph.use(i).sets) of(slot).ever = true;
    if (const auto* set = std::get_if<SetNode>(&node.body)) {
      for (const SetNode::Assignment& a : set->assignments) {
        if (a.slot < 0) continue;
        if (a.expression || a.text) {
          of(a.slot).anything = true;  // {{other}} is what the other is
        } else {
          of(a.slot).values.push_back(a.literal);
        }
      }
    } else if (node.type == NodeType::gather || node.type == NodeType::menu ||
               node.type == NodeType::record) {
      for (const int slot : graph.use(i).sets) of(slot).values.push_back(text);
    } else if (const auto* keywords = std::get_if<KeywordsNode>(&node.body)) {
      if (keywords->into < 0) continue;
      of(keywords->into)
          .values.push_back(value_of(
              Json{{"department", ""}, {"confidence", 1}, {"alternatives", nullptr}, {"matches", nullptr}}));
    } else {
      for (const int slot : graph.use(i).sets) of(slot).anything = true;
    }
  }
  std::set<std::pair<std::string, std::string>> said;
  for (int i = 0; i < graph.size(); ++i) {
    const Use& use = graph.use(i);
    for (std::size_t r = 0; r < use.reads.size(); ++r) {
      const Read& read = use.reads[r];
      if (read.slot < 0 || read.guarded || read.rest == nullptr || read.rest->empty()) continue;
      const Holds& held = of(read.slot);
      if (!held.ever || held.anything || held.values.size() > 100) continue;
      std::set<std::string> known;
      if (std::any_of(held.values.begin(), held.values.end(),
                      [&](const Value& value) { return has_part(value, *read.rest, known); }))
        continue;
      std::string path = model.names.name(read.slot);
      for (const std::string& part : *read.rest) path += "." + part;
      if (!said.emplace(use.pointers[r], path).second) continue;
      const bool object = std::any_of(held.values.begin(), held.values.end(),
                                      [](const Value& value) { return value.index() == 5; });
      findings.push_back({"unset-part", Severity::warning, use.pointers[r],
                          "nothing that '" + model.names.name(read.slot) + "' holds has a '" + path + "'" +
                              (object ? suggestion(read.rest->back(), {known.begin(), known.end()})
                                      : ": it is a text or a number"),
                          "name a part that is there, or write {{" + path + " | default: ...}}"});
    }
  }
}

}  // namespace ivr::flow

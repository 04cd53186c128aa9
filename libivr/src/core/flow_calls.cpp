#include <algorithm>
#include <deque>
#include <utility>

#include "core/flow_model.hpp"

// The calls that show a defect: ways through the graph, the shortest first.

namespace ivr::flow {
namespace {

constexpr std::string_view kNodes = "/nodes/";

// The node that a pointer is in; -1: in none.
int node_at(const Model& model, std::string_view pointer) {
  if (!pointer.starts_with(kNodes)) return -1;
  pointer.remove_prefix(kNodes.size());
  const std::string_view name = pointer.substr(0, pointer.find('/'));
  const auto found = std::find_if(model.nodes.begin(), model.nodes.end(),
                                  [name](const Node& node) { return node.name == name; });
  return found == model.nodes.end() ? -1 : static_cast<int>(found - model.nodes.begin());
}

}  // namespace

std::vector<int> entries_of(const Model& model) {
  std::vector<int> entries = {model.start};
  if (model.on_hangup >= 0) entries.push_back(model.on_hangup);
  return entries;
}

std::vector<FlowStep> shortest_call(const Model& model, int target,
                                    const std::function<bool(int from, const Edge& edge)>& may) {
  struct Before {
    int node = kNowhere;
    std::string_view exit;
    bool reached = false;
  };
  std::vector<Before> before(model.nodes.size());
  const auto at = [&before](int node) -> Before& { return before[static_cast<std::size_t>(node)]; };
  std::deque<int> todo;
  for (const int entry : entries_of(model)) {
    at(entry).reached = true;
    todo.push_back(entry);
  }
  while (!todo.empty() && !at(target).reached) {
    const int from = todo.front();
    todo.pop_front();
    for (const Edge& edge : edges_of(model, from)) {
      if (edge.to < 0 || at(edge.to).reached || !may(from, edge)) continue;
      at(edge.to) = {from, edge.exit, true};
      todo.push_back(edge.to);
    }
  }
  std::vector<FlowStep> call;
  if (!at(target).reached) return call;
  std::string_view exit;
  for (int node = target; node >= 0; node = at(node).node) {
    call.push_back({model.nodes[static_cast<std::size_t>(node)].name, std::string(exit)});
    exit = at(node).exit;
  }
  std::reverse(call.begin(), call.end());
  return call;
}

void show_calls(const Model& model, std::vector<Finding>& findings) {
  for (Finding& finding : findings) {
    if (!finding.call.empty()) continue;
    if (const int node = node_at(model, finding.pointer); node >= 0)
      finding.call = shortest_call(model, node, [](int, const Edge&) { return true; });
  }
}

}  // namespace ivr::flow

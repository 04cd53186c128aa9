#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/flow_graph.hpp"

// The calls that show a defect: ways through the graph, the shortest first.

namespace ivr::flow {

namespace {

constexpr std::string_view kNodesPointer = "/nodes/";

}  // namespace

Graph::Graph(const Model& model_in) : model(model_in) {
  edges.reserve(model.nodes.size());
  uses.reserve(model.nodes.size());
  for (int i = 0; i < size(); ++i) {
    edges.push_back(edges_of(model, i));
    uses.push_back(use_of(model, i));
  }
}

std::vector<int> entries_of(const Model& model) {
  std::vector<int> entries = {model.start};
  if (model.on_hangup >= 0) entries.push_back(model.on_hangup);
  return entries;
}

ShortestCalls::ShortestCalls(const Graph& graph, const May& may)
    : graph_(graph), before_(graph.model.nodes.size()) {
  std::vector<int> todo;
  todo.reserve(before_.size());
  const auto reach = [&](int node, Before how) {
    Before& before = before_[static_cast<std::size_t>(node)];
    if (before.reached) return;
    before = how;
    todo.push_back(node);
  };
  for (const int entry : entries_of(graph.model)) reach(entry, {kNowhere, {}, true});
  for (std::size_t next = 0; next < todo.size(); ++next) {
    const int from = todo[next];
    for (const Edge& edge : graph.from(from)) {
      if (edge.to >= 0 && (!may || may(from, edge))) reach(edge.to, {from, edge.exit, true});
    }
  }
}

std::vector<FlowStep> ShortestCalls::to(int target) const {
  std::vector<FlowStep> call;
  if (!before_[static_cast<std::size_t>(target)].reached) return call;
  std::string_view exit;
  for (int node = target; node >= 0 && call.size() < kMaxStepsShown;) {
    call.push_back({graph_.node(node).name, std::string(exit)});
    const Before& before = before_[static_cast<std::size_t>(node)];
    exit = before.exit;
    node = before.node;
  }
  std::reverse(call.begin(), call.end());
  return call;
}

std::string way_of(const std::vector<FlowStep>& call) {
  constexpr std::size_t kEnds = 15;
  std::string text;
  for (std::size_t i = 0; i < call.size(); ++i) {
    const bool cut = i == kEnds && call.size() > 2 * kEnds + 1;
    if (cut) i = call.size() - kEnds;
    text += (text.empty() ? "" : cut ? " -> ... -> " : " -> ") + call[i].node;
  }
  return text;
}

void show_calls(const Graph& graph, std::vector<Finding>& findings) {
  absl::flat_hash_map<std::string_view, int> nodes;  // by how a pointer calls them
  for (int i = 0; i < graph.size(); ++i) {
    if (const std::string_view pointer = graph.node(i).pointer; pointer.starts_with(kNodesPointer))
      nodes.emplace(pointer.substr(kNodesPointer.size()), i);
  }
  const ShortestCalls calls(graph);
  std::size_t shown = 0;
  for (Finding& finding : findings) {
    std::string_view pointer = finding.pointer;
    if (finding.call.empty() && shown < kMaxCallsShown && pointer.starts_with(kNodesPointer)) {
      pointer.remove_prefix(kNodesPointer.size());
      if (const auto node = nodes.find(pointer.substr(0, pointer.find('/'))); node != nodes.end())
        finding.call = calls.to(node->second);
    }
    if (!finding.call.empty() && ++shown > kMaxCallsShown) finding.call.clear();
  }
}

}  // namespace ivr::flow

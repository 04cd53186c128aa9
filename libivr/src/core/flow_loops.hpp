#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "core/flow_graph.hpp"

// The loops of a graph, and those that count: a decision compares a variable with a number, and every way
// round moves the variable towards it.

namespace ivr::flow {

// An edge of a loop that is taken a bounded number of times.
struct CountedEdge {
  int from = kNowhere, to = kNowhere;
  std::optional<double> times;  // none: bounded, by what the variable is worth when the call comes there
};

// The graph is borrowed for its life. Nodes are looked at in groups: edges count only within one.
class Loops {
 public:
  using Live = std::function<bool(int from, const Edge& edge)>;
  Loops(const Graph& graph, Live live);

  // The strongly connected parts of `members` that have a cycle. All of them must be of one group, as they
  // are in the beginning.
  std::vector<std::vector<int>> components(const std::vector<int>& members);

  // Makes these nodes a group of their own.
  void group(const std::vector<int>& members);

  // Makes a component a group of its own, and says which of its edges are taken a bounded number of times.
  // The work for one graph is bounded: too many loops within each other have none.
  std::vector<CountedEdge> counted(const std::vector<int>& component);

  void cut(int from, int to) { cut_.insert({from, to}); }
  bool live(int from, const Edge& edge) const;

  // One cycle of the component, beginning and ending with its first node: the shortest.
  std::vector<FlowStep> cycle(const std::vector<int>& component);

 private:
  int counting(int slot, double& least) const;
  bool through_counter(int decision, int from, int slot);
  std::optional<double> rounds(const std::vector<int>& component, int slot, int direction, double least,
                               double limit, bool including) const;

  const Graph& graph_;
  Live live_;
  absl::flat_hash_set<std::pair<int, int>> cut_;
  std::vector<int> group_;  // by node
  int groups_ = 0;
  std::vector<int> index_, low_, seen_, counter_;  // by node; scratch
  std::vector<bool> on_;
  std::vector<std::pair<int, std::string_view>> before_;
  int round_ = 0;
  std::vector<std::vector<int>> setters_;  // by slot, of the graph
  std::int64_t effort_ = 50'000'000;       // edges that are still looked at
};

}  // namespace ivr::flow

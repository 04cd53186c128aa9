#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/flow_model.hpp"

// The graph of a model: made once, then looked at by every check. A document may have 10,000 nodes and as
// many defects: nothing here is done again for each of them.

namespace ivr::flow {

// The model is borrowed for its life.
struct Graph {
  explicit Graph(const Model& model);

  const Model& model;
  std::vector<std::vector<Edge>> edges;  // by node
  std::vector<Use> uses;

  const Node& node(int i) const { return model.nodes[static_cast<std::size_t>(i)]; }
  const std::vector<Edge>& from(int i) const { return edges[static_cast<std::size_t>(i)]; }
  const Use& use(int i) const { return uses[static_cast<std::size_t>(i)]; }
  int size() const { return static_cast<int>(model.nodes.size()); }
};

inline constexpr std::size_t kMaxStepsShown = 100, kMaxCallsShown = 1000;  // see Finding::call

// A shortest call to every node: one search, breadth first, by the edges that `may` be taken.
class ShortestCalls {
 public:
  using May = std::function<bool(int from, const Edge& edge)>;
  explicit ShortestCalls(const Graph& graph, const May& may = {});

  // Empty: no call comes there. Of more than kMaxStepsShown steps the last.
  std::vector<FlowStep> to(int node) const;

 private:
  struct Before {
    int node = kNowhere;
    std::string_view exit;
    bool reached = false;
  };
  const Graph& graph_;
  std::vector<Before> before_;
};

// "a -> b -> c"; of a long one the beginning and the end.
std::string way_of(const std::vector<FlowStep>& call);

// What only the whole graph shows: unreachable nodes, unset variables, endless loops. Needs a model without
// errors in its targets.
void check_graph(const Graph& graph, std::vector<Finding>& findings);

// Secrets on their way to where others see or hear them. Warnings only.
void check_secrets(const Graph& graph, std::vector<Finding>& findings);

// Cases that no call takes, questions that no input answers, numbers that cannot be said, parts that no
// variable has. Warnings only.
void check_cases(const Graph& graph, std::vector<Finding>& findings);
void check_answers(const Graph& graph, std::vector<Finding>& findings);
void check_speech(const Graph& graph, std::vector<Finding>& findings);
void check_parts(const Graph& graph, std::vector<Finding>& findings);

// Gives each finding of a node the shortest call that comes there, if it has none of its own.
void show_calls(const Graph& graph, std::vector<Finding>& findings);

}  // namespace ivr::flow

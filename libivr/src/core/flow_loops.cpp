#include "core/flow_loops.hpp"

#include <algorithm>
#include <cmath>

namespace ivr::flow {

namespace {

using ExpressionOp = Expression::Op;

// "n < 3": slot n, direction -1 (holds below). "n >= 3": +1.
struct CounterBound {
  int slot = -1, direction = 0;
  double limit = 0;
  bool including = false;  // holds at the limit
};

std::optional<CounterBound> counter_bound(const Expression& when) {
  if (when.root().a < 0 || when.root().b < 0) return std::nullopt;
  const Expression::Node* a = &when.node(when.root().a);
  const Expression::Node* b = &when.node(when.root().b);
  int sign = 1;
  if (a->op == ExpressionOp::literal) std::swap(a, b), sign = -1;
  if (a->op != ExpressionOp::path || a->path.root != Path::Root::variable || !a->path.rest.empty())
    return std::nullopt;
  if (b->op != ExpressionOp::literal) return std::nullopt;
  const auto limit = number(view(b->literal));
  if (!limit) return std::nullopt;
  const ExpressionOp op = when.root().op;
  const bool below = op == ExpressionOp::less || op == ExpressionOp::less_equal;
  const bool above = op == ExpressionOp::greater || op == ExpressionOp::greater_equal;
  if (!below && !above) return std::nullopt;
  return CounterBound{a->path.slot, below ? -sign : sign, limit->d,
                      op == ExpressionOp::less_equal || op == ExpressionOp::greater_equal};
}

// "n + 1" for slot n: by how much; 0 if it is something else.
double counter_step(const Expression& e, int slot) {
  if (e.root().op != ExpressionOp::add && e.root().op != ExpressionOp::subtract) return 0;
  const Expression::Node& a = e.node(e.root().a);
  const Expression::Node& b = e.node(e.root().b);
  const bool left = a.op == ExpressionOp::path && a.path.slot == slot && a.path.rest.empty() &&
                    a.path.root == Path::Root::variable;
  if (!left || b.op != ExpressionOp::literal) return 0;
  const auto n = number(view(b.literal));
  // Less than a thousandth a round is no counting that anybody means.
  if (!n || std::abs(n->d) < 0.001) return 0;
  return e.root().op == ExpressionOp::add ? n->d : -n->d;
}

// Another case with the same target keeps the edge alive.
bool has_other_way(const Node& node, const DecisionNode& decision, const Case& c) {
  for (const Case& other : decision.cases) {
    if (&other != &c && other.target == c.target) return true;
  }
  return node.at(ExitId::otherwise) == c.target;
}

// Does the edge belong to a case that is looked at before c?
bool is_before(const DecisionNode& decision, const Case& c, const Edge& e) {
  for (const Case& other : decision.cases) {
    if (&other == &c) return false;
    if (other.target == e.to) return true;
  }
  return false;
}

}  // namespace

Loops::Loops(const Graph& graph, Live live) : graph_(graph), live_(std::move(live)) {
  const std::size_t n = graph.model.nodes.size();
  group_.resize(n), index_.resize(n), low_.resize(n), seen_.resize(n), counter_.resize(n), on_.resize(n),
      before_.resize(n);
  setters_.resize(static_cast<std::size_t>(graph.model.names.size()));
  for (int i = 0; i < graph.size(); ++i) {
    for (const int slot : graph.use(i).sets) {
      auto& nodes = setters_[static_cast<std::size_t>(slot)];
      if (nodes.empty() || nodes.back() != i) nodes.push_back(i);
    }
  }
}

bool Loops::live(int from, const Edge& e) const {
  return e.to >= 0 && group_[static_cast<std::size_t>(from)] == group_[static_cast<std::size_t>(e.to)] &&
         live_(from, e) && !cut_.contains({from, e.to});
}

// Tarjan, without recursion.
std::vector<std::vector<int>> Loops::components(const std::vector<int>& members) {
  std::vector<std::vector<int>> out;
  for (const int i : members)
    index_[static_cast<std::size_t>(i)] = -1, on_[static_cast<std::size_t>(i)] = false;
  std::vector<int> stack;
  int next = 0;
  struct Frame {
    int node;
    std::size_t edge;
  };
  for (const int root : members) {
    if (index_[static_cast<std::size_t>(root)] >= 0) continue;
    std::vector<Frame> frames = {{root, 0}};
    while (!frames.empty()) {
      const int at = frames.back().node;
      const auto a = static_cast<std::size_t>(at);
      if (frames.back().edge == 0 && index_[a] < 0) {
        index_[a] = low_[a] = next++;
        stack.push_back(at);
        on_[a] = true;
      }
      bool deeper = false;
      while (frames.back().edge < graph_.from(at).size()) {
        const Edge& e = graph_.from(at)[frames.back().edge++];
        if (!live(at, e)) continue;
        const auto t = static_cast<std::size_t>(e.to);
        if (index_[t] < 0) {
          frames.push_back({e.to, 0});
          deeper = true;
          break;
        }
        if (on_[t]) low_[a] = std::min(low_[a], index_[t]);
      }
      if (deeper) continue;
      frames.pop_back();
      if (!frames.empty()) {
        int& parent = low_[static_cast<std::size_t>(frames.back().node)];
        parent = std::min(parent, low_[a]);
      }
      if (low_[a] != index_[a]) continue;
      std::vector<int> component;
      int member;
      do {
        member = stack.back();
        stack.pop_back();
        on_[static_cast<std::size_t>(member)] = false;
        component.push_back(member);
      } while (member != at);
      const bool self = std::any_of(graph_.from(at).begin(), graph_.from(at).end(),
                                    [&](const Edge& e) { return e.to == at && live(at, e); });
      if (component.size() > 1 || self) {
        std::sort(component.begin(), component.end());
        out.push_back(std::move(component));
      }
    }
  }
  return out;
}

void Loops::group(const std::vector<int>& members) {
  ++groups_;
  for (const int i : members) group_[static_cast<std::size_t>(i)] = groups_;
}

std::vector<CountedEdge> Loops::counted(const std::vector<int>& component) {
  group(component);
  std::vector<CountedEdge> found;
  for (const int d : component) {
    const auto* decision = std::get_if<DecisionNode>(&graph_.node(d).body);
    if (!decision ||
        (decision->kind != DecisionNode::Kind::custom && decision->kind != DecisionNode::Kind::variable))
      continue;
    for (const Case& c : decision->cases) {
      if (effort_ <= 0) return found;
      const auto bound = counter_bound(c.when);
      if (!bound || c.target < 0) continue;
      double least = 0;
      const int counts = counting(bound->slot, least);
      if (counts == 0) continue;
      effort_ -= static_cast<std::int64_t>(decision->cases.size());
      const bool stays = group_[static_cast<std::size_t>(c.target)] == groups_;
      const auto times = [&](bool including) {
        return rounds(component, bound->slot, counts, least, bound->limit, including);
      };
      // "n < 3" holds for a bounded time while n grows; then its exit is never taken again.
      if (stays && bound->direction == -counts && !has_other_way(graph_.node(d), *decision, c) &&
          through_counter(d, c.target, bound->slot))
        found.push_back({d, c.target, times(bound->including)});
      // "n >= 3" holds for ever once it does; every other exit of the decision behind it is taken a bounded
      // number of times.
      if (stays || bound->direction != counts) continue;
      for (const Edge& e : graph_.from(d)) {
        if (effort_ <= 0) return found;
        effort_ -= static_cast<std::int64_t>(decision->cases.size());
        if (live(d, e) && !is_before(*decision, c, e) && through_counter(d, e.to, bound->slot))
          found.push_back({d, e.to, times(!bound->including)});
      }
    }
  }
  return found;
}

// +1 or -1 when everything in the group that sets the variable moves it so by a constant, at `least` so much;
// else 0.
int Loops::counting(int slot, double& least) const {
  int direction = 0;
  for (const int i : setters_[static_cast<std::size_t>(slot)]) {
    if (group_[static_cast<std::size_t>(i)] != groups_) continue;
    const auto* s = std::get_if<SetNode>(&graph_.node(i).body);
    if (!s) return 0;
    for (const SetNode::Assignment& a : s->assignments) {
      if (a.slot != slot) continue;
      const double step = a.expression ? counter_step(*a.expression, slot) : 0;
      const int one = step > 0 ? 1 : step < 0 ? -1 : 0;
      if (one == 0 || (direction != 0 && one != direction)) return 0;
      least = direction == 0 ? std::abs(step) : std::min(least, std::abs(step));
      direction = one;
    }
  }
  return direction;
}

// How often can it be short of the limit, from the worst of the values that it comes with?
std::optional<double> Loops::rounds(const std::vector<int>& component, int slot, int direction, double least,
                                    double limit, bool including) const {
  std::optional<double> most;
  const auto from = [&](const Value& value) {
    const auto start = number(view(value));
    if (!start) return false;
    const double way = (limit - start->d) * direction;
    const double rounds = way < 0 ? 0 : including ? std::floor(way / least) + 1 : std::ceil(way / least);
    most = std::max(most.value_or(0), rounds);
    return true;
  };
  const Variable& variable = graph_.model.variables[static_cast<std::size_t>(slot)];
  if (variable.declared && !from(variable.initial)) return std::nullopt;
  for (const int i : setters_[static_cast<std::size_t>(slot)]) {
    if (std::binary_search(component.begin(), component.end(), i)) continue;
    const auto* set = std::get_if<SetNode>(&graph_.node(i).body);
    if (!set) return std::nullopt;
    for (const SetNode::Assignment& a : set->assignments) {
      if (a.slot != slot) continue;
      // On the way it only came nearer.
      if (a.expression && counter_step(*a.expression, slot) * direction > 0) continue;
      if (a.expression || a.text || !from(a.literal)) return std::nullopt;
    }
  }
  return most;
}

// Is there no way from `from` back to the decision that avoids every node counting the variable?
bool Loops::through_counter(int d, int from, int slot) {
  ++round_;
  for (const int i : setters_[static_cast<std::size_t>(slot)]) counter_[static_cast<std::size_t>(i)] = round_;
  std::vector<int> todo = {from};
  while (!todo.empty()) {
    const int at = todo.back();
    todo.pop_back();
    const auto a = static_cast<std::size_t>(at);
    if (counter_[a] == round_ || seen_[a] == round_) continue;
    if (at == d) return false;
    seen_[a] = round_;
    effort_ -= static_cast<std::int64_t>(graph_.from(at).size());
    if (effort_ <= 0) return false;
    for (const Edge& e : graph_.from(at)) {
      if (live(at, e)) todo.push_back(e.to);
    }
  }
  return true;
}

std::vector<FlowStep> Loops::cycle(const std::vector<int>& component) {
  for (const int i : component) before_[static_cast<std::size_t>(i)] = {kNowhere, {}};
  const int first = component.front();
  std::vector<int> todo = {first};
  for (std::size_t next = 0; next < todo.size(); ++next) {
    const int at = todo[next];
    for (const Edge& e : graph_.from(at)) {
      if (!live(at, e)) continue;
      if (e.to == first) {
        std::vector<FlowStep> way = {{graph_.node(first).name, {}}};
        std::string_view exit = e.exit;
        for (int i = at;; i = before_[static_cast<std::size_t>(i)].first) {
          way.push_back({graph_.node(i).name, std::string(exit)});
          if (i == first) break;
          exit = before_[static_cast<std::size_t>(i)].second;
        }
        std::reverse(way.begin(), way.end());
        return way;
      }
      auto& before = before_[static_cast<std::size_t>(e.to)];
      if (before.first < 0 && e.to != first) before = {at, e.exit}, todo.push_back(e.to);
    }
  }
  return {};
}

}  // namespace ivr::flow

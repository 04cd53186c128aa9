#include "ivr/flow_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/flow_graph.hpp"
#include "core/flow_loops.hpp"
#include "core/flow_prompts.hpp"

// How long a caller can be kept: the longest way through the graph, with the time and the visits that each
// node takes at most. A loop that counts is gone round as often as it counts; any other one once, and is
// named.

namespace ivr {

namespace {

using namespace flow;

struct BoundCost {
  double ms = 0, steps = 0;
};

// What nodes take at most.
class NodeCost {
 public:
  NodeCost(const Model& model, const FlowBoundsOptions& options) : model_(model), options_(options) {}

  BoundCost of(const Node& node) {
    limitless = nullptr;
    return std::visit([&](const auto& body) { return cost(node, body); }, node.body);
  }

  const char* limitless = nullptr;  // why the node that was looked at last has no limit of its own

 private:
  static double ms(Millis time) { return static_cast<double>(time.count()); }

  // The language in which it takes longest.
  double said(const Say& say) const {
    double longest = 0;
    for (const auto& pieces : say.in) {
      double all = 0;
      for (const Piece& piece : pieces) all += said(piece);
      longest = std::max(longest, all);
    }
    return longest;
  }
  double said(const Piece& piece) const {
    const bool literal = piece.value.is_literal() && !piece.value.empty();
    switch (piece.kind) {
      case Piece::Kind::mark: return 0;
      case Piece::Kind::silence:
      case Piece::Kind::tone: return ms(piece.length == 0ms ? 200ms : piece.length);
      case Piece::Kind::file: {
        const auto known =
            literal && options_.file_length ? options_.file_length(piece.value.literal()) : std::nullopt;
        return ms(known.value_or(options_.file));
      }
      case Piece::Kind::digits:
        return (literal ? static_cast<double>(piece.value.literal().size()) : 16) * ms(options_.digit);
      case Piece::Kind::number:
      case Piece::Kind::money:
      case Piece::Kind::date:
      case Piece::Kind::time: return ms(options_.value);
      case Piece::Kind::text: break;
    }
    const auto [characters, values] = piece.value.extent();
    return static_cast<double>(characters) * ms(options_.character) +
           static_cast<double>(values) * ms(options_.value);
  }

  BoundCost cost(const Node&, const WelcomeNode& w) {
    if (!w.choose) return {said(w.say), 1};
    const double ask = w.ask.empty() ? said(w.say) : said(w.ask);
    return {said(w.say) + w.tries * (ask + ms(w.timeout)), static_cast<double>(w.tries)};
  }
  BoundCost cost(const Node&, const PlayNode& p) {
    if (p.loops == 0) limitless = "its prompt is said for ever";
    return {said(p.say) * std::max(p.loops, 1), 1};
  }
  BoundCost cost(const Node&, const MenuNode& m) {
    double asked = m.tries;
    if (m.max_invalid > 0 && m.max_no_input > 0) {
      asked = m.max_invalid + m.max_no_input - 1;
    } else if (m.max_invalid > 0 || m.max_no_input > 0) {
      asked = m.tries + std::max(m.max_invalid, m.max_no_input) - 1;
    }
    double once = std::max(said(m.say), said(m.short_say)) +
                  std::max(said(m.invalid_say), said(m.no_input_say)) + ms(m.timeout);
    if (m.many) once += (kMaxMenuKeys - 1) * ms(m.digit_timeout);
    if (m.confirm) once += m.confirm->attempts * (said(m.confirm->say) + ms(m.confirm->timeout));
    return {asked * once + said(m.exit_say), asked};
  }
  BoundCost cost(const Node&, const GatherNode& g) {
    const double once = std::max(said(g.say), said(g.short_say)) +
                        std::max(said(g.invalid_say), said(g.no_input_say)) + ms(g.timeout) +
                        (g.max - 1) * ms(g.digit_timeout);
    return {g.tries * once, static_cast<double>(g.tries)};
  }
  BoundCost cost(const Node&, const ApiNode& a) {
    double all = (a.retries + 1) * ms(a.timeout);
    for (int i = 0; i < a.retries; ++i) all += ms(a.backoff) * (1 << std::min(i, 6));
    return {std::max(all, a.filler.empty() ? 0 : ms(a.filler_after) + said(a.filler)), 1};
  }
  BoundCost cost(const Node&, const RecordNode& r) { return {said(r.say) + 500 + ms(r.max), 1}; }
  // Each agent is rung once; the talk is not the flow's.
  BoundCost cost(const Node&, const TransferNode& t) {
    double rung = 1;
    if (!t.queue.empty()) {
      rung = options_.agents;
      for (const QueueOptions& queue : model_.queues) {
        if (queue.id == t.queue && !queue.members.empty()) rung = static_cast<double>(queue.members.size());
      }
    }
    return {said(t.say) + rung * ms(t.ring_limit), 1};
  }
  BoundCost cost(const Node&, const QueueNode& q) {
    if (q.max_wait == 0ms) limitless = "no 'max_wait'";
    return {said(q.say) + ms(q.max_wait), 1};
  }
  BoundCost cost(const Node&, const WaitNode& w) { return {ms(w.duration), 1}; }
  BoundCost cost(const Node&, const SendDigitsNode& s) {
    double all = 0;
    if (!s.digits.is_literal()) return {32 * (ms(s.tone) + ms(s.gap)), 1};
    for (const char key : s.digits.empty() ? "" : s.digits.literal())
      all += key == 'w' ? 500 : key == 'W' ? 1000 : ms(s.tone) + ms(s.gap);
    return {all, 1};
  }
  BoundCost cost(const Node&, const HangupNode& h) { return {said(h.say), 1}; }
  template <class Other>
  BoundCost cost(const Node&, const Other&) {
    return {0, 1};
  }

  const Model& model_;
  const FlowBoundsOptions& options_;
};

class BoundSearch {
 public:
  BoundSearch(const Graph& graph, const FlowBoundsOptions& options, FlowBounds& out)
      : graph_(graph), out_(out), loops_(graph, [](int, const Edge&) { return true; }) {
    const std::size_t n = graph.model.nodes.size();
    cost_.resize(n), best_.resize(n), part_.resize(n);
    NodeCost costs(graph.model, options);
    std::vector<bool> seen(n);
    members_ = {graph.model.start};
    seen[static_cast<std::size_t>(graph.model.start)] = true;
    for (std::size_t next = 0; next < members_.size(); ++next) {
      for (const Edge& e : graph.from(members_[next])) {
        if (e.to < 0 || seen[static_cast<std::size_t>(e.to)]) continue;
        seen[static_cast<std::size_t>(e.to)] = true;
        members_.push_back(e.to);
      }
    }
    std::sort(members_.begin(), members_.end());
    for (const int i : members_) {
      cost_[static_cast<std::size_t>(i)] = costs.of(graph.node(i));
      if (costs.limitless != nullptr) out_.waits.push_back({graph.node(i).name, costs.limitless});
    }
  }

  void run() {
    longest(members_, 0);
    const Best& start = best_[static_cast<std::size_t>(graph_.model.start)];
    out_.time = Millis(static_cast<std::int64_t>(std::min(start.cost.ms, kMost)));
    out_.steps = static_cast<std::int64_t>(std::min(start.cost.steps, kMost));
    for (int at = graph_.model.start; at >= 0 && out_.way.size() < kMaxStepsShown;) {
      const Best& best = best_[static_cast<std::size_t>(at)];
      out_.way.push_back({graph_.node(at).name, std::string(best.exit)});
      at = best.next;
    }
  }

 private:
  static constexpr double kMost = 1e15;
  struct Best {
    BoundCost cost;  // from here to the end
    int next = kNowhere;
    std::string_view exit;
  };

  // The longest ways within `members`, a group without the edges that are cut: each component becomes one
  // heavy node, and every node of it begins where it does.
  BoundCost longest(const std::vector<int>& members, int depth) {
    std::vector<std::vector<int>> components = loops_.components(members);
    std::vector<BoundCost> heavy;
    for (const std::vector<int>& component : components) heavy.push_back(round(component, depth));
    // Afterwards: what round() did to the groups and to the best ways inside is of the component, and is done
    // again here for all of the group.
    loops_.group(members);
    for (const int i : members) part_[static_cast<std::size_t>(i)] = -1;
    for (std::size_t c = 0; c < components.size(); ++c)
      for (const int i : components[c]) part_[static_cast<std::size_t>(i)] = static_cast<int>(c);
    return fold(members, components, heavy);
  }

  // Through one component, in and out again.
  BoundCost round(const std::vector<int>& component, int depth) {
    loops_.group(component);
    double times = 0;
    bool known = depth < 50;
    std::vector<CountedEdge> counted = known ? loops_.counted(component) : std::vector<CountedEdge>();
    for (const CountedEdge& edge : counted) {
      known = known && edge.times.has_value();
      times += edge.times.value_or(0);
    }
    if (counted.empty() || !known) {
      times = 0;
      FlowRound& found = out_.rounds.emplace_back();
      found.way = loops_.cycle(component);
      if (found.way.size() > kMaxStepsShown) found.way.resize(kMaxStepsShown);
      found.counts = !counted.empty();
      if (counted.empty()) cut_back_edges(component);
    }
    for (const CountedEdge& edge : counted) loops_.cut(edge.from, edge.to);
    const BoundCost once = longest(component, depth + 1);
    return {once.ms * (times + 1), once.steps * (times + 1)};
  }

  // Makes it a graph without a cycle, from the node that a call comes to first.
  void cut_back_edges(const std::vector<int>& component) {
    enum : int { kNew, kOpen, kDone };
    std::vector<std::pair<int, int>> back;
    std::vector<std::pair<int, std::size_t>> way;
    for (const int i : component) state_[i] = kNew;
    for (const int root : component) {
      if (state_[root] != kNew) continue;
      state_[root] = kOpen;
      way.emplace_back(root, 0);
      while (!way.empty()) {
        const int at = way.back().first;
        if (way.back().second == graph_.from(at).size()) {
          state_[at] = kDone;
          way.pop_back();
          continue;
        }
        const Edge& e = graph_.from(at)[way.back().second++];
        if (!loops_.live(at, e)) continue;
        if (state_[e.to] == kOpen) back.emplace_back(at, e.to);
        if (state_[e.to] != kNew) continue;
        state_[e.to] = kOpen;
        way.emplace_back(e.to, 0);
      }
    }
    for (const auto& [from, to] : back) loops_.cut(from, to);
  }

  // The condensed graph has no cycle: from its ends backwards.
  BoundCost fold(const std::vector<int>& members, const std::vector<std::vector<int>>& components,
                 const std::vector<BoundCost>& heavy) {
    std::vector<int> order;  // nodes and components (as -1 - c), what they lead to before them
    std::map<int, bool> done;
    const auto id = [&](int node) {
      const int part = part_[static_cast<std::size_t>(node)];
      return part < 0 ? node : -1 - part;
    };
    struct Frame {
      int id;
      std::size_t member = 0, edge = 0;
    };
    const auto inside = [&](int one) -> std::vector<int> {
      return one >= 0 ? std::vector<int>{one} : components[static_cast<std::size_t>(-1 - one)];
    };
    BoundCost most;
    for (const int root : members) {
      if (done.contains(id(root))) continue;
      std::vector<std::pair<Frame, std::vector<int>>> way;
      way.push_back({{id(root)}, inside(id(root))});
      done[id(root)] = false;
      while (!way.empty()) {
        auto& [frame, nodes] = way.back();
        int deeper = 0;
        bool found = false;
        while (!found && frame.member < nodes.size()) {
          const int at = nodes[frame.member];
          if (frame.edge == graph_.from(at).size()) {
            ++frame.member, frame.edge = 0;
            continue;
          }
          const Edge& e = graph_.from(at)[frame.edge++];
          if (!loops_.live(at, e) || done.contains(id(e.to))) continue;
          deeper = id(e.to), found = true;
        }
        if (found) {
          done[deeper] = false;
          way.push_back({{deeper}, inside(deeper)});
          continue;
        }
        settle(nodes, frame.id, heavy, most);
        way.pop_back();
      }
    }
    return most;
  }

  void settle(const std::vector<int>& nodes, int id, const std::vector<BoundCost>& heavy, BoundCost& most) {
    Best best;
    int last = nodes.front();
    for (const int at : nodes) {
      for (const Edge& e : graph_.from(at)) {
        if (!loops_.live(at, e)) continue;
        const int part = part_[static_cast<std::size_t>(e.to)];
        if (id < 0 && part == -1 - id) continue;
        const Best& then = best_[static_cast<std::size_t>(e.to)];
        best.cost.steps = std::max(best.cost.steps, then.cost.steps);
        if (best.next >= 0 && then.cost.ms <= best.cost.ms) continue;
        best.cost.ms = then.cost.ms, best.next = e.to, best.exit = e.exit, last = at;
      }
    }
    const BoundCost own =
        id < 0 ? heavy[static_cast<std::size_t>(-1 - id)] : cost_[static_cast<std::size_t>(nodes.front())];
    best.cost.ms = std::min(best.cost.ms + own.ms, kMost);
    best.cost.steps = std::min(best.cost.steps + own.steps, kMost);
    for (const int at : nodes) {
      Best& mine = best_[static_cast<std::size_t>(at)];
      mine = best;
      // Within a component the way shown goes straight to where it is left.
      if (at != last) mine.exit = {};
    }
    most.ms = std::max(most.ms, best.cost.ms);
    most.steps = std::max(most.steps, best.cost.steps);
  }

  const Graph& graph_;
  FlowBounds& out_;
  Loops loops_;
  std::vector<int> members_;
  std::vector<BoundCost> cost_;
  std::vector<Best> best_;
  std::vector<int> part_;
  std::map<int, int> state_;
};

}  // namespace

FlowBounds flow_bounds(const Flow& flow, const FlowBoundsOptions& options) {
  FlowBounds bounds;
  const Graph graph(flow.model());
  BoundSearch(graph, options, bounds).run();
  return bounds;
}

}  // namespace ivr

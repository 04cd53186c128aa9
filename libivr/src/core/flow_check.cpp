#include <algorithm>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <set>

#include "core/flow_model.hpp"

namespace ivr::flow {

namespace {

class GraphCheck {
 public:
  GraphCheck(const Model& model, std::vector<Finding>& findings) : model_(model), findings_(findings) {
    const std::size_t n = model.nodes.size();
    edges_.reserve(n);
    uses_.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      edges_.push_back(edges_of(model, static_cast<int>(i)));
      uses_.push_back(use_of(model, static_cast<int>(i)));
    }
  }

  void run() {
    unreachable();
    after_hangup();
    no_way_back();
    marks();
    unset();
    endless();
  }

 private:
  const Node& node(int i) const { return model_.nodes[static_cast<std::size_t>(i)]; }
  const std::vector<Edge>& edges(int i) const { return edges_[static_cast<std::size_t>(i)]; }
  const Use& use(int i) const { return uses_[static_cast<std::size_t>(i)]; }
  int size() const { return static_cast<int>(model_.nodes.size()); }

  void error(std::string rule, std::string pointer, std::string message, std::string mend) {
    findings_.push_back(
        {std::move(rule), Severity::error, std::move(pointer), std::move(message), std::move(mend)});
  }

  // --------------------------------------------------------------------------------------- reachability

  void unreachable() {
    reached_.assign(model_.nodes.size(), false);
    for (const int entry : entries_of(model_)) reach(entry, reached_);
    for (int i = 0; i < size(); ++i) {
      if (reached_[static_cast<std::size_t>(i)]) continue;
      if (i == model_.on_error) {
        findings_.push_back(
            {"unused", Severity::warning, "/on_error",
             "nothing leads to '" + node(i).name + "': no node can fail without an 'error' exit of its own",
             "remove 'on_error'"});
      } else {
        error("unreachable", node(i).pointer,
              "no path leads from '" + node(model_.start).name + "' to node '" + node(i).name + "'",
              "lead an exit to it, or remove it");
      }
    }
  }

  void reach(int from, std::vector<bool>& reached) const {
    std::vector<int> todo = {from};
    reached[static_cast<std::size_t>(from)] = true;
    while (!todo.empty()) {
      const int at = todo.back();
      todo.pop_back();
      for (const Edge& e : edges(at)) {
        if (e.to < 0 || reached[static_cast<std::size_t>(e.to)]) continue;
        reached[static_cast<std::size_t>(e.to)] = true;
        todo.push_back(e.to);
      }
    }
  }

  // Marks where the prompt is stopped at once, and a prompt to be stopped at marks that has none.
  void marks() {
    for (const Node& n : model_.nodes) {
      if (const auto* w = std::get_if<WelcomeNode>(&n.body))
        marks(n, w->barge, {{"say", &w->say}, {"ask", &w->ask}});
      if (const auto* p = std::get_if<PlayNode>(&n.body)) {
        const char* field = n.type == NodeType::play_sequence ? "sequence" : "say";
        marks(n, p->barge, {{field, &p->say}});
      }
      if (const auto* m = std::get_if<MenuNode>(&n.body))
        marks(n, m->barge, {{"say", &m->say}, {"short_say", &m->short_say}});
      if (const auto* g = std::get_if<GatherNode>(&n.body))
        marks(n, g->barge, {{"say", &g->say}, {"short_say", &g->short_say}});
    }
  }

  void marks(const Node& n, const Barge& barge,
             std::initializer_list<std::pair<const char*, const Say*>> says) {
    const char* marked = nullptr;
    for (const auto& [field, say] : says) {
      for (const auto& pieces : say->in) {
        if (std::any_of(pieces.begin(), pieces.end(),
                        [](const Piece& p) { return p.kind == Piece::Kind::mark; }))
          marked = field;
      }
    }
    if (marked != nullptr && barge.at != BargeAt::mark) {
      findings_.push_back({"no-mark", Severity::warning, n.pointer + "/" + marked,
                           "a mark in a prompt that does not stop at marks", "add \"barge_at\": \"mark\""});
    } else if (marked == nullptr && barge.at == BargeAt::mark && barge.by != BargeIn::none) {
      findings_.push_back({"no-mark", Severity::warning, n.pointer + "/barge_at",
                           "no mark to stop at: the prompt is heard to its end",
                           "put {\"mark\": \"name\"} between two pieces, or write \"end\""});
    }
  }

  // "@back" and "@top" need a menu that comes before.
  void no_way_back() {
    std::vector<std::vector<int>> from(model_.nodes.size());
    for (int i = 0; i < size(); ++i) {
      if (!reached_[static_cast<std::size_t>(i)]) continue;
      for (const Edge& e : edges(i)) {
        if (e.to >= 0) from[static_cast<std::size_t>(e.to)].push_back(i);
      }
    }
    for (int i = 0; i < size(); ++i) {
      if (!reached_[static_cast<std::size_t>(i)] || node(i).type != NodeType::menu) continue;
      const auto way = std::find_if(node(i).exits.begin(), node(i).exits.end(),
                                    [](const Exit& e) { return e.target == kBack || e.target == kTop; });
      if (way == node(i).exits.end() || has_menu_before(i, from)) continue;
      error("no-way-back", way->pointer, "no menu comes before '" + node(i).name + "'",
            "name the node that exit '" + way->name + "' is to lead to");
    }
  }

  bool has_menu_before(int menu, const std::vector<std::vector<int>>& from) const {
    std::vector<bool> seen(model_.nodes.size());
    std::vector<int> todo = {menu};
    while (!todo.empty()) {
      const int at = todo.back();
      todo.pop_back();
      for (const int before : from[static_cast<std::size_t>(at)]) {
        if (before == menu || seen[static_cast<std::size_t>(before)]) continue;
        if (node(before).type == NodeType::menu) return true;
        seen[static_cast<std::size_t>(before)] = true;
        todo.push_back(before);
      }
    }
    return false;
  }

  // Nobody is there to hear or to press anything.
  void after_hangup() {
    if (model_.on_hangup < 0) return;
    std::vector<bool> after(model_.nodes.size());
    reach(model_.on_hangup, after);
    for (int i = 0; i < size(); ++i) {
      if (!after[static_cast<std::size_t>(i)] || node(i).type_name.empty() || type_row(node(i).type).alone)
        continue;
      std::string all;
      for (const TypeRow& row : type_rows()) {
        if (row.alone) all += (all.empty() ? "" : ", ") + std::string(row.name);
      }
      error("needs-caller", node(i).pointer,
            "'" + node(i).name + "' comes after the caller has hung up ('on_hangup' leads to it), and a '" +
                std::string(node(i).type_name) + "' needs the caller",
            "use only " + all + " there, and connect 'error' to a hangup");
    }
  }

  // -------------------------------------------------------------------------------- definite assignment

  using Bits = std::vector<std::uint64_t>;
  static bool has(const Bits& bits, int i) { return bits[static_cast<std::size_t>(i) / 64] >> (i % 64) & 1; }
  static void add(Bits& bits, int i) {
    bits[static_cast<std::size_t>(i) / 64] |= std::uint64_t{1} << (i % 64);
  }

  void unset() {
    const std::size_t words = static_cast<std::size_t>(model_.names.size()) / 64 + 1;
    std::vector<Bits> in(model_.nodes.size(), Bits(words, ~std::uint64_t{0}));
    Bits initial(words, 0);
    for (int v = 0; v < model_.names.size(); ++v) {
      if (model_.variables[static_cast<std::size_t>(v)].declared) add(initial, v);
    }
    // A call may end at any time: after it nothing is known to be set but what always was.
    std::deque<int> todo;
    for (const int entry : entries_of(model_)) {
      in[static_cast<std::size_t>(entry)] = initial;
      todo.push_back(entry);
    }
    while (!todo.empty()) {
      const int at = todo.front();
      todo.pop_front();
      for (const Edge& e : edges(at)) {
        if (e.to < 0) continue;
        Bits out = in[static_cast<std::size_t>(at)];
        for (const int v : use(at).sets) {
          if (sets_on(at, e.exit, v)) add(out, v);
        }
        Bits& there = in[static_cast<std::size_t>(e.to)];
        bool changed = false;
        for (std::size_t w = 0; w < words; ++w) {
          const std::uint64_t both = there[w] & out[w];
          changed = changed || both != there[w];
          there[w] = both;
        }
        if (changed || (!seen_.count(e.to))) {
          seen_.insert(e.to);
          todo.push_back(e.to);
        }
      }
    }
    std::vector<std::string> settable;
    for (int v = 0; v < model_.names.size(); ++v) {
      bool set = model_.variables[static_cast<std::size_t>(v)].declared;
      for (int i = 0; i < size() && !set; ++i)
        set = std::find(use(i).sets.begin(), use(i).sets.end(), v) != use(i).sets.end();
      if (set) settable.push_back(model_.names.name(v));
    }
    std::set<std::pair<std::string, int>> said;
    for (int i = 0; i < size(); ++i) {
      if (!reached_[static_cast<std::size_t>(i)]) continue;
      for (std::size_t r = 0; r < use(i).reads.size(); ++r) {
        const Read& read = use(i).reads[r];
        if (read.slot < 0 || has(in[static_cast<std::size_t>(i)], read.slot)) continue;
        const std::string& name = model_.names.name(read.slot);
        const bool ever = std::find(settable.begin(), settable.end(), name) != settable.end();
        if (read.guarded && ever) continue;
        if (!said.emplace(use(i).pointers[r], read.slot).second) continue;
        if (!ever) {
          error("unset-variable", use(i).pointers[r],
                "variable '" + name + "' is read, and nothing ever sets it" + suggestion(name, settable),
                "declare it in 'variables', or set it before");
        } else {
          std::vector<FlowStep> call = call_without(i, read.slot);
          error(
              "unset-variable", use(i).pointers[r],
              "variable '" + name + "' may be read before it is set: " + names_of(call),
              "set it on that way too, declare it in 'variables', or write {{" + name + " | default: ...}}");
          findings_.back().call = std::move(call);
        }
      }
    }
  }

  // Variables are set by success only.
  bool sets_on(int at, std::string_view exit, int slot) const {
    switch (node(at).type) {
      case NodeType::api:
      case NodeType::gather:
      case NodeType::record: return exit == "next";
      case NodeType::menu: return chosen_sets(std::get<MenuNode>(node(at).body), exit, slot);
      case NodeType::queue:
        if (slot == model_.names.find(kTransferResult)) return exit == exit_name(ExitId::transfer_failed);
        return exit != "error";
      case NodeType::agent_status:
      case NodeType::transfer: return exit != "error";
      default: return true;
    }
  }

  static bool chosen_sets(const MenuNode& menu, std::string_view exit, int slot) {
    for (const Choice& choice : menu.choices) {
      if (choice.exit != exit) continue;
      return slot == menu.into ||
             std::find(choice.slots.begin(), choice.slots.end(), slot) != choice.slots.end();
    }
    return false;
  }

  // The shortest call to a node on which nothing sets the variable.
  std::vector<FlowStep> call_without(int target, int slot) const {
    return shortest_call(model_, target, [&](int from, const Edge& e) {
      const std::vector<int>& sets = use(from).sets;
      return !sets_on(from, e.exit, slot) || std::find(sets.begin(), sets.end(), slot) == sets.end();
    });
  }

  static std::string names_of(const std::vector<FlowStep>& call) {
    std::string text;
    for (const FlowStep& step : call) text += (text.empty() ? "" : " -> ") + step.node;
    return text;
  }

  // ---------------------------------------------------------------------------------------------- loops

  bool waits(int i) const {
    const Node& n = node(i);
    if (n.type_name.empty()) return true;
    if (const auto* p = std::get_if<PlayNode>(&n.body)) return p->loops == 0 && p->barge.by != BargeIn::none;
    if (const auto* w = std::get_if<WelcomeNode>(&n.body)) return w->choose;
    return type_row(n.type).waits;
  }
  // A busy line or a full queue sends the caller on at once; the other ways out of a waiting node take the
  // caller's time. (A menu whose prompt cannot be played does not wait either, but then the run's limit of
  // errors ends it.)
  bool waits_on(int i, const Edge& e) const {
    if (!waits(i)) return false;
    switch (node(i).type) {
      case NodeType::transfer: return e.exit == "next" || e.exit == "no_answer";
      case NodeType::queue: return e.exit != "full" && e.exit != "unavailable" && e.exit != "error";
      default: return true;
    }
  }

  void endless() {
    std::vector<bool> in(model_.nodes.size());
    for (int i = 0; i < size(); ++i) in[static_cast<std::size_t>(i)] = reached_[static_cast<std::size_t>(i)];
    std::vector<Removed> removed;
    spinning(in, removed, 0);
  }

  struct Removed {
    int from, to;
  };

  // Every cycle that is left without waiting edges must count; found by components, each cut at its counters.
  void spinning(const std::vector<bool>& in, const std::vector<Removed>& cut, int depth) {
    for (const std::vector<int>& component : components(in, cut)) {
      std::vector<bool> inside(model_.nodes.size());
      for (const int i : component) inside[static_cast<std::size_t>(i)] = true;
      Removed edge{};
      if (depth < 50 && counted_edge(component, inside, cut, edge)) {
        std::vector<Removed> more = cut;
        more.push_back(edge);
        spinning(inside, more, depth + 1);
        continue;
      }
      const int first = *std::min_element(component.begin(), component.end());
      const std::vector<FlowStep> round = cycle(component, inside, cut);
      error("endless-loop", node(first).pointer,
            "a loop that neither waits for the caller nor counts down: " + names_of(round),
            "let it pass a menu or gather, or count: {\"set\": {\"n\": {\"expression\": \"n + 1\"}}} and "
            "leave by a decision \"n >= 3\"");
      std::vector<FlowStep> call = shortest_call(model_, first, [](int, const Edge&) { return true; });
      if (!call.empty()) call.pop_back();
      call.insert(call.end(), round.begin(), round.end());
      findings_.back().call = std::move(call);
    }
  }

  bool live(int from, const Edge& e, const std::vector<bool>& in, const std::vector<Removed>& cut) const {
    return e.to >= 0 && in[static_cast<std::size_t>(from)] && in[static_cast<std::size_t>(e.to)] &&
           !waits_on(from, e) && std::none_of(cut.begin(), cut.end(), [&](const Removed& r) {
             return r.from == from && r.to == e.to;
           });
  }

  // Strongly connected components with a cycle in them (Tarjan, without recursion).
  std::vector<std::vector<int>> components(const std::vector<bool>& in,
                                           const std::vector<Removed>& cut) const {
    std::vector<std::vector<int>> out;
    std::vector<int> index(model_.nodes.size(), -1), low(model_.nodes.size(), 0), stack;
    std::vector<bool> on(model_.nodes.size());
    int next = 0;
    struct Frame {
      int node;
      std::size_t edge;
    };
    for (int root = 0; root < size(); ++root) {
      if (!in[static_cast<std::size_t>(root)] || index[static_cast<std::size_t>(root)] >= 0) continue;
      std::vector<Frame> frames = {{root, 0}};
      while (!frames.empty()) {
        const int at = frames.back().node;
        const auto a = static_cast<std::size_t>(at);
        if (frames.back().edge == 0 && index[a] < 0) {
          index[a] = low[a] = next++;
          stack.push_back(at);
          on[a] = true;
        }
        bool deeper = false;
        while (frames.back().edge < edges(at).size()) {
          const Edge& e = edges(at)[frames.back().edge++];
          if (!live(at, e, in, cut)) continue;
          const auto t = static_cast<std::size_t>(e.to);
          if (index[t] < 0) {
            frames.push_back({e.to, 0});
            deeper = true;
            break;
          }
          if (on[t]) low[a] = std::min(low[a], index[t]);
        }
        if (deeper) continue;
        frames.pop_back();
        if (!frames.empty()) {
          auto& parent = low[static_cast<std::size_t>(frames.back().node)];
          parent = std::min(parent, low[a]);
        }
        if (low[a] != index[a]) continue;
        std::vector<int> component;
        int member;
        do {
          member = stack.back();
          stack.pop_back();
          on[static_cast<std::size_t>(member)] = false;
          component.push_back(member);
        } while (member != at);
        const bool self = std::any_of(edges(at).begin(), edges(at).end(),
                                      [&](const Edge& e) { return e.to == at && live(at, e, in, cut); });
        if (component.size() > 1 || self) out.push_back(std::move(component));
      }
    }
    return out;
  }

  // An edge of the component that can only be taken a bounded number of times: a decision's stay-exit, where
  // a variable that the component only ever counts one way is compared with a number, and no cycle through
  // the decision avoids the counting.
  bool counted_edge(const std::vector<int>& component, const std::vector<bool>& inside,
                    const std::vector<Removed>& cut, Removed& edge) const {
    for (const int d : component) {
      const auto* decision = std::get_if<DecisionNode>(&node(d).body);
      if (!decision ||
          (decision->kind != DecisionNode::Kind::custom && decision->kind != DecisionNode::Kind::variable))
        continue;
      for (const Case& c : decision->cases) {
        int slot = -1,
            direction =
                0;  // the case stops holding (stay) or begins to hold (leave) as the variable moves so
        if (!bound(c.when, slot, direction)) continue;
        const int counts = counting(component, slot);
        if (counts == 0) continue;
        const bool stays = inside[static_cast<std::size_t>(c.target)];
        // "n < 3" holds for a bounded time while n grows; then its exit is never taken again.
        if (stays && direction == -counts && through_counter(d, c.target, component, inside, cut, slot)) {
          edge = {d, c.target};
          return !ambiguous(d, c.target, c, *decision);
        }
        // "n >= 3" holds for ever once it does; every other exit of the decision behind it is taken a bounded
        // number of times.
        if (!stays && direction == counts) {
          for (const Edge& e : edges(d)) {
            if (!live(d, e, inside, cut) || before(*decision, c, e)) continue;
            if (!through_counter(d, e.to, component, inside, cut, slot)) continue;
            edge = {d, e.to};
            return true;
          }
        }
      }
    }
    return false;
  }

  // Another case with the same target keeps the edge alive.
  bool ambiguous(int d, int target, const Case& c, const DecisionNode& decision) const {
    for (const Case& other : decision.cases) {
      if (&other != &c && other.target == target) return true;
    }
    return node(d).at(ExitId::otherwise) == target;
  }

  // Does the edge belong to a case that is looked at before c?
  static bool before(const DecisionNode& decision, const Case& c, const Edge& e) {
    for (const Case& other : decision.cases) {
      if (&other == &c) return false;
      if (other.target == e.to) return true;
    }
    return false;
  }

  // "n < 3": slot n, direction -1 (holds below). "n >= 3": +1.
  static bool bound(const Expression& when, int& slot, int& direction) {
    using Op = Expression::Op;
    if (when.root().a < 0 || when.root().b < 0) return false;
    const Expression::Node* a = &when.node(when.root().a);
    const Expression::Node* b = &when.node(when.root().b);
    int sign = 1;
    if (a->op == Op::literal) std::swap(a, b), sign = -1;
    if (a->op != Op::path || a->path.root != Path::Root::variable || !a->path.rest.empty()) return false;
    if (b->op != Op::literal || !number(view(b->literal))) return false;
    slot = a->path.slot;
    switch (when.root().op) {
      case Op::less:
      case Op::less_equal: direction = -sign; return true;
      case Op::greater:
      case Op::greater_equal: direction = sign; return true;
      default: return false;
    }
  }

  // +1 or -1 when everything in the component that sets the variable moves it so by a constant; else 0.
  int counting(const std::vector<int>& component, int slot) const {
    int direction = 0;
    for (const int i : component) {
      const auto& sets = use(i).sets;
      if (std::find(sets.begin(), sets.end(), slot) == sets.end()) continue;
      const auto* s = std::get_if<SetNode>(&node(i).body);
      if (!s) return 0;
      for (const SetNode::Assignment& a : s->assignments) {
        if (a.slot != slot) continue;
        const int one = a.expression ? step_of(*a.expression, slot) : 0;
        if (one == 0 || (direction != 0 && one != direction)) return 0;
        direction = one;
      }
    }
    return direction;
  }

  static int step_of(const Expression& e, int slot) {
    using Op = Expression::Op;
    if (e.root().op != Op::add && e.root().op != Op::subtract) return 0;
    const Expression::Node& a = e.node(e.root().a);
    const Expression::Node& b = e.node(e.root().b);
    const bool left =
        a.op == Op::path && a.path.slot == slot && a.path.rest.empty() && a.path.root == Path::Root::variable;
    if (!left || b.op != Op::literal) return 0;
    const auto n = number(view(b.literal));
    // Less than a thousandth a round is no counting that anybody means.
    if (!n || std::abs(n->d) < 0.001) return 0;
    return (n->d > 0) == (e.root().op == Op::add) ? 1 : -1;
  }

  // Is there no way from `from` back to the decision that avoids every node counting the variable?
  bool through_counter(int d, int from, const std::vector<int>& component, const std::vector<bool>& inside,
                       const std::vector<Removed>& cut, int slot) const {
    std::vector<bool> counter(model_.nodes.size()), seen(model_.nodes.size());
    for (const int i : component) {
      const auto& sets = use(i).sets;
      counter[static_cast<std::size_t>(i)] = std::find(sets.begin(), sets.end(), slot) != sets.end();
    }
    std::vector<int> todo = {from};
    while (!todo.empty()) {
      const int at = todo.back();
      todo.pop_back();
      if (counter[static_cast<std::size_t>(at)] || seen[static_cast<std::size_t>(at)]) continue;
      if (at == d) return false;
      seen[static_cast<std::size_t>(at)] = true;
      for (const Edge& e : edges(at)) {
        if (live(at, e, inside, cut)) todo.push_back(e.to);
      }
    }
    return true;
  }

  // One cycle to show, beginning and ending with the same node.
  std::vector<FlowStep> cycle(const std::vector<int>& component, const std::vector<bool>& inside,
                              const std::vector<Removed>& cut) const {
    const int first = *std::min_element(component.begin(), component.end());
    std::vector<std::pair<int, std::string_view>> from(model_.nodes.size(), {-1, {}});
    std::deque<int> todo = {first};
    while (!todo.empty()) {
      const int at = todo.front();
      todo.pop_front();
      for (const Edge& e : edges(at)) {
        if (!live(at, e, inside, cut)) continue;
        if (e.to == first) {
          std::vector<FlowStep> way = {{node(first).name, {}}};
          std::string_view exit = e.exit;
          for (int i = at;; i = from[static_cast<std::size_t>(i)].first) {
            way.push_back({node(i).name, std::string(exit)});
            if (i == first) break;
            exit = from[static_cast<std::size_t>(i)].second;
          }
          std::reverse(way.begin(), way.end());
          return way;
        }
        auto& before = from[static_cast<std::size_t>(e.to)];
        if (before.first < 0) before = {at, e.exit}, todo.push_back(e.to);
      }
    }
    return {};
  }

  const Model& model_;
  std::vector<Finding>& findings_;
  std::vector<std::vector<Edge>> edges_;
  std::vector<Use> uses_;
  std::vector<bool> reached_;
  std::set<int> seen_;
};

}  // namespace

void check_graph(const Model& model, std::vector<Finding>& findings) { GraphCheck(model, findings).run(); }

}  // namespace ivr::flow

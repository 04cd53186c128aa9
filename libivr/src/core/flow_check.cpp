#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>

#include "core/flow_loops.hpp"

namespace ivr::flow {

namespace {

class GraphCheck {
 public:
  GraphCheck(const Graph& graph, std::vector<Finding>& findings)
      : graph_(graph), model_(graph.model), findings_(findings) {}

  void run() {
    unreachable();
    after_hangup();
    no_way_back();
    marks();
    unset();
    endless();
  }

 private:
  const Node& node(int i) const { return graph_.node(i); }
  const std::vector<Edge>& edges(int i) const { return graph_.from(i); }
  const Use& use(int i) const { return graph_.use(i); }
  int size() const { return graph_.size(); }

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
    // Nodes are looked at in an order in which most come after those that lead to them, so that few are
    // looked at twice.
    const std::vector<int> order = from_the_entries();
    std::vector<int> place(model_.nodes.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      place[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
    std::set<int> todo;
    for (const int entry : entries_of(model_)) in[static_cast<std::size_t>(entry)] = initial;
    for (std::size_t i = 0; i < order.size(); ++i) todo.insert(todo.end(), static_cast<int>(i));
    Bits out;
    while (!todo.empty()) {
      const int at = order[static_cast<std::size_t>(*todo.begin())];
      todo.erase(todo.begin());
      for (const Edge& e : edges(at)) {
        if (e.to < 0) continue;
        out = in[static_cast<std::size_t>(at)];
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
        if (changed) todo.insert(place[static_cast<std::size_t>(e.to)]);
      }
    }
    tell_unset(in);
  }

  // The nodes that a call can come to, in reverse postorder.
  std::vector<int> from_the_entries() const {
    std::vector<int> order;
    std::vector<bool> seen(model_.nodes.size());
    std::vector<std::pair<int, std::size_t>> way;
    for (const int entry : entries_of(model_)) {
      if (seen[static_cast<std::size_t>(entry)]) continue;
      seen[static_cast<std::size_t>(entry)] = true;
      way.emplace_back(entry, 0);
      while (!way.empty()) {
        auto& [at, next] = way.back();
        if (next == edges(at).size()) {
          order.push_back(at);
          way.pop_back();
          continue;
        }
        const int to = edges(at)[next++].to;
        if (to < 0 || seen[static_cast<std::size_t>(to)]) continue;
        seen[static_cast<std::size_t>(to)] = true;
        way.emplace_back(to, 0);
      }
    }
    std::reverse(order.begin(), order.end());
    return order;
  }

  void tell_unset(const std::vector<Bits>& in) {
    constexpr std::size_t kMaxSearches = 50, kMaxHints = 20;
    std::vector<bool> ever(static_cast<std::size_t>(model_.names.size()));
    std::vector<std::string> settable;
    for (int i = 0; i < size(); ++i)
      for (const int v : use(i).sets) ever[static_cast<std::size_t>(v)] = true;
    for (int v = 0; v < model_.names.size(); ++v) {
      const auto slot = static_cast<std::size_t>(v);
      if (model_.variables[slot].declared) ever[slot] = true;
      if (ever[slot]) settable.push_back(model_.names.name(v));
    }
    struct Unset {
      int node, slot;
      const std::string* pointer;
    };
    std::vector<Unset> unset;
    std::map<int, std::vector<std::size_t>> by_slot;  // those that some way sets
    std::set<std::pair<std::string_view, int>> said;
    for (int i = 0; i < size(); ++i) {
      if (!reached_[static_cast<std::size_t>(i)]) continue;
      for (std::size_t r = 0; r < use(i).reads.size(); ++r) {
        const Read& read = use(i).reads[r];
        if (read.slot < 0 || has(in[static_cast<std::size_t>(i)], read.slot)) continue;
        const bool sometimes = ever[static_cast<std::size_t>(read.slot)];
        if (read.guarded && sometimes) continue;
        if (!said.emplace(use(i).pointers[r], read.slot).second) continue;
        if (sometimes && unset.size() < kMaxCallsShown) by_slot[read.slot].push_back(unset.size());
        unset.push_back({i, read.slot, &use(i).pointers[r]});
      }
    }
    // A search a variable, not one a finding.
    std::vector<std::vector<FlowStep>> calls(unset.size());
    std::size_t searches = 0;
    for (const auto& [slot, at] : by_slot) {
      if (++searches > kMaxSearches) break;
      const ShortestCalls without = calls_without(slot);
      for (const std::size_t i : at) calls[i] = without.to(unset[i].node);
    }
    std::size_t hints = 0;
    for (std::size_t i = 0; i < unset.size(); ++i) {
      const std::string& name = model_.names.name(unset[i].slot);
      if (!ever[static_cast<std::size_t>(unset[i].slot)]) {
        error("unset-variable", *unset[i].pointer,
              "variable '" + name + "' is read, and nothing ever sets it" +
                  (++hints > kMaxHints ? "" : suggestion(name, settable)),
              "declare it in 'variables', or set it before");
      } else {
        error("unset-variable", *unset[i].pointer,
              "variable '" + name + "' may be read before it is set" +
                  (calls[i].empty() ? "" : ": " + way_of(calls[i])),
              "set it on that way too, declare it in 'variables', or write {{" + name + " | default: ...}}");
        findings_.back().call = std::move(calls[i]);
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

  // The shortest calls on which nothing sets the variable.
  ShortestCalls calls_without(int slot) const {
    return ShortestCalls(graph_, [&](int from, const Edge& e) {
      const std::vector<int>& sets = use(from).sets;
      return !sets_on(from, e.exit, slot) || std::find(sets.begin(), sets.end(), slot) == sets.end();
    });
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

  // Every cycle that is left without waiting edges must count; each component is cut at its counters, and
  // what is left of it looked at again.
  void endless() {
    std::vector<int> members;
    for (int i = 0; i < graph_.size(); ++i) {
      if (reached_[static_cast<std::size_t>(i)]) members.push_back(i);
    }
    Loops loops(graph_, [this](int from, const Edge& e) { return !waits_on(from, e); });
    std::vector<std::vector<int>> todo = loops.components(members);
    std::vector<std::vector<int>> endless;
    for (std::size_t next = 0; next < todo.size(); ++next) {
      const std::vector<int> component = std::move(todo[next]);
      const std::vector<CountedEdge> counted = loops.counted(component);
      if (counted.empty()) endless.push_back(component);
      for (const CountedEdge& edge : counted) loops.cut(edge.from, edge.to);
      if (counted.empty()) continue;
      for (std::vector<int>& inner : loops.components(component)) todo.push_back(std::move(inner));
    }
    if (endless.empty()) return;
    std::sort(endless.begin(), endless.end());
    const ShortestCalls calls(graph_);
    std::size_t shown = 0;
    for (const std::vector<int>& component : endless) {
      std::vector<FlowStep> round = loops.cycle(component);
      error("endless-loop", node(component.front()).pointer,
            "a loop that neither waits for the caller nor counts down: " + way_of(round),
            "let it pass a menu or gather, or count: {\"set\": {\"n\": {\"expression\": \"n + 1\"}}} and "
            "leave by a decision \"n >= 3\"");
      if (++shown > kMaxCallsShown) continue;
      std::vector<FlowStep>& call = findings_.back().call;
      call = calls.to(component.front());
      if (!call.empty()) call.pop_back();
      call.insert(call.end(), round.begin(), round.end());
      if (call.size() > kMaxStepsShown)
        call.erase(call.begin(), call.end() - static_cast<std::ptrdiff_t>(kMaxStepsShown));
    }
  }

  const Graph& graph_;
  const Model& model_;
  std::vector<Finding>& findings_;
  std::vector<bool> reached_;
};

}  // namespace

void check_graph(const Graph& graph, std::vector<Finding>& findings) { GraphCheck(graph, findings).run(); }

}  // namespace ivr::flow

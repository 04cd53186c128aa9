#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "core/flow_model.hpp"

// Where a node leads, what it reads and what it sets: the graph that the checks and the drawings look at.

namespace ivr::flow {

std::vector<Edge> edges_of(const Model& model, int index) {
  const Node& n = model.nodes[static_cast<std::size_t>(index)];
  std::vector<Edge> edges;
  if (n.type_name.empty()) return edges;
  for (const Exit& exit : n.exits) edges.push_back({exit.target, exit.name, false});
  // Exits that fall back, and the error exit that leads to on_error.
  for (const ExitId id : type_row(n.type).exits) {
    const std::string_view name = exit_name(id);
    if (n.at(id) >= 0 &&
        std::none_of(edges.begin(), edges.end(), [&](const Edge& e) { return e.exit == name; })) {
      edges.push_back({n.at(id), name, true});
    }
  }
  return edges;
}

namespace {

void reads_of(const Say& say, const std::string& pointer, Use& use) {
  for (const auto& pieces : say.in) {
    for (const Piece& p : pieces) {
      p.value.reads(use.reads);
      p.currency.reads(use.reads);
    }
  }
  use.pointers.resize(use.reads.size(), pointer);
}

}  // namespace

Use use_of(const Model& model, int index) {
  const Node& n = model.nodes[static_cast<std::size_t>(index)];
  Use use;
  const auto say = [&](const Say& s, const char* field) { reads_of(s, n.pointer + "/" + field, use); };
  const auto text = [&](const Template& t, const std::string& field) {
    t.reads(use.reads);
    use.pointers.resize(use.reads.size(), n.pointer + "/" + field);
  };
  const auto sets = [&](int slot) {
    if (slot >= 0) use.sets.push_back(slot);
  };
  struct Visit {
    const Model& model;
    const Node& n;
    Use& use;
    decltype(say)& say_;
    decltype(text)& text_;
    decltype(sets)& sets_;

    void operator()(const WelcomeNode& w) { say_(w.say, "say"), say_(w.ask, "ask"); }
    void operator()(const PlayNode& p) {
      say_(p.say, n.type == NodeType::play ? "say" : n.type == NodeType::play_digits ? "digits" : "sequence");
    }
    void operator()(const MenuNode& m) {
      say_(m.say, "say"), say_(m.short_say, "short_say"), say_(m.invalid_say, "invalid_say"),
          say_(m.no_input_say, "no_input_say"), say_(m.exit_say, "exit_say");
      sets_(m.into);
      for (const Choice& choice : m.choices) {
        for (const int slot : choice.slots) sets_(slot);
      }
      if (!m.confirm) return;
      // What was pressed is set before it is confirmed.
      const std::size_t from = use.reads.size();
      say_(m.confirm->say, "confirm/say");
      for (std::size_t i = from; i < use.reads.size(); ++i) {
        if (std::find(use.sets.begin(), use.sets.end(), use.reads[i].slot) != use.sets.end())
          use.reads[i].guarded = true;
      }
    }
    void operator()(const GatherNode& g) {
      say_(g.say, "say"), say_(g.short_say, "short_say"), say_(g.invalid_say, "invalid_say"),
          say_(g.no_input_say, "no_input_say");
      sets_(g.into);
    }
    void operator()(const DecisionNode& d) {
      for (std::size_t i = 0; i < d.cases.size(); ++i) {
        if (d.kind != DecisionNode::Kind::custom && d.kind != DecisionNode::Kind::variable) break;
        d.cases[i].when.reads(use.reads);
        use.pointers.resize(use.reads.size(), n.pointer + "/cases/" + std::to_string(i));
      }
    }
    void operator()(const ApiNode& a) {
      text_(a.url, "url");
      for (const auto& [key, value] : a.query) text_(value, "query");
      for (const auto& [key, value] : a.headers) text_(value, "headers");
      text_(a.token, "auth"), text_(a.user, "auth"), text_(a.password, "auth");
      for (const Template& t : a.body_texts) text_(t, "body");
      text_(a.body_text, "body");
      say_(a.filler, "filler");
      for (const ApiNode::Mapping& m : a.map) sets_(m.into);
      sets_(a.into);
    }
    void operator()(const RecordNode& r) { say_(r.say, "say"), sets_(r.into); }
    void operator()(const TransferNode& t) {
      say_(t.say, "say"), say_(t.ringback, "ringback"), text_(t.to, "to"), terms(t.terms);
      if (!t.queue.empty()) sets_(model.names.find(kQueueResult));
      sets_(model.names.find(kTransferResult));
    }
    void operator()(const QueueNode& q) {
      say_(q.say, "say"), say_(q.hold, "hold"), say_(q.position_say, "position_say"),
          say_(q.more_than_say, "more_than_say"), say_(q.wait_say, "wait_say");
      for (const Say& message : q.messages) say_(message, "messages");
      text_(q.queue, "queue"), text_(q.agent, "agent"), text_(q.priority, "priority"), terms(q.terms);
      sets_(model.names.find(kQueueResult)), sets_(model.names.find(kTransferResult));
    }
    void terms(const Terms& t) {
      for (const auto& [name, text] : t.required.names) text_(text, "skills");
      for (const Need& need : t.preferred) text_(need.name, "preferred");
      say_(t.whisper, "whisper"), text_(t.caller_id, "caller_id");
    }
    void operator()(const CallbackNode& c) { text_(c.number, "number"); }
    void operator()(const AgentStatusNode& a) {
      text_(a.agent, "agent"), text_(a.reason, "reason"), sets_(model.names.find(kAgentStatusResult));
    }
    void operator()(const KeywordsNode& k) { text_(k.text, "text"), sets_(k.into); }
    void operator()(const SetNode& s) {
      absl::flat_hash_set<int> set;
      for (const SetNode::Assignment& a : s.assignments) {
        // An assignment may read what one before it in the same node has set.
        const std::size_t from = use.reads.size();
        if (a.text) a.text->reads(use.reads);
        if (a.expression) a.expression->reads(use.reads);
        for (std::size_t i = from; i < use.reads.size(); ++i) {
          if (set.contains(use.reads[i].slot)) use.reads[i].guarded = true;
        }
        use.pointers.resize(use.reads.size(), n.pointer + "/set");
        sets_(a.slot);
        set.insert(a.slot);
      }
    }
    void operator()(const WaitNode&) {}
    void operator()(const AnswerNode&) {}
    void operator()(const SendDigitsNode& s) { text_(s.digits, "digits"); }
    void operator()(const HangupNode& h) { say_(h.say, "say"); }
  };
  std::visit(Visit{model, n, use, say, text, sets}, n.body);
  return use;
}

}  // namespace ivr::flow

#include <set>
#include <string>
#include <utility>

#include "core/flow_graph.hpp"

// Where secrets go. Records, events and logs show none of them whatever a flow does; what it says aloud, whom
// it calls and what it puts into an address is its own doing.

namespace ivr::flow {
namespace {

class SecretCheck {
 public:
  SecretCheck(const Graph& graph, std::vector<Finding>& findings)
      : model_(graph.model), uses_(graph.uses), findings_(findings) {
    for (const Variable& variable : model_.variables) secret_.push_back(variable.secret);
  }

  void run() {
    spread();
    for (std::size_t i = 0; i < uses_.size(); ++i) {
      for (std::size_t r = 0; r < uses_[i].reads.size(); ++r)
        look_at(model_.nodes[i], uses_[i].reads[r], uses_[i].pointers[r]);
    }
  }

 private:
  bool is_secret(const Read& read) const {
    return read.slot >= 0 && secret_[static_cast<std::size_t>(read.slot)];
  }

  // What is made of a secret is one. Wherever in the flow that is: a call may go round.
  void spread() {
    std::vector<std::vector<int>> makes(secret_.size());  // by slot, what is made of it
    const auto made = [&](int slot, const std::vector<Read>& of) {
      for (const Read& read : of) {
        if (slot >= 0 && read.slot >= 0) makes[static_cast<std::size_t>(read.slot)].push_back(slot);
      }
    };
    for (std::size_t i = 0; i < model_.nodes.size(); ++i) {
      if (const auto* set = std::get_if<SetNode>(&model_.nodes[i].body)) {
        for (const SetNode::Assignment& each : set->assignments) {
          std::vector<Read> reads;
          if (each.text) each.text->reads(reads);
          if (each.expression) each.expression->reads(reads);
          std::erase_if(reads, [](const Read& read) { return read.parted; });
          made(each.slot, reads);
        }
      } else if (const auto* keywords = std::get_if<KeywordsNode>(&model_.nodes[i].body)) {
        made(keywords->into, uses_[i].reads);
      }
    }
    std::vector<std::size_t> todo;
    for (std::size_t slot = 0; slot < secret_.size(); ++slot) {
      if (secret_[slot]) todo.push_back(slot);
    }
    while (!todo.empty()) {
      const std::vector<int> next = std::move(makes[todo.back()]);
      todo.pop_back();
      for (const int slot : next) {
        if (secret_[static_cast<std::size_t>(slot)]) continue;
        secret_[static_cast<std::size_t>(slot)] = true;
        todo.push_back(static_cast<std::size_t>(slot));
      }
    }
  }

  void look_at(const Node& node, const Read& read, const std::string& pointer) {
    if (!is_secret(read) || read.parted || !said_.emplace(pointer, read.slot).second) return;
    const std::string field = pointer.substr(node.pointer.size() + 1);
    const auto tell = [&](const std::string& what, const std::string& mend) {
      findings_.push_back({"secret-leak",
                           Severity::warning,
                           pointer,
                           "'" + model_.names.name(read.slot) + "' is secret, and " + what,
                           mend,
                           {}});
    };
    switch (node.type) {
      case NodeType::api:
        if (field == "url" || field == "query")
          return tell("the address of a request is in the logs of who passes it on",
                      "send it in 'body' or 'headers'");
        if (field != "filler") return;  // what the service is told is between it and the flow
        break;
      case NodeType::decision:
      case NodeType::set:
      case NodeType::keywords:
      case NodeType::send_digits: return;  // shown nowhere
      case NodeType::transfer:
      case NodeType::queue:
      case NodeType::callback:
      case NodeType::agent_status:
        if (field == "to" || field == "number" || field == "caller_id")
          return tell("an address that is called is in records and in other people's logs",
                      "use a variable that is not secret");
        if (field == "queue" || field == "agent" || field == "priority" || field == "skills" ||
            field == "preferred" || field == "reason")
          return tell("what a caller is routed by is in the queue's log and its reports",
                      "decide by it, and name what it stands for");
        break;
      default: break;
    }
    tell("it is said aloud", "say part of it, such as {{" + model_.names.name(read.slot) + " | last: 4}}");
  }

  const Model& model_;
  const std::vector<Use>& uses_;
  std::vector<Finding>& findings_;
  std::vector<bool> secret_;  // by slot
  std::set<std::pair<std::string, int>> said_;
};

}  // namespace

void check_secrets(const Graph& graph, std::vector<Finding>& findings) { SecretCheck(graph, findings).run(); }

}  // namespace ivr::flow

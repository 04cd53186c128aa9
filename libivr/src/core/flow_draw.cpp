#include <string>

#include "core/flow_model.hpp"

namespace ivr {

namespace {

// Only what both languages take inside quotes.
std::string quote(std::string_view s, bool mermaid) {
  std::string out;
  for (const char c : s) {
    if (c == '"') {
      out += mermaid ? "#quot;" : "\\\"";
    } else if (c == '\\') {
      out += mermaid ? "\\" : "\\\\";
    } else if (c == '\n') {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view colour(flow::NodeType type) {
  switch (type) {
    case flow::NodeType::welcome:
    case flow::NodeType::play:
    case flow::NodeType::play_digits:
    case flow::NodeType::play_sequence: return "#e3f2fd";
    case flow::NodeType::menu:
    case flow::NodeType::gather: return "#fff8e1";
    case flow::NodeType::decision:
    case flow::NodeType::set:
    case flow::NodeType::wait:
    case flow::NodeType::answer:
    case flow::NodeType::keywords:
    case flow::NodeType::send_digits: return "#f3e5f5";
    case flow::NodeType::api: return "#e0f2f1";
    case flow::NodeType::record: return "#fce4ec";
    case flow::NodeType::transfer:
    case flow::NodeType::callback:
    case flow::NodeType::agent_status:
    case flow::NodeType::queue: return "#e8f5e9";
    case flow::NodeType::hangup: return "#eceff1";
  }
  return "#ffffff";
}

// Where a way back leads depends on the caller: it is drawn as an end.
std::string way_name(int to) { return to == flow::kBack ? "back" : "top"; }
std::string way(std::size_t from, int to) {
  return to >= 0 ? "n" + std::to_string(to) : way_name(to) + std::to_string(from);
}

}  // namespace

std::string Flow::to_dot() const {
  const flow::Model& m = *model_;
  std::string out = "digraph \"" + quote(m.id, false) +
                    "\" {\n  rankdir=TB;\n"
                    "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", fontsize=11];\n"
                    "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#607d8b\"];\n"
                    "  start [shape=circle, label=\"\", width=0.2, fillcolor=\"#263238\"];\n";
  for (std::size_t i = 0; i < m.nodes.size(); ++i) {
    const flow::Node& n = m.nodes[i];
    out += "  n" + std::to_string(i) + " [label=\"" + quote(n.label.empty() ? n.name : n.label, false) +
           "\\n" + std::string(n.type_name) + "\", fillcolor=\"" + std::string(colour(n.type)) + "\"" +
           (n.type == flow::NodeType::decision ? ", shape=diamond, style=filled" : "") + "];\n";
  }
  out += "  start -> n" + std::to_string(m.start) + ";\n";
  if (m.on_hangup >= 0) {
    out += "  over [shape=doublecircle, label=\"\", width=0.15, fillcolor=\"#263238\"];\n  over -> n" +
           std::to_string(m.on_hangup) + " [label=\"on_hangup\"];\n";
  }
  for (std::size_t i = 0; i < m.nodes.size(); ++i) {
    for (const flow::Edge& e : flow::edges_of(m, static_cast<int>(i))) {
      if (e.to < 0)
        out += "  " + way(i, e.to) + " [shape=plaintext, style=\"\", label=\"" + way_name(e.to) + "\"];\n";
      out += "  n" + std::to_string(i) + " -> " + way(i, e.to) + " [label=\"" + quote(e.exit, false) + "\"" +
             (e.implied ? ", style=dashed, color=\"#b0bec5\"" : "") + "];\n";
    }
  }
  return out + "}\n";
}

std::string Flow::to_mermaid() const {
  const flow::Model& m = *model_;
  std::string out = "flowchart TD\n  start((start)) --> n" + std::to_string(m.start) + "\n";
  if (m.on_hangup >= 0) out += "  over(((on_hangup))) --> n" + std::to_string(m.on_hangup) + "\n";
  for (std::size_t i = 0; i < m.nodes.size(); ++i) {
    const flow::Node& n = m.nodes[i];
    const bool decides = n.type == flow::NodeType::decision;
    out += "  n" + std::to_string(i) + (decides ? "{\"" : "[\"") +
           quote(n.label.empty() ? n.name : n.label, true) + "<br/>" + std::string(n.type_name) +
           (decides ? "\"}\n" : "\"]\n");
  }
  for (std::size_t i = 0; i < m.nodes.size(); ++i) {
    for (const flow::Edge& e : flow::edges_of(m, static_cast<int>(i))) {
      out += "  n" + std::to_string(i) + (e.implied ? " -.->|\"" : " -->|\"") + quote(e.exit, true) + "\"| " +
             way(i, e.to) + (e.to < 0 ? "([\"" + way_name(e.to) + "\"])" : std::string()) + "\n";
    }
  }
  return out;
}

}  // namespace ivr

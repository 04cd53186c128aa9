#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ivr/event_log.hpp"

namespace ivr {

// Something at a node of a recorded call, as a person reads it; what is secret is "***", a secret key '?'.
struct WalkLine {
  // came: another event than a key, a reply, a recording, an agent. asked: of anybody but the caller.
  enum class Kind { said, pressed, asked, came, set, language };
  Time at{};
  Kind kind = Kind::came;
  std::string text;  // set: "name = JSON"

  friend bool operator==(const WalkLine&, const WalkLine&) = default;
};
std::string_view to_string(WalkLine::Kind kind) noexcept;

// One visit of a node.
struct WalkNode {
  std::string node, type;
  int visit = 1;
  Time entered{}, left{};            // left: zero where the log ends before
  std::string exit;                  // empty: where the log ends
  std::string input, output, error;  // see note::NodeLeft
  std::vector<WalkLine> lines;       // in order
};

// A recorded call node by node, by its log alone: no flow is needed. What came before the first node and
// after the last stands with the nearest one. A log of no flow has no nodes.
std::vector<WalkNode> walk(std::span<const LogEntry> entries);

// The variables of the call after each node of a walk: name and JSON text, sorted by name.
std::vector<std::pair<std::string, std::string>> variables_after(std::span<const WalkNode> nodes);

// "+2.340 s  menu (menu, visit 2) -> 1 after 3.2 s", then a line for each of its lines. `start` is the log's
// first instant.
std::string describe(const WalkNode& node, Time start);

}  // namespace ivr

#include "ivr/call_walk.hpp"

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

namespace ivr {
namespace {

using nlohmann::json;
using Kind = WalkLine::Kind;

std::string walk_text(const json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::string prompts_text(const json& command) {
  std::string text;
  const auto prompts = command.find("prompts");
  if (prompts == command.end() || !prompts->is_array()) return text;
  for (const json& prompt : *prompts) {
    if (!text.empty()) text += ' ';
    const std::string kind = walk_text(prompt, "kind"), value = walk_text(prompt, "value");
    text += kind == "text" ? '"' + value + '"' : kind == "silence" ? "(silence)" : kind + ' ' + value;
  }
  return text;
}

// A command as a line; empty: it says nothing to a person who follows the flow.
WalkLine line_of(const std::string& name, const json& x, Time at) {
  if (name == "play") return {at, Kind::said, prompts_text(x)};
  if (name == "fetch") {
    const json& http = x.contains("http") ? x.at("http") : x;
    return {at, Kind::asked, walk_text(http, "method") + ' ' + walk_text(http, "url")};
  }
  if (name == "dial" || name == "refer") return {at, Kind::asked, name + ' ' + walk_text(x, "uri")};
  if (name == "join_queue") return {at, Kind::asked, "queue " + walk_text(x, "queue")};
  if (name == "request_callback") return {at, Kind::asked, "a call back of " + walk_text(x, "number")};
  if (name == "send_digits") return {at, Kind::asked, "keys " + walk_text(x, "digits")};
  if (name == "start_record") return {at, Kind::asked, "a recording, " + walk_text(x, "name")};
  if (name == "reject" || name == "drop") {
    const std::string reason = walk_text(x, "reason");
    return {at, Kind::asked, reason.empty() ? name : name + ", " + reason};
  }
  return {};
}

// An event as a line; empty: what it brings shows in the commands, or it only moves the clock.
std::string came(const Event& event) {
  if (const auto* replied = std::get_if<event::HttpReplied>(&event)) {
    const HttpReply& reply = replied->reply;
    return reply.status != 0
               ? "reply " + std::to_string(reply.status) + ", " + std::to_string(reply.body.size()) + " bytes"
               : "no reply, " + reply.error;
  }
  if (const auto* played = std::get_if<event::PlayEnded>(&event))
    return played->error.empty() ? std::string() : "cannot be played: " + played->error;
  const bool silent =
      std::holds_alternative<event::Invited>(event) || std::holds_alternative<event::Established>(event) ||
      std::holds_alternative<event::DigitHeard>(event) || std::holds_alternative<event::DigitsSent>(event) ||
      std::holds_alternative<event::VoiceBegan>(event) || std::holds_alternative<event::VoiceEnded>(event) ||
      std::holds_alternative<event::Tick>(event);
  return silent ? std::string() : describe(event);
}

std::string walk_seconds(Micros d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(d.count()) / 1e6);
  return text;
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::said: return "said";
    case Kind::pressed: return "pressed";
    case Kind::asked: return "asked";
    case Kind::came: return "came";
    case Kind::set: return "set";
    case Kind::language: return "language";
  }
  return "";
}

std::vector<WalkNode> walk(std::span<const LogEntry> entries) {
  std::vector<WalkNode> nodes;
  std::vector<WalkLine> before;  // the first node
  const auto tell = [&](WalkLine line) {
    (nodes.empty() ? before : nodes.back().lines).push_back(std::move(line));
  };
  for (const LogEntry& entry : entries) {
    if (const auto* heard = std::get_if<event::DigitHeard>(&entry.event)) {
      // Key after key is one line, as it is read out.
      auto& lines = nodes.empty() ? before : nodes.back().lines;
      if (!lines.empty() && lines.back().kind == Kind::pressed) {
        lines.back().text.push_back(heard->digit);
      } else {
        lines.push_back({entry.at, Kind::pressed, std::string(1, heard->digit)});
      }
    } else if (std::string text = came(entry.event); !text.empty()) {
      tell({entry.at, Kind::came, std::move(text)});
    }
    const json out = json::parse(entry.out, nullptr, false);
    if (!out.is_array()) continue;
    for (const json& command : out) {
      if (!command.is_object() || command.empty() || !command.begin().value().is_object()) continue;
      const std::string& name = command.begin().key();
      const json& x = command.begin().value();
      if (name == "node_entered") {
        WalkNode& node = nodes.emplace_back();
        node.node = walk_text(x, "node"), node.type = walk_text(x, "type");
        if (const auto visit = x.find("visit"); visit != x.end() && visit->is_number_integer())
          node.visit = visit->get<int>();
        node.entered = entry.at;
        if (!before.empty()) node.lines = std::exchange(before, {});
      } else if (name == "node_left") {
        if (nodes.empty()) continue;
        WalkNode& node = nodes.back();
        node.left = entry.at, node.exit = walk_text(x, "exit");
        node.input = walk_text(x, "input"), node.output = walk_text(x, "output"),
        node.error = walk_text(x, "error");
      } else if (name == "variable_set") {
        tell({entry.at, Kind::set, walk_text(x, "name") + " = " + walk_text(x, "value")});
      } else if (name == "language_chosen") {
        tell({entry.at, Kind::language, walk_text(x, "language")});
      } else if (WalkLine line = line_of(name, x, entry.at); !line.text.empty()) {
        tell(std::move(line));
      }
    }
  }
  return nodes;
}

std::vector<std::pair<std::string, std::string>> variables_after(std::span<const WalkNode> nodes) {
  std::map<std::string, std::string> values;
  for (const WalkNode& node : nodes) {
    for (const WalkLine& line : node.lines) {
      if (line.kind != Kind::set) continue;
      const auto equals = line.text.find(" = ");
      values[line.text.substr(0, equals)] = line.text.substr(equals + 3);
    }
  }
  return {values.begin(), values.end()};
}

std::string describe(const WalkNode& node, Time start) {
  std::string text = "+" + walk_seconds(node.entered - start);
  text.insert(0, text.size() < 12 ? 12 - text.size() : 0, ' ');
  text += "  " + node.node + " (" + node.type;
  if (node.visit > 1) text += ", visit " + std::to_string(node.visit);
  text += ")";
  if (node.left != Time{}) {
    text += " -> " + node.exit + " after " + walk_seconds(node.left - node.entered);
    if (!node.error.empty()) text += ": " + node.error;
  } else {
    text += " and no further";
  }
  for (const WalkLine& line : node.lines) {
    const std::string name(to_string(line.kind));
    text += "\n              " + name + std::string(name.size() < 9 ? 9 - name.size() : 1, ' ') + line.text;
  }
  return text;
}

}  // namespace ivr

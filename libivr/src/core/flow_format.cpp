#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/flow_json.hpp"
#include "ivr/flow_text.hpp"

namespace ivr {

namespace {

using flow::Json;

// The fields of the language, of the document and of all node types: what it is, what is said, what is asked
// and how, where the call goes on.
constexpr std::string_view kFieldOrder[] = {
    "$schema", "ivr", "id", "type", "label", "comment", "include", "answer", "start", "on_error", "on_hangup",
    "languages", "voices", "variables", "secrets", "time_zone", "calendars", "lists", "nodes",
    // content
    "kind", "method", "url", "query", "headers", "auth", "body", "content_type", "to", "mode", "agents",
    "department", "strategy", "queue", "agent", "direct", "priority", "skills", "preferred", "state",
    "number", "text", "departments", "default", "variable", "calendar", "set", "duration",
    // prompts
    "say", "ask", "short_say", "short_on_return", "invalid_say", "no_input_say", "exit_say", "prefix",
    "digits", "suffix", "sequence", "hold", "ringback", "position_say", "more_than_say", "wait_say",
    "messages", "filler", "filler_after", "loops", "beep", "whisper", "accept_keys", "caller_id",
    "pass_digits",
    // answers
    "choose", "language", "keys", "patterns", "confirm", "min", "max", "length", "range", "pattern",
    "terminators", "finish_keys", "silence", "tries", "max_invalid", "max_no_input", "digit_timeout",
    "barge_in", "barge_at", "grace", "min_speech", "carry", "sensitive", "retries", "backoff", "expect",
    "map", "into", "name", "record", "record_digits", "ring_limit", "max_talk", "max_wait", "tone", "gap",
    "reason", "status", "timeout",
    // exits
    "cases", "next", "open", "closed", "emergency", "on_status", "on_timeout", "busy", "no_answer",
    "rejected", "failed", "full", "unavailable", "transfer_failed", "refused", "invalid", "no_input", "else",
    "error"};

constexpr std::size_t kColumns = 120;

std::vector<std::pair<std::string_view, const Json*>> in_field_order(const Json& object) {
  static const auto* const kRanks = [] {
    auto* ranks = new absl::flat_hash_map<std::string_view, int>;
    for (const std::string_view field : kFieldOrder) ranks->emplace(field, static_cast<int>(ranks->size()));
    return ranks;
  }();
  std::vector<std::pair<std::string_view, const Json*>> fields;
  for (const auto& [key, value] : object.items()) fields.emplace_back(key, &value);
  const auto rank = [](std::string_view field) {
    const auto found = kRanks->find(field);
    return found == kRanks->end() ? static_cast<int>(kRanks->size()) : found->second;
  };
  std::stable_sort(fields.begin(), fields.end(),
                   [&](const auto& a, const auto& b) { return rank(a.first) < rank(b.first); });
  return fields;
}

class DocumentWriter {
 public:
  std::string write(const Json& document) {
    if (document.is_object()) {
      object(document, in_field_order(document), 0, [this](std::string_view field, const Json& value) {
        if (field == "nodes" && value.is_object()) return nodes(value);
        this->value(value, 1, field.size() + 4);
      });
    } else {
      value(document, 0, 0);
    }
    return std::move(out_) + "\n";
  }

 private:
  using Fields = std::vector<std::pair<std::string_view, const Json*>>;

  static std::string text_of(std::string_view text) {
    return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  static std::size_t columns(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  }

  static void one_line(const Json& value, std::string& out) {
    if (value.is_object() || value.is_array()) {
      out += value.is_object() ? '{' : '[';
      bool first = true;
      for (const auto& item : value.items()) {
        if (!std::exchange(first, false)) out += ", ";
        if (value.is_object()) out += text_of(item.key()) + ": ";
        one_line(item.value(), out);
      }
      out += value.is_object() ? '}' : ']';
    } else {
      out += value.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
  }

  template <class Each>
  void object(const Json& json, const Fields& fields, int level, Each&& each) {
    if (json.empty()) {
      out_ += "{}";
      return;
    }
    out_ += "{\n";
    for (std::size_t i = 0; i < fields.size(); ++i) {
      indent(level + 1);
      out_ += text_of(fields[i].first) + ": ";
      each(fields[i].first, *fields[i].second);
      out_ += i + 1 < fields.size() ? ",\n" : "\n";
    }
    indent(level);
    out_ += '}';
  }

  static Fields as_written(const Json& object) {
    Fields fields;
    for (const auto& [key, value] : object.items()) fields.emplace_back(key, &value);
    return fields;
  }

  void nodes(const Json& nodes) {
    object(nodes, as_written(nodes), 1, [this](std::string_view name, const Json& node) {
      if (!node.is_object()) return value(node, 2, columns(name) + 4);
      object(node, in_field_order(node), 2,
             [this](std::string_view field, const Json& inner) { value(inner, 3, columns(field) + 4); });
    });
  }

  // `before` are the columns of the line that are taken, beside the indent.
  void value(const Json& json, int level, std::size_t before) {
    std::string line;
    one_line(json, line);
    if (!json.is_structured() || json.empty() ||
        static_cast<std::size_t>(level) * 2 + before + columns(line) + 1 <= kColumns) {
      out_ += line;
      return;
    }
    if (json.is_object()) {
      object(json, as_written(json), level, [&](std::string_view key, const Json& inner) {
        value(inner, level + 1, columns(text_of(key)) + 2);
      });
      return;
    }
    out_ += "[\n";
    for (std::size_t i = 0; i < json.size(); ++i) {
      indent(level + 1);
      value(json[i], level + 1, 0);
      out_ += i + 1 < json.size() ? ",\n" : "\n";
    }
    indent(level);
    out_ += ']';
  }

  void indent(int level) { out_.append(static_cast<std::size_t>(level) * 2, ' '); }

  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> format_flow(std::string_view json) {
  std::vector<Finding> findings;
  const Json document = flow::parse_document(json, findings);
  std::string errors;
  for (const Finding& finding : findings) errors += (errors.empty() ? "" : "\n") + to_string(finding);
  if (!errors.empty()) return absl::InvalidArgumentError(errors);
  return DocumentWriter().write(document);
}

}  // namespace ivr

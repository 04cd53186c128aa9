#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/calendar.hpp"
#include "ivr/router.hpp"
#include "ivr/script.hpp"

// Flows: call logic as validated data. The language is described in docs/flow-format.md.

namespace ivr {

namespace flow {
struct Model;
}

enum class Severity { error, warning };  // an error: the flow is refused

// A node that a call comes to, and the exit by which it goes on; none where it stops.
struct FlowStep {
  std::string node, exit;
  friend bool operator==(const FlowStep&, const FlowStep&) = default;
};

// One defect of a flow document.
struct Finding {
  std::string rule;  // stable id: "unknown-target", "open-exit", "unset-variable"...
  Severity severity = Severity::error;
  std::string pointer;  // RFC 6901, "" is the whole document
  std::string message;  // what is wrong: names the thing, the value and the limit
  std::string mend;     // what to do about it; may be empty
  // A shortest call that comes to it; its last 100 steps, for the first 1000 findings. Empty: there is none.
  std::vector<FlowStep> call{};

  friend bool operator==(const Finding&, const Finding&) = default;
};

// "/nodes/menu/next: no node 'agnet'; did you mean 'agent'? [unknown-target]"
std::string to_string(const Finding& finding);

struct FlowCheckOptions {
  std::vector<std::string> calendars, lists;  // that the host brings, beside those of the document
  // All that the host has; a queue, an agent or a skill that is not among them is an error. None: not looked
  // at.
  std::optional<std::vector<std::string>> queues, agents, skills;
};

// A node type of the flow language, for editors, checks and documentation.
struct FlowNodeType {
  std::string_view name;
  std::string_view profile;  // "S0": the support-desk profile's ten; others by where they come from
  std::string_view what;     // one sentence
  std::vector<std::string_view> exits;  // fixed ones; menus and decisions add their own
};
const std::vector<FlowNodeType>& flow_node_types();

// One flow document, proven to be runnable: every target exists, every exit leads somewhere, every variable
// is set before it is read, every loop waits for the caller or counts down. It does not run: that is FlowRun.
//
// Thread: any. Never changes after load(); many calls share one.
class Flow {
 public:
  // InvalidArgument lists every error, one a line; warnings alone do not refuse.
  static absl::StatusOr<std::shared_ptr<const Flow>> load(std::string_view json,
                                                          const FlowCheckOptions& options = {});

  // All defects of a document, errors first, in the order of the document. Empty: load() takes it.
  static std::vector<Finding> check(std::string_view json, const FlowCheckOptions& options = {});

  ~Flow();
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  const std::string& id() const noexcept;
  // SHA-256 of the document with its keys in order and no space: the same for two documents that differ in
  // layout or key order only, but for the keys of `set` and `departments`, whose order counts. 64 hex digits.
  // The version of a flow.
  const std::string& digest() const noexcept;
  const std::vector<std::string>& languages() const noexcept;  // at least one; the first is the default
  std::size_t nodes() const noexcept;
  std::size_t connections() const noexcept;     // exits that the document leads to a node
  std::vector<std::string> node_names() const;  // in the order of the document

  const std::string& time_zone() const noexcept;  // of now.hour and its like; an IANA name, "UTC" by default
  const std::vector<std::pair<std::string, CalendarOptions>>& calendars() const noexcept;  // of the document

  // One for each transfer to agents, called "/FLOW/NODE"; the router must know them before the flow runs.
  const std::vector<QueueOptions>& queues() const noexcept;

  bool answers_later() const noexcept;     // begins on early media; its `answer` node takes the call
  bool asks_for_secrets() const noexcept;  // some gather is sensitive
  std::vector<Prompts> static_prompts()
      const;  // what is said without a variable in it: can be rendered beforehand

  // The document again, two spaces of indent, keys as written: load(export) has the same digest.
  std::string to_json() const;
  std::string to_dot() const;      // Graphviz
  std::string to_mermaid() const;  // a flowchart

  const flow::Model& model() const noexcept { return *model_; }  // for FlowRun

 private:
  explicit Flow(std::unique_ptr<const flow::Model> model);
  std::unique_ptr<const flow::Model> model_;
};

// What can be said about a document without loading it: how many nodes and connections a defective one has.
struct FlowCount {
  std::size_t nodes = 0, connections = 0;
};
FlowCount flow_count(std::string_view json);

}  // namespace ivr

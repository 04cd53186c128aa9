#include "ivr/flow.hpp"

#include <algorithm>

#include "core/flow_graph.hpp"
#include "core/flow_prompts.hpp"
#include "core/sha256.hpp"

namespace ivr {

using flow::Model;

namespace {

void errors_first(std::vector<Finding>& findings) {
  std::stable_partition(findings.begin(), findings.end(),
                        [](const Finding& f) { return f.severity == Severity::error; });
}

// The document in one form, and the order of keys where it counts: what is set is set in the order written,
// and of departments with as many keywords the first is taken.
std::string digest_of(const flow::Json& document) {
  std::string text = flow::canonical(document);
  for (const auto& [name, node] : document.at("nodes").items()) {
    for (const char* const field : {"set", "departments"}) {
      const auto values = node.find(field);
      if (values == node.end()) continue;
      std::vector<std::string> keys;
      for (const auto& [key, value] : values->items()) keys.push_back(key);
      if (!std::ranges::is_sorted(keys)) text += flow::Json{name, field, keys}.dump();
    }
  }
  return sha256_hex(text);
}

// What decides whether a flow may run is found either way; `all` is for who wants to read it.
std::unique_ptr<Model> compile(std::string_view json, const FlowCheckOptions& options, bool all,
                               std::vector<Finding>& findings) {
  flow::Json document = flow::parse_document(json, findings);
  if (document.is_null() && !findings.empty()) return nullptr;
  auto model = flow::build_model(std::move(document), options, findings);
  if (model->start >= 0) {
    const flow::Graph graph(*model);
    flow::check_graph(graph, findings);
    if (all) {
      flow::check_secrets(graph, findings);
      flow::check_cases(graph, findings);
      flow::check_answers(graph, findings);
      flow::check_speech(graph, findings);
      flow::check_parts(graph, findings);
    }
    errors_first(findings);
    if (all) flow::show_calls(graph, findings);
  } else {
    errors_first(findings);
  }
  return model;
}

}  // namespace

std::string to_string(const Finding& finding) {
  return (finding.pointer.empty() ? "(document)" : finding.pointer) + ": " + finding.message +
         (finding.mend.empty() ? "" : "; " + finding.mend) + " [" + finding.rule + "]";
}

const std::vector<FlowNodeType>& flow_node_types() {
  static const std::vector<FlowNodeType> kTypes = [] {
    std::vector<FlowNodeType> types;
    for (const flow::TypeRow& row : flow::type_rows()) {
      FlowNodeType type{row.name, row.profile, row.what, {}};
      for (const flow::ExitId exit : row.exits) type.exits.push_back(flow::exit_name(exit));
      types.push_back(std::move(type));
    }
    return types;
  }();
  return kTypes;
}

Flow::Flow(std::unique_ptr<const Model> model) : model_(std::move(model)) {}
Flow::~Flow() = default;

absl::StatusOr<std::shared_ptr<const Flow>> Flow::load(std::string_view json,
                                                       const FlowCheckOptions& options) {
  std::vector<Finding> findings;
  auto model = compile(json, options, false, findings);
  std::string errors;
  for (const Finding& f : findings) {
    if (f.severity == Severity::error) errors += (errors.empty() ? "" : "\n") + to_string(f);
  }
  if (!errors.empty()) return absl::InvalidArgumentError(errors);
  model->digest = digest_of(model->document);
  return std::shared_ptr<const Flow>(new Flow(std::move(model)));
}

std::vector<Finding> Flow::check(std::string_view json, const FlowCheckOptions& options) {
  std::vector<Finding> findings;
  compile(json, options, true, findings);
  return findings;
}

FlowCount flow_count(std::string_view json) {
  std::vector<Finding> findings;
  flow::Json document = flow::parse_document(json, findings);
  if (document.is_null() && !findings.empty()) return {};
  const auto model = flow::build_model(std::move(document), {}, findings);
  return {model->nodes.size(), model->connections};
}

const std::string& Flow::id() const noexcept { return model_->id; }
const std::string& Flow::digest() const noexcept { return model_->digest; }
const std::vector<std::string>& Flow::languages() const noexcept { return model_->languages; }
std::size_t Flow::nodes() const noexcept { return model_->nodes.size(); }
std::size_t Flow::connections() const noexcept { return model_->connections; }

std::vector<std::string> Flow::node_names() const {
  std::vector<std::string> names;
  for (const flow::Node& n : model_->nodes) names.push_back(n.name);
  return names;
}

const std::string& Flow::time_zone() const noexcept { return model_->time_zone; }

const std::vector<std::pair<std::string, CalendarOptions>>& Flow::calendars() const noexcept {
  return model_->calendars;
}

const std::vector<QueueOptions>& Flow::queues() const noexcept { return model_->queues; }

bool Flow::answers_later() const noexcept { return model_->answer_later; }

bool Flow::asks_for_secrets() const noexcept {
  return std::ranges::any_of(model_->nodes, [](const flow::Node& node) {
    const auto* gather = std::get_if<flow::GatherNode>(&node.body);
    return gather != nullptr && gather->sensitive;
  });
}

std::vector<Prompts> Flow::static_prompts() const { return flow::literal_prompts(*model_); }

std::string Flow::to_json() const {
  return model_->document.dump(2, ' ', false, flow::Json::error_handler_t::replace) + "\n";
}

}  // namespace ivr

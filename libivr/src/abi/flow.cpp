#include "ivr/flow.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "abi/guard.hpp"
#include "abi/handles.hpp"
#include "nlohmann/json.hpp"

namespace {

using ivr::abi::guarded;
using ivr::abi::null_argument;
using ivr::abi::report;

std::string findings_json(std::string_view document) {
  const ivr::FlowCount count = ivr::flow_count(document);
  nlohmann::json all = {{"nodes", count.nodes}, {"connections", count.connections}};
  nlohmann::json& findings = all["findings"] = nlohmann::json::array();
  int errors = 0, warnings = 0;
  for (const ivr::Finding& finding : ivr::Flow::check(document)) {
    const bool error = finding.severity == ivr::Severity::error;
    ++(error ? errors : warnings);
    findings.push_back({{"rule", finding.rule},
                        {"severity", error ? "error" : "warning"},
                        {"pointer", finding.pointer},
                        {"message", finding.message},
                        {"mend", finding.mend}});
  }
  all["errors"] = errors;
  all["warnings"] = warnings;
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

ivr_status ivr_flow_load(ivr_flow** flow, const char* json, size_t length) {
  if (flow == nullptr) return null_argument("flow");
  *flow = nullptr;
  if (json == nullptr) return null_argument("json");
  return guarded([&] {
    auto loaded = ivr::Flow::load({json, length});
    if (!loaded.ok()) return report(loaded.status());
    *flow = std::make_unique<ivr_flow>(ivr_flow{*std::move(loaded)}).release();
    return IVR_OK;
  });
}

void ivr_flow_free(ivr_flow* flow) { delete flow; }

const char* ivr_flow_id(const ivr_flow* flow) { return flow == nullptr ? "" : flow->flow->id().c_str(); }

const char* ivr_flow_digest(const ivr_flow* flow) {
  return flow == nullptr ? "" : flow->flow->digest().c_str();
}

ivr_status ivr_flow_check(char* buffer, size_t capacity, size_t* length, const char* json,
                          size_t json_length) {
  if (length != nullptr) *length = 0;
  if (buffer != nullptr && capacity > 0) *buffer = '\0';
  if (json == nullptr) return null_argument("json");
  return guarded([&] {
    const std::string text = findings_json({json, json_length});
    if (length != nullptr) *length = text.size();
    return ivr::abi::write_text(buffer, capacity, text);
  });
}

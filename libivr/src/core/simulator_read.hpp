#pragma once
#include <string>
#include <vector>

#include "core/flow_fields.hpp"
#include "ivr/simulator.hpp"

namespace ivr::simulation {

// Reads what a file says of callers, agents and services into options, piece by piece.
class CallersReader {
 public:
  CallersReader(std::vector<Finding>& findings, SimulatorOptions& options)
      : options_(options), context_(model_, findings, no_nodes_) {}

  void read(const flow::Json& json);
  void agent(const flow::Json& json, const std::string& at, SimulatedAgent& agent);
  void reply(const flow::Json& json, const std::string& at);
  void number(const flow::Json& json, const std::string& at);
  std::vector<RecordedArrival> recorded(const flow::Json& json);
  std::vector<std::string> texts(const flow::Json& list, const std::string& at);
  flow::FieldContext& context() { return context_; }

 private:
  void arrivals_of(const flow::Json& json);
  void callers_of(const flow::Json& json);
  void answers_of(const std::string& node, const flow::Json& value, const std::string& at);
  Spread spread(const flow::Json& json, const std::string& at);

  SimulatorOptions& options_;
  flow::Model model_;
  std::vector<std::string> no_nodes_;
  flow::FieldContext context_;
};

}  // namespace ivr::simulation

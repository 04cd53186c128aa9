#pragma once
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "flow_files.hpp"
#include "ivr/simulator.hpp"

// A file as text. NotFound: it cannot be read.
absl::StatusOr<std::string> text_of(const std::string& file);

// What `ivr simulate` and `ivr test` are set up with: a flow, and if their names are not empty a site and a
// file of callers; `start` is a date, or empty. `local` is told the zone of its hours. NotFound: a file that
// cannot be read.
absl::StatusOr<ivr::SimulatorOptions> simulation_of(const FlowFiles& files, const std::string& flow,
                                                    const std::string& site, const std::string& callers,
                                                    const std::string& start,
                                                    absl::TimeZone* local = nullptr);

// Calls of this flow that a server has answered, from its database; or a file of arrivals (*.json).
absl::StatusOr<std::vector<ivr::RecordedArrival>> arrivals_of(const std::string& file, const ivr::Flow& flow);

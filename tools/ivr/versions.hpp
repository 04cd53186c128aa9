#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/publishing.hpp"

// What the commands about published versions share.

// "5%", "5", "0.5 %"
absl::StatusOr<double> parse_percent(const std::string& option, const std::string& text);
absl::StatusOr<int> parse_share(const std::string& text);  // in 10,000

// "version 4 for 10 % of the callers, version 3 for 90 %"
std::string live_words(const std::vector<ivr::LiveVersion>& live);
nlohmann::ordered_json live_json(const std::vector<ivr::LiveVersion>& live);

std::string user_name();  // of the account, for who did it
ivr::Time now();

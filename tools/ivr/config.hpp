#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "flow_files.hpp"
#include "ivr/engine.hpp"
#include "ivr/flow_route.hpp"

// What a server runs with: a JSON file (docs/ivr-serve.md), then the command line over it.
struct ServeConfig {
  struct Extension {
    std::string number;
    std::string flow;  // path of the document; "@ID": a flow that has been published
    bool record = false;
    std::vector<std::pair<std::string, std::string>> variables;  // name and JSON text
    bool record_digits = true;
  };
  ivr::EngineOptions engine;
  std::vector<Extension> extensions;
  ivr::FlowSite site;  // of engine.database, for versions that are published later
  ivr::FlowCheckOptions host;
  FlowFiles flows;
  std::string refusal_log;  // file, or "-" for standard error; empty: none
};

// InvalidArgument names the JSON pointer, what is there and what may be.
absl::Status read_config(const std::string& path, ServeConfig& config);

// "127.0.0.1", "127.0.0.1:5062", ":5062"
absl::Status parse_listen(std::string_view text, ivr::EngineOptions& options);
// Addresses and networks: "192.0.2.7", "2001:db8::/32"
absl::Status parse_allow(const std::vector<std::string>& networks, ivr::EngineOptions& options);
// "10000-20000"
absl::Status parse_ports(std::string_view text, ivr::EngineOptions& options);
// "g722,pcmu": names of ivr/codec.hpp, best first
absl::Status parse_codecs(std::string_view text, ivr::EngineOptions& options);
// "name=value": the value is JSON when it reads as JSON, else a string
absl::StatusOr<std::pair<std::string, std::string>> parse_variable(std::string_view text);

// The site that `ivr load` has put into engine.database, if there is one: agents, queues, extensions. With
// `demo_users` the registrar takes the site's passwords in clear.
absl::Status load_site(bool demo_users, ServeConfig& config);

// Loads the flows of the extensions into engine.routes; all defects of a flow are in the message.
absl::Status load_routes(ServeConfig& config);

#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/flow_sources.hpp"

namespace CLI {
class App;
}

// Flow documents from files: what they include is beside them, what "${ENV:NAME}" stands for has been allowed
// by name. A flow cannot look at the rest of the environment.
class FlowFiles {
 public:
  // Adds the option --env, which allows what it is given.
  void add_option(CLI::App& app);
  // "NAME=VALUE", or "NAME": as the environment of the process has it.
  absl::Status allow(std::string_view setting);

  // NotFound when the file itself cannot be read; what is wrong inside is in `findings`. "-" is the standard
  // input.
  absl::StatusOr<ivr::ComposedFlow> read(const std::string& path) const;
  ivr::ComposedFlow compose(std::string_view text, const std::string& path) const;

  // The document, or all that is wrong with what it is made of.
  absl::StatusOr<std::string> document(const std::string& path) const;

 private:
  std::map<std::string, std::string, std::less<>> environment_;
};

#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/flow.hpp"

// One flow document out of several texts: what others share is included, what differs between installations
// comes from the host. The core reads no file and no environment; the host gives it both.

namespace ivr {

// A text that is included, and what it is called: one path is included once.
struct FlowPart {
  std::string path, json;
};

struct FlowSources {
  // `name` as `from` (a path of before; empty: the document itself) has written it. None: nothing can be
  // included.
  std::function<absl::StatusOr<FlowPart>(std::string_view name, std::string_view from)> include;
  // None for a name that is not set. No function: "${ENV:NAME}" is a text like any other.
  std::function<std::optional<std::string>(std::string_view name)> environment;
};

struct ComposedFlow {
  std::string json;  // for Flow::load(); the text itself where it includes and substitutes nothing
  std::vector<std::string> parts;  // paths of what is included, each once, in order
  std::vector<Finding> findings;   // errors: then `json` is not all of the flow
};

// Merges what "include" names into the document, and puts values in place of "${ENV:NAME}" in its texts.
//
// An included text is an object with any of nodes, variables, calendars, lists and voices (merged by name:
// the same name in two places is an error), secrets, include and comment. At most 100 texts, 16 deep; a text
// that comes to itself is an error. "$${ENV:NAME}" stands for the text "${ENV:NAME}".
//
// Values are part of the document from here on: of its digest, of the version that is stored and of what is
// exported. So the value of a variable in `secrets` cannot come from there, which is an error; a host sets it
// when a call starts.
//
// Thread: any.
ComposedFlow compose_flow(std::string_view json, const FlowSources& sources);

}  // namespace ivr

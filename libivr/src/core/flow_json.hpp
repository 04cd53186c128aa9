#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/flow_value.hpp"
#include "ivr/flow.hpp"

// The text of a flow document into JSON, with the defects that JSON itself can have.

namespace ivr::flow {

// Null when the text is not JSON, or is beyond a limit (4 MiB, 64 levels): `findings` say why. A key that is
// there twice is a finding, and the first one counts.
Json parse_document(std::string_view text, std::vector<Finding>& findings);

// One step of a JSON pointer (RFC 6901): "~" and "/" escaped.
std::string pointer_to(std::string_view base, std::string_view key);

// The same document with every object's keys sorted, without white space: what a digest is taken of.
std::string canonical(const Json& json);

}  // namespace ivr::flow

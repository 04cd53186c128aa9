#pragma once
#include <string>

#include "core/flow_fields.hpp"

namespace ivr::flow {

// Reads one node of the document: what all nodes have, then the fields of its type. Targets are known by
// then, and so are lists and calendars. A node without a type it knows keeps an empty `type_name`.
void read_node(Node& node, const std::string& name, const Json& json, FieldContext& context);

}  // namespace ivr::flow

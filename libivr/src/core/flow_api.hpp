#pragma once
#include <string>

#include "core/flow_model.hpp"

// The api node: how it is written.

namespace ivr::flow {

class FieldContext;
class Fields;

// Reads all fields but the exits.
void read_api(ApiNode& node, const std::string& pointer, Fields& fields, FieldContext& context);

}  // namespace ivr::flow

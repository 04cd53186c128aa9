#pragma once
#include <memory>

#include "ivr/flow.hpp"

// Handles that more than one file of the ABI looks into.

struct ivr_flow {
  std::shared_ptr<const ivr::Flow> flow;
};

#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ivr/simulator.hpp"

namespace ivr::simulation {

// The flow from top to bottom, each way as wide as calls took it: an SVG element. `start` and `more`: indexes
// of the nodes where runs begin.
std::string traffic_svg(const std::vector<SimulatedNode>& nodes, int start, const std::vector<int>& more);

std::string escaped(std::string_view text);  // for HTML and SVG

}  // namespace ivr::simulation

#pragma once
#include <functional>

#include "ivr/simulator.hpp"

namespace ivr {

// All days of a simulator on several threads; one a core when `threads` is 0. The result, its hash too, is
// the same for any number of them. `progress` hears the calls done so far, on the thread that called; when it
// returns false, what is done until then is the result.
SimulationResult simulate(const Simulator& simulator, int threads = 0,
                          const std::function<bool(std::int64_t calls)>& progress = {});

}  // namespace ivr

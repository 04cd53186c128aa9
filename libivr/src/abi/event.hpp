#pragma once
#include <string>

#include "ivr/engine.hpp"
#include "ivr/ivr.h"

namespace ivr::abi {

// An engine's event as C sees it, with the strings it points to.
struct EventBox {
  ivr_event event{};
  std::string call, text, detail;
};

// Freed by ivr_event_free().
const ivr_event* make_event(const EngineEvent& event);

}  // namespace ivr::abi

#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "edge/call_journal.hpp"
#include "ivr/engine.hpp"
#include "ivr/ports.hpp"
#include "ivr/router.hpp"

namespace ivr {

// What a start goes on with.
struct Recovered {
  int calls = 0;                 // were open and are closed now
  std::optional<Router> router;  // as the run before left it; none: there was none
  std::int64_t router_next = 0;  // its next step
  std::vector<StoredDocument> masked;
  std::vector<sip::Registered> registered;
  std::vector<EngineEvent::Unreadable> unreadable;  // and gone
};

// What was open when the last process died is closed: once in the journal's words, once in the store's. All
// of it is committed when this returns, or nothing.
absl::StatusOr<Recovered> recover(const EngineOptions& options, StorePort& store, CallJournal* journal,
                                  Time now);

}  // namespace ivr

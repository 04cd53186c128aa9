#pragma once
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ivr/ports.hpp"

namespace ivr {

enum class StoreAccess { read, write };

// The SQLite file of an engine: to look into while a server runs (read), or as EnginePorts::store (write:
// created and brought up to date when needed).
//
// Thread: the returned store is for one at a time.
absl::StatusOr<std::unique_ptr<StorePort>> open_store(const std::string& path, StoreAccess access);

}  // namespace ivr

#pragma once
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ivr {

// A zone of the system's database by its IANA name, "Europe/Berlin", or "UTC". Kept by the library once read.
//
// Errors: InvalidArgument for what cannot be a name, NotFound for what is not in the database.
// Thread: any. Reads a file the first time.
absl::StatusOr<absl::TimeZone> load_time_zone(std::string_view name);

}  // namespace ivr

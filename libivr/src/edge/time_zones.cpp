#include "edge/time_zones.hpp"

#include <algorithm>
#include <string>

#include "absl/status/status.h"

namespace ivr {

absl::StatusOr<absl::TimeZone> load_time_zone(std::string_view name) {
  // The loader below would also open paths; a name from a document must not reach other files.
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  };
  if (name.empty() || name.size() > 64 || name.front() == '/' ||
      !std::all_of(name.begin(), name.end(), fits)) {
    return absl::InvalidArgumentError("time zone '" + std::string(name.substr(0, 64)) +
                                      "' is not an IANA name like Europe/Berlin");
  }
  absl::TimeZone zone;
  if (!absl::LoadTimeZone({name.data(), name.size()}, &zone)) {
    return absl::NotFoundError("time zone '" + std::string(name) +
                               "' is not in the system's database (package tzdata)");
  }
  return zone;
}

}  // namespace ivr

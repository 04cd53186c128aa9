#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ivr {

// Networks of IPv4 and IPv6: "192.0.2.7", "192.0.2.0/24", "2001:db8::/32" (RFC 4632, RFC 4291). An IPv4
// address is the same written as ::ffff:192.0.2.7. No names: a list must not change with what a name server
// says.
//
// Thread: any, it never changes.
class AddressList {
 public:
  AddressList() = default;  // of nothing

  // Refused: what is no address, a prefix too long for it, and bits set behind the prefix ("10.0.0.1/8" means
  // either 10.0.0.1 or 10.0.0.0/8). The message names the entry and how to mend it.
  static absl::StatusOr<AddressList> create(std::span<const std::string> entries);

  bool contains(std::string_view ip) const;  // false for what is no address
  bool empty() const noexcept { return networks_.empty(); }

 private:
  using Bytes = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d
  struct Network {
    Bytes first, last;
  };
  std::vector<Network> networks_;  // by first, and none overlaps another
};

}  // namespace ivr

// Any datagram from where a STUN server should be: an address that can be told to others, or a reason why
// not.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/ip_address.hpp"
#include "core/stun.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> datagram(data, size);
  // The transaction is whatever the datagram says, so that what is behind it is read too.
  ivr::stun::Id id{};
  if (size >= 20) std::copy_n(data + 8, id.size(), id.begin());
  const auto seen = ivr::stun::read_response(datagram, id);
  if (seen.ok())
    require(ivr::is_ipv4(seen->ip) || ivr::is_ipv6(seen->ip));
  else
    require(!seen.status().message().empty());
  ivr::stun::Query query(id, ivr::Time{});
  query.received(datagram);
  const bool ended = !query.deadline();
  require(ended == (seen.ok() || absl::IsFailedPrecondition(seen.status())));

  const auto server = ivr::stun::parse_uri({reinterpret_cast<const char*>(data), size});
  if (server.ok()) require(!server->host.empty() && server->port != 0);
  return 0;
}

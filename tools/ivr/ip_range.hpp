#pragma once
#include <string>
#include <string_view>

// Who can reach an address (RFC 6890).
enum class IpRange {
  none,         // not an address: a host name, or nothing
  unspecified,  // 0.0.0.0, ::
  loopback,     // this machine
  link_local,   // this wire
  private_use,  // this site: 10/8, 172.16/12, 192.168/16 (RFC 1918), fc00::/7 (RFC 4193)
  shared,       // this carrier: 100.64/10 (RFC 6598)
  global,       // everybody; the documentation ranges too
};

IpRange ip_range(std::string_view ip);
const char* name_of(IpRange range);
// Private, shared or link-local: not beyond some border.
bool is_inside(IpRange range);
// Of the same network as far as can be told without its mask: 10/8, 172.16/12 and 192.168/16 are one each.
bool maybe_neighbours(std::string_view a, std::string_view b);

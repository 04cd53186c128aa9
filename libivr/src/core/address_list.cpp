#include "ivr/address_list.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/ip_address.hpp"

namespace ivr {
namespace {

absl::Status bad(std::string_view entry, std::string_view why) {
  return absl::InvalidArgumentError("'" + std::string(entry) + "' " + std::string(why));
}

}  // namespace

absl::StatusOr<AddressList> AddressList::create(std::span<const std::string> entries) {
  AddressList list;
  for (const std::string& entry : entries) {
    const std::size_t slash = entry.find('/');
    const std::string_view ip = std::string_view(entry).substr(0, slash);
    const auto address = ip_bytes(ip);
    if (!address)
      return bad(entry, "is no address or network: write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32");
    const bool v4 = ip.find(':') == std::string_view::npos;
    const int longest = v4 ? 32 : 128;
    int bits = longest;
    if (slash != std::string::npos) {
      const std::string_view prefix = std::string_view(entry).substr(slash + 1);
      const auto read = std::from_chars(prefix.data(), prefix.data() + prefix.size(), bits);
      if (prefix.empty() || prefix.size() > 3 || read.ec != std::errc() ||
          read.ptr != prefix.data() + prefix.size() || bits < 0 || bits > longest) {
        return bad(entry, "has no prefix between /0 and /" + std::to_string(longest));
      }
    }
    if (v4) bits += 96;
    Network network{*address, *address};
    bool behind = false;
    for (int bit = bits; bit < 128; ++bit) {
      const auto byte = static_cast<std::size_t>(bit / 8);
      const auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
      behind |= (network.first[byte] & mask) != 0;
      network.first[byte] = static_cast<std::uint8_t>(network.first[byte] & ~mask);
      network.last[byte] |= mask;
    }
    if (behind) {
      return bad(entry, "has bits behind its prefix: write " + std::string(ip) + " for this address, or " +
                            ip_text(network.first) + std::string(entry.substr(slash)) + " for the network");
    }
    list.networks_.push_back(network);
  }
  // Joined where they meet, so that one look is enough.
  std::sort(list.networks_.begin(), list.networks_.end(),
            [](const Network& a, const Network& b) { return a.first < b.first; });
  std::vector<Network> joined;
  for (const Network& network : list.networks_) {
    if (!joined.empty() && network.first <= joined.back().last) {
      joined.back().last = std::max(joined.back().last, network.last);
    } else {
      joined.push_back(network);
    }
  }
  list.networks_ = std::move(joined);
  return list;
}

bool AddressList::contains(std::string_view ip) const {
  const auto address = ip_bytes(ip);
  if (!address) return false;
  const auto after = std::upper_bound(networks_.begin(), networks_.end(), *address,
                                      [](const Bytes& x, const Network& n) { return x < n.first; });
  return after != networks_.begin() && *address <= std::prev(after)->last;
}

}  // namespace ivr

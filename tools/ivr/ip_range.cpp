#include "ip_range.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace {

// IPv4 as ::ffff:a.b.c.d
std::optional<std::array<std::uint8_t, 16>> bytes_of(std::string_view ip) {
  const std::string text(ip);
  std::array<std::uint8_t, 16> bytes{};
  bytes[10] = bytes[11] = 0xFF;
  if (inet_pton(AF_INET, text.c_str(), &bytes[12]) == 1) return bytes;
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

struct Range {
  std::array<std::uint8_t, 4> network;
  int bits;
  IpRange range;
};

constexpr Range kRanges4[] = {
    {{0, 0, 0, 0}, 32, IpRange::unspecified},    {{127, 0, 0, 0}, 8, IpRange::loopback},
    {{169, 254, 0, 0}, 16, IpRange::link_local}, {{10, 0, 0, 0}, 8, IpRange::private_use},
    {{172, 16, 0, 0}, 12, IpRange::private_use}, {{192, 168, 0, 0}, 16, IpRange::private_use},
    {{100, 64, 0, 0}, 10, IpRange::shared},
};

bool within(const std::uint8_t* address, const Range& range) {
  for (int bit = 0; bit < range.bits; ++bit) {
    const int shift = 7 - bit % 8;
    if ((address[bit / 8] >> shift & 1) != (range.network[static_cast<std::size_t>(bit / 8)] >> shift & 1))
      return false;
  }
  return true;
}

const Range* range4(const std::array<std::uint8_t, 16>& bytes) {
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (!std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return nullptr;
  const auto found = std::find_if(std::begin(kRanges4), std::end(kRanges4),
                                  [&](const Range& r) { return within(&bytes[12], r); });
  return found == std::end(kRanges4) ? nullptr : found;
}

}  // namespace

IpRange ip_range(std::string_view ip) {
  const auto bytes = bytes_of(ip);
  if (!bytes) return IpRange::none;
  if (const Range* range = range4(*bytes)) return range->range;
  const auto& b = *bytes;
  if (std::all_of(b.begin(), b.end() - 1, [](std::uint8_t x) { return x == 0; }) && b[15] < 2)
    return b[15] == 0 ? IpRange::unspecified : IpRange::loopback;
  if (b[0] == 0xFE && (b[1] & 0xC0) == 0x80) return IpRange::link_local;
  if ((b[0] & 0xFE) == 0xFC) return IpRange::private_use;
  return IpRange::global;
}

const char* name_of(IpRange range) {
  switch (range) {
    case IpRange::none: return "no";
    case IpRange::unspecified: return "the unspecified";
    case IpRange::loopback: return "a loopback";
    case IpRange::link_local: return "a link-local";
    case IpRange::private_use: return "a private";
    case IpRange::shared: return "a carrier's inner";
    case IpRange::global: return "a public";
  }
  return "";
}

bool is_inside(IpRange range) {
  return range == IpRange::private_use || range == IpRange::shared || range == IpRange::link_local;
}

bool maybe_neighbours(std::string_view a, std::string_view b) {
  const auto first = bytes_of(a), second = bytes_of(b);
  return first && second && ip_range(a) == ip_range(b) && range4(*first) == range4(*second);
}

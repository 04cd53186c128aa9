#include "core/ip_address.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace ivr {
namespace {

std::optional<std::array<int, 4>> ipv4_bytes(std::string_view text) noexcept {
  std::array<int, 4> bytes{};
  std::size_t at = 0;
  for (std::size_t part = 0; part < bytes.size(); ++part) {
    if (part > 0 && (at >= text.size() || text[at++] != '.')) return std::nullopt;
    int value = 0;
    const std::size_t first = at;
    while (at < text.size() && at - first < 3 && text[at] >= '0' && text[at] <= '9')
      value = value * 10 + (text[at++] - '0');
    if (at == first || value > 255) return std::nullopt;
    bytes[part] = value;
  }
  if (at != text.size()) return std::nullopt;
  return bytes;
}

std::optional<int> hex_group(std::string_view text) noexcept {
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + digit;
  }
  return value;
}

std::optional<std::array<std::uint16_t, 8>> ipv6_groups(std::string_view text) noexcept {
  std::array<std::uint16_t, 8> head{}, tail{};
  std::size_t heads = 0, tails = 0;
  bool gap = false;
  if (text.starts_with("::")) {
    gap = true;
    text.remove_prefix(2);
  }
  bool more = !text.empty();
  if (!more && !gap) return std::nullopt;
  while (more) {
    auto& groups = gap ? tail : head;
    auto& count = gap ? tails : heads;
    const std::size_t colon = text.find(':');
    const std::string_view part = text.substr(0, colon);
    if (colon == std::string_view::npos && part.find('.') != std::string_view::npos) {
      const auto v4 = ipv4_bytes(part);  // ::ffff:192.0.2.1
      if (!v4 || heads + tails > 6) return std::nullopt;
      groups[count++] = static_cast<std::uint16_t>((*v4)[0] << 8 | (*v4)[1]);
      groups[count++] = static_cast<std::uint16_t>((*v4)[2] << 8 | (*v4)[3]);
      break;
    }
    const auto value = hex_group(part);
    if (!value || heads + tails > 7) return std::nullopt;
    groups[count++] = static_cast<std::uint16_t>(*value);
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.starts_with(':')) {
      if (gap) return std::nullopt;
      gap = true;
      text.remove_prefix(1);
      more = !text.empty();
    } else if (text.empty()) {
      return std::nullopt;
    }
  }
  if (gap ? heads + tails > 7 : heads != 8) return std::nullopt;
  for (std::size_t i = 0; i < tails; ++i) head[8 - tails + i] = tail[i];
  return head;
}

}  // namespace

bool is_ipv4(std::string_view text) noexcept { return ipv4_bytes(text).has_value(); }
bool is_ipv6(std::string_view text) noexcept { return ipv6_groups(text).has_value(); }

std::optional<std::array<std::uint8_t, 16>> ip_bytes(std::string_view text) noexcept {
  std::array<std::uint8_t, 16> bytes{};
  if (const auto v4 = ipv4_bytes(text)) {
    bytes[10] = bytes[11] = 0xFF;
    for (std::size_t i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::uint8_t>((*v4)[i]);
    return bytes;
  }
  const auto v6 = ipv6_groups(text);
  if (!v6) return std::nullopt;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[2 * i] = static_cast<std::uint8_t>((*v6)[i] >> 8);
    bytes[2 * i + 1] = static_cast<std::uint8_t>((*v6)[i] & 0xFF);
  }
  return bytes;
}

std::string ip_text(const std::array<std::uint8_t, 16>& bytes) {
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  std::string text;
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
    for (std::size_t i = 12; i < 16; ++i) text += (i == 12 ? "" : ".") + std::to_string(bytes[i]);
    return text;
  }
  for (std::size_t i = 0; i < 16; i += 2) {
    char group[8];
    const unsigned value = static_cast<unsigned>(bytes[i] << 8 | bytes[i + 1]);
    const auto end = std::to_chars(group, group + sizeof group, value, 16).ptr;
    if (i > 0) text += ':';
    text.append(group, end);
  }
  return text;
}

bool is_unspecified(std::string_view ip) noexcept {
  if (const auto v4 = ipv4_bytes(ip)) return *v4 == std::array<int, 4>{};
  const auto v6 = ipv6_groups(ip);
  return v6 && *v6 == std::array<std::uint16_t, 8>{};
}

bool is_multicast(std::string_view ip) noexcept {
  if (const auto v4 = ipv4_bytes(ip))
    return ((*v4)[0] & 0xF0) == 0xE0 || *v4 == std::array<int, 4>{255, 255, 255, 255};
  const auto v6 = ipv6_groups(ip);
  return v6 && (*v6)[0] >> 8 == 0xFF;
}

}  // namespace ivr

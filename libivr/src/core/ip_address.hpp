#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ivr {

// The text forms of RFC 3986 (IPv4address) and RFC 4291, 2.2 (IPv6, without zone). No names, no look-ups.
bool is_ipv4(std::string_view text) noexcept;
bool is_ipv6(std::string_view text) noexcept;
bool is_unspecified(std::string_view ip) noexcept;  // 0.0.0.0 or :: in any spelling
bool is_multicast(std::string_view ip) noexcept;    // also 255.255.255.255

// In network order; IPv4 as ::ffff:a.b.c.d. Nothing: no address.
std::optional<std::array<std::uint8_t, 16>> ip_bytes(std::string_view text) noexcept;
std::string ip_text(const std::array<std::uint8_t, 16>& bytes);  // IPv6 in full: 2001:db8:0:0:0:0:0:1

}  // namespace ivr

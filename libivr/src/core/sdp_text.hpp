#pragma once
#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/statusor.h"
#include "ivr/sdp.hpp"

// What reading a description and negotiating have in common: the words of a line, addresses and directions.

namespace ivr::sdp {

struct DirectionName {
  MediaDirection direction;
  std::string_view name;
  bool send, receive;
};
inline constexpr DirectionName kDirections[] = {{MediaDirection::sendrecv, "sendrecv", true, true},
                                                {MediaDirection::sendonly, "sendonly", true, false},
                                                {MediaDirection::recvonly, "recvonly", false, true},
                                                {MediaDirection::inactive, "inactive", false, false}};

inline const DirectionName& named(MediaDirection direction) {
  return *std::find_if(std::begin(kDirections), std::end(kDirections),
                       [&](const DirectionName& n) { return n.direction == direction; });
}

template <class Number>
std::optional<Number> number(std::string_view text, Number max) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

inline bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

inline std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// The next word of `rest`, which blanks separate; empty at the end.
inline std::string_view word(std::string_view& rest) {
  rest = trimmed(rest);
  const auto end = std::min(rest.find_first_of(" \t"), rest.size());
  const auto result = rest.substr(0, end);
  rest.remove_prefix(end);
  return result;
}

// A word from outside as it may stand in an error message.
inline std::string shown(std::string_view text) {
  std::string result = "'";
  for (const char c : text.substr(0, 64)) result += c >= ' ' && c <= '~' ? c : '?';
  return result += text.size() > 64 ? "...'" : "'";
}

// "IN IP4 192.0.2.1/127"; `line` is told in the error.
absl::StatusOr<SdpConnection> parse_connection(std::string_view rest, int line);

inline std::string connection_text(bool ipv6, std::string_view address) {
  return std::string(ipv6 ? "IN IP6 " : "IN IP4 ").append(address);
}

}  // namespace ivr::sdp

#include "core/early_media.hpp"

#include <algorithm>
#include <utility>

namespace ivr {
namespace {

constexpr std::pair<std::string_view, EarlyMedia> kDirections[] = {{"sendrecv", EarlyMedia::sendrecv},
                                                                   {"sendonly", EarlyMedia::sendonly},
                                                                   {"recvonly", EarlyMedia::recvonly},
                                                                   {"inactive", EarlyMedia::inactive}};

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// Tokens of SIP compare without case (RFC 3261, 7.3.1).
bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; };
    return lower(x) == lower(y);
  });
}

}  // namespace

EarlyMediaHeader parse_early_media(std::string_view value) {
  EarlyMediaHeader header;
  for (bool more = true; more;) {
    const std::size_t comma = value.find(',');
    const std::string_view word = trimmed(value.substr(0, comma));
    more = comma != std::string_view::npos;
    if (more) value.remove_prefix(comma + 1);
    header.supported |= same(word, "supported");
    header.gated |= same(word, "gated");
    for (const auto& [name, direction] : kDirections) {
      if (!header.direction && same(word, name)) header.direction = direction;
    }
  }
  return header;
}

std::string_view to_string(EarlyMedia direction) noexcept {
  return kDirections[static_cast<std::size_t>(direction)].first;
}

}  // namespace ivr

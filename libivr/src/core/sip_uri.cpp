#include "core/sip_uri.hpp"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"

namespace ivr {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), absl::ascii_tolower);
  return out;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = absl::ascii_tolower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Up to the first of `marks`; takes it off `rest`, which starts with that mark afterwards, or is empty.
std::string_view cut(std::string_view& rest, std::string_view marks) {
  const std::size_t end = std::min(rest.find_first_of(marks), rest.size());
  const std::string_view piece = rest.substr(0, end);
  rest.remove_prefix(end);
  return piece;
}

// These make a difference even where only one of the two has them.
bool counts_alone(std::string_view name) {
  return name == "user" || name == "ttl" || name == "method" || name == "maddr" || name == "transport";
}

bool agree(const SipUri& a, const SipUri& b) {
  return std::ranges::all_of(a.parameters, [&](const auto& each) {
    const std::string* other = b.parameter(each.first);
    return other ? lowered(*other) == lowered(each.second) : !counts_alone(each.first);
  });
}

}  // namespace

const std::string* SipUri::parameter(std::string_view name) const {
  const auto found = std::ranges::find(parameters, name, &std::pair<std::string, std::string>::first);
  return found == parameters.end() ? nullptr : &found->second;
}

std::optional<SipUri> parse_sip_uri(std::string_view text) {
  SipUri uri;
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  uri.scheme = lowered(text.substr(0, colon));
  if (uri.scheme != "sip" && uri.scheme != "sips") return std::nullopt;
  text.remove_prefix(colon + 1);
  // A user may contain ';' and '?', a host may not contain '@'.
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    uri.user = unescaped(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    uri.host = lowered(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  } else {
    uri.host = lowered(cut(text, ":;?"));
  }
  if (uri.host.empty() || uri.host.find_first_of(" \t\"<>,") != std::string::npos) return std::nullopt;
  if (text.starts_with(':')) {
    text.remove_prefix(1);
    const std::string_view digits = cut(text, ";?");
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), uri.port);
    if (error != std::errc() || end != digits.data() + digits.size() || uri.port < 1 || uri.port > 65'535)
      return std::nullopt;
  }
  while (text.starts_with(';')) {
    text.remove_prefix(1);
    std::string_view value = cut(text, ";?");
    const std::string_view name = cut(value, "=");
    if (!value.empty()) value.remove_prefix(1);
    std::string key = lowered(unescaped(name));
    // One that comes twice is an error (19.1.1); the first counts, or a URI would not even equal itself.
    if (!key.empty() && !uri.parameter(key)) uri.parameters.emplace_back(std::move(key), unescaped(value));
  }
  if (text.starts_with('?'))
    uri.headers = text.substr(1);
  else if (!text.empty())
    return std::nullopt;
  return uri;
}

bool same_uri(const SipUri& a, const SipUri& b) {
  return a.scheme == b.scheme && a.user == b.user && a.host == b.host && a.port == b.port &&
         a.headers == b.headers && agree(a, b) && agree(b, a);
}

}  // namespace ivr

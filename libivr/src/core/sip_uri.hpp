#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ivr {

// A SIP or SIPS URI in its parts (RFC 3261, 19.1). Escapes are resolved in the user, names are lower case.
struct SipUri {
  std::string scheme;  // "sip" or "sips"
  std::string user;    // with the password behind a colon, should there be one
  std::string host;    // lower case; IPv6 in its brackets
  int port = 0;        // 0: none given
  std::vector<std::pair<std::string, std::string>> parameters;
  std::string headers;  // behind '?', as they came

  const std::string* parameter(std::string_view name) const;
};

// Nothing: not a SIP URI with a host.
std::optional<SipUri> parse_sip_uri(std::string_view text);

// Do both name the same resource (RFC 3261, 19.1.4)?
bool same_uri(const SipUri& a, const SipUri& b);

}  // namespace ivr

#include "ivr/refusals.hpp"

#include <array>

#include "absl/time/time.h"

namespace ivr {
namespace {

constexpr std::size_t kLongest = 200;

void quote(std::string_view text, std::string& line) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  line += '"';
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x7F && c != '"' && c != '\\') {
      line += c;
    } else {
      line += "\\x";
      line += kHex[byte >> 4];
      line += kHex[byte & 15];
    }
  }
  if (text.size() > kLongest) line += "...";
  line += '"';
}

}  // namespace

std::string_view to_string(RefusedFor why) noexcept {
  constexpr std::array<std::string_view, 9> kWords = {"not-allowed",  "bad-password",   "barred",
                                                      "no-extension", "limit",          "blocked",
                                                      "too-often",    "not-acceptable", "busy"};
  return kWords[static_cast<std::size_t>(why)];
}

std::string refusal_line(const RefusedRequest& request, Time at) {
  std::string line = absl::FormatTime(
      "%Y-%m-%dT%H:%M:%SZ",
      absl::FromUnixSeconds(std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count()),
      absl::UTCTimeZone());
  line += " refused address=";
  // An address as a socket gives it; what is none is not let into the line.
  const bool plain = !request.address.empty() &&
                     request.address.find_first_not_of("0123456789abcdefABCDEF.:") == std::string::npos;
  line += plain ? request.address : "unknown";
  line.append(" reason=")
      .append(to_string(request.why))
      .append(" status=")
      .append(std::to_string(request.status));
  line += request.method == "REGISTER" ? " method=REGISTER from=" : " method=INVITE from=";
  quote(request.from, line);
  line += " to=";
  quote(request.to, line);
  return line;
}

}  // namespace ivr

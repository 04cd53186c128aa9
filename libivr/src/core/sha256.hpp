#pragma once
#include <string>
#include <string_view>

namespace ivr {

// SHA-256 (FIPS 180-4) as 64 lower-case hex digits: names the versions of flows. Not for passwords.
std::string sha256_hex(std::string_view bytes);

}  // namespace ivr

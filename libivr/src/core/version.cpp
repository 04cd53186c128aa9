#include "ivr/version.hpp"

namespace ivr {

std::string_view version() noexcept { return IVR_VERSION; }

}  // namespace ivr

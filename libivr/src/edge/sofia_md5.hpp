#pragma once
#include <string>
#include <string_view>

namespace ivr {

std::string md5_hex(
    std::string_view bytes);  // sofia-sip's; for the digests of old phones and for nothing else

}  // namespace ivr

#pragma once
#include <memory>

#include "ivr/ports.hpp"

namespace ivr {

// As make_media() of media.hpp, for a caller that works in rounds and calls next_event() until it returns
// false before each sleep: a media thread that sleeps is woken there, once for all that the round asked of
// it, and not for each request.
std::unique_ptr<MediaPort> make_media_for_rounds();

}  // namespace ivr

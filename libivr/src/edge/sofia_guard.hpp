#pragma once
#include "edge/sofia.hpp"

namespace ivr {

// The message class that every stack here parses with. It is sofia's own, but for one header: a Contact that
// is not a SIP or SIPS URI (RFC 3261 section 8.1.1.8 allows no other in an INVITE) is a syntax error, so the
// transaction layer answers 400 before NUA sees it. NUA cannot send its BYE to such a target and recurses
// until the stack ends.
//
// Thread: any; made once and never changed.
const msg_mclass_t* guarded_message_class();

}  // namespace ivr

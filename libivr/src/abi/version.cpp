#include "ivr/version.hpp"

#include "ivr/ivr.h"

const char* ivr_version(void) { return ivr::version().data(); }  // a literal, so NUL-terminated

#pragma once

namespace ivr {

// The library answers challenges to INVITE, BYE and the rest with MD5 alone, and gives up at the sight of any
// other. From this call on it answers with ours (digest_auth.hpp): the first of SHA-256 and MD5 that is
// offered, and never again MD5 where SHA-256 has been. For the whole process; before the first stack.
void teach_digest();

}  // namespace ivr

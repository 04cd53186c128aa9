#include "edge/sofia_md5.hpp"

#include <sofia-sip/su_md5.h>

namespace ivr {

std::string md5_hex(std::string_view bytes) {
  su_md5_t md5;
  char hex[2 * SU_MD5_DIGEST_SIZE + 1];
  su_md5_init(&md5);
  su_md5_update(&md5, bytes.data(), bytes.size());
  su_md5_hexdigest(&md5, hex);
  su_md5_deinit(&md5);
  return hex;
}

}  // namespace ivr

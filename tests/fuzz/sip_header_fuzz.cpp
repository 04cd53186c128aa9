#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/digest_auth.hpp"
#include "core/sha256.hpp"
#include "core/sip_uri.hpp"
#include "require.hpp"

// What strangers write into Authorization, WWW-Authenticate and Contact.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto fields = ivr::parse_digest(text)) {
    // An answer to whatever asked can be read again, and begins no line of its own.
    const auto answer = ivr::answer_digest(
        *fields,
        {.user = fields->username, .password = "p", .method = "REGISTER", .uri = fields->uri, .cnonce = "c"},
        ivr::sha256_hex);
    if (answer) {
      require(answer->find_first_of("\r\n") == std::string::npos);
      const auto again = ivr::parse_digest(*answer);
      require(again && again->response.size() == 64);
    }
    static auto server = ivr::DigestServer::create({.realm = "r",
                                                    .key = "0123456789abcdef",
                                                    .users = {{"a", "b"}},
                                                    .nonces = 4,
                                                    .md5 = ivr::sha256_hex});
    const auto verdict = server->verify(*fields, "REGISTER", ivr::Time{});
    require(verdict != ivr::DigestServer::Verdict::right);
  }
  if (const auto uri = ivr::parse_sip_uri(text)) require(ivr::same_uri(*uri, *uri));
  return 0;
}

#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"

// Digest authentication as SIP uses it: RFC 7616 with RFC 8760, SHA-256 before MD5, qop "auth" alone.

namespace ivr {

// A hash as lower-case hex. MD5 comes from outside: the core has none, and the edge's library does.
using HashHex = std::string (*)(std::string_view bytes);

// The parameters of a challenge (WWW-Authenticate) or of credentials (Authorization), quotes off.
struct DigestFields {
  std::string realm, nonce, opaque, algorithm, qop;
  std::string username, uri, response, cnonce, nc;
  bool stale = false;
};

// The value of the header. Nothing: not Digest, not well-formed, or a parameter comes twice.
std::optional<DigestFields> parse_digest(std::string_view header);

// Whom a client speaks for, and to what.
struct DigestClient {
  std::string user, password;
  std::string method, uri;
  std::string cnonce;      // any text that is hard to guess
  std::uint32_t uses = 1;  // of this nonce, this one included
};

// The value of the header that answers `challenge`. Nothing: an algorithm or qop we do not have.
std::optional<std::string> answer_digest(const DigestFields& challenge, const DigestClient& client,
                                         HashHex md5);

struct DigestServerOptions {
  std::string realm;
  std::string key;  // signs our nonces; as hard to guess as they are to be
  std::vector<SipUser> users;
  Millis nonce_life = 300s;   // afterwards credentials are stale, and the client is asked again
  std::size_t nonces = 4096;  // in use at once whose counters are remembered
  HashHex md5 = nullptr;      // null: SHA-256 alone
};

// Asks for passwords and judges the answers.
//
// A nonce carries its instant and our signature, so none can be forged and none has to be kept until somebody
// who knows a password has used it. From then on its counter may only grow: what was heard on the wire cannot
// be sent again (RFC 7616, 5.5). Beyond `nonces` the oldest are forgotten, and whatever is as old as they are
// is stale: memory is bounded, security is not given up for it.
//
// Who does not exist and who has another password are told the same, after the same work.
//
// Thread: one at a time.
class DigestServer {
 public:
  static absl::StatusOr<DigestServer> create(const DigestServerOptions& options);

  // Header values, the one to be preferred first.
  std::vector<std::string> challenges(Time now, bool stale);

  enum class Verdict { right, stale, wrong };
  Verdict verify(const DigestFields& credentials, std::string_view method, Time now);

  bool has_user(std::string_view user) const;

 private:
  struct Secret {  // H(user:realm:password)
    std::string sha256, md5;
  };
  explicit DigestServer(DigestServerOptions options) : options_(std::move(options)) {}
  std::string sign(std::string_view what) const;
  bool fresh(const DigestFields& credentials, std::uint32_t count, Time now);

  DigestServerOptions options_;
  absl::flat_hash_map<std::string, Secret> secrets_;
  std::uint32_t made_ = 0;
  std::map<std::string, std::uint32_t> uses_;  // nonce -> its highest count; the older, the lower
  std::string forgotten_;                      // the youngest nonce whose count is no longer known
};

// Bars an address from which too many wrong passwords have come: `limit` within a minute, for up to a minute.
// It remembers at most 4,096 addresses at a time, twice over; beyond that it forgets the oldest minute early.
//
// Thread: one at a time.
class FailureLimit {
 public:
  explicit FailureLimit(int limit = 30) : limit_(limit) {}
  void failed(const std::string& address, Time now);
  bool bars(const std::string& address, Time now);

 private:
  void turn(Time now);
  int limit_;
  Time turned_{};
  absl::flat_hash_map<std::string, int> now_, before_;  // of this half minute, and of the one before
};

}  // namespace ivr

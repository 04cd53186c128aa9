#pragma once
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/digest_auth.hpp"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"

namespace ivr {

// Our registration with somebody else's registrar, from the client's side (RFC 3261, 10.2): what to send, and
// when. It sends nothing itself.
//
// It refreshes well before the registrar forgets us. When one is not there or does not want us it tries again
// after 2 s, 4 s, 8 s... up to 5 minutes, each cut at random by up to a half, so that a registrar that comes
// back is not met by all at once (RFC 5626, 4.5).
//
// Thread: one at a time.
class Enrolment {
 public:
  struct Request {
    std::uint32_t cseq = 0;
    Millis expires{0};          // 0: take us out
    std::string authorization;  // the value of that header; empty: none yet
    bool proxy = false;         // it was a proxy that asked: Proxy-Authorization
  };
  struct Reply {
    int status = 0;  // final
    std::string reason;
    std::uint32_t cseq = 0;  // that it answers: the stack may have raised it
    Millis granted{0};       // of a 200
    std::optional<Millis> retry_after;
    std::vector<std::string> challenges;  // of a 401 or 407: header values, the preferred first
    bool proxy = false;                   // ... of a 407
  };

  // `uri` is that of the requests, as the digest has it. `seed` is hard to guess.
  Enrolment(sip::Enrol options, std::string uri, std::uint64_t seed, HashHex md5);

  // What is to be sent now, if anything is. A replied() follows each.
  std::optional<Request> due(Time now);
  std::optional<Time> deadline() const;  // when due() is worth a look

  // What there is to tell. Nothing: it goes on as it did.
  std::optional<sip::Enrolled> replied(const Reply& reply, Time now);

  // The registrar takes none shorter (423): so it is asked from now on, if that is not more than a day.
  void lasts_at_least(Millis least);

  // We are reached elsewhere now: who knows us is told before the time.
  void renew(Time now);

  void withdraw(Time now);
  bool over() const { return withdrawn_ && !sent_ && !due_; }

 private:
  std::optional<sip::Enrolled> failed(const Reply& reply, Time now);
  bool take_challenge(const Reply& reply);

  sip::Enrol options_;
  std::string uri_;
  std::minstd_rand random_;
  HashHex md5_;
  std::uint64_t seed_;
  std::uint32_t cseq_ = 0, uses_ = 0, nonces_ = 0;
  int challenged_ = 0, failures_ = 0;
  std::optional<DigestFields> challenge_;
  bool proxy_ = false;
  bool sent_ = false, told_ = false, withdrawn_ = false;
  std::optional<Time> due_ = Time{};
  Time valid_until_{};  // the registrar knows us until then
};

}  // namespace ivr

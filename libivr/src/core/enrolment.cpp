#include "core/enrolment.hpp"

#include <algorithm>
#include <utility>

#include "core/sha256.hpp"

namespace ivr {
namespace {

constexpr Millis kFirstWait = 2s, kLongestWait = 300s, kLongestAsked = 1h;
constexpr int kMostChallenges = 3;  // in a row: a nonce may go stale under way

}  // namespace

Enrolment::Enrolment(sip::Enrol options, std::string uri, std::uint64_t seed, HashHex md5)
    : options_(std::move(options)),
      uri_(std::move(uri)),
      random_(static_cast<std::minstd_rand::result_type>(seed)),
      md5_(md5),
      seed_(seed) {}

std::optional<Time> Enrolment::deadline() const { return sent_ ? std::nullopt : due_; }

std::optional<Enrolment::Request> Enrolment::due(Time now) {
  if (sent_ || !due_ || now < *due_) return std::nullopt;
  due_.reset();
  sent_ = true;
  Request request{.cseq = ++cseq_, .expires = withdrawn_ ? 0ms : options_.expires};
  if (challenge_) {
    const std::string text =
        std::to_string(seed_) + ":" + std::to_string(nonces_) + ":" + std::to_string(++uses_);
    request.authorization = answer_digest(*challenge_,
                                          {.user = options_.user,
                                           .password = options_.password,
                                           .method = "REGISTER",
                                           .uri = uri_,
                                           .cnonce = sha256_hex(text).substr(0, 16),
                                           .uses = uses_},
                                          md5_)
                                .value_or("");
    request.proxy = proxy_;
  }
  return request;
}

bool Enrolment::take_challenge(const Reply& reply) {
  for (const std::string& each : reply.challenges) {
    auto fields = parse_digest(each);
    if (!fields || !answer_digest(*fields, {}, md5_)) continue;
    // Asked again for what we have just given: the password is wrong.
    if (challenged_ > 0 && !fields->stale) return false;
    challenge_ = std::move(fields);
    proxy_ = reply.proxy;
    uses_ = 0;
    ++nonces_;
    return ++challenged_ <= kMostChallenges;
  }
  return false;
}

std::optional<sip::Enrolled> Enrolment::replied(const Reply& reply, Time now) {
  sent_ = false;
  cseq_ = std::max(cseq_, reply.cseq);
  if ((reply.status == 401 || reply.status == 407) && take_challenge(reply)) {
    due_ = now;
    return std::nullopt;
  }
  challenged_ = 0;
  if (withdrawn_) {
    if (due_) return std::nullopt;  // withdrawn while a request was out: this was the answer to that
    valid_until_ = now;
    return sip::Enrolled{0, false, reply.status, reply.reason};
  }
  if (reply.status / 100 != 2) return failed(reply, now);
  failures_ = 0;
  const Millis granted = std::max<Millis>(reply.granted, 1s);
  valid_until_ = now + granted;
  // Half a minute and more is left for repetitions (RFC 3261, timer F).
  if (!due_) due_ = now + (granted > 120s ? granted - 60s : granted / 2);
  if (std::exchange(told_, true)) return std::nullopt;
  return sip::Enrolled{0, true, reply.status, reply.reason};
}

std::optional<sip::Enrolled> Enrolment::failed(const Reply& reply, Time now) {
  challenge_.reset();
  Millis wait = kFirstWait;
  for (int i = 0; i < failures_ && wait < kLongestWait; ++i) wait *= 2;
  ++failures_;
  wait = std::min(wait, kLongestWait);
  wait -= wait * static_cast<int>(random_() % 51) / 100;
  if (reply.retry_after) wait = std::max(wait, std::min(*reply.retry_after, kLongestAsked));
  due_ = now + wait;
  const bool registered = now < valid_until_;
  told_ = false;  // that it works again is news
  return sip::Enrolled{0, registered, reply.status, reply.reason};
}

void Enrolment::lasts_at_least(Millis least) {
  if (least <= 24h) options_.expires = std::max(options_.expires, least);
}

void Enrolment::renew(Time now) {
  // After a request that is out; and not before its time where the registrar refuses us.
  if (!withdrawn_ && (sent_ || (now < valid_until_ && failures_ == 0))) due_ = now;
}

void Enrolment::withdraw(Time now) {
  if (std::exchange(withdrawn_, true)) return;
  challenged_ = 0;
  // What is out may still register us.
  due_ = sent_ || now < valid_until_ ? std::optional<Time>(now) : std::nullopt;
}

}  // namespace ivr

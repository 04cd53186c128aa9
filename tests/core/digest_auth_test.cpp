#include "core/digest_auth.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "core/sha256.hpp"
#include "core/time_at.hpp"
#include "core/weak_hash.hpp"

namespace ivr {
namespace {

DigestServerOptions options() {
  return {.realm = "ivr",
          .key = "0123456789abcdef",
          .users = {{"alice", "secret"}, {"bob", "hidden"}},
          .md5 = weak};
}

DigestServer server(DigestServerOptions with = options()) {
  auto made = DigestServer::create(with);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

DigestFields parsed(std::string_view text) {
  const auto fields = parse_digest(text);
  EXPECT_TRUE(fields) << text;
  return fields.value_or(DigestFields{});
}

DigestFields answer(const std::string& challenge, std::string user, std::string password,
                    std::uint32_t uses = 1) {
  const auto text = answer_digest(parsed(challenge),
                                  {.user = std::move(user),
                                   .password = std::move(password),
                                   .method = "REGISTER",
                                   .uri = "sip:ivr",
                                   .cnonce = "c\"1",
                                   .uses = uses},
                                  weak);
  EXPECT_TRUE(text);
  return parsed(text.value_or(""));
}

using Verdict = DigestServer::Verdict;

TEST(Sha256, Rfc4231_Hmac) {
  EXPECT_EQ(hmac_sha256_hex(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(
      hmac_sha256_hex(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(DigestAuth, Rfc7616_3_9_1_Sha256) {
  const auto fields = answer_digest(
      parsed("Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, "
             "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
             "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""),
      {.user = "Mufasa",
       .password = "Circle of Life",
       .method = "GET",
       .uri = "/dir/index.html",
       .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"},
      nullptr);
  ASSERT_TRUE(fields);
  EXPECT_EQ(parsed(*fields).response, "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
  EXPECT_EQ(parsed(*fields).opaque, "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS");
}

TEST(DigestAuth, TheRightPasswordIsTakenWithEitherAlgorithmSha256First) {
  DigestServer ivr = server();
  const auto challenges = ivr.challenges(at(0ms), false);
  ASSERT_EQ(challenges.size(), 2u);
  EXPECT_EQ(parsed(challenges[0]).algorithm, "SHA-256");
  EXPECT_EQ(parsed(challenges[1]).algorithm, "MD5");
  EXPECT_EQ(ivr.verify(answer(challenges[0], "alice", "secret"), "REGISTER", at(1s)), Verdict::right);
  EXPECT_EQ(ivr.verify(answer(ivr.challenges(at(0ms), false)[1], "alice", "secret"), "REGISTER", at(1s)),
            Verdict::right);
  EXPECT_TRUE(ivr.has_user("alice"));
  EXPECT_FALSE(ivr.has_user("mallory"));
}

TEST(DigestAuth, WhoDoesNotExistIsToldNothingElseThanWhoErrs) {
  DigestServer ivr = server();
  const auto challenge = ivr.challenges(at(0ms), false)[0];
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "wrong"), "REGISTER", at(1s)), Verdict::wrong);
  EXPECT_EQ(ivr.verify(answer(challenge, "mallory", "secret"), "REGISTER", at(1s)), Verdict::wrong);
  EXPECT_EQ(ivr.verify(answer(challenge, "bob", "secret"), "REGISTER", at(1s)), Verdict::wrong);
}

TEST(DigestAuth, ANonceGrowsStaleAndCannotBeForged) {
  DigestServer ivr = server();
  const auto challenge = ivr.challenges(at(0ms), false)[0];
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "secret"), "REGISTER", at(300s)), Verdict::right);
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "secret", 2), "REGISTER", at(301s)), Verdict::stale);
  EXPECT_TRUE(parsed(ivr.challenges(at(301s), true)[0]).stale);
  // One that we never gave: of another server, of a time to come, of another length.
  DigestServerOptions others = options();
  others.key = "another key, long enough";
  EXPECT_EQ(
      ivr.verify(answer(server(others).challenges(at(0ms), false)[0], "alice", "secret"), "REGISTER", at(1s)),
      Verdict::stale);
  DigestFields later = parsed(challenge);
  later.nonce[10] = later.nonce[10] == 'f' ? 'e' : 'f';
  for (const std::string& nonce :
       {later.nonce, std::string("x"), parsed(challenge).nonce + "0", std::string()}) {
    const std::string forged =
        "Digest realm=\"ivr\", qop=\"auth\", algorithm=SHA-256, nonce=\"" + nonce + "\"";
    EXPECT_EQ(ivr.verify(answer(forged, "alice", "secret"), "REGISTER", at(1s)), Verdict::stale) << nonce;
  }
}

TEST(DigestAuth, Rfc7616_5_5_WhatWasHeardOnTheWireCannotBeSentAgain) {
  DigestServer ivr = server();
  const auto challenge = ivr.challenges(at(0ms), false)[0];
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "secret", 2), "REGISTER", at(1s)), Verdict::right);
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "secret", 2), "REGISTER", at(1s)), Verdict::stale);
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "secret", 1), "REGISTER", at(1s)), Verdict::stale);
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "secret", 3), "REGISTER", at(1s)), Verdict::right);
  EXPECT_EQ(ivr.verify(answer(challenge, "alice", "secret", 4), "INVITE", at(1s)), Verdict::wrong);
}

TEST(DigestAuth, ForgettingTheOldestNoncesNeverTakesOneTwice) {
  DigestServerOptions few = options();
  few.nonces = 3;
  DigestServer ivr = server(few);
  std::vector<DigestFields> sent;
  for (int i = 0; i < 10; ++i) {
    sent.push_back(answer(ivr.challenges(at(Millis(i)), false)[0], "alice", "secret"));
    EXPECT_EQ(ivr.verify(sent.back(), "REGISTER", at(1s)), Verdict::right);
  }
  for (const DigestFields& again : sent) EXPECT_EQ(ivr.verify(again, "REGISTER", at(1s)), Verdict::stale);
}

TEST(DigestAuth, CredentialsThatSayTooLittleAreWrong) {
  DigestServer ivr = server();
  const DigestFields good = answer(ivr.challenges(at(0ms), false)[0], "alice", "secret");
  const auto verdict = [&](const std::function<void(DigestFields&)>& change) {
    DigestFields changed = good;
    change(changed);
    return ivr.verify(changed, "REGISTER", at(1s));
  };
  EXPECT_EQ(verdict([](auto& f) { f.qop = ""; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.qop = "auth-int"; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.cnonce = ""; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.nc = "1"; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.nc = "0000000g"; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.realm = "other"; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.algorithm = "MD5"; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.algorithm = "SHA-512-256"; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto& f) { f.response = ""; }), Verdict::wrong);
  EXPECT_EQ(verdict([](auto&) {}), Verdict::right);
}

TEST(DigestAuth, HeadersAreReadWithTheirQuotesSpacesAndCase) {
  const DigestFields fields = parsed(
      " DIGEST realm = \"a, \\\"b\\\"\" ,, Nonce=abc,unknown=\"x\", STALE=TRUE , qop=\"auth,auth-int\"");
  EXPECT_EQ(fields.realm, "a, \"b\"");
  EXPECT_EQ(fields.nonce, "abc");
  EXPECT_EQ(fields.qop, "auth,auth-int");
  EXPECT_TRUE(fields.stale);
  for (const char* bad :
       {"", "Basic abc", "Digest", "Digest realm", "Digest realm=\"a", "Digest realm=\"a\" b",
        "Digest nonce=1, nonce=2", "Digest =x", "Digest realm=a\"b", "Digest realm=\"\\"})
    EXPECT_FALSE(parse_digest(bad)) << bad;
}

TEST(DigestAuth, AChallengeThatCannotBeMetIsNotAnswered) {
  const DigestClient client{
      .user = "a", .password = "b", .method = "REGISTER", .uri = "sip:x", .cnonce = "c"};
  EXPECT_FALSE(answer_digest(parsed("Digest realm=r, nonce=n, algorithm=SHA-512-256"), client, weak));
  EXPECT_FALSE(answer_digest(parsed("Digest realm=r, nonce=n, qop=\"auth-int\""), client, weak));
  EXPECT_FALSE(answer_digest(parsed("Digest realm=r, nonce=n"), client, nullptr));
  const auto old = answer_digest(parsed("Digest realm=r, nonce=n"), client, weak);  // RFC 2069
  ASSERT_TRUE(old);
  EXPECT_EQ(old->find("qop"), std::string::npos);
}

TEST(DigestAuth, UsersThatCannotBeToldApartAreRefused) {
  for (const SipUser& bad :
       {SipUser{"", "x"}, SipUser{"a:b", "x"}, SipUser{"carol", ""}, SipUser{"alice", "again"}}) {
    DigestServerOptions with = options();
    with.users.push_back(bad);
    EXPECT_EQ(DigestServer::create(with).status().code(), absl::StatusCode::kInvalidArgument) << bad.user;
  }
  DigestServerOptions with = options();
  with.realm = "a\"b";
  EXPECT_FALSE(DigestServer::create(with).ok());
  with = options();
  with.key = "short";
  EXPECT_FALSE(DigestServer::create(with).ok());
}

TEST(FailureLimit, BarsAnAddressForAMinuteAndForgetsManyAddresses) {
  FailureLimit limit(3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(limit.bars("a", at(Millis(i))));
    limit.failed("a", at(Millis(i)));
  }
  EXPECT_TRUE(limit.bars("a", at(1s)));
  EXPECT_TRUE(limit.bars("a", at(31s)));
  EXPECT_FALSE(limit.bars("b", at(31s)));
  EXPECT_FALSE(limit.bars("a", at(62s)));
  for (int i = 0; i < 3; ++i) limit.failed("a", at(63s));
  EXPECT_FALSE(limit.bars("a", at(10min)));
  for (int i = 0; i < 100'000; ++i) limit.failed(std::to_string(i), at(10min));
  EXPECT_FALSE(limit.bars("99999", at(10min)));
}

}  // namespace
}  // namespace ivr

#include "core/enrolment.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/sha256.hpp"
#include "core/time_at.hpp"
#include "core/weak_hash.hpp"

namespace ivr {
namespace {

constexpr char kChallenge[] = "Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256";
constexpr char kStale[] = "Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", algorithm=SHA-256, stale=true";

Enrolment enrolment(std::uint64_t seed = 1) {
  return Enrolment({.registrar = "sip:r", .user = "alice", .password = "secret", .expires = 300s}, "sip:r",
                   seed, weak);
}

Enrolment::Reply ok(Millis granted) { return {.status = 200, .reason = "OK", .granted = granted}; }
Enrolment::Reply asked(std::vector<std::string> challenges) {
  return {.status = 401, .challenges = std::move(challenges)};
}

TEST(Enrolment, RegistersWithThePasswordAndRefreshesInTime) {
  Enrolment each = enrolment();
  auto request = each.due(at(0s));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->expires, 300s);
  EXPECT_EQ(request->authorization, "");
  EXPECT_FALSE(each.due(at(0s)));
  EXPECT_FALSE(each.deadline());
  EXPECT_FALSE(each.replied(asked({"Basic realm=x", kChallenge, "Digest realm=r, nonce=n"}), at(1s)));
  request = each.due(at(1s));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->cseq, 2u);
  EXPECT_EQ(parse_digest(request->authorization)->algorithm, "SHA-256");
  EXPECT_EQ(parse_digest(request->authorization)->nc, "00000001");
  const auto told = each.replied(ok(300s), at(1s));
  ASSERT_TRUE(told);
  EXPECT_TRUE(told->registered);
  EXPECT_EQ(each.deadline(), at(241s));
  EXPECT_FALSE(each.due(at(240s)));
  request = each.due(at(241s));
  ASSERT_TRUE(request);
  EXPECT_EQ(parse_digest(request->authorization)->nc, "00000002");  // without being asked again
  EXPECT_FALSE(each.replied(asked({kStale}), at(241s)));
  request = each.due(at(241s));
  EXPECT_EQ(parse_digest(request->authorization)->nonce, "n2");
  EXPECT_FALSE(each.replied(ok(40s), at(242s)));  // as before: nothing to tell
  EXPECT_EQ(each.deadline(), at(262s));
}

TEST(Enrolment, AWrongPasswordIsToldAndTriedAgainLater) {
  Enrolment each = enrolment();
  each.due(at(0s));
  EXPECT_FALSE(each.replied(asked({kChallenge}), at(0s)));
  ASSERT_TRUE(each.due(at(0s)));
  const auto told = each.replied(asked({kChallenge}), at(0s));
  ASSERT_TRUE(told);
  EXPECT_FALSE(told->registered);
  EXPECT_EQ(told->status, 401);
  EXPECT_FALSE(each.due(at(900ms)));
  ASSERT_TRUE(each.due(at(2s)));
}

TEST(Enrolment, ANonceThatIsAlwaysStaleIsNotTriedForEver) {
  Enrolment each = enrolment();
  int sent = 0;
  while (each.due(at(0s)) && sent < 100) {
    ++sent;
    each.replied(asked({kStale}), at(0s));
  }
  EXPECT_LE(sent, 4);
}

TEST(Enrolment, Rfc5626_4_5_WaitsLongerEachTimeAndNotAllAlike) {
  std::set<Millis> first;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Enrolment each = enrolment(seed);
    Time now = at(0s);
    Millis most = 2s;
    for (int failure = 0; failure < 12; ++failure) {
      ASSERT_TRUE(each.due(now));
      const auto told = each.replied({.status = 408, .reason = "Timeout"}, now);
      ASSERT_TRUE(told);
      EXPECT_FALSE(told->registered);
      const auto wait = std::chrono::duration_cast<Millis>(*each.deadline() - now);
      EXPECT_LE(wait, most);
      EXPECT_GE(wait, most * 49 / 100);
      if (failure == 0) first.insert(wait);
      most = std::min<Millis>(2 * most, 300s);
      now = *each.deadline();
    }
    ASSERT_TRUE(each.due(now));
    EXPECT_TRUE(each.replied(ok(60s), now)->registered);
    EXPECT_EQ(*each.deadline(), now + 30s);
  }
  EXPECT_GT(first.size(), 10u);
}

TEST(Enrolment, WhatTheRegistrarAsksForIsWaitedFor) {
  Enrolment each = enrolment();
  each.due(at(0s));
  each.replied({.status = 503, .retry_after = 90s}, at(0s));
  EXPECT_EQ(each.deadline(), at(90s));
}

TEST(Enrolment, ARefreshThatFailsLeavesUsRegisteredWhileTheRegistrarRemembers) {
  Enrolment each = enrolment();
  each.due(at(0s));
  each.replied(ok(100s), at(0s));
  ASSERT_TRUE(each.due(at(50s)));
  EXPECT_TRUE(each.replied({.status = 503}, at(50s))->registered);
  Time now = *each.deadline();
  for (int i = 0; now < at(100s) && i < 20; ++i) {
    ASSERT_TRUE(each.due(now));
    EXPECT_TRUE(each.replied({.status = 503}, now)->registered);
    now = *each.deadline();
  }
  ASSERT_TRUE(each.due(now));
  EXPECT_FALSE(each.replied({.status = 503}, now)->registered);
  ASSERT_TRUE(each.due(*each.deadline()));
  EXPECT_TRUE(each.replied(ok(100s), now)->registered);
}

TEST(Enrolment, WhoIsReachedElsewhereTellsSoBeforeTheTime) {
  Enrolment each = enrolment();
  each.renew(at(0s));  // nobody knows us yet
  ASSERT_TRUE(each.due(at(0s)));
  each.renew(at(1s));  // while a request is out, which has told the old place
  EXPECT_FALSE(each.due(at(1s)));
  EXPECT_TRUE(each.replied(ok(300s), at(2s)));
  ASSERT_TRUE(each.due(at(2s)));
  EXPECT_FALSE(each.replied(ok(300s), at(3s)));
  EXPECT_EQ(each.deadline(), at(243s));
  each.renew(at(10s));
  ASSERT_TRUE(each.due(at(10s)));
  // A registrar that refuses us is not asked before its time.
  ASSERT_TRUE(each.replied({.status = 503, .reason = "no", .retry_after = 60s}, at(11s)));
  each.renew(at(12s));
  EXPECT_EQ(each.deadline(), at(71s));
  each.withdraw(at(13s));
  ASSERT_TRUE(each.due(at(13s)));
  each.renew(at(13s));
  EXPECT_TRUE(each.replied(ok(0s), at(14s)));
  EXPECT_FALSE(each.deadline());
}

TEST(Enrolment, TakesUsOutAgainFromEachState) {
  Enrolment never = enrolment();
  never.withdraw(at(0s));
  EXPECT_TRUE(never.over());

  Enrolment waiting = enrolment();
  waiting.due(at(0s));
  waiting.withdraw(at(0s));
  EXPECT_FALSE(waiting.over());
  EXPECT_FALSE(waiting.replied(ok(300s), at(1s)));
  auto request = waiting.due(at(1s));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->expires, 0s);
  EXPECT_FALSE(waiting.replied(asked({kChallenge}), at(1s)));
  request = waiting.due(at(1s));
  EXPECT_EQ(request->expires, 0s);
  EXPECT_NE(request->authorization, "");
  EXPECT_FALSE(waiting.replied(ok(0s), at(1s))->registered);
  EXPECT_TRUE(waiting.over());

  Enrolment refused = enrolment();
  refused.due(at(0s));
  refused.replied({.status = 403}, at(0s));
  refused.withdraw(at(0s));
  EXPECT_TRUE(refused.over());

  Enrolment gone = enrolment();
  gone.due(at(0s));
  gone.replied(ok(300s), at(0s));
  gone.withdraw(at(9s));
  ASSERT_TRUE(gone.due(at(9s)));
  EXPECT_TRUE(gone.replied({.status = 408}, at(41s)));
  EXPECT_TRUE(gone.over());  // it has been asked; it forgets by itself
}

TEST(Enrolment, AsksForAsLongAsTheRegistrarWants) {
  Enrolment each = enrolment();
  each.lasts_at_least(30 * 24h);
  each.lasts_at_least(600s);
  each.lasts_at_least(60s);
  EXPECT_EQ(each.due(at(0s))->expires, 600s);
}

TEST(Enrolment, CountsOnFromWhatTheStackHasSent) {
  Enrolment each = enrolment();
  each.due(at(0s));
  Enrolment::Reply raised = ok(60s);
  raised.cseq = 7;
  each.replied(raised, at(0s));
  EXPECT_EQ(each.due(at(30s))->cseq, 8u);
}

}  // namespace
}  // namespace ivr

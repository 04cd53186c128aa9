#include "engine/media_source.hpp"

#include <gtest/gtest.h>

namespace ivr {
namespace {

constexpr std::uint32_t ip(int a, int b, int c, int d) {
  return static_cast<std::uint32_t>(a << 24 | b << 16 | c << 8 | d);
}
constexpr Time at(Micros since) { return Time{} + 1h + since; }

const Endpoint kPublic{ip(198, 51, 100, 7), 4000}, kStranger{ip(203, 0, 113, 9), 4000},
    kHome{ip(192, 168, 1, 5), 4000};
const std::uint32_t kOurs = ip(192, 0, 2, 1);

SourceGuard::Negotiated to(Endpoint rtp, std::uint32_t signalling = 0) {
  return {rtp, {rtp.ip, static_cast<std::uint16_t>(rtp.port + 1)}, signalling, kOurs, true};
}

TEST(SourceGuard, HearsOnlyTheNegotiatedAddress) {
  SourceGuard guard;
  guard.negotiate(to(kPublic));
  EXPECT_FALSE(guard.nat());
  EXPECT_FALSE(guard.hears(kStranger, 1, at(0s)));  // also before the first real one
  EXPECT_FALSE(guard.hears({kPublic.ip, 4002}, 1, at(0s)));
  EXPECT_TRUE(guard.hears(kPublic, 1, at(1s)));
  EXPECT_FALSE(guard.hears(kStranger, 1, at(1min)));  // with the same SSRC, after any silence
  EXPECT_EQ(guard.rtp_to(), kPublic);
  EXPECT_FALSE(guard.hears_rtcp({kStranger.ip, 4001}, at(1min)));
  EXPECT_TRUE(guard.hears_rtcp({kPublic.ip, 4001}, at(1min)));
}

TEST(SourceGuard, LatchesBehindNatToTheFirstAndThenToNobodyElse) {
  SourceGuard guard;
  guard.negotiate(to(kHome));
  EXPECT_TRUE(guard.nat());
  EXPECT_EQ(guard.rtp_to(), kHome);
  EXPECT_FALSE(guard.hears_rtcp({kPublic.ip, 4001}, at(0s)));  // nobody's RTCP before the first RTP
  EXPECT_TRUE(guard.hears(kPublic, 1, at(0s)));
  EXPECT_EQ(guard.rtp_to(), kPublic);
  EXPECT_FALSE(guard.hears(kStranger, 1, at(4s)));
  EXPECT_TRUE(guard.hears_rtcp({kPublic.ip, 4777}, at(4s)));
  EXPECT_EQ(guard.rtcp_to(), (Endpoint{kPublic.ip, 4777}));
}

TEST(SourceGuard, FollowsTheSameSsrcAfterFiveSecondsOfSilence) {
  SourceGuard guard;
  guard.negotiate(to(kHome));
  ASSERT_TRUE(guard.hears(kPublic, 1, at(0s)));
  EXPECT_FALSE(guard.hears(kStranger, 1, at(4999ms)));
  EXPECT_FALSE(guard.hears(kStranger, 2, at(5s)));
  EXPECT_TRUE(guard.hears(kStranger, 1, at(5s)));
  EXPECT_FALSE(guard.hears(kPublic, 1, at(6s)));
}

TEST(SourceGuard, TakesNatOnlyFromWhereTheSignallingComes) {
  SourceGuard guard;
  guard.negotiate(to(kHome, kPublic.ip));
  EXPECT_TRUE(guard.nat());
  EXPECT_FALSE(guard.hears(kStranger, 1, at(0s)));
  EXPECT_TRUE(guard.hears({kPublic.ip, 61000}, 1, at(0s)));
}

TEST(SourceGuard, KnowsWhenThereIsNoNat) {
  struct Case {
    const char* what;
    SourceGuard::Negotiated negotiated;
    bool nat;
  };
  auto fixed = to(kHome);
  fixed.symmetric = false;
  auto neighbours = to(kHome);
  neighbours.local_ip = ip(192, 168, 1, 1);
  const Case cases[] = {
      {"a private address that the signalling uses too", to(kHome, kHome.ip), false},
      {"a public media server beside its proxy", to(kPublic, kStranger.ip), false},
      {"loopback", to({ip(127, 0, 0, 1), 4000}), false},
      {"not symmetric", fixed, false},
      {"both private", neighbours, false},
      {"172.16/12", to({ip(172, 31, 255, 255), 4000}), true},
      {"just past 172.16/12", to({ip(172, 32, 0, 0), 4000}), false},
      {"carrier NAT", to({ip(100, 64, 0, 1), 4000}), true},
  };
  for (const Case& c : cases) {
    SourceGuard guard;
    guard.negotiate(c.negotiated);
    EXPECT_EQ(guard.nat(), c.nat) << c.what;
  }
}

TEST(SourceGuard, StartsAfreshWithANewAddressOnly) {
  SourceGuard guard;
  guard.negotiate(to(kHome));
  ASSERT_TRUE(guard.hears(kPublic, 1, at(0s)));
  guard.negotiate(to(kHome));  // a refresh
  EXPECT_FALSE(guard.hears(kStranger, 1, at(0s)));
  guard.negotiate(to({kHome.ip, 4100}));
  EXPECT_TRUE(guard.hears(kStranger, 9, at(0s)));
}

}  // namespace
}  // namespace ivr

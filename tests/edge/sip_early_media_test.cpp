#include <gtest/gtest.h>

#include "edge/sip_peer.hpp"

// P-Early-Media (RFC 5009) on the wire, and the other ways in which a call begins before it is answered:
// early media, ringing, and a refusal with a status of our choice.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

// What the 183 to an INVITE with these headers says of early media.
std::string said_to(const std::string& headers, int status = 183, bool sdp = true) {
  Station callee;
  callee.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event))
      callee->ring(invited->leg, status, sdp ? std::optional<std::string>(kAnswer) : std::nullopt);
  };
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  EXPECT_TRUE(peer.send(dialog.request("INVITE", headers, kOffer)));
  const auto reply = peer.wait_status({&callee}, status);
  EXPECT_TRUE(reply) << headers;
  EXPECT_EQ(reply ? reply->find("v=0") != std::string::npos : !sdp, sdp);
  return reply ? header_of(*reply, "P-Early-Media") : "no reply";
}

TEST(SofiaEarlyMedia, P_38_RFC5009_8_ThreeCallersAreTold) {
  EXPECT_EQ(said_to("P-Early-Media: supported\r\n"), "sendrecv");
  EXPECT_EQ(said_to("p-early-media: gated, Supported\r\n"), "sendrecv");
  EXPECT_EQ(said_to("P-Early-Media: gated\r\nP-Early-Media: supported\r\n"), "sendrecv");
}

TEST(SofiaEarlyMedia, P_38_RFC5009_8_WhoDoesNotReadItIsToldNothing) {
  EXPECT_EQ(said_to(""), "");
  EXPECT_EQ(said_to("P-Early-Media: gated\r\n"), "");
  EXPECT_EQ(said_to("P-Early-Media: sendrecv\r\n"), "");
  EXPECT_EQ(said_to("P-Early-Media: supported\r\n", 180, false), "")
      << "nothing is heard while it only rings";
}

TEST(SofiaEarlyMedia, P_38_WhatAFarSideThatRingsAsksForIsTold) {
  struct Row {
    const char* headers;
    std::optional<EarlyMedia> early;
  };
  for (const Row& row : {Row{"", {}}, Row{"P-Early-Media: sendrecv\r\n", EarlyMedia::sendrecv},
                         Row{"P-Early-Media: sendonly, gated\r\n", EarlyMedia::sendonly},
                         Row{"P-Early-Media: recvonly\r\n", EarlyMedia::recvonly},
                         Row{"P-Early-Media: inactive\r\n", EarlyMedia::inactive},
                         Row{"P-Early-Media: supported, \x01\x02\r\n", {}}}) {
    Station caller;
    RawPeer callee(RawPeer::Kind::udp, caller->local_address());
    caller->invite({.uri = "sip:desk@127.0.0.1:" + std::to_string(callee.port()),
                    .sdp = kOffer,
                    .headers = {{"P-Early-Media", "supported"}}});
    const auto invite = callee.wait({&caller}, [](const std::string& m) { return m.starts_with("INVITE "); });
    ASSERT_TRUE(invite);
    EXPECT_EQ(header_of(*invite, "P-Early-Media"), "supported");
    EXPECT_TRUE(callee.send(reply_to(*invite, 183, row.headers, kAnswer)));
    ASSERT_TRUE(pump({&caller}, [&] { return caller.count<sip::Ringing>() == 1; })) << row.headers;
    EXPECT_EQ(caller.last<sip::Ringing>()->early, row.early) << row.headers;
    EXPECT_EQ(caller.last<sip::Ringing>()->sdp, kAnswer);
  }
}

// The rest of the row, on the wire.
TEST(SofiaEarlyMedia, P_38_ACallIsRungAnsweredLaterOrRefusedWithAnyStatus) {
  for (const int status : {180, 486, 603, 404, 200}) {
    Station callee;
    callee.react = [&](const sip::Event& event) {
      const auto* invited = std::get_if<sip::Invited>(&event);
      if (invited == nullptr) return;
      callee->ring(invited->leg, 183, kAnswer);
      if (status == 180) callee->ring(invited->leg, 180, std::nullopt);
      if (status == 200) callee->answer(invited->leg, kAnswer);
      if (status > 200) callee->reject(invited->leg, status, "because", std::nullopt);
    };
    RawPeer peer(RawPeer::Kind::udp, callee->local_address());
    RawDialog dialog(peer, callee.uri());
    EXPECT_TRUE(peer.send(dialog.request("INVITE", "", kOffer)));
    EXPECT_TRUE(peer.wait_status({&callee}, status)) << status;
    bool progress = false;
    for (const std::string& heard : peer.heard()) progress |= status_of(heard) == 183;
    EXPECT_TRUE(progress) << status;
  }
}

}  // namespace
}  // namespace ivr::test

#include <gtest/gtest.h>

#include "edge/sip_peer.hpp"

// RFC 4028 (that sessions are refreshed or end: sip_sipp_test.cpp), and what a peer asks for before it lets
// us in.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

std::string invite_with(Station& callee, RawPeer& peer, RawDialog& dialog, std::string_view extra) {
  EXPECT_TRUE(peer.send(dialog.request("INVITE", extra, kOffer)));
  const auto reply = peer.wait({&callee}, [](const std::string& m) { return status_of(m) >= 200; });
  EXPECT_TRUE(reply);
  return reply.value_or("");
}

TEST(SofiaSip, TooShortAnIntervalIsRaisedByTheCaller) {
  Station caller(short_sessions());
  SipOptions strict = short_sessions();
  strict.session_expires = strict.min_se = 120s;
  Station callee(strict);
  establish(caller, callee);  // 3 s, then 422 with Min-SE, then 120 s
  EXPECT_EQ(caller.count<sip::Answered>(), 1);
  EXPECT_EQ(callee.count<sip::Invited>(), 1);
}

TEST(SofiaSip, NoTimerIsAskedForWhenItIsOff) {
  Station callee(SipOptions{.t1 = 50ms, .session_expires = 0s});
  callee.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) callee->answer(invited->leg, kAnswer);
  };
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  const std::string ok = invite_with(callee, peer, dialog, "Supported: timer\r\nSession-Expires: 90\r\n");
  EXPECT_EQ(status_of(ok), 200);
  EXPECT_EQ(header_of(ok, "Session-Expires"), "");
  dialog.join(ok);
  ASSERT_TRUE(peer.send(dialog.request("ACK", "", "", "", 1)));
}

// A peer that wants a password: for the INVITE, and for each request after it.
struct Challenge {
  const char* name;
  int status;
  const char* header;
  const char* rest;
};
constexpr Challenge kChallenges[] = {
    {"proxy", 407, "Proxy-Authenticate", "algorithm=MD5, qop=\"auth\""},
    {"server", 401, "WWW-Authenticate", "qop=\"auth,auth-int\""},
    {"sha256", 401, "WWW-Authenticate", "algorithm=SHA-256, qop=\"auth\""},
    {"both", 407, "Proxy-Authenticate",
     "algorithm=SHA-256, qop=\"auth\"\r\nProxy-Authenticate: Digest realm=\"the, realm\", nonce=\"n1\", "
     "algorithm=MD5, qop=\"auth\""},
    {"unknown first", 407, "Proxy-Authenticate",
     "algorithm=SHA-512-256\r\nProxy-Authenticate: Digest realm=\"the, realm\", nonce=\"n1\""},
    {"oldest", 401, "WWW-Authenticate", "opaque=\"xyz\""},
};

TEST(SofiaSip, AChallengedInviteAndByeGoAgainWithCredentials) {
  for (const Challenge& challenge : kChallenges) {
    SCOPED_TRACE(challenge.name);
    Station caller;
    RawPeer peer(RawPeer::Kind::udp, caller->local_address());
    const LegId leg = caller->invite({.uri = "sip:a@127.0.0.1:" + std::to_string(peer.port()),
                                      .sdp = kOffer,
                                      .auth_user = "alice",
                                      .auth_password = "se:cret"});
    const auto next = [&](std::string_view method) {
      const auto request = peer.wait(
          {&caller}, [&](const std::string& m) { return m.starts_with(std::string(method) + " "); });
      EXPECT_TRUE(request) << method;
      return request.value_or("");
    };
    const std::string header = std::string(challenge.header) +
                               ": Digest realm=\"the, realm\", nonce=\"n1\", " + challenge.rest + "\r\n";
    const std::string credentials = challenge.status == 407 ? "Proxy-Authorization" : "Authorization";
    std::string invite = next("INVITE");
    EXPECT_EQ(header_of(invite, credentials), "");
    ASSERT_TRUE(peer.send(reply_to(invite, challenge.status, header)));
    next("ACK");
    invite = next("INVITE");
    const std::string given = header_of(invite, credentials);
    EXPECT_NE(given.find("username=\"alice\""), std::string::npos) << given;
    EXPECT_NE(given.find("response=\""), std::string::npos) << given;
    const bool sha256 = std::string_view(challenge.rest).starts_with("algorithm=SHA-256");
    EXPECT_EQ(given.find("algorithm=SHA-256") != std::string::npos, sha256) << given;
    EXPECT_TRUE(invite.ends_with(kOffer));
    ASSERT_TRUE(peer.send(reply_to(
        invite, 200, "Contact: <sip:a@127.0.0.1:" + std::to_string(peer.port()) + ">\r\n", kAnswer)));
    next("ACK");
    ASSERT_TRUE(pump({&caller}, [&] { return caller.count<sip::Answered>() == 1; }));
    caller->hang_up(leg, "");
    std::string bye = next("BYE");
    // The nonce is used up: another challenge.
    ASSERT_TRUE(peer.send(reply_to(bye, challenge.status, replaced(header, {{"n1", "n2"}}))));
    bye = next("BYE");
    EXPECT_NE(header_of(bye, credentials).find("nonce=\"n2\""), std::string::npos) << bye;
    ASSERT_TRUE(peer.send(reply_to(bye, 200, "")));
    ASSERT_TRUE(pump({&caller}, [&] { return caller.count<sip::Ended>() == 1; }));
    EXPECT_EQ(caller->open_legs(), 0u);
  }
}

TEST(SofiaSip, AWrongPasswordOrNoneEndsTheLegWithTheChallenge) {
  for (const char* user : {"alice", ""}) {
    Station caller;
    RawPeer peer(RawPeer::Kind::udp, caller->local_address());
    caller->invite({.uri = "sip:a@127.0.0.1:" + std::to_string(peer.port()),
                    .sdp = kOffer,
                    .auth_user = user,
                    .auth_password = "wrong"});
    int asked = 0;
    ASSERT_TRUE(pump({&caller}, [&] {
      while (const auto message = peer.receive()) {
        if (!message->starts_with("INVITE ")) continue;
        ++asked;
        peer.send(reply_to(*message, 407, "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n"));
      }
      return caller.count<sip::Ended>() == 1;
    }));
    EXPECT_EQ(caller.last<sip::Ended>()->status, 407);
    EXPECT_TRUE(caller.last<sip::Ended>()->by_peer);
    EXPECT_LE(asked, 4);
    EXPECT_EQ(caller->open_legs(), 0u);
  }
}

TEST(SofiaSip, AChallengeWeCannotReadEndsTheLeg) {
  for (const char* header :
       {"Proxy-Authenticate: Basic realm=\"r\"\r\n", "Proxy-Authenticate: Digest nonce=\"n\"\r\n",
        "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MAGIC\r\n", ""}) {
    SCOPED_TRACE(header);
    Station caller;
    RawPeer peer(RawPeer::Kind::udp, caller->local_address());
    caller->invite({.uri = "sip:a@127.0.0.1:" + std::to_string(peer.port()),
                    .sdp = kOffer,
                    .auth_user = "alice",
                    .auth_password = "secret"});
    ASSERT_TRUE(pump({&caller}, [&] {
      while (const auto message = peer.receive())
        if (message->starts_with("INVITE ")) peer.send(reply_to(*message, 407, header));
      return caller.count<sip::Ended>() == 1;
    }));
    EXPECT_EQ(caller.last<sip::Ended>()->status, 407);
  }
}

TEST(SofiaSip, FarPeersAreToldTheExternalAddressAndNearOnesOurOwn) {
  SipOptions options{.t1 = 50ms};
  options.external_ip = "203.0.113.7";
  Station station(options);
  RawPeer peer(RawPeer::Kind::udp, station->local_address());
  station->invite({.uri = "sip:a@127.0.0.1:" + std::to_string(peer.port()), .sdp = kOffer});
  const auto near = peer.wait({&station}, [](const std::string& m) { return m.starts_with("INVITE"); });
  ASSERT_TRUE(near);
  EXPECT_NE(header_of(*near, "Contact").find("127.0.0.1:"), std::string::npos);
  // No far peer can be had on the loopback: the choice itself.
  EXPECT_EQ(station->contact_for("198.51.100.9"),
            "<sip:203.0.113.7:" + std::to_string(station->local_address().port) + ">");
  EXPECT_EQ(station->contact_for("127.0.0.9"), "");
  // One that changes under it.
  station->set_external_ip("203.0.113.8");
  EXPECT_EQ(station->contact_for("198.51.100.9"),
            "<sip:203.0.113.8:" + std::to_string(station->local_address().port) + ">");
}

}  // namespace
}  // namespace ivr::test

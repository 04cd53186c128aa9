#include <gtest/gtest.h>

#include <thread>

#include "edge/sip_peer.hpp"

// Calls that come faster than they can be served are refused before they cost a call's work.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

constexpr int kUnreadCalls = 64;

// Until a datagram that was sent now has waited for longer than `wait`.
void wait_unread(std::chrono::milliseconds wait) {
  const auto until = std::chrono::steady_clock::now() + wait + 2ms;
  while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
}

struct UnreadFlood {
  explicit UnreadFlood(const EarlyRefusalOptions& early_refusal)
      : ivr({.t1 = 2000ms, .t1x64 = 8000ms}, early_refusal), peer(RawPeer::Kind::udp, ivr->local_address()) {
    ivr.react = [this](const sip::Event& event) {
      if (const auto* invited = std::get_if<sip::Invited>(&event)) ivr->answer(invited->leg, kAnswer);
    };
  }
  // Nobody reads what is sent meanwhile.
  void send() {
    for (int i = 0; i < kUnreadCalls; ++i) {
      dialogs.emplace_back(peer, ivr.uri("2001"));
      EXPECT_TRUE(peer.send(dialogs.back().request("INVITE", "", kOffer)));
    }
  }
  int count(int status) const {
    int n = 0;
    for (const std::string& message : peer.heard()) n += status_of(message) == status;
    return n;
  }
  bool all_answered() {
    peer.wait({&ivr}, [&](const std::string&) { return count(200) + count(503) >= kUnreadCalls; });
    return count(200) + count(503) >= kUnreadCalls;
  }

  Station ivr;
  RawPeer peer;
  std::vector<RawDialog> dialogs;
};

TEST(SofiaShed, RefusesCallsThatHaveWaitedTooLongWithOthersBehindThem) {
  UnreadFlood flood({.limit = 5ms, .retry_after = 7s});
  flood.send();
  wait_unread(5ms);
  ASSERT_TRUE(flood.all_answered());
  EXPECT_GT(flood.count(503), kUnreadCalls / 2);
  EXPECT_GT(flood.count(200), 0) << "behind the last ones nobody waits";
  EXPECT_EQ(flood.ivr.count<sip::Invited>(), flood.count(200));
  for (const std::string& message : flood.peer.heard()) {
    if (status_of(message) != 503) continue;
    EXPECT_EQ(header_of(message, "Retry-After"), "7");
  }
  EXPECT_EQ(flood.ivr.count<sip::Refused>(), flood.count(503));
  const RefusedRequest& refused = flood.ivr.last<sip::Refused>()->request;
  EXPECT_EQ(refused.why, RefusedFor::busy);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.method, "INVITE");
  EXPECT_EQ(refused.address, "127.0.0.1");
  EXPECT_EQ(refused.to, "2001");
  EXPECT_EQ(refused.from.rfind("sip:caller@127.0.0.1:", 0), 0u) << refused.from;
}

TEST(SofiaShed, HearsOfNoAckToSuchARefusalAndServesTheNextCall) {
  UnreadFlood flood({.limit = 5ms});
  flood.send();
  wait_unread(5ms);
  ASSERT_TRUE(flood.all_answered());
  const std::vector<std::string> heard = flood.peer.heard();
  for (const std::string& message : heard) {
    if (status_of(message) != 503) continue;
    for (RawDialog& dialog : flood.dialogs) {
      if (header_of(message, "Call-ID") != dialog.call_id) continue;
      dialog.join(message);
      EXPECT_TRUE(flood.peer.send(dialog.request("ACK", "", "", "application/sdp", dialog.cseq)));
    }
  }
  RawDialog next(flood.peer, flood.ivr.uri("2001"));
  EXPECT_TRUE(flood.peer.send(next.request("INVITE", "", kOffer)));
  const auto answered = flood.peer.wait({&flood.ivr}, [&](const std::string& message) {
    return status_of(message) == 200 && header_of(message, "Call-ID") == next.call_id;
  });
  EXPECT_TRUE(answered);
}

TEST(SofiaShed, ServesACallThatIsUpHoweverLate) {
  UnreadFlood flood({.limit = 5ms});
  RawDialog up(flood.peer, flood.ivr.uri("2001"));
  EXPECT_TRUE(flood.peer.send(up.request("INVITE", "", kOffer)));
  const auto answer = flood.peer.wait_status({&flood.ivr}, 200);
  ASSERT_TRUE(answer);
  up.join(*answer);
  EXPECT_TRUE(flood.peer.send(up.request("ACK", "", "", "application/sdp", up.cseq)));
  ASSERT_TRUE(pump({&flood.ivr}, [&] { return flood.ivr.count<sip::Established>() == 1; }));
  EXPECT_TRUE(flood.peer.send(up.request("INVITE", "", kHold)));
  flood.send();
  EXPECT_TRUE(flood.peer.send(up.request("BYE")));
  wait_unread(5ms);
  EXPECT_TRUE(pump({&flood.ivr}, [&] {
    return flood.ivr.count<sip::Offered>() == 1 && flood.ivr.count<sip::Ended>() >= 1;
  }));
}

TEST(SofiaShed, LetsEverybodyWaitWhoseServerSaysSo) {
  UnreadFlood flood({.limit = 0ms});
  flood.send();
  wait_unread(5ms);
  ASSERT_TRUE(flood.all_answered());
  EXPECT_EQ(flood.count(200), kUnreadCalls);
  EXPECT_EQ(flood.ivr.count<sip::Refused>(), 0);
}

}  // namespace
}  // namespace ivr::test

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "edge/sip_peer.hpp"

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

TEST(SofiaSip, AnInboundCallIsAnsweredEstablishedAndEndedByThePeer) {
  Station caller, callee;
  callee.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) {
      callee->ring(invited->leg, 180, std::nullopt);
      callee->answer(invited->leg, kAnswer);
    }
  };
  const LegId leg = caller->invite({.uri = callee.uri("2001"),
                                    .from_uri = "sip:%61lice@example.net",
                                    .from_display = "Al \"ice\"",
                                    .sdp = kOffer,
                                    .headers = {{"X-Test", "yes\r\nX-Evil: no"}}});
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return callee.count<sip::Established>() == 1; }));
  const auto* invited = callee.last<sip::Invited>();
  EXPECT_EQ(invited->request_user, "2001");
  EXPECT_EQ(invited->from_user, "alice");
  EXPECT_EQ(invited->from_display, "Al \"ice\"");
  EXPECT_EQ(invited->offer, kOffer);
  EXPECT_EQ(invited->source.ip, "127.0.0.1");
  EXPECT_EQ(invited->source.port, caller->local_address().port);
  EXPECT_FALSE(invited->call_id.empty());
  EXPECT_FALSE(invited->from_tag.empty());
  EXPECT_FALSE(callee.last<sip::Established>()->answer);
  ASSERT_TRUE(caller.last<sip::Ringing>());
  EXPECT_EQ(caller.last<sip::Ringing>()->status, 180);
  ASSERT_TRUE(caller.last<sip::Answered>());
  EXPECT_EQ(caller.last<sip::Answered>()->sdp, kAnswer);

  caller->hang_up(leg, "done");
  ASSERT_TRUE(
      pump({&caller, &callee}, [&] { return caller.count<sip::Ended>() && callee.count<sip::Ended>(); }));
  EXPECT_FALSE(caller.last<sip::Ended>()->by_peer);
  EXPECT_EQ(caller.last<sip::Ended>()->status, 0);
  EXPECT_TRUE(callee.last<sip::Ended>()->by_peer);
  EXPECT_EQ(callee.last<sip::Ended>()->status, 0);
  EXPECT_TRUE(caller.in_order());
  EXPECT_TRUE(callee.in_order());
  EXPECT_EQ(caller->open_legs(), 0u);
  EXPECT_EQ(callee->open_legs(), 0u);
}

TEST(SofiaSip, TheCalleeHangsUpOverTcp) {
  Station caller, callee;
  const Call call = establish(caller, callee, ";transport=tcp");
  callee->hang_up(call.callee, "");
  ASSERT_TRUE(
      pump({&caller, &callee}, [&] { return caller.count<sip::Ended>() && callee.count<sip::Ended>(); }));
  EXPECT_TRUE(caller.last<sip::Ended>()->by_peer);
  EXPECT_FALSE(callee.last<sip::Ended>()->by_peer);
}

TEST(SofiaSip, ARefusalCarriesStatusReasonAndRetryAfter) {
  Station caller, callee;
  callee.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event))
      callee->reject(invited->leg, 503, "Too many calls", 4500ms);
  };
  caller->invite({.uri = callee.uri(), .sdp = kOffer});
  ASSERT_TRUE(
      pump({&caller, &callee}, [&] { return caller.count<sip::Ended>() && callee.count<sip::Ended>(); }));
  EXPECT_EQ(caller.last<sip::Ended>()->status, 503);
  EXPECT_EQ(caller.last<sip::Ended>()->reason, "Too many calls");
  EXPECT_EQ(caller.last<sip::Ended>()->retry_after, Millis(5000));
  EXPECT_TRUE(caller.last<sip::Ended>()->by_peer);
  EXPECT_EQ(callee.last<sip::Ended>()->status, 503);
  EXPECT_FALSE(callee.last<sip::Ended>()->by_peer);
}

TEST(SofiaSip, ACancelledCallEndsWith487OnBothSides) {
  Station caller, callee;
  const LegId leg = caller->invite({.uri = callee.uri(), .sdp = kOffer});
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return callee.count<sip::Invited>() == 1; }));
  callee->ring(callee.last<sip::Invited>()->leg, 180, std::nullopt);
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return caller.count<sip::Ringing>() == 1; }));
  caller->hang_up(leg, "changed my mind");
  ASSERT_TRUE(
      pump({&caller, &callee}, [&] { return caller.count<sip::Ended>() && callee.count<sip::Ended>(); }));
  EXPECT_EQ(callee.last<sip::Ended>()->status, 487);
  EXPECT_TRUE(callee.last<sip::Ended>()->by_peer);
  EXPECT_EQ(caller.last<sip::Ended>()->status, 487);
  EXPECT_FALSE(caller.last<sip::Ended>()->by_peer);
}

TEST(SofiaSip, AUriThatIsNoneEndsTheLegFromWithinRun) {
  Station caller;
  for (const char* uri : {"", "tel:123", "sips:a@b", "sip:", "nonsense", "sip:a@127.0.0.1:5060\r\nX: y"}) {
    const int before = caller.count<sip::Ended>();
    const LegId leg = caller->invite({.uri = uri, .sdp = kOffer});
    EXPECT_NE(leg, 0u);
    if (std::string_view(uri).starts_with("sip:a")) caller->hang_up(leg, "");
    EXPECT_EQ(caller.count<sip::Ended>(), before);
    EXPECT_TRUE(pump({&caller}, [&] { return caller.count<sip::Ended>() > before; })) << uri;
  }
  EXPECT_TRUE(caller.in_order());
}

TEST(SofiaSip, WakeEndsAWaitFromAnotherThread) {
  Station station;
  const auto before = std::chrono::steady_clock::now();
  std::thread other([&] { station->wake(); });
  station->run(30s);
  other.join();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 20s);
}

// Store, media and speech wake the stack whenever they have something, whatever it is doing.
TEST(SofiaSip, MayBeWokenWhileItComesUpAndGoesDown) {
  SofiaSip sip;
  std::atomic<bool> over{false};
  std::atomic<int> woken{0};
  std::thread other([&] {
    while (!over) {
      sip.wake();
      ++woken;
    }
  });
  while (woken == 0) std::this_thread::yield();
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(sip.start({.port = 0}, [](const sip::Event&) {}).ok());
    sip.run(0ms);
    sip.stop();
  }
  over = true;
  other.join();
}

TEST(SofiaSip, StopEndsEveryLegInAnyStateAndTellsNothingAfterwards) {
  Station caller, callee;
  establish(caller, callee);
  caller->invite({.uri = callee.uri(), .sdp = kOffer});
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return callee.count<sip::Invited>() == 2; }));
  const std::size_t events = callee.events.size();
  std::thread other([&] { callee->stop(); });  // the peer lives on and answers
  EXPECT_TRUE(pump({&caller}, [&] { return caller.count<sip::Ended>() == 2; }));
  other.join();
  EXPECT_EQ(callee.events.size(), events);
  EXPECT_EQ(callee->open_legs(), 0u);
  EXPECT_EQ(caller.last<sip::Ended>()->leg != 0, true);
  int refused = 0;
  for (const sip::Event& event : caller.events)
    if (const auto* ended = std::get_if<sip::Ended>(&event)) refused += ended->status == 503;
  EXPECT_EQ(refused, 1);
}

// Two are rung and answer at the same moment: the first is taken, and the other's 200, already on its way
// when it is given up, is acknowledged and ended (RFC 3261 section 13.2.2.4).
TEST(SofiaSip, OfTwoThatAnswerAtOnceTheOtherIsAcknowledgedAndEnded) {
  for (const bool rang : {true, false}) {
    for (const bool other_first : {false, true}) {
      SCOPED_TRACE(std::string(rang ? "rang" : "at once") + (other_first ? " other order" : ""));
      Station caller;
      RawPeer peers[2] = {{RawPeer::Kind::udp, caller->local_address()},
                          {RawPeer::Kind::udp, caller->local_address()}};
      LegId legs[2];
      LegId kept = 0;
      caller.react = [&](const sip::Event& event) {
        const auto* answered = std::get_if<sip::Answered>(&event);
        if (!answered || kept) return;
        kept = answered->leg;
        caller->hang_up(kept == legs[0] ? legs[1] : legs[0], "answered elsewhere");
      };
      std::string invites[2];
      for (int i = 0; i < 2; ++i) {
        legs[i] =
            caller->invite({.uri = "sip:agent@127.0.0.1:" + std::to_string(peers[i].port()), .sdp = kOffer});
        invites[i] = peers[i]
                         .wait({&caller}, [](const std::string& m) { return m.starts_with("INVITE "); })
                         .value_or("");
        ASSERT_NE(invites[i], "");
        if (rang) peers[i].send(reply_to(invites[i], 180, ""));
      }
      if (rang) {
        ASSERT_TRUE(pump({&caller}, [&] { return caller.count<sip::Ringing>() == 2; }));
      }
      for (const int i : {other_first ? 1 : 0, other_first ? 0 : 1}) {
        const std::string contact =
            "Contact: <sip:agent@127.0.0.1:" + std::to_string(peers[i].port()) + ">\r\n";
        ASSERT_TRUE(peers[i].send(reply_to(invites[i], 200, contact, kAnswer)));
      }
      const auto hears = [&](RawPeer& peer, std::string_view start) {
        return peer.wait({&caller}, [&](const std::string& m) { return m.starts_with(start); });
      };
      ASSERT_TRUE(pump({&caller}, [&] { return kept != 0; }));
      const int lost = kept == legs[0] ? 1 : 0;
      EXPECT_TRUE(hears(peers[1 - lost], "ACK "));
      EXPECT_TRUE(hears(peers[lost], "ACK "));
      const auto bye = hears(peers[lost], "BYE ");
      ASSERT_TRUE(bye);
      ASSERT_TRUE(peers[lost].send(reply_to(*bye, 200, "")));
      ASSERT_TRUE(pump({&caller}, [&] { return caller.count<sip::Ended>() == 1; }));
      EXPECT_EQ(caller.last<sip::Ended>()->leg, legs[lost]);
      EXPECT_FALSE(caller.last<sip::Ended>()->by_peer);
      EXPECT_EQ(caller.count<sip::Answered>(), 1);  // of the other nothing more is told
      EXPECT_EQ(caller->open_legs(), 1u);
      EXPECT_TRUE(caller.in_order());
    }
  }
}

}  // namespace
}  // namespace ivr::test

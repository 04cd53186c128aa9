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

}  // namespace
}  // namespace ivr::test

#include <gtest/gtest.h>

#include "edge/sip_peer.hpp"

// What happens within a call: new offers, provisional answers, digits, timers.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

// A call that a raw peer has made to `callee`, acknowledged.
struct RawCall {
  RawPeer peer;
  RawDialog dialog;
  LegId leg = 0;

  explicit RawCall(Station& callee, std::string_view extra = "", RawPeer::Kind kind = RawPeer::Kind::udp)
      : peer(kind, callee->local_address()), dialog(peer, callee.uri()) {
    const int before = callee.count<sip::Established>();
    EXPECT_TRUE(peer.send(dialog.request("INVITE", extra, kOffer)));
    EXPECT_TRUE(pump({&callee}, [&] { return callee.count<sip::Invited>() > before; }));
    leg = callee.last<sip::Invited>()->leg;
    callee->answer(leg, kAnswer);
    const auto ok = peer.wait_status({&callee}, 200);
    EXPECT_TRUE(ok);
    answer = ok.value_or("");
    dialog.join(answer);
    EXPECT_TRUE(peer.send(dialog.request("ACK", "", "", "", 1)));
    EXPECT_TRUE(pump({&callee}, [&] { return callee.count<sip::Established>() > before; }));
  }
  std::string answer;  // the 200

  // Sends a request of the dialog and returns its final reply.
  std::string ask(Station& callee, std::string_view method, std::string_view extra = "",
                  std::string_view body = "", std::string_view type = "application/sdp") {
    EXPECT_TRUE(peer.send(dialog.request(method, extra, body, type)));
    const std::string cseq = std::to_string(dialog.cseq) + " " + std::string(method);
    const auto reply = peer.wait({&callee}, [&](const std::string& message) {
      return status_of(message) >= 200 && header_of(message, "CSeq") == cseq;
    });
    EXPECT_TRUE(reply) << cseq;
    return reply.value_or("");
  }
  // The next request of that method from the callee.
  std::string next(Station& callee, std::string_view method) {
    const auto request =
        peer.wait({&callee}, [&](const std::string& m) { return m.starts_with(std::string(method) + " "); });
    EXPECT_TRUE(request) << method;
    return request.value_or("");
  }
};

TEST(SofiaSip, BothSidesMayOfferAgain) {
  Station caller, callee;
  const Call call = establish(caller, callee);
  for (int round = 0; round < 2; ++round) {
    Station& from = round == 0 ? caller : callee;
    Station& to = round == 0 ? callee : caller;
    from->offer(round == 0 ? call.caller : call.callee, kHold);
    ASSERT_TRUE(pump({&from, &to}, [&] { return to.count<sip::Offered>() == 1; }));
    EXPECT_EQ(to.last<sip::Offered>()->offer, kHold);
    EXPECT_FALSE(to.last<sip::Offered>()->update);
    to->accept_offer(to.last<sip::Offered>()->leg, kAnswer);
    ASSERT_TRUE(pump({&from, &to}, [&] { return from.count<sip::OfferAnswered>() == 1; }));
    EXPECT_EQ(from.last<sip::OfferAnswered>()->sdp, kAnswer);
    from->offer(round == 0 ? call.caller : call.callee, kOffer);
    ASSERT_TRUE(pump({&from, &to}, [&] { return to.count<sip::Offered>() == 2; }));
    to->refuse_offer(to.last<sip::Offered>()->leg, 488);
    ASSERT_TRUE(pump({&from, &to}, [&] { return from.count<sip::OfferRefused>() == 1; }));
    EXPECT_EQ(from.last<sip::OfferRefused>()->status, 488);
  }
  EXPECT_EQ(caller->open_legs() + callee->open_legs(), 2u);  // the session stays
}

TEST(SofiaSip, WhenBothOfferAtOnceBothGetThroughInTheEnd) {
  Station caller, callee;
  const Call call = establish(caller, callee);
  const auto accept = [](Station& station) {
    return [&station](const sip::Event& event) {
      if (const auto* offered = std::get_if<sip::Offered>(&event))
        station->accept_offer(offered->leg, kAnswer);
    };
  };
  caller.react = accept(caller);
  callee.react = accept(callee);
  caller->offer(call.caller, kHold);
  callee->offer(call.callee, kHold);
  ASSERT_TRUE(pump(
      {&caller, &callee},
      [&] { return caller.count<sip::OfferAnswered>() == 1 && callee.count<sip::OfferAnswered>() == 1; },
      20s));
  EXPECT_EQ(caller.count<sip::OfferRefused>() + callee.count<sip::OfferRefused>(), 0);
  EXPECT_EQ(caller->open_legs() + callee->open_legs(), 2u);
}

TEST(SofiaSip, AnInviteWithoutSdpGetsOurOfferAndBringsTheAnswerInTheAck) {
  Station callee;
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  ASSERT_TRUE(peer.send(dialog.request("INVITE")));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Invited>() == 1; }));
  EXPECT_FALSE(callee.last<sip::Invited>()->offer);
  callee->answer(callee.last<sip::Invited>()->leg, kOffer);
  const auto ok = peer.wait_status({&callee}, 200);
  ASSERT_TRUE(ok);
  EXPECT_TRUE(ok->ends_with(kOffer));
  dialog.join(*ok);
  ASSERT_TRUE(peer.send(dialog.request("ACK", "", kAnswer, "application/sdp", 1)));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Established>() == 1; }));
  EXPECT_EQ(callee.last<sip::Established>()->answer, kAnswer);
}

TEST(SofiaSip, AReInviteWithoutSdpGetsOurOfferToo) {
  Station callee;
  RawCall call(callee);
  callee.react = [&](const sip::Event& event) {
    if (const auto* offered = std::get_if<sip::Offered>(&event)) callee->accept_offer(offered->leg, kHold);
  };
  const std::string ok = call.ask(callee, "INVITE");
  EXPECT_EQ(status_of(ok), 200);
  EXPECT_TRUE(ok.ends_with(kHold));
  EXPECT_FALSE(callee.last<sip::Offered>()->offer);
  ASSERT_TRUE(call.peer.send(call.dialog.request("ACK", "", kAnswer, "application/sdp", call.dialog.cseq)));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::OfferAnswered>() == 1; }));
  EXPECT_EQ(callee.last<sip::OfferAnswered>()->sdp, kAnswer);
}

TEST(SofiaSip, EarlyMediaGoesReliablyToPeersThatSupportIt) {
  Station caller, callee;
  callee.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) {
      callee->ring(invited->leg, 183, kAnswer);
      callee->answer(invited->leg, kAnswer);  // waits for the PRACK
    }
  };
  caller->invite({.uri = callee.uri(), .sdp = kOffer});
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return callee.count<sip::Established>() == 1; }));
  ASSERT_TRUE(caller.last<sip::Ringing>());
  EXPECT_EQ(caller.last<sip::Ringing>()->status, 183);
  EXPECT_EQ(caller.last<sip::Ringing>()->sdp, kAnswer);
  ASSERT_TRUE(caller.last<sip::Answered>());
  EXPECT_EQ(caller.last<sip::Answered>()->sdp, kAnswer);  // it came with the 183
}

TEST(SofiaSip, AProvisionalIsRepeatedUntilItsPrackAndTheOfferInThatIsAnswered) {
  Station callee(SipOptions{.t1 = 20ms});
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  ASSERT_TRUE(peer.send(dialog.request("INVITE", "Require: 100rel\r\n", kOffer)));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Invited>() == 1; }));
  const LegId leg = callee.last<sip::Invited>()->leg;
  callee->ring(leg, 183, kAnswer);
  callee->answer(leg, kAnswer);
  auto progress = peer.wait_status({&callee}, 183);
  ASSERT_TRUE(progress);
  progress = peer.wait_status({&callee}, 183);  // again
  ASSERT_TRUE(progress);
  EXPECT_NE(header_of(*progress, "Require").find("100rel"), std::string::npos);
  EXPECT_TRUE(progress->ends_with(kAnswer));
  dialog.join(*progress);
  callee.react = [&](const sip::Event& event) {
    if (const auto* offered = std::get_if<sip::Offered>(&event)) callee->accept_offer(offered->leg, kHold);
  };
  const std::string rack = "RAck: " + header_of(*progress, "RSeq") + " 1 INVITE\r\n";
  ASSERT_TRUE(peer.send(dialog.request("PRACK", rack, kHold)));
  const auto pracked = peer.wait({&callee}, [](const std::string& m) {
    return status_of(m) == 200 && header_of(m, "CSeq") == "2 PRACK";
  });
  ASSERT_TRUE(pracked);
  EXPECT_TRUE(pracked->ends_with(kHold));
  ASSERT_TRUE(callee.last<sip::Offered>());
  EXPECT_TRUE(callee.last<sip::Offered>()->update);
  const auto ok = peer.wait({&callee}, [](const std::string& m) {
    return status_of(m) == 200 && header_of(m, "CSeq") == "1 INVITE";
  });
  ASSERT_TRUE(ok);
  EXPECT_EQ(header_of(*ok, "Content-Length"), "0");  // the answer is out already (RFC 6337 section 3.1.1)
  ASSERT_TRUE(peer.send(dialog.request("ACK", "", "", "", 1)));
  EXPECT_TRUE(pump({&callee}, [&] { return callee.count<sip::Established>() == 1; }));
}

TEST(SofiaSip, ALateOfferInAProvisionalIsAnsweredByThePrack) {
  Station callee;
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  ASSERT_TRUE(peer.send(dialog.request("INVITE", "Supported: 100rel\r\n")));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Invited>() == 1; }));
  const LegId leg = callee.last<sip::Invited>()->leg;
  callee->ring(leg, 183, kOffer);
  const auto progress = peer.wait_status({&callee}, 183);
  ASSERT_TRUE(progress);
  dialog.join(*progress);
  const std::string rack = "RAck: " + header_of(*progress, "RSeq") + " 1 INVITE\r\n";
  ASSERT_TRUE(peer.send(dialog.request("PRACK", rack, kAnswer)));
  ASSERT_TRUE(peer.wait_status({&callee}, 200));
  callee->answer(leg, kOffer);
  ASSERT_TRUE(peer.wait_status({&callee}, 200));
  ASSERT_TRUE(peer.send(dialog.request("ACK", "", "", "", 1)));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Established>() == 1; }));
  EXPECT_EQ(callee.last<sip::Established>()->answer, kAnswer);
}

TEST(SofiaSip, AProvisionalThatNobodyPracksEndsTheCall) {
  Station callee(SipOptions{.t1 = 10ms, .t1x64 = 200ms});
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  ASSERT_TRUE(peer.send(dialog.request("INVITE", "Require: 100rel\r\n", kOffer)));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Invited>() == 1; }));
  callee->ring(callee.last<sip::Invited>()->leg, 183, kAnswer);
  callee->answer(callee.last<sip::Invited>()->leg, kAnswer);
  ASSERT_TRUE(peer.wait_status({&callee}, 504, 5s));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Ended>() == 1; }));
  EXPECT_EQ(callee.last<sip::Ended>()->status, 504);
  EXPECT_TRUE(callee.in_order());
}

TEST(SofiaSip, AnUpdateIsAnsweredWithSdpAndARefreshWithout) {
  Station callee;
  RawCall call(callee, "Allow: INVITE, ACK, BYE, UPDATE\r\n");
  EXPECT_EQ(status_of(call.ask(callee, "UPDATE")), 200);
  EXPECT_EQ(callee.count<sip::Offered>(), 0);
  callee.react = [&](const sip::Event& event) {
    if (const auto* offered = std::get_if<sip::Offered>(&event)) callee->accept_offer(offered->leg, kAnswer);
  };
  const std::string ok = call.ask(callee, "UPDATE", "", kHold);
  EXPECT_EQ(status_of(ok), 200);
  EXPECT_TRUE(ok.ends_with(kAnswer));
  ASSERT_TRUE(callee.last<sip::Offered>());
  EXPECT_TRUE(callee.last<sip::Offered>()->update);
  EXPECT_EQ(callee.last<sip::Offered>()->offer, kHold);
  callee.react = [&](const sip::Event& event) {
    if (const auto* offered = std::get_if<sip::Offered>(&event)) callee->refuse_offer(offered->leg, 488);
  };
  EXPECT_EQ(status_of(call.ask(callee, "UPDATE", "", kOffer)), 488);
  EXPECT_EQ(status_of(call.ask(callee, "UPDATE", "", "<a/>", "text/xml")), 415);
  callee.react = nullptr;
  // One offer at a time: the second is refused while the first waits.
  ASSERT_TRUE(call.peer.send(call.dialog.request("UPDATE", "", kHold)));
  const std::string overlap = call.ask(callee, "UPDATE", "", kOffer);
  EXPECT_EQ(status_of(overlap), 500);
  EXPECT_NE(header_of(overlap, "Retry-After"), "");
  callee->accept_offer(call.leg, kAnswer);
  ASSERT_TRUE(call.peer.wait_status({&callee}, 200));
  // Ours is out: theirs has to wait.
  callee->offer(call.leg, kHold);
  call.next(callee, "INVITE");
  EXPECT_EQ(status_of(call.ask(callee, "UPDATE", "", kOffer)), 491);
  EXPECT_EQ(status_of(call.ask(callee, "INVITE", "", kOffer)), 491);
}

TEST(SofiaSip, OurOffersAreRepeatedAfterA491AndGivenUpOtherwise) {
  Station callee;
  RawCall call(callee);
  callee->offer(call.leg, kHold);
  ASSERT_TRUE(call.peer.send(reply_to(call.next(callee, "INVITE"), 491, "")));
  EXPECT_NE(call.next(callee, "ACK"), "");
  const std::string again = call.next(callee, "INVITE");  // within 2 s
  EXPECT_TRUE(again.ends_with(kHold));
  EXPECT_EQ(callee.count<sip::OfferRefused>(), 0);
  ASSERT_TRUE(call.peer.send(reply_to(again, 488, "")));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::OfferRefused>() == 1; }));
  callee->offer(call.leg, kOffer);
  const std::string gone = call.next(callee, "INVITE");
  ASSERT_TRUE(call.peer.send(reply_to(gone, 481, "")));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Ended>() == 1; }));  // that call is over
  EXPECT_TRUE(callee.in_order());
}

struct Info {
  const char *type, *body;
  int status;
  char digit;
  int ms;
};
constexpr Info kInfos[] = {
    {"application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200, '5', 160},
    {"application/dtmf-relay", "Signal= #\nDuration= 250", 200, '#', 250},
    {"application/dtmf-relay", "duration=100\r\nsignal=a\r\n", 200, 'A', 100},
    {"application/dtmf-relay", "Signal=11\r\nDuration=-5\r\n", 200, '#', 0},
    {"Application/DTMF", "7", 200, '7', 0},
    {"application/dtmf", " *\r\n", 200, '*', 0},
    {"application/dtmf-relay", "Signal=x\r\n", 400, 0, 0},
    {"application/dtmf-relay", "", 400, 0, 0},
    {"application/dtmf-relay", "Duration=160", 400, 0, 0},
    {"application/dtmf", "12345", 400, 0, 0},
    {"application/media_control+xml", "<a/>", 415, 0, 0},
};

TEST(SofiaSip, InfoDigitsAreHeardAndOtherInfosRefused) {
  Station callee;
  RawCall call(callee);
  for (const Info& info : kInfos) {
    SCOPED_TRACE(info.body);
    const int before = callee.count<sip::Digit>();
    const std::string type = "Content-Type: " + std::string(info.type) + "\r\n";
    const bool empty = !*info.body;
    EXPECT_EQ(status_of(call.ask(callee, "INFO", empty ? type : "", info.body, info.type)), info.status);
    EXPECT_EQ(callee.count<sip::Digit>(), before + (info.digit != 0));
    if (!info.digit) continue;
    EXPECT_EQ(callee.last<sip::Digit>()->digit, info.digit);
    EXPECT_EQ(callee.last<sip::Digit>()->duration, Millis(info.ms));
    EXPECT_EQ(callee.last<sip::Digit>()->leg, call.leg);
  }
  EXPECT_EQ(status_of(call.ask(callee, "INFO")), 200);  // a keep-alive
  EXPECT_EQ(status_of(call.ask(callee, "MESSAGE", "", "hi", "text/plain")), 405);
  EXPECT_EQ(status_of(call.ask(callee, "OPTIONS")), 200);
  EXPECT_EQ(status_of(call.ask(callee, "BYE")), 200);
  EXPECT_EQ(callee->open_legs(), 0u);
}

TEST(SofiaSip, AHangUpBeforeTheAckWaitsForIt) {
  Station callee(SipOptions{.t1 = 20ms, .t1x64 = 1s});
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  ASSERT_TRUE(peer.send(dialog.request("INVITE", "", kOffer)));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Invited>() == 1; }));
  callee->answer(callee.last<sip::Invited>()->leg, kAnswer);
  callee->hang_up(callee.last<sip::Invited>()->leg, "");
  ASSERT_TRUE(peer.wait_status({&callee}, 200));
  const auto again = peer.wait_status({&callee}, 200);
  ASSERT_TRUE(again);
  for (const std::string& message : peer.heard()) EXPECT_FALSE(message.starts_with("BYE")) << message;
  dialog.join(*again);
  ASSERT_TRUE(peer.send(dialog.request("ACK", "", "", "", 1)));
  const auto bye = peer.wait({&callee}, [](const std::string& m) { return m.starts_with("BYE"); });
  ASSERT_TRUE(bye);
  ASSERT_TRUE(peer.send(reply_to(*bye, 200, "")));
  ASSERT_TRUE(pump({&callee}, [&] { return callee.count<sip::Ended>() == 1; }));
  EXPECT_EQ(callee.count<sip::Established>(), 0);
  EXPECT_FALSE(callee.last<sip::Ended>()->by_peer);
}

}  // namespace
}  // namespace ivr::test

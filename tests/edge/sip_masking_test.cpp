#include <gtest/gtest.h>

#include "edge/sip_peer.hpp"
#include "ivr/sdp.hpp"

// Number masking: two people talk through us, and neither is told the other's number by anything we send.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

constexpr char kA[] = "15551230001", kB[] = "15559870002", kMask[] = "18005550100";

// A phone that puts its number wherever there is room.
struct Talker {
  Station& ivr;
  std::string number;
  RawPeer peer;
  MediaNegotiator media;
  LegId leg = 0;

  Talker(Station& with, std::string own, std::uint16_t port)
      : ivr(with),
        number(std::move(own)),
        peer(RawPeer::Kind::udp, with->local_address()),
        media(*MediaNegotiator::create({.local = {"127.0.0.1", port}, .session_id = port})) {}

  std::string contact() const {
    return "Contact: \"" + number + "\" <sip:" + number + "@127.0.0.1:" + std::to_string(peer.port()) +
           ";n=" + number + ">\r\n";
  }
  std::string headers() const {
    return contact() + "P-Asserted-Identity: <tel:+" + number + ">\r\nRemote-Party-ID: <sip:" + number +
           "@x>\r\nUser-Agent: " + number + "\r\nSubject: " + number + "\r\nOrganization: " + number +
           "\r\nX-Number: " + number + "\r\n";
  }
  std::string sdp() const {
    return "v=0\r\no=" + number + " 1 1 IN IP4 127.0.0.1\r\ns=" + number + "\r\ni=" + number +
           "\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0 101\r\na=rtpmap:101 "
           "telephone-event/8000\r\na=label:" +
           number + "\r\n";
  }
  std::string next(std::string_view start) {
    return peer.wait({&ivr}, [&](const std::string& m) { return m.starts_with(start); }).value_or("");
  }
  void heard_nothing_of(std::string_view other) const {
    EXPECT_GE(peer.heard().size(), 6u);
    for (const std::string& message : peer.heard()) {
      std::string digits;  // however they are set apart
      for (const char c : message)
        if (c >= '0' && c <= '9') digits += c;
      EXPECT_EQ(message.find(other), std::string::npos) << message;
      EXPECT_EQ(digits.find(other.substr(1)), std::string::npos) << message;
    }
  }
};

TEST(SofiaSip, NeitherSideOfAMaskedCallIsToldTheOthersNumber) {
  Station ivr;
  Talker a(ivr, kA, 9100), b(ivr, kB, 9200);
  RawDialog dialog(a.peer, ivr.uri(kMask));
  dialog.contact = a.headers();
  dialog.call_id = std::string(kA) + "-1@example.net";
  ASSERT_TRUE(a.peer.send(dialog.request("INVITE", "Supported: 100rel, timer\r\n", a.sdp())));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Invited>() == 1; }));
  a.leg = ivr.last<sip::Invited>()->leg;
  const std::string answer = a.media.answer(*ivr.last<sip::Invited>()->offer)->sdp;

  // To B, from the mask.
  b.leg = ivr->invite({.uri = std::string("sip:") + kB + "@127.0.0.1:" + std::to_string(b.peer.port()),
                       .from_uri = std::string("sip:") + kMask + "@127.0.0.1",
                       .from_display = "Support",
                       .sdp = b.media.offer()});
  const std::string invite = b.next("INVITE ");
  EXPECT_TRUE(
      header_of(invite, "From").starts_with(std::string("\"Support\" <sip:") + kMask + "@127.0.0.1>;tag="))
      << invite;
  ASSERT_TRUE(b.peer.send(reply_to(invite, 180, b.headers())));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Ringing>() == 1; }));
  ivr->ring(a.leg, 180, std::nullopt);
  ASSERT_TRUE(b.peer.send(reply_to(invite, 200, b.headers(), b.sdp())));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Answered>() == 1; }));
  EXPECT_TRUE(b.media.accept(ivr.last<sip::Answered>()->sdp).ok());
  EXPECT_NE(b.next("ACK "), "");
  ivr->answer(a.leg, answer);
  const auto ok = a.peer.wait_status({&ivr}, 200);
  ASSERT_TRUE(ok);
  dialog.join(*ok);
  ASSERT_TRUE(a.peer.send(dialog.request("ACK", "", "", "", 1)));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Established>() == 1; }));

  // A holds and asks for a transfer; B is offered anew, and referred; both are hung up with a reason.
  ASSERT_TRUE(a.peer.send(dialog.request("INVITE", "", a.sdp())));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Offered>() == 1; }));
  ivr->accept_offer(a.leg, a.media.answer(*ivr.last<sip::Offered>()->offer)->sdp);
  ASSERT_TRUE(a.peer.wait_status({&ivr}, 200));
  ASSERT_TRUE(a.peer.send(dialog.request("ACK", "", "", "", dialog.cseq)));
  ASSERT_TRUE(a.peer.send(dialog.request(
      "REFER", std::string("Refer-To: <sip:") + kA + "@x>\r\nReferred-By: <sip:" + kA + "@x>\r\n")));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Referred>() == 1; }));
  ivr->accept_refer(a.leg);
  const std::string notify = a.next("NOTIFY ");
  ASSERT_TRUE(a.peer.send(reply_to(notify, 200, a.contact())));
  ivr->notify_refer(a.leg, 503);
  ASSERT_TRUE(a.peer.send(reply_to(a.next("NOTIFY "), 200, a.contact())));
  ivr->offer(b.leg, b.media.offer());
  ASSERT_TRUE(b.peer.send(reply_to(b.next("INVITE "), 200, b.headers(), b.sdp())));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::OfferAnswered>() == 1; }));
  EXPECT_NE(b.next("ACK "), "");
  ivr->refer(b.leg, std::string("sip:") + kMask + "@127.0.0.1");
  ASSERT_TRUE(b.peer.send(reply_to(b.next("REFER "), 603, "")));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::ReferProgress>() == 1; }));
  ivr->hang_up(a.leg, "done");
  ivr->hang_up(b.leg, "done");
  ASSERT_TRUE(a.peer.send(reply_to(a.next("BYE "), 200, "")));
  ASSERT_TRUE(b.peer.send(reply_to(b.next("BYE "), 200, "")));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Ended>() == 2; }));

  a.heard_nothing_of(kB);
  b.heard_nothing_of(kA);
}

}  // namespace
}  // namespace ivr::test

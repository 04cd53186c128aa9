#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>

#include "edge/sip_peer.hpp"

// Bytes that nobody should send. After all of them a call still comes through, and no leg is left over.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

void expect_service(Station& callee) {
  Station caller;
  const auto react = std::exchange(callee.react, nullptr);
  const Call call = establish(caller, callee);
  caller->hang_up(call.caller, "");
  EXPECT_TRUE(pump({&caller, &callee}, [&] { return caller.count<sip::Ended>() == 1; }));
  callee.react = react;
}

// Every leg that the noise opened ends by itself: nothing is acknowledged.
void expect_silence(Station& callee) {
  EXPECT_TRUE(pump(
      {&callee}, [&] { return callee->open_legs() == 0; }, 10s));
  EXPECT_TRUE(callee.in_order());
}

void answer_everything(Station& callee) {
  callee.react = [&callee](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) {
      switch (invited->leg % 4) {
        case 0: callee->reject(invited->leg, 486, "", {}); break;
        case 1: callee->ring(invited->leg, 183, kAnswer); [[fallthrough]];
        default: callee->answer(invited->leg, kAnswer);
      }
    }
    if (const auto* offered = std::get_if<sip::Offered>(&event)) callee->accept_offer(offered->leg, kAnswer);
    if (const auto* established = std::get_if<sip::Established>(&event))
      if (established->leg % 3 == 0) callee->offer(established->leg, kHold);
  };
}

SipOptions short_timers() { return {.t1 = 20ms, .t1x64 = 400ms}; }

TEST(SofiaSip, OversizedAndTruncatedDatagramsDoNothing) {
  Station callee(short_timers());
  answer_everything(callee);
  RawPeer peer(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(peer, callee.uri());
  const std::string whole = dialog.request("INVITE", "", kOffer);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    peer.send(std::string_view(whole).substr(0, length));
    if (length % 16 == 0) callee->run(0us);
  }
  for (const std::size_t size : {1'000u, 10'000u, 65'000u}) {
    peer.send(std::string(size, 'A'));
    peer.send(dialog.request("OPTIONS", "X-Long: " + std::string(size - 600, 'a') + "\r\n"));
    peer.send(dialog.request("INVITE", "", std::string(size - 600, '\0')));
    std::string many;
    while (many.size() < size - 700) many += "Via: SIP/2.0/UDP a;branch=b\r\n";
    peer.send(dialog.request("OPTIONS", many));
    callee->run(1ms);
  }
  peer.send("\r\n\r\n");
  peer.send("\r\n");
  expect_silence(callee);
  expect_service(callee);
}

TEST(SofiaSip, RandomBytesDoNothing) {
  testing::internal::CaptureStderr();
  Station callee(short_timers());
  answer_everything(callee);
  std::mt19937 random(20260101);
  RawPeer udp(RawPeer::Kind::udp, callee->local_address());
  // STUN: a request, a response, a shared secret request. The library has a server for them on the SIP port.
  for (const char* type : {"\x00\x01", "\x01\x01", "\x00\x02"})
    udp.send(std::string(type, 2) + std::string(1, '\0') + '\0' + "\x21\x12\xA4\x42" + "123456789012");
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(random() % 600, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    udp.send(bytes);
    if (round % 50 == 0) {
      RawPeer tcp(RawPeer::Kind::tcp, callee->local_address());
      tcp.send(bytes);
      callee->run(1ms);
    }
  }
  expect_silence(callee);
  expect_service(callee);
  while (const auto reply = udp.receive()) EXPECT_EQ(status_of(*reply), 0) << *reply;
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// Messages that are nearly right: pieces exchanged, removed, doubled. IVR_SIP_SEED and IVR_SIP_ROUNDS look
// further.
TEST(SofiaSip, MutatedDialogsDoNothing) {
  const char* seed = std::getenv("IVR_SIP_SEED");
  const char* rounds = std::getenv("IVR_SIP_ROUNDS");
  std::mt19937 random(seed ? static_cast<unsigned>(std::atoi(seed)) : 1u);
  SCOPED_TRACE(std::string("seed ") + (seed ? seed : "1"));
  const auto pick = [&](const auto& list) { return list[random() % std::size(list)]; };
  static constexpr const char* kMethods[] = {"INVITE",  "INVITE", "INVITE", "ACK",  "BYE",   "CANCEL",
                                             "OPTIONS", "PRACK",  "UPDATE", "INFO", "REFER", "REGISTER"};
  static constexpr const char* kExtras[] = {"",
                                            "",
                                            "Supported: 100rel, timer\r\n",
                                            "Require: 100rel\r\n",
                                            "RAck: 1 1 INVITE\r\n",
                                            "Require: timer\r\n",
                                            "Session-Expires: 90;refresher=uas\r\n",
                                            "Session-Expires: 4294967295\r\n",
                                            "Min-SE: 4294967295\r\n",
                                            "Record-Route: <sip:127.0.0.1:9;lr>\r\n",
                                            "Record-Route: <sip:a@b?c=d>\r\n",
                                            "Route: <tel:1>\r\n",
                                            "Allow: UPDATE, \"\r\n",
                                            "Accept: \r\n",
                                            "Accept: ;q=1\r\n",
                                            "Replaces: a;to-tag=b;from-tag=c\r\n",
                                            "Content-Type: multipart/mixed;boundary=x\r\n",
                                            "Content-Type: \r\n",
                                            "Content-Encoding: x\r\n",
                                            "Content-Disposition: render\r\n",
                                            "Expires: 0\r\n",
                                            "Timestamp: 1.5\r\n",
                                            "Event: x\r\n",
                                            "Authorization: Digest\r\n",
                                            "Via: SIP/2.0/TCP x\r\n",
                                            "From: <tel:1>\r\n",
                                            "Contact: <sip:x@y>\r\n",
                                            "Refer-To: <sip:a>\r\n",
                                            "Max-Forwards: 0\r\n",
                                            "Call-ID: other\r\n",
                                            "Referred-By: <a:b>\r\n",
                                            "Unsupported: x\r\n",
                                            "Priority: \r\n",
                                            "Identity: x\r\n",
                                            "Proxy-Require: x\r\n",
                                            "Reason: SIP;cause=x\r\n"};
  static constexpr const char* kBodies[] = {
      "", kOffer, kOffer, "Signal=5\r\n", "v=0\r\n", "--x\r\n\r\n--x--"};
  static constexpr const char* kTypes[] = {"application/sdp", "application/sdp", "application/dtmf-relay",
                                           "a/b", "multipart/mixed;boundary=x"};
  static constexpr const char* kPieces[] = {"\r\n", "\n",   ",", ";",    "\"", "<",  ">",          "\\",
                                            "%00",  "@",    ":", "*",    " ",  "\t", "4294967296", "-1",
                                            "sip:", "tel:", "=", "\xff", "[",  "?"};
  Station callee(short_timers());
  answer_everything(callee);
  struct Talk {
    std::unique_ptr<RawPeer> peer;
    std::unique_ptr<RawDialog> dialog;
  };
  std::vector<Talk> talks;
  const int many = rounds ? std::atoi(rounds) : 3'000;
  for (int round = 0; round < many; ++round) {
    if (talks.size() < 8) {
      Talk talk;
      talk.peer = std::make_unique<RawPeer>(random() % 4 ? RawPeer::Kind::udp : RawPeer::Kind::tcp,
                                            callee->local_address());
      talk.dialog = std::make_unique<RawDialog>(*talk.peer, callee.uri());
      talks.push_back(std::move(talk));
    }
    Talk& talk = talks[random() % talks.size()];
    const std::string method = pick(kMethods);
    const std::string extra = std::string(pick(kExtras)) + pick(kExtras);
    const int cseq = random() % 3 ? 0 : 1 + static_cast<int>(random() % 4);
    std::string message = talk.dialog->request(method, extra, pick(kBodies), pick(kTypes), cseq);
    for (unsigned change = random() % 4; change > 1; --change) {
      const std::size_t at = random() % message.size();
      switch (random() % 3) {
        case 0: message.erase(at, random() % 12); break;
        case 1: message.insert(at, pick(kPieces)); break;
        case 2: message[at] = static_cast<char>(random()); break;
      }
    }
    talk.peer->send(message);
    callee->run(0us);
    while (const auto heard = talk.peer->receive()) {
      const std::string to = header_of(*heard, "To");
      if (status_of(*heard) > 100 && status_of(*heard) < 300 && to.find("tag=") != std::string::npos)
        talk.dialog->join(*heard);
      // What it asks of us is answered as oddly.
      if (status_of(*heard) == 0 && heard->find("CSeq") != std::string::npos && !heard->starts_with("ACK")) {
        std::string reply = reply_to(*heard, random() % 2 ? 200 : 100 + static_cast<int>(random() % 600),
                                     pick(kExtras), pick(kBodies));
        if (random() % 3 == 0) reply.insert(random() % reply.size(), pick(kPieces));
        talk.peer->send(reply);
      }
    }
    if (random() % 12 == 0 || talk.peer->closed())
      talks.erase(talks.begin() + static_cast<long>(&talk - &talks[0]));
  }
  const std::vector<sip::Event> events = callee.events;
  for (const sip::Event& event : events)
    if (const auto* up = std::get_if<sip::Established>(&event)) callee->hang_up(up->leg, "");
  talks.clear();
  expect_silence(callee);
  expect_service(callee);
}

TEST(SofiaSip, ATcpPeerThatSaysNothingOrTricklesDisturbsNobody) {
  Station callee(short_timers());
  answer_everything(callee);
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int n = 0; n < 100; ++n) {
    silent.push_back(std::make_unique<RawPeer>(RawPeer::Kind::tcp, callee->local_address()));
    callee->run(0us);
  }
  RawPeer slow(RawPeer::Kind::tcp, callee->local_address());
  RawDialog dialog(slow, callee.uri());
  const std::string request = replaced(dialog.request("OPTIONS"), {{"SIP/2.0/UDP", "SIP/2.0/TCP"}});
  for (const char byte : request) {
    ASSERT_TRUE(slow.send({&byte, 1}));
    callee->run(0us);
  }
  EXPECT_TRUE(slow.wait_status({&callee}, 200));
  RawPeer half(RawPeer::Kind::tcp, callee->local_address());
  half.send(request.substr(0, request.size() / 2));
  expect_service(callee);
  // A stream that never ends a message is cut off.
  RawPeer endless(RawPeer::Kind::tcp, callee->local_address());
  const std::string junk(8'192, 'x');
  endless.send("OPTIONS sip:a@b SIP/2.0\r\nX: ");
  ASSERT_TRUE(pump({&callee}, [&] {
    endless.send(junk);
    endless.receive();
    return endless.closed() || !endless.send("x");
  }));
  expect_silence(callee);
  expect_service(callee);
}

}  // namespace
}  // namespace ivr::test

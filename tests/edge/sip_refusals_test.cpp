#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <sstream>

#include "edge/sip_peer.hpp"

// Requests of the kinds that RFC 4475 has, written by hand. The RFC's own messages are sent to a whole
// server: tests/system/torture_test.py.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

bool allows(std::string_view allowed, int status) {
  std::stringstream words{std::string(allowed)};
  for (std::string word; std::getline(words, word, '|');) {
    if (word == "2xx" ? status / 100 == 2 : word == "none" ? status == 0 : std::to_string(status) == word)
      return true;
  }
  return false;
}

// The messages know no rport: a reply over UDP goes to the port in the Via.
constexpr std::uint16_t kViaPort = 9999, kAnyPort = 0;

// An address of this machine that nobody else uses, so that any port on it is free.
std::string own_address() {
  static std::atomic<unsigned> next{static_cast<unsigned>(getpid()) * 64};
  const unsigned n = ++next;
  return "127." + std::to_string(64 + n / 65'536 % 64) + "." + std::to_string(n / 256 % 256) + "." +
         std::to_string(n % 254 + 1);
}

// The final status, 0 if OPTIONS sent afterwards are answered first. Each on a stack of its own.
int final_status(RawPeer::Kind kind, const std::string& message, std::string* reply = nullptr) {
  Station callee(SipOptions{.t1 = 20ms, .t1x64 = 300ms});
  callee.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) callee->answer(invited->leg, kAnswer);
  };
  RawPeer peer(kind, callee->local_address(),
               {own_address(), kind == RawPeer::Kind::udp ? kViaPort : kAnyPort});
  EXPECT_TRUE(peer.send(message));
  RawPeer probe(RawPeer::Kind::udp, callee->local_address());
  RawDialog dialog(probe, callee.uri());
  for (int round = 0; round < 4; ++round) {
    EXPECT_TRUE(probe.send(dialog.request("OPTIONS")));
    EXPECT_TRUE(probe.wait_status({&callee}, 200));
    while (auto heard = peer.receive()) {
      if (status_of(*heard) < 200) continue;
      if (reply) *reply = *heard;
      return status_of(*heard);
    }
  }
  return 0;
}

struct Odd {
  const char* name;
  const char* line;     // the request line
  const char* headers;  // in place of Max-Forwards
  const char* cseq;
  const char* body;  // of application/sdp unless a header says otherwise
  const char* allowed;
  const char* reply_header = "";
};

constexpr Odd kOdd[] = {
    {"version", "OPTIONS sip:a@b SIP/3.0", "", "1 OPTIONS", "", "505"},
    {"newmethod", "BREW+TEA` sip:a@b SIP/2.0", "", "1 BREW+TEA`", "", "501", "Allow"},
    {"register", "REGISTER sip:b SIP/2.0", "", "1 REGISTER", "", "405", "Allow"},
    {"message", "MESSAGE sip:a@b SIP/2.0", "Content-Type: text/plain\r\n", "1 MESSAGE", "hi", "405", "Allow"},
    {"subscribe", "SUBSCRIBE sip:a@b SIP/2.0", "Event: presence\r\n", "1 SUBSCRIBE", "", "405", "Allow"},
    {"notify", "NOTIFY sip:a@b SIP/2.0", "Event: presence\r\n", "1 NOTIFY", "", "400"},
    {"publish", "PUBLISH sip:a@b SIP/2.0", "Event: presence\r\n", "1 PUBLISH", "", "405", "Allow"},
    {"refer", "REFER sip:a@b SIP/2.0", "Refer-To: <sip:c@d>\r\n", "1 REFER", "", "400"},
    {"scheme", "INVITE http://a/b SIP/2.0", "", "1 INVITE", kOffer, "416"},
    {"requires", "INVITE sip:a@b SIP/2.0", "Require: timetravel\r\n", "1 INVITE", kOffer, "420",
     "Unsupported"},
    {"body", "INVITE sip:a@b SIP/2.0", "Content-Type: text/xml\r\n", "1 INVITE", "<a/>", "415", "Accept"},
    {"coding", "INVITE sip:a@b SIP/2.0", "Content-Encoding: gzip\r\n", "1 INVITE", kOffer, "415"},
    {"accept", "INVITE sip:a@b SIP/2.0", "Accept: text/plain\r\n", "1 INVITE", kOffer, "406", "Accept"},
    {"acceptzero", "INVITE sip:a@b SIP/2.0", "Accept: application/sdp;q=0.0\r\n", "1 INVITE", kOffer, "406"},
    {"acceptall", "INVITE sip:a@b SIP/2.0", "Accept: */*\r\n", "1 INVITE", kOffer, "200"},
    {"acceptapplication", "INVITE sip:a@b SIP/2.0", "Accept: application/*\r\n", "1 INVITE", kOffer, "200"},
    {"interval", "INVITE sip:a@b SIP/2.0", "Supported: timer\r\nSession-Expires: 30\r\n", "1 INVITE", kOffer,
     "422", "Min-SE"},
    {"cseqmethod", "INVITE sip:a@b SIP/2.0", "", "1 OPTIONS", kOffer, "400"},
    {"cseqnumber", "OPTIONS sip:a@b SIP/2.0", "", "99999999999 OPTIONS", "", "400"},
    {"cseqminus", "OPTIONS sip:a@b SIP/2.0", "", "-1 OPTIONS", "", "400"},
    {"length", "INVITE sip:a@b SIP/2.0", "Content-Length: 99999\r\n", "1 INVITE", "", "400"},
    {"twofrom", "OPTIONS sip:a@b SIP/2.0", "From: <sip:x@y>;tag=2\r\n", "1 OPTIONS", "", "400"},
    {"bye", "BYE sip:a@b SIP/2.0", "", "1 BYE", "", "481"},
    {"cancel", "CANCEL sip:a@b SIP/2.0", "", "1 CANCEL", "", "481"},
    {"prack", "PRACK sip:a@b SIP/2.0", "RAck: 1 1 INVITE\r\n", "1 PRACK", "", "481"},
    {"update", "UPDATE sip:a@b SIP/2.0", "", "1 UPDATE", kOffer, "481"},
    {"info", "INFO sip:a@b SIP/2.0", "Content-Type: application/dtmf\r\n", "1 INFO", "5", "481"},
    {"ack", "ACK sip:a@b SIP/2.0", "", "1 ACK", "", "none"},
    {"emptyuri", "OPTIONS  SIP/2.0", "", "1 OPTIONS", "", "400|none"},
    {"options", "OPTIONS sip:a@b SIP/2.0", "", "1 OPTIONS", "", "200", "Allow"},
    {"optionsaccept", "OPTIONS sip:a@b SIP/2.0", "", "1 OPTIONS", "", "200", "Accept"},
    {"optionssupported", "OPTIONS sip:a@b SIP/2.0", "", "1 OPTIONS", "", "200", "Supported"},
};

TEST(SofiaSip, OddRequestsAreRefusedWithTheRightStatus) {
  for (const RawPeer::Kind kind : {RawPeer::Kind::udp, RawPeer::Kind::tcp}) {
    for (const Odd& odd : kOdd) {
      const bool udp = kind == RawPeer::Kind::udp;
      SCOPED_TRACE(std::string(odd.name) + (udp ? " udp" : " tcp"));
      if (!udp && odd.name == std::string_view("length")) continue;  // on a stream the rest may still come
      const std::string body = odd.body;
      const std::string_view headers = odd.headers;
      std::string message = std::string(odd.line) + "\r\nVia: SIP/2.0/" + (udp ? "UDP" : "TCP") +
                            " 127.0.0.1:" + std::to_string(kViaPort) + ";branch=z9hG4bK-odd-" + odd.name +
                            "\r\n" + odd.headers +
                            "From: <sip:x@y>;tag=1\r\nTo: <sip:a@b>\r\nContact: <sip:x@127.0.0.1>\r\n" +
                            "Call-ID: odd-" + odd.name + "\r\nCSeq: " + odd.cseq + "\r\n";
      if (!body.empty() && headers.find("Content-Type") == std::string_view::npos)
        message += "Content-Type: application/sdp\r\n";
      if (headers.find("Content-Length") == std::string_view::npos)
        message += "Content-Length: " + std::to_string(body.size()) + "\r\n";
      message += "\r\n" + body;
      std::string reply;
      const int status = final_status(kind, message, &reply);
      EXPECT_TRUE(allows(odd.allowed, status)) << status << " is not in " << odd.allowed << "\n" << reply;
      if (*odd.reply_header) {
        EXPECT_NE(header_of(reply, odd.reply_header), "") << reply;
      }
    }
  }
}

}  // namespace
}  // namespace ivr::test

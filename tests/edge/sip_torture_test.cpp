#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <span>
#include <sstream>

#include "edge/sip_peer.hpp"

// RFC 4475 and RFC 5118: what each message must be answered with. The messages themselves are not ours to
// ship; they are read when IVR_SIP_DATA (or ../shared/data/sip) has them. Hand-written ones of the same kinds
// always run.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

struct Expected {
  const char* file;
  const char* allowed;      // statuses a|b, "2xx"; "none": no reply; a trailing "|none" tolerates silence
  const char* header = "";  // that the reply must have
};

// The 505 of badvers and the 4xx of others are final statuses; provisional ones are passed over.
constexpr Expected kRfc4475[] = {
    {"wsinv", "481|404|2xx"},
    {"intmeth", "405|501"},
    {"esc01", "2xx|404|488"},
    {"escnull", "2xx|401|403|404|405|501"},
    {"esc02", "405|501"},
    {"lwsdisp", "200"},
    {"longreq", "2xx|404|488|513"},
    {"dblreq", "2xx|401|403|404|405|501"},
    {"semiuri", "200|404"},
    {"transports", "200"},
    {"mpart01", "2xx|405|415|501"},
    {"unreason", "none"},
    {"noreason", "none"},
    {"badinv01", "400|none"},
    {"clerr", "400"},
    {"ncl", "400"},
    {"scalar02", "400"},
    {"scalarlg", "none"},
    {"quotbal", "400"},
    {"ltgtruri", "400"},
    {"lwsruri", "400|none"},
    {"lwsstart", "400|2xx|404|488"},
    {"trws", "400|200"},
    {"escruri", "400|2xx|404|488"},
    {"baddate", "400|2xx|404|488"},
    {"regbadct", "400|405|501"},
    {"badaspec", "400|200"},
    {"baddn", "400|2xx|404|405"},
    {"baddn-terminated", "400|2xx|404|405"},
    {"badvers", "505"},
    {"mismatch01", "400"},
    {"mismatch02", "400|501"},
    {"bigcode", "none"},
    {"badbranch", "400|200"},
    {"insuf", "400"},
    {"unkscm", "416"},
    {"novelsc", "416"},
    {"unksm2", "400|405|501|403|404"},
    // bext01 is sent over TLS in the RFC; the edge has no TLS, and the refusal does not depend on it.
    {"bext01", "420", "Unsupported"},
    {"invut", "415", "Accept"},
    // A registrar would say 401 or 2xx to these; there is none here, so 405 (all RFC 4475 REGISTERs
    // likewise).
    {"regaut01", "401|403|405|501", "Allow"},
    {"multi01", "400"},
    {"mcl01", "400"},
    {"bcast", "none"},
    {"zeromf", "200|404"},
    {"cparam01", "2xx|401|403|404|405|501"},
    {"cparam02", "2xx|401|403|404|405|501"},
    {"regescrt", "2xx|401|403|404|405|501"},
    {"sdp01", "406"},
    {"inv2543", "2xx|404"}};

constexpr Expected kRfc5118[] = {{"ipv6-good", "2xx|401|403|404|405|501"},
                                 {"ipv6-bad", "400|none"},
                                 {"port-ambiguous", "2xx|401|403|404|405|501"},
                                 {"port-unambiguous", "2xx|401|403|404|405|501"},
                                 {"via-received-param-with-delim", "481"},
                                 {"via-received-param-no-delim", "200"},
                                 {"ipv6-in-sdp", "2xx|404|488"},
                                 {"mult-ip-in-header", "481"},
                                 {"mult-ip-in-sdp", "2xx|404|488"},
                                 {"ipv4-mapped-ipv6", "2xx|404|488"},
                                 {"ipv6-bug-abnf-3-colons", "400|200|404"},
                                 {"ipv6-correct-abnf-2-colons", "200|404"}};

std::string folder() {
  const char* given = std::getenv("IVR_SIP_DATA");
  return given ? given : IVR_SOURCE_DIR "/../shared/data/sip";
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool allows(std::string_view allowed, int status) {
  std::stringstream words{std::string(allowed)};
  for (std::string word; std::getline(words, word, '|');) {
    if (word == "2xx" ? status / 100 == 2 : word == "none" ? status == 0 : std::to_string(status) == word)
      return true;
  }
  return false;
}

// The port that a reply over UDP goes to: the messages know no rport, so it is the one of the top Via.
std::uint16_t via_port(std::string_view message) {
  std::size_t at = message.find("UDP");
  if (at == std::string_view::npos) return 0;
  at = message.find_first_not_of(" \t\r\n", at + 3);
  if (at != std::string_view::npos && message[at] == '[') at = message.find(']', at);
  at = at == std::string_view::npos ? at : message.find_first_of(":;, \r\n", at);
  if (at == std::string_view::npos || message[at] != ':') return 5060;
  return static_cast<std::uint16_t>(std::atoi(std::string(message.substr(at + 1, 6)).c_str()));
}

// An address of this machine that nobody else uses, so that any port on it is free.
std::string own_address() {
  static std::atomic<unsigned> next{static_cast<unsigned>(getpid()) * 64};
  const unsigned n = ++next;
  return "127." + std::to_string(64 + n / 65'536 % 64) + "." + std::to_string(n / 256 % 256) + "." +
         std::to_string(n % 254 + 1);
}

// The final status, 0 if OPTIONS sent afterwards are answered first. Each on a stack of its own: the messages
// share dialogs and branches.
int final_status(RawPeer::Kind kind, const std::string& message, std::string* reply = nullptr) {
  Station callee(SipOptions{.t1 = 20ms, .t1x64 = 300ms});
  callee.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) callee->answer(invited->leg, kAnswer);
  };
  const std::uint16_t port = kind == RawPeer::Kind::udp ? via_port(message) : 0;
  RawPeer peer(kind, callee->local_address(), {own_address(), port});
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

void check(const Expected& expected, const std::string& message) {
  SCOPED_TRACE(expected.file);
  const bool tcp = message.find("/TCP") != std::string::npos && message.find("/UDP") == std::string::npos;
  std::string reply;
  const int status = final_status(tcp ? RawPeer::Kind::tcp : RawPeer::Kind::udp, message, &reply);
  EXPECT_TRUE(allows(expected.allowed, status)) << status << " is not in " << expected.allowed << "\n"
                                                << reply;
  if (*expected.header) {
    EXPECT_NE(header_of(reply, expected.header), "") << reply;
  }
}

TEST(SofiaSip, Rfc4475AndRfc5118MessagesAreAnsweredAsTheyMust) {
  for (const auto& [rfc, list] : {std::pair("rfc4475", std::span<const Expected>(kRfc4475)),
                                  std::pair("rfc5118", std::span<const Expected>(kRfc5118))}) {
    for (const Expected& expected : list) {
      std::string message = contents(folder() + "/" + rfc + "/" + expected.file + ".dat");
      if (message.empty()) continue;  // the data folder is not there
      if (expected.file == std::string_view("bext01"))
        message = replaced(message, {{"SIP/2.0/TLS", "SIP/2.0/TCP"}});
      check(expected, message);
    }
  }
}

// Ours, of the same kinds.
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
    {"notify", "NOTIFY sip:a@b SIP/2.0", "Event: presence\r\n", "1 NOTIFY", "", "405", "Allow"},
    {"publish", "PUBLISH sip:a@b SIP/2.0", "Event: presence\r\n", "1 PUBLISH", "", "405", "Allow"},
    {"refer", "REFER sip:a@b SIP/2.0", "Refer-To: <sip:c@d>\r\n", "1 REFER", "", "405", "Allow"},
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
                            " 127.0.0.1:9999;branch=z9hG4bK-odd-" + odd.name + "\r\n" + odd.headers +
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

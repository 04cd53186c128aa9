#include "ivr/sdp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const Address kLocal{"127.0.0.1", 10000};

MediaNegotiator negotiator(NegotiatorOptions options = {}) {
  if (options.local.ip.empty()) options.local = kLocal;
  return *MediaNegotiator::create(options);
}

// An offer with the usual head and these lines from m= on.
std::string offer_of(const std::string& media, const std::string& ip = "192.0.2.5") {
  return "v=0\r\no=bob 1 1 IN IP4 " + ip + "\r\ns=-\r\nc=IN IP4 " + ip + "\r\nt=0 0\r\n" + media;
}

const std::string kPhone = offer_of(
    "m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 "
    "0-15\r\na=ptime:20\r\na=sendrecv\r\n");

std::string line_of(const std::string& sdp, const std::string& start) {
  const auto at = sdp.find("\r\n" + start);
  return at == std::string::npos ? "" : sdp.substr(at + 2, sdp.find("\r\n", at + 2) - at - 2);
}

std::vector<std::string> media_lines(const std::string& sdp) {
  std::vector<std::string> lines;
  for (auto at = sdp.find("\r\nm="); at != std::string::npos; at = sdp.find("\r\nm=", at + 2)) {
    lines.push_back(sdp.substr(at + 2, sdp.find("\r\n", at + 2) - at - 2));
  }
  return lines;
}

// --------------------------------------------------------------------------------------- answering

TEST(MediaNegotiator, AnswersAPhone) {
  const auto answer = negotiator({.session_id = 77}).answer(kPhone);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->sdp,
            "v=0\r\no=- 77 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=audio 10000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 "
            "telephone-event/8000\r\na=fmtp:101 0-15\r\n"
            "a=ptime:20\r\na=sendrecv\r\n");
  EXPECT_EQ(answer->remote.address, (Address{"192.0.2.5", 49170}));
  EXPECT_EQ(answer->remote.codec, Codec::pcma);
  EXPECT_EQ(answer->remote.payload_type, 8);
  EXPECT_EQ(answer->remote.telephone_event_type, 101);
  EXPECT_EQ(answer->remote.receive_payload_type, -1);
  EXPECT_TRUE(answer->remote.send && answer->remote.receive);
  EXPECT_EQ(answer->remote.rtcp.port, 0);
}

TEST(MediaNegotiator, PrefersTheOfferersOrderUnlessTold) {
  EXPECT_EQ(negotiator().answer(kPhone)->remote.codec, Codec::pcma);
  EXPECT_EQ(negotiator({.prefer_ours = true}).answer(kPhone)->remote.codec, Codec::pcmu);
  EXPECT_EQ(negotiator({.codecs = {Codec::pcmu}}).answer(kPhone)->remote.codec, Codec::pcmu);
}

TEST(MediaNegotiator, Rfc3551_KnowsStaticPayloadTypesWithoutRtpmap) {
  EXPECT_EQ(negotiator().answer(offer_of("m=audio 4000 RTP/AVP 0\r\n"))->remote.codec, Codec::pcmu);
  EXPECT_EQ(negotiator().answer(offer_of("m=audio 4000 RTP/AVP 8\r\n"))->remote.codec, Codec::pcma);
  EXPECT_FALSE(negotiator().answer(offer_of("m=audio 4000 RTP/AVP 11\r\n")).ok());  // L16 at 44.1 kHz
  EXPECT_FALSE(negotiator().answer(offer_of("m=audio 4000 RTP/AVP 18 3 9\r\n")).ok());
}

TEST(MediaNegotiator, Rfc8866_6_6_AnRtpmapHasTheLastWord) {
  const struct {
    const char* map;
    bool ok;
    Codec codec;
  } kCases[] = {
      {"L16/8000", true, Codec::l16},
      {"l16/8000/1", true, Codec::l16},
      {"L16/16000", false, {}},
      {"L16/8000/2", false, {}},
      {"pcmu/8000", true, Codec::pcmu},
      {"PCMA/8000", true, Codec::pcma},
      {"PCMA", false, {}},
      {"opus/48000/2", false, {}},
      {"L16/8000000000000000000000", false, {}},
  };
  for (const auto& c : kCases) {
    const auto answer = negotiator().answer(
        offer_of("m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 " + std::string(c.map) + "\r\n"));
    ASSERT_EQ(answer.ok(), c.ok) << c.map;
    if (!c.ok) continue;
    EXPECT_EQ(answer->remote.codec, c.codec) << c.map;
    EXPECT_EQ(answer->remote.payload_type, 97) << c.map;
    EXPECT_EQ(line_of(answer->sdp, "m="), "m=audio 10000 RTP/AVP 97") << c.map;
  }
  EXPECT_FALSE(negotiator().answer(offer_of("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 G726-32/8000\r\n")).ok());
}

TEST(MediaNegotiator, IgnoresPayloadNumbersThatAreNone) {
  EXPECT_FALSE(negotiator()
                   .answer(offer_of("m=audio 4000 RTP/AVP 128 4294967296 99999999999999999999 x -0\r\n"))
                   .ok());
  EXPECT_EQ(negotiator().answer(offer_of("m=audio 4000 RTP/AVP 4294967304 x 8\r\n"))->remote.payload_type, 8);
}

TEST(MediaNegotiator, Rfc4733_2_4_1_KeepsTheOfferersEventNumberAndKnownEvents) {
  const struct {
    const char* attributes;
    int type;
    const char* fmtp;
  } kCases[] = {
      {"a=rtpmap:96 telephone-event/8000\r\n", 96, "a=fmtp:96 0-15"},
      {"a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n", 96, "a=fmtp:96 0-15"},
      {"a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n", 96, "a=fmtp:96 0-16"},
      {"a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15,16,32-49,70\r\n", 96, "a=fmtp:96 0-16"},
      {"a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 events=0-11\r\n", 96, "a=fmtp:96 0-11"},
      {"a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 1,3,5-6\r\n", 96, "a=fmtp:96 1,3,5-6"},
      {"a=rtpmap:96 TELEPHONE-EVENT/8000/1\r\na=fmtp:96 0-4294967295,7\r\n", 96, "a=fmtp:96 7"},
      {"a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 32-49\r\n", -1, ""},
      {"a=rtpmap:96 telephone-event/48000\r\na=fmtp:96 0-15\r\n", -1, ""},
      {"", -1, ""},
  };
  for (const auto& c : kCases) {
    const auto answer =
        negotiator().answer(offer_of("m=audio 4000 RTP/AVP 0 96\r\n" + std::string(c.attributes)));
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->remote.telephone_event_type, c.type) << c.attributes;
    EXPECT_EQ(line_of(answer->sdp, "a=fmtp"), c.fmtp) << c.attributes;
    EXPECT_EQ(line_of(answer->sdp, "m="),
              c.type < 0 ? "m=audio 10000 RTP/AVP 0" : "m=audio 10000 RTP/AVP 0 96")
        << c.attributes;
  }
  EXPECT_EQ(negotiator({.telephone_event = false}).answer(kPhone)->remote.telephone_event_type, -1);
}

TEST(MediaNegotiator, TakesTheEventFormatOnItsClock) {
  const auto answer =
      negotiator().answer(offer_of("m=audio 4000 RTP/AVP 0 100 101\r\na=rtpmap:100 telephone-event/48000\r\n"
                                   "a=rtpmap:101 telephone-event/8000\r\n"));
  EXPECT_EQ(answer->remote.telephone_event_type, 101);
}

TEST(MediaNegotiator, PtimeIsTakenFrom10To60AndWeSay20) {
  const struct {
    const char* line;
    Millis expected;
  } kCases[] = {{"", 20ms},
                {"a=ptime:10\r\n", 10ms},
                {"a=ptime:30\r\n", 30ms},
                {"a=ptime:60\r\n", 60ms},
                {"a=ptime:0\r\n", 20ms},
                {"a=ptime:9\r\n", 20ms},
                {"a=ptime:200\r\n", 20ms},
                {"a=ptime:-20\r\n", 20ms},
                {"a=ptime:99999999999\r\n", 20ms},
                {"a=ptime:x\r\n", 20ms}};
  for (const auto& c : kCases) {
    const auto answer = negotiator().answer(offer_of("m=audio 4000 RTP/AVP 0\r\n" + std::string(c.line)));
    EXPECT_EQ(answer->remote.packet_time, c.expected) << c.line;
    EXPECT_THAT(answer->sdp, HasSubstr("a=ptime:20\r\n"));
  }
}

TEST(MediaNegotiator, Rfc3605_TellsTheRtcpAddress) {
  const struct {
    const char* line;
    Address expected;
  } kCases[] = {{"", {}},
                {"a=rtcp:53020\r\n", {"192.0.2.5", 53020}},
                {"a=rtcp:53020 IN IP4 126.16.64.4\r\n", {"126.16.64.4", 53020}},
                {"a=rtcp:53020 IN IP6 2001:db8::1\r\n", {}},
                {"a=rtcp:53020 IN IP4 host.example.com\r\n", {}},
                {"a=rtcp:53020 IN IP4 224.2.1.1\r\n", {}},
                {"a=rtcp:70000\r\n", {}},
                {"a=rtcp:0\r\n", {}},
                {"a=rtcp\r\n", {}}};
  for (const auto& c : kCases) {
    EXPECT_EQ(negotiator().answer(offer_of("m=audio 4000 RTP/AVP 0\r\n" + std::string(c.line)))->remote.rtcp,
              c.expected)
        << c.line;
  }
}

TEST(MediaNegotiator, Rfc3264_6_AnswersEveryMediaLineInOrder) {
  const auto answer =
      negotiator().answer(offer_of("m=video 6000 RTP/AVP 31\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 "
                                   "RTP/AVP 18 0\r\nm=audio 4004 RTP/AVP 0\r\n"
                                   "m=application 5000 TCP/BFCP *\r\nm=audio 0 RTP/AVP 8\r\n"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(media_lines(answer->sdp),
              ElementsAre("m=video 0 RTP/AVP 31", "m=audio 0 RTP/SAVP 0", "m=audio 10000 RTP/AVP 0",
                          "m=audio 0 RTP/AVP 0", "m=application 0 TCP/BFCP *", "m=audio 0 RTP/AVP 8"));
  EXPECT_EQ(answer->remote.address.port, 4002);
}

TEST(MediaNegotiator, Rfc3264_6_TheAnswerKeepsTheTime) {
  const auto answer = negotiator().answer(
      "v=0\r\nc=IN IP4 192.0.2.1\r\nt=3338481189 3370017201\r\nm=audio 4000 RTP/AVP 0\r\n");
  EXPECT_EQ(line_of(answer->sdp, "t="), "t=3338481189 3370017201");
}

TEST(MediaNegotiator, RefusesWithAReasonWhatItCannotTake) {
  const struct {
    std::string text, reason;
  } kCases[] = {
      {offer_of(""), "no m= line"},
      {offer_of("m=audio 4000 RTP/SAVP 0\r\n"), "'RTP/SAVP' is not RTP/AVP"},
      {offer_of("m=audio 4000 RTP/AVPF 0\r\n"), "'RTP/AVPF' is not RTP/AVP"},
      {offer_of("m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n"), "is not RTP/AVP"},
      {offer_of("m=audio 4000 RTP/AVP 18\r\n"), "no common codec; we take PCMU/8000, PCMA/8000, L16/8000"},
      {offer_of("m=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n"), "no common codec"},
      {offer_of("m=audio 0 RTP/AVP 0\r\n"), "port 0"},
      {offer_of("m=video 4000 RTP/AVP 31\r\n"), "'video' is not audio"},
      {offer_of("m=audio 4000 RTP/AVP 0\r\n", "phone.example.com"),
       "'phone.example.com' is not an IPv4 address; host names are not looked up"},
      {offer_of("m=audio 4000 RTP/AVP 0\r\n", "300.1.1.1"), "'300.1.1.1'"},
      {offer_of("m=audio 4000 RTP/AVP 0\r\n", "224.2.36.42/127"), "multicast"},
      {"v=0\r\nm=audio 4000 RTP/AVP 0\r\n", "no c= line"},
      {"v=0\r\nc=IN IP6 2001:db8::1\r\nm=audio 4000 RTP/AVP 0\r\n", "we are IP4 only"},
      {"v=0\r\nc=IN IP6 ::ffff:192.0.2.2\r\nm=audio 4000 RTP/AVP 0\r\n", "we are IP4 only"},
  };
  for (const auto& c : kCases) {
    const auto answer = negotiator().answer(c.text);
    EXPECT_EQ(answer.status().code(), absl::StatusCode::kFailedPrecondition) << c.text;
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr(c.reason)) << c.text;
  }
}

TEST(MediaNegotiator, Rfc5118_4_8_TakesTheIp4StreamAndRefusesTheIp6One) {
  const std::string text =
      "v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\nm=audio 22334 RTP/AVP "
      "0\r\nc=IN IP4 192.0.2.1\r\n"
      "m=audio 6024 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n";
  EXPECT_THAT(media_lines(negotiator().answer(text)->sdp),
              ElementsAre("m=audio 10000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"));
  const auto six = negotiator({.local = {"2001:db8::7", 10000}}).answer(text);
  ASSERT_TRUE(six.ok()) << six.status();
  EXPECT_THAT(media_lines(six->sdp), ElementsAre("m=audio 0 RTP/AVP 0", "m=audio 10000 RTP/AVP 0"));
  EXPECT_EQ(line_of(six->sdp, "c="), "c=IN IP6 2001:db8::7");
  EXPECT_EQ(six->remote.address, (Address{"2001:db8::1", 6024}));
}

TEST(MediaNegotiator, Rfc3264_8_4_HoldsAndResumes) {
  const struct {
    const char* ip;
    const char* line;
    const char* answer;
    bool send, receive;
  } kCases[] = {
      {"192.0.2.5", "", "a=sendrecv", true, true},
      {"192.0.2.5", "a=sendonly\r\n", "a=recvonly", false, true},
      {"192.0.2.5", "a=recvonly\r\n", "a=sendonly", true, false},
      {"192.0.2.5", "a=inactive\r\n", "a=inactive", false, false},
      {"0.0.0.0", "", "a=recvonly", false, true},
      {"0.0.0.0", "a=sendonly\r\n", "a=recvonly", false, true},
      {"0.0.0.0", "a=recvonly\r\n", "a=inactive", false, false},
      {"0.0.0.0", "a=inactive\r\n", "a=inactive", false, false},
      {"192.0.2.5", "a=sendrecv\r\n", "a=sendrecv", true, true},
  };
  auto leg = negotiator();  // one leg through them all
  for (const auto& c : kCases) {
    const auto answer = leg.answer(offer_of("m=audio 4000 RTP/AVP 0\r\n" + std::string(c.line), c.ip));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_THAT(answer->sdp, HasSubstr(c.answer)) << c.ip << ' ' << c.line;
    EXPECT_EQ(answer->remote.send, c.send) << c.ip << ' ' << c.line;
    EXPECT_EQ(answer->remote.receive, c.receive) << c.ip << ' ' << c.line;
  }
}

TEST(MediaNegotiator, TakesTheDirectionOfTheSessionUnlessTheSectionHasOne) {
  const std::string head = "v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\nm=audio 4000 RTP/AVP 0\r\n";
  EXPECT_FALSE(negotiator().answer(head)->remote.receive);
  EXPECT_TRUE(negotiator().answer(head + "a=sendrecv\r\n")->remote.receive);
}

TEST(MediaNegotiator, NeverGivesMoreThanWasOfferedOrWanted) {
  auto leg = negotiator();
  EXPECT_THAT(leg.answer(kPhone, MediaDirection::recvonly)->sdp, HasSubstr("a=recvonly"));
  EXPECT_THAT(leg.answer(kPhone, MediaDirection::inactive)->sdp, HasSubstr("a=inactive"));
  EXPECT_THAT(leg.answer(offer_of("m=audio 4000 RTP/AVP 0\r\na=sendonly\r\n"), MediaDirection::sendonly)->sdp,
              HasSubstr("a=inactive"));
}

TEST(MediaNegotiator, Rfc3264_8_TheVersionRisesExactlyWhenTheBodyChanges) {
  auto leg = negotiator({.session_id = 5});
  const auto origin = [](const std::string& sdp) { return line_of(sdp, "o="); };
  const std::string hold =
      offer_of("m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n");
  EXPECT_EQ(origin(leg.answer(kPhone)->sdp), "o=- 5 1 IN IP4 127.0.0.1");
  EXPECT_EQ(origin(leg.answer(kPhone)->sdp), "o=- 5 1 IN IP4 127.0.0.1");  // a session refresh
  EXPECT_EQ(origin(leg.answer(hold)->sdp), "o=- 5 2 IN IP4 127.0.0.1");
  EXPECT_FALSE(leg.answer("v=0\r\n").ok());
  EXPECT_EQ(origin(leg.answer(hold)->sdp), "o=- 5 2 IN IP4 127.0.0.1");
  EXPECT_EQ(origin(leg.answer(kPhone)->sdp), "o=- 5 3 IN IP4 127.0.0.1");
  ASSERT_TRUE(leg.set_local({"127.0.0.1", 10002}).ok());
  EXPECT_EQ(origin(leg.answer(kPhone)->sdp), "o=- 5 4 IN IP4 127.0.0.1");
}

TEST(MediaNegotiator, ChangesTheCodecMidCall) {
  auto leg = negotiator();
  EXPECT_EQ(leg.answer(offer_of("m=audio 4000 RTP/AVP 0\r\n"))->remote.codec, Codec::pcmu);
  EXPECT_EQ(leg.answer(offer_of("m=audio 4000 RTP/AVP 8\r\n"))->remote.codec, Codec::pcma);
  EXPECT_EQ(leg.answer(offer_of("m=audio 4000 RTP/AVP 98\r\na=rtpmap:98 L16/8000\r\n"))->remote.payload_type,
            98);
  EXPECT_FALSE(leg.answer(offer_of("m=audio 4000 RTP/AVP 18\r\n")).ok());  // and the call goes on as it was
  EXPECT_EQ(line_of(leg.offer(), "m="), "m=audio 10000 RTP/AVP 0 8 98 101");
}

TEST(MediaNegotiator, AReofferKeepsTheStreamThatCarriesTheCall) {
  auto leg = negotiator();
  const std::string first = "m=audio 0 RTP/AVP 0\r\n", second = "m=audio 4002 RTP/AVP 0\r\n";
  EXPECT_EQ(leg.answer(offer_of(first + second))->remote.address.port, 4002);
  EXPECT_EQ(leg.answer(offer_of("m=audio 4000 RTP/AVP 0\r\n" + second))->remote.address.port, 4002);
  EXPECT_EQ(leg.answer(offer_of("m=audio 4000 RTP/AVP 0\r\nm=audio 0 RTP/AVP 0\r\n"))->remote.address.port,
            4000);
}

// ---------------------------------------------------------------------------------------- offering

TEST(MediaNegotiator, OffersAllCodecsAndEvents) {
  EXPECT_EQ(negotiator({.session_id = 9}).offer(),
            "v=0\r\no=- 9 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP "
            "0 8 97 101\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:97 L16/8000\r\na=rtpmap:101 "
            "telephone-event/8000\r\n"
            "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n");
  const Codec one[] = {Codec::pcma};
  EXPECT_EQ(line_of(negotiator({.telephone_event = false}).offer(one), "m="), "m=audio 10000 RTP/AVP 8");
}

TEST(MediaNegotiator, UnderstandsItsOwnOfferAndAnswer) {
  auto caller = negotiator(), called = negotiator({.local = {"127.0.0.2", 20000}});
  const auto answer = called.answer(caller.offer());
  ASSERT_TRUE(answer.ok()) << answer.status();
  const auto remote = caller.accept(answer->sdp);
  ASSERT_TRUE(remote.ok()) << remote.status();
  EXPECT_EQ(remote->address, (Address{"127.0.0.2", 20000}));
  EXPECT_EQ(remote->codec, Codec::pcmu);
  EXPECT_EQ(remote->telephone_event_type, 101);
  EXPECT_TRUE(remote->send && remote->receive);
}

TEST(MediaNegotiator, TakesTheFirstOfferedCodecOfAnAnswer) {
  auto leg = negotiator({.codecs = {Codec::pcmu, Codec::pcma}});
  leg.offer();
  const auto remote = leg.accept(offer_of("m=audio 4000 RTP/AVP 18 97 8 0\r\na=rtpmap:97 L16/8000\r\n"));
  ASSERT_TRUE(remote.ok()) << remote.status();
  EXPECT_EQ(remote->codec, Codec::pcma);
  EXPECT_EQ(remote->telephone_event_type, -1);
}

TEST(MediaNegotiator, Rfc3264_6_1_AnAnswerMayNumberThingsOtherwise) {
  auto leg = negotiator();
  leg.offer();
  const auto remote = leg.accept(offer_of(
      "m=audio 4000 RTP/AVP 110 96\r\na=rtpmap:110 L16/8000\r\na=rtpmap:96 telephone-event/8000\r\n"));
  ASSERT_TRUE(remote.ok()) << remote.status();
  EXPECT_EQ(remote->payload_type, 110);
  EXPECT_EQ(remote->receive_payload_type, 97);
  EXPECT_EQ(remote->telephone_event_type, 96);
  EXPECT_EQ(remote->receive_telephone_event_type, 101);
}

TEST(MediaNegotiator, AcceptsTheAnswerOfA183AndOfThe200) {
  auto leg = negotiator();
  leg.offer();
  EXPECT_EQ(leg.accept(offer_of("m=audio 4000 RTP/AVP 0\r\n"))->address.port, 4000);
  EXPECT_EQ(leg.accept(offer_of("m=audio 5000 RTP/AVP 8\r\n"))->address.port, 5000);
}

TEST(MediaNegotiator, RefusesAnswersThatAreNone) {
  const struct {
    std::string text;
    absl::StatusCode code;
  } kCases[] = {
      {"hello", absl::StatusCode::kInvalidArgument},
      {offer_of(""), absl::StatusCode::kInvalidArgument},
      {offer_of("m=audio 0 RTP/AVP 0\r\n"), absl::StatusCode::kFailedPrecondition},
      {offer_of("m=video 4000 RTP/AVP 0\r\n"), absl::StatusCode::kFailedPrecondition},
      {offer_of("m=audio 4000 RTP/SAVP 0\r\n"), absl::StatusCode::kFailedPrecondition},
      {offer_of("m=audio 4000 RTP/AVP 18\r\n"), absl::StatusCode::kFailedPrecondition},
      {offer_of("m=audio 4000 RTP/AVP 0\r\n", "host.example.com"), absl::StatusCode::kFailedPrecondition},
  };
  for (const auto& c : kCases) {
    auto leg = negotiator();
    leg.offer();
    EXPECT_EQ(leg.accept(c.text).status().code(), c.code) << c.text;
    EXPECT_TRUE(leg.accept(offer_of("m=audio 4000 RTP/AVP 0\r\n")).ok())
        << "the offer stands after " << c.text;
  }
  EXPECT_EQ(negotiator().accept(kPhone).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(MediaNegotiator, Rfc3264_8_OurReofferKeepsLinesAndNumbersOfTheSession) {
  auto leg = negotiator({.codecs = {Codec::pcmu, Codec::l16}});
  ASSERT_TRUE(
      leg.answer(offer_of("m=video 6000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\nm=audio 4000 RTP/AVP 0 96\r\n"
                          "a=rtpmap:96 telephone-event/8000\r\n"))
          .ok());
  const auto again = leg.offer({}, MediaDirection::sendonly);
  EXPECT_THAT(media_lines(again), ElementsAre("m=video 0 RTP/AVP 97", "m=audio 10000 RTP/AVP 0 98 96"));
  EXPECT_THAT(again, HasSubstr("a=sendonly\r\n"));
  const auto held =
      leg.accept(offer_of("m=video 0 RTP/AVP 97\r\nm=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 "
                          "telephone-event/8000\r\na=recvonly\r\n"));
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_TRUE(held->send);
  EXPECT_FALSE(held->receive);
  EXPECT_EQ(leg.accept(offer_of("m=audio 4000 RTP/AVP 0\r\n")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(MediaNegotiator, AHeldPeerThatAnswersSendrecvIsStillHeld) {
  auto leg = negotiator();
  leg.offer({}, MediaDirection::inactive);
  const auto remote = leg.accept(kPhone);
  EXPECT_FALSE(remote->send || remote->receive);
}

TEST(MediaNegotiator, RefusesALocalAddressThatIsNone) {
  EXPECT_FALSE(MediaNegotiator::create({.local = {"localhost", 10000}}).ok());
  EXPECT_FALSE(MediaNegotiator::create({.local = {"127.0.0.1", 0}}).ok());
  EXPECT_FALSE(MediaNegotiator::create({.local = kLocal, .codecs = {}}).ok());
  EXPECT_FALSE(negotiator().set_local({"", 1}).ok());
}

TEST(MediaNegotiator, NothingFromThePeerGetsIntoOurLinesUnasked) {
  const auto answer = negotiator().answer(
      offer_of("m=audio 4000 RTP/AVP 0\r\na=crypto:1 x\r\na=candidate:1\r\na=rtcp-mux\r\ni=<script>\r\n"));
  EXPECT_THAT(answer->sdp, Not(HasSubstr("crypto")));
  EXPECT_THAT(answer->sdp, Not(HasSubstr("candidate")));
  EXPECT_THAT(answer->sdp, Not(HasSubstr("mux")));
}

// ---------------------------------------------------------------------------------- wide-band codecs

NegotiatorOptions all_codecs() {
  return {.codecs = {Codec::pcmu, Codec::pcma, Codec::g722, Codec::opus, Codec::l16, Codec::l16_wide},
          .comfort_noise = true};
}

TEST(MediaNegotiator, OffersEachCodecAtItsClockAndEventsForEachClock) {
  EXPECT_EQ(negotiator(all_codecs()).offer(),
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=audio 10000 RTP/AVP 0 8 9 111 97 98 13 101 96 99\r\n"
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n"
            "a=rtpmap:111 opus/48000/2\r\n"
            "a=fmtp:111 maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1\r\n"
            "a=rtpmap:97 L16/8000\r\na=rtpmap:98 L16/16000\r\na=rtpmap:13 CN/8000\r\n"
            "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
            "a=rtpmap:96 telephone-event/16000\r\na=fmtp:96 0-15\r\n"
            "a=rtpmap:99 telephone-event/48000\r\na=fmtp:99 0-15\r\na=ptime:20\r\na=sendrecv\r\n");
  const Codec one[] = {Codec::opus};
  EXPECT_EQ(line_of(negotiator(all_codecs()).offer(one), "m="), "m=audio 10000 RTP/AVP 111 101");
}

TEST(MediaNegotiator, EachCodecIsAgreedBetweenTwoOfUs) {
  for (const Codec codec : all_codecs().codecs) {
    const std::string name(format_of(codec).name);
    auto caller = negotiator({.codecs = {codec}, .comfort_noise = true}), called = negotiator(all_codecs());
    const auto answer = called.answer(caller.offer());
    ASSERT_TRUE(answer.ok()) << answer.status();
    const auto remote = caller.accept(answer->sdp);
    ASSERT_TRUE(remote.ok()) << remote.status();
    const bool telephone_clock = format_of(codec).clock_hz == 8000;
    for (const RemoteMedia* side : {&answer->remote, &*remote}) {
      EXPECT_EQ(side->codec, codec) << name;
      EXPECT_EQ(side->payload_type, format_of(codec).preferred_type) << name;
      EXPECT_EQ(side->receive_payload_type, -1) << name;
      EXPECT_EQ(side->telephone_event_type, 101) << name;
      EXPECT_EQ(side->telephone_event_clock_hz, format_of(codec).clock_hz) << name;
      EXPECT_EQ(side->comfort_noise_type, telephone_clock ? 13 : -1) << name;
      EXPECT_EQ(side->wishes.fec, codec == Codec::opus) << name;
      EXPECT_EQ(side->wishes.max_playback_hz, codec == Codec::opus ? 16000 : 0) << name;
    }
  }
}

TEST(MediaNegotiator, Rfc3551_4_5_2_G722HasPayloadNumber9AndAClockOf8kHz) {
  const struct {
    const char* media;
    bool ok;
  } kCases[] = {
      {"m=audio 4000 RTP/AVP 9\r\n", true},
      {"m=audio 4000 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n", true},
      {"m=audio 4000 RTP/AVP 9\r\na=rtpmap:9 g722/8000/1\r\n", true},
      {"m=audio 4000 RTP/AVP 9\r\na=rtpmap:9 G722/16000\r\n", false},
      {"m=audio 4000 RTP/AVP 109\r\na=rtpmap:109 G722/8000\r\n", true},
  };
  for (const auto& c : kCases)
    EXPECT_EQ(negotiator(all_codecs()).answer(offer_of(c.media)).ok(), c.ok) << c.media;
}

TEST(MediaNegotiator, Rfc7587_OpusIsAlwaysOpus48000_2AndItsWishesAreRead) {
  const struct {
    const char* map;
    const char* fmtp;
    bool ok;
    CodecWishes wishes;
  } kCases[] = {
      {"opus/48000/2", "", true, {}},
      {"OPUS/48000/2", "useinbandfec=1", true, {.fec = true}},
      {"opus/48000/2", "minptime=10; useinbandfec=1; stereo=1;usedtx=1", true, {.fec = true}},
      {"opus/48000/2",
       "maxplaybackrate=8000; sprop-maxcapturerate=8000; maxaveragebitrate=20000;cbr=1",
       true,
       {.constant_bit_rate = true, .max_bit_rate = 20000, .max_playback_hz = 8000}},
      {"opus/48000/2",
       ";;=;useinbandfec;useinbandfec=x;maxaveragebitrate=99999999999;cbr=1",
       true,
       {.constant_bit_rate = true}},
      {"opus/48000", "", false, {}},
      {"opus/48000/1", "", false, {}},
      {"opus/16000/2", "", false, {}},
  };
  for (const auto& c : kCases) {
    const auto answer = negotiator(all_codecs())
                            .answer(offer_of("m=audio 4000 RTP/AVP 120\r\na=rtpmap:120 " +
                                             std::string(c.map) + "\r\na=fmtp:120 " + c.fmtp + "\r\n"));
    ASSERT_EQ(answer.ok(), c.ok) << c.map;
    if (!c.ok) continue;
    EXPECT_EQ(answer->remote.codec, Codec::opus);
    EXPECT_EQ(answer->remote.payload_type, 120);
    EXPECT_EQ(answer->remote.wishes, c.wishes) << c.fmtp;
    EXPECT_EQ(line_of(answer->sdp, "a=rtpmap"), "a=rtpmap:120 opus/48000/2");
  }
}

TEST(MediaNegotiator, Rfc4733_EventsAreTakenAtTheClockOfTheCodec) {
  const std::string maps =
      "a=rtpmap:111 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:110 "
      "telephone-event/48000\r\n";
  const struct {
    const char* formats;
    int type, clock_hz;
  } kCases[] = {
      {"111 0 101 110", 110, 48000}, {"111 0 110 101", 110, 48000}, {"0 111 110 101", 101, 8000},
      {"9 111 110 101", 101, 8000},  {"111 0 101", 101, 8000},  // some telephones have no other one
      {"0 111 110", -1, 8000},
  };
  for (const auto& c : kCases) {
    const auto answer =
        negotiator(all_codecs())
            .answer(offer_of("m=audio 4000 RTP/AVP " + std::string(c.formats) + "\r\n" + maps));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->remote.telephone_event_type, c.type) << c.formats;
    EXPECT_EQ(answer->remote.telephone_event_clock_hz, c.clock_hz) << c.formats;
  }
}

TEST(MediaNegotiator, Rfc3389_ComfortNoiseIsAgreedBesideCodecsOf8kHzWhenBothSidesWantIt) {
  const struct {
    const char* formats;
    bool ours;
    int type;
  } kCases[] = {
      {"0 13", true, 13},  {"9 13", true, 13},   {"0", true, -1},
      {"0 13", false, -1}, {"111 13", true, -1}, {"0 19", true, -1},
  };
  for (const auto& c : kCases) {
    auto options = all_codecs();
    options.comfort_noise = c.ours;
    const auto answer = negotiator(options).answer(
        offer_of("m=audio 4000 RTP/AVP " + std::string(c.formats) + "\r\na=rtpmap:111 opus/48000/2\r\n"));
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->remote.comfort_noise_type, c.type) << c.formats;
    EXPECT_EQ(answer->sdp.find("CN/8000") != std::string::npos, c.type >= 0) << c.formats;
  }
  // A peer that numbers it otherwise keeps its number.
  const auto answer =
      negotiator(all_codecs()).answer(offer_of("m=audio 4000 RTP/AVP 0 118\r\na=rtpmap:118 CN/8000\r\n"));
  EXPECT_EQ(answer->remote.comfort_noise_type, 118);
}

TEST(MediaNegotiator, TheCodecMayChangeWithALaterOffer) {
  auto leg = negotiator(all_codecs());
  const std::string opus = "a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n",
                    events = "a=rtpmap:101 telephone-event/8000\r\n";
  const auto first = leg.answer(offer_of("m=audio 4000 RTP/AVP 0 101\r\n" + events));
  EXPECT_EQ(first->remote.codec, Codec::pcmu);
  const auto second = leg.answer(offer_of("m=audio 4000 RTP/AVP 111 110\r\n" + opus));
  EXPECT_EQ(second->remote.codec, Codec::opus);
  EXPECT_EQ(second->remote.telephone_event_type, 110);
  const auto third = leg.answer(offer_of("m=audio 4000 RTP/AVP 9 101\r\n" + events));
  EXPECT_EQ(third->remote.codec, Codec::g722);
  EXPECT_EQ(third->remote.telephone_event_type, 101);
  // And what we offer then keeps all the numbers that have a meaning by now.
  EXPECT_EQ(line_of(leg.offer(), "m="), "m=audio 10000 RTP/AVP 0 8 9 111 97 98 13 101 96 110");
}

TEST(MediaNegotiator, OursOrTheirsDecidesAmongWideAndNarrow) {
  const std::string offer = offer_of("m=audio 4000 RTP/AVP 0 9 111\r\na=rtpmap:111 opus/48000/2\r\n");
  NegotiatorOptions ours{.codecs = {Codec::opus, Codec::g722, Codec::pcmu}};
  EXPECT_EQ(negotiator(ours).answer(offer)->remote.codec, Codec::pcmu);
  ours.prefer_ours = true;
  EXPECT_EQ(negotiator(ours).answer(offer)->remote.codec, Codec::opus);
}

}  // namespace
}  // namespace ivr

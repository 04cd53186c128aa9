#include "ivr/sdp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/ip_address.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

TEST(Sdp, ReadsTheExampleOfRfc8866Section5) {
  const auto sdp = SessionDescription::parse(
      "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call to John Smith\r\ni=SDP Offer #1\r\n"
      "u=http://www.jdoe.example.com/home.html\r\ne=Jane Doe <jane@jdoe.example.com>\r\np=+1 617 555-6011\r\n"
      "c=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\nm=audio 49180 RTP/AVP 0\r\n"
      "m=video 51372 RTP/AVP 99\r\nc=IN IP6 2001:db8::2\r\na=rtpmap:99 h263-1998/90000\r\n");
  ASSERT_TRUE(sdp.ok()) << sdp.status();
  EXPECT_EQ(sdp->user, "jdoe");
  EXPECT_EQ(sdp->session_id, "3724394400");
  EXPECT_EQ(sdp->version, "3724394405");
  EXPECT_EQ(sdp->name, "Call to John Smith");
  ASSERT_EQ(sdp->media.size(), 3u);
  EXPECT_EQ(sdp->media[1].port, 49180);
  EXPECT_EQ(sdp->media[2].connection->address, "2001:db8::2");
  EXPECT_TRUE(sdp->media[2].connection->ipv6);
  EXPECT_EQ(sdp->media[2].find("rtpmap")->value, "99 h263-1998/90000");
}

TEST(Sdp, TakesWhatPhonesReallySend) {
  const struct {
    const char* what;
    std::string text;
  } kCases[] = {
      {"bare LF", "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 0\n"},
      {"bare CR", "v=0\ro=- 1 1 IN IP4 192.0.2.1\rs=-\rc=IN IP4 192.0.2.1\rt=0 0\rm=audio 4000 RTP/AVP 0\r"},
      {"no end of the last line", "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0"},
      {"no o=, s=, t=", "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"},
      {"empty s=", "v=0\r\ns=\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"},
      {"blank lines around", "\r\nv=0\r\n\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n\r\n\r\n"},
      {"blanks at line ends", "v=0 \r\nc=IN IP4 192.0.2.1 \r\nm=audio 4000 RTP/AVP 0 \r\n"},
      {"c= in the section", "v=0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"},
      {"unknown lines",
       "v=0\r\nq=?\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\ny=0\r\nb=AS:80\r\nk=prompt\r\n"},
      {"host name in o=",
       "v=0\r\no=bob 1 1 IN IP4 pc.example.com\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"},
      {"session id beyond 64 bits",
       "v=0\r\no=- 99999999999999999999999 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP "
       "0\r\n"},
      {"two ports", "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000/2 RTP/AVP 0\r\n"},
  };
  for (const auto& c : kCases) {
    const auto answer = MediaNegotiator::create({.local = {"127.0.0.1", 10000}})->answer(c.text);
    ASSERT_TRUE(answer.ok()) << c.what << ": " << answer.status();
    EXPECT_EQ(answer->remote.address, (Address{"192.0.2.1", 4000})) << c.what;
  }
}

TEST(Sdp, SaysWhichLineIsWrong) {
  const struct {
    std::string text, message;
  } kCases[] = {
      {"", "empty"},
      {"\r\n\r\n", "empty"},
      {"<audio/>\r\n", "line 1"},
      {"v=1\r\n", "line 1: v=0 expected, found 'v=1'"},
      {"c=IN IP4 192.0.2.1\r\n", "line 1: v=0 expected"},
      {"v=0\r\nhello\r\n", "line 2: 'hello'"},
      {"v=0\r\no=- x 1 IN IP4 192.0.2.1\r\n", "line 2: o="},
      {"v=0\r\nc=IN IP5 192.0.2.1\r\n", "address type 'IP5'"},
      {"v=0\r\nc=ATM IP4 192.0.2.1\r\n", "network type 'ATM'"},
      {"v=0\r\nc=IN IP4\r\n", "address is missing"},
      {"v=0\r\nc=IN IP4 /127\r\n", "address is missing"},
      {"v=0\r\nt=now\r\n", "t= needs two numbers"},
      {"v=0\r\nm=audio\r\n", "m= needs"},
      {"v=0\r\nm=audio 4000 RTP/AVP\r\n", "at least one format"},
      {"v=0\r\nm=audio 65536 RTP/AVP 0\r\n", "port '65536'"},
      {"v=0\r\nm=audio 99999999999999999999 RTP/AVP 0\r\n", "port '99999999999999999999'"},
      {"v=0\r\nm=audio -1 RTP/AVP 0\r\n", "port '-1'"},
      {"v=0\r\nm=audio 4000/x RTP/AVP 0\r\n", "number of ports 'x'"},
      {std::string("v=0\r\ns=\0\r\n", 10), "NUL"},
  };
  for (const auto& c : kCases) {
    const auto sdp = SessionDescription::parse(c.text);
    EXPECT_EQ(sdp.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(sdp.status().message()), HasSubstr(c.message)) << c.text;
  }
}

TEST(Sdp, HasLimits) {
  std::string many_media = "v=0\r\n", many_attributes = "v=0\r\n",
              many_formats = "v=0\r\nm=audio 4000 RTP/AVP";
  for (int i = 0; i < 64; ++i) many_media += "m=audio 0 RTP/AVP 0\r\n";
  for (int i = 0; i < 256; ++i) many_attributes += "a=x\r\n";
  for (int i = 0; i < 128; ++i) many_formats += " 0";
  EXPECT_TRUE(SessionDescription::parse(many_media).ok());
  EXPECT_TRUE(SessionDescription::parse(many_attributes).ok());
  EXPECT_TRUE(SessionDescription::parse(many_formats).ok());
  EXPECT_FALSE(SessionDescription::parse(many_media + "m=audio 0 RTP/AVP 0\r\n").ok());
  EXPECT_FALSE(SessionDescription::parse(many_attributes + "a=x\r\n").ok());
  EXPECT_FALSE(SessionDescription::parse(many_formats + " 0").ok());
  EXPECT_TRUE(SessionDescription::parse("v=0\r\ns=" + std::string(65536 - 9, 'x') + "\r\n").ok());
  EXPECT_FALSE(SessionDescription::parse("v=0\r\ns=" + std::string(65537 - 9, 'x') + "\r\n").ok());
}

TEST(Sdp, WritesWhatItReads) {
  const std::string text =
      "v=0\r\no=bob 1 2 IN IP4 192.0.2.5\r\ns=x\r\nc=IN IP4 192.0.2.5\r\nt=5 6\r\na=sendonly\r\n"
      "m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\n";
  EXPECT_EQ(SessionDescription::parse(text)->to_string(), text);
}

TEST(Sdp, KnowsIpAddressesFromNames) {
  for (const char* ip : {"0.0.0.0", "255.255.255.255", "192.0.2.1"}) EXPECT_TRUE(is_ipv4(ip)) << ip;
  for (const char* ip : {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", "a.b.c.d", "1..2.3", "0001.2.3.4",
                         "1.2.3.", "-1.2.3.4"}) {
    EXPECT_FALSE(is_ipv4(ip)) << ip;
  }
  for (const char* ip : {"::", "::1", "1::", "2001:db8::1", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1",
                         "1:2:3:4:5:6:192.0.2.1", "1::8", "FE80::aBcD"}) {
    EXPECT_TRUE(is_ipv6(ip)) << ip;
  }
  for (const char* ip : {"", ":", ":::", "1", "1:2", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
                         "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1:", "1:2:3:4:5:6:7:192.0.2.1",
                         "::192.0.2", "192.0.2.1", ":1::2", "2001:db8:::1"}) {
    EXPECT_FALSE(is_ipv6(ip)) << ip;
  }
  EXPECT_TRUE(is_unspecified("0.0.0.0") && is_unspecified("::") && is_unspecified("0:0::0"));
  EXPECT_FALSE(is_unspecified("0.0.0.1") || is_unspecified("::1") || is_unspecified("x"));
  EXPECT_TRUE(is_multicast("224.2.1.1") && is_multicast("239.255.255.255") &&
              is_multicast("255.255.255.255") && is_multicast("ff02::1"));
  EXPECT_FALSE(is_multicast("223.255.255.255") || is_multicast("240.0.0.1") || is_multicast("2001:db8::1"));
}

}  // namespace
}  // namespace ivr

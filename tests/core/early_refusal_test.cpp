#include "core/early_refusal.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace ivr {
namespace {

const EarlyRefusal kEarlyRefusal({.limit = 50ms, .retry_after = 4500ms}, "s3cr3t");
const Address kInviteSource{"192.0.2.7", 5071};
constexpr char kInviteLine[] = "INVITE sip:ivr@example.com SIP/2.0";

std::string refusable_invite(const std::string& via = "Via: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bK1\r\n",
                             const std::string& to = "To: <sip:ivr@example.com>\r\n",
                             const std::string& more = "") {
  return via + "From: \"A\" <sip:a@example.com>;tag=7\r\n" + to +
         "Call-ID: 1-2@192.0.2.7\r\nCSeq: 1 INVITE\r\n" + more + "Content-Length: 0\r\n\r\n";
}

TEST(EarlyRefusal, AnswersWithWhatTheInviteBrought) {
  const auto reply = kEarlyRefusal.refuse(kInviteLine, refusable_invite(), kInviteSource);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->port, 5070);
  EXPECT_EQ(reply->from, "sip:a@example.com");
  EXPECT_EQ(reply->to, "ivr");
  const std::string& text = reply->text;
  EXPECT_TRUE(text.starts_with("SIP/2.0 503 Service Unavailable\r\n")) << text;
  for (const char* line :
       {"\r\nVia: SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bK1\r\n",
        "\r\nFrom: \"A\" <sip:a@example.com>;tag=7\r\n", "\r\nTo: <sip:ivr@example.com>;tag=s3cr3t",
        "\r\nCall-ID: 1-2@192.0.2.7\r\n", "\r\nCSeq: 1 INVITE\r\n", "\r\nRetry-After: 5\r\n"})
    EXPECT_NE(text.find(line), text.npos) << line << text;
  EXPECT_TRUE(text.ends_with("\r\nContent-Length: 0\r\n\r\n")) << text;
}

TEST(EarlyRefusal, RFC3261_8_2_7_TheSameInviteAgainHasTheSameTagAndAnotherAnother) {
  EXPECT_EQ(kEarlyRefusal.refuse(kInviteLine, refusable_invite(), kInviteSource)->text,
            kEarlyRefusal.refuse(kInviteLine, refusable_invite(), kInviteSource)->text);
  std::string other = refusable_invite();
  other.replace(other.find("1-2@"), 4, "1-3@");
  const auto tag = [](const std::string& text) {
    const std::size_t at = text.find(";tag=s3cr3t");
    return text.substr(at, text.find('\r', at) - at);
  };
  EXPECT_NE(tag(kEarlyRefusal.refuse(kInviteLine, other, kInviteSource)->text),
            tag(kEarlyRefusal.refuse(kInviteLine, refusable_invite(), kInviteSource)->text));
}

TEST(EarlyRefusal, RFC3261_18_2_AnswersWhereTheTopViaWantsIt) {
  const struct {
    const char* via;
    int port;
    const char* answered;
  } kCases[] = {
      {"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n", 5060,
       "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n"},
      {"v: SIP/2.0/UDP  a.example:5066 ;branch=z9hG4bK1\r\n", 5066,
       "Via: SIP/2.0/UDP a.example:5066;branch=z9hG4bK1;received=192.0.2.7\r\n"},
      {"VIA:SIP/2.0/UDP 10.0.0.1:5066;rport;branch=z9hG4bK1\r\n", 5071,
       "Via: SIP/2.0/UDP 10.0.0.1:5066;rport=5071;branch=z9hG4bK1;received=192.0.2.7\r\n"},
      {"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1, SIP/2.0/TCP b.example;branch=z9hG4bK2\r\n", 5060,
       "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1, SIP/2.0/TCP b.example;branch=z9hG4bK2\r\n"},
      {"Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP b.example;branch=z9hG4bK2\r\n", 5060,
       "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP b.example;branch=z9hG4bK2\r\n"},
  };
  for (const auto& each : kCases) {
    const auto reply = kEarlyRefusal.refuse(kInviteLine, refusable_invite(each.via), kInviteSource);
    ASSERT_TRUE(reply) << each.via;
    EXPECT_EQ(reply->port, each.port) << each.via;
    EXPECT_NE(reply->text.find(each.answered), std::string::npos) << each.via << reply->text;
  }
}

TEST(EarlyRefusal, LeavesToTheStackWhatItIsNotSureOf) {
  for (const std::string via :
       {"Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1\r\n", "Via: SIP/2.0/UDP 192.0.2.7\r\n", "Via: \r\n", "",
        "Via: SIP/2.0/UDP 192.0.2.7;maddr=203.0.113.9;branch=z9hG4bK1\r\n",
        "Via: SIP/2.0/UDP 192.0.2.7;received=203.0.113.9;branch=z9hG4bK1\r\n",
        "Via: SIP/2.0/UDP 192.0.2.7:70000;branch=z9hG4bK1\r\n",
        "Via: SIP/2.0/UDP 192.0.2.7:0;branch=z9hG4bK1\r\n",
        "Via: SIP/2.0/UDP\r\n 192.0.2.7;branch=z9hG4bK1\r\n"})
    EXPECT_FALSE(kEarlyRefusal.refuse(kInviteLine, refusable_invite(via), kInviteSource)) << via;
  const std::string via = "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n";
  for (const std::string to :
       {"To: <sip:ivr@example.com>;tag=1\r\n", "t: <sip:ivr@example.com> ; TAG = 1\r\n",
        "To: <sip:a@b>\r\nTo: <sip:a@b>\r\n", "To:\r\n", ""})
    EXPECT_FALSE(kEarlyRefusal.refuse(kInviteLine, refusable_invite(via, to), kInviteSource)) << to;
  for (const char* first :
       {"BYE sip:ivr@example.com SIP/2.0", "ACK sip:ivr@example.com SIP/2.0",
        "OPTIONS sip:ivr@example.com SIP/2.0", "INVITE sip:ivr@example.com SIP/3.0", "INVITE"})
    EXPECT_FALSE(kEarlyRefusal.refuse(first, refusable_invite(), kInviteSource)) << first;
  const std::string whole = refusable_invite();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(kEarlyRefusal.refuse(kInviteLine, whole.substr(0, size), kInviteSource))
        << "cut off after " << size;
  EXPECT_FALSE(kEarlyRefusal.refuse(
      kInviteLine, refusable_invite(via, "To: <sip:a@b>\r\n", std::string("X: a\0b\r\n", 8)), kInviteSource));
}

TEST(EarlyRefusal, KnowsTheAckToItsOwnAnswersOnly) {
  const std::string text = kEarlyRefusal.refuse(kInviteLine, refusable_invite(), kInviteSource)->text;
  const std::size_t to = text.find("To: ");
  const std::string ours = refusable_invite("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n",
                                            text.substr(to, text.find('\n', to) + 1 - to));
  EXPECT_TRUE(kEarlyRefusal.acknowledges("ACK sip:ivr@example.com SIP/2.0", ours));
  EXPECT_FALSE(kEarlyRefusal.acknowledges("BYE sip:ivr@example.com SIP/2.0", ours));
  EXPECT_FALSE(kEarlyRefusal.acknowledges("ACK sip:ivr@example.com SIP/2.0", refusable_invite()));
  EXPECT_FALSE(kEarlyRefusal.refuse(kInviteLine, ours, kInviteSource)) << "it is within a dialog";
}

TEST(EarlyRefusal, IsForInvitesThatAreLateInACrowd) {
  EXPECT_FALSE(kEarlyRefusal.late(50ms));
  EXPECT_TRUE(kEarlyRefusal.late(50001us));
  EXPECT_TRUE(EarlyRefusal::crowded(1 << 20));
  EXPECT_FALSE(EarlyRefusal::crowded(2048)) << "the machine was late, not the server";
  EXPECT_FALSE(EarlyRefusal({.limit = 0ms}, "").late(10s)) << "it may wait for ever";
}

}  // namespace
}  // namespace ivr

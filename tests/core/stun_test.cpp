#include "core/stun.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/time_at.hpp"
#include "stun_message.hpp"

namespace ivr::stun {
namespace {

using testing::HasSubstr;

constexpr Id kId = {0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE};

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  std::string digits;
  for (const char c : text) {
    if (c != ' ') digits += c;
    if (digits.size() < 2) continue;
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(digits, nullptr, 16)));
    digits.clear();
  }
  return bytes;
}

// ------------------------------------------------------------------------------------------- words

TEST(Stun, ARequestIsAHeaderAndNothingMore) {
  const auto request = binding_request(kId);
  EXPECT_EQ(Bytes(request.begin(), request.end()), message(0x0001, kId, {}));
}

TEST(Stun, Rfc5769_2_2_And_2_3_ReadsTheSampleResponses) {
  constexpr struct {
    const char* response;
    const char* ip;
  } kCases[] = {{"01 01 00 3c 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 0b 74 65 73 74 20 76 "
                 "65 63 74 6f "
                 "72 20 00 20 00 08 00 01 a1 47 e1 12 a6 43 00 08 00 14 2b 91 f5 99 fd 9e 90 c3 8c 74 89 f9 "
                 "2a f9 ba 53 "
                 "f0 6b e7 d7 80 28 00 04 c0 7d 4c 96",
                 "192.0.2.1"},
                {"01 01 00 48 21 12 a4 42 b7 e7 a7 01 bc 34 d6 86 fa 87 df ae 80 22 00 0b 74 65 73 74 20 76 "
                 "65 63 74 6f "
                 "72 20 00 20 00 14 00 02 a1 47 01 13 a9 fa a5 d3 f1 79 bc 25 f4 b5 be d2 b9 d9 00 08 00 14 "
                 "a3 82 95 4e "
                 "4b e6 7b f1 17 84 c9 7c 82 92 c2 75 bf e3 ed 41 80 28 00 04 c8 fb 0b 4c",
                 "2001:db8:1234:5678:11:2233:4455:6677"}};
  for (const auto& c : kCases) {
    const auto seen = read_response(from_hex(c.response), kId);
    ASSERT_TRUE(seen.ok()) << c.ip << ": " << seen.status();
    EXPECT_EQ(*seen, (Address{c.ip, 32853}));
  }
}

TEST(Stun, TheAddressThatNoRouterRewroteCountsAndOfAnOldServerThePlainOne) {
  const auto hidden = hidden_address(kId, "203.0.113.7", 40000), plain = plain_address("10.0.0.1", 5);
  const Bytes odd = {'o', 'd', 'd'}, seal(20, 7);
  const struct {
    const char* what;
    Bytes response;
    const char* ip;
  } kCases[] = {
      {"hidden alone", message(0x0101, kId, {{0x0020, hidden}}), "203.0.113.7"},
      {"plain alone", message(0x0101, kId, {{0x0001, plain}}), "10.0.0.1"},
      {"plain first", message(0x0101, kId, {{0x0001, plain}, {0x0020, hidden}}), "203.0.113.7"},
      {"the first of two",
       message(0x0101, kId, {{0x0020, hidden}, {0x0020, hidden_address(kId, "1.2.3.4", 1)}}), "203.0.113.7"},
      {"what need not be understood", message(0x0101, kId, {{0x8022, odd}, {0xC0DE, {}}, {0x0020, hidden}}),
       "203.0.113.7"},
      {"what RFC 3489 had", message(0x0101, kId, {{0x0004, plain}, {0x0005, plain}, {0x0001, plain}}),
       "10.0.0.1"},
      {"behind the seal nothing counts",
       message(0x0101, kId, {{0x0001, plain}, {0x0008, seal}, {0x0020, hidden}}), "10.0.0.1"},
      {"nor need it be understood", message(0x0101, kId, {{0x0020, hidden}, {0x001C, seal}, {0x0042, odd}}),
       "203.0.113.7"},
  };
  for (const auto& c : kCases) {
    const auto seen = read_response(c.response, kId);
    ASSERT_TRUE(seen.ok()) << c.what << ": " << seen.status();
    EXPECT_EQ(seen->ip, c.ip) << c.what;
  }
}

TEST(Stun, WhatIsNoResponseToUsIsToldFromOneWithoutAnAddress) {
  const auto hidden = hidden_address(kId, "203.0.113.7", 40000);
  Id other = kId;
  other[11] ^= 1;
  auto cut = message(0x0101, kId, {{0x0020, hidden}}), longer = cut, cookie = cut, sealed = cut, beyond = cut;
  cut.pop_back();
  longer.push_back(0);
  cookie[7] ^= 1;
  beyond[23] = 12;
  const struct {
    const char* what;
    Bytes datagram;
    const char* message;
    bool final = false;
  } kCases[] = {
      {"nothing", {}, "0 bytes, fewer than the 20"},
      {"text", Bytes(19, 'x'), "19 bytes"},
      {"more text", Bytes(40, 'x'), "magic cookie"},
      {"another cookie", cookie, "magic cookie"},
      {"cut off", cut, "says 12 bytes behind its header and has 11"},
      {"more than it says", longer, "says 12 bytes behind its header and has 13"},
      {"an attribute beyond the end", beyond, "attribute 0x0020 of 12 bytes goes beyond the end"},
      {"our own request", message(0x0001, kId, {}), "message type 0x0001"},
      {"an indication", message(0x0011, kId, {}), "message type 0x0011"},
      {"another method", message(0x0103, kId, {{0x0020, hidden}}), "message type 0x0103"},
      {"another transaction", message(0x0101, other, {{0x0020, hidden}}), "another transaction's"},
      {"an error of another one", message(0x0111, other, {}), "another transaction's"},
      {"a wrong fingerprint", message(0x0101, kId, {{0x0020, hidden}, {0x8028, {1, 2, 3, 4}}}),
       "FINGERPRINT is wrong"},
      {"a fingerprint in between", message(0x0101, kId, {{0x8028, {1, 2, 3, 4}}, {0x0020, hidden}}),
       "not the last"},
      {"a family that is none", message(0x0101, kId, {{0x0020, {0, 3, 1, 2, 1, 2, 3, 4}}}), "family 3"},
      {"IPv4 of 3 bytes", message(0x0101, kId, {{0x0020, {0, 1, 1, 2, 1, 2, 3}}}), "7 bytes"},
      {"no address in the address", message(0x0101, kId, {{0x0020, {}}}), "0 bytes"},

      {"no address", message(0x0101, kId, {{0x8022, {'x'}}}), "has no address", true},
      {"what must be understood", message(0x0101, kId, {{0x0042, {}}, {0x0020, hidden}}), "attribute 0x0042",
       true},
      {"0.0.0.0", answer_to(kId, "0.0.0.0"), "it says 0.0.0.0", true},
      {"a group", answer_to(kId, "239.1.2.3"), "it says 239.1.2.3", true},
      {"an error",
       message(0x0111, kId, {{0x0009, {0, 0, 4, 20, 'T', 'o', 'o', ' ', 'E', 'a', 'r', 'l', 'y'}}}),
       "it refuses: 420 Too Early", true},
      {"an odd error", message(0x0111, kId, {{0x0009, {0, 0, 5, 0, '\r', '\n'}}}), "it refuses: 500 ??",
       true},
      {"an error without a number", message(0x0111, kId, {}), "an error without a number", true},
  };
  for (const auto& c : kCases) {
    const auto seen = read_response(c.datagram, kId);
    ASSERT_FALSE(seen.ok()) << c.what;
    EXPECT_EQ(seen.status().code(),
              c.final ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kInvalidArgument)
        << c.what;
    EXPECT_THAT(std::string(seen.status().message()), HasSubstr(c.message)) << c.what;
  }
}

TEST(Stun, Rfc7064_ReadsTheUriOfAServer) {
  const struct {
    const char* text;
    const char* host;
    int port;
  } kGood[] = {{"stun:stun.example.net", "stun.example.net", 3478},
               {"stun:192.0.2.1:19302", "192.0.2.1", 19302},
               {"stun:[2001:db8::1]", "2001:db8::1", 3478},
               {"stun:[2001:db8::1]:65535", "2001:db8::1", 65535}};
  for (const auto& c : kGood) {
    ASSERT_TRUE(is_uri(c.text));
    const auto server = parse_uri(c.text);
    ASSERT_TRUE(server.ok()) << server.status();
    EXPECT_EQ(server->host, c.host);
    EXPECT_EQ(server->port, c.port);
  }
  for (const char* text : {"stun:", "stun::3478", "stun:a:", "stun:a:0", "stun:a:65536", "stun:a:1x",
                           "stun:a b", "stun:2001:db8::1", "stun:[192.0.2.1]", "stun:[::1", "stun:[::1]3478",
                           "stun:a/b", "stun:a?transport=udp", "stun:a\n", "192.0.2.1", ""}) {
    const auto server = parse_uri(text);
    ASSERT_FALSE(server.ok()) << text;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr("stun:HOST[:PORT]")) << text;
  }
  EXPECT_FALSE(is_uri("203.0.113.7"));
}

// ------------------------------------------------------------------------------------------- query

TEST(Stun, Rfc8489_6_2_1_AsksAgainAfterTwiceAsLongEachTimeAndThenGivesUp) {
  Query query(kId, at(0ms), {.rto = 500ms, .requests = 7, .last_wait = 16});
  std::vector<std::int64_t> sent;
  while (query.deadline()) {
    const Time when = *query.deadline();
    EXPECT_FALSE(query.due(when - 1us)) << sent.size();
    if (query.due(when)) sent.push_back((when - at(0ms)) / 1ms);
  }
  EXPECT_EQ(sent, (std::vector<std::int64_t>{0, 500, 1500, 3500, 7500, 15500, 31500}));
  EXPECT_EQ(query.result().status(), absl::DeadlineExceededError("no answer to 7 requests within 39500 ms"));
}

TEST(Stun, ByItselfItGivesUpWithin10Seconds) {
  Query query(kId, at(0ms));
  int sent = 0;
  Time last = at(0ms);
  while (query.deadline()) {
    last = *query.deadline();
    sent += query.due(last) ? 1 : 0;
  }
  EXPECT_EQ(sent, 5);
  EXPECT_EQ(last, at(10s));
}

TEST(Stun, TheFirstAnswerEndsIt) {
  Query query(kId, at(0ms));
  ASSERT_TRUE(query.due(at(0ms)));
  query.received(message(0x0001, kId, {}));
  ASSERT_TRUE(query.deadline());
  query.received(answer_to(kId, "203.0.113.7"));
  EXPECT_FALSE(query.deadline());
  EXPECT_FALSE(query.due(at(500ms)));
  query.received(answer_to(kId, "203.0.113.8"));
  query.failed("connection refused");
  ASSERT_TRUE(query.result().ok());
  EXPECT_EQ(query.result()->ip, "203.0.113.7");
}

TEST(Stun, WhoGivesUpSaysWhatCameInstead) {
  Query query(kId, at(0ms), {.rto = 100ms, .requests = 1, .last_wait = 2});
  ASSERT_TRUE(query.due(at(0ms)));
  query.received(Bytes(3, 'x'));
  query.received(message(0x0101, Id{}, {}));
  EXPECT_FALSE(query.due(at(200ms)));
  EXPECT_EQ(
      query.result().status(),
      absl::DeadlineExceededError("no answer to 1 requests within 200 ms; 2 datagrams that were none came, "
                                  "the last: another transaction's"));
}

TEST(Stun, ARefusalIsTheEnd) {
  Query query(kId, at(0ms));
  query.due(at(0ms));
  query.received(message(0x0111, kId, {{0x0009, {0, 0, 4, 3}}}));
  EXPECT_FALSE(query.deadline());
  EXPECT_EQ(query.result().status(), absl::FailedPreconditionError("it refuses: 403"));
}

}  // namespace
}  // namespace ivr::stun

#include "ivr/rtp.hpp"
#include "core/time_at.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ivr {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes packet(const RtpHeader& header, const Bytes& payload) {
  const auto head = write_rtp_header(header);
  Bytes bytes(head.begin(), head.end());
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

constexpr RtpHeader kHeader{
    .payload_type = 101, .marker = true, .sequence = 0xFFFE, .timestamp = 0x89ABCDEF, .ssrc = 7};

TEST(Rtp, WhatIsWrittenIsReadBack) {
  const Bytes bytes = packet(kHeader, {1, 2, 3});
  RtpFrame frame;
  ASSERT_EQ(parse_rtp(bytes, frame), RtpParse::ok);
  EXPECT_EQ(frame.header, kHeader);
  EXPECT_EQ(Bytes(frame.payload.begin(), frame.payload.end()), (Bytes{1, 2, 3}));
}

TEST(Rtp, Rfc3550_5_1_RefusesWhatDoesNotAddUp) {
  const Bytes good = packet(kHeader, {1, 2, 3, 4, 5, 6, 7, 8});
  const auto with = [&](std::size_t at, std::uint8_t value, std::size_t size) {
    Bytes bytes = good;
    bytes[at] = value;
    bytes.resize(size);
    return bytes;
  };
  struct Case {
    const char* what;
    Bytes bytes;
    RtpParse result;
    std::size_t payload;
  } const cases[] = {
      {"nothing", {}, RtpParse::too_short, 0},
      {"eleven bytes", with(0, 0x80, 11), RtpParse::too_short, 0},
      {"a bare header", with(0, 0x80, 12), RtpParse::ok, 0},
      {"version 1", with(0, 0x40, 20), RtpParse::wrong_version, 0},
      {"version 0", with(0, 0x00, 20), RtpParse::wrong_version, 0},
      {"two CSRCs fill the rest", with(0, 0x82, 20), RtpParse::ok, 0},
      {"three CSRCs", with(0, 0x83, 20), RtpParse::bad_csrc, 0},
      {"fifteen CSRCs", with(0, 0x8F, 20), RtpParse::bad_csrc, 0},
      {"extension of 0x0304 words", with(0, 0x90, 20), RtpParse::bad_extension, 0},
      {"extension without its head", with(0, 0x90, 15), RtpParse::bad_extension, 0},
      {"8 bytes of padding", with(0, 0xA0, 20), RtpParse::ok, 0},
      {"more padding than payload", with(0, 0xA0, 19), RtpParse::ok, 0},  // ends in 7: exactly the payload
      {"padding in a bare header", with(0, 0xA0, 12), RtpParse::bad_padding, 0},
  };
  for (const Case& c : cases) {
    RtpFrame frame;
    EXPECT_EQ(parse_rtp(c.bytes, frame), c.result) << c.what;
    EXPECT_EQ(frame.payload.size(), c.payload) << c.what;
  }
  Bytes zero = good;
  zero[0] = 0xA0;
  zero.back() = 0;
  RtpFrame frame;
  EXPECT_EQ(parse_rtp(zero, frame), RtpParse::bad_padding);
  zero.back() = 9;
  EXPECT_EQ(parse_rtp(zero, frame), RtpParse::bad_padding);
  Bytes extended = good;
  extended[0] = 0x90;
  extended[14] = 0, extended[15] = 1;  // one word of extension: 8 bytes in all
  ASSERT_EQ(parse_rtp(extended, frame), RtpParse::ok);
  EXPECT_EQ(frame.payload.size(), 0u);
}

TEST(Rtp, RandomBytesNeverPointOutsideThePacket) {
  std::mt19937 random(1);
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes(random() % 64);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    if (!bytes.empty()) bytes[0] = static_cast<std::uint8_t>(0x80 | (bytes[0] & 0x3F));
    RtpFrame frame;
    if (parse_rtp(bytes, frame) != RtpParse::ok) continue;
    ASSERT_GE(frame.payload.data(), bytes.data() + kRtpHeaderBytes);
    ASSERT_LE(frame.payload.data() + frame.payload.size(), bytes.data() + bytes.size());
  }
}

TEST(Rtp, Rfc3550_A1_SequenceNumbersLiveOnACircle) {
  EXPECT_EQ(newer_by(5, 3), 2);
  EXPECT_EQ(newer_by(3, 5), -2);
  EXPECT_EQ(newer_by(1, 0xFFFF), 2);
  EXPECT_EQ(newer_by(0xFFFF, 1), -2);
  EXPECT_EQ(later_by(10, 0xFFFFFFF0u), 26);
  SequenceExtender extender;
  EXPECT_EQ(extender.extend(0xFFFE), 0xFFFE);
  EXPECT_EQ(extender.extend(1), 0x10001);
  EXPECT_EQ(extender.extend(0xFFFF), 0xFFFF);
  EXPECT_EQ(extender.extend(2), 0x10002);
}

TEST(RtpReceiverStats, Rfc3550_A1_TwoPacketsInOrderMakeASource) {
  RtpReceiverStats stats;
  EXPECT_FALSE(stats.receive({.sequence = 10, .timestamp = 0, .ssrc = 1}, at_ms(0)));
  EXPECT_FALSE(stats.receive({.sequence = 77, .timestamp = 160, .ssrc = 1}, at_ms(20)));
  EXPECT_TRUE(stats.receive({.sequence = 78, .timestamp = 320, .ssrc = 1}, at_ms(40)));
  EXPECT_EQ(stats.received(), 1u);
  EXPECT_FALSE(stats.receive({.sequence = 20000, .timestamp = 480, .ssrc = 1}, at_ms(60)));  // a wild jump
  EXPECT_TRUE(stats.receive({.sequence = 79, .timestamp = 480, .ssrc = 1}, at_ms(60)));
  EXPECT_EQ(stats.lost(), 0);
  EXPECT_FALSE(stats.receive({.sequence = 30000, .timestamp = 640, .ssrc = 1}, at_ms(80)));
  EXPECT_TRUE(
      stats.receive({.sequence = 30001, .timestamp = 800, .ssrc = 1}, at_ms(100)));  // it had restarted
  EXPECT_EQ(stats.expected(), 1u);
}

TEST(RtpReceiverStats, Rfc3550_A3_CountsLossAcrossTheWrap) {
  RtpReceiverStats stats;
  std::uint16_t sequence = 65000;
  for (int i = 0; i < 2000; ++i, ++sequence) {
    if (i > 2 && i % 10 == 0) continue;
    stats.receive({.sequence = sequence, .timestamp = static_cast<std::uint32_t>(i * 160), .ssrc = 1},
                  at_ms(i * 20));
  }
  EXPECT_EQ(stats.expected(), 1999u);
  EXPECT_EQ(stats.lost(), 199);
  EXPECT_NEAR(stats.loss_ratio(), 0.0995, 0.001);
  const auto report = stats.report();
  EXPECT_EQ(report.fraction_lost, 199 * 256 / 1999);
  EXPECT_EQ(report.cumulative_lost, 199);
  EXPECT_EQ(report.highest_sequence, 0x10000u + ((65000 + 1999) & 0xFFFF));
  EXPECT_EQ(stats.report().fraction_lost, 0);  // nothing since
}

TEST(RtpReceiverStats, DuplicatesMakeLossNegative) {
  RtpReceiverStats stats;
  for (int i = 0; i < 100; ++i) {
    const RtpHeader header{.sequence = static_cast<std::uint16_t>(i),
                           .timestamp = static_cast<std::uint32_t>(i * 160),
                           .ssrc = 1};
    stats.receive(header, at_ms(i * 20));
    if (i >= 10 && i < 20) stats.receive(header, at_ms(i * 20 + 1));
  }
  EXPECT_EQ(stats.lost(), -10);
  EXPECT_EQ(stats.report().fraction_lost, 0);
  EXPECT_EQ(stats.report().cumulative_lost, -10);
}

TEST(RtpReceiverStats, Rfc3550_A8_JitterFollowsTheDifferences) {
  RtpReceiverStats even, uneven, event;
  for (int i = 0; i < 500; ++i) {
    const RtpHeader header{.sequence = static_cast<std::uint16_t>(i),
                           .timestamp = static_cast<std::uint32_t>(i * 160),
                           .ssrc = 1};
    even.receive(header, at_ms(i * 20));
    uneven.receive(header, at_ms(i * 20 + (i % 2) * 8));
    RtpHeader held = header;
    held.timestamp = static_cast<std::uint32_t>(i / 5 * 5 * 160);  // five packets of one key
    event.receive(held, at_ms(i * 20));
  }
  EXPECT_NEAR(even.jitter_ms(), 0, 1e-9);
  EXPECT_NEAR(uneven.jitter_ms(), 8, 0.1);
  EXPECT_NEAR(event.jitter_ms(), 0, 0.01);
}

TEST(RtpReceiverStats, AnotherSsrcStartsAfresh) {
  RtpReceiverStats stats;
  for (int i = 0; i < 10; i += 2)
    stats.receive({.sequence = static_cast<std::uint16_t>(i), .ssrc = 1}, at_ms(i));
  stats.receive({.sequence = 500, .ssrc = 2}, at_ms(20));
  stats.receive({.sequence = 501, .ssrc = 2}, at_ms(40));
  EXPECT_EQ(stats.received(), 1u);
  EXPECT_EQ(stats.lost(), 0);
}

TEST(Mos, G107_FallsWithLossAndDelay) {
  EXPECT_NEAR(estimate_mos(0, 0ms), 4.41, 0.02);
  EXPECT_NEAR(estimate_mos(0, 150ms), 4.33, 0.05);
  EXPECT_GT(estimate_mos(0, 150ms), estimate_mos(0, 400ms));
  EXPECT_GT(estimate_mos(0.01, 50ms), estimate_mos(0.05, 50ms));
  EXPECT_GT(estimate_mos(0.05, 50ms, true), estimate_mos(0.05, 50ms, false));
  EXPECT_GT(estimate_mos(0.05, 50ms, true, 1), estimate_mos(0.05, 50ms, true, 3));
  EXPECT_EQ(estimate_mos(1.0, 5000ms, false), 1.0);
}

}  // namespace
}  // namespace ivr

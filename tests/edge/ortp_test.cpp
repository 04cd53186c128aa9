#include "edge/ortp.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <set>
#include <vector>

#include "edge/udp.hpp"
#include "ivr/rtp.hpp"

namespace ivr {
namespace {

PortRange range() { return *PortRange::create("127.0.0.1", 20000, 29999); }

TEST(PortRange, GivesEvenPairsFromTheRangeInNoForeseenOrder) {
  auto ports = range();
  std::set<std::uint16_t> seen;
  std::vector<PortRange::Pair> held;
  for (int i = 0; i < 50; ++i) {
    auto pair = ports.take();
    ASSERT_TRUE(pair.ok()) << pair.status();
    EXPECT_EQ(pair->port % 2, 0);
    EXPECT_GE(pair->port, 20000);
    EXPECT_LE(pair->port, 29998);
    EXPECT_TRUE(seen.insert(pair->port).second);
    held.push_back(*std::move(pair));
  }
  EXPECT_GT(*seen.rbegin() - *seen.begin(), 100);
  EXPECT_EQ(ports.taken(), 50);
}

TEST(PortRange, SkipsWhatOthersHold) {
  auto ours = range();
  auto other = *ours.take();
  for (const std::uint16_t from : {other.port, static_cast<std::uint16_t>(other.port - 1)}) {
    auto narrow = PortRange::create("127.0.0.1", from, static_cast<std::uint16_t>(other.port + 1));
    ASSERT_TRUE(narrow.ok()) << narrow.status();
    EXPECT_EQ(narrow->capacity(), 1);
    const auto refused = narrow->take();
    EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
    other.rtp.close();  // the RTCP port alone is enough to refuse the pair
  }
}

TEST(PortRange, RefusesWhatHoldsNoPair) {
  struct Case {
    const char* ip;
    std::uint16_t min, max;
  };
  for (const Case& c :
       {Case{"127.0.0.1", 0, 100}, Case{"127.0.0.1", 5000, 5000}, Case{"127.0.0.1", 5001, 5002},
        Case{"127.0.0.1", 5002, 5000}, Case{"localhost", 5000, 5100}, Case{"", 5000, 5100}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(PortRange::create(c.ip, c.min, c.max).status()))
        << c.ip << " " << c.min;
  }
}

TEST(Endpoint, IsADottedQuadAndNothingElse) {
  EXPECT_EQ(parse_endpoint("192.0.2.1", 5), (Endpoint{0xC0000201, 5}));
  for (const char* bad : {"", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "::1", "1.2.3.4 "}) {
    EXPECT_FALSE(parse_endpoint(bad, 5)) << bad;
  }
}

TEST(DatagramOutbox, SendsAllAtOnceAndSkipsWhomThereIsNoWayTo) {
  PortRange ports = range();
  const PortRange::Pair from = *ports.take(), to = *ports.take();
  DatagramOutbox outbox(from.rtp);
  const std::array<std::uint8_t, 2> head{1, 2};
  for (std::uint8_t i = 0; i < 100; ++i) {
    const std::array<std::uint8_t, 1> rest{i};
    EXPECT_TRUE(outbox.push({0x7F000001, to.port}, head, rest));
    if (i == 50) {
      EXPECT_TRUE(outbox.push({0xFFFFFFFF, 9}, head, rest));  // nobody may broadcast
    }
  }
  EXPECT_FALSE(outbox.push({0x7F000001, 0}, head, {}));
  EXPECT_EQ(outbox.waiting(), 101u);
  outbox.flush();
  EXPECT_EQ(outbox.waiting(), 0u);
  EXPECT_EQ(outbox.dropped(), 2u);
  EXPECT_EQ(outbox.delayed(), 0u);
  DatagramBatch batch(64);
  std::uint8_t expected = 0;
  for (int count; (count = batch.receive(to.rtp.fd())) > 0;) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(batch.bytes(i).size(), 3u);
      EXPECT_EQ(batch.bytes(i)[2], expected++);
      EXPECT_EQ(batch.from(i).port, from.port);
    }
  }
  EXPECT_EQ(expected, 100);
}

// Loopback always has room; a byte stream in the socket's place has not.
TEST(DatagramOutbox, KeepsWhatTheSystemHasNoRoomForAndDropsWhatComesOnTop) {
  PortRange ports = range();
  const PortRange::Pair pair = *ports.take();
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = to_sockaddr({0x7F000001, 0});
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening, 1), 0);
  getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
  const int writer = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_EQ(connect(writer, reinterpret_cast<sockaddr*>(&address), size), 0);
  const int reader = accept(listening, nullptr, nullptr);
  ASSERT_GE(dup2(writer, pair.rtp.fd()), 0);

  DatagramOutbox outbox(pair.rtp);
  const std::vector<std::uint8_t> packet(1000, 7);
  std::size_t pushed = 0;
  while (outbox.push({0x7F000001, 9}, packet, {})) ASSERT_LT(++pushed, 100'000u);
  EXPECT_EQ(outbox.dropped(), 1u);
  EXPECT_GE(outbox.delayed(), 1u);
  const std::size_t waiting = outbox.waiting();
  EXPECT_GT(waiting, 0u);
  // There is room again: what waited goes, in order, and then what is new.
  std::vector<std::uint8_t> sink(1 << 20);
  for (int i = 0; i < 10'000 && outbox.waiting() > 0; ++i) {
    [[maybe_unused]] const auto got = recv(reader, sink.data(), sink.size(), MSG_DONTWAIT);
    outbox.flush();
  }
  EXPECT_EQ(outbox.waiting(), 0u);
  EXPECT_EQ(outbox.dropped(), 1u);
  EXPECT_TRUE(outbox.push({0x7F000001, 9}, packet, {}));
  for (const int fd : {listening, writer, reader}) close(fd);
}

class Links : public ::testing::Test {
 protected:
  std::vector<std::vector<std::uint8_t>> take(const UdpSocket& socket) {
    std::vector<std::vector<std::uint8_t>> taken;
    for (int count; (count = batch.receive(socket.fd())) > 0;) {
      for (int i = 0; i < count; ++i) taken.emplace_back(batch.bytes(i).begin(), batch.bytes(i).end());
    }
    return taken;
  }
  static Endpoint at(std::uint16_t port) { return {0x7F000001, port}; }

  PortRange ports = range();
  PortRange::Pair a = *ports.take(), b = *ports.take();
  RtpLink one{a.rtp, a.rtcp}, two{b.rtp, b.rtcp};
  DatagramBatch batch;
  Time now{1h};

  Links() {
    one.send_to(at(b.port), at(static_cast<std::uint16_t>(b.port + 1)));
    two.send_to(at(a.port), at(static_cast<std::uint16_t>(a.port + 1)));
  }
};

TEST_F(Links, WriteRtpAsAsked) {
  const std::array<std::uint8_t, 160> payload{1, 2, 3};
  const std::uint16_t first = one.next_sequence();
  EXPECT_TRUE(one.send(8, true, 4'000'000'000, payload));
  one.set_next_sequence(static_cast<std::uint16_t>(first + 5));  // a hole that somebody else made
  EXPECT_TRUE(one.send(101, false, 7, std::span(payload).first(4)));
  const auto packets = take(b.rtp);
  ASSERT_EQ(packets.size(), 2u);
  RtpFrame frame;
  ASSERT_EQ(parse_rtp(packets[0], frame), RtpParse::ok);
  EXPECT_EQ(frame.header, (RtpHeader{8, true, first, 4'000'000'000, one.ssrc()}));
  EXPECT_EQ(frame.payload.size(), 160u);
  EXPECT_EQ(frame.payload[2], 3);
  ASSERT_EQ(parse_rtp(packets[1], frame), RtpParse::ok);
  EXPECT_EQ(frame.header, (RtpHeader{101, false, static_cast<std::uint16_t>(first + 5), 7, one.ssrc()}));
  EXPECT_EQ(frame.payload.size(), 4u);
}

TEST_F(Links, SaysGoodbyeByRtcp) {
  one.bye();
  EXPECT_TRUE(take(b.rtcp).empty());  // never sent, nobody knows us
  const std::array<std::uint8_t, 160> payload{};
  one.send(0, true, 0, payload);
  one.bye();
  const auto reports = take(b.rtcp);
  ASSERT_EQ(reports.size(), 1u);
  bool bye = false;
  for (std::size_t at = 0; at + 4 <= reports[0].size();) {
    EXPECT_EQ(reports[0][at] >> 6, 2);
    bye = bye || reports[0][at + 1] == 203;
    at += 4 * (1 + static_cast<std::size_t>(reports[0][at + 2] << 8 | reports[0][at + 3]));
  }
  EXPECT_TRUE(bye);
}

// RFC 3550, 6.4.1: the numbers are those of all packets, whichever the library saw.
TEST_F(Links, ReportEveryPacketThatWentAndEveryOneThatDidNotCome) {
  const std::array<std::uint8_t, 160> payload{};
  const std::uint16_t first = two.next_sequence();
  std::uint32_t clock = 0xFFFFF000;  // both circles come round
  for (int i = 0; i < 1000; ++i, clock += 160, now += 20ms) {
    ASSERT_TRUE(one.send(0, i == 0, clock, payload));
    ASSERT_TRUE(two.send(0, i == 0, clock, payload));
    take(b.rtp);
    for (const auto& packet : take(a.rtp)) {
      RtpFrame frame;
      ASSERT_EQ(parse_rtp(packet, frame), RtpParse::ok);
      if (i < 2 || i % 10 != 0) one.received(packet, frame.header, at(b.port), now);
    }
  }
  one.bye();
  const auto reports = take(b.rtcp);
  ASSERT_FALSE(reports.empty());
  const auto& sr = reports.back();
  ASSERT_GE(sr.size(), 52u);
  const auto word = [&](std::size_t i) {
    return std::uint32_t{sr[i]} << 24 | std::uint32_t{sr[i + 1]} << 16 | std::uint32_t{sr[i + 2]} << 8 |
           sr[i + 3];
  };
  ASSERT_EQ(sr[0], 0x81);  // one report block
  ASSERT_EQ(sr[1], 200);
  EXPECT_EQ(word(4), one.ssrc());
  EXPECT_EQ(word(16), clock - 160);
  EXPECT_EQ(word(20), 1000u);
  EXPECT_EQ(word(24), 160'000u);
  EXPECT_EQ(word(28), two.ssrc());
  EXPECT_EQ(word(32) & 0xFFFFFF, 99u) << "all of 20, 30 ... 990 and 10";
  EXPECT_EQ(static_cast<std::uint16_t>(word(36)), static_cast<std::uint16_t>(first + 999));
  EXPECT_LT(word(40), 160u) << "jitter";
}

TEST_F(Links, SurviveWhatIsNoRtp) {
  const std::vector<std::vector<std::uint8_t>> junk = {{},
                                                       {0x80},
                                                       std::vector<std::uint8_t>(12, 0xFF),
                                                       std::vector<std::uint8_t>(1500, 0x8F),
                                                       {0x81, 201, 0xFF, 0xFF, 0, 0, 0, 0},
                                                       {0x9F, 200, 0, 200, 1, 2, 3, 4},
                                                       {0x81, 202, 0, 1, 0, 0, 0, 0},
                                                       {0xBF, 203, 0, 0, 9, 9, 9, 9}};
  for (const auto& bytes : junk) {
    one.received(bytes, {0, false, 0, 0, static_cast<std::uint32_t>(bytes.size())}, at(b.port), now += 20ms);
    one.received_rtcp(bytes, at(b.port), now += 20ms);
  }
  const std::array<std::uint8_t, 160> payload{};
  EXPECT_TRUE(one.send(0, false, 160, payload));
  EXPECT_EQ(take(b.rtp).size(), 1u);
}

TEST_F(Links, SendNowhereWithoutAnAddress) {
  one.send_to({}, {});
  const std::array<std::uint8_t, 160> payload{};
  EXPECT_TRUE(one.send(0, false, 160, payload));
  EXPECT_TRUE(take(b.rtp).empty());
}

}  // namespace
}  // namespace ivr

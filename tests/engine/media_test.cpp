#include "engine/media_peer.hpp"

namespace ivr::test {
namespace {

using Media = MediaFixture;

TEST_F(Media, SendsSilenceWithContinuousNumbersFromTheStart) {
  start();
  Peer peer;
  open(1, peer);
  auto last = peer.packet();
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->header.marker);
  EXPECT_EQ(last->header.payload_type, 0);
  EXPECT_EQ(last->payload, std::vector<std::uint8_t>(160, 0xFF));
  for (int i = 0; i < 10; ++i) {
    const auto next = peer.packet();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->header.sequence, static_cast<std::uint16_t>(last->header.sequence + 1));
    EXPECT_EQ(next->header.timestamp, last->header.timestamp + 160);
    EXPECT_EQ(next->header.ssrc, last->header.ssrc);
    EXPECT_FALSE(next->header.marker);
    last = next;
  }
}

TEST_F(Media, PlaysClipsBackToBackAndCountsTheirSamples) {
  start();
  Peer peer;
  open(1, peer);
  media->play(1, 7, {clip(400, 0x11), clip(160, 0x22)}, 2);
  std::vector<std::uint8_t> heard;
  ASSERT_TRUE(peer.hears([&](const Heard& packet) {
    if (packet.payload[0] != 0xFF) {
      EXPECT_EQ(packet.header.marker, heard.empty());
      heard.push_back(packet.payload[0]);
    }
    return packet.payload[0] == 0xFF && !heard.empty();
  }));
  EXPECT_EQ(heard, (std::vector<std::uint8_t>{0x11, 0x11, 0x11, 0x22, 0x11, 0x11, 0x11, 0x22}));
  const auto ended = wait_for<media::PlayEnded>();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->play, 7u);
  EXPECT_EQ(ended->samples, 2 * (400 + 160));
  EXPECT_TRUE(ended->completed);
}

TEST_F(Media, P82_BeginsWhereItIsTold) {
  start();
  Peer peer;
  open(1, peer);
  // Three rounds of 6 frames, and 3 frames: the last of the first clip.
  media->play(1, 7, {clip(640, 0x11), clip(320, 0x22)}, 1, (3 * 6 + 3) * kFrame);
  std::vector<std::uint8_t> heard;
  ASSERT_TRUE(peer.hears([&](const Heard& packet) {
    if (packet.payload[0] != 0xFF) heard.push_back(packet.payload[0]);
    return packet.payload[0] == 0xFF && !heard.empty();
  }));
  EXPECT_EQ(heard, (std::vector<std::uint8_t>{0x11, 0x22, 0x22}));
  EXPECT_EQ(wait_for<media::PlayEnded>()->samples, 480);
  media->play(1, 8, {}, 0, 1s);  // nothing has no middle
  EXPECT_TRUE(wait_for<media::PlayEnded>());
}

TEST_F(Media, P02_StopsAtOnceAndCountsWhatWasHeardExactly) {
  start();
  Peer peer;
  open(1, peer);
  media->play(1, 7, {clip(1600, 0x11)}, 0);
  int heard = 0;
  ASSERT_TRUE(peer.hears([&](const Heard& packet) { return (heard += packet.payload[0] == 0x11) == 12; }));
  media->stop_play(1, 7);
  const auto ended = wait_for<media::PlayEnded>();
  ASSERT_TRUE(ended);
  EXPECT_FALSE(ended->completed);
  ASSERT_TRUE(peer.hears([&](const Heard& packet) {
    heard += packet.payload[0] == 0x11;
    return packet.payload[0] == 0xFF;
  }));
  EXPECT_EQ(ended->samples, heard * 160);
}

TEST_F(Media, ReplacesWhatPlays) {
  start();
  Peer peer;
  open(1, peer);
  media->play(1, 7, {clip(1600, 0x11)}, 0);
  ASSERT_TRUE(peer.hears([](const Heard& packet) { return packet.payload[0] == 0x11; }));
  media->play(1, 8, {clip(160, 0x22)}, 1);
  const auto first = wait_for<media::PlayEnded>();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->play, 7u);
  EXPECT_FALSE(first->completed);
  const auto second = wait_for<media::PlayEnded>();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->play, 8u);
  EXPECT_EQ(second->samples, 160);
}

TEST_F(Media, EndsAtOnceWhatHasNothingToPlay) {
  start();
  Peer peer;
  open(1, peer);
  media->play(1, 7, {}, 0);
  const auto ended = wait_for<media::PlayEnded>();
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->completed);
  EXPECT_EQ(ended->samples, 0);
}

TEST_F(Media, TellsEachKeyOnce) {
  start();
  Peer peer;
  open(1, peer);
  for (std::uint8_t event = 0; event < 12; ++event) peer.press(event);
  std::string digits;
  ASSERT_TRUE(wait_event([&](const media::Event& event) {
    if (const auto* began = std::get_if<media::DigitBegan>(&event)) {
      EXPECT_EQ(began->source, DigitSource::rtp_event);
      digits += began->digit;
    }
    const auto* ended = std::get_if<media::DigitEnded>(&event);
    return ended != nullptr && ended->digit == '#';
  }));
  EXPECT_EQ(digits, "0123456789*#");
  EXPECT_EQ(count<media::DigitEnded>(), 12);
}

TEST_F(Media, TellsAKeyAtItsFirstPacket) {
  start();
  Peer peer;
  open(1, peer);
  peer.key(5, 160, false, true);
  const auto began = wait_for<media::DigitBegan>();
  ASSERT_TRUE(began);
  EXPECT_EQ(began->digit, '5');
  EXPECT_EQ(began->key, peer.timestamp);
  // Nothing follows: the key is up after a while all the same.
  EXPECT_TRUE(wait_for<media::DigitEnded>());
}

TEST_F(Media, SendsDigitsAsEvents) {
  start();
  Peer peer;
  open(1, peer);
  media->send_digits(1, "5#", 100ms, 60ms);
  std::string digits;
  std::uint32_t last = 0;
  ASSERT_TRUE(peer.hears([&](const Heard& packet) {
    if (packet.header.payload_type != 101) return digits.size() == 2 && packet.header.timestamp - last > 2000;
    EXPECT_EQ(packet.payload.size(), 4u);
    if (digits.empty() || packet.header.timestamp != last)
      digits += static_cast<char>('0' + packet.payload[0]);
    last = packet.header.timestamp;
    return false;
  }));
  EXPECT_EQ(digits, "5;");
  EXPECT_TRUE(wait_for<media::DigitsSent>());
}

TEST_F(Media, IsSilentOnHoldAndThePromptWaits) {
  start();
  Peer peer;
  open(1, peer);
  media->play(1, 7, {clip(800, 0x11)}, 1);
  ASSERT_TRUE(peer.hears([](const Heard& packet) { return packet.payload[0] == 0x11; }));
  RemoteMedia held = peer.media();
  held.send = held.receive = false;
  media->set_remote(1, held);
  while (peer.packet(std::chrono::milliseconds(200))) {
  }
  EXPECT_EQ(count<media::PlayEnded>(), 0);
  media->set_remote(1, peer.media());
  const auto ended = wait_for<media::PlayEnded>();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->samples, 800);
  EXPECT_TRUE(ended->completed);
}

TEST_F(Media, S3_40_StaysInTheRangeAndRefusesWhenItIsFull) {
  // A small range of which somebody else may hold some.
  start(1, 23460, 23467);
  std::vector<std::uint16_t> ports;
  absl::Status refused;
  for (StreamId id = 1; id <= 5; ++id) {
    const auto address = media->open(id, {});
    if (!address.ok()) {
      refused = address.status();
      break;
    }
    EXPECT_EQ(address->port % 2, 0);
    EXPECT_GE(address->port, 23460);
    EXPECT_LE(address->port, 23466);
    ports.push_back(address->port);
  }
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_NE(refused.message().find("23460-23467"), absl::string_view::npos) << refused;
  ASSERT_FALSE(ports.empty());
  // A closed port is free at once.
  media->close(1);
  const auto again = media->open(9, {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->port, ports[0]);
  EXPECT_EQ(media->open_streams(), static_cast<int>(ports.size()));
}

TEST_F(Media, RelaysABridgeAcrossThreads) {
  start(2);
  Peer one(1), two(2);
  open(1, one);
  open(2, two);
  media->bridge(1, 2);
  // Wait until the bridge stands, then the bytes go through untouched.
  ASSERT_TRUE(wait_until([&] {
    one.audio(0x31);
    const auto heard = two.packet(std::chrono::milliseconds(20));
    return heard && heard->payload[0] == 0x31;
  }));
  ASSERT_TRUE(wait_until([&] {
    two.audio(0x32);
    const auto heard = one.packet(std::chrono::milliseconds(20));
    return heard && heard->payload[0] == 0x32;
  }));
  // A key crosses as a key, and both sides' owner is told.
  one.press(3);
  ASSERT_TRUE(two.hears(
      [](const Heard& packet) { return packet.header.payload_type == 101 && packet.payload[0] == 3; }));
  const auto began = wait_for<media::DigitBegan>();
  ASSERT_TRUE(began);
  EXPECT_EQ(began->stream, 1u);
  media->unbridge(1, 2);
  ASSERT_TRUE(two.hears([](const Heard& packet) { return packet.payload[0] == 0xFF; }));
}

TEST_F(Media, KeepsTheNumbersOfAClosedStream) {
  start();
  Peer peer;
  open(1, peer);
  peer.audio();
  peer.audio();
  ASSERT_TRUE(wait_until([&] { return media->stats(1).received == 2; }));
  ASSERT_TRUE(peer.packet());
  media->close(1);
  EXPECT_EQ(media->stats(1).received, 2u);
  EXPECT_EQ(media->open_streams(), 0);
  ASSERT_TRUE(wait_until([&] { return peer.raw(std::chrono::milliseconds(0), true).has_value(); }))
      << "no RTCP BYE";
  EXPECT_EQ(media->stats(1).received, 2u);
}

TEST_F(Media, TellsOnceThatNobodySends) {
  start();
  Peer peer;
  StreamOptions options;
  options.rtp_timeout = 100ms;
  open(1, peer, options);
  ASSERT_TRUE(wait_for<media::TimedOut>());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(peer.packet());
  read_events();
  EXPECT_EQ(count<media::TimedOut>(), 1);
  peer.audio();
  EXPECT_TRUE(wait_for<media::TimedOut>());  // a new silence
}

}  // namespace
}  // namespace ivr::test

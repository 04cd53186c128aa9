#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "engine/media_peer.hpp"
#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"

// All streams of a media thread on one port. Nobody may notice, and nobody may get what is another's.

namespace ivr::test {
namespace {

class MediaShared : public MediaFixture {
 protected:
  Peer& add() {
    peers.push_back(std::make_unique<Peer>(static_cast<std::uint32_t>(1000 + peers.size())));
    return *peers.back();
  }
  static char key_of(std::size_t i) { return "0123456789*#"[i % 12]; }

  // Speaks a tone; needs a stream without events.
  static void dial(Peer& peer, char key) {
    auto generator = DtmfGenerator::create({});
    ASSERT_TRUE(generator->dial(std::string(1, key)).ok());
    for (int i = 0; i < 12; ++i) {
      std::array<std::int16_t, 160> pcm{};
      generator->read(pcm);
      std::vector<std::uint8_t> bytes(160);
      encode(Codec::pcmu, pcm, bytes);
      peer.send(0, bytes);
      peer.timestamp += 160;
    }
  }

  std::vector<std::unique_ptr<Peer>> peers;
};

TEST_F(MediaShared, EachHearsItsOwnPromptAndIsHeardWithItsOwnKeys) {
  start_shared();
  constexpr std::size_t kCalls = 150;
  std::uint16_t port = 0;
  for (std::size_t i = 0; i < kCalls; ++i) {
    Peer& peer = add();
    const auto address = media->open(i + 1, {});
    ASSERT_TRUE(address.ok());
    if (i == 0) port = address->port;
    EXPECT_EQ(address->port, port);
    peer.call(*address);
    RemoteMedia remote = peer.media();
    if (i % 2 != 0) remote.telephone_event_type = -1;
    media->set_remote(i + 1, remote);
    media->play(i + 1, 1, {clip(160, static_cast<std::uint8_t>(i))}, 0);
  }
  for (std::size_t i = 0; i < kCalls; ++i) {
    if (i % 2 != 0) {
      dial(*peers[i], key_of(i));
    } else {
      peers[i]->audio();
      peers[i]->press(static_cast<std::uint8_t>(i % 12));
    }
  }
  std::map<StreamId, std::string> keys;
  ASSERT_TRUE(wait_event([&](const media::Event& event) {
    if (const auto* ended = std::get_if<media::DigitEnded>(&event)) keys[ended->stream] += ended->digit;
    return keys.size() == kCalls;
  }));
  for (const auto& [stream, pressed] : keys) EXPECT_EQ(pressed, std::string(1, key_of(stream - 1))) << stream;
  for (std::size_t i = 0; i < kCalls; ++i) {
    std::optional<Heard> last;
    for (int n = 0; n < 8; ++n) {
      const auto heard = peers[i]->packet();
      ASSERT_TRUE(heard) << i;
      EXPECT_TRUE(heard->payload[0] == static_cast<std::uint8_t>(i) || heard->payload[0] == 0xFF) << i;
      if (last) {
        EXPECT_EQ(heard->header.sequence, static_cast<std::uint16_t>(last->header.sequence + 1));
        EXPECT_EQ(heard->header.ssrc, last->header.ssrc);
      }
      last = heard;
    }
  }
  ASSERT_TRUE(wait_until([&] { return media->shared_ports().received >= kCalls * 9; }));
  const SharedPorts numbers = media->shared_ports();
  EXPECT_EQ(numbers.pairs, 1);
  EXPECT_EQ(numbers.strangers + numbers.late + numbers.unread + numbers.unsent, 0u);
  EXPECT_GT(numbers.receive_buffer, 0);
}

TEST_F(MediaShared, StrangersAreCountedAndHeardByNobody) {
  start_shared();
  Peer& peer = add();
  open(1, peer);
  Peer stranger(77);
  stranger.call_from(peer);
  stranger.press(9);
  stranger.send_raw(std::vector<std::uint8_t>{1, 2, 3});
  peer.press(4);
  const auto key = wait_for<media::DigitEnded>();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->digit, '4');
  EXPECT_TRUE(wait_until([&] { return media->shared_ports().strangers == 9; }));
  EXPECT_EQ(media->stats(1).foreign, 0u);
}

TEST_F(MediaShared, AReinviteMovesItAndTheOldPlaceIsNobodys) {
  start_shared();
  Peer &before = add(), &after = add();
  open(1, before);
  before.press(1);
  ASSERT_TRUE(wait_for<media::DigitEnded>());
  after.call_from(before);
  media->set_remote(1, after.media());
  ASSERT_TRUE(after.packet());
  before.press(2);
  after.press(3);
  const auto key = wait_for<media::DigitEnded>();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->digit, '3');
  // Another SSRC at the same place is the same peer.
  after.ssrc = 4711;
  after.sequence = 9;
  after.press(5);
  EXPECT_EQ(wait_for<media::DigitEnded>()->digit, '5');
}

TEST_F(MediaShared, TheNextCallFromTheSamePortStartsClean) {
  start_shared();
  Peer& peer = add();
  open(1, peer);
  peer.press(1);
  ASSERT_TRUE(wait_for<media::DigitEnded>());
  media->close(1);
  ASSERT_TRUE(wait_for<media::Closed>());
  open(2, peer);
  peer.press(2);  // late: the numbers of the call that is over
  peer.ssrc = 8888;
  peer.sequence = 40'000;
  peer.press(3);
  const auto key = wait_for<media::DigitEnded>();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->stream, 2u);
  EXPECT_EQ(key->digit, '3');
  EXPECT_TRUE(wait_until([&] { return media->shared_ports().late == 8; }));
  EXPECT_EQ(media->stats(2).received, 8u);
}

TEST_F(MediaShared, APeerBehindNatIsLearnedAndASecondSourceIsNot) {
  start_shared();
  Peer &peer = add(), &spoofer = add();
  RemoteMedia remote;
  remote.address = {"10.0.0.5", 5004};
  remote.telephone_event_type = 101;
  remote.signalling_ip = "127.0.0.1";
  const auto address = media->open(1, {});
  ASSERT_TRUE(address.ok());
  media->set_remote(1, remote);
  peer.call(*address);
  spoofer.call(*address);
  peer.press(6);
  ASSERT_TRUE(wait_for<media::DigitEnded>());
  ASSERT_TRUE(peer.packet());
  spoofer.press(7);
  spoofer.ssrc = peer.ssrc;
  spoofer.press(8);
  peer.press(9);
  EXPECT_EQ(wait_for<media::DigitEnded>()->digit, '9');
  spoofer.drain();
  ASSERT_TRUE(peer.packet());
  EXPECT_FALSE(spoofer.packet(std::chrono::milliseconds(0)));
}

TEST_F(MediaShared, IsSilentOnHoldAndSaysGoodbyeByRtcp) {
  start_shared();
  Peer &one = add(), &two = add();
  open(1, one);
  open(2, two);
  ASSERT_TRUE(one.packet());
  RemoteMedia held = one.media();
  held.send = held.receive = false;
  media->set_remote(1, held);
  while (one.packet(std::chrono::milliseconds(200))) {
  }
  ASSERT_TRUE(two.packet());
  media->set_remote(1, one.media());
  ASSERT_TRUE(one.packet());
  while (one.raw(std::chrono::milliseconds(0), true)) {
  }
  media->close(1);
  ASSERT_TRUE(wait_until([&] { return one.raw(std::chrono::milliseconds(0), true).has_value(); }));
  two.drain();
  ASSERT_TRUE(two.packet()) << "the port is still the other's";
}

TEST_F(MediaShared, RelaysABridgeBetweenThePortsOfTwoThreads) {
  start_shared(2);
  Peer &one = add(), &two = add(), &three = add();
  const auto first = open(1, one), second = open(2, two);
  open(3, three);
  EXPECT_NE(first.port, second.port);
  const auto hears = [&](Peer& to, Peer& from, std::uint8_t value) {
    return wait_until([&] {
      from.audio(value);
      const auto heard = to.packet(std::chrono::milliseconds(20));
      return heard && heard->payload[0] == value;
    });
  };
  media->bridge(1, 2);
  EXPECT_TRUE(hears(two, one, 0x31));
  EXPECT_TRUE(hears(one, two, 0x32));
  one.press(3);
  ASSERT_TRUE(two.hears([](const Heard& h) { return h.header.payload_type == 101 && h.payload[0] == 3; }));
  EXPECT_EQ(wait_for<media::DigitBegan>()->stream, 1u);
  // The guest goes elsewhere, and is told apart there too.
  media->bridge(2, 3);
  EXPECT_TRUE(hears(three, two, 0x33));
  EXPECT_TRUE(hears(two, three, 0x34));
  media->bridge(1, 3);
  EXPECT_TRUE(hears(three, one, 0x35));
  // Its peer moves meanwhile.
  Peer& elsewhere = add();
  elsewhere.call_from(two);
  media->set_remote(2, elsewhere.media());
  elsewhere.press(7);
  EXPECT_TRUE(wait_event([](const media::Event& event) {
    const auto* ended = std::get_if<media::DigitEnded>(&event);
    return ended != nullptr && ended->stream == 2 && ended->digit == '7';
  }));
  for (const StreamId id : {2, 1, 3}) media->close(id);
  ASSERT_TRUE(wait_until([&] { return count<media::Closed>() == 3; }));
}

TEST_F(MediaShared, LosesNoPacketWhenItMoves) {
  start_shared(2);
  Peer &one = add(), &two = add();
  open(1, one);
  open(2, two);
  std::uint64_t sent = 0;
  for (int round = 0; round < 20; ++round) {
    media->bridge(1, 2);
    for (int i = 0; i < 10; ++i, ++sent) {
      two.audio();
      one.audio();
      read_events();
      if (i == 5) media->unbridge(1, 2);
    }
    ASSERT_TRUE(wait_until([&] {
      return media->stats(1).received == sent && media->stats(2).received == sent;
    })) << media->stats(1).received
        << " and " << media->stats(2).received << " of " << sent;
  }
}

TEST_F(MediaShared, CallsComeAndGoAndAreBridgedAtRandom) {
  start_shared(3);
  std::mt19937 random(4);
  std::vector<StreamId> up;
  std::map<StreamId, Peer*> whose;
  StreamId next = 1;
  for (int step = 0; step < 1500; ++step) {
    const auto dice = random() % 10;
    if (up.size() < 12 && dice < 3) {
      Peer& peer = add();
      peer.ssrc = random();
      open(next, peer);
      media->play(next, 1, {clip(1600, 0x21)}, 1);
      whose[next] = &peer;
      up.push_back(next++);
    } else if (up.size() > 2 && dice < 4) {
      const std::size_t i = random() % up.size();
      media->close(up[i]);
      up.erase(up.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (up.size() > 2 && dice < 6) {
      const StreamId a = up[random() % up.size()], b = up[random() % up.size()];
      if (random() % 3 == 0) {
        media->unbridge(a, b);
      } else {
        media->bridge(a, b);
      }
    }
    for (const auto& [id, peer] : whose) peer->audio();
    read_events();
    std::this_thread::yield();
  }
  for (const StreamId id : up) media->close(id);
  ASSERT_TRUE(wait_until([&] { return count<media::Closed>() == static_cast<int>(next - 1); }));
  for (const media::Event& event : events) {
    if (const auto* closed = std::get_if<media::Closed>(&event)) {
      EXPECT_EQ(closed->stats.foreign, 0u);
      EXPECT_EQ(closed->stats.malformed, 0u);
    }
  }
}

}  // namespace
}  // namespace ivr::test

#include <algorithm>
#include <atomic>
#include <map>
#include <string>

#include "engine/media_peer.hpp"
#include "engine/media_thread.hpp"

// With many streams a media thread reads each with its tick, and connects its socket. Nobody may notice.

namespace ivr::test {
namespace {

constexpr int kStreams = static_cast<int>(MediaThread::kCrowd) + 32;
constexpr int kBurst = 20;   // audio packets at once
constexpr int kPressed = 8;  // packets of a key

class MediaCrowd : public MediaFixture {
 protected:
  void SetUp() override {
    start();
    for (int i = 0; i < kStreams; ++i) {
      peers.push_back(std::make_unique<Peer>(static_cast<std::uint32_t>(1000 + i)));
      ports.push_back(open(id(i), *peers.back()).port);
    }
  }

  std::uint16_t open_port(int i) const { return ports[static_cast<std::size_t>(i)]; }
  static StreamId id(int i) { return static_cast<StreamId>(i + 1); }

  // Every peer speaks and presses a key, all at once; each key comes once.
  void everybody_presses(std::uint8_t key, int first = 0) {
    std::map<StreamId, std::string> keys;
    for (int i = first; i < kStreams; ++i) {
      Peer& peer = *peers[static_cast<std::size_t>(i)];
      for (int n = 0; n < kBurst; ++n) peer.audio();
      peer.press(key);
    }
    ASSERT_TRUE(wait_event([&](const media::Event& event) {
      if (const auto* ended = std::get_if<media::DigitEnded>(&event)) keys[ended->stream] += ended->digit;
      return keys.size() == static_cast<std::size_t>(kStreams - first);
    }));
    for (const auto& [stream, pressed] : keys) {
      EXPECT_EQ(pressed, std::string(1, static_cast<char>('0' + key))) << stream;
    }
  }
  std::uint64_t received(int i) { return media->stats(id(i)).received; }

  // Until the media thread has looked at every stream's numbers, which it does each second.
  void let_a_second_pass(int first = 0) {
    for (int n = 0; n < 55; ++n) {
      for (int i = first; i < kStreams; ++i) peers[static_cast<std::size_t>(i)]->audio();
      ASSERT_TRUE(peers[static_cast<std::size_t>(first)]->packet());
      for (int i = first + 1; i < kStreams; ++i) peers[static_cast<std::size_t>(i)]->drain();
    }
  }

  std::vector<std::unique_ptr<Peer>> peers;
  std::vector<std::uint16_t> ports;
};

TEST_F(MediaCrowd, EveryPacketOfABurstIsHeardAndEveryKeyOnce) {
  for (const std::uint8_t key : {1, 2, 3}) {
    ASSERT_NO_FATAL_FAILURE(everybody_presses(key));
    for (int i = 0; i < kStreams; ++i) {
      const auto all = static_cast<std::uint64_t>(key * (kBurst + kPressed));
      ASSERT_TRUE(wait_until([&] { return received(i) == all; })) << received(i) << " of " << all;
    }
  }
}

TEST_F(MediaCrowd, AStreamThatMovesElsewhereIsHeardThereAndSpokenToThere) {
  ASSERT_NO_FATAL_FAILURE(let_a_second_pass());
  Peer elsewhere(7777);
  elsewhere.call({"127.0.0.1", open_port(0)});
  media->set_remote(id(0), elsewhere.media());
  ASSERT_TRUE(elsewhere.packet());
  peers[0]->press(9);  // it is nobody any more
  elsewhere.press(4);
  const auto key = wait_for<media::DigitEnded>();
  ASSERT_TRUE(key);
  EXPECT_EQ(key->stream, id(0));
  EXPECT_EQ(key->digit, '4');
  ASSERT_NO_FATAL_FAILURE(let_a_second_pass(1));
  ASSERT_NO_FATAL_FAILURE(everybody_presses(5, 1));
}

TEST_F(MediaCrowd, WhoIsConnectedWithAnotherIsHeardByHim) {
  ASSERT_NO_FATAL_FAILURE(let_a_second_pass());
  const auto hears = [&](int to, int from, std::uint8_t value) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      peers[static_cast<std::size_t>(from)]->audio(value);
      const auto heard = peers[static_cast<std::size_t>(to)]->packet();
      if (heard && heard->payload == std::vector<std::uint8_t>(160, value)) return true;
    }
    return false;
  };
  media->bridge(id(0), id(1));
  EXPECT_TRUE(hears(1, 0, 0x21));
  EXPECT_TRUE(hears(0, 1, 0x42));
  media->unbridge(id(0), id(1));
  EXPECT_TRUE(
      peers[1]->hears([](const Heard& h) { return h.payload == std::vector<std::uint8_t>(160, 0xff); }));
  ASSERT_NO_FATAL_FAILURE(everybody_presses(6));
}

TEST_F(MediaCrowd, WhoIsLeftWhenItDispersesIsHeardAsBefore) {
  ASSERT_NO_FATAL_FAILURE(let_a_second_pass());
  const int left = 10;
  for (int i = 0; i < kStreams - left; ++i) media->close(id(i));
  ASSERT_TRUE(wait_until([&] { return count<media::Closed>() == kStreams - left; }));
  ASSERT_NO_FATAL_FAILURE(everybody_presses(7, kStreams - left));
  ASSERT_NO_FATAL_FAILURE(let_a_second_pass(kStreams - left));
  ASSERT_NO_FATAL_FAILURE(everybody_presses(8, kStreams - left));
  // Strangers are told apart again.
  Peer stranger(9999);
  stranger.call({"127.0.0.1", open_port(kStreams - 1)});
  stranger.audio();
  EXPECT_TRUE(wait_until([&] { return media->stats(id(kStreams - 1)).foreign == 1; }));
}

// Who is told of events holds the media thread up that tells him, as a core would that has too much to do.
struct Gate {
  std::atomic<bool> shut{true};
  std::atomic<int> passes{0};
  void wait() {
    const int seen = passes;
    if (shut) passes.wait(seen);
  }
  void pass() {
    ++passes;
    passes.notify_all();
  }
  void open() {
    shut = false;
    pass();
  }
  ~Gate() { open(); }
};

TEST_F(MediaFixture, GivesNoCallToAThreadThatIsLate) {
  Gate gate;
  gate.open();
  ASSERT_TRUE(media
                  ->start({.port_min = 30000, .port_max = 60000, .threads = 2, .shared_ports = true},
                          [&] { gate.wait(); })
                  .ok());
  // Each thread has a port. The one that is to be held up has fewer calls.
  std::map<std::uint16_t, std::vector<StreamId>> of_port;
  std::vector<std::unique_ptr<Peer>> peers;
  for (StreamId id = 1; id <= 40; ++id) {
    peers.push_back(std::make_unique<Peer>(static_cast<std::uint32_t>(id)));
    of_port[open(id, *peers.back()).port].push_back(id);
  }
  ASSERT_EQ(of_port.size(), 2u);
  const auto held_up = of_port.begin()->first;
  const auto& theirs = of_port.begin()->second;
  for (std::size_t i = 10; i < theirs.size(); ++i) media->close(theirs[i]);
  ASSERT_TRUE(wait_until([&] { return count<media::Closed>() == static_cast<int>(theirs.size()) - 10; }));
  Peer& clock = *peers[of_port.rbegin()->second.front() - 1];
  StreamId next = 100;
  const auto goes_to = [&] {
    const auto address = media->open(next, {});
    EXPECT_TRUE(address.ok()) << address.status();
    media->close(next++);
    return address.ok() ? address->port : 0;
  };
  EXPECT_EQ(goes_to(), held_up);
  gate.shut = true;
  std::uint8_t key = 0;
  EXPECT_TRUE(wait_until([&] {
    for (std::size_t i = 0; i < 10; ++i) peers[theirs[i] - 1]->press(key);
    key = static_cast<std::uint8_t>((key + 1) % 10);
    clock.drain();
    for (int n = 0; n < 3; ++n) EXPECT_TRUE(clock.packet());
    gate.pass();
    return goes_to() != held_up;
  }));
  EXPECT_EQ(media->overload(), std::nullopt);
  gate.open();
  EXPECT_TRUE(wait_until([&] {
    clock.drain();
    EXPECT_TRUE(clock.packet());
    return goes_to() == held_up;
  }));
  media->stop();  // before the gate goes
}

TEST_F(MediaFixture, CallsLeaveAThreadThatIsLateAndNobodyNotices) {
  Gate gate;
  gate.open();
  std::atomic<bool> chosen{false};  // who speaks next is held up
  std::atomic<std::thread::id> held_up{};
  ASSERT_TRUE(media
                  ->start({.port_min = 30000, .port_max = 60000, .threads = 2},
                          [&] {
                            if (chosen.exchange(false)) held_up = std::this_thread::get_id();
                            if (held_up.load() == std::this_thread::get_id()) gate.wait();
                          })
                  .ok());
  std::vector<std::unique_ptr<Peer>> peers;  // in turn of the one thread and of the other
  for (StreamId id = 1; id <= 40; ++id) {
    peers.push_back(std::make_unique<Peer>(static_cast<std::uint32_t>(id)));
    open(id, *peers.back());
  }
  const auto of = [&](StreamId id) -> Peer& { return *peers[id - 1]; };
  media->bridge(1, 3);
  read_events();
  chosen = true;
  of(1).press(0);
  ASSERT_TRUE(wait_for<media::DigitEnded>());
  const auto streams = [&](std::size_t thread) { return media->loads()[thread].streams; };
  const std::size_t late = 0;
  ASSERT_EQ(media->loads().size(), 2u);
  ASSERT_EQ(streams(late), 20);
  ASSERT_EQ(streams(1), 20);

  gate.shut = true;
  EXPECT_TRUE(wait_until([&] {
    for (StreamId id = 5; id <= 40; id += 2) of(id).press(1);
    of(2).drain();
    for (int n = 0; n < 3; ++n) EXPECT_TRUE(of(2).packet());
    gate.pass();
    return streams(late) < 20;
  })) << streams(late)
      << " calls, late " << media->loads()[late].late_per_mille << " and "
      << media->loads()[1].late_per_mille;
  gate.open();
  EXPECT_EQ(streams(late) + streams(1), 40);

  // Each is heard where it is now, once, and the two who are connected hear each other there.
  std::map<StreamId, std::string> keys;
  for (StreamId id = 1; id <= 40; ++id) of(id).press(9);
  EXPECT_TRUE(wait_event([&](const media::Event& event) {
    const auto* ended = std::get_if<media::DigitEnded>(&event);
    if (ended && ended->digit == '9') keys[ended->stream] += ended->digit;
    return keys.size() == 40;
  }));
  for (const auto& [id, pressed] : keys) EXPECT_EQ(pressed, "9") << id;
  of(3).drain();
  of(1).audio(0x21);
  EXPECT_TRUE(of(3).hears([](const Heard& h) { return h.payload == std::vector<std::uint8_t>(160, 0x21); }));
  for (StreamId id = 2; id <= 40; ++id) {
    of(id).drain();
    EXPECT_TRUE(of(id).packet()) << id;
  }
  media->stop();  // before the gate goes
}

// It is held up each time until three packets of another media thread have come.
TEST_F(MediaFixture, SaysThatItIsLateForAsLongAsItIs) {
  const auto punctual = make_media();
  ASSERT_TRUE(punctual->start({.port_min = 30000, .port_max = 60000, .threads = 1}, [] {}).ok());
  Peer clock;
  const auto port = punctual->open(1, {});
  ASSERT_TRUE(port.ok()) << port.status();
  punctual->set_remote(1, clock.media());
  media::Event none;
  ASSERT_FALSE(punctual->next_event(none));
  Gate gate;
  ASSERT_TRUE(media->start({.port_min = 30000, .port_max = 60000, .threads = 1}, [&] { gate.wait(); }).ok());
  std::vector<std::unique_ptr<Peer>> peers;
  for (int i = 0; i < 40; ++i) {
    peers.push_back(std::make_unique<Peer>());
    open(static_cast<StreamId>(i + 1), *peers.back());
  }
  EXPECT_EQ(media->overload(), std::nullopt);
  std::uint8_t key = 0;
  EXPECT_TRUE(wait_until([&] {
    for (const auto& peer : peers) peer->press(key);
    key = static_cast<std::uint8_t>((key + 1) % 10);
    clock.drain();
    for (int n = 0; n < 3; ++n) EXPECT_TRUE(clock.packet());
    gate.pass();
    return media->overload().has_value();
  }));
  EXPECT_NE(media->overload().value_or("").find("the limit is 500"), std::string::npos);
  gate.open();
  EXPECT_TRUE(wait_until([&] { return !media->overload().has_value(); }));
  media->stop();  // before the gate goes
  punctual->stop();
}

}  // namespace
}  // namespace ivr::test

#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include "edge/udp.hpp"
#include "engine/media.hpp"
#include "ivr/rtp.hpp"

namespace ivr::test {

inline constexpr auto kPatience = std::chrono::seconds(10);

struct Heard {
  RtpHeader header;
  std::vector<std::uint8_t> payload;
  std::chrono::steady_clock::time_point at;
  std::vector<std::int16_t> pcm;  // at 8 kHz, where somebody decoded it
};

// The other end of a stream: raw RTP on a port of its own.
class Peer {
 public:
  explicit Peer(std::uint32_t ssrc_ = 0x1234) : ssrc(ssrc_) {
    auto range = PortRange::create("127.0.0.1", 30000, 60000);
    ports_ = *range->take();
  }

  std::uint16_t port() const { return ports_.port; }
  Endpoint endpoint() const { return {0x7F000001, ports_.port}; }
  RemoteMedia media() const {
    RemoteMedia remote;
    remote.address = {"127.0.0.1", ports_.port};
    remote.telephone_event_type = 101;
    return remote;
  }
  void call(const Address& address) { to_ = {0x7F000001, address.port}; }

  void send(std::uint8_t type, std::span<const std::uint8_t> payload, bool marker = false) {
    send_as({type, marker, sequence++, timestamp, ssrc}, payload);
  }
  void send_as(const RtpHeader& header, std::span<const std::uint8_t> payload) {
    const auto head = write_rtp_header(header);
    std::vector<std::uint8_t> packet(head.begin(), head.end());
    packet.insert(packet.end(), payload.begin(), payload.end());
    send_raw(packet);
  }
  void send_raw(std::span<const std::uint8_t> bytes) { ports_.rtp.send(to_, bytes); }
  void call_from(Peer& other) { to_ = other.to_; }  // whom the other calls
  void send_rtcp(std::span<const std::uint8_t> bytes) {
    ports_.rtcp.send({to_.ip, static_cast<std::uint16_t>(to_.port + 1)}, bytes);
  }
  void audio(std::uint8_t value = 0xFF, std::size_t bytes = 160) {
    send(0, std::vector<std::uint8_t>(bytes, value));
    timestamp += 160;
  }
  // One packet of a key press: see RFC 4733, 2.3.
  void key(std::uint8_t event, std::uint16_t duration, bool end, bool marker = false) {
    const std::array<std::uint8_t, 4> payload = {event, static_cast<std::uint8_t>(end ? 0x8A : 0x0A),
                                                 static_cast<std::uint8_t>(duration >> 8),
                                                 static_cast<std::uint8_t>(duration)};
    send(101, payload, marker);
  }
  void press(std::uint8_t event) {
    for (int i = 1; i <= 5; ++i) key(event, static_cast<std::uint16_t>(160 * i), false, i == 1);
    for (int i = 0; i < 3; ++i) key(event, 960, true);
    timestamp += 1600;
  }

  // The test is control, and ends its round before it waits for anybody: see make_media().
  static inline std::function<void()> before_waiting;

  // The next packet on the RTP (or RTCP) port, or none within `wait`.
  std::optional<std::vector<std::uint8_t>> raw(std::chrono::milliseconds wait, bool rtcp = false) {
    const int fd = rtcp ? ports_.rtcp.fd() : ports_.rtp.fd();
    if (wait > wait.zero() && before_waiting) before_waiting();
    pollfd poll{fd, POLLIN, 0};
    if (::poll(&poll, 1, static_cast<int>(wait.count())) != 1) return std::nullopt;
    std::array<std::uint8_t, 2048> buffer;
    const auto size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size < 0) return std::nullopt;
    return std::vector<std::uint8_t>(buffer.begin(), buffer.begin() + size);
  }
  std::optional<Heard> packet(std::chrono::milliseconds wait = std::chrono::milliseconds(2000)) {
    const auto bytes = raw(wait);
    if (!bytes) return std::nullopt;
    RtpFrame frame;
    EXPECT_EQ(parse_rtp(*bytes, frame), RtpParse::ok);
    return Heard{
        frame.header, {frame.payload.begin(), frame.payload.end()}, std::chrono::steady_clock::now(), {}};
  }
  // Reads until a packet satisfies `wanted`; false after kPatience.
  bool hears(const std::function<bool(const Heard&)>& wanted) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      if (const auto heard = packet(std::chrono::milliseconds(100)); heard && wanted(*heard)) return true;
    }
    return false;
  }
  void drain() {
    while (raw(std::chrono::milliseconds(0))) {
    }
  }

  std::uint32_t ssrc;
  std::uint16_t sequence = 100;
  std::uint32_t timestamp = 5000;

 private:
  PortRange::Pair ports_;
  Endpoint to_;
};

// A MediaPort that runs, and what it said.
class MediaFixture : public ::testing::Test {
 protected:
  MediaFixture() {
    Peer::before_waiting = [this] { end_round(); };
  }
  ~MediaFixture() override { Peer::before_waiting = nullptr; }

  void start(int threads = 1, std::uint16_t port_min = 30000, std::uint16_t port_max = 60000) {
    MediaOptions options;
    options.port_min = port_min;
    options.port_max = port_max;
    options.threads = threads;
    unread_.clear();
    ASSERT_TRUE(media->start(options, [] {}).ok());
  }
  void start_shared(int threads = 1) {
    MediaOptions options;
    options.port_min = 30000;
    options.port_max = 60000;
    options.threads = threads;
    options.shared_ports = true;
    unread_.clear();
    ASSERT_TRUE(media->start(options, [] {}).ok());
  }
  void TearDown() override { media->stop(); }

  Address open(StreamId id, Peer& peer, StreamOptions options = {}) {
    const auto address = media->open(id, options);
    EXPECT_TRUE(address.ok()) << address.status();
    if (!address.ok()) return {};
    peer.call(*address);
    media->set_remote(id, peer.media());
    return *address;
  }

  // What was asked for is begun, and what was said is kept for next_event().
  void end_round() {
    media::Event event;
    while (media->next_event(event)) unread_.push_back(event);
  }
  bool next_event(media::Event& event) {
    end_round();
    if (unread_.empty()) return false;
    event = events.emplace_back(std::move(unread_.front()));
    unread_.pop_front();
    return true;
  }
  void read_events() {
    media::Event event;
    while (next_event(event)) {
    }
  }

  // Waits for the next event that satisfies `wanted`; those before it are kept in `events`.
  bool wait_event(const std::function<bool(const media::Event&)>& wanted) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      media::Event event;
      while (next_event(event)) {
        if (wanted(event)) return true;
      }
      std::this_thread::yield();
    }
    return false;
  }
  template <class T>
  std::optional<T> wait_for() {
    std::optional<T> found;
    wait_event([&](const media::Event& event) {
      if (const T* it = std::get_if<T>(&event)) found = *it;
      return found.has_value();
    });
    return found;
  }
  bool wait_until(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      read_events();
      std::this_thread::yield();
    }
    return true;
  }
  template <class T>
  int count() const {
    int n = 0;
    for (const auto& event : events) n += std::holds_alternative<T>(event) ? 1 : 0;
    return n;
  }

  static ClipPtr clip(std::int64_t samples, std::uint8_t value, Codec codec = Codec::pcmu) {
    auto made = std::make_shared<Clip>();
    made->codec = codec;
    made->samples = samples;
    const auto frames = static_cast<std::size_t>((samples + kFrameSamples - 1) / kFrameSamples);
    made->bytes.assign(frames * (codec == Codec::l16 ? 320 : 160), value);
    return made;
  }

  std::unique_ptr<MediaPort> media = make_media();
  std::vector<media::Event> events;

 private:
  std::deque<media::Event> unread_;
};

}  // namespace ivr::test

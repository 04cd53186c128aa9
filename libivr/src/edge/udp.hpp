#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/status/statusor.h"
#include "ivr/ports.hpp"

namespace ivr {

// An IPv4 address and a port as numbers in host order, cheap to compare for every packet.
struct Endpoint {
  std::uint32_t ip = 0;
  std::uint16_t port = 0;

  bool usable() const noexcept { return ip != 0 && port != 0; }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

std::optional<Endpoint> parse_endpoint(std::string_view ip,
                                       std::uint16_t port);  // dotted quad only, no names
sockaddr_in to_sockaddr(Endpoint endpoint) noexcept;
Endpoint to_endpoint(const sockaddr_in& address) noexcept;

// A non-blocking UDP socket that closes itself.
//
// Thread:   one at a time.
// Realtime: send() is one system call.
class UdpSocket {
 public:
  // Unavailable when the address cannot be bound; the message names it.
  static absl::StatusOr<UdpSocket> bind(Endpoint local, int receive_buffer_bytes);

  UdpSocket() = default;
  UdpSocket(UdpSocket&& other) noexcept;
  UdpSocket& operator=(UdpSocket&& other) noexcept;
  ~UdpSocket() { close(); }

  // To nobody in particular: to whom it is connected with. False: the system refused it.
  bool send(Endpoint to, std::span<const std::uint8_t> bytes) const noexcept;
  // The system keeps the way there, and drops what comes from elsewhere. With nobody: as before.
  bool connect(Endpoint to) const noexcept;
  void close() noexcept;
  int fd() const noexcept { return fd_; }
  int receive_buffer() const noexcept;        // bytes, as they were asked for: the system counts them twice
  std::uint32_t overflowed() const noexcept;  // datagrams that found the buffer full

 private:
  int fd_ = -1;
};

// Room for what one system call takes from a socket; one for each thread that receives.
class DatagramBatch {
 public:
  static constexpr int kSize = 8;
  static constexpr std::size_t kMaxBytes = 1500;  // longer datagrams are cut and marked

  explicit DatagramBatch(int size = kSize);
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

  // Takes what waits, at most `most` of its size; 0 when nothing does. Fewer mean that the socket is empty.
  int receive(int fd, int most) noexcept;
  int receive(int fd) noexcept { return receive(fd, static_cast<int>(headers_.size())); }

  std::span<const std::uint8_t> bytes(int index) const noexcept;
  Endpoint from(int index) const noexcept { return to_endpoint(from_[static_cast<std::size_t>(index)]); }
  bool cut(int index) const noexcept;
  // How long ago it came, by the system's own note.
  Micros waited(int index, std::chrono::system_clock::time_point now) const noexcept;

 private:
  std::vector<mmsghdr> headers_;
  std::vector<iovec> vectors_;
  std::vector<sockaddr_in> from_;
  struct alignas(cmsghdr) Note {
    std::array<char, CMSG_SPACE(sizeof(timespec))> bytes;
  };
  std::vector<Note> notes_;
  int taken_ = 0;  // the last time
  std::vector<std::array<std::uint8_t, kMaxBytes>> buffers_;
};

// Datagrams that leave a socket together: many are one system call. One that the system has no room for
// waits for the next flush; when the box is full of such, what comes on top is dropped and counted.
//
// Thread:   one at a time.
// Realtime: push() copies, and flushes when it is full; flush() is a system call for kSize datagrams.
class DatagramOutbox {
 public:
  static constexpr std::size_t kSize = 256, kBytes = 64 << 10;

  explicit DatagramOutbox(const UdpSocket& socket);  // borrowed
  DatagramOutbox(const DatagramOutbox&) = delete;
  DatagramOutbox& operator=(const DatagramOutbox&) = delete;

  // Both parts are one datagram. False: dropped.
  bool push(Endpoint to, std::span<const std::uint8_t> head, std::span<const std::uint8_t> rest) noexcept;
  void flush() noexcept;
  std::size_t waiting() const noexcept { return count_ - first_; }

  std::uint64_t dropped() const noexcept { return dropped_; }  // of them, and such as nobody can be sent
  std::uint64_t delayed() const noexcept { return delayed_; }  // flushes that left some for the next

 private:
  const UdpSocket& socket_;
  std::size_t first_ = 0, count_ = 0, used_ = 0;
  std::uint64_t dropped_ = 0, delayed_ = 0;
  std::vector<mmsghdr> headers_;
  std::vector<iovec> vectors_;
  std::vector<sockaddr_in> to_;
  std::vector<std::uint8_t> bytes_;
};

// Hands out pairs of ports, RTP on the even one and RTCP on the next, from a range, beginning at a random
// place so that the ports of a call cannot be foreseen (and a late packet of the last call seldom meets the
// next).
//
// Thread: one at a time.
class PortRange {
 public:
  struct Pair {
    std::uint16_t port = 0;  // of RTP
    UdpSocket rtp, rtcp;
  };

  // Of a socket with one call: a quarter of a second of packets with what the kernel counts for each. A
  // flood is cut here.
  static constexpr int kReceiveBuffer = 64 << 10;

  static absl::StatusOr<PortRange> create(std::string_view bind_ip, std::uint16_t port_min,
                                          std::uint16_t port_max);

  // ResourceExhausted names the range.
  absl::StatusOr<Pair> take(int receive_buffer = kReceiveBuffer, int rtcp_buffer = kReceiveBuffer / 4);
  void give_back(std::uint16_t port);  // after the sockets are closed
  int capacity() const noexcept { return static_cast<int>(taken_.size()); }
  int taken() const noexcept { return taken_count_; }

 private:
  PortRange(Endpoint local, std::uint16_t last);

  Endpoint local_;           // port: the first even one
  std::vector<bool> taken_;  // by pair
  int taken_count_ = 0;
  std::mt19937 random_;
};

}  // namespace ivr

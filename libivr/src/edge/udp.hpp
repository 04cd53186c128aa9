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

 private:
  int fd_ = -1;
};

// Room for what one system call takes from a socket; one for each thread that receives.
class DatagramBatch {
 public:
  static constexpr int kSize = 8;
  static constexpr std::size_t kMaxBytes = 1500;  // longer datagrams are cut and marked

  DatagramBatch();
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

  // Takes what waits, at most `most` of kSize; 0 when nothing does. Fewer mean that the socket is empty.
  int receive(int fd, int most = kSize) noexcept;

  std::span<const std::uint8_t> bytes(int index) const noexcept;
  Endpoint from(int index) const noexcept { return to_endpoint(from_[static_cast<std::size_t>(index)]); }
  bool cut(int index) const noexcept;
  // How long ago it came, by the system's own note.
  Micros waited(int index, std::chrono::system_clock::time_point now) const noexcept;

 private:
  std::array<mmsghdr, kSize> headers_{};
  std::array<iovec, kSize> vectors_{};
  std::array<sockaddr_in, kSize> from_{};
  struct alignas(cmsghdr) Note {
    std::array<char, CMSG_SPACE(sizeof(timespec))> bytes;
  };
  std::array<Note, kSize> notes_{};
  int taken_ = 0;  // the last time
  std::array<std::array<std::uint8_t, kMaxBytes>, kSize> buffers_;
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

  static absl::StatusOr<PortRange> create(std::string_view bind_ip, std::uint16_t port_min,
                                          std::uint16_t port_max);

  absl::StatusOr<Pair> take();         // ResourceExhausted names the range
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

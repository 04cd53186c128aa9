#include "edge/udp.hpp"

#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ivr {
namespace {

std::string dotted(std::uint32_t ip) {
  return absl::StrCat(ip >> 24, ".", (ip >> 16) & 255, ".", (ip >> 8) & 255, ".", ip & 255);
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view ip, std::uint16_t port) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(ip).c_str(), &address) != 1) return std::nullopt;
  return Endpoint{ntohl(address.s_addr), port};
}

sockaddr_in to_sockaddr(Endpoint endpoint) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(endpoint.ip);
  address.sin_port = htons(endpoint.port);
  return address;
}

Endpoint to_endpoint(const sockaddr_in& address) noexcept {
  return {ntohl(address.sin_addr.s_addr), ntohs(address.sin_port)};
}

absl::StatusOr<UdpSocket> UdpSocket::bind(Endpoint local, int receive_buffer_bytes) {
  UdpSocket made;
  made.fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made.fd_ < 0) {
    const std::string why = std::generic_category().message(errno);
    if (errno == EMFILE || errno == ENFILE) {
      return absl::ResourceExhaustedError(absl::StrCat("no file descriptor left for a UDP socket: ", why));
    }
    return absl::UnavailableError(absl::StrCat("no UDP socket: ", why));
  }
  // By force only who administers the network gets more than the system's limit.
  if (receive_buffer_bytes <= PortRange::kReceiveBuffer ||
      setsockopt(made.fd_, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer_bytes, sizeof receive_buffer_bytes) !=
          0) {
    setsockopt(made.fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  if (receive_buffer_bytes > PortRange::kReceiveBuffer)
    setsockopt(made.fd_, SOL_SOCKET, SO_SNDBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  const int on = 1;
  setsockopt(made.fd_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  const sockaddr_in address = to_sockaddr(local);
  if (::bind(made.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot bind UDP ", dotted(local.ip), ":", local.port, ": ",
                                               std::generic_category().message(errno)));
  }
  return made;
}

UdpSocket::UdpSocket(UdpSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

bool UdpSocket::send(Endpoint to, std::span<const std::uint8_t> bytes) const noexcept {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (to.usable()) {
    const sockaddr_in address = to_sockaddr(to);
    return ::sendto(fd_, bytes.data(), bytes.size(), kFlags, reinterpret_cast<const sockaddr*>(&address),
                    sizeof address) >= 0;
  }
  if (::send(fd_, bytes.data(), bytes.size(), kFlags) >= 0) return true;
  // An ICMP error about what went before shows here once.
  return errno == ECONNREFUSED && ::send(fd_, bytes.data(), bytes.size(), kFlags) >= 0;
}

bool UdpSocket::connect(Endpoint to) const noexcept {
  sockaddr_in address = to_sockaddr(to);
  if (!to.usable()) address.sin_family = AF_UNSPEC;
  return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void UdpSocket::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

int UdpSocket::receive_buffer() const noexcept {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  getsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, &size);
  return bytes / 2;
}

std::uint32_t UdpSocket::overflowed() const noexcept {
  std::array<std::uint32_t, SK_MEMINFO_VARS> info{};
  socklen_t size = sizeof info;
  getsockopt(fd_, SOL_SOCKET, SO_MEMINFO, info.data(), &size);
  return info[SK_MEMINFO_DROPS];
}

DatagramBatch::DatagramBatch(int size)
    : headers_(static_cast<std::size_t>(size)),
      vectors_(headers_.size()),
      from_(headers_.size()),
      notes_(headers_.size()),
      buffers_(headers_.size()) {
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    vectors_[i] = {buffers_[i].data(), buffers_[i].size()};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &from_[i];
    headers_[i].msg_hdr.msg_namelen = sizeof from_[i];
    headers_[i].msg_hdr.msg_control = notes_[i].bytes.data();
    headers_[i].msg_hdr.msg_controllen = sizeof notes_[i].bytes;
  }
}

int DatagramBatch::receive(int fd, int most) noexcept {
  for (int i = 0; i < taken_; ++i) {
    headers_[static_cast<std::size_t>(i)].msg_hdr.msg_controllen = sizeof(Note);
  }
  int count;
  do {
    count = recvmmsg(fd, headers_.data(), static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
    // An ICMP error from a peer that has gone shows here once; behind it may be datagrams.
  } while (count < 0 && (errno == EINTR || errno == ECONNREFUSED));
  taken_ = std::max(count, 0);
  return taken_;
}

Micros DatagramBatch::waited(int index, std::chrono::system_clock::time_point now) const noexcept {
  const msghdr& message = headers_[static_cast<std::size_t>(index)].msg_hdr;
  const cmsghdr* const note = CMSG_FIRSTHDR(&message);
  if (note == nullptr || note->cmsg_type != SCM_TIMESTAMPNS) return {};
  timespec at;
  std::memcpy(&at, CMSG_DATA(note), sizeof at);
  const auto came = std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
  const auto waited = std::chrono::duration_cast<Micros>(now.time_since_epoch() - came);
  return waited > Micros{0} && waited < 1s ? waited : Micros{0};  // else the wall clock was set
}

std::span<const std::uint8_t> DatagramBatch::bytes(int index) const noexcept {
  const auto i = static_cast<std::size_t>(index);
  return {buffers_[i].data(), headers_[i].msg_len};
}

bool DatagramBatch::cut(int index) const noexcept {
  return (headers_[static_cast<std::size_t>(index)].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

DatagramOutbox::DatagramOutbox(const UdpSocket& socket)
    : socket_(socket), headers_(kSize), vectors_(kSize), to_(kSize), bytes_(kBytes) {
  for (std::size_t i = 0; i < kSize; ++i) {
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &to_[i];
    headers_[i].msg_hdr.msg_namelen = sizeof to_[i];
  }
}

bool DatagramOutbox::push(Endpoint to, std::span<const std::uint8_t> head,
                          std::span<const std::uint8_t> rest) noexcept {
  const std::size_t size = head.size() + rest.size();
  if (count_ == kSize || size > kBytes - used_) flush();
  if (count_ == kSize || size > kBytes - used_ || !to.usable()) {
    ++dropped_;
    return false;
  }
  std::uint8_t* const at = bytes_.data() + used_;
  std::memcpy(at, head.data(), head.size());
  if (!rest.empty()) std::memcpy(at + head.size(), rest.data(), rest.size());
  vectors_[count_] = {at, size};
  to_[count_] = to_sockaddr(to);
  ++count_;
  used_ += size;
  return true;
}

void DatagramOutbox::flush() noexcept {
  while (first_ < count_) {
    const int taken = sendmmsg(socket_.fd(), headers_.data() + first_, static_cast<unsigned>(count_ - first_),
                               MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken > 0) {
      first_ += static_cast<std::size_t>(taken);
    } else if (taken < 0 && errno == EINTR) {
      continue;
    } else if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) {
      ++delayed_;
      return;
    } else {  // this one: there is no way to whom it is for
      ++first_;
      ++dropped_;
    }
  }
  first_ = count_ = used_ = 0;
}

absl::StatusOr<PortRange> PortRange::create(std::string_view bind_ip, std::uint16_t port_min,
                                            std::uint16_t port_max) {
  const auto local = parse_endpoint(bind_ip, 0);
  if (!local) {
    return absl::InvalidArgumentError(absl::StrCat(
        "bind_ip '", absl::string_view(bind_ip.data(), bind_ip.size()), "' is not an IPv4 address"));
  }
  const int first = (port_min + 1) & ~1;
  if (port_min == 0 || first + 1 > port_max) {
    return absl::InvalidArgumentError(
        absl::StrCat("RTP port range ", port_min, "-", port_max, " holds no even port with its successor"));
  }
  return PortRange({local->ip, static_cast<std::uint16_t>(first)}, port_max);
}

PortRange::PortRange(Endpoint local, std::uint16_t last)
    : local_(local),
      taken_(static_cast<std::size_t>((last - local.port + 1) / 2)),
      random_(std::random_device{}()) {}

absl::StatusOr<PortRange::Pair> PortRange::take(int receive_buffer, int rtcp_buffer) {
  const std::size_t pairs = taken_.size();
  const std::size_t start = random_() % pairs;
  absl::Status refused;
  for (std::size_t i = 0; i < pairs && taken_count_ < capacity(); ++i) {
    const std::size_t at = (start + i) % pairs;
    if (taken_[at]) continue;
    const auto port = static_cast<std::uint16_t>(local_.port + 2 * at);
    auto rtp = UdpSocket::bind({local_.ip, port}, receive_buffer);
    if (!rtp.ok()) {
      refused = rtp.status();
      if (absl::IsResourceExhausted(refused)) return refused;
      continue;
    }
    auto rtcp = UdpSocket::bind({local_.ip, static_cast<std::uint16_t>(port + 1)}, rtcp_buffer);
    if (!rtcp.ok()) {
      refused = rtcp.status();
      if (absl::IsResourceExhausted(refused)) return refused;
      continue;
    }
    taken_[at] = true;
    ++taken_count_;
    return Pair{port, *std::move(rtp), *std::move(rtcp)};
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("no RTP port pair free in ", dotted(local_.ip), ":", local_.port, "-",
                   local_.port + 2 * pairs - 1, ", ", taken_count_, " of ", pairs, " ours",
                   refused.ok() ? "" : "; last: ", refused.ok() ? absl::string_view() : refused.message()));
}

void PortRange::give_back(std::uint16_t port) {
  const auto at = static_cast<std::size_t>((port - local_.port) / 2);
  if (at < taken_.size() && taken_[at]) {
    taken_[at] = false;
    --taken_count_;
  }
}

}  // namespace ivr

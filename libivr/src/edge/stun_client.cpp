#include "edge/stun_client.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>
#include <utility>

#include "core/ip_address.hpp"
#include "edge/clock.hpp"

namespace ivr {
namespace {

constexpr int kReceiveBuffer = 16 << 10;
constexpr int kAtOnce = 16;  // datagrams: a flood of them does not hold up who polls

std::string system_text(int error) { return std::generic_category().message(error); }

// By the system's resolver.
absl::StatusOr<Endpoint> look_up(const stun::Server& server) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  const int error = getaddrinfo(server.host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return absl::UnavailableError("STUN server '" + server.host + "' has no IPv4 address: " +
                                  (error == EAI_SYSTEM ? system_text(errno) : gai_strerror(error)));
  }
  sockaddr_in address{};
  std::memcpy(&address, found->ai_addr, sizeof address);
  freeaddrinfo(found);
  return Endpoint{to_endpoint(address).ip, server.port};
}

}  // namespace

absl::StatusOr<StunClient> StunClient::create(std::string_view server, std::string_view local_ip,
                                              const StunClientOptions& options) {
  const auto uri = stun::parse_uri(server);
  if (!uri.ok()) return uri.status();
  const auto local = parse_endpoint(local_ip, 0);
  if (!local) {
    return absl::InvalidArgumentError("'" + std::string(server) + "' is asked over IPv4, and '" +
                                      std::string(local_ip) + "' is no IPv4 address");
  }
  const auto endpoint = look_up(*uri);
  if (!endpoint.ok()) return endpoint.status();
  auto socket = UdpSocket::bind(*local, kReceiveBuffer);
  if (!socket.ok()) return socket.status();
  const sockaddr_in address = to_sockaddr(*endpoint);
  const std::string name = "STUN server " + uri->host + ":" + std::to_string(uri->port);
  if (::connect(socket->fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return absl::UnavailableError(name + " cannot be reached from " + std::string(local_ip) + ": " +
                                  system_text(errno));
  }
  return StunClient(*std::move(socket), name, options);
}

StunClient::StunClient(UdpSocket socket, std::string name, const StunClientOptions& options)
    : socket_(std::move(socket)), name_(std::move(name)), options_(options) {}

void StunClient::begin(Time now) {
  std::random_device random;
  stun::Id id;
  for (std::uint8_t& byte : id) byte = static_cast<std::uint8_t>(random());
  query_.emplace(id, now, options_.timing);
}

// Takes what has come, and sends what is due.
void StunClient::go_on(Time now) {
  const auto failed = [&] {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) query_->failed(system_text(errno));
    return errno == EINTR;
  };
  std::array<std::uint8_t, 1500> datagram;
  for (int i = 0; i < kAtOnce && query_->deadline(); ++i) {
    const auto size = ::recv(socket_.fd(), datagram.data(), datagram.size(), MSG_DONTWAIT);
    if (size >= 0) {
      query_->received(std::span(datagram).first(static_cast<std::size_t>(size)));
    } else if (!failed()) {
      break;
    }
  }
  if (!query_->due(now)) return;
  const auto request = query_->request();
  if (::send(socket_.fd(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) failed();
}

absl::StatusOr<std::string> StunClient::finish() {
  absl::StatusOr<Address> seen = query_->result();
  query_.reset();
  if (seen.ok() && !is_ipv4(seen->ip)) {
    seen = absl::FailedPreconditionError("it says " + seen->ip + " to who asked over IPv4");
  }
  if (seen.ok()) {
    error_.clear();
    return seen->ip;
  }
  error_ = name_ + ": " + std::string(seen.status().message());
  return absl::Status(seen.status().code(), error_);
}

absl::StatusOr<std::string> StunClient::ask() {
  const SteadyClock clock;
  begin(clock.now());
  for (;;) {
    go_on(clock.now());
    const auto deadline = query_->deadline();
    if (!deadline) break;
    const auto wait = std::chrono::ceil<Millis>(std::max<Micros>(*deadline - clock.now(), 0us));
    pollfd ready{socket_.fd(), POLLIN, 0};
    ::poll(&ready, 1, static_cast<int>(wait.count()));
  }
  next_.reset();
  auto seen = finish();
  if (seen.ok()) ip_ = *seen;
  return seen;
}

std::optional<std::string> StunClient::poll(Time now) {
  if (!query_) {
    if (!next_) next_ = now + options_.refresh;
    if (options_.refresh <= 0ms || now < *next_) return std::nullopt;
    begin(now);
  }
  go_on(now);
  if (query_->deadline()) return std::nullopt;
  next_ = now + options_.refresh;
  const auto seen = finish();
  if (!seen.ok() || *seen == ip_) return std::nullopt;
  ip_ = *seen;
  return ip_;
}

}  // namespace ivr

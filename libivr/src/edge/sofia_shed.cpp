#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "edge/random.hpp"
#include "edge/sofia_stack.hpp"
#include "edge/sofia_text.hpp"

// More calls than can be served: those that have waited too long in the socket are refused before the stack
// has read them. What a call costs it would cost the stack to refuse it, and its transaction would be
// remembered for half a minute.

namespace ivr {
namespace {

Address address_in(const sockaddr_storage& at) {
  std::array<char, 64> host{}, port{};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&at), sizeof at, host.data(), host.size(), port.data(),
                  port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return {};
  return {host.data(), static_cast<std::uint16_t>(std::atoi(port.data()))};
}

// The library keeps its sockets to itself, but the system knows what is bound to an address of ours.
int find_socket(const Address& local) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_DGRAM) continue;
    sockaddr_storage bound{};
    length = sizeof bound;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) continue;
    const Address at = address_in(bound);
    if (at.port == local.port && at.ip == local.ip) return fd;
  }
  return -1;
}

}  // namespace

void SofiaStack::start_shedding() {
  early_refusal_.reset();
  if (!options_.udp || shedding_.after <= 0ms) return;
  udp_fd_ = find_socket(local_);
  if (udp_fd_ < 0) return;
  (void)waited();  // the system notes when a datagram came from the first time on that it is asked
  char secret[17] = "";
  std::snprintf(secret, sizeof secret, "%08x%08x", random_bits(), random_bits());
  early_refusal_.emplace(EarlyRefusalOptions{shedding_.after, shedding_.retry_after, secret});
}

// How long the datagram that was read last had waited. Nothing: the system does not say, or the clock was
// set.
std::optional<Micros> SofiaStack::waited() const {
  timeval came{};
  timespec now{};
  if (ioctl(udp_fd_, SIOCGSTAMP, &came) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0) return std::nullopt;
  const auto waited =
      std::chrono::seconds(now.tv_sec - came.tv_sec) + Micros(now.tv_nsec / 1000 - came.tv_usec);
  return waited >= 0s && waited < 60s ? std::optional<Micros>(waited) : std::nullopt;
}

bool SofiaStack::takes(msg_t* message, std::string_view first, std::string_view rest) {
  if (msg_addrinfo(message)->ai_socktype != SOCK_DGRAM) return false;
  if (early_refusal_->acknowledges(first, rest)) return true;
  if (!first.starts_with("INVITE ")) return false;
  const auto late_by = waited();
  if (!late_by || *late_by <= shedding_.after) return false;
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t length = sizeof memory;
  if (getsockopt(udp_fd_, SOL_SOCKET, SO_MEMINFO, memory.data(), &length) != 0) return false;
  if (!early_refusal_->late(*late_by, memory[SK_MEMINFO_RMEM_ALLOC])) return false;
  const auto reply = early_refusal_->refuse(first, rest, address_of(message));
  if (!reply) return false;
  su_sockaddr_t to = *msg_addr(message);
  to.su_port = htons(reply->port);
  // One that the system does not take is as good as lost: the caller repeats its INVITE.
  (void)sendto(udp_fd_, reply->text.data(), reply->text.size(), MSG_DONTWAIT | MSG_NOSIGNAL, &to.su_sa,
               msg_addrinfo(message)->ai_addrlen);
  sink_(sip::Refused{{.why = RefusedFor::busy,
                      .status = 503,
                      .method = "INVITE",
                      .address = address_of(message).ip,
                      .from = reply->from,
                      .to = reply->to}});
  return true;
}

}  // namespace ivr

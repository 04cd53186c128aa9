#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <string>

#include "edge/random.hpp"
#include "edge/sofia_stack.hpp"
#include "edge/sofia_text.hpp"

// More calls than can be served: those that have waited too long in the socket are refused before the stack
// has read them. What a call costs it would cost the stack to refuse it, and its transaction would be
// remembered for half a minute.

namespace ivr {
namespace {

// The library keeps its sockets to itself, but the system knows what is bound to a port of ours. The address
// may have been given in another form than the system's.
int find_socket(const Address& local) {
  int found = -1;
  const long most = sysconf(_SC_OPEN_MAX);
  for (int fd = 0; fd < most; ++fd) {
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_DGRAM) continue;
    su_sockaddr_t bound{};
    length = sizeof bound;
    if (getsockname(fd, &bound.su_sa, &length) != 0) continue;
    const Address at = address_of(bound);
    if (at == local) return fd;
    if (at.port == local.port) found = fd;
  }
  return found;
}

}  // namespace

absl::Status SofiaStack::start_shedding() {
  early_refusal_.reset();
  if (!options_.udp || early_refusal_options_.limit <= 0ms) return absl::OkStatus();
  udp_fd_ = find_socket(local_);
  if (udp_fd_ < 0)
    return absl::InternalError("SIP: no UDP socket of ours at " + local_.ip + ":" +
                               std::to_string(local_.port) + ", though we listen there");
  (void)waited();  // the system notes when a datagram came from the first time on that it is asked
  char secret[17] = "";
  std::snprintf(secret, sizeof secret, "%08x%08x", random_bits(), random_bits());
  early_refusal_.emplace(early_refusal_options_, secret);
  return absl::OkStatus();
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
  if (!late_by || !early_refusal_->late(*late_by)) return false;
  std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
  socklen_t length = sizeof memory;
  if (getsockopt(udp_fd_, SOL_SOCKET, SO_MEMINFO, memory.data(), &length) != 0) return false;
  if (!EarlyRefusal::crowded(memory[SK_MEMINFO_RMEM_ALLOC])) return false;
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

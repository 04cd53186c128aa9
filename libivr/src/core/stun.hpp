#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"

// Session Traversal Utilities for NAT (RFC 8489), as far as somebody needs it who asks a server at which
// address it sees him: one Binding request and what comes back. It sends nothing itself, has no credentials,
// and goes to no other server that an error names.

namespace ivr::stun {

inline constexpr std::uint16_t kPort = 3478;

using Id = std::array<std::uint8_t, 12>;  // of a transaction; hard to guess

struct Server {
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = kPort;
};

// "stun:HOST[:PORT]", an IPv6 address in brackets (RFC 7064). InvalidArgument says what is wrong.
bool is_uri(std::string_view text) noexcept;  // it means to be one
absl::StatusOr<Server> parse_uri(std::string_view text);

std::array<std::uint8_t, 20> binding_request(const Id& id) noexcept;

// Where the server saw the request come from: XOR-MAPPED-ADDRESS, or from an old server MAPPED-ADDRESS.
//
// Errors: InvalidArgument, the datagram is no whole response to `id`, and the right one may still come (6.3);
//         FailedPrecondition, the server has answered, and not with an address.
absl::StatusOr<Address> read_response(std::span<const std::uint8_t> datagram, const Id& id);

// When a request is sent again (6.2.1): after `rto`, then after twice as long each time; after the last one
// `last_wait` times `rto` is waited. The RFC would have 7 and 16, which are 39.5 s; these are 10 s.
struct Timing {
  Millis rto = 500ms;
  int requests = 5;
  int last_wait = 5;
};

// One transaction, on whatever clock its owner has.
class Query {
 public:
  Query(const Id& id, Time now, const Timing& timing = {});

  // True: request() is to be sent now. To be asked at deadline().
  bool due(Time now);
  std::optional<Time> deadline() const;  // nothing: it is over
  std::array<std::uint8_t, 20> request() const noexcept { return binding_request(id_); }

  void received(std::span<const std::uint8_t> datagram);  // from the server that was asked
  void failed(std::string why);  // it cannot be reached: an ICMP error is the end (6.2.1)

  // Once it is over. DeadlineExceeded: nobody has answered, and what else came.
  const absl::StatusOr<Address>& result() const { return *result_; }

 private:
  Id id_;
  Timing timing_;
  Time began_, next_;
  Millis wait_;
  int sent_ = 0, strange_ = 0;
  std::string last_strange_;
  std::optional<absl::StatusOr<Address>> result_;
};

}  // namespace ivr::stun

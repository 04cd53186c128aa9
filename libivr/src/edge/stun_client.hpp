#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/stun.hpp"
#include "edge/udp.hpp"
#include "ivr/base.hpp"

namespace ivr {

struct StunClientOptions {
  stun::Timing timing;
  Millis refresh = 60s;  // after an answer, or after none, until it is asked again; 0: only by ask()
};

// Asks a STUN server at which address the world sees this machine, and asks again, because behind NAT that
// may change. It learns the address alone: that the ports are forwarded as they are is the router's business.
// Where an answer fails to come, what was learned before stays.
//
// What comes from elsewhere than the server is not heard. The server's name is looked up once. IPv4 alone, as
// the media has it.
//
// Thread: one at a time.
class StunClient {
 public:
  // `server`: "stun:HOST[:PORT]". `local_ip`: whose outside is asked for. May take as long as the system
  // takes to look up a name.
  static absl::StatusOr<StunClient> create(std::string_view server, std::string_view local_ip,
                                           const StunClientOptions& options = {});
  StunClient(StunClient&&) = default;
  StunClient& operator=(StunClient&&) = default;

  // Waits for the answer, or until it is clear that none comes.
  absl::StatusOr<std::string> ask();

  // Goes on asking; never waits. To be called often. The address, when it is another than the last time.
  std::optional<std::string> poll(Time now);

  const std::string& error() const noexcept { return error_; }  // of the last question; empty: answered

 private:
  StunClient(UdpSocket socket, std::string name, const StunClientOptions& options);
  void begin(Time now);
  void go_on(Time now);
  absl::StatusOr<std::string> finish();

  UdpSocket socket_;  // connected
  std::string name_;  // of the server, for errors
  StunClientOptions options_;
  std::optional<stun::Query> query_;
  std::string ip_, error_;
  std::optional<Time> next_;  // to be asked, on the clock of who polls
};

}  // namespace ivr

#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ivr/ports.hpp"

namespace ivr {

struct EarlyRefusalOptions {
  Millis limit = 50ms;  // that an INVITE may have waited to be read, while others wait behind it; 0: for ever
  Millis retry_after = 5s;  // told with the 503
};

// The 503 for a call that there is no time for, from the bytes of its INVITE alone: no transaction is begun
// and nothing is remembered (RFC 3261, 8.2.7), so that refusing costs a small part of what a call costs. What
// it is not sure to understand it leaves to the SIP stack, and likewise every request within a dialog.
//
// Thread: any.
class EarlyRefusal {
 public:
  // `secret` begins our tags, so that the ACKs to them are known: letters and digits.
  EarlyRefusal(const EarlyRefusalOptions& options, std::string secret);

  // One datagram alone may be late because the machine was: an overload has others behind it.
  bool late(Micros waited) const { return options_.limit > Millis{0} && waited > options_.limit; }
  static bool crowded(std::size_t bytes_behind) { return bytes_behind >= kCrowd; }

  struct Reply {
    std::string text;
    std::uint16_t port = 0;  // at the address that the INVITE came from
    std::string from, to;    // for logs: the caller's URI, and the user that was called
  };

  // `first`: the request line; `rest`: all behind it. The INVITE that begins a call, come by UDP; nothing: it
  // is something else.
  std::optional<Reply> refuse(std::string_view first, std::string_view rest, const Address& source) const;
  // The ACK to such a 503: nobody waits for it.
  bool acknowledges(std::string_view first, std::string_view rest) const;

 private:
  static constexpr std::size_t kCrowd = 16 << 10;  // bytes as the system counts them: about ten datagrams

  EarlyRefusalOptions options_;
  std::string secret_;
};

}  // namespace ivr

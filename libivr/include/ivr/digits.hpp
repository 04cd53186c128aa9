#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"

namespace ivr {

struct DigitOptions {
  // How far apart two transports may report one press: what the slowest lags behind the quickest. A report
  // whose twin is further away is a press of its own.
  Millis window = 1000ms;
};

struct DigitStats {
  std::uint64_t presses = 0;
  std::uint64_t repeated = 0;  // reports of a press that another transport had reported
};

// One press on the caller's phone may reach us as a tone in the audio, as RFC 4733 packets and as SIP INFO,
// each with a delay and losses of its own. The collector gives each press once, at the first report of it,
// whichever transport that was. A transport reports its own presses once each; so the k-th report of a digit
// on one transport is the k-th press of it on another, and two quick presses of one key stay two.
//
// Where two transports each lose another one of two presses of one key within the window, one press is left:
// nothing tells that apart from one press reported twice.
//
// Thread:   one at a time.
// Realtime: bounded; allocates with the first presses.
class DigitCollector {
 public:
  static absl::StatusOr<DigitCollector> create(const DigitOptions& options = {});

  // A key went down. Gives the digit to act on, or nothing when this press is known already.
  // `key` tells presses of one transport apart (the RTP timestamp), 0 when it has no such thing.
  std::optional<char> began(DigitSource source, char digit, std::uint32_t key, Time now) noexcept;

  // A key is up. Where its began() was heard this gives nothing; where it was not (SIP INFO comes when the
  // key is up) it is the report of the press.
  std::optional<char> ended(DigitSource source, char digit, std::uint32_t key, Millis duration,
                            Time now) noexcept;

  const DigitStats& stats() const noexcept { return stats_; }

 private:
  static constexpr int kRemembered = 32;
  static constexpr int kSources = 3;

  struct Press {
    char digit = 0;
    std::uint8_t reported_by = 0;  // bits of DigitSource
    std::uint8_t held_by = 0;      // of these, who has not reported its end
    std::array<std::uint32_t, kSources> keys{};
    Time first{}, last{};  // reports
  };

  explicit DigitCollector(const DigitOptions& options) noexcept : options_(options) {}
  std::optional<char> report(DigitSource source, char digit, std::uint32_t key, Time down, Time now,
                             bool held) noexcept;

  DigitOptions options_;
  DigitStats stats_;
  std::vector<Press> presses_;  // in the order of their first reports; once full a ring
  int next_ = 0;                // in the ring: the oldest
};

}  // namespace ivr

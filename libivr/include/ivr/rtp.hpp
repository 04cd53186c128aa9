#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ivr/base.hpp"

// The RTP fixed header (RFC 3550, 5.1) read from hostile bytes and written for the wire, the arithmetic of
// its 16-bit sequence numbers, and what a receiver counts. No socket, no RTCP packets, no payload formats.

namespace ivr {

inline constexpr std::size_t kRtpHeaderBytes = 12;  // without CSRCs and extension

struct RtpHeader {
  std::uint8_t payload_type = 0;  // 0 to 127
  bool marker = false;
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;  // in the payload's clock, 8 kHz for telephony audio
  std::uint32_t ssrc = 0;

  friend bool operator==(const RtpHeader&, const RtpHeader&) = default;
};

struct RtpFrame {
  RtpHeader header;
  std::span<const std::uint8_t> payload;  // borrowed from the packet; padding is cut off
};

enum class RtpParse {
  ok,
  too_short,      // fewer than 12 bytes
  wrong_version,  // not 2
  bad_csrc,       // the CSRC list runs past the end
  bad_extension,  // the header extension runs past the end
  bad_padding,    // the padding count is 0 or longer than the payload
};

// Reads one UDP payload. `frame` is written only for RtpParse::ok. CSRCs and the extension are skipped.
// Thread: any.   Realtime: bounded, never allocates.
RtpParse parse_rtp(std::span<const std::uint8_t> packet, RtpFrame& frame) noexcept;

// The header as sent: version 2, no padding, extension or CSRC.
std::array<std::uint8_t, kRtpHeaderBytes> write_rtp_header(const RtpHeader& header) noexcept;

// How far `a` is ahead of `b` on the 16-bit circle: the difference, read as signed (RFC 3550, A.1).
constexpr int newer_by(std::uint16_t a, std::uint16_t b) noexcept {
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(a - b));
}

// The same for timestamps, on the 32-bit circle.
constexpr std::int64_t later_by(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b);
}

// Turns 16-bit sequence numbers into ones that never wrap. Reordering within half the circle is followed.
class SequenceExtender {
 public:
  std::int64_t extend(std::uint16_t sequence) noexcept;
  void reset() noexcept { *this = {}; }

 private:
  std::int64_t highest_ = 0;
  bool started_ = false;
};

// What a receiver of one synchronisation source knows (RFC 3550, appendix A): validity, loss and jitter.
// A new SSRC starts afresh. Packets whose timestamp repeats the one before (telephone-event) do not count as
// jitter.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class RtpReceiverStats {
 public:
  // A reception report block (RFC 3550, 6.4.1) without its RTCP fields.
  struct Report {
    std::uint8_t fraction_lost = 0;      // since the report before, in 1/256
    std::int32_t cumulative_lost = 0;    // negative with duplicates; limited to 24 bits
    std::uint32_t highest_sequence = 0;  // with its cycles in the upper half
    std::uint32_t jitter = 0;            // in timestamp units
  };

  explicit RtpReceiverStats(int clock_rate_hz = kSampleRateHz) noexcept : clock_rate_hz_(clock_rate_hz) {}

  // False while the source is on probation (two packets in order) or after a wild jump: do not trust the
  // packet.
  bool receive(const RtpHeader& header, Time now) noexcept;

  std::uint32_t ssrc() const noexcept { return ssrc_; }  // of the source
  std::uint64_t received() const noexcept { return received_; }
  std::uint64_t expected() const noexcept;
  std::int64_t lost() const noexcept;  // negative when duplicates outnumber losses
  double loss_ratio() const noexcept;  // 0 to 1, over the whole stream
  double jitter_ms() const noexcept;   // RFC 3550, 6.4.1 and A.8

  Report report() noexcept;  // starts the next interval

 private:
  void start(const RtpHeader& header) noexcept;
  bool update_sequence(std::uint16_t sequence) noexcept;
  void update_jitter(std::uint32_t timestamp, Time now) noexcept;

  int clock_rate_hz_;
  bool started_ = false;
  std::uint32_t ssrc_ = 0;
  std::uint32_t base_sequence_ = 0;
  std::uint32_t bad_sequence_ = 0;  // what a restarted sender would send next
  std::uint16_t max_sequence_ = 0;
  std::uint64_t cycles_ = 0;  // counts of 65536
  std::uint64_t received_ = 0;
  std::uint64_t expected_prior_ = 0;
  std::uint64_t received_prior_ = 0;
  int probation_ = 0;
  bool timed_ = false;  // the two below hold a packet
  std::uint32_t last_timestamp_ = 0;
  Time last_arrival_{};
  double jitter_ = 0;  // in timestamp units
};

// What a listener would say of a G.711 call, 1 (bad) to 4.5: the E-model of ITU-T G.107 with its default
// values, reduced to loss and delay. `delay` is one way, mouth to ear, jitter buffer included. `burst_ratio`
// is 1 for random loss and larger for bursts. `concealed`: lost frames are concealed (G.113, appendix I:
// Bpl 25.1, else 4.3).
double estimate_mos(double loss_ratio, Millis delay, bool concealed = true,
                    double burst_ratio = 1.0) noexcept;

}  // namespace ivr

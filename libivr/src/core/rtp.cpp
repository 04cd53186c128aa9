#include "ivr/rtp.hpp"

#include <algorithm>
#include <cmath>

namespace ivr {
namespace {

// RFC 3550, A.1.
constexpr int kMaxDropout = 3000;
constexpr int kMaxMisorder = 100;
constexpr int kMinSequential = 2;
constexpr std::uint32_t kNoSequence = (1u << 16) + 1;  // equal to no 16-bit number

std::uint16_t read16(const std::uint8_t* p) noexcept { return static_cast<std::uint16_t>(p[0] << 8 | p[1]); }

std::uint32_t read32(const std::uint8_t* p) noexcept {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

}  // namespace

RtpParse parse_rtp(std::span<const std::uint8_t> packet, RtpFrame& frame) noexcept {
  if (packet.size() < kRtpHeaderBytes) return RtpParse::too_short;
  const std::uint8_t* p = packet.data();
  if (p[0] >> 6 != 2) return RtpParse::wrong_version;

  std::size_t start = kRtpHeaderBytes + 4u * (p[0] & 0x0F);
  if (start > packet.size()) return RtpParse::bad_csrc;
  if ((p[0] & 0x10) != 0) {  // 5.3.1: 16 bits of the profile's, then the length in 32-bit words
    if (packet.size() - start < 4) return RtpParse::bad_extension;
    const std::size_t length = 4 + 4u * read16(p + start + 2);
    if (packet.size() - start < length) return RtpParse::bad_extension;
    start += length;
  }

  std::size_t end = packet.size();
  if ((p[0] & 0x20) != 0) {  // the last byte counts the padding, itself included
    const std::size_t padding = p[end - 1];
    if (padding == 0 || padding > end - start) return RtpParse::bad_padding;
    end -= padding;
  }

  frame.header = {.payload_type = static_cast<std::uint8_t>(p[1] & 0x7F),
                  .marker = (p[1] & 0x80) != 0,
                  .sequence = read16(p + 2),
                  .timestamp = read32(p + 4),
                  .ssrc = read32(p + 8)};
  frame.payload = packet.subspan(start, end - start);
  return RtpParse::ok;
}

std::array<std::uint8_t, kRtpHeaderBytes> write_rtp_header(const RtpHeader& header) noexcept {
  const auto byte = [](std::uint32_t value, int shift) { return static_cast<std::uint8_t>(value >> shift); };
  return {0x80,
          static_cast<std::uint8_t>((header.marker ? 0x80 : 0) | (header.payload_type & 0x7F)),
          byte(header.sequence, 8),
          byte(header.sequence, 0),
          byte(header.timestamp, 24),
          byte(header.timestamp, 16),
          byte(header.timestamp, 8),
          byte(header.timestamp, 0),
          byte(header.ssrc, 24),
          byte(header.ssrc, 16),
          byte(header.ssrc, 8),
          byte(header.ssrc, 0)};
}

std::int64_t SequenceExtender::extend(std::uint16_t sequence) noexcept {
  if (!started_) {
    started_ = true;
    highest_ = sequence;
    return highest_;
  }
  const std::int64_t extended = highest_ + newer_by(sequence, static_cast<std::uint16_t>(highest_));
  highest_ = std::max(highest_, extended);
  return extended;
}

void RtpReceiverStats::start(const RtpHeader& header) noexcept {
  const int rate = clock_rate_hz_;
  *this = RtpReceiverStats(rate);
  started_ = true;
  ssrc_ = header.ssrc;
  base_sequence_ = header.sequence;
  max_sequence_ = static_cast<std::uint16_t>(header.sequence - 1);
  bad_sequence_ = kNoSequence;
  probation_ = kMinSequential;
}

bool RtpReceiverStats::receive(const RtpHeader& header, Time now) noexcept {
  if (!started_ || header.ssrc != ssrc_) start(header);
  if (!update_sequence(header.sequence)) return false;
  update_jitter(header.timestamp, now);
  return true;
}

// RFC 3550, A.1: two packets in order make a source; a jump is believed when its successor comes too.
bool RtpReceiverStats::update_sequence(std::uint16_t sequence) noexcept {
  const auto delta = static_cast<std::uint16_t>(sequence - max_sequence_);
  if (probation_ > 0) {
    if (delta == 1) {
      max_sequence_ = sequence;
      if (--probation_ > 0) return false;
      base_sequence_ = sequence;
      received_ = 1;
      return true;
    }
    probation_ = kMinSequential - 1;
    max_sequence_ = sequence;
    return false;
  }
  if (delta < kMaxDropout) {
    if (sequence < max_sequence_) ++cycles_;
    max_sequence_ = sequence;
  } else if (delta <= 65536 - kMaxMisorder) {
    if (sequence != bad_sequence_) {
      bad_sequence_ = (sequence + 1u) & 0xFFFF;
      return false;
    }
    // Two in order after the jump: the sender restarted, and so do the counts.
    base_sequence_ = sequence;
    max_sequence_ = sequence;
    bad_sequence_ = kNoSequence;
    cycles_ = received_ = received_prior_ = expected_prior_ = 0;
    timed_ = false;
  }
  ++received_;
  return true;
}

// A.8, in floating point: J += (|D| - J) / 16.
void RtpReceiverStats::update_jitter(std::uint32_t timestamp, Time now) noexcept {
  if (timed_ && timestamp == last_timestamp_) return;
  if (timed_) {
    const double arrival = std::chrono::duration<double>(now - last_arrival_).count() * clock_rate_hz_;
    const double difference = arrival - static_cast<double>(later_by(timestamp, last_timestamp_));
    // A silence or a re-stamped stream is no jitter: past 10 s the clocks have nothing to do with each other.
    if (std::abs(difference) < 10.0 * clock_rate_hz_) jitter_ += (std::abs(difference) - jitter_) / 16;
  }
  timed_ = true;
  last_timestamp_ = timestamp;
  last_arrival_ = now;
}

std::uint64_t RtpReceiverStats::expected() const noexcept {
  if (received_ == 0) return 0;
  return cycles_ * 65536 + max_sequence_ - base_sequence_ + 1;
}

std::int64_t RtpReceiverStats::lost() const noexcept {
  return static_cast<std::int64_t>(expected()) - static_cast<std::int64_t>(received_);
}

double RtpReceiverStats::loss_ratio() const noexcept {
  const std::uint64_t all = expected();
  return all == 0 ? 0 : static_cast<double>(std::max<std::int64_t>(lost(), 0)) / static_cast<double>(all);
}

double RtpReceiverStats::jitter_ms() const noexcept { return jitter_ * 1000 / clock_rate_hz_; }

RtpReceiverStats::Report RtpReceiverStats::report() noexcept {
  Report report;
  const std::uint64_t all = expected();
  const auto expected_interval = static_cast<std::int64_t>(all - expected_prior_);
  const auto received_interval = static_cast<std::int64_t>(received_ - received_prior_);
  const std::int64_t lost_interval = expected_interval - received_interval;
  expected_prior_ = all;
  received_prior_ = received_;
  if (expected_interval > 0 && lost_interval > 0) {
    report.fraction_lost =
        static_cast<std::uint8_t>(std::min<std::int64_t>(lost_interval * 256 / expected_interval, 255));
  }
  report.cumulative_lost = static_cast<std::int32_t>(std::clamp<std::int64_t>(lost(), -0x800000, 0x7FFFFF));
  report.highest_sequence = static_cast<std::uint32_t>(cycles_ << 16) | max_sequence_;
  report.jitter = static_cast<std::uint32_t>(jitter_);
  return report;
}

double estimate_mos(double loss_ratio, Millis delay, bool concealed, double burst_ratio) noexcept {
  const double ms = static_cast<double>(std::max<std::int64_t>(delay.count(), 0));
  const double percent = std::clamp(loss_ratio, 0.0, 1.0) * 100;
  // Delay impairment: a gentle slope, steeper once conversation suffers (the usual fit to G.107's Idd).
  const double delay_impairment = 0.024 * ms + (ms > 177.3 ? 0.11 * (ms - 177.3) : 0.0);
  // G.107, 7-29, with Ie = 0 for G.711.
  const double robustness = concealed ? 25.1 : 4.3;
  const double loss_impairment =
      percent > 0 ? 95 * percent / (percent / std::max(burst_ratio, 1.0) + robustness) : 0;
  const double r = std::clamp(93.2 - delay_impairment - loss_impairment, 0.0, 100.0);
  return std::max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);  // G.107, annex B
}

}  // namespace ivr

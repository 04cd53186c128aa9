#include "ivr/playout_line.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ivr {

absl::StatusOr<PlayoutLine> PlayoutLine::create(const JitterOptions& options) {
  if (options.frame != kFrame || options.clock_rate_hz != kSampleRateHz ||
      options.max_payload < sizeof(Frame)) {
    return absl::InvalidArgumentError(
        "a playout line has frames of 20 ms at 8000 Hz, and a max_payload of 320 bytes at least");
  }
  auto buffer = JitterBuffer::create(options);
  if (!buffer.ok()) return buffer.status();
  return PlayoutLine(*std::move(buffer));
}

PlayoutLine::PlayoutLine(JitterBuffer buffer) : buffer_(std::move(buffer)) {}

void PlayoutLine::reset() noexcept {
  buffer_.reset();
  concealer_.reset();
  frame_.fill(0);
  filled_ = 0;
  silent_ = true;
}

void PlayoutLine::push(const RtpHeader& header, std::span<const std::int16_t> pcm, Time now) noexcept {
  std::uint32_t timestamp = header.timestamp;
  // A rest that does not go on is given up: less than a frame.
  if (filled_ > 0 &&
      (header.ssrc != ssrc_ || timestamp != filled_from_ + static_cast<std::uint32_t>(filled_))) {
    filled_ = 0;
  }
  ssrc_ = header.ssrc;
  while (!pcm.empty()) {
    if (filled_ == 0) filled_from_ = timestamp;
    const std::size_t n = std::min(pcm.size(), filling_.size() - filled_);
    std::copy_n(pcm.begin(), n, filling_.begin() + static_cast<std::ptrdiff_t>(filled_));
    filled_ += n;
    timestamp += static_cast<std::uint32_t>(n);
    pcm = pcm.subspan(n);
    if (filled_ < filling_.size()) return;
    filled_ = 0;
    buffer_.push({{0, false, sequence_++, filled_from_, ssrc_},
                  {reinterpret_cast<const std::uint8_t*>(filling_.data()), sizeof filling_}},
                 now);
  }
}

void PlayoutLine::tick(Time now) noexcept {
  std::array<std::uint8_t, sizeof(Frame)> bytes;
  switch (buffer_.pop(bytes, now)) {
    case Playout::frame:
      std::memcpy(frame_.data(), bytes.data(), sizeof frame_);
      concealer_.received(frame_);
      silent_ = false;
      return;
    case Playout::lost:
      concealer_.conceal(frame_);
      silent_ = false;
      return;
    case Playout::buffering:
    case Playout::empty:
      if (silent_) return;
      concealer_.reset();
      frame_.fill(0);
      silent_ = true;
      return;
  }
}

void add_saturated(std::span<std::int16_t> to, std::span<const std::int16_t> add) noexcept {
  const std::size_t n = std::min(to.size(), add.size());
  for (std::size_t i = 0; i < n; ++i) {
    to[i] = static_cast<std::int16_t>(std::clamp(to[i] + add[i], -32768, 32767));
  }
}

}  // namespace ivr

#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/concealment.hpp"
#include "ivr/jitter_buffer.hpp"
#include "ivr/rtp.hpp"

namespace ivr {

// What one talker says, as one frame of 20 ms for every tick of a mixer: packets of any length, early or
// late, with what is lost made up. It does not decode, and does not mix.
//
// Thread:   one at a time.
// Realtime: all but create() are bounded and never allocate.
class PlayoutLine {
 public:
  using Frame = std::array<std::int16_t, kFrameSamples>;

  static absl::StatusOr<PlayoutLine> create(const JitterOptions& options = {});

  // The audio of one packet, in the order it was sent.
  void push(const RtpHeader& header, std::span<const std::int16_t> pcm, Time now) noexcept;

  void tick(Time now) noexcept;  // once every 20 ms: makes the next frame
  const Frame& frame() const noexcept { return frame_; }
  bool silent() const noexcept { return silent_; }  // nobody talks: the frame is zeros

  const JitterStats& stats() const noexcept { return buffer_.stats(); }
  void reset() noexcept;

 private:
  explicit PlayoutLine(JitterBuffer buffer);

  JitterBuffer buffer_;
  Concealer concealer_;
  Frame frame_{}, filling_{};
  std::size_t filled_ = 0;
  std::uint32_t ssrc_ = 0, filled_from_ = 0;  // SSRC and timestamp of what fills
  std::uint16_t sequence_ = 0;
  bool silent_ = true;
};

// Adds one to the other; what does not fit 16 bits stays at their end.
// Thread: any. Realtime: never allocates.
void add_saturated(std::span<std::int16_t> to, std::span<const std::int16_t> add) noexcept;

}  // namespace ivr

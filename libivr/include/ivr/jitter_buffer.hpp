#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/rtp.hpp"

namespace ivr {

enum class Playout {
  frame,      // `out` holds the next frame
  lost,       // its frame is missing, or delay is growing: conceal
  buffering,  // waiting before the first frame
  empty,      // no stream, or none for a second: silence
};

struct JitterOptions {
  Millis frame = 20ms;                // one packet's worth of audio
  Millis min_delay = 40ms;            // waited before the first frame, and kept at least
  Millis max_delay = 200ms;           // a packet further ahead than this is dropped
  int clock_rate_hz = kSampleRateHz;  // of the timestamps
  std::size_t max_payload = 320;      // bytes; longer packets are dropped
  double late_target = 0.0092;        // share of packets that may come too late: more of it is less delay
};

struct JitterStats {
  std::uint64_t received = 0;  // packets pushed
  std::uint64_t played = 0;    // frames popped
  std::uint64_t late = 0;      // came after their turn
  std::uint64_t dropped = 0;   // taken out to bring the delay down
  std::uint64_t lost = 0;      // turns without a frame
  std::uint64_t grown = 0;     // of these, turns that waited for the frame instead of leaving it out
  std::uint64_t duplicates = 0;
  std::uint64_t refused = 0;   // too far ahead, or too long
  std::uint64_t restarts = 0;  // another SSRC, or a jump of the timestamps
  Millis delay{0};             // between the arrival of the quickest packets and their turn
  double drift_ppm = 0;        // the sender's clock against ours, positive when it is faster
};

// Turns packets that arrive whenever they like into one frame per tick.
// It does not decode, and it does not conceal: Playout::lost tells the caller to.
//
// How it decides: it keeps the distribution of how late packets are, forgetting slowly, and holds the
// smallest delay that leaves no more than a small share behind. What share follows from a budget:
// `late_target` of the packets may be lost to lateness in the long run, and a quiet line saves up for a
// restless one. The delay grows when a frame is missing anyway, and shrinks when one may be skipped.
//
// Thread:   one at a time.
// Realtime: push() and pop() are bounded and never allocate.
class JitterBuffer {
 public:
  static absl::StatusOr<JitterBuffer> create(const JitterOptions& options);

  // Copies the payload. A packet that came too late is only counted.
  void push(const RtpFrame& frame, Time now) noexcept;

  // Call once per frame interval. Writes `out` only for Playout::frame.
  Playout pop(std::span<std::uint8_t> out, Time now) noexcept;

  std::size_t frame_bytes() const noexcept { return frame_bytes_; }  // of the frame popped last
  const JitterStats& stats() const noexcept { return stats_; }
  void reset() noexcept;  // forgets the stream, keeps the counts

 private:
  static constexpr int kBins = 1024;  // of 1 ms
  static constexpr int kRecent = 50;  // packets that show a change of level
  static constexpr int kDriftBlocks = 32;

  struct Slot {
    std::int64_t index = 0;
    std::uint32_t bytes = 0;
  };

  explicit JitterBuffer(const JitterOptions& options);
  void start(const RtpHeader& header, Time now) noexcept;
  Slot& slot(std::int64_t index) noexcept;
  bool holds(std::int64_t index) noexcept { return slot(index).index == index; }
  double lateness(std::int64_t index, Time now) const noexcept;  // ms, of a packet or a turn
  int bin_of(double lateness_ms) const noexcept;
  void note(double lateness_ms, bool late, Time now) noexcept;
  void rebuild_from_recent() noexcept;
  void follow_drift(double lateness_ms, Time now) noexcept;
  void shift_bins(int by) noexcept;
  double share_later_than(double lateness_ms) const noexcept;
  double quickest() const noexcept;
  double allowed_share() const noexcept;
  Playout play(std::int64_t index, std::span<std::uint8_t> out, Time now) noexcept;

  JitterOptions options_;
  JitterStats stats_;
  double frame_ms_ = 20;
  std::int64_t frame_ticks_ = 160;
  std::vector<Slot> slots_;
  std::vector<std::uint8_t> bytes_;
  std::size_t frame_bytes_ = 0;

  bool started_ = false, playing_ = false;
  std::uint32_t ssrc_ = 0;
  std::uint32_t last_timestamp_ = 0;
  std::int64_t last_ticks_ = 0;  // the same, never wrapping; 0 is the first packet
  std::int64_t next_ = 0;        // index of the frame whose turn it is
  std::int64_t highest_ = 0;     // index of the newest packet
  Time epoch_{};                 // arrival of the first packet
  int strangers_ = 0;            // packets in a row that fit nowhere
  int silent_turns_ = 0;         // since a packet was there

  // Lateness: arrival less what the timestamp says, in ms, corrected for drift.
  std::array<float, kBins> bins_{};
  double base_ = 0;   // lateness of bin 0
  double total_ = 0;  // of all bins
  std::array<float, kRecent> recent_{};
  int recent_count_ = 0, recent_next_ = 0;
  int late_in_a_row_ = 0;
  Time last_late_{};
  double budget_ = 0;  // packets that may still be late
  int wish_ = 0;       // turns for which less delay has been wished for

  std::array<float, kDriftBlocks> quickest_{};  // of each second
  int block_count_ = 0;
  double block_quickest_ = 0;
  Time block_end_{};
  double drift_ = 0;        // ms of lateness a ms
  double drift_total_ = 0;  // ms so far
  Time drift_at_{};
};

}  // namespace ivr

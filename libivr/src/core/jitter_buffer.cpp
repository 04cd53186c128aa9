#include "ivr/jitter_buffer.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace ivr {
namespace {

constexpr double kMemoryPackets = 2000;  // after so many, a packet counts for 1/e in the distribution
constexpr double kBudgetLeast = -30, kBudgetMost = 24;  // packets
constexpr double kShareLeast = 0.0005, kShareMost = 0.10;
constexpr double kBudgetScale = 8;         // so many packets saved up allow e times the share
constexpr double kShorterShare = 0.9;      // of the share allowed: less delay has to be worth a frame
constexpr int kPatience = 15, kHaste = 5;  // turns to wait for a missing frame before a good one is left out
constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
constexpr int kStrangers = 4;    // packets in a row from elsewhere in time make a new start
constexpr int kLateRun = 4;      // late packets in a row, one by one, are a new level of delay
constexpr Millis kSilence = 1s;  // without a packet: Playout::empty

double ms(Time::duration d) noexcept { return std::chrono::duration<double, std::milli>(d).count(); }

}  // namespace

absl::StatusOr<JitterBuffer> JitterBuffer::create(const JitterOptions& options) {
  if (options.frame < 5ms || options.frame > 100ms) {
    return absl::InvalidArgumentError(
        absl::StrCat("jitter frame ", options.frame.count(), " ms: must be 5 to 100"));
  }
  if (options.min_delay < 0ms || options.max_delay > 2s ||
      options.max_delay < options.min_delay + options.frame) {
    return absl::InvalidArgumentError(absl::StrCat("jitter delay ", options.min_delay.count(), " to ",
                                                   options.max_delay.count(),
                                                   " ms: must be 0 to 2000, and a frame apart"));
  }
  if (options.clock_rate_hz < 8000 || options.clock_rate_hz > 192'000) {
    return absl::InvalidArgumentError(
        absl::StrCat("jitter clock rate ", options.clock_rate_hz, " Hz: must be 8000 to 192000"));
  }
  if (options.max_payload < 1 || options.max_payload > 9000) {
    return absl::InvalidArgumentError(
        absl::StrCat("jitter payload ", options.max_payload, " bytes: must be 1 to 9000"));
  }
  if (!(options.late_target >= 0 && options.late_target <= 0.1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("jitter late target ", options.late_target, ": must be 0 to 0.1"));
  }
  return JitterBuffer(options);
}

JitterBuffer::JitterBuffer(const JitterOptions& options)
    : options_(options),
      frame_ms_(static_cast<double>(options.frame.count())),
      frame_ticks_(options.frame.count() * options.clock_rate_hz / 1000) {
  const auto frames = static_cast<std::size_t>(options.max_delay / options.frame) + 2;
  slots_.resize(std::bit_ceil(2 * frames), Slot{.index = kNone});
  bytes_.resize(slots_.size() * options.max_payload);
}

void JitterBuffer::reset() noexcept {
  started_ = playing_ = false;
  std::fill(slots_.begin(), slots_.end(), Slot{.index = kNone});
  bins_.fill(0);
  total_ = budget_ = 0;
  recent_count_ = recent_next_ = late_in_a_row_ = strangers_ = silent_turns_ = wish_ = block_count_ = 0;
  drift_ = drift_total_ = 0;
}

void JitterBuffer::start(const RtpHeader& header, Time now) noexcept {
  if (started_) ++stats_.restarts;
  reset();
  started_ = true;
  ssrc_ = header.ssrc;
  last_timestamp_ = header.timestamp;
  last_ticks_ = 0;
  next_ = highest_ = 0;
  epoch_ = drift_at_ = now;
  block_end_ = now + 1s;
  block_quickest_ = 0;
  base_ = -kBins / 4.0;
}

JitterBuffer::Slot& JitterBuffer::slot(std::int64_t index) noexcept {
  return slots_[static_cast<std::size_t>(index) & (slots_.size() - 1)];
}

double JitterBuffer::lateness(std::int64_t index, Time now) const noexcept {
  return ms(now - epoch_) - static_cast<double>(index) * frame_ms_ - drift_total_ -
         drift_ * ms(now - drift_at_);
}

void JitterBuffer::push(const RtpFrame& frame, Time now) noexcept {
  const RtpHeader& header = frame.header;
  ++stats_.received;
  if (frame.payload.size() > options_.max_payload) {
    ++stats_.refused;
    return;
  }
  if (!started_ || header.ssrc != ssrc_) start(header, now);
  const std::int64_t ticks = last_ticks_ + later_by(header.timestamp, last_timestamp_);
  const std::int64_t index = (ticks + (ticks < 0 ? -frame_ticks_ / 2 : frame_ticks_ / 2)) / frame_ticks_;
  const std::int64_t ahead = index - next_;
  const std::int64_t most = options_.max_delay / options_.frame;
  if (ahead > most || ahead < -4 * most) {
    if (++strangers_ < kStrangers) {
      ++stats_.refused;
      return;
    }
    start(header, now);
    return push(frame, now);
  }
  strangers_ = 0;
  last_timestamp_ = header.timestamp;
  last_ticks_ = ticks;

  drift_total_ += drift_ * ms(now - drift_at_);
  drift_at_ = now;
  const double late_by = lateness(index, now);
  const bool late = index < next_;
  if (late || !holds(index)) note(late_by, late, now);
  follow_drift(late_by + drift_total_, now);
  if (late && playing_) {
    ++stats_.late;
    return;
  }
  if (late) next_ = index;  // reordered before the first frame was played
  if (holds(index)) {
    ++stats_.duplicates;
    return;
  }
  silent_turns_ = 0;
  highest_ = std::max(highest_, index);
  slot(index) = {.index = index, .bytes = static_cast<std::uint32_t>(frame.payload.size())};
  const std::size_t at = (static_cast<std::size_t>(index) & (slots_.size() - 1)) * options_.max_payload;
  if (!frame.payload.empty()) std::memcpy(bytes_.data() + at, frame.payload.data(), frame.payload.size());
}

Playout JitterBuffer::play(std::int64_t index, std::span<std::uint8_t> out, Time now) noexcept {
  Slot& s = slot(index);
  frame_bytes_ = std::min<std::size_t>(s.bytes, out.size());
  const std::size_t at = (static_cast<std::size_t>(index) & (slots_.size() - 1)) * options_.max_payload;
  if (frame_bytes_ > 0) std::memcpy(out.data(), bytes_.data() + at, frame_bytes_);
  s.index = kNone;
  next_ = index + 1;
  ++stats_.played;
  const double delay = lateness(index, now) - quickest();
  stats_.delay = Millis(static_cast<std::int64_t>(std::max(delay, 0.0)));
  stats_.drift_ppm = -drift_ * 1e6;
  return Playout::frame;
}

Playout JitterBuffer::pop(std::span<std::uint8_t> out, Time now) noexcept {
  if (!started_) return Playout::empty;
  const double least = quickest() + static_cast<double>(options_.min_delay.count());
  const double most = quickest() + static_cast<double>(options_.max_delay.count());
  if (!playing_) {
    if (lateness(next_, now) < least) return Playout::buffering;
    playing_ = true;
  }
  budget_ = std::min(budget_ + options_.late_target, kBudgetMost);

  // How late this turn is for its frame; a frame that took longer than that missed it.
  const double turn = lateness(next_, now);
  const double share = allowed_share();
  const bool too_early = turn < least || (turn + frame_ms_ <= most && share_later_than(turn) > share);
  const double shorter = turn - frame_ms_;
  const bool too_late =
      shorter >= least && (turn > most || share_later_than(shorter) < kShorterShare * share);
  wish_ = too_late ? wish_ + 1 : 0;

  if (holds(next_)) {
    late_in_a_row_ = 0;
    // Less delay costs a frame; wait for one that is missing anyway, unless there is much to gain.
    const int patience =
        shorter - frame_ms_ >= least && share_later_than(shorter - frame_ms_) < kShorterShare * share
            ? kHaste
            : kPatience;
    if (too_late && wish_ >= patience && holds(next_ + 1)) {
      slot(next_).index = kNone;
      ++stats_.dropped;
      budget_ -= 1;
      wish_ = 0;
      return play(next_ + 1, out, now);
    }
    return play(next_, out, now);
  }

  ++stats_.lost;
  const bool dry = highest_ < next_;
  if (dry) ++silent_turns_;
  if (silent_turns_ > kSilence / options_.frame) {
    ++next_;
    return Playout::empty;
  }
  if (too_late && holds(next_ + 1)) {  // the missing one is skipped: less delay for nothing
    wish_ = 0;
    --stats_.lost;
    return play(next_ + 1, out, now);
  }
  // Many late ones in a row, each by itself: the path has become longer, waiting is all that helps.
  const bool longer_path = dry && late_in_a_row_ >= kLateRun && turn + frame_ms_ <= most;
  if (too_early || longer_path) {
    ++stats_.grown;
    return Playout::lost;
  }
  ++next_;
  return Playout::lost;
}

// -------------------------------------------------------------------- the distribution of lateness

int JitterBuffer::bin_of(double lateness_ms) const noexcept {
  return static_cast<int>(std::clamp(std::floor(lateness_ms - base_), 0.0, kBins - 1.0));
}

void JitterBuffer::note(double lateness_ms, bool late, Time now) noexcept {
  if (late && playing_) {
    budget_ = std::max(budget_ - 1, kBudgetLeast);
    if (now - last_late_ > options_.frame / 2) ++late_in_a_row_;
    last_late_ = now;
  }
  if (lateness_ms < base_ + 16) shift_bins(kBins / 8);
  if (lateness_ms > base_ + kBins - 16) shift_bins(-kBins / 8);
  constexpr double keep = 1 - 1 / kMemoryPackets;
  for (float& bin : bins_) bin *= static_cast<float>(keep);
  total_ = total_ * keep + 1;
  bins_[static_cast<std::size_t>(bin_of(lateness_ms))] += 1;

  recent_[static_cast<std::size_t>(recent_next_)] = static_cast<float>(lateness_ms);
  recent_next_ = (recent_next_ + 1) % kRecent;
  recent_count_ = std::min(recent_count_ + 1, kRecent);
  if (recent_count_ == kRecent && total_ > 3 * kRecent) {
    const auto [low, high] = std::minmax_element(recent_.begin(), recent_.end());
    // All of the last second outside of what was usual: another path, whose past says nothing.
    if (share_later_than(*high + 10) > 0.7 || 1 - share_later_than(*low - 10) > 0.7) rebuild_from_recent();
  }
}

void JitterBuffer::rebuild_from_recent() noexcept {
  bins_.fill(0);
  total_ = 0;
  for (const float lateness_ms : recent_) {
    bins_[static_cast<std::size_t>(bin_of(lateness_ms))] += 1;
    total_ += 1;
  }
  block_count_ = 0;  // the level says nothing about clocks
}

// Moves the contents up by so many bins (down when negative), and the origin the other way. What would fall
// off the end stays in the last bin.
void JitterBuffer::shift_bins(int by) noexcept {
  base_ -= by;
  if (by > 0) {
    const float over = std::accumulate(bins_.end() - by, bins_.end(), 0.0F);
    std::move_backward(bins_.begin(), bins_.end() - by, bins_.end());
    std::fill(bins_.begin(), bins_.begin() + by, 0.0F);
    bins_.back() += over;
  } else {
    const float under = std::accumulate(bins_.begin(), bins_.begin() - by, 0.0F);
    std::move(bins_.begin() - by, bins_.end(), bins_.begin());
    std::fill(bins_.end() + by, bins_.end(), 0.0F);
    bins_.front() += under;
  }
}

double JitterBuffer::share_later_than(double lateness_ms) const noexcept {
  if (total_ <= 0) return 0;
  const double at = lateness_ms - base_;
  if (at < 0) return 1;
  if (at >= kBins) return 0;
  auto bin = static_cast<std::size_t>(at);
  float sum = bins_[bin] * static_cast<float>(1 - (at - std::floor(at)));
  for (++bin; bin % 8 != 0; ++bin) sum += bins_[bin];
  std::array<float, 8> sums{};  // eight at a time, for the vector unit
  for (; bin < kBins; bin += 8) {
    for (std::size_t i = 0; i < 8; ++i) sums[i] += bins_[bin + i];
  }
  for (const float part : sums) sum += part;
  return sum / total_;
}

double JitterBuffer::quickest() const noexcept {
  for (int i = 0; i < kBins; ++i) {
    if (bins_[static_cast<std::size_t>(i)] > 0.02F) return base_ + i;
  }
  return base_;
}

double JitterBuffer::allowed_share() const noexcept {
  return std::clamp(options_.late_target * std::exp(budget_ / kBudgetScale), kShareLeast, kShareMost);
}

// The quickest packet of each second lies on a line; its slope is the difference of the clocks.
void JitterBuffer::follow_drift(double lateness_ms, Time now) noexcept {
  if (now < block_end_) {
    block_quickest_ = std::min(block_quickest_, lateness_ms);
    return;
  }
  quickest_[static_cast<std::size_t>(block_count_ % kDriftBlocks)] = static_cast<float>(block_quickest_);
  ++block_count_;
  block_quickest_ = lateness_ms;
  block_end_ = now + 1s;
  const int n = std::min(block_count_, kDriftBlocks);
  if (n < kDriftBlocks / 2) return;
  double sum = 0, moment = 0, squares = 0;
  const double middle = (n - 1) / 2.0;
  for (int i = 0; i < n; ++i) {
    const double y = quickest_[static_cast<std::size_t>((block_count_ - n + i) % kDriftBlocks)];
    sum += y;
    squares += y * y;
    moment += (i - middle) * y;
  }
  const double spread = n * (static_cast<double>(n) * n - 1) / 12;
  const double slope = moment / spread;  // ms a second
  const double residual = std::max(squares - sum * sum / n - slope * moment, 0.0) / n;
  const double error = std::sqrt(residual / spread);
  drift_ = residual < 4 && std::abs(slope) < 1.0 && std::abs(slope) > 4 * error ? slope / 1000 : 0;
}

}  // namespace ivr

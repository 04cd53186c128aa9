#include "ivr/key_relay.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/dtmf_routines.hpp"
#include "core/samples.hpp"

namespace ivr {
namespace {

constexpr std::int64_t kMargin = 40;  // samples: the detector's own step is as fine
constexpr int kRamp = 16;             // samples: no click where a cut begins and ends
constexpr std::int64_t kOpen = std::numeric_limits<std::int64_t>::max() / 2;

constexpr double kLow = 5700, kHigh = 7200;   // amplitudes: -9 dBm0 and 2 dB more
constexpr int kLeast = 400, kPause = 400;     // samples
constexpr int kLongest = 10 * kSampleRateHz;  // whose end never came

}  // namespace

// --------------------------------------------------------------------------------------- KeyCutter

KeyCutter::KeyCutter(int delay)
    : detector_(*DtmfDetector::create()),
      delay_(std::max(delay, kDelay)),
      ring_(std::bit_ceil(static_cast<std::size_t>(delay_ + kPiece))) {
  events_.reserve(16);
}

void KeyCutter::reset() noexcept {
  detector_ = *DtmfDetector::create();
  concealer_.reset();
  std::fill(ring_.begin(), ring_.end(), std::int16_t{0});
  in_ = 0;
  cut_count_ = 0;
  sounding_ = false;
}

void KeyCutter::cut(bool on) noexcept {
  on_ = on;
  if (!on) return;
  for (int c = 0; c < cut_count_; ++c) cuts_[static_cast<std::size_t>(c)].wanted = true;
}

void KeyCutter::hear() noexcept {
  for (const DtmfEvent& event : events_) {
    if (event.kind == DtmfEvent::Kind::began) {
      if (cut_count_ == kCuts) std::move(cuts_.begin() + 1, cuts_.end(), cuts_.begin()), --cut_count_;
      cuts_[static_cast<std::size_t>(cut_count_++)] = {event.onset - kMargin, kOpen, on_};
      sounding_ = true;
    } else if (sounding_) {
      cuts_[static_cast<std::size_t>(cut_count_ - 1)].to = event.onset + event.length + kMargin;
      sounding_ = false;
    }
  }
  events_.clear();
}

// `pcm` has been heard; it goes into the ring, and what is due comes out.
void KeyCutter::pass(std::span<std::int16_t> pcm) noexcept {
  const auto place = [&](std::int64_t at) { return static_cast<std::size_t>(at) & (ring_.size() - 1); };
  for (std::size_t i = 0; i < pcm.size(); ++i) ring_[place(in_ + static_cast<std::int64_t>(i))] = pcm[i];
  const std::int64_t out = in_ - delay_;
  for (std::size_t i = 0; i < pcm.size(); ++i) pcm[i] = ring_[place(out + static_cast<std::int64_t>(i))];
  in_ += static_cast<std::int64_t>(pcm.size());

  for (int c = 0; c < cut_count_; ++c) {
    const Cut& cut = cuts_[static_cast<std::size_t>(c)];
    if (!cut.wanted) continue;
    for (std::size_t i = 0; i < pcm.size(); ++i) {
      const std::int64_t at = out + static_cast<std::int64_t>(i);
      const std::int64_t away = at < cut.from ? cut.from - at : at >= cut.to ? at - cut.to + 1 : 0;
      if (away < kRamp) pcm[i] = static_cast<std::int16_t>(pcm[i] * static_cast<int>(away) / kRamp);
    }
  }
  while (cut_count_ > 0 && cuts_[0].to + kRamp < in_ - delay_) {
    std::move(cuts_.begin() + 1, cuts_.end(), cuts_.begin());
    --cut_count_;
  }
}

// `heard`: tells the detector of a piece, and writes what is not there yet.
template <class Heard>
void KeyCutter::by_pieces(std::span<std::int16_t> pcm, Heard&& heard) noexcept {
  while (!pcm.empty()) {
    const auto piece = pcm.first(std::min<std::size_t>(pcm.size(), kPiece));
    heard(piece);
    hear();
    pass(piece);
    pcm = pcm.subspan(piece.size());
  }
}

void KeyCutter::process(std::span<std::int16_t> pcm) noexcept {
  by_pieces(pcm, [this](std::span<std::int16_t> piece) {
    detector_.process(piece, events_);
    concealer_.received(piece);
  });
}

void KeyCutter::lost(std::span<std::int16_t> pcm) noexcept {
  by_pieces(pcm, [this](std::span<std::int16_t> piece) {
    detector_.lost(static_cast<int>(piece.size()), events_);
    concealer_.conceal(piece);
  });
}

void KeyCutter::hole(std::span<std::int16_t> pcm) noexcept {
  by_pieces(pcm, [this](std::span<std::int16_t> piece) {
    detector_.lost(static_cast<int>(piece.size()), events_);
    std::fill(piece.begin(), piece.end(), std::int16_t{0});
  });
}

// -------------------------------------------------------------------------------------- KeySounder

void KeySounder::press(char key) noexcept {
  if (kDtmfKeys.find(key) == std::string_view::npos || count_ == kWaiting) return;
  keys_[static_cast<std::size_t>((first_ + count_) % kWaiting)] = {key, 0};
  ++count_;
}

void KeySounder::release(Millis duration) noexcept {
  if (count_ == 0) return;
  Key& last = keys_[static_cast<std::size_t>((first_ + count_ - 1) % kWaiting)];
  if (last.length > 0) return;
  const std::int64_t samples = samples_of(duration);
  last.length = static_cast<int>(std::clamp<std::int64_t>(samples, kLeast, kLongest));
  // It has sounded for longer than it was held: it ends with the next sample.
  if (count_ == 1) last.length = std::max(last.length, at_ + kRamp);
}

void KeySounder::read(std::span<std::int16_t> out) noexcept {
  std::size_t i = 0;
  while (i < out.size() && count_ > 0) {
    Key& key = keys_[static_cast<std::size_t>(first_)];
    // The next key is down: this one is up, whatever was heard of it.
    if (key.length == 0 && (count_ > 1 || at_ >= kLongest)) key.length = std::max(kLeast, at_ + kRamp);
    const int end = key.length > 0 ? key.length : kLongest + kRamp;
    const std::size_t which = kDtmfKeys.find(key.key);
    const double row = 2 * std::numbers::pi * kDtmfTonesHz[which / 4] / kSampleRateHz;
    const double column = 2 * std::numbers::pi * kDtmfTonesHz[4 + which % 4] / kSampleRateHz;
    for (; i < out.size() && at_ < end; ++i, ++at_) {
      const int edge = std::min(at_ + 1, end - at_);
      const double gain = edge < kRamp ? static_cast<double>(edge) / kRamp : 1;
      out[i] = static_cast<std::int16_t>(
          std::lrint(gain * (kLow * std::sin(row * at_) + kHigh * std::sin(column * at_))));
    }
    for (; i < out.size() && at_ >= end && at_ < end + kPause; ++i, ++at_) out[i] = 0;
    if (at_ < end + kPause) continue;
    first_ = (first_ + 1) % kWaiting;
    --count_;
    at_ = 0;
  }
  std::fill(out.begin() + static_cast<std::ptrdiff_t>(i), out.end(), std::int16_t{0});
}

}  // namespace ivr

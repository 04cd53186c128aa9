#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

#include "absl/status/status.h"
#include "core/kaiser.hpp"
#include "ivr/audio.hpp"

namespace ivr {
namespace {

constexpr int kZeros = 32;         // zero crossings of the sinc each side, at the lower rate
constexpr double kCutoff = 0.465;  // of the lower rate: the middle of the transition
constexpr int kMaxPhases = 512;    // beyond that, phases are interpolated between
constexpr double kBeta = 7.5;      // Kaiser window: side lobes about 75 dB down

}  // namespace

absl::StatusOr<Resampler> Resampler::create(int from_hz, int to_hz) {
  for (const int rate : {from_hz, to_hz})
    if (rate < 4000 || rate > 192000)
      return absl::InvalidArgumentError("sample rate is " + std::to_string(rate) +
                                        " Hz; it must be 4000 to 192000 Hz");
  Resampler r;
  const int common = std::gcd(from_hz, to_hz);
  r.up_ = to_hz / common;
  r.down_ = from_hz / common;
  if (from_hz == to_hz) return r;

  // In input samples: the kernel is as wide as the lower of the two rates makes it.
  const double scale = std::min(1.0, static_cast<double>(to_hz) / from_hz);
  const int half = static_cast<int>(std::ceil(kZeros / scale));
  r.taps_ = 2 * half;
  const int phases = std::min(r.up_, kMaxPhases);
  const Kaiser kaiser(kBeta);
  auto filter = std::make_shared<std::vector<float>>(static_cast<std::size_t>((phases + 1) * r.taps_));
  for (int p = 0; p <= phases; ++p) {
    double sum = 0;
    std::vector<double> row(static_cast<std::size_t>(r.taps_));
    for (int k = 0; k < r.taps_; ++k) {
      const double x =
          k - half + 1 - static_cast<double>(p) / phases;  // input samples from the output instant
      const double y = x * scale;
      const double edge = y / kZeros;
      if (std::fabs(edge) >= 1) continue;
      const double w = kaiser(edge);
      const double a = 2 * kCutoff * y;
      row[static_cast<std::size_t>(k)] =
          w * (std::fabs(a) < 1e-12 ? 1 : std::sin(std::numbers::pi * a) / (std::numbers::pi * a));
      sum += row[static_cast<std::size_t>(k)];
    }
    for (int k = 0; k < r.taps_; ++k)
      (*filter)[static_cast<std::size_t>(p * r.taps_ + k)] =
          static_cast<float>(row[static_cast<std::size_t>(k)] / sum);
  }
  r.filter_ = std::move(filter);
  r.history_.assign(static_cast<std::size_t>(half - 1), 0.0f);
  r.first_ = -(half - 1);
  return r;
}

// Makes the outputs whose kernel ends before input sample `limit`.
void Resampler::emit(std::int64_t limit, std::vector<std::int16_t>& out) {
  const int half = taps_ / 2, phases = std::min(up_, kMaxPhases);
  for (;; ++made_) {
    const std::int64_t position = made_ * down_;
    const std::int64_t sample = position / up_;
    if (sample + half >= limit) break;
    const double exact = static_cast<double>(position % up_) * phases / up_;
    const int phase = static_cast<int>(exact);
    const auto blend = static_cast<float>(exact - phase);
    const float* x = history_.data() + (sample - half + 1 - first_);
    const float* a = filter_->data() + static_cast<std::ptrdiff_t>(phase) * taps_;
    const float* b = a + taps_;
    float y = 0;
    if (blend == 0.0f) {
      for (int k = 0; k < taps_; ++k) y += x[k] * a[k];
    } else {
      for (int k = 0; k < taps_; ++k) y += x[k] * (a[k] + blend * (b[k] - a[k]));
    }
    out.push_back(static_cast<std::int16_t>(std::lrint(std::clamp(y, -32768.0f, 32767.0f))));
  }
  // What no later output needs.
  const std::int64_t keep = made_ * down_ / up_ - half + 1;
  if (keep - first_ > 4096) {
    history_.erase(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(keep - first_));
    first_ = keep;
  }
}

void Resampler::process(std::span<const std::int16_t> in, std::vector<std::int16_t>& out) {
  if (taps_ == 0) {
    out.insert(out.end(), in.begin(), in.end());
    return;
  }
  history_.insert(history_.end(), in.begin(), in.end());
  received_ += static_cast<std::int64_t>(in.size());
  emit(received_, out);
}

void Resampler::finish(std::vector<std::int16_t>& out) {
  if (taps_ == 0) return;
  const int half = taps_ / 2;
  const std::int64_t total = (received_ * up_ + down_ - 1) / down_;
  const std::int64_t rest = total - made_;
  if (rest > 0) {
    history_.insert(history_.end(), static_cast<std::size_t>(2 * taps_), 0.0f);
    const std::size_t wanted = out.size() + static_cast<std::size_t>(rest);
    emit(received_ + half + 1, out);
    out.resize(wanted);
  }
  history_.assign(static_cast<std::size_t>(half - 1), 0.0f);
  first_ = -(half - 1);
  received_ = made_ = 0;
}

absl::StatusOr<std::vector<std::int16_t>> resample(std::span<const std::int16_t> pcm, int from_hz,
                                                   int to_hz) {
  auto resampler = Resampler::create(from_hz, to_hz);
  if (!resampler.ok()) return resampler.status();
  std::vector<std::int16_t> out;
  resampler->process(pcm, out);
  resampler->finish(out);
  return out;
}

}  // namespace ivr

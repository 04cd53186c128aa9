#include "ivr/concealment.hpp"

#include <algorithm>
#include <cmath>

namespace ivr {
namespace {

constexpr int kWindow = 160;     // samples that the predictor is taken from
constexpr int kMatch = 64;       // samples that have to fit when looking for the period
constexpr int kTrend = 80;       // samples: the level's way is read off two such pieces
constexpr int kBlend = 10;       // samples of the first frame after a loss
constexpr float kWiden = 0.98F;  // bandwidth of the formants: repeated often they would ring
constexpr double kWhite = 1e-5;  // noise that keeps the predictor well-conditioned
constexpr float kFirst =
    0.7F;  // level at the end of the first lost frame, a guess too loud hurts more than one too low
constexpr float kNext = 0.88F;  // and of each further one
constexpr float kLast = 0.6F;   // once nobody would believe it any more
constexpr int kBelieved = 5;    // frames

// Rises slowly and falls quickly: the end of the history matters most. Two parabolas.
constexpr auto kTaper = [] {
  std::array<float, kWindow> taper{};
  constexpr float top = 0.875F * kWindow;
  for (int i = 0; i < kWindow; ++i) {
    const float x =
        (static_cast<float>(i) + 0.5F - top) / (static_cast<float>(i) < top ? top : kWindow - top);
    taper[static_cast<std::size_t>(i)] = 1 - x * x;
  }
  return taper;
}();

// Eight sums side by side, for the vector unit.
float dot(const float* a, const float* b, int n) noexcept {
  float sums[8] = {};
  int i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += a[i + k] * b[i + k];
  }
  float sum = 0;
  for (; i < n; ++i) sum += a[i] * b[i];
  for (const float part : sums) sum += part;
  return sum;
}

std::int16_t sample(float x) noexcept {  // lrintf would be a call for each
  x = std::clamp(x, -32768.0F, 32767.0F);
  return static_cast<std::int16_t>(static_cast<int>(x + (x < 0 ? -0.5F : 0.5F)));
}

}  // namespace

void Concealer::received(std::span<std::int16_t> frame) noexcept {
  if (lost_ > 0) {
    std::array<float, kBlend> made_up;
    const std::size_t n = std::min(made_up.size(), frame.size());
    synthesise(std::span(made_up).first(n), 0);
    for (std::size_t i = 0; i < n; ++i) {
      const float in = static_cast<float>(i + 1) / static_cast<float>(n + 1);
      frame[i] = sample(in * frame[i] + (1 - in) * made_up[i]);
    }
    lost_ = 0;
  }
  remember(frame);
}

void Concealer::remember(std::span<const std::int16_t> frame) noexcept {
  if (frame.size() > kHistory) frame = frame.last(kHistory);
  const auto kept = std::move(history_.begin() + static_cast<std::ptrdiff_t>(frame.size()), history_.end(),
                              history_.begin());
  std::copy(frame.begin(), frame.end(), kept);
}

void Concealer::conceal(std::span<std::int16_t> out) noexcept {
  if (lost_ == 0) analyse();
  const float step = lost_ == 0 ? kFirst : lost_ < kBelieved ? kNext : kLast;
  const float end = gain_ * step * trend_;
  const float slope = (end - gain_) / static_cast<float>(std::max<std::size_t>(out.size(), 1));
  std::array<float, kFrameSamples> piece;
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t n = std::min(piece.size(), out.size() - done);
    synthesise(std::span(piece).first(n), slope);
    for (std::size_t i = 0; i < n; ++i) out[done + i] = sample(piece[i]);
    done += n;
  }
  gain_ = end;
  trend_ = std::sqrt(trend_);
  ++lost_;
  remember(out);
}

void Concealer::analyse() noexcept {
  find_predictor();
  period_ = find_period();

  // What the predictor cannot explain of the last period; its end leads over to its own start.
  const int overlap = period_ / 10;
  std::array<float, kLongest + kLongest / 10> rest;
  const int length = period_ + overlap;
  const float* from = history_.data() + kHistory - length;
  std::copy(from, from + length, rest.begin());
  for (int k = 0; k < kOrder; ++k) {
    const float weight = predictor_[static_cast<std::size_t>(k)];
    for (int i = 0; i < length; ++i) rest[static_cast<std::size_t>(i)] += weight * from[i - 1 - k];
  }
  std::copy(rest.begin() + overlap, rest.begin() + length, excitation_.begin());
  for (int i = 0; i < overlap; ++i) {
    const float in = static_cast<float>(i + 1) / static_cast<float>(overlap + 1);
    float& x = excitation_[static_cast<std::size_t>(period_ - overlap + i)];
    x += in * (rest[static_cast<std::size_t>(i)] - x);
  }
  position_ = 0;

  // The filter goes on from the samples that were heard, so there is no seam.
  state_.fill(0);
  for (int j = 0; j < kOrder; ++j) {
    float sum = 0;
    for (int k = j; k < kOrder; ++k) {
      sum -= predictor_[static_cast<std::size_t>(k)] *
             history_[static_cast<std::size_t>(kHistory - 1 - (k - j))];
    }
    state_[static_cast<std::size_t>(j)] = sum;
  }

  // A level that falls goes on falling.
  const float* last = history_.data() + kHistory - kTrend;
  const float now = dot(last, last, kTrend) + 1, before = dot(last - kTrend, last - kTrend, kTrend) + 1;
  trend_ = std::clamp(std::pow(now / before, 0.4F), 0.4F, 1.0F);
  gain_ = 1;
}

// Autocorrelation method, Levinson and Durbin's recursion.
void Concealer::find_predictor() noexcept {
  std::array<float, kWindow> tapered;
  for (int i = 0; i < kWindow; ++i) {
    tapered[static_cast<std::size_t>(i)] =
        history_[static_cast<std::size_t>(kHistory - kWindow + i)] * kTaper[static_cast<std::size_t>(i)];
  }
  std::array<double, kOrder + 1> correlation{}, a{}, previous{};
  for (int k = 0; k <= kOrder; ++k) {
    correlation[static_cast<std::size_t>(k)] = dot(tapered.data() + k, tapered.data(), kWindow - k);
  }
  double error = correlation[0] * (1 + kWhite) + 1;
  a[0] = 1;
  for (std::size_t i = 1; i <= kOrder; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < i; ++j) sum += a[j] * correlation[i - j];
    const double reflection = std::clamp(-sum / error, -0.99999, 0.99999);
    previous = a;
    for (std::size_t j = 1; j < i; ++j) a[j] = previous[j] + reflection * previous[i - j];
    a[i] = reflection;
    error *= 1 - reflection * reflection;
  }
  float widen = 1;
  for (std::size_t k = 0; k < kOrder; ++k) predictor_[k] = static_cast<float>(a[k + 1]) * (widen *= kWiden);
}

// How far back the history looks most like its end: every other lag first, then the neighbours of the best.
int Concealer::find_period() const noexcept {
  const float* end = history_.data() + kHistory - kMatch;
  float energy = dot(end - kShortest, end - kShortest, kMatch) + 1;
  float best = 0;
  int period = kLongest;
  const auto square = [](float x) { return x * x; };
  const auto likeness = [&](int lag) {  // the correlation's square, less what is the same for all
    const float match = std::max(dot(end, end - lag, kMatch), 0.0F);
    return match * match / energy;
  };
  for (int lag = kShortest; lag <= kLongest; lag += 2) {
    if (const float is = likeness(lag); is > best) {
      best = is;
      period = lag;
    }
    const float* past = end - lag;
    energy += square(past[-1]) + square(past[-2]) - square(past[kMatch - 1]) - square(past[kMatch - 2]);
    energy = std::max(energy, 1.0F);
  }
  const int middle = period;
  best = 0;
  for (int lag = std::max(middle - 1, kShortest); lag <= std::min(middle + 1, kLongest); ++lag) {
    energy = dot(end - lag, end - lag, kMatch) + 1;
    if (const float is = likeness(lag); is > best) {
      best = is;
      period = lag;
    }
  }
  return period;
}

// The excitation through the filter 1/A, in its transposed form: one sample out, all states on by one.
void Concealer::synthesise(std::span<float> out, float slope) noexcept {
  const auto predictor = predictor_;
  auto state = state_;  // copies, so that they stay in registers
  for (float& y : out) {
    gain_ += slope;
    y = excitation_[static_cast<std::size_t>(position_)] * gain_ + state[0];
    if (++position_ >= period_) position_ = 0;
    for (std::size_t k = 0; k < kOrder; ++k) state[k] = state[k + 1] - predictor[k] * y;
  }
  state_ = state;
}

}  // namespace ivr

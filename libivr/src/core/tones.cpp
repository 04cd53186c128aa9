#include "ivr/tones.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "core/level.hpp"
#include "core/samples.hpp"

namespace ivr {
namespace {

struct Tone {
  std::string_view name;
  double low_hz, high_hz;  // high 0: one tone only
  double level_dbm0;       // of each
  Millis on, off;
  Millis fade;
};

// Cadences: ETSI TR 101 041-2 (425 Hz) and the North American precise tone plan.
constexpr Tone kTones[] = {
    {"beep", 1000, 0, -12, 400ms, 0ms, 20ms},
    {"ringback", 425, 0, -15, 1000ms, 4000ms, 5ms},
    {"busy", 425, 0, -15, 500ms, 500ms, 5ms},
    {"congestion", 425, 0, -15, 200ms, 200ms, 5ms},
    {"ringback_us", 440, 480, -19, 2000ms, 4000ms, 5ms},
    {"busy_us", 480, 620, -21, 500ms, 500ms, 5ms},
    {"congestion_us", 480, 620, -21, 250ms, 250ms, 5ms},
};

// ------------------------------------------------------------------------------ the tune on hold

// Eight bars at 96 beats a minute: 20 s. Each bar has a chord, broken upwards and back in eighths, and two
// notes of melody over it. MIDI numbers; 69 is 440 Hz.
struct Bar {
  int chord[4];
  int melody[2];
};
constexpr Bar kBars[] = {
    {{60, 64, 67, 72}, {76, 79}}, {{57, 60, 64, 69}, {76, 72}}, {{53, 57, 60, 65}, {69, 72}},
    {{55, 59, 62, 67}, {74, 71}}, {{52, 55, 59, 64}, {67, 71}}, {{57, 60, 64, 69}, {72, 76}},
    {{53, 57, 62, 65}, {74, 77}}, {{55, 59, 65, 67}, {74, 71}},
};
constexpr int kArpeggio[] = {0, 1, 2, 3, 2, 1, 2, 1};
constexpr std::int64_t kEighth = kSampleRateHz * 60 / 96 / 2;
constexpr std::int64_t kTune = std::int64_t{std::size(kBars) * std::size(kArpeggio)} * kEighth;
constexpr double kHoldDbm0 = -20;  // of the whole, mean power

// A plucked string or a soft bell: partials that fade, the higher the sooner. What rings on at the end rings
// on at the beginning, so the loop has no seam.
void pluck(std::vector<double>& tune, std::int64_t at, int note, double loud, double fade_seconds) {
  const double step = 2 * std::numbers::pi * 440 * std::pow(2.0, (note - 69) / 12.0) / kSampleRateHz;
  constexpr double kPartials[] = {1, 0.35, 0.12};
  constexpr std::int64_t kAttack = 80;
  const auto length = static_cast<std::int64_t>(7 * fade_seconds * kSampleRateHz);
  for (int p = 1; p <= 3; ++p) {
    // A resonator that was struck: r^n sin(wn).
    const double r = std::exp(-p / (fade_seconds * kSampleRateHz));
    const double turn = 2 * r * std::cos(p * step), fade = -r * r;
    double now = 0, before = -std::sin(p * step) / r;
    for (std::int64_t i = 0; i < length; ++i) {
      const double attack = i < kAttack ? static_cast<double>(i) / kAttack : 1;
      tune[static_cast<std::size_t>((at + i) % kTune)] += loud * kPartials[p - 1] * attack * now;
      before = std::exchange(now, turn * now + fade * before);
    }
  }
}

std::vector<std::int16_t> hold_tune() {
  std::vector<double> tune(static_cast<std::size_t>(kTune));
  std::int64_t at = 0;
  for (const Bar& bar : kBars) {
    for (std::size_t i = 0; i < std::size(kArpeggio); ++i, at += kEighth) {
      pluck(tune, at, bar.chord[kArpeggio[i]], i == 0 ? 1.0 : 0.7, 0.35);
      if (i % 4 == 0) pluck(tune, at, bar.melody[i / 4], 0.9, 0.6);
    }
  }
  double energy = 0;
  for (const double value : tune) energy += value * value;
  // A sine's mean power is half the square of its amplitude.
  const double gain = amplitude_of(kHoldDbm0) / std::sqrt(2 * energy / static_cast<double>(kTune));
  std::vector<std::int16_t> pcm(tune.size());
  std::transform(tune.begin(), tune.end(), pcm.begin(), [&](double value) {
    return static_cast<std::int16_t>(std::lrint(std::clamp(gain * value, -32000.0, 32000.0)));
  });
  return pcm;
}

std::vector<std::int16_t> hold(std::int64_t length) {
  std::vector<std::int16_t> pcm = hold_tune();
  if (length == 0) return pcm;
  const std::size_t turn = pcm.size();
  pcm.resize(static_cast<std::size_t>(length));
  for (std::size_t i = turn; i < pcm.size(); ++i) pcm[i] = pcm[i - turn];
  // It ends without a click.
  const std::size_t fade = std::min(pcm.size(), static_cast<std::size_t>(samples_of(200ms)));
  for (std::size_t i = 0; i < fade; ++i) {
    std::int16_t& sample = pcm[pcm.size() - 1 - i];
    sample = static_cast<std::int16_t>(sample * static_cast<double>(i) / static_cast<double>(fade));
  }
  return pcm;
}

constexpr std::string_view kHold = "hold";

}  // namespace

absl::StatusOr<std::vector<std::int16_t>> make_tone(std::string_view name, Millis length) {
  const auto* tone =
      std::find_if(std::begin(kTones), std::end(kTones), [&](const Tone& t) { return t.name == name; });
  if (tone == std::end(kTones) && name != kHold) {
    std::string known(kHold);
    for (const Tone& t : kTones) known.append(", ").append(t.name);
    return absl::NotFoundError("no tone '" + std::string(name) + "'; there are " + known);
  }
  if (length < 0ms || length > 1h)
    return absl::InvalidArgumentError("tone '" + std::string(name) + "': length is " +
                                      std::to_string(length.count()) + " ms; it must be 0 to 3600000 ms");

  if (name == kHold) return hold(samples_of(length));

  const std::int64_t on = samples_of(tone->on), turn = on + samples_of(tone->off),
                     fade = samples_of(tone->fade);
  const std::int64_t total = length == 0ms ? turn : samples_of(length);
  const double amplitude = amplitude_of(tone->level_dbm0);
  const double low = 2 * std::numbers::pi * tone->low_hz / kSampleRateHz;
  const double high = 2 * std::numbers::pi * tone->high_hz / kSampleRateHz;
  std::vector<std::int16_t> pcm(static_cast<std::size_t>(total));
  for (std::int64_t i = 0; i < total; ++i) {
    const std::int64_t at = i % turn;
    // The end is the end, also when the length cuts a burst short.
    const std::int64_t left = std::min(on - at, total - i);
    if (left <= 0) continue;
    const std::int64_t edge = std::min(at, left - 1);
    const double gain = edge < fade
                            ? 0.5 - 0.5 * std::cos(std::numbers::pi * (static_cast<double>(edge) + 0.5) /
                                                   static_cast<double>(fade))
                            : 1;
    const double n = static_cast<double>(at);
    const double value = std::sin(low * n) + (tone->high_hz > 0 ? std::sin(high * n) : 0);
    pcm[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(std::lrint(gain * amplitude * value));
  }
  return pcm;
}

}  // namespace ivr

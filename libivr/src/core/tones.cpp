#include "ivr/tones.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "absl/status/status.h"

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

constexpr std::int64_t samples(Millis t) { return t.count() * kSampleRateHz / 1000; }

}  // namespace

absl::StatusOr<std::vector<std::int16_t>> make_tone(std::string_view name, Millis length) {
  const auto* tone =
      std::find_if(std::begin(kTones), std::end(kTones), [&](const Tone& t) { return t.name == name; });
  if (tone == std::end(kTones)) {
    std::string known;
    for (const Tone& t : kTones) known.append(known.empty() ? "" : ", ").append(t.name);
    return absl::NotFoundError("no tone '" + std::string(name) + "'; there are " + known);
  }
  if (length < 0ms || length > 1h)
    return absl::InvalidArgumentError("tone '" + std::string(name) + "': length is " +
                                      std::to_string(length.count()) + " ms; it must be 0 to 3600000 ms");

  const std::int64_t on = samples(tone->on), turn = on + samples(tone->off), fade = samples(tone->fade);
  const std::int64_t total = length == 0ms ? turn : samples(length);
  const double amplitude = 32768.0 * std::pow(10.0, (tone->level_dbm0 - 3.14) / 20);
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

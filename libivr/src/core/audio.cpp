#include "ivr/audio.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/g711.hpp"

namespace ivr {
namespace {

constexpr std::uint8_t compress_ulaw(std::int16_t sample) {
  // 14-bit magnitude; the decision values lie between the steps once 33 is added.
  const int wide = sample >> 2;
  const int magnitude = std::min((sample < 0 ? -1 - wide : wide), 8158) + 33;
  const int chord = std::max(0, static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude))) - 6);
  const int step = magnitude >> (chord + 1) & 15;
  return static_cast<std::uint8_t>(~((sample < 0 ? 0x80 : 0) | chord << 4 | step));
}

constexpr std::uint8_t compress_alaw(std::int16_t sample) {
  const int wide = sample >> 3;
  const int magnitude = sample < 0 ? -1 - wide : wide;  // 0 to 4095
  const int chord = std::max(0, static_cast<int>(std::bit_width(static_cast<unsigned>(magnitude))) - 5);
  const int step = magnitude >> std::max(1, chord) & 15;
  return static_cast<std::uint8_t>(((sample < 0 ? 0 : 0x80) | chord << 4 | step) ^ 0x55);
}

template <class Out, std::size_t N, class In>
constexpr std::array<Out, N> tabulate(Out (*f)(In)) {
  std::array<Out, N> table{};
  for (std::size_t i = 0; i < N; ++i) table[i] = f(static_cast<In>(i));
  return table;
}
constexpr auto kFromUlaw = tabulate<std::int16_t, 256>(expand_ulaw);
constexpr auto kFromAlaw = tabulate<std::int16_t, 256>(expand_alaw);

// The codes of the upper 14 (13) bits: the lower ones decide nothing.
constexpr auto kToUlaw = [] {
  std::array<std::uint8_t, 16384> table{};
  for (int i = -8192; i < 8192; ++i)
    table[static_cast<std::size_t>(i + 8192)] = compress_ulaw(static_cast<std::int16_t>(i * 4));
  return table;
}();
constexpr auto kToAlaw = [] {
  std::array<std::uint8_t, 8192> table{};
  for (int i = -4096; i < 4096; ++i)
    table[static_cast<std::size_t>(i + 4096)] = compress_alaw(static_cast<std::int16_t>(i * 8));
  return table;
}();

}  // namespace

std::uint8_t encode_ulaw(std::int16_t sample) noexcept {
  return kToUlaw[static_cast<std::size_t>((sample >> 2) + 8192)];
}
std::uint8_t encode_alaw(std::int16_t sample) noexcept {
  return kToAlaw[static_cast<std::size_t>((sample >> 3) + 4096)];
}
std::int16_t decode_ulaw(std::uint8_t code) noexcept { return kFromUlaw[code]; }
std::int16_t decode_alaw(std::uint8_t code) noexcept { return kFromAlaw[code]; }

std::size_t encode(Codec codec, std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept {
  const std::size_t n =
      std::min(pcm.size(), bytes.size() / static_cast<std::size_t>(bytes_per_sample(codec)));
  switch (codec) {
    case Codec::pcmu:
      for (std::size_t i = 0; i < n; ++i) bytes[i] = encode_ulaw(pcm[i]);
      break;
    case Codec::pcma:
      for (std::size_t i = 0; i < n; ++i) bytes[i] = encode_alaw(pcm[i]);
      break;
    case Codec::l16:
    case Codec::l16_wide:  // RFC 3551, 4.5.11: most significant byte first
      for (std::size_t i = 0; i < n; ++i) {
        const auto word = static_cast<std::uint16_t>(pcm[i]);
        bytes[2 * i] = static_cast<std::uint8_t>(word >> 8);
        bytes[2 * i + 1] = static_cast<std::uint8_t>(word & 0xff);
      }
      break;
    case Codec::g722:
    case Codec::opus: return 0;
  }
  return n;
}

std::size_t decode(Codec codec, std::span<const std::uint8_t> bytes, std::span<std::int16_t> pcm) noexcept {
  const std::size_t n =
      std::min(pcm.size(), bytes.size() / static_cast<std::size_t>(bytes_per_sample(codec)));
  switch (codec) {
    case Codec::pcmu:
      for (std::size_t i = 0; i < n; ++i) pcm[i] = decode_ulaw(bytes[i]);
      break;
    case Codec::pcma:
      for (std::size_t i = 0; i < n; ++i) pcm[i] = decode_alaw(bytes[i]);
      break;
    case Codec::l16:
    case Codec::l16_wide:
      for (std::size_t i = 0; i < n; ++i)
        pcm[i] = static_cast<std::int16_t>(bytes[2 * i] << 8 | bytes[2 * i + 1]);
      break;
    case Codec::g722:
    case Codec::opus: return 0;
  }
  return n;
}

ClipPtr make_clip(Codec codec, std::span<const std::int16_t> pcm, bool secret) {
  codec = clip_codec(codec);
  auto clip = std::make_shared<Clip>();
  const std::size_t frames = (pcm.size() + frame_samples(codec) - 1) / frame_samples(codec);
  clip->codec = codec;
  clip->secret = secret;
  clip->samples = static_cast<std::int64_t>(pcm.size());
  clip->bytes.assign(frames * frame_bytes(codec), silence_byte(codec));
  encode(codec, pcm, clip->bytes);
  return clip;
}

double level_dbm0(std::span<const std::int16_t> pcm) noexcept {
  double energy = 0;
  for (const std::int16_t x : pcm) energy += static_cast<double>(x) * x;
  if (energy <= 0) return -100;
  // Against a sine of peak 32768, whose mean square is half of that squared.
  const double relative = energy / static_cast<double>(pcm.size()) / (32768.0 * 32768.0 / 2);
  return std::max(-100.0, 10 * std::log10(relative) + 3.14);
}

double active_level_dbm0(std::span<const std::int16_t> pcm, double floor_dbm0) noexcept {
  double power = 0;
  std::size_t frames = 0;
  for (std::size_t i = 0; i < pcm.size(); i += kFrameSamples) {
    const double level = level_dbm0(pcm.subspan(i, std::min<std::size_t>(kFrameSamples, pcm.size() - i)));
    if (level <= floor_dbm0) continue;
    power += std::pow(10.0, level / 10);
    ++frames;
  }
  return frames == 0 ? -100 : 10 * std::log10(power / static_cast<double>(frames));
}

void normalise(std::span<std::int16_t> pcm, double target_dbm0) {
  constexpr double kMaxGainDb = 30, kCeiling = 31000;
  constexpr std::size_t kAhead = 40;  // samples: 5 ms
  const double level = active_level_dbm0(pcm);
  if (level <= -100) return;
  const double gain = std::pow(10.0, std::min(kMaxGainDb, target_dbm0 - level) / 20);

  // What each sample may be raised by: a sliding minimum over the next 5 ms, reached by a straight line and
  // left slowly, so the wave is turned down before its peak and not bent by it.
  std::vector<float> allowed(pcm.size());
  std::vector<std::size_t> lows;  // indices whose limit rises: the head is the minimum of the window
  std::size_t head = 0;
  const auto limit = [&](std::size_t i) {
    return std::min(gain, kCeiling / std::max(1.0, std::fabs(static_cast<double>(pcm[i]))));
  };
  std::size_t next = 0;
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    for (; next < pcm.size() && next <= i + kAhead; ++next) {
      while (lows.size() > head && limit(lows.back()) >= limit(next)) lows.pop_back();
      lows.push_back(next);
    }
    while (lows[head] < i) ++head;
    allowed[i] = static_cast<float>(limit(lows[head]));
  }
  double now = pcm.empty() ? gain : allowed[0];
  const double release = std::pow(10.0, 0.02 / 20);  // 0.02 dB a sample: 160 dB/s
  double sum = now * kAhead;
  std::vector<float> past(kAhead, static_cast<float>(now));
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    now = std::min<double>(allowed[i], now * release);
    sum += now - past[i % kAhead];
    past[i % kAhead] = static_cast<float>(now);
    const double value = std::lrint(pcm[i] * sum / kAhead);
    pcm[i] = static_cast<std::int16_t>(std::clamp(value, -32768.0, 32767.0));
  }
}

}  // namespace ivr

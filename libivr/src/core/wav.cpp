#include "ivr/wav.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace ivr {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint16_t kPcm = 1, kFloat = 3, kAlaw = 6, kUlaw = 7, kExtensible = 0xFFFE;
constexpr std::size_t kMaxSamples = std::size_t{1} << 26;
constexpr std::uint32_t kUnknownSize = 0xFFFFFFFF;

// What follows the format number in the SubFormat GUID of WAVE_FORMAT_EXTENSIBLE.
constexpr std::uint8_t kGuidTail[] = {0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80,
                                      0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71};

std::uint16_t u16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] | bytes[at + 1] << 8);
}
std::uint32_t u32(Bytes bytes, std::size_t at) {
  return u16(bytes, at) | static_cast<std::uint32_t>(u16(bytes, at + 2)) << 16;
}

bool has_id(Bytes bytes, std::size_t at, std::string_view id) {
  return bytes.size() >= at + 4 &&
         std::equal(id.begin(), id.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

absl::Status bad(const std::string& what) { return absl::InvalidArgumentError("WAV: " + what); }

struct Format {
  std::uint16_t tag = 0;
  int channels = 0, rate = 0, sample_bytes = 0;
};

absl::StatusOr<Format> parse_format(Bytes chunk) {
  if (chunk.size() < 16) return bad("fmt chunk of " + std::to_string(chunk.size()) + " bytes; at least 16");
  Format format;
  format.tag = u16(chunk, 0);
  const auto channels = u16(chunk, 2), block = u16(chunk, 12), bits = u16(chunk, 14);
  const auto rate = u32(chunk, 4);
  if (format.tag == kExtensible) {
    if (chunk.size() < 40)
      return bad("extensible fmt chunk of " + std::to_string(chunk.size()) + " bytes; at least 40");
    if (!std::equal(std::begin(kGuidTail), std::end(kGuidTail), chunk.begin() + 26))
      return bad("extensible format of unknown kind");
    format.tag = u16(chunk, 24);
  }
  if (channels < 1 || channels > 2) return bad(std::to_string(channels) + " channels; 1 or 2");
  if (rate < 4000 || rate > 192000) return bad("sample rate " + std::to_string(rate) + "; 4000 to 192000");
  format.channels = channels;
  format.rate = static_cast<int>(rate);
  format.sample_bytes = (bits + 7) / 8;
  const bool known = (format.tag == kPcm && bits >= 1 && bits <= 32) ||
                     (format.tag == kFloat && bits == 32) ||
                     ((format.tag == kAlaw || format.tag == kUlaw) && bits == 8);
  if (!known) {
    return bad("format " + std::to_string(format.tag) + " with " + std::to_string(bits) +
               " bits; PCM of 8 to 32, float of 32, A-law and u-law of 8 are known");
  }
  if (block != channels * format.sample_bytes) {
    return bad("block of " + std::to_string(block) + " bytes; " +
               std::to_string(channels * format.sample_bytes) + " expected");
  }
  return format;
}

// ITU-T G.711, tables 1 and 2, as 16-bit linear.
std::int16_t from_alaw(std::uint8_t code) {
  code ^= 0x55;
  const int segment = code >> 4 & 7, step = code & 15;
  const int magnitude = segment == 0 ? (step << 4) + 8 : ((step << 4) + 0x108) << (segment - 1);
  return static_cast<std::int16_t>(code & 0x80 ? magnitude : -magnitude);
}

std::int16_t from_ulaw(std::uint8_t code) {
  code = static_cast<std::uint8_t>(~code);
  const int magnitude = (((code & 15) << 3) + 0x84) << (code >> 4 & 7);
  return static_cast<std::int16_t>(code & 0x80 ? 0x84 - magnitude : magnitude - 0x84);
}

std::int16_t from_float(float value) {
  if (!(value == value)) return 0;
  return static_cast<std::int16_t>(std::lround(std::clamp(value, -1.0f, 32767.0f / 32768.0f) * 32768.0f));
}

int sample_at(const Format& format, Bytes data, std::size_t at) {
  switch (format.tag) {
    case kAlaw: return from_alaw(data[at]);
    case kUlaw: return from_ulaw(data[at]);
    case kFloat: return from_float(std::bit_cast<float>(u32(data, at)));
    default: break;
  }
  // PCM: one byte is unsigned, more are signed; the upper 16 bits matter.
  if (format.sample_bytes == 1) return (data[at] - 128) * 256;
  return static_cast<std::int16_t>(u16(data, at + static_cast<std::size_t>(format.sample_bytes) - 2));
}

void put(std::vector<std::uint8_t>& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put(std::vector<std::uint8_t>& out, std::string_view id) { out.insert(out.end(), id.begin(), id.end()); }

}  // namespace

absl::StatusOr<Pcm> parse_wav(Bytes file) {
  if (has_id(file, 0, "RIFX") || has_id(file, 0, "RF64"))
    return bad("RIFX and RF64 files are not read, only RIFF");
  if (!has_id(file, 0, "RIFF") || !has_id(file, 8, "WAVE"))
    return bad("no RIFF/WAVE header in " + std::to_string(file.size()) + " bytes");
  // A writer that came to its end put the true length here; then a data chunk of size 0 really is empty.
  const bool finished = u32(file, 4) + std::uint64_t{8} == file.size();

  std::optional<Format> format;
  std::optional<Bytes> data;
  std::size_t at = 12;
  while (at + 8 <= file.size() && !(format && data)) {
    const std::uint64_t size = u32(file, at + 4);
    const auto rest = file.subspan(at + 8);
    if (has_id(file, at, "data")) {
      const bool to_the_end = size == kUnknownSize || size > rest.size() || (size == 0 && !finished);
      data = rest.first(to_the_end ? rest.size() : static_cast<std::size_t>(size));
      if (to_the_end) break;
    } else if (has_id(file, at, "fmt ") && !format) {
      if (size > rest.size()) return bad("fmt chunk is cut off");
      auto parsed = parse_format(rest.first(static_cast<std::size_t>(size)));
      if (!parsed.ok()) return parsed.status();
      format = *parsed;
    }
    if (size > rest.size()) break;
    at += 8 + static_cast<std::size_t>(size + (size & 1));  // chunks begin on even bytes
  }
  if (!format) return bad("no fmt chunk");
  if (!data) return bad("no data chunk");

  const auto frame = static_cast<std::size_t>(format->channels * format->sample_bytes);
  const auto frames = data->size() / frame;
  if (frames > kMaxSamples)
    return bad(std::to_string(frames) + " samples; at most " + std::to_string(kMaxSamples));
  Pcm pcm;
  pcm.sample_rate_hz = format->rate;
  pcm.samples.reserve(frames);
  for (std::size_t i = 0; i < frames; ++i) {
    int sample = sample_at(*format, *data, i * frame);
    if (format->channels == 2) sample = (sample + sample_at(*format, *data, i * frame + frame / 2)) / 2;
    pcm.samples.push_back(static_cast<std::int16_t>(sample));
  }
  return pcm;
}

std::vector<std::uint8_t> wav_header(const WavFormat& format, std::uint64_t audio_bytes) {
  assert(format.channels == 1 || format.channels == 2);
  assert(format.sample_rate_hz > 0);
  const bool pcm = format.encoding == WavEncoding::pcm16;
  const auto block = static_cast<std::uint32_t>(format.bytes_per_frame());
  std::vector<std::uint8_t> out;
  put(out, "RIFF");
  put(out, 0, 4);
  put(out, "WAVEfmt ");
  put(out, pcm ? 16 : 18, 4);
  put(out, pcm ? kPcm : format.encoding == WavEncoding::pcma ? kAlaw : kUlaw, 2);
  put(out, static_cast<std::uint64_t>(format.channels), 2);
  put(out, static_cast<std::uint64_t>(format.sample_rate_hz), 4);
  put(out, static_cast<std::uint64_t>(format.sample_rate_hz) * block, 4);
  put(out, block, 2);
  put(out, pcm ? 16 : 8, 2);
  if (!pcm) {
    put(out, 0, 2);  // no extension
    put(out, "fact");
    put(out, 4, 4);
    put(out, 0, 4);
  }
  put(out, "data");
  put(out, 0, 4);
  for (const auto& field : wav_size_fields(format, audio_bytes)) {
    for (std::size_t i = 0; i < 4; ++i)
      out[field.offset + i] = static_cast<std::uint8_t>(field.value >> (8 * i));
  }
  return out;
}

std::vector<WavField> wav_size_fields(const WavFormat& format, std::uint64_t audio_bytes) {
  const bool pcm = format.encoding == WavEncoding::pcm16;
  const std::size_t header = pcm ? 44 : 58;
  const auto at_most = [](std::uint64_t value) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, kUnknownSize));
  };
  std::vector<WavField> fields = {{4, at_most(header - 8 + audio_bytes)}, {header - 4, at_most(audio_bytes)}};
  if (!pcm)
    fields.push_back({46, at_most(audio_bytes / static_cast<std::uint64_t>(format.bytes_per_frame()))});
  return fields;
}

std::vector<std::uint8_t> write_wav(const Pcm& pcm) {
  auto out = wav_header({WavEncoding::pcm16, pcm.sample_rate_hz, 1}, pcm.samples.size() * 2);
  out.reserve(out.size() + pcm.samples.size() * 2);
  for (const auto sample : pcm.samples) put(out, static_cast<std::uint16_t>(sample), 2);
  return out;
}

}  // namespace ivr

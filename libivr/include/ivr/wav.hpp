#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/ports.hpp"

// WAV in memory, both ways. Files are the edge's business.

namespace ivr {

// A whole WAV file as mono 16-bit audio at the file's own rate; two channels are averaged.
//
// Takes PCM of 8, 16, 24 and 32 bits, 32-bit float, A-law and u-law, also as WAVE_FORMAT_EXTENSIBLE; 4 to 192
// kHz, at most 2^26 samples a channel. Chunks it does not know are skipped. A data chunk that is cut off, or
// whose size an interrupted writer left at 0 or 0xFFFFFFFF, reaches to the end of the file.
//
// Errors: InvalidArgument, naming the chunk and what is wrong with it.
// Thread: any.
absl::StatusOr<Pcm> parse_wav(std::span<const std::uint8_t> file);

enum class WavEncoding { pcm16, pcmu, pcma };

struct WavFormat {
  WavEncoding encoding = WavEncoding::pcm16;
  int sample_rate_hz = kSampleRateHz;
  int channels = 1;  // interleaved

  int bytes_per_frame() const noexcept { return channels * (encoding == WavEncoding::pcm16 ? 2 : 1); }
};

// The header of a WAV file with so many bytes of audio behind it; its length does not depend on their number.
// A recorder writes it for 0 bytes, then audio, and now and then the header again at offset 0: whatever
// happens, the file plays up to the last time. Or it patches just the sizes, at wav_size_fields(). From 4 GiB
// on the sizes stay at their most, and readers go on to the end of the file.
//
// The caller keeps channels and rate in sane bounds (assert).
std::vector<std::uint8_t> wav_header(const WavFormat& format, std::uint64_t audio_bytes);

struct WavField {
  std::size_t offset = 0;
  std::uint32_t value = 0;  // little endian in the file
};
std::vector<WavField> wav_size_fields(const WavFormat& format, std::uint64_t audio_bytes);

// The whole file of some mono 16-bit audio.
std::vector<std::uint8_t> write_wav(const Pcm& pcm);

}  // namespace ivr

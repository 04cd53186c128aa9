#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "ivr/ports.hpp"

// The codecs: what each is called, which clocks it has, and who codes it. A new one is a line of
// kCodecFormats and a coder; everything else asks here.

namespace ivr {

struct CodecFormat {
  Codec codec;
  std::string_view name;      // in options and configuration
  std::string_view encoding;  // in SDP
  int clock_hz;               // of RTP timestamps, and in SDP
  int channels;               // in SDP
  int sample_rate_hz;         // of the audio that its coders take and give: 8 or 16 kHz, mono
  int static_type;            // RFC 3551, table 4; -1: dynamic only
  int preferred_type;         // in our offers
  bool plain;                 // each sample is coded by itself: encode() and decode() of ivr/audio.hpp
  bool repeatable;            // a packet of silence may be sent again and again: it leans on none before it
};

// G.722 has a clock of 8 kHz, although it takes 16,000 samples a second (RFC 3551, 4.5.2). Opus is always
// called opus/48000/2, whatever is sent (RFC 7587, 4.1); we send and hear speech of 8 kHz bandwidth.
inline constexpr CodecFormat kCodecFormats[] = {
    {Codec::pcmu, "pcmu", "PCMU", 8000, 1, 8000, 0, 0, true, true},
    {Codec::pcma, "pcma", "PCMA", 8000, 1, 8000, 8, 8, true, true},
    {Codec::l16, "l16", "L16", 8000, 1, 8000, -1, 97, true, true},
    {Codec::g722, "g722", "G722", 8000, 1, 16000, 9, 9, false, false},
    {Codec::opus, "opus", "opus", 48000, 2, 16000, -1, 111, false, true},
    {Codec::l16_wide, "l16-16k", "L16", 16000, 1, 16000, -1, 98, true, true},
};
inline constexpr std::size_t kCodecs = std::size(kCodecFormats);

constexpr const CodecFormat& format_of(Codec codec) noexcept {
  for (const CodecFormat& format : kCodecFormats) {
    if (format.codec == codec) return format;
  }
  return kCodecFormats[0];
}
constexpr std::size_t frame_samples(Codec codec) noexcept {  // of 20 ms
  return static_cast<std::size_t>(format_of(codec).sample_rate_hz / 50);
}

// What a clip for that codec is made of: itself, or linear audio at its rate.
constexpr Codec clip_codec(Codec codec) noexcept {
  if (format_of(codec).plain) return codec;
  return format_of(codec).sample_rate_hz == kSampleRateHz ? Codec::l16 : Codec::l16_wide;
}

std::optional<Codec> codec_named(std::string_view name) noexcept;

// ------------------------------------------------------------------------------------------ coders

// Turns the packets of one stream, in their order, into audio at format_of(codec).sample_rate_hz. What comes
// from outside may be anything; it then gives noise or nothing.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class AudioDecoder {
 public:
  virtual ~AudioDecoder() = default;

  // How many samples a packet holds, without decoding it; 0: it is none of ours.
  virtual std::size_t length(std::span<const std::uint8_t> payload) const noexcept = 0;

  // Returns how many samples that were: length() of it, or as many as `pcm` takes.
  virtual std::size_t decode(std::span<const std::uint8_t> payload, std::span<std::int16_t> pcm) noexcept = 0;

  // Makes up what was lost just before `next`, which is to be decoded afterwards as ever: writes all of
  // `pcm`, whole multiples of 10 ms. False: this codec cannot, and nothing is written.
  virtual bool conceal(std::span<const std::uint8_t> next, std::span<std::int16_t> pcm) noexcept = 0;
};

// The other way. A codec with a memory takes frames of 20 ms: frame_samples().
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class AudioEncoder {
 public:
  virtual ~AudioEncoder() = default;

  // Returns how many bytes it wrote. Room for kMaxEncodedFrame is always enough for a frame.
  virtual std::size_t encode(std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept = 0;
};
inline constexpr std::size_t kMaxEncodedFrame = 640;  // bytes

// The coders of the core: all but Opus, for which they are null.
std::unique_ptr<AudioDecoder> make_core_decoder(Codec codec);
std::unique_ptr<AudioEncoder> make_core_encoder(Codec codec);

}  // namespace ivr

#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "edge/udp.hpp"
#include "ivr/audio.hpp"

// Payloads as the media thread handles them: on the stack, of any size that a datagram may have.

namespace ivr {

inline constexpr std::size_t kMaxFrameBytes = 2 * kFrameSamples;

inline std::size_t sample_bytes(Codec codec) noexcept {
  return static_cast<std::size_t>(bytes_per_sample(codec));
}
inline std::size_t frame_bytes(Codec codec) noexcept { return kFrameSamples * sample_bytes(codec); }

inline std::span<const std::uint8_t> silence(Codec codec) noexcept {
  static constexpr auto filled = [](std::uint8_t with) {
    std::array<std::uint8_t, kMaxFrameBytes> bytes{};
    for (auto& byte : bytes) byte = with;
    return bytes;
  };
  static constexpr auto pcmu = filled(silence_byte(Codec::pcmu)), pcma = filled(silence_byte(Codec::pcma)),
                        l16 = filled(silence_byte(Codec::l16));
  switch (codec) {
    case Codec::pcmu: return {pcmu.data(), frame_bytes(codec)};
    case Codec::pcma: return {pcma.data(), frame_bytes(codec)};
    case Codec::l16: return {l16.data(), frame_bytes(codec)};
  }
  return {};
}

using Samples = std::array<std::int16_t, DatagramBatch::kMaxBytes>;  // what a datagram can hold at most
using Payload = std::array<std::uint8_t, DatagramBatch::kMaxBytes>;

inline std::span<const std::int16_t> decoded(Codec codec, std::span<const std::uint8_t> payload,
                                             Samples& into) noexcept {
  return {into.data(), decode(codec, payload, into)};
}

inline std::span<const std::uint8_t> encoded(Codec codec, std::span<const std::int16_t> pcm,
                                             Payload& into) noexcept {
  return {into.data(), encode(codec, pcm, into) * sample_bytes(codec)};
}

}  // namespace ivr

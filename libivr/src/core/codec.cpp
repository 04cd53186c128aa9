#include "ivr/codec.hpp"

#include <algorithm>

#include "core/g722.hpp"
#include "ivr/audio.hpp"

namespace ivr {
namespace {

// G.711 and L16: no memory, and nothing to make up a loss from.
class PlainDecoder final : public AudioDecoder {
 public:
  explicit PlainDecoder(Codec codec) noexcept : codec_(codec) {}
  std::size_t length(std::span<const std::uint8_t> payload) const noexcept override {
    return payload.size() / static_cast<std::size_t>(bytes_per_sample(codec_));
  }
  std::size_t decode(std::span<const std::uint8_t> payload, std::span<std::int16_t> pcm) noexcept override {
    return ivr::decode(codec_, payload, pcm);
  }
  bool conceal(std::span<const std::uint8_t>, std::span<std::int16_t>) noexcept override { return false; }

 private:
  const Codec codec_;
};

class PlainEncoder final : public AudioEncoder {
 public:
  explicit PlainEncoder(Codec codec) noexcept : codec_(codec) {}
  std::size_t encode(std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept override {
    return ivr::encode(codec_, pcm, bytes) * static_cast<std::size_t>(bytes_per_sample(codec_));
  }

 private:
  const Codec codec_;
};

class WideDecoder final : public AudioDecoder {
 public:
  std::size_t length(std::span<const std::uint8_t> payload) const noexcept override {
    return 2 * payload.size();
  }
  std::size_t decode(std::span<const std::uint8_t> payload, std::span<std::int16_t> pcm) noexcept override {
    return decoder_.decode(payload, pcm);
  }
  bool conceal(std::span<const std::uint8_t>, std::span<std::int16_t>) noexcept override { return false; }

 private:
  G722Decoder decoder_;
};

class WideEncoder final : public AudioEncoder {
 public:
  std::size_t encode(std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept override {
    return encoder_.encode(pcm, bytes);
  }

 private:
  G722Encoder encoder_;
};

}  // namespace

std::optional<Codec> codec_named(std::string_view name) noexcept {
  for (const CodecFormat& format : kCodecFormats) {
    if (format.name == name) return format.codec;
  }
  return std::nullopt;
}

std::unique_ptr<AudioDecoder> make_core_decoder(Codec codec) {
  switch (codec) {
    case Codec::pcmu:
    case Codec::pcma:
    case Codec::l16:
    case Codec::l16_wide: return std::make_unique<PlainDecoder>(codec);
    case Codec::g722: return std::make_unique<WideDecoder>();
    case Codec::opus: break;
  }
  return nullptr;
}

std::unique_ptr<AudioEncoder> make_core_encoder(Codec codec) {
  switch (codec) {
    case Codec::pcmu:
    case Codec::pcma:
    case Codec::l16:
    case Codec::l16_wide: return std::make_unique<PlainEncoder>(codec);
    case Codec::g722: return std::make_unique<WideEncoder>();
    case Codec::opus: break;
  }
  return nullptr;
}

}  // namespace ivr

#include "engine/stream_codec.hpp"

#include <algorithm>
#include <utility>

#include "edge/codecs.hpp"

namespace ivr {
namespace {

constexpr std::array<std::int16_t, 2 * kFrameSamples> kNothing{};

}  // namespace

StreamCodec::StreamCodec(const CodecFormat& format, const CodecWishes& wishes) noexcept
    : format_(format),
      wishes_(wishes),
      ticks_(static_cast<std::uint32_t>(format.clock_hz / kSampleRateHz)),
      wide_(format.sample_rate_hz != kSampleRateHz) {}

std::unique_ptr<StreamCodec> StreamCodec::create(Codec codec, const CodecWishes& wishes) {
  std::unique_ptr<StreamCodec> made(new StreamCodec(format_of(codec), wishes));
  made->decoder_ = make_decoder(codec);
  made->encoder_ = make_encoder(codec, wishes);
  if (!made->decoder_ || !made->encoder_) return nullptr;
  return made;
}

int StreamCodec::length(std::span<const std::uint8_t> payload) const noexcept {
  return static_cast<int>(decoder_->length(payload) / (wide_ ? 2 : 1));
}

Audio StreamCodec::decode(std::span<const std::uint8_t> payload, AudioBuffer& into) noexcept {
  if (!wide_) return {{into.narrow.data(), decoder_->decode(payload, into.narrow)}, {}};
  const std::span<const std::int16_t> wide{into.wide.data(), decoder_->decode(payload, into.wide)};
  return {{into.narrow.data(), heard_.process(wide, into.narrow)}, wide};
}

Audio StreamCodec::conceal(std::span<const std::uint8_t> next, std::size_t samples,
                           AudioBuffer& into) noexcept {
  samples = std::min(samples, kMostSamples / 2);
  const auto pcm = wide_ ? std::span(into.wide).first(2 * samples) : std::span(into.narrow).first(samples);
  if (!decoder_->conceal(next, pcm)) return {};
  if (!wide_) return {pcm, {}};
  return {{into.narrow.data(), heard_.process(pcm, into.narrow)}, pcm};
}

std::span<const std::int16_t> StreamCodec::at_rate(const Audio& audio, AudioBuffer& into) noexcept {
  if (!wide_) return audio.narrow;
  if (!audio.wide.empty()) return audio.wide;
  return {into.wide.data(), said_.process(audio.narrow, into.wide)};
}

std::span<const std::uint8_t> StreamCodec::encode(const Audio& audio, Bytes& into) noexcept {
  silent_ = 0;
  AudioBuffer doubled;
  return {into.data(), encoder_->encode(at_rate(audio, doubled), into)};
}

std::span<const std::uint8_t> StreamCodec::silence(Bytes& into) noexcept {
  if (silent_ == kSettled) return {still_.data(), still_bytes_};
  const auto bytes =
      std::span(into).first(encoder_->encode(std::span(kNothing).first(frame_samples(codec())), into));
  if (format_.plain || (format_.repeatable && ++silent_ == kSettled)) {
    silent_ = kSettled;
    still_bytes_ = std::min(bytes.size(), still_.size());
    std::copy_n(bytes.begin(), still_bytes_, still_.begin());
  }
  return bytes;
}

Audio StreamCodec::read_clip(Codec clip, std::span<const std::uint8_t> bytes, AudioBuffer& into) noexcept {
  if (format_of(clip).sample_rate_hz == kSampleRateHz)
    return {{into.narrow.data(), ivr::decode(clip, bytes, into.narrow)}, {}};
  const std::span<const std::int16_t> wide{into.wide.data(), ivr::decode(clip, bytes, into.wide)};
  return {{into.narrow.data(), clip_.process(wide, into.narrow)}, wide};
}

}  // namespace ivr

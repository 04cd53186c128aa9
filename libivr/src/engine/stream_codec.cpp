#include "engine/stream_codec.hpp"

#include <algorithm>
#include <utility>

#include "edge/codecs.hpp"

namespace ivr {
namespace {

constexpr std::array<std::int16_t, 2 * kFrameSamples> kNothing{};

template <Codec codec>
constexpr auto kSilentFrame = [] {
  std::array<std::uint8_t, frame_bytes(codec)> frame{};
  frame.fill(silence_byte(codec));
  return frame;
}();

}  // namespace

std::optional<StreamCodec> StreamCodec::create(Codec codec, const CodecWishes& wishes) {
  StreamCodec made;
  made.format_ = &format_of(codec);
  made.wishes_ = wishes;
  made.ticks_ = static_cast<std::uint32_t>(made.clock_hz() / kSampleRateHz);
  if (made.plain() && !made.wide()) return made;
  made.coders_ = std::make_unique<Coders>();
  made.coders_->decoder = make_decoder(codec);
  made.coders_->encoder = make_encoder(codec, wishes);
  if (!made.coders_->decoder || !made.coders_->encoder) return std::nullopt;
  return made;
}

int StreamCodec::length(std::span<const std::uint8_t> payload) const noexcept {
  if (memoryless()) return static_cast<int>(payload.size()) / bytes_per_sample(codec());
  return static_cast<int>(coders_->decoder->length(payload) / (wide() ? 2 : 1));
}

Audio StreamCodec::decode(std::span<const std::uint8_t> payload, AudioBuffer& into) noexcept {
  if (memoryless()) return {{into.narrow.data(), ivr::decode(codec(), payload, into.narrow)}, {}};
  if (!wide()) return {{into.narrow.data(), coders_->decoder->decode(payload, into.narrow)}, {}};
  const std::span<const std::int16_t> wide{into.wide.data(), coders_->decoder->decode(payload, into.wide)};
  return {{into.narrow.data(), coders_->heard.process(wide, into.narrow)}, wide};
}

Audio StreamCodec::conceal(std::span<const std::uint8_t> next, std::size_t samples,
                           AudioBuffer& into) noexcept {
  if (memoryless()) return {};
  samples = std::min(samples, kMostSamples / 2);
  const auto pcm = wide() ? std::span(into.wide).first(2 * samples) : std::span(into.narrow).first(samples);
  if (!coders_->decoder->conceal(next, pcm)) return {};
  if (!wide()) return {pcm, {}};
  return {{into.narrow.data(), coders_->heard.process(pcm, into.narrow)}, pcm};
}

std::span<const std::int16_t> StreamCodec::at_rate(const Audio& audio, AudioBuffer& into) noexcept {
  if (!wide()) return audio.narrow;
  if (!audio.wide.empty()) return audio.wide;
  return {into.wide.data(), coders_->said.process(audio.narrow, into.wide)};
}

std::span<const std::uint8_t> StreamCodec::encode(const Audio& audio, Bytes& into) noexcept {
  if (memoryless()) {
    const std::size_t coded = ivr::encode(codec(), audio.narrow, into);
    return {into.data(), coded * static_cast<std::size_t>(bytes_per_sample(codec()))};
  }
  coders_->silent = 0;
  AudioBuffer doubled;
  return {into.data(), coders_->encoder->encode(at_rate(audio, doubled), into)};
}

std::span<const std::uint8_t> StreamCodec::silence(Bytes& into) noexcept {
  switch (codec()) {
    case Codec::pcmu: return kSilentFrame<Codec::pcmu>;
    case Codec::pcma: return kSilentFrame<Codec::pcma>;
    case Codec::l16: return kSilentFrame<Codec::l16>;
    case Codec::l16_wide: return kSilentFrame<Codec::l16_wide>;
    case Codec::g722:
    case Codec::opus: break;
  }
  Coders& c = *coders_;
  if (c.silent == kSettled) return {c.still.data(), c.still_bytes};
  const auto bytes =
      std::span(into).first(c.encoder->encode(std::span(kNothing).first(frame_samples(codec())), into));
  if (format_->repeatable && ++c.silent == kSettled) {
    c.still_bytes = std::min(bytes.size(), c.still.size());
    std::copy_n(bytes.begin(), c.still_bytes, c.still.begin());
  }
  return bytes;
}

}  // namespace ivr

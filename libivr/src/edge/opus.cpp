#if IVR_WITH_OPUS
#include "edge/opus.hpp"

#include <algorithm>

#include <opus/opus.h>

namespace ivr {
namespace {

constexpr int kRateHz = format_of(Codec::opus).sample_rate_hz;
constexpr int kBitRate = 28'000;  // a second: the upper end of what RFC 7587, 3.1.1 has for wideband speech
constexpr int kComplexity = 5;    // of 10: speech hardly gains from more, and it costs twice as much
constexpr int kExpectedLoss = 5;  // percent, where the peer wants copies
constexpr int kShortest = 10;     // ms that can be made up, and its multiples
constexpr int kMostBytes = 1275;  // of a frame (RFC 6716, 3.2.1)

template <class T, void (*Destroy)(T*)>
struct Destroyer {
  void operator()(T* it) const noexcept { Destroy(it); }
};
using Decoder = std::unique_ptr<OpusDecoder, Destroyer<OpusDecoder, opus_decoder_destroy>>;
using Encoder = std::unique_ptr<OpusEncoder, Destroyer<OpusEncoder, opus_encoder_destroy>>;

int as_int(std::size_t n) noexcept { return static_cast<int>(std::min<std::size_t>(n, 1 << 20)); }

class OpusIn final : public AudioDecoder {
 public:
  explicit OpusIn(Decoder decoder) noexcept : decoder_(std::move(decoder)) {}

  std::size_t length(std::span<const std::uint8_t> payload) const noexcept override {
    if (payload.empty()) return 0;
    return static_cast<std::size_t>(
        std::max(0, opus_packet_get_nb_samples(payload.data(), as_int(payload.size()), kRateHz)));
  }

  std::size_t decode(std::span<const std::uint8_t> payload, std::span<std::int16_t> pcm) noexcept override {
    if (payload.empty()) return 0;
    const int made = opus_decode(decoder_.get(), payload.data(), as_int(payload.size()), pcm.data(),
                                 as_int(pcm.size()), 0);
    return static_cast<std::size_t>(std::max(0, made));
  }

  bool conceal(std::span<const std::uint8_t> next, std::span<std::int16_t> pcm) noexcept override {
    if (pcm.empty() || pcm.size() % (kRateHz / 1000 * kShortest) != 0) return false;
    // The library takes a copy only for as much as the packet behind it is long, and makes up the rest
    // itself.
    int made = OPUS_INVALID_PACKET;
    if (length(next) > 0)
      made = opus_decode(decoder_.get(), next.data(), as_int(next.size()), pcm.data(), as_int(pcm.size()), 1);
    if (made < 0) made = opus_decode(decoder_.get(), nullptr, 0, pcm.data(), as_int(pcm.size()), 0);
    if (made < 0) return false;
    std::fill(pcm.begin() + std::min<std::ptrdiff_t>(made, std::ssize(pcm)), pcm.end(), std::int16_t{0});
    return true;
  }

 private:
  Decoder decoder_;
};

class OpusOut final : public AudioEncoder {
 public:
  explicit OpusOut(Encoder encoder) noexcept : encoder_(std::move(encoder)) {}

  std::size_t encode(std::span<const std::int16_t> pcm, std::span<std::uint8_t> bytes) noexcept override {
    const int made = opus_encode(encoder_.get(), pcm.data(), as_int(pcm.size()), bytes.data(),
                                 std::min(as_int(bytes.size()), kMostBytes));
    return static_cast<std::size_t>(std::max(0, made));
  }

 private:
  Encoder encoder_;
};

int bandwidth_of(int hz) noexcept {  // RFC 7587, 6.1; more than wide we do not have
  if (hz <= 0 || hz >= 16'000) return OPUS_BANDWIDTH_WIDEBAND;
  return hz >= 12'000 ? OPUS_BANDWIDTH_MEDIUMBAND : OPUS_BANDWIDTH_NARROWBAND;
}

}  // namespace

std::unique_ptr<AudioDecoder> make_opus_decoder() {
  int error = OPUS_OK;
  Decoder decoder(opus_decoder_create(kRateHz, 1, &error));
  if (error != OPUS_OK) return nullptr;
  return std::make_unique<OpusIn>(std::move(decoder));
}

std::unique_ptr<AudioEncoder> make_opus_encoder(const CodecWishes& wishes) {
  int error = OPUS_OK;
  Encoder encoder(opus_encoder_create(kRateHz, 1, OPUS_APPLICATION_VOIP, &error));
  if (error != OPUS_OK) return nullptr;
  OpusEncoder* const e = encoder.get();
  const int rate = wishes.max_bit_rate > 0 ? std::clamp(wishes.max_bit_rate, 6'000, kBitRate) : kBitRate;
  opus_encoder_ctl(e, OPUS_SET_BITRATE(rate));
  opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(kComplexity));
  opus_encoder_ctl(e, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
  opus_encoder_ctl(e, OPUS_SET_MAX_BANDWIDTH(bandwidth_of(wishes.max_playback_hz)));
  opus_encoder_ctl(e, OPUS_SET_VBR(wishes.constant_bit_rate ? 0 : 1));
  opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(wishes.fec ? 1 : 0));
  opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(wishes.fec ? kExpectedLoss : 0));
  return std::make_unique<OpusOut>(std::move(encoder));
}

}  // namespace ivr
#endif

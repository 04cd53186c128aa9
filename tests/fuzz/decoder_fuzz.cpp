// Any bytes as packets of a codec, in any order with losses between them, and as comfort noise: no crash, and
// never more samples than a packet says it holds. Input: a byte for the codec, then records of a byte for the
// length (its upper bit: what was before it is lost) and the payload.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "edge/codecs.hpp"
#include "ivr/comfort_noise.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto decoder = ivr::make_decoder(ivr::kCodecFormats[data[0] % ivr::kCodecs].codec);
  if (!decoder) return 0;  // built without it
  ivr::ComfortNoise noise;
  std::array<std::int16_t, 3000> pcm;
  ++data, --size;
  while (size > 0) {
    const std::size_t length = std::min<std::size_t>(data[0] & 127, size - 1);
    const std::span<const std::uint8_t> payload{data + 1, length};
    if ((data[0] & 128) != 0) (void)decoder->conceal(payload, std::span(pcm).first(160 * (1 + length % 6)));
    const std::size_t holds = decoder->length(payload);
    if (decoder->decode(payload, pcm) > std::min(holds, pcm.size())) std::abort();
    // Where there is not enough room, no more than there is.
    if (decoder->decode(payload, std::span(pcm).first(length)) > length) std::abort();
    noise.update(payload);
    noise.read(std::span(pcm).first(160));
    data += 1 + length;
    size -= 1 + length;
  }
  if (decoder->decode({}, pcm) != 0 || decoder->length({}) != 0) std::abort();
  return 0;
}

#include "edge/codecs.hpp"

#if IVR_WITH_OPUS
#include "edge/opus.hpp"
#endif

namespace ivr {

std::unique_ptr<AudioDecoder> make_decoder([[maybe_unused]] Codec codec) {
#if IVR_WITH_OPUS
  if (codec == Codec::opus) return make_opus_decoder();
#endif
  return make_core_decoder(codec);
}

std::unique_ptr<AudioEncoder> make_encoder(Codec codec, [[maybe_unused]] const CodecWishes& wishes) {
#if IVR_WITH_OPUS
  if (codec == Codec::opus) return make_opus_encoder(wishes);
#endif
  return make_core_encoder(codec);
}

bool has_codec([[maybe_unused]] Codec codec) noexcept {
#if IVR_WITH_OPUS
  return true;
#else
  return codec != Codec::opus;
#endif
}

}  // namespace ivr

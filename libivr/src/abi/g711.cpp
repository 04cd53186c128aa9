#include "abi/guard.hpp"
#include "ivr/audio.hpp"

namespace {

using ivr::Codec;

ivr_status encode(Codec codec, std::uint8_t* codes, const std::int16_t* pcm, std::size_t count) noexcept {
  if (count == 0) return IVR_OK;
  if (codes == nullptr) return ivr::abi::null_argument("codes");
  if (pcm == nullptr) return ivr::abi::null_argument("pcm");
  ivr::encode(codec, {pcm, count}, {codes, count});
  return IVR_OK;
}

ivr_status decode(Codec codec, std::int16_t* pcm, const std::uint8_t* codes, std::size_t count) noexcept {
  if (count == 0) return IVR_OK;
  if (codes == nullptr) return ivr::abi::null_argument("codes");
  if (pcm == nullptr) return ivr::abi::null_argument("pcm");
  ivr::decode(codec, {codes, count}, {pcm, count});
  return IVR_OK;
}

}  // namespace

ivr_status ivr_ulaw_encode(uint8_t* codes, const int16_t* pcm, size_t count) {
  return encode(Codec::pcmu, codes, pcm, count);
}

ivr_status ivr_ulaw_decode(int16_t* pcm, const uint8_t* codes, size_t count) {
  return decode(Codec::pcmu, pcm, codes, count);
}

ivr_status ivr_alaw_encode(uint8_t* codes, const int16_t* pcm, size_t count) {
  return encode(Codec::pcma, codes, pcm, count);
}

ivr_status ivr_alaw_decode(int16_t* pcm, const uint8_t* codes, size_t count) {
  return decode(Codec::pcma, pcm, codes, count);
}

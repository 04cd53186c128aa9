#pragma once
#include <memory>

#include "ivr/codec.hpp"

namespace ivr {

// The coders of every codec: the core's own, and Opus by libopus. Null: this library was built without
// (IVR_WITH_OPUS=OFF).
//
// Thread: any.
std::unique_ptr<AudioDecoder> make_decoder(Codec codec);
std::unique_ptr<AudioEncoder> make_encoder(Codec codec, const CodecWishes& wishes = {});

bool has_codec(Codec codec) noexcept;

}  // namespace ivr

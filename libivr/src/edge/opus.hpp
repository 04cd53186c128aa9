#pragma once
#include <memory>

#include "ivr/codec.hpp"

namespace ivr {

// Opus (RFC 6716) by libopus, as telephone speech: 16,000 samples a second, mono. A stereo peer is heard in
// mono. What was lost is made up by the library, from the copy in the packet behind it where the sender put
// one in. Null: there is no memory.
std::unique_ptr<AudioDecoder> make_opus_decoder();
std::unique_ptr<AudioEncoder> make_opus_encoder(const CodecWishes& wishes);

}  // namespace ivr

#pragma once
#include <memory>

#include "ivr/ports.hpp"

namespace ivr {

// Real audio: RTP and RTCP over UDP sockets, in media threads of its own.
//
// - A stream lives in one media thread, which alone touches it; control talks to that thread through a
// mailbox. Two
//   streams that are bridged are brought into one thread first. The threads never wait for control, nor for
//   the disk.
// - The streams of a thread are spread over the 20 ms. Sockets are looked at at least every millisecond, so a
// key is
//   known about a millisecond after its first packet; what control asks for is heard with the stream's next
//   packet.
// - While a stream may send and has nothing to play it sends silence: peers and NATs see one steady stream,
// timestamps
//   without a hole. A stream on hold sends nothing; what it plays waits.
// - PlayEnded comes one packet time after the last packet, when it has been heard; a play that is replaced or
// whose
//   stream is closed ends with completed = false.
// - Who is heard: media_source.hpp has the rule.
//
// `notify` means: call next_event() until it returns false. It is not called again before that.
//
// start() refuses with Unimplemented when the library was built without oRTP (IVR_WITH_ORTP=OFF).
std::unique_ptr<MediaPort> make_media();

}  // namespace ivr

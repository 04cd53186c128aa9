#pragma once
#include <memory>

#include "ivr/ports.hpp"

namespace ivr {

// Real audio: RTP and RTCP over UDP sockets, in media threads of its own.
//
// - A stream lives in one media thread, which alone touches it; control talks to that thread through a
//   mailbox. Two streams that are bridged are brought into one thread first. The threads never wait for
//   control, nor for the disk.
// - A thread that is late while another is in time gives some of its streams to that one each second. With
//   shared ports streams stay, as the thread with the port reads and sends for them anyway.
// - The streams of a thread are spread over the 20 ms. Sockets are looked at at least every millisecond, so a
//   key is known about a millisecond after its first packet; what control asks for is heard with the stream's
//   next packet.
// - While a stream may send and has nothing to play it sends silence: peers and NATs see one steady stream,
//   timestamps without a hole. A stream on hold sends nothing; what it plays waits.
// - PlayEnded comes one packet time after the last packet, when it has been heard; a play that is replaced or
//   whose stream is closed ends with completed = false.
// - A bridge relays packets as they come, at once, in our own numbers; where both sides have another codec
//   they are coded anew. With pass_digits off the audio goes through a KeyCutter and is 40 ms late. A key
//   that comes as an event goes on as an event, or as a tone to a peer without events.
// - A supervisor, and those who hear it, get a mix made with each of their packets: some 60 ms behind what
//   was said on a quiet line, more on a restless one (see JitterBuffer). The others of a supervised bridge
//   are relayed as ever. What a supervisor keys reaches nobody.
// - What plays to a stream, and the keys that are sent to it, are heard in place of all that.
// - Who is heard: media_source.hpp has the rule.
//
// It is used in rounds: control asks for things, then calls next_event() until it returns false, then waits.
// A media thread that sleeps is woken there, once for all that the round asked of it. `notify` means that a
// round is due; it is not called again before that.
//
// start() refuses with Unimplemented when the library was built without oRTP (IVR_WITH_ORTP=OFF).
std::unique_ptr<MediaPort> make_media();

}  // namespace ivr

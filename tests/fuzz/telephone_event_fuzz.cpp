// Telephone-event packets in any order with any content: what began ends, once, and nothing stays down.
// Input: records of payload length, marker, sequence (16), timestamp (32), payload.
#include <cstdlib>
#include <span>

#include "ivr/telephone_event.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto receiver = *ivr::TelephoneEventReceiver::create();
  int began = 0, ended = 0;
  const auto take = [&](std::span<const ivr::TelephoneEvent> events) {
    for (const auto& event : events) (event.kind == ivr::TelephoneEvent::Kind::began ? began : ended) += 1;
    if (began - ended != (receiver.key_down() ? 1 : 0)) std::abort();
  };
  std::int64_t ms = 0;
  while (size >= 8) {
    const std::size_t length = data[0] < size - 8 ? data[0] : size - 8;
    ivr::RtpFrame frame;
    frame.header.payload_type = 101;
    frame.header.marker = (data[1] & 1) != 0;
    frame.header.ssrc = data[1] >> 6;
    frame.header.sequence = static_cast<std::uint16_t>(data[2] << 8 | data[3]);
    frame.header.timestamp = static_cast<std::uint32_t>(data[4]) << 24 |
                             static_cast<std::uint32_t>(data[5]) << 16 |
                             static_cast<std::uint32_t>(data[6]) << 8 | data[7];
    frame.payload = {data + 8, length};
    ms += data[1] >> 1;
    if (const auto due = receiver.deadline(); due && *due <= ivr::Time(ivr::Millis(ms)))
      take(receiver.tick(*due));
    take(receiver.push(frame, ivr::Time(ivr::Millis(ms))));
    data += 8 + length;
    size -= 8 + length;
  }
  if (const auto due = receiver.deadline()) take(receiver.tick(*due));
  if (receiver.key_down() || began != ended) std::abort();
  return 0;
}

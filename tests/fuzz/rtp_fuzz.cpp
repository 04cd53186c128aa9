// Any datagram on an RTP port: parsed, counted, and its payload never outside the packet.
#include <cstdlib>
#include <span>

#include "ivr/rtp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ivr::RtpFrame frame;
  if (ivr::parse_rtp({data, size}, frame) != ivr::RtpParse::ok) return 0;
  if (frame.payload.data() < data || frame.payload.data() + frame.payload.size() > data + size) std::abort();
  unsigned sum = 0;
  for (const std::uint8_t byte : frame.payload) sum += byte;
  ivr::RtpReceiverStats stats;
  ivr::RtpHeader header = frame.header;
  for (unsigned i = 0; i < 16; ++i) {
    stats.receive(header, ivr::Time(ivr::Micros(i * sum)));
    header.sequence =
        static_cast<std::uint16_t>(header.sequence + (i < frame.payload.size() ? frame.payload[i] * 97 : 1));
    header.timestamp += sum;
  }
  stats.report();
  if (stats.loss_ratio() < 0 || stats.loss_ratio() > 1) std::abort();
  return 0;
}

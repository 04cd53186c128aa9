#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "edge/udp.hpp"
#include "ivr/base.hpp"

struct _RtpSession;

namespace ivr {

struct RtpReport {
  double jitter_ms = 0;      // interarrival jitter of what we receive (RFC 3550, 6.4.1)
  double round_trip_ms = 0;  // from the peer's reports; 0 until one came
};

// The library's side of one RTP stream: oRTP gives SSRC, sequence numbers and the RTP header, keeps the
// reception statistics and speaks RTCP (SR, RR, SDES, BYE). The sockets, who may send to us, pacing, order
// and telephone events are not its business: what comes in was judged before, what goes out is sent when it
// is called.
//
// Thread:   one at a time.
// Realtime: no wait and no log; oRTP takes its packet buffers from malloc, one block in and one out a packet.
class RtpLink {
 public:
  // Borrows the sockets for its life.
  RtpLink(const UdpSocket& rtp, const UdpSocket& rtcp);
  ~RtpLink();
  RtpLink(const RtpLink&) = delete;
  RtpLink& operator=(const RtpLink&) = delete;

  void send_to(Endpoint rtp, Endpoint rtcp) noexcept { rtp_to_ = rtp, rtcp_to_ = rtcp; }
  // Of the audio, both ways. Another clock than before is another source to the peer (RFC 7160, 4.1): a new
  // SSRC.
  void set_payload_type(int payload_type, int clock_hz = kSampleRateHz) noexcept;

  // False: the system did not take the packet. May send an RTCP report when one is due.
  bool send(int payload_type, bool marker, std::uint32_t timestamp,
            std::span<const std::uint8_t> payload) noexcept;

  std::uint16_t next_sequence() const noexcept { return next_sequence_; }
  void set_next_sequence(std::uint16_t sequence) noexcept {
    next_sequence_ = sequence;
  }  // a relay keeps the sender's holes

  void received(std::span<const std::uint8_t> packet, Endpoint from, Time now) noexcept;
  void received_rtcp(std::span<const std::uint8_t> packet, Endpoint from, Time now) noexcept;
  void bye() noexcept;

  std::uint32_t ssrc() const noexcept;
  RtpReport report() const noexcept;

 private:
  friend struct RtpTransportCalls;
  void pump(Time now) noexcept;

  const UdpSocket& rtp_;
  const UdpSocket& rtcp_;
  Endpoint rtp_to_, rtcp_to_;
  _RtpSession* session_ = nullptr;
  std::uint32_t arrival_ = 0;  // the clock we give oRTP, in samples; it wants a new value each time
  int clock_hz_ = kSampleRateHz;
  std::uint16_t next_sequence_ = 0;
  bool sent_ = false;

  // What oRTP finds when it asks its transport.
  std::span<const std::uint8_t> rtp_in_, rtcp_in_;
  Endpoint in_from_;
  Time in_at_{};
};

}  // namespace ivr

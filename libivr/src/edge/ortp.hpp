#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "edge/udp.hpp"
#include "ivr/base.hpp"
#include "ivr/rtp.hpp"

struct _RtpSession;

namespace ivr {

// One RTP stream on the wire: our header before what goes out, the count of what came, and RTCP (SR, RR,
// SDES, BYE), which is oRTP's. oRTP takes packets from malloc and looks at each more than once, so after
// its first report it gets five a second each way, from which it knows the stream and when a report is due;
// the numbers in its reports are those of all packets. The sockets, who may send to us, pacing, order and
// telephone events are not the link's business: what comes in was judged before, what goes out is sent when
// it is called.
//
// Thread:   one at a time.
// Realtime: no wait and no log; no allocation but oRTP's, for five packets a second.
class RtpLink {
 public:
  // Borrows the sockets for its life.
  RtpLink(const UdpSocket& rtp, const UdpSocket& rtcp);
  ~RtpLink();
  RtpLink(const RtpLink&) = delete;
  RtpLink& operator=(const RtpLink&) = delete;

  // Where RTP goes in place of the socket, from now on: with what others send there. Null: the socket.
  void send_by(DatagramOutbox* outbox) noexcept { outbox_ = outbox; }
  void send_to(Endpoint rtp, Endpoint rtcp) noexcept {
    rtp_to_ = rtp, rtcp_to_ = rtcp;
    if (connected_.usable() && connected_ != rtp) connect(false);
  }
  // Whether the socket is connected with whom we send to: a packet costs less, and nobody else is heard.
  void connect(bool on) noexcept;
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

  // `header` is that of the packet, its timestamp in samples at 8 kHz.
  void received(std::span<const std::uint8_t> packet, const RtpHeader& header, Endpoint from,
                Time now) noexcept;
  void received_rtcp(std::span<const std::uint8_t> packet, Endpoint from, Time now) noexcept;
  void bye() noexcept;

  std::uint32_t ssrc() const noexcept { return ssrc_; }
  const RtpReceiverStats& reception() const noexcept { return reception_; }
  double round_trip_ms() const noexcept;  // from the peer's reports; 0 until one came

 private:
  friend struct RtpTransportCalls;
  void pump(Time now) noexcept;
  bool send_by_ortp(const RtpHeader& header, std::span<const std::uint8_t> payload) noexcept;
  void complete(std::span<std::uint8_t> report) noexcept;

  const UdpSocket& rtp_;
  const UdpSocket& rtcp_;
  DatagramOutbox* outbox_ = nullptr;
  Endpoint rtp_to_, rtcp_to_, connected_;
  _RtpSession* session_ = nullptr;
  std::uint32_t arrival_ = 0;  // the clock we give oRTP, in samples; it wants a new value each time
  int clock_hz_ = kSampleRateHz;
  std::uint32_t ssrc_ = 0;
  std::uint16_t next_sequence_ = 0;
  bool sent_ = false, reported_ = false;
  std::uint32_t packets_ = 0, octets_ = 0;  // sent under that SSRC (RFC 3550, 6.4.1)
  std::uint32_t sent_at_ = 0;               // timestamp of the last
  RtpReceiverStats reception_;
  std::uint32_t shown_out_ = 0;   // to oRTP, last: a timestamp,
  Time shown_in_{};               // a time
  std::uint32_t shown_from_ = 0;  // and an SSRC

  // What oRTP finds when it asks its transport.
  std::span<const std::uint8_t> rtp_in_, rtcp_in_;
  Endpoint in_from_;
  Time in_at_{};
};

}  // namespace ivr

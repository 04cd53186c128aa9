#pragma once
#include <cstdint>

#include "edge/udp.hpp"
#include "ivr/base.hpp"

namespace ivr {

// Decides whose packets a stream hears, and where it sends. The rule:
//
// - Directly reachable peers (most): only the negotiated address, to the port. Nothing that arrives changes
// it.
// - NAT mode, when the stream is symmetric and the negotiated address is a private one that cannot be meant
//   literally: the signalling came from somewhere else, or (signalling source unknown) our own address is not
//   private. Then the first valid packet, from the signalling's IP where that is known, decides the source,
//   and we send there. After 5 s of its silence another source may take over if it carries the same SSRC.
// - RTCP comes from the negotiated RTCP address; in NAT mode from the RTP source's IP, with the port of the
// first.
// - Only a new address by SDP starts afresh.
// - On a port that many streams share a SourceSorter has decided already, and in NAT mode what comes is his
//   word.
//
// "Valid" is the caller's judgement: version, payload type and size.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class SourceGuard {
 public:
  struct Negotiated {
    Endpoint rtp, rtcp;
    std::uint32_t signalling_ip = 0;  // 0: unknown
    std::uint32_t local_ip = 0;
    bool symmetric = true;
    bool sorted = false;  // what we get has been through a SourceSorter
    friend bool operator==(const Negotiated&, const Negotiated&) = default;
  };
  static constexpr Micros kSilence = 5s;

  static bool behind_nat(const Negotiated& negotiated) noexcept;

  void negotiate(const Negotiated& negotiated) noexcept;  // the same again changes nothing

  // A valid packet from there: is it to be heard?
  bool hears(Endpoint from, std::uint32_t ssrc, Time now) noexcept;
  bool hears_rtcp(Endpoint from, Time now) noexcept;

  Endpoint rtp_to() const noexcept { return source_.usable() ? source_ : negotiated_.rtp; }
  Endpoint rtcp_to() const noexcept;
  bool nat() const noexcept { return nat_; }

 private:
  Negotiated negotiated_;
  bool nat_ = false;
  Endpoint source_, rtcp_source_;
  std::uint32_t ssrc_ = 0;
  Time heard_{}, rtcp_heard_{};
};

}  // namespace ivr

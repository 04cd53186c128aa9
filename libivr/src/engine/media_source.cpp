#include "engine/media_source.hpp"

namespace ivr {
namespace {

// RFC 1918, RFC 6598 (carrier NAT) and RFC 3927 (link local).
bool is_private(std::uint32_t ip) noexcept {
  struct Net {
    std::uint32_t address;
    int bits;
  };
  constexpr Net kNets[] = {
      {0x0A000000, 8}, {0xAC100000, 12}, {0xC0A80000, 16}, {0x64400000, 10}, {0xA9FE0000, 16}};
  for (const Net& net : kNets) {
    if (((ip ^ net.address) >> (32 - net.bits)) == 0) return true;
  }
  return false;
}

}  // namespace

bool SourceGuard::behind_nat(const Negotiated& negotiated) noexcept {
  const bool elsewhere = negotiated.signalling_ip != 0 ? negotiated.signalling_ip != negotiated.rtp.ip
                                                       : !is_private(negotiated.local_ip);
  return negotiated.symmetric && negotiated.rtp.usable() && is_private(negotiated.rtp.ip) && elsewhere;
}

void SourceGuard::negotiate(const Negotiated& negotiated) noexcept {
  if (negotiated == negotiated_) return;
  negotiated_ = negotiated;
  nat_ = behind_nat(negotiated);
  source_ = nat_ ? Endpoint{} : negotiated.rtp;
  rtcp_source_ = nat_ ? Endpoint{} : negotiated.rtcp;
  ssrc_ = 0;
  heard_ = rtcp_heard_ = Time{};
}

bool SourceGuard::hears(Endpoint from, std::uint32_t ssrc, Time now) noexcept {
  if (from == source_ && source_.usable()) {
    ssrc_ = ssrc;
    heard_ = now;
    return true;
  }
  if (!nat_) return false;
  if (negotiated_.sorted) {
    if (from != source_) rtcp_source_ = {};
    source_ = from;
    ssrc_ = ssrc;
    heard_ = now;
    return true;
  }
  if (negotiated_.signalling_ip != 0 && from.ip != negotiated_.signalling_ip && from != negotiated_.rtp)
    return false;
  if (source_.usable() && (now - heard_ < kSilence || ssrc != ssrc_)) return false;
  source_ = from;
  rtcp_source_ = {};
  ssrc_ = ssrc;
  heard_ = now;
  return true;
}

bool SourceGuard::hears_rtcp(Endpoint from, Time now) noexcept {
  if (from == rtcp_source_ && rtcp_source_.usable()) {
    rtcp_heard_ = now;
    return true;
  }
  if (!nat_ || !source_.usable() || from.ip != source_.ip) return false;
  if (rtcp_source_.usable() && now - rtcp_heard_ < 6 * kSilence) return false;
  rtcp_source_ = from;
  rtcp_heard_ = now;
  return true;
}

Endpoint SourceGuard::rtcp_to() const noexcept {
  if (rtcp_source_.usable()) return rtcp_source_;
  if (nat_ && source_.usable()) return {source_.ip, static_cast<std::uint16_t>(source_.port + 1)};
  return negotiated_.rtcp;
}

}  // namespace ivr

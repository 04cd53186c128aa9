#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "diagnosis.hpp"
#include "ip_range.hpp"

// Wrong IP in SDP: an address that the peer cannot reach, or one from which nothing comes.

namespace {

constexpr int kEnoughPackets = 25;  // half a second of audio

struct Side {
  const char* name;
  const Party* party;
  const std::vector<const RtpPacket*>* sent;      // towards the other
  const std::vector<const RtpPacket*>* received;  // from the other
};

bool arrives_at(const std::vector<const RtpPacket*>& packets, const std::string& ip) {
  return std::any_of(packets.begin(), packets.end(),
                     [&](const RtpPacket* p) { return p->packet->destination.ip == ip; });
}

bool comes_from(const std::vector<const RtpPacket*>& packets, const std::string& ip) {
  return std::any_of(packets.begin(), packets.end(),
                     [&](const RtpPacket* p) { return p->packet->source.ip == ip; });
}

int hops(const SipMessage& m) {
  return static_cast<int>(
      std::count_if(m.headers.begin(), m.headers.end(), [](const auto& h) { return h.first == "via"; }));
}

std::string said(const Side& side, const SeenAudio& audio) {
  const SipMessage& m = *audio.message;
  return std::string("The ") + side.name + "'s SDP (" + (m.request() ? m.method : std::to_string(m.status)) +
         " from " + m.source.ip + " to " + m.destination.ip + ") says c=" + audio.ip + ", port " +
         std::to_string(audio.port);
}

constexpr char kMend[] =
    "let the side that sent it write the address at which it is reached: with ivr serve 'rtp.external_ip' "
    "and "
    "'sip.external_ip', with a phone its STUN or NAT setting; 'rtp.symmetric' lets ivr serve answer a wrong "
    "peer at the "
    "address its packets come from";

// What is wrong with what was said, as far as the address itself and the way it went tell.
std::optional<Diagnosis> judge(const Side& side, const SeenAudio& audio) {
  const SipMessage& m = *audio.message;
  const IpRange range = ip_range(audio.ip), from = ip_range(m.source.ip), to = ip_range(m.destination.ip);
  Diagnosis d{
      .cause = Cause::wrong_ip, .certain = true, .at = m.at, .seen = said(side, audio), .mend = kMend};
  d.seen += ": " + std::string(name_of(range)) + " address";
  d.clause = "RFC 3264, 5.1 and RFC 8866, 5.7: c= is where the media is to be sent";
  switch (range) {
    case IpRange::none:
    case IpRange::global: return std::nullopt;
    case IpRange::unspecified: {
      const auto real = [](const SeenAudio& a) { return ip_range(a.ip) != IpRange::unspecified; };
      // Elsewhere it is an old way to say hold.
      if (std::any_of(side.party->audio.begin(), side.party->audio.end(), real)) return std::nullopt;
      d.why =
          "No packet can be sent there, and no other description gives a better one: the peer sends nothing";
      d.clause = "RFC 3264, 8.4: 0.0.0.0 means that nothing is to be sent";
      return d;
    }
    case IpRange::loopback:
      if (from == IpRange::loopback && to == IpRange::loopback) return std::nullopt;
      d.why = "The peer sends its audio to itself";
      return d;
    case IpRange::link_local:
    case IpRange::private_use:
    case IpRange::shared: break;
  }
  if (to == IpRange::global) {
    // Seen on the inner side of a NAT that lets the answer in: it works.
    if (m.source.ip == audio.ip && arrives_at(*side.received, audio.ip)) return std::nullopt;
    d.certain = m.source.ip != audio.ip;
    d.why = "The peer at " + m.destination.ip +
            " is outside of that network and cannot reach it: its audio gets lost";
    d.clause += "; RFC 1918, 3: private addresses are not routed between sites";
    return d;
  }
  if (m.source.ip != audio.ip && from == range && !maybe_neighbours(m.source.ip, audio.ip) && hops(m) == 1 &&
      !comes_from(*side.sent, audio.ip) && !arrives_at(*side.sent, audio.ip)) {
    d.certain = false;
    d.why =
        "It was sent from " + m.source.ip +
        ", another private network, without a proxy between: a machine with " +
        "several addresses (a container, a VPN) has written the wrong one, and the peer's audio gets lost";
    return d;
  }
  return std::nullopt;
}

// All of its packets come from somewhere else.
std::optional<Diagnosis> judge_by_media(const Side& side) {
  std::set<std::string> said_ips;
  for (const SeenAudio& a : side.party->audio) {
    if (ip_range(a.ip) == IpRange::none) return std::nullopt;
    said_ips.insert(a.ip);
  }
  std::map<std::string, int> sources;
  for (const RtpPacket* p : *side.sent) {
    if (said_ips.contains(p->packet->source.ip)) return std::nullopt;
    ++sources[p->packet->source.ip];
  }
  const auto most = std::max_element(sources.begin(), sources.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == sources.end() || most->second < kEnoughPackets || side.party->audio.empty())
    return std::nullopt;
  Diagnosis d{.cause = Cause::wrong_ip, .certain = true, .at = side.sent->front()->packet->at, .mend = kMend};
  d.seen = said(side, side.party->audio.back()) + ", but its " + std::to_string(most->second) +
           " RTP packets come from " + most->first + " and none from there";
  d.why = arrives_at(*side.received, most->first)
              ? "The other side helps itself and answers at the address the packets come from; a stricter "
                "one would not"
              : "What is sent to the address in the SDP does not reach the one who listens";
  d.clause = "RFC 3264, 5.1: c= is where the media is to be sent; RFC 4961: and it should be sent from there";
  return d;
}

}  // namespace

void diagnose_addresses(const ObservedCall& call, Report& report) {
  const Side sides[] = {{"caller", &call.caller, &call.to_callee, &call.to_caller},
                        {"callee", &call.callee, &call.to_caller, &call.to_callee}};
  for (const Side& side : sides) {
    const auto& audio = side.party->audio;
    if (std::any_of(audio.begin(), audio.end(), [](const SeenAudio& a) { return a.ice; })) continue;
    std::set<std::string> told;  // an address once, however often it was said
    for (const SeenAudio& a : audio) {
      if (told.contains(a.ip)) continue;
      if (auto d = judge(side, a)) {
        told.insert(a.ip);
        d->where = call.id;
        report.findings.push_back(*std::move(d));
      }
    }
    if (!told.empty()) continue;
    if (auto d = judge_by_media(side)) {
      d->where = call.id;
      report.findings.push_back(*std::move(d));
    }
  }
}

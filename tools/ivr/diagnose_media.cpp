#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "diagnosis.hpp"
#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"
#include "ivr/telephone_event.hpp"

// One-way audio, and keys that have no way.

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kEnoughPackets = 50;  // a second of audio
constexpr auto kEnoughTime = 1500ms;

std::string address_text(const ivr::Address& a) {
  return a.ip.find(':') == std::string::npos ? a.ip + ":" + std::to_string(a.port)
                                             : "[" + a.ip + "]:" + std::to_string(a.port);
}

bool always_both_ways(const ObservedCall& call) {
  for (const Party* party : {&call.caller, &call.callee}) {
    for (const SeenAudio& a : party->audio) {
      if (a.direction != ivr::MediaDirection::sendrecv) return false;
    }
  }
  return true;
}

void diagnose_one_way(const ObservedCall& call, const Trace& trace, Report& report) {
  const bool to_caller = !call.to_caller.empty(), to_callee = !call.to_callee.empty();
  if (!to_caller && !to_callee) {
    const ivr::Time end = call.bye ? call.bye->at : trace.end;
    if (end - call.answer->at > 2s && !call.caller.audio.empty() && !call.callee.audio.empty())
      report.notes.push_back(call.id +
                             ": no RTP of this call is in the capture; was it taken with 'port 5060' only?");
    return;
  }
  if (to_caller && to_callee) return;
  const auto& heard = to_caller ? call.to_caller : call.to_callee;
  const auto lasted = heard.back()->packet->at - heard.front()->packet->at;
  if (heard.size() < kEnoughPackets || lasted < kEnoughTime) return;
  const char* talks = to_caller ? "callee" : "caller";
  const char* silent = to_caller ? "caller" : "callee";
  if (!always_both_ways(call)) {
    report.notes.push_back(call.id + ": audio only from the " + talks +
                           ", as the SDP says (sendonly, recvonly or inactive: hold)");
    return;
  }
  Diagnosis d{.cause = Cause::one_way_audio, .where = call.id, .at = heard.front()->packet->at};
  d.certain = true;
  d.seen = std::to_string(heard.size()) + " RTP packets from the " + talks + " (" +
           address_text(heard.front()->packet->source) + " to " +
           address_text(heard.front()->packet->destination) + ") after the answer, none from the " + silent +
           ", though the SDP of both says sendrecv";
  const Party& talking = to_caller ? call.callee : call.caller;
  d.why = "The " + std::string(silent) + " sends nothing, or it is lost before the place of the capture";
  if (!talking.audio.empty()) {
    const SeenAudio& a = talking.audio.back();
    d.why += "; it was told to send to " + address_text({a.ip, a.port}) +
             ", so a firewall that drops UDP to there, or a wrong address, is the likely reason";
  }
  d.mend =
      "open the RTP ports of both sides in the firewalls (ivr serve: 'rtp.ports', both ways), turn SIP ALGs "
      "off, set "
      "'rtp.external_ip' behind NAT, and leave 'rtp.symmetric' on";
  d.clause = "RFC 3264, 5.1 and 6.1: sendrecv is both ways; RFC 4961: each sends from where it receives";
  report.findings.push_back(std::move(d));
}

struct KeysSeen {
  std::size_t events = 0;  // packets of the agreed telephone-event type
  std::string tones;       // keys heard in G.711 audio
  int stray_type = -1;     // packets that look like events, of a type that nobody agreed
  ivr::Time tone_at{}, stray_at{};
};

bool is_type(const Party& party, int type) {
  return std::any_of(party.audio.begin(), party.audio.end(),
                     [&](const SeenAudio& a) { return a.event_type == type; });
}

bool is_format(const Party& party, int type) {
  const std::string name = std::to_string(type);
  return std::any_of(party.audio.begin(), party.audio.end(), [&](const SeenAudio& a) {
    return std::find(a.formats.begin(), a.formats.end(), name) != a.formats.end();
  });
}

KeysSeen keys_in(const std::vector<const RtpPacket*>& packets, const Party& from, const Party& to) {
  KeysSeen seen;
  auto detector = ivr::DtmfDetector::create();
  ivr::DtmfEvents events;
  std::array<std::int16_t, 1024> pcm{};
  std::map<std::pair<int, std::uint32_t>, int> stray;  // type and timestamp: an event repeats its own
  std::optional<std::uint32_t> source;
  std::uint16_t last = 0;
  for (const RtpPacket* p : packets) {
    const auto& [header, payload] = p->frame;
    const int type = header.payload_type;
    if (is_type(to, type) || is_type(from, type)) {
      ++seen.events;
    } else if (type < 2 || type == 8) {
      if (type == 1 || !detector.ok()) continue;
      // One source, in order: a copy of a packet would ring twice.
      if (source && *source == header.ssrc && ivr::newer_by(header.sequence, last) <= 0) continue;
      source = header.ssrc;
      last = header.sequence;
      const std::size_t count = ivr::decode(type == 0 ? ivr::Codec::pcmu : ivr::Codec::pcma, payload, pcm);
      detector->process(std::span(pcm).first(count), events);
      for (const ivr::DtmfEvent& e : events) {
        if (e.kind != ivr::DtmfEvent::Kind::ended) continue;
        if (seen.tones.empty()) seen.tone_at = p->packet->at;
        seen.tones.push_back(e.digit);
      }
      events.clear();
    } else if (type >= 96 && payload.size() == 4 && payload[0] < ivr::kEventKeys.size() &&
               !is_format(to, type) && !is_format(from, type)) {
      if (++stray[{type, header.timestamp}] == 3 && seen.stray_type < 0) {
        seen.stray_type = type;
        seen.stray_at = p->packet->at;
      }
    }
  }
  return seen;
}

struct InfoSeen {
  std::size_t taken = 0;
  const SipMessage* refused = nullptr;  // the answer
};

InfoSeen info_in(const ObservedCall& call) {
  InfoSeen info;
  std::set<std::pair<std::uint32_t, bool>> keys;  // CSeq and sender of requests that carry a key
  for (const SipMessage* m : call.messages) {
    if (m->method != "INFO") continue;
    if (m->request()) {
      if (m->header("content-type").find("dtmf") != std::string_view::npos)
        keys.insert({m->cseq, call.from_caller(*m)});
    } else if (keys.contains({m->cseq, !call.from_caller(*m)})) {
      if (m->success()) ++info.taken;
      if (m->status >= 400 && m->status != 401 && m->status != 407 && !info.refused) info.refused = m;
    }
  }
  return info;
}

// telephone-event on neither side or on one, and no other way seen.
void diagnose_unagreed(const ObservedCall& call, bool offered, bool answered, const InfoSeen& info,
                       const KeysSeen (&keys)[2], Report& report) {
  const std::string tones = keys[0].tones + keys[1].tones;
  if (info.taken > 0) return;
  if (!tones.empty()) {
    report.notes.push_back(call.id + ": no telephone-event was agreed; keys come as tones in the audio (" +
                           std::to_string(tones.size()) + " heard)");
    return;
  }
  Diagnosis d{.cause = Cause::no_dtmf, .where = call.id, .at = call.answer->at};
  d.seen = offered    ? "The offer has telephone-event, the answer has not"
           : answered ? "The answer has telephone-event, the offer has not"
                      : "Neither side has telephone-event in its SDP";
  const auto& formats =
      call.callee.audio.empty() ? call.caller.audio.back().formats : call.callee.audio.back().formats;
  const bool g711 = !formats.empty() && (formats.front() == "0" || formats.front() == "8");
  d.seen += "; no SIP INFO carries a key";
  d.seen += g711 ? ", and no tones are in the audio"
                 : ", and the audio is not G.711, which alone keeps tones whole";
  for (const KeysSeen& k : keys) {
    if (k.stray_type >= 0) {
      d.certain = true;
      d.seen += "; event packets of payload type " + std::to_string(k.stray_type) + " are sent nevertheless";
      break;
    }
  }
  if (info.refused) {
    d.certain = true;
    d.seen += "; INFO was refused with " + std::to_string(info.refused->status) + " " + info.refused->reason;
  }
  d.why = "A key press has no agreed way to the other side" +
          std::string(g711 ? ", but as a tone that the other side must listen for" : "");
  d.mend = std::string("turn RFC 4733 ('rfc2833', 'telephone-event') on at the ") +
           (offered    ? "answering side"
            : answered ? "offering side"
                       : "phone or trunk") +
           "; or let ivr serve listen for tones ('rtp.inband_dtmf') and use G.711";
  d.clause =
      "RFC 4733, 2.4.1 and RFC 3264, 6.1: events may be sent only when both sides list them; RFC 6086: INFO";
  report.findings.push_back(std::move(d));
}

void diagnose_keys(const ObservedCall& call, Report& report) {
  if (call.caller.audio.empty() || call.callee.audio.empty()) return;
  const auto has = [](const Party& party) {
    return std::any_of(party.audio.begin(), party.audio.end(),
                       [](const SeenAudio& a) { return a.event_type >= 0; });
  };
  // Who offered: the caller, but for an INVITE without SDP.
  const bool caller_offers = call.caller.audio.front().message->at <= call.callee.audio.front().message->at;
  const Party& offerer = caller_offers ? call.caller : call.callee;
  const Party& answerer = caller_offers ? call.callee : call.caller;
  const InfoSeen info = info_in(call);
  const KeysSeen keys[2] = {keys_in(call.to_callee, call.caller, call.callee),
                            keys_in(call.to_caller, call.callee, call.caller)};
  if (!has(offerer) || !has(answerer)) {
    diagnose_unagreed(call, has(offerer), has(answerer), info, keys, report);
    return;
  }
  for (const bool caller : {true, false}) {
    const KeysSeen& seen = keys[caller ? 0 : 1];
    if (seen.events > 0) continue;
    Diagnosis d{.cause = Cause::no_dtmf, .certain = true, .where = call.id};
    const std::string who = caller ? "caller" : "callee";
    if (seen.stray_type >= 0) {
      const Party& to = caller ? call.callee : call.caller;
      d.at = seen.stray_at;
      d.seen = "The " + who + " sends events with payload type " + std::to_string(seen.stray_type) +
               "; the other side's "
               "SDP says " +
               std::to_string(to.audio.back().event_type);
      d.why = "Packets of a type that means nothing in the session are thrown away";
      d.mend = "let the " + who + " use the number from the other side's SDP";
      d.clause = "RFC 3264, 6.1: the payload types of the answer; RFC 4733, 2.4.1";
    } else if (!seen.tones.empty() && info.taken == 0) {
      d.at = seen.tone_at;
      d.seen = "telephone-event was agreed, but the " + who + " sends no event packet; " +
               std::to_string(seen.tones.size()) + " keys are heard as tones in its audio";
      d.why = "Who has agreed on events need not listen for tones";
      d.mend = "set the " + who +
               "'s DTMF mode to RFC 4733 (not 'in-band'), or 'rtp.inband_always' with ivr serve";
      d.clause = "RFC 4733, 2.4.1 and 1.1: agreed events take the place of tones";
    } else {
      continue;
    }
    report.findings.push_back(std::move(d));
  }
  if (info.refused && info.taken == 0) {
    Diagnosis d{.cause = Cause::no_dtmf, .certain = true, .where = call.id, .at = info.refused->at};
    d.seen = "Keys are sent in SIP INFO, which got " + std::to_string(info.refused->status) + " " +
             info.refused->reason;
    d.why = "The other side does not take keys that way, though telephone-event was agreed";
    d.mend = "set the sender's DTMF mode to RFC 4733 in place of SIP INFO";
    d.clause = "RFC 6086, 4.2.2; RFC 4733, 2.4.1";
    report.findings.push_back(std::move(d));
  }
  if (keys[0].events + keys[1].events + info.taken == 0 &&
      (!call.to_callee.empty() || !call.to_caller.empty())) {
    report.notes.push_back(call.id +
                           ": telephone-event was agreed and no key was seen; if one was pressed, it never "
                           "left the phone");
  }
}

}  // namespace

void diagnose_media(const ObservedCall& call, const Trace& trace, Report& report) {
  if (!call.answer) return;
  diagnose_one_way(call, trace, report);
  diagnose_keys(call, report);
}

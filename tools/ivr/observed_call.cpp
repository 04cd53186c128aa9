#include "observed_call.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_map>

namespace {

using namespace std::chrono_literals;

constexpr auto kAfterBye = 1s;

int event_type_of(const ivr::SdpMedia& section) {
  for (const auto& a : section.attributes) {
    if (a.name != "rtpmap") continue;
    const auto space = a.value.find(' ');
    if (space == std::string::npos) continue;
    std::string name = a.value.substr(space + 1);
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    int type = -1;
    std::from_chars(a.value.data(), a.value.data() + space, type);
    if (name.starts_with("telephone-event/") && type >= 0 && type <= 127) return type;
  }
  return -1;
}

std::optional<SeenAudio> audio_of(const SipMessage& m) {
  // Behind other parts when the body is multipart (RFC 2046).
  std::string_view body = m.body;
  if (!body.starts_with("v=0")) {
    const auto at = body.find("\nv=0");
    if (at == std::string_view::npos) return std::nullopt;
    body.remove_prefix(at + 1);
    body = body.substr(0, body.find("\n--"));
  }
  const auto sdp = ivr::SessionDescription::parse(body);
  if (!sdp.ok()) return std::nullopt;
  for (const ivr::SdpMedia& section : sdp->media) {
    if (section.kind != "audio" || section.port == 0) continue;
    SeenAudio seen{.message = &m, .port = section.port, .formats = section.formats};
    const auto& connection = section.connection ? section.connection : sdp->connection;
    seen.ip = connection ? connection->address : "";
    seen.event_type = event_type_of(section);
    seen.direction = sdp->direction(section);
    seen.ice = section.find("ice-ufrag") || section.find("candidate") || sdp->find("ice-ufrag");
    return seen;
  }
  return std::nullopt;
}

void add(ObservedCall& call, const SipMessage& m) {
  call.messages.push_back(&m);
  if (call.messages.size() == 1) call.caller_tag = m.from_tag;
  if (m.request() && m.method == "INVITE" && !call.invite) {
    call.invite = &m;
    call.caller_tag = m.from_tag;
  }
  if (call.invite && !call.answer && m.success() && m.method == "INVITE") call.answer = &m;
  if (m.request() && m.method == "BYE" && !call.bye) call.bye = &m;
  if (auto audio = audio_of(m)) {
    Party& party = call.from_caller(m) ? call.caller : call.callee;
    party.addresses.insert({audio->ip, audio->port});
    party.audio.push_back(*std::move(audio));
  }
}

std::string key_of(const ivr::Address& a) { return a.ip + ' ' + std::to_string(a.port); }

struct Claim {
  ObservedCall* call;
  bool caller;  // whose address it is
};

class MediaFinder {
 public:
  explicit MediaFinder(std::vector<ObservedCall>& calls) {
    for (ObservedCall& call : calls) {
      for (const bool caller : {true, false}) {
        for (const auto& [ip, port] : (caller ? call.caller : call.callee).addresses)
          claims_[key_of({ip, port})].push_back({&call, caller});
      }
    }
  }

  void give(const RtpPacket& rtp) {
    const ivr::Time at = rtp.packet->at;
    ObservedCall* taken = nullptr;
    // By where it goes; a peer behind NAT is answered at an address that no description has, so also by where
    // it comes from.
    for (const bool by_destination : {true, false}) {
      const auto found = claims_.find(key_of(by_destination ? rtp.packet->destination : rtp.packet->source));
      if (found == claims_.end()) continue;
      for (const Claim& claim : found->second) {
        ObservedCall& call = *claim.call;
        if (&call == taken || !call.answer || at < call.answer->at) continue;
        if (call.bye && at > call.bye->at + kAfterBye) continue;
        (claim.caller == by_destination ? call.to_caller : call.to_callee).push_back(&rtp);
        taken = &call;
        break;
      }
    }
  }

 private:
  std::unordered_map<std::string, std::vector<Claim>> claims_;
};

}  // namespace

std::vector<ObservedCall> observe_calls(const Trace& trace) {
  std::vector<ObservedCall> calls;
  std::unordered_map<std::string, std::size_t> places;
  for (const SipMessage& m : trace.sip) {
    const auto [place, fresh] = places.try_emplace(m.call_id, calls.size());
    if (fresh) calls.emplace_back().id = m.call_id;
    add(calls[place->second], m);
  }
  MediaFinder finder(calls);
  for (const RtpPacket& rtp : trace.rtp) finder.give(rtp);
  return calls;
}

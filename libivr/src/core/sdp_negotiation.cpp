#include "ivr/sdp.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "core/ip_address.hpp"
#include "core/sdp_text.hpp"
#include "ivr/comfort_noise.hpp"

namespace ivr {
namespace {

using namespace sdp;

constexpr int kPreferredEventType = 101;
constexpr int kEventClocks[] = {8000, 16000, 48000};

std::size_t index_of(Codec codec) {
  return static_cast<std::size_t>(&format_of(codec) - std::begin(kCodecFormats));
}

std::size_t event_clock(int hz) {
  return static_cast<std::size_t>(std::find(std::begin(kEventClocks), std::end(kEventClocks), hz) -
                                  std::begin(kEventClocks));
}

std::string map_of(const CodecFormat& format) {
  return std::string(format.encoding) + '/' + std::to_string(format.clock_hz) +
         (format.channels > 1 ? '/' + std::to_string(format.channels) : "");
}

MediaDirection direction_of(bool send, bool receive) {
  return std::find_if(std::begin(kDirections), std::end(kDirections),
                      [&](const DirectionName& n) { return n.send == send && n.receive == receive; })
      ->direction;
}

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// ----------------------------------------------------------------------------------------- formats

// "97 L16/8000/1": what a payload number stands for.
struct RtpMap {
  std::string_view encoding;
  std::string_view clock, channels;  // as written
};

std::optional<RtpMap> rtpmap(const SdpMedia& section, std::string_view format) {
  for (const auto& attribute : section.attributes) {
    if (attribute.name != "rtpmap") continue;
    std::string_view rest = attribute.value;
    if (word(rest) != format) continue;
    std::string_view map = word(rest);
    const auto part = [&map] {
      const auto end = std::min(map.find('/'), map.size());
      const auto result = map.substr(0, end);
      map.remove_prefix(std::min(end + 1, map.size()));
      return result;
    };
    RtpMap result;
    result.encoding = part();
    result.clock = part();
    result.channels = part();
    return result;
  }
  return std::nullopt;
}

std::optional<int> payload_type(std::string_view format) {
  return all_digits(format) ? number<int>(format, 127) : std::nullopt;
}

// Which of our codecs a format is. An a=rtpmap has the last word, also for a static number (RFC 8866, 6.6).
std::optional<Codec> codec_of(const SdpMedia& section, std::string_view format) {
  const auto type = payload_type(format);
  if (!type) return std::nullopt;
  const auto map = rtpmap(section, format);
  for (const CodecFormat& c : kCodecFormats) {
    if (!map ? c.static_type == *type
             : same_word(map->encoding, c.encoding) && map->clock == std::to_string(c.clock_hz) &&
                   (map->channels == std::to_string(c.channels) ||
                    (map->channels.empty() && c.channels == 1))) {
      return c.codec;
    }
  }
  return std::nullopt;
}

// What the peer's a=fmtp wants of our encoder (RFC 7587, 6.1). Anything odd: as if it were not there.
CodecWishes wishes_of(const SdpMedia& section, Codec codec, std::string_view format) {
  CodecWishes wishes;
  if (codec != Codec::opus) return wishes;
  for (const auto& attribute : section.attributes) {
    if (attribute.name != "fmtp") continue;
    std::string_view rest = attribute.value;
    if (word(rest) != format) continue;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(';'), rest.size());
      const auto parameter = trimmed(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const auto equals = std::min(parameter.find('='), parameter.size());
      const auto name = trimmed(parameter.substr(0, equals));
      const auto value =
          number<int>(trimmed(parameter.substr(std::min(equals + 1, parameter.size()))), 1'000'000'000);
      if (!value) continue;
      if (same_word(name, "useinbandfec")) wishes.fec = *value == 1;
      if (same_word(name, "cbr")) wishes.constant_bit_rate = *value == 1;
      if (same_word(name, "maxaveragebitrate")) wishes.max_bit_rate = *value;
      if (same_word(name, "maxplaybackrate")) wishes.max_playback_hz = *value;
    }
    break;
  }
  return wishes;
}

// The number of comfort noise at a clock of 8 kHz (RFC 3389, 4), or -1.
int comfort_noise_type(const SdpMedia& section) {
  for (const auto& format : section.formats) {
    const auto type = payload_type(format);
    if (!type) continue;
    const auto map = rtpmap(section, format);
    if (map ? same_word(map->encoding, "CN") && map->clock == "8000" : *type == kComfortNoiseType)
      return *type;
  }
  return -1;
}

// Bit n: event n. Without a=fmtp it is 0-15 (RFC 4733, 2.4.1). Nothing we know in it: no bit.
std::uint32_t known_events(const SdpMedia& section, std::string_view format) {
  for (const auto& attribute : section.attributes) {
    if (attribute.name != "fmtp") continue;
    std::string_view rest = attribute.value;
    if (word(rest) != format) continue;
    rest = trimmed(rest);
    if (rest.starts_with("events=")) rest.remove_prefix(7);
    std::uint32_t events = 0;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      const auto range = trimmed(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
      const auto dash = range.find('-');
      const auto first = number<std::uint32_t>(range.substr(0, dash), 255);
      const auto last =
          dash == std::string_view::npos ? first : number<std::uint32_t>(range.substr(dash + 1), 255);
      if (!first || !last) continue;
      for (auto event = *first; event <= std::min(*last, 16u); ++event) events |= 1u << event;
    }
    return events;
  }
  return 0xFFFF;
}

std::string events_text(std::uint32_t events) {
  std::string result;
  for (int event = 0; event <= 16; ++event) {
    if (!(events >> event & 1)) continue;
    int last = event;
    while (last < 16 && events >> (last + 1) & 1) ++last;
    if (!result.empty()) result += ',';
    result += std::to_string(event);
    if (last > event) result += '-' + std::to_string(last);
    event = last;
  }
  return result;
}

struct EventFormat {
  int type = -1;
  std::uint32_t events = 0;
  int clock_hz = 8000;
};

// telephone-event on the clock of the codec; the same name at another one belongs to somebody else's.
EventFormat event_format(const SdpMedia& section, int clock_hz) {
  for (const auto& format : section.formats) {
    const auto type = payload_type(format);
    const auto map = rtpmap(section, format);
    if (!type || !map || !same_word(map->encoding, "telephone-event")) continue;
    if ((map->clock.empty() ? "8000" : map->clock) != std::to_string(clock_hz)) continue;
    if (const auto events = known_events(section, format)) return {*type, events, clock_hz};
  }
  return clock_hz == 8000 ? EventFormat{} : event_format(section, 8000);
}

Millis packet_time(const SdpMedia& section) {
  const auto* attribute = section.find("ptime");
  const auto value = attribute ? number<int>(trimmed(attribute->value), 60) : std::nullopt;
  return value && *value >= 10 ? Millis{*value} : kFrame;
}

// "53020 [IN IP4 126.16.64.4]" (RFC 3605). Anything odd: as if it were not there.
Address rtcp_address(const SdpMedia& section, const std::string& rtp_ip) {
  const auto* attribute = section.find("rtcp");
  if (!attribute) return {};
  std::string_view rest = attribute->value;
  const auto port = number<std::uint32_t>(word(rest), 65535);
  if (!port || *port == 0) return {};
  std::string ip = rtp_ip;
  if (!trimmed(rest).empty()) {
    const auto connection = parse_connection(rest, 0);
    if (!connection.ok() || is_ipv6(connection->address) != is_ipv6(rtp_ip)) return {};
    if (!is_ipv4(connection->address) && !is_ipv6(connection->address)) return {};
    if (is_multicast(connection->address)) return {};
    ip = connection->address;
  }
  return {std::move(ip), static_cast<std::uint16_t>(*port)};
}

const SdpConnection* connection_of(const SessionDescription& session, const SdpMedia& section) {
  if (section.connection) return &*section.connection;
  return session.connection ? &*session.connection : nullptr;
}

// Why we cannot take a section's transport, or nothing.
std::string refusal(const SessionDescription& session, const SdpMedia& section, bool ipv6) {
  if (section.kind != "audio") return "media " + shown(section.kind) + " is not audio";
  if (section.port == 0) return "port 0";
  if (section.protocol != "RTP/AVP") return "protocol " + shown(section.protocol) + " is not RTP/AVP";
  const auto* connection = connection_of(session, section);
  if (!connection) return "no c= line";
  const auto& address = connection->address;
  if (connection->ipv6 != ipv6)
    return std::string(connection->ipv6 ? "IP6" : "IP4") + " address " + shown(address) + ", we are " +
           (ipv6 ? "IP6" : "IP4") + " only";
  if (!(ipv6 ? is_ipv6(address) : is_ipv4(address))) {
    return "c= address " + shown(address) + " is not an " + (ipv6 ? "IPv6" : "IPv4") +
           " address; host names are not looked up";
  }
  if (is_multicast(address)) return "c= address " + shown(address) + " is multicast";
  return {};
}

// What one audio section of ours says beside its direction.
struct Formats {
  std::vector<std::pair<Codec, int>> codecs;  // and their numbers
  int comfort_noise_type = -1;
  std::vector<EventFormat> events;
};

std::string audio_text(const Address& local, const Formats& formats, MediaDirection direction) {
  std::string line = "m=audio " + std::to_string(local.port) + " RTP/AVP", maps;
  const auto add = [&](int number, const std::string& map) {
    line += ' ' + std::to_string(number);
    maps += "a=rtpmap:" + std::to_string(number) + ' ' + map + "\r\n";
  };
  for (const auto& [codec, type] : formats.codecs) {
    add(type, map_of(format_of(codec)));
    if (codec == Codec::opus) {
      const auto rate = std::to_string(format_of(codec).sample_rate_hz);
      maps += "a=fmtp:" + std::to_string(type) + " maxplaybackrate=" + rate +
              ";sprop-maxcapturerate=" + rate + ";useinbandfec=1\r\n";
    }
  }
  if (formats.comfort_noise_type >= 0) add(formats.comfort_noise_type, "CN/8000");
  for (const EventFormat& event : formats.events) {
    add(event.type, "telephone-event/" + std::to_string(event.clock_hz));
    maps += "a=fmtp:" + std::to_string(event.type) + ' ' + events_text(event.events) + "\r\n";
  }
  return line + "\r\n" + maps + "a=ptime:20\r\na=" + std::string(named(direction).name) + "\r\n";
}

absl::Status check_local(const Address& local) {
  if (!is_ipv4(local.ip) && !is_ipv6(local.ip)) {
    return absl::InvalidArgumentError("SDP: local address " + shown(local.ip) + " is not an IP address");
  }
  if (local.port == 0) return absl::InvalidArgumentError("SDP: local port 0; open the stream first");
  return absl::OkStatus();
}

}  // namespace

// -------------------------------------------------------------------------------------- negotiator

struct MediaNegotiator::Choice {
  Codec codec{};
  int type = 0;
  CodecWishes wishes;
  EventFormat event;
  int comfort_noise_type = -1;
};

absl::StatusOr<MediaNegotiator> MediaNegotiator::create(const NegotiatorOptions& options) {
  if (const auto status = check_local(options.local); !status.ok()) return status;
  if (options.codecs.empty()) return absl::InvalidArgumentError("SDP: no codec to negotiate with");
  return MediaNegotiator(options);
}

MediaNegotiator::MediaNegotiator(const NegotiatorOptions& options)
    : options_(options), ipv6_(is_ipv6(options.local.ip)) {
  for (std::size_t i = 0; i < kCodecs; ++i) {
    types_[i] = kCodecFormats[i].static_type;
    if (types_[i] >= 0) taken_.set(static_cast<std::size_t>(types_[i]));
  }
  taken_.set(kComfortNoiseType);
}

absl::Status MediaNegotiator::set_local(const Address& local) {
  if (auto status = check_local(local); !status.ok()) return status;
  options_.local = local;
  ipv6_ = is_ipv6(local.ip);
  return absl::OkStatus();
}

// A number that never stood for anything else in this session (RFC 3264, 8.3.2).
int MediaNegotiator::free_type(int preferred) {
  int type = preferred;
  for (int next = 96; taken_[static_cast<std::size_t>(type)] && next < 128; ++next) type = next;
  taken_.set(static_cast<std::size_t>(type));
  return type;
}

std::string MediaNegotiator::write(const std::vector<Line>& lines, std::size_t audio,
                                   const std::string& timing, const std::string& audio_section) {
  const auto address = connection_text(ipv6_, options_.local.ip);
  std::string body = "s=-\r\nc=" + address + "\r\nt=" + timing + "\r\n";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    body += i == audio ? audio_section
                       : "m=" + lines[i].kind + " 0 " + lines[i].protocol + ' ' + lines[i].format + "\r\n";
  }
  if (body != body_) {
    body_ = body;
    ++version_;
  }
  return "v=0\r\no=- " + std::to_string(options_.session_id) + ' ' + std::to_string(version_) + ' ' +
         address + "\r\n" + body;
}

std::string MediaNegotiator::offer(std::span<const Codec> codecs, MediaDirection direction) {
  if (codecs.empty()) codecs = options_.codecs;
  Offer mine;
  mine.direction = direction;
  Formats formats;
  for (const auto codec : codecs) {
    if (std::find(mine.codecs.begin(), mine.codecs.end(), codec) != mine.codecs.end()) continue;
    mine.codecs.push_back(codec);
    int& type = types_[index_of(codec)];
    if (type < 0) type = free_type(format_of(codec).preferred_type);
    formats.codecs.emplace_back(codec, type);
    mine.comfort_noise = mine.comfort_noise || (options_.comfort_noise && format_of(codec).clock_hz == 8000);
  }
  if (mine.comfort_noise) formats.comfort_noise_type = kComfortNoiseType;
  for (std::size_t i = 0; i < std::size(kEventClocks) && options_.telephone_event; ++i) {
    const int hz = kEventClocks[i];
    if (std::none_of(codecs.begin(), codecs.end(), [&](Codec c) { return format_of(c).clock_hz == hz; }))
      continue;
    if (event_types_[i] < 0) event_types_[i] = free_type(kPreferredEventType);
    mine.event_types[i] = event_types_[i];
    formats.events.push_back({event_types_[i], 0xFFFF, hz});
  }
  if (lines_.empty()) {
    lines_.push_back({"audio", "RTP/AVP", "0"});
    audio_ = 0;
  }
  offer_ = std::move(mine);
  return write(lines_, audio_, "0 0", audio_text(options_.local, formats, direction));
}

// The codec, its number and the event number for one section of the peer's offer.
absl::StatusOr<MediaNegotiator::Choice> MediaNegotiator::choose(const SessionDescription& session,
                                                                const SdpMedia& section) const {
  if (const auto why = refusal(session, section, ipv6_); !why.empty())
    return absl::FailedPreconditionError(why);
  std::optional<Choice> best;
  std::size_t best_rank = options_.codecs.size();
  for (const auto& format : section.formats) {
    const auto codec = codec_of(section, format);
    if (!codec) continue;
    const auto rank = static_cast<std::size_t>(
        std::find(options_.codecs.begin(), options_.codecs.end(), *codec) - options_.codecs.begin());
    if (rank == options_.codecs.size() || (best && (!options_.prefer_ours || rank >= best_rank))) continue;
    best = Choice{*codec, *payload_type(format), wishes_of(section, *codec, format), {}};
    best_rank = rank;
  }
  if (!best) {
    std::string ours;
    for (const auto codec : options_.codecs) ours += (ours.empty() ? "" : ", ") + map_of(format_of(codec));
    return absl::FailedPreconditionError("no common codec; we take " + ours);
  }
  const int clock_hz = format_of(best->codec).clock_hz;
  if (options_.telephone_event) best->event = event_format(section, clock_hz);
  if (best->event.type == best->type) best->event = {};
  if (options_.comfort_noise && clock_hz == 8000) best->comfort_noise_type = comfort_noise_type(section);
  if (best->comfort_noise_type == best->type || best->comfort_noise_type == best->event.type)
    best->comfort_noise_type = -1;
  return *best;
}

absl::StatusOr<Negotiated> MediaNegotiator::answer(std::string_view remote_offer, MediaDirection direction) {
  const auto session = SessionDescription::parse(remote_offer);
  if (!session.ok()) return session.status();

  // The first section that we can take, but the one that already carries the call if it still can.
  std::optional<Choice> choice;
  std::size_t taken = 0;
  std::string reasons;
  for (std::size_t i = 0; i < session->media.size(); ++i) {
    if (choice && i != audio_) continue;
    auto found = choose(*session, session->media[i]);
    if (found.ok()) {
      choice = *found;
      taken = i;
    } else if (reasons.size() < 512) {
      reasons += (reasons.empty() ? "" : "; ") + std::string("m= line ") + std::to_string(i + 1) + ": " +
                 std::string(found.status().message());
    }
  }
  if (!choice) {
    return absl::FailedPreconditionError("SDP offer has no audio for us: " +
                                         (reasons.empty() ? std::string("it has no m= line") : reasons));
  }

  lines_.clear();
  for (const auto& section : session->media) {
    lines_.push_back({section.kind, section.protocol, section.formats.front()});
    for (const auto& format : section.formats) {
      if (const auto type = payload_type(format)) taken_.set(static_cast<std::size_t>(*type));
    }
  }
  audio_ = taken;
  offer_.reset();
  // Their numbers are ours from now on, and what we meant by them before is not.
  const auto adopt = [this](int& ours, int type) {
    for (int& other : event_types_) other = other == type ? -1 : other;
    for (std::size_t i = 0; i < kCodecs; ++i) {
      if (types_[i] == type && kCodecFormats[i].static_type < 0) types_[i] = -1;
    }
    ours = type;
  };
  if (format_of(choice->codec).static_type < 0) adopt(types_[index_of(choice->codec)], choice->type);
  if (choice->event.type >= 0) adopt(event_types_[event_clock(choice->event.clock_hz)], choice->event.type);

  const auto& section = session->media[taken];
  const auto& ip = connection_of(*session, section)->address;
  const auto& theirs = named(session->direction(section));
  const auto& wanted = named(direction);
  // c=0.0.0.0 is how RFC 2543 held a call: nowhere to send to, whatever the attributes say (RFC 3264, 8.4).
  const bool send = theirs.receive && wanted.send && !is_unspecified(ip);
  const bool receive = theirs.send && wanted.receive;

  Negotiated result;
  result.remote.address = {ip, section.port};
  result.remote.codec = choice->codec;
  result.remote.payload_type = choice->type;
  result.remote.telephone_event_type = choice->event.type;
  result.remote.send = send;
  result.remote.receive = receive;
  result.remote.packet_time = packet_time(section);
  result.remote.rtcp = rtcp_address(section, ip);
  result.remote.wishes = choice->wishes;
  result.remote.telephone_event_clock_hz = choice->event.clock_hz;
  result.remote.comfort_noise_type = choice->comfort_noise_type;
  Formats formats{{{choice->codec, choice->type}}, choice->comfort_noise_type, {}};
  if (choice->event.type >= 0) formats.events.push_back(choice->event);
  result.sdp = write(lines_, audio_, session->timing,
                     audio_text(options_.local, formats, direction_of(send, receive)));
  return result;
}

absl::StatusOr<RemoteMedia> MediaNegotiator::accept(std::string_view remote_answer) {
  if (!offer_) return absl::FailedPreconditionError("SDP answer without an offer of ours");
  const auto session = SessionDescription::parse(remote_answer);
  if (!session.ok()) return session.status();
  if (session->media.size() < lines_.size()) {  // RFC 3264, 6
    return absl::InvalidArgumentError("SDP answer has " + std::to_string(session->media.size()) +
                                      " m= lines, the offer has " + std::to_string(lines_.size()));
  }
  const auto& section = session->media[audio_];
  if (const auto why = refusal(*session, section, ipv6_); !why.empty()) {
    return absl::FailedPreconditionError("SDP answer: m= line " + std::to_string(audio_ + 1) + ": " + why);
  }
  RemoteMedia remote;
  bool found = false;
  for (const auto& format : section.formats) {
    const auto codec = codec_of(section, format);
    if (!codec || std::find(offer_->codecs.begin(), offer_->codecs.end(), *codec) == offer_->codecs.end())
      continue;
    const int ours = types_[index_of(*codec)];
    remote.codec = *codec;
    remote.wishes = wishes_of(section, *codec, format);
    remote.payload_type = *payload_type(format);
    if (remote.payload_type != ours)
      remote.receive_payload_type = ours;  // RFC 3264, 6.1: they send by our numbers
    found = true;
    break;
  }
  if (!found) return absl::FailedPreconditionError("SDP answer: it takes no codec that we offered");
  const int clock_hz = format_of(remote.codec).clock_hz;
  if (const EventFormat event = event_format(section, clock_hz); event.type >= 0) {
    const int ours = offer_->event_types[event_clock(event.clock_hz)];
    if (ours >= 0) {
      remote.telephone_event_type = event.type;
      remote.telephone_event_clock_hz = event.clock_hz;
      if (event.type != ours) remote.receive_telephone_event_type = ours;
    }
  }
  if (offer_->comfort_noise && clock_hz == 8000 && comfort_noise_type(section) == kComfortNoiseType)
    remote.comfort_noise_type = kComfortNoiseType;
  const auto& ip = connection_of(*session, section)->address;
  const auto& theirs = named(session->direction(section));
  const auto& wanted = named(offer_->direction);
  remote.address = {ip, section.port};
  remote.send = theirs.receive && wanted.send && !is_unspecified(ip);
  remote.receive = theirs.send && wanted.receive;
  remote.packet_time = packet_time(section);
  remote.rtcp = rtcp_address(section, ip);
  return remote;
}

}  // namespace ivr

#include "ivr/sdp.hpp"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "core/sdp_text.hpp"

namespace ivr {
namespace {

using namespace sdp;

constexpr std::size_t kMaxBytes = 64 * 1024;
constexpr std::size_t kMaxMedia = 64;
constexpr std::size_t kMaxAttributes = 256;
constexpr std::size_t kMaxFormats = 128;

absl::Status bad_line(int line, const std::string& what) {
  return absl::InvalidArgumentError("SDP line " + std::to_string(line) + ": " + what);
}

absl::StatusOr<SdpMedia> parse_media(std::string_view rest, int line) {
  SdpMedia media;
  media.kind = word(rest);
  const auto port_text = word(rest);
  media.protocol = word(rest);
  if (media.protocol.empty()) return bad_line(line, "m= needs media, port, protocol and formats");
  const auto slash = port_text.find('/');  // "49170/2": a pair of streams; we only ever take the first
  const auto port = number<std::uint32_t>(port_text.substr(0, slash), 65535);
  if (!port) return bad_line(line, "port " + shown(port_text) + " is not a number from 0 to 65535");
  if (slash != std::string_view::npos && !number<std::uint32_t>(port_text.substr(slash + 1), 65535)) {
    return bad_line(
        line, "number of ports " + shown(port_text.substr(slash + 1)) + " is not a number from 0 to 65535");
  }
  media.port = static_cast<std::uint16_t>(*port);
  for (auto format = word(rest); !format.empty(); format = word(rest)) {
    if (media.formats.size() == kMaxFormats) return bad_line(line, "more than 128 formats");
    media.formats.emplace_back(format);
  }
  if (media.formats.empty()) return bad_line(line, "m= needs at least one format");
  return media;
}

const SdpAttribute* find_in(const std::vector<SdpAttribute>& attributes, std::string_view name) {
  const auto it = std::find_if(attributes.begin(), attributes.end(),
                               [&](const SdpAttribute& a) { return a.name == name; });
  return it == attributes.end() ? nullptr : &*it;
}

std::optional<MediaDirection> direction_in(const std::vector<SdpAttribute>& attributes) {
  for (const auto& attribute : attributes) {
    for (const auto& d : kDirections) {
      if (attribute.name == d.name) return d.direction;
    }
  }
  return std::nullopt;
}

void write_attributes(const std::vector<SdpAttribute>& attributes, std::string& out) {
  for (const auto& attribute : attributes) {
    out += "a=" + attribute.name;
    if (!attribute.value.empty()) out += ":" + attribute.value;
    out += "\r\n";
  }
}

}  // namespace

absl::StatusOr<SdpConnection> sdp::parse_connection(std::string_view rest, int line) {
  const auto net = word(rest), family = word(rest), whole = word(rest);
  const auto address = whole.substr(0, whole.find('/'));  // without TTL and number of groups
  if (net != "IN") return bad_line(line, "network type " + shown(net) + "; only IN is known");
  if (family != "IP4" && family != "IP6")
    return bad_line(line, "address type " + shown(family) + "; only IP4 and IP6 are known");
  if (address.empty()) return bad_line(line, "an address is missing");
  return SdpConnection{family == "IP6", std::string(address)};
}

const SdpAttribute* SdpMedia::find(std::string_view name) const { return find_in(attributes, name); }
const SdpAttribute* SessionDescription::find(std::string_view attribute) const {
  return find_in(attributes, attribute);
}

MediaDirection SessionDescription::direction(const SdpMedia& section) const {
  if (const auto own = direction_in(section.attributes)) return *own;
  return direction_in(attributes).value_or(MediaDirection::sendrecv);
}

absl::StatusOr<SessionDescription> SessionDescription::parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError("SDP of " + std::to_string(text.size()) + " bytes; at most 65536");
  }
  if (text.find('\0') != std::string_view::npos) return absl::InvalidArgumentError("SDP holds a NUL byte");

  SessionDescription session;
  bool begun = false, timed = false;
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const auto end = text.find_first_of("\r\n");
    auto line = trimmed(text.substr(0, end));
    if (end == std::string_view::npos) {
      text = {};
    } else {
      text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
    }
    if (line.empty()) continue;
    if (line.size() < 2 || line[1] != '=')
      return bad_line(line_number, shown(line) + " is not of the form x=...");
    const char type = line[0];
    const auto value = trimmed(line.substr(2));
    if (!begun) {
      if (type != 'v' || value != "0") return bad_line(line_number, "v=0 expected, found " + shown(line));
      begun = true;
      continue;
    }
    auto& attributes = session.media.empty() ? session.attributes : session.media.back().attributes;
    switch (type) {
      case 'o': {
        std::string_view rest = value;
        const auto user = word(rest), id = word(rest), version = word(rest);
        if (!all_digits(id) || !all_digits(version)) {
          return bad_line(
              line_number,
              "o= needs user, session id and version, the last two in digits; found " + shown(value));
        }
        auto origin = parse_connection(rest, line_number);
        if (!origin.ok()) return origin.status();
        session.user = user;
        session.session_id = id;
        session.version = version;
        session.origin = *std::move(origin);
        break;
      }
      case 's':
        if (session.media.empty() && !value.empty()) session.name = value;
        break;
      case 'c': {
        auto connection = parse_connection(value, line_number);
        if (!connection.ok()) return connection.status();
        // A second c= of one level lists layers of multicast (RFC 8866, 5.7); the first one is enough.
        auto& place = session.media.empty() ? session.connection : session.media.back().connection;
        if (!place) place = *std::move(connection);
        break;
      }
      case 't': {
        std::string_view rest = value;
        const auto start = word(rest), stop = word(rest);
        if (!all_digits(start) || !all_digits(stop))
          return bad_line(line_number, "t= needs two numbers, found " + shown(value));
        if (!timed) session.timing = std::string(start) + ' ' + std::string(stop);
        timed = true;
        break;
      }
      case 'm': {
        if (session.media.size() == kMaxMedia) return bad_line(line_number, "more than 64 media sections");
        auto media = parse_media(value, line_number);
        if (!media.ok()) return media.status();
        session.media.push_back(*std::move(media));
        break;
      }
      case 'a': {
        if (attributes.size() == kMaxAttributes)
          return bad_line(line_number, "more than 256 attributes on one level");
        const auto colon = value.find(':');
        attributes.push_back(
            {std::string(trimmed(value.substr(0, colon))),
             colon == std::string_view::npos ? "" : std::string(trimmed(value.substr(colon + 1)))});
        break;
      }
      default: break;  // i, u, e, p, b, r, z, k and what is yet to be invented (RFC 8866, 5)
    }
  }
  if (!begun) return absl::InvalidArgumentError("SDP is empty");
  return session;
}

std::string SessionDescription::to_string() const {
  std::string out = "v=0\r\no=" + user + ' ' + session_id + ' ' + version + ' ' +
                    connection_text(origin.ipv6, origin.address.empty() ? (origin.ipv6 ? "::" : "0.0.0.0")
                                                                        : origin.address) +
                    "\r\ns=" + name + "\r\n";
  if (connection) out += "c=" + connection_text(connection->ipv6, connection->address) + "\r\n";
  out += "t=" + timing + "\r\n";
  write_attributes(attributes, out);
  for (const auto& section : media) {
    out += "m=" + section.kind + ' ' + std::to_string(section.port) + ' ' + section.protocol;
    for (const auto& format : section.formats) out += ' ' + format;
    out += "\r\n";
    if (section.connection)
      out += "c=" + connection_text(section.connection->ipv6, section.connection->address) + "\r\n";
    write_attributes(section.attributes, out);
  }
  return out;
}

}  // namespace ivr

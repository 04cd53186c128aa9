#include "capture.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t kFileHeader = 24, kRecordHeader = 16;
constexpr std::uint32_t kMaxRecord = 1 << 18;  // what libpcap itself takes as the largest snapshot
constexpr std::uintmax_t kMaxFile = std::uintmax_t{2} << 30;
constexpr std::size_t kMaxDatagram = 65'535, kMaxOpenDatagrams = 256;

std::uint16_t big16(Bytes b, std::size_t at) { return static_cast<std::uint16_t>(b[at] << 8 | b[at + 1]); }
std::uint32_t big32(Bytes b, std::size_t at) {
  return std::uint32_t{big16(b, at)} << 16 | std::uint32_t{big16(b, at + 2)};
}

// https://www.tcpdump.org/linktypes.html
enum Link : std::uint32_t {
  kNull = 0,
  kEthernet = 1,
  kRawBsd = 12,
  kRawOpenBsd = 14,
  kRaw = 101,
  kLoop = 108,
  kCooked = 113,
  kIpv4 = 228,
  kIpv6 = 229,
  kCooked2 = 276,
};

constexpr bool known(std::uint32_t link) {
  switch (link) {
    case kNull:
    case kEthernet:
    case kRawBsd:
    case kRawOpenBsd:
    case kRaw:
    case kLoop:
    case kCooked:
    case kIpv4:
    case kIpv6:
    case kCooked2: return true;
    default: return false;
  }
}

constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86DD;

// What follows the link's header, when that is IP; empty when it is something else; nothing when it is
// broken.
std::optional<Bytes> network_layer(std::uint32_t link, Bytes frame) {
  const auto tail = [&](std::size_t header, std::size_t type_at) -> std::optional<Bytes> {
    if (frame.size() < header) return std::nullopt;
    const std::uint16_t type = big16(frame, type_at);
    return type == kTypeIpv4 || type == kTypeIpv6 ? frame.subspan(header) : Bytes{};
  };
  switch (link) {
    case kEthernet: {
      std::size_t at = 12;
      // 802.1Q and 802.1ad tags, and the old 0x9100: four bytes each before the type
      for (int tags = 0; tags < 3 && frame.size() >= at + 2; ++tags, at += 4) {
        const std::uint16_t type = big16(frame, at);
        if (type != 0x8100 && type != 0x88A8 && type != 0x9100) break;
      }
      return tail(at + 2, at);
    }
    case kCooked: return tail(16, 14);
    case kCooked2: return tail(20, 0);
    case kNull:  // the family's number differs by system and byte order; the packet says what it is
    case kLoop: return frame.size() < 4 ? std::nullopt : std::optional(frame.subspan(4));
    default: return frame;
  }
}

std::string text_of(int family, Bytes address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(family, address.data(), text.data(), text.size()) ? text.data() : "";
}

struct Datagram {
  std::string source, destination;
  std::uint8_t protocol = 0;
  Bytes payload;
  bool whole = true;  // else a fragment:
  std::uint32_t id = 0;
  std::size_t offset = 0;
  bool more = false;
};

std::optional<Datagram> parse_ipv4(Bytes b) {
  if (b.size() < 20) return std::nullopt;
  const std::size_t header = std::size_t{4} * (b[0] & 15), total = big16(b, 2);
  if (header < 20 || header > b.size() || (total != 0 && total < header)) return std::nullopt;
  Datagram d{.source = text_of(AF_INET, b.subspan(12, 4)), .destination = text_of(AF_INET, b.subspan(16, 4))};
  d.protocol = b[9];
  // Longer: padding of the link. Zero: the network card was to fill it in (segmentation offload).
  d.payload = b.first(total == 0 ? b.size() : std::min(total, b.size())).subspan(header);
  d.id = big16(b, 4);
  d.offset = std::size_t{8} * (big16(b, 6) & 0x1FFF);
  d.more = (big16(b, 6) & 0x2000) != 0;
  d.whole = d.offset == 0 && !d.more;
  return d;
}

std::optional<Datagram> parse_ipv6(Bytes b) {
  if (b.size() < 40) return std::nullopt;
  Datagram d{.source = text_of(AF_INET6, b.subspan(8, 16)),
             .destination = text_of(AF_INET6, b.subspan(24, 16))};
  const std::size_t length = big16(b, 4);
  d.payload = b.subspan(40);
  if (length != 0) d.payload = d.payload.first(std::min(length, d.payload.size()));
  d.protocol = b[6];
  for (int headers = 0; headers < 8; ++headers) {  // RFC 8200, 4
    const Bytes p = d.payload;
    if (d.protocol == 44) {
      if (p.size() < 8) return std::nullopt;
      d.protocol = p[0];
      d.offset = big16(p, 2) & 0xFFF8;
      d.more = (p[3] & 1) != 0;
      d.id = big32(p, 4);
      d.whole = d.offset == 0 && !d.more;
      d.payload = p.subspan(8);
      if (!d.whole) return d;
    } else if (d.protocol == 0 || d.protocol == 43 || d.protocol == 60) {
      if (p.size() < 2) return std::nullopt;
      const std::size_t header = 8 + std::size_t{8} * p[1];
      if (header > p.size()) return std::nullopt;
      d.protocol = p[0];
      d.payload = p.subspan(header);
    } else {
      return d;
    }
  }
  return std::nullopt;
}

// Joins the fragments of a datagram (RFC 791, 3.2; RFC 8200, 4.5). A long INVITE comes in two of them.
class Fragments {
 public:
  // The whole payload, once all of it is there.
  std::optional<std::vector<std::uint8_t>> add(const Datagram& d) {
    if (d.offset + d.payload.size() > kMaxDatagram) return std::nullopt;
    if (open_.size() >= kMaxOpenDatagrams) open_.clear();
    const auto entry = open_.try_emplace({d.source, d.destination, d.id, d.protocol}).first;
    Open& open = entry->second;
    open.parts[d.offset] = d.payload;
    if (!d.more) open.total = d.offset + d.payload.size();
    if (!open.total) return std::nullopt;
    std::vector<std::uint8_t> bytes;
    for (const auto& [offset, part] : open.parts) {
      if (offset > bytes.size()) return std::nullopt;  // a hole
      const std::size_t known = std::min(bytes.size() - offset, part.size());
      bytes.insert(bytes.end(), part.begin() + static_cast<std::ptrdiff_t>(known), part.end());
    }
    if (bytes.size() < *open.total) return std::nullopt;
    bytes.resize(*open.total);
    open_.erase(entry);
    return bytes;
  }

 private:
  struct Open {
    std::map<std::size_t, Bytes> parts;
    std::optional<std::size_t> total;
  };
  std::map<std::tuple<std::string, std::string, std::uint32_t, std::uint8_t>, Open> open_;
};

// False: broken. True with an empty payload: nothing of interest.
bool parse_transport(std::uint8_t protocol, Bytes b, Packet& packet) {
  if (protocol == 17) {
    if (b.size() < 8) return false;
    const std::size_t length = big16(b, 4);
    if (length != 0 && length < 8) return false;
    packet.source.port = big16(b, 0);
    packet.destination.port = big16(b, 2);
    packet.payload = b.first(length == 0 ? b.size() : std::min(length, b.size())).subspan(8);
  } else if (protocol == 6) {
    if (b.size() < 20) return false;
    const std::size_t header = std::size_t{4} * (b[12] >> 4);
    if (header < 20 || header > b.size()) return false;
    packet.tcp = true;
    packet.source.port = big16(b, 0);
    packet.destination.port = big16(b, 2);
    packet.sequence = big32(b, 4);
    packet.payload = b.subspan(header);
  }
  return true;
}

}  // namespace

absl::StatusOr<Capture> Capture::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(path + ": cannot be read: " + std::strerror(errno));
  std::vector<std::uint8_t> bytes;
  std::array<char, 1 << 16> block{};
  while (file.read(block.data(), block.size()), file.gcount() > 0) {
    if (bytes.size() > kMaxFile)
      return absl::InvalidArgumentError(path +
                                        ": longer than 2 GiB; cut it with 'editcap -c' or by a filter");
    bytes.insert(bytes.end(), block.begin(), block.begin() + file.gcount());
  }
  if (file.bad() || (bytes.empty() && !file.eof())) return absl::NotFoundError(path + ": cannot be read");
  auto capture = parse(std::move(bytes));
  if (!capture.ok()) return absl::InvalidArgumentError(path + ": " + std::string(capture.status().message()));
  return capture;
}

absl::StatusOr<Capture> Capture::parse(std::vector<std::uint8_t> given) {
  Capture capture;
  capture.bytes_ = std::move(given);
  const Bytes bytes = capture.bytes_;
  if (bytes.size() < 4) return absl::InvalidArgumentError("not a capture: fewer than 4 bytes");
  const std::uint32_t magic = big32(bytes, 0);
  if (magic == 0x0A0D0D0A) {
    return absl::InvalidArgumentError(
        "a pcapng file, which is not read here; 'editcap -F pcap IN OUT' or 'tcpdump -r IN -w OUT' makes it "
        "one that is");
  }
  const bool little = magic == 0xD4C3B2A1 || magic == 0x4D3CB2A1;
  const bool nanoseconds = magic == 0xA1B23C4D || magic == 0x4D3CB2A1;
  if (!little && magic != 0xA1B2C3D4 && magic != 0xA1B23C4D)
    return absl::InvalidArgumentError("not a capture: it does not begin with libpcap's magic number");
  if (bytes.size() < kFileHeader)
    return absl::InvalidArgumentError("the file header is cut: " + std::to_string(bytes.size()) +
                                      " of 24 bytes");
  const auto field = [&](std::size_t at) {
    const std::uint32_t value = big32(bytes, at);
    return little ? __builtin_bswap32(value) : value;
  };
  const std::uint32_t link = field(20) & 0xFFFF;  // above: the length of the frame check sequence
  if (!known(link)) {
    return absl::InvalidArgumentError(
        "link type " + std::to_string(link) +
        " is not read here; there are Ethernet, Linux cooked, raw IP and loopback");
  }

  Fragments fragments;
  std::size_t at = kFileHeader;
  while (at < bytes.size()) {
    const auto ends = [&](const std::string& why) {
      capture.end_ =
          "record " + std::to_string(capture.records_ + 1) + " at byte " + std::to_string(at) + ": " + why;
    };
    if (bytes.size() - at < kRecordHeader) {
      ends("its header is cut");
      break;
    }
    const std::uint32_t kept = field(at + 8), sent = field(at + 12);
    if (kept > kMaxRecord) {
      ends("a length of " + std::to_string(kept) + " bytes cannot be true (at most " +
           std::to_string(kMaxRecord) + ")");
      break;
    }
    if (kept > bytes.size() - at - kRecordHeader) {
      ends("cut: " + std::to_string(bytes.size() - at - kRecordHeader) + " of " + std::to_string(kept) +
           " bytes");
      break;
    }
    Packet packet;
    const std::uint32_t fraction = field(at + 4);
    packet.at = ivr::Time(
        ivr::Micros(std::int64_t{field(at)} * 1'000'000 + (nanoseconds ? fraction / 1000 : fraction)));
    const Bytes frame = bytes.subspan(at + kRecordHeader, kept);
    at += kRecordHeader + kept;
    ++capture.records_;
    if (kept < sent) ++capture.cut_;

    const auto ip = network_layer(link, frame);
    if (!ip || (ip->empty() && frame.empty())) {
      ++capture.damaged_;
      continue;
    }
    if (ip->empty()) continue;  // ARP and its like
    const int version = (*ip)[0] >> 4;
    auto datagram = version == 4 ? parse_ipv4(*ip) : version == 6 ? parse_ipv6(*ip) : std::nullopt;
    if (!datagram) {
      ++capture.damaged_;
      continue;
    }
    packet.source.ip = std::move(datagram->source);
    packet.destination.ip = std::move(datagram->destination);
    if (!datagram->whole) {
      Datagram fragment = *datagram;
      fragment.source = packet.source.ip;
      fragment.destination = packet.destination.ip;
      auto whole = fragments.add(fragment);
      if (!whole) continue;
      datagram->payload = capture.joined_.emplace_back(*std::move(whole));
    }
    if (!parse_transport(datagram->protocol, datagram->payload, packet)) {
      ++capture.damaged_;
    } else if (!packet.payload.empty()) {
      capture.packets_.push_back(std::move(packet));
    }
  }
  return capture;
}

#include "core/stun.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/status/status.h"
#include "core/ip_address.hpp"

namespace ivr::stun {
namespace {

constexpr std::size_t kHeader = 20;
constexpr std::uint32_t kCookie = 0x2112A442;
constexpr int kRequest = 0x0001, kSuccess = 0x0101, kError = 0x0111;  // of the Binding method

constexpr int kMappedAddress = 0x0001, kErrorCode = 0x0009, kXorMappedAddress = 0x0020;
constexpr int kMessageIntegrity = 0x0008, kMessageIntegritySha256 = 0x001C, kFingerprint = 0x8028;
// What else a server may write below 0x8000, where all must be understood (14): it is about credentials, or
// RFC 3489 had it.
constexpr int kOthers[] = {0x0004, 0x0005, 0x0006, 0x000A, 0x000B, 0x0014, 0x0015, 0x001D, 0x001E};

constexpr std::uint32_t kFingerprintXor = 0x5354554E;

int number16(std::span<const std::uint8_t> bytes, std::size_t at) { return bytes[at] << 8 | bytes[at + 1]; }
std::uint32_t number32(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(number16(bytes, at)) << 16 |
         static_cast<std::uint32_t>(number16(bytes, at + 2));
}

// That of ITU-T V.42, as Ethernet and zip have it.
std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

std::string hex(int number) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, 16).ptr;
  std::string text(digits, end);
  return "0x" + std::string(4 - std::min<std::size_t>(text.size(), 4), '0') + text;
}

absl::Status no_response(const std::string& why) { return absl::InvalidArgumentError(why); }

// 14.1 and 14.2. `mask`: the cookie and the transaction, or zeroes where the address stands as it is.
absl::StatusOr<Address> read_address(std::span<const std::uint8_t> value,
                                     const std::array<std::uint8_t, 16>& mask) {
  const std::size_t length = value.size() < 4 ? 0 : value[1] == 1 ? 4 : value[1] == 2 ? 16 : 0;
  if (length == 0 || value.size() != 4 + length) {
    return no_response("an address of " + std::to_string(value.size()) + " bytes" +
                       (value.size() < 2 ? "" : " and family " + std::to_string(value[1])));
  }
  std::array<std::uint8_t, 16> ip{};
  if (length == 4) ip[10] = ip[11] = 0xFF;
  for (std::size_t i = 0; i < length; ++i) ip[16 - length + i] = value[4 + i] ^ mask[i];
  return Address{ip_text(ip), static_cast<std::uint16_t>(number16(value, 2) ^ (mask[0] << 8 | mask[1]))};
}

// 14.8: "401 Unauthorized"
std::string error_text(std::span<const std::uint8_t> value) {
  if (value.size() < 4) return "an error without a number";
  std::string text = std::to_string((value[2] & 7) * 100 + value[3] % 100);
  for (const std::uint8_t c : value.subspan(4, std::min<std::size_t>(value.size() - 4, 64)))
    text += (text.size() == 3 ? " " : "") + std::string(1, c >= ' ' && c <= '~' ? static_cast<char>(c) : '?');
  return text;
}

struct Attributes {
  std::optional<std::span<const std::uint8_t>> mapped, xor_mapped, error;
  int not_understood = -1;
};

// Of each the first one counts; behind a MESSAGE-INTEGRITY nothing does (14).
absl::StatusOr<Attributes> read_attributes(std::span<const std::uint8_t> datagram) {
  Attributes found;
  bool sealed = false;
  for (std::size_t at = kHeader; at < datagram.size();) {
    if (datagram.size() - at < 4) return no_response("an attribute is cut off");
    const int type = number16(datagram, at);
    const auto length = static_cast<std::size_t>(number16(datagram, at + 2));
    const std::size_t whole = 4 + (length + 3) / 4 * 4;
    if (whole > datagram.size() - at) {
      return no_response("attribute " + hex(type) + " of " + std::to_string(length) +
                         " bytes goes beyond the end");
    }
    const auto value = datagram.subspan(at + 4, length);
    if (type == kFingerprint) {  // the last one (14.7)
      if (length != 4 || at + whole != datagram.size()) return no_response("FINGERPRINT is not the last");
      if (number32(value, 0) != (crc32(datagram.first(at)) ^ kFingerprintXor))
        return no_response("FINGERPRINT is wrong");
    } else if (!sealed) {
      const auto keep = [&](auto& place) {
        if (!place) place = value;
      };
      if (type == kMappedAddress) {
        keep(found.mapped);
      } else if (type == kXorMappedAddress) {
        keep(found.xor_mapped);
      } else if (type == kErrorCode) {
        keep(found.error);
      } else if (type == kMessageIntegrity || type == kMessageIntegritySha256) {
        sealed = true;
      } else if (type < 0x8000 &&
                 std::find(std::begin(kOthers), std::end(kOthers), type) == std::end(kOthers)) {
        found.not_understood = type;
      }
    }
    at += whole;
  }
  return found;
}

}  // namespace

bool is_uri(std::string_view text) noexcept { return text.starts_with("stun:"); }

absl::StatusOr<Server> parse_uri(std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return absl::InvalidArgumentError("'" + std::string(text) + "': " + why +
                                      "; it must be stun:HOST[:PORT]");
  };
  if (!is_uri(text)) return bad("it does not begin with stun:");
  std::string_view rest = text.substr(5);
  Server server;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos || !is_ipv6(rest.substr(1, end - 1)))
      return bad("there is no IPv6 address in the brackets");
    server.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
  } else {
    server.host = rest.substr(0, rest.find(':'));
    rest.remove_prefix(server.host.size());
    const auto belongs = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
             c == '.' || c == '_';
    };
    if (server.host.empty()) return bad("no server is named");
    if (!std::all_of(server.host.begin(), server.host.end(), belongs)) return bad("that is no host name");
  }
  if (rest.empty()) return server;
  const std::string_view digits = rest.substr(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), server.port);
  if (rest.front() != ':' || error != std::errc() || end != digits.data() + digits.size() || server.port == 0)
    return bad("the port is not a number from 1 to 65535");
  return server;
}

std::array<std::uint8_t, 20> binding_request(const Id& id) noexcept {
  std::array<std::uint8_t, 20> request{};
  request[1] = kRequest;
  for (std::size_t i = 0; i < 4; ++i) request[4 + i] = static_cast<std::uint8_t>(kCookie >> (24 - 8 * i));
  std::copy(id.begin(), id.end(), request.begin() + 8);
  return request;
}

absl::StatusOr<Address> read_response(std::span<const std::uint8_t> datagram, const Id& id) {
  if (datagram.size() < kHeader)
    return no_response(std::to_string(datagram.size()) + " bytes, fewer than the 20 of a header");
  if (number32(datagram, 4) != kCookie) return no_response("no STUN: its magic cookie is not there");
  const auto length = static_cast<std::size_t>(number16(datagram, 2));
  if (length % 4 != 0 || kHeader + length != datagram.size()) {
    return no_response("it says " + std::to_string(length) + " bytes behind its header and has " +
                       std::to_string(datagram.size() - kHeader));
  }
  const int type = number16(datagram, 0);
  if (type != kSuccess && type != kError) return no_response("message type " + hex(type) + ", no response");
  if (!std::equal(id.begin(), id.end(), datagram.begin() + 8)) return no_response("another transaction's");
  const auto found = read_attributes(datagram);
  if (!found.ok()) return found.status();

  if (type == kError) {
    return absl::FailedPreconditionError("it refuses: " +
                                         error_text(found->error.value_or(std::span<const std::uint8_t>{})));
  }
  if (found->not_understood >= 0) {  // 6.3.3
    return absl::FailedPreconditionError("its answer has attribute " + hex(found->not_understood) +
                                         ", which must be understood and is not");
  }
  std::array<std::uint8_t, 16> mask{};
  if (found->xor_mapped) std::copy_n(datagram.begin() + 4, mask.size(), mask.begin());  // cookie, transaction
  if (!found->xor_mapped && !found->mapped)
    return absl::FailedPreconditionError("its answer has no address in it");
  auto address = read_address(found->xor_mapped ? *found->xor_mapped : *found->mapped, mask);
  if (address.ok() && (is_unspecified(address->ip) || is_multicast(address->ip)))
    return absl::FailedPreconditionError("it says " + address->ip + ", which is nobody's");
  return address;
}

// ------------------------------------------------------------------------------------------- query

Query::Query(const Id& id, Time now, const Timing& timing)
    : id_(id), timing_(timing), began_(now), next_(now), wait_(timing.rto) {}

bool Query::due(Time now) {
  if (result_ || now < next_) return false;
  if (sent_ == timing_.requests) {
    std::string why = "no answer to " + std::to_string(sent_) + " requests within " +
                      std::to_string((next_ - began_) / 1ms) + " ms";
    if (strange_ > 0) {
      why += "; " + std::to_string(strange_) +
             (strange_ == 1 ? " datagram that was" : " datagrams that were") +
             " none came, the last: " + last_strange_;
    }
    result_ = absl::DeadlineExceededError(why);
    return false;
  }
  next_ = now + (++sent_ == timing_.requests ? timing_.rto * timing_.last_wait : wait_);
  wait_ *= 2;
  return true;
}

std::optional<Time> Query::deadline() const { return result_ ? std::nullopt : std::optional(next_); }

void Query::received(std::span<const std::uint8_t> datagram) {
  if (result_) return;
  auto address = read_response(datagram, id_);
  if (absl::IsInvalidArgument(address.status())) {
    ++strange_;
    last_strange_ = std::string(address.status().message());
  } else {
    result_ = std::move(address);
  }
}

void Query::failed(std::string why) {
  if (!result_) result_ = absl::UnavailableError(why);
}

}  // namespace ivr::stun

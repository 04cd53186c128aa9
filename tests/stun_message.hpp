#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ip_address.hpp"
#include "core/stun.hpp"

namespace ivr::stun {

using Bytes = std::vector<std::uint8_t>;

// A message with these attributes, padded with zeroes.
inline Bytes message(int type, const Id& id, std::initializer_list<std::pair<int, Bytes>> attributes) {
  Bytes bytes = {
      static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type), 0, 0, 0x21, 0x12, 0xA4, 0x42};
  bytes.insert(bytes.end(), id.begin(), id.end());
  for (const auto& [number, value] : attributes) {
    for (const int part :
         {number >> 8, number, static_cast<int>(value.size()) >> 8, static_cast<int>(value.size())})
      bytes.push_back(static_cast<std::uint8_t>(part));
    bytes.insert(bytes.end(), value.begin(), value.end());
    while (bytes.size() % 4 != 0) bytes.push_back(0);
  }
  bytes[2] = static_cast<std::uint8_t>((bytes.size() - 20) >> 8);
  bytes[3] = static_cast<std::uint8_t>(bytes.size() - 20);
  return bytes;
}

// As MAPPED-ADDRESS has it.
inline Bytes plain_address(std::string_view ip, std::uint16_t port) {
  const auto all = *ip_bytes(ip);
  const bool four = is_ipv4(ip);
  Bytes value = {0, static_cast<std::uint8_t>(four ? 1 : 2), static_cast<std::uint8_t>(port >> 8),
                 static_cast<std::uint8_t>(port)};
  value.insert(value.end(), all.begin() + (four ? 12 : 0), all.end());
  return value;
}

// As XOR-MAPPED-ADDRESS has it.
inline Bytes hidden_address(const Id& id, std::string_view ip, std::uint16_t port) {
  Bytes value = plain_address(ip, port);
  const Bytes mask = message(0, id, {});
  value[2] ^= mask[4];
  value[3] ^= mask[5];
  for (std::size_t i = 4; i < value.size(); ++i) value[i] ^= mask[i];
  return value;
}

inline Bytes answer_to(const Id& id, std::string_view ip, std::uint16_t port = 40000) {
  return message(0x0101, id, {{0x0020, hidden_address(id, ip, port)}});
}

}  // namespace ivr::stun

#pragma once
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"

// What went over the wire: one UDP datagram (whole, also when IP had cut it), or one TCP segment.
struct Packet {
  ivr::Time at{};
  ivr::Address source, destination;
  bool tcp = false;
  std::uint32_t sequence = 0;             // TCP's
  std::span<const std::uint8_t> payload;  // borrowed from the capture
};

// A classic libpcap file (draft-ietf-opsawg-pcap), as tcpdump -w writes it, in either byte order, in micro-
// or nanoseconds. It does not read pcapng. Every byte of it may be a lie: a record that makes no sense is
// counted in `damaged` and skipped, and where the length of a record cannot be true the reading ends there.
class Capture {
 public:
  // NotFound: no such file. InvalidArgument: not a capture, or of a link type that is not read here.
  static absl::StatusOr<Capture> read(const std::string& path);
  static absl::StatusOr<Capture> parse(std::vector<std::uint8_t> bytes);

  Capture(Capture&&) = default;
  Capture& operator=(Capture&&) = default;

  const std::vector<Packet>& packets() const { return packets_; }
  std::uint64_t records() const { return records_; }
  std::uint64_t damaged() const { return damaged_; }  // records whose lengths contradict each other
  std::uint64_t cut() const { return cut_; }          // records that the snapshot length cut
  const std::string& end_error() const {
    return end_;
  }  // why the reading ended before the file did; or empty

 private:
  Capture() = default;

  std::vector<std::uint8_t> bytes_;
  std::deque<std::vector<std::uint8_t>> joined_;  // datagrams that came in fragments
  std::vector<Packet> packets_;
  std::uint64_t records_ = 0, damaged_ = 0, cut_ = 0;
  std::string end_;
};

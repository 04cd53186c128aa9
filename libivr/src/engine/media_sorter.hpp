#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/media_source.hpp"
#include "ivr/ports.hpp"
#include "ivr/rtp.hpp"

namespace ivr {

class MediaStream;
class SharedPort;

// Says whose packet it is, on a port that many streams share. A packet that may be of another call is
// nobody's: it is counted and dropped. The rule:
//
// - A packet is of the stream whose peer announced the address that it comes from, or was learned there.
// - Several streams with one such address are told apart by SSRC. The first may be heard at once, as long as
//   it is alone. A new SSRC is of that stream which alone was silent since it appeared, for 100 ms: the
//   others have shown that it is not theirs. Until then, and when two are silent, it is nobody's.
// - A peer behind NAT (SourceGuard says who that is) is learned where its packets come from the signalling's
//   IP and it is the only one there that has not been heard yet: at once when no other stream is behind that
//   IP, else by the same 100 ms; and never while a stream of this port has no address at all yet, for the
//   packets might be its. Once learned, only its own SSRC may come from elsewhere, after 5 s of silence.
// - What goes on with the SSRC and the sequence numbers of a stream that is over is that one's, for as long
//   as it goes on, at an address that was announced anew for 32 s (how long a BYE is repeated, RFC 3261, 17).
//   So is what might have been of a stream that was never heard.
// - RTCP is of the stream that announced its address, or that was heard from that IP with its SSRC.
// - Two streams with one address and one SSRC cannot be told apart: the second is not heard.
//
// Thread:   one at a time.
// Realtime: bounded; allocates only when more than kRoom streams share the port. rtp() looks at all streams
//           of one address, which are few unless the peer itself shares a port, and at those behind one NAT
//           ten times a second at most.
class SourceSorter {
 public:
  static constexpr std::size_t kRoom = 8192, kOver = 4096;  // streams; streams that are over
  static constexpr Micros kSure = 100ms, kSilence = SourceGuard::kSilence, kGone = 32s, kForgotten = 10s;

  struct Line;
  struct Hook {
    Line *before = nullptr, *next = nullptr;
    std::uint64_t key = 0;
    bool in = false;
  };
  struct Types {  // that are a packet of this stream; -1: none
    int audio = -1, event = -1, comfort_noise = -1;
  };

  // A stream, as its port sees it: the sorter's notes, and those of the thread whose port it is. Has to stay
  // where it is while it is added.
  struct Line {
    StreamId id = 0;
    MediaStream* stream = nullptr;
    SharedPort* guest_of = nullptr;  // that of another thread, which has the stream
    bool adrift = false;             // between two threads

    bool added = false, announced = false, nat = false, heard = false;
    Endpoint source;  // where it is heard, or is to be
    std::uint32_t ssrc = 0;
    std::uint16_t sequence = 0;
    Time heard_at{};
    SourceGuard::Negotiated negotiated;
    Types types;
    Hook by_rtp, by_rtcp, by_ip, by_ssrc;
  };

  SourceSorter();

  void add(Line& line);
  void announce(Line& line, const SourceGuard::Negotiated& negotiated, const Types& types, Time now);
  void remove(Line& line, Time now);

  // A packet with an RTP header; null: nobody's.
  Line* rtp(Endpoint from, const RtpHeader& header, Time now);
  Line* rtcp(Endpoint from, std::uint32_t ssrc, Time now);

  void note_stranger() noexcept { ++strangers_; }  // what is no packet at all

  int lines() const noexcept { return lines_; }
  std::uint64_t strangers() const noexcept { return strangers_; }  // packets that were nobody's,
  std::uint64_t late() const noexcept { return late_; }            // or of a stream that is over

 private:
  template <Hook Line::*hook>
  class Index {
   public:
    Index() { heads_.reserve(kRoom); }
    Line* find(std::uint64_t key) const {
      const auto found = heads_.find(key);
      return found == heads_.end() ? nullptr : found->second;
    }
    void insert(std::uint64_t key, Line& line);
    void erase(Line& line);

   private:
    absl::flat_hash_map<std::uint64_t, Line*> heads_;
  };
  // An SSRC that several streams might have.
  struct Newcomer {
    Endpoint from;
    std::uint32_t ssrc = 0;
    std::uint16_t sequence = 0;
    Time since{}, last{}, looked{};
    bool known = false;
  };
  using Newcomers = std::array<Newcomer, 4>;
  static constexpr std::size_t kDoubtful = 1024;  // addresses with such
  struct Over {
    std::uint64_t key = 0;  // IP and SSRC
    StreamId stream = 0;    // 0: of one of several
    std::uint16_t sequence = 0;
    Time ended{}, heard{};
  };

  void unlink(Line& line, Time now);
  void leave_address(Line& line);
  void left(std::uint64_t key, const Line& line, bool few);
  void bury(std::uint32_t ip, std::uint32_t ssrc, StreamId stream, std::uint16_t sequence, Time now);
  void forget_newcomer(const Line& line, Endpoint from, std::uint32_t ssrc);
  Newcomer* newcomer(std::uint64_t key, Endpoint from, const RtpHeader& header, Time now);
  Line* silent_one(Line& first, Hook Line::*hook, std::uint64_t key, Endpoint from, const RtpHeader& header,
                   Time now);
  Over* of_one_over(Endpoint from, const RtpHeader& header, Time now);
  Line* among(Line& first, Endpoint from, const RtpHeader& header, Time now);
  Line* unknown(Endpoint from, const RtpHeader& header, Time now);
  void hear(Line& line, Endpoint from, const RtpHeader& header, Time now);

  Index<&Line::by_rtp> by_rtp_;
  Index<&Line::by_rtcp> by_rtcp_;
  Index<&Line::by_ip> behind_;     // NAT, by the signalling's IP
  Index<&Line::by_ssrc> by_ssrc_;  // the same once heard, by IP and SSRC
  std::vector<Over> over_;         // a ring
  std::size_t next_over_ = 0;
  absl::flat_hash_map<std::uint64_t, std::size_t> over_at_;
  absl::flat_hash_map<std::uint64_t, Newcomers> newcomers_;  // by address, or by IP behind NAT
  int lines_ = 0, unannounced_ = 0;
  std::uint64_t strangers_ = 0, late_ = 0;
};

}  // namespace ivr

#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/rtp.hpp"

// DTMF keys as RTP payloads (RFC 4733): a receiver that tells each press exactly once whatever the network
// and the sender do to it, and a sender that paces one. Neither owns a socket, and neither turns keys into
// tones.

namespace ivr {

// The sixteen keys in the order of their event codes (RFC 4733, table 3).
inline constexpr std::string_view kEventKeys = "0123456789*#ABCD";

struct TelephoneEvent {
  enum class Kind { began, ended };
  Kind kind = Kind::began;
  char digit = 0;
  std::uint32_t key = 0;  // RTP timestamp of the press as first seen; the same in its `ended`
  std::uint32_t ssrc = 0;
  Millis duration{0};      // ended: as the sender said, or as far as it was heard; began: 0
  int level_dbm0 = 0;      // 0 to -63
  bool timed_out = false;  // ended without an end: no packet for the time-out, or another key came

  friend bool operator==(const TelephoneEvent&, const TelephoneEvent&) = default;
};

struct TelephoneEventOptions {
  int clock_rate_hz = kSampleRateHz;
  Millis timeout = 300ms;  // a key unheard for so long is up
};

struct TelephoneEventStats {
  std::uint64_t packets = 0;
  std::uint64_t keys = 0;          // presses reported
  std::uint64_t timed_out = 0;     // of these, ended without an end packet
  std::uint64_t late_keys = 0;     // of these, first heard after a later key
  std::uint64_t other_events = 0;  // events that are not keys (above 15), ignored
  std::uint64_t malformed = 0;     // payloads that are not whole events, or more than 8 of them
};

// Reports each press once: `began` with the first packet that survives, `ended` with its end, with a
// time-out, or with the next key. A press is known by SSRC and timestamp, and where senders break that rule
// (timestamps used again, ends stamped anew) by where sequence number and duration say that it began. Markers
// are not needed. Redundant encoding (RFC 2198) is not undone here.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates. What push() and tick() return is valid until the next of either.
class TelephoneEventReceiver {
 public:
  static absl::StatusOr<TelephoneEventReceiver> create(const TelephoneEventOptions& options = {});

  // A packet of the telephone-event payload type. The caller has checked where it comes from.
  std::span<const TelephoneEvent> push(const RtpFrame& frame, Time now) noexcept;

  // At or after deadline(): ends the key that fell silent.
  std::span<const TelephoneEvent> tick(Time now) noexcept;
  std::optional<Time> deadline() const noexcept;

  bool key_down() const noexcept { return open_ >= 0; }
  const TelephoneEventStats& stats() const noexcept { return stats_; }

 private:
  static constexpr int kMaxEvents = 8;   // in one packet
  static constexpr int kHistory = 32;    // presses remembered
  static constexpr Millis kMemory = 5s;  // and for how long

  // There are many, in every call: packed. A duration is less than two turns of the 32-bit clock.
  struct Key {
    bool used : 1 = false;
    bool ended : 1 = false;     // its end was seen
    bool end_only : 1 = false;  // and was the first that was seen
    bool marked : 1 = false;    // the first packet that was seen has the marker
    std::uint8_t event = 0;
    std::int8_t level_dbm0 = 0;
    std::int8_t ends = 0;  // seen in a row from the last update on, or 0
    std::uint16_t first_sequence = 0, last_sequence = 0;
    std::uint16_t end_sequence = 0;  // of the first end, seen or not
    std::uint32_t ssrc = 0;
    std::uint32_t timestamp = 0;
    std::int64_t first_duration : 40 = 0;  // in ticks, segments added up
    std::int64_t last_duration : 40 = 0;
    Time heard{};
  };
  struct Packet {
    std::uint8_t event;
    bool end, marker, alone;
    int level_dbm0;
    std::uint16_t sequence;
    std::uint32_t ssrc, timestamp;
    std::int64_t duration;
  };

  explicit TelephoneEventReceiver(const TelephoneEventOptions& options) noexcept : options_(options) {}

  enum class Fit {
    yes,
    leads,  // sent before all that was seen of the press, and leads up to it
    no,
    stale,  // sent before it, and does not
  };

  int find(Packet& packet, Time now) const noexcept;
  int apart(std::uint16_t a, std::uint16_t b) const noexcept;  // in packets of a press
  void learn_stride(int numbers, std::int64_t ticks) noexcept;
  double step_of(const Key& key) const noexcept;
  bool leads(const Key& key, const Packet& packet) const noexcept;
  Fit same_press(const Key& key, const Packet& packet) const noexcept;
  int ends_window() const noexcept;
  bool resent_end(const Key& key, const Packet& packet) const noexcept;
  Fit restamped(const Key& key, const Packet& packet) const noexcept;
  void follow(int index, const Packet& packet, Time now) noexcept;
  void begin(const Packet& packet, Time now) noexcept;
  void end_open(bool timed_out) noexcept;
  void report(TelephoneEvent::Kind kind, const Key& key, bool timed_out) noexcept;

  TelephoneEventOptions options_;
  TelephoneEventStats stats_;
  std::array<Key, kHistory> keys_{};  // a ring
  int next_ = 0;                      // the slot that the next press takes
  int open_ = -1;                     // the press that is down, or -1
  double step_ = 160;                 // ticks of duration between two packets of a press, as last seen
  int ends_ = 3;                      // how often this sender sends an end
  bool stride_known_ = false;
  int stride_ = 1,
      next_stride_ = 0;  // sequence numbers from one packet of a press to the next, and as last seen
  std::array<TelephoneEvent, 3 * kMaxEvents> reports_{};
  int reported_ = 0;
};

struct TelephoneEventSenderOptions {
  int clock_rate_hz = kSampleRateHz;
  Millis packet_time = 20ms;  // one call of next()
  Millis tone = 100ms;        // at least 40 ms (ITU-T Q.24); rounded up to whole packets, as is the gap
  Millis gap = 100ms;         // at least 40 ms
  int level_dbm0 = -10;       // 0 to -63
};

// Sends keys: call next() once per packet time; when it gives a payload, send that in place of audio with the
// timestamp it says, the stream's next sequence number and the telephone-event payload type. The end of a key
// is sent three times (RFC 4733, 2.5.1.4), each a packet of its own.
//
// Thread:   one at a time.
// Realtime: next() is bounded and never allocates; send() may.
class TelephoneEventSender {
 public:
  struct Payload {
    std::array<std::uint8_t, 4> bytes{};
    bool marker = false;          // the first packet of a key
    std::uint32_t timestamp = 0;  // the same for a whole key (or 65,535-tick segment of a long one)
  };

  static absl::StatusOr<TelephoneEventSender> create(const TelephoneEventSenderOptions& options = {});

  // Appends keys (0-9 * # A-D, small letters too) and pauses ('w' 500 ms, 'W' 1 s). Refused whole, with what
  // is wrong, when there is another character or more than 1,024 would wait.
  absl::Status send(std::string_view digits);
  // The same with another tone and gap than the options'. These hold for all that is sent from here on.
  absl::Status send(std::string_view digits, Millis tone, Millis gap);

  // `timestamp`: the stream's, for this packet time. Nothing: audio may be sent.
  std::optional<Payload> next(std::uint32_t timestamp) noexcept;

  bool done() const noexcept { return phase_ == Phase::idle && position_ == waiting_.size(); }
  void clear() noexcept;  // forgets what waits; a key that is down still ends properly

 private:
  enum class Phase { idle, tone, resend, pause };

  explicit TelephoneEventSender(const TelephoneEventSenderOptions& options) noexcept : options_(options) {}
  std::int64_t packets(Millis length) const noexcept;
  Payload payload(std::int64_t ticks, bool end, bool marker) const noexcept;
  Payload key_packet() noexcept;
  bool start_next(std::uint32_t timestamp) noexcept;

  TelephoneEventSenderOptions options_;
  std::string waiting_;
  std::size_t position_ = 0;
  Phase phase_ = Phase::idle;
  std::uint8_t event_ = 0;
  std::uint32_t timestamp_ = 0;     // of the key, or of its running segment
  std::int64_t sent_ = 0;           // packets of this key, its end counted once
  std::int64_t segment_ticks_ = 0;  // of the key before the running segment
  std::int64_t tone_packets_ = 0, gap_packets_ = 0;
  int resends_ = 0;
  std::int64_t pause_packets_ = 0;
};

}  // namespace ivr

#include "ivr/telephone_event.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ivr {
namespace {

constexpr int kEnds = 3;                   // the last packet of a key, in all (RFC 4733, 2.5.1.4)
constexpr std::int64_t kSegment = 0xFFFF;  // the longest duration a packet can say (RFC 4733, 2.5.1.3)
constexpr int kMaxReorder = 100;           // packets; further back is a sender that started again

// How far the start implied by sequence number and duration may lie off, in packets of the press. The end is
// sent three times, so up to 2 are honest; the next press of a hurried sender (40 ms on, 40 ms off) begins 4
// later.
constexpr double kSameTimestampSlack = 3.5;
constexpr double kOtherTimestampSlack = 2.5;

constexpr int kMaxEnds = 8;  // of one press, from a sender that cannot stop
constexpr int kMaxStride = 4;

constexpr int kNewPress = -1;
constexpr int kNoPress = -2;  // nothing to tell

}  // namespace

// ---------------------------------------------------------------------------------------- receiver

absl::StatusOr<TelephoneEventReceiver> TelephoneEventReceiver::create(const TelephoneEventOptions& options) {
  if (options.clock_rate_hz < 8000 || options.clock_rate_hz > 192'000) {
    return absl::InvalidArgumentError(
        absl::StrCat("telephone-event clock rate ", options.clock_rate_hz, " Hz: must be 8000 to 192000"));
  }
  if (options.timeout < 60ms || options.timeout > 5s) {
    return absl::InvalidArgumentError(
        absl::StrCat("telephone-event time-out ", options.timeout.count(), " ms: must be 60 to 5000"));
  }
  TelephoneEventReceiver receiver(options);
  receiver.step_ = options.clock_rate_hz / 50.0;
  return receiver;
}

std::span<const TelephoneEvent> TelephoneEventReceiver::push(const RtpFrame& frame, Time now) noexcept {
  reported_ = 0;
  ++stats_.packets;
  std::size_t events = frame.payload.size() / 4;
  if (events == 0 || events > kMaxEvents || frame.payload.size() % 4 != 0) ++stats_.malformed;
  events = std::min<std::size_t>(events, kMaxEvents);

  // Events packed into one packet follow each other without a pause (RFC 4733, 2.5.1.5).
  std::uint32_t timestamp = frame.header.timestamp;
  for (std::size_t i = 0; i < events; ++i) {
    const std::uint8_t* p = frame.payload.data() + 4 * i;
    const auto duration = static_cast<std::uint32_t>(p[2] << 8 | p[3]);
    if (p[0] < kEventKeys.size()) {
      Packet packet{.event = p[0],
                    .end = (p[1] & 0x80) != 0,
                    .marker = frame.header.marker,
                    .alone = events == 1,
                    .level_dbm0 = -(p[1] & 0x3F),
                    .sequence = frame.header.sequence,
                    .ssrc = frame.header.ssrc,
                    .timestamp = timestamp,
                    .duration = duration};
      const int index = find(packet, now);
      if (index >= 0) {
        follow(index, packet, now);
      } else if (index == kNewPress) {
        begin(packet, now);
      }
    } else {
      ++stats_.other_events;
    }
    timestamp += duration;
  }
  return {reports_.data(), static_cast<std::size_t>(reported_)};
}

// Which press a packet belongs to, or kNewPress or kNoPress. Adds to its duration what earlier segments
// lasted.
int TelephoneEventReceiver::find(Packet& packet, Time now) const noexcept {
  bool stale = false;
  for (const bool by_timestamp : {true, false}) {
    if (!by_timestamp && (stale || !packet.alone)) break;
    int leading = -1;
    for (int back = 1; back <= kHistory; ++back) {
      const int index = (next_ - back + kHistory) % kHistory;
      const Key& key = keys_[static_cast<std::size_t>(index)];
      if (!key.used || key.ssrc != packet.ssrc || key.event != packet.event || now - key.heard > kMemory)
        continue;
      const std::int64_t ahead = later_by(packet.timestamp, key.timestamp);
      const bool same_timestamp = ahead >= 0 && ahead % kSegment == 0;
      if (by_timestamp && !same_timestamp) continue;
      Packet whole = packet;
      if (same_timestamp) whole.duration += ahead;
      switch (by_timestamp ? same_press(key, whole) : restamped(key, whole)) {
        case Fit::yes: packet = whole; return index;
        case Fit::leads: leading = leading < 0 ? index : leading; break;
        case Fit::no: break;
        case Fit::stale: stale = true; break;
      }
    }
    if (leading >= 0) return leading;
  }
  return stale ? kNoPress : kNewPress;
}

// Most senders put a key's packets in place of the audio; some send both, and the audio takes its share of
// the sequence numbers. Counted here are packets of the press: rounded away from zero.
int TelephoneEventReceiver::apart(std::uint16_t a, std::uint16_t b) const noexcept {
  const int numbers = newer_by(a, b);
  return (numbers + (numbers < 0 ? 1 - stride_ : stride_ - 1)) / stride_;
}

// From one update of a press to another. Seen twice, for a lost packet or two may look like it once.
void TelephoneEventReceiver::learn_stride(int numbers, std::int64_t ticks) noexcept {
  const int updates =
      static_cast<int>(std::max<std::int64_t>(ticks * 50 / options_.clock_rate_hz, 1));  // of 20 ms
  const int stride = numbers <= updates ? 1 : numbers % updates == 0 ? numbers / updates : stride_;
  if (stride > kMaxStride) return;
  if (std::exchange(next_stride_, stride) != stride) return;
  stride_ = stride;
  stride_known_ = true;
}

double TelephoneEventReceiver::step_of(const Key& key) const noexcept {
  const int packets = apart(key.last_sequence, key.first_sequence);
  const std::int64_t ticks = key.last_duration - key.first_duration;
  if (key.ended || packets <= 0 || ticks <= 0) return step_;
  return static_cast<double>(ticks) / packets;
}

// Sent before all that was seen of the press, and part of it: duration and sequence number lead up to that.
bool TelephoneEventReceiver::leads(const Key& key, const Packet& packet) const noexcept {
  const int before = apart(key.first_sequence, packet.sequence);
  if (before <= 0 || before > kMaxReorder) return false;
  const double step = step_of(key);
  const auto until = static_cast<double>(key.first_duration - packet.duration);
  if (packet.end) return key.end_only && before < kEnds && std::abs(until) < step / 2;
  return until >= 0 && std::abs(until - before * step) <= kOtherTimestampSlack * step;
}

// The timestamp says that it is this press. Believed, unless sequence number and duration cannot both be so:
// a sender that used the timestamp again.
TelephoneEventReceiver::Fit TelephoneEventReceiver::same_press(const Key& key,
                                                               const Packet& packet) const noexcept {
  const int after = apart(packet.sequence, key.last_sequence);
  if (after <= 0) {
    if (newer_by(packet.sequence, key.first_sequence) >= 0) return Fit::yes;
    if (leads(key, packet)) return Fit::leads;
    // No press begins before its marker, ends before it is held, or ends oftener than this sender ends one.
    const bool earlier = key.marked && packet.marker;
    const bool ended =
        packet.end && (!key.end_only || apart(key.first_sequence, packet.sequence) >= ends_window());
    return earlier || ended ? Fit::no : Fit::stale;
  }
  if (after > kMaxReorder * 30) return Fit::yes;  // not this stream's numbers: the timestamp is all there is
  const double step = step_of(key);
  const auto since = static_cast<double>(packet.duration - key.last_duration);
  if (key.ended) return packet.end && resent_end(key, packet) ? Fit::yes : Fit::no;
  // Until it is known how many sequence numbers this sender takes a packet, it may be the most.
  const double least = stride_known_ ? after : static_cast<double>(after) / kMaxStride;
  return since >= (least - kSameTimestampSlack) * step ? Fit::yes : Fit::no;
}

// Another timestamp, yet the same press: its sequence number lies inside, or it continues the duration just
// where the sequence number says and its timestamp is one from within the press. A new press began elsewhere.
TelephoneEventReceiver::Fit TelephoneEventReceiver::restamped(const Key& key,
                                                              const Packet& packet) const noexcept {
  const int after = apart(packet.sequence, key.last_sequence);
  if (after <= 0 && newer_by(packet.sequence, key.first_sequence) >= 0) return Fit::yes;
  const double step = step_of(key);
  const auto ahead = static_cast<double>(later_by(packet.timestamp, key.timestamp));
  // Stamped when it was sent: at most as far ahead as the press is long, and two ends more.
  const double resends = kOtherTimestampSlack * step;
  if (after < 0) {  // the press may be known by its new timestamp only
    const double most = resends + (packet.end ? 0 : static_cast<double>(key.last_duration));
    return ahead <= 0 && -ahead <= most && leads(key, packet) ? Fit::leads : Fit::no;
  }
  const double most = resends + (key.end_only ? 0 : static_cast<double>(packet.duration));
  if (packet.marker || ahead < 0 || ahead > most) return Fit::no;
  if (key.ended) {
    const bool resent = packet.end && apart(packet.sequence, key.end_sequence) < kEnds;
    return resent && resent_end(key, packet) ? Fit::yes : Fit::no;
  }
  const auto since = static_cast<double>(packet.duration - key.last_duration);
  return since >= 0 && std::abs(since - after * step) <= kOtherTimestampSlack * step ? Fit::yes : Fit::no;
}

// How many packets at most lie between two ends of one press.
int TelephoneEventReceiver::ends_window() const noexcept {
  return stride_known_ ? ends_ : ends_ * kMaxStride;
}

// The end of an ended press once more. Senders send it three times; one that sends it more often is learnt.
bool TelephoneEventReceiver::resent_end(const Key& key, const Packet& packet) const noexcept {
  if (std::abs(static_cast<double>(packet.duration - key.last_duration)) > 3 * step_) return false;
  return apart(packet.sequence, key.end_sequence) < ends_window() ||
         apart(packet.sequence, key.last_sequence) == 1;
}

void TelephoneEventReceiver::follow(int index, const Packet& packet, Time now) noexcept {
  Key& key = keys_[static_cast<std::size_t>(index)];
  const Key before = key;
  const int after = apart(packet.sequence, key.last_sequence);
  if (after > 0) {
    const std::int64_t since = packet.duration - key.last_duration;
    if (!key.ended && !packet.end && since > 0)
      learn_stride(newer_by(packet.sequence, key.last_sequence), since);
    if (!key.ended && !packet.end && after <= 3 && since > 0) {
      step_ = std::clamp(static_cast<double>(since) / after, 8.0, options_.clock_rate_hz * 0.5);
    }
    key.last_sequence = packet.sequence;
    key.last_duration = std::max<std::int64_t>(key.last_duration, packet.duration);
  } else if (leads(key, packet)) {
    key.end_only = key.end_only && packet.end;
    key.marked = packet.marker;
    key.first_sequence = packet.sequence;
    key.first_duration = std::min<std::int64_t>(key.first_duration, packet.duration);
  }
  key.heard = now;
  if (!packet.end) return;
  if (!key.ended) {
    // Where its first end was sent, though that one may be lost: where the last update's duration grows to
    // the end's.
    const double left = static_cast<double>(packet.duration - before.last_duration) / step_of(before);
    const int ahead = std::clamp(static_cast<int>(std::ceil(left - 0.25)), 1, std::max(after, 1));
    key.end_sequence =
        after > 0 ? static_cast<std::uint16_t>(before.last_sequence + ahead * stride_) : packet.sequence;
    key.ended = true;
    key.last_duration = std::max<std::int64_t>(key.last_duration, packet.duration);
  } else if (newer_by(packet.sequence, key.end_sequence) < 0) {
    key.end_sequence = packet.sequence;
  }
  // Ends seen in one go from the last update on show how many this sender sends.
  const bool in_a_row =
      after == 1 && (!before.ended || (before.ends > 0 && packet.duration == before.last_duration));
  const int ends = in_a_row ? std::min(before.ends + 1, kMaxEnds) : 0;
  key.ends = static_cast<std::int8_t>(ends);
  ends_ = std::max(ends_, ends);
  if (index == open_) end_open(false);
}

void TelephoneEventReceiver::begin(const Packet& packet, Time now) noexcept {
  bool late = false;  // overtaken by a later key: told now, and over
  if (open_ >= 0) {
    const Key& open = keys_[static_cast<std::size_t>(open_)];
    const int behind = newer_by(open.first_sequence, packet.sequence);
    late = open.ssrc == packet.ssrc && behind > 0 && behind <= kMaxReorder;
    if (!late) end_open(true);
  }
  if (next_ == open_) next_ = (next_ + 1) % kHistory;
  const int index = next_;
  next_ = (next_ + 1) % kHistory;
  Key& key = keys_[static_cast<std::size_t>(index)];
  key = {.used = true,
         .ended = packet.end,
         .end_only = packet.end,
         .marked = packet.marker,
         .event = packet.event,
         .level_dbm0 = static_cast<std::int8_t>(packet.level_dbm0),
         .first_sequence = packet.sequence,
         .last_sequence = packet.sequence,
         .end_sequence = packet.sequence,
         .ssrc = packet.ssrc,
         .timestamp = packet.timestamp,
         .first_duration = packet.duration,
         .last_duration = packet.duration,
         .heard = now};
  ++stats_.keys;
  report(TelephoneEvent::Kind::began, key, false);
  if (late) {
    ++stats_.late_keys;
    if (!packet.end) ++stats_.timed_out;
    report(TelephoneEvent::Kind::ended, key, !packet.end);
    return;
  }
  open_ = index;
  if (packet.end) end_open(false);
}

void TelephoneEventReceiver::end_open(bool timed_out) noexcept {
  report(TelephoneEvent::Kind::ended, keys_[static_cast<std::size_t>(open_)], timed_out);
  if (timed_out) ++stats_.timed_out;
  open_ = -1;
}

void TelephoneEventReceiver::report(TelephoneEvent::Kind kind, const Key& key, bool timed_out) noexcept {
  const bool over = kind == TelephoneEvent::Kind::ended;
  reports_[static_cast<std::size_t>(reported_++)] = {
      .kind = kind,
      .digit = kEventKeys[key.event],
      .key = key.timestamp,
      .ssrc = key.ssrc,
      .duration = Millis(over ? key.last_duration * 1000 / options_.clock_rate_hz : 0),
      .level_dbm0 = key.level_dbm0,
      .timed_out = timed_out};
}

std::span<const TelephoneEvent> TelephoneEventReceiver::tick(Time now) noexcept {
  reported_ = 0;
  if (const auto due = deadline(); due && now >= *due) end_open(true);
  return {reports_.data(), static_cast<std::size_t>(reported_)};
}

std::optional<Time> TelephoneEventReceiver::deadline() const noexcept {
  if (open_ < 0) return std::nullopt;
  return keys_[static_cast<std::size_t>(open_)].heard + options_.timeout;
}

// ------------------------------------------------------------------------------------------ sender

namespace {

constexpr std::size_t kMaxWaiting = 1024;

absl::Status check_lengths(Millis tone, Millis gap) {
  if (tone < 40ms || tone > 60s) {
    return absl::InvalidArgumentError(absl::StrCat("tone of ", tone.count(), " ms: must be 40 to 60000"));
  }
  if (gap < 40ms || gap > 60s) {
    return absl::InvalidArgumentError(absl::StrCat("gap of ", gap.count(), " ms: must be 40 to 60000"));
  }
  return absl::OkStatus();
}

char upper(char c) noexcept { return c >= 'a' && c <= 'd' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

absl::StatusOr<TelephoneEventSender> TelephoneEventSender::create(
    const TelephoneEventSenderOptions& options) {
  if (options.clock_rate_hz < 8000 || options.clock_rate_hz > 192'000) {
    return absl::InvalidArgumentError(
        absl::StrCat("telephone-event clock rate ", options.clock_rate_hz, " Hz: must be 8000 to 192000"));
  }
  if (options.packet_time < 5ms || options.packet_time > 100ms) {
    return absl::InvalidArgumentError(
        absl::StrCat("packet time ", options.packet_time.count(), " ms: must be 5 to 100"));
  }
  if (options.level_dbm0 > 0 || options.level_dbm0 < -63) {
    return absl::InvalidArgumentError(absl::StrCat("level ", options.level_dbm0, " dBm0: must be -63 to 0"));
  }
  if (auto status = check_lengths(options.tone, options.gap); !status.ok()) return status;
  return TelephoneEventSender(options);
}

absl::Status TelephoneEventSender::send(std::string_view digits) {
  return send(digits, options_.tone, options_.gap);
}

absl::Status TelephoneEventSender::send(std::string_view digits, Millis tone, Millis gap) {
  if (auto status = check_lengths(tone, gap); !status.ok()) return status;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const char c = upper(digits[i]);
    if (c == 'w' || c == 'W' || kEventKeys.find(c) != std::string_view::npos) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("character ", i + 1, " of ", digits.size(), " digits is not one of 0-9 * # A-D w W"));
  }
  const std::size_t waiting = waiting_.size() - position_;
  if (waiting + digits.size() > kMaxWaiting) {
    return absl::ResourceExhaustedError(
        absl::StrCat(digits.size(), " digits on top of ", waiting, " that wait: at most ", kMaxWaiting));
  }
  options_.tone = tone;
  options_.gap = gap;
  waiting_.erase(0, position_);
  position_ = 0;
  waiting_.append(digits);
  return absl::OkStatus();
}

void TelephoneEventSender::clear() noexcept {
  position_ = waiting_.size();
  if (phase_ == Phase::pause && event_ >= kEventKeys.size()) phase_ = Phase::idle;
  if (phase_ == Phase::tone) tone_packets_ = std::min(tone_packets_, sent_ + 1);
}

std::int64_t TelephoneEventSender::packets(Millis length) const noexcept {
  return (length + options_.packet_time - 1ms) / options_.packet_time;
}

TelephoneEventSender::Payload TelephoneEventSender::payload(std::int64_t ticks, bool end,
                                                            bool marker) const noexcept {
  const auto duration = static_cast<std::uint32_t>(ticks);
  return {.bytes = {event_, static_cast<std::uint8_t>((end ? 0x80 : 0) | -options_.level_dbm0),
                    static_cast<std::uint8_t>(duration >> 8), static_cast<std::uint8_t>(duration)},
          .marker = marker,
          .timestamp = timestamp_};
}

// Takes the next character; false when a pause starts or nothing waits.
bool TelephoneEventSender::start_next(std::uint32_t timestamp) noexcept {
  if (position_ == waiting_.size()) {
    phase_ = Phase::idle;
    return false;
  }
  const char c = upper(waiting_[position_++]);
  if (c == 'w' || c == 'W') {
    event_ = 0xFF;
    phase_ = Phase::pause;
    pause_packets_ = packets(c == 'w' ? 500ms : 1000ms);
    return false;
  }
  event_ = static_cast<std::uint8_t>(kEventKeys.find(c));
  phase_ = Phase::tone;
  timestamp_ = timestamp;
  sent_ = 0;
  segment_ticks_ = 0;
  tone_packets_ = packets(options_.tone);
  gap_packets_ = packets(options_.gap);
  return true;
}

TelephoneEventSender::Payload TelephoneEventSender::key_packet() noexcept {
  const std::int64_t packet_ticks = options_.packet_time.count() * options_.clock_rate_hz / 1000;
  const bool first = sent_ == 0;
  const std::int64_t ticks = ++sent_ * packet_ticks - segment_ticks_;
  if (ticks > kSegment) {  // 2.5.1.3: say the most, then go on in a new segment, without a marker
    const Payload full = payload(kSegment, false, false);
    segment_ticks_ += kSegment;
    timestamp_ += static_cast<std::uint32_t>(kSegment);
    if (sent_ >= tone_packets_) ++tone_packets_;  // the end belongs to the new segment
    return full;
  }
  const bool last = sent_ >= tone_packets_;
  if (last) {
    phase_ = Phase::resend;
    resends_ = kEnds - 1;
  }
  return payload(ticks, last, first);
}

std::optional<TelephoneEventSender::Payload> TelephoneEventSender::next(std::uint32_t timestamp) noexcept {
  switch (phase_) {
    case Phase::tone: return key_packet();
    case Phase::resend: {
      const std::int64_t packet_ticks = options_.packet_time.count() * options_.clock_rate_hz / 1000;
      --gap_packets_;
      if (--resends_ == 0) {
        phase_ = gap_packets_ > 0 ? Phase::pause : Phase::idle;
        pause_packets_ = gap_packets_;
      }
      return payload(sent_ * packet_ticks - segment_ticks_, true, false);
    }
    case Phase::pause:
      if (--pause_packets_ == 0) phase_ = Phase::idle;
      return std::nullopt;
    case Phase::idle:
      if (start_next(timestamp)) return key_packet();
      if (phase_ == Phase::pause && --pause_packets_ == 0) phase_ = Phase::idle;
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace ivr

// MediaStream among others: bridged, muted, supervised.
//
// A bridge relays packets as they come, with their own holes and order, in our numbers: no playout clock and
// no delay. Where keys are cut out, the audio goes through a KeyCutter in order, 40 ms late. Who hears more
// than one talker gets a mix of their PlayoutLines with every tick, and only those who are in a mix have one.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "engine/media_payload.hpp"
#include "engine/media_stream.hpp"

namespace ivr {
namespace {

constexpr Micros kRelayPause = 100ms;          // nothing relayed for so long: we send silence ourselves
constexpr int kMostAhead = 3 * kFrameSamples;  // of our clock, that is the network; more is a clock
constexpr int kMostHole = 3 * kFrameSamples;   // made up where keys are cut; a longer one stays a hole
constexpr int kReordered = 64;                 // packets

}  // namespace

// -------------------------------------------------------------------------------- who with whom

void MediaStream::equip(std::unique_ptr<PlayoutLine> line, std::unique_ptr<KeyCutter> cutter) noexcept {
  if (line) line_ = std::move(line);
  if (cutter) cutter_ = std::move(cutter);
}

void MediaStream::bridge(MediaStream& peer, const BridgeOptions& options) noexcept {
  const bool same = peer_ == &peer;
  if (same && bridge_.pass_digits == options.pass_digits) return;
  if (!same) {
    unbridge();
    peer.unbridge();
    peer_ = &peer;
    peer.peer_ = this;
  }
  for (MediaStream* stream : {this, &peer}) {
    stream->bridge_ = options;
    stream->relay_ = {};
    stream->event_relay_ = {};
    stream->sounder_.clear();
    if (stream->cutter_) stream->cutter_->reset();
  }
}

void MediaStream::unbridge() noexcept {
  if (peer_ == nullptr) return;
  for (MediaStream* stream : {peer_, this}) {
    stream->peer_ = nullptr;
    stream->sounder_.clear();
  }
}

void MediaStream::supervise(MediaStream* party, Supervision mode) noexcept {
  if (party_ != nullptr) {
    MediaStream** at = &party_->supervisors_;
    while (*at != this) at = &(*at)->next_supervisor_;
    *at = std::exchange(next_supervisor_, nullptr);
  }
  party_ = nullptr;
  mode_ = Supervision::off;
  if (party == nullptr || mode == Supervision::off) return;
  party_ = party;
  mode_ = mode;
  next_supervisor_ = std::exchange(party->supervisors_, this);
}

void MediaStream::leave() noexcept {
  unbridge();
  supervise(nullptr, Supervision::off);
  while (supervisors_ != nullptr) supervisors_->supervise(nullptr, Supervision::off);
}

// The talkers that this one hears. Mixes are made of what came in, never of what went out, so that nobody
// hears himself however streams are connected.
template <class Hear>
void MediaStream::each_heard(Hear&& hear) const noexcept {
  const auto barging = [&](const MediaStream& party) {
    for (const MediaStream* s = party.supervisors_; s != nullptr; s = s->next_supervisor_) {
      if (s != this && s->mode_ == Supervision::barge) hear(*s);
    }
  };
  for (const MediaStream* s = supervisors_; s != nullptr; s = s->next_supervisor_) {
    if (s->mode_ == Supervision::whisper || s->mode_ == Supervision::barge) hear(*s);
  }
  if (peer_ != nullptr) {
    hear(*peer_);
    barging(*peer_);
  }
  if (party_ == nullptr || party_ == peer_) return;
  hear(*party_);
  barging(*party_);
  if (party_->peer_ == nullptr) return;
  hear(*party_->peer_);
  barging(*party_->peer_);
}

bool MediaStream::mixes() const noexcept {
  if (party_ != nullptr) return true;
  for (const MediaStream* s = supervisors_; s != nullptr; s = s->next_supervisor_) {
    if (s->mode_ != Supervision::listen) return true;
  }
  if (peer_ == nullptr) return false;
  for (const MediaStream* s = peer_->supervisors_; s != nullptr; s = s->next_supervisor_) {
    if (s->mode_ == Supervision::barge) return true;
  }
  return false;
}

// Somebody who mixes may hear it.
bool MediaStream::mixed() const noexcept {
  return supervisors_ != nullptr || party_ != nullptr ||
         (peer_ != nullptr && (peer_->supervisors_ != nullptr || peer_->party_ != nullptr));
}

// -------------------------------------------------------------------------------- the talker's side

bool MediaStream::shared() const noexcept {
  return line_runs_ || (cutter_ && peer_ != nullptr && !bridge_.pass_digits);
}

void MediaStream::share(const RtpHeader& header, std::span<const std::int16_t> pcm, int missing,
                        Time now) noexcept {
  if (!cutter_ || peer_ == nullptr || bridge_.pass_digits) return share_piece(header, pcm, now);
  if (missing > kMostHole) cutter_->reset();
  for (int left = missing > kMostHole ? 0 : missing; left > 0;) {
    std::array<std::int16_t, kFrameSamples> frame;
    const auto piece = std::span(frame).first(static_cast<std::size_t>(std::min(left, kFrameSamples)));
    cutter_->lost(piece);
    RtpHeader lost = header;
    lost.timestamp -= static_cast<std::uint32_t>(left);
    share_piece(lost, piece, now);
    left -= static_cast<int>(piece.size());
  }
  Samples buffer;
  std::copy(pcm.begin(), pcm.end(), buffer.begin());
  const auto cut = std::span(buffer).first(pcm.size());
  cutter_->process(cut);
  share_piece(header, cut, now);
}

void MediaStream::share_piece(const RtpHeader& header, std::span<const std::int16_t> pcm, Time now) noexcept {
  if (muted_) return;
  if (peer_ != nullptr && !bridge_.pass_digits) peer_->relay_cut(header, pcm, now);
  if (line_runs_) line_->push(header, pcm, now);
}

void MediaStream::tick_line(Time now) noexcept {
  if (!line_) return;
  const bool runs = mixed();
  if (runs && !line_runs_) line_->reset();
  line_runs_ = runs;
  if (runs) line_->tick(now);
}

// -------------------------------------------------------------------------------- the listener's side

bool MediaStream::may_send() const noexcept {
  return negotiated_ && remote_.send && source_.rtp_to().usable();
}

bool MediaStream::speaks_itself() const noexcept { return playing_ || dialling_ || sounder_.busy(); }

bool MediaStream::relaying(Time now) const noexcept {
  return peer_ != nullptr && relay_.anchored && !peer_->muted_ && !speaks_itself() && !mixes() &&
         now - relay_.at <= kRelayPause;
}

// The peer's stream joins where ours stands.
void MediaStream::anchor(const RtpHeader& header) noexcept {
  relay_.anchored = true;
  relay_.ssrc = header.ssrc;
  const std::uint32_t start = started_ && later_by(clock_, sent_until_) < 0 ? sent_until_ : clock_;
  relay_.timestamp_offset = start - header.timestamp;
  relay_.oldest = link_.next_sequence();
  relay_.sequence_offset = static_cast<std::uint16_t>(relay_.oldest - header.sequence);
}

void MediaStream::relay(const RtpFrame& frame, bool event, Time now) noexcept {
  if (!may_send() || speaks_itself()) {
    relay_.anchored = false;
  } else if (event) {
    relay_event(frame, now);
  } else if (bridge_.pass_digits && !mixes()) {
    relay_audio(frame, now);
  }
}

void MediaStream::relay_audio(const RtpFrame& frame, Time now) noexcept {
  const RtpHeader& header = frame.header;
  const bool event = header.payload_type == peer_->remote_.receive_event_type;
  const std::uint16_t next = link_.next_sequence();
  std::uint16_t sequence = static_cast<std::uint16_t>(header.sequence + relay_.sequence_offset);
  bool marker = header.marker;
  if (!relay_.anchored || header.ssrc != relay_.ssrc || std::abs(newer_by(sequence, next)) > kReordered) {
    // From here on holes and reordering are the sender's own.
    anchor(header);
    sequence = next;
    marker = true;
  }
  if (newer_by(sequence, relay_.oldest) < 0) return;  // it belongs before what we said ourselves
  if (newer_by(next, relay_.oldest) > kReordered)
    relay_.oldest = static_cast<std::uint16_t>(next - kReordered);
  relay_.at = now;
  const std::uint32_t timestamp = header.timestamp + relay_.timestamp_offset;
  link_.set_next_sequence(sequence);
  talking_ = true;
  const Codec theirs = peer_->remote_.codec;
  if (event) {
    send(remote_.send_event_type, marker, timestamp, frame.payload, 0);
  } else if (theirs == remote_.codec) {
    send_audio(marker, timestamp, frame.payload);
  } else {
    Samples pcm;
    Payload bytes;
    send_audio(marker, timestamp, encoded(remote_.codec, decoded(theirs, frame.payload, pcm), bytes));
  }
  if (newer_by(next, link_.next_sequence()) > 0) link_.set_next_sequence(next);
}

void MediaStream::relay_event(const RtpFrame& frame, Time now) noexcept {
  const RtpHeader& header = frame.header;
  if (!bridge_.pass_digits || remote_.send_event_type < 0) {
    // Its number is the next packet's: what we leave out is no loss.
    if (relay_.anchored && header.ssrc == relay_.ssrc &&
        static_cast<std::uint16_t>(header.sequence + relay_.sequence_offset) == link_.next_sequence()) {
      --relay_.sequence_offset;
    }
    return;
  }
  if (!mixes()) return relay_audio(frame, now);
  // Between frames of our own the key begins with the next of them (RFC 4733, 2.5.1.2).
  if (!event_relay_.known || header.ssrc != event_relay_.ssrc || header.timestamp != event_relay_.theirs) {
    event_relay_ = {true, header.ssrc, header.timestamp, clock_};
  }
  send(remote_.send_event_type, header.marker, event_relay_.ours, frame.payload, 0);
}

// In order, from the cutter: the numbers are our own, the time is the sender's.
void MediaStream::relay_cut(const RtpHeader& header, std::span<const std::int16_t> pcm, Time now) noexcept {
  if (!may_send() || speaks_itself() || mixes()) {
    relay_.anchored = false;
    return;
  }
  const auto jump = later_by(header.timestamp + relay_.timestamp_offset, sent_until_);
  const bool joins = !relay_.anchored || header.ssrc != relay_.ssrc || jump < 0 || jump > kSampleRateHz;
  if (joins) anchor(header);
  relay_.at = now;
  talking_ = true;
  Payload bytes;
  send_audio(joins, header.timestamp + relay_.timestamp_offset, encoded(remote_.codec, pcm, bytes));
}

void MediaStream::relay_key(const TelephoneEvent& event) noexcept {
  if (!bridge_.pass_digits || remote_.send_event_type >= 0 || !may_send() || playing_ || dialling_) return;
  switch (event.kind) {
    case TelephoneEvent::Kind::began: sounder_.press(event.digit); break;
    case TelephoneEvent::Kind::ended: sounder_.release(event.duration); break;
  }
}

void MediaStream::tick_sending(Time now) noexcept {
  if (relaying(now)) return;
  relay_.anchored = false;
  const auto ahead = started_ ? later_by(sent_until_, clock_) : 0;
  if (ahead > kMostAhead) {
    clock_ = sent_until_;  // the peer's clock is faster than ours, and timestamps only grow
  } else if (ahead > 0) {
    return;  // what was relayed fills this time
  }
  if (send_dialling() || send_playing() || send_keys() || send_mix()) return;
  send_audio(false, clock_, silence(remote_.codec));
  talking_ = false;
}

bool MediaStream::send_pcm(std::span<const std::int16_t> pcm, bool talking) noexcept {
  Payload bytes;
  send_audio(talking && !talking_, clock_, encoded(remote_.codec, pcm, bytes));
  talking_ = talking;
  return true;
}

bool MediaStream::send_keys() noexcept {
  if (!sounder_.busy()) return false;
  std::array<std::int16_t, kFrameSamples> pcm;
  sounder_.read(pcm);
  return send_pcm(pcm, true);
}

bool MediaStream::send_mix() noexcept {
  if (!mixes()) return false;
  PlayoutLine::Frame sum{};
  bool talking = false;
  each_heard([&](const MediaStream& talker) {
    if (talker.muted_ || !talker.line_runs_ || talker.line_->silent()) return;
    add_saturated(sum, talker.line_->frame());
    talking = true;
  });
  return send_pcm(sum, talking);
}

}  // namespace ivr

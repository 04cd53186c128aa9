// MediaStream among others: bridged, muted, supervised.
//
// A bridge relays packets as they come, with their own holes and order, in our numbers: no playout clock and
// no delay. Where the two codecs differ and one of them has a memory, they are coded anew in order. Where
// keys are cut out, the audio goes through a KeyCutter in order, 40 ms late. Who hears more than one talker
// gets a mix of their PlayoutLines with every tick, and only those who are in a mix have one.

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

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
    stream->event_scale_ = {};
    stream->framed_ = 0;
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

// What the peer gets is packets, as they come; else it is audio, in order.
bool MediaStream::relays_packets() const noexcept {
  return bridge_.pass_digits &&
         (codec_.codec() == peer_->codec_.codec() || (codec_.memoryless() && peer_->codec_.memoryless()));
}

// The peer records what it is sent in packets, and only we know how that sounds.
bool MediaStream::records_relayed() const noexcept { return peer_->record_sent_ && !codec_.memoryless(); }

bool MediaStream::shared() const noexcept {
  return line_runs_ || (peer_ != nullptr && (!relays_packets() || records_relayed()));
}

void MediaStream::share(const RtpHeader& header, const Audio& audio, int missing, int lost,
                        Time now) noexcept {
  if (!cutter_ || peer_ == nullptr || bridge_.pass_digits) return share_piece(header, audio, lost, now);
  if (missing > kMostHole) cutter_->reset();
  for (int left = missing > kMostHole ? 0 : missing; left > 0;) {
    std::array<std::int16_t, kFrameSamples> frame;
    const auto piece = std::span(frame).first(static_cast<std::size_t>(std::min(left, kFrameSamples)));
    cutter_->lost(piece);
    RtpHeader of_piece = header;
    of_piece.timestamp -= static_cast<std::uint32_t>(left);
    share_piece(of_piece, {piece, {}}, 0, now);
    left -= static_cast<int>(piece.size());
  }
  std::array<std::int16_t, kMostSamples> buffer;
  const auto cut = std::span(buffer).first(audio.narrow.size());
  std::copy(audio.narrow.begin(), audio.narrow.end(), cut.begin());
  cutter_->process(cut);
  share_piece(header, {cut, {}}, 0, now);
}

void MediaStream::share_piece(const RtpHeader& header, const Audio& audio, int lost, Time now) noexcept {
  if (muted_) return;
  if (peer_ != nullptr) {
    if (!relays_packets()) {
      peer_->relay_pcm(header, audio, lost, now);
    } else if (records_relayed() && peer_->relaying(now)) {
      peer_->record(header.timestamp + peer_->relay_.timestamp_offset, audio.narrow);
    }
  }
  if (line_runs_) line_->push(header, audio.narrow, now);
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
  if (peer_ == nullptr || !relay_.anchored || peer_->muted_ || speaks_itself() || mixes()) return false;
  return now - relay_.at <= kRelayPause || comfort_passes();
}

// The peer's line is quiet, says so, and ours can be told.
bool MediaStream::comfort_passes() const noexcept {
  return peer_->comforted_ && remote_.comfort_noise_type >= 0 && peer_->relays_packets();
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
  } else if (!peer_->relays_packets() || mixes()) {
    return;  // it comes as audio
  } else if (frame.header.payload_type == peer_->remote_.comfort_noise_type &&
             remote_.comfort_noise_type < 0) {
    relay_.at = {};  // what it says we say in frames of our own, from now on
  } else {
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
  if (event) {
    send(remote_.send_event_type, marker, timestamp, frame.payload, 0);
  } else if (header.payload_type == peer_->remote_.comfort_noise_type) {
    send(remote_.comfort_noise_type, marker, timestamp, frame.payload, 0);
  } else if (codec_.codec() == peer_->codec_.codec()) {
    send_bytes(marker, timestamp, frame.payload);
  } else {
    AudioBuffer buffer;
    Bytes bytes;
    send_bytes(marker, timestamp, codec_.encode(peer_->codec_.decode(frame.payload, buffer), bytes));
  }
  if (newer_by(next, link_.next_sequence()) > 0) link_.set_next_sequence(next);
}

void MediaStream::relay_event(RtpFrame frame, Time now) noexcept {
  RtpHeader& header = frame.header;
  if (!bridge_.pass_digits || remote_.send_event_type < 0) {
    // Its number is the next packet's: what we leave out is no loss.
    if (relay_.anchored && header.ssrc == relay_.ssrc &&
        static_cast<std::uint16_t>(header.sequence + relay_.sequence_offset) == link_.next_sequence()) {
      --relay_.sequence_offset;
    }
    return;
  }
  EventScale::Payload scaled;
  if (peer_->remote_.event_clock_hz != remote_.event_clock_hz)
    frame.payload = event_scale_(frame, peer_->remote_.event_clock_hz, remote_.event_clock_hz, scaled);
  if (!mixes() && peer_->relays_packets()) return relay_audio(frame, now);
  // Between frames of our own the key begins with the next of them (RFC 4733, 2.5.1.2), and what is coded
  // anew has its sender's time.
  if (!event_relay_.known || header.ssrc != event_relay_.ssrc || header.timestamp != event_relay_.theirs) {
    const bool in_their_time = !mixes() && relay_.anchored && header.ssrc == relay_.ssrc;
    event_relay_ = {true, header.ssrc, header.timestamp,
                    in_their_time ? header.timestamp + relay_.timestamp_offset : clock_};
  }
  if (!mixes()) relay_.at = now;
  send(remote_.send_event_type, header.marker, event_relay_.ours, frame.payload, 0);
}

std::span<const std::uint8_t> EventScale::operator()(RtpFrame& frame, int from_hz, int to_hz,
                                                     Payload& into) noexcept {
  const std::size_t events = std::min(frame.payload.size(), into.size()) / 4;
  if (events == 0) return {};
  const std::uint32_t timestamp = frame.header.timestamp;
  if (!known_ || frame.header.ssrc != ssrc_ || timestamp != piece_) {
    const bool goes_on =
        known_ && !ended_ && frame.header.ssrc == ssrc_ && !frame.header.marker &&
        std::abs(later_by(timestamp, piece_) * (from_hz / kSampleRateHz) - 65'535) <= from_hz / kSampleRateHz;
    before_ = goes_on ? before_ + 65'535 : 0;
    if (!goes_on) press_ = timestamp, ended_ = false;
    known_ = true;
    ssrc_ = frame.header.ssrc;
    piece_ = timestamp;
  }
  frame.header.timestamp = press_;
  std::copy_n(frame.payload.begin(), 4 * events, into.begin());
  for (std::size_t i = 0; i < events; ++i) {
    std::uint8_t* const duration = into.data() + 4 * i + 2;
    const std::int64_t ticks = before_ + (duration[0] << 8 | duration[1]);
    const auto scaled = static_cast<std::uint16_t>(std::min<std::int64_t>(ticks * to_hz / from_hz, 65'535));
    duration[0] = static_cast<std::uint8_t>(scaled >> 8);
    duration[1] = static_cast<std::uint8_t>(scaled & 0xff);
    ended_ = ended_ || (into[4 * i + 1] & 0x80) != 0;
  }
  return std::span(into).first(4 * events);
}

// In order: the numbers are our own, the time is the sender's, and what it lost is lost to us.
void MediaStream::relay_pcm(const RtpHeader& header, const Audio& audio, int lost, Time now) noexcept {
  if (!may_send() || speaks_itself() || mixes()) {
    relay_.anchored = false;
    return;
  }
  const auto jump = later_by(header.timestamp + relay_.timestamp_offset, sent_until_);
  const bool joins = !relay_.anchored || header.ssrc != relay_.ssrc || jump < 0 || jump > kSampleRateHz;
  if (joins) {
    anchor(header);
    framed_ = 0;
  } else if (lost > 0) {
    link_.set_next_sequence(static_cast<std::uint16_t>(link_.next_sequence() + lost));
  }
  relay_.at = now;
  talking_ = true;
  const std::uint32_t timestamp = header.timestamp + relay_.timestamp_offset;
  if (codec_.plain()) {
    send_audio(joins, timestamp, audio);
  } else {
    record(timestamp, audio.narrow);
    relay_frames(joins, timestamp, audio);
  }
}

// Packets of any length as the frames that a codec with a memory wants.
void MediaStream::relay_frames(bool marker, std::uint32_t timestamp, const Audio& audio) noexcept {
  const std::uint32_t rate = codec_.wide() ? 2 : 1;  // samples to one at 8 kHz
  const std::span<std::int16_t> frame = codec_.frame();
  AudioBuffer buffer;
  auto pcm = codec_.at_rate(audio, buffer);
  if (timestamp != frame_from_ + static_cast<std::uint32_t>(framed_) / rate)
    framed_ = 0;  // it does not go on
  while (!pcm.empty()) {
    if (framed_ == 0) frame_from_ = timestamp;
    const std::size_t n = std::min(pcm.size(), frame.size() - framed_);
    std::copy_n(pcm.begin(), n, frame.begin() + static_cast<std::ptrdiff_t>(framed_));
    framed_ += n;
    timestamp += static_cast<std::uint32_t>(n) / rate;
    pcm = pcm.subspan(n);
    if (framed_ < frame.size()) return;
    framed_ = 0;
    Bytes bytes;
    send(remote_.send_type, std::exchange(marker, false), frame_from_,
         codec_.encode(codec_.wide() ? Audio{{}, frame} : Audio{frame, {}}, bytes), kFrameSamples);
  }
}

void MediaStream::relay_key(const TelephoneEvent& event) noexcept {
  if (!bridge_.pass_digits || remote_.send_event_type >= 0 || !may_send() || playing_ || dialling_) return;
  switch (event.kind) {
    case TelephoneEvent::Kind::began: sounder_.press(event.digit); break;
    case TelephoneEvent::Kind::ended: sounder_.release(event.duration); break;
  }
}

void MediaStream::tick_sending(Time now) noexcept {
  if (relaying(now)) {
    quiet_ = 0;
    return;
  }
  relay_.anchored = false;
  const auto ahead = started_ ? later_by(sent_until_, clock_) : 0;
  if (ahead > kMostAhead) {
    clock_ = sent_until_;  // the peer's clock is faster than ours, and timestamps only grow
  } else if (ahead > 0) {
    return;  // what was relayed fills this time
  }
  if (send_dialling() || send_playing() || send_keys() || send_mix() || send_comfort()) {
    quiet_ = 0;
  } else {
    send_silence();
  }
}

bool MediaStream::send_keys() noexcept {
  if (!sounder_.busy()) return false;
  std::array<std::int16_t, kFrameSamples> pcm;
  sounder_.read(pcm);
  send_pcm(pcm);
  return true;
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
  if (talking) send_pcm(sum);
  return talking;
}

// The peer's line is quiet, and ours cannot be told.
bool MediaStream::send_comfort() noexcept {
  if (peer_ == nullptr || !peer_->comforted_ || peer_->muted_ || mixes()) return false;
  if (!peer_->relays_packets()) return false;  // it comes as audio
  std::array<std::int16_t, kFrameSamples> pcm;
  peer_->comfort_.read(pcm);
  send_pcm(pcm);
  return true;
}

}  // namespace ivr

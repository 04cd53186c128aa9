#include "engine/media_stream.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "engine/media_payload.hpp"

namespace ivr {
namespace {

constexpr Micros kQuiet = 200ms;          // no audio for so long is silence, and the end of a tone
constexpr int kMostLost = kSampleRateHz;  // a hole is no longer to those who listen
constexpr std::size_t kUsualRecordings = 2;

// One writer, so no read-modify-write is needed.
template <class T>
void add(std::atomic<T>& counter, T by = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

void Playing::begin_at(Millis from) {
  const auto frames = [](const Clip& c) { return c.bytes.size() / frame_bytes(c.codec); };
  std::size_t round = 0;
  for (const ClipPtr& each : clips) round += frames(*each);
  if (round == 0) return;
  frame = static_cast<std::size_t>(std::max(from, Millis{0}) / kFrame) % round;
  for (clip = 0; frame >= frames(*clips[clip]); ++clip) frame -= frames(*clips[clip]);
}

StreamStats StreamCounters::read() const noexcept {
  constexpr auto order = std::memory_order_relaxed;
  StreamStats stats;
  stats.sent = sent.load(order);
  stats.received = received.load(order);
  stats.lost = lost.load(order);
  stats.late = late.load(order);
  stats.foreign = foreign.load(order);
  stats.malformed = malformed.load(order);
  stats.voice_samples = voice_samples.load(order);
  stats.jitter_ms = jitter_ms.load(order);
  stats.round_trip_ms = round_trip_ms.load(order);
  stats.mos = mos.load(order);
  return stats;
}

MediaStream::MediaStream(StreamId id, const StreamOptions& options, PortRange::Pair ports)
    : id_(id),
      options_(options),
      ports_(std::move(ports)),
      link_(ports_.rtp, ports_.rtcp),
      keys_(*TelephoneEventReceiver::create()),
      clock_(std::random_device{}()) {
  recordings_.reserve(kUsualRecordings);
  if (options_.measure_voice) voice_ = *VoiceActivity::create();
}

void MediaStream::close_sockets() noexcept {
  ports_.rtp.close();
  ports_.rtcp.close();
}

void MediaStream::tell(media::Event event) noexcept {
  Notice notice;
  notice.what = event;
  host_->tell(std::move(notice));
}

void MediaStream::set_remote(const Remote& remote, Time now) noexcept {
  const bool expected = negotiated_ && remote_.receive;
  remote_ = remote;
  negotiated_ = true;
  source_.negotiate(remote.address);
  link_.set_payload_type(remote.receive_type);
  const bool inband = options_.inband_always || (options_.inband_dtmf && remote.receive_event_type < 0);
  if (!inband) {
    tones_.reset();
  } else if (!tones_) {
    tones_ = *DtmfDetector::create();
  }
  if (!expected || !remote.receive) heard_ = now, timed_out_ = false;
}

// -------------------------------------------------------------------------------- receiving

void MediaStream::received(std::span<const std::uint8_t> packet, bool cut, Endpoint from, Time now) noexcept {
  RtpFrame frame;
  if (cut || parse_rtp(packet, frame) != RtpParse::ok) return add<std::uint64_t>(counters_.malformed);
  const bool event = frame.header.payload_type == remote_.receive_event_type;
  const bool audio = frame.header.payload_type == remote_.receive_type && !frame.payload.empty();
  if (!negotiated_) return add<std::uint64_t>(counters_.foreign);
  if (!event && !audio) {
    return add<std::uint64_t>(from == source_.rtp_to() ? counters_.malformed : counters_.foreign);
  }
  if (!source_.hears(from, frame.header.ssrc, now)) return add<std::uint64_t>(counters_.foreign);

  add<std::uint64_t>(counters_.received);
  heard_ = now;
  timed_out_ = false;
  link_.received(packet, from, now);
  reception_.receive(frame.header, now);
  link_.send_to(source_.rtp_to(), source_.rtcp_to());
  if (!remote_.receive) return;
  if (peer_ != nullptr && !muted_) peer_->relay(frame, event, now);
  if (event) report_keys(keys_.push(frame, now));
  order_.push(frame, now, [&](const RtpFrame& next, int lost) { hear(next, lost, now); });
}

void MediaStream::received_rtcp(std::span<const std::uint8_t> packet, bool cut, Endpoint from,
                                Time now) noexcept {
  // Version 2 and a packet type that may begin a compound (RFC 3550, A.2).
  if (cut || packet.size() < 8 || (packet[0] & 0xC0) != 0x80 || packet[1] < 200 || packet[1] > 207) {
    return add<std::uint64_t>(counters_.malformed);
  }
  if (!negotiated_ || !source_.hears_rtcp(from, now)) return add<std::uint64_t>(counters_.foreign);
  link_.received_rtcp(packet, from, now);
}

// In order. What is missing before a packet shows in its timestamp.
void MediaStream::hear(const RtpFrame& frame, int lost, Time now) noexcept {
  if (frame.header.payload_type != remote_.receive_type) return;
  const std::uint32_t timestamp = frame.header.timestamp;
  const auto hole = followed_ ? later_by(timestamp, next_timestamp_) : 0;
  followed_ = true;
  audio_heard_ = now;
  next_timestamp_ =
      timestamp + static_cast<std::uint32_t>(frame.payload.size() / sample_bytes(remote_.codec));
  const bool to_others = shared();
  if (!tones_ && !voice_ && recordings_.empty() && !to_others) return;
  Samples buffer;
  const auto pcm = decoded(remote_.codec, frame.payload, buffer);
  // A jump with no packet missing is the sender's pause or a new clock, and its length says nothing.
  const int missing = hole > 0 && (lost > 0 || hole <= kMostLost)
                          ? static_cast<int>(std::min<std::int64_t>(hole, kMostLost))
                          : 0;
  if (tones_) {
    DtmfEvents& events = host_->scratch();
    if (missing > 0) tones_->lost(missing, events);
    tones_->process(pcm, events);
    report_tones(events);
  }
  if (voice_) {
    if (missing > 0) report_voice(voice_->lost(missing));
    report_voice(voice_->process(pcm));
  }
  if (to_others) share(frame.header, pcm, missing, now);
  if (muted_) std::fill_n(buffer.begin(), pcm.size(), std::int16_t{0});
  for (auto& recording : recordings_) recording->heard(timestamp, pcm, *host_);
}

void MediaStream::report_tones(DtmfEvents& events) noexcept {
  for (const DtmfEvent& event : events) {
    switch (event.kind) {
      case DtmfEvent::Kind::began:
        tone_down_ = true;
        tell(media::DigitBegan{id_, DigitSource::inband, event.digit, 0});
        break;
      case DtmfEvent::Kind::ended:
        tone_down_ = false;
        tell(media::DigitEnded{id_, DigitSource::inband, event.digit, 0,
                               Millis(event.length * 1000 / kSampleRateHz)});
        break;
    }
  }
  events.clear();
}

void MediaStream::report_voice(VoiceChange change) noexcept {
  if (!reports_voice_) return;
  switch (change) {
    case VoiceChange::none: break;
    case VoiceChange::began: tell(media::VoiceBegan{id_}); break;
    case VoiceChange::ended: tell(media::VoiceEnded{id_, voice_->voice_for()}); break;
  }
}

void MediaStream::detect_voice(bool on) noexcept {
  if (on == reports_voice_) return;
  reports_voice_ = on;
  if (voice_) voice_before_ += voice_->voice_samples();
  voice_.reset();
  if (on || options_.measure_voice)
    voice_ = *VoiceActivity::create();  // afresh: who speaks already has begun
}

void MediaStream::report_keys(std::span<const TelephoneEvent> events) noexcept {
  for (const TelephoneEvent& event : events) {
    if (peer_ != nullptr && !muted_) peer_->relay_key(event);
    switch (event.kind) {
      case TelephoneEvent::Kind::began:
        tell(media::DigitBegan{id_, DigitSource::rtp_event, event.digit, event.key});
        break;
      case TelephoneEvent::Kind::ended:
        tell(media::DigitEnded{id_, DigitSource::rtp_event, event.digit, event.key, event.duration});
        break;
    }
  }
}

// -------------------------------------------------------------------------------- sending

void MediaStream::send_audio(bool marker, std::uint32_t timestamp,
                             std::span<const std::uint8_t> payload) noexcept {
  send(remote_.send_type, marker, timestamp, payload, payload.size() / sample_bytes(remote_.codec));
  if (!record_sent_) return;
  Samples buffer;
  const auto pcm = decoded(remote_.codec, payload, buffer);
  for (auto& recording : recordings_) recording->sent(timestamp, pcm, *host_);
}

void MediaStream::send(int type, bool marker, std::uint32_t timestamp, std::span<const std::uint8_t> payload,
                       std::size_t samples) noexcept {
  link_.send_to(source_.rtp_to(), source_.rtcp_to());
  if (link_.send(type, marker || !started_, timestamp, payload)) add<std::uint64_t>(counters_.sent);
  const std::uint32_t until = timestamp + static_cast<std::uint32_t>(samples);
  if (!started_ || later_by(until, sent_until_) > 0) sent_until_ = until;
  started_ = true;
}

void MediaStream::tick(Time now) noexcept {
  if (!recordings_.empty()) tick_recordings();
  if (!negotiated_) return;
  tick_hearing(now);
  if (++ticks_ % 50 == 0) tick_numbers();
  if (remote_.receive && options_.rtp_timeout > 0ms && !timed_out_ && now - heard_ >= options_.rtp_timeout) {
    timed_out_ = true;
    tell(media::TimedOut{id_});
  }

  tick_line(now);
  if (may_send()) tick_sending(now);
  clock_ += kFrameSamples;
}

void MediaStream::tick_hearing(Time now) noexcept {
  if (keys_.key_down()) report_keys(keys_.tick(now));
  order_.tick(now, [&](const RtpFrame& next, int lost) { hear(next, lost, now); });
  if (now - audio_heard_ < kQuiet) return;
  // Nothing comes: that is silence.
  if (tone_down_ && tones_) {
    DtmfEvents& events = host_->scratch();
    tones_->finish(events);
    report_tones(events);
  }
  static constexpr std::array<std::int16_t, kFrameSamples> kNothing{};
  if (voice_) report_voice(voice_->process(kNothing));
}

void MediaStream::tick_numbers() noexcept {
  constexpr auto order = std::memory_order_relaxed;
  const RtpReport report = link_.report();
  counters_.jitter_ms.store(reception_.jitter_ms(), order);
  counters_.round_trip_ms.store(report.round_trip_ms, order);
  const Millis delay(static_cast<int>(report.round_trip_ms / 2) + kFrame.count());
  counters_.mos.store(estimate_mos(reception_.loss_ratio(), delay), order);
  counters_.lost.store(order_.lost(), order);
  counters_.late.store(order_.late(), order);
  counters_.voice_samples.store(voice_before_ + (voice_ ? voice_->voice_samples() : 0), order);
}

bool MediaStream::send_dialling() noexcept {
  if (!dialling_) return false;
  bool sent = false, done = true;
  if (dialling_->events && remote_.send_event_type >= 0) {
    const auto payload = dialling_->events->next(clock_);
    done = dialling_->events->done();
    if (payload) {
      send(remote_.send_event_type, payload->marker, payload->timestamp, payload->bytes, 0);
      sent = true;
    } else if (!done) {
      send_audio(false, clock_, silence(remote_.codec));
      sent = true;
    }
  } else if (dialling_->tones) {
    std::array<std::int16_t, kFrameSamples> pcm;
    std::array<std::uint8_t, kMaxFrameBytes> bytes;
    sent = dialling_->tones->read(pcm) > 0;
    done = dialling_->tones->done();
    if (sent)
      send_audio(!talking_, clock_,
                 {bytes.data(), encode(remote_.codec, pcm, bytes) * sample_bytes(remote_.codec)});
  }
  if (sent) talking_ = false;
  if (!done) return true;
  Notice notice;
  notice.what = media::DigitsSent{id_};
  auto following = std::move(dialling_->next);
  notice.dialling = std::exchange(dialling_, std::move(following));
  host_->tell(std::move(notice));
  return sent;
}

bool MediaStream::send_playing() noexcept {
  if (!playing_) return false;
  Playing& play = *playing_;
  // Find the next frame; an endless loop over nothing ends at once.
  for (std::size_t looked = 0; looked <= play.clips.size(); ++looked) {
    if (play.clip == play.clips.size()) {
      if (play.loops == 1) break;
      if (play.loops > 1) --play.loops;
      play.clip = 0;
      if (play.clips.empty()) break;
    }
    const Clip& clip = *play.clips[play.clip];
    const std::size_t size = frame_bytes(clip.codec);
    const std::size_t at = play.frame * size;
    if (at + size > clip.bytes.size()) {
      ++play.clip;
      play.frame = 0;
      continue;
    }
    const std::span<const std::uint8_t> bytes{clip.bytes.data() + at, size};
    if (clip.codec == remote_.codec) {
      send_audio(!talking_, clock_, bytes);
    } else {  // made before the codec changed
      std::array<std::uint8_t, kMaxFrameBytes> other;
      Samples buffer;
      encode(remote_.codec, decoded(clip.codec, bytes, buffer), other);
      send_audio(!talking_, clock_, {other.data(), frame_bytes(remote_.codec)});
    }
    talking_ = true;
    const auto left = clip.samples - static_cast<std::int64_t>(play.frame) * kFrameSamples;
    play.samples += std::clamp<std::int64_t>(left, 0, kFrameSamples);
    ++play.frame;
    return true;
  }
  finish_play(true);
  return false;
}

void MediaStream::finish_play(bool completed) noexcept {
  if (!playing_) return;
  Notice notice;
  notice.what = media::PlayEnded{id_, playing_->id, playing_->samples, completed};
  notice.playing = std::move(playing_);
  host_->tell(std::move(notice));
}

void MediaStream::play(std::unique_ptr<Playing> playing) noexcept {
  finish_play(false);
  playing_ = std::move(playing);
}

void MediaStream::stop_play(PlayId play) noexcept {
  if (playing_ && playing_->id == play) finish_play(false);
}

void MediaStream::dial(std::unique_ptr<Dialling> dialling) noexcept {
  std::unique_ptr<Dialling>* last = &dialling_;
  while (*last) last = &(*last)->next;
  *last = std::move(dialling);
}

// -------------------------------------------------------------------------------- recording

void MediaStream::start_record(std::unique_ptr<Recording> recording) noexcept {
  record_sent_ = record_sent_ || recording->tracks() == 2;
  recordings_.push_back(std::move(recording));
}

void MediaStream::move_recordings(ChunkPool& pool) {
  for (auto& recording : recordings_) recording->move_to(pool);
}

void MediaStream::stop_record(RecordId record) noexcept {
  for (auto& recording : recordings_) {
    if (recording->id() == record) Recording::finish(std::move(recording), *host_);
  }
  forget_finished_recordings();
}

void MediaStream::tick_recordings() noexcept {
  bool finished = false;
  for (auto& recording : recordings_) {
    recording->tick(*host_);
    if (!recording->over()) continue;
    Recording::finish(std::move(recording), *host_);
    finished = true;
  }
  if (finished) forget_finished_recordings();
}

void MediaStream::forget_finished_recordings() noexcept {
  std::erase(recordings_, nullptr);
  record_sent_ =
      std::any_of(recordings_.begin(), recordings_.end(), [](const auto& r) { return r->tracks() == 2; });
}

// -------------------------------------------------------------------------------- the end

void MediaStream::end() noexcept {
  leave();
  finish_play(false);
  for (auto& recording : recordings_) Recording::finish(std::move(recording), *host_);
  recordings_.clear();
  record_sent_ = false;
  tick_numbers();
  link_.bye();
}

}  // namespace ivr

#include "engine/media_stream.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "edge/random.hpp"

namespace ivr {
namespace {

constexpr Micros kQuiet = 200ms;          // no audio for so long is silence, and the end of a tone
constexpr int kMostLost = kSampleRateHz;  // a hole is no longer to those who listen
constexpr int kMostMadeUp = 3 * kFrameSamples, kMadeUpStep = kFrameSamples / 2;  // samples
constexpr int kComfortLag = kFrameSamples;  // noise is made so late: what is spoken next may come early
constexpr int kQuietFrames = 10,
              kStillEvery = 50;     // of silence before it is left out, and what goes even then
constexpr int kLeastComfort = -90;  // dBov: we have no noise of our own
constexpr std::size_t kUsualRecordings = 2;
constexpr Micros kSteady = 500ms;  // heard since then: the source will stay

// One writer, so no read-modify-write is needed.
template <class T>
void add(std::atomic<T>& counter, T by = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

Playing::Playing(PlayId play, std::vector<ClipPtr> of, int times, Millis from)
    : id(play), clips(std::move(of)), loops(times) {
  const auto wide = [](const ClipPtr& c) { return format_of(c->codec).sample_rate_hz != kSampleRateHz; };
  if (std::any_of(clips.begin(), clips.end(), wide)) half = std::make_unique<HalfRate>();
  const auto frames = [](const Clip& c) { return c.bytes.size() / frame_bytes(c.codec); };
  std::size_t round = 0;
  for (const ClipPtr& each : clips) round += frames(*each);
  if (round == 0) return;
  frame = static_cast<std::size_t>(std::max(from, Millis{0}) / kFrame) % round;
  for (; frame >= frames(*clips[clip]); ++clip) frame -= frames(*clips[clip]);
}

Audio Playing::read(const Clip& of, std::span<const std::uint8_t> bytes, AudioBuffer& into) noexcept {
  if (format_of(of.codec).sample_rate_hz == kSampleRateHz)
    return {{into.narrow.data(), decode(of.codec, bytes, into.narrow)}, {}};
  const std::span<const std::int16_t> wide{into.wide.data(), decode(of.codec, bytes, into.wide)};
  return {{into.narrow.data(), half->process(wide, into.narrow)}, wide};
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

MediaStream::MediaStream(StreamId id, const StreamOptions& options, PortRange::Pair ports,
                         const PortRange::Pair* shared)
    : id_(id),
      options_(options),
      ports_(std::move(ports)),
      shared_(shared),
      link_(shared != nullptr ? shared->rtp : ports_.rtp, shared != nullptr ? shared->rtcp : ports_.rtcp),
      clock_(random_bits()),
      keys_(*TelephoneEventReceiver::create()) {
  place.id = id;
  place.stream = this;
  recordings_.reserve(kUsualRecordings);
  if (options_.measure_voice) voice_ = *VoiceActivity::create();
}

void MediaStream::close_sockets() noexcept {
  ports_.rtp.close();
  ports_.rtcp.close();
}

void MediaStream::tell(media::Event event) noexcept { host_->tell({.what = event}); }

void MediaStream::set_remote(const Remote& remote, std::optional<StreamCodec> codec, Time now) noexcept {
  const bool expected = negotiated_ && remote_.receive;
  if (codec) change_codec(*std::move(codec));
  if (remote.event_clock_hz != remote_.event_clock_hz) {
    report_keys(keys_.tick(now + kQuiet * 5));  // a key that is down will not be let go by the old clock
    keys_ = *TelephoneEventReceiver::create({.clock_rate_hz = remote.event_clock_hz});
  }
  remote_ = remote;
  negotiated_ = true;
  if (!remote.receive) comforted_ = false;
  source_.negotiate(remote.address);
  link_.set_payload_type(remote.receive_type, codec_.clock_hz());
  const bool inband = options_.inband_always || (options_.inband_dtmf && remote.receive_event_type < 0);
  if (!inband) {
    tones_.reset();
  } else if (!tones_) {
    tones_ = *DtmfDetector::create();
  }
  if (!expected || !remote.receive) heard_ = now, timed_out_ = false;
}

// Both directions begin anew, and so does what is relayed either way.
void MediaStream::change_codec(StreamCodec codec) noexcept {
  std::swap(codec_, codec);
  scale_.set_ticks(codec_.ticks());
  followed_ = comforted_ = false;
  framed_ = 0;
  relay_.anchored = false;
  if (peer_ != nullptr) peer_->relay_.anchored = false;
  host_->tell({.codec = std::move(codec)});
}

// -------------------------------------------------------------------------------- receiving

void MediaStream::received(std::span<const std::uint8_t> packet, bool cut, Endpoint from, Time now) noexcept {
  RtpFrame frame;
  if (cut || parse_rtp(packet, frame) != RtpParse::ok) return add<std::uint64_t>(counters_.malformed);
  const bool event = frame.header.payload_type == remote_.receive_event_type;
  const bool audio = !frame.payload.empty() && (frame.header.payload_type == remote_.receive_type ||
                                                frame.header.payload_type == remote_.comfort_noise_type);
  if (!negotiated_) return add<std::uint64_t>(counters_.foreign);
  if (!event && !audio) {
    return add<std::uint64_t>(from == source_.rtp_to() ? counters_.malformed : counters_.foreign);
  }
  if (!source_.hears(from, frame.header.ssrc, now)) return add<std::uint64_t>(counters_.foreign);

  add<std::uint64_t>(counters_.received);
  heard_ = now;
  timed_out_ = false;
  const RtpFrame by_their_clock = frame;
  frame.header.timestamp = scale_(frame.header.timestamp);
  link_.received(packet, frame.header, from, now);
  link_.send_to(source_.rtp_to(), source_.rtcp_to());
  if (!remote_.receive) return;
  if (peer_ != nullptr && !muted_) peer_->relay(frame, event, now);
  if (event) report_keys(keys_.push(by_their_clock, now));
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

bool MediaStream::listens() const noexcept { return tones_ || voice_ || !recordings_.empty() || shared(); }

// In order. What is missing before a packet shows in its timestamp.
void MediaStream::hear(const RtpFrame& frame, int lost, Time now) noexcept {
  if (frame.header.payload_type == remote_.comfort_noise_type) return hear_comfort(frame, now);
  if (frame.header.payload_type != remote_.receive_type) return;
  const std::uint32_t timestamp = frame.header.timestamp;
  auto hole = followed_ ? later_by(timestamp, next_timestamp_) : 0;
  if (std::exchange(comforted_, false) && lost == 0 && hole > 0 && hole <= kMostLost) {
    make_comfort(static_cast<int>(hole), now);
    hole = 0;
  }
  followed_ = true;
  audio_heard_ = now;
  next_timestamp_ = timestamp + static_cast<std::uint32_t>(codec_.length(frame.payload));
  if (!listens()) return;
  // A jump with no packet missing is the sender's pause or a new clock, and its length says nothing.
  int missing = hole > 0 && (lost > 0 || hole <= kMostLost)
                    ? static_cast<int>(std::min<std::int64_t>(hole, kMostLost))
                    : 0;
  AudioBuffer buffer;
  if (lost > 0 && missing >= kMadeUpStep) {
    const int made_up = std::min(missing, kMostMadeUp) / kMadeUpStep * kMadeUpStep;
    const Audio audio = codec_.conceal(frame.payload, static_cast<std::size_t>(made_up), buffer);
    if (!audio.narrow.empty()) {
      RtpHeader header = frame.header;
      header.timestamp -= static_cast<std::uint32_t>(made_up);
      take(header, audio, Piece::made_up, missing - made_up, 0, now);
      missing = lost = 0;
    }
  }
  if (tones_ && codec_.memoryless() && codec_.codec() != Codec::l16) {  // nothing to decode for it
    DtmfPiece piece{&*tones_, missing, {}, {}, {}};
    (codec_.codec() == Codec::pcmu ? piece.ulaw : piece.alaw) = frame.payload;
    host_->listen(*this, piece);
    if (!voice_ && recordings_.empty() && !shared()) return;
    take(frame.header, codec_.decode(frame.payload, buffer), Piece::detected, missing, lost, now);
    return;
  }
  take(frame.header, codec_.decode(frame.payload, buffer), Piece::heard, missing, lost, now);
}

// To all who listen: what came, or what was made up for it, `missing` samples after what they had before.
void MediaStream::take(const RtpHeader& header, const Audio& audio, Piece piece, int missing, int lost,
                       Time now) noexcept {
  const int unheard = missing + (piece == Piece::made_up ? static_cast<int>(audio.narrow.size()) : 0);
  const auto heard = piece == Piece::made_up ? std::span<const std::int16_t>{} : audio.narrow;
  if (tones_ && piece != Piece::detected) host_->listen(*this, {&*tones_, unheard, heard, {}, {}});
  if (voice_) {
    if (unheard > 0) report_voice(voice_->lost(unheard));
    if (!heard.empty()) report_voice(voice_->process(heard));
  }
  if (shared()) share(header, audio, missing, lost, now);
  if (recordings_.empty()) return;
  if (!muted_) {
    for (auto& recording : recordings_) recording->heard(header.timestamp, audio.narrow, *host_);
    return;
  }
  static constexpr std::array<std::int16_t, kMostSamples> kNothing{};
  for (auto& recording : recordings_)
    recording->heard(header.timestamp, std::span(kNothing).first(audio.narrow.size()), *host_);
}

// The peer has stopped sending audio, and says what its line sounds like until it begins again.
void MediaStream::hear_comfort(const RtpFrame& frame, Time now) noexcept {
  comfort_.update(frame.payload);
  if (!followed_ || later_by(frame.header.timestamp, next_timestamp_) > kMostLost) {
    next_timestamp_ = frame.header.timestamp;
    followed_ = true;
  }
  comforted_ = true;
  comfort_header_ = frame.header;
  comfort_at_ = audio_heard_ = now;
}

void MediaStream::make_comfort(int samples, Time now) noexcept {
  RtpHeader header = comfort_header_;
  while (samples > 0) {
    std::array<std::int16_t, kFrameSamples> pcm;
    const auto piece = std::span(pcm).first(static_cast<std::size_t>(std::min(samples, kFrameSamples)));
    header.timestamp = next_timestamp_;
    next_timestamp_ += static_cast<std::uint32_t>(piece.size());
    samples -= static_cast<int>(piece.size());
    if (!listens()) continue;
    comfort_.read(piece);
    take(header, {piece, {}}, Piece::heard, 0, 0, now);
  }
}

void MediaStream::heard_tone(const DtmfEvent& event) noexcept {
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

void MediaStream::send_audio(bool marker, std::uint32_t timestamp, const Audio& audio) noexcept {
  Bytes bytes;
  send(remote_.send_type, marker, timestamp, codec_.encode(audio, bytes),
       static_cast<int>(audio.narrow.size()));
  record(timestamp, audio.narrow);
}

// As it is. Of a codec with a memory, what is sent so is recorded by who knows its sound.
void MediaStream::send_bytes(bool marker, std::uint32_t timestamp,
                             std::span<const std::uint8_t> payload) noexcept {
  send(remote_.send_type, marker, timestamp, payload, codec_.length(payload));
  if (!record_sent_ || !codec_.memoryless()) return;
  AudioBuffer buffer;
  record(timestamp, codec_.decode(payload, buffer).narrow);
}

void MediaStream::record(std::uint32_t timestamp, std::span<const std::int16_t> pcm) noexcept {
  if (!record_sent_) return;
  static constexpr std::array<std::int16_t, kMostSamples> kNothing{};
  if (hides_sent_) pcm = std::span(kNothing).first(pcm.size());
  for (auto& recording : recordings_) recording->sent(timestamp, pcm, *host_);
}

void MediaStream::send(int type, bool marker, std::uint32_t timestamp, std::span<const std::uint8_t> payload,
                       int samples) noexcept {
  send_packet(type, marker, timestamp * codec_.ticks(), payload);
  const std::uint32_t until = timestamp + static_cast<std::uint32_t>(samples);
  if (!started_ || later_by(until, sent_until_) > 0) sent_until_ = until;
  started_ = true;
}

void MediaStream::send_packet(int type, bool marker, std::uint32_t rtp_timestamp,
                              std::span<const std::uint8_t> payload) noexcept {
  link_.send_to(source_.rtp_to(), source_.rtcp_to());
  if (link_.send(type, marker || !started_, rtp_timestamp, payload)) add<std::uint64_t>(counters_.sent);
}

// Nothing to say: a frame of silence, so that peers and NATs see one steady stream, or where both sides want
// it so nothing but now and then how quiet it is.
void MediaStream::send_silence() noexcept {
  ++quiet_;
  const bool sparse = options_.dtx && (remote_.comfort_noise_type >= 0 || codec_.codec() == Codec::opus);
  talking_ = false;
  if (sparse && quiet_ > kQuietFrames) {
    if ((quiet_ - kQuietFrames) % kStillEvery != 1) return;
    if (remote_.comfort_noise_type >= 0) {
      return send(remote_.comfort_noise_type, false, clock_, write_comfort_noise(kLeastComfort), 0);
    }
  }
  Bytes bytes;
  send(remote_.send_type, false, clock_, codec_.silence(bytes), kFrameSamples);
  static constexpr std::array<std::int16_t, kFrameSamples> kNothing{};
  record(clock_, kNothing);
}

void MediaStream::send_pcm(std::span<const std::int16_t> pcm) noexcept {
  send_audio(!talking_, clock_, {pcm, {}});
  talking_ = true;
}

void MediaStream::tick(Time now) noexcept {
  if (!recordings_.empty()) tick_recordings();
  if (!negotiated_) return;
  tick_hearing(now);
  if (++ticks_ % 50 == 0) {
    if (!shares_port()) link_.connect(host_->crowded() && now - heard_ < kSteady);
    tick_numbers();
  }
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
  if (comforted_) {
    const auto behind = later_by(comfort_header_.timestamp, next_timestamp_) +
                        (now - comfort_at_) / (1'000'000us / kSampleRateHz) - kComfortLag;
    if (behind >= kFrameSamples)
      make_comfort(static_cast<int>(std::min<std::int64_t>(behind, kMostLost)), now);
    return;
  }
  if (now - audio_heard_ < kQuiet) return;
  // Nothing comes: that is silence.
  if (tone_down_ && tones_) {
    DtmfEvents& events = host_->scratch();
    tones_->finish(events);
    for (const DtmfEvent& event : events) heard_tone(event);
    events.clear();
  }
  static constexpr std::array<std::int16_t, kFrameSamples> kNothing{};
  if (voice_) report_voice(voice_->process(kNothing));
}

void MediaStream::tick_numbers() noexcept {
  constexpr auto order = std::memory_order_relaxed;
  const RtpReceiverStats& reception = link_.reception();
  const double round_trip_ms = link_.round_trip_ms();
  counters_.jitter_ms.store(reception.jitter_ms(), order);
  counters_.round_trip_ms.store(round_trip_ms, order);
  const Millis delay(static_cast<int>(round_trip_ms / 2) + kFrame.count());
  counters_.mos.store(estimate_mos(reception.loss_ratio(), delay), order);
  counters_.lost.store(order_.lost(), order);
  counters_.late.store(order_.late(), order);
  counters_.voice_samples.store(voice_before_ + (voice_ ? voice_->voice_samples() : 0), order);
}

bool MediaStream::send_dialling() noexcept {
  if (!dialling_) return false;
  bool sent = false, done = true;
  if (dialling_->events && remote_.send_event_type >= 0) {
    const auto payload = dialling_->events->next(clock_ * codec_.ticks());
    done = dialling_->events->done();
    if (payload) {
      send_packet(remote_.send_event_type, payload->marker, payload->timestamp, payload->bytes);
      started_ = sent = true;
      sent_until_ = clock_;
    } else if (!done) {
      send_silence();
      sent = true;
    }
  } else if (dialling_->tones) {
    std::array<std::int16_t, kFrameSamples> pcm;
    sent = dialling_->tones->read(pcm) > 0;
    done = dialling_->tones->done();
    if (sent) send_pcm(pcm);
  }
  if (sent) talking_ = false;
  if (!done) return true;
  auto following = std::move(dialling_->next);
  host_->tell({.what = media::DigitsSent{id_}, .dialling = std::exchange(dialling_, std::move(following))});
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
    const std::size_t frame = frame_samples(clip.codec);
    const std::size_t size = frame_bytes(clip.codec);
    const std::size_t at = play.frame * size;
    if (at + size > clip.bytes.size()) {
      ++play.clip;
      play.frame = 0;
      continue;
    }
    const std::span<const std::uint8_t> bytes{clip.bytes.data() + at, size};
    hides_sent_ = clip.secret;
    if (clip.codec == codec_.codec() && (codec_.memoryless() || !record_sent_)) {
      send_bytes(!talking_, clock_, bytes);
    } else {  // coded as it is sent, or made before the codec changed
      AudioBuffer buffer;
      send_audio(!talking_, clock_, play.read(clip, bytes, buffer));
    }
    hides_sent_ = false;
    talking_ = true;
    const auto left = clip.samples - static_cast<std::int64_t>(play.frame * frame);
    const auto played = std::clamp<std::int64_t>(left, 0, static_cast<std::int64_t>(frame));
    play.samples += played * kFrameSamples / static_cast<std::int64_t>(frame);
    ++play.frame;
    return true;
  }
  finish_play(true);
  return false;
}

void MediaStream::finish_play(bool completed) noexcept {
  if (!playing_) return;
  const media::PlayEnded ended{id_, playing_->id, playing_->samples, completed};
  host_->tell({.what = ended, .playing = std::move(playing_)});
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
  if (hides_digits_) recording->hide_digits(true);
  recordings_.push_back(std::move(recording));
}

void MediaStream::hide_digits(bool on, Recording::Cutters cutters) noexcept {
  hides_digits_ = on;
  for (auto& recording : recordings_) {
    recording->equip(cutters);
    recording->hide_digits(on);
  }
  if (cutters.capacity() == 0) return;
  // The list itself, and those of recordings that have ended meanwhile.
  host_->tell({.what = Notice::Spare{std::move(cutters)}});
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

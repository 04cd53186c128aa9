#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "edge/ortp.hpp"
#include "edge/udp.hpp"
#include "engine/media_order.hpp"
#include "engine/media_sorter.hpp"
#include "engine/media_source.hpp"
#include "engine/recording.hpp"
#include "engine/stream_codec.hpp"
#include "ivr/audio.hpp"
#include "ivr/comfort_noise.hpp"
#include "ivr/dtmf.hpp"
#include "ivr/key_relay.hpp"
#include "ivr/playout_line.hpp"
#include "ivr/ports.hpp"
#include "ivr/telephone_event.hpp"
#include "ivr/voice_activity.hpp"

namespace ivr {

class MediaStream;

// A play on its way: made by control, run by the media thread, given back to be freed.
struct Playing {
  PlayId id;
  std::vector<ClipPtr> clips;
  int loops;                       // 0: for ever
  std::size_t clip = 0;            // the one that sounds
  std::size_t frame = 0;           // the next of it
  std::int64_t samples = 0;        // sent
  std::unique_ptr<HalfRate> half;  // for clips at 16 kHz; null: there are none

  // `from` the beginning, as if one round came after the other.
  Playing(PlayId play, std::vector<ClipPtr> of, int times, Millis from);
  // Whole frames of one of the clips.
  Audio read(const Clip& of, std::span<const std::uint8_t> bytes, AudioBuffer& into) noexcept;
};

// Keys on their way out, as events or as tones, whatever the peer takes.
struct Dialling {
  std::optional<TelephoneEventSender> events;  // or
  std::optional<DtmfGenerator> tones;
  std::unique_ptr<Dialling> next;
};

// What a media thread tells control. `playing`, `dialling` and `codec` only come home to be freed.
struct Notice {
  struct Released {
    StreamId stream = 0;
  };  // closed: the memory and the ports are control's again
  struct Detached {
    StreamId stream = 0;
  };  // may be attached to another thread
  struct Held {
    StreamId stream = 0;
  };  // nothing more goes from its port to the thread that it is in
  struct Spare {
    Recording::Cutters cutters;
  };  // to be freed
  using What = std::variant<std::monostate, media::Event, Released, Detached, Held, Spare>;
  What what{};
  std::unique_ptr<Playing> playing{};
  std::unique_ptr<Dialling> dialling{};
  StreamCodec codec{};
};

// What a stream needs of the thread it lives in. Never waits, never loses a notice.
class MediaHost : public RecordHost {
 public:
  virtual void tell(Notice&& notice) noexcept = 0;
  virtual DtmfEvents& scratch() noexcept = 0;  // empty, with room for what one packet can hold
  // Sound for the stream's detector, in order; it is copied. What is heard in it comes by heard_tone(),
  // before anything else happens to the stream.
  virtual void listen(MediaStream& stream, const DtmfPiece& piece) noexcept = 0;
  virtual HeldPool& held() noexcept = 0;      // room for packets behind a hole
  virtual bool crowded() const noexcept = 0;  // so many streams that each has to cost less

 protected:
  ~MediaHost() = default;
};

// Numbers that the media thread writes and anyone reads.
struct StreamCounters {
  std::atomic<std::uint64_t> sent{0}, received{0}, lost{0}, late{0}, foreign{0}, malformed{0};
  std::atomic<std::int64_t> voice_samples{0};
  std::atomic<double> jitter_ms{0}, round_trip_ms{0}, mos{0};

  StreamStats read() const noexcept;
};

// Keys on their way to a stream whose telephone-event has another clock: the durations in the packets, and a
// long press, which is in pieces of 65,535 ticks (RFC 4733, 2.5.1.3), in one.
//
// Thread:   one at a time.
// Realtime: bounded, never allocates.
class EventScale {
 public:
  using Payload = std::array<std::uint8_t, 32>;

  // Of one packet: what is to be sent in place of it. Its timestamp becomes that of the press.
  std::span<const std::uint8_t> operator()(RtpFrame& frame, int from_hz, int to_hz, Payload& into) noexcept;

 private:
  bool known_ = false, ended_ = false;
  std::uint32_t ssrc_ = 0, press_ = 0, piece_ = 0;  // timestamps in samples at 8 kHz
  std::int64_t before_ = 0;                         // ticks of the pieces that are over
};

// One stream: what arrives is judged, put in order and heard; every 20 ms one packet leaves. Whatever clock a
// codec has, times in here are samples at 8 kHz: they become the codec's own where packets come and go.
//
// Thread:   made and destroyed by control; in between its media thread's alone, but for counters().
// Realtime: everything but the constructor and the destructor.
class MediaStream {
 public:
  struct Remote {  // RemoteMedia with addresses that need no parsing
    SourceGuard::Negotiated address;
    int send_type = 0, receive_type = 0;
    int send_event_type = -1, receive_event_type = -1;
    int event_clock_hz = kSampleRateHz;
    int comfort_noise_type = -1;
    bool send = true, receive = true;
  };

  // On a port of its own, or on one that is shared and borrowed.
  MediaStream(StreamId id, const StreamOptions& options, PortRange::Pair ports,
              const PortRange::Pair* shared = nullptr);

  StreamId id() const noexcept { return id_; }
  std::uint16_t port() const noexcept { return shares_port() ? shared_->port : ports_.port; }
  bool shares_port() const noexcept { return shared_ != nullptr; }
  const PortRange::Pair* shared_port() const noexcept { return shared_; }
  void send_by(DatagramOutbox* outbox) noexcept { link_.send_by(outbox); }
  int rtp_fd() const noexcept { return ports_.rtp.fd(); }
  int rtcp_fd() const noexcept { return ports_.rtcp.fd(); }
  const StreamCounters& counters() const noexcept { return counters_; }
  void close_sockets() noexcept;

  void set_host(MediaHost* host) noexcept {
    host_ = host;
    order_.hold_in(host->held());
  }
  void set_remote(const Remote& remote, std::optional<StreamCodec> codec,
                  Time now) noexcept;  // nothing: as it was
  void play(std::unique_ptr<Playing> playing) noexcept;
  void stop_play(PlayId play) noexcept;
  void dial(std::unique_ptr<Dialling> dialling) noexcept;
  void start_record(std::unique_ptr<Recording> recording) noexcept;
  void stop_record(RecordId record) noexcept;
  void detect_voice(bool on) noexcept;
  // What a bridge that cuts keys, or a supervised one, needs of each of its streams; kept to the end.
  void equip(std::unique_ptr<PlayoutLine> line, std::unique_ptr<KeyCutter> cutter) noexcept;
  // Both in the same thread. Options are those of both directions; the same peer again: other options.
  void bridge(MediaStream& peer, const BridgeOptions& options) noexcept;
  void unbridge() noexcept;
  void mute(bool on) noexcept { muted_ = on; }
  void hide_digits(bool on, Recording::Cutters cutters) noexcept;  // as many as its recordings lack
  void supervise(MediaStream* party, Supervision mode) noexcept;
  void leave() noexcept;  // everybody it was connected with
  void end() noexcept;    // before the sockets close

  void move_recordings(ChunkPool& pool);  // by control, while the stream is in no thread

  void received(std::span<const std::uint8_t> packet, bool cut, Endpoint from, Time now) noexcept;
  void received_rtcp(std::span<const std::uint8_t> packet, bool cut, Endpoint from, Time now) noexcept;
  void tick(Time now) noexcept;  // every 20 ms
  void heard_tone(const DtmfEvent& event) noexcept;
  // Fetches what a packet or a tick will need: of many streams each is out of the cache when its turn comes.
  void prefetch() const noexcept {
    const auto all = std::as_bytes(std::span(this, 1));
    for (std::size_t at = 0; at < kHotBytes; at += 64) __builtin_prefetch(&all[at]);
  }
  void prefetch_play() const noexcept {  // when the rest is there
    if (playing_) __builtin_prefetch(playing_.get());
  }
  bool alone() const noexcept {  // nobody waits for what it hears
    return peer_ == nullptr && party_ == nullptr && supervisors_ == nullptr;
  }

  SourceSorter::Line place;                     // of the thread whose port it shares
  int phase = 0;                                // the thread's notes: which of its 20 ms
  bool more_waits = false;                      // the socket was not emptied
  bool polled = false;                          // with its phase, and not when something comes
  std::chrono::steady_clock::time_point due{};  // of the next tick, from one thread to another

 private:
  static constexpr std::size_t kHotBytes = 1088;  // from the beginning into order_

  void change_codec(StreamCodec codec) noexcept;
  void hear(const RtpFrame& frame, int lost, Time now) noexcept;
  bool listens() const noexcept;
  enum class Piece { heard, detected, made_up };  // detected: heard by the detector already
  void take(const RtpHeader& header, const Audio& audio, Piece piece, int missing, int lost,
            Time now) noexcept;
  void hear_comfort(const RtpFrame& frame, Time now) noexcept;
  void make_comfort(int samples, Time now) noexcept;
  void report_keys(std::span<const TelephoneEvent> events) noexcept;
  void report_voice(VoiceChange change) noexcept;
  void tick_hearing(Time now) noexcept;
  void tick_recordings() noexcept;
  void forget_finished_recordings() noexcept;
  void tick_numbers() noexcept;
  // Of what it received, to those it is connected with; the other side of it on the listener.
  bool shared() const noexcept;
  bool relays_packets() const noexcept;
  void share(const RtpHeader& header, const Audio& audio, int missing, int lost, Time now) noexcept;
  void share_piece(const RtpHeader& header, const Audio& audio, int lost, Time now) noexcept;
  void relay(const RtpFrame& frame, bool event, Time now) noexcept;
  void relay_audio(const RtpFrame& frame, Time now) noexcept;
  void relay_event(RtpFrame frame, Time now) noexcept;
  void relay_pcm(const RtpHeader& header, const Audio& audio, int lost, Time now) noexcept;
  void relay_frames(bool marker, std::uint32_t timestamp, const Audio& audio) noexcept;
  bool records_relayed() const noexcept;
  void relay_key(const TelephoneEvent& event) noexcept;
  bool may_send() const noexcept;
  bool speaks_itself() const noexcept;  // in place of what is relayed
  bool relaying(Time now) const noexcept;
  bool comfort_passes() const noexcept;
  void anchor(const RtpHeader& header) noexcept;
  void tick_sending(Time now) noexcept;
  // Supervision: who is heard in a mix, and who hears one.
  template <class Hear>
  void each_heard(Hear&& hear) const noexcept;
  bool mixes() const noexcept;
  bool mixed() const noexcept;
  void tick_line(Time now) noexcept;
  bool send_keys() noexcept;
  bool send_mix() noexcept;
  bool send_comfort() noexcept;
  void send_silence() noexcept;
  void send_pcm(std::span<const std::int16_t> pcm) noexcept;
  void send_audio(bool marker, std::uint32_t timestamp, const Audio& audio) noexcept;
  void send_bytes(bool marker, std::uint32_t timestamp, std::span<const std::uint8_t> payload) noexcept;
  void record(std::uint32_t timestamp, std::span<const std::int16_t> pcm) noexcept;
  void send(int type, bool marker, std::uint32_t timestamp, std::span<const std::uint8_t> payload,
            int samples) noexcept;
  void send_packet(int type, bool marker, std::uint32_t rtp_timestamp,
                   std::span<const std::uint8_t> payload) noexcept;
  bool send_dialling() noexcept;
  bool send_playing() noexcept;
  void finish_play(bool completed) noexcept;
  void tell(media::Event event) noexcept;

  // What each packet and each tick look at comes first and in one piece: prefetch() fetches it. What few
  // streams have, and what is large, comes last.
  const StreamId id_;
  const StreamOptions options_;
  PortRange::Pair ports_;
  const PortRange::Pair* const shared_ = nullptr;
  RtpLink link_;
  MediaHost* host_ = nullptr;
  StreamCounters counters_;

  Remote remote_;
  StreamCodec codec_;
  TimestampScale scale_;  // of what comes
  SourceGuard source_;
  bool negotiated_ = false;
  bool tone_down_ = false;
  bool reports_voice_ = false;
  bool followed_ = false;     // next_timestamp_ is known
  bool comforted_ = false;    // the peer sends noise only (RFC 3389)
  bool record_sent_ = false;  // one of the recordings has both sides
  bool hides_digits_ = false, hides_sent_ = false;
  bool timed_out_ = false;
  bool talking_ = false;  // the last packet was no silence
  bool started_ = false;
  bool muted_ = false;
  bool line_runs_ = false;
  std::uint32_t next_timestamp_ = 0;  // of the audio after what was heard
  Time audio_heard_{};
  Time heard_{};  // the last packet, or when we began to expect one
  std::vector<std::unique_ptr<Recording>> recordings_;
  int ticks_ = 0;
  std::uint32_t clock_ = 0;  // RTP timestamp of the next tick
  int quiet_ = 0;            // ticks of silence in a row
  std::uint32_t sent_until_ = 0;
  std::unique_ptr<Playing> playing_;
  std::unique_ptr<Dialling> dialling_;
  MediaStream* peer_ = nullptr;
  MediaStream* party_ = nullptr;            // whom we supervise
  MediaStream* supervisors_ = nullptr;      // ours: the first,
  MediaStream* next_supervisor_ = nullptr;  // and of a supervisor the next
  Supervision mode_ = Supervision::off;
  BridgeOptions bridge_;
  struct Relay {  // how the peer's numbers become ours
    bool anchored = false;
    std::uint32_t ssrc = 0, timestamp_offset = 0;
    std::uint16_t sequence_offset = 0;
    std::uint16_t oldest = 0;  // of ours: what was sent before it is over
    Time at{};
  } relay_;
  std::unique_ptr<KeyCutter> cutter_;  // for what the others hear of us
  std::unique_ptr<PlayoutLine> line_;  // the same, in frames
  InOrder order_;

  TelephoneEventReceiver keys_;
  std::optional<DtmfDetector> tones_;
  std::optional<VoiceActivity> voice_;
  std::int64_t voice_before_ = 0;  // samples, of earlier detections
  ComfortNoise comfort_;
  RtpHeader comfort_header_;  // of what said last that noise is all
  Time comfort_at_{};
  struct EventRelay {  // of a key among frames that are our own
    bool known = false;
    std::uint32_t ssrc = 0, theirs = 0, ours = 0;  // timestamps
  } event_relay_;
  EventScale event_scale_;
  std::size_t framed_ = 0;  // samples of what is coded anew: its frame is the codec's, and it begins here
  std::uint32_t frame_from_ = 0;
  KeySounder sounder_;  // the peer's keys, for a listener without events
};

}  // namespace ivr

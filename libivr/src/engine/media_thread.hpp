#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "edge/clock.hpp"
#include "engine/mailbox.hpp"
#include "engine/media_shared_port.hpp"
#include "engine/media_stream.hpp"

namespace ivr {

// What control asks of a media thread. The stream stays control's to free, after Notice::Released.
struct MediaCommand {
  struct Attach {};
  struct Detach {};
  // To the thread whose port the stream shares, wherever the stream is:
  struct Announce {  // where its peer is
    SourceGuard::Negotiated address;
    SourceSorter::Types types;
  };
  struct Hold {};  // keep what comes: it is leaving the thread that it is in; Notice::Held follows
  struct Route {
    SharedPort* to = nullptr;  // that of the thread where it has gone
  };
  struct Forget {};  // its end; Notice::Held follows
  struct SetRemote {
    MediaStream::Remote remote;
    std::optional<StreamCodec> codec;  // nothing: the same as before
  };
  struct Play {
    std::unique_ptr<Playing> playing;
  };
  struct StopPlay {
    PlayId play = 0;
  };
  struct Dial {
    std::unique_ptr<Dialling> dialling;
  };
  struct StartRecord {
    std::unique_ptr<Recording> recording;
  };
  struct StopRecord {
    RecordId record = 0;
  };
  struct DetectVoice {
    bool on = false;
  };
  struct Equip {
    std::unique_ptr<PlayoutLine> line;
    std::unique_ptr<KeyCutter> cutter;
  };
  struct Bridge {
    MediaStream* peer = nullptr;  // in the same thread, as are all that are connected
    BridgeOptions options;
  };
  struct Unbridge {};
  struct Mute {
    bool on = false;
  };
  struct HideDigits {
    bool on = false;
    Recording::Cutters cutters;
  };
  struct Supervise {
    MediaStream* party = nullptr;
    Supervision mode = Supervision::off;
  };
  struct Close {};
  using What = std::variant<std::monostate, Attach, Detach, Announce, Hold, Route, Forget, SetRemote, Play,
                            StopPlay, Dial, StartRecord, StopRecord, DetectVoice, Equip, Bridge, Unbridge,
                            Mute, HideDigits, Supervise, Close>;

  MediaStream* stream = nullptr;
  What what;
};

// One thread that serves many streams: it sleeps to the next millisecond that has work, sends what is due
// there, and takes what has arrived. With few streams it also wakes for each packet; with many the
// millisecond is the batch; in a crowd a stream that is connected with no other is read once in its 20 ms,
// shortly before it speaks, and nobody is told of its packets.
//
// With a shared port there is one socket to read, each millisecond, and all that a tick or a batch has to
// send leaves together: see SharedPort.
//
// Thread:   start(), post(), wake(), next() and stop() by control.
// Realtime: no allocation as long as control leaves no more than kNotices unread; then notices spill to the
//           heap rather than be lost.
class MediaThread final : public MediaHost {
 public:
  static constexpr std::size_t kCommands = 4096, kNotices = 8192;
  static constexpr std::size_t kCrowd = 128;  // streams; and three quarters of it are none again

  // `signalled`: set when `notify` was called and not all was read since.
  MediaThread(const SteadyClock& clock, RecordingWriter& writer, std::atomic<bool>& signalled,
              std::function<void()> notify);
  ~MediaThread();

  // The pair that streams of this thread share, before start(). `guests`: other threads have ports, too.
  void share_port(PortRange::Pair ports, bool guests);
  SharedPort* shared_port() noexcept { return port_ ? &*port_ : nullptr; }

  absl::Status start();
  // Waits while the mailbox is full: the thread empties it every millisecond. A thread that sleeps longer
  // hears of it by wake().
  void post(MediaCommand&& command);
  void wake() noexcept;
  bool next(Notice& notice) noexcept { return notices_.pop(notice); }
  void stop();
  ChunkPool& chunks() noexcept override { return chunks_; }
  // Of the milliseconds of the last seconds that had streams, how many in a thousand began more than kLate
  // after their time. A machine that stalls once is not meant.
  static constexpr std::chrono::milliseconds kLate{5};
  int late_per_mille() const noexcept { return late_per_mille_.load(std::memory_order_relaxed); }
  bool flush_jobs();  // to the writer, true when none is left; by control after stop()

 private:
  using Steady = std::chrono::steady_clock;
  static constexpr int kPhases = 20;
  static constexpr std::size_t kFewStreams = 32;
  static constexpr int kLead = 4;  // ms from what is read to what is said: control may answer in between
  static constexpr int kMostAtOnce = 32;  // packets from one socket before the others get their turn

  void tell(Notice&& notice) noexcept override;
  DtmfEvents& scratch() noexcept override { return scratch_; }
  void listen(MediaStream& stream, const DtmfPiece& piece) noexcept override;
  void hear_tones();
  HeldPool& held() noexcept override { return held_packets_; }
  bool crowded() const noexcept override { return crowded_; }
  void write(RecordJob&& job) noexcept override;
  void run();
  void take_commands();
  void handle(MediaCommand& command);
  void attach(MediaStream* stream);
  void detach(MediaStream* stream);
  void receive_all();
  struct Instant {
    Time now;
    std::chrono::system_clock::time_point wall;  // the same, as the system notes when a packet came
  };
  Instant instant() const noexcept { return {clock_.now(), std::chrono::system_clock::now()}; }
  void receive(MediaStream* stream, const Instant& at);
  void read_phase(int phase);
  void choose_reading(MediaStream* stream);
  void receive_rtcp(MediaStream* stream);
  void take_forwarded();
  void rouse() noexcept;
  void send_due();
  void note_lateness(Steady::duration behind);
  void flush_notices();
  void sleep();

  const SteadyClock& clock_;
  std::atomic<bool>& signalled_;
  const std::function<void()> notify_;
  Mailbox<MediaCommand> commands_{kCommands};
  Mailbox<Notice> notices_{kNotices};
  std::vector<Notice> spilled_;  // newest last; only when notices_ is full
  bool told_ = false;
  bool posted_ = false;  // control's: since it last woke us
  RecordingWriter& writer_;
  ChunkPool chunks_;
  std::vector<RecordJob> unwritten_;  // oldest first; only when the writer's mailbox is full
  DtmfEvents scratch_;
  HeldPool held_packets_;

  // What is to be heard of all channels at once.
  static constexpr std::size_t kPieces = 512, kSound = 96 << 10;
  DtmfBank bank_;
  std::vector<DtmfPiece> pieces_;
  std::vector<MediaStream*> heard_of_;  // each piece
  std::vector<std::int16_t> sound_;     // samples, or two bytes of G.711
  std::size_t sounds_ = 0;              // of these
  std::vector<DtmfHeard> heard_;

  std::array<std::vector<MediaStream*>, kPhases> phases_;
  std::vector<MediaStream*> unfinished_;  // their sockets were not emptied
  std::size_t streams_ = 0;
  bool crowded_ = false;
  DatagramBatch batch_;
  Steady::time_point due_;  // when phase_ is to be sent
  int phase_ = 0;
  int begun_ = 0, late_ = 0;      // milliseconds that had streams
  Steady::time_point counted_{};  // since
  std::atomic<int> late_per_mille_{0};

  std::optional<SharedPort> port_;

  int epoll_ = -1, wake_ = -1;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace ivr

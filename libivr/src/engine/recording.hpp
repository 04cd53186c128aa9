#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/mailbox.hpp"
#include "ivr/key_relay.hpp"
#include "ivr/ports.hpp"
#include "ivr/voice_activity.hpp"

// Recording a stream: the media thread fills chunks of audio, a writer thread puts them into WAV files. A
// slow disk holds up the writer, never the audio; when it holds up more than the chunks can take, the
// recording fails and says so.

namespace ivr {

class ChunkPool;

struct AudioChunk {
  static constexpr std::size_t kSamples = 4096;  // half a second
  ChunkPool* home = nullptr;
  std::size_t size = 0;
  std::array<std::int16_t, kSamples> samples;
};
using ChunkPtr = std::unique_ptr<AudioChunk>;

// Chunks for the recordings of one media thread. Every recording brings enough for kStall of disk trouble;
// they are shared, and the writer gives them back.
//
// Thread:   take() by the media thread, the others any.
// Realtime: take() never waits; nothing when all are with the writer.
class ChunkPool {
 public:
  static constexpr int kStallSeconds = 5;
  static constexpr std::size_t kMost = 8192;

  ChunkPool() : free_(kMost) {}
  void grow(int tracks);    // one recording more
  void shrink(int tracks);  // one less
  ChunkPtr take() noexcept;
  static void give_back(ChunkPtr chunk);  // to its home

 private:
  static std::ptrdiff_t share(int tracks) noexcept;
  Mailbox<ChunkPtr> free_;
  std::atomic<std::ptrdiff_t> wanted_{0}, made_{0};
};

class Recording;

struct RecordJob {
  Recording* recording = nullptr;
  int track = 0;
  ChunkPtr chunk;                       // audio for the track
  std::unique_ptr<Recording> finished;  // the last job of a recording: it goes back
};

// What a recording needs of its media thread. Never waits, never loses a job.
class RecordHost {
 public:
  virtual ChunkPool& chunks() noexcept = 0;
  virtual void write(RecordJob&& job) noexcept = 0;

 protected:
  ~RecordHost() = default;
};

// One recording as its media thread sees it. Each side is a track with RTP timestamps for its time: what was
// lost is silence, what comes after a pause stands where it belongs. A side that sends nothing falls behind
// the clock by a second at most and is filled up, so the file is as long as what it recorded. A side whose
// timestamps are off the clock for a second, because its sender's clock drifts or stood still, is brought
// back when that is more than 60 ms: the two sides stay in step however long the call is.
//
// Keys are cut out of all of it, or from hide_digits(true) on until off and half a second more, because a
// tone may come after what tells of it. What is not cut is as it came, and where it would be. A recording
// whose keys were never to be hidden has nothing that listens for them.
//
// Thread:   made by control, then the media thread's until finish(), then the writer's.
// Realtime: everything but the constructor and the destructor.
class Recording {
 public:
  // What hiding keys takes, one a track: too large for each recording to have, and made by control.
  using Cutters = std::vector<std::unique_ptr<KeyCutter>>;
  static Cutters make_cutters(int tracks);

  // `pool` has grown by this one's tracks; the writer shrinks it again.
  Recording(StreamId stream, RecordId id, const RecordSpec& spec, ChunkPool& pool);

  RecordId id() const noexcept { return id_; }
  StreamId stream() const noexcept { return stream_; }
  const std::string& path() const noexcept { return spec_.path; }
  int tracks() const noexcept { return spec_.both_sides ? 2 : 1; }

  void heard(std::uint32_t timestamp, std::span<const std::int16_t> pcm, RecordHost& host) noexcept;
  void sent(std::uint32_t timestamp, std::span<const std::int16_t> pcm, RecordHost& host) noexcept;
  // How many cutters hide_digits(true) will have to bring along: none when it has them already.
  int lacks_cutters() const noexcept;
  void equip(Cutters& from) noexcept;           // takes what it lacks
  void hide_digits(bool on) noexcept;           // on: it lacks none
  void tick(RecordHost& host) noexcept;         // every 20 ms
  bool over() const noexcept { return over_; }  // max, silence or a failure: finish() it

  // Ends it, for finish_key when nothing else did before; the writer tells RecordEnded once the file is
  // whole.
  static void finish(std::unique_ptr<Recording> recording, RecordHost& host) noexcept;

  // To another media thread, by control while the stream is in none: with its share of the chunks.
  void move_to(ChunkPool& pool);

  // The writer's.
  void fail() noexcept { failed_.store(true, std::memory_order_relaxed); }
  ChunkPool& pool() const noexcept { return *pool_; }
  std::int64_t samples() const noexcept { return length_; }
  outcome::RecordEnd end() const noexcept { return end_; }
  bool starved() const noexcept { return starved_; }

 private:
  struct Track {
    ChunkPtr chunk;
    std::int64_t length = 0;
    bool began = false, anchored = false;
    std::uint32_t anchor_timestamp = 0;
    std::int64_t anchor = 0;
    // How far behind the clock the packets were since `watched` was 0, at least and at most.
    int watched = 0;
    std::int64_t least_behind = 0, most_behind = 0;
    // From when keys were first to be hidden on what is appended goes through it. It has so many samples to
    // come that were stored before.
    std::unique_ptr<KeyCutter> cutter;
    bool cuts = false;
    std::size_t stored_before = 0;
  };
  static constexpr int kWatch = 50;                         // packets
  static constexpr std::int64_t kLag = kSampleRateHz;       // how far a track may be off the clock
  static constexpr std::int64_t kLive = 3 * kFrameSamples;  // a track this close to the clock is live
  static constexpr std::int64_t kStillHidden = kSampleRateHz / 2;

  void put(int track, std::uint32_t timestamp, std::span<const std::int16_t> pcm, RecordHost& host) noexcept;
  std::int64_t correction(Track& track, std::int64_t behind) const noexcept;
  enum class Kind { sound, hole };
  void append(int track, std::span<const std::int16_t> pcm, Kind kind, RecordHost& host) noexcept;
  void cut(int track, std::span<const std::int16_t> pcm, Kind kind, RecordHost& host) noexcept;
  void store(int track, std::span<const std::int16_t> pcm, RecordHost& host) noexcept;
  void pad(int track, std::int64_t to, RecordHost& host) noexcept;
  bool next_chunk(int track, RecordHost& host) noexcept;
  void stop(outcome::RecordEnd end) noexcept;

  const StreamId stream_;
  const RecordId id_;
  const RecordSpec spec_;
  const std::int64_t most_;  // samples
  ChunkPool* pool_;
  std::array<Track, 2> tracks_;
  std::int64_t clock_ = 0;     // samples since the start, by the ticks
  std::int64_t heard_at_ = 0;  // of that clock
  VoiceActivity voice_;
  std::optional<std::int64_t> shows_at_;  // of that clock: keys are hidden no longer
  std::int64_t length_ = 0;               // in the end
  outcome::RecordEnd end_ = outcome::RecordEnd::finish_key;
  bool over_ = false, starved_ = false;
  std::atomic<bool> failed_{false};
};

// The thread that owns the files: 16-bit WAV at 8 kHz, the header made true about once a second, so that a
// file plays whatever happens to the program.
//
// Thread: start(), stop() and next() by control, post() any.
class RecordingWriter {
 public:
  // `told`: an event waits in next().
  explicit RecordingWriter(std::function<void()> told);
  ~RecordingWriter();

  void start();
  // False when full, with the job as it was. The first job of a recording only names it: its file is made.
  bool post(RecordJob&& job) noexcept;
  bool next(media::RecordEnded& ended) noexcept;
  void stop();  // writes all that was posted

 private:
  struct File;
  void run();
  void handle(RecordJob& job);
  void open(Recording& recording);
  void write(File& file, bool all);
  void finish(std::unique_ptr<Recording> recording);
  void tell(media::RecordEnded ended);

  const std::function<void()> told_;
  Mailbox<RecordJob> jobs_{16384};
  Mailbox<media::RecordEnded> ended_{4096};
  std::vector<media::RecordEnded> untold_;
  std::vector<std::unique_ptr<File>> files_;
  std::atomic<bool> behind_{false};  // untold_ is not empty
  std::atomic<std::uint32_t> posted_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace ivr

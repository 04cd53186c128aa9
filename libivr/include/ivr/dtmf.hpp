#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"

// Keys as sound: made (DtmfGenerator) and heard (DtmfDetector). ITU-T Q.23 names the tones, Q.24 and
// ETSI ES 201 235-3 say what a receiver must take and what it must refuse.

namespace ivr {

// The sixteen keys, row by row: the low tone is that of the row, the high tone that of the column.
inline constexpr std::string_view kDtmfKeys = "123A456B789C*0#D";

struct DtmfTone {
  Millis tone = 100ms;
  Millis pause = 100ms;      // after every key, also the last
  double level_dbm0 = -9.0;  // of the low tone
  double twist_db =
      2.0;            // the high tone is so much louder (ES 201 235-2 wants 2 dB +- 1 dB); may be negative
  Millis fade = 2ms;  // raised-cosine edges inside the tone: no clicks
};

// Turns keys into 8 kHz audio. It hears nothing and knows no RTP.
//
// Thread:   one at a time.
// Realtime: read() is bounded and never allocates.
class DtmfGenerator {
 public:
  // Refuses a tone shorter than 10 ms or its own edges, levels that would clip, and negative times.
  static absl::StatusOr<DtmfGenerator> create(const DtmfTone& tone);

  // Appends keys (0-9 * # A-D, small letters too; 'w' is half a second and 'W' a second of silence).
  // Refuses the whole string when one of them is none.
  absl::Status dial(std::string_view keys);

  // Fills `out` from the front and returns how many samples were left to play; the rest of `out` is silence.
  std::size_t read(std::span<std::int16_t> out) noexcept;

  bool done() const noexcept { return next_ == queue_.size(); }

 private:
  explicit DtmfGenerator(const DtmfTone& tone);
  DtmfTone tone_;
  int on_ = 0, off_ = 0, edge_ = 0;  // samples
  double low_ = 0, high_ = 0;        // amplitudes
  std::vector<char> queue_;
  std::size_t next_ = 0;
  int at_ = 0;  // samples into queue_[next_]
};

struct DtmfOptions {
  double floor_dbm0 = -42.0;          // a tone below this is none
  double max_low_over_high_db = 9.5;  // twist taken (Q.24: at least 8)
  double max_high_over_low_db = 6.5;  // reverse twist taken (Q.24: at least 4, NTT 5)
};

struct DtmfEvent {
  enum class Kind { began, ended };
  Kind kind = Kind::began;
  char digit = 0;
  std::int64_t onset = 0;             // samples since create(), lost ones included
  std::int64_t length = 0;            // samples; at `began` as far as heard
  float low_dbm0 = 0, high_dbm0 = 0;  // levels of the two tones
};
using DtmfEvents = std::vector<DtmfEvent>;

struct DtmfRoutines;

// What a detector remembers of the sound: for each of its steps of 5 ms the tones as complex numbers, against
// one clock, and the energy. Of interest to core/dtmf_routines.hpp only.
struct DtmfSpectra {
  static constexpr int kTones = 8;
  static constexpr int kHop = 40;          // samples: 5 ms
  static constexpr int kSlots = 32;        // hops: 160 ms
  static constexpr int kNotReceived = -1;  // an energy

  struct Number {
    std::int16_t re = 0, im = 0;
  };
  alignas(64) std::array<std::array<Number, kTones>, kSlots> tone{};
  std::array<std::int32_t, kSlots> energy{};
  std::array<std::uint32_t, kTones>
      present{};  // of each tone a bit a hop, the newest lowest: more than a trace
};

// Hears keys in 8 kHz audio. `began` comes about 28 ms after the onset of a clean tone and later when speech
// or noise lies over it; it is the moment to act. `ended` follows once the tone has been away for 25 ms, so a
// drop-out of 20 ms does not make two keys of one. A key is never begun twice without an end between.
//
// It looks every 5 ms at how much of the sound two steady tones of the right frequencies explain; the longer
// they hold, the smaller the part that will do. Where somebody before us played a packet again for one that
// was lost, no tone holds long: three packets of 20 ms in a row, each of them a clean key, will do instead.
//
// Thread:   one at a time.
// Realtime: process() and lost() are bounded; they allocate only where `out` has too little capacity (at most
//           two events for every 5 ms of audio).
class DtmfDetector {
 public:
  // Refuses a floor above -25 dBm0 or below -60, and twist limits outside 0 to 20 dB.
  static absl::StatusOr<DtmfDetector> create(const DtmfOptions& options = {});

  // Appends to `out`. Any number of samples a call; multiples of 160 are the fastest.
  void process(std::span<const std::int16_t> pcm, DtmfEvents& out) noexcept;

  // `samples` were never received. A key that sounds goes on, for up to 200 ms; nothing is concluded from the
  // hole.
  void lost(int samples, DtmfEvents& out) noexcept;

  // The audio is over: ends the key that sounds.
  void finish(DtmfEvents& out) noexcept;

 private:
  friend class DtmfBank;
  struct Window;
  struct Tone;

  static constexpr int kPackets = 3;

  DtmfDetector(const DtmfOptions& options, const DtmfRoutines& routines);
  void process(std::span<const std::int16_t> pcm, const DtmfRoutines& routines, DtmfEvents& out) noexcept;
  void flush(const DtmfRoutines& routines, DtmfEvents& out) noexcept;
  void hear(const std::int16_t* pcm, int hops, const DtmfRoutines& routines, DtmfEvents& out) noexcept;
  void advance(int hops) noexcept;
  void follow(DtmfEvents& out) noexcept;
  void look(int low, int high, DtmfEvents& out) noexcept;
  void look_at_packets(int low, int high, DtmfEvents& out) noexcept;
  static std::pair<Tone, Tone> measure(const Window& window, int low, int high) noexcept;
  void settle() noexcept;
  std::array<Tone, kPackets> measure_packets(int tone) const noexcept;
  void part(int low, Tone& row, int high, Tone& column, int slots) const noexcept;
  bool loud_enough(char digit, float row, float column) const noexcept;
  bool in_limits(const Tone& row, const Tone& column) const noexcept;
  static float oddness(const Tone& row, const Tone& column) noexcept;
  static float share_of(const Tone& row, const Tone& column, int hops, float energy) noexcept;
  void set_levels(float low, float high) noexcept;
  void begin(int low, const Tone& row, int high, const Tone& column, DtmfEvents& out) noexcept;
  void end(std::int64_t at, DtmfEvents& out) noexcept;
  void fetch_state() const noexcept { fetch(this, reinterpret_cast<const char*>(&spectra_)); }
  void fetch_hops() const noexcept {  // those heard last, those to be written, and what lies behind the hops
    for (int n = 3; n >= -4; n -= 2) __builtin_prefetch(&spectra_.tone[place(n)]);
    fetch(&spectra_.energy, &staged_);
  }
  static void fetch(const void* from, const void* to) noexcept {
    for (auto* p = static_cast<const char*>(from); p < to; p += 64) __builtin_prefetch(p);
  }
  std::size_t place(int n) const noexcept {  // of the n-th hop back
    return static_cast<std::size_t>((newest_ - n) & (DtmfSpectra::kSlots - 1));
  }
  const std::array<DtmfSpectra::Number, DtmfSpectra::kTones>& back(int n) const noexcept {
    return spectra_.tone[place(n)];
  }
  std::int32_t energy(int n) const noexcept { return spectra_.energy[place(n)]; }

  const DtmfRoutines* routines_;
  float floor_ = 0;  // amplitude
  float low_over_high_ = 0, high_over_low_ = 0;
  std::int32_t quiet_energy_ = 0;  // a hop with no more is silence

  int newest_ = 0;  // in the spectra
  int since_ = 0;   // hops that belong to no earlier key
  int phase_ = 0;   // hop number on the tones' common period
  std::int16_t staged_count_ = 0, staged_lost_ = 0;
  std::int64_t at_ = 0;  // end of the newest hop

  char digit_ = 0;  // that sounds, or 0
  char last_digit_ = 0;
  bool settled_ = false;  // its levels are known as well as they will be
  std::int8_t low_tone_ = 0, high_tone_ = 0;
  std::int16_t away_ = 0, lost_ = 0;          // hops in a row
  float low_ = 0, high_ = 0;                  // its amplitudes
  float low_turn_ = 0, high_turn_ = 0;        // how far they are off
  float low_present_ = 0, high_present_ = 0;  // powers in a hop: the tone is still there
  std::int64_t onset_ = 0, heard_until_ = 0;
  std::int64_t last_end_ = -kSampleRateHz;

  DtmfSpectra spectra_;
  std::array<std::int16_t, DtmfSpectra::kHop> staged_{};
};

// ------------------------------------------------------------------------------------ many channels

// With what the sound is taken apart. All give the same numbers to the last bit; they differ in speed.
enum class DtmfKernel { scalar, avx2, avx512, neon };
std::string_view to_string(DtmfKernel kernel);

// The next piece of one channel: what was lost before it, and then what came, as samples or in G.711's bytes
// as they stood in the packet. Of the three spans one is filled.
struct DtmfPiece {
  DtmfDetector* detector = nullptr;  // has to be set
  int lost = 0;                      // samples
  std::span<const std::int16_t> pcm;
  std::span<const std::uint8_t> ulaw;
  std::span<const std::uint8_t> alaw;
};

struct DtmfHeard {
  std::size_t piece = 0;  // its place among the pieces
  DtmfEvent event;
};

// Hears many channels one after the other, each with its own DtmfDetector: what came for all of them within a
// tick, in one call. The next channel is fetched from memory while one is heard, and nothing is decoded that
// only the detector wants.
//
// Thread:   one at a time; so do the detectors it is given.
// Realtime: process() is bounded; it allocates only where `out` has too little capacity.
class DtmfBank {
 public:
  DtmfBank();  // with the fastest kernel of this build and machine

  // Refuses a kernel that this build has not or this machine cannot run.
  static absl::StatusOr<DtmfBank> create(DtmfKernel kernel);

  // Those that can be had here, the fastest first; the last is DtmfKernel::scalar.
  static std::vector<DtmfKernel> kernels();
  DtmfKernel kernel() const noexcept;

  // Appends to `out` what was heard, piece by piece. A channel may have several pieces, in order.
  void process(std::span<const DtmfPiece> pieces, std::vector<DtmfHeard>& out) noexcept;

 private:
  explicit DtmfBank(const DtmfRoutines& routines);
  const DtmfRoutines* routines_;
  DtmfEvents events_;  // of one stretch
};

}  // namespace ivr

#pragma once
#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "engine/media_peer.hpp"
#include "engine/stream_codec.hpp"
#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"

// Conversations whose audio is measured: everybody says a tone of its own, and what arrives is searched for
// the tones of the others. The packets of one more stream are the clock, so a test never sleeps.

namespace ivr::test {

inline constexpr double kAliceHz = 500, kBobHz = 800, kCarolHz = 1300, kPromptHz = 1700;
inline constexpr double kLoud = 4000;  // amplitude of them all

// The amplitude of one tone within the audio.
inline double loudness(std::span<const std::int16_t> pcm, double hz, double rate_hz = kSampleRateHz) {
  double re = 0, im = 0;
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    const double angle = 2 * std::numbers::pi * hz * static_cast<double>(i) / rate_hz;
    re += pcm[i] * std::cos(angle);
    im += pcm[i] * std::sin(angle);
  }
  return 2 * std::hypot(re, im) / static_cast<double>(std::max<std::size_t>(pcm.size(), 1));
}

inline std::vector<std::int16_t> tone(double hz, std::size_t samples, double amplitude = kLoud,
                                      std::size_t from = 0) {
  std::vector<std::int16_t> pcm(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    pcm[i] = static_cast<std::int16_t>(
        amplitude * std::sin(2 * std::numbers::pi * hz * static_cast<double>((from + i) % kSampleRateHz) /
                             kSampleRateHz));
  }
  return pcm;
}

inline std::string keys_in(std::span<const std::int16_t> pcm) {
  auto detector = DtmfDetector::create();
  DtmfEvents events;
  detector->process(pcm, events);
  detector->finish(events);
  std::string keys;
  for (const DtmfEvent& event : events) {
    if (event.kind == DtmfEvent::Kind::began) keys += event.digit;
  }
  return keys;
}

// One who talks and listens. `says` is played once, then its tone again.
struct Party {
  StreamId id;
  double hz;
  RemoteMedia remote;
  Peer peer;
  std::vector<std::int16_t> says;
  bool silent = false;  // sends nothing
  bool echo = false;    // says what it hears
  std::vector<Heard> heard;
  std::size_t echoed = 0;  // of those
  std::size_t said = 0;
  std::optional<StreamCodec> coder;

  Party(StreamId stream, double tone_hz, Codec codec = Codec::pcmu, bool events = true)
      : id(stream), hz(tone_hz), peer(static_cast<std::uint32_t>(stream * 7919)) {
    remote = peer.media();
    remote.codec = codec;
    remote.payload_type = codec == Codec::l16 ? 96 : format_of(codec).preferred_type;
    remote.telephone_event_clock_hz = format_of(codec).clock_hz;
    coder = StreamCodec::create(codec, {});
    if (!events) remote.telephone_event_type = -1;
  }

  void speak() {
    if (silent) return;
    if (echo) return say_back();
    std::vector<std::int16_t> pcm = tone(hz, 160, kLoud, said);
    if (hz == 0) std::fill(pcm.begin(), pcm.end(), std::int16_t{0});
    if (!says.empty()) {
      says.resize(std::max<std::size_t>(says.size(), 160));
      std::copy_n(says.begin(), 160, pcm.begin());
      says.erase(says.begin(), says.begin() + 160);
    }
    said += 160;
    Bytes bytes;
    peer.send(static_cast<std::uint8_t>(remote.payload_type), coder->encode({pcm, {}}, bytes));
    peer.timestamp += 160 * coder->ticks();
  }
  // Every packet that came since, at the time it had: however many a busy machine lets come at once, none is
  // said twice and none is left out.
  void say_back() {
    for (; echoed < heard.size(); ++echoed) {
      const std::vector<std::int16_t>& pcm = audio_of(heard[echoed]);
      if (pcm.empty()) continue;
      Bytes bytes;
      peer.timestamp = heard[echoed].header.timestamp;
      peer.send(static_cast<std::uint8_t>(remote.payload_type), coder->encode({pcm, {}}, bytes));
    }
    said += 160;
  }
  void listen() {
    while (const auto packet = peer.packet(std::chrono::milliseconds(0))) {
      heard.push_back(*packet);
      if (packet->header.payload_type != remote.payload_type) continue;
      AudioBuffer buffer;
      const Audio audio = coder->decode(packet->payload, buffer);
      heard.back().pcm.assign(audio.narrow.begin(), audio.narrow.end());
    }
  }

  static const std::vector<std::int16_t>& audio_of(const Heard& packet) { return packet.pcm; }
  // What a loudspeaker plays: each packet where its timestamp says.
  std::vector<std::int16_t> audio(std::size_t from = 0) const {
    std::vector<std::int16_t> pcm;
    std::optional<std::uint32_t> start;
    for (std::size_t i = from; i < heard.size(); ++i) {
      const auto& piece = audio_of(heard[i]);
      if (piece.empty()) continue;
      if (!start) start = heard[i].header.timestamp;
      const auto at = static_cast<std::size_t>((heard[i].header.timestamp - *start) / coder->ticks());
      if (at > 10'000'000) continue;  // before the first
      if (pcm.size() < at + piece.size()) pcm.resize(at + piece.size());
      std::copy(piece.begin(), piece.end(), pcm.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return pcm;
  }
  // Of the last `frames` packets.
  double hears(double which_hz, std::size_t frames = 15) const {
    return loudness(audio(heard.size() - std::min(frames, heard.size())), which_hz);
  }
};

class TalkFixture : public MediaFixture {
 protected:
  static constexpr StreamId kClock = 1000;

  void start_talk(int threads = 1) {
    start(threads);
    open(kClock, clock_);
  }
  // Opens its stream on the next thread in turn.
  void join(Party& party, StreamOptions options = {}) {
    const auto address = media->open(party.id, options);
    ASSERT_TRUE(address.ok()) << address.status();
    party.peer.call(*address);
    media->set_remote(party.id, party.remote);
    parties_.push_back(&party);
  }
  // So many packet times in which everybody talks and listens.
  void talk(int frames) {
    for (int i = 0; i < frames; ++i) {
      const auto before = std::chrono::steady_clock::now();
      ASSERT_TRUE(clock_.packet()) << "no clock";
      longest_wait_ = std::max(longest_wait_, std::chrono::steady_clock::now() - before);
      for (Party* party : parties_) {
        party->listen();
        party->speak();
      }
      read_events();
    }
    for (Party* party : parties_) party->listen();
  }
  // Talks until the last 100 ms satisfy it: a bridge that stands, a play that has come through.
  bool talk_until(const std::function<bool()>& condition) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > until) return false;
      talk(1);
    }
    return true;
  }
  // How much longer than a frame the machine once let us wait, in samples.
  std::ptrdiff_t stalled() const {
    return std::max<std::ptrdiff_t>(
        0, (longest_wait_ - std::chrono::milliseconds(20)) / std::chrono::microseconds(125));
  }
  bool hears(const Party& party, double hz) { return party.hears(hz, 5) > 0.8 * kLoud; }
  bool hears_not(const Party& party, double hz) { return party.hears(hz, 5) < 0.02 * kLoud; }

  static ClipPtr tune(double hz, std::size_t samples, Codec codec = Codec::pcmu) {
    return make_clip(codec, tone(hz, samples));
  }

  // One stream without a seam: each number once, timestamps that never meet twice; `gaps`: how often time
  // was left out.
  static void expect_continuous(const Party& party, std::size_t from = 0, int gaps = 0) {
    int seen = 0;
    const Heard* last = nullptr;
    std::optional<std::uint32_t> until;
    for (std::size_t i = from; i < party.heard.size(); ++i) {
      const Heard& packet = party.heard[i];
      if (last != nullptr) {
        ASSERT_EQ(packet.header.sequence, static_cast<std::uint16_t>(last->header.sequence + 1)) << i;
        ASSERT_EQ(packet.header.ssrc, last->header.ssrc);
      }
      const auto samples = static_cast<std::uint32_t>(party.audio_of(packet).size()) * party.coder->ticks();
      if (samples > 0) {
        if (until) {
          ASSERT_GE(later_by(packet.header.timestamp, *until), 0) << i;
          seen += later_by(packet.header.timestamp, *until) > 0 ? 1 : 0;
        }
        until = packet.header.timestamp + samples;
      }
      last = &packet;
    }
    EXPECT_LE(seen, gaps);
  }

  std::chrono::steady_clock::duration longest_wait_{0};
  std::vector<Party*> parties_;
  Peer clock_{99};
};

}  // namespace ivr::test

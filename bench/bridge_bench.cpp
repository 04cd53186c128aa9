// What connecting people costs a media thread beyond relaying packets, in time for 20 ms of one talker:
// playing out, mixing, and cutting keys.

#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"
#include "ivr/key_relay.hpp"
#include "ivr/playout_line.hpp"

namespace ivr {
namespace {

std::vector<std::int16_t> speech() {
  std::vector<std::int16_t> pcm(160 * 100);
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    const double t = static_cast<double>(i) / kSampleRateHz;
    pcm[i] = static_cast<std::int16_t>(6000 * std::sin(2 * 3.14159 * 180 * t + 3 * std::sin(20 * t)) *
                                       (0.6 + 0.4 * std::sin(9 * t)));
  }
  return pcm;
}

std::span<const std::int16_t> frame_of(const std::vector<std::int16_t>& pcm, std::size_t n) {
  return std::span(pcm).subspan(n % 100 * 160, 160);
}

void CutKeys(benchmark::State& state) {
  const auto pcm = speech();
  KeyCutter cutter;
  PlayoutLine::Frame frame;
  std::size_t n = 0;
  for (auto _ : state) {
    const auto in = frame_of(pcm, n++);
    std::copy(in.begin(), in.end(), frame.begin());
    cutter.process(frame);
    benchmark::DoNotOptimize(frame);
  }
}
BENCHMARK(CutKeys);

void PlayOut(benchmark::State& state) {
  const auto pcm = speech();
  auto line = PlayoutLine::create();
  RtpHeader header;
  Time now{1h};
  std::size_t n = 0;
  for (auto _ : state) {
    line->push(header, frame_of(pcm, n++), now);
    header.timestamp += 160;
    line->tick(now);
    now += kFrame;
    benchmark::DoNotOptimize(line->frame());
  }
}
BENCHMARK(PlayOut);

// One listener's frame: so many talkers added, then encoded.
void Mix(benchmark::State& state) {
  const auto pcm = speech();
  std::array<std::uint8_t, kFrameSamples> bytes;
  std::size_t n = 0;
  for (auto _ : state) {
    PlayoutLine::Frame sum{};
    for (int talker = 0; talker < state.range(0); ++talker) add_saturated(sum, frame_of(pcm, n++));
    encode(Codec::pcmu, sum, bytes);
    benchmark::DoNotOptimize(bytes);
  }
}
BENCHMARK(Mix)->Arg(2)->Arg(3)->Arg(8);

void SoundKeys(benchmark::State& state) {
  KeySounder sounder;
  PlayoutLine::Frame frame;
  for (auto _ : state) {
    if (!sounder.busy()) sounder.press('5'), sounder.release(5000ms);
    sounder.read(frame);
    benchmark::DoNotOptimize(frame);
  }
}
BENCHMARK(SoundKeys);

}  // namespace
}  // namespace ivr

BENCHMARK_MAIN();

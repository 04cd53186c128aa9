// The DTMF detector on live channels: how many 8 kHz channels one core carries in real time. A working set of
// 4,096 channels does not fit into the second-level cache; one channel does.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"

namespace {

enum Material : int { silence, noise, digits };

std::vector<std::int16_t> material(int kind) {
  std::vector<std::int16_t> pcm(ivr::kSampleRateHz * 4);
  std::mt19937 random(1);
  if (kind == digits) {
    auto generator = ivr::DtmfGenerator::create(
        {.tone = std::chrono::milliseconds(60), .pause = std::chrono::milliseconds(60)});
    if (!generator.ok() || !generator->dial("1234567890*#ABCD1234567890*#ABCD1").ok()) return {};
    generator->read(pcm);
  }
  if (kind == noise) {
    std::normal_distribution<float> d(0, 800);
    for (auto& x : pcm) x = static_cast<std::int16_t>(d(random));
  }
  return pcm;
}

void process(benchmark::State& state) {
  const auto pcm = material(static_cast<int>(state.range(0)));
  const auto channels = static_cast<std::size_t>(state.range(1));
  auto detector = ivr::DtmfDetector::create();
  if (!detector.ok() || pcm.empty()) return state.SkipWithError("cannot make the detector or its material");
  std::vector<ivr::DtmfDetector> detectors(channels, *detector);
  ivr::DtmfEvents events;
  events.reserve(64);
  std::size_t at = 0;
  for (auto _ : state) {  // one 20 ms tick of all channels, each elsewhere in the material
    for (std::size_t c = 0; c < channels; ++c) {
      events.clear();
      const std::size_t from = (at + c * 7) % (pcm.size() / ivr::kFrameSamples) * ivr::kFrameSamples;
      detectors[c].process(std::span(pcm).subspan(from, ivr::kFrameSamples), events);
      benchmark::DoNotOptimize(events.data());
    }
    ++at;
  }
  const auto samples = static_cast<std::int64_t>(state.iterations() * channels * ivr::kFrameSamples);
  state.SetItemsProcessed(samples);
  state.counters["channels_per_core"] =
      benchmark::Counter(static_cast<double>(samples) / ivr::kSampleRateHz, benchmark::Counter::kIsRate);
}
BENCHMARK(process)
    ->ArgNames({"material", "channels"})
    ->ArgsProduct({{silence, noise, digits}, {1, 64, 4096}});

void decode_g711(benchmark::State& state) {
  std::vector<std::uint8_t> bytes(ivr::kFrameSamples, 0x35);
  std::vector<std::int16_t> pcm(ivr::kFrameSamples);
  for (auto _ : state) {
    ivr::decode(ivr::Codec::pcma, bytes, pcm);
    benchmark::DoNotOptimize(pcm.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * ivr::kFrameSamples));
}
BENCHMARK(decode_g711);

void resample_prompt(benchmark::State& state) {
  const std::vector<std::int16_t> second(static_cast<std::size_t>(state.range(0)), 1000);
  for (auto _ : state)
    benchmark::DoNotOptimize(ivr::resample(second, static_cast<int>(state.range(0)), 8000));
  state.SetLabel("one second to 8 kHz");
}
BENCHMARK(resample_prompt)->ArgName("from_hz")->Arg(16000)->Arg(22050)->Arg(44100)->Arg(48000);

}  // namespace

BENCHMARK_MAIN();

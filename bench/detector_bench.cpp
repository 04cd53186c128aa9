// The DTMF detector on live channels: how many 8 kHz channels one core carries in real time. A working set of
// 4,096 channels does not fit into the second-level cache; one channel does.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"

namespace {

enum Material : int { silence, noise, digits };
enum class Coding { linear, ulaw };

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

// One 20 ms tick of all channels, each elsewhere in the material.
void process(benchmark::State& state, ivr::DtmfKernel kernel, Coding coding) {
  const auto pcm = material(static_cast<int>(state.range(0)));
  const auto channels = static_cast<std::size_t>(state.range(1));
  auto detector = ivr::DtmfDetector::create();
  auto bank = ivr::DtmfBank::create(kernel);
  if (!detector.ok() || !bank.ok() || pcm.empty())
    return state.SkipWithError("cannot make the detector or its material");
  std::vector<std::uint8_t> bytes(pcm.size());
  ivr::encode(ivr::Codec::pcmu, pcm, bytes);
  std::vector<ivr::DtmfDetector> detectors(channels, *detector);
  std::vector<ivr::DtmfPiece> pieces(channels);
  std::vector<ivr::DtmfHeard> heard;
  heard.reserve(2 * channels + 64);
  std::size_t at = 0;
  for (auto _ : state) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t from = (at + c * 7) % (pcm.size() / ivr::kFrameSamples) * ivr::kFrameSamples;
      pieces[c].detector = &detectors[c];
      if (coding == Coding::linear) pieces[c].pcm = std::span(pcm).subspan(from, ivr::kFrameSamples);
      if (coding == Coding::ulaw) pieces[c].ulaw = std::span(bytes).subspan(from, ivr::kFrameSamples);
    }
    heard.clear();
    bank->process(pieces, heard);
    benchmark::DoNotOptimize(heard.data());
    ++at;
  }
  const auto samples = static_cast<std::int64_t>(state.iterations() * channels * ivr::kFrameSamples);
  state.SetItemsProcessed(samples);
  state.counters["channels_per_core"] =
      benchmark::Counter(static_cast<double>(samples) / ivr::kSampleRateHz, benchmark::Counter::kIsRate);
}

// Every kernel this machine has; the fastest also from the bytes of the packet.
void add_processes() {
  const auto add = [](const std::string& name, ivr::DtmfKernel kernel, Coding coding) {
    benchmark::RegisterBenchmark(name.c_str(), process, kernel, coding)
        ->ArgNames({"material", "channels"})
        ->ArgsProduct({{silence, noise, digits}, {1, 64, 4096}});
  };
  for (const ivr::DtmfKernel kernel : ivr::DtmfBank::kernels())
    add("process_" + std::string(ivr::to_string(kernel)), kernel, Coding::linear);
  add("process_ulaw", ivr::DtmfBank().kernel(), Coding::ulaw);
}

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

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  add_processes();
  benchmark::RunSpecifiedBenchmarks();
}

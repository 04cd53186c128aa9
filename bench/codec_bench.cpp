// What a frame of 20 ms costs in each codec, coded and decoded, and G.722 beside libspandsp's where that is
// installed (tools/setup --bench): first that both make the same bytes and samples, then the time.
//
//   codec_bench --benchmark_min_time=1
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <random>
#include <vector>

#include "edge/codecs.hpp"
#include "ivr/audio.hpp"
#include "ivr/comfort_noise.hpp"

#if IVR_BENCH_SPANDSP
extern "C" {
#include <spandsp.h>
}
#endif

namespace ivr {
namespace {

constexpr std::size_t kFrames = 250;  // five seconds, over and over

// As restless as speech: a voice whose pitch and loudness move, over some noise.
std::vector<std::int16_t> speech(int rate_hz, std::size_t samples) {
  std::vector<std::int16_t> pcm(samples);
  std::minstd_rand random(1);
  std::uniform_real_distribution<double> noise(-60, 60);
  double phase = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const double t = static_cast<double>(i) / rate_hz;
    const double pitch = 140 + 40 * std::sin(2 * std::numbers::pi * 0.7 * t);
    phase += 2 * std::numbers::pi * pitch / rate_hz;
    double x = 0;
    for (int harmonic = 1; harmonic * pitch < 0.45 * rate_hz; ++harmonic) {
      const double hz = harmonic * pitch;
      x += std::sin(harmonic * phase) / (1 + std::pow((hz - 600) / 500, 2));
    }
    const double loud = std::max(0.0, std::sin(2 * std::numbers::pi * 1.9 * t));
    pcm[i] = static_cast<std::int16_t>(std::clamp(6000 * loud * x + noise(random), -32768.0, 32767.0));
  }
  return pcm;
}

struct Recorded {
  std::vector<std::int16_t> pcm;
  std::vector<std::vector<std::uint8_t>> packets;
};

Recorded record(Codec codec) {
  const std::size_t frame = frame_samples(codec);
  Recorded recorded{speech(format_of(codec).sample_rate_hz, kFrames * frame), {}};
  const auto encoder = make_encoder(codec);
  std::vector<std::uint8_t> bytes(kMaxEncodedFrame * 2);
  for (std::size_t i = 0; i < kFrames; ++i) {
    const std::size_t size = encoder->encode(std::span(recorded.pcm).subspan(i * frame, frame), bytes);
    recorded.packets.emplace_back(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return recorded;
}

void Encode(benchmark::State& state, Codec codec) {
  const Recorded recorded = record(codec);
  const std::size_t frame = frame_samples(codec);
  const auto encoder = make_encoder(codec);
  std::vector<std::uint8_t> bytes(kMaxEncodedFrame * 2);
  std::size_t i = 0, sent = 0;
  for (auto _ : state) {
    sent += encoder->encode(std::span(recorded.pcm).subspan(i * frame, frame), bytes);
    benchmark::DoNotOptimize(bytes.data());
    i = (i + 1) % kFrames;
  }
  state.counters["bytes/frame"] = static_cast<double>(sent) / static_cast<double>(state.iterations());
}

void Decode(benchmark::State& state, Codec codec) {
  const Recorded recorded = record(codec);
  const auto decoder = make_decoder(codec);
  std::vector<std::int16_t> pcm(frame_samples(codec));
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(decoder->decode(recorded.packets[i], pcm));
    benchmark::DoNotOptimize(pcm.data());
    i = (i + 1) % kFrames;
  }
}

void Conceal(benchmark::State& state, Codec codec) {  // every tenth frame is lost
  const Recorded recorded = record(codec);
  const auto decoder = make_decoder(codec);
  std::vector<std::int16_t> pcm(frame_samples(codec));
  std::size_t i = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (int k = 0; k < 9; ++k, i = (i + 1) % kFrames) decoder->decode(recorded.packets[i], pcm);
    i = (i + 1) % kFrames;
    state.ResumeTiming();
    benchmark::DoNotOptimize(decoder->conceal(recorded.packets[i], pcm));
  }
}

template <class Converter>
void convert_rate(benchmark::State& state, int from_hz, int to_hz) {
  const auto in = speech(from_hz, static_cast<std::size_t>(from_hz / 50));
  std::vector<std::int16_t> out(static_cast<std::size_t>(to_hz / 50));
  Converter converter;
  for (auto _ : state) {
    benchmark::DoNotOptimize(converter.process(in, out));
    benchmark::DoNotOptimize(out.data());
  }
}
void ToHalfTheRate(benchmark::State& state) { convert_rate<HalfRate>(state, 16000, 8000); }
BENCHMARK(ToHalfTheRate);
void ToTwiceTheRate(benchmark::State& state) { convert_rate<DoubleRate>(state, 8000, 16000); }
BENCHMARK(ToTwiceTheRate);

void ComfortNoiseFrame(benchmark::State& state) {
  ComfortNoise noise;
  noise.update(std::vector<std::uint8_t>{50, 100, 140, 120, 127, 130, 90, 127, 127, 127, 127});
  std::vector<std::int16_t> pcm(160);
  for (auto _ : state) {
    noise.read(pcm);
    benchmark::DoNotOptimize(pcm.data());
  }
}
BENCHMARK(ComfortNoiseFrame);

#if IVR_BENCH_SPANDSP
void SpandspEncode(benchmark::State& state) {
  const Recorded recorded = record(Codec::g722);
  g722_encode_state_t* const encoder = g722_encode_init(nullptr, 64000, 0);
  std::vector<std::uint8_t> bytes(320);
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(g722_encode(encoder, bytes.data(), recorded.pcm.data() + i * 320, 320));
    benchmark::DoNotOptimize(bytes.data());
    i = (i + 1) % kFrames;
  }
  g722_encode_free(encoder);
}
BENCHMARK(SpandspEncode)->Name("Encode/g722/spandsp");

void SpandspDecode(benchmark::State& state) {
  const Recorded recorded = record(Codec::g722);
  g722_decode_state_t* const decoder = g722_decode_init(nullptr, 64000, 0);
  std::vector<std::int16_t> pcm(640);
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(g722_decode(decoder, pcm.data(), recorded.packets[i].data(), 160));
    benchmark::DoNotOptimize(pcm.data());
    i = (i + 1) % kFrames;
  }
  g722_decode_free(decoder);
}
BENCHMARK(SpandspDecode)->Name("Decode/g722/spandsp");

// The same bytes for the same samples, and the same samples for the same bytes, also for bytes that no
// encoder makes: a minute of speech and one of noise of every loudness.
bool same_as_spandsp() {
  std::vector<std::int16_t> pcm = speech(16000, 60 * 16000);
  std::minstd_rand random(7);
  for (int i = 0; i < 60 * 16000; ++i)
    pcm.push_back(static_cast<std::int16_t>(static_cast<std::int16_t>(random() >> 8) >> (i / 16000 % 16)));
  std::vector<std::uint8_t> ours(pcm.size() / 2), theirs(pcm.size() / 2);
  make_encoder(Codec::g722)->encode(pcm, ours);
  g722_encode_state_t* const encoder = g722_encode_init(nullptr, 64000, 0);
  g722_encode(encoder, theirs.data(), pcm.data(), static_cast<int>(pcm.size()));
  g722_encode_free(encoder);
  const bool encoded = ours == theirs;
  for (std::size_t i = ours.size() / 2; i < ours.size(); ++i)
    ours[i] = static_cast<std::uint8_t>(random() >> 8);
  std::vector<std::int16_t> back(pcm.size()), their_back(pcm.size());
  make_decoder(Codec::g722)->decode(ours, back);
  g722_decode_state_t* const decoder = g722_decode_init(nullptr, 64000, 0);
  g722_decode(decoder, their_back.data(), ours.data(), static_cast<int>(ours.size()));
  g722_decode_free(decoder);
  // What is too loud for 16 bits we cut off, and theirs wraps.
  bool decoded = true;
  for (std::size_t i = 0; i < back.size(); ++i)
    decoded = decoded && (back[i] == their_back[i] || back[i] == 32767 || back[i] == -32768);
  std::printf("G.722 beside libspandsp, 120 s: the bytes %s, the samples of speech and of random bytes %s\n",
              encoded ? "are the same" : "DIFFER", decoded ? "are the same" : "DIFFER");
  return encoded && decoded;
}
#endif

}  // namespace
}  // namespace ivr

int main(int argc, char** argv) {
  for (const ivr::CodecFormat& format : ivr::kCodecFormats) {
    if (!ivr::has_codec(format.codec)) continue;
    const std::string name(format.name);
    benchmark::RegisterBenchmark(("Encode/" + name).c_str(), ivr::Encode, format.codec);
    benchmark::RegisterBenchmark(("Decode/" + name).c_str(), ivr::Decode, format.codec);
    if (format.codec == ivr::Codec::opus)
      benchmark::RegisterBenchmark(("Conceal/" + name).c_str(), ivr::Conceal, format.codec);
  }
  benchmark::Initialize(&argc, argv);
#if IVR_BENCH_SPANDSP
  if (!ivr::same_as_spandsp()) return EXIT_FAILURE;
#endif
  benchmark::RunSpecifiedBenchmarks();
  return EXIT_SUCCESS;
}

// What the packet path costs: a frame through the jitter buffer, a telephone-event packet, a header.
#include <benchmark/benchmark.h>

#include <array>

#include "ivr/jitter_buffer.hpp"
#include "ivr/rtp.hpp"
#include "ivr/telephone_event.hpp"

namespace {

ivr::Time at(std::int64_t us) { return ivr::Time(ivr::Micros(us)); }

void JitterPushPop(benchmark::State& state) {
  auto buffer = *ivr::JitterBuffer::create({});
  std::array<std::uint8_t, 160> payload{}, out{};
  std::int64_t i = 0;
  std::uint32_t noise = 1;
  for (auto _ : state) {
    noise = noise * 1664525 + 1013904223;
    const ivr::RtpHeader header{.sequence = static_cast<std::uint16_t>(i),
                                .timestamp = static_cast<std::uint32_t>(i * 160)};
    buffer.push({.header = header, .payload = payload}, at(i * 20'000 + (noise >> 16) % 15'000));
    benchmark::DoNotOptimize(buffer.pop(out, at(i * 20'000 + 15'000)));
    ++i;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(JitterPushPop);

void TelephoneEventPush(benchmark::State& state) {
  auto receiver = *ivr::TelephoneEventReceiver::create();
  std::int64_t i = 0;
  for (auto _ : state) {
    const auto step =
        static_cast<std::uint32_t>(i % 10);  // 8 packets, the last three the end, then two of audio
    const std::uint32_t duration = std::min(step + 1, 6u) * 160;
    const std::array<std::uint8_t, 4> payload = {
        static_cast<std::uint8_t>(i / 10 % 16), static_cast<std::uint8_t>(step >= 5 ? 0x8A : 0x0A),
        static_cast<std::uint8_t>(duration >> 8), static_cast<std::uint8_t>(duration)};
    const ivr::RtpHeader header{.sequence = static_cast<std::uint16_t>(i),
                                .timestamp = static_cast<std::uint32_t>(i / 10 * 1600)};
    if (step < 8)
      benchmark::DoNotOptimize(receiver.push({.header = header, .payload = payload}, at(i * 20'000)));
    ++i;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(TelephoneEventPush);

void ParseRtp(benchmark::State& state) {
  std::array<std::uint8_t, 172> packet{};
  const auto head = ivr::write_rtp_header({.sequence = 1, .timestamp = 2, .ssrc = 3});
  std::copy(head.begin(), head.end(), packet.begin());
  ivr::RtpFrame frame;
  for (auto _ : state) {
    benchmark::DoNotOptimize(packet.data());
    benchmark::DoNotOptimize(ivr::parse_rtp(packet, frame));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ParseRtp);

}  // namespace

BENCHMARK_MAIN();

// Our jitter buffer for bench/harness/jb_bench.
#include <array>
#include <cstring>

#include "../harness/jb_adapter.h"
#include "ivr/jitter_buffer.hpp"

namespace {

ivr::Time at(double ms) { return ivr::Time(ivr::Micros(static_cast<std::int64_t>(ms * 1000))); }

void* create(int frame_ms) {
  return new ivr::JitterBuffer(*ivr::JitterBuffer::create(
      {.frame = ivr::Millis(frame_ms), .min_delay = ivr::Millis(0), .max_delay = ivr::Millis(500)}));
}
void destroy(void* buffer) { delete static_cast<ivr::JitterBuffer*>(buffer); }

void put(void* buffer, std::int64_t index, double now_ms) {
  std::array<std::uint8_t, 160> payload{};
  std::memcpy(payload.data(), &index, sizeof index);
  const ivr::RtpHeader header{.sequence = static_cast<std::uint16_t>(index),
                              .timestamp = static_cast<std::uint32_t>(index * 160)};
  static_cast<ivr::JitterBuffer*>(buffer)->push({.header = header, .payload = payload}, at(now_ms));
}

int get(void* buffer, double now_ms, std::int64_t* index) {
  std::array<std::uint8_t, 160> payload;
  switch (static_cast<ivr::JitterBuffer*>(buffer)->pop(payload, at(now_ms))) {
    case ivr::Playout::frame: std::memcpy(index, payload.data(), sizeof *index); return JB_A_FRAME;
    case ivr::Playout::lost: return JB_A_CONCEAL;
    case ivr::Playout::buffering:
    case ivr::Playout::empty: return JB_A_EMPTY;
  }
  return JB_A_EMPTY;
}

constexpr jb_adapter kAdapter = {JB_ADAPTER_ABI, "ivr", create, destroy, put, get};

}  // namespace

extern "C" const jb_adapter* jb_adapter_get(void) { return &kAdapter; }

#pragma once
#include <chrono>
#include <cstdint>
#include <string>

// The words that every other header uses: time, and the few numbers that name things.

namespace ivr {

using namespace std::chrono_literals;

using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;

// An instant: microseconds since 1970-01-01T00:00Z, leap seconds not counted. The engine derives it from the
// monotonic clock, so it never jumps while a program runs; tests and the simulator make it up.
using Time = std::chrono::sys_time<Micros>;

// Telephony audio here is 8 kHz mono unless a name says otherwise; a frame is 20 ms.
inline constexpr int kSampleRateHz = 8000;
inline constexpr Millis kFrame = 20ms;
inline constexpr int kFrameSamples = 160;

// What an agent can do, or a caller needs.
struct Skill {
  std::string name;
  int level = 1;  // of an agent: proficiency, 0 to 5; of a need: the least that will do
  friend bool operator==(const Skill&, const Skill&) = default;
};

enum class AgentState { available, on_call, wrap_up, on_break, offline };

}  // namespace ivr

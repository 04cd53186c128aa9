#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"

// Sounds that telephones make, as 8 kHz audio: what Prompt::Kind::tone names.

namespace ivr {

// `name` is one of
//   beep                       1 kHz, 400 ms, faded in and out: speak now
//   ringback, ringback_us      425 Hz, 1 s on and 4 s off (ETSI TR 101 041-2); 440+480 Hz, 2 s on and 4 s off
//   busy, busy_us              425 Hz, 500 ms on and off; 480+620 Hz, the same
//   congestion, congestion_us  425 Hz, 200 ms on and off; 480+620 Hz, 250 ms on and off
//   hold                       a quiet tune of 20 s, our own, for whom nobody talks to: -20 dBm0
// A length cuts or repeats the cadence or the tune; 0 is one beep, or one turn, which loops without a click.
// Errors: NotFound for another name, InvalidArgument for a length below 0 or above an hour.
//
// Thread: any. Allocates.
absl::StatusOr<std::vector<std::int16_t>> make_tone(std::string_view name, Millis length = Millis{0});

}  // namespace ivr

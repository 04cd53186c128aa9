#pragma once
#include <cstdint>

namespace ivr {

// G.711 table 2a: a code is a sign, a chord of eight, and a step of sixteen within it; all bits inverted.
constexpr std::int16_t expand_ulaw(std::uint8_t code) {
  const int plain = ~code & 0xff;
  const int chord = plain >> 4 & 7, step = plain & 15;
  const int magnitude = ((2 * step + 33) << chord) - 33;  // of 14 bits
  return static_cast<std::int16_t>(4 * (plain & 0x80 ? -magnitude : magnitude));
}

// G.711 table 1a: the same with a linear first chord pair; every second bit inverted.
constexpr std::int16_t expand_alaw(std::uint8_t code) {
  const int plain = code ^ 0x55;
  const int chord = plain >> 4 & 7, step = plain & 15;
  const int magnitude = chord == 0 ? 2 * step + 1 : (2 * step + 33) << (chord - 1);  // of 13 bits
  return static_cast<std::int16_t>(8 * (plain & 0x80 ? magnitude : -magnitude));
}

}  // namespace ivr

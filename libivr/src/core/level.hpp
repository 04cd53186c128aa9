#pragma once
#include <cmath>

namespace ivr {

// The amplitude, in 16-bit samples, of a sine of that level. A full-scale one is +3.14 dBm0 (G.711).
inline double amplitude_of(double level_dbm0) { return 32768.0 * std::pow(10.0, (level_dbm0 - 3.14) / 20); }

}  // namespace ivr

#pragma once
#include <cmath>

namespace ivr {

// The Kaiser window at `at`, from -1 to 1: 1 in the middle, and the lower at its ends the larger `beta` is,
// which trades the width of a filter's transition for the depth of its side lobes.
inline double kaiser(double at, double beta) {
  return std::cyl_bessel_i(0, beta * std::sqrt(1 - at * at)) / std::cyl_bessel_i(0, beta);
}

}  // namespace ivr

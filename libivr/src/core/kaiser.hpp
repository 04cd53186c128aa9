#pragma once
#include <cmath>

namespace ivr {

// The Kaiser window: at 0 it is 1, at -1 and 1 it ends, and the lower there the larger `beta` is, which
// trades the width of a filter's transition for the depth of its side lobes.
class Kaiser {
 public:
  explicit Kaiser(double beta) : beta_(beta), middle_(std::cyl_bessel_i(0, beta)) {}
  double operator()(double at) const {
    return std::cyl_bessel_i(0, beta_ * std::sqrt(1 - at * at)) / middle_;
  }

 private:
  double beta_, middle_;
};

}  // namespace ivr

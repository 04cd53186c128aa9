#pragma once
#include <cstdlib>

// What must hold for whatever came in. It stays in a release.
inline void require(bool holds) {
  if (!holds) std::abort();
}

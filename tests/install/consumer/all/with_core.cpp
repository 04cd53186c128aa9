#include <cstdio>

#include "ivr/audio.hpp"
#include "ivr/flow.hpp"
#include "ivr/version.hpp"

int main() {
  std::printf("core %s\n", ivr::version().data());
  return ivr::decode_ulaw(0xff) == 0 && !ivr::Flow::load("{}").ok() ? 0 : 1;
}

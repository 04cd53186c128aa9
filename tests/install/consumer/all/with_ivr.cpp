#include <cstdio>

#include "ivr/engine.hpp"

int main() {
  ivr::EngineOptions options;
  options.sip.port = 0;
  auto engine = ivr::Engine::create(std::move(options));
  if (!engine.ok() || !(*engine)->start().ok()) return 1;
  std::printf("listened on port %d\n", (*engine)->sip_address().port);
  (*engine)->stop(ivr::Millis(0));
}

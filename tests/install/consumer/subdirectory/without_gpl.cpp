#include <cstdio>

#include "ivr/engine.hpp"

// Without oRTP and without a MediaPort of its own, an engine says what is missing.
int main() {
  ivr::EngineOptions options;
  options.sip.port = 0;
  auto engine = ivr::Engine::create(std::move(options));
  if (!engine.ok()) return 1;
  const absl::Status started = (*engine)->start();
  std::printf("%s\n", started.ToString().c_str());
  return absl::IsUnimplemented(started) ? 0 : 1;
}

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "ivr/router.hpp"

// Lines of JSON as events, a while apart: whatever comes, the router goes on, and goes on in the same way
// after it was saved and restored half way. A text that is no event is tried as a saved state.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ivr;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Router router({.seed = 1, .explain_limit = 3});
  std::optional<Router> other;
  Time now{1'763'719'200s};
  const auto step = [&](const acd::Event& event) {
    acd::Commands commands, others;
    router.step(event, now, commands);
    if (!other) return;
    other->step(event, now, others);
    if (commands.size() != others.size()) std::abort();
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (to_json(commands[i]) != to_json(others[i])) std::abort();
    }
  };
  for (int lines = 0; !text.empty() && lines < 200; ++lines) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const auto event = acd::event_from_json(line);
    if (!event.ok()) {
      if (auto restored = Router::restore(line); restored.ok()) {
        acd::Commands commands;
        restored->step(acd::Tick{}, now, commands);
      }
      if (!other) {
        auto again = Router::restore(router.save());
        if (!again.ok()) std::abort();
        other = *std::move(again);
      }
      continue;
    }
    step(*event);
    now += 3s;
    for (int ticks = 0; ticks < 50; ++ticks) {
      const auto due = router.deadline();
      if (!due || *due > now) break;
      step(acd::Tick{});
    }
    for (const auto& entry : router.entries(now)) router.explain(entry.call, now);
    router.queues(now);
    router.agents(now);
  }
  return 0;
}

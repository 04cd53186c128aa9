// The smallest IVR in C++. It answers every call on its port, speaks, takes a key, and prints what happens,
// until Ctrl-C.
//
//   hello_cpp [PORT]          5060 unless told otherwise; 0 takes any free port
//   ivr call sip:hello@127.0.0.1:5060 --do "wait 3s; press 1; wait 3s; hangup"       (or a softphone)
//
// In a project of your own: find_package(ivr REQUIRED), and link ivr::ivr. hello.c beside this file is the
// same in C.

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "ivr/flow_route.hpp"

namespace {

// Call logic is data: drawn, checked and versioned apart from the program (docs/flow-format.md).
constexpr const char* kFlow = R"({
  "ivr": 1, "id": "hello", "start": "hi", "on_error": "bye",
  "nodes": {
    "hi":    { "type": "play", "say": "Hello. This is libivr.", "next": "again" },
    "again": { "type": "menu", "say": "Press 1 to hear that again.", "tries": 1, "timeout": "5s",
               "keys": {"1": "hi"}, "invalid": "bye", "no_input": "bye" },
    "bye":   { "type": "hangup" } } })";

volatile std::sig_atomic_t over = 0;

int fail(const absl::Status& why) {
  std::fprintf(stderr, "%s\n", why.ToString().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, [](int) { over = 1; });
  std::signal(SIGTERM, [](int) { over = 1; });

  auto flow = ivr::Flow::load(kFlow);  // refuses what cannot work, and says where
  if (!flow.ok()) return fail(flow.status());
  auto route = ivr::flow_route("*", *flow);  // every extension
  if (!route.ok()) return fail(route.status());

  ivr::EngineOptions options;
  options.sip.port = static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 5060);
  options.routes = {*std::move(route)};
  auto engine = ivr::Engine::create(std::move(options));
  if (!engine.ok()) return fail(engine.status());
  if (auto started = (*engine)->start(); !started.ok()) return fail(started);
  std::printf("call sip:hello@127.0.0.1:%d\n", (*engine)->sip_address().port);
  std::fflush(stdout);

  // The engine's own threads answer the calls; this one only watches.
  while (!over) {
    const auto event = (*engine)->next_event(ivr::Millis(200));
    if (!event) continue;
    if (const auto* started = std::get_if<ivr::EngineEvent::CallStarted>(&event->what)) {
      std::printf("%s calls\n", started->call.caller.c_str());
    } else if (const auto* ended = std::get_if<ivr::EngineEvent::CallEnded>(&event->what)) {
      std::printf("ended by %s\n", ended->record.cause.c_str());
    }
    std::fflush(stdout);
  }
  (*engine)->stop(ivr::Millis(2000));  // whoever is still talking has two seconds to finish
}

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ivr/flow_run.hpp"
#include "require.hpp"

// Any bytes as a flow document: checking never fails, and a document that loads runs with an arbitrary
// caller, always with exactly one intent, until it ends; exported and loaded again it is the same.

namespace {

ivr::Outcome answer(const ivr::Intent& intent, std::uint32_t luck) {
  using namespace ivr;
  switch (intent.index()) {
    case 0: return outcome::Played{static_cast<outcome::PlayEnd>(luck % 3), 0ms, ""};
    case 1: {
      if (luck % 8 == 0) return outcome::Played{outcome::PlayEnd::failed, 0ms, "no voice"};
      const std::size_t n = std::min<std::size_t>(
          luck / 8 % 9, static_cast<std::size_t>(std::get<intent::Collect>(intent).max));
      std::string digits;
      for (std::size_t i = 0; i < n; ++i) digits += "0123456789*#"[(luck >> i) % 12];
      return outcome::Collected{digits,
                                digits.empty() ? outcome::CollectEnd::no_input : outcome::CollectEnd::full, 0,
                                luck % 11 == 0};
    }
    case 2: return outcome::Recorded{"x.wav", 1s, static_cast<outcome::RecordEnd>(luck % 4), '#', ""};
    case 3: {
      static constexpr const char* kBodies[] = {
          "",      "{}",     R"({"balance": 12.5, "currency": "USD"})", "[1,2]",
          "\"x\"", "<html>", R"({"balance": {"deep": [null]}})"};
      return outcome::Fetched{
          {static_cast<int>(luck % 5 ? 200 : luck % 600), kBodies[luck % 7], luck % 3 ? "" : "timed out"}};
    }
    case 4: return outcome::Transferred{static_cast<outcome::TransferEnd>(luck % 5), 486, 1s, ""};
    case 6: return outcome::DigitsSent{};
    case 8: return outcome::Answered{};
    case 9: {
      const intent::Queue& queue = std::get<intent::Queue>(intent);
      if (luck % 3 == 0) {
        const int n = static_cast<int>(luck / 3 % 12);
        return outcome::QueueNews{n, luck % 2 == 0, Millis(n * 20'000), n - 6};
      }
      const auto end = static_cast<outcome::QueueEnd>(luck / 3 % 6);
      const char key = queue.exit_keys.empty() ? '5' : queue.exit_keys[luck % queue.exit_keys.size()];
      return outcome::Queued{end, "amal",   std::vector<std::string>(luck % 3, "bob"), 5s, 9s, "q.wav",
                             key, "sip:x@y"};
    }
    case 10: return outcome::CallbackTaken{luck % 2 == 0};
    case 12: return outcome::AgentStatusSet{luck % 2 == 0, luck % 3 ? "amal" : "", AgentState::on_break};
    default: return outcome::Waited{};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto findings = ivr::Flow::check(text);
  const auto flow = ivr::Flow::load(text);
  require(flow.ok() == std::none_of(findings.begin(), findings.end(), [](const ivr::Finding& f) {
            return f.severity == ivr::Severity::error;
          }));
  ivr::flow_count(text);
  if (!flow.ok()) return 0;

  const auto again = ivr::Flow::load((*flow)->to_json());
  require(again.ok() && (*again)->digest() == (*flow)->digest());
  (*flow)->to_dot();
  (*flow)->to_mermaid();

  std::uint32_t luck = static_cast<std::uint32_t>(size) * 2654435761u + 1;
  for (int call = 0; call < 4; ++call) {
    ivr::FlowRun run(*flow, {.seed = luck, .fuel = 200});
    ivr::ScriptOutput out;
    ivr::Time now{};
    run.step(ivr::outcome::Started{{.id = "f", .caller = "1001", .called = "2001"}}, now, out);
    for (int step = 0; step < 300 && !std::holds_alternative<ivr::intent::Hangup>(out.intent.at(0)); ++step) {
      luck = luck * 1664525u + 1013904223u;
      const ivr::Outcome outcome = answer(out.intent[0], luck >> 8);
      out.clear();
      run.step(outcome, now += ivr::Micros(1000000), out);
      require(out.intent.size() == 1);
    }
    run.variables_json();
    out.clear();
    run.step(ivr::outcome::Ended{}, now, out);
    for (int step = 0; step < 300 && !run.ended(); ++step) {  // what it does after the call
      require(out.intent.size() == 1);
      require(out.intent[0].index() == 3 || out.intent[0].index() == 5 || out.intent[0].index() == 12);
      luck = luck * 1664525u + 1013904223u;
      const ivr::Outcome outcome = answer(out.intent[0], luck >> 8);
      out.clear();
      run.step(outcome, now += ivr::Micros(1000000), out);
    }
    if (!run.ended()) {
      out.clear();
      run.step(ivr::outcome::Ended{}, now, out);
    }
    require(run.ended() && out.intent.empty());
  }
  return 0;
}

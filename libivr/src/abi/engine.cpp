#include "ivr/engine.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "abi/event.hpp"
#include "abi/guard.hpp"
#include "abi/handles.hpp"
#include "ivr/flow_route.hpp"
#include "nlohmann/json.hpp"

namespace {

using ivr::Millis;
using ivr::abi::guarded;
using ivr::abi::null_argument;
using ivr::abi::read_struct;
using ivr::abi::report;

// Sizes at the first release; a struct that grows keeps its number here.
constexpr std::size_t kOptionsLeast = sizeof(ivr_engine_options);
constexpr std::size_t kRouteLeast = sizeof(ivr_route);
constexpr std::size_t kOutboundLeast = sizeof(ivr_outbound);
constexpr std::size_t kStatsLeast = sizeof(ivr_engine_stats);

constexpr Millis kLongestWait = std::chrono::minutes(1);  // then it is looked whether the engine has stopped

using Variables = std::vector<std::pair<std::string, std::string>>;

std::string text_or(const char* text, const char* otherwise) { return text == nullptr ? otherwise : text; }

absl::Status in_range(const char* name, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(std::string(name) + " is " + std::to_string(value) + ", it must be " +
                                    std::to_string(least) + " to " + std::to_string(most));
}

absl::StatusOr<Variables> variables_of(const char* text) {
  Variables variables;
  if (text == nullptr) return variables;
  const auto object = nlohmann::json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError("variables is no JSON object: " + std::string(text).substr(0, 80));
  }
  for (const auto& [name, value] : object.items()) variables.emplace_back(name, value.dump());
  return variables;
}

absl::StatusOr<ivr::EngineOptions> translate(const ivr_engine_options& given) {
  const absl::Status checks[] = {
      in_range("port", given.port, 0, 65535),
      in_range("rtp_port_min", given.rtp_port_min, 1, 65534),
      in_range("rtp_port_max", given.rtp_port_max, given.rtp_port_min + std::int64_t{1}, 65535),
      in_range("media_threads", given.media_threads, 0, 1024),
      in_range("max_calls", given.max_calls, 0, 1'000'000),
      in_range("narrate", given.narrate, 0, 1),
  };
  for (const absl::Status& check : checks) {
    if (!check.ok()) return check;
  }
  ivr::EngineOptions options;
  options.sip.listen = options.media.bind_ip = text_or(given.listen, "127.0.0.1");
  options.sip.external_ip = options.media.external_ip = text_or(given.external_ip, "");
  options.sip.port = static_cast<std::uint16_t>(given.port);
  options.media.port_min = static_cast<std::uint16_t>(given.rtp_port_min);
  options.media.port_max = static_cast<std::uint16_t>(given.rtp_port_max);
  options.media.threads = given.media_threads;
  options.limits.calls = given.max_calls;
  options.narrate = given.narrate == 1;
  options.database = text_or(given.database, "");
  options.recordings = text_or(given.recordings, ".");
  options.prompts = text_or(given.prompts, ".");
  options.speech_cache = text_or(given.speech_cache, "");
  options.default_language = text_or(given.language, "en");
  options.auth_user = text_or(given.auth_user, "");
  options.auth_password = text_or(given.auth_password, "");
  return options;
}

}  // namespace

struct ivr_engine {
  enum class State { fresh, running, stopping, stopped };

  ivr::EngineOptions options;
  std::unique_ptr<ivr::Engine> engine;  // from start on
  std::atomic<State> state{State::fresh};

  bool started() const noexcept { return state.load(std::memory_order_acquire) != State::fresh; }
};

namespace {

ivr_status not_started() noexcept { return report(IVR_EPRECONDITION, "the engine has not been started"); }

}  // namespace

ivr_status ivr_engine_create(ivr_engine** engine, const ivr_engine_options* options) {
  if (engine == nullptr) return null_argument("engine");
  *engine = nullptr;
  return guarded([&] {
    ivr_engine_options given = IVR_ENGINE_OPTIONS_INIT;
    const ivr_status read = read_struct(given, options, kOptionsLeast, "ivr_engine_options");
    if (read != IVR_OK) return read;
    auto translated = translate(given);
    if (!translated.ok()) return report(translated.status());
    auto made = std::make_unique<ivr_engine>();
    made->options = *std::move(translated);
    *engine = made.release();
    return IVR_OK;
  });
}

void ivr_engine_free(ivr_engine* engine) { delete engine; }

ivr_status ivr_engine_route(ivr_engine* engine, const ivr_route* route) {
  if (engine == nullptr) return null_argument("engine");
  if (route == nullptr) return null_argument("route");
  if (engine->started()) return report(IVR_EPRECONDITION, "routes are given before the engine is started");
  return guarded([&] {
    ivr_route given = IVR_ROUTE_INIT;
    const ivr_status read = read_struct(given, route, kRouteLeast, "ivr_route");
    if (read != IVR_OK) return read;
    if (given.extension == nullptr) return null_argument("route.extension");
    if (given.flow == nullptr) return null_argument("route.flow");
    if (auto check = in_range("route.record", given.record, 0, 1); !check.ok()) return report(check);
    if (auto check = in_range("route.reserved", given.reserved, 0, 0); !check.ok()) return report(check);
    auto variables = variables_of(given.variables);
    if (!variables.ok()) return report(variables.status());
    auto made = ivr::flow_route(given.extension, given.flow->flow, *std::move(variables));
    if (!made.ok()) return report(made.status());
    made->record = given.record == 1;
    ivr::EngineOptions alone;  // refused now, with the engine's own words, and not at start
    alone.routes.push_back(*made);
    if (auto tried = ivr::Engine::create(std::move(alone)); !tried.ok()) return report(tried.status());
    engine->options.routes.push_back(*std::move(made));
    return IVR_OK;
  });
}

ivr_status ivr_engine_start(ivr_engine* engine) {
  if (engine == nullptr) return null_argument("engine");
  if (engine->started()) return report(IVR_EPRECONDITION, "the engine has been started already");
  return guarded([&] {
    auto made = ivr::Engine::create(engine->options);
    if (!made.ok()) return report(made.status());
    if (auto started = (*made)->start(); !started.ok()) return report(started);
    engine->engine = *std::move(made);
    engine->state.store(ivr_engine::State::running, std::memory_order_release);
    return IVR_OK;
  });
}

int32_t ivr_engine_port(const ivr_engine* engine) {
  if (engine == nullptr || !engine->started()) return 0;
  return engine->engine->sip_address().port;
}

ivr_status ivr_engine_next_event(ivr_engine* engine, int32_t timeout_ms, const ivr_event** event) {
  if (event == nullptr) return null_argument("event");
  *event = nullptr;
  if (engine == nullptr) return null_argument("engine");
  if (!engine->started()) return not_started();
  return guarded([&] {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point until =
        Clock::now() + (timeout_ms < 0 ? Millis(std::chrono::hours(24 * 365 * 100)) : Millis(timeout_ms));
    for (;;) {
      // Read first: what a stopped engine still holds is handed out at once, and nothing comes after it.
      const bool stopped = engine->state.load(std::memory_order_acquire) == ivr_engine::State::stopped;
      const Millis left =
          std::clamp(std::chrono::ceil<Millis>(until - Clock::now()), Millis(0), kLongestWait);
      if (const auto next = engine->engine->next_event(left)) {
        *event = ivr::abi::make_event(*next);
        return IVR_OK;
      }
      if (stopped) return report(IVR_ECANCELLED, "the engine has stopped");
      if (Clock::now() >= until) return report(IVR_ETIMEOUT, "no event came");
    }
  });
}

ivr_status ivr_engine_originate(ivr_engine* engine, char* call, size_t capacity,
                                const ivr_outbound* outbound) {
  if (call != nullptr && capacity > 0) *call = '\0';
  if (engine == nullptr) return null_argument("engine");
  if (outbound == nullptr) return null_argument("outbound");
  if (call == nullptr && capacity > 0) return null_argument("call");
  if (!engine->started()) return not_started();
  return guarded([&] {
    ivr_outbound given = IVR_OUTBOUND_INIT;
    const ivr_status read = read_struct(given, outbound, kOutboundLeast, "ivr_outbound");
    if (read != IVR_OK) return read;
    if (given.uri == nullptr) return null_argument("outbound.uri");
    if (given.flow == nullptr) return null_argument("outbound.flow");
    if (call != nullptr && capacity < IVR_CALL_ID_SIZE) {
      return report(IVR_EEXHAUSTED,
                    "capacity is " + std::to_string(capacity) +
                        ", a call's id takes IVR_CALL_ID_SIZE: " + std::to_string(IVR_CALL_ID_SIZE));
    }
    auto variables = variables_of(given.variables);
    if (!variables.ok()) return report(variables.status());
    const std::shared_ptr<const ivr::Flow>& flow = given.flow->flow;
    auto route = ivr::flow_route("*", flow);
    if (!route.ok()) return report(route.status());
    ivr::Originate request;
    request.uri = given.uri;
    request.from_uri = text_or(given.from_uri, "");
    request.variables = *std::move(variables);
    request.script = std::move(route->script);
    request.session.secret_type_ahead = route->secret_type_ahead;
    auto id = engine->engine->originate(std::move(request));
    if (!id.ok()) return report(id.status());
    return call == nullptr ? IVR_OK : ivr::abi::write_text(call, capacity, *id);
  });
}

ivr_status ivr_engine_hang_up(ivr_engine* engine, const char* call, const char* reason) {
  if (engine == nullptr) return null_argument("engine");
  if (call == nullptr) return null_argument("call");
  if (!engine->started()) return not_started();
  return guarded([&] { return engine->engine->hang_up(call, text_or(reason, "application")); });
}

ivr_status ivr_engine_read_stats(ivr_engine* engine, ivr_engine_stats* stats) {
  if (engine == nullptr) return null_argument("engine");
  if (stats == nullptr) return null_argument("stats");
  if (!engine->started()) return not_started();
  return guarded([&] {
    const ivr::EngineStats now = engine->engine->stats();
    const ivr_engine_stats given = {sizeof(ivr_engine_stats),
                                    now.calls,
                                    now.peak_calls,
                                    engine->engine->recovered_calls(),
                                    0,
                                    now.started,
                                    now.answered,
                                    now.ended,
                                    now.refused,
                                    now.events_dropped,
                                    now.records_waiting,
                                    now.store_errors};
    return ivr::abi::write_struct(stats, given, kStatsLeast, "ivr_engine_stats");
  });
}

ivr_status ivr_engine_stop(ivr_engine* engine, int32_t grace_ms) {
  if (engine == nullptr) return null_argument("engine");
  if (auto check = in_range("grace_ms", grace_ms, 0, INT32_MAX); !check.ok()) return report(check);
  auto running = ivr_engine::State::running;
  if (!engine->state.compare_exchange_strong(running, ivr_engine::State::stopping)) {
    return running == ivr_engine::State::fresh
               ? not_started()
               : report(IVR_EPRECONDITION, "the engine has been stopped already");
  }
  return guarded([&] {
    engine->engine->stop(Millis(grace_ms));
    engine->state.store(ivr_engine::State::stopped, std::memory_order_release);
    return IVR_OK;
  });
}

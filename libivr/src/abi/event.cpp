#include "abi/event.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "ivr/event_log.hpp"
#include "nlohmann/json.hpp"

namespace ivr::abi {
namespace {

using json = nlohmann::ordered_json;

std::int64_t unix_ms(Time at) { return std::chrono::duration_cast<Millis>(at.time_since_epoch()).count(); }

json parsed(const std::string& text) {
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(text) : value;
}

const char* to_string(Direction direction) {
  switch (direction) {
    case Direction::inbound: return "inbound";
    case Direction::outbound: return "outbound";
  }
  return "";
}

std::string words(const Prompts& prompts) {
  std::string text;
  for (const Prompt& prompt : prompts) {
    if (prompt.kind == Prompt::Kind::silence) continue;
    if (!text.empty()) text += ' ';
    if (prompt.secret) {
      text += "***";
    } else if (prompt.kind == Prompt::Kind::text) {
      text += prompt.value;
    } else {
      text += "[" + prompt.value + "]";
    }
  }
  return text;
}

json record_json(const CallRecord& record) {
  return {{"call", record.id},
          {"direction", to_string(record.direction)},
          {"caller", record.caller},
          {"called", record.called},
          {"flow", record.flow},
          {"flow_digest", record.flow_digest},
          {"started_ms", unix_ms(record.started)},
          {"answered_ms", unix_ms(record.answered)},
          {"ended_ms", unix_ms(record.ended)},
          {"status", record.status},
          {"cause", record.cause},
          {"language", record.language},
          {"recording", record.recording},
          {"queue", record.queue},
          {"agent", record.agent},
          {"tried", parsed(record.tried)},
          {"path", parsed(record.path)},
          {"waited_ms", record.waited.count()},
          {"rang_ms", record.rang.count()},
          {"talked_ms", record.talked.count()},
          {"variables", parsed(record.variables)}};
}

json media_json(const StreamStats& stats) {
  return {{"sent", stats.sent},
          {"received", stats.received},
          {"lost", stats.lost},
          {"late", stats.late},
          {"foreign", stats.foreign},
          {"malformed", stats.malformed},
          {"jitter_ms", stats.jitter_ms},
          {"round_trip_ms", stats.round_trip_ms},
          {"mos", stats.mos}};
}

// Kind, text and detail of each alternative.
struct Translation {
  int kind = 0;
  std::string text;
  json detail = json::object();

  void operator()(const EngineEvent::CallStarted& started) {
    kind = IVR_CALL_STARTED;
    text = started.call.caller;
    detail = {{"direction", to_string(started.call.direction)},
              {"caller", started.call.caller},
              {"called", started.call.called},
              {"caller_uri", started.call.caller_uri},
              {"called_uri", started.call.called_uri}};
  }
  void operator()(const EngineEvent::CallAnswered&) { kind = IVR_CALL_ANSWERED; }
  void operator()(const EngineEvent::CallRefused& refused) {
    kind = IVR_CALL_REFUSED;
    text = refused.reason;
    detail = {{"status", refused.status},       {"reason", refused.reason},   {"from", refused.from},
              {"extension", refused.extension}, {"address", refused.address}, {"why", to_string(refused.why)},
              {"method", refused.method}};
  }
  void operator()(const EngineEvent::CallEnded& ended) {
    kind = IVR_CALL_ENDED;
    text = ended.record.cause;
    detail = {{"record", record_json(ended.record)}, {"rtp", media_json(ended.media)}};
  }
  void operator()(const EngineEvent::Recorded& recorded) {
    kind = IVR_RECORDED;
    text = recorded.file;
    detail = {{"file", recorded.file}, {"length_ms", recorded.length.count()}};
  }
  void operator()(const EngineEvent::Said& said) {
    kind = IVR_SAID;
    text = words(said.prompts);
    detail = {{"text", text}, {"language", ""}};
    for (const Prompt& prompt : said.prompts) {
      if (prompt.language.empty()) continue;
      detail["language"] = prompt.language;
      break;
    }
  }
  void operator()(const EngineEvent::Pressed& pressed) {
    kind = IVR_PRESSED;
    text = std::string(1, pressed.digit);
    detail = {{"digit", text}, {"source", std::string(ivr::to_string(pressed.source))}};
  }
  void operator()(const EngineEvent::Routed& routed) {
    kind = IVR_ROUTED;
    detail = parsed(acd::to_json(routed.what));
    text = detail.value("type", "");
  }
  void operator()(const EngineEvent::Enrolled& enrolled) {
    kind = IVR_REGISTERED;
    text = enrolled.user;
    detail = {{"user", enrolled.user},
              {"registrar", enrolled.registrar},
              {"registered", enrolled.registered},
              {"status", enrolled.status},
              {"reason", enrolled.reason}};
  }
  void operator()(const EngineEvent::Unreadable& unreadable) {
    kind = IVR_UNREADABLE;
    text = unreadable.name;
    detail = {{"kind", unreadable.kind}, {"name", unreadable.name}, {"why", unreadable.why}};
  }
  void operator()(const EngineEvent::Noted& noted) { std::visit(*this, noted.note); }
  void operator()(const note::NodeEntered& node) {
    kind = IVR_NODE_ENTERED;
    text = node.node;
    detail = {{"node", node.node}, {"type", node.type}, {"visit", node.visit}};
  }
  void operator()(const note::NodeLeft& node) {
    kind = IVR_NODE_LEFT;
    text = node.node;
    detail = {{"node", node.node},   {"type", node.type},     {"exit", node.exit},
              {"input", node.input}, {"output", node.output}, {"error", node.error}};
  }
  void operator()(const note::VariableSet& variable) {
    kind = IVR_VARIABLE_SET;
    text = variable.name;
    detail = {{"name", variable.name}, {"value", parsed(variable.value)}};
  }
  void operator()(const note::LanguageChosen& chosen) {
    kind = IVR_LANGUAGE_CHOSEN;
    text = chosen.language;
    detail = {{"language", chosen.language}};
  }
};

}  // namespace

const ivr_event* make_event(const EngineEvent& event) {
  Translation translation;
  std::visit([&](const auto& what) { translation(what); }, event.what);
  auto box = std::make_unique<EventBox>();
  box->call = event.call;
  box->text = std::move(translation.text);
  box->detail = translation.detail.dump(-1, ' ', false, json::error_handler_t::replace);
  box->event = {
      sizeof(ivr_event), translation.kind,   0, event.at.time_since_epoch().count(), box->call.c_str(),
      box->text.c_str(), box->detail.c_str()};
  return &box.release()->event;
}

}  // namespace ivr::abi

void ivr_event_free(const ivr_event* event) {
  // The event is the first member of its box.
  delete reinterpret_cast<const ivr::abi::EventBox*>(event);
}

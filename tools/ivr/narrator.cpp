#include "narrator.hpp"

#include <nlohmann/json.hpp>

#include "ivr/event_log.hpp"

using ivr::EngineEvent;
using json = nlohmann::ordered_json;

namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

std::int64_t unix_ms(ivr::Time at) {
  return std::chrono::duration_cast<ivr::Millis>(at.time_since_epoch()).count();
}

json to_json(const ivr::CallRecord& r) {
  json j{{"call", r.id},
         {"direction", r.direction == ivr::Direction::inbound ? "inbound" : "outbound"},
         {"caller", r.caller},
         {"called", r.called},
         {"flow", r.flow},
         {"flow_digest", r.flow_digest},
         {"started_ms", unix_ms(r.started)},
         {"answered_ms", unix_ms(r.answered)},
         {"ended_ms", unix_ms(r.ended)},
         {"status", r.status},
         {"cause", r.cause},
         {"language", r.language},
         {"recording", r.recording},
         {"queue", r.queue},
         {"agent", r.agent},
         {"waited_ms", r.waited.count()},
         {"rang_ms", r.rang.count()},
         {"talked_ms", r.talked.count()}};
  for (const auto& [name, list] : {std::pair{"tried", &r.tried}, std::pair{"path", &r.path}}) {
    const json parsed = json::parse(*list, nullptr, false);
    j[name] = parsed.is_discarded() ? json::array() : parsed;
  }
  const json variables = json::parse(r.variables, nullptr, false);
  j["variables"] = variables.is_discarded() ? json::object() : variables;
  return j;
}

json to_json(const ivr::StreamStats& s) {
  return {{"sent", s.sent},
          {"received", s.received},
          {"lost", s.lost},
          {"late", s.late},
          {"foreign", s.foreign},
          {"malformed", s.malformed},
          {"voice_ms", s.voice_samples / 8},
          {"jitter_ms", s.jitter_ms},
          {"mos", s.mos}};
}

std::string_view name(ivr::acd::Exit exit) {
  using Exit = ivr::acd::Exit;
  switch (exit) {
    case Exit::served: return "served";
    case Exit::timeout: return "waited too long";
    case Exit::full: return "the queue is full";
    case Exit::unavailable: return "nobody can serve";
    case Exit::abandoned: return "hung up";
    case Exit::key: return "pressed an exit key";
    case Exit::moved: return "went elsewhere";
    case Exit::callback: return "is called back";
    case Exit::system: return "lost in a restart";
  }
  return "";
}

// What the router does, as people read it: queue, agent, call, times.
std::string routed_text(const ivr::acd::Command& command) {
  namespace acd = ivr::acd;
  return std::visit(
      Overload{
          [](const acd::Joined& c) {
            return "queue " + c.queue + ": " + c.call + " waits at position " + std::to_string(c.position) +
                   (c.resumed ? ", the place it had" : "");
          },
          [](const acd::Decided& c) {
            std::string text = "queue " + c.queue + ": " + c.strategy + " chooses";
            if (c.step) text += *c.step == 0 ? " nobody, all steps skipped:" : " by a step before its time:";
            for (const auto& candidate : c.candidates) {
              text += "  " + candidate.agent;
              if (candidate.rank > 0) {
                text += " " + std::to_string(candidate.rank) +
                        (candidate.metric.empty() ? "" : " (" + candidate.metric + ")");
              } else {
                text += " - " + std::string(ivr::to_string(candidate.why));
              }
            }
            if (c.others > 0) text += "  and " + std::to_string(c.others) + " more";
            return text;
          },
          [](const acd::Offer& c) { return "agent " + c.agent + " rings for " + c.call; },
          [](const acd::Withdraw& c) { return "offer " + std::to_string(c.offer) + " withdrawn: " + c.why; },
          [](const acd::Connect& c) {
            return "agent " + c.agent + " takes " + c.call + " after " + seconds(c.waited);
          },
          [](const acd::Left& c) {
            std::string text = "queue " + c.queue + ": " + c.call + " " + std::string(name(c.exit));
            if (!c.agent.empty()) text += " by " + c.agent;
            text += ", waited " + seconds(c.waited);
            if (c.exit == acd::Exit::served) text += ", talked " + seconds(c.talked);
            return text;
          },
          [](const acd::Announce& c) {
            return c.message >= 0 ? "message " + std::to_string(c.message) + " to " + c.call
                                  : "position " + std::to_string(c.position) + " told to " + c.call;
          },
          [](const acd::DialCallback& c) {
            return "queue " + c.queue + ": calls " + c.number + " back, attempt " + std::to_string(c.attempt);
          },
          [](const acd::AgentChanged& c) {
            return "agent " + c.agent + " is " + std::string(ivr::to_string(c.state)) +
                   (c.contacts > 0 ? ", " + std::to_string(c.contacts) + " calls" : "") +
                   (c.reason.empty() ? "" : " (" + c.reason + ")");
          },
      },
      command);
}

std::string spoken(const ivr::Prompts& prompts) {
  std::string text, language;
  for (const ivr::Prompt& p : prompts) {
    if (!text.empty()) text += ' ';
    if (p.secret) {
      text += "***";
    } else if (p.kind == ivr::Prompt::Kind::text) {
      text += p.value;
      if (language.empty()) language = p.language;
    } else if (p.kind == ivr::Prompt::Kind::silence) {
      text += "(" + std::to_string(p.length.count()) + " ms of silence)";
    } else {
      text += "(" + p.value + ")";
    }
  }
  return (language.empty() ? std::string("plays ") : "says (" + language + ") ") + "\"" + text + "\"";
}

const char* name(ivr::DigitSource source) {
  switch (source) {
    case ivr::DigitSource::inband: return "in-band tone";
    case ivr::DigitSource::rtp_event: return "RFC 4733";
    case ivr::DigitSource::sip_info: return "SIP INFO";
  }
  return "";
}

}  // namespace

std::string seconds(ivr::Micros duration) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(duration.count()) / 1e6);
  return text;
}

std::string record_json(const ivr::CallRecord& record) { return to_json(record).dump(); }
std::string stats_json(const ivr::StreamStats& stats) { return to_json(stats).dump(); }

std::string record_text(const ivr::CallRecord& r) {
  std::string text = "call      " + r.id + "\n";
  text += "from      " + r.caller + "\nto        " + r.called + "\n";
  if (!r.flow.empty()) text += "flow      " + r.flow + " (" + r.flow_digest.substr(0, 12) + ")\n";
  text += "status    " + r.status + ", ended by " + r.cause + "\n";
  if (r.answered != ivr::Time{}) text += "talked    " + seconds(r.ended - r.answered) + "\n";
  if (!r.queue.empty()) {
    text += "queue     " + r.queue + ", waited " + seconds(r.waited);
    if (r.rang > ivr::Millis(0)) text += " of it ringing " + seconds(r.rang);
    text += "\n";
  }
  if (!r.agent.empty()) text += "agent     " + r.agent + ", talked " + seconds(r.talked) + "\n";
  if (r.tried != "[]") text += "tried     " + r.tried + "\n";
  if (!r.language.empty()) text += "language  " + r.language + "\n";
  if (!r.variables.empty() && r.variables != "{}") text += "variables " + r.variables + "\n";
  if (!r.recording.empty()) text += "recording " + r.recording + "\n";
  return text;
}

void Narrator::tell(const EngineEvent& event) {
  if (json_) {
    tell_json(event);
  } else {
    tell_text(event);
  }
  std::fflush(stdout);
}

void Narrator::line(const EngineEvent& event, const std::string& text) {
  const auto start = started_.find(event.call);
  const ivr::Micros since = start == started_.end() ? ivr::Micros{0} : event.at - start->second;
  std::printf("%8.2f s  %s\n", static_cast<double>(since.count()) / 1e6, text.c_str());
}

void Narrator::tell_text(const EngineEvent& event) {
  std::visit(
      Overload{
          [&](const EngineEvent::CallStarted& e) {
            started_[event.call] = event.at;
            const bool in = e.call.direction == ivr::Direction::inbound;
            line(event, (in ? "call from " + e.call.caller + " to " + e.call.called
                            : "calling " + e.call.called_uri) +
                            "  [" + event.call + "]");
          },
          [&](const EngineEvent::CallAnswered&) { line(event, "answered"); },
          [&](const EngineEvent::CallRefused& e) {
            line(event, "refused " + e.from + " at " + e.address +
                            (e.method == "REGISTER" ? " to register" : " to '" + e.extension + "'") + ": " +
                            std::to_string(e.status) + " " + e.reason);
          },
          [&](const EngineEvent::Said& e) { line(event, "   " + spoken(e.prompts)); },
          [&](const EngineEvent::Pressed& e) {
            line(event, std::string("   caller presses ") + e.digit + "  (" + name(e.source) + ")");
          },
          [&](const EngineEvent::Noted& e) {
            std::visit(
                Overload{
                    [&](const ivr::note::NodeEntered& n) {
                      entered_[event.call] = event.at;
                      line(event, "[" + n.node + "] " + n.type);
                    },
                    [&](const ivr::note::NodeLeft& n) {
                      const auto in = entered_.find(event.call);
                      std::string text = "   -> " + n.exit;
                      if (in != entered_.end()) text += "  after " + seconds(event.at - in->second);
                      if (!n.error.empty()) text += "  (" + n.error + ")";
                      line(event, text);
                    },
                    [&](const ivr::note::VariableSet& n) { line(event, "   " + n.name + " = " + n.value); },
                    [&](const ivr::note::LanguageChosen& n) { line(event, "   language " + n.language); },
                },
                e.note);
          },
          [&](const EngineEvent::Recorded& e) {
            line(event, "   recorded " + seconds(e.length) + " to " + e.file);
          },
          [&](const EngineEvent::Routed& e) { line(event, routed_text(e.what)); },
          [&](const EngineEvent::Enrolled& e) {
            line(event,
                 e.user + (e.registered ? " registered with " : " not registered with ") + e.registrar);
          },
          [&](const EngineEvent::Unreadable& e) { line(event, "dropped, unreadable: " + e.why); },
          [&](const EngineEvent::CallEnded& e) {
            line(event, "ended by " + e.record.cause + ", " + e.record.status);
            started_.erase(event.call);
            entered_.erase(event.call);
          },
      },
      event.what);
}

void Narrator::tell_json(const EngineEvent& event) {
  json j{{"at_ms", unix_ms(event.at)}, {"call", event.call}};
  std::visit(Overload{
                 [&](const EngineEvent::CallStarted& e) {
                   j["event"] = "call_started";
                   j["caller"] = e.call.caller;
                   j["called"] = e.call.called;
                 },
                 [&](const EngineEvent::CallAnswered&) { j["event"] = "call_answered"; },
                 [&](const EngineEvent::CallRefused& e) {
                   j["event"] = "call_refused";
                   j["status"] = e.status;
                   j["reason"] = e.reason;
                   j["address"] = e.address;
                   j["why"] = ivr::to_string(e.why);
                   j["method"] = e.method;
                   j["from"] = e.from;
                   j["extension"] = e.extension;
                 },
                 [&](const EngineEvent::Said& e) {
                   j["event"] = "said";
                   j["text"] = spoken(e.prompts);
                 },
                 [&](const EngineEvent::Pressed& e) {
                   j["event"] = "pressed";
                   j["digit"] = std::string(1, e.digit);
                   j["source"] = ivr::to_string(e.source);
                 },
                 [&](const EngineEvent::Noted& e) {
                   std::visit(Overload{
                                  [&](const ivr::note::NodeEntered& n) {
                                    j["event"] = "node_entered";
                                    j["node"] = n.node;
                                    j["type"] = n.type;
                                  },
                                  [&](const ivr::note::NodeLeft& n) {
                                    j["event"] = "node_left";
                                    j["node"] = n.node;
                                    j["exit"] = n.exit;
                                    if (!n.error.empty()) j["error"] = n.error;
                                  },
                                  [&](const ivr::note::VariableSet& n) {
                                    j["event"] = "variable_set";
                                    j["name"] = n.name;
                                    j["value"] = n.value;
                                  },
                                  [&](const ivr::note::LanguageChosen& n) {
                                    j["event"] = "language";
                                    j["language"] = n.language;
                                  },
                              },
                              e.note);
                 },
                 [&](const EngineEvent::Recorded& e) {
                   j["event"] = "recorded";
                   j["file"] = e.file;
                   j["length_ms"] = e.length.count();
                 },
                 [&](const EngineEvent::Routed& e) {
                   j["event"] = "routed";
                   j["what"] = json::parse(ivr::acd::to_json(e.what));
                 },
                 [&](const EngineEvent::Enrolled& e) {
                   j["event"] = "enrolled";
                   j["user"] = e.user;
                   j["registered"] = e.registered;
                   j["status"] = e.status;
                   j["reason"] = e.reason;
                 },
                 [&](const EngineEvent::Unreadable& e) {
                   j["event"] = "unreadable";
                   j["kind"] = e.kind;
                   j["name"] = e.name;
                   j["why"] = e.why;
                 },
                 [&](const EngineEvent::CallEnded& e) {
                   j["event"] = "call_ended";
                   j["record"] = to_json(e.record);
                   j["rtp"] = to_json(e.media);
                 },
             },
             event.what);
  std::printf("%s\n", j.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
}

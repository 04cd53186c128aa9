#include "core/agent_script.hpp"

#include <utility>

namespace ivr {
namespace {

// A telephone that stays open has nothing else to say that the talk is over.
constexpr Millis kTalkOver = 200ms;

}  // namespace

AgentScript::AgentScript(AgentScriptOptions options) : options_(std::move(options)) {}

void AgentScript::step(const Outcome& outcome, Time, ScriptOutput& out) {
  if (std::holds_alternative<outcome::Ended>(outcome)) return;
  if (std::holds_alternative<outcome::Started>(outcome)) {
    out.intent.push_back(offer());
  } else if (const auto* offered = std::get_if<outcome::Offered>(&outcome)) {
    options_.whisper = offered->whisper;
    options_.accept_keys = offered->accept_keys;
    tried_ = 0;
    open_line_ = true;
    out.intent.push_back(offer());
  } else if (const auto* key = std::get_if<outcome::Collected>(&outcome)) {
    out.intent.push_back(after_key(*key));
  } else if (std::holds_alternative<outcome::Served>(outcome)) {
    out.intent.push_back(after_talk());
  } else {  // a whisper or tone has been played; one that cannot be is no reason to lose a caller
    out.intent.push_back(intent::Serve{});
  }
}

Intent AgentScript::offer() {
  if (options_.accept_keys.empty()) {
    if (options_.whisper.empty()) return intent::Serve{};
    return intent::Play{.prompts = options_.whisper};
  }
  ++tried_;
  return intent::Collect{.prompts = options_.whisper,
                         .max = 1,
                         .terminators = "",  // '#' may be the key
                         .first_timeout = options_.key_timeout,
                         .carry = false};
}

Intent AgentScript::after_key(const outcome::Collected& key) {
  if (!key.digits.empty() && options_.accept_keys.find(key.digits[0]) != std::string::npos)
    return intent::Serve{};
  if (tried_ < options_.tries) return offer();
  return open_line_ ? Intent(intent::Decline{}) : intent::Hangup{.reason = "declined"};
}

Intent AgentScript::after_talk() const {
  if (!options_.standby) return intent::Hangup{};
  return intent::Play{.prompts = {Prompt{.kind = Prompt::Kind::tone, .value = "beep", .length = kTalkOver}},
                      .barge_in = BargeIn::none};
}

void CallbackScript::step(const Outcome& outcome, Time, ScriptOutput& out) {
  if (std::holds_alternative<outcome::Ended>(outcome)) return;
  if (std::holds_alternative<outcome::Started>(outcome) ||
      std::holds_alternative<outcome::QueueNews>(outcome)) {
    out.intent.push_back(intent::Queue{.queue = queue_});
  } else {
    out.intent.push_back(intent::Hangup{});
  }
}

outcome::QueueEnd end_of(acd::Exit exit) {
  switch (exit) {
    case acd::Exit::timeout: return outcome::QueueEnd::timeout;
    case acd::Exit::full: return outcome::QueueEnd::full;
    default: return outcome::QueueEnd::unavailable;
  }
}

acd::Refused::Why refusal_of(int status) {
  using Why = acd::Refused::Why;
  switch (status) {
    case 486:
    case 600: return Why::busy;
    case 403:
    case 603: return Why::rejected;
    case 408:
    case 480:
    case 487: return Why::no_answer;
    default: return status == 0 ? Why::rejected : Why::unreachable;
  }
}

}  // namespace ivr

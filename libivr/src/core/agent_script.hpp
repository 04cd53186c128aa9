#pragma once
#include <string>
#include <utility>

#include "ivr/router.hpp"
#include "ivr/script.hpp"

namespace ivr {

struct AgentScriptOptions {
  Prompts whisper;          // heard by the agent alone, before they talk: who calls, and about what
  std::string accept_keys;  // one of them takes the caller; empty: answering the telephone does
  int tries = 2;            // the whisper is said so often; a wrong key or none uses one up
  Millis key_timeout = 8s;  // after the whisper
  bool standby = false;     // the leg stays open between callers
};

// What an agent's telephone does when it is rung for a caller: it whispers, asks for the key, serves, and
// hangs up ("normal"; "declined" when the key does not come). An agent on standby hears a short tone after
// each talk and serves again; to one on an open line each caller's own whisper and keys come with the offer.
//
// Until intent::Serve the caller is not bound to this agent: the leg may be dropped at any moment.
// Thread: one at a time.
class AgentScript : public Script {
 public:
  explicit AgentScript(AgentScriptOptions options);
  void step(const Outcome& outcome, Time now, ScriptOutput& out) override;

 private:
  Intent offer();
  Intent after_key(const outcome::Collected& key);
  Intent after_talk() const;

  AgentScriptOptions options_;
  int tried_ = 0;
  bool open_line_ = false;  // it has been offered a caller while it waited
};

// The script of a call back to somebody who did not want to wait on the line: it is put where he stood.
class CallbackScript final : public Script {
 public:
  explicit CallbackScript(std::string queue) : queue_(std::move(queue)) {}
  void step(const Outcome& outcome, Time now, ScriptOutput& out) override;

 private:
  std::string queue_;
};

// What the caller's script hears of how a wait ended that nobody served.
outcome::QueueEnd end_of(acd::Exit exit);

// RFC 3261, 21: what a final status says about an agent. 0: answered, and hung up before it took. A leg that
// we cancelled ends with 487, one that never answered with 408 or 480.
acd::Refused::Why refusal_of(int status);

}  // namespace ivr

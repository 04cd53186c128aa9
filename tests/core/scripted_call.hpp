#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/time_at.hpp"
#include "ivr/call_session.hpp"

namespace ivr {

// A script that wants a fixed list of things, one after the other, and keeps what it was told.
struct Wants : Script {
  explicit Wants(std::vector<Intent> list) : intents(std::move(list)) {}
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    told.push_back(outcome);
    if (std::holds_alternative<outcome::Ended>(outcome)) return;
    out.intent.push_back(next < intents.size() ? intents[next++] : Intent(intent::Hangup{}));
  }
  std::vector<Intent> intents;
  std::size_t next = 0;
  std::vector<Outcome> told;
};

inline Prompts say(std::string text) { return {Prompt{Prompt::Kind::text, std::move(text), "en"}}; }

// A call whose script wants a fixed list of things; a test feeds events and looks at the commands.
class ScriptedCall : public testing::Test {
 protected:
  void start(std::vector<Intent> intents, CallSessionOptions options = {}, bool established = true) {
    auto owned = std::make_unique<Wants>(std::move(intents));
    script = owned.get();
    session = std::make_unique<CallSession>(std::move(owned), options);
    step(event::Invited{CallInfo{
             "c1", Direction::inbound, "alice", "2001", "sip:alice@a", "sip:2001@b", "", {}}},
         0ms);
    if (established) step(event::Established{}, 100ms);
  }
  void step(const Event& event, Millis t) {
    out.clear();
    session->step(event, at(t), out);
    all.insert(all.end(), out.begin(), out.end());
  }
  void tick() {
    ASSERT_TRUE(session->deadline());
    const Time due = *session->deadline();
    out.clear();
    session->step(event::Tick{}, due, out);
    all.insert(all.end(), out.begin(), out.end());
  }
  void press(char digit, Millis t) { step(event::DigitHeard{digit, DigitSource::rtp_event}, t); }
  template <class T>
  const T* sent() const {
    for (const Command& c : out) {
      if (const T* x = std::get_if<T>(&c)) return x;
    }
    return nullptr;
  }
  template <class T>
  const T& last() const {
    return std::get<T>(script->told.back());
  }
  Millis due() const { return std::chrono::duration_cast<Millis>(*session->deadline() - at(0ms)); }

  Wants* script = nullptr;
  std::unique_ptr<CallSession> session;
  Commands out, all;
};

}  // namespace ivr

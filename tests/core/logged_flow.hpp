#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/time_at.hpp"
#include "ivr/event_log.hpp"
#include "ivr/flow_run.hpp"
#include "ivr/shadow.hpp"

namespace ivr {

inline std::shared_ptr<const Flow> loaded(const std::string& json) {
  auto flow = Flow::load(json);
  EXPECT_TRUE(flow.ok()) << flow.status().message();
  return flow.ok() ? *flow : nullptr;
}

// A call through a flow by the classes that production runs; a test is the caller and the services, and has
// the log at the end.
class LoggedFlow {
 public:
  explicit LoggedFlow(const std::string& json, const std::string& id = "c1") : flow(loaded(json)) {
    const CallInfo call{.id = id, .caller = "1001", .called = "2001"};
    session_ =
        std::make_unique<CallSession>(std::make_unique<FlowRun>(flow, FlowRunOptions{.seed = flow_seed(id)}),
                                      CallSessionOptions{.secret_type_ahead = flow->asks_for_secrets()});
    step(event::Invited{call});
    step(event::Established{});
  }

  void press(const std::string& keys) {
    for (const char key : keys) {
      now_ += 300ms;
      step(event::DigitHeard{key, DigitSource::rtp_event});
    }
  }
  // What plays has ended: by itself, or because a key has stopped it.
  void played() {
    now_ += 1s;
    step(event::PlayEnded{play_, 1000ms, true, {}});
  }
  void silence() {
    ASSERT_TRUE(session_->deadline());
    now_ = *session_->deadline();
    step(event::Tick{});
  }
  void reply(int status, std::string body) {
    now_ += 50ms;
    step(event::HttpReplied{fetch_, {status, std::move(body), ""}});
  }
  void hangs_up() {
    now_ += 500ms;
    step(event::LegEnded{0, 0, "", true});
  }

  std::shared_ptr<const Flow> flow;
  std::vector<LogEntry> entries;

 private:
  void step(const Event& event) {
    out_.clear();
    const Event logged = session_->for_log(event).value_or(event);
    session_->step(event, now_, out_);
    auto entry = parse_log_line(
        log_line(static_cast<std::int64_t>(entries.size()), now_, logged, out_, session_->revealed()));
    ASSERT_TRUE(entry.ok()) << entry.status();
    entries.push_back(*std::move(entry));
    for (const Command& command : out_) {
      if (const auto* play = std::get_if<command::Play>(&command)) play_ = play->play;
      if (const auto* fetch = std::get_if<command::Fetch>(&command)) fetch_ = fetch->request;
    }
  }

  std::unique_ptr<CallSession> session_;
  Time now_ = at(0ms);
  Commands out_;
  PlayId play_ = 0;
  RequestId fetch_ = 0;
};

}  // namespace ivr

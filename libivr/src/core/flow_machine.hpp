#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/flow_model.hpp"
#include "core/flow_scope.hpp"
#include "ivr/flow_run.hpp"

// One caller's way through a flow. Three files carry it out: flow_run.cpp the way itself and what decides it,
// flow_run_input.cpp the questions to the caller, flow_run_others.cpp what others are asked for: agents,
// services, recordings.

namespace ivr {

class FlowRun::Machine {
 public:
  Machine(std::shared_ptr<const Flow> flow, FlowRunOptions options);

  void step(const Outcome& outcome, Time now, ScriptOutput& out);

  std::string variables_json() const { return scope_.variables_json(); }
  const std::string& language() const noexcept { return scope_.language_name(); }
  const std::string& node_name() const noexcept {
    static const std::string kNone;
    return at_ < 0 ? kNone : node().name;
  }
  bool ended() const noexcept { return ended_; }
  const std::string& guessed() const noexcept { return guessed_; }
  const std::shared_ptr<const Flow>& flow() const noexcept { return flow_; }

 private:
  // What the open intent of a node is for.
  enum class Phase : std::uint8_t { none, say, ask, confirm, act, pause, refer, goodbye };

  const flow::Node& node() const { return model_.nodes[static_cast<std::size_t>(at_)]; }
  template <class T>
  const T& body() const {
    return std::get<T>(node().body);
  }

  // -------------------------------------------------------------------------------------------- the way

  void begin(const outcome::Started& started);
  void run();  // nodes until one wants something
  void arrive();
  void enter();
  void resume(const Outcome& outcome);

  // Leaves the node; `to` nowhere ends the call with `reason`.
  void leave(std::string_view exit, int to, std::string input = {}, std::string error = {},
             std::string_view reason = "error", std::string output = {});
  void leave(flow::ExitId exit, std::string input = {}, std::string error = {}, std::string output = {});
  void fail(std::string error, std::string input = {});
  // The same node again: a row of its own in the audit trail, so a replay knows what became of each try.
  void retry(std::string input);
  void out_of_fuel();
  void hang_up(std::string reason);
  void end(const outcome::Ended& ended);
  void want(Intent intent) { out_->intent.push_back(std::move(intent)); }

  // The exit that the original run took at this visit of the node, for decisions over values this replay does
  // not have.
  std::string_view recorded() const;
  // What was just read is not known in this replay, but the way that the original run took here is.
  bool goes_by_record();

  // -------------------------------------------------------------------------------- saying and deciding

  // Appends what is said of `say` now. False, and the node has left by its error exit, when a text cannot be
  // made.
  bool render(const flow::Say& say, Prompts& prompts);
  void play(const flow::Say& say, int loops, const flow::Barge& barge, Phase phase);
  void after_play(const outcome::Played& played);
  void goodbye(std::string error = {});

  void decide();
  flow::ExitId by_hours(const std::string& calendar);
  double random();
  void choose_department();

  void assign();
  void put(int slot, flow::Value value, bool is_secret, bool is_redacted = false);
  void choose(int language);

  // -------------------------------------------------------------------------- questions (flow_run_input)

  void enter_welcome(bool again);
  void enter_menu(bool again);
  void enter_gather(bool again);
  // The question; before it, on another try, what was wrong with the last one.
  bool prompts_of(bool again, const flow::Say& say, const flow::Say& invalid, const flow::Say& no_input,
                  Prompts& prompts);
  void language_key(const outcome::Collected& c);
  void menu_key(const outcome::Collected& c);
  void ask_to_confirm();
  void confirmed(const outcome::Collected& c);
  int menu_behind(int way) const;  // the node that kBack or kTop is now
  void gathered(const outcome::Collected& c);
  bool valid(const flow::GatherNode& g, const std::string& digits);
  // A wrong answer or none: once more, or out by the exit of the kind that was last.
  // `refused`: the caller has said himself that it was wrong.
  void missed(bool silent, int tries, int max_invalid, int max_silent, std::string input,
              bool refused = false);

  // ---------------------------------------------------------------------------- others (flow_run_others)

  void enter_queue();
  void announce(const outcome::QueueNews& news);
  void after_queue(const outcome::Queued& queued);
  void dial();
  void after_transfer(const outcome::Transferred& t);
  void call_back();
  void set_agent_status();
  void after_agent_status(const outcome::AgentStatusSet& set);
  void fetch();
  void fetched(const outcome::Fetched& outcome);
  void enter_record();
  void after_record(const outcome::Recorded& r);
  void send_digits();

  std::shared_ptr<const Flow> flow_;
  const flow::Model& model_;
  FlowRunOptions options_;
  flow::Scope scope_;
  ScriptOutput* out_ = nullptr;

  std::vector<int> visits_;
  int at_ = flow::kNowhere, next_ = flow::kNowhere;
  Phase phase_ = Phase::none;
  int tries_ = 0, invalid_ = 0, silent_ = 0;  // of the menu or gather
  bool was_silent_ = false, was_refused_ = false, again_ = false;
  std::vector<int> menus_;                // from the first one to the one the caller is in or has left last
  int came_from_ = flow::kNowhere;        // the node before this one
  const flow::Choice* chosen_ = nullptr;  // waits to be confirmed
  std::string keys_;                      // that chose it
  int attempt_ = 0;                       // of the request, or of the question whether the choice is right
  int errors_ = 0;
  int fuel_ = 0;
  std::vector<std::vector<std::string_view>> recorded_;  // FlowRunOptions::recorded_way, by node
  std::string guessed_;                                  // the first node that had to
  intent::Queue waiting_;                                // asked for again, with another announcement
  std::uint64_t random_ = 0;
  int status_ = intent::Hangup{}.status;  // of the rejection, when the call was not answered
  bool begun_ = false, hanging_up_ = false, ended_ = false;  // ended: nothing follows any more
  bool breathing_ = false;                                   // between two nodes, for others to have a turn
};

}  // namespace ivr

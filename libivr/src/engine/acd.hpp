#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "ivr/call_session.hpp"
#include "ivr/engine.hpp"
#include "ivr/ports.hpp"
#include "ivr/router.hpp"

namespace ivr {

// What the router's hands need of the switchboard. Everything is asked by call id; what is not there (any
// more) is ignored. Nothing of it calls back into Acd before it returns.
class CallControl {
 public:
  virtual Time now() const = 0;
  virtual std::string name_call() = 0;  // never the same again
  // A leg to an agent, or back to a caller, as a call of its own. `like`: the call it will talk with, whose
  // codec it should use.
  virtual void dial(const std::string& id, Originate request, const std::string& like) = 0;
  virtual void tell_session(const std::string& call, Event event) = 0;  // after what is being done now
  virtual void end(const std::string& call, std::string reason) = 0;
  virtual void bridge(const std::string& a, const std::string& b, const BridgeOptions& options) = 0;
  virtual void unbridge(const std::string& a, const std::string& b) = 0;
  virtual void notify_refer(const std::string& call, int status) = 0;
  // The router's log, in order: what came, what was made of it, and the instant that the router was told.
  virtual void log(const acd::Event& event, const acd::Commands& commands, Time at) = 0;
  // Does it, at once or later, when all that log() was told so far would survive a crash.
  virtual void when_kept(std::function<void()> then) = 0;
  virtual CallRecord* record(const std::string& call) = 0;

 protected:
  ~CallControl() = default;
};

// The router's hands: rings agents for it, tells it how that went, and joins callers with those who took
// them. An agent's leg is a call of its own, with its own session and log.
//
// Thread: control only.
class Acd {
 public:
  Acd(const EngineOptions& options, CallControl& calls);
  ~Acd();

  // What was kept of an earlier run, then the agents and queues of the options.
  absl::Status start(std::optional<Router> kept);

  // From sessions.
  void join(const std::string& call, const std::string& caller, const intent::Queue& want);
  void leave(const std::string& call, acd::Leave::Why why, char key = 0);
  void request_callback(const std::string& call, const std::string& number);
  void serve(const std::string& call, const std::string& caller);  // `caller`: of a call we did not make
  void decline(const std::string& call);  // an open line does not take whom it was offered
  void part(const std::string& call);     // the talk is over though both are still there

  // From SIP.
  void ringing(const std::string& call);
  void ended(const std::string& call, int status);  // the whole call, whatever its part was
  void registered(const sip::Registered& registered);
  // An agent, or who has taken a caller in a warm transfer, sends that caller to `target`. False: it talks
  // with nobody.
  bool referred(const std::string& call, const std::string& target);
  bool send_on(const std::string& call, const std::string& target);  // the same, asked for by the application
  // A warm transfer: asks `uri`, and whoever takes the call there goes on with it in place of its partner.
  bool consult(const std::string& call, const std::string& uri, Prompts brief,
               const std::string& accept_keys);
  // An attended transfer: who talks with `left` goes on with who talks with `other`, or with `other` itself
  // when that talks with nobody. False: nobody talks with `left`, or the two talk with each other.
  bool join_partners(const std::string& left, const std::string& other);
  void held(const std::string& call, bool held);           // by its own telephone
  void transferring(const std::string& call, int status);  // progress of a caller's own dialling
  void drain() { draining_ = true; }  // nobody is called back any more: who is owed one is at the next start

  // From the application.
  absl::Status set_queues(const std::vector<QueueOptions>& queues);  // all or none; others stay
  absl::Status set_status(const std::string& agent, AgentState state, const std::string& reason);

  // The call that calls an entry back: the same for the same attempt, so that a restart can tell whether it
  // was answered.
  static std::string callback_call(const Router::EntryView& entry, int attempt);

  // Now and then the router is told the time although nothing is due: then its log says until when it ran.
  std::optional<Time> deadline() const {
    const Time pulse = spoke_ + kPulse;
    return std::min(router_.deadline().value_or(pulse), pulse);
  }
  void tick();

  const Router& router() const { return router_; }
  // Internal: what does not fit together, or is of a call that is not `there`. For tests.
  absl::Status check(const std::function<bool(const std::string&)>& there) const;
  // Who talks with this call; empty: nobody.
  std::string partner(const std::string& call) const;
  // Of a user of the registrar: the agent who is reached there; empty: none.
  std::string agent_of(std::string_view user) const;
  // Where an agent is reached now; empty: nowhere.
  std::vector<std::string> addresses(const std::string& agent) const;

 private:
  static constexpr Millis kPulse = 60s;
  struct Caller {  // waits, rings or talks
    std::string number;
    intent::Queue want;
  };
  struct Offering {
    acd::Offer offer;
    std::set<std::string> legs;  // calls to the agent's telephones
    std::string winner;          // who took it first
    Time since{};
    bool rings = false;
    acd::Refused::Why why = acd::Refused::Why::unreachable;  // of the leg that came nearest
  };
  struct AgentCall {
    OfferId offer = 0;
    std::string agent;
    bool took = false;  // the router believes it talks: TalkEnded is owed
    acd::TalkEnded::By by = acd::TalkEnded::By::caller;
    std::string target;     // of a transfer
    bool standing = false;  // stays open between talks
  };

  void post(acd::Event event);
  void ended_by(const std::string& call, acd::TalkEnded::By by, const std::string& target = {});
  void carry_out(const acd::Offer& offer);
  void carry_out(const acd::Withdraw& withdraw);
  void carry_out(const acd::Connect& connect);
  void carry_out(const acd::Left& left);
  void carry_out(const acd::Joined& joined);
  void carry_out(const acd::Announce& announce);
  void carry_out(const acd::DialCallback& dial);
  void carry_out(const acd::AgentChanged&) {}
  void carry_out(const acd::Decided&) {}
  void couple(const std::string& a, const std::string& b);
  void separate(const std::string& a, const std::string& b);
  void agent_call_ended(const std::string& call, int status);
  void release(const std::string& agent_call);  // the router may use the agent again
  void log_in(const std::string& agent, std::string reason);
  bool may_send_on(const std::string& call) const {
    return agent_calls_.contains(call) || takers_.contains(call);
  }

  const EngineOptions& options_;
  CallControl& calls_;
  Router router_;
  std::deque<acd::Event> events_;
  bool stepping_ = false;
  bool draining_ = false;
  Time spoke_{};  // with the router, last
  std::map<std::string, AgentOptions> agents_;
  std::map<std::string, std::vector<sip::Contact>> contacts_;  // by user
  absl::flat_hash_map<std::string, Caller> callers_;           // by call
  absl::flat_hash_map<OfferId, Offering> offerings_;           // until accepted, refused or withdrawn
  absl::flat_hash_map<std::string, AgentCall> agent_calls_;    // until the call has ended
  absl::flat_hash_map<std::string, std::string> partners_;     // both ways
  absl::flat_hash_map<std::string, Time> talking_;             // by the caller's call: since when
  absl::flat_hash_map<std::string, std::string> referrers_;  // by the caller's call: who waits to hear of it
  absl::flat_hash_map<std::string, std::string> standing_;   // by agent: its open leg
  absl::flat_hash_map<std::string, std::string> consults_;   // by the call that is asked: for whom
  absl::flat_hash_set<std::string> takers_;                  // calls that took somebody in a warm transfer
  absl::flat_hash_map<std::string, EntryId> callbacks_;      // by the call back, until it is answered
};

}  // namespace ivr

#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/skills.hpp"

// Automatic call distribution: who waits in which queue, which agent may take whom, and who is offered to
// whom. The Router decides; an engine rings telephones and tells it how that went.

namespace ivr {

using EntryId = std::uint64_t;  // one stay of a caller in the router, also across queues; never used again
using OfferId = std::uint64_t;  // one caller offered to one agent; never used again

struct AgentOptions {
  std::string id;  // ties between agents end at their position in the queue, then at this
  std::string name;
  std::string department;
  std::string uri;   // a fixed SIP URI; empty: where the registrar finds `user`
  std::string user;  // of the registrar; empty: id
  std::vector<Skill> skills;
  std::map<std::string, int> capacity = {{"voice", 1}};       // contacts at once, by channel
  int score = 100;                                            // of strategy "priority": higher is first
  std::optional<Millis> wrap_up;                              // in place of the queue's
  Millis no_answer_delay{0}, busy_delay{0}, reject_delay{0};  // not offered for so long after one
  int max_misses = 0;                                         // in a row, then `after_misses`; 0: never
  AgentState after_misses = AgentState::on_break;
  bool standby = false;  // keeps a leg open between calls: offered on it, not dialled
  std::string music;     // class of what those hear whom it puts on hold; empty: the queue's
};

// Why a member of a queue cannot be offered now; the join_empty and leave_empty rules name them. Several may
// be true of one agent: such a rule counts any of them, a Decided names the one that will last longest.
enum class Unavailable {
  none,         // it can
  paused,       // on a break
  penalty,      // above what the caller's penalty window, tier or ring allows by now
  in_use,       // as many contacts as its capacity, on the caller's channel (for the rules: on every channel)
  ringing,      // an offer is out
  unreachable,  // no registered contact, no fixed URI
  offline,      // logged out
  wrap_up,      // after a call, or because the agent asked for it
  delayed,      // after a missed, busy or rejected offer
  unskilled,    // lacks a required skill
  tried,        // this caller has been offered to it, and the queue offers once
  unknown,      // a member that is no agent
};
std::string_view to_string(Unavailable why);
std::string_view to_string(AgentState state);

struct QueueMember {
  std::string agent;  // one that is not known (yet) counts as Unavailable::unknown
  int penalty = 0;    // lower is preferred; also the tier's level
  int position = 0;   // in its tier; equal ones keep the order of the list
};

// As a caller's wait grows: the window of penalties moves, optional skills are dropped, more agents count.
//
// A step that says so is skipped while nobody could serve in it: every agent whom it lets in (by penalty,
// tier and skills, with a capacity on the caller's channel) is in one of the states of `skip_if`, or there is
// none. Then the rules of the next step hold, before their time; those of the skipped one are what it goes on
// from. A caller who is past the last step in this way leaves as unavailable (not a callback, nor one for
// whom somebody rings); a last step without skip_if is waited in. When somebody is there again, and the next
// step's time has not come, the step counts again. The queue's own settings are skipped by a first step after
// 0 ms.
struct QueueStep {
  Millis after{0};
  std::optional<int> min_penalty, max_penalty;  // what a step leaves out stays as it was
  std::optional<int> raise_penalty;             // members below it count as having it
  bool drop_preferred = false;                  // preferred skills count no more
  std::optional<SkillExpression> required;      // in place of the queue's from then on (bullseye rings)
  std::vector<Unavailable> skip_if;             // not penalty, unskilled or tried; empty: never
};

// The members of one penalty are a tier. The first is open at once, all others after `wait`; with
// multiply_by_level one more each time that `wait` has passed.
struct TierRules {
  bool apply = false;
  Millis wait{0};
  bool multiply_by_level = false;
  bool skip_empty = true;  // a tier in which nobody is logged in costs no wait
};

struct QueueAnnouncements {
  Millis first{0};       // after joining; 0: not before `every`. With `every` 0 it is the only one
  Millis every{0};       // position; 0: never
  Millis at_least{15s};  // between two announcements of any kind: the later one is put off
  bool only_when_improved = false;
  int more_than = 0;          // positions beyond it are told as "more than n"; 0: told exactly
  bool wait_time = false;     // the estimate too
  Millis rounding{60s};       // of the estimate, upwards
  Millis periodic{0};         // periodic messages; 0: never
  int periodic_messages = 0;  // how many there are
  bool periodic_random = false;
};

// A decision, exactly. Agents who can be offered are ranked by
//   1. the caller's own agent (Join::agent, sticky), unless just tried;
//   2. who has not been offered to this caller yet in this round: when all who can be have been, a new round
//      begins (not ringall, which rings the same again; with `once` there is one round);
//   3. penalty, lower first;
//   4. how many of the preferred skills are missing;
//   5. the strategy's own measure;
//   6. position, then place in the list (without a list: the agent's id).
// and the first is offered. The measures:
//   longest_idle      the end of the last call, earlier first; who has had none is before all
//   fewest_calls      calls taken today
//   least_talk_time   time talked today
//   round_robin       places after the agent who was offered last (at this penalty) come first
//   sequential        none: 6 alone
//   skills_based      the sum of the agent's levels in the required skills, higher first; of an `or` that of
//                     the best part which the agent meets, and nothing for what is not to be had
//   load_balanced     contacts / capacity, on the caller's channel
//   least_busy        contacts, on the caller's channel
//   priority          AgentOptions::score, higher first
//   random            all of one penalty equally likely
//   wrandom           instead of 3: each draws from [0, 1 + penalty), the lowest wins
//   ringall           all of the first penalty at once
//   ring_progressively the first, and one more each time `ring_progressively` has passed
// A day begins at midnight UTC: counters of today and the figures of QueueView and AgentView begin anew.
//
// Callers of a queue are served by priority x 1000 + age_score x seconds of age, then by who came first. One
// is passed over, without losing the place, while it waits for `retry` or nobody of those free can take it.
// When the heads of several queues want the same agent: the heavier queue, then (if both have `oldest_first`)
// the older caller, then the higher score, then who came first.
struct QueueOptions {
  std::string id;
  std::string strategy = "longest_idle";  // see strategy_names()
  std::vector<QueueMember> members;  // in order; empty: all who have the required skills, its or a step's
  std::string department;            // with empty members: only its agents
  SkillExpression required;          // must have
  std::vector<Skill> preferred;      // come first who have most of them
  std::vector<QueueStep> steps;      // by `after`, rising
  TierRules tiers;
  int max_size = 0;                // callers; 0: no limit
  Millis max_wait{0};              // in this queue, also while somebody rings; 0: no limit
  Millis ring_limit{30s};          // an agent rings so long, from the Offer on
  Millis retry{1s};                // after a failed offer, before this caller is offered again; not after
                                   // one that was withdrawn as "agent away"
  Millis ring_progressively{10s};  // of that strategy: one more agent each
  Millis wrap_up{0};
  int weight = 0;                // of two queues that want the same agent: higher is first
  double age_score = 1;          // points a second of waiting, added to the caller's priority x 1000
  bool age_from_system = false;  // the age counts from the call's first join of any queue, if it is
                                 // back within 5 minutes of leaving that one
  bool autofill = true;          // n callers to n agents at once; false: only the first in line
  bool shared_last_call = true;  // wrap-up, idleness, calls and talk time count those of all queues
  bool oldest_first = false;     // the head of this line is passed over while the older head of another
                                 // line with the flag waits for the same agent
  bool once = false;             // each agent is tried once; the caller leaves as unavailable when all
                                 // who are logged in and not on a break have been
  std::vector<Unavailable> join_empty;   // refuse to join when every member is in one of these; empty: never
  std::vector<Unavailable> leave_empty;  // leave then, unless somebody rings for the caller
  Millis sticky{0};  // the agent who last served this caller comes first; while busy, waited for so long
  Millis resume{0};  // a caller who dropped, or whom a crash cut off, keeps the place for so long
  QueueAnnouncements announce;
  Millis service_level{20s};  // SL: served within it
  Millis short_abandon{5s};   // given up within it counts for nothing
  int callback_tries = 1;     // calls to the caller; a crash during one does not use it up
  Millis callback_retry{300s};
  std::string music;  // class of what its callers hear, unless the script says; the router does not care
};

// ringall, ring_progressively, longest_idle, fewest_calls, least_talk_time, rrmemory, rrordered, round_robin,
// linear, top_down, random, wrandom, sequential, skills_based, load_balanced, least_busy, priority, and what
// other engines call them ("leastrecent", "ring-all", "longest-idle-agent"...).
const std::vector<std::string_view>& strategy_names();
bool known_strategy(std::string_view name);

// What happened. `now` of the step says when.
namespace acd {

// Options that check() refuses change nothing.
struct AgentSet {
  AgentOptions agent;
};  // new and offline, or changed: its state, counters and calls stay
struct AgentRemoved {
  std::string agent;
};  // calls in progress go on
struct QueueSet {
  QueueOptions queue;
};  // unknown strategies were refused before, by check()
struct QueueRemoved {
  std::string queue;
};  // its callers leave as unavailable

struct AgentStatus {  // what the agent, a supervisor or a feature code asks for
  std::string agent;
  AgentState state = AgentState::available;  // ends a wrap-up, a delay and a row of misses too. Not on_call
  std::string reason;
};
struct AgentReachable {
  std::string agent;
  bool reachable = false;
};  // the registrar's or the standby leg's word; with a fixed URI reachable from the start
struct AgentBusy {
  std::string agent, channel;
  int contacts = 1;  // +1 begins, -1 ends a contact that the router did not offer; no wrap-up follows
};

struct Join {
  std::string call;  // CallInfo::id
  std::string queue;
  std::string caller;  // number: for sticky agents and for resuming a place
  std::string channel = "voice";
  int priority = 0;
  SkillExpression required;      // besides the queue's
  std::vector<Skill> preferred;  // besides the queue's
  std::string agent;             // preferred above all others while it can be offered
  bool direct = false;           // `agent` and nobody else
};
struct Leave {  // of a call that waits
  std::string call;
  enum class Why { hung_up, key, moved, timeout } why = Why::hung_up;  // timeout: the caller's own limit
  std::string key{};                                                   // which one
};  // not with the talk that follows a Connect: that is Ended
struct Move {
  std::string call, queue;
};  // the same entry, Joined again; the age stays, max_wait and the steps begin anew. Full: it leaves as full

// A callback is an entry that waits without a call. When it is first in line and an agent is free,
// DialCallback is given (the agent is not kept: others are served meanwhile; but no more callbacks are under
// way at once than agents of the queue are free). Answered, the new call stands
// before all others of its queue; not answered, the entry keeps its place and is dialled again, or leaves as
// Exit::callback when the tries are used up. max_wait does not end it, nor does a restart.
struct CallbackRequested {
  std::string call;    // it waits: the entry becomes a callback, and the call may end. Or it has left in the
                       // last 5 minutes (not served, not dropped): a new entry is Joined in the old place
  std::string number;  // or URI to dial
};
struct CallbackDialled {  // how the call back to the caller went
  EntryId entry = 0;
  std::string call;  // the new one
  bool answered = false;
};

struct Ringing {
  OfferId offer = 0;
};  // for the log; nothing depends on it
struct Accepted {
  OfferId offer = 0;
};  // answered, and the accept key pressed where one is asked for
struct Refused {
  OfferId offer = 0;
  enum class Why { no_answer, busy, rejected, unreachable } why = Why::no_answer;
};  // no_answer and unreachable count as missed, with no_answer_delay
struct TalkEnded {
  OfferId offer = 0;
  // For the log: who ended it, or the agent has sent the caller on, after having talked to the other first or
  // not. unknown: a log of before says nothing.
  enum class By { unknown, caller, agent, transfer, attended } by = By::unknown;
  std::string target{};  // of a transfer
};                       // the agent's leg is free: wrap-up begins
struct Restarted {};  // after a crash: legs are gone, callers who waited or talked are closed, callbacks stay
struct Tick {};

using Event = std::variant<AgentSet, AgentRemoved, QueueSet, QueueRemoved, AgentStatus, AgentReachable,
                           AgentBusy, Join, Leave, Move, CallbackRequested, CallbackDialled, Ringing,
                           Accepted, Refused, TalkEnded, Restarted, Tick>;

// What to do about it, in this order.
struct Offer {
  OfferId offer = 0;
  EntryId entry = 0;
  std::string call, agent, queue;
  Millis ring_limit{0};
};
struct Withdraw {
  OfferId offer = 0;
  std::string why;  // "answered elsewhere", "caller left", "time-out", "agent away"
};
struct Connect {  // the one winner; every other offer of the caller has been withdrawn before
  OfferId offer = 0;
  EntryId entry = 0;
  std::string call, agent;
  Millis waited{0};
  std::vector<std::string> tried;  // agents whose offers came to nothing, each once, in order
};
enum class Exit { served, timeout, full, unavailable, abandoned, key, moved, callback, system };
// Exactly once an entry; served: when the talk has ended. One refused at the door was never Joined.
struct Left {
  EntryId entry = 0;
  std::string call, queue;
  Exit exit = Exit::served;
  std::string agent;
  Millis waited{0}, talked{0};
  std::vector<std::string> tried;
};
struct Joined {
  EntryId entry = 0;
  std::string call, queue;
  int position = 0;
  bool resumed = false;
};
struct Announce {
  EntryId entry = 0;
  std::string call;
  int position = 0;            // 1 is next
  bool more_than = false;      // position is the configured "more than n"
  std::optional<Millis> wait;  // the estimate, rounded; none before the first caller was served
  int message = -1;            // periodic message number, or -1: the position
};
struct DialCallback {
  EntryId entry = 0;
  std::string number, queue;
  int attempt = 1;
};
struct AgentChanged {
  std::string agent;
  AgentState state = AgentState::offline;
  int contacts = 0;
  std::string reason;
};
struct Decided {  // before its Offers: why this agent, why not another; or why nobody, before Left
  std::uint64_t decision = 0;
  EntryId entry = 0;
  std::string call, queue, strategy;
  struct Candidate {
    std::string agent;
    Unavailable why = Unavailable::none;  // none: it could have been offered
    int rank = 0;                         // 1 is offered first; 0: none
    std::string metric;                   // what the strategy compared, "idle 93 s", "load 1/2"
  };
  std::vector<Candidate> candidates;  // the first explain_limit of them, those offered first
  int others = 0;                     // how many more there were: explain() has them all
  // Of the queue's, 1 is the first: whose rules hold before their time, since those until then are skipped.
  // 0: all are, and the last one's hold. None: those of the step that is due.
  std::optional<int> step;
  std::optional<std::string> required;  // what was asked for, as text; none: a list of skills, or nothing
};

using Command =
    std::variant<Offer, Withdraw, Connect, Left, Joined, Announce, DialCallback, AgentChanged, Decided>;
using Commands = std::vector<Command>;

// One line of JSON each, and back: the router's log. Reading what write wrote gives an equal value.
std::string to_json(const Event& event);
absl::StatusOr<Event> event_from_json(std::string_view json);
std::string to_json(const Command& command);
absl::StatusOr<Command> command_from_json(std::string_view json);

}  // namespace acd

struct RouterOptions {
  std::uint64_t seed = 1;
  int explain_limit = 16;  // candidates in a Decided; 0: no Decided at all
  bool operator==(const RouterOptions&) const = default;
};

// All queues and all agents of an engine. A pure state machine: the same events at the same times give the
// same commands, so its log replays, and a decision can be taken again with its reasons.
//
// Invariants, whatever comes: no agent above its capacity; a caller is offered to one agent at a time (or to
// a ring of them, of whom one wins); an accepted offer binds one pair; each entry leaves in exactly one way.
// Events about what is not there (any more) do nothing. Joining an unknown queue leaves as unavailable.
//
// A step takes first the wrap-ups and delays that are over, then the event, then all else that is due (so an
// answer in the very instant of a time-out wins), then decides: nobody who could be offered is left waiting.
//
// Cost: a decision grows no faster than the logarithm of the number of agents, whatever the strategy; ringall
// costs what it rings. A combination of skills that is asked for the first time looks at all members once,
// and so does a change of a queue or of an agent's skills. An agent who comes into one of the states that a
// queue's skip_if names, or out of it, costs a look at each caller of that queue.
//
// Thread: one at a time.
class Router {
 public:
  explicit Router(RouterOptions options = {});
  ~Router();
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;

  // Names the value and what is allowed: an unknown strategy, a step out of order, a duplicate member.
  static absl::Status check(const QueueOptions& queue);
  static absl::Status check(const AgentOptions& agent);

  void step(const acd::Event& event, Time now, acd::Commands& out);
  std::optional<Time> deadline() const;

  // Everything it knows, as JSON; restore() of it goes on as if nothing had been.
  std::string save() const;
  static absl::StatusOr<Router> restore(std::string_view json);

  struct AgentView {
    std::string id, name, department;
    AgentState state = AgentState::offline;
    std::string reason;
    Unavailable unavailable = Unavailable::none;
    int contacts = 0, capacity = 0;
    int calls_taken = 0, misses = 0;
    Millis talk_time{0};
    Time since{}, last_call_ended{};
  };
  struct QueueView {
    std::string id;
    int waiting = 0, talking = 0, agents_logged_in = 0, agents_available = 0;
    Millis longest_wait{0}, average_wait{0};  // of those who wait now; of those served today
    // Today: joined without those refused at the door; served when connected; abandoned without the short
    // ones; overflowed: full or unavailable.
    int joined = 0, served = 0, abandoned = 0, short_abandoned = 0, timed_out = 0, overflowed = 0;
    double service_level = 1, service_level_2 = 1;  // SL: served in time / served; SL2: / served, abandoned,
                                                    // timed out and overflowed
  };
  struct EntryView {
    EntryId id = 0;
    std::string call, queue, caller, agent;  // agent: who talks or rings
    int position = 0;                        // 0: talks
    Time joined{};
    int priority = 0;
    bool callback = false;
    int attempt = 0;  // of a callback: how often it has been dialled
  };
  std::vector<AgentView> agents(Time now) const;
  std::vector<QueueView> queues(Time now) const;
  std::vector<EntryView> entries(Time now) const;    // those of a queue in the order they are served
  std::optional<EntryView> entry(EntryId id) const;  // none: it has left
  bool owes_callback(std::string_view call) const;   // this call asked to be called back, and has not been
  int position(std::string_view call) const;         // 1 is next; 0: does not wait
  // Of the wait still to come, never negative: position x time an agent needs for a caller (from the offer to
  // the end of the wrap-up, mean of about the last 32) / contacts that all agents at work can have at once.
  // For exponential times that is the expectation of M/M/n with all busy. 0 while nothing is known.
  Millis estimate(std::string_view call, Time now) const;

  // All candidates of the decision that would be taken for this caller now.
  std::optional<acd::Decided> explain(std::string_view call, Time now) const;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace ivr

#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/router_state.hpp"
#include "ivr/router.hpp"

namespace ivr {

// The state of the Router and the rules on it. One file a subject: router_agents (who can be offered),
// router_members (who may serve a queue), router_queues (who waits), router_rank (in which order agents are
// offered), router_offers (from the offer to the end of the talk), router_announce, router_places (resuming
// and callbacks), router_views, router_save.
//
// Whatever changes marks the lanes of callers it may help as dirty; settle() looks at those and at no others.
class Router::Machine {
 public:
  explicit Machine(RouterOptions options) : options_(options), random_(options.seed) {}

  void step(const acd::Event& event, Time now, acd::Commands& out);
  std::optional<Time> deadline() const;

  std::string save() const;
  static absl::StatusOr<std::unique_ptr<Machine>> restore(std::string_view json);

  std::vector<AgentView> agents(Time now);
  std::vector<QueueView> queues(Time now);
  std::vector<EntryView> entries() const;
  std::optional<EntryView> entry(EntryId id) const;
  bool owes_callback(std::string_view call) const { return callback_of_.contains(std::string(call)); }
  int position(std::string_view call) const;
  Millis estimate(std::string_view call, Time now);
  std::optional<acd::Decided> explain(std::string_view call, Time now);

 private:
  using Agent = routing::Agent;
  using Queue = routing::Queue;
  using Entry = routing::Entry;
  using Lane = routing::Lane;
  using Pool = routing::Pool;
  using Needs = routing::Needs;
  using Reasons = routing::Reasons;
  using EntryState = routing::EntryState;

  // One of those who can be offered, in the order in which they are.
  struct Pick {
    std::uint32_t agent = routing::kNone, member = routing::kNone, slot = routing::kNone;
    int level = 0;
  };
  struct Ranking {
    std::vector<Pick> picks;
    std::size_t at_once = 0;  // how many of them ring together

    // For the work alone; kept for their memory.
    std::vector<routing::Stretch> stretches;
    std::vector<std::size_t> tried, first, without;  // slots
    struct Group {                                   // of one penalty
      int level = 0;
      std::size_t begin = 0, end = 0;  // of the stretches
      routing::MinTree::Least least;
    };
    std::vector<Group> groups;
    routing::BestFirst search;
  };

  struct State;  // as it is saved
  void settle_marks();
  EntryView view_of(const Entry& entry, int position) const;

  // router.cpp
  void handle(const acd::AgentSet& event, Time now, acd::Commands& out);
  void handle(const acd::AgentRemoved& event, Time now, acd::Commands& out);
  void handle(const acd::QueueSet& event, Time now, acd::Commands& out);
  void handle(const acd::QueueRemoved& event, Time now, acd::Commands& out);
  void handle(const acd::AgentStatus& event, Time now, acd::Commands& out);
  void handle(const acd::AgentReachable& event, Time now, acd::Commands& out);
  void handle(const acd::AgentBusy& event, Time now, acd::Commands& out);
  void handle(const acd::Join& event, Time now, acd::Commands& out);
  void handle(const acd::Leave& event, Time now, acd::Commands& out);
  void handle(const acd::Move& event, Time now, acd::Commands& out);
  void handle(const acd::CallbackRequested& event, Time now, acd::Commands& out);
  void handle(const acd::CallbackDialled& event, Time now, acd::Commands& out);
  void handle(const acd::Ringing& event, Time now, acd::Commands& out);
  void handle(const acd::Accepted& event, Time now, acd::Commands& out);
  void handle(const acd::Refused& event, Time now, acd::Commands& out);
  void handle(const acd::TalkEnded& event, Time now, acd::Commands& out);
  void handle(const acd::Restarted& event, Time now, acd::Commands& out);
  void handle(const acd::Tick& event, Time now, acd::Commands& out);
  void begin_day(Time now);
  void wake_agents(Time now, acd::Commands& out);
  void expire(Time now, acd::Commands& out);
  void settle(Time now, acd::Commands& out);

  // router_agents
  std::uint32_t agent_number(const std::string& id);
  std::uint32_t find_agent(const std::string& id) const;
  std::uint32_t channel_number(const std::string& name);
  Needs needs_of(const std::vector<Skill>& skills);
  routing::Required required_of(const SkillExpression& skills);
  void set_needs(routing::Entry& entry, const SkillExpression& required, const std::vector<Skill>& preferred);
  SkillExpression names_of(const routing::Required& required) const;
  void add_steps(const SkillExpression::Term& term, std::vector<routing::Condition::Step>& steps);
  AgentState state_of(const Agent& agent, Time now) const;
  int capacity_at_work(const Agent& agent) const;
  Reasons reasons_of(const Agent& agent, std::uint32_t queue, Time now) const;
  bool ready(const Agent& agent, std::uint32_t queue, std::uint32_t channel, Time now) const;
  void changed(std::uint32_t agent, Time now, acd::Commands& out);  // its state: index, timer, AgentChanged
  void reindex(std::uint32_t agent, Time now);
  void begin_ringing(std::uint32_t agent, std::uint32_t offer, Time now);
  void withdraw_from(std::uint32_t agent, Time now, acd::Commands& out);
  void withdraw_if_full(std::uint32_t agent, Time now, acd::Commands& out);

  // router_queues
  Queue* find_queue(const std::string& id);
  void build(std::uint32_t queue, Time now);
  void build_members(std::uint32_t queue);
  void build_pool(std::uint32_t queue, Pool& pool, Time now);
  std::uint32_t pool_for(std::uint32_t queue, const Entry& entry, int step, Time now);
  std::int64_t measure_of(const Queue& queue, const Pool& pool, const Agent& agent) const;
  std::int64_t key_of(const Queue& queue, const Pool& pool, const Agent& agent) const;
  bool is_there(const Pool& pool, const Agent& agent, Reasons why, Reasons skip) const;
  void keep_round(Queue& queue, const QueueOptions& next);
  bool all_in(std::uint32_t queue, const Entry& entry, Reasons reasons, Time now);
  void look_for_empty(std::uint32_t queue, Time now, acd::Commands& out);
  void move_order(Entry& entry) const;
  void enter(std::uint32_t entry, std::uint32_t queue, Time now);  // into the waiting line
  void into_lane(std::uint32_t entry, Time now);
  void out_of_lane(std::uint32_t entry);
  void open(std::uint32_t entry);
  void close(std::uint32_t entry);
  void stage(const Entry& entry, Time now, int& due, int& tier) const;
  void skip_steps(std::uint32_t entry, Time now, int& step, bool& past);
  void note_who_is_there(std::uint32_t queue, std::uint32_t member, Reasons why);
  void restage(std::uint32_t queue, Time now);
  void restage_later(std::uint32_t queue);
  void set_timer(std::uint32_t entry);
  void leave(std::uint32_t entry, acd::Exit exit, Time now, acd::Commands& out);
  void erase(std::uint32_t entry);
  void count_exit(Queue& queue, acd::Exit exit, Micros waited);
  void entry_due(std::uint32_t entry, Time now, acd::Commands& out);
  void agent_away(std::uint32_t agent, Time now);
  void make_stale(std::uint32_t queue);
  void look_at(std::uint32_t queue);
  void set_up(Queue& queue);
  void mark(std::uint32_t lane);
  void mark_all(Queue& queue);

  // router_rank
  routing::Window window_of(const Queue& queue, int step, int tier) const;
  routing::Window window_of(const Queue& queue, const Lane& lane) const;
  bool anybody_there(const Pool& pool, std::size_t skip, const routing::Window& window) const;
  bool feasible(const Lane& lane, const Entry& entry, Time now);
  Reasons reasons_for(const Entry& entry, const Lane& lane, const routing::Member& member, Time now) const;
  Reasons reasons_for(const Entry& entry, const Lane& lane, const routing::Member& member,
                      const routing::Window& window, bool skilled, Time now) const;
  std::size_t slot_after(const Queue& queue, const Pool& pool, std::uint32_t last) const;
  void rank(const Entry& entry, const Lane& lane, std::size_t limit, std::uint64_t dice, Time now,
            Ranking& ranking);
  std::string metric_of(const Queue& queue, const Pool& pool, const routing::Member& member,
                        std::int64_t measure, Time now) const;
  void explain(const Entry& entry, const Lane& lane, const Ranking& ranking, std::size_t limit, Time now,
               acd::Decided& decided) const;

  // router_offers
  void dispatch(Time now, acd::Commands& out);
  std::uint32_t head(Lane& lane, Time now);
  bool comes_before(const Entry& a, const Entry& b, Time now) const;
  void decide(std::uint32_t entry, Time now, acd::Commands& out);
  void explain_next(const Entry& entry, std::size_t limit, Time now, acd::Commands& out);
  void explain_nobody(const Entry& entry, Time now, acd::Commands& out);
  void offer(std::uint32_t entry, const Pick& pick, Time now, acd::Commands& out);
  void end_offer(std::uint32_t offer, Time now);
  void withdraw_all(std::uint32_t entry, std::string_view why, Time now, acd::Commands& out);
  void failed(std::uint32_t entry, std::uint32_t agent, bool at_once, Time now, acd::Commands& out);
  void missed(std::uint32_t offer, acd::Refused::Why why, Time now, acd::Commands& out);
  void accept(std::uint32_t offer, Time now, acd::Commands& out);
  void ring_one_more(EntryId entry, Time now, acd::Commands& out);
  void end_talk(std::uint32_t offer, acd::Exit exit, bool wrap_up, Time now, acd::Commands& out);

  // router_announce
  void begin_announcements(Entry& entry, Time now) const;
  void announce(std::uint32_t entry, Time now, acd::Commands& out);
  std::optional<Micros> expected_wait(const Queue& queue, const Entry& entry, std::uint32_t slot) const;

  // router_places
  void keep_place(const Entry& entry, bool of_call, Time until);
  std::optional<routing::KeptPlace> take_place(const std::string& queue, const std::string& caller, Time now);
  std::optional<routing::KeptPlace> take_place(std::uint64_t number);
  std::optional<routing::KeptPlace> take_place_of_call(const std::string& call, Time now);
  void add_place(routing::KeptPlace place);
  void choose_sticky(Entry& entry, std::uint32_t queue, Time now);
  void remember_server(const Entry& entry, std::uint32_t agent);
  void expire_places(Time now);
  void dial(std::uint32_t entry, acd::Commands& out);
  void set_under_way(std::uint32_t entry, bool under_way);

  RouterOptions options_;
  routing::Random random_;
  EntryId next_entry_ = 1;
  OfferId next_offer_ = 1;
  std::uint64_t next_decision_ = 1, next_place_ = 1;
  std::int64_t day_ = 0;
  Time last_step_{};  // only for restore(), which finds every index as it was then

  routing::Pieces<Agent> agents_;
  std::vector<std::string> agent_ids_;  // side by side: a decision names many of them
  routing::Pieces<Queue> queues_;
  routing::Slab<Entry> entries_;
  routing::Slab<routing::OfferRecord> offers_;
  routing::Slab<Lane> lanes_;
  absl::flat_hash_map<std::string, std::uint32_t> agent_of_, queue_of_, call_of_;  // call_of_: who wait
  absl::flat_hash_map<std::string, std::uint32_t> callback_of_;  // who are owed one, by the call that asked
  absl::flat_hash_map<std::uint64_t, std::uint32_t> entry_of_;
  routing::Ids offer_of_;
  std::vector<std::string> channels_, skills_;
  absl::flat_hash_map<std::string, std::uint32_t> channel_of_, skill_of_;

  // Who served whom last, for sticky agents: the oldest is forgotten when there are too many.
  absl::flat_hash_map<std::string, std::pair<std::uint32_t, std::uint64_t>> served_by_;
  std::map<std::uint64_t, std::string> served_order_;
  std::uint64_t next_served_ = 1;

  std::map<std::uint64_t, routing::KeptPlace> places_;
  std::set<std::pair<Time, std::uint64_t>> place_ends_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> place_of_caller_;  // (queue, caller)
  absl::flat_hash_map<std::string, std::uint64_t> place_of_call_;                 // gone with the call up

  routing::Deadlines agent_timers_, entry_timers_, offer_timers_;
  std::vector<std::uint32_t> dirty_;     // lanes
  std::vector<std::uint32_t> looks_;     // queues in which somebody may have to give up
  std::vector<std::uint32_t> restages_;  // queues of which other steps may be skipped
  std::vector<EntryId> rings_more_;      // who are due one more agent when the others are served
  bool any_stale_ = false;
  Ranking ranking_;  // kept for its memory
};

}  // namespace ivr

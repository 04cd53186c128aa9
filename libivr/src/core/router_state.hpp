#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/router_index.hpp"
#include "core/router_strategy.hpp"
#include "ivr/router.hpp"

// What the Router keeps. Inside, everything has a small number; names are for the border.

namespace ivr::routing {

inline constexpr std::uint32_t kNone = 0xFFFFFFFF;

struct Need {
  std::uint32_t skill = 0;
  int level = 0;
  auto operator<=>(const Need&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const Need& need) {
    return H::combine(std::move(h), need.skill, need.level);
  }
};
using Needs = std::vector<Need>;  // by skill, each once

// What is more than a least level, by number: the terms of one SkillExpression::Term, each before its parts.
struct Condition {
  struct Step {
    SkillExpression::Term::Kind kind = SkillExpression::Term::Kind::least;
    Need need;              // of least and below
    std::uint32_t end = 0;  // behind the last of its parts
    auto operator<=>(const Step&) const = default;
    template <class H>
    friend H AbslHashValue(H h, const Step& step) {
      return H::combine(std::move(h), step.kind, step.need, step.end);
    }
  };
  std::vector<Step> steps;
  SkillExpression what;  // itself, by name
  bool operator==(const Condition& other) const { return steps == other.steps; }
  template <class H>
  friend H AbslHashValue(H h, const Condition& condition) {
    return H::combine(std::move(h), condition.steps);
  }
};

// What an agent must have: all of these. Conditions are in order, each once.
struct Required {
  Needs needs;
  std::vector<Condition> conditions;
  bool empty() const { return needs.empty() && conditions.empty(); }
  bool operator==(const Required&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const Required& required) {
    return H::combine(std::move(h), required.needs, required.conditions);
  }
};

// Reasons as a set of bits.
using Reasons = std::uint32_t;
constexpr Reasons bit(Unavailable why) { return Reasons{1} << static_cast<int>(why); }
inline constexpr Reasons kReasonsOfTheCaller =
    bit(Unavailable::penalty) | bit(Unavailable::unskilled) | bit(Unavailable::tried);

// The one to name: what will not change soon before what will.
constexpr Unavailable first_of(Reasons reasons) {
  constexpr Unavailable kOrder[] = {Unavailable::unknown, Unavailable::unskilled,   Unavailable::offline,
                                    Unavailable::paused,  Unavailable::unreachable, Unavailable::ringing,
                                    Unavailable::in_use,  Unavailable::wrap_up,     Unavailable::delayed,
                                    Unavailable::tried,   Unavailable::penalty};
  for (const Unavailable why : kOrder) {
    if ((reasons & bit(why)) != 0) return why;
  }
  return Unavailable::none;
}

inline constexpr Micros kPlaceOfCall =
    300s;  // a call that left a queue may come back, or be called back, for so long
inline constexpr int kMaxContacts = 1'000'000;

struct Contacts {
  std::uint32_t channel = 0;
  int talks = 0, outside = 0, capacity = 0;  // outside: contacts that the router did not offer
  int active() const { return talks + outside; }
};

struct Membership {
  std::uint32_t queue = 0, member = 0;
};

// Of an agent, for one queue: where a queue counts its own calls alone.
struct Served {
  std::uint32_t queue = 0;
  Time last_end{};
  int calls = 0;  // of the day, as talk
  Micros talk{0};
};

struct WrapUp {
  std::uint32_t queue = 0;
  Time until{};
};

struct Agent {
  // What decisions look at comes first, side by side.
  bool known = false;  // false: removed, or only named by a queue
  bool reachable = false;
  AgentState asked = AgentState::offline;  // available, wrap_up, on_break or offline
  std::uint32_t ringing = kNone;           // the offer
  Time wrap_until{}, delay_until{};
  std::vector<Contacts> contacts;
  std::vector<Membership> memberships;  // of queues that are built
  std::vector<std::uint32_t> lanes;     // of callers who want this agent and nobody else
  Time last_end{};
  Micros talk{0};  // of the day, as calls
  int calls = 0;
  int misses = 0;  // in a row
  Needs skills;
  std::vector<WrapUp> wrap_ups;  // the ends of the last calls, by queue; wrap_until is the latest
  std::vector<Served> served;    // by queue
  Time since{};
  AgentState told = AgentState::offline;  // as AgentChanged said last
  int told_contacts = 0;
  std::string reason, told_reason;
  AgentOptions options;

  int active() const {
    int n = 0;
    for (const Contacts& c : contacts) n += c.active();
    return n;
  }
  const Contacts* on(std::uint32_t channel) const {
    for (const Contacts& c : contacts) {
      if (c.channel == channel) return &c;
    }
    return nullptr;
  }
  Served& served_in(std::uint32_t queue) {
    for (Served& s : served) {
      if (s.queue == queue) return s;
    }
    return served.emplace_back(Served{queue});
  }
  Served of_queue(std::uint32_t queue) const {
    for (const Served& s : served) {
      if (s.queue == queue) return s;
    }
    return {queue};
  }
  bool free_on(std::uint32_t channel) const {
    const Contacts* c = on(channel);
    return c && c->active() < c->capacity;
  }
};

struct Member {
  std::uint32_t agent = 0;
  int penalty = 0, position = 0;
  std::uint32_t order = 0;  // in the list
  int capacity = 0;         // contacts at once while at work
  bool logged_in = false, free = false, blocks_join = false, blocks_leave = false;
};

// Members of one penalty lie side by side.
struct Level {
  int penalty = 0;
  std::uint32_t begin = 0, end = 0;  // slots
  int logged_in = 0;                 // kept for a queue's levels, not for a pool's
};

struct PoolKey {
  std::uint32_t channel = 0;
  Required required;
  Needs preferred;
  bool operator==(const PoolKey&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const PoolKey& key) {
    return H::combine(std::move(h), key.channel, key.required, key.preferred);
  }
};

// The members who have the skills that some callers need, by what the strategy compares.
struct Pool {
  std::uint32_t queue = kNone;
  PoolKey key;
  std::optional<std::string> asked;    // what the key requires, when that is no list
  bool whole = true;                   // all members of the queue; then these two are left empty
  std::vector<std::uint32_t> members;  // of the queue, in order, by slot
  std::vector<std::uint32_t> slots;    // the other way round; kNone: not of the pool
  std::vector<Level> levels;
  MinTree tree;
  std::vector<MinTree> there;  // by Queue::skips: who is in none of those states, the others not to be found
  std::vector<std::uint32_t> lanes;

  std::uint32_t member(std::uint32_t slot) const { return whole ? slot : members[slot]; }
  std::uint32_t slot(std::uint32_t member) const { return whole ? member : slots[member]; }
};

// A key of the tree: how many of the preferred skills are missing, above what the strategy compares.
inline constexpr std::int64_t kMeasureMask = (std::int64_t{1} << 55) - 1;
inline constexpr std::int64_t kMostLevels = std::int64_t{1} << 40;  // of skills; the sum counts down from it

struct Window {
  int min = std::numeric_limits<int>::min(), max = std::numeric_limits<int>::max();
  int raise = std::numeric_limits<int>::min();
};

// Callers of a queue who may be offered to the same agents.
struct LaneKey {
  std::uint32_t pool = kNone;  // kNone: `only` is asked for
  int step = 0, tier = 0;      // how far the wait has taken them
  std::uint32_t only = kNone, channel = 0;
  bool operator==(const LaneKey&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const LaneKey& key) {
    return H::combine(std::move(h), key.pool, key.step, key.tier, key.only, key.channel);
  }
};
struct Lane {
  LaneKey key;
  std::uint32_t queue = kNone;
  int callers = 0;
  bool dirty = false;
  Line open;
};

struct Queue {
  QueueOptions options;
  bool known = false;
  Strategy strategy = Strategy::longest_idle;
  std::map<int, std::uint32_t> last_offered;  // round robin: by level, an agent
  int joined = 0, served = 0, abandoned = 0, short_abandoned = 0, timed_out = 0, overflowed = 0, in_time = 0;
  Micros waited{0};  // of those served
  Micros handle{0};  // an agent's time for one caller, averaged
  int handled = 0;   // over how many, at most kHandleWindow

  bool stale = true;  // members, levels and pools are to be built anew
  std::vector<Member> members;
  std::vector<Level> levels;
  std::vector<Pool> pools;
  absl::flat_hash_map<PoolKey, std::uint32_t> pool_of;
  struct Plain {
    std::uint32_t channel = 0, pool = 0;
    int step = 0;
  };
  std::vector<Plain> plain_pools;  // of callers who need nothing of their own: found without a search
  absl::flat_hash_map<LaneKey, std::uint32_t> lanes;
  Required required;
  Needs preferred;
  std::vector<Required> step_required;  // by step, 0 is before the first
  std::vector<Reasons> skips;           // what the steps' skip_if name, each set once
  std::vector<int> step_skips;          // by step, one of those; -1: it is never skipped
  bool restage = false;                 // other steps may be skipped from now on
  Reasons join_empty = 0, leave_empty = 0;
  bool heeds_ringing = false;  // somebody may not come, give up or go on for it: one of these, or of skips
  int logged_in = 0, blocking_join = 0, blocking_leave = 0;
  int capacity = 0;     // of those at work
  int free = 0;         // who have no reason not to be offered
  int called_back = 0;  // callbacks under way
  bool look = false;    // its emptiness is to be looked at
  Line waiting;
  int talking = 0;
};

enum class EntryState { open, offered, retry, dialling, call_later, talking };

struct Entry {
  EntryId id = 0;
  EntryState state = EntryState::open;
  std::string call, caller, number;
  std::uint32_t queue = kNone, channel = 0;
  int priority = 0;
  Needs required, preferred;          // besides the queue's
  std::vector<Condition> conditions;  // required too
  std::uint32_t wanted = kNone;       // an agent; with `direct` nobody else
  bool direct = false;
  std::uint32_t sticky = kNone;  // waited for until sticky_until
  bool absent = false;           // a callback: nobody is on the line
  bool callback = false;
  int attempt = 0;
  Time since{};                     // this stay began
  Time in_queue{};                  // came to this queue
  Time first{};                     // the call's first join of any queue
  Time age_from{};                  // what its place in the order counts from
  bool under_way = false;           // a callback that is dialled, or answered and waits
  bool first_place = false;         // a callback that was answered: before all others
  int due = 0, step = 0, tier = 0;  // due: the step by time; step: from there the first that is not skipped
  bool past = false;                // there is none: the last one's rules hold
  Time sticky_until{}, retry_at{}, ring_next{};
  std::vector<std::uint32_t> tried;  // each once, in order
  std::vector<std::uint32_t> round;  // since all were tried last
  Time connected{};
  Time announce_at{}, periodic_at{}, announced{};  // Time{}: never
  int told_position = 0;
  bool told_more_than = false;
  int message = 0;

  std::vector<std::uint32_t> offers;  // that are out
  std::uint32_t talk = kNone;         // the one that was accepted
  std::uint32_t lane = kNone;
  std::int64_t order = 0;

  Line::Place place(std::uint32_t slot) const { return {order, id, slot}; }
};

struct OfferRecord {
  OfferId id = 0;
  std::uint32_t entry = kNone, agent = kNone, queue = kNone, channel = 0;
  Time made{}, due{}, accepted{};
  bool talking = false;
};

// A place of a caller who is not there: dropped, or gone with the call still up, who may join another queue
// or ask to be called back.
struct KeptPlace {
  std::uint64_t number = 0;
  std::string queue, call, caller, channel;
  int priority = 0;
  SkillExpression required;
  std::vector<Skill> preferred;
  Time first{}, age_from{}, until{};
  bool of_call = false;  // found by the call; otherwise by queue and caller
};

// Things by number, the numbers used again.
template <class T>
class Slab {
 public:
  std::uint32_t add() {
    if (free_.empty()) {
      items_.emplace_back();
      used_.push_back(true);
      return static_cast<std::uint32_t>(items_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    used_[slot] = true;
    return slot;
  }
  void remove(std::uint32_t slot) {
    std::destroy_at(&items_[slot]);
    std::construct_at(&items_[slot]);
    used_[slot] = false;
    free_.push_back(slot);
  }
  T& operator[](std::uint32_t slot) { return items_[slot]; }
  const T& operator[](std::uint32_t slot) const { return items_[slot]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(items_.size()); }
  bool used(std::uint32_t slot) const { return used_[slot]; }

 private:
  Pieces<T> items_;  // what is referred to stays where it is
  std::vector<bool> used_;
  std::vector<std::uint32_t> free_;
};

}  // namespace ivr::routing

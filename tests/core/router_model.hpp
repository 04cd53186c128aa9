#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "ivr/router.hpp"

// What the Router ought to do, the slow way: a world that is folded from events and commands alone, and the
// rules written down over plain lists, every candidate looked at every time. Nothing here knows how the
// Router does it, and nothing here is fast.

namespace ivr::model {

inline constexpr const char* kStrategies[] = {
    "ringall",    "ring_progressively", "longest_idle",  "fewest_calls", "least_talk_time", "rrmemory",
    "rrordered",  "round_robin",        "linear",        "top_down",     "random",          "wrandom",
    "sequential", "skills_based",       "load_balanced", "least_busy",   "priority"};

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

// Of the day, and when the last one ended.
struct Work {
  int calls = 0;
  Micros talked{0};
  Time last_end{};  // Time{}: never
};

struct Agent {
  AgentOptions options;
  AgentState asked = AgentState::offline;  // what the agent or a supervisor wants; talk and wrap-up aside
  bool reachable = false;
  Time delayed_until{};
  std::map<std::string, Time> wrap_until;  // by the queue of the call
  int misses = 0;
  Work work;
  std::map<std::string, Work> work_of;  // by queue
};

struct Offered {
  EntryId entry = 0;
  std::string agent, queue, channel;
  Time made{}, connected{};
  bool talking = false;  // or else it rings
};

struct Entry {
  EntryId id = 0;
  acd::Join asked;
  std::string call, queue;                     // both may change
  Time joined{};                               // this queue
  Time age_from{}, first_joined{};             // the score's age; any queue
  bool absent = false;                         // waits for a call back
  bool dialling = false, called_back = false;  // a call back is out; was answered: before all others
  bool under_way = false;                      // one of the two, and not connected yet
  bool sticky = false;                         // may still be kept for one agent
  int dialled = 0;
  bool talking = false, left = false;
  std::vector<std::string> tried;  // every agent whose offer came to nothing
  std::vector<std::string> round;  // since all had been tried last
  Time not_before{};               // after a failed offer
  bool waits() const { return !left && !talking; }
};

struct Queue {
  QueueOptions options;
  std::map<int, std::string> last_offered;  // by penalty, of those that go round
};

inline bool among(const std::vector<std::string>& list, const std::string& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}
inline int level_of(const std::vector<Skill>& has, std::string_view name) {
  int level = -1;
  for (const Skill& skill : has)
    if (skill.name == name) level = std::max(level, skill.level);
  return level;
}
inline bool has(const Agent& agent, const Skill& need) {
  return level_of(agent.options.skills, need.name) >= need.level;
}

// An agent beside the text of a SkillExpression, read from left to right with nothing built: whether it is
// met, and the sum of the levels in it; of an `or` that of the best part which is met.
class Asked {
 public:
  Asked(const Agent& agent, std::string text) : agent_(agent), text_(std::move(text)) {}
  struct Met {
    bool yes = true;
    int levels = 0;
  };
  Met met() { return text_.empty() ? Met{} : either(); }

 private:
  bool take(std::string_view word) {
    if (text_.compare(at_, word.size(), word) != 0) return false;
    at_ += word.size();
    return true;
  }
  Met either() {
    Met best = both();
    while (take(" or ")) {
      const Met other = both();
      if (other.yes && (!best.yes || other.levels > best.levels)) best = other;
    }
    return best;
  }
  Met both() {
    Met sum = one();
    while (take(" and ")) {
      const Met other = one();
      sum = {sum.yes && other.yes, sum.levels + other.levels};
    }
    return sum;
  }
  Met one() {
    if (take("(")) {
      const Met inside = either();
      take(")");
      return inside;
    }
    const bool is_not = take("not ");
    const std::size_t end = std::min(text_.find_first_of(" )", at_), text_.size());
    const int has = level_of(agent_.options.skills, std::string_view(text_).substr(at_, end - at_));
    at_ = end;
    if (is_not) return {has < 1, 0};
    if (take(" < ")) return {has < text_[at_++] - '0', 0};
    return {has >= (take(" >= ") ? text_[at_++] - '0' : 1), has};
  }

  const Agent& agent_;
  std::string text_;
  std::size_t at_ = 0;
};

inline bool meets(const Agent& agent, const SkillExpression& needs) {
  return Asked(agent, needs.text()).met().yes;
}

inline bool rings_many(std::string_view strategy) {
  return strategy == "ringall" || strategy == "ring_progressively";
}
inline bool goes_round(std::string_view strategy) {
  return strategy == "rrmemory" || strategy == "rrordered" || strategy == "round_robin";
}

struct Candidate {
  std::string agent;
  int penalty = 0;            // after it was raised
  std::size_t place = 0;      // by penalty, position, and the order of the list
  std::set<Unavailable> why;  // every reason that is true; empty: can be offered
};

class World {
 public:
  std::map<std::string, Agent> agents;
  std::map<std::pair<std::string, std::string>, int> elsewhere;  // contacts that are not ours: agent, channel
  std::map<std::string, Queue> queues;
  std::map<EntryId, Entry> entries;  // those who have left stay until forget()
  std::map<OfferId, Offered> offers;

  void forget() {
    std::erase_if(entries, [](const auto& entry) { return entry.second.left; });
  }

  // --- what happened ------------------------------------------------------------------------------------

  void happened(const acd::Event& event, Time now) {
    begin_day(now);
    std::visit(Overloaded{
                   [&](const acd::AgentSet& e) {
                     const bool added = !agents.count(e.agent.id);
                     Agent& agent = agents[e.agent.id];
                     if (added || (agent.options.uri != e.agent.uri && !e.agent.uri.empty()))
                       agent.reachable = !e.agent.uri.empty();
                     agent.options = e.agent;
                   },
                   [&](const acd::AgentRemoved& e) { agents.erase(e.agent); },
                   [&](const acd::QueueSet& e) {
                     queues[e.queue.id].options = e.queue;
                     wrap_up_[e.queue.id] = e.queue.wrap_up;
                   },
                   [&](const acd::QueueRemoved& e) { queues.erase(e.queue); },
                   [&](const acd::AgentStatus& e) {
                     const auto found = agents.find(e.agent);
                     if (found == agents.end() || e.state == AgentState::on_call) return;
                     Agent& agent = found->second;
                     agent.asked = e.state;
                     if (e.state == AgentState::available) {  // it is there: what was assumed of it is over
                       agent.wrap_until.clear();
                       agent.delayed_until = now;
                       agent.misses = 0;
                     }
                   },
                   [&](const acd::AgentReachable& e) {
                     if (const auto agent = agents.find(e.agent); agent != agents.end())
                       agent->second.reachable = e.reachable;
                   },
                   [&](const acd::AgentBusy& e) {
                     if (!agents.count(e.agent)) return;
                     int& contacts = elsewhere[{e.agent, e.channel}];
                     contacts = std::max(0, contacts + e.contacts);
                   },
                   [&](const acd::Join& e) { joining_ = e; },
                   [&](const acd::Leave&) {},
                   [&](const acd::Move&) {},
                   [&](const acd::CallbackRequested& e) {
                     for (auto& [id, entry] : entries)
                       if (entry.waits() && !entry.absent && entry.call == e.call) {
                         entry.absent = true;
                         entry.sticky = entry.under_way = false;
                         entry.not_before = now;
                       }
                     requested_ = e.call;
                   },
                   [&](const acd::CallbackDialled& e) {
                     const auto found = entries.find(e.entry);
                     if (found == entries.end() || !found->second.dialling || found->second.left) return;
                     Entry& entry = found->second;
                     entry.dialling = false;
                     entry.under_way = e.answered;
                     if (!e.answered) {
                       if (const auto queue = queues.find(entry.queue); queue != queues.end())
                         entry.not_before = now + queue->second.options.callback_retry;
                       return;
                     }
                     entry.absent = false;
                     entry.called_back = true;
                     entry.call = e.call;
                     entry.joined = now;
                   },
                   [&](const acd::Ringing&) {},
                   [&](const acd::Accepted&) {},
                   [&](const acd::Refused& e) {
                     if (open(e.offer)) missed(e.offer, e.why, now);
                   },
                   [&](const acd::TalkEnded& e) {
                     const auto offer = offers.find(e.offer);
                     if (offer != offers.end() && offer->second.talking) ended(e.offer, true, now);
                   },
                   [&](const acd::Restarted&) {
                     while (!offers.empty()) {
                       const auto offer = offers.begin();
                       if (offer->second.talking)
                         ended(offer->first, false, now);
                       else
                         offers.erase(offer);
                     }
                     for (auto& [agent, count] : elsewhere) count = 0;
                     for (auto& [id, agent] : agents)
                       if (agent.options.standby) agent.reachable = false;
                     for (auto& [id, entry] : entries)
                       if (entry.dialling) {
                         entry.dialling = entry.under_way = false;
                         --entry.dialled;
                         entry.not_before = now;
                       }
                   },
                   [&](const acd::Tick&) {},
               },
               event);
  }

  // --- and what the Router did about it -----------------------------------------------------------------

  void decided(const acd::Command& command, Time now) {
    std::visit(Overloaded{
                   [&](const acd::Joined& c) { joined(c, now); },
                   [&](const acd::Offer& c) {
                     Entry& entry = entries[c.entry];
                     if (const Queue& queue = queues[c.queue]; goes_round(queue.options.strategy)) {
                       if (c.agent != entry.asked.agent && !entry.asked.direct)
                         queues[c.queue].last_offered[penalty_of(entry, c.agent, now)] = c.agent;
                     }
                     if (among(entry.round, c.agent)) entry.round.clear();
                     offers[c.offer] = {c.entry, c.agent, c.queue, entry.asked.channel, now, {}};
                   },
                   [&](const acd::Withdraw& c) {
                     if (!open(c.offer)) return;
                     if (c.why == "time-out") return missed(c.offer, acd::Refused::Why::no_answer, now);
                     const Offered offer = offers.at(c.offer);
                     offers.erase(c.offer);
                     if (c.why == "agent away") came_to_nothing(offer, now);
                   },
                   [&](const acd::Connect& c) {
                     Offered& offer = offers[c.offer];
                     offer.talking = true;
                     offer.connected = now;
                     entries[c.entry].talking = true;
                     if (!agents.count(c.agent)) return;
                     Agent& agent = agents.at(c.agent);
                     agent.misses = 0;
                     ++agent.work.calls;
                     ++agent.work_of[offer.queue].calls;
                   },
                   [&](const acd::Left& c) {
                     const auto found = entries.find(c.entry);
                     if (found == entries.end()) return;
                     Entry& entry = found->second;
                     entry.left = true;
                     const bool dropped = c.exit == acd::Exit::abandoned || c.exit == acd::Exit::system;
                     const auto queue = queues.find(c.queue);
                     if (dropped && queue != queues.end() && queue->second.options.resume > 0ms &&
                         !entry.asked.caller.empty() && !entry.absent && !entry.called_back && !entry.talking)
                       kept_[{c.queue, entry.asked.caller}] = entry;
                     else if (!entry.talking && !entry.absent)
                       gone_[c.call] = entry;
                   },
                   [&](const acd::Announce&) {},
                   [&](const acd::DialCallback& c) {
                     entries[c.entry].dialling = entries[c.entry].under_way = true;
                     ++entries[c.entry].dialled;
                   },
                   [&](const acd::AgentChanged&) {},
                   [&](const acd::Decided&) {},
               },
               command);
  }

  // --- the rules ----------------------------------------------------------------------------------------

  int contacts(const std::string& agent, const std::string& channel) const {
    const auto other = elsewhere.find({agent, channel});
    int n = other == elsewhere.end() ? 0 : other->second;
    for (const auto& [id, offer] : offers)
      n += offer.agent == agent && offer.channel == channel && offer.talking;
    return n;
  }
  int capacity(const std::string& agent, const std::string& channel) const {
    const auto known = agents.find(agent);
    if (known == agents.end()) return 0;
    const auto found = known->second.options.capacity.find(channel);
    return found == known->second.options.capacity.end() ? 0 : found->second;
  }
  bool rings(const std::string& agent) const {
    return std::any_of(offers.begin(), offers.end(),
                       [&](const auto& o) { return o.second.agent == agent && !o.second.talking; });
  }
  std::vector<OfferId> ringing(EntryId entry) const {
    std::vector<OfferId> out;
    for (const auto& [id, offer] : offers)
      if (offer.entry == entry && !offer.talking) out.push_back(id);
    return out;
  }

  // What a caller asks for by now.
  struct Needs {
    std::optional<int> min_penalty, max_penalty, raise_penalty;
    SkillExpression required;
    std::vector<Skill> preferred;
  };
  Needs needs(const Entry& entry, Time now) const { return needs(entry, step(entry, now), now); }

  // How many steps the caller has come to: the one that is due, or a later one if those until then are to be
  // skipped, because nobody whom they let in is in any other state. One more than there are: all are skipped.
  std::size_t due(const Entry& entry, Time now) const {
    const auto& steps = queues.at(entry.queue).options.steps;
    return static_cast<std::size_t>(std::count_if(
        steps.begin(), steps.end(), [&](const QueueStep& s) { return now - entry.joined >= s.after; }));
  }
  std::size_t step(const Entry& entry, Time now) const {
    const QueueOptions& queue = queues.at(entry.queue).options;
    std::size_t step = due(entry, now);
    if (entry.asked.direct || (entry.sticky && now < entry.joined + queue.sticky)) return step;
    while (step > 0 && step <= queue.steps.size()) {
      const std::vector<Unavailable>& skip_if = queue.steps[step - 1].skip_if;
      if (skip_if.empty()) break;
      const auto all = candidates(entry, needs(entry, step, now), now);
      const bool somebody = std::any_of(all.begin(), all.end(), [&](const Candidate& c) {
        for (const Unavailable never : {Unavailable::unknown, Unavailable::penalty, Unavailable::unskilled})
          if (c.why.count(never)) return false;
        return capacity(c.agent, entry.asked.channel) > 0 &&
               std::none_of(skip_if.begin(), skip_if.end(), [&](Unavailable u) { return c.why.count(u); });
      });
      if (somebody) break;
      ++step;
    }
    return step;
  }
  bool past_all_steps(const Entry& entry, Time now) const {
    return step(entry, now) > queues.at(entry.queue).options.steps.size();
  }

  Needs needs(const Entry& entry, std::size_t steps, Time now) const {
    const QueueOptions& queue = queues.at(entry.queue).options;
    Needs out;
    out.required = queue.required;
    out.preferred = queue.preferred;
    bool preferring = true;
    for (std::size_t i = 0; i < std::min(steps, queue.steps.size()); ++i) {
      const QueueStep& step = queue.steps[i];
      if (step.min_penalty) out.min_penalty = step.min_penalty;
      if (step.max_penalty) out.max_penalty = step.max_penalty;
      if (step.raise_penalty) out.raise_penalty = step.raise_penalty;
      if (step.drop_preferred) preferring = false;
      if (step.required) out.required = *step.required;
    }
    out.required = SkillExpression::both(out.required, entry.asked.required);
    join(out.preferred, entry.asked.preferred);
    if (!preferring) out.preferred.clear();
    if (queue.tiers.apply) {
      // One tier at once, one more (or all of them) when the wait is over; tiers without anybody cost none.
      std::set<int> tiers;
      for (const QueueMember& member : members(queue)) {
        const auto agent = agents.find(member.agent);
        const bool in = agent != agents.end() && agent->second.asked != AgentState::offline;
        if (in || !queue.tiers.skip_empty) tiers.insert(member.penalty);
      }
      std::int64_t more = static_cast<std::int64_t>(tiers.size());
      if (queue.tiers.wait > 0ms) {
        more = (now - entry.joined) / Micros(queue.tiers.wait);
        if (more > 0 && !queue.tiers.multiply_by_level) more = static_cast<std::int64_t>(tiers.size());
      }
      auto last = tiers.begin();
      while (more-- > 0 && last != tiers.end()) ++last;
      if (last != tiers.end()) out.max_penalty = std::min(out.max_penalty.value_or(*last), *last);
    }
    return out;
  }

  // Those who belong to a queue, in the order in which ties end.
  std::vector<QueueMember> members(const QueueOptions& queue) const {
    std::vector<QueueMember> out = queue.members;
    if (out.empty())
      for (const auto& [id, agent] : agents) {
        bool takes = meets(agent, queue.required);
        for (const QueueStep& step : queue.steps)
          takes = takes || meets(agent, step.required.value_or(queue.required));
        if (takes && (queue.department.empty() || agent.options.department == queue.department))
          out.push_back({.agent = id});
      }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
      return std::tie(a.penalty, a.position) < std::tie(b.penalty, b.position);
    });
    return out;
  }

  std::vector<Candidate> candidates(const Entry& entry, Time now) const {
    return candidates(entry, needs(entry, now), now);
  }
  std::vector<Candidate> candidates(const Entry& entry, const Needs& needed, Time now) const {
    const QueueOptions& queue = queues.at(entry.queue).options;
    std::vector<QueueMember> list = members(queue);
    if (entry.asked.direct) list = {{.agent = entry.asked.agent}};
    std::vector<Candidate> out;
    for (const QueueMember& member : list) {
      Candidate c;
      c.agent = member.agent;
      c.penalty = std::max(member.penalty, needed.raise_penalty.value_or(member.penalty));
      c.place = out.size();
      const auto found = agents.find(member.agent);
      if (found == agents.end()) {
        c.why.insert(Unavailable::unknown);
        out.push_back(std::move(c));
        continue;
      }
      const Agent& agent = found->second;
      if (agent.asked == AgentState::on_break) c.why.insert(Unavailable::paused);
      if (agent.asked == AgentState::offline) c.why.insert(Unavailable::offline);
      if (agent.asked == AgentState::wrap_up) c.why.insert(Unavailable::wrap_up);
      if (!agent.reachable) c.why.insert(Unavailable::unreachable);
      if (contacts(c.agent, entry.asked.channel) >= capacity(c.agent, entry.asked.channel))
        c.why.insert(Unavailable::in_use);
      if (rings(c.agent)) c.why.insert(Unavailable::ringing);
      for (const auto& [of, until] : agent.wrap_until)
        if (now < until && (queue.shared_last_call || of == queue.id)) c.why.insert(Unavailable::wrap_up);
      if (now < agent.delayed_until) c.why.insert(Unavailable::delayed);
      if (queue.once && among(entry.tried, c.agent)) c.why.insert(Unavailable::tried);
      if (!entry.asked.direct) {
        if ((needed.min_penalty && c.penalty < *needed.min_penalty) ||
            (needed.max_penalty && c.penalty > *needed.max_penalty))
          c.why.insert(Unavailable::penalty);
        if (!meets(agent, needed.required)) c.why.insert(Unavailable::unskilled);
      }
      out.push_back(std::move(c));
    }
    return out;
  }

  // How good a candidate is for a strategy that compares, as a fraction: the lower is first.
  struct Measure {
    std::int64_t over = 0, under = 1;
    bool operator<(const Measure& other) const { return over * other.under < other.over * under; }
    bool operator==(const Measure& other) const { return over * other.under == other.over * under; }
  };
  Measure measure(std::string_view strategy, const Candidate& c, const Entry& entry, Time now) const {
    const Agent& agent = agents.at(c.agent);
    const QueueOptions& queue = queues.at(entry.queue).options;
    Work work = agent.work;
    if (!queue.shared_last_call) {
      const auto of = agent.work_of.find(queue.id);
      work = of == agent.work_of.end() ? Work{} : of->second;
    }
    if (strategy == "longest_idle") return {work.last_end.time_since_epoch().count()};
    if (strategy == "fewest_calls") return {work.calls};
    if (strategy == "least_talk_time") return {work.talked.count()};
    if (strategy == "priority") return {-agent.options.score};
    if (strategy == "least_busy") return {contacts(c.agent, entry.asked.channel)};
    if (strategy == "load_balanced")
      return {contacts(c.agent, entry.asked.channel), capacity(c.agent, entry.asked.channel)};
    if (strategy == "skills_based") {
      return {-Asked(agent, needs(entry, now).required.text()).met().levels};
    }
    return {};  // by position, by turns, or by lot
  }

  // Those who can be offered, the best first. For strategies that draw lots: in some order of the members.
  std::vector<Candidate> order(const Entry& entry, Time now) const {
    const Queue& queue = queues.at(entry.queue);
    const std::string& strategy = queue.options.strategy;
    const std::vector<Skill> preferred = needs(entry, now).preferred;
    std::vector<Candidate> can = candidates(entry, now);
    const std::size_t all = can.size();
    // By turns: the places after the one who was offered last at this penalty come before those up to it.
    const std::vector<QueueMember> list = members(queue.options);
    const auto turn = [&](const Candidate& c) {
      const auto last = queue.last_offered.find(c.penalty);
      if (!goes_round(strategy) || last == queue.last_offered.end()) return c.place;
      for (std::size_t place = 0; place < list.size(); ++place)
        if (list[place].agent == last->second) return (c.place + all - place - 1) % all;
      return c.place;
    };
    std::erase_if(can, [](const Candidate& c) { return !c.why.empty(); });
    using Key = std::tuple<bool, bool, int, std::size_t, Measure, std::size_t>;
    const auto key = [&](const Candidate& c) -> Key {
      const bool tried = strategy != "ringall" && among(entry.round, c.agent);
      const auto missing = std::count_if(preferred.begin(), preferred.end(),
                                         [&](const Skill& skill) { return !has(agents.at(c.agent), skill); });
      return {tried || c.agent != entry.asked.agent,  // who was asked for by name, unless just tried
              tried,
              c.penalty,
              static_cast<std::size_t>(missing),
              measure(strategy, c, entry, now),
              turn(c)};
    };
    std::vector<std::pair<Key, Candidate>> sorted;
    for (Candidate& c : can) sorted.emplace_back(key(c), std::move(c));
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    can.clear();
    for (auto& [unused, c] : sorted) can.push_back(std::move(c));
    return can;
  }

 protected:
  static void join(std::vector<Skill>& to, const std::vector<Skill>& more) {
    for (const Skill& skill : more) {
      const auto same =
          std::find_if(to.begin(), to.end(), [&](const auto& s) { return s.name == skill.name; });
      if (same == to.end())
        to.push_back(skill);
      else
        same->level = std::max(same->level, skill.level);
    }
  }
  int penalty_of(const Entry& entry, const std::string& agent, Time now) const {
    for (const Candidate& c : candidates(entry, now))
      if (c.agent == agent) return c.penalty;
    return 0;
  }
  bool open(OfferId id) const {
    const auto offer = offers.find(id);
    return offer != offers.end() && !offer->second.talking;
  }
  void begin_day(Time now) {
    const auto day = std::chrono::floor<std::chrono::days>(now);
    if (day == day_) return;
    day_ = day;
    for (auto& [id, agent] : agents) {
      agent.work.calls = 0;
      agent.work.talked = {};
      for (auto& [queue, work] : agent.work_of) work.calls = 0, work.talked = {};
    }
  }
  void joined(const acd::Joined& c, Time now) {
    Entry& entry = entries[c.entry];
    if (entry.id != 0) {  // moved: the age stays
      entry.queue = c.queue;
      entry.joined = now;
      entry.round.clear();
      entry.sticky = entry.under_way = false;
      entry.not_before = now;
      return;
    }
    const auto gone = gone_.find(c.call);
    if (!c.resumed || c.call != requested_) {
      entry.asked = joining_;
      entry.age_from = entry.first_joined = now;
      if (gone != gone_.end()) {
        entry.first_joined = gone->second.first_joined;
        if (queues.at(c.queue).options.age_from_system) entry.age_from = entry.first_joined;
        gone_.erase(gone);
      }
      if (const auto kept = kept_.find({c.queue, joining_.caller}); c.resumed && kept != kept_.end()) {
        entry.age_from = kept->second.age_from;
        entry.asked.priority = std::max(entry.asked.priority, kept->second.asked.priority);
        kept_.erase(kept);
      }
      entry.sticky = queues.at(c.queue).options.sticky > 0ms;
    } else {  // gone by key, and now asks to be called back
      entry.asked = gone->second.asked;
      entry.age_from = gone->second.age_from;
      entry.first_joined = gone->second.first_joined;
      entry.asked.agent.clear();
      entry.asked.direct = false;
      entry.absent = true;
      gone_.erase(gone);
    }
    entry.id = c.entry;
    entry.call = c.call;
    entry.queue = c.queue;
    entry.joined = now;
  }
  void came_to_nothing(const Offered& offer, Time now) {
    Entry& entry = entries[offer.entry];
    if (!among(entry.tried, offer.agent)) entry.tried.push_back(offer.agent);
    if (!among(entry.round, offer.agent)) entry.round.push_back(offer.agent);
    if (!ringing(offer.entry).empty()) return;
    entry.not_before = now;
    entry.sticky = false;
  }
  void missed(OfferId id, acd::Refused::Why why, Time now) {
    const Offered offer = offers.at(id);
    offers.erase(id);
    came_to_nothing(offer, now);
    if (const auto queue = queues.find(offer.queue); queue != queues.end() && ringing(offer.entry).empty())
      entries[offer.entry].not_before = now + queue->second.options.retry;
    const auto found = agents.find(offer.agent);
    if (found == agents.end()) return;
    Agent& agent = found->second;
    const AgentOptions& o = agent.options;
    Millis delay{0};
    switch (why) {
      case acd::Refused::Why::busy: delay = o.busy_delay; break;
      case acd::Refused::Why::rejected: delay = o.reject_delay; break;
      case acd::Refused::Why::no_answer:
      case acd::Refused::Why::unreachable:
        delay = o.no_answer_delay;
        if (++agent.misses == o.max_misses) agent.asked = o.after_misses;
        break;
    }
    agent.delayed_until = std::max(agent.delayed_until, now + delay);
  }
  void ended(OfferId id, bool wrap_up, Time now) {
    const Offered offer = offers.at(id);
    offers.erase(id);
    const auto found = agents.find(offer.agent);
    if (found == agents.end()) return;
    Agent& agent = found->second;
    for (Work* work : {&agent.work, &agent.work_of[offer.queue]}) {
      work->talked += now - offer.connected;
      work->last_end = now;
    }
    if (!wrap_up) return;
    Time& until = agent.wrap_until[offer.queue];
    until = std::max(until, now + agent.options.wrap_up.value_or(wrap_up_.at(offer.queue)));
  }

  acd::Join joining_;
  std::string requested_;
  std::map<std::string, Millis> wrap_up_;  // of queues, also of those removed
  std::chrono::sys_days day_{};
  std::map<std::pair<std::string, std::string>, Entry> kept_;  // places of callers who dropped: queue, caller
  std::map<std::string, Entry> gone_;                          // by call
};

}  // namespace ivr::model

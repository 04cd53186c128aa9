#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/router_model.hpp"

// Watches a Router from outside: is fed each event and the commands it led to, and says what was broken. It
// believes nothing but what it has been told, and asks the Router only for its views, to hold them against
// that.

namespace ivr::model {

class Checker : public World {
 public:
  const std::vector<std::string>& faults() const { return faults_; }

  void step(const acd::Event& event, Time now, const acd::Commands& commands) {
    accepted_ = 0;
    restarted_ = std::holds_alternative<acd::Restarted>(event);
    if (const auto* e = std::get_if<acd::Accepted>(&event)) accepted_ = e->offer;
    const auto* move = std::get_if<acd::Move>(&event);
    moved_to_ = move ? move->queue : std::string();
    const auto* leave = std::get_if<acd::Leave>(&event);
    gave_up_ = leave && leave->why == acd::Leave::Why::timeout ? leave->call : std::string();
    happened(event, now);
    for (const acd::Command& command : commands) {
      std::visit([&](const auto& c) { check(c, now); }, command);
      decided(command, now);
    }
    if (restarted_)
      for (const auto& [id, entry] : entries)
        if (!entry.left && !entry.absent) fault("entry ", id, " outlived a restart without being a callback");
  }

  void blame(std::string what) { faults_.push_back(std::move(what)); }

  // What holds once a step is done.
  void settled(const Router& router, Time now) {
    if (const auto due = router.deadline(); due && *due <= now)
      fault("deadline ", since(*due, now), " us after a step at that time or later");
    check_agents(router, now);
    check_lines(router, now);
    check_nobody_is_forgotten(now);
    for (const auto& [id, entry] : entries)
      if (entry.waits() && !entry.absent && queues.count(entry.queue) && ringing(id).empty() &&
          past_all_steps(entry, now))
        fault("entry ", id, " waits though all steps are skipped");
  }

  // Who comes first in a queue: who has been called back, then the higher score, then who joined first. All
  // scores grow alike, so age counts by its beginning; in millionths of a point.
  static std::int64_t score(const Entry& entry, const QueueOptions& queue) {
    return std::int64_t{entry.asked.priority} * 1'000'000'000 -
           std::llround(queue.age_score * static_cast<double>(entry.age_from.time_since_epoch().count()));
  }
  bool before(const Entry& a, const Entry& b) const {
    const QueueOptions& queue = queues.at(a.queue).options;
    return std::tuple(!a.called_back, a.called_back ? 0 : -score(a, queue), a.id) <
           std::tuple(!b.called_back, b.called_back ? 0 : -score(b, queue), b.id);
  }
  std::vector<EntryId> line(const std::string& queue) const {
    std::vector<EntryId> out;
    for (const auto& [id, entry] : entries)
      if (entry.waits() && entry.queue == queue) out.push_back(id);
    std::sort(out.begin(), out.end(),
              [&](EntryId a, EntryId b) { return before(entries.at(a), entries.at(b)); });
    return out;
  }
  int rank(const Entry& entry) const {
    const auto all = line(entry.queue);
    return static_cast<int>(std::find(all.begin(), all.end(), entry.id) - all.begin()) + 1;
  }

 private:
  template <class... T>
  void fault(const T&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    faults_.push_back(out.str());
  }
  static std::int64_t since(Time then, Time now) { return (now - then).count(); }

  bool can_be_offered(const Entry& entry, const std::string& agent, Time now,
                      std::string* why = nullptr) const {
    for (const Candidate& c : candidates(entry, now)) {
      if (c.agent != agent) continue;
      if (why)
        for (const Unavailable u : c.why) *why += std::string(to_string(u)) + " ";
      return c.why.empty();
    }
    if (why) *why = "no member";
    return false;
  }

  void check(const acd::Joined& c, Time) {
    const auto known = entries.find(c.entry);
    if (known != entries.end() && known->second.left && !c.resumed)
      fault("entry ", c.entry, " joined again after it had left");
    if (known != entries.end() && !c.resumed && known->second.queue == c.queue && !known->second.left)
      fault("entry ", c.entry, " joined ", c.queue, " twice");
    if (known == entries.end() && c.entry <= newest_) fault("entry id ", c.entry, " used again");
    newest_ = std::max(newest_, c.entry);
    if (c.position < 1) fault("entry ", c.entry, " joined at position ", c.position);
  }

  void check(const acd::Offer& c, Time now) {
    if (c.offer <= newest_offer_) fault("offer id ", c.offer, " used again");
    newest_offer_ = std::max(newest_offer_, c.offer);
    const auto found = entries.find(c.entry);
    if (found == entries.end()) return fault("offer ", c.offer, " of an unknown entry ", c.entry);
    const Entry& entry = found->second;
    if (!entry.waits()) return fault("offer ", c.offer, " of entry ", c.entry, " which does not wait");
    if (entry.queue != c.queue || entry.call != c.call)
      fault("offer ", c.offer, " says ", c.queue, "/", c.call, ", the entry is ", entry.queue, "/",
            entry.call);
    if (!queues.count(c.queue)) return fault("offer ", c.offer, " from an unknown queue ", c.queue);
    const QueueOptions& queue = queues.at(c.queue).options;
    const auto others = ringing(c.entry);
    if (!others.empty() && !rings_many(queue.strategy))
      fault("entry ", c.entry, " offered to ", c.agent, " and to ", offers.at(others[0]).agent, " at a time");
    for (const OfferId other : others)
      if (offers.at(other).agent == c.agent) fault("entry ", c.entry, " rings ", c.agent, " twice");
    std::string why;
    if (!can_be_offered(entry, c.agent, now, &why))
      fault("entry ", c.entry, " offered to ", c.agent, " who is: ", why);
    const auto agent = agents.find(c.agent);
    if (agent != agents.end() &&
        contacts(c.agent, entry.asked.channel) >= capacity(c.agent, entry.asked.channel))
      fault(c.agent, " offered a contact above its capacity");
    if (now < entry.not_before)
      fault("entry ", c.entry, " offered ", since(now, entry.not_before), " us before its pause ends");
    if (entry.asked.direct && c.agent != entry.asked.agent)
      fault("entry ", c.entry, " wants ", entry.asked.agent, " and nobody else, offered to ", c.agent);
    // Nobody who comes before it in this queue could have had this agent.
    for (const auto& [id, other] : entries) {
      if (id == c.entry || !other.waits() || other.queue != c.queue || !before(other, entry)) continue;
      if (!can_be_served(other, now)) continue;
      if (can_be_offered(other, c.agent, now))
        fault("entry ", c.entry, " offered to ", c.agent, " before entry ", id, " who comes first in ",
              c.queue);
    }
  }

  void check(const acd::Withdraw& c, Time) {
    if (!open(c.offer)) fault("withdraw of offer ", c.offer, " which is not open (", c.why, ")");
  }

  void check(const acd::Connect& c, Time) {
    if (c.offer != accepted_) fault("connect of offer ", c.offer, " which nobody accepted now");
    if (!open(c.offer)) return fault("connect of offer ", c.offer, " which is not open");
    const Offered& offer = offers.at(c.offer);
    if (offer.entry != c.entry || offer.agent != c.agent)
      fault("connect of offer ", c.offer, " binds ", c.entry, "+", c.agent, ", offered was ", offer.entry,
            "+", offer.agent);
    if (!entries.at(c.entry).waits()) fault("entry ", c.entry, " connected though it does not wait");
    if (ringing(c.entry).size() > 1) fault("entry ", c.entry, " connected while it rings others");
    const auto agent = agents.find(c.agent);
    if (agent != agents.end() && contacts(c.agent, offer.channel) >= capacity(c.agent, offer.channel))
      fault(c.agent, " connected above its capacity");
    for (const auto& [id, other] : offers)
      if (other.talking && other.entry == c.entry) fault("entry ", c.entry, " connected twice");
  }

  void check(const acd::Left& c, Time now) {
    const auto found = entries.find(c.entry);
    if (found == entries.end()) {
      if (c.exit != acd::Exit::full && c.exit != acd::Exit::unavailable && c.exit != acd::Exit::system)
        fault("entry ", c.entry, " left before it joined");
      newest_ = std::max(newest_, c.entry);
      return;
    }
    const Entry& entry = found->second;
    if (entry.left) return fault("entry ", c.entry, " left twice");
    if (!ringing(c.entry).empty()) fault("entry ", c.entry, " left while it rings");
    const bool talks = std::any_of(offers.begin(), offers.end(), [&](const auto& offer) {
      return offer.second.talking && offer.second.entry == c.entry;
    });
    if (talks) fault("entry ", c.entry, " left while it talks");
    if (entry.talking != (c.exit == acd::Exit::served) && c.exit != acd::Exit::system)
      fault("entry ", c.entry, entry.talking ? " talked" : " did not talk", ", left as ",
            static_cast<int>(c.exit));
    if (!gave_up_.empty() && c.call == gave_up_) {
      if (c.exit != acd::Exit::timeout) fault("entry ", c.entry, " had waited long enough, left otherwise");
    } else if (c.exit == acd::Exit::timeout && queues.count(c.queue)) {
      const Millis limit = queues.at(c.queue).options.max_wait;
      if (limit == 0ms || now - entry.joined < limit)
        fault("entry ", c.entry, " timed out after ", since(entry.joined, now), " us of ", limit.count(),
              " ms");
    }
    if (c.exit == acd::Exit::unavailable && queues.count(c.queue)) {
      const QueueOptions& queue = queues.at(c.queue).options;
      const bool other = (queue.once && !entry.tried.empty()) || entry.asked.direct ||
                         (!moved_to_.empty() && !queues.count(moved_to_)) || !queue.leave_empty.empty();
      if (!other && !past_all_steps(entry, now))
        fault("entry ", c.entry, " was sent away though a step is left in which it could be served");
    }
    if (c.exit == acd::Exit::callback && (!entry.absent || entry.dialled == 0))
      fault("entry ", c.entry, " left as not called back without an attempt");
    if (c.waited < 0ms || c.talked < 0ms) fault("entry ", c.entry, " left with a negative wait");
  }

  void check(const acd::Announce& c, Time) {
    const auto found = entries.find(c.entry);
    if (found == entries.end() || !found->second.waits())
      return fault("announcement to entry ", c.entry, " which does not wait");
    if (c.message < 0 && !c.more_than && c.position != rank(found->second))
      fault("entry ", c.entry, " told position ", c.position, ", it is ", rank(found->second));
    if (c.wait && *c.wait < 0ms) fault("entry ", c.entry, " told a negative wait");
  }

  void check(const acd::DialCallback& c, Time) {
    const auto found = entries.find(c.entry);
    if (found == entries.end() || found->second.left)
      return fault("callback dialled for entry ", c.entry, " which is gone");
    const Entry& entry = found->second;
    if (!entry.absent || entry.dialling)
      fault("callback dialled for entry ", c.entry, " which is not owed one");
    if (c.attempt != entry.dialled + 1)
      fault("entry ", c.entry, " dialled as attempt ", c.attempt, " after ", entry.dialled);
  }

  void check(const acd::AgentChanged& c, Time) {
    if (!agents.count(c.agent) && c.state != AgentState::offline && c.contacts == 0)
      fault(c.agent, " was removed and is ", to_string(c.state));
    if (c.contacts < 0) fault(c.agent, " with ", c.contacts, " contacts");
  }

  void check(const acd::Decided& c, Time now) {
    const auto found = entries.find(c.entry);
    if (found == entries.end() || !found->second.waits())
      return fault("decision about entry ", c.entry, " which does not wait");
    const auto expected = candidates(found->second, now);
    for (const auto& candidate : c.candidates)
      for (const Candidate& e : expected)
        if (e.agent == candidate.agent && (candidate.why == Unavailable::none) != e.why.empty())
          fault("decision ", c.decision, ": ", e.agent, " said to be ", to_string(candidate.why));
  }

  void check_agents(const Router& router, Time now) {
    const auto views = router.agents(now);
    if (views.size() != agents.size()) fault(views.size(), " agents seen, ", agents.size(), " known");
    for (const auto& view : views) {
      const auto agent = agents.find(view.id);
      if (agent == agents.end()) {
        fault("agent ", view.id, " is seen and was removed");
        continue;
      }
      int all = 0;
      std::set<std::string> channels;
      for (const auto& [id, offer] : offers)
        if (offer.talking && offer.agent == view.id) ++all;
      for (const auto& [who, count] : elsewhere)
        if (who.first == view.id) all += count;
      if (view.contacts != all) fault(view.id, " seen with ", view.contacts, " contacts, has ", all);
    }
  }

  void check_lines(const Router& router, Time now) {
    std::map<std::string, std::vector<EntryId>> lines;
    std::set<EntryId> seen;
    for (const auto& view : router.entries(now)) {
      const auto found = entries.find(view.id);
      if (found == entries.end() || found->second.left) {
        fault("entry ", view.id, " is seen and has left");
        continue;
      }
      if (!seen.insert(view.id).second) fault("entry ", view.id, " is seen twice");
      const Entry& entry = found->second;
      if (entry.talking != (view.position == 0))
        fault("entry ", view.id, " at position ", view.position, entry.talking ? " talks" : " waits");
      if (!entry.talking && queues.count(entry.queue)) {
        if (view.position != rank(entry))
          fault("entry ", view.id, " seen at position ", view.position, ", it is ", rank(entry));
        lines[entry.queue].push_back(view.id);
      }
    }
    for (const auto& [id, entry] : entries)
      if (!entry.left && !seen.count(id)) fault("entry ", id, " has not left and is not seen");
    for (const auto& [queue, line] : lines)
      for (std::size_t i = 1; i < line.size(); ++i)
        if (!before(entries.at(line[i - 1]), entries.at(line[i])))
          fault("entries of ", queue, " not in the order they are served");
  }

  // No more callers are called back than agents of the queue are free, whoever they are.
  bool enough_called_back(const QueueOptions& queue, Time now) const {
    int under_way = 0, free = 0;
    for (const auto& [id, entry] : entries)
      under_way += entry.waits() && entry.queue == queue.id && entry.under_way;
    for (const QueueMember& member : members(queue)) {
      const auto found = agents.find(member.agent);
      if (found == agents.end()) continue;
      const Agent& agent = found->second;
      const bool room =
          std::any_of(agent.options.capacity.begin(), agent.options.capacity.end(),
                      [&](const auto& c) { return contacts(member.agent, c.first) < c.second; });
      const bool wraps = std::any_of(agent.wrap_until.begin(), agent.wrap_until.end(), [&](const auto& w) {
        return now < w.second && (queue.shared_last_call || w.first == queue.id);
      });
      free += agent.asked == AgentState::available && agent.reachable && room && !wraps &&
              !rings(member.agent) && now >= agent.delayed_until;
    }
    return under_way >= std::max(1, free);
  }

  // Neither rung for nor called back already, nor in the pause after a failed offer, nor kept for one agent.
  bool can_be_served(const Entry& entry, Time now) const {
    if (!entry.waits() || entry.dialling || now < entry.not_before || !ringing(entry.id).empty())
      return false;
    const QueueOptions& queue = queues.at(entry.queue).options;
    if (entry.absent && enough_called_back(queue, now)) return false;
    return !entry.sticky || now >= entry.joined + queue.sticky;
  }

  void check_nobody_is_forgotten(Time now) {
    for (const auto& [name, queue] : queues)
      for (const EntryId id : line(name)) {
        const Entry& entry = entries.at(id);
        if (!queue.options.autofill && entry.absent && !can_be_served(entry, now)) continue;
        if (can_be_served(entry, now))
          for (const Candidate& c : candidates(entry, now))
            if (c.why.empty()) fault("entry ", id, " waits while ", c.agent, " could be offered to it");
        if (!queue.options.autofill) break;  // one at a time
      }
    for (const auto& [id, entry] : entries)
      if (entry.waits() && !queues.count(entry.queue)) fault("entry ", id, " waits in a queue that is gone");
  }

  std::vector<std::string> faults_;
  OfferId accepted_ = 0, newest_offer_ = 0;
  EntryId newest_ = 0;
  bool restarted_ = false;
  std::string gave_up_;   // a call that had its own limit
  std::string moved_to_;  // a queue that may not be there
};

}  // namespace ivr::model

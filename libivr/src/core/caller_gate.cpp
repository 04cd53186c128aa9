#include "ivr/caller_gate.hpp"

#include <algorithm>

namespace ivr {
namespace {

constexpr std::size_t kRemembered = 65'536;

void forget(std::vector<Time>& times, Time before) {
  times.erase(times.begin(), std::find_if(times.begin(), times.end(), [&](Time at) { return at > before; }));
}

}  // namespace

CallerLists::CallerLists(const std::vector<CallerList>& lists) {
  for (const CallerList& list : lists) {
    Set& set = lists_[list.name];
    set.priority = list.priority;
    for (const std::string& caller : list.callers) {
      if (!caller.ends_with('*')) {
        set.numbers.insert(caller);
        continue;
      }
      set.prefixes.insert(caller.substr(0, caller.size() - 1));
      if (std::find(set.prefix_lengths.begin(), set.prefix_lengths.end(), caller.size() - 1) ==
          set.prefix_lengths.end()) {
        set.prefix_lengths.push_back(caller.size() - 1);
      }
    }
  }
}

bool CallerLists::Set::has(std::string_view caller) const {
  const std::string text(caller);
  if (numbers.contains(text)) return true;
  return std::any_of(prefix_lengths.begin(), prefix_lengths.end(), [&](std::size_t length) {
    return length <= text.size() && prefixes.contains(text.substr(0, length));
  });
}

bool CallerLists::contains(std::string_view list, std::string_view caller) const {
  const auto known = lists_.find(std::string(list));
  return known != lists_.end() && known->second.has(caller);
}

int CallerLists::priority(std::string_view caller) const {
  bool on_any = false;
  int highest = 0;
  for (const auto& [name, set] : lists_) {
    if (!set.has(caller)) continue;
    highest = on_any ? std::max(highest, set.priority) : set.priority;
    on_any = true;
  }
  return highest;
}

CallerGate::Past& CallerGate::past(std::string_view caller) {
  const auto [it, fresh] = callers_.try_emplace(std::string(caller));
  Past& past = it->second;
  if (fresh) {
    by_age_.push_front(it->first);
    past.age = by_age_.begin();
  } else {
    by_age_.splice(by_age_.begin(), by_age_, past.age);
  }
  if (callers_.size() > kRemembered) {
    callers_.erase(by_age_.back());
    by_age_.pop_back();
  }
  return past;
}

CallerGate::Verdict CallerGate::enter(std::string_view caller, Time now) {
  Verdict verdict;
  if (lists_.contains("block", caller)) {
    verdict.answer = Answer::blocked;
    return verdict;
  }
  verdict.priority = lists_.priority(caller);
  // Callers who show no number are many, not one.
  if (caller.empty() || caller == "anonymous" || (rules_.rate_calls <= 0 && rules_.returning <= 0ms)) {
    return verdict;
  }
  Past& past = this->past(caller);
  if (now < past.banned_until) {
    verdict.answer = Answer::banned;
    verdict.retry_after = std::chrono::ceil<Millis>(past.banned_until - now);
    return verdict;
  }
  forget(past.calls, now - rules_.rate_per);
  if (rules_.rate_calls > 0 && past.calls.size() >= static_cast<std::size_t>(rules_.rate_calls)) {
    verdict.answer = Answer::too_many;
    verdict.retry_after = std::chrono::ceil<Millis>(past.calls.front() + rules_.rate_per - now);
    if (rules_.ban_after <= 0) return verdict;
    forget(past.refusals, now - rules_.ban_for);
    past.refusals.push_back(now);
    if (past.refusals.size() < static_cast<std::size_t>(rules_.ban_after)) return verdict;
    past.refusals.clear();
    past.banned_until = now + rules_.ban_for;
    return verdict;
  }
  verdict.returning = past.called && rules_.returning > 0ms && now - past.last <= rules_.returning;
  if (verdict.returning) verdict.priority = std::max(verdict.priority, rules_.returning_priority);
  if (rules_.rate_calls > 0) past.calls.push_back(now);
  past.last = now;
  past.called = true;
  return verdict;
}

}  // namespace ivr

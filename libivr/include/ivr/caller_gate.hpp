#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "ivr/base.hpp"
#include "ivr/site.hpp"

namespace ivr {

// Caller lists of a site, looked up at once however long they are.
//
// Thread: any, it never changes.
class CallerLists {
 public:
  explicit CallerLists(const std::vector<CallerList>& lists);

  bool known(std::string_view list) const { return lists_.contains(std::string(list)); }
  bool contains(std::string_view list, std::string_view caller) const;
  int priority(std::string_view caller) const;  // the highest of its lists; 0: on none

 private:
  struct Set {
    absl::flat_hash_set<std::string> numbers, prefixes;
    std::vector<std::size_t> prefix_lengths;  // each once
    int priority = 0;
    bool has(std::string_view caller) const;
  };
  absl::flat_hash_map<std::string, Set> lists_;
};

// Decides by a caller's number whether a call is taken, and with which priority. Refused are callers of the
// list "block", those who call more often than the rules allow, and, for a while, those who were refused for
// that again and again. A number can be forged, so this is a courtesy to the desk and no defence: Admission
// is that.
//
// Memory is bounded: 65,536 callers are remembered, then the one who has not called for longest is forgotten.
// It is of this process: a restart begins with nobody.
// Thread: one at a time.
class CallerGate {
 public:
  CallerGate(const CallerRules& rules, const std::vector<CallerList>& lists) : rules_(rules), lists_(lists) {}
  CallerGate(const CallerGate&) = delete;
  CallerGate& operator=(const CallerGate&) = delete;

  enum class Answer { taken, blocked, too_many, banned };
  struct Verdict {
    Answer answer = Answer::taken;
    int priority = 0;        // for the queue: of the lists, or of one who called before; the highest
    bool returning = false;  // called before, within CallerRules::returning
    Millis retry_after{0};   // of too_many and banned: when a call would be taken again
  };
  Verdict enter(std::string_view caller, Time now);

  const CallerLists& lists() const noexcept { return lists_; }
  std::size_t remembered() const noexcept { return callers_.size(); }

 private:
  struct Past {
    std::list<std::string>::iterator age;
    std::vector<Time> calls, refusals;  // within the rules' times
    Time last{}, banned_until{};
    bool called = false;
  };
  Past& past(std::string_view caller);

  CallerRules rules_;
  CallerLists lists_;
  std::list<std::string> by_age_;  // who called last is first
  std::unordered_map<std::string, Past> callers_;
};

}  // namespace ivr

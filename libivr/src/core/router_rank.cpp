#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/router_machine.hpp"

// In which order the agents of a lane are offered. Nothing here looks at all agents: members of one penalty
// lie side by side in the order of the list, and a tree over them finds the best of any stretch.

namespace ivr {

using namespace routing;

namespace {

std::size_t level_at(const std::vector<Level>& levels, std::size_t slot) {
  const auto at = std::upper_bound(levels.begin(), levels.end(), slot,
                                   [](std::size_t s, const Level& level) { return s < level.begin; });
  return static_cast<std::size_t>(at - levels.begin()) - 1;
}

// First slot whose penalty is above (or at least) the bound.
std::size_t slot_of(const std::vector<Level>& levels, std::int64_t penalty) {
  const auto at = std::lower_bound(levels.begin(), levels.end(), penalty,
                                   [](const Level& level, std::int64_t p) { return level.penalty < p; });
  if (at != levels.end()) return at->begin;
  return levels.empty() ? 0 : levels.back().end;
}

// The stretches of members that count as of one penalty, those who can be offered only, the best first, until
// `f` says that it has enough.
template <class F>
void for_each_level(const Pool& pool, const MinTree& tree, const Window& window, F&& f) {
  const std::size_t end = window.max == std::numeric_limits<int>::max()
                              ? slot_of(pool.levels, std::int64_t{1} << 40)
                              : slot_of(pool.levels, std::int64_t{window.max} + 1);
  std::size_t at = slot_of(pool.levels, window.min);
  if (window.raise != std::numeric_limits<int>::min()) {
    const std::size_t raised = slot_of(pool.levels, std::int64_t{window.raise} + 1);
    const bool inside = window.min <= window.raise && window.raise <= window.max;
    if (inside && tree.first_at_most(0, raised, MinTree::kNone - 1) < raised) {
      if (!f(window.raise, std::size_t{0}, raised)) return;
    }
    at = std::max(at, raised);
  }
  for (;;) {
    at = tree.first_at_most(at, end, MinTree::kNone - 1);
    if (at >= end) return;
    const Level& level = pool.levels[level_at(pool.levels, at)];
    if (!f(level.penalty, std::size_t{level.begin}, std::size_t{level.end})) return;
    at = level.end;
  }
}

// Takes the slots of `without`, which is sorted, out of a stretch.
void add_stretch(std::vector<Stretch>& stretches, std::size_t begin, std::size_t end,
                 const std::vector<std::size_t>& without) {
  auto at = std::lower_bound(without.begin(), without.end(), begin);
  while (begin < end) {
    const std::size_t stop = at != without.end() && *at < end ? *at : end;
    if (begin < stop) stretches.push_back({begin, stop});
    if (stop == end) return;
    begin = stop + 1;
    ++at;
  }
}

// The best slot of the stretches: the least key, of those the first as they come.
std::optional<std::size_t> best_of(const MinTree& tree, const std::vector<Stretch>& stretches) {
  std::int64_t least = MinTree::kNone;
  const Stretch* best = nullptr;
  for (const Stretch& s : stretches) {
    const std::int64_t key = tree.least(s.begin, s.end).key;
    if (key >= least) continue;
    least = key;
    best = &s;
  }
  if (!best) return std::nullopt;
  return tree.first_at_most(best->begin, best->end, least);
}

}  // namespace

Window Router::Machine::window_of(const Queue& queue, const Lane& lane) const {
  return window_of(queue, lane.key.step, lane.key.tier);
}

Window Router::Machine::window_of(const Queue& queue, int step, int tier) const {
  Window window;
  for (int i = 0; i < step; ++i) {
    const QueueStep& rules = queue.options.steps[static_cast<std::size_t>(i)];
    if (rules.min_penalty) window.min = *rules.min_penalty;
    if (rules.max_penalty) window.max = *rules.max_penalty;
    if (rules.raise_penalty) window.raise = *rules.raise_penalty;
  }
  const TierRules& tiers = queue.options.tiers;
  if (!tiers.apply) return window;
  int open = tier;  // tiers beyond the first
  for (const Level& level : queue.levels) {
    if (tiers.skip_empty && level.logged_in == 0) continue;
    if (open < 0) break;
    --open;
    if (open < 0) window.max = std::min(window.max, level.penalty);
  }
  return window;
}

// Whether a step with this skip_if lets anybody in.
bool Router::Machine::anybody_there(const Pool& pool, std::size_t skip, const Window& window) const {
  bool any = false;
  for_each_level(pool, pool.there[skip], window, [&](int, std::size_t, std::size_t) {
    any = true;
    return false;
  });
  return any;
}

bool Router::Machine::feasible(const Lane& lane, const Entry& entry, Time now) {
  const Queue& queue = queues_[lane.queue];
  if (lane.key.only != kNone) {
    const bool tried = queue.options.once &&
                       std::find(entry.tried.begin(), entry.tried.end(), lane.key.only) != entry.tried.end();
    return !tried && ready(agents_[lane.key.only], lane.queue, lane.key.channel, now);
  }
  if (queue.options.once && !entry.tried.empty()) {
    rank(entry, lane, 1, 0, now, ranking_);
    return !ranking_.picks.empty();
  }
  const Pool& pool = queue.pools[lane.key.pool];
  bool any = false;
  for_each_level(pool, pool.tree, window_of(queue, lane), [&](int, std::size_t, std::size_t) {
    any = true;
    return false;
  });
  return any;
}

Reasons Router::Machine::reasons_for(const Entry& entry, const Lane& lane, const Member& member,
                                     Time now) const {
  if (lane.key.only != kNone) return reasons_for(entry, lane, member, Window{}, true, now);
  const Pool& pool = queues_[lane.queue].pools[lane.key.pool];
  const auto number = static_cast<std::uint32_t>(&member - queues_[lane.queue].members.data());
  return reasons_for(entry, lane, member, window_of(queues_[lane.queue], lane), pool.slot(number) != kNone,
                     now);
}

Reasons Router::Machine::reasons_for(const Entry& entry, const Lane& lane, const Member& member,
                                     const Window& window, bool skilled, Time now) const {
  const Queue& queue = queues_[lane.queue];
  const Agent& agent = agents_[member.agent];
  Reasons why = reasons_of(agent, lane.queue, now);
  if ((why & bit(Unavailable::unknown)) != 0) return why;
  if (!agent.free_on(entry.channel)) why |= bit(Unavailable::in_use);
  if (queue.options.once &&
      std::find(entry.tried.begin(), entry.tried.end(), member.agent) != entry.tried.end()) {
    why |= bit(Unavailable::tried);
  }
  if (!skilled) why |= bit(Unavailable::unskilled);
  const int penalty = std::max(member.penalty, window.raise);
  if (penalty < window.min || penalty > window.max) why |= bit(Unavailable::penalty);
  return why;
}

// Where a round goes on after `last`, who need not have the skills of these callers, nor be there any more.
std::size_t Router::Machine::slot_after(const Queue& queue, const Pool& pool, std::uint32_t last) const {
  std::size_t member = 0;
  const auto at = std::find_if(agents_[last].memberships.begin(), agents_[last].memberships.end(),
                               [&](const Membership& m) { return m.queue == pool.queue; });
  if (at != agents_[last].memberships.end()) {
    member = at->member + std::size_t{1};
  } else if (queue.options.members.empty()) {  // by id, then
    member = static_cast<std::size_t>(
        std::upper_bound(
            queue.members.begin(), queue.members.end(), agents_[last].options.id,
            [this](const std::string& id, const Member& m) { return id < agents_[m.agent].options.id; }) -
        queue.members.begin());
  }
  if (pool.whole) return member;
  return static_cast<std::size_t>(std::lower_bound(pool.members.begin(), pool.members.end(), member) -
                                  pool.members.begin());
}

void Router::Machine::rank(const Entry& entry, const Lane& lane, std::size_t limit, std::uint64_t dice,
                           Time now, Ranking& ranking) {
  ranking.picks.clear();
  ranking.at_once = 0;
  const Queue& queue = queues_[lane.queue];
  const auto member_of = [&](std::uint32_t agent) {
    for (const Membership& at : agents_[agent].memberships) {
      if (at.queue == lane.queue) return at.member;
    }
    return kNone;
  };
  if (lane.key.only != kNone) {
    if (feasible(lane, entry, now)) ranking.picks.push_back({lane.key.only, member_of(lane.key.only)});
    ranking.at_once = ranking.picks.size();
    return;
  }

  const Pool& pool = queue.pools[lane.key.pool];
  const Window window = window_of(queue, lane);
  const bool once = queue.options.once;
  const auto pick = [&](std::size_t slot, int level) {
    const std::uint32_t member = pool.member(static_cast<std::uint32_t>(slot));
    ranking.picks.push_back({queue.members[member].agent, member, static_cast<std::uint32_t>(slot), level});
  };

  // Those who are not looked for by the strategy: tried before, and who comes first anyway.
  std::vector<std::size_t>&tried = ranking.tried, &first = ranking.first, &without = ranking.without;
  tried.clear();
  first.clear();
  const std::vector<std::uint32_t>& passed = once ? entry.tried : entry.round;
  if (once || queue.strategy != Strategy::ring_all) {
    for (const std::uint32_t agent : passed) {
      const std::uint32_t member = member_of(agent);
      const std::uint32_t slot = member == kNone ? kNone : pool.slot(member);
      if (slot != kNone) tried.push_back(slot);
    }
    std::sort(tried.begin(), tried.end());
  }
  const auto among = [](const std::vector<std::size_t>& slots, std::size_t slot) {
    return std::binary_search(slots.begin(), slots.end(), slot);
  };
  if (entry.wanted != kNone) {
    const std::uint32_t member = member_of(entry.wanted);
    const std::uint32_t slot = member == kNone ? kNone : pool.slot(member);
    if (slot != kNone && pool.tree.key(slot) != MinTree::kNone && !among(tried, slot)) {
      const int penalty = std::max(queue.members[member].penalty, window.raise);
      if (penalty >= window.min && penalty <= window.max) {
        pick(slot, penalty);
        first.push_back(slot);
        ranking.at_once = 1;
      }
    }
  }

  // By the order of the list alone, so that the next one is the next in it.
  const bool by_list = queue.strategy == Strategy::ring_all ||
                       queue.strategy == Strategy::ring_progressively ||
                       queue.strategy == Strategy::round_robin || queue.strategy == Strategy::sequential ||
                       queue.strategy == Strategy::random || queue.strategy == Strategy::weighted_random;
  const bool compares_nothing = by_list && pool.key.preferred.empty();
  std::vector<Stretch>& stretches = ranking.stretches;
  without = tried;
  without.insert(without.end(), first.begin(), first.end());
  std::sort(without.begin(), without.end());

  // What the dice decide is decided before: the rest comes as it stands.
  if (queue.strategy == Strategy::weighted_random && ranking.picks.empty()) {
    for (int pass = 0; pass < (once ? 1 : 2) && ranking.picks.empty(); ++pass) {
      Random random(dice);
      std::int64_t least = MinTree::kNone;
      std::vector<Ranking::Group>& groups = ranking.groups;
      groups.clear();
      stretches.clear();
      for_each_level(pool, pool.tree, window, [&](int level, std::size_t begin, std::size_t end) {
        Ranking::Group group{level, stretches.size(), 0, {}};
        if (pass == 0) {
          add_stretch(stretches, begin, end, without);
        } else {
          for (const std::size_t slot : tried) {
            if (slot >= begin && slot < end) stretches.push_back({slot, slot + 1});
          }
        }
        group.end = stretches.size();
        for (std::size_t i = group.begin; i < group.end; ++i) {
          group.least =
              MinTree::Least::of(group.least, pool.tree.least(stretches[i].begin, stretches[i].end));
        }
        least = std::min(least, group.least.key);
        groups.push_back(group);
        return true;
      });
      if (least == MinTree::kNone) continue;
      double lowest = 0;
      const Ranking::Group* winner = nullptr;
      for (const Ranking::Group& group : groups) {
        if (group.least.key != least) continue;
        // The least of n draws from [0, c) is below x with probability 1 - (1 - x / c)^n. It is at least an
        // n-th of one draw, so mostly that says enough.
        const double most = 1.0 + std::max(group.level, 0), unit = random.unit(), n = group.least.count;
        if (winner && most * unit / n * (1 - 1e-9) >= lowest) continue;
        const double draw = most * -std::expm1(std::log1p(-unit) / n);
        if (winner && draw >= lowest) continue;
        lowest = draw;
        winner = &group;
      }
      std::uint32_t nth = random.below(winner->least.count);
      for (std::size_t i = winner->begin; i < winner->end; ++i) {
        const Stretch s = stretches[i];
        const MinTree::Least here = pool.tree.least(s.begin, s.end);
        if (here.key != least) continue;
        if (nth < here.count) {
          const std::size_t slot = pool.tree.nth(s.begin, s.end, least, nth);
          pick(slot, winner->level);
          first.push_back(slot);
          without.insert(std::lower_bound(without.begin(), without.end(), slot), slot);
          break;
        }
        nth -= here.count;
      }
    }
  }

  // Those who were not tried in this round, level by level; then a new round begins.
  for (int pass = 0; pass < 2 && ranking.picks.size() < limit; ++pass) {
    if (pass == 1 && (once || tried.empty())) break;
    for_each_level(pool, pool.tree, window, [&](int level, std::size_t begin, std::size_t end) {
      stretches.clear();
      const auto add = [&](std::size_t from, std::size_t to) {
        if (pass == 0) {
          add_stretch(stretches, from, to, without);
        } else {
          for (const std::size_t slot : tried) {
            if (slot >= from && slot < to && !among(first, slot)) stretches.push_back({slot, slot + 1});
          }
        }
      };
      std::size_t start = begin;
      if (queue.strategy == Strategy::round_robin) {
        if (const auto last = queue.last_offered.find(level); last != queue.last_offered.end()) {
          const std::size_t slot = slot_after(queue, pool, last->second);
          if (slot > begin && slot < end) start = slot;
        }
      }
      add(start, end);
      if (start > begin) add(begin, start);

      if (queue.strategy == Strategy::random && ranking.picks.empty()) {
        MinTree::Least all;
        for (const Stretch& s : stretches) all = MinTree::Least::of(all, pool.tree.least(s.begin, s.end));
        std::uint32_t nth = all.count == 0 ? 0 : Random(dice).below(all.count);
        for (std::size_t i = 0; i < stretches.size() && all.count > 0; ++i) {
          const Stretch s = stretches[i];
          const MinTree::Least here = pool.tree.least(s.begin, s.end);
          if (here.key != all.key) continue;
          if (nth < here.count) {
            const std::size_t slot = pool.tree.nth(s.begin, s.end, all.key, nth);
            pick(slot, level);
            stretches[i] = {s.begin, slot};
            stretches.insert(stretches.begin() + static_cast<std::ptrdiff_t>(i) + 1, {slot + 1, s.end});
            break;
          }
          nth -= here.count;
        }
      }
      const bool ring = queue.strategy == Strategy::ring_all && ranking.at_once == 0;
      const std::size_t enough = ring ? MinTree::kNone : limit;
      if (enough == 1 && ranking.picks.empty()) {
        if (const auto best = best_of(pool.tree, stretches)) pick(*best, level);
      } else if (ranking.picks.size() < enough && compares_nothing) {
        for (const Stretch& s : stretches) {
          pool.tree.each(s.begin, s.end, [&](std::size_t slot) {
            if (ranking.picks.size() == enough) return false;
            pick(slot, level);
            return true;
          });
        }
      } else if (ranking.picks.size() < enough) {
        ranking.search.begin(enough - ranking.picks.size());
        for (std::size_t i = 0; i < stretches.size(); ++i) {
          ranking.search.add(pool.tree, stretches[i].begin, stretches[i].end, i);
        }
        while (ranking.picks.size() < enough) {
          const auto slot = ranking.search.next(pool.tree);
          if (!slot) break;
          pick(*slot, level);
        }
      }
      if (ring) ranking.at_once = ranking.picks.size();
      return ranking.picks.size() < limit;
    });
  }
  if (ranking.at_once == 0) ranking.at_once = std::min<std::size_t>(1, ranking.picks.size());
}

// `measure`: of the member, see measure_of().
std::string Router::Machine::metric_of(const Queue& queue, const Pool& pool, const Member& member,
                                       std::int64_t measure, Time now) const {
  char buffer[64];
  char* at = buffer;
  const auto text = [&](std::string_view words) { at = std::copy(words.begin(), words.end(), at); };
  const auto number = [&](std::int64_t n) { at = std::to_chars(at, buffer + sizeof buffer, n).ptr; };
  const auto seconds = [](Micros t) { return std::chrono::duration_cast<std::chrono::seconds>(t).count(); };
  switch (queue.strategy) {
    case Strategy::ring_all:
    case Strategy::ring_progressively:
    case Strategy::round_robin:
    case Strategy::sequential:
      text("position ");
      number(member.position);
      break;
    case Strategy::random: break;
    case Strategy::weighted_random:
      text("weight 1/");
      number(std::int64_t{member.penalty} + 1);
      break;
    case Strategy::longest_idle:
      if (measure == 0) {
        text("no call yet");
      } else {
        text("idle ");
        number(seconds(now - Time(Micros(measure))));
        text(" s");
      }
      break;
    case Strategy::fewest_calls:
      number(measure);
      text(" calls");
      break;
    case Strategy::least_talk_time:
      text("talked ");
      number(seconds(Micros(measure)));
      text(" s");
      break;
    case Strategy::skills_based:
      text("level ");
      number(kMostLevels - measure);
      break;
    case Strategy::load_balanced: {
      const Contacts* contacts = agents_[member.agent].on(pool.key.channel);
      text("load ");
      number(contacts ? contacts->active() : 0);
      text("/");
      number(contacts ? contacts->capacity : 0);
      break;
    }
    case Strategy::least_busy:
      number(measure);
      text(" contacts");
      break;
    case Strategy::priority:
      text("score ");
      number(std::numeric_limits<int>::max() - measure);
      break;
  }
  return std::string(buffer, at);
}

void Router::Machine::explain(const Entry& entry, const Lane& lane, const Ranking& ranking, std::size_t limit,
                              Time now, acd::Decided& decided) const {
  const Queue& queue = queues_[lane.queue];
  decided.entry = entry.id;
  decided.call = entry.call;
  decided.queue = queue.options.id;
  decided.strategy = queue.options.strategy;
  if (entry.past || entry.step != entry.due) decided.step = entry.past ? 0 : entry.step;
  const bool one = lane.key.only != kNone;
  const std::size_t all = one ? 1 : queue.members.size();
  decided.candidates.reserve(std::min(limit, all));
  const auto add = [&](std::uint32_t agent, Unavailable why, int rank, std::string metric) {
    acd::Decided::Candidate& candidate = decided.candidates.emplace_back();
    candidate.agent = agent_ids_[agent];
    candidate.why = why;
    candidate.rank = rank;
    candidate.metric = std::move(metric);
  };
  if (one) {
    if (!ranking.picks.empty()) {
      add(lane.key.only, Unavailable::none, 1, "");
    } else {
      const Member alone{.agent = lane.key.only};
      add(lane.key.only, first_of(reasons_for(entry, lane, alone, now)), 0, "");
    }
    return;
  }
  const Pool& pool = queue.pools[lane.key.pool];
  decided.required = pool.asked;
  for (std::size_t i = 0; i < ranking.picks.size() && i < limit; ++i) {
    const Pick& pick = ranking.picks[i];
    // What it was found by says it, and the agent need not be looked at.
    add(pick.agent, Unavailable::none, static_cast<int>(i) + 1,
        metric_of(queue, pool, queue.members[pick.member], pool.tree.key(pick.slot) & kMeasureMask, now));
  }
  if (decided.candidates.size() < limit) {
    const Window window = window_of(queue, lane);
    for (std::uint32_t i = 0; i < queue.members.size() && decided.candidates.size() < limit; ++i) {
      const Member& member = queue.members[i];
      const Reasons why = reasons_for(entry, lane, member, window, pool.slot(i) != kNone, now);
      if (why == 0) continue;
      add(member.agent, first_of(why), 0,
          metric_of(queue, pool, member, measure_of(queue, pool, agents_[member.agent]), now));
    }
  }
  decided.others = static_cast<int>(all - decided.candidates.size());
}

}  // namespace ivr

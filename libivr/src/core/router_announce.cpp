#include <algorithm>

#include "core/router_machine.hpp"

// What callers hear about their place, and how long it will take.

namespace ivr {

using namespace routing;

void Router::Machine::begin_announcements(Entry& entry, Time now) const {
  const QueueAnnouncements& rules = queues_[entry.queue].options.announce;
  const Millis first = rules.first > 0ms ? rules.first : rules.every;
  entry.announce_at = first > 0ms ? now + first : Time{};
  entry.periodic_at = rules.periodic > 0ms && rules.periodic_messages > 0 ? now + rules.periodic : Time{};
  entry.told_position = 0;
  entry.told_more_than = false;
}

void Router::Machine::announce(std::uint32_t number, Time now, acd::Commands& out) {
  Entry& entry = entries_[number];
  const Queue& queue = queues_[entry.queue];
  const QueueAnnouncements& rules = queue.options.announce;
  // Too soon after the last one: later, but not never.
  const auto due = [&](Time& at) {
    if (at == Time{} || now < at) return false;
    if (entry.announced == Time{} || now >= entry.announced + rules.at_least) return true;
    at = entry.announced + rules.at_least;
    return false;
  };
  if (due(entry.announce_at)) {
    entry.announce_at = rules.every > 0ms ? now + rules.every : Time{};
    int position = static_cast<int>(queue.waiting.rank(entry.place(number))) + 1;
    const bool more_than = rules.more_than > 0 && position > rules.more_than;
    if (more_than) position = rules.more_than;
    const bool improved = entry.told_position == 0 || position < entry.told_position ||
                          (position == entry.told_position && entry.told_more_than && !more_than);
    if (improved || !rules.only_when_improved) {
      std::optional<Millis> wait;
      if (rules.wait_time) {
        if (const auto expected = expected_wait(queue, entry, number)) {
          const Micros unit = std::max<Micros>(rules.rounding, 1ms);
          wait = std::chrono::duration_cast<Millis>((*expected + unit - Micros{1}) / unit * unit);
        }
      }
      entry.told_position = position;
      entry.told_more_than = more_than;
      entry.announced = now;
      out.push_back(acd::Announce{entry.id, entry.call, position, more_than, wait, -1});
    }
  }
  if (due(entry.periodic_at)) {
    entry.periodic_at = rules.periodic > 0ms ? now + rules.periodic : Time{};
    if (rules.periodic_messages <= 0) return;
    const int message =
        rules.periodic_random
            ? static_cast<int>(random_.below(static_cast<std::uint32_t>(rules.periodic_messages)))
            : entry.message++ % rules.periodic_messages;
    entry.announced = now;
    out.push_back(acd::Announce{entry.id, entry.call, 0, false, std::nullopt, message});
  }
}

// Callers leave a line that n agents serve every handle/n on average (for exponential times exactly: the time
// to the p-th departure of M/M/n with all agents busy is p/(n mu)). Nothing is said before the first caller
// was served or while nobody is at work.
std::optional<Micros> Router::Machine::expected_wait(const Queue& queue, const Entry& entry,
                                                     std::uint32_t slot) const {
  if (queue.handled == 0 || queue.capacity <= 0) return std::nullopt;
  const auto position = static_cast<std::int64_t>(queue.waiting.rank(entry.place(slot))) + 1;
  return std::max(Micros{0}, queue.handle * position / queue.capacity);
}

int Router::Machine::position(std::string_view call) const {
  const auto at = call_of_.find(std::string(call));
  if (at == call_of_.end()) return 0;
  const Entry& entry = entries_[at->second];
  return static_cast<int>(queues_[entry.queue].waiting.rank(entry.place(at->second))) + 1;
}

Millis Router::Machine::estimate(std::string_view call, Time) {
  const auto at = call_of_.find(std::string(call));
  if (at == call_of_.end()) return Millis{0};
  const Entry& entry = entries_[at->second];
  const auto wait = expected_wait(queues_[entry.queue], entry, at->second);
  return wait ? std::chrono::duration_cast<Millis>(*wait) : Millis{0};
}

}  // namespace ivr

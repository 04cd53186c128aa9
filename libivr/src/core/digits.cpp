#include "ivr/digits.hpp"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ivr {
namespace {

constexpr std::uint8_t bit(DigitSource source) noexcept {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(source));
}

// A key thought to be held for longer than this was left behind by a transport that fell silent.
constexpr Millis kLongestHold = 60s;

}  // namespace

absl::StatusOr<DigitCollector> DigitCollector::create(const DigitOptions& options) {
  if (options.window < 0ms || options.window > 10s) {
    return absl::InvalidArgumentError(
        absl::StrCat("digit window ", options.window.count(), " ms: must be 0 to 10000"));
  }
  return DigitCollector(options);
}

std::optional<char> DigitCollector::began(DigitSource source, char digit, std::uint32_t key,
                                          Time now) noexcept {
  return report(source, digit, key, now, now, true);
}

std::optional<char> DigitCollector::ended(DigitSource source, char digit, std::uint32_t key, Millis duration,
                                          Time now) noexcept {
  const int count = static_cast<int>(presses_.size());
  for (int back = 1; back <= count; ++back) {
    Press& press = presses_[static_cast<std::size_t>((next_ - back + count) % count)];
    if (press.digit != digit || (press.held_by & bit(source)) == 0) continue;
    if (press.keys[static_cast<std::size_t>(source)] != key) continue;
    press.held_by &= static_cast<std::uint8_t>(~bit(source));
    press.last = std::max(press.last, now);
    return std::nullopt;
  }
  return report(source, digit, key, now - std::max(duration, 0ms), now, false);
}

std::optional<char> DigitCollector::report(DigitSource source, char digit, std::uint32_t key, Time down,
                                           Time now, bool held) noexcept {
  // The oldest press of this digit that the transport has not reported is the one that it reports now.
  const int count = static_cast<int>(presses_.size());
  for (int age = 0; age < count; ++age) {
    Press& press = presses_[static_cast<std::size_t>((next_ + age) % count)];
    if (press.digit != digit || (press.reported_by & bit(source)) != 0) continue;
    // INFO durations are often a constant, so the press may as well have lasted until now.
    const bool still_held = press.held_by != 0 && now - press.first <= kLongestHold;
    const Time until = (still_held ? now : press.last) + options_.window;
    if (down > until) continue;
    press.reported_by |= bit(source);
    if (held) press.held_by |= bit(source);
    press.keys[static_cast<std::size_t>(source)] = key;
    press.last = std::max(press.last, now);
    ++stats_.repeated;
    return std::nullopt;
  }
  if (count < kRemembered) presses_.emplace_back();
  Press& press = presses_[static_cast<std::size_t>(count < kRemembered ? count : next_)];
  if (count == kRemembered) next_ = (next_ + 1) % kRemembered;
  press = {.digit = digit,
           .reported_by = bit(source),
           .held_by = held ? bit(source) : std::uint8_t{0},
           .first = now,
           .last = now};
  press.keys[static_cast<std::size_t>(source)] = key;
  ++stats_.presses;
  return digit;
}

}  // namespace ivr

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ivr {

// Keys and patterns over keys, of which a caller presses one: says after each key whether that was it, and
// what the parts in brackets were (digit maps: RFC 3435, 2.1.5).
//
// A pattern is a regular expression for the whole input, with the keys 0-9 * # A-D for letters: \d . [1-5*]
// [^0] groups (...), (?:...) and (?<name>...), a|b, and ? * + {2} {2,} {2,4}, each also lazy with ? behind
// it. The key * is written \* or [*]. There are no back references and no look-ahead, so matching takes time
// in proportion to the pattern, whatever is pressed; a pattern has at most 200 characters, a map 4096 steps.
//
// Thread:   any, it never changes.
// Realtime: judge() allocates.
class DigitMap {
 public:
  struct Entry {
    std::string text;
    bool pattern = true;  // false: the keys as they stand
  };
  static constexpr std::size_t kMaxPattern = 200;
  static constexpr std::size_t kMaxSteps = 4096;
  static constexpr int kMaxGroups = 8;

  // An error begins with the place of the entry in the list: "2: ...", when there is more than one.
  static absl::StatusOr<DigitMap> create(const std::vector<Entry>& entries);

  struct Verdict {
    int entry = -1;     // the first that is all of the digits; -1: none
    bool more = false;  // with more keys another one may be it, or this one again
  };
  Verdict judge(std::string_view digits) const;

  // What the named groups of that entry hold, in the order of the pattern; of a group that took part more
  // than once the last. One that took no part is empty.
  std::vector<std::pair<std::string, std::string>> captures(int entry, std::string_view digits) const;
  const std::vector<std::string>& names(int entry) const {
    return starts_[static_cast<std::size_t>(entry)].names;
  }

  bool uses(char key) const;  // may this key be a part of some entry

  // Two entries that some keys are both of, with such keys: there only the order decides.
  struct Overlap {
    int first = 0, second = 0;
    std::string keys;
  };
  std::optional<Overlap> overlap() const;

 private:
  friend class DigitMapCompiler;
  struct Step {
    enum class Kind : std::uint8_t { keys, split, save, match } kind = Kind::match;
    std::uint16_t mask = 0;   // keys: by index in kKeys
    std::uint16_t to = 0;     // split: the one to try first
    std::uint16_t other = 0;  // split: the one to try second
    std::uint8_t slot = 0;    // save: 2n where group n begins, 2n + 1 where it ends
    std::int16_t entry = -1;  // match
  };
  struct Start {
    std::uint16_t at = 0;
    std::vector<std::string> names;
  };
  using Set = std::vector<std::uint16_t>;  // of steps, each once

  DigitMap() = default;
  void close(std::uint16_t from, Set& set, std::vector<bool>& in) const;
  Verdict judge_one(int entry, std::string_view digits) const;
  Verdict judge_from(const Set& from, std::string_view digits) const;
  std::optional<std::string> common(std::uint16_t a, std::uint16_t b) const;

  std::vector<Step> steps_;  // a step of keys or save goes on with the next one
  std::vector<Start> starts_;
};

}  // namespace ivr

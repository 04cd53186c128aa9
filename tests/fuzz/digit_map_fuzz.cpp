// Any bytes as patterns, one a line, and keys behind them: no pattern crashes or takes for ever, what matches
// has its groups inside the input, and what cannot go on never matches with another key.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ivr/digit_map.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 1000));
  std::vector<ivr::DigitMap::Entry> entries;
  for (std::size_t end; entries.size() < 4 && (end = rest.find('\n')) != rest.npos;
       rest.remove_prefix(end + 1)) {
    const std::string text(rest.substr(0, end));
    if (ivr::DigitMap::create({{text}}).ok()) entries.push_back({text});
  }
  const auto map = ivr::DigitMap::create(entries);
  if (!map.ok()) return 0;
  const std::string digits(rest.substr(0, 40));
  bool more = true;
  for (std::size_t n = 0; n <= digits.size(); ++n) {
    const std::string_view so_far = std::string_view(digits).substr(0, n);
    const auto verdict = map->judge(so_far);
    if (!more) require(verdict.entry < 0 && !verdict.more);
    more = verdict.more;
    if (verdict.entry < 0) continue;
    require(n > 0);
    const auto captures = map->captures(verdict.entry, so_far);
    require(captures.size() == map->names(verdict.entry).size());
    for (const auto& [name, held] : captures) require(so_far.find(held) != so_far.npos);
  }
  if (const auto both = map->overlap()) {
    require(both->first < both->second);
    require(map->judge(both->keys).entry <= both->first);
  }
  return 0;
}

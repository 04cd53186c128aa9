#include "ivr/digit_map.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>

#include "absl/container/flat_hash_map.h"

// Thompson's construction, run as sets of steps: time and memory grow with the pattern and with the keys, and
// never with the ways in which they might fit.

namespace ivr {
namespace {

constexpr std::string_view kKeys = "0123456789*#ABCD";
constexpr std::uint16_t kAll = 0xFFFF, kDigits = 0x03FF;
constexpr int kMaxDepth = 30;
constexpr int kMaxRepeat = 128;

int index_of(char key) {
  const std::size_t at = kKeys.find(key);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}
std::uint16_t bit(int index) { return static_cast<std::uint16_t>(1u << index); }

absl::Status bad(std::string message) { return absl::InvalidArgumentError(std::move(message)); }

bool is_name_begin(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_begin(c) || (c >= '0' && c <= '9'); }

}  // namespace

// Reads a pattern into a tree, and writes the tree as steps.
class DigitMapCompiler {
 public:
  explicit DigitMapCompiler(DigitMap& map) : map_(map) {}

  absl::Status add(const DigitMap::Entry& entry) {
    text_ = entry.text;
    at_ = 0;
    nodes_.clear();
    names_.clear();
    const int number = static_cast<int>(map_.starts_.size());
    int root = -1;
    if (entry.pattern) {
      if (text_.size() > DigitMap::kMaxPattern)
        return bad("a pattern of " + std::to_string(text_.size()) + " characters, at most " +
                   std::to_string(DigitMap::kMaxPattern));
      if (!text_.empty() && text_[0] == '^') ++at_;  // a pattern is for the whole input anyway
      if (text_.size() > at_ && text_.back() == '$' && (text_.size() < 2 || text_[text_.size() - 2] != '\\'))
        text_.remove_suffix(1);
      if (auto status = choice(root, 0); !status.ok()) return status;
      if (at_ < text_.size()) return bad("')' without '('");
    } else {
      root = node({.kind = Node::Kind::sequence});
      for (const char c : text_) {
        if (index_of(c) < 0) return bad(no_key(c));
        const int key = node({.kind = Node::Kind::keys, .mask = bit(index_of(c))});
        nodes_[static_cast<std::size_t>(root)].parts.push_back(key);
      }
    }
    DigitMap::Start start;
    start.at = static_cast<std::uint16_t>(map_.steps_.size());
    start.names = names_;
    if (!emit(root) ||
        !push({.kind = DigitMap::Step::Kind::match, .entry = static_cast<std::int16_t>(number)})) {
      return bad("patterns of more than " + std::to_string(DigitMap::kMaxSteps) +
                 " steps: repetitions count as often as they repeat");
    }
    map_.starts_.push_back(std::move(start));
    if (map_.judge_one(number, "").entry == number) return bad("matches without any key");
    return absl::OkStatus();
  }

 private:
  struct Node {
    enum class Kind : std::uint8_t { keys, sequence, choice, repeat, group } kind = Kind::keys;
    std::uint16_t mask = 0;
    std::vector<int> parts{};
    int least = 0, most = 0;  // repeat; most -1: no limit
    bool lazy = false;
    int group = -1;
  };

  int node(Node node) {
    nodes_.push_back(std::move(node));
    return static_cast<int>(nodes_.size()) - 1;
  }

  static std::string no_key(char c) {
    return "'" + std::string(1, c) + "' is no key: 0-9, *, #, A-D; the key * is written \\* in a pattern";
  }

  // ------------------------------------------------------------------------------------------- reading

  bool more() const { return at_ < text_.size(); }
  char peek() const { return text_[at_]; }
  bool eat(char c) {
    if (!more() || peek() != c) return false;
    ++at_;
    return true;
  }

  absl::Status choice(int& out, int depth) {
    if (depth > kMaxDepth) return bad("groups nested deeper than " + std::to_string(kMaxDepth));
    Node all{.kind = Node::Kind::choice};
    do {
      int one = -1;
      if (auto status = sequence(one, depth); !status.ok()) return status;
      all.parts.push_back(one);
    } while (eat('|'));
    out = all.parts.size() == 1 ? all.parts[0] : node(std::move(all));
    return absl::OkStatus();
  }

  absl::Status sequence(int& out, int depth) {
    Node all{.kind = Node::Kind::sequence};
    while (more() && peek() != '|' && peek() != ')') {
      int one = -1;
      if (auto status = atom(one, depth); !status.ok()) return status;
      if (auto status = repetition(one); !status.ok()) return status;
      all.parts.push_back(one);
    }
    out = node(std::move(all));
    return absl::OkStatus();
  }

  absl::Status atom(int& out, int depth) {
    const char c = text_[at_++];
    std::uint16_t mask = 0;
    switch (c) {
      case '(': return group(out, depth);
      case '[':
        if (auto status = set(mask); !status.ok()) return status;
        break;
      case '.': mask = kAll; break;
      case '\\':
        if (auto status = escape(mask); !status.ok()) return status;
        break;
      case '*':
      case '+':
      case '?':
      case '{': return bad("'" + std::string(1, c) + "' repeats nothing; the key * is written \\*");
      default:
        if (index_of(c) < 0) return bad(no_key(c));
        mask = bit(index_of(c));
    }
    out = node({.kind = Node::Kind::keys, .mask = mask});
    return absl::OkStatus();
  }

  absl::Status group(int& out, int depth) {
    int number = -1;
    if (eat('?')) {
      if (eat('<') && more() && peek() != '=' && peek() != '!') {
        const std::size_t begin = at_;
        while (more() && is_name_part(peek())) ++at_;
        const std::string name(text_.substr(begin, at_ - begin));
        if (name.empty() || !is_name_begin(name[0]) || name.size() > 64 || !eat('>'))
          return bad("a group is named (?<name>...), with letters, digits and _");
        if (std::find(names_.begin(), names_.end(), name) != names_.end())
          return bad("two groups are called '" + name + "'");
        if (names_.size() >= static_cast<std::size_t>(DigitMap::kMaxGroups))
          return bad("more than " + std::to_string(DigitMap::kMaxGroups) + " named groups");
        number = static_cast<int>(names_.size());
        names_.push_back(name);
      } else if (!eat(':')) {
        return bad("look-ahead and its like are not in the pattern language");
      }
    }
    int inner = -1;
    if (auto status = choice(inner, depth + 1); !status.ok()) return status;
    if (!eat(')')) return bad("'(' without ')' in '" + std::string(text_) + "'");
    out = number < 0 ? inner : node({.kind = Node::Kind::group, .parts = {inner}, .group = number});
    return absl::OkStatus();
  }

  absl::Status escape(std::uint16_t& mask) {
    if (!more()) return bad("a '\\' at the end");
    const char c = text_[at_++];
    if (c == 'd') {
      mask = kDigits;
    } else if (c == 'D') {
      mask = static_cast<std::uint16_t>(~kDigits);
    } else if (c >= '0' && c <= '9') {
      return bad("back references are not in the pattern language");
    } else if (c == '*' || c == '#') {
      mask = bit(index_of(c));
    } else {
      return bad("'\\" + std::string(1, c) + "' is not in the pattern language");
    }
    return absl::OkStatus();
  }

  absl::Status set(std::uint16_t& mask) {
    const std::size_t begin = at_ - 1;
    const bool not_these = eat('^');
    while (more() && peek() != ']') {
      const char low = text_[at_++];
      std::uint16_t one = 0;
      if (low == '\\') {
        if (auto status = escape(one); !status.ok()) return status;
      } else if (index_of(low) < 0) {
        return bad(no_key(low));
      } else if (at_ + 1 < text_.size() && peek() == '-' && text_[at_ + 1] != ']') {
        const char high = text_[at_ + 1];
        at_ += 2;
        const bool digits = low >= '0' && high <= '9', letters = low >= 'A' && high <= 'D';
        if (!(digits || letters) || high < low)
          return bad("no range from '" + std::string(1, low) + "' to '" + std::string(1, high) + "'");
        for (int i = index_of(low); i <= index_of(high); ++i) one |= bit(i);
      } else {
        one = bit(index_of(low));
      }
      mask |= one;
    }
    if (!eat(']')) return bad("'[' without ']' in '" + std::string(text_) + "'");
    if (not_these) mask = static_cast<std::uint16_t>(~mask);
    if (mask == 0) return bad("'" + std::string(text_.substr(begin, at_ - begin)) + "' is no key at all");
    return absl::OkStatus();
  }

  absl::Status repetition(int& one) {
    while (more()) {
      int least = 0, most = -1;
      if (eat('*')) {
      } else if (eat('+')) {
        least = 1;
      } else if (eat('?')) {
        most = 1;
      } else if (eat('{')) {
        if (!count(least)) return bad("a repetition is written {2}, {2,} or {2,4}");
        most = least;
        if (eat(',')) {
          most = -1;
          if (more() && peek() != '}' && !count(most))
            return bad("a repetition is written {2}, {2,} or {2,4}");
        }
        if (!eat('}')) return bad("a repetition is written {2}, {2,} or {2,4}");
        if (least > kMaxRepeat || most > kMaxRepeat)
          return bad("a repetition of more than " + std::to_string(kMaxRepeat));
        if (most >= 0 && most < least) return bad("a repetition that ends before it begins");
      } else {
        return absl::OkStatus();
      }
      const bool lazy = eat('?');
      one = node({.kind = Node::Kind::repeat, .parts = {one}, .least = least, .most = most, .lazy = lazy});
      if (more() && (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{'))
        return bad("a repetition of a repetition: put brackets around the inner one");
    }
    return absl::OkStatus();
  }

  bool count(int& out) {
    int n = 0, read = 0;
    while (more() && peek() >= '0' && peek() <= '9' && read < 4) n = n * 10 + (text_[at_++] - '0'), ++read;
    out = n;
    return read > 0;
  }

  // ------------------------------------------------------------------------------------------- writing

  using Step = DigitMap::Step;

  bool push(Step step) {
    if (map_.steps_.size() >= DigitMap::kMaxSteps) return false;
    map_.steps_.push_back(step);
    return true;
  }
  std::uint16_t here() const { return static_cast<std::uint16_t>(map_.steps_.size()); }
  Step& step(std::uint16_t at) { return map_.steps_[at]; }

  // A split whose ways are known later.
  std::optional<std::uint16_t> fork() {
    if (!push({.kind = Step::Kind::split})) return std::nullopt;
    return static_cast<std::uint16_t>(map_.steps_.size() - 1);
  }
  void lead(std::uint16_t fork, std::uint16_t in, std::uint16_t past, bool lazy) {
    step(fork).to = lazy ? past : in;
    step(fork).other = lazy ? in : past;
  }

  bool emit(int index) {
    const Node& n = nodes_[static_cast<std::size_t>(index)];
    switch (n.kind) {
      case Node::Kind::keys: return push({.kind = Step::Kind::keys, .mask = n.mask});
      case Node::Kind::sequence:
        return std::all_of(n.parts.begin(), n.parts.end(), [&](int part) { return emit(part); });
      case Node::Kind::group:
        return push({.kind = Step::Kind::save, .slot = static_cast<std::uint8_t>(2 * n.group)}) &&
               emit(n.parts[0]) &&
               push({.kind = Step::Kind::save, .slot = static_cast<std::uint8_t>(2 * n.group + 1)});
      case Node::Kind::choice: return emit_choice(n);
      case Node::Kind::repeat: return emit_repeat(n);
    }
    return false;
  }

  bool emit_choice(const Node& n) {
    std::vector<std::uint16_t> ends;
    for (std::size_t i = 0; i < n.parts.size(); ++i) {
      if (i + 1 == n.parts.size()) {
        if (!emit(n.parts[i])) return false;
        break;
      }
      const auto split = fork();
      if (!split || !emit(n.parts[i])) return false;
      const auto end = fork();
      if (!end) return false;
      ends.push_back(*end);
      lead(*split, static_cast<std::uint16_t>(*split + 1), here(), false);
    }
    for (const std::uint16_t end : ends) lead(end, here(), here(), false);
    return true;
  }

  bool emit_repeat(const Node& n) {
    for (int i = 0; i < n.least; ++i) {
      if (!emit(n.parts[0])) return false;
    }
    if (n.most < 0) {
      const auto split = fork();
      if (!split || !emit(n.parts[0])) return false;
      const auto back = fork();
      if (!back) return false;
      lead(*back, *split, *split, false);
      lead(*split, static_cast<std::uint16_t>(*split + 1), here(), n.lazy);
      return true;
    }
    std::vector<std::uint16_t> splits;
    for (int i = n.least; i < n.most; ++i) {
      const auto split = fork();
      if (!split || !emit(n.parts[0])) return false;
      splits.push_back(*split);
    }
    for (const std::uint16_t split : splits)
      lead(split, static_cast<std::uint16_t>(split + 1), here(), n.lazy);
    return true;
  }

  DigitMap& map_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Node> nodes_;
  std::vector<std::string> names_;
};

absl::StatusOr<DigitMap> DigitMap::create(const std::vector<Entry>& entries) {
  DigitMap map;
  DigitMapCompiler compiler(map);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const absl::Status status = compiler.add(entries[i]);
    if (status.ok()) continue;
    if (entries.size() == 1) return status;
    return bad(std::to_string(i) + ": " + std::string(status.message()));
  }
  return map;
}

// Every step that is reached from `from` without a key.
void DigitMap::close(std::uint16_t from, Set& set, std::vector<bool>& in) const {
  Set todo = {from};
  while (!todo.empty()) {
    const std::uint16_t at = todo.back();
    todo.pop_back();
    if (in[at]) continue;
    in[at] = true;
    const Step& step = steps_[at];
    switch (step.kind) {
      case Step::Kind::split:
        todo.push_back(step.other);
        todo.push_back(step.to);
        break;
      case Step::Kind::save: todo.push_back(static_cast<std::uint16_t>(at + 1)); break;
      case Step::Kind::keys:
      case Step::Kind::match: set.push_back(at); break;
    }
  }
}

DigitMap::Verdict DigitMap::judge(std::string_view digits) const {
  Set from;
  for (const Start& start : starts_) from.push_back(start.at);
  return judge_from(from, digits);
}

DigitMap::Verdict DigitMap::judge_one(int entry, std::string_view digits) const {
  return judge_from({starts_[static_cast<std::size_t>(entry)].at}, digits);
}

DigitMap::Verdict DigitMap::judge_from(const Set& from, std::string_view digits) const {
  Set now, next;
  std::vector<bool> in(steps_.size());
  for (const std::uint16_t start : from) close(start, now, in);
  for (const char c : digits) {
    const int key = index_of(c);
    next.clear();
    in.assign(steps_.size(), false);
    for (const std::uint16_t at : now) {
      if (steps_[at].kind == Step::Kind::keys && key >= 0 && (steps_[at].mask & bit(key)) != 0)
        close(static_cast<std::uint16_t>(at + 1), next, in);
    }
    std::swap(now, next);
  }
  Verdict verdict;
  for (const std::uint16_t at : now) {
    if (steps_[at].kind == Step::Kind::keys) {
      verdict.more = true;  // every step leads on to a match: no set of keys is empty
    } else if (verdict.entry < 0 || steps_[at].entry < verdict.entry) {
      verdict.entry = steps_[at].entry;
    }
  }
  return verdict;
}

// As judge(), with the places of the groups: of several ways to fit, the one that the pattern tries first.
std::vector<std::pair<std::string, std::string>> DigitMap::captures(int entry,
                                                                    std::string_view digits) const {
  constexpr std::uint8_t kUnset = 0xFF;
  using Places = std::array<std::uint8_t, 2 * kMaxGroups>;
  struct Thread {
    std::uint16_t at;
    Places places;
  };
  const Start& start = starts_[static_cast<std::size_t>(entry)];
  std::vector<std::pair<std::string, std::string>> found;
  for (const std::string& name : start.names) found.emplace_back(name, "");
  if (found.empty() || digits.size() >= kUnset) return found;

  std::vector<bool> in(steps_.size());
  std::vector<Thread> now, next, todo;
  const auto follow = [&](Thread first, std::size_t position, std::vector<Thread>& out) {
    todo.assign(1, first);
    while (!todo.empty()) {
      Thread thread = todo.back();
      todo.pop_back();
      if (in[thread.at]) continue;
      in[thread.at] = true;
      const Step& step = steps_[thread.at];
      switch (step.kind) {
        case Step::Kind::split:
          todo.push_back({step.other, thread.places});
          todo.push_back({step.to, thread.places});
          break;
        case Step::Kind::save:
          thread.places[step.slot] = static_cast<std::uint8_t>(position);
          ++thread.at;
          todo.push_back(thread);
          break;
        case Step::Kind::keys:
        case Step::Kind::match: out.push_back(thread); break;
      }
    }
  };
  Places none;
  none.fill(kUnset);
  follow({start.at, none}, 0, now);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const int key = index_of(digits[i]);
    next.clear();
    in.assign(steps_.size(), false);
    for (const Thread& thread : now) {
      const Step& step = steps_[thread.at];
      if (step.kind == Step::Kind::keys && key >= 0 && (step.mask & bit(key)) != 0)
        follow({static_cast<std::uint16_t>(thread.at + 1), thread.places}, i + 1, next);
    }
    std::swap(now, next);
  }
  const auto match = std::find_if(now.begin(), now.end(), [&](const Thread& thread) {
    return steps_[thread.at].kind == Step::Kind::match;
  });
  if (match == now.end()) return found;
  for (std::size_t group = 0; group < found.size(); ++group) {
    const std::uint8_t begin = match->places[2 * group], end = match->places[2 * group + 1];
    if (begin != kUnset && end != kUnset && begin <= end)
      found[group].second = std::string(digits.substr(begin, end - begin));
  }
  return found;
}

bool DigitMap::uses(char key) const {
  const int index = index_of(key);
  return index >= 0 && std::any_of(steps_.begin(), steps_.end(), [&](const Step& step) {
           return step.kind == Step::Kind::keys && (step.mask & bit(index)) != 0;
         });
}

std::optional<DigitMap::Overlap> DigitMap::overlap() const {
  for (std::size_t second = 1; second < starts_.size(); ++second) {
    for (std::size_t first = 0; first < second; ++first) {
      if (auto keys = common(starts_[first].at, starts_[second].at))
        return Overlap{static_cast<int>(first), static_cast<int>(second), *std::move(keys)};
    }
  }
  return std::nullopt;
}

// Keys that both match: a walk over pairs of steps, so no more than their product.
std::optional<std::string> DigitMap::common(std::uint16_t a, std::uint16_t b) const {
  struct Seen {
    std::uint32_t from;
    char key;  // pressed on the way, or 0
  };
  constexpr std::uint32_t kRoot = std::numeric_limits<std::uint32_t>::max();
  absl::flat_hash_map<std::uint32_t, Seen> seen;
  std::deque<std::uint32_t> todo;  // in front those that need no key
  const auto visit = [&](std::uint32_t x, std::uint32_t y, std::uint32_t from, char key) {
    const std::uint32_t pair = x << 16 | y;
    if (!seen.try_emplace(pair, Seen{from, key}).second) return;
    if (key == 0) {
      todo.push_front(pair);
    } else {
      todo.push_back(pair);
    }
  };
  visit(a, b, kRoot, 0);
  while (!todo.empty()) {
    const std::uint32_t pair = todo.front();
    todo.pop_front();
    const std::uint32_t x = pair >> 16, y = pair & 0xFFFF;
    const Step& one = steps_[x];
    const Step& two = steps_[y];
    if (one.kind == Step::Kind::match && two.kind == Step::Kind::match) {
      std::string keys;
      for (std::uint32_t at = pair; at != kRoot; at = seen.at(at).from) {
        if (seen.at(at).key != 0) keys.insert(keys.begin(), seen.at(at).key);
      }
      return keys;
    }
    if (one.kind == Step::Kind::split) {
      visit(one.to, y, pair, 0);
      visit(one.other, y, pair, 0);
    } else if (one.kind == Step::Kind::save) {
      visit(x + 1, y, pair, 0);
    } else if (two.kind == Step::Kind::split) {
      visit(x, two.to, pair, 0);
      visit(x, two.other, pair, 0);
    } else if (two.kind == Step::Kind::save) {
      visit(x, y + 1, pair, 0);
    } else if (one.kind == Step::Kind::keys && two.kind == Step::Kind::keys && (one.mask & two.mask) != 0) {
      int key = 0;
      while (((one.mask & two.mask) >> key & 1) == 0) ++key;
      visit(x + 1, y + 1, pair, kKeys[static_cast<std::size_t>(key)]);
    }
  }
  return std::nullopt;
}

}  // namespace ivr

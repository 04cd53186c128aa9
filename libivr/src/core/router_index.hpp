#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ivr/base.hpp"

// The structures that keep a decision of the Router cheap: who is best among many, what is due next, who
// stands where in a line, and what has which number.

namespace ivr::routing {

// Slots with a key each. Finds the least key of any range of slots, the leftmost slot that has it, and how
// many have it, in logarithmic time.
class MinTree {
 public:
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();  // not to be found

  void assign(const std::vector<std::int64_t>& keys) {
    changed_.clear();
    leaves_ = 1;
    while (leaves_ < keys.size()) leaves_ *= 2;
    pending_.assign(leaves_, false);
    nodes_.assign(2 * leaves_, Least{});
    for (std::size_t i = 0; i < keys.size(); ++i) nodes_[leaves_ + i] = leaf(keys[i]);
    for (std::size_t i = leaves_ - 1; i > 0; --i) nodes_[i] = Least::of(nodes_[2 * i], nodes_[2 * i + 1]);
  }
  // What lies above is brought up to date when somebody asks next: of many that change together, once.
  void set(std::size_t slot, std::int64_t key) {
    const Least node = leaf(key);
    if (nodes_[leaves_ + slot] == node) return;
    nodes_[leaves_ + slot] = node;
    const std::size_t above = (leaves_ + slot) / 2;
    if (above == 0 || pending_[above]) return;
    pending_[above] = true;
    changed_.push_back(above);
    if (changed_.size() == kMostChanged) settle();
  }
  std::int64_t key(std::size_t slot) const { return nodes_[leaves_ + slot].key; }
  // Those of the range that are to be found, from left to right, as long as f(slot) says so.
  template <class F>
  void each(std::size_t begin, std::size_t end, F&& f) const {
    constexpr std::size_t kNear = 4;  // so far it is quicker to look at each
    std::size_t missed = 0;
    for (std::size_t slot = begin; slot < end; ++slot) {
      if (nodes_[leaves_ + slot].key == kNone) {
        if (++missed < kNear) continue;
        slot = first_at_most(slot, end, kNone - 1);
        if (slot >= end) return;
      }
      missed = 0;
      if (!f(slot)) return;
    }
  }

  struct Least {
    std::int64_t key = kNone;
    std::uint32_t count = 0;  // slots that have it
    bool operator==(const Least&) const = default;
    static Least of(const Least& a, const Least& b) {
      if (a.key != b.key) return a.key < b.key ? a : b;
      return {a.key, a.count + b.count};
    }
  };
  Least least(std::size_t begin, std::size_t end) const {
    settle();
    Least all;
    visit(begin, end, [&](std::size_t i) { all = Least::of(all, nodes_[i]); });
    return all;
  }
  // Leftmost slot of [begin, end) whose key is at most `bound`; `end` when there is none.
  std::size_t first_at_most(std::size_t begin, std::size_t end, std::int64_t bound) const {
    if (begin >= end) return end;
    settle();
    std::size_t i = leaves_ + begin;
    while (nodes_[i].key > bound) {
      while (i % 2 == 1) i /= 2;  // a right child: what lies to the right is beside an ancestor
      if (i == 0) return end;
      ++i;
    }
    while (i < leaves_) {
      i *= 2;
      if (nodes_[i].key > bound) ++i;
    }
    return std::min(i - leaves_, end);
  }
  // The n-th (from 0) of those that have `least`.
  std::size_t nth(std::size_t begin, std::size_t end, std::int64_t least, std::uint32_t n) const {
    settle();
    std::size_t found = end;
    visit(begin, end, [&](std::size_t i) {
      if (found != end || nodes_[i].key != least) return;
      if (n >= nodes_[i].count) {
        n -= nodes_[i].count;
        return;
      }
      while (i < leaves_) {
        i *= 2;
        const std::uint32_t left = nodes_[i].key == least ? nodes_[i].count : 0;
        if (n >= left) {
          n -= left;
          ++i;
        }
      }
      found = i - leaves_;
    });
    return found;
  }

 private:
  static Least leaf(std::int64_t key) { return {key, key == kNone ? 0u : 1u}; }
  void settle() const {
    for (const std::size_t i : changed_) pending_[i] = false;
    while (!changed_.empty()) {  // all of one depth, their parents next
      std::size_t kept = 0;
      for (std::size_t at = 0; at < changed_.size(); ++at) {
        const std::size_t i = changed_[at];
        const Least node = Least::of(nodes_[2 * i], nodes_[2 * i + 1]);
        if (nodes_[i] == node) continue;  // as is everything above it
        nodes_[i] = node;
        if (i > 1 && (kept == 0 || changed_[kept - 1] != i / 2)) changed_[kept++] = i / 2;
      }
      changed_.resize(kept);
    }
  }
  // The nodes that cover the range, from left to right.
  template <class F>
  void visit(std::size_t begin, std::size_t end, F&& f) const {
    std::size_t right[64], rights = 0;
    std::size_t l = leaves_ + begin, r = leaves_ + end;
    for (; l < r; l /= 2, r /= 2) {
      if (l % 2 == 1) f(l++);
      if (r % 2 == 1) right[rights++] = --r;
    }
    while (rights > 0) f(right[--rights]);
  }

  friend class BestFirst;
  static constexpr std::size_t kMostChanged = 256;
  std::size_t leaves_ = 1;
  mutable std::vector<Least> nodes_ = std::vector<Least>(2);  // by node: of the slots below it
  mutable std::vector<std::size_t> changed_;                  // nodes above slots that have changed
  mutable std::vector<std::uint8_t> pending_ = std::vector<std::uint8_t>(1);  // which those are
};

struct Stretch {
  std::size_t begin = 0, end = 0;
};

// The first so many slots of some stretches of a tree: by key, then by stretch, then by slot. Of few, those
// that cannot be among them any more are let go at once, so little is kept in order; of many, a heap is.
class BestFirst {
 public:
  void begin(std::size_t wanted) {
    wanted_ = wanted;
    many_ = wanted > kFew;
    items_.clear();
  }
  void add(const MinTree& tree, std::size_t begin, std::size_t end, std::size_t stretch) {
    tree.settle();
    tree.visit(begin, end, [&](std::size_t node) { keep(tree, node, stretch); });
  }
  std::optional<std::size_t> next(const MinTree& tree) {
    if (items_.empty() || wanted_ == 0) return std::nullopt;
    if (many_) std::pop_heap(items_.begin(), items_.end(), later);
    Item item = items_.back();
    items_.pop_back();
    --wanted_;
    // Down to the leftmost slot that has the key; what is passed on the way is for later.
    while (item.node < tree.leaves_) {
      const std::size_t left = 2 * item.node;
      const bool there = tree.nodes_[left].key == item.key;
      keep(tree, there ? left + 1 : left, item.stretch);
      item.node = there ? left : left + 1;
    }
    return item.node - tree.leaves_;
  }

 private:
  static constexpr std::size_t kFew = 32;
  struct Item {
    std::int64_t key = 0;
    std::size_t stretch = 0, slot = 0, node = 0;  // slot: the leftmost below the node
  };
  static bool later(const Item& a, const Item& b) {
    if (a.key != b.key) return a.key > b.key;
    return a.stretch != b.stretch ? a.stretch > b.stretch : a.slot > b.slot;
  }
  void keep(const MinTree& tree, std::size_t node, std::size_t stretch) {
    const std::int64_t key = tree.nodes_[node].key;
    if (key == MinTree::kNone) return;
    const int below = std::countl_zero(node) - std::countl_zero(tree.leaves_);
    const Item item{key, stretch, node << below, node};
    if (many_) {
      items_.push_back(item);
      std::push_heap(items_.begin(), items_.end(), later);
      return;
    }
    // Each item gives one slot at least: behind as many as are wanted none is reached.
    const bool full = items_.size() >= wanted_;
    if (full && (wanted_ == 0 || later(item, items_.front()))) return;
    const auto at = std::upper_bound(items_.begin(), items_.end(), item, later);
    if (!full) {
      items_.insert(at, item);
    } else {
      std::move(items_.begin() + 1, at, items_.begin());
      *(at - 1) = item;
    }
  }
  std::size_t wanted_ = 0;
  bool many_ = false;
  std::vector<Item> items_;  // few: the next one last, the latest first; many: a heap, the next one first
};

// One instant a slot. Gives back what is due, the earliest first; of two at once the lower id.
class Deadlines {
 public:
  void set(std::uint32_t slot, std::uint64_t id, std::optional<Time> due) {
    if (slot >= place_.size()) place_.resize(slot + 1, kNowhere);
    std::size_t at = place_[slot];
    if (!due) {
      if (at != kNowhere) remove(at);
      return;
    }
    if (at == kNowhere) return add(slot, id, *due);
    if (heap_[at].due == *due && heap_[at].id == id) {
      return;
    }
    heap_[at] = {*due, id, slot};
    place_[slot] = at;
    down(up(at));
  }
  // As set(), of a slot that has none.
  void add(std::uint32_t slot, std::uint64_t id, Time due) {
    if (slot >= place_.size()) place_.resize(slot + 1, kNowhere);
    place_[slot] = heap_.size();
    heap_.push_back({due, id, slot});
    up(heap_.size() - 1);
  }
  std::optional<Time> next() const {
    if (heap_.empty()) return std::nullopt;
    return heap_.front().due;
  }
  std::optional<std::uint32_t> pop(Time now) {
    if (heap_.empty() || heap_.front().due > now) return std::nullopt;
    const std::uint32_t slot = heap_.front().slot;
    remove(0);
    return slot;
  }

 private:
  static constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();
  struct Item {
    Time due{};
    std::uint64_t id = 0;
    std::uint32_t slot = 0;
  };
  bool before(std::size_t a, std::size_t b) const {
    return heap_[a].due != heap_[b].due ? heap_[a].due < heap_[b].due : heap_[a].id < heap_[b].id;
  }
  void exchange(std::size_t a, std::size_t b) {
    std::swap(heap_[a], heap_[b]);
    place_[heap_[a].slot] = a;
    place_[heap_[b].slot] = b;
  }
  std::size_t up(std::size_t at) {
    while (at > 0 && before(at, (at - 1) / 2)) {
      exchange(at, (at - 1) / 2);
      at = (at - 1) / 2;
    }
    return at;
  }
  void down(std::size_t at) {
    for (;;) {
      std::size_t least = at;
      for (std::size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child) {
        if (before(child, least)) least = child;
      }
      if (least == at) return;
      exchange(at, least);
      at = least;
    }
  }
  void remove(std::size_t at) {
    place_[heap_[at].slot] = kNowhere;
    const Item last = heap_.back();
    heap_.pop_back();
    if (at == heap_.size()) return;
    heap_[at] = last;
    place_[last.slot] = at;
    down(up(at));
  }

  std::vector<Item> heap_;
  std::vector<std::size_t> place_;
};

// Which number has which id, of ids that are given in turn. They are spread so evenly that of a table half
// full next to none lies elsewhere than where it is looked for first. With absl::flat_hash_map in its place
// router_bench's ringall takes a third to two thirds longer.
class Ids {
 public:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  void insert(std::uint64_t id, std::uint32_t number) {  // `id` is not there yet
    if (2 * ++size_ > cells_.size()) grow();
    place({id, number});
  }
  std::uint32_t find(std::uint64_t id) const {
    const std::size_t at = look(id);
    return at == cells_.size() ? kNone : cells_[at].number;
  }
  void erase(std::uint64_t id) {
    const std::size_t at = look(id);
    if (at == cells_.size()) return;
    cells_[at].number = kNone;
    --size_;
  }
  template <class F>
  void each(F&& f) const {  // f(id, number), in no order
    for (const Cell& cell : cells_) {
      if (cell.number != kNone) f(cell.id, cell.number);
    }
  }

 private:
  struct Cell {
    std::uint64_t id = 0;
    std::uint32_t number = kNone;
  };
  std::size_t home(std::uint64_t id) const {  // Fibonacci hashing (Knuth, volume 3, 6.4)
    return static_cast<std::size_t>((id * 0x9E3779B97F4A7C15) >> shift_);
  }
  void place(const Cell& cell) {
    std::size_t at = home(cell.id), far = 0;
    for (; cells_[at].number != kNone; ++far) at = (at + 1) & (cells_.size() - 1);
    cells_[at] = cell;
    farthest_ = std::max(farthest_, far);
  }
  std::size_t look(std::uint64_t id) const {  // all cells: nowhere
    if (cells_.empty()) return 0;
    std::size_t at = home(id);
    for (std::size_t far = 0; far <= farthest_; ++far) {
      if (cells_[at].id == id && cells_[at].number != kNone) return at;
      at = (at + 1) & (cells_.size() - 1);
    }
    return cells_.size();
  }
  void grow() {
    const std::vector<Cell> before = std::exchange(cells_, {});
    cells_.resize(std::max<std::size_t>(64, 2 * before.size()));
    shift_ = 64 - std::countr_zero(cells_.size());
    farthest_ = 0;
    for (const Cell& cell : before) {
      if (cell.number != kNone) place(cell);
    }
  }
  std::vector<Cell> cells_;  // a power of two of them
  std::size_t size_ = 0, farthest_ = 0;
  int shift_ = 0;
};

// Things by number that stay where they are. A shift and a mask find them, where a deque has to divide.
template <class T>
class Pieces {
 public:
  T& emplace_back() {
    if (size_ == pieces_.size() * kPiece) pieces_.push_back(std::make_unique<T[]>(kPiece));
    return (*this)[size_++];
  }
  T& operator[](std::size_t number) { return pieces_[number / kPiece][number % kPiece]; }
  const T& operator[](std::size_t number) const { return pieces_[number / kPiece][number % kPiece]; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kPiece = 16;
  std::vector<std::unique_ptr<T[]>> pieces_;
  std::size_t size_ = 0;
};

// Callers in the order in which they are served.
class Line {
 public:
  struct Place {
    std::int64_t order = 0;  // lower is first; then the lower id
    std::uint64_t id = 0;
    std::uint32_t slot = 0;
    bool before(const Place& other) const {
      return order != other.order ? order < other.order : id < other.id;
    }
  };
  void insert(const Place& place) { places_.insert(find(place), place); }
  void erase(const Place& place) {
    const auto at = find(place);
    if (at != places_.end() && at->id == place.id) places_.erase(at);
  }
  std::size_t rank(const Place& place) const {  // from 0
    return static_cast<std::size_t>(std::lower_bound(places_.begin(), places_.end(), place, earlier) -
                                    places_.begin());
  }
  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }
  const Place& front() const { return places_.front(); }
  auto begin() const { return places_.begin(); }
  auto end() const { return places_.end(); }

 private:
  static bool earlier(const Place& a, const Place& b) { return a.before(b); }
  // A deque moves the shorter side, so both ends, where callers come and go, cost nothing.
  std::deque<Place>::iterator find(const Place& place) {
    return std::lower_bound(places_.begin(), places_.end(), place, earlier);
  }
  std::deque<Place> places_;
};

}  // namespace ivr::routing

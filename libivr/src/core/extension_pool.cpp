#include "ivr/extension_pool.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace ivr {
namespace {

constexpr std::size_t kWordBits = 64;
constexpr std::size_t kMaxPrefix = 32, kMaxDigits = 6;

std::uint64_t bit_of(std::size_t index) { return std::uint64_t{1} << (index % kWordBits); }

}  // namespace

absl::StatusOr<ExtensionPool> ExtensionPool::create(std::string_view pattern) {
  const std::size_t prefix = std::min(pattern.find('X'), pattern.size());
  const std::size_t digits = pattern.size() - prefix;
  const bool good = digits >= 1 && digits <= kMaxDigits && prefix <= kMaxPrefix &&
                    pattern.find_first_not_of("0123456789") == prefix &&
                    pattern.find_first_not_of('X', prefix) == pattern.npos;
  if (!good) {
    return absl::InvalidArgumentError("extension pool '" + std::string(pattern.substr(0, 64)) +
                                      "': digits and then 1 to 6 X, like 2XXX");
  }
  std::size_t size = 1;
  for (std::size_t i = 0; i < digits; ++i) size *= 10;
  return ExtensionPool(std::string(pattern.substr(0, prefix)), digits, size);
}

ExtensionPool::ExtensionPool(std::string prefix, std::size_t digits, std::size_t size)
    : prefix_(std::move(prefix)), digits_(digits), size_(size), state_(std::make_unique<State>()) {
  const std::size_t words = (size + kWordBits - 1) / kWordBits;
  state_->taken = std::make_unique<Word[]>(words);
  // What the last word has beyond the pool is nobody's.
  for (std::size_t i = size; i < words * kWordBits; ++i) state_->taken[i / kWordBits] |= bit_of(i);
}

std::optional<std::string> ExtensionPool::allocate() noexcept {
  const std::size_t words = (size_ + kWordBits - 1) / kWordBits;
  const std::size_t start = state_->next.load(std::memory_order_relaxed) % size_;
  // Once round from `start`, and what of its word lies before it.
  for (std::size_t turn = 0; turn <= words; ++turn) {
    const std::size_t at = (start / kWordBits + turn) % words;
    std::uint64_t skipped = 0;
    if (turn == 0) skipped = bit_of(start) - 1;
    if (turn == words) skipped = ~(bit_of(start) - 1);
    Word& word = state_->taken[at];
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    while ((seen | skipped) != ~std::uint64_t{0}) {
      const auto bit = static_cast<std::size_t>(std::countr_one(seen | skipped));
      if (word.compare_exchange_weak(seen, seen | bit_of(bit), std::memory_order_acq_rel)) {
        const std::size_t index = at * kWordBits + bit;
        state_->next.store(index + 1, std::memory_order_relaxed);
        return number(index);
      }
    }
  }
  return std::nullopt;
}

absl::Status ExtensionPool::reserve(std::string_view number) {
  const auto at = index(number);
  if (!at) return absl::NotFoundError("extension '" + std::string(number) + "' is none of the pool");
  const std::uint64_t before =
      state_->taken[*at / kWordBits].fetch_or(bit_of(*at), std::memory_order_acq_rel);
  if (before & bit_of(*at)) {
    return absl::FailedPreconditionError("extension " + std::string(number) + " is taken");
  }
  return absl::OkStatus();
}

absl::Status ExtensionPool::release(std::string_view number) {
  const auto at = index(number);
  if (!at) return absl::NotFoundError("extension '" + std::string(number) + "' is none of the pool");
  const std::uint64_t before =
      state_->taken[*at / kWordBits].fetch_and(~bit_of(*at), std::memory_order_acq_rel);
  if (!(before & bit_of(*at))) {
    return absl::FailedPreconditionError("extension " + std::string(number) + " was free");
  }
  return absl::OkStatus();
}

bool ExtensionPool::taken(std::string_view number) const noexcept {
  const auto at = index(number);
  return at && (state_->taken[*at / kWordBits].load(std::memory_order_acquire) & bit_of(*at)) != 0;
}

std::size_t ExtensionPool::free() const noexcept {
  const std::size_t words = (size_ + kWordBits - 1) / kWordBits;
  std::size_t count = 0;
  for (std::size_t i = 0; i < words; ++i) {
    count += static_cast<std::size_t>(std::popcount(~state_->taken[i].load(std::memory_order_relaxed)));
  }
  return count;
}

std::optional<std::size_t> ExtensionPool::index(std::string_view number) const noexcept {
  if (number.size() != prefix_.size() + digits_ || !number.starts_with(prefix_)) return std::nullopt;
  std::size_t value = 0;
  for (const char c : number.substr(prefix_.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::size_t>(c - '0');
  }
  return value;
}

std::string ExtensionPool::number(std::size_t index) const {
  std::string text = prefix_ + std::string(digits_, '0');
  for (std::size_t i = text.size(); index > 0; index /= 10) text[--i] = static_cast<char>('0' + index % 10);
  return text;
}

}  // namespace ivr

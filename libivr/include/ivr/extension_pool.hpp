#pragma once
#include <atomic>  // lock-free
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ivr {

// The free numbers of a pattern such as "2XXX": 2000 to 2999. Each is given out once until it comes back, and
// one that came back is given out as late as can be, so that who dials it a moment later does not reach
// somebody else.
//
// Thread:   any, without a lock: one bit a number, taken and given back by atomic operations.
// Realtime: nothing allocates after create() but the number's text.
class ExtensionPool {
 public:
  // Digits, then one to six X. InvalidArgument names the pattern.
  static absl::StatusOr<ExtensionPool> create(std::string_view pattern);

  std::optional<std::string> allocate() noexcept;  // none: all are taken

  // Takes this very number. NotFound: it is none of the pool; FailedPrecondition: it is taken.
  absl::Status reserve(std::string_view number);
  // Gives it back. NotFound: it is none of the pool; FailedPrecondition: it was free.
  absl::Status release(std::string_view number);

  bool taken(std::string_view number) const noexcept;  // also false for what is none of the pool
  std::size_t size() const noexcept { return size_; }
  std::size_t free() const noexcept;  // of an instant, while others take and give back

 private:
  using Word = std::atomic<std::uint64_t>;
  struct State {
    std::unique_ptr<Word[]> taken;  // a bit a number
    std::atomic<std::size_t> next{0};
  };

  ExtensionPool(std::string prefix, std::size_t digits, std::size_t size);
  std::optional<std::size_t> index(std::string_view number) const noexcept;
  std::string number(std::size_t index) const;

  std::string prefix_;
  std::size_t digits_, size_;
  std::unique_ptr<State> state_;
};

}  // namespace ivr

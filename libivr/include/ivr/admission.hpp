#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ivr/base.hpp"

namespace ivr {

// What the engine refuses, and with what. 0 is no limit.
struct Limits {
  int calls = 2000;                         // at once: 503 with Retry-After
  double calls_per_second = 0;              // from everywhere: 503 with Retry-After
  int calls_per_address = 0;                // at once from one IP address: 486
  double calls_per_second_per_address = 0;  // 503 with Retry-After
  Millis retry_after = 5s;
  Millis call_length = 4h;  // then the call ends with cause "call limit"
};

// Decides whether one more call is taken. Rates are token buckets that hold one second's worth (at least one
// call). Memory stays bounded under a flood from many addresses: an address without calls is forgotten when
// its bucket is full again, and at most 65,536 are known at once; beyond that, new addresses share one
// bucket.
//
// Thread: one at a time.
class Admission {
 public:
  explicit Admission(const Limits& limits) : limits_(limits) {}

  struct Refusal {
    int status = 503;
    std::string reason;
  };

  // A call from `address` wants in. Nothing: it is counted, call left() when it has gone.
  std::optional<Refusal> enter(std::string_view address, Time now);
  void left(std::string_view address);

  int calls() const { return calls_; }

 private:
  struct Bucket {
    double tokens = 0;
    Time filled{};
    bool take(double rate, Time now);
    bool full(double rate, Time now) const;
  };
  struct Source {
    int calls = 0;
    Bucket bucket;
  };

  Source& source(std::string_view address, Time now);

  Limits limits_;
  int calls_ = 0;
  Bucket bucket_;
  Time next_sweep_{};
  std::unordered_map<std::string, Source> sources_;
};

}  // namespace ivr

#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"

namespace ivr {

struct MaskingOptions {
  std::vector<std::string> numbers;  // virtual ones; each serves many pairs whose parties are different
  std::size_t max_pairs = 100'000;
};

// Two parties who may call each other without knowing each other's number: both call a virtual one, and see
// it when they are called. Who calls a virtual number is connected by (number, caller) to one party, until
// the pair expires.
//
// It places no call: dial `party` and show `shown`, and nothing else of the other side.
// Thread: one at a time.
class NumberMasking {
 public:
  // InvalidArgument: no number, or one that is there twice.
  static absl::StatusOr<NumberMasking> create(const MaskingOptions& options);

  // A virtual number for the pair, good before now + lifetime. The same pair keeps its number and gets the
  // new lifetime. InvalidArgument: a party is empty, a virtual number, or the other one; ResourceExhausted:
  // each number is in use with one of the two, or there are max_pairs.
  absl::StatusOr<std::string> connect(std::string_view one, std::string_view other, Millis lifetime,
                                      Time now);

  struct Route {
    std::string party;  // whom to dial
    std::string shown;  // the virtual number, which the party calls to get back
  };
  // None: never known, or expired.
  std::optional<Route> route(std::string_view number, std::string_view caller, Time now);

  // Whom a virtual number connects, until when.
  struct Mapping {
    std::string number, one, other;
    Time expires{};
  };
  // Forgets those whose time is over, and says which; the other verbs forget them silently.
  std::vector<Mapping> expire(Time now);
  // A pair of an earlier run, with the number that it had. InvalidArgument: its time is over, that is no
  // virtual number (any more), or the number is in use with one of the two.
  absl::Status restore(const Mapping& mapping, Time now);

  bool disconnect(std::string_view one, std::string_view other, Time now);  // false: no such pair (any more)
  std::size_t pairs(Time now);

 private:
  using Key = std::pair<std::string, std::string>;  // virtual number and caller, or the pair in order
  explicit NumberMasking(MaskingOptions options) : options_(std::move(options)) {}
  void add(Mapping mapping);
  Mapping drop(std::uint64_t id);
  static Key in_order(std::string_view one, std::string_view other);

  MaskingOptions options_;
  std::size_t next_number_ = 0;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Mapping> pairs_;
  std::map<Key, std::uint64_t> by_caller_, by_pair_;
  std::set<std::pair<Time, std::uint64_t>> by_expiry_;
};

// A mapping as a store keeps it. The same pair has the same id.
inline constexpr char kMaskingKind[] = "masking";
StoredDocument document_of(const NumberMasking::Mapping& mapping);
absl::StatusOr<NumberMasking::Mapping> mapping_of(const StoredDocument& document);

}  // namespace ivr

#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/flow.hpp"
#include "ivr/ports.hpp"

// Versions of flows, as a store keeps them: publishing freezes one, and says which callers it is for. Nothing
// here touches a call: a server looks at what is live, and asks for each new call (docs/publishing.md).
//
// Thread: of the store.

namespace ivr {

inline constexpr int kAllCallers = 10'000;  // shares of callers are counted in 0.01 %

struct PublishedVersion {
  int number = 0;      // 1, 2, 3... of its flow
  std::string digest;  // Flow::digest(): StorePort::flow() has the document
  Time at{};
  std::string by, comment;
};

// Which callers run which version.
struct LiveVersion {
  int number = 0;
  std::string digest;
  int share = kAllCallers;
  friend bool operator==(const LiveVersion&, const LiveVersion&) = default;
};

// Every publication, roll-out and roll-back.
struct LiveChange {
  std::int64_t sequence = 0;  // 1, 2, 3... of its flow
  Time at{};
  std::string by, comment;
  std::vector<LiveVersion> live;
};

struct PublishedFlow {
  std::string id;
  std::vector<PublishedVersion> versions;  // by number
  std::vector<LiveChange> changes;         // in order; the last one is what is live
  const std::vector<LiveVersion>& live() const { return changes.back().live; }
};

// Where a caller stands among all of a flow, from 0 to 9,999: the first 8 bytes of SHA-256 of the flow's id,
// a line feed and the caller, as a big-endian number, modulo 10,000. The same caller has the same place for
// ever, and in every flow another.
int caller_place(std::string_view flow, std::string_view caller);

// Versions take the places from 0 on in the order of the list: who has the first keeps it when its share
// grows.
const LiveVersion& version_for(const std::vector<LiveVersion>& live, std::string_view flow,
                               std::string_view caller);

// All that were published, by id.
absl::StatusOr<std::vector<PublishedFlow>> published_flows(StorePort& store);
// NotFound: it was never published.
absl::StatusOr<PublishedFlow> published_flow(StorePort& store, std::string_view flow);

// Tells whether anything has been published, rolled out or rolled back since: another text. Cheap.
absl::StatusOr<std::string> publication_mark(StorePort& store);

struct Publication {
  Time at{};
  std::string by, comment;
};

// Freezes this version and makes it live for `share` of the callers; the rest stays with the version that
// most of them have. A version that is known keeps its number. `before`: what ran until the first
// publication, which becomes version 1, so that there is something to go back to; may be null.
// FailedPrecondition: it is live for this share already, or there is nobody to leave the rest to.
absl::StatusOr<PublishedFlow> publish(StorePort& store, const Flow& flow, const FlowVersion* before,
                                      int share, const Publication& what);

// Makes the newest live version live for another share of the callers. FailedPrecondition: all have it.
absl::StatusOr<PublishedFlow> roll_out(StorePort& store, std::string_view flow, int share,
                                       const Publication& what);

// Makes version `number` live for all callers; 0: the one that was live before, or, while a roll-out is under
// way, the one that it was to replace. FailedPrecondition: there is none, or it is live already.
absl::StatusOr<PublishedFlow> roll_back(StorePort& store, std::string_view flow, int number,
                                        const Publication& what);

}  // namespace ivr

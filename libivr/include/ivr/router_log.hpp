#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "ivr/base.hpp"
#include "ivr/ports.hpp"
#include "ivr/router.hpp"

// The router's log: its steps as a store keeps them, and what they say of each call.

namespace ivr {

// One step in the form of the store. `calls` are those it concerns, see CallStories.
RouterStep router_step(std::int64_t sequence, Time at, const acd::Event& event, const acd::Commands& commands,
                       std::vector<std::string> calls);

// The step again. InvalidArgument names what does not read.
struct RouterHappening {
  std::int64_t sequence = 0;
  Time at{};
  acd::Event event;
  acd::Commands commands;
};
absl::StatusOr<RouterHappening> parse_router_step(const RouterStep& step);

// What queues did with one call.
struct CallStory {
  std::string queue;                     // the last one
  std::string agent;                     // who served it in the end
  std::vector<std::string> tried;        // agents it was offered to, in order
  Millis waited{0}, rang{0}, talked{0};  // in queues until served or gone; of it some agent rang; the talks
  bool left = false;                     // the last of its entries has ended, in this way:
  acd::Exit exit = acd::Exit::served;
};
void fill(CallRecord& record, const CallStory& story);

// Follows the calls through the router's steps, in their order.
//
// Thread: one at a time. It grows until forget(): once a call's record is closed nothing more comes of it.
class CallStories {
 public:
  // Those who are in the queues of a router that is there already.
  void seed(const std::vector<Router::EntryView>& entries);

  // The calls that this step concerns, each once.
  std::vector<std::string> step(const acd::Event& event, const acd::Commands& commands, Time at);

  const CallStory* find(std::string_view call) const;
  void forget(std::string_view call);
  std::size_t size() const noexcept { return stories_.size(); }

 private:
  struct Entry {
    std::string call;
    int ringing = 0;  // offers that are out
    Time since{};     // of the first of them
  };
  struct Step;  // of one call to step()

  absl::flat_hash_map<std::string, CallStory> stories_;
  absl::flat_hash_map<EntryId, Entry> entries_;
  absl::flat_hash_map<OfferId, EntryId> offers_;
};

}  // namespace ivr

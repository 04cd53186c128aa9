#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ivr/base.hpp"
#include "ivr/flow.hpp"

// How long a flow can keep a caller, found without running it.

namespace ivr {

// What is taken for granted of a call of which only the flow is known.
struct FlowBoundsOptions {
  Millis character = 75ms;  // of a text that is spoken: 13 characters a second, 160 words a minute
  Millis value = 5s;        // a value that is put into a text; a number, an amount, a date or a time
  Millis digit = 500ms;     // of digits that are said one by one
  Millis file = 10s;        // a sound file of which file_length does not know better
  std::function<std::optional<Millis>(std::string_view file)> file_length;
  int agents = 10;  // that a transfer rings one after the other, where it does not name them
};

// A loop that a caller can go round as often as he likes, or as often as it counts from what the host has
// set.
struct FlowRound {
  std::vector<FlowStep> way;  // begins and ends with the same node
  bool counts = false;        // it ends by itself; the document does not tell when
};

// How long a caller can be kept, at most: from where a call begins to its end by the flow. Of every question
// the last moment of the last try, of every service the last retry that times out, of every queue its whole
// `max_wait`; prompts are estimated, see FlowBoundsOptions. Talks with people are not counted, nor is what
// runs after the call. A loop that counts is gone round as often as it can be.
struct FlowBounds {
  Millis time{0};
  std::int64_t steps = 0;         // visits of nodes; each try is one
  std::vector<FlowStep> way;      // the longest in time, without the rounds of loops; at most 100 steps
  std::vector<FlowRound> rounds;  // counted in once each: with any of them there is no limit
  // Nodes without a limit of their own, and why; what limits them is not counted in.
  std::vector<std::pair<std::string, std::string>> waits;

  bool limited() const noexcept { return rounds.empty() && waits.empty(); }
};
FlowBounds flow_bounds(const Flow& flow, const FlowBoundsOptions& options = {});

}  // namespace ivr

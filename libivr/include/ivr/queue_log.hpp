#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "ivr/base.hpp"
#include "ivr/router.hpp"

namespace ivr {

// The router's steps as the lines of Asterisk's queue_log, which wallboards and statistics of that world
// read:
//
//   epoch|call|queue|agent|verb|data1|data2|data3...
//
// docs/reports.md lists the verbs. Every stay in a queue begins with ENTERQUEUE and ends with exactly one
// line of a closing verb, see closes(). It is a fold: the same steps give the same lines, whoever reads them.
//
// Thread: one at a time.
class QueueLog {
 public:
  struct Line {
    Time at{};
    std::string call, queue, agent;  // "NONE" where there is none, as Asterisk has it
    std::string_view verb;
    std::vector<std::string> data;

    std::string text() const;  // without an end of line; what would break the line is replaced by a blank
  };
  using Sink = std::function<void(const Line&)>;

  // How a router stood before the first step.
  void seed(const std::vector<QueueOptions>& queues, const std::vector<Router::AgentView>& agents,
            const std::vector<Router::EntryView>& entries, Time at);
  // In the router's order.
  void step(const acd::Event& event, const acd::Commands& commands, Time at, const Sink& sink);

  static bool closes(std::string_view verb);
  std::size_t open() const noexcept { return stays_.size(); }

 private:
  struct Stay {
    std::string call, queue, caller;
    int first_position = 0;
    Time joined{};
    Millis waited{0};   // until it was connected
    std::string agent;  // who talks with it
    Time connected{};
  };
  struct Offer {
    EntryId entry = 0;
    std::string agent;
    Time since{};
  };
  struct Step;

  int position(const Stay& stay, EntryId entry) const;
  void stop_waiting(const std::string& queue, EntryId entry);
  void close(EntryId entry);

  absl::flat_hash_map<EntryId, Stay> stays_;
  absl::flat_hash_map<OfferId, Offer> offers_;
  std::map<std::string, std::vector<EntryId>> lines_;        // of each queue, who waits, in order
  std::map<std::string, std::vector<std::string>> members_;  // of each queue, as listed
  std::map<std::string, AgentState> states_;                 // of agents
};

}  // namespace ivr

#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ivr/router.hpp"

namespace ivr {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Strings = std::vector<std::string>;

// A router in virtual time for tests: says what happened, keeps what is to be done about it.
class RouterDesk {
 public:
  explicit RouterDesk(RouterOptions options = {.seed = 1, .explain_limit = 0}) : router(options) {}

  // --- what happens
  void happen(const acd::Event& event) {
    out.clear();
    router.step(event, now, out);
    all.insert(all.end(), out.begin(), out.end());
  }
  // Time passes, with a Tick at each deadline.
  void wait(Millis t) {
    out.clear();
    const Time end = now + t;
    for (auto due = router.deadline(); due && *due <= end; due = router.deadline()) {
      now = *due;
      router.step(acd::Tick{}, now, out);
    }
    now = end;
    all.insert(all.end(), out.begin(), out.end());
  }
  void agent(AgentOptions options, bool available = true) {
    if (options.uri.empty()) options.uri = "sip:" + options.id + "@127.0.0.1";
    const std::string id = options.id;
    happen(acd::AgentSet{std::move(options)});
    if (available) status(id, AgentState::available);
  }
  void agents(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) agent({.id = id});
  }
  void queue(QueueOptions options) { happen(acd::QueueSet{std::move(options)}); }
  void status(const std::string& agent, AgentState state) { happen(acd::AgentStatus{agent, state, ""}); }
  void join(const std::string& call, const std::string& queue = "q") {
    happen(acd::Join{.call = call, .queue = queue});
  }
  void join(const acd::Join& join) { happen(join); }
  void hang_up(const std::string& call) { happen(acd::Leave{call, acd::Leave::Why::hung_up}); }
  void accept(const acd::Offer& offer) { happen(acd::Accepted{offer.offer}); }
  void refuse(const acd::Offer& offer, acd::Refused::Why why = acd::Refused::Why::rejected) {
    happen(acd::Refused{offer.offer, why});
  }
  void end(const acd::Offer& offer) { happen(acd::TalkEnded{offer.offer}); }
  // Takes the offer, talks so long, hangs up.
  void talk(const acd::Offer& offer, Millis t = 60s) {
    accept(offer);
    wait(t);
    end(offer);
  }

  // --- what came of it: in the last happen() or wait()
  template <class T>
  std::vector<T> got() const {
    std::vector<T> found;
    for (const acd::Command& command : out) {
      if (const T* one = std::get_if<T>(&command)) found.push_back(*one);
    }
    return found;
  }
  // "caller>agent" of each offer, in order.
  std::vector<std::string> offered() const {
    std::vector<std::string> pairs;
    for (const acd::Offer& offer : got<acd::Offer>()) pairs.push_back(offer.call + ">" + offer.agent);
    return pairs;
  }
  acd::Offer offer() const {  // the only one; without a number when there is not exactly one
    const auto offers = got<acd::Offer>();
    return offers.size() == 1 ? offers.front() : acd::Offer{};
  }
  Router::QueueView view(const std::string& id = "q") const {
    for (const auto& queue : router.queues(now)) {
      if (queue.id == id) return queue;
    }
    return {};
  }
  Router::AgentView view_agent(const std::string& id) const {
    for (const auto& agent : router.agents(now)) {
      if (agent.id == id) return agent;
    }
    return {};
  }

  Time now = Time(1'763'719'200s);  // 2025-11-21T10:00:00Z
  Router router;
  acd::Commands out, all;
};

}  // namespace ivr

#include <algorithm>

#include "engine/active_call.hpp"
#include "engine/switchboard.hpp"

// What has to fit together between two rounds, whatever has come: for tests.

namespace ivr {

absl::Status Acd::check(const std::function<bool(const std::string&)>& there) const {
  const auto wrong = [](std::string what) { return absl::InternalError(std::move(what)); };
  for (const auto& [one, other] : partners_) {
    if (partner(other) != one) return wrong(one + " talks with " + other + ", which does not");
    if (!there(one)) return wrong(one + " talks with " + other + ", but has ended");
  }
  for (const auto& [call, since] : talking_)
    if (!partners_.contains(call)) return wrong(call + " counts as talking, with nobody");
  for (const auto& [call, caller] : callers_)
    if (!there(call)) return wrong(call + " waits or talks in a queue, but has ended");
  for (const auto& [call, agent] : agent_calls_)
    if (!there(call)) return wrong(call + " is a leg of agent " + agent.agent + ", but has ended");
  for (const auto& [offer, offering] : offerings_) {
    if (offering.legs.empty()) return wrong("offer " + std::to_string(offer) + " rings nowhere");
    for (const std::string& leg : offering.legs) {
      const auto found = agent_calls_.find(leg);
      if (found == agent_calls_.end() || found->second.offer != offer)
        return wrong("offer " + std::to_string(offer) + " rings at " + leg + ", which knows nothing of it");
    }
  }
  for (const auto& [agent, call] : standing_)
    if (!agent_calls_.contains(call)) return wrong("the open leg of " + agent + " has ended: " + call);
  for (const auto& [asked, waits] : consults_)
    if (!there(asked) || !there(waits))
      return wrong(asked + " is asked for " + waits + ", and one has ended");
  for (const auto& [call, referrer] : referrers_)
    if (!there(call) || !there(referrer))
      return wrong(referrer + " sends " + call + " on, and one has ended");
  for (const std::string& call : takers_)
    if (!there(call)) return wrong(call + " took somebody, but has ended");
  for (const auto& [call, entry] : callbacks_)
    if (!there(call)) return wrong(call + " calls back, but has ended");
  const Time now = calls_.now();
  // Who hangs up talks, to the router, until the agent's leg is free.
  const auto freed = [this](const Router::EntryView& entry) {
    return entry.position == 0 && std::ranges::any_of(agent_calls_, [&](const auto& c) {
             return c.second.took && c.second.agent == entry.agent;
           });
  };
  for (const Router::EntryView& entry : router_.entries(now))
    if (!entry.callback && !there(entry.call) && !freed(entry))
      return wrong("queue " + entry.queue + " has " + entry.call + ", which has ended");
  for (const Router::AgentView& agent : router_.agents(now)) {
    if (agent.contacts > agent.capacity)
      return wrong("agent " + agent.id + " has " + std::to_string(agent.contacts) + " callers, at most " +
                   std::to_string(agent.capacity));
    const auto took = std::ranges::count_if(
        agent_calls_, [&](const auto& c) { return c.second.took && c.second.agent == agent.id; });
    if (took > agent.contacts)
      return wrong("agent " + agent.id + " talks with " + std::to_string(took) + ", the router knows of " +
                   std::to_string(agent.contacts));
  }
  return absl::OkStatus();
}

absl::Status Switchboard::check(const std::function<StreamId(StreamId)>& with) const {
  const auto wrong = [](std::string what) { return absl::InternalError(std::move(what)); };
  if (!later_.empty()) return absl::OkStatus();  // the next one begins at once
  if (by_id_.size() != calls_.size()) return wrong("two calls of one name, or a name of none");
  std::size_t due = 0;
  for (const auto& [key, call] : calls_) {
    const std::string& id = call->record.id;
    if (const auto it = by_id_.find(id); it == by_id_.end() || it->second != key)
      return wrong("nobody finds " + id);
    if (call->due) {
      ++due;
      if (!due_.contains({*call->due, key})) return wrong(id + " waits for a time that nobody watches");
    }
    if (call->session.deadline() && !call->session.done() && !call->due)
      return wrong(id + " has a deadline that nobody watches");
    for (std::size_t number = 0; number < call->legs.size(); ++number) {
      const ActiveCall::Leg& leg = call->legs[number];
      const auto is_it = [&](const LegRef& ref) {
        return ref.call == key && ref.leg == static_cast<LegNumber>(number);
      };
      const std::string name = "leg " + std::to_string(number) + " of " + id;
      if (leg.sip != 0) {
        if (const auto it = legs_.find(leg.sip); it == legs_.end() || !is_it(it->second))
          return wrong("nobody finds " + name);
      } else if (leg.stream != 0 && !leg.closing) {
        return wrong(name + " has ended, and its stream has not");
      }
      if (leg.stream != 0) {
        if (const auto it = streams_.find(leg.stream); it == streams_.end() || !is_it(it->second))
          return wrong("nobody finds the stream of " + name);
      }
    }
  }
  if (due_.size() != due) return wrong("a time is watched for no call");
  for (const auto& [stream, ref] : streams_) {
    const auto call = calls_.find(ref.call);
    if (call == calls_.end()) return wrong("stream " + std::to_string(stream) + " is of no call");
    const StreamId other = with(stream);
    const auto far = streams_.find(other);
    if (other != 0 && far == streams_.end())
      return wrong("stream " + std::to_string(stream) + " is bridged with one that is of no call");
    if (ref.leg != 0) continue;
    const std::string& id = call->second->record.id;
    const std::string talks_with = acd_.partner(id);
    if (other != 0 && far->second.call != ref.call && calls_.at(far->second.call)->record.id != talks_with)
      return wrong(id + " is bridged with " + calls_.at(far->second.call)->record.id + ", and talks with '" +
                   talks_with + "'");
    if (!talks_with.empty() && (other == 0 || far->second.call == ref.call))
      return wrong(id + " talks with " + talks_with + ", and they do not hear each other");
  }
  for (const auto& [request, ref] : requests_)
    if (!calls_.contains(ref.first)) return wrong("request " + std::to_string(request) + " is of no call");
  for (const auto& [watched, supervisor] : supervisors_)
    if (!by_id_.contains(watched)) return wrong(supervisor + " listens to " + watched + ", which has ended");
  return acd_.check([this](const std::string& call) { return by_id_.contains(call); });
}

}  // namespace ivr

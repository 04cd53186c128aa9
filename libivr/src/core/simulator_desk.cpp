#include <algorithm>

#include "core/agent_script.hpp"
#include "core/simulator_world.hpp"

// The router's hands: agents are rung for it as an engine rings them, each leg a call with a session of its
// own.

namespace ivr::simulation {

void World::post(acd::Event event) {
  events_.push_back(std::move(event));
  if (std::exchange(stepping_, true)) return;  // what a command brings about waits until it is carried out
  acd::Commands commands = std::move(routed_);
  while (!events_.empty()) {
    const acd::Event next = std::move(events_.front());
    events_.pop_front();
    commands.clear();
    router_.step(next, now_, commands);
    for (const acd::Command& command : commands) std::visit([this](const auto& c) { carry_out(c); }, command);
  }
  routed_ = std::move(commands);
  stepping_ = false;
}

// ------------------------------------------------------------------------------------------ agents

void World::shifts() {
  const Time begin = now_;
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    const Agent& agent = agents_[i];
    if (!agent.acts->works) continue;
    if (agent.acts->hours.empty())
      post(acd::AgentStatus{agent.options->id, AgentState::available, "at work"});
    for (const auto& [from, until] : agent.acts->hours) {
      const auto at = [&](int minute, bool in) {
        agenda_.push({begin + std::chrono::minutes(minute), ++number_, 0, i, in ? 1u : 0u, kNobody,
                      What::agent_status, 0});
      };
      at(from, true);
      at(until > from ? until : until + 24 * 60, false);
    }
  }
}

void World::works(Agent& agent, int change) {
  if (agent.busy > 0 || agent.wraps_up) agent.at_it += now_ - agent.since;
  if (agent.logged_in) agent.logged += now_ - agent.since;
  agent.since = now_;
  agent.busy += change;
}

void World::carry_out(const acd::AgentChanged& changed) {
  const auto found = agent_numbers_.find(changed.agent);
  if (found == agent_numbers_.end()) return;
  Agent& agent = agents_[static_cast<std::size_t>(found->second)];
  works(agent, 0);
  agent.wraps_up = changed.state == AgentState::wrap_up;
  agent.logged_in = changed.state != AgentState::offline && changed.state != AgentState::on_break;
}

void World::set_status(Call& call, const command::AgentStatus& set) {
  std::string id = set.want.agent;
  for (const Agent& agent : agents_) {  // whose telephone it is
    const AgentOptions& options = *agent.options;
    if (id.empty() && (options.user.empty() ? options.id : options.user) == call.number) id = options.id;
  }
  const auto views = router_.agents(now_);
  const auto view =
      std::find_if(views.begin(), views.end(), [&](const Router::AgentView& v) { return v.id == id; });
  if (view == views.end()) return later(call, event::AgentStatusSet{});
  std::optional<AgentState> state = set.want.state;
  if (!state && view->unavailable != Unavailable::offline)
    state = view->unavailable == Unavailable::paused ? AgentState::available : AgentState::on_break;
  const bool ok = state && *state != AgentState::on_call;
  if (ok) post(acd::AgentStatus{id, *state, set.want.reason});
  later(call, event::AgentStatusSet{ok, id, ok ? *state : view->state});
}

// ------------------------------------------------------------------------------------------- queues

void World::carry_out(const acd::Joined& joined) {
  ++waiting_;
  if (!joined.resumed) ++result_.queues[joined.queue].joined;
}

void World::carry_out(const acd::Announce& announce) {
  if (Call* call = find(announce.call))
    later(*call, event::QueueAnnounced{{.position = announce.position,
                                        .more_than = announce.more_than,
                                        .wait = announce.wait,
                                        .message = announce.message}});
}

void World::carry_out(const acd::Left& left) {
  using enum acd::Exit;
  SimulatedQueue& queue = result_.queues[left.queue];
  if (left.entry != 0 && waiting_ > 0) --waiting_;
  switch (left.exit) {
    case served: ++queue.served, queue.wait.add(left.waited), queue.talk.add(left.talked); break;
    case timeout: ++queue.timed_out; break;
    case full: ++queue.full; break;
    case unavailable: ++queue.unavailable; break;
    case abandoned: ++queue.abandoned, queue.abandoned_after.add(left.waited); break;
    case key: ++queue.left_by_key; break;
    case callback: ++queue.callbacks; break;
    case moved:
    case system: break;
  }
  if (left.exit == served) {
    const auto level = in_time_.find(left.queue);
    if (level != in_time_.end() && left.waited <= level->second) ++queue.in_time;
    return;  // its session has heard of the talk
  }
  Call* const call = find(left.call);
  if (call == nullptr || !call->want) return;
  call->want.reset();
  later(*call, event::QueueLeft{end_of(left.exit), left.waited, left.tried});
}

void World::leave_queue(Call& call, acd::Leave::Why why, char key) {
  if (call.partner != kNobody) return part(call);  // it had been connected in this very moment
  if (!call.want) return;
  call.want.reset();
  post(acd::Leave{call.id, why, key == 0 ? std::string() : std::string(1, key)});
}

void World::carry_out(const acd::Offer& offer) {
  Call* const caller = find(offer.call);
  if (caller == nullptr || !caller->want) return;  // its Leave is on the way
  const int number = agent_numbers_.at(offer.agent);
  Agent& agent = agents_[static_cast<std::size_t>(number)];
  ++agent.work.offered;
  works(agent, 1);
  const intent::Queue& want = *caller->want;
  CallInfo info;
  info.id = caller->id + "-" + std::to_string(offer.offer);
  info.direction = Direction::outbound;
  info.caller = want.caller_id.empty() ? caller->number : want.caller_id;
  info.caller_uri = "sip:" + info.caller + "@ivr.invalid";
  info.called = offer.agent;
  info.called_uri =
      agent.options->uri.empty() ? "sip:" + offer.agent + "@agents.invalid" : agent.options->uri;
  Call& leg = add(info.id, Call::Part::agent,
                  std::make_unique<AgentScript>(
                      AgentScriptOptions{.whisper = want.whisper, .accept_keys = want.accept_keys}),
                  {});
  leg.agent = number;
  leg.offer = offer.offer;
  // What the agent does depends on him and on how often he was rung today, and not on what else happened.
  leg.draw =
      Draw(seed_of(options_.seed, static_cast<std::uint64_t>(day_),
                   (std::uint64_t{1} << 40) + (static_cast<std::uint64_t>(number) << 20) + agent.legs++));
  offerings_[offer.offer] = {offer, leg.slot, caller->slot};
  step(leg, event::Invited{std::move(info)});
}

void World::carry_out(const acd::Withdraw& withdraw) {
  const auto found = offerings_.find(withdraw.offer);
  if (found == offerings_.end()) return;
  Call& leg = *slots_[found->second.leg];
  offerings_.erase(found);
  leg.offer = 0;
  if (withdraw.why == "time-out") ++agents_[static_cast<std::size_t>(leg.agent)].work.missed;
  later(leg, event::Stop{withdraw.why});
}

void World::serve(Call& leg) {
  const auto found = offerings_.find(leg.offer);
  if (found == offerings_.end()) return later(leg, event::Stop{"answered elsewhere"});
  leg.took = true;
  post(acd::Accepted{leg.offer});
}

void World::decline(Call& leg) {
  if (offerings_.erase(leg.offer) != 0)
    post(acd::Refused{std::exchange(leg.offer, 0), acd::Refused::Why::rejected});
}

void World::carry_out(const acd::Connect& connect) {
  const auto found = offerings_.find(connect.offer);
  Call* const caller = find(connect.call);
  if (found == offerings_.end() || caller == nullptr || !caller->want) return;
  Call& leg = *slots_[found->second.leg];
  const std::string queue = found->second.offer.queue;
  offerings_.erase(found);
  Agent& agent = agents_[static_cast<std::size_t>(leg.agent)];
  ++agent.work.served;
  caller->partner = leg.slot;
  leg.partner = caller->slot;
  caller->talked = true;
  later(*caller, event::Bridged{leg.id, connect.agent, connect.waited, connect.tried});
  later(leg, event::Bridged{.call = caller->id});
  const auto own = options_.talk_by_queue.find(queue);
  const Spread& spread = agent.acts->talk                      ? *agent.acts->talk
                         : own != options_.talk_by_queue.end() ? own->second
                                                               : options_.talk;
  const Micros drawn = caller->draw.take(spread);
  after(caller->talk.value_or(drawn), What::talk_over, *caller, ++caller->talk_number);
}

// ------------------------------------------------------------------------------------------- talks

void World::part(Call& call) {
  if (call.partner == kNobody) return;
  Call& other = *slots_[std::exchange(call.partner, kNobody)];
  other.partner = kNobody;
  later(call, event::Unbridged{});
  later(other, event::Unbridged{.by_other = true});
  call.want.reset();
  other.want.reset();
}

void World::release(Call& leg, acd::TalkEnded::By by) {
  if (std::exchange(leg.took, false)) post(acd::TalkEnded{std::exchange(leg.offer, 0), by, {}});
}

// The whole call, whatever its part was; told again it does nothing.
void World::ended(Call& call, int status) {
  const bool talked = call.partner != kNobody;
  part(call);
  if (call.called_back != 0) post(acd::CallbackDialled{std::exchange(call.called_back, 0), call.id, false});
  if (call.want) {
    call.want.reset();
    post(acd::Leave{call.id, acd::Leave::Why::hung_up});
  }
  if (call.part != Call::Part::agent || call.agent < 0) return;
  Agent& agent = agents_[static_cast<std::size_t>(call.agent)];
  works(agent, -1);
  release(call, talked ? acd::TalkEnded::By::agent : acd::TalkEnded::By::caller);
  if (offerings_.erase(call.offer) != 0) {
    ++agent.work.refused;
    post(acd::Refused{call.offer, refusal_of(status)});
  }
  call.agent = -1;
}

void World::carry_out(const acd::DialCallback& dial) {
  CallInfo info;
  info.id = "s" + std::to_string(options_.seed) + "-" + std::to_string(day_) + "-back-" +
            std::to_string(dial.entry) + "-" + std::to_string(dial.attempt);
  info.direction = Direction::outbound;
  info.caller = options_.called;
  info.caller_uri = "sip:" + info.caller + "@ivr.invalid";
  info.called = dial.number;
  info.called_uri =
      dial.number.find(':') == std::string::npos ? "sip:" + dial.number + "@caller.invalid" : dial.number;
  Call& call = add(info.id, Call::Part::called_back, std::make_unique<CallbackScript>(dial.queue), {});
  call.called_back = dial.entry;
  call.number = dial.number;
  call.draw =
      Draw(seed_of(options_.seed, static_cast<std::uint64_t>(day_),
                   (std::uint64_t{2} << 40) + dial.entry * 64 + static_cast<std::uint64_t>(dial.attempt)));
  step(call, event::Invited{std::move(info)});
}

}  // namespace ivr::simulation

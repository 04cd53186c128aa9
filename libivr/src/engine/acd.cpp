#include "engine/acd.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/time/time.h"

#include "core/agent_script.hpp"

namespace ivr {
namespace {

using Why = acd::Refused::Why;

std::string names(const std::vector<std::string>& agents) { return nlohmann::json(agents).dump(); }

}  // namespace

Acd::Acd(const EngineOptions& options, CallControl& calls)
    : options_(options), calls_(calls), router_(options.router) {}

Acd::~Acd() = default;

absl::Status Acd::start(std::optional<Router> kept) {
  if (kept) {
    router_ = *std::move(kept);
    post(acd::Restarted{});
  }
  std::vector<QueueOptions> queues = options_.queues;
  for (const Route& route : options_.routes)
    queues.insert(queues.end(), route.queues.begin(), route.queues.end());
  for (const AgentOptions& agent : options_.agents) {
    if (auto checked = Router::check(agent); !checked.ok()) return checked;
    agents_[agent.id] = agent;
  }
  // What an earlier run knew and this one does not is gone.
  const Time now = calls_.now();
  for (const Router::AgentView& view : router_.agents(now)) {
    if (!agents_.contains(view.id)) post(acd::AgentRemoved{view.id});
  }
  for (const Router::QueueView& view : router_.queues(now)) {
    if (std::ranges::find(queues, view.id, &QueueOptions::id) == queues.end())
      post(acd::QueueRemoved{view.id});
  }
  for (const auto& [id, agent] : agents_) {
    post(acd::AgentSet{agent});
    post(acd::AgentReachable{id, !agent.uri.empty() && !agent.standby});
  }
  return set_queues(queues);
}

// ------------------------------------------------------------------------------------ finding

std::string Acd::partner(const std::string& call) const {
  const auto it = partners_.find(call);
  return it == partners_.end() ? std::string{} : it->second;
}

std::string Acd::agent_of(std::string_view user) const {
  for (const auto& [id, agent] : agents_) {
    if ((agent.user.empty() ? id : agent.user) == user) return id;
  }
  return {};
}

std::vector<std::string> Acd::addresses(const std::string& agent) const {
  const auto found = agents_.find(agent);
  if (found == agents_.end()) return {};
  if (!found->second.uri.empty()) return {found->second.uri};
  std::vector<std::string> uris;
  const auto contacts = contacts_.find(found->second.user.empty() ? agent : found->second.user);
  if (contacts == contacts_.end()) return uris;
  for (const sip::Contact& contact : contacts->second) uris.push_back(contact.uri);
  return uris;
}

// --------------------------------------------------------------------------------- the router

void Acd::post(acd::Event event) {
  events_.push_back(std::move(event));
  if (std::exchange(stepping_, true)) return;  // what a command brings about waits until it is carried out
  acd::Commands commands;
  while (!events_.empty()) {
    const acd::Event next = std::move(events_.front());
    events_.pop_front();
    commands.clear();
    const Time now = calls_.now();  // one for both: the log runs again to the same end
    router_.step(next, now, commands);
    spoke_ = now;
    calls_.log(next, commands, now);
    for (const acd::Command& command : commands) std::visit([this](const auto& c) { carry_out(c); }, command);
  }
  stepping_ = false;
}

void Acd::tick() { post(acd::Tick{}); }

absl::Status Acd::set_queues(const std::vector<QueueOptions>& queues) {
  for (const QueueOptions& queue : queues) {
    if (auto checked = Router::check(queue); !checked.ok()) return checked;
  }
  for (const QueueOptions& queue : queues) post(acd::QueueSet{queue});
  return absl::OkStatus();
}

absl::Status Acd::set_status(const std::string& agent, AgentState state, const std::string& reason) {
  if (!agents_.contains(agent)) return absl::NotFoundError("there is no agent '" + agent + "'");
  const bool nameless = reason.empty() && state == AgentState::offline;
  post(acd::AgentStatus{agent, state, nameless ? "logged out" : reason});
  return absl::OkStatus();
}

void Acd::registered(const sip::Registered& registered) {
  const std::string agent = agent_of(registered.user);
  const bool before = !contacts_[registered.user].empty();
  contacts_[registered.user] = registered.contacts;
  if (agent.empty() || !agents_.at(agent).uri.empty() || agents_.at(agent).standby) return;
  const bool now = !registered.contacts.empty();
  if (now == before) return;
  post(acd::AgentReachable{agent, now});
  if (now) log_in(agent, "registered");
}

// Whoever was on a break, or logged out, is that still when the telephone comes back.
void Acd::log_in(const std::string& agent, std::string reason) {
  if (!options_.login_by_registration) return;
  const auto views = router_.agents(calls_.now());
  const auto view = std::ranges::find(views, agent, &Router::AgentView::id);
  if (view == views.end() || view->state != AgentState::offline || !view->reason.empty()) return;
  post(acd::AgentStatus{agent, AgentState::available, std::move(reason)});
}

// ------------------------------------------------------------------------------------- callers

void Acd::join(const std::string& call, const std::string& caller, const intent::Queue& want) {
  callers_[call] = {caller, want};
  if (const auto callback = callbacks_.find(call); callback != callbacks_.end()) {
    const EntryId entry = callback->second;
    callbacks_.erase(callback);
    return post(acd::CallbackDialled{entry, call, true});  // it stands where its caller stood
  }
  post(acd::Join{.call = call,
                 .queue = want.queue,
                 .caller = caller,
                 .priority = want.priority,
                 .required = want.required,
                 .preferred = want.preferred,
                 .agent = want.agent,
                 .direct = want.direct});
}

void Acd::leave(const std::string& call, acd::Leave::Why why, char key) {
  if (!partner(call).empty()) return part(call);  // it had been connected in this very moment
  if (callers_.erase(call) == 0) return;
  post(acd::Leave{call, why, key == 0 ? std::string() : std::string(1, key)});
}

void Acd::request_callback(const std::string& call, const std::string& number) {
  if (!partner(call).empty()) part(call);
  callers_.erase(call);
  post(acd::CallbackRequested{call, number});
  const bool taken = router_.owes_callback(call);
  calls_.when_kept([this, call, taken] { calls_.tell_session(call, event::CallbackTaken{taken}); });
}

void Acd::carry_out(const acd::Joined& joined) {
  if (CallRecord* record = calls_.record(joined.call)) record->queue = joined.queue;
}

void Acd::carry_out(const acd::Announce& announce) {
  calls_.tell_session(announce.call, event::QueueAnnounced{{.position = announce.position,
                                                            .more_than = announce.more_than,
                                                            .wait = announce.wait,
                                                            .message = announce.message}});
}

void Acd::carry_out(const acd::Left& left) {
  if (left.exit == acd::Exit::served) return;  // its session heard of the talk itself
  if (CallRecord* record = calls_.record(left.call)) {
    record->waited += left.waited;
    record->tried = names(left.tried);
  }
  if (callers_.erase(left.call) != 0)
    calls_.tell_session(left.call, event::QueueLeft{end_of(left.exit), left.waited, left.tried});
}

// -------------------------------------------------------------------------------------- offers

void Acd::carry_out(const acd::Offer& offer) {
  const auto caller = callers_.find(offer.call);
  if (caller == callers_.end()) return;  // its Leave is on the way
  Offering& offering = offerings_[offer.offer];
  offering.offer = offer;
  offering.since = calls_.now();
  const intent::Queue& want = caller->second.want;
  if (const auto open = standing_.find(offer.agent); open != standing_.end()) {
    agent_calls_[open->second].offer = offer.offer;
    offering.legs.insert(open->second);
    return calls_.tell_session(open->second, event::Offered{want.whisper, want.accept_keys});
  }
  const auto uris = addresses(offer.agent);
  for (const std::string& uri : uris) {
    const std::string leg = calls_.name_call();
    offering.legs.insert(leg);
    agent_calls_[leg] = {offer.offer, offer.agent};
    Originate request;
    request.uri = uri;
    request.from_uri = want.caller_id.empty() ? caller->second.number : want.caller_id;
    request.script = [&want](const CallInfo&) {
      return std::make_unique<AgentScript>(
          AgentScriptOptions{.whisper = want.whisper, .accept_keys = want.accept_keys});
    };
    calls_.dial(leg, std::move(request), offer.call);
    if (CallRecord* record = calls_.record(leg)) {
      record->queue = offer.queue;
      record->agent = offer.agent;
    }
  }
  if (uris.empty()) {
    offerings_.erase(offer.offer);
    post(acd::Refused{offer.offer, Why::unreachable});
  }
}

void Acd::carry_out(const acd::Withdraw& withdraw) {
  const auto it = offerings_.find(withdraw.offer);
  if (it == offerings_.end()) return;
  const Offering offering = std::move(it->second);
  offerings_.erase(it);
  for (const std::string& leg : offering.legs) {
    AgentCall& agent_call = agent_calls_[leg];
    agent_call.offer = 0;
    if (!agent_call.standing) calls_.end(leg, withdraw.why);
  }
}

void Acd::ringing(const std::string& call) {
  const auto leg = agent_calls_.find(call);
  if (leg == agent_calls_.end()) return;
  const auto it = offerings_.find(leg->second.offer);
  if (it != offerings_.end() && !std::exchange(it->second.rings, true)) post(acd::Ringing{leg->second.offer});
}

void Acd::serve(const std::string& call, const std::string& caller) {
  if (const auto asked = consults_.find(call); asked != consults_.end()) {
    const std::string waits = asked->second;
    consults_.erase(asked);
    takers_.insert(call);
    calls_.tell_session(waits, event::PeerHeld{false});
    if (partner(waits).empty()) return couple(waits, call);  // who asked has left already
    join_partners(partner(waits), call);
    return;
  }
  if (!agent_calls_.contains(call)) {  // somebody called us to wait for callers on an open line
    const std::string agent = agent_of(caller);
    if (agent.empty() || !agents_.at(agent).standby) return calls_.end(call, "no standby agent");
    if (const auto old = standing_.find(agent); old != standing_.end()) calls_.end(old->second, "replaced");
    agent_calls_[call] = {.agent = agent, .standing = true};
    standing_[agent] = call;
    post(acd::AgentReachable{agent, true});
    log_in(agent, "on the line");
    return;
  }
  AgentCall& agent_call = agent_calls_.at(call);
  const auto it = offerings_.find(agent_call.offer);
  if (it == offerings_.end() || !it->second.winner.empty()) {
    if (!agent_call.standing) calls_.end(call, "answered elsewhere");
    return;
  }
  it->second.winner = call;
  agent_call.took = true;
  for (const std::string& leg : it->second.legs) {
    if (leg != call) calls_.end(leg, "answered elsewhere");
  }
  post(acd::Accepted{agent_call.offer});
}

void Acd::decline(const std::string& call) {
  const auto leg = agent_calls_.find(call);
  if (leg == agent_calls_.end() || offerings_.erase(leg->second.offer) == 0) return;
  post(acd::Refused{std::exchange(leg->second.offer, 0), Why::rejected});
}

void Acd::carry_out(const acd::Connect& connect) {
  const auto it = offerings_.find(connect.offer);
  const auto caller = callers_.find(connect.call);
  if (it == offerings_.end() || caller == callers_.end()) return;
  const std::string agent_call = it->second.winner;
  if (CallRecord* record = calls_.record(connect.call)) {
    record->agent = connect.agent;
    record->waited += connect.waited;
    record->rang += std::chrono::duration_cast<Millis>(calls_.now() - it->second.since);
    record->tried = names(connect.tried);
  }
  talking_[connect.call] = calls_.now();
  offerings_.erase(it);
  partners_[connect.call] = agent_call;
  partners_[agent_call] = connect.call;
  calls_.bridge(connect.call, agent_call, {.pass_digits = caller->second.want.pass_digits});
  calls_.tell_session(connect.call, event::Bridged{agent_call, connect.agent, connect.waited, connect.tried});
  calls_.tell_session(agent_call, event::Bridged{.call = connect.call});
}

// --------------------------------------------------------------------------------------- talks

void Acd::separate(const std::string& a, const std::string& b) {
  partners_.erase(a);
  partners_.erase(b);
  for (const std::string& each : {a, b}) {
    const auto since = talking_.find(each);
    if (since == talking_.end()) continue;
    if (CallRecord* record = calls_.record(each))
      record->talked += std::chrono::duration_cast<Millis>(calls_.now() - since->second);
    talking_.erase(since);
  }
  calls_.unbridge(a, b);
}

void Acd::part(const std::string& call) {
  const std::string other = partner(call);
  if (other.empty()) return;
  ended_by(call, acd::TalkEnded::By::agent);
  separate(call, other);
  calls_.tell_session(call, event::Unbridged{});
  calls_.tell_session(other, event::Unbridged{.by_other = true});
  for (const std::string& each : {call, other}) {
    callers_.erase(each);
    const auto agent_call = agent_calls_.find(each);
    if (agent_call != agent_calls_.end() && agent_call->second.standing) release(each);
  }
}

// For the router's log, when `call` is an agent's.
void Acd::ended_by(const std::string& call, acd::TalkEnded::By by, const std::string& target) {
  const auto leg = agent_calls_.find(call);
  if (leg == agent_calls_.end()) return;
  leg->second.by = by;
  leg->second.target = target;
}

void Acd::release(const std::string& agent_call) {
  AgentCall& leg = agent_calls_[agent_call];
  const auto by = std::exchange(leg.by, acd::TalkEnded::By::caller);
  if (std::exchange(leg.took, false))
    post(acd::TalkEnded{std::exchange(leg.offer, 0), by, std::exchange(leg.target, {})});
}

bool Acd::referred(const std::string& call, const std::string& target) {
  return may_send_on(call) && send_on(partner(call), target);
}

bool Acd::send_on(const std::string& call, const std::string& target) {
  const std::string other = partner(call);
  if (other.empty() || !may_send_on(other)) return false;
  ended_by(other, acd::TalkEnded::By::transfer, target);
  separate(call, other);
  callers_.erase(call);
  referrers_[call] = other;
  calls_.tell_session(call, event::Unbridged{.target = target, .by_other = true});
  return true;
}

void Acd::transferring(const std::string& call, int status) {
  const auto it = referrers_.find(call);
  if (it == referrers_.end()) return;
  const std::string referrer = it->second;
  calls_.notify_refer(referrer, status);
  if (status < 200) return;
  referrers_.erase(it);
  calls_.tell_session(referrer, event::Unbridged{});
}

bool Acd::consult(const std::string& call, const std::string& uri, Prompts brief,
                  const std::string& accept_keys) {
  if (partner(call).empty()) return false;
  const std::string asked = calls_.name_call();
  consults_[asked] = call;
  Originate request;
  request.uri = uri;
  request.script = [brief = std::move(brief), accept_keys](const CallInfo&) {
    return std::make_unique<AgentScript>(AgentScriptOptions{.whisper = brief, .accept_keys = accept_keys});
  };
  calls_.dial(asked, std::move(request), call);
  calls_.tell_session(call, event::PeerHeld{true});
  return true;
}

bool Acd::join_partners(const std::string& left, const std::string& other) {
  const std::string stays = partner(left);
  if (stays.empty() || other == left || other == stays) return false;  // nobody talks with himself
  const std::string with = partner(other).empty() ? other : partner(other);
  separate(stays, left);
  if (with != other) separate(other, with);
  for (const std::string& gone : {left, other}) {
    if (gone == with) continue;
    ended_by(gone, acd::TalkEnded::By::attended);
    callers_.erase(gone);
    calls_.tell_session(gone, event::Unbridged{});
  }
  couple(stays, with);
  return true;
}

void Acd::couple(const std::string& a, const std::string& b) {
  partners_[a] = b;
  partners_[b] = a;
  talking_[a] = calls_.now();
  calls_.bridge(a, b, {});
  const auto agent = [this](const std::string& call) {
    const auto it = agent_calls_.find(call);
    return it == agent_calls_.end() ? std::string{} : it->second.agent;
  };
  calls_.tell_session(a, event::Bridged{.call = b, .agent = agent(b)});
  calls_.tell_session(b, event::Bridged{.call = a, .agent = agent(a)});
}

void Acd::held(const std::string& call, bool held) {
  const std::string other = partner(call);
  if (other.empty()) return;
  event::PeerHeld event{.held = held};
  if (const auto holder = agent_calls_.find(call); holder != agent_calls_.end()) {
    if (const auto agent = agents_.find(holder->second.agent); agent != agents_.end())
      event.music = agent->second.music;
  }
  calls_.tell_session(other, std::move(event));
}

void Acd::ended(const std::string& call, int status) {
  const auto asking = [this](const std::string& caller) {
    return std::ranges::find_if(consults_, [&](const auto& c) { return c.second == caller; });
  };
  if (const auto asked = asking(call); asked != consults_.end()) {
    calls_.end(asked->first, "the caller has left");
    consults_.erase(asked);
  }
  if (const std::string other = partner(call); !other.empty() && asking(other) != consults_.end()) {
    separate(call, other);  // it waits for whoever is asked
  } else {
    part(call);
  }
  if (const auto asked = consults_.find(call); asked != consults_.end()) {  // declined
    calls_.tell_session(asked->second, event::PeerHeld{false});
    if (partner(asked->second).empty())
      calls_.tell_session(asked->second, event::Unbridged{.by_other = true});
    consults_.erase(asked);
  }
  takers_.erase(call);
  referrers_.erase(call);
  absl::erase_if(referrers_, [&](const auto& r) { return r.second == call; });
  if (const auto callback = callbacks_.find(call); callback != callbacks_.end()) {
    const EntryId entry = callback->second;
    callbacks_.erase(callback);
    if (!draining_) post(acd::CallbackDialled{entry, call, false});  // our own end is no failure of his
  }
  if (callers_.erase(call) != 0) post(acd::Leave{call, acd::Leave::Why::hung_up});
  if (agent_calls_.contains(call)) agent_call_ended(call, status);
}

void Acd::agent_call_ended(const std::string& call, int status) {
  release(call);
  const AgentCall gone = std::move(agent_calls_.at(call));
  agent_calls_.erase(call);
  if (gone.standing) {
    if (const auto open = standing_.find(gone.agent); open != standing_.end() && open->second == call) {
      standing_.erase(open);
      post(acd::AgentReachable{gone.agent, false});
    }
  }
  const auto it = offerings_.find(gone.offer);
  if (it == offerings_.end()) return;
  Offering& offering = it->second;
  offering.legs.erase(call);
  offering.why = std::min(offering.why, refusal_of(status));  // in the order of the enumeration
  if (!offering.legs.empty()) return;
  const acd::Refused refused{gone.offer, offering.why};
  offerings_.erase(it);
  post(refused);
}

// ----------------------------------------------------------------------------------- callbacks

std::string Acd::callback_call(const Router::EntryView& entry, int attempt) {
  const absl::Time joined = absl::FromUnixMicros(entry.joined.time_since_epoch().count());
  return absl::FormatTime("%Y%m%d-%H%M%S", joined, absl::UTCTimeZone()) + "-callback-" +
         std::to_string(entry.id) + "-" + std::to_string(attempt);
}

// Only what is kept is dialled: a start that does not know of the attempt could not tell that it was
// answered.
void Acd::carry_out(const acd::DialCallback& dial) {
  calls_.when_kept([this, dial] {
    if (draining_) return;
    const auto entry = router_.entry(dial.entry);
    if (!entry) return;
    const std::string call = callback_call(*entry, dial.attempt);
    callbacks_[call] = dial.entry;
    Originate request;
    request.uri = dial.number;
    request.script = [&dial](const CallInfo&) { return std::make_unique<CallbackScript>(dial.queue); };
    calls_.dial(call, std::move(request), {});
  });
}

}  // namespace ivr

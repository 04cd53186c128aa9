#include "ivr/queue_log.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace ivr {
namespace {

constexpr std::string_view kNone = "NONE";

// What ends a stay, and nothing else does.
constexpr std::array<std::string_view, 12> kClosing = {
    "ABANDON",     "COMPLETEAGENT",   "COMPLETECALLER", "BLINDTRANSFER", "ATTENDEDTRANSFER", "EXITEMPTY",
    "EXITWITHKEY", "EXITWITHTIMEOUT", "EXITFULL",       "MOVED",         "CALLBACKFAILED",   "SYSTEM"};

std::string whole_seconds(Micros d) { return std::to_string(d / 1s); }
Micros between(Time from, Time to) { return std::max(Micros{0}, to - from); }

// A caller's number or a reason may hold anything.
void append(std::string_view field, std::string& line) {
  for (const char c : field) line += c == '|' || static_cast<unsigned char>(c) < ' ' || c == 0x7F ? ' ' : c;
}

}  // namespace

std::string QueueLog::Line::text() const {
  std::string line = std::to_string(at.time_since_epoch() / 1s);
  for (const std::string_view field :
       {std::string_view(call), std::string_view(queue), std::string_view(agent), verb}) {
    line += '|';
    append(field.empty() ? kNone : field, line);
  }
  for (const std::string& field : data) {
    line += '|';
    append(field, line);
  }
  return line;
}

bool QueueLog::closes(std::string_view verb) {
  return std::find(kClosing.begin(), kClosing.end(), verb) != kClosing.end();
}

void QueueLog::seed(const std::vector<QueueOptions>& queues, const std::vector<Router::AgentView>& agents,
                    const std::vector<Router::EntryView>& entries, Time at) {
  for (const QueueOptions& queue : queues) {
    auto& members = members_[queue.id];
    for (const QueueMember& member : queue.members) members.push_back(member.agent);
  }
  for (const Router::AgentView& agent : agents) states_[agent.id] = agent.state;
  for (const Router::EntryView& entry : entries) {
    Stay stay{.call = entry.call,
              .queue = entry.queue,
              .caller = entry.caller,
              .first_position = entry.position,
              .joined = entry.joined};
    if (entry.position > 0) {
      lines_[entry.queue].push_back(entry.id);
    } else {
      stay.agent = entry.agent;
      stay.connected = at;
    }
    stays_[entry.id] = std::move(stay);
  }
}

// The order of those who wait in one queue does not change while they wait: all grow older alike.
int QueueLog::position(const Stay& stay, EntryId entry) const {
  const auto line = lines_.find(stay.queue);
  if (line == lines_.end()) return 0;
  const auto at = std::find(line->second.begin(), line->second.end(), entry);
  return at == line->second.end() ? 0 : static_cast<int>(at - line->second.begin()) + 1;
}

void QueueLog::stop_waiting(const std::string& queue, EntryId entry) { std::erase(lines_[queue], entry); }

void QueueLog::close(EntryId entry) {
  const auto stay = stays_.find(entry);
  if (stay == stays_.end()) return;
  stop_waiting(stay->second.queue, entry);
  stays_.erase(stay);
}

struct QueueLog::Step {
  QueueLog& log;
  Time at;
  const Sink& sink;
  const acd::Event& event;

  void say(const std::string& call, const std::string& queue, const std::string& agent, std::string_view verb,
           std::vector<std::string> data = {}) {
    sink({at, call, queue, agent, verb, std::move(data)});
  }

  // ------------------------------------------------------------------------------------- what happened

  void operator()(const acd::QueueSet& e) {
    std::vector<std::string> members;
    for (const QueueMember& member : e.queue.members) members.push_back(member.agent);
    std::vector<std::string> before = std::exchange(log.members_[e.queue.id], members);
    const auto has = [](const std::vector<std::string>& all, const std::string& one) {
      return std::find(all.begin(), all.end(), one) != all.end();
    };
    for (const std::string& agent : before) {
      if (!has(members, agent)) say({}, e.queue.id, agent, "REMOVEMEMBER", {""});
    }
    for (const std::string& agent : members) {
      if (has(before, agent)) continue;
      const auto state = log.states_.find(agent);
      const bool paused = state != log.states_.end() && state->second == AgentState::on_break;
      say({}, e.queue.id, agent, "ADDMEMBER", {paused ? "PAUSED" : ""});
    }
  }
  void operator()(const acd::QueueRemoved& e) {
    for (const std::string& agent : std::exchange(log.members_[e.queue], {}))
      say({}, e.queue, agent, "REMOVEMEMBER", {""});
  }
  void operator()(const acd::Refused& e) { missed(e.offer); }
  void operator()(const acd::CallbackDialled& e) {
    const auto stay = log.stays_.find(e.entry);
    if (stay == log.stays_.end() || !e.answered) return;
    stay->second.call = e.call;  // the same place, another call: before all others from now on
    auto& line = log.lines_[stay->second.queue];
    if (std::erase(line, e.entry) != 0) line.insert(line.begin(), e.entry);
  }

  void missed(OfferId offer) {
    const auto out = log.offers_.find(offer);
    if (out == log.offers_.end()) return;
    rang(out->second, "RINGNOANSWER");
    log.offers_.erase(out);
  }
  void rang(const Offer& offer, std::string_view verb) {
    const auto stay = log.stays_.find(offer.entry);
    if (stay == log.stays_.end()) return;
    say(stay->second.call, stay->second.queue, offer.agent, verb,
        {std::to_string(between(offer.since, at) / 1ms)});
  }

  // --------------------------------------------------------------------------------------- what follows

  void operator()(const acd::Joined& c) {
    if (const auto old = log.stays_.find(c.entry); old != log.stays_.end())
      end(c.entry, old->second, "MOVED", {c.queue}, Millis(between(old->second.joined, at) / 1ms));
    Stay stay{.call = c.call, .queue = c.queue, .first_position = c.position, .joined = at};
    if (const auto* join = std::get_if<acd::Join>(&event)) stay.caller = join->caller;
    auto& line = log.lines_[c.queue];
    const auto place =
        static_cast<std::size_t>(std::clamp<std::int64_t>(c.position - 1, 0, std::ssize(line)));
    line.insert(line.begin() + static_cast<std::ptrdiff_t>(place), c.entry);
    say(c.call, c.queue, {}, "ENTERQUEUE", {"", stay.caller, std::to_string(c.position)});
    log.stays_[c.entry] = std::move(stay);
  }

  void operator()(const acd::Offer& c) { log.offers_[c.offer] = {c.entry, c.agent, at}; }

  // The router's own clock may be the one that says that nobody answered.
  void operator()(const acd::Withdraw& c) {
    if (c.why == "time-out") return missed(c.offer);
    const auto out = log.offers_.find(c.offer);
    if (out == log.offers_.end()) return;
    if (c.why == "caller left") rang(out->second, "RINGCANCELED");
    log.offers_.erase(out);
  }

  void operator()(const acd::Connect& c) {
    Micros rang{0};
    if (const auto out = log.offers_.find(c.offer); out != log.offers_.end()) {
      rang = between(out->second.since, at);
      log.offers_.erase(out);
    }
    const auto found = log.stays_.find(c.entry);
    if (found == log.stays_.end()) return;
    Stay& stay = found->second;
    log.stop_waiting(stay.queue, c.entry);
    stay.agent = c.agent;
    stay.waited = c.waited;
    stay.connected = at;
    say(c.call, stay.queue, c.agent, "CONNECT", {whole_seconds(c.waited), "", whole_seconds(rang)});
  }

  void operator()(const acd::Left& c) {
    const auto found = log.stays_.find(c.entry);
    if (found == log.stays_.end()) {  // refused at the door: it never entered
      if (c.exit == acd::Exit::full || c.exit == acd::Exit::unavailable)
        say(c.call, c.queue, {}, c.exit == acd::Exit::full ? "FULL" : "JOINEMPTY");
      return;
    }
    const Stay& stay = found->second;
    switch (c.exit) {
      case acd::Exit::served: complete(c, stay); break;
      case acd::Exit::timeout: end(c.entry, stay, "EXITWITHTIMEOUT", {}, c.waited); break;
      case acd::Exit::full: end(c.entry, stay, "EXITFULL", {}, c.waited); break;
      case acd::Exit::unavailable: end(c.entry, stay, "EXITEMPTY", {}, c.waited); break;
      case acd::Exit::abandoned: end(c.entry, stay, "ABANDON", {}, c.waited); break;
      case acd::Exit::key: {
        const auto* leave = std::get_if<acd::Leave>(&event);
        end(c.entry, stay, "EXITWITHKEY", {leave ? leave->key : std::string()}, c.waited);
        break;
      }
      case acd::Exit::moved: end(c.entry, stay, "MOVED", {""}, c.waited); break;
      case acd::Exit::callback: end(c.entry, stay, "CALLBACKFAILED", {}, c.waited); break;
      case acd::Exit::system: end(c.entry, stay, "SYSTEM", {}, c.waited); break;
    }
    log.close(c.entry);
  }

  // `first`, and then what all of them have: where it stands, where it began, and how long it waited.
  void end(EntryId entry, const Stay& stay, std::string_view verb, std::vector<std::string> first,
           Millis waited) {
    first.push_back(std::to_string(log.position(stay, entry)));
    first.push_back(std::to_string(stay.first_position));
    first.push_back(whole_seconds(waited));
    say(stay.call, stay.queue, stay.agent, verb, std::move(first));
    log.stop_waiting(stay.queue, entry);
  }

  void complete(const acd::Left& c, const Stay& stay) {
    using By = acd::TalkEnded::By;
    const auto* talk = std::get_if<acd::TalkEnded>(&event);
    const std::string held = whole_seconds(c.waited), talked = whole_seconds(c.talked),
                      place = std::to_string(stay.first_position);
    switch (talk ? talk->by : By::unknown) {
      case By::agent: return say(c.call, c.queue, c.agent, "COMPLETEAGENT", {held, talked, place});
      case By::transfer:
        return say(c.call, c.queue, c.agent, "BLINDTRANSFER", {talk->target, "", held, talked, place});
      case By::attended:
        return say(c.call, c.queue, c.agent, "ATTENDEDTRANSFER", {"BRIDGE", "", held, talked, place});
      case By::unknown:
      case By::caller: return say(c.call, c.queue, c.agent, "COMPLETECALLER", {held, talked, place});
    }
  }

  void operator()(const acd::AgentChanged& c) {
    const auto [known, fresh] = log.states_.try_emplace(c.agent, AgentState::offline);
    const AgentState before = std::exchange(known->second, c.state);
    if (before == c.state) return;
    if (before == AgentState::on_break) pause(c.agent, "UNPAUSE", "UNPAUSEALL", c.reason);
    if (before == AgentState::offline) say({}, {}, c.agent, "AGENTLOGIN", {""});
    if (c.state == AgentState::offline) say({}, {}, c.agent, "AGENTLOGOFF", {""});
    if (c.state == AgentState::on_break) pause(c.agent, "PAUSE", "PAUSEALL", c.reason);
  }
  // A break is from all queues: a line for each that lists the agent, and one for all.
  void pause(const std::string& agent, std::string_view one, std::string_view all,
             const std::string& reason) {
    for (const auto& [queue, members] : log.members_) {
      if (std::find(members.begin(), members.end(), agent) != members.end())
        say({}, queue, agent, one, {reason});
    }
    say({}, {}, agent, all, {reason});
  }

  template <class Other>
  void operator()(const Other&) {}
};

void QueueLog::step(const acd::Event& event, const acd::Commands& commands, Time at, const Sink& sink) {
  Step step{*this, at, sink, event};
  std::visit(step, event);
  for (const acd::Command& command : commands) std::visit(step, command);
}

}  // namespace ivr

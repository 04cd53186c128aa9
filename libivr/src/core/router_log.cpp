#include "ivr/router_log.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

namespace ivr {

RouterStep router_step(std::int64_t sequence, Time at, const acd::Event& event, const acd::Commands& commands,
                       std::vector<std::string> calls) {
  std::string list = "[";
  for (const acd::Command& command : commands)
    list.append(list.size() > 1 ? "," : "").append(acd::to_json(command));
  return {sequence, at, acd::to_json(event), list + "]", std::move(calls)};
}

absl::StatusOr<RouterHappening> parse_router_step(const RouterStep& step) {
  const auto wrong = [&](std::string_view what) {
    return absl::InvalidArgumentError("router step " + std::to_string(step.sequence) + ": " +
                                      std::string(what));
  };
  RouterHappening happening{step.sequence, step.at, {}, {}};
  auto event = acd::event_from_json(step.event);
  if (!event.ok()) return wrong(std::string(event.status().message()));
  happening.event = *std::move(event);
  const auto list = nlohmann::json::parse(step.commands, nullptr, false);
  if (!list.is_array()) return wrong("its commands are no list");
  for (const auto& each : list) {
    auto command =
        acd::command_from_json(each.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    if (!command.ok()) return wrong(std::string(command.status().message()));
    happening.commands.push_back(*std::move(command));
  }
  return happening;
}

void fill(CallRecord& record, const CallStory& story) {
  record.queue = story.queue;
  record.agent = story.agent;
  record.tried = nlohmann::json(story.tried).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  record.waited = story.waited;
  record.rang = story.rang;
  record.talked = story.talked;
}

// One step's visitor: it notes calls and moves their stories on.
struct CallStories::Step {
  CallStories& all;
  Time at;
  std::vector<std::string> calls;

  void concerns(std::string_view call) {
    if (!call.empty() && std::find(calls.begin(), calls.end(), call) == calls.end()) calls.emplace_back(call);
  }
  Entry& entry(EntryId id, const std::string& call) {
    Entry& known = all.entries_[id];
    if (!call.empty()) known.call = call;
    concerns(known.call);
    return known;
  }
  CallStory* story(const std::string& call) { return call.empty() ? nullptr : &all.stories_[call]; }

  // An offer ended, one way or the other.
  void silent(OfferId offer) {
    const auto known = all.offers_.find(offer);
    if (known == all.offers_.end()) return;
    const auto of = all.entries_.find(known->second);
    all.offers_.erase(known);
    if (of == all.entries_.end()) return;
    concerns(of->second.call);
    if (--of->second.ringing > 0) return;
    of->second.ringing = 0;
    if (CallStory* s = story(of->second.call)) {
      s->rang += std::chrono::duration_cast<Millis>(at - of->second.since);
    }
  }
  void mentions(OfferId offer) {
    const auto known = all.offers_.find(offer);
    if (known == all.offers_.end()) return;
    if (const auto of = all.entries_.find(known->second); of != all.entries_.end()) concerns(of->second.call);
  }

  // Events. What has neither call nor offer concerns no call.
  void operator()(const acd::Join& e) { concerns(e.call); }
  void operator()(const acd::Leave& e) { concerns(e.call); }
  void operator()(const acd::Move& e) { concerns(e.call); }
  void operator()(const acd::CallbackRequested& e) { concerns(e.call); }
  void operator()(const acd::CallbackDialled& e) {
    concerns(e.call);
    if (const auto known = all.entries_.find(e.entry); known != all.entries_.end()) {
      concerns(known->second.call);
      if (e.answered && !e.call.empty()) known->second.call = e.call;
    }
  }
  void operator()(const acd::Ringing& e) { mentions(e.offer); }
  void operator()(const acd::Accepted& e) { mentions(e.offer); }
  void operator()(const acd::Refused& e) {
    mentions(e.offer);
    silent(e.offer);
  }
  void operator()(const acd::TalkEnded& e) { mentions(e.offer); }

  // Commands.
  void operator()(const acd::Offer& c) {
    Entry& of = entry(c.entry, c.call);
    if (!all.offers_.emplace(c.offer, c.entry).second) return;
    if (of.ringing++ == 0) of.since = at;
    if (CallStory* s = story(of.call)) s->tried.push_back(c.agent);
  }
  void operator()(const acd::Withdraw& c) { silent(c.offer); }
  void operator()(const acd::Connect& c) {
    entry(c.entry, c.call);
    silent(c.offer);
    if (CallStory* s = story(c.call)) s->agent = c.agent;
  }
  void operator()(const acd::Joined& c) {
    entry(c.entry, c.call);
    if (CallStory* s = story(c.call)) {
      s->queue = c.queue;
      s->left = false;
    }
  }
  void operator()(const acd::Left& c) {
    concerns(c.call);
    if (const auto known = all.entries_.find(c.entry); known != all.entries_.end()) {
      if (known->second.ringing > 0) {  // what rang for it rings no more
        known->second.ringing = 1;
        std::vector<OfferId> open;
        for (const auto& [offer, of] : all.offers_) {
          if (of == c.entry) open.push_back(offer);
        }
        for (const OfferId offer : open) silent(offer);
      }
      all.entries_.erase(known);
    }
    if (CallStory* s = story(c.call)) {
      s->queue = c.queue;
      s->left = true;
      s->exit = c.exit;
      s->waited += c.waited;
      s->talked += c.talked;
      if (!c.agent.empty()) s->agent = c.agent;
    }
  }
  void operator()(const acd::Announce& c) { concerns(c.call); }
  void operator()(const acd::DialCallback& c) { entry(c.entry, ""); }
  void operator()(const acd::Decided& c) { concerns(c.call); }

  template <class Other>
  void operator()(const Other&) {}
};

void CallStories::seed(const std::vector<Router::EntryView>& entries) {
  for (const Router::EntryView& entry : entries) {
    entries_[entry.id].call = entry.call;
    CallStory& story = stories_[entry.call];
    story.queue = entry.queue;
    if (entry.position == 0) story.agent = entry.agent;
  }
}

std::vector<std::string> CallStories::step(const acd::Event& event, const acd::Commands& commands, Time at) {
  Step step{*this, at, {}};
  std::visit(step, event);
  for (const acd::Command& command : commands) std::visit(step, command);
  return std::move(step.calls);
}

const CallStory* CallStories::find(std::string_view call) const {
  const auto known = stories_.find(std::string(call));
  return known == stories_.end() ? nullptr : &known->second;
}

void CallStories::forget(std::string_view call) { stories_.erase(std::string(call)); }

}  // namespace ivr

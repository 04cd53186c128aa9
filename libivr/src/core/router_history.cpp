#include "ivr/router_history.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>
#include <variant>

#include "ivr/router_log.hpp"

namespace ivr {
namespace {

constexpr int kPage = 2000;
constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();

std::optional<RouterDecision> decision_in(const acd::Commands& commands, std::string_view call,
                                          const RouterStep& step) {
  std::optional<RouterDecision> found;
  for (const acd::Command& command : commands) {
    if (const auto* decided = std::get_if<acd::Decided>(&command); decided && decided->call == call) {
      found = RouterDecision{step.sequence, step.at, *decided, {}};
    } else if (const auto* offer = std::get_if<acd::Offer>(&command); offer && offer->call == call && found) {
      found->offered.push_back(offer->agent);
    }
  }
  return found;
}

// The first step of a report's time; none: there is none.
absl::StatusOr<std::optional<std::int64_t>> first_step(StorePort& store, Time since, Time until) {
  auto steps = store.router_log({.since = since, .until = until, .limit = 1});
  if (!steps.ok()) return steps.status();
  if (steps->empty()) return std::nullopt;
  return steps->front().sequence;
}

// All steps of the time, and those before it that say how things stood: `seed` is told what is known of that,
// if anything; else the steps begin with the oldest there is, and things say how they are as they change.
absl::Status read_steps(StorePort& store, Time since, Time until,
                        const std::function<void(const RouterThen&)>& seed,
                        const std::function<void(const RouterHappening&)>& each) {
  auto first = first_step(store, since, until);
  if (!first.ok()) return first.status();
  if (!first->has_value()) return absl::OkStatus();
  std::int64_t from = 0;
  if (auto then = router_before(store, **first); then.ok()) {
    seed(*then);
    from = then->next;
  } else {
    auto oldest = store.router_log({.limit = 1});
    if (!oldest.ok()) return oldest.status();
    from = oldest->front().sequence;
  }
  return for_each_step(store, from, until, [&](const RouterStep& step) -> absl::StatusOr<bool> {
    auto happening = parse_router_step(step);
    if (!happening.ok()) return happening.status();
    each(*happening);
    return true;
  });
}

}  // namespace

absl::StatusOr<RouterThen> router_before(StorePort& store, std::int64_t next) {
  auto snapshot = store.router_snapshot(next);
  if (!snapshot.ok()) {
    // A log that still has its first step begins with a router that knows nothing.
    const auto oldest = store.router_log({.limit = 1});
    if (!oldest.ok()) return oldest.status();
    if (oldest->empty() || oldest->front().sequence != 0) return snapshot.status();
    return RouterThen{Router(), 0, oldest->front().at};
  }
  auto router = Router::restore(snapshot->json);
  if (!router.ok()) {
    return absl::InvalidArgumentError("the router's snapshot before step " + std::to_string(snapshot->next) +
                                      " does not read: " + std::string(router.status().message()));
  }
  return RouterThen{*std::move(router), snapshot->next, snapshot->at};
}

absl::StatusOr<RouterThen> router_now(StorePort& store) {
  auto then = router_before(store, kAll);
  if (!then.ok()) return then.status();
  acd::Commands unused;
  auto read =
      for_each_step(store, then->next, Time::max(), [&](const RouterStep& step) -> absl::StatusOr<bool> {
        auto event = acd::event_from_json(step.event);
        if (!event.ok()) return event.status();
        unused.clear();
        then->router.step(*event, step.at, unused);
        then->next = step.sequence + 1;
        then->at = step.at;
        return true;
      });
  if (!read.ok()) return read;
  return then;
}

absl::Status for_each_step(StorePort& store, std::int64_t from, Time until,
                           const std::function<absl::StatusOr<bool>(const RouterStep&)>& each) {
  for (;;) {
    auto steps = store.router_log({.from = from, .limit = kPage});
    if (!steps.ok()) return steps.status();
    for (const RouterStep& step : *steps) {
      if (step.at >= until) return absl::OkStatus();
      if (step.sequence != from) {
        return absl::NotFoundError("the router's log has no step " + std::to_string(from) + "; the next is " +
                                   std::to_string(step.sequence));
      }
      auto more = each(step);
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      ++from;
    }
    if (steps->size() < kPage) return absl::OkStatus();
  }
}

absl::StatusOr<CallExplanation> explain_call(StorePort& store, std::string_view call,
                                             std::optional<Time> at) {
  auto own = store.router_log({.call = std::string(call), .limit = 100'000});
  if (!own.ok()) return own.status();
  if (own->empty()) {
    return absl::NotFoundError("call '" + std::string(call) +
                               "' was in no queue, or the log no longer goes so far back");
  }
  if (at && *at < own->front().at) {
    return absl::NotFoundError("call '" + std::string(call) + "' was in no queue yet at that time");
  }
  auto then = router_before(store, own->front().sequence);
  if (!then.ok()) return then.status();
  CallExplanation explanation;
  explanation.from = then->next;
  const std::int64_t last = own->back().sequence;
  const Time until = at ? *at + Micros{1} : Time::max();
  acd::Commands commands;
  auto read = for_each_step(store, then->next, until, [&](const RouterStep& step) -> absl::StatusOr<bool> {
    auto event = acd::event_from_json(step.event);
    if (!event.ok()) return event.status();
    commands.clear();
    then->router.step(*event, step.at, commands);
    ++explanation.steps;
    const bool own_step = std::find(step.calls.begin(), step.calls.end(), call) != step.calls.end();
    std::string again = router_step(step.sequence, step.at, *event, commands, {}).commands;
    if (own_step && again != step.commands && explanation.differs_at < 0) {
      explanation.differs_at = step.sequence;
      explanation.logged = step.commands;
      explanation.again = std::move(again);
    }
    if (auto decision = decision_in(commands, call, step))
      explanation.decisions.push_back(*std::move(decision));
    return at.has_value() || step.sequence < last;
  });
  if (!read.ok()) return read;
  if (at) explanation.then = then->router.explain(call, *at);
  return explanation;
}

namespace {

// The commands about calls that `shown` lets through, and those about none.
acd::Commands commands_of(const acd::Commands& all, const std::function<bool(const std::string&)>& shown) {
  acd::Commands some;
  for (const acd::Command& command : all) {
    const bool keeps = std::visit(
        [&](const auto& c) {
          if constexpr (requires { c.call; }) {
            return shown(c.call);
          } else {
            return true;
          }
        },
        command);
    if (keeps) some.push_back(command);
  }
  return some;
}

}  // namespace

absl::Status read_day(StorePort& store, DayReport& report,
                      const std::function<bool(const CallRecord&)>& shown) {
  bool any = false;
  std::map<std::string, bool> known;
  const auto may_be_shown = [&](const std::string& id) {
    const auto [at, fresh] = known.try_emplace(id, false);
    if (fresh) {
      const auto record = store.call(id);
      at->second = record.ok() && shown(*record);
    }
    return at->second;
  };
  const auto tell = [&](const RouterHappening& step) {
    report.step(step.event, shown ? commands_of(step.commands, may_be_shown) : step.commands, step.at);
  };
  const auto read = read_steps(
      store, report.since(), report.until(),
      [&](const RouterThen& then) {
        report.seed(then.router.agents(then.at), then.router.entries(then.at), then.at);
      },
      [&](const RouterHappening& step) {
        any = true;
        tell(step);
      });
  if (!read.ok()) return read;
  if (any) {  // when nothing ran at the end of the day, the next start says since when
    auto next = store.router_log({.since = report.until(), .limit = 1});
    if (!next.ok()) return next.status();
    if (!next->empty()) {
      auto happening = parse_router_step(next->front());
      if (!happening.ok()) return happening.status();
      tell(*happening);
    }
  }
  for (int offset = 0;; offset += kPage) {
    auto calls = store.calls_between(report.since(), report.until(), kPage, offset);
    if (!calls.ok()) return calls.status();
    for (const CallRecord& call : *calls) {
      if (!shown || shown(call)) report.call(call);
    }
    if (calls->size() < kPage) return absl::OkStatus();
  }
}

absl::Status read_queue_log(StorePort& store, const std::vector<QueueOptions>& queues, Time since, Time until,
                            const QueueLog::Sink& sink) {
  QueueLog log;
  log.seed(queues, {}, {}, since);
  const QueueLog::Sink nobody = [](const QueueLog::Line&) {};
  return read_steps(
      store, since, until,
      [&](const RouterThen& then) {
        log.seed({}, then.router.agents(then.at), then.router.entries(then.at), then.at);
      },
      [&](const RouterHappening& step) {
        log.step(step.event, step.commands, step.at, step.at < since ? nobody : sink);
      });
}

}  // namespace ivr

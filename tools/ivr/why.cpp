// ivr why: how the router came to its choices for a call, by taking them again.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "access.hpp"
#include "commands.hpp"
#include "ivr/router_history.hpp"
#include "ivr/site.hpp"
#include "ivr/store.hpp"

namespace {

using Json = nlohmann::ordered_json;

using Answer = ivr::CallExplanation;

struct Question {
  std::string call;
  std::optional<ivr::Time> at;
};

const char* in_words(ivr::Unavailable why) {
  switch (why) {
    case ivr::Unavailable::none: return "could have been offered";
    case ivr::Unavailable::paused: return "on a break";
    case ivr::Unavailable::penalty: return "its penalty or tier is not allowed yet";
    case ivr::Unavailable::in_use: return "has as many contacts as it can";
    case ivr::Unavailable::ringing: return "already rings";
    case ivr::Unavailable::unreachable: return "not reachable: no telephone is registered";
    case ivr::Unavailable::offline: return "logged out";
    case ivr::Unavailable::wrap_up: return "still in wrap-up";
    case ivr::Unavailable::delayed: return "rests after a missed, busy or rejected offer";
    case ivr::Unavailable::unskilled: return "lacks a required skill";
    case ivr::Unavailable::tried: return "was tried for this caller before";
    case ivr::Unavailable::unknown: return "is no agent";
  }
  return "";
}

std::string local(ivr::Time at, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", absl::FromUnixMicros(at.time_since_epoch().count()), zone);
}

// "10:02", "10:02:30" on the day of `near`, or with the day before it.
std::optional<ivr::Time> parse_time(std::string text, ivr::Time near, absl::TimeZone zone) {
  if (text.find('-') == text.npos) {
    const auto day = absl::ToCivilDay(absl::FromUnixMicros(near.time_since_epoch().count()), zone);
    text = absl::FormatCivilTime(day) + " " + text;
  }
  for (const char* format :
       {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%dT%H:%M:%E*S%Ez"}) {
    absl::Time at;
    std::string error;
    if (absl::ParseTime(format, text, zone, &at, &error))
      return ivr::Time{ivr::Micros{absl::ToUnixMicros(at)}};
  }
  return std::nullopt;
}

// ---------------------------------------------------------------------------------------------- shown

void print(const ivr::acd::Decided& decided, const std::vector<std::string>& offered) {
  if (decided.step && *decided.step == 0) {
    std::printf("      all steps of the queue that were left are skipped: nobody is there for them\n");
  } else if (decided.step) {
    std::printf("      by step %d of the queue before its time: nobody is there for those before it\n",
                *decided.step);
  }
  if (decided.required) std::printf("      asked for: %s\n", decided.required->c_str());
  for (const auto& candidate : decided.candidates) {
    const bool chosen = std::find(offered.begin(), offered.end(), candidate.agent) != offered.end();
    const std::string rank = candidate.rank > 0 ? std::to_string(candidate.rank) + "." : "";
    std::printf("  %3s %-16s %s%s%s\n", rank.c_str(), candidate.agent.c_str(),
                chosen ? "offered" : in_words(candidate.why), candidate.metric.empty() ? "" : ", ",
                candidate.metric.c_str());
  }
  if (decided.others > 0) std::printf("      and %d others\n", decided.others);
}

void print(const Answer& answer, const Question& question, const std::string& agent, absl::TimeZone zone) {
  for (const ivr::RouterDecision& decision : answer.decisions) {
    const auto& d = decision.decided;
    std::printf("%s  decision %llu, queue %s, strategy %s\n", local(decision.at, zone).c_str(),
                static_cast<unsigned long long>(d.decision), d.queue.c_str(), d.strategy.c_str());
    print(d, decision.offered);
  }
  if (answer.then) {
    std::printf("%s  as it stood, queue %s, strategy %s\n", local(*question.at, zone).c_str(),
                answer.then->queue.c_str(), answer.then->strategy.c_str());
    print(*answer.then, {});
  } else if (question.at) {
    std::printf("%s  the caller did not wait for an agent\n", local(*question.at, zone).c_str());
  }
  if (!agent.empty()) {
    const ivr::acd::Decided* last = answer.then ? &*answer.then : nullptr;
    if (!last && !answer.decisions.empty()) last = &answer.decisions.back().decided;
    const auto named = [&](const auto& candidate) { return candidate.agent == agent; };
    const bool there = last && std::any_of(last->candidates.begin(), last->candidates.end(), named);
    if (there) {
      const auto& candidate = *std::find_if(last->candidates.begin(), last->candidates.end(), named);
      const bool offered = !answer.then && std::find(answer.decisions.back().offered.begin(),
                                                     answer.decisions.back().offered.end(),
                                                     agent) != answer.decisions.back().offered.end();
      if (offered) {
        std::printf("agent %s: it was offered\n", agent.c_str());
      } else if (candidate.why == ivr::Unavailable::none) {
        std::printf("agent %s: it could have been offered, but came as number %d%s%s\n", agent.c_str(),
                    candidate.rank, candidate.metric.empty() ? "" : " by ", candidate.metric.c_str());
      } else if (candidate.why == ivr::Unavailable::unskilled && last->required) {
        std::printf("agent %s: does not meet %s\n", agent.c_str(), last->required->c_str());
      } else {
        std::printf("agent %s: %s\n", agent.c_str(), in_words(candidate.why));
      }
    } else {
      std::printf("agent %s: not among the candidates: no member of the queue\n", agent.c_str());
    }
  }
  if (answer.differs_at < 0) {
    std::printf("re-executed %lld steps from step %lld: the same choices\n",
                static_cast<long long>(answer.steps), static_cast<long long>(answer.from));
  } else {
    std::printf(
        "re-executed %lld steps from step %lld: step %lld differs\n  logged       %s\n  re-executed  %s\n",
        static_cast<long long>(answer.steps), static_cast<long long>(answer.from),
        static_cast<long long>(answer.differs_at), answer.logged.c_str(), answer.again.c_str());
  }
}

Json json_of(const ivr::acd::Decided& decided, const std::string& agent) {
  Json json = Json::parse(ivr::acd::to_json(ivr::acd::Command(decided)), nullptr, false);
  json.erase("type");
  if (!agent.empty()) {
    for (const Json& candidate : Json(json["candidates"])) {
      if (candidate["agent"] == agent) json["asked"] = candidate;
    }
  }
  return json;
}

void print_json(const Answer& answer, const Question& question, const std::string& agent,
                absl::TimeZone zone) {
  Json json = {{"call", question.call}, {"decisions", Json::array()}};
  for (const ivr::RouterDecision& decision : answer.decisions) {
    Json one = json_of(decision.decided, agent);
    one["sequence"] = decision.sequence;
    one["at"] = local(decision.at, zone);
    one["offered"] = decision.offered;
    json["decisions"].push_back(std::move(one));
  }
  if (question.at) {
    json["at"] = local(*question.at, zone);
    json["then"] = answer.then ? json_of(*answer.then, agent) : Json();
  }
  json["from"] = answer.from;
  json["steps"] = answer.steps;
  json["same"] = answer.differs_at < 0;
  if (answer.differs_at >= 0) json["differs_at"] = answer.differs_at;
  std::printf("%s\n", json.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

int why_main(int argc, char** argv) {
  std::string database = "ivr.db", agent, time_text, zone_name, user;
  Question question;
  bool as_json = false;
  CLI::App app{
      "Says for each choice that the router made for a call which agents it looked at, in which order, and "
      "why "
      "each was offered\n"
      "or passed over. The choices are taken again, from the last snapshot before them; when one comes out "
      "otherwise, it says so\n"
      "and the exit status is 1.\n\n"
      "  ivr why CALL --agent omar --at 10:02      why not Omar at two minutes past ten?",
      "ivr why"};
  app.add_option("call", question.call, "the call's id, or 'last'")->required();
  app.add_option("--db", database, "the server's database")->capture_default_str();
  app.add_option("--agent", agent, "why not this one");
  app.add_option("--at", time_text,
                 "how it stood then: HH:MM or HH:MM:SS on the call's day, or with YYYY-MM-DD before it");
  app.add_option("--time-zone", zone_name,
                 "of the times; the site's first calendar's, or UTC, when left out");
  app.add_option("--user", user, "only of calls that this user of the site's 'access' may see");
  app.add_flag("--json", as_json, "print one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why, int code = 1) {
    std::fprintf(stderr, "ivr why: %s\n", std::string(why.message()).c_str());
    return code;
  };
  auto store = ivr::open_store(database, ivr::StoreAccess::read);
  if (!store.ok()) return fail(store.status());
  const auto access = Access::of(**store, user);
  if (!access.ok()) return fail(access.status());
  if (question.call == "last") {
    auto calls = (*store)->calls(10'000, 0);
    if (!calls.ok()) return fail(calls.status());
    for (const ivr::CallRecord& record : *calls) {
      if (!access->sees(record)) continue;
      auto steps = (*store)->router_log({.call = record.id, .limit = 1});
      if (!steps.ok()) return fail(steps.status());
      if (steps->empty()) continue;
      question.call = record.id;
      break;
    }
  }
  if (!access->all()) {  // the same words as for a call that is not there
    const auto record = (*store)->call(question.call);
    if (!record.ok() || !access->sees(*record)) {
      return fail(absl::NotFoundError("call '" + question.call +
                                      "' was in no queue, or the log no longer goes so far back"));
    }
  }
  if (zone_name.empty()) {
    zone_name = "UTC";
    if (auto site = ivr::load_site_from(**store); site.ok() && !site->calendars.empty()) {
      zone_name = site->calendars.front().second.time_zone;
    }
  }
  absl::TimeZone zone;
  if (zone_name != "UTC" && !absl::LoadTimeZone(zone_name, &zone)) {
    return fail(absl::NotFoundError("no time zone '" + zone_name + "' on this machine"), 2);
  }
  if (!time_text.empty()) {
    auto first = (*store)->router_log({.call = question.call, .limit = 1});
    if (!first.ok()) return fail(first.status());
    question.at = parse_time(time_text, first->empty() ? ivr::Time{} : first->front().at, zone);
    if (!question.at) {
      return fail(
          absl::InvalidArgumentError("'" + time_text + "' is no time like 10:02 or \"2026-11-21 10:02:30\""),
          2);
    }
  }
  const auto answer = explain_call(**store, question.call, question.at);
  if (!answer.ok()) return fail(answer.status());
  as_json ? print_json(*answer, question, agent, zone) : print(*answer, question, agent, zone);
  return answer->differs_at < 0 ? 0 : 1;
}

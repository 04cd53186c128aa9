#include "ivr/site.hpp"
#include "core/flow_caller.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ivr {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Site site_of(const std::string& json) {
  auto site = parse_site(json);
  EXPECT_TRUE(site.ok()) << site.status();
  return site.ok() ? *std::move(site) : Site{};
}

std::string refusal_of_site(const std::string& json) {
  const auto site = parse_site(json);
  EXPECT_FALSE(site.ok()) << json;
  EXPECT_EQ(site.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(site.status().message());
}

// One part of a site, in a site.
std::string site_with(const std::string& part) { return R"({"site": 1, )" + part + "}"; }

TEST(Site, ReadsEveryFieldOfAnAgent) {
  const Site site = site_of(site_with(R"("agents": {"omar": {
    "name": "Omar", "department": "tech", "uri": "sip:omar@192.0.2.7", "user": "2102",
    "skills": {"technical": 4, "arabic": "master"}, "capacity": {"voice": 2, "chat": 3}, "score": 70,
    "wrap_up": "10s", "no_answer_delay": "20s", "busy_delay": "30s", "reject_delay": "500ms",
    "max_misses": 3, "after_misses": "offline", "standby": true}, "b": {}, "a": {"skills": ["x"], "capacity": 4}})"));
  ASSERT_EQ(site.agents.size(), 3u);
  const AgentOptions& a = site.agents[0];
  EXPECT_EQ(a.id, "omar");
  EXPECT_EQ(a.name, "Omar");
  EXPECT_EQ(a.department, "tech");
  EXPECT_EQ(a.uri, "sip:omar@192.0.2.7");
  EXPECT_EQ(a.user, "2102");
  EXPECT_EQ(a.skills, (std::vector<Skill>{{"technical", 4}, {"arabic", 5}}));
  EXPECT_EQ(a.capacity, (std::map<std::string, int>{{"chat", 3}, {"voice", 2}}));
  EXPECT_EQ(a.score, 70);
  EXPECT_EQ(a.wrap_up, std::optional<Millis>(10s));
  EXPECT_EQ(a.no_answer_delay, 20s);
  EXPECT_EQ(a.busy_delay, 30s);
  EXPECT_EQ(a.reject_delay, 500ms);
  EXPECT_EQ(a.max_misses, 3);
  EXPECT_EQ(a.after_misses, AgentState::offline);
  EXPECT_TRUE(a.standby);
  EXPECT_EQ(site.agents[1].id, "b") << "in the order of the document";
  EXPECT_FALSE(site.agents[1].wrap_up.has_value());
  EXPECT_EQ(site.agents[1].capacity, (std::map<std::string, int>{{"voice", 1}}));
  EXPECT_EQ(site.agents[2].skills, (std::vector<Skill>{{"x", 1}}));
  EXPECT_EQ(site.agents[2].capacity, (std::map<std::string, int>{{"voice", 4}}));
}

TEST(Site, ReadsEveryFieldOfAQueue) {
  const Site site = site_of(site_with(R"("agents": {"a": {}, "b": {}}, "queues": {"q": {
    "strategy": "round_robin", "members": ["a", {"agent": "b", "penalty": 2, "position": 1}], "department": "d",
    "required": {"s": 2}, "preferred": ["t"],
    "steps": [{"after": "30s", "min_penalty": 1, "max_penalty": 4, "raise_penalty": 2, "drop_preferred": true},
              {"after": "1m", "required": [], "skip_if": ["offline", "paused"]}],
    "tiers": {"apply": true, "wait": "10s", "multiply_by_level": true, "skip_empty": false},
    "max_size": 50, "max_wait": "600s", "ring_limit": "20s", "retry": "2s", "ring_progressively": "5s",
    "wrap_up": "3s", "weight": 7, "age_score": 0.5, "age_from_system": true, "autofill": false,
    "shared_last_call": false, "oldest_first": true, "once": true, "join_empty": ["paused", "offline"],
    "leave_empty": ["unreachable"], "sticky": "15s", "resume": "45s",
    "announce": {"first": "5s", "every": "30s", "at_least": "10s", "only_when_improved": true, "more_than": 9,
                 "wait_time": true, "rounding": "30s", "periodic": "40s", "periodic_messages": 2,
                 "periodic_random": true},
    "service_level": "15s", "short_abandon": "4s", "callback_tries": 3, "callback_retry": "2m"}})"));
  ASSERT_EQ(site.queues.size(), 1u);
  const QueueOptions& q = site.queues[0];
  EXPECT_EQ(q.id, "q");
  EXPECT_EQ(q.strategy, "round_robin");
  ASSERT_EQ(q.members.size(), 2u);
  EXPECT_EQ(q.members[0].agent, "a");
  EXPECT_EQ(q.members[1].agent, "b");
  EXPECT_EQ(q.members[1].penalty, 2);
  EXPECT_EQ(q.members[1].position, 1);
  EXPECT_EQ(q.department, "d");
  EXPECT_EQ(q.required, (SkillExpression{{"s", 2}}));
  EXPECT_EQ(q.preferred, (std::vector<Skill>{{"t", 1}}));
  ASSERT_EQ(q.steps.size(), 2u);
  EXPECT_EQ(q.steps[0].after, 30s);
  EXPECT_EQ(q.steps[0].min_penalty, 1);
  EXPECT_EQ(q.steps[0].max_penalty, 4);
  EXPECT_EQ(q.steps[0].raise_penalty, 2);
  EXPECT_TRUE(q.steps[0].drop_preferred);
  EXPECT_FALSE(q.steps[0].required.has_value());
  EXPECT_FALSE(q.steps[1].max_penalty.has_value());
  EXPECT_TRUE(q.steps[1].required.has_value());
  EXPECT_TRUE(q.steps[0].skip_if.empty());
  EXPECT_EQ(q.steps[1].skip_if, (std::vector<Unavailable>{Unavailable::offline, Unavailable::paused}));
  EXPECT_TRUE(q.tiers.apply && q.tiers.multiply_by_level && !q.tiers.skip_empty);
  EXPECT_EQ(q.tiers.wait, 10s);
  EXPECT_EQ(q.max_size, 50);
  EXPECT_EQ(q.max_wait, 600s);
  EXPECT_EQ(q.ring_limit, 20s);
  EXPECT_EQ(q.retry, 2s);
  EXPECT_EQ(q.ring_progressively, 5s);
  EXPECT_EQ(q.wrap_up, 3s);
  EXPECT_EQ(q.weight, 7);
  EXPECT_EQ(q.age_score, 0.5);
  EXPECT_TRUE(q.age_from_system && !q.autofill && !q.shared_last_call && q.oldest_first && q.once);
  EXPECT_EQ(q.join_empty, (std::vector<Unavailable>{Unavailable::paused, Unavailable::offline}));
  EXPECT_EQ(q.leave_empty, (std::vector<Unavailable>{Unavailable::unreachable}));
  EXPECT_EQ(q.sticky, 15s);
  EXPECT_EQ(q.resume, 45s);
  EXPECT_EQ(q.announce.first, 5s);
  EXPECT_EQ(q.announce.every, 30s);
  EXPECT_EQ(q.announce.at_least, 10s);
  EXPECT_EQ(q.announce.more_than, 9);
  EXPECT_EQ(q.announce.rounding, 30s);
  EXPECT_EQ(q.announce.periodic, 40s);
  EXPECT_EQ(q.announce.periodic_messages, 2);
  EXPECT_TRUE(q.announce.only_when_improved && q.announce.wait_time && q.announce.periodic_random);
  EXPECT_EQ(q.service_level, 15s);
  EXPECT_EQ(q.short_abandon, 4s);
  EXPECT_EQ(q.callback_tries, 3);
  EXPECT_EQ(q.callback_retry, 120s);
}

TEST(Site, ReadsTheOtherParts) {
  const Site site = site_of(site_with(R"("queues": {"q": {}},
    "calendars": {"desk": {"time_zone": "Asia/Riyadh", "hours": {"sun-thu": ["09:00-18:00"]}}},
    "lists": {"block": ["+1900*"], "vip": {"callers": ["1", "2"], "priority": 5}},
    "callers": {"rate": {"calls": 3, "per": "10s", "ban_after": 2, "ban_for": "1m"},
                "returning": {"within": "1h", "priority": 2}},
    "departments": {"sales": {"name": "Sales", "queue": "q", "keywords": ["price"], "otherwise": true}},
    "extensions": {"2001": "a.json", "2*": {"flow": "b.json", "record": true, "variables": {"x": [1], "y": "z"}},
                   "*": "a.json"},
    "demo_users": {"1001": "1001pass"}, "access": {"boss": ["*"]})"));
  ASSERT_EQ(site.calendars.size(), 1u);
  EXPECT_EQ(site.calendars[0].second.time_zone, "Asia/Riyadh");
  ASSERT_EQ(site.lists.size(), 2u);
  EXPECT_EQ(site.lists[0].callers, (std::vector<std::string>{"+1900*"}));
  EXPECT_EQ(site.lists[1].priority, 5);
  EXPECT_EQ(site.callers.rate_calls, 3);
  EXPECT_EQ(site.callers.rate_per, 10s);
  EXPECT_EQ(site.callers.ban_after, 2);
  EXPECT_EQ(site.callers.ban_for, 60s);
  EXPECT_EQ(site.callers.returning, 1h);
  EXPECT_EQ(site.callers.returning_priority, 2);
  ASSERT_EQ(site.departments.size(), 1u);
  EXPECT_EQ(site.departments[0].keywords, (std::vector<std::string>{"price"}));
  ASSERT_EQ(site.extensions.size(), 3u);
  EXPECT_EQ(site.extensions[0].flow, "a.json");
  EXPECT_TRUE(site.extensions[1].record);
  EXPECT_EQ(site.extensions[1].variables,
            (std::vector<std::pair<std::string, std::string>>{{"x", "[1]"}, {"y", "\"z\""}}));
  ASSERT_EQ(site.flows.size(), 2u) << "each file once";
  EXPECT_EQ(site.demo_users[0].password, "1001pass");
  EXPECT_EQ(site.access[0].numbers, (std::vector<std::string>{"*"}));
}

struct Refused {
  const char* part;
  const char* begins;  // pointer
  const char* names;   // value and limit
};
constexpr Refused kRefused[] = {
    {R"("agent": {})", "/agent: ", "did you mean 'agents'?"},
    {R"("agents": {"a b": {}})", "/agents/a b: ", "'a b' is no name"},
    {R"("agents": [])", "/agents: ", "expected an object, found a list"},
    {R"("agents": {"a": 1})", "/agents/a: ", "an agent like"},
    {R"("agents": {"a": {"capacities": 1}})", "/agents/a/capacities: ", "did you mean 'capacity'?"},
    {R"("agents": {"a": {"zzz": 1}})", "/agents/a/zzz: ", "known: name, department, uri"},
    {R"("agents": {"a": {"capacity": 1001}})", "/agents/a/capacity: ", "1001 is no number"},
    {R"("agents": {"a": {"capacity": {"chat": -1}}})", "/agents/a/capacity/chat: ", "-1 is no number"},
    {R"("agents": {"a": {"skills": {"x": 6}}})", "/agents/a/skills/x: ", "6 is no level; 0 to 5"},
    {R"("agents": {"a": {"skills": {"x": "good"}}})", "/agents/a/skills/x: ", "none of none, basic"},
    {R"("queues": {"q": {"required": "x and"}})",
     "/queues/q/required: ", "at character 6: expected a skill, found the end"},
    {R"("queues": {"q": {"required": 3}})", "/queues/q/required: ",
     "a text like \"french >= 2 and (billing or sales)\", a list or an object of skills expected, found 3"},
    {R"("queues": {"q": {"steps": [{"after": "1s", "required": "x > 9"}]}})",
     "/queues/q/steps/0/required: ", "at character 5: expected a level of 0 to 5"},
    {R"("agents": {"a": {"skills": ["x", "x"]}})", "/agents/a/skills: ", "'x' is here twice"},
    {R"("agents": {"a": {"wrap_up": 10}})", "/agents/a/wrap_up: ", "a duration is a text with a unit"},
    {R"("agents": {"a": {"wrap_up": "25h"}})", "/agents/a/wrap_up: ", "not between 0s and 86400s"},
    {R"("agents": {"a": {"after_misses": "gone"}})", "/agents/a/after_misses: ", "on_break, offline"},
    {R"("agents": {"a": {"uri": "tel:1"}})", "/agents/a/uri: ", "'tel:1' is no SIP URI"},
    {R"("agents": {"a": {}, "a": {}})", "/agents/a: ", "twice"},
    {R"("queues": {"q": {"strategy": "best"}})", "/queues/q", "best"},
    {R"("queues": {"q": {"members": ["nobody"]}})", "/queues/q/members/0: ", "no agent 'nobody'"},
    {R"("agents": {"omar": {}}, "queues": {"q": {"members": ["omr"]}})",
     "/queues/q/members/0: ", "did you mean 'omar'?"},
    {R"("agents": {"a": {}}, "queues": {"q": {"members": ["a", "a"]}})", "/queues/q", "'a'"},
    {R"("queues": {"q": {"members": [{"penalty": 1}]}})", "/queues/q/members/0: ", "no field 'agent'"},
    {R"("queues": {"q": {"max_size": -1}})", "/queues/q/max_size: ", "between 0 and 1000000"},
    {R"("queues": {"q": {"max_sise": 1}})", "/queues/q/max_sise: ", "did you mean 'max_size'?"},
    {R"("queues": {"q": {"xyzzy": 1}})", "/queues/q/xyzzy: ", "known: strategy, members"},
    {R"("queues": {"q": {"ring_limit": "0s"}})", "/queues/q/ring_limit: ", "not between 1s and 3600s"},
    {R"("queues": {"q": {"steps": [{"max_penalty": 1}]}})", "/queues/q/steps/0: ", "no field 'after'"},
    {R"("queues": {"q": {"steps": [{"after": "9s"}, {"after": "3s"}]}})", "/queues/q", "3"},
    {R"("queues": {"q": {"steps": [{"after": "9s", "skip_if": ["nobody"]}]}})",
     "/queues/q/steps/0/skip_if/0: ", "\"nobody\" is none of paused"},
    {R"("queues": {"q": {"steps": [{"after": "9s", "skip_if": "offline"}]}})",
     "/queues/q/steps/0/skip_if: ", "a list of reasons"},
    {R"("queues": {"q": {"steps": [{"after": "9s", "skip_if": ["tried"]}]}})", "/queues/q", "'tried'"},
    {R"("queues": {"q": {"join_empty": ["bored"]}})",
     "/queues/q/join_empty/0: ", "\"bored\" is none of paused"},
    {R"("queues": {"q": {"announce": {"evry": "1s"}}})", "/queues/q/announce/evry: ", "'every'"},
    {R"("departments": {"d": {"queue": "q"}})", "/departments/d/queue: ", "no queue 'q'"},
    {R"("departments": {"d": {}}, "agents": {"a": {"department": "e"}})",
     "/agents/a/department: ", "no department 'e'"},
    {R"("departments": {"d": {"otherwise": true}, "e": {"otherwise": true}})",
     "/departments/e/otherwise: ", "'d'"},
    {R"("calendars": {"c": {"time_zone": "UTC", "hours": {"mon": ["9-5"]}}})",
     "/calendars/c/hours/mon/0: ", "\"9-5\" is not a stretch"},
    {R"("calendars": {"c": 5})", "/calendars/c: ", "5"},
    {R"("extensions": {"2*1": "f"})", "/extensions/2*1: ", "a '*' only at the end"},
    {R"("extensions": {"1": {"record": true}})", "/extensions/1: ", "no field 'flow'"},
    {R"("extensions": {"1": {"standby": true, "flow": "a.json"}})", "/extensions/1/flow: ", "'standby'"},
    {R"("extensions": {"1": {"standby": "yes"}})", "/extensions/1/standby: ", "true or false"},
    {R"("extensions": {"1": {"standby": false}})", "/extensions/1: ", "no field 'flow'"},
    {R"("extensions": {"1": {"flow": "f", "variables": {"a b": 1}}})",
     "/extensions/1/variables/a b: ", "no name"},
    {R"("lists": {"l": ["a b"]})", "/lists/l: ", "'a b' is no number"},
    {R"("lists": {"l": {"callers": [1]}})", "/lists/l/callers/0: ", "1 is no text"},
    {R"("callers": {"rate": {"calls": 0}})", "/callers/rate/calls: ", "between 1 and 100000"},
    {R"("demo_users": {"u": 5})", "/demo_users/u: ", "a password expected"},
    {R"("access": {"u": "2001"})", "/access/u: ", "a list"},
};

TEST(Site, P_82_HasClassesOfMusic) {
  const Site site = site_of(
      site_with(R"("music": {"default": "a.wav", "radio": {"files": ["b.wav", "c.wav"], "continuous": true}},
    "agents": {"huda": {"music": "default"}}, "queues": {"help": {"music": "radio"}})"));
  ASSERT_EQ(site.music.size(), 2u);
  EXPECT_EQ(site.music[0].first, "default");
  ASSERT_EQ(site.music[0].second.prompts.size(), 1u);
  EXPECT_EQ(site.music[0].second.prompts[0].kind, Prompt::Kind::file);
  EXPECT_EQ(site.music[0].second.prompts[0].value, "a.wav");
  EXPECT_FALSE(site.music[0].second.continuous);
  EXPECT_EQ(site.music[1].second.prompts.size(), 2u);
  EXPECT_TRUE(site.music[1].second.continuous);
  EXPECT_EQ(site.agents[0].music, "default");
  EXPECT_EQ(site.queues[0].music, "radio");
  EXPECT_THAT(
      refusal_of_site(site_with(R"("music": {"jazz": "a.wav"}, "queues": {"help": {"music": "jaz"}})")),
      StartsWith("/queues/help/music: no music 'jaz'; did you mean 'jazz'?"));
  EXPECT_THAT(refusal_of_site(site_with(R"("music": {"jazz": {"files": []}})")),
              StartsWith("/music/jazz/files: no music"));
  EXPECT_THAT(refusal_of_site(site_with(R"("music": {"jazz": 3})")), StartsWith("/music/jazz: "));
}

TEST(Site, ErrorsSayWhereAndNameTheValueAndWhatIsAllowed) {
  for (const Refused& each : kRefused) {
    const std::string words = refusal_of_site(site_with(each.part));
    EXPECT_THAT(words, StartsWith(each.begins)) << each.part;
    EXPECT_THAT(words, HasSubstr(each.names)) << each.part;
    EXPECT_THAT(words, testing::Not(HasSubstr("\n"))) << "one defect, one line";
  }
  EXPECT_THAT(refusal_of_site("{}"), HasSubstr("no field 'site'"));
  EXPECT_THAT(refusal_of_site(R"({"site": 2})"), HasSubstr("/site: 2 is no version"));
  EXPECT_THAT(refusal_of_site("[]"), HasSubstr("an object expected, found []"));
  EXPECT_THAT(refusal_of_site("{"), HasSubstr("line 1"));
  const std::string two =
      refusal_of_site(site_with(R"("agents": {"a": {"score": "x"}}, "queues": {"q": {"retry": "x"}})"));
  EXPECT_THAT(two, StartsWith("/agents/a/score: "));
  EXPECT_THAT(two, HasSubstr("\n/queues/q/retry: 'x' is no duration"));
}

TEST(Site, AnErrorNeverShowsAPassword) {
  EXPECT_THAT(refusal_of_site(site_with(R"("demo_users": {"u": ["hunter2"]})")),
              testing::Not(HasSubstr("hunter2")));
}

TEST(Site, UserSeesOnlyTheCallsOfItsNumbers) {
  const Site site = site_of(site_with(R"("access": {"desk": ["2001", "22*"], "boss": ["*"]})"));
  const auto call = [](std::string caller, std::string called) {
    CallRecord record;
    record.caller = std::move(caller);
    record.called = std::move(called);
    return record;
  };
  EXPECT_TRUE(may_see(site, "desk", call("0500", "2001")));
  EXPECT_TRUE(may_see(site, "desk", call("2001", "0500")));
  EXPECT_TRUE(may_see(site, "desk", call("0500", "2299")));
  EXPECT_FALSE(may_see(site, "desk", call("0500", "2002")));
  EXPECT_FALSE(may_see(site, "desk", call("0500", "20011")));
  EXPECT_TRUE(may_see(site, "boss", call("0500", "2002")));
  EXPECT_FALSE(may_see(site, "nobody", call("0500", "2001")));
  EXPECT_FALSE(may_see(site, "", call("", "")));
}

constexpr const char* kFlow = R"({"ivr": 1, "id": "help", "start": "a", "nodes": {
  "a": {"type": "decision", "kind": "time", "calendar": "desk", "open": "b", "closed": "b"},
  "b": {"type": "hangup"}}})";

TEST(Site, TakesAFlowThatUsesItsCalendar) {
  Site site = site_of(site_with(
      R"("calendars": {"desk": {"time_zone": "UTC", "hours": {}}}, "extensions": {"1": "a.json"})"));
  ASSERT_TRUE(add_flow(site, "a.json", kFlow).ok());
  EXPECT_EQ(site.flows[0].id, "help");
  EXPECT_EQ(site.flows[0].digest.size(), 64u);
  EXPECT_EQ(add_flow(site, "b.json", kFlow).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(add_flow(site, "a.json", "{}").code(), absl::StatusCode::kInvalidArgument);
  Site without = site_of(site_with(R"("extensions": {"1": "a.json"})"));
  EXPECT_THAT(std::string(add_flow(without, "a.json", kFlow).message()), HasSubstr("no calendar 'desk'"));
}

TEST(Site, IsTheSameInPiecesWhateverItsLayout) {
  const std::string one = site_with(
      R"("agents": {"a": {"name": "A", "score": 1}}, "queues": {"q": {"retry": "1s", "weight": 2}})");
  const std::string two = R"({"queues": {"q": {"weight":2, "retry":"1s"}},
                             "agents": {"a":{"score":1,"name":"A"}}, "site": 1})";
  const auto pieces_of = [](const std::string& json) {
    std::vector<std::string> out;
    const auto documents = site_documents(json, site_of(json));
    EXPECT_TRUE(documents.ok());
    for (const auto& each : *documents) out.push_back(each.kind + " " + each.id + " " + each.json);
    return out;
  };
  EXPECT_EQ(pieces_of(one), pieces_of(two));
  EXPECT_THAT(pieces_of(one), testing::Contains(R"(agent a {"name":"A","score":1})"));
}

// S0-41 and S0-42, as they stand.
TEST(SupportDesk, HasItsFourAgentsAndTwoQueues) {
  const Site site = site_of(read_text(IVR_SOURCE_DIR "/examples/support_desk/site.json"));
  struct Row {
    const char* id;
    Skill skill;
    int capacity;
  };
  const Row rows[] = {{"billing", {"billing", 4}, 2},
                      {"tech1", {"technical", 3}, 3},
                      {"tech2", {"technical", 1}, 2},
                      {"general", {"general", 2}, 2}};
  ASSERT_EQ(site.agents.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(site.agents[i].id, rows[i].id);
    EXPECT_EQ(site.agents[i].skills, (std::vector<Skill>{rows[i].skill})) << rows[i].id;
    EXPECT_EQ(site.agents[i].capacity, (std::map<std::string, int>{{"voice", rows[i].capacity}}))
        << rows[i].id;
  }
  ASSERT_EQ(site.queues.size(), 2u);
  const QueueOptions& tech = site.queues[0];
  EXPECT_EQ(tech.id, "tech");
  EXPECT_EQ(tech.max_size, 50);
  EXPECT_EQ(tech.max_wait, 600s);
  EXPECT_EQ(tech.strategy, "skills_based");
  EXPECT_EQ(tech.required, (SkillExpression{{"technical", 1}}));
  EXPECT_EQ(tech.announce.every, 30s);
  const QueueOptions& general = site.queues[1];
  EXPECT_EQ(general.id, "general");
  EXPECT_EQ(general.max_size, 30);
  EXPECT_EQ(general.max_wait, 300s);
  EXPECT_EQ(general.strategy, "round_robin");
  EXPECT_EQ(general.announce.every, 30s);
  ASSERT_EQ(site.calendars.size(), 1u);
  EXPECT_EQ(site.calendars[0].first, "support");
  ASSERT_EQ(site.extensions.size(), 4u);
  EXPECT_EQ(site.extensions[0].number, "2001");
  EXPECT_EQ(site.extensions[1].number, "*45");
  EXPECT_EQ(site.extensions[0].flow, "../flows/support_desk.json");
  EXPECT_EQ(site.demo_users[0].user, "1001");
  EXPECT_EQ(site.demo_users[0].password, "1001pass");
  for (const AgentOptions& agent : site.agents) {
    EXPECT_TRUE(std::any_of(site.demo_users.begin(), site.demo_users.end(),
                            [&](const auto& user) { return user.user == agent.user; }))
        << agent.id << " can register in the demonstration";
  }
}

// S4-05, and of S4-43 what is the queues'.
TEST(FrontDesk, HasThreeDepartmentsEachWithItsQueueAndAgents) {
  Site site = site_of(read_text(IVR_SOURCE_DIR "/examples/front_desk/site.json"));
  ASSERT_EQ(site.departments.size(), 3u);
  for (const SiteDepartment& department : site.departments) {
    const auto queue = std::find_if(site.queues.begin(), site.queues.end(),
                                    [&](const QueueOptions& q) { return q.id == department.queue; });
    ASSERT_NE(queue, site.queues.end()) << department.id;
    EXPECT_EQ(queue->department, department.id);
    EXPECT_EQ(queue->max_size, 100);
    EXPECT_EQ(queue->max_wait, 10min);
    EXPECT_TRUE(std::any_of(site.agents.begin(), site.agents.end(), [&](const AgentOptions& agent) {
      return agent.department == department.id;
    })) << department.id;
    EXPECT_EQ(department.otherwise, department.id == "reception");
    EXPECT_EQ(department.keywords.empty(), department.otherwise);
  }
  EXPECT_TRUE(site.extensions.back().standby);
  const auto added =
      add_flow(site, "../flows/front_desk.json", read_text(IVR_SOURCE_DIR "/examples/flows/front_desk.json"));
  EXPECT_TRUE(added.ok()) << added;  // its queues are those of the site
}

// ----------------------------------------------------------------------------- docs/site-format.md

// What a queue requires and nobody has, by itself or in an expression, of the queue or of one of its steps.
TEST(Site, WarnsOfSkillsThatNobodyHas) {
  constexpr char kAgents[] = R"q("departments": {"tech": {}, "sales": {}}, "agents": {
      "huda": {"skills": {"french": 3, "billing": 1}, "department": "tech"},
      "omar": {"skills": {"french": 1, "sales": 5, "trainee": 1}, "department": "sales"}}, "queues": {"desk": )q";
  struct Case {
    const char* queue;
    std::vector<const char*> findings;
  };
  const Case kCases[] = {
      {R"q({})q", {}},
      {R"q({"required": ["french", "billing"]})q", {}},
      {R"q({"required": "french >= 2 and (billing or sales) and not trainee"})q", {}},
      {R"q({"required": ["frensh"]})q",
       {"/queues/desk/required: no agent has skill 'frensh'; did you mean 'french'?"}},
      {R"q({"required": {"french": "expert"}})q",
       {"/queues/desk/required: no agent has skill 'french' at level 4 (expert) or above; 'huda' has the "
        "highest, 3 (advanced); ask for a level"}},
      {R"q({"required": "french >= 4 and billling"})q",
       {"no agent has skill 'billling'", "[unreached-level]"}},
      {R"q({"required": "french and (billing >= 2 or german)"})q", {"level 2 (skilled)", "skill 'german'"}},
      {R"q({"required": "french != 4"})q", {}},  // below 4, or 5
      {R"q({"required": "french and not traine"})q",
       {"no agent has skill 'traine'; did you mean 'trainee'?"}},
      {R"q({"required": "french <= 2 and not trainee"})q",
       {"no agent has all of 'french < 3 and not trainee'"}},
      {R"q({"required": "billing and sales"})q",
       {"no agent has all of 'billing and sales'; ask for less, or give one agent all that is missing "
        "[nobody-qualifies]"}},
      // Of those who may serve the queue.
      {R"q({"members": ["huda"], "required": "sales"})q", {"no agent of queue 'desk' has skill 'sales'"}},
      {R"q({"members": ["omar"], "required": {"french": 2}})q",
       {"no agent of queue 'desk' has skill 'french' at level 2 (skilled) or above; 'omar' has the highest, "
        "1"}},
      {R"q({"members": ["huda"], "required": "french and not trainee"})q", {}},
      {R"q({"department": "tech", "required": {"sales": 1}})q",
       {"no agent of department 'tech' has skill 'sales'"}},
      {R"q({"steps": [{"after": "9s"}, {"after": "20s", "required": ["greek"]}]})q",
       {"/queues/desk/steps/1/required: no agent has skill 'greek'"}},
  };
  for (const Case& each : kCases) {
    SCOPED_TRACE(each.queue);
    const auto findings = check_site(site_of(site_with(std::string(kAgents) + each.queue + "}")));
    EXPECT_EQ(findings.size(), each.findings.size());
    for (std::size_t i = 0; i < std::min(findings.size(), each.findings.size()); ++i) {
      EXPECT_THAT(to_string(findings[i]), HasSubstr(each.findings[i]));
      EXPECT_EQ(findings[i].severity, Severity::warning);
      EXPECT_NE(findings[i].mend, "");
    }
  }
}

TEST(SiteFormatPage, EveryExampleLoads) {
  int parts = 0;
  for (const std::string& snippet : json_snippets("/docs/site-format.md")) {
    auto json = nlohmann::ordered_json::parse(
        snippet.find("\"site\"") == std::string::npos ? site_with(snippet) : snippet);
    // What a part only mentions is there elsewhere.
    if (!json.contains("departments") && json.contains("queues") && !json.contains("agents")) {
      json["agents"] = {{"omar", nlohmann::ordered_json::object()},
                        {"huda", nlohmann::ordered_json::object()}};
    }
    if (json.contains("departments")) json["queues"]["help"] = nlohmann::ordered_json::object();
    site_of(json.dump());
    ++parts;
  }
  EXPECT_GE(parts, 7);
}

// What a mistake is told to choose from is what the page describes.
TEST(SiteFormatPage, DescribesEveryField) {
  const std::string page = read_text(IVR_SOURCE_DIR "/docs/site-format.md");
  int fields = 0;
  for (const char* part :
       {R"("zzzz": 1)", R"("agents": {"a": {"zzzz": 1}})", R"("queues": {"q": {"zzzz": 1}})",
        R"("queues": {"q": {"tiers": {"zzzz": 1}}})", R"("queues": {"q": {"announce": {"zzzz": 1}}})",
        R"("queues": {"q": {"steps": [{"after": "1s", "zzzz": 1}]}})", R"("departments": {"d": {"zzzz": 1}})",
        R"("extensions": {"1": {"flow": "f", "zzzz": 1}})", R"("lists": {"l": {"callers": [], "zzzz": 1}})",
        R"("callers": {"rate": {"zzzz": 1}})", R"("callers": {"returning": {"zzzz": 1}})"}) {
    const std::string words = refusal_of_site(site_with(part));
    const std::size_t known = words.find("known: ");
    ASSERT_NE(known, std::string::npos) << words;
    std::string list = words.substr(known + 7, words.find("; rename") - known - 7);
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t comma = std::min(list.find(", ", at), list.size());
      const std::string field = list.substr(at, comma - at);
      EXPECT_TRUE(page.find("`" + field + "`") != std::string::npos ||
                  page.find("\"" + field + "\"") != std::string::npos ||
                  page.find("." + field + "`") != std::string::npos)
          << field;
      ++fields;
      at = comma + 2;
    }
  }
  EXPECT_GE(fields, 90);
}

}  // namespace
}  // namespace ivr

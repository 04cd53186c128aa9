#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/router_desk.hpp"

// Who is offered: one rule of "A decision, exactly" in ivr/router.hpp after the other.

namespace ivr {
namespace {

using ::testing::UnorderedElementsAre;

// Whom so many callers are offered to, each served for a second before the next comes.
Strings served(RouterDesk& desk, int callers) {
  Strings agents;
  for (int i = 0; i < callers; ++i) {
    desk.join("c" + std::to_string(i));
    agents.push_back(desk.offer().agent);
    desk.talk(desk.offer(), 1s);
  }
  return agents;
}

TEST(RouterStrategy, EveryNameIsKnownAndChecks) {
  for (const std::string_view name : strategy_names()) {
    EXPECT_TRUE(known_strategy(name));
    EXPECT_TRUE(Router::check(QueueOptions{.id = "q", .strategy = std::string(name)}).ok()) << name;
  }
  EXPECT_FALSE(known_strategy(""));
  EXPECT_FALSE(known_strategy("Longest_Idle"));
}

TEST(RouterStrategy, NamesOfOtherEnginesMeanTheSame) {
  for (const char* name : {"leastrecent", "longest-idle-agent", "longest_idle"}) {
    RouterDesk desk;
    desk.agents({"ann", "bob"});
    desk.queue({.id = "q", .strategy = name, .members = {{"bob"}, {"ann"}}});
    EXPECT_THAT(served(desk, 3), ElementsAre("bob", "ann", "bob")) << name;
  }
}

TEST(RouterStrategy, LongestIdleByPenaltyFirstHoweverLongTheOthersHaveIdled) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .members = {{"ann", 0}, {"bob", 1}}});
  for (int i = 0; i < 3; ++i) {
    desk.join("c" + std::to_string(i));
    EXPECT_EQ(desk.offer().agent, "ann");
    desk.talk(desk.offer(), 1s);
    desk.wait(24h * 20);  // a metric of 10^6 s a penalty would turn over
  }
}

TEST(RouterStrategy, LongestIdleCountsTheCallsOfOtherQueuesIfToldSo) {
  for (const bool shared : {true, false}) {
    RouterDesk desk;
    desk.agents({"ann", "bob"});
    for (const char* id : {"q", "p"}) {
      desk.queue({.id = id, .members = {{"ann"}, {"bob"}}, .wrap_up = 30s, .shared_last_call = shared});
    }
    desk.join("c1", "p");
    desk.talk(desk.offer());  // ann
    desk.join("c2", "q");
    EXPECT_EQ(desk.offer().agent, shared ? "bob" : "ann");  // and the wrap-up is p's alone
  }
}

TEST(RouterStrategy, FewestCallsCountsFromMidnight) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "fewest_calls", .members = {{"ann"}, {"bob"}}});
  EXPECT_THAT(served(desk, 3), ElementsAre("ann", "bob", "ann"));
  EXPECT_EQ(desk.view_agent("ann").calls_taken, 2);
  desk.join("c");
  EXPECT_EQ(desk.offer().agent, "bob");
  desk.talk(desk.offer());
  desk.join("c");
  desk.talk(desk.offer());  // ann: 3 to 2
  desk.wait(24h);
  EXPECT_EQ(desk.view_agent("ann").calls_taken, 0);
  desk.join("c");
  EXPECT_EQ(desk.offer().agent, "ann");
}

TEST(RouterStrategy, LeastTalkTime) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "agent-with-least-talk-time", .members = {{"ann"}, {"bob"}}});
  desk.join("c1");
  desk.talk(desk.offer(), 100s);  // ann
  for (int i = 0; i < 3; ++i) {
    desk.join("c2");
    EXPECT_EQ(desk.offer().agent, "bob");
    desk.talk(desk.offer(), 40s);
  }
  desk.join("c3");
  EXPECT_EQ(desk.offer().agent, "ann");
}

TEST(RouterStrategy, RoundRobinSkipsThoseWhoAreFullAndKeepsAPlaceForEachPenalty) {  // S2-05
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid", "dot"});
  desk.queue({.id = "q", .strategy = "round_robin", .members = {{"ann"}, {"bob"}, {"cid", 1}, {"dot", 1}}});
  desk.join("c1");
  const acd::Offer ann = desk.offer();
  desk.accept(ann);
  EXPECT_THAT(served(desk, 2), ElementsAre("bob", "bob"));
  desk.status("bob", AgentState::on_break);
  EXPECT_THAT(served(desk, 3), ElementsAre("cid", "dot", "cid"));
  desk.end(ann);
  EXPECT_THAT(served(desk, 1), ElementsAre("ann"));
  desk.status("bob", AgentState::available);
  EXPECT_THAT(served(desk, 3), ElementsAre("bob", "ann", "bob"));
}

TEST(RouterStrategy, RoundRobinsOfTwoQueuesDoNotDisturbEachOther) {
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  for (const char* id : {"q", "p"}) {
    desk.queue({.id = id, .strategy = "rrmemory", .members = {{"ann"}, {"bob"}, {"cid"}}});
  }
  Strings q, p;
  for (int i = 0; i < 4; ++i) {
    desk.join("c", "q");
    q.push_back(desk.offer().agent);
    desk.talk(desk.offer());
    desk.join("c", "p");
    p.push_back(desk.offer().agent);
    desk.talk(desk.offer());
  }
  EXPECT_THAT(q, ElementsAre("ann", "bob", "cid", "ann"));
  EXPECT_EQ(p, q);
}

TEST(RouterStrategy, ARoundGoesOnWhenItsLastAgentIsTakenOffTheList) {
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid", "dot"});
  desk.queue({.id = "q", .strategy = "round_robin", .members = {{"ann"}, {"bob"}, {"cid"}, {"dot"}}});
  EXPECT_THAT(served(desk, 2), ElementsAre("ann", "bob"));
  desk.queue({.id = "q", .strategy = "round_robin", .members = {{"ann"}, {"cid"}, {"dot"}}});
  EXPECT_THAT(served(desk, 2), ElementsAre("cid", "dot"));
}

TEST(RouterStrategy, LookingDoesNotChangeWhatIsDecided) {
  for (const bool look : {false, true}) {
    RouterDesk desk;
    desk.agents({"ann", "bob", "cid", "dot"});
    desk.queue({.id = "q", .strategy = "round_robin"});
    EXPECT_THAT(served(desk, 2), ElementsAre("ann", "bob"));
    desk.happen(acd::AgentRemoved{"bob"});
    if (look) {
      EXPECT_EQ(desk.view().agents_logged_in, 3);
      EXPECT_FALSE(desk.router.save().empty());
    }
    desk.agent({.id = "bob"});
    EXPECT_THAT(served(desk, 2), ElementsAre("cid", "dot"));
  }
}

TEST(RouterStrategy, TopDownGoesOnWhenTheLastAgentIsOnABreak) {
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q", .strategy = "top-down", .members = {{"ann"}, {"bob"}, {"cid"}}, .retry = 0ms});
  desk.status("cid", AgentState::on_break);
  desk.join("c");
  EXPECT_EQ(desk.offer().agent, "ann");
  desk.refuse(desk.offer());
  EXPECT_EQ(desk.offer().agent, "bob");
  desk.refuse(desk.offer());
  EXPECT_EQ(desk.offer().agent, "ann");
}

TEST(RouterStrategy, SkillsBasedTakesTheBestOfThoseWhoHaveAll) {  // S0-15
  RouterDesk desk;
  desk.agent({.id = "ann", .skills = {{"fr", 5}}});
  desk.agent({.id = "bob", .skills = {{"fr", 2}, {"tech", 2}}});
  desk.agent({.id = "cid", .skills = {{"fr", 1}, {"tech", 4}}});
  desk.agent({.id = "dot", .skills = {{"fr", 2}, {"tech", 0}}});
  desk.queue({.id = "q",
              .strategy = "skills_based",
              .members = {{"ann"}, {"bob"}, {"cid"}, {"dot"}},
              .required = {{"tech", 1}}});
  desk.join({.call = "c1", .queue = "q", .required = {{"fr", 1}}});
  EXPECT_EQ(desk.offer().agent, "cid");
  desk.join({.call = "c2", .queue = "q", .required = {{"fr", 2}}});
  EXPECT_EQ(desk.offer().agent, "bob");
  desk.join({.call = "c3", .queue = "q", .required = {{"fr", 2}}});
  EXPECT_THAT(desk.offered(), IsEmpty());
}

TEST(RouterStrategy, P_29_SkillsBasedCountsTheBestPartOfAnOr) {
  const auto asks = [](const char* text) { return *SkillExpression::parse(text); };
  RouterDesk desk({.seed = 1, .explain_limit = 8});
  desk.agent({.id = "ann", .skills = {{"billing", 2}, {"fr", 2}, {"sales", 2}}});
  desk.agent({.id = "bob", .skills = {{"billing", 3}, {"fr", 2}}});
  desk.agent({.id = "eve", .skills = {{"fr", 5}}});
  desk.agent({.id = "joe", .skills = {{"billing", 5}, {"fr", 5}, {"trainee", 1}}});
  desk.queue(
      {.id = "q", .strategy = "skills_based", .required = asks("fr >= 2 and (billing or sales or support)")});
  desk.join({.call = "c1", .queue = "q", .required = asks("not trainee and (sales or billing >= 1)")});
  EXPECT_EQ(desk.offer().agent, "bob") << "with 8; ann has 2 + 2 + 2, and no second 2";
  ASSERT_EQ(desk.got<acd::Decided>().size(), 1u);
  const acd::Decided decided = desk.got<acd::Decided>().front();
  EXPECT_EQ(decided.required,
            "fr >= 2 and not trainee and (billing or sales) and (billing or sales or support)");
  EXPECT_EQ(decided.candidates[0].metric, "level 8");
  for (const auto& candidate : decided.candidates)
    EXPECT_EQ(candidate.why == Unavailable::unskilled, candidate.agent == "joe") << candidate.agent;
  desk.join({.call = "c2", .queue = "q", .required = asks("not trainee")});
  EXPECT_EQ(desk.offer().agent, "ann");
  desk.join("c3");
  EXPECT_EQ(desk.offer().agent, "joe");
  desk.join("c4");
  EXPECT_THAT(desk.offered(), IsEmpty()) << "eve can neither, and is no member";
}

TEST(RouterStrategy, PreferredSkillsComeFirstUntilTheyAreDropped) {
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.agent({.id = "bob", .skills = {{"fr", 1}}});
  desk.queue({.id = "q",
              .strategy = "sequential",
              .members = {{"ann"}, {"bob"}},
              .preferred = {{"fr", 1}},
              .steps = {{.after = 10s, .drop_preferred = true}}});
  desk.join("c1");
  EXPECT_EQ(desk.offer().agent, "bob");
  desk.refuse(desk.offer());
  desk.wait(10s);
  EXPECT_EQ(desk.offer().agent, "ann");  // bob was tried
  desk.refuse(desk.offer());
  desk.wait(1s);
  EXPECT_EQ(desk.offer().agent, "ann");  // a new round, in which French counts no more
}

TEST(RouterStrategy, LoadBalancedComparesShares) {  // S0-16
  RouterDesk desk;
  desk.agent({.id = "ann", .capacity = {{"voice", 2}}});
  desk.agent({.id = "bob", .capacity = {{"voice", 4}}});
  desk.queue({.id = "q", .strategy = "load_balanced", .members = {{"ann"}, {"bob"}}});
  Strings agents;
  for (int i = 0; i < 6; ++i) {
    desk.join("c" + std::to_string(i));
    agents.push_back(desk.offer().agent);
    desk.accept(desk.offer());
  }
  EXPECT_THAT(agents, ElementsAre("ann", "bob", "bob", "ann", "bob", "bob"));
}

TEST(RouterStrategy, LeastBusyComparesCalls) {  // S2-06
  RouterDesk desk;
  desk.agent({.id = "ann", .capacity = {{"voice", 2}}});
  desk.agent({.id = "bob", .capacity = {{"voice", 4}}});
  desk.queue({.id = "q", .strategy = "least_busy", .members = {{"ann"}, {"bob"}}});
  Strings agents;
  for (int i = 0; i < 6; ++i) {
    desk.join("c" + std::to_string(i));
    agents.push_back(desk.offer().agent);
    desk.accept(desk.offer());
  }
  EXPECT_THAT(agents, ElementsAre("ann", "bob", "ann", "bob", "bob", "bob"));
}

TEST(RouterStrategy, PriorityTakesTheHigherScore) {  // S2-07
  RouterDesk desk;
  desk.agent({.id = "ann"});
  desk.agent({.id = "bob", .score = 150});
  desk.agent({.id = "cid", .score = 50});
  desk.queue({.id = "q", .strategy = "priority"});
  Strings agents;
  for (int i = 0; i < 3; ++i) {
    desk.join("c" + std::to_string(i));
    agents.push_back(desk.offer().agent);
  }
  EXPECT_THAT(agents, ElementsAre("bob", "ann", "cid"));
}

TEST(RouterStrategy, RandomIsUniformWithinAPenaltyAndTheSeedDecides) {
  std::map<std::string, int> counts;
  std::vector<Strings> runs;
  for (int run = 0; run < 2; ++run) {
    RouterDesk desk({.seed = 7, .explain_limit = 0});
    desk.agents({"ann", "bob", "cid", "dot"});
    desk.queue({.id = "q", .strategy = "random", .members = {{"ann"}, {"bob"}, {"cid"}, {"dot", 1}}});
    runs.push_back(served(desk, 3000));
  }
  for (const std::string& agent : runs[0]) ++counts[agent];
  EXPECT_EQ(counts.size(), 3u);
  for (const auto& [agent, n] : counts) EXPECT_NEAR(n, 1000, 4 * 26) << agent;  // four standard deviations
  EXPECT_EQ(runs[0], runs[1]);
}

TEST(RouterStrategy, WeightedRandomDrawsLongerStrawsForPenalties) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "wrandom", .members = {{"ann", 0}, {"bob", 1}}});
  int ann = 0;
  for (const std::string& agent : served(desk, 4000)) ann += agent == "ann";
  EXPECT_NEAR(ann, 3000, 4 * 28);  // P(u < 2v) = 3/4
}

TEST(RouterStrategy, RingAllRingsOnePenaltyAndTheFirstAnswerWins) {
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q", .strategy = "ringall", .members = {{"ann"}, {"bob"}, {"cid", 1}}});
  desk.join("c1");
  ASSERT_THAT(desk.offered(), ElementsAre("c1>ann", "c1>bob"));
  const auto offers = desk.got<acd::Offer>();
  desk.accept(offers[1]);
  ASSERT_THAT(desk.got<acd::Withdraw>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Withdraw>()[0].offer, offers[0].offer);
  EXPECT_EQ(desk.got<acd::Withdraw>()[0].why, "answered elsewhere");
  EXPECT_EQ(desk.got<acd::Connect>().at(0).agent, "bob");
  desk.accept(offers[0]);  // in the same millisecond
  EXPECT_THAT(desk.out, IsEmpty());
  EXPECT_EQ(desk.view_agent("ann").misses, 0);
  desk.join("c2");
  EXPECT_THAT(desk.offered(), ElementsAre("c2>ann"));
}

TEST(RouterStrategy, RingAllGoesOnWhileAnyoneRings) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "ring-all", .members = {{"ann"}, {"bob"}}});
  desk.join("c1");
  const auto offers = desk.got<acd::Offer>();
  desk.refuse(offers[0]);
  desk.wait(5s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.refuse(offers[1]);
  desk.wait(1s);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann", "c1>bob"));
}

TEST(RouterStrategy, RingProgressivelyAddsOneMoreEachTime) {
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q",
              .strategy = "ring_progressively",
              .members = {{"ann"}, {"bob"}, {"cid"}},
              .ring_limit = 60s});
  desk.join("c1");
  ASSERT_THAT(desk.offered(), ElementsAre("c1>ann"));
  const acd::Offer ann = desk.offer();
  desk.wait(10s);
  ASSERT_THAT(desk.offered(), ElementsAre("c1>bob"));
  const acd::Offer bob = desk.offer();
  desk.refuse(ann);
  desk.wait(10s);
  ASSERT_THAT(desk.offered(), ElementsAre("c1>cid"));
  desk.wait(10s);
  EXPECT_THAT(desk.offered(), IsEmpty());  // ann said no to this ring
  desk.accept(bob);
  EXPECT_THAT(desk.got<acd::Withdraw>(), SizeIs(1));
  EXPECT_EQ(desk.got<acd::Connect>().at(0).agent, "bob");
}

TEST(RouterStrategy, PenaltyWindowsMoveWithTheWait) {  // P-15
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q",
              .members = {{"ann", 0}, {"bob", 3}, {"cid", 5}},
              .steps = {{.after = 0ms, .max_penalty = 0},
                        {.after = 30s, .max_penalty = 3},
                        {.after = 60s, .min_penalty = 4, .max_penalty = 9}}});
  desk.status("ann", AgentState::on_break);
  desk.join("c1");
  desk.join("c2");
  desk.wait(29s);
  EXPECT_THAT(desk.all.size() > 0 ? desk.offered() : Strings{}, IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>bob"));
  desk.accept(desk.offer());
  desk.wait(29s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>cid"));
}

TEST(RouterStrategy, RaisedPenaltiesAreOneLevel) {
  RouterDesk desk;
  desk.agents({"ann", "bob", "cid"});
  desk.queue({.id = "q",
              .members = {{"ann", 0}, {"bob", 1}, {"cid", 2}},
              .steps = {{.after = 0ms, .raise_penalty = 1}}});
  EXPECT_THAT(served(desk, 3), ElementsAre("ann", "bob", "ann"));  // by idleness, not by penalty; not cid
}

TEST(RouterStrategy, TiersOpenOneAfterTheOtherAndEmptyOnesCostNothing) {  // P-16
  for (const bool multiply : {false, true}) {
    RouterDesk desk;
    desk.agents({"ann", "bob", "cid", "dot"});
    desk.queue({.id = "q",
                .members = {{"ann", 1}, {"bob", 2}, {"cid", 3}, {"dot", 4}},
                .tiers = {.apply = true, .wait = 10s, .multiply_by_level = multiply}});
    desk.status("ann", AgentState::on_break);  // logged in, so the tier counts
    desk.status("bob", AgentState::offline);   // the tier does not
    desk.status("cid", AgentState::on_break);
    desk.join("c1");
    desk.wait(9s);
    EXPECT_THAT(desk.offered(), IsEmpty());
    desk.wait(1s);
    EXPECT_THAT(desk.offered(), multiply ? Strings{} : Strings{"c1>dot"});
    desk.wait(10s);
    EXPECT_THAT(desk.offered(), multiply ? Strings{"c1>dot"} : Strings{});
  }
}

TEST(RouterStrategy, ATierOpensWhenTheOneBeforeItLogsOut) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .members = {{"ann", 1}, {"bob", 2}}, .tiers = {.apply = true, .wait = 60s}});
  desk.status("ann", AgentState::on_break);
  desk.join("c1");
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.status("ann", AgentState::offline);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>bob"));
}

TEST(RouterStrategy, BullseyeRingsWiden) {  // P-29
  RouterDesk desk;
  desk.agent({.id = "ann", .skills = {{"tech", 5}}}, false);
  desk.agent({.id = "bob", .skills = {{"tech", 2}}});
  desk.agent({.id = "cid"});
  desk.queue({.id = "q",
              .required = {{"tech", 4}},
              .steps = {{.after = 20s, .required = {{{"tech", 2}}}},
                        {.after = 40s, .required = SkillExpression()}}});
  desk.join("c1");
  desk.join("c2");
  desk.wait(19s);
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(1s);
  EXPECT_THAT(desk.offered(), ElementsAre("c1>bob"));
  desk.accept(desk.offer());
  desk.wait(20s);
  EXPECT_THAT(desk.offered(), ElementsAre("c2>cid"));
}

TEST(RouterStrategy, TheCallersOwnAgentComesFirstWhileItCanBeOffered) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .strategy = "sequential", .members = {{"ann"}, {"bob"}}, .retry = 0ms});
  desk.join({.call = "c1", .queue = "q", .agent = "bob"});
  EXPECT_THAT(desk.offered(), ElementsAre("c1>bob"));
  desk.refuse(desk.offer());
  EXPECT_THAT(desk.offered(), ElementsAre("c1>ann"));
  desk.accept(desk.offer());
  desk.join({.call = "c2", .queue = "q", .agent = "ann"});
  EXPECT_THAT(desk.offered(), ElementsAre("c2>bob"));
}

TEST(RouterStrategy, ADirectCallerWaitsForThatAgentAlone) {
  RouterDesk desk;
  desk.agents({"ann", "bob"});
  desk.queue({.id = "q", .members = {{"ann"}}, .max_wait = 60s});
  desk.join({.call = "c1", .queue = "q", .agent = "bob", .direct = true});  // not even a member
  ASSERT_THAT(desk.offered(), ElementsAre("c1>bob"));
  desk.accept(desk.offer());
  desk.join({.call = "c2", .queue = "q", .agent = "bob", .direct = true});
  EXPECT_THAT(desk.offered(), IsEmpty());
  desk.wait(60s);
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::timeout);
  desk.join({.call = "c3", .queue = "q", .agent = "nobody", .direct = true});
  EXPECT_EQ(desk.got<acd::Left>().at(0).exit, acd::Exit::unavailable);
}

TEST(RouterStrategy, EveryOfferSaysWhoCouldHaveBeenOfferedAndWhyNot) {
  RouterDesk desk({.seed = 1, .explain_limit = 16});
  desk.agents({"ann", "bob", "cid", "dot"});
  desk.agent({.id = "eve", .skills = {{"fr", 1}}});
  desk.queue({.id = "q",
              .members = {{"ann"}, {"bob"}, {"cid"}, {"dot", 5}, {"eve"}, {"zoe"}},
              .steps = {{.after = 0ms, .max_penalty = 1}}});
  desk.status("ann", AgentState::on_break);
  desk.join("c1");
  desk.talk(desk.offer());  // bob
  desk.wait(30s);
  desk.join("c2");
  const auto decided = desk.got<acd::Decided>();
  ASSERT_THAT(decided, SizeIs(1));
  Strings lines;
  for (const auto& c : decided[0].candidates) {
    lines.push_back(c.agent + " " + std::string(to_string(c.why)) + " " + std::to_string(c.rank) + " " +
                    c.metric);
  }
  EXPECT_THAT(lines, ElementsAre("cid none 1 no call yet", "eve none 2 no call yet", "bob none 3 idle 30 s",
                                 "ann paused 0 no call yet", "zoe unknown 0 no call yet",
                                 "dot penalty 0 no call yet"));
  EXPECT_EQ(decided[0].strategy, "longest_idle");
  EXPECT_EQ(decided[0].others, 0);
  ASSERT_TRUE(std::holds_alternative<acd::Decided>(desk.out.at(1)));  // Joined, Decided, Offer
  EXPECT_TRUE(std::holds_alternative<acd::Offer>(desk.out.at(2)));
}

TEST(RouterStrategy, ExplainingSaysWhatWillBeDecidedAlsoByLot) {
  RouterDesk desk({.seed = 3, .explain_limit = 2});
  desk.agents({"ann", "bob", "cid", "dot"});
  desk.queue({.id = "q", .strategy = "random", .retry = 0ms});
  for (int i = 0; i < 50; ++i) {
    desk.join("c");
    ASSERT_EQ(desk.got<acd::Decided>().at(0).candidates.size(), 2u);
    EXPECT_EQ(desk.got<acd::Decided>()[0].others, 2);
    const auto why = desk.router.explain("c", desk.now);
    ASSERT_TRUE(why);
    EXPECT_EQ(why->candidates.size(), 4u);
    EXPECT_EQ(why->others, 0);
    desk.refuse(desk.offer());
    // Whoever refused counts as tried by now, which explain() could not know; of the rest it draws the same.
    const auto next = desk.router.explain("c", desk.now);
    ASSERT_TRUE(next);
    desk.refuse(desk.offer());
    desk.hang_up("c");
  }
}

}  // namespace
}  // namespace ivr

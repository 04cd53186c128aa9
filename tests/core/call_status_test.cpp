#include "ivr/call_status.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace ivr {
namespace {

std::vector<CallPhase> phases() {
  std::vector<CallPhase> all;
  for (int i = 0; i < kCallPhases; ++i) all.push_back(static_cast<CallPhase>(i));
  return all;
}

// S2-56 and S4-17: each of their names is somebody's, and nothing is without a name.
TEST(CallStatus, EveryPhaseHasANameInEachVocabularyAndEveryNameAPhase) {
  std::set<std::string_view> names, api, desk;
  for (const CallPhase phase : phases()) {
    names.insert(to_string(phase));
    api.insert(api_status(phase));
    desk.insert(desk_status(phase));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kCallPhases));
  EXPECT_EQ(api, (std::set<std::string_view>{"QUEUED", "RINGING", "IN_PROGRESS", "COMPLETED", "FAILED",
                                             "BUSY", "NO_ANSWER", "CANCELLED"}));
  EXPECT_EQ(desk, (std::set<std::string_view>{"Initiated", "IVR Processing", "In Queue", "In Progress",
                                              "Transferred", "Completed", "Abandoned", "Failed"}));
  std::set<std::string_view> agent_api, agent_desk;
  for (const AgentState state : {AgentState::available, AgentState::on_call, AgentState::wrap_up,
                                 AgentState::on_break, AgentState::offline}) {
    agent_api.insert(api_status(state));
    agent_desk.insert(desk_status(state));
  }
  EXPECT_EQ(agent_api, (std::set<std::string_view>{"AVAILABLE", "ON_CALL", "BREAK", "OFFLINE"}));
  EXPECT_EQ(agent_desk, (std::set<std::string_view>{"Available", "Busy", "On Break", "Offline"}));
  EXPECT_EQ(api_direction(Direction::inbound), "INBOUND");
  EXPECT_EQ(api_direction(Direction::outbound), "OUTBOUND");
}

// The order that the other vocabulary promises: a status never goes back to one of an earlier rank.
TEST(CallStatus, WhatMayFollowKeepsTheOrderOfBothVocabularies) {
  const std::map<std::string_view, int> rank = {
      {"QUEUED", 0},      {"RINGING", 1},        {"IN_PROGRESS", 2}, {"COMPLETED", 3},
      {"FAILED", 3},      {"BUSY", 3},           {"NO_ANSWER", 3},   {"CANCELLED", 3},
      {"Initiated", 0},   {"IVR Processing", 1}, {"In Queue", 1},    {"In Progress", 1},
      {"Transferred", 1}, {"Completed", 2},      {"Abandoned", 2},   {"Failed", 2}};
  for (const CallPhase from : phases()) {
    EXPECT_FALSE(may_follow(from, from));
    EXPECT_FALSE(may_follow(from, CallPhase::initiated)) << "nothing begins twice";
    for (const CallPhase to : phases()) {
      if (!may_follow(from, to)) continue;
      EXPECT_FALSE(ended(from));
      EXPECT_LE(rank.at(api_status(from)), rank.at(api_status(to))) << to_string(from) << to_string(to);
      EXPECT_LE(rank.at(desk_status(from)), rank.at(desk_status(to))) << to_string(from) << to_string(to);
    }
  }
}

TEST(CallStatus, EveryPhaseIsReachedAndLeadsToAnEnd) {
  std::set<CallPhase> reached = {CallPhase::initiated};
  for (int turn = 0; turn < kCallPhases; ++turn) {
    for (const CallPhase from : phases()) {
      for (const CallPhase to : phases()) {
        if (reached.contains(from) && may_follow(from, to)) reached.insert(to);
      }
    }
  }
  EXPECT_EQ(reached.size(), static_cast<std::size_t>(kCallPhases));
  for (const CallPhase from : phases()) {
    bool ends = ended(from);
    for (const CallPhase to : phases()) ends = ends || (may_follow(from, to) && ended(to));
    EXPECT_TRUE(ends) << to_string(from);
  }
}

// S2-04: status order is legal whatever order events come in; late ones are ignored.
TEST(CallStatus, LateAndRepeatedEventsChangeNothing) {
  CallProgress call;
  EXPECT_TRUE(call.advance(CallPhase::ringing));
  EXPECT_TRUE(call.advance(CallPhase::ivr));
  EXPECT_FALSE(call.advance(CallPhase::ringing)) << "a late 180";
  EXPECT_FALSE(call.advance(CallPhase::ivr));
  EXPECT_TRUE(call.advance(CallPhase::queued));
  EXPECT_TRUE(call.advance(CallPhase::abandoned));
  EXPECT_FALSE(call.advance(CallPhase::talking)) << "an agent who answers when the caller has gone";
  EXPECT_EQ(call.phase(), CallPhase::abandoned);

  std::mt19937 random(7);
  for (int run = 0; run < 1000; ++run) {
    CallProgress any;
    bool over = false;
    for (int i = 0; i < 50; ++i) {
      const bool moved = any.advance(static_cast<CallPhase>(random() % kCallPhases));
      EXPECT_FALSE(over && moved);
      over = ended(any.phase());
    }
  }
}

TEST(CallStatus, ARecordHasAPhase) {
  CallRecord record;
  EXPECT_EQ(phase_of(record), CallPhase::initiated);
  record.status = "in_progress";
  record.answered = Time{1s};
  EXPECT_EQ(phase_of(record), CallPhase::ivr);
  for (const auto& [status, phase] : {std::pair{"completed", CallPhase::completed},
                                      {"abandoned", CallPhase::abandoned},
                                      {"failed", CallPhase::failed}}) {
    record.status = status;
    EXPECT_EQ(phase_of(record), phase);
  }
  record.answered = {};
  record.cause = "busy";
  EXPECT_EQ(phase_of(record), CallPhase::busy);
  record.cause = "no_answer";
  EXPECT_EQ(phase_of(record), CallPhase::no_answer);
  record.status = "abandoned";
  EXPECT_EQ(phase_of(record), CallPhase::cancelled);
}

}  // namespace
}  // namespace ivr

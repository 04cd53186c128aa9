#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "ivr/flow.hpp"

// Documents as large as the language allows, with a defect at every node: what is done once for the document
// must not be done once for each of them. (With a search a finding each of these took minutes, and
// gigabytes.)

namespace ivr {
namespace {

// The most is 10,000: IVR_LARGE_NODES=10000. Without optimisation what a node costs by itself is too much for
// every day.
const int kLargeNodes = [] {
  const char* given = std::getenv("IVR_LARGE_NODES");
  return given != nullptr ? std::atoi(given) : 1500;
}();

std::string large_flow(const std::string& nodes, const std::string& start) {
  return R"({"ivr": 1, "id": "large", "start": ")" + start + R"(", "on_error": "end", "nodes": {)" + nodes +
         R"("end": {"type": "hangup"}}})";
}

std::string named(int i) { return "n" + std::to_string(i); }
std::string next_of(int i) { return i + 1 < kLargeNodes - 1 ? named(i + 1) : "end"; }

// How many there are of a rule; each of them within what is promised.
int found_in(const std::string& json, const std::string& rule) {
  int found = 0, with_call = 0;
  for (const Finding& f : Flow::check(json)) {
    found += f.rule == rule ? 1 : 0;
    with_call += f.call.empty() ? 0 : 1;
    EXPECT_LE(f.call.size(), 100u);
    EXPECT_LT(f.message.size(), 1000u);
  }
  EXPECT_GT(with_call, 0) << rule;
  EXPECT_LE(with_call, 1000) << rule;
  EXPECT_FALSE(Flow::load(json).ok());
  return found;
}

TEST(LargeFlow, EveryNodeOfAChainHasAFieldTooMany) {
  std::string nodes;
  for (int i = 0; i < kLargeNodes - 1; ++i)
    nodes += "\"" + named(i) + R"(": {"type": "wait", "duration": "1s", "nxt": 1, "next": ")" + next_of(i) +
             "\"},";
  EXPECT_EQ(found_in(large_flow(nodes, named(0)), "unknown-field"), kLargeNodes - 1);
}

TEST(LargeFlow, EveryNodeReadsAVariableOfItsOwnThatOneWaySets) {
  std::string nodes;
  for (int i = 0; i < kLargeNodes - 1; ++i) {
    const std::string x = "\"x" + std::to_string(i) + "\"", to = next_of(i);
    nodes += "\"" + named(i) + R"(": {"type": "gather", "into": )" + x + R"(, "say": "{{x)" +
             std::to_string(i) + R"(}}", "next": ")" + to + R"(", "invalid": ")" + to +
             R"(", "no_input": ")" + to + "\"},";
  }
  EXPECT_EQ(found_in(large_flow(nodes, named(0)), "unset-variable"), kLargeNodes - 1);
}

TEST(LargeFlow, EveryExitLeadsToANodeThatIsNotThere) {
  std::string nodes, cases;
  for (int i = 0; i < kLargeNodes - 2; ++i) {
    cases += std::string(i ? "," : "") + R"({"if": "now.minute > )" + std::to_string(i) + R"(", "next": ")" +
             named(i) + "\"}";
    nodes += "\"" + named(i) + R"(": {"type": "play", "say": "x", "next": "elsewhere)" + std::to_string(i) +
             "\"},";
  }
  nodes += R"("all": {"type": "decision", "cases": [)" + cases + R"(], "else": "end"},)";
  EXPECT_EQ(found_in(large_flow(nodes, "all"), "unknown-target"), kLargeNodes - 2);
}

TEST(LargeFlow, ThousandsOfLoopsSpin) {
  std::string nodes, cases;
  const int kPairs = kLargeNodes / 2 - 1;
  for (int i = 0; i < kPairs; ++i) {
    cases += std::string(i ? "," : "") + R"({"if": "call.caller == ')" + std::to_string(i) +
             R"('", "next": ")" + named(2 * i) + "\"}";
    nodes += "\"" + named(2 * i) + R"(": {"type": "play", "say": "x", "next": ")" + named(2 * i + 1) + "\"},";
    nodes += "\"" + named(2 * i + 1) + R"(": {"type": "wait", "duration": "1s", "next": ")" + named(2 * i) +
             "\"},";
  }
  nodes += R"("all": {"type": "decision", "cases": [)" + cases + R"(], "else": "end"},)";
  EXPECT_EQ(found_in(large_flow(nodes, "all"), "endless-loop"), kPairs);
}

// One loop of decisions that all count, each way round: proven, or refused, within a bounded effort.
TEST(LargeFlow, OneLoopOfThousandsOfCountersIsDecided) {
  std::string nodes;
  const int kCounters = kLargeNodes / 2 - 1;
  for (int i = 0; i < kCounters; ++i) {
    const std::string count = "c" + std::to_string(i), n = "n" + std::to_string(i);
    nodes +=
        "\"" + count + R"(": {"type": "set", "set": {"v": {"expression": "v + 1"}}, "next": ")" + n + "\"},";
    nodes += "\"" + n + R"(": {"type": "decision", "cases": [{"if": "v >= )" + std::to_string(i) +
             R"(", "next": "end"}], "else": "c)" + std::to_string((i + 1) % kCounters) + "\"},";
  }
  std::string json = large_flow(nodes, "c0");
  json.insert(1, R"("variables": {"v": 0}, )");
  EXPECT_TRUE(Flow::load(json).ok());
}

}  // namespace
}  // namespace ivr

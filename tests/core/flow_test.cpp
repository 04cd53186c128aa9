#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/flow_caller.hpp"

// The document itself: export, digest, counts and drawings. Its checks are in flow_check_test.cpp.

namespace ivr {
namespace {

using testing::HasSubstr;

TEST(Flow, S3_03_AnExportedFlowIsTheSameFlow) {
  const auto first = Flow::load(flow_of(kMenu));
  ASSERT_TRUE(first.ok());
  const auto second = Flow::load((*first)->to_json());
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*first)->digest(), (*second)->digest());
  EXPECT_EQ((*first)->to_json(), (*second)->to_json());
  EXPECT_EQ((*first)->digest().size(), 64u);
}

TEST(Flow, TheDigestMindsWhatIsSaidAndNotHowItIsWritten) {
  const auto digest = [](const std::string& json) { return (*Flow::load(json))->digest(); };
  const std::string a =
      R"({"ivr": 1, "id": "t", "start": "a", "nodes": {"a": {"type": "hangup", "reason": "x"}}})";
  const std::string b =
      R"({ "nodes": {"a": {"reason": "x", "type": "hangup"}}, "start": "a", "id": "t", "ivr": 1 })";
  const std::string c =
      R"({"ivr": 1, "id": "t", "start": "a", "nodes": {"a": {"type": "hangup", "reason": "y"}}})";
  EXPECT_EQ(digest(a), digest(b));
  EXPECT_NE(digest(a), digest(c));
}

TEST(Flow, TheDigestMindsTheOrderInWhichVariablesAreSet) {
  const auto digest = [](const std::string& values) {
    const auto flow =
        Flow::load(R"({"ivr": 1, "id": "t", "start": "a", "variables": {"x": 1, "y": 2}, "nodes": {
      "a": {"type": "set", "set": {)" +
                   values + R"(}, "next": "b"}, "b": {"type": "hangup"}}})");
    EXPECT_TRUE(flow.ok()) << flow.status();
    return flow.ok() ? (*flow)->digest() : "";
  };
  const std::string x = R"("x": {"expression": "y + 1"})", y = R"("y": {"expression": "x + 1"})";
  EXPECT_NE(digest(x + ", " + y), digest(y + ", " + x));
  EXPECT_EQ(digest(x + ", " + y), digest(R"("x": {"expression":"y + 1"},  )" + y));
}

TEST(Flow, CountsNodesAndConnections) {
  const auto f = Flow::load(flow_of(kMenu));
  EXPECT_EQ((*f)->nodes(), 6u);
  EXPECT_EQ((*f)->connections(), 7u) << "five keys, invalid, no_input; on_error is no exit of a node";
  EXPECT_EQ((*f)->id(), "t");
}

TEST(Flow, S0_11_TheSupportDeskProfileHasExactlyTenNodeTypes) {
  std::vector<std::string> names;
  for (const FlowNodeType& t : flow_node_types()) {
    if (t.profile == "S0") names.emplace_back(t.name);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("welcome", "play", "menu", "queue", "transfer", "record",
                                                   "decision", "gather", "api", "hangup"));
}

TEST(Flow, DrawsItself) {
  const auto f = Flow::load(flow_of(kMenu));
  EXPECT_THAT((*f)->to_dot(), HasSubstr("digraph \"t\""));
  EXPECT_THAT((*f)->to_dot(), HasSubstr("n0 -> n1 [label=\"1\"]"));
  EXPECT_THAT((*f)->to_dot(), HasSubstr("n0 -> n5 [label=\"error\", style=dashed"));
  EXPECT_THAT((*f)->to_mermaid(), HasSubstr("n0 -->|\"#\"| n1"));
}

}  // namespace
}  // namespace ivr

#include "ivr/call_walk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logged_flow.hpp"

namespace ivr {
namespace {

const std::string kPinFlow = R"({"ivr": 1, "id": "t", "start": "pin", "on_error": "bye", "nodes": {
  "pin": {"type": "gather", "say": "Your PIN.", "into": "pin", "min": 4, "max": 4, "sensitive": true, "tries": 2,
          "next": "lookup", "invalid": "bye", "no_input": "bye"},
  "lookup": {"type": "api", "url": "http://h/balance", "map": {"balance": "/b"}, "next": "say",
             "error": "bye"},
  "say": {"type": "play", "say": "You have {{balance}}.", "next": "bye"},
  "bye": {"type": "hangup", "say": "Goodbye."}}})";

LoggedFlow pin_call() {
  LoggedFlow call(kPinFlow);
  call.played();
  call.silence();
  call.press("4711");
  call.reply(200, R"({"b": 12})");
  call.played();
  call.played();
  return call;
}

TEST(CallWalk, S3_49_ShowsACallNodeByNode) {
  const LoggedFlow call = pin_call();
  const auto nodes = walk(call.entries);
  std::string all;
  for (const WalkNode& node : nodes) all += describe(node, call.entries.front().at) + "\n";
  EXPECT_EQ(all, R"(    +0.000 s  pin (gather) -> retry after 11.000 s
              said     "Your PIN."
   +11.000 s  pin (gather, visit 2) -> next after 1.200 s
              said     "Your PIN."
              pressed  ????
              set      pin = ***
   +12.200 s  lookup (api) -> next after 0.050 s
              asked    GET http://h/balance
              came     reply 200, 9 bytes
              set      balance = 12
   +12.250 s  say (play) -> next after 1.000 s
              said     "You have 12."
   +13.250 s  bye (hangup) -> hangup after 1.000 s
              said     "Goodbye."
              asked    drop, normal
)");
  EXPECT_THAT(variables_after({nodes.data(), 2}), testing::ElementsAre(testing::Pair("pin", "***")));
  EXPECT_THAT(variables_after(nodes),
              testing::ElementsAre(testing::Pair("balance", "12"), testing::Pair("pin", "***")));
}

TEST(CallWalk, ALogThatEndsEarlySaysSoAndOneOfNoFlowHasNoNodes) {
  LoggedFlow call = pin_call();
  const auto nodes = walk({call.entries.data(), 3});
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].exit, "");
  EXPECT_THAT(describe(nodes[0], call.entries.front().at), testing::HasSubstr("pin (gather) and no further"));
  EXPECT_TRUE(walk({call.entries.data(), 1}).empty());
  EXPECT_TRUE(walk({}).empty());
}

}  // namespace
}  // namespace ivr

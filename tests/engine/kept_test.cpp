// What an earlier run has kept and cannot be read: it is told, and everything else is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "core/registrar.hpp"
#include "engine/engines.hpp"
#include "ivr/number_masking.hpp"
#include "ivr/store.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Kept : public EnginesTest {
 protected:
  Kept() : EnginesTest(52'000) {}
};

TEST_F(Kept, AnUnreadableDocumentIsToldAndDisturbsNoOther) {
  const std::string database = (folder / "ivr.db").string();
  const Time now = std::chrono::floor<Micros>(std::chrono::system_clock::now());
  const auto registered = [now](const std::string& user) {
    return document_of(sip::Registered{
        user, {{"sip:" + user + "@127.0.0.1:9", {"127.0.0.1", 9}, now + 600s, 1, "sip:x@y", "", "id", 1}}});
  };
  {
    auto store = open_store(database, StoreAccess::write);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->begin().ok());
    for (const StoredDocument& each :
         {registered("ann"), StoredDocument{kRegistrationKind, "bob", R"([{"uri": "sip:bob@)"},
          registered("cat"), registered("gone"), StoredDocument{kMaskingKind, "one two", "{}"}})
      ASSERT_TRUE((*store)->put_document(each).ok());
    ASSERT_TRUE((*store)->commit().ok());
  }
  EngineOptions options;
  options.database = database;
  options.masking_numbers = {"+49800"};
  for (const char* user : {"ann", "bob", "cat"}) {
    options.sip.users.push_back({user, "pass"});
    AgentOptions agent;
    agent.id = agent.user = user;
    options.agents.push_back(agent);
  }
  Engine& engine = start(options);
  for (const char* user : {"ann", "bob", "cat"})
    ASSERT_TRUE(engine.set_agent_state(user, AgentState::available).ok());
  const auto agents = engine.agents();
  ASSERT_TRUE(agents.ok()) << agents.status();
  std::vector<std::string> unreachable;
  for (const Router::AgentView& agent : *agents)
    if (agent.unavailable == Unavailable::unreachable) unreachable.push_back(agent.id);
  EXPECT_THAT(unreachable, ElementsAre("bob"));

  engine.stop(0ms);
  std::vector<EngineEvent::Unreadable> told;
  while (const auto event = engine.next_event(0ms)) {
    if (const auto* one = std::get_if<EngineEvent::Unreadable>(&event->what)) told.push_back(*one);
  }
  ASSERT_EQ(told.size(), 2u);  // who has no account any more is not: that is how it was taken away
  EXPECT_EQ(told[0].kind, "registration");
  EXPECT_EQ(told[0].name, "bob");
  EXPECT_THAT(told[0].why, HasSubstr("registration of bob: expected a list of contacts"));
  EXPECT_EQ(told[1].kind, "masking");
  EXPECT_EQ(told[1].name, "one two");

  auto store = open_store(database, StoreAccess::read);
  ASSERT_TRUE(store.ok()) << store.status();
  std::vector<std::string> left;
  const auto kept = (*store)->documents(kRegistrationKind);
  ASSERT_TRUE(kept.ok()) << kept.status();
  for (const StoredDocument& each : *kept) left.push_back(each.id);
  EXPECT_THAT(left, ElementsAre("ann", "cat"));
}

}  // namespace
}  // namespace ivr

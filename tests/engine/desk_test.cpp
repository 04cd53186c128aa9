// A whole desk on 127.0.0.1: a server with agents and queues, agents' telephones and callers, each an engine
// with real SIP and RTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "engine/engines.hpp"
#include "ivr/router_history.hpp"
#include "ivr/store.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;

// Does one thing after the other, whatever comes of it, and stays on the line at the end if it is to.
class Does final : public Script {
 public:
  explicit Does(std::vector<Intent> intents) : intents_(std::move(intents)) {}
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    if (std::holds_alternative<outcome::Ended>(outcome)) return;
    if (std::holds_alternative<outcome::QueueNews>(outcome)) --next_;
    out.intent.push_back(next_ < intents_.size() ? intents_[next_++] : Intent(intent::Hangup{}));
  }

 private:
  std::vector<Intent> intents_;
  std::size_t next_ = 0;
};

auto does(std::vector<Intent> intents) {
  return [intents](const CallInfo&) { return std::make_unique<Does>(intents); };
}

Prompts tone(std::string name, Millis length) {
  return {{Prompt::Kind::tone, std::move(name), "", "", length}};
}

class DeskTest : public EnginesTest {
 protected:
  DeskTest() : EnginesTest(40'000) {}

  static std::string uri(Engine& engine, const std::string& user) { return "sip:" + user + "@" + at(engine); }
  // An agent's telephone that answers at once and does as it is told.
  Engine& telephone(std::vector<Intent> intents) {
    EngineOptions options;
    options.routes.push_back({.extension = "*", .script = does(std::move(intents))});
    return start(std::move(options));
  }
  Engine& desk(std::vector<AgentOptions> agents, QueueOptions queue, intent::Queue want,
               std::function<void(EngineOptions&)> change = {}) {
    EngineOptions options;
    options.agents = std::move(agents);
    queue.id = want.queue = "desk";
    options.queues = {std::move(queue)};
    options.database = (folder / "ivr.db").string();
    options.routes.push_back({.extension = "2001", .script = does({std::move(want)})});
    if (change) change(options);
    Engine& server = start(std::move(options));
    const auto there = server.agents();
    for (const auto& agent : *there)
      EXPECT_TRUE(server.set_agent_state(agent.id, AgentState::available).ok());
    return server;
  }
  std::string call(Engine& from, Engine& server, std::vector<Intent> intents) {
    auto id = from.originate(
        {.uri = uri(server, "2001"), .from_uri = "sip:caller@127.0.0.1", .script = does(std::move(intents))});
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or("");
  }
  // Waits for an event that `found` takes.
  template <class F>
  std::optional<EngineEvent> await(Engine& engine, F found) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < limit) {
      auto event = engine.next_event(200ms);
      if (event && found(*event)) return event;
    }
    ADD_FAILURE() << "did not come within 30 s";
    return std::nullopt;
  }
  template <class Command>
  Command routed(Engine& engine) {
    Command command;
    await(engine, [&](const EngineEvent& e) {
      const auto* r = std::get_if<EngineEvent::Routed>(&e.what);
      const auto* c = r == nullptr ? nullptr : std::get_if<Command>(&r->what);
      if (c != nullptr) command = *c;
      return c != nullptr;
    });
    return command;
  }
  EngineEvent::CallEnded ended(Engine& engine, Direction direction) {
    const auto event = await(engine, [&](const EngineEvent& e) {
      const auto* end = std::get_if<EngineEvent::CallEnded>(&e.what);
      return end != nullptr && end->record.direction == direction;
    });
    return event ? std::get<EngineEvent::CallEnded>(event->what) : EngineEvent::CallEnded{};
  }
};

TEST_F(DeskTest, ACallerWaitsIsServedAndBothAreHeardAndRecorded) {
  Engine& phone = telephone({intent::Play{tone("ringback", 2s), 1, BargeIn::none}, intent::Wait{500ms}});
  Engine& server = desk({{.id = "ann", .uri = uri(phone, "ann")}}, {}, {.record = true});
  Engine& caller = start({});
  call(caller, server, {intent::Play{tone("ringback", 2s), 1, BargeIn::none}, intent::Wait{60s}});
  const auto record = ended(server, Direction::inbound).record;
  EXPECT_EQ(record.status, "completed");
  EXPECT_EQ(record.queue, "desk");
  EXPECT_EQ(record.agent, "ann");
  EXPECT_GT(record.talked, 2s);
  EXPECT_FALSE(record.recording.empty());
  EXPECT_TRUE(std::filesystem::exists(record.recording));
  EXPECT_GT(ended(phone, Direction::inbound).media.voice_samples, 7'000);
  EXPECT_GT(ended(caller, Direction::outbound).media.voice_samples, 7'000);
}

TEST_F(DeskTest, AnAgentWhoDoesNotPressTheKeyDoesNotGetTheCaller) {
  Engine& silent = telephone({intent::Wait{60s}});
  Engine& willing = telephone({intent::Listen{10s, true}, intent::SendDigits{"1"}, intent::Wait{1s}});
  Engine& server =
      desk({{.id = "ann", .uri = uri(silent, "ann")}, {.id = "bob", .uri = uri(willing, "bob")}},
           {.strategy = "sequential", .members = {{"ann"}, {"bob"}}, .ring_limit = 2s, .once = true},
           {.whisper = tone("beep", 0ms), .accept_keys = "1"});
  Engine& caller = start({});
  call(caller, server, {intent::Wait{60s}});
  const auto connect = routed<acd::Connect>(server);
  EXPECT_EQ(connect.agent, "bob");
  EXPECT_THAT(connect.tried, ElementsAre("ann"));
  const auto record = ended(server, Direction::inbound).record;
  EXPECT_EQ(record.agent, "bob");
  EXPECT_EQ(record.tried, "[\"ann\"]");

  // Why ann, and then bob? The log run again comes to the same choices.
  server.stop(0ms);
  auto store = open_store((folder / "ivr.db").string(), StoreAccess::read);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto why = explain_call(**store, record.id);
  ASSERT_TRUE(why.ok()) << why.status();
  EXPECT_EQ(why->differs_at, -1) << why->logged << "\n" << why->again;
  ASSERT_GE(why->decisions.size(), 2u);
  EXPECT_THAT(why->decisions.front().offered, ElementsAre("ann"));
  EXPECT_THAT(why->decisions.back().offered, ElementsAre("bob"));
}

TEST_F(DeskTest, OfAllWhoRingOneHasTheCallerAndTheOthersAreLetGo) {
  std::vector<AgentOptions> agents;
  std::vector<Engine*> phones;
  for (const std::string id : {"ann", "bob", "cat"}) {
    phones.push_back(&telephone({intent::Wait{60s}}));
    agents.push_back({.id = id, .uri = uri(*phones.back(), id)});
  }
  Engine& server = desk(agents, {.strategy = "ringall"}, {});
  Engine& caller = start({});
  call(caller, server, {intent::Wait{2s}});
  const auto connect = routed<acd::Connect>(server);
  ended(server, Direction::inbound);
  int served = 0;
  for (Engine* phone : phones) {
    const auto end = ended(*phone, Direction::inbound);
    served += end.record.answered != Time{} && end.record.ended - end.record.answered > 1s;
  }
  EXPECT_EQ(served, 1) << connect.agent;
}

TEST_F(DeskTest, ASupervisorHearsBothAndIsHeardWhenHeWants) {
  Engine& phone = telephone({intent::Wait{60s}});
  Engine& server = desk({{.id = "ann", .uri = uri(phone, "ann")}}, {}, {});
  Engine& caller = start({});
  Engine& supervisor = telephone({intent::Listen{10s}, intent::SendDigits{"6"}, intent::Wait{300ms},
                                  intent::Play{tone("ringback", 2s), 1, BargeIn::none}});
  const std::string id =
      call(caller, server,
           {intent::Wait{1s}, intent::Play{tone("busy", 20s), 1, BargeIn::none}, intent::Wait{60s}});
  const auto connect = routed<acd::Connect>(server);
  const auto watching = server.supervise(connect.call, uri(supervisor, "boss"), Supervision::listen);
  ASSERT_TRUE(watching.ok()) << watching.status();
  EXPECT_GT(ended(supervisor, Direction::inbound).media.voice_samples, 4'000);  // the caller's tone
  ASSERT_TRUE(caller.hang_up(id, "done").ok());
  EXPECT_GT(ended(caller, Direction::outbound).media.voice_samples, 7'000);  // the supervisor's
  EXPECT_FALSE(server.supervise("nobody", uri(supervisor, "boss"), Supervision::listen).ok());
}

TEST_F(DeskTest, TheDeskIsWhatItWasAfterARestart) {
  Engine& phone = telephone({intent::Wait{500ms}});
  const std::vector<AgentOptions> agents = {{.id = "ann", .uri = uri(phone, "ann")},
                                            {.id = "bob", .uri = uri(phone, "bob")}};
  const QueueOptions queue{.strategy = "round_robin", .members = {{"ann"}, {"bob"}}};
  Engine* server = &desk(agents, queue, {});
  Engine& caller = start({});
  call(caller, *server, {intent::Wait{60s}});
  EXPECT_EQ(routed<acd::Connect>(*server).agent, "ann");
  ended(*server, Direction::inbound);
  ASSERT_TRUE(server->set_agent_state("ann", AgentState::on_break, "lunch").ok());
  server->stop(0ms);
  server = &desk({}, {}, {}, [&](EngineOptions& o) {
    o.agents = agents;
    o.queues[0] = queue;
    o.queues[0].id = "desk";
  });
  EXPECT_EQ(server->agents()->size(), 2u);
  call(caller, *server, {intent::Wait{60s}});
  EXPECT_EQ(routed<acd::Connect>(*server).agent, "bob");
}

// A log without a snapshot would begin with a router of the usual options.
TEST_F(DeskTest, TheRoutersOwnOptionsOutliveIt) {
  const auto explained = [this](Engine& server, Engine& caller) {
    const auto id = caller.originate({.uri = uri(server, "2001"), .script = does({intent::Wait{60s}})});
    EXPECT_TRUE(id.ok());
    return routed<acd::Decided>(server).candidates.size();
  };
  const auto only_one = [](EngineOptions& options) { options.router = {.seed = 7, .explain_limit = 1}; };
  const std::vector<AgentOptions> agents = {{.id = "ann", .uri = "sip:ann@127.0.0.1:9"},
                                            {.id = "bob", .uri = "sip:bob@127.0.0.1:9"}};
  Engine& caller = start({});
  Engine* server = &desk(agents, {}, {}, only_one);
  EXPECT_EQ(explained(*server, caller), 1u);
  server->stop(0ms);
  auto store = open_store((folder / "ivr.db").string(), StoreAccess::read);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto first = (*store)->router_snapshot(0);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Router({.seed = 7, .explain_limit = 1}).save(), first->json) << "before the first step";
  server = &desk(agents, {}, {});
  EXPECT_EQ(explained(*server, caller), 1u);
}

TEST_F(DeskTest, MaskedPairsOutliveTheProgramUntilTheirTimeIsOver) {  // P-86, S2-16
  const auto masks = [](EngineOptions& options) { options.masking_numbers = {"800", "801"}; };
  Engine* server = &desk({}, {}, {}, masks);
  EXPECT_EQ(*server->mask("x", "y", 1h), "800");
  EXPECT_EQ(*server->mask("0501", "0502", 1h), "801");
  server->stop(0ms);
  server = &desk({}, {}, {}, masks);
  EXPECT_EQ(*server->mask("0502", "0501", 1ms), "801") << "the number that they know";
  server->stop(0ms);
  server = &desk({}, {}, {}, masks);
  server->stop(0ms);
  auto store = open_store((folder / "ivr.db").string(), StoreAccess::read);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ((*store)->documents("masking")->size(), 1u) << "whose time is over is forgotten";
}

// Whoever is told a number reaches the other by it, though the program dies in the next moment. The calls do
// not wait for the disk.
TEST_F(DeskTest, AMaskedPairIsOnDiskWhenItIsTold) {  // P-86, S2-16
  Engine& server = desk({}, {}, {}, [](EngineOptions& options) { options.masking_numbers = {"800"}; });
  auto store = open_store((folder / "ivr.db").string(), StoreAccess::read);
  ASSERT_TRUE(store.ok()) << store.status();
  for (std::size_t i = 1; i <= 20; ++i) {
    const std::string pair = std::to_string(i);
    ASSERT_EQ(*server.mask("a" + pair, "b" + pair, 1h), "800");
    ASSERT_EQ((*store)->documents("masking")->size(), i);
  }

  auto other = open_store((folder / "ivr.db").string(), StoreAccess::write);
  ASSERT_TRUE(other.ok()) << other.status();
  ASSERT_TRUE((*other)->begin().ok());  // the database is locked now
  auto masked = std::async(std::launch::async, [&server] { return server.mask("x", "y", 1h); });
  for (int i = 0; i < 100'000 && server.stats().records_waiting == 0; ++i) ASSERT_TRUE(server.agents().ok());
  ASSERT_GT(server.stats().records_waiting, 0u);
  ASSERT_NE(masked.wait_for(0ms), std::future_status::ready) << "told before it is kept";
  (*other)->rollback();
  const auto number = masked.get();
  ASSERT_TRUE(number.ok()) << number.status();
  EXPECT_EQ((*store)->documents("masking")->size(), 21u);
}

TEST_F(DeskTest, WhoCannotBeDoneSomethingToIsNamed) {
  Engine& server = desk({{.id = "ann", .uri = "sip:ann@127.0.0.1:9"}}, {}, {});
  EXPECT_THAT(std::string(server.set_agent_state("zoe", AgentState::available).message()),
              testing::HasSubstr("'zoe'"));
  EXPECT_TRUE(absl::IsNotFound(server.hold("c1", true)));
  EXPECT_TRUE(absl::IsNotFound(server.mute("c1", true)));
  EXPECT_TRUE(absl::IsNotFound(server.transfer("c1", "sip:x@127.0.0.1")));
  EXPECT_TRUE(absl::IsNotFound(server.explain("c1").status()));
}

}  // namespace
}  // namespace ivr

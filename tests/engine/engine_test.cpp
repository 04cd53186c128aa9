// Real SIP and RTP between two engines on 127.0.0.1.
#include "ivr/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>

#include "engine/no_media.hpp"
#include "ivr/event_log.hpp"
#include "ivr/store.hpp"

namespace ivr {
namespace {

namespace fs = std::filesystem;

// What a script does is written in the test itself.
struct Told : Script {
  using Step = std::function<std::optional<Intent>(const Outcome&)>;
  explicit Told(Step s) : step_(std::move(s)) {}
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    auto intent = step_(outcome);
    if (std::holds_alternative<outcome::Ended>(outcome)) return;
    out.intent.push_back(intent ? *std::move(intent) : Intent(intent::Hangup{}));
  }
  Step step_;
};

// Plays a list of intents and keeps the outcomes, which the engine's thread writes.
class Log {
 public:
  void add(const Outcome& outcome) {
    {
      const std::lock_guard lock(mutex_);
      outcomes_.push_back(outcome);
    }
    added_.notify_all();
  }
  // The first of its kind, or nothing when it does not come.
  template <class T>
  std::optional<T> first() {
    std::optional<T> found;
    std::unique_lock lock(mutex_);
    added_.wait_for(lock, 10s, [&] {
      for (const auto& o : outcomes_) {
        if (const T* x = std::get_if<T>(&o); x != nullptr && !found) found = *x;
      }
      return found.has_value();
    });
    return found;
  }
  std::vector<Outcome> all() {
    const std::lock_guard lock(mutex_);
    return outcomes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable added_;
  std::vector<Outcome> outcomes_;
};

std::function<std::unique_ptr<Script>(const CallInfo&)> list(std::vector<Intent> intents,
                                                             std::shared_ptr<Log> log) {
  return [intents, log](const CallInfo&) {
    auto at = std::make_shared<std::size_t>(0);
    return std::make_unique<Told>([intents, log, at](const Outcome& outcome) -> std::optional<Intent> {
      log->add(outcome);
      return *at < intents.size() ? std::optional<Intent>(intents[(*at)++]) : std::nullopt;
    });
  };
}

Prompt tone_prompt(std::string name, Millis length = 0ms) {
  return {Prompt::Kind::tone, std::move(name), "", "", length};
}

class EngineTest : public testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("ivr-engine-" + std::to_string(getpid()) + "-" +
                                          testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override {
    if (server) server->stop(0ms);
    if (peer) peer->stop(0ms);
    fs::remove_all(folder);
  }
  EngineOptions options(int ports_from) const {
    EngineOptions o;
    o.sip.port = 0;
    o.media.port_min = static_cast<std::uint16_t>(ports_from);
    o.media.port_max = static_cast<std::uint16_t>(ports_from + 3999);
    o.media.threads = 1;
    o.stream.measure_voice = true;
    o.recordings = (folder / "recordings").string();
    o.prompts = folder.string();
    return o;
  }
  void serve(std::vector<Intent> intents, std::function<void(EngineOptions&)> change = {}) {
    auto o = options(24000);
    o.database = (folder / "ivr.db").string();
    o.narrate = true;
    o.routes.push_back({.extension = "2001", .script = list(std::move(intents), heard)});
    if (change) change(o);
    auto made = Engine::create(std::move(o));
    ASSERT_TRUE(made.ok()) << made.status();
    server = *std::move(made);
    const auto started = server->start();
    ASSERT_TRUE(started.ok()) << started;
  }
  // Calls the server and waits for the end of the call on both sides.
  EngineEvent::CallEnded call(std::vector<Intent> intents, std::function<void(EngineOptions&)> change = {},
                              std::string extension = "2001") {
    auto o = options(28000);
    if (change) change(o);
    auto made = Engine::create(std::move(o));
    EXPECT_TRUE(made.ok());
    peer = *std::move(made);
    EXPECT_TRUE(peer->start().ok());
    const auto id = peer->originate(
        {.uri = "sip:" + extension + "@127.0.0.1:" + std::to_string(server->sip_address().port),
         .script = list(std::move(intents), robot)});
    EXPECT_TRUE(id.ok());
    return end_of(*peer);
  }
  EngineEvent::CallEnded end_of(Engine& engine) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < limit) {
      const auto event = engine.next_event(200ms);
      if (!event) continue;
      all.push_back(*event);
      if (const auto* ended = std::get_if<EngineEvent::CallEnded>(&event->what)) return *ended;
    }
    ADD_FAILURE() << "the call did not end within 30 s";
    return {};
  }

  fs::path folder;
  std::unique_ptr<Engine> server, peer;
  std::shared_ptr<Log> heard = std::make_shared<Log>(), robot = std::make_shared<Log>();
  std::vector<EngineEvent> all;
};

TEST_F(EngineTest, ACallIsAnsweredHearsAPromptAndIsHungUp) {
  serve({intent::Play{{tone_prompt("beep"), tone_prompt("beep")}}});
  const auto ended = call({intent::Listen{5s}, intent::Wait{60s}});
  ASSERT_TRUE(robot->first<outcome::Listened>());
  EXPECT_TRUE(robot->first<outcome::Listened>()->voice);
  EXPECT_EQ(ended.record.cause, "caller");  // the far side, from where the robot stands
  EXPECT_GT(ended.media.voice_samples, 8 * 500);
  const auto record = end_of(*server).record;
  EXPECT_EQ(record.status, "completed");
  EXPECT_EQ(record.cause, "script");
  EXPECT_EQ(record.called, "2001");
}

TEST_F(EngineTest, KeysArriveOnceEachInOrderByRfc4733) {
  serve({intent::Collect{.max = 20, .first_timeout = 10s, .digit_timeout = 5s}});
  call({intent::SendDigits{"0123456789*ABCD#"}, intent::Wait{60s}});
  ASSERT_TRUE(heard->first<outcome::Collected>());
  EXPECT_EQ(heard->first<outcome::Collected>()->digits, "0123456789*ABCD");
}

TEST_F(EngineTest, KeysArriveOnceEachInOrderAsTones) {
  serve({intent::Collect{.max = 20, .first_timeout = 10s, .digit_timeout = 5s}});
  call({intent::SendDigits{"0123456789*ABCD#"}, intent::Wait{60s}},
       [](EngineOptions& o) { o.telephone_event = false; });
  ASSERT_TRUE(heard->first<outcome::Collected>());
  EXPECT_EQ(heard->first<outcome::Collected>()->digits, "0123456789*ABCD");
}

TEST_F(EngineTest, ADigitStopsThePromptThatLoopsForEver) {
  serve({intent::Play{{tone_prompt("ringback")}, 0}, intent::Collect{}});
  call({intent::Listen{5s}, intent::SendDigits{"7"}, intent::Wait{60s}});
  ASSERT_TRUE(heard->first<outcome::Played>());
  EXPECT_EQ(heard->first<outcome::Played>()->end, outcome::PlayEnd::interrupted);
  EXPECT_GT(heard->first<outcome::Played>()->heard, 0ms);
  ASSERT_TRUE(heard->first<outcome::Collected>());
  EXPECT_EQ(heard->first<outcome::Collected>()->digits, "7");
}

TEST_F(EngineTest, P_01_AVoiceStopsThePromptThatLoopsForEver) {
  serve({intent::Play{.prompts = {tone_prompt("beep"), {Prompt::Kind::silence, "", "", "", 500ms}},
                      .loops = 0,
                      .barge_in = BargeIn::speech,
                      .min_speech = 300ms}});
  call({intent::Wait{300ms}, intent::Play{{tone_prompt("ringback", 2000ms)}}, intent::Wait{60s}});
  ASSERT_TRUE(heard->first<outcome::Played>());
  EXPECT_EQ(heard->first<outcome::Played>()->end, outcome::PlayEnd::interrupted);
  EXPECT_GE(heard->first<outcome::Played>()->heard, 300ms);
}

TEST_F(EngineTest, P_38_TheScriptRunsBeforeTheCallIsAnswered) {
  serve({intent::Play{{tone_prompt("beep")}}, intent::Answer{}, intent::Collect{.first_timeout = 10s}},
        [](EngineOptions& o) { o.routes[0].answer_later = true; });
  call({intent::SendDigits{"7"}, intent::Wait{60s}});
  const auto told = heard->all();
  ASSERT_EQ(told.size(), 5u);
  EXPECT_EQ(std::get<outcome::Played>(told[1]).end, outcome::PlayEnd::completed);
  EXPECT_TRUE(std::holds_alternative<outcome::Answered>(told[2]));
  EXPECT_EQ(std::get<outcome::Collected>(told[3]).digits, "7");
  const auto record = end_of(*server).record;
  EXPECT_GE(record.answered - record.started, 150ms);  // the beep came first
}

TEST_F(EngineTest, P_38_ACallIsRefusedWithTheStatusOfTheScript) {
  serve({intent::Hangup{"do not disturb", 603}}, [](EngineOptions& o) { o.routes[0].answer_later = true; });
  const auto ended = call({intent::Wait{60s}});
  EXPECT_EQ(ended.record.status, "abandoned");
  EXPECT_EQ(ended.record.cause, "caller");
  ASSERT_TRUE(robot->first<outcome::Ended>());
  EXPECT_EQ(robot->first<outcome::Ended>()->reason, "do not disturb");
  EXPECT_EQ(end_of(*server).record.answered, Time{});
}

TEST_F(EngineTest, AMessageIsRecordedAndAsLongAsItWas) {
  serve({intent::Record{.beep = true, .max = 30s, .silence = 0s}});
  call({intent::Listen{5s, true}, intent::Play{{tone_prompt("ringback", 2000ms)}}, intent::SendDigits{"#"},
        intent::Wait{60s}});
  const auto recorded = heard->first<outcome::Recorded>();
  ASSERT_TRUE(recorded);
  EXPECT_EQ(recorded->end, outcome::RecordEnd::finish_key);
  EXPECT_TRUE(fs::exists(recorded->file)) << recorded->file;
  EXPECT_NEAR(static_cast<double>(fs::file_size(recorded->file) - 44) / 16,
              static_cast<double>(recorded->length.count()), 20.0);
}

TEST_F(EngineTest, TheRecordAndAllEventsAreKeptWithoutAGapAndReplay) {
  serve({intent::Play{{tone_prompt("beep")}}, intent::Collect{}});
  call({intent::SendDigits{"5"}, intent::Wait{60s}});
  const auto record = end_of(*server).record;
  server->stop(0ms);
  auto store = open_store((folder / "ivr.db").string(), StoreAccess::read);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto kept = (*store)->call(record.id);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->status, "completed");
  EXPECT_NE(kept->answered, Time{});
  const auto events = (*store)->events(record.id);
  ASSERT_TRUE(events.ok());
  std::vector<LogEntry> entries;
  for (const auto& e : *events) entries.push_back(*parse_log_line(e.json));
  const auto again =
      replay(entries, list({intent::Play{{tone_prompt("beep")}}, intent::Collect{}}, robot)(CallInfo{}), {});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->differs_at, -1) << again->logged << "\n" << again->replayed;
  EXPECT_GE(again->steps, 5);
}

// Media that has too much to do already, and is never asked for a stream.
class LateMedia final : public NoMedia {
 public:
  absl::Status start(const MediaOptions&, std::function<void()>) override { return absl::OkStatus(); }
  absl::StatusOr<Address> open(StreamId, const StreamOptions&) override {
    ADD_FAILURE() << "a call was taken";
    return absl::UnavailableError("late");
  }
  std::optional<std::string> overload() const override { return "media is late"; }
};

TEST_F(EngineTest, NewCallsAreRefusedWhileMediaIsLate) {
  auto o = options(20000);
  o.routes.push_back({.extension = "2001", .script = list({intent::Wait{60s}}, heard)});
  EnginePorts ports;
  ports.media = std::make_unique<LateMedia>();
  auto made = Engine::create(std::move(o), std::move(ports));
  ASSERT_TRUE(made.ok()) << made.status();
  server = *std::move(made);
  ASSERT_TRUE(server->start().ok());
  EXPECT_EQ(call({}).record.status, "abandoned");
  const auto event = server->next_event(10s);
  ASSERT_TRUE(event);
  const auto* refused = std::get_if<EngineEvent::CallRefused>(&event->what);
  ASSERT_NE(refused, nullptr);
  EXPECT_EQ(refused->status, 503);
  EXPECT_EQ(refused->reason, "media is late");
  EXPECT_EQ(refused->why, RefusedFor::busy);
  EXPECT_EQ(server->stats().calls, 0);
}

TEST_F(EngineTest, AnUnknownExtensionIs404AndTheLineBeyondTheLimit503) {
  serve({intent::Wait{60s}}, [](EngineOptions& o) { o.limits.calls = 1; });
  EXPECT_EQ(call({}, {}, "9999").record.status, "abandoned");
  const auto uri = "sip:2001@127.0.0.1:" + std::to_string(server->sip_address().port);
  auto quiet = std::make_shared<Log>();
  const auto first = peer->originate({.uri = uri, .script = list({intent::Wait{60s}}, quiet)});
  ASSERT_TRUE(first.ok());
  for (;;) {
    const auto event = peer->next_event(10s);
    ASSERT_TRUE(event);
    if (std::holds_alternative<EngineEvent::CallAnswered>(event->what)) break;
  }
  ASSERT_TRUE(peer->originate({.uri = uri, .script = list({}, quiet)}).ok());
  end_of(*peer);
  int refused_404 = 0, refused_503 = 0;
  while (refused_503 == 0) {
    const auto event = server->next_event(10s);
    ASSERT_TRUE(event) << "the caller knows of the 503 already";
    const auto* refused = std::get_if<EngineEvent::CallRefused>(&event->what);
    refused_404 += refused != nullptr && refused->status == 404;
    refused_503 += refused != nullptr && refused->status == 503;
  }
  EXPECT_EQ(refused_404, 1);
  EXPECT_EQ(refused_503, 1);
  EXPECT_EQ(server->stats().calls, 1);
}

TEST_F(EngineTest, ATransferConnectsBothSidesAndRecordsThem) {
  // The peer is both: it calls 2001, and it answers "desk" where 2001 transfers to.
  auto desk = std::make_shared<Log>();
  auto o = options(28000);
  o.routes.push_back(
      {.extension = "desk", .script = list({intent::Play{{tone_prompt("ringback", 1500ms)}}}, desk)});
  auto made = Engine::create(std::move(o));
  ASSERT_TRUE(made.ok());
  peer = *std::move(made);
  ASSERT_TRUE(peer->start().ok());
  const auto port = [](const Engine& e) { return std::to_string(e.sip_address().port); };
  serve({intent::Transfer{.uri = "sip:desk@127.0.0.1:" + port(*peer), .record = true}});
  const auto id = peer->originate(
      {.uri = "sip:2001@127.0.0.1:" + port(*server), .script = list({intent::Wait{60s}}, robot)});
  ASSERT_TRUE(id.ok());
  end_of(*server);
  const auto transferred = heard->first<outcome::Transferred>();
  ASSERT_TRUE(transferred);
  EXPECT_EQ(transferred->end, outcome::TransferEnd::completed);
  EXPECT_GT(transferred->talk, 1s);
  EXPECT_TRUE(fs::exists(transferred->recording)) << transferred->recording;
}

// RFC 5009: the desk, asked by us, says that it may be heard before it answers. It never does.
TEST_F(EngineTest, P_38_ADeskThatHasNotAnsweredIsHeardWhereItAsksForThat) {
  auto desk = std::make_shared<Log>();
  auto o = options(28000);
  o.routes.push_back({.extension = "desk",
                      .script = list({intent::SendDigits{"7W7W7W7W7"}, intent::Hangup{"busy", 486}}, desk),
                      .answer_later = true});
  auto made = Engine::create(std::move(o));
  ASSERT_TRUE(made.ok());
  peer = *std::move(made);
  ASSERT_TRUE(peer->start().ok());
  const auto port = [](const Engine& e) { return std::to_string(e.sip_address().port); };
  serve({intent::Transfer{.uri = "sip:desk@127.0.0.1:" + port(*peer)}});
  const auto id =
      peer->originate({.uri = "sip:2001@127.0.0.1:" + port(*server),
                       .script = list({intent::Collect{.first_timeout = 25s}, intent::Wait{60s}}, robot)});
  ASSERT_TRUE(id.ok());
  end_of(*server);
  const auto collected = robot->first<outcome::Collected>();
  ASSERT_TRUE(collected);
  EXPECT_EQ(collected->digits, "7") << "the caller of 2001 hears the desk ring back by itself";
  const auto transferred = heard->first<outcome::Transferred>();
  ASSERT_TRUE(transferred);
  EXPECT_EQ(transferred->end, outcome::TransferEnd::busy);
  EXPECT_EQ(transferred->talk, 0ms);
}

TEST_F(EngineTest, StoppingEndsCallsInProgressAndKeepsTheirRecords) {
  serve({intent::Wait{600s}});
  auto o = options(28000);
  auto made = Engine::create(std::move(o));
  ASSERT_TRUE(made.ok());
  peer = *std::move(made);
  ASSERT_TRUE(peer->start().ok());
  ASSERT_TRUE(peer->originate({.uri = "sip:2001@127.0.0.1:" + std::to_string(server->sip_address().port),
                               .script = list({intent::Wait{600s}}, robot)})
                  .ok());
  for (;;) {
    const auto event = server->next_event(10s);
    ASSERT_TRUE(event);
    if (std::holds_alternative<EngineEvent::CallAnswered>(event->what)) break;
  }
  server->stop(0ms);
  EXPECT_EQ(end_of(*peer).record.cause, "caller");
  auto store = open_store((folder / "ivr.db").string(), StoreAccess::read);
  ASSERT_TRUE(store.ok());
  const auto calls = (*store)->calls(10, 0);
  ASSERT_TRUE(calls.ok());
  ASSERT_EQ(calls->size(), 1u);
  EXPECT_EQ(calls->front().cause, "shutting down");
}

}  // namespace
}  // namespace ivr

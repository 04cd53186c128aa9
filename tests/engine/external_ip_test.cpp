// An engine that asks a STUN server for its address. What peers are told of it is in
// tests/system/nat_test.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "engine/engines.hpp"
#include "stun_server.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

class ExternalIp : public EnginesTest {
 protected:
  ExternalIp() : EnginesTest(40'000) {}
};

TEST_F(ExternalIp, P_49_IsWhatTheServerSaysAndFollowsIt) {
  std::atomic<int> address{7};
  stun::FakeServer server(
      [&](int, const stun::Id& id) { return stun::answer_to(id, "203.0.113." + std::to_string(address)); });
  EngineOptions options;
  options.sip.external_ip = options.media.external_ip = server.uri();
  options.external_ip_refresh = 50ms;
  Engine& engine = start(options);
  EXPECT_EQ(engine.stats().external_ip, "203.0.113.7");
  address = 8;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (engine.stats().external_ip != "203.0.113.8" && std::chrono::steady_clock::now() < limit)
    std::this_thread::yield();
  EXPECT_EQ(engine.stats().external_ip, "203.0.113.8");
  EXPECT_EQ(engine.stats().external_ip_error, "");
}

TEST_F(ExternalIp, IsNotAskedForAgainWhereThatIsNotWanted) {
  stun::FakeServer server([](int, const stun::Id& id) { return stun::answer_to(id, "203.0.113.7"); });
  EngineOptions options;
  options.sip.external_ip = server.uri();
  options.external_ip_refresh = 0ms;
  Engine& engine = start(options);
  for (int i = 0; i < 10; ++i) (void)engine.agents();  // each is a turn of the control thread
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(ExternalIp, OneServerIsAskedOnceForSipAndMedia) {
  stun::FakeServer server([](int, const stun::Id& id) { return stun::answer_to(id, "203.0.113.7"); });
  EngineOptions options;
  options.sip.external_ip = options.media.external_ip = server.uri();
  options.external_ip_refresh = 0ms;
  Engine& engine = start(options);
  EXPECT_EQ(engine.stats().external_ip, "203.0.113.7");
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(ExternalIp, AnEngineThatIsNotToldItDoesNotStart) {
  stun::FakeServer server([](int, const stun::Id& id) { return stun::message(0x0101, id, {}); });
  EngineOptions options;
  options.recordings = (folder / "recordings").string();
  options.media.external_ip = server.uri();
  auto engine = Engine::create(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto started = (*engine)->start();
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(started.message(),
            "external_ip: STUN server " + server.uri().substr(5) + ": its answer has no address in it");
  EXPECT_FALSE(std::filesystem::exists(folder / "recordings")) << "it had begun";
}

TEST_F(ExternalIp, WhatNamesNoServerIsRefused) {
  EngineOptions options;
  options.sip.external_ip = "stun:example.net:99999";
  const auto engine = Engine::create(options);
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(engine.status().message()),
              HasSubstr("external_ip 'stun:example.net:99999': the port"));
}

}  // namespace
}  // namespace ivr

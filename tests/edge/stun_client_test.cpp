#include "edge/stun_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "edge/clock.hpp"
#include "stun_server.hpp"

namespace ivr {
namespace {

using stun::Bytes;
using stun::FakeServer;
using stun::Id;
using testing::HasSubstr;

constexpr StunClientOptions kQuick = {.timing = {.rto = 20ms, .requests = 7, .last_wait = 2}, .refresh = 60s};

absl::StatusOr<std::string> ask(const FakeServer& server, const StunClientOptions& options = kQuick) {
  auto client = StunClient::create(server.uri(), "127.0.0.1", options);
  if (!client.ok()) return client.status();
  return client->ask();
}

TEST(StunClient, LearnsTheAddressAtOnce) {
  FakeServer server([](int, const Id& id) { return stun::answer_to(id, "203.0.113.7"); });
  const auto seen = ask(server);
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_EQ(*seen, "203.0.113.7");
  EXPECT_EQ(server.requests(), 1);
}

TEST(StunClient, AsksAgainWhereARequestWasLost) {
  FakeServer server(
      [](int n, const Id& id) { return n == 0 ? Bytes{} : stun::answer_to(id, "203.0.113.7"); });
  EXPECT_EQ(*ask(server), "203.0.113.7");
  EXPECT_GE(server.requests(), 2);
}

TEST(StunClient, WhatIsNoAnswerToItIsNotHeard) {
  // Garbage, an answer to somebody else, and a lie with a wrong seal come before the truth.
  FakeServer server([](int n, const Id& id) -> Bytes {
    switch (n) {
      case 0: return Bytes(100, 'x');
      case 1: return stun::answer_to(Id{}, "198.51.100.1");
      case 2:
        return stun::message(0x0101, id,
                             {{0x0020, stun::hidden_address(id, "198.51.100.2", 1)}, {0x8028, {0, 0, 0, 0}}});
      default: return stun::answer_to(id, "203.0.113.7");
    }
  });
  EXPECT_EQ(*ask(server), "203.0.113.7");
  EXPECT_GE(server.requests(), 4);
}

TEST(StunClient, WhatComesFromElsewhereIsNotHeard) {
  FakeServer server([](int, const Id& id) { return stun::answer_to(id, "198.51.100.1"); });
  server.answer_from_elsewhere(true);
  const auto seen = ask(server, {.timing = {.rto = 10ms, .requests = 3, .last_wait = 3}});
  ASSERT_FALSE(seen.ok());
  EXPECT_EQ(seen.status().code(), absl::StatusCode::kDeadlineExceeded);
  const std::string message(seen.status().message());
  EXPECT_THAT(message,
              HasSubstr("STUN server " + server.uri().substr(5) + ": no answer to 3 requests within "));
  EXPECT_TRUE(message.ends_with(" ms")) << message;  // and nothing is told of what came
}

TEST(StunClient, WhoGivesUpNamesTheServerTheLimitAndWhatCame) {
  FakeServer server([](int, const Id&) { return Bytes(12, 'x'); });
  const auto seen = ask(server, {.timing = {.rto = 50ms, .requests = 2, .last_wait = 6}});
  ASSERT_FALSE(seen.ok());
  EXPECT_THAT(std::string(seen.status().message()),
              HasSubstr(server.uri().substr(5) + ": no answer to 2 requests within "));
  EXPECT_THAT(std::string(seen.status().message()),
              HasSubstr("the last: 12 bytes, fewer than the 20 of a header"));
}

TEST(StunClient, ARefusalAndAnAddressOfAnotherKindAreTold) {
  FakeServer refuses([](int, const Id& id) {
    return stun::message(0x0111, id, {{0x0009, {0, 0, 4, 1, 'N', 'o'}}});
  });
  EXPECT_THAT(std::string(ask(refuses).status().message()), HasSubstr(": it refuses: 401 No"));
  FakeServer other([](int, const Id& id) { return stun::answer_to(id, "2001:db8::1"); });
  EXPECT_THAT(std::string(ask(other).status().message()),
              HasSubstr("it says 2001:db8:0:0:0:0:0:1 to who asked over IPv4"));
}

TEST(StunClient, WhereNobodyListensThatIsToldAtOnce) {
  std::string uri;
  {
    uri = FakeServer([](int, const Id&) { return Bytes{}; }).uri();
  }
  auto client = StunClient::create(uri, "127.0.0.1");  // with the ten seconds that it has in earnest
  ASSERT_TRUE(client.ok()) << client.status();
  const auto seen = client->ask();
  EXPECT_EQ(seen.status(), absl::UnavailableError("STUN server " + uri.substr(5) + ": Connection refused"));
  EXPECT_EQ(client->error(), seen.status().message());
}

TEST(StunClient, RefusesWhatCannotBeAsked) {
  const struct {
    const char* server;
    const char* local;
    const char* message;
  } kCases[] = {
      {"stun:", "127.0.0.1", "'stun:': no server is named; it must be stun:HOST[:PORT]"},
      {"stun:192.0.2.1", "::1", "'::1' is no IPv4 address"},
      {"stun:192.0.2.1", "localhost", "'localhost' is no IPv4 address"},
      {"stun:192.0.2.1", "192.0.2.77", "cannot bind UDP 192.0.2.77"},
      {"stun:[::1]", "127.0.0.1", "STUN server '::1' has no IPv4 address: "},
  };
  for (const auto& c : kCases) {
    const auto client = StunClient::create(c.server, c.local);
    ASSERT_FALSE(client.ok()) << c.server;
    EXPECT_THAT(std::string(client.status().message()), HasSubstr(c.message));
  }
}

TEST(StunClient, GoesOnAskingAndTellsOnlyWhatIsNew) {
  std::atomic<int> address{7};
  std::atomic<bool> silent{false};
  FakeServer server([&](int, const Id& id) {
    return silent ? Bytes{} : stun::answer_to(id, "203.0.113." + std::to_string(address));
  });
  auto client = StunClient::create(server.uri(), "127.0.0.1", kQuick);
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_EQ(*client->ask(), "203.0.113.7");
  const SteadyClock clock;
  Time now = clock.now();
  EXPECT_FALSE(client->poll(now));
  EXPECT_FALSE(client->poll(now + 59s));
  EXPECT_EQ(server.requests(), 1) << "before its time";

  // Polls at a time that the test makes up, until the server has been asked and its answer taken.
  const auto poll_until = [&](const std::function<bool()>& done) -> std::optional<std::string> {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < limit) {
      if (auto changed = client->poll(now)) return changed;
      if (done()) return std::nullopt;
      std::this_thread::yield();
    }
    ADD_FAILURE() << "no end";
    return std::nullopt;
  };
  now += 61s;
  address = 8;
  EXPECT_EQ(poll_until([] { return false; }), "203.0.113.8");

  // The same again: asked, answered, and nothing to tell.
  now += 61s;
  const auto asked = [&, n = server.requests()] { return server.requests() > n; };
  EXPECT_FALSE(poll_until(asked));

  // Silence is told and changes nothing; the next answer is heard again. Time goes on while it is polled.
  silent = true;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (client->error().empty() && std::chrono::steady_clock::now() < limit) {
    now += 5s;
    EXPECT_FALSE(client->poll(now));
  }
  EXPECT_THAT(client->error(), HasSubstr("no answer to 7 requests"));
  silent = false;
  address = 9;
  now += 61s;
  EXPECT_EQ(poll_until([] { return false; }), "203.0.113.9");
  EXPECT_EQ(client->error(), "");
}

}  // namespace
}  // namespace ivr

// Flows on 127.0.0.1 that do more than talk with their caller: an agent's telephone that calls a feature
// code, and a service that is told of each call after it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "engine/engines.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/store.hpp"
#include "loopback.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Waits final : public Script {
 public:
  explicit Waits(Millis duration) : duration_(duration) {}
  void step(const Outcome& outcome, Time, ScriptOutput& out) override {
    if (std::holds_alternative<outcome::Ended>(outcome)) return;
    if (std::holds_alternative<outcome::Started>(outcome)) {
      out.intent.push_back(intent::Wait{duration_});
    } else {
      out.intent.push_back(intent::Hangup{});
    }
  }

 private:
  Millis duration_;
};

// Takes one request a connection, keeps it, and says yes.
class Service {
 public:
  Service() {
    const Listener listener = listen_on_loopback(16);
    listener_ = listener.socket;
    url = "http://127.0.0.1:" + std::to_string(listener.port) + "/calls";
    thread_ = std::thread([this] {
      for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0; close(fd)) serve(fd);
    });
  }
  ~Service() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::vector<std::string> bodies() {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }
  std::string url;

 private:
  void serve(int fd) {
    const timeval limit{5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string got;
    char buffer[4096];
    std::size_t whole = std::string::npos;
    while (got.size() < whole) {
      const ssize_t size = recv(fd, buffer, sizeof buffer, 0);
      if (size <= 0) return;
      got.append(buffer, static_cast<std::size_t>(size));
      const std::size_t head = got.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const std::size_t at = got.find("Content-Length: ");
      whole = head + 4 + (at < head ? std::stoul(got.substr(at + 16)) : 0);
      if (got.size() < whole) continue;
      const std::lock_guard lock(mutex_);
      bodies_.push_back(got.substr(0, 5) + got.substr(head + 4));
    }
    constexpr std::string_view kYes =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\n{\"seen\": 1}";
    send(fd, kYes.data(), kYes.size(), MSG_NOSIGNAL);
  }

  int listener_ = -1;
  std::mutex mutex_;
  std::vector<std::string> bodies_;
  std::thread thread_;
};

class FlowDeskTest : public EnginesTest {
 protected:
  FlowDeskTest() : EnginesTest(46'000) {}

  // Calls, stays for so long at most, and gives the record that the server has of it.
  CallRecord call(Engine& phone, Engine& server, const std::string& extension, const std::string& from,
                  Millis stay = 60s) {
    const auto id = phone.originate(
        {.uri = "sip:" + extension + "@" + at(server), .from_uri = from, .script = [stay](const CallInfo&) {
           return std::make_unique<Waits>(stay);
         }});
    EXPECT_TRUE(id.ok()) << id.status();
    const auto limit = std::chrono::steady_clock::now() + 40s;
    while (std::chrono::steady_clock::now() < limit) {
      const auto event = server.next_event(200ms);
      if (!event) continue;
      if (const auto* end = std::get_if<EngineEvent::CallEnded>(&event->what)) return end->record;
    }
    ADD_FAILURE() << extension << ": no call ended within 40 s";
    return {};
  }
  static std::shared_ptr<const Flow> flow(const std::string& json) {
    auto loaded = Flow::load(json);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.value_or(nullptr);
  }
};

TEST_F(FlowDeskTest, AnAgentLogsInPausesAndLogsOutFromItsOwnTelephone) {
  std::ifstream file(IVR_SOURCE_DIR "/examples/flows/feature_codes.json");
  const auto codes = flow({std::istreambuf_iterator<char>(file), {}});
  ASSERT_NE(codes, nullptr);
  EngineOptions options;
  options.agents = {{.id = "ann", .user = "2101"}, {.id = "bob", .user = "2102"}};
  options.sip.users = {{"2101", "secret"}, {"2102", "other"}};
  options.database = (folder / "ivr.db").string();
  for (const char* extension : {"*45", "*46", "*47"}) options.routes.push_back(*flow_route(extension, codes));
  Engine& server = start(std::move(options));
  EngineOptions of_phone;
  of_phone.auth_user = "2101";
  of_phone.auth_password = "secret";
  Engine& phone = start(std::move(of_phone));
  const std::string me = "sip:2101@" + at(server);
  const auto state = [&](std::size_t i) { return server.agents()->at(i).state; };
  ASSERT_EQ(state(0), AgentState::offline);
  const std::pair<const char*, AgentState> rows[] = {{"*45", AgentState::available},
                                                     {"*46", AgentState::on_break},
                                                     {"*46", AgentState::available},
                                                     {"*47", AgentState::offline}};
  for (const auto& [code, expected] : rows) {
    const CallRecord record = call(phone, server, code, me);
    EXPECT_EQ(record.cause, "script");
    EXPECT_THAT(record.variables, HasSubstr(R"("agent":"ann")"));
    EXPECT_EQ(state(0), expected) << code;
    EXPECT_EQ(state(1), AgentState::offline) << "nobody else's";
  }
  EXPECT_THAT(call(phone, server, "*46", me).path, HasSubstr("refused"))
      << "who is logged out takes no break";
  EXPECT_EQ(state(0), AgentState::offline);

  // A number shown is no proof: this caller says to be 2101 of another place.
  Engine& stranger = start({});
  const CallRecord refused = call(stranger, server, "*45", "sip:2101@10.1.2.3");
  EXPECT_EQ(refused.caller, "2101");
  EXPECT_THAT(refused.path, HasSubstr("refused"));
  EXPECT_EQ(state(0), AgentState::offline);
}

TEST_F(FlowDeskTest, AServiceHearsOfEachCallOnceHoweverItEnds) {
  Service service;
  const auto reported = flow(R"({"ivr": 1, "id": "reported", "start": "wait", "on_hangup": "post",
      "variables": {"url": "", "reported": 0},
      "nodes": {
        "wait": {"type": "wait", "duration": "2s", "next": "bye"},
        "bye": {"type": "hangup", "reason": "enough"},
        "post": {"type": "api", "method": "POST", "url": "{{url}}",
                 "body": {"by": "{{hangup.by}}", "why": "{{hangup.reason}}"},
                 "map": {"reported": "/seen"}, "next": "over", "error": "over"},
        "over": {"type": "hangup"}}})");
  ASSERT_NE(reported, nullptr);
  EngineOptions options;
  options.database = (folder / "ivr.db").string();
  options.routes.push_back(*flow_route("2001", reported, {{"url", "\"" + service.url + "\""}}));
  Engine& server = start(std::move(options));
  Engine& phone = start({});
  const CallRecord left = call(phone, server, "2001", "sip:caller@127.0.0.1", 100ms);
  EXPECT_EQ(left.cause, "caller");
  EXPECT_EQ(left.status, "completed");
  EXPECT_THAT(left.variables, HasSubstr(R"("reported":1)"));
  EXPECT_EQ(left.path, R"(["wait","post","over"])");
  EXPECT_GE(left.ended, left.answered);
  EXPECT_THAT(service.bodies(), ElementsAre(R"(POST {"by":"caller","why":"BYE"})"));
  const CallRecord stayed = call(phone, server, "2001", "sip:caller@127.0.0.1");
  EXPECT_EQ(stayed.cause, "script");
  EXPECT_THAT(stayed.variables, HasSubstr(R"("reported":1)"));
  EXPECT_THAT(service.bodies(),
              ElementsAre(R"(POST {"by":"caller","why":"BYE"})", R"(POST {"by":"script","why":"enough"})"));
  server.stop(0ms);
  auto store = open_store((folder / "ivr.db").string(), StoreAccess::read);
  ASSERT_TRUE(store.ok()) << store.status();
  for (const CallRecord& record : {left, stayed}) {
    const auto events = (*store)->events(record.id);
    ASSERT_TRUE(events.ok()) << events.status();
    std::vector<LogEntry> entries;
    for (const CallEvent& event : *events) entries.push_back(*parse_log_line(event.json));
    const auto again = replay(entries, reported);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->differs_at, -1) << again->logged << "\n" << again->replayed;
  }
}

}  // namespace
}  // namespace ivr

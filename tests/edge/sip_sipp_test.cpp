#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "edge/sip_peer.hpp"
#include "ivr/sdp.hpp"

extern char** environ;

// SIPp, another implementation, as caller and as callee. It ends with 0 when every call went as its scenario
// (tests/edge/sipp) says.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

// One run of SIPp, in a folder of its own.
class Sipp {
 public:
  // `local_port` 0: any.
  Sipp(std::vector<std::string> arguments, const Address& server, std::uint16_t local_port = 0)
      : folder_(testing::TempDir() + "sipp-" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
    arguments.insert(arguments.begin(), "sipp");
    for (const char* each : {"-nostdin", "-nd", "-timeout", "25", "-recv_timeout", "8000", "-i", "127.0.0.1",
                             "-trace_err", "-error_file", "errors"})
      arguments.emplace_back(each);
    if (local_port) arguments.insert(arguments.end(), {"-p", std::to_string(local_port)});
    arguments.push_back("127.0.0.1:" + std::to_string(server.port));
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, (folder_ + "/out").c_str(), 01101, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addchdir_np(&actions, folder_.c_str());
    if (posix_spawnp(&child_, "sipp", &actions, nullptr, argv.data(), environ) != 0) child_ = 0;
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_NE(child_, 0) << "sipp cannot be run";
  }
  ~Sipp() {
    if (child_) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    std::filesystem::remove_all(folder_);
  }
  Sipp(const Sipp&) = delete;
  Sipp& operator=(const Sipp&) = delete;

  // Runs the station until SIPp has ended, and says whether all went as written.
  testing::AssertionResult went_well(Station& station) {
    int status = -1;
    const bool over =
        child_ != 0 && pump(
                           {&station}, [&] { return waitpid(child_, &status, WNOHANG) == child_; }, 30s);
    if (over) child_ = 0;
    if (over && WIFEXITED(status) && WEXITSTATUS(status) == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "SIPp: " << contents("errors") << contents("out");
  }

 private:
  std::string contents(const char* name) const {
    std::stringstream text;
    text << std::ifstream(folder_ + "/" + name).rdbuf();
    return text.str();
  }

  std::string folder_;
  pid_t child_ = 0;
};

std::string scenario(std::string_view name) {
  return IVR_SOURCE_DIR "/tests/edge/sipp/" + std::string(name) + ".xml";
}

// Whether that many calls end and their legs go. SIPp may have left before: its last message still travels.
bool all_ended(Station& station, int calls) {
  return pump({&station}, [&] { return station.count<sip::Ended>() == calls && station->open_legs() == 0; });
}

// A server that answers whatever comes, with a negotiator a leg as the engine has one.
struct Server {
  Station station;
  std::map<LegId, MediaNegotiator> legs;
  int first = 0;  // provisional status; 0: none

  explicit Server(SipOptions options = {.t1 = 100ms, .t1x64 = 6400ms}) : station(options) {
    station.react = [this](const sip::Event& event) {
      if (const auto* invited = std::get_if<sip::Invited>(&event)) {
        legs.emplace(invited->leg, *MediaNegotiator::create({.local = {"127.0.0.1", 9002}}));
        const std::string answer = negotiate(invited->leg, invited->offer);
        if (first) station->ring(invited->leg, first, first == 183 ? std::optional(answer) : std::nullopt);
        station->answer(invited->leg, answer);
      }
      if (const auto* offered = std::get_if<sip::Offered>(&event))
        station->accept_offer(offered->leg, negotiate(offered->leg, offered->offer));
    };
  }
  std::string negotiate(LegId leg, const std::optional<std::string>& offer) {
    const auto agreed = legs.at(leg).answer(offer.value_or(""));
    EXPECT_TRUE(agreed.ok()) << agreed.status();
    return agreed.ok() ? agreed->sdp : "";
  }
};

TEST(SofiaSip, SippsOwnCallerGetsThrough) {
  for (const char* transport : {"u1", "t1"}) {
    SCOPED_TRACE(transport);
    Server server;
    server.first = 180;
    Sipp sipp({"-sn", "uac", "-m", "20", "-r", "200", "-d", "50", "-t", transport},
              server.station->local_address());
    EXPECT_TRUE(sipp.went_well(server.station));
    EXPECT_TRUE(all_ended(server.station, 20));
    EXPECT_TRUE(server.station.in_order());
  }
}

TEST(SofiaSip, SippGoesThroughAllThatMayHappenWithinACall) {
  for (const char* transport : {"u1", "t1"}) {
    SCOPED_TRACE(transport);
    Server server;
    server.first = 183;
    Sipp sipp({"-sf", scenario("within_a_call"), "-m", "5", "-r", "50", "-t", transport},
              server.station->local_address());
    EXPECT_TRUE(sipp.went_well(server.station));
    EXPECT_TRUE(all_ended(server.station, 5));
    EXPECT_EQ(server.station.count<sip::Digit>(), 5);
    EXPECT_EQ(server.station.count<sip::Offered>(), 15);
    EXPECT_TRUE(server.station.in_order());
  }
}

TEST(SofiaSip, SippGivesUpWhileItRings) {
  for (const char* transport : {"u1", "t1"}) {
    SCOPED_TRACE(transport);
    Station server;
    server.react = [&](const sip::Event& event) {
      if (const auto* invited = std::get_if<sip::Invited>(&event))
        server->ring(invited->leg, 180, std::nullopt);
    };
    Sipp sipp({"-sf", scenario("cancelled"), "-m", "5", "-r", "50", "-t", transport},
              server->local_address());
    EXPECT_TRUE(sipp.went_well(server));
    EXPECT_TRUE(all_ended(server, 5));
    EXPECT_EQ(server.last<sip::Ended>()->status, 487);
  }
}

// RFC 4028 as the one who is called. The sessions are short, but no second is: they cannot be shorter.
struct Timed {
  const char* scenario;
  bool expires;
};
class SippTimers : public testing::TestWithParam<Timed> {};

TEST_P(SippTimers, EndWhenNobodyRefreshesAndNotBefore) {
  Server server(short_sessions());
  Sipp sipp({"-sf", scenario(GetParam().scenario), "-m", "2", "-r", "50"}, server.station->local_address());
  EXPECT_TRUE(sipp.went_well(server.station));
  EXPECT_TRUE(all_ended(server.station, 2));
  EXPECT_EQ(server.station.last<sip::Ended>()->reason == "session timer expired", GetParam().expires)
      << server.station.last<sip::Ended>()->reason;
  EXPECT_TRUE(server.station.in_order());
}
INSTANTIATE_TEST_SUITE_P(SofiaSip, SippTimers,
                         testing::Values(Timed{"refreshes", true}, Timed{"is_refreshed", false},
                                         Timed{"is_refreshed_by_invite", false}),
                         [](const auto& each) { return std::string(each.param.scenario); });

// SIPp as the one who is called. Its port is ours to choose; it is taken when it can be bound no more.
struct Callee {
  std::uint16_t port;
  Sipp sipp;

  Callee(std::string_view name, Station& station)
      : port(RawPeer(RawPeer::Kind::udp, station->local_address()).port()),
        sipp({"-sf", scenario(name), "-m", "1"}, station->local_address(), port) {
    EXPECT_TRUE(pump({&station}, [&] { return taken(); }));
  }
  std::string uri() const { return "sip:agent@127.0.0.1:" + std::to_string(port); }

 private:
  bool taken() const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const int probe = socket(AF_INET, SOCK_DGRAM, 0);
    const bool refused = bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0;
    close(probe);
    return refused;
  }
};

TEST(SofiaSip, SippWantsAPasswordRingsReliablyAndIsHeld) {
  Station caller;
  Callee callee("called", caller);
  auto media = *MediaNegotiator::create({.local = {"127.0.0.1", 9000}});
  caller.react = [&](const sip::Event& event) {
    if (const auto* answered = std::get_if<sip::Answered>(&event)) {
      const auto remote = media.accept(answered->sdp);
      ASSERT_TRUE(remote.ok()) << remote.status();
      EXPECT_EQ(remote->codec, Codec::pcma);
      const Codec held[] = {Codec::pcma};
      caller->offer(answered->leg, media.offer(held, MediaDirection::sendonly));
    }
    if (const auto* answered = std::get_if<sip::OfferAnswered>(&event)) {
      const auto remote = media.accept(answered->sdp);
      ASSERT_TRUE(remote.ok()) << remote.status();
      EXPECT_FALSE(remote->receive);
      caller->hang_up(answered->leg, "");
    }
  };
  caller->invite(
      {.uri = callee.uri(), .sdp = media.offer(), .auth_user = "alice", .auth_password = "secret"});
  EXPECT_TRUE(callee.sipp.went_well(caller));
  EXPECT_TRUE(all_ended(caller, 1));
  EXPECT_EQ(caller.last<sip::Ringing>() ? caller.last<sip::Ringing>()->status : 0, 183);
  EXPECT_EQ(caller.count<sip::OfferAnswered>(), 1);
}

TEST(SofiaSip, SippIsCancelledWhileItRings) {
  Station caller;
  Callee callee("called_and_cancelled", caller);
  caller.react = [&](const sip::Event& event) {
    if (const auto* ringing = std::get_if<sip::Ringing>(&event)) caller->hang_up(ringing->leg, "");
  };
  caller->invite({.uri = callee.uri(), .sdp = kOffer});
  EXPECT_TRUE(callee.sipp.went_well(caller));
  EXPECT_TRUE(all_ended(caller, 1));
  EXPECT_EQ(caller.last<sip::Ended>()->status, 487);
}

TEST(SofiaSip, SippRaisesTheIntervalAndIsRefreshed) {
  Station caller(short_sessions());
  Callee callee("called_and_refreshed", caller);
  caller->invite({.uri = callee.uri(), .sdp = kOffer});
  EXPECT_TRUE(callee.sipp.went_well(caller));
  EXPECT_TRUE(all_ended(caller, 1));
  EXPECT_EQ(caller.count<sip::Answered>(), 1);
  EXPECT_EQ(caller.last<sip::Ended>()->reason, "BYE");
}

TEST(SofiaSip, SippForgetsToRefresh) {
  Station caller(short_sessions());
  Callee callee("called_and_forgets", caller);
  caller->invite({.uri = callee.uri(), .sdp = kOffer});
  EXPECT_TRUE(callee.sipp.went_well(caller));
  EXPECT_TRUE(all_ended(caller, 1));
  EXPECT_EQ(caller.last<sip::Ended>()->reason, "session timer expired");
}

}  // namespace
}  // namespace ivr::test

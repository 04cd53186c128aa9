#include <gtest/gtest.h>

#include <thread>

#include "core/digest_auth.hpp"
#include "edge/sip_peer.hpp"
#include "edge/sofia_md5.hpp"

// Our own registrations elsewhere: with our registrar, and with peers made by hand.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

SipOptions registrar_options() {
  SipOptions options{.t1 = 100ms, .t1x64 = 6400ms};
  options.users = {{"10 01", "pass\"word"}};
  options.min_expires = 1s;
  return options;
}

std::string at(const Station& station, std::string_view parameters = "") {
  return "sip:127.0.0.1:" + std::to_string(const_cast<Station&>(station)->local_address().port) +
         std::string(parameters);
}

TEST(SofiaEnrolment, AnAgentRegistersIsCalledAndLeaves) {
  for (const char* transport : {"", ";transport=tcp"}) {
    SCOPED_TRACE(transport);
    Station ivr(registrar_options()), agent;
    const auto id =
        agent->enrol({.registrar = at(ivr, transport), .user = "10 01", .password = "pass\"word"});
    ASSERT_TRUE(pump({&ivr, &agent}, [&] { return agent.count<sip::Enrolled>() == 1; }));
    EXPECT_EQ(agent.last<sip::Enrolled>()->enrolment, id);
    EXPECT_TRUE(agent.last<sip::Enrolled>()->registered);
    EXPECT_EQ(agent.last<sip::Enrolled>()->status, 200);
    const auto* there = ivr.last<sip::Registered>();
    ASSERT_TRUE(there && there->contacts.size() == 1);
    EXPECT_EQ(there->user, "10 01");
    ivr->invite({.uri = there->contacts[0].uri, .sdp = kOffer});
    ASSERT_TRUE(pump({&ivr, &agent}, [&] { return agent.count<sip::Invited>() == 1; }));
    EXPECT_EQ(agent.last<sip::Invited>()->request_user, "10 01");
    agent->withdraw(id);
    ASSERT_TRUE(pump({&ivr, &agent}, [&] { return agent.count<sip::Enrolled>() == 2; }));
    EXPECT_FALSE(agent.last<sip::Enrolled>()->registered);
    EXPECT_TRUE(ivr.last<sip::Registered>()->contacts.empty());
    EXPECT_EQ(ivr.count<sip::Unauthorized>(), 0);
  }
}

TEST(SofiaEnrolment, ARegistrationIsRefreshedBeforeItEndsAndTakenOutByStop) {
  Station ivr(registrar_options());
  {
    Station agent;
    agent->enrol({.registrar = at(ivr), .user = "10 01", .password = "pass\"word", .expires = 1s});
    ASSERT_TRUE(pump({&ivr, &agent}, [&] { return ivr.count<sip::Registered>() == 4; }));
    for (const sip::Event& event : ivr.events)
      if (const auto* told = std::get_if<sip::Registered>(&event)) {
        EXPECT_EQ(told->contacts.size(), 1u);
      }
    EXPECT_EQ(agent.count<sip::Enrolled>(), 1);
    std::thread leaving([&] { agent->stop(); });
    EXPECT_TRUE(pump({&ivr}, [&] { return ivr.last<sip::Registered>()->contacts.empty(); }));
    leaving.join();
    EXPECT_EQ(agent.count<sip::Enrolled>(), 1);
  }
  EXPECT_EQ(ivr.count<sip::Registered>(), 5);  // by REGISTER, not by time: that was the next event
}

TEST(SofiaEnrolment, ARegistrarThatIsFarIsToldAtOnceWhenOurAddressChanges) {
  SipOptions options{.t1 = 100ms, .t1x64 = 6400ms};
  options.external_ip = "203.0.113.7";
  Station ivr(registrar_options()), agent(options);
  const std::string port = std::to_string(agent->local_address().port);
  const std::string registrar = "sip:198.51.100.9:" + std::to_string(ivr->local_address().port);
  agent->enrol({.registrar = registrar + ";maddr=127.0.0.1", .user = "10 01", .password = "pass\"word"});
  ASSERT_TRUE(pump({&ivr, &agent}, [&] { return ivr.count<sip::Registered>() == 1; }));
  const auto shows = [&](std::string_view ip) {
    return ivr.last<sip::Registered>()->contacts.at(0).registered.find(ip) != std::string::npos;
  };
  EXPECT_TRUE(shows("@203.0.113.7:"));
  agent->set_external_ip("203.0.113.8");
  ASSERT_TRUE(pump({&ivr, &agent}, [&] { return ivr.count<sip::Registered>() == 2; }));
  EXPECT_TRUE(shows("@203.0.113.8:"));
}

TEST(SofiaEnrolment, WhatCannotBeIsTold) {
  Station ivr(registrar_options()), agent;
  agent->enrol({.registrar = at(ivr), .user = "10 01", .password = "wrong"});
  ASSERT_TRUE(pump({&ivr, &agent}, [&] { return agent.count<sip::Enrolled>() == 1; }));
  EXPECT_EQ(agent.last<sip::Enrolled>()->status, 401);
  EXPECT_FALSE(agent.last<sip::Enrolled>()->registered);
  EXPECT_EQ(ivr.count<sip::Unauthorized>(), 1);
  int told = 1;
  for (const sip::Enrol& bad :
       {sip::Enrol{.registrar = "tel:1", .user = "a"}, sip::Enrol{.registrar = at(ivr)},
        sip::Enrol{.registrar = at(ivr), .user = "a", .expires = 0s}}) {
    const auto id = agent->enrol(bad);
    ASSERT_TRUE(pump({&agent}, [&] { return agent.count<sip::Enrolled>() > told; }));
    told = agent.count<sip::Enrolled>();
    EXPECT_EQ(agent.last<sip::Enrolled>()->enrolment, id);
    EXPECT_EQ(agent.last<sip::Enrolled>()->status, 400);
  }
}

// A registrar that is old, slow, picky or down.
struct Registrar {
  Station& client;
  RawPeer peer;
  explicit Registrar(Station& with) : client(with), peer(RawPeer::Kind::udp, with->local_address()) {}
  std::string uri() const { return "sip:127.0.0.1:" + std::to_string(peer.port()); }
  std::string next() {
    // Repetitions of one that was answered are not the next.
    const auto request = peer.wait({&client}, [&](const std::string& m) {
      if (!m.starts_with("REGISTER ") || header_of(m, "CSeq") == last) return false;
      last = header_of(m, "CSeq");
      return true;
    });
    EXPECT_TRUE(request);
    return request.value_or("");
  }
  std::string last;
};

TEST(SofiaEnrolment, EveryKindOfChallengeIsMet) {
  struct Case {
    int status;
    const char *header, *algorithm, *qop;
  };
  for (const Case& each :
       {Case{401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"", "", ""},
        Case{401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=MD5",
             "MD5", "auth"},
        Case{401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256",
             "SHA-256", "auth"},
        Case{401,
             "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-512-256\r\n"
             "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5",
             "MD5", "auth"},
        Case{407, "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"", "", "auth"}}) {
    SCOPED_TRACE(each.header);
    Station client;
    Registrar registrar(client);
    client->enrol({.registrar = registrar.uri(), .user = "alice", .password = "secret"});
    const std::string first = registrar.next();
    EXPECT_TRUE(first.starts_with("REGISTER " + registrar.uri() + " SIP/2.0\r\n")) << first;
    EXPECT_EQ(header_of(first, "Expires"), "300");
    ASSERT_TRUE(registrar.peer.send(reply_to(first, each.status, std::string(each.header) + "\r\n")));
    const std::string second = registrar.next();
    EXPECT_EQ(header_of(second, "Call-ID"), header_of(first, "Call-ID"));
    EXPECT_EQ(header_of(first, "CSeq"), "1 REGISTER");
    EXPECT_EQ(header_of(second, "CSeq"), "2 REGISTER");
    const auto given =
        parse_digest(header_of(second, each.status == 407 ? "Proxy-Authorization" : "Authorization"));
    ASSERT_TRUE(given) << second;
    EXPECT_EQ(given->algorithm, each.algorithm);
    EXPECT_EQ(given->qop, each.qop);
    EXPECT_EQ(given->uri, registrar.uri());
    ASSERT_TRUE(registrar.peer.send(
        reply_to(second, 200, "Contact: <tel:1>, " + header_of(second, "Contact") + ";expires=100\r\n")));
    ASSERT_TRUE(pump({&client}, [&] { return client.count<sip::Enrolled>() == 1; }));
    EXPECT_TRUE(client.last<sip::Enrolled>()->registered);
  }
}

TEST(SofiaEnrolment, ARegistrarThatIsDownIsTriedAgain) {
  Station client(SipOptions{.t1 = 20ms, .t1x64 = 200ms});
  Registrar registrar(client);
  client->enrol({.registrar = registrar.uri(), .user = "alice", .password = "secret"});
  ASSERT_TRUE(pump({&client}, [&] { return client.count<sip::Enrolled>() == 1; }));  // nobody answered
  EXPECT_EQ(client.last<sip::Enrolled>()->status, 408);
  std::string request = registrar.next();
  while (header_of(request, "CSeq") == "1 REGISTER") request = registrar.next();
  ASSERT_TRUE(registrar.peer.send(reply_to(request, 503, "")));
  ASSERT_TRUE(pump({&client}, [&] { return client.count<sip::Enrolled>() == 2; }));
  request =
      registrar.peer
          .wait(
              {&client}, [&](const std::string& m) { return header_of(m, "CSeq") == "3 REGISTER"; }, 10s)
          .value_or("");
  ASSERT_TRUE(registrar.peer.send(reply_to(request, 200, "Expires: 60\r\n")));
  ASSERT_TRUE(pump({&client}, [&] { return client.count<sip::Enrolled>() == 3; }));
  EXPECT_TRUE(client.last<sip::Enrolled>()->registered);
}

TEST(SofiaEnrolment, TooShortAnIntervalIsRaised) {
  SipOptions strict = registrar_options();
  strict.min_expires = 60s;
  Station ivr(strict), agent;
  const auto id =
      agent->enrol({.registrar = at(ivr), .user = "10 01", .password = "pass\"word", .expires = 10s});
  ASSERT_TRUE(pump({&ivr, &agent}, [&] { return agent.count<sip::Enrolled>() == 1; }));
  EXPECT_TRUE(agent.last<sip::Enrolled>()->registered) << agent.last<sip::Enrolled>()->status;
  agent->withdraw(id);
  ASSERT_TRUE(pump({&ivr, &agent}, [&] { return agent.count<sip::Enrolled>() == 2; }));
  EXPECT_EQ(agent.last<sip::Enrolled>()->status, 200);
  EXPECT_TRUE(ivr.last<sip::Registered>()->contacts.empty());
}

}  // namespace
}  // namespace ivr::test

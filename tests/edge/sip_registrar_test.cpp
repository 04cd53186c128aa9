#include <gtest/gtest.h>

#include "core/digest_auth.hpp"
#include "edge/sip_peer.hpp"
#include "edge/sofia_md5.hpp"

// The registrar over the wire: what phones send, and what they get.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

SipOptions with_users() {
  SipOptions options{.t1 = 100ms, .t1x64 = 6400ms};
  options.users = {{"1001", "1001pass"}, {"1002", "1002pass"}};
  options.realm = "desk";
  return options;
}

std::vector<std::string> headers_of(std::string_view message, std::string_view name) {
  std::vector<std::string> all;
  std::string rest(message);
  for (std::string value; !(value = header_of(rest, name)).empty();) {
    all.push_back(value);
    const std::string line = "\r\n" + std::string(name) + ": " + value;
    const std::size_t at = rest.find(line);
    if (at == std::string::npos) break;
    rest.erase(at, line.size());
  }
  return all;
}

// A phone of flesh and bytes.
struct Phone {
  Station& ivr;
  RawPeer peer;
  RawDialog dialog;
  std::string user, password, algorithm = "SHA-256", challenge;
  std::uint32_t uses = 0;
  bool tcp = false;

  Phone(Station& at, std::string who, std::string secret, RawPeer::Kind kind = RawPeer::Kind::udp)
      : ivr(at),
        peer(kind, at->local_address()),
        dialog(peer, at.uri(who)),
        user(std::move(who)),
        password(std::move(secret)),
        tcp(kind == RawPeer::Kind::tcp) {}

  std::string contact(std::string_view parameters = "") const {
    return "<sip:" + user + "@127.0.0.1:" + std::to_string(peer.port()) + ">" + std::string(parameters);
  }
  std::string credentials(std::string_view method) {
    if (challenge.empty()) return "";
    return "Authorization: " +
           answer_digest(*parse_digest(challenge),
                         {.user = user,
                          .password = password,
                          .method = std::string(method),
                          .uri = dialog.target,
                          .cnonce = "c",
                          .uses = ++uses},
                         md5_hex)
               .value() +
           "\r\n";
  }
  std::string send(std::string_view method, const std::string& headers, std::string_view body = "") {
    const std::string request = dialog.request(method, headers + credentials(method), body);
    EXPECT_TRUE(peer.send(tcp ? replaced(request, {{"SIP/2.0/UDP", "SIP/2.0/TCP"}}) : request));
    const std::string cseq = std::to_string(dialog.cseq) + " " + std::string(method);
    const auto reply = peer.wait(
        {&ivr}, [&](const std::string& m) { return status_of(m) >= 200 && header_of(m, "CSeq") == cseq; });
    EXPECT_TRUE(reply) << cseq;
    return reply.value_or("");
  }
  // As a phone does: with what it was asked last, and once more when it is asked anew.
  std::string ask(const std::string& contacts, const std::string& headers = "",
                  std::string_view method = "REGISTER", std::string_view body = "") {
    dialog.contact = contacts.empty() ? " " : "Contact: " + contacts + "\r\n";
    if (dialog.contact == " ") dialog.contact = "Subject: no contact\r\n";
    std::string reply = send(method, headers, body);
    if (status_of(reply) != 401) return reply;
    for (const std::string& each : headers_of(reply, "WWW-Authenticate"))
      if (each.ends_with("algorithm=" + algorithm)) challenge = each;
    uses = 0;
    return send(method, headers, body);
  }
};

TEST(SofiaRegistrar, APhoneRegistersWithEitherAlgorithmAndIsReachable) {
  for (const char* algorithm : {"SHA-256", "MD5"}) {
    for (const RawPeer::Kind kind : {RawPeer::Kind::udp, RawPeer::Kind::tcp}) {
      SCOPED_TRACE(algorithm);
      Station ivr(with_users());
      Phone phone(ivr, "1001", "1001pass", kind);
      phone.algorithm = algorithm;
      const std::string ok = phone.ask(phone.contact(";q=0.5"), "Expires: 120\r\n");
      ASSERT_EQ(status_of(ok), 200) << ok;
      EXPECT_EQ(header_of(ok, "Contact"), phone.contact(";expires=120"));
      ASSERT_EQ(ivr.count<sip::Registered>(), 1);
      const sip::Registered& told = *ivr.last<sip::Registered>();
      EXPECT_EQ(told.user, "1001");
      ASSERT_EQ(told.contacts.size(), 1u);
      EXPECT_EQ("<" + told.contacts[0].uri + ">", phone.contact());
      EXPECT_EQ(told.contacts[0].source, (Address{"127.0.0.1", phone.peer.port()}));
      EXPECT_EQ(told.contacts[0].q, 0.5);
      // Again with the same nonce, as a refresh; then it goes.
      EXPECT_EQ(status_of(phone.send("REGISTER", "Expires: 300\r\n")), 200);
      EXPECT_EQ(status_of(phone.ask("*", "Expires: 0\r\n")), 200);
      EXPECT_EQ(ivr.count<sip::Registered>(), 3);
      EXPECT_TRUE(ivr.last<sip::Registered>()->contacts.empty());
      EXPECT_EQ(ivr.count<sip::Unauthorized>(), 0);
    }
  }
}

TEST(SofiaRegistrar, ARegisteredPhoneIsCalledWhereItSaid) {
  Station ivr(with_users());
  SipOptions at_the_desk{.t1 = 100ms};
  Station device(at_the_desk);
  Phone phone(ivr, "1001", "1001pass");
  ASSERT_EQ(status_of(phone.ask("<" + device.uri("1001") + ">")), 200);
  ivr->invite({.uri = ivr.last<sip::Registered>()->contacts.at(0).uri, .sdp = kOffer});
  EXPECT_TRUE(pump({&ivr, &device}, [&] { return device.count<sip::Invited>() == 1; }));
  EXPECT_EQ(device.last<sip::Invited>()->request_user, "1001");
}

// The contact is of a network we cannot reach: the call goes where the REGISTER came from, over its
// connection.
TEST(SofiaRegistrar, APhoneBehindNatIsCalledOverTheWayItCame) {
  for (const RawPeer::Kind kind : {RawPeer::Kind::udp, RawPeer::Kind::tcp}) {
    Station ivr(with_users());
    Phone phone(ivr, "1001", "1001pass", kind);
    const std::string transport = kind == RawPeer::Kind::tcp ? ";transport=tcp" : "";
    const std::string inside = "<sip:1001@10.0.0.7:5060" + transport + ">";
    std::string ok = phone.ask(inside);
    ASSERT_EQ(status_of(ok), 200);
    EXPECT_TRUE(header_of(ok, "Contact").starts_with(inside)) << ok;
    const std::string dialled = ivr.last<sip::Registered>()->contacts.at(0).uri;
    EXPECT_EQ(dialled, "sip:1001@127.0.0.1:" + std::to_string(phone.peer.port()) + transport);
    const LegId leg = ivr->invite({.uri = dialled, .sdp = kOffer});
    const auto invite =
        phone.peer.wait({&ivr}, [](const std::string& m) { return m.starts_with("INVITE "); });
    ASSERT_TRUE(invite);
    EXPECT_TRUE(phone.peer.send(reply_to(*invite, 486, "")));
    EXPECT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Ended>() == 1; }));
    EXPECT_EQ(ivr.last<sip::Ended>()->leg, leg);
  }
}

TEST(SofiaRegistrar, TwoDevicesOfOneUserAreBothThere) {
  Station ivr(with_users());
  Phone desk(ivr, "1001", "1001pass"), mobile(ivr, "1001", "1001pass", RawPeer::Kind::tcp);
  ASSERT_EQ(status_of(desk.ask(desk.contact())), 200);
  const std::string ok = mobile.ask(mobile.contact());
  EXPECT_EQ(headers_of(ok, "Contact").size(), 2u) << ok;
  EXPECT_EQ(ivr.last<sip::Registered>()->contacts.size(), 2u);
  desk.dialog.contact = "Contact: " + desk.contact(";expires=0") + "\r\n";
  EXPECT_EQ(status_of(desk.send("REGISTER", "")), 200);
  ASSERT_EQ(ivr.last<sip::Registered>()->contacts.size(), 1u);
  EXPECT_EQ("<" + ivr.last<sip::Registered>()->contacts[0].uri + ">", mobile.contact());
}

TEST(SofiaRegistrar, AContactThatIsNotRefreshedIsToldGone) {
  SipOptions options = with_users();
  options.min_expires = 1s;
  Station ivr(options);
  Phone phone(ivr, "1001", "1001pass");
  ASSERT_EQ(status_of(phone.ask(phone.contact(), "Expires: 1\r\n")), 200);
  ASSERT_EQ(ivr.last<sip::Registered>()->contacts.size(), 1u);
  const Time expires = ivr.last<sip::Registered>()->contacts[0].expires;
  EXPECT_GT(expires, Time{} + 40 * 365 * 24h);
  EXPECT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Registered>() == 2; }));
  EXPECT_TRUE(ivr.last<sip::Registered>()->contacts.empty());
}

TEST(SofiaRegistrar, AWaitEndsWhenAContactDoes) {
  SipOptions options = with_users();
  options.min_expires = 1s;
  Station ivr(options);
  Phone phone(ivr, "1001", "1001pass");
  ASSERT_EQ(status_of(phone.ask(phone.contact(), "Expires: 1\r\n")), 200);
  const auto before = std::chrono::steady_clock::now();
  for (int round = 0; round < 1000 && ivr.count<sip::Registered>() == 1; ++round) ivr->run(30s);
  EXPECT_EQ(ivr.count<sip::Registered>(), 2);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 25s);
}

TEST(SofiaRegistrar, WhoErrsAndWhoDoesNotExistAreToldTheSame) {
  Station ivr(with_users());
  std::vector<std::string> replies;
  for (const auto& [user, password] : {std::pair{"1001", "wrong"}, std::pair{"9999", "wrong"}}) {
    Phone phone(ivr, user, password);
    std::string reply = phone.ask(phone.contact());
    EXPECT_EQ(status_of(reply), 401);
    EXPECT_EQ(reply.find("stale"), std::string::npos);
    EXPECT_EQ(ivr.last<sip::Unauthorized>()->user, user);
    EXPECT_EQ(ivr.last<sip::Unauthorized>()->source.port, phone.peer.port());
    const RefusedRequest& refused = ivr.last<sip::Refused>()->request;
    EXPECT_EQ(refused.why, RefusedFor::bad_password);
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.method, "REGISTER");
    EXPECT_EQ(refused.address, "127.0.0.1");
    EXPECT_EQ(refused.to, user);
    // All but what is its own.
    for (const char* name : {"Via", "From", "To", "Call-ID"})
      reply = replaced(reply, {{header_of(reply, name), name}});
    for (const std::string& each : headers_of(reply, "WWW-Authenticate"))
      reply = replaced(reply, {{parse_digest(each)->nonce, "nonce"}});
    replies.push_back(reply);
  }
  EXPECT_EQ(replies[0], replies[1]);
  EXPECT_EQ(ivr.count<sip::Registered>(), 0);
  EXPECT_EQ(ivr.count<sip::Unauthorized>(), 2);
}

TEST(SofiaRegistrar, NobodyRegistersAnothersAddress) {
  Station ivr(with_users());
  Phone phone(ivr, "1002", "1002pass");
  phone.dialog.target = ivr.uri("1001");
  EXPECT_EQ(status_of(phone.ask(phone.contact())), 403);
  EXPECT_EQ(ivr.count<sip::Registered>(), 0);
}

TEST(SofiaRegistrar, WhatWasHeardOnTheWireCannotBeSentAgain) {
  Station ivr(with_users());
  Phone phone(ivr, "1001", "1001pass");
  ASSERT_EQ(status_of(phone.ask(phone.contact())), 200);
  --phone.uses;
  const std::string again = phone.send("REGISTER", "");
  EXPECT_EQ(status_of(again), 401);
  EXPECT_TRUE(parse_digest(header_of(again, "WWW-Authenticate"))->stale) << again;
  phone.challenge = replaced(phone.challenge, {{"nonce=\"0", "nonce=\"1"}});
  EXPECT_TRUE(parse_digest(header_of(phone.send("REGISTER", ""), "WWW-Authenticate"))->stale);
  const std::string own = phone.dialog.target;
  phone.dialog.target = ivr.uri("else");
  const std::string credentials = replaced(phone.credentials("REGISTER"), {{"sip:else@", "sip:1001@"}});
  phone.challenge.clear();
  EXPECT_EQ(status_of(phone.send("REGISTER", credentials)), 400);
}

TEST(SofiaRegistrar, BadRegistersGetTheStatusThatSaysSo) {
  struct Case {
    const char *contact, *headers;
    int status;
  };
  Station ivr(with_users());
  Phone phone(ivr, "1001", "1001pass");
  for (const Case& each : {Case{"<sip:a@127.0.0.1>", "Expires: 59\r\n", 423}, Case{"*", "", 400},
                           Case{"*", "Expires: 60\r\n", 400}, Case{"<tel:123>", "", 400},
                           Case{"<sip:a@127.0.0.1>", "Require: path\r\n", 420}, Case{"", "", 200},
                           Case{"<sip:a@127.0.0.1>;expires=rubbish", "", 200}}) {
    const std::string reply = phone.ask(each.contact, each.headers);
    EXPECT_EQ(status_of(reply), each.status) << each.contact << " " << each.headers << "\n" << reply;
    if (each.status == 423) {
      EXPECT_EQ(header_of(reply, "Min-Expires"), "60");
    }
  }
  EXPECT_EQ(ivr.count<sip::Registered>(), 1);
}

TEST(SofiaRegistrar, GuessingPasswordsIsStopped) {
  Station ivr(with_users());
  Phone phone(ivr, "1001", "guess");
  int asked = 0, barred = 0;
  for (int i = 0; i < 60; ++i) {
    const int status = status_of(phone.ask(phone.contact()));
    asked += status == 401;
    barred += status == 503;
  }
  EXPECT_EQ(asked + barred, 60);
  EXPECT_LE(ivr.count<sip::Unauthorized>(), 30);
  EXPECT_GT(barred, 0);
  EXPECT_EQ(ivr.last<sip::Refused>()->request.why, RefusedFor::barred);
  EXPECT_EQ(ivr.count<sip::Refused>(), ivr.count<sip::Unauthorized>() + barred);
}

TEST(SofiaRegistrar, ACallFromAUserOfOursIsAskedForThePasswordAndOthersAreNot) {
  Station ivr(with_users());
  ivr.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) ivr->reject(invited->leg, 486, "", {});
  };
  const auto call = [&](Phone& phone, const std::string& from) {
    const auto text = [&] {
      std::string request = phone.dialog.request("INVITE", phone.credentials("INVITE"), kOffer);
      return request.replace(request.find("From: <"), request.find(">;tag") - request.find("From: <"),
                             "From: <" + from);
    };
    for (int round = 0; round < 2; ++round) {
      EXPECT_TRUE(phone.peer.send(text()));
      const std::string cseq = std::to_string(phone.dialog.cseq) + " INVITE";
      const auto reply = phone.peer.wait(
          {&ivr}, [&](const std::string& m) { return status_of(m) >= 200 && header_of(m, "CSeq") == cseq; });
      if (!reply || status_of(*reply) != 401 || round == 1) return status_of(reply.value_or(""));
      phone.challenge = header_of(*reply, "WWW-Authenticate");
      phone.uses = 0;
    }
    return 0;
  };
  Phone user(ivr, "1001", "1001pass");
  EXPECT_EQ(call(user, "sip:1001@127.0.0.1"), 486);
  EXPECT_EQ(ivr.last<sip::Invited>()->user, "1001");
  Phone stranger(ivr, "1001", "wrong");
  EXPECT_EQ(call(stranger, "sip:1001@desk"), 401);
  EXPECT_EQ(ivr.count<sip::Invited>(), 1);
  Phone other(ivr, "1001", "wrong");
  EXPECT_EQ(call(other, "sip:1001@example.net"), 486);
  EXPECT_EQ(ivr.last<sip::Invited>()->user, "");
  EXPECT_EQ(call(other, "sip:+15551234@127.0.0.1"), 486);
  EXPECT_EQ(ivr.last<sip::Invited>()->user, "");
  EXPECT_EQ(ivr.count<sip::Invited>(), 3);
}

TEST(SofiaRegistrar, AUserOfOursCallsWithHisPassword) {
  Station ivr(with_users()), user;
  user->invite({.uri = ivr.uri(),
                .from_uri = "sip:1001@desk",
                .sdp = kOffer,
                .auth_user = "1001",
                .auth_password = "1001pass"});
  ASSERT_TRUE(pump({&ivr, &user}, [&] { return ivr.count<sip::Invited>() + user.count<sip::Ended>() > 0; }));
  ASSERT_TRUE(ivr.last<sip::Invited>());
  EXPECT_EQ(ivr.last<sip::Invited>()->user, "1001");
  Station thief;
  thief->invite({.uri = ivr.uri(),
                 .from_uri = "sip:1001@desk",
                 .sdp = kOffer,
                 .auth_user = "1001",
                 .auth_password = "x"});
  ASSERT_TRUE(pump({&ivr, &thief}, [&] { return thief.count<sip::Ended>() == 1; }));
  EXPECT_EQ(thief.last<sip::Ended>()->status, 401);
  EXPECT_EQ(ivr.count<sip::Invited>(), 1);
}

TEST(SofiaRegistrar, UsersThatCannotBeAreRefusedAtTheStart) {
  SofiaSip sip;
  for (const std::vector<SipUser>& users :
       {std::vector<SipUser>{{"", "x"}}, std::vector<SipUser>{{"a", "x"}, {"a", "y"}},
        std::vector<SipUser>{{"a", ""}}})
    EXPECT_EQ(sip.start({.port = 0, .users = users}, [](const sip::Event&) {}).code(),
              absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sip.start({.port = 0, .users = {{"a", "b"}}, .min_expires = 0s}, [](const sip::Event&) {}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(sip.start({.port = 0, .users = {{"a", "b"}}}, [](const sip::Event&) {}).ok());
}

TEST(DigestAuth, Rfc7616_3_9_1_Md5) {
  const auto challenge = parse_digest(
      "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, "
      "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"");
  ASSERT_TRUE(challenge);
  const auto answer = answer_digest(*challenge,
                                    {.user = "Mufasa",
                                     .password = "Circle of Life",
                                     .method = "GET",
                                     .uri = "/dir/index.html",
                                     .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"},
                                    md5_hex);
  ASSERT_TRUE(answer);
  EXPECT_EQ(parse_digest(*answer)->response, "8ca523f5e9506fed4657c9700eebdbec");
}

}  // namespace
}  // namespace ivr::test

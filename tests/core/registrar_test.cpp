#include "core/registrar.hpp"
#include "core/time_at.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace ivr {
namespace {

struct Phone {
  Registrar registrar = *Registrar::create({});
  std::string call_id = "call";
  std::uint32_t cseq = 0;

  RegisterRequest request(std::vector<RegisterRequest::Contact> contacts,
                          std::optional<std::uint32_t> expires = {}) {
    return {.user = "1001",
            .call_id = call_id,
            .cseq = ++cseq,
            .contacts = std::move(contacts),
            .expires_s = expires,
            .source = {"192.0.2.1", 5060},
            .transport = "udp"};
  }
  std::vector<std::string> uris(Time now) {
    std::vector<std::string> all;
    for (const sip::Contact& each : registrar.contacts("1001", now)) all.push_back(each.uri);
    return all;
  }
};

using Uris = std::vector<std::string>;

TEST(Registrar, Rfc3261_10_3_AContactLivesUntilItExpires) {
  Phone phone;
  const RegisterReply reply = phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1"}}, 120), at(0s));
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.changed);
  ASSERT_EQ(reply.bindings.size(), 1u);
  EXPECT_EQ(reply.bindings[0].first, "sip:1001@192.0.2.1");
  EXPECT_EQ(reply.bindings[0].second, 120s);
  EXPECT_EQ(phone.registrar.deadline(), at(120s));
  EXPECT_EQ(phone.uris(at(119s)), Uris{"sip:1001@192.0.2.1"});
  EXPECT_TRUE(phone.registrar.expire(at(119s)).empty());
  EXPECT_EQ(phone.uris(at(120s)), Uris{});
  EXPECT_EQ(phone.registrar.expire(at(120s)), Uris{"1001"});
  EXPECT_FALSE(phone.registrar.deadline());
}

TEST(Registrar, TwoDevicesAreBothReachableTheBetterOneFirst) {
  Phone phone;
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1", {}, 0.3}}), at(0s));
  phone.call_id = "other";
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:5070", {}, 0.8}}), at(1s));
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:5080", {}, 0.8}}), at(2s));
  EXPECT_EQ(phone.uris(at(3s)),
            (Uris{"sip:1001@192.0.2.1:5080", "sip:1001@192.0.2.1:5070", "sip:1001@192.0.2.1"}));
  EXPECT_TRUE(phone.registrar.contacts("1002", at(3s)).empty());
}

TEST(Registrar, AnIntervalIsRaisedOrCutAndTheContactsOwnCountsMore) {
  struct Case {
    std::optional<std::uint32_t> contact, header;
    int status;
    Millis granted;
  };
  for (const Case& each :
       {Case{{}, {}, 200, 3600s}, Case{{}, 90, 200, 90s}, Case{60, 3000, 200, 60s},
        Case{{}, 4'000'000'000, 200, 7200s}, Case{59, {}, 423, 0s}, Case{{}, 1, 423, 0s}}) {
    Phone phone;
    const RegisterReply reply =
        phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1", each.contact}}, each.header), at(0s));
    EXPECT_EQ(reply.status, each.status);
    if (reply.status == 423) {
      EXPECT_EQ(reply.min_expires, 60s);
    } else {
      EXPECT_EQ(reply.bindings.at(0).second, each.granted);
    }
  }
}

TEST(Registrar, ExpiresZeroTakesOneContactAwayAndAStarAll) {
  Phone phone;
  for (const char* port : {"1", "2", "3"})
    phone.registrar.handle(phone.request({{std::string("sip:1001@192.0.2.1:") + port}}), at(0s));
  EXPECT_EQ(phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:2", 0}}), at(1s)).bindings.size(), 2u);
  EXPECT_FALSE(phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:9", 0}}), at(1s)).changed);
  RegisterRequest star = phone.request({}, 3600);
  star.all = true;
  EXPECT_EQ(phone.registrar.handle(star, at(1s)).status, 400);
  star = phone.request({}, 0);
  star.all = true;
  star.contacts = {{"sip:1001@192.0.2.1:1"}};
  EXPECT_EQ(phone.registrar.handle(star, at(1s)).status, 400);
  EXPECT_EQ(phone.uris(at(1s)).size(), 2u);
  star.contacts.clear();
  EXPECT_TRUE(phone.registrar.handle(star, at(1s)).changed);
  EXPECT_EQ(phone.uris(at(1s)), Uris{});
  EXPECT_FALSE(phone.registrar.deadline());
}

TEST(Registrar, WithoutAContactItOnlyTells) {
  Phone phone;
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1"}}, 100), at(0s));
  const RegisterReply reply = phone.registrar.handle(phone.request({}), at(40s));
  EXPECT_FALSE(reply.changed);
  ASSERT_EQ(reply.bindings.size(), 1u);
  EXPECT_EQ(reply.bindings[0].second, 60s);
}

TEST(Registrar, Rfc3261_10_3_WhatWasOvertakenOnTheWayIsRefusedWhole) {
  Phone phone;
  RegisterRequest early = phone.request({{"sip:1001@192.0.2.1"}, {"sip:1001@192.0.2.1:7000"}}, 100);
  RegisterRequest late = phone.request({{"sip:1001@192.0.2.1"}}, 200);
  EXPECT_EQ(phone.registrar.handle(late, at(0s)).status, 200);
  EXPECT_EQ(phone.registrar.handle(early, at(1s)).status, 500);
  EXPECT_EQ(phone.registrar.handle(late, at(1s)).status, 500);
  EXPECT_EQ(phone.uris(at(150s)), Uris{"sip:1001@192.0.2.1"});
  early.call_id = "another";  // a phone that was restarted counts anew
  EXPECT_EQ(phone.registrar.handle(early, at(2s)).status, 200);
  RegisterRequest star = phone.request({}, 0);
  star.all = true;
  star.call_id = "another";
  star.cseq = 1;
  EXPECT_EQ(phone.registrar.handle(star, at(3s)).status, 500);
  EXPECT_EQ(phone.uris(at(3s)).size(), 2u);
}

TEST(Registrar, APhoneThatStartedAnewTakesThePlaceOfItself) {
  Phone phone;
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:4000", {}, 1, "<urn:uuid:1>"}}), at(0s));
  phone.call_id = "anew";
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:4001", {}, 1, "<urn:uuid:1>"}}), at(1s));
  EXPECT_EQ(phone.uris(at(1s)), Uris{"sip:1001@192.0.2.1:4001"});
  // What it says of its old address does not touch the new one; two at once are two.
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:4000", 0, 1, "<urn:uuid:1>"}}), at(2s));
  EXPECT_EQ(phone.uris(at(2s)), Uris{"sip:1001@192.0.2.1:4001"});
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:4001", {}, 1, "<urn:uuid:1>"},
                                        {"sip:1001@192.0.2.1:4001;transport=tcp", {}, 1, "<urn:uuid:1>"}}),
                         at(3s));
  EXPECT_EQ(phone.uris(at(3s)).size(), 2u);
}

TEST(Registrar, BehindNatTheSourceIsDialledUnlessAProxyPassedItOn) {
  struct Case {
    const char *contact, *transport, *dialled;
    bool relayed = false;
  };
  for (const Case& each :
       {Case{"sip:1001@192.0.2.1:6000;line=a", "udp", "sip:1001@192.0.2.1:6000;line=a"},
        Case{"sip:10%3001@10.0.0.7:5060;maddr=10.0.0.9;user=phone", "udp",
             "sip:10%3001@192.0.2.1:5060;user=phone"},
        Case{"sip:1001@10.0.0.7;transport=tcp", "tcp", "sip:1001@192.0.2.1:5060;transport=tcp"},
        Case{"sip:phone.local", "udp", "sip:192.0.2.1:5060"},
        Case{"sip:1001@10.0.0.7:5060", "udp", "sip:1001@10.0.0.7:5060", true}}) {
    Phone phone;
    RegisterRequest request = phone.request({{each.contact}});
    request.transport = each.transport;
    request.relayed = each.relayed;
    const RegisterReply reply = phone.registrar.handle(request, at(0s));
    EXPECT_EQ(phone.uris(at(1s)), Uris{each.dialled});
    EXPECT_EQ(reply.bindings.at(0).first, each.contact);  // the phone finds what it registered
  }
}

TEST(Registrar, MoreContactsThanTheLimitInOneRequestAreRefusedAndNothingChanges) {
  Phone phone;
  std::vector<RegisterRequest::Contact> nine;
  for (int i = 1; i <= 9; ++i) nine.push_back({"sip:1001@192.0.2.1:" + std::to_string(i)});
  EXPECT_EQ(phone.registrar.handle(phone.request(nine), at(0s)).status, 403);
  EXPECT_TRUE(phone.uris(at(0s)).empty());
  nine.pop_back();
  EXPECT_EQ(phone.registrar.handle(phone.request(nine), at(0s)).status, 200);
  EXPECT_EQ(phone.registrar.handle(phone.request({{"mailto:a@b"}}), at(1s)).status, 400);
  EXPECT_EQ(phone.uris(at(1s)).size(), 8u);
}

TEST(Registrar, OneMoreThanTheLimitTakesThePlaceOfTheOneThatHasNotComeForLongest) {
  Phone phone;
  const auto uri = [](int port) { return "sip:1001@192.0.2.1:" + std::to_string(port); };
  const auto comes = [&](int port, Time now) {
    phone.call_id = std::to_string(port);
    return phone.registrar.handle(phone.request({{uri(port)}}, 1000), now);
  };
  for (int port = 1; port <= 8; ++port) comes(port, at(0s));
  comes(1, at(1s));  // is still there
  const RegisterReply reply = comes(9, at(2s));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.bindings.size(), 8u);
  EXPECT_EQ(phone.uris(at(2s)), (Uris{uri(9), uri(1), uri(8), uri(7), uri(6), uri(5), uri(4), uri(3)}));
  EXPECT_EQ(phone.registrar.deadline(), at(1000s));
  // Who comes again after all is one more, too.
  comes(2, at(3s));
  EXPECT_EQ(phone.uris(at(3s)), (Uris{uri(2), uri(9), uri(1), uri(8), uri(7), uri(6), uri(5), uri(4)}));
}

TEST(Registrar, OptionsThatContradictEachOtherAreRefused) {
  EXPECT_FALSE(Registrar::create({.min_expires = 0s}).ok());
  EXPECT_FALSE(Registrar::create({.min_expires = 100s, .default_expires = 99s}).ok());
  EXPECT_FALSE(Registrar::create({.default_expires = 100s, .max_expires = 99s}).ok());
  EXPECT_FALSE(Registrar::create({.contacts = 0}).ok());
}

// Whatever comes in whatever order: what contacts() says is what a list kept by hand says, and expire() tells
// of everybody who has lost one.
TEST(Registrar, AgreesWithAListKeptByHand) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Registrar registrar = *Registrar::create({.contacts = 100});
    std::map<std::pair<std::string, std::string>, Time> model;
    Time now = at(0s);
    for (std::uint32_t step = 1; step <= 500; ++step) {
      now += std::chrono::seconds(random() % 40);
      std::set<std::string> lost;
      for (const auto& [key, end] : model)
        if (end <= now) lost.insert(key.first);
      std::erase_if(model, [&](const auto& each) { return each.second <= now; });
      const std::vector<std::string> told = registrar.expire(now);
      EXPECT_EQ(std::set<std::string>(told.begin(), told.end()), lost);
      EXPECT_EQ(told.size(), lost.size());
      const std::string user = std::to_string(random() % 3);
      const std::string uri = "sip:" + user + "@192.0.2.1:" + std::to_string(1 + random() % 5);
      const std::uint32_t expires = random() % 4 == 0 ? 0 : 60 + random() % 100;
      registrar.handle({.user = user,
                        .call_id = "c",
                        .cseq = step,
                        .contacts = {{uri}},
                        .expires_s = expires,
                        .source = {"192.0.2.1", 1},
                        .transport = "udp"},
                       now);
      if (expires == 0)
        model.erase({user, uri});
      else
        model[{user, uri}] = now + std::chrono::seconds(expires);
      std::optional<Time> first;
      for (const auto& [key, end] : model) first = std::min(first.value_or(end), end);
      EXPECT_EQ(registrar.deadline(), first);
      for (const char* each : {"0", "1", "2"}) {
        std::set<std::string> is, should;
        for (const sip::Contact& contact : registrar.contacts(each, now)) is.insert(contact.uri);
        for (const auto& [key, end] : model)
          if (key.first == each) should.insert(key.second);
        EXPECT_EQ(is, should);
      }
    }
  }
}

TEST(SipUri, Rfc3261_19_1_4_SameOrNot) {
  struct Case {
    const char *a, *b;
    bool same;
  };
  for (const Case& each :
       {Case{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp", true},
        Case{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
        Case{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
        Case{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
        Case{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
        Case{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
        Case{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
        Case{"sip:bob@biloxi.com", "sips:bob@biloxi.com", false},
        Case{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
        Case{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
        Case{"sip:[2001:DB8::1]:5060", "sip:[2001:db8::1]:5060", true},
        Case{"sip:a;b?c@d", "sip:a;b?c@d", true}, Case{"sip:a@b;x=1;x=2", "sip:a@b;x=1;x=2", true}}) {
    const auto a = parse_sip_uri(each.a), b = parse_sip_uri(each.b);
    ASSERT_TRUE(a && b) << each.a << " " << each.b;
    EXPECT_EQ(same_uri(*a, *b), each.same) << each.a << " " << each.b;
    EXPECT_EQ(same_uri(*b, *a), each.same) << each.a << " " << each.b;
  }
  for (const char* bad : {"", "sip:", "tel:1", "sip:@", "sip:a@b:0", "sip:a@b:99999", "sip:a@b:5x",
                          "sip:a@[::1", "sip:a@[::1]x", "a@b", "*"})
    EXPECT_FALSE(parse_sip_uri(bad)) << bad;
}

// What is kept of a user, as a store has it, in the hands of a registrar that begins anew.
Registrar begun_again(const Registrar& before, Time now, Time later) {
  const auto document = document_of(sip::Registered{"1001", before.contacts("1001", now)});
  EXPECT_EQ(document.id, "1001");
  const auto kept = registered_of(document);
  EXPECT_TRUE(kept.ok()) << kept.status();
  Registrar again = *Registrar::create({});
  again.restore(*kept, later);
  return again;
}

TEST(Registrar, ATelephoneIsReachableAfterARestartWithoutComingAgain) {
  Phone phone;
  phone.registrar.handle(phone.request({{"sip:1001@10.0.0.9:5062", 3000, 0.5, "<urn:uuid:1>"}}), at(0s));
  phone.call_id = "other";
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:5070", 120}}), at(1s));
  phone.call_id = "third";
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1:5080", 1200}}), at(2s));
  const auto before = phone.uris(at(10s));
  ASSERT_EQ(before.size(), 3u);
  Phone again{.registrar = begun_again(phone.registrar, at(10s), at(20s)), .call_id = "third", .cseq = 1};
  EXPECT_EQ(again.uris(at(20s)), before);
  EXPECT_EQ(again.registrar.contacts("1001", at(20s)).back().source.ip, "192.0.2.1");
  EXPECT_EQ(again.registrar.deadline(), at(121s));
  EXPECT_EQ(again.uris(at(121s)).size(), 2u);
  // What arrives late is overtaken still, and the device that comes from elsewhere takes its own place.
  EXPECT_EQ(again.registrar.handle(again.request({{"sip:1001@192.0.2.1:5080"}}), at(21s)).status, 500);
  again.call_id = "new";
  const auto reply =
      again.registrar.handle(again.request({{"sip:1001@192.0.2.1:5999", {}, 1, "<urn:uuid:1>"}}), at(22s));
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.bindings.size(), 3u);
}

TEST(Registrar, WhatHasExpiredMeanwhileIsNotTakenUpAgain) {
  Phone phone;
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1", 60}}), at(0s));
  Registrar again = begun_again(phone.registrar, at(59s), at(60s));
  EXPECT_TRUE(again.contacts("1001", at(60s)).empty());
  EXPECT_FALSE(again.deadline());
}

TEST(Registrar, NoContactIsTakenUpForLongerThanItCouldHaveBeenGiven) {
  Phone phone;
  phone.registrar.handle(phone.request({{"sip:1001@192.0.2.1", 7200}}), at(48h));
  const Registrar again = begun_again(phone.registrar, at(48h), at(0s));  // the clock was set back
  EXPECT_EQ(again.deadline(), at(7200s));
}

TEST(Registrar, ADocumentThatIsNoneIsRefused) {
  const char* const good =
      R"([{"uri":"sip:a@b","ip":"192.0.2.1","port":5060,"expires":1,"q":1.0,"registered":"sip:a@b",)"
      R"("instance":"","call_id":"c","cseq":1}])";
  ASSERT_TRUE(registered_of({kRegistrationKind, "a", good}).ok());
  for (const auto& [from, to] : std::map<std::string, std::string>{{"5060", "65536"},
                                                                   {"5060", "-1"},
                                                                   {"\"sip:a@b\",\"ip\"", "7,\"ip\""},
                                                                   {"\"cseq\":1", "\"cseq\":null"},
                                                                   {"\"q\":1.0", "\"q\":\"1\""},
                                                                   {"[", "{"},
                                                                   {"\"call_id\":\"c\",", ""}}) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    EXPECT_FALSE(registered_of({kRegistrationKind, "a", bad}).ok()) << bad;
  }
}

}  // namespace
}  // namespace ivr

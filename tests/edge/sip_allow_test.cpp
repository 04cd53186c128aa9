#include <gtest/gtest.h>

#include "edge/sip_peer.hpp"

// P-42: who may call at all, by the address a request comes from.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

SipOptions allowing(const std::vector<std::string>& networks) {
  SipOptions options{.t1 = 100ms, .t1x64 = 6400ms};
  options.allow = *AddressList::create(networks);
  options.users = {{"1001", "1001pass"}};
  return options;
}

struct Asked {
  int status = 0;
  std::vector<RefusedRequest> refused;
  int invited = 0;
};
Asked ask(const SipOptions& options, const std::string& from, std::string_view method,
          const std::map<std::string, std::string>& other = {}, RawPeer::Kind kind = RawPeer::Kind::udp) {
  Station ivr(options);
  ivr.react = [&](const sip::Event& event) {
    if (const auto* invited = std::get_if<sip::Invited>(&event)) ivr->answer(invited->leg, kAnswer);
  };
  RawPeer peer(kind, ivr->local_address(), {from, 0});
  RawDialog dialog(peer, ivr.uri("2001"));
  std::string request = replaced(dialog.request(method, "", method == "INVITE" ? kOffer : ""), other);
  if (kind == RawPeer::Kind::tcp) request = replaced(request, {{"SIP/2.0/UDP", "SIP/2.0/TCP"}});
  EXPECT_TRUE(peer.send(request));
  const auto reply = peer.wait({&ivr}, [](const std::string& m) { return status_of(m) >= 200; });
  Asked asked{.status = reply ? status_of(*reply) : 0, .invited = ivr.count<sip::Invited>()};
  for (const sip::Event& event : ivr.events)
    if (const auto* refused = std::get_if<sip::Refused>(&event)) asked.refused.push_back(refused->request);
  return asked;
}

TEST(SofiaAllow, P_42_CallsAndRegistrationsComeFromAllowedNetworksOnly) {
  for (const RawPeer::Kind kind : {RawPeer::Kind::udp, RawPeer::Kind::tcp}) {
    for (const char* method : {"INVITE", "REGISTER"}) {
      const SipOptions options = allowing({"127.0.7.0/24", "192.0.2.1"});
      const Asked in = ask(options, "127.0.7.9", method, {}, kind);
      EXPECT_EQ(in.status, method == std::string("INVITE") ? 200 : 401) << method;
      EXPECT_TRUE(in.refused.empty()) << "to be asked for a password is no refusal";
      const Asked out = ask(options, "127.0.8.9", method, {}, kind);
      EXPECT_EQ(out.status, 403) << method;
      EXPECT_EQ(out.invited, 0);
      ASSERT_EQ(out.refused.size(), 1u);
      EXPECT_EQ(out.refused[0].why, RefusedFor::not_allowed);
      EXPECT_EQ(out.refused[0].status, 403);
      EXPECT_EQ(out.refused[0].address, "127.0.8.9");
      EXPECT_EQ(out.refused[0].method, method);
    }
  }
  EXPECT_EQ(ask(SipOptions{.t1 = 100ms}, "127.0.8.9", "INVITE").status, 200)
      << "without a list everybody may";
}

TEST(SofiaAllow, P_42_NoHeaderMakesAStrangerLookAllowed) {
  const SipOptions options = allowing({"192.0.2.1"});
  const Asked asked = ask(options, "127.0.8.9", "INVITE",
                          {{"Via: SIP/2.0/UDP 127.0.0.1", "Via: SIP/2.0/UDP 192.0.2.1;received=192.0.2.1"}});
  for (const RefusedRequest& refused : asked.refused) EXPECT_EQ(refused.address, "127.0.8.9");
  EXPECT_EQ(asked.invited, 0);
}

}  // namespace
}  // namespace ivr::test

#include <gtest/gtest.h>

#include "edge/sip_peer.hpp"

// Transfers: REFER both ways, and calls that take the place of others.

namespace ivr::test {
namespace {

using namespace std::chrono_literals;

std::vector<int> progress(const Station& station) {
  std::vector<int> all;
  for (const sip::Event& event : station.events)
    if (const auto* told = std::get_if<sip::ReferProgress>(&event)) all.push_back(told->status);
  return all;
}

TEST(SofiaRefer, ABlindTransferIsAcceptedToldOfAndOver) {
  for (const char* transport : {"", ";transport=tcp"}) {
    Station asking, asked;
    const Call call = establish(asking, asked, transport);
    asking->refer(call.caller, "sip:bob@127.0.0.1:9;user=phone");
    ASSERT_TRUE(pump({&asking, &asked}, [&] { return asked.count<sip::Referred>() == 1; }));
    const sip::Referred& referred = *asked.last<sip::Referred>();
    EXPECT_EQ(referred.leg, call.callee);
    EXPECT_EQ(referred.target, "sip:bob@127.0.0.1:9;user=phone");
    EXPECT_EQ(referred.referred_by, "sip:ivr@127.0.0.1:" + std::to_string(asking->local_address().port));
    EXPECT_EQ(referred.replaces, 0u);
    asked->accept_refer(call.callee);
    asked->notify_refer(call.callee, 180);
    asked->notify_refer(call.callee, 200);
    asked->notify_refer(call.callee, 500);  // it was the last
    ASSERT_TRUE(pump({&asking, &asked}, [&] { return asking.count<sip::ReferProgress>() == 3; }));
    EXPECT_EQ(progress(asking), (std::vector<int>{100, 180, 200}));
    // The call itself goes on, and takes another.
    asking->refer(call.caller, "sip:carol@127.0.0.1");
    ASSERT_TRUE(pump({&asking, &asked}, [&] { return asked.count<sip::Referred>() == 2; }));
    asked->refuse_refer(call.callee, 603);
    ASSERT_TRUE(pump({&asking, &asked}, [&] { return asking.count<sip::ReferProgress>() == 4; }));
    EXPECT_EQ(progress(asking).back(), 603);
    asked->offer(call.callee, kHold);
    ASSERT_TRUE(pump({&asking, &asked}, [&] { return asking.count<sip::Offered>() == 1; }));
    asking->accept_offer(call.caller, kAnswer);
    ASSERT_TRUE(pump({&asking, &asked}, [&] { return asked.count<sip::OfferAnswered>() == 1; }));
    asking->hang_up(call.caller, "");
    ASSERT_TRUE(
        pump({&asking, &asked}, [&] { return asking.count<sip::Ended>() && asked.count<sip::Ended>(); }));
    EXPECT_TRUE(asking.in_order());
    EXPECT_TRUE(asked.in_order());
  }
}

TEST(SofiaRefer, TheCalleeMayAskToo) {
  Station caller, callee;
  const Call call = establish(caller, callee);
  callee->refer(call.callee, "sip:bob@127.0.0.1");
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return caller.count<sip::Referred>() == 1; }));
  caller->accept_refer(call.caller);
  caller->notify_refer(call.caller, 486);
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return callee.count<sip::ReferProgress>() == 2; }));
  EXPECT_EQ(progress(callee), (std::vector<int>{100, 486}));
}

// B is connected with A and with C, and lets A call C in its place.
TEST(SofiaRefer, AnAttendedTransferConnectsTheOtherTwo) {
  Station a, b, c;
  const Call first = establish(a, b);
  const Call second = establish(b, c);
  b->refer(first.callee, c.uri(), second.caller);
  ASSERT_TRUE(pump({&a, &b, &c}, [&] { return a.count<sip::Referred>() == 1; }));
  const sip::Referred& referred = *a.last<sip::Referred>();
  EXPECT_EQ(referred.target, c.uri());
  EXPECT_EQ(referred.replaces, 0u);
  EXPECT_NE(referred.replaces_header.find(";to-tag="), std::string::npos) << referred.replaces_header;
  a->accept_refer(first.caller);
  const LegId third =
      a->invite({.uri = referred.target, .sdp = kOffer, .headers = {{"Replaces", referred.replaces_header}}});
  ASSERT_TRUE(pump({&a, &b, &c}, [&] { return c.count<sip::Invited>() == 2; }));
  EXPECT_EQ(c.last<sip::Invited>()->replaces, second.callee);
  c->answer(c.last<sip::Invited>()->leg, kAnswer);
  c->hang_up(second.callee, "");
  ASSERT_TRUE(
      pump({&a, &b, &c}, [&] { return a.count<sip::Answered>() == 2 && b.count<sip::Ended>() == 1; }));
  EXPECT_EQ(a.last<sip::Answered>()->leg, third);
  a->notify_refer(first.caller, 200);
  ASSERT_TRUE(pump({&a, &b, &c}, [&] { return b.count<sip::ReferProgress>() == 2; }));
  EXPECT_EQ(progress(b), (std::vector<int>{100, 200}));
}

// Both calls of the transfer are ours: the phone has two with us, and joins them.
TEST(SofiaRefer, TheOtherCallOfAnAttendedTransferIsFoundAmongOurs) {
  Station ivr, phone;
  const Call first = establish(phone, ivr);
  const Call second = establish(phone, ivr);
  phone->refer(first.caller, ivr.uri(), second.caller);
  ASSERT_TRUE(pump({&ivr, &phone}, [&] { return ivr.count<sip::Referred>() == 1; }));
  EXPECT_EQ(ivr.last<sip::Referred>()->leg, first.callee);
  EXPECT_EQ(ivr.last<sip::Referred>()->replaces, second.callee);
  EXPECT_EQ(ivr.last<sip::Referred>()->replaces_header, "");
}

TEST(SofiaRefer, WhatCannotBeReferredIsTold) {
  Station caller, callee;
  const Call call = establish(caller, callee);
  const LegId ringing = caller->invite({.uri = callee.uri(), .sdp = kOffer});
  caller->refer(ringing, "sip:a@b");
  caller->refer(call.caller, "tel:1");
  caller->refer(call.caller, "sip:a@b", 999);
  ASSERT_TRUE(pump({&caller, &callee}, [&] { return caller.count<sip::ReferProgress>() == 3; }));
  EXPECT_EQ(progress(caller), (std::vector<int>{481, 400, 481}));
  EXPECT_EQ(callee.count<sip::Referred>(), 0);
}

TEST(SofiaRefer, ACallMayEndInTheMiddleOfATransfer) {
  for (const int who : {0, 1}) {
    for (const bool accepted : {false, true}) {
      Station asking, asked;
      const Call call = establish(asking, asked);
      asking->refer(call.caller, "sip:bob@127.0.0.1");
      ASSERT_TRUE(pump({&asking, &asked}, [&] { return asked.count<sip::Referred>() == 1; }));
      if (accepted) {
        asked->accept_refer(call.callee);
        ASSERT_TRUE(pump({&asking, &asked}, [&] { return asking.count<sip::ReferProgress>() == 1; }));
      }
      if (who == 0 && !accepted) {  // a BYE comes after the answer to the REFER
        asking->hang_up(call.caller, "");
        asked->refuse_refer(call.callee, 603);
      } else if (who == 0)
        asking->hang_up(call.caller, "");
      else
        asked->hang_up(call.callee, "");
      ASSERT_TRUE(
          pump({&asking, &asked}, [&] { return asking.count<sip::Ended>() && asked.count<sip::Ended>(); }));
      asked->notify_refer(call.callee, 200);
      asked->accept_refer(call.callee);
      EXPECT_TRUE(asking.in_order());
      EXPECT_TRUE(asked.in_order());
      EXPECT_EQ(asking->open_legs() + asked->open_legs(), 0u);
    }
  }
}

// ----------------------------------------------------------------------------------- against bytes by hand

struct ReferCall {
  Station ivr;
  RawPeer peer{RawPeer::Kind::udp, ivr->local_address()};
  RawDialog dialog{peer, ivr.uri()};
  LegId leg = 0;

  ReferCall() {
    EXPECT_TRUE(peer.send(dialog.request("INVITE", "", kOffer)));
    EXPECT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Invited>() == 1; }));
    leg = ivr.last<sip::Invited>()->leg;
    ivr->answer(leg, kAnswer);
    const auto ok = peer.wait_status({&ivr}, 200);
    EXPECT_TRUE(ok);
    dialog.join(ok.value_or(""));
    EXPECT_TRUE(peer.send(dialog.request("ACK", "", "", "", 1)));
    EXPECT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Established>() == 1; }));
  }
  int ask(RawDialog& with, std::string_view method, const std::string& headers, std::string_view body = "") {
    EXPECT_TRUE(peer.send(with.request(method, headers, body)));
    const std::string cseq = std::to_string(with.cseq) + " " + std::string(method);
    const auto reply = peer.wait({&ivr}, [&](const std::string& m) {
      return status_of(m) >= 200 && header_of(m, "CSeq") == cseq && header_of(m, "Call-ID") == with.call_id;
    });
    EXPECT_TRUE(reply) << cseq;
    return status_of(reply.value_or(""));
  }
  std::string next(std::string_view method) {
    return peer.wait({&ivr}, [&](const std::string& m) { return m.starts_with(std::string(method) + " "); })
        .value_or("");
  }
};

TEST(SofiaRefer, Rfc3515_ANotifyFollowsTheAcceptanceAtOnceAndTheLastOneSaysSo) {
  ReferCall call;
  call.ivr.react = [&](const sip::Event& event) {
    if (const auto* referred = std::get_if<sip::Referred>(&event)) call.ivr->accept_refer(referred->leg);
  };
  EXPECT_EQ(call.ask(call.dialog, "REFER",
                     "Refer-To: Bob <sip:bob@example.net>\r\nReferred-By: <sip:al@example.net>\r\n"),
            202);
  EXPECT_EQ(call.ivr.last<sip::Referred>()->referred_by, "sip:al@example.net");
  std::string notify = call.next("NOTIFY");
  EXPECT_EQ(header_of(notify, "Event"), "refer;id=" + std::to_string(call.dialog.cseq));
  EXPECT_TRUE(header_of(notify, "Subscription-State").starts_with("active")) << notify;
  EXPECT_TRUE(header_of(notify, "Content-Type").starts_with("message/sipfrag"));
  EXPECT_TRUE(notify.ends_with("SIP/2.0 100 Trying\r\n"));
  EXPECT_TRUE(call.peer.send(reply_to(notify, 200, "")));
  // One transfer at a time.
  EXPECT_EQ(call.ask(call.dialog, "REFER", "Refer-To: <sip:bob@example.net>\r\n"), 491);
  call.ivr->notify_refer(call.leg, 486);
  notify = call.next("NOTIFY");
  EXPECT_TRUE(header_of(notify, "Subscription-State").starts_with("terminated")) << notify;
  EXPECT_TRUE(notify.ends_with("SIP/2.0 486 Busy Here\r\n"));
  EXPECT_TRUE(call.peer.send(reply_to(notify, 481, "")));  // it does not care any more; the call goes on
  EXPECT_EQ(call.ask(call.dialog, "INFO", ""), 200);
  EXPECT_EQ(call.ask(call.dialog, "BYE", ""), 200);
  EXPECT_TRUE(pump({&call.ivr}, [&] { return call.ivr.count<sip::Ended>() == 1; }));
}

TEST(SofiaRefer, BadRefersAreRefusedAndTheCallGoesOn) {
  struct Case {
    const char* headers;
    int status;
  };
  ReferCall call;
  for (const Case& each :
       {Case{"", 400}, Case{"Refer-To: <tel:123>\r\n", 403}, Case{"Refer-To: <http://a/b>\r\n", 403},
        Case{"Refer-To: <sip:a@b;method=BYE>\r\n", 403}, Case{"Refer-To: <sip:a@b?Replaces=x>\r\n", 400},
        Case{"Refer-To: <>\r\n", 400}}) {
    EXPECT_EQ(call.ask(call.dialog, "REFER", each.headers), each.status) << each.headers;
  }
  EXPECT_EQ(call.ivr.count<sip::Referred>(), 0);
  RawDialog stranger(call.peer, call.ivr.uri());
  EXPECT_EQ(call.ask(stranger, "REFER", "Refer-To: <sip:a@b>\r\n"), 400);
  RawDialog another(call.peer, call.ivr.uri());
  EXPECT_EQ(call.ask(another, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n"), 400);
  EXPECT_EQ(call.ask(call.dialog, "NOTIFY", "Event: refer\r\nSubscription-State: active\r\n"), 481);
  EXPECT_EQ(call.ask(call.dialog, "INFO", ""), 200);
  EXPECT_EQ(call.ivr->open_legs(), 1u);
  EXPECT_EQ(call.ask(call.dialog, "BYE", ""), 200);
  for (const std::string& message : call.peer.heard())
    EXPECT_FALSE(message.starts_with("NOTIFY ")) << message;
}

TEST(SofiaRefer, APeerThatRefusesBreaksOffOrSaysNothingOfTheEndIsUnderstood) {
  struct Case {
    int reply;
    const char *state, *body;
    std::vector<int> told;
  };
  for (const Case& each :
       {Case{405, "", "", {405}}, Case{202, "active;expires=60", "SIP/2.0 183 Session Progress\r\n", {183}},
        Case{202, "terminated;reason=noresource", "SIP/2.0 200 OK", {200}},
        Case{202, "terminated;reason=noresource", "SIP/2.0 100 Trying\r\n", {408}},
        Case{202, "terminated;reason=giveup", "SIP/2.0 nonsense", {408}},
        Case{202, "active", "SIP/2.0 503 Service Unavailable\r\n", {503}}}) {
    SCOPED_TRACE(std::string(each.state) + " " + each.body);
    ReferCall call;
    call.ivr->refer(call.leg, "sip:bob@example.net");
    const std::string refer = call.next("REFER");
    EXPECT_EQ(header_of(refer, "Refer-To"), "<sip:bob@example.net>");
    ASSERT_TRUE(call.peer.send(reply_to(
        refer, each.reply, "Contact: <sip:caller@127.0.0.1:" + std::to_string(call.peer.port()) + ">\r\n")));
    if (each.reply == 202) {
      const std::string cseq = header_of(refer, "CSeq");
      RawDialog& dialog = call.dialog;
      const std::string event = "Event: refer;id=" + cseq.substr(0, cseq.find(' ')) +
                                "\r\nSubscription-State: " + each.state + "\r\n";
      EXPECT_TRUE(call.peer.send(dialog.request("NOTIFY", event, each.body, "message/sipfrag;version=2.0")));
      EXPECT_TRUE(call.peer.wait({&call.ivr}, [&](const std::string& m) {
        return status_of(m) == 200 && header_of(m, "CSeq").ends_with("NOTIFY");
      }));
    }
    EXPECT_TRUE(pump({&call.ivr}, [&] { return !progress(call.ivr).empty(); }));
    EXPECT_EQ(progress(call.ivr), each.told);
    EXPECT_EQ(call.ivr->open_legs(), 1u);
    call.ivr->hang_up(call.leg, "");
    const std::string bye = call.next("BYE");
    ASSERT_TRUE(call.peer.send(reply_to(bye, 200, "")));
    EXPECT_TRUE(pump({&call.ivr}, [&] { return call.ivr.count<sip::Ended>() == 1; }));
  }
}

TEST(SofiaRefer, AChallengedReferGoesAgainWithCredentialsOrIsOver) {
  for (const char* user : {"alice", ""}) {
    Station ivr;
    RawPeer peer(RawPeer::Kind::udp, ivr->local_address());
    const std::string contact = "Contact: <sip:a@127.0.0.1:" + std::to_string(peer.port()) + ">\r\n";
    const LegId leg = ivr->invite({.uri = "sip:a@127.0.0.1:" + std::to_string(peer.port()),
                                   .sdp = kOffer,
                                   .auth_user = user,
                                   .auth_password = "x"});
    const auto next = [&](std::string_view method) {
      return peer.wait({&ivr}, [&](const std::string& m) { return m.starts_with(std::string(method) + " "); })
          .value_or("");
    };
    ASSERT_TRUE(peer.send(reply_to(next("INVITE"), 200, contact, kAnswer)));
    ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Answered>() == 1; }));
    ivr->refer(leg, "sip:bob@example.net");
    std::string refer = next("REFER");
    ASSERT_TRUE(peer.send(reply_to(refer, 401, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n")));
    if (*user) {
      const std::string first = header_of(refer, "CSeq");
      while (header_of(refer, "CSeq") == first) refer = next("REFER");
      EXPECT_NE(header_of(refer, "Authorization"), "");
      ASSERT_TRUE(peer.send(reply_to(refer, 603, "")));
    }
    ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::ReferProgress>() == 1; }));
    EXPECT_EQ(progress(ivr).back(), *user ? 603 : 401);
  }
}

TEST(SofiaRefer, Rfc3891_3_WhichCallsMayBeReplaced) {
  ReferCall call;
  const auto replaces = [&](const RawDialog& which, const std::string& ours, const std::string& more = "") {
    return "Require: replaces\r\nReplaces: " + which.call_id + ";to-tag=" + ours + ";from-tag=" + which.tag +
           more + "\r\n";
  };
  const auto ask = [&](const std::string& headers) {
    RawDialog fresh(call.peer, call.ivr.uri());
    return call.ask(fresh, "INVITE", headers, kOffer);
  };
  EXPECT_EQ(ask(replaces(call.dialog, "x")), 481);
  EXPECT_EQ(ask("Replaces: " + call.dialog.call_id + ";to-tag=" + call.dialog.to_tag + ";from-tag=x\r\n"),
            481);
  EXPECT_EQ(ask("Replaces: nobody;to-tag=" + call.dialog.to_tag + ";from-tag=" + call.dialog.tag + "\r\n"),
            481);
  EXPECT_EQ(ask("Replaces: " + call.dialog.call_id + ";to-tag=\"\";from-tag=\"\"\r\n") / 100, 4);
  EXPECT_EQ(ask(replaces(call.dialog, call.dialog.to_tag, ";early-only")), 486);
  EXPECT_EQ(ask(replaces(call.dialog, call.dialog.to_tag) + replaces(call.dialog, call.dialog.to_tag)), 400);
  // A call that rings here is not to be taken by somebody else.
  RawDialog ringing(call.peer, call.ivr.uri());
  ASSERT_TRUE(call.peer.send(ringing.request("INVITE", "", kOffer)));
  ASSERT_TRUE(pump({&call.ivr}, [&] { return call.ivr.count<sip::Invited>() == 2; }));
  call.ivr->ring(call.ivr.last<sip::Invited>()->leg, 180, std::nullopt);
  const auto reply = call.peer.wait_status({&call.ivr}, 180);
  ASSERT_TRUE(reply);
  ringing.join(*reply);
  EXPECT_EQ(ask(replaces(ringing, ringing.to_tag)), 481);
  EXPECT_EQ(call.ivr.count<sip::Invited>(), 2);
  // This one may.
  RawDialog fresh(call.peer, call.ivr.uri());
  ASSERT_TRUE(call.peer.send(fresh.request("INVITE", replaces(call.dialog, call.dialog.to_tag), kOffer)));
  ASSERT_TRUE(pump({&call.ivr}, [&] { return call.ivr.count<sip::Invited>() == 3; }));
  EXPECT_EQ(call.ivr.last<sip::Invited>()->replaces, call.leg);
  // And one that is over may not.
  call.ivr->hang_up(call.leg, "");
  ASSERT_NE(call.next("BYE"), "");
  EXPECT_EQ(ask(replaces(call.dialog, call.dialog.to_tag)), 603);
}

// We have dialled and it rings there: who picks the call up elsewhere calls us with its Replaces.
TEST(SofiaRefer, ACallThatRingsElsewhereMayBePickedUp) {
  Station ivr;
  RawPeer peer(RawPeer::Kind::udp, ivr->local_address());
  const LegId leg = ivr->invite({.uri = "sip:desk@127.0.0.1:" + std::to_string(peer.port()), .sdp = kOffer});
  const auto invite = peer.wait({&ivr}, [](const std::string& m) { return m.starts_with("INVITE "); });
  ASSERT_TRUE(invite);
  const std::string contact = "Contact: <sip:desk@127.0.0.1:" + std::to_string(peer.port()) + ">\r\n";
  ASSERT_TRUE(peer.send(reply_to(*invite, 180, contact)));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Ringing>() == 1; }));
  const std::string from = header_of(*invite, "From");
  const std::string ours = from.substr(from.find("tag=") + 4);
  RawDialog picking(peer, ivr.uri());
  ASSERT_TRUE(peer.send(picking.request(
      "INVITE",
      "Replaces: " + header_of(*invite, "Call-ID") + ";to-tag=" + ours + ";from-tag=peer;early-only\r\n",
      kOffer)));
  ASSERT_TRUE(pump({&ivr}, [&] { return ivr.count<sip::Invited>() == 1; }));
  EXPECT_EQ(ivr.last<sip::Invited>()->replaces, leg);
}

}  // namespace
}  // namespace ivr::test

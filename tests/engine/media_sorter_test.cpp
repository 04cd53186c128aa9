#include "engine/media_sorter.hpp"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace ivr::test {
namespace {

constexpr std::uint32_t kProxy = 0xC0000201, kHouse = 0xC6336401, kOther = 0xCB007101;
constexpr std::uint32_t kInside = 0x0A000005;  // 10.0.0.5

Time instant(Micros t) { return Time{} + 1000s + t; }

class Sorter : public ::testing::Test {
 protected:
  using Line = SourceSorter::Line;

  Line& add() {
    lines.push_back(std::make_unique<Line>());
    lines.back()->id = lines.size();
    sorter.add(*lines.back());
    return *lines.back();
  }
  Line& direct(Endpoint rtp) {
    Line& line = add();
    announce(line, rtp);
    return line;
  }
  Line& behind_nat(std::uint32_t signalling, Endpoint rtp = {kInside, 5004}) {
    Line& line = add();
    announce(line, rtp, signalling);
    return line;
  }
  void announce(Line& line, Endpoint rtp, std::uint32_t signalling = kProxy) {
    SourceGuard::Negotiated n;
    n.rtp = rtp;
    n.rtcp = {rtp.ip, static_cast<std::uint16_t>(rtp.port + 1)};
    n.signalling_ip = signalling;
    n.local_ip = 0xC6336463;
    n.sorted = true;
    sorter.announce(line, n, {0, 101, 13}, now);
  }
  // Packet number `n` of a sender.
  Line* packet(Endpoint from, std::uint32_t ssrc, int n = 0, std::uint8_t type = 0) {
    return sorter.rtp(from, {type, false, static_cast<std::uint16_t>(1000 + n), 0, ssrc}, now);
  }
  // The same senders go on for a while; whose the first one's packets were in the end.
  struct Sender {
    Endpoint from;
    std::uint32_t ssrc;
    int sent = 0;
  };
  Line* all_send(std::vector<Sender> senders, int packets = 20) {
    Line* whose = nullptr;
    for (int i = 0; i < packets; ++i) {
      now += 20ms;
      for (Sender& sender : senders) {
        Line* const line = packet(sender.from, sender.ssrc, sender.sent++);
        if (&sender == &senders.front()) whose = line;
      }
    }
    return whose;
  }

  SourceSorter sorter;
  std::vector<std::unique_ptr<Line>> lines;
  Time now = instant(0s);
};

TEST_F(Sorter, GivesEachPacketToWhoAnnouncedItsSource) {
  Line& a = direct({kProxy, 4000});
  Line& b = direct({kProxy, 4002});
  Line& c = direct({kOther, 4000});
  EXPECT_EQ(packet({kProxy, 4000}, 1), &a);
  EXPECT_EQ(packet({kProxy, 4002}, 1), &b) << "an SSRC says nothing where the source does";
  EXPECT_EQ(packet({kOther, 4000}, 1), &c);
  EXPECT_EQ(packet({kProxy, 4004}, 1), nullptr);
  EXPECT_EQ(sorter.strangers(), 1u);
  EXPECT_EQ(packet({kProxy, 4000}, 77, 5), &a) << "a new SSRC of who is alone there";
}

TEST_F(Sorter, HearsNobodyBeforeAnAddressIsKnown) {
  Line& a = add();
  EXPECT_EQ(packet({kProxy, 4000}, 1), nullptr);
  announce(a, {kProxy, 4000});
  EXPECT_EQ(packet({kProxy, 4000}, 1), &a);
  announce(a, {0, 0});  // on hold
  EXPECT_EQ(packet({kProxy, 4000}, 1, 1), nullptr);
}

TEST_F(Sorter, AReinviteMovesTheSourceAtOnce) {
  Line& a = direct({kProxy, 4000});
  EXPECT_EQ(packet({kProxy, 4000}, 1), &a);
  announce(a, {kOther, 6000});
  EXPECT_EQ(packet({kProxy, 4000}, 1, 1), nullptr) << "the old place";
  EXPECT_EQ(packet({kOther, 6000}, 2), &a);
  // And back, with the old numbers: it is no stream that is over.
  announce(a, {kProxy, 4000});
  EXPECT_EQ(packet({kProxy, 4000}, 1, 2), &a);
}

TEST_F(Sorter, TheNextCallFromThatPortDoesNotGetWhatIsLate) {
  Line& a = direct({kProxy, 4000});
  EXPECT_EQ(packet({kProxy, 4000}, 1, 0), &a);
  sorter.remove(a, now);
  Line& b = direct({kProxy, 4000});
  now += 20ms;
  EXPECT_EQ(packet({kProxy, 4000}, 1, 1), nullptr);
  EXPECT_EQ(packet({kProxy, 4000}, 2, 0), &b);
  EXPECT_EQ(packet({kProxy, 4000}, 1, 2), nullptr);
  EXPECT_EQ(packet({kProxy, 4000}, 2, 1), &b);
  EXPECT_EQ(sorter.late(), 2u);
}

TEST_F(Sorter, APeerThatAlwaysUsesOneSsrcIsHeardInItsNextCall) {
  Line& a = direct({kProxy, 4000});
  for (int i = 0; i < 300; ++i) EXPECT_EQ(packet({kProxy, 4000}, 1, i), &a);
  sorter.remove(a, now);
  Line& b = direct({kProxy, 4000});
  EXPECT_EQ(packet({kProxy, 4000}, 1, 0), &b) << "its numbers begin anew";
}

TEST_F(Sorter, TwoCallsWithOneSourceAreToldApartBySsrc) {
  const Endpoint shared{kProxy, 4000};
  Line& a = direct(shared);
  EXPECT_EQ(packet(shared, 1), &a);
  Line& b = direct(shared);
  now += 20ms;
  EXPECT_EQ(packet(shared, 1, 1), &a);
  EXPECT_EQ(packet(shared, 2, 0), nullptr) << "not yet: it may be a's new SSRC";
  // a goes on, so it is not.
  EXPECT_EQ(all_send({{shared, 2, 1}, {shared, 1, 2}}), &b);
  EXPECT_EQ(packet(shared, 1, 30), &a);
  EXPECT_EQ(packet(shared, 2, 30), &b);
  sorter.remove(a, now);
  EXPECT_EQ(packet(shared, 2, 31), &b);
  EXPECT_EQ(packet(shared, 1, 31), nullptr) << "a is over";
}

TEST_F(Sorter, ANewSsrcIsOfWhoFellSilent) {
  const Endpoint shared{kProxy, 4000};
  Line& a = direct(shared);
  packet(shared, 1);
  Line& b = direct(shared);
  ASSERT_EQ(all_send({{shared, 2}, {shared, 1, 1}}), &b);
  EXPECT_EQ(all_send({{shared, 3}, {shared, 2, 40}}), &a);
  EXPECT_EQ(packet(shared, 2, 99), &b);
}

TEST_F(Sorter, WhatMayBeOfEitherIsOfNeither) {
  const Endpoint shared{kProxy, 4000};
  direct(shared);
  direct(shared);
  EXPECT_EQ(all_send({{shared, 1}}, 500), nullptr) << "both are silent";
  EXPECT_EQ(all_send({{shared, 1}, {shared, 2}}, 500), nullptr);
  EXPECT_EQ(sorter.strangers(), 1500u);
}

TEST_F(Sorter, LearnsThePeerBehindNatAndNobodyAfterIt) {
  Line& a = behind_nat(kHouse);
  EXPECT_EQ(packet({kOther, 7000}, 9), nullptr) << "not where the signalling comes from";
  EXPECT_EQ(packet({kHouse, 7000}, 9, 0, 96), nullptr) << "no payload type of this call";
  EXPECT_EQ(packet({kHouse, 7000}, 1), &a);
  EXPECT_EQ(packet({kHouse, 7002}, 2), nullptr) << "a second source";
  EXPECT_EQ(packet({kHouse, 7002}, 1), nullptr) << "with an SSRC that it heard";
  EXPECT_EQ(all_send({{{kHouse, 7002}, 2}, {{kHouse, 7000}, 1, 1}}, 100), nullptr);
  EXPECT_EQ(packet({kHouse, 7000}, 1, 200), &a);
  // Its NAT takes another port: its own SSRC, after a silence.
  now += 6s;
  EXPECT_EQ(packet({kHouse, 7004}, 2), nullptr);
  EXPECT_EQ(packet({kHouse, 7004}, 1, 201), &a);
  EXPECT_EQ(packet({kHouse, 7000}, 1, 202), nullptr);
}

TEST_F(Sorter, LearnsNothingWhileACallHasNoAddress) {
  Line& a = behind_nat(kHouse);
  Line& dialled = add();
  EXPECT_EQ(packet({kHouse, 7000}, 1), nullptr) << "it may be the other's";
  announce(dialled, {kOther, 4000});
  EXPECT_EQ(packet({kHouse, 7000}, 1, 1), &a);
}

TEST_F(Sorter, OfTwoBehindOneNatTheSecondIsLearnedWhileTheFirstTalks) {
  Line& a = behind_nat(kHouse);
  EXPECT_EQ(packet({kHouse, 7000}, 1), &a);
  Line& b = behind_nat(kHouse);
  EXPECT_EQ(packet({kHouse, 7002}, 2), nullptr);
  EXPECT_EQ(all_send({{{kHouse, 7002}, 2, 1}, {{kHouse, 7000}, 1, 1}}), &b);
  EXPECT_EQ(packet({kHouse, 7000}, 1, 50), &a);
}

TEST_F(Sorter, OfTwoBehindOneNatThatNobodyHasHeardNeitherIsLearned) {
  behind_nat(kHouse);
  behind_nat(kHouse);
  EXPECT_EQ(all_send({{{kHouse, 7000}, 1}}, 200), nullptr);
  EXPECT_EQ(all_send({{{kHouse, 7000}, 1, 300}, {{kHouse, 7002}, 2, 300}}, 200), nullptr);
}

TEST_F(Sorter, ACallBehindNatThatIsOverIsNotLearnedForTheNext) {
  Line& a = behind_nat(kHouse);
  packet({kHouse, 7000}, 1, 0);
  sorter.remove(a, now);
  Line& b = behind_nat(kHouse);
  EXPECT_EQ(all_send({{{kHouse, 7000}, 1, 1}}, 2000), nullptr) << "its BYE was lost, say";
  EXPECT_EQ(sorter.late(), 2000u);
  EXPECT_EQ(packet({kHouse, 7002}, 2), &b);
  EXPECT_EQ(packet({kHouse, 7000}, 1, 2001), nullptr);
}

TEST_F(Sorter, OneSsrcAtTwoAddressesIsTwoStreams) {
  Line& a = behind_nat(kHouse, {kInside, 5004});
  Line& b = behind_nat(kOther, {kInside, 5004});
  EXPECT_EQ(packet({kHouse, 7000}, 1), &a);
  EXPECT_EQ(packet({kOther, 7000}, 1), &b);
  now += 6s;
  EXPECT_EQ(packet({kHouse, 7002}, 1, 1), &a);
  EXPECT_EQ(packet({kOther, 7002}, 1, 1), &b);
}

TEST_F(Sorter, AnAnnouncedPrivateAddressMayBeMeantLiterally) {
  Line& a = behind_nat(kHouse, {kInside, 5004});
  EXPECT_EQ(packet({kInside, 5004}, 1), &a);
  EXPECT_EQ(packet({kHouse, 7000}, 2), nullptr);
}

TEST_F(Sorter, ReportsGoWhereTheirPacketsGo) {
  const Endpoint shared{kProxy, 4000}, reports{kProxy, 4001};
  Line& a = direct(shared);
  EXPECT_EQ(sorter.rtcp(reports, 50, now), &a) << "who only listens reports, too";
  packet(shared, 1);
  Line& b = direct(shared);
  all_send({{shared, 2}, {shared, 1, 1}});
  EXPECT_EQ(sorter.rtcp(reports, 1, now), &a);
  EXPECT_EQ(sorter.rtcp(reports, 2, now), &b);
  EXPECT_EQ(sorter.rtcp(reports, 3, now), nullptr);
  EXPECT_EQ(sorter.rtcp({kOther, 4001}, 1, now), nullptr);
  Line& far = behind_nat(kHouse);
  packet({kHouse, 7000}, 8);
  EXPECT_EQ(sorter.rtcp({kHouse, 9001}, 8, now), &far);
  EXPECT_EQ(sorter.rtcp({kHouse, 9001}, 9, now), nullptr);
  sorter.remove(a, now);
  EXPECT_EQ(sorter.rtcp(reports, 1, now), nullptr) << "a BYE that is late";
  EXPECT_EQ(sorter.rtcp(reports, 2, now), &b);
}

// Thousands of calls come and go over a few peers; nobody ever gets another's packet.
TEST_F(Sorter, NeverGivesAPacketToTheWrongCall) {
  std::uint32_t state = 20261122;
  const auto any = [&](std::uint32_t below) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % below;
  };
  struct Call {
    Line line;
    Endpoint from;
    std::uint32_t ssrc = 0;
    int first = 0, sent = 0;
    bool over = false;
  };
  std::vector<std::unique_ptr<Call>> calls;
  std::uint64_t right = 0, dropped = 0;
  for (int step = 0; step < 60'000; ++step) {
    now += 1ms;
    const std::uint32_t dice = any(100);
    if (calls.size() < 12 && dice < 3) {
      auto call = std::make_unique<Call>();
      call->line.id = static_cast<StreamId>(step + 1);
      call->ssrc = static_cast<std::uint32_t>(step + 1);
      call->first = call->sent = static_cast<int>(any(60'000));
      const auto port = static_cast<std::uint16_t>(4000 + 2 * any(3));
      sorter.add(call->line);
      now += 1ms;
      if (any(2) == 0) {
        call->from = {kProxy, port};
        announce(call->line, call->from);
      } else {
        call->from = {kHouse, static_cast<std::uint16_t>(7000 + 2 * any(5000))};
        announce(call->line, {kInside, port}, kHouse);
      }
      calls.push_back(std::move(call));
    } else if (!calls.empty() && dice < 4) {
      Call& call = *calls[any(static_cast<std::uint32_t>(calls.size()))];
      if (call.sent == call.first) continue;  // what was never sent cannot be known
      if (!call.over) sorter.remove(call.line, now);
      call.over = true;
    } else if (!calls.empty() && dice < 5) {
      const auto i = any(static_cast<std::uint32_t>(calls.size()));
      if (calls[i]->over) calls.erase(calls.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      for (const auto& call : calls) {  // those that are over go on for a while
        const Line* const whose = packet(call->from, call->ssrc, call->sent++);
        ASSERT_TRUE(whose == nullptr || (whose == &call->line && !call->over))
            << "step " << step << ", call " << call->ssrc;
        ++(whose != nullptr ? right : dropped);
      }
    }
  }
  EXPECT_GT(right, 50'000u);
  EXPECT_GT(dropped, 0u);
}

}  // namespace
}  // namespace ivr::test

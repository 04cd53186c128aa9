#include <random>

#include <gtest/gtest.h>

#include "engine/media_talk.hpp"

namespace ivr::test {
namespace {

constexpr double kDaveHz = 2100;

// Alice is the caller, Bob the agent, Carol supervises Bob.
class MediaSupervision : public TalkFixture {
 protected:
  void connect(int threads, Codec caller = Codec::pcmu, Codec agent = Codec::pcmu,
               Codec supervisor = Codec::pcmu) {
    start_talk(threads);
    alice = std::make_unique<Party>(1, kAliceHz, caller);
    bob = std::make_unique<Party>(2, kBobHz, agent);
    carol = std::make_unique<Party>(3, kCarolHz, supervisor);
    for (Party* party : {alice.get(), bob.get(), carol.get()}) join(*party);
    media->bridge(1, 2);
    ASSERT_TRUE(talk_until([&] { return hears(*alice, kBobHz) && hears(*bob, kAliceHz); }));
  }
  // Whom each of the three hears, once that is so.
  struct Ears {
    std::vector<double> alice, bob, carol;
  };
  bool exactly(const Party& party, const std::vector<double>& whom) {
    for (const double hz : {kAliceHz, kBobHz, kCarolHz, kDaveHz, kPromptHz}) {
      const bool wanted = std::find(whom.begin(), whom.end(), hz) != whom.end();
      const double heard = party.hears(hz, 8);
      if (wanted ? heard < 0.85 * kLoud : heard > 0.03 * kLoud) return false;
    }
    return true;
  }
  ::testing::AssertionResult hear(const Ears& ears) {
    const auto true_now = [&] {
      return exactly(*alice, ears.alice) && exactly(*bob, ears.bob) && exactly(*carol, ears.carol);
    };
    if (talk_until(true_now)) return ::testing::AssertionSuccess();
    auto failure = ::testing::AssertionFailure();
    for (const Party* party : {alice.get(), bob.get(), carol.get()}) {
      failure << "\n" << party->id << " hears";
      for (const double hz : {kAliceHz, kBobHz, kCarolHz, kDaveHz, kPromptHz})
        failure << " " << hz << " Hz: " << party->hears(hz, 8);
    }
    return failure;
  }

  std::unique_ptr<Party> alice, bob, carol;
};

TEST_F(MediaSupervision, P32_IsHeardByWhomTheModeSaysAndHearsBoth) {
  struct Case {
    Codec caller, agent, supervisor;
    int threads;
  };
  for (const Case& c :
       {Case{Codec::pcmu, Codec::pcmu, Codec::pcmu, 1}, Case{Codec::pcma, Codec::l16, Codec::pcmu, 2},
        Case{Codec::pcmu, Codec::pcma, Codec::l16, 3}}) {
    media = make_media();
    parties_.clear();
    clock_.drain();
    connect(c.threads, c.caller, c.agent, c.supervisor);
    EXPECT_TRUE(hear({{kBobHz}, {kAliceHz}, {}}));
    media->supervise(3, 2, Supervision::listen);
    EXPECT_TRUE(hear({{kBobHz}, {kAliceHz}, {kAliceHz, kBobHz}}));
    media->supervise(3, 2, Supervision::whisper);
    EXPECT_TRUE(hear({{kBobHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
    media->supervise(3, 2, Supervision::barge);
    EXPECT_TRUE(hear({{kBobHz, kCarolHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
    media->supervise(3, 2, Supervision::listen);
    EXPECT_TRUE(hear({{kBobHz}, {kAliceHz}, {kAliceHz, kBobHz}}));
    media->supervise(3, 2, Supervision::off);
    EXPECT_TRUE(hear({{kBobHz}, {kAliceHz}, {}}));
    for (const Party* party : parties_) {
      SCOPED_TRACE(party->id);
      expect_continuous(*party, 0, 12);
    }
    media->stop();
  }
}

TEST_F(MediaSupervision, TheMixGoesOnEvenly) {
  connect(1);
  media->supervise(3, 2, Supervision::barge);
  ASSERT_TRUE(hear({{kBobHz, kCarolHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
  std::vector<std::size_t> from;
  for (const Party* party : parties_) from.push_back(party->heard.size());
  talk(100);
  for (std::size_t i = 0; i < parties_.size(); ++i) {
    expect_continuous(*parties_[i], from[i], 0);
    EXPECT_NEAR(static_cast<double>(parties_[i]->heard.size() - from[i]), 100, 4);
    // A tone without a break over two seconds has all of its amplitude.
    for (const Party* other : parties_) {
      if (other == parties_[i]) continue;
      EXPECT_NEAR(loudness(parties_[i]->audio(from[i]), other->hz), kLoud, 0.1 * kLoud) << other->hz;
    }
  }
}

TEST_F(MediaSupervision, StaysWithItsPartyWhenTheBridgeIsMadeAnew) {
  connect(2);
  Party dave(4, kDaveHz, Codec::pcma);
  join(dave);
  media->supervise(3, 2, Supervision::whisper);
  ASSERT_TRUE(hear({{kBobHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
  media->unbridge(1, 2);
  EXPECT_TRUE(hear({{}, {kCarolHz}, {kBobHz}}));
  media->bridge(2, 4);
  EXPECT_TRUE(hear({{}, {kDaveHz, kCarolHz}, {kBobHz, kDaveHz}}));
  EXPECT_TRUE(talk_until([&] { return exactly(dave, {kBobHz}); }));
  media->close(4);
  parties_.pop_back();
  EXPECT_TRUE(hear({{}, {kCarolHz}, {kBobHz}}));
  // The supervisor goes; the others are as they were.
  media->bridge(1, 2);
  ASSERT_TRUE(hear({{kBobHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
  media->close(3);
  carol->heard.clear();
  EXPECT_TRUE(talk_until([&] { return exactly(*alice, {kBobHz}) && exactly(*bob, {kAliceHz}); }));
}

TEST_F(MediaSupervision, HearsNothingOnceItsPartyIsGoneAndMayJoinAnother) {
  connect(3);
  media->supervise(3, 2, Supervision::barge);
  ASSERT_TRUE(hear({{kBobHz, kCarolHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
  media->close(2);
  parties_.erase(parties_.begin() + 1);
  EXPECT_TRUE(talk_until([&] { return exactly(*alice, {}) && exactly(*carol, {}); }));
  media->supervise(3, 1, Supervision::whisper);
  EXPECT_TRUE(talk_until([&] { return exactly(*alice, {kCarolHz}) && exactly(*carol, {kAliceHz}); }));
}

TEST_F(MediaSupervision, OfSeveralTheOnesWhoListenHearTheOneWhoBargesIn) {
  connect(2);
  Party dave(4, kDaveHz);
  join(dave);
  media->supervise(4, 2, Supervision::barge);
  media->supervise(3, 2, Supervision::whisper);
  EXPECT_TRUE(hear({{kBobHz, kDaveHz}, {kAliceHz, kCarolHz, kDaveHz}, {kAliceHz, kBobHz, kDaveHz}}));
  EXPECT_TRUE(talk_until([&] { return exactly(dave, {kAliceHz, kBobHz}); }));
  media->supervise(4, 2, Supervision::off);
  EXPECT_TRUE(hear({{kBobHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
}

TEST_F(MediaSupervision, WhatPlaysAndWhoIsMutedAreAsInAnyBridge) {
  connect(1);
  media->supervise(3, 2, Supervision::barge);
  ASSERT_TRUE(hear({{kBobHz, kCarolHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
  media->play(1, 1, {tune(kPromptHz, 8000)}, 0);
  EXPECT_TRUE(hear({{kPromptHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
  media->mute(1, true);
  EXPECT_TRUE(hear({{kPromptHz}, {kCarolHz}, {kBobHz}}));
  media->stop_play(1, 1);
  media->mute(3, true);
  EXPECT_TRUE(hear({{kBobHz}, {}, {kBobHz}}));
  media->mute(1, false);
  EXPECT_TRUE(hear({{kBobHz}, {kAliceHz}, {kAliceHz, kBobHz}}));
}

TEST_F(MediaSupervision, NobodyHearsKeysThatTheBridgeCuts) {
  start_talk();
  Party caller(1, 0, Codec::pcmu, false), agent(2, 0), supervisor(3, 0, Codec::l16);
  for (Party* party : {&caller, &agent, &supervisor}) join(*party);
  media->bridge(1, 2, {.pass_digits = false});
  media->supervise(3, 2, Supervision::barge);
  talk(10);
  const auto dial = [&] {
    auto generator = DtmfGenerator::create({});
    ASSERT_TRUE(generator->dial("w41#").ok());
    while (!generator->done()) {
      caller.says.resize(caller.says.size() + 160);
      generator->read(std::span(caller.says).last(160));
    }
    talk(75);
  };
  dial();
  EXPECT_EQ(keys_in(agent.audio()), "");
  EXPECT_EQ(keys_in(supervisor.audio()), "");
  media->bridge(1, 2, {.pass_digits = true});
  dial();
  EXPECT_EQ(keys_in(agent.audio()), "41#");
  EXPECT_EQ(keys_in(supervisor.audio()), "41#");
}

TEST_F(MediaSupervision, KeysCrossAMixToo) {
  start_talk();
  Party caller(1, 0), agent(2, 0), other(4, 0, Codec::pcma, false), supervisor(3, kCarolHz);
  for (Party* party : {&caller, &agent, &other, &supervisor}) join(*party);
  media->bridge(1, 2);
  media->supervise(3, 1, Supervision::barge);
  ASSERT_TRUE(talk_until([&] { return hears(agent, kCarolHz); }));
  const std::size_t from = agent.heard.size();
  caller.peer.press(6);
  talk(10);
  int packets = 0, ends = 0;
  std::optional<std::uint32_t> stamp;
  for (std::size_t i = from; i < agent.heard.size(); ++i) {
    if (agent.heard[i].header.payload_type != 101) continue;
    ++packets;
    EXPECT_EQ(agent.heard[i].payload[0], 6);
    EXPECT_EQ(agent.heard[i].header.timestamp, stamp.value_or(agent.heard[i].header.timestamp));
    stamp = agent.heard[i].header.timestamp;
    ends += (agent.heard[i].payload[1] & 0x80) != 0 ? 1 : 0;
  }
  EXPECT_EQ(packets, 8);
  EXPECT_EQ(ends, 3);
  expect_continuous(agent, from, 2);
  // To one without events it is a tone, in place of the mix.
  media->bridge(1, 4);
  ASSERT_TRUE(talk_until([&] { return hears(other, kCarolHz); }));
  const std::size_t again = other.heard.size();
  caller.peer.press(9);
  talk(20);
  EXPECT_EQ(keys_in(other.audio(again)), "9");
}

TEST_F(MediaSupervision, LoudTalkersTogetherStayWithin16Bits) {
  connect(1, Codec::l16, Codec::l16, Codec::l16);
  media->supervise(3, 2, Supervision::barge);
  ASSERT_TRUE(hear({{kBobHz, kCarolHz}, {kAliceHz, kCarolHz}, {kAliceHz, kBobHz}}));
  for (Party* party : parties_) {
    party->says = tone(party->hz, 160 * 40, 30000);
  }
  talk(50);
  const auto pcm = carol->audio(carol->heard.size() - 40);
  EXPECT_GT(*std::max_element(pcm.begin(), pcm.end()), 32000);
  // Wrapped samples would be noise all over; clipped ones are the two tones and their harmonics.
  int leaps = 0;
  for (std::size_t i = 1; i < pcm.size(); ++i) leaps += std::abs(pcm[i] - pcm[i - 1]) > 50000 ? 1 : 0;
  EXPECT_EQ(leaps, 0);
}

TEST_F(MediaSupervision, ComesAndGoesAmongManyCallsWithoutATrace) {
  start_talk(3);
  std::vector<std::unique_ptr<Party>> all;
  for (StreamId id = 1; id <= 9; ++id) {
    all.push_back(std::make_unique<Party>(id, 200 + 137 * static_cast<double>(id)));
    join(*all.back());
  }
  std::mt19937 random(5);
  const auto any = [&] { return static_cast<StreamId>(random() % 9 + 1); };
  for (int i = 0; i < 400; ++i) {
    switch (random() % 6) {
      case 0: media->bridge(any(), any(), {.pass_digits = random() % 2 == 0}); break;
      case 1: media->unbridge(any(), any()); break;
      case 2: media->mute(any(), random() % 4 == 0); break;
      case 3: media->supervise(any(), any(), Supervision::off); break;
      default: media->supervise(any(), any(), static_cast<Supervision>(random() % 4)); break;
    }
    if (random() % 8 == 0) talk(1);
    if (random() % 40 == 0) {
      const StreamId id = any();
      Party& party = *all[id - 1];
      media->close(id);
      ASSERT_TRUE(wait_until([&] {
        return std::any_of(events.begin(), events.end(), [&](const media::Event& event) {
          const auto* closed = std::get_if<media::Closed>(&event);
          return closed != nullptr && closed->stream == id;
        });
      }));
      events.clear();
      std::erase(parties_, &party);
      party.peer.drain();
      party.heard.clear();
      join(party);
    }
  }
  // After all that a call is a call.
  for (StreamId id = 1; id <= 9; ++id) {
    media->supervise(id, id, Supervision::off);
    media->mute(id, false);
  }
  for (StreamId id = 1; id <= 6; id += 2) media->bridge(id, id + 1);
  for (StreamId id = 7; id <= 9; ++id) media->supervise(id, id - 6, Supervision::listen);
  ASSERT_TRUE(talk_until([&] {
    for (StreamId id = 1; id <= 6; ++id) {
      const StreamId peer = id % 2 == 1 ? id + 1 : id - 1;
      if (!hears(*all[id - 1], all[peer - 1]->hz)) return false;
    }
    return hears(*all[6], all[0]->hz) && hears(*all[6], all[1]->hz) && hears(*all[8], all[3]->hz);
  }));
}

}  // namespace
}  // namespace ivr::test

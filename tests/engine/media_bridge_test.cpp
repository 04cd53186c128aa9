#include <filesystem>
#include <fstream>
#include <random>

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/media_talk.hpp"
#include "ivr/telephone_event.hpp"
#include "ivr/wav.hpp"
#include "temp_folder.hpp"

namespace ivr::test {
namespace {

using MediaBridge = TalkFixture;

// A busy machine may hold up the test itself for more than the 100 ms after which a relay is over.
constexpr int kMostGaps = 4;

struct Stereo {
  std::vector<std::int16_t> left, right;
};

Stereo read_stereo(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  const std::size_t header = wav_header({WavEncoding::pcm16, kSampleRateHz, 2}, 0).size();
  Stereo stereo;
  for (std::size_t at = header; at + 3 < bytes.size(); at += 4) {
    stereo.left.push_back(static_cast<std::int16_t>(bytes[at] | bytes[at + 1] << 8));
    stereo.right.push_back(static_cast<std::int16_t>(bytes[at + 2] | bytes[at + 3] << 8));
  }
  return stereo;
}

std::vector<std::int16_t> hiss(std::size_t samples, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> any(-8000, 8000);
  std::vector<std::int16_t> pcm(samples);
  for (auto& sample : pcm) sample = static_cast<std::int16_t>(any(random));
  return pcm;
}

TEST_F(MediaBridge, WhatPlaysToOneIsHeardInPlaceOfTheOtherAndByNobodyElse) {
  for (const Codec codec : {Codec::pcmu, Codec::l16}) {
    media = make_media();
    parties_.clear();
    clock_.drain();
    start_talk(2);
    Party alice(1, kAliceHz), bob(2, kBobHz, codec);
    join(alice);
    join(bob);
    media->bridge(1, 2);
    ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz) && hears(bob, kAliceHz); }));
    const std::size_t from_bob = bob.heard.size(), from_alice = alice.heard.size();
    for (int round = 0; round < 4; ++round) {
      const std::size_t round_from = alice.heard.size();
      media->play(2, static_cast<PlayId>(round + 1), {tune(kPromptHz, 4000)}, 1);
      ASSERT_TRUE(talk_until([&] { return hears(bob, kPromptHz) && hears_not(bob, kAliceHz); }));
      const auto ended = wait_until([&] {
        talk(1);
        return count<media::PlayEnded>() > round;
      });
      ASSERT_TRUE(ended);
      ASSERT_TRUE(talk_until([&] { return hears(bob, kAliceHz) && hears_not(bob, kPromptHz); }));
      // Alice has heard nothing but Bob.
      EXPECT_LT(loudness(alice.audio(round_from), kPromptHz), 0.01 * kLoud);
    }
    expect_continuous(bob, from_bob, kMostGaps);
    expect_continuous(alice, from_alice, kMostGaps);
    // The prompt came whole each time: 25 packets of it.
    std::size_t prompt = 0, marked = 0;
    for (std::size_t i = from_bob; i < bob.heard.size(); ++i) {
      prompt += loudness(bob.audio_of(bob.heard[i]), kPromptHz) > 0.8 * kLoud ? 1 : 0;
      marked += bob.heard[i].header.marker ? 1 : 0;
    }
    EXPECT_EQ(prompt, 4u * 25);
    EXPECT_GE(marked, 4u);  // where the relay resumes
    EXPECT_LE(marked, 4u * 2 + kMostGaps);
    media->stop();
  }
}

TEST_F(MediaBridge, TimeDoesNotRunAwayHoweverOftenSomethingPlays) {
  start_talk();
  Party alice(1, kAliceHz), bob(2, kBobHz);
  join(alice);
  join(bob);
  media->bridge(1, 2);
  ASSERT_TRUE(talk_until([&] { return hears(bob, kAliceHz); }));
  const std::size_t from = bob.heard.size(), clock_from = bob.said;
  const auto first = bob.heard.back().header.timestamp;
  for (int round = 0; round < 20; ++round) {
    media->play(2, static_cast<PlayId>(round + 1), {tune(kPromptHz, 160)}, 1);
    talk(4);
  }
  talk(3);
  const auto ours = static_cast<double>(later_by(bob.heard.back().header.timestamp, first));
  EXPECT_NEAR(ours, static_cast<double>(bob.said - clock_from), 3 * 160);
  expect_continuous(bob, from, kMostGaps);
}

TEST_F(MediaBridge, ARecordingOfTheWholeCallKeepsBothSidesInStepThroughAllThatHappens) {
  TempFolder folder;
  start_talk(2);
  // The caller says what it hears, so both sides of its recording are the same but for one way and back.
  Party caller(1, 0), one(2, 0, Codec::pcma), two(3, 0, Codec::l16);
  caller.echo = true;
  join(caller);
  join(one);
  join(two);
  media->start_record(1, 1, {.path = folder.file("call.wav"), .both_sides = true});
  std::uint32_t seed = 1;
  std::vector<std::size_t> begins;  // of each part, in samples of the caller's time
  const auto part = [&](Party* talker, ClipPtr prompt) {
    begins.push_back(caller.said);
    if (prompt) media->play(1, seed, {std::move(prompt)}, 1);
    if (talker != nullptr) talker->says = hiss(160 * 45, seed);
    ++seed;
    talk(45);
  };
  part(nullptr, make_clip(Codec::pcmu, hiss(160 * 40, 77)));
  media->bridge(1, 2);
  part(&one, nullptr);
  part(&one, make_clip(Codec::pcmu, hiss(160 * 40, 78)));  // hold music over the agent
  part(&one, nullptr);
  media->bridge(1, 3);  // the transfer
  part(&two, nullptr);
  RemoteMedia held = caller.remote;
  held.send = held.receive = false;
  media->set_remote(1, held);
  talk(40);
  media->set_remote(1, caller.remote);
  part(&two, nullptr);
  media->unbridge(1, 3);
  part(nullptr, make_clip(Codec::pcmu, hiss(160 * 40, 79)));
  media->bridge(1, 2);
  part(&one, nullptr);
  media->close(2);
  part(nullptr, make_clip(Codec::pcmu, hiss(160 * 40, 80)));
  const std::size_t length = caller.said;
  media->stop_record(1, 1);
  const auto ended = wait_for<media::RecordEnded>();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->error, "");
  EXPECT_EQ(ended->end, outcome::RecordEnd::finish_key);

  const Stereo call = read_stereo(folder.file("call.wav"));
  ASSERT_EQ(call.left.size(), call.right.size());
  EXPECT_NEAR(static_cast<double>(call.left.size()), static_cast<double>(length), 10 * 160);
  // In each part, how far the left side is behind the right one. A part is heard where the test's clock says.
  std::vector<std::ptrdiff_t> lags;
  for (const std::size_t begin : begins) {
    const std::size_t from = begin + 160 * 12, n = 160 * 18;
    if (from + n + 160 * 10 > call.left.size()) FAIL() << from;
    double best = 0;
    std::ptrdiff_t lag = -1;
    double energy = 1;
    for (std::size_t i = 0; i < n; ++i) energy += std::pow(call.right[from + i], 2);
    EXPECT_GT(energy / static_cast<double>(n), 1e6) << "nothing was sent at " << from;
    for (std::ptrdiff_t d = -160 * 5; d < 160 * 10; ++d) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) {
        sum += static_cast<double>(call.right[from + i]) *
               call.left[static_cast<std::size_t>(static_cast<std::ptrdiff_t>(from + i) + d)];
      }
      if (sum > best) best = sum, lag = d;
    }
    EXPECT_GT(best / energy, 0.8) << "the part at " << from << " is not the same on both sides";
    lags.push_back(lag);
  }
  const auto [least, most] = std::minmax_element(lags.begin(), lags.end());
  EXPECT_GE(*least, -160) << ::testing::PrintToString(lags);
  EXPECT_LE(*most, 5 * 160 + stalled()) << ::testing::PrintToString(lags);
  EXPECT_LE(*most - *least, 2 * 160 + stalled()) << ::testing::PrintToString(lags);
}

TEST_F(MediaBridge, M11_KeysArePassedOnAndAreInNoRecordingThatIsToBeWithoutThemHoweverTheyCame) {
  TempFolder folder;
  start_talk(2);
  Party alice(1, kAliceHz, Codec::pcmu, false), bob(2, kBobHz);
  join(alice);
  join(bob);
  media->bridge(1, 2);
  media->start_record(1, 1, {.path = folder.file("without.wav"), .both_sides = true, .digits = false});
  media->start_record(1, 2, {.path = folder.file("with.wav"), .both_sides = true});
  ASSERT_TRUE(talk_until([&] { return hears(bob, kAliceHz) && hears(alice, kBobHz); }));
  auto dialled = *DtmfGenerator::create({});
  ASSERT_TRUE(dialled.dial("w147w").ok());
  alice.says.resize(8000);
  alice.says.resize(dialled.read(alice.says));
  alice.hz = bob.hz = 0;
  talk(50);
  bob.silent =
      true;  // its telephone says keys by events and nothing beside them: they are made tones for alice
  for (const std::uint8_t key : {5, 8}) {
    bob.peer.press(key);
    talk(15);
  }
  bob.silent = false;
  talk(10);
  media->stop_record(1, 1);
  media->stop_record(1, 2);
  ASSERT_TRUE(wait_for<media::RecordEnded>());
  ASSERT_TRUE(wait_for<media::RecordEnded>());
  EXPECT_EQ(keys_in(bob.audio()), "147");
  EXPECT_EQ(keys_in(alice.audio()), "58");
  const Stereo with = read_stereo(folder.file("with.wav")), without = read_stereo(folder.file("without.wav"));
  EXPECT_EQ(keys_in(with.left), "147");
  EXPECT_EQ(keys_in(with.right), "58");
  EXPECT_EQ(keys_in(without.left), "");
  EXPECT_EQ(keys_in(without.right), "");
  EXPECT_EQ(with.left.size(), without.left.size());
}

TEST_F(MediaBridge, M11_APromptThatTellsASecretIsHeardAndNotRecorded) {
  for (const Codec codec : {Codec::pcmu, Codec::l16}) {  // as it is, and coded anew
    TempFolder folder;
    const StreamId id = codec == Codec::pcmu ? 1 : 2;
    if (id == 1) start_talk(1);
    Party caller(id, 0, codec);
    join(caller);
    media->start_record(id, 1, {.path = folder.file("call.wav"), .both_sides = true});
    const auto loud = tone(kPromptHz, 160 * 40, kLoud, 0);
    media->play(id, 1, {make_clip(Codec::pcmu, loud, true)}, 1);
    ASSERT_TRUE(talk_until([&] { return hears(caller, kPromptHz); }));
    ASSERT_TRUE(talk_until([&] { return caller.heard.size() > 50 && hears_not(caller, kPromptHz); }));
    media->stop_record(id, 1);
    ASSERT_TRUE(wait_for<media::RecordEnded>());
    const Stereo call = read_stereo(folder.file("call.wav"));
    EXPECT_GT(call.right.size(), 160u * 40);
    EXPECT_EQ(
        std::count_if(call.right.begin(), call.right.end(), [](std::int16_t x) { return std::abs(x) > 8; }),
        0);
    media->close(id);
    parties_.clear();
  }
}

TEST_F(MediaBridge, WhoIsMutedReachesNobodyAndNoRecordingButItsKeysAreEvents) {
  TempFolder folder;
  start_talk();
  Party alice(1, kAliceHz), bob(2, kBobHz, Codec::pcma);
  join(alice);
  join(bob);
  media->bridge(1, 2);
  ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz) && hears(bob, kAliceHz); }));
  media->start_record(2, 1, {.path = folder.file("bob.wav"), .both_sides = true});
  talk(50);
  media->mute(2, true);
  ASSERT_TRUE(talk_until([&] { return hears_not(alice, kBobHz); }));
  const std::size_t from = alice.heard.size();
  bob.peer.press(5);
  talk(50);
  ASSERT_TRUE(wait_until([&] { return count<media::DigitEnded>() == 1; }));
  for (const auto& event : events) {
    const auto* began = std::get_if<media::DigitBegan>(&event);
    if (began == nullptr) continue;
    EXPECT_EQ(began->stream, 2u);
    EXPECT_EQ(began->digit, '5');
  }
  EXPECT_EQ(level_dbm0(alice.audio(from)), -100);
  for (std::size_t i = from; i < alice.heard.size(); ++i)
    EXPECT_EQ(alice.heard[i].header.payload_type, 0) << "a key came through";
  EXPECT_NEAR(static_cast<double>(alice.heard.size() - from), 50, 5) << "RTP stopped";
  EXPECT_TRUE(hears(bob, kAliceHz));
  media->mute(2, false);
  ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz); }));
  talk(50);
  expect_continuous(alice, from, kMostGaps);
  media->stop_record(2, 1);
  ASSERT_TRUE(wait_for<media::RecordEnded>());
  const Stereo bobs = read_stereo(folder.file("bob.wav"));
  ASSERT_GT(bobs.left.size(), 8000u * 3);
  const auto left = std::span(bobs.left), right = std::span(bobs.right);
  EXPECT_GT(loudness(left.subspan(800, 160 * 40), kBobHz), 0.8 * kLoud);
  EXPECT_EQ(level_dbm0(left.subspan(160 * 65, 160 * 25)), -100);
  EXPECT_GT(loudness(left.last(160 * 40), kBobHz), 0.8 * kLoud);
  EXPECT_GT(loudness(right.subspan(160 * 65, 160 * 25), kAliceHz), 0.8 * kLoud);
}

TEST_F(MediaBridge, OneWhoIsBridgedWithAThirdLeavesTheSecond) {
  start_talk(2);
  Party alice(1, kAliceHz), bob(2, kBobHz), carol(3, kCarolHz);
  for (Party* party : {&alice, &bob, &carol}) join(*party);
  media->bridge(1, 2);
  ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz) && hears(bob, kAliceHz); }));
  media->bridge(3, 1);
  ASSERT_TRUE(talk_until(
      [&] { return hears(alice, kCarolHz) && hears(carol, kAliceHz) && hears_not(alice, kBobHz); }));
  ASSERT_TRUE(talk_until([&] { return hears_not(bob, kAliceHz) && hears_not(bob, kCarolHz); }));
  media->unbridge(1, 2);  // not a pair any more
  talk(10);
  EXPECT_TRUE(hears(alice, kCarolHz));
  media->close(3);
  ASSERT_TRUE(talk_until([&] { return hears_not(alice, kCarolHz); }));
}

TEST_F(MediaBridge, BridgesStandWhereverTheStreamsLiveAndWhateverIsOnTheMove) {
  start_talk(4);
  std::vector<std::unique_ptr<Party>> all;
  for (StreamId id = 1; id <= 12; ++id) {
    all.push_back(std::make_unique<Party>(id, 300 + 100 * static_cast<double>(id)));
    join(*all.back());
  }
  // Every way of asking for it before anything has arrived.
  for (StreamId id = 1; id <= 12; ++id) media->bridge(id, id % 12 + 1);
  for (StreamId id = 1; id <= 12; id += 2) media->bridge(id, 13 - id);
  ASSERT_TRUE(talk_until([&] {
    for (StreamId id = 1; id <= 12; ++id) {
      const StreamId other = 13 - id;
      if (!hears(*all[id - 1], all[other - 1]->hz)) return false;
    }
    return true;
  }));
}

TEST_F(MediaBridge, P40_AReInviteMayHoldResumeAndChangeTheCodecOfABridge) {
  start_talk();
  Party alice(1, kAliceHz), bob(2, kBobHz);
  join(alice);
  join(bob);
  media->bridge(1, 2);
  ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz) && hears(bob, kAliceHz); }));
  // Bob puts her on hold: he takes nothing, and his telephone sends nothing.
  RemoteMedia held = bob.remote;
  held.send = held.receive = false;
  media->set_remote(2, held);
  bob.silent = true;
  media->play(1, 1, {tune(kPromptHz, 1600)}, 0);
  ASSERT_TRUE(talk_until([&] { return hears(alice, kPromptHz) && hears_not(alice, kBobHz); }));
  const std::size_t sent_to_bob = bob.heard.size();
  talk(15);
  EXPECT_EQ(bob.heard.size(), sent_to_bob);
  media->stop_play(1, 1);
  media->set_remote(2, bob.remote);
  bob.silent = false;
  ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz) && hears(bob, kAliceHz); }));
  for (const Codec codec : {Codec::pcma, Codec::l16, Codec::pcmu}) {
    alice.silent = true;  // what she sends in the other codec too soon is not heard, and a hole for Bob
    talk(1);
    alice.heard.clear();
    alice.remote.codec = codec;
    alice.remote.payload_type = codec == Codec::pcmu ? 0 : codec == Codec::pcma ? 8 : 96;
    alice.coder = StreamCodec::create(codec, {});
    media->set_remote(1, alice.remote);
    talk(1);
    alice.silent = false;
    ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz) && hears(bob, kAliceHz); }));
  }
  expect_continuous(alice, 0, kMostGaps);
  expect_continuous(bob, 0, 1 + kMostGaps);
}

// -------------------------------------------------------------------------------- keys on a bridge

TEST_F(MediaBridge, KeysCrossAsTheOtherSideCanTakeThem) {
  struct Case {
    Codec from, to;
    bool from_events, to_events;
  };
  const Case cases[] = {
      {Codec::pcmu, Codec::pcmu, true, true},  {Codec::pcma, Codec::l16, true, true},
      {Codec::pcmu, Codec::pcma, true, false}, {Codec::l16, Codec::pcmu, true, false},
      {Codec::pcma, Codec::pcmu, false, true}, {Codec::l16, Codec::pcma, false, false},
  };
  start_talk();
  StreamId id = 0;
  for (const Case& c : cases) {
    SCOPED_TRACE(id);
    Party alice(id + 1, 0, c.from, c.from_events), bob(id + 2, 0, c.to, c.to_events);
    id += 2;
    join(alice);
    join(bob);
    media->bridge(alice.id, bob.id);
    ASSERT_TRUE(talk_until([&] { return alice.heard.size() > 5 && bob.heard.size() > 5; }));
    talk(5);
    const std::size_t from = bob.heard.size();
    const std::string keys = "159#";
    if (c.from_events) {
      alice.silent = true;  // as telephones do while a key is down
      for (const std::uint8_t event : {1, 5, 9, 11}) {
        for (int i = 1; i <= 5; ++i) {
          alice.peer.key(event, static_cast<std::uint16_t>(160 * i), false, i == 1);
          talk(1);
        }
        for (int i = 0; i < 3; ++i) alice.peer.key(event, 960, true);
        alice.peer.timestamp += 960;
        alice.silent = false;
        talk(5);
        alice.silent = true;
      }
      alice.silent = false;
    } else {
      auto generator = DtmfGenerator::create({});
      ASSERT_TRUE(generator->dial(keys).ok());
      while (!generator->done()) {
        alice.says.resize(alice.says.size() + 160);
        generator->read(std::span(alice.says).last(160));
      }
    }
    talk(c.from_events ? 20 : 55);
    if (c.from_events && c.to_events) {
      std::string got;
      std::vector<std::uint32_t> stamps;
      std::uint32_t last = 0;
      int ends = 0;
      for (std::size_t i = from; i < bob.heard.size(); ++i) {
        const Heard& packet = bob.heard[i];
        if (packet.header.payload_type != 101) continue;
        if (got.empty() || packet.header.timestamp != last) {
          got += kEventKeys[packet.payload[0]];
          stamps.push_back(packet.header.timestamp);
          EXPECT_TRUE(packet.header.marker);
        }
        last = packet.header.timestamp;
        ends += (packet.payload[1] & 0x80) != 0 ? 1 : 0;
      }
      EXPECT_EQ(got, keys);
      EXPECT_EQ(ends, 12);
      // A key began every 1,760 samples, and so it does here.
      for (std::size_t i = 1; i < stamps.size(); ++i)
        EXPECT_NEAR(static_cast<double>(later_by(stamps[i], stamps[i - 1])), 960 + 5 * 160, 2 * 160);
      expect_continuous(bob, from, 4 + kMostGaps);  // no audio while a key is down
    } else {
      EXPECT_EQ(keys_in(bob.audio(from)), keys);
      for (std::size_t i = from; i < bob.heard.size(); ++i)
        EXPECT_EQ(bob.heard[i].header.payload_type, bob.remote.payload_type);
    }
    media->close(alice.id);
    media->close(bob.id);
    parties_.clear();
  }
}

TEST_F(MediaBridge, P08_KeysAreCutOutOfWhatTheOtherSideHearsAndAreEventsAllTheSame) {
  struct Case {
    Codec from, to;
    bool events;
  };
  start_talk(2);
  StreamId id = 0;
  for (const Case& c : {Case{Codec::pcmu, Codec::pcmu, true}, Case{Codec::pcmu, Codec::pcma, false},
                        Case{Codec::l16, Codec::pcmu, false}, Case{Codec::pcma, Codec::l16, true}}) {
    SCOPED_TRACE(id);
    Party alice(id + 1, kAliceHz, c.from, c.events), bob(id + 2, kBobHz, c.to);
    id += 2;
    StreamOptions options;
    options.inband_always = true;
    join(alice, options);
    join(bob);
    events.clear();
    media->bridge(alice.id, bob.id, {.pass_digits = false});
    ASSERT_TRUE(talk_until([&] { return hears(alice, kBobHz) && hears(bob, kAliceHz); }));
    const std::size_t from = bob.heard.size();
    auto generator = DtmfGenerator::create({});
    ASSERT_TRUE(generator->dial("2580").ok());
    while (!generator->done()) {
      alice.says.resize(alice.says.size() + 160);
      generator->read(std::span(alice.says).last(160));
    }
    talk(60);
    if (c.events) alice.peer.press(7);
    talk(20);
    ASSERT_TRUE(wait_until([&] { return count<media::DigitBegan>() >= (c.events ? 5 : 4); }));
    std::string keys;
    for (const auto& event : events) {
      if (const auto* began = std::get_if<media::DigitBegan>(&event)) keys += began->digit;
    }
    EXPECT_EQ(keys, c.events ? "25807" : "2580");
    EXPECT_EQ(keys_in(bob.audio(from)), "");
    for (std::size_t i = from; i < bob.heard.size(); ++i)
      EXPECT_EQ(bob.heard[i].header.payload_type, bob.remote.payload_type);
    EXPECT_TRUE(hears(bob, kAliceHz));
    EXPECT_TRUE(hears(alice, kBobHz));
    expect_continuous(bob, from, kMostGaps + (c.events ? 1 : 0));
    // The same pair again, with other options: now they come through.
    media->bridge(bob.id, alice.id, {.pass_digits = true});
    talk(10);
    const std::size_t again = bob.heard.size();
    ASSERT_TRUE(generator->dial("4").ok());
    while (!generator->done()) {
      alice.says.resize(alice.says.size() + 160);
      generator->read(std::span(alice.says).last(160));
    }
    talk(25);
    EXPECT_EQ(keys_in(bob.audio(again)), "4");
    media->close(alice.id);
    media->close(bob.id);
    parties_.clear();
  }
}

TEST_F(MediaBridge, WhatIsLostOnTheWayIsMadeUpWhereKeysAreCut) {
  start_talk();
  Party alice(1, kAliceHz), bob(2, kBobHz);
  join(alice);
  join(bob);
  media->bridge(1, 2, {.pass_digits = false});
  ASSERT_TRUE(talk_until([&] { return hears(bob, kAliceHz); }));
  const std::size_t from = bob.heard.size();
  for (int i = 0; i < 60; ++i) {
    talk(1);
    if (i % 10 == 5) alice.peer.sequence++, alice.peer.timestamp += 160, alice.said += 160;
  }
  expect_continuous(bob, from, kMostGaps);
  EXPECT_GT(loudness(bob.audio(bob.heard.size() - 40), kAliceHz), 0.7 * kLoud);
}

}  // namespace
}  // namespace ivr::test

// Every codec through the media engine: what is sent, heard, played, recorded and relayed.
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "edge/codecs.hpp"
#include "engine/media_talk.hpp"
#include "ivr/comfort_noise.hpp"
#include "ivr/telephone_event.hpp"
#include "ivr/wav.hpp"
#include "temp_folder.hpp"

namespace ivr::test {
namespace {

constexpr double kHighHz = 6000;  // what only wide-band codecs carry

std::vector<Codec> all_codecs() {
  std::vector<Codec> codecs;
  for (const CodecFormat& format : kCodecFormats) {
    if (has_codec(format.codec)) codecs.push_back(format.codec);
  }
  return codecs;
}

std::string name(const testing::TestParamInfo<Codec>& info) {
  std::string text(format_of(info.param).name);
  std::erase(text, '-');
  return text;
}

std::vector<std::int16_t> read_recording(const std::string& path, int channel = 0, int channels = 1) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  const std::size_t header = wav_header({WavEncoding::pcm16, kSampleRateHz, channels}, 0).size();
  std::vector<std::int16_t> pcm;
  for (std::size_t at = header + 2 * static_cast<std::size_t>(channel); at + 1 < bytes.size();
       at += 2 * static_cast<std::size_t>(channels)) {
    pcm.push_back(static_cast<std::int16_t>(bytes[at] | bytes[at + 1] << 8));
  }
  return pcm;
}

std::vector<std::int16_t> keys_as_sound(std::string_view keys) {
  auto generator = DtmfGenerator::create({});
  EXPECT_TRUE(generator->dial(keys).ok());
  std::vector<std::int16_t> pcm;
  std::vector<std::int16_t> frame(160);
  while (generator->read(frame) > 0) pcm.insert(pcm.end(), frame.begin(), frame.end());
  return pcm;
}

class EachCodec : public TalkFixture, public testing::WithParamInterface<Codec> {
 protected:
  const CodecFormat& format = format_of(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Media, EachCodec, testing::ValuesIn(all_codecs()), name);

TEST_P(EachCodec, SilenceIsASteadyStreamByTheCodecsClock) {
  start();
  Party peer(1, 0, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  auto last = peer.peer.packet();
  ASSERT_TRUE(last);
  AudioBuffer buffer;
  peer.coder->decode(last->payload, buffer);
  for (int i = 0; i < 70; ++i) {  // beyond the second after which nothing is coded any more
    const auto next = peer.peer.packet();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->header.payload_type, format.preferred_type == 97 ? 96 : format.preferred_type);
    EXPECT_EQ(next->header.sequence, static_cast<std::uint16_t>(last->header.sequence + 1));
    EXPECT_EQ(next->header.timestamp,
              last->header.timestamp + static_cast<std::uint32_t>(format.clock_hz / 50));
    EXPECT_EQ(next->header.ssrc, last->header.ssrc);
    const Audio audio = peer.coder->decode(next->payload, buffer);
    ASSERT_EQ(audio.narrow.size(), 160u);
    for (const std::int16_t sample : audio.narrow) ASSERT_LE(std::abs(sample), 16);
    last = next;
  }
}

TEST_P(EachCodec, APromptIsHeardWholeAndCounted) {
  start_talk();
  Party peer(1, 0, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  const auto rate = static_cast<std::size_t>(format.sample_rate_hz);
  std::vector<std::int16_t> prompt(rate);  // a second
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    prompt[i] =
        static_cast<std::int16_t>(kLoud * std::sin(2 * std::numbers::pi * kPromptHz * static_cast<double>(i) /
                                                   static_cast<double>(rate)));
  }
  media->play(1, 7, {make_clip(GetParam(), prompt)}, 1);
  ASSERT_TRUE(talk_until([&] { return hears(peer, kPromptHz); }));
  ASSERT_TRUE(talk_until([&] { return count<media::PlayEnded>() == 1; }));
  talk(5);
  for (const auto& event : events) {
    if (const auto* ended = std::get_if<media::PlayEnded>(&event)) {
      EXPECT_EQ(ended->samples, 8000);
      EXPECT_TRUE(ended->completed);
    }
  }
  std::size_t loud = 0;
  for (const Heard& packet : peer.heard) loud += loudness(packet.pcm, kPromptHz) > 0.5 * kLoud ? 1 : 0;
  EXPECT_GE(loud, 48u);
  EXPECT_LE(loud, 51u);
  expect_continuous(peer);
}

TEST_P(EachCodec, AClipMadeForAnotherCodecIsHeardToo) {
  start_talk();
  Party peer(1, 0, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  for (const Codec other : {Codec::pcmu, Codec::l16, Codec::l16_wide}) {
    peer.heard.clear();
    const auto rate = format_of(other).sample_rate_hz;
    auto pcm = resample(tone(kPromptHz, 8000), kSampleRateHz, rate);
    media->play(1, 7, {make_clip(other, *pcm)}, 0);
    EXPECT_TRUE(talk_until([&] { return hears(peer, kPromptHz); })) << format_of(other).name;
    media->stop_play(1, 7);
    EXPECT_TRUE(talk_until([&] { return hears_not(peer, kPromptHz); })) << format_of(other).name;
  }
}

TEST_P(EachCodec, KeysAsTonesAreHeardOnceEachInOrder) {
  start_talk();
  Party peer(1, 0, GetParam(), false);
  ASSERT_NO_FATAL_FAILURE(join(peer));
  peer.says = keys_as_sound("159D*0#2");
  ASSERT_TRUE(talk_until([&] { return count<media::DigitEnded>() == 8; }));
  talk(10);
  std::string keys;
  for (const auto& event : events) {
    if (const auto* digit = std::get_if<media::DigitBegan>(&event)) {
      EXPECT_EQ(digit->source, DigitSource::inband);
      keys += digit->digit;
    }
  }
  EXPECT_EQ(keys, "159D*0#2");
}

TEST_P(EachCodec, KeysAsEventsHaveTheLengthThatTheClockSays) {
  start();
  Party peer(1, 0, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  const auto frame = static_cast<std::uint16_t>(format.clock_hz / 50);
  for (const std::uint8_t key : {5, 11}) {
    for (int i = 1; i <= 6; ++i) peer.peer.key(key, static_cast<std::uint16_t>(i * frame), false, i == 1);
    for (int i = 0; i < 3; ++i) peer.peer.key(key, static_cast<std::uint16_t>(7 * frame), true);
    peer.peer.timestamp += static_cast<std::uint32_t>(20 * frame);
    const auto ended = wait_for<media::DigitEnded>();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->digit, key == 5 ? '5' : '#');
    EXPECT_EQ(ended->duration, 140ms);
  }
  EXPECT_EQ(count<media::DigitBegan>(), 2);
}

TEST_P(EachCodec, KeysThatWeSendHaveTheClockOfTheCodec) {
  start_talk();
  Party peer(1, 0, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  media->send_digits(1, "42", 100ms, 60ms);
  ASSERT_TRUE(talk_until([&] { return count<media::DigitsSent>() == 1; }));
  talk(3);
  auto receiver = TelephoneEventReceiver::create({.clock_rate_hz = format.clock_hz});
  std::string keys;
  for (const Heard& packet : peer.heard) {
    if (packet.header.payload_type != 101) continue;
    for (const TelephoneEvent& event : receiver->push({packet.header, packet.payload}, Time{})) {
      if (event.kind != TelephoneEvent::Kind::ended) continue;
      keys += event.digit;
      EXPECT_EQ(event.duration, 100ms);
    }
  }
  EXPECT_EQ(keys, "42");
}

TEST_P(EachCodec, KeysThatWeSendAsTonesAreHeard) {
  start_talk();
  Party peer(1, 0, GetParam(), false);
  ASSERT_NO_FATAL_FAILURE(join(peer));
  media->send_digits(1, "4711#", 100ms, 100ms);
  ASSERT_TRUE(talk_until([&] { return count<media::DigitsSent>() == 1; }));
  talk(5);
  EXPECT_EQ(keys_in(peer.audio()), "4711#");
}

TEST_P(EachCodec, ARecordingHasBothSidesAndTheirTime) {
  TempFolder folder;
  start_talk();
  Party peer(1, kAliceHz, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  talk(10);
  media->start_record(1, 5, {.path = folder.file("both.wav"), .both_sides = true, .max = 2s});
  auto pcm = resample(tone(kPromptHz, 24000), kSampleRateHz, format.sample_rate_hz);
  media->play(1, 7, {make_clip(GetParam(), *pcm)}, 1);
  ASSERT_TRUE(talk_until([&] { return count<media::RecordEnded>() == 1; }));
  const auto left = read_recording(folder.file("both.wav"), 0, 2),
             right = read_recording(folder.file("both.wav"), 1, 2);
  ASSERT_EQ(left.size(), 16000u);
  ASSERT_EQ(right.size(), 16000u);
  for (std::size_t at = 4000; at + 1600 <= 14400; at += 1600) {
    EXPECT_NEAR(loudness(std::span(left).subspan(at, 1600), kAliceHz), kLoud, 0.1 * kLoud) << at;
    EXPECT_NEAR(loudness(std::span(right).subspan(at, 1600), kPromptHz), kLoud, 0.1 * kLoud) << at;
  }
}

// Bridges from this codec to each of them, all at once.
class EachBridge : public EachCodec {
 protected:
  struct Pair {
    Codec to;
    Party alice, bob;
  };
  void connect_all() {
    start_talk(2);
    StreamId id = 1;
    for (const Codec to : all_codecs()) {
      pairs_.push_back(
          std::make_unique<Pair>(Pair{to, Party(id, kAliceHz, GetParam()), Party(id + 1, kBobHz, to)}));
      ASSERT_NO_FATAL_FAILURE(join(pairs_.back()->alice));
      ASSERT_NO_FATAL_FAILURE(join(pairs_.back()->bob));
      media->bridge(id, id + 1);
      id += 2;
    }
    for (const auto& pair : pairs_) {
      ASSERT_TRUE(talk_until([&] { return hears(pair->alice, kBobHz) && hears(pair->bob, kAliceHz); }))
          << format_of(pair->to).name;
    }
  }
  std::vector<std::unique_ptr<Pair>> pairs_;
};
INSTANTIATE_TEST_SUITE_P(Media, EachBridge, testing::ValuesIn(all_codecs()), name);

TEST_P(EachBridge, CarriesBothVoices) {
  ASSERT_NO_FATAL_FAILURE(connect_all());
  for (const auto& pair : pairs_) {
    pair->alice.heard.clear();
    pair->bob.heard.clear();
  }
  talk(30);
  for (const auto& pair : pairs_) {
    EXPECT_GT(pair->bob.hears(kAliceHz, 20), 0.8 * kLoud) << format_of(pair->to).name;
    EXPECT_GT(pair->alice.hears(kBobHz, 20), 0.8 * kLoud) << format_of(pair->to).name;
    expect_continuous(pair->bob, 0, 4);
    expect_continuous(pair->alice, 0, 4);
  }
}

TEST_P(EachBridge, KeysPassAtTheClockOfTheOtherSide) {
  ASSERT_NO_FATAL_FAILURE(connect_all());
  const auto frame = static_cast<std::uint16_t>(format.clock_hz / 50);
  for (const auto& pair : pairs_) {
    pair->bob.heard.clear();
    pair->alice.silent = true;
  }
  // All at once: on a machine that stalls, frames of silence would come between, and tell another press.
  for (const auto& pair : pairs_) {
    for (int i = 1; i <= 5; ++i)
      pair->alice.peer.key(7, static_cast<std::uint16_t>(i * frame), false, i == 1);
    for (int i = 0; i < 3; ++i) pair->alice.peer.key(7, static_cast<std::uint16_t>(6 * frame), true);
    pair->alice.peer.timestamp += static_cast<std::uint32_t>(6 * frame);
    pair->alice.silent = false;
  }
  for (const auto& pair : pairs_) {
    const std::string to(format_of(pair->to).name);
    const auto ended = [](const Heard& p) {
      return p.header.payload_type == 101 && (p.payload[1] & 0x80) != 0;
    };
    ASSERT_TRUE(talk_until([&] {
      return std::any_of(pair->bob.heard.begin(), pair->bob.heard.end(), ended) && hears(pair->bob, kAliceHz);
    })) << to;
    auto receiver = TelephoneEventReceiver::create({.clock_rate_hz = format_of(pair->to).clock_hz});
    std::string keys;
    for (const Heard& packet : pair->bob.heard) {
      if (packet.header.payload_type != 101) continue;
      for (const TelephoneEvent& event : receiver->push({packet.header, packet.payload}, Time{})) {
        if (event.kind != TelephoneEvent::Kind::ended) continue;
        keys += event.digit;
        EXPECT_EQ(event.duration, 120ms) << to;
      }
    }
    EXPECT_EQ(keys, "7") << to;
  }
}

TEST_P(EachCodec, TheCodecOfACallMayChangeToEveryOther) {
  start_talk();
  Party peer(1, kAliceHz, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  media->play(1, 7, {make_clip(Codec::pcmu, tone(kPromptHz, 8000))}, 0);
  ASSERT_TRUE(talk_until([&] { return hears(peer, kPromptHz); }));
  for (const Codec next : all_codecs()) {
    const bool same_clock = format_of(next).clock_hz == format_of(peer.remote.codec).clock_hz;
    const auto ssrc = peer.heard.back().header.ssrc;
    Party changed(1, kAliceHz, next);
    changed.remote.address = peer.remote.address;
    peer.remote = changed.remote;
    peer.coder = std::move(changed.coder);
    peer.heard.clear();
    events.clear();
    media->set_remote(1, peer.remote);
    media->detect_voice(1, true);
    ASSERT_TRUE(talk_until([&] { return !peer.heard.empty() && hears(peer, kPromptHz); }))
        << format_of(next).name;
    EXPECT_EQ(peer.heard.back().header.ssrc == ssrc, same_clock) << "RFC 7160, 4.1: " << format_of(next).name;
    ASSERT_TRUE(talk_until([&] { return count<media::VoiceBegan>() == 1; })) << format_of(next).name;
    media->detect_voice(1, false);
  }
}

TEST_P(EachCodec, AnyBytesAsItsPayloadDoNothing) {
  start_talk();
  Party peer(1, kAliceHz, GetParam(), false), other(2, kBobHz, Codec::pcma);
  ASSERT_NO_FATAL_FAILURE(join(peer, {.measure_voice = true}));
  ASSERT_NO_FATAL_FAILURE(join(other));
  media->bridge(1, 2);
  TempFolder folder;
  media->start_record(1, 5, {.path = folder.file("noise.wav"), .both_sides = true});
  std::mt19937 random(11);
  for (int i = 0; i < 400; ++i) {
    std::vector<std::uint8_t> payload(i < 300 ? static_cast<std::size_t>(i % 30) : random() % 1460);
    for (auto& byte : payload) byte = static_cast<std::uint8_t>(random());
    peer.peer.send(static_cast<std::uint8_t>(peer.remote.payload_type), payload);
    peer.peer.timestamp += random() % 3 == 0 ? random() : 160 * peer.coder->ticks();
    if (i % 10 == 0) talk(1);
  }
  media->unbridge(1, 2);
  media->play(1, 7, {make_clip(Codec::pcmu, tone(kPromptHz, 8000))}, 0);
  EXPECT_TRUE(talk_until([&] { return hears(peer, kPromptHz); }));
}

// ------------------------------------------------------------------------------------------- wide

class WideCodec : public TalkFixture, public testing::WithParamInterface<Codec> {};
std::vector<Codec> wide_codecs() {
  auto codecs = all_codecs();
  std::erase_if(codecs, [](Codec codec) { return format_of(codec).sample_rate_hz == kSampleRateHz; });
  return codecs;
}
INSTANTIATE_TEST_SUITE_P(Media, WideCodec, testing::ValuesIn(wide_codecs()), name);

std::vector<std::int16_t> wide_tone(double hz, std::size_t samples, std::size_t from = 0) {
  std::vector<std::int16_t> pcm(samples);
  for (std::size_t i = 0; i < samples; ++i) {
    pcm[i] = static_cast<std::int16_t>(
        kLoud * std::sin(2 * std::numbers::pi * hz * static_cast<double>((from + i) % 16000) / 16000));
  }
  return pcm;
}

TEST_P(WideCodec, PromptsAreWide) {
  start();
  Party peer(1, 0, GetParam());
  ASSERT_NO_FATAL_FAILURE(join(peer));
  media->play(1, 7, {make_clip(GetParam(), wide_tone(kHighHz, 16000))}, 0);
  std::vector<std::int16_t> heard;
  for (int i = 0; i < 60; ++i) {
    const auto packet = peer.peer.packet();
    ASSERT_TRUE(packet);
    AudioBuffer buffer;
    const auto wide = peer.coder->decode(packet->payload, buffer).wide;
    heard.insert(heard.end(), wide.begin(), wide.end());
  }
  EXPECT_GT(loudness(std::span(heard).last(8000), kHighHz, 16000), 0.5 * kLoud);
}

TEST_P(WideCodec, WhatIsCodedAnewForAWideListenerStaysWide) {
  for (const Codec other : wide_codecs()) {
    media = make_media();
    start();
    Party alice(1, 0, GetParam()), bob(2, 0, other);
    ASSERT_NO_FATAL_FAILURE(join(alice));
    ASSERT_NO_FATAL_FAILURE(join(bob));
    media->bridge(1, 2);
    std::vector<std::int16_t> heard;
    std::size_t said = 0;
    for (int i = 0; i < 100; ++i) {
      const auto packet = bob.peer.packet();
      ASSERT_TRUE(packet);
      AudioBuffer buffer;
      const auto wide = bob.coder->decode(packet->payload, buffer).wide;
      heard.insert(heard.end(), wide.begin(), wide.end());
      const auto pcm = wide_tone(kHighHz, 320, said);
      said += 320;
      Bytes bytes;
      alice.peer.send(static_cast<std::uint8_t>(alice.remote.payload_type),
                      alice.coder->encode({{}, pcm}, bytes));
      alice.peer.timestamp += 160 * alice.coder->ticks();
    }
    EXPECT_GT(loudness(std::span(heard).last(6400), kHighHz, 16000), 0.4 * kLoud) << format_of(other).name;
    media->stop();
  }
}

// ---------------------------------------------------------------------------------- comfort noise

using MediaComfort = TalkFixture;

double rms(std::span<const std::int16_t> pcm) {
  double sum = 0;
  for (const std::int16_t x : pcm) sum += static_cast<double>(x) * x;
  return std::sqrt(sum / static_cast<double>(std::max<std::size_t>(pcm.size(), 1)));
}
const double kRms40 = 32768 * std::pow(10.0, -40.0 / 20);  // of -40 dBov

// One who says what its line sounds like, and then nothing.
void fall_silent(Party& party, bool again = false) {
  party.silent = true;
  party.peer.send(13, std::vector<std::uint8_t>{40});
  if (!again) party.peer.timestamp += 160;
}

TEST_F(MediaComfort, IsRecordedAtItsLevelAndKeepsTime) {
  TempFolder folder;
  start_talk();
  Party peer(1, kAliceHz);
  peer.remote.comfort_noise_type = 13;
  ASSERT_NO_FATAL_FAILURE(join(peer));
  talk(5);
  media->start_record(1, 5, {.path = folder.file("noise.wav")});
  talk(25);
  fall_silent(peer);
  talk(50);
  peer.peer.timestamp += 49 * 160;
  peer.silent = false;
  talk(25);
  media->stop_record(1, 5);
  ASSERT_TRUE(talk_until([&] { return count<media::RecordEnded>() == 1; }));
  const auto pcm = read_recording(folder.file("noise.wav"));
  EXPECT_NEAR(static_cast<double>(pcm.size()), 100 * 160, 6 * 160);
  EXPECT_GT(loudness(std::span(pcm).subspan(800, 2400), kAliceHz), 0.9 * kLoud);
  EXPECT_NEAR(rms(std::span(pcm).subspan(6400, 4000)), kRms40, 0.15 * kRms40);
  EXPECT_GT(loudness(std::span(pcm).last(2400), kAliceHz), 0.9 * kLoud);
  EXPECT_EQ(media->stats(1).lost, 0u);
  EXPECT_EQ(media->stats(1).malformed, 0u);
}

TEST_F(MediaComfort, AKeyAfterItIsHeard) {
  start_talk();
  Party peer(1, 0, Codec::pcmu, false);
  peer.remote.comfort_noise_type = 13;
  ASSERT_NO_FATAL_FAILURE(join(peer));
  for (int round = 0; round < 3; ++round) {
    talk(5);
    fall_silent(peer);
    talk(20);
    peer.peer.timestamp += 19 * 160;
    peer.silent = false;
    peer.says = keys_as_sound("5");
    ASSERT_TRUE(talk_until([&] { return count<media::DigitEnded>() == round + 1; }));
  }
  EXPECT_EQ(count<media::DigitBegan>(), 3);
}

TEST_F(MediaComfort, IsRelayedToAPeerThatTakesItAndMadeForOneThatDoesNot) {
  for (const bool takes_it : {true, false}) {
    for (const Codec codec : {Codec::pcmu, Codec::g722}) {
      media = make_media();
      parties_.clear();
      clock_.drain();
      start_talk();
      Party alice(1, kAliceHz), bob(2, 0, codec);
      alice.remote.comfort_noise_type = 13;
      if (takes_it) bob.remote.comfort_noise_type = 13;
      ASSERT_NO_FATAL_FAILURE(join(alice));
      ASSERT_NO_FATAL_FAILURE(join(bob));
      media->bridge(1, 2);
      ASSERT_TRUE(talk_until([&] { return hears(bob, kAliceHz); }));
      talk(5);
      fall_silent(alice);
      talk(15);
      const std::size_t from = bob.heard.size();
      talk(40);
      std::vector<std::int16_t> pcm;
      for (std::size_t i = from; i < bob.heard.size(); ++i)
        pcm.insert(pcm.end(), bob.heard[i].pcm.begin(), bob.heard[i].pcm.end());
      const bool told = std::any_of(bob.heard.begin(), bob.heard.end(),
                                    [](const Heard& packet) { return packet.header.payload_type == 13; });
      if (takes_it && codec == Codec::pcmu) {
        EXPECT_TRUE(told);
        EXPECT_LE(pcm.size(), 5u * 160) << "nothing need be said";
      } else {
        EXPECT_FALSE(told);
        EXPECT_GE(pcm.size(), 35u * 160);
        EXPECT_NEAR(rms(pcm), kRms40, 0.3 * kRms40) << format_of(codec).name;
      }
      alice.peer.timestamp += 54 * 160;
      alice.silent = false;
      EXPECT_TRUE(talk_until([&] { return hears(bob, kAliceHz); }));
      media->stop();
    }
  }
}

TEST_F(MediaComfort, WhoOnlyStopsSendingIsSilentAndHeardAgain) {
  for (const Codec codec : all_codecs()) {
    media = make_media();
    parties_.clear();
    clock_.drain();
    events.clear();
    TempFolder folder;
    start_talk();
    Party peer(1, kAliceHz, codec);
    ASSERT_NO_FATAL_FAILURE(join(peer));
    talk(5);
    media->start_record(1, 5, {.path = folder.file("pause.wav")});
    talk(20);
    peer.silent = true;
    talk(30);
    peer.peer.timestamp += 30 * 160 * peer.coder->ticks();
    peer.silent = false;
    talk(20);
    media->stop_record(1, 5);
    ASSERT_TRUE(talk_until([&] { return count<media::RecordEnded>() == 1; }));
    const auto pcm = read_recording(folder.file("pause.wav"));
    EXPECT_NEAR(static_cast<double>(pcm.size()), 70 * 160, 6 * 160) << format_of(codec).name;
    EXPECT_LT(rms(std::span(pcm).subspan(28 * 160, 15 * 160)), 10) << format_of(codec).name;
    EXPECT_GT(loudness(std::span(pcm).last(1600), kAliceHz), 0.8 * kLoud) << format_of(codec).name;
    EXPECT_EQ(media->stats(1).lost, 0u) << format_of(codec).name;
    media->stop();
  }
}

TEST_F(MediaComfort, WhereNothingIsSaidLittleIsSentIfBothSidesWantIt) {
  const struct {
    bool dtx;
    int type;
    Codec codec;
    bool sparse;
  } kCases[] = {{true, 13, Codec::pcmu, true},   {true, 13, Codec::g722, true},
                {false, 13, Codec::pcmu, false}, {true, -1, Codec::pcmu, false},
                {true, -1, Codec::opus, true},   {false, -1, Codec::opus, false}};
  for (const auto& c : kCases) {
    if (!has_codec(c.codec)) continue;
    media = make_media();
    parties_.clear();
    clock_.drain();
    start_talk();
    Party peer(1, 0, c.codec);
    peer.remote.comfort_noise_type = c.type;
    ASSERT_NO_FATAL_FAILURE(join(peer, {.dtx = c.dtx}));
    talk(20);
    const std::size_t from = peer.heard.size();
    talk(100);
    const std::size_t sent = peer.heard.size() - from;
    if (c.sparse) {
      EXPECT_GE(sent, 1u);
      EXPECT_LE(sent, 4u);
    } else {
      EXPECT_GE(sent, 90u);
    }
    // And what is said then is heard, from its first frame on.
    const std::size_t before = peer.heard.size();
    media->play(1, 7, {make_clip(Codec::pcmu, tone(kPromptHz, 8000))}, 0);
    ASSERT_TRUE(talk_until([&] { return hears(peer, kPromptHz); }));
    const auto first =
        std::find_if(peer.heard.begin() + static_cast<std::ptrdiff_t>(before), peer.heard.end(),
                     [&](const Heard& packet) { return loudness(packet.pcm, kPromptHz) > 0.2 * kLoud; });
    ASSERT_NE(first, peer.heard.end());
    EXPECT_TRUE(!c.sparse || first->header.marker || std::prev(first)->header.marker);
    media->stop();
  }
}

// ------------------------------------------------------------------------------------------- loss

using MediaLoss = TalkFixture;

TEST_F(MediaLoss, WhatOpusLostIsMadeUp) {
  if (!has_codec(Codec::opus)) return;  // then there is none to lose
  TempFolder folder;
  start_talk();
  Party peer(1, kAliceHz, Codec::opus);
  peer.coder = StreamCodec::create(Codec::opus, {.fec = true});
  ASSERT_NO_FATAL_FAILURE(join(peer));
  talk(5);
  media->start_record(1, 5, {.path = folder.file("lost.wav")});
  for (int i = 0; i < 10; ++i) {
    talk(9);
    peer.silent = true;  // the tenth is coded, and never comes
    talk(1);
    peer.silent = false;
    Bytes bytes;
    peer.coder->encode({tone(kAliceHz, 160, kLoud, peer.said), {}}, bytes);
    peer.said += 160;
    ++peer.peer.sequence;
    peer.peer.timestamp += 960;
  }
  talk(10);
  media->stop_record(1, 5);
  ASSERT_TRUE(talk_until([&] { return count<media::RecordEnded>() == 1; }));
  const auto pcm = read_recording(folder.file("lost.wav"));
  for (std::size_t at = 1600; at + 320 < pcm.size() - 320; at += 160)
    EXPECT_GT(rms(std::span(pcm).subspan(at, 160)), 0.03 * kLoud) << "a hole at " << at;  // it would be 0
  EXPECT_GE(media->stats(1).lost, 9u);
}

}  // namespace
}  // namespace ivr::test

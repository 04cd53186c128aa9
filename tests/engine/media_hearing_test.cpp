#include <random>

#include "engine/media_peer.hpp"
#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"

namespace ivr::test {
namespace {

using MediaHearing = MediaFixture;

std::vector<std::int16_t> tones(std::string_view keys) {
  auto generator = DtmfGenerator::create({});
  EXPECT_TRUE(generator->dial(keys).ok());
  std::vector<std::int16_t> pcm;
  while (!generator->done()) {
    pcm.resize(pcm.size() + 160);
    generator->read(std::span(pcm).last(160));
  }
  pcm.resize(pcm.size() + 800);
  return pcm;
}

RemoteMedia without_events(Peer& peer, Codec codec = Codec::pcmu) {
  RemoteMedia remote = peer.media();
  remote.telephone_event_type = -1;
  remote.codec = codec;
  remote.payload_type = codec == Codec::pcmu ? 0 : codec == Codec::pcma ? 8 : 96;
  return remote;
}

void speak(Peer& peer, const RemoteMedia& remote, std::span<const std::int16_t> pcm) {
  for (; pcm.size() >= 160; pcm = pcm.subspan(160)) {
    std::vector<std::uint8_t> bytes(160 * static_cast<std::size_t>(bytes_per_sample(remote.codec)));
    encode(remote.codec, pcm.first(160), bytes);
    peer.send(static_cast<std::uint8_t>(remote.payload_type), bytes);
    peer.timestamp += 160;
  }
}

TEST_F(MediaHearing, HearsTonesInEveryCodec) {
  start();
  StreamId id = 0;
  for (const Codec codec : {Codec::pcmu, Codec::pcma, Codec::l16}) {
    Peer peer;
    const auto address = media->open(++id, {});
    ASSERT_TRUE(address.ok());
    peer.call(*address);
    const RemoteMedia remote = without_events(peer, codec);
    media->set_remote(id, remote);
    speak(peer, remote, tones("159#"));
    std::string digits;
    ASSERT_TRUE(wait_event([&](const media::Event& event) {
      if (const auto* began = std::get_if<media::DigitBegan>(&event)) {
        EXPECT_EQ(began->source, DigitSource::inband);
        EXPECT_EQ(began->stream, id);
        digits += began->digit;
      }
      const auto* ended = std::get_if<media::DigitEnded>(&event);
      return ended != nullptr && ended->digit == '#';
    }));
    EXPECT_EQ(digits, "159#");
  }
}

TEST_F(MediaHearing, HearsTonesThatComeOutOfOrderOrNotAtAll) {
  start();
  Peer peer;
  const auto address = media->open(1, {});
  ASSERT_TRUE(address.ok());
  peer.call(*address);
  const RemoteMedia remote = without_events(peer);
  media->set_remote(1, remote);
  const auto pcm = tones("12345");
  const std::size_t packets = pcm.size() / 160;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < packets; ++i) {
    if (i % 17 != 5) order.push_back(i);  // lost
  }
  for (std::size_t i = 0; i + 1 < order.size(); i += 7) std::swap(order[i], order[i + 1]);
  for (const std::size_t i : order) {
    std::vector<std::uint8_t> bytes(160);
    encode(Codec::pcmu, std::span(pcm).subspan(i * 160, 160), bytes);
    peer.send_as({0, false, static_cast<std::uint16_t>(65530 + i),
                  static_cast<std::uint32_t>(4'294'966'000 + 160 * i), 5},
                 bytes);
  }
  std::string digits;
  ASSERT_TRUE(wait_event([&](const media::Event& event) {
    if (const auto* began = std::get_if<media::DigitBegan>(&event)) digits += began->digit;
    const auto* ended = std::get_if<media::DigitEnded>(&event);
    return ended != nullptr && ended->digit == '5';
  }));
  EXPECT_EQ(digits, "12345");
}

TEST_F(MediaHearing, EndsATonesKeyWhenNothingMoreComes) {
  start();
  Peer peer;
  const auto address = media->open(1, {});
  peer.call(*address);
  const RemoteMedia remote = without_events(peer);
  media->set_remote(1, remote);
  speak(peer, remote, std::span<const std::int16_t>(tones("7")).first(640));
  ASSERT_TRUE(wait_for<media::DigitBegan>());
  const auto ended = wait_for<media::DigitEnded>();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->digit, '7');
}

TEST_F(MediaHearing, DoesNotListenForTonesWhereEventsWereNegotiatedUnlessAsked) {
  start();
  for (const bool always : {false, true}) {
    Peer peer;
    const StreamId id = always ? 2 : 1;
    StreamOptions options;
    options.inband_always = always;
    open(id, peer, options);
    speak(peer, peer.media(), tones("5"));
    peer.press(6);
    std::string digits;
    ASSERT_TRUE(wait_event([&](const media::Event& event) {
      const auto* ended = std::get_if<media::DigitEnded>(&event);
      if (ended != nullptr) digits += ended->digit;
      return digits.size() == (always ? 2u : 1u);
    }));
    EXPECT_NE(digits.find('6'), std::string::npos);
    EXPECT_EQ(digits.find('5') != std::string::npos, always);
  }
}

TEST_F(MediaHearing, SendsTonesToAPeerWithoutEvents) {
  start();
  Peer peer;
  const auto address = media->open(1, {});
  peer.call(*address);
  media->set_remote(1, without_events(peer));
  media->send_digits(1, "42", 80ms, 80ms);
  auto detector = DtmfDetector::create();
  DtmfEvents heard;
  ASSERT_TRUE(peer.hears([&](const Heard& packet) {
    std::array<std::int16_t, 160> pcm;
    decode(Codec::pcmu, packet.payload, pcm);
    detector->process(pcm, heard);
    return heard.size() == 4;
  }));
  EXPECT_EQ(heard[0].digit, '4');
  EXPECT_EQ(heard[2].digit, '2');
  EXPECT_TRUE(wait_for<media::DigitsSent>());
}

TEST_F(MediaHearing, PlaysAClipOfAnotherCodec) {
  start();
  Peer peer;
  const auto address = media->open(1, {});
  peer.call(*address);
  media->set_remote(1, without_events(peer, Codec::pcma));
  std::vector<std::int16_t> pcm(800);
  for (std::size_t i = 0; i < pcm.size(); ++i) pcm[i] = static_cast<std::int16_t>(i % 2 ? 4000 : -4000);
  media->play(1, 1, {make_clip(Codec::l16, pcm)}, 1);
  ASSERT_TRUE(peer.hears([&](const Heard& packet) {
    return packet.header.payload_type == 8 && packet.payload.size() == 160 &&
           packet.payload[0] == encode_alaw(-4000) && packet.payload[1] == encode_alaw(4000);
  }));
  const auto ended = wait_for<media::PlayEnded>();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->samples, 800);
}

TEST_F(MediaHearing, TranscodesABridgeWhoseCodecsDiffer) {
  start();
  Peer one(1), two(2);
  const auto a = media->open(1, {}), b = media->open(2, {});
  one.call(*a);
  two.call(*b);
  media->set_remote(1, without_events(one, Codec::pcmu));
  media->set_remote(2, without_events(two, Codec::l16));
  media->bridge(1, 2);
  ASSERT_TRUE(wait_until([&] {
    one.audio(encode_ulaw(1234));
    const auto heard = two.packet(std::chrono::milliseconds(20));
    if (!heard || heard->payload.size() != 320) return false;
    std::array<std::int16_t, 160> pcm;
    decode(Codec::l16, heard->payload, pcm);
    return pcm[0] == decode_ulaw(encode_ulaw(1234)) && pcm[159] == pcm[0];
  }));
}

TEST_F(MediaHearing, TellsWhenTheOtherSideSpeaks) {
  start();
  Peer peer;
  open(1, peer);
  media->detect_voice(1, true);
  std::mt19937 random(3);
  std::normal_distribution<double> noise(0, 4000);
  std::vector<std::int16_t> pcm(8000);
  for (auto& sample : pcm) sample = static_cast<std::int16_t>(std::clamp(noise(random), -30000.0, 30000.0));
  speak(peer, peer.media(), std::vector<std::int16_t>(8000));
  speak(peer, peer.media(), pcm);
  ASSERT_TRUE(wait_for<media::VoiceBegan>());
  // Nothing follows at all: that is silence too.
  const auto ended = wait_for<media::VoiceEnded>();
  ASSERT_TRUE(ended);
  EXPECT_NEAR(static_cast<double>(ended->length.count()), 1000, 100);
  EXPECT_TRUE(wait_until([&] { return media->stats(1).voice_samples > 7000; }));
}

TEST_F(MediaHearing, AStrangerIsNeitherHeardNorAnswered) {
  start();
  Peer peer(7), stranger(7);  // with the right SSRC
  const Address address = open(1, peer);
  stranger.call(address);
  for (int i = 0; i < 5; ++i) stranger.press(9);  // also before the first real packet
  ASSERT_TRUE(wait_until([&] { return media->stats(1).foreign == 5 * 8; }));
  peer.audio();
  for (int i = 0; i < 5; ++i) stranger.press(9);
  const std::vector<std::uint8_t> report = {0x81, 201, 0, 7, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0,
                                            0,    0,   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  stranger.send_rtcp(report);
  ASSERT_TRUE(wait_until([&] { return media->stats(1).foreign == 2 * 5 * 8 + 1; }));
  peer.press(1);
  const auto began = wait_for<media::DigitBegan>();
  ASSERT_TRUE(began);
  EXPECT_EQ(began->digit, '1');
  EXPECT_EQ(count<media::DigitBegan>(), 1);
  EXPECT_FALSE(stranger.raw(std::chrono::milliseconds(0)));
  EXPECT_FALSE(stranger.raw(std::chrono::milliseconds(0), true));
}

TEST_F(MediaHearing, BehindNatTheFirstValidPacketSaysWhereToSend) {
  start();
  Peer peer;
  const auto address = media->open(1, {});
  peer.call(*address);
  RemoteMedia remote = peer.media();
  remote.address = {"192.168.77.5", 4000};
  remote.signalling_ip = "127.0.0.1";
  media->set_remote(1, remote);
  peer.send_raw(std::vector<std::uint8_t>(172, 0x11));  // not RTP
  peer.send(77, std::vector<std::uint8_t>(160, 1));     // not negotiated
  ASSERT_TRUE(wait_until([&] { return media->stats(1).malformed + media->stats(1).foreign == 2; }));
  EXPECT_FALSE(peer.raw(std::chrono::milliseconds(0)));
  peer.audio();
  EXPECT_TRUE(peer.packet());
  Peer stranger(peer.ssrc);
  stranger.call(*address);
  stranger.audio();
  ASSERT_TRUE(wait_until([&] { return media->stats(1).foreign >= 1; }));
}

TEST_F(MediaHearing, GarbageDoesNothingAndAFloodElsewhereTakesNobodysTurn) {
  start();
  Peer good(1), bad(2), stranger(3);
  open(1, good);
  const Address flooded = open(2, bad);
  stranger.call(flooded);
  std::mt19937 random(20);
  std::uint64_t thrown = 0;
  std::string digits;
  auto last = good.packet();
  ASSERT_TRUE(last);
  for (std::uint8_t round = 0; round < 10; ++round) {
    for (int i = 0; i < 300; ++i) {
      std::vector<std::uint8_t> junk(random() % 1600);
      for (auto& byte : junk) byte = static_cast<std::uint8_t>(random());
      if (junk.size() > 2 && i % 2 == 0) junk[0] = 0x80, junk[1] = i % 4 == 0 ? 0 : 101;
      (i % 3 == 0 ? bad : stranger).send_raw(junk);
      (i % 3 == 0 ? bad : stranger).send_rtcp(junk);
      ++thrown;
    }
    good.press(round);
    for (int i = 0; i < 3; ++i) {
      const auto next = good.packet();
      ASSERT_TRUE(next);
      EXPECT_EQ(next->header.sequence, static_cast<std::uint16_t>(last->header.sequence + 1));
      last = next;
    }
  }
  ASSERT_TRUE(wait_event([&](const media::Event& event) {
    const auto* began = std::get_if<media::DigitBegan>(&event);
    if (began != nullptr && began->stream == 1) digits += began->digit;
    return digits.size() == 10;
  }));
  EXPECT_EQ(digits, "0123456789");
  EXPECT_GT(media->stats(2).foreign + media->stats(2).malformed, 0u);
  EXPECT_EQ(media->stats(1).foreign, 0u);
  EXPECT_GT(thrown, 0u);
}

TEST_F(MediaHearing, ReportsByRtcp) {
  start();
  Peer peer;
  open(1, peer);
  // oRTP sends its first report within a few seconds; a sender report names our SSRC.
  const auto first = peer.packet();
  ASSERT_TRUE(first);
  std::optional<std::vector<std::uint8_t>> report;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!report && std::chrono::steady_clock::now() < until) {
    peer.audio();
    report = peer.raw(std::chrono::milliseconds(20), true);
  }
  ASSERT_TRUE(report);
  ASSERT_GE(report->size(), 28u);
  EXPECT_EQ((*report)[0] >> 6, 2);
  EXPECT_EQ((*report)[1], 200);
  EXPECT_EQ(
      static_cast<std::uint32_t>((*report)[4] << 24 | (*report)[5] << 16 | (*report)[6] << 8 | (*report)[7]),
      first->header.ssrc);
}

}  // namespace
}  // namespace ivr::test

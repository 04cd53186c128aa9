#include "engine/recording.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <random>

#include "engine/media_talk.hpp"
#include "ivr/wav.hpp"
#include "temp_folder.hpp"

namespace ivr::test {
namespace {

std::vector<std::uint8_t> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The samples of one channel, read by hand behind our own header.
std::vector<std::int16_t> channel(const std::string& path, int which, int channels) {
  const auto file = bytes_of(path);
  const std::size_t header = wav_header({WavEncoding::pcm16, kSampleRateHz, channels}, 0).size();
  std::vector<std::int16_t> samples;
  for (std::size_t at = header + 2 * static_cast<std::size_t>(which); at + 1 < file.size();
       at += 2 * static_cast<std::size_t>(channels)) {
    samples.push_back(static_cast<std::int16_t>(file[at] | file[at + 1] << 8));
  }
  return samples;
}

// A media thread made of a test: jobs go straight to a writer.
class Rig : public ::testing::Test, public RecordHost {
 protected:
  Rig() { writer.start(); }
  ~Rig() override { writer.stop(); }

  ChunkPool& chunks() noexcept override { return pool; }
  void write(RecordJob&& job) noexcept override {
    while (!writer.post(std::move(job))) std::this_thread::yield();
  }

  std::unique_ptr<Recording> record(RecordSpec spec) {
    pool.grow(spec.both_sides ? 2 : 1);
    auto made = std::make_unique<Recording>(1, 7, spec, pool);
    write({made.get(), 0, nullptr, nullptr});
    return made;
  }
  media::RecordEnded ended() {
    media::RecordEnded event;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!writer.next(event)) {
      if (std::chrono::steady_clock::now() > until) {
        ADD_FAILURE() << "no RecordEnded";
        break;
      }
      std::this_thread::yield();
    }
    return event;
  }
  static void hide(Recording& recording) {
    auto cutters = Recording::make_cutters(recording.lacks_cutters());
    recording.equip(cutters);
    EXPECT_TRUE(cutters.empty());
    recording.hide_digits(true);
  }
  // One tick of the stream with a packet of `value`, as the stream would see it.
  void frame(Recording& recording, std::int16_t value) {
    const std::vector<std::int16_t> pcm(160, value);
    recording.heard(timestamp, pcm, *this);
    timestamp += 160;
    recording.tick(*this);
  }
  void silence(Recording& recording, int ticks) {
    for (int i = 0; i < ticks; ++i) recording.tick(*this);
    timestamp += static_cast<std::uint32_t>(160 * ticks);
  }

  TempFolder folder;
  ChunkPool pool;
  RecordingWriter writer{[] {}};
  std::uint32_t timestamp = 0xFFFFFF00;  // the 32 bits run over on the way
};

TEST_F(Rig, IsAsLongAsWhatWasSpoken) {
  auto recording = record({.path = folder.file("deeper/down/a.wav")});
  for (int i = 0; i < 100; ++i) frame(*recording, static_cast<std::int16_t>(i));
  Recording::finish(std::move(recording), *this);
  const auto event = ended();
  EXPECT_EQ(event.record, 7u);
  EXPECT_EQ(event.samples, 16000);
  EXPECT_EQ(event.end, outcome::RecordEnd::finish_key);
  EXPECT_EQ(event.error, "");
  const auto wav = parse_wav(bytes_of(folder.file("deeper/down/a.wav")));
  ASSERT_TRUE(wav.ok()) << wav.status();
  ASSERT_EQ(wav->samples.size(), 16000u);
  for (std::size_t i = 0; i < 16000; ++i) ASSERT_EQ(wav->samples[i], static_cast<std::int16_t>(i / 160));
}

TEST_F(Rig, PutsSilenceWherePacketsWereLostOrNotSent) {
  auto recording = record({.path = folder.file("a.wav")});
  for (int i = 0; i < 10; ++i) frame(*recording, 1000);
  silence(*recording, 5);
  for (int i = 0; i < 10; ++i) frame(*recording, 2000);
  Recording::finish(std::move(recording), *this);
  EXPECT_EQ(ended().samples, 25 * 160);
  const auto pcm = channel(folder.file("a.wav"), 0, 1);
  ASSERT_EQ(pcm.size(), 25u * 160);
  EXPECT_EQ(pcm[10 * 160 - 1], 1000);
  EXPECT_EQ(pcm[10 * 160], 0);
  EXPECT_EQ(pcm[15 * 160 - 1], 0);
  EXPECT_EQ(pcm[15 * 160], 2000);
}

TEST_F(Rig, GoesOnWithTheClockWhenNobodySends) {
  auto recording = record({.path = folder.file("a.wav")});
  silence(*recording, 100);
  timestamp += 12345;
  for (int i = 0; i < 10; ++i) frame(*recording, 1000);
  silence(*recording, 90);
  Recording::finish(std::move(recording), *this);
  EXPECT_EQ(ended().samples, 200 * 160);
  const auto pcm = channel(folder.file("a.wav"), 0, 1);
  const auto heard = std::count(pcm.begin(), pcm.end(), 1000);
  EXPECT_EQ(heard, 1600);
  const auto first = std::find(pcm.begin(), pcm.end(), 1000) - pcm.begin();
  EXPECT_NEAR(static_cast<double>(first), 100 * 160, 160);
}

// M11. A voice, and keys pressed into it.
struct Typed {
  std::vector<std::int16_t> pcm;
  std::vector<bool> beside;  // what is none of the keys
  std::string keys;
};

Typed typed(std::uint32_t seed, const std::string& keys, std::size_t first = 4000, std::size_t every = 4000) {
  std::mt19937 random(seed);
  Typed made{std::vector<std::int16_t>(first + every * keys.size()), {}, keys};
  double angle = 0;
  for (std::size_t i = 0; i < made.pcm.size(); ++i) {  // a voice's pitch, which glides
    angle += 0.1 + 0.05 * std::sin(static_cast<double>(i) / 1500);
    double x = 0;
    for (int k = 1; k <= 8; ++k) x += std::sin(k * angle) / k;
    made.pcm[i] = static_cast<std::int16_t>(900 * x + static_cast<int>(random() % 21) - 10);
  }
  made.beside.assign(made.pcm.size(), true);
  for (std::size_t k = 0; k < keys.size(); ++k) {
    auto tone = *DtmfGenerator::create({.tone = Millis(60 + random() % 100), .pause = 0ms});
    EXPECT_TRUE(tone.dial(keys.substr(k, 1)).ok());
    std::vector<std::int16_t> sound(8000);
    sound.resize(tone.read(sound));
    const std::size_t at = first + k * every + random() % 700;
    for (std::size_t i = 0; i < sound.size(); ++i)
      made.pcm[at + i] = static_cast<std::int16_t>(std::clamp(made.pcm[at + i] + sound[i], -32768, 32767));
    std::fill(made.beside.begin() + static_cast<std::ptrdiff_t>(at - 96),
              made.beside.begin() + static_cast<std::ptrdiff_t>(at + sound.size() + 96), false);
  }
  return made;
}

TEST_F(Rig, M11_WithoutDigitsADetectorFindsNoneAndTheVoiceBesideThemIsAsItWas) {
  const Typed heard = typed(1, "159D*0#"), sent = typed(2, "4477112", 6000, 3600);
  ASSERT_EQ(keys_in(heard.pcm), heard.keys);
  ASSERT_EQ(keys_in(sent.pcm), sent.keys);
  for (const bool digits : {false, true}) {
    const std::string path = folder.file(digits ? "with.wav" : "without.wav");
    auto recording = record({.path = path, .both_sides = true, .digits = digits});
    const std::size_t frames = std::min(heard.pcm.size(), sent.pcm.size()) / 160;
    for (std::size_t i = 0; i < frames; ++i) {
      recording->heard(timestamp, std::span(heard.pcm).subspan(160 * i, 160), *this);
      recording->sent(timestamp, std::span(sent.pcm).subspan(160 * i, 160), *this);
      timestamp += 160;
      recording->tick(*this);
    }
    Recording::finish(std::move(recording), *this);
    EXPECT_EQ(ended().samples, static_cast<std::int64_t>(160 * frames));
    for (const auto& [which, said] : {std::pair(0, &heard), std::pair(1, &sent)}) {
      const auto kept = channel(path, which, 2);
      ASSERT_EQ(kept.size(), 160 * frames) << which;
      EXPECT_EQ(keys_in(kept), digits ? said->keys : "") << which;
      for (std::size_t i = 0; i < kept.size(); ++i)
        if (digits || said->beside[i]) {
          ASSERT_EQ(kept[i], said->pcm[i]) << which << ", sample " << i;
        }
    }
  }
}

TEST_F(Rig, M11_KeysThatAreToBeHiddenAreCutForAsLongAndWhatIsLostStaysInItsPlace) {
  const Typed said = typed(3, "123456789");
  auto recording = record({.path = folder.file("a.wav")});
  const auto now = [&](std::size_t key) { return (4000 + 4000 * key - 800) / 160; };  // before that key
  for (std::size_t i = 0; i < said.pcm.size() / 160; ++i) {
    if (i == now(3)) hide(*recording);
    if (i == now(6) - 4) recording->hide_digits(false);  // a late tone is hidden still: that of 7
    if (i == 20 || i == now(5) + 30) {
      timestamp += 160;  // lost
      recording->tick(*this);
      continue;
    }
    recording->heard(timestamp, std::span(said.pcm).subspan(160 * i, 160), *this);
    timestamp += 160;
    recording->tick(*this);
  }
  Recording::finish(std::move(recording), *this);
  EXPECT_EQ(ended().samples, static_cast<std::int64_t>(said.pcm.size()));
  const auto kept = channel(folder.file("a.wav"), 0, 1);
  ASSERT_EQ(kept.size(), said.pcm.size());
  EXPECT_EQ(keys_in(kept), "12389");
  const auto lost = [&](std::size_t sample) { return sample / 160 == 20 || sample / 160 == now(5) + 30; };
  for (std::size_t i = 0; i < kept.size(); ++i)
    if (said.beside[i]) {
      ASSERT_EQ(kept[i], lost(i) ? 0 : said.pcm[i]) << "sample " << i;
    }
}

TEST_F(Rig, WhatCutsKeysIsMadeWhenKeysAreToBeHiddenAndOnce) {
  struct Case {
    bool both_sides, digits;
    int lacks;
  };
  for (const Case& c :
       {Case{false, true, 1}, Case{true, true, 2}, Case{false, false, 0}, Case{true, false, 0}}) {
    auto recording = record({.path = folder.file("a.wav"), .both_sides = c.both_sides, .digits = c.digits});
    EXPECT_EQ(recording->lacks_cutters(), c.lacks);
    for (int i = 0; i < 10; ++i) frame(*recording, 1000);
    recording->hide_digits(false);  // nobody had asked for it
    for (int i = 0; i < 50; ++i) frame(*recording, 1000);
    EXPECT_EQ(recording->lacks_cutters(), c.lacks);
    hide(*recording);
    for (int i = 0; i < 10; ++i) frame(*recording, 1000);
    EXPECT_EQ(recording->lacks_cutters(), 0);
    recording->hide_digits(false);
    for (int i = 0; i < 50; ++i) frame(*recording, 1000);
    EXPECT_EQ(recording->lacks_cutters(), 0);
    auto more = Recording::make_cutters(3);
    recording->equip(more);
    EXPECT_EQ(more.size(), 3u);
    Recording::finish(std::move(recording), *this);
    EXPECT_EQ(ended().samples, 120 * 160);
    const auto kept = channel(folder.file("a.wav"), 0, c.both_sides ? 2 : 1);
    EXPECT_EQ(std::count(kept.begin(), kept.end(), 1000), 120 * 160);
  }
}

TEST_F(Rig, S0_07_EndsAtTheMaximumToTheSample) {
  struct Case {
    Millis max;
    int sent;
  };
  for (const Case& c : {Case{1s, 60}, Case{1010ms, 60}, Case{1s, 0}, Case{1s, 20}}) {
    auto recording = record({.path = folder.file("a.wav"), .max = c.max});
    int ticks = 0;
    for (; ticks < 200 && !recording->over(); ++ticks) {
      if (ticks < c.sent) {
        frame(*recording, 1000);
      } else {
        silence(*recording, 1);
      }
    }
    EXPECT_NEAR(static_cast<double>(ticks), static_cast<double>(c.max / 20ms), 4) << c.sent;
    Recording::finish(std::move(recording), *this);
    const auto event = ended();
    EXPECT_EQ(event.samples, c.max.count() * 8) << c.sent;
    EXPECT_EQ(event.end, outcome::RecordEnd::max_length);
    EXPECT_EQ(channel(folder.file("a.wav"), 0, 1).size(), static_cast<std::size_t>(c.max.count() * 8));
  }
}

TEST_F(Rig, EndsWithSilenceSentOrNot) {
  for (const bool packets : {true, false}) {
    auto recording = record({.path = folder.file("a.wav"), .silence = 2s});
    std::int16_t sign = 1;
    for (int i = 0; i < 100; ++i) {
      std::vector<std::int16_t> loud(160);
      for (auto& sample : loud)
        sample = static_cast<std::int16_t>((sign = static_cast<std::int16_t>(-sign)) * 5000);
      recording->heard(timestamp, loud, *this);
      timestamp += 160;
      recording->tick(*this);
      ASSERT_FALSE(recording->over());
    }
    int ticks = 0;
    for (; ticks < 200 && !recording->over(); ++ticks)
      packets ? frame(*recording, 0) : silence(*recording, 1);
    EXPECT_NEAR(ticks, 100, 15) << packets;
    Recording::finish(std::move(recording), *this);
    const auto event = ended();
    EXPECT_EQ(event.end, outcome::RecordEnd::silence);
    EXPECT_NEAR(static_cast<double>(event.samples), 200 * 160, 15 * 160);
  }
}

TEST_F(Rig, KeepsBothSidesApartAndInStep) {
  auto recording = record({.path = folder.file("a.wav"), .both_sides = true});
  const std::vector<std::int16_t> ours(160, -300);
  std::uint32_t sent = 77;
  for (int i = 0; i < 200; ++i) {
    if (i >= 50) recording->sent(sent, ours, *this);  // we are silent for the first second
    sent += 160;
    frame(*recording, 500);
  }
  Recording::finish(std::move(recording), *this);
  EXPECT_EQ(ended().samples, 200 * 160);
  const auto left = channel(folder.file("a.wav"), 0, 2), right = channel(folder.file("a.wav"), 1, 2);
  ASSERT_EQ(left.size(), 200u * 160);
  ASSERT_EQ(right.size(), left.size());
  EXPECT_EQ(std::count(left.begin(), left.end(), 500), 200 * 160);
  const auto begin = std::find(right.begin(), right.end(), -300) - right.begin();
  EXPECT_NEAR(static_cast<double>(begin), 50 * 160, 160);
  EXPECT_EQ(std::count(right.begin(), right.end(), -300),
            150 * 160 - (begin < 50 * 160 ? 0 : begin - 50 * 160));
}

TEST_F(Rig, SaysWhichFileCannotBeWrittenAndWhy) {
  struct Case {
    std::string path, why;
  };
  ::mkdir(folder.file("folder.wav").c_str(), 0755);
  for (const Case& c :
       {Case{"/dev/full", "No space left on device"}, Case{folder.file("folder.wav"), "Is a directory"}}) {
    auto recording = record({.path = c.path});
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!recording->over() && std::chrono::steady_clock::now() < until) frame(*recording, 1000);
    EXPECT_TRUE(recording->over()) << c.path;
    Recording::finish(std::move(recording), *this);
    const auto event = ended();
    EXPECT_EQ(event.end, outcome::RecordEnd::failed);
    EXPECT_NE(event.error.find(c.path), std::string::npos) << event.error;
    EXPECT_NE(event.error.find(c.why), std::string::npos) << event.error;
  }
}

TEST_F(Rig, AFileIsPlayableWhileItGrows) {
  const std::string path = folder.file("a.wav");
  auto recording = record({.path = path});
  for (std::uint32_t second = 1; second <= 10; ++second) {
    for (int i = 0; i < 50; ++i) frame(*recording, 1000);
    // But for the chunk that fills and the second that the header may be behind, the file knows of it all.
    const auto until = std::chrono::steady_clock::now() + kPatience;
    std::uint32_t audio = 0;
    while (audio + 2 * 16000 < second * 16000 && std::chrono::steady_clock::now() < until) {
      const auto file = bytes_of(path);
      if (file.size() < 44) continue;
      audio = static_cast<std::uint32_t>(file[40] | file[41] << 8 | file[42] << 16 | file[43] << 24);
      EXPECT_LE(audio, file.size() - 44);
    }
    ASSERT_GE(audio + 2 * 16000, second * 16000);
  }
  Recording::finish(std::move(recording), *this);
  EXPECT_EQ(ended().samples, 500 * 160);
}

TEST_F(Rig, FailsRatherThanWaitForADiskThatStands) {
  // Opening a pipe for writing waits for a reader: a disk that does not answer.
  const std::string path = folder.file("pipe.wav");
  ASSERT_EQ(::mkfifo(path.c_str(), 0644), 0);
  auto recording = record({.path = path});
  int ticks = 0;
  while (!recording->over() && ticks < 1000) frame(*recording, 1000), ++ticks;
  EXPECT_GE(ticks, 5 * 50);  // so much it can take
  EXPECT_LT(ticks, 1000);
  Recording::finish(std::move(recording), *this);
  std::ifstream reader(path, std::ios::binary);  // the disk is back
  const auto event = ended();
  EXPECT_EQ(event.end, outcome::RecordEnd::failed);
  EXPECT_NE(event.error.find(path), std::string::npos) << event.error;
}

// ------------------------------------------------------------------------- with a stream around it

using MediaRecording = MediaFixture;

TEST_F(MediaRecording, RecordsWhatItHearsAndWhatItSends) {
  TempFolder folder;
  start();
  Peer peer;
  open(1, peer);
  ASSERT_TRUE(peer.packet());
  media->start_record(1, 1, {.path = folder.file("heard.wav")});
  media->start_record(1, 2, {.path = folder.file("both.wav"), .both_sides = true});
  auto prompt = std::make_shared<Clip>();
  prompt->bytes.assign(160 * 25, encode_ulaw(4000));
  prompt->samples = 160 * 25;
  media->play(1, 1, {prompt}, 1);
  // Answer every packet with one: the test's clock is the stream's.
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(peer.packet());
    peer.audio(encode_ulaw(8000));
  }
  ASSERT_TRUE(wait_until([&] { return media->stats(1).received == 50; }));
  media->stop_record(1, 1);
  const auto heard = wait_for<media::RecordEnded>();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->record, 1u);
  EXPECT_NEAR(static_cast<double>(heard->samples), 50 * 160, 2 * 160);
  const auto pcm = channel(folder.file("heard.wav"), 0, 1);
  EXPECT_EQ(static_cast<std::int64_t>(pcm.size()), heard->samples);
  EXPECT_EQ(std::count(pcm.begin(), pcm.end(), decode_ulaw(encode_ulaw(8000))), 50 * 160);
  media->close(1);  // ends the other one
  const auto both = wait_for<media::RecordEnded>();
  ASSERT_TRUE(both);
  EXPECT_EQ(both->record, 2u);
  EXPECT_EQ(both->error, "");
  const auto left = channel(folder.file("both.wav"), 0, 2), right = channel(folder.file("both.wav"), 1, 2);
  EXPECT_EQ(static_cast<std::int64_t>(left.size()), both->samples);
  EXPECT_EQ(std::count(left.begin(), left.end(), decode_ulaw(encode_ulaw(8000))), 50 * 160);
  EXPECT_EQ(std::count(right.begin(), right.end(), decode_ulaw(encode_ulaw(4000))), 25 * 160);
}

TEST_F(MediaRecording, M11_KeysAreHiddenFromTheMiddleOfARecordingOnWhicheverThereAre) {
  TempFolder folder;
  start();
  Peer peer;
  open(1, peer);
  ASSERT_TRUE(peer.packet());
  // Answer every packet with one, the key if there is one for 100 ms, then half a second of nothing.
  const auto says = [&](const std::string& key) {
    auto tone = *DtmfGenerator::create({.pause = 500ms});
    ASSERT_TRUE(tone.dial(key.empty() ? "w" : key).ok());
    std::vector<std::int16_t> pcm(160);
    while (tone.read(pcm) > 0) {
      ASSERT_TRUE(peer.packet());
      std::vector<std::uint8_t> bytes(160);
      std::transform(pcm.begin(), pcm.end(), bytes.begin(), encode_ulaw);
      peer.send(0, bytes);
      peer.timestamp += 160;
    }
  };
  media->start_record(1, 1, {.path = folder.file("mono.wav")});
  media->start_record(1, 2, {.path = folder.file("stereo.wav"), .both_sides = true});
  media->start_record(1, 3, {.path = folder.file("early.wav")});
  media->start_record(1, 4, {.path = folder.file("without.wav"), .digits = false});
  says("1");
  media->stop_record(1, 3);  // and nobody has read of it when keys are to be hidden
  media->hide_digits(1, true);
  says("2");
  media->start_record(1, 5, {.path = folder.file("while.wav")});
  says("3");
  media->hide_digits(1, false);
  says("");
  media->start_record(1, 6, {.path = folder.file("between.wav")});
  says("4");
  for (int i = 0; i < 2; ++i) media->hide_digits(1, true);
  says("5");
  media->hide_digits(1, false);
  says("");
  says("6");
  media->close(1);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(wait_for<media::RecordEnded>());
  struct Case {
    const char* file;
    int channels;
    const char* keys;
  };
  for (const Case& c : {Case{"mono.wav", 1, "146"}, Case{"stereo.wav", 2, "146"}, Case{"early.wav", 1, "1"},
                        Case{"without.wav", 1, ""}, Case{"while.wav", 1, "46"}, Case{"between.wav", 1, "46"}})
    EXPECT_EQ(keys_in(channel(folder.file(c.file), 0, c.channels)), c.keys) << c.file;
}

TEST_F(MediaRecording, StoppingTheEngineMakesOpenFilesWhole) {
  TempFolder folder;
  start();
  Peer peer;
  open(1, peer);
  media->start_record(1, 1, {.path = folder.file("a.wav")});
  for (int i = 0; i < 10; ++i) peer.audio(encode_ulaw(8000));
  ASSERT_TRUE(wait_until([&] { return media->stats(1).received == 10; }));
  media->stop();
  const auto ended = wait_for<media::RecordEnded>();
  ASSERT_TRUE(ended);
  const auto wav = parse_wav(bytes_of(folder.file("a.wav")));
  ASSERT_TRUE(wav.ok()) << wav.status();
  EXPECT_EQ(static_cast<std::int64_t>(wav->samples.size()), ended->samples);
  EXPECT_EQ(std::count(wav->samples.begin(), wav->samples.end(), decode_ulaw(encode_ulaw(8000))), 10 * 160);
}

TEST_F(MediaRecording, AudioGoesOnWhileTheDiskStands) {
  TempFolder folder;
  start();
  Peer peer;
  open(1, peer);
  const std::string path = folder.file("pipe.wav");
  ASSERT_EQ(::mkfifo(path.c_str(), 0644), 0);
  media->start_record(1, 1, {.path = path, .both_sides = true});
  auto last = peer.packet();
  ASSERT_TRUE(last);
  for (int i = 0; i < 50; ++i) {
    const auto next = peer.packet();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->header.sequence, static_cast<std::uint16_t>(last->header.sequence + 1));
    last = next;
  }
  media->close(1);
  std::ifstream reader(path, std::ios::binary);
  const auto ended = wait_for<media::RecordEnded>();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->end, outcome::RecordEnd::failed);  // a pipe is no file
}

}  // namespace
}  // namespace ivr::test

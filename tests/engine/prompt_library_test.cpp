#include "engine/prompt_library.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "edge/espeak.hpp"
#include "ivr/audio.hpp"
#include "ivr/tones.hpp"
#include "ivr/wav.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

// Speaks 100 ms a letter, at 16 kHz; can be held.
class LetterSpeech final : public SpeechPort {
 public:
  absl::StatusOr<Pcm> speak(std::string_view text, std::string_view language,
                            std::string_view voice) override {
    std::unique_lock lock(mutex_);
    ++spoken_[std::string(language) + "/" + std::string(voice) + "/" + std::string(text)];
    changed_.notify_all();
    changed_.wait(lock, [&] { return !held_; });
    if (text.find("dumb") != std::string_view::npos) return absl::UnavailableError("no voice today");
    Pcm pcm{16000, std::vector<std::int16_t>(text.size() * 1600)};
    for (std::size_t i = 0; i < pcm.samples.size(); ++i) pcm.samples[i] = i / 16 % 2 ? 900 : -900;
    return pcm;
  }
  void hold(bool on) {
    {
      std::lock_guard lock(mutex_);
      held_ = on;
    }
    changed_.notify_all();
  }
  [[nodiscard]] bool wait_spoken(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return static_cast<int>(spoken_.size()) >= count; });
  }
  std::map<std::string, int> spoken() {
    std::lock_guard lock(mutex_);
    return spoken_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> spoken_;
  bool held_ = false;
};

Prompt text(std::string value, std::string language = "en") {
  Prompt prompt;
  prompt.value = std::move(value);
  prompt.language = std::move(language);
  return prompt;
}
Prompt other(Prompt::Kind kind, std::string value, Millis length = 0ms) {
  Prompt prompt;
  prompt.kind = kind;
  prompt.value = std::move(value);
  prompt.length = length;
  return prompt;
}
Prompt file(std::string value) { return other(Prompt::Kind::file, std::move(value)); }

class PromptLibraryTest : public testing::Test {
 protected:
  PromptLibraryTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivr-library-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    options_.folder = folder_;
    options_.recheck = 5ms;
  }
  ~PromptLibraryTest() override {
    speech_.hold(false);
    library_.reset();
    std::filesystem::remove_all(folder_);
  }

  PromptLibrary& library() {
    if (!library_) library_ = std::make_unique<PromptLibrary>(options_, &speech_, [this] { notify(); });
    return *library_;
  }
  void notify() {
    {
      std::lock_guard lock(mutex_);
      ++notified_;
    }
    changed_.notify_all();
  }
  // What the control thread does: waits to be woken, then drains.
  PromptLibrary::Ready wait_ready() {
    PromptLibrary::Ready ready;
    for (int turn = 0; turn < 1000; ++turn) {
      int seen;
      {
        std::lock_guard lock(mutex_);
        seen = notified_;
      }
      if (library().next_ready(ready)) return ready;
      std::unique_lock lock(mutex_);
      if (!changed_.wait_for(lock, 30s, [&] { return notified_ != seen; })) break;
    }
    ADD_FAILURE() << "nothing became ready";
    return ready;
  }
  PromptLibrary::Clips get(const Prompts& prompts, Codec codec = Codec::pcmu) {
    if (auto clips = library().request(prompts, codec, 1, ++play_)) return *std::move(clips);
    auto ready = wait_ready();
    EXPECT_EQ(ready.play, play_);
    return std::move(ready.clips);
  }
  void write_raw(const std::string& name, std::uint8_t code, std::size_t samples) {
    // Aside and renamed, as a person who changes prompts on a living server should.
    std::ofstream(folder_ + "/aside", std::ios::binary) << std::string(samples, static_cast<char>(code));
    std::filesystem::rename(folder_ + "/aside", folder_ + "/" + name);
  }
  // Asks again and again until the clip is as wanted.
  template <class Condition>
  [[nodiscard]] bool wait_file(const std::string& name, Condition condition) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < until) {
      PromptLibrary::Ready ready;
      while (library().next_ready(ready)) {
      }
      auto clips = library().request({file(name)}, Codec::pcmu, 1, ++play_);
      if (!clips) clips = wait_ready().clips;
      if (condition(*clips)) return true;
      std::this_thread::yield();
    }
    return false;
  }

  std::string folder_;
  PromptLibraryOptions options_;
  LetterSpeech speech_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int notified_ = 0;
  PlayId play_ = 0;
  std::unique_ptr<PromptLibrary> library_;
};

TEST_F(PromptLibraryTest, SpeaksATextOnceAndThenAnswersAtOnce) {
  const Prompts hello = {text("hello")};
  EXPECT_FALSE(library().request(hello, Codec::pcmu, 7, 8));
  auto ready = wait_ready();
  EXPECT_EQ(ready.ticket, 7u);
  EXPECT_EQ(ready.play, 8u);
  ASSERT_TRUE(ready.clips.ok()) << ready.clips.status();
  ASSERT_EQ(ready.clips->size(), 1u);
  const Clip& clip = *ready.clips->at(0);
  EXPECT_EQ(clip.samples, 4000);  // 500 ms
  EXPECT_EQ(clip.bytes.size(), 4000u);
  std::vector<std::int16_t> pcm(4000);
  decode(Codec::pcmu, clip.bytes, pcm);
  EXPECT_NEAR(active_level_dbm0(pcm), -18, 1.5) << "brought to an even loudness";

  for (int i = 0; i < 10; ++i) {
    const auto again = library().request(hello, Codec::pcmu, 1, 1);
    ASSERT_TRUE(again && again->ok());
    EXPECT_EQ((*again)->at(0), ready.clips->at(0)) << "the same clip";
  }
  EXPECT_EQ(speech_.spoken(), (std::map<std::string, int>{{"en//hello", 1}}));
  EXPECT_EQ(library().stats().hits, 10u);
  EXPECT_EQ(library().stats().rendered, 1u);
}

TEST_F(PromptLibraryTest, WhoAsksMeanwhileSharesTheRendering) {
  speech_.hold(true);
  for (std::uint64_t ticket = 1; ticket <= 50; ++ticket) {
    EXPECT_FALSE(library().request({text("hello"), text("hello")}, Codec::pcmu, ticket, ticket));
  }
  EXPECT_EQ(library().stats().waiting, 1);
  speech_.hold(false);
  ClipPtr first;
  for (std::uint64_t ticket = 1; ticket <= 50; ++ticket) {
    const auto ready = wait_ready();
    EXPECT_EQ(ready.ticket, ticket);
    ASSERT_EQ(ready.clips->size(), 2u);
    if (!first) first = ready.clips->at(0);
    EXPECT_EQ(ready.clips->at(0), first);
    EXPECT_EQ(ready.clips->at(1), first);
  }
  EXPECT_EQ(speech_.spoken()["en//hello"], 1);
}

TEST_F(PromptLibraryTest, KeepsTheOrderOfThePieces) {
  write_raw("a.ulaw", 0x11, 160);
  const auto clips = get({text("one"), file("a.ulaw"), other(Prompt::Kind::silence, "", 2500ms),
                          other(Prompt::Kind::tone, "beep"), text("three"), text(""), file("a.ulaw")});
  ASSERT_TRUE(clips.ok()) << clips.status();
  std::vector<std::int64_t> lengths;
  for (const auto& clip : *clips) lengths.push_back(clip->samples);
  const auto beep = static_cast<std::int64_t>(make_tone("beep")->size());
  EXPECT_EQ(lengths, (std::vector<std::int64_t>{2400, 160, 8000, 8000, 4000, beep, 4000, 160}));
  EXPECT_EQ(clips->at(1)->bytes, std::vector<std::uint8_t>(160, 0x11));
  EXPECT_EQ(clips->at(2), clips->at(3)) << "a second of silence is one clip";
  EXPECT_EQ(clips->at(2)->bytes, std::vector<std::uint8_t>(8000, 0xff));
}

TEST_F(PromptLibraryTest, LanguageVoiceAndCodecAreApart) {
  Prompt voiced = text("a");
  voiced.voice = "deep";
  for (const Prompt& prompt : {text("a"), text("a", "ar"), voiced}) {
    for (Codec codec : {Codec::pcmu, Codec::pcma, Codec::l16}) {
      const auto clips = get({prompt}, codec);
      ASSERT_TRUE(clips.ok());
      EXPECT_EQ(clips->at(0)->codec, codec);
      EXPECT_EQ(clips->at(0)->bytes.size(), codec == Codec::l16 ? 1600u : 800u);
    }
  }
  EXPECT_EQ(library().stats().rendered, 9u);
  ASSERT_TRUE(get({text("a", "")}).ok());
  EXPECT_EQ(library().stats().rendered, 9u) << "no language is the default one";
}

TEST_F(PromptLibraryTest, NothingToSayIsAFrameOfSilence) {
  for (const Prompts& prompts :
       {Prompts{}, Prompts{text("")}, Prompts{other(Prompt::Kind::silence, "", 0ms)}}) {
    const auto clips = get(prompts);
    ASSERT_TRUE(clips.ok()) << clips.status();
    ASSERT_EQ(clips->size(), 1u);
    EXPECT_EQ(clips->at(0)->samples, kFrameSamples);
  }
}

TEST_F(PromptLibraryTest, TheErrorOfAPieceNamesIt) {
  Prompt secret = text("dumb 1234");
  secret.secret = true;
  const struct {
    Prompt prompt;
    absl::StatusCode code;
    std::string words;
  } rows[] = {
      {file("no/such.wav"), absl::StatusCode::kNotFound, folder_ + "/no/such.wav"},
      {file("../../etc/passwd"), absl::StatusCode::kInvalidArgument, "leaves the prompt folder"},
      {text("dumb", "ar"), absl::StatusCode::kUnavailable, "speak 'dumb' in 'ar': no voice today"},
      {secret, absl::StatusCode::kUnavailable, "speak '***' in 'en'"},
      {text(std::string(20'000, 'x')), absl::StatusCode::kInvalidArgument, "20000 bytes, at most 16384"},
      {other(Prompt::Kind::tone, "boing"), absl::StatusCode::kNotFound, "boing"},
      {other(Prompt::Kind::silence, "", 11min), absl::StatusCode::kInvalidArgument, "660000 ms"},
  };
  for (const auto& row : rows) {
    const auto clips = get({text("fine"), row.prompt, text("too")});
    EXPECT_EQ(clips.status().code(), row.code) << clips.status();
    EXPECT_THAT(std::string(clips.status().message()), HasSubstr(row.words));
    EXPECT_THAT(library().stats().last_error, HasSubstr(row.words));
    PromptLibrary::Ready ready;
    EXPECT_FALSE(library().next_ready(ready)) << "one answer, not two";
  }
  write_raw("now.ulaw", 1, 160);
  EXPECT_TRUE(get({file("now.ulaw")}).ok());

  library_ = std::make_unique<PromptLibrary>(options_, nullptr, [this] { notify(); });
  EXPECT_EQ(get({text("x")}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(PromptLibraryTest, FilesDoNotWaitForSpeech) {
  write_raw("a.ulaw", 0x22, 320);
  speech_.hold(true);
  EXPECT_FALSE(library().request({text("slow")}, Codec::pcmu, 1, 1));
  ASSERT_TRUE(speech_.wait_spoken(1));
  EXPECT_FALSE(library().request({file("a.ulaw")}, Codec::pcmu, 2, 2));
  EXPECT_EQ(wait_ready().ticket, 2u);
  speech_.hold(false);
  EXPECT_EQ(wait_ready().ticket, 1u);
}

TEST_F(PromptLibraryTest, ForgetsTheLongestUnusedBeyondItsLimit) {
  options_.max_bytes = 10'000;
  for (const char* word : {"aaaa", "bbbb", "cccc"}) ASSERT_TRUE(get({text(word)}).ok());  // 3,200 bytes each
  EXPECT_TRUE(library().request({text("aaaa")}, Codec::pcmu, 1, 1));
  ASSERT_TRUE(get({text("dddd")}).ok());
  EXPECT_EQ(library().stats().kept, 3u);
  EXPECT_LE(library().stats().kept_bytes, 10'000u);
  EXPECT_TRUE(library().request({text("aaaa")}, Codec::pcmu, 1, 1)) << "used since";
  ASSERT_TRUE(get({text("bbbb")}).ok());
  EXPECT_EQ(speech_.spoken()["en//bbbb"], 2) << "was the longest unused";
  ASSERT_TRUE(get({text(std::string(20, 'l'))}).ok()) << "larger than the whole library";
}

TEST_F(PromptLibraryTest, RefusesMoreThanMayWait) {
  options_.max_waiting = 3;
  speech_.hold(true);
  for (const char* word : {"a", "b", "c"}) EXPECT_FALSE(library().request({text(word)}, Codec::pcmu, 1, 1));
  const auto refused = library().request({text("d")}, Codec::pcmu, 1, 1);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(library().request({text("a")}, Codec::pcmu, 1, 1)) << "nothing new to make";
}

TEST_F(PromptLibraryTest, SpokenTextSurvivesARestartExceptSecrets) {
  options_.speech_cache = folder_ + "/cache";
  Prompt secret = text("pin 1234");
  secret.secret = true;
  const auto first = get({text("hello"), secret});
  ASSERT_TRUE(first.ok());
  library_.reset();
  const auto second = get({text("hello"), secret});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(first->at(0)->bytes, second->at(0)->bytes);
  EXPECT_FALSE(first->at(0)->secret);
  EXPECT_TRUE(first->at(1)->secret) << "recordings would have it";
  EXPECT_EQ(get({text("hello")}, Codec::pcma)->at(0)->samples, 4000);
  EXPECT_EQ(speech_.spoken()["en//hello"], 1);
  EXPECT_EQ(speech_.spoken()["en//pin 1234"], 2);
  for (const auto& entry : std::filesystem::directory_iterator(options_.speech_cache)) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_THAT(bytes, testing::Not(HasSubstr("1234")));
  }
}

TEST_F(PromptLibraryTest, PreloadsWithoutTellingAnybody) {
  library().preload({text("welcome"), file("missing.wav")}, Codec::pcmu);
  ASSERT_TRUE(get({text("last")}).ok());  // after it, the preload is done
  PromptLibrary::Ready ready;
  EXPECT_FALSE(library().next_ready(ready));
  EXPECT_TRUE(library().request({text("welcome")}, Codec::pcmu, 1, 1));
  EXPECT_TRUE(wait_file("missing.wav", [](const auto& clips) { return !clips.ok(); }));
  EXPECT_THAT(library().stats().last_error, HasSubstr("missing.wav"));
}

TEST_F(PromptLibraryTest, AChangedFileIsHeardWithoutARestart) {
  write_raw("a.ulaw", 0x11, 160);
  const auto begins_with = [](std::uint8_t code) {
    return [code](const PromptLibrary::Clips& clips) { return clips.ok() && clips->at(0)->bytes[0] == code; };
  };
  const auto old = get({file("a.ulaw")});
  ASSERT_TRUE(begins_with(0x11)(old));
  write_raw("a.ulaw", 0x22, 160);  // the same size, perhaps within the same tick of the clock
  EXPECT_TRUE(wait_file("a.ulaw", begins_with(0x22)));
  EXPECT_EQ(old->at(0)->bytes[0], 0x11) << "who plays the old one plays on";
  std::filesystem::remove(folder_ + "/a.ulaw");
  EXPECT_TRUE(wait_file("a.ulaw", [](const auto& clips) { return absl::IsNotFound(clips.status()); }));
  write_raw("a.ulaw", 0x33, 160);
  EXPECT_TRUE(wait_file("a.ulaw", begins_with(0x33)));
}

TEST_F(PromptLibraryTest, AFileThatIsHalfWrittenLeavesTheOldOne) {
  const auto write = [&](const std::vector<std::uint8_t>& bytes) {
    std::ofstream(folder_ + "/a.wav", std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  const auto wav = [](std::size_t samples) {
    return write_wav({8000, std::vector<std::int16_t>(samples, 500)});
  };
  write(wav(160));
  ASSERT_EQ(get({file("a.wav")})->at(0)->samples, 160);
  auto half = wav(320);
  half.resize(10);
  write(half);
  EXPECT_TRUE(wait_file("a.wav", [&](const auto& clips) {
    EXPECT_TRUE(clips.ok());
    return library().stats().errors > 0;
  }));
  EXPECT_EQ(get({file("a.wav")})->at(0)->samples, 160);
  write(wav(480));
  EXPECT_TRUE(
      wait_file("a.wav", [](const auto& clips) { return clips.ok() && clips->at(0)->samples == 480; }));
}

#ifdef IVR_WITH_ESPEAK
TEST_F(PromptLibraryTest, TheRealVoiceIsLoudEnoughAndOfTelephoneRate) {
  auto espeak = EspeakSpeech::create();
  ASSERT_TRUE(espeak.ok()) << espeak.status();
  library_ = std::make_unique<PromptLibrary>(options_, espeak->get(), [this] { notify(); });
  const auto clips =
      get({text("Your balance is one thousand two hundred dollars."), text("رصيدك هو اثنا عشر ريالا", "ar")});
  ASSERT_TRUE(clips.ok()) << clips.status();
  ASSERT_EQ(clips->size(), 2u);
  for (const ClipPtr& clip : *clips) {
    EXPECT_GT(clip->samples, 8000) << "more than a second";
    EXPECT_LT(clip->samples, 10 * 8000);
    std::vector<std::int16_t> pcm(clip->bytes.size());
    decode(Codec::pcmu, clip->bytes, pcm);
    EXPECT_NEAR(active_level_dbm0(pcm), -18, 3);
  }
  EXPECT_EQ(get({text("hello", "xx-klingon")}).status().code(), absl::StatusCode::kNotFound);
  library_.reset();  // before the voice it speaks with
}
#endif

}  // namespace
}  // namespace ivr

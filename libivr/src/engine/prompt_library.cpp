#include "engine/prompt_library.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "edge/prompt_file.hpp"
#include "edge/speech_cache.hpp"
#include "ivr/audio.hpp"
#include "ivr/tones.hpp"

namespace ivr {
namespace {

constexpr std::size_t kMaxText = 16 << 10;
constexpr Millis kMaxSilence = 10min;

bool spoken(const Prompt& prompt) { return prompt.kind == Prompt::Kind::text; }

// What tells two clips apart. The parts end with a byte that text may not hold.
void write_key(const Prompt& prompt, Codec codec, const std::string& default_language, std::string& key) {
  key.assign(1, static_cast<char>('0' + static_cast<int>(codec)));
  switch (prompt.kind) {
    case Prompt::Kind::text:
      key += prompt.secret ? 's' : 't';
      key.append(prompt.language.empty() ? default_language : prompt.language).append(1, '\0');
      key.append(prompt.voice).append(1, '\0').append(prompt.value);
      return;
    case Prompt::Kind::file: key.append(1, 'f').append(prompt.value); return;
    case Prompt::Kind::tone:
      key.append(1, 'b').append(prompt.value).append(1, '\0').append(std::to_string(prompt.length.count()));
      return;
    case Prompt::Kind::silence: key.append(1, 'q').append(std::to_string(prompt.length.count())); return;
    case Prompt::Kind::music: key.append(1, 'm').append(prompt.value); return;
  }
}

// A thread with jobs to do one after the other.
template <class Job>
class Jobs {
 public:
  void push(Job job) {
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
  }

  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
  }

  bool stopping() {
    std::lock_guard lock(mutex_);
    return stopping_;
  }

  // Nothing when it is time to stop, or when nothing came until then (a limit of 0 waits for ever).
  std::optional<Job> pop(Millis limit) {
    std::unique_lock lock(mutex_);
    const auto there = [this] { return stopping_ || !jobs_.empty(); };
    if (limit > 0ms) {
      changed_.wait_for(lock, limit, there);
    } else {
      changed_.wait(lock, there);
    }
    if (stopping_ || jobs_.empty()) return std::nullopt;
    std::optional<Job> job(std::move(jobs_.front()));
    jobs_.pop_front();
    return job;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
};

}  // namespace

// What the workers have made, on its way to the control thread.
class PromptLibrary::Outbox {
 public:
  explicit Outbox(std::function<void()> notify) : notify_(std::move(notify)) {}

  void push(Made made) {
    {
      std::lock_guard lock(mutex_);
      made_.push_back(std::move(made));
      count_ = made_.size();
    }
    if (notify_) notify_();
  }

  bool pop(Made& made) {
    if (count_ == 0) return false;
    std::lock_guard lock(mutex_);
    made = std::move(made_.front());
    made_.pop_front();
    count_ = made_.size();
    return true;
  }

 private:
  const std::function<void()> notify_;
  std::atomic<std::size_t> count_{0};  // looked at without the mutex
  std::mutex mutex_;
  std::deque<Made> made_;
};

class PromptLibrary::SpeechWorker {
 public:
  struct Job {
    std::string key;
    Prompt prompt;
    Codec codec;
  };

  SpeechWorker(const PromptLibraryOptions& options, SpeechPort* speech, Outbox& outbox)
      : speech_(speech), outbox_(outbox) {
    if (!options.speech_cache.empty()) cache_.emplace(options.speech_cache);
    thread_ = std::thread([this] { run(); });
  }
  ~SpeechWorker() {
    jobs_.stop();
    thread_.join();
  }
  void push(Job job) { jobs_.push(std::move(job)); }

 private:
  void run() {
    while (auto job = jobs_.pop(0ms)) {
      auto samples = speak(job->prompt, format_of(job->codec).sample_rate_hz);
      if (samples.ok()) {
        outbox_.push({std::move(job->key), make_clip(job->codec, *samples, job->prompt.secret)});
      } else {
        outbox_.push({std::move(job->key), std::move(samples).status()});
      }
    }
  }

  absl::StatusOr<std::vector<std::int16_t>> speak(const Prompt& prompt, int rate_hz) {
    const bool cached = cache_ && !prompt.secret;
    std::string key = prompt.language + '\0' + prompt.voice + '\0' + prompt.value;
    if (rate_hz != kSampleRateHz) key.append(1, '\0').append(std::to_string(rate_hz));
    if (cached) {
      if (auto found = cache_->find(key)) return *std::move(found);
    }
    const auto failed = [&](const absl::Status& status) {
      const std::string text = prompt.secret ? "***" : prompt.value.substr(0, 80);
      return absl::Status(status.code(), "speak '" + text + "' in '" + prompt.language + "'" +
                                             (prompt.voice.empty() ? "" : " by '" + prompt.voice + "'") +
                                             ": " + std::string(status.message()));
    };
    if (speech_ == nullptr)
      return failed(absl::FailedPreconditionError("there is no speech in this program"));
    auto pcm = speech_->speak(prompt.value, prompt.language, prompt.voice);
    if (!pcm.ok()) return failed(pcm.status());
    auto samples = resample(pcm->samples, pcm->sample_rate_hz, rate_hz);
    if (!samples.ok()) return failed(samples.status());
    normalise(*samples);
    // A cache that cannot be written costs time at the next start, nothing now.
    if (cached) cache_->put(key, *samples).IgnoreError();
    return samples;
  }

  SpeechPort* const speech_;
  Outbox& outbox_;
  std::optional<SpeechCache> cache_;
  Jobs<Job> jobs_;
  std::thread thread_;
};

// Reads files, makes tones, and looks after the files that were read.
class PromptLibrary::FileWorker {
 public:
  struct Job {
    std::string key;
    Prompt prompt;
    Codec codec;
    bool forget = false;
  };

  FileWorker(const PromptLibraryOptions& options, Outbox& outbox)
      : folder_(options.folder), recheck_(std::max(options.recheck, 1ms)), outbox_(outbox) {
    thread_ = std::thread([this] { run(); });
  }
  ~FileWorker() {
    jobs_.stop();
    thread_.join();
  }
  void push(Job job) { jobs_.push(std::move(job)); }

 private:
  struct Watched {
    std::string name;
    Codec codec;
    FileStamp stamp;
  };
  using Clock = std::chrono::steady_clock;

  void run() {
    auto next_look = Clock::now() + recheck_;
    while (!jobs_.stopping()) {
      const auto left = std::chrono::ceil<Millis>(next_look - Clock::now());
      if (auto job = jobs_.pop(watched_.empty() ? 0ms : std::max(left, 1ms))) work(*job);
      if (Clock::now() < next_look) continue;
      look();
      next_look = Clock::now() + recheck_;
    }
  }

  void work(Job& job) {
    if (job.forget) {
      watched_.erase(job.key);
    } else if (job.prompt.kind == Prompt::Kind::tone) {
      auto samples = make_tone(job.prompt.value, job.prompt.length);
      if (samples.ok()) samples = resample(*samples, kSampleRateHz, format_of(job.codec).sample_rate_hz);
      if (samples.ok()) {
        outbox_.push({std::move(job.key), make_clip(job.codec, *samples)});
      } else {
        outbox_.push({std::move(job.key), std::move(samples).status()});
      }
    } else {
      FileStamp stamp;
      auto clip = read_prompt_file(folder_, job.prompt.value, job.codec, stamp);
      if (clip.ok()) watched_[job.key] = {job.prompt.value, job.codec, stamp};
      outbox_.push({std::move(job.key), std::move(clip)});
    }
  }

  void look() {
    for (auto it = watched_.begin(); it != watched_.end();) {
      auto& [key, file] = *it;
      const FileStamp now = stamp_of(folder_, file.name);
      if (now == file.stamp) {
        ++it;
      } else if (now.size < 0) {
        outbox_.push({key, absl::NotFoundError("prompt file '" + file.name + "' is gone"), Made::Why::gone});
        watched_.erase(it++);
      } else {
        file.stamp = now;  // also when it cannot be read: tried again when it has changed again
        outbox_.push(
            {key, read_prompt_file(folder_, file.name, file.codec, file.stamp), Made::Why::reloaded});
        ++it;
      }
    }
  }

  const std::string folder_;
  const Millis recheck_;
  Outbox& outbox_;
  absl::flat_hash_map<std::string, Watched> watched_;
  Jobs<Job> jobs_;
  std::thread thread_;
};

PromptLibrary::PromptLibrary(PromptLibraryOptions options, SpeechPort* speech, std::function<void()> notify)
    : options_(std::move(options)),
      outbox_(std::make_unique<Outbox>(std::move(notify))),
      speech_(std::make_unique<SpeechWorker>(options_, speech, *outbox_)),
      files_(std::make_unique<FileWorker>(options_, *outbox_)) {}

PromptLibrary::~PromptLibrary() = default;

std::optional<PromptLibrary::Clips> PromptLibrary::request(const Prompts& prompts, Codec codec,
                                                           std::uint64_t ticket, PlayId play) {
  return ask(prompts, codec, ticket, play, false);
}

void PromptLibrary::preload(const Prompts& prompts, Codec codec) { ask(prompts, codec, 0, 0, true); }

std::optional<PromptLibrary::Clips> PromptLibrary::ask(const Prompts& prompts, Codec codec,
                                                       std::uint64_t ticket, PlayId play, bool silent) {
  codec = clip_codec(codec);
  std::shared_ptr<Asked> asked;  // made with the first piece that is missing
  std::vector<ClipPtr> clips;
  clips.reserve(prompts.size() + 1);
  absl::Status error;
  for (const Prompt& prompt : prompts) {
    if (prompt.kind == Prompt::Kind::silence) {
      error = silence(codec, prompt.length, clips);
      if (!error.ok()) break;
      continue;
    }
    if (spoken(prompt) && prompt.value.size() > kMaxText) {
      error = absl::InvalidArgumentError("text of " + std::to_string(prompt.value.size()) +
                                         " bytes, at most " + std::to_string(kMaxText));
      break;
    }
    write_key(prompt, codec, options_.default_language, key_);
    if (const auto found = by_key_.find(key_); found != by_key_.end()) {
      ++stats_.hits;
      kept_.splice(kept_.begin(), kept_, found->second);
      clips.push_back(found->second->clip);
      continue;
    }
    ++stats_.misses;
    auto waiting = waiting_.find(key_);
    if (waiting == waiting_.end()) {
      if (waiting_.size() >= static_cast<std::size_t>(options_.max_waiting)) {
        error = absl::ResourceExhaustedError("prompts: " + std::to_string(options_.max_waiting) +
                                             " pieces wait to be made");
        break;
      }
      waiting = waiting_.try_emplace(key_).first;
      Prompt piece = prompt;
      if (spoken(piece)) {
        if (piece.language.empty()) piece.language = options_.default_language;
        speech_->push({key_, std::move(piece), codec});
      } else {
        files_->push({key_, std::move(piece), codec});
      }
    }
    if (!asked) asked = std::make_shared<Asked>();
    ++asked->missing;
    waiting->second.emplace_back(asked, clips.size());
    clips.push_back(nullptr);
  }
  if (!error.ok()) {
    fail(error);
    if (asked) asked->silent = true;  // what was begun is kept for the next one who asks
    return error;
  }
  if (!asked) {
    std::erase_if(clips, [](const ClipPtr& clip) { return clip->samples == 0; });
    if (clips.empty()) silence(codec, kFrame, clips).IgnoreError();
    return clips;
  }
  asked->ticket = ticket;
  asked->play = play;
  asked->silent = silent;
  asked->clips = std::move(clips);
  return std::nullopt;
}

// A second of it is one clip, as often as needed.
absl::Status PromptLibrary::silence(Codec codec, Millis length, std::vector<ClipPtr>& clips) {
  if (length < 0ms || length > kMaxSilence) {
    return absl::InvalidArgumentError("silence of " + std::to_string(length.count()) + " ms: 0 to " +
                                      std::to_string(kMaxSilence.count()));
  }
  while (length > 0ms) {
    const Millis piece = std::min<Millis>(length, 1s);
    length -= piece;
    Prompt prompt;
    prompt.kind = Prompt::Kind::silence;
    prompt.length = piece;
    write_key(prompt, codec, options_.default_language, key_);
    if (const auto found = by_key_.find(key_); found != by_key_.end()) {
      clips.push_back(found->second->clip);
      continue;
    }
    clips.push_back(make_clip(codec, std::vector<std::int16_t>(static_cast<std::size_t>(piece.count()) *
                                                               frame_samples(codec) / 20)));
    keep(key_, clips.back(), false);
  }
  return absl::OkStatus();
}

bool PromptLibrary::next_ready(Ready& ready) {
  for (Made made; outbox_->pop(made);) take_in(std::move(made));
  if (ready_.empty()) return false;
  ready = std::move(ready_.front());
  ready_.pop_front();
  return true;
}

void PromptLibrary::take_in(Made made) {
  if (!made.clip.ok()) fail(made.clip.status());
  if (made.why != Made::Why::asked) {
    const auto found = by_key_.find(made.key);
    if (found == by_key_.end()) return;
    if (made.why == Made::Why::gone) {
      forget(found->second);
    } else if (made.clip.ok()) {
      ++stats_.reloaded;
      stats_.kept_bytes += (*made.clip)->bytes.size() - found->second->clip->bytes.size();
      found->second->clip = *std::move(made.clip);
    }
    return;
  }
  if (made.clip.ok()) {
    ++stats_.rendered;
    keep(made.key, *made.clip, made.key[1] == 'f');
  }
  const auto waiting = waiting_.find(made.key);
  if (waiting == waiting_.end()) return;
  const auto waiters = std::move(waiting->second);
  waiting_.erase(waiting);
  for (const auto& [asked, at] : waiters) {
    if (made.clip.ok()) {
      if (at < asked->clips.size()) asked->clips[at] = *made.clip;
    } else if (asked->error.ok()) {
      asked->error = made.clip.status();
    }
    if (--asked->missing > 0 || asked->silent) continue;
    if (!asked->error.ok()) {
      ready_.push_back({asked->ticket, asked->play, asked->error});
      continue;
    }
    std::erase_if(asked->clips, [](const ClipPtr& clip) { return clip->samples == 0; });
    if (asked->clips.empty()) silence((*made.clip)->codec, kFrame, asked->clips).IgnoreError();
    ready_.push_back({asked->ticket, asked->play, std::move(asked->clips)});
  }
}

void PromptLibrary::keep(const std::string& key, ClipPtr clip, bool file) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) forget(found->second);
  stats_.kept_bytes += clip->bytes.size();
  kept_.push_front({key, std::move(clip), file});
  by_key_[key] = kept_.begin();
  while (stats_.kept_bytes > options_.max_bytes && !kept_.empty()) {
    const auto last = std::prev(kept_.end());
    if (last->file) files_->push({last->key, {}, {}, true});
    forget(last);
  }
}

void PromptLibrary::forget(std::list<Kept>::iterator kept) {
  stats_.kept_bytes -= kept->clip->bytes.size();
  by_key_.erase(kept->key);
  kept_.erase(kept);
}

void PromptLibrary::fail(const absl::Status& error) {
  ++stats_.errors;
  stats_.last_error = std::string(error.message());
}

PromptStats PromptLibrary::stats() const {
  PromptStats stats = stats_;
  stats.kept = kept_.size();
  stats.waiting = static_cast<int>(waiting_.size());
  return stats;
}

}  // namespace ivr

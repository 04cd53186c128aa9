#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "engine/recording.hpp"
#include "ivr/wav.hpp"

namespace ivr {
namespace {

std::string why(int error) { return std::generic_category().message(error); }

// The whole span at `offset`, or the error number.
int write_all(int fd, std::span<const std::uint8_t> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? errno : EIO;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return 0;
}

}  // namespace

// One open recording, the writer's side.
struct RecordingWriter::File {
  explicit File(Recording& r) : recording(&r), format{WavEncoding::pcm16, kSampleRateHz, r.tracks()} {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd >= 0) ::close(fd);
    for (auto& track : waiting) {
      for (ChunkPtr& chunk : track) ChunkPool::give_back(std::move(chunk));
    }
  }

  Recording* recording;
  const WavFormat format;
  int fd = -1;
  std::array<std::deque<ChunkPtr>, 2> waiting;  // a stereo file needs both sides to go on
  std::array<std::size_t, 2> used{};            // of the first that waits
  std::uint64_t audio_bytes = 0, header_says = 0;
  std::uint64_t header_bytes = 0;
  std::vector<std::int16_t> block;
  std::string error;
};

RecordingWriter::RecordingWriter(std::function<void()> told) : told_(std::move(told)) {}

RecordingWriter::~RecordingWriter() { stop(); }

void RecordingWriter::start() {
  thread_ = std::thread([this] { run(); });
}

bool RecordingWriter::post(RecordJob&& job) noexcept {
  if (!jobs_.push(std::move(job))) return false;
  posted_.fetch_add(1);
  posted_.notify_one();
  return true;
}

bool RecordingWriter::next(media::RecordEnded& ended) noexcept {
  const bool taken = ended_.pop(ended);
  if (taken && behind_.load()) {
    posted_.fetch_add(1);
    posted_.notify_one();
  }
  return taken;
}

void RecordingWriter::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  posted_.fetch_add(1);
  posted_.notify_one();
  thread_.join();
}

void RecordingWriter::run() {
  pthread_setname_np(pthread_self(), "ivr-recorder");
  for (;;) {
    const std::uint32_t seen = posted_.load();
    const bool last = stopping_.load();
    RecordJob job;
    while (jobs_.pop(job)) {
      handle(job);
      job = {};
    }
    while (!untold_.empty() && ended_.push(std::move(untold_.front()))) {
      untold_.erase(untold_.begin());
      told_();
    }
    behind_.store(!untold_.empty());
    if (last) return;
    posted_.wait(seen);
  }
}

void RecordingWriter::handle(RecordJob& job) {
  if (job.finished) return finish(std::move(job.finished));
  if (!job.chunk) return open(*job.recording);
  const auto file = std::find_if(files_.begin(), files_.end(),
                                 [&](const auto& f) { return f->recording == job.recording; });
  if (file == files_.end()) return;
  (*file)->waiting[static_cast<std::size_t>(job.track)].push_back(std::move(job.chunk));
  write(**file, false);
}

void RecordingWriter::open(Recording& recording) {
  auto file = std::make_unique<File>(recording);
  const std::filesystem::path path(recording.path());
  std::error_code ignored;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  file->fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file->fd < 0) {
    file->error = absl::StrCat("cannot create recording ", recording.path(), ": ", why(errno));
  } else {
    const auto header = wav_header(file->format, 0);
    file->header_bytes = header.size();
    if (const int error = write_all(file->fd, header, 0)) {
      file->error = absl::StrCat("cannot write recording ", recording.path(), ": ", why(error));
    }
  }
  if (!file->error.empty()) recording.fail();
  files_.push_back(std::move(file));
}

// What both sides have, interleaved; `all`: the header too.
void RecordingWriter::write(File& file, bool all) {
  const auto tracks = static_cast<std::size_t>(file.format.channels);
  for (;;) {
    std::size_t n = AudioChunk::kSamples;
    for (std::size_t i = 0; i < tracks; ++i) {
      n = file.waiting[i].empty() ? 0 : std::min(n, file.waiting[i].front()->size - file.used[i]);
    }
    if (n == 0) break;
    file.block.resize(n * tracks);
    for (std::size_t i = 0; i < tracks; ++i) {
      const std::int16_t* from = file.waiting[i].front()->samples.data() + file.used[i];
      for (std::size_t k = 0; k < n; ++k) file.block[k * tracks + i] = from[k];
      file.used[i] += n;
      if (file.used[i] == file.waiting[i].front()->size) {
        ChunkPool::give_back(std::move(file.waiting[i].front()));
        file.waiting[i].pop_front();
        file.used[i] = 0;
      }
    }
    if (!file.error.empty()) continue;
    const std::span<const std::uint8_t> bytes{reinterpret_cast<const std::uint8_t*>(file.block.data()),
                                              n * tracks * 2};
    if (const int error = write_all(file.fd, bytes, file.header_bytes + file.audio_bytes)) {
      file.error = absl::StrCat("cannot write recording ", file.recording->path(), " at ",
                                file.header_bytes + file.audio_bytes, " bytes: ", why(error));
      file.recording->fail();
    } else {
      file.audio_bytes += bytes.size();
    }
  }
  const auto second = static_cast<std::uint64_t>(kSampleRateHz * file.format.bytes_per_frame());
  if (file.error.empty() && (all || file.audio_bytes - file.header_says >= second)) {
    const auto header = wav_header(file.format, file.audio_bytes);
    if (const int error = write_all(file.fd, header, 0)) {
      file.error = absl::StrCat("cannot write recording ", file.recording->path(), ": ", why(error));
      file.recording->fail();
    }
    file.header_says = file.audio_bytes;
  }
}

void RecordingWriter::finish(std::unique_ptr<Recording> recording) {
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const auto& f) { return f->recording == recording.get(); });
  media::RecordEnded ended{recording->stream(), recording->id(), recording->samples(), recording->end(), {}};
  if (found != files_.end()) {
    File& file = **found;
    write(file, true);
    if (file.fd >= 0 && ::close(std::exchange(file.fd, -1)) != 0 && file.error.empty()) {
      file.error = absl::StrCat("cannot close recording ", recording->path(), ": ", why(errno));
    }
    if (!file.error.empty()) {
      ended.end = outcome::RecordEnd::failed;
      ended.error = file.error;
      ended.samples = static_cast<std::int64_t>(file.audio_bytes) / file.format.bytes_per_frame();
    } else if (recording->starved()) {
      ended.error =
          absl::StrCat("recording ", recording->path(), ": the disk is more than ", ChunkPool::kStallSeconds,
                       " s behind; it ends after ", ended.samples * 1000 / kSampleRateHz, " ms");
    }
    files_.erase(found);
  }
  recording->pool().shrink(recording->tracks());
  tell(std::move(ended));
}

void RecordingWriter::tell(media::RecordEnded ended) {
  if (untold_.empty() && ended_.push(std::move(ended))) return told_();
  untold_.push_back(std::move(ended));
}

}  // namespace ivr

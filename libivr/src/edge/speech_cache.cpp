#include "edge/speech_cache.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace ivr {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'I', 'V', 'R', 'S', 'P', 'C', 'H', '1'};
constexpr std::uint32_t kMaxKey = 64 << 10, kMaxSamples = 1 << 26;

struct Head {
  char magic[8];
  std::uint32_t key_bytes, samples;
  std::uint64_t sum;  // of key and samples
};

std::uint64_t fnv(std::string_view bytes, std::uint64_t sum = 14695981039346656037u) {
  for (unsigned char byte : bytes) sum = (sum ^ byte) * 1099511628211u;
  return sum;
}

std::string_view bytes_of(std::span<const std::int16_t> samples) {
  return {reinterpret_cast<const char*>(samples.data()), samples.size_bytes()};
}

}  // namespace

SpeechCache::SpeechCache(std::string folder, std::int64_t max_bytes)
    : folder_(std::move(folder)), max_bytes_(max_bytes) {}

// Two keys in one place only take it from each other: the file says whose it is.
std::string SpeechCache::path_of(std::string_view key) const {
  char name[40];
  std::snprintf(name, sizeof name, "%016llx.speech", static_cast<unsigned long long>(fnv(key)));
  return folder_ + "/" + name;
}

std::optional<std::vector<std::int16_t>> SpeechCache::find(std::string_view key) {
  const std::string path = path_of(key);
  std::ifstream file(path, std::ios::binary);
  Head head{};
  if (!file.read(reinterpret_cast<char*>(&head), sizeof head)) return std::nullopt;
  if (std::memcmp(head.magic, kMagic, sizeof kMagic) != 0 || head.key_bytes != key.size())
    return std::nullopt;
  // The size first: what a damaged head says must not decide how much memory we take.
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error || head.samples > kMaxSamples ||
      size != sizeof head + head.key_bytes + std::uintmax_t{head.samples} * 2) {
    return std::nullopt;
  }
  std::string kept(head.key_bytes, '\0');
  std::vector<std::int16_t> samples(head.samples);
  if (!file.read(kept.data(), static_cast<std::streamsize>(kept.size())) || kept != key) return std::nullopt;
  if (!file.read(reinterpret_cast<char*>(samples.data()), static_cast<std::streamsize>(samples.size() * 2))) {
    return std::nullopt;
  }
  if (fnv(bytes_of(samples), fnv(key)) != head.sum) return std::nullopt;
  fs::last_write_time(path, fs::file_time_type::clock::now(),
                      error);  // used just now; make_room() looks at it
  return samples;
}

absl::Status SpeechCache::put(std::string_view key, std::span<const std::int16_t> samples) {
  if (key.size() > kMaxKey || samples.size() > kMaxSamples)
    return absl::OkStatus();  // too long to be worth it
  std::error_code error;
  fs::create_directories(folder_, error);
  const std::string path = path_of(key), aside = path + "." + std::to_string(getpid()) + ".new";
  Head head{};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.key_bytes = static_cast<std::uint32_t>(key.size());
  head.samples = static_cast<std::uint32_t>(samples.size());
  head.sum = fnv(bytes_of(samples), fnv(key));
  {
    std::ofstream file(aside, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&head), sizeof head);
    file.write(key.data(), static_cast<std::streamsize>(key.size()));
    file.write(bytes_of(samples).data(), static_cast<std::streamsize>(samples.size_bytes()));
    file.close();
    if (!file) {
      fs::remove(aside, error);
      return absl::UnavailableError("speech cache: cannot write " + aside);
    }
  }
  fs::rename(aside, path, error);
  if (error) {
    const std::string words = "speech cache: cannot rename " + aside + ": " + error.message();
    fs::remove(aside, error);
    return absl::UnavailableError(words);
  }
  if (bytes_ >= 0) bytes_ += static_cast<std::int64_t>(sizeof head + key.size() + samples.size_bytes());
  if (bytes_ < 0 || bytes_ > max_bytes_) make_room();
  return absl::OkStatus();
}

// Counts what is there, and when it is too much goes back to three quarters, so that this is rare.
void SpeechCache::make_room() {
  struct File {
    fs::path path;
    fs::file_time_type used;
    std::int64_t bytes;
  };
  std::vector<File> files;
  std::error_code error;
  bytes_ = 0;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (at->path().extension() != ".speech") continue;
    files.push_back({at->path(), at->last_write_time(gone), static_cast<std::int64_t>(at->file_size(gone))});
    if (gone) {
      files.pop_back();  // another program was quicker
      continue;
    }
    bytes_ += files.back().bytes;
  }
  if (bytes_ <= max_bytes_) return;
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.used < b.used; });
  for (const File& file : files) {
    if (bytes_ <= max_bytes_ / 4 * 3) return;
    if (fs::remove(file.path, error)) bytes_ -= file.bytes;
  }
}

}  // namespace ivr

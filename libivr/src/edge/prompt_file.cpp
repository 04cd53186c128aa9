#include "edge/prompt_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <system_error>
#include <vector>

#include "ivr/audio.hpp"
#include "ivr/wav.hpp"

namespace ivr {
namespace {

constexpr std::int64_t kMaxBytes = 64 << 20;

FileStamp stamp_from(const struct stat& info) {
  return {std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec, info.st_size,
          info.st_ino};
}

std::string path_of(const std::string& folder, std::string_view name) {
  return folder + "/" + std::string(name);
}

absl::Status check_name(std::string_view name) {
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError("prompt file '" + std::string(name.substr(0, 256)) + "': " + why);
  };
  if (name.empty()) return refuse("the name is empty");
  if (name.size() > 1024) return refuse("the name is over 1024 bytes");
  if (name.front() == '/') return refuse("the name is absolute; it must be relative to the prompt folder");
  if (name.find('\0') != std::string_view::npos) return refuse("a zero byte in the name");
  for (std::size_t from = 0; from <= name.size();) {
    const std::size_t to = std::min(name.find('/', from), name.size());
    if (name.substr(from, to - from) == "..") return refuse("the name leaves the prompt folder");
    from = to + 1;
  }
  return absl::OkStatus();
}

std::string type_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  std::string type(dot == std::string_view::npos ? "" : name.substr(dot));
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  return type;
}

absl::StatusOr<std::vector<std::uint8_t>> read_all(const std::string& path, FileStamp& stamp) {
  const auto failed = [&](int number) -> absl::Status {
    const std::string words = "prompt file " + path + ": " + std::generic_category().message(number);
    if (number == ENOENT || number == ENOTDIR) return absl::NotFoundError(words);
    return absl::UnavailableError(words);
  };
  // A FIFO would keep us waiting for its writer; O_NONBLOCK does not, and S_ISREG refuses it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed(errno);
  absl::StatusOr<std::vector<std::uint8_t>> result = std::vector<std::uint8_t>();
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    result = failed(errno);
  } else if (!S_ISREG(info.st_mode)) {
    result = absl::InvalidArgumentError("prompt file " + path + ": not a regular file");
  } else if (info.st_size > kMaxBytes) {
    result = absl::InvalidArgumentError("prompt file " + path + ": " + std::to_string(info.st_size) +
                                        " bytes, at most " + std::to_string(kMaxBytes));
  } else {
    stamp = stamp_from(info);
    result->resize(static_cast<std::size_t>(info.st_size));
    std::size_t have = 0;
    while (have < result->size()) {
      const ssize_t size = ::read(fd, result->data() + have, result->size() - have);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) {
        result = failed(errno);
        break;
      }
      if (size == 0) {
        result->resize(have);  // it shrank meanwhile
        break;
      }
      have += static_cast<std::size_t>(size);
    }
  }
  ::close(fd);
  return result;
}

}  // namespace

FileStamp stamp_of(const std::string& folder, std::string_view name) {
  struct stat info {};
  if (!check_name(name).ok() || ::stat(path_of(folder, name).c_str(), &info) != 0) return {};
  return stamp_from(info);
}

absl::StatusOr<ClipPtr> read_prompt_file(const std::string& folder, std::string_view name, Codec codec,
                                         FileStamp& stamp) {
  if (auto status = check_name(name); !status.ok()) return status;
  const std::string type = type_of(name);
  const bool wav = type == ".wav", ulaw = type == ".ulaw" || type == ".pcmu",
             alaw = type == ".alaw" || type == ".pcma";
  if (!wav && !ulaw && !alaw) {
    return absl::InvalidArgumentError("prompt file '" + std::string(name) + "': type '" + type +
                                      "' is none of .wav .ulaw .alaw .pcmu .pcma");
  }
  const int rate_hz = format_of(codec).sample_rate_hz;
  const std::string path = path_of(folder, name);
  auto bytes = read_all(path, stamp);
  if (!bytes.ok()) return bytes.status();
  if (!wav) {
    std::vector<std::int16_t> pcm(bytes->size());
    decode(ulaw ? Codec::pcmu : Codec::pcma, *bytes, pcm);
    if (rate_hz == kSampleRateHz) return make_clip(codec, pcm);  // the same law comes back bit for bit
    auto samples = resample(pcm, kSampleRateHz, rate_hz);
    if (!samples.ok()) return samples.status();
    return make_clip(codec, *samples);
  }
  auto pcm = parse_wav(*bytes);
  if (!pcm.ok())
    return absl::InvalidArgumentError("prompt file " + path + ": " + std::string(pcm.status().message()));
  if (pcm->sample_rate_hz == rate_hz) return make_clip(codec, pcm->samples);
  auto samples = resample(pcm->samples, pcm->sample_rate_hz, rate_hz);
  if (!samples.ok()) {
    return absl::InvalidArgumentError("prompt file " + path + ": " + std::string(samples.status().message()));
  }
  return make_clip(codec, *samples);
}

}  // namespace ivr

#include "refusal_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

namespace {

// One write a line, so that two servers may share a file.
std::string append(const std::string& path, const std::string& text) {
  const bool plain = path == "-";
  const int file =
      plain ? STDERR_FILENO : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file < 0) return path + ": " + std::strerror(errno);
  const bool written =
      text.empty() || ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const std::string error = written ? "" : path + ": " + std::strerror(errno);
  if (!plain) ::close(file);
  return error;
}

}  // namespace

absl::Status RefusalLog::check() const {
  if (path_.empty()) return absl::OkStatus();
  const std::string error = append(path_, "");
  return error.empty() ? absl::OkStatus() : absl::UnavailableError("refusal log " + error);
}

void RefusalLog::tell(const ivr::EngineEvent& event) {
  const auto* refused = std::get_if<ivr::EngineEvent::CallRefused>(&event.what);
  if (path_.empty() || refused == nullptr) return;
  std::string error = append(path_, ivr::refusal_line(refused->request(), event.at) + "\n");
  if (!error.empty()) error_ = std::move(error);
}

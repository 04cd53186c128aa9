#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace ivr {

// Rendered speech in a folder, PCM at 8 kHz or what its key says, one file for each key, so that a restart
// does not speak it all again. Each file holds its key and a checksum: a damaged or foreign file is as good
// as none. Files appear whole (written aside, then renamed), so two programs may share a folder. Beyond
// `max_bytes` the longest unused are removed.
//
// Thread: one at a time. Waits for the disk.
class SpeechCache {
 public:
  explicit SpeechCache(std::string folder, std::int64_t max_bytes = std::int64_t{1} << 30);

  std::optional<std::vector<std::int16_t>> find(std::string_view key);
  absl::Status put(std::string_view key,
                   std::span<const std::int16_t> samples);  // makes the folder when needed

 private:
  std::string path_of(std::string_view key) const;
  void make_room();

  std::string folder_;
  std::int64_t max_bytes_;
  std::int64_t bytes_ = -1;  // -1: not counted yet
};

}  // namespace ivr

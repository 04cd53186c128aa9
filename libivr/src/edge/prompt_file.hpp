#pragma once
#include <string>
#include <string_view>

#include "ivr/ports.hpp"

namespace ivr {

// What tells a changed file from the one that was read.
struct FileStamp {
  std::int64_t modified_ns = 0, size = -1;  // size -1: not there
  std::uint64_t inode = 0;                  // an atomic replacement within the same tick of the clock
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// Reads a prompt file as a clip: .wav of any rate and coding that ivr/wav.hpp takes, and the headerless 8 kHz
// .ulaw, .pcmu, .alaw and .pcma. Levels are left as the studio made them.
//
// `name` may come from a flow's variable, so it is relative to `folder` and stays below it: absolute names
// and ".." are InvalidArgument. So is an unknown type or a file over 64 MiB; NotFound and Unavailable name
// the path.
//
// Thread: any. Waits for the disk.
absl::StatusOr<ClipPtr> read_prompt_file(const std::string& folder, std::string_view name, Codec codec,
                                         FileStamp& stamp);

FileStamp stamp_of(const std::string& folder, std::string_view name);

}  // namespace ivr

#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "ivr/ivr.h"

// The border between C and C++. Every entry is the same three lines: guard, translate, call.

namespace ivr::abi {

// Keeps the sentence for ivr_last_error() and gives back the number for it. Ok changes nothing.
ivr_status report(const absl::Status& status) noexcept;
ivr_status report(ivr_status status, std::string_view message) noexcept;

ivr_status null_argument(const char* name) noexcept;
ivr_status wrong_size(const char* type, std::size_t size, std::size_t least) noexcept;
ivr_status unknown_field(const char* type, std::size_t offset) noexcept;

// Copies `text` and a NUL into the caller's buffer, or refuses with what it would take.
ivr_status write_text(char* buffer, std::size_t capacity, std::string_view text) noexcept;

// Nobody's struct is larger; a larger size is an uninitialised one.
inline constexpr std::size_t kLargestStruct = 4096;

// Runs `body`, which returns ivr_status or absl::Status; no exception leaves.
template <class Body>
ivr_status guarded(Body&& body) noexcept {
  try {
    if constexpr (std::is_same_v<std::invoke_result_t<Body>, ivr_status>) {
      return body();
    } else {
      return report(body());
    }
  } catch (const std::bad_alloc&) {
    return report(IVR_EEXHAUSTED, "out of memory");
  } catch (const std::exception& error) {
    return report(IVR_EINTERNAL, error.what());
  } catch (...) {
    return report(IVR_EINTERNAL, "an exception that is none of ours");
  }
}

// Reads a caller's struct over `out`, which holds the defaults. An older caller's is shorter: what it lacks
// stays at its default. A newer caller's is longer: what we do not know must be zero, which for a later field
// means "as before". `least` is the size that the struct had in its first release.
template <class Struct>
ivr_status read_struct(Struct& out, const Struct* from, std::size_t least, const char* type) noexcept {
  if (from == nullptr) return IVR_OK;
  const std::size_t size = from->struct_size;
  if (size < least || size > kLargestStruct) return wrong_size(type, size, least);
  const auto* bytes = reinterpret_cast<const unsigned char*>(from);
  for (std::size_t at = sizeof(Struct); at < size; ++at) {
    if (bytes[at] != 0) return unknown_field(type, at);
  }
  std::memcpy(&out, from, std::min(size, sizeof(Struct)));
  return IVR_OK;
}

// Writes as much of `from` as the caller's struct has room for, and zeros for what we do not know.
template <class Struct>
ivr_status write_struct(Struct* out, Struct from, std::size_t least, const char* type) noexcept {
  const std::size_t size = out->struct_size;
  if (size < least || size > kLargestStruct) return wrong_size(type, size, least);
  from.struct_size = size;
  auto* bytes = reinterpret_cast<unsigned char*>(out);
  std::memcpy(bytes, &from, std::min(size, sizeof(Struct)));
  for (std::size_t at = sizeof(Struct); at < size; ++at) bytes[at] = 0;
  return IVR_OK;
}

}  // namespace ivr::abi

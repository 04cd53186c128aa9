#include "abi/guard.hpp"

#include <string>

namespace {

thread_local std::string last_error;
thread_local bool error_lost = false;

}  // namespace

namespace ivr::abi {

ivr_status report(ivr_status status, std::string_view message) noexcept {
  try {
    last_error.assign(message);
    error_lost = false;
  } catch (...) {
    error_lost = true;
  }
  return status;
}

ivr_status report(const absl::Status& status) noexcept {
  if (status.ok()) return IVR_OK;
  const std::string_view message{status.message().data(), status.message().size()};
  switch (status.code()) {
    case absl::StatusCode::kCancelled: return report(IVR_ECANCELLED, message);
    case absl::StatusCode::kInvalidArgument: return report(IVR_EINVALID, message);
    case absl::StatusCode::kDeadlineExceeded: return report(IVR_ETIMEOUT, message);
    case absl::StatusCode::kNotFound: return report(IVR_ENOTFOUND, message);
    case absl::StatusCode::kResourceExhausted: return report(IVR_EEXHAUSTED, message);
    case absl::StatusCode::kFailedPrecondition: return report(IVR_EPRECONDITION, message);
    case absl::StatusCode::kUnimplemented: return report(IVR_EUNSUPPORTED, message);
    case absl::StatusCode::kUnavailable: return report(IVR_EUNAVAILABLE, message);
    default: return report(IVR_EINTERNAL, message);  // codes that the library does not use
  }
}

ivr_status null_argument(const char* name) noexcept {
  try {
    return report(IVR_EINVALID, std::string(name) + " is NULL");
  } catch (...) {
    return report(IVR_EINVALID, "NULL");
  }
}

ivr_status wrong_size(const char* type, std::size_t size, std::size_t least) noexcept {
  try {
    return report(IVR_EINVALID, std::string(type) + ".struct_size is " + std::to_string(size) +
                                    ", it must be " + std::to_string(least) + " to " +
                                    std::to_string(kLargestStruct) + ": start from its ..._INIT");
  } catch (...) {
    return report(IVR_EINVALID, "struct_size");
  }
}

ivr_status write_text(char* buffer, std::size_t capacity, std::string_view text) noexcept {
  if (buffer == nullptr && capacity > 0) return null_argument("buffer");
  if (capacity > text.size()) {
    std::memcpy(buffer, text.data(), text.size());
    buffer[text.size()] = '\0';
    return IVR_OK;
  }
  try {
    return report(IVR_EEXHAUSTED, "capacity is " + std::to_string(capacity) + ", the text takes " +
                                      std::to_string(text.size() + 1) + " with its NUL");
  } catch (...) {
    return report(IVR_EEXHAUSTED, "capacity");
  }
}

ivr_status unknown_field(const char* type, std::size_t offset) noexcept {
  try {
    return report(IVR_EINVALID, std::string(type) + " has something at byte " + std::to_string(offset) +
                                    " that libivr " + ivr_version() + " does not know");
  } catch (...) {
    return report(IVR_EINVALID, "unknown field");
  }
}

}  // namespace ivr::abi

const char* ivr_last_error(void) { return error_lost ? "out of memory" : last_error.c_str(); }

const char* ivr_status_name(ivr_status status) {
  switch (status) {
    case IVR_OK: return "IVR_OK";
    case IVR_ECANCELLED: return "IVR_ECANCELLED";
    case IVR_EINVALID: return "IVR_EINVALID";
    case IVR_ETIMEOUT: return "IVR_ETIMEOUT";
    case IVR_ENOTFOUND: return "IVR_ENOTFOUND";
    case IVR_EEXHAUSTED: return "IVR_EEXHAUSTED";
    case IVR_EPRECONDITION: return "IVR_EPRECONDITION";
    case IVR_EUNSUPPORTED: return "IVR_EUNSUPPORTED";
    case IVR_EINTERNAL: return "IVR_EINTERNAL";
    case IVR_EUNAVAILABLE: return "IVR_EUNAVAILABLE";
  }
  return "unknown";
}

#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "flow_files.hpp"
#include "ivr/event_log.hpp"
#include "ivr/flow_route.hpp"
#include "ivr/ports.hpp"
#include "ivr/shadow.hpp"

// Recorded calls, from a server's database or from files of 'ivr log CALL --json'.

struct RecordedCall {
  std::string id;
  std::string flow_digest;  // of the version it ran on; empty: of a file, or of no flow
  std::vector<ivr::LogEntry> entries;
};

// One call's log from a file.
absl::StatusOr<RecordedCall> read_log_file(const std::string& path);
// By its id, the beginning of one, or "last".
absl::StatusOr<RecordedCall> read_recorded(ivr::StorePort& store, std::string_view call);
absl::StatusOr<RecordedCall> read_recorded(ivr::StorePort& store, const ivr::CallRecord& record);

// Makes flows ready to run recorded calls again, with the site that `store` holds; null, or none in it:
// without. `files` reads documents, and outlives it. Thread: one at a time.
class FlowShelf {
 public:
  FlowShelf(ivr::StorePort* store, const FlowFiles& files);

  absl::StatusOr<ivr::ShadowFlow> file(const std::string& path) const;
  // The same, and everything that it names must be of the site.
  absl::StatusOr<ivr::ShadowFlow> checked_file(const std::string& path) const;
  // The version with this digest, as the store has kept it; each is loaded once.
  absl::StatusOr<ivr::ShadowFlow> kept(const std::string& digest);

 private:
  absl::StatusOr<ivr::ShadowFlow> load(const std::string& document, const ivr::FlowCheckOptions& host) const;
  absl::StatusOr<ivr::ShadowFlow> read(const std::string& path, const ivr::FlowCheckOptions& host) const;

  ivr::StorePort* store_;
  const FlowFiles& files_;
  ivr::FlowCheckOptions host_, all_;  // calendars and lists of the site; its queues, agents and skills too
  ivr::FlowSite site_;
  std::map<std::string, ivr::ShadowFlow> kept_;
};

// "12 of 300 calls" on a terminal, over and over on one line; nothing elsewhere.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  void tell(std::size_t done, std::size_t of);

 private:
  std::string what_;
  bool shown_ = false, on_ = false;
};

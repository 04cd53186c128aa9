#include "recorded.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <utility>

#include "ivr/site_setup.hpp"

absl::StatusOr<RecordedCall> read_log_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError("cannot read " + path);
  RecordedCall call{.id = path};
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    auto entry = ivr::parse_log_line(line);
    if (!entry.ok()) return absl::InvalidArgumentError(path + ": " + std::string(entry.status().message()));
    if (const auto* invited = std::get_if<ivr::event::Invited>(&entry->event)) call.id = invited->call.id;
    call.entries.push_back(*std::move(entry));
  }
  return call;
}

absl::StatusOr<RecordedCall> read_recorded(ivr::StorePort& store, const ivr::CallRecord& record) {
  auto events = store.events(record.id);
  if (!events.ok()) return events.status();
  RecordedCall call{.id = record.id, .flow_digest = record.flow_digest};
  for (const ivr::CallEvent& e : *events) {
    auto entry = ivr::parse_log_line(e.json);
    if (!entry.ok()) return entry.status();
    call.entries.push_back(*std::move(entry));
  }
  return call;
}

absl::StatusOr<RecordedCall> read_recorded(ivr::StorePort& store, std::string_view call) {
  if (auto record = store.call(call); record.ok()) return read_recorded(store, *record);
  constexpr int kPage = 1000;
  for (int offset = 0;; offset += kPage) {
    const auto calls = store.calls(kPage, offset);
    if (!calls.ok()) return calls.status();
    for (const ivr::CallRecord& record : *calls) {
      if (call == "last" || record.id.starts_with(call)) return read_recorded(store, record);
    }
    if (calls->size() < kPage) return absl::NotFoundError("no call '" + std::string(call) + "'");
  }
}

FlowShelf::FlowShelf(ivr::StorePort* store, const FlowFiles& files) : store_(store), files_(files) {
  if (store == nullptr) return;
  const auto site = ivr::load_site_from(*store);
  if (!site.ok()) return;
  all_ = ivr::flow_checks(*site);
  host_.calendars = all_.calendars;
  host_.lists = all_.lists;
  if (auto lookups = ivr::flow_site(*site); lookups.ok()) site_ = *std::move(lookups);
}

absl::StatusOr<ivr::ShadowFlow> FlowShelf::load(const std::string& document,
                                                const ivr::FlowCheckOptions& host) const {
  auto flow = ivr::Flow::load(document, host);
  if (!flow.ok()) return flow.status();
  return ivr::shadow_flow(*std::move(flow), site_);
}

absl::StatusOr<ivr::ShadowFlow> FlowShelf::read(const std::string& path,
                                                const ivr::FlowCheckOptions& host) const {
  const auto document = files_.document(path);
  if (!document.ok()) return document.status();
  auto flow = load(*document, host);
  if (!flow.ok())
    return absl::InvalidArgumentError(path + " is refused:\n" + std::string(flow.status().message()));
  return flow;
}

absl::StatusOr<ivr::ShadowFlow> FlowShelf::file(const std::string& path) const { return read(path, host_); }
absl::StatusOr<ivr::ShadowFlow> FlowShelf::checked_file(const std::string& path) const {
  return read(path, all_);
}

absl::StatusOr<ivr::ShadowFlow> FlowShelf::kept(const std::string& digest) {
  if (const auto known = kept_.find(digest); known != kept_.end()) return known->second;
  if (store_ == nullptr) return absl::NotFoundError("no database to take flow " + digest + " from");
  const auto version = store_->flow(digest);
  if (!version.ok()) return version.status();
  auto flow = load(version->document, host_);
  if (flow.ok()) kept_.emplace(digest, *flow);
  return flow;
}

Progress::Progress(std::string what) : what_(std::move(what)), on_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::tell(std::size_t done, std::size_t of) {
  if (!on_ || (done % 50 != 0 && done != of)) return;
  shown_ = true;
  std::fprintf(stderr, "\r%zu of %zu %s", done, of, what_.c_str());
}

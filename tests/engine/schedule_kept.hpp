#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/store_thread.hpp"
#include "ivr/ports.hpp"

// What lasts in a schedule (schedule_world.hpp): a store in memory, which outlives every crash, and the
// writer before it, of which only what is committed does.

namespace ivr::schedule {

// A store that never fails: its failures are the writer's, as a transaction is all or nothing.
class MemoryStore final : public StorePort {
 public:
  explicit MemoryStore(std::function<void(std::string)> wrong) : wrong_(std::move(wrong)) {}

  absl::Status begin() override { return absl::OkStatus(); }
  absl::Status commit() override { return absl::OkStatus(); }
  void rollback() override {}
  absl::Status put_call(const CallRecord& record) override {
    const auto [it, added] = records.try_emplace(record.id, record);
    if (!added) {
      if (it->second.ended != Time{})
        wrong_("the record of " + record.id + " is written again after its end");
      it->second = record;
    }
    if (record.answered == Time{}) wrong_("a record of " + record.id + ", which was never answered");
    return absl::OkStatus();
  }
  absl::Status append(const CallEvent& event) override {
    auto& log = logs[event.call];
    if (event.sequence == 0) log.clear();  // a call back that nobody answered before a crash is made again
    if (event.sequence != static_cast<std::int64_t>(log.size()))
      wrong_("the log of " + event.call + " has line " + std::to_string(event.sequence) + " in place of " +
             std::to_string(log.size()));
    if (const auto it = records.find(event.call); it != records.end() && it->second.ended != Time{})
      wrong_("the log of " + event.call + " goes on after its record was closed");
    log.push_back(event);
    return absl::OkStatus();
  }
  absl::Status put_visit(const NodeVisit&) override { return absl::OkStatus(); }
  absl::Status put_flow(const FlowVersion&) override { return absl::OkStatus(); }
  absl::StatusOr<CallRecord> call(std::string_view id) override {
    const auto it = records.find(std::string(id));
    if (it == records.end()) return absl::NotFoundError("no call '" + std::string(id) + "'");
    return it->second;
  }
  absl::StatusOr<std::vector<CallRecord>> calls(int, int) override { return std::vector<CallRecord>{}; }
  absl::StatusOr<std::vector<CallEvent>> events(std::string_view call) override {
    return logs[std::string(call)];
  }
  absl::StatusOr<std::vector<NodeVisit>> visits(std::string_view) override {
    return std::vector<NodeVisit>{};
  }
  absl::StatusOr<FlowVersion> flow(std::string_view) override { return absl::NotFoundError("no flow"); }
  absl::StatusOr<std::vector<CallRecord>> calls_between(Time, Time, int, int) override {
    return std::vector<CallRecord>{};
  }
  absl::StatusOr<Stored> put_document(const StoredDocument& document) override {
    return papers.insert_or_assign({document.kind, document.id}, document.json).second ? Stored::added
                                                                                       : Stored::changed;
  }
  absl::StatusOr<std::vector<StoredDocument>> documents(std::string_view kind) override {
    std::vector<StoredDocument> found;
    for (const auto& [key, json] : papers)
      if (key.first == kind) found.push_back({key.first, key.second, json});
    return found;
  }
  absl::Status remove_document(std::string_view kind, std::string_view id) override {
    papers.erase({std::string(kind), std::string(id)});
    return absl::OkStatus();
  }
  absl::Status append_router(const RouterStep& step) override {
    if (step.sequence != static_cast<std::int64_t>(steps.size()))
      wrong_("the router's log has step " + std::to_string(step.sequence) + " in place of " +
             std::to_string(steps.size()));
    steps.push_back(step);
    return absl::OkStatus();
  }
  absl::Status put_router_snapshot(const RouterSnapshot& snapshot, const RouterRetention&) override {
    snapshots[snapshot.next] = snapshot;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<RouterStep>> router_log(const RouterLogQuery& query) override {
    std::vector<RouterStep> found;
    for (auto at = static_cast<std::size_t>(query.from);
         at < steps.size() && found.size() < static_cast<std::size_t>(query.limit); ++at) {
      const RouterStep& step = steps[at];
      if (step.at < query.since || step.at >= query.until) continue;
      if (!query.call.empty() && std::ranges::find(step.calls, query.call) == step.calls.end()) continue;
      found.push_back(step);
    }
    return found;
  }
  absl::StatusOr<RouterSnapshot> router_snapshot(std::int64_t next) override {
    const auto it = snapshots.upper_bound(next);
    if (it == snapshots.begin()) return absl::NotFoundError("no snapshot");
    return std::prev(it)->second;
  }
  absl::StatusOr<std::int64_t> router_next() override { return static_cast<std::int64_t>(steps.size()); }
  absl::StatusOr<int> close_open_calls(Time now) override {
    int closed = 0;
    for (auto& [id, record] : records) {
      if (record.ended != Time{}) continue;
      record.ended = now;
      record.status = "failed";
      record.cause = "system";
      ++closed;
    }
    return closed;
  }

  std::map<std::string, CallRecord> records;
  std::map<std::string, std::vector<CallEvent>> logs;
  std::vector<RouterStep> steps;

 private:
  const std::function<void(std::string)> wrong_;
  std::map<std::int64_t, RouterSnapshot> snapshots;
  std::map<std::pair<std::string, std::string>, std::string> papers;
};

// In the place of the store thread. Somebody else says when it commits, and how much of what waits.
class Writer final : public StoreWriter {
 public:
  explicit Writer(MemoryStore& store) : store_(store) {}

  void put_call(CallRecord record, std::uint64_t ticket) override {
    waiting_.push_back({[record = std::move(record)](MemoryStore& s) { (void)s.put_call(record); }, ticket});
  }
  void append(std::vector<CallEvent> events) override {
    waiting_.push_back({[events = std::move(events)](MemoryStore& s) {
      for (const CallEvent& event : events) (void)s.append(event);
    }});
  }
  void put_visit(NodeVisit) override {}
  void put_document(StoredDocument document, std::uint64_t ticket) override {
    waiting_.push_back(
        {[document = std::move(document)](MemoryStore& s) { (void)s.put_document(document); }, ticket});
  }
  void remove_document(std::string kind, std::string id) override {
    waiting_.push_back({[kind = std::move(kind), id = std::move(id)](MemoryStore& s) {
      (void)s.remove_document(kind, id);
    }});
  }
  void append_router(RouterStep step) override {
    const std::int64_t sequence = step.sequence;
    waiting_.push_back(
        {[step = std::move(step)](MemoryStore& s) { (void)s.append_router(step); }, 0, sequence});
  }
  void put_router_snapshot(RouterSnapshot snapshot, const RouterRetention& keep) override {
    waiting_.push_back({[snapshot = std::move(snapshot), keep](MemoryStore& s) {
      (void)s.put_router_snapshot(snapshot, keep);
    }});
  }
  bool next_stored(std::uint64_t& ticket) override {
    if (stored_.empty()) return false;
    ticket = stored_.front();
    stored_.pop_front();
    return true;
  }
  std::int64_t router_stored() const override { return router_stored_; }

  std::size_t waiting() const { return waiting_.size(); }
  void commit(std::size_t writes) {
    for (; writes > 0 && !waiting_.empty(); --writes) {
      const Write& write = waiting_.front();
      write.apply(store_);
      if (write.ticket != 0) stored_.push_back(write.ticket);
      if (write.step >= 0) router_stored_ = write.step;
      waiting_.pop_front();
    }
  }

 private:
  struct Write {
    std::function<void(MemoryStore&)> apply;
    std::uint64_t ticket = 0;
    std::int64_t step = -1;
  };
  MemoryStore& store_;
  std::deque<Write> waiting_;
  std::deque<std::uint64_t> stored_;
  std::int64_t router_stored_ = -1;
};

}  // namespace ivr::schedule

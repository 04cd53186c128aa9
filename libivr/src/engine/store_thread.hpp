#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "ivr/ports.hpp"

namespace ivr {

struct StoreThreadOptions {
  std::size_t mailbox = 8192;  // writes handed over between two looks of the store thread
  std::size_t max_backlog_bytes =
      256 << 20;  // beyond it the oldest events and visits are dropped, never call records or router steps
  std::size_t max_group_rows = 8192;            // rows in one transaction
  Millis linger = 10ms;                         // waited for company before a transaction
  Millis first_retry = 100ms, last_retry = 5s;  // after a failed transaction, doubling
};

struct StoreStats {
  std::uint64_t posted = 0, written = 0;         // rows
  std::uint64_t groups = 0;                      // transactions that were committed
  std::uint64_t retries = 0;                     // transactions that failed and were tried again
  std::uint64_t dropped = 0;                     // events and visits given up because the backlog was full
  std::uint64_t rejected = 0;                    // rows that the store will never take (InvalidArgument)
  std::uint64_t backlog = 0, backlog_bytes = 0;  // rows waiting
  bool failing = false;                          // the last transaction failed
  std::string last_error;                        // stays after the store has recovered
};

// Where the switchboard puts what is to be kept. Posting never waits and never fails.
//
// Thread: control only.
class StoreWriter {
 public:
  virtual ~StoreWriter() = default;

  // The ticket, unless 0, comes back from next_stored() when the record is committed: then its journal slot
  // is free. A record that the store will never take comes back as well.
  virtual void put_call(CallRecord record, std::uint64_t ticket = 0) = 0;
  virtual void append(std::vector<CallEvent> events) = 0;
  virtual void put_visit(NodeVisit visit) = 0;
  virtual void put_document(StoredDocument document, std::uint64_t ticket = 0) = 0;  // as put_call's
  virtual void remove_document(std::string kind, std::string id) = 0;
  virtual void append_router(RouterStep step) = 0;
  virtual void put_router_snapshot(RouterSnapshot snapshot, const RouterRetention& keep = {}) = 0;

  virtual bool next_stored(std::uint64_t& ticket) = 0;  // false: nothing there

  // The last router step up to which all that were posted are committed; -1: none yet. What a caller is
  // promised because of a step may be said from here on. It stays before a step that the store will never
  // take, for good: nothing after it could be restored.
  virtual std::int64_t router_stored() const = 0;
};

// Writes what the control thread posts, everything that waits in one transaction. When the store fails (disk
// full, locked) the rows wait in order and are tried again; the calls go on meanwhile. A row whose own status
// is InvalidArgument is left out and counted; the others of its transaction are written.
//
// Thread:   control only, except that `notify` comes from the store thread. Nothing may be posted after
//           stop().
class StoreThread final : public StoreWriter {
 public:
  // `notify` says that next_stored() has something; it must only wake the control thread.
  static absl::StatusOr<std::unique_ptr<StoreThread>> create(std::unique_ptr<StorePort> store,
                                                             const StoreThreadOptions& options = {},
                                                             std::function<void()> notify = {});
  ~StoreThread() override;  // ends without writing what still waits: stop() first
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  // What the store will never take is counted as rejected.
  void put_call(CallRecord record, std::uint64_t ticket = 0) override;
  void append(std::vector<CallEvent> events) override;
  void put_visit(NodeVisit visit) override;
  void put_flow(FlowVersion version);
  void put_document(StoredDocument document, std::uint64_t ticket = 0) override;
  void remove_document(std::string kind, std::string id) override;
  void append_router(RouterStep step) override;
  void put_router_snapshot(RouterSnapshot snapshot, const RouterRetention& keep = {}) override;

  bool next_stored(std::uint64_t& ticket) override;
  std::int64_t router_stored() const override;  // any thread; `notify` comes when it has moved

  // Waits until all that was posted is written; DeadlineExceeded says how much is left and why.
  absl::Status flush(Millis limit);
  absl::Status stop(
      Millis limit);  // flush, then the thread ends; what is left is lost, and the status says so

  StoreStats stats() const;  // any thread

 private:
  class Worker;
  explicit StoreThread(std::unique_ptr<Worker> worker);
  std::unique_ptr<Worker> worker_;
};

}  // namespace ivr

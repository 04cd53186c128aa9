#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/sqlite_schema.hpp"
#include "ivr/ports.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace ivr {

struct SqliteOptions {
  Millis busy_timeout = 2s;  // waited for another writer before Unavailable
  bool read_only = false;    // for tools beside a running server; never creates or migrates
};

// Call records, events, node visits and flows in one SQLite file (WAL, synchronous=NORMAL: a commit survives
// the death of the process at once, the loss of power from the next checkpoint on). Others may read the file
// meanwhile.
//
// What the disk or another process refuses comes back as a status that names path, purpose and SQLite's
// words: Unavailable (locked, I/O), ResourceExhausted (disk full), InvalidArgument (this row never fits),
// FailedPrecondition (not ours, read-only, a newer schema), Internal (damaged). The object stays usable; the
// same call may work later.
//
// Thread: one at a time.
class SqliteStore final : public StorePort {
 public:
  // Creates the file when it is not there, brings an older schema up to date, refuses a newer one.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> open(const std::string& path,
                                                           const SqliteOptions& options = {});
  ~SqliteStore() override;
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  absl::Status begin() override;
  absl::Status commit() override;
  void rollback() override;

  // A crash may have cut off a call whose 200 never reached the peer; when the peer's INVITE comes again
  // within its transaction (RFC 3261, 17.1.1.2: 32 s), the new record takes the place of the cut one: one SIP
  // call, one record.
  absl::Status put_call(const CallRecord& record) override;
  absl::Status append(const CallEvent& event) override;
  absl::Status put_visit(const NodeVisit& visit) override;
  absl::Status put_flow(const FlowVersion& version) override;
  absl::StatusOr<CallRecord> call(std::string_view id) override;
  absl::StatusOr<std::vector<CallRecord>> calls(int limit, int offset) override;
  absl::StatusOr<std::vector<CallEvent>> events(std::string_view call) override;
  absl::StatusOr<std::vector<NodeVisit>> visits(std::string_view call) override;
  absl::StatusOr<FlowVersion> flow(std::string_view digest) override;
  absl::StatusOr<std::vector<CallRecord>> calls_between(Time since, Time until, int limit,
                                                        int offset) override;
  absl::StatusOr<Stored> put_document(const StoredDocument& document) override;
  absl::StatusOr<std::vector<StoredDocument>> documents(std::string_view kind) override;
  absl::Status remove_document(std::string_view kind, std::string_view id) override;
  absl::Status append_router(const RouterStep& step) override;
  absl::Status put_router_snapshot(const RouterSnapshot& snapshot, const RouterRetention& keep) override;
  absl::StatusOr<std::vector<RouterStep>> router_log(const RouterLogQuery& query) override;
  absl::StatusOr<RouterSnapshot> router_snapshot(std::int64_t next) override;
  absl::StatusOr<std::int64_t> router_next() override;
  absl::StatusOr<int> close_open_calls(Time now) override;

  absl::Status integrity();  // reads the whole file; Internal says what is damaged
  static int newest_schema() noexcept;

 private:
  using enum sqlite::Query;
  using Query = sqlite::Query;
  class Statement;

  SqliteStore(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  absl::Status migrate(bool read_only);
  absl::Status run(const std::string& sql, std::string_view purpose);
  absl::StatusOr<Statement> statement(Query query);
  absl::Status replace_cut_call(const CallRecord& record);
  absl::StatusOr<std::vector<CallRecord>> read_calls(Statement& query);
  absl::Status prune_snapshots(const RouterSnapshot& newest, const RouterRetention& keep);
  absl::Status prune_steps(const RouterSnapshot& newest, const RouterRetention& keep);
  absl::Status writing(Query query) const;
  absl::Status error(int code, std::string_view purpose) const;

  std::string path_;
  sqlite3* db_;
  std::array<sqlite3_stmt*, kQueries> prepared_{};
};

}  // namespace ivr

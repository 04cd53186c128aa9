#include "edge/sqlite_store.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

namespace ivr {
namespace {

using sqlite::text_of;

const int kNewest = static_cast<int>(sqlite::migrations().size());

absl::Status negative(std::string_view purpose, std::int64_t limit, std::int64_t offset) {
  return absl::InvalidArgumentError(std::string(purpose) + ": limit " + std::to_string(limit) +
                                    " and offset " + std::to_string(offset) + " must not be negative");
}

std::string quote(std::string_view words) { return std::string(1, '\'').append(words).append(1, '\''); }

}  // namespace

// One use of a prepared statement: binds, steps, and leaves it ready for the next use.
class SqliteStore::Statement {
 public:
  Statement(const SqliteStore* store, Query query, sqlite3_stmt* prepared)
      : store_(store), query_(query), prepared_(prepared) {}
  Statement(Statement&& other) noexcept
      : store_(other.store_), query_(other.query_), prepared_(std::exchange(other.prepared_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement() {
    if (prepared_ == nullptr) return;
    sqlite3_reset(prepared_);
    sqlite3_clear_bindings(prepared_);
  }

  // Text is borrowed until the statement is done.
  Statement& bind(std::string_view value) {
    // An empty view may have no address, and that would be NULL.
    return bound(sqlite3_bind_text64(prepared_, ++at_, value.empty() ? "" : value.data(), value.size(),
                                     SQLITE_STATIC, SQLITE_UTF8));
  }
  Statement& bind(std::int64_t value) { return bound(sqlite3_bind_int64(prepared_, ++at_, value)); }
  Statement& bind(Millis value) { return bind(std::int64_t{value.count()}); }
  // An instant that is never missing: the epoch is 0 and not NULL.
  Statement& bind_at(Time value) { return bind(std::int64_t{value.time_since_epoch().count()}); }
  Statement& bind(Time value) {
    if (value == Time{}) return bound(sqlite3_bind_null(prepared_, ++at_));
    return bind(std::int64_t{value.time_since_epoch().count()});
  }

  absl::Status run() {
    absl::StatusOr<bool> row = next();
    return row.ok() ? absl::OkStatus() : row.status();
  }

  absl::StatusOr<bool> next() {  // false: no more rows
    if (bind_code_ != SQLITE_OK) return store_->error(bind_code_, text_of(query_).purpose);
    column_ = 0;
    const int code = sqlite3_step(prepared_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return store_->error(code, text_of(query_).purpose);
  }

  Statement& read(std::string& value) {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(prepared_, column_));
    value.assign(bytes ? bytes : "", static_cast<std::size_t>(sqlite3_column_bytes(prepared_, column_)));
    ++column_;
    return *this;
  }
  Statement& read(std::int64_t& value) {
    value = sqlite3_column_int64(prepared_, column_++);
    return *this;
  }
  Statement& read(int& value) {
    value = sqlite3_column_int(prepared_, column_++);
    return *this;
  }
  Statement& read(Millis& value) {
    value = Millis{sqlite3_column_int64(prepared_, column_++)};
    return *this;
  }
  Statement& read(Time& value) {
    value = Time{Micros{sqlite3_column_int64(prepared_, column_++)}};  // NULL reads as 0
    return *this;
  }

 private:
  Statement& bound(int code) {
    if (bind_code_ == SQLITE_OK) bind_code_ = code;
    return *this;
  }

  const SqliteStore* store_;
  Query query_;
  sqlite3_stmt* prepared_;
  int at_ = 0, column_ = 0, bind_code_ = SQLITE_OK;
};

namespace {

template <class Statement>
void read_call(Statement& row, CallRecord& out) {
  std::string direction;
  row.read(out.id)
      .read(out.sip_call_id)
      .read(out.sip_from_tag)
      .read(direction)
      .read(out.caller)
      .read(out.called);
  row.read(out.flow)
      .read(out.flow_digest)
      .read(out.started)
      .read(out.answered)
      .read(out.ended)
      .read(out.status);
  row.read(out.cause).read(out.language).read(out.variables).read(out.recording);
  row.read(out.queue).read(out.agent).read(out.tried).read(out.path);
  row.read(out.waited).read(out.rang).read(out.talked);
  out.direction = direction == "outbound" ? Direction::outbound : Direction::inbound;
}

}  // namespace

int SqliteStore::newest_schema() noexcept { return kNewest; }

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path,
                                                               const SqliteOptions& options) {
  sqlite3* db = nullptr;
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  std::unique_ptr<SqliteStore> store(new SqliteStore(path, db));
  if (code != SQLITE_OK) return store->error(code, "open");
  sqlite3_busy_timeout(db,
                       static_cast<int>(std::clamp<std::int64_t>(options.busy_timeout.count(), 0, 600'000)));

  if (auto status = store->migrate(options.read_only); !status.ok()) return status;
  return store;
}

SqliteStore::~SqliteStore() {
  for (sqlite3_stmt* statement : prepared_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

absl::Status SqliteStore::migrate(bool read_only) {
  const auto number = [this](const char* sql, std::string_view purpose, int& out) -> absl::Status {
    sqlite3_stmt* statement = nullptr;
    int code = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    if (code == SQLITE_ROW) out = sqlite3_column_int(statement, 0);
    absl::Status status = code == SQLITE_ROW ? absl::OkStatus() : error(code, purpose);
    sqlite3_finalize(statement);
    return status;
  };
  const auto version = [&](int& have) -> absl::Status {
    int versioned = 0, tables = 0;
    if (auto status =
            number("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
                   "read schema", versioned);
        !status.ok())
      return status;
    if (versioned)
      return number("SELECT coalesce(max(version), 0) FROM schema_version", "read schema version", have);
    if (auto status =
            number("SELECT count(*) FROM sqlite_master WHERE type = 'table'", "read schema", tables);
        !status.ok())
      return status;
    have = 0;
    if (tables == 0) return absl::OkStatus();
    return absl::FailedPreconditionError(path_ + ": has " + std::to_string(tables) +
                                         " tables but no schema_version: not a database of ours");
  };
  const auto newer = [&](int have) {
    return absl::FailedPreconditionError(path_ + ": schema version " + std::to_string(have) +
                                         ", this program knows up to " + std::to_string(kNewest) +
                                         "; use the newer program or another file");
  };

  int have = 0;
  if (auto status = version(have); !status.ok()) return status;
  if (have > kNewest) return newer(have);
  if (have < kNewest && read_only) {
    return absl::FailedPreconditionError(path_ + ": schema version " + std::to_string(have) + ", needed " +
                                         std::to_string(kNewest) + "; a read-only opening does not migrate");
  }
  // Much is written and little read again: half of the memory that SQLite would take is enough.
  if (!read_only) {  // only now: a file that is none of ours stays as it was
    const char* settings =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864; "
        "PRAGMA cache_size = -1024;";
    if (auto status = run(settings, "switch to WAL"); !status.ok()) return status;
  }
  if (have == kNewest) return absl::OkStatus();

  // Look again under the write lock: two programs may start at the same moment.
  if (auto status = begin(); !status.ok()) return status;
  absl::Status status = version(have);
  if (status.ok() && have > kNewest) status = newer(have);
  if (status.ok()) {
    status =
        run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied TEXT NOT NULL)",
            "create schema_version");
  }
  for (int next = have + 1; status.ok() && next <= kNewest; ++next) {
    const std::string purpose = "migrate to schema version " + std::to_string(next);
    status = run(sqlite::migrations()[static_cast<std::size_t>(next) - 1], purpose);
    if (status.ok()) {
      status =
          run("INSERT INTO schema_version VALUES (" + std::to_string(next) + ", datetime('now'))", purpose);
    }
  }
  if (status.ok()) status = commit();
  if (!status.ok()) rollback();
  return status;
}

absl::Status SqliteStore::run(const std::string& sql, std::string_view purpose) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : error(code, purpose);
}

absl::StatusOr<SqliteStore::Statement> SqliteStore::statement(Query query) {
  sqlite3_stmt*& prepared = prepared_[query];
  if (prepared == nullptr) {
    const std::string& sql = text_of(query).sql;
    const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
    if (code != SQLITE_OK) return error(code, text_of(query).purpose);
  }
  return Statement(this, query, prepared);
}

absl::Status SqliteStore::error(int code, std::string_view purpose) const {
  std::string words = path_ + ": " + std::string(purpose) + ": " +
                      (db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(code)) + " (" + sqlite3_errstr(code) +
                      ", code " + std::to_string(code) + ")";
  switch (code & 0xff) {  // the low byte is the primary code, the rest says which kind
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_PROTOCOL: return absl::UnavailableError(words);
    case SQLITE_FULL:
    case SQLITE_NOMEM: return absl::ResourceExhaustedError(words);
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH: return absl::InvalidArgumentError(words);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_NOTADB: return absl::FailedPreconditionError(words);
    default: return absl::InternalError(words);
  }
}

absl::Status SqliteStore::writing(Query query) const {
  if (!sqlite3_get_autocommit(db_)) return absl::OkStatus();
  return absl::FailedPreconditionError(path_ + ": " + text_of(query).purpose +
                                       ": no transaction is open, begin() first");
}

absl::Status SqliteStore::begin() {
  auto query = statement(kBegin);
  return query.ok() ? query->run() : query.status();
}

absl::Status SqliteStore::commit() {
  auto query = statement(kCommit);
  return query.ok() ? query->run() : query.status();
}

void SqliteStore::rollback() {
  if (sqlite3_get_autocommit(db_)) return;  // SQLite itself rolls back after some errors
  auto query = statement(kRollback);
  if (query.ok()) query->run().IgnoreError();
}

absl::Status SqliteStore::put_call(const CallRecord& record) {
  if (auto status = writing(kPutCall); !status.ok()) return status;
  if (!record.sip_call_id.empty() && record.cause != "system") {
    if (auto status = replace_cut_call(record); !status.ok()) return status;
  }
  auto query = statement(kPutCall);
  if (!query.ok()) return query.status();
  query->bind(record.id).bind(record.sip_call_id).bind(record.sip_from_tag);
  query->bind(record.direction == Direction::inbound ? "inbound" : "outbound");
  query->bind(record.caller).bind(record.called).bind(record.flow).bind(record.flow_digest);
  query->bind(record.started).bind(record.answered).bind(record.ended).bind(record.status).bind(record.cause);
  query->bind(record.language).bind(record.variables).bind(record.recording);
  query->bind(record.queue).bind(record.agent).bind(record.tried).bind(record.path);
  query->bind(record.waited).bind(record.rang).bind(record.talked);
  return query->run();
}

absl::Status SqliteStore::replace_cut_call(const CallRecord& record) {
  std::string cut;
  {
    auto query = statement(kFindCutCall);
    if (!query.ok()) return query.status();
    query->bind(record.id).bind(record.sip_call_id).bind(record.sip_from_tag).bind(record.started);
    auto row = query->next();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    query->read(cut);
  }
  for (Query drop : {kDropCutEvents, kDropCutVisits, kDropCutCall}) {
    auto query = statement(drop);
    if (!query.ok()) return query.status();
    if (auto status = query->bind(cut).run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::append(const CallEvent& event) {
  if (auto status = writing(kAppend); !status.ok()) return status;
  if (event.sequence == 0) {  // a call back that nobody answered before a crash is made again by its name
    auto drop = statement(kDropCutEvents);
    if (!drop.ok()) return drop.status();
    if (auto status = drop->bind(event.call).run(); !status.ok()) return status;
  }
  auto query = statement(kAppend);
  if (!query.ok()) return query.status();
  return query->bind(event.call).bind(event.sequence).bind_at(event.at).bind(event.json).run();
}

absl::Status SqliteStore::put_visit(const NodeVisit& visit) {
  if (auto status = writing(kPutVisit); !status.ok()) return status;
  auto query = statement(kPutVisit);
  if (!query.ok()) return query.status();
  query->bind(visit.call)
      .bind(std::int64_t{visit.sequence})
      .bind(visit.node)
      .bind(visit.type)
      .bind(visit.entered);
  query->bind(visit.left)
      .bind(visit.status)
      .bind(visit.exit)
      .bind(visit.input)
      .bind(visit.output)
      .bind(visit.error);
  return query->run();
}

absl::Status SqliteStore::put_flow(const FlowVersion& version) {
  if (auto status = writing(kPutFlow); !status.ok()) return status;
  auto query = statement(kPutFlow);
  if (!query.ok()) return query.status();
  return query->bind(version.digest).bind(version.id).bind(version.published).bind(version.document).run();
}

absl::StatusOr<CallRecord> SqliteStore::call(std::string_view id) {
  auto query = statement(kCall);
  if (!query.ok()) return query.status();
  auto row = query->bind(id).next();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(path_ + ": no call " + quote(id));
  CallRecord record;
  read_call(*query, record);
  return record;
}

absl::StatusOr<std::vector<CallRecord>> SqliteStore::calls(int limit, int offset) {
  if (limit < 0 || offset < 0) return negative("calls", limit, offset);
  auto query = statement(kCalls);
  if (!query.ok()) return query.status();
  query->bind(std::int64_t{limit}).bind(std::int64_t{offset});
  return read_calls(*query);
}

absl::StatusOr<std::vector<CallRecord>> SqliteStore::calls_between(Time since, Time until, int limit,
                                                                   int offset) {
  if (limit < 0 || offset < 0) return negative("calls_between", limit, offset);
  auto query = statement(kCallsBetween);
  if (!query.ok()) return query.status();
  query->bind_at(since).bind_at(until).bind(std::int64_t{limit}).bind(std::int64_t{offset});
  return read_calls(*query);
}

absl::StatusOr<std::vector<CallRecord>> SqliteStore::read_calls(Statement& query) {
  std::vector<CallRecord> records;
  for (;;) {
    auto row = query.next();
    if (!row.ok()) return row.status();
    if (!*row) return records;
    read_call(query, records.emplace_back());
  }
}

absl::StatusOr<std::vector<CallEvent>> SqliteStore::events(std::string_view call) {
  auto query = statement(kEvents);
  if (!query.ok()) return query.status();
  query->bind(call);
  std::vector<CallEvent> events;
  for (;;) {
    auto row = query->next();
    if (!row.ok()) return row.status();
    if (!*row) return events;
    CallEvent& event = events.emplace_back();
    query->read(event.call).read(event.sequence).read(event.at).read(event.json);
  }
}

absl::StatusOr<std::vector<NodeVisit>> SqliteStore::visits(std::string_view call) {
  auto query = statement(kVisits);
  if (!query.ok()) return query.status();
  query->bind(call);
  std::vector<NodeVisit> visits;
  for (;;) {
    auto row = query->next();
    if (!row.ok()) return row.status();
    if (!*row) return visits;
    NodeVisit& visit = visits.emplace_back();
    query->read(visit.call)
        .read(visit.sequence)
        .read(visit.node)
        .read(visit.type)
        .read(visit.entered)
        .read(visit.left);
    query->read(visit.status).read(visit.exit).read(visit.input).read(visit.output).read(visit.error);
  }
}

absl::StatusOr<FlowVersion> SqliteStore::flow(std::string_view digest) {
  auto query = statement(kFlow);
  if (!query.ok()) return query.status();
  auto row = query->bind(digest).next();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(path_ + ": no flow with digest " + quote(digest));
  FlowVersion version;
  query->read(version.digest).read(version.id).read(version.published).read(version.document);
  return version;
}

absl::StatusOr<Stored> SqliteStore::put_document(const StoredDocument& document) {
  if (auto status = writing(kPutDocument); !status.ok()) return status;
  Stored outcome = Stored::added;
  {
    auto query = statement(kDocument);
    if (!query.ok()) return query.status();
    auto row = query->bind(document.kind).bind(document.id).next();
    if (!row.ok()) return row.status();
    if (*row) {
      std::string json;
      query->read(json);
      if (json == document.json) return Stored::unchanged;
      outcome = Stored::changed;
    }
  }
  auto query = statement(kPutDocument);
  if (!query.ok()) return query.status();
  const auto status = query->bind(document.kind).bind(document.id).bind(document.json).run();
  if (!status.ok()) return status;
  return outcome;
}

absl::StatusOr<std::vector<StoredDocument>> SqliteStore::documents(std::string_view kind) {
  auto query = statement(kDocuments);
  if (!query.ok()) return query.status();
  query->bind(kind);
  std::vector<StoredDocument> documents;
  for (;;) {
    auto row = query->next();
    if (!row.ok()) return row.status();
    if (!*row) return documents;
    StoredDocument& document = documents.emplace_back();
    query->read(document.kind).read(document.id).read(document.json);
  }
}

absl::Status SqliteStore::remove_document(std::string_view kind, std::string_view id) {
  if (auto status = writing(kRemoveDocument); !status.ok()) return status;
  auto query = statement(kRemoveDocument);
  return query.ok() ? query->bind(kind).bind(id).run() : query.status();
}

absl::Status SqliteStore::append_router(const RouterStep& step) {
  if (auto status = writing(kAppendRouter); !status.ok()) return status;
  auto query = statement(kAppendRouter);
  if (!query.ok()) return query.status();
  query->bind(step.sequence).bind_at(step.at).bind(step.event).bind(step.commands);
  if (auto status = query->run(); !status.ok()) return status;
  for (const std::string& call : step.calls) {
    auto link = statement(kAppendRouterCall);
    if (!link.ok()) return link.status();
    if (auto status = link->bind(call).bind(step.sequence).run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<RouterStep>> SqliteStore::router_log(const RouterLogQuery& wanted) {
  if (wanted.limit < 0) return negative("router_log", wanted.limit, 0);
  std::vector<RouterStep> steps;
  {
    auto query = statement(wanted.call.empty() ? kRouterLog : kRouterLogOfCall);
    if (!query.ok()) return query.status();
    query->bind(wanted.from).bind_at(wanted.since).bind_at(wanted.until).bind(std::int64_t{wanted.limit});
    if (!wanted.call.empty()) query->bind(wanted.call);
    for (;;) {
      auto row = query->next();
      if (!row.ok()) return row.status();
      if (!*row) break;
      RouterStep& step = steps.emplace_back();
      query->read(step.sequence).read(step.at).read(step.event).read(step.commands);
    }
  }
  for (RouterStep& step : steps) {
    auto query = statement(kRouterCalls);
    if (!query.ok()) return query.status();
    query->bind(step.sequence);
    for (;;) {
      auto row = query->next();
      if (!row.ok()) return row.status();
      if (!*row) break;
      query->read(step.calls.emplace_back());
    }
  }
  return steps;
}

absl::StatusOr<std::int64_t> SqliteStore::router_next() {
  auto query = statement(kRouterNext);
  if (!query.ok()) return query.status();
  auto row = query->next();
  if (!row.ok()) return row.status();
  std::int64_t next = 0;
  query->read(next);
  return next;
}

absl::StatusOr<RouterSnapshot> SqliteStore::router_snapshot(std::int64_t next) {
  auto query = statement(kSnapshot);
  if (!query.ok()) return query.status();
  auto row = query->bind(next).next();
  if (!row.ok()) return row.status();
  if (!*row) {
    return absl::NotFoundError(path_ + ": no snapshot of the router at or before step " +
                               std::to_string(next));
  }
  RouterSnapshot snapshot;
  query->read(snapshot.next).read(snapshot.at).read(snapshot.json);
  return snapshot;
}

absl::Status SqliteStore::put_router_snapshot(const RouterSnapshot& snapshot, const RouterRetention& keep) {
  if (auto status = writing(kPutSnapshot); !status.ok()) return status;
  {
    auto query = statement(kPutSnapshot);
    if (!query.ok()) return query.status();
    query->bind(snapshot.next).bind_at(snapshot.at).bind(snapshot.json);
    if (auto status = query->run(); !status.ok()) return status;
  }
  if (auto status = prune_snapshots(snapshot, keep); !status.ok()) return status;
  return prune_steps(snapshot, keep);
}

absl::Status SqliteStore::prune_snapshots(const RouterSnapshot& newest, const RouterRetention& keep) {
  std::vector<std::pair<std::int64_t, Time>> kept;  // newest first
  {
    auto query = statement(kSnapshots);
    if (!query.ok()) return query.status();
    for (;;) {
      auto row = query->next();
      if (!row.ok()) return row.status();
      if (!*row) break;
      auto& [next, at] = kept.emplace_back();
      query->read(next).read(at);
    }
  }
  // Of the older ones the first of each stretch stays: measured from each other, none would ever grow old.
  const auto stretch = [&](Time at) {
    return at.time_since_epoch() / std::max(Micros{keep.thinned}, Micros{1});
  };
  for (std::size_t i = static_cast<std::size_t>(std::max(keep.snapshots, 1)); i < kept.size(); ++i) {
    const auto& [next, at] = kept[i];
    const bool first = i + 1 == kept.size() || stretch(kept[i + 1].second) != stretch(at);
    if (first && newest.at - at <= keep.age) continue;
    auto query = statement(kDropSnapshot);
    if (!query.ok()) return query.status();
    if (auto status = query->bind(next).run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::prune_steps(const RouterSnapshot& newest, const RouterRetention& keep) {
  std::int64_t first = 0, last = 0, old = 0;
  {
    auto query = statement(kOldSteps);
    if (!query.ok()) return query.status();
    auto row = query->bind_at(newest.at - keep.age).next();
    if (!row.ok()) return row.status();
    query->read(first).read(last).read(old);
  }
  const std::int64_t end = std::min({std::max(old + 1, last + 1 - keep.steps), newest.next,
                                     first + std::max<std::int64_t>(keep.at_once, 1)});
  if (end <= first) return absl::OkStatus();
  for (Query drop : {kDropSteps, kDropStepCalls}) {
    auto query = statement(drop);
    if (!query.ok()) return query.status();
    if (auto status = query->bind(end).run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<int> SqliteStore::close_open_calls(Time now) {
  auto query = statement(kCloseOpen);
  if (!query.ok()) return query.status();
  if (auto status = query->bind(now).run(); !status.ok()) return status;
  return sqlite3_changes(db_);
}

absl::Status SqliteStore::integrity() {
  sqlite3_stmt* check = nullptr;
  int code = sqlite3_prepare_v2(db_, "PRAGMA integrity_check(5)", -1, &check, nullptr);
  std::string damage;
  while (code == SQLITE_OK && (code = sqlite3_step(check)) == SQLITE_ROW) {
    const auto* line = reinterpret_cast<const char*>(sqlite3_column_text(check, 0));
    const std::string_view words = line ? line : "";
    if (words != "ok") damage += (damage.empty() ? "" : "; ") + std::string(words);
    code = SQLITE_OK;
  }
  absl::Status status = code == SQLITE_DONE ? absl::OkStatus() : error(code, "check integrity");
  sqlite3_finalize(check);
  if (status.ok() && !damage.empty()) return absl::InternalError(path_ + ": damaged: " + damage);
  return status;
}

}  // namespace ivr

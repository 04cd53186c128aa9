#include "edge/sqlite_store.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace ivr {
namespace {

// Numbered from 1; each runs once, inside its own transaction. Never edit one that was released: add the
// next.
constexpr const char* kMigrations[] = {
    R"(CREATE TABLE calls (
         id TEXT PRIMARY KEY NOT NULL, sip_call_id TEXT NOT NULL, sip_from_tag TEXT NOT NULL,
         direction TEXT NOT NULL CHECK (direction IN ('inbound', 'outbound')),
         caller TEXT NOT NULL, called TEXT NOT NULL, flow TEXT NOT NULL, flow_digest TEXT NOT NULL,
         started INTEGER, answered INTEGER, ended INTEGER,  -- microseconds since 1970, UTC; NULL: did not happen
         status TEXT NOT NULL, cause TEXT NOT NULL, language TEXT NOT NULL, variables TEXT NOT NULL,
         recording TEXT NOT NULL);
       CREATE INDEX calls_by_start ON calls (started DESC, id DESC);
       CREATE TABLE call_events (
         call TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, json TEXT NOT NULL,
         PRIMARY KEY (call, sequence)) WITHOUT ROWID;
       CREATE TABLE node_visits (
         call TEXT NOT NULL, sequence INTEGER NOT NULL, node TEXT NOT NULL, type TEXT NOT NULL,
         entered INTEGER, left INTEGER, status TEXT NOT NULL, exit TEXT NOT NULL, input TEXT NOT NULL,
         output TEXT NOT NULL, error TEXT NOT NULL,
         PRIMARY KEY (call, sequence)) WITHOUT ROWID;
       CREATE TABLE flows (
         digest TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, published INTEGER, document TEXT NOT NULL);
       CREATE INDEX flows_by_id ON flows (id, published);)",
    // Which calls were open, and the same SIP call met again, without reading the whole table.
    R"(CREATE INDEX calls_in_progress ON calls (status) WHERE status = 'in_progress';
       CREATE INDEX calls_by_sip ON calls (sip_call_id, sip_from_tag);)",
};
constexpr int kNewest = static_cast<int>(std::size(kMigrations));

constexpr const char kCallColumns[] =
    "id, sip_call_id, sip_from_tag, direction, caller, called, flow, flow_digest, started, answered, ended, "
    "status, "
    "cause, language, variables, recording";

struct QueryText {
  const char* purpose;
  std::string sql;
};

const QueryText& text(std::size_t query) {
  static const QueryText kTexts[] = {
      {"begin", "BEGIN IMMEDIATE"},
      {"commit", "COMMIT"},
      {"rollback", "ROLLBACK"},
      {"put call",
       std::string("INSERT INTO calls (") + kCallColumns +
           ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16) ON CONFLICT (id) DO UPDATE SET "
           "sip_call_id=?2, sip_from_tag=?3, direction=?4, caller=?5, called=?6, flow=?7, flow_digest=?8, "
           "started=?9, answered=?10, ended=?11, status=?12, cause=?13, language=?14, variables=?15, "
           "recording=?16"},
      {"find cut call",
       "SELECT id FROM calls WHERE sip_call_id = ?2 AND sip_from_tag = ?3 AND id <> ?1 AND status = 'failed' "
       "AND cause = 'system' AND started BETWEEN ?4 - 32000000 AND ?4"},
      {"replace cut call", "DELETE FROM calls WHERE id = ?1"},
      {"replace events of cut call", "DELETE FROM call_events WHERE call = ?1"},
      {"replace visits of cut call", "DELETE FROM node_visits WHERE call = ?1"},
      {"append event", "INSERT OR REPLACE INTO call_events (call, sequence, at, json) VALUES (?1,?2,?3,?4)"},
      {"put visit",
       "INSERT OR REPLACE INTO node_visits (call, sequence, node, type, entered, left, status, exit, input, "
       "output, "
       "error) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"},
      {"put flow", "INSERT OR IGNORE INTO flows (digest, id, published, document) VALUES (?1,?2,?3,?4)"},
      {"read call", std::string("SELECT ") + kCallColumns + " FROM calls WHERE id = ?1"},
      {"read calls", std::string("SELECT ") + kCallColumns +
                         " FROM calls ORDER BY started DESC, id DESC LIMIT ?1 OFFSET ?2"},
      {"read events", "SELECT call, sequence, at, json FROM call_events WHERE call = ?1 ORDER BY sequence"},
      {"read visits",
       "SELECT call, sequence, node, type, entered, left, status, exit, input, output, error FROM "
       "node_visits "
       "WHERE call = ?1 ORDER BY sequence"},
      {"read flow", "SELECT digest, id, published, document FROM flows WHERE digest = ?1"},
      {"close open calls",
       "UPDATE calls SET status = 'failed', cause = 'system', ended = ?1 WHERE status = 'in_progress'"},
  };
  return kTexts[query];
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
  Statement& bind(Time value) {
    if (value == Time{}) return bound(sqlite3_bind_null(prepared_, ++at_));
    return bind(std::int64_t{value.time_since_epoch().count()});
  }

  absl::Status run() {
    absl::StatusOr<bool> row = next();
    return row.ok() ? absl::OkStatus() : row.status();
  }

  absl::StatusOr<bool> next() {  // false: no more rows
    if (bind_code_ != SQLITE_OK) return store_->error(bind_code_, text(query_).purpose);
    column_ = 0;
    const int code = sqlite3_step(prepared_);
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return store_->error(code, text(query_).purpose);
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
  if (!read_only) {  // only now: a file that is none of ours stays as it was
    const char* settings =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864;";
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
    status = run(kMigrations[next - 1], purpose);
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
    const std::string& sql = text(query).sql;
    const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
    if (code != SQLITE_OK) return error(code, text(query).purpose);
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
  return absl::FailedPreconditionError(path_ + ": " + text(query).purpose +
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
  auto query = statement(kAppend);
  if (!query.ok()) return query.status();
  // An event's instant is never missing, so the epoch is written as 0 and not as NULL.
  query->bind(event.call)
      .bind(event.sequence)
      .bind(std::int64_t{event.at.time_since_epoch().count()})
      .bind(event.json);
  return query->run();
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
  if (limit < 0 || offset < 0) {
    return absl::InvalidArgumentError("calls: limit " + std::to_string(limit) + " and offset " +
                                      std::to_string(offset) + " must not be negative");
  }
  auto query = statement(kCalls);
  if (!query.ok()) return query.status();
  query->bind(std::int64_t{limit}).bind(std::int64_t{offset});
  std::vector<CallRecord> records;
  for (;;) {
    auto row = query->next();
    if (!row.ok()) return row.status();
    if (!*row) return records;
    read_call(*query, records.emplace_back());
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

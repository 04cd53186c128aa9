#include "edge/sqlite_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <tuple>

namespace ivr {
namespace {

using ::testing::Test;

Time at(Millis since) { return Time{std::chrono::hours{24 * 365 * 50}} + since; }

class SqliteStoreTest : public Test {
 protected:
  SqliteStoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivr-store-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~SqliteStoreTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return (folder_ / "calls.db").string(); }
  std::unique_ptr<SqliteStore> open(const SqliteOptions& options = {}) {
    auto store = SqliteStore::open(path(), options);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? std::move(*store) : nullptr;
  }
  // Another program at the same file.
  void sql(const std::string& text) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db, text.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(db);
  }

  std::filesystem::path folder_;
};

CallRecord full_record(std::string id) {
  CallRecord record;
  record.id = std::move(id);
  record.sip_call_id = "cid-" + record.id + "@peer";
  record.sip_from_tag = "tag";
  record.direction = Direction::outbound;
  record.caller = "alice";
  record.called = "2001";
  record.flow = "support";
  record.flow_digest = "sha256:ab";
  record.started = at(1ms);
  record.answered = at(20ms);
  record.ended = at(9s);
  record.status = "completed";
  record.cause = "caller";
  record.language = "ar";
  record.variables = R"({"name":"Łukasz","pin":"***"})";
  record.recording = "/tmp/a.wav";
  record.queue = "tech";
  record.agent = "huda";
  record.tried = R"(["omar","huda"])";
  record.path = R"(["menu","tech_queue"])";
  record.waited = 61s;
  record.rang = 4s;
  record.talked = 95s;
  return record;
}

void expect_same(const CallRecord& a, const CallRecord& b) {
  const auto tie = [](const CallRecord& r) {
    return std::tie(r.id, r.sip_call_id, r.sip_from_tag, r.direction, r.caller, r.called, r.flow,
                    r.flow_digest, r.started, r.answered, r.ended, r.status, r.cause, r.language, r.variables,
                    r.recording, r.queue, r.agent, r.tried, r.path, r.waited, r.rang, r.talked);
  };
  EXPECT_EQ(tie(a), tie(b)) << a.id << " / " << b.id;
}

absl::Status put(SqliteStore& store, const CallRecord& record) {
  if (auto status = store.begin(); !status.ok()) return status;
  absl::Status status = store.put_call(record);
  if (status.ok()) status = store.commit();
  if (!status.ok()) store.rollback();
  return status;
}

TEST_F(SqliteStoreTest, KeepsEverythingOverAReopening) {
  const CallRecord record = full_record("c1");
  CallRecord open_call = full_record("c2");
  open_call.ended = {};
  open_call.status = "in_progress";
  open_call.started = at(2ms);
  {
    auto store = open();
    ASSERT_TRUE(store->begin().ok());
    ASSERT_TRUE(store->put_call(record).ok());
    ASSERT_TRUE(store->put_call(open_call).ok());
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(store->append({"c1", i, at(Millis{i}), "{\"n\":" + std::to_string(i) + "}"}).ok());
    }
    ASSERT_TRUE(store->put_visit({"c1", 0, "menu", "menu", at(1ms), at(2ms), "ok", "1", "1", "{}", ""}).ok());
    ASSERT_TRUE(store->put_flow({"support", "sha256:ab", "{\"ivr\":1}", at(0ms)}).ok());
    ASSERT_TRUE(store->put_flow({"support", "sha256:ab", "ignored", at(5ms)}).ok());
    ASSERT_TRUE(store->commit().ok());
  }
  auto store = open();
  expect_same(*store->call("c1"), record);
  expect_same(*store->call("c2"), open_call);
  const auto calls = store->calls(10, 0);
  ASSERT_EQ(calls->size(), 2u);
  EXPECT_EQ((*calls)[0].id, "c2") << "newest first";
  EXPECT_EQ(store->calls(1, 1)->at(0).id, "c1");
  const auto events = store->events("c1");
  ASSERT_EQ(events->size(), 3u);
  EXPECT_EQ((*events)[2].sequence, 2);
  EXPECT_EQ((*events)[2].at, at(2ms));
  EXPECT_EQ((*events)[2].json, R"({"n":2})");
  const auto visits = store->visits("c1");
  ASSERT_EQ(visits->size(), 1u);
  EXPECT_EQ((*visits)[0].node, "menu");
  EXPECT_EQ((*visits)[0].left, at(2ms));
  EXPECT_EQ(store->flow("sha256:ab")->document, "{\"ivr\":1}");
  EXPECT_EQ(store->flow("sha256:ab")->published, at(0ms));
  EXPECT_TRUE(store->integrity().ok());
}

TEST_F(SqliteStoreTest, SaysWhatIsNotThere) {
  auto store = open();
  EXPECT_EQ(store->call("nobody").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(store->call("nobody").status().message()), testing::HasSubstr("nobody"));
  EXPECT_EQ(store->flow("x").status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store->events("nobody")->empty());
  EXPECT_TRUE(store->visits("nobody")->empty());
  EXPECT_EQ(store->calls(-1, 0).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SqliteStoreTest, PuttingACallAgainReplacesIt) {
  auto store = open();
  CallRecord record = full_record("c1");
  record.status = "in_progress";
  record.ended = {};
  ASSERT_TRUE(put(*store, record).ok());
  record = full_record("c1");
  ASSERT_TRUE(put(*store, record).ok());
  expect_same(*store->call("c1"), record);
  EXPECT_EQ(store->calls(10, 0)->size(), 1u);
}

TEST_F(SqliteStoreTest, AWriteOutsideATransactionIsRefused) {
  auto store = open();
  EXPECT_EQ(store->put_call(full_record("c")).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store->append({"c", 0, at(0ms), "{}"}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SqliteStoreTest, ARollbackLeavesNothing) {
  auto store = open();
  ASSERT_TRUE(store->begin().ok());
  ASSERT_TRUE(store->put_call(full_record("c1")).ok());
  store->rollback();
  store->rollback();  // once more does no harm
  EXPECT_TRUE(store->calls(10, 0)->empty());
  EXPECT_TRUE(put(*store, full_record("c2")).ok());
}

TEST_F(SqliteStoreTest, ClosesTheCallsThatWereOpen) {
  auto store = open();
  for (const char* id : {"a", "b", "c"}) {
    CallRecord record = full_record(id);
    if (record.id != "b") {
      record.status = "in_progress";
      record.ended = {};
    }
    ASSERT_TRUE(put(*store, record).ok());
  }
  EXPECT_EQ(*store->close_open_calls(at(60s)), 2);
  EXPECT_EQ(store->call("a")->status, "failed");
  EXPECT_EQ(store->call("a")->cause, "system");
  EXPECT_EQ(store->call("a")->ended, at(60s));
  EXPECT_EQ(store->call("b")->status, "completed");
  EXPECT_EQ(*store->close_open_calls(at(61s)), 0);
}

TEST_F(SqliteStoreTest, ACallCutByACrashAndInvitedAgainIsOneRecord) {
  auto store = open();
  const auto cut = [&](const char* id, Time started) {
    CallRecord record = full_record(id);
    record.sip_call_id = "same";
    record.started = started;
    record.status = "failed";
    record.cause = "system";
    return record;
  };
  ASSERT_TRUE(put(*store, cut("old", at(0s))).ok());
  ASSERT_TRUE(put(*store, cut("cut", at(100s))).ok());
  ASSERT_TRUE(store->begin().ok());
  ASSERT_TRUE(store->append({"cut", 0, at(100s), "{}"}).ok());
  ASSERT_TRUE(store->put_visit({"cut", 0, "n", "play", at(100s), {}, "active", "", "", "", ""}).ok());
  ASSERT_TRUE(store->commit().ok());

  CallRecord again = full_record("again");
  again.sip_call_id = "same";
  again.started = at(104s);
  ASSERT_TRUE(put(*store, again).ok());
  EXPECT_FALSE(store->call("cut").ok());
  EXPECT_TRUE(store->events("cut")->empty());
  EXPECT_TRUE(store->visits("cut")->empty());
  EXPECT_TRUE(store->call("old").ok()) << "too long ago to be the same INVITE";
  expect_same(*store->call("again"), again);

  CallRecord other = again;  // a completed call with the same Call-ID is another call
  other.id = "other";
  other.started = at(105s);
  ASSERT_TRUE(put(*store, other).ok());
  EXPECT_TRUE(store->call("again").ok());
}

TEST_F(SqliteStoreTest, KeepsBytesAsTheyAre) {
  auto store = open();
  CallRecord record = full_record("c'; DROP TABLE calls; --");
  record.caller = std::string("a\0b", 3) + "\xff\xfe'\"";
  record.variables = std::string(2 << 20, 'x');
  ASSERT_TRUE(put(*store, record).ok());
  expect_same(*store->call(record.id), record);
}

TEST_F(SqliteStoreTest, MigratesAnOlderFileAndKeepsItsCalls) {
  { ASSERT_TRUE(put(*open(), full_record("c1")).ok()); }
  sql("DROP INDEX calls_in_progress; DROP INDEX calls_by_sip; DROP TABLE documents; DROP TABLE router_log; "
      "DROP TABLE router_calls; DROP TABLE router_snapshots; DELETE FROM schema_version WHERE version > 1");
  for (const char* column : {"queue", "agent", "tried", "path", "waited", "rang", "talked"}) {
    sql(std::string("ALTER TABLE calls DROP COLUMN ") + column);
  }
  {
    SqliteOptions options;
    options.read_only = true;
    const auto refused = SqliteStore::open(path(), options);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  }
  auto store = open();
  CallRecord upgraded = full_record("c1");  // what the old file had no room for
  upgraded.queue = upgraded.agent = "";
  upgraded.tried = upgraded.path = "[]";
  upgraded.waited = upgraded.rang = upgraded.talked = 0ms;
  expect_same(*store->call("c1"), upgraded);
  ASSERT_TRUE(put(*store, full_record("c1")).ok());
  expect_same(*store->call("c1"), full_record("c1"));
  EXPECT_EQ(*store->router_next(), 0);
  EXPECT_TRUE(store->documents("agent")->empty());
  sql("SELECT 1 FROM calls INDEXED BY calls_by_sip WHERE sip_call_id = '' AND sip_from_tag = ''");
  EXPECT_TRUE(store->integrity().ok());
}

TEST_F(SqliteStoreTest, RefusesANewerFileAndForeignFiles) {
  { open(); }
  sql("INSERT INTO schema_version VALUES (99, 'later')");
  auto newer = SqliteStore::open(path());
  EXPECT_EQ(newer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(newer.status().message()),
              testing::AllOf(testing::HasSubstr(path()), testing::HasSubstr("99"),
                             testing::HasSubstr(std::to_string(SqliteStore::newest_schema()))));

  std::filesystem::remove(path());
  sql("CREATE TABLE recipes (name TEXT)");
  auto foreign = SqliteStore::open(path());
  EXPECT_EQ(foreign.status().code(), absl::StatusCode::kFailedPrecondition) << foreign.status();
  EXPECT_FALSE(std::filesystem::exists(path() + "-wal")) << "left as it was";

  std::ofstream(path(), std::ios::trunc) << std::string(8192, 'x');
  auto text = SqliteStore::open(path());
  EXPECT_EQ(text.status().code(), absl::StatusCode::kFailedPrecondition) << text.status();

  auto nowhere = SqliteStore::open((folder_ / "no" / "such" / "folder.db").string());
  EXPECT_EQ(nowhere.status().code(), absl::StatusCode::kFailedPrecondition) << nowhere.status();
  EXPECT_THAT(std::string(nowhere.status().message()), testing::HasSubstr("folder.db"));
}

TEST_F(SqliteStoreTest, TellsWhetherADocumentIsNewOrChanged) {
  {
    auto store = open();
    EXPECT_EQ(store->put_document({"agent", "huda", "{}"}).status().code(),
              absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(store->begin().ok());
    EXPECT_EQ(*store->put_document({"agent", "huda", "{}"}), Stored::added);
    EXPECT_EQ(*store->put_document({"agent", "huda", "{}"}), Stored::unchanged);
    EXPECT_EQ(*store->put_document({"agent", "huda", R"({"score":1})"}), Stored::changed);
    EXPECT_EQ(*store->put_document({"agent", "ali", "{}"}), Stored::added);
    EXPECT_EQ(*store->put_document({"queue", "huda", "{}"}), Stored::added);
    ASSERT_TRUE(store->commit().ok());
    ASSERT_TRUE(store->begin().ok());
    ASSERT_TRUE(store->remove_document("agent", "ali").ok());
    ASSERT_TRUE(store->remove_document("agent", "nobody").ok());
    store->rollback();
  }
  auto store = open();
  const auto agents = store->documents("agent");
  ASSERT_EQ(agents->size(), 2u);
  EXPECT_EQ((*agents)[0].id, "ali");
  EXPECT_EQ((*agents)[1].json, R"({"score":1})");
  ASSERT_TRUE(store->begin().ok());
  ASSERT_TRUE(store->remove_document("agent", "ali").ok());
  ASSERT_TRUE(store->commit().ok());
  EXPECT_EQ(store->documents("agent")->size(), 1u);
  EXPECT_EQ(store->documents("queue")->size(), 1u);
}

RouterStep step(std::int64_t sequence, Time when, std::vector<std::string> calls = {}) {
  return {sequence, when, R"({"n":)" + std::to_string(sequence) + "}", "[]", std::move(calls)};
}

std::vector<std::int64_t> sequences(SqliteStore& store, const RouterLogQuery& query) {
  std::vector<std::int64_t> out;
  const auto steps = store.router_log(query);
  EXPECT_TRUE(steps.ok()) << steps.status();
  for (const RouterStep& each : *steps) out.push_back(each.sequence);
  return out;
}

// One that nobody answered is made again after a crash, by its name: what the first try has logged is gone.
TEST_F(SqliteStoreTest, ACallThatBeginsAgainHasTheLogOfTheSecondTimeOnly) {
  auto store = open();
  ASSERT_TRUE(store->begin().ok());
  for (int line = 0; line < 4; ++line)
    ASSERT_TRUE(store->append({"callback-2-1", line, at(1s), R"("first")"}).ok());
  for (int line = 0; line < 2; ++line)
    ASSERT_TRUE(store->append({"callback-2-1", line, at(9s), R"("second")"}).ok());
  ASSERT_TRUE(store->commit().ok());
  const auto events = store->events("callback-2-1");
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 2u);
  for (const CallEvent& event : *events) EXPECT_EQ(event.json, R"("second")");
}

TEST_F(SqliteStoreTest, KeepsTheRoutersLogByTimeAndByCall) {
  {
    auto store = open();
    EXPECT_EQ(*store->router_next(), 0);
    ASSERT_TRUE(store->begin().ok());
    ASSERT_TRUE(store->append_router(step(0, at(0s), {"a"})).ok());
    ASSERT_TRUE(store->append_router(step(1, at(10s), {"a", "b"})).ok());
    ASSERT_TRUE(store->append_router(step(2, at(20s))).ok());
    ASSERT_TRUE(store->append_router(step(3, at(30s), {"b"})).ok());
    ASSERT_TRUE(store->append_router(step(3, at(30s), {"b"})).ok()) << "once more, after a failed commit";
    ASSERT_TRUE(store->commit().ok());
  }
  auto store = open();
  EXPECT_EQ(*store->router_next(), 4);
  using Sequences = std::vector<std::int64_t>;
  EXPECT_EQ(sequences(*store, {}), (Sequences{0, 1, 2, 3}));
  EXPECT_EQ(sequences(*store, {.from = 2}), (Sequences{2, 3}));
  EXPECT_EQ(sequences(*store, {.since = at(10s), .until = at(30s)}), (Sequences{1, 2}));
  EXPECT_EQ(sequences(*store, {.call = "b"}), (Sequences{1, 3}));
  EXPECT_EQ(sequences(*store, {.from = 2, .call = "b"}), (Sequences{3}));
  EXPECT_EQ(sequences(*store, {.until = at(30s), .call = "b"}), (Sequences{1}));
  EXPECT_EQ(sequences(*store, {.call = "nobody"}), (Sequences{}));
  EXPECT_EQ(sequences(*store, {.limit = 2}), (Sequences{0, 1}));
  EXPECT_EQ(store->router_log({.limit = -1}).status().code(), absl::StatusCode::kInvalidArgument);
  const auto log = store->router_log({});
  EXPECT_EQ((*log)[1].calls, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ((*log)[1].at, at(10s));
  EXPECT_EQ((*log)[1].event, R"({"n":1})");
  EXPECT_EQ(store->append_router(step(9, at(0s))).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SqliteStoreTest, KeepsTheNewestSnapshotsAndOneOfEachStretchBefore) {
  auto store = open();
  EXPECT_EQ(store->router_snapshot(5).status().code(), absl::StatusCode::kNotFound);
  RouterRetention keep;
  keep.snapshots = 2;
  keep.thinned = 1h;
  keep.age = 5h;
  const Time start = std::chrono::floor<std::chrono::hours>(at(0s));
  // Every ten minutes for eight hours, six steps between two of them.
  for (int i = 0; i <= 48; ++i) {
    ASSERT_TRUE(store->begin().ok());
    for (int j = 0; j < 6; ++j) {
      ASSERT_TRUE(store->append_router(step(i * 6 + j, start + i * 10min + j * 1s, {"c"})).ok());
    }
    ASSERT_TRUE(store->put_router_snapshot({i * 6 + 6, start + i * 10min + 6s, "{}"}, keep).ok());
    ASSERT_TRUE(store->commit().ok());
  }
  // The two newest are of 7:50 and 8:00; before them the first of each hour, back to 3:00.
  std::vector<std::int64_t> kept;
  for (std::int64_t next = 1'000'000;;) {
    const auto snapshot = store->router_snapshot(next);
    if (!snapshot.ok()) break;
    kept.push_back(snapshot->next);
    next = snapshot->next - 1;
  }
  const auto at_hour = [](int hour) { return std::int64_t{hour} * 36 + 6; };
  EXPECT_EQ(kept, (std::vector<std::int64_t>{at_hour(8), at_hour(8) - 6, at_hour(7), at_hour(6), at_hour(5),
                                             at_hour(4), at_hour(3)}));
  const auto left = sequences(*store, {});
  EXPECT_EQ(left.front(), 108 + 6) << "three hours are older than five, to the second";
  EXPECT_EQ(left.back(), 48 * 6 + 5);
  EXPECT_EQ(sequences(*store, {.call = "c"}), left);
  EXPECT_EQ(*store->router_next(), 48 * 6 + 6);
}

TEST_F(SqliteStoreTest, DropsRouterStepsBeyondANumberInTurnsAndNeverWhatAStartNeeds) {
  auto store = open();
  ASSERT_TRUE(store->begin().ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(store->append_router(step(i, at(Millis{i}))).ok());
  RouterRetention keep;
  keep.steps = 10;
  keep.at_once = 30;
  for (const auto& [next, first] : {std::pair{50, 30}, {60, 60}, {60, 60}, {100, 90}, {100, 90}}) {
    ASSERT_TRUE(store->put_router_snapshot({next, at(1s), "{}"}, keep).ok());
    EXPECT_EQ(sequences(*store, {}).front(), first);
  }
  ASSERT_TRUE(store->commit().ok());
  EXPECT_EQ(store->router_snapshot(100)->next, 100);
  ASSERT_TRUE(store->begin().ok());
  keep.steps = 0;
  ASSERT_TRUE(store->put_router_snapshot({100, at(1s), "{}"}, keep).ok());
  ASSERT_TRUE(store->commit().ok());
  EXPECT_TRUE(sequences(*store, {}).empty());
  EXPECT_EQ(*store->router_next(), 100) << "the snapshot knows, when the log is empty";
}

TEST_F(SqliteStoreTest, FindsTheCallsOfADay) {
  auto store = open();
  for (int i = 0; i < 5; ++i) {
    CallRecord record = full_record("c" + std::to_string(i));
    record.started = at(Millis{i * 1000});
    ASSERT_TRUE(put(*store, record).ok());
  }
  const auto some = store->calls_between(at(1s), at(4s), 2, 1);
  ASSERT_EQ(some->size(), 2u);
  EXPECT_EQ((*some)[0].id, "c2") << "oldest first";
  EXPECT_EQ((*some)[1].id, "c3");
  EXPECT_EQ(store->calls_between(at(0s), at(1s), -1, 0).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SqliteStoreTest, ManyOpenANewFileAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      SqliteOptions options;
      options.busy_timeout = 20s;
      auto store = SqliteStore::open(path(), options);
      EXPECT_TRUE(store.ok()) << store.status();
      good += store.ok();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
}

TEST_F(SqliteStoreTest, ALockedFileIsAnErrorAndThenWorksAgain) {
  SqliteOptions options;
  options.busy_timeout = 1ms;
  auto store = open(options);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const absl::Status locked = put(*store, full_record("c1"));
  EXPECT_EQ(locked.code(), absl::StatusCode::kUnavailable) << locked;
  EXPECT_THAT(
      std::string(locked.message()),
      testing::AllOf(testing::HasSubstr(path()), testing::HasSubstr("begin"), testing::HasSubstr("locked")));
  EXPECT_TRUE(store->calls(1, 0).ok()) << "reading goes on";
  ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  EXPECT_TRUE(put(*store, full_record("c1")).ok());
  EXPECT_TRUE(store->integrity().ok());
}

TEST_F(SqliteStoreTest, AFullDiskIsAnErrorAndThenWorksAgain) {
  auto store = open();
  ASSERT_TRUE(put(*store, full_record("before")).ok());
  // The process may write no file beyond 256 KiB: what a full disk looks like from here.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit was{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &was), 0);
  rlimit small = was;
  small.rlim_cur = 256 << 10;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  CallRecord big = full_record("big");
  big.variables = std::string(1 << 20, 'v');
  const absl::Status full = put(*store, big);
  ASSERT_TRUE(store->begin().ok());
  RouterStep large = step(0, at(0s), {"c"});
  large.commands = std::string(1 << 20, ' ');
  absl::Status step_full = store->append_router(large);
  if (step_full.ok()) step_full = store->commit();
  store->rollback();
  EXPECT_FALSE(step_full.ok());
  EXPECT_EQ(*store->router_next(), 0);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &was), 0);
  EXPECT_TRUE(full.code() == absl::StatusCode::kUnavailable ||
              full.code() == absl::StatusCode::kResourceExhausted)
      << full;
  EXPECT_TRUE(store->call("before").ok());
  EXPECT_FALSE(store->call("big").ok());
  EXPECT_TRUE(put(*store, big).ok());
  expect_same(*store->call("big"), big);
  EXPECT_TRUE(store->integrity().ok());
}

TEST_F(SqliteStoreTest, AToolReadsWhileTheServerWrites) {
  auto store = open();
  SqliteOptions options;
  options.read_only = true;
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::thread tool([&] {
    auto reader = SqliteStore::open(path(), options);
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::size_t seen = 0;
    while (!stop) {
      auto calls = (*reader)->calls(1000, 0);
      ASSERT_TRUE(calls.ok()) << calls.status();
      EXPECT_GE(calls->size(), seen);
      EXPECT_EQ(calls->size() % 10, 0u) << "half a transaction was seen";
      seen = calls->size();
      ++reads;
    }
    EXPECT_EQ(put(**reader, full_record("no")).code(), absl::StatusCode::kFailedPrecondition);
  });
  for (int i = 0; i < 300 && (i < 30 || reads < 20); ++i) {
    ASSERT_TRUE(store->begin().ok());
    for (int j = 0; j < 10; ++j) ASSERT_TRUE(store->put_call(full_record(std::to_string(i * 10 + j))).ok());
    ASSERT_TRUE(store->commit().ok());
  }
  stop = true;
  tool.join();
  EXPECT_GT(reads, 0);
}

}  // namespace
}  // namespace ivr

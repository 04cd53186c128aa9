#include "engine/store_thread.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "edge/sqlite_store.hpp"

namespace ivr {
namespace {

using testing::HasSubstr;

// What the test and the store thread both see of a store in memory.
struct Shelf {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> committed;  // "call c1", "event c1 0", ...
  std::vector<std::size_t> groups;
  int operations = 0;
  std::set<int> failing;  // the n-th operation fails, counted from 1
  bool broken = false;    // everything fails
  bool blocked = false;   // commit waits
  bool waits = false;     // a commit does wait
  absl::Status with = absl::UnavailableError("shelf: broken");

  std::vector<std::string> lines() {
    std::lock_guard lock(mutex);
    return committed;
  }
  template <class Change>
  void set(Change change) {
    {
      std::lock_guard lock(mutex);
      change();
    }
    changed.notify_all();
  }
  template <class Condition>
  [[nodiscard]] bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 30s, condition);
  }
};

class ShelfStore final : public StorePort {
 public:
  explicit ShelfStore(Shelf& shelf) : shelf_(shelf) {}
  absl::Status begin() override {
    EXPECT_FALSE(open_);
    if (auto status = operation(); !status.ok()) return status;
    open_ = true;
    return absl::OkStatus();
  }
  absl::Status commit() override {
    EXPECT_TRUE(open_);
    if (auto status = operation(); !status.ok()) return status;
    std::unique_lock lock(shelf_.mutex);
    shelf_.waits = shelf_.blocked;
    shelf_.changed.notify_all();
    shelf_.changed.wait(lock, [&] { return !shelf_.blocked; });
    shelf_.waits = false;
    shelf_.committed.insert(shelf_.committed.end(), pending_.begin(), pending_.end());
    shelf_.groups.push_back(pending_.size());
    pending_.clear();
    open_ = false;
    shelf_.changed.notify_all();
    return absl::OkStatus();
  }
  void rollback() override {
    pending_.clear();
    open_ = false;
  }
  absl::Status put_call(const CallRecord& record) override { return row("call " + record.id); }
  absl::Status append(const CallEvent& event) override {
    return row("event " + event.call + " " + std::to_string(event.sequence));
  }
  absl::Status put_visit(const NodeVisit& visit) override {
    return row("visit " + visit.call + " " + std::to_string(visit.sequence));
  }
  absl::Status put_flow(const FlowVersion& version) override { return row("flow " + version.digest); }
  absl::StatusOr<CallRecord> call(std::string_view) override { return absl::NotFoundError(""); }
  absl::StatusOr<std::vector<CallRecord>> calls(int, int) override { return std::vector<CallRecord>{}; }
  absl::StatusOr<std::vector<CallEvent>> events(std::string_view) override {
    return std::vector<CallEvent>{};
  }
  absl::StatusOr<std::vector<NodeVisit>> visits(std::string_view) override {
    return std::vector<NodeVisit>{};
  }
  absl::StatusOr<FlowVersion> flow(std::string_view) override { return absl::NotFoundError(""); }
  absl::StatusOr<std::vector<CallRecord>> calls_between(Time, Time, int, int) override {
    return std::vector<CallRecord>{};
  }
  absl::StatusOr<Stored> put_document(const StoredDocument& document) override {
    if (auto status = row("document " + document.kind + " " + document.id); !status.ok()) return status;
    return Stored::added;
  }
  absl::StatusOr<std::vector<StoredDocument>> documents(std::string_view) override {
    return std::vector<StoredDocument>{};
  }
  absl::Status remove_document(std::string_view kind, std::string_view id) override {
    return row("remove " + std::string(kind) + " " + std::string(id));
  }
  absl::Status append_router(const RouterStep& step) override {
    return row("step " + std::to_string(step.sequence) + step.event);
  }
  absl::Status put_router_snapshot(const RouterSnapshot& snapshot, const RouterRetention&) override {
    return row("snapshot " + std::to_string(snapshot.next));
  }
  absl::StatusOr<std::vector<RouterStep>> router_log(const RouterLogQuery&) override {
    return std::vector<RouterStep>{};
  }
  absl::StatusOr<RouterSnapshot> router_snapshot(std::int64_t) override { return absl::NotFoundError(""); }
  absl::StatusOr<std::int64_t> router_next() override { return 0; }
  absl::StatusOr<int> close_open_calls(Time) override { return 0; }

 private:
  absl::Status operation() {
    std::lock_guard lock(shelf_.mutex);
    ++shelf_.operations;
    shelf_.changed.notify_all();
    return shelf_.broken || shelf_.failing.contains(shelf_.operations) ? shelf_.with : absl::OkStatus();
  }
  absl::Status row(std::string line) {
    EXPECT_TRUE(open_) << line;
    if (line.find("poison") != std::string::npos) return absl::InvalidArgumentError("shelf: never " + line);
    if (auto status = operation(); !status.ok()) return status;
    pending_.push_back(std::move(line));
    return absl::OkStatus();
  }

  Shelf& shelf_;
  std::vector<std::string> pending_;
  bool open_ = false;
};

StoreThreadOptions quick() {
  StoreThreadOptions options;
  options.linger = 1ms;
  options.first_retry = 1ms;
  options.last_retry = 4ms;
  return options;
}

std::unique_ptr<StoreThread> start(Shelf& shelf, const StoreThreadOptions& options = quick(),
                                   std::function<void()> notify = {}) {
  auto thread = StoreThread::create(std::make_unique<ShelfStore>(shelf), options, std::move(notify));
  EXPECT_TRUE(thread.ok()) << thread.status();
  return std::move(*thread);
}

CallRecord call(std::string id) {
  CallRecord record;
  record.id = std::move(id);
  record.status = "completed";
  return record;
}

// Posts a mixed load and says what a store should hold afterwards.
std::vector<std::string> post_mixed(StoreThread& thread, int calls) {
  std::vector<std::string> want;
  thread.put_flow({"f", "digest", "{}", Time{}});
  want.push_back("flow digest");
  for (int i = 0; i < calls; ++i) {
    const std::string id = "c" + std::to_string(i);
    thread.append({{id, 0, Time{}, "{}"}, {id, 1, Time{}, "{}"}});
    thread.put_visit({.call = id, .sequence = 0});
    thread.append_router({.sequence = i});
    thread.put_call(call(id), static_cast<std::uint64_t>(i) + 1);
    for (const std::string& line : {"event " + id + " 0", "event " + id + " 1", "visit " + id + " 0",
                                    "step " + std::to_string(i), "call " + id}) {
      want.push_back(line);
    }
  }
  return want;
}

TEST(StoreThread, WritesEverythingInOrderAndInGroups) {
  Shelf shelf;
  std::atomic<int> notified{0};
  auto thread = start(shelf, quick(), [&] { ++notified; });
  const auto want = post_mixed(*thread, 5000);
  ASSERT_TRUE(thread->flush(30s).ok());
  EXPECT_EQ(shelf.lines(), want);
  EXPECT_LT(shelf.groups.size(), want.size() / 10);
  EXPECT_GT(notified, 0);
  std::uint64_t ticket = 0;
  for (std::uint64_t i = 1; i <= 5000; ++i) {
    ASSERT_TRUE(thread->next_stored(ticket));
    EXPECT_EQ(ticket, i);
  }
  EXPECT_FALSE(thread->next_stored(ticket));
  EXPECT_EQ(thread->router_stored(), 4999);
  const StoreStats stats = thread->stats();
  EXPECT_EQ(stats.posted, want.size());
  EXPECT_EQ(stats.written, want.size());
  EXPECT_EQ(stats.backlog, 0u);
  EXPECT_EQ(stats.backlog_bytes, 0u);
  EXPECT_EQ(stats.retries, 0u);
  EXPECT_FALSE(stats.failing);
}

TEST(StoreThread, WhicheverOperationFailsNothingIsLostOrDoubled) {
  for (int n = 1; n <= 30; ++n) {
    Shelf shelf;
    shelf.failing = {n, n + 1, n + 3};
    auto thread = start(shelf);
    const auto want = post_mixed(*thread, 6);
    ASSERT_TRUE(thread->flush(30s).ok()) << n;
    EXPECT_EQ(shelf.lines(), want) << "operation " << n << " failed";
    std::uint64_t ticket = 0;
    for (std::uint64_t i = 1; i <= 6; ++i) {
      ASSERT_TRUE(thread->next_stored(ticket)) << n;
      EXPECT_EQ(ticket, i);
    }
    EXPECT_FALSE(thread->next_stored(ticket));
    EXPECT_EQ(thread->router_stored(), 5);
    EXPECT_EQ(thread->stats().written, want.size());
  }
}

TEST(StoreThread, GoesOnWhenTheStoreIsWellAgain) {
  Shelf shelf;
  shelf.broken = true;
  auto thread = start(shelf);
  const auto want = post_mixed(*thread, 100);
  ASSERT_TRUE(shelf.wait([&] { return shelf.operations >= 5; })) << "tries again by itself";
  StoreStats stats = thread->stats();
  EXPECT_TRUE(stats.failing);
  EXPECT_EQ(stats.last_error, "shelf: broken");
  EXPECT_EQ(stats.backlog, want.size());
  std::uint64_t ticket = 0;
  EXPECT_FALSE(thread->next_stored(ticket)) << "nothing is committed yet";
  EXPECT_EQ(thread->router_stored(), -1);
  const absl::Status late = thread->flush(20ms);
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), testing::AllOf(HasSubstr("501 rows"), HasSubstr("shelf: broken")));
  shelf.set([&] { shelf.broken = false; });
  ASSERT_TRUE(thread->flush(30s).ok());
  EXPECT_EQ(shelf.lines(), want);
  stats = thread->stats();
  EXPECT_FALSE(stats.failing);
  EXPECT_GE(stats.retries, 3u);
  EXPECT_EQ(stats.last_error, "shelf: broken");
}

TEST(StoreThread, PostingDoesNotWaitForAStoreThatHangs) {
  Shelf shelf;
  shelf.blocked = true;
  StoreThreadOptions options = quick();
  options.mailbox = 16;
  auto thread = start(shelf, options);
  thread->put_call(call("first"));
  ASSERT_TRUE(shelf.wait([&] { return shelf.waits; }));
  auto want = post_mixed(*thread, 2000);  // comes back although the mailbox holds sixteen
  EXPECT_EQ(shelf.lines().size(), 0u);
  shelf.set([&] { shelf.blocked = false; });
  ASSERT_TRUE(thread->flush(30s).ok());
  want.insert(want.begin(), "call first");
  EXPECT_EQ(shelf.lines(), want);
}

TEST(StoreThread, AFullBacklogLosesTheOldestEventsAndNoCall) {
  for (const bool hangs : {false, true}) {
    SCOPED_TRACE(hangs ? "hanging" : "failing");
    Shelf shelf;
    StoreThreadOptions options = quick();
    options.max_backlog_bytes = 64 << 10;
    options.mailbox = 64;
    (hangs ? shelf.blocked : shelf.broken) = true;
    auto thread = start(shelf, options);
    constexpr int kCalls = 300;
    for (int i = 0; i < kCalls; ++i) {
      const std::string id = "c" + std::to_string(i);
      thread->append({{id, 0, Time{}, std::string(2000, 'x')}});
      thread->put_call(call(id));
    }
    shelf.set([&] { shelf.blocked = shelf.broken = false; });
    ASSERT_TRUE(thread->flush(30s).ok());
    const auto lines = shelf.lines();
    const StoreStats stats = thread->stats();
    EXPECT_EQ(
        std::count_if(lines.begin(), lines.end(), [](const auto& line) { return line.starts_with("call"); }),
        kCalls);
    EXPECT_GT(stats.dropped, 0u);
    EXPECT_EQ(stats.written + stats.dropped, stats.posted);
    EXPECT_EQ(lines.size(), stats.written);
    EXPECT_EQ(stats.backlog_bytes, 0u);
    int last = -1;
    for (const auto& line : lines) {
      if (!line.starts_with("call")) continue;
      const int number = std::stoi(line.substr(6));
      EXPECT_EQ(number, last + 1) << "order is kept";
      last = number;
    }
  }
}

TEST(StoreThread, ARowThatIsNeverTakenHoldsNobodyUp) {
  Shelf shelf;
  auto thread = start(shelf);
  thread->put_call(call("a"), 1);
  thread->append({{"b", 0, Time{}, ""}, {"poison", 1, Time{}, ""}, {"b", 2, Time{}, ""}});
  thread->put_call(call("poison"), 2);
  thread->put_call(call("c"), 3);
  ASSERT_TRUE(thread->stop(30s).ok());
  EXPECT_EQ(shelf.lines(), (std::vector<std::string>{"call a", "event b 0", "event b 2", "call c"}));
  std::vector<std::uint64_t> tickets;
  for (std::uint64_t ticket; thread->next_stored(ticket);) tickets.push_back(ticket);
  EXPECT_EQ(tickets, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(thread->stats().rejected, 2u);
  EXPECT_EQ(thread->stats().written, 4u);
  EXPECT_THAT(thread->stats().last_error, HasSubstr("never call poison"));
  EXPECT_EQ(thread->stats().retries, 0u);
}

TEST(StoreThread, SaysHowFarTheRoutersStepsAreKept) {
  Shelf shelf;
  std::atomic<int> notified{0};
  auto thread = start(shelf, quick(), [&] { ++notified; });
  EXPECT_EQ(thread->router_stored(), -1);
  shelf.set([&] { shelf.broken = true; });
  thread->put_document({"agent", "huda", "{}"});
  thread->append_router({.sequence = 7});
  thread->append_router({.sequence = 8});
  ASSERT_TRUE(shelf.wait([&] { return shelf.operations >= 3; }));
  EXPECT_EQ(thread->router_stored(), -1) << "posted is not kept";
  EXPECT_EQ(notified, 0);
  shelf.set([&] { shelf.broken = false; });
  ASSERT_TRUE(thread->flush(30s).ok());
  EXPECT_EQ(thread->router_stored(), 8);
  EXPECT_GT(notified, 0);
  thread->put_router_snapshot({9, Time{}, "{}"});
  thread->remove_document("agent", "huda");
  ASSERT_TRUE(thread->flush(30s).ok());
  EXPECT_EQ(thread->router_stored(), 8);
  EXPECT_EQ(shelf.lines(), (std::vector<std::string>{"document agent huda", "step 7", "step 8", "snapshot 9",
                                                     "remove agent huda"}));
}

TEST(StoreThread, CountsNoRouterStepAsKeptAfterOneThatIsMissing) {
  Shelf shelf;
  auto thread = start(shelf);
  thread->append_router({.sequence = 0});
  thread->append_router({.sequence = 1, .event = " poison"});
  thread->append_router({.sequence = 2});
  ASSERT_TRUE(thread->flush(30s).ok());
  thread->append_router({.sequence = 3});
  ASSERT_TRUE(thread->flush(30s).ok());
  EXPECT_EQ(thread->router_stored(), 0);
  EXPECT_EQ(shelf.lines(), (std::vector<std::string>{"step 0", "step 2", "step 3"}));
  EXPECT_EQ(thread->stats().rejected, 1u);
}

TEST(StoreThread, AFullBacklogLosesNoRouterStep) {
  Shelf shelf;
  StoreThreadOptions options = quick();
  options.max_backlog_bytes = 16 << 10;
  shelf.broken = true;
  auto thread = start(shelf, options);
  for (int i = 0; i < 200; ++i) {
    thread->append({{"c", i, Time{}, std::string(1000, 'x')}});
    thread->append_router({.sequence = i, .commands = std::string(1000, ' ')});
  }
  shelf.set([&] { shelf.broken = false; });
  ASSERT_TRUE(thread->flush(30s).ok());
  const auto lines = shelf.lines();
  EXPECT_EQ(
      std::count_if(lines.begin(), lines.end(), [](const auto& line) { return line.starts_with("step"); }),
      200);
  EXPECT_GT(thread->stats().dropped, 0u);
  EXPECT_EQ(thread->router_stored(), 199);
}

TEST(StoreThread, ChecksItsOptions) {
  Shelf shelf;
  for (const auto& bad : {StoreThreadOptions{.mailbox = 0}, StoreThreadOptions{.max_group_rows = 0},
                          StoreThreadOptions{.linger = -1ms}, StoreThreadOptions{.first_retry = 0ms},
                          StoreThreadOptions{.first_retry = 2s, .last_retry = 1s}}) {
    EXPECT_EQ(StoreThread::create(std::make_unique<ShelfStore>(shelf), bad).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(StoreThread, ADatabaseLockedForAWhileGetsEverything) {
  std::string pattern = (std::filesystem::temp_directory_path() / "ivr-thread-XXXXXX").string();
  const std::filesystem::path folder = mkdtemp(pattern.data());
  const std::string path = (folder / "calls.db").string();
  SqliteOptions options;
  options.busy_timeout = 1ms;
  auto store = SqliteStore::open(path, options);
  ASSERT_TRUE(store.ok()) << store.status();
  auto thread = StoreThread::create(std::move(*store), quick());
  ASSERT_TRUE(thread.ok());

  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  for (int i = 0; i < 500; ++i) {
    const std::string id = "c" + std::to_string(i);
    (*thread)->append({{id, 0, Time{}, "{}"}, {id, 1, Time{}, "{}"}});
    (*thread)->put_call(call(id), 1);
  }
  EXPECT_EQ((*thread)->flush(30ms).code(), absl::StatusCode::kDeadlineExceeded);
  for (int i = 0; i < 1000 && (*thread)->stats().last_error.empty(); ++i)
    EXPECT_EQ((*thread)->flush(10ms).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT((*thread)->stats().last_error, HasSubstr("locked"));
  ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  ASSERT_TRUE((*thread)->stop(30s).ok());

  auto reader = SqliteStore::open(path);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->calls(10'000, 0)->size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ((*reader)->events("c" + std::to_string(i))->size(), 2u);
  EXPECT_TRUE((*reader)->integrity().ok());
  reader->reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace ivr

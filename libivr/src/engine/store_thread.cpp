#include "engine/store_thread.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "engine/mailbox.hpp"

namespace ivr {
namespace {

using Clock = std::chrono::steady_clock;

struct PutCall {
  CallRecord record;
  std::uint64_t ticket = 0;
};

struct PutDocument {
  StoredDocument document;
  std::uint64_t ticket = 0;
};

struct PutSnapshot {
  RouterSnapshot snapshot;
  RouterRetention keep;
};

struct RemoveDocument {
  std::string kind, id;
};

// One thing to write. Large ones by pointer: the mailbox and the backlog have thousands of cells.
struct Write {
  using What = std::variant<std::monostate, std::unique_ptr<PutCall>, std::vector<CallEvent>,
                            std::unique_ptr<NodeVisit>, std::unique_ptr<FlowVersion>,
                            std::unique_ptr<PutDocument>, std::unique_ptr<RemoveDocument>,
                            std::unique_ptr<RouterStep>, std::unique_ptr<PutSnapshot>>;
  What what;  // monostate: dropped
  std::size_t bytes = 0;
  std::uint32_t rows = 0;

  bool expendable() const noexcept {
    return std::holds_alternative<std::vector<CallEvent>>(what) ||
           std::holds_alternative<std::unique_ptr<NodeVisit>>(what);
  }
};

std::size_t size_of(const CallRecord& r) {
  return sizeof r + r.id.size() + r.sip_call_id.size() + r.sip_from_tag.size() + r.caller.size() +
         r.called.size() + r.flow.size() + r.flow_digest.size() + r.status.size() + r.cause.size() +
         r.language.size() + r.variables.size() + r.recording.size() + r.queue.size() + r.agent.size() +
         r.tried.size() + r.path.size();
}
std::size_t size_of(const CallEvent& e) { return sizeof e + e.call.size() + e.json.size(); }
std::size_t size_of(const NodeVisit& v) {
  return sizeof v + v.call.size() + v.node.size() + v.type.size() + v.status.size() + v.exit.size() +
         v.input.size() + v.output.size() + v.error.size();
}
std::size_t size_of(const FlowVersion& f) {
  return sizeof f + f.id.size() + f.digest.size() + f.document.size();
}
std::size_t size_of(const StoredDocument& d) {
  return sizeof d + d.kind.size() + d.id.size() + d.json.size();
}
std::size_t size_of(const RouterStep& step) {
  std::size_t size = sizeof step + step.event.size() + step.commands.size();
  for (const std::string& call : step.calls) size += sizeof call + call.size();
  return size;
}

// Writes in order, from which the oldest expendable ones can be taken out of the middle.
class Backlog {
 public:
  void push(Write write) { writes_.push_back(std::move(write)); }
  bool empty() const noexcept { return writes_.empty(); }
  std::size_t size() const noexcept { return writes_.size(); }
  Write& front() noexcept { return writes_.front(); }
  Write& operator[](std::size_t at) noexcept { return writes_[at]; }
  void pop() {
    writes_.pop_front();
    if (kept_ > 0) --kept_;
  }

  // Takes out the oldest that may go; false when nothing may.
  bool shed(std::size_t& bytes, std::uint32_t& rows) {
    for (; kept_ < writes_.size(); ++kept_) {
      Write& write = writes_[kept_];
      if (!write.expendable()) continue;
      bytes = std::exchange(write.bytes, 0);
      rows = std::exchange(write.rows, 0);
      write.what = std::monostate{};
      return true;
    }
    return false;
  }

 private:
  std::deque<Write> writes_;
  std::size_t kept_ = 0;  // so many at the front have nothing left to shed
};

}  // namespace

class StoreThread::Worker {
 public:
  Worker(std::unique_ptr<StorePort> store, const StoreThreadOptions& options, std::function<void()> notify,
         int wake)
      : options_(options),
        store_(std::move(store)),
        notify_(std::move(notify)),
        mailbox_(options.mailbox),
        wake_(wake),
        thread_([this] { run(); }) {}

  ~Worker() {
    join();
    ::close(wake_);
  }

  // ---- control thread

  void post(Write write) {
    posted_.fetch_add(write.rows, std::memory_order_relaxed);
    waiting_.fetch_add(write.rows, std::memory_order_relaxed);
    bytes_.fetch_add(write.bytes, std::memory_order_relaxed);
    overflow_.push(std::move(write));
    hand_over();
    // Full mailbox and full backlog: the store thread sits in one long call. Its own backlog is out of our
    // reach.
    shed(overflow_);
    if (sleeping_.exchange(false)) signal();
  }

  bool next_stored(std::uint64_t& ticket) {
    hand_over();
    if (stored_count_ == 0) return false;
    std::lock_guard lock(mutex_);
    ticket = stored_.front();
    stored_.pop_front();
    stored_count_ = stored_.size();
    return true;
  }

  std::int64_t router_stored() const { return router_stored_; }

  absl::Status flush(Millis limit) {
    const auto until = Clock::now() + limit;
    hurry_ = true;
    signal();
    for (;;) {
      const std::uint64_t seen = groups_;
      hand_over();
      if (sleeping_.exchange(false)) signal();
      std::unique_lock lock(mutex_);
      if (waiting_.load() == 0) break;
      if (Clock::now() >= until) break;
      // More than the mailbox holds is handed over in turns; a committed group says when there is room.
      progress_.wait_until(lock, std::min(until, Clock::now() + Millis{20}), [&] { return groups_ != seen; });
    }
    hurry_ = false;
    const std::uint64_t left = waiting_.load();
    if (left == 0) return absl::OkStatus();
    std::string words =
        std::to_string(left) + " rows not stored within " + std::to_string(limit.count()) + " ms";
    std::lock_guard lock(mutex_);
    if (!last_error_.empty()) words += "; last error: " + last_error_;
    return absl::DeadlineExceededError(words);
  }

  void join() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    signal();
    thread_.join();
  }

  StoreStats stats() const {
    StoreStats stats;
    stats.posted = posted_;
    stats.written = written_;
    stats.groups = groups_;
    stats.retries = retries_;
    stats.dropped = dropped_;
    stats.rejected = rejected_;
    stats.backlog = waiting_;
    stats.backlog_bytes = bytes_;
    std::lock_guard lock(mutex_);
    stats.failing = failing_;
    stats.last_error = last_error_;
    return stats;
  }

 private:
  void hand_over() {
    while (!overflow_.empty()) {
      Write& write = overflow_.front();
      if (!std::holds_alternative<std::monostate>(write.what) && !mailbox_.push(std::move(write))) return;
      overflow_.pop();
    }
  }

  void signal() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = ::write(wake_, &one, sizeof one);  // full: awake anyhow
  }

  // Whoever owns the backlog, under the common budget.
  void shed(Backlog& backlog) {
    while (bytes_.load(std::memory_order_relaxed) > options_.max_backlog_bytes) {
      std::size_t bytes = 0;
      std::uint32_t rows = 0;
      if (!backlog.shed(bytes, rows)) return;
      bytes_ -= bytes;
      waiting_ -= rows;
      dropped_ += rows;
    }
  }

  // ---- store thread

  void run() {
    Millis retry = options_.first_retry;
    while (!stopping_) {
      absorb();
      if (backlog_.empty()) {
        sleeping_ = true;
        absorb();  // what came before anybody could see that we sleep
        if (backlog_.empty()) {
          wait(Millis{-1});
          sleeping_ = false;
          continue;
        }
        sleeping_ = false;
      }
      if (!hurry_ && backlog_.size() < options_.max_group_rows) {
        wait_unless_hurried(options_.linger);
        absorb();
      }
      if (stopping_) break;
      if (write_group()) {
        retry = options_.first_retry;
        continue;
      }
      wait_unless_hurried(hurry_ ? std::min(options_.first_retry, retry) : retry);
      retry = std::min(retry * 2, options_.last_retry);
    }
  }

  void absorb() {
    Write write;
    while (mailbox_.pop(write)) {
      backlog_.push(std::move(write));
      shed(backlog_);
    }
  }

  void wait(Millis limit) {
    pollfd fd{wake_, POLLIN, 0};
    poll(&fd, 1, static_cast<int>(limit.count()));
    std::uint64_t count;
    [[maybe_unused]] const ssize_t size = ::read(wake_, &count, sizeof count);
  }

  // The mailbox goes on being emptied, so that a long back-off does not fill it.
  void wait_unless_hurried(Millis limit) {
    const auto until = Clock::now() + limit;
    const bool hurried = hurry_;
    while (!stopping_ && hurry_ == hurried) {
      const auto left = std::chrono::ceil<Millis>(until - Clock::now());
      if (left <= 0ms) return;
      wait(std::min(left, Millis{100}));
      absorb();
    }
  }

  bool write_group() {  // true: the front of the backlog is committed
    std::size_t count = 0;
    std::uint64_t rows = 0, rejected = 0;
    std::int64_t router = router_stored_;
    bool router_gap = router_gap_;
    absl::Status refusal, status = store_->begin();
    if (status.ok()) {
      // A row that the store will never take must not hold up all others for ever; it alone is left out.
      const auto row = [&](absl::Status outcome) {
        if (outcome.code() == absl::StatusCode::kInvalidArgument) {
          ++rejected;
          refusal = std::move(outcome);
        } else {
          status = std::move(outcome);
        }
        return status.ok();
      };
      for (; status.ok() && count < backlog_.size() && rows < options_.max_group_rows; ++count) {
        const std::uint64_t before = rejected;
        apply(backlog_[count], row);
        rows += backlog_[count].rows;
        if (const auto* step = std::get_if<std::unique_ptr<RouterStep>>(&backlog_[count].what)) {
          router_gap |= rejected != before;
          if (!router_gap) router = (*step)->sequence;
        }
      }
      if (status.ok()) status = store_->commit();
      if (!status.ok()) store_->rollback();
    }
    if (!status.ok()) {
      ++retries_;
      note(status, true);
      return false;
    }
    // Told before it counts as written: who has waited for flush() may ask at once.
    std::vector<std::uint64_t> tickets;
    for (std::size_t i = 0; i < count; ++i) {
      const auto* call = std::get_if<std::unique_ptr<PutCall>>(&backlog_[i].what);
      if (call && (*call)->ticket != 0) tickets.push_back((*call)->ticket);
      const auto* document = std::get_if<std::unique_ptr<PutDocument>>(&backlog_[i].what);
      if (document && (*document)->ticket != 0) tickets.push_back((*document)->ticket);
    }
    written_ += rows - rejected;
    rejected_ += rejected;
    note(refusal, false);
    {
      std::lock_guard lock(mutex_);
      stored_.insert(stored_.end(), tickets.begin(), tickets.end());
      stored_count_ = stored_.size();
    }
    const bool moved = router != router_stored_;
    router_stored_ = router;
    router_gap_ = router_gap;
    if ((moved || !tickets.empty()) && notify_) notify_();
    for (std::size_t i = 0; i < count; ++i) {
      bytes_ -= backlog_.front().bytes;
      waiting_ -= backlog_.front().rows;
      backlog_.pop();
    }
    ++groups_;
    progress_.notify_all();
    return true;
  }

  template <class Row>
  void apply(const Write& write, Row row) {
    if (const auto* call = std::get_if<std::unique_ptr<PutCall>>(&write.what)) {
      row(store_->put_call((*call)->record));
    } else if (const auto* events = std::get_if<std::vector<CallEvent>>(&write.what)) {
      for (const CallEvent& event : *events) {
        if (!row(store_->append(event))) return;
      }
    } else if (const auto* visit = std::get_if<std::unique_ptr<NodeVisit>>(&write.what)) {
      row(store_->put_visit(**visit));
    } else if (const auto* flow = std::get_if<std::unique_ptr<FlowVersion>>(&write.what)) {
      row(store_->put_flow(**flow));
    } else if (const auto* step = std::get_if<std::unique_ptr<RouterStep>>(&write.what)) {
      row(store_->append_router(**step));
    } else if (const auto* snapshot = std::get_if<std::unique_ptr<PutSnapshot>>(&write.what)) {
      row(store_->put_router_snapshot((*snapshot)->snapshot, (*snapshot)->keep));
    } else if (const auto* document = std::get_if<std::unique_ptr<PutDocument>>(&write.what)) {
      row(store_->put_document((*document)->document).status());
    } else if (const auto* removed = std::get_if<std::unique_ptr<RemoveDocument>>(&write.what)) {
      row(store_->remove_document((*removed)->kind, (*removed)->id));
    }
  }

  void note(const absl::Status& status, bool failing) {
    std::lock_guard lock(mutex_);
    failing_ = failing;
    if (!status.ok()) last_error_ = std::string(status.message());
  }

  const StoreThreadOptions options_;
  const std::unique_ptr<StorePort> store_;
  const std::function<void()> notify_;

  Mailbox<Write> mailbox_;
  Backlog overflow_;  // control: what the mailbox had no room for
  Backlog backlog_;   // store thread

  std::atomic<std::uint64_t> posted_{0}, written_{0}, groups_{0}, retries_{0}, dropped_{0}, rejected_{0};
  std::atomic<std::uint64_t> waiting_{0}, bytes_{0};
  std::atomic<bool> sleeping_{false}, hurry_{false}, stopping_{false};
  const int wake_;

  mutable std::mutex mutex_;  // held for a few moves, never while the store works
  std::condition_variable progress_;
  std::deque<std::uint64_t> stored_;
  std::atomic<std::size_t> stored_count_{0};  // looked at without the mutex
  bool failing_ = false;
  std::string last_error_;

  std::atomic<std::int64_t> router_stored_{-1};
  bool router_gap_ = false;  // store thread: a step is missing, the later ones do not count

  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<StoreThread>> StoreThread::create(std::unique_ptr<StorePort> store,
                                                                 const StoreThreadOptions& options,
                                                                 std::function<void()> notify) {
  if (options.mailbox < 1 || options.max_group_rows < 1) {
    return absl::InvalidArgumentError("store thread: mailbox " + std::to_string(options.mailbox) +
                                      " and max_group_rows " + std::to_string(options.max_group_rows) +
                                      ": at least 1");
  }
  if (options.linger < 0ms || options.first_retry <= 0ms || options.last_retry < options.first_retry) {
    return absl::InvalidArgumentError("store thread: linger " + std::to_string(options.linger.count()) +
                                      " ms, first_retry " + std::to_string(options.first_retry.count()) +
                                      " ms, last_retry " + std::to_string(options.last_retry.count()) +
                                      " ms: 0 <= linger, 0 < first_retry <= last_retry");
  }
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0)
    return absl::ResourceExhaustedError("store thread: eventfd: " + std::generic_category().message(errno));
  return std::unique_ptr<StoreThread>(
      new StoreThread(std::make_unique<Worker>(std::move(store), options, std::move(notify), wake)));
}

StoreThread::StoreThread(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {}
StoreThread::~StoreThread() = default;

void StoreThread::put_call(CallRecord record, std::uint64_t ticket) {
  const std::size_t bytes = size_of(record);
  worker_->post({std::make_unique<PutCall>(PutCall{std::move(record), ticket}), bytes, 1});
}

void StoreThread::append(std::vector<CallEvent> events) {
  if (events.empty()) return;
  std::size_t bytes = 0;
  for (const CallEvent& event : events) bytes += size_of(event);
  const auto rows = static_cast<std::uint32_t>(events.size());
  worker_->post({std::move(events), bytes, rows});
}

void StoreThread::put_visit(NodeVisit visit) {
  const std::size_t bytes = size_of(visit);
  worker_->post({std::make_unique<NodeVisit>(std::move(visit)), bytes, 1});
}

void StoreThread::put_flow(FlowVersion version) {
  const std::size_t bytes = size_of(version);
  worker_->post({std::make_unique<FlowVersion>(std::move(version)), bytes, 1});
}

void StoreThread::put_document(StoredDocument document, std::uint64_t ticket) {
  const std::size_t bytes = size_of(document);
  worker_->post({std::make_unique<PutDocument>(PutDocument{std::move(document), ticket}), bytes, 1});
}

void StoreThread::remove_document(std::string kind, std::string id) {
  const std::size_t bytes = sizeof(RemoveDocument) + kind.size() + id.size();
  worker_->post({std::make_unique<RemoveDocument>(RemoveDocument{std::move(kind), std::move(id)}), bytes, 1});
}

void StoreThread::append_router(RouterStep step) {
  const std::size_t bytes = size_of(step);
  worker_->post({std::make_unique<RouterStep>(std::move(step)), bytes, 1});
}

void StoreThread::put_router_snapshot(RouterSnapshot snapshot, const RouterRetention& keep) {
  const std::size_t bytes = sizeof(PutSnapshot) + snapshot.json.size();
  worker_->post({std::make_unique<PutSnapshot>(PutSnapshot{std::move(snapshot), keep}), bytes, 1});
}

std::int64_t StoreThread::router_stored() const { return worker_->router_stored(); }
bool StoreThread::next_stored(std::uint64_t& ticket) { return worker_->next_stored(ticket); }
absl::Status StoreThread::flush(Millis limit) { return worker_->flush(limit); }

absl::Status StoreThread::stop(Millis limit) {
  absl::Status status = worker_->flush(limit);
  worker_->join();
  return status;
}

StoreStats StoreThread::stats() const { return worker_->stats(); }

}  // namespace ivr

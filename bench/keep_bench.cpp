// What the keeping side costs: rows into the store, HTTP exchanges, cached prompts, journal slots.

#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "edge/call_journal.hpp"
#include "edge/curl_http.hpp"
#include "edge/sqlite_store.hpp"
#include "engine/prompt_library.hpp"
#include "engine/store_thread.hpp"

namespace {

using namespace ivr;

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivr-bench-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

CallRecord record(std::int64_t number) {
  CallRecord call;
  call.id = "20261121-" + std::to_string(number);
  call.sip_call_id = "cid-" + std::to_string(number) + "@192.0.2.17";
  call.sip_from_tag = "tag" + std::to_string(number);
  call.caller = "alice";
  call.called = "2001";
  call.flow = "balance_inquiry";
  call.flow_digest = "sha256:0123456789abcdef0123456789abcdef";
  call.started = Time{Micros{1'700'000'000'000'000 + number}};
  call.answered = call.started + 100ms;
  call.ended = call.started + 30s;
  call.status = "completed";
  call.cause = "caller";
  call.language = "en";
  call.variables = R"({"account":"1001","amount":1234.5})";
  return call;
}

CallEvent event(std::int64_t call, std::int64_t number) {
  return {"20261121-" + std::to_string(call), number, Time{Micros{1'700'000'000'000'000 + number}},
          R"({"at":1700000000000000,"type":"digit","digit":"5","source":"rtp-event","duration_ms":120})"};
}

// Events, straight into SQLite in transactions of so many rows.
void store_events(benchmark::State& state) {
  Folder folder;
  auto store = *SqliteStore::open(folder.path + "/bench.db");
  std::int64_t number = 0;
  for (auto _ : state) {
    if (!store->begin().ok()) return state.SkipWithError("begin");
    for (std::int64_t i = 0; i < state.range(0); ++i, ++number) {
      if (!store->append(event(number / 20, number % 20)).ok()) return state.SkipWithError("append");
    }
    if (!store->commit().ok()) return state.SkipWithError("commit");
  }
  state.SetItemsProcessed(number);
}
BENCHMARK(store_events)->Arg(1)->Arg(10)->Arg(100)->Arg(1000)->UseRealTime();

void store_calls(benchmark::State& state) {
  Folder folder;
  auto store = *SqliteStore::open(folder.path + "/bench.db");
  std::int64_t number = 0;
  for (auto _ : state) {
    if (!store->begin().ok()) return state.SkipWithError("begin");
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      if (!store->put_call(record(number++)).ok()) return state.SkipWithError("put_call");
    }
    if (!store->commit().ok()) return state.SkipWithError("commit");
  }
  state.SetItemsProcessed(number);
}
BENCHMARK(store_calls)->Arg(100)->UseRealTime();

// A whole call through the store thread: twenty events and two records, until they are committed.
void thread_calls(benchmark::State& state) {
  Folder folder;
  auto thread = *StoreThread::create(*SqliteStore::open(folder.path + "/bench.db"));
  std::int64_t number = 0;
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i, ++number) {
      thread->put_call(record(number));
      for (int j = 0; j < 20; ++j) thread->append({event(number, j)});
      thread->put_call(record(number));
    }
    if (!thread->flush(60s).ok()) return state.SkipWithError("flush");
  }
  state.SetItemsProcessed(number * 22);
  state.counters["calls"] = benchmark::Counter(static_cast<double>(number), benchmark::Counter::kIsRate);
}
BENCHMARK(thread_calls)->UseRealTime()->Unit(benchmark::kMillisecond);

// What posting costs the control thread.
void post_event(benchmark::State& state) {
  Folder folder;
  auto thread = *StoreThread::create(*SqliteStore::open(folder.path + "/bench.db"));
  std::int64_t number = 0;
  for (auto _ : state) {
    thread->append({event(number / 20, number % 20)});
    if (++number % 4096 == 0) {
      state.PauseTiming();
      if (!thread->flush(60s).ok()) return state.SkipWithError("flush");
      state.ResumeTiming();
    }
  }
  state.SetItemsProcessed(number);
}
BENCHMARK(post_event)->UseRealTime();

void journal_open_close(benchmark::State& state) {
  Folder folder;
  auto journal = *CallJournal::create(folder.path + "/calls.journal");
  const CallRecord call = record(1);
  for (auto _ : state) journal->close(*journal->open(call));
}
BENCHMARK(journal_open_close);

// Answers every request on its connection with the same few bytes.
class Server {
 public:
  Server() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/balance/1001";
    listen(listener_, 512);
    acceptor_ = std::thread([this] {
      for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections_.emplace_back([fd] {
          constexpr std::string_view kReply =
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n"
              "{\"account\": \"1001\", \"balance\": 1234.50}\n";
          char buffer[4096];
          while (recv(fd, buffer, sizeof buffer, 0) > 0) {
            if (send(fd, kReply.data(), kReply.size(), MSG_NOSIGNAL) < 0) break;
          }
          close(fd);
        });
      }
    });
  }
  ~Server() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& thread : connections_) thread.join();  // their clients are gone
    close(listener_);
  }
  std::string url;

 private:
  int listener_;
  std::thread acceptor_;
  std::vector<std::thread> connections_;
};

// So many requests under way all the time; each that ends begins the next.
void http(benchmark::State& state) {
  Server server;
  auto port = *CurlHttp::create();
  std::mutex mutex;
  std::condition_variable changed;
  std::int64_t ended = 0, failed = 0, begun = 0;
  for (auto _ : state) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return begun - ended < state.range(0); });
    const auto id = static_cast<RequestId>(++begun);
    lock.unlock();
    port->fetch(id, {.url = server.url}, [&](RequestId, HttpReply reply) {
      std::lock_guard inner(mutex);
      failed += reply.status != 200;
      ++ended;
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return ended == begun; });
  lock.unlock();
  if (failed > 0) state.SkipWithError("a request failed");
  state.SetItemsProcessed(ended);
  port.reset();
}
BENCHMARK(http)->Arg(1)->Arg(16)->Arg(64)->UseRealTime();

struct Hum final : SpeechPort {
  absl::StatusOr<Pcm> speak(std::string_view text, std::string_view, std::string_view) override {
    return Pcm{22050, std::vector<std::int16_t>(text.size() * 2000, 500)};
  }
};

// A prompt of so many pieces that are all in memory.
void cached_prompt(benchmark::State& state) {
  Hum speech;
  std::mutex mutex;
  std::condition_variable changed;
  bool notified = false;
  PromptLibrary library({}, &speech, [&] {
    std::lock_guard lock(mutex);
    notified = true;
    changed.notify_one();
  });
  Prompts prompts;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    Prompt prompt;
    prompt.value = "Your balance is one thousand two hundred and " + std::to_string(i);
    prompt.language = "en";
    prompts.push_back(prompt);
  }
  library.preload(prompts, Codec::pcmu);
  PromptLibrary::Ready ready;
  while (library.next_ready(ready) || library.stats().waiting > 0) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return std::exchange(notified, false); });
  }
  for (auto _ : state) benchmark::DoNotOptimize(library.request(prompts, Codec::pcmu, 1, 1));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(cached_prompt)->Arg(1)->Arg(5);

}  // namespace

BENCHMARK_MAIN();

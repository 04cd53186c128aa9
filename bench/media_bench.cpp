// What a call costs a media thread, without SIP: N peers on loopback send and receive G.711 at 50 packets a
// second, press a key every 5 s, and the stream plays a prompt for ever. Reports the CPU of the media thread
// alone, how even its packets leave (kernel time stamps), the keys that got lost, and how soon a key is known
// after its packet was sent.
//
//   media_bench --benchmark_filter='calls:800/inband:0/shared:0'
//
// inband 1: keys are tones; shared 1: all streams on one port.

#include <arpa/inet.h>
#include <benchmark/benchmark.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/media.hpp"
#include "ivr/audio.hpp"
#include "ivr/dtmf.hpp"
#include "ivr/rtp.hpp"

namespace ivr {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto kWarmUp = 2s, kMeasured = 6s;
constexpr auto kTail = 500ms;
constexpr int kKeyEvery = 250;  // packets
constexpr int kKeyPackets = 5;
constexpr std::size_t kMostCalls = 10'000;

// CPU time of all media threads of this process, in nanoseconds.
double media_cpu_ns() {
  double sum = 0;
  DIR* tasks = opendir("/proc/self/task");
  while (const dirent* entry = readdir(tasks)) {
    const std::string task = std::string("/proc/self/task/") + entry->d_name;
    std::string name;
    std::ifstream(task + "/comm") >> name;
    double ns = 0;
    if (name == "ivr-media" && std::ifstream(task + "/schedstat") >> ns) sum += ns;
  }
  closedir(tasks);
  return sum;
}

double resident_kb() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

void pin_this_thread(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

struct Caller {
  int fd = -1;
  sockaddr_in to{};
  std::uint16_t sequence = 0;
  std::uint32_t timestamp = 0;
  int packets = 0;
  double last_ns = 0;
  std::uint64_t received = 0;
};

class Crowd {
 public:
  Crowd(MediaPort& media, int calls, bool inband) : media_(media), inband_(inband) {
    auto clip = std::make_shared<Clip>();
    clip->bytes.assign(160 * 500, 0x55);
    clip->samples = 160 * 500;
    for (int i = 0; i < calls; ++i) {
      Caller caller;
      caller.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      const int on = 1;
      setsockopt(caller.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
      sockaddr_in mine{};
      mine.sin_family = AF_INET;
      mine.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      bind(caller.fd, reinterpret_cast<sockaddr*>(&mine), sizeof mine);
      socklen_t size = sizeof mine;
      getsockname(caller.fd, reinterpret_cast<sockaddr*>(&mine), &size);
      const auto id = static_cast<StreamId>(i + 1);
      const auto address = media.open(id, {});
      if (!address.ok()) {
        std::fprintf(stderr, "%s\n", std::string(address.status().message()).c_str());
        std::exit(1);
      }
      caller.to = mine;
      caller.to.sin_port = htons(address->port);
      RemoteMedia remote;
      remote.address = {"127.0.0.1", ntohs(mine.sin_port)};
      remote.telephone_event_type = inband ? -1 : 101;
      media.set_remote(id, remote);
      media.play(id, 1, {clip}, 0);
      caller.packets = (i * 37) % kKeyEvery;
      callers_.push_back(caller);
    }
    auto generator = DtmfGenerator::create({});
    (void)generator->dial("5");
    for (int i = 0; i < kKeyPackets + 1; ++i) {
      std::array<std::int16_t, 160> pcm;
      generator->read(pcm);
      tone_.emplace_back(160);
      encode(Codec::pcmu, pcm, tone_.back());
    }
  }
  ~Crowd() {
    for (const Caller& caller : callers_) close(caller.fd);
  }

  // One millisecond's share of the callers: send, and read what came.
  void step(int phase) {
    for (std::size_t i = static_cast<std::size_t>(phase); i < callers_.size(); i += 20) {
      Caller& caller = callers_[i];
      say(caller, i);
      listen(caller);
    }
  }

  std::atomic<bool> measuring{false};
  std::vector<double> off_grid_us;
  std::uint64_t keys = 0, received = 0;
  // By stream: when its last key was sent, and whether that one is still to be heard, and counts.
  enum Awaited { nothing, not_counted, counted };
  std::vector<std::atomic<std::int64_t>> key_sent = std::vector<std::atomic<std::int64_t>>(kMostCalls);
  std::vector<std::atomic<Awaited>> awaited = std::vector<std::atomic<Awaited>>(kMostCalls);

 private:
  void say(Caller& caller, std::size_t index) {
    const int at = caller.packets++ % kKeyEvery;
    std::uint8_t packet[12 + 160];
    const bool event = !inband_ && at >= 1 && at <= kKeyPackets + 2;
    RtpHeader header{static_cast<std::uint8_t>(event ? 101 : 0), event && at == 1, caller.sequence++,
                     caller.timestamp, 99};
    std::size_t size = sizeof packet;
    if (event) {
      header.timestamp -= static_cast<std::uint32_t>(160 * at);
      const bool end = at > kKeyPackets - 1;
      const int duration = 160 * std::min(at, kKeyPackets);
      const std::uint8_t payload[4] = {5, static_cast<std::uint8_t>(end ? 0x8A : 0x0A),
                                       static_cast<std::uint8_t>(duration >> 8),
                                       static_cast<std::uint8_t>(duration)};
      std::memcpy(packet + 12, payload, 4);
      size = 16;
    } else if (inband_ && at >= 1 && at <= kKeyPackets + 1) {
      std::memcpy(packet + 12, tone_[static_cast<std::size_t>(at - 1)].data(), 160);
    } else {
      for (int i = 0; i < 160; ++i)
        packet[12 + i] = static_cast<std::uint8_t>(0xF0 | ((i * 7 + caller.packets) & 15));
    }
    if (at == 1) {
      key_sent[index + 1].store(Steady::now().time_since_epoch().count());
      if (measuring) ++keys;
      awaited[index + 1].store(measuring ? counted : not_counted);
    }
    caller.timestamp += 160;
    const auto head = write_rtp_header(header);
    std::memcpy(packet, head.data(), head.size());
    sendto(caller.fd, packet, size, 0, reinterpret_cast<const sockaddr*>(&caller.to), sizeof caller.to);
  }

  void listen(Caller& caller) {
    for (;;) {
      std::uint8_t packet[2048];
      char control[64];
      iovec vector{packet, sizeof packet};
      msghdr message{};
      message.msg_iov = &vector;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      if (recvmsg(caller.fd, &message, 0) < 0) return;
      for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec at;
        std::memcpy(&at, CMSG_DATA(c), sizeof at);
        const double ns = static_cast<double>(at.tv_sec % 100'000) * 1e9 + static_cast<double>(at.tv_nsec);
        if (measuring && caller.last_ns > 0)
          off_grid_us.push_back(std::abs(ns - caller.last_ns - 20e6) / 1e3);
        caller.last_ns = ns;
      }
      if (measuring) ++received;
    }
  }

  MediaPort& media_;
  const bool inband_;
  std::vector<Caller> callers_;
  std::vector<std::vector<std::uint8_t>> tone_;
};

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

void Calls(benchmark::State& state) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const int calls = static_cast<int>(state.range(0));
  const bool inband = state.range(1) != 0, shared = state.range(2) != 0;
  for (auto _ : state) {
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    const auto media = make_media();
    std::mutex mutex;
    std::condition_variable told;
    bool news = false;
    pin_this_thread(0);  // inherited by the media thread
    MediaOptions options;
    options.threads = 1;
    options.shared_ports = shared;
    options.port_min = 10'000;
    options.port_max = 30'000;
    const double before_kb = resident_kb();
    if (!media
             ->start(options,
                     [&] {
                       {
                         const std::lock_guard lock(mutex);
                         news = true;
                       }
                       told.notify_one();
                     })
             .ok()) {
      state.SkipWithError("media did not start");
      return;
    }
    pin_this_thread(1);
    Crowd crowd(*media, calls, inband);
    const double kb = (resident_kb() - before_kb) / calls;

    std::atomic<bool> stop{false};
    std::thread crowd_thread([&] {
      auto due = Steady::now();
      for (int phase = 0; !stop; phase = (phase + 1) % 20) {
        crowd.step(phase);
        due += 1ms;
        std::this_thread::sleep_until(due);
      }
    });
    std::uint64_t heard = 0, extra = 0;
    std::vector<double> reaction_us;
    const auto listen_until = [&](Steady::time_point until) {
      while (Steady::now() < until) {
        media::Event event;
        while (media->next_event(event)) {
          const auto* began = std::get_if<media::DigitBegan>(&event);
          if (began == nullptr) continue;
          const auto awaited = crowd.awaited[began->stream].exchange(Crowd::nothing);
          if (began->digit != '5' || awaited == Crowd::nothing) {
            if (crowd.measuring) ++extra;
            continue;
          }
          if (awaited == Crowd::not_counted) continue;  // pressed before the window
          ++heard;
          const auto sent = crowd.key_sent[began->stream].load();
          reaction_us.push_back(static_cast<double>(Steady::now().time_since_epoch().count() - sent) / 1e3);
        }
        std::unique_lock lock(mutex);
        told.wait_until(lock, until, [&] { return news; });
        news = false;
      }
    };
    listen_until(Steady::now() + kWarmUp);
    crowd.measuring = true;
    const double cpu = media_cpu_ns();
    const auto start = Steady::now();
    listen_until(start + kMeasured);
    const double used = media_cpu_ns() - cpu;
    const double wall = static_cast<double>((Steady::now() - start).count());
    crowd.measuring = false;
    listen_until(Steady::now() + kTail);
    stop = true;
    crowd_thread.join();
    const SharedPorts port = media->shared_ports();
    media->stop();
    sched_setaffinity(0, sizeof all, &all);

    const double pairs = static_cast<double>(calls) * 50 * wall / 1e9;
    state.counters["core_%"] = 100 * used / wall;
    state.counters["us_a_packet_pair"] = used / 1e3 / pairs;
    state.counters["packets_%"] = 100 * static_cast<double>(crowd.received) / pairs;
    state.counters["keys"] = static_cast<double>(crowd.keys);
    state.counters["keys_missed"] = static_cast<double>(crowd.keys) - static_cast<double>(heard);
    state.counters["keys_extra"] = static_cast<double>(extra);
    state.counters["key_known_us_p50"] = percentile(reaction_us, 0.5);
    state.counters["key_known_us_p99"] = percentile(reaction_us, 0.99);
    state.counters["off_grid_us_p99.9"] = percentile(crowd.off_grid_us, 0.999);
    state.counters["KB_a_call"] = kb;
    if (shared) {
      state.counters["nobodys"] = static_cast<double>(port.strangers + port.late);
      state.counters["unread"] = static_cast<double>(port.unread);
      state.counters["unsent"] = static_cast<double>(port.unsent);
    }
  }
}
BENCHMARK(Calls)
    ->ArgNames({"calls", "inband", "shared"})
    ->ArgsProduct({{50, 200, 800, 1600, 2500, 3000}, {0, 1}, {0, 1}})
    ->ArgsProduct({{4000, 4500}, {0, 1}, {1}})
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace ivr

BENCHMARK_MAIN();

#include "ivr/simulate.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace ivr {
namespace {

constexpr int kDaysAhead = 64;  // days that may wait for a slower one before them

}  // namespace

SimulationResult simulate(const Simulator& simulator, int threads,
                          const std::function<bool(std::int64_t calls)>& progress) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  const int days = simulator.days();
  std::mutex mutex;
  std::condition_variable changed;
  std::map<int, SimulationResult> done;
  int next = 0, added = 0;
  bool stop = false;
  const auto work = [&] {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stop || next == days || next < added + kDaysAhead; });
      if (stop || next == days) return;
      const int day = next++;
      lock.unlock();
      SimulationResult result = simulator.run_day(day);
      lock.lock();
      done.emplace(day, std::move(result));
      changed.notify_all();
    }
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < std::min(threads, days); ++i) workers.emplace_back(work);
  SimulationResult sum = simulator.empty();
  std::unique_lock lock(mutex);
  while (added < days) {
    changed.wait_for(lock, std::chrono::milliseconds(200), [&] { return done.contains(added); });
    while (done.contains(added)) {
      auto day = done.extract(added);
      lock.unlock();
      Simulator::add(sum, day.mapped());
      lock.lock();
      ++added;
      changed.notify_all();
    }
    lock.unlock();
    const bool on = !progress || progress(static_cast<std::int64_t>(sum.calls));
    lock.lock();
    if (!on) break;
  }
  stop = true;
  changed.notify_all();
  lock.unlock();
  for (std::thread& worker : workers) worker.join();
  return sum;
}

}  // namespace ivr

// Preloaded into a program, it knows what lives on the heap and who asked for it. When the file $HEAP_DUMP.now appears it writes
// $HEAP_DUMP, a line for each way of asking: bytes with malloc's own, blocks, and the return addresses, innermost first; with
// the program's mappings behind them. Needs glibc.
#include <execinfo.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

extern "C" {
void* __libc_malloc(std::size_t);
void __libc_free(void*);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

constexpr int kFrames = 24;

struct Sum {
  long bytes = 0, blocks = 0;
};
struct Block {
  long bytes = 0;
  Sum* of = nullptr;
};
struct State {
  std::mutex mutex;
  std::map<std::vector<void*>, Sum> sums;
  std::unordered_map<void*, Block> blocks;
};

State* state = nullptr;            // from when the program begins
thread_local bool ours = false;    // what we need ourselves is not counted

void* took(void* block) {
  if (block == nullptr || state == nullptr || ours) return block;
  ours = true;
  void* frames[kFrames];
  const int count = backtrace(frames, kFrames);
  std::vector<void*> way(frames, frames + count);
  {
    std::lock_guard lock(state->mutex);
    Sum& sum = state->sums[way];
    const long bytes = static_cast<long>(malloc_usable_size(block) + sizeof(void*));
    sum.bytes += bytes;
    ++sum.blocks;
    state->blocks[block] = {bytes, &sum};
  }
  ours = false;
  return block;
}

void gives(void* block) {
  if (block == nullptr || state == nullptr || ours) return;
  ours = true;
  {
    std::lock_guard lock(state->mutex);
    if (const auto found = state->blocks.find(block); found != state->blocks.end()) {
      found->second.of->bytes -= found->second.bytes;
      --found->second.of->blocks;
      state->blocks.erase(found);
    }
  }
  ours = false;
}

void dump(const std::string& path) {
  const std::string part = path + ".part";
  FILE* const out = std::fopen(part.c_str(), "w");
  if (out == nullptr) return;
  {
    std::lock_guard lock(state->mutex);
    for (const auto& [way, sum] : state->sums) {
      if (sum.bytes <= 0) continue;
      std::fprintf(out, "%ld %ld", sum.bytes, sum.blocks);
      for (void* frame : way) std::fprintf(out, " %p", frame);
      std::fputc('\n', out);
    }
  }
  std::fputs("maps\n", out);
  if (FILE* const maps = std::fopen("/proc/self/maps", "r")) {
    char line[4096];
    while (std::fgets(line, sizeof line, maps) != nullptr) std::fputs(line, out);
    std::fclose(maps);
  }
  std::fclose(out);
  std::rename(part.c_str(), path.c_str());
}

__attribute__((constructor)) void begin() {
  const char* const path = std::getenv("HEAP_DUMP");
  if (path == nullptr) return;
  ours = true;
  void* frames[4];
  backtrace(frames, 4);  // loads what it needs
  std::thread([wanted = std::string(path) + ".now", path = std::string(path)] {
    ours = true;
    for (;; ::usleep(100'000)) {
      if (::unlink(wanted.c_str()) == 0) dump(path);
    }
  }).detach();
  state = new State;
  ours = false;
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) { return took(__libc_malloc(size)); }
void free(void* block) {
  gives(block);
  __libc_free(block);
}
void* calloc(std::size_t count, std::size_t size) { return took(__libc_calloc(count, size)); }
void* realloc(void* block, std::size_t size) {
  gives(block);
  return took(__libc_realloc(block, size));
}
void* memalign(std::size_t alignment, std::size_t size) { return took(__libc_memalign(alignment, size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) { return took(__libc_memalign(alignment, size)); }
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  *block = took(__libc_memalign(alignment, size));
  return *block == nullptr ? ENOMEM : 0;
}
}

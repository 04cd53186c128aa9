// A disk that hangs, for bench/run-stall: preloaded into a server, it makes every write, sync and truncation of a file below
// the folder STALL_FOLDER wait for as long as the file STALL_WHILE is there. Opening and reading go on, and so does what is
// mapped into memory.
//
// Build:  gcc -O2 -shared -fPIC -o stall_disk.so stall_disk.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *folder, *stalled;

__attribute__((constructor)) static void set_up(void) {
  folder = getenv("STALL_FOLDER");
  stalled = getenv("STALL_WHILE");
}

static void wait_for_disk(int fd) {
  char link[64], path[PATH_MAX];
  if (folder == NULL || stalled == NULL || access(stalled, F_OK) != 0) return;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return;
  path[n] = 0;
  if (strncmp(path, folder, strlen(folder)) != 0) return;
  while (access(stalled, F_OK) == 0) usleep(5000);
}

#define STALLED(result, name, parameters, ...) \
  result name parameters { \
    static result(*real) parameters; \
    if (real == NULL) real = (result(*) parameters)dlsym(RTLD_NEXT, #name); \
    wait_for_disk(fd); \
    return real(__VA_ARGS__); \
  }

STALLED(ssize_t, write, (int fd, const void *bytes, size_t n), fd, bytes, n)
STALLED(ssize_t, writev, (int fd, const struct iovec *parts, int n), fd, parts, n)
STALLED(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t at), fd, bytes, n, at)
STALLED(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t at), fd, bytes, n, at)
STALLED(int, fsync, (int fd), fd)
STALLED(int, fdatasync, (int fd), fd)
STALLED(int, ftruncate, (int fd, off_t to), fd, to)
STALLED(int, ftruncate64, (int fd, off64_t to), fd, to)

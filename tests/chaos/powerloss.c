/* Power loss, simulated: preloaded into a process, keeps in POWERLOSS_SHADOW what is durable of POWERLOSS_DATA.
 *
 * A file gets there only when it is synced, whole and at once (copy, then rename): written but unsynced bytes do
 * not survive. Removed files are removed there too. POWERLOSS_SYNC_MS makes the disk slow: each sync takes so much longer.
 * After a kill -9 the shadow folder is what the disk would hold. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int shadow_of(const char *path, char *out, size_t size) {
  const char *data = getenv("POWERLOSS_DATA"), *shadow = getenv("POWERLOSS_SHADOW");
  size_t length = data ? strlen(data) : 0;
  if (!length || !shadow || strncmp(path, data, length) || path[length] != '/') return 0;
  return snprintf(out, size, "%s/%s", shadow, path + length + 1) < (int)size;
}

static void keep(int fd) {
  char link[64], path[PATH_MAX], kept[PATH_MAX], fresh[PATH_MAX + 8];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  if (!shadow_of(path, kept, sizeof kept)) return;
  snprintf(fresh, sizeof fresh, "%s.fresh", kept);
  pthread_mutex_lock(&lock);
  int from = open(path, O_RDONLY | O_CLOEXEC), to = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  struct stat info;
  if (from >= 0 && to >= 0 && !fstat(from, &info)) {
    off_t done = 0;
    while (done < info.st_size && sendfile(to, from, &done, info.st_size - done) > 0) {}
    rename(fresh, kept);
  }
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  pthread_mutex_unlock(&lock);
}

static void dawdle(void) {
  const char *ms = getenv("POWERLOSS_SYNC_MS");
  if (ms) usleep(1000 * atoi(ms));
}

int fsync(int fd) {
  dawdle();
  int (*real)(int) = dlsym(RTLD_NEXT, "fsync"), result = real(fd);
  if (!result) keep(fd);
  return result;
}

int fdatasync(int fd) {
  dawdle();
  int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync"), result = real(fd);
  if (!result) keep(fd);
  return result;
}

int unlink(const char *path) {
  int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink"), result = real(path);
  char kept[PATH_MAX];
  if (!result && shadow_of(path, kept, sizeof kept)) real(kept);
  return result;
}

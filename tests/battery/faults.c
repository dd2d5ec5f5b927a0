/* Preloaded into the trainings of the battery: fails the n-th write below a folder, as a full,
   failing or read-only disk would, and has the wall clock jump. Does nothing until it is told to. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char prefix[4096];
static long left = -1, seen;  /* writes until one fails; -1: none will */
static int error, sticky, jumping;

void faults_arm(const char *folder, long n, int number, int forever) {
  strncpy(prefix, folder, sizeof prefix - 1);
  error = number, sticky = forever, seen = 0, left = n;
}
long faults_seen(void) { return seen; }
void faults_clock(int on) { jumping = on; }

static int fails_path(const char *path) {
  char whole[8192];
  if (!prefix[0] || !path) return 0;
  if (path[0] != '/' && getcwd(whole, 4096)) {
    strcat(whole, "/"), strncat(whole, path, 4000);
    path = whole;
  }
  if (strncmp(path, prefix, strlen(prefix))) return 0;
  long now = __sync_add_and_fetch(&seen, 1);
  if (left >= 0 && (sticky ? now >= left : now == left)) { errno = error; return 1; }
  return 0;
}
static int fails_fd(int fd) {
  char link[64], path[4096];
  if (!prefix[0]) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return fails_path(path);
}
#define REAL(name) \
  static __typeof__(name) *real; \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list a; va_start(a, flags); mode = va_arg(a, mode_t); va_end(a); }
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))

int open(const char *p, int f, ...) { REAL(open); MODE(f) return WRITES(f) && fails_path(p) ? -1 : real(p, f, mode); }
int open64(const char *p, int f, ...) { REAL(open64); MODE(f) return WRITES(f) && fails_path(p) ? -1 : real(p, f, mode); }
int openat(int d, const char *p, int f, ...) { REAL(openat); MODE(f) return WRITES(f) && fails_path(p) ? -1 : real(d, p, f, mode); }
int openat64(int d, const char *p, int f, ...) { REAL(openat64); MODE(f) return WRITES(f) && fails_path(p) ? -1 : real(d, p, f, mode); }
ssize_t write(int d, const void *b, size_t n) { REAL(write); return fails_fd(d) ? -1 : real(d, b, n); }
ssize_t pwrite(int d, const void *b, size_t n, off_t o) { REAL(pwrite); return fails_fd(d) ? -1 : real(d, b, n, o); }
ssize_t pwrite64(int d, const void *b, size_t n, off64_t o) { REAL(pwrite64); return fails_fd(d) ? -1 : real(d, b, n, o); }
ssize_t writev(int d, const struct iovec *v, int n) { REAL(writev); return fails_fd(d) ? -1 : real(d, v, n); }
int fsync(int d) { REAL(fsync); return fails_fd(d) ? -1 : real(d); }
int fdatasync(int d) { REAL(fdatasync); return fails_fd(d) ? -1 : real(d); }
int ftruncate(int d, off_t n) { REAL(ftruncate); return fails_fd(d) ? -1 : real(d, n); }
int ftruncate64(int d, off64_t n) { REAL(ftruncate64); return fails_fd(d) ? -1 : real(d, n); }
int rename(const char *a, const char *b) { REAL(rename); return fails_path(b) ? -1 : real(a, b); }
int renameat(int c, const char *a, int d, const char *b) { REAL(renameat); return fails_path(b) ? -1 : real(c, a, d, b); }
int mkdir(const char *p, mode_t m) { REAL(mkdir); return fails_path(p) ? -1 : real(p, m); }
int mkdirat(int d, const char *p, mode_t m) { REAL(mkdirat); return fails_path(p) ? -1 : real(d, p, m); }

int link(const char *a, const char *b) { REAL(link); return fails_path(b) ? -1 : real(a, b); }
int linkat(int c, const char *a, int d, const char *b, int f) { REAL(linkat); return fails_path(b) ? -1 : real(c, a, d, b, f); }
int truncate(const char *p, off_t n) { REAL(truncate); return fails_path(p) ? -1 : real(p, n); }
int truncate64(const char *p, off64_t n) { REAL(truncate64); return fails_path(p) ? -1 : real(p, n); }
/* What is removed makes room on a full disk, but not on one that is read-only. */
int unlink(const char *p) { REAL(unlink); return error == EROFS && fails_path(p) ? -1 : real(p); }
int rmdir(const char *p) { REAL(rmdir); return error == EROFS && fails_path(p) ? -1 : real(p); }
int unlinkat(int d, const char *p, int f) { REAL(unlinkat); return error == EROFS && (p[0] == '/' ? fails_path(p) : fails_fd(d)) ? -1 : real(d, p, f); }

/* Every twentieth look at the wall clock finds it days earlier or later. */
static void jump(time_t *seconds) {
  static int looks, days;
  if (!jumping) return;
  if (++looks % 20 == 0) days = rand() % 400 - 200;
  *seconds += days * 86400L;
}
int clock_gettime(clockid_t id, struct timespec *t) {
  REAL(clock_gettime);
  int r = real(id, t);
  if (!r && id == CLOCK_REALTIME) jump(&t->tv_sec);
  return r;
}
int gettimeofday(struct timeval *restrict t, void *restrict z) {
  REAL(gettimeofday);
  int r = real(t, z);
  if (!r) jump(&t->tv_sec);
  return r;
}
time_t time(time_t *out) {
  REAL(time);
  time_t t = real(NULL);
  jump(&t);
  if (out) *out = t;
  return t;
}

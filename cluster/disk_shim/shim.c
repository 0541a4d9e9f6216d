// Preloaded into a server: its disk can fail, be slow or hang, and what was not fsynced can be taken back.
//
// Only absolute paths below DISK_SHIM_ROOT are under test. A call that can't be taken back (a hard link, a
// folder that is deleted, a copy within the kernel, a synchronous write, a name relative to a folder) is let
// through and noted: `cut` then refuses. Memory-mapped writes are not seen.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "record.h"

#define EXPORT __attribute__((visibility("default")))
#define POLL_MS 2
#define LOCKED(statement) (pthread_mutex_lock(&lock), (statement), pthread_mutex_unlock(&lock))

__attribute__((constructor)) static void begin(void) { record_begin(); }

// ---------------------------------------------------------------------------------------------- the rule

static void sleep_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (syscall(SYS_nanosleep, &left, &left) && errno == EINTR) {
  }
}

static bool in_force(uint64_t generation) { return atomic_load(&control->generation) == generation; }

static void sleep_while_in_force(uint64_t generation, long ms) {
  for (; ms > 0 && in_force(generation); ms -= POLL_MS) sleep_ms(ms < POLL_MS ? ms : POLL_MS);
}

static void stall(uint64_t generation) {
  while (in_force(generation)) sleep_ms(POLL_MS);
}

// Return the generation of a rule that is about this call and count the call; 0 if there is none.
static uint64_t ruled(const struct file *file, enum call call, size_t bytes, struct rule *rule) {
  uint64_t generation = atomic_load(&control->generation);
  if (generation & 1 || control->rule.effect == EFFECT_NONE) return 0;
  *rule = control->rule;
  if (!in_force(generation)) return 0;
  if (rule->call != CALL_ANY && rule->call != call && !(rule->call == CALL_WRITE && call == CALL_ALLOCATE)) return 0;
  if (rule->file != FILE_ANY && rule->file != file->kind) return 0;
  if (rule->effect == EFFECT_TEAR && bytes <= rule->keep_bytes) return 0;
  uint64_t number = atomic_fetch_add(&control->matched, 1) + 1;
  if (number < rule->nth || (rule->times && number >= rule->nth + rule->times)) return 0;
  return generation;
}

static void note_hit(const struct file *file) {
  if (atomic_load(&control->injected) == 0) LOCKED(snprintf(control->hit, sizeof control->hit, "%s", file->path));
  atomic_fetch_add(&control->injected, 1);
}

static long jittered_ms(const struct rule *rule) {
  static __thread uint64_t random_state;
  if (!random_state) random_state = (uint64_t)(uintptr_t)&random_state ^ (uint64_t)time(NULL) << 20;
  random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
  long spread_ms = rule->jitter_ms ? (long)(random_state % (2 * rule->jitter_ms + 1)) - (long)rule->jitter_ms : 0;
  long ms = (long)rule->delay_ms + spread_ms;
  return ms > 0 ? ms : 0;
}

// Do what the rule says before the call; return whether it ends there, with errno.
static bool refused(const struct file *file, enum call call) {
  struct rule rule;
  uint64_t generation = ruled(file, call, 0, &rule);
  if (!generation) return false;
  note_hit(file);
  if (rule.effect == EFFECT_STALL) stall(generation);
  sleep_while_in_force(generation, jittered_ms(&rule));
  if (rule.effect != EFFECT_ERROR) return false;
  errno = (int)rule.error;
  return true;
}

// ------------------------------------------------------------------------------------------------ writes

static ssize_t write_noted(int fd, struct file *file, const void *bytes, size_t count, int64_t offset) {
  ssize_t done;
  pthread_mutex_lock(&lock);
  // Else another thread has closed it since.
  if (file_of(fd) == file) note_write(file, offset < 0 ? place_of(fd) : (uint64_t)offset, bytes, count);
  done = offset < 0 ? syscall(SYS_write, fd, bytes, count) : syscall(SYS_pwrite64, fd, bytes, count, offset);
  pthread_mutex_unlock(&lock);
  return done;
}

static int sync_noted(int fd, struct file *file, long number) {
  uint64_t up_to, inode;
  LOCKED((up_to = atomic_load(&control->sequence), inode = file->inode));
  int done = (int)syscall(number, fd);
  int error = errno;
  // Another thread may have closed it since.
  if (done == 0) LOCKED(file->references && file->inode == inode ? note_synced(file, up_to) : (void)0);
  errno = error;
  return done;
}

// A torn write: its first bytes are on the disk, and it never returns while the rule is in force.
static ssize_t tear(int fd, struct file *file, const struct rule *rule, uint64_t generation, const void *bytes,
                    size_t count, int64_t offset) {
  ssize_t done = write_noted(fd, file, bytes, rule->keep_bytes, offset);
  if (done < 0) return done;
  sync_noted(fd, file, SYS_fsync);
  note_hit(file);
  stall(generation);
  ssize_t rest = write_noted(fd, file, (const char *)bytes + done, count - (size_t)done,
                             offset < 0 ? offset : offset + done);
  return rest < 0 ? done : done + rest;
}

static ssize_t write_any(int fd, const void *bytes, size_t count, int64_t offset) {
  struct file *file = file_of(fd);
  if (!file)
    return offset < 0 ? syscall(SYS_write, fd, bytes, count) : syscall(SYS_pwrite64, fd, bytes, count, offset);
  if (atomic_load(&control->generation)) {
    // A positional write past the end allocates: so a log is padded before it is written.
    enum call call = offset >= 0 && (uint64_t)offset >= size_of(file) ? CALL_ALLOCATE : CALL_WRITE;
    struct rule rule;
    if (control->rule.effect == EFFECT_TEAR) {
      uint64_t generation = ruled(file, call, count, &rule);
      if (generation) return tear(fd, file, &rule, generation, bytes, count, offset);
    }
    if (refused(file, call)) return -1;
  }
  return write_noted(fd, file, bytes, count, offset);
}

EXPORT ssize_t write(int fd, const void *bytes, size_t count) { return write_any(fd, bytes, count, -1); }

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  return write_any(fd, bytes, count, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
  return write_any(fd, bytes, count, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!file_of(fd)) return syscall(SYS_writev, fd, parts, count);
  ssize_t sum = 0;
  for (int i = 0; i < count; i++) {
    ssize_t done = write_any(fd, parts[i].iov_base, parts[i].iov_len, -1);
    if (done < 0) return sum ? sum : done;
    sum += done;
    if ((size_t)done < parts[i].iov_len) break;
  }
  return sum;
}

static bool exists(const char *path) {
  struct stat found;
  return syscall(SYS_newfstatat, AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) == 0;
}

// Tell whether a descriptor is of a place below ROOT, which goes into `path`.
static bool placed(int fd, char *path) {
  char link[32];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long bytes = control ? syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_BYTES - 1L) : -1;
  if (bytes < 0) return false;
  path[bytes] = 0;
  return inside(path);
}

static int sync_any(int fd, long number);

// What is open to read can be synced, too: so Java does it with a folder.
static int sync_untracked(int fd, long number) {
  char path[PATH_BYTES];
  if (placed(fd, path) && exists(path)) LOCKED(track(fd, path, O_RDONLY, false));
  if (!file_of(fd)) return (int)syscall(number, fd);
  int done = sync_any(fd, number), error = errno;
  LOCKED(forget(fd));
  errno = error;
  return done;
}

static int sync_any(int fd, long number) {
  struct file *file = file_of(fd);
  if (!file) return sync_untracked(fd, number);
  if (refused(file, CALL_FSYNC)) return -1;
  return sync_noted(fd, file, number);
}

EXPORT int fsync(int fd) { return sync_any(fd, SYS_fsync); }
EXPORT int fdatasync(int fd) { return sync_any(fd, SYS_fdatasync); }

static int truncate_noted(int fd, struct file *file, off_t size) {
  int done;
  pthread_mutex_lock(&lock);
  if (file_of(fd) == file) note_truncate(file, (uint64_t)size);
  done = (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_unlock(&lock);
  return done;
}

EXPORT int ftruncate(int fd, off_t size) {
  struct file *file = file_of(fd);
  if (!file || size < 0) return (int)syscall(SYS_ftruncate, fd, size);
  return truncate_noted(fd, file, size);
}

EXPORT int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

// ------------------------------------------------------------------------------------- descriptors, names

// Tell whether a path is not relative to a folder's descriptor.
static bool plain(int folder, const char *path) { return !path || *path == '/' || folder == AT_FDCWD; }

// Tell whether it is, to one below ROOT.
static bool below(int folder, const char *path) {
  char place[PATH_BYTES];
  return !plain(folder, path) && placed(folder, place);
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
  bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if (writes && below(folder, path)) broke(BROKEN_CALL);
  if (!inside(path) || (!writes && !(flags & O_DIRECTORY))) return (int)syscall(SYS_openat, folder, path, flags, mode);
  pthread_mutex_lock(&lock);
  bool fresh = writes && flags & O_CREAT && !exists(path);
  if (fresh) note_name(NAME_CREATE, path, NULL);
  int fd = (int)syscall(SYS_openat, folder, path, flags & ~O_TRUNC, mode);
  int error = errno;
  if (fd >= 0) track(fd, path, flags, fresh);
  pthread_mutex_unlock(&lock);
  struct file *file = file_of(fd);
  if (file && writes && flags & O_DSYNC) broke(BROKEN_CALL);
  if (file && writes && flags & O_TRUNC && size_of(file)) truncate_noted(fd, file, 0);
  if (fd >= 0 && !file && writes && flags & O_TRUNC) syscall(SYS_ftruncate, fd, 0L);
  errno = error;
  return fd;
}

static mode_t mode_of(int flags, va_list *rest) {
  return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(*rest, mode_t) : 0;
}

#define OPEN(name, ...)                                                                                      \
  {                                                                                                          \
    va_list rest;                                                                                            \
    va_start(rest, flags);                                                                                   \
    mode_t mode = mode_of(flags, &rest);                                                                     \
    va_end(rest);                                                                                            \
    return open_any(__VA_ARGS__, flags, mode);                                                               \
  }

EXPORT int open(const char *path, int flags, ...) OPEN(open, AT_FDCWD, path)
EXPORT int open64(const char *path, int flags, ...) OPEN(open64, AT_FDCWD, path)
EXPORT int openat(int folder, const char *path, int flags, ...) OPEN(openat, folder, path)
EXPORT int openat64(int folder, const char *path, int flags, ...) OPEN(openat64, folder, path)

EXPORT int creat(const char *path, mode_t mode) {
  return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int close(int fd) {
  if (file_of(fd)) LOCKED(forget(fd));
  return (int)syscall(SYS_close, fd);
}

EXPORT int dup3(int from, int to, int flags) {
  int done = (int)syscall(SYS_dup3, from, to, flags);
  if (done >= 0 && (file_of(from) || file_of(to))) LOCKED(share(from, to));
  return done;
}

EXPORT int dup2(int from, int to) {
  return from == to ? (int)syscall(SYS_fcntl, from, F_GETFD) < 0 ? -1 : to : dup3(from, to, 0);
}

EXPORT int truncate(const char *path, off_t size) {
  if (!inside(path)) return (int)syscall(SYS_truncate, path, size);
  int fd = open_any(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return -1;
  int done = ftruncate(fd, size), error = errno;
  close(fd);
  errno = error;
  return done;
}

EXPORT int truncate64(const char *path, off_t size) { return truncate(path, size); }

EXPORT int rename(const char *from, const char *to) {
  if (!inside(from) || !inside(to)) {
    if (inside(from) != inside(to)) broke(BROKEN_CALL);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  }
  int done;
  pthread_mutex_lock(&lock);
  if (exists(from)) note_name(NAME_RENAME, from, to);
  done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  pthread_mutex_unlock(&lock);
  return done;
}

EXPORT int unlink(const char *path) {
  if (!inside(path)) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  int done;
  pthread_mutex_lock(&lock);
  if (exists(path)) note_name(NAME_DELETE, path, NULL);
  done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  pthread_mutex_unlock(&lock);
  return done;
}

EXPORT int mkdir(const char *path, mode_t mode) {
  int done;
  if (!inside(path)) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
  pthread_mutex_lock(&lock);
  if (!exists(path)) note_name(NAME_FOLDER, path, NULL);
  done = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
  pthread_mutex_unlock(&lock);
  return done;
}

EXPORT int rmdir(const char *path) {
  int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
  if (done == 0 && inside(path)) broke(BROKEN_CALL);
  return done;
}

EXPORT int remove(const char *path) {
  struct stat found;
  if (syscall(SYS_newfstatat, AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW)) return -1;
  return S_ISDIR(found.st_mode) ? rmdir(path) : unlink(path);
}

EXPORT int link(const char *from, const char *to) {
  if (inside(from) || inside(to)) broke(BROKEN_CALL);
  return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int linkat(int folder, const char *from, int other, const char *to, int flags) {
  if (inside(from) || inside(to) || below(folder, from) || below(other, to)) broke(BROKEN_CALL);
  return (int)syscall(SYS_linkat, folder, from, other, to, flags);
}

EXPORT int renameat2(int folder, const char *from, int other, const char *to, unsigned flags) {
  if (!flags && plain(folder, from) && plain(other, to)) return rename(from, to);
  if (inside(from) || inside(to) || below(folder, from) || below(other, to)) broke(BROKEN_CALL);
  return (int)syscall(SYS_renameat2, folder, from, other, to, flags);
}

EXPORT int renameat(int folder, const char *from, int other, const char *to) {
  return renameat2(folder, from, other, to, 0);
}

EXPORT int unlinkat(int folder, const char *path, int flags) {
  if (plain(folder, path)) return flags & AT_REMOVEDIR ? rmdir(path) : unlink(path);
  if (below(folder, path)) broke(BROKEN_CALL);
  return (int)syscall(SYS_unlinkat, folder, path, flags);
}

EXPORT int mkdirat(int folder, const char *path, mode_t mode) {
  if (plain(folder, path)) return mkdir(path, mode);
  if (below(folder, path)) broke(BROKEN_CALL);
  return (int)syscall(SYS_mkdirat, folder, path, mode);
}

// ------------------------------------------------------------------------- writes that are not noted

#define UNNOTED(fd) (file_of(fd) ? broke(BROKEN_CALL) : (void)0)

EXPORT ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t count, unsigned flags) {
  UNNOTED(out);
  return syscall(SYS_copy_file_range, in, in_at, out, out_at, count, flags);
}

EXPORT ssize_t splice(int in, off_t *in_at, int out, off_t *out_at, size_t count, unsigned flags) {
  UNNOTED(out);
  return syscall(SYS_splice, in, in_at, out, out_at, count, flags);
}

EXPORT ssize_t sendfile(int out, int in, off_t *at, size_t count) {
  UNNOTED(out);
  return syscall(SYS_sendfile, out, in, at, count);
}

EXPORT ssize_t sendfile64(int out, int in, off_t *at, size_t count) { return sendfile(out, in, at, count); }

EXPORT int fallocate(int fd, int mode, off_t offset, off_t bytes) {
  UNNOTED(fd);
  return (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}

EXPORT int fallocate64(int fd, int mode, off_t offset, off_t bytes) { return fallocate(fd, mode, offset, bytes); }

EXPORT int posix_fallocate(int fd, off_t offset, off_t bytes) {
  int kept = errno, error = fallocate(fd, 0, offset, bytes) ? errno : 0;
  errno = kept;
  return error;
}

EXPORT int posix_fallocate64(int fd, off_t offset, off_t bytes) { return posix_fallocate(fd, offset, bytes); }

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  UNNOTED(fd);
  return syscall(SYS_pwritev, fd, parts, count, offset, 0L);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev(fd, parts, count, offset);
}

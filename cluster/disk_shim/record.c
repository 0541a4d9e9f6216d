#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// Raw system calls: they need no symbol of a newer libc, and never come back into the shim.
_Static_assert(sizeof(off_t) == 8, "expected a 64-bit machine");

#define MAX_FD 65536
#define MAX_FILES 1024

struct control *control;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
char root[PATH_BYTES];

static char state[PATH_BYTES];
static int names = -1;
static struct file files[MAX_FILES];
static struct file *by_fd[MAX_FD];
static unsigned char chunk[CHUNK];

static int open_raw(const char *path, int flags) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0666);
}

static bool stat_raw(const char *path, struct stat *found) {
  return syscall(SYS_newfstatat, AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool starts(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

void broke(enum broken why) {
  uint32_t whole = WHOLE;
  atomic_compare_exchange_strong(&control->broken, &whole, why);  // the first reason is the one to tell
}

void record_begin(void) {
  const char *wanted_root = getenv("DISK_SHIM_ROOT"), *wanted_state = getenv("DISK_SHIM_STATE");
  if (!wanted_root || !wanted_state || strlen(wanted_root) >= PATH_BYTES / 2 ||
      strlen(wanted_state) >= PATH_BYTES / 2)
    return;
  strcpy(root, wanted_root);
  strcpy(state, wanted_state);
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/control", state);
  int fd = open_raw(path, O_RDWR);
  if (fd < 0) return;
  struct control *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (page == MAP_FAILED || page->magic != MAGIC || page->layout != LAYOUT) return;
  snprintf(path, sizeof path, "%s/names", state);
  names = open_raw(path, O_WRONLY | O_APPEND | O_CREAT);
  control = page;
  if (names < 0) broke(BROKEN_FULL);
  atomic_fetch_add(&control->loaded, 1);
}

bool inside(const char *path) {
  size_t bytes = strlen(root);
  if (!control || !path || strncmp(path, root, bytes) || (path[bytes] && path[bytes] != '/')) return false;
  const char *rest = path + bytes, *after = rest + strlen(OWN);
  return strlen(path) < PATH_BYTES && !(starts(rest, OWN) && (*after == 0 || *after == '/'));
}

static enum file_kind kind_of(const char *path) {
  const char *name = strrchr(path, '/') + 1;
  if (starts(name, "log.")) return FILE_LOG;
  if (starts(name, "snapshot.")) return FILE_SNAPSHOT;
  if (starts(name, "currentEpoch") || starts(name, "acceptedEpoch")) return FILE_EPOCH;
  return FILE_OTHER;
}

struct file *file_of(int fd) { return control && fd >= 0 && fd < MAX_FD ? by_fd[fd] : NULL; }

static struct file *slot_of(uint64_t inode) {
  struct file *free_slot = NULL;
  for (struct file *file = files; file < files + MAX_FILES; file++) {
    if (file->references && file->inode == inode) return file;
    if (!file->references && !free_slot) free_slot = file;
  }
  return free_slot;
}

static void open_records(struct file *file, bool fresh) {
  char path[PATH_BYTES + 32];
  snprintf(path, sizeof path, "%s/undo/%llu", state, (unsigned long long)file->inode);
  // A new file may have the inode of one that is gone: what was noted of that one is no longer true.
  file->undo = open_raw(path, O_WRONLY | O_APPEND | O_CREAT | (fresh ? O_TRUNC : 0));
  file->reading = open_raw(file->path, O_RDONLY);
  file->last = atomic_load(&control->sequence);
  if (file->undo < 0 || file->reading < 0) broke(BROKEN_FULL);
}

void track(int fd, const char *path, bool fresh) {
  struct stat found;
  if (fd < 0 || syscall(SYS_fstat, fd, &found)) return;
  if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) return;
  struct file *file = slot_of(found.st_ino);
  if (fd >= MAX_FD || !file) {
    broke(BROKEN_FD);
    return;
  }
  forget(fd);
  if (!file->references) {
    *file = (struct file){.inode = found.st_ino, .undo = -1, .reading = -1, .folder = S_ISDIR(found.st_mode)};
    snprintf(file->path, sizeof file->path, "%s", path);
    file->kind = kind_of(path);
    if (!file->folder) open_records(file, fresh);
  }
  file->references++;
  by_fd[fd] = file;
}

void forget(int fd) {
  struct file *file = file_of(fd);
  if (!file) return;
  by_fd[fd] = NULL;
  if (--file->references) return;
  if (file->undo >= 0) syscall(SYS_close, file->undo);
  if (file->reading >= 0) syscall(SYS_close, file->reading);
}

void share(int from, int to) {
  struct file *file = file_of(from);
  forget(to);
  if (!file) return;
  if (to < 0 || to >= MAX_FD) {
    broke(BROKEN_FD);
    return;
  }
  file->references++;
  by_fd[to] = file;
}

static void append(int fd, const void *head, size_t head_bytes, const void *body, size_t body_bytes) {
  struct iovec parts[] = {{(void *)head, head_bytes}, {(void *)body, body_bytes}};
  if (syscall(SYS_writev, fd, parts, body_bytes ? 2 : 1) != (long)(head_bytes + body_bytes)) broke(BROKEN_FULL);
}

static bool all_zero(const unsigned char *bytes, size_t count) {
  return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

// Note what `bytes` from `offset` on hold now. A log is padded with zeros, so zeros are only counted.
void note_patch(struct file *file, uint64_t offset, uint64_t bytes, uint64_t old_size) {
  uint64_t end = offset + bytes < old_size ? offset + bytes : old_size;
  struct undo record = {.offset = offset, .old_size = old_size, .kind = UNDO_PATCH};
  do {
    size_t wanted = offset < end ? (end - offset < CHUNK ? end - offset : CHUNK) : 0;
    long got = wanted ? syscall(SYS_pread64, file->reading, chunk, wanted, offset) : 0;
    if (got != (long)wanted) {
      broke(BROKEN_FULL);
      return;
    }
    bool zero = all_zero(chunk, wanted);
    record.sequence = file->last = atomic_fetch_add(&control->sequence, 1) + 1;
    record.offset = offset;
    record.kept = zero ? 0 : (uint32_t)wanted;
    record.zeros = zero ? (uint32_t)wanted : 0;
    append(file->undo, &record, sizeof record, chunk, record.kept);
    offset += wanted;
  } while (offset < end);
}

void note_synced(struct file *file, uint64_t up_to) {
  if (up_to > atomic_load(&control->synced)) atomic_store(&control->synced, up_to);
  atomic_fetch_add(&control->fsyncs, 1);
  if (file->folder) {
    struct name record = {.sequence = up_to, .folder = file->inode, .kind = NAME_SYNCED};
    append(names, &record, sizeof record, NULL, 0);
  } else if (file->last <= up_to) {
    if (syscall(SYS_ftruncate, file->undo, 0L)) broke(BROKEN_FULL);
  } else {
    struct undo record = {.sequence = up_to, .kind = UNDO_SYNCED};
    append(file->undo, &record, sizeof record, NULL, 0);
  }
}

static uint64_t inode_of(const char *path) {
  struct stat found;
  return stat_raw(path, &found) ? found.st_ino : 0;
}

static uint64_t folder_of(const char *path) {
  char folder[PATH_BYTES];
  snprintf(folder, sizeof folder, "%s", path);
  *strrchr(folder, '/') = 0;
  return inode_of(folder);
}

// Note an operation on names, before it is done. What would be gone after it is kept under a second name.
void note_name(uint32_t kind, const char *path, const char *other) {
  struct name record = {.kind = kind, .folder = folder_of(path), .inode = inode_of(path)};
  record.sequence = atomic_fetch_add(&control->sequence, 1) + 1;
  record.path_bytes = (uint32_t)strlen(path);
  const char *lost = kind == NAME_DELETE ? path : other;
  if (other) {
    record.other_folder = folder_of(other);
    record.other_bytes = (uint32_t)strlen(other);
  }
  struct stat found;
  if (lost && stat_raw(lost, &found) && found.st_ino != (kind == NAME_RENAME ? record.inode : 0)) {
    char kept[PATH_BYTES + 32];
    snprintf(kept, sizeof kept, "%s" KEPT "/%llu", root, (unsigned long long)record.sequence);
    record.replaced = 1;
    if (syscall(SYS_linkat, AT_FDCWD, lost, AT_FDCWD, kept, 0)) broke(BROKEN_KEEP);
  }
  char paths[2 * PATH_BYTES];
  memcpy(paths, path, record.path_bytes);
  if (other) memcpy(paths + record.path_bytes, other, record.other_bytes);
  append(names, &record, sizeof record, paths, record.path_bytes + record.other_bytes);
}

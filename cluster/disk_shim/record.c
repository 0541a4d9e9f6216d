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
#define LEAST_NOTES 4096

struct control *control;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
char root[PATH_BYTES];

static char state[PATH_BYTES];
static int names = -1;
static struct file files[MAX_FILES];
static struct file *by_fd[MAX_FD];
static bool appends[MAX_FD];
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

// Not by fstat: who asks for an inode's times makes the next write change them (multigrain timestamps, Linux
// 6.13), and each such change is work for the file system's journal.
uint64_t size_of(const struct file *file) {
  long size = syscall(SYS_lseek, file->reading, 0L, SEEK_END);
  return size < 0 ? 0 : (uint64_t)size;
}

// Where a write without an offset goes to.
uint64_t place_of(int fd) {
  return appends[fd] ? size_of(by_fd[fd]) : (uint64_t)syscall(SYS_lseek, fd, 0L, SEEK_CUR);
}

static struct file *slot_of(uint64_t inode) {
  struct file *free_slot = NULL;
  for (struct file *file = files; file < files + MAX_FILES; file++) {
    if (file->references && file->inode == inode) return file;
    if (!file->references && !free_slot) free_slot = file;
  }
  return free_slot;
}

// Map so many bytes of a file's notes at least.
static bool reserve(struct file *file, size_t bytes) {
  if (bytes <= file->mapped) return true;
  size_t wanted = file->mapped ? file->mapped : LEAST_NOTES;
  while (wanted < bytes) wanted *= 2;
  // Else a full volume were a SIGBUS later, at the first store.
  if (syscall(SYS_fallocate, file->undo, 0, 0L, wanted)) return false;
  void *at = file->notes ? mremap(file->notes, file->mapped, wanted, MREMAP_MAYMOVE)
                         : mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_SHARED, file->undo, 0);
  if (at == MAP_FAILED) return false;
  file->notes = at;
  file->mapped = wanted;
  return true;
}

static void open_records(struct file *file, bool fresh) {
  char path[PATH_BYTES + 32];
  snprintf(path, sizeof path, "%s/undo/%llu", state, (unsigned long long)file->inode);
  // A new file may have the inode of one that is gone: what was noted of that one is no longer true.
  file->undo = open_raw(path, O_RDWR | O_CREAT | (fresh ? O_TRUNC : 0));
  file->reading = open_raw(file->path, O_RDONLY);
  file->last = atomic_load(&control->sequence);
  file->zeros_from = size_of(file);
  if (file->reading < 0 || !reserve(file, LEAST_NOTES) || !reserve(file, sizeof *file->notes + file->notes->used))
    broke(BROKEN_FULL);
}

static void close_records(struct file *file) {
  if (file->notes) {
    if (file->notes->used == 0) syscall(SYS_ftruncate, file->undo, 0L);  // nothing noted takes no room
    munmap(file->notes, file->mapped);
  }
  if (file->undo >= 0) syscall(SYS_close, file->undo);
  if (file->reading >= 0) syscall(SYS_close, file->reading);
  file->notes = NULL, file->mapped = 0, file->undo = file->reading = -1;
}

void track(int fd, const char *path, int flags, bool fresh) {
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
  appends[fd] = flags & O_APPEND;
}

void forget(int fd) {
  struct file *file = file_of(fd);
  if (!file) return;
  by_fd[fd] = NULL;
  if (--file->references == 0) close_records(file);
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
  appends[to] = appends[from];
}

// Memory that is mapped outlives the process: a note costs no system call.
static void note(struct file *file, const struct undo *record, const void *kept) {
  uint64_t used = file->notes ? file->notes->used : 0, bytes = sizeof *record + record->kept;
  if (!file->notes || !reserve(file, sizeof *file->notes + used + bytes)) {
    broke(BROKEN_FULL);
    return;
  }
  memcpy(file->notes->records + used, record, sizeof *record);
  memcpy(file->notes->records + used + sizeof *record, kept, record->kept);
  atomic_store(&file->notes->used, used + bytes);  // last: a server killed before this has not done it
}

static void append_name(const struct name *record, const char *paths) {
  size_t bytes = record->path_bytes + record->other_bytes;
  struct iovec parts[] = {{(void *)record, sizeof *record}, {(void *)paths, bytes}};
  if (syscall(SYS_writev, names, parts, bytes ? 2 : 1) != (long)(sizeof *record + bytes)) broke(BROKEN_FULL);
}

static bool all_zero(const unsigned char *bytes, size_t count) {
  return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

// Note what `bytes` from `offset` on hold now. A log is padded with zeros, so zeros are only counted.
static void note_patch(struct file *file, uint64_t offset, uint64_t bytes, uint64_t old_size) {
  uint64_t end = offset + bytes < old_size ? offset + bytes : old_size;
  struct undo record = {.offset = offset, .old_size = old_size, .kind = UNDO_PATCH};
  do {
    size_t wanted = offset < end ? (end - offset < CHUNK ? end - offset : CHUNK) : 0;
    bool zero = offset >= file->zeros_from;
    if (wanted && !zero) {
      if (syscall(SYS_pread64, file->reading, chunk, wanted, offset) != (long)wanted) {
        broke(BROKEN_FULL);
        return;
      }
      zero = all_zero(chunk, wanted);
    }
    record.sequence = file->last = atomic_fetch_add(&control->sequence, 1) + 1;
    record.offset = offset;
    record.kept = zero ? 0 : (uint32_t)wanted;
    record.zeros = zero ? (uint32_t)wanted : 0;
    note(file, &record, chunk);
    offset += wanted;
  } while (offset < end);
}

void note_write(struct file *file, uint64_t offset, const void *bytes, size_t count) {
  note_patch(file, offset, count, size_of(file));
  if (offset + count > file->zeros_from && !all_zero(bytes, count)) file->zeros_from = offset + count;
}

void note_truncate(struct file *file, uint64_t size) {
  uint64_t old_size = size_of(file);
  note_patch(file, size, old_size > size ? old_size - size : 0, old_size);
  if (file->zeros_from > size) file->zeros_from = size;
}

void note_synced(struct file *file, uint64_t up_to) {
  if (up_to > atomic_load(&control->synced)) atomic_store(&control->synced, up_to);
  atomic_fetch_add(&control->fsyncs, 1);
  if (file->folder) {
    struct name record = {.sequence = up_to, .folder = file->inode, .kind = NAME_SYNCED};
    append_name(&record, NULL);
  } else if (file->last > up_to) {
    struct undo record = {.sequence = up_to, .kind = UNDO_SYNCED};
    note(file, &record, chunk);
  } else if (file->notes) {
    atomic_store(&file->notes->used, 0);
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
  append_name(&record, paths);
}

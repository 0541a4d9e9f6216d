// Records of what was done to files below ROOT, by which the tool takes it back. All calls need `lock`.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "shared.h"

struct file {
  uint64_t inode, last;           // last: number of its last operation
  uint64_t zeros_from;            // all bytes from here to its end are zero: a log is padded far ahead
  struct notes *notes;            // NULL: they can't be written
  size_t mapped;                  // bytes of `notes`
  int undo, reading, references;
  enum file_kind kind;
  bool folder;
  char path[PATH_BYTES];
};

extern struct control *control;   // NULL: the shim is not in use, and all calls go through
extern pthread_mutex_t lock;
extern char root[PATH_BYTES];

void record_begin(void);
bool inside(const char *path);
struct file *file_of(int fd);
uint64_t size_of(const struct file *file);
uint64_t place_of(int fd);
void track(int fd, const char *path, int flags, bool fresh);
void forget(int fd);
void share(int from, int to);
void broke(enum broken why);

void note_write(struct file *file, uint64_t offset, const void *bytes, size_t count);
void note_truncate(struct file *file, uint64_t size);
void note_synced(struct file *file, uint64_t up_to);
void note_name(uint32_t kind, const char *path, const char *other);

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
void track(int fd, const char *path, bool fresh);
void forget(int fd);
void share(int from, int to);
void broke(enum broken why);

void note_patch(struct file *file, uint64_t offset, uint64_t bytes, uint64_t old_size);
void note_synced(struct file *file, uint64_t up_to);
void note_name(uint32_t kind, const char *path, const char *other);

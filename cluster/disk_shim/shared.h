// What the shim in the server and the tool in the sandbox share: a folder, and the layout of its files.
//
//   STATE/control      this page, mapped by both
//   STATE/undo/INODE   of one file: how to take back each operation since its last fsync; mapped by the shim
//   STATE/names        of all folders: names that were created, renamed and deleted
//   ROOT/nemesis/kept  files that were deleted or replaced, so that their names can be taken back
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define MAGIC 0x6b736964u
#define LAYOUT 2u
#define PATH_BYTES 512
#define CHUNK 65536u
#define OWN "/nemesis"            // below ROOT: never under test
#define KEPT OWN "/kept"

enum call { CALL_NONE, CALL_WRITE, CALL_ALLOCATE, CALL_FSYNC, CALL_ANY };
enum file_kind { FILE_ANY, FILE_LOG, FILE_SNAPSHOT, FILE_EPOCH, FILE_OTHER };
enum effect { EFFECT_NONE, EFFECT_ERROR, EFFECT_DELAY, EFFECT_STALL, EFFECT_TEAR };
enum broken { WHOLE, BROKEN_FULL, BROKEN_CALL, BROKEN_KEEP, BROKEN_FD };

// What to do to which calls. `times` 0: to all from the `nth` on.
struct rule {
  uint32_t call, file, effect, error;
  uint32_t delay_ms, jitter_ms, keep_bytes, reserved;
  uint64_t nth, times;
};

struct control {
  uint32_t magic, layout;
  _Atomic uint64_t generation;    // odd while the rule is being replaced
  struct rule rule;
  _Atomic uint64_t matched;       // calls that the rule is about
  _Atomic uint64_t injected;      // calls that it changed
  _Atomic uint64_t sequence;      // number of the last operation
  _Atomic uint64_t synced;        // the last operation that was done when some fsync began that returned
  _Atomic uint64_t fsyncs;
  _Atomic uint32_t loaded;        // processes that have loaded the shim
  _Atomic uint32_t broken;        // enum broken: why operations can't be taken back
  char hit[PATH_BYTES];           // the first file that the rule hit
};

// STATE/undo/INODE: `used` bytes of records follow; what comes after them means nothing.
struct notes {
  _Atomic uint64_t used;
  unsigned char records[];
};

// A record of it: write `kept` bytes (they follow) or `zeros` at `offset`, then set the size.
enum { UNDO_PATCH = 1, UNDO_SYNCED = 2 };
struct undo {
  uint64_t sequence, offset, old_size;
  uint32_t kept, zeros, kind, reserved;
};

// A record of STATE/names; the two paths follow. NAME_SYNCED: fsync of the folder `folder` returned, and all
// up to `sequence` was done before it began.
enum { NAME_CREATE = 1, NAME_DELETE, NAME_RENAME, NAME_FOLDER, NAME_SYNCED };
struct name {
  uint64_t sequence, inode, folder, other_folder;
  uint32_t kind, replaced;        // replaced: the target existed, and is KEPT/SEQUENCE now
  uint32_t path_bytes, other_bytes;
};

// The tool in the sandbox: sets the shim's rule, tells what it did, and takes back what was not fsynced.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared.h"

static const char *USAGE =
    "usage: disk-nemesis init  STATE ROOT\n"
    "       disk-nemesis rule  STATE CALL FILE EFFECT ERROR DELAY_MS JITTER_MS KEEP_BYTES NTH TIMES\n"
    "       disk-nemesis mend  STATE\n"
    "       disk-nemesis look  STATE\n"
    "       disk-nemesis cut   STATE ROOT ext4-like|delayed|strict   (the server must be down)\n"
    "       disk-nemesis reset STATE ROOT                            (the server must be down)\n";

static const char *CALLS[] = {"none", "write", "allocate", "fsync", "any", NULL};
static const char *FILES[] = {"any", "log", "snapshot", "epoch", "other", NULL};
static const char *EFFECTS[] = {"none", "error", "delay", "stall", "tear", NULL};
static const char *WHY[] = {"", "its records of what to take back were not written, the folder may be full",
                            "a call that can't be taken back (link, rmdir, a rename to elsewhere, a copy "
                            "within the kernel, a synchronous write, a name relative to a folder)",
                            "a deleted file that could not be kept", "too many files were open"};
enum model { EXT4_LIKE, DELAYED, STRICT };
static const char *MODELS[] = {"ext4-like", "delayed", "strict", NULL};

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...) {
  va_list rest;
  va_start(rest, format);
  fputs("disk-nemesis: ", stderr);
  vfprintf(stderr, format, rest);
  fputc('\n', stderr);
  exit(1);
}

static char *path_in(const char *folder, const char *name) {
  char *path;
  if (asprintf(&path, "%s/%s", folder, name) < 0) fail("no memory");
  return path;
}

static int chosen(const char *word, const char **words) {
  for (int i = 0; words[i]; i++)
    if (!strcmp(words[i], word)) return i;
  fputs(USAGE, stderr);
  fail("expected one of %s, %s, ..., got %s", words[0], words[1], word);
}

static uint64_t number(const char *word) {
  char *end;
  errno = 0;
  uint64_t value = strtoull(word, &end, 10);
  if (errno || end == word || *end) fail("expected a number, got %s", word);
  return value;
}

static struct control *map(const char *state) {
  char *path = path_in(state, "control");
  int fd = open(path, O_RDWR);
  if (fd < 0) fail("%s: %s", path, strerror(errno));
  struct stat found;
  struct control *page = MAP_FAILED;
  if (!fstat(fd, &found) && (size_t)found.st_size >= sizeof *page)
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED || page->magic != MAGIC || page->layout != LAYOUT)
    fail("%s: expected the page of a shim of layout %u", path, LAYOUT);
  return page;
}

// -------------------------------------------------------------------------------------------- the rule

static void init(const char *state, const char *root) {
  umask(0);  // the server is another user
  char *undo = path_in(state, "undo"), *own = path_in(root, OWN + 1), *kept = path_in(root, KEPT + 1);
  mkdir(state, 0777), mkdir(undo, 0777), mkdir(own, 0777), mkdir(kept, 0777);
  char *path = path_in(state, "control");
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
  struct control page = {.magic = MAGIC, .layout = LAYOUT};
  if (fd < 0 || write(fd, &page, sizeof page) != sizeof page) fail("%s: %s", path, strerror(errno));
  close(fd);
}

static void set_rule(struct control *control, struct rule rule) {
  atomic_fetch_or(&control->generation, 1);
  control->rule = rule;
  atomic_store(&control->matched, 0);
  atomic_store(&control->injected, 0);
  control->hit[0] = 0;
  atomic_fetch_add(&control->generation, 1);
}

static struct rule parsed(char **words) {
  return (struct rule){
      .call = (uint32_t)chosen(words[0], CALLS),
      .file = (uint32_t)chosen(words[1], FILES),
      .effect = (uint32_t)chosen(words[2], EFFECTS),
      .error = (uint32_t)number(words[3]),
      .delay_ms = (uint32_t)number(words[4]),
      .jitter_ms = (uint32_t)number(words[5]),
      .keep_bytes = (uint32_t)number(words[6]),
      .nth = number(words[7]),
      .times = number(words[8]),
  };
}

static void look(struct control *control) {
  printf("{\"loaded\": %u, \"operations\": %llu, \"fsyncs\": %llu, \"matched\": %llu, \"injected\": %llu, ",
         atomic_load(&control->loaded), (unsigned long long)atomic_load(&control->sequence),
         (unsigned long long)atomic_load(&control->fsyncs), (unsigned long long)atomic_load(&control->matched),
         (unsigned long long)atomic_load(&control->injected));
  printf("\"in_force\": %s, \"hit\": \"%s\", \"broken\": \"%s\"}\n",
         control->rule.effect == EFFECT_NONE ? "false" : "true", control->hit, WHY[atomic_load(&control->broken)]);
}

// ------------------------------------------------------------------------------------------ a power cut

struct place {
  uint64_t inode;
  char *path;
};

struct content {
  char *bytes;
  size_t size;
};

struct name_record {
  struct name head;
  char *path, *other;
};

static struct {
  unsigned long long writes, bytes, names, files, failed;
} lost;

static struct place *places;
static size_t places_count;

static void failed(const char *what, const char *path) {
  fprintf(stderr, "disk-nemesis: %s %s: %s\n", what, path, strerror(errno));
  lost.failed++;
}

static struct content whole(const char *path) {
  struct content content = {NULL, 0};
  int fd = open(path, O_RDONLY);
  struct stat found;
  if (fd < 0 || fstat(fd, &found)) {
    if (errno != ENOENT) fail("%s: %s", path, strerror(errno));
    return content;
  }
  content.bytes = malloc((size_t)found.st_size + 1);
  for (ssize_t got; (got = read(fd, content.bytes + content.size, (size_t)found.st_size - content.size)) > 0;)
    content.size += (size_t)got;
  close(fd);
  return content;
}

// Find where each file is now: it may have been renamed since it was written.
static void find_places(const char *folder) {
  DIR *entries = opendir(folder);
  if (!entries) return;
  for (struct dirent *entry; (entry = readdir(entries));) {
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    char *path = path_in(folder, entry->d_name);
    struct stat found;
    if (lstat(path, &found)) continue;
    if (S_ISDIR(found.st_mode)) find_places(path);
    if (!S_ISREG(found.st_mode)) continue;
    places = realloc(places, ++places_count * sizeof *places);
    places[places_count - 1] = (struct place){found.st_ino, path};
  }
  closedir(entries);
}

static const char *place_of(uint64_t inode) {
  for (size_t i = 0; i < places_count; i++)
    if (places[i].inode == inode) return places[i].path;
  return NULL;
}

static void take_back_write(int fd, const char *path, const struct undo *record, const char *kept) {
  static const char zeros[CHUNK];
  const char *bytes = record->kept ? kept : zeros;
  size_t count = record->kept ? record->kept : record->zeros;
  if ((count && pwrite(fd, bytes, count, (off_t)record->offset) != (ssize_t)count) ||
      ftruncate(fd, (off_t)record->old_size))
    failed("take back", path);
}

static size_t end_of_notes(const struct content *content) {
  struct notes notes;
  if (content->size < sizeof notes) return 0;  // none were made
  memcpy(&notes, content->bytes, sizeof notes);
  size_t end = sizeof notes + notes.used;
  if (end > content->size) fail("its records end at byte %zu of %zu", end, content->size);
  return end;
}

// Take back what was done to one file and is not durable, the last first.
static void cut_file(const char *records_path, uint64_t inode, uint64_t durable) {
  struct content content = whole(records_path);
  size_t *starts = malloc((content.size / sizeof(struct undo) + 1) * sizeof *starts), count = 0;
  size_t end = end_of_notes(&content);
  struct undo record;
  for (size_t at = sizeof(struct notes); at + sizeof record <= end; at += sizeof record + record.kept) {
    memcpy(&record, content.bytes + at, sizeof record);
    if (record.kind == UNDO_SYNCED && record.sequence > durable) durable = record.sequence;
    if (record.kind == UNDO_PATCH) starts[count++] = at;
  }
  const char *path = place_of(inode);
  int fd = path && count ? open(path, O_RDWR) : -1;
  if (path && count && fd < 0) failed("open", path);
  struct stat before, after;
  bool touched = false;
  if (fd >= 0 && fstat(fd, &before)) failed("stat", path);
  for (; fd >= 0 && count > 0; count--) {
    memcpy(&record, content.bytes + starts[count - 1], sizeof record);
    if (record.sequence <= durable) break;
    take_back_write(fd, path, &record, content.bytes + starts[count - 1] + sizeof record);
    lost.writes++, touched = true;
  }
  if (touched) {
    lost.files++;
    if (!fstat(fd, &after) && before.st_size > after.st_size)
      lost.bytes += (unsigned long long)(before.st_size - after.st_size);
    if (fsync(fd)) failed("fsync", path);
  }
  if (fd >= 0) close(fd);
  free(starts), free(content.bytes);
}

static uint64_t inode_at(const char *path) {
  struct stat found;
  return lstat(path, &found) ? 0 : found.st_ino;
}

static void remove_all(const char *path) {
  struct stat found;
  if (lstat(path, &found)) return;
  if (S_ISDIR(found.st_mode)) {
    DIR *entries = opendir(path);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
      if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) remove_all(path_in(path, entry->d_name));
    if (entries) closedir(entries);
    if (rmdir(path)) failed("rmdir", path);
  } else if (unlink(path))
    failed("unlink", path);
}

static void put_back(const char *root, const struct name_record *record, const char *to) {
  char *kept;
  if (asprintf(&kept, "%s" KEPT "/%llu", root, (unsigned long long)record->head.sequence) < 0) fail("no memory");
  if (inode_at(kept) && rename(kept, to)) failed("put back", to);
}

// Take back one operation on names. It may not have been done: the server was killed right after its note.
static void take_back_name(const char *root, const struct name_record *record) {
  const struct name *head = &record->head;
  bool created = head->kind == NAME_CREATE || head->kind == NAME_FOLDER;
  if (created ? !inode_at(record->path) : head->kind == NAME_DELETE && inode_at(record->path)) return;
  if (head->kind == NAME_RENAME && inode_at(record->other) != head->inode) return;
  lost.names++;
  if (created) remove_all(record->path);
  if (head->kind == NAME_DELETE) put_back(root, record, record->path);
  if (head->kind != NAME_RENAME) return;
  if (rename(record->other, record->path)) failed("rename back", record->other);
  if (head->replaced) put_back(root, record, record->other);
}

static size_t read_names(const char *state, struct name_record **records) {
  struct content content = whole(path_in(state, "names"));
  *records = calloc(content.size / sizeof(struct name) + 1, sizeof **records);
  size_t count = 0;
  for (size_t at = 0; at + sizeof(struct name) <= content.size;) {
    struct name_record *record = &(*records)[count];
    memcpy(&record->head, content.bytes + at, sizeof record->head);
    at += sizeof record->head;
    if (at + record->head.path_bytes + record->head.other_bytes > content.size) break;
    record->path = strndup(content.bytes + at, record->head.path_bytes);
    record->other = strndup(content.bytes + at + record->head.path_bytes, record->head.other_bytes);
    at += record->head.path_bytes + record->head.other_bytes;
    count++;
  }
  free(content.bytes);
  return count;
}

static uint64_t folder_synced(const struct name_record *records, size_t count, uint64_t folder) {
  uint64_t up_to = 0;
  for (size_t i = 0; i < count; i++)
    if (records[i].head.kind == NAME_SYNCED && records[i].head.folder == folder && records[i].head.sequence > up_to)
      up_to = records[i].head.sequence;
  return up_to;
}

static bool name_durable(const struct name_record *records, size_t count, const struct name *name, enum model model,
                         uint64_t synced) {
  if (model != STRICT) return name->sequence <= synced;
  return name->sequence <= folder_synced(records, count, name->folder) &&
         (!name->other_folder || name->sequence <= folder_synced(records, count, name->other_folder));
}

static void cut_files(const char *state, uint64_t durable) {
  char *undo = path_in(state, "undo");
  DIR *entries = opendir(undo);
  if (!entries) fail("%s: %s", undo, strerror(errno));
  for (struct dirent *entry; (entry = readdir(entries));)
    if (entry->d_name[0] != '.') cut_file(path_in(undo, entry->d_name), number(entry->d_name), durable);
  closedir(entries);
}

static void forget_all(struct control *control, const char *state, const char *root) {
  char *undo = path_in(state, "undo"), *kept = path_in(root, KEPT + 1), *names = path_in(state, "names");
  remove_all(undo), remove_all(kept), remove_all(names);
  umask(0);
  if (mkdir(undo, 0777) || mkdir(kept, 0777)) failed("mkdir", undo);
  atomic_store(&control->synced, atomic_load(&control->sequence));
  atomic_store(&control->broken, WHOLE);
}

static void cut(struct control *control, const char *state, const char *root, enum model model) {
  uint32_t broken = atomic_load(&control->broken);
  if (broken) fail("what was not fsynced can't be taken back: %s", WHY[broken]);
  uint64_t synced = atomic_load(&control->synced), operations = atomic_load(&control->sequence);
  set_rule(control, (struct rule){0});
  find_places(root);
  cut_files(state, model == EXT4_LIKE ? synced : 0);
  struct name_record *records;
  size_t count = read_names(state, &records);
  for (size_t i = count; i-- > 0;)
    if (records[i].head.kind != NAME_SYNCED && !name_durable(records, count, &records[i].head, model, synced))
      take_back_name(root, &records[i]);
  forget_all(control, state, root);
  printf("{\"operations\": %llu, \"writes\": %llu, \"bytes\": %llu, \"files\": %llu, \"names\": %llu, "
         "\"failed\": %llu}\n",
         (unsigned long long)operations, lost.writes, lost.bytes, lost.files, lost.names, lost.failed);
}

int main(int count, char **words) {
  const char *command = count > 2 ? words[1] : "", *state = count > 2 ? words[2] : "";
  if (!strcmp(command, "init") && count == 4)
    init(state, words[3]);
  else if (!strcmp(command, "rule") && count == 12)
    set_rule(map(state), parsed(words + 3));
  else if (!strcmp(command, "mend") && count == 3)
    set_rule(map(state), (struct rule){0});
  else if (!strcmp(command, "look") && count == 3)
    look(map(state));
  else if (!strcmp(command, "cut") && count == 5)
    cut(map(state), state, words[3], (enum model)chosen(words[4], MODELS));
  else if (!strcmp(command, "reset") && count == 4)
    forget_all(map(state), state, words[3]);
  else {
    fputs(USAGE, stderr);
    return 2;
  }
  return lost.failed ? 1 : 0;
}

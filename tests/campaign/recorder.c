/* Records a process' changes to the files below one directory, in their order, for power.py.
 * Linux.
 *
 * Loaded with LD_PRELOAD. TCSYNC_RECORD_ROOT is the directory, TCSYNC_RECORD_LOG the file to append
 * to, which must not be below it. A record is a struct record, then `path_bytes` of path and
 * `data_bytes` of data. One lock gives the changes and their records one order. Syncs are recorded
 * and not done: the images are made from the record, so the disk need not be waited for.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
  kOpen = 1,     /* path: its inode, after O_CREAT or O_TRUNC; offset 1: truncated */
  kWrite = 2,    /* inode, offset, data */
  kTruncate = 3, /* inode, offset: the new size */
  kGrow = 4,     /* inode, offset: the size that it has at least */
  kSync = 5,     /* inode */
  kSyncDirectory = 6,
  kRename = 7, /* path: from, data: to */
  kUnlink = 8,
  kLink = 9, /* path: from, data: to */
  kMakeDirectory = 10,
  kRemoveDirectory = 11
};

struct record {
  uint32_t kind;
  uint32_t path_bytes;
  uint64_t data_bytes;
  uint64_t inode;
  uint64_t offset;
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int log_file = -1;
static const char* root;

static void begin(void) {
  pthread_mutex_lock(&lock);
  if (root == NULL) {
    const char* path = getenv("TCSYNC_RECORD_LOG");
    root = getenv("TCSYNC_RECORD_ROOT");
    if (root == NULL || path == NULL) abort();
    log_file =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_file < 0) abort();
  }
}

static void end(void) {
  const int saved = errno;
  pthread_mutex_unlock(&lock);
  errno = saved;
}

static int is_ours(const char* path) { return strncmp(path, root, strlen(root)) == 0; }

/* The path of an open file, if it is ours; its inode. */
static int is_recorded(int file, char* path, uint64_t* inode, int* is_directory) {
  char name[64];
  struct stat status;
  const int saved = errno;
  ssize_t size;
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  size = syscall(SYS_readlinkat, AT_FDCWD, name, path, PATH_MAX - 1);
  if (size < 0 || fstat(file, &status) != 0) {
    errno = saved;
    return 0;
  }
  path[size] = '\0';
  *inode = status.st_ino;
  *is_directory = S_ISDIR(status.st_mode);
  errno = saved;
  return is_ours(path) && (S_ISDIR(status.st_mode) || S_ISREG(status.st_mode));
}

static void put(enum kind kind, const char* path, const void* data, size_t data_bytes,
                uint64_t inode, uint64_t offset) {
  struct record record;
  struct iovec parts[3];
  const int saved = errno;
  const size_t path_bytes = path != NULL ? strlen(path) : 0;
  memset(&record, 0, sizeof record);
  record.kind = kind;
  record.path_bytes = (uint32_t)path_bytes;
  record.data_bytes = data_bytes;
  record.inode = inode;
  record.offset = offset;
  parts[0].iov_base = &record;
  parts[0].iov_len = sizeof record;
  parts[1].iov_base = (void*)path;
  parts[1].iov_len = path_bytes;
  parts[2].iov_base = (void*)data;
  parts[2].iov_len = data_bytes;
  if (syscall(SYS_writev, log_file, parts, 3) != (ssize_t)(sizeof record + path_bytes + data_bytes))
    abort();
  errno = saved;
}

static void opened(int file, int flags) {
  char path[PATH_MAX];
  uint64_t inode;
  int is_directory;
  if (file >= 0 && (flags & (O_CREAT | O_TRUNC)) &&
      is_recorded(file, path, &inode, &is_directory) && !is_directory) {
    put(kOpen, path, NULL, 0, inode, (flags & O_TRUNC) != 0);
  }
}

static int open_at(int directory, const char* path, int flags, mode_t mode) {
  int file;
  begin();
  file = (int)syscall(SYS_openat, directory, path, flags, mode);
  opened(file, flags);
  end();
  return file;
}

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(NAME, PARAMETERS, DIRECTORY)                       \
  int NAME PARAMETERS {                                         \
    va_list arguments;                                          \
    mode_t mode;                                                \
    va_start(arguments, flags);                                 \
    mode = mode_of(flags, arguments);                           \
    va_end(arguments);                                          \
    return open_at(DIRECTORY, path, flags | O_LARGEFILE, mode); \
  }
OPEN(open, (const char* path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char* path, int flags, ...), AT_FDCWD)
OPEN(openat, (int directory, const char* path, int flags, ...), directory)
OPEN(openat64, (int directory, const char* path, int flags, ...), directory)

static FILE* open_stream(const char* name, const char* path, const char* mode) {
  FILE* (*real)(const char*, const char*);
  FILE* stream;
  *(void**)&real = dlsym(RTLD_NEXT, name);
  begin();
  stream = real(path, mode);
  if (stream != NULL && mode[0] != 'r')
    opened(fileno(stream), O_CREAT | (mode[0] == 'w' ? O_TRUNC : 0));
  end();
  return stream;
}
FILE* fopen(const char* path, const char* mode) { return open_stream("fopen", path, mode); }
FILE* fopen64(const char* path, const char* mode) { return open_stream("fopen64", path, mode); }

static ssize_t wrote(int file, const void* data, ssize_t size, off_t offset) {
  char path[PATH_MAX];
  uint64_t inode;
  int is_directory;
  if (size > 0 && file != log_file && is_recorded(file, path, &inode, &is_directory)) {
    if (offset < 0) offset = lseek(file, 0, SEEK_CUR) - size;
    put(kWrite, NULL, data, (size_t)size, inode, (uint64_t)offset);
  }
  return size;
}

ssize_t write(int file, const void* data, size_t size) {
  ssize_t result;
  begin();
  result = wrote(file, data, syscall(SYS_write, file, data, size), -1);
  end();
  return result;
}

static ssize_t write_at(int file, const void* data, size_t size, off_t offset) {
  ssize_t result;
  begin();
  result = wrote(file, data, syscall(SYS_pwrite64, file, data, size, offset), offset);
  end();
  return result;
}
ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  return write_at(file, data, size, offset);
}
ssize_t pwrite64(int file, const void* data, size_t size, off64_t offset) {
  return write_at(file, data, size, offset);
}

ssize_t writev(int file, const struct iovec* parts, int count) {
  ssize_t total = 0;
  int i;
  begin();
  for (i = 0; i < count; ++i) {
    const ssize_t size = syscall(SYS_write, file, parts[i].iov_base, parts[i].iov_len);
    if (size < 0) {
      if (total == 0) total = -1;
      break;
    }
    wrote(file, parts[i].iov_base, size, -1);
    total += size;
    if ((size_t)size < parts[i].iov_len) break;
  }
  end();
  return total;
}

static int sync_file(int file, long number) {
  char path[PATH_MAX];
  uint64_t inode;
  int is_directory;
  int result = 0;
  begin();
  if (!is_recorded(file, path, &inode, &is_directory)) {
    result = (int)syscall(number, file);
  } else if (is_directory) {
    put(kSyncDirectory, path, NULL, 0, inode, 0);
  } else {
    put(kSync, NULL, NULL, 0, inode, 0);
  }
  end();
  return result;
}
int fsync(int file) { return sync_file(file, SYS_fsync); }
int fdatasync(int file) { return sync_file(file, SYS_fdatasync); }

static int resized(int file, int result, enum kind kind, uint64_t size) {
  char path[PATH_MAX];
  uint64_t inode;
  int is_directory;
  if (result == 0 && is_recorded(file, path, &inode, &is_directory))
    put(kind, NULL, NULL, 0, inode, size);
  return result;
}

static int truncate_file(int file, off_t size) {
  int result;
  begin();
  result = resized(file, (int)syscall(SYS_ftruncate, file, size), kTruncate, (uint64_t)size);
  end();
  return result;
}
int ftruncate(int file, off_t size) { return truncate_file(file, size); }
int ftruncate64(int file, off64_t size) { return truncate_file(file, size); }

static int allocate(int file, int mode, off_t offset, off_t size) {
  int result;
  begin();
  result = (int)syscall(SYS_fallocate, file, mode, offset, size);
  if (mode == 0) resized(file, result, kGrow, (uint64_t)(offset + size));
  end();
  return result;
}
int fallocate(int file, int mode, off_t offset, off_t size) {
  return allocate(file, mode, offset, size);
}
int fallocate64(int file, int mode, off64_t offset, off64_t size) {
  return allocate(file, mode, offset, size);
}
int posix_fallocate(int file, off_t offset, off_t size) {
  return allocate(file, 0, offset, size) == 0 ? 0 : errno;
}
int posix_fallocate64(int file, off64_t offset, off64_t size) {
  return posix_fallocate(file, offset, size);
}

/* One name, or two, that were changed. Paths are absolute, as the server's are. */
static int changed(int result, enum kind kind, const char* path, const char* other) {
  if (result == 0 && is_ours(path)) put(kind, path, other, other != NULL ? strlen(other) : 0, 0, 0);
  return result;
}

#define CHANGE(NAME, PARAMETERS, CALL, KIND, PATH, OTHER) \
  int NAME PARAMETERS {                                   \
    int result;                                           \
    begin();                                              \
    result = changed((int)CALL, KIND, PATH, OTHER);       \
    end();                                                \
    return result;                                        \
  }
CHANGE(rename, (const char* from, const char* to),
       syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), kRename, from, to)
CHANGE(link, (const char* from, const char* to),
       syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0), kLink, from, to)
CHANGE(unlink, (const char* path), syscall(SYS_unlinkat, AT_FDCWD, path, 0), kUnlink, path, NULL)
CHANGE(rmdir, (const char* path), syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR),
       kRemoveDirectory, path, NULL)
CHANGE(mkdir, (const char* path, mode_t mode), syscall(SYS_mkdirat, AT_FDCWD, path, mode),
       kMakeDirectory, path, NULL)

int remove(const char* path) {
  const int result = unlink(path);
  return result == 0 || (errno != EISDIR && errno != EPERM) ? result : rmdir(path);
}

int unlinkat(int directory, const char* path, int flags) {
  char parent[PATH_MAX], full_path[2 * PATH_MAX];
  uint64_t inode;
  int is_directory, result, is_known = 0;
  begin();
  if (path[0] == '/') {
    snprintf(full_path, sizeof full_path, "%s", path);
    is_known = 1;
  } else if (directory != AT_FDCWD && is_recorded(directory, parent, &inode, &is_directory)) {
    snprintf(full_path, sizeof full_path, "%s/%s", parent, path);
    is_known = 1;
  }
  result = (int)syscall(SYS_unlinkat, directory, path, flags);
  if (is_known)
    changed(result, (flags & AT_REMOVEDIR) != 0 ? kRemoveDirectory : kUnlink, full_path, NULL);
  end();
  return result;
}

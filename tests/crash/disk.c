/* A library that stands between a process and the C library (LD_PRELOAD), to trace and to break what it does to files.
 *
 * Only files under the folder DISK_FOLDER (absolute, without symbolic links) are looked at. Each operation on them can be
 * appended with its bytes to a trace, from which crash_states.py works out what a power cut may leave behind; and the
 * n-th one can fail, once or until further notice. The process itself steers both through the functions disk_* at the
 * end, with ctypes. SQLite's -shm files can fail but are not traced: no process reads them after a crash.
 *
 * One lock is held over each operation and its record, so the order of the trace is the order of what happened.
 * System calls are made directly: nothing has to be looked up, so the library works from the first instruction on.
 * Not seen: stdio's own calls, copy_file_range, sendfile, changes through mmap. The tests check that a trace, played
 * back, gives the folder, so that a program that uses them does not pass unnoticed.
 */
#define _GNU_SOURCE
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

#define EXPORT __attribute__((visibility("default")))
#define N_DESCRIPTORS 4096
#define PATH_BYTES 4096

enum kind { NOT_OURS = 0, TRACED, UNTRACED };
enum need { NOTHING = 0, SPACE = 1, WRITING = 2, SYNCS_FOLDER = 4 };
enum how { UNTIL_FREED = 1, SHORT_FIRST = 2, FOLDERS = 4 };
enum blow { GOES_ON, FAILS, FALLS_SHORT };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned char kinds[N_DESCRIPTORS];
static char root[PATH_BYTES];
static size_t root_bytes;
static int trace = -1;

static long long fails_at, n_calls, n_failed; /* fails_at 0: never */
static int error_number, manner;
static char last_failed[PATH_BYTES + 64];

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("DISK_FOLDER");
    if (folder != NULL && strlen(folder) < sizeof root) {
        strcpy(root, folder);
        root_bytes = strlen(root);
    }
}

/* --- which files ---------------------------------------------------------------------------------------------------- */

static int absolute(int folder, const char *path, char *found)
{
    char link[64];
    ssize_t n = 0;
    if (root_bytes == 0 || path == NULL)
        return 0;
    if (path[0] != '/') {
        if (folder == AT_FDCWD)
            strcpy(link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        n = syscall(SYS_readlinkat, AT_FDCWD, link, found, PATH_BYTES - 2);
        if (n < 0)
            return 0;
        found[n++] = '/';
    }
    if (n + strlen(path) >= PATH_BYTES)
        return 0;
    strcpy(found + n, path);
    return 1;
}

static enum kind kind_of_path(int folder, const char *path, char *found)
{
    int saved = errno;
    int is_known = absolute(folder, path, found);
    size_t n = is_known ? strlen(found) : 0;
    errno = saved;
    if (!is_known || strncmp(found, root, root_bytes) != 0 || (found[root_bytes] != '/' && found[root_bytes] != 0))
        return NOT_OURS;
    return n > 4 && strcmp(found + n - 4, "-shm") == 0 ? UNTRACED : TRACED;
}

static enum kind kind_of(int fd)
{
    return fd >= 0 && fd < N_DESCRIPTORS ? (enum kind)kinds[fd] : NOT_OURS;
}

/* --- the trace ------------------------------------------------------------------------------------------------------ */

struct __attribute__((packed)) header {
    char kind;
    int32_t fd;
    int64_t number;
    uint32_t n_first, n_second;
};

static void put(const void *data, size_t n)
{
    while (n > 0) {
        ssize_t written = syscall(SYS_write, trace, data, n);
        if (written <= 0)
            abort(); /* a trace with a gap would prove nothing */
        data = (const char *)data + written;
        n -= (size_t)written;
    }
}

static void record(char kind, int fd, long long number, const void *first, size_t n_first, const char *second)
{
    int saved = errno;
    struct header header = {kind, fd, number, (uint32_t)n_first, second == NULL ? 0 : (uint32_t)strlen(second)};
    if (trace < 0)
        return;
    put(&header, sizeof header);
    put(first, n_first);
    put(second, header.n_second);
    errno = saved;
}

static void record_path(char kind, int fd, long long number, const char *path)
{
    record(kind, fd, number, path, strlen(path), NULL);
}

/* --- the blows ------------------------------------------------------------------------------------------------------ */

/* Decide whether this call fails: a full disk hurts those that need space, a failing one all of them. */
static enum blow blow(const char *name, int need, const char *path, int fd)
{
    enum blow found = FAILS;
    int awaits_write = (manner & SHORT_FIRST) && (fails_at == 0 || n_calls < fails_at);
    if (awaits_write ? !(need & WRITING) : error_number == ENOSPC && !(need & SPACE))
        return GOES_ON;
    if ((manner & FOLDERS) && !(need & SYNCS_FOLDER))
        return GOES_ON;
    n_calls++;
    if (fails_at == 0 || n_calls < fails_at || (n_calls > fails_at && !(manner & UNTIL_FREED)))
        return GOES_ON;
    if ((manner & SHORT_FIRST) && n_calls == fails_at)
        found = FALLS_SHORT;
    if (n_failed++ == 0) {
        char link[64], target[PATH_BYTES] = "";
        if (path == NULL) {
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, target, sizeof target - 1);
            target[n < 0 ? 0 : n] = 0;
            path = target;
        }
        snprintf(last_failed, sizeof last_failed, "%s %s", name, path);
    }
    errno = error_number;
    return found;
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static int opened(const char *name, int folder, const char *path, int flags, mode_t mode)
{
    char full[PATH_BYTES];
    enum kind kind = kind_of_path(folder, path, full);
    int fd = -1;
    pthread_mutex_lock(&mutex);
    if (kind == NOT_OURS) {
        fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    } else {
        int is_new = (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, full, F_OK) != 0;
        if (blow(name, is_new ? SPACE : NOTHING, full, -1) == GOES_ON)
            fd = (int)syscall(SYS_openat, folder, path, flags, mode);
        if (fd >= N_DESCRIPTORS)
            abort();
        if (fd >= 0 && kind == TRACED)
            record_path('O', fd, flags, full);
    }
    if (fd >= 0 && fd < N_DESCRIPTORS)
        kinds[fd] = (unsigned char)kind;
    pthread_mutex_unlock(&mutex);
    return fd;
}

#define MODE_OF(flags, mode)                                  \
    mode_t mode = 0;                                          \
    if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {   \
        va_list rest;                                         \
        va_start(rest, flags);                                \
        mode = (mode_t)va_arg(rest, int);                     \
        va_end(rest);                                         \
    }

EXPORT int open(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return opened("open", AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return opened("open", AT_FDCWD, path, flags, mode);
}

EXPORT int openat(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return opened("openat", folder, path, flags, mode);
}

EXPORT int openat64(int folder, const char *path, int flags, ...)
{
    MODE_OF(flags, mode)
    return opened("openat", folder, path, flags, mode);
}

EXPORT int __open_2(const char *path, int flags) { return opened("open", AT_FDCWD, path, flags, 0); }
EXPORT int __open64_2(const char *path, int flags) { return opened("open", AT_FDCWD, path, flags, 0); }
EXPORT int __openat_2(int folder, const char *path, int flags) { return opened("openat", folder, path, flags, 0); }
EXPORT int __openat64_2(int folder, const char *path, int flags) { return opened("openat", folder, path, flags, 0); }

/* Write at a place, or with at < 0 where the descriptor stands. */
static ssize_t written(const char *name, int fd, const void *data, size_t n, off_t at)
{
    enum kind kind = kind_of(fd);
    ssize_t done = -1;
    if (kind != NOT_OURS)
        pthread_mutex_lock(&mutex);
    enum blow found = kind == NOT_OURS ? GOES_ON : blow(name, SPACE | (n > 1 ? WRITING : 0), NULL, fd);
    if (found == FALLS_SHORT)
        n /= 2;
    if (found != FAILS)
        done = at < 0 ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, at);
    if (done > 0 && kind == TRACED)
        record('W', fd, at < 0 ? lseek(fd, 0, SEEK_CUR) - done : at, data, (size_t)done, NULL);
    if (kind != NOT_OURS)
        pthread_mutex_unlock(&mutex);
    return done;
}

static ssize_t gathered(const char *name, int fd, const struct iovec *parts, int n_parts, off_t at)
{
    ssize_t total = 0;
    for (int each = 0; each < n_parts; each++) {
        ssize_t done = written(name, fd, parts[each].iov_base, parts[each].iov_len, at < 0 ? at : at + total);
        if (done < 0)
            return total > 0 ? total : -1;
        total += done;
        if ((size_t)done < parts[each].iov_len)
            break;
    }
    return total;
}

EXPORT ssize_t write(int fd, const void *data, size_t n) { return written("write", fd, data, n, -1); }
EXPORT ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { return written("pwrite", fd, data, n, at); }
EXPORT ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { return written("pwrite", fd, data, n, at); }

EXPORT ssize_t writev(int fd, const struct iovec *parts, int n_parts)
{
    return kind_of(fd) == NOT_OURS ? syscall(SYS_writev, fd, parts, n_parts) : gathered("writev", fd, parts, n_parts, -1);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *parts, int n_parts, off_t at)
{
    return gathered("pwritev", fd, parts, n_parts, at);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *parts, int n_parts, off64_t at)
{
    return gathered("pwritev", fd, parts, n_parts, at);
}

/* Operations on a descriptor that move no bytes of ours: `call` makes them, a failed fsync is recorded as F. */
#define ON_DESCRIPTOR(name, need, fd, call, on_success, on_blow)          \
    enum kind kind = kind_of(fd);                                         \
    if (kind == NOT_OURS)                                                 \
        return call;                                                      \
    pthread_mutex_lock(&mutex);                                           \
    ssize_t result = -1;                                                  \
    if (blow(name, need, NULL, fd) == GOES_ON) {                          \
        result = call;                                                    \
        if (result >= 0 && kind == TRACED) {                              \
            on_success;                                                   \
        }                                                                 \
    } else {                                                              \
        on_blow;                                                          \
    }                                                                     \
    pthread_mutex_unlock(&mutex);                                         \
    return result

EXPORT ssize_t read(int fd, void *data, size_t n)
{
    ON_DESCRIPTOR("read", NOTHING, fd, syscall(SYS_read, fd, data, n), (void)0, (void)0);
}

EXPORT ssize_t pread64(int fd, void *data, size_t n, off64_t at)
{
    ON_DESCRIPTOR("pread", NOTHING, fd, syscall(SYS_pread64, fd, data, n, at), (void)0, (void)0);
}

EXPORT ssize_t pread(int fd, void *data, size_t n, off_t at) { return pread64(fd, data, n, at); }

static int cut(int fd, off_t n)
{
    struct stat found;
    int grows = kind_of(fd) != NOT_OURS && fstat(fd, &found) == 0 && n > found.st_size;
    ON_DESCRIPTOR("ftruncate", grows ? SPACE : NOTHING, fd, (int)syscall(SYS_ftruncate, fd, n),
                  record('T', fd, n, NULL, 0, NULL), (void)0);
}

EXPORT int ftruncate(int fd, off_t n) { return cut(fd, n); }
EXPORT int ftruncate64(int fd, off64_t n) { return cut(fd, n); }

static int needs_of_sync(int fd)
{
    struct stat found;
    return SPACE | (kind_of(fd) != NOT_OURS && fstat(fd, &found) == 0 && S_ISDIR(found.st_mode) ? SYNCS_FOLDER : 0);
}

#define SYNCED(name, is_data, call)                                                                             \
    ON_DESCRIPTOR(name, needs_of_sync(fd), fd, (int)(call), record('S', fd, is_data, NULL, 0, NULL),             \
                  record('F', fd, is_data, NULL, 0, NULL))

EXPORT int fsync(int fd) { SYNCED("fsync", 0, syscall(SYS_fsync, fd)); }
EXPORT int fdatasync(int fd) { SYNCED("fdatasync", 1, syscall(SYS_fdatasync, fd)); }

EXPORT int close(int fd)
{
    enum kind kind = kind_of(fd);
    if (kind == NOT_OURS)
        return (int)syscall(SYS_close, fd);
    pthread_mutex_lock(&mutex);
    enum blow found = blow("close", NOTHING, NULL, fd);
    if (kind == TRACED)
        record('C', fd, 0, NULL, 0, NULL);
    kinds[fd] = NOT_OURS;
    int result = (int)syscall(SYS_close, fd); /* a close that fails has closed */
    if (found == FAILS) {
        errno = error_number;
        result = -1;
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

/* --- names ---------------------------------------------------------------------------------------------------------- */

static int moved(char kind, const char *name, int from_folder, const char *from, int to_folder, const char *to, unsigned how)
{
    char source[PATH_BYTES], target[PATH_BYTES];
    int is_ours = kind_of_path(from_folder, from, source) != NOT_OURS;
    is_ours += kind_of_path(to_folder, to, target) != NOT_OURS;
    int result = -1;
    pthread_mutex_lock(&mutex);
    if (!is_ours || blow(name, SPACE, target, -1) == GOES_ON) {
        result = kind == 'R' ? (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, how)
                             : (int)syscall(SYS_linkat, from_folder, from, to_folder, to, how);
        if (result == 0 && is_ours)
            record(kind, -1, how, source, strlen(source), target);
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

EXPORT int rename(const char *from, const char *to) { return moved('R', "rename", AT_FDCWD, from, AT_FDCWD, to, 0); }
EXPORT int link(const char *from, const char *to) { return moved('L', "link", AT_FDCWD, from, AT_FDCWD, to, 0); }

EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return moved('R', "renameat", from_folder, from, to_folder, to, 0);
}

EXPORT int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned how)
{
    return moved('R', "renameat2", from_folder, from, to_folder, to, how);
}

EXPORT int linkat(int from_folder, const char *from, int to_folder, const char *to, int how)
{
    return moved('L', "linkat", from_folder, from, to_folder, to, (unsigned)how);
}

/* 'U' unlink, 'X' rmdir, 'M' mkdir */
static int named(char kind, const char *name, int folder, const char *path, mode_t mode)
{
    char full[PATH_BYTES];
    enum kind found = kind_of_path(folder, path, full);
    int result = -1;
    pthread_mutex_lock(&mutex);
    if (found == NOT_OURS || blow(name, kind == 'M' ? SPACE : NOTHING, full, -1) == GOES_ON) {
        result = kind == 'M' ? (int)syscall(SYS_mkdirat, folder, path, mode)
                             : (int)syscall(SYS_unlinkat, folder, path, kind == 'X' ? AT_REMOVEDIR : 0);
        if (result == 0 && found == TRACED)
            record_path(kind, -1, 0, full);
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

EXPORT int unlink(const char *path) { return named('U', "unlink", AT_FDCWD, path, 0); }
EXPORT int rmdir(const char *path) { return named('X', "rmdir", AT_FDCWD, path, 0); }
EXPORT int mkdir(const char *path, mode_t mode) { return named('M', "mkdir", AT_FDCWD, path, mode); }
EXPORT int mkdirat(int folder, const char *path, mode_t mode) { return named('M', "mkdirat", folder, path, mode); }

EXPORT int unlinkat(int folder, const char *path, int flags)
{
    return named(flags & AT_REMOVEDIR ? 'X' : 'U', "unlinkat", folder, path, 0);
}

/* --- what the process itself calls ---------------------------------------------------------------------------------- */

/* Begin a new trace in a file, or with NULL end tracing. Returns 0, or -1. */
EXPORT int disk_trace(const char *path)
{
    pthread_mutex_lock(&mutex);
    if (trace >= 0)
        syscall(SYS_close, trace);
    trace = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int result = path != NULL && trace < 0 ? -1 : 0;
    pthread_mutex_unlock(&mutex);
    return result;
}

/* Write a number of the caller's into the trace, such as how many writes were acknowledged. */
EXPORT void disk_mark(long long number)
{
    pthread_mutex_lock(&mutex);
    record('A', -1, number, NULL, 0, NULL);
    pthread_mutex_unlock(&mutex);
}

/* Let the n-th call from now fail with an error; n = 0: none. `how` is 0 or a sum of UNTIL_FREED, SHORT_FIRST
 * and FOLDERS: only syncs of folders count. */
EXPORT void disk_break(long long n, int error, int how)
{
    pthread_mutex_lock(&mutex);
    fails_at = n;
    error_number = error;
    manner = how;
    n_calls = n_failed = 0;
    last_failed[0] = 0;
    pthread_mutex_unlock(&mutex);
}

/* Let every call succeed again; the counts stay. */
EXPORT void disk_mend(void)
{
    pthread_mutex_lock(&mutex);
    fails_at = 0;
    pthread_mutex_unlock(&mutex);
}

/* Calls that could have failed since disk_break, those that did, and the first of these. */
EXPORT long long disk_calls(void) { return n_calls; }
EXPORT long long disk_failed(void) { return n_failed; }
EXPORT const char *disk_first_failed(void) { return last_failed; }

/* Counts, logs and breaks the calls by which a process changes files below one folder.
 *
 * Preloaded into a writer. Nothing happens before faults_arm(); from then on every call below the root that could lose data is
 * counted, and the n-th, or the n-th and all that follow, is answered by SIGKILL or by an errno of the caller's choice. What was
 * done is appended to a log, with the data, so that a reader of the log can build every state that a power cut could have left.
 *
 * Threads take one lock around count, call and log: the order in the log is the order on the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ONCE = 0, FROM_THEN_ON = 1 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;
static long count;        /* calls seen since faults_arm */
static long target;       /* the call to break; 0: none */
static int error_number;  /* what it returns; 0: SIGKILL instead */
static int lasting;       /* ONCE or FROM_THEN_ON */
static long delay;        /* microseconds that each call waits: a slow disk */

/* ---- the log: op, two numbers, two paths, data; lengths first ---- */

static void put(char op, int64_t a, int64_t b, const char *one, const char *two, const void *data, size_t size) {
    if (log_fd < 0) return;
    struct __attribute__((packed)) { char op; int64_t a, b; uint32_t one, two, size; } head = {
        op, a, b, one ? strlen(one) : 0, two ? strlen(two) : 0, size};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(one ? one : ""), head.one},
                            {(void *)(two ? two : ""), head.two}, {(void *)data, size}};
    size_t whole = sizeof head + head.one + head.two + size;
    if (syscall(SYS_writev, log_fd, parts, 4) != (long)whole) abort();
}

/* ---- which calls concern us ---- */

static int below(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int fd_path(int fd, char *into) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(name, into, PATH_MAX - 1);
    if (got < 0) return 0;
    into[got] = 0;
    return below(into);
}

static int at_path(int dir, const char *path, char *into) {
    char base[PATH_MAX];
    if (!root_length || !path) return 0;
    if (path[0] == '/') {
        snprintf(into, PATH_MAX, "%s", path);
    } else {
        if (dir == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            fd_path(dir, base);
        }
        if (snprintf(into, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
    }
    return below(into);
}

static int broken(void) { return target && (count == target || (count > target && lasting == FROM_THEN_ON)); }

/* Does not return where the answer is SIGKILL. */
static int refuse(void) {
    if (!error_number) {
        syscall(SYS_kill, getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = error_number;
    return -1;
}

static void count_one(void) {
    count++;
    if (delay) usleep(delay);
}

/* 0: go ahead. -1: errno is set, do not do it. */
static int counted(void) {
    count_one();
    return broken() ? refuse() : 0;
}

/* ---- what the driver calls ---- */

void faults_arm(const char *below_this, const char *log_path, long at, int error, int from_then_on) {
    pthread_mutex_lock(&lock);
    snprintf(root, sizeof root, "%s", below_this);
    count = 0, target = at, error_number = error, lasting = from_then_on;
    log_fd = log_path ? syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    root_length = strlen(root);
    pthread_mutex_unlock(&lock);
}

void faults_slow(long microseconds) { delay = microseconds; }

/* From here on nothing breaks; the log goes on. Returns how many calls there were. */
long faults_calm(void) {
    pthread_mutex_lock(&lock);
    target = 0;
    long seen = count;
    pthread_mutex_unlock(&lock);
    return seen;
}

void faults_note(const char *text) {
    pthread_mutex_lock(&lock);
    put('N', 0, 0, NULL, NULL, text, strlen(text));
    pthread_mutex_unlock(&lock);
}

/* ---- data ---- */

static void log_write(int fd, const char *path, off_t offset, const struct iovec *parts, int many, ssize_t done) {
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - done;
    for (int i = 0; i < many && done > 0; i++) {
        size_t size = parts[i].iov_len < (size_t)done ? parts[i].iov_len : (size_t)done;
        put('W', offset, 0, path, NULL, parts[i].iov_base, size);
        offset += size, done -= size;
    }
}

static ssize_t write_it(int fd, const char *path, const struct iovec *parts, int many, off_t offset) {
    ssize_t done = offset < 0 ? syscall(SYS_writev, fd, parts, many) : syscall(SYS_pwritev, fd, parts, many, (long)offset, 0L);
    int saved = errno;
    if (path && done > 0) log_write(fd, path, offset, parts, many, done);
    errno = saved;
    return done;
}

/* A process dies, and a disk fills up, in the middle of a write rather than before it: the first one broken is done by half. */
static ssize_t break_write(int fd, const char *path, const struct iovec *parts, off_t offset) {
    ssize_t kept = 0;
    if (count == target && parts[0].iov_len > 1 && (!error_number || lasting == FROM_THEN_ON)) {
        struct iovec half = {parts[0].iov_base, parts[0].iov_len / 2};
        kept = write_it(fd, path, &half, 1, offset);
    }
    return kept > 0 && error_number ? kept : refuse();
}

static ssize_t do_write(int fd, const struct iovec *parts, int many, off_t offset) {
    char path[PATH_MAX];
    pthread_mutex_lock(&lock);
    int ours = fd_path(fd, path);
    if (ours) count_one();
    ssize_t done = ours && broken() ? break_write(fd, path, parts, offset) : write_it(fd, ours ? path : NULL, parts, many, offset);
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
    return done;
}

ssize_t write(int fd, const void *data, size_t size) {
    if (!root_length) return syscall(SYS_write, fd, data, size);
    struct iovec one = {(void *)data, size};
    return do_write(fd, &one, 1, -1);
}
ssize_t writev(int fd, const struct iovec *parts, int many) { return do_write(fd, parts, many, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    struct iovec one = {(void *)data, size};
    return do_write(fd, &one, 1, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }
ssize_t pwritev(int fd, const struct iovec *parts, int many, off_t offset) { return do_write(fd, parts, many, offset); }
ssize_t pwritev64(int fd, const struct iovec *parts, int many, off64_t offset) { return do_write(fd, parts, many, offset); }

/* Both copy without showing the data; callers fall back to read and write. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t size) {
    char path[PATH_MAX];
    if (root_length && fd_path(out, path)) return errno = EINVAL, -1;
    return syscall(SYS_sendfile, out, in, offset, size);
}
ssize_t sendfile(int out, int in, off_t *offset, size_t size) { return sendfile64(out, in, offset, size); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    char path[PATH_MAX];
    if (root_length && fd_path(out, path)) return errno = EINVAL, -1;
    return syscall(SYS_copy_file_range, in, from, out, to, size, flags);
}

/* One body for all calls on a file that is open: count, do, log. */
#define ON_FD(op, number, call)                      \
    char path[PATH_MAX];                             \
    pthread_mutex_lock(&lock);                       \
    int ours = fd_path(fd, path), result = -1;       \
    if (!ours || !counted()) result = (call);        \
    int saved = errno;                               \
    if (ours && !result) put(op, number, 0, path, NULL, NULL, 0); \
    pthread_mutex_unlock(&lock);                     \
    errno = saved;                                   \
    return result;

int fsync(int fd) { ON_FD('S', 0, syscall(SYS_fsync, fd)) }
int fdatasync(int fd) { ON_FD('S', 0, syscall(SYS_fdatasync, fd)) }
int ftruncate(int fd, off_t size) { ON_FD('T', size, syscall(SYS_ftruncate, fd, size)) }
int ftruncate64(int fd, off64_t size) { ON_FD('T', size, syscall(SYS_ftruncate, fd, size)) }

/* ---- names ---- */

#define ON_PATH(op, dir, name, call)                 \
    char path[PATH_MAX];                             \
    pthread_mutex_lock(&lock);                       \
    int ours = at_path(dir, name, path), result = -1;\
    if (!ours || !counted()) result = (call);        \
    int saved = errno;                               \
    if (ours && !result) put(op, 0, 0, path, NULL, NULL, 0); \
    pthread_mutex_unlock(&lock);                     \
    errno = saved;                                   \
    return result;

int mkdir(const char *name, mode_t mode) { ON_PATH('D', AT_FDCWD, name, syscall(SYS_mkdirat, AT_FDCWD, name, mode)) }
int mkdirat(int dir, const char *name, mode_t mode) { ON_PATH('D', dir, name, syscall(SYS_mkdirat, dir, name, mode)) }
int unlink(const char *name) { ON_PATH('U', AT_FDCWD, name, syscall(SYS_unlinkat, AT_FDCWD, name, 0)) }
int rmdir(const char *name) { ON_PATH('U', AT_FDCWD, name, syscall(SYS_unlinkat, AT_FDCWD, name, AT_REMOVEDIR)) }
int unlinkat(int dir, const char *name, int flags) { ON_PATH('U', dir, name, syscall(SYS_unlinkat, dir, name, flags)) }

#define ON_PATHS(op, from_dir, from, to_dir, to, call) \
    char one[PATH_MAX], two[PATH_MAX];               \
    pthread_mutex_lock(&lock);                       \
    int ours = at_path(from_dir, from, one), result = -1; \
    ours |= at_path(to_dir, to, two);                \
    if (!ours || !counted()) result = (call);        \
    int saved = errno;                               \
    if (ours && !result) put(op, 0, 0, one, two, NULL, 0); \
    pthread_mutex_unlock(&lock);                     \
    errno = saved;                                   \
    return result;

int rename(const char *a, const char *b) { ON_PATHS('R', AT_FDCWD, a, AT_FDCWD, b, syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 0)) }
int renameat(int x, const char *a, int y, const char *b) { ON_PATHS('R', x, a, y, b, syscall(SYS_renameat2, x, a, y, b, 0)) }
int renameat2(int x, const char *a, int y, const char *b, unsigned flags) { ON_PATHS('R', x, a, y, b, syscall(SYS_renameat2, x, a, y, b, flags)) }
int link(const char *a, const char *b) { ON_PATHS('L', AT_FDCWD, a, AT_FDCWD, b, syscall(SYS_linkat, AT_FDCWD, a, AT_FDCWD, b, 0)) }
int linkat(int x, const char *a, int y, const char *b, int flags) { ON_PATHS('L', x, a, y, b, syscall(SYS_linkat, x, a, y, b, flags)) }

/* An open counts where it makes a file or empties one. */
static int do_open(int dir, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    struct stat before;
    int saved, result = -1;
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !root_length)
        return syscall(SYS_openat, dir, name, flags, mode);
    pthread_mutex_lock(&lock);
    int ours = at_path(dir, name, path);
    int there = ours && !fstatat(dir, name, &before, 0);
    char op = there ? 'T' : 'C';
    ours = ours && (!there || ((flags & O_TRUNC) && !(flags & O_EXCL)));
    if (!ours || !counted()) result = syscall(SYS_openat, dir, name, flags, mode);
    saved = errno;
    if (ours && result >= 0) put(op, 0, 0, path, NULL, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = saved;
    return result;
}

#define WITH_MODE(flags, call)                       \
    mode_t mode = 0;                                 \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {         \
        va_list more;                                \
        va_start(more, flags);                       \
        mode = va_arg(more, mode_t);                 \
        va_end(more);                                \
    }                                                \
    return call;

int open(const char *name, int flags, ...) { WITH_MODE(flags, do_open(AT_FDCWD, name, flags, mode)) }
int open64(const char *name, int flags, ...) { WITH_MODE(flags, do_open(AT_FDCWD, name, flags | O_LARGEFILE, mode)) }
int openat(int dir, const char *name, int flags, ...) { WITH_MODE(flags, do_open(dir, name, flags, mode)) }
int openat64(int dir, const char *name, int flags, ...) { WITH_MODE(flags, do_open(dir, name, flags | O_LARGEFILE, mode)) }
int creat(const char *name, mode_t mode) { return do_open(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* Makes everything below durable, whatever was open. */
int syncfs(int fd) { ON_FD('A', 0, syscall(SYS_syncfs, fd)) }

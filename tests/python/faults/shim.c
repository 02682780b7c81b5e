/* Sits between a process and its files (LD_PRELOAD), for paths below one directory: writes down every operation
 * that changes something, sends a signal or fails at a chosen one, plays a small disk or an unreadable file.
 *
 * An operation is matched by its text: its name and the paths below the directory, such as
 *     fsync run/metrics.jsonl
 *     rename run/checkpoints/.tmp-step-00000003 run/checkpoints/step-00000003
 * Names: create truncate write fsync rename exchange unlink rmdir mkdir link symlink. Without `shim_watch` nothing is
 * touched. `close` is not among them: it changes nothing that the operation before it has not left.
 * Every call goes to the kernel directly; the lock makes the trace's order that of the operations.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The same function under the name for files beyond 2 GiB. */
#define ALSO(alias_name, function) \
    extern __typeof__(function) alias_name __attribute__((alias(#function)));

#define TEXT (2 * PATH_MAX + 32)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX]; /* empty: off */
static int trace = -1;

static char strike_at[512];
static long strike_first, strike_times, strike_seen;
static int strike_signal, strike_error, strike_within;

static char unreadable_at[512];
static int unreadable_on_open;

static char slow_at[512];
static long slow_microseconds;

static int no_exchange;

static int small;
static int64_t room; /* bytes left on a small disk */

/* What the tests call. */

void shim_watch(const char *directory, const char *file)
{
    snprintf(root, sizeof root, "%s", directory);
    if (file)
        trace = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

/* The operations `first` .. `first + times - 1` (from 0) that match get `signal` (before them; `within`: in the
 * middle of a write, after any other), or fail with `error`. */
void shim_strike(const char *pattern, long first, long times, int signal, int within, int error)
{
    snprintf(strike_at, sizeof strike_at, "%s", pattern);
    strike_first = first;
    strike_times = times;
    strike_signal = signal;
    strike_within = within;
    strike_error = error;
}

/* Files that match fail to open, or open and cannot be read. */
void shim_unreadable(const char *pattern, int on_open)
{
    snprintf(unreadable_at, sizeof unreadable_at, "%s", pattern);
    unreadable_on_open = on_open;
}

void shim_slow(const char *pattern, long microseconds)
{
    snprintf(slow_at, sizeof slow_at, "%s", pattern);
    slow_microseconds = microseconds;
}

/* As on a file system that cannot exchange two names. */
void shim_no_exchange(void)
{
    no_exchange = 1;
}

void shim_disk(long long bytes)
{
    small = 1;
    room = bytes;
}

/* Paths. */

static int is_below(const char *path)
{
    size_t length = strlen(root);
    return length && !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static const char *relative(const char *path)
{
    size_t length = strlen(root);
    return path[length] ? path + length + 1 : ".";
}

static int path_of(int descriptor, char *path)
{
    char link[64];
    if (!*root)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static int path_at(int directory, const char *name, char *path)
{
    if (!*root || !name)
        return 0;
    if (*name == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        char base[PATH_MAX];
        if (directory == AT_FDCWD) {
            if (syscall(SYS_getcwd, base, sizeof base) < 0)
                return 0;
        } else if (!path_of(directory, base)) {
            return 0;
        }
        if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX)
            return 0;
    }
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = 0;
    return is_below(path);
}

static int look(const char *path, struct stat *found)
{
    return syscall(SYS_newfstatat, AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW) == 0;
}

/* One operation: `enter` takes the lock and says with which error it fails, `leave` writes it down. */

struct operation {
    const char *name, *first, *second;
    int strikes;
};

static int enter(struct operation *op, const char *name, const char *first, const char *second)
{
    static char text[TEXT];
    pthread_mutex_lock(&lock);
    op->name = name;
    op->first = relative(first);
    op->second = second ? relative(second) : "";
    op->strikes = 0;
    snprintf(text, sizeof text, "%s %s%s%s", name, op->first, second ? " " : "", op->second);
    if (*slow_at && !fnmatch(slow_at, text, FNM_EXTMATCH)) {
        struct timespec pause = {slow_microseconds / 1000000, slow_microseconds % 1000000 * 1000};
        pthread_mutex_unlock(&lock); /* the others go on meanwhile */
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&lock);
        snprintf(text, sizeof text, "%s %s%s%s", name, op->first, second ? " " : "", op->second);
    }
    if (!*strike_at || fnmatch(strike_at, text, FNM_EXTMATCH))
        return 0;
    long number = strike_seen++;
    if (number < strike_first || number >= strike_first + strike_times)
        return 0;
    if (strike_error)
        return strike_error;
    if (strike_within)
        op->strikes = 1;
    else
        kill(getpid(), strike_signal);
    return 0;
}

static void put(const void *data, size_t size)
{
    const char *next = data;
    while (size) {
        ssize_t done = syscall(SYS_write, trace, next, size);
        if (done <= 0)
            abort(); /* a trace with a hole would prove nothing */
        next += done;
        size -= done;
    }
}

static long leave(struct operation *op, long result, int64_t offset, const void *data, size_t size)
{
    int error = result < 0 ? errno : 0;
    if (op->strikes)
        kill(getpid(), strike_signal);
    if (trace >= 0) {
        int64_t head[6] = {strlen(op->name), strlen(op->first), strlen(op->second), size, offset,
                           result < 0 ? -error : result};
        put(head, sizeof head);
        put(op->name, head[0]);
        put(op->first, head[1]);
        put(op->second, head[2]);
        put(data, size);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static long fail(int error)
{
    errno = error;
    return -1;
}

/* The rest of a function whose call needs no more than to be seen. */
#define SEEN(name, first, second, call)                               \
    struct operation op;                                              \
    int error = enter(&op, name, first, second);                      \
    return leave(&op, error ? fail(error) : (call), 0, NULL, 0);

/* Writing. */

static int64_t end_or_cursor(int descriptor)
{
    struct stat found;
    if (syscall(SYS_fcntl, descriptor, F_GETFL) & O_APPEND)
        return syscall(SYS_fstat, descriptor, &found) ? 0 : found.st_size;
    return syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
}

/* How many of `size` bytes at `offset` are to be written: fewer on a full disk or when struck. */
static int64_t grant(struct operation *op, const struct stat *file, int64_t offset, size_t size)
{
    if (op->strikes && size > 1)
        size /= 2;
    if (small) {
        int64_t grows = offset + (int64_t)size - file->st_size;
        if (grows > room) {
            int64_t fits = (int64_t)size - (grows - room);
            if (fits <= 0)
                return 0;
            size = fits;
            grows = room;
        }
        if (grows > 0)
            room -= grows;
    }
    return size;
}

static ssize_t write_at(int descriptor, const void *data, size_t size, int64_t offset, const char *path)
{
    struct operation op;
    struct stat file = {0};
    int error = enter(&op, "write", path, NULL);
    syscall(SYS_fstat, descriptor, &file);
    int64_t place = offset < 0 ? end_or_cursor(descriptor) : offset;
    int64_t granted = error ? 0 : grant(&op, &file, place, size);
    long result;
    if (error || (!granted && size))
        result = fail(error ? error : ENOSPC);
    else if (offset < 0)
        result = syscall(SYS_write, descriptor, data, granted);
    else
        result = syscall(SYS_pwrite64, descriptor, data, granted, offset);
    return leave(&op, result, place, data, result > 0 ? result : 0);
}

ssize_t write(int descriptor, const void *data, size_t size)
{
    char path[PATH_MAX];
    if (!path_of(descriptor, path))
        return syscall(SYS_write, descriptor, data, size);
    return write_at(descriptor, data, size, -1, path);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    char path[PATH_MAX];
    if (!path_of(descriptor, path))
        return syscall(SYS_pwrite64, descriptor, data, size, offset);
    return write_at(descriptor, data, size, offset, path);
}
ALSO(pwrite64, pwrite)

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    char path[PATH_MAX];
    if (!path_of(descriptor, path))
        return syscall(SYS_writev, descriptor, parts, count);
    for (int i = 0; i < count; i++) /* a short write is allowed: the first part that is not empty */
        if (parts[i].iov_len)
            return write_at(descriptor, parts[i].iov_base, parts[i].iov_len, -1, path);
    return 0;
}

/* Copies inside the kernel are refused, so that the caller falls back to `write`. */
ssize_t sendfile(int to, int from, off_t *offset, size_t size)
{
    char path[PATH_MAX];
    return path_of(to, path) ? fail(ENOTSOCK) : syscall(SYS_sendfile, to, from, offset, size);
}
ALSO(sendfile64, sendfile)

ssize_t copy_file_range(int from, off_t *in, int to, off_t *out, size_t size, unsigned flags)
{
    char path[PATH_MAX];
    return path_of(to, path) ? fail(EXDEV) : syscall(SYS_copy_file_range, from, in, to, out, size, flags);
}

int ftruncate(int descriptor, off_t size)
{
    char path[PATH_MAX];
    if (!path_of(descriptor, path))
        return syscall(SYS_ftruncate, descriptor, size);
    struct operation op;
    struct stat file = {0};
    int error = enter(&op, "truncate", path, NULL);
    syscall(SYS_fstat, descriptor, &file);
    long result = error ? fail(error) : syscall(SYS_ftruncate, descriptor, size);
    if (small && !result)
        room += file.st_size - size;
    return leave(&op, result, size, NULL, 0);
}
ALSO(ftruncate64, ftruncate)

static int synced(int descriptor, long number)
{
    char path[PATH_MAX];
    if (!path_of(descriptor, path))
        return syscall(number, descriptor);
    SEEN("fsync", path, NULL, syscall(number, descriptor))
}

int fsync(int descriptor) { return synced(descriptor, SYS_fsync); }

int fdatasync(int descriptor) { return synced(descriptor, SYS_fdatasync); }

/* Opening. */

static int opened(int directory, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    struct stat file = {0};
    if (!path_at(directory, name, path))
        return syscall(SYS_openat, directory, name, flags, mode);
    int there = look(path, &file);
    int creates = !there && flags & O_CREAT;
    int truncates = there && flags & O_TRUNC && !(flags & O_EXCL);
    if (!creates && !truncates) {
        if (*unreadable_at && unreadable_on_open && !fnmatch(unreadable_at, relative(path), FNM_EXTMATCH))
            return fail(EIO);
        return syscall(SYS_openat, directory, name, flags, mode);
    }
    struct operation op;
    int error = enter(&op, creates ? "create" : "truncate", path, NULL);
    long result = error ? fail(error) : syscall(SYS_openat, directory, name, flags, mode);
    if (small && truncates && result >= 0)
        room += file.st_size;
    return leave(&op, result, 0, NULL, 0);
}

#define MODE(flags, last)                                  \
    mode_t mode = 0;                                       \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                 \
        va_list more;                                      \
        va_start(more, last);                              \
        mode = va_arg(more, mode_t);                       \
        va_end(more);                                      \
    }

int open(const char *name, int flags, ...)
{
    MODE(flags, flags)
    return opened(AT_FDCWD, name, flags, mode);
}
ALSO(open64, open)

int openat(int directory, const char *name, int flags, ...)
{
    MODE(flags, flags)
    return opened(directory, name, flags, mode);
}
ALSO(openat64, openat)

int creat(const char *name, mode_t mode) { return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }
ALSO(creat64, creat)

/* Names. */

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    char source[PATH_MAX], target[PATH_MAX];
    int below = path_at(from, old, source);
    if (!(path_at(to, new, target) && below))
        return syscall(SYS_renameat2, from, old, to, new, flags);
    struct operation op;
    struct stat replaced = {0};
    int error = enter(&op, flags & RENAME_EXCHANGE ? "exchange" : "rename", source, target);
    if (flags & RENAME_EXCHANGE && no_exchange)
        error = EINVAL;
    int replaces = !(flags & RENAME_EXCHANGE) && look(target, &replaced) && S_ISREG(replaced.st_mode);
    long result = error ? fail(error) : syscall(SYS_renameat2, from, old, to, new, flags);
    if (small && !result && replaces)
        room += replaced.st_size;
    return leave(&op, result, 0, NULL, 0);
}

int renameat(int from, const char *old, int to, const char *new) { return renameat2(from, old, to, new, 0); }

int rename(const char *old, const char *new) { return renameat2(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int directory, const char *name, int flags)
{
    char path[PATH_MAX];
    struct stat file = {0};
    if (!path_at(directory, name, path) || !look(path, &file)) /* nothing there is no change */
        return syscall(SYS_unlinkat, directory, name, flags);
    struct operation op;
    int error = enter(&op, flags & AT_REMOVEDIR ? "rmdir" : "unlink", path, NULL);
    long result = error ? fail(error) : syscall(SYS_unlinkat, directory, name, flags);
    if (small && !result && S_ISREG(file.st_mode) && file.st_nlink == 1)
        room += file.st_size;
    return leave(&op, result, 0, NULL, 0);
}

int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }

int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int directory, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    struct stat made = {0};
    if (!path_at(directory, name, path) || look(path, &made)) /* one that is there is no change */
        return syscall(SYS_mkdirat, directory, name, mode);
    SEEN("mkdir", path, NULL, syscall(SYS_mkdirat, directory, name, mode))
}

int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int linkat(int from, const char *old, int to, const char *new, int flags)
{
    char source[PATH_MAX], target[PATH_MAX];
    int below = path_at(from, old, source);
    if (!(path_at(to, new, target) && below))
        return syscall(SYS_linkat, from, old, to, new, flags);
    SEEN("link", source, target, syscall(SYS_linkat, from, old, to, new, flags))
}

int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int symlinkat(const char *content, int directory, const char *name)
{
    char path[PATH_MAX];
    if (!path_at(directory, name, path))
        return syscall(SYS_symlinkat, content, directory, name);
    SEEN("symlink", path, NULL, syscall(SYS_symlinkat, content, directory, name))
}

int symlink(const char *content, const char *name) { return symlinkat(content, AT_FDCWD, name); }

/* Reading what cannot be read. */

static int is_unreadable(int descriptor)
{
    char path[PATH_MAX];
    return *unreadable_at && path_of(descriptor, path) && !fnmatch(unreadable_at, relative(path), FNM_EXTMATCH);
}

ssize_t read(int descriptor, void *data, size_t size)
{
    return is_unreadable(descriptor) ? fail(EIO) : syscall(SYS_read, descriptor, data, size);
}

ssize_t pread(int descriptor, void *data, size_t size, off_t offset)
{
    return is_unreadable(descriptor) ? fail(EIO) : syscall(SYS_pread64, descriptor, data, size, offset);
}
ALSO(pread64, pread)

/* Touching mapped pages that cannot be read is a SIGBUS: so are the pages of a file without any. */
void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset)
{
    if (descriptor >= 0 && is_unreadable(descriptor))
        descriptor = syscall(SYS_memfd_create, "unreadable", MFD_CLOEXEC);
    return (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
}
ALSO(mmap64, mmap)

/* How much is left of a small disk. */

int statvfs64(const char *name, struct statvfs64 *found)
{
    char path[PATH_MAX];
    int (*real)(const char *, struct statvfs64 *) = dlsym(RTLD_NEXT, "statvfs64");
    int result = real ? real(name, found) : fail(ENOSYS);
    if (!result && small && path_at(AT_FDCWD, name, path))
        found->f_bavail = found->f_bfree = room / found->f_frsize;
    return result;
}

/* The same where a long has 64 bits. */
int statvfs(const char *name, struct statvfs *found) { return statvfs64(name, (struct statvfs64 *)found); }

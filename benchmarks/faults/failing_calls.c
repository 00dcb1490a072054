/* System calls that fail when they are told to, put in front of the C library by LD_PRELOAD.

   The file named by OOC_FAULTS holds `struct state`, which all processes of a command share and
   `benchmarks.faults.injector` writes.  Only calls on paths below its folders count.  What the C
   library calls itself, such as the writes of fwrite, does not come past here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, SYNC, NAME, CREATE, FOLDER, RESIZE, CLOSE, ANY, N_CALLS };
enum { FAIL, SHORT, SIGNAL };
#define N_FOLDERS 4
#define FOLDER_BYTES 1024

struct state {
    int32_t call, effect, error, signal, pid, onward;
    int64_t first;           /* the number, from 1, of the first call that fails; 0: none does */
    int64_t n_done;          /* calls that failed */
    int64_t counts[N_CALLS]; /* calls seen */
    char folders[N_FOLDERS][FOLDER_BYTES];
};

static struct state *state;

__attribute__((constructor)) static void map_state(void)
{
    const char *path = getenv("OOC_FAULTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    state = mapped == MAP_FAILED ? NULL : mapped;
    close(file);
}

static int is_below(const char *path)
{
    for (int i = 0; i < N_FOLDERS; i++) {
        size_t length = strlen(state->folders[i]);
        if (length && !strncmp(path, state->folders[i], length)
            && (path[length] == '/' || !path[length] || path[length] == ' '))
            return 1;
    }
    return 0;
}

static int fd_is_below(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static int path_is_below(int folder, const char *path)
{
    char whole[2 * PATH_MAX], base[PATH_MAX];
    if (!path)
        return 0;
    if (path[0] == '/')
        return is_below(path);
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base))
            return 0;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, base, sizeof base - 1);
        if (length < 0)
            return 0;
        base[length] = 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return is_below(whole);
}

/* Count a call; whether it has to go wrong now. */
static int counted(int call)
{
    int64_t of_its_kind = __atomic_add_fetch(&state->counts[call], 1, __ATOMIC_SEQ_CST);
    int64_t of_all = __atomic_add_fetch(&state->counts[ANY], 1, __ATOMIC_SEQ_CST);
    int64_t number = state->call == ANY ? of_all : of_its_kind;
    if (!state->first || (state->call != ANY && state->call != call))
        return 0;
    if (state->onward ? number < state->first : number != state->first)
        return 0;
    __atomic_add_fetch(&state->n_done, 1, __ATOMIC_SEQ_CST);
    if (state->effect != SIGNAL)
        return 1;
    kill(state->pid, state->signal);
    return 0;
}

static int goes_wrong(int call, int is_concerned)
{
    return is_concerned && counted(call);
}

static int fd_goes_wrong(int call, int fd)
{
    int before = errno;
    int wrong = state && goes_wrong(call, fd_is_below(fd));
    errno = before;
    return wrong;
}

static int path_goes_wrong(int call, int folder, const char *path)
{
    int before = errno;
    int wrong = state && goes_wrong(call, path_is_below(folder, path));
    errno = before;
    return wrong;
}

static int failed(void)
{
    errno = state->error;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define SHORTENED(count) ((count) > 1 ? (count) / 2 : (count))

/* ---- Writing. */

#define WRITE_LIKE(name, parameters, arguments, shorter)          \
    ssize_t name parameters                                       \
    {                                                             \
        static __typeof__(&name) real;                            \
        if (!real)                                                \
            real = REAL(name);                                    \
        if (fd_goes_wrong(WRITE, fd)) {                           \
            if (state->effect == FAIL)                            \
                return failed();                                  \
            return real shorter;                                  \
        }                                                         \
        return real arguments;                                    \
    }

WRITE_LIKE(write, (int fd, const void *from, size_t n), (fd, from, n), (fd, from, SHORTENED(n)))
WRITE_LIKE(pwrite, (int fd, const void *from, size_t n, off_t at), (fd, from, n, at),
           (fd, from, SHORTENED(n), at))
WRITE_LIKE(pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at),
           (fd, from, SHORTENED(n), at))
WRITE_LIKE(writev, (int fd, const struct iovec *from, int n), (fd, from, n),
           (fd, from, SHORTENED(n)))
WRITE_LIKE(pwritev, (int fd, const struct iovec *from, int n, off_t at), (fd, from, n, at),
           (fd, from, SHORTENED(n), at))
WRITE_LIKE(pwritev64, (int fd, const struct iovec *from, int n, off64_t at), (fd, from, n, at),
           (fd, from, SHORTENED(n), at))

ssize_t sendfile(int fd, int in, off_t *at, size_t n)
{
    ssize_t (*real)(int, int, off_t *, size_t) = dlsym(RTLD_NEXT, "sendfile");
    if (fd_goes_wrong(WRITE, fd)) {
        if (state->effect == FAIL)
            return failed();
        n = SHORTENED(n);
    }
    return real(fd, in, at, n);
}

ssize_t sendfile64(int fd, int in, off64_t *at, size_t n)
{
    return sendfile(fd, in, at, n);
}

ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *at, size_t n, unsigned flags)
{
    if (fd_goes_wrong(WRITE, fd)) {
        if (state->effect == FAIL)
            return failed();
        n = SHORTENED(n);
    }
    return REAL(copy_file_range)(in, from, fd, at, n, flags);
}

/* ---- What either fails or is done. */

#define OF_FD(call, type, name, parameters, arguments)            \
    type name parameters                                          \
    {                                                             \
        if (fd_goes_wrong(call, fd))                              \
            return failed();                                      \
        return REAL(name) arguments;                              \
    }

/* These return the error and leave errno alone. */
#define OF_FD_ERROR(call, name, parameters, arguments)            \
    int name parameters                                           \
    {                                                             \
        if (fd_goes_wrong(call, fd))                              \
            return state->error;                                  \
        return REAL(name) arguments;                              \
    }

#define OF_PATH(call, name, parameters, folder, path, arguments)  \
    int name parameters                                           \
    {                                                             \
        if (path_goes_wrong(call, folder, path))                  \
            return failed();                                      \
        return REAL(name) arguments;                              \
    }

OF_FD(SYNC, int, fsync, (int fd), (fd))
OF_FD(SYNC, int, fdatasync, (int fd), (fd))
OF_FD(SYNC, int, sync_file_range, (int fd, off64_t at, off64_t n, unsigned flags),
      (fd, at, n, flags))
OF_FD(RESIZE, int, ftruncate, (int fd, off_t n), (fd, n))
OF_FD(RESIZE, int, ftruncate64, (int fd, off64_t n), (fd, n))
OF_FD(RESIZE, int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
OF_FD(RESIZE, int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
OF_FD_ERROR(RESIZE, posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n))
OF_FD_ERROR(RESIZE, posix_fallocate64, (int fd, off64_t at, off64_t n), (fd, at, n))
OF_PATH(NAME, rename, (const char *from, const char *to), AT_FDCWD, to, (from, to))
OF_PATH(NAME, renameat, (int a, const char *from, int b, const char *to), b, to, (a, from, b, to))
OF_PATH(NAME, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), b, to,
        (a, from, b, to, flags))
OF_PATH(NAME, link, (const char *from, const char *to), AT_FDCWD, to, (from, to))
OF_PATH(NAME, linkat, (int a, const char *from, int b, const char *to, int flags), b, to,
        (a, from, b, to, flags))
OF_PATH(FOLDER, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
OF_PATH(FOLDER, mkdirat, (int folder, const char *path, mode_t mode), folder, path,
        (folder, path, mode))

int msync(void *from, size_t n, int flags) /* whose file it is cannot be asked: all count */
{
    if (state && state->folders[0][0] && counted(SYNC))
        return failed();
    return REAL(msync)(from, n, flags);
}

int close(int fd) /* which closes also where it fails */
{
    static int (*real)(int);
    if (!real)
        real = REAL(close);
    int before = errno;
    int flags = state ? fcntl(fd, F_GETFL) : -1;
    errno = before;
    int wrong = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && fd_goes_wrong(CLOSE, fd);
    int done = real(fd);
    return wrong ? failed() : done;
}

/* ---- Making files. */

#define MAKES(flags) ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE)
#define MODE_OF(flags)                                            \
    mode_t mode = 0;                                              \
    if (MAKES(flags)) {                                           \
        va_list more;                                             \
        va_start(more, flags);                                    \
        mode = va_arg(more, mode_t);                              \
        va_end(more);                                             \
    }

#define OPEN_LIKE(name)                                           \
    int name(const char *path, int flags, ...)                    \
    {                                                             \
        MODE_OF(flags)                                            \
        if (MAKES(flags) && path_goes_wrong(CREATE, AT_FDCWD, path)) \
            return failed();                                      \
        return REAL(name)(path, flags, mode);                     \
    }

#define OPENAT_LIKE(name)                                         \
    int name(int folder, const char *path, int flags, ...)        \
    {                                                             \
        MODE_OF(flags)                                            \
        if (MAKES(flags) && path_goes_wrong(CREATE, folder, path)) \
            return failed();                                      \
        return REAL(name)(folder, path, flags, mode);             \
    }

#define FOPEN_LIKE(name)                                          \
    FILE *name(const char *path, const char *mode)                \
    {                                                             \
        if (mode[0] != 'r' && path_goes_wrong(CREATE, AT_FDCWD, path)) { \
            failed();                                             \
            return NULL;                                          \
        }                                                         \
        return REAL(name)(path, mode);                            \
    }

OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)
FOPEN_LIKE(fopen)
FOPEN_LIKE(fopen64)
OF_PATH(CREATE, creat, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
OF_PATH(CREATE, creat64, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))

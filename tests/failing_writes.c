/* Writing to regular files that fails at the n-th call, for a process that loads this first. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int n_calls, failing_call, last_failing_call, error_number;

/* Fail the calls number first to last, counted from 1; 0 fails none. */
void fail_writes(int first, int last, int number) {
    n_calls = 0;
    failing_call = first;
    last_failing_call = last;
    error_number = number;
}

int count_writes(void) { return n_calls; }

static int fails(int file) {
    struct stat found;
    if (fstat(file, &found) || !S_ISREG(found.st_mode)) return 0;
    int number = __sync_add_and_fetch(&n_calls, 1);
    if (!failing_call || number < failing_call || number > last_failing_call) return 0;
    errno = error_number;
    return 1;
}

#define REAL(name) ((typeof(name) *)dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t n) {
    return fails(file) ? -1 : REAL(write)(file, bytes, n);
}

ssize_t pwrite(int file, const void *bytes, size_t n, off_t position) {
    return fails(file) ? -1 : REAL(pwrite)(file, bytes, n, position);
}

ssize_t pwrite64(int file, const void *bytes, size_t n, off64_t position) {
    return fails(file) ? -1 : REAL(pwrite64)(file, bytes, n, position);
}

int ftruncate(int file, off_t n) { return fails(file) ? -1 : REAL(ftruncate)(file, n); }

int ftruncate64(int file, off64_t n) { return fails(file) ? -1 : REAL(ftruncate64)(file, n); }

int fsync(int file) { return fails(file) ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return fails(file) ? -1 : REAL(fdatasync)(file); }

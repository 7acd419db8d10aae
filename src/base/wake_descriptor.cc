#include "base/wake_descriptor.h"

#include <fcntl.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/eventfd.h>
#endif

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace tcsync::base {
namespace {

[[noreturn]] void ThrowErrno() {
  throw std::system_error(
      errno, std::generic_category(),
      "no descriptor is left; close others, or raise the limit of open files (ulimit -n)");
}

#if defined(__linux__)

void Open(int& read_end, int& write_end) {
  read_end = write_end = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (read_end < 0) ThrowErrno();
}

// Atomically replaces the file behind the number, so that a Wake() on another thread never reaches
// a foreign file.
void Replace(int number, int by) {
  if (dup3(by, number, O_CLOEXEC) < 0) ThrowErrno();
}

#else

void MakeQuiet(int fd) {
  // Cannot fail for an open descriptor.
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, O_NONBLOCK);
}

void Open(int& read_end, int& write_end) {
  int ends[2];
  if (pipe(ends) != 0) ThrowErrno();
  read_end = ends[0];
  write_end = ends[1];
  MakeQuiet(read_end);
  MakeQuiet(write_end);
}

void Replace(int number, int by) {
  if (dup2(by, number) < 0) ThrowErrno();
  MakeQuiet(number);
}

#endif

void Close(int read_end, int write_end) {
  close(read_end);
  if (write_end != read_end) close(write_end);
}

}  // namespace

WakeDescriptor::WakeDescriptor() { Open(read_end_, write_end_); }

WakeDescriptor::~WakeDescriptor() { Close(read_end_, write_end_); }

void WakeDescriptor::Wake() const noexcept {
  const int errno_before = errno;
  const uint64_t one = 1;
  // Fails only when the count would overflow; then it is readable anyway.
  while (write(write_end_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  errno = errno_before;
}

void WakeDescriptor::Drain() const noexcept {
  char bytes[1024];
  while (true) {
    const ssize_t count = read(read_end_, bytes, sizeof(bytes));
    if (count < 0 && errno == EINTR) continue;
    // An eventfd is empty after one read, and a pipe after one that does not fill the buffer.
    if (count < static_cast<ssize_t>(sizeof(bytes))) return;
  }
}

void WakeDescriptor::Renew() {
  int read_end = -1;
  int write_end = -1;
  Open(read_end, write_end);
  try {
    Replace(read_end_, read_end);
    if (write_end_ != read_end_) Replace(write_end_, write_end);
  } catch (...) {
    Close(read_end, write_end);
    throw;
  }
  Close(read_end, write_end);
}

}  // namespace tcsync::base

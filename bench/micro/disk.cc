#include "micro/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace tcsync::micro {
namespace {

void CheckSystem(bool done, const char* call) {
  if (done) return;
  std::perror(call);
  std::exit(1);
}

}  // namespace

RawFile::RawFile(const std::string& path)
    : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
  CheckSystem(file_ >= 0, path.c_str());
}

RawFile::~RawFile() { close(file_); }

void RawFile::WriteAt(absl::string_view bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file_, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    CheckSystem(written > 0, "cannot write");
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
}

void RawFile::Sync() {
#ifdef __APPLE__
  CheckSystem(fcntl(file_, F_FULLFSYNC) == 0, "cannot sync");
#else
  CheckSystem(fdatasync(file_) == 0, "cannot sync");
#endif
}

}  // namespace tcsync::micro

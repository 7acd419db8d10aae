// A directory for a command's own files.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_TEMPORARY_DIRECTORY_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_TEMPORARY_DIRECTORY_H_

#include <string>
#include <string_view>

namespace tcsync::server {

// A directory of this user's only, which is removed with its content when this object is destroyed.
class TemporaryDirectory {
 public:
  // In TMPDIR or /tmp, with a name that begins with `name`. Throws Failure.
  explicit TemporaryDirectory(std::string_view name);
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_TEMPORARY_DIRECTORY_H_

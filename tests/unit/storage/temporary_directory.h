// A directory for a test, removed at its end.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_TEMPORARY_DIRECTORY_H_
#define TCSYNC_TESTS_UNIT_STORAGE_TEMPORARY_DIRECTORY_H_

#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace tcsync {

// A new, empty directory; removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "tcsync-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      std::perror("cannot make a temporary directory");
      std::abort();
    }
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_TEMPORARY_DIRECTORY_H_

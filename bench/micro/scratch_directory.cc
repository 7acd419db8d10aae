#include "micro/scratch_directory.h"

#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace tcsync::micro {

ScratchDirectory::ScratchDirectory() {
  const char* const chosen = std::getenv("TCSYNC_BENCH_DIR");
  const std::filesystem::path parent =
      chosen != nullptr && *chosen != '\0' ? chosen : std::filesystem::temp_directory_path();
  path_ = (parent / "tcsync-bench-XXXXXX").string();
  if (mkdtemp(path_.data()) == nullptr) {
    std::perror(("cannot make a directory in " + parent.string()).c_str());
    std::exit(1);
  }
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tcsync::micro

#include "server/administration/temporary_directory.h"

#include <stdlib.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "server/concat.h"
#include "server/owned_handles.h"

namespace tcsync::server {

TemporaryDirectory::TemporaryDirectory(std::string_view name) {
  std::error_code error;
  std::filesystem::path base = std::filesystem::temp_directory_path(error);
  if (error) base = "/tmp";
  path_ = (base / Concat({name, "-XXXXXX"})).string();
  if (mkdtemp(path_.data()) == nullptr) {
    throw Failure(kExitFailure, Concat({"cannot make the directory ", path_, ": ",
                                        std::generic_category().message(errno)}));
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) {
    std::fprintf(stderr, "tcsync-server: cannot remove %s: %s\n", path_.c_str(),
                 error.message().c_str());
  }
}

}  // namespace tcsync::server

// A file that is said to be the reference server's database: it is read, or refused with a
// sentence.
#include "server/administration/reference_database.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/owned_handles.h"
#include "tests/fuzz/target.h"

namespace tcsync::fuzz {
namespace {

// One file for all inputs, in memory where there is such a place; removed at the end.
class File {
 public:
  File()
      : path_((std::filesystem::exists("/dev/shm")
                   ? std::string("/dev/shm")
                   : std::filesystem::temp_directory_path().string()) +
              "/tcsync-fuzz-" + std::to_string(getpid())) {}
  ~File() { std::remove(path_.c_str()); }

  const std::string& Write(absl::string_view bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
    return path_;
  }

 private:
  const std::string path_;
};

}  // namespace
}  // namespace tcsync::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tcsync;
  static fuzz::File file;
  const std::string& path =
      file.Write(absl::string_view(reinterpret_cast<const char*>(data), size));
  try {
    server::ReferenceDatabase database(path);
    database.ForEachClient([&](const server::ReferenceClient& client) {
      std::string before;
      for (const server::ReferenceVersion& version : client.chain) {
        fuzz::Expect(before.empty() || version.parent_version_id == before,
                     "a chain's versions follow each other");
        before = version.version_id;
        static_cast<void>(database.Segment(version.version_id));
      }
      if (client.snapshot) static_cast<void>(database.SnapshotBytes(client.client_id));
    });
  } catch (const server::Failure& failure) {
    fuzz::Expect(std::string(failure.what()).find(path) != std::string::npos,
                 "a refusal names the file");
  }
  return 0;
}

#include "storage/rocksdb/manifest.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace tcsync::rocksdb_storage {

std::optional<uint64_t> ManifestNumberOf(absl::string_view file_name) {
  uint64_t number = 0;
  if (!absl::ConsumePrefix(&file_name, "MANIFEST-") || file_name.empty() ||
      !std::all_of(file_name.begin(), file_name.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(file_name, &number)) {
    return std::nullopt;
  }
  return number;
}

std::optional<uint64_t> ManifestNumberInCurrent(absl::string_view bytes) {
  return absl::ConsumeSuffix(&bytes, "\n") ? ManifestNumberOf(bytes) : std::nullopt;
}

std::optional<uint64_t> CurrentManifestNumber(rocksdb::Env& env, const std::string& database_path) {
  std::string bytes;
  const rocksdb::Status read =
      rocksdb::ReadFileToString(&env, absl::StrCat(database_path, "/CURRENT"), &bytes);
  return read.ok() ? ManifestNumberInCurrent(bytes) : std::nullopt;
}

}  // namespace tcsync::rocksdb_storage

#include "storage/rocksdb/release_note.h"

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rocksdb/version.h"

namespace tcsync::rocksdb_storage {
namespace {

using Release = std::array<int, 3>;

constexpr Release kThisRelease = {ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH};
constexpr absl::string_view kOptionsPrefix = "OPTIONS-";
constexpr absl::string_view kReleasePrefix = "rocksdb_version=";

// The release is at the beginning of the file, in its second section.
constexpr size_t kOptionsBytesRead = 4096;

std::string ToText(const Release& release) { return absl::StrJoin(release, "."); }

std::optional<Release> ParseRelease(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  Release release{};
  if (parts.size() != release.size()) return std::nullopt;
  for (size_t i = 0; i < release.size(); ++i) {
    if (!absl::SimpleAtoi(parts[i], &release[i])) return std::nullopt;
  }
  return release;
}

// From the newest file of options, which every release writes after it has opened a database.
std::optional<Release> LastRelease(rocksdb::Env& env, const std::string& database_path) {
  std::vector<std::string> names;
  if (!env.GetChildren(database_path, &names).ok()) return std::nullopt;
  uint64_t newest = 0;
  std::string newest_name;
  for (const std::string& name : names) {
    absl::string_view digits = name;
    uint64_t number = 0;
    if (absl::ConsumePrefix(&digits, kOptionsPrefix) && absl::SimpleAtoi(digits, &number) &&
        number >= newest) {
      newest = number;
      newest_name = name;
    }
  }
  if (newest_name.empty()) return std::nullopt;
  std::unique_ptr<rocksdb::SequentialFile> file;
  std::array<char, kOptionsBytesRead> buffer;
  rocksdb::Slice read;
  if (!env.NewSequentialFile(absl::StrCat(database_path, "/", newest_name), &file,
                             rocksdb::EnvOptions())
           .ok() ||
      !file->Read(buffer.size(), &read, buffer.data()).ok()) {
    return std::nullopt;
  }
  for (absl::string_view line : absl::StrSplit(absl::string_view(read.data(), read.size()), '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, kReleasePrefix)) return ParseRelease(line);
  }
  return std::nullopt;
}

}  // namespace

std::string NewerReleaseNote(rocksdb::Env& env, const std::string& database_path) {
  const std::optional<Release> last = LastRelease(env, database_path);
  if (!last || *last <= kThisRelease) return "";
  return absl::StrCat("; RocksDB ", ToText(*last), " had it open last, and this is ",
                      ToText(kThisRelease),
                      ", which may be too old for it: run tcsync-server on the system with the "
                      "newer one, or restore a backup from before that");
}

}  // namespace tcsync::rocksdb_storage

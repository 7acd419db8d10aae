#include "storage/rocksdb/database_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rocksdb/file_checksum.h"
#include "storage/rocksdb/directories.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr absl::string_view kHead = "tcsync database ";
// The distance keeps a torn write of one from damaging another: a disk writes this much at once.
constexpr size_t kPartBytes = 4096;
constexpr size_t kMarks = 2;
constexpr size_t kLineBytesMax = 256;

std::string ChecksumOf(absl::string_view text) {
  const std::unique_ptr<rocksdb::FileChecksumGenerator> generator =
      rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator({});
  generator->Update(text.data(), text.size());
  generator->Finalize();
  return absl::BytesToHexString(generator->GetChecksum());
}

struct NumberedMark {
  uint64_t number = 0;
  LogMark mark;
};

std::string LineOf(const NumberedMark& numbered) {
  const LogMark& mark = numbered.mark;
  const std::string text = absl::StrCat(
      numbered.number, " log ", mark.log_number, " from ", mark.first_sequence, " to ",
      mark.last_sequence, " manifest ", mark.manifest_number, " ", mark.manifest_bytes, " crc32c ");
  std::string line = absl::StrCat(text, ChecksumOf(text));
  line.resize(kLineBytesMax, '\n');
  return line;
}

std::optional<NumberedMark> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  NumberedMark result;
  LogMark& mark = result.mark;
  if (words.size() != 12 || !absl::SimpleAtoi(words[0], &result.number) ||
      !absl::SimpleAtoi(words[2], &mark.log_number) ||
      !absl::SimpleAtoi(words[4], &mark.first_sequence) ||
      !absl::SimpleAtoi(words[6], &mark.last_sequence) ||
      !absl::SimpleAtoi(words[8], &mark.manifest_number) ||
      !absl::SimpleAtoi(words[9], &mark.manifest_bytes)) {
    return std::nullopt;
  }
  std::string expected = LineOf(result);
  absl::StripTrailingAsciiWhitespace(&expected);
  return line == expected ? std::make_optional(result) : std::nullopt;
}

absl::Status Damaged(const std::string& path) {
  return absl::DataLossError(absl::StrCat(path, " is damaged"));
}

}  // namespace

DatabaseFile::DatabaseFile(std::string path, int fd, std::string database_id)
    : path_(std::move(path)), fd_(fd), database_id_(std::move(database_id)) {}

DatabaseFile::DatabaseFile(DatabaseFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      database_id_(std::move(other.database_id_)),
      mark_(other.mark_),
      number_(other.number_) {}

DatabaseFile::~DatabaseFile() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<DatabaseFile> DatabaseFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, "open", path);
  DatabaseFile file(path, fd, "");
  std::string bytes(kPartBytes * (1 + kMarks), '\0');
  const ssize_t size = pread(fd, bytes.data(), bytes.size(), 0);
  if (size < 0) return SystemError(errno, "read", path);
  if (static_cast<size_t>(size) != bytes.size()) return Damaged(path);
  const auto line_at = [&bytes](size_t position) {
    const absl::string_view part = absl::string_view(bytes).substr(position, kLineBytesMax);
    return part.substr(0, part.find('\n'));
  };
  absl::string_view head = line_at(0);
  if (!absl::ConsumePrefix(&head, kHead) || head.empty()) return Damaged(path);
  file.database_id_ = std::string(head);
  bool has_damage = false;
  for (size_t i = 1; i <= kMarks; ++i) {
    const absl::string_view line = line_at(kPartBytes * i);
    if (line.empty()) continue;
    const std::optional<NumberedMark> found = ParseLine(line);
    if (!found) {
      has_damage = true;
    } else if (found->number > file.number_) {
      file.number_ = found->number;
      file.mark_ = found->mark;
    }
  }
  if (has_damage && !file.mark_) return Damaged(path);
  return file;
}

absl::StatusOr<DatabaseFile> DatabaseFile::Create(const std::string& path,
                                                  const std::string& database_id) {
  const std::string new_path = absl::StrCat(path, ".new");
  const int fd = open(new_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(errno, "create", new_path);
  DatabaseFile file(path, fd, database_id);
  std::string bytes = absl::StrCat(kHead, database_id);
  bytes.resize(kPartBytes * (1 + kMarks), '\n');
  if (const absl::Status written = WriteSynced(fd, bytes, new_path); !written.ok()) return written;
  if (std::rename(new_path.c_str(), path.c_str()) != 0) {
    return SystemError(errno, "rename", new_path);
  }
  const absl::Status synced = SyncDirectory(path.substr(0, path.rfind('/')));
  if (!synced.ok()) return synced;
  return file;
}

absl::Status DatabaseFile::Write(const LogMark& mark) {
  if (mark_ == mark) return absl::OkStatus();
  const NumberedMark next{number_ + 1, mark};
  const std::string line = LineOf(next);
  const auto position = static_cast<off_t>(kPartBytes * (1 + next.number % kMarks));
  if (pwrite(fd_, line.data(), line.size(), position) != static_cast<ssize_t>(line.size())) {
    return SystemError(errno, "write", path_);
  }
  // Its length does not change, so this writes one block.
#ifdef __linux__
  const int result = fdatasync(fd_);
#else
  const int result = fsync(fd_);
#endif
  if (result != 0) return SystemError(errno, "sync", path_);
  number_ = next.number;
  mark_ = mark;
  return absl::OkStatus();
}

}  // namespace tcsync::rocksdb_storage

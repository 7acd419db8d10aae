#include "storage/rocksdb/log_repair.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rocksdb/env.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/database_check.h"
#include "storage/rocksdb/database_file.h"
#include "storage/rocksdb/directories.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr char kLossesName[] = "/LOG_LOSSES";
constexpr char kAsidePrefix[] = "damaged-log-";

// Opens a file, passes it to `use`, and syncs it.
template <typename Use>
absl::Status WithFile(const std::string& path, int flags, Use use) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(errno, "open", path);
  absl::Status status = use(fd);
  if (status.ok() && fsync(fd) != 0) status = SystemError(errno, "sync", path);
  close(fd);
  return status;
}

absl::Status CopySynced(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing, error);
  if (error) return SystemError(error.value(), "copy to", to);
  return WithFile(to, O_RDONLY, [](int) { return absl::OkStatus(); });
}

// Creates a new directory in the data directory.
absl::StatusOr<std::string> MakeAside(const std::string& data_dir) {
  for (int number = 1;; ++number) {
    const std::string name = absl::StrCat(kAsidePrefix, number);
    const std::string path = absl::StrCat(data_dir, "/", name);
    if (mkdir(path.c_str(), 0700) == 0) return name;
    if (errno != EEXIST) return SystemError(errno, "create", path);
  }
}

std::string LineOf(const LogLoss& loss) {
  return absl::StrCat(loss.accepted_unix_seconds, " bytes ", loss.bytes, " versions ",
                      loss.versions_max, " in ", loss.kept_in, ": ",
                      absl::StrReplaceAll(loss.description, {{"\n", " "}}), "\n");
}

std::optional<LogLoss> ParseLine(absl::string_view line) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(line, absl::MaxSplits(": ", 1));
  const std::vector<absl::string_view> words = absl::StrSplit(parts.first, ' ');
  LogLoss loss;
  if (words.size() != 7 || !absl::SimpleAtoi(words[0], &loss.accepted_unix_seconds) ||
      !absl::SimpleAtoi(words[2], &loss.bytes) || !absl::SimpleAtoi(words[4], &loss.versions_max)) {
    return std::nullopt;
  }
  loss.kept_in = std::string(words[6]);
  loss.description = std::string(parts.second);
  return loss;
}

// Copies the damaged logs aside, records the loss, and then drops the lost records.
absl::Status Accept(const DataDirectory& directory, const std::string& database_id,
                    const LogDamage& damage, LogLoss& loss) {
  absl::StatusOr<std::string> aside = MakeAside(directory.path());
  if (!aside.ok()) return aside.status();
  loss.kept_in = *std::move(aside);
  const std::string aside_path = absl::StrCat(directory.path(), "/", loss.kept_in);
  const auto log_path = [&](uint64_t number) {
    return absl::StrCat(directory.DatabasePath(), "/", LogFileName(number));
  };
  for (const uint64_t number : damage.logs) {
    const absl::Status copied =
        CopySynced(log_path(number), absl::StrCat(aside_path, "/", LogFileName(number)));
    if (!copied.ok()) return copied;
  }
  std::error_code ignored;
  if (std::filesystem::exists(directory.DatabaseFilePath(), ignored)) {
    const absl::Status copied =
        CopySynced(directory.DatabaseFilePath(), absl::StrCat(aside_path, "/DATABASE"));
    if (!copied.ok()) return copied;
  }
  absl::Status status = SyncDirectory(aside_path);
  if (status.ok()) {
    const std::string losses_path = directory.path() + kLossesName;
    status = WithFile(losses_path, O_WRONLY | O_CREAT | O_APPEND, [&](int fd) {
      const std::string line = LineOf(loss);
      const bool written = write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
      return written ? absl::OkStatus() : SystemError(errno, "write", losses_path);
    });
  }
  if (status.ok()) status = SyncDirectory(directory.path());
  // Without a mark, so that no lost write is required any more.
  if (status.ok()) {
    status = DatabaseFile::Create(directory.DatabaseFilePath(), database_id).status();
  }
  // The last ones first, so that an interrupted repair can be repeated.
  for (auto number = damage.logs.rbegin(); status.ok() && number != damage.logs.rend(); ++number) {
    const std::string path = log_path(*number);
    if (*number == damage.log_number && damage.keep_bytes > 0) {
      status = WithFile(path, O_WRONLY, [&](int fd) {
        return ftruncate(fd, static_cast<off_t>(damage.keep_bytes)) == 0
                   ? absl::OkStatus()
                   : SystemError(errno, "shorten", path);
      });
    } else if (unlink(path.c_str()) != 0) {
      status = SystemError(errno, "remove", path);
    }
  }
  return status.ok() ? SyncDirectory(directory.DatabasePath()) : status;
}

}  // namespace

absl::StatusOr<LogRepair> RepairLog(const std::string& data_dir, bool dry_run) {
  std::error_code error;
  if (!std::filesystem::exists(data_dir + "/FORMAT", error)) {
    return absl::NotFoundError(absl::StrCat("there is no data directory at ", data_dir));
  }
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(data_dir);
  if (!directory.ok()) return directory.status();
  if (directory->is_new()) return LogRepair{};
  std::optional<DatabaseFile> file;
  LogDamage damage;
  if (directory->format() == kStorageFormatVersion) {
    absl::StatusOr<DatabaseFile> opened = DatabaseFile::Open(directory->DatabaseFilePath());
    if (opened.ok()) {
      file.emplace(*std::move(opened));
    } else if (absl::IsNotFound(opened.status()) || absl::IsDataLoss(opened.status())) {
      damage.description =
          absl::StrCat("DATABASE is ", absl::IsNotFound(opened.status()) ? "missing" : "damaged",
                       ", so that nobody can tell whether the log is whole");
    } else {
      return opened.status();
    }
  }
  const absl::StatusOr<DatabaseFindings> findings =
      ExamineDatabase(*rocksdb::Env::Default(), directory->path(), file ? &*file : nullptr);
  if (!findings.ok()) return findings.status();
  if (!findings->problems.empty()) return RefusalOf(directory->path(), *findings);
  if (findings->log_damage) damage = *findings->log_damage;
  LogRepair repair;
  if (damage.description.empty()) return repair;
  repair.is_damaged = true;
  repair.loss.bytes = damage.bytes;
  repair.loss.versions_max = damage.versions_max;
  repair.loss.description = damage.description;
  if (dry_run) return repair;
  repair.loss.accepted_unix_seconds = absl::ToUnixSeconds(absl::Now());
  const absl::Status accepted = Accept(*directory, findings->database_id, damage, repair.loss);
  if (!accepted.ok()) return accepted;
  return repair;
}

std::vector<LogLoss> LogLossesIn(const std::string& data_dir) {
  std::vector<LogLoss> losses;
  std::ifstream file(data_dir + kLossesName);
  for (std::string line; std::getline(file, line);) {
    if (const std::optional<LogLoss> loss = ParseLine(line)) losses.push_back(*loss);
  }
  return losses;
}

absl::Status AcknowledgeLogLossesIn(const std::string& data_dir) {
  const std::string path = data_dir + kLossesName;
  if (unlink(path.c_str()) != 0) {
    return errno == ENOENT ? absl::OkStatus() : SystemError(errno, "remove", path);
  }
  return SyncDirectory(data_dir);
}

}  // namespace tcsync::rocksdb_storage

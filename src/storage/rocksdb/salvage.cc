#include "storage/rocksdb/salvage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/signal_block.h"
#include "rocksdb/db.h"
#include "rocksdb/file_checksum.h"
#include "storage/rocksdb/data_directory.h"
#include "storage/rocksdb/database_check.h"
#include "storage/rocksdb/database_file.h"
#include "storage/rocksdb/directories.h"
#include "storage/rocksdb/readonly_storage.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLogLinesMax = 20;

// A directory of this user alone, removed with its content at the end.
class Scratch {
 public:
  static absl::StatusOr<std::unique_ptr<Scratch>> Make() {
    std::error_code error;
    fs::path base = fs::temp_directory_path(error);
    if (error) base = "/tmp";
    std::string path = (base / "tcsync-salvage-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) return SystemError(errno, "make the directory", path);
    return std::unique_ptr<Scratch>(new Scratch(std::move(path)));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code error;
    fs::remove_all(path_, error);  // removes links, not their targets
  }

  const std::string& path() const { return path_; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

// Excludes a server from the directory. The file is opened for reading only and stays unchanged.
class ServerLock {
 public:
  static absl::StatusOr<std::shared_ptr<ServerLock>> Take(const std::string& directory) {
    const std::string path = directory + "/FORMAT";
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    // Without the file, no server can have the directory open either.
    auto lock = std::make_shared<ServerLock>(fd);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return lock;
    return absl::AlreadyExistsError(
        absl::StrCat("data directory ", directory, " is in use: stop the server first"));
  }
  explicit ServerLock(int fd) : fd_(fd) {}
  ServerLock(const ServerLock&) = delete;
  ServerLock& operator=(const ServerLock&) = delete;
  ~ServerLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  const int fd_;
};

// Collects RocksDB's messages about the bytes and files that it omits.
class DamageLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char buffer[1024];
    vsnprintf(buffer, sizeof(buffer), format, arguments);
    const absl::string_view line = absl::StripAsciiWhitespace(buffer);
    if (!absl::StrContains(line, "dropping ") && !absl::StrContains(line, ": ignoring ")) return;
    const std::lock_guard lock(mutex_);
    if (lines_.size() < kLogLinesMax) lines_.emplace_back(line);
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool IsManifest(absl::string_view name) { return absl::StartsWith(name, "MANIFEST-"); }
bool IsTable(absl::string_view name) { return absl::EndsWith(name, ".sst"); }
bool IsBlobFile(absl::string_view name) { return absl::EndsWith(name, ".blob"); }
bool IsLog(absl::string_view name) {
  return absl::EndsWith(name, ".log") && name.find_first_not_of("0123456789") == name.size() - 4;
}

uint64_t NumberOf(absl::string_view name) {
  const size_t begin = name.find_first_of("0123456789");
  uint64_t number = 0;
  if (begin == absl::string_view::npos) return 0;
  const absl::string_view digits =
      name.substr(begin, name.find_first_not_of("0123456789", begin) - begin);
  return absl::SimpleAtoi(digits, &number) ? number : 0;
}

// RocksDB's format of a manifest: a log of version edits, in blocks.
namespace manifest {

constexpr size_t kBlockBytes = 32'768;
constexpr size_t kHeaderBytes = 7;  // masked CRC-32C (4), length (2), type (1); little-endian
constexpr char kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4;
constexpr uint64_t kBlobFileAddition = 400;
constexpr uint32_t kMaskDelta = 0xa282ead8;

void PutVarint(uint64_t number, std::string& out) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<char>(number | 0x80));
  out.push_back(static_cast<char>(number));
}

// The edit that adds a blob file to the database. Its number of values is unknown; it only affects
// the estimate of garbage.
void PutBlobFile(uint64_t number, uint64_t bytes, std::string& edit) {
  PutVarint(kBlobFileAddition, edit);
  PutVarint(number, edit);
  PutVarint(/*values=*/1, edit);
  PutVarint(bytes, edit);
  edit.append(3, '\0');  // no kind of checksum, no checksum, no further fields
}

uint32_t MaskedChecksum(const std::string& bytes) {
  const auto generator =
      rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator({});
  generator->Update(bytes.data(), bytes.size());
  generator->Finalize();
  uint32_t checksum = 0;  // big-endian in the generator's result
  for (const char byte : generator->GetChecksum()) {
    checksum = checksum << 8 | static_cast<uint8_t>(byte);
  }
  return ((checksum >> 15) | (checksum << 17)) + kMaskDelta;
}

// The bytes that append one edit to a manifest of that length.
std::string RecordOf(const std::string& edit, uint64_t manifest_bytes) {
  std::string out;
  size_t taken = 0;
  do {
    const size_t left = kBlockBytes - (manifest_bytes + out.size()) % kBlockBytes;
    if (left < kHeaderBytes) {
      out.append(left, '\0');
      continue;
    }
    const size_t count = std::min(edit.size() - taken, left - kHeaderBytes);
    const bool is_first = taken == 0;
    const bool is_last = taken + count == edit.size();
    std::string typed(1, is_first ? (is_last ? kFull : kFirst) : (is_last ? kLast : kMiddle));
    typed.append(edit, taken, count);
    const uint32_t checksum = MaskedChecksum(typed);
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(checksum >> shift));
    out.push_back(static_cast<char>(count));
    out.push_back(static_cast<char>(count >> 8));
    out += typed;
    taken += count;
  } while (taken < edit.size());
  return out;
}

// The readable edits of a manifest, in their order.
std::vector<std::string> EditsIn(const std::string& bytes) {
  std::vector<std::string> edits;
  std::string edit;
  for (size_t at = 0; at + kHeaderBytes <= bytes.size();) {
    const size_t left = kBlockBytes - at % kBlockBytes;
    if (left < kHeaderBytes) {
      at += left;
      continue;
    }
    const size_t count =
        static_cast<uint8_t>(bytes[at + 4]) | size_t{static_cast<uint8_t>(bytes[at + 5])} << 8;
    const char type = bytes[at + 6];
    if (type < kFull || type > kLast || at + kHeaderBytes + count > bytes.size()) break;
    if (type == kFull || type == kFirst) edit.clear();
    edit.append(bytes, at + kHeaderBytes, count);
    if (type == kFull || type == kLast) edits.push_back(edit);
    at += kHeaderBytes + count;
  }
  return edits;
}

}  // namespace manifest

// Tries one way after the other to open the database of a directory.
class Salvager {
 public:
  Salvager(std::string database_path, std::string scratch_path, std::vector<std::string> names)
      : database_path_(std::move(database_path)),
        scratch_path_(std::move(scratch_path)),
        names_(std::move(names)) {}

  absl::StatusOr<std::unique_ptr<rocksdb::DB>> Open(std::vector<std::string>& damage) {
    auto opened = OpenUnchanged(damage);
    if (opened != nullptr) return opened;
    return OpenRepaired(damage);
  }

 private:
  // Puts the files that `wanted` selects into an empty directory: links to files that are only
  // read, copies of the others.
  template <typename Wanted>
  absl::Status Stage(const std::string& path, Wanted wanted) const {
    std::error_code error;
    fs::create_directory(path, error);
    for (const std::string& name : names_) {
      if (error) break;
      if (!wanted(name)) continue;
      const std::string from = absl::StrCat(database_path_, "/", name);
      const std::string to = absl::StrCat(path, "/", name);
      if (IsTable(name) || IsBlobFile(name) || IsLog(name)) {
        fs::create_symlink(from, to, error);
      } else {
        fs::copy_file(from, to, error);
      }
    }
    if (!error) return absl::OkStatus();
    return absl::UnknownError(absl::StrCat("cannot prepare ", path, ": ", error.message()));
  }

  rocksdb::Options OpenOptions(const std::shared_ptr<DamageLog>& log) const {
    rocksdb::Options options = ReadOnlyDatabaseOptions(*rocksdb::Env::Default());
    options.info_log = log;
    options.info_log->SetInfoLogLevel(rocksdb::InfoLogLevel::INFO_LEVEL);
    // Records behind a damaged one in the log are useful as well; the check of each client finds a
    // missing version.
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    options.force_consistency_checks = false;
    return options;
  }

  static std::unique_ptr<rocksdb::DB> OpenReadOnly(const rocksdb::Options& options,
                                                   const std::string& path,
                                                   rocksdb::Status& status) {
    // RocksDB starts threads.
    const base::SignalBlock block;
    rocksdb::DB* database = nullptr;
    status = rocksdb::DB::OpenForReadOnly(options, path, &database);
    return std::unique_ptr<rocksdb::DB>(database);
  }

  std::unique_ptr<rocksdb::DB> OpenUnchanged(std::vector<std::string>& damage) {
    const std::string path = absl::StrCat(scratch_path_, "/as-it-is");
    const absl::Status staged = Stage(path, [](const std::string& name) {
      return name == "CURRENT" || name == "IDENTITY" || IsManifest(name) || IsTable(name) ||
             IsBlobFile(name) || IsLog(name);
    });
    if (!staged.ok()) {
      damage.emplace_back(staged.message());
      return nullptr;
    }
    RestoreCurrent(path, damage);
    const auto log = std::make_shared<DamageLog>();
    rocksdb::Options options = OpenOptions(log);
    rocksdb::Status status;
    auto database = OpenReadOnly(options, path, status);
    if (database != nullptr) {
      status = CheckThatClientsCanBeListed(*database);
      if (status.ok()) {
        AddLogLines(*log, damage);
        AddMissingBlobFiles(*database, damage);
        return database;
      }
      database.reset();
    }
    damage.push_back(absl::StrCat("the database cannot be used as it is: ", status.ToString()));
    // Without these checks it may open in part, which shows the missing files.
    options.paranoid_checks = false;
    options.skip_checking_sst_file_sizes_on_db_open = true;
    database = OpenReadOnly(options, path, status);
    if (database != nullptr) FindLiveFiles(*database, damage);
    return nullptr;
  }

  // A damaged record hides the clients behind it.
  static rocksdb::Status CheckThatClientsCanBeListed(rocksdb::DB& database) {
    rocksdb::ReadOptions options;
    options.total_order_seek = true;
    const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
    for (iterator->SeekToFirst(); iterator->Valid();) {
      if (iterator->key().size() < Uuid::kBytes) {
        iterator->Next();
      } else {
        iterator->Seek(EndOfClient(Uuid::FromBytes(iterator->key().data())));
      }
    }
    return iterator->status();
  }

  // CURRENT names the manifest; without a valid one, the newest manifest is the likely one.
  void RestoreCurrent(const std::string& path, std::vector<std::string>& damage) const {
    const std::string current_path = absl::StrCat(path, "/CURRENT");
    std::string named = ReadWhole(current_path);
    const bool has_end = absl::EndsWith(named, "\n");
    absl::StripAsciiWhitespace(&named);
    const auto is_here = [&](const std::string& name) {
      return std::find(names_.begin(), names_.end(), name) != names_.end();
    };
    if (has_end && IsManifest(named) && is_here(named)) return;
    std::string newest;
    for (const std::string& name : names_) {
      if (IsManifest(name) && (newest.empty() || NumberOf(name) > NumberOf(newest))) newest = name;
    }
    damage.push_back(absl::StrCat(
        "CURRENT, which names the database's manifest, is ",
        is_here("CURRENT") ? absl::StrCat("'", absl::CHexEscape(named), "'") : "missing",
        newest.empty() ? ", and there is no manifest" : absl::StrCat("; took ", newest)));
    if (newest.empty()) return;
    fs::remove(current_path);
    std::ofstream(current_path) << newest << "\n";
  }

  void FindLiveFiles(rocksdb::DB& database, std::vector<std::string>& damage) {
    std::vector<rocksdb::LiveFileMetaData> files;
    database.GetLiveFilesMetaData(&files);
    std::set<std::string>& live = live_tables_.emplace();
    for (const rocksdb::LiveFileMetaData& file : files) {
      const std::string name = file.name.substr(file.name.find_first_not_of('/'));
      std::error_code error;
      const uintmax_t bytes = fs::file_size(absl::StrCat(database_path_, "/", name), error);
      if (!error && bytes == file.size) {
        live.insert(name);
        continue;
      }
      damage.push_back(absl::StrCat(
          "the table file ", name,
          error ? " is missing" : absl::StrCat(" has ", bytes, " bytes instead of ", file.size),
          ". It had records of ", ClientsBetween(file.smallestkey, file.largestkey),
          ": their latest versions may be lost, and deleted data may be back"));
    }
    AddMissingBlobFiles(database, damage);
  }

  static std::string ClientsBetween(const std::string& smallest, const std::string& largest) {
    if (smallest.size() < Uuid::kBytes || largest.size() < Uuid::kBytes) return "some clients";
    const Uuid first = Uuid::FromBytes(smallest.data());
    const Uuid last = Uuid::FromBytes(largest.data());
    if (first == last) return absl::StrCat("client ", first.ToString());
    return absl::StrCat("clients from ", first.ToString(), " to ", last.ToString());
  }

  void AddMissingBlobFiles(rocksdb::DB& database, std::vector<std::string>& damage) const {
    rocksdb::ColumnFamilyMetaData family;
    database.GetColumnFamilyMetaData(&family);
    for (const rocksdb::BlobMetaData& blob : family.blob_files) {
      const std::string name =
          blob.blob_file_name.substr(blob.blob_file_name.find_first_not_of('/'));
      std::error_code error;
      const uintmax_t bytes = fs::file_size(absl::StrCat(database_path_, "/", name), error);
      if (error) {
        damage.push_back(absl::StrCat("the blob file ", name, " is missing"));
      } else if (bytes != blob.blob_file_size) {
        damage.push_back(absl::StrCat("the blob file ", name, " has ", bytes, " bytes instead of ",
                                      blob.blob_file_size));
      }
    }
  }

  static void AddLogLines(const DamageLog& log, std::vector<std::string>& damage) {
    for (const std::string& line : log.lines()) damage.push_back(absl::StrCat("RocksDB: ", line));
  }

  absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenRepaired(std::vector<std::string>& damage) {
    const std::string path = absl::StrCat(scratch_path_, "/repaired");
    const absl::Status staged = Stage(path, [this](const std::string& name) {
      if (IsTable(name)) return !live_tables_ || live_tables_->count(name) > 0;
      return IsBlobFile(name) || IsLog(name);
    });
    if (!staged.ok()) return staged;
    const auto log = std::make_shared<DamageLog>();
    const rocksdb::Options options = OpenOptions(log);
    const base::SignalBlock block;
    rocksdb::Status status = rocksdb::RepairDB(path, options);
    if (!status.ok()) {
      return absl::DataLossError(absl::StrCat("nothing of the database ", database_path_,
                                              " can be read: ", status.ToString()));
    }
    if (const absl::Status entered = EnterBlobFiles(path); !entered.ok()) return entered;
    auto database = OpenReadOnly(options, path, status);
    if (database == nullptr) {
      return absl::DataLossError(absl::StrCat("nothing of the database ", database_path_,
                                              " can be read: ", status.ToString()));
    }
    AddLogLines(*log, damage);
    if (!live_tables_) {
      damage.emplace_back(
          "without the manifest the set of files is unknown: clients may lack their latest "
          "versions, and clients that were deleted a short time ago may be back");
    }
    return database;
  }

  absl::Status EnterBlobFiles(const std::string& path) const {
    std::string edit;
    for (const std::string& name : names_) {
      if (!IsBlobFile(name)) continue;
      std::error_code error;
      const uintmax_t bytes = fs::file_size(absl::StrCat(database_path_, "/", name), error);
      if (!error) manifest::PutBlobFile(NumberOf(name), bytes, edit);
    }
    if (edit.empty()) return absl::OkStatus();
    std::string current = ReadWhole(absl::StrCat(path, "/CURRENT"));
    absl::StripAsciiWhitespace(&current);
    const std::string manifest_path = absl::StrCat(path, "/", current);
    // Before the table files that refer to them.
    std::string written = manifest::RecordOf(edit, 0);
    for (const std::string& repaired : manifest::EditsIn(ReadWhole(manifest_path))) {
      written += manifest::RecordOf(repaired, written.size());
    }
    std::ofstream file(manifest_path, std::ios::binary | std::ios::trunc);
    file << written;
    file.close();
    if (!file) return SystemError(errno, "write to", manifest_path);
    return absl::OkStatus();
  }

  const std::string database_path_;
  const std::string scratch_path_;
  const std::vector<std::string> names_;
  // The files that the manifest names and that exist in their sizes; nullopt: unknown.
  std::optional<std::set<std::string>> live_tables_;
};

absl::Status CheckFormat(const std::string& directory, std::vector<std::string>& damage) {
  const std::string text = ReadWhole(directory + "/FORMAT");
  const std::optional<int> format = ParseFormatLine(absl::StripAsciiWhitespace(text));
  if (format) return CheckFormatVersion(*format, absl::StrCat("data directory ", directory));
  damage.emplace_back("FORMAT, which names the format of the data, is missing or damaged");
  return absl::OkStatus();
}

// Reports a missing or truncated log, of which only the marks of a server are evidence.
void NoteLogDamage(const std::string& data_dir, std::vector<std::string>& damage) {
  const absl::StatusOr<DatabaseFile> file = DatabaseFile::Open(absl::StrCat(data_dir, "/DATABASE"));
  if (!file.ok()) return;
  const absl::StatusOr<DatabaseFindings> findings =
      ExamineDatabase(*rocksdb::Env::Default(), data_dir, &*file);
  if (!findings.ok() || !findings->log_damage) return;
  damage.push_back(absl::StrCat("the log is damaged: ", findings->log_damage->description,
                                "; possibly lost: ", findings->log_damage->Loss()));
}

}  // namespace

absl::StatusOr<SalvagedStorage> OpenForSalvage(const std::string& directory) {
  const std::string data_dir = WithoutTrailingSlashes(directory);
  const std::string database_path = absl::StrCat(data_dir, "/rocksdb");
  std::error_code error;
  if (!fs::is_directory(database_path, error)) {
    return absl::NotFoundError(absl::StrCat(
        "there is no database in ", data_dir,
        ": it has no directory 'rocksdb'. Only a backup can help: tcsync-server restore"));
  }
  auto lock = ServerLock::Take(data_dir);
  if (!lock.ok()) return lock.status();
  SalvagedStorage salvaged;
  if (const absl::Status status = CheckFormat(data_dir, salvaged.damage); !status.ok()) {
    return status;
  }
  absl::StatusOr<std::vector<std::string>> names = NamesIn(database_path);
  if (!names.ok()) return names.status();
  if (std::none_of(names->begin(), names->end(),
                   [](const std::string& name) { return IsTable(name) || IsLog(name); })) {
    return absl::DataLossError(
        absl::StrCat("there is no table file and no log in ", database_path,
                     ", so nothing can be read. Only a backup can help: tcsync-server restore"));
  }
  absl::StatusOr<std::unique_ptr<Scratch>> scratch = Scratch::Make();
  if (!scratch.ok()) return scratch.status();
  Salvager salvager(fs::absolute(database_path).string(), (*scratch)->path(), *std::move(names));
  absl::StatusOr<std::unique_ptr<rocksdb::DB>> database = salvager.Open(salvaged.damage);
  if (!database.ok()) return database.status();
  NoteLogDamage(data_dir, salvaged.damage);
  // Both live as long as the storage needs them.
  const std::shared_ptr<Scratch> kept_scratch = *std::move(scratch);
  salvaged.storage = std::make_unique<ReadOnlyStorage>(
      *std::move(database),
      std::vector<std::shared_ptr<const void>>{*std::move(lock), kept_scratch});
  return salvaged;
}

}  // namespace tcsync::rocksdb_storage

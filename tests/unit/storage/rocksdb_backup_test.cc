// Backups and their restoring. If these fail, an operator has unusable backups, or loses data by a
// restore.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/backups.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/child_process.h"
#include "tests/unit/storage/fault_env.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

bool ContinueAlways(uint64_t, uint64_t) { return true; }

std::unique_ptr<Storage> Open(const std::string& data_dir, uint64_t memtable_bytes = 8 << 20) {
  RocksdbStorageOptions options;
  options.data_dir = data_dir;
  options.memtable_bytes = memtable_bytes;
  auto storage = OpenRocksdbStorage(options, base::Logger());
  EXPECT_TRUE(storage.ok()) << storage.status();
  return storage.ok() ? *std::move(storage) : nullptr;
}

absl::StatusOr<BackupInfo> TryBackup(Storage& storage, const std::string& directory,
                                     uint32_t keep = 0) {
  return storage.administration().Backup({.directory = directory, .keep = keep}, ContinueAlways);
}

BackupInfo Backup(Storage& storage, const std::string& directory, uint32_t keep = 0) {
  const auto made = TryBackup(storage, directory, keep);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.value_or(BackupInfo());
}

std::vector<uint32_t> IdsOf(const std::string& directory) {
  std::vector<uint32_t> ids;
  const auto backups = ListBackups(directory);
  EXPECT_TRUE(backups.ok()) << backups.status();
  if (!backups.ok()) return ids;
  for (const BackupInfo& backup : *backups) {
    EXPECT_EQ(backup.problem, "");
    ids.push_back(backup.backup_id);
  }
  return ids;
}

// The sizes of all files below a directory.
std::map<std::string, uint64_t> FilesIn(const std::string& directory) {
  std::map<std::string, uint64_t> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files[entry.path().string()] = entry.file_size();
  }
  return files;
}

uint64_t BytesIn(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& [path, size] : FilesIn(directory)) bytes += size;
  return bytes;
}

// The one file below a directory whose name ends so.
std::string FileEndingIn(const std::string& directory, const std::string& end) {
  std::vector<std::string> found;
  for (const auto& [path, size] : FilesIn(directory)) {
    if (absl::EndsWith(path, end)) found.push_back(path);
  }
  EXPECT_EQ(found.size(), 1u) << "files that end in " << end;
  return found.empty() ? std::string() : found.front();
}

void FlipByte(const std::string& path, std::streamoff position) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(position);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(position);
  file.put(byte);
  ASSERT_TRUE(file.flush()) << path;
}

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

// Expects that the storage is whole, as an operator would check it.
void ExpectIntact(Storage& storage) {
  EXPECT_EQ(VerifyFiles(storage), absl::OkStatus());
  for (const ClientSummary& client : ListAll(storage)) {
    EXPECT_EQ(client.problem, "");
    EXPECT_THAT(Verify(storage, client.client_id).problems, IsEmpty());
  }
}

class RocksdbBackupTest : public testing::Test {
 protected:
  const TemporaryDirectory directory_;
  const std::string data_dir_ = directory_.path() + "/data";
  const std::string backups_ = directory_.path() + "/backups";
  const std::string restored_ = directory_.path() + "/restored";
  const Uuid client_ = Uuid::Random();
};

// Appends to one chain from a thread of its own, until it is stopped.
class Appender {
 public:
  explicit Appender(Storage& storage)
      : thread_([this, &storage] {
          Uuid parent;
          while (!stopped_) {
            const size_t bytes = count_ % 8 == 0 ? 40'000 : 700;
            parent =
                MustAppend(storage, client_, parent, parent.ToString() + Noise(bytes)).version_id;
            ++count_;
            if (count_ % 16 == 0) StoreSnapshot(storage, client_, parent, Noise(30'000));
          }
        }) {}
  ~Appender() {
    stopped_ = true;
    thread_.join();
  }

  const Uuid& client() const { return client_; }
  // Versions that were acknowledged.
  int count() const { return count_; }

 private:
  const Uuid client_ = Uuid::Random();
  std::atomic<bool> stopped_{false};
  std::atomic<int> count_{0};
  std::thread thread_;
};

// If this fails, a backup of a busy server lacks acknowledged data, or cannot be used.
TEST_F(RocksdbBackupTest, HasEverythingThatWasAcknowledgedBefore) {
  std::map<Uuid, int> acknowledged;  // before the backup began
  {
    const auto storage = Open(data_dir_, 256 * 1024);  // files come and go during the backup
    std::vector<std::unique_ptr<Appender>> appenders;
    for (int i = 0; i < 4; ++i) appenders.push_back(std::make_unique<Appender>(*storage));
    for (const auto& appender : appenders) {
      while (appender->count() < 60) std::this_thread::yield();
    }
    for (const auto& appender : appenders) acknowledged[appender->client()] = appender->count();
    Backup(*storage, backups_);
  }
  EXPECT_EQ(VerifyBackup(backups_, 1), absl::OkStatus());
  const auto restored = RestoreBackup(backups_, std::nullopt, restored_);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->backup_id, 1u);
  const auto storage = Open(restored_);
  ASSERT_NE(storage, nullptr);
  EXPECT_EQ(ListAll(*storage).size(), acknowledged.size());
  EXPECT_EQ(storage->administration().ReadStats()->clients, acknowledged.size());
  for (const auto& [client, count] : acknowledged) {
    const std::vector<Version> chain = ReadChain(*storage, client, kNil);
    EXPECT_GE(chain.size(), static_cast<size_t>(count)) << "an acknowledged version is lost";
    for (const Version& version : chain) {
      EXPECT_TRUE(absl::StartsWith(version.segment, version.parent_version_id.ToString()));
    }
    MustAppend(*storage, client, chain.back().version_id);
  }
  ExpectIntact(*storage);
}

// If this fails, each backup costs as much as the first, and a disk is full of copies.
TEST_F(RocksdbBackupTest, CopiesOnlyNewFiles) {
  const auto storage = Open(data_dir_);
  const Uuid first = MustAppend(*storage, client_, kNil, Noise(3'000'000)).version_id;
  const Uuid second = MustAppend(*storage, client_, first).version_id;
  const BackupInfo full = Backup(*storage, backups_);
  EXPECT_GT(full.bytes, 3'000'000u);
  const uint64_t bytes = BytesIn(backups_);
  EXPECT_GT(bytes, 3'000'000u);

  const BackupInfo unchanged = Backup(*storage, backups_);
  EXPECT_EQ(unchanged.backup_id, 2u);
  EXPECT_GT(unchanged.bytes, 3'000'000u) << "it is not complete";
  EXPECT_LT(BytesIn(backups_), bytes + 100'000);

  MustAppend(*storage, client_, second);
  Backup(*storage, backups_);
  EXPECT_LT(BytesIn(backups_), bytes + 200'000);
  FileEndingIn(backups_, ".blob");  // is stored once
  for (const uint32_t id : {1, 2, 3}) EXPECT_EQ(VerifyBackup(backups_, id), absl::OkStatus());
}

// If this fails, old backups fill the disk, or too few are left.
TEST_F(RocksdbBackupTest, KeepsTheLatestBackups) {
  const auto storage = Open(data_dir_);
  Uuid latest;
  for (uint32_t id = 1; id <= 4; ++id) {
    latest = MustAppend(*storage, client_, latest, Noise(100'000, id)).version_id;
    EXPECT_EQ(Backup(*storage, backups_, 2).backup_id, id);
  }
  EXPECT_THAT(IdsOf(backups_), ElementsAre(3, 4));
  for (const uint32_t id : {3, 4}) EXPECT_EQ(VerifyBackup(backups_, id), absl::OkStatus());
  EXPECT_EQ(Backup(*storage, backups_).backup_id, 5u);
  EXPECT_THAT(IdsOf(backups_), ElementsAre(3, 4, 5)) << "0 keeps all";
}

// If this fails, a backup that is being restored is removed at the same time.
TEST_F(RocksdbBackupTest, ABackupThatIsBeingReadIsNotRemoved) {
  const auto storage = Open(data_dir_);
  MustAppend(*storage, client_, kNil);
  Backup(*storage, backups_);
  const int reader = open((backups_ + "/TCSYNC_BACKUPS").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  ASSERT_EQ(flock(reader, LOCK_SH), 0);
  Backup(*storage, backups_, 1);
  EXPECT_THAT(IdsOf(backups_), ElementsAre(1, 2));
  close(reader);
  Backup(*storage, backups_, 1);
  EXPECT_THAT(IdsOf(backups_), ElementsAre(3));
}

// If this fails, a full disk keeps an operator from saving its data: on one, no compaction reduces
// the number of level-0 files, and a flush that must not slow writes down waits for one.
TEST_F(RocksdbBackupTest, DoesNotWaitForACompaction) {
  FaultEnv faults;
  auto storage = OpenRocksdbStorage({.data_dir = data_dir_, .env = faults.env()}, base::Logger());
  ASSERT_TRUE(storage.ok()) << storage.status();
  faults.HoldCompactions();
  // RocksDB slows writes down at 20 files.
  constexpr int kLevel0Files = 24;
  Uuid parent;
  for (int i = 0; i < kLevel0Files; ++i) {
    parent = MustAppend(**storage, client_, parent, Noise(1'000)).version_id;
    Backup(**storage, backups_);
  }
  faults.ReleaseReads();
  storage->reset();
  ASSERT_TRUE(RestoreBackup(backups_, std::nullopt, restored_).ok());
  const std::unique_ptr<Storage> restored = Open(restored_);
  ASSERT_NE(restored, nullptr);
  ExpectIntact(*restored);
  EXPECT_EQ(Find(*restored, client_).latest_version_id, parent);
}

// If this fails, an operator cannot return to the state before a mistake.
TEST_F(RocksdbBackupTest, AnOlderBackupCanBeRestored) {
  const auto storage = Open(data_dir_);
  const Uuid first = MustAppend(*storage, client_, kNil).version_id;
  Backup(*storage, backups_);
  const Uuid second = MustAppend(*storage, client_, first).version_id;
  Backup(*storage, backups_);
  ASSERT_TRUE(RestoreBackup(backups_, 1, restored_).ok());
  ASSERT_TRUE(RestoreBackup(backups_ + "/", std::nullopt, restored_ + "-latest/").ok());
  EXPECT_EQ(Find(*Open(restored_), client_).latest_version_id, first);
  EXPECT_EQ(Find(*Open(restored_ + "-latest"), client_).latest_version_id, second);
  EXPECT_EQ(ModeOf(restored_), 0700u);
}

// If this fails, a client with large versions cannot be extracted from a backup, or is altered.
TEST_F(RocksdbBackupTest, LargeBodiesAreReadWithoutARestore) {
  const std::string segment = Noise(5 * base::kPieceBytesMax + 7);
  const std::string snapshot = Noise(3 * base::kPieceBytesMax, 2);
  {
    const std::unique_ptr<Storage> storage = Open(data_dir_);
    AppendRequest append =
        UploadedAppendFor(*storage, client_, kNil, segment, base::kPieceBytesMax);
    const auto outcome = TryAppend(*storage, std::move(append));
    ASSERT_TRUE(outcome.ok() && std::holds_alternative<Appended>(*outcome));
    const Uuid version = std::get<Appended>(*outcome).version_id;
    StoreSnapshotRequest store = StoreSnapshotRequestFor(client_, version, "");
    store.upload = MustBeginUpload(*storage, SnapshotUploadRequestFor(client_, version));
    AddAll(*store.upload, snapshot, base::kPieceBytesMax);
    ASSERT_EQ(StoreSnapshot(*storage, std::move(store)), StoreSnapshotOutcome::kStored);
    Backup(*storage, backups_);
  }
  const absl::StatusOr<std::unique_ptr<Storage>> backup = OpenBackup(backups_, std::nullopt);
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_THAT(Verify(**backup, client_).problems, IsEmpty());
  std::vector<StoredVersion> versions = ReadVersions(**backup, client_, 0, UINT64_MAX);
  ASSERT_EQ(versions.size(), 1u);
  ASSERT_NE(versions[0].version.pieces, nullptr);
  MakeWhole(versions[0].version.segment, versions[0].version.pieces);
  EXPECT_TRUE(versions[0].version.segment == segment);
  const std::optional<Snapshot> found = SnapshotOf(**backup, client_);
  EXPECT_TRUE(found.has_value() && found->bytes == snapshot);
}

// If this fails, a restored server cannot be backed up any more, or its backups replace those from
// before.
TEST_F(RocksdbBackupTest, ARestoredStorageContinuesInTheSameBackupDirectory) {
  Uuid first, second, other_second;
  {
    const auto storage = Open(data_dir_);
    first = MustAppend(*storage, client_, kNil).version_id;
    Backup(*storage, backups_);
    second = MustAppend(*storage, client_, first, Noise(50'000, 1)).version_id;
    Backup(*storage, backups_);
  }
  ASSERT_TRUE(RestoreBackup(backups_, 1, restored_).ok());
  {
    const auto storage = Open(restored_);
    other_second = MustAppend(*storage, client_, first, Noise(50'000, 2)).version_id;
    EXPECT_EQ(Backup(*storage, backups_).backup_id, 3u);
  }
  for (const auto& [id, latest] :
       std::map<uint32_t, Uuid>{{1, first}, {2, second}, {3, other_second}}) {
    const std::string data_dir = absl::StrCat(restored_, id);
    ASSERT_TRUE(RestoreBackup(backups_, id, data_dir).ok());
    const auto storage = Open(data_dir);
    EXPECT_EQ(Find(*storage, client_).latest_version_id, latest);
    ExpectIntact(*storage);
  }
}

// If this fails, restoring destroys data.
TEST_F(RocksdbBackupTest, IsRestoredOnlyIntoAnEmptyDirectory) {
  auto storage = Open(data_dir_);
  const Uuid first = MustAppend(*storage, client_, kNil).version_id;
  Backup(*storage, backups_);
  MustAppend(*storage, client_, first);
  absl::Status refusal = RestoreBackup(backups_, std::nullopt, data_dir_).status();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kAlreadyExists) << refusal;
  storage.reset();
  const auto before = FilesIn(data_dir_);
  refusal = RestoreBackup(backups_, std::nullopt, data_dir_).status();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition) << refusal;
  EXPECT_THAT(refusal.message(), AllOf(HasSubstr(data_dir_), HasSubstr("has data in it")));
  EXPECT_EQ(FilesIn(data_dir_), before);
  EXPECT_EQ(Find(*Open(data_dir_), client_).latest_number, 2u);
}

// If this fails, a wrong path gives an empty server, or an error that does not name the fault.
TEST_F(RocksdbBackupTest, MissingBackupsAreReported) {
  EXPECT_EQ(ListBackups(backups_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ListBackups("").status().code(), absl::StatusCode::kInvalidArgument);
  const auto storage = Open(data_dir_);
  EXPECT_EQ(TryBackup(*storage, "").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ListBackups(data_dir_).status().code(), absl::StatusCode::kFailedPrecondition);
  Backup(*storage, backups_);
  const absl::Status refusal = RestoreBackup(backups_, 7, restored_).status();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(refusal.message(), AllOf(HasSubstr("7"), HasSubstr(backups_)));
  EXPECT_EQ(VerifyBackup(backups_, 7).code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(restored_));
}

// If this fails, backups are written into another program's directory, or into the data itself.
TEST_F(RocksdbBackupTest, ForeignDirectoriesAreRefused) {
  const auto storage = Open(data_dir_);
  MustAppend(*storage, client_, kNil);
  const std::string foreign = directory_.path() + "/foreign";
  std::filesystem::create_directory(foreign);
  std::ofstream(foreign + "/photo.jpeg") << "someone's";
  const std::string link = directory_.path() + "/link";
  std::filesystem::create_directory_symlink(data_dir_, link);
  for (const std::string& path : {foreign, data_dir_, data_dir_ + "/rocksdb",
                                  data_dir_ + "/backups/new", link + "/backups"}) {
    const absl::Status refusal = TryBackup(*storage, path).status();
    EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition) << refusal;
    EXPECT_THAT(refusal.message(), HasSubstr(path));
  }
  EXPECT_EQ(FilesIn(foreign).size(), 1u) << "something was put there";
  EXPECT_THAT(TryBackup(*storage, data_dir_).status().message(), HasSubstr("data directory"));
  EXPECT_FALSE(std::filesystem::exists(data_dir_ + "/backups"));
  EXPECT_TRUE(TryBackup(*storage, data_dir_ + "-backups").ok()) << "only its name begins like it";

  const auto other = Open(directory_.path() + "/other");
  Backup(*other, backups_);
  const absl::Status refusal = TryBackup(*storage, backups_).status();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition) << refusal;
  EXPECT_THAT(refusal.message(), AllOf(HasSubstr(backups_), HasSubstr("another server")));
  EXPECT_THAT(IdsOf(backups_), ElementsAre(1));
}

// If this fails, others on the machine read the content of a backup, or a volume cannot have
// backups.
TEST_F(RocksdbBackupTest, ItsDirectoryIsReadableByTheOwnerOnly) {
  const auto storage = Open(data_dir_);
  Backup(*storage, backups_ + "/of/this/server");
  EXPECT_EQ(ModeOf(backups_ + "/of/this/server"), 0700u);
  const std::string volume = directory_.path() + "/volume";
  std::filesystem::create_directories(volume + "/lost+found");
  EXPECT_EQ(Backup(*storage, volume).backup_id, 1u);
}

// If this fails, a damaged backup counts as a good one, and a restore brings damage.
TEST_F(RocksdbBackupTest, ADamagedBackupIsRefused) {
  const auto storage = Open(data_dir_);
  MustAppend(*storage, client_, kNil, Noise(200'000));
  Backup(*storage, backups_);
  for (const char* end : {".blob", ".sst"}) {
    const std::string path = FileEndingIn(backups_, end);
    FlipByte(path, 100);
    EXPECT_EQ(VerifyBackup(backups_, 1).code(), absl::StatusCode::kDataLoss) << end;
    const absl::Status refusal = RestoreBackup(backups_, std::nullopt, restored_).status();
    EXPECT_EQ(refusal.code(), absl::StatusCode::kDataLoss) << end << " " << refusal;
    EXPECT_FALSE(std::filesystem::exists(restored_)) << "something was left behind";
    FlipByte(path, 100);
    EXPECT_EQ(VerifyBackup(backups_, 1), absl::OkStatus());
  }
  MustAppend(*storage, Uuid::Random(), kNil);
  Backup(*storage, backups_);
  std::filesystem::remove(FileEndingIn(backups_, ".blob"));
  const auto backups = ListBackups(backups_);
  ASSERT_TRUE(backups.ok()) << backups.status();
  ASSERT_EQ(backups->size(), 2u);
  for (const BackupInfo& backup : *backups) EXPECT_NE(backup.problem, "");
  EXPECT_EQ(VerifyBackup(backups_, 2).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(RestoreBackup(backups_, std::nullopt, restored_).status().code(),
            absl::StatusCode::kDataLoss);
  // The next one has all files again.
  EXPECT_EQ(Backup(*storage, backups_).backup_id, 3u);
  EXPECT_EQ(VerifyBackup(backups_, 3), absl::OkStatus());
  ASSERT_TRUE(RestoreBackup(backups_, std::nullopt, restored_).ok());
  ExpectIntact(*Open(restored_));
}

// If this fails, an older release takes a newer release's data for its own.
TEST_F(RocksdbBackupTest, ANewerFormatIsRefused) {
  const auto storage = Open(data_dir_);
  Backup(*storage, backups_);
  std::ifstream in(backups_ + "/meta/1", std::ios::binary);
  std::string meta(std::istreambuf_iterator<char>(in), {});
  // RocksDB writes the application's metadata in hexadecimal digits: "format 4" becomes "format 9".
  const std::string changed = absl::StrReplaceAll(
      meta, {{"666F726D61742034", "666F726D61742039"}, {"666f726d61742034", "666f726d61742039"}});
  ASSERT_NE(changed, meta);
  std::ofstream(backups_ + "/meta/1", std::ios::binary) << changed;
  const absl::Status refusal = RestoreBackup(backups_, std::nullopt, restored_).status();
  EXPECT_EQ(refusal.code(), absl::StatusCode::kFailedPrecondition) << refusal;
  EXPECT_THAT(refusal.message(), AllOf(HasSubstr("format 9"), HasSubstr("newer release")));
  EXPECT_FALSE(std::filesystem::exists(restored_));
}

// If this fails, two backups into one directory damage each other.
TEST_F(RocksdbBackupTest, OnlyOneBackupRunsAtATime) {
  const auto storage = Open(data_dir_);
  MustAppend(*storage, client_, kNil);
  absl::Status second;
  const auto first =
      storage->administration().Backup({.directory = backups_}, [&](uint64_t done, uint64_t total) {
        // While the first one is being made.
        if (done == 0 && total > 0) {
          std::thread([&] { second = TryBackup(*storage, backups_).status(); }).join();
        }
        return true;
      });
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable) << second;
  EXPECT_THAT(second.message(), HasSubstr(backups_));
  EXPECT_EQ(Backup(*storage, backups_).backup_id, 2u);
  for (const uint32_t id : IdsOf(backups_)) EXPECT_EQ(VerifyBackup(backups_, id), absl::OkStatus());
}

// If this fails, an operator sees no progress of a backup, or cannot stop it.
TEST_F(RocksdbBackupTest, ReportsItsProgressAndCanBeStopped) {
  const auto storage = Open(data_dir_);
  MustAppend(*storage, client_, kNil, Noise(6'000'000));
  std::atomic<uint64_t> seen{0};
  const auto stopped = storage->administration().Backup(
      {.directory = backups_}, [&](uint64_t done, uint64_t) { return (seen = done) < 2'000'000; });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled) << stopped.status();
  EXPECT_GE(seen, 2'000'000u);
  EXPECT_THAT(IdsOf(backups_), IsEmpty());

  std::vector<uint64_t> reports;
  uint64_t total_bytes = 0;
  const auto made =
      storage->administration().Backup({.directory = backups_}, [&](uint64_t done, uint64_t total) {
        reports.push_back(done);
        total_bytes = total;
        return true;
      });
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_GT(total_bytes, 6'000'000u);
  EXPECT_GT(reports.size(), 4u);
  EXPECT_TRUE(std::is_sorted(reports.begin(), reports.end()));
  EXPECT_EQ(reports.front(), 0u);
  EXPECT_EQ(reports.back(), total_bytes);
  EXPECT_EQ(VerifyBackup(backups_, made->backup_id), absl::OkStatus());
}

// If this fails, a server that ends during a backup takes the earlier ones with it.
TEST_F(RocksdbBackupTest, AKillLeavesEarlierBackupsIntact) {
  Uuid latest;
  {
    const auto storage = Open(data_dir_);
    latest = MustAppend(*storage, client_, kNil, Noise(100'000)).version_id;
    Backup(*storage, backups_);
    latest = MustAppend(*storage, client_, latest, Noise(6'000'000)).version_id;
  }
  {
    ChildProcess child(kBackUpUntilKilled, directory_.path());
    EXPECT_EQ(child.ReadLine(), "copying");
    child.Kill();
  }
  EXPECT_THAT(IdsOf(backups_), ElementsAre(1));
  EXPECT_EQ(VerifyBackup(backups_, 1), absl::OkStatus());
  const auto storage = Open(data_dir_);
  const BackupInfo next = Backup(*storage, backups_);
  EXPECT_EQ(VerifyBackup(backups_, next.backup_id), absl::OkStatus());
  ASSERT_TRUE(RestoreBackup(backups_, std::nullopt, restored_).ok());
  const auto restored = Open(restored_);
  EXPECT_EQ(Find(*restored, client_).latest_version_id, latest);
  ExpectIntact(*restored);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage

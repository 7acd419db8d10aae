// A log that is damaged, and not just torn at its end. If these fail, acknowledged versions are
// lost silently.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/rocksdb/log_repair.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/data_files.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000004");
constexpr int kVersions = 20;

absl::StatusOr<std::unique_ptr<Storage>> TryOpen(const fs::path& data_dir,
                                                 uint64_t memtable_bytes = 2 << 20) {
  return OpenRocksdbStorage({.data_dir = data_dir, .memtable_bytes = memtable_bytes},
                            base::Logger());
}

// The ends of a log's records: it has blocks of 32 KiB, and before each record a checksum, the
// length and the kind, which is 0 behind the last one. The checksum may begin with a 0 as well.
size_t EndOfRecords(const std::string& log) {
  constexpr size_t kBlockBytes = size_t{32} * 1024;
  constexpr size_t kHeaderBytes = 7;
  size_t at = 0;
  while (at + kHeaderBytes <= log.size()) {
    const size_t left = kBlockBytes - at % kBlockBytes;
    if (left < kHeaderBytes) {
      at += left;
      continue;
    }
    if (log[at + 6] == 0) break;
    at += kHeaderBytes + static_cast<uint8_t>(log[at + 4]) +
          size_t{256} * static_cast<uint8_t>(log[at + 5]);
  }
  return at;
}

// A storage whose versions are all in one log: in the state of a kill, with a mark of its beginning
// only, and in the state of a stop. The parameter is the size of each segment.
class DamagedLogTest : public testing::TestWithParam<size_t> {
 protected:
  DamagedLogTest() {
    // A checksum that begins with a 0 is not damaged where a test writes zeros.
    do {
      Fill();
    } while (std::any_of(record_begins_.begin(), record_begins_.end() - 1, [this](size_t begin) {
      return BytesOf(DatabaseFileWith(data_dir_, ".log", /*last=*/true))[begin] == 0;
    }));
  }

  void Fill() {
    fs::remove_all(data_dir_);
    version_ids_.clear();
    record_begins_.clear();
    std::unique_ptr<Storage> storage = *TryOpen(data_dir_);
    storage.reset();
    storage = *TryOpen(data_dir_);
    const std::string mark = BytesOf(data_dir_ / "DATABASE");
    const fs::path log = DatabaseFileWith(data_dir_, ".log", /*last=*/true);
    for (int i = 0; i < kVersions; ++i) {
      const Uuid parent = version_ids_.empty() ? kNil : version_ids_.back();
      record_begins_.push_back(EndOfRecords(BytesOf(log)));
      version_ids_.push_back(MustAppend(*storage, kClient, parent, Noise(GetParam())).version_id);
    }
    record_begins_.push_back(BytesOf(log).find_last_not_of('\0') + 1);
    CopyDirectory(data_dir_, killed_);
    SetBytesOf(killed_ / "DATABASE", mark);
    storage.reset();
    CopyDirectory(data_dir_, stopped_);
  }

  // Expects that a copy with that damage is refused unchanged.
  std::string Refusal(const fs::path& from,
                      const std::function<void(const fs::path& log)>& damage) {
    CopyDirectory(from, data_dir_);
    damage(DatabaseFileWith(data_dir_, ".log", /*last=*/true));
    const std::map<std::string, std::string> before = EverythingIn(data_dir_);
    const absl::Status refusal = TryOpen(data_dir_).status();
    EXPECT_EQ(refusal.code(), absl::StatusCode::kDataLoss) << refusal;
    EXPECT_EQ(TryOpen(data_dir_).status(), refusal);
    EXPECT_EQ(EverythingIn(data_dir_), before) << "it was changed";
    EXPECT_THAT(refusal.message(),
                AllOf(HasSubstr("tcsync-server repair-log"), HasSubstr("docs/recovery.md")));
    return std::string(refusal.message());
  }

  // The number of versions in a copy that must open.
  size_t VersionsOf(const fs::path& from, const std::function<void(const fs::path& log)>& damage) {
    CopyDirectory(from, data_dir_);
    damage(DatabaseFileWith(data_dir_, ".log", /*last=*/true));
    const auto storage = TryOpen(data_dir_);
    EXPECT_TRUE(storage.ok()) << storage.status();
    if (!storage.ok()) return 0;
    const std::vector<Uuid> found = VersionIdsOf(ReadChain(**storage, kClient, kNil));
    EXPECT_TRUE(std::equal(found.begin(), found.end(), version_ids_.begin()));
    return found.size();
  }

  const TemporaryDirectory directory_;
  const fs::path data_dir_ = fs::path(directory_.path()) / "data";
  const fs::path killed_ = fs::path(directory_.path()) / "killed";
  const fs::path stopped_ = fs::path(directory_.path()) / "stopped";
  std::vector<Uuid> version_ids_;
  std::vector<size_t> record_begins_;  // in the log, and the end of the last one
};

// Many in one block of the log, and each over several blocks.
INSTANTIATE_TEST_SUITE_P(Segments, DamagedLogTest, testing::Values(100, 9'000, 50'000));

// If this fails, a server refuses an undamaged log, or the other tests here find faults of their
// own making.
TEST_P(DamagedLogTest, AnUndamagedLogIsReadCompletely) {
  EXPECT_EQ(VersionsOf(killed_, [](const fs::path&) {}), kVersions);
  EXPECT_EQ(VersionsOf(stopped_, [](const fs::path&) {}), kVersions);
}

// If this fails, a server starts without the versions behind a flipped bit.
// A bit flip anywhere before the last record is found by the records behind it.
TEST_P(DamagedLogTest, AFlippedBitIsRefused) {
  for (const int version : {0, kVersions / 2, kVersions - 2}) {
    const size_t begin = record_begins_[static_cast<size_t>(version)];
    const size_t size = record_begins_[static_cast<size_t>(version) + 1] - begin;
    // In the checksum, the length, the kind, the sequence number, and the rest.
    for (const size_t at :
         {size_t{0}, size_t{4}, size_t{5}, size_t{6}, size_t{8}, size / 2, size - 1}) {
      SCOPED_TRACE(absl::StrCat("version ", version, " byte ", at, " of ", size));
      for (const fs::path& from : {killed_, stopped_}) {
        const std::string refusal =
            Refusal(from, [&](const fs::path& log) { FlipByteOf(log, begin + at); });
        EXPECT_THAT(refusal, HasSubstr(absl::StrCat("cannot be read at byte ")));
        EXPECT_THAT(refusal, HasSubstr(" bytes with up to "));
      }
    }
  }
}

// A version is written with the total of live bytes, and with a segment that is stored apart, so an
// unreadable record may have been two or three versions.
constexpr size_t LossOf(size_t versions, size_t segment_bytes) {
  return versions + 1 + (segment_bytes >= base::kInlineBytesMax ? 1 : 0);
}

// If this fails, an operator does not know how much a repair would lose.
TEST_P(DamagedLogTest, TheRefusalStatesTheLoss) {
  const size_t version = kVersions / 2;
  const size_t begin = record_begins_[version];
  EXPECT_THAT(Refusal(stopped_, [&](const fs::path& log) { FlipByteOf(log, begin + 10); }),
              HasSubstr(absl::StrCat(" bytes with up to ", LossOf(kVersions - version, GetParam()),
                                     " versions")));
}

// If this fails, a server does not start after a loss of power.
// Data that was not acknowledged for up to a second may be lost: the disk had not been asked to
// keep it before the loss of power.
TEST_P(DamagedLogTest, ATornLastRecordIsIgnored) {
  const size_t begin = record_begins_[kVersions - 1];
  const size_t end = record_begins_[kVersions];
  for (const size_t keep : {begin, begin + 1, begin + 6, begin + 7, (begin + end) / 2, end - 1}) {
    EXPECT_EQ(VersionsOf(killed_,
                         [&](const fs::path& log) {
                           std::string bytes = BytesOf(log);
                           std::fill(bytes.begin() + static_cast<ptrdiff_t>(keep), bytes.end(),
                                     '\0');
                           SetBytesOf(log, bytes);
                         }),
              kVersions - 1);
    // The disk writes blocks in any order: the beginning may be missing.
    EXPECT_EQ(VersionsOf(killed_,
                         [&](const fs::path& log) {
                           std::string bytes = BytesOf(log);
                           std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin),
                                     bytes.begin() +
                                         static_cast<ptrdiff_t>(keep + 1 > end ? end : keep + 1),
                                     '\0');
                           SetBytesOf(log, bytes);
                         }),
              kVersions - 1);
  }
}

// If this fails, a server starts without versions that it has acknowledged.
// After a stop, the end of the log is known.
TEST_P(DamagedLogTest, ATruncatedLogIsRefusedAfterAStop) {
  for (const size_t keep : {size_t{0}, size_t{1}, record_begins_[1], record_begins_[kVersions / 2],
                            record_begins_[kVersions - 1], record_begins_[kVersions] - 1}) {
    SCOPED_TRACE(keep);
    Refusal(stopped_, [&](const fs::path& log) { fs::resize_file(log, keep); });
    Refusal(stopped_, [&](const fs::path& log) {
      std::string bytes = BytesOf(log);
      std::fill(bytes.begin() + static_cast<ptrdiff_t>(keep), bytes.end(), '\0');
      SetBytesOf(log, bytes);
    });
  }
  EXPECT_THAT(
      Refusal(stopped_,
              [&](const fs::path& log) { fs::resize_file(log, record_begins_[kVersions - 1]); }),
      HasSubstr(absl::StrCat("with up to ", LossOf(1, GetParam()), " version")));
}

// If this fails, a server starts without the last acknowledged version.
TEST_P(DamagedLogTest, AFlippedBitInTheLastRecordIsRefusedAfterAStop) {
  const size_t begin = record_begins_[kVersions - 1];
  Refusal(stopped_, [&](const fs::path& log) { FlipByteOf(log, begin + 10); });
}

// If these fail, the remedy in the refusal does not help, or destroys readable data, or the loss is
// not reported later.
TEST_P(DamagedLogTest, AcceptingTheLossKeepsTheVersionsBeforeIt) {
  const size_t version = kVersions / 2;
  Refusal(stopped_, [&](const fs::path& log) { FlipByteOf(log, record_begins_[version] + 10); });
  const std::string damaged = BytesOf(DatabaseFileWith(data_dir_, ".log", /*last=*/true));
  const std::string name = DatabaseFileWith(data_dir_, ".log", /*last=*/true).filename();
  const auto before = EverythingIn(data_dir_);

  const absl::StatusOr<LogRepair> dry_run = RepairLog(data_dir_, /*dry_run=*/true);
  ASSERT_TRUE(dry_run.ok()) << dry_run.status();
  EXPECT_TRUE(dry_run->is_damaged);
  EXPECT_EQ(dry_run->loss.versions_max, LossOf(kVersions - version, GetParam()));
  EXPECT_EQ(EverythingIn(data_dir_), before);

  const absl::StatusOr<LogRepair> repaired = RepairLog(data_dir_, /*dry_run=*/false);
  ASSERT_TRUE(repaired.ok()) << repaired.status();
  EXPECT_EQ(repaired->loss.versions_max, LossOf(kVersions - version, GetParam()));
  EXPECT_TRUE(BytesOf(data_dir_ / repaired->loss.kept_in / name) == damaged);
  EXPECT_FALSE(RepairLog(data_dir_, /*dry_run=*/false)->is_damaged) << "it is repaired";

  for (int i = 0; i < 2; ++i) {
    const auto storage = TryOpen(data_dir_);
    ASSERT_TRUE(storage.ok()) << storage.status();
    EXPECT_EQ(VersionIdsOf(ReadChain(**storage, kClient, kNil)),
              std::vector<Uuid>(
                  version_ids_.begin(),
                  version_ids_.begin() + static_cast<ptrdiff_t>(version + static_cast<size_t>(i))));
    const auto stats = (*storage)->administration().ReadStats();
    ASSERT_TRUE(stats.ok()) << stats.status();
    ASSERT_EQ(stats->log_losses.size(), 1u);
    EXPECT_EQ(stats->log_losses[0].versions_max, LossOf(kVersions - version, GetParam()));
    EXPECT_EQ(stats->log_losses[0].bytes, dry_run->loss.bytes);
    EXPECT_EQ(stats->log_losses[0].kept_in, repaired->loss.kept_in);
    EXPECT_THAT(stats->log_losses[0].description, HasSubstr("cannot be read at byte"));
    const size_t position = version + static_cast<size_t>(i);
    const Uuid latest = version_ids_[position - 1];
    version_ids_.insert(version_ids_.begin() + static_cast<ptrdiff_t>(position),
                        MustAppend(**storage, kClient, latest).version_id);
    if (i == 0) continue;
    EXPECT_EQ((*storage)->administration().AcknowledgeLogLosses(), absl::OkStatus());
    EXPECT_TRUE((*storage)->administration().ReadStats()->log_losses.empty());
  }
}

// If this fails, a repair without need destroys data.
TEST_P(DamagedLogTest, RepairingAnUndamagedLogChangesNothing) {
  CopyDirectory(stopped_, data_dir_);
  const auto before = EverythingIn(data_dir_);
  const absl::StatusOr<LogRepair> repair = RepairLog(data_dir_, /*dry_run=*/false);
  ASSERT_TRUE(repair.ok()) << repair.status();
  EXPECT_FALSE(repair->is_damaged);
  EXPECT_EQ(EverythingIn(data_dir_), before);
}

// Notes of replicas are not synced, and the next write may reach the disk without them. If this
// fails, a server does not start after a loss of power that lost nothing acknowledged; or it
// starts, although lost data had been synced together with acknowledged data.
TEST(UnsyncedWriteTest, MayBeLostUntilTheNextSyncEnds) {
  const TemporaryDirectory directory;
  const fs::path data_dir = fs::path(directory.path()) / "data";
  const fs::path after = fs::path(directory.path()) / "after";
  std::unique_ptr<Storage> storage = *TryOpen(data_dir);
  std::vector<Uuid> version_ids = AppendChain(*storage, kClient, kNil, 3);
  const std::string mark = BytesOf(data_dir / "DATABASE");
  const fs::path log = DatabaseFileWith(data_dir, ".log");
  const size_t begin = EndOfRecords(BytesOf(log));
  storage->NoteReplicaSeen(kClient, version_ids.back(), 1'700'000'000);
  ASSERT_TRUE(storage->administration().ListClients(std::nullopt, 1).ok());  // writes the note
  const size_t end = EndOfRecords(BytesOf(log));
  ASSERT_GT(end, begin);
  const auto status_without_note = [&] {
    CopyDirectory(data_dir, after);
    SetBytesOf(after / "DATABASE", mark);
    std::string bytes = BytesOf(log);
    std::fill(bytes.begin() + static_cast<ptrdiff_t>(begin),
              bytes.begin() + static_cast<ptrdiff_t>(end), '\0');
    SetBytesOf(after / "rocksdb" / log.filename(), bytes);
    return TryOpen(after);
  };
  MustAppend(*storage, kClient, version_ids.back());
  {
    const auto opened = status_without_note();
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(VersionIdsOf(ReadChain(**opened, kClient, kNil)), version_ids);
  }
  MustAppend(*storage, Uuid::Random(), kNil);
  EXPECT_EQ(status_without_note().status().code(), absl::StatusCode::kDataLoss);
}

// A database that is killed with several logs in use.
class SeveralLogsTest : public testing::Test {
 protected:
  SeveralLogsTest() {
    {
      const std::unique_ptr<Storage> storage = *TryOpen(data_dir_);
      version_ids_ = AppendChain(*storage, kClient, kNil, 3);
    }
    // Opening moves the content of the logs into table files and begins a new log. Undoing all of
    // that except the new log, with new writes in it, leaves two logs in use.
    CopyDirectory(data_dir_, aside_);
    const std::unique_ptr<Storage> storage = *TryOpen(data_dir_);
    const std::vector<Uuid> more = AppendChain(*storage, kClient, version_ids_.back(), 4);
    version_ids_.insert(version_ids_.end(), more.begin(), more.end());
    const fs::path log = DatabaseFileWith(data_dir_, ".log", /*last=*/true);
    const std::string bytes = BytesOf(log);
    SetBytesOf(aside_ / "rocksdb" / log.filename(), bytes.substr(0, EndOfRecords(bytes)));
    first_ = DatabaseFileWith(aside_, ".log").filename();
    last_ = log.filename();
    EXPECT_NE(first_, last_);
  }

  absl::StatusOr<std::unique_ptr<Storage>> OpenAfter(
      const std::function<void(const fs::path& first, const fs::path& last)>& damage) {
    CopyDirectory(aside_, damaged_);
    damage(damaged_ / "rocksdb" / first_, damaged_ / "rocksdb" / last_);
    return TryOpen(damaged_);
  }

  const TemporaryDirectory directory_;
  const fs::path data_dir_ = fs::path(directory_.path()) / "data";
  const fs::path aside_ = fs::path(directory_.path()) / "aside";
  const fs::path damaged_ = fs::path(directory_.path()) / "damaged";
  std::vector<Uuid> version_ids_;
  fs::path first_;
  fs::path last_;
};

// If this fails, a server with several logs loses versions at its start.
TEST_F(SeveralLogsTest, AreReadInOrder) {
  const auto storage = OpenAfter([](const fs::path&, const fs::path&) {});
  ASSERT_TRUE(storage.ok()) << storage.status();
  EXPECT_EQ(VersionIdsOf(ReadChain(**storage, kClient, kNil)), version_ids_);
}

// If this fails, a history has a gap that its replicas cannot cross.
TEST_F(SeveralLogsTest, DamageInTheFirstLosesTheLaterOnesToo) {
  const std::vector<std::pair<const char*, std::function<void(const fs::path&, const fs::path&)>>>
      damages = {
          {"removed", [](const fs::path& first, const fs::path&) { fs::remove(first); }},
          {"emptied", [](const fs::path& first, const fs::path&) { SetBytesOf(first, ""); }},
          {"halved", [](const fs::path& first,
                        const fs::path&) { fs::resize_file(first, fs::file_size(first) / 2); }},
          {"flipped", [](const fs::path& first, const fs::path&) { FlipByteOf(first, 10); }},
          {"swapped",
           [](const fs::path& first, const fs::path& last) {
             const std::string bytes = BytesOf(first);
             SetBytesOf(first, BytesOf(last));
             SetBytesOf(last, bytes);
           }},
          {"doubled",
           [](const fs::path& first, const fs::path& last) { SetBytesOf(first, BytesOf(last)); }},
      };
  for (const auto& [name, damage] : damages) {
    SCOPED_TRACE(name);
    const auto storage = OpenAfter(damage);
    EXPECT_EQ(storage.status().code(), absl::StatusCode::kDataLoss) << storage.status();
    EXPECT_THAT(storage.status().message(), HasSubstr("versions that were acknowledged"));
    const absl::StatusOr<LogRepair> repaired = RepairLog(damaged_, /*dry_run=*/false);
    ASSERT_TRUE(repaired.ok()) << repaired.status();
    EXPECT_TRUE(repaired->is_damaged);
    const auto opened = TryOpen(damaged_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    const std::vector<Uuid> left = VersionIdsOf(ReadChain(**opened, kClient, kNil));
    EXPECT_EQ(left, std::vector<Uuid>(version_ids_.begin(),
                                      version_ids_.begin() + static_cast<ptrdiff_t>(left.size())));
    EXPECT_LE(left.size(), 3u);
  }
}

}  // namespace
}  // namespace tcsync::rocksdb_storage

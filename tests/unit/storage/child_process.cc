#include "tests/unit/storage/child_process.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tcsync/storage_administration.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/storage_changes.h"

namespace tcsync {
namespace {

absl::StatusOr<std::unique_ptr<Storage>> Open(const std::string& directory) {
  rocksdb_storage::RocksdbStorageOptions options;
  options.data_dir = directory;
  options.memtable_bytes = 256 * 1024;  // killed data is partly flushed, partly not
  return rocksdb_storage::OpenRocksdbStorage(options, base::Logger());
}

int TryOpen(const std::string& directory) {
  const auto storage = Open(directory);
  PrintLine(storage.ok() ? "ok" : storage.status().ToString());
  return 0;
}

int TryOpenAsNobody(const std::string& directory) {
  if (!BecomeNobody()) return 1;
  return TryOpen(directory);
}

// Appends to one chain, one version after the other, for as long as the process lives.
class EndlessAppender {
 public:
  EndlessAppender(Storage& storage, int number) : storage_(storage), number_(number) {
    const ChildOutcome outcome = GetChild(storage_, KilledClient(number_), Uuid::Random());
    parent_ = NoChildOf(outcome).value_or(kNil);
  }

  void AppendNext() {
    storage_.Append(AppendRequestFor(KilledClient(number_), parent_, SegmentOfKilled(parent_)),
                    [this](absl::StatusOr<AppendOutcome> outcome) {
                      const auto* appended =
                          outcome.ok() ? std::get_if<Appended>(&*outcome) : nullptr;
                      if (appended == nullptr) std::_Exit(1);
                      PrintLine(absl::StrCat(number_, " ", parent_.ToString(), " ",
                                             appended->version_id.ToString()));
                      parent_ = appended->version_id;
                      AppendNext();
                    });
  }

 private:
  Storage& storage_;
  const int number_;
  Uuid parent_;
};

int AppendUntilKilled(const std::string& directory) {
  const auto storage = Open(directory);
  if (!storage.ok()) {
    PrintLine(storage.status().ToString());
    return 1;
  }
  std::vector<std::unique_ptr<EndlessAppender>> appenders;
  for (int i = 0; i < kKilledClients; ++i) {
    appenders.push_back(std::make_unique<EndlessAppender>(**storage, i));
  }
  for (const auto& appender : appenders) appender->AppendNext();
  for (;;) pause();
}

int UploadUntilKilled(const std::string& directory) {
  const auto storage = Open(directory);
  if (!storage.ok()) {
    PrintLine(storage.status().ToString());
    return 1;
  }
  std::vector<std::thread> threads;
  for (int i = 1; i < kKilledClients; ++i) {
    threads.emplace_back([&, i] {
      const auto upload = MustBeginUpload(**storage, UploadRequestFor(KilledClient(i), kNil));
      for (;;) {
        if (!TryAdd(*upload, Noise(base::kPieceBytesMax)).ok()) std::_Exit(1);
      }
    });
  }
  const Uuid client = KilledClient(0);
  Uuid parent = NoChildOf(GetChild(**storage, client, Uuid::Random())).value_or(kNil);
  for (;;) {
    const auto outcome =
        TryAppend(**storage, UploadedAppendFor(**storage, client, parent,
                                               LargeSegmentOfKilled(parent), base::kPieceBytesMax));
    const auto* const appended = outcome.ok() ? std::get_if<Appended>(&*outcome) : nullptr;
    if (appended == nullptr) std::_Exit(1);
    parent = appended->version_id;
    PrintLine(parent.ToString());
  }
}

int BackUpUntilKilled(const std::string& directory) {
  const auto storage = Open(directory + "/data");
  if (!storage.ok()) {
    PrintLine(storage.status().ToString());
    return 1;
  }
  const auto report_progress = [](uint64_t done, uint64_t total) {
    if (done == 0 || done == total) return true;
    PrintLine("copying");
    for (;;) pause();
  };
  const auto made =
      (*storage)->administration().Backup({.directory = directory + "/backups"}, report_progress);
  PrintLine(made.status().ToString());  // it was too small for a stop in the middle
  return 1;
}

// An operator's and replicas' work on one client, from its creation to its end.
void ChangeClient(Storage& storage, const Uuid& client, int round) {
  const std::vector<StoredVersion> versions = ForeignChain(kNil, 20);
  const Uuid latest = versions.back().version.version_id;
  MustImport(storage, client, versions, {{.snapshot = {latest, Noise(20'000)}}});
  RemoveBelow(storage, client, 15);
  const Uuid next = MustAppend(storage, client, latest, Noise(20'000)).version_id;
  storage.NoteReplicaSeen(client, next, int64_t{86'400} * round);
  AcceptDiverged(storage, client);
  const Uuid accepted = MustAppend(storage, client, Uuid::Random()).version_id;
  StoreSnapshot(storage, client, accepted);
  Delete(storage, client);
  MustAppend(storage, client, kNil);
  if (round % 2 == 0) Delete(storage, client);
}

int ChangeUntilKilled(const std::string& directory) {
  const auto storage = Open(directory);
  if (!storage.ok()) {
    PrintLine(storage.status().ToString());
    return 1;
  }
  for (int i = 0; i < kKilledClients; ++i) Delete(**storage, KilledClient(i));
  std::vector<std::thread> threads;
  for (int i = 0; i < kKilledClients; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 1;; ++round) {
        ChangeClient(**storage, KilledClient(i), round);
        Delete(**storage, KilledClient(i));
        // A failure ends the test.
        if (testing::Test::HasFailure()) std::_Exit(1);
        PrintLine("changed");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace

Uuid KilledClient(int number) {
  return *Uuid::Parse(absl::StrCat("c11e4700-0000-4000-8000-00000000000", number));
}

std::string SegmentOfKilled(const Uuid& parent) {
  // One in four is kept apart from its record, in a blob file.
  const size_t size = parent.bytes()[15] % 4 == 0 ? 20'000 : 1'000;
  return parent.ToString() + Noise(size);
}

std::string LargeSegmentOfKilled(const Uuid& parent) {
  return parent.ToString() + Noise(200'000 + 3'000 * size_t{parent.bytes()[15]});
}

int RunTask(const std::string& task, const std::string& directory) {
  if (task == kTryOpen) return TryOpen(directory);
  if (task == kTryOpenAsNobody) return TryOpenAsNobody(directory);
  if (task == kAppendUntilKilled) return AppendUntilKilled(directory);
  if (task == kUploadUntilKilled) return UploadUntilKilled(directory);
  if (task == kBackUpUntilKilled) return BackUpUntilKilled(directory);
  if (task == kChangeUntilKilled) return ChangeUntilKilled(directory);
  return 1;
}

}  // namespace tcsync

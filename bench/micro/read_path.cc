// The read path without HTTP: GetChild of tcsync::Storage over RocksDB, on one thread.
//
//   head            "anything new?": the child of the latest version, which is not there. Every
//                   client of the directory in turn, from the cache of heads as far as that goes.
//   version         the first version, every client in turn, from the block cache as far as that
//                   goes
//   head_one, version_one
//                   the same of one client over and over: all caches hit
//   head_cold, version_cold
//                   as head and version, with RocksDB's caches and the engine's made so small that
//                   nothing stays in them: each read goes to the files. These are in the system's
//                   page cache, so it is the engine's work that is measured, and not the disk's.
//   catch_up        walk a chain from the nil version to its end, a version an iteration
//   chain_head, chain_first, chain_middle, chain_append
//                   the latest version, the first, one in the middle, and an append, of a client
//                   with `chain` versions
//
// clients: in the directory, one version each. chain: versions of the one client that is read. An
// operation whose time grows with either has an unwanted cost. --large adds a million clients, and
// a million versions of one client, which takes a minute.
// Every answer is checked; a wrong one is an error of the benchmark.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/numbered_uuid.h"
#include "load/histogram.h"
#include "micro/append_driver.h"
#include "micro/counting_env.h"
#include "micro/latency.h"
#include "micro/program.h"
#include "micro/raw_database.h"
#include "micro/scratch_directory.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_storage.h"

namespace tcsync::micro {
namespace {

constexpr size_t kSegmentBytes = 256;
constexpr uint64_t kTinyCacheBytes = 1024;
constexpr uint32_t kRecordsPerBatch = 1000;
constexpr size_t kClientsWarmedMax = 100'000;  // more than the caches hold

enum class Caches { kDefault, kTiny };

rocksdb_storage::RocksdbStorageOptions StorageOptions(const std::string& directory, Caches caches) {
  rocksdb_storage::RocksdbStorageOptions options;
  options.data_dir = directory;
  if (caches == Caches::kTiny) {
    options.block_cache_bytes = kTinyCacheBytes;
    options.head_cache_bytes = kTinyCacheBytes;
  }
  return options;
}

// The versions of one client.
struct StoredChain {
  Uuid client_id;
  Uuid first;
  Uuid middle_parent;
  Uuid middle;
  Uuid latest;
};

// A directory with `clients` chains of `chain` versions each, then closed, so that all data is in
// files when it is opened for reading. The records go to RocksDB in large batches and not through
// the engine, where a million appends take minutes. Every read checks that it finds them.
class Directory {
 public:
  Directory(size_t clients, size_t chain) {
    RawDatabase database(directory_.path());
    if (!database.status().ok()) return;
    rocksdb::WriteOptions without_wal;
    without_wal.disableWAL = true;
    const std::string segment(kSegmentBytes, 's');
    rocksdb_storage::ClientRecord client_record;
    client_record.created_unix_seconds = 1;
    rocksdb::WriteBatch batch;
    rocksdb::Status status;
    const auto write = [&] {
      if (status.ok()) status = database->Write(without_wal, &batch);
      batch.Clear();
    };
    for (size_t i = 0; i < clients; ++i) {
      StoredChain stored;
      stored.client_id = Uuid::Random();
      batch.Put(rocksdb_storage::ClientKey(stored.client_id),
                rocksdb_storage::EncodeClientRecord(client_record));
      for (size_t number = 1; number <= chain; ++number) {
        const Uuid version_id = base::RandomUuidWithNumber(number);
        PutVersion(stored.client_id, number, version_id, stored.latest, segment, &batch);
        if (number == 1) stored.first = version_id;
        if (number == chain / 2) stored.middle_parent = version_id;
        if (number == chain / 2 + 1) stored.middle = version_id;
        stored.latest = version_id;
        if (batch.Count() >= kRecordsPerBatch) write();
      }
      chains_.push_back(stored);
    }
    write();
    if (status.ok()) status = database->Flush(rocksdb::FlushOptions());
    // So that no compaction runs beside the measurement.
    if (status.ok()) {
      status = database->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr);
    }
    filled_ = status.ok();
  }

  bool filled() const { return filled_; }
  const std::vector<StoredChain>& chains() const { return chains_; }
  std::vector<StoredChain>& chains() { return chains_; }

  std::unique_ptr<Storage> Open(Caches caches) const {
    auto storage = rocksdb_storage::OpenRocksdbStorage(StorageOptions(directory_.path(), caches),
                                                       base::Logger());
    return storage.ok() ? std::move(*storage) : nullptr;
  }

 private:
  const ScratchDirectory directory_;
  bool filled_ = false;
  std::vector<StoredChain> chains_;
};

// Filled when first used and kept until the end of the program.
std::map<std::pair<size_t, size_t>, std::unique_ptr<Directory>>& Directories() {
  static std::map<std::pair<size_t, size_t>, std::unique_ptr<Directory>> directories;
  return directories;
}

Directory& DirectoryWith(size_t clients, size_t chain) {
  std::unique_ptr<Directory>& directory = Directories()[{clients, chain}];
  if (directory == nullptr) directory = std::make_unique<Directory>(clients, chain);
  return *directory;
}

enum class Read { kHead, kFirstVersion, kMiddleVersion };

Uuid ParentOf(const StoredChain& chain, Read read) {
  switch (read) {
    case Read::kHead:
      return chain.latest;
    case Read::kFirstVersion:
      return Uuid();
    case Read::kMiddleVersion:
      return chain.middle_parent;
  }
  return Uuid();
}

// Whether a read returns the stored data.
bool ReadOne(Storage& storage, const StoredChain& chain, Read read) {
  const absl::StatusOr<ChildOutcome> child =
      ReadChild(storage, chain.client_id, ParentOf(chain, read));
  if (!child.ok()) return false;
  if (read == Read::kHead) {
    const auto* none = std::get_if<NoChild>(&*child);
    return none != nullptr && none->latest_version_id == chain.latest;
  }
  const auto* version = std::get_if<Version>(&*child);
  return version != nullptr &&
         version->version_id == (read == Read::kFirstVersion ? chain.first : chain.middle) &&
         version->segment.size() == kSegmentBytes;
}

// Reads of the first `used` chains in turn; 0: of all.
void Reads(benchmark::State& state, size_t clients, size_t chain, Read read, Caches caches,
           size_t used) {
  const Directory& directory = DirectoryWith(clients, chain);
  if (!directory.filled()) return state.SkipWithError("the directory could not be filled");
  const std::unique_ptr<Storage> storage = directory.Open(caches);
  if (storage == nullptr) return state.SkipWithError("the storage did not open");
  const std::vector<StoredChain>& chains = directory.chains();
  if (used == 0) used = chains.size();

  load::Histogram latency;
  size_t turn = 0;
  bool correct = true;
  // The caches are filled before the clock starts.
  if (caches == Caches::kDefault) {
    for (size_t i = 0; i < std::min(used, kClientsWarmedMax); ++i) {
      correct = ReadOne(*storage, chains[i], read) && correct;
    }
  }
  for (auto _ : state) {
    const uint64_t start = NowNanoseconds();
    correct = ReadOne(*storage, chains[turn], read) && correct;
    latency.Record(NowNanoseconds() - start);
    if (++turn == used) turn = 0;
  }
  if (!correct) return state.SkipWithError("a read gave something else than was stored");
  state.SetItemsProcessed(state.iterations());
  ReportLatency(state, latency);
}

void CatchUp(benchmark::State& state, size_t chain) {
  const Directory& directory = DirectoryWith(1, chain);
  if (!directory.filled()) return state.SkipWithError("the directory could not be filled");
  const std::unique_ptr<Storage> storage = directory.Open(Caches::kDefault);
  if (storage == nullptr) return state.SkipWithError("the storage did not open");
  const StoredChain& stored = directory.chains()[0];

  load::Histogram latency;
  Uuid parent;
  size_t position = 0;
  for (auto _ : state) {
    const uint64_t start = NowNanoseconds();
    const absl::StatusOr<ChildOutcome> child = ReadChild(*storage, stored.client_id, parent);
    latency.Record(NowNanoseconds() - start);
    const auto* version = child.ok() ? std::get_if<Version>(&*child) : nullptr;
    if (version == nullptr || version->parent_version_id != parent) {
      state.SkipWithError("the chain is not what was stored");
      break;
    }
    parent = version->version_id;
    if (++position == chain) {
      if (parent != stored.latest) {
        state.SkipWithError("the chain ends elsewhere than it did");
        break;
      }
      parent = Uuid();
      position = 0;
    }
  }
  state.SetItemsProcessed(state.iterations());
  ReportLatency(state, latency);
}

void ChainAppend(benchmark::State& state, size_t chain) {
  Directory& directory = DirectoryWith(1, chain);
  if (!directory.filled()) return state.SkipWithError("the directory could not be filled");
  const std::unique_ptr<Storage> storage = directory.Open(Caches::kDefault);
  if (storage == nullptr) return state.SkipWithError("the storage did not open");
  const CountingEnv env;
  StoredChain& stored = directory.chains()[0];
  AppendDriver driver(*storage, env, kSegmentBytes, stored.client_id, stored.latest);
  driver.Start();
  for (auto _ : state) driver.Step();
  driver.Drain();
  stored.latest = driver.latest(0);
  if (!driver.status().ok() || driver.conflicts() > 0) {
    return state.SkipWithError("an append to the end of the chain did not succeed");
  }
  state.SetItemsProcessed(state.iterations());
  ReportLatency(state, driver.latency());
}

void RegisterAll(bool large) {
  std::vector<size_t> clients_levels = {1'000, 100'000};
  std::vector<size_t> chain_levels = {10, 10'000};
  if (large) {
    clients_levels.push_back(1'000'000);
    chain_levels.push_back(1'000'000);
  }
  for (const size_t clients : clients_levels) {
    const std::string level = absl::StrCat("/clients:", clients);
    const auto reads = [&](const char* name, Read read, Caches caches, size_t used) {
      Register(name + level, Reads, clients, size_t{1}, read, caches, used);
    };
    reads("head_one", Read::kHead, Caches::kDefault, 1);
    reads("version_one", Read::kFirstVersion, Caches::kDefault, 1);
    reads("head", Read::kHead, Caches::kDefault, 0);
    reads("version", Read::kFirstVersion, Caches::kDefault, 0);
    reads("head_cold", Read::kHead, Caches::kTiny, 0);
    reads("version_cold", Read::kFirstVersion, Caches::kTiny, 0);
  }
  for (const size_t chain : chain_levels) {
    const std::string level = absl::StrCat("/chain:", chain);
    Register("catch_up" + level, CatchUp, chain);
    Register("chain_head" + level, Reads, size_t{1}, chain, Read::kHead, Caches::kDefault,
             size_t{1});
    Register("chain_first" + level, Reads, size_t{1}, chain, Read::kFirstVersion, Caches::kDefault,
             size_t{1});
    Register("chain_middle" + level, Reads, size_t{1}, chain, Read::kMiddleVersion,
             Caches::kDefault, size_t{1});
    Register("chain_append" + level, ChainAppend, chain);
  }
}

// Removes --large from the arguments; the others are Google Benchmark's.
bool TakeLarge(int* argc, char** argv) {
  for (int i = 1; i < *argc; ++i) {
    if (std::strcmp(argv[i], "--large") != 0) continue;
    for (; i + 1 < *argc; ++i) argv[i] = argv[i + 1];
    --*argc;
    return true;
  }
  return false;
}

}  // namespace
}  // namespace tcsync::micro

int main(int argc, char** argv) {
  tcsync::micro::RegisterAll(tcsync::micro::TakeLarge(&argc, argv));
  const int status = tcsync::micro::RunBenchmarks(argc, argv);
  tcsync::micro::Directories().clear();
  return status;
}

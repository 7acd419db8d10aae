// The write path without HTTP: the rate of durable versions and the time of each one, for the
// engine's storage and for the layers below it.
//
//   engine_append            appends through tcsync::Storage over RocksDB, each answered when it is
//                            synced. writers: appends under way at a time. clients: own chains, the
//                            same chain for all, or a new client for each append.
//   raw_rocksdb              the same records written to RocksDB by one thread, in batches of the
//                            sizes that engine_append just had with as many writers, under the
//                            options that the engine gave its database, with logs made alike.
//                            sync:0 leaves out the sync, which the engine cannot: the difference
//                            is what durability costs.
//   raw_append_fdatasync     one write of the segment's size to the end of a growing file, and sync
//   raw_overwrite_fdatasync  the same into a file that already has its size: a sync that has no
//                            file size and no block allocation to record
//
// items_per_second are versions (for raw files: writes). Compare engine_append with raw_rocksdb for
// what the engine adds, and with writers:1 the time of one append with raw_append_fdatasync.
// batch_mean, batch_p50, batch_p99 and batch_max say how many versions one sync served. Every
// engine run reads back what it wrote; a difference is an error of the benchmark.
#include <benchmark/benchmark.h>

#include <algorithm>
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
#include "micro/disk.h"
#include "micro/latency.h"
#include "micro/program.h"
#include "micro/raw_database.h"
#include "micro/scratch_directory.h"
#include "storage/rocksdb/rocksdb_storage.h"

namespace tcsync::micro {
namespace {

constexpr size_t kSegmentSizes[] = {64, 1024, size_t{16} << 10, size_t{256} << 10, size_t{4} << 20};
constexpr size_t kWriters[] = {1, 8, 64};
// Bytes in flight: below the bound of the engine's queue.
constexpr size_t kUnderWayBytesMax = size_t{32} << 20;

using BatchSizes = std::vector<uint32_t>;

// The batches of the engine's runs, for raw_rocksdb to repeat.
std::map<std::pair<size_t, size_t>, BatchSizes>& ObservedBatches() {
  static auto& batches = *new std::map<std::pair<size_t, size_t>, BatchSizes>();
  return batches;
}

std::unique_ptr<Storage> OpenEngine(const std::string& directory, rocksdb::Env* env) {
  rocksdb_storage::RocksdbStorageOptions options;
  options.data_dir = directory;
  options.env = env;
  absl::StatusOr<std::unique_ptr<Storage>> storage =
      rocksdb_storage::OpenRocksdbStorage(options, base::Logger());
  return storage.ok() ? std::move(*storage) : nullptr;
}

void ReportBatches(benchmark::State& state, BatchSizes batches) {
  if (batches.empty()) return;
  double sum = 0;
  for (const uint32_t size : batches) sum += size;
  std::sort(batches.begin(), batches.end());
  state.counters["batch_mean"] = sum / static_cast<double>(batches.size());
  state.counters["batch_p50"] = batches[batches.size() / 2];
  state.counters["batch_p99"] = batches[batches.size() * 99 / 100];
  state.counters["batch_max"] = batches.back();
}

void EngineAppend(benchmark::State& state, size_t segment_bytes, size_t writers, Clients clients) {
  const ScratchDirectory directory;
  const CountingEnv env;
  const std::unique_ptr<Storage> storage = OpenEngine(directory.path(), env.env());
  if (storage == nullptr) return state.SkipWithError("the storage did not open");

  AppendDriver driver(*storage, env, segment_bytes, writers, clients);
  const uint64_t bytes_before = env.log_bytes();
  driver.Start();
  for (auto _ : state) driver.Step();
  const uint64_t appended_in_time = driver.appended();  // the clock has stopped
  driver.Drain();
  const uint64_t log_bytes = env.log_bytes() - bytes_before;

  const absl::StatusOr<uint64_t> stored = driver.CountStored();
  if (!driver.status().ok()) {
    return state.SkipWithError(std::string(driver.status().message()).c_str());
  }
  if (!stored.ok()) return state.SkipWithError(std::string(stored.status().message()).c_str());
  if (*stored != driver.appended()) {
    return state.SkipWithError(
        absl::StrCat(driver.appended(), " appended, ", *stored, " read back").c_str());
  }

  state.SetItemsProcessed(static_cast<int64_t>(appended_in_time));
  state.counters["appended"] = static_cast<double>(driver.appended());
  state.counters["read_back"] = static_cast<double>(*stored);
  state.counters["conflicts"] = static_cast<double>(driver.conflicts());
  state.counters["log_bytes_per_version"] =
      static_cast<double>(log_bytes) / static_cast<double>(driver.appended());
  ReportLatency(state, driver.latency());
  ReportBatches(state, driver.batches());
  if (clients == Clients::kOwn) ObservedBatches()[{segment_bytes, writers}] = driver.batches();
}

void RawRocksdb(benchmark::State& state, size_t segment_bytes, size_t writers, bool sync) {
  const ScratchDirectory directory;
  RawDatabase database(directory.path());
  if (!database.status().ok()) return state.SkipWithError(database.status().ToString().c_str());

  const auto observed = ObservedBatches().find({segment_bytes, writers});
  const BatchSizes batches = observed != ObservedBatches().end()
                                 ? observed->second
                                 : BatchSizes{static_cast<uint32_t>(writers)};
  const std::string segment(segment_bytes, 's');
  std::vector<Uuid> clients(writers);
  for (Uuid& client : clients) client = Uuid::Random();
  rocksdb::WriteOptions write;
  write.sync = sync;

  load::Histogram latency;
  uint64_t versions = 0;
  size_t turn = 0;
  rocksdb::Status written;
  for (auto _ : state) {
    const uint64_t start = NowNanoseconds();
    const uint32_t count = batches[turn++ % batches.size()];
    rocksdb::WriteBatch batch(count * (segment_bytes + 128));
    for (uint32_t i = 0; i < count; ++i, ++versions) {
      const uint64_t number = versions / writers + 1;
      PutVersion(clients[versions % writers], number, base::RandomUuidWithNumber(number),
                 base::RandomUuidWithNumber(number - 1), segment, &batch);
    }
    written = database->Write(write, &batch);
    latency.Record(NowNanoseconds() - start);
    if (!written.ok()) break;
  }
  if (!written.ok()) return state.SkipWithError(written.ToString().c_str());
  state.SetItemsProcessed(static_cast<int64_t>(versions));
  ReportLatency(state, latency);
  ReportBatches(state, batches);
}

void RawFileSync(benchmark::State& state, size_t segment_bytes, bool growing) {
  // The overwritten file is as long as one of RocksDB's logs.
  constexpr size_t kFileBytes = size_t{8} << 20;
  const ScratchDirectory directory;
  RawFile file(directory.path() + "/file");
  const std::string segment(segment_bytes, 's');
  const size_t places = std::max<size_t>(1, kFileBytes / segment_bytes);
  if (!growing) {
    file.WriteAt(std::string(places * segment_bytes, '\0'), 0);
    file.Sync();
  }
  load::Histogram latency;
  size_t turn = 0;
  for (auto _ : state) {
    const uint64_t start = NowNanoseconds();
    const size_t place = growing ? turn : turn % places;
    file.WriteAt(segment, static_cast<off_t>(place * segment_bytes));
    file.Sync();
    ++turn;
    latency.Record(NowNanoseconds() - start);
  }
  state.SetItemsProcessed(static_cast<int64_t>(turn));
  ReportLatency(state, latency);
}

void RegisterAll() {
  for (const size_t segment : kSegmentSizes) {
    const std::string size = absl::StrCat("/segment:", segment);
    Register("raw_append_fdatasync" + size, RawFileSync, segment, true);
    Register("raw_overwrite_fdatasync" + size, RawFileSync, segment, false);
    for (const size_t writers : kWriters) {
      if (segment * writers > kUnderWayBytesMax) continue;
      const std::string both = absl::StrCat(size, "/writers:", writers);
      Register("engine_append" + both + "/clients:own", EngineAppend, segment, writers,
               Clients::kOwn);
      Register("raw_rocksdb" + both + "/sync:1", RawRocksdb, segment, writers, true);
      Register("raw_rocksdb" + both + "/sync:0", RawRocksdb, segment, writers, false);
    }
  }
  for (const size_t writers : kWriters) {
    const std::string both = absl::StrCat("/segment:1024/writers:", writers);
    Register("engine_append" + both + "/clients:same", EngineAppend, size_t{1024}, writers,
             Clients::kSame);
    Register("engine_append" + both + "/clients:new", EngineAppend, size_t{1024}, writers,
             Clients::kNew);
  }
}

}  // namespace
}  // namespace tcsync::micro

int main(int argc, char** argv) {
  tcsync::micro::RegisterAll();
  return tcsync::micro::RunBenchmarks(argc, argv);
}

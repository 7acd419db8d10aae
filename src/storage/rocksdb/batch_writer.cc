#include "storage/rocksdb/batch_writer.h"

#include <chrono>

#include "absl/status/statusor.h"
#include "storage/rocksdb/chain_reader.h"

namespace tcsync::rocksdb_storage {

absl::Status BatchWriter::MakeWritable(Room room) {
  if (room == Room::kOrdinary) {
    if (parts_.reserve.IsGivenUp()) {
      return absl::ResourceExhaustedError(
          "the disk is full: the remaining space is reserved for operations that free space");
    }
    return parts_.database.MakeWritable();
  }
  const absl::Status writable = parts_.database.MakeWritable();
  if (!absl::IsResourceExhausted(writable) || !parts_.reserve.GiveUp()) return writable;
  return parts_.database.MakeWritable();
}

absl::Status BatchWriter::Write(uint64_t bytes, Room room,
                                absl::FunctionRef<absl::Status(BatchBuilder&)> decide) {
  absl::Status written = WriteOnce(bytes, room, decide);
  if (room == Room::kReserve && absl::IsResourceExhausted(written) && parts_.reserve.GiveUp()) {
    written = WriteOnce(bytes, room, decide);
  }
  return written;
}

absl::Status BatchWriter::WriteOnce(uint64_t bytes, Room room,
                                    absl::FunctionRef<absl::Status(BatchBuilder&)> decide) {
  const absl::Status writable = MakeWritable(room);
  const absl::StatusOr<Database::Loan> database = parts_.database.Borrow(ReadTier::kDisk);
  if (!database.ok()) return database.status();
  BatchBuilder builder(database->reader(ReadTier::kDisk), parts_.head_cache, parts_.uploads,
                       totals(), bytes);
  if (const absl::Status decided = decide(builder); !decided.ok()) return decided;
  if (builder.writes().Count() == 0) {  // needs no disk space
    builder.AfterWrite(true);
    return absl::OkStatus();
  }
  if (!writable.ok()) return writable;
  builder.BeforeWrite();
  const auto since = std::chrono::steady_clock::now();
  const absl::Status written =
      parts_.database.Write(*database, builder.writes(), builder.needs_sync());
  if (parts_.instruments != nullptr && builder.writes().Count() > 0 && builder.needs_sync()) {
    parts_.instruments->sync_seconds.Observe(std::chrono::steady_clock::now() - since);
  }
  builder.AfterWrite(written.ok());
  if (!written.ok()) return written;
  client_count_ = builder.totals().clients;
  live_bytes_ = builder.totals().live_bytes;
  if (builder.removes()) {
    ++removals_;
    has_removals_ = true;
  }
  for (const Uuid& client_id : builder.forgotten_clients()) parts_.notes.Forget(client_id);
  return written;
}

}  // namespace tcsync::rocksdb_storage

#include "storage/rocksdb/opening.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/head_cache.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"
#include "storage/rocksdb/uploads.h"

namespace tcsync::rocksdb_storage {
namespace {

// The totals of all clients, from their records.
absl::StatusOr<StorageTotals> CountTotals(rocksdb::DB& database, const ChainReader& chains) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;  // over all clients
  options.fill_cache = false;
  StorageTotals totals;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  for (iterator->SeekToFirst(); iterator->Valid();) {
    const absl::string_view key(iterator->key().data(), iterator->key().size());
    if (key.size() < Uuid::kBytes) {  // of no record that this format has
      iterator->Next();
      continue;
    }
    // The client record is a client's first key; other keys at the front are the storage's own.
    if (const std::optional<Uuid> client_id = ParseClientKey(key)) {
      ++totals.clients;
      const absl::StatusOr<std::optional<ChainHead>> head = chains.ReadHead(*client_id);
      // A damaged client counts as nothing; verify reports it.
      if (head.ok() && head->has_value()) totals.live_bytes += (*head)->live_bytes();
      if (!head.ok() && !absl::IsDataLoss(head.status())) return head.status();
    }
    iterator->Seek(EndOfClient(Uuid::FromBytes(key.data())));
  }
  if (!iterator->status().ok()) return FromRocksdb(iterator->status(), "count the clients");
  return totals;
}

// The number at a key of the storage's own; nullopt when it does not exist.
absl::StatusOr<std::optional<uint64_t>> ReadNumber(const ChainReader& reader,
                                                   const std::string& key) {
  const absl::StatusOr<std::optional<std::string>> value = reader.Read(key);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  const std::optional<uint64_t> number = DecodeNumber(**value);
  if (!number) return absl::DataLossError("a count of the storage's own is malformed");
  return number;
}

// Reads the totals of all clients, and upgrades a directory of an older format.
absl::StatusOr<StorageTotals> UpgradeAndReadTotals(rocksdb::DB& database, const ChainReader& reader,
                                                   DataDirectory& directory) {
  const absl::StatusOr<std::optional<uint64_t>> clients = ReadNumber(reader, ClientCountKey());
  if (!clients.ok()) return clients.status();
  const absl::StatusOr<std::optional<uint64_t>> live_bytes = ReadNumber(reader, LiveBytesKey());
  if (!live_bytes.ok()) return live_bytes.status();
  // Counts in an older format are from an interrupted upgrade, and an older release may have
  // written since.
  const bool is_current = directory.format() == kStorageFormatVersion;
  if (is_current && clients->has_value() && live_bytes->has_value()) {
    return StorageTotals{.clients = **clients, .live_bytes = **live_bytes};
  }
  const absl::StatusOr<StorageTotals> totals = CountTotals(database, reader);
  if (!totals.ok() || is_current) return totals;
  rocksdb::WriteOptions durable;
  durable.sync = true;
  rocksdb::WriteBatch writes;
  rocksdb::Status written = writes.Put(ClientCountKey(), EncodeNumber(totals->clients));
  if (written.ok()) written = writes.Put(LiveBytesKey(), EncodeNumber(totals->live_bytes));
  if (written.ok()) written = database.Write(durable, &writes);
  if (!written.ok()) return FromRocksdb(written, "write the counts of the clients");
  // Last, because a reader of this format relies on all of its parts.
  const absl::Status upgraded = directory.Upgrade();
  if (!upgraded.ok()) return upgraded;
  return totals;
}

absl::StatusOr<bool> HasRemovals(rocksdb::DB& database) {
  const std::string end = EndOfRemovalKeys();
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  iterator->Seek(ErasedKey(Uuid()));
  if (!iterator->status().ok())
    return FromRocksdb(iterator->status(), "read the notes of removals");
  return iterator->Valid();
}

// The keys of interrupted uploads and their pieces, and the client of each upload.
absl::Status FindAbandonedUploads(rocksdb::DB& database, std::vector<std::string>& keys,
                                  std::vector<Uuid>& clients) {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  const auto add = [&](absl::string_view key, absl::string_view) -> absl::StatusOr<bool> {
    keys.emplace_back(key);
    const std::optional<ParsedUploadKey> upload = ParseUploadKey(key);
    if (!upload) return true;
    clients.push_back(upload->client_id);
    // Pieces are numbered from 0, so the last one determines their keys. An iteration would read
    // their bytes.
    const std::string first_piece = PieceKey(upload->client_id, upload->upload_id, 0);
    const std::string last_piece =
        PieceKey(upload->client_id, upload->upload_id, std::numeric_limits<uint32_t>::max());
    const rocksdb::Slice first_slice(first_piece);
    rocksdb::ReadOptions options_of_pieces;
    options_of_pieces.total_order_seek = true;
    options_of_pieces.iterate_lower_bound = &first_slice;
    const std::unique_ptr<rocksdb::Iterator> pieces(database.NewIterator(options_of_pieces));
    pieces->SeekForPrev(last_piece);
    if (!pieces->status().ok()) return FromRocksdb(pieces->status(), "find the last piece");
    if (!pieces->Valid()) return true;
    const std::optional<ParsedPieceKey> last =
        ParsePieceKey(upload->client_id, ToView(pieces->key()));
    if (!last || last->upload_id != upload->upload_id) return true;
    for (uint32_t piece = 0; piece <= last->piece; ++piece) {
      keys.push_back(PieceKey(upload->client_id, upload->upload_id, piece));
    }
    return true;
  };
  return VisitKeys(database, options, FirstUploadKey(), EndOfUploadKeys(), add, "find uploads");
}

}  // namespace

absl::StatusOr<OpenedState> ReadOpenedState(rocksdb::DB& database, const ChainReader& reader,
                                            DataDirectory& directory) {
  const absl::StatusOr<StorageTotals> totals = UpgradeAndReadTotals(database, reader, directory);
  if (!totals.ok()) return totals.status();
  const absl::StatusOr<bool> has_removals = HasRemovals(database);
  if (!has_removals.ok()) return has_removals.status();
  return OpenedState{.totals = *totals, .has_removals = *has_removals};
}

void RemoveAbandonedUploads(AdministeredStorage& storage, const base::Logger& logger) {
  std::vector<std::string> keys;
  std::vector<Uuid> clients;
  const absl::Status read = storage.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
    return FindAbandonedUploads(database, keys, clients);
  });
  absl::Status removed = read;
  if (read.ok() && !keys.empty()) {
    removed = storage.Commit(
        [&](BatchBuilder& batch) {
          batch.LeaveUnsynced();
          for (const std::string& key : keys) batch.Delete(key);
          for (const Uuid& client_id : clients) batch.NoteRemoval(client_id);
          return absl::OkStatus();
        },
        Room::kReserve);
  }
  if (!removed.ok()) {
    logger.Log(LogLevel::kWarning,
               "the pieces of interrupted uploads cannot be removed; the next start tries again: ",
               removed.message());
  } else if (!clients.empty()) {
    logger.Log(LogLevel::kInfo, "removed the pieces of ", clients.size(), " interrupted uploads");
  }
}

void DiscardAgain(AdministeredStorage& storage) {
  for (std::shared_ptr<UploadState>& upload : storage.uploads().TakeForDiscarding()) {
    const absl::Status written = storage.Commit(
        [&upload](BatchBuilder& batch) {
          batch.DiscardUpload(upload);
          return absl::OkStatus();
        },
        Room::kReserve);
    if (!written.ok()) storage.uploads().KeepForDiscarding(std::move(upload));
  }
}

}  // namespace tcsync::rocksdb_storage

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/limits.h"
#include "base/random.h"
#include "storage/replicas_ahead.h"
#include "storage/rewind_refusals.h"
#include "storage/rocksdb/access_records.h"
#include "storage/rocksdb/administration.h"
#include "storage/rocksdb/record_codec.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr size_t kPseudonymKeyBytes = 32;

// Decides an import in its batch.
class Importer {
 public:
  Importer(BatchBuilder& batch, ImportRequest& request) : batch_(batch), request_(request) {}

  absl::StatusOr<ImportOutcome> Run() {
    const Uuid& client_id = request_.client_id;
    absl::StatusOr<std::optional<ChainHead>> found = batch_.Head(client_id);
    if (!found.ok()) return found.status();
    const bool is_new_client = !found->has_value();
    if (is_new_client && request_.versions.empty()) return Imported{};
    head_ = found->value_or(ChainHead{});
    stored_head_ = head_;
    if (is_new_client) head_.record.created_unix_seconds = request_.created_unix_seconds;

    Imported imported;
    for (StoredVersion& stored : request_.versions) {
      const Version& version = stored.version;
      const absl::StatusOr<std::optional<uint64_t>> present = FindStored(version.version_id);
      if (!present.ok()) return present.status();
      // Present versions come before new ones.
      if (present->has_value() && imported.versions_added == 0) {
        const auto trailer = batch_.reader().ReadTrailer(client_id, **present);
        if (!trailer.ok()) return trailer.status();
        if (trailer->has_value() && (*trailer)->parent_version_id == version.parent_version_id) {
          ++imported.versions_present;
          continue;
        }
      }
      const bool continues =
          head_.latest_number == 0 || version.parent_version_id == head_.latest_version_id;
      if (!continues || present->has_value()) return DoesNotFit(version);
      const absl::Status added = Add(stored);
      if (!added.ok()) return added;
      ++imported.versions_added;
    }

    const absl::StatusOr<bool> snapshot_stored = StoreSnapshot();
    if (!snapshot_stored.ok()) return snapshot_stored.status();
    imported.snapshot_stored = *snapshot_stored;
    const bool accepted_before = head_.record.accepts_diverged;
    const absl::Status replicas_stored = StoreReplicas(is_new_client);
    if (!replicas_stored.ok()) return replicas_stored;
    if (imported.versions_added > 0 || imported.snapshot_stored ||
        head_.record.accepts_diverged != accepted_before) {
      batch_.PutHead(client_id, head_, is_new_client);
    }
    return imported;
  }

 private:
  // The number of a version that was here before the import.
  absl::StatusOr<std::optional<uint64_t>> FindStored(const Uuid& version_id) const {
    if (stored_head_.latest_number == 0) return std::nullopt;
    return batch_.reader().FindNumber(request_.client_id, stored_head_, version_id);
  }

  DoesNotContinue DoesNotFit(const Version& version) const {
    return {.latest_version_id = stored_head_.latest_version_id,
            .first_version_id = version.version_id,
            .parent_version_id = version.parent_version_id};
  }

  // Adds a version whose parent is the latest one.
  absl::Status Add(StoredVersion& stored) {
    const Uuid version_id = stored.version.version_id;
    if (head_.latest_number >= base::kVersionNumberMax) {
      return absl::ResourceExhaustedError("the chain is full");
    }
    // A chain with a cycle has no end for its readers.
    const absl::StatusOr<bool> closes = CompletesCycle(stored.version);
    if (!closes.ok()) return closes.status();
    if (*closes) {
      return absl::InvalidArgumentError(
          absl::StrCat("version ", version_id.ToString(), " comes twice in the imported history"));
    }
    if (head_.latest_number == 0) {
      first_parent_ = stored.version.parent_version_id;
      BatchBuilder::BeginHistoryAfter(*first_parent_, head_);
    }
    const std::shared_ptr<UploadState> upload = StateOf(stored.upload.get());
    if (upload != nullptr) {
      if (const absl::Status status = upload->CheckStorable(); !status.ok()) return status;
    }
    batch_.AddVersion(request_.client_id, std::move(stored.version), upload,
                      stored.appended_unix_seconds, head_);
    added_[version_id] = head_.latest_number;
    return absl::OkStatus();
  }

  absl::StatusOr<bool> CompletesCycle(const Version& version) {
    const Uuid& version_id = version.version_id;
    if (version_id == version.parent_version_id || version_id.IsNil()) return true;
    if (added_.contains(version_id)) return true;
    const absl::StatusOr<bool> is_first_parent = IsFirstParent(version_id);
    if (!is_first_parent.ok()) return is_first_parent.status();
    return *is_first_parent;
  }

  // Whether the oldest kept version has this parent.
  absl::StatusOr<bool> IsFirstParent(const Uuid& version_id) {
    if (!first_parent_ && stored_head_.latest_number > 0) {
      const auto first =
          batch_.reader().ReadTrailer(request_.client_id, stored_head_.record.first_number);
      if (!first.ok()) return first.status();
      if (first->has_value()) first_parent_ = (*first)->parent_version_id;
    }
    return first_parent_ == version_id;
  }

  // The number of a version that is kept after the import, or of the parent of the first one.
  absl::StatusOr<std::optional<uint64_t>> NumberOrBase(const Uuid& version_id) {
    if (version_id.IsNil()) return std::nullopt;
    if (const auto it = added_.find(version_id); it != added_.end()) return it->second;
    const absl::StatusOr<std::optional<uint64_t>> stored = FindStored(version_id);
    if (!stored.ok() || stored->has_value()) return stored;
    const absl::StatusOr<bool> is_base = IsFirstParent(version_id);
    if (!is_base.ok()) return is_base.status();
    if (!*is_base) return std::nullopt;
    return head_.record.first_number - 1;
  }

  absl::StatusOr<bool> StoreSnapshot() {
    if (!request_.snapshot || head_.latest_number == 0) return false;
    Snapshot& snapshot = request_.snapshot->snapshot;
    const absl::StatusOr<std::optional<uint64_t>> found = NumberOrBase(snapshot.version_id);
    if (!found.ok()) return found.status();
    const std::optional<uint64_t> number = *found;
    if (!number || (head_.record.snapshot && head_.record.snapshot->number >= *number)) {
      return false;
    }
    const std::shared_ptr<UploadState> upload = StateOf(request_.snapshot->upload.get());
    if (upload != nullptr) {
      if (const absl::Status status = upload->CheckStorable(); !status.ok()) return status;
    }
    batch_.PutSnapshot(request_.client_id,
                       {.version_id = snapshot.version_id,
                        .number = *number,
                        .stored_unix_seconds = request_.snapshot->stored_unix_seconds},
                       snapshot.bytes, upload, head_);
    return true;
  }

  absl::Status StoreReplicas(bool is_new_client) {
    bool is_position_known = !is_new_client || request_.replicas_follow;
    if (request_.replicas) {
      const absl::StatusOr<bool> stored = StorePositions();
      if (!stored.ok()) return stored.status();
      is_position_known = *stored;
      if (const absl::Status status = StoreReplicasAhead(); !status.ok()) return status;
      if (request_.replicas->accepts_diverged) head_.record.accepts_diverged = true;
    }
    if (is_position_known) return absl::OkStatus();
    return PutPosition(DayOf(request_.now_unix_seconds), head_.record.first_number);
  }

  // Returns whether the client then has a position.
  absl::StatusOr<bool> StorePositions() {
    bool is_known = false;
    const uint32_t today = DayOf(request_.now_unix_seconds);
    for (const ImportRequest::ImportedReplicas::Position& position : request_.replicas->positions) {
      const absl::StatusOr<std::optional<uint64_t>> number = NumberOrBase(position.version_id);
      if (!number.ok()) return number.status();
      if (!number->has_value()) continue;
      is_known = true;
      const absl::Status put = PutPosition(std::min(DayOf(position.day_unix_seconds), today),
                                           std::max(**number, head_.record.first_number));
      if (!put.ok()) return put;
    }
    if (is_known || stored_head_.latest_number == 0) return is_known;
    const auto keys = batch_.reader().ReadKeysOfReplicas(request_.client_id);
    if (!keys.ok()) return keys.status();
    return std::any_of(keys->begin(), keys->end(), [this](const std::string& key) {
      return ParsePositionKey(request_.client_id, key).has_value();
    });
  }

  // The oldest position of a day counts.
  absl::Status PutPosition(uint32_t day, uint64_t number) {
    const auto [put, is_first] = positions_.try_emplace(day, number);
    if (is_first) {
      const auto stored = batch_.reader().Read(PositionKey(request_.client_id, day));
      if (!stored.ok()) return stored.status();
      const std::optional<uint64_t> stored_number =
          stored->has_value() ? DecodeNumber(**stored) : std::nullopt;
      if (stored_number) put->second = *stored_number;
      if (stored_number && *stored_number <= number) return absl::OkStatus();
    } else if (put->second <= number) {
      return absl::OkStatus();
    }
    put->second = number;
    batch_.Put(PositionKey(request_.client_id, day), EncodeNumber(number));
    return absl::OkStatus();
  }

  absl::Status StoreReplicasAhead() {
    const std::vector<ReplicaAhead>& ahead = request_.replicas->ahead;
    if (ahead.empty()) return absl::OkStatus();
    const std::string key = ReplicasAheadKey(request_.client_id);
    const auto stored = batch_.reader().Read(key);
    if (!stored.ok()) return stored.status();
    std::vector<ReplicaAhead> replicas;
    if (stored->has_value()) replicas = DecodeReplicasAhead(**stored).value_or(replicas);
    // The oldest first, so that the latest is inserted at the front last.
    std::for_each(ahead.rbegin(), ahead.rend(), [&](const ReplicaAhead& replica) {
      storage::AddReplicaAhead(replica, replicas);
    });
    batch_.Put(key, EncodeReplicasAhead(replicas));
    return absl::OkStatus();
  }

  BatchBuilder& batch_;
  ImportRequest& request_;
  ChainHead stored_head_;  // before the import
  ChainHead head_;
  absl::flat_hash_map<Uuid, uint64_t> added_;
  std::optional<Uuid> first_parent_;  // of the oldest kept version; read when needed
  absl::flat_hash_map<uint32_t, uint64_t> positions_;  // by day, after the import
};

// The number below which versions may be removed, if those below `first_number` are requested.
absl::StatusOr<uint64_t> EndOfRemoval(const ChainHead& head, uint64_t first_number) {
  if (first_number <= head.record.first_number) return head.record.first_number;
  const std::optional<SnapshotRecord>& snapshot = head.record.snapshot;
  if (!snapshot || snapshot->number + 1 < first_number) {
    return absl::FailedPreconditionError(
        absl::StrCat("the client has no snapshot at version ", first_number - 1,
                     " or later, so a new replica could not start from what would be left"));
  }
  return std::max(head.record.first_number,
                  std::min({first_number, snapshot->number, head.latest_number}));
}

absl::Status NoSuchClientError() { return absl::NotFoundError("there is no such client"); }

// Does the reads that the removal of these versions needs here, so that the committer need not wait
// for the disk. A part begins at its first version: before it are the tombstones of the parts
// before.
void LoadForRemoval(const ChainReader& reader, const Uuid& client_id, uint64_t first_number = 0,
                    uint64_t end_number = base::kVersionNumberMax + 1) {
  static_cast<void>(reader.ReadKeysOfVersions(client_id, first_number, end_number).ok());
}

struct ChangeOfAccess {
  BatchBuilder& batch;

  absl::Status operator()(const Ban& ban) const {
    batch.Put(BanKey(ban.client_id), EncodeBan(ban));
    return absl::OkStatus();
  }
  absl::Status operator()(const ClientToken& token) const {
    return ChangeDevices(token.client_id, [&](DeviceState& state) {
      if (!state.token || state.token->digest != token.digest) state.devices.Clear();
      state.token = token;
    });
  }
  absl::Status operator()(Invite invite) const {
    const absl::StatusOr<std::optional<Invite>> stored = ReadInvite(batch.reader(), invite.digest);
    if (!stored.ok()) return stored.status();
    if (stored->has_value()) invite.uses = std::max(invite.uses, (*stored)->uses);
    batch.Put(InviteKey(invite.digest), EncodeInvite(invite));
    return absl::OkStatus();
  }
  absl::Status operator()(const RemoveBan& ban) const {
    batch.Delete(BanKey(ban.client_id));
    return absl::OkStatus();
  }
  absl::Status operator()(const RemoveToken& token) const {
    return ChangeDevices(token.client_id, [](DeviceState& state) {
      state.devices.Clear();
      state.token.reset();
    });
  }
  absl::Status operator()(const RemoveInvite& invite) const {
    batch.Delete(InviteKey(invite.digest));
    return absl::OkStatus();
  }

 private:
  template <typename Change>
  absl::Status ChangeDevices(const Uuid& client_id, Change change) const {
    absl::StatusOr<DeviceState> state = ReadDeviceState(batch.reader(), client_id);
    if (!state.ok()) return state.status();
    change(*state);
    PutDeviceState(client_id, *state, batch);
    return absl::OkStatus();
  }
};

}  // namespace

absl::StatusOr<bool> RocksdbAdministration::DeleteClient(const Uuid& client_id) {
  const absl::Status loaded = storage_.WithDatabase([&](rocksdb::DB&, const ChainReader& reader) {
    LoadForRemoval(reader, client_id);
    return absl::OkStatus();
  });
  if (!loaded.ok()) return loaded;
  bool existed = false;
  const absl::Status removed = storage_.Commit(
      [&](BatchBuilder& batch) -> absl::Status {
        const absl::StatusOr<std::optional<ChainHead>> head = batch.Head(client_id);
        if (!head.ok()) return head.status();
        existed = head->has_value();
        RemoveDevices(client_id, batch);
        if (!existed) batch.RemoveUploads(client_id);
        return existed ? batch.RemoveClient(client_id, **head) : absl::OkStatus();
      },
      Room::kReserve);
  if (!removed.ok()) return removed;
  return existed;
}

absl::StatusOr<ImportOutcome> RocksdbAdministration::Import(ImportRequest request) {
  const absl::Status loaded =
      storage_.WithDatabase([&](rocksdb::DB&, const ChainReader& reader) -> absl::Status {
        const absl::StatusOr<std::optional<ChainHead>> head = reader.ReadHead(request.client_id);
        if (!head.ok() || !head->has_value()) return head.status();
        for (const StoredVersion& stored : request.versions) {
          const auto number =
              reader.FindNumber(request.client_id, **head, stored.version.version_id);
          if (!number.ok()) return number.status();
        }
        return absl::OkStatus();
      });
  if (!loaded.ok()) return loaded;
  absl::StatusOr<ImportOutcome> outcome = absl::InternalError("the import was not decided");
  const absl::Status imported = storage_.Commit([&](BatchBuilder& batch) -> absl::Status {
    outcome = Importer(batch, request).Run();
    if (!outcome.ok()) return outcome.status();
    // An error, because versions that were added before the misfit must not be written.
    if (std::holds_alternative<DoesNotContinue>(*outcome)) {
      return absl::FailedPreconditionError("the part does not continue the chain");
    }
    return absl::OkStatus();
  });
  const bool does_not_continue = outcome.ok() && std::holds_alternative<DoesNotContinue>(*outcome);
  if (!imported.ok() && !does_not_continue) return imported;
  return outcome;
}

absl::StatusOr<uint64_t> RocksdbAdministration::RemoveVersions(const Uuid& client_id,
                                                               uint64_t first_number) {
  uint64_t removed_bytes = 0;
  for (;;) {
    // One part of the versions to remove, which begins at the first kept version.
    ChainHead head;
    uint64_t end_number = 0;
    const absl::Status read =
        storage_.WithDatabase([&](rocksdb::DB&, const ChainReader& reader) -> absl::Status {
          const absl::StatusOr<std::optional<ChainHead>> found = reader.ReadHead(client_id);
          if (!found.ok()) return found.status();
          if (!found->has_value()) return NoSuchClientError();
          head = **found;
          const absl::StatusOr<uint64_t> end = EndOfRemoval(head, first_number);
          if (!end.ok()) return end.status();
          end_number = std::min(*end, head.record.first_number + base::kRemovedVersionsPerWrite);
          LoadForRemoval(reader, client_id, head.record.first_number, end_number);
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
    if (end_number <= head.record.first_number) return removed_bytes;

    uint64_t part_bytes = 0;
    const absl::Status written = storage_.Commit(
        [&](BatchBuilder& batch) -> absl::Status {
          part_bytes = 0;
          const absl::StatusOr<std::optional<ChainHead>> now = batch.Head(client_id);
          if (!now.ok()) return now.status();
          // Others may have removed more meanwhile: then this part is selected again.
          if (!now->has_value() || (*now)->record.first_number != head.record.first_number ||
              (*now)->record.created_unix_seconds != head.record.created_unix_seconds) {
            return absl::OkStatus();
          }
          const absl::StatusOr<uint64_t> end = EndOfRemoval(**now, first_number);
          if (!end.ok()) return end.status();
          if (*end < end_number) return absl::OkStatus();
          const absl::StatusOr<uint64_t> removed =
              batch.RemoveVersions(client_id, end_number, **now);
          if (removed.ok()) part_bytes = *removed;
          return removed.status();
        },
        Room::kReserve);
    if (!written.ok()) return written;
    removed_bytes += part_bytes;
  }
}

absl::StatusOr<Rewound> RocksdbAdministration::Rewind(const RewindRequest& request) {
  const Uuid& client_id = request.client_id;
  const absl::Status loaded = storage_.WithDatabase([&](rocksdb::DB&, const ChainReader& reader) {
    LoadForRemoval(reader, client_id);
    return absl::OkStatus();
  });
  if (!loaded.ok()) return loaded;
  // Notes of replicas at removed versions must be written first, so that they become notes of the
  // version that stays.
  FlushNotesIfPossible();
  Rewound rewound;
  const auto rewind = [&](BatchBuilder& batch) -> absl::Status {
    rewound = Rewound();
    const absl::StatusOr<std::optional<ChainHead>> found = batch.Head(client_id);
    if (!found.ok()) return found.status();
    if (!found->has_value()) return storage::NoClientToRewind();
    const ChainHead& head = **found;
    const std::optional<SnapshotRecord>& snapshot = head.record.snapshot;
    const std::optional<Uuid> snapshot_version_id =
        snapshot ? std::optional(snapshot->version_id) : std::nullopt;
    if (head.latest_version_id != request.latest_version_id ||
        snapshot_version_id != request.snapshot_version_id) {
      return storage::ClientChangedBeforeRewind(request);
    }
    const auto number = batch.reader().FindNumber(client_id, head, request.version_id);
    if (!number.ok()) return number.status();
    if (!number->has_value()) return storage::NoVersionToRewindTo(request);
    const auto trailer = batch.reader().ReadTrailer(client_id, **number);
    if (!trailer.ok()) return trailer.status();
    rewound.versions_removed = head.latest_number - **number;
    if (trailer->has_value() && head.history_bytes > (*trailer)->history_bytes) {
      rewound.bytes_removed = head.history_bytes - (*trailer)->history_bytes;
    }
    rewound.snapshot_removed = snapshot && (request.remove_snapshot || snapshot->number > **number);
    if (rewound.snapshot_removed) rewound.bytes_removed += head.snapshot_bytes();
    if (rewound.versions_removed == 0 && !rewound.snapshot_removed) return absl::OkStatus();
    return batch.Rewind(client_id, **number, request.remove_snapshot, head);
  };
  const absl::Status written = storage_.Commit(rewind, Room::kReserve);
  if (!written.ok()) return written;
  return rewound;
}

absl::StatusOr<bool> RocksdbAdministration::AcceptDiverged(const Uuid& client_id, bool allow) {
  bool exists = false;
  const absl::Status changed = storage_.Commit(
      [&](BatchBuilder& batch) -> absl::Status {
        const absl::StatusOr<std::optional<ChainHead>> found = batch.Head(client_id);
        if (!found.ok()) return found.status();
        exists = found->has_value();
        if (!exists || (*found)->record.accepts_diverged == allow) return absl::OkStatus();
        ChainHead head = **found;
        head.record.accepts_diverged = allow;
        batch.PutHead(client_id, head, /*is_new_client=*/false);
        return absl::OkStatus();
      },
      Room::kReserve);
  if (!changed.ok()) return changed;
  return exists;
}

absl::StatusOr<AccessRecords> RocksdbAdministration::ReadAccessRecords() {
  absl::StatusOr<AccessRecords> records = absl::InternalError("nothing was read");
  const absl::Status read = storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
    records = ReadAllAccessRecords(database);
    return records.status();
  });
  if (!read.ok()) return read;
  return records;
}

absl::Status RocksdbAdministration::ChangeAccess(const AccessChange& change) {
  return storage_.Commit(
      [&](BatchBuilder& batch) { return std::visit(ChangeOfAccess{batch}, change); },
      Room::kReserve);
}

absl::StatusOr<std::vector<DeviceGate>> RocksdbAdministration::ReadDeviceGates() {
  absl::StatusOr<std::vector<DeviceGate>> gates = absl::InternalError("nothing was read");
  const absl::Status read = storage_.WithDatabase([&](rocksdb::DB& database, const ChainReader&) {
    gates = ReadAllDeviceGates(database);
    return gates.status();
  });
  if (!read.ok()) return read;
  return gates;
}

absl::StatusOr<DeviceState> RocksdbAdministration::ReadDevices(const Uuid& client_id) {
  absl::StatusOr<DeviceState> state = absl::InternalError("nothing was read");
  const absl::Status read = storage_.WithDatabase([&](rocksdb::DB&, const ChainReader& reader) {
    state = ReadDeviceState(reader, client_id);
    return state.status();
  });
  if (!read.ok()) return read;
  return state;
}

absl::Status RocksdbAdministration::ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                                                  DecideDevices decide) {
  return storage_.Commit(
      [&](BatchBuilder& batch) -> absl::Status {
        absl::StatusOr<DeviceState> state = ReadDeviceState(batch.reader(), client_id);
        if (!state.ok()) return state.status();
        const absl::StatusOr<bool> changed = decide(*state);
        if (changed.ok() && *changed) PutDeviceState(client_id, *state, batch);
        return changed.status();
      },
      may_use_reserve ? Room::kReserve : Room::kOrdinary);
}

absl::StatusOr<std::string> RocksdbAdministration::PseudonymKey() {
  std::string key;
  const absl::Status read = storage_.Commit([&](BatchBuilder& batch) -> absl::Status {
    const absl::StatusOr<std::optional<std::string>> stored =
        batch.reader().Read(PseudonymKeyKey());
    if (!stored.ok()) return stored.status();
    if (stored->has_value()) {
      key = **stored;
      return absl::OkStatus();
    }
    key = base::RandomBytes(kPseudonymKeyBytes);
    batch.Put(PseudonymKeyKey(), key);
    return absl::OkStatus();
  });
  if (!read.ok()) return read;
  return key;
}

}  // namespace tcsync::rocksdb_storage

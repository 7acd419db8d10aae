#include "storage/rocksdb/chain_verifier.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "storage/chain_notes.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

class ChainVerifier {
 public:
  ChainVerifier(rocksdb::DB& database, const Uuid& client_id)
      : database_(database), client_id_(client_id), moment_(&database) {}

  absl::StatusOr<ChainReport> Verify();

 private:
  using Visit = absl::FunctionRef<void(absl::string_view key, absl::string_view value)>;
  // Reports a record that cannot be read, with the reason, and returns the key at which to
  // continue; nullopt: none in this part.
  using Resume = absl::FunctionRef<std::optional<std::string>(const std::string& reason)>;

  // Over the records below `end`, which must outlive it.
  std::unique_ptr<rocksdb::Iterator> NewIterator(const rocksdb::Slice& end);

  // Visits the records from `begin` up to and without `end`.
  absl::Status Walk(const std::string& begin, const std::string& end, Visit visit, Resume resume);
  // The same for a part in which the records behind an unreadable one are not checked.
  absl::Status Walk(const std::string& begin, const std::string& end, absl::string_view what,
                    Visit visit);

  void AddProblem(std::string problem);
  void AddUnknown(absl::string_view key);

  absl::Status VerifyRecord();
  absl::Status VerifyVersions();
  void VerifyVersion(uint64_t number, absl::string_view value);
  // The bytes that the version's segment must have; nullopt when its records do not tell.
  std::optional<uint64_t> SegmentBytes(uint64_t number, const VersionTrailer& trailer);
  absl::Status VerifySegments();
  absl::Status VerifyPieces();
  // The key of the piece that must follow `last`; nullopt: none.
  std::optional<std::string> NextPieceKey(const std::optional<ParsedPieceKey>& last) const;
  // Whether the register has the upload as one that belongs to no version yet.
  bool IsUnderWay(const Uuid& upload_id);
  absl::Status VerifyIndex();
  absl::Status VerifySnapshot();
  absl::Status VerifyReplicas();

  // The beginning of a part of the client's keys: the bytes that all of them share.
  static std::string PartOf(const std::string& key) { return key.substr(0, Uuid::kBytes + 1); }

  static std::string Named(uint64_t number, const Uuid& version_id) {
    return absl::StrCat("version ", number, " (", version_id.ToString(), ")");
  }

  rocksdb::DB& database_;
  const Uuid client_id_;
  rocksdb::ManagedSnapshot moment_;

  ChainReport report_;
  uint64_t problems_not_listed_ = 0;
  bool has_records_ = false;  // of any kind

  std::optional<ClientRecord> record_;
  uint64_t next_number_ = 0;                // of the version that must come next; 0: any
  std::optional<VersionTrailer> previous_;  // the version before that one, if it was read
  std::optional<VersionTrailer> first_;     // the first version that was read
  uint64_t first_number_ = 0;
  uint64_t latest_number_ = 0;
  bool every_version_was_read_ = true;
  std::optional<Uuid> at_snapshot_;  // the version with the number of the snapshot's
  struct LargeSegment {
    uint64_t number;
    Uuid version_id;
    std::optional<uint64_t> bytes;  // that it must have, if known
  };
  std::vector<LargeSegment> large_segments_;  // by number
  struct ExpectedPieces {
    std::string name;
    PiecesRecord record;
    uint32_t next_piece = 0;
    uint64_t bytes = 0;
    bool is_damaged = false;  // and that was reported
  };
  absl::flat_hash_map<Uuid, ExpectedPieces> expected_pieces_;   // by upload
  absl::flat_hash_map<Uuid, uint64_t> must_be_found_by_index_;  // parent -> number of its child
};

std::unique_ptr<rocksdb::Iterator> ChainVerifier::NewIterator(const rocksdb::Slice& end) {
  rocksdb::ReadOptions options;
  options.snapshot = moment_.snapshot();
  options.verify_checksums = true;
  options.fill_cache = false;  // one-time reads must not push out frequently read blocks
  options.prefix_same_as_start = true;
  // A value is read together with its key: without the bound, the first large one behind the end.
  options.iterate_upper_bound = &end;
  return std::unique_ptr<rocksdb::Iterator>(database_.NewIterator(options));
}

absl::Status ChainVerifier::Walk(const std::string& begin, const std::string& end, Visit visit,
                                 Resume resume) {
  const rocksdb::Slice bound(end);
  const std::unique_ptr<rocksdb::Iterator> iterator = NewIterator(bound);
  std::string from = begin;
  for (;;) {
    for (iterator->Seek(from); iterator->Valid(); iterator->Next()) {
      has_records_ = true;
      visit(ToView(iterator->key()), ToView(iterator->value()));
    }
    const rocksdb::Status status = iterator->status();
    if (status.ok()) return absl::OkStatus();
    // These are damaged bytes, or a missing or unreadable file. Other errors concern no single
    // record.
    if (!status.IsCorruption() && !status.IsIOError()) {
      return FromRocksdb(status, "read from the database");
    }
    has_records_ = true;
    std::optional<std::string> next = resume(status.ToString());
    if (!next || problems_not_listed_ > 0) return absl::OkStatus();
    from = *std::move(next);
  }
}

absl::Status ChainVerifier::Walk(const std::string& begin, const std::string& end,
                                 absl::string_view what, Visit visit) {
  return Walk(begin, end, visit, [&](const std::string& reason) -> std::optional<std::string> {
    AddProblem(absl::StrCat(what, " cannot be read: ", reason));
    return std::nullopt;
  });
}

void ChainVerifier::AddProblem(std::string problem) {
  if (report_.problems.size() < base::kChainProblemsMax) {
    report_.problems.push_back(std::move(problem));
  } else {
    ++problems_not_listed_;
  }
}

void ChainVerifier::AddUnknown(absl::string_view key) {
  AddProblem(absl::StrCat("there is a record that this release does not know, of key ",
                          absl::BytesToHexString(key.substr(Uuid::kBytes))));
}

absl::Status ChainVerifier::VerifyRecord() {
  const std::string record_key = ClientKey(client_id_);
  absl::Status status =
      Walk(std::string(client_id_.AsStringView()), PartOf(VersionKey(client_id_, 0)),
           "the client record", [&](absl::string_view key, absl::string_view value) {
             if (key != record_key) return AddUnknown(key);
             record_ = DecodeClientRecord(value);
             if (!record_) AddProblem("the client record is malformed");
           });
  if (record_) next_number_ = record_->first_number;
  return status;
}

std::optional<uint64_t> ChainVerifier::SegmentBytes(uint64_t number,
                                                    const VersionTrailer& trailer) {
  uint64_t before = 0;
  if (previous_) {
    before = previous_->history_bytes;
  } else if (record_ && number == record_->first_number) {
    before = record_->removed_history_bytes;
  } else {
    return std::nullopt;
  }
  if (trailer.history_bytes < before) {
    AddProblem(absl::StrCat("the history up to ", Named(number, trailer.version_id), " has ",
                            trailer.history_bytes, " bytes, fewer than the ", before,
                            " before it"));
    return std::nullopt;
  }
  return trailer.history_bytes - before;
}

void ChainVerifier::VerifyVersion(uint64_t number, absl::string_view value) {
  if (next_number_ != 0 && number < next_number_) {
    AddProblem(absl::StrCat("version ", number, " is kept, though ", next_number_,
                            " should be the first"));
  } else if (next_number_ != 0 && number > next_number_) {
    const uint64_t last_missing = number - 1;
    AddProblem(next_number_ == last_missing
                   ? absl::StrCat("version ", last_missing, " is missing")
                   : absl::StrCat("versions ", next_number_, " to ", last_missing, " are missing"));
    previous_.reset();
    every_version_was_read_ = false;
  }
  next_number_ = number + 1;
  latest_number_ = number;

  const std::optional<VersionTrailer> trailer = DecodeVersionTrailer(value);
  if (!trailer) {
    AddProblem(absl::StrCat("version ", number, " is malformed"));
    previous_.reset();
    every_version_was_read_ = false;
    return;
  }
  ++report_.versions;
  const std::string name = Named(number, trailer->version_id);
  if (previous_ && trailer->parent_version_id != previous_->version_id) {
    AddProblem(absl::StrCat("the parent of ", name, " is ", trailer->parent_version_id.ToString(),
                            " and not the version before it, ", previous_->version_id.ToString()));
  }
  if (!first_) {
    first_ = trailer;
    first_number_ = number;
  }
  if (record_ && record_->snapshot && record_->snapshot->number == number) {
    at_snapshot_ = trailer->version_id;
  }
  if (base::NumberHint(trailer->parent_version_id) + 1 != number) {
    must_be_found_by_index_[trailer->parent_version_id] = number;
  }
  const std::optional<uint64_t> expected_bytes = SegmentBytes(number, *trailer);
  if (trailer->segment_is_inline) {
    const uint64_t bytes = value.size() - trailer->encoded_bytes;
    if (expected_bytes && bytes != *expected_bytes) {
      AddProblem(absl::StrCat("the segment of ", name, " has ", bytes, " bytes, but ",
                              *expected_bytes, " were counted"));
    }
    report_.bytes += bytes;
  } else if (trailer->pieces) {
    if (expected_bytes && trailer->pieces->bytes != *expected_bytes) {
      AddProblem(absl::StrCat("the segment of ", name, " has ", trailer->pieces->bytes,
                              " bytes, but ", *expected_bytes, " were counted"));
    }
    expected_pieces_[trailer->pieces->upload_id] = {.name = absl::StrCat("the segment of ", name),
                                                    .record = *trailer->pieces};
  } else {
    large_segments_.push_back({number, trailer->version_id, expected_bytes});
  }
  previous_ = trailer;
}

absl::Status ChainVerifier::VerifyVersions() {
  // The key at which to stop looking behind unreadable versions.
  uint64_t last_number = 0;
  const std::string end = PartOf(SegmentKey(client_id_, 0));
  {
    const rocksdb::Slice bound(end);
    const std::unique_ptr<rocksdb::Iterator> iterator = NewIterator(bound);
    iterator->SeekForPrev(VersionKey(client_id_, base::kVersionNumberMax));
    if (iterator->Valid()) {
      last_number = ParseVersionKey(client_id_, ToView(iterator->key())).value_or(0);
    }
  }
  absl::Status status = Walk(
      PartOf(VersionKey(client_id_, 0)), end,
      [&](absl::string_view key, absl::string_view value) {
        const std::optional<uint64_t> number = ParseVersionKey(client_id_, key);
        if (!number) return AddUnknown(key);
        VerifyVersion(*number, value);
      },
      [&](const std::string& reason) -> std::optional<std::string> {
        const uint64_t number = next_number_ == 0 ? 1 : next_number_;
        AddProblem(absl::StrCat("version ", number, " cannot be read: ", reason));
        previous_.reset();
        every_version_was_read_ = false;
        next_number_ = number + 1;
        if (number >= last_number) return std::nullopt;
        return VersionKey(client_id_, next_number_);
      });
  if (status.ok() && record_ && latest_number_ == 0 && every_version_was_read_) {
    AddProblem("it has no version");
    every_version_was_read_ = false;
  }
  return status;
}

absl::Status ChainVerifier::VerifySegments() {
  const std::string part = PartOf(SegmentKey(client_id_, 0));
  auto expected = large_segments_.cbegin();
  const auto end = large_segments_.cend();
  const auto miss = [&] {
    AddProblem(absl::StrCat("the segment of ", Named(expected->number, expected->version_id),
                            " is missing"));
    ++expected;
  };
  absl::Status status = Walk(
      part, PartOf(PieceKey(client_id_, Uuid(), 0)),
      [&](absl::string_view key, absl::string_view value) {
        absl::string_view encoded = key;
        const std::optional<uint64_t> number =
            absl::ConsumePrefix(&encoded, part) ? DecodeNumber(encoded) : std::nullopt;
        if (!number) return AddUnknown(key);
        while (expected != end && expected->number < *number) miss();
        if (expected == end || expected->number != *number) {
          return AddProblem(
              absl::StrCat("there is a segment of number ", *number, " that no version has"));
        }
        if (expected->bytes && value.size() != *expected->bytes) {
          AddProblem(absl::StrCat("the segment of ", Named(*number, expected->version_id), " has ",
                                  value.size(), " bytes, but ", *expected->bytes, " were counted"));
        }
        report_.bytes += value.size();
        ++expected;
      },
      [&](const std::string& reason) -> std::optional<std::string> {
        if (expected == end) {
          AddProblem(absl::StrCat("a segment that no version has cannot be read: ", reason));
          return std::nullopt;
        }
        AddProblem(absl::StrCat("the segment of ", Named(expected->number, expected->version_id),
                                " cannot be read: ", reason));
        const uint64_t next = expected->number + 1;
        ++expected;
        return SegmentKey(client_id_, next);
      });
  if (problems_not_listed_ > 0) return status;
  while (status.ok() && expected != end) miss();
  return status;
}

absl::Status ChainVerifier::VerifyPieces() {
  if (record_ && record_->snapshot && record_->snapshot->pieces) {
    const SnapshotRecord& snapshot = *record_->snapshot;
    expected_pieces_[snapshot.pieces->upload_id] = {
        .name = absl::StrCat("the snapshot of ", Named(snapshot.number, snapshot.version_id)),
        .record = *snapshot.pieces};
  }
  // Of an upload that belongs to no version and no snapshot; reported once.
  std::optional<Uuid> unknown;
  const auto visit = [&](absl::string_view key, uint64_t bytes, bool was_read) {
    const std::optional<ParsedPieceKey> piece = ParsePieceKey(client_id_, key);
    if (!piece) return AddUnknown(key);
    const auto found = expected_pieces_.find(piece->upload_id);
    if (found == expected_pieces_.end()) {
      if (unknown == piece->upload_id || IsUnderWay(piece->upload_id)) return;
      unknown = piece->upload_id;
      return AddProblem(absl::StrCat("there are pieces of an upload, ", piece->upload_id.ToString(),
                                     ", that belongs to no version and no snapshot"));
    }
    ExpectedPieces& expected = found->second;
    if (!was_read) expected.is_damaged = true;
    if (piece->piece != expected.next_piece && !expected.is_damaged) {
      AddProblem(absl::StrCat("piece ", expected.next_piece, " of ", expected.record.pieces, " of ",
                              expected.name, " is missing"));
      expected.is_damaged = true;
    }
    expected.next_piece = piece->piece + 1;
    expected.bytes += bytes;
    report_.bytes += bytes;
  };
  // Behind an unreadable piece, its number is known only from the expected one.
  std::optional<ParsedPieceKey> last;
  absl::Status status = Walk(
      PartOf(PieceKey(client_id_, Uuid(), 0)), PartOf(ParentKey(client_id_, Uuid())),
      [&](absl::string_view key, absl::string_view value) {
        last = ParsePieceKey(client_id_, key);
        visit(key, value.size(), true);
      },
      [&](const std::string& reason) -> std::optional<std::string> {
        const std::optional<std::string> key = NextPieceKey(last);
        if (!key) {
          AddProblem(absl::StrCat("pieces of uploads cannot be read: ", reason));
          return std::nullopt;
        }
        const ParsedPieceKey piece = *ParsePieceKey(client_id_, *key);
        AddProblem(absl::StrCat("piece ", piece.piece, " of ",
                                expected_pieces_.at(piece.upload_id).name,
                                " cannot be read: ", reason));
        visit(*key, 0, false);
        last = piece;
        return PieceKey(client_id_, piece.upload_id, piece.piece + 1);
      });
  if (!status.ok()) return status;
  for (const auto& [upload_id, expected] : expected_pieces_) {
    if (expected.is_damaged) continue;
    if (expected.next_piece < expected.record.pieces) {
      AddProblem(absl::StrCat("piece ", expected.next_piece, " of ", expected.record.pieces, " of ",
                              expected.name, " is missing"));
    } else if (expected.next_piece > expected.record.pieces ||
               expected.bytes != expected.record.bytes) {
      AddProblem(absl::StrCat(expected.name, " has ", expected.bytes, " bytes in ",
                              expected.next_piece, " pieces, but ", expected.record.bytes, " in ",
                              expected.record.pieces, " were counted"));
    }
  }
  return status;
}

std::optional<std::string> ChainVerifier::NextPieceKey(
    const std::optional<ParsedPieceKey>& last) const {
  // Uploads are in the order of their IDs.
  std::optional<Uuid> next;
  if (last) {
    const auto found = expected_pieces_.find(last->upload_id);
    if (found != expected_pieces_.end() && last->piece + 1 < found->second.record.pieces) {
      return PieceKey(client_id_, last->upload_id, last->piece + 1);
    }
  }
  for (const auto& [upload_id, expected] : expected_pieces_) {
    if (last && upload_id.AsStringView() <= last->upload_id.AsStringView()) continue;
    if (!next || upload_id.AsStringView() < next->AsStringView()) next = upload_id;
  }
  if (!next) return std::nullopt;
  return PieceKey(client_id_, *next, 0);
}

bool ChainVerifier::IsUnderWay(const Uuid& upload_id) {
  rocksdb::ReadOptions options;
  options.snapshot = moment_.snapshot();
  std::string value;
  return database_.Get(options, UploadKey(client_id_, upload_id), &value).ok();
}

absl::Status ChainVerifier::VerifyIndex() {
  const std::string part = PartOf(ParentKey(client_id_, Uuid()));
  bool every_entry_was_read = true;
  absl::Status status = Walk(
      part, PartOf(SnapshotKey(client_id_)),
      [&](absl::string_view key, absl::string_view value) {
        absl::string_view encoded = key;
        if (!absl::ConsumePrefix(&encoded, part) || encoded.size() != Uuid::kBytes) {
          return AddUnknown(key);
        }
        const Uuid parent = Uuid::FromBytes(encoded.data());
        const std::optional<uint64_t> number = DecodeNumber(value);
        const auto needed = must_be_found_by_index_.find(parent);
        const bool is_needed = needed != must_be_found_by_index_.end();
        if (!number) {
          AddProblem(
              absl::StrCat("the index entry of parent ", parent.ToString(), " is malformed"));
        } else if (is_needed && needed->second != *number) {
          AddProblem(absl::StrCat("the index leads from parent ", parent.ToString(), " to version ",
                                  *number, " instead of ", needed->second));
        } else if (!is_needed && every_version_was_read_) {
          AddProblem(absl::StrCat("the index leads from parent ", parent.ToString(), " to version ",
                                  *number, ", and no version needs that"));
        }
        if (is_needed) must_be_found_by_index_.erase(needed);
      },
      [&](const std::string& reason) -> std::optional<std::string> {
        AddProblem(absl::StrCat("the index cannot be read: ", reason));
        every_entry_was_read = false;
        return std::nullopt;
      });
  if (!status.ok() || !every_entry_was_read) return status;
  for (const auto& [parent, number] : must_be_found_by_index_) {
    AddProblem(absl::StrCat("the index does not lead from parent ", parent.ToString(),
                            " to version ", number));
  }
  return status;
}

absl::Status ChainVerifier::VerifySnapshot() {
  const std::string snapshot_key = SnapshotKey(client_id_);
  std::optional<uint64_t> bytes;
  bool was_read = true;
  absl::Status status = Walk(
      snapshot_key, PartOf(PositionKey(client_id_, 0)),
      [&](absl::string_view key, absl::string_view value) {
        if (key != snapshot_key) return AddUnknown(key);
        bytes = value.size();
        report_.bytes += value.size();
      },
      [&](const std::string& reason) -> std::optional<std::string> {
        AddProblem(absl::StrCat("the snapshot cannot be read: ", reason));
        was_read = false;
        return std::nullopt;
      });
  if (!status.ok()) return status;

  bool is_usable = false;
  if (record_ && record_->snapshot) {
    const SnapshotRecord& snapshot = *record_->snapshot;
    const std::string name =
        absl::StrCat("the snapshot of ", Named(snapshot.number, snapshot.version_id));
    // VerifyPieces has checked those in pieces.
    const bool has_bytes = snapshot.pieces || (bytes.has_value() && was_read);
    if (was_read && !bytes && !snapshot.pieces) AddProblem(absl::StrCat(name, " has no bytes"));
    if (bytes && snapshot.pieces) AddProblem(absl::StrCat(name, " has bytes beside its pieces"));
    if (bytes && *bytes != snapshot.bytes) {
      AddProblem(
          absl::StrCat(name, " has ", *bytes, " bytes, but ", snapshot.bytes, " were counted"));
    }
    const bool is_before_first = first_ && snapshot.number + 1 == first_number_ &&
                                 first_->parent_version_id == snapshot.version_id;
    const bool is_in_chain = at_snapshot_ == snapshot.version_id || is_before_first;
    if (!is_in_chain && every_version_was_read_) {
      AddProblem(absl::StrCat(
          name, " is of no version that is kept, nor of the one right before them: a new ",
          "replica cannot start from it"));
    }
    is_usable = has_bytes && is_in_chain;
  } else if (bytes && record_) {
    AddProblem("there are a snapshot's bytes, but the client record has no snapshot");
  }
  if (first_ && !first_->parent_version_id.IsNil() && !is_usable) {
    // The first replica of a client chooses the first parent, and need not send a snapshot. A lost
    // snapshot is among the problems.
    report_.new_replica_cannot_start = true;
    report_.notes.push_back(storage::CannotStartNote(Named(first_number_, first_->version_id)));
  }
  return status;
}

absl::Status ChainVerifier::VerifyReplicas() {
  // The nil client's keys share their prefix with the storage's own.
  const std::string own_keys = PartOf(BanKey(client_id_));
  const std::string end = client_id_.IsNil() ? own_keys : EndOfClient(client_id_);
  const std::string ahead_key = ReplicasAheadKey(client_id_);
  return Walk(
      PartOf(PositionKey(client_id_, 0)), end, "the positions of replicas",
      [&](absl::string_view key, absl::string_view value) {
        if (key == ahead_key) {
          const auto replicas = DecodeReplicasAhead(value);
          if (!replicas) return AddProblem("the record of replicas ahead is malformed");
          if (!replicas->empty())
            report_.notes.push_back(storage::ReplicasAheadNote(replicas->size()));
          return;
        }
        const std::optional<uint32_t> day = ParsePositionKey(client_id_, key);
        if (!day) return AddUnknown(key);
        const std::optional<uint64_t> number = DecodeNumber(value);
        if (!number || (*number > latest_number_ && every_version_was_read_)) {
          AddProblem(absl::StrCat(
              "the position of replicas on day ", *day, " since 1970 is ",
              number ? absl::StrCat("version ", *number, ", which does not exist") : "malformed"));
        }
      });
}

absl::StatusOr<ChainReport> ChainVerifier::Verify() {
  for (const auto part :
       {&ChainVerifier::VerifyRecord, &ChainVerifier::VerifyVersions,
        &ChainVerifier::VerifySegments, &ChainVerifier::VerifyPieces, &ChainVerifier::VerifyIndex,
        &ChainVerifier::VerifySnapshot, &ChainVerifier::VerifyReplicas}) {
    if (const absl::Status status = (this->*part)(); !status.ok()) return status;
  }
  if (!has_records_) return absl::NotFoundError("there is no such client");
  if (!record_) AddProblem("there is no client record that can be read");
  if (problems_not_listed_ > 0) {
    report_.problems.push_back(absl::StrCat("and there are ", problems_not_listed_, " more"));
  }
  return std::move(report_);
}

}  // namespace

absl::StatusOr<ChainReport> VerifyChain(rocksdb::DB& database, const Uuid& client_id) {
  return ChainVerifier(database, client_id).Verify();
}

}  // namespace tcsync::rocksdb_storage

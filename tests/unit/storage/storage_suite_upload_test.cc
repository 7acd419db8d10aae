// The storage suite, uploads: large segments and snapshots that come and go in pieces.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

using ::testing::IsEmpty;

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");

Appended MustAppendUploaded(Storage& storage, const Uuid& client, const Uuid& parent,
                            const std::string& segment, size_t piece_bytes = base::kPieceBytesMax) {
  const auto outcome =
      TryAppend(storage, UploadedAppendFor(storage, client, parent, segment, piece_bytes));
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  const auto* const appended = outcome.ok() ? std::get_if<Appended>(&*outcome) : nullptr;
  EXPECT_NE(appended, nullptr);
  return appended != nullptr ? *appended : Appended();
}

StoreSnapshotRequest UploadedSnapshotFor(Storage& storage, const Uuid& client, const Uuid& version,
                                         const std::string& bytes) {
  StoreSnapshotRequest request = StoreSnapshotRequestFor(client, version, "");
  request.upload = MustBeginUpload(storage, SnapshotUploadRequestFor(client, version));
  AddAll(*request.upload, bytes, base::kPieceBytesMax);
  return request;
}

// The source of the version behind `parent`, which must be in pieces.
std::shared_ptr<PieceSource> SourceOf(Storage& storage, const Uuid& client, const Uuid& parent) {
  const ChildOutcome outcome = GetChild(storage, client, parent);
  const auto* const version = std::get_if<Version>(&outcome);
  if (version == nullptr || version->pieces == nullptr) {
    ADD_FAILURE() << "no version in pieces";
    return nullptr;
  }
  EXPECT_TRUE(version->segment.empty());
  return version->pieces;
}

// If this fails, a replica gets other bytes than another one uploaded, or the history does not
// continue after them.
TEST_P(StorageSuite, EveryUploadedByteIsReturned) {
  struct Size {
    size_t bytes;
    size_t piece_bytes;
  };
  Uuid parent = kNil;
  uint64_t total = 0;
  std::vector<std::string> segments;
  for (const Size size :
       {Size{1, 1}, Size{base::kPieceBytesMax, base::kPieceBytesMax},
        Size{base::kPieceBytesMax + 1, base::kPieceBytesMax}, Size{3 * base::kPieceBytesMax, 4096},
        Size{1'000'000, base::kPieceBytesMax}, Size{500'000, 99'999}}) {
    segments.push_back(Noise(size.bytes));
    parent = MustAppendUploaded(storage(), kClient, parent, segments.back(), size.piece_bytes)
                 .version_id;
    total += size.bytes;
  }
  parent = MustAppend(storage(), kClient, parent, "whole").version_id;
  segments.emplace_back("whole");
  total += 5;

  const std::vector<Version> chain = ReadChain(storage(), kClient, kNil);
  ASSERT_EQ(chain.size(), segments.size());
  for (size_t i = 0; i < chain.size(); ++i) {
    EXPECT_TRUE(chain[i].segment == segments[i]) << "version " << i + 1;
  }
  EXPECT_EQ(Find(storage(), kClient).history_bytes, total);
  const ChainReport report = Verify(storage(), kClient);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.bytes, total);
  const std::vector<StoredVersion> stored = ReadVersions(storage(), kClient, 0, UINT64_MAX);
  ASSERT_EQ(stored.size(), segments.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    EXPECT_EQ(stored[i].segment_bytes(), segments[i].size());
    std::string segment = stored[i].version.segment;
    std::shared_ptr<PieceSource> pieces = stored[i].version.pieces;
    MakeWhole(segment, pieces);
    EXPECT_TRUE(segment == segments[i]) << "version " << i + 1;
  }
}

// If this fails, an export that resumes in the middle of a segment gets another part of it.
TEST_P(StorageSuite, AReadCanBeginAtAnyPiece) {
  const std::string segment = Noise(5 * base::kPieceBytesMax + 7);
  MustAppendUploaded(storage(), kClient, kNil, segment);
  const std::shared_ptr<PieceSource> source = SourceOf(storage(), kClient, kNil);
  ASSERT_NE(source, nullptr);
  ASSERT_EQ(source->pieces(), 6u);
  for (const uint32_t piece : {5u, 0u, 3u, 2u}) {
    source->SkipTo(piece);
    const absl::StatusOr<std::string> read = ReadPiece(*source);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == segment.substr(piece * base::kPieceBytesMax, base::kPieceBytesMax))
        << piece;
  }
}

// If this fails, a new computer starts from other bytes than a snapshot had, or old ones remain.
TEST_P(StorageSuite, UploadedAndWholeSnapshotsReplaceEachOther) {
  const std::vector<Uuid> ids = AppendChain(storage(), kClient, kNil, 5);
  uint64_t history_bytes = Find(storage(), kClient).history_bytes;
  for (size_t i = 0; i < ids.size(); ++i) {
    const bool in_pieces = i == 1 || i == 2 || i == 4;  // every order of the two
    const std::string bytes = Noise(in_pieces ? 700'000 + i : 1000 + i, static_cast<uint32_t>(i));
    EXPECT_EQ(
        StoreSnapshot(storage(), in_pieces ? UploadedSnapshotFor(storage(), kClient, ids[i], bytes)
                                           : StoreSnapshotRequestFor(kClient, ids[i], bytes)),
        StoreSnapshotOutcome::kStored);
    const std::optional<Snapshot> snapshot = SnapshotOf(storage(), kClient);
    ASSERT_TRUE(snapshot.has_value());
    EXPECT_EQ(snapshot->version_id, ids[i]);
    EXPECT_TRUE(snapshot->bytes == bytes) << i;
    EXPECT_EQ(Find(storage(), kClient).snapshot_bytes, bytes.size());
    const ChainReport report = Verify(storage(), kClient);
    EXPECT_THAT(report.problems, IsEmpty());
    EXPECT_EQ(report.bytes, history_bytes + bytes.size()) << "bytes of the old one are there";
  }
}

// If this fails, 100 MiB are received that cannot be stored.
TEST_P(StorageSuite, AnUploadMayBeRefusedAtItsBeginning) {
  const std::vector<Uuid> ids = AppendChain(storage(), kClient, kNil, 2);
  auto outcome = TryBeginUpload(storage(), UploadRequestFor(kClient, ids[0]));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_TRUE(std::holds_alternative<Conflict>(*outcome));
  EXPECT_EQ(std::get<Conflict>(*outcome).latest_version_id, ids[1]);

  UploadRequest unknown = UploadRequestFor(Uuid::Random(), kNil);
  std::get<UploadRequest::ForAppend>(unknown.purpose).create_client = false;
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(*TryBeginUpload(storage(), unknown)));
  UploadRequest without_invite = UploadRequestFor(Uuid::Random(), kNil);
  std::get<UploadRequest::ForAppend>(without_invite.purpose).invite = TokenDigest{1};
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(*TryBeginUpload(storage(), without_invite)));
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(
      *TryBeginUpload(storage(), SnapshotUploadRequestFor(Uuid::Random(), ids[1]))));

  UploadRequest large = UploadRequestFor(kClient, ids[1]);
  large.limits.bytes_max = 1'000'000;
  large.announced_bytes = 999'999;
  EXPECT_TRUE(std::holds_alternative<OverLimit>(*TryBeginUpload(storage(), large)));
  UploadRequest over_versions_max = UploadRequestFor(kClient, ids[1]);
  over_versions_max.limits.versions_max = 2;
  EXPECT_TRUE(std::holds_alternative<OverLimit>(*TryBeginUpload(storage(), over_versions_max)));

  ASSERT_EQ(StoreSnapshot(storage(), kClient, ids[1]), StoreSnapshotOutcome::kStored);
  for (const Uuid& version : {ids[0], ids[1], Uuid::Random(), kNil}) {
    EXPECT_TRUE(std::holds_alternative<NotWanted>(
        *TryBeginUpload(storage(), SnapshotUploadRequestFor(kClient, version))));
  }
}

// If this fails, a client with a limit fills the disk with uploads.
TEST_P(StorageSuite, AnUploadOverTheLimitIsRefused) {
  const Uuid parent = MustAppend(storage(), kClient, kNil, Noise(50'000)).version_id;
  UploadRequest request = UploadRequestFor(kClient, parent);
  request.limits.bytes_max = 150'000;
  const std::unique_ptr<Upload> upload = MustBeginUpload(storage(), request);
  EXPECT_TRUE(TryAdd(*upload, Noise(60'000)).ok());
  const absl::Status added = TryAdd(*upload, Noise(60'000));
  EXPECT_EQ(added.code(), absl::StatusCode::kOutOfRange) << added;
}

// If this fails, one client's unfinished uploads fill the disk.
TEST_P(StorageSuite, UploadsOfAClientAreLimited) {
  std::vector<std::unique_ptr<Upload>> uploads;
  for (size_t i = 0; i < base::kUploadsPerClientMax; ++i) {
    uploads.push_back(MustBeginUpload(storage(), UploadRequestFor(kClient, kNil)));
    EXPECT_TRUE(TryAdd(*uploads.back(), Noise(1000)).ok());
  }
  const auto refused = TryBeginUpload(storage(), UploadRequestFor(kClient, kNil));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable) << refused.status();
  MustBeginUpload(storage(), UploadRequestFor(Uuid::Random(), kNil));  // unaffected by the others
  uploads.pop_back();
  // Its remains are removed first, which is quick.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!TryBeginUpload(storage(), UploadRequestFor(kClient, kNil)).ok()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
}

// If this fails, interrupted uploads are shown as clients, or as damage.
TEST_P(StorageSuite, AnUnfinishedUploadBelongsToNoClient) {
  const Uuid stranger = *Uuid::Parse("c11e4700-0000-4000-8000-000000000009");
  MustAppend(storage(), kClient, kNil);
  const std::unique_ptr<Upload> of_client = MustBeginUpload(
      storage(), UploadRequestFor(kClient, Find(storage(), kClient).latest_version_id));
  const std::unique_ptr<Upload> of_stranger =
      MustBeginUpload(storage(), UploadRequestFor(stranger, kNil));
  AddAll(*of_client, Noise(300'000), base::kPieceBytesMax);
  AddAll(*of_stranger, Noise(300'000), base::kPieceBytesMax);
  const std::vector<ClientSummary> clients = ListAll(storage());
  ASSERT_EQ(clients.size(), 1u);
  EXPECT_EQ(clients[0].client_id, kClient);
  EXPECT_EQ(clients[0].problem, "");
  EXPECT_EQ(clients[0].history_bytes, 7u);
  const ChainReport report = Verify(storage(), kClient);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), stranger, kNil)));
}

// If this fails, two computers that upload at once both get the acknowledgement of the next
// version.
TEST_P(StorageSuite, OnlyOneOfTwoConcurrentUploadsIsStored) {
  AppendRequest first = UploadedAppendFor(storage(), kClient, kNil, Noise(300'000, 1), 100'000);
  const Uuid parent = MustAppend(storage(), kClient, kNil).version_id;
  EXPECT_EQ(ConflictOf(*TryAppend(storage(), std::move(first))), parent);
  AppendRequest second = UploadedAppendFor(storage(), kClient, parent, Noise(300'000, 2), 100'000);
  AppendRequest third = UploadedAppendFor(storage(), kClient, parent, Noise(300'000, 3), 100'000);
  const auto appended = TryAppend(storage(), std::move(third));
  ASSERT_TRUE(std::holds_alternative<Appended>(*appended));
  EXPECT_EQ(ConflictOf(*TryAppend(storage(), std::move(second))),
            std::get<Appended>(*appended).version_id);
  const std::vector<Version> chain = ReadChain(storage(), kClient, kNil);
  ASSERT_EQ(chain.size(), 2u);
  EXPECT_TRUE(chain[1].segment == Noise(300'000, 3));
}

// If this fails, a deleted client returns with missing bytes.
TEST_P(StorageSuite, DeletingAClientEndsItsUploads) {
  const Uuid parent = MustAppend(storage(), kClient, kNil).version_id;
  AppendRequest complete = UploadedAppendFor(storage(), kClient, parent, Noise(300'000), 100'000);
  const std::unique_ptr<Upload> going_on =
      MustBeginUpload(storage(), UploadRequestFor(kClient, parent));
  ASSERT_TRUE(TryAdd(*going_on, Noise(1000)).ok());
  EXPECT_TRUE(Delete(storage(), kClient));
  EXPECT_EQ(TryAdd(*going_on, Noise(1000)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(TryAppend(storage(), std::move(complete)).status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(ListAll(storage()), IsEmpty());
  MustAppendUploaded(storage(), kClient, kNil, Noise(300'000));
}

// If this fails, a reader gets foreign bytes, or waits for ever, when its data is removed during
// the read.
TEST_P(StorageSuite, AReadOfRemovedDataEndsWithAnError) {
  const std::string segment = Noise(4 * base::kPieceBytesMax);
  Uuid parent = MustAppendUploaded(storage(), kClient, kNil, segment).version_id;
  parent = MustAppendUploaded(storage(), kClient, parent, segment).version_id;
  ASSERT_EQ(StoreSnapshot(storage(), UploadedSnapshotFor(storage(), kClient, parent, segment)),
            StoreSnapshotOutcome::kStored);
  const std::shared_ptr<PieceSource> pruned = SourceOf(storage(), kClient, kNil);
  const auto found = TryGetSnapshot(storage(), kClient);
  ASSERT_TRUE(found.ok() && found->has_value() && (*found)->pieces != nullptr);
  const std::shared_ptr<PieceSource> replaced = (*found)->pieces;
  EXPECT_TRUE(ReadPiece(*pruned).ok());
  EXPECT_TRUE(ReadPiece(*replaced).ok());

  RemoveBelow(storage(), kClient, 2);
  EXPECT_EQ(ReadPiece(*pruned).status().code(), absl::StatusCode::kAborted);

  parent = MustAppend(storage(), kClient, parent).version_id;
  ASSERT_EQ(StoreSnapshot(storage(), UploadedSnapshotFor(storage(), kClient, parent,
                                                         Noise(4 * base::kPieceBytesMax, 2))),
            StoreSnapshotOutcome::kStored);
  EXPECT_EQ(ReadPiece(*replaced).status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(Verify(storage(), kClient).problems, IsEmpty());
  EXPECT_EQ(Verify(storage(), kClient).bytes, 2 * segment.size() + 7);

  const auto newer = TryGetSnapshot(storage(), kClient);
  EXPECT_TRUE(Delete(storage(), kClient));
  EXPECT_EQ(ReadPiece(*(*newer)->pieces).status().code(), absl::StatusCode::kAborted);
}

// If this fails, a rewind leaves the bytes of a large version or snapshot behind, or does not count
// them.
TEST_P(StorageSuite, ARewindRemovesPieces) {
  const Uuid kept = MustAppendUploaded(storage(), kClient, kNil, Noise(400'000)).version_id;
  const Uuid gone = MustAppendUploaded(storage(), kClient, kept, Noise(500'000)).version_id;
  ASSERT_EQ(StoreSnapshot(storage(), UploadedSnapshotFor(storage(), kClient, gone, Noise(600'000))),
            StoreSnapshotOutcome::kStored);
  const std::shared_ptr<PieceSource> read = SourceOf(storage(), kClient, kept);
  const auto snapshot = TryGetSnapshot(storage(), kClient);
  ASSERT_TRUE(read != nullptr && snapshot.ok() && snapshot->has_value());
  RewindRequest request{.client_id = kClient, .version_id = kept};
  request.latest_version_id = gone;
  request.snapshot_version_id = gone;
  const absl::StatusOr<Rewound> rewound = storage().administration().Rewind(request);
  ASSERT_TRUE(rewound.ok()) << rewound.status();
  EXPECT_EQ(rewound->versions_removed, 1u);
  EXPECT_TRUE(rewound->snapshot_removed);
  EXPECT_EQ(rewound->bytes_removed, 1'100'000u);
  // Also where another version has the number by now.
  MustAppendUploaded(storage(), kClient, kept, Noise(500'000, 2));
  EXPECT_EQ(ReadPiece(*read).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReadPiece(*(*snapshot)->pieces).status().code(), absl::StatusCode::kAborted);
  const ChainReport report = Verify(storage(), kClient);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_EQ(report.bytes, 900'000u);
}

// If this fails, a history with large versions cannot move to another server.
TEST_P(StorageSuite, UploadsCanBeImported) {
  std::vector<StoredVersion> versions = ForeignChain(kNil, 3);
  UploadRequest request{.client_id = kClient, .purpose = UploadRequest::ForImport()};
  const std::string segment = Noise(400'000);
  versions[1].version.segment.clear();
  versions[1].upload = MustBeginUpload(storage(), request);
  AddAll(*versions[1].upload, segment, base::kPieceBytesMax);
  ImportRequest import{.client_id = kClient, .versions = std::move(versions), .snapshot = {}};
  const Uuid latest = import.versions[2].version.version_id;
  ImportRequest::ImportedSnapshot& snapshot =
      import.snapshot.emplace(ImportRequest::ImportedSnapshot());
  snapshot.snapshot.version_id = latest;
  snapshot.upload = MustBeginUpload(storage(), request);
  AddAll(*snapshot.upload, Noise(500'000), base::kPieceBytesMax);

  const auto outcome = storage().administration().Import(std::move(import));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const auto* const imported = std::get_if<Imported>(&*outcome);
  ASSERT_NE(imported, nullptr);
  EXPECT_EQ(imported->versions_added, 3u);
  EXPECT_TRUE(imported->snapshot_stored);
  const std::vector<Version> chain = ReadChain(storage(), kClient, kNil);
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_TRUE(chain[1].segment == segment);
  EXPECT_TRUE(SnapshotOf(storage(), kClient)->bytes == Noise(500'000));
  EXPECT_THAT(Verify(storage(), kClient).problems, IsEmpty());
}

}  // namespace
}  // namespace tcsync

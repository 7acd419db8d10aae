// Calls of a storage in tests: they wait for the answer, and fail the test when it is unexpected.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_STORAGE_CALLS_H_
#define TCSYNC_TESTS_UNIT_STORAGE_STORAGE_CALLS_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "tcsync/storage.h"
#include "tests/unit/noise.h"
#include "tests/unit/storage/waiter.h"

namespace tcsync {

inline const Uuid kNil;

// As SyncService requests it.
inline constexpr uint64_t kRecentVersionsMax = 5;

// For a loop of reads that ends when another thread has made its writes. Some kernels (Linux 6.18)
// run two processes that answer each other without a pause for seconds on end, while others, the
// writer's server among them, wait for a processor.
inline void LetOthersRun() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }

// An append as a server that creates clients makes it.
inline AppendRequest AppendRequestFor(const Uuid& client_id, const Uuid& parent,
                                      std::string segment = "segment") {
  return {.client_id = client_id,
          .expected_parent = parent,
          .segment = std::move(segment),
          .create_client = true,
          .now_unix_seconds = 1'700'000'000};
}

// An upload for an append, as a server that creates clients begins it.
inline UploadRequest UploadRequestFor(const Uuid& client_id, const Uuid& parent) {
  return {.client_id = client_id,
          .purpose = UploadRequest::ForAppend{.expected_parent = parent, .create_client = true},
          .now_unix_seconds = 1'700'000'000};
}

inline UploadRequest SnapshotUploadRequestFor(const Uuid& client_id, const Uuid& version_id) {
  return {.client_id = client_id,
          .purpose = UploadRequest::ForSnapshot{.version_id = version_id,
                                                .recent_versions_max = kRecentVersionsMax},
          .now_unix_seconds = 1'700'000'000};
}

inline absl::StatusOr<UploadOutcome> TryBeginUpload(Storage& storage, UploadRequest request) {
  Waiter<absl::StatusOr<UploadOutcome>> outcome;
  storage.BeginUpload(std::move(request), outcome.Callback());
  return outcome.Wait();
}

// An upload that must begin.
inline std::unique_ptr<Upload> MustBeginUpload(Storage& storage, UploadRequest request) {
  absl::StatusOr<UploadOutcome> outcome = TryBeginUpload(storage, std::move(request));
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  if (!outcome.ok() || !std::holds_alternative<std::unique_ptr<Upload>>(*outcome)) {
    ADD_FAILURE() << "no upload was begun";
    return std::make_unique<UploadInMemory>();
  }
  return std::get<std::unique_ptr<Upload>>(*std::move(outcome));
}

inline absl::Status TryAdd(Upload& upload, std::string piece) {
  Waiter<absl::Status> added;
  upload.Add(std::move(piece), added.Callback());
  return added.Wait();
}

// Adds `bytes` in pieces of that size.
inline void AddAll(Upload& upload, const std::string& bytes, size_t piece_bytes) {
  for (size_t begin = 0; begin < bytes.size(); begin += piece_bytes) {
    const absl::Status added = TryAdd(upload, bytes.substr(begin, piece_bytes));
    ASSERT_TRUE(added.ok()) << added;
  }
}

// An append whose segment is uploaded in pieces of that size.
inline AppendRequest UploadedAppendFor(Storage& storage, const Uuid& client_id, const Uuid& parent,
                                       const std::string& segment, size_t piece_bytes) {
  AppendRequest request = AppendRequestFor(client_id, parent, "");
  request.upload = MustBeginUpload(storage, UploadRequestFor(client_id, parent));
  AddAll(*request.upload, segment, piece_bytes);
  return request;
}

// The next piece, which must come.
inline absl::StatusOr<std::string> ReadPiece(PieceSource& source) {
  Waiter<absl::StatusOr<std::string>> piece;
  source.Read(piece.Callback());
  return piece.Wait();
}

// All pieces, concatenated.
inline absl::StatusOr<std::string> ReadPieces(PieceSource& source) {
  std::string bytes;
  for (uint32_t i = 0; i < source.pieces(); ++i) {
    absl::StatusOr<std::string> piece = ReadPiece(source);
    if (!piece.ok()) return piece;
    bytes += *piece;
  }
  EXPECT_EQ(bytes.size(), source.bytes());
  return bytes;
}

// Replaces pieces by the whole bytes.
inline void MakeWhole(std::string& bytes, std::shared_ptr<PieceSource>& pieces) {
  if (pieces == nullptr) return;
  absl::StatusOr<std::string> read = ReadPieces(*pieces);
  EXPECT_TRUE(read.ok()) << read.status();
  bytes = read.ok() ? *std::move(read) : "";
  pieces = nullptr;
}

inline absl::StatusOr<AppendOutcome> TryAppend(Storage& storage, AppendRequest request) {
  Waiter<absl::StatusOr<AppendOutcome>> outcome;
  storage.Append(std::move(request), outcome.Callback());
  return outcome.Wait();
}

inline AppendOutcome Append(Storage& storage, const Uuid& client_id, const Uuid& parent,
                            std::string segment = "segment") {
  absl::StatusOr<AppendOutcome> outcome =
      TryAppend(storage, AppendRequestFor(client_id, parent, std::move(segment)));
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  if (!outcome.ok()) return NoSuchClient{};
  return *std::move(outcome);
}

// An append that must be accepted.
inline Appended MustAppend(Storage& storage, const Uuid& client_id, const Uuid& parent,
                           std::string segment = "segment") {
  const AppendOutcome outcome = Append(storage, client_id, parent, std::move(segment));
  EXPECT_TRUE(std::holds_alternative<Appended>(outcome)) << "not appended";
  const auto* appended = std::get_if<Appended>(&outcome);
  return appended != nullptr ? *appended : Appended();
}

// Appends `count` versions behind `parent`; returns their IDs.
inline std::vector<Uuid> AppendChain(Storage& storage, const Uuid& client_id, Uuid parent,
                                     int count) {
  std::vector<Uuid> version_ids;
  for (int i = 0; i < count; ++i) {
    parent =
        MustAppend(storage, client_id, parent, "segment after " + parent.ToString()).version_id;
    version_ids.push_back(parent);
  }
  return version_ids;
}

// The latest version according to a Conflict; nullopt when the append was not refused with one.
inline std::optional<Uuid> ConflictOf(const AppendOutcome& outcome) {
  const auto* conflict = std::get_if<Conflict>(&outcome);
  if (conflict == nullptr) return std::nullopt;
  return conflict->latest_version_id;
}

inline StoreSnapshotRequest StoreSnapshotRequestFor(const Uuid& client_id, const Uuid& version_id,
                                                    std::string bytes = "snapshot") {
  return {.client_id = client_id,
          .version_id = version_id,
          .bytes = std::move(bytes),
          .recent_versions_max = kRecentVersionsMax,
          .now_unix_seconds = 1'700'000'000};
}

inline absl::StatusOr<StoreSnapshotOutcome> TryStoreSnapshot(Storage& storage,
                                                             StoreSnapshotRequest request) {
  Waiter<absl::StatusOr<StoreSnapshotOutcome>> outcome;
  storage.StoreSnapshot(std::move(request), outcome.Callback());
  return outcome.Wait();
}

inline StoreSnapshotOutcome StoreSnapshot(Storage& storage, StoreSnapshotRequest request) {
  const absl::StatusOr<StoreSnapshotOutcome> outcome =
      TryStoreSnapshot(storage, std::move(request));
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  return outcome.value_or(StoreSnapshotOutcome::kNoSuchClient);
}

inline StoreSnapshotOutcome StoreSnapshot(Storage& storage, const Uuid& client_id,
                                          const Uuid& version_id, std::string bytes = "snapshot") {
  return StoreSnapshot(storage, StoreSnapshotRequestFor(client_id, version_id, std::move(bytes)));
}

inline absl::StatusOr<ChildOutcome> TryGetChild(Storage& storage, const Uuid& client_id,
                                                const Uuid& parent) {
  Waiter<absl::StatusOr<ChildOutcome>> outcome;
  storage.GetChild(client_id, parent, outcome.Callback());
  return outcome.Wait();
}

inline ChildOutcome GetChild(Storage& storage, const Uuid& client_id, const Uuid& parent) {
  absl::StatusOr<ChildOutcome> outcome = TryGetChild(storage, client_id, parent);
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  if (!outcome.ok()) return NoSuchClient{};
  return *std::move(outcome);
}

// The child of `parent`, as a whole; nullopt when there is none.
inline std::optional<Version> ChildOf(Storage& storage, const Uuid& client_id, const Uuid& parent) {
  ChildOutcome outcome = GetChild(storage, client_id, parent);
  auto* version = std::get_if<Version>(&outcome);
  if (version == nullptr) return std::nullopt;
  MakeWhole(version->segment, version->pieces);
  return std::move(*version);
}

// The latest version according to a NoChild; nullopt for another outcome.
inline std::optional<Uuid> NoChildOf(const ChildOutcome& outcome) {
  const auto* no_child = std::get_if<NoChild>(&outcome);
  if (no_child == nullptr) return std::nullopt;
  return no_child->latest_version_id;
}

// Follows the chain from `parent` to its end, as a replica does, and expects that each version
// names the one before it, and that the end is storage's latest version.
inline std::vector<Version> ReadChain(Storage& storage, const Uuid& client_id, Uuid parent) {
  std::vector<Version> chain;
  for (;;) {
    ChildOutcome outcome = GetChild(storage, client_id, parent);
    auto* version = std::get_if<Version>(&outcome);
    if (version == nullptr) {
      EXPECT_TRUE(chain.empty() || NoChildOf(outcome) == parent) << "the chain is broken";
      return chain;
    }
    EXPECT_EQ(version->parent_version_id, parent);
    MakeWhole(version->segment, version->pieces);
    parent = version->version_id;
    chain.push_back(std::move(*version));
  }
}

inline std::vector<Uuid> VersionIdsOf(const std::vector<Version>& chain) {
  std::vector<Uuid> version_ids;
  for (const Version& version : chain) version_ids.push_back(version.version_id);
  return version_ids;
}

inline absl::StatusOr<std::optional<Snapshot>> TryGetSnapshot(Storage& storage,
                                                              const Uuid& client_id) {
  Waiter<absl::StatusOr<std::optional<Snapshot>>> snapshot;
  storage.GetSnapshot(client_id, snapshot.Callback());
  return snapshot.Wait();
}

// The snapshot, as a whole; nullopt when there is none.
inline std::optional<Snapshot> SnapshotOf(Storage& storage, const Uuid& client_id) {
  absl::StatusOr<std::optional<Snapshot>> snapshot = TryGetSnapshot(storage, client_id);
  EXPECT_TRUE(snapshot.ok()) << snapshot.status();
  if (!snapshot.ok()) return std::nullopt;
  if (snapshot->has_value()) MakeWhole((*snapshot)->bytes, (*snapshot)->pieces);
  return *std::move(snapshot);
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_STORAGE_CALLS_H_

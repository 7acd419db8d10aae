// Changes of a storage by its administration in tests: a failed change fails the test.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_STORAGE_CHANGES_H_
#define TCSYNC_TESTS_UNIT_STORAGE_STORAGE_CHANGES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "tcsync/storage_administration.h"
#include "tests/unit/storage/administration_calls.h"
#include "tests/unit/storage/storage_calls.h"

namespace tcsync {

inline bool Delete(Storage& storage, const Uuid& client_id) {
  const auto deleted = storage.administration().DeleteClient(client_id);
  EXPECT_TRUE(deleted.ok()) << deleted.status();
  return deleted.ok() && *deleted;
}

inline uint64_t RemoveBelow(Storage& storage, const Uuid& client_id, uint64_t first_number) {
  const auto bytes = storage.administration().RemoveVersions(client_id, first_number);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or(0);
}

inline bool AcceptDiverged(Storage& storage, const Uuid& client_id, bool allow = true) {
  const auto exists = storage.administration().AcceptDiverged(client_id, allow);
  EXPECT_TRUE(exists.ok()) << exists.status();
  return exists.ok() && *exists;
}

inline void Change(Storage& storage, const AccessChange& change) {
  const absl::Status changed = storage.administration().ChangeAccess(change);
  EXPECT_TRUE(changed.ok()) << changed;
}

inline AccessRecords Access(Storage& storage) {
  auto records = storage.administration().ReadAccessRecords();
  EXPECT_TRUE(records.ok()) << records.status();
  if (!records.ok()) return {};
  return *std::move(records);
}

inline TokenDigest DigestOf(char fill) {
  TokenDigest digest;
  digest.fill(static_cast<uint8_t>(fill));
  return digest;
}

// A chain of `count` versions behind `parent`, as another server kept it.
inline std::vector<StoredVersion> ForeignChain(Uuid parent, size_t count) {
  std::vector<StoredVersion> versions;
  for (size_t i = 0; i < count; ++i) {
    StoredVersion stored;
    stored.appended_unix_seconds = 1'500'000'000 + static_cast<int64_t>(i);
    stored.version = {Uuid::Random(), parent, "imported behind " + parent.ToString()};
    parent = stored.version.version_id;
    versions.push_back(std::move(stored));
  }
  return versions;
}

inline std::vector<Uuid> VersionIdsOf(const std::vector<StoredVersion>& versions) {
  std::vector<Uuid> version_ids;
  for (const StoredVersion& stored : versions) version_ids.push_back(stored.version.version_id);
  return version_ids;
}

inline ImportOutcome TryImport(Storage& storage, ImportRequest request) {
  auto outcome = storage.administration().Import(std::move(request));
  EXPECT_TRUE(outcome.ok()) << outcome.status();
  if (!outcome.ok()) return DoesNotContinue{};
  return *std::move(outcome);
}

// An import that must fit.
inline Imported MustImport(Storage& storage, const Uuid& client_id,
                           std::vector<StoredVersion> versions,
                           std::optional<ImportRequest::ImportedSnapshot> snapshot = std::nullopt) {
  const ImportOutcome outcome = TryImport(storage, {.client_id = client_id,
                                                    .created_unix_seconds = 1'400'000'000,
                                                    .versions = std::move(versions),
                                                    .snapshot = std::move(snapshot)});
  EXPECT_TRUE(std::holds_alternative<Imported>(outcome)) << "the part does not continue the chain";
  const auto* imported = std::get_if<Imported>(&outcome);
  return imported != nullptr ? *imported : Imported();
}

inline std::optional<OverLimit> OverLimitOf(const AppendOutcome& outcome) {
  const auto* over = std::get_if<OverLimit>(&outcome);
  if (over == nullptr) return std::nullopt;
  return *over;
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_STORAGE_CHANGES_H_

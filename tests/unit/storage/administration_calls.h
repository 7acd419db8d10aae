// Calls of a storage's administration in tests: a failed call fails the test.
#ifndef TCSYNC_TESTS_UNIT_STORAGE_ADMINISTRATION_CALLS_H_
#define TCSYNC_TESTS_UNIT_STORAGE_ADMINISTRATION_CALLS_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tcsync/storage_administration.h"
#include "tests/unit/storage/storage_calls.h"

namespace tcsync {

// All clients, in pages of `limit`.
inline std::vector<ClientSummary> ListAll(Storage& storage, size_t limit = 1000) {
  std::vector<ClientSummary> clients;
  for (;;) {
    const std::optional<Uuid> after =
        clients.empty() ? std::nullopt : std::optional<Uuid>(clients.back().client_id);
    auto page = storage.administration().ListClients(after, limit);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok() || page->empty()) return clients;
    EXPECT_LE(page->size(), limit);
    for (ClientSummary& client : *page) clients.push_back(std::move(client));
  }
}

// A client that must exist.
inline ClientSummary Find(Storage& storage, const Uuid& client_id) {
  const auto found = storage.administration().FindClient(client_id);
  EXPECT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found.ok() && found->has_value()) << "there is no client " << client_id.ToString();
  return found.ok() && found->has_value() ? **found : ClientSummary();
}

inline std::vector<StoredVersion> ReadVersions(Storage& storage, const Uuid& client_id,
                                               uint64_t after_number, uint64_t bytes_max) {
  auto versions = storage.administration().ReadVersions(client_id, after_number, bytes_max);
  EXPECT_TRUE(versions.ok()) << versions.status();
  if (!versions.ok()) return {};
  return *std::move(versions);
}

inline absl::Status VerifyFiles(Storage& storage) {
  return storage.administration().VerifyFiles([](uint64_t, uint64_t) { return true; });
}

inline ChainReport Verify(Storage& storage, const Uuid& client_id) {
  auto report = storage.administration().VerifyChain(client_id);
  EXPECT_TRUE(report.ok()) << report.status();
  if (!report.ok()) return {};
  return *std::move(report);
}

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_STORAGE_ADMINISTRATION_CALLS_H_

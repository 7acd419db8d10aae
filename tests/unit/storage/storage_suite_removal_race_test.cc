// The storage suite, threads: removals and changes of an operator's while replicas sync.
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/numbered_uuid.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_changes.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

constexpr int kThreads = 6;

void OnThreads(int count, const std::function<void(int thread)>& body) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// If this fails, an invite for one person admits several who come at the same time.
TEST_P(StorageSuite, OfClientsThatRaceForOneInviteExactlyOneIsCreated) {
  for (char round = 'a'; round < 'k'; ++round) {
    Change(storage(), Invite{.digest = DigestOf(round), .label = "", .uses_max = 1});
    std::vector<Uuid> clients(kThreads);
    std::atomic<int> created{0};
    OnThreads(kThreads, [&](int thread) {
      AppendRequest request = AppendRequestFor(Uuid::Random(), kNil);
      clients[static_cast<size_t>(thread)] = request.client_id;
      request.invite = DigestOf(round);
      const absl::StatusOr<AppendOutcome> outcome = TryAppend(storage(), request);
      ASSERT_TRUE(outcome.ok()) << outcome.status();
      if (std::holds_alternative<Appended>(*outcome)) {
        ++created;
      } else {
        EXPECT_TRUE(std::holds_alternative<NoSuchClient>(*outcome));
      }
    });
    EXPECT_EQ(created, 1);
    int exist = 0;
    for (const Uuid& client : clients) {
      exist += std::holds_alternative<Version>(GetChild(storage(), client, kNil)) ? 1 : 0;
    }
    EXPECT_EQ(exist, 1) << "a client that was refused exists, or the one that was created does not";
    for (const Invite& invite : Access(storage()).invites) EXPECT_EQ(invite.uses, 1u);
  }
}

// If this fails, a client that is deleted while it syncs keeps a part of its history, or its next
// history is broken.
TEST_P(StorageSuite, DeletionsAndAppendsOfOneClientAreSerialized) {
  constexpr int kDeletions = 60;
  const Uuid client = Uuid::Random();
  std::atomic<bool> done{false};
  OnThreads(4, [&](int thread) {
    if (thread == 0) {
      for (int i = 0; i < kDeletions; ++i) {
        Delete(storage(), client);
        // Its successor begins again, or does not exist.
        const ChildOutcome child = GetChild(storage(), client, kNil);
        EXPECT_FALSE(std::holds_alternative<NoChild>(child)) << "versions without a beginning";
        while (std::holds_alternative<NoSuchClient>(GetChild(storage(), client, kNil))) {
          std::this_thread::yield();
        }
      }
      done = true;
      return;
    }
    Uuid latest = kNil;
    while (!done) {
      LetOthersRun();
      AppendRequest request = AppendRequestFor(client, latest, latest.ToString());
      request.create_client = latest.IsNil();  // as for a replica that has synced before
      const absl::StatusOr<AppendOutcome> outcome = TryAppend(storage(), request);
      ASSERT_TRUE(outcome.ok()) << outcome.status();
      if (const auto* appended = std::get_if<Appended>(&*outcome)) {
        latest = appended->version_id;
      } else {
        latest = ConflictOf(*outcome).value_or(kNil);
      }
    }
  });
  // The rest is one whole chain from number 1 on.
  const std::vector<Version> chain = ReadChain(storage(), client, kNil);
  uint64_t number = 0;
  for (const Version& version : chain) EXPECT_EQ(base::NumberHint(version.version_id), ++number);
  EXPECT_EQ(Find(storage(), client).version_count(), chain.size());
}

// If this fails, a replica gets 410 and gives up for ever, although its version existed until
// its deletion: it saw the old head and the new records.
TEST_P(StorageSuite, ReadersSeeADeletedClientCompletelyOrNotAtAll) {
  constexpr int kRounds = 80;
  const Uuid client = Uuid::Random();
  const std::vector<StoredVersion> versions = ForeignChain(kNil, 12);
  std::atomic<bool> done{false};
  OnThreads(4, [&](int thread) {
    if (thread == 0) {
      for (int i = 0; i < kRounds; ++i) {
        MustImport(storage(), client, versions);
        GetChild(storage(), client, versions.back().version.version_id);
        EXPECT_TRUE(Delete(storage(), client));
        EXPECT_TRUE(std::holds_alternative<NoSuchClient>(GetChild(storage(), client, kNil)));
      }
      done = true;
      return;
    }
    for (size_t i = static_cast<size_t>(thread); !done; ++i) {
      const StoredVersion& asked = versions[i % versions.size()];
      const ChildOutcome outcome = GetChild(storage(), client, asked.version.parent_version_id);
      if (const auto* version = std::get_if<Version>(&outcome)) {
        EXPECT_EQ(version->version_id, asked.version.version_id);
        EXPECT_EQ(version->segment, asked.version.segment);
      } else {
        EXPECT_TRUE(std::holds_alternative<NoSuchClient>(outcome))
            << "told that a version is gone whose client is there";
      }
    }
  });
}

// If this fails, shortening a history disturbs the replicas that sync meanwhile.
TEST_P(StorageSuite, HistoriesAreShortenedWhileTheyGrow) {
  constexpr int kVersions = 250;
  const Uuid client = Uuid::Random();
  std::atomic<bool> done{false};
  Uuid latest = MustAppend(storage(), client, kNil, Noise(20'000)).version_id;
  OnThreads(3, [&](int thread) {
    if (thread == 0) {
      for (int i = 0; i < kVersions; ++i) {
        latest = MustAppend(storage(), client, latest, Noise(i % 5 == 0 ? 20'000 : 10)).version_id;
        if (i % 10 == 0) {
          EXPECT_EQ(StoreSnapshot(storage(), client, latest), StoreSnapshotOutcome::kStored);
        }
      }
      done = true;
      return;
    }
    while (!done) {
      LetOthersRun();
      if (thread == 1) {
        const auto snapshot = SnapshotOf(storage(), client);
        if (!snapshot) continue;
        // Up to a snapshot that existed; by now there may be a newer one.
        RemoveBelow(storage(), client, base::NumberHint(snapshot->version_id));
      } else {
        // A new computer: the snapshot, and all later versions.
        const auto snapshot = SnapshotOf(storage(), client);
        if (!snapshot) continue;
        Uuid at = snapshot->version_id;
        for (;;) {
          const ChildOutcome outcome = GetChild(storage(), client, at);
          const auto* version = std::get_if<Version>(&outcome);
          if (version == nullptr) {
            // At the end; or overtaken by a newer snapshot and a removal.
            const auto newer = SnapshotOf(storage(), client);
            EXPECT_TRUE(NoChildOf(outcome) == at || newer->version_id != snapshot->version_id);
            break;
          }
          EXPECT_EQ(version->parent_version_id, at);
          at = version->version_id;
        }
      }
    }
  });
  const ClientSummary summary = Find(storage(), client);
  EXPECT_EQ(summary.latest_number, static_cast<uint64_t>(kVersions) + 1);
  EXPECT_EQ(summary.latest_version_id, latest);
  EXPECT_TRUE(Verify(storage(), client).problems.empty());
}

// If this fails, two replicas are accepted from two different states, and acknowledged changes of
// one are lost.
TEST_P(StorageSuite, OfDivergedReplicasThatRaceExactlyOneIsAccepted) {
  for (int round = 0; round < 10; ++round) {
    const Uuid client = Uuid::Random();
    const std::vector<Uuid> old_ids = AppendChain(storage(), client, kNil, 3);
    ASSERT_TRUE(AcceptDiverged(storage(), client));
    std::vector<Uuid> ahead(kThreads);
    std::vector<AppendOutcome> outcomes(kThreads);
    OnThreads(kThreads, [&](int thread) {
      const auto i = static_cast<size_t>(thread);
      // One of them is a replica at the server's position: it may win first, and then its version
      // is replaced, or come too late.
      ahead[i] = i == 0 ? old_ids.back() : Uuid::Random();
      outcomes[i] = Append(storage(), client, ahead[i], ahead[i].ToString());
    });
    std::optional<size_t> winner;
    for (size_t i = 1; i < outcomes.size(); ++i) {
      if (!std::holds_alternative<Appended>(outcomes[i])) continue;
      EXPECT_FALSE(winner.has_value()) << "two replicas were accepted";
      winner = i;
    }
    ASSERT_TRUE(winner.has_value());
    const std::vector<Version> chain = ReadChain(storage(), client, ahead[*winner]);
    ASSERT_EQ(chain.size(), 1u);
    EXPECT_EQ(chain[0].version_id, std::get<Appended>(outcomes[*winner]).version_id);
    EXPECT_EQ(NoChildOf(GetChild(storage(), client, old_ids.back())), chain[0].version_id);
    EXPECT_EQ(Find(storage(), client).version_count(), 1u);
  }
}

}  // namespace
}  // namespace tcsync

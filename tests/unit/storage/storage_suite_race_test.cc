// The storage suite, threads: the promises to one caller hold when many call at once.
#include <atomic>
#include <barrier>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/unit/storage/storage_suite.h"

namespace tcsync {
namespace {

constexpr int kThreads = 8;

// Runs `body` on `count` threads at once; returns when all have ended.
void OnThreads(int count, const std::function<void(int thread)>& body) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// The place of each version in the chain, from 1 on; nil is 0.
std::map<Uuid, size_t> PlacesOf(const std::vector<Version>& chain) {
  std::map<Uuid, size_t> places = {{kNil, 0}};
  for (const Version& version : chain) places.emplace(version.version_id, places.size());
  return places;
}

// If this fails, two replicas that sync at the same moment are both acknowledged, and
// the changes of one are lost.
TEST_P(StorageSuite, OfAppendsToOneParentExactlyOneWins) {
  constexpr int kRounds = 40;
  const Uuid client = Uuid::Random();  // created by the first round
  Uuid latest = kNil;
  std::vector<AppendOutcome> outcomes(kThreads);
  const auto judge = [&]() noexcept {
    std::optional<Uuid> winner;
    for (const AppendOutcome& outcome : outcomes) {
      const auto* appended = std::get_if<Appended>(&outcome);
      if (appended == nullptr) continue;
      EXPECT_FALSE(winner.has_value()) << "two winners for " << latest.ToString();
      winner = appended->version_id;
    }
    EXPECT_TRUE(winner.has_value()) << "no winner for " << latest.ToString();
    for (const AppendOutcome& outcome : outcomes) {
      if (std::holds_alternative<Appended>(outcome)) continue;
      EXPECT_EQ(ConflictOf(outcome), winner) << "a loser was told of another latest version";
    }
    latest = winner.value_or(kNil);
  };
  std::barrier before(kThreads);
  std::barrier after(kThreads, judge);
  OnThreads(kThreads, [&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      before.arrive_and_wait();
      outcomes[static_cast<size_t>(thread)] =
          Append(storage(), client, latest, absl::StrCat(round, " by ", thread));
      after.arrive_and_wait();
    }
  });
  const std::vector<Version> chain = ReadChain(storage(), client, kNil);
  ASSERT_EQ(chain.size(), static_cast<size_t>(kRounds));
  EXPECT_EQ(chain.back().version_id, latest);
  for (int round = 0; round < kRounds; ++round) {
    const std::string& segment = chain[static_cast<size_t>(round)].segment;
    EXPECT_EQ(segment.substr(0, segment.find(' ')), absl::StrCat(round));
  }
}

// One thread's view of a refused append.
struct Refusal {
  Uuid expected_parent;
  Uuid latest;
  size_t acknowledged_before = 0;  // how many appends were acknowledged when this one began
  size_t acknowledged_after = 0;   // and when it was refused
};

// If this fails, the chain breaks under load, an acknowledged version is lost, or a replica is sent
// back to a version that was not the latest at any moment of its request.
TEST_P(StorageSuite, RacingReplicasKeepTheChainUnbroken) {
  constexpr size_t kVersions = 300;
  const Uuid client = Uuid::Random();
  std::mutex mutex;
  std::map<Uuid, Uuid> child_of;  // as acknowledged
  std::vector<Refusal> refusals;
  const auto acknowledged = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    return child_of.size();
  };
  OnThreads(kThreads, [&](int thread) {
    Uuid latest = kNil;
    for (;;) {
      const size_t before = acknowledged();
      if (before >= kVersions) return;
      const AppendOutcome outcome = Append(storage(), client, latest, absl::StrCat(thread));
      const std::lock_guard<std::mutex> lock(mutex);
      if (const auto* appended = std::get_if<Appended>(&outcome)) {
        EXPECT_TRUE(child_of.emplace(latest, appended->version_id).second) << "two winners";
        latest = appended->version_id;
        continue;
      }
      const std::optional<Uuid> conflict = ConflictOf(outcome);
      if (!conflict) return ADD_FAILURE() << "neither appended nor in conflict";
      refusals.push_back({latest, *conflict, before, child_of.size()});
      latest = *conflict;
    }
  });

  const std::vector<Version> chain = ReadChain(storage(), client, kNil);
  ASSERT_EQ(chain.size(), child_of.size());
  for (const Version& version : chain) {
    EXPECT_EQ(child_of[version.parent_version_id], version.version_id);
  }
  const std::map<Uuid, size_t> places = PlacesOf(chain);
  for (const Refusal& refusal : refusals) {
    ASSERT_EQ(places.count(refusal.latest), 1u) << "a version that does not exist";
    const size_t place = places.at(refusal.latest);
    EXPECT_GT(place, places.at(refusal.expected_parent));
    EXPECT_GE(place, refusal.acknowledged_before) << "older than a version acknowledged before";
    // Completed appends that are not counted yet: at most one of each other thread.
    EXPECT_LE(place, refusal.acknowledged_after + kThreads) << "from the future";
  }
}

// If this fails, clients that sync at the same time disturb each other.
TEST_P(StorageSuite, ThreadsAppendToManyClients) {
  constexpr int kClientsPerThread = 20;
  constexpr int kVersions = 4;
  std::vector<std::vector<Uuid>> clients(kThreads);
  OnThreads(kThreads, [&](int thread) {
    auto& mine = clients[static_cast<size_t>(thread)];
    for (int i = 0; i < kClientsPerThread; ++i) mine.push_back(Uuid::Random());
    std::vector<Uuid> latest(mine.size());
    for (int round = 0; round < kVersions; ++round) {
      for (size_t i = 0; i < mine.size(); ++i) {
        latest[i] = MustAppend(storage(), mine[i], latest[i], mine[i].ToString()).version_id;
        EXPECT_EQ(NoChildOf(GetChild(storage(), mine[i], latest[i])), latest[i]);
      }
    }
    for (size_t i = 0; i < mine.size(); ++i) {
      EXPECT_EQ(StoreSnapshot(storage(), mine[i], latest[i], mine[i].ToString()),
                StoreSnapshotOutcome::kStored);
    }
  });
  for (const std::vector<Uuid>& of_thread : clients) {
    for (const Uuid& client : of_thread) {
      const std::vector<Version> chain = ReadChain(storage(), client, kNil);
      EXPECT_EQ(chain.size(), static_cast<size_t>(kVersions));
      for (const Version& version : chain) EXPECT_EQ(version.segment, client.ToString());
      EXPECT_EQ(SnapshotOf(storage(), client)->bytes, client.ToString());
    }
  }
}

// If this fails, a replica that pulls while another one pushes gets 410, and gives up for ever,
// or 404, and misses an acknowledged version.
TEST_P(StorageSuite, ReadersSeeAcknowledgedVersions) {
  constexpr size_t kVersions = 300;
  const Uuid client = Uuid::Random();
  std::mutex mutex;
  std::vector<Uuid> chain = {kNil};  // nil, and the acknowledged versions
  const auto snapshot_of_chain = [&] {
    const std::lock_guard<std::mutex> lock(mutex);
    return chain;
  };
  std::atomic<bool> done{false};
  OnThreads(4, [&](int thread) {
    if (thread == 0) {
      Uuid latest = kNil;
      for (size_t i = 0; i < kVersions; ++i) {
        latest = MustAppend(storage(), client, latest, latest.ToString()).version_id;
        if (HasFailure()) break;
        const std::lock_guard<std::mutex> lock(mutex);
        chain.push_back(latest);
      }
      done = true;
      return;
    }
    uint32_t random = static_cast<uint32_t>(thread);
    while (!done) {
      LetOthersRun();
      const std::vector<Uuid> known = snapshot_of_chain();
      if (known.size() < 2) continue;
      random = random * 1664525 + 1013904223;
      // The races are at the end of the chain.
      const size_t back = random % 4 == 0 ? random / 4 % known.size()
                                          : random / 4 % std::min<size_t>(3, known.size());
      const size_t place = known.size() - 1 - back;
      const ChildOutcome outcome = GetChild(storage(), client, known[place]);
      if (back > 0) {
        const auto* version = std::get_if<Version>(&outcome);
        ASSERT_NE(version, nullptr) << "an acknowledged child is not there";
        EXPECT_EQ(version->version_id, known[place + 1]);
        EXPECT_EQ(version->segment, known[place].ToString());
      } else if (!std::holds_alternative<Version>(outcome)) {
        EXPECT_EQ(NoChildOf(outcome), known[place]) << "not up to date, and yet no child";
      }
    }
  });
}

// If this fails, a new computer gets the version ID of one snapshot and the bytes of another.
TEST_P(StorageSuite, ReadersSeeCompleteSnapshots) {
  constexpr int kSnapshots = 60;
  const Uuid client = Uuid::Random();
  Uuid latest = MustAppend(storage(), client, kNil).version_id;
  std::atomic<bool> done{false};
  OnThreads(3, [&](int thread) {
    if (thread == 0) {
      for (int i = 0; i < kSnapshots; ++i) {
        // Of two sizes, which are stored in two forms.
        std::string bytes = latest.ToString();
        if (i % 2 == 1) bytes += Noise(20'000);
        EXPECT_EQ(StoreSnapshot(storage(), client, latest, bytes), StoreSnapshotOutcome::kStored);
        latest = MustAppend(storage(), client, latest).version_id;
      }
      done = true;
      return;
    }
    bool seen = false;
    while (!done) {
      LetOthersRun();
      const std::optional<Snapshot> snapshot = SnapshotOf(storage(), client);
      ASSERT_TRUE(snapshot.has_value() || !seen) << "the snapshot vanished";
      if (!snapshot) continue;
      seen = true;
      ASSERT_EQ(snapshot->bytes.substr(0, Uuid::kTextLength), snapshot->version_id.ToString());
    }
  });
}

}  // namespace
}  // namespace tcsync

// Replicas of one client that upload at the same moment, over real sockets and against each storage
// backend: exactly one wins each version, and none ever sees a 5xx.
#include <atomic>
#include <barrier>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backend_test.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

constexpr int kReplicas = 8;

class RaceTest : public BackendTest {
 protected:
  // Runs `body` with each number below kReplicas on a thread of its own.
  static void InParallel(const std::function<void(int)>& body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < kReplicas; ++i) threads.emplace_back(body, i);
    for (std::thread& thread : threads) thread.join();
  }
};

INSTANTIATE_TEST_SUITE_P(Backends, RaceTest, Backends(),
                         [](const auto& info) { return std::string(info.param); });

// If this fails, two computers that sync at once both succeed and one's changes are lost, or
// neither does, or the loser gets a wrong version to continue from.
TEST_P(RaceTest, ExactlyOneOfEightWinsEachVersion) {
  constexpr int kRounds = 40;
  const std::string client_id = RandomId();
  std::string parent = kNil;
  std::vector<std::string> winners;
  std::vector<HttpResponse> responses(kReplicas);

  // Runs once in every round, when all have their answer.
  const auto judge = [&]() noexcept {
    std::string winner;
    for (const HttpResponse& response : responses) {
      if (response.status != 200) continue;
      EXPECT_EQ(winner, "") << "two versions with the parent " << parent;
      winner = response.Header("X-Version-Id");
    }
    EXPECT_NE(winner, "") << "nobody won";
    for (const HttpResponse& response : responses) {
      if (response.status == 200) continue;
      EXPECT_EQ(response.status, 409) << response;
      EXPECT_EQ(response.Header("X-Parent-Version-Id"), winner) << response;
    }
    winners.push_back(winner);
    parent = winner;
  };
  std::barrier answered(kReplicas, judge);
  InParallel([&](int i) {
    Replica replica(server(), client_id);
    for (int round = 0; round < kRounds; ++round) {
      responses[i] = replica.AddVersion(parent, absl::StrCat(round, " by ", i));
      answered.arrive_and_wait();
    }
  });
  EXPECT_EQ(Replica(server(), client_id).Pull(kNil), winners);
}

// If this fails, the chain breaks when replicas upload as fast as they can, each continuing from
// its last answer, with snapshots and readers in between.
TEST_P(RaceTest, ConcurrentWritersLeaveOneUnbrokenChain) {
  constexpr int kUploadsEach = 60;
  const std::string client_id = RandomId();
  std::mutex mutex;
  std::map<std::string, std::string> child_by_parent;
  InParallel([&](int i) {
    Replica replica(server(), client_id);
    std::string latest = kNil;
    for (int upload = 0; upload < kUploadsEach; ++upload) {
      const HttpResponse response = replica.AddVersion(latest, absl::StrCat(upload, " by ", i));
      if (response.status == 409) {
        latest = response.Header("X-Parent-Version-Id");
        continue;
      }
      ASSERT_EQ(response.status, 200) << response;
      const std::string version = response.Header("X-Version-Id");
      {
        const std::lock_guard<std::mutex> lock(mutex);
        EXPECT_TRUE(child_by_parent.emplace(latest, version).second)
            << "two versions with the parent " << latest;
      }
      // Every later request sees acknowledged versions.
      EXPECT_EQ(replica.GetChildVersion(latest).Header("X-Version-Id"), version);
      if (upload % 8 == 0) {
        EXPECT_EQ(replica.AddSnapshot(version).status, 200);
        // None, if the others were so fast that no snapshot came in time to be kept.
        const HttpResponse snapshot = replica.GetSnapshot();
        EXPECT_TRUE(snapshot.status == 200 || snapshot.status == 404) << snapshot;
      }
      latest = version;
    }
  });
  const std::vector<std::string> chain = Replica(server(), client_id).Pull(kNil);
  EXPECT_EQ(chain.size(), child_by_parent.size());
  EXPECT_GE(chain.size(), 1u);
  std::string parent = kNil;
  for (const std::string& version : chain) {
    EXPECT_EQ(child_by_parent[parent], version);
    parent = version;
  }
}

// If this fails, two computers of a new user that sync for the first time at the same moment, each
// with its own history, start two chains.
TEST_P(RaceTest, ANewClientGetsOneFirstVersion) {
  for (int round = 0; round < 10; ++round) {
    const std::string client_id = RandomId();
    std::barrier ready(kReplicas);
    std::mutex mutex;
    std::vector<std::string> winners;
    std::string winning_parent;
    InParallel([&](int i) {
      Replica replica(server(), client_id);
      const std::string parent = i == 0 ? kNil : RandomId();
      ready.arrive_and_wait();
      const HttpResponse response = replica.AddVersion(parent);
      if (response.status == 409) return;
      EXPECT_EQ(response.status, 200) << response;
      const std::lock_guard<std::mutex> lock(mutex);
      winners.push_back(response.Header("X-Version-Id"));
      winning_parent = parent;
    });
    ASSERT_EQ(winners.size(), 1u);
    EXPECT_EQ(Replica(server(), client_id).Pull(winning_parent), winners);
  }
}

// If this fails, unrelated clients disturb each other: a conflict or an error that no other replica
// has caused.
TEST_P(RaceTest, DifferentClientsNeverConflict) {
  constexpr int kUploadsEach = 60;
  InParallel([&](int) {
    Replica replica(server());
    const std::vector<std::string> versions = replica.AppendChain(kNil, kUploadsEach);
    EXPECT_EQ(replica.Pull(kNil), versions);
  });
}

}  // namespace
}  // namespace tcsync::conformance

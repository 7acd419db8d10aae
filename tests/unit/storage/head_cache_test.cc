// The cache of chain heads. If these fail, an append is decided against an outdated head, which
// overwrites the end of a chain.
#include "storage/rocksdb/head_cache.h"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "base/numbered_uuid.h"
#include "gtest/gtest.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr uint64_t kLargeCache = uint64_t{1} << 20;
const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");

ChainHead HeadAt(uint64_t number) {
  return {.record = {.created_unix_seconds = static_cast<int64_t>(number), .snapshot = {}},
          .latest_version_id = base::RandomUuidWithNumber(number),
          .latest_number = number};
}

using Loaded = absl::StatusOr<std::optional<ChainHead>>;

// Gets the head, counting how often it was loaded.
Loaded GetCounting(HeadCache& cache, const Uuid& client_id, const Loaded& in_database, int& loads) {
  return cache.Get(client_id, [&]() -> Loaded {
    ++loads;
    return in_database;
  });
}

// If this fails, every "anything new?" reads from the disk.
TEST(HeadCacheTest, LoadsOnce) {
  HeadCache cache(kLargeCache);
  const ChainHead head = HeadAt(7);
  int loads = 0;
  for (int i = 0; i < 3; ++i) {
    const Loaded got = GetCounting(cache, kClient, std::optional(head), loads);
    ASSERT_TRUE(got.ok() && got->has_value());
    EXPECT_EQ((*got)->latest_number, 7u);
    EXPECT_EQ((*got)->latest_version_id, head.latest_version_id);
    EXPECT_EQ((*got)->record.created_unix_seconds, 7);
  }
  EXPECT_EQ(loads, 1);
}

// If this fails, strangers push out the clients, or a new client is not found once it exists.
TEST(HeadCacheTest, UnknownClientsAreNotKept) {
  HeadCache cache(kLargeCache);
  int loads = 0;
  for (int i = 0; i < 3; ++i) {
    const Loaded got = GetCounting(cache, kClient, std::optional<ChainHead>(), loads);
    ASSERT_TRUE(got.ok());
    EXPECT_FALSE(got->has_value());
  }
  EXPECT_EQ(loads, 3);
}

// If this fails, one failed read makes a client unreachable for good.
TEST(HeadCacheTest, ErrorsAreNotKept) {
  HeadCache cache(kLargeCache);
  int loads = 0;
  EXPECT_EQ(GetCounting(cache, kClient, absl::DataLossError("damaged"), loads).status(),
            absl::DataLossError("damaged"));
  EXPECT_TRUE(GetCounting(cache, kClient, std::optional(HeadAt(1)), loads).ok());
  EXPECT_EQ(loads, 2);
}

// If this fails, a client that is behind gets the answer that it is up to date.
TEST(HeadCacheTest, PublishedHeadsReplaceTheOld) {
  HeadCache cache(kLargeCache);
  int loads = 0;
  for (uint64_t number = 1; number < 100; ++number) {
    cache.Publish(kClient, HeadAt(number));
    const Loaded got = GetCounting(cache, kClient, std::optional(HeadAt(0)), loads);
    EXPECT_EQ((*got)->latest_number, number);
  }
  EXPECT_EQ(loads, 0);
}

// If this fails, one client's append is decided against another client's chain.
TEST(HeadCacheTest, ClientsHaveSeparateHeads) {
  HeadCache cache(kLargeCache);
  std::vector<Uuid> clients;
  for (uint64_t i = 0; i < 200; ++i) {
    clients.push_back(Uuid::Random());
    cache.Publish(clients.back(), HeadAt(i));
  }
  int loads = 0;
  for (uint64_t i = 0; i < clients.size(); ++i) {
    EXPECT_EQ((*GetCounting(cache, clients[i], std::optional(HeadAt(0)), loads))->latest_number, i);
  }
  EXPECT_EQ(loads, 0);
}

// If this fails, the cache exceeds its memory, or a dropped head is not loaded again.
TEST(HeadCacheTest, EvictedHeadsAreLoadedAgain) {
  for (const uint64_t bytes_max : {uint64_t{1}, uint64_t{64 * 450}, uint64_t{60'000}}) {
    HeadCache cache(bytes_max);
    constexpr int kClients = 1000;
    std::vector<Uuid> clients;
    int loads = 0;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(Uuid::Random());
      EXPECT_TRUE(GetCounting(cache, clients.back(), std::optional(HeadAt(1)), loads).ok());
    }
    EXPECT_EQ(loads, kClients);
    EXPECT_LE(cache.bytes(), bytes_max);
    int loaded_again = 0;
    for (const Uuid& client : clients) {
      loads = 0;
      const Loaded got = GetCounting(cache, client, std::optional(HeadAt(2)), loads);
      ASSERT_TRUE(got.ok() && got->has_value());
      EXPECT_EQ((*got)->latest_number, loads == 0 ? 1u : 2u);
      loaded_again += loads;
    }
    // No entry takes less than 200 bytes.
    EXPECT_GE(loaded_again, kClients - static_cast<int>(bytes_max / 200) - 1);
  }
}

// If this fails, a head that was read before a write is kept after it, or a write waits for a read
// of the disk.
TEST(HeadCacheTest, APublicationDuringALoadWins) {
  HeadCache cache(kLargeCache);
  int loads = 0;
  const Loaded outdated = cache.Get(kClient, [&]() -> Loaded {
    cache.Publish(Uuid::Random(), HeadAt(7));
    // While one load is overtaken, another one of the same client begins and ends.
    EXPECT_TRUE(GetCounting(cache, kClient, std::optional(HeadAt(1)), loads).ok());
    cache.Publish(kClient, HeadAt(2));
    return std::optional(HeadAt(1));
  });
  ASSERT_TRUE(outdated.ok() && outdated->has_value());
  EXPECT_EQ(loads, 1);
  EXPECT_EQ((*GetCounting(cache, kClient, std::optional(HeadAt(0)), loads))->latest_number, 2u);
  EXPECT_EQ(loads, 1);
}

// If this fails, the publication of another client makes a loaded head useless, and under load no
// cold client ever becomes warm.
TEST(HeadCacheTest, APublicationOfAnotherClientDoesNotAffectALoad) {
  HeadCache cache(kLargeCache);
  ASSERT_TRUE(cache
                  .Get(kClient,
                       [&]() -> Loaded {
                         for (int i = 0; i < 1000; ++i) cache.Publish(Uuid::Random(), HeadAt(7));
                         return std::optional(HeadAt(1));
                       })
                  .ok());
  int loads = 0;
  EXPECT_EQ((*GetCounting(cache, kClient, std::optional(HeadAt(0)), loads))->latest_number, 1u);
  EXPECT_EQ(loads, 0);
}

// If this fails, a published head is replaced by an older one while others read. A cache of any
// size may drop a published head, but never revert it.
TEST(HeadCacheTest, AHeadIsNeverOlderThanThePublishedOne) {
  for (const uint64_t entry_bytes : {1, 250, 300, 350, 400, 450, 600, 100'000}) {
    HeadCache cache(16 * entry_bytes);
    std::atomic<uint64_t> published{0};  // in the database
    std::atomic<bool> done{false};
    const auto get = [&] {
      const Loaded got = cache.Get(kClient, [&]() -> Loaded {
        return std::optional(
            ChainHead{.record = {}, .latest_version_id = {}, .latest_number = published.load()});
      });
      return got.ok() && got->has_value() ? (*got)->latest_number : 0;
    };
    std::vector<std::thread> readers;
    readers.reserve(3);
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&] {
        while (!done) {
          const uint64_t at_least = published.load();
          // The database may be ahead of the publication, which comes after the write.
          if (const uint64_t number = get(); number + 1 < at_least) {
            ADD_FAILURE() << "read " << number << " after " << at_least;
            return;
          }
        }
      });
    }
    for (uint64_t number = 1; number <= 5000; ++number) {
      published.store(number);
      cache.Publish(kClient,
                    ChainHead{.record = {}, .latest_version_id = {}, .latest_number = number});
      const uint64_t got = get();
      if (got == number) continue;
      ADD_FAILURE() << "published " << number << " and then read " << got << ", with room for "
                    << entry_bytes << " bytes in each shard";
      break;
    }
    done = true;
    for (std::thread& reader : readers) reader.join();
  }
}

// If this fails, a reader meets the head of a client whose records are being removed, misses them,
// and sends a replica away for ever.
TEST(HeadCacheTest, AnInvalidatedHeadIsLoadedEachTimeUntilItIsPublished) {
  HeadCache cache(kLargeCache);
  const Uuid other = Uuid::Random();
  int loads = 0;
  cache.Publish(kClient, HeadAt(1));
  cache.Publish(other, HeadAt(1));
  cache.Invalidate(kClient);
  for (const int expected_loads : {1, 2, 3}) {
    EXPECT_EQ((*GetCounting(cache, kClient, std::optional(HeadAt(2)), loads))->latest_number, 2u);
    EXPECT_EQ(loads, expected_loads);
  }
  EXPECT_TRUE(GetCounting(cache, other, std::optional(HeadAt(9)), loads).ok());
  EXPECT_EQ(loads, 3) << "another client's head was invalidated";
  cache.Publish(kClient, HeadAt(3));
  EXPECT_EQ((*GetCounting(cache, kClient, std::optional(HeadAt(9)), loads))->latest_number, 3u);
  EXPECT_EQ(loads, 3);
}

// If this fails, a client that was deleted comes back from the cache.
TEST(HeadCacheTest, AForgottenHeadIsNotKeptByALoadThatBeganBefore) {
  HeadCache cache(kLargeCache);
  int loads = 0;
  cache.Invalidate(kClient);
  const Loaded before = cache.Get(kClient, [&]() -> Loaded {
    cache.Forget(kClient);
    return std::optional(HeadAt(1));
  });
  EXPECT_TRUE(before.ok() && before->has_value());
  EXPECT_FALSE(GetCounting(cache, kClient, std::optional<ChainHead>(), loads)->has_value());
  EXPECT_EQ(loads, 1);
  // The invalidation is over: a head loaded now is kept.
  EXPECT_TRUE(GetCounting(cache, kClient, std::optional(HeadAt(5)), loads).ok());
  EXPECT_EQ((*GetCounting(cache, kClient, std::optional(HeadAt(6)), loads))->latest_number, 5u);
  EXPECT_EQ(loads, 2);
}

}  // namespace
}  // namespace tcsync::rocksdb_storage

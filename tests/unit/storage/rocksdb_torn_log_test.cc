// A log that a loss of power cut off: the file has its full length from the beginning, so unwritten
// bytes are zeros. If these fail, a server does not start after a loss of power, or loses
// acknowledged data.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/rocksdb/rocksdb_storage.h"
#include "tests/unit/storage/data_files.h"
#include "tests/unit/storage/storage_calls.h"
#include "tests/unit/storage/temporary_directory.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr int kVersions = 20;

// The parameter is the size of the last version's segment.
class TornLogTest : public testing::TestWithParam<size_t> {
 protected:
  TornLogTest() {
    storage_ = MustOpen(directory_.path() + "/data");
    std::vector<Uuid> version_ids = AppendChain(*storage_, client_id_, kNil, kVersions - 1);
    // The last version was not acknowledged: the mark must not cover it either.
    database_file_ = BytesOf(directory_.path() + "/data/DATABASE");
    const std::string before = BytesOf(LogOf("data"));
    MustAppend(*storage_, client_id_, version_ids.back(), Noise(GetParam()));
    log_ = BytesOf(LogOf("data"));
    last_record_begin_ =
        std::mismatch(before.begin(), before.end(), log_.begin()).first - before.begin();
    last_record_end_ = log_.find_last_not_of('\0') + 1;
  }

  static std::unique_ptr<Storage> MustOpen(const std::string& data_dir) {
    auto storage = OpenRocksdbStorage({.data_dir = data_dir}, base::Logger());
    EXPECT_TRUE(storage.ok()) << storage.status();
    return storage.ok() ? *std::move(storage) : nullptr;
  }

  // The one log of a data directory.
  std::filesystem::path LogOf(const std::string& name) const {
    std::filesystem::path log;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_.path() + "/" + name + "/rocksdb")) {
      if (entry.path().extension() == ".log") log = entry.path();
    }
    EXPECT_FALSE(log.empty()) << "no log";
    return log;
  }

  // The chain that is found when only the first `bytes` bytes of the log reached the disk.
  std::vector<Version> ChainAfterLossOfPower(size_t bytes) {
    const std::string name = "after-" + std::to_string(bytes);
    const std::string data_dir = directory_.path() + "/" + name;
    std::filesystem::copy(directory_.path() + "/data", data_dir,
                          std::filesystem::copy_options::recursive);
    std::string torn = log_;
    torn.replace(bytes, torn.size() - bytes, torn.size() - bytes, '\0');
    std::ofstream(LogOf(name), std::ios::binary) << torn;
    std::ofstream(data_dir + "/DATABASE", std::ios::binary) << database_file_;
    const std::unique_ptr<Storage> storage = MustOpen(data_dir);
    if (storage == nullptr) return {};
    std::vector<Version> chain = ReadChain(*storage, client_id_, kNil);
    // It also continues from there.
    const Uuid latest = chain.empty() ? kNil : chain.back().version_id;
    MustAppend(*storage, client_id_, latest, "after the loss of power");
    return chain;
  }

  const Uuid client_id_ = Uuid::Random();
  const TemporaryDirectory directory_;
  std::unique_ptr<Storage> storage_;
  std::string database_file_;
  std::string log_;
  size_t last_record_begin_ = 0;
  size_t last_record_end_ = 0;
};

// Within a log block, over the border between two of them (32 KiB), and over several.
INSTANTIATE_TEST_SUITE_P(Segments, TornLogTest, testing::Values(100, 15'000, 40'000, 100'000));

TEST_P(TornLogTest, CompleteRecordsAreRead) {
  EXPECT_EQ(ChainAfterLossOfPower(last_record_end_).size(), kVersions);
}

TEST_P(TornLogTest, AnIncompleteRecordIsIgnored) {
  const size_t size = last_record_end_ - last_record_begin_;
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{7}, size / 3, size / 2, size - 1}) {
    EXPECT_EQ(ChainAfterLossOfPower(last_record_begin_ + bytes).size(), kVersions - 1)
        << bytes << " of " << size << " bytes were written";
  }
}

// If this fails, each sync writes the file's length as well, and takes a third longer.
TEST_P(TornLogTest, SyncsDoNotChangeTheLogsLength) {
#ifndef __linux__
  GTEST_SKIP() << "only Linux can set space aside that counts as the file's length";
#endif
  EXPECT_GT(log_.size(), last_record_end_);
  MustAppend(*storage_, client_id_, ReadChain(*storage_, client_id_, kNil).back().version_id);
  EXPECT_EQ(std::filesystem::file_size(LogOf("data")), log_.size());
}

}  // namespace
}  // namespace tcsync::rocksdb_storage

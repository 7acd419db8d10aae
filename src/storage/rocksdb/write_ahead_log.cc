#include "storage/rocksdb/write_ahead_log.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/write_batch.h"
#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {
namespace {

constexpr size_t kBlockBytes = size_t{32} * 1024;
constexpr size_t kHeadBytes = 7;
constexpr size_t kBatchHeadBytes = 12;
constexpr absl::string_view kLogEnding = ".log";
// A record behind damage has a number not much higher than the expected one. The bytes of a torn
// record are a client's, who might send bytes that look like a record, but does not know the
// numbers.
constexpr uint64_t kSequenceAdvanceMax = uint64_t{1} << 24;

enum class Kind : uint8_t { kWhole = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

template <typename Integer>
Integer ReadLittleEndian(absl::string_view bytes) {
  Integer number = 0;
  for (size_t i = sizeof(Integer); i-- > 0;) {
    number = static_cast<Integer>(number << 8 | static_cast<uint8_t>(bytes[i]));
  }
  return number;
}

// CRC-32C as RocksDB masks it, so that the checksum of bytes that contain checksums differs.
uint32_t MaskedChecksum(absl::string_view bytes) {
  const std::unique_ptr<rocksdb::FileChecksumGenerator> generator =
      rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator({});
  generator->Update(bytes.data(), bytes.size());
  generator->Finalize();
  uint32_t checksum = 0;
  for (const char byte : generator->GetChecksum()) {
    checksum = checksum << 8 | static_cast<uint8_t>(byte);
  }
  return (checksum >> 15 | checksum << 17) + 0xa282ead8u;
}

struct Fragment {
  Kind kind = Kind::kWhole;
  absl::string_view payload;

  bool begins() const { return kind == Kind::kWhole || kind == Kind::kFirst; }
  bool ends() const { return kind == Kind::kWhole || kind == Kind::kLast; }
  size_t bytes() const { return kHeadBytes + payload.size(); }
};

// The fragment at the beginning of the rest of a block.
std::optional<Fragment> ParseFragment(absl::string_view rest) {
  if (rest.size() < kHeadBytes) return std::nullopt;
  const auto kind = static_cast<uint8_t>(rest[6]);
  const size_t length = ReadLittleEndian<uint16_t>(rest.substr(4));
  if (kind < 1 || kind > 4 || length > rest.size() - kHeadBytes) return std::nullopt;
  if (ReadLittleEndian<uint32_t>(rest) != MaskedChecksum(rest.substr(6, 1 + length))) {
    return std::nullopt;
  }
  return Fragment{static_cast<Kind>(kind), rest.substr(kHeadBytes, length)};
}

constexpr absl::string_view kSyncedTo = "synced to ";

// Counts the versions in a batch, and reads its statement about the writes before it.
class BatchReader final : public rocksdb::WriteBatch::Handler {
 public:
  explicit BatchReader(const std::string& batch) {
    rocksdb::WriteBatch(batch).Iterate(this).PermitUncheckedError();
  }

  uint64_t versions() const { return versions_; }
  // nullopt: everything before the batch was synced.
  std::optional<uint64_t> synced_sequence() const { return synced_sequence_; }

  rocksdb::Status PutCF(uint32_t, const rocksdb::Slice& key, const rocksdb::Slice&) override {
    const absl::string_view bytes(key.data(), key.size());
    if (bytes.size() > Uuid::kBytes && ParseVersionKey(Uuid::FromBytes(bytes.data()), bytes)) {
      ++versions_;
    }
    return {};
  }
  rocksdb::Status DeleteCF(uint32_t, const rocksdb::Slice&) override { return {}; }
  rocksdb::Status SingleDeleteCF(uint32_t, const rocksdb::Slice&) override { return {}; }
  rocksdb::Status DeleteRangeCF(uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override {
    return {};
  }
  rocksdb::Status MergeCF(uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override {
    return {};
  }
  void LogData(const rocksdb::Slice& data) override {
    absl::string_view text(data.data(), data.size());
    if (absl::ConsumePrefix(&text, kSyncedTo) && text.size() == sizeof(uint64_t)) {
      synced_sequence_ = ReadLittleEndian<uint64_t>(text);
    }
  }

 private:
  uint64_t versions_ = 0;
  std::optional<uint64_t> synced_sequence_;
};

// Reads a file block by block.
class BlockReader {
 public:
  static absl::StatusOr<BlockReader> Open(rocksdb::Env& env, const std::string& path) {
    BlockReader reader(path);
    const rocksdb::Status status =
        env.NewSequentialFile(path, &reader.file_, rocksdb::EnvOptions());
    if (!status.ok()) return FromRocksdb(status, absl::StrCat("open ", path));
    return reader;
  }

  // Reads the next block; false at the file's end.
  absl::StatusOr<bool> Next() {
    position_ += filled_;
    filled_ = 0;
    while (filled_ < kBlockBytes) {
      rocksdb::Slice bytes;
      char* const begin = buffer_.data() + filled_;
      const rocksdb::Status status = file_->Read(kBlockBytes - filled_, &bytes, begin);
      if (!status.ok()) return FromRocksdb(status, absl::StrCat("read ", path_));
      if (bytes.empty()) break;
      if (bytes.data() != begin) std::copy_n(bytes.data(), bytes.size(), begin);
      filled_ += bytes.size();
    }
    return filled_ > 0;
  }

  absl::string_view block() const { return absl::string_view(buffer_).substr(0, filled_); }
  uint64_t position() const { return position_; }  // of the block in the file

 private:
  explicit BlockReader(std::string path) : path_(std::move(path)), buffer_(kBlockBytes, '\0') {}

  std::string path_;
  std::unique_ptr<rocksdb::SequentialFile> file_;
  std::string buffer_;
  size_t filled_ = 0;
  uint64_t position_ = 0;
};

// The content of one log.
struct LogContent {
  uint64_t written_bytes = 0;  // up to the last byte that is not zero
  // The place of the first bytes that are no record, or not the next one.
  uint64_t intact_bytes = 0;
  std::optional<uint64_t> first_sequence;  // nullopt: there is no record
  uint64_t next_sequence = 0;              // behind the last record
  // With Depth::kBatches: the versions in the batches, and the write up to which all were synced.
  uint64_t versions = 0;
  uint64_t synced_sequence = 0;
  // The records behind that place. There are none behind a torn end.
  bool has_records_behind = false;
  uint64_t writes_behind = 0;
  uint64_t versions_behind = 0;
  uint64_t next_sequence_behind = 0;
};

enum class Depth { kHeads, kBatches };

// Assembles the records of a log, and the remaining ones behind damage.
class LogReader {
 public:
  // `expected_sequence`: the first number of the log, if known.
  LogReader(BlockReader blocks, Depth depth, std::optional<uint64_t> expected_sequence)
      : blocks_(std::move(blocks)), depth_(depth), expected_sequence_(expected_sequence) {}

  absl::StatusOr<LogContent> Read() {
    for (;;) {
      const absl::StatusOr<bool> has_more = blocks_.Next();
      if (!has_more.ok()) return has_more.status();
      if (!*has_more) return content_;
      const size_t last = blocks_.block().find_last_not_of('\0');
      if (last == absl::string_view::npos) {
        is_intact_ = false;
        record_.reset();
        continue;
      }
      content_.written_bytes = blocks_.position() + last + 1;
      const size_t damage_at = is_intact_ ? ReadIntact() : 0;
      if (!is_intact_) Search(damage_at);
    }
  }

 private:
  // Reads the block up to the first bytes that are no record. Returns their place, or the end.
  size_t ReadIntact() {
    const absl::string_view block = blocks_.block();
    size_t offset = 0;
    while (block.size() - offset >= kHeadBytes) {
      const std::optional<Fragment> fragment = ParseFragment(block.substr(offset));
      if (!fragment || fragment->begins() == record_.has_value()) break;
      Add(*fragment);
      if (fragment->ends() && !TakeRecord(blocks_.position() + offset + fragment->bytes())) break;
      offset += fragment->bytes();
    }
    is_intact_ = block.size() - offset < kHeadBytes;
    if (!is_intact_) {
      record_.reset();
      searches_bytes_ = true;
    }
    return offset;
  }

  // Looks for records behind damage: at every byte of the block where it begins, because the damage
  // may be in a length.
  void Search(size_t offset) {
    const absl::string_view block = blocks_.block();
    while (block.size() - offset >= kHeadBytes) {
      const std::optional<Fragment> fragment = ParseFragment(block.substr(offset));
      if (!fragment) {
        record_.reset();
        if (!searches_bytes_) break;
        ++offset;
        continue;
      }
      // The rest of a record without a readable beginning proves nothing.
      if (fragment->begins() || record_) {
        Add(*fragment);
        if (fragment->ends()) TakeRecordBehind();
      }
      offset += fragment->bytes();
    }
    searches_bytes_ = false;
  }

  void Add(const Fragment& fragment) {
    if (fragment.begins()) record_.emplace();
    const bool is_whole_wanted = !is_intact_ || depth_ == Depth::kBatches;
    const size_t wanted =
        is_whole_wanted ? std::numeric_limits<size_t>::max() : kBatchHeadBytes - record_->size();
    record_->append(fragment.payload.data(), std::min(wanted, fragment.payload.size()));
  }

  // False: it is not the next record.
  bool TakeRecord(uint64_t end) {
    const std::string record = *std::exchange(record_, std::nullopt);
    if (record.size() < kBatchHeadBytes) return false;
    const auto sequence = ReadLittleEndian<uint64_t>(record);
    // RocksDB begins a log with an empty batch if the end of the previous one was torn.
    if (CountIn(record) == 0) {
      content_.intact_bytes = end;
      return true;
    }
    if (content_.first_sequence && sequence != content_.next_sequence) {
      content_.has_records_behind = true;
      return false;
    }
    if (!content_.first_sequence) content_.first_sequence = sequence;
    content_.next_sequence = sequence + CountIn(record);
    content_.intact_bytes = end;
    if (depth_ == Depth::kBatches) content_.versions += ReadBatch(record, sequence).versions();
    return true;
  }

  void TakeRecordBehind() {
    const std::string record = *std::exchange(record_, std::nullopt);
    if (record.size() < kBatchHeadBytes) return;
    const auto sequence = ReadLittleEndian<uint64_t>(record);
    const uint64_t lost = std::max(content_.next_sequence, expected_sequence_.value_or(1));
    const uint64_t expected = std::max(lost, content_.next_sequence_behind);
    const bool anything_goes = expected == 1;
    if (sequence < expected || (!anything_goes && sequence - expected > kSequenceAdvanceMax)) {
      return;
    }
    content_.versions_behind += ReadBatch(record, sequence).versions();
    content_.writes_behind += CountIn(record);
    content_.next_sequence_behind = sequence + CountIn(record);
    // Writes that were not synced before that record was written may be lost.
    if (content_.synced_sequence >= lost) content_.has_records_behind = true;
  }

  static uint32_t CountIn(const std::string& record) {
    return ReadLittleEndian<uint32_t>(absl::string_view(record).substr(8));
  }

  BatchReader ReadBatch(const std::string& record, uint64_t sequence) {
    const BatchReader batch(record);
    content_.synced_sequence =
        std::max(content_.synced_sequence, batch.synced_sequence().value_or(sequence - 1));
    return batch;
  }

  BlockReader blocks_;
  const Depth depth_;
  const std::optional<uint64_t> expected_sequence_;
  LogContent content_;
  bool is_intact_ = true;  // up to here
  bool searches_bytes_ = false;
  std::optional<std::string> record_;  // begun, not complete
};

absl::StatusOr<LogContent> ReadLog(rocksdb::Env& env, const std::string& path, Depth depth,
                                   std::optional<uint64_t> expected_sequence) {
  absl::StatusOr<BlockReader> blocks = BlockReader::Open(env, path);
  if (!blocks.ok()) return blocks.status();
  return LogReader(*std::move(blocks), depth, expected_sequence).Read();
}

// Runs CheckLogs, log by log.
class LogChecker {
 public:
  LogChecker(rocksdb::Env& env, const std::string& database_path, uint64_t min_log_number,
             const std::optional<LogMark>& mark)
      : env_(env), database_path_(database_path), min_log_number_(min_log_number) {
    // The mark of a log that is not needed any more does not cover later ones.
    if (!mark || mark->log_number == 0 || mark->log_number < min_log_number) return;
    mark_ = *mark;
    if (mark->last_sequence >= mark->first_sequence) required_ = *mark;
  }

  absl::StatusOr<std::optional<LogDamage>> Run() {
    if (const absl::Status status = FindLogs(); !status.ok()) return status;
    if (required_ && logs_.count(required_->log_number) == 0) {
      logs_.emplace(required_->log_number, false);
    }
    uint64_t last = 0;
    uint64_t last_bytes = 0;
    for (const auto& [number, is_here] : logs_) {
      if (mark_ && number == mark_->log_number && !expected_) expected_ = mark_->first_sequence;
      if (!is_here) return DamageAt(number, 0, absl::StrCat(NameOf(number), " is missing"));
      const absl::StatusOr<LogContent> content =
          ReadLog(env_, PathOf(number), Depth::kHeads, expected_);
      if (!content.ok()) return content.status();
      // A refused write may be at the end of the previous log. The database was reopened without
      // it, and its number given to another write.
      if (content->first_sequence && expected_ && *content->first_sequence > *expected_) {
        const absl::StatusOr<bool> was_synced = WasSynced(number, *expected_);
        if (!was_synced.ok()) return was_synced.status();
        // The end of the previous log is torn, and the writes here were not synced either.
        if (!*was_synced) break;
        return DamageAt(number, 0,
                        absl::StrCat(NameOf(number), " begins with write ",
                                     *content->first_sequence, " and not with write ", *expected_,
                                     ": it was changed, or an earlier log was"));
      }
      if (content->has_records_behind) {
        return DamageAt(
            number, content->intact_bytes,
            absl::StrCat(NameOf(number), " cannot be read at byte ", content->intact_bytes));
      }
      if (content->first_sequence) expected_ = content->next_sequence;
      last = number;
      last_bytes = content->intact_bytes;
    }
    if (!required_ || expected_.value_or(0) > required_->last_sequence) return std::nullopt;
    return DamageAt(last, last_bytes,
                    absl::StrCat(NameOf(last), " ends at byte ", last_bytes,
                                 ", before the last acknowledged write"));
  }

 private:
  static std::string NameOf(uint64_t number) {
    return absl::StrCat("rocksdb/", LogFileName(number));
  }
  std::string PathOf(uint64_t number) const {
    return absl::StrCat(database_path_, "/", LogFileName(number));
  }

  // Whether a log proves that everything up to and including that write was synced.
  absl::StatusOr<bool> WasSynced(uint64_t number, uint64_t sequence) const {
    const absl::StatusOr<LogContent> content =
        ReadLog(env_, PathOf(number), Depth::kBatches, sequence);
    if (!content.ok()) return content.status();
    return content->synced_sequence >= sequence;
  }

  absl::Status FindLogs() {
    std::vector<std::string> names;
    const rocksdb::Status status = env_.GetChildren(database_path_, &names);
    if (!status.ok()) return FromRocksdb(status, absl::StrCat("look into ", database_path_));
    for (const std::string& name : names) {
      uint64_t number = 0;
      if (!absl::EndsWith(name, kLogEnding)) continue;
      const absl::string_view stem(name.data(), name.size() - kLogEnding.size());
      if (absl::SimpleAtoi(stem, &number) && number >= min_log_number_) logs_[number] = true;
    }
    return absl::OkStatus();
  }

  // The damage that begins in that log behind `keep_bytes`. Records in later logs depend on the
  // lost ones, so they are lost as well.
  absl::StatusOr<std::optional<LogDamage>> DamageAt(uint64_t number, uint64_t keep_bytes,
                                                    std::string description) const {
    LogDamage damage;
    damage.description = std::move(description);
    damage.log_number = number;
    damage.keep_bytes = keep_bytes;
    uint64_t begin = expected_.value_or(0);  // of the lost writes
    uint64_t end = required_ ? required_->last_sequence + 1 : 0;
    uint64_t readable_writes = 0;
    for (auto log = logs_.lower_bound(number); log != logs_.end(); ++log) {
      if (!log->second) continue;
      damage.logs.push_back(log->first);
      const absl::StatusOr<LogContent> content =
          ReadLog(env_, PathOf(log->first), Depth::kBatches, expected_);
      if (!content.ok()) return content.status();
      end = std::max({end, content->next_sequence, content->next_sequence_behind});
      readable_writes += content->writes_behind;
      damage.versions_readable += content->versions_behind;
      damage.bytes += content->written_bytes;
      if (log->first == number && keep_bytes > 0) {
        damage.bytes -= std::min(keep_bytes, content->written_bytes);
        begin = content->next_sequence;
      } else if (content->first_sequence) {
        readable_writes += content->next_sequence - *content->first_sequence;
        damage.versions_readable += content->versions;
        if (begin == 0) begin = *content->first_sequence;
      }
    }
    // A version is at least one write, and batches also have writes that are no versions.
    const uint64_t writes = end > begin ? end - begin : 0;
    damage.versions_max =
        damage.versions_readable + (writes > readable_writes ? writes - readable_writes : 0);
    return damage;
  }

  rocksdb::Env& env_;
  const std::string& database_path_;
  const uint64_t min_log_number_;
  std::optional<LogMark> mark_;
  std::optional<LogMark> required_;   // the mark, if it requires a record
  std::map<uint64_t, bool> logs_;     // by number: whether it exists
  std::optional<uint64_t> expected_;  // the next write's number
};

}  // namespace

std::string EncodeSyncedSequence(uint64_t sequence) {
  std::string data(kSyncedTo);
  for (size_t i = 0; i < sizeof(sequence); ++i) {
    data.push_back(static_cast<char>(sequence >> (8 * i)));
  }
  return data;
}

std::string LogFileName(uint64_t log_number) { return absl::StrFormat("%06d.log", log_number); }

std::string LogDamage::Loss() const {
  return absl::StrCat(bytes, " bytes with ", versions_readable == versions_max ? "" : "up to ",
                      versions_max, versions_max == 1 ? " version" : " versions");
}

absl::StatusOr<std::optional<LogDamage>> CheckLogs(rocksdb::Env& env,
                                                   const std::string& database_path,
                                                   uint64_t min_log_number,
                                                   const std::optional<LogMark>& mark) {
  return LogChecker(env, database_path, min_log_number, mark).Run();
}

std::optional<uint64_t> FirstSequenceOf(rocksdb::Env& env, const std::string& path) {
  absl::StatusOr<BlockReader> blocks = BlockReader::Open(env, path);
  if (!blocks.ok() || !blocks->Next().value_or(false)) return std::nullopt;
  const std::optional<Fragment> fragment = ParseFragment(blocks->block());
  if (!fragment || !fragment->begins() || fragment->payload.size() < kBatchHeadBytes) {
    return std::nullopt;
  }
  return ReadLittleEndian<uint64_t>(fragment->payload);
}

absl::StatusOr<uint64_t> IntactBytesOf(rocksdb::Env& env, const std::string& path) {
  absl::StatusOr<BlockReader> blocks = BlockReader::Open(env, path);
  if (!blocks.ok()) return blocks.status();
  uint64_t intact_bytes = 0;
  bool is_in_record = false;
  for (;;) {
    const absl::StatusOr<bool> has_more = blocks->Next();
    if (!has_more.ok()) return has_more.status();
    if (!*has_more) return intact_bytes;
    const absl::string_view block = blocks->block();
    size_t offset = 0;
    while (block.size() - offset >= kHeadBytes) {
      const std::optional<Fragment> fragment = ParseFragment(block.substr(offset));
      if (!fragment || fragment->begins() == is_in_record) return intact_bytes;
      offset += fragment->bytes();
      is_in_record = !fragment->ends();
      if (!is_in_record) intact_bytes = blocks->position() + offset;
    }
  }
}

}  // namespace tcsync::rocksdb_storage

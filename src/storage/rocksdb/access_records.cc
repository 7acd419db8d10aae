#include "storage/rocksdb/access_records.h"

#include <memory>
#include <string>
#include <utility>

#include "storage/rocksdb/record_codec.h"
#include "storage/rocksdb/rocksdb_status.h"

namespace tcsync::rocksdb_storage {

absl::StatusOr<std::optional<Invite>> ReadInvite(const ChainReader& reader,
                                                 const TokenDigest& digest) {
  const std::string key = InviteKey(digest);
  const absl::StatusOr<std::optional<std::string>> value = reader.Read(key);
  if (!value.ok()) return value.status();
  if (!value->has_value()) return std::nullopt;
  std::optional<Invite> invite = DecodeInvite(key, **value);
  if (!invite) return absl::DataLossError("the record of an invite is malformed");
  return invite;
}

absl::StatusOr<AccessRecords> ReadAllAccessRecords(rocksdb::DB& database) {
  AccessRecords records;
  const std::string end = ClientCountKey();
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> iterator(database.NewIterator(options));
  for (iterator->Seek(BanKey(Uuid())); iterator->Valid(); iterator->Next()) {
    const absl::string_view key(iterator->key().data(), iterator->key().size());
    const absl::string_view value(iterator->value().data(), iterator->value().size());
    if (std::optional<Ban> ban = DecodeBan(key, value)) {
      records.bans.push_back(*std::move(ban));
    } else if (std::optional<ClientToken> token = DecodeToken(key, value)) {
      records.tokens.push_back(*std::move(token));
    } else if (std::optional<Invite> invite = DecodeInvite(key, value)) {
      records.invites.push_back(*std::move(invite));
    } else {
      // Without this record, a client that the operator has banned would be admitted.
      return absl::DataLossError("a record of a ban, a token or an invite is malformed");
    }
  }
  if (!iterator->status().ok()) {
    return FromRocksdb(iterator->status(), "read bans, tokens and invites from the database");
  }
  return records;
}

}  // namespace tcsync::rocksdb_storage

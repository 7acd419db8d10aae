#include "storage/rocksdb/access_records.h"

#include <string>
#include <utility>

#include "storage/rocksdb/record_codec.h"

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
  const auto add = [&records](absl::string_view key,
                              absl::string_view value) -> absl::StatusOr<bool> {
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
    return true;
  };
  const absl::Status status = VisitKeys(database, {}, BanKey(Uuid()), ClientCountKey(), add,
                                        "read bans, tokens and invites from the database");
  if (!status.ok()) return status;
  return records;
}

}  // namespace tcsync::rocksdb_storage

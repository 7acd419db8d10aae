// The changes of other servers over the same database.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_OTHER_SERVERS_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_OTHER_SERVERS_H_

#include "storage/postgres/sessions.h"
#include "tcsync/other_servers.h"

namespace tcsync::postgres_storage {

class PostgresServers final : public OtherServers {
 public:
  explicit PostgresServers(Sessions& sessions) : sessions_(sessions) {}

  absl::StatusOr<std::string> AccessRevision() override;
  absl::StatusOr<std::vector<std::pair<Uuid, Uuid>>> LatestVersions(
      absl::Span<const Uuid> client_ids) override;
  absl::StatusOr<bool> TakeChore(absl::string_view name, absl::Duration time) override;

 private:
  Sessions& sessions_;
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_OTHER_SERVERS_H_

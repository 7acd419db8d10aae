// The live bytes of all clients: the database's count, and this server's changes since it was read.
#ifndef TCSYNC_SRC_STORAGE_POSTGRES_USAGE_H_
#define TCSYNC_SRC_STORAGE_POSTGRES_USAGE_H_

#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/postgres/sessions.h"
#include "storage/postgres/statement.h"

namespace tcsync::postgres_storage {

// The effect of a transaction on the totals.
struct UsageChange {
  int64_t clients = 0;
  int64_t live_bytes = 0;    // of clients
  int64_t upload_bytes = 0;  // of unfinished uploads, which the database counts by their rows
};

// Thread-safe.
class Usage {
 public:
  explicit Usage(Sessions& sessions) : sessions_(sessions) {}

  // Runs the statements with the change of the totals as one transaction, and counts it if it
  // succeeds. As Connection::Run.
  absl::StatusOr<std::vector<Rows>> Run(std::vector<Statement> statements,
                                        const UsageChange& change, Deadline deadline);

  // For a transaction that changes the totals by itself: call Begin before it and End after it,
  // with the bytes that it added.
  void Begin();
  void End(int64_t bytes);

  uint64_t live_bytes() const;
  uint64_t clients() const;

  // Takes over the database's totals, which other servers change as well.
  absl::Status Refresh(Deadline deadline);

 private:
  Sessions& sessions_;
  mutable std::mutex mutex_;  // guards the members below
  int64_t live_bytes_ = 0;    // those of uploads included
  int64_t clients_ = 0;
  uint64_t begun_ = 0;  // changes
  uint64_t ended_ = 0;
  int skipped_refreshes_ = 0;
};

}  // namespace tcsync::postgres_storage

#endif  // TCSYNC_SRC_STORAGE_POSTGRES_USAGE_H_

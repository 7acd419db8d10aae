#include "storage/postgres/usage.h"

#include <algorithm>

#include "storage/postgres/client_record.h"

namespace tcsync::postgres_storage {
namespace {

constexpr Sql kReadUsage{"read_usage", R"(
  SELECT sum(clients)::bigint,
         (sum(live_bytes) + (SELECT coalesce(sum(bytes), 0) FROM tcsync.uploads))::bigint
  FROM tcsync.usage)"};
// A refresh is repeated later if a change was under way, which the database may or may not have
// counted. After as many repetitions an error of that size is better than a total that is old.
constexpr int kSkippedRefreshesMax = 5;

}  // namespace

void Usage::Begin() {
  const std::lock_guard lock(mutex_);
  ++begun_;
}

void Usage::End(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  ++ended_;
  live_bytes_ += bytes;
}

absl::StatusOr<std::vector<Rows>> Usage::Run(std::vector<Statement> statements,
                                             const UsageChange& change, Deadline deadline) {
  // Last, so that no transaction waits for another one while it holds this row.
  if (change.clients != 0 || change.live_bytes != 0) {
    statements.push_back(ChangeUsage(change.clients, change.live_bytes));
  }
  Begin();
  absl::StatusOr<std::vector<Rows>> rows = sessions_.Run(statements, deadline);
  End(rows.ok() ? change.live_bytes + change.upload_bytes : 0);
  return rows;
}

uint64_t Usage::live_bytes() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint64_t>(std::max<int64_t>(live_bytes_, 0));
}

uint64_t Usage::clients() const {
  const std::lock_guard lock(mutex_);
  return static_cast<uint64_t>(std::max<int64_t>(clients_, 0));
}

absl::Status Usage::Refresh(Deadline deadline) {
  uint64_t begun = 0;
  bool is_quiet = false;
  {
    const std::lock_guard lock(mutex_);
    begun = begun_;
    is_quiet = begun_ == ended_;
  }
  const absl::StatusOr<Rows> rows = RunUntil(sessions_, Statement(kReadUsage), deadline);
  if (!rows.ok()) return rows.status();
  const std::lock_guard lock(mutex_);
  clients_ = rows->IntegerAt(0, 0);
  if ((!is_quiet || begun != begun_) && ++skipped_refreshes_ <= kSkippedRefreshesMax) {
    return absl::OkStatus();
  }
  skipped_refreshes_ = 0;
  live_bytes_ = rows->IntegerAt(0, 1);
  return absl::OkStatus();
}

}  // namespace tcsync::postgres_storage

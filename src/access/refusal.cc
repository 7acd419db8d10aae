#include "access/refusal.h"

namespace tcsync::access {
namespace {

// For reasons that come in floods, or are the same for all clients: one line is enough.
constexpr int kOneLine = 1;
// For individual mistakes. Enough for the people of a small server to find each of theirs; scanners
// of the internet cause hundreds.
constexpr int kManyLines = 20;

struct Row {
  RefusalReason reason;
  absl::string_view name;
  int status;
  LogLevel log_level;
  int log_lines_at_once;
};

constexpr Row kRows[] = {
    {RefusalReason::kBadRequest, "bad-request", 400, LogLevel::kInfo, kManyLines},
    {RefusalReason::kNoSuchPath, "no-such-path", 404, LogLevel::kInfo, kManyLines},
    {RefusalReason::kMethod, "method", 405, LogLevel::kInfo, kManyLines},
    {RefusalReason::kTooLarge, "too-large", 413, LogLevel::kInfo, kManyLines},
    {RefusalReason::kContentCoding, "content-coding", 415, LogLevel::kInfo, kManyLines},
    {RefusalReason::kNotAllowed, "not-allowed", 403, LogLevel::kInfo, kManyLines},
    {RefusalReason::kBanned, "banned", 403, LogLevel::kInfo, kOneLine},
    {RefusalReason::kToken, "token", 403, LogLevel::kInfo, kManyLines},
    {RefusalReason::kInvite, "invite", 403, LogLevel::kInfo, kManyLines},
    {RefusalReason::kNoSuchClient, "no-such-client", 404, LogLevel::kInfo, kManyLines},
    {RefusalReason::kClientRate, "client-rate", 429, LogLevel::kWarning, kOneLine},
    {RefusalReason::kAddressRate, "address-rate", 429, LogLevel::kWarning, kOneLine},
    {RefusalReason::kNewClients, "new-clients", 429, LogLevel::kWarning, kOneLine},
    {RefusalReason::kClientFull, "client-full", 507, LogLevel::kWarning, kManyLines},
    {RefusalReason::kTotalBytes, "total-bytes", 507, LogLevel::kError, kOneLine},
    {RefusalReason::kDiskFloor, "disk-floor", 507, LogLevel::kError, kOneLine},
    {RefusalReason::kDiskFull, "disk-full", 507, LogLevel::kError, kManyLines},
    {RefusalReason::kOverloaded, "overloaded", 503, LogLevel::kWarning, kOneLine},
    {RefusalReason::kDataDirectory, "data-directory", 503, LogLevel::kError, kOneLine},
    {RefusalReason::kStorageFailed, "storage-failed", 500, LogLevel::kError, kManyLines},
    {RefusalReason::kVersionGone, "version-gone", 410, LogLevel::kWarning, kManyLines},
    {RefusalReason::kReplicaAhead, "replica-ahead", 410, LogLevel::kWarning, kManyLines},
    {RefusalReason::kForeignVersion, "foreign-version", 410, LogLevel::kWarning, kManyLines},
    {RefusalReason::kNoSuchDevice, "no-such-device", 404, LogLevel::kInfo, kManyLines},
    {RefusalReason::kDeviceRule, "device-rule", 409, LogLevel::kInfo, kManyLines},
};
static_assert(sizeof(kRows) / sizeof(kRows[0]) == kRefusalReasonCount);

constexpr bool IsInOrder() {
  for (size_t i = 0; i < kRefusalReasonCount; ++i) {
    if (static_cast<size_t>(kRows[i].reason) != i) return false;
  }
  return true;
}
static_assert(IsInOrder(), "the rows are looked up by their place");

const Row& RowOf(RefusalReason reason) { return kRows[static_cast<size_t>(reason)]; }

}  // namespace

absl::string_view NameOf(RefusalReason reason) { return RowOf(reason).name; }

int StatusOf(RefusalReason reason) { return RowOf(reason).status; }

LogLevel LogLevelOf(RefusalReason reason) { return RowOf(reason).log_level; }

int LogLinesAtOnce(RefusalReason reason) { return RowOf(reason).log_lines_at_once; }

}  // namespace tcsync::access

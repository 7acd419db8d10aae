#include "access/refusal.h"

namespace tcsync::access {
namespace {

struct Row {
  RefusalReason reason;
  absl::string_view name;
  int status;
};

constexpr Row kRows[] = {
    {RefusalReason::kBadRequest, "bad-request", 400},
    {RefusalReason::kNoSuchPath, "no-such-path", 404},
    {RefusalReason::kMethod, "method", 405},
    {RefusalReason::kTooLarge, "too-large", 413},
    {RefusalReason::kContentCoding, "content-coding", 415},
    {RefusalReason::kNotAllowed, "not-allowed", 403},
    {RefusalReason::kBanned, "banned", 403},
    {RefusalReason::kToken, "token", 403},
    {RefusalReason::kInvite, "invite", 403},
    {RefusalReason::kNoSuchClient, "no-such-client", 404},
    {RefusalReason::kClientRate, "client-rate", 429},
    {RefusalReason::kAddressRate, "address-rate", 429},
    {RefusalReason::kNewClients, "new-clients", 429},
    {RefusalReason::kClientFull, "client-full", 507},
    {RefusalReason::kTotalBytes, "total-bytes", 507},
    {RefusalReason::kDiskFloor, "disk-floor", 507},
    {RefusalReason::kDiskFull, "disk-full", 507},
    {RefusalReason::kOverloaded, "overloaded", 503},
    {RefusalReason::kDataDirectory, "data-directory", 503},
    {RefusalReason::kStorageFailed, "storage-failed", 500},
    {RefusalReason::kVersionGone, "version-gone", 410},
    {RefusalReason::kReplicaAhead, "replica-ahead", 410},
    {RefusalReason::kForeignVersion, "foreign-version", 410},
};
static_assert(sizeof(kRows) / sizeof(kRows[0]) == kRefusalReasonCount);

constexpr bool IsInOrder() {
  for (size_t i = 0; i < kRefusalReasonCount; ++i) {
    if (static_cast<size_t>(kRows[i].reason) != i) return false;
  }
  return true;
}
static_assert(IsInOrder(), "the rows are looked up by their place");

}  // namespace

absl::string_view NameOf(RefusalReason reason) { return kRows[static_cast<size_t>(reason)].name; }

int StatusOf(RefusalReason reason) { return kRows[static_cast<size_t>(reason)].status; }

}  // namespace tcsync::access

#include "http/refusal_response.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tcsync::http {
namespace {

using access::Refusal;
using access::RefusalReason;

// Lines at once of refusals that are somebody's mistake. Enough for the people of a small server
// to find each of theirs; what scanners of the internet send comes in hundreds.
constexpr int64_t kMistakesAtOnce = 20;

// What comes in floods, or is the same for everybody: one line says it.
bool ComesInFloods(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kBanned:
    case RefusalReason::kClientRate:
    case RefusalReason::kAddressRate:
    case RefusalReason::kNewClients:
    case RefusalReason::kTotalBytes:
    case RefusalReason::kDiskFloor:
    case RefusalReason::kOverloaded:
    case RefusalReason::kDataDirectory:
      return true;
    default:
      return false;
  }
}

LogLevel LevelOf(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kTotalBytes:
    case RefusalReason::kDiskFloor:
    case RefusalReason::kDiskFull:
    case RefusalReason::kDataDirectory:
    case RefusalReason::kStorageFailed:
      return LogLevel::kError;
    case RefusalReason::kClientRate:
    case RefusalReason::kAddressRate:
    case RefusalReason::kNewClients:
    case RefusalReason::kClientFull:
    case RefusalReason::kOverloaded:
    case RefusalReason::kVersionGone:
    case RefusalReason::kReplicaAhead:
    case RefusalReason::kForeignVersion:
      return LogLevel::kWarning;
    default:
      return LogLevel::kInfo;
  }
}

}  // namespace

RefusalResponder::RefusalResponder(base::Logger logger, RefusalObserver observer)
    : logger_(std::move(logger)), observer_(std::move(observer)) {
  for (size_t i = 0; i < access::kRefusalReasonCount; ++i) {
    const bool floods = ComesInFloods(static_cast<RefusalReason>(i));
    throttles_.push_back(std::make_unique<LogThrottle>(floods ? 1 : kMistakesAtOnce));
  }
}

Response RefusalResponder::Refuse(const Subject& subject, const Refusal& refusal) {
  if (observer_ != nullptr) observer_(refusal.reason);
  Log(subject, refusal);
  Response response = TextResponse(
      access::StatusOf(refusal.reason),
      subject.client_id
          ? absl::StrCat(refusal.sentence, " (client ID ", subject.client_id->ToString(), ")")
          : refusal.sentence);
  if (refusal.retry_after_seconds > 0) {
    response.headers.push_back({"Retry-After", absl::StrCat(refusal.retry_after_seconds)});
  }
  return response;
}

void RefusalResponder::Log(const Subject& subject, const Refusal& refusal) {
  const LogLevel level = LevelOf(refusal.reason);
  if (!logger_.Passes(level)) return;
  const std::optional<uint64_t> held_back = throttles_[static_cast<size_t>(refusal.reason)]->Pass();
  if (!held_back) return;
  std::string sentence = refusal.sentence;
  if (!refusal.operator_note.empty()) absl::StrAppend(&sentence, " ", refusal.operator_note);
  if (*held_back > 0) {
    absl::StrAppend(&sentence, " And ", *held_back, " more like this since the last such line.");
  }
  logger_.Log(level,
              {.status = access::StatusOf(refusal.reason),
               .reason = access::NameOf(refusal.reason),
               .endpoint = subject.endpoint ? NameOf(*subject.endpoint) : "",
               .client = subject.client_id,
               .source = refusal.source},
              sentence);
}

}  // namespace tcsync::http

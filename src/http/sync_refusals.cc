// The refusals of the sync protocol: their sentences, and the notes for the operator.
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/foreign_text.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "http/sync_handler.h"
#include "sync/replica_place.h"

namespace tcsync::http {

using access::Refusal;
using access::RefusalReason;

Response SyncHandler::Refuse(RefusalReason reason, std::string sentence) {
  return refusals_.Refuse({}, {.reason = reason, .sentence = std::move(sentence)});
}

Response SyncHandler::RefuseWithoutClientId(const RequestHead& head) {
  if (head.CountOf("X-Client-Id") > 1) {
    return Refuse(RefusalReason::kBadRequest,
                  "There are several X-Client-Id headers; there must be one.");
  }
  const absl::string_view text = head.Header("X-Client-Id");
  // Not repeated: after a mix-up of client ID and secret, the secret must not be in a log.
  return Refuse(RefusalReason::kBadRequest,
                text.empty() ? std::string("The X-Client-Id header is missing.")
                             : absl::StrCat("The X-Client-Id header, of ", text.size(),
                                            " bytes, is not a UUID like "
                                            "123e4567-e89b-42d3-a456-426614174000."));
}

Response SyncHandler::RefuseCall(const Call& call, const Refusal& refusal) {
  Response response =
      refusals_.Refuse({.endpoint = call.route.endpoint, .client_id = call.client_id()}, refusal);
  if (IsOfDevices(call.route.endpoint)) AnnounceDevices(response);
  return response;
}

Response SyncHandler::RefuseNoSuchClient(const Call& call) {
  return RefuseCall(call, {RefusalReason::kNoSuchClient,
                           "This server has no such client, and creates none for it."});
}

Response SyncHandler::RefuseOverLimit(const Call& call) {
  return RefuseCall(
      call, {.reason = RefusalReason::kClientFull,
             .sentence = "This client has as much stored as this server keeps for one client; "
                         "nothing was stored, and stored data can still be fetched.",
             .operator_note = "Options client-bytes-max and client-versions-max are the limits."});
}

Response SyncHandler::RefuseGone(const Call& call, const Uuid& latest_version_id) {
  const Uuid& parent = call.route.version_id;
  const sync::ReplicaPlace place = sync::PlaceOf(parent, latest_version_id);
  if (place == sync::ReplicaPlace::kStart) {
    // An empty replica sends this, and so does one that has tasks of its own and never synced.
    return RefuseCall(
        call,
        {.reason = RefusalReason::kVersionGone,
         .sentence = "This replica has never synced with this history, whose first versions are "
                     "not here any more: it has to start from the snapshot. An empty replica does "
                     "that by itself; one that has tasks of its own has to join the history with "
                     "them, as 'tcsync doctor --repair' and 'tcsync setup --replace' do. Where "
                     "there is no snapshot, another replica of the client leaves one when it next "
                     "sends changes."});
  }
  const std::string where = absl::StrCat("This replica is at version ", parent.ToString(),
                                         ", which this server does not have; the latest here is ",
                                         latest_version_id.ToString(), ". ");
  if (place == sync::ReplicaPlace::kForeign) {
    return RefuseCall(
        call,
        {.reason = RefusalReason::kForeignVersion,
         .sentence = absl::StrCat(
             where,
             "Another server has given out one of the two: check that the server's URL and "
             "the client ID are the right ones. 'tcsync move' takes a history from one server to "
             "another; 'tcsync doctor --repair' lets a replica join this one with its tasks.")});
  }
  if (place == sync::ReplicaPlace::kAhead) {
    return RefuseCall(
        call, {.reason = RefusalReason::kReplicaAhead,
               .sentence = absl::StrCat(
                   where, "The replica is ahead, at number ", base::NumberHint(parent), " of ",
                   base::NumberHint(latest_version_id),
                   ": this server seems to have been restored from an older backup, or this "
                   "history rewound. The server's operator can accept this replica's history."),
               .operator_note = "tcsync-server clients show lists the replicas that are ahead, and "
                                "tcsync-server clients accept-diverged accepts one of them."});
  }
  return RefuseCall(
      call, {.reason = RefusalReason::kVersionGone,
             .sentence = absl::StrCat(
                 where, "It is number ", base::NumberHint(parent), " of ",
                 base::NumberHint(latest_version_id),
                 ": either this server has removed that version since this replica last "
                 "synced, or the replica was at another server or another copy of this one. It has "
                 "to join the history with its tasks, as 'tcsync doctor --repair' does.")});
}

Response SyncHandler::RefuseFailed(const Call& call, const absl::Status& status) {
  if (status.code() == absl::StatusCode::kUnavailable) return RefuseOverloaded(call);
  if (status.code() == absl::StatusCode::kUnimplemented) {  // a storage that keeps no devices
    return Refuse(RefusalReason::kNoSuchPath, "This server keeps no devices.");
  }
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    return RefuseCall(call, {.reason = RefusalReason::kOverloaded,
                             .sentence = "The server's database did not answer in time, so that it "
                                         "is unknown whether this was stored; try again shortly.",
                             .retry_after_seconds = base::kRetryAfterSeconds,
                             .operator_note = std::string(status.message())});
  }
  if (status.code() == absl::StatusCode::kFailedPrecondition) {
    return RefuseCall(call, {.reason = RefusalReason::kDataDirectory,
                             .sentence = "The server's data is not where it should be; nothing was "
                                         "stored. The server's operator has to put it back.",
                             .retry_after_seconds = base::kRetryAfterSeconds,
                             .operator_note = std::string(status.message())});
  }
  // The database's message is for the operator; a client gets only useful facts.
  const bool is_full = status.code() == absl::StatusCode::kResourceExhausted;
  return RefuseCall(call,
                    {.reason = is_full ? RefusalReason::kDiskFull : RefusalReason::kStorageFailed,
                     .sentence = is_full ? "The server's disk is full; nothing was stored."
                                         : "The server failed to do this; its log says why.",
                     .operator_note = absl::StrCat("Storage failed: ", status.ToString())});
}

std::optional<Response> SyncHandler::RefuseMediaType(const RequestHead& head, const Call& call,
                                                     absl::string_view media_type) {
  const absl::string_view content_type = head.Header("Content-Type");
  const absl::string_view without_parameters = content_type.substr(0, content_type.find(';'));
  if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(without_parameters), media_type)) {
    return std::nullopt;
  }
  return RefuseCall(call, {RefusalReason::kBadRequest,
                           absl::StrCat("The Content-Type is '", base::ShowForeign(content_type),
                                        "', not '", media_type, "'.")});
}

Response SyncHandler::RefuseTooLarge(const Call& call, uint64_t bytes_max) {
  return RefuseCall(call, {RefusalReason::kTooLarge,
                           absl::StrCat("The request body is larger than ", bytes_max, " bytes.")});
}

Response SyncHandler::RefuseOverloaded(const Call& call) {
  return RefuseCall(call, {.reason = RefusalReason::kOverloaded,
                           .sentence = "The server is too busy at the moment; try again shortly.",
                           .retry_after_seconds = base::kRetryAfterSeconds});
}

}  // namespace tcsync::http

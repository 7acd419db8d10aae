// Calls to a sync server elsewhere.
#include "capi/src/remote.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/one_line.h"
#include "capi/src/bytes.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "capi/src/sealing.h"
#include "capi/src/sized_struct.h"
#include "capi/src/uuid.h"
#include "tcsync.h"
#include "tcsync/remote_server.h"
#include "tcsync/uuid.h"

namespace tcsync::capi {
namespace {

tcsync_code RemoteCodeOf(RemoteFault fault, const std::optional<UnsealFault>& unseal_fault) {
  switch (fault) {
    case RemoteFault::kInvalidAddress:
      return TCSYNC_INVALID_ADDRESS;
    case RemoteFault::kInvalidOption:
      return TCSYNC_INVALID_OPTION_VALUE;
    case RemoteFault::kInvalidArgument:
      return TCSYNC_INVALID_ARGUMENT;
    case RemoteFault::kNameNotResolved:
      return TCSYNC_REMOTE_NAME_NOT_RESOLVED;
    case RemoteFault::kConnectionRefused:
      return TCSYNC_REMOTE_CONNECTION_REFUSED;
    case RemoteFault::kNetworkFailed:
      return TCSYNC_REMOTE_NETWORK_FAILED;
    case RemoteFault::kTimedOut:
      return TCSYNC_REMOTE_TIMED_OUT;
    case RemoteFault::kProxyFailed:
      return TCSYNC_REMOTE_PROXY_FAILED;
    case RemoteFault::kCertificateExpired:
      return TCSYNC_REMOTE_CERTIFICATE_EXPIRED;
    case RemoteFault::kCertificateUntrusted:
      return TCSYNC_REMOTE_CERTIFICATE_UNTRUSTED;
    case RemoteFault::kCertificateWrongHost:
      return TCSYNC_REMOTE_CERTIFICATE_WRONG_HOST;
    case RemoteFault::kNotTls:
      return TCSYNC_REMOTE_NOT_TLS;
    case RemoteFault::kTlsFailed:
      return TCSYNC_REMOTE_TLS_FAILED;
    case RemoteFault::kNotAllowed:
      return TCSYNC_REMOTE_NOT_ALLOWED;
    case RemoteFault::kTooLarge:
      return TCSYNC_REMOTE_TOO_LARGE;
    case RemoteFault::kRateLimited:
      return TCSYNC_REMOTE_RATE_LIMITED;
    case RemoteFault::kRejected:
      return TCSYNC_REMOTE_REJECTED;
    case RemoteFault::kServerUnavailable:
      return TCSYNC_REMOTE_SERVER_UNAVAILABLE;
    case RemoteFault::kServerFull:
      return TCSYNC_REMOTE_SERVER_FULL;
    case RemoteFault::kServerFailed:
      return TCSYNC_REMOTE_SERVER_FAILED;
    case RemoteFault::kRedirected:
      return TCSYNC_REMOTE_REDIRECTED;
    case RemoteFault::kBrokenAnswer:
      return TCSYNC_REMOTE_BROKEN_ANSWER;
    case RemoteFault::kAnswerTooLarge:
      return TCSYNC_REMOTE_ANSWER_TOO_LARGE;
    case RemoteFault::kUnsealFailed:
      if (unseal_fault) return CodeOf(*unseal_fault);
      return TCSYNC_UNSEAL_FAILED;
    case RemoteFault::kSystem:
      return TCSYNC_SYSTEM;
    case RemoteFault::kCancelled:
      return TCSYNC_CANCELLED;
  }
  return TCSYNC_REMOTE_FAILED;
}

int32_t KindOf(RemoteProbe::Kind kind) {
  switch (kind) {
    case RemoteProbe::Kind::kHistory:
      return TCSYNC_PROBE_HISTORY;
    case RemoteProbe::Kind::kEmptyHistory:
      return TCSYNC_PROBE_EMPTY_HISTORY;
    case RemoteProbe::Kind::kNotAllowed:
      return TCSYNC_PROBE_NOT_ALLOWED;
    case RemoteProbe::Kind::kSyncServer:
      return TCSYNC_PROBE_SYNC_SERVER;
    case RemoteProbe::Kind::kNotSyncServer:
      break;
  }
  return TCSYNC_PROBE_NOT_SYNC_SERVER;
}

int32_t UrgencyOf(RequestedSnapshot requested) {
  switch (requested) {
    case RequestedSnapshot::kNone:
      break;
    case RequestedSnapshot::kLow:
      return TCSYNC_SNAPSHOT_URGENCY_LOW;
    case RequestedSnapshot::kHigh:
      return TCSYNC_SNAPSHOT_URGENCY_HIGH;
  }
  return TCSYNC_SNAPSHOT_URGENCY_NONE;
}

int32_t OutcomeOf(AwaitedVersion::Outcome outcome) {
  switch (outcome) {
    case AwaitedVersion::Outcome::kFound:
      return TCSYNC_OUTCOME_FOUND;
    case AwaitedVersion::Outcome::kUpToDate:
      return TCSYNC_OUTCOME_UP_TO_DATE;
    case AwaitedVersion::Outcome::kGone:
      return TCSYNC_OUTCOME_GONE;
    case AwaitedVersion::Outcome::kNoWaits:
      break;
  }
  return TCSYNC_OUTCOME_NO_WAITS;
}

// The outputs of a call that found something: all of them, or none when memory runs out.
void SetFound(const Uuid& found_id, const SecretString& found, int32_t* outcome,
              tcsync_uuid* version_id, tcsync_bytes** plaintext) {
  const std::string text = found_id.ToString();
  *plaintext = std::make_unique<tcsync_bytes>(found.AsStringView()).release();
  SetText(version_id, text);
  *outcome = TCSYNC_OUTCOME_FOUND;
}

// The error of a call that was to unseal something: it names the version as well.
Result FromRemoteOf(RemoteError&& error, tcsync_uuid* version_id) {
  if (error.unseal_fault) SetText(version_id, error.version_id.ToString());
  return FromRemote(std::move(error));
}

// The struct in the first release.
constexpr size_t kRemoteOptionsBytesMin = offsetof(tcsync_remote_options, response_bytes_max) +
                                          sizeof(tcsync_remote_options::response_bytes_max);

// The caller's options; zero means the default.
Result ReadOptions(const tcsync_remote_options* given, RemoteServerOptions& options) {
  if (given == nullptr) return {};
  tcsync_remote_options read;
  Result result =
      ReadStruct(*given, kRemoteOptionsBytesMin, {"options", "tcsync_remote_options"}, read);
  if (!result.ok()) return result;
  if (read.ca_file != nullptr) options.ca_file = read.ca_file;
  if (read.proxy != nullptr) options.proxy = read.proxy;
  if (read.connect_timeout_ms != 0) options.connect_timeout_ms = read.connect_timeout_ms;
  if (read.timeout_ms != 0) options.timeout_ms = read.timeout_ms;
  if (read.response_bytes_max != 0) options.response_bytes_max = read.response_bytes_max;
  return {};
}

}  // namespace

Result FromRemote(RemoteError&& error) {
  return {RemoteCodeOf(error.fault, error.unseal_fault), std::move(error.message)};
}

Result CheckRemote(const tcsync_remote* remote) {
  if (Result result = Needed(remote, "remote"); !result.ok()) return result;
  if (!remote->server->has_key()) {
    return {TCSYNC_INVALID_ARGUMENT,
            "the remote was opened without a key, and can only be probed; open one with a client "
            "ID and a key"};
  }
  return {};
}

}  // namespace tcsync::capi

using tcsync::RemoteError;
using tcsync::RemoteResult;
using tcsync::Uuid;
using tcsync::capi::CheckData;
using tcsync::capi::CheckRemote;
using tcsync::capi::ClearOutput;
using tcsync::capi::FromRemote;
using tcsync::capi::FromRemoteOf;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;
using tcsync::capi::SetFound;
using tcsync::capi::SetText;
using tcsync::capi::View;

tcsync_code tcsync_remote_open(const char* url, const char* client_id, const tcsync_key* key,
                               const tcsync_remote_options* options, tcsync_remote** remote,
                               tcsync_error** error) {
  ClearOutput(remote);
  return Guard(error, [&]() -> Result {
    if (url == nullptr) return NullArgument("url");
    if (remote == nullptr) return NullArgument("remote");
    if (key != nullptr) {
      if (Result result = Needed(key, "key"); !result.ok()) return result;
      if (client_id == nullptr) return NullArgument("client_id");
    }
    std::optional<Uuid> client;
    if (client_id != nullptr) {
      client = Uuid::Parse(client_id);
      if (!client) return tcsync::capi::InvalidClientId(client_id);
    }
    tcsync::RemoteServerOptions read_options;
    if (Result result = tcsync::capi::ReadOptions(options, read_options); !result.ok()) {
      return result;
    }
    auto opened =
        tcsync::RemoteServer::Open(url, client, key == nullptr ? nullptr : &key->key, read_options);
    if (auto* const fault = std::get_if<RemoteError>(&opened)) return FromRemote(std::move(*fault));
    auto made = std::make_unique<tcsync_remote>();
    made->server = std::get<std::unique_ptr<tcsync::RemoteServer>>(std::move(opened));
    *remote = made.release();
    return {};
  });
}

// Both end in atomic flags and one write(), which is all that a signal handler may do.
void tcsync_remote_cancel(tcsync_remote* remote) {
  if (remote == nullptr) return;
  remote->is_cancelled = true;
  remote->server->Cancel();
}

void tcsync_remote_resume(tcsync_remote* remote) {
  if (remote == nullptr) return;
  remote->is_cancelled = false;
  remote->server->Resume();
}

void tcsync_remote_free(tcsync_remote* remote) {
  const std::unique_ptr<tcsync_remote> owned(tcsync::capi::Checked(remote));
}

tcsync_code tcsync_remote_probe(tcsync_remote* remote, tcsync_probe* probe, tcsync_error** error) {
  tcsync::capi::ClearOutputStruct(probe);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(remote, "remote"); !result.ok()) return result;
    if (Result checked = tcsync::capi::CheckOutputStruct(probe, {"probe", "tcsync_probe"});
        !checked.ok()) {
      return checked;
    }
    auto result = remote->server->Probe();
    if (auto* const fault = std::get_if<RemoteError>(&result)) return FromRemote(std::move(*fault));
    auto& found = std::get<tcsync::RemoteProbe>(result);
    tcsync_probe filled{};
    filled.kind = tcsync::capi::KindOf(found.kind);
    filled.http_status = found.http_status;
    filled.uses_tls = found.certificate_expires ? 1 : 0;
    filled.has_snapshot = found.has_snapshot ? 1 : 0;
    filled.has_versions = found.has_versions ? 1 : 0;
    filled.server_time = found.server_time.value_or(0);
    filled.certificate_expires = found.certificate_expires.value_or(0);
    // Truncated first: the rest of a divided character becomes question marks.
    found.server_name.resize(std::min(found.server_name.size(), sizeof(filled.server_name) - 1));
    tcsync::base::MakeOneLine(found.server_name);
    std::memcpy(filled.server_name, found.server_name.data(), found.server_name.size());
    tcsync::capi::WriteStruct(filled, probe);
    return {};
  });
}

tcsync_code tcsync_remote_get_child_version(tcsync_remote* remote, const char* parent_version_id,
                                            int32_t* outcome, tcsync_uuid* version_id,
                                            tcsync_bytes** plaintext, tcsync_error** error) {
  ClearOutput(outcome);
  ClearOutput(version_id);
  ClearOutput(plaintext);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRemote(remote); !result.ok()) return result;
    if (parent_version_id == nullptr) return NullArgument("parent_version_id");
    if (outcome == nullptr) return NullArgument("outcome");
    if (version_id == nullptr) return NullArgument("version_id");
    if (plaintext == nullptr) return NullArgument("plaintext");
    const std::optional<Uuid> parent = Uuid::Parse(parent_version_id);
    if (!parent) return tcsync::capi::InvalidVersionId(parent_version_id);
    auto result = remote->server->GetChildVersion(*parent);
    if (auto* const fault = std::get_if<RemoteError>(&result)) {
      return FromRemoteOf(std::move(*fault), version_id);
    }
    const auto& child = std::get<tcsync::ChildVersion>(result);
    switch (child.outcome) {
      case tcsync::ChildVersion::Outcome::kUpToDate:
        *outcome = TCSYNC_OUTCOME_UP_TO_DATE;
        return {};
      case tcsync::ChildVersion::Outcome::kGone:
        *outcome = TCSYNC_OUTCOME_GONE;
        return {};
      case tcsync::ChildVersion::Outcome::kFound:
        break;
    }
    SetFound(child.version_id, child.history_segment, outcome, version_id, plaintext);
    return {};
  });
}

tcsync_code tcsync_remote_await_version(tcsync_remote* remote, const char* parent_version_id,
                                        int64_t wait_seconds, int32_t* outcome,
                                        tcsync_uuid* version_id, tcsync_error** error) {
  ClearOutput(outcome);
  ClearOutput(version_id);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(remote, "remote"); !result.ok()) return result;
    if (parent_version_id == nullptr) return NullArgument("parent_version_id");
    if (outcome == nullptr) return NullArgument("outcome");
    if (version_id == nullptr) return NullArgument("version_id");
    const std::optional<Uuid> parent = Uuid::Parse(parent_version_id);
    if (!parent) return tcsync::capi::InvalidVersionId(parent_version_id);
    auto result = remote->server->AwaitVersion(*parent, wait_seconds);
    if (auto* const fault = std::get_if<RemoteError>(&result)) return FromRemote(std::move(*fault));
    const auto& awaited = std::get<tcsync::AwaitedVersion>(result);
    *outcome = tcsync::capi::OutcomeOf(awaited.outcome);
    if (*outcome == TCSYNC_OUTCOME_FOUND) SetText(version_id, awaited.version_id.ToString());
    return {};
  });
}

tcsync_code tcsync_remote_add_version(tcsync_remote* remote, const char* parent_version_id,
                                      const char* plaintext, size_t plaintext_size,
                                      int32_t* outcome, tcsync_uuid* version_id,
                                      int32_t* snapshot_urgency, tcsync_error** error) {
  ClearOutput(outcome);
  ClearOutput(version_id);
  ClearOutput(snapshot_urgency);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRemote(remote); !result.ok()) return result;
    if (parent_version_id == nullptr) return NullArgument("parent_version_id");
    if (Result result = CheckData(plaintext, plaintext_size, "plaintext"); !result.ok())
      return result;
    if (outcome == nullptr) return NullArgument("outcome");
    if (version_id == nullptr) return NullArgument("version_id");
    if (snapshot_urgency == nullptr) return NullArgument("snapshot_urgency");
    const std::optional<Uuid> parent = Uuid::Parse(parent_version_id);
    if (!parent) return tcsync::capi::InvalidVersionId(parent_version_id);
    auto result = remote->server->AddVersion(*parent, View(plaintext, plaintext_size));
    if (auto* const fault = std::get_if<RemoteError>(&result)) return FromRemote(std::move(*fault));
    const auto& added = std::get<tcsync::AddedVersion>(result);
    SetText(version_id, added.version_id.ToString());
    *outcome = added.is_conflict ? TCSYNC_OUTCOME_CONFLICT : TCSYNC_OUTCOME_ADDED;
    *snapshot_urgency = tcsync::capi::UrgencyOf(added.requested_snapshot);
    return {};
  });
}

tcsync_code tcsync_remote_get_snapshot(tcsync_remote* remote, int32_t* outcome,
                                       tcsync_uuid* version_id, tcsync_bytes** plaintext,
                                       tcsync_error** error) {
  ClearOutput(outcome);
  ClearOutput(version_id);
  ClearOutput(plaintext);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRemote(remote); !result.ok()) return result;
    if (outcome == nullptr) return NullArgument("outcome");
    if (version_id == nullptr) return NullArgument("version_id");
    if (plaintext == nullptr) return NullArgument("plaintext");
    auto result = remote->server->GetSnapshot();
    if (auto* const fault = std::get_if<RemoteError>(&result)) {
      return FromRemoteOf(std::move(*fault), version_id);
    }
    const auto& latest = std::get<std::optional<tcsync::LatestSnapshot>>(result);
    if (!latest) {
      *outcome = TCSYNC_OUTCOME_NO_SNAPSHOT;
      return {};
    }
    SetFound(latest->version_id, latest->snapshot, outcome, version_id, plaintext);
    return {};
  });
}

tcsync_code tcsync_remote_add_snapshot(tcsync_remote* remote, const char* version_id,
                                       const char* plaintext, size_t plaintext_size,
                                       tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRemote(remote); !result.ok()) return result;
    if (version_id == nullptr) return NullArgument("version_id");
    if (Result result = CheckData(plaintext, plaintext_size, "plaintext"); !result.ok())
      return result;
    const std::optional<Uuid> version = Uuid::Parse(version_id);
    if (!version) return tcsync::capi::InvalidVersionId(version_id);
    auto result = remote->server->AddSnapshot(*version, View(plaintext, plaintext_size));
    if (auto* const fault = std::get_if<RemoteError>(&result)) return FromRemote(std::move(*fault));
    return {};
  });
}

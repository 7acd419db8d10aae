#include "tcsync/remote_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/limits.h"
#include "base/process_mark.h"
#include "base/server_url.h"
#include "base/version_frames.h"
#include "remote/answer_fault.h"
#include "remote/answer_parts.h"
#include "remote/cancellation.h"
#include "remote/child_versions.h"
#include "remote/connection.h"
#include "remote/proxy.h"
#include "remote/trusted_authorities.h"

namespace tcsync {
namespace {

using base::ParseProxyUrl;
using base::ParseServerUrl;
using base::ProxyUrl;
using base::ServerUrl;
using remote::Answer;
using remote::Cancellation;
using remote::CheckBody;
using remote::Connection;
using remote::Deadlines;
using remote::Destination;
using remote::HasMediaType;
using remote::kSegmentType;
using remote::kSnapshotType;
using remote::OutgoingRequest;
using remote::ProxyFromEnvironment;
using remote::TrustAuthorities;
using remote::UnexpectedStatus;
using remote::Unsealed;
using remote::UuidHeader;
using remote::WantedBody;

constexpr char kClientPath[] = "/v1/client/";
constexpr char kSnapshotPath[] = "/v1/client/snapshot";

// Other servers give one version whatever a request accepts.
const std::string& AcceptManyVersions() {
  static const std::string value =
      absl::StrCat(base::kVersionFramesMediaType, ", ", remote::kSegmentType);
  return value;
}

// The name of a server fits into this.
constexpr size_t kServerNameBytesMax = 200;

RemoteError Fault(RemoteFault fault, absl::string_view message) {
  return {fault, std::string(message), std::nullopt, Uuid()};
}

// For the statuses that the protocol has for get-child-version.
ChildVersion::Outcome OutcomeOf(const Answer& answer) {
  if (answer.status == 404) return ChildVersion::Outcome::kUpToDate;
  return answer.status == 410 ? ChildVersion::Outcome::kGone : ChildVersion::Outcome::kFound;
}

std::optional<int64_t> TimeOf(const Answer& answer) {
  absl::Time time;
  // RFC 9110, section 5.6.7.
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", answer.Header("Date"), &time, nullptr)) {
    return std::nullopt;
  }
  return absl::ToUnixSeconds(time);
}

RequestedSnapshot SnapshotRequestOf(const Answer& answer) {
  const absl::string_view value = answer.Header("X-Snapshot-Request");
  if (value == "urgency=high") return RequestedSnapshot::kHigh;
  if (value == "urgency=low") return RequestedSnapshot::kLow;
  return RequestedSnapshot::kNone;
}

std::string ServerNameOf(const Answer& answer) {
  if (answer.status != 200 || absl::StrContains(answer.Header("Content-Type"), "html")) return "";
  const absl::string_view body = answer.body;
  const absl::string_view line = absl::StripAsciiWhitespace(body.substr(0, body.find('\n')));
  return std::string(line.substr(0, kServerNameBytesMax));
}

std::optional<RemoteError> CheckOption(const char* name, int64_t value, int64_t maximum) {
  if (value >= 1 && value <= maximum) return std::nullopt;
  return Fault(RemoteFault::kInvalidOption,
               absl::StrCat("the option ", name, " is ", value, ", not from 1 to ", maximum));
}

}  // namespace

// Opens connections, and makes single requests over them.
class RemoteServer::Session {
 public:
  // Begins a call: its requests share its time, and no other call may run meanwhile.
  class Call {
   public:
    explicit Call(Session& session, std::chrono::seconds wait = std::chrono::seconds(0))
        : session_(session), error_(session.BeginCall(wait)) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      if (!error_) session_.is_calling_ = false;
    }

    // The reason that it may not begin.
    const std::optional<RemoteError>& error() const { return error_; }

   private:
    Session& session_;
    const std::optional<RemoteError> error_;
  };

  Session(std::optional<Uuid> client_id, const SealingKey* key, const RemoteServerOptions& options)
      : client_id_(client_id), key_(key), options_(options) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (process_.IsOfAnotherProcess()) Connection::Abandon(std::move(connection_));
  }

  std::optional<RemoteError> Prepare(absl::string_view url);

  const SealingKey& key() const { return *key_; }
  bool has_key() const { return key_ != nullptr; }
  const std::optional<Uuid>& client_id() const { return client_id_; }
  std::optional<int64_t> certificate_expires() const { return certificate_expires_; }
  Cancellation& cancellation() { return cancellation_; }

  // "GET https://host/v1/client/snapshot", for messages.
  std::string Describe(absl::string_view method, absl::string_view path) const {
    return absl::StrCat(method, " ", destination_.server.Origin(), destination_.server.base_path,
                        path);
  }

  RemoteResult<Answer> Get(absl::string_view path, const std::optional<Uuid>& client_id,
                           WantedBody wanted);
  // get-child-version, accepting many versions or one. The description is for messages.
  RemoteResult<Answer> GetChild(const Uuid& parent_version_id, bool accepts_many,
                                std::string& description);
  // The same, without the version, from a server that may let the request wait.
  RemoteResult<Answer> AwaitChild(const Uuid& parent_version_id, int64_t wait_seconds,
                                  std::string& description);
  // `stored` completes "whether ... is unknown".
  RemoteResult<Answer> Post(absl::string_view path, const char* content_type,
                            absl::string_view body, absl::string_view stored);

 private:
  // `wait`: the time that the server may take beside the call's.
  std::optional<RemoteError> BeginCall(std::chrono::seconds wait);
  void TakeOver();
  OutgoingRequest ChildRequest(const Uuid& parent_version_id, std::string& description) const;
  RemoteResult<Answer> SendForChild(const OutgoingRequest& request, const std::string& description);
  RemoteResult<Answer> Send(const OutgoingRequest& request);

  const std::optional<Uuid> client_id_;
  const SealingKey* const key_;
  const RemoteServerOptions options_;
  Cancellation cancellation_;
  base::ProcessMark process_ = base::ProcessMark::Current();
  std::atomic<bool> is_calling_ = false;
  std::optional<boost::asio::ssl::context> tls_;
  Destination destination_;
  Deadlines deadlines_;
  bool was_sent_ = false;                   // some of the last request, perhaps
  std::unique_ptr<Connection> connection_;  // only between calls; null when there is none to reuse
  std::optional<int64_t> certificate_expires_;
};

// This process was forked from the one that has used the remote so far.
void RemoteServer::Session::TakeOver() {
  Connection::Abandon(std::move(connection_));
  cancellation_.Renew();
  // A call of the parent process, which continues there.
  is_calling_ = false;
  process_ = base::ProcessMark::Current();
}

std::optional<RemoteError> RemoteServer::Session::BeginCall(std::chrono::seconds wait) try {
  if (process_.IsOfAnotherProcess()) TakeOver();
  if (cancellation_.is_requested()) {
    return Fault(RemoteFault::kCancelled,
                 "the call was cancelled before it began; nothing was sent");
  }
  if (is_calling_.exchange(true)) {
    return Fault(
        RemoteFault::kInvalidArgument,
        "another thread's call on this remote is running; make one call at a time, or open "
        "a remote for each thread");
  }
  const auto now = std::chrono::steady_clock::now();
  const auto done = now + std::chrono::milliseconds(options_.timeout_ms);
  deadlines_.connected =
      std::min(now + std::chrono::milliseconds(options_.connect_timeout_ms), done);
  deadlines_.done = done + wait;
  was_sent_ = false;
  return std::nullopt;
} catch (const std::system_error& exception) {
  return Fault(RemoteFault::kSystem, absl::StrCat("cannot begin the call: ", exception.what()));
}

std::optional<RemoteError> RemoteServer::Session::Prepare(absl::string_view url) {
  if (auto error =
          CheckOption("connect_timeout_ms", options_.connect_timeout_ms, base::kTimeoutMsMax)) {
    return error;
  }
  if (auto error = CheckOption("timeout_ms", options_.timeout_ms, base::kTimeoutMsMax))
    return error;
  if (auto error = CheckOption("response_bytes_max", options_.response_bytes_max,
                               std::numeric_limits<int64_t>::max())) {
    return error;
  }
  absl::StatusOr<ServerUrl> server = ParseServerUrl(url);
  if (!server.ok()) return Fault(RemoteFault::kInvalidAddress, server.status().message());
  destination_.server = *std::move(server);

  absl::StatusOr<std::optional<ProxyUrl>> proxy = std::nullopt;
  if (!options_.proxy) {
    proxy = ProxyFromEnvironment(destination_.server);
  } else if (!options_.proxy->empty()) {
    proxy = ParseProxyUrl(*options_.proxy);
  }
  if (!proxy.ok()) return Fault(RemoteFault::kInvalidAddress, proxy.status().message());
  destination_.proxy = *std::move(proxy);

  // Read also for http, so that an unusable file is reported when it is configured.
  if (!destination_.server.uses_tls && options_.ca_file.empty()) return std::nullopt;
  tls_.emplace(boost::asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls_->native_handle(), TLS1_2_VERSION);
  destination_.tls = &*tls_;
  absl::StatusOr<std::string> authorities =
      TrustAuthorities(tls_->native_handle(), options_.ca_file);
  if (!authorities.ok()) return Fault(RemoteFault::kInvalidOption, authorities.status().message());
  destination_.authorities = *std::move(authorities);
  return std::nullopt;
}

RemoteResult<Answer> RemoteServer::Session::Send(const OutgoingRequest& request) try {
  // Taken out while in use, so that any failure, an exception too, ends it.
  std::unique_ptr<Connection> connection = std::move(connection_);
  bool is_reused = connection != nullptr && connection->IsReusable();
  while (true) {
    if (!is_reused) {
      connection.reset();
      auto opened = Connection::Open(destination_, cancellation_, deadlines_);
      if (auto* const error = std::get_if<RemoteError>(&opened)) return std::move(*error);
      connection = std::get<std::unique_ptr<Connection>>(std::move(opened));
      if (connection->certificate_expires()) {
        certificate_expires_ = connection->certificate_expires();
      }
    }
    was_sent_ = true;
    const auto sent_at = std::chrono::steady_clock::now();
    RemoteResult<Answer> answer =
        connection->Exchange(request, deadlines_, options_.response_bytes_max);
    if (std::holds_alternative<Answer>(answer)) {
      // Otherwise it would hold a place at the server, with the rest of a body that nobody reads.
      if (connection->is_kept_alive()) connection_ = std::move(connection);
      return answer;
    }
    // The server closed an idle connection while the request was on its way. A request that changes
    // nothing there can be repeated. A later end is another's: of a request that waits, for one.
    const bool was_idle_end = is_reused && connection->was_closed_early() &&
                              std::chrono::steady_clock::now() - sent_at <
                                  std::chrono::milliseconds(base::kRemoteIdleEndMsMax);
    if (!was_idle_end || request.method != "GET") return answer;
    is_reused = false;
  }
} catch (const std::system_error& exception) {
  return Fault(RemoteFault::kSystem, absl::StrCat("cannot connect: ", exception.what()));
} catch (const boost::system::system_error& exception) {
  return Fault(RemoteFault::kSystem, absl::StrCat("cannot connect: ", exception.what()));
}

RemoteResult<Answer> RemoteServer::Session::Get(absl::string_view path,
                                                const std::optional<Uuid>& client_id,
                                                WantedBody wanted) {
  OutgoingRequest request;
  request.method = "GET";
  request.path = absl::StrCat(destination_.server.base_path, path);
  if (client_id) request.headers.emplace_back("X-Client-Id", client_id->ToString());
  request.wanted = wanted;
  return Send(request);
}

OutgoingRequest RemoteServer::Session::ChildRequest(const Uuid& parent_version_id,
                                                    std::string& description) const {
  const std::string path =
      absl::StrCat(kClientPath, "get-child-version/", parent_version_id.ToString());
  description = Describe("GET", path);
  OutgoingRequest request;
  request.method = "GET";
  request.path = absl::StrCat(destination_.server.base_path, path);
  request.headers.emplace_back("X-Client-Id", client_id_->ToString());
  return request;
}

RemoteResult<Answer> RemoteServer::Session::GetChild(const Uuid& parent_version_id,
                                                     bool accepts_many, std::string& description) {
  OutgoingRequest request = ChildRequest(parent_version_id, description);
  if (accepts_many && options_.response_bytes_max >= base::kVersionsAnswerBytesMax) {
    request.headers.emplace_back("Accept", AcceptManyVersions());
    request.accepts_beginning = true;
  }
  return SendForChild(request, description);
}

RemoteResult<Answer> RemoteServer::Session::AwaitChild(const Uuid& parent_version_id,
                                                       int64_t wait_seconds,
                                                       std::string& description) {
  OutgoingRequest request = ChildRequest(parent_version_id, description);
  request.wanted = WantedBody::kNone;
  if (wait_seconds > 0) {
    request.headers.emplace_back("Prefer", absl::StrCat("wait=", wait_seconds, ", return=minimal"));
  }
  return SendForChild(request, description);
}

RemoteResult<Answer> RemoteServer::Session::SendForChild(const OutgoingRequest& request,
                                                         const std::string& description) {
  RemoteResult<Answer> result = Send(request);
  const auto* const answer = std::get_if<Answer>(&result);
  if (answer == nullptr || answer->status == 200 || answer->status == 404 ||
      answer->status == 410) {
    return result;
  }
  return UnexpectedStatus(*answer, description);
}

RemoteResult<Answer> RemoteServer::Session::Post(absl::string_view path, const char* content_type,
                                                 absl::string_view body, absl::string_view stored) {
  OutgoingRequest request;
  request.method = "POST";
  request.path = absl::StrCat(destination_.server.base_path, path);
  request.headers.emplace_back("X-Client-Id", client_id_->ToString());
  request.headers.emplace_back("Content-Type", content_type);
  request.body = body;
  RemoteResult<Answer> answer = Send(request);
  auto* const error = std::get_if<RemoteError>(&answer);
  if (error != nullptr && error->fault == RemoteFault::kCancelled) {
    absl::StrAppend(&error->message, was_sent_ ? absl::StrCat("; whether ", stored, " is unknown")
                                               : "; nothing was sent");
  }
  return answer;
}

namespace {

RemoteResult<std::string> Sealed(const SealingKey& key, const Uuid& version_id,
                                 absl::string_view plaintext) {
  if (plaintext.empty()) {
    return Fault(RemoteFault::kInvalidArgument,
                 "the plaintext is empty, which is not allowed for a version or a snapshot");
  }
  absl::StatusOr<std::string> sealed = Seal(key, version_id, plaintext);
  if (!sealed.ok()) return Fault(RemoteFault::kInvalidArgument, sealed.status().message());
  return *std::move(sealed);
}

}  // namespace

RemoteResult<std::unique_ptr<RemoteServer>> RemoteServer::Open(absl::string_view url,
                                                               std::optional<Uuid> client_id,
                                                               const SealingKey* key,
                                                               const RemoteServerOptions& options) {
  if (key != nullptr && !client_id) {
    return Fault(RemoteFault::kInvalidArgument, "there is a key, but no client ID");
  }
  try {
    auto session = std::make_unique<Session>(client_id, key, options);
    if (auto error = session->Prepare(url)) return *std::move(error);
    return std::unique_ptr<RemoteServer>(new RemoteServer(std::move(session)));
  } catch (const boost::system::system_error& exception) {
    return Fault(RemoteFault::kSystem, absl::StrCat("cannot use TLS: ", exception.what()));
  } catch (const std::system_error& exception) {
    return Fault(RemoteFault::kSystem,
                 absl::StrCat("cannot prepare the calls: ", exception.what()));
  }
}

RemoteServer::RemoteServer(std::unique_ptr<Session> session) : session_(std::move(session)) {}

RemoteServer::~RemoteServer() = default;

bool RemoteServer::has_key() const { return session_->has_key(); }

void RemoteServer::Cancel() noexcept { session_->cancellation().Request(); }

void RemoteServer::Resume() noexcept { session_->cancellation().Reset(); }

// A request without a client ID distinguishes sync servers: they answer it with 400, and one with a
// client ID with 200, 403 or 404. Other servers do not treat the two differently.
RemoteResult<RemoteProbe> RemoteServer::Probe() {
  const Session::Call call(*session_);
  if (call.error()) return *call.error();
  RemoteProbe probe;
  const auto get = [&](absl::string_view path, const std::optional<Uuid>& client_id,
                       WantedBody wanted) {
    RemoteResult<Answer> result = session_->Get(path, client_id, wanted);
    if (const auto* const answer = std::get_if<Answer>(&result)) {
      if (const auto time = TimeOf(*answer)) probe.server_time = time;
    }
    return result;
  };

  RemoteResult<Answer> page = get("/", std::nullopt, WantedBody::kIfShort);
  if (auto* const error = std::get_if<RemoteError>(&page)) return std::move(*error);
  probe.http_status = std::get<Answer>(page).status;
  probe.server_name = ServerNameOf(std::get<Answer>(page));
  probe.certificate_expires = session_->certificate_expires();

  const std::string request = session_->Describe("GET", kSnapshotPath);
  const auto is_trouble = [](int status) {
    return status / 100 == 3 || status / 100 == 5 || status == 407 || status == 429;
  };
  RemoteResult<Answer> anonymous = get(kSnapshotPath, std::nullopt, WantedBody::kNone);
  if (auto* const error = std::get_if<RemoteError>(&anonymous)) return std::move(*error);
  const Answer& anonymous_answer = std::get<Answer>(anonymous);
  if (is_trouble(anonymous_answer.status)) return UnexpectedStatus(anonymous_answer, request);
  if (anonymous_answer.status != 400) return probe;

  // A request for an unknown ID changes nothing.
  const Uuid client_id = session_->client_id().value_or(Uuid::Random());
  RemoteResult<Answer> snapshot = get(kSnapshotPath, client_id, WantedBody::kNone);
  if (auto* const error = std::get_if<RemoteError>(&snapshot)) return std::move(*error);
  const Answer& snapshot_answer = std::get<Answer>(snapshot);
  if (is_trouble(snapshot_answer.status)) return UnexpectedStatus(snapshot_answer, request);
  const int status = snapshot_answer.status;
  if (status != 200 && status != 403 && status != 404) return probe;
  if (status == 200 && !HasMediaType(snapshot_answer, kSnapshotType)) return probe;
  if (!session_->client_id()) {
    probe.kind = RemoteProbe::Kind::kSyncServer;
    return probe;
  }
  if (status == 403) {
    probe.kind = RemoteProbe::Kind::kNotAllowed;
    return probe;
  }
  probe.has_snapshot = status == 200;

  const std::string first_path = absl::StrCat(kClientPath, "get-child-version/", Uuid().ToString());
  RemoteResult<Answer> first = get(first_path, client_id, WantedBody::kNone);
  if (auto* const error = std::get_if<RemoteError>(&first)) return std::move(*error);
  const Answer& first_answer = std::get<Answer>(first);
  switch (first_answer.status) {
    case 200:
    case 410:  // the first versions were removed, after a snapshot
      probe.has_versions = true;
      break;
    case 404:
      break;
    default:
      return UnexpectedStatus(first_answer, session_->Describe("GET", first_path));
  }
  probe.kind = probe.has_snapshot || probe.has_versions ? RemoteProbe::Kind::kHistory
                                                        : RemoteProbe::Kind::kEmptyHistory;
  return probe;
}

RemoteResult<ChildVersion> RemoteServer::GetChildVersion(const Uuid& parent_version_id) {
  const Session::Call call(*session_);
  if (call.error()) return *call.error();
  std::string request;
  RemoteResult<Answer> result =
      session_->GetChild(parent_version_id, /*accepts_many=*/false, request);
  if (auto* const error = std::get_if<RemoteError>(&result)) return std::move(*error);
  const Answer& answer = std::get<Answer>(result);
  if (answer.status != 200) return ChildVersion{OutcomeOf(answer), Uuid(), SecretString()};
  RemoteResult<ChildVersions::Found> read = ReadChildVersion(
      {parent_version_id, request, session_->key(), session_->cancellation()}, answer);
  if (auto* const error = std::get_if<RemoteError>(&read)) return std::move(*error);
  auto& found = std::get<ChildVersions::Found>(read);
  return ChildVersion{OutcomeOf(answer), found.version_id, std::move(found.history_segment)};
}

RemoteResult<ChildVersions> RemoteServer::GetChildVersions(const Uuid& parent_version_id) {
  const Session::Call call(*session_);
  if (call.error()) return *call.error();
  std::string request;
  RemoteResult<Answer> result =
      session_->GetChild(parent_version_id, /*accepts_many=*/true, request);
  if (auto* const error = std::get_if<RemoteError>(&result)) return std::move(*error);
  const Answer& answer = std::get<Answer>(result);
  if (answer.status != 200) return ChildVersions{OutcomeOf(answer), {}};
  RemoteResult<std::vector<ChildVersions::Found>> read = ReadChildVersions(
      {parent_version_id, request, session_->key(), session_->cancellation()}, answer);
  if (auto* const error = std::get_if<RemoteError>(&read)) return std::move(*error);
  return ChildVersions{OutcomeOf(answer),
                       std::get<std::vector<ChildVersions::Found>>(std::move(read))};
}

RemoteResult<AwaitedVersion> RemoteServer::AwaitVersion(const Uuid& parent_version_id,
                                                        int64_t wait_seconds) {
  using Outcome = AwaitedVersion::Outcome;
  if (!session_->client_id()) {
    return Fault(RemoteFault::kInvalidArgument, "the remote was opened without a client ID");
  }
  if (wait_seconds < 0 || wait_seconds > base::kRemoteWaitSecondsMax) {
    return Fault(RemoteFault::kInvalidArgument,
                 absl::StrCat("the wait is ", wait_seconds, " seconds, not from 0 to ",
                              base::kRemoteWaitSecondsMax));
  }
  const Session::Call call(*session_, std::chrono::seconds(wait_seconds));
  if (call.error()) return *call.error();
  std::string request;
  RemoteResult<Answer> result = session_->AwaitChild(parent_version_id, wait_seconds, request);
  if (auto* const error = std::get_if<RemoteError>(&result)) return std::move(*error);
  const Answer& answer = std::get<Answer>(result);
  if (answer.status == 410) return AwaitedVersion{Outcome::kGone, Uuid()};
  if (answer.status == 404) {
    const bool waits =
        wait_seconds == 0 || absl::StrContains(answer.Header("Preference-Applied"), "wait=");
    return AwaitedVersion{waits ? Outcome::kUpToDate : Outcome::kNoWaits, Uuid()};
  }
  RemoteResult<Uuid> version_id = UuidHeader(answer, "X-Version-Id", request);
  if (auto* const error = std::get_if<RemoteError>(&version_id)) return std::move(*error);
  return AwaitedVersion{Outcome::kFound, std::get<Uuid>(version_id)};
}

RemoteResult<AddedVersion> RemoteServer::AddVersion(const Uuid& parent_version_id,
                                                    absl::string_view history_segment) {
  const Session::Call call(*session_);
  if (call.error()) return *call.error();
  RemoteResult<std::string> sealed = Sealed(session_->key(), parent_version_id, history_segment);
  if (auto* const error = std::get_if<RemoteError>(&sealed)) return std::move(*error);
  const std::string path = absl::StrCat(kClientPath, "add-version/", parent_version_id.ToString());
  const std::string request = session_->Describe("POST", path);
  RemoteResult<Answer> result =
      session_->Post(path, kSegmentType, std::get<std::string>(sealed), "the version was added");
  if (auto* const error = std::get_if<RemoteError>(&result)) return std::move(*error);
  const Answer& answer = std::get<Answer>(result);
  if (answer.status != 200 && answer.status != 409) return UnexpectedStatus(answer, request);
  const bool is_conflict = answer.status == 409;
  RemoteResult<Uuid> version_id =
      UuidHeader(answer, is_conflict ? "X-Parent-Version-Id" : "X-Version-Id", request);
  if (auto* const error = std::get_if<RemoteError>(&version_id)) return std::move(*error);
  return AddedVersion{is_conflict, std::get<Uuid>(version_id),
                      is_conflict ? RequestedSnapshot::kNone : SnapshotRequestOf(answer)};
}

RemoteResult<std::optional<LatestSnapshot>> RemoteServer::GetSnapshot() {
  const Session::Call call(*session_);
  if (call.error()) return *call.error();
  const std::string request = session_->Describe("GET", kSnapshotPath);
  RemoteResult<Answer> result =
      session_->Get(kSnapshotPath, session_->client_id(), WantedBody::kWhole);
  if (auto* const error = std::get_if<RemoteError>(&result)) return std::move(*error);
  const Answer& answer = std::get<Answer>(result);
  if (answer.status == 404) return std::optional<LatestSnapshot>();
  if (answer.status != 200) return UnexpectedStatus(answer, request);
  RemoteResult<Uuid> version_id = UuidHeader(answer, "X-Version-Id", request);
  if (auto* const error = std::get_if<RemoteError>(&version_id)) return std::move(*error);
  const Uuid& version = std::get<Uuid>(version_id);
  if (auto error = CheckBody(answer, kSnapshotType, request)) return *std::move(error);
  RemoteResult<SecretString> snapshot =
      Unsealed(session_->key(), session_->cancellation(), version, version, answer.body,
               "the snapshot of the version");
  if (auto* const error = std::get_if<RemoteError>(&snapshot)) return std::move(*error);
  return std::optional<LatestSnapshot>(
      LatestSnapshot{version, std::get<SecretString>(std::move(snapshot))});
}

RemoteResult<std::monostate> RemoteServer::AddSnapshot(const Uuid& version_id,
                                                       absl::string_view snapshot) {
  const Session::Call call(*session_);
  if (call.error()) return *call.error();
  RemoteResult<std::string> sealed = Sealed(session_->key(), version_id, snapshot);
  if (auto* const error = std::get_if<RemoteError>(&sealed)) return std::move(*error);
  const std::string path = absl::StrCat(kClientPath, "add-snapshot/", version_id.ToString());
  RemoteResult<Answer> result =
      session_->Post(path, kSnapshotType, std::get<std::string>(sealed), "the snapshot was stored");
  if (auto* const error = std::get_if<RemoteError>(&result)) return std::move(*error);
  const Answer& answer = std::get<Answer>(result);
  if (answer.status != 200) return UnexpectedStatus(answer, session_->Describe("POST", path));
  return std::monostate();
}

}  // namespace tcsync

// The other side of the protocol: one client at one sync server elsewhere, as replicas and their
// tools call it (docs/protocol.md). Seals its requests and unseals the answers.
//
//   auto opened = tcsync::RemoteServer::Open("https://sync.example.org", client_id, &key, {});
//   if (const auto* error = std::get_if<tcsync::RemoteError>(&opened)) return error->message;
//   auto& server = *std::get<std::unique_ptr<tcsync::RemoteServer>>(opened);
//   auto child = server.GetChildVersion(parent);
//
// The protocol's outcomes, a conflict among them, are results; everything else is a RemoteError.
// Redirects are never followed: the protocol has none, and replicas would not follow all of them.
#ifndef TCSYNC_REMOTE_SERVER_H_
#define TCSYNC_REMOTE_SERVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "tcsync/envelope.h"
#include "tcsync/uuid.h"

namespace tcsync {

struct RemoteServerOptions {
  // A PEM file with certificate authorities to trust beside the system's; empty: the system's only.
  std::string ca_file;
  // The URL of an HTTP proxy, "http://[user:password@]host[:port]"; empty: no proxy; nullopt: as
  // https_proxy, http_proxy and no_proxy in the environment say.
  std::optional<std::string> proxy;
  // For name lookup, connection, proxy and TLS handshake together.
  int64_t connect_timeout_ms = 10'000;
  // For a whole call, from name lookup to the last byte.
  int64_t timeout_ms = 60'000;
  // The longest body that is accepted from the server; the reference server keeps no longer one.
  int64_t response_bytes_max = int64_t{100} << 20;
};

enum class RemoteFault {
  // An unusable argument: to Open, or an empty plaintext; or a call during another thread's call.
  kInvalidAddress,
  kInvalidOption,
  kInvalidArgument,
  // The network.
  kNameNotResolved,
  kConnectionRefused,
  kNetworkFailed,  // unreachable, reset, or closed before the answer was complete
  kTimedOut,
  kProxyFailed,
  // TLS.
  kCertificateExpired,  // or not yet valid
  kCertificateUntrusted,
  kCertificateWrongHost,
  kNotTls,
  kTlsFailed,
  // The server's answers.
  kNotAllowed,         // 403
  kTooLarge,           // 413
  kRateLimited,        // 429
  kRejected,           // 404 where the protocol has none, and other 4xx
  kServerUnavailable,  // 502, 503, 504
  kServerFull,         // 507
  kServerFailed,       // other 5xx
  kRedirected,         // 3xx
  kBrokenAnswer,       // outside the protocol
  kAnswerTooLarge,     // over response_bytes_max
  // The answer came, but does not unseal.
  kUnsealFailed,
  // This computer: no more open files, no random source.
  kSystem,
  // RemoteServer::Cancel() ended or prevented the call.
  kCancelled,
};

struct RemoteError {
  RemoteFault fault;
  // The fault, the value and the remedy. May repeat outside text, with any characters in it.
  // Contains no secret and no plaintext.
  std::string message;
  // Only for kUnsealFailed: the fault, and the version or snapshot.
  std::optional<UnsealFault> unseal_fault;
  Uuid version_id;
};

template <typename T>
using RemoteResult = std::variant<T, RemoteError>;

struct ChildVersion {
  enum class Outcome {
    kFound,
    kUpToDate,  // nothing after the parent, or no versions of this client
    kGone,      // the parent is not in the server's history
  };
  Outcome outcome;
  Uuid version_id;               // if found
  SecretString history_segment;  // if found; unsealed
};

struct ChildVersions {
  struct Found {
    Uuid version_id;
    SecretString history_segment;  // unsealed
  };
  ChildVersion::Outcome outcome;
  // If found: at least one, each the child of the one before it.
  std::vector<Found> versions;
};

struct AwaitedVersion {
  enum class Outcome {
    kFound,
    kUpToDate,  // still nothing after the parent
    kGone,      // the parent is not in the server's history
    kNoWaits,   // nothing after the parent, and this server does not let requests wait
  };
  Outcome outcome;
  Uuid version_id;  // if found: of the version after the parent
};

enum class RequestedSnapshot { kNone, kLow, kHigh };

struct AddedVersion {
  bool is_conflict;  // the parent is not the latest version
  Uuid version_id;   // of the added version; in a conflict, the latest version's
  RequestedSnapshot requested_snapshot = RequestedSnapshot::kNone;
};

struct LatestSnapshot {
  Uuid version_id;
  SecretString snapshot;  // unsealed
};

struct RemoteProbe {
  enum class Kind { kHistory, kEmptyHistory, kNotAllowed, kSyncServer, kNotSyncServer };
  Kind kind = Kind::kNotSyncServer;
  int http_status = 0;  // of the page at the URL itself
  bool has_snapshot = false;
  bool has_versions = false;
  std::optional<int64_t> server_time;          // its Date header, seconds since 1970
  std::optional<int64_t> certificate_expires;  // seconds since 1970; only with TLS
  std::string server_name;                     // the first line of that page; any characters
};

// One thread at a time. Running out of memory throws std::bad_alloc, after which the object can
// still be used. A call ends within options.timeout_ms, even if the server sends a byte now and
// then. A name lookup cannot be interrupted: it has a thread of its own, which then outlives the
// call, and possibly the object, until the system's resolver gives up.
//
// A process that was forked from the opening one can use it as well: it makes a new connection
// there, and leaves the other process's alone.
class RemoteServer {
 public:
  // Prepares calls to the sync server at `url`: http or https, a host, and optionally a port and a
  // base path. Does not connect; reads the environment and the certificate authorities.
  //
  // Without `client_id`, Probe tells only whether there is a sync server. `key` is borrowed for the
  // life of the object; without one, only Probe and, with a client ID, AwaitVersion may be called.
  static RemoteResult<std::unique_ptr<RemoteServer>> Open(absl::string_view url,
                                                          std::optional<Uuid> client_id,
                                                          const SealingKey* key,
                                                          const RemoteServerOptions& options);

  RemoteServer(const RemoteServer&) = delete;
  RemoteServer& operator=(const RemoteServer&) = delete;
  ~RemoteServer();

  bool has_key() const;

  // Ends the running call with kCancelled, and prevents later ones until Resume(): so a request
  // just before a call is not lost. It is then unknown whether the call's data was stored, unless
  // the message says so. Any thread and any signal handler, until the object's destruction begins.
  void Cancel() noexcept;

  // Allows calls again. For the thread that makes the calls, between two of them.
  void Resume() noexcept;

  // Finds out which server answers at the URL, without changing anything there and without
  // downloading versions or snapshots.
  RemoteResult<RemoteProbe> Probe();

  RemoteResult<ChildVersion> GetChildVersion(const Uuid& parent_version_id);

  // The same with the versions that follow, as many as the server gives in one answer: up to 1 MiB
  // of them from one that has this extension of the protocol, and one from any other, without
  // another request. With a `response_bytes_max` of less than 1 MiB it is one as well.
  //
  // If the connection breaks off or the time ends within the answer, those that have come whole are
  // the result, and so are those before one that does not unseal. Continue after the last.
  RemoteResult<ChildVersions> GetChildVersions(const Uuid& parent_version_id);

  // Waits until the server has a version after the parent, for up to `wait_seconds` (from 0, which
  // only looks, to 3,600), and does not download it. The server may end the wait at any time, also
  // by closing the connection (kNetworkFailed): ask again, but after an early end not at once.
  // Servers without this extension of the protocol (docs/protocol.md, "Waiting for the next
  // version") answer at once, and are to be asked now and then. The wait comes on top of
  // options.timeout_ms. Needs no key.
  RemoteResult<AwaitedVersion> AwaitVersion(const Uuid& parent_version_id, int64_t wait_seconds);

  // After an error it is unknown whether the version was added, unless the fault says so.
  RemoteResult<AddedVersion> AddVersion(const Uuid& parent_version_id,
                                        absl::string_view history_segment);

  // nullopt when there is none.
  RemoteResult<std::optional<LatestSnapshot>> GetSnapshot();

  // The server may decline a snapshot, which looks the same.
  RemoteResult<std::monostate> AddSnapshot(const Uuid& version_id, absl::string_view snapshot);

 private:
  class Session;

  explicit RemoteServer(std::unique_ptr<Session> session);

  std::unique_ptr<Session> session_;
};

}  // namespace tcsync

#endif  // TCSYNC_REMOTE_SERVER_H_

// The server's certificate and key, from two PEM files that can be reloaded.
#ifndef TCSYNC_SRC_LISTENER_TLS_CREDENTIALS_H_
#define TCSYNC_SRC_LISTENER_TLS_CREDENTIALS_H_

#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "listener/tls_session.h"

namespace tcsync::listener {

// Thread-safe.
class TlsCredentials {
 public:
  // Errors: kFailedPrecondition for an unusable pair; the message names the option, the file and
  // the fault.
  static absl::StatusOr<std::unique_ptr<TlsCredentials>> Load(std::string certificate_path,
                                                              std::string key_path);

  // Reloads the files. New sessions use their content; existing ones continue. After an error, as
  // of Load, nothing has changed.
  absl::Status Reload();

  // A session for an accepted socket, which is borrowed; nullptr when memory ran out.
  std::unique_ptr<TlsSession> BeginSession(int socket) const;

  const std::string& certificate_path() const { return certificate_path_; }
  // The time until which the certificate is valid.
  absl::Time expiry() const;

 private:
  struct Loaded {
    OpensslPtr<SSL_CTX> context;
    absl::Time expiry;
  };

  TlsCredentials(std::string certificate_path, std::string key_path)
      : certificate_path_(std::move(certificate_path)), key_path_(std::move(key_path)) {}

  absl::StatusOr<Loaded> ReadFiles() const;

  const std::string certificate_path_;
  const std::string key_path_;
  mutable std::mutex mutex_;  // guards the members below
  Loaded loaded_;
};

}  // namespace tcsync::listener

#endif  // TCSYNC_SRC_LISTENER_TLS_CREDENTIALS_H_

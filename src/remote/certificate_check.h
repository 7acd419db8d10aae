// The verification of a server's certificate, with an explanation of each failure.
#ifndef TCSYNC_SRC_REMOTE_CERTIFICATE_CHECK_H_
#define TCSYNC_SRC_REMOTE_CERTIFICATE_CHECK_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/server_url.h"
#include "tcsync/remote_server.h"

namespace tcsync::remote {

// Makes `ssl` require a certificate for the host of `server`, and name the host to the server
// (SNI). False only for lack of memory.
bool RequireCertificateFor(SSL* ssl, const base::ServerUrl& server);

// The fault of the certificate that OpenSSL is verifying; nullopt while there is none. For the
// callback of the verification, whose X509_STORE_CTX `check` is. `authorities` is the place where
// the system's authorities were found.
std::optional<RemoteError> CertificateProblem(X509_STORE_CTX* check, const base::ServerUrl& server,
                                              const std::string& authorities);

// The time at which the other side's certificate expires, in seconds since 1970.
std::optional<int64_t> CertificateExpiry(SSL* ssl);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_CERTIFICATE_CHECK_H_

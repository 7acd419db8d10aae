// The certificate authorities that a server's certificate may come from.
#ifndef TCSYNC_SRC_REMOTE_TRUSTED_AUTHORITIES_H_
#define TCSYNC_SRC_REMOTE_TRUSTED_AUTHORITIES_H_

#include <openssl/ssl.h>

#include <string>

#include "absl/status/statusor.h"

namespace tcsync::remote {

// Makes `context` trust the system's authorities and, unless it is empty, those in the PEM file
// `ca_file`. Returns the place of the system's authorities, for messages; empty when there are
// none, which is no error. InvalidArgument when `ca_file` cannot be read or has no certificate in
// it.
//
// The system's are those of SSL_CERT_FILE and SSL_CERT_DIR if either is set, as in OpenSSL's own
// programs; otherwise those of the first existing file of a list. OpenSSL's own default comes last,
// not first: it is the path of the machine that OpenSSL was built for, which is wrong for a library
// that was linked statically and copied elsewhere.
absl::StatusOr<std::string> TrustAuthorities(SSL_CTX* context, const std::string& ca_file);

}  // namespace tcsync::remote

#endif  // TCSYNC_SRC_REMOTE_TRUSTED_AUTHORITIES_H_

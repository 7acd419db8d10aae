#include "remote/trusted_authorities.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tcsync::remote {
namespace {

// Where systems keep all authorities in one file. docs/c-abi.md lists them too.
constexpr const char* kBundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora, RHEL, newer
    "/etc/ssl/ca-bundle.pem",                             // openSUSE
    "/etc/ssl/cert.pem",                                  // macOS, Alpine, the BSDs
    "/opt/homebrew/etc/ca-certificates/cert.pem",         // Homebrew on Apple silicon
    "/usr/local/etc/ca-certificates/cert.pem",            // Homebrew on Intel
};

const char* FromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

// A failure leaves nothing behind in this thread's error queue of OpenSSL.
bool Load(SSL_CTX* context, const char* file, const char* directory) {
  const bool is_loaded = SSL_CTX_load_verify_locations(context, file, directory) == 1;
  ERR_clear_error();
  return is_loaded;
}

std::string TrustSystem(SSL_CTX* context) {
  const char* const file = FromEnvironment(X509_get_default_cert_file_env());
  const char* const directory = FromEnvironment(X509_get_default_cert_dir_env());
  if (file != nullptr || directory != nullptr) {
    std::string found;
    if (file != nullptr && Load(context, file, nullptr)) found = file;
    if (directory != nullptr && Load(context, nullptr, directory)) {
      absl::StrAppend(&found, found.empty() ? "" : " and ", directory);
    }
    return found;
  }
  for (const char* const bundle : kBundles) {
    if (access(bundle, R_OK) == 0 && Load(context, bundle, nullptr)) return bundle;
  }
  SSL_CTX_set_default_verify_paths(context);
  ERR_clear_error();
  for (const char* const path : {X509_get_default_cert_file(), X509_get_default_cert_dir()}) {
    if (access(path, R_OK) == 0) return path;
  }
  return "";
}

}  // namespace

absl::StatusOr<std::string> TrustAuthorities(SSL_CTX* context, const std::string& ca_file) {
  std::string found = TrustSystem(context);
  if (ca_file.empty()) return found;
  if (access(ca_file.c_str(), R_OK) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("the file of certificate authorities '", ca_file,
                                                   "' cannot be read: ", std::strerror(errno)));
  }
  if (!Load(context, ca_file.c_str(), nullptr)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the file '", ca_file,
                     "' has no certificate authority in it; it must be in PEM form, with lines "
                     "-----BEGIN CERTIFICATE-----"));
  }
  return found;
}

}  // namespace tcsync::remote

#include "remote/certificate_check.h"

#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tcsync::remote {
namespace {

// More names would not fit into a sentence.
constexpr int kNamesShownMax = 5;

std::optional<absl::Time> TimeOf(const ASN1_TIME* encoded) {
  std::tm parts{};
  if (encoded == nullptr || ASN1_TIME_to_tm(encoded, &parts) != 1) return std::nullopt;
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string DateOf(const ASN1_TIME* encoded) {
  const std::optional<absl::Time> time = TimeOf(encoded);
  return time ? absl::FormatTime("%Y-%m-%d %H:%M UTC", *time, absl::UTCTimeZone())
              : "an unreadable date";
}

absl::string_view TextOf(const ASN1_STRING* text) {
  return absl::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<size_t>(ASN1_STRING_length(text)));
}

std::string NameOf(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index >= 0) {
    return std::string(TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index))));
  }
  char line[256] = "";
  X509_NAME_oneline(name, line, sizeof(line));
  return line;
}

// The host names and addresses that a certificate is for.
std::string HostsOf(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::string hosts;
  int shown = 0;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    std::string host;
    if (name->type == GEN_DNS) {
      host = std::string(TextOf(name->d.dNSName));
    } else if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 4) {
      const unsigned char* const bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      host = absl::StrCat(bytes[0], ".", bytes[1], ".", bytes[2], ".", bytes[3]);
    } else {
      continue;
    }
    if (++shown > kNamesShownMax) return absl::StrCat(hosts, ", ...");
    absl::StrAppend(&hosts, hosts.empty() ? "" : ", ", host);
  }
  return hosts.empty() ? "no host" : hosts;
}

RemoteError Untrusted(const base::ServerUrl& server, const X509* certificate,
                      const std::string& authorities, absl::string_view reason) {
  return {
      RemoteFault::kCertificateUntrusted,
      absl::StrCat("the certificate of ", server.Origin(), ", issued by '",
                   certificate == nullptr ? "?" : NameOf(X509_get_issuer_name(certificate)),
                   "', comes from no trusted authority (", reason, "; ",
                   authorities.empty() ? "no file of the system's authorities was found: install "
                                         "ca-certificates, or check SSL_CERT_FILE"
                                       : absl::StrCat("trusted are those of ", authorities),
                   "); if the server has a private authority, give the file with its certificate"),
      {},
      {}};
}

}  // namespace

bool RequireCertificateFor(SSL* ssl, const base::ServerUrl& server) {
  X509_VERIFY_PARAM* const requirement = SSL_get0_param(ssl);
  if (server.HostIsAddress()) {
    return X509_VERIFY_PARAM_set1_ip_asc(requirement, server.host.c_str()) == 1;
  }
  X509_VERIFY_PARAM_set_hostflags(requirement, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(requirement, server.host.data(), server.host.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl, server.host.c_str()) == 1;
}

std::optional<RemoteError> CertificateProblem(X509_STORE_CTX* check, const base::ServerUrl& server,
                                              const std::string& authorities) {
  const int error = X509_STORE_CTX_get_error(check);
  const X509* const certificate = X509_STORE_CTX_get_current_cert(check);
  const auto fault = [](RemoteFault kind, std::string message) {
    return RemoteError{kind, std::move(message), {}, {}};
  };
  const std::string whose = X509_STORE_CTX_get_error_depth(check) == 0
                                ? "the certificate of "
                                : "an authority's certificate that came with that of ";
  switch (error) {
    case X509_V_OK:
      return std::nullopt;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fault(RemoteFault::kCertificateExpired,
                   absl::StrCat(whose, server.Origin(), " expired on ",
                                DateOf(X509_get0_notAfter(certificate)),
                                "; the server's operator must renew it, or the clock of this "
                                "computer is wrong"));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fault(RemoteFault::kCertificateExpired,
                   absl::StrCat(whose, server.Origin(), " is not valid before ",
                                DateOf(X509_get0_notBefore(certificate)),
                                "; check the clock of this computer"));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fault(RemoteFault::kCertificateWrongHost,
                   absl::StrCat("the certificate of ", server.Origin(), " is for ",
                                HostsOf(certificate), ", not for ", server.host,
                                "; check the host in the URL, or ask the server's operator for a "
                                "certificate for it"));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_CA:
    // An authority of the same name is trusted, but with another key: usually a recreated one.
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return Untrusted(server, certificate, authorities, X509_verify_cert_error_string(error));
    default:
      return fault(RemoteFault::kTlsFailed,
                   absl::StrCat(whose, server.Origin(),
                                " is not accepted: ", X509_verify_cert_error_string(error)));
  }
}

std::optional<int64_t> CertificateExpiry(SSL* ssl) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  X509* const certificate = SSL_get1_peer_certificate(ssl);
#else
  X509* const certificate = SSL_get_peer_certificate(ssl);
#endif
  const std::unique_ptr<X509, void (*)(X509*)> owned(certificate, X509_free);
  if (certificate == nullptr) return std::nullopt;
  const std::optional<absl::Time> time = TimeOf(X509_get0_notAfter(certificate));
  if (!time) return std::nullopt;
  return absl::ToUnixSeconds(*time);
}

}  // namespace tcsync::remote

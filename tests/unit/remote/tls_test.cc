// RemoteServer's trust in certificates. If these fail, tasks go to a machine in the middle, or
// people get the wrong reason why a server is not trusted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "environment.h"
#include "remote_calls.h"
#include "scripted_server.h"
#include "tcsync/remote_server.h"
#include "test_certificates.h"

namespace tcsync {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

ScriptedServer::Script Gone() {
  return Answering([](auto&) { return HttpAnswer("410 Gone"); });
}

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    std::string path = (std::filesystem::temp_directory_path() / "tcsync-tls-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) std::abort();
    directory_ = path;
    options_.ca_file = Write("authority.pem", authority_.Pem());
  }
  ~TlsTest() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = directory_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  // The error of a call to a server with such a certificate; `host` is its name in the URL.
  RemoteError ErrorWith(const CertificateSpec& spec, const std::string& host = "127.0.0.1") {
    const TestCertificate certificate = Issue(authority_, spec);
    const ScriptedServer server(Gone(), &certificate);
    return ErrorOf(OpenRemote(absl::StrCat("https://", host, ":", server.port()), options_)
                       ->GetChildVersion(Uuid()));
  }

  const TestCertificate authority_ = MakeAuthority();
  std::filesystem::path directory_;
  RemoteServerOptions options_ = TestOptions();
};

// If this fails, nobody can sync over TLS.
TEST_F(TlsTest, AGoodCertificateIsTrusted) {
  const TestCertificate certificate = Issue(authority_, {});
  const ScriptedServer server(Gone(), &certificate);
  for (const char* const host : {"127.0.0.1", "localhost"}) {
    const auto remote = OpenRemote(absl::StrCat("https://", host, ":", server.port()), options_);
    for (int round = 0; round < 2; ++round) {
      EXPECT_EQ(Value(remote->GetChildVersion(Uuid())).outcome, ChildVersion::Outcome::kGone);
    }
  }
  EXPECT_EQ(server.connections(), 2);
}

// If this fails, a person is not warned of a certificate that expires soon.
TEST_F(TlsTest, AProbeReportsTheExpiryOfTheCertificate) {
  const TestCertificate certificate = Issue(authority_, {.valid_until_seconds = 5 * kDaySeconds});
  const ScriptedServer server(Gone(), &certificate);
  const RemoteProbe probe = Value(OpenRemote(server.url(), options_)->Probe());
  ASSERT_TRUE(probe.certificate_expires.has_value());
  EXPECT_NEAR(static_cast<double>(*probe.certificate_expires),
              static_cast<double>(std::time(nullptr) + 5 * kDaySeconds), 60.0);
}

// If this fails, a machine in the middle with a certificate of its own reads the client ID.
TEST_F(TlsTest, AnUnknownAuthorityIsNotTrusted) {
  // None at all, and one of the same name, as after the private authority was made again.
  for (const std::string& ca_file : {std::string(), Write("new.pem", MakeAuthority().Pem())}) {
    options_.ca_file = ca_file;
    const RemoteError error = ErrorWith({});
    EXPECT_EQ(error.fault, RemoteFault::kCertificateUntrusted) << error.message;
    EXPECT_THAT(error.message,
                AllOf(HasSubstr("https://127.0.0.1:"), HasSubstr("'tcsync test authority'")));
  }
}

// If this fails, anybody between a user and the server can pose as the server.
TEST_F(TlsTest, ASelfSignedCertificateIsNotTrusted) {
  options_.ca_file.clear();
  const TestCertificate self_signed = MakeAuthority();
  const ScriptedServer server(Gone(), &self_signed);
  EXPECT_EQ(ErrorOf(OpenRemote(server.url(), options_)->GetSnapshot()).fault,
            RemoteFault::kCertificateUntrusted);
}

// If this fails, a stolen old key can pose as the server, or a person does not learn the date.
TEST_F(TlsTest, AnExpiredCertificateIsRefused) {
  const RemoteError error =
      ErrorWith({.valid_from_seconds = -9 * kDaySeconds, .valid_until_seconds = -2 * kDaySeconds});
  EXPECT_EQ(error.fault, RemoteFault::kCertificateExpired) << error.message;
  EXPECT_THAT(error.message, HasSubstr("expired on 20"));
}

// If this fails, a person does not learn that the computer's clock is wrong.
TEST_F(TlsTest, ACertificateThatIsNotYetValidIsRefused) {
  const RemoteError error = ErrorWith({.valid_from_seconds = kDaySeconds});
  EXPECT_EQ(error.fault, RemoteFault::kCertificateExpired) << error.message;
  EXPECT_THAT(error.message, AllOf(HasSubstr("not valid before 20"), HasSubstr("clock")));
}

// If this fails, the owner of any certificate can pose as the server.
TEST_F(TlsTest, ACertificateForAnotherHostIsRefused) {
  RemoteError error = ErrorWith({.subject_alternative_names = "DNS:a.example,DNS:b.example"});
  EXPECT_EQ(error.fault, RemoteFault::kCertificateWrongHost) << error.message;
  EXPECT_THAT(error.message, AllOf(HasSubstr("is for a.example, b.example, not for 127.0.0.1")));
  error = ErrorWith({.subject_alternative_names = "DNS:a.example,IP:10.0.0.1"}, "localhost");
  EXPECT_EQ(error.fault, RemoteFault::kCertificateWrongHost) << error.message;
  EXPECT_THAT(error.message, HasSubstr("is for a.example, 10.0.0.1, not for localhost"));
  // An address in the URL is not found by a name of the same text.
  error = ErrorWith({.subject_alternative_names = "DNS:127.0.0.1"});
  EXPECT_EQ(error.fault, RemoteFault::kCertificateWrongHost) << error.message;
}

// If this fails, a person does not learn that the URL must begin with http://.
TEST_F(TlsTest, APlainHttpServerAtAnHttpsUrlIsReported) {
  const ScriptedServer server([](Peer& peer) {
    peer.WaitForClient();
    peer.Write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    while (!peer.ReadRequest().empty()) {
    }
  });
  const RemoteError error = ErrorOf(
      OpenRemote(absl::StrCat("https://127.0.0.1:", server.port()), options_)->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kNotTls) << error.message;
  EXPECT_THAT(error.message, HasSubstr("http://"));
}

// If this fails, the binary answer of a TLS server counts as an HTTP answer.
TEST_F(TlsTest, ATlsServerAtAnHttpUrlIsReported) {
  const TestCertificate certificate = Issue(authority_, {});
  const ScriptedServer server(Gone(), &certificate);
  const RemoteError error =
      ErrorOf(OpenRemote(absl::StrCat("http://127.0.0.1:", server.port()))->GetSnapshot());
  // OpenSSL's servers differ here: they send an alert, which is not HTTP, or nothing.
  EXPECT_TRUE(error.fault == RemoteFault::kBrokenAnswer ||
              error.fault == RemoteFault::kNetworkFailed)
      << error.message;
}

// If this fails, a machine in the middle lowers the connection to a broken version of TLS.
TEST_F(TlsTest, OldVersionsOfTlsAreRefused) {
  const TestCertificate certificate = Issue(authority_, {});
  const OpensslPtr<SSL_CTX> old = MakeServerContext(certificate);
  SSL_CTX_set_security_level(old.get(), 0);
  SSL_CTX_set_min_proto_version(old.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old.get(), TLS1_1_VERSION);
  const ScriptedServer server([&](Peer& peer) { const Peer with_tls(peer.socket(), old.get()); });
  const RemoteError error = ErrorOf(
      OpenRemote(absl::StrCat("https://127.0.0.1:", server.port()), options_)->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kTlsFailed) << error.message;
  EXPECT_THAT(error.message, HasSubstr("TLS 1.2"));
}

// If this fails, a person looks for a wrong certificate when the server ends the handshake.
TEST_F(TlsTest, AConnectionClosedDuringTheHandshakeIsReported) {
  const ScriptedServer server([](Peer& peer) { peer.WaitForClient(); });
  EXPECT_EQ(
      ErrorOf(
          OpenRemote(absl::StrCat("https://127.0.0.1:", server.port()), options_)->GetSnapshot())
          .fault,
      RemoteFault::kTlsFailed);
}

// If this fails, a computer whose authorities are in SSL_CERT_FILE cannot sync.
// As OpenSSL's own programs take them.
TEST_F(TlsTest, TheEnvironmentNamesTheAuthorities) {
  const TestCertificate certificate = Issue(authority_, {});
  const ScriptedServer server(Gone(), &certificate);
  const std::string file = options_.ca_file;
  options_.ca_file.clear();
  const Variable no_directory("SSL_CERT_DIR", nullptr);
  {
    const Variable variable("SSL_CERT_FILE", file.c_str());
    Value(OpenRemote(server.url(), options_)->GetChildVersion(Uuid()));
  }
  const Variable nothing("SSL_CERT_FILE", "/no/such/file");
  {
    const RemoteError error = ErrorOf(OpenRemote(server.url(), options_)->GetSnapshot());
    EXPECT_EQ(error.fault, RemoteFault::kCertificateUntrusted);
    EXPECT_THAT(error.message, HasSubstr("SSL_CERT_FILE"));
  }
  // A directory has the authorities by the hash of their names.
  char hashed_name[32];
  std::snprintf(hashed_name, sizeof(hashed_name), "%08lx.0",
                X509_NAME_hash_ex(X509_get_subject_name(authority_.certificate.get()), nullptr,
                                  nullptr, nullptr));
  Write(hashed_name, authority_.Pem());
  const Variable directory("SSL_CERT_DIR", directory_.c_str());
  Value(OpenRemote(server.url(), options_)->GetChildVersion(Uuid()));
}

// If this fails, a private authority makes public servers untrusted.
TEST_F(TlsTest, AnAdditionalAuthorityDoesNotReplaceTheSystems) {
  const TestCertificate certificate = Issue(authority_, {});
  const ScriptedServer server(Gone(), &certificate);
  const Variable system("SSL_CERT_FILE", options_.ca_file.c_str());
  options_.ca_file = Write("another.pem", MakeAuthority().Pem());
  Value(OpenRemote(server.url(), options_)->GetChildVersion(Uuid()));
}

// If this fails, a mistyped ca_file is ignored, and the failure shows as an untrusted server.
TEST_F(TlsTest, InvalidAuthorityFilesAreReported) {
  const auto error_with = [&](const std::string& file) {
    options_.ca_file = file;
    return ErrorOf(RemoteServer::Open("https://host", TestClientId(), nullptr, options_));
  };
  RemoteError error = error_with("/no/such/file.pem");
  EXPECT_EQ(error.fault, RemoteFault::kInvalidOption);
  EXPECT_THAT(error.message, AllOf(HasSubstr("'/no/such/file.pem'"), HasSubstr("No such file")));
  error = error_with(Write("text.pem", "nonsense\n"));
  EXPECT_EQ(error.fault, RemoteFault::kInvalidOption);
  EXPECT_THAT(error.message, HasSubstr("text.pem' has no certificate"));
}

}  // namespace
}  // namespace tcsync

// TLS: everything works through it as without it, certificates can be exchanged, and no client can
// block others with it.
#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "scripted_storage.h"
#include "test_server.h"
#include "tests/unit/remote/test_certificates.h"

namespace tcsync::conformance {
namespace {

void Write(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::trunc) << content;
}

class TlsTest : public testing::Test {
 protected:
  TlsTest() : authority_(MakeAuthority()), certificate_(Issue(authority_, {})) {
    options_ = OptionsFor("memory");
    options_.tls_certificate = directory_.path() + "/cert.pem";
    options_.tls_key = directory_.path() + "/key.pem";
    Install(certificate_);
  }

  void Install(const TestCertificate& certificate) {
    Write(options_.tls_certificate, certificate.Pem() + authority_.Pem());
    Write(options_.tls_key, certificate.KeyPem());
  }

  // As the operator's `reload` does.
  http::Response Reload() {
    return server_->engine().administration().Handle({"POST", "/v1/admin/reload", {}}, "");
  }

  void Start(std::unique_ptr<Storage> storage = nullptr) {
    server_ = std::make_unique<TestServer>(options_, std::move(storage));
  }

  // A connection before the start of TLS.
  HttpClient ConnectPlain() {
    return HttpClient(absl::StrReplaceAll(server_->address(), {{"https://", "http://"}}));
  }

  static bool IsFrom(const HttpClient& client, const TestCertificate& certificate) {
    return client.certificate() != nullptr &&
           X509_cmp(client.certificate(), certificate.certificate.get()) == 0;
  }

  void ExpectServed() {
    HttpClient client = server_->Connect();
    EXPECT_TRUE(client.connected());
    EXPECT_EQ(client.Exchange(HttpRequest()).status, 200);
  }

  TempDirectory directory_;
  Options options_;
  TestCertificate authority_;
  TestCertificate certificate_;
  std::unique_ptr<TestServer> server_;
};

// If this fails, TLS does not work at all, or a client cannot tell an answer's end from a broken
// line.
TEST_F(TlsTest, ARequestIsAnswered) {
  Start();
  EXPECT_TRUE(absl::StartsWith(server_->address(), "https://127.0.0.1:")) << server_->address();
  HttpClient client = server_->Connect();
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.tls_version(), "TLSv1.3");
  EXPECT_EQ(client.tls_protocol(), "http/1.1");
  EXPECT_TRUE(IsFrom(client, certificate_));
  EXPECT_EQ(client.Exchange(HttpRequest()).status, 200);
  EXPECT_EQ(client.Exchange(With(HttpRequest(), "Connection", "close")).status, 200);
  EXPECT_EQ(client.ReadUntilClosed(), "");
  EXPECT_TRUE(client.got_close_notify());
}

// If this fails, clients with other settings than ours cannot connect, or unsafe ones can.
TEST_F(TlsTest, OnlySafeVersionsAndHttpAreNegotiated) {
  Start();
  HttpClient client = ConnectPlain();
  ASSERT_TRUE(client.StartTls({.version_max = TLS1_2_VERSION}));
  EXPECT_EQ(client.tls_version(), "TLSv1.2");
  EXPECT_EQ(client.Exchange(HttpRequest()).status, 200);
  EXPECT_FALSE(ConnectPlain().StartTls({.version_max = TLS1_1_VERSION}));

  client = ConnectPlain();
  ASSERT_TRUE(client.StartTls({.protocols = ""}));
  EXPECT_EQ(client.tls_protocol(), "");
  EXPECT_EQ(client.Exchange(HttpRequest()).status, 200);
  client = ConnectPlain();
  ASSERT_TRUE(client.StartTls({.protocols = "\x02h2\x08http/1.1"}));
  EXPECT_EQ(client.tls_protocol(), "http/1.1");
  EXPECT_FALSE(ConnectPlain().StartTls({.protocols = "\x02h2"}));
  ExpectServed();
}

// If this fails, a person with http:// in the URL sees a broken connection and no reason.
TEST_F(TlsTest, PlainHttpGetsAnExplanation) {
  Start();
  for (const char* const method : {"GET", "POST", "DELETE"}) {
    HttpClient client = ConnectPlain();
    HttpRequest request;
    request.method = method;
    const HttpResponse response = client.Exchange(request);
    ExpectError(response, 400);
    EXPECT_TRUE(absl::StrContains(response.body, "https://")) << response;
    EXPECT_EQ(client.ReadUntilClosed(), "");
  }
  ExpectServed();
}

// If this fails, a client of another protocol keeps a connection, or crashes the server.
TEST_F(TlsTest, BytesThatAreNeitherTlsNorHttpCloseTheConnection) {
  Start();
  const std::string beginning_of_a_record = "\x16\x03\x01\x00\x05";
  for (const std::string& bytes :
       {std::string(500, '\x16'), std::string("\x80\x2e\x01\x03\x01", 5) + std::string(60, 'x'),
        beginning_of_a_record + "hello", std::string(70'000, '\0')}) {
    HttpClient client = ConnectPlain();
    client.Send(bytes);
    EXPECT_TRUE(client.ReadUntilClosed().has_value());
  }
  // Those that leave in the middle.
  for (const bool abort : {false, true}) {
    HttpClient client = ConnectPlain();
    client.SendClientHello();
    client.Close(abort);
  }
  ExpectServed();
}

// If this fails, a slow line cannot use TLS.
TEST_F(TlsTest, RecordsMayArriveByteByByte) {
  Start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    HttpClient client = ConnectPlain();
    ASSERT_TRUE(client.StartTls({.version_max = version, .piece_bytes = 1}));
    // The records one byte at a time, and then one byte in each record as well.
    EXPECT_EQ(client.Exchange(HttpRequest()).status, 200);
    ASSERT_TRUE(client.SendInPieces(HttpRequest().Serialize(), 1));
    EXPECT_EQ(client.ReadResponse().status, 200);
  }
}

// If this fails, requests that come together are lost or answered in another order.
TEST_F(TlsTest, PipelinedRequests) {
  Start();
  Replica replica(*server_);
  const std::string version = replica.Append(kNil, "one");
  std::string requests;
  constexpr int kRequests = 200;
  for (int i = 0; i < kRequests; ++i) {
    requests +=
        GetChildVersionRequest(replica.client_id(), i % 2 == 0 ? kNil : version).Serialize();
  }
  ASSERT_TRUE(replica.client().SendWhileReading(requests));
  for (int i = 0; i < kRequests; ++i) {
    EXPECT_EQ(replica.client().ReadResponse().status, i % 2 == 0 ? 200 : 404) << i;
  }
}

// If this fails, large bodies break where the socket accepts no more, or where records end.
TEST_F(TlsTest, LargeBodiesPassBothWays) {
  options_.memory_budget_bytes = int64_t{256} << 20;
  Start();
  for (const size_t size : {size_t{16'383}, size_t{16'384}, size_t{16'385}, size_t{65'536},
                            size_t{1'000'000}, size_t{20'000'000}}) {
    const std::string segment = BinaryBytes(size);
    Replica replica(*server_);
    replica.Append(kNil, segment);
    // The kernel buffers little for the reader, so that the server has to wait again and again.
    HttpClient reader(server_->address(), 4096);
    ASSERT_TRUE(reader.Send(GetChildVersionRequest(replica.client_id(), kNil).Serialize()));
    ASSERT_TRUE(reader.WaitForAnswer());
    const HttpResponse response = reader.ReadResponse();
    EXPECT_EQ(response.status, 200) << response;
    EXPECT_TRUE(response.body == segment) << size;
    EXPECT_EQ(reader.Exchange(HttpRequest()).status, 200);
  }
}

// If this fails, a few unfinished handshakes, or many at one time, keep others out.
TEST_F(TlsTest, ManyHandshakesAtOnceSucceed) {
  constexpr int kClients = 100;
  options_.connections_max = 2 * kClients;
  Start();
  HttpClient other = server_->Connect();
  std::vector<HttpClient> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(ConnectPlain());
    ASSERT_TRUE(clients.back().SendClientHello());
    if (i % 10 == 0) {
      EXPECT_EQ(other.Exchange(HttpRequest()).status, 200);
    }
  }
  // Every second one never continues.
  for (int i = 0; i < kClients; i += 2) {
    ASSERT_TRUE(clients[i].FinishHandshake()) << i;
    EXPECT_EQ(clients[i].Exchange(HttpRequest()).status, 200);
  }
  EXPECT_EQ(other.Exchange(HttpRequest()).status, 200);
}

// If this fails, a connection that never finishes its handshake, or a record, stays for ever.
TEST_F(TlsTest, UnfinishedHandshakesAndRecordsTimeOut) {
  options_.header_timeout_ms = 100;
  Start();
  HttpClient begun = ConnectPlain();
  ASSERT_TRUE(begun.Send("\x16\x03\x01"));
  HttpClient half = ConnectPlain();
  ASSERT_TRUE(half.SendClientHello());
  HttpClient in_record = server_->Connect();
  EXPECT_EQ(in_record.Exchange(HttpRequest()).status, 200);
  in_record.SendUnencrypted("\x17\x03\x03\x01");
  EXPECT_TRUE(begun.ReadUntilClosed().has_value());
  EXPECT_TRUE(half.ReadUntilClosed().has_value());
  // No client will read the answer to unreadable input, but it ends.
  EXPECT_TRUE(in_record.ReadUntilClosed().has_value());
  ExpectServed();
}

// If this fails, clients without a place see a broken connection instead of "try again".
TEST_F(TlsTest, ARefusedConnectionIsAnsweredOverTls) {
  constexpr int kConnections = 2;
  options_.connections_max = kConnections;
  auto script = std::make_shared<Script>();
  Start(std::make_unique<ScriptedStorage>(script));
  script->HoldAppends();
  std::vector<HttpClient> busy;
  for (int i = 0; i < kConnections; ++i) {
    busy.push_back(server_->Connect());
    ASSERT_TRUE(busy.back().Send(AddVersionRequest(RandomId(), kNil).Serialize()));
  }
  ASSERT_TRUE(script->WaitForHeldAppends(kConnections));
  for (int i = 0; i < 5; ++i) {
    HttpClient next = server_->Connect();
    ASSERT_TRUE(next.connected());
    const HttpResponse response = next.Exchange(HttpRequest());
    ExpectError(response, 503);
    EXPECT_TRUE(response.Has("Retry-After")) << response;
    EXPECT_EQ(next.ReadUntilClosed(), "");
    EXPECT_TRUE(next.got_close_notify());
  }
  script->ReleaseAppends();
  for (HttpClient& client : busy) EXPECT_EQ(client.ReadResponse().status, 200);
  ExpectServed();
}

// If this fails, a renewed certificate needs a restart, or renewing breaks the syncs under way.
TEST_F(TlsTest, AReloadedCertificateAppliesToNewConnections) {
  Start();
  HttpClient old = server_->Connect();
  EXPECT_EQ(old.Exchange(HttpRequest()).status, 200);
  HttpClient begun = ConnectPlain();  // has not spoken yet: it is new
  const TestCertificate renewed = Issue(authority_, {});
  Install(renewed);
  EXPECT_TRUE(IsFrom(server_->Connect(), certificate_)) << "no reload has read it";
  const http::Response reloaded = Reload();
  ASSERT_EQ(reloaded.status, 200) << reloaded.body;
  HttpClient fresh = server_->Connect();
  EXPECT_TRUE(IsFrom(fresh, renewed));
  EXPECT_EQ(fresh.Exchange(HttpRequest()).status, 200);
  ASSERT_TRUE(begun.StartTls());
  EXPECT_TRUE(IsFrom(begun, renewed));
  EXPECT_EQ(old.Exchange(HttpRequest()).status, 200) << "a connection was lost";
  EXPECT_TRUE(
      absl::StrContains(server_->log().Messages(LogLevel::kInfo).back(), options_.tls_certificate));
}

// If this fails, a mistake in a renewal takes the server off the net, or is never reported.
TEST_F(TlsTest, ABrokenReloadedCertificateChangesNothing) {
  Start();
  HttpClient old = server_->Connect();
  Write(options_.tls_key, Issue(authority_, {}).KeyPem());
  const http::Response reloaded = Reload();
  EXPECT_NE(reloaded.status, 200);
  EXPECT_TRUE(absl::StrContains(reloaded.body, options_.tls_key)) << reloaded.body;
  const std::vector<std::string> errors = server_->log().Messages(LogLevel::kError);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_TRUE(absl::StrContains(errors.front(), options_.tls_key)) << errors.front();
  HttpClient fresh = server_->Connect();
  EXPECT_TRUE(IsFrom(fresh, certificate_));
  EXPECT_EQ(fresh.Exchange(HttpRequest()).status, 200);
  EXPECT_EQ(old.Exchange(HttpRequest()).status, 200);
}

// If this fails, a stopped listener is called, or a server without TLS fails at SIGHUP.
TEST_F(TlsTest, ReloadingWithoutTlsOrListenerDoesNothing) {
  options_.tls_certificate = options_.tls_key = "";
  Start();
  EXPECT_EQ(Reload().status, 200);
  EXPECT_TRUE(
      absl::StrContains(server_->log().Messages(LogLevel::kInfo).back(), "nothing to read again"));
  const size_t messages = server_->log().Messages(LogLevel::kDebug).size();
  server_->listener().Stop();
  EXPECT_EQ(Reload().status, 200);
  EXPECT_EQ(server_->log().Messages(LogLevel::kDebug).size(), messages);
}

// If this fails, an operator has to guess which of two files is wrong, and why, or a server starts
// that no client trusts.
TEST_F(TlsTest, AnUnusableCertificateAndKeyAreExplained) {
  const auto expect_refused = [&](const char* option, const std::string& path,
                                  absl::string_view reason) {
    options_.listen = {absl::StrCat("unix:", directory_.path(), "/tcsync.sock")};
    const auto listener = Listener::Bind(options_);
    ASSERT_FALSE(listener.ok()) << reason;
    EXPECT_EQ(listener.status().code(), absl::StatusCode::kFailedPrecondition) << reason;
    for (const absl::string_view part :
         {absl::string_view(option), absl::string_view(path), reason}) {
      EXPECT_TRUE(absl::StrContains(listener.status().message(), part))
          << part << " in: " << listener.status();
    }
    Install(certificate_);
  };
  const std::string certificate = options_.tls_certificate;
  const std::string key = options_.tls_key;

  Write(certificate, "nonsense");
  expect_refused("tls-cert", certificate, "no certificate");
  Write(certificate, certificate_.KeyPem());
  expect_refused("tls-cert", certificate, "no certificate");
  Write(certificate, certificate_.Pem() + "-----BEGIN CERTIFICATE-----\nabc\n");
  expect_refused("tls-cert", certificate, "damaged");
  Write(key, "");
  expect_refused("tls-key", key, "no private key");
  Write(key, certificate_.Pem());
  expect_refused("tls-key", key, "no private key");
  Write(key, Issue(authority_, {}).KeyPem());
  expect_refused("tls-key", key, "is not the key of the certificate in '" + certificate);
  Write(key, certificate_.KeyPem("passphrase"));
  expect_refused("tls-key", key, "passphrase");
  Install(Issue(authority_, {.valid_until_seconds = -60}));
  expect_refused("tls-cert", certificate, "expired");
  Install(Issue(authority_, {.valid_from_seconds = kDaySeconds}));
  expect_refused("tls-cert", certificate, "not valid before");
  std::remove(certificate.c_str());
  expect_refused("tls-cert", certificate, "No such file");
  std::remove(key.c_str());
  expect_refused("tls-key", key, "No such file");

  options_.tls_key = "";
  expect_refused("tls-cert", "", "without tls-key");
  options_.tls_key = key;
  options_.tls_certificate = "";
  const auto listener = Listener::Bind(options_);
  EXPECT_TRUE(absl::StrContains(listener.status().message(), "tls-key is given without tls-cert"))
      << listener.status();
}

// If this fails, a stop interrupts requests, or hangs, because of TLS.
TEST_F(TlsTest, AStopClosesOpenConnections) {
  options_.shutdown_timeout_ms = kDeadlineSeconds * 1000;
  auto script = std::make_shared<Script>();
  Start(std::make_unique<ScriptedStorage>(script));
  HttpClient idle = server_->Connect();
  EXPECT_EQ(idle.Exchange(HttpRequest()).status, 200);
  HttpClient silent = ConnectPlain();
  HttpClient half = ConnectPlain();
  ASSERT_TRUE(half.SendClientHello());
  ASSERT_TRUE(half.WaitForAnswer());
  script->HoldAppends();
  Replica waiting(*server_);
  ASSERT_TRUE(waiting.client().Send(AddVersionRequest(waiting.client_id(), kNil).Serialize()));
  ASSERT_TRUE(script->WaitForHeldAppends(1));

  std::thread stopping([&] { server_->listener().Stop(); });
  EXPECT_EQ(idle.ReadUntilClosed(), "");
  EXPECT_TRUE(idle.got_close_notify());
  EXPECT_TRUE(silent.ReadUntilClosed().has_value());
  EXPECT_TRUE(half.ClosedRawWithin(absl::Seconds(kDeadlineSeconds)));
  script->ReleaseAppends();
  EXPECT_EQ(waiting.client().ReadResponse().status, 200);
  EXPECT_EQ(waiting.client().ReadUntilClosed(), "");
  EXPECT_TRUE(waiting.client().got_close_notify());
  stopping.join();
}

// If this fails, an answer that a stop truncates looks like a whole one.
TEST_F(TlsTest, ACutOffAnswerHasNoCloseNotify) {
  options_.shutdown_timeout_ms = 0;
  options_.memory_budget_bytes = int64_t{256} << 20;
  Start();
  Replica replica(*server_);
  replica.Append(kNil, BinaryBytes(size_t{16} << 20));
  HttpClient reader(server_->address(), 4096);
  ASSERT_TRUE(reader.Send(GetChildVersionRequest(replica.client_id(), kNil).Serialize()));
  ASSERT_TRUE(reader.WaitForAnswer());
  server_->listener().Stop();
  EXPECT_TRUE(reader.ReadUntilClosed().has_value());
  EXPECT_FALSE(reader.got_close_notify());
}

// If this fails, a proxy on the same machine, or the monitoring program, has to speak TLS too.
TEST_F(TlsTest, UnixSocketsDoNotUseTls) {
  const std::string path = directory_.path() + "/tcsync.sock";
  options_.listen = {"127.0.0.1:0", "unix:" + path};
  Start();
  EXPECT_EQ(HttpClient("unix:" + path).Exchange(HttpRequest()).status, 200);
  ExpectServed();
}

}  // namespace
}  // namespace tcsync::conformance

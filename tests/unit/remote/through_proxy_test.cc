// Connections through an HTTP proxy. If these fail, people in offices that have one cannot sync, or
// their traffic can be read at the proxy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <mutex>
#include <string>

#include "absl/strings/match.h"
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
using ::testing::Not;
using ::testing::StartsWith;

ScriptedServer::Script Gone() {
  return Answering([](auto&) { return HttpAnswer("410 Gone"); });
}

// A proxy that takes every connection to one port, even for other hosts.
class TunnelProxy {
 public:
  explicit TunnelProxy(uint16_t target)
      : server_([this, target](Peer& peer) {
          {
            const std::string request = peer.ReadRequest();
            const std::lock_guard<std::mutex> lock(mutex_);
            request_ = request;
          }
          peer.Write("HTTP/1.1 200 Connection established\r\n\r\n");
          peer.RelayTo(target);
        }) {}

  std::string url(const std::string& user = "") const {
    return absl::StrCat("http://", user, "127.0.0.1:", server_.port());
  }
  std::string request() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return request_;
  }
  int connections() const { return server_.connections(); }

 private:
  mutable std::mutex mutex_;
  std::string request_;
  ScriptedServer server_;
};

class ThroughProxyTest : public ::testing::Test {
 protected:
  ThroughProxyTest() {
    char path[] = "/tmp/tcsync-authority-XXXXXX";
    const int file = mkstemp(path);
    if (file < 0) std::abort();
    close(file);
    std::ofstream(path) << authority_.Pem();
    options_.ca_file = path;
  }
  ~ThroughProxyTest() override { std::remove(options_.ca_file.c_str()); }

  const CleanProxyEnvironment clean_;
  const TestCertificate authority_ = MakeAuthority();
  const TestCertificate certificate_ =
      Issue(authority_, {.subject_alternative_names = "DNS:sync.example"});
  const ScriptedServer server_{Gone(), &certificate_};
  RemoteServerOptions options_ = TestOptions();
};

// If this fails, people behind a proxy cannot sync over TLS, or the proxy reads their requests.
// The name is the proxy's to look up: this computer may not even have a name server.
TEST_F(ThroughProxyTest, TlsUsesATunnel) {
  const TunnelProxy proxy(server_.port());
  options_.proxy = proxy.url("user:p%40ss@");
  const auto remote = OpenRemote("https://sync.example", options_);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Value(remote->GetChildVersion(Uuid())).outcome, ChildVersion::Outcome::kGone);
  }
  EXPECT_EQ(proxy.connections(), 1);
  EXPECT_THAT(proxy.request(),
              AllOf(StartsWith("CONNECT sync.example:443 HTTP/1.1\r\n"),
                    HasSubstr("\r\nHost: sync.example:443\r\n"),
                    HasSubstr("\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n"),  // user:p@ss
                    Not(HasSubstr("X-Client-Id"))));
}

// If this fails, a proxy can pose as the server.
TEST_F(ThroughProxyTest, TheServersCertificateIsCheckedThroughTheTunnel) {
  const TunnelProxy proxy(server_.port());
  options_.proxy = proxy.url();
  EXPECT_EQ(ErrorOf(OpenRemote("https://other.example", options_)->GetSnapshot()).fault,
            RemoteFault::kCertificateWrongHost);
}

// If this fails, people behind a proxy cannot sync with a server without TLS.
TEST_F(ThroughProxyTest, PlainHttpRequestsGoToTheProxy) {
  std::mutex mutex;
  std::string seen;
  const ScriptedServer proxy(Answering([&](const std::string& request) {
    const std::lock_guard<std::mutex> lock(mutex);
    seen = request;
    return HttpAnswer("410 Gone");
  }));
  options_.proxy = absl::StrCat("user:pass@127.0.0.1:", proxy.port());
  Value(OpenRemote("http://sync.example:8080/base", options_)->GetChildVersion(Uuid()));
  const std::lock_guard<std::mutex> lock(mutex);
  EXPECT_THAT(seen, AllOf(StartsWith("GET http://sync.example:8080/base/v1/client/"),
                          HasSubstr("\r\nHost: sync.example:8080\r\n"),
                          HasSubstr("\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n")));
}

// If this fails, a computer whose proxy is in https_proxy cannot sync.
TEST_F(ThroughProxyTest, TheEnvironmentNamesTheProxy) {
  const TunnelProxy proxy(server_.port());
  options_.proxy.reset();
  const Variable variable("https_proxy", proxy.url().c_str());
  Value(OpenRemote("https://sync.example", options_)->GetChildVersion(Uuid()));
  EXPECT_EQ(proxy.connections(), 1);
  // An exception to it, and none at all.
  const TestCertificate local = Issue(authority_, {});
  const ScriptedServer direct(Gone(), &local);
  {
    const Variable exception("no_proxy", "127.0.0.1");
    Value(OpenRemote(direct.url(), options_)->GetChildVersion(Uuid()));
  }
  options_.proxy = "";
  Value(OpenRemote(direct.url(), options_)->GetChildVersion(Uuid()));
  EXPECT_EQ(proxy.connections(), 1);
  EXPECT_EQ(direct.connections(), 2);
}

// If this fails, a person does not learn that the proxy wants a password, or refuses the host.
TEST_F(ThroughProxyTest, ARefusalOfTheProxyIsReported) {
  struct Case {
    std::string answer;
    const char* text;
  };
  for (const Case& expected : {
           Case{HttpAnswer("407 Who\r\nProxy-Authenticate: Basic realm=x"), "user name"},
           Case{HttpAnswer("403 No"), "HTTP status 403"},
           Case{HttpAnswer("502 Where"), "HTTP status 502"},
           Case{"nonsense\r\n\r\n", "does not open a tunnel"},
           Case{"", "closed the connection"},
       }) {
    SCOPED_TRACE(expected.answer);
    const ScriptedServer proxy([&](Peer& peer) {
      peer.ReadRequest();
      peer.Write(expected.answer);
    });
    options_.proxy = absl::StrCat("user:hunter2@127.0.0.1:", proxy.port());
    const RemoteError error = ErrorOf(OpenRemote("https://sync.example", options_)->GetSnapshot());
    EXPECT_EQ(error.fault, RemoteFault::kProxyFailed) << error.message;
    EXPECT_THAT(error.message,
                AllOf(HasSubstr(expected.text), HasSubstr(absl::StrCat("127.0.0.1:", proxy.port())),
                      HasSubstr("sync.example"), Not(HasSubstr("hunter2"))));
  }
  const ScriptedServer plain(Answering([](auto&) { return HttpAnswer("407 Who"); }));
  options_.proxy = plain.url();
  EXPECT_EQ(ErrorOf(OpenRemote("http://sync.example", options_)->GetSnapshot()).fault,
            RemoteFault::kProxyFailed);
}

// If this fails, a person looks at the server when the proxy is down.
TEST_F(ThroughProxyTest, AnUnreachableProxyIsReported) {
  options_.proxy = absl::StrCat("http://127.0.0.1:", RefusingPort());
  RemoteError error = ErrorOf(OpenRemote("https://sync.example", options_)->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kProxyFailed);
  EXPECT_THAT(error.message, HasSubstr("the proxy 127.0.0.1:"));
  options_.proxy = "http://proxy.invalid";
  error = ErrorOf(OpenRemote("https://sync.example", options_)->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kProxyFailed) << error.message;
  EXPECT_THAT(error.message, HasSubstr("'proxy.invalid'"));
}

// If this fails, the wizard waits for ever for a proxy.
TEST_F(ThroughProxyTest, ASilentProxyTimesOut) {
  const ScriptedServer proxy([](Peer& peer) {
    while (!peer.ReadRequest().empty()) {
    }
  });
  options_.proxy = proxy.url();
  options_.connect_timeout_ms = 400;
  const RemoteError error = ErrorOf(OpenRemote("https://sync.example", options_)->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kTimedOut);
  EXPECT_THAT(error.message, AllOf(HasSubstr("the proxy"), HasSubstr("tunnel")));
}

}  // namespace
}  // namespace tcsync

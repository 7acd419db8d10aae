// Networks that fail, and servers that keep one waiting. If these fail, the wizard hangs, or tells
// people to look in the wrong place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "remote/name_lookup.h"
#include "remote_calls.h"
#include "scripted_server.h"
#include "tcsync/remote_server.h"

namespace tcsync {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using std::chrono::steady_clock;

// Short, because it is waited for.
RemoteServerOptions ShortTimeouts() {
  RemoteServerOptions options = TestOptions();
  options.timeout_ms = 400;
  return options;
}

// Expects a call to time out, and in time: far from how long the server would keep it waiting.
void ExpectTimedOut(const std::string& url, const RemoteServerOptions& options,
                    const std::string& during) {
  const auto remote = OpenRemote(url, options);
  const auto begin = steady_clock::now();
  const RemoteError error = ErrorOf(remote->GetChildVersion(Uuid()));
  EXPECT_EQ(error.fault, RemoteFault::kTimedOut) << error.message;
  EXPECT_THAT(error.message, AllOf(HasSubstr(during), HasSubstr(url)));
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(20));
}

// If this fails, a person does not learn that no server runs at the URL.
TEST(NetworkTest, ARefusedConnectionIsReported) {
  const std::string url = absl::StrCat("http://127.0.0.1:", RefusingPort());
  const RemoteError error = ErrorOf(OpenRemote(url)->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kConnectionRefused);
  EXPECT_THAT(error.message, HasSubstr(url));
}

// If this fails, a person does not learn that the host's name is mistyped.
TEST(NetworkTest, AnUnknownHostNameIsReported) {
  // .invalid is reserved for names that do not exist (RFC 6761).
  const RemoteError error = ErrorOf(OpenRemote("https://tcsync.invalid")->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kNameNotResolved) << error.message;
  EXPECT_THAT(error.message, HasSubstr("'tcsync.invalid'"));
}

// If this fails, a server at a name with several addresses cannot be reached when the first one
// fails.
TEST(NetworkTest, EveryAddressOfAHostNameIsTried) {
  const ScriptedServer server(Answering([](auto&) { return HttpAnswer("410 Gone"); }));
  // One of the addresses of localhost may be IPv6, where nothing listens: then the next is tried.
  const auto remote = OpenRemote(absl::StrCat("http://localhost:", server.port()));
  EXPECT_EQ(Value(remote->GetChildVersion(Uuid())).outcome, ChildVersion::Outcome::kGone);
}

// If this fails, the wizard hangs on a name server that does not answer.
TEST(NetworkTest, ALookupEndsAtItsDeadline) {
  const remote::Cancellation never;
  // However fast the resolver, the past is over.
  const remote::NameLookup found =
      remote::LookUpName("tcsync.invalid", 80, steady_clock::time_point::min(), never);
  EXPECT_NE(found.outcome, remote::NameLookup::Outcome::kFound);
  // An address needs no time.
  EXPECT_EQ(remote::LookUpName("127.0.0.1", 80, steady_clock::time_point::min(), never).outcome,
            remote::NameLookup::Outcome::kFound);
  EXPECT_EQ(remote::LookUpName("::1", 80, steady_clock::time_point::min(), never).outcome,
            remote::NameLookup::Outcome::kFound);
}

// If this fails, a person does not learn that the network is the fault.
TEST(NetworkTest, AnUnreachableAddressIsReported) {
  // Multicast, to which no connection is possible (RFC 5771).
  const RemoteError error = ErrorOf(OpenRemote("http://224.0.0.1")->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kNetworkFailed) << error.message;
  EXPECT_THAT(error.message, HasSubstr("http://224.0.0.1"));
}

// If this fails, the wizard waits for ever for a server that accepts and does not answer.
TEST(NetworkTest, ASilentServerTimesOut) {
  const ScriptedServer server([](Peer& peer) {
    while (!peer.ReadRequest().empty()) {
    }
  });
  ExpectTimedOut(server.url(), ShortTimeouts(), "the wait for an answer");
}

// If this fails, a server that sends a byte now and then keeps the wizard waiting for ever.
// Each byte is in time for a timeout that starts again with each.
TEST(NetworkTest, ASlowHeadTimesOut) {
  const ScriptedServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Drip("HTTP/1.1 200 OK\r\nX: " + std::string(10'000, 'x'), 20);
  });
  ExpectTimedOut(server.url(), ShortTimeouts(), "the wait for an answer");
}

// If this fails, a slow body keeps the wizard waiting for ever.
TEST(NetworkTest, ASlowBodyTimesOut) {
  const ScriptedServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
    peer.Drip(std::string(10'000, 'x'), 20);
  });
  ExpectTimedOut(server.url(), ShortTimeouts(), "the receiving of the answer, after ");
}

// If this fails, a person reads of a timeout although the server refuses the client.
TEST(NetworkTest, ASlowErrorBodyIsReportedByItsStatus) {
  const ScriptedServer server([](Peer& peer) {
    peer.ReadRequest();
    peer.Write("HTTP/1.1 403 Forbidden\r\nContent-Length: 5000\r\n\r\n");
    peer.Drip(std::string(5'000, 'x'), 20);
  });
  // The fault is known already.
  EXPECT_EQ(ErrorOf(OpenRemote(server.url(), ShortTimeouts())->GetSnapshot()).fault,
            RemoteFault::kNotAllowed);
}

// If this fails, an upload to a stalled server never ends.
TEST(NetworkTest, AnUploadToAStalledServerTimesOut) {
  const ScriptedServer server([](Peer& peer) {
    // The client sends, and then waits for the server to take more.
    pollfd entry{peer.socket(), 0, 0};
    poll(&entry, 1, 20'000);
  });
  const auto remote = OpenRemote(server.url(), ShortTimeouts());
  const RemoteError error = ErrorOf(remote->AddVersion(Uuid(), std::string(20'000'000, 'x')));
  EXPECT_EQ(error.fault, RemoteFault::kTimedOut);
  EXPECT_THAT(error.message, HasSubstr("the sending of the request"));
}

// If this fails, an https:// URL of a server without TLS keeps the wizard waiting for ever.
TEST(NetworkTest, AnUnansweredHandshakeTimesOut) {
  const ScriptedServer server([](Peer& peer) {
    while (!peer.ReadRequest().empty()) {
    }
  });
  RemoteServerOptions options = TestOptions();
  options.connect_timeout_ms = 400;
  ExpectTimedOut(absl::StrCat("https://127.0.0.1:", server.port()), options, "the TLS handshake");
}

// If this fails, a part of an answer counts as the whole, or a person gets no reason.
TEST(NetworkTest, ATruncatedAnswerIsReported) {
  for (const char* const answer :
       {"", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"}) {
    SCOPED_TRACE(answer);
    const ScriptedServer server([&](Peer& peer) {
      peer.ReadRequest();
      peer.Write(answer);
    });
    const RemoteError error = ErrorOf(OpenRemote(server.url())->GetChildVersion(Uuid()));
    EXPECT_EQ(error.fault, RemoteFault::kNetworkFailed) << error.message;
    EXPECT_THAT(error.message, HasSubstr("closed the connection"));
  }
}

// If this fails, one failed call makes all later calls of a program fail.
// One call's failure is over with it.
TEST(NetworkTest, ACallAfterAFailureSucceeds) {
  std::atomic<bool> is_first = true;  // each connection has its thread
  const ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    if (is_first.exchange(false)) {
      peer.WaitForClient();
    } else {
      peer.Write(HttpAnswer("410 Gone"));
    }
  });
  const auto remote = OpenRemote(server.url(), ShortTimeouts());
  EXPECT_EQ(ErrorOf(remote->GetChildVersion(Uuid())).fault, RemoteFault::kTimedOut);
  EXPECT_EQ(Value(remote->GetChildVersion(Uuid())).outcome, ChildVersion::Outcome::kGone);
}

}  // namespace
}  // namespace tcsync

// Calls that are cancelled, and remotes on both sides of a fork. If these fail, Ctrl-C waits for a
// server, or a process takes another one's answer for its own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "remote/cancellation.h"
#include "remote/name_lookup.h"
#include "remote_calls.h"
#include "scripted_server.h"
#include "tcsync/remote_server.h"
#include "test_certificates.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TCSYNC_THREAD_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TCSYNC_THREAD_SANITIZED 1
#endif

namespace tcsync {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

using std::chrono::steady_clock;

// So long that a call which is not cancelled fails the test.
constexpr int64_t kLongTimeoutMs = 600'000;
constexpr std::chrono::seconds kCancelTimeMax(20);

RemoteServerOptions LongTimeouts() {
  RemoteServerOptions options = TestOptions();
  options.connect_timeout_ms = kLongTimeoutMs;
  options.timeout_ms = kLongTimeoutMs;
  return options;
}

// Cancels from another thread once the server says that it has come as far as it is to.
class Canceller {
 public:
  explicit Canceller(RemoteServer& remote)
      : thread_([this, &remote] {
          reached_.get_future().wait();
          remote.Cancel();
        }) {}
  ~Canceller() {
    if (!is_set_.exchange(true)) reached_.set_value();
    thread_.join();
  }
  void OnPhaseReached() {
    if (!is_set_.exchange(true)) reached_.set_value();
  }

 private:
  std::promise<void> reached_;
  std::atomic<bool> is_set_ = false;
  std::thread thread_;
};

struct Phase {
  const char* name;
  const char* scheme;
  bool has_proxy;
  std::function<void(Peer&, const std::function<void()>& on_phase_reached)> script;
  const char* during;  // a regular expression: the server sees these bytes before the call is
  bool was_sent;
};

class CancelledPhaseTest : public ::testing::TestWithParam<Phase> {};

// If this fails, Ctrl-C waits for a server in some phase of a call, or ends the remote with it.
TEST_P(CancelledPhaseTest, EndsAtOnceAndLeavesTheRemoteUsable) {
  const Phase& phase = GetParam();
  std::function<void()> on_phase_reached;
  std::atomic<bool> is_first = true;
  const ScriptedServer server([&](Peer& peer) {
    if (is_first.exchange(false)) return phase.script(peer, on_phase_reached);
    // For the call after the cancelled one.
    peer.ReadRequest();
    peer.Write(HttpAnswer("410 Gone"));
  });
  const std::string address = absl::StrCat("127.0.0.1:", server.port());
  RemoteServerOptions options = LongTimeouts();
  if (phase.has_proxy) options.proxy = absl::StrCat("http://", address);
  const std::string url =
      absl::StrCat(phase.scheme, phase.has_proxy ? "sync.example.org" : address.c_str());
  const auto remote = OpenRemote(url, options);
  const auto begin = steady_clock::now();
  RemoteError error;
  {
    Canceller canceller(*remote);
    on_phase_reached = [&] { canceller.OnPhaseReached(); };
    error = ErrorOf(remote->AddVersion(Uuid(), std::string(20'000'000, 'x')));
  }
  EXPECT_EQ(error.fault, RemoteFault::kCancelled) << error.message;
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("cancelled"), ContainsRegex(phase.during),
                    HasSubstr(phase.was_sent ? "whether the version was added is unknown"
                                             : "nothing was sent")));
  EXPECT_LT(steady_clock::now() - begin, kCancelTimeMax);

  // Until it is taken back.
  EXPECT_THAT(ErrorOf(remote->GetChildVersion(Uuid())).message, HasSubstr("before it began"));
  EXPECT_THAT(ErrorOf(remote->Probe()).message, HasSubstr("before it began"));
  EXPECT_EQ(server.connections(), 1);
  remote->Resume();
  if (absl::StartsWith(phase.scheme, "https")) return;  // the second script speaks no TLS
  EXPECT_EQ(Value(remote->GetChildVersion(Uuid())).outcome, ChildVersion::Outcome::kGone);
  EXPECT_EQ(server.connections(), 2);
}

void WaitForEnd(Peer& peer) {
  while (!peer.ReadRequest().empty()) {
  }
}

INSTANTIATE_TEST_SUITE_P(
    Phases, CancelledPhaseTest,
    ::testing::Values(Phase{"Tunnel", "https://", true,
                            [](Peer& peer, const auto& on_phase_reached) {
                              peer.ReadRequest();
                              on_phase_reached();
                              WaitForEnd(peer);
                            },
                            "the opening of a tunnel", false},
                      Phase{"Handshake", "https://", false,
                            [](Peer& peer, const auto& on_phase_reached) {
                              peer.WaitForClient();
                              on_phase_reached();
                              WaitForEnd(peer);
                            },
                            "the TLS handshake", false},
                      Phase{"Sending", "http://", false,
                            [](Peer& peer, const auto& on_phase_reached) {
                              // It has begun to send, and then waits for the server to take more.
                              peer.WaitForClient();
                              on_phase_reached();
                              pollfd entry{peer.socket(), 0, 0};
                              poll(&entry, 1, 20'000);  // for the end of the connection
                            },
                            "the sending of the request", true},
                      Phase{"Waiting", "http://", false,
                            [](Peer& peer, const auto& on_phase_reached) {
                              peer.ReadRequest();
                              on_phase_reached();
                              WaitForEnd(peer);
                            },
                            "the sending of the request|the wait for an answer", true},
                      Phase{"Head", "http://", false,
                            [](Peer& peer, const auto& on_phase_reached) {
                              peer.ReadRequest();
                              peer.Write("HTTP/1.1 200 OK\r\nX-Ver");
                              on_phase_reached();
                              WaitForEnd(peer);
                            },
                            "the sending of the request|the wait for an answer", true},
                      Phase{"Body", "http://", false,
                            [](Peer& peer, const auto& on_phase_reached) {
                              peer.ReadRequest();
                              peer.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
                              on_phase_reached();
                              WaitForEnd(peer);
                            },
                            "the wait for an answer|the receiving of the answer", true}),
    [](const auto& info) { return std::string(info.param.name); });

// The sockets of this machine that wait for a connection.
int ConnectingSockets() {
  std::ifstream table("/proc/net/tcp");
  int count = 0;
  for (std::string line; std::getline(table, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() > 3 && fields[3] == "02") ++count;  // SYN_SENT
  }
  return count;
}

// If this fails, Ctrl-C waits for a server that does not accept the connection.
TEST(CancelTest, EndsACallThatConnects) {
  if (!std::ifstream("/proc/net/tcp")) GTEST_SKIP() << "nothing tells when the call connects";
  // A queue of connections that is full: further ones get no answer.
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening, 0), 0);
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(socket(AF_INET, SOCK_STREAM, 0));
    fcntl(waiting.back(), F_SETFL, O_NONBLOCK);
    connect(waiting.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  const auto remote =
      OpenRemote(absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port)), LongTimeouts());
  const int connecting_before = ConnectingSockets();
  std::thread canceller([&] {
    const auto deadline = steady_clock::now() + kCancelTimeMax;
    while (ConnectingSockets() == connecting_before && steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    remote->Cancel();
  });
  const RemoteError error = ErrorOf(remote->GetSnapshot());
  EXPECT_EQ(error.fault, RemoteFault::kCancelled) << error.message;
  EXPECT_THAT(error.message, HasSubstr("during the connection"));
  canceller.join();
  for (const int descriptor : waiting) close(descriptor);
  close(listening);
}

// If this fails, Ctrl-C waits for a name server that does not answer.
TEST(CancelTest, EndsALookup) {
  remote::Cancellation cancellation;
  cancellation.Request();
  const auto far_future = steady_clock::now() + std::chrono::hours(24);
  EXPECT_EQ(remote::LookUpName("tcsync.invalid", 80, far_future, cancellation).outcome,
            remote::NameLookup::Outcome::kCancelled);
  // Whether the name or the cancel comes first, the other one does no harm.
  for (int i = 0; i < 50; ++i) {
    cancellation.Reset();
    std::thread canceller([&] { cancellation.Request(); });
    const auto outcome = remote::LookUpName("localhost", 80, far_future, cancellation).outcome;
    EXPECT_THAT(outcome, ::testing::AnyOf(remote::NameLookup::Outcome::kCancelled,
                                          remote::NameLookup::Outcome::kFound));
    canceller.join();
  }
  // A wake that is left over ends nothing.
  cancellation.Reset();
  EXPECT_EQ(remote::LookUpName("localhost", 80, far_future, cancellation).outcome,
            remote::NameLookup::Outcome::kFound);
  // An address needs no lookup, and so there is nothing to cancel.
  cancellation.Request();
  EXPECT_EQ(remote::LookUpName("127.0.0.1", 80, far_future, cancellation).outcome,
            remote::NameLookup::Outcome::kFound);
}

// If this fails, a cancel without a call leaves the remote unusable, or a second one undoes it.
TEST(CancelTest, HasNoEffectOnLaterCallsAfterResume) {
  const ScriptedServer server(Answering([](auto&) { return HttpAnswer("410 Gone"); }));
  const auto remote = OpenRemote(server.url(), LongTimeouts());
  remote->Resume();
  for (int i = 0; i < 3; ++i) {
    remote->Cancel();
    remote->Cancel();
    EXPECT_EQ(ErrorOf(remote->GetSnapshot()).fault, RemoteFault::kCancelled);
    EXPECT_EQ(ErrorOf(remote->GetSnapshot()).fault, RemoteFault::kCancelled);
    remote->Resume();
    remote->Resume();
    EXPECT_EQ(Value(remote->GetChildVersion(Uuid())).outcome, ChildVersion::Outcome::kGone);
  }
  // The connection of calls that were not cancelled was kept.
  EXPECT_EQ(server.connections(), 1);
}

// If this fails, two threads mix their requests on one connection.
TEST(CancelTest, AnotherThreadsCallIsRefused) {
  std::promise<void> asked;
  const ScriptedServer server([&](Peer& peer) {
    peer.ReadRequest();
    asked.set_value();
    WaitForEnd(peer);
  });
  const auto remote = OpenRemote(server.url(), LongTimeouts());
  std::thread other(
      [&] { EXPECT_EQ(ErrorOf(remote->GetSnapshot()).fault, RemoteFault::kCancelled); });
  asked.get_future().wait();
  const RemoteError error = ErrorOf(remote->GetChildVersion(Uuid()));
  EXPECT_EQ(error.fault, RemoteFault::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("another thread"));
  remote->Cancel();
  other.join();
}

// Answers with the number of the request's process, which its path carries as the parent's UUID.
std::string ConflictWith(const std::string& request) {
  const size_t at = request.find("add-version/");
  return HttpAnswer(absl::StrCat("409 Conflict\r\nX-Parent-Version-Id: ",
                                 request.substr(at + sizeof("add-version/") - 1, 36)));
}

Uuid VersionIdOf(char process, int round) {
  return Uuid::Parse(absl::StrCat(std::string(8, process), "-0000-4000-8000-",
                                  absl::Dec(round, absl::kZeroPad12)))
      .value();
}

// The number of rounds in which the answer was another one than the own one.
int WrongAnswers(RemoteServer& remote, char process) {
  int wrong = 0;
  for (int round = 0; round < 200; ++round) {
    const Uuid own = VersionIdOf(process, round);
    auto result = remote.AddVersion(own, "x");
    const auto* const added = std::get_if<AddedVersion>(&result);
    if (added == nullptr || added->version_id != own) ++wrong;
  }
  return wrong;
}

class ForkedRemoteTest : public ::testing::TestWithParam<bool> {
 protected:
  ForkedRemoteTest()
      : certificate_(Issue(authority_, {})),
        server_(Answering(ConflictWith), GetParam() ? &certificate_ : nullptr) {
    RemoteServerOptions options = TestOptions();
    if (GetParam()) {
      std::string path = (std::filesystem::temp_directory_path() / "tcsync-ca-XXXXXX").string();
      const int file = mkstemp(path.data());
      const std::string pem = authority_.Pem();
      if (write(file, pem.data(), pem.size()) != static_cast<ssize_t>(pem.size())) std::abort();
      close(file);
      options.ca_file = path;
    }
    remote_ = OpenRemote(server_.url(), options);
    if (GetParam()) std::filesystem::remove(options.ca_file);
    // Used before: there is a connection to inherit.
    EXPECT_EQ(Value(remote_->AddVersion(Uuid(), "x")).version_id, Uuid());
  }

  // The exit status of a child.
  static int Wait(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const TestCertificate authority_ = MakeAuthority();
  const TestCertificate certificate_;
  const ScriptedServer server_;
  std::unique_ptr<RemoteServer> remote_;
};

// If this fails, a version counts as added by the wrong process after a fork.
TEST_P(ForkedRemoteTest, EachProcessGetsItsOwnAnswers) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(WrongAnswers(*remote_, 'c') == 0 ? 7 : 8);
  }
  EXPECT_EQ(WrongAnswers(*remote_, 'a'), 0);
  EXPECT_EQ(Wait(child), 7);
  // The parent's connection lived on beside the child's: nothing was sent on it in its name.
  EXPECT_EQ(server_.connections(), 2);
}

// If this fails, a child that exits closes its parent's connection, or breaks its cancel.
TEST_P(ForkedRemoteTest, AChildMayFreeTheRemote) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    remote_.reset();
    _exit(7);
  }
  EXPECT_EQ(Wait(child), 7);
  EXPECT_EQ(WrongAnswers(*remote_, 'a'), 0);
  EXPECT_EQ(server_.connections(), 1);
  // And it can still be cancelled: the child has taken nothing from the descriptors on which the
  // parent waits.
  std::thread canceller([&] { remote_->Cancel(); });
  while (!std::holds_alternative<RemoteError>(remote_->AddVersion(VersionIdOf('a', 1), "x"))) {
  }
  canceller.join();
}

INSTANTIATE_TEST_SUITE_P(Schemes, ForkedRemoteTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Https" : "Http"; });

// If this fails, a cancel in one process ends the call of the other, or does nothing.
TEST(CancelTest, AffectsOneOfTwoForkedProcesses) {
#if defined(TCSYNC_THREAD_SANITIZED)
  GTEST_SKIP() << "the thread sanitizer allows no thread in a forked process";
#endif
  int to_child[2];  // a byte for each request that the server has got
  int of_child[2];  // at its end when the child is over
  ASSERT_EQ(pipe(to_child), 0);
  ASSERT_EQ(pipe(of_child), 0);
  const ScriptedServer server([&](Peer& peer) {
    const bool is_childs = absl::StrContains(peer.ReadRequest(), "cccccccc");
    EXPECT_EQ(write(to_child[1], "x", 1), 1);
    if (is_childs) return WaitForEnd(peer);
    pollfd entry{of_child[0], POLLIN, 0};
    EXPECT_EQ(poll(&entry, 1, 60'000), 1);
    peer.Write(ConflictWith("add-version/" + VersionIdOf('a', 1).ToString()));
  });
  const auto remote = OpenRemote(server.url(), LongTimeouts());
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    const auto wait_for_request = [&] {
      char byte = 0;
      if (read(to_child[0], &byte, 1) != 1) _exit(1);
    };
    // The parent's call runs, and waits for a descriptor that was this process' as well.
    wait_for_request();
    remote->Cancel();
    auto refused = remote->AddVersion(VersionIdOf('c', 1), "x");
    if (!std::holds_alternative<RemoteError>(refused)) _exit(2);
    remote->Resume();
    std::thread canceller([&] {
      wait_for_request();
      remote->Cancel();
    });
    auto cancelled = remote->AddVersion(VersionIdOf('c', 1), "x");
    const auto* const error = std::get_if<RemoteError>(&cancelled);
    canceller.join();
    _exit(error != nullptr && error->fault == RemoteFault::kCancelled ? 7 : 3);
  }
  close(of_child[1]);
  EXPECT_EQ(Value(remote->AddVersion(VersionIdOf('a', 1), "x")).version_id, VersionIdOf('a', 1));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  for (const int descriptor : {to_child[0], to_child[1], of_child[0]}) close(descriptor);
}

}  // namespace
}  // namespace tcsync

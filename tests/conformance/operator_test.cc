// An operator's addresses: the socket for administration and the addresses for metrics, apart from
// clients; and the peer that every handler gets.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "answering_handler.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "listener/engine_implementation.h"
#include "tcsync/engine.h"
#include "tcsync/listener.h"
#include "test_server.h"
#include "tests/missing_prerequisite.h"

namespace tcsync::conformance {
namespace {

constexpr int kOperatorConnectionsMax = 16;  // as in src/base/limits.h

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// Serves the test's own handlers in place of an engine's.
class EngineOf final : public Engine::Implementation {
 public:
  EngineOf(http::Handler& sync, http::Handler& administration, http::Handler& metrics)
      : sync_(sync), administration_(administration), metrics_(metrics) {}

  http::Handler& handler() override { return sync_; }
  http::Handler& administration() override { return administration_; }
  http::Handler& metrics() override { return metrics_; }
  base::ReloadHooks& reload_hooks() override { return reload_hooks_; }
  base::LogLevels& log_levels() override { return log_levels_; }
  metrics::Registry& registry() override { return registry_; }

 private:
  http::Handler& sync_;
  http::Handler& administration_;
  http::Handler& metrics_;
  base::ReloadHooks reload_hooks_;
  base::LogLevels log_levels_{LogLevel::kInfo};
  metrics::Registry registry_;
};

class OperatorTest : public testing::Test {
 protected:
  OperatorTest() {
    options_.listen = {"127.0.0.1:0"};
    options_.data_dir = directory_.path();
  }

  absl::StatusOr<std::unique_ptr<Listener>> Bind() {
    return Listener::Bind(options_, log_.Function());
  }

  // Binds and serves.
  std::unique_ptr<Listener> Serve() {
    absl::StatusOr<std::unique_ptr<Listener>> listener = Bind();
    EXPECT_TRUE(listener.ok()) << listener.status();
    if (!listener.ok()) return nullptr;
    const absl::Status status = (*listener)->Serve(engine_);
    EXPECT_TRUE(status.ok()) << status;
    return *std::move(listener);
  }

  std::string SocketPath() const { return options_.data_dir + "/admin.sock"; }
  std::string SocketAddress() const { return "unix:" + SocketPath(); }

  static std::string Answer(const std::string& address) {
    HttpClient client(address);
    EXPECT_TRUE(client.connected()) << address;
    return std::string(absl::StripSuffix(client.Exchange(HttpRequest()).body, "\n"));
  }

  // The one warning, when the socket could not be created.
  std::string Warning() const {
    const std::vector<std::string> warnings = log_.Messages(LogLevel::kWarning);
    EXPECT_EQ(warnings.size(), 1u);
    return warnings.empty() ? "" : warnings.front();
  }

  TempDirectory directory_;
  LogCollector log_;
  Options options_;
  AnsweringHandler sync_{"sync"};
  AnsweringHandler administration_{"administration"};
  AnsweringHandler metrics_{"metrics"};
  EngineOf engine_{sync_, administration_, metrics_};
};

// If this fails, limits and bans by address hit the wrong clients, or all at once.
TEST_F(OperatorTest, HandlersGetThePeerAddress) {
  const std::string path = directory_.path() + "/tcsync.sock";
  options_.listen = {"127.0.0.1:0", "unix:" + path};
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(Answer(listener->addresses().front()), "sync 127.0.0.1");
  EXPECT_EQ(Answer("unix:" + path), "sync unix");
  HttpClient kept(listener->addresses().front());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(absl::StartsWith(kept.Exchange(HttpRequest()).body, "sync 127.0.0.1"));
  }
}

// If this fails, limits by address count all IPv6 users as one, or none of them.
TEST_F(OperatorTest, HandlersGetAnIpv6PeerAddress) {
  options_.listen = {"[::1]:0"};
  if (!Bind().ok()) TCSYNC_MISSING_PREREQUISITE("this machine has no ::1");
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(Answer(listener->addresses().front()), "sync ::1");
}

// If this fails, every sync client sees the metrics too, or the monitoring program finds none.
TEST_F(OperatorTest, MetricsHaveAddressesOfTheirOwn) {
  const std::string path = directory_.path() + "/metrics.sock";
  options_.metrics_listen = {"127.0.0.1:0", "unix:" + path};
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  const std::vector<std::string> addresses = listener->addresses();
  ASSERT_EQ(addresses.size(), 3u);
  EXPECT_EQ(Answer(addresses[0]), "sync 127.0.0.1");
  EXPECT_EQ(Answer(addresses[1]), "metrics 127.0.0.1");
  EXPECT_EQ(Answer(addresses[2]), "metrics unix");
  const std::vector<std::string> log = log_.Messages(LogLevel::kInfo);
  const std::vector<std::string> expected = {
      "listening on " + addresses[0], "metrics on " + addresses[1], "metrics on " + addresses[2],
      "administration on " + SocketAddress()};
  EXPECT_EQ(log, expected);
  listener->Stop();
  for (const std::string& address : addresses) EXPECT_FALSE(HttpClient(address).connected());
}

// If this fails, a server that could not get one of its addresses blocks the others for the next
// attempt, or does not name the wrong option.
TEST_F(OperatorTest, ATakenMetricsAddressFailsTheWholeBind) {
  const std::unique_ptr<Listener> taken = Serve();
  ASSERT_NE(taken, nullptr);
  const std::string taken_address(absl::StripPrefix(taken->addresses().front(), "http://"));
  const std::string path = directory_.path() + "/tcsync.sock";
  options_.listen = {"unix:" + path};
  options_.metrics_listen = {taken_address};
  absl::StatusOr<std::unique_ptr<Listener>> listener = Bind();
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(absl::StrContains(listener.status().message(), taken_address)) << listener.status();
  EXPECT_FALSE(std::filesystem::exists(path));

  options_.metrics_listen = {"nonsense"};
  listener = Bind();
  EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(absl::StrContains(listener.status().message(), "metrics-listen: 'nonsense'"))
      << listener.status();
  EXPECT_FALSE(std::filesystem::exists(path));
}

// If this fails, a program without metrics accepts the option and leaves its clients waiting.
TEST_F(OperatorTest, AMetricsAddressRequiresAHandler) {
  options_.metrics_listen = {"127.0.0.1:0"};
  absl::StatusOr<std::unique_ptr<Listener>> listener = Bind();
  ASSERT_TRUE(listener.ok()) << listener.status();
  const absl::Status status = (*listener)->Serve(sync_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "metrics-listen")) << status;
  for (const std::string& address : (*listener)->addresses()) {
    EXPECT_FALSE(HttpClient(address).connected()) << address;
  }
}

// If this fails, an operator's commands do not reach the server, or the socket is left behind.
TEST_F(OperatorTest, AdministrationHasASocketInTheDataDirectory) {
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(Answer(SocketAddress()), "administration unix");
  EXPECT_EQ(listener->addresses().size(), 1u) << "it is no address for clients";
  EXPECT_EQ(Answer(listener->addresses().front()), "sync 127.0.0.1");
  listener->Stop();
  EXPECT_FALSE(std::filesystem::exists(SocketPath()));
}

// If this fails, a server whose operator turned administration off still has its socket.
TEST_F(OperatorTest, AdministrationCanBeTurnedOff) {
  options_.admin_socket = false;
  std::unique_ptr<Listener> listener = Serve();
  EXPECT_FALSE(std::filesystem::exists(SocketPath()));
  listener.reset();
  options_.admin_socket = true;
  options_.storage = "memory";
  listener = Serve();
  EXPECT_FALSE(std::filesystem::exists(SocketPath()));
  EXPECT_EQ(log_.Messages(LogLevel::kWarning), std::vector<std::string>());
}

// Whether a process of another user, which may pass through all directories, can connect.
int ConnectAsNobody(const std::string& path) {
  const sockaddr_un address = AddressOf(path);
  const pid_t child = fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (setuid(kNobody) != 0) _exit(255);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    const bool connected =
        connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    _exit(connected ? 0 : errno);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// If this fails, every user of the machine can list the server's users, and delete their data.
TEST_F(OperatorTest, OnlyTheOwnerReachesTheAdministration) {
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  struct stat info = {};
  ASSERT_EQ(stat(SocketPath().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  if (geteuid() != 0) GTEST_SKIP() << "only root can try as another user";
  ASSERT_EQ(chmod(directory_.path().c_str(), 0755), 0);
  EXPECT_EQ(ConnectAsNobody(SocketPath()), EACCES);
  // The socket's mode keeps them out, and nothing else.
  ASSERT_EQ(chmod(SocketPath().c_str(), 0666), 0);
  EXPECT_EQ(ConnectAsNobody(SocketPath()), 0);
}

// If this fails, administration is lost after a crash, until the file is removed by hand.
TEST_F(OperatorTest, AStaleSocketIsReplaced) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un address = AddressOf(SocketPath());
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(fd);
  ASSERT_TRUE(std::filesystem::exists(SocketPath()));
  const std::unique_ptr<Listener> listener = Serve();
  EXPECT_EQ(Answer(SocketAddress()), "administration unix");
  EXPECT_EQ(log_.Messages(LogLevel::kWarning), std::vector<std::string>());
}

// If one of these fails, a server does not serve its clients because of a socket that they do not
// need, or the operator does not learn why commands do not reach it.
TEST_F(OperatorTest, ADataDirectoryWithALongPathIsServedWithoutTheSocket) {
  options_.data_dir = directory_.path() + "/" + std::string(120, 'x');
  std::filesystem::create_directory(options_.data_dir);
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(Answer(listener->addresses().front()), "sync 127.0.0.1");
  const std::string warning = Warning();
  for (const char* const part :
       {"longer than the 107", "xxxx", "shorter data-dir", "admin-socket=off"}) {
    EXPECT_TRUE(absl::StrContains(warning, part)) << warning;
  }
}

// If this fails, a file that has the socket's name is lost at the server's start.
TEST_F(OperatorTest, AFileAtTheSocketPathIsLeftAlone) {
  std::ofstream(SocketPath()) << "precious";
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(Answer(listener->addresses().front()), "sync 127.0.0.1");
  EXPECT_TRUE(absl::StrContains(Warning(), SocketPath())) << Warning();
  listener->Stop();
  std::string content;
  std::ifstream(SocketPath()) >> content;
  EXPECT_EQ(content, "precious");
}

// If this fails, a program's second listener takes administration away from the first.
TEST_F(OperatorTest, ASecondListenerDoesNotReplaceTheFirstOnesSocket) {
  const std::unique_ptr<Listener> first = Serve();
  std::unique_ptr<Listener> second = Serve();
  EXPECT_TRUE(absl::StrContains(Warning(), SocketPath())) << Warning();
  second.reset();
  EXPECT_EQ(Answer(SocketAddress()), "administration unix");
}

// If this fails, the operator is locked out of a crowded server, when access matters most.
TEST_F(OperatorTest, TheOperatorIsServedWhileClientsTakeAllConnections) {
  constexpr int kConnections = 3;
  options_.connections_max = kConnections;
  options_.metrics_listen = {"127.0.0.1:0"};
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  sync_.Hold();
  std::vector<HttpClient> crowd;
  for (int i = 0; i < kConnections; ++i) {
    crowd.emplace_back(listener->addresses()[0]);
    ASSERT_TRUE(crowd.back().Send(HttpRequest().Serialize()));
  }
  sync_.AwaitHeld(kConnections);
  ExpectError(HttpClient(listener->addresses()[0]).Exchange(HttpRequest()), 503);
  EXPECT_EQ(Answer(SocketAddress()), "administration unix");
  EXPECT_EQ(Answer(listener->addresses()[1]), "metrics 127.0.0.1");
  sync_.Release();
  for (HttpClient& client : crowd) EXPECT_EQ(client.ReadResponse().status, 200);
}

// If this fails, a runaway monitoring program, or forgotten commands, take the places of clients,
// or of each other; or take them without a bound.
TEST_F(OperatorTest, OperatorConnectionsTakeNoPlacesOfClients) {
  options_.connections_max = 1;
  options_.metrics_listen = {"127.0.0.1:0"};
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  administration_.Hold();
  std::vector<HttpClient> commands;
  for (int i = 0; i < kOperatorConnectionsMax; ++i) {
    commands.emplace_back(SocketAddress());
    ASSERT_TRUE(commands.back().Send(HttpRequest().Serialize()));
  }
  administration_.AwaitHeld(kOperatorConnectionsMax);
  ExpectError(HttpClient(SocketAddress()).Exchange(HttpRequest()), 503);
  EXPECT_EQ(Answer(listener->addresses()[0]), "sync 127.0.0.1");
  EXPECT_EQ(Answer(listener->addresses()[1]), "metrics 127.0.0.1");
  administration_.Release();
  for (HttpClient& client : commands) EXPECT_EQ(client.ReadResponse().status, 200);
}

// If this fails, a backup that exceeds the time of a client's request is interrupted.
TEST_F(OperatorTest, TheRequestTimeoutDoesNotApplyToAdministration) {
  options_.request_timeout_ms = 100;
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  administration_.Hold();
  HttpClient command(SocketAddress());
  ASSERT_TRUE(command.Send(HttpRequest().Serialize()));
  administration_.AwaitHeld(1);
  // A client's requests that take too long, several times, are the clock.
  sync_.Hold();
  for (int i = 0; i < 3; ++i) {
    HttpClient client(listener->addresses().front());
    ASSERT_TRUE(client.Send(HttpRequest().Serialize()));
    EXPECT_EQ(client.ReadUntilClosed(), "");
  }
  administration_.Release();
  EXPECT_EQ(command.ReadResponse().status, 200);
  sync_.Release();
}

// If this fails, a stop interrupts an administrative request, or waits for idle connections.
TEST_F(OperatorTest, AStopWaitsForOperatorRequests) {
  options_.shutdown_timeout_ms = kDeadlineSeconds * 1000;
  options_.metrics_listen = {"127.0.0.1:0"};
  const std::unique_ptr<Listener> listener = Serve();
  ASSERT_NE(listener, nullptr);
  HttpClient idle(listener->addresses()[1]);
  EXPECT_EQ(idle.Exchange(HttpRequest()).status, 200);
  administration_.Hold();
  HttpClient command(SocketAddress());
  ASSERT_TRUE(command.Send(HttpRequest().Serialize()));
  administration_.AwaitHeld(1);
  std::thread stopping([&] { listener->Stop(); });
  EXPECT_EQ(idle.ReadUntilClosed(), "");
  administration_.Release();
  EXPECT_EQ(command.ReadResponse().status, 200);
  EXPECT_EQ(command.ReadUntilClosed(), "");
  stopping.join();
}

}  // namespace
}  // namespace tcsync::conformance

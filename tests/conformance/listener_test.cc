// Addresses: the listener's binding, its names for them, its errors, and the files that it leaves.
#include "tcsync/listener.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "tcsync/engine.h"
#include "test_server.h"
#include "tests/missing_prerequisite.h"

namespace tcsync::conformance {
namespace {

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() : engine_(*Engine::Open(OptionsFor("memory"))) {}

  static absl::StatusOr<std::unique_ptr<Listener>> Bind(std::vector<std::string> listen) {
    Options options = OptionsFor("memory");
    options.listen = std::move(listen);
    return Listener::Bind(options);
  }

  // Binds and serves; every address must answer.
  std::unique_ptr<Listener> Serve(std::vector<std::string> listen) {
    absl::StatusOr<std::unique_ptr<Listener>> listener = Bind(std::move(listen));
    EXPECT_TRUE(listener.ok()) << listener.status();
    if (!listener.ok()) return nullptr;
    EXPECT_TRUE((*listener)->Serve(engine_->handler()).ok());
    for (const std::string& address : (*listener)->addresses()) ExpectServed(address);
    return *std::move(listener);
  }

  static void ExpectServed(const std::string& address) {
    HttpClient client(address);
    EXPECT_TRUE(client.connected()) << address;
    EXPECT_EQ(client.Exchange(HttpRequest()).status, 200) << address;
  }

  // Expects an error with `code` whose message names `value`.
  static void ExpectRefused(const std::vector<std::string>& listen, absl::StatusCode code,
                            absl::string_view value) {
    const absl::StatusOr<std::unique_ptr<Listener>> listener = Bind(listen);
    ASSERT_FALSE(listener.ok()) << value;
    EXPECT_EQ(listener.status().code(), code) << listener.status();
    EXPECT_TRUE(absl::StrContains(listener.status().message(), value)) << listener.status();
  }

  // "127.0.0.1:8080" of "http://127.0.0.1:8080".
  static std::string HostAndPort(const Listener& listener) {
    return std::string(absl::StripPrefix(listener.addresses().front(), "http://"));
  }

  std::string SocketPath() const { return directory_.path() + "/tcsync.sock"; }

  TempDirectory directory_;
  std::unique_ptr<Engine> engine_;
};

bool HasIpv6Loopback() {
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0) return false;
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool bound = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return bound;
}

// If this fails, a program that asked for any free port does not learn its number.
TEST_F(ListenerTest, BindsToAFreePortOverIpv4) {
  const std::unique_ptr<Listener> listener = Serve({"127.0.0.1:0"});
  ASSERT_NE(listener, nullptr);
  ASSERT_EQ(listener->addresses().size(), 1u);
  const std::string address = listener->addresses().front();
  EXPECT_TRUE(absl::StartsWith(address, "http://127.0.0.1:")) << address;
  EXPECT_FALSE(absl::EndsWith(address, ":0")) << address;
}

// If this fails, the server cannot be reached over IPv6, or prints a URL that no client accepts.
TEST_F(ListenerTest, BindsToAFreePortOverIpv6) {
  if (!HasIpv6Loopback()) TCSYNC_MISSING_PREREQUISITE("this machine has no ::1");
  const std::unique_ptr<Listener> listener = Serve({"[::1]:0"});
  ASSERT_NE(listener, nullptr);
  ASSERT_EQ(listener->addresses().size(), 1u);
  const std::string address = listener->addresses().front();
  EXPECT_TRUE(absl::StartsWith(address, "http://[::1]:")) << address;
  EXPECT_FALSE(absl::EndsWith(address, ":0")) << address;
}

// If this fails, names do not work where addresses do.
TEST_F(ListenerTest, AHostNameIsResolved) {
  const std::unique_ptr<Listener> listener = Serve({"localhost:0"});
  ASSERT_NE(listener, nullptr);
  EXPECT_GE(listener->addresses().size(), 1u);
}

// If this fails, a public server cannot be set up for both versions of IP at one port.
TEST_F(ListenerTest, BindsToAllInterfacesOfBothIpVersionsAtOnePort) {
  if (!HasIpv6Loopback()) TCSYNC_MISSING_PREREQUISITE("this machine has no ::1");
  std::unique_ptr<Listener> listener = Serve({"0.0.0.0:0"});
  ASSERT_NE(listener, nullptr);
  const std::string port(absl::StripPrefix(HostAndPort(*listener), "0.0.0.0:"));
  listener.reset();
  listener = Serve({absl::StrCat("0.0.0.0:", port), absl::StrCat("[::]:", port)});
  ASSERT_NE(listener, nullptr);
  ExpectServed(absl::StrCat("http://127.0.0.1:", port));
  ExpectServed(absl::StrCat("http://[::1]:", port));
}

// If this fails, a reverse proxy cannot reach the server through a Unix socket, or the file stays
// behind and confuses its finder.
TEST_F(ListenerTest, AUnixSocketIsCreatedAndRemoved) {
  const std::string path = SocketPath();
  std::unique_ptr<Listener> listener = Serve({absl::StrCat("unix:", path)});
  ASSERT_NE(listener, nullptr);
  EXPECT_EQ(listener->addresses(), std::vector<std::string>{absl::StrCat("unix:", path)});
  EXPECT_TRUE(std::filesystem::is_socket(path));
  listener->Stop();
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(path)));

  listener = Serve({absl::StrCat("unix:", path)});
  listener.reset();  // without Stop
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(path)));
  // Bound, but never served.
  absl::StatusOr<std::unique_ptr<Listener>> not_serving = Bind({absl::StrCat("unix:", path)});
  ASSERT_TRUE(not_serving.ok()) << not_serving.status();
  EXPECT_TRUE(std::filesystem::is_socket(path));
  not_serving->reset();
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(path)));
}

// If this fails, the server does not start after a crash until the file is removed by hand.
TEST_F(ListenerTest, AStaleUnixSocketIsReplaced) {
  const std::string path = SocketPath();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int crashed = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(crashed, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(crashed, 1), 0);
  close(crashed);  // leaves the file behind, as the end of a process does
  ASSERT_TRUE(std::filesystem::is_socket(path));
  EXPECT_NE(Serve({absl::StrCat("unix:", path)}), nullptr);
}

// If this fails, a second server takes the socket away from the first.
TEST_F(ListenerTest, ALiveUnixSocketIsLeftAlone) {
  const std::string address = absl::StrCat("unix:", SocketPath());
  const std::unique_ptr<Listener> first = Serve({address});
  ASSERT_NE(first, nullptr);
  ExpectRefused({address}, absl::StatusCode::kAlreadyExists, SocketPath());
  ExpectServed(address);
}

// If this fails, a mistyped path destroys another file.
TEST_F(ListenerTest, AFileThatIsNotASocketIsLeftAlone) {
  const std::string path = directory_.path() + "/precious";
  std::ofstream(path) << "data";
  const absl::StatusOr<std::unique_ptr<Listener>> listener = Bind({absl::StrCat("unix:", path)});
  EXPECT_FALSE(listener.ok());
  EXPECT_TRUE(absl::StrContains(listener.status().message(), path)) << listener.status();
  std::string content;
  std::ifstream(path) >> content;
  EXPECT_EQ(content, "data");
}

// If this fails, an operator does not learn which directory is missing.
TEST_F(ListenerTest, AUnixSocketNeedsItsDirectory) {
  const std::string path = directory_.path() + "/missing/tcsync.sock";
  const absl::StatusOr<std::unique_ptr<Listener>> listener = Bind({absl::StrCat("unix:", path)});
  EXPECT_FALSE(listener.ok());
  EXPECT_TRUE(absl::StrContains(listener.status().message(), path)) << listener.status();
}

// If this fails, the server accepts only one of several addresses.
TEST_F(ListenerTest, ServesSeveralAddresses) {
  std::vector<std::string> listen = {"127.0.0.1:0", "127.0.0.1:0",
                                     absl::StrCat("unix:", SocketPath())};
  if (HasIpv6Loopback()) listen.push_back("[::1]:0");
  const std::unique_ptr<Listener> listener = Serve(listen);
  ASSERT_NE(listener, nullptr);
  const std::vector<std::string> addresses = listener->addresses();
  ASSERT_EQ(addresses.size(), listen.size());
  EXPECT_NE(addresses[0], addresses[1]);
  listener->Stop();
  for (const std::string& address : addresses) {
    EXPECT_FALSE(HttpClient(address).connected()) << address << " after the stop";
  }
}

// If this fails, two servers share a port, or the operator does not learn which one is taken.
TEST_F(ListenerTest, APortInUseIsNamed) {
  const std::unique_ptr<Listener> first = Serve({"127.0.0.1:0"});
  ASSERT_NE(first, nullptr);
  const std::string taken = HostAndPort(*first);
  ExpectRefused({taken}, absl::StatusCode::kAlreadyExists, taken);
  ExpectServed(first->addresses().front());
  first->Stop();
  EXPECT_NE(Serve({taken}), nullptr) << "free again";
}

// If this fails, a mistyped address starts a server somewhere else, or the message does not name
// the wrong one of several values.
TEST_F(ListenerTest, AddressesThatDoNotParseAreNamed) {
  for (const std::string& value :
       {std::string(""), std::string("nonsense"), std::string("127.0.0.1"),
        std::string("127.0.0.1:"), std::string(":8080"), std::string("127.0.0.1:65536"),
        std::string("127.0.0.1:-1"), std::string("127.0.0.1:http"), std::string("127.0.0.1:80x"),
        std::string("[::1"), std::string("[::1]"), std::string("::1:8080"),
        std::string("[127.0.0.1:80"), std::string("no such host:8080"),
        std::string("http://127.0.0.1:8080"), std::string("unix:"),
        absl::StrCat("unix:/", std::string(200, 'x'))}) {
    ExpectRefused({value}, absl::StatusCode::kInvalidArgument, value);
    ExpectRefused({"127.0.0.1:0", value}, absl::StatusCode::kInvalidArgument, value);
  }
}

// If this fails, a server that could not start keeps a port, or a file, from the next attempt.
TEST_F(ListenerTest, AFailedBindReleasesEveryAddress) {
  std::unique_ptr<Listener> taken = Serve({"127.0.0.1:0"});
  std::unique_ptr<Listener> freed = Serve({"127.0.0.1:0"});
  ASSERT_TRUE(taken != nullptr && freed != nullptr);
  const std::string taken_address = HostAndPort(*taken);
  const std::string free_address = HostAndPort(*freed);
  freed.reset();
  const std::string unix_address = absl::StrCat("unix:", SocketPath());
  ExpectRefused({free_address, unix_address, taken_address}, absl::StatusCode::kAlreadyExists,
                taken_address);
  EXPECT_FALSE(HttpClient(absl::StrCat("http://", free_address)).connected());
  EXPECT_FALSE(std::filesystem::exists(SocketPath()));
  EXPECT_NE(Serve({free_address, unix_address}), nullptr);
}

// If this fails, requests during a slow start fail instead of waiting.
TEST_F(ListenerTest, ConnectionsBeforeServeAreAnsweredAfterIt) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Bind({"127.0.0.1:0"});
  ASSERT_TRUE(listener.ok()) << listener.status();
  HttpClient client((*listener)->addresses().front());
  ASSERT_TRUE(client.connected());
  ASSERT_TRUE(client.Send(HttpRequest().Serialize()));
  ASSERT_TRUE((*listener)->Serve(engine_->handler()).ok());
  EXPECT_EQ(client.ReadResponse().status, 200);
}

// If this fails, a program that binds and then cannot open its storage hangs or crashes.
TEST_F(ListenerTest, AListenerThatNeverServedCanBeStopped) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Bind({"127.0.0.1:0"});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const std::string address = (*listener)->addresses().front();
  (*listener)->Stop();
  listener->reset();
  EXPECT_FALSE(HttpClient(address).connected());
}

// If this fails, a server cannot be restarted at its port while the system still knows connections
// of the last one (TIME_WAIT).
TEST_F(ListenerTest, APortCanBeReusedAtOnce) {
  std::unique_ptr<Listener> listener = Serve({"127.0.0.1:0"});
  ASSERT_NE(listener, nullptr);
  const std::string address = HostAndPort(*listener);
  for (int i = 0; i < 3; ++i) {
    HttpClient client(absl::StrCat("http://", address));
    EXPECT_EQ(client.Exchange(HttpRequest()).status, 200);
    listener->Stop();  // the server closes first, so TIME_WAIT is on its side
    EXPECT_EQ(client.ReadUntilClosed(), "");
    client.Close();
    listener = Serve({address});
    ASSERT_NE(listener, nullptr);
  }
}

}  // namespace
}  // namespace tcsync::conformance

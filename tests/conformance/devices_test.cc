// The tokens of single computers, over sockets and over each backend. If these fail, a lost
// computer is still served, or the others are not.
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "access/token.h"
#include "backend_test.h"
#include "base/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "test_server.h"
#include "tests/unit/admin/failing_storage.h"

namespace tcsync::conformance {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// The text of a JSON member, which these answers have once.
std::string Member(absl::string_view json, absl::string_view name) {
  const std::string key = absl::StrCat("\"", name, "\":");
  const size_t begin = json.find(key);
  if (begin == absl::string_view::npos) return "(none)";
  const absl::string_view value = json.substr(begin + key.size());
  if (absl::StartsWith(value, "\"")) return std::string(value.substr(1, value.find('"', 1) - 1));
  return std::string(value.substr(0, value.find_first_of(",}]")));
}

struct Minted {
  std::string id;
  std::string token;
};

// One computer of a client; with "" it has no token.
class Computer {
 public:
  Computer(const TestServer& server, std::string client_id, std::string token = "")
      : client_(server.Connect()), client_id_(std::move(client_id)), token_(std::move(token)) {}

  HttpResponse Send(HttpRequest request) {
    if (!token_.empty()) request.target = absl::StrCat("/i/", token_, request.target);
    return client_.Exchange(request);
  }
  static HttpRequest MintRequest(const std::string& client_id, std::string label) {
    return {.method = "POST",
            .target = "/v1/client/devices",
            .headers = {{"X-Client-Id", client_id}, {"Content-Type", "application/octet-stream"}},
            .body = std::move(label)};
  }
  HttpResponse Mint(std::string label = "sealed") {
    return Send(MintRequest(client_id_, std::move(label)));
  }
  Minted MustMint(std::string label = "sealed") {
    const HttpResponse response = Mint(std::move(label));
    EXPECT_EQ(response.status, 201) << response;
    return {.id = Member(response.body, "device"), .token = Member(response.body, "token")};
  }
  HttpResponse List() {
    return Send(
        {.target = "/v1/client/devices", .headers = {{"X-Client-Id", client_id_}}, .body = ""});
  }
  HttpResponse Revoke(absl::string_view id, absl::string_view keep = "") {
    HttpRequest request{.method = "DELETE",
                        .target = absl::StrCat("/v1/client/devices/", id),
                        .headers = {{"X-Client-Id", client_id_}},
                        .body = ""};
    if (!keep.empty()) request.headers.push_back({"Keep-Devices", std::string(keep)});
    return Send(request);
  }
  // A sync's first request: 200, because the client has a version behind the nil one.
  int Sync() { return Send(GetChildVersionRequest(client_id_, kNil)).status; }

 private:
  HttpClient client_;
  std::string client_id_;
  std::string token_;
};

class DevicesTest : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (HasFatalFailure() || IsSkipped()) return;
    Replica replica(server());
    replica.Append(kNil);
    client_id_ = replica.client_id();
  }

  Computer With(std::string token = "") { return Computer(server(), client_id_, std::move(token)); }

  std::string client_id_;
};

// The pinned answers: another server's author reads them in docs/protocol.md.
TEST_P(DevicesTest, AnswersAreThoseOfTheProtocol) {
  Computer desktop = With();
  const HttpResponse minted = desktop.Mint("sealed name");
  EXPECT_EQ(minted.status, 201) << minted;
  EXPECT_EQ(minted.Header("Content-Type"), "application/json");
  EXPECT_EQ(minted.Header("X-Devices-Max"), "32");
  EXPECT_THAT(minted.body,
              MatchesRegex("\\{\"device\":\"[0-9a-f]{12}\",\"token\":\"[0-9a-f]{32}\"\\}\n"));
  const std::string id = Member(minted.body, "device");

  Computer with_token = With(Member(minted.body, "token"));
  const Minted phone = with_token.MustMint();
  const HttpResponse listed = with_token.List();
  EXPECT_EQ(listed.status, 200) << listed;
  EXPECT_EQ(listed.Header("X-Devices-Max"), "32");
  EXPECT_THAT(listed.body,
              MatchesRegex(absl::StrCat(
                  "\\{\"devices\":\\[\\{\"device\":\"", id,
                  "\",\"minted_by\":null,\"since\":[0-9]+,\"last_seen\":[0-9]+,\"label\":"
                  "\"c2VhbGVkIG5hbWU=\"\\},"
                  "\\{\"device\":\"",
                  phone.id, "\",\"minted_by\":\"", id,
                  "\",\"since\":[0-9]+,\"last_seen\":null,\"label\":\"c2VhbGVk\"\\}\\],\"this\":\"",
                  id, "\",\"requires_token\":false,\"tokenless_last_seen\":[0-9]+\\}\n")));
  EXPECT_EQ(Member(desktop.List().body, "this"), "null");
  EXPECT_THAT(listed.body, Not(HasSubstr(phone.token)));

  const HttpResponse revoked = with_token.Revoke(phone.id);
  EXPECT_EQ(revoked.status, 200) << revoked;
  EXPECT_EQ(revoked.body, absl::StrCat("{\"revoked\":[\"", phone.id, "\"]}\n"));
  EXPECT_THAT(with_token.List().body, HasSubstr("\"requires_token\":true"));
}

TEST_P(DevicesTest, ARevokedComputerAndThoseWithoutATokenAreShutOut) {
  Computer tokenless = With();
  Computer desktop = With(tokenless.MustMint().token);
  const Minted lost = desktop.MustMint();
  Computer laptop = With(lost.token);
  // Until the first revocation any path works.
  EXPECT_EQ(tokenless.Sync(), 200);
  EXPECT_EQ(laptop.Sync(), 200);
  EXPECT_EQ(With(access::MakeToken()).Sync(), 200);
  const Minted child = laptop.MustMint();
  const Minted grandchild = With(child.token).MustMint();
  const Minted phone = laptop.MustMint();

  EXPECT_EQ(desktop.Revoke(lost.id, phone.id).status, 200);
  EXPECT_EQ(laptop.Sync(), 403);
  EXPECT_EQ(tokenless.Sync(), 403);
  EXPECT_EQ(With(child.token).Sync(), 403);
  EXPECT_EQ(With(grandchild.token).Sync(), 403);
  EXPECT_EQ(With(access::MakeToken()).Sync(), 403);
  EXPECT_EQ(desktop.Sync(), 200);
  EXPECT_EQ(With(phone.token).Sync(), 200);
  // No way back in.
  ExpectError(laptop.Mint(), 403);
  ExpectError(tokenless.Mint(), 403);
  ExpectError(laptop.List(), 403);
  ExpectError(laptop.Revoke(phone.id), 403);
  EXPECT_THAT(laptop.Mint().body, HasSubstr("shut out by another one of yours"));
  EXPECT_EQ(laptop.Send(AddVersionRequest(client_id_, kNil)).status, 403);
  // Others can be paired still.
  EXPECT_EQ(With(desktop.MustMint().token).Sync(), 200);
}

TEST_P(DevicesTest, RevocationsThatWouldShutOutTheCallerAreRefused) {
  Computer tokenless = With();
  const Minted own = tokenless.MustMint();
  const Minted other = tokenless.MustMint();
  ExpectError(tokenless.Revoke(other.id), 409);
  EXPECT_THAT(tokenless.Revoke(other.id).body, HasSubstr("give this computer a token first"));
  ExpectError(With(own.token).Revoke(own.id), 409);
  const HttpResponse unknown = With(own.token).Revoke("0123456789ab");
  ExpectError(unknown, 404);
  EXPECT_EQ(unknown.Header("X-Devices-Max"), "32");
  EXPECT_EQ(tokenless.Sync(), 200) << "a refused revocation acted";
}

TEST_P(DevicesTest, HostileRequestsAreRefused) {
  Computer computer = With();
  const Minted own = computer.MustMint();
  ExpectError(computer.Mint(""), 400);
  ExpectError(computer.Mint(std::string(513, 'x')), 413);
  ExpectError(With().Mint(std::string(2'000'000, 'x')), 413);
  EXPECT_EQ(With().Mint(std::string(512, '\0')).status, 201);
  const HttpRequest mint = Computer::MintRequest(client_id_, "sealed");
  for (const char* const type : {"", "text/plain", "application/octet-streams", kSegmentType}) {
    ExpectError(With().Send(conformance::With(mint, "Content-Type", type)), 400);
  }
  EXPECT_EQ(
      With().Send(conformance::With(mint, "Content-Type", "Application/Octet-Stream; x=y")).status,
      201);
  HttpRequest coded = mint;
  coded.headers.push_back({"Content-Encoding", "gzip"});
  ExpectError(With().Send(coded), 415);
  ExpectError(With().Send(Without(mint, "X-Client-Id")), 400);
  const HttpResponse unknown = With().Send(conformance::With(mint, "X-Client-Id", RandomId()));
  ExpectError(unknown, 404);
  EXPECT_EQ(unknown.Header("X-Devices-Max"), "32") << "it seems to be a server without devices";
  for (const char* const method : {"PUT", "DELETE", "HEAD", "PATCH"}) {
    HttpRequest other = mint;
    other.method = method;
    HttpClient client = server().Connect();
    ASSERT_TRUE(client.Send(other.Serialize()));
    const HttpResponse response = client.ReadResponse(method);
    EXPECT_EQ(response.status, 405) << method;
    EXPECT_EQ(response.Header("Allow"), "GET, POST") << method;
  }
  Computer with_token = With(own.token);
  for (const char* const id :
       {"0123456789", "0123456789AB", "0123456789abc", "zzzzzzzzzzzz", "%00"}) {
    ExpectError(with_token.Revoke(id), 404);
  }
  const Minted victim = With().MustMint();
  ExpectError(with_token.Revoke(victim.id, "nonsense"), 400);
  ExpectError(with_token.Revoke(victim.id, absl::StrCat(own.id, ", 0123456789AB")), 400);
  std::vector<std::string> many(33, own.id);
  ExpectError(with_token.Revoke(victim.id, absl::StrJoin(many, ",")), 400);
  EXPECT_EQ(With(victim.token).Sync(), 200);
  EXPECT_EQ(With().Sync(), 200) << "a refused revocation acted";
  EXPECT_EQ(with_token.Revoke(victim.id, absl::StrCat(" ,", own.id, " , ")).status, 200);
}

TEST_P(DevicesTest, TheThirtyThirdIsRefused) {
  Computer computer = With();
  for (size_t i = 0; i < base::kDevicesMax; ++i) computer.MustMint();
  const HttpResponse refused = computer.Mint();
  ExpectError(refused, 507);
  EXPECT_THAT(refused.body, HasSubstr("revoke those that are not used"));
  EXPECT_EQ(computer.List().status, 200);
  EXPECT_EQ(computer.Sync(), 200);
}

// If this fails, a lost computer is back after the server's next start.
TEST_P(DevicesTest, AServerThatStartsAgainRemembers) {
  if (absl::string_view(GetParam()) == "memory") GTEST_SKIP() << "it forgets everything";
  std::string desktop;
  std::string laptop;
  {
    Computer tokenless = With();
    desktop = tokenless.MustMint().token;
    const Minted lost = tokenless.MustMint();
    laptop = lost.token;
    EXPECT_EQ(With(laptop).Sync(), 200);
    EXPECT_EQ(With(desktop).Revoke(lost.id).status, 200);
  }
  server().Reopen();
  EXPECT_EQ(With(desktop).Sync(), 200);
  EXPECT_EQ(With(laptop).Sync(), 403);
  EXPECT_EQ(With().Sync(), 403);
  EXPECT_THAT(With(desktop).List().body, HasSubstr("\"last_seen\":1"));
}

// Many computers at once: if this fails, one of them was given a token that does not count.
TEST_P(DevicesTest, MintsAtOnceLoseNothing) {
  std::vector<std::thread> threads;
  std::vector<std::vector<Minted>> minted(4);
  for (std::vector<Minted>& of_thread : minted) {
    threads.emplace_back([&] {
      Computer computer = With();
      for (int i = 0; i < 5; ++i) of_thread.push_back(computer.MustMint());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(With(minted[0][0].token).Revoke(minted[0][1].id).status, 200);
  for (const std::vector<Minted>& of_thread : minted) {
    for (const Minted& device : of_thread) {
      EXPECT_EQ(With(device.token).Sync(), device.id == minted[0][1].id ? 403 : 200);
    }
  }
}

// A request that waits for the next version must not outlive the computer's admission.
TEST_P(DevicesTest, ARevocationEndsTheWaitOfTheRevoked) {
  Computer tokenless = With();
  Computer desktop = With(tokenless.MustMint().token);
  const Minted lost = tokenless.MustMint();
  const std::string latest =
      With().Send(GetChildVersionRequest(client_id_, kNil)).Header("X-Version-Id");
  HttpClient waiting = server().Connect();
  HttpRequest request =
      conformance::With(GetChildVersionRequest(client_id_, latest), "Prefer", "wait=50");
  request.target = absl::StrCat("/i/", lost.token, request.target);
  ASSERT_TRUE(waiting.Send(request.Serialize()));
  EXPECT_FALSE(waiting.ClosedWithin(absl::Milliseconds(200)));
  EXPECT_EQ(desktop.Revoke(lost.id).status, 200);
  EXPECT_EQ(waiting.ReadResponse().status, 403);
}

INSTANTIATE_TEST_SUITE_P(Backends, DevicesTest, Backends(),
                         [](const auto& info) { return std::string(info.param); });

// A storage of an embedding program that knows nothing of devices.
class StorageWithoutDevices final : public FailingStorage {
 public:
  absl::StatusOr<std::vector<DeviceGate>> ReadDeviceGates() override {
    return StorageAdministration::ReadDeviceGates();
  }
  absl::StatusOr<DeviceState> ReadDevices(const Uuid& client_id) override {
    return StorageAdministration::ReadDevices(client_id);
  }
  absl::Status ChangeDevices(const Uuid& client_id, bool may_use_reserve,
                             DecideDevices decide) override {
    return StorageAdministration::ChangeDevices(client_id, may_use_reserve, decide);
  }
};

// If this fails, a client takes such a server for one with devices, or its syncs fail.
TEST(WithoutDevicesTest, TheServerAnswersLikeOneWithoutTheExtension) {
  const TestServer server(OptionsFor("memory"), std::make_unique<StorageWithoutDevices>());
  Replica replica(server);
  replica.Append(kNil);
  Computer computer(server, replica.client_id());
  for (const HttpResponse& response :
       {computer.Mint(), computer.List(), computer.Revoke("0123456789ab")}) {
    ExpectError(response, 404);
    EXPECT_FALSE(response.Has("X-Devices-Max"));
  }
  EXPECT_EQ(computer.Sync(), 200);
}

}  // namespace
}  // namespace tcsync::conformance

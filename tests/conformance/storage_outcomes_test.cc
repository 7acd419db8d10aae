// The answers and log lines for storage's failures. The storage is a scripted one, because not
// every machine can have a full disk.
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "gtest/gtest.h"
#include "http_client.h"
#include "scripted_storage.h"
#include "test_server.h"

namespace tcsync::conformance {
namespace {

class StorageOutcomesTest : public testing::Test {
 protected:
  StorageOutcomesTest()
      : script_(std::make_shared<Script>()),
        server_(OptionsFor("memory"), std::make_unique<ScriptedStorage>(script_)),
        replica_(server_) {
    version_ = replica_.Append(kNil);
  }

  // Answers to one request of each row while storage fails with `failure`.
  std::vector<HttpResponse> EveryRowFailing(absl::Status failure) {
    script_->Fail(std::move(failure));
    std::vector<HttpResponse> responses = {replica_.AddVersion(version_),
                                           replica_.GetChildVersion(kNil),
                                           replica_.AddSnapshot(version_), replica_.GetSnapshot()};
    script_->Fail(absl::OkStatus());
    return responses;
  }

  std::shared_ptr<Script> script_;
  TestServer server_;
  Replica replica_;
  std::string version_;
};

// If this fails, a moment's overload looks like a broken server, and clients do not try again.
TEST_F(StorageOutcomesTest, UnavailableIs503WithRetryAfter) {
  for (const HttpResponse& response : EveryRowFailing(absl::UnavailableError("too busy"))) {
    ExpectError(response, 503);
    int seconds = 0;
    EXPECT_TRUE(absl::SimpleAtoi(response.Header("Retry-After"), &seconds)) << response;
    EXPECT_GE(seconds, 1) << response;
  }
}

// If this fails, a full disk shows neither in the status nor in the log.
TEST_F(StorageOutcomesTest, AFullDiskIs507AndLogged) {
  const auto responses = EveryRowFailing(absl::ResourceExhaustedError("no space left on device"));
  ExpectError(responses[0], 507);
  ExpectError(responses[2], 507);
  bool logged = false;
  for (const std::string& message : server_.log().Messages(LogLevel::kWarning)) {
    logged = logged || absl::StrContains(message, "no space left on device");
  }
  EXPECT_TRUE(logged);
}

// If this fails, the operator does not learn of damaged data, or a stranger gets details of it.
TEST_F(StorageOutcomesTest, OtherFailuresAre500AndLogged) {
  const std::string detail = "checksum of 000017.sst";
  for (const absl::Status& failure :
       {absl::DataLossError(detail), absl::InternalError(detail), absl::UnknownError(detail)}) {
    for (const HttpResponse& response : EveryRowFailing(failure)) {
      ExpectError(response, 500);
      EXPECT_FALSE(absl::StrContains(response.body, detail)) << response;
    }
  }
  bool logged = false;
  for (const std::string& message : server_.log().Messages(LogLevel::kError)) {
    logged = logged || absl::StrContains(message, detail);
    EXPECT_EQ(message.find('\n'), std::string::npos) << "a message is one line: " << message;
  }
  EXPECT_TRUE(logged);
}

// If this fails, one failure makes the connection, or the client, unusable.
TEST_F(StorageOutcomesTest, AfterAFailureEverythingWorksAgain) {
  EveryRowFailing(absl::UnavailableError("too busy"));
  EveryRowFailing(absl::DataLossError("damaged"));
  replica_.Append(version_);
  EXPECT_EQ(replica_.Pull(kNil).size(), 2u);
}

// If this fails, a read that waits for the disk blocks its event loop, and with it every other
// connection of that loop.
TEST_F(StorageOutcomesTest, AWaitingReadDoesNotDelayOtherConnections) {
  script_->HoldReads();
  std::vector<HttpClient> waiting;
  for (const bool snapshot : {false, true, false, true}) {  // on every loop
    waiting.push_back(server_.Connect());
    ASSERT_TRUE(waiting.back().Send((snapshot ? GetSnapshotRequest(replica_.client_id())
                                              : GetChildVersionRequest(replica_.client_id(), kNil))
                                        .Serialize()));
  }
  ASSERT_TRUE(script_->WaitForHeldReads(waiting.size()));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(server_.Connect().Exchange(HttpRequest()).status, 200);
    version_ = replica_.Append(version_);
  }
  script_->ReleaseReads();
  EXPECT_EQ(waiting[0].ReadResponse().status, 200);
  EXPECT_EQ(waiting[1].ReadResponse().status, 404);
  EXPECT_EQ(waiting[2].ReadResponse().status, 200);
  EXPECT_EQ(waiting[3].ReadResponse().status, 404);
}

// If this fails, a ready answer overtakes one that was waited for, and a client takes one version
// for another.
TEST_F(StorageOutcomesTest, PipelinedAnswersWaitForAnEarlierRead) {
  script_->HoldReads();
  HttpClient client = server_.Connect();
  HttpRequest nowhere;
  nowhere.target = "/nowhere";
  ASSERT_TRUE(client.Send(GetChildVersionRequest(replica_.client_id(), kNil).Serialize() +
                          nowhere.Serialize() +
                          GetChildVersionRequest(replica_.client_id(), version_).Serialize() +
                          HttpRequest().Serialize()));
  ASSERT_TRUE(script_->WaitForHeldReads(1));
  script_->ReleaseReads();
  const HttpResponse first = client.ReadResponse();
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.Header("X-Version-Id"), version_);
  ExpectError(client.ReadResponse(), 404);
  EXPECT_EQ(client.ReadResponse().status, 404);
  EXPECT_EQ(client.ReadResponse().status, 200);
}

// If this fails, a server whose disk stalls accepts bodies that it cannot store, until they fill
// its memory and every client waits for its time limit.
TEST_F(StorageOutcomesTest, WritesAreRefusedBeforeTheirBodies) {
  script_->RefuseWrites(true);
  for (const HttpRequest& request : {AddVersionRequest(replica_.client_id(), version_),
                                     AddSnapshotRequest(replica_.client_id(), version_)}) {
    HttpClient client = server_.Connect();
    const HttpRequest announced = With(request, "Expect", "100-continue");
    const std::string message = announced.Serialize();
    ASSERT_TRUE(client.Send(message.substr(0, message.size() - announced.body.size())));
    const HttpResponse response = client.ReadResponse();
    ExpectError(response, 503);
    EXPECT_FALSE(response.Header("Retry-After").empty()) << response;
  }
  EXPECT_EQ(replica_.GetChildVersion(kNil).status, 200) << "reads still work";
  script_->RefuseWrites(false);
  replica_.Append(version_);
}

// If this fails, an answer goes to a closed connection: a crash that any client can cause by
// hanging up while its upload is being stored, or while its data is being read.
TEST_F(StorageOutcomesTest, AClientMayDisconnectWhileStorageWorks) {
  script_->HoldAppends();
  for (const bool abort : {false, true}) {
    HttpClient client = server_.Connect();
    ASSERT_TRUE(client.Send(AddVersionRequest(RandomId(), kNil).Serialize()));
    ASSERT_TRUE(script_->WaitForHeldAppends(1));
    client.Close(abort);
    EXPECT_EQ(server_.Connect().Exchange(HttpRequest()).status, 200);
    script_->ReleaseAppends();
    script_->HoldAppends();

    script_->HoldReads();
    HttpClient reader = server_.Connect();
    ASSERT_TRUE(reader.Send(GetChildVersionRequest(replica_.client_id(), kNil).Serialize()));
    ASSERT_TRUE(script_->WaitForHeldReads(1));
    reader.Close(abort);
    EXPECT_EQ(server_.Connect().Exchange(HttpRequest()).status, 200);
    script_->ReleaseReads();
  }
  script_->ReleaseAppends();
  replica_.Append(version_);
}

}  // namespace
}  // namespace tcsync::conformance

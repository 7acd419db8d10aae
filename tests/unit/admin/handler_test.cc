// The administration API over storage in memory, which fails on a test's command.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "admin/admin_handler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/admin/failing_storage.h"
#include "tests/unit/admin/whole_parts.h"

namespace tcsync::admin {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kClientText = "c11e4700-0000-4000-8000-000000000001";
const Uuid kClient = *Uuid::Parse(kClientText);

struct Answer {
  int status = 0;
  std::string body;

  Json json() const { return Json::parse(body, nullptr, false); }
  std::string error() const { return json().value("error", ""); }
};

class HandlerTest : public testing::Test {
 protected:
  Answer Ask(absl::string_view method, const std::string& path, absl::string_view body = {}) {
    const std::string target = absl::StrCat("/v1/admin/", path);
    http::Response response = handler_->Handle({method, target, {}}, body);
    return {response.status, std::move(response.body)};
  }

  // The job, once it has ended.
  Json WaitForJob(uint64_t number) {
    for (;;) {
      const Json job = Ask("GET", absl::StrCat("jobs/", number)).json();
      const std::string state = job.value("state", "");
      if (state != "waiting" && state != "running") return job;
      std::this_thread::yield();
    }
  }

  // Appends a version; returns its ID.
  Uuid Append(const Uuid& parent, const Uuid& client_id = kClient) {
    Uuid version_id;
    storage_.Append({.client_id = client_id,
                     .expected_parent = parent,
                     .segment = "segment",
                     .create_client = true,
                     .now_unix_seconds = 1'600'000'000},
                    [&](absl::StatusOr<AppendOutcome> outcome) {
                      version_id = std::get<Appended>(outcome.value()).version_id;
                    });
    return version_id;
  }

  WholeParts parts_;
  FailingStorage storage_;
  std::unique_ptr<AdminHandler> handler_ =
      std::make_unique<AdminHandler>(parts_.Common(), parts_.EngineOver(storage_));
};

// If this fails, a request without an engine crashes or touches a directory, or its refusal hides
// the mistake in its parameters.
TEST_F(HandlerTest, WithoutAnEngineOnlyTheOfflineRequestsAreAnswered) {
  handler_ = std::make_unique<AdminHandler>(parts_.Common(), parts_.Offline());
  EXPECT_EQ(Ask("GET", "clients").error(), "No data directory is open, which this needs.");
  EXPECT_THAT(Ask("GET", "clients?limit=many").error(), HasSubstr("'limit' is \"many\""));
  EXPECT_EQ(Ask("GET", "clients/somebody").status, 409);
  EXPECT_EQ(Ask("POST", "import", R"({"type":"client"})").status, 409);
  EXPECT_THAT(Ask("GET", "top").error(), HasSubstr("no client is served here"));
  EXPECT_THAT(Ask("POST", "log-level?level=info").error(), HasSubstr("nothing is logged here"));
  EXPECT_THAT(Ask("POST", "log-level?level=loud").error(), HasSubstr("'loud' is no level"));
  EXPECT_EQ(Ask("GET", "jobs").body, "{\"jobs\":[]}\n");
  EXPECT_EQ(Ask("POST", "reload").status, 200);
  EXPECT_EQ(Ask("GET", "backups?directory=/somewhere").error(), "there are no backups");
  EXPECT_EQ(Ask("POST", "backups/remove?directory=/somewhere&backup=1").status, 404);
  EXPECT_EQ(Ask("POST", "restore?directory=/somewhere").error(), "there are no backups");
  EXPECT_EQ(Ask("POST", "repair-log").json().at("damaged"), false);
}

// If this fails, an operator cannot tell a database without tables from one of another release.
TEST_F(HandlerTest, TheTablesOfADatabaseAreComparedWithTheRelease) {
  const struct {
    std::optional<int64_t> version;
    const char* name;
  } cases[] = {
      {std::nullopt, "unreadable"}, {0, "none"}, {2, "older"}, {3, "current"}, {4, "newer"}};
  for (const auto& each : cases) {
    parts_.database.tables_version = each.version;
    parts_.database.problem = "There is a problem.";
    handler_ = std::make_unique<AdminHandler>(parts_.Common(), parts_.Offline());
    const Json state = Ask("GET", "storage").json();
    EXPECT_EQ(state.at("tables"), each.name);
    EXPECT_EQ(state.at("tables_version").is_null(), !each.version.has_value());
    EXPECT_EQ(state.at("release_tables_version"), 3);
    EXPECT_EQ(state.at("problem"), "There is a problem.");
    EXPECT_EQ(state.at("warnings").size(), 1);
    const Json upgraded = Ask("POST", "storage/upgrade").json();
    EXPECT_EQ(upgraded.at("tables_before"), each.name);
    EXPECT_EQ(upgraded.at("tables"), "current");
    EXPECT_TRUE(upgraded.at("problem").is_null());
  }
}

// If this fails, a restore writes into a directory that a server has open.
TEST_F(HandlerTest, WithOpenDataNothingIsDoneThatNeedsItClosed) {
  for (const char* const path :
       {"restore?directory=/somewhere", "repair-log", "salvage?directory=/somewhere&output=/file",
        "backups/extract?directory=/somewhere&output=/file&client_id="
        "c11e4700-0000-4000-8000-000000000001"}) {
    EXPECT_EQ(Ask("POST", path).status, 409) << path;
  }
  EXPECT_EQ(Ask("GET", "storage").status, 409);
  EXPECT_EQ(Ask("POST", "storage/upgrade").status, 409);
  EXPECT_EQ(Ask("POST", "restore").error(), "'directory' is missing.");
}

// If this fails, an operator bans or deletes another client's history, or none.
TEST_F(HandlerTest, AClientIsFoundByEachOfItsNames) {
  const std::string first = "00000000-0000-0000-0000-00000000000a";
  const std::string twin = "abcdef01-0000-4000-8000-00000000000b";
  const std::string other_twin = "abcdef01-0001-4000-8000-00000000000c";
  const std::string last = "ffffffff-ffff-ffff-ffff-ffffffffffff";
  const std::string banned = "ba000000-0000-4000-8000-00000000000d";
  for (const std::string& id : {first, twin, other_twin, last}) Append({}, *Uuid::Parse(id));
  // More than one page of the storage.
  for (int i = 100; i < 250; ++i) {
    Append({}, *Uuid::Parse(absl::StrCat("dddddddd-0000-4000-8000-000000000", i)));
  }
  const std::string unknown = "0f0f0f0f-0000-4000-8000-00000000000e";
  for (const std::string& id : {banned, twin}) {
    ASSERT_EQ(Ask("POST", absl::StrCat("clients/", id, "/ban")).status, 200);
  }
  const struct {
    std::string name;
    int status;
    std::string expected;  // the client's ID, or a part of the sentence
  } cases[] = {
      {twin, 200, twin},
      {absl::AsciiStrToUpper(twin), 200, twin},
      {unknown, 200, unknown},
      {"ABCDEF01-0001", 200, other_twin},
      {"abcdef01-0000-4000-8000-00000000000", 200, twin},
      {"00000000", 200, first},
      {"ffffffff-", 200, last},
      {"ffffffff-ffff-ffff-ffff-fffffffffff", 200, last},
      {"ba000000", 200, banned},
      {"client-00000000000a", 200, first},
      {"client-000000000249", 200, "dddddddd-0000-4000-8000-000000000249"},
      {"Client-00000000000D", 200, banned},
      {"abcdef01", 409, "There are 2 clients whose ID begins with abcdef01: "},
      {"abcdef01", 409, absl::StrCat(twin, ", ", other_twin, ".")},
      {"dddddddd", 409, "There are 150 clients whose ID begins with dddddddd: "},
      {"dddddddd", 409, ", dddddddd-0000-4000-8000-000000000102 and others."},
      {"0f0f0f0f", 404, "There is no client whose ID begins with 0f0f0f0f."},
      {"ffffffff-fffe", 404, "There is no client"},
      {"client-00000000000e", 404, "There is no client called client-00000000000e."},
      {"client-", 404, "There is no client"},
      {"abcdef0", 400, "'abcdef0' is too short"},
      {"", 400, "'' is too short"},
      {"somebody", 400, "'somebody' is neither a client ID"},
      {"abcdef010000", 400, "neither"},
      {"abcdef01-0000-4000-8000-00000000000bb", 400, "neither"},
      {"abcdef01%20", 400, "'abcdef01 ' is neither"},
      {"%2F", 400, "'/' is neither"},
  };
  for (const auto& each : cases) {
    const Answer answer = Ask("POST", absl::StrCat("clients/", each.name, "/clear-token"));
    EXPECT_EQ(answer.status, each.status) << each.name << ": " << answer.body;
    if (each.status == 200) {
      EXPECT_EQ(answer.json().value("client_id", ""), each.expected) << each.name;
    } else {
      EXPECT_THAT(answer.error(), HasSubstr(each.expected)) << each.name;
    }
  }
  EXPECT_EQ(Ask("GET", absl::StrCat("clients/", unknown)).status, 404);
  EXPECT_EQ(Ask("GET", "clients/ba000000").status, 404) << "it has no history";
  EXPECT_EQ(Ask("DELETE", "clients/abcdef01").status, 409);
  EXPECT_EQ(Ask("DELETE", "clients/abcdef01-0001").json().at("client_id"), other_twin);
  EXPECT_EQ(Ask("GET", "clients/abcdef01").json().at("client_id"), twin);
  EXPECT_EQ(Ask("POST", "verify", R"({"client_id":"00000000"})").json().at("versions"), 1);
  EXPECT_THAT(Ask("GET", "access/export?client=client-00000000000d").body, HasSubstr(banned));
}

// If this fails, an operator relies on a ban that is not in force yet.
TEST_F(HandlerTest, AChangeTakesEffectOrSaysThatItDoesNot) {
  const std::string ban = absl::StrCat("clients/", kClientText, "/ban");
  EXPECT_EQ(Ask("POST", ban, R"({"reason":"why"})").status, 200);
  EXPECT_EQ(parts_.refreshes, 1);
  parts_.refresh_status = absl::InternalError("the disk is gone");
  const Answer answer = Ask("POST", ban);
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.error(), HasSubstr("is stored"));
  EXPECT_THAT(answer.error(), HasSubstr("the disk is gone"));
}

// If this fails, later requests about a client reveal its token.
TEST_F(HandlerTest, ATokenIsShownOnce) {
  Append(Uuid());
  const Answer answer = Ask("POST", absl::StrCat("clients/", kClientText, "/reset-token"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  const std::string token = answer.json().at("token");
  EXPECT_EQ(answer.json().at("path"), absl::StrCat("/i/", token));
  ASSERT_EQ(storage_.ReadAccessRecords().value().tokens.size(), 1u);
  const Answer shown = Ask("GET", absl::StrCat("clients/", kClientText));
  EXPECT_EQ(shown.json().at("token_since"), 1'700'000'000);
  EXPECT_THAT(shown.body, Not(HasSubstr(token)));
}

// If this fails, one damaged client hides the others, or damage looks like health.
TEST_F(HandlerTest, VerifyTellsOfDamageAndGoesOn) {
  Append(Uuid());
  EXPECT_EQ(Ask("POST", "verify").json().at("problems").size(), 0u);
  storage_.verify_status = absl::DataLossError("the record of version 1 fails its checksum");
  const Answer answer = Ask("POST", "verify");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.json().at("clients"), 1);
  EXPECT_EQ(answer.json().at("problems")[0].at("client_id"), kClientText);
  EXPECT_THAT(answer.body, HasSubstr("fails its checksum"));
  const Json job = WaitForJob(Ask("POST", "verify/files").json().at("job"));
  EXPECT_EQ(job.at("state"), "failed");
  EXPECT_THAT(job.at("error").get<std::string>(), HasSubstr("fails its checksum"));
  storage_.verify_status = absl::UnavailableError("closing down");
  EXPECT_EQ(Ask("POST", "verify").status, 503);
}

// The lines of an export.
std::string ExportOfOneVersion() {
  return absl::StrCat(
      R"({"type":"client","client_id":")", kClientText, "\"}\n",
      R"({"type":"version","version_id":"c11e4700-0000-4000-8000-00000000000a",)",
      R"("parent_version_id":"00000000-0000-0000-0000-000000000000","segment":"AAAA"})");
}

// If this fails, a change that PostgreSQL may or may not have made looks like a fault of the
// server, and a script does not repeat it.
TEST_F(HandlerTest, AnUnknownOutcomeIsToBeTriedAgain) {
  storage_.import_status = absl::DeadlineExceededError("it is unknown whether it was made");
  const Answer answer = Ask("POST", "import", ExportOfOneVersion());
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.error(), HasSubstr("unknown whether"));
}

// If this fails, a long backup cannot be stopped, or blocks all of administration.
TEST_F(HandlerTest, AJobIsCancelledWhileOthersAreAnswered) {
  std::atomic<bool> has_reported{false};
  storage_.backup = [&](const BackupRequest& request, Progress progress) {
    EXPECT_EQ(request.directory, "/backups");
    EXPECT_EQ(request.keep, 3u);
    while (progress(5, 10)) has_reported = true;
    return absl::StatusOr<BackupInfo>(absl::CancelledError("given up"));
  };
  const Answer started = Ask("POST", "backups", R"({"directory":"/backups","keep":3})");
  ASSERT_EQ(started.status, 202) << started.body;
  const uint64_t number = started.json().at("job");
  while (!has_reported) ASSERT_EQ(Ask("GET", "stats").status, 200);
  const Answer running = Ask("GET", absl::StrCat("jobs/", number));
  EXPECT_EQ(running.json().at("state"), "running");
  EXPECT_EQ(running.json().at("done"), 5);
  EXPECT_EQ(running.json().at("total"), 10);
  EXPECT_EQ(Ask("POST", absl::StrCat("jobs/", number, "/cancel")).status, 200);
  EXPECT_EQ(WaitForJob(number).at("state"), "cancelled");
}

// If this fails, the bytes of deleted clients stay, or many deletions cause as many compactions.
TEST_F(HandlerTest, RemovingBeginsACompactionAndAWaitingOneIsJoined) {
  std::atomic<int> begun{0};
  std::atomic<bool> may_end{false};
  storage_.compaction = [&](const CompactionRequest& request, CompactionProgress progress) {
    EXPECT_FALSE(request.everything);
    ++begun;
    while (!may_end && progress("waiting for the test", 1, 2)) std::this_thread::yield();
    return absl::StatusOr<CompactionReport>(
        CompactionReport{.removals = 1, .bytes_before = 500, .bytes_after = 100});
  };
  const auto delete_client = [&] {
    Append(Uuid());
    return Ask("DELETE", absl::StrCat("clients/", kClientText)).json().at("job").get<uint64_t>();
  };
  const uint64_t first = delete_client();
  for (;;) {
    const Json job = Ask("GET", absl::StrCat("jobs/", first)).json();
    if (job.at("state") == "running" && job.contains("doing")) {
      EXPECT_EQ(job.at("kind"), "compact");
      EXPECT_EQ(job.at("doing"), "waiting for the test");
      EXPECT_EQ(job.at("total"), 2);
      break;
    }
  }
  // The running compaction may have passed the bytes of a new removal already.
  const uint64_t second = delete_client();
  EXPECT_NE(second, first);
  EXPECT_EQ(delete_client(), second);
  EXPECT_EQ(Ask("POST", "prune").json().at("job"), second);
  EXPECT_EQ(Ask("POST", "prune", R"({"dry_run":true})").json().at("job"), nullptr);
  handler_->CompactIfNeeded();  // one is under way
  EXPECT_EQ(Ask("GET", "jobs").json().at("jobs").size(), 2u);
  may_end = true;
  EXPECT_EQ(WaitForJob(second).at("result").at("bytes_after"), 100);
  EXPECT_EQ(begun, 2);
  handler_->CompactIfNeeded();
  EXPECT_EQ(WaitForJob(second + 1).at("state"), "done");
}

// If this fails, an operator cannot recognise a full disk.
TEST_F(HandlerTest, ACompactionThatFailsSaysWhy) {
  storage_.compaction = [&](const CompactionRequest& request, CompactionProgress) {
    EXPECT_TRUE(request.everything);
    return absl::StatusOr<CompactionReport>(absl::ResourceExhaustedError("no room for it"));
  };
  const Answer started = Ask("POST", "compact", R"({"everything":true})");
  ASSERT_EQ(started.status, 202) << started.body;
  const Json job = WaitForJob(started.json().at("job"));
  EXPECT_EQ(job.at("state"), "failed");
  EXPECT_EQ(job.at("error"), "no room for it");
}

// If this fails, stopping a server waits for the end of a backup.
TEST_F(HandlerTest, TheEndCancelsWhatIsUnderWay) {
  storage_.backup = [&](const BackupRequest&, Progress progress) {
    while (progress(0, 1)) std::this_thread::yield();
    return absl::StatusOr<BackupInfo>(absl::CancelledError("given up"));
  };
  for (int i = 0; i < 3; ++i) Ask("POST", "backups", R"({"directory":"/backups"})");
  handler_.reset();
}

// If this fails, a script that requests a backup each second fills the memory.
TEST_F(HandlerTest, TooManyJobsAreRefused) {
  std::atomic<bool> may_end{false};
  storage_.backup = [&](const BackupRequest&, Progress progress) {
    while (!may_end && progress(0, 1)) std::this_thread::yield();
    return absl::StatusOr<BackupInfo>(BackupInfo{.backup_id = 1});
  };
  uint64_t accepted = 0;
  Answer answer;
  for (; accepted < 1000; ++accepted) {
    answer = Ask("POST", "backups", R"({"directory":"/backups"})");
    if (answer.status != 202) break;
  }
  EXPECT_EQ(answer.status, 503);
  EXPECT_LT(accepted, 1000u);
  may_end = true;
  EXPECT_EQ(WaitForJob(accepted).at("state"), "done");
  // Ended ones make room. This one must end as well: it uses `may_end`.
  answer = Ask("POST", "backups", R"({"directory":"/backups"})");
  ASSERT_EQ(answer.status, 202) << answer.body;
  EXPECT_EQ(WaitForJob(answer.json().at("job")).at("state"), "done");
}

// If this fails, the stored part of a page is unknown after an error.
TEST_F(HandlerTest, WhatAnImportHasStoredIsToldWhenItFails) {
  storage_.import_status = absl::ResourceExhaustedError("the disk is full");
  const Answer answer = Ask("POST", "import", ExportOfOneVersion());
  EXPECT_EQ(answer.status, 507);
  EXPECT_THAT(answer.error(), HasSubstr("the disk is full"));
  EXPECT_THAT(answer.error(), HasSubstr(kClientText));
  EXPECT_TRUE(answer.json().at("clients").empty());
}

// If this fails, versions that were removed meanwhile leave an unnoticed gap.
TEST_F(HandlerTest, AnExportThatCannotGoOnSaysSo) {
  Uuid parent;
  for (int i = 0; i < 3; ++i) parent = Append(parent);
  const std::string path = absl::StrCat("clients/", kClientText, "/export");
  EXPECT_EQ(Ask("GET", path).status, 200);
  EXPECT_EQ(Ask("GET", path + "?after=3").status, 200);
  EXPECT_EQ(Ask("GET", path + "?after=4").status, 409);
}

// If this fails, one request can take all the memory.
TEST_F(HandlerTest, ABodyIsBounded) {
  const Answer answer = Ask("POST", "import", std::string(100'001, ' '));
  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(answer.error(), HasSubstr("100000"));
}

// If this fails, a broken certificate is taken for a reloaded one.
TEST_F(HandlerTest, ReloadReportsWhatFailed) {
  EXPECT_EQ(Ask("POST", "reload").status, 200);
  parts_.reload_status = absl::InvalidArgumentError("no certificate in there");
  EXPECT_EQ(Ask("POST", "reload").status, 400);
}

// If this fails, the two sources of the paths in docs/administration.md differ.
TEST_F(HandlerTest, ParametersAreInTheQueryOrInTheBody) {
  EXPECT_EQ(Ask("POST", "prune?dry_run=true").json().at("dry_run"), true);
  EXPECT_EQ(Ask("POST", "prune", R"({"dry_run":true})").json().at("dry_run"), true);
  EXPECT_THAT(Ask("POST", "prune?dry_run=true", R"({"dry_run":true})").error(), HasSubstr("twice"));
  EXPECT_THAT(Ask("POST", "prune?dry_run=maybe").error(), HasSubstr("\"maybe\""));
  EXPECT_THAT(Ask("POST", "prune?dry%5Frun=%7Z").error(), HasSubstr("percent"));
  EXPECT_EQ(Ask("POST", "prune?dry%5Frun=tru%65").status, 200);
  EXPECT_THAT(Ask("POST", "prune", R"({"retention_days":36501})").error(), HasSubstr("36501"));
  EXPECT_THAT(Ask("POST", "prune", R"([])").error(), HasSubstr("JSON object"));
}

}  // namespace
}  // namespace tcsync::admin

// An operator's commands, against answers that a server gives seldom. If these fail, a script takes
// a failure for success, or a person reads the words of a parser.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/administration/admin_client.h"
#include "server/administration/temporary_directory.h"
#include "server/administration/verification.h"
#include "tests/unit/server/fake_server.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// A client that is damaged, with text that would steer a terminal.
constexpr char kDamagedClient[] =
    R"({"client_id":"c1","pseudonym":null,"versions":0,"history_bytes":0,"snapshot":null,)"
    R"("latest_appended":null,"last_seen":null,"ban":{"reason":"\u202ex","since":-1},)"
    R"("token_since":5,"replicas_ahead":[{}],"accepts_diverged":true,"problem":"a\u001b[2J\nb"})";

TEST(CommandsTest, WhatIsInvalidIsRefusedBeforeAnyRequest) {
  const struct {
    std::vector<std::string> words;
    const char* message;
  } cases[] = {
      {{"clients", "export"}, "clients export needs either a client or --all"},
      {{"clients", "export", "a", "--all"}, "clients export needs either a client or --all"},
      {{"clients", "accept-diverged"}, "needs either a client or --all-with-one-replica-ahead"},
      {{"clients", "accept-diverged", "a", "--all-with-one-replica-ahead"}, "needs either"},
      {{"clients", "accept-diverged", "a", "--dry-run"}, "--dry-run is for"},
      {{"clients", "rewind", "a"}, "clients rewind needs --to VERSION"},
      {{"clients", "restore", "a"}, "clients restore needs --from DIR"},
      {{"salvage", "a"}, "salvage needs --output FILE"},
      {{"top", "--limit", "0"}, "--limit: '0' is not a whole number from 1 to 64"},
      {{"top", "--limit", "65"}, "from 1 to 64"},
      {{"backup", "a", "--keep", "0"}, "--keep: '0' is not"},
      {{"backups", "a", "--remove", "1,,2"}, "--remove: '' is not"},
      {{"backups", "a", "--remove", ",1"}, "--remove: '' is not"},
      {{"backups", "a", "--remove", "1, 2"}, "--remove: ' 2' is not"},
      {{"backups", "a", "--remove", "1-3"}, "--remove: '1-3' is not"},
      {{"restore", "a", "--backup", "4294967296"}, "--backup: '4294967296' is not"},
      {{"invites", "create", "--uses=-1"}, "--uses: '-1' is not"},
      {{"invites", "create", "--expires-days", "36501"}, "from 0 to 36500"},
  };
  const TemporaryDirectory directory("tcsync-test");
  const FakeServer server(directory.path(), HttpReply(500, ""));
  for (const auto& each : cases) {
    const Outcome outcome = RunCommand(each.words, directory.path());
    EXPECT_EQ(outcome.status, kExitUsage) << testing::PrintToString(each.words);
    EXPECT_THAT(outcome.message, HasSubstr(each.message));
    EXPECT_EQ(outcome.output, "");
  }
  EXPECT_THAT(server.requests(), IsEmpty());
}

// If this fails, a command for a server of another release ends with "json.exception" alone.
TEST(CommandsTest, AnAnswerOfAnotherShapeIsNamedAsThat) {
  const std::vector<std::vector<std::string>> commands = {
      {"clients", "list"},
      {"clients", "list", "--banned"},
      {"clients", "show", "c1"},
      {"clients", "ban", "c1"},
      {"clients", "delete", "c1", "--yes"},
      {"clients", "versions", "c1"},
      {"clients", "rewind", "c1", "--to", "1", "--yes"},
      {"clients", "export", "--all"},
      {"clients", "reset-token", "c1"},
      {"invites", "list"},
      {"invites", "create"},
      {"stats"},
      {"verify"},
      {"verify", "c1"},
      {"prune", "--yes"},
      {"backup", "/b"},
      {"compact"},
      {"top"},
      {"options-in-force"},
      {"log-level"},
      {"repair-log", "--acknowledge", "--yes"},
  };
  for (const char* const body : {"{}", "[]", "5", "null", R"({"clients":{"a":1},"client_id":7})"}) {
    const TemporaryDirectory directory("tcsync-test");
    const FakeServer server(directory.path(), HttpReply(200, body));
    for (const std::vector<std::string>& words : commands) {
      const Outcome outcome = RunCommand(words, directory.path());
      if (words[0] == "repair-log") continue;  // prints no part of the answer
      EXPECT_EQ(outcome.status, kExitFailure) << testing::PrintToString(words) << body;
      EXPECT_THAT(outcome.message, AllOf(StartsWith("the server's answer is not as expected ("),
                                         HasSubstr("is it of another release?")))
          << testing::PrintToString(words) << body;
    }
  }
}

TEST(CommandsTest, ARefusalKeepsItsSentenceAndItsExitStatus) {
  const TemporaryDirectory directory("tcsync-test");
  for (const auto& [http_status, exit_status] : std::vector<std::pair<int, int>>{
           {400, kExitUsage}, {404, kExitFailure}, {503, kExitFailure}}) {
    const FakeServer server(directory.path(), HttpReply(http_status, R"({"error":"Not now."})"));
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"clients", "list"},
                                               {"clients", "unban", "x"},
                                               {"invites", "revoke", "x"},
                                               {"stats"},
                                               {"verify"},
                                               {"prune", "--dry-run"},
                                               {"compact"},
                                               {"log-level", "debug"}}) {
      const Outcome outcome = RunCommand(words, directory.path());
      EXPECT_EQ(outcome.status, exit_status) << testing::PrintToString(words);
      EXPECT_EQ(outcome.message, "Not now.");
      EXPECT_EQ(outcome.output, "");
    }
  }
}

TEST(CommandsTest, ADamagedClientIsARowLikeTheOthers) {
  const TemporaryDirectory directory("tcsync-test");
  const FakeServer server(
      directory.path(),
      HttpReply(200, std::string(R"({"next":null,"clients":[)") + kDamagedClient + "]}"));
  const Outcome outcome = RunCommand({"clients", "list"}, directory.path());
  EXPECT_EQ(outcome.message, "");
  EXPECT_EQ(outcome.output,
            "CLIENT ID  IN THE LOG  VERSIONS  HISTORY  SNAPSHOT  APPENDED  SEEN  NOTES\n"
            "c1         -                  0      0 B  none             -  -     banned, token, "
            "replicas ahead, accepts diverged, damaged\n");
  EXPECT_THAT(RunCommand({"clients", "list", "--json"}, directory.path()).output,
              HasSubstr(R"("problem":"a\u001b[2J\nb")"));
}

TEST(CommandsTest, ForeignTextIsShownInOneLine) {
  const TemporaryDirectory directory("tcsync-test");
  {
    const FakeServer server(directory.path(), HttpReply(200, kDamagedClient));
    EXPECT_EQ(RunCommand({"clients", "show", "c1"}, directory.path()).output,
              "client ID          c1\n"
              "in the log         -\n"
              "damaged            a?[2J?b; 'tcsync-server verify' says more\n");
  }
  const FakeServer server(
      directory.path(),
      HttpReply(200, R"({"bans":[{"client_id":"c","pseudonym":null,"since":9000000000000000,)"
                     R"("reason":"x\n\u202ey"}]})"));
  EXPECT_EQ(RunCommand({"clients", "list", "--banned"}, directory.path()).output,
            "CLIENT ID  IN THE LOG  BANNED  REASON\n"
            "c          -              now  x??y\n");
}

// If this fails, a nightly check of the data is green over damage.
TEST(CommandsTest, VerifyFailsForProblemsAndNotForNotes) {
  const std::string page =
      R"({"clients":1,"versions":2,"bytes":3,"next":null,"notes":[{"client_id":"c","notes":["n\n"]}],)";
  const struct {
    std::string problems;
    int status;
    const char* end;
  } cases[] = {
      {R"("problems":[]})", 0, "1 client, 2 versions, 3 B: complete and intact; a note is"},
      {R"("problems":[{"client_id":"c","problems":["p\u001b"]}]})", kExitFailure,
       "c: p?\n1 client, 2 versions, 3 B: there are problems\n"},
  };
  for (const auto& each : cases) {
    const TemporaryDirectory directory("tcsync-test");
    const FakeServer server(directory.path(), HttpReply(200, page + each.problems));
    const Outcome outcome = RunCommand({"verify", "c"}, directory.path());
    EXPECT_EQ(outcome.status, each.status);
    EXPECT_THAT(outcome.output, StartsWith("note: c: n?\n"));
    EXPECT_THAT(outcome.output, HasSubstr(each.end));
    EXPECT_EQ(RunCommand({"verify", "c", "--json"}, directory.path()).status, each.status);
  }
}

// If this fails, strangers can fill the screen with notes, so that nobody sees the problem.
TEST(VerificationTest, OfManyNotesTheFirstAreShown) {
  Verification verification;
  for (int i = 0; i < 30; ++i) {
    verification.notes.push_back({{"client_id", "c"}, {"notes", {"one", "two"}}});
  }
  verification.files_problem = "checksum\nwrong";
  testing::internal::CaptureStdout();
  verification.Print();
  const std::string output = testing::internal::GetCapturedStdout();
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 23);
  EXPECT_THAT(output, HasSubstr("note: and 40 notes more, which --json shows\n"
                                "files: checksum?wrong\n"
                                "0 clients, 0 versions, 0 B: there are problems\n"));
  EXPECT_THAT(verification.json().at("notes"), SizeIs(30));
  EXPECT_TRUE(verification.HasProblems());
}

// If this fails, an operator who has typed a number twice is told that there is no such backup, and
// does not know what was removed.
TEST(CommandsTest, ABackupThatIsNamedTwiceIsRemovedOnce) {
  const TemporaryDirectory directory("tcsync-test");
  const std::string data_dir = directory.path() + "/data";
  const std::string backups = directory.path() + "/backups";
  ASSERT_EQ(RunCommand({"invites", "create"}, data_dir).message, "");
  ASSERT_EQ(RunCommand({"backup", backups}, data_dir).message, "");
  ASSERT_EQ(RunCommand({"backup", backups}, data_dir).message, "");
  const Outcome unknown = RunCommand({"backups", backups, "--remove", "1,9", "--yes"}, data_dir);
  EXPECT_EQ(unknown.status, kExitFailure);
  EXPECT_THAT(unknown.message,
              AllOf(StartsWith("there is no backup 9 in "), HasSubstr("and nothing was removed")));
  const Outcome outcome =
      RunCommand({"backups", backups, "--remove", "1,01,1,", "--yes", "--json"}, data_dir);
  EXPECT_EQ(outcome.message, "");
  EXPECT_EQ(Json::parse(outcome.output).at("backup"), 2) << "one is left";
}

}  // namespace
}  // namespace tcsync::server

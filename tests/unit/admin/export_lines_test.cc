// The lines of an export. If these fail, an edited or truncated file is imported with another
// meaning, or the error does not name the faulty line.
#include "admin/export_lines.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tcsync::admin {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kNow = 1'700'000'000;
// In the lines of these tests A, B and C are version IDs, and ME is the client.
constexpr char kMe[] = "c11e4700-0000-4000-8000-000000000001";
constexpr char kClient[] = R"({"type":"client","client_id":ME})";

std::string Line(absl::string_view text) {
  return absl::StrCat(
      absl::StrReplaceAll(text, {{"ME", absl::StrCat("\"", kMe, "\"")},
                                 {"'A'", "\"00000000-0001-8000-8000-00000000000a\""},
                                 {"'B'", "\"00000000-0002-8000-8000-00000000000b\""},
                                 {"'C'", "\"00000000-0003-8000-8000-00000000000c\""},
                                 {"'NIL'", "\"00000000-0000-0000-0000-000000000000\""}}),
      "\n");
}

absl::StatusOr<ExportPage> Parsed(const std::vector<std::string>& lines) {
  std::string page;
  for (const std::string& line : lines) page += Line(line);
  return ParseExportLines(page, kNow);
}

// If this fails, the import of one client is split, and a failure leaves a part of it.
TEST(ExportLinesTest, AClientIsOneRequest) {
  const auto page = Parsed(
      {R"({"type":"client","client_id":ME,"created":5})",
       R"({"type":"version","version_id":'A',"parent_version_id":'NIL',"segment":"c2VhbGVk","appended":7})",
       kClient,  // as where two pages were concatenated
       R"({"type":"version","version_id":'B',"parent_version_id":'A',"segment":"c2VhbGVk"})",
       R"({"type":"snapshot","version_id":'B',"snapshot":"c25hcHNob3Q="})"});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->requests.size(), 1u);
  const ImportRequest& request = page->requests.front();
  EXPECT_EQ(request.created_unix_seconds, 5);
  ASSERT_EQ(request.versions.size(), 2u);
  EXPECT_EQ(request.versions[0].version.segment, "sealed");
  EXPECT_EQ(request.versions[0].appended_unix_seconds, 7);
  EXPECT_EQ(request.versions[1].appended_unix_seconds, kNow) << "a time that is not given is now";
  ASSERT_TRUE(request.snapshot.has_value());
  EXPECT_EQ(request.snapshot->snapshot.bytes, "snapshot");
}

// If this fails, an import of an empty file fails, or makes clients without a history.
TEST(ExportLinesTest, EmptyLinesAndAClientAloneAreNothing) {
  for (const std::string& page : {std::string(), std::string("\n\n"), Line(kClient)}) {
    const auto parsed = ParseExportLines(page, kNow);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(parsed->requests.empty());
  }
}

// If this fails, an operator has to search a large file for the faulty line.
TEST(ExportLinesTest, AMistakeIsNamedWithItsLine) {
  const char* const version =
      R"({"type":"version","version_id":'A',"parent_version_id":'NIL',"segment":"c2VhbGVk"})";
  const char* const snapshot = R"({"type":"snapshot","version_id":'A',"snapshot":"c2VhbGVk"})";
  const char* const replicas = R"({"type":"replicas","positions":[],"ahead":[]})";
  const struct {
    std::vector<std::string> lines;
    const char* message;
  } cases[] = {
      {{"[]"}, "it is not one JSON object"},
      {{R"({"type":"client","client_id":ME)"}, "it is not one JSON object"},
      {{R"({"client_id":ME})"}, "'type' is missing"},
      {{R"({"type":"vresion"})"}, "its type is 'vresion'"},
      {{version}, "no client line is before it"},
      {{R"({"type":"client","client_id":'NIL'})"}, "the nil UUID, which no client has"},
      {{R"({"type":"client","client_id":"me"})"}, "'client_id' is \"me\", which is not a UUID"},
      {{R"({"type":"client","client_id":ME,"colour":"red"})"}, "There is no parameter 'colour'"},
      {{R"({"type":"client","client_id":ME,"created":-1})"}, "a whole number"},
      {{kClient, version,
        R"({"type":"version","version_id":'C',"parent_version_id":'B',"segment":"c2VhbGVk"})"},
       "but the version before it is"},
      {{kClient,
        R"({"type":"version","version_id":'NIL',"parent_version_id":'A',"segment":"c2VhbGVk"})"},
       "its version_id is the nil UUID"},
      {{kClient, R"({"type":"version","version_id":'A',"parent_version_id":'NIL',"segment":""})"},
       "its segment is empty"},
      {{kClient, R"({"type":"version","version_id":'A',"parent_version_id":'NIL',"segment":"*"})"},
       "its segment is not base64"},
      {{kClient,
        R"({"type":"version","version_id":'A',"parent_version_id":'NIL',"segment_bytes":0})"},
       "its segment is empty"},
      {{kClient,
        R"({"type":"version","version_id":'A',"parent_version_id":'NIL',"segment_bytes":99999999999})"},
       "a whole number from 0 to"},
      {{kClient, snapshot, version}, "it comes after the client's snapshot"},
      {{kClient, snapshot, snapshot}, "second snapshot"},
      {{kClient, replicas, replicas}, "second replicas line"},
      {{kClient, version, R"({"type":"piece","piece":0,"bytes":"c2VhbGVk"})"},
       "does not follow the line"},
      {{kClient, R"({"type":"snapshot","version_id":'A',"snapshot_bytes":12})",
        R"({"type":"piece","piece":1,"bytes":"c2VhbGVk"})"},
       "piece 1 does not follow"},
      {{kClient, R"({"type":"piece","piece":0,"bytes":""})"}, "it has 0 bytes"},
      {{R"({"type":"token","client_id":ME,"digest":"secret-token"})"},
       "its digest has 12 characters"},
      {{R"({"type":"ban","client_id":ME,"reason":"two\nlines"})"}, "'reason' must be one line"},
      {{R"({"type":"ban","reason":"no client"})"}, "'client_id' is missing"},
  };
  for (const auto& each : cases) {
    const auto page = Parsed(each.lines);
    ASSERT_FALSE(page.ok()) << each.message;
    EXPECT_EQ(page.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(page.status().message()),
                AllOf(HasSubstr(absl::StrCat("Line ", each.lines.size())), HasSubstr(each.message),
                      Not(HasSubstr("secret-token"))));
  }
}

// If this fails, bans and tokens do not survive a move to another server.
TEST(ExportLinesTest, AccessIsTheSameAfterARoundTrip) {
  TokenDigest digest{};
  for (size_t i = 0; i < digest.size(); ++i) digest[i] = static_cast<uint8_t>(i * 7);
  const Uuid me = *Uuid::Parse(kMe);
  const std::string lines = absl::StrCat(
      BanLine({.client_id = me, .reason = "\"quoted\" \\ \xe2\x82\xac", .since_unix_seconds = 3}),
      TokenLine({.client_id = me, .digest = digest, .since_unix_seconds = 4}),
      InviteLine({.digest = digest,
                  .label = "testers",
                  .created_unix_seconds = 5,
                  .expires_unix_seconds = 6,
                  .uses_max = 7,
                  .uses = 8}));
  const auto page = ParseExportLines(lines, kNow);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->access.bans.size(), 1u);
  EXPECT_EQ(page->access.bans[0].reason, "\"quoted\" \\ \xe2\x82\xac");
  ASSERT_EQ(page->access.tokens.size(), 1u);
  EXPECT_EQ(page->access.tokens[0].digest, digest);
  ASSERT_EQ(page->access.invites.size(), 1u);
  EXPECT_EQ(absl::StrCat(BanLine(page->access.bans[0]), TokenLine(page->access.tokens[0]),
                         InviteLine(page->access.invites[0])),
            lines);
}

// If this fails, the new server prunes versions that a slow computer still needs.
TEST(ExportLinesTest, WhereReplicasAreIsTheSameAfterARoundTrip) {
  const ImportRequest::ImportedReplicas replicas{
      .positions = {{.day_unix_seconds = 86'400, .version_id = *Uuid::Parse(kMe)}},
      .ahead = {{.version_id = *Uuid::Parse(kMe), .last_seen_unix_seconds = 9}},
      .accepts_diverged = true};
  const std::string line = ReplicasLine(replicas);
  const auto page = ParseExportLines(Line(kClient) + line, kNow);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->requests.size(), 1u);
  ASSERT_TRUE(page->requests[0].replicas.has_value());
  EXPECT_EQ(ReplicasLine(*page->requests[0].replicas), line);
}

// If this fails, a computer that was shut out is back at the next server, or another one is out.
TEST(ExportLinesTest, DevicesAreTheSameAfterARoundTrip) {
  ClientDevices devices;
  devices.requires_token = true;
  devices.tokenless_last_seen_unix_seconds = 20'000 * 86'400;
  Device first;
  first.digest.fill(0xab);
  first.since_unix_seconds = 7;
  first.label = std::string("\0\xff sealed", 9);
  Device second = first;
  second.digest.fill(0x01);
  second.minted_by = first.id();
  second.last_seen_unix_seconds = 20'001 * 86'400;
  devices.devices = {first, second};
  devices.revoked = {{1, 2, 3, 4, 5, 6}};
  const auto page = ParseExportLines(Line(kClient) + DevicesLine(devices), kNow);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->devices.size(), 1u);
  EXPECT_EQ(page->devices[0].first.ToString(), kMe);
  const ClientDevices& read = page->devices[0].second;
  EXPECT_EQ(DevicesLine(read), DevicesLine(devices));
  EXPECT_EQ(read.devices[0].label, first.label);
  EXPECT_EQ(read.devices[1].minted_by, first.id());
  EXPECT_EQ(read.revoked, devices.revoked);
  EXPECT_TRUE(page->requests.empty());
}

TEST(ExportLinesTest, WrongDevicesAreRefused) {
  const std::string digest(64, 'a');
  const auto devices = [&](absl::string_view list, absl::string_view revoked = "[]") {
    return Parsed({kClient, absl::StrCat(R"({"type":"devices","requires_token":true,"devices":)",
                                         list, R"(,"revoked":)", revoked, "}")});
  };
  const auto device = [&](absl::string_view members) {
    return devices(absl::StrCat(R"([{"digest":")", digest, R"(",)", members, "}]"));
  };
  EXPECT_TRUE(device(R"("label":"eA==")").ok());
  EXPECT_THAT(std::string(device(R"("label":"")").status().message()), HasSubstr("1 to 512"));
  EXPECT_THAT(std::string(device(R"("label":"?")").status().message()), HasSubstr("base64"));
  EXPECT_THAT(std::string(device(R"("label":"eA==","minted_by":"ABC")").status().message()),
              HasSubstr("12 hexadecimal digits"));
  EXPECT_FALSE(devices(R"([{"digest":"abc","label":"eA=="}])").ok());
  EXPECT_FALSE(devices("{}").ok());
  EXPECT_FALSE(devices("[]", R"([{"device":"0123456789"}])").ok());
  const std::string one = absl::StrCat(R"({"digest":")", digest, R"(","label":"eA=="})");
  EXPECT_THAT(std::string(devices(absl::StrCat("[", one, ",", one, "]")).status().message()),
              HasSubstr("twice"));
  EXPECT_THAT(
      std::string(Parsed({R"({"type":"devices","devices":[],"revoked":[]})"}).status().message()),
      HasSubstr("no client line"));
}

}  // namespace
}  // namespace tcsync::admin

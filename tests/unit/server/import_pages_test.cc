// An import on its way to the server, in pages. If these fail, a large or a cut file stops the
// import with the words of a C++ library, or a segment arrives changed.
#include "server/administration/import_pages.h"

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/administration/import_file.h"
#include "server/administration/temporary_directory.h"
#include "tests/unit/server/fake_server.h"
#include "tests/unit/server/outcome.h"

namespace tcsync::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr size_t kMiB = size_t{1} << 20;
constexpr char kClient[] = R"({"type":"client","client_id":"c"})";

FakeServer::Reply Stored() { return HttpReply(200, R"({"clients":[]})"); }

// The pages in which `lines` arrive, the first of which is a client's.
std::vector<std::string> PagesOf(const std::vector<std::string>& lines) {
  const TemporaryDirectory directory("tcsync-test");
  const FakeServer server(directory.path(), Stored());
  AdminClient client({{"data-dir", directory.path()}}, DataDirectory::kMustExist);
  ImportPages pages(client);
  bool is_first = true;
  for (const std::string& line : lines) {
    is_first ? pages.AddClient(line, "here") : pages.AddLine(line, "here");
    is_first = false;
  }
  pages.Finish();
  std::vector<std::string> bodies;
  for (const FakeServer::Request& request : server.requests()) bodies.push_back(request.body);
  return bodies;
}

std::vector<std::string> LinesOf(const std::string& page) {
  std::vector<std::string> lines;
  std::istringstream text(page);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(ImportPagesTest, NothingIsNoPage) { EXPECT_THAT(PagesOf({}), IsEmpty()); }

TEST(ImportPagesTest, SmallLinesShareAPage) {
  EXPECT_THAT(PagesOf({kClient, "{}", "", "not json"}),
              ElementsAre(std::string(kClient) + "\n{}\n\nnot json\n"));
}

TEST(ImportPagesTest, EveryPageBeginsWithTheClientOfItsLines) {
  const std::string line(400'000, 'x');
  const std::vector<std::string> pages = PagesOf({kClient, line, line, line, line, line});
  ASSERT_THAT(pages, SizeIs(3));
  for (const std::string& page : pages) {
    EXPECT_THAT(page, StartsWith(std::string(kClient) + "\n"));
    EXPECT_LE(page.size(), kMiB + sizeof(kClient));
  }
}

TEST(ImportPagesTest, ALargeSegmentIsSentInPiecesOfTheSameBytes) {
  for (const std::string name : {"segment", "snapshot"}) {
    for (const std::string padding : {"", "=", "=="}) {
      std::string text;
      while (text.size() < 3 * kMiB)
        text += "abcdefghijklmnopqrstuvw" + std::to_string(text.size());
      text.resize(3 * kMiB - padding.size());
      text += padding;
      std::vector<std::string> lines;
      for (const std::string& page :
           PagesOf({kClient, R"({"type":"v",")" + name + R"(":")" + text + R"(","more":1})"})) {
        EXPECT_LE(page.size(), kMiB + sizeof(kClient));
        for (const std::string& line : LinesOf(page)) {
          if (line != kClient) lines.push_back(line);
        }
      }
      ASSERT_GT(lines.size(), 1u);
      const size_t bytes = text.size() / 4 * 3 - padding.size();
      EXPECT_EQ(lines[0], R"({"type":"v",")" + name + R"(_bytes":)" + std::to_string(bytes) +
                              R"(,"more":1})");
      std::string joined;
      for (size_t i = 1; i < lines.size(); ++i) {
        const Json piece = Json::parse(lines[i]);
        EXPECT_EQ(piece.at("type"), "piece");
        EXPECT_EQ(piece.at("piece"), i - 1);
        joined += piece.at("bytes").get<std::string>();
      }
      EXPECT_EQ(joined, text) << name << padding;
    }
  }
}

// The server has the words for these.
TEST(ImportPagesTest, ALongLineThatIsNoSegmentIsSentAsItIs) {
  const std::string text(3 * kMiB, 'A');
  for (const std::string& line : {
           text,
           R"({"segment":")" + text,                      // cut in half
           R"({"segment":")" + text.substr(1) + R"("})",  // no whole groups
           R"({"segment":"","other":")" + text + R"("})",
           R"({"segment":)" + text + R"(})",
           R"({"\"segment\":\"":")" + text + R"("})",
       }) {
    const std::vector<std::string> pages = PagesOf({kClient, line});
    ASSERT_FALSE(pages.empty());
    EXPECT_EQ(LinesOf(pages.back()).back(), line) << line.substr(0, 40);
  }
}

TEST(ImportFileTest, TheFaultyPageIsNamedWithWhatIsStored) {
  const TemporaryDirectory directory("tcsync-test");
  int requests = 0;
  const FakeServer server(directory.path(), [&requests](const FakeServer::Request&) {
    if (++requests > 1) return HttpReply(400, R"({"error":"line 1 is cut."})");
    return HttpReply(
        200,
        R"({"clients":[{"client_id":"c","versions_added":2,"versions_present":0,"snapshot_stored":true}]})");
  });
  AdminClient client({{"data-dir", directory.path()}}, DataDirectory::kMustExist);
  std::istringstream input(std::string(kClient) + "\r\n" + std::string(kMiB, 'x') + "\n{\"cut");
  std::vector<std::string> asked;
  const Outcome outcome = OutcomeOf([&] {
    ImportLines(client, input, "the file", 0, [&](const std::string& id) { asked.push_back(id); });
  });
  EXPECT_THAT(asked, ElementsAre("c"));
  EXPECT_EQ(outcome.status, kExitFailure);
  EXPECT_EQ(outcome.message,
            "the page from line 2 of the file on: line 1 is cut. (Stored before it: 1 client: 2 "
            "versions added, 0 were here already, 1 snapshot stored.)");
}

TEST(ImportFileTest, OnlyALineThatNamesAClientIsAsked) {
  const TemporaryDirectory directory("tcsync-test");
  const FakeServer server(directory.path(), Stored());
  AdminClient client({{"data-dir", directory.path()}}, DataDirectory::kMustExist);
  std::istringstream input(
      "\n"
      "null\n"
      "[\"client\"]\n"
      "{\"type\":\"client\"}\n"
      "{\"type\":\"client\",\"client_id\":5}\n"
      "{\"type\":[\"client\"],\"client_id\":\"a\"}\n"
      "{\"client_id\":\"b\",\"type\":\"client\"}\n" +
      std::string(1000, '[') + "\n");
  std::vector<std::string> asked;
  const ImportTotals totals = ImportLines(client, input, "the file", 0,
                                          [&](const std::string& id) { asked.push_back(id); });
  EXPECT_THAT(asked, ElementsAre("b"));
  EXPECT_EQ(totals.Sentence(),
            "0 clients: 0 versions added, 0 were here already, 0 snapshots stored");
}

TEST(ImportTotalsTest, AdmissionIsThereOnceItWasImported) {
  ImportTotals totals;
  totals.Add({.clients = 1, .versions_added = 1});
  EXPECT_FALSE(totals.json().contains("bans_added"));
  totals.Add({.has_access = true, .bans_added = 2, .tokens_added = 1});
  totals.Add({.clients = 1, .versions_present = 3});
  EXPECT_EQ(totals.Sentence(),
            "2 clients: 1 version added, 3 were here already, 0 snapshots stored; 2 bans, 1 token "
            "and 0 invites added");
  EXPECT_EQ(totals.json().at("bans_added"), 2);
}

}  // namespace
}  // namespace tcsync::server

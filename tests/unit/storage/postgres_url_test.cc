// Connection strings that do not work. If these fail, a password gets into a log, or an operator is
// left without a hint.
#include <chrono>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "storage/postgres/schema.h"
#include "tests/missing_prerequisite.h"
#include "tests/postgres/postgres_database.h"
#include "tests/unit/storage/postgres_faults.h"

namespace tcsync {
namespace {

struct BrokenUrl {
  const char* name;
  const char* url;     // SOCKETS is the directory of the cluster's socket
  const char* reason;  // a part of the message

  friend std::ostream& operator<<(std::ostream& out, const BrokenUrl& url) {
    return out << url.name;
  }
};

// The passwords are made of the words secret and hidden.
const BrokenUrl kBrokenUrls[] = {
    {"Empty", "postgresql://u:secret@", ""},
    {"NoUrl", "secret", "postgres-url"},
    {"UnknownHost", "postgresql://u:secret@host.invalid/db", "host.invalid"},
    {"ClosedPort", "postgresql://u:secret@127.0.0.1:1/db", "refused"},
    {"PortOfNoNumber", "postgresql://u:secret@127.0.0.1:http/db", "postgres-url"},
    {"LargePort", "postgresql://u:secret@127.0.0.1:99999/db", "port"},
    {"AtInPassword", "postgresql://u:secret@hidden@127.0.0.1:1/db", "postgres-url"},
    {"AtInPasswordOfHosts", "postgresql://u:secret@hidden@127.0.0.1:1,127.0.0.1:2/db",
     "postgres-url"},
    {"SlashInPassword", "postgresql://u:secret/hidden@127.0.0.1:1/db", "postgres-url"},
    {"SlashAfterDigits", "postgresql://127.0.0.1:1/hidden@127.0.0.1/db", "postgres-url"},
    {"QuestionMarkInPassword", "postgresql://u:secret?hidden@127.0.0.1:1/db", "refused"},
    {"HashInPassword", "postgresql://u:secret#hidden@127.0.0.1:1/db", ""},
    {"PercentInPassword", "postgresql://u:secret%zz@127.0.0.1:1/db", "postgres-url"},
    {"SpaceInKeywords", "host=127.0.0.1 port=1 password=secret hidden", "postgres-url"},
    {"OpenQuote", "host=127.0.0.1 port=1 password='secret hidden", "postgres-url"},
    {"WrongKeyword", "host=127.0.0.1 port=1 passwort=secret", "postgres-url"},
    {"PasswordAsParameter", "postgresql://127.0.0.1:1/db?user=u&password=secret", "refused"},
    {"UnknownSessionAttributes", "postgresql://u:secret@127.0.0.1:1/db?target_session_attrs=master",
     "target_session_attrs"},
    {"WrongDatabase", "host=SOCKETS user=postgres password=secret dbname=none",
     "database \"none\" does not exist"},
    {"WrongRole", "host=SOCKETS user=nobody-of-that-name password=secret dbname=postgres",
     "nobody-of-that-name"},
    {"NoTables", "host=SOCKETS user=postgres password=secret dbname=template1", "storage upgrade"},
};

class PostgresUrlTest : public testing::TestWithParam<BrokenUrl> {};

INSTANTIATE_TEST_SUITE_P(Urls, PostgresUrlTest, testing::ValuesIn(kBrokenUrls),
                         [](const testing::TestParamInfo<BrokenUrl>& info) {
                           return info.param.name;
                         });

TEST_P(PostgresUrlTest, IsRefusedWithoutThePassword) {
  if (const auto missing = PostgresMissing()) TCSYNC_MISSING_PREREQUISITE(*missing);
  auto database = PostgresDatabase::Make();
  ASSERT_TRUE(database.ok()) << database.status();
  postgres_storage::PostgresStorageOptions options;
  options.url =
      absl::StrReplaceAll(GetParam().url, {{"SOCKETS", PartOf((*database)->url(), "host")}});
  options.wait_max = std::chrono::milliseconds(500);
  std::vector<std::string> said;
  {
    const base::Logger logger([&](const LogRecord& record) { said.push_back(ToText(record)); },
                              LogLevel::kDebug);
    const auto opened = postgres_storage::OpenPostgresStorage(options, logger);
    EXPECT_FALSE(opened.ok());
    said.push_back(opened.status().ToString());
    EXPECT_TRUE(absl::StrContains(said.back(), GetParam().reason)) << said.back();
  }
  said.push_back(postgres_storage::InspectDatabase(options.url).status().ToString());
  for (const std::string& text : said) {
    EXPECT_FALSE(absl::StrContains(text, "secret") || absl::StrContains(text, "hidden")) << text;
  }
}

}  // namespace
}  // namespace tcsync

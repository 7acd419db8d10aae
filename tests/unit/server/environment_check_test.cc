// Misspelt environment variables. If these fail, an operator's setting is silently ignored, or a
// server does not start because of another program's variable.
#include "server/environment_check.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tcsync::server {
namespace {

const std::vector<OptionVariable> kVariables = {
    {"LISTEN", "listen"},
    {"DATA_DIR", "data-dir"},
    {"CLIENT_ID", "allow-client-id"},
    {"TCSYNC_LOG_LEVEL", "log-level"},
    {"TCSYNC_MEMORY_BUDGET", "memory-budget"},
    {"TCSYNC_CONNECTIONS_MAX", "connections-max"},
    {"TCSYNC_TLS_KEY", "tls-key"},
    {"TCSYNC_TLS_CERT", "tls-cert"},
    {"TCSYNC_STORAGE", "storage"},
};

TEST(EnvironmentCheckTest, NamesTheVariableThatIsMeant) {
  const struct {
    const char* given;
    const char* meant;
  } cases[] = {
      {"TCSYNC_LOGLEVEL", "TCSYNC_LOG_LEVEL"},
      {"TCSYNC_LOG_LEVLE", "TCSYNC_LOG_LEVEL"},
      {"TCSYNC_LOG_LEVELS", "TCSYNC_LOG_LEVEL"},
      {"TCSYNC_LOG-LEVEL", "TCSYNC_LOG_LEVEL"},
      {"tcsync_log_level", "TCSYNC_LOG_LEVEL"},
      {"TCSYNC_LogLevel", "TCSYNC_LOG_LEVEL"},
      {"TCSYNC_MEMORY_BUDET", "TCSYNC_MEMORY_BUDGET"},
      {"TCSYNC_MEMORY_BUGDET", "TCSYNC_MEMORY_BUDGET"},
      {"TCSYNC_CONNECTION_MAX", "TCSYNC_CONNECTIONS_MAX"},
      {"TCSYNC_TSL_KEY", "TCSYNC_TLS_KEY"},
      {"TCSYNC_DATA_DIR", "DATA_DIR"},
      {"TCSYNC_DATADIR", "DATA_DIR"},
      {"TCSYNC_LISTEN", "LISTEN"},
      {"TCSYNC_CLIENT_ID", "CLIENT_ID"},
      {"TCSYNC_ALLOW_CLIENT_ID", "CLIENT_ID"},
      {"TCSYNC_ALLOW_CLIENT_IDS", "CLIENT_ID"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(MeantVariable(each.given, kVariables), each.meant) << each.given;
  }
}

TEST(EnvironmentCheckTest, LeavesOtherProgramsAlone) {
  for (const char* const name :
       {"TCSYNC_DEBOOTSTRAP_MIRROR", "TCSYNC_SERVER", "TCSYNC_TESTS", "TCSYNC_VERSION",
        "TCSYNC_IMAGE", "TCSYNC_HOME", "TCSYNC_", "TCSYNC_PORT_8080_TCP_ADDR", "TCSYNC_URL"}) {
    EXPECT_EQ(MeantVariable(name, kVariables), "") << name;
  }
}

// If this fails, another program's long variable stops the server. (Compared letter by letter with
// every option's, one as long as the system permits would also delay each start by seconds.)
TEST(EnvironmentCheckTest, AHugeNameIsNobodysMistake) {
  EXPECT_EQ(MeantVariable("TCSYNC_" + std::string(2'000'000, 'A'), kVariables), "");
  EXPECT_EQ(MeantVariable("TCSYNC_LOG_LEVEL" + std::string(2'000'000, '_'), kVariables),
            "TCSYNC_LOG_LEVEL")
      << "underscores do not count";
}

}  // namespace
}  // namespace tcsync::server

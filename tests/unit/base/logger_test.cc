// Log records. If these fail, operators see nothing, or the wrong event, or more than they may.
#include "base/logger.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace tcsync::base {
namespace {

const Uuid kClient = *Uuid::Parse("c11e4700-0000-4000-8000-000000000001");
const Uuid kVersion = *Uuid::Parse("0123abcd-ef45-4678-9abc-def001020304");

// Keeps records as text.
class LoggerTest : public testing::Test {
 protected:
  LogFunction function() {
    return [this](const LogRecord& record) {
      levels_.push_back(record.level);
      texts_.push_back(ToText(record));
      names_.clear();
      for (const LogField& field : record.fields) names_.emplace_back(field.name);
    };
  }

  std::vector<LogLevel> levels_;
  std::vector<std::string> texts_;
  std::vector<std::string> names_;  // of the fields of the last record
};

// If this fails, a host gets more records than it asked for, or fewer.
TEST_F(LoggerTest, PassesRecordsAtItsLevelAndAbove) {
  const Logger logger(function(), LogLevel::kWarning);
  logger.Log(LogLevel::kDebug, "debug");
  logger.Log(LogLevel::kInfo, {.status = 200}, "info");
  logger.Log(LogLevel::kWarning, "warning ", 1);
  logger.Log(LogLevel::kError, "error ", 2);
  EXPECT_EQ(levels_, (std::vector<LogLevel>{LogLevel::kWarning, LogLevel::kError}));
  EXPECT_EQ(texts_, (std::vector<std::string>{"warning 1", "error 2"}));
  EXPECT_FALSE(logger.Passes(LogLevel::kInfo));
  EXPECT_TRUE(logger.Passes(LogLevel::kWarning));
}

// If this fails, a host that wants no log crashes at the first message.
TEST_F(LoggerTest, WithoutAFunctionDropsEverything) {
  const Logger none;
  const Logger empty(nullptr, LogLevel::kDebug);
  for (const Logger& logger : {none, empty}) {
    EXPECT_FALSE(logger.Passes(LogLevel::kError));
    logger.Log(LogLevel::kError, "nobody hears this");
  }
}

// If this fails, programs that look for a field do not find it, or find an empty one.
TEST_F(LoggerTest, PresentFieldsAreWrittenInAFixedOrder) {
  const Logger logger(function(), LogLevel::kDebug, [](const Uuid&) { return "client-1"; });
  logger.Log(LogLevel::kInfo,
             {.status = 429,
              .reason = "client-rate",
              .endpoint = "add-version",
              .client = kClient,
              .version = kVersion,
              .source = "192.0.2.0/24"},
             "Too ", "many: wait.");
  EXPECT_EQ(texts_.back(),
            "status=429 reason=client-rate endpoint=add-version client=client-1 "
            "version=0123abcd-ef45-4678-9abc-def001020304 source=192.0.2.0/24: Too many: wait.");
  logger.Log(LogLevel::kInfo, {.reason = "token"}, "x");
  EXPECT_EQ(names_, std::vector<std::string>{"reason"});
  logger.Log(LogLevel::kInfo, LogFields(), "x");
  EXPECT_TRUE(names_.empty());
  EXPECT_EQ(texts_.back(), "x");
}

// If this fails, a room that knows no pseudonyms gives client IDs away.
TEST_F(LoggerTest, ClientsAreOmittedWithoutANamingFunction) {
  const Logger logger(function(), LogLevel::kDebug);
  logger.Log(LogLevel::kInfo, {.client = kClient}, "x");
  EXPECT_EQ(texts_.back(), "x");
}

// If this fails, a stranger writes lines of their own into a log, steers the operator's terminal,
// or has a line show as another one. Each row is a message and its line in the log.
TEST_F(LoggerTest, AMessageIsOneLineOfPrintableText) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"plain ASCII ~", "plain ASCII ~"},
      {"a\r\nb\x1b[31m\x7f\t", "a??b?[31m??"},
      {std::string("a\0b", 3), "a?b"},
      {"\xff\xc3 \xe2\x82", "?? ??"},                         // not UTF-8
      {"\xc0\xaf\xed\xa0\x80", "?????"},                      // overlong, a surrogate
      {"\xc2\x85\xc2\x9b", "????"},                           // C1: next line, control sequence
      {"\xe2\x80\xa8\xe2\x80\xa9", "??????"},                 // line and paragraph separators
      {"\xe2\x80\xae\xe2\x80\xaa\xe2\x80\xac", "?????????"},  // overrides and embeddings
      {"\xe2\x81\xa6\xe2\x81\xa9", "??????"},                 // isolates
      {"\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "????????"},       // marks
      {"\xe2\x80\x93 \xe2\x81\xaa \xd8\x9b",
       "\xe2\x80\x93 \xe2\x81\xaa \xd8\x9b"},  // their neighbours
      {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"},
  };
  const Logger logger(function(), LogLevel::kDebug);
  for (const auto& [message, expected] : rows) {
    logger.Log(LogLevel::kInfo, message);
    EXPECT_EQ(texts_.back(), expected);
  }
}

}  // namespace
}  // namespace tcsync::base

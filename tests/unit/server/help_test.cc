// --help and docs/options.md, and their part of the table of options. If these fail, people read
// lines that wrap in the middle of a word, or look for an option that is not shown.
#include "server/help.h"

#include <cstdint>
#include <limits>
#include <set>
#include <sstream>
#include <string>

#include "gtest/gtest.h"
#include "server/administration/command_table.h"
#include "server/option_table.h"
#include "server/options_page.h"

namespace tcsync::server {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

tcsync_option OptionOf(const char* name, const char* type) {
  tcsync_option option = {};
  option.name = name;
  option.type = type;
  option.choices = "";
  return option;
}

TEST(HelpTest, LinesFitIntoATerminal) {
  std::istringstream text(HelpText());
  size_t count = 0;
  for (std::string line; std::getline(text, line); ++count) {
    EXPECT_LE(line.size(), 80u) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
    for (const char character : line) EXPECT_TRUE(character >= ' ' && character <= '~') << line;
  }
  EXPECT_GT(count, 100u);
  EXPECT_EQ(HelpText().back(), '\n');
}

// Line breaks are spaces here, and runs of spaces one.
std::string Unwrapped(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  for (std::string word; words >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

// The text is too long to be printed for each word that it lacks.
testing::AssertionResult Has(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "there is no " << part;
}

TEST(HelpTest, EveryCommandAndOptionIsThereWhole) {
  const std::string help = Unwrapped(HelpText());
  for (const AdminCommand& command : AdminCommands()) {
    EXPECT_TRUE(Has(help, Unwrapped(command.Usage() + " " + std::string(command.help))));
  }
  for (const tcsync_option& option : AllOptions()) {
    EXPECT_TRUE(Has(help, std::string("--") + option.name + (IsBoolean(option) ? ", " : " ")));
    EXPECT_TRUE(Has(help, Unwrapped(option.help)));
    EXPECT_TRUE(Has(help, std::string("environment ") + option.environment + "]"));
  }
}

TEST(HelpTest, NamesAreThereOnce) {
  std::set<std::string> names;
  for (const AdminCommand& command : AdminCommands()) {
    EXPECT_TRUE(names.insert(command.Name()).second) << command.Name();
    std::set<std::string_view> flags;
    for (const AdminFlag& flag : command.flags) {
      EXPECT_TRUE(flags.insert(flag.name).second) << command.Usage();
      for (const tcsync_option& option : AllOptions()) EXPECT_NE(flag.name, option.name);
    }
    EXPECT_LE(command.operands_min, command.operands_max) << command.Usage();
    EXPECT_EQ(command.operands.empty(), command.operands_max == 0) << command.Usage();
  }
}

TEST(OptionTableTest, EveryOptionIsInOneGroup) {
  std::set<std::string> names;
  for (const OptionGroup& group : GroupedOptions()) {
    EXPECT_FALSE(group.options.empty()) << group.heading;
    for (const tcsync_option& option : group.options) EXPECT_TRUE(names.insert(option.name).second);
  }
  EXPECT_EQ(names.size(), AllOptions().size());
}

TEST(OptionTableTest, ThePlaceholderNamesTheKindOfValue) {
  const struct {
    const char* name;
    const char* type;
    const char* placeholder;
  } cases[] = {
      {"invite-only", "boolean", ""},  {"allow-client-id", "UUID list", "UUID"},
      {"listen", "text list", "ADDR"}, {"data-dir", "text", "DIR"},
      {"base-path", "text", "PATH"},   {"terms-url", "text", "URL"},
      {"tls-cert", "text", "TEXT"},    {"timeout", "milliseconds", "MS"},
      {"body-max", "bytes", "BYTES"},  {"threads", "count", "N"},
      {"retention-days", "days", "N"}, {"new", "a type of a newer library", "TEXT"},
  };
  for (const auto& each : cases) {
    EXPECT_EQ(Placeholder(OptionOf(each.name, each.type)), each.placeholder) << each.name;
  }
  tcsync_option choice = OptionOf("storage", "choice");
  choice.choices = "rocksdb|memory";
  EXPECT_EQ(Placeholder(choice), "rocksdb|memory");
}

TEST(OptionTableTest, BoundsAreInASentence) {
  const struct {
    const char* type;
    int64_t minimum;
    int64_t maximum;
    const char* sentence;
  } cases[] = {
      {"count", 1, 64, "From 1 to 64."},
      {"count", 0, 64, "From 0 to 64."},
      {"count", 0, kNoLimit, ""},
      {"days", 1, kNoLimit, "At least 1."},
      {"milliseconds", 1024, kNoLimit, "At least 1024."},
      {"bytes", 1024, kNoLimit, "At least 1K."},
      {"bytes", 0, int64_t{1} << 20, "From 0 to 1M."},
      {"bytes", 1536, int64_t{5} << 40, "From 1536 to 5120G."},
      {"bytes", 3 << 10, (int64_t{1} << 30) + 1024, "From 3K to 1048577K."},
      {"text", 1, 64, ""},
      {"boolean", 0, 1, ""},
  };
  for (const auto& each : cases) {
    tcsync_option option = OptionOf("x", each.type);
    option.minimum = each.minimum;
    option.maximum = each.maximum;
    EXPECT_EQ(RangeSentence(option), each.sentence) << each.type << " " << each.minimum;
  }
}

// If this fails, a table of the page has a row with a column too many.
TEST(OptionsPageTest, EveryRowHasAsManyCells) {
  std::istringstream page(OptionsPage());
  size_t rows = 0;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `")) continue;
    ++rows;
    size_t cells = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '|' && (i == 0 || line[i - 1] != '\\')) ++cells;
    }
    EXPECT_EQ(cells, 6u) << line;
  }
  EXPECT_EQ(rows, AllOptions().size());
}

}  // namespace
}  // namespace tcsync::server

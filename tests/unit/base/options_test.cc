// The table of options. The server's flags, the environment, the C ABI and the docs all come from
// it, so a fault here is a fault in all of them.
#include "tcsync/options.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/base/option_values.h"

namespace tcsync::base {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

bool IsNumeric(OptionType type) {
  return type == OptionType::kCount || type == OptionType::kBytes ||
         type == OptionType::kMilliseconds || type == OptionType::kDays;
}

std::vector<OptionInfo> RowsOfType(std::initializer_list<OptionType> types) {
  std::vector<OptionInfo> rows;
  for (const OptionInfo& info : AllOptions()) {
    if (std::find(types.begin(), types.end(), info.type) != types.end()) rows.push_back(info);
  }
  return rows;
}

// Expects that the option refuses `value`, says why, and changes nothing.
void ExpectRefused(const OptionInfo& info, const std::string& value) {
  Options options;
  const absl::Status status = SetOption(info.name, value, options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << info.name << " '" << value << "'";
  EXPECT_THAT(status.message(), HasSubstr(info.name));
  EXPECT_THAT(status.message(), HasSubstr(value));
  EXPECT_EQ(OptionValues(options), OptionValues(Options())) << info.name << " '" << value << "'";
}

std::string ValueAfterSetting(const OptionInfo& info, absl::string_view value) {
  Options options;
  const absl::Status status = SetOption(info.name, value, options);
  EXPECT_TRUE(status.ok()) << status;
  return OptionValues(options)[info.name];
}

// If this fails, a new row of the table has no test here: add it to OptionValues.
TEST(OptionsTableTest, EveryRowIsTested) {
  std::set<std::string> names;
  for (const OptionInfo& info : AllOptions()) names.insert(info.name);
  std::set<std::string> tested;
  for (const auto& [name, value] : OptionValues(Options())) tested.insert(name);
  EXPECT_EQ(names, tested);
}

// If this fails, two flags or variables fight over one name.
TEST(OptionsTableTest, NamesFlagsAndVariablesAreUnique) {
  std::set<std::string> names;
  std::set<std::string> variables;
  std::set<char> flags;
  for (const OptionInfo& info : AllOptions()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(variables.insert(info.environment).second) << info.environment;
    if (info.short_flag != '\0') {
      EXPECT_TRUE(flags.insert(info.short_flag).second) << info.short_flag;
      EXPECT_TRUE(absl::ascii_isalpha(info.short_flag)) << info.name;
    }
  }
}

// If this fails, --help and docs/options.md print text that people cannot read or type.
TEST(OptionsTableTest, EveryRowIsWellFormed) {
  for (const OptionInfo& info : AllOptions()) {
    for (const char c : absl::string_view(info.name)) {
      EXPECT_TRUE(absl::ascii_islower(c) || c == '-') << info.name;
    }
    for (const char c : absl::string_view(info.environment)) {
      EXPECT_TRUE(absl::ascii_isupper(c) || c == '_') << info.environment;
    }
    EXPECT_STRNE(info.type_name, "") << info.name;
    const absl::string_view help = info.help;
    EXPECT_TRUE(absl::EndsWith(help, ".")) << info.name;
    EXPECT_TRUE(absl::ascii_isupper(help.front())) << info.name;
    EXPECT_EQ(info.type == OptionType::kChoice, info.choices[0] != '\0') << info.name;
    EXPECT_TRUE(!IsNumeric(info.type) || info.minimum < info.maximum) << info.name;
  }
}

// If this fails, the drop-in for the reference server does not take its variables.
TEST(OptionsTableTest, HasTheReferenceServersVariables) {
  std::map<std::string, std::string> names;
  for (const OptionInfo& info : AllOptions()) names[info.environment] = info.name;
  EXPECT_EQ(names["LISTEN"], "listen");
  EXPECT_EQ(names["DATA_DIR"], "data-dir");
  EXPECT_EQ(names["CLIENT_ID"], "allow-client-id");
  EXPECT_EQ(names["CREATE_CLIENTS"], "create-clients");
  EXPECT_EQ(names["SNAPSHOT_VERSIONS"], "snapshot-versions");
  EXPECT_EQ(names["SNAPSHOT_DAYS"], "snapshot-days");
}

// If this fails, a program that sets nothing runs with something other than the documented default:
// the constructor takes the defaults from the table and ignores a text that its row refuses.
TEST(OptionsTest, EveryDefaultTextGivesTheDefault) {
  for (const OptionInfo& info : AllOptions()) {
    Options options;
    ASSERT_TRUE(SetOption(info.name, OtherValue(info), options).ok()) << info.name;
    const absl::Status status = SetOption(info.name, info.default_text, options);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(OptionValues(options), OptionValues(Options())) << info.name;
  }
}

// If this fails, the documented defaults changed; docs, and people's machines, rely on them.
TEST(OptionsTest, DefaultsAreTheDocumentedOnes) {
  std::map<std::string, std::string> values = OptionValues(Options());
  EXPECT_EQ(values["listen"], "127.0.0.1:8080");
  EXPECT_EQ(values["data-dir"], "data");
  EXPECT_EQ(values["storage"], "rocksdb");
  EXPECT_EQ(values["create-clients"], "true");
  EXPECT_EQ(values["allow-client-id"], "");
  EXPECT_EQ(values["snapshot-versions"], "100");
  EXPECT_EQ(values["snapshot-days"], "14");
  EXPECT_EQ(values["memory-budget"], "134217728");
  EXPECT_EQ(values["idle-timeout"], "75000");
  EXPECT_EQ(values["shutdown-timeout"], "10000");
}

// If this fails, an option sets another one's field.
TEST(OptionsTest, EveryRowSetsItsOwnFieldOnly) {
  for (const OptionInfo& info : AllOptions()) {
    Options options;
    ASSERT_TRUE(SetOption(info.name, OtherValue(info), options).ok()) << info.name;
    std::map<std::string, std::string> expected = OptionValues(Options());
    ASSERT_NE(expected[info.name], OtherValue(info)) << info.name;
    expected[info.name] = OtherValue(info);
    EXPECT_EQ(OptionValues(options), expected) << info.name;
  }
}

// If this fails, a number that the engine cannot live with is taken, or the documented range is
// not.
TEST(OptionsTest, ValuesBeyondTheRangeAreRefused) {
  for (const OptionInfo& info : AllOptions()) {
    if (!IsNumeric(info.type)) continue;
    EXPECT_EQ(ValueAfterSetting(info, absl::StrCat(info.minimum)), absl::StrCat(info.minimum));
    EXPECT_EQ(ValueAfterSetting(info, absl::StrCat(info.maximum)), absl::StrCat(info.maximum));
    ExpectRefused(info, absl::StrCat(info.minimum - 1));
    ExpectRefused(info, "-1");
    ExpectRefused(info, info.maximum == std::numeric_limits<int64_t>::max()
                            ? std::string("9223372036854775808")
                            : absl::StrCat(info.maximum + 1));
    ExpectRefused(info, "99999999999999999999999999");
  }
}

// If this fails, a typing error becomes a number.
TEST(OptionsTest, NumbersRefuseOtherTexts) {
  for (const OptionInfo& info : AllOptions()) {
    if (!IsNumeric(info.type)) continue;
    for (const char* text : {"", "ten", "1.5", "1e3", "0x10", "1 2", "1,2", "--1", "100x", "KM",
                             "100KK", "M", "1_000"}) {
      ExpectRefused(info, text);
    }
  }
}

// If this fails, "100M" in a unit file means something else than people think.
TEST(OptionsTest, BytesAcceptSuffixes) {
  const std::vector<OptionInfo> rows = RowsOfType({OptionType::kBytes});
  const auto row = std::find_if(rows.begin(), rows.end(), [](const OptionInfo& info) {
    return absl::string_view(info.name) == "memory-budget";
  });
  ASSERT_NE(row, rows.end());
  const OptionInfo& info = *row;
  const std::map<std::string, uint64_t> expected = {
      {"104857600", 100u << 20}, {"102400K", 100u << 20}, {"100M", 100u << 20},
      {"100m", 100u << 20},      {"100MB", 100u << 20},   {"100MiB", 100u << 20},
      {"100mib", 100u << 20},    {"1G", 1u << 30},        {"1GiB", 1u << 30},
      {"16777216B", 16u << 20}};
  for (const auto& [text, bytes] : expected) {
    EXPECT_EQ(ValueAfterSetting(info, text), absl::StrCat(bytes)) << text;
  }
  // 2^33 GiB is 2^63 bytes, which is one too many.
  EXPECT_EQ(ValueAfterSetting(info, "8589934591G"), "9223372035781033984");
  ExpectRefused(info, "8589934592G");
  ExpectRefused(info, "9223372036854775807K");
  ExpectRefused(info, "1T");
}

// If this fails, a count or a time silently gets a thousand times as large.
TEST(OptionsTest, OnlyBytesAcceptSuffixes) {
  for (const OptionInfo& info :
       RowsOfType({OptionType::kCount, OptionType::kMilliseconds, OptionType::kDays})) {
    ExpectRefused(info, "1K");
    ExpectRefused(info, "10s");
  }
}

// If this fails, a switch does the opposite of its value.
TEST(OptionsTest, BooleansAcceptTheUsualWords) {
  for (const OptionInfo& info : RowsOfType({OptionType::kBool})) {
    for (const char* text : {"true", "yes", "on", "1", "TRUE", "On"}) {
      EXPECT_EQ(ValueAfterSetting(info, text), "true") << text;
    }
    for (const char* text : {"false", "no", "off", "0", "FALSE", "Off"}) {
      EXPECT_EQ(ValueAfterSetting(info, text), "false") << text;
    }
    for (const char* text : {"", "2", "maybe", "tru", "true false", "-"}) ExpectRefused(info, text);
  }
}

// If this fails, an unknown word is accepted, and the option silently has another value.
TEST(OptionsTest, ChoicesAcceptOnlyTheirWords) {
  for (const OptionInfo& info : RowsOfType({OptionType::kChoice})) {
    for (const absl::string_view choice : absl::StrSplit(info.choices, '|')) {
      EXPECT_EQ(ValueAfterSetting(info, choice), choice);
      ExpectRefused(info, absl::AsciiStrToUpper(choice));
      ExpectRefused(info, absl::StrCat(choice, " "));
    }
    ExpectRefused(info, "");
    ExpectRefused(info, info.choices);
    Options options;
    EXPECT_THAT(SetOption(info.name, "nonsense", options).message(), HasSubstr(info.choices));
  }
}

// If this fails, a mistyped client ID is dropped, and its user gets 403, or everybody is let in.
TEST(OptionsTest, ClientIdsAreUuids) {
  const char one[] = "b2f16405-0000-4000-8000-000000000001";
  for (const OptionInfo& info : RowsOfType({OptionType::kUuidList})) {
    EXPECT_EQ(ValueAfterSetting(info, one), one);
    EXPECT_EQ(ValueAfterSetting(info, "B2F16405-0000-4000-8000-000000000001"), one);
    EXPECT_EQ(ValueAfterSetting(info, ""), "");
    ExpectRefused(info, "nonsense");
    // The good one before the bad one must not be taken either.
    Options options;
    const absl::Status status = SetOption(info.name, absl::StrCat(one, ",nonsense"), options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), AllOf(HasSubstr("nonsense"), HasSubstr("number 2")));
    EXPECT_EQ(OptionValues(options), OptionValues(Options()));
    // Which one it is, without the ID of a client.
    const absl::Status cut =
        SetOption(info.name, absl::StrCat(one, ",b2f16405-0000-4000-8000-00000000000"), options);
    EXPECT_THAT(cut.message(), AllOf(HasSubstr("'(35 bytes)'"), HasSubstr("number 2"),
                                     Not(HasSubstr("b2f16405"))));
  }
}

// If this fails, a list in an environment variable loses or gains items.
TEST(OptionsTest, ListsAreSplitAtCommasAndTrimmed) {
  Options options;
  ASSERT_TRUE(SetOption("listen", " 127.0.0.1:1 ,, [::1]:2,unix:/a b,", options).ok());
  EXPECT_EQ(options.listen, (std::vector<std::string>{"127.0.0.1:1", "[::1]:2", "unix:/a b"}));
}

// If this fails, a list that is set a second time still has its earlier items.
TEST(OptionsTest, ListsAreReplaced) {
  Options options;
  ASSERT_TRUE(SetOption("listen", "127.0.0.1:1,127.0.0.1:2", options).ok());
  ASSERT_TRUE(SetOption("listen", "127.0.0.1:3", options).ok());
  EXPECT_EQ(options.listen, std::vector<std::string>{"127.0.0.1:3"});
  ASSERT_TRUE(SetOption("listen", "", options).ok());
  EXPECT_TRUE(options.listen.empty());
}

// If this fails, a person who mistypes an option's name does not see the right names.
TEST(OptionsTest, AnUnknownNameListsTheNames) {
  for (const char* name : {"", "dta-dir", "data_dir", "DATA-DIR", "--data-dir"}) {
    Options options;
    const absl::Status status = SetOption(name, "data", options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("'", name, "'")));
    for (const OptionInfo& info : AllOptions()) {
      EXPECT_THAT(status.message(), HasSubstr(info.name));
    }
  }
}

// If this fails, the log has less or more in it than was asked for.
TEST(OptionsTest, LogLevelsAreParsed) {
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warning", LogLevel::kWarning},
                                                  {"error", LogLevel::kError}};
  for (const auto& [text, level] : levels) {
    Options options;
    ASSERT_TRUE(SetOption("log-level", text, options).ok());
    EXPECT_EQ(LogLevelOf(options), level) << text;
  }
}

// If this fails, an operator cannot find out which options a server runs with.
TEST(OptionsTest, EachOptionInForceNamesItsSource) {
  Options options;
  ASSERT_TRUE(SetOption("memory-budget", "64M", options).ok());
  ASSERT_TRUE(SetOption("allow-client-id", "123E4567-e89b-42d3-a456-426614174000", options).ok());
  ASSERT_TRUE(SetOption("invite-only", "on", options).ok());
  ASSERT_TRUE(SetOption("listen", "127.0.0.1:1, [::1]:2", options).ok());
  ASSERT_FALSE(SetOption("idle-timeout", "never", options).ok());
  ASSERT_TRUE(SetOption("reader-threads", "0", options).ok());
  ASSERT_TRUE(SetOption("head-cache-bytes", "1M", options).ok());
  std::map<std::string, EffectiveOption> in_force;
  for (const EffectiveOption& option : EffectiveOptions(options)) in_force[option.name] = option;
  EXPECT_EQ(in_force.size(), AllOptions().size());
  using Source = EffectiveOption::Source;
  const auto expect = [&](const std::string& name, Source source, const std::string& value) {
    EXPECT_EQ(in_force[name].source, source) << name;
    EXPECT_EQ(in_force[name].value, value) << name;
    EXPECT_EQ(in_force[name].variable, "") << name;
  };
  expect("memory-budget", Source::kSet, "67108864");
  expect("allow-client-id", Source::kSet, "123e4567-e89b-42d3-a456-426614174000");
  expect("invite-only", Source::kSet, "true");
  expect("listen", Source::kSet, "127.0.0.1:1,[::1]:2");
  expect("idle-timeout", Source::kDefault, "75000");
  expect("reader-threads", Source::kDerived, "4");
  expect("head-cache-bytes", Source::kSet, "1048576");
  expect("memtable-bytes", Source::kDerived, "4194304");
  // The reported values can be set, and mean the same.
  Options again;
  for (const auto& [name, option] : in_force) {
    EXPECT_TRUE(SetOption(name, option.value, again).ok()) << name << " " << option.value;
  }
}

// If this fails, an operator reads 0 for a limit that is derived.
TEST(OptionsTest, EveryDerivedOptionShowsItsValue) {
  int derived = 0;
  for (const EffectiveOption& option : EffectiveOptions(Options())) {
    const auto info =
        std::find_if(AllOptions().begin(), AllOptions().end(),
                     [&option](const OptionInfo& row) { return option.name == row.name; });
    ASSERT_NE(info, AllOptions().end());
    // The help of a derived one ends with its source; for others, 0 is an ordinary value.
    const std::string help = info->help;
    const size_t zero = help.rfind(" 0: ");
    if (zero == std::string::npos || absl::StrContains(help.substr(zero), "0: no") ||
        absl::StrContains(help.substr(zero), "0: never")) {
      EXPECT_NE(option.source, EffectiveOption::Source::kDerived) << option.name;
      continue;
    }
    ++derived;
    EXPECT_EQ(option.source, EffectiveOption::Source::kDerived) << option.name;
    EXPECT_NE(option.value, "0") << option.name;
  }
  EXPECT_EQ(derived, 9);
}

// If this fails, an option is a secret, and all that tell options in force (the log of the start,
// the administration, tcsync_config_get) tell it.
TEST(OptionsTest, NoOptionIsASecret) {
  for (const OptionInfo& info : AllOptions()) {
    for (const char* const word : {"secret", "password", "passphrase", "token", "credential"}) {
      EXPECT_FALSE(absl::StrContains(info.name, word)) << info.name;
      EXPECT_FALSE(absl::StrContains(info.environment, absl::AsciiStrToUpper(word))) << info.name;
    }
  }
}

// If this fails, a secret that was put into the wrong option appears in a log.
TEST(OptionsTest, AnErrorDoesNotRepeatPossibleSecrets) {
  const std::string secret = "9f9edb6ef38b6772c9adf9b0a99138688051936a2f7cf2c5b11b665a8ff9ea77";
  for (const OptionInfo& info : AllOptions()) {
    if (info.type == OptionType::kText || info.type == OptionType::kTextList) continue;
    Options options;
    const absl::Status status = SetOption(info.name, secret + "x", options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << info.name;
    EXPECT_FALSE(absl::StrContains(status.message(), secret)) << info.name;
    EXPECT_THAT(status.message(), HasSubstr("(65 bytes)")) << info.name;
  }
}

}  // namespace
}  // namespace tcsync::base

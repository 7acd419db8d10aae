// Options from the environment, as container tools and unit files give them.
#include <cstdlib>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tcsync/options.h"
#include "tests/unit/base/option_values.h"

namespace tcsync::base {
namespace {

using ::testing::HasSubstr;

// Begins with none of the options' variables set, and puts the environment back.
class OptionsEnvironmentTest : public testing::Test {
 protected:
  OptionsEnvironmentTest() {
    for (const OptionInfo& info : AllOptions()) {
      if (const char* value = std::getenv(info.environment)) before_[info.environment] = value;
      unsetenv(info.environment);
    }
  }
  ~OptionsEnvironmentTest() override {
    for (const OptionInfo& info : AllOptions()) unsetenv(info.environment);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

  Options options_;

 private:
  std::map<std::string, std::string> before_;
};

// If this fails, a variable that nobody set changes an option.
TEST_F(OptionsEnvironmentTest, AnEmptyEnvironmentChangesNothing) {
  ASSERT_TRUE(SetOption("data-dir", "/kept", options_).ok());
  const auto before = OptionValues(options_);
  EXPECT_TRUE(SetOptionsFromEnvironment(options_).ok());
  EXPECT_EQ(OptionValues(options_), before);
}

// If this fails, a documented variable does nothing.
TEST_F(OptionsEnvironmentTest, EveryVariableSetsItsOption) {
  std::map<std::string, std::string> expected;
  for (const OptionInfo& info : AllOptions()) {
    expected[info.name] = OtherValue(info);
    setenv(info.environment, OtherValue(info).c_str(), 1);
  }
  const absl::Status status = SetOptionsFromEnvironment(options_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(OptionValues(options_), expected);
}

// If this fails, a container tool that passes on variables it does not have breaks the start, or
// takes away a list.
TEST_F(OptionsEnvironmentTest, AnEmptyVariableIsNotSet) {
  ASSERT_TRUE(SetOption("listen", "127.0.0.1:1", options_).ok());
  const auto before = OptionValues(options_);
  for (const OptionInfo& info : AllOptions()) setenv(info.environment, "", 1);
  const absl::Status status = SetOptionsFromEnvironment(options_);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(OptionValues(options_), before);
}

// If this fails, an operator with a wrong variable among thirty does not learn which it is.
TEST_F(OptionsEnvironmentTest, AnErrorNamesTheVariable) {
  for (const OptionInfo& info : AllOptions()) {
    if (info.type == OptionType::kText || info.type == OptionType::kTextList) continue;
    setenv(info.environment, "!nonsense!", 1);
    const absl::Status status = SetOptionsFromEnvironment(options_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << info.environment;
    EXPECT_THAT(status.message(), HasSubstr(info.environment));
    EXPECT_THAT(status.message(), HasSubstr("!nonsense!"));
    EXPECT_EQ(OptionValues(options_), OptionValues(Options()));
    unsetenv(info.environment);
  }
}

}  // namespace
}  // namespace tcsync::base

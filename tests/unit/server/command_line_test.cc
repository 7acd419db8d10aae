// The command line. If these fail, a server does not obey its operator's flags, or the
// message does not say which word was wrong.
#include "server/command_line.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

CommandLine Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tcsync-server");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data());
}

// The message; without one, the test fails.
std::string RefusalOf(const std::vector<const char*>& arguments) {
  try {
    Parse(arguments);
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.exit_status(), kExitUsage) << failure.what();
    return failure.what();
  }
  ADD_FAILURE() << "it was taken: " << testing::PrintToString(arguments);
  return "";
}

// If this fails, a unit file without `serve`, as in the docs, does not start a server.
TEST(CommandLineTest, WithoutACommandItServes) {
  EXPECT_EQ(Parse({}).command, Command::kServe);
  EXPECT_THAT(Parse({}).settings, IsEmpty());
  const CommandLine line = Parse({"serve", "--data-dir", "/srv/a b", "-l", "[::1]:8080"});
  EXPECT_EQ(line.command, Command::kServe);
  EXPECT_THAT(line.settings,
              ElementsAre(Pair("data-dir", "/srv/a b"), Pair("listen", "[::1]:8080")));
}

// If this fails, a value with an equals sign or a space is cut.
TEST(CommandLineTest, BothFormsOfAValueAreTaken) {
  EXPECT_EQ(Parse({"--data-dir=/srv"}).settings.at("data-dir"), "/srv");
  EXPECT_EQ(Parse({"--data-dir=/a=b"}).settings.at("data-dir"), "/a=b");
  EXPECT_EQ(Parse({"--data-dir="}).settings.at("data-dir"), "") << "the library refuses it by name";
  EXPECT_EQ(Parse({"--data-dir", ""}).settings.at("data-dir"), "");
}

// If this fails, an operator cannot override a flag that a wrapper script sets.
TEST(CommandLineTest, OfAnOptionThatIsGivenTwiceTheLastCounts) {
  EXPECT_EQ(Parse({"--data-dir=/a", "--data-dir", "/b"}).settings.at("data-dir"), "/b");
  EXPECT_EQ(Parse({"--invite-only", "--no-invite-only"}).settings.at("invite-only"), "false");
  EXPECT_EQ(Parse({"--no-invite-only", "--invite-only"}).settings.at("invite-only"), "true");
}

// If this fails, a server listens on the last address only, or an unset variable in a script admits
// every client.
TEST(CommandLineTest, ListsAreGatheredInOrder) {
  EXPECT_EQ(Parse({"--listen", "a:1", "--listen=b:2,c:3"}).settings.at("listen"), "a:1,b:2,c:3");
  // An unset variable of a script must not serve every client.
  EXPECT_THAT(RefusalOf({"--allow-client-id", ""}), HasSubstr("--allow-client-id needs a value"));
  EXPECT_THAT(RefusalOf({"--allow-client-id="}), HasSubstr("--allow-client-id needs a value"));
}

// If this fails, a switch cannot be turned off, or swallows the next word.
TEST(CommandLineTest, BooleansTakeTheirValueBehindAnEqualsSign) {
  EXPECT_EQ(Parse({"--invite-only"}).settings.at("invite-only"), "true");
  EXPECT_EQ(Parse({"--invite-only=false"}).settings.at("invite-only"), "false");
  EXPECT_EQ(Parse({"--invite-only=maybe"}).settings.at("invite-only"), "maybe")
      << "the library gives the valid values";
  EXPECT_THAT(RefusalOf({"--no-invite-only=true1"}), HasSubstr("--no-invite-only takes no value"));
  EXPECT_THAT(RefusalOf({"--invite-only", "false"}), HasSubstr("unknown command 'false'"));
}

// If this fails, a forgotten value makes a directory called `--listen`.
TEST(CommandLineTest, AFlagIsNotTakenForAValue) {
  EXPECT_THAT(RefusalOf({"--data-dir"}), HasSubstr("--data-dir needs a value"));
  EXPECT_THAT(RefusalOf({"--data-dir", "--listen", "a:1"}), HasSubstr("--data-dir needs a value"));
  EXPECT_THAT(RefusalOf({"clients", "ban", "x", "--reason", "--json"}),
              HasSubstr("--reason needs a value"));
  EXPECT_EQ(Parse({"--disk-free-bytes-min", "-1"}).settings.at("disk-free-bytes-min"), "-1")
      << "a negative number is for the library to refuse";
}

// If this fails, a mistyped flag is ignored, or the message does not name it.
TEST(CommandLineTest, WhatIsUnknownIsNamed) {
  const struct {
    std::vector<const char*> arguments;
    const char* message;
  } cases[] = {
      {{"--data-dri", "/srv"}, "unknown flag '--data-dri'"},
      {{"-x"}, "unknown flag '-x'"},
      {{"server"}, "unknown command 'server'"},
      {{""}, "unknown command ''"},
      {{"clients"}, "the command 'clients' needs one of list, "},
      {{"invites"}, "the command 'invites' needs one of list, "},
      {{"storage"}, "the command 'storage' needs one of check, upgrade after it"},
      {{"clients", "lst"}, "lst"},
      {{"stats", "now"}, "unexpected argument 'now': the command is stats"},
      {{"clients", "show"}, "an argument is missing: the command is clients show CLIENT"},
      {{"clients", "show", "a", "b"},
       "unexpected argument 'b': the command is clients show CLIENT"},
      {{"clients", "list", "--yes=1"}, "--yes"},
      {{"options", "--data-dir=/srv"}, "the command 'options' takes no flags"},
  };
  for (const auto& each : cases) {
    EXPECT_THAT(RefusalOf(each.arguments),
                AllOf(HasSubstr(each.message), HasSubstr("see tcsync-server --help")))
        << testing::PrintToString(each.arguments);
  }
}

// If this fails, a command acts on the wrong client or the wrong data directory.
TEST(CommandLineTest, ACommandOfAnOperatorHasItsArguments) {
  const CommandLine line = Parse({"clients", "ban", "123e4567", "--reason=too much", "--json",
                                  "--data-dir", "/srv", "--reason", "far too much"});
  EXPECT_EQ(line.command, Command::kAdminister);
  EXPECT_EQ(line.admin.name, "clients ban");
  EXPECT_THAT(line.admin.operands, ElementsAre("123e4567"));
  EXPECT_THAT(line.admin.values, ElementsAre(Pair("reason", "far too much")));
  EXPECT_THAT(line.admin.switches, ElementsAre("json"));
  EXPECT_THAT(line.settings, ElementsAre(Pair("data-dir", "/srv")));
  EXPECT_EQ(Parse({"--data-dir=/srv", "stats"}).settings.at("data-dir"), "/srv")
      << "options of the library may come first";
}

// If this fails, a mistyped number makes a command delete more than its operator meant.
TEST(CommandLineTest, NumbersOfCommandsAreBounded) {
  const AdminArguments arguments = Parse({"backup", "/srv/backups", "--keep", "7"}).admin;
  EXPECT_EQ(arguments.Number("keep", 1, 100, 3), 7u);
  EXPECT_EQ(arguments.Number("absent", 1, 100, 3), 3u);
  for (const char* const value : {"0", "101", "-1", "7x", " 7", "7.0", "99999999999999999999999"}) {
    const AdminArguments wrong = Parse({"backup", "/srv/backups", "--keep", value}).admin;
    try {
      wrong.Number("keep", 1, 100, 3);
      ADD_FAILURE() << value << " was taken";
    } catch (const Failure& failure) {
      EXPECT_THAT(std::string(failure.what()), AllOf(HasSubstr("keep"), HasSubstr(value)));
    }
  }
}

// If this fails, a person cannot get help on a command line that has a mistake.
TEST(CommandLineTest, HelpAndVersionWinOverMistakes) {
  EXPECT_EQ(Parse({"--help"}).command, Command::kHelp);
  EXPECT_EQ(Parse({"clients", "show", "-h"}).command, Command::kHelp);
  EXPECT_EQ(Parse({"--no-such-flag", "--help"}).command, Command::kHelp);
  EXPECT_EQ(Parse({"-V"}).command, Command::kVersion);
}

// If this fails, an operator hands out credentials without the server's URL.
TEST(CommandLineTest, CredentialsHaveAUrl) {
  const CommandLine line = Parse({"credentials", "--url", "https://sync.example.org"});
  EXPECT_EQ(line.command, Command::kCredentials);
  EXPECT_EQ(line.url, "https://sync.example.org");
  EXPECT_EQ(Parse({"credentials"}).url, "");
  EXPECT_EQ(Parse({"credentials", "--url=https://a", "--url", "https://b"}).url, "https://b");
  // An unset variable of a script must not hand out this computer's address.
  EXPECT_THAT(RefusalOf({"credentials", "--url", ""}), HasSubstr("--url needs a value"));
  EXPECT_THAT(RefusalOf({"credentials", "--url="}), HasSubstr("--url needs a value"));
  EXPECT_THAT(RefusalOf({"credentials", "--url"}), HasSubstr("--url needs a value"));
}

// If this fails, a command of the table cannot be typed as its own usage says.
TEST(CommandLineTest, EveryCommandParsesAsItsUsageSays) {
  for (const AdminCommand& command : AdminCommands()) {
    std::vector<std::string> words;
    if (!command.group.empty()) words.emplace_back(command.group);
    words.emplace_back(command.verb);
    for (size_t i = 0; i < command.operands_max; ++i) words.push_back("operand");
    for (const AdminFlag& flag : command.flags) {
      words.push_back("--" + std::string(flag.name));
      if (!flag.placeholder.empty()) words.push_back("5");
    }
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    const AdminArguments admin = Parse(arguments).admin;
    EXPECT_EQ(admin.name, command.Name());
    EXPECT_EQ(admin.operands.size(), command.operands_max) << command.Usage();
    EXPECT_EQ(admin.values.size() + admin.switches.size(), command.flags.size()) << command.Usage();
    EXPECT_THAT(command.Usage(), StartsWith(command.Name()));
  }
}

}  // namespace
}  // namespace tcsync::server

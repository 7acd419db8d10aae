// The end of a command or a call, for a comparison: its exit status, its message and its output.
#ifndef TCSYNC_TESTS_UNIT_SERVER_OUTCOME_H_
#define TCSYNC_TESTS_UNIT_SERVER_OUTCOME_H_

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/administration/command_table.h"
#include "server/command_line.h"
#include "server/owned_handles.h"

namespace tcsync::server {

struct Outcome {
  int status = 0;
  std::string message;  // of the Failure; empty without one
  std::string output;   // standard output and error, of a command
  std::string errors;
};

// Any other exception fails the test.
template <typename Function>
Outcome OutcomeOf(Function function) {
  try {
    function();
    return {};
  } catch (const Failure& failure) {
    return {failure.exit_status(), failure.what(), "", ""};
  }
}

// An operator's command in this process, as main runs it.
inline Outcome RunCommand(std::vector<std::string> words, const std::string& data_dir) {
  words.insert(words.begin(), "tcsync-server");
  words.insert(words.end(), {"--data-dir", data_dir});
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome = OutcomeOf([&] {
    RunAdminCommand(ParseCommandLine(static_cast<int>(arguments.size()), arguments.data()));
  });
  outcome.output = testing::internal::GetCapturedStdout();
  outcome.errors = testing::internal::GetCapturedStderr();
  return outcome;
}

}  // namespace tcsync::server

#endif  // TCSYNC_TESTS_UNIT_SERVER_OUTCOME_H_

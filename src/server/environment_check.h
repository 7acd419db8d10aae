// Finds misspelled environment variables of this server: TCSYNC_LOGLEVEL has no effect, and its
// operator wonders for a week.
#ifndef TCSYNC_SRC_SERVER_ENVIRONMENT_CHECK_H_
#define TCSYNC_SRC_SERVER_ENVIRONMENT_CHECK_H_

#include <string>
#include <string_view>
#include <vector>

namespace tcsync::server {

// A variable of the table, and the option that it sets.
struct OptionVariable {
  std::string variable;  // "TCSYNC_LOG_LEVEL", "DATA_DIR"
  std::string option;    // "log-level", "data-dir"
};

// The variable of the table that `name` is meant to be; empty if that is not plain, so that it may
// also be another program's. A name is near to a variable's when up to two letters are wrong,
// missing, extra or swapped, or when TCSYNC_ is before it and none belongs there, or when only the
// letters' case or the underscores differ.
std::string MeantVariable(std::string_view name, const std::vector<OptionVariable>& variables);

// Checks all variables that begin with TCSYNC_, in capital letters or not. Throws Failure, with
// kExitUsage, for one that is plainly meant for an option. Returns those without an effect, which
// may be another program's.
std::vector<std::string> CheckVariables();

// For the log.
std::string UnknownVariableText(const std::string& variable);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ENVIRONMENT_CHECK_H_

// Finds environment variables that were meant for this server and set nothing: TCSYNC_LOGLEVEL is
// ignored by everybody, and its operator wonders for a week.
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

// The variable of the table that somebody means who writes `name`; empty when that is not plain, so
// that the variable may as well be another program's. A name is near to a variable's when up to two
// letters are wrong, missing, too many or swapped, or when TCSYNC_ is before it and none belongs
// there, or the letters' case or the underscores alone differ.
std::string MeantVariable(std::string_view name, const std::vector<OptionVariable>& variables);

// Looks at all variables that begin with TCSYNC_, in capital letters or not. Throws Failure, with
// kExitUsage, for one that is plainly meant for an option. Returns those that set nothing and may
// be somebody else's.
std::vector<std::string> CheckVariables();

// For the log.
std::string UnknownVariableText(const std::string& variable);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ENVIRONMENT_CHECK_H_

// The library's table of options, for the command line, --help and docs/options.md. Nothing here
// knows a single option's meaning: a new row in the table appears everywhere by itself.
#ifndef TCSYNC_SRC_SERVER_OPTION_TABLE_H_
#define TCSYNC_SRC_SERVER_OPTION_TABLE_H_

#include <string>
#include <string_view>
#include <vector>

#include "tcsync.h"

namespace tcsync::server {

// Options under one heading, in the table's order.
struct OptionGroup {
  std::string_view heading;
  std::vector<tcsync_option> options;
};

const std::vector<tcsync_option>& AllOptions();

// All options, under the headings of --help.
std::vector<OptionGroup> GroupedOptions();

bool IsList(const tcsync_option& option);
bool IsBoolean(const tcsync_option& option);

// The placeholder of the value in help: "ADDR", "N", "rocksdb|memory"; "" for a boolean.
std::string Placeholder(const tcsync_option& option);

// The bounds of a number in a sentence, such as "From 1 to 64."; "" if they are not worth a
// sentence.
std::string RangeSentence(const tcsync_option& option);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_OPTION_TABLE_H_

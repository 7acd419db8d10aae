#include "server/option_table.h"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "server/concat.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

// A heading, and the option with which its part of the table begins.
struct Heading {
  std::string_view first_option;
  std::string_view text;
};
constexpr Heading kHeadings[] = {
    {"listen", "Serving"},       {"public-url", "Page for browsers"},
    {"memory-budget", "Memory"}, {"connections-max", "Connections and time limits"},
    {"log-level", "Log"},
};

// Bytes are shown with the largest suffix that leaves a whole number.
std::string NumberText(const tcsync_option& option, int64_t number) {
  std::string_view suffix;
  if (std::string_view(option.type) == "bytes" && number != 0) {
    for (const std::string_view next : {"K", "M", "G"}) {
      if (number % 1024 != 0) break;
      number /= 1024;
      suffix = next;
    }
  }
  return std::to_string(number).append(suffix);
}

}  // namespace

const std::vector<tcsync_option>& AllOptions() {
  static const std::vector<tcsync_option> options = [] {
    std::vector<tcsync_option> list(tcsync_option_count());
    for (size_t index = 0; index < list.size(); ++index) {
      list[index].struct_size = sizeof(tcsync_option);
      Call(tcsync_option_info, index, &list[index]);
    }
    return list;
  }();
  return options;
}

std::vector<OptionGroup> GroupedOptions() {
  std::vector<OptionGroup> groups;
  for (const tcsync_option& option : AllOptions()) {
    for (const Heading& heading : kHeadings) {
      if (heading.first_option == option.name) groups.push_back({heading.text, {}});
    }
    if (groups.empty()) groups.push_back({"Options", {}});
    groups.back().options.push_back(option);
  }
  return groups;
}

bool IsList(const tcsync_option& option) {
  return std::string_view(option.type).ends_with(" list");
}

bool IsBoolean(const tcsync_option& option) { return std::string_view(option.type) == "boolean"; }

std::string Placeholder(const tcsync_option& option) {
  const std::string_view type = option.type;
  const std::string_view name = option.name;
  if (type == "boolean") return "";
  if (type == "choice") return option.choices;
  if (type == "UUID list") return "UUID";
  if (type == "milliseconds") return "MS";
  if (type == "bytes") return "BYTES";
  if (type == "count" || type == "days") return "N";
  if (name == "listen") return "ADDR";
  if (name.ends_with("-dir")) return "DIR";
  if (name.ends_with("-path")) return "PATH";
  if (name.ends_with("-url")) return "URL";
  return "TEXT";
}

std::string RangeSentence(const tcsync_option& option) {
  const std::string_view type = option.type;
  if (type != "count" && type != "bytes" && type != "milliseconds" && type != "days") return "";
  const bool has_maximum = option.maximum != std::numeric_limits<int64_t>::max();
  if (has_maximum) {
    return Concat({"From ", NumberText(option, option.minimum), " to ",
                   NumberText(option, option.maximum), "."});
  }
  if (option.minimum == 0) return "";
  return Concat({"At least ", NumberText(option, option.minimum), "."});
}

}  // namespace tcsync::server

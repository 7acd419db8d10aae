#include "server/options_page.h"

#include <string>
#include <string_view>

#include "server/concat.h"
#include "server/option_table.h"

namespace tcsync::server {
namespace {

constexpr std::string_view kIntroduction =
    R"(# Options

<!-- Written by `tcsync-server options` from src/base/options.cc: change that, not this. -->

Every option has one name everywhere: the flag `--NAME VALUE` of `tcsync-server`, and
`tcsync_config_set(config, "NAME", "VALUE", &error)` in a program. `tcsync-server` reads the
environment variable, as do programs that call `tcsync_config_set_from_environment`; an empty
variable counts as unset. A flag overrules the variable, which overrules the default.

| type | values |
| --- | --- |
| text list, UUID list | items separated by commas; the flag can also be repeated |
| boolean | `true`, `false`, `yes`, `no`, `on`, `off`, `1`, `0`; as flags `--NAME` and `--no-NAME` |
| bytes | a whole number of bytes, or with a suffix `K`, `M` or `G` (powers of 1024) |
| count, days, milliseconds | a whole number |
| choice | one of the words |
)";

// Text inside a cell of a table.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char character : text) {
    if (character == '|') cell += '\\';
    cell += character;
  }
  return cell;
}

std::string Code(std::string_view text) {
  return text.empty() ? "" : Concat({"`", Cell(text), "`"});
}

std::string Row(const tcsync_option& option) {
  std::string name = Code(option.name);
  if (option.short_flag != '\0') {
    name += Concat({", ", Code(Concat({"-", {&option.short_flag, 1}}))});
  }
  std::string meaning = Cell(option.help);
  const std::string range = RangeSentence(option);
  if (!range.empty()) meaning += Concat({" ", range});
  std::string type = option.type;
  if (*option.choices != '\0') type += Concat({": ", Code(option.choices)});
  return Concat({"| ", name, " | ", type, " | ", Code(option.default_text), " | ",
                 Code(option.environment), " | ", meaning, " |\n"});
}

}  // namespace

std::string OptionsPage() {
  std::string page(kIntroduction);
  for (const OptionGroup& group : GroupedOptions()) {
    page += Concat({"\n## ", group.heading,
                    "\n\n| name | type | default | environment | meaning |\n"
                    "| --- | --- | --- | --- | --- |\n"});
    for (const tcsync_option& option : group.options) page += Row(option);
  }
  return page;
}

}  // namespace tcsync::server

// Options by name, and the destination of log records.
#include "capi/src/config.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "capi/src/bytes.h"
#include "capi/src/guard.h"
#include "capi/src/queue.h"
#include "capi/src/sized_struct.h"

namespace tcsync::capi {
namespace {

// The words that tcsync.h promises for `type`; the table's own are for people, and may change.
const char* TypeName(OptionType type) {
  switch (type) {
    case OptionType::kText:
      return "text";
    case OptionType::kTextList:
      return "text list";
    case OptionType::kUuidList:
      return "UUID list";
    case OptionType::kBool:
      return "boolean";
    case OptionType::kCount:
      return "count";
    case OptionType::kBytes:
      return "bytes";
    case OptionType::kMilliseconds:
      return "milliseconds";
    case OptionType::kDays:
      return "days";
    case OptionType::kChoice:
      return "choice";
  }
  return "text";
}

bool IsOption(absl::string_view name) {
  const absl::Span<const OptionInfo> options = AllOptions();
  return std::any_of(options.begin(), options.end(),
                     [name](const OptionInfo& info) { return name == info.name; });
}

}  // namespace

Result CheckLog(const tcsync_config& config) {
  return config.log == nullptr ? Result() : config.log->Check();
}

Result CopyOption(const std::vector<EffectiveOption>& options, absl::string_view name,
                  tcsync_bytes** value) {
  for (const EffectiveOption& option : options) {
    if (option.name != name) continue;
    *value = std::make_unique<tcsync_bytes>(option.value).release();
    return {};
  }
  // Makes SetOption's sentence, which lists all names.
  Options unused;
  return FromStatus(SetOption(name, "", unused), {.invalid_argument = TCSYNC_UNKNOWN_OPTION});
}

}  // namespace tcsync::capi

using tcsync::capi::Checked;
using tcsync::capi::ClearOutput;
using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

size_t tcsync_option_count(void) {
  // The table is built at the first use, which needs memory.
  try {
    return tcsync::AllOptions().size();
  } catch (...) {
    return 0;
  }
}

tcsync_code tcsync_option_info(size_t index, tcsync_option* option, tcsync_error** error) {
  tcsync::capi::ClearOutputStruct(option);
  return Guard(error, [&]() -> Result {
    if (Result result = tcsync::capi::CheckOutputStruct(option, {"option", "tcsync_option"});
        !result.ok()) {
      return result;
    }
    const absl::Span<const tcsync::OptionInfo> options = tcsync::AllOptions();
    if (Result result = tcsync::capi::CheckIndex(index, options.size(), "option"); !result.ok()) {
      return result;
    }
    const tcsync::OptionInfo& info = options[index];
    tcsync_option filled = {};
    filled.name = info.name;
    filled.type = tcsync::capi::TypeName(info.type);
    filled.default_text = info.default_text;
    filled.choices = info.choices;
    filled.environment = info.environment;
    filled.help = info.help;
    filled.minimum = info.minimum;
    filled.maximum = info.maximum;
    filled.short_flag = info.short_flag;
    tcsync::capi::WriteStruct(filled, option);
    return {};
  });
}

tcsync_code tcsync_config_new(tcsync_config** config, tcsync_error** error) {
  ClearOutput(config);
  return Guard(error, [&]() -> Result {
    if (config == nullptr) return NullArgument("config");
    *config = std::make_unique<tcsync_config>().release();
    return {};
  });
}

tcsync_code tcsync_config_set(tcsync_config* config, const char* name, const char* value,
                              tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(config, "config"); !result.ok()) return result;
    if (name == nullptr) return NullArgument("name");
    if (value == nullptr) return NullArgument("value");
    const absl::Status status = tcsync::SetOption(name, value, config->options);
    if (status.ok()) return {};
    return FromStatus(
        status, {.invalid_argument = tcsync::capi::IsOption(name) ? TCSYNC_INVALID_OPTION_VALUE
                                                                  : TCSYNC_UNKNOWN_OPTION});
  });
}

tcsync_code tcsync_config_get(const tcsync_config* config, const char* name, tcsync_bytes** value,
                              tcsync_error** error) {
  ClearOutput(value);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(config, "config"); !result.ok()) return result;
    if (name == nullptr) return NullArgument("name");
    if (value == nullptr) return NullArgument("value");
    return tcsync::capi::CopyOption(tcsync::EffectiveOptions(config->options), name, value);
  });
}

tcsync_code tcsync_config_set_from_environment(tcsync_config* config, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(config, "config"); !result.ok()) return result;
    return FromStatus(tcsync::SetOptionsFromEnvironment(config->options),
                      {.invalid_argument = TCSYNC_INVALID_OPTION_VALUE});
  });
}

tcsync_code tcsync_config_set_log(tcsync_config* config, tcsync_log_function function,
                                  void* user_data, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(config, "config"); !result.ok()) return result;
    config->log = tcsync::capi::LogToFunction(function, user_data);
    return {};
  });
}

tcsync_code tcsync_config_set_log_queue(tcsync_config* config, tcsync_queue* queue,
                                        tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(config, "config"); !result.ok()) return result;
    if (queue == nullptr) {
      config->log = nullptr;
      return {};
    }
    if (Result result = tcsync::capi::CheckQueue(queue); !result.ok()) return result;
    config->log = tcsync::capi::LogToQueue(*queue);
    return {};
  });
}

void tcsync_config_free(tcsync_config* config) {
  const std::unique_ptr<tcsync_config> owned(Checked(config));
}

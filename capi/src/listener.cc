// The listener.
#include "tcsync/listener.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/process_mark.h"
#include "capi/src/config.h"
#include "capi/src/engine.h"
#include "capi/src/guard.h"
#include "capi/src/handle.h"
#include "capi/src/log_target.h"
#include "capi/src/process.h"
#include "tcsync.h"

struct tcsync_listener : tcsync::capi::Handle<tcsync::capi::HandleType::kListener> {
  tcsync_listener(tcsync::capi::LogUse log_use, std::unique_ptr<tcsync::Listener> bound)
      : log(std::move(log_use)), listener(std::move(bound)), addresses(listener->addresses()) {}

  // Destroyed last: the listener writes to it until its end.
  tcsync::capi::LogUse log;
  std::unique_ptr<tcsync::Listener> listener;
  std::vector<std::string> addresses;
  const tcsync::base::ProcessMark opener = tcsync::base::ProcessMark::Current();
};

using tcsync::capi::Checked;
using tcsync::capi::CheckProcess;
using tcsync::capi::ClearOutput;
using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

tcsync_code tcsync_listener_bind(const tcsync_config* config, tcsync_listener** listener,
                                 tcsync_error** error) {
  ClearOutput(listener);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(config, "config"); !result.ok()) return result;
    if (listener == nullptr) return NullArgument("listener");
    if (Result result = tcsync::capi::CheckLog(*config); !result.ok()) return result;
    tcsync::capi::LogUse log(config->log);
    absl::StatusOr<std::unique_ptr<tcsync::Listener>> bound =
        tcsync::Listener::Bind(config->options, log.function());
    if (!bound.ok()) {
      return FromStatus(bound.status(), {.invalid_argument = TCSYNC_INVALID_ADDRESS,
                                         .failed_precondition = TCSYNC_SYSTEM});
    }
    *listener = std::make_unique<tcsync_listener>(std::move(log), *std::move(bound)).release();
    return {};
  });
}

size_t tcsync_listener_address_count(const tcsync_listener* listener) {
  return Checked(listener) == nullptr ? 0 : listener->addresses.size();
}

const char* tcsync_listener_address(const tcsync_listener* listener, size_t index) {
  if (Checked(listener) == nullptr || index >= listener->addresses.size()) return nullptr;
  return listener->addresses[index].c_str();
}

tcsync_code tcsync_listener_serve(tcsync_listener* listener, tcsync_engine* engine,
                                  tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(listener, "listener"); !result.ok()) return result;
    if (Result result = CheckProcess(listener->opener, "listener"); !result.ok()) return result;
    if (Result result = tcsync::capi::CheckEngine(engine); !result.ok()) return result;
    return FromStatus(listener->listener->Serve(engine->core->engine()),
                      {.failed_precondition = TCSYNC_INVALID_ARGUMENT});
  });
}

void tcsync_listener_stop(tcsync_listener* listener) {
  if (Checked(listener) == nullptr || listener->opener.IsOfAnotherProcess()) return;
  // Stop cannot report a failure, and tcsync_listener_free does the remaining work.
  try {
    listener->listener->Stop();
  } catch (...) {
  }
}

void tcsync_listener_free(tcsync_listener* listener) {
  // As tcsync_engine_free: and the Unix socket that it would remove is the other process'.
  if (Checked(listener) != nullptr && listener->opener.IsOfAnotherProcess()) return;
  const std::unique_ptr<tcsync_listener> owned(Checked(listener));
}

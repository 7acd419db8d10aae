// The engine, and requests that reach it without sockets.
#include "capi/src/engine.h"

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "capi/src/config.h"
#include "capi/src/guard.h"
#include "capi/src/process.h"
#include "capi/src/response.h"
#include "capi/src/sized_struct.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"
#include "tcsync/peer_address.h"

namespace tcsync::capi {
namespace {

// The struct as the first release has it.
constexpr size_t kRequestBytesMin =
    offsetof(tcsync_request, peer_address_size) + sizeof(tcsync_request::peer_address_size);

// The peer's address as the caller wrote it; empty when it says none.
absl::string_view PeerText(const tcsync_request& request) {
  return View(request.peer_address, request.peer_address_size);
}

// The caller's request, read into `request`.
Result ReadRequest(const tcsync_request& given, tcsync_request& request) {
  if (Result result = ReadStruct(given, kRequestBytesMin, {"request", "tcsync_request"}, request);
      !result.ok()) {
    return result;
  }
  const struct {
    const void* data;
    size_t count;
    absl::string_view name;
    size_t item_size;
  } kParts[] = {
      {request.method, request.method_size, "request->method", 1},
      {request.target, request.target_size, "request->target", 1},
      {request.headers, request.header_count, "request->headers", sizeof(tcsync_header)},
      {request.body, request.body_size, "request->body", 1},
      {request.peer_address, request.peer_address_size, "request->peer_address", 1},
  };
  for (const auto& part : kParts) {
    Result result = CheckData(part.data, part.count, part.name, part.item_size);
    if (!result.ok()) return result;
  }
  for (size_t i = 0; i < request.header_count; ++i) {
    const tcsync_header& header = request.headers[i];
    Result result = CheckData(header.name, header.name_size, "name");
    if (result.ok()) result = CheckData(header.value, header.value_size, "value");
    if (!result.ok()) {
      result.message = absl::StrCat("request->headers[", i, "]: ", result.message);
      return result;
    }
  }
  if (const absl::string_view text = PeerText(request);
      !text.empty() && !PeerAddress::Parse(text)) {
    return {TCSYNC_INVALID_ARGUMENT,
            absl::StrCat("request->peer_address is '", text,
                         "'; it must be an IP address without a port, such as 192.0.2.7 or "
                         "2001:db8::7")};
  }
  return {};
}

// Owes one call of a response function. Pays with the response when there is one, and otherwise
// with NULL when it is destroyed, as happens when memory runs out anywhere on the way. So, once it
// exists, the function is called exactly once, whatever is thrown and by whom.
class Promise {
 public:
  // `response` is the object for the answer: with it made beforehand, answering cannot fail.
  Promise(tcsync_response_function function, void* user_data,
          std::unique_ptr<tcsync_response> response) noexcept
      : function_(function), user_data_(user_data), response_(std::move(response)) {}
  Promise(Promise&& other) noexcept
      : function_(std::exchange(other.function_, nullptr)),
        user_data_(other.user_data_),
        response_(std::move(other.response_)) {}
  Promise& operator=(Promise&&) = delete;
  ~Promise() {
    if (function_ != nullptr) function_(user_data_, nullptr);
  }

  void operator()(http::Response response) noexcept {
    if (response.body_source == nullptr) return Pay(std::move(response));
    try {
      http::CollectBody(std::move(response), std::move(*this));
    } catch (...) {
      // Without memory the promise pays when it is destroyed, wherever it is.
    }
  }

 private:
  void Pay(http::Response response) noexcept {
    response_->response = std::move(response);
    std::exchange(function_, nullptr)(user_data_, response_.release());
  }

  tcsync_response_function function_;
  void* user_data_;
  std::unique_ptr<tcsync_response> response_;
};

// Gives the request to the handler. Fails before `function` is called, or calls it exactly once.
Result StartRequest(http::Handler& handler, const tcsync_request* given,
                    tcsync_response_function function, void* user_data) {
  tcsync_request request;
  if (Result result = ReadRequest(*given, request); !result.ok()) return result;
  std::vector<http::HeaderView> headers;
  headers.reserve(request.header_count);
  for (size_t i = 0; i < request.header_count; ++i) {
    const tcsync_header& header = request.headers[i];
    headers.push_back({View(header.name, header.name_size), View(header.value, header.value_size)});
  }
  const http::RequestHead head{View(request.method, request.method_size),
                               View(request.target, request.target_size), headers,
                               PeerAddress::Parse(PeerText(request)).value_or(PeerAddress())};
  Promise promise(function, user_data, std::make_unique<tcsync_response>());
  // From here on the promise answers, and so this call succeeds: a failure that is reported twice
  // would make its caller free user_data twice.
  try {
    handler.Handle(head, View(request.body, request.body_size), std::move(promise));
  } catch (...) {
  }
  return {};
}

// What tcsync_engine_handle waits with.
struct Waiter {
  static void Receive(void* user_data, tcsync_response* response) {
    auto* const waiter = static_cast<Waiter*>(user_data);
    const std::lock_guard<std::mutex> lock(waiter->mutex);
    waiter->response.reset(response);
    waiter->is_answered = true;
    // Under the lock: as soon as it is released the waiter may be gone.
    waiter->answered.notify_one();
  }

  std::unique_ptr<tcsync_response> Wait() {
    std::unique_lock<std::mutex> lock(mutex);
    answered.wait(lock, [this] { return is_answered; });
    return std::move(response);
  }

  std::mutex mutex;
  std::condition_variable answered;
  bool is_answered = false;
  std::unique_ptr<tcsync_response> response;
};

// The same, and waits for the answer.
Result BeginAndWait(http::Handler& handler, const tcsync_request* request,
                    tcsync_response** response) {
  Waiter waiter;
  if (Result result = StartRequest(handler, request, &waiter.Receive, &waiter); !result.ok()) {
    return result;
  }
  std::unique_ptr<tcsync_response> answer = waiter.Wait();
  if (answer == nullptr) return {TCSYNC_OUT_OF_MEMORY, "out of memory"};
  *response = answer.release();
  return {};
}

}  // namespace
}  // namespace tcsync::capi

using tcsync::capi::CheckProcess;
using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;
using tcsync::capi::SetNull;

tcsync_code tcsync_engine_open(const tcsync_config* config, tcsync_engine** engine,
                               tcsync_error** error) {
  SetNull(engine);
  return Guard(error, [&]() -> Result {
    if (config == nullptr) return NullArgument("config");
    if (engine == nullptr) return NullArgument("engine");
    if (Result result = tcsync::capi::CheckOpening(); !result.ok()) return result;
    absl::StatusOr<std::unique_ptr<tcsync::Engine>> opened =
        tcsync::Engine::Open(config->options, config->log);
    if (!opened.ok()) {
      // kUnavailable is a directory that cannot be read or written (tcsync/engine.h).
      return FromStatus(opened.status(),
                        {.failed_precondition = TCSYNC_WRONG_FORMAT, .unavailable = TCSYNC_SYSTEM});
    }
    *engine = std::make_unique<tcsync_engine>(*std::move(opened),
                                              tcsync::EffectiveOptions(config->options))
                  .release();
    return {};
  });
}

tcsync_code tcsync_engine_option(const tcsync_engine* engine, const char* name,
                                 tcsync_bytes** value, tcsync_error** error) {
  SetNull(value);
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (name == nullptr) return NullArgument("name");
    if (value == nullptr) return NullArgument("value");
    return tcsync::capi::GiveOption(engine->options, name, value);
  });
}

void tcsync_engine_free(tcsync_engine* engine) {
  // Without its threads there is no way to end it: its memory stays until the process ends.
  if (engine != nullptr && engine->opener.IsOfAnotherProcess()) return;
  const std::unique_ptr<tcsync_engine> owned(engine);
}

tcsync_code tcsync_engine_handle(tcsync_engine* engine, const tcsync_request* request,
                                 tcsync_response** response, tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (response == nullptr) return NullArgument("response");
    if (Result result = CheckProcess(engine->opener, "engine"); !result.ok()) return result;
    return tcsync::capi::BeginAndWait(engine->engine->handler(), request, response);
  });
}

tcsync_code tcsync_engine_handle_async(tcsync_engine* engine, const tcsync_request* request,
                                       tcsync_response_function function, void* user_data,
                                       tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (function == nullptr) return NullArgument("function");
    if (Result result = CheckProcess(engine->opener, "engine"); !result.ok()) return result;
    return tcsync::capi::StartRequest(engine->engine->handler(), request, function, user_data);
  });
}

tcsync_code tcsync_administer(const tcsync_config* config, tcsync_engine* engine,
                              const tcsync_request* request, tcsync_response** response,
                              tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    if (config == nullptr && engine == nullptr) return NullArgument("config");
    if (request == nullptr) return NullArgument("request");
    if (response == nullptr) return NullArgument("response");
    if (engine == nullptr) {
      if (Result result = tcsync::capi::CheckOpening(); !result.ok()) return result;
      const std::unique_ptr<tcsync::http::Handler> handler =
          tcsync::OfflineAdministration(config->options, config->log);
      return tcsync::capi::BeginAndWait(*handler, request, response);
    }
    if (Result result = CheckProcess(engine->opener, "engine"); !result.ok()) return result;
    tcsync::http::Handler* const handler = engine->engine->administration();
    if (handler == nullptr) return {TCSYNC_UNSUPPORTED, "this engine has no administration"};
    return tcsync::capi::BeginAndWait(*handler, request, response);
  });
}

tcsync_code tcsync_monitor(tcsync_engine* engine, const tcsync_request* request,
                           tcsync_response** response, tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (response == nullptr) return NullArgument("response");
    tcsync::http::Handler* const handler = engine->engine->metrics();
    if (handler == nullptr) return {TCSYNC_UNSUPPORTED, "this engine has no metrics"};
    return tcsync::capi::BeginAndWait(*handler, request, response);
  });
}

// The engine, and whole requests without sockets.
#include "capi/src/engine.h"

#include <memory>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "capi/src/answer.h"
#include "capi/src/config.h"
#include "capi/src/guard.h"
#include "capi/src/pending.h"
#include "capi/src/process.h"
#include "capi/src/queue.h"
#include "capi/src/request.h"
#include "capi/src/response.h"
#include "tcsync/handler.h"

namespace tcsync::capi {

EngineCore::Use::Use(EngineCore& core) : core_(&core) {
  const std::lock_guard lock(core.mutex_);
  if (core.is_closed_) {
    core_ = nullptr;
  } else {
    ++core.uses_;
  }
}

EngineCore::Use::~Use() {
  if (core_ == nullptr) return;
  const std::lock_guard lock(core_->mutex_);
  if (--core_->uses_ == 0) core_->unused_.notify_all();
}

EngineCore::EngineCore(std::unique_ptr<Engine> opened)
    : engine_(std::move(opened)), callbacks_("tcsync-answers"), bodies_("tcsync-bodies") {}

EngineCore::~EngineCore() { Close(); }

void EngineCore::Add(const std::shared_ptr<Pending>& pending) {
  const std::lock_guard lock(mutex_);
  pending_.emplace(pending.get(), pending);
}

void EngineCore::Remove(const Pending& pending) noexcept {
  const std::lock_guard lock(mutex_);
  pending_.erase(&pending);
}

Result CheckEngine(const tcsync_engine* engine) {
  if (Result result = Needed(engine, "engine"); !result.ok()) return result;
  return CheckProcess(engine->core->opener(), "engine");
}

void EngineCore::Close() noexcept {
  {
    std::unique_lock lock(mutex_);
    is_closed_ = true;
    unused_.wait(lock, [this] { return uses_ == 0; });
  }
  bodies_.Finish();
  for (;;) {
    std::shared_ptr<Pending> open;
    {
      const std::lock_guard lock(mutex_);
      if (pending_.empty()) break;
      open = pending_.begin()->second.lock();
      pending_.erase(pending_.begin());
    }
    if (open != nullptr) open->Abandon();
  }
  engine_.reset();
  callbacks_.Finish();
}

namespace {

// The first checks of every way to give an engine a request.
Result CheckRequest(const tcsync_engine* engine, const tcsync_request* request) {
  if (Result result = CheckEngine(engine); !result.ok()) return result;
  return request == nullptr ? NullArgument("request") : Result();
}

// The answer goes to the delivery.
void HandleWhole(http::Handler& handler, const Request& request,
                 std::unique_ptr<AnswerDelivery> delivery, std::shared_ptr<EngineCore> streams) {
  std::make_shared<Promise>(std::move(delivery), std::move(streams))
      ->FulfilWith([&](http::ResponseCallback done) {
        return handler.Handle(request.head(), request.body(), std::move(done));
      });
}

Result HandleAndWait(http::Handler& handler, const tcsync_request& request,
                     tcsync_response** response) {
  Request read;
  if (Result result = read.Read(request); !result.ok()) return result;
  DeliveryWaiter<tcsync_response> waiter;
  HandleWhole(handler, read, waiter.MakeDelivery(), nullptr);
  return waiter.Wait(response);
}

Result Begin(const std::shared_ptr<EngineCore>& core, const tcsync_request& request,
             tcsync_pending** pending, tcsync_response** response) {
  Request read;
  if (Result result = read.Read(request); !result.ok()) return result;
  if (!read.body().empty()) {
    return {TCSYNC_INVALID_ARGUMENT,
            "request->body must be empty here: give the body to tcsync_pending_append"};
  }
  auto answer = std::make_unique<tcsync_response>(core);
  auto made = std::make_unique<tcsync_pending>();
  std::variant<http::Response, http::PendingRequest> decision =
      core->engine().handler().StartRequest(read.head());
  if (auto* const early = std::get_if<http::Response>(&decision)) {
    answer->Set(std::move(*early));
    *response = answer.release();
    return {};
  }
  made->request = std::make_shared<Pending>(
      core, std::move(std::get<http::PendingRequest>(decision)), read.head());
  core->Add(made->request);
  *pending = made.release();
  return {};
}

}  // namespace
}  // namespace tcsync::capi

using tcsync::capi::Checked;
using tcsync::capi::CheckEngine;
using tcsync::capi::CheckRequest;
using tcsync::capi::ClearOutput;
using tcsync::capi::FromStatus;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Request;
using tcsync::capi::Result;

tcsync_code tcsync_engine_open(const tcsync_config* config, tcsync_engine** engine,
                               tcsync_error** error) {
  ClearOutput(engine);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(config, "config"); !result.ok()) return result;
    if (engine == nullptr) return NullArgument("engine");
    if (Result result = tcsync::capi::CheckLog(*config); !result.ok()) return result;
    if (Result result = tcsync::capi::CheckOpening(); !result.ok()) return result;
    tcsync::capi::LogUse log(config->log);
    absl::StatusOr<std::unique_ptr<tcsync::Engine>> opened =
        tcsync::Engine::Open(config->options, log.function());
    if (!opened.ok()) {
      return FromStatus(opened.status(), {.failed_precondition = TCSYNC_WRONG_FORMAT});
    }
    auto core = std::make_shared<tcsync::capi::EngineCore>(*std::move(opened));
    *engine = new tcsync_engine{
        {}, tcsync::EffectiveOptions(config->options), std::move(log), std::move(core)};
    return {};
  });
}

tcsync_code tcsync_engine_option(const tcsync_engine* engine, const char* name,
                                 tcsync_bytes** value, tcsync_error** error) {
  ClearOutput(value);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckEngine(engine); !result.ok()) return result;
    if (name == nullptr) return NullArgument("name");
    if (value == nullptr) return NullArgument("value");
    return tcsync::capi::CopyOption(engine->options, name, value);
  });
}

void tcsync_engine_free(tcsync_engine* engine) {
  // Without its threads it cannot be ended: its memory stays until the process ends.
  if (Checked(engine) != nullptr && engine->core->opener().IsOfAnotherProcess()) return;
  const std::unique_ptr<tcsync_engine> owned(Checked(engine));
}

tcsync_code tcsync_engine_handle(tcsync_engine* engine, const tcsync_request* request,
                                 tcsync_response** response, tcsync_error** error) {
  ClearOutput(response);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRequest(engine, request); !result.ok()) return result;
    if (response == nullptr) return NullArgument("response");
    return tcsync::capi::HandleAndWait(engine->core->engine().handler(), *request, response);
  });
}

tcsync_code tcsync_engine_handle_async(tcsync_engine* engine, const tcsync_request* request,
                                       tcsync_response_function function, void* user_data,
                                       tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRequest(engine, request); !result.ok()) return result;
    if (function == nullptr) return NullArgument("function");
    Request read;
    if (Result result = read.Read(*request); !result.ok()) return result;
    engine->core->callbacks().Start();
    const std::shared_ptr<tcsync::capi::EngineCore> core = engine->core;
    tcsync::capi::HandleWhole(core->engine().handler(), read,
                              tcsync::capi::MakeCallbackDelivery(core, function, user_data),
                              nullptr);
    return {};
  });
}

tcsync_code tcsync_engine_handle_queued(tcsync_engine* engine, const tcsync_request* request,
                                        tcsync_queue* queue, void* user_data,
                                        tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRequest(engine, request); !result.ok()) return result;
    if (Result result = tcsync::capi::CheckQueue(queue); !result.ok()) return result;
    Request read;
    if (Result result = read.Read(*request); !result.ok()) return result;
    using Delivery = tcsync::capi::QueueDelivery<tcsync_response>;
    tcsync::capi::HandleWhole(engine->core->engine().handler(), read,
                              std::make_unique<Delivery>(*queue, user_data), engine->core);
    return {};
  });
}

tcsync_code tcsync_engine_begin(tcsync_engine* engine, const tcsync_request* request,
                                tcsync_pending** pending, tcsync_response** response,
                                tcsync_error** error) {
  ClearOutput(pending);
  ClearOutput(response);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRequest(engine, request); !result.ok()) return result;
    if (pending == nullptr) return NullArgument("pending");
    if (response == nullptr) return NullArgument("response");
    return tcsync::capi::Begin(engine->core, *request, pending, response);
  });
}

tcsync_code tcsync_administer(const tcsync_config* config, tcsync_engine* engine,
                              const tcsync_request* request, tcsync_response** response,
                              tcsync_error** error) {
  ClearOutput(response);
  return Guard(error, [&]() -> Result {
    if (config != nullptr || engine == nullptr) {
      if (Result result = Needed(config, "config"); !result.ok()) return result;
    }
    if (response == nullptr) return NullArgument("response");
    if (engine == nullptr) {
      if (request == nullptr) return NullArgument("request");
      if (Result result = tcsync::capi::CheckLog(*config); !result.ok()) return result;
      if (Result result = tcsync::capi::CheckOpening(); !result.ok()) return result;
      const tcsync::capi::LogUse log(config->log);
      const std::unique_ptr<tcsync::http::Handler> handler =
          tcsync::OfflineAdministration(config->options, log.function());
      return tcsync::capi::HandleAndWait(*handler, *request, response);
    }
    if (Result result = CheckRequest(engine, request); !result.ok()) return result;
    return tcsync::capi::HandleAndWait(engine->core->engine().administration(), *request, response);
  });
}

tcsync_code tcsync_monitor(tcsync_engine* engine, const tcsync_request* request,
                           tcsync_response** response, tcsync_error** error) {
  ClearOutput(response);
  return Guard(error, [&]() -> Result {
    if (Result result = CheckRequest(engine, request); !result.ok()) return result;
    if (response == nullptr) return NullArgument("response");
    return tcsync::capi::HandleAndWait(engine->core->engine().metrics(), *request, response);
  });
}

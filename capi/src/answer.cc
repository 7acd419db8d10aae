#include "capi/src/answer.h"

namespace tcsync::capi {
namespace {

// One call of a host's callback.
class CallbackTask final : public WorkThread::Task {
 public:
  CallbackTask(tcsync_response_function function, void* user_data)
      : function_(function), user_data_(user_data) {}

  void Set(std::unique_ptr<tcsync_response> response) { response_ = std::move(response); }
  void Run() noexcept override { function_(user_data_, response_.release()); }

 private:
  const tcsync_response_function function_;
  void* const user_data_;
  std::unique_ptr<tcsync_response> response_;
};

class ToCallback final : public AnswerDelivery {
 public:
  ToCallback(std::shared_ptr<EngineCore> core, std::shared_ptr<CallbackTask> task)
      : core_(std::move(core)), task_(std::move(task)) {}

  void Deliver(tcsync_code, std::unique_ptr<tcsync_response> response,
               bool is_here) noexcept override {
    task_->Set(std::move(response));
    if (is_here) return task_->Run();
    core_->callbacks().Post(std::move(task_));
  }

 private:
  const std::shared_ptr<EngineCore> core_;
  std::shared_ptr<CallbackTask> task_;
};

}  // namespace

std::unique_ptr<AnswerDelivery> MakeCallbackDelivery(std::shared_ptr<EngineCore> core,
                                                     tcsync_response_function function,
                                                     void* user_data) {
  return std::make_unique<ToCallback>(std::move(core),
                                      std::make_shared<CallbackTask>(function, user_data));
}

Promise::Promise(std::unique_ptr<AnswerDelivery> delivery, std::shared_ptr<EngineCore> streams)
    : delivery_(std::move(delivery)),
      response_(std::make_unique<tcsync_response>(std::move(streams))) {}

Promise::~Promise() { DeliverOnce(nullptr, /*is_here=*/false); }

void Promise::DeliverOnce(std::unique_ptr<tcsync_response> response, bool is_here) noexcept {
  if (is_delivered_.exchange(true)) return;
  const tcsync_code code = response == nullptr ? TCSYNC_OUT_OF_MEMORY : TCSYNC_OK;
  delivery_->Deliver(code, std::move(response), is_here);
}

void Promise::Give(http::Response response, bool is_here) noexcept {
  if (response.body_source != nullptr && !response_->streams()) {
    return FulfilWith(
        [&response](http::ResponseCallback done) {
          return http::CollectBody(std::move(response), std::move(done));
        },
        is_here);
  }
  response_->Set(std::move(response));
  DeliverOnce(std::move(response_), is_here);
}

void Promise::FulfilWith(Begin begin, bool is_here) noexcept {
  try {
    std::optional<http::Response> ready = begin([self = shared_from_this()](http::Response later) {
      self->Give(std::move(later), /*is_here=*/false);
    });
    if (ready) Give(*std::move(ready), is_here);
  } catch (...) {
    DeliverOnce(nullptr, is_here);
  }
}

}  // namespace tcsync::capi

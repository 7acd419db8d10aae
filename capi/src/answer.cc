#include "capi/src/answer.h"

namespace tcsync::capi {
namespace {

class ToQueue final : public Delivery {
 public:
  ToQueue(std::shared_ptr<EventQueue> queue, EventNode node)
      : queue_(std::move(queue)), node_(std::move(node)) {}

  void Deliver(std::unique_ptr<tcsync_response> response, bool) noexcept override {
    Event& event = node_.front();
    event.code = response == nullptr ? TCSYNC_OUT_OF_MEMORY : TCSYNC_OK;
    event.response.reset(response.release());
    queue_->Push(std::move(node_));
  }

 private:
  const std::shared_ptr<EventQueue> queue_;
  EventNode node_;
};

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

class ToCallback final : public Delivery {
 public:
  ToCallback(std::shared_ptr<EngineCore> core, std::shared_ptr<CallbackTask> task)
      : core_(std::move(core)), task_(std::move(task)) {}

  void Deliver(std::unique_ptr<tcsync_response> response, bool is_here) noexcept override {
    task_->Set(std::move(response));
    if (is_here) return task_->Run();
    core_->callbacks().Post(std::move(task_));
  }

 private:
  const std::shared_ptr<EngineCore> core_;
  std::shared_ptr<CallbackTask> task_;
};

}  // namespace

class AnswerWaiter::ToWaiter final : public Delivery {
 public:
  explicit ToWaiter(AnswerWaiter& waiter) : waiter_(waiter) {}

  void Deliver(std::unique_ptr<tcsync_response> response, bool) noexcept override {
    waiter_.response_.Give(std::move(response));
  }

 private:
  AnswerWaiter& waiter_;
};

std::unique_ptr<Delivery> AnswerWaiter::MakeDelivery() { return std::make_unique<ToWaiter>(*this); }

Result AnswerWaiter::Wait(tcsync_response** response) {
  std::unique_ptr<tcsync_response> given = response_.Wait();
  if (given == nullptr) return {TCSYNC_OUT_OF_MEMORY, "out of memory"};
  *response = given.release();
  return {};
}

std::unique_ptr<Delivery> MakeQueueDelivery(const tcsync_queue& queue, void* user_data) {
  EventNode node(1);
  node.front().kind = TCSYNC_EVENT_RESPONSE;
  node.front().user_data = user_data;
  return std::make_unique<ToQueue>(queue.events, std::move(node));
}

std::unique_ptr<Delivery> MakeCallbackDelivery(std::shared_ptr<EngineCore> core,
                                               tcsync_response_function function, void* user_data) {
  return std::make_unique<ToCallback>(std::move(core),
                                      std::make_shared<CallbackTask>(function, user_data));
}

Promise::Promise(std::unique_ptr<Delivery> delivery, std::shared_ptr<EngineCore> streams)
    : delivery_(std::move(delivery)),
      response_(std::make_unique<tcsync_response>(std::move(streams))) {}

Promise::~Promise() { DeliverOnce(nullptr, /*is_here=*/false); }

void Promise::DeliverOnce(std::unique_ptr<tcsync_response> response, bool is_here) noexcept {
  if (!is_delivered_.exchange(true)) delivery_->Deliver(std::move(response), is_here);
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

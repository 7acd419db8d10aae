#include "capi/src/answer.h"

#include <atomic>

namespace tcsync::capi {
namespace {

std::atomic<uint64_t> last_number{0};
thread_local uint64_t number_here = 0;  // 0: answers are not given on this thread

class ToQueue final : public Delivery {
 public:
  ToQueue(std::shared_ptr<EventQueue> queue, EventNode node)
      : queue_(std::move(queue)), node_(std::move(node)) {}

  void Deliver(std::unique_ptr<tcsync_response> response) noexcept override {
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
  ToCallback(std::shared_ptr<EngineCore> core, std::shared_ptr<CallbackTask> task, uint64_t number)
      : core_(std::move(core)), task_(std::move(task)), number_(number) {}

  void Deliver(std::unique_ptr<tcsync_response> response) noexcept override {
    task_->Set(std::move(response));
    if (number_here == number_) return task_->Run();
    core_->callbacks().Post(std::move(task_));
  }

 private:
  const std::shared_ptr<EngineCore> core_;
  std::shared_ptr<CallbackTask> task_;
  const uint64_t number_;
};

}  // namespace

class AnswerWaiter::ToWaiter final : public Delivery {
 public:
  explicit ToWaiter(AnswerWaiter& waiter) : waiter_(waiter) {}

  void Deliver(std::unique_ptr<tcsync_response> response) noexcept override {
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
                                               tcsync_response_function function, void* user_data,
                                               const AnswersOnThisThread& here) {
  return std::make_unique<ToCallback>(
      std::move(core), std::make_shared<CallbackTask>(function, user_data), here.number());
}

AnswersOnThisThread::AnswersOnThisThread() : number_(++last_number), outer_(number_here) {
  number_here = number_;
}

AnswersOnThisThread::~AnswersOnThisThread() { number_here = outer_; }

Promise::Promise(std::unique_ptr<Delivery> delivery, std::shared_ptr<EngineCore> streams)
    : response_(std::make_unique<tcsync_response>(std::move(streams))) {
  // At the end: until here a failure is the caller's to report.
  delivery_ = std::move(delivery);
}

Promise::~Promise() {
  if (delivery_ != nullptr) delivery_->Deliver(nullptr);
}

void Promise::operator()(http::Response response) noexcept {
  if (response.body_source == nullptr || response_->streams()) {
    response_->Set(std::move(response));
    const std::unique_ptr<Delivery> delivery = std::move(delivery_);
    return delivery->Deliver(std::move(response_));
  }
  try {
    http::CollectBody(std::move(response), std::move(*this));
  } catch (...) {
    // Without memory the promise pays when it is destroyed, wherever it is.
  }
}

void HandleWhole(http::Handler& handler, const http::RequestHead& head, absl::string_view body,
                 Promise promise) noexcept {
  try {
    handler.Handle(head, body, std::move(promise));
  } catch (...) {
    // As above.
  }
}

}  // namespace tcsync::capi

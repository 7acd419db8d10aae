#include "tcsync/handler.h"

#include <future>
#include <memory>

#include "base/limits.h"
#include "base/return_or_call_back.h"
#include "http/pending_request.h"

namespace tcsync::http {

PendingRequest::PendingRequest(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
PendingRequest::PendingRequest(PendingRequest&&) noexcept = default;
PendingRequest& PendingRequest::operator=(PendingRequest&&) noexcept = default;
PendingRequest::~PendingRequest() = default;

std::optional<Response> PendingRequest::Append(absl::string_view bytes) {
  return implementation_->Append(bytes);
}

bool PendingRequest::PauseUntil(absl::AnyInvocable<void()> resume) {
  return implementation_->PauseUntil(std::move(resume));
}

std::optional<Response> PendingRequest::Finish(ResponseCallback done) && {
  return implementation_->Finish(std::move(done));
}

Response PendingRequest::Finish() && {
  return base::WaitFor<Response>(
      [this](ResponseCallback done) { return implementation_->Finish(std::move(done)); });
}

bool PendingRequest::IsWaiting() const { return implementation_->IsWaiting(); }

void PendingRequest::EndWait() { implementation_->EndWait(); }

Response Handler::Handle(const RequestHead& head, absl::string_view body) {
  return base::WaitFor<Response>(
      [&](ResponseCallback done) { return Handle(head, body, std::move(done)); });
}

std::optional<Response> Handler::Handle(const RequestHead& head, absl::string_view body,
                                        ResponseCallback done) {
  std::variant<Response, PendingRequest> decision = StartRequest(head);
  if (auto* response = std::get_if<Response>(&decision)) return std::move(*response);
  auto& pending = std::get<PendingRequest>(decision);
  for (;;) {
    const absl::string_view piece = body.substr(0, base::kReadBufferBytes);
    if (std::optional<Response> response = pending.Append(piece)) return response;
    body.remove_prefix(piece.size());
    if (body.empty()) break;
    // Everything else is borrowed for this call only.
    const auto resumed = std::make_shared<std::promise<void>>();
    if (pending.PauseUntil([resumed] { resumed->set_value(); })) resumed->get_future().wait();
  }
  return std::move(pending).Finish(std::move(done));
}

}  // namespace tcsync::http

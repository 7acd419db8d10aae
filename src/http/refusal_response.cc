#include "http/refusal_response.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/foreign_text.h"

namespace tcsync::http {

using access::Refusal;

namespace {

// A standard method by its name; any other text may be a secret from elsewhere.
std::string MethodForPeople(absl::string_view method) {
  for (const absl::string_view known : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH",
                                        "TRACE", "CONNECT", "PROPFIND"}) {
    if (method == known) return std::string(method);
  }
  return base::ShowLength(method);
}

}  // namespace

RefusalResponder::RefusalResponder(base::Logger logger, RefusalObserver observer)
    : logger_(std::move(logger)), observer_(std::move(observer)) {
  for (size_t i = 0; i < access::kRefusalReasonCount; ++i) {
    const auto reason = static_cast<access::RefusalReason>(i);
    throttles_.push_back(std::make_unique<LogThrottle>(access::LogLinesAtOnce(reason)));
  }
}

Response RefusalResponder::Refuse(const Subject& subject, const Refusal& refusal) {
  if (observer_ != nullptr) observer_(refusal.reason);
  Log(subject, refusal);
  Response response = TextResponse(
      access::StatusOf(refusal.reason),
      subject.client_id
          ? absl::StrCat(refusal.sentence, " (client ID ", subject.client_id->ToString(), ")")
          : refusal.sentence);
  if (refusal.retry_after_seconds > 0) {
    response.headers.push_back({"Retry-After", absl::StrCat(refusal.retry_after_seconds)});
  }
  return response;
}

void RefusalResponder::Log(const Subject& subject, const Refusal& refusal) {
  const LogLevel level = access::LogLevelOf(refusal.reason);
  if (!logger_.Passes(level)) return;
  const std::optional<uint64_t> held_back = throttles_[static_cast<size_t>(refusal.reason)]->Pass();
  if (!held_back) return;
  std::string sentence = refusal.sentence;
  if (!refusal.operator_note.empty()) absl::StrAppend(&sentence, " ", refusal.operator_note);
  if (*held_back > 0) {
    absl::StrAppend(&sentence, " And ", *held_back, " more like this since the last such line.");
  }
  logger_.Log(level,
              {.status = access::StatusOf(refusal.reason),
               .reason = access::NameOf(refusal.reason),
               .endpoint = subject.endpoint ? NameOf(*subject.endpoint) : "",
               .client = subject.client_id,
               .source = refusal.source},
              sentence);
}

std::optional<Response> RefuseMethod(const RoutedRequest& request, RefusalResponder* responder) {
  const absl::string_view method = request.head.method;
  Methods expected = MethodsOf(request.route.endpoint);
  if (IsPage(request.route.endpoint)) expected.second = "HEAD";
  if (expected.Contain(method)) return std::nullopt;
  const bool are_two = !expected.second.empty();
  std::string sentence =
      absl::StrCat("The method for ", PathForPeople(request.path), " is ", expected.first,
                   are_two ? " or " : "", expected.second, ", not ", MethodForPeople(method), ".");
  Response response =
      responder == nullptr
          ? TextResponse(405, sentence)
          : responder->Refuse({}, {access::RefusalReason::kMethod, std::move(sentence)});
  response.headers.push_back(
      {"Allow", absl::StrCat(expected.first, are_two ? ", " : "", expected.second)});
  return response;
}

}  // namespace tcsync::http

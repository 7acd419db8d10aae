#include "remote/answer_fault.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tcsync::remote {
namespace {

constexpr size_t kQuotedBytesMax = 200;

// The beginning of every endpoint's path, behind the base path.
constexpr absl::string_view kEndpoints = "/v1/client/";

// The first line of a plain-text body, as a sentence for the end of a message.
std::string Quoted(const Answer& answer) {
  if (!absl::StartsWithIgnoreCase(answer.Header("Content-Type"), "text/plain")) return "";
  absl::string_view line = answer.body;
  line = absl::StripAsciiWhitespace(line.substr(0, line.find('\n')));
  if (line.empty()) return "";
  const bool is_cut = line.size() > kQuotedBytesMax;
  return absl::StrCat("; the server says: \"", line.substr(0, kQuotedBytesMax),
                      is_cut ? "...\"" : "\"");
}

// The advice when to try again.
std::string RetryAdvice(const Answer& answer) {
  const absl::string_view value = answer.Header("Retry-After");
  int64_t seconds = 0;
  if (absl::SimpleAtoi(value, &seconds) && seconds >= 0) {
    return absl::StrCat("try again in ", seconds, seconds == 1 ? " second" : " seconds");
  }
  return value.empty() ? "try again later" : absl::StrCat("try again after ", value);
}

// The advice which URL to configure instead, from the target of a redirect.
std::string RedirectAdvice(const Answer& answer) {
  const absl::string_view location = answer.Header("Location");
  if (location.empty()) return "a redirect to nowhere";
  const absl::string_view base = location.substr(0, location.find(kEndpoints));
  return absl::StrCat("a redirect to ", location,
                      "; redirects are not followed, because replicas would lose what they send: "
                      "if you trust that address, configure ",
                      base, " as the server's URL, here and in every replica");
}

std::pair<RemoteFault, std::string> Explain(const Answer& answer) {
  switch (answer.status) {
    case 403:
      return {RemoteFault::kNotAllowed,
              "this client ID is not allowed there; check it for a typing error, or ask the "
              "server's operator to admit it"};
    case 407:
      return {RemoteFault::kProxyFailed,
              "the proxy wants a user name and a password: give it as "
              "http://user:password@host:port"};
    case 413:
      return {RemoteFault::kTooLarge,
              "the data exceeds the server's limit, which its operator can raise"};
    case 429:
      return {RemoteFault::kRateLimited, "too many requests; " + RetryAdvice(answer)};
    case 502:
    case 503:
    case 504:
      return {
          RemoteFault::kServerUnavailable,
          "the server is busy, starting, or not running behind its proxy; " + RetryAdvice(answer)};
    case 507:
      return {RemoteFault::kServerFull,
              "the server stores no more data, for this client or for all; its operator must make "
              "room"};
    default:
      break;
  }
  if (answer.status >= 500) {
    return {RemoteFault::kServerFailed,
            "the server failed; its operator finds the reason in its log"};
  }
  if (answer.status >= 400) {
    return {RemoteFault::kRejected,
            "the server rejects the request; check the path in the URL, and that it is a "
            "TaskChampion sync server"};
  }
  if (answer.status >= 300) return {RemoteFault::kRedirected, RedirectAdvice(answer)};
  return {RemoteFault::kBrokenAnswer,
          "the protocol has no such answer; check that it is a TaskChampion sync server"};
}

}  // namespace

RemoteError UnexpectedStatus(const Answer& answer, const std::string& request) {
  auto [fault, explanation] = Explain(answer);
  return {fault,
          absl::StrCat("the answer to ", request, " is HTTP status ", answer.status, ": ",
                       explanation, Quoted(answer)),
          std::nullopt, Uuid()};
}

RemoteError BrokenAnswer(const std::string& request, absl::string_view problem) {
  return {RemoteFault::kBrokenAnswer,
          absl::StrCat("the answer to ", request, " ", problem,
                       "; check that the URL is that of a TaskChampion sync server, and that "
                       "nothing between here and there alters its answers"),
          std::nullopt, Uuid()};
}

}  // namespace tcsync::remote

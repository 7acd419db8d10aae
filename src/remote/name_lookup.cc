#include "remote/name_lookup.h"

#include <netdb.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/thread.h"
#include "base/wake_descriptor.h"

namespace tcsync::remote {
namespace {

struct Answer {
  int error = 0;
  std::vector<SocketAddress> addresses;
};

Answer Ask(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  Answer answer;
  answer.error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &list);
  if (answer.error != 0) return answer;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, freeaddrinfo);
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress address{};
    if (entry->ai_addrlen > sizeof(address.storage)) continue;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    answer.addresses.push_back(address);
  }
  if (answer.addresses.empty()) answer.error = EAI_NONAME;
  return answer;
}

// The state that the two threads share; the last of them frees it.
struct Pending {
  base::WakeDescriptor answered;
  std::mutex mutex;
  std::optional<Answer> answer;
};

// For poll(): rounded up, so that the deadline has passed after that time.
int MillisecondsUntil(std::chrono::steady_clock::time_point deadline) {
  const auto now = std::chrono::steady_clock::now();
  if (deadline <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::min<int64_t>(left, std::numeric_limits<int>::max()));
}

NameLookup FromAnswer(Answer answer) {
  if (answer.error == EAI_MEMORY) throw std::bad_alloc();
  if (answer.error != 0) return {NameLookup::Outcome::kFailed, {}, gai_strerror(answer.error)};
  return {NameLookup::Outcome::kFound, std::move(answer.addresses), ""};
}

}  // namespace

NameLookup LookUpName(const std::string& host, uint16_t port,
                      std::chrono::steady_clock::time_point deadline,
                      const Cancellation& cancellation) {
  Answer numeric = Ask(host, port, AI_NUMERICHOST);
  if (numeric.error != EAI_NONAME) return FromAnswer(std::move(numeric));

  const auto pending = std::make_shared<Pending>();
  base::StartThread("tcsync-lookup", [pending, host, port] {
    Answer answer;
    try {
      answer = Ask(host, port, 0);
    } catch (const std::bad_alloc&) {
      answer.error = EAI_MEMORY;
    }
    const std::lock_guard<std::mutex> lock(pending->mutex);
    pending->answer = std::move(answer);
    pending->answered.Wake();
  }).detach();
  while (true) {
    if (cancellation.is_requested()) return {NameLookup::Outcome::kCancelled, {}, ""};
    {
      const std::lock_guard<std::mutex> lock(pending->mutex);
      if (pending->answer) return FromAnswer(*std::move(pending->answer));
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return {NameLookup::Outcome::kTimedOut, {}, ""};
    }
    pollfd entries[] = {{pending->answered.fd(), POLLIN, 0}, {cancellation.fd(), POLLIN, 0}};
    poll(entries, 2, MillisecondsUntil(deadline));
    if (entries[1].revents != 0) cancellation.ConsumeWake();
  }
}

}  // namespace tcsync::remote

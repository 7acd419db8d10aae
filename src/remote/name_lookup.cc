#include "remote/name_lookup.h"

#include <netdb.h>

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>

#include "absl/strings/str_cat.h"
#include "base/thread.h"

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

// What the two threads share; the last of them frees it.
struct Pending {
  std::mutex mutex;
  std::condition_variable answered;
  bool is_answered = false;
  Answer answer;
};

NameLookup FromAnswer(Answer answer) {
  if (answer.error == EAI_MEMORY) throw std::bad_alloc();
  if (answer.error != 0) return {NameLookup::Outcome::kFailed, {}, gai_strerror(answer.error)};
  return {NameLookup::Outcome::kFound, std::move(answer.addresses), ""};
}

}  // namespace

NameLookup LookUpName(const std::string& host, uint16_t port,
                      std::chrono::steady_clock::time_point deadline) {
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
    pending->is_answered = true;
    pending->answered.notify_one();
  }).detach();
  std::unique_lock<std::mutex> lock(pending->mutex);
  if (!pending->answered.wait_until(lock, deadline, [&] { return pending->is_answered; })) {
    return {NameLookup::Outcome::kTimedOut, {}, ""};
  }
  return FromAnswer(std::move(pending->answer));
}

}  // namespace tcsync::remote

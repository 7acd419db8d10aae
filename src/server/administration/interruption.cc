#include "server/administration/interruption.h"

#include <signal.h>
#include <unistd.h>

#include "server/concat.h"
#include "server/owned_handles.h"

namespace tcsync::server {
namespace {

volatile sig_atomic_t caught_signal = 0;

extern "C" void RememberSignal(int signal_number) {
  if (caught_signal != 0) _exit(128 + signal_number);
  caught_signal = signal_number;
}

}  // namespace

void CatchInterruptions() {
  struct sigaction action {};
  action.sa_handler = RememberSignal;
  // Without SA_RESTART, so that waiting for standard input ends. The HTTP client continues by
  // itself.
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A server that disconnects is an error code.
  signal(SIGPIPE, SIG_IGN);
}

bool IsInterrupted() { return caught_signal != 0; }

void EndIfInterrupted(const std::string& left) {
  if (caught_signal == 0) return;
  throw Failure(128 + caught_signal, Concat({"interrupted: ", left}));
}

}  // namespace tcsync::server

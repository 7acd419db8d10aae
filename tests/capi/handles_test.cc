// Freed handles, or handles of another type, in a build with assertions: the mistake is reported,
// and nothing is read or freed twice. If this fails, authors of a binding look for such a mistake
// for days.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <string>

#include "tcsync.h"

namespace {

int failures = 0;

void Fail(const char* name, const std::string& message) {
  ++failures;
  std::fprintf(stderr, "FAILED: %s: \"%s\"\n", name, message.c_str());
}

// `call` must fail with a message that has `expected` in it.
void ExpectRefused(const char* name, const std::function<tcsync_code(tcsync_error**)>& call,
                   const char* expected) {
  tcsync_error* error = nullptr;
  const tcsync_code code = call(&error);
  const std::string message = tcsync_error_message(error);
  tcsync_error_free(error);
  if (code != TCSYNC_INVALID_ARGUMENT || message.find(expected) == std::string::npos) {
    Fail(name, message);
  }
}

// `call` must abort the process and report `expected` on standard error.
void ExpectAborts(const char* name, const std::function<void()>& call, const char* expected) {
  int ends[2];
  if (pipe(ends) != 0) return Fail(name, "no pipe");
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    call();
    _exit(0);
  }
  close(ends[1]);
  std::string message;
  char buffer[256];
  for (ssize_t size = 0; (size = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    message.append(buffer, static_cast<size_t>(size));
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (!aborted || message.find(expected) == std::string::npos) Fail(name, message);
}

tcsync_config* NewConfig() {
  tcsync_config* config = nullptr;
  if (tcsync_config_new(&config, nullptr) != TCSYNC_OK) Fail("tcsync_config_new", "");
  return config;
}

tcsync_bytes* NewBytes(tcsync_config* config) {
  tcsync_bytes* bytes = nullptr;
  if (tcsync_config_get(config, "storage", &bytes, nullptr) != TCSYNC_OK) Fail("config_get", "");
  return bytes;
}

void FreedHandlesAreRecognised() {
  tcsync_config* const config = NewConfig();
  tcsync_bytes* const bytes = NewBytes(config);
  tcsync_config_free(config);
  ExpectRefused(
      "a freed configuration",
      [&](tcsync_error** error) { return tcsync_config_set(config, "storage", "memory", error); },
      "this tcsync_config was freed");
  ExpectAborts(
      "freed twice", [&] { tcsync_config_free(config); }, "this tcsync_config was freed");
  tcsync_bytes_free(bytes);
  ExpectAborts(
      "freed bytes", [&] { tcsync_bytes_data(bytes); }, "this tcsync_bytes was freed");
  // Also after others were created.
  for (int i = 0; i < 100; ++i) tcsync_config_free(NewConfig());
  ExpectAborts(
      "freed twice, later", [&] { tcsync_config_free(config); }, "this tcsync_config was freed");
}

void HandlesOfAnotherTypeAreRecognised() {
  tcsync_config* const config = NewConfig();
  tcsync_bytes* const bytes = NewBytes(config);
  void* const untyped = config;
  ExpectRefused(
      "a configuration as a key",
      [&](tcsync_error** error) {
        tcsync_bytes* sealed = nullptr;
        return tcsync_seal(static_cast<tcsync_key*>(untyped),
                           "00000000-0000-0000-0000-000000000000", "", 0, &sealed, error);
      },
      "this is a tcsync_config where a tcsync_key is needed");
  ExpectAborts(
      "a configuration freed as bytes",
      [&] { tcsync_bytes_free(static_cast<tcsync_bytes*>(untyped)); },
      "this is a tcsync_config where a tcsync_bytes is needed");
  alignas(16) char text[64] = "no handle, and long enough to be one";
  ExpectAborts(
      "no handle at all",
      [&] { tcsync_bytes_free(static_cast<tcsync_bytes*>(static_cast<void*>(text))); },
      "this is no tcsync_bytes");
  tcsync_bytes_free(bytes);
  tcsync_config_free(config);
}

// The memory of freed handles is kept for a while, but not for ever.
void ManyHandlesCanBeFreed() {
  for (int i = 0; i < 10'000; ++i) tcsync_config_free(NewConfig());
}

}  // namespace

int main() {
  FreedHandlesAreRecognised();
  HandlesOfAnotherTypeAreRecognised();
  ManyHandlesCanBeFreed();
  return failures == 0 ? 0 : 1;
}

// Replaces engine.cc, pending.cc, response.cc and listener.cc in a build without the server
// (TCSYNC_SERVER=OFF), which is for replicas' tools: the same functions, so that every program
// links and every binding loads, and a clear error from those that begin something. The handles
// cannot exist here, so the other functions only answer NULL.
#include <initializer_list>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"
#include "tcsync.h"

using tcsync::capi::ClearOutput;
using tcsync::capi::Guard;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

namespace {

// An argument that must not be NULL.
struct Needed {
  bool is_given;
  absl::string_view name;
};

// Names the first missing argument, as the server's functions do, so that both builds report a
// program's mistake alike.
tcsync_code Refuse(tcsync_error** error, std::initializer_list<Needed> arguments) noexcept {
  return Guard(error, [&]() -> Result {
    for (const Needed& argument : arguments) {
      if (!argument.is_given) return NullArgument(argument.name);
    }
    return {TCSYNC_UNSUPPORTED,
            "this build of tcsync has only the replica's half, and no server; build or install the "
            "library with TCSYNC_SERVER=ON"};
  });
}

}  // namespace

tcsync_code tcsync_engine_open(const tcsync_config* config, tcsync_engine** engine,
                               tcsync_error** error) {
  ClearOutput(engine);
  return Refuse(error, {{config != nullptr, "config"}, {engine != nullptr, "engine"}});
}

void tcsync_engine_free(tcsync_engine*) {}

tcsync_code tcsync_engine_option(const tcsync_engine* engine, const char* name,
                                 tcsync_bytes** value, tcsync_error** error) {
  ClearOutput(value);
  return Refuse(
      error,
      {{engine != nullptr, "engine"}, {name != nullptr, "name"}, {value != nullptr, "value"}});
}

tcsync_code tcsync_engine_handle(tcsync_engine* engine, const tcsync_request* request,
                                 tcsync_response** response, tcsync_error** error) {
  ClearOutput(response);
  return Refuse(error, {{engine != nullptr, "engine"},
                        {request != nullptr, "request"},
                        {response != nullptr, "response"}});
}

tcsync_code tcsync_engine_handle_async(tcsync_engine* engine, const tcsync_request* request,
                                       tcsync_response_function function, void*,
                                       tcsync_error** error) {
  return Refuse(error, {{engine != nullptr, "engine"},
                        {request != nullptr, "request"},
                        {function != nullptr, "function"}});
}

tcsync_code tcsync_engine_handle_queued(tcsync_engine* engine, const tcsync_request* request,
                                        tcsync_queue* queue, void*, tcsync_error** error) {
  return Refuse(error, {{engine != nullptr, "engine"},
                        {request != nullptr, "request"},
                        {queue != nullptr, "queue"}});
}

tcsync_code tcsync_engine_begin(tcsync_engine* engine, const tcsync_request* request,
                                tcsync_pending** pending, tcsync_response** response,
                                tcsync_error** error) {
  ClearOutput(pending);
  ClearOutput(response);
  return Refuse(error, {{engine != nullptr, "engine"},
                        {request != nullptr, "request"},
                        {pending != nullptr, "pending"},
                        {response != nullptr, "response"}});
}

tcsync_code tcsync_pending_append(tcsync_pending* pending, const char*, size_t,
                                  tcsync_response** response, tcsync_error** error) {
  ClearOutput(response);
  return Refuse(error, {{pending != nullptr, "pending"}});
}

tcsync_code tcsync_pending_append_queued(tcsync_pending* pending, const char*, size_t,
                                         tcsync_queue*, void*, tcsync_error** error) {
  return Refuse(error, {{pending != nullptr, "pending"}});
}

tcsync_code tcsync_pending_finish(tcsync_pending* pending, tcsync_response** response,
                                  tcsync_error** error) {
  ClearOutput(response);
  return Refuse(error, {{pending != nullptr, "pending"}});
}

tcsync_code tcsync_pending_finish_queued(tcsync_pending* pending, tcsync_queue*, void*,
                                         tcsync_error** error) {
  return Refuse(error, {{pending != nullptr, "pending"}});
}

void tcsync_pending_free(tcsync_pending*) {}

tcsync_code tcsync_administer(const tcsync_config* config, tcsync_engine* engine,
                              const tcsync_request* request, tcsync_response** response,
                              tcsync_error** error) {
  ClearOutput(response);
  return Refuse(error, {{config != nullptr || engine != nullptr, "config"},
                        {request != nullptr, "request"},
                        {response != nullptr, "response"}});
}

tcsync_code tcsync_monitor(tcsync_engine* engine, const tcsync_request* request,
                           tcsync_response** response, tcsync_error** error) {
  ClearOutput(response);
  return Refuse(error, {{engine != nullptr, "engine"},
                        {request != nullptr, "request"},
                        {response != nullptr, "response"}});
}

int tcsync_response_status(const tcsync_response*) { return 0; }

size_t tcsync_response_header_count(const tcsync_response*) { return 0; }

tcsync_code tcsync_response_header(const tcsync_response* response, size_t, tcsync_header* header,
                                   tcsync_error** error) {
  ClearOutput(header);
  return Refuse(error, {{response != nullptr, "response"}, {header != nullptr, "header"}});
}

const char* tcsync_response_header_value(const tcsync_response*, const char*) { return nullptr; }

const char* tcsync_response_body(const tcsync_response*, size_t* size) {
  if (size != nullptr) *size = 0;
  return nullptr;
}

int64_t tcsync_response_body_size(const tcsync_response*) { return 0; }

tcsync_code tcsync_response_read(tcsync_response* response, tcsync_bytes** bytes,
                                 tcsync_error** error) {
  ClearOutput(bytes);
  return Refuse(error, {{response != nullptr, "response"}});
}

tcsync_code tcsync_response_read_queued(tcsync_response* response, tcsync_queue*, void*,
                                        tcsync_error** error) {
  return Refuse(error, {{response != nullptr, "response"}});
}

void tcsync_response_free(tcsync_response*) {}

tcsync_code tcsync_listener_bind(const tcsync_config* config, tcsync_listener** listener,
                                 tcsync_error** error) {
  ClearOutput(listener);
  return Refuse(error, {{config != nullptr, "config"}, {listener != nullptr, "listener"}});
}

size_t tcsync_listener_address_count(const tcsync_listener*) { return 0; }

const char* tcsync_listener_address(const tcsync_listener*, size_t) { return nullptr; }

tcsync_code tcsync_listener_serve(tcsync_listener* listener, tcsync_engine* engine,
                                  tcsync_error** error) {
  return Refuse(error, {{listener != nullptr, "listener"}, {engine != nullptr, "engine"}});
}

void tcsync_listener_stop(tcsync_listener*) {}

void tcsync_listener_free(tcsync_listener*) {}

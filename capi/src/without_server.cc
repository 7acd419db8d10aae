// Takes the place of engine.cc, pending.cc, response.cc and listener.cc in a build without the
// server (TCSYNC_SERVER=OFF), which is for replicas' tools: the same functions, so that every
// program links and every binding loads, and a clear error from those that begin something. The
// handles cannot exist here, so the others have only NULL to answer.
#include "capi/src/guard.h"
#include "tcsync.h"

using tcsync::capi::Guard;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;
using tcsync::capi::SetNull;

namespace {

Result Unsupported() {
  return {TCSYNC_UNSUPPORTED,
          "this build of tcsync has no server in it, only what replicas do; build or install the "
          "library with TCSYNC_SERVER=ON"};
}

}  // namespace

tcsync_code tcsync_engine_open(const tcsync_config* config, tcsync_engine** engine,
                               tcsync_error** error) {
  SetNull(engine);
  return Guard(error, [&]() -> Result {
    if (config == nullptr) return NullArgument("config");
    if (engine == nullptr) return NullArgument("engine");
    return Unsupported();
  });
}

void tcsync_engine_free(tcsync_engine*) {}

tcsync_code tcsync_engine_option(const tcsync_engine* engine, const char* name,
                                 tcsync_bytes** value, tcsync_error** error) {
  SetNull(value);
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (name == nullptr) return NullArgument("name");
    if (value == nullptr) return NullArgument("value");
    return Unsupported();
  });
}

tcsync_code tcsync_engine_handle(tcsync_engine* engine, const tcsync_request* request,
                                 tcsync_response** response, tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (response == nullptr) return NullArgument("response");
    return Unsupported();
  });
}

tcsync_code tcsync_engine_handle_async(tcsync_engine* engine, const tcsync_request* request,
                                       tcsync_response_function function, void*,
                                       tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (function == nullptr) return NullArgument("function");
    return Unsupported();
  });
}

tcsync_code tcsync_engine_handle_queued(tcsync_engine* engine, const tcsync_request* request,
                                        tcsync_queue* queue, void*, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (queue == nullptr) return NullArgument("queue");
    return Unsupported();
  });
}

tcsync_code tcsync_engine_begin(tcsync_engine* engine, const tcsync_request* request,
                                tcsync_pending** pending, tcsync_response** response,
                                tcsync_error** error) {
  SetNull(pending);
  SetNull(response);
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (pending == nullptr) return NullArgument("pending");
    if (response == nullptr) return NullArgument("response");
    return Unsupported();
  });
}

tcsync_code tcsync_pending_append(tcsync_pending* pending, const char*, size_t,
                                  tcsync_response** response, tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    return pending == nullptr ? NullArgument("pending") : Unsupported();
  });
}

tcsync_code tcsync_pending_append_queued(tcsync_pending* pending, const char*, size_t,
                                         tcsync_queue*, void*, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    return pending == nullptr ? NullArgument("pending") : Unsupported();
  });
}

tcsync_code tcsync_pending_finish(tcsync_pending* pending, tcsync_response** response,
                                  tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    return pending == nullptr ? NullArgument("pending") : Unsupported();
  });
}

tcsync_code tcsync_pending_finish_queued(tcsync_pending* pending, tcsync_queue*, void*,
                                         tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    return pending == nullptr ? NullArgument("pending") : Unsupported();
  });
}

void tcsync_pending_free(tcsync_pending*) {}

tcsync_code tcsync_administer(const tcsync_config* config, tcsync_engine* engine,
                              const tcsync_request* request, tcsync_response** response,
                              tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    if (config == nullptr && engine == nullptr) return NullArgument("config");
    if (request == nullptr) return NullArgument("request");
    if (response == nullptr) return NullArgument("response");
    return Unsupported();
  });
}

tcsync_code tcsync_monitor(tcsync_engine* engine, const tcsync_request* request,
                           tcsync_response** response, tcsync_error** error) {
  SetNull(response);
  return Guard(error, [&]() -> Result {
    if (engine == nullptr) return NullArgument("engine");
    if (request == nullptr) return NullArgument("request");
    if (response == nullptr) return NullArgument("response");
    return Unsupported();
  });
}

int tcsync_response_status(const tcsync_response*) { return 0; }

size_t tcsync_response_header_count(const tcsync_response*) { return 0; }

tcsync_code tcsync_response_header(const tcsync_response* response, size_t, tcsync_header* header,
                                   tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (response == nullptr) return NullArgument("response");
    if (header == nullptr) return NullArgument("header");
    return Unsupported();
  });
}

const char* tcsync_response_header_value(const tcsync_response*, const char*) { return nullptr; }

const char* tcsync_response_body(const tcsync_response*, size_t* size) {
  if (size != nullptr) *size = 0;
  return nullptr;
}

int64_t tcsync_response_body_size(const tcsync_response*) { return 0; }

tcsync_code tcsync_response_read(tcsync_response* response, tcsync_bytes** bytes,
                                 tcsync_error** error) {
  SetNull(bytes);
  return Guard(error, [&]() -> Result {
    return response == nullptr ? NullArgument("response") : Unsupported();
  });
}

tcsync_code tcsync_response_read_queued(tcsync_response* response, tcsync_queue*, void*,
                                        tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    return response == nullptr ? NullArgument("response") : Unsupported();
  });
}

void tcsync_response_free(tcsync_response*) {}

tcsync_code tcsync_listener_bind(const tcsync_config* config, tcsync_listener** listener,
                                 tcsync_error** error) {
  SetNull(listener);
  return Guard(error, [&]() -> Result {
    if (config == nullptr) return NullArgument("config");
    if (listener == nullptr) return NullArgument("listener");
    return Unsupported();
  });
}

size_t tcsync_listener_address_count(const tcsync_listener*) { return 0; }

const char* tcsync_listener_address(const tcsync_listener*, size_t) { return nullptr; }

tcsync_code tcsync_listener_serve(tcsync_listener* listener, tcsync_engine* engine,
                                  tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (listener == nullptr) return NullArgument("listener");
    if (engine == nullptr) return NullArgument("engine");
    return Unsupported();
  });
}

void tcsync_listener_stop(tcsync_listener*) {}

void tcsync_listener_free(tcsync_listener*) {}

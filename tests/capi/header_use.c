/* Compiled by header_test.sh in every supported dialect of C and C++: includes the header twice and
 * uses every macro, which nobody else would look into in those dialects. */
#include "tcsync.h"

static const tcsync_code kCodes[] = {
    TCSYNC_OK,
    TCSYNC_INVALID_ARGUMENT,
    TCSYNC_OUT_OF_MEMORY,
    TCSYNC_INTERNAL,
    TCSYNC_SYSTEM,
    TCSYNC_IN_USE,
    TCSYNC_UNAVAILABLE,
    TCSYNC_WRONG_FORMAT,
    TCSYNC_DATA_LOSS,
    TCSYNC_UNSUPPORTED,
    TCSYNC_UNSEAL_FAILED,
    TCSYNC_NULL_ARGUMENT,
    TCSYNC_UNKNOWN_OPTION,
    TCSYNC_INVALID_OPTION_VALUE,
    TCSYNC_INVALID_UUID,
    TCSYNC_INVALID_ADDRESS,
    TCSYNC_UNSEAL_TRUNCATED,
    TCSYNC_UNSEAL_UNKNOWN_FORMAT,
    TCSYNC_UNSEAL_WRONG_KEY,
    TCSYNC_UNSEAL_NOT_AUTHENTIC,
};

tcsync_code use_codes(int index);
void use_functions(void);

tcsync_code use_codes(int index) {
  switch (TCSYNC_COARSE(kCodes[index])) {
    case TCSYNC_OK:
      return TCSYNC_LOG_DEBUG + TCSYNC_LOG_INFO + TCSYNC_LOG_WARNING + TCSYNC_LOG_ERROR;
    case TCSYNC_UNSEAL_FAILED:
      return kCodes[index] == TCSYNC_UNSEAL_WRONG_KEY;
    default:
      return TCSYNC_INTERNAL;
  }
}

static void receive_message(void* user_data, int level, const char* message, size_t size) {
  (void)user_data;
  (void)level;
  (void)message;
  (void)size;
}

static void receive_response(void* user_data, tcsync_response* response) {
  (void)user_data;
  tcsync_response_free(response);
}

void use_functions(void) {
  tcsync_config* config = NULL;
  tcsync_engine* engine = NULL;
  tcsync_error* error = NULL;
  tcsync_request request;
  request.struct_size = sizeof(request);
  (void)tcsync_config_set_log(config, receive_message, NULL, &error);
  (void)tcsync_engine_handle_async(engine, &request, receive_response, NULL, &error);
}
